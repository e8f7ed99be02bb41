"""MappedFile as a binary file: every method beside the same method of a plain file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import firmmap
import pytest
from support import PAGE, Index, outcome

LINES = b"one\ntwo\n\nfour is longer\n" + b"x" * 3 * PAGE + b"\nlast without an end"

has_descriptor = pytest.mark.skipif(sys.platform == "win32", reason="there the map has no descriptor")

Pair = tuple[Any, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(LINES)
    return path


@contextmanager
def pair(path: Path, mode: Any = "r") -> Iterator[Pair]:
    """The map of a file, and a plain file with the same bytes."""
    twin = path.with_name("twin")
    twin.write_bytes(path.read_bytes())
    with firmmap.open(path, mode) as m, open(twin, mode.replace("r", "rb")) as plain:
        yield m, plain
        assert m.tell() == plain.tell()
    assert path.read_bytes() == twin.read_bytes()


def both(files: Pair, call: Callable[..., object]) -> Any:
    """Checks that a call comes to the same with both files, or to exceptions that the same clause catches."""
    ours, plain = outcome(lambda: call(files[0])), outcome(lambda: call(files[1]))
    if plain[0] == "returned":
        assert ours == plain
        return ours[2]
    assert ours[0] == "raised", (ours, plain)
    assert issubclass(ours[1], plain[1]), (ours, plain)
    return None


SIZES: list[Any] = [(), (None,), (-1,), (0,), (1,), (5,), (PAGE,), (10 * PAGE,), (Index(7),)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["read", "readline", "readlines"])
@pytest.mark.parametrize("position", [0, 2, 8, 30, len(LINES), len(LINES) + 10])
def test_reading(path: Path, name: str, size: Any, position: int) -> None:
    """G3: sizes mean what they mean to a file, also at the end and behind it."""
    if size and isinstance(size[0], Index) and name == "readlines":
        return
    with pair(path) as files:
        both(files, lambda f: f.seek(position))
        for _ in range(3):
            both(files, lambda f: getattr(f, name)(*size))
            both(files, lambda f: f.tell())


def test_read1_and_peek(path: Path) -> None:
    """G3: as much as was asked for, as all of it is at hand; peek() stays where it is."""
    with firmmap.open(path) as m:
        assert m.read1(5) == LINES[:5]
        assert m.peek(4) == LINES[5:9]
        assert m.tell() == 5
        assert m.peek() == m.peek(0) == m.peek(-1) == LINES[5 : 5 + 8192]
        assert m.read1() == m.read1(-1) + LINES[5:] == LINES[5:]
        assert m.peek() == m.read1(10) == b""


@pytest.mark.parametrize("name", ["readinto", "readinto1"])
def test_readinto(path: Path, name: str) -> None:
    """G3: into anything that can be written to, as much as is there."""
    for make in (bytearray, lambda n: memoryview(bytearray(n))):
        with firmmap.open(path) as m:
            target = make(10)
            assert getattr(m, name)(target) == 10
            assert bytes(target) == LINES[:10]
            assert getattr(m, name)(bytearray()) == 0
            m.seek(-3, 2)
            assert getattr(m, name)(target) == 3
            assert bytes(target) == LINES[-3:] + LINES[3:10]
            assert getattr(m, name)(target) == 0
            m.seek(len(LINES) + 5)
            assert getattr(m, name)(target) == 0
            for wrong in (b"bytes", "str", 5, memoryview(b"read-only")):
                with pytest.raises(TypeError, match=rf"{name}\(\) argument must be read-write"):
                    getattr(m, name)(wrong)


def test_readinto_itself(path: Path) -> None:
    """G3: the target may be the same memory; the bytes are those from before."""
    with firmmap.open(path, "r+") as m, memoryview(m) as view:
        assert m.readinto(view[3:13]) == 10
    assert path.read_bytes()[:13] == LINES[:3] + LINES[:10]


def test_iteration(path: Path) -> None:
    """G3: lines from the position on; the position is behind the last one that was given."""
    with pair(path) as files:
        both(files, lambda f: f.seek(4))
        assert both(files, next) == b"two\n"
        both(files, lambda f: f.tell())
        both(files, lambda f: f.read(1))
        assert both(files, list) == LINES[9:].splitlines(keepends=True)
        both(files, next)
        both(files, lambda f: f.seek(len(LINES) + 3))
        both(files, list)


def test_iteration_mixed(path: Path) -> None:
    """G3: reading, seeking and writing between lines does what it says."""
    with pair(path, "r+") as files:
        for number in range(4):
            both(files, next)
            both(files, lambda f, number=number: f.seek(number, 1))
            both(files, lambda f: f.readline())
            both(files, lambda f: f.write(b"\n!"))
            both(files, lambda f: f.tell())


def test_writes_between_lines_are_seen(path: Path) -> None:
    """G5: what was read ahead is dropped when the bytes change, through the object or a view of it."""
    path.write_bytes(b"aa\nbb\ncc\ndd\nee\n")
    with firmmap.open(path, "r+") as m:
        lines = m.lines()
        assert next(m) == next(lines) == b"aa\n"
        m[3:5] = b"XX"
        assert next(m) == next(lines) == b"XX\n"
        m[6] = 10
        assert next(m) == next(lines) == b"\n"
        with memoryview(m) as view:
            view[7:9] = b"\nY"
            assert next(m) == next(lines) == b"\n"
            view[8] = ord("Z")
            assert next(m) == next(lines) == b"Zdd\n"
            view[12] = 10
            assert next(m) == next(lines) == b"\n"
        m.truncate(14)
        assert next(m) == next(lines) == b"e"
        assert next(m, None) is next(lines, None) is None
        m.seek(0, 2)
        m.write(b"more")
        m.seek(-4, 2)
        assert next(m) == b"more"
        assert next(lines, None) is None


@pytest.mark.parametrize("whence", [0, 1, 2])
@pytest.mark.parametrize("distance", [0, 5, -5, 1 << 40, -(1 << 40), len(LINES) + 1])
def test_seek(path: Path, whence: int, distance: int) -> None:
    """G3: anywhere from the start on, also behind the end; the position is returned."""
    with pair(path) as files:
        both(files, lambda f: f.seek(10))
        both(files, lambda f: f.seek(distance, whence))
        both(files, lambda f: f.tell())
        both(files, lambda f: f.read(3))


def test_wrong_seeks(path: Path) -> None:
    """G3: the exceptions are those of a file."""
    with pair(path) as files:
        both(files, lambda f: f.seek(0, 7))
        both(files, lambda f: f.seek("1"))
        both(files, lambda f: f.seek())
        both(files, lambda f: f.seek(-1))
        with pytest.raises(OSError, match="-1 from 0") as caught:
            files[0].seek(-1)
        assert caught.value.errno == 22


def test_writing(path: Path) -> None:
    """G3: over what is there, past the end, behind the end; the count is returned."""
    with pair(path, "r+") as files:
        for data in (b"ab", bytearray(b"cd"), memoryview(b"ef"), b"", memoryview(b"0123456789")[::1]):
            assert both(files, lambda f, data=data: f.write(data)) == len(data)
        both(files, lambda f: f.seek(-2, 2))
        both(files, lambda f: f.write(b"over the end"))
        both(files, lambda f: f.seek(7, 2))
        both(files, lambda f: f.write(b"after a gap"))
        both(files, lambda f: f.write("text"))
        both(files, lambda f: f.write(None))
        both(files, lambda f: f.write())
        both(files, lambda f: f.seek(0, 2))


def test_writelines(path: Path) -> None:
    """G3: of anything that can be iterated over; those before a wrong one are written."""
    with pair(path, "r+") as files:
        both(files, lambda f: f.writelines([b"a\n", bytearray(b"b"), memoryview(b"c")]))
        both(files, lambda f: f.writelines(b"%d\n" % i for i in range(3)))
        both(files, lambda f: f.writelines([]))
        both(files, lambda f: f.writelines(5))
        both(files, lambda f: f.writelines([b"good", "wrong", b"never"]))
        both(files, lambda f: f.tell())
        both(files, lambda f: f.seek(0, 2))
        large = [b"x" * 100_000] * 7 + [b"y" * 1_000_000, b"z"]
        both(files, lambda f: f.writelines(large))
        both(files, lambda f: f.tell())


def test_writelines_of_a_file_that_is_read(path: Path) -> None:
    """G3: nothing can be written to it, and so no line."""
    with pair(path) as files:
        assert both(files, lambda f: f.writelines([])) is None
        assert both(files, lambda f: f.writelines(iter([]))) is None
        assert outcome(lambda: files[0].writelines([]))[0] == "returned"
        lines: Any
        for lines in ([b"a"], (b"a", b"b"), iter([b"a"])):
            assert outcome(partial(files[0].writelines, lines))[1] is io.UnsupportedOperation
        both(files, lambda f: f.writelines([b"a"]))
        both(files, lambda f: f.read())


def test_truncate(path: Path) -> None:
    """G3: to a size or to the position, which stays."""
    with pair(path, "r+") as files:
        both(files, lambda f: f.seek(100))
        assert both(files, lambda f: f.truncate()) == 100
        assert both(files, lambda f: f.truncate(50)) == 50
        both(files, lambda f: f.tell())
        both(files, lambda f: f.read())
        assert both(files, lambda f: f.truncate(200)) == 200
        both(files, lambda f: f.truncate(None))
        both(files, lambda f: f.write(b"behind"))
        both(files, lambda f: f.truncate("5"))
        both(files, lambda f: f.truncate(0))
        both(files, lambda f: f.seek(0))
        both(files, lambda f: f.read())
    with firmmap.open(path, "r+") as m, pytest.raises(ValueError, match="-1"):
        m.truncate(-1)


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f.write(b"x"),
        lambda f: f.write(b""),
        lambda f: f.writelines([b"x"]),
        lambda f: f.truncate(3),
        lambda f: f.truncate(),
        lambda f: f.detach().nothing,
    ],
)
def test_not_writable(path: Path, call: Callable[[Any], object]) -> None:
    """G3: what a file that is open for reading refuses is io.UnsupportedOperation."""
    with firmmap.open(path) as m, pytest.raises(io.UnsupportedOperation):
        call(m)
    assert path.read_bytes() == LINES


def test_a_copy_keeps_its_length(path: Path) -> None:
    """G6: a copy-on-write map cannot grow: io.UnsupportedOperation, and nothing is written."""
    with firmmap.open(path, "c") as m:
        m.seek(-2, 2)
        for call in (lambda: m.write(b"too long"), lambda: m.truncate(5), lambda: m.resize(5)):
            with pytest.raises(io.UnsupportedOperation, match="mode 'c'"):
                call()
        assert m.read() == LINES[-2:]


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_questions(path: Path, mode: str) -> None:
    """G3: what a file answers about itself."""
    with pair(path, mode) as files:
        for name in ("readable", "writable", "seekable", "isatty"):
            both(files, lambda f, name=name: getattr(f, name)())
        if sys.platform != "win32":
            both(files, lambda f: os.fstat(f.fileno()).st_size)
        both(files, lambda f: f.closed)
        both(files, lambda f: f.flush())


CLOSED_METHODS: list[Any] = [
    ("read",),
    ("read1",),
    ("readline",),
    ("readlines",),
    ("readinto", bytearray(1)),
    ("peek",),
    ("seek", 0),
    ("tell",),
    ("write", b"x"),
    ("writelines", []),
    ("truncate",),
    ("flush",),
    ("fileno",),
    ("isatty",),
    ("readable",),
    ("writable",),
    ("seekable",),
    ("__enter__",),
    ("__iter__",),
    ("__next__",),
]


@pytest.mark.parametrize("call", CLOSED_METHODS, ids=lambda call: call[0])
def test_closed(path: Path, call: Any) -> None:
    """G3: a closed file refuses everything with ValueError; closing it again is fine."""
    m = firmmap.open(path, "r+")
    m.close()
    m.close()
    assert m.closed
    name, *arguments = call
    with pytest.raises(ValueError, match="closed file"):
        getattr(m, name)(*arguments)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m[0],
        lambda m: m[:],
        lambda m: len(m),
        lambda m: m.__setitem__(0, 1),
        lambda m: b"x" in m,
        lambda m: memoryview(m),
        lambda m: m.find(b"x"),
        lambda m: m.count(b"x"),
        lambda m: m.startswith(b"x"),
        lambda m: m.lines(),
        lambda m: m.find_all(b"x"),
        lambda m: m.move(0, 0, 1),
        lambda m: m.size(),
        lambda m: m.capacity,
        lambda m: m.refresh(),
        lambda m: m.prefetch(),
    ],
)
def test_closed_bytes(path: Path, call: Callable[[Any], object]) -> None:
    """G4: the bytes of a closed file are gone."""
    m = firmmap.open(path, "r+")
    lines, matches = m.lines(), m.find_all(b"o")
    assert next(lines) == b"one\n"
    assert next(matches) == 0
    m.close()
    with pytest.raises(ValueError, match="closed file"):
        call(m)
    for iterator in (lines, matches):
        with pytest.raises(ValueError, match="closed file"):
            next(iterator)


def test_close_with_views(path: Path) -> None:
    """G11: the object is closed, and the views are as they were."""
    m = firmmap.open(path)
    view = memoryview(m)
    with m:
        pass
    assert m.closed
    with pytest.raises(ValueError, match="closed file"):
        m.read(3)
    assert bytes(view[:3]) == b"one"
    view.release()
    m.close()


@has_descriptor
def test_fileno_is_a_file_at_the_position(path: Path) -> None:
    """G3: with the descriptor others read and write where the map is, and flush() takes in what they have done."""
    with firmmap.open(path, "r+") as m:
        m.seek(4)
        assert os.read(m.fileno(), 3) == b"two"
        assert m.tell() == 7
        m.seek(0, 2)
        assert os.write(m.fileno(), b" and more") == 9
        m.flush()
        assert m.tell() == len(m) == len(LINES) + 9
        m.write(b"!")
        assert m[-5:] == b"more!"
        m.seek(1)
        assert os.write(m.fileno(), b"N") == 1
        assert m.tell() == 2
    assert path.read_bytes() == b"oN" + LINES[2:] + b" and more!"


@has_descriptor
def test_fileno_of_a_part(path: Path) -> None:
    """G1: a map of a part of a file stays one when its descriptor is asked for."""
    with firmmap.open(path, "r+", offset=1, length=5) as m:
        m.fileno()
        m.tell()
        m.seek(0)
        m.flush()
        assert (len(m), m.read()) == (5, LINES[1:6])
    with firmmap.open(path, "r+", offset=1) as m:
        m.seek(0, 2)
        assert os.write(m.fileno(), b"more") == 4
        assert (m.tell(), m[-4:]) == (len(LINES) + 3, b"more")


def test_with_closes_by_the_method(path: Path) -> None:
    """G3: as with every file, the end of a `with` statement calls close(), also where that is a subclass's."""
    calls = []

    class Counted(firmmap.MappedFile):
        def close(self) -> None:
            calls.append(self.closed)
            super().close()

    with Counted(path) as m:
        pass
    assert (calls, m.closed) == ([False], True)


def test_lines_of_a_list_that_cannot_be_written(path: Path) -> None:
    """G2, G3: the error says so, in the place of that of a wrong line behind them, and names the file."""
    resource = pytest.importorskip("resource", reason="needs resource limits")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for rest in ([], ["wrong"], [bytearray(b"more")]):
        with firmmap.open(path, "r+") as m:
            m.seek(0, 2)
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINES), before[1]))
            try:
                with pytest.raises(OSError, match="too large") as caught:
                    m.writelines([b"a line", *rest])
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert caught.value.filename == str(path)
            assert (m.tell(), m[:]) == (len(LINES), LINES)


@has_descriptor
def test_fileno_of_the_callers_descriptor(path: Path) -> None:
    """G1, G3: the caller's position moves once it is known to be the map's."""
    with path.open("rb", buffering=0) as file:
        with firmmap.open(file.fileno()) as m:
            m.seek(9)
            assert file.read(5) == LINES[:5]
            assert os.fstat(m.fileno()).st_size == len(LINES)
            assert file.read(2) == m[9:11]
            assert m.tell() == 11
        assert file.tell() == 11


def test_fileno_of_memory() -> None:
    """G7: memory has no file."""
    with firmmap.anonymous(10) as m, pytest.raises(io.UnsupportedOperation):
        m.fileno()


def test_callbacks_that_close(path: Path) -> None:
    """C15: a conversion that closes the file ends in a ValueError, not in a crash."""

    def closing(m: firmmap.MappedFile) -> Any:
        class Closes:
            def __index__(self) -> int:
                m.close()
                return 1

        return Closes()

    calls: list[Callable[[Any, Any], object]] = [
        lambda m, x: m.read(x),
        lambda m, x: m.readline(x),
        lambda m, x: m.readlines(x),
        lambda m, x: m.peek(x),
        lambda m, x: m.seek(x),
        lambda m, x: m.truncate(x),
        lambda m, x: m.write_byte(x),
        lambda m, x: m.find(b"x", x),
        lambda m, x: m.find(x),
        lambda m, x: m.count(b"x", 0, x),
        lambda m, x: m.startswith(b"x", x),
        lambda m, x: x in m,
        lambda m, x: m[x],
        lambda m, x: m[x:],
        lambda m, x: m.__setitem__(0, x),
        lambda m, x: m.__setitem__(x, 1),
        lambda m, x: m.__setitem__(slice(x), b"x"),
        lambda m, x: m.move(x, 0, 0),
        lambda m, x: m.flush(x),
        lambda m, x: m.prefetch(x),
        lambda m, x: m.find_all(b"x", x),
    ]
    for call in calls:
        m = firmmap.open(path, "r+")
        with pytest.raises(ValueError, match="closed file"):
            call(m, closing(m))

    def lines(m: firmmap.MappedFile) -> Iterator[bytes]:
        yield b"first"
        m.close()
        yield b"second"

    m = firmmap.open(path, "r+")
    with pytest.raises(ValueError, match="closed file"):
        m.writelines(lines(m))


def test_types(path: Path) -> None:
    """G3: a BinaryIO to those who ask for one."""

    def first_line(file: BinaryIO) -> bytes:
        return file.readline()

    with firmmap.open(path) as m:
        assert first_line(m) == b"one\n"
