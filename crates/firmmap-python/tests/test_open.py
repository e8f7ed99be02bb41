"""firmmap.open(): modes, ranges, descriptors, names, errors, audit events."""

from __future__ import annotations

import gc
import io
import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import firmmap
import pytest
from support import PAGE, Index, run_python

TEXT = b"0123456789" * 1000

WRITING = ["r+", "w+", "x+"]
MODES = ["r", "r+", "w+", "x+", "c"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    return path


def test_read(path: Path) -> None:
    """G1: mode "r" is the default, and maps the whole file."""
    with firmmap.open(path) as m:
        assert len(m) == len(TEXT)
        assert m[:] == m.read() == bytes(m) == TEXT
        assert not m.writable()


def test_read_and_write(path: Path) -> None:
    """G1: "r+" changes the file."""
    with firmmap.open(path, "r+") as m:
        m[3:5] = b"xx"
        m.seek(7)
        m.write(b"yy")
    assert path.read_bytes()[:10] == b"012xx56yy9"


def test_create(path: Path) -> None:
    """G1: "w+" truncates a file that exists, and creates one that does not."""
    with firmmap.open(path, "w+") as m:
        assert len(m) == 0
        m.write(b"new")
    assert path.read_bytes() == b"new"
    path.unlink()
    with firmmap.open(path, "w+", length=5) as m:
        assert m[:] == bytes(5)
    assert path.read_bytes() == bytes(5)


def test_create_new(path: Path) -> None:
    """G1: "x+" refuses a file that exists, and leaves it as it is."""
    with pytest.raises(FileExistsError) as caught:
        firmmap.open(path, "x+")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == TEXT
    other = path.with_name("other")
    with firmmap.open(other, "x+") as m:
        m.write(b"abc")
    assert other.read_bytes() == b"abc"


def test_copy(path: Path) -> None:
    """G1: "c" changes the memory and not the file."""
    with firmmap.open(path, "c") as m:
        assert m.writable()
        m[0] = ord("X")
        m.write(b"YZ")
        assert m[:3] == b"YZ2"
    assert path.read_bytes() == TEXT


def test_copy_of_a_file_that_is_read_only(path: Path) -> None:
    """G1: changes that stay in memory need no permission to write."""
    path.chmod(0o444)
    with firmmap.open(path, "c") as m:
        m[0] = 0
    assert path.read_bytes() == TEXT


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_missing_file(tmp_path: Path, mode: Any) -> None:
    """G1: three modes need a file."""
    with pytest.raises(FileNotFoundError) as caught:
        firmmap.open(tmp_path / "missing", mode)
    assert caught.value.filename == str(tmp_path / "missing")


@pytest.mark.parametrize("kind", [str, os.fsencode, Path, lambda path: type("P", (), {"__fspath__": lambda s: path})()])
def test_kinds_of_paths(path: Path, kind: Any) -> None:
    """G1: a path is a str, bytes, or has `__fspath__`; `name` is what a plain file has."""
    given = kind(str(path))
    with firmmap.open(given) as m, open(given, "rb") as plain:
        assert m[:] == TEXT
        assert m.name == plain.name


def test_descriptor(path: Path) -> None:
    """G1: a descriptor stays the caller's, whichever is closed first."""
    with path.open("r+b") as file:
        m = firmmap.open(file.fileno(), "r+")
        m.close()
        assert file.read(3) == b"012"
        m = firmmap.open(file.fileno(), "r+")
        assert m.name == file.fileno()
        if sys.platform != "win32":
            assert m.fileno() != file.fileno()
    assert m[:] == TEXT
    m.seek(0)
    m.write(b"abc")
    m.seek(0, 2)
    m.write(b"grown")
    m.close()
    assert path.read_bytes() == b"abc" + TEXT[3:] + b"grown"


def test_descriptor_has_a_position(path: Path) -> None:
    """G1: as with a plain file, the position is where the descriptor stands; a part begins at its own start."""
    with path.open("rb", buffering=0) as file:
        file.seek(4)
        with firmmap.open(file.fileno()) as m:
            assert (m.tell(), m.read(3), file.tell()) == (4, TEXT[4:7], 4)
        with firmmap.open(file.fileno(), offset=2) as m:
            assert (m.tell(), m.read(3)) == (0, TEXT[2:5])
        file.seek(len(TEXT) + 9)
        with firmmap.open(file.fileno()) as m:
            assert (m.tell(), m.read()) == (len(TEXT) + 9, b"")


def test_descriptor_is_truncated(path: Path) -> None:
    """G1: "w+" empties the file of a descriptor, as the mode says."""
    with path.open("r+b") as file, firmmap.open(file.fileno(), "w+") as m:
        assert len(m) == 0
    assert path.read_bytes() == b""


def test_descriptor_is_not_new(path: Path) -> None:
    """G1: "x+" with a descriptor makes no sense."""
    with path.open("r+b") as file, pytest.raises(ValueError, match=r"'x\+' creates a file"):
        firmmap.open(file.fileno(), "x+")


@pytest.mark.skipif(sys.platform == "win32", reason="devices of Unix")
def test_no_regular_files(tmp_path: Path) -> None:
    """G2, G6: a directory is refused as open() does; a device keeps its length: no write is lost in silence."""
    with pytest.raises(IsADirectoryError) as caught:
        firmmap.open(tmp_path)
    assert caught.value.filename == str(tmp_path)
    with pytest.raises(IsADirectoryError):
        firmmap.open(tmp_path, length=0)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        for length in (None, 0, 10):
            with pytest.raises(IsADirectoryError) as caught:
                firmmap.open(descriptor, length=length)
            assert caught.value.filename == descriptor
    finally:
        os.close(descriptor)
    with pytest.raises(ValueError, match="not a regular one"):
        firmmap.open("/dev/zero")
    with firmmap.open("/dev/zero", "r+", length=10) as m:
        m.write(b"12345678")
        calls: list[Callable[[], object]] = [
            lambda: m.write(b"90a"),
            lambda: m.truncate(5),
            lambda: m.truncate(20),
        ]
        for call in calls:
            with pytest.raises(io.UnsupportedOperation, match="not a regular file"):
                call()
        assert (len(m), m.tell()) == (10, 8)


def test_wrong_descriptors(path: Path) -> None:
    """G1: what the system refuses is an OSError with its number."""
    with path.open("rb") as file, pytest.raises(OSError) as caught:
        firmmap.open(file.fileno(), "r+")
    assert isinstance(caught.value, PermissionError)
    with pytest.raises(OSError, match="Bad file descriptor"):
        firmmap.open(12345)
    with pytest.raises(OSError, match="Bad file descriptor"):
        firmmap.open(-1)


OFFSETS = [0, 1, 7, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 5, len(TEXT) - 1, len(TEXT)]


@pytest.mark.parametrize("offset", OFFSETS)
def test_any_offset(path: Path, offset: int) -> None:
    """G2: aligned or not, to the end or not."""
    with firmmap.open(path, offset=offset) as m:
        assert m[:] == TEXT[offset:]
        assert m.offset == offset
    for length in (0, 1, 100):
        if offset + length <= len(TEXT):
            with firmmap.open(path, "r+", offset=offset, length=length) as m:
                assert m.read() == TEXT[offset : offset + length]


def test_write_at_any_offset(path: Path) -> None:
    """G2: positions and indices count from the offset."""
    with firmmap.open(path, "r+", offset=PAGE + 3, length=10) as m:
        m[0] = ord("A")
        m.seek(2)
        m.write(b"BC")
    assert path.read_bytes() == TEXT[: PAGE + 3] + b"A" + TEXT[PAGE + 4 : PAGE + 5] + b"BC" + TEXT[PAGE + 7 :]


@pytest.mark.parametrize("mode", MODES)
def test_empty(tmp_path: Path, mode: Any) -> None:
    """G2: an empty file is a file like any other."""
    path = tmp_path / "empty"
    if mode != "x+":
        path.touch()
    with firmmap.open(path, mode) as m:
        assert len(m) == 0
        assert m[:] == m.read() == m.readline() == bytes(m) == b""
        assert list(m) == list(m.lines()) == []
        assert list(m.find_all(b"a")) == []
        assert m.find(b"") == 0
        assert m.find(b"a") == -1
        assert b"" in m
        assert len(memoryview(m)) == 0
        with pytest.raises(IndexError):
            m[0]
        m.flush()


def test_truth(tmp_path: Path) -> None:
    """G3: a file is true, also an empty or closed one: `if file:` asks whether there is one."""
    path = tmp_path / "empty"
    path.touch()
    m = firmmap.open(path)
    assert m
    m.close()
    assert m


@pytest.mark.parametrize("mode", ["r", "c"])
def test_beyond_the_end(path: Path, mode: Any) -> None:
    """G2: what is not in the file cannot be mapped, where it cannot be added either; the numbers are told."""
    with pytest.raises(ValueError, match=r"length 9990 from offset 20 .* 10000 bytes"):
        firmmap.open(path, mode, offset=20, length=9990)
    with pytest.raises(ValueError, match=r"offset 10001 .* 10000 bytes"):
        firmmap.open(path, mode, offset=10001)
    assert path.read_bytes() == TEXT


@pytest.mark.parametrize("mode", WRITING)
def test_beyond_the_end_grows(tmp_path: Path, mode: Any) -> None:
    """G2: in modes that write, the file grows to the range."""
    path = tmp_path / "short"
    if mode != "x+":
        path.write_bytes(b"abc")
    start = b"abc" if mode == "r+" else b""
    with firmmap.open(path, mode, offset=2, length=10) as m:
        assert m[:] == start[2:].ljust(10, b"\0")
    assert path.read_bytes() == start.ljust(12, b"\0")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"offset": -1}, "offset -1"),
        ({"length": -2}, "length -2"),
        ({"capacity": -3}, "capacity -3"),
        ({"offset": 1 << 70}, f"offset {1 << 70}"),
        ({"length": 1 << 70}, f"length {1 << 70}"),
        ({"length": -(1 << 70)}, f"length {-(1 << 70)}"),
        ({"capacity": 1 << 70}, f"capacity {1 << 70}"),
        ({"length": 10, "capacity": 9}, "capacity 9 is less than length 10"),
        ({"mode": "rw"}, "rw"),
        ({"mode": "rt"}, "rt"),
        ({"mode": ""}, "mode"),
    ],
)
def test_wrong_values(path: Path, arguments: dict[str, Any], words: str) -> None:
    """G2: a wrong argument is a ValueError that names it, and changes nothing."""
    with pytest.raises(ValueError, match=words):
        firmmap.open(path, **arguments)
    assert path.read_bytes() == TEXT


@pytest.mark.parametrize(
    "arguments", [{"offset": 1.5}, {"length": "1"}, {"capacity": b""}, {"mode": b"r"}, {"mode": 1}]
)
def test_wrong_types(path: Path, arguments: dict[str, Any]) -> None:
    """G1: a wrong type is a TypeError that names it."""
    with pytest.raises(TypeError, match=next(iter(arguments))):
        firmmap.open(path, **arguments)


def test_arguments(path: Path) -> None:
    """G1: two by position; any integer will do."""
    open_: Any = firmmap.open
    with pytest.raises(TypeError):
        open_()
    with pytest.raises(TypeError):
        open_(path, "r", 0)
    with pytest.raises(TypeError):
        open_(path, nonsense=1)
    with firmmap.open(path, offset=Index(3), length=Index(4), capacity=Index(100)) as m:
        assert m[:] == b"3456"
    with pytest.raises(TypeError):
        open_(None)
    with pytest.raises(TypeError):
        open_(3.5)


def test_the_class_is_the_function(path: Path) -> None:
    """G1: MappedFile(path, …) is open(path, …); it can be subclassed."""

    class Log(firmmap.MappedFile):
        level = 3

    with firmmap.MappedFile(path, "r+", offset=5, length=2) as m:
        assert m[:] == b"56"
    with Log(path) as log:
        assert log.level == 3
        assert log[:3] == b"012"
        assert type(log) is Log
    assert type(firmmap.open(path)) is firmmap.MappedFile


def test_class_of_files(path: Path) -> None:
    """G3: to isinstance() it is a buffered binary file, and no text file."""
    with firmmap.open(path) as m:
        assert isinstance(m, io.BufferedIOBase)
        assert isinstance(m, io.IOBase)
        assert not isinstance(m, io.RawIOBase | io.TextIOBase)


# 3.15's files say that they were emptied.
EMPTIED = "wb+" if sys.version_info >= (3, 15) else "rb+"


@pytest.mark.parametrize(("mode", "words"), [("r", "rb"), ("r+", "rb+"), ("w+", EMPTIED), ("x+", "xb+"), ("c", "rb+")])
def test_mode(tmp_path: Path, mode: Any, words: str) -> None:
    """G3: `mode` is what a plain file has that is open for the same."""
    path = tmp_path / "file"
    if mode != "x+":
        path.touch()
    with firmmap.open(path, mode) as m:
        assert m.mode == words
    if mode != "c":
        path.unlink(missing_ok=mode == "x+")
        if mode in ("r", "r+"):
            path.touch()
        with open(path, mode.replace("r", "rb").replace("w", "wb").replace("x", "xb")) as plain:
            assert plain.mode == words


def test_repr(path: Path) -> None:
    """G3: what it is of, how, how long, where."""
    m = firmmap.open(path, "r+", offset=10)
    m.seek(5)
    assert repr(m) == f"<firmmap.MappedFile {str(path)!r} mode='r+' length=9990 position=5>"
    m.close()
    assert repr(m) == f"<firmmap.MappedFile {str(path)!r} mode='r+' closed>"
    with firmmap.anonymous(3) as m:
        assert repr(m) == "<firmmap.MappedFile anonymous mode='r+' length=3 position=0>"


def test_weak_references(path: Path) -> None:
    """A5: weakly referenced, unmapped when nobody has it any more."""
    m = firmmap.open(path)
    reference = weakref.ref(m)
    assert reference() is m
    del m
    gc.collect()
    assert reference() is None


def test_identity(path: Path) -> None:
    """A map is equal to itself, as files are, and can be a key."""
    with firmmap.open(path) as m, firmmap.open(path) as n:
        assert m == m != n
        assert len({m, n}) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_nothing_is_left(path: Path) -> None:
    """B1: descriptors and memory are given back, also after an error."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        firmmap.open(path).close()
        firmmap.open(path, "r+")
        with pytest.raises(ValueError):
            firmmap.open(path, length=1 << 40)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    assert str(path) not in Path("/proc/self/maps").read_text()


AUDIT = """
import os, sys
import firmmap
path = sys.argv[1]
events = []
sys.addaudithook(lambda name, args: events.append((name, args)) if name in ("open", "mmap.__new__") else None)
firmmap.open(path, "r+", offset=1, length=2)
firmmap.anonymous(7)
assert [name for name, _ in events] == ["open", "mmap.__new__", "mmap.__new__"], events
assert events[0][1][0] == path
fd, length, access, offset = events[1][1]
assert (length, access, offset) == (2, firmmap.ACCESS_WRITE, 1), events
assert events[2][1] == (-1, 7, firmmap.ACCESS_WRITE, 0), events

def refuse(name, args):
    if name == "mmap.__new__":
        raise PermissionError("no maps here")
sys.addaudithook(refuse)
before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
try:
    firmmap.open(path)
except PermissionError as error:
    assert str(error) == "no maps here"
else:
    raise SystemExit("no exception")
assert before == 0 or len(os.listdir("/proc/self/fd")) == before
"""


def test_audit(path: Path) -> None:
    """B12: the events of os.open and of the standard library's class, before each happens."""
    run_python(AUDIT, str(path))


@pytest.mark.skipif(sys.platform != "linux", reason="what /proc is like")
@pytest.mark.parametrize("mode", ["r", "c"])
def test_files_that_only_say_that_they_are_empty(mode: Any) -> None:
    """G2: an empty map is that of an empty file, not of one that hides its length and cannot be mapped."""
    assert os.path.getsize("/proc/self/status") == 0
    with pytest.raises(OSError):
        firmmap.open("/proc/self/status", mode)


def test_empty_file_that_must_not_be_written(path: Path) -> None:
    """G1: a descriptor that does not allow the mode is an error at once, also where there is nothing to map."""
    path.write_bytes(b"")
    with path.open("rb") as file, pytest.raises(PermissionError):
        firmmap.open(file.fileno(), "r+")
