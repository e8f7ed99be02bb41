"""Helpers for the tests: what a call comes to, and whether it comes to the same in both modules."""

from __future__ import annotations

import mmap as standard
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import firmmap

if TYPE_CHECKING:
    from conftest import MakeFile

PAGE = standard.PAGESIZE
# What an offset must be a multiple of.
UNIT = standard.ALLOCATIONGRANULARITY

Outcome = tuple[Any, ...]

# Operations that test_differential.py has found to be the same on both sides.
compared = 0


def outcome(call: Callable[[], object]) -> Outcome:
    """The result of a call and its type, or its exception's type, message and arguments."""
    try:
        result = call()
    except Exception as error:
        return ("raised", type(error), str(error), error.args)
    return ("returned", type(result), result)


def same(call: Callable[[ModuleType], object]) -> Outcome:
    """Checks that a call comes to the same with the standard module and with ours; says to what."""
    expected = outcome(lambda: call(standard))
    ours = outcome(lambda: call(firmmap))
    assert ours == expected
    return expected


def pread(fd: int, count: int, offset: int) -> bytes:
    """os.pread(), which Windows does not have."""
    if sys.platform != "win32":
        return os.pread(fd, count, offset)
    before = os.lseek(fd, 0, os.SEEK_CUR)
    os.lseek(fd, offset, os.SEEK_SET)
    data = os.read(fd, count)
    os.lseek(fd, before, os.SEEK_SET)
    return data


def pwrite(fd: int, data: bytes, offset: int) -> None:
    """os.pwrite(), which Windows does not have."""
    if sys.platform != "win32":
        os.pwrite(fd, data, offset)
        return
    before = os.lseek(fd, 0, os.SEEK_CUR)
    os.lseek(fd, offset, os.SEEK_SET)
    os.write(fd, data)
    os.lseek(fd, before, os.SEEK_SET)


def run_python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in an interpreter of its own, which must end well."""
    command = [sys.executable, "-c", program, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


class Index:
    """An object that stands for an integer."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    def __repr__(self) -> str:
        return f"Index({self.value})"


def filled(mmap: ModuleType, data: bytes | bytearray, **names: Any) -> Any:
    """Anonymous memory that holds `data`."""
    m = mmap.mmap(-1, len(data), **names)
    m[:] = data
    return m


def file_map(mmap: ModuleType, make_file: MakeFile, data: bytes, **names: Any) -> tuple[Any, Any]:
    """A new file with that data, and a map of it."""
    file = make_file(data)
    return file, mmap.mmap(file.fileno(), 0, **names)


def together(*works: Callable[[], object]) -> None:
    """Runs all works at once, each in a thread of its own; their exceptions become ours."""
    barrier = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
