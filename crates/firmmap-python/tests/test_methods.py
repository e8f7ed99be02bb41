"""C1 to C14: the methods, one by one; C9 is in test_resize.py, C15 in test_callbacks.py."""

from __future__ import annotations

import array
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import firmmap
import pytest
from conftest import MakeFile
from support import PAGE, UNIT, Index, file_map, filled, outcome, pread, same

WINDOWS = sys.platform == "win32"
Use = Callable[[Any], object]


# Every method and operator, with arguments that are right.
USES: dict[str, Use] = {
    "len": len,
    "item": lambda m: m[0],
    "slice": lambda m: m[0:2],
    "set item": lambda m: m.__setitem__(0, 1),
    "set slice": lambda m: m.__setitem__(slice(0, 1), b"a"),
    "delete": lambda m: m.__delitem__(0),
    "iterate": list,
    "in": lambda m: b"a" in m,
    "buffer": memoryview,
    "bytes": bytes,
    "enter": lambda m: m.__enter__(),
    "find": lambda m: m.find(b"a"),
    "rfind": lambda m: m.rfind(b"a"),
    "flush": lambda m: m.flush(),
    "move": lambda m: m.move(0, 1, 1),
    "read": lambda m: m.read(),
    "read n": lambda m: m.read(1),
    "read_byte": lambda m: m.read_byte(),
    "readline": lambda m: m.readline(),
    "resize": lambda m: m.resize(1),
    "seek": lambda m: m.seek(0),
    "size": lambda m: m.size(),
    "tell": lambda m: m.tell(),
    "write": lambda m: m.write(b"a"),
    "write nothing": lambda m: m.write(b""),
    "write_byte": lambda m: m.write_byte(1),
}
if not WINDOWS:
    USES["madvise"] = lambda m: m.madvise(0)

# Wrong calls of every method: the number of arguments, their names, their types, their values.
WRONG: dict[str, Use] = {
    "close(1)": lambda m: m.close(1),
    "close(x=1)": lambda m: m.close(x=1),
    "find()": lambda m: m.find(),
    "find(4 arguments)": lambda m: m.find(b"a", 0, 1, 2),
    "find(sub=)": lambda m: m.find(sub=b"a"),
    "find(str)": lambda m: m.find("a"),
    "find(int)": lambda m: m.find(97),
    "find(None)": lambda m: m.find(None),
    "find(start str)": lambda m: m.find(b"a", "x"),
    "find(start float)": lambda m: m.find(b"a", 1.5),
    "find(end str)": lambda m: m.find(b"a", 0, "x"),
    "find(start huge)": lambda m: m.find(b"a", 2**63),
    "find(end huge)": lambda m: m.find(b"a", 0, -(2**63) - 1),
    "find(all wrong)": lambda m: m.find("a", "b", "c"),
    "find(strided)": lambda m: m.find(memoryview(b"abcd")[::2]),
    "rfind()": lambda m: m.rfind(),
    "rfind(4 arguments)": lambda m: m.rfind(b"a", 0, 1, 2),
    "rfind(str)": lambda m: m.rfind("a"),
    "rfind(end float)": lambda m: m.rfind(b"a", 0, 1.5),
    "flush(3 arguments)": lambda m: m.flush(0, 1, 2),
    "flush(str)": lambda m: m.flush("x"),
    "flush(huge)": lambda m: m.flush(2**63),
    "flush(negative)": lambda m: m.flush(-1, 1),
    "flush(negative size)": lambda m: m.flush(0, -2),
    "flush(too far)": lambda m: m.flush(0, 1000),
    "flush(behind)": lambda m: m.flush(1000, 0),
    "flush(overflow)": lambda m: m.flush(2**63 - 1, 2**63 - 1),
    "move()": lambda m: m.move(),
    "move(2 arguments)": lambda m: m.move(0, 1),
    "move(4 arguments)": lambda m: m.move(0, 1, 2, 3),
    "move(str)": lambda m: m.move("x", 0, 0),
    "move(float)": lambda m: m.move(0, 1.5, 0),
    "move(None)": lambda m: m.move(0, 0, None),
    "move(huge)": lambda m: m.move(0, 0, 2**63),
    "move(negative)": lambda m: m.move(-1, 0, 1),
    "move(negative source)": lambda m: m.move(0, -1, 1),
    "move(negative count)": lambda m: m.move(0, 0, -1),
    "move(too far)": lambda m: m.move(5, 0, 6),
    "move(from too far)": lambda m: m.move(0, 5, 6),
    "move(overflow)": lambda m: m.move(2**63 - 1, 2**63 - 1, 2**63 - 1),
    "read(2 arguments)": lambda m: m.read(1, 2),
    "read(n=)": lambda m: m.read(n=1),
    "read(str)": lambda m: m.read("x"),
    "read(float)": lambda m: m.read(1.5),
    "read(list)": lambda m: m.read([1]),
    "read(huge)": lambda m: m.read(2**63),
    "read(-huge)": lambda m: m.read(-(2**63) - 1),
    "read_byte(1)": lambda m: m.read_byte(1),
    "readline(1)": lambda m: m.readline(1),
    "resize()": lambda m: m.resize(),
    "resize(2 arguments)": lambda m: m.resize(1, 2),
    "resize(str)": lambda m: m.resize("x"),
    "resize(None)": lambda m: m.resize(None),
    "resize(float)": lambda m: m.resize(1.5),
    "resize(negative)": lambda m: m.resize(-1),
    "resize(very negative)": lambda m: m.resize(-(2**63)),
    "resize(huge)": lambda m: m.resize(2**63),
    "seek()": lambda m: m.seek(),
    "seek(3 arguments)": lambda m: m.seek(0, 0, 0),
    "seek(str)": lambda m: m.seek("x"),
    "seek(None)": lambda m: m.seek(None),
    "seek(float)": lambda m: m.seek(1.5),
    "seek(whence str)": lambda m: m.seek(0, "x"),
    "seek(whence None)": lambda m: m.seek(0, None),
    "seek(whence huge)": lambda m: m.seek(0, 2**31),
    "seek(whence -huge)": lambda m: m.seek(0, -(2**31) - 1),
    "seek(whence very huge)": lambda m: m.seek(0, 2**63),
    "seek(whence 3)": lambda m: m.seek(0, 3),
    "seek(whence -1)": lambda m: m.seek(0, -1),
    "seek(whence 3, far)": lambda m: m.seek(99, 3),
    "seek(-1)": lambda m: m.seek(-1),
    "seek(11)": lambda m: m.seek(11),
    "seek(1, END)": lambda m: m.seek(1, 2),
    "seek(-11, END)": lambda m: m.seek(-11, 2),
    "seek(-1, CUR)": lambda m: m.seek(-1, 1),
    "seek(11, CUR)": lambda m: m.seek(11, 1),
    "seek(max, CUR)": lambda m: m.seek(2**63 - 1, 1),
    "seek(max, END)": lambda m: m.seek(2**63 - 1, 2),
    "seek(min, CUR)": lambda m: m.seek(-(2**63), 1),
    "seek(huge)": lambda m: m.seek(2**63),
    "size(1)": lambda m: m.size(1),
    "tell(1)": lambda m: m.tell(1),
    "write()": lambda m: m.write(),
    "write(2 arguments)": lambda m: m.write(b"a", b"b"),
    "write(bytes=)": lambda m: m.write(bytes=b"a"),
    "write(str)": lambda m: m.write("a"),
    "write(int)": lambda m: m.write(5),
    "write(None)": lambda m: m.write(None),
    "write(strided)": lambda m: m.write(memoryview(b"abcd")[::2]),
    "write(too much)": lambda m: m.write(b"12345678901"),
    "write_byte()": lambda m: m.write_byte(),
    "write_byte(2 arguments)": lambda m: m.write_byte(1, 2),
    "write_byte(256)": lambda m: m.write_byte(256),
    "write_byte(-1)": lambda m: m.write_byte(-1),
    "write_byte(huge)": lambda m: m.write_byte(2**63),
    "write_byte(bytes)": lambda m: m.write_byte(b"a"),
    "write_byte(str)": lambda m: m.write_byte("a"),
    "write_byte(float)": lambda m: m.write_byte(1.0),
    "write_byte(None)": lambda m: m.write_byte(None),
}
if not WINDOWS:
    WRONG |= {
        "madvise()": lambda m: m.madvise(),
        "madvise(4 arguments)": lambda m: m.madvise(0, 0, 0, 0),
        "madvise(str)": lambda m: m.madvise("x"),
        "madvise(None)": lambda m: m.madvise(None),
        "madvise(9999)": lambda m: m.madvise(9999),
        "madvise(-1)": lambda m: m.madvise(-1),
        "madvise(huge)": lambda m: m.madvise(2**31),
        "madvise(start str)": lambda m: m.madvise(0, "x"),
        "madvise(start -1)": lambda m: m.madvise(0, -1),
        "madvise(start 10)": lambda m: m.madvise(0, 10),
        "madvise(start 1)": lambda m: m.madvise(0, 1),
        "madvise(start huge)": lambda m: m.madvise(0, 2**63),
        "madvise(length -1)": lambda m: m.madvise(0, 0, -1),
        "madvise(length huge)": lambda m: m.madvise(0, 0, 2**63),
        "madvise(overflow)": lambda m: m.madvise(0, 5, 2**63 - 1),
    }


@pytest.mark.parametrize("use", WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(make_file: MakeFile, use: Use) -> None:
    """C2 to C13: the standard library's exceptions, and nothing changes."""
    fd = make_file(b"0123456789").fileno()

    def go(mmap: ModuleType) -> object:
        with mmap.mmap(fd, 0) as m:
            result = outcome(lambda: use(m))
            return result, m.tell(), m[:], repr(m)

    result = same(go)[2][0]
    assert result[0] == "raised"


@pytest.mark.parametrize("use", (USES | WRONG).values(), ids=(USES | WRONG).keys())
def test_closed(use: Use) -> None:
    """C1: every method of a closed map raises ValueError, or what comes before it."""

    def go(mmap: ModuleType) -> object:
        m = filled(mmap, b"0123456789")
        m.close()
        return use(m)

    assert same(go)[0] == "raised"


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_closed_is_a_value_error(mmap: ModuleType, use: Use) -> None:
    """C1: with right arguments it is a ValueError."""
    if use is USES["delete"]:
        return  # N3: a deletion is refused before the map is looked at
    m = filled(mmap, b"0123456789")
    m.close()
    with pytest.raises(ValueError, match=r"^mmap closed or invalid$"):
        use(m)


@pytest.mark.parametrize("use", (USES | WRONG).values(), ids=(USES | WRONG).keys())
def test_read_only(make_file: MakeFile, use: Use) -> None:
    """B3, C2 to C13: the same on a read-only map."""
    fd = make_file(b"0123456789").fileno()

    def go(mmap: ModuleType) -> object:
        m = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        result = use(m)
        if isinstance(result, memoryview):
            with result:
                return bytes(result), result.readonly
        if result is m:
            return repr(m)
        return result

    if use is not USES["seek"]:  # N1
        same(go)


@pytest.mark.parametrize("use", (USES | WRONG).values(), ids=(USES | WRONG).keys())
def test_exported(make_file: MakeFile, use: Use) -> None:
    """C1, C9: with exported buffers all but close and resize work."""
    fd = make_file(b"0123456789").fileno()
    if use is USES["delete"]:
        return

    def go(mmap: ModuleType) -> object:
        m = mmap.mmap(fd, 0)
        with memoryview(m):
            result = outcome(lambda: use(m))
        m[:] = b"0123456789"
        return result[0] if result[0] == "returned" else result

    if use is not USES["seek"]:  # N1
        same(go)


# C1: close.


def test_close(mmap: ModuleType) -> None:
    """C1: twice is fine; closed tells."""
    m = filled(mmap, b"abc")
    assert m.closed is False
    assert m.close() is None
    assert m.closed is True
    assert m.close() is None
    assert m.__exit__(None, None, None) is None


def test_close_with_exported_buffers(mmap: ModuleType) -> None:
    """C1: a BufferError, and nothing changes, until the last view is released."""
    m = filled(mmap, b"abcdef")
    m.seek(3)
    first, second = memoryview(m), memoryview(m)[1:3]
    for view in (first, second):
        with pytest.raises(BufferError, match=r"^cannot close exported pointers exist$"):
            m.close()
        assert not m.closed
        assert (m.tell(), m[:], bytes(view)) == (3, b"abcdef", bytes(view))
        view.release()
    del first, second, view
    m.close()
    assert m.closed


# C2: find and rfind.

NEEDLES = [b"", b"a", b"b", b"ab", b"ba", b"aab", b"abracadabra", b"abracadabras", b"z", b"\0"]


@pytest.mark.parametrize("method", ["find", "rfind"])
def test_find(mmap: ModuleType, method: str) -> None:
    """C2: as bytes.find and bytes.rfind, from the position by default."""
    data = b"abracadabra"
    m = filled(mmap, data)
    search, reference = getattr(m, method), getattr(data, method)
    bounds = [0, 1, 3, 7, 10, 11, -1, -3, -10, -11, -12, -100, sys.maxsize, -sys.maxsize - 1]
    for needle in NEEDLES:
        for start in bounds:
            if needle == b"" and start > len(data):
                continue  # N4
            assert search(needle, start) == reference(needle, start), (needle, start)
            for end in bounds:
                if mmap is not firmmap and needle == b"" and sys.version_info < (3, 11, 7):
                    continue  # N4: 3.11.2 finds it behind the end of the range, 3.11.7 does not.
                got, want = search(needle, start, end), reference(needle, start, end)
                assert got == want, (needle, start, end)
        for position in range(len(data) + 1):
            m.seek(position)
            assert search(needle) == reference(needle, position)
            assert m.tell() == position


@pytest.mark.parametrize("method", ["find", "rfind"])
def test_find_takes_any_bytes(mmap: ModuleType, method: str) -> None:
    """C2: any bytes-like needle, a map too, and itself."""
    m = filled(mmap, b"..needle..needle..")
    want = {"find": 2, "rfind": 10}[method]
    search = getattr(m, method)
    assert search(bytearray(b"needle")) == want
    assert search(memoryview(b"--needle--")[2:8]) == want
    assert search(array.array("B", b"needle")) == want
    assert search(filled(mmap, b"needle")) == want
    assert search(m) == 0
    assert search(b"needle", Index(-100), Index(100)) == want
    with memoryview(m) as view:
        assert search(view[2:8]) == want


@pytest.mark.parametrize("length", [1, 2, 3, 8, 16, 63, 1000])
def test_find_in_much(mmap: ModuleType, length: int) -> None:
    """C2: at every kind of place of a large map: its ends, page borders, the middle."""
    size = 50 * PAGE + 77
    needle = bytes(range(1, 251))[:length] * (length // 250 + 1)
    needle = needle[:length]
    m = mmap.mmap(-1, size)
    for place in (0, 1, PAGE - 1, PAGE, 17 * PAGE - length // 2, 25 * PAGE + 3, size - length):
        m[place : place + length] = needle
        assert m.find(needle) == m.rfind(needle) == place
        assert m.find(needle, place, place + length) == place
        assert m.rfind(needle, place, place + length) == place
        assert m.find(needle, place + 1) == m.rfind(needle, place + 1) == -1
        end = place + length - 1
        assert m.find(needle, 0, end) == m.rfind(needle, 0, end) == -1
        m[place : place + length] = bytes(length)
    assert m.find(needle) == m.rfind(needle) == -1
    m[100 : 100 + length] = needle
    m[-length:] = needle
    assert (m.find(needle), m.rfind(needle)) == (100, size - length)


# C3: flush.


def test_flush(mmap: ModuleType, make_file: MakeFile) -> None:
    """C3: returns None, whole or in part; the file has the bytes."""
    file, m = file_map(mmap, make_file, bytes(3 * PAGE + 10))
    m[:] = b"x" * len(m)
    assert m.flush() is None
    assert m.flush(0) is None
    assert m.flush(0, PAGE) is None
    assert m.flush(PAGE, 1) is None
    assert m.flush(PAGE, 2 * PAGE + 10) is None
    assert m.flush(3 * PAGE, 10) is None
    assert m.flush(3 * PAGE, 0) is None
    assert m.flush(Index(0), Index(5)) is None
    assert pread(file.fileno(), 4 * PAGE, 0) == b"x" * len(m)


@pytest.mark.parametrize("offset", [1, 100, PAGE - 1, PAGE + 1, 3 * PAGE + 9])
@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.skipif(WINDOWS, reason="Unix")
def test_flush_is_page_aligned(make_file: MakeFile, offset: int, size: int) -> None:
    """C3: another offset is an OSError, but on read-only and copy-on-write maps nothing happens."""
    fd = make_file(bytes(3 * PAGE + 10)).fileno()
    for access in range(4):

        def go(mmap: ModuleType, access: int = access) -> object:
            with mmap.mmap(fd, 0, access=access) as m:
                return m.flush(offset, size)

        result = same(go)
        assert (result[0] == "returned") == (access in (1, 3))


def test_flush_offset_alone(make_file: MakeFile) -> None:
    """C3: reaches to the end."""
    _, m = file_map(firmmap, make_file, bytes(3 * PAGE + 10))
    for offset in (0, PAGE, 2 * PAGE, 3 * PAGE):
        m.flush(offset)
    for offset in (-1, -PAGE, 4 * PAGE, 2**62, -(2**63)):
        with pytest.raises(ValueError, match=r"^flush values out of range$"):
            m.flush(offset)


def test_flush_does_nothing_without_a_shared_file(mmap: ModuleType, make_file: MakeFile) -> None:
    """C3: on read-only and copy-on-write maps, and the bounds are checked all the same."""
    for access in (mmap.ACCESS_READ, mmap.ACCESS_COPY):
        file, m = file_map(mmap, make_file, bytes(100), access=access)
        if access == mmap.ACCESS_COPY:
            m[0] = 1
        assert m.flush() is None
        assert m.flush(0, 100) is None
        for bad in ((0, 101), (101, 0), (-1, 5), (0, -5)):
            with pytest.raises(ValueError):
                m.flush(*bad)
        assert pread(file.fileno(), 100, 0) == bytes(100)
    m = filled(mmap, b"abc")
    assert m.flush() is None


# C4: madvise.


@pytest.mark.skipif(WINDOWS, reason="Unix")
def test_madvise(mmap: ModuleType, make_file: MakeFile) -> None:
    """C4: the whole map, its end, any range; beyond the end is cut off."""
    _, m = file_map(mmap, make_file, b"x" * (3 * PAGE + 10))
    for option in (mmap.MADV_NORMAL, mmap.MADV_RANDOM, mmap.MADV_SEQUENTIAL, mmap.MADV_WILLNEED):
        assert m.madvise(option) is None
        assert m.madvise(option, PAGE) is None
        assert m.madvise(option, PAGE, 2) is None
        assert m.madvise(option, PAGE, PAGE) is None
        assert m.madvise(option, 3 * PAGE, 100 * PAGE) is None
        assert m.madvise(option, 0, 0) is None
        assert m.madvise(option, 0, sys.maxsize) is None
    m.madvise(mmap.MADV_DONTNEED)
    assert m[:] == b"x" * (3 * PAGE + 10)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux")
def test_madvise_takes_effect(mmap: ModuleType) -> None:
    """C4: on the range and nowhere else."""
    m = mmap.mmap(-1, 3 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    m[:] = b"x" * (3 * PAGE)
    m.madvise(mmap.MADV_DONTNEED, PAGE, 1)
    assert m[:] == b"x" * PAGE + bytes(PAGE) + b"x" * PAGE
    m.madvise(mmap.MADV_DONTNEED, 2 * PAGE)
    assert m[:] == b"x" * PAGE + bytes(2 * PAGE)


@pytest.mark.skipif(WINDOWS, reason="Unix")
@pytest.mark.parametrize("start", [-1, 1, 100, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2**62])
@pytest.mark.parametrize("length", [-1, 0, 1, PAGE, 2**62, sys.maxsize - 100, sys.maxsize])
def test_madvise_bounds(start: int, length: int) -> None:
    """C4: the standard library's exceptions."""
    same(lambda mmap: mmap.mmap(-1, 2 * PAGE).madvise(0, start, length))


# C5: move.


def test_move(mmap: ModuleType) -> None:
    """C5: every overlapping copy inside a small map, as of a bytearray."""
    data = b"0123456789"
    for target in range(len(data) + 1):
        for source in range(len(data) + 1):
            for count in range(len(data) + 1 - max(source, target)):
                m = filled(mmap, data)
                assert m.move(target, source, count) is None
                want = bytearray(data)
                want[target : target + count] = data[source : source + count]
                assert m[:] == want


def test_move_much(mmap: ModuleType) -> None:
    """C5: over pages, in both directions."""
    data = bytes(range(256)) * 64
    for target, source in ((5000, 100), (100, 5000), (1, 0), (0, 1)):
        m = filled(mmap, data)
        m.move(target, source, 10000)
        want = bytearray(data)
        want[target : target + 10000] = data[source : source + 10000]
        assert m[:] == want


# C6, C7, C8: reading.


def test_read(mmap: ModuleType) -> None:
    """C6: up to n bytes, and the position moves behind them."""
    m = filled(mmap, b"0123456789")
    assert (m.read(3), m.tell()) == (b"012", 3)
    assert (m.read(0), m.tell()) == (b"", 3)
    assert (m.read(Index(2)), m.tell()) == (b"34", 5)
    assert (m.read(True), m.tell()) == (b"5", 6)
    assert (m.read(100), m.tell()) == (b"6789", 10)
    assert (m.read(), m.read(5), m.read(-1), m.read(None), m.tell()) == (b"", b"", b"", b"", 10)
    for everything in ((), (None,), (-1,), (-5,), (-(2**63),), (sys.maxsize,)):
        m.seek(4)
        assert (m.read(*everything), m.tell()) == (b"456789", 10)


def test_read_much(mmap: ModuleType) -> None:
    """C6: megabytes."""
    data = bytes(range(256)) * 16384 + b"end"
    m = filled(mmap, data)
    assert m.read() == data
    m.seek(1)
    assert m.read(3 * 2**20) == data[1 : 3 * 2**20 + 1]
    assert m.tell() == 3 * 2**20 + 1
    assert m.read(2**40) == data[3 * 2**20 + 1 :]
    assert m[:] == data
    assert m[::-1] == data[::-1]
    assert m[1::3] == data[1::3]
    m[::2] = b"\0" * len(data[::2])
    assert m[1::2] == data[1::2]
    assert m[::2] == bytes(len(data[::2]))


def test_read_byte(mmap: ModuleType) -> None:
    """C7: one int after the other, a ValueError at the end."""
    m = filled(mmap, bytes(range(256)))
    assert [m.read_byte() for _ in range(256)] == list(range(256))
    with pytest.raises(ValueError, match=r"^read byte out of range$"):
        m.read_byte()
    assert m.tell() == 256


def test_write_byte(mmap: ModuleType) -> None:
    """C7: one byte after the other, a ValueError at the end."""
    m = mmap.mmap(-1, 256)
    for kind in (int, Index):
        m.seek(0)
        for byte in range(256):
            assert m.write_byte(kind(byte)) is None
            assert m.tell() == byte + 1
        assert m[:] == bytes(range(256))
        m[:] = bytes(256)
    with pytest.raises(ValueError, match=r"^write byte out of range$"):
        m.write_byte(1)
    assert m.tell() == 256


@pytest.mark.parametrize(
    "data",
    [
        b"one line",
        b"\n",
        b"\n\n\n",
        b"first\nsecond\nthird",
        b"first\nsecond\n",
        b"carriage\r\nreturn\rinside",
        b"x" * 70000 + b"\nshort\n" + b"y" * (3 * 2**20) + b"\n" + b"z" * 100,
        b"".join(b"%d\n" % number for number in range(5000)),
    ],
    ids=range(8),
)
def test_readline(mmap: ModuleType, data: bytes) -> None:
    """C8: through each newline, then to the end, then nothing."""
    m = filled(mmap, data)
    lines = data.splitlines(keepends=True) if b"\r" not in data else data.split(b"\n")
    if b"\r" in data:
        lines = [line + b"\n" for line in lines[:-1]] + lines[-1:]
    position = 0
    for line in lines:
        assert m.readline() == line
        position += len(line)
        assert m.tell() == position
    assert m.readline() == m.readline() == b""
    assert m.tell() == len(data)
    m.seek(max(0, len(data) - 3))
    assert m.readline() == data[max(0, len(data) - 3) :].partition(b"\n")[0] + (
        b"\n" if b"\n" in data[max(0, len(data) - 3) :] else b""
    )


# C9, C10, C12: positions.


def test_position_behind_the_end(make_file: MakeFile) -> None:
    """C9: as the standard library, where each step is compared."""
    fd = make_file(bytes(100)).fileno()
    for name, use in (USES | WRONG).items():
        if name in ("resize", "buffer") or name.startswith("seek"):
            continue

        def go(mmap: ModuleType, use: Use = use) -> object:
            with mmap.mmap(fd, 0) as m:
                m[:] = b"0123456789" * 10
                m.seek(100)
                m.resize(50)
                result = outcome(lambda: use(m))
                position = m.tell()
                m.resize(100)
                return "itself" if result[-1] is m else result, position

        same(go)


def test_seek(mmap: ModuleType) -> None:
    """C10, C12: all three kinds, within the map and to its end."""
    m = filled(mmap, b"0123456789")
    for pos, whence, want in (
        (3, (), 3),
        (0, (os.SEEK_SET,), 0),
        (10, (0,), 10),
        (-4, (os.SEEK_CUR,), 6),
        (4, (1,), 10),
        (0, (1,), 10),
        (-10, (os.SEEK_END,), 0),
        (0, (2,), 10),
        (-1, (2,), 9),
        (Index(5), (Index(0),), 5),
    ):
        m.seek(pos, *whence)
        assert m.tell() == want
    assert m.read(1) == b"5"


# C11: size.


def test_size(mmap: ModuleType, make_file: MakeFile) -> None:
    """C11: the file's length now, whatever is mapped."""
    file = make_file(bytes(3 * UNIT))
    m = mmap.mmap(file.fileno(), 100, offset=UNIT)
    assert (m.size(), len(m)) == (3 * UNIT, 100)
    os.truncate(file.fileno(), 10 * UNIT + 3)
    assert (m.size(), len(m)) == (10 * UNIT + 3, 100)


# C13: write.


def test_write(mmap: ModuleType) -> None:
    """C13: all of it and its count, or a ValueError and nothing."""
    m = mmap.mmap(-1, 10)
    assert (m.write(b"abc"), m.tell()) == (3, 3)
    assert (m.write(b""), m.tell()) == (0, 3)
    assert (m.write(bytearray(b"de")), m.tell()) == (2, 5)
    assert (m.write(memoryview(b"--fg--")[2:4]), m.tell()) == (2, 7)
    with pytest.raises(ValueError, match=r"^data out of range$"):
        m.write(b"1234")
    assert (m.tell(), m[:]) == (7, b"abcdefg\0\0\0")
    assert (m.write(array.array("B", [1, 2, 3])), m.tell()) == (3, 10)
    assert m.write(b"") == 0
    with pytest.raises(ValueError):
        m.write(b"1")
    assert m[:] == b"abcdefg\1\2\3"


def test_write_much(mmap: ModuleType) -> None:
    """C13: megabytes."""
    data = bytes(range(256)) * 16384
    m = mmap.mmap(-1, len(data) + 10)
    m.seek(3)
    assert m.write(data) == len(data)
    assert m.tell() == len(data) + 3
    assert m[:] == bytes(3) + data + bytes(7)
    with pytest.raises(ValueError):
        m.write(data)
    m.seek(0)
    m[3:-7] = data[::-1]
    assert m[3:-7] == data[::-1]


def test_write_of_a_map_into_itself(mmap: ModuleType) -> None:
    """C13: the source may be the map's own memory."""
    m = filled(mmap, b"0123456789")
    assert m.write(m) == 10
    m.seek(2)
    with memoryview(m) as view:
        assert m.write(view[:8]) == 8
    assert m[:] == b"0101234567"
