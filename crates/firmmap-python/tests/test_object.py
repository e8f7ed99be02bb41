"""A1 to A6: a map is a mutable byte array and a file object."""

from __future__ import annotations

import array
import ctypes
import gc
import hashlib
import io
import operator
import re
import struct
import sys
import weakref
import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from conftest import MakeFile
from support import NEWEST, UNIT, Index, outcome, same

DATA = bytes(range(256)) * 3 + b"the end"


def filled(mmap: ModuleType, data: bytes | bytearray = DATA) -> Any:
    """Anonymous memory that holds `data`."""
    m = mmap.mmap(-1, len(data))
    m[:] = data
    return m


# A1: the byte array.


def test_items(mmap: ModuleType) -> None:
    """A1: an item is an int, negative indices count from the end, assignment changes one byte."""
    m = filled(mmap)
    assert len(m) == len(DATA)
    assert [m[i] for i in range(len(DATA))] == list(DATA)
    assert [m[i] for i in range(-len(DATA), 0)] == list(DATA)
    m[3] = 97
    m[-1] = 0
    m[Index(5)] = Index(255)
    m[True] = True
    want = bytearray(DATA)
    want[3], want[-1], want[5], want[1] = 97, 0, 255, 1
    assert bytes(m) == want


BOUNDS = [None, 0, 1, 5, 9, 10, 11, 100, -1, -5, -10, -11, -100, sys.maxsize, -sys.maxsize - 1]
STEPS = [None, 1, 2, 3, 10, 100, -1, -2, -3, -10, -100, sys.maxsize, -sys.maxsize]


def test_slices(mmap: ModuleType) -> None:
    """A1: every slice, extended or not, reads what bytes read."""
    data = b"0123456789"
    m = filled(mmap, data)
    for start in BOUNDS:
        for stop in BOUNDS:
            for step in STEPS:
                result = m[start:stop:step]
                assert type(result) is bytes
                assert result == data[start:stop:step], (start, stop, step)


class Int(int):
    """An int that is not exactly one."""


ANY_BOUNDS: list[Any] = [True, 2**63, -(2**63) - 1, -(2**70), Index(3), Index(-2), Int(7), Int(-4)]


@pytest.mark.parametrize("bound", ANY_BOUNDS)
def test_slices_of_any_ints(mmap: ModuleType, bound: Any) -> None:
    """A1: slices of what stands for an int, or is none of a machine's, read and assign what bytes and bytearrays do."""
    expected = bytearray(b"0123456789")
    m = filled(mmap, expected)
    for number, other in enumerate([*BOUNDS, *ANY_BOUNDS]):
        for step in [*STEPS, *ANY_BOUNDS]:
            for key in (slice(bound, other, step), slice(other, bound, step)):
                assert m[key] == expected[key], key
                m[key] = expected[key] = bytes(64 + number + index for index in range(len(expected[key])))
                assert m[:] == expected, key


def test_slice_assignment(mmap: ModuleType) -> None:
    """A1: every slice, extended or not, is assigned what a bytearray is."""
    for start in BOUNDS:
        for stop in BOUNDS:
            for step in STEPS:
                want = bytearray(b"0123456789")
                m = filled(mmap, want)
                new = b"ABCDEFGHIJ"[: len(want[start:stop:step])]
                if new or step is not None:
                    want[start:stop:step] = new
                m[start:stop:step] = new
                assert m[:] == want, (start, stop, step)


@pytest.mark.parametrize("size", [0, 1, 4, 6, 100])
@pytest.mark.parametrize("step", [1, 2, -1, -3])
def test_slice_assignment_keeps_the_size(mmap: ModuleType, size: int, step: int) -> None:
    """A1: as many bytes as are replaced, or an IndexError and nothing changes."""
    m = filled(mmap, b"0123456789")
    key = slice(2, 7, step) if step > 0 else slice(7, 2, step)
    assert len(m[key]) != size
    with pytest.raises(IndexError, match=r"^mmap slice assignment is wrong size$"):
        m[key] = b"x" * size
    assert m[:] == b"0123456789"


class RaisesIndex:
    def __index__(self) -> int:
        raise ZeroDivisionError("in __index__")


BAD_INDICES = [10, -11, 1000, 2**31, sys.maxsize, -sys.maxsize - 1, 2**63, -(2**64), 2**200]
BAD_KEYS: list[Any] = [None, 1.5, "1", b"1", (1, 2), [], Ellipsis, RaisesIndex(), object]
BAD_KEYS += [slice("a"), slice(1.5, None), slice(None, None, 0), slice(RaisesIndex(), 3)]
BAD_VALUES: list[Any] = [256, -1, 2**64, -(2**64), None, "a", b"a", 1.0, RaisesIndex()]
BAD_BYTES: list[Any] = [None, 5, "abc", 1.0, [1, 2, 3], memoryview(b"abcdef")[::2], object()]


@pytest.mark.parametrize("key", BAD_INDICES + BAD_KEYS, ids=repr)
def test_bad_keys(key: Any) -> None:
    """A1: exceptions for wrong indices are the standard library's."""
    assert same(lambda mmap: filled(mmap, b"0123456789")[key])[0] == "raised"
    assert same(lambda mmap: operator.setitem(filled(mmap, b"0123456789"), key, 1))[0] == "raised"
    assert same(lambda mmap: operator.setitem(filled(mmap, b"0123456789"), key, b"1"))[0] == ("raised")


@pytest.mark.parametrize("value", BAD_VALUES, ids=repr)
def test_bad_item_values(value: Any) -> None:
    """A1: exceptions for wrong values of an item are the standard library's."""
    assert same(lambda mmap: operator.setitem(filled(mmap), 3, value))[0] == "raised"
    assert same(lambda mmap: operator.setitem(filled(mmap), 9999, value))[0] == "raised"


@pytest.mark.parametrize("value", BAD_BYTES, ids=lambda value: type(value).__name__)
def test_bad_slice_values(value: Any) -> None:
    """A1: exceptions for wrong values of a slice are the standard library's."""
    assert same(lambda mmap: operator.setitem(filled(mmap), slice(0, 3), value))[0] == "raised"
    assert same(lambda mmap: operator.setitem(filled(mmap), slice(0, 6, 2), value))[0] == "raised"


@pytest.mark.parametrize(
    "value",
    [
        b"abcd",
        bytearray(b"abcd"),
        memoryview(b"abcd"),
        array.array("H", [1, 2]),
        (ctypes.c_ubyte * 4)(*b"abcd"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_slices_take_any_bytes(mmap: ModuleType, value: Any) -> None:
    """A1: any bytes-like object can be assigned."""
    m = filled(mmap)
    m[10:14] = value
    assert m[10:14] == bytes(value)
    m[20:28:2] = value
    assert m[20:28:2] == bytes(value)


def test_a_map_is_assigned_to_itself(mmap: ModuleType) -> None:
    """A1: also where source and target overlap."""
    m = filled(mmap, b"0123456789")
    m[:] = m
    assert m[:] == b"0123456789"
    with memoryview(m) as view:
        m[2:10] = view[0:8]
    assert m[:] == b"0101234567"


# A2: the buffer protocol.


def test_buffer(mmap: ModuleType) -> None:
    """A2: a writable view of the map's own memory."""
    m = filled(mmap)
    with memoryview(m) as view:
        assert id(view.obj) == id(m)
        assert (view.readonly, view.format, view.itemsize, view.ndim) == (False, "B", 1, 1)
        assert (view.shape, view.strides, view.contiguous) == ((len(DATA),), (1,), True)
        view[4] = 200
        assert m[4] == 200
        m[5] = 201
        assert view[5] == 201
    m.close()


def test_buffer_of_a_read_only_map(mmap: ModuleType, make_file: MakeFile) -> None:
    """A2: read-only maps give read-only views."""
    m = mmap.mmap(make_file(DATA).fileno(), 0, access=mmap.ACCESS_READ)
    with memoryview(m) as view:
        assert view.readonly
        assert view == DATA
    with pytest.raises(TypeError):
        io.BytesIO(b"abc").readinto(m)
    m.close()


class View(ctypes.Structure):
    """A Py_buffer."""

    _fields_ = [  # noqa: RUF012
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    ]


def test_every_request_for_a_buffer() -> None:
    """A2: whatever a C extension asks of a buffer, it gets the same, and a reference that it gives back."""

    def view(access: str, flags: int) -> Callable[[ModuleType], object]:
        def get(mmap: ModuleType) -> object:
            with mmap.mmap(-1, 100, access=getattr(mmap, access)) as m:
                # Without `assert`, which would hold what it looks at.
                counts = [sys.getrefcount(m)]
                it = View()
                ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(m), ctypes.byref(it), flags)
                counts.append(sys.getrefcount(m))
                is_closed = outcome(m.close)[0] == "returned"
                owner = id(it.obj) == id(m)
                shape, strides = (p[0] if p else None for p in (it.shape, it.strides))
                got = (it.len, it.itemsize, it.readonly, it.ndim, it.format, shape, strides)
                rest = (bool(it.buf), bool(it.suboffsets), it.internal)
                ctypes.pythonapi.PyBuffer_Release(ctypes.byref(it))
                counts.append(sys.getrefcount(m))
            assert [count - counts[0] for count in counts] == [0, 1, 0]
            assert (is_closed, owner, rest) == (False, True, (True, False, None))
            return got

        return get

    kinds = set()
    for access in ("ACCESS_READ", "ACCESS_WRITE", "ACCESS_COPY"):
        for flags in range(0x400):
            result = same(view(access, flags))
            kinds.add((result[0], result[2] if result[0] == "returned" else result[1]))
    # Read-only or not, with or without a format, a shape and strides.
    assert sum(kind == "returned" for kind, _ in kinds) == 2 * 2 * 3, kinds
    assert ("raised", BufferError) in kinds


def test_buffer_consumers(mmap: ModuleType) -> None:
    """A2: re, struct, hashlib, zlib, int, bytes, bytearray, array and files take a map."""
    m = filled(mmap)
    match = re.search(rb"t(h)e (\w+)", m)
    assert match is not None
    assert (match.group(2), match.start(), match.string) == (b"end", 768, m)
    del match
    assert [found.start() for found in re.finditer(b"\x41", m)] == [65, 321, 577]
    assert struct.unpack_from("<H", m, 2) == (0x0302,)
    struct.pack_into("<I", m, 4, 0xDDCCBBAA)
    assert m[4:8] == b"\xaa\xbb\xcc\xdd"
    m[:] = DATA
    assert hashlib.sha256(m).digest() == hashlib.sha256(DATA).digest()
    assert zlib.crc32(m) == zlib.crc32(DATA)
    assert zlib.decompress(zlib.compress(m)) == DATA
    assert bytes(m) == bytearray(m) == b"".join([m]) == b"" + m == DATA
    assert array.array("B", bytes(m)).tolist() == list(DATA)
    assert io.BytesIO(m).read() == DATA
    assert io.BytesIO(b"xyz").readinto(m) == 3
    assert m[:4] == b"xyz\x03"
    gc.collect()
    m.close()


def test_buffer_ctypes(mmap: ModuleType) -> None:
    """A2: ctypes shares the memory."""
    m = filled(mmap)
    block = (ctypes.c_uint8 * 4).from_buffer(m, 8)
    block[0] = 77
    assert m[8] == 77
    with pytest.raises(BufferError):
        m.close()
    del block
    gc.collect()
    m.close()


def test_buffer_numpy(mmap: ModuleType) -> None:
    """A2: numpy shares the memory; the map stays open while an array lives."""
    np = pytest.importorskip("numpy")
    m = filled(mmap)
    a = np.frombuffer(m, dtype=np.uint8)
    assert a.flags.writeable
    assert int(a.sum()) == sum(DATA)
    a[3] = 99
    assert m[3] == 99
    m[4] = 98
    assert a[4] == 98
    with pytest.raises(BufferError, match=r"^cannot close exported pointers exist$"):
        m.close()
    assert m[3] == 99
    del a
    m.close()


def test_buffer_of_a_closed_map() -> None:
    """A2, C1: a closed map has no buffer."""

    def view(mmap: ModuleType) -> object:
        m = filled(mmap)
        m.close()
        return memoryview(m)

    assert same(view)[1] is ValueError


# A4: what is not supported.


def add_in_place(m: Any, value: object) -> None:
    m += value


def multiply_in_place(m: Any, value: object) -> None:
    m *= value


@pytest.mark.parametrize(
    "use",
    [
        lambda m: operator.delitem(m, 0),
        lambda m: operator.delitem(m, slice(0, 2)),
        lambda m: operator.delitem(m, slice(0, 4, 2)),
        lambda m: operator.delitem(m, None),
        lambda m: m + b"abc",
        lambda m: m + m,
        lambda m: operator.add([], m),
        lambda m: m * 2,
        lambda m: 2 * m,
        lambda m: operator.concat(m, b"a"),
        lambda m: add_in_place(m, b"a"),
        lambda m: multiply_in_place(m, 2),
    ],
)
def test_not_supported(use: Callable[[Any], object]) -> None:
    """A4: no deletion, no concatenation, no repetition: the standard library's TypeError."""
    assert same(lambda mmap: use(filled(mmap)))[1] is TypeError


def test_deletion_from_a_read_only_map(make_file: MakeFile) -> None:
    """A4, B3: the exceptions come in the standard library's order."""
    fd = make_file(b"abc").fileno()
    for key in (0, 99, slice(0, 1), None):
        result = same(
            lambda mmap, key=key: operator.delitem(  # type: ignore[misc]
                mmap.mmap(fd, 0, access=mmap.ACCESS_READ), key
            )
        )
        assert result[1] is TypeError


# A1: as a sequence.


def test_iteration(mmap: ModuleType) -> None:
    """A1: iteration gives bytes of length one, as the standard library's does; so does `in`."""
    m = filled(mmap)
    want = [bytes([byte]) for byte in DATA]
    assert list(m) == want
    assert list(reversed(m)) == want[::-1]
    assert b"t" in m
    assert 97 not in m
    assert operator.countOf(m, b"t") == want.count(b"t")
    assert operator.indexOf(m, b"\x05") == 5
    assert not hasattr(m, "__iter__")


def test_sequence_protocol() -> None:
    """A1, A4: the sequence slots take and give bytes of length one, with the same exceptions."""
    get = ctypes.pythonapi.PySequence_GetItem
    get.argtypes, get.restype = [ctypes.py_object, ctypes.c_ssize_t], ctypes.py_object
    put = ctypes.pythonapi.PySequence_SetItem
    put.argtypes = [ctypes.py_object, ctypes.c_ssize_t, ctypes.py_object]
    delete = ctypes.pythonapi.PySequence_DelItem
    delete.argtypes = [ctypes.py_object, ctypes.c_ssize_t]
    values = (b"x", b"", b"xy", "x", 120, None, bytearray(b"x"))
    for index in (0, 5, 9, 10, -1, -10, -11, sys.maxsize):
        same(lambda mmap, i=index: get(filled(mmap, b"0123456789"), i))  # type: ignore[misc]
        same(lambda mmap, i=index: delete(filled(mmap, b"0123456789"), i))  # type: ignore[misc]
        for value in values:

            def assign(mmap: ModuleType, index: int = index, value: object = value) -> bytes:
                m = filled(mmap, b"0123456789")
                put(m, index, value)
                return bytes(m)

            same(assign)


def test_sequence_assignment_on_a_read_only_map(make_file: MakeFile) -> None:
    """B3: the sequence slot refuses too."""
    put = ctypes.pythonapi.PySequence_SetItem
    fd = make_file(b"abc").fileno()
    for index, value in ((0, b"x"), (0, b"xy"), (9, b"x")):
        result = same(
            lambda mmap, i=index, v=value: put(  # type: ignore[misc]
                mmap.mmap(fd, 0, access=mmap.ACCESS_READ), i, v
            )
        )
        assert result[0] == "raised"


def test_comparison(mmap: ModuleType) -> None:
    """A1: maps are equal to themselves only, hashable and true."""
    m, other = filled(mmap), filled(mmap)
    assert m == m
    assert m != other
    assert m != DATA
    assert hash(m) == hash(m)
    assert m
    assert {m: 1}[m] == 1


# A5: classes and lifetimes.


def test_subclass(mmap: ModuleType) -> None:
    """A5: a subclass with its own constructor, arguments, attributes and methods."""

    class Named(mmap.mmap):  # type: ignore[misc, name-defined]
        kind = "named"

        def __new__(cls, length: int, name: str, *, extra: int = 0) -> Any:
            return super().__new__(cls, -1, length)

        def __init__(self, length: int, name: str, *, extra: int = 0) -> None:
            super().__init__()
            self.name = name
            self.extra = extra

        def __len__(self) -> int:
            return 7

        def read(self, *args: Any) -> Any:
            return b"<" + super().read(*args) + b">"

    m = Named(20, "first", extra=5)
    assert isinstance(m, mmap.mmap)
    assert (m.name, m.extra, m.kind, len(m), m.size() if m.closed else 20) == (
        "first",
        5,
        "named",
        7,
        20,
    )
    m[:4] = b"abcd"
    assert m.read(4) == b"<abcd>"
    m.anything = [m]
    with m as entered:
        assert entered is m
    assert m.closed
    dead = weakref.ref(m)
    del m, entered
    gc.collect()
    assert dead() is None


def test_subclass_with_init_arguments(mmap: ModuleType) -> None:
    """A5: arguments for `__init__` alone are refused by `__new__`, as by every class's."""

    class Plain(mmap.mmap):  # type: ignore[misc, name-defined]
        def __init__(self, fileno: int, length: int, access: int = 0) -> None:
            self.seen = (fileno, length, access)

    m = Plain(-1, 10, access=mmap.ACCESS_COPY)
    assert m.seen == (-1, 10, mmap.ACCESS_COPY)
    assert len(m) == 10
    with pytest.raises(TypeError):
        Plain(-1, 10, surprise=1)  # type: ignore[call-arg]


def test_subclass_with_slots_and_bases(mmap: ModuleType) -> None:
    """A5: slots and further bases."""

    class Mixin:
        def double(self) -> int:
            return 2 * len(self)  # type: ignore[arg-type]

    class Slotted(Mixin, mmap.mmap):  # type: ignore[misc, name-defined]
        __slots__ = ("note",)

    m = Slotted(-1, 10)
    m.note = 1
    assert m.double() == 20
    m.close()


def test_instances_take_no_attributes() -> None:
    """A5: only those of subclasses do."""
    assert same(lambda mmap: setattr(mmap.mmap(-1, 5), "name", 1))[1] is AttributeError
    assert same(lambda mmap: setattr(mmap.mmap(-1, 5), "closed", 1))[1] is AttributeError
    assert same(lambda mmap: delattr(mmap.mmap(-1, 5), "closed"))[1] is AttributeError


def test_weak_references(mmap: ModuleType) -> None:
    """A5: weak references die with the map, callbacks run."""
    called: list[object] = []
    m = filled(mmap)
    reference = weakref.ref(m, called.append)
    assert reference() is m
    del m
    gc.collect()
    assert reference() is None
    assert called == [reference]


def test_a_view_keeps_the_map(mmap: ModuleType) -> None:
    """A2, A5: dropping the last name of a map leaves its views valid."""
    m = filled(mmap)
    view = memoryview(m)
    del m
    gc.collect()
    assert bytes(view) == DATA
    view.release()


def test_with(mmap: ModuleType) -> None:
    """A5: `with` gives the map and closes it, also when an exception leaves it."""
    with filled(mmap) as m:
        assert not m.closed
    assert m.closed
    broken = filled(mmap)
    with pytest.raises(ZeroDivisionError), broken:
        raise ZeroDivisionError
    assert broken.closed
    for use in (lambda: broken.__enter__(), lambda: broken.__enter__(1)):
        assert outcome(use)[0] == "raised"


def test_with_on_exported_buffers(mmap: ModuleType) -> None:
    """A5, C1: closing fails at the end of the block, the map stays open."""
    m = filled(mmap)
    view = memoryview(m)
    with pytest.raises(BufferError), m:
        pass
    assert not m.closed
    view.release()
    m.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.__enter__(1),
        lambda m: m.__exit__(1, 2, 3),
        lambda m: m.__exit__(a=1),
        # Before 3.15 the standard class took any arguments.
        *([lambda m: m.__exit__(), lambda m: m.__exit__(1), lambda m: m.__exit__(1, 2, 3, 4)] if NEWEST else []),
    ],
)
def test_calls_of_enter_and_exit(call: Callable[[Any], object]) -> None:
    """A5: called by hand, open and closed."""
    same(lambda mmap: call(filled(mmap)))

    def closed(mmap: ModuleType) -> object:
        m = filled(mmap)
        m.close()
        return call(m)

    same(closed)


# A6: repr.


def test_repr(mmap: ModuleType, make_file: MakeFile) -> None:
    """A6: byte for byte."""
    fd = make_file(bytes(3 * UNIT)).fileno()
    m = mmap.mmap(fd, 0, access=mmap.ACCESS_READ, offset=UNIT)
    m.seek(7)
    assert (
        repr(m) == str(m) == (f"<mmap.mmap closed=False, access=ACCESS_READ, length={2 * UNIT}, pos=7, offset={UNIT}>")
    )
    m.close()
    assert repr(m) == "<mmap.mmap closed=True>"
    for access in ("ACCESS_DEFAULT", "ACCESS_WRITE", "ACCESS_COPY"):
        m = mmap.mmap(fd, 5, access=getattr(mmap, access))
        assert repr(m) == f"<mmap.mmap closed=False, access={access}, length=5, pos=0, offset=0>"
    if sys.platform == "win32":
        return
    for prot, access in ((1, "ACCESS_READ"), (2, "ACCESS_WRITE"), (3, "ACCESS_DEFAULT")):
        m = mmap.mmap(fd, 5, prot=prot)
        assert repr(m) == f"<mmap.mmap closed=False, access={access}, length=5, pos=0, offset=0>"


def test_repr_of_a_subclass(mmap: ModuleType) -> None:
    """A6: a subclass shows its own name."""

    class Special(mmap.mmap):  # type: ignore[misc, name-defined]
        pass

    m = Special(-1, 5)
    assert repr(m) == "<Special closed=False, access=ACCESS_DEFAULT, length=5, pos=0, offset=0>"
    m.close()
    assert repr(m) == "<Special closed=True>"
    Special.__name__ = "Änderung"
    assert repr(m) == "<Änderung closed=True>"
