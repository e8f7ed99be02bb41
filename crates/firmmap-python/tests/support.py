"""Helpers for the tests: what a call comes to, and whether it comes to the same in both modules."""

from __future__ import annotations

import mmap as standard
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
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


NEWEST = sys.version_info >= (3, 15)

# What older modules say, and what 3.15's says in its place. What they have in common is kept.
WORDS = [
    (r"^\w+\(\) takes (?:exactly|at least|at most) \d+ arguments? \((\d+) given\)$", r"arguments: \1"),
    (r"^(?:mmap\.)?\w+\(\) takes exactly one argument \((\d+) given\)$", r"arguments: \1"),
    (r"^\w+ expected (?:at least |at most |)\d+ arguments?, got (\d+)$", r"arguments: \1"),
    (r"^flush\(\) takes at most \d (?:positional )?arguments? \((\d+) given\)$", r"arguments: \1"),
    (r"^signed integer is (?:greater than maximum|less than minimum)$", "too large for C"),
    (r"^Python int too large to convert to C (?:int|long)$", "too large for C"),
    (r"^'(\w+)' is an invalid keyword argument for .*$", r"name: \1"),
    (r"^this function got an unexpected keyword argument '(\w+)'.*$", r"name: \1"),
    (r"^(mmap: can't expand a shared anonymous mapping) on Linux$", r"\1"),
]
# Errors about the map. 3.15's module converts the arguments before it looks at the map.
ABOUT_THE_MAP = {"mmap closed or invalid", "mmap index out of range"}


def agree(standard: Any, ours: Any) -> bool:
    """Whether ours is what 3.15's module does; the other side may be an older one. Outcomes may be inside of others."""
    if ours == standard:
        return True
    if NEWEST or type(standard) is not tuple or type(ours) is not tuple or len(standard) != len(ours):
        return False
    if standard[0] != "raised" or ours[0] != "raised":
        return all(agree(one, other) for one, other in zip(standard, ours, strict=True))
    (_, their_type, theirs, _), (_, our_type, our_words, _) = standard, ours
    if theirs in ABOUT_THE_MAP and our_words not in ABOUT_THE_MAP:
        is_about_arguments = our_type in (TypeError, OverflowError, IndexError, BufferError, ZeroDivisionError)
        return is_about_arguments or "range(0, 256)" in our_words or our_words == "slice step cannot be zero"
    if our_words == "can't get size with trackfd=False":
        return bool(theirs == "[Errno 9] Bad file descriptor")
    for pattern, in_common in WORDS:
        theirs, our_words = re.sub(pattern, in_common, theirs), re.sub(pattern, in_common, our_words)
    return bool((their_type, theirs) == (our_type, our_words))


def same(call: Callable[[ModuleType], object]) -> Outcome:
    """Checks that a call comes to the same with the standard module and with ours; says to what."""
    expected = outcome(lambda: call(standard))
    ours = outcome(lambda: call(firmmap))
    assert agree(expected, ours), (expected, ours)
    return ours


def is_wine() -> bool:
    """Whether this is not Windows itself, but wine."""
    if sys.platform != "win32":
        return False
    import ctypes

    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


WINE = is_wine()


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


def run_alone(program: str, *arguments: str) -> None:
    """Runs one of the programs beside the tests, which finds faults itself and may end its process."""
    command = [sys.executable, str(Path(__file__).with_name(program)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    last = "\n".join(done.stderr.splitlines()[-3:])
    assert done.returncode == 0, f"{done.stdout}\n{last}"
    panics = [line for line in done.stderr.splitlines() if "panicked" in line]
    assert panics == []


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
