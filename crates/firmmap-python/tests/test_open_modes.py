"""Modes as people type them, "a+", and files that are made without being emptied."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import firmmap
import pytest

TEXT = b"0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    return path


SPELLINGS = [
    *("r", "rb", "br", "r+", "r+b", "rb+", "+br", "w+", "w+b", "wb+", "x+", "x+b", "xb+", "a+", "a+b", "ab+", "+ab"),
]


@pytest.mark.parametrize("mode", SPELLINGS)
def test_spellings(path: Path, mode: str) -> None:
    """G1: each means what it means to files, which m.mode says as theirs does, and open() takes that again."""
    seen = []
    for opened in (open, firmmap.open):
        path.write_bytes(TEXT)
        if "x" in mode:
            path.unlink()
        binary = mode if "b" in mode or opened is firmmap.open else mode + "b"
        with opened(path, binary) as f:
            found: list[Any] = [f.mode, f.tell(), f.writable(), f.seek(0), f.read()]
            if f.writable():
                found += [f.write(b"new"), f.seek(0), f.write(b"N"), f.flush(), f.tell(), f.seek(0), f.read()]
            again = f.mode
        seen.append([*found, path.read_bytes()])
    assert seen[0] == seen[1]
    if "x" in mode:
        path.unlink()
    with firmmap.open(path, again) as m:
        assert m.mode == again


@pytest.mark.parametrize(
    ("mode", "meant"),
    [
        *(("w", "w+"), ("wb", "w+b"), ("bw", "w+b"), ("a", "a+"), ("ab", "a+b"), ("x", "x+"), ("xb", "x+b")),
        *(
            ("rt", "rb"),
            ("r+t", "r+b"),
            ("wt", "w+b"),
            ("w+t", "w+b"),
            ("at", "a+b"),
            ("rU", "rb"),
            ("cb", "c"),
            ("c+", "c"),
        ),
        *(("readonly", "r"), ("readwrite", "r+"), ("write", "w+"), ("copyonwrite", "c")),
    ],
)
def test_the_mode_that_was_meant(path: Path, mode: str, meant: str) -> None:
    """G1: what a map cannot be is refused with the mode that was meant, and the file stays as it was."""
    with pytest.raises(ValueError, match=f'^mode "{mode}" .*: use "{meant}"$'.replace("+", r"\+")):
        firmmap.open(path, mode)
    assert path.read_bytes() == TEXT
    firmmap.open(path if "x" not in meant else f"{path}.new", meant).close()


@pytest.mark.parametrize("mode", ["", "b", "+", "rw", "r++", "rbb", "rbt", "R", "r ", "q", "rwb"])
def test_no_mode(path: Path, mode: str) -> None:
    """G2: an unknown mode is named, with those that there are."""
    with pytest.raises(ValueError, match='is none of "r", "r\\+", "w\\+", "x\\+", "a\\+", "c"'):
        firmmap.open(path, mode)


def test_create(path: Path) -> None:
    """G1: create=True makes a file that is missing, and keeps one that is there; not where nothing is written."""
    with firmmap.open(path, "r+", create=True) as m:
        assert (m.read(), m.mode) == (TEXT, "rb+")
    new = path.with_name("new")
    with firmmap.open(new, "r+", create=True, offset=3) as m:
        m.write(b"database")
    assert new.read_bytes() == b"\0\0\0database"
    with firmmap.open(new, "r+b", create=True, length=20) as m:
        assert len(m) == 20
    for mode in ("r", "rb", "c"):
        with pytest.raises(ValueError, match=r"create=True.*'r\+'"):
            firmmap.open(path.with_name("none"), mode, create=True)
    with path.open("r+b") as file, pytest.raises(ValueError, match="needs a path"):
        firmmap.open(file.fileno(), "r+", create=True)
    failed = path.with_name("failed")
    with pytest.raises((OSError, ValueError)):
        firmmap.open(failed, "r+", create=True, length=2**62)
    assert not failed.exists()
    with pytest.raises(FileNotFoundError):
        firmmap.open(path.with_name("none"), "r+", create=False)


@pytest.mark.parametrize("capacity", [None, 1 << 30])
def test_append(path: Path, capacity: int | None) -> None:
    """G1, G10: every write goes to the end of the file as it is then; reading, seeking, items and views are as ever."""
    new = path.with_name("log")
    with firmmap.open(new, "a+", capacity=capacity) as m, open(new, "ab", buffering=0) as other:
        m.write(b"one\n")
        if sys.platform != "win32":
            other.write(b"two\n")
        m.seek(0)
        assert m.write(b"three\n") == 6
        assert m.tell() == len(m)
        m.seek(1)
        m.writelines([b"four\n", b"five\n"])
        m.seek(4)
        assert m.readline() == (b"two\n" if sys.platform != "win32" else b"three\n")
        m[0] = ord("O")
        m.write_byte(10)
        m.write(b"")
        expected = (b"One\ntwo\n" if sys.platform != "win32" else b"One\n") + b"three\nfour\nfive\n\n"
        assert m[:] == expected
        assert m.truncate(4) == 4
        m.write(b"x" * (3 << 20))
        assert m.tell() == 4 + (3 << 20)
    assert new.read_bytes() == b"One\n" + b"x" * (3 << 20)
    with firmmap.open(new, "a+") as m:
        assert m.tell() == len(m)


APPENDER = """
import sys
import firmmap
with firmmap.open(sys.argv[1], "a+") as m:
    for number in range(5000):
        m.write(b"%s %d\\n" % (sys.argv[2].encode(), number))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is mapped cannot be made longer by others there")
def test_processes_that_append_at_once(path: Path) -> None:
    """G10: of four processes with 5,000 records each, none is lost, and each one's are in their order."""
    log = path.with_name("log")
    children = [subprocess.Popen([sys.executable, "-c", APPENDER, str(log), name]) for name in "abcd"]
    assert [child.wait(120) for child in children] == [0] * 4
    records = log.read_bytes().splitlines()
    assert len(records) == 20_000
    for name in (b"a", b"b", b"c", b"d"):
        assert [record for record in records if record.startswith(name)] == [b"%s %d" % (name, n) for n in range(5000)]


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of Unix")
def test_append_with_a_descriptor(path: Path) -> None:
    """G1: "a+" appends whatever flags a descriptor has, and leaves them as they are."""
    with path.open("r+b", buffering=0) as file:
        with firmmap.open(file.fileno(), "a+") as m:
            assert m.tell() == len(TEXT)
            m.seek(0)
            m.write(b"end")
        file.seek(0)
        file.write(b"begin")
    assert path.read_bytes() == b"begin" + TEXT[5:] + b"end"
    with pytest.raises(OSError), open(os.open(path, os.O_RDONLY), "rb") as file:
        firmmap.open(file.fileno(), "a+")


def test_types(path: Path) -> None:
    """G1, G3: what a type checker accepts, as this file is checked: any mode that is a str, and buffers over a map."""
    mode: str = "r" + "+"
    with io.BufferedRandom(firmmap.open(path, mode)) as file:
        assert file.read(1) == TEXT[:1]
    with io.BufferedReader(firmmap.open(path)) as reader, io.TextIOWrapper(firmmap.open(path)) as text:
        assert reader.read(3).decode() == text.read(3)
    with io.BufferedWriter(firmmap.MappedFile(path, mode)) as writer:
        writer.write(b"x")
    assert path.read_bytes() == b"x" + TEXT[1:]
