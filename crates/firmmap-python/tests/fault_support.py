"""What the tests of faults share: files that lose pages, and programs in their own processes."""

from __future__ import annotations

import _thread
import ctypes
import functools
import importlib
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# The module and its exception, without types: what they do is what is tested.
firmmap: Any = importlib.import_module("firmmap")
MapFaultError: Any = firmmap.MapFaultError

PAGE: int = firmmap.PAGESIZE
# A map that has lost its second half, and a byte in that.
N = 4 * PAGE
LEFT = 2 * PAGE
LOST = 3 * PAGE + 5

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="the guard is tested on Linux")


@functools.lru_cache(maxsize=8)
def content(length: int, start: int = 0) -> bytes:
    """Bytes that say where in the file they are: lines of 13 bytes, none of them zero."""
    first, last = start // 13, (start + length) // 13 + 1
    lines = b"".join(b"%012d\n" % number for number in range(first, last))
    return lines[start - first * 13 :][:length]


@functools.lru_cache(maxsize=8)
def periodic(length: int, start: int = 0) -> bytes:
    """Bytes that are the same on every page, so that a move from page to page changes none."""
    page = bytes(1 + index * 7 % 255 for index in range(PAGE))
    return (page * ((start + length) // PAGE + 1))[start : start + length]


@dataclass
class Victim:
    """A mapped file that can lose pages and get them back. Places count from the map's start."""

    path: Path
    fd: int
    map: Any
    length: int
    base: int
    fill: Callable[[int, int], bytes]

    @property
    def bytes(self) -> bytes:
        """What the map holds when all of it is there."""
        return self.fill(self.length, self.base)

    def truncate(self, length: int) -> None:
        os.ftruncate(self.fd, self.base + length)

    def restore(self) -> None:
        """Gives all bytes back without ever showing a zero: what is written grows page by page."""
        place = 0
        whole = self.fill(self.base + self.length, 0)
        while place < len(whole):
            place += os.pwrite(self.fd, whole[place : place + (1 << 20)], place)


KINDS = (
    "shared",
    "read-only",
    "copy",
    "private",
    "untracked",
    "untracked copy",
    "deleted",
    "offset",
)


@contextmanager
def victim(
    directory: Path,
    kind: str = "shared",
    length: int = 4 * PAGE,
    fill: Callable[[int, int], bytes] = content,
) -> Iterator[Victim]:
    """A file and its map, of one of KINDS."""
    path = directory / "victim"
    base = 2 * PAGE if kind == "offset" else 0
    path.write_bytes(fill(base + length, 0))
    fd = os.open(path, os.O_RDWR)
    options: dict[str, Any] = {
        "read-only": {"access": firmmap.ACCESS_READ},
        "copy": {"access": firmmap.ACCESS_COPY},
        "private": {"flags": firmmap.MAP_PRIVATE},
        "untracked": {"trackfd": False},
        "untracked copy": {"trackfd": False, "access": firmmap.ACCESS_COPY},
        "offset": {"offset": base},
    }.get(kind, {})
    one = Victim(path, fd, firmmap.mmap(fd, length, **options), length, base, fill)
    if kind == "deleted":
        path.unlink()
    try:
        yield one
    finally:
        os.close(fd)


def chance() -> None:
    """Bytecodes at which CPython looks for what is to be raised."""
    for _ in range(3):
        pass


def until(done: Callable[[], bool]) -> None:
    """Waits, in Python, so that this thread can be told meanwhile."""
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def address(m: Any) -> tuple[int, Any]:
    """Where the map lies, and what keeps it there."""
    holder = (ctypes.c_char * len(m)).from_buffer(m)
    return ctypes.addressof(holder), holder


def in_thread(work: Callable[[], object]) -> list[BaseException]:
    """Runs work in a new thread, while this one is busy in Python. What was raised in it."""
    caught: list[BaseException] = []
    done = []

    def run() -> None:
        try:
            work()
            chance()
        except BaseException as error:
            caught.append(error)
        finally:
            done.append(True)

    _thread.start_new_thread(run, ())
    until(lambda: bool(done))
    return caught


def by_index(m: Any) -> object:
    with memoryview(m) as view:
        value: object = view[LOST]
        chance()
        return value


def written_by_memoryview(m: Any) -> object:
    with memoryview(m) as view:
        view[LOST] = 1
        chance()
    return None


PRELUDE = """
import os, signal, sys, tempfile
PAGE = os.sysconf("SC_PAGE_SIZE")

def make(pages=4):
    file = tempfile.TemporaryFile()
    file.write(b"0123456789abcdef" * (PAGE // 16 * pages))
    file.flush()
    return file

def mapped(module, pages=4):
    file = make(pages)
    return file, module.mmap(file.fileno(), 0)

def survive(*, at=2, module=None):
    "One fault, caught."
    import firmmap
    file, m = mapped(firmmap)
    file.truncate(at * PAGE)
    try:
        m[at * PAGE + 5]
    except firmmap.MapFaultError as error:
        assert error.offset == at * PAGE + 5, error.offset
    else:
        raise SystemExit("no exception")
    assert m[5] == ord("5")
    m.close()

def stranger():
    "A fault in memory that is none of firmmap's."
    import mmap as standard
    assert standard.__name__ == "mmap"
    file, m = mapped(standard)
    file.truncate(0)
    m[5]
    print("the stranger has survived")
"""


def run(
    script: str, *options: str, timeout: float = 120, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program after PRELUDE in a process of its own."""
    program = PRELUDE + textwrap.dedent(script)
    environment = {key: value for key, value in os.environ.items() if key != "FIRMMAP_FAULT_GUARD"}
    environment.pop("PYTHONFAULTHANDLER", None)
    return subprocess.run(
        [sys.executable, *options, "-c", program],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**environment, **(env or {})},
    )


def lives(script: str, *options: str, env: dict[str, str] | None = None) -> tuple[str, str]:
    """Runs a program that must end well, and returns what it has printed."""
    result = run(script, *options, env=env)
    assert result.returncode == 0, (result.returncode, result.stdout, result.stderr)
    return result.stdout, result.stderr


def areas(name: str) -> int:
    """How many areas of this process's memory are of a file of that name."""
    return sum(name in line for line in Path("/proc/self/maps").read_text().splitlines())
