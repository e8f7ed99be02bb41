"""What the tasks of the tests do. Workers import this module."""

from __future__ import annotations

import mmap
import os
import signal
from pathlib import Path

from firmmap import FileRange


def process() -> int:
    """A function, as Ray makes no task of a built-in one."""
    return os.getpid()


def count(part: FileRange) -> int:
    return part.count(b"\n")


def errors(part: FileRange) -> list[bytes]:
    return list(part.lines(containing=b"ERROR"))


def fasta(part: FileRange) -> list[bytes]:
    """The records of the range; the first has lost its '>' if the range does not begin with one."""
    with part.open() as m:
        return m[:].split(b"\n>")


def fastq(part: FileRange) -> list[bytes]:
    """The records, each of four lines."""
    lines = list(part.lines())
    return [b"".join(lines[start : start + 4]) for start in range(0, len(lines), 4)]


def truncate(part: FileRange) -> int:
    """The lines of a range whose file is cut off in its second page, while it is mapped."""
    with part.open() as m:
        os.truncate(part.path, end_after_truncate(part))
        return m.count(b"\n")


def end_after_truncate(part: FileRange) -> int:
    return (part.offset // mmap.PAGESIZE + 2) * mmap.PAGESIZE


def die_once(part: FileRange) -> int:
    """The lines of a range; the worker that is the first to get here is killed before it counts them."""
    try:
        Path(f"{part.path}.killed").touch(exist_ok=False)
    except FileExistsError:
        return part.count(b"\n")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("survived SIGKILL")
