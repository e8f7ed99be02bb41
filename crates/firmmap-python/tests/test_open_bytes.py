"""MappedFile as a byte array: items, slices, searches, and the iterators over the whole map."""

from __future__ import annotations

import contextlib
import gc
import itertools
import random
import re
import struct
import sys
import threading
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import firmmap
import pytest
from support import PAGE, Index, outcome

BYTES = b"banana, ananas" + bytes(range(256)) + b"banana"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(BYTES)
    return path


@pytest.fixture
def m(path: Path) -> Any:
    return firmmap.open(path, "r+")


def as_bytearray(m: Any, call: Callable[..., object]) -> Any:
    """Checks that a call comes to the same as with a bytearray of the same bytes."""
    expected = outcome(lambda: call(bytearray(BYTES)))
    ours = outcome(lambda: call(m))
    assert ours[0] == expected[0], (ours, expected)
    if ours[0] == "raised":
        assert issubclass(ours[1], expected[1]), (ours, expected)
    else:
        assert ours[2] == expected[2]
    return ours[2]


INDICES: list[Any] = [0, 1, -1, len(BYTES) - 1, -len(BYTES), len(BYTES), -len(BYTES) - 1, 1 << 70, Index(3), True]


@pytest.mark.parametrize("index", [*INDICES, "1", 1.0, None])
def test_items(m: Any, index: Any) -> None:
    """A1: an item is an int; indices count from either end."""
    as_bytearray(m, lambda b: b[index])


@pytest.mark.parametrize("start", [None, 0, 3, -3, 500, -500])
@pytest.mark.parametrize("stop", [None, 0, 20, -2, 500, -500])
@pytest.mark.parametrize("step", [None, 1, 2, -1, -7, 300])
def test_slices(m: Any, start: Any, stop: Any, step: Any) -> None:
    """A1: slices are bytes, with any step."""
    assert m[start:stop:step] == BYTES[start:stop:step]
    assert type(m[start:stop:step]) is bytes
    size = len(BYTES[start:stop:step])
    expected = bytearray(BYTES)
    expected[start:stop:step] = bytes(i % 256 for i in range(size))
    m[start:stop:step] = bytes(i % 256 for i in range(size))
    assert m[:] == expected


def test_assignment(m: Any, path: Path) -> None:
    """A1: one byte, or as many as the slice has; anything else changes nothing."""
    m[0] = 0
    m[Index(-1)] = Index(255)
    m[1:3] = bytearray(b"xy")
    m[3:5] = memoryview(b"zw")
    assert m[:5] == b"\0xyzw"
    assert m[-1] == 255
    before = m[:]
    for index, value in [(0, 256), (0, -1), (0, 1 << 80)]:
        with pytest.raises(ValueError, match=r"range\(0, 256\)"):
            m[index] = value
    wrong: list[tuple[Any, Any]] = [(0, b"x"), (0, "x"), (0, None), (0, 1.0), (slice(0, 1), 5), (slice(0, 1), "x")]
    for place, item in wrong:
        with pytest.raises(TypeError):
            m[place] = item
    with pytest.raises(IndexError, match="276 mapped bytes"):
        m[276] = 0
    with pytest.raises(ValueError, match="3 bytes to a slice of 2"):
        m[0:2] = b"xyz"
    with pytest.raises(ValueError, match="0 bytes to a slice of 3"):
        m[0:9:3] = b""
    assert m[:] == before == path.read_bytes()


@pytest.mark.parametrize("places", [slice(10, 40, 2), slice(40, 10, -2), slice(5, 20, 1)])
def test_assignment_of_itself(m: Any, places: slice) -> None:
    """G4: a view of the map is what it shows before the assignment, as with a bytearray."""

    def call(b: Any) -> bytes:
        with memoryview(b)[0:15] as view:
            b[places] = view
        return bytes(b)

    as_bytearray(m, call)


@pytest.mark.parametrize("start", [0, 1, 70_000])
def test_much_of_itself(tmp_path: Path, start: int) -> None:
    """G3, G4: so it is with what is copied in pieces, by an assignment and by write()."""
    data = random.Random(1).randbytes((5 << 19) + 7)
    size = len(data) - 70_001
    twin = bytearray(data)
    twin[start : start + size] = data[1 : 1 + size]
    (tmp_path / "file").write_bytes(data)
    with firmmap.open(tmp_path / "file", "c") as m, memoryview(m) as view:
        m[start : start + size] = view[1 : 1 + size]
        assert m[:] == twin
        m[:] = data
        m.seek(start)
        assert m.write(view[1 : 1 + size]) == size
        assert m[:] == twin


def test_no_deletion_no_arithmetic(m: Any) -> None:
    """A4: TypeError."""
    calls: list[Callable[[], object]] = [
        lambda: m.__delitem__(0),
        lambda: m.__delitem__(slice(0, 1)),
        lambda: m + b"x",
        lambda: m * 2,
        lambda: m < m,
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


def test_read_only(path: Path) -> None:
    """A1, B3: the bytes of mode "r" cannot be changed: TypeError, as with bytes; views are read-only."""
    with firmmap.open(path) as m:
        calls: list[Callable[[], object]] = [
            lambda: m.__setitem__(0, 1),
            lambda: m.__setitem__(slice(0, 1), b"x"),
            lambda: m.move(0, 1, 2),
        ]
        for call in calls:
            with pytest.raises(TypeError, match="mode 'r'"):
                call()
        with memoryview(m) as view:
            assert view.readonly
    assert path.read_bytes() == BYTES


def test_buffer(m: Any) -> None:
    """A2: whoever takes a buffer takes the map, without a copy."""
    assert re.findall(rb"an+a", m) == re.findall(rb"an+a", BYTES)
    assert struct.unpack_from("<I", m, 14) == (0x03020100,)
    assert zlib.crc32(m) == zlib.crc32(BYTES)
    with memoryview(m) as view:
        view[0] = ord("B")
        assert m[0] == ord("B")
    struct.pack_into("<H", m, 0, 0x4142)
    assert m[:2] == b"BA"


NEEDLES: list[Any] = [
    b"an",
    b"ana",
    b"",
    b"b",
    b"banana",
    b"missing",
    BYTES,
    BYTES + b"x",
    98,
    0,
    255,
    bytearray(b"na"),
]
BOUNDS: list[tuple[Any, ...]] = [(), (2,), (None, 5), (-6,), (-6, -1), (300,), (5, 3), (0, 300), (-1000, 1000)]
BOUNDS += [(Index(1), Index(9)), (1 << 80,), (-(1 << 80), 1 << 80), (len(BYTES),)]


@pytest.mark.parametrize("bounds", BOUNDS, ids=repr)
@pytest.mark.parametrize("name", ["find", "rfind", "index", "rindex", "count"])
def test_search(m: Any, name: str, bounds: Any) -> None:
    """G4: as bytearray: from the first byte, whatever the position is; integers are bytes."""
    m.seek(10)
    for needle in NEEDLES:
        as_bytearray(m, lambda b, needle=needle: getattr(b, name)(needle, *bounds))
    assert m.tell() == 10


@pytest.mark.parametrize("name", ["find", "rfind", "index", "rindex", "count"])
@pytest.mark.parametrize("arguments", [(), ("text",), (None,), (256,), (-1,), (1.5,), (b"a", "1"), (b"a", 1, 2, 3)])
def test_wrong_search(m: Any, name: str, arguments: Any) -> None:
    """G4: the exceptions are bytearray's."""
    as_bytearray(m, lambda b: getattr(b, name)(*arguments))


@pytest.mark.parametrize("bounds", BOUNDS, ids=repr)
@pytest.mark.parametrize("name", ["startswith", "endswith"])
def test_affixes(m: Any, name: str, bounds: Any) -> None:
    """G4: as bytearray, tuples of them too."""
    affixes: list[Any] = [b"ban", b"ana", b"", b"x", BYTES, BYTES + b"x", (b"x", b"ban"), (), (b"x", b"y"), (b"",)]
    for affix in [*affixes, bytearray(b"nana"), "text", 5, None, (b"x", "text"), [b"ban"]]:
        as_bytearray(m, lambda b, affix=affix: getattr(b, name)(affix, *bounds))


@pytest.mark.parametrize("item", [*NEEDLES, 256, -1, 1 << 70, "text", None, 1.5])
def test_contains(m: Any, item: Any) -> None:
    """G4: bytes and integers are in it or not."""
    as_bytearray(m, lambda b: item in b)


def test_move(m: Any) -> None:
    """C5: the two may overlap."""
    m.move(2, 0, 6)
    assert m[:10] == b"babanananas"[:8] + BYTES[8:10]
    for arguments in [(-1, 0, 1), (0, -1, 1), (0, 0, -1), (0, 270, 10), (270, 0, 10), (0, 0, sys.maxsize)]:
        with pytest.raises(ValueError):
            m.move(*arguments)


def test_single_bytes(m: Any) -> None:
    """C7: one byte at the position; past the end, writing grows."""
    assert m.read_byte() == ord("b")
    m.write_byte(ord("A"))
    assert m.tell() == 2
    assert m[:3] == b"bAn"
    m.seek(0, 2)
    with pytest.raises(ValueError, match="276"):
        m.read_byte()
    m.write_byte(7)
    assert m[-1] == 7
    assert len(m) == 277
    with pytest.raises(OverflowError):
        m.write_byte(256)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"a",
        b"a\n",
        b"\n\n\n",
        b"x" * PAGE,
        b"x" * PAGE + b"\n",
        b"x" * 9 * PAGE + b"\ny",
        b"ab\n" * 9 * PAGE,
    ],
    ids=len,
)
def test_lines(tmp_path: Path, data: bytes) -> None:
    """G5: lines() gives all lines, wherever pages end, from the first byte on; so does iteration from the start."""
    path = tmp_path / "lines"
    for extra in (b"", b"z", b"\n", b"y" * (PAGE - 1)):
        path.write_bytes(extra + data)
        expected = (extra + data).splitlines(keepends=True)
        with firmmap.open(path) as m:
            m.seek(2)
            assert list(m.lines()) == expected
            assert m.tell() == 2
            m.seek(0)
            assert list(m) == expected
            assert m.tell() == len(m)
        with firmmap.open(path, offset=min(3, len(extra + data))) as m:
            assert list(m.lines()) == (extra + data)[3:].splitlines(keepends=True)


def test_lines_split_at_newlines_only(tmp_path: Path) -> None:
    """G5: as a binary file does it: carriage returns and the like are bytes."""
    path = tmp_path / "lines"
    path.write_bytes(b"a\rb\r\nc\x0bd\x1ce\x85f\ng")
    with firmmap.open(path) as m, path.open("rb") as plain:
        assert list(m.lines()) == list(plain)


@pytest.mark.parametrize("needle", [b"a", b"ana", b"", b"an", b"\0", b"banana", b"missing", 97])
def test_find_all(m: Any, needle: Any) -> None:
    """G5: all places without overlaps, as many as count() says."""
    found = list(m.find_all(needle))
    assert len(found) == m.count(needle)
    expected, start = [], 0
    while (place := BYTES.find(needle, start)) >= 0:
        expected.append(place)
        start = place + (len(needle) if isinstance(needle, bytes) else 1) + (needle == b"")
    assert found == expected
    for bounds in [(3,), (3, 20), (-6,), (5, 3), (1000,)]:
        selected = list(m.find_all(needle, *bounds))
        assert len(selected) == m.count(needle, *bounds)


def test_find_all_far(tmp_path: Path) -> None:
    """G5: matches far from each other, across pages and windows, at the very ends."""
    path = tmp_path / "far"
    data = bytearray(1 << 20)
    places = [0, 5, 4094, 4096 + 4094, 8192 * 3 - 2, 65534, 65536 + 65534, 300_000, (1 << 20) - 4]
    for place in places:
        data[place : place + 4] = b"abab"
    path.write_bytes(data)
    with firmmap.open(path) as m:
        assert list(m.find_all(b"abab")) == places
        assert list(m.find_all(b"ab")) == sorted(itertools.chain(places, (place + 2 for place in places)))
        assert list(m.find_all(b"ababx")) == []
        assert len(list(m.find_all(bytes(5000)))) == m.count(bytes(5000)) == bytes(data).count(bytes(5000))


def test_find_all_sees_changes(m: Any) -> None:
    """G5: places are looked for when they are asked for."""
    found = m.find_all(b"an")
    assert next(found) == 1
    m[3:5] = b"xx"
    assert next(found) == 8
    m.truncate(9)
    assert next(found, None) is None
    m.truncate(100)
    m[50:52] = b"an"
    assert next(found, None) is None


@pytest.mark.parametrize("has_view", [False, True])
@pytest.mark.parametrize("distance", [60, 3000, 20_000, 200_000])
@pytest.mark.parametrize(
    ("iterate", "is_reverse"),
    [
        pytest.param(lambda m: m.find_all(b"x"), False, id="find_all"),
        pytest.param(lambda m: m.find_all([b"x", b"yy"]), False, id="several"),
        pytest.param(lambda m: m.lines(containing=b"x"), False, id="lines"),
        pytest.param(lambda m: m.lines(containing=[b"x", b"yy"]), False, id="lines of several"),
        pytest.param(lambda m: m.lines(containing=b"x", reverse=True), True, id="reverse"),
    ],
)
def test_changes_ahead_are_seen(
    tmp_path: Path, iterate: Callable[[Any], Any], is_reverse: bool, distance: int, has_view: bool
) -> None:
    """G5: what was searched ahead is searched again after a change, also where nothing was found there."""
    with firmmap.open(tmp_path / "file", "w+") as m:
        m.write((b"." * 99 + b"\n") * 3000)
        first = len(m) - 50 if is_reverse else 50
        second = first - distance if is_reverse else first + distance
        m[first] = ord("x")
        found = iterate(m)
        with memoryview(m) if has_view else contextlib.nullcontext(m) as changed:
            next(found)
            changed[second : second + 1] = b"x"
            assert len(list(found)) == 1


def test_iterators_are_lazy(tmp_path: Path) -> None:
    """G5: memory does not grow with the file: a map of a terabyte is begun at once."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(b"first\nsecond\n")
        file.truncate(1 << 40)
    with firmmap.open(path) as m:
        assert list(itertools.islice(m.lines(), 2)) == [b"first\n", b"second\n"]
        assert list(itertools.islice(m.find_all(b"s"), 2)) == [3, 6]
        assert list(itertools.islice(m, 2)) == [b"first\n", b"second\n"]


def test_iterators_are_iterators(m: Any) -> None:
    """G5: iter() of one is itself; it cannot be made by hand."""
    for iterator in (m.lines(), m.find_all(b"a")):
        assert iter(iterator) is iterator
        with pytest.raises(TypeError):
            type(iterator)()
    assert iter(m) is m


def test_long_work_lets_others_run(tmp_path: Path) -> None:
    """G5: a search or a long line that takes time does not keep other threads from closing the file."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 28)
    m = firmmap.open(path)
    errors = []

    def work() -> None:
        try:
            while True:
                m.find(b"x")
                m.count(b"x")
                m.seek(0)
                next(m)
                next(m.lines())
                m.seek(0)
                m.readline()
        except ValueError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    m.close()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert errors == ["I/O operation on closed file"] * 2


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="other interpreters free later")
@pytest.mark.parametrize("walk", ["none", "some", "all"])
@pytest.mark.parametrize("make", [lambda m: m.lines(), lambda m: m.find_all(b"a")])
def test_iterators_keep_no_map_alive(path: Path, make: Callable[[Any], Any], walk: str) -> None:
    """G5: with its iterators a map is gone at once, and with it its descriptor and its name."""

    class Name(str):
        pass

    name = Name(path)
    m = firmmap.open(name)
    gone: list[Callable[[], object]] = [weakref.ref(m), weakref.ref(name)]
    iterator = make(m)
    del name
    if walk == "some":
        next(iterator)
    elif walk == "all":
        assert len(list(iterator)) > 1
        del m
        assert [one() for one in gone] == [None, None]
        return
    del iterator, m
    assert [one() for one in gone] == [None, None]


class Keeper(firmmap.MappedFile):
    """A subclass that keeps an iterator over itself."""

    iterator: Any


@pytest.mark.parametrize("walk", [0, 1])
@pytest.mark.parametrize("make", [lambda m: m.lines(), lambda m: m.find_all(b"a")])
def test_iterators_in_circles_are_found(path: Path, make: Callable[[Any], Any], walk: int) -> None:
    """G5: an object that keeps an iterator over itself is no leak; one that is in use stays."""
    keeper = Keeper(path)
    keeper.iterator = make(keeper)
    list(itertools.islice(keeper.iterator, walk))
    gone, iterator = weakref.ref(keeper), weakref.ref(keeper.iterator)
    gc.collect()
    assert gone() is keeper
    rest = keeper.iterator
    del keeper
    gc.collect()
    assert gone() is not None
    assert gc.is_tracked(rest)
    assert gone() in gc.get_referents(rest)
    assert list(rest)
    assert gone() is None
    assert iterator() is rest
    again = Keeper(path)
    again.iterator = make(again)
    gone = weakref.ref(again)
    del again
    gc.collect()
    assert gone() is None
