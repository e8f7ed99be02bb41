"""E1 to E3: the programs that a reader of the documentation tries first."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest


def test_hello(mmap: ModuleType, tmp_path: Path) -> None:
    """E1: a file is mapped, read, sliced, changed and read again."""
    path = tmp_path / "hello.txt"
    path.write_bytes(b"Hello Python!\n")
    with path.open("r+b") as file:
        m = mmap.mmap(file.fileno(), 0)
        assert m.readline() == b"Hello Python!\n"
        assert m[:5] == b"Hello"
        m[6:] = b" world!\n"
        m.seek(0)
        assert m.readline() == b"Hello  world!\n"
        m.close()
    assert path.read_bytes() == b"Hello  world!\n"


def test_anonymous(mmap: ModuleType) -> None:
    """E2: anonymous memory in a with statement."""
    with mmap.mmap(-1, 13) as m:
        assert m.write(b"Hello world!") == 12
        assert m[:] == b"Hello world!\0"
    assert m.closed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork(mmap: ModuleType) -> None:
    """E3: anonymous memory is written by the parent and read by its child, and back."""
    m = mmap.mmap(-1, 13)
    m.write(b"Hello world!")
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            m.seek(0)
            if m.readline() == b"Hello world!\0":
                m[0:5] = b"child"
                m.close()
                status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert m[:] == b"child world!\0"
    m.close()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux")
def test_private_memory_stays_apart(mmap: ModuleType) -> None:
    """E3, B9: with MAP_PRIVATE the child's changes are its own."""
    m = mmap.mmap(-1, 13, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pid = os.fork()
    if pid == 0:
        m[0] = 1
        os._exit(0 if m[0] == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert m[0] == 0
