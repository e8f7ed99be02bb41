"""What programs expect of a file without asking: where it is after others have used its descriptor, its time of
modification, writes that are lost, warnings, finalizers."""

from __future__ import annotations

import bisect
import errno
import gc
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import firmmap
import pytest
from support import PAGE, WINE

LINES = b"first\nsecond\nthird\nfourth\nfifth\n"

only_unix = pytest.mark.skipif(sys.platform == "win32", reason="maps have no descriptors there")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(LINES)
    return path


def plain(path: Path) -> Any:
    return open(path, "r+b", buffering=0)


def line_by_next(f: Any) -> object:
    return next(f, b"")


def into(f: Any) -> object:
    buffer = bytearray(7)
    return f.readinto(buffer), bytes(buffer)


READS: dict[str, Callable[[Any], object]] = {
    "read": lambda f: f.read(),
    "read(n)": lambda f: f.read(4),
    "readline": lambda f: f.readline(),
    "readline(n)": lambda f: f.readline(3),
    "readlines": lambda f: f.readlines(),
    "next": line_by_next,
    "list": list,
    "readinto": into,
    "tell": lambda f: f.tell(),
    "seek": lambda f: f.seek(1, 1),
    "write": lambda f: f.write(b"XY"),
    "writelines": lambda f: f.writelines([b"X", b"Y"]),
    "truncate": lambda f: f.truncate(),
}


@only_unix
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("before", READS)
def test_one_position(path: Path, before: str, read: str) -> None:
    """G3: once fileno() was called, the file is where its descriptor is, whoever moves it and whichever method asks."""
    seen = []
    for opened in (plain, lambda path: firmmap.open(path, "r+")):
        path.write_bytes(LINES)
        with opened(path) as f:
            found: list[object] = [next(f), f.tell()]
            fd = f.fileno()
            found += [READS[before](f), os.read(fd, 3), READS[read](f), f.tell(), os.lseek(fd, 0, 1)]
            found += [os.lseek(fd, 2, 0), READS[read](f), f.tell(), f.seek(4), os.read(fd, 2), f.tell()]
        seen.append([*found, path.read_bytes()])
    assert seen[0] == seen[1]


@only_unix
def test_one_position_of_the_methods_that_plain_files_lack(path: Path) -> None:
    """G3: peek(), read1(), read_byte(), write_byte() begin where a child has left off."""
    for call, expected in (
        (lambda m: m.peek(3), LINES[6:9]),
        (lambda m: m.read1(3), LINES[6:9]),
        (lambda m: m.read_byte(), LINES[6]),
        (lambda m: (m.write_byte(88), m[6])[1], 88),
    ):
        with firmmap.open(path, "r+") as m:
            subprocess.run([sys.executable, "-c", "import os; os.read(0, 6)"], stdin=m, check=True)
            assert call(m) == expected  # type: ignore[no-untyped-call]


@only_unix
def test_a_child_of_a_map_of_a_descriptor(path: Path) -> None:
    """G3, G10: what a child writes is where the map reads on, as with a file of that descriptor."""
    echo = [sys.executable, "-c", "print('from a child')"]
    seen = []
    for opened in (lambda fd: io.FileIO(fd, "r+b", closefd=False), lambda fd: firmmap.open(fd, "r+")):
        path.write_bytes(LINES)
        fd = os.open(path, os.O_RDWR)
        with opened(fd) as f:
            found = [f.read(6)]
            subprocess.run(echo, stdout=f, check=True)
            found += [f.tell(), f.readline(), f.seek(0, 2)]
            subprocess.run(echo, stdout=f, check=True)
            found += [f.tell(), f.seek(0), f.read()]
        os.close(fd)
        seen.append(found)
    assert seen[0] == seen[1]


@only_unix
def test_a_descriptor_that_is_another_files(path: Path) -> None:
    """G3, F9: a descriptor that is another file's by now is neither asked nor moved."""
    with firmmap.open(path, "r+") as m, open(os.devnull, "rb") as null, path.open("rb", buffering=0) as other:
        m.seek(3)
        fd = m.fileno()
        other.seek(20)
        os.dup2(other.fileno(), fd)
        assert m.tell() == 20  # it is the same file
        m.seek(3)
        os.dup2(null.fileno(), fd)
        for use in (m.tell, m.read, lambda: m.seek(0), lambda: m.write(b"x")):
            with pytest.raises(OSError, match="another file") as caught:
                use()
            assert caught.value.errno == errno.EBADF
        assert (m[3:5], os.lseek(fd, 0, 1)) == (LINES[3:5], 0)


def aged(path: Path) -> None:
    os.utime(path, (1e9, 1e9))


CHANGES: dict[str, Callable[[Any], object]] = {
    "write": lambda m: m.write(b"x"),
    "item": lambda m: m.__setitem__(3, 7),
    "slice": lambda m: m.__setitem__(slice(3, 5), b"xy"),
    "move": lambda m: m.move(0, 2, 2),
    "write_byte": lambda m: m.write_byte(9),
}


# os.utime() opens the file for its attributes only, and Windows does not ask then who has it mapped.
times_can_be_set = pytest.mark.skipif(
    WINE, reason="wine 8 refuses to set the time of a file that is mapped for writing"
)


@times_can_be_set
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("end", ["flush", "close"])
def test_time_of_modification(path: Path, change: str, end: str) -> None:
    """G3: a second change of a page, of which the system takes no note, shows after flush() or close()."""
    m = firmmap.open(path, "r+")
    CHANGES[change](m)
    m.flush(asynchronous=True)
    CHANGES[change](m)
    aged(path)
    getattr(m, end)()
    assert path.stat().st_mtime > 1e9
    aged(path)
    if end == "flush":
        m.read(1)
        m.flush()
        m.close()
    assert path.stat().st_mtime == 1e9


@times_can_be_set
def test_time_of_modification_of_views(path: Path) -> None:
    """G3: looking at a file through a view leaves the time alone; changing it does not."""
    with firmmap.open(path, "r+") as m:
        aged(path)
        with memoryview(m) as view:
            assert view[0] == LINES[0]
    assert path.stat().st_mtime == 1e9
    with firmmap.open(path, "r+") as m:
        m[0] = 1
        m.flush(asynchronous=True)
        with memoryview(m) as view:
            m.flush(asynchronous=True)
            aged(path)
            view[0] = 2
    assert path.stat().st_mtime > 1e9


@pytest.mark.parametrize("find", [lambda m: m.seek(0, 2), lambda m: m.refresh()], ids=["seek", "refresh"])
@pytest.mark.skipif(sys.platform == "win32", reason="the system refuses to truncate a mapped file")
def test_a_lost_write_is_told_before_the_map_becomes_shorter(path: Path, find: Callable[[Any], object]) -> None:
    """F3: where the map takes over the end of a file that others have cut off: close() would not know of it."""
    with firmmap.open(path, "r+") as m:
        os.truncate(path, 3)
        m.write(b"12345")
        with pytest.raises(firmmap.MapFaultError) as caught:
            find(m)
        assert (caught.value.offset, m.tell()) == (3, 5)
        assert find(m) == len(m) == 3
    assert path.read_bytes() == b"123"


@pytest.mark.parametrize("change", [*CHANGES, "view"])
@pytest.mark.parametrize("end", ["flush", "close", "drop"])
@pytest.mark.skipif(sys.platform == "win32", reason="the system refuses to truncate a mapped file")
def test_a_write_behind_the_end_in_the_last_page(
    path: Path, change: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F3, F8: what was written over bytes that others have cut off within the page is lost, and that is told, once."""
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_value))
    m = firmmap.open(path, "r+")
    os.truncate(path, 1)
    if change == "view":
        with memoryview(m) as view:
            view[5] = 7
    else:
        CHANGES[change](m)
        m.seek(1)
        m[3:6] = b"abc"
    if end == "drop":
        with pytest.warns(ResourceWarning, match="unclosed file"):
            del m
            gc.collect()
    else:
        with pytest.raises(firmmap.MapFaultError) as caught:
            getattr(m, end)()
        told.append(caught.value)
        if end == "flush":
            m.flush()
        m.close()
    assert len(told) == 1
    assert isinstance(told[0], firmmap.MapFaultError)
    assert told[0].offset in (1, 2, 3, 5)
    assert told[0].filename == str(path)
    assert path.stat().st_size == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the system refuses to truncate a mapped file")
def test_a_cut_that_loses_nothing(path: Path) -> None:
    """F3: whoever has written elsewhere, before the cut and flushed, or cuts the file himself, is told of nothing."""
    path.write_bytes(b"x" * 3 * PAGE)
    with firmmap.open(path, "r+") as m:
        m[0] = 1
        os.truncate(path, 2 * PAGE + 5)
    with firmmap.open(path, "r+") as m:
        m[2 * PAGE : 2 * PAGE + 5] = b"01234"
        m.flush()
        os.truncate(path, 2 * PAGE + 1)
    with firmmap.open(path, "r+") as m:
        m[:] = b"y" * len(m)
        m.truncate(50)
    assert path.read_bytes() == b"y" * 50


ENDS: dict[str, Callable[[Any], object]] = {
    "read": lambda f: f.read(),
    "read more": lambda f: f.read(1000),
    "readinto": lambda f: f.readinto(bytearray(1000)),
    "readline": lambda f: f.readline(),
    "next": lambda f: next(f),
    "lines": lambda f: list(f.lines()),
}


@pytest.mark.parametrize("read", ENDS)
@pytest.mark.skipif(sys.platform == "win32", reason="the system refuses to truncate a mapped file")
def test_a_read_to_the_end_of_a_file_that_was_cut(path: Path, read: str) -> None:
    """F1, F8, G10: the zeros behind the end of the file in its last page are not given for bytes of the file."""
    path.write_bytes(b"a line without an end " * 3)
    with firmmap.open(path) as m:
        m.seek(4)
        os.truncate(path, 20)
        with pytest.raises(firmmap.MapFaultError) as caught:
            ENDS[read](m)
        assert (caught.value.offset, m.tell()) == (20, 4)
        assert m.read(16) == b"ne without an en"
        path.write_bytes(b"A LINE WITHOUT AN END " * 3)
        m.seek(4)
        assert m.read() == (b"A LINE WITHOUT AN END " * 3)[4:]


def test_sequence_protocol(path: Path) -> None:
    """A1: C code that goes by the sequence protocol takes a map as it takes a bytearray."""
    path.write_bytes(bytes(range(100)))
    model = bytearray(range(100))
    with firmmap.open(path, "r+") as m:
        assert [bisect.bisect(m, byte) for byte in (0, 41, 99)] == [bisect.bisect(model, byte) for byte in (0, 41, 99)]
        assert list(reversed(m)) == list(reversed(model))
        ctypes = pytest.importorskip("ctypes")
        get, put = ctypes.pythonapi.PySequence_GetItem, ctypes.pythonapi.PySequence_SetItem
        get.restype, get.argtypes = ctypes.py_object, [ctypes.py_object, ctypes.c_ssize_t]
        put.argtypes = [ctypes.py_object, ctypes.c_ssize_t, ctypes.py_object]
        assert [get(m, 3), get(m, -1)] == [3, 99]
        for wrong in (100, -101):
            with pytest.raises(IndexError):
                get(m, wrong)
            with pytest.raises(IndexError):
                put(m, wrong, 1)
        assert put(m, -2, 7) == 0
        with pytest.raises(ValueError, match="range"):
            put(m, 0, 256)
        with pytest.raises(TypeError, match="integer"):
            put(m, 0, b"a")
        with pytest.raises(TypeError, match="not deleted"):
            del m[0]
        assert m[-2] == 7
        assert put(m, 1, 8) == 0
    with firmmap.open(path) as m, pytest.raises(TypeError, match="mode 'r'"):
        put(m, 0, 1)


def warned(make: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f = make()
        del f
        gc.collect()
    assert all(warning.category is ResourceWarning for warning in caught)
    return [str(warning.message) for warning in caught]


class Ours(firmmap.MappedFile):
    closed_by = ""

    def close(self) -> None:
        Ours.closed_by += "o"
        super().close()


def test_unclosed(path: Path) -> None:
    """G13: a file that goes without having been closed warns, others do not; a subclass's close() is called."""
    (message,) = warned(lambda: firmmap.open(path))
    assert message.startswith("unclosed file <firmmap.MappedFile")
    assert "mode='r'" in message
    (message,) = warned(lambda: Ours(path))
    assert message.startswith("unclosed file <firmmap.Ours")
    assert Ours.closed_by == "o"
    assert warned(lambda: firmmap.anonymous(10)) == []

    def closed() -> object:
        with firmmap.open(path) as m:
            return m

    assert warned(closed) == []


def test_unclosed_where_warnings_are_errors(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G13, C16: as with files, the error is reported, and an exception that is just being raised stays."""
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_type))

    def work() -> None:
        m = firmmap.open(path)
        raise KeyError(m.tell())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in (firmmap.MappedFile, Ours):
            try:
                kind(path)
                work()
            except KeyError as error:
                assert error.args == (0,)
                error.__traceback__ = None
            gc.collect()
    assert set(told) == {ResourceWarning}


def test_a_close_that_fails(path: Path) -> None:
    """G13: the error of a subclass's close() is reported where the object goes, as that of a file's is."""

    class Failing(firmmap.MappedFile):
        def close(self) -> None:
            raise RuntimeError("not now")

    told: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: told.append(str(unraisable.exc_value))
    try:
        with pytest.warns(ResourceWarning):
            f: Any = Failing(path)
            del f
            gc.collect()
    finally:
        sys.unraisablehook = hook
    assert told == ["not now"]


def test_name_can_be_set(path: Path) -> None:
    """G3: as of the raw files of io; what is said about errors goes on to name the path."""
    with firmmap.open(path) as m:
        m.name = "another"
        assert m.name == "another"
        m.name = 5
        assert m.name == 5
        with pytest.raises(TypeError):
            del m.name
        assert repr(str(path)) in repr(m)


def test_block_size(path: Path) -> None:
    """G3: what buffers raw files asks for it."""
    with firmmap.open(path) as m:
        assert m._blksize == io.DEFAULT_BUFFER_SIZE


@pytest.mark.parametrize("name", ["read", "read1", "readline", "peek", "readinto", "write", "seek"])
def test_order_of_errors(path: Path, name: str) -> None:
    """G3: as with files, an argument of the wrong type is told before that the file is closed."""
    wrong = {"readinto": b"", "seek": "0"}.get(name, 1.5)
    with io.BufferedRandom(io.FileIO(path, "r+")) as file, firmmap.open(path, "r+") as m:
        pass
    arguments = (0, 1.5) if name == "seek" else (wrong,)
    for f in (file, m):
        with pytest.raises(TypeError):
            getattr(f, name)(*arguments)


@pytest.mark.parametrize("wrapper", [io.BufferedReader, io.BufferedRandom, io.TextIOWrapper])
def test_an_unclosed_wrapper(path: Path, wrapper: Any) -> None:
    """G13: the warning is about the buffer or text file over the map, as about one over a file."""
    over = wrapper(firmmap.open(path, "r+"))
    words = repr(over)
    with pytest.warns(ResourceWarning) as warned:
        del over
        gc.collect()
    assert [str(warning.message) for warning in warned] == [f"unclosed file {words}"]
    # Memory that is no file's, and a file that is closed, are nothing to warn of.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrapper(firmmap.anonymous(5))
        closed = firmmap.open(path)
        closed.close()
        closed._dealloc_warn(None)
        gc.collect()


def test_order_of_errors_on_a_closed_file(path: Path) -> None:
    """G3: as with files, the number of arguments counts first."""
    m: Any = firmmap.open(path)
    m.close()
    for method in (m.readinto, m.seek, m.write, m.writelines, m.write_byte, m.resize):
        with pytest.raises(TypeError):
            method()
    for method in (m.readinto, m.writelines):
        with pytest.raises(ValueError, match="closed"):
            method(bytearray(1))


@pytest.mark.parametrize("end", ["close", "with", "drop"])
def test_close_calls_the_flush_of_a_subclass(path: Path, end: str) -> None:
    """G3: as the classes of io do, so that what it has buffered is written; one that fails has closed the file."""

    class Buffering(firmmap.MappedFile):
        buffered = b"buffered"

        def flush(self, *args: Any, **names: Any) -> None:
            data, self.buffered = self.buffered, b""
            self.write(data)
            super().flush(*args, **names)

    f: Any = Buffering(path, "r+")
    if end == "close":
        f.close()
        f.close()
    elif end == "with":
        with f:
            pass
    else:
        with pytest.warns(ResourceWarning):
            del f
            gc.collect()
    assert path.read_bytes() == b"buffered" + LINES[8:]

    class Failing(firmmap.MappedFile):
        def flush(self, *args: Any, **names: Any) -> None:
            raise RuntimeError("not now")

    failing = Failing(path)
    with pytest.raises(RuntimeError, match="not now"):
        failing.close()
    assert failing.closed
    failing.close()
