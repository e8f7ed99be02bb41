"""C15: Python code that runs in the middle of an operation closes or resizes the map.

The standard library crashes in many of these cases, so this is about firmmap alone. Every operation
that converts an argument is tried with every change, at every size. It must end in a result, or in
a ValueError or IndexError; the map must be in order afterwards.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable
from typing import Any

import firmmap
import pytest
from conftest import MakeFile
from support import PAGE, run_python

LARGE = 2**20 + 5 * PAGE  # More than what is done without letting go of the GIL.
SIZES = [10, 2 * PAGE, LARGE]

Change = Callable[[Any], None]
Convert = Callable[[int], Any]
Bytes = Callable[[bytes], Any]
Use = Callable[[Any, Convert, Bytes], object]

CHANGES: dict[str, Change] = {
    "close": lambda m: m.close(),
    "shrink to 1": lambda m: m.resize(1),
    "halve": lambda m: m.resize(len(m) // 2),
    "grow": lambda m: m.resize(3 * len(m)),
    "shrink and grow": lambda m: (m.resize(1), m.resize(2 * PAGE))[0],
    "to the end": lambda m: m.seek(0, 2),
    "write": lambda m: m.__setitem__(slice(None), bytes(len(m))),
    "read": lambda m: m.read(),
}

# Each with `index`, which makes an object whose __index__ changes the map.
INDEX_USES: dict[str, Use] = {
    "m[i]": lambda m, index, _: m[index(len(m) - 1)],
    "m[-i]": lambda m, index, _: m[index(-len(m))],
    "m[i] = 1": lambda m, index, _: m.__setitem__(index(len(m) - 1), 1),
    "m[i] = v": lambda m, index, _: m.__setitem__(len(m) - 1, index(65)),
    "m[-i] = v": lambda m, index, _: m.__setitem__(-len(m), index(65)),
    "m[i:]": lambda m, index, _: m[index(0) :],
    "m[:i]": lambda m, index, _: m[: index(len(m))],
    "m[i:j]": lambda m, index, _: m[index(len(m) // 2) : index(len(m))],
    "m[-i:]": lambda m, index, _: m[index(-len(m)) :],
    "m[::i]": lambda m, index, _: m[:: index(2)],
    "m[::-i]": lambda m, index, _: m[:: index(-1)],
    "m[i:j:k]": lambda m, index, _: m[index(len(m)) : index(0) : index(-3)],
    "m[i:] = v": lambda m, index, _: m.__setitem__(slice(index(0), None), bytes(len(m))),
    "m[:i] = v": lambda m, index, _: m.__setitem__(slice(None, index(len(m))), bytes(len(m))),
    "m[::i] = v": lambda m, index, _: m.__setitem__(slice(None, None, index(2)), bytes((len(m) + 1) // 2)),
    "m[i:] = itself": lambda m, index, _: m.__setitem__(slice(index(0), None), m),
    "del m[i]": lambda m, index, _: m.__delitem__(index(0)),
    "del m[i:]": lambda m, index, _: m.__delitem__(slice(index(0), None)),
    "find(start)": lambda m, index, _: m.find(b"z", index(0)),
    "find(end)": lambda m, index, _: m.find(b"z", 0, index(len(m))),
    "find(both)": lambda m, index, _: m.find(b"z", index(-len(m)), index(len(m))),
    "find(empty)": lambda m, index, _: m.find(b"", index(len(m)), index(len(m))),
    "find(itself)": lambda m, index, _: m.find(m, index(0), index(len(m))),
    "rfind(start)": lambda m, index, _: m.rfind(b"z", index(0)),
    "rfind(end)": lambda m, index, _: m.rfind(b"z", 0, index(len(m))),
    "rfind(empty)": lambda m, index, _: m.rfind(b"", index(len(m)), index(len(m))),
    "flush(offset)": lambda m, index, _: m.flush(index(0)),
    "flush(size)": lambda m, index, _: m.flush(0, index(len(m))),
    "flush(flags)": lambda m, index, _: m.flush(0, len(m), flags=index(4)),
    "flush(all)": lambda m, index, _: m.flush(index(0), index(len(m)), flags=index(1)),
    "move(dest)": lambda m, index, _: m.move(index(len(m) // 2), 0, len(m) // 2),
    "move(src)": lambda m, index, _: m.move(0, index(len(m) // 2), len(m) // 2),
    "move(count)": lambda m, index, _: m.move(0, 0, index(len(m))),
    "move(all)": lambda m, index, _: m.move(index(1), index(0), index(len(m) - 1)),
    "read(n)": lambda m, index, _: m.read(index(len(m))),
    "read(-n)": lambda m, index, _: m.read(index(-1)),
    "resize(less)": lambda m, index, _: m.resize(index(max(1, len(m) // 3))),
    "resize(more)": lambda m, index, _: m.resize(index(2 * len(m) + PAGE)),
    "seek(pos)": lambda m, index, _: m.seek(index(len(m))),
    "seek(pos, CUR)": lambda m, index, _: m.seek(index(1), 1),
    "seek(pos, END)": lambda m, index, _: m.seek(index(-len(m)), 2),
    "seek(0, whence)": lambda m, index, _: m.seek(0, index(2)),
    "write_byte(b)": lambda m, index, _: m.write_byte(index(65)),
    "write_byte(b) at the end": lambda m, index, _: (m.seek(-1, 2), m.write_byte(index(65))),
}
if sys.platform != "win32":
    INDEX_USES |= {
        "madvise(option)": lambda m, index, _: m.madvise(index(0)),
        "madvise(start)": lambda m, index, _: m.madvise(0, index(PAGE if len(m) > PAGE else 0)),
        "madvise(length)": lambda m, index, _: m.madvise(4, 0, index(len(m))),
    }

# Each with `data`, which makes an object whose __buffer__ changes the map.
BUFFER_USES: dict[str, Use] = {
    "m[:] = v": lambda m, _, data: m.__setitem__(slice(None), data(bytes(len(m)))),
    "m[::2] = v": lambda m, _, data: m.__setitem__(slice(None, None, 2), data(bytes((len(m) + 1) // 2))),
    "m[i:] = v": lambda m, index, data: m.__setitem__(slice(index(0), None), data(bytes(len(m)))),
    "write(v)": lambda m, _, data: m.write(data(bytes(len(m)))),
    "write(v) at the end": lambda m, _, data: (m.seek(-1, 2), m.write(data(b"a"))),
    "write(nothing)": lambda m, _, data: m.write(data(b"")),
    "find(v)": lambda m, _, data: m.find(data(b"zz")),
    "find(v, i, j)": lambda m, index, data: m.find(data(b"zz"), index(0), index(len(m))),
    "find(nothing)": lambda m, _, data: m.find(data(b""), len(m), len(m)),
    "rfind(v)": lambda m, _, data: m.rfind(data(b"zz")),
    "rfind(v, i, j)": lambda m, index, data: m.rfind(data(b"zz"), index(0), index(len(m))),
}


class Changing:
    """An object that changes a map when it is asked for its number or its bytes."""

    def __init__(self, m: Any, change: Change, value: Any) -> None:
        self.m = m
        self.change = change
        self.value = value

    def now(self) -> None:
        # A map that cannot be resized any more (closed, exported) stays as it is.
        with contextlib.suppress(ValueError, BufferError, OSError):
            self.change(self.m)

    def __index__(self) -> int:
        self.now()
        return int(self.value)


class ChangingBuffer(Changing):
    def __buffer__(self, flags: int) -> memoryview:
        self.now()
        return memoryview(self.value)


class ChangingWhenReleased(Changing):
    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(self.value)

    def __release_buffer__(self, view: memoryview) -> None:
        view.release()
        self.now()


def check(m: Any) -> None:
    """The map is in order: closed, or as long as it says and no byte longer."""
    if m.closed:
        with pytest.raises(ValueError):
            m[0]
        return
    length = len(m)
    assert len(m[:]) == length > 0
    m[length - 1] = m[0]
    for index in (length, -length - 1):
        with pytest.raises(IndexError):
            m[index]
    m.seek(0)
    assert len(m.read()) == length == m.tell()
    with memoryview(m) as view:
        assert len(view) == length
    m.resize(length + 1)
    m.close()


def run(m: Any, use: Use, change: Change, buffer: type[Changing] = ChangingBuffer) -> Any:
    """Does it, and says how it ended."""
    try:
        use(m, lambda value: Changing(m, change, value), lambda data: buffer(m, change, data))
    except (ValueError, IndexError) as error:
        return error
    except TypeError as error:
        assert "deletion" in str(error)
        return error
    except OSError as error:
        assert "madvise" in str(use.__code__.co_names)
        return error
    return None


def new_map(make_file: MakeFile, size: int) -> Any:
    file = make_file(b"\n" * min(size, 2 * PAGE))
    os.truncate(file.fileno(), size)
    m = firmmap.mmap(file.fileno(), 0)
    file.close()
    return m


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_index(make_file: MakeFile, change: Change, size: int) -> None:
    """C15: __index__ of every argument of every operation."""
    for name, use in INDEX_USES.items():
        m = new_map(make_file, size)
        error = run(m, use, change)
        # A map that is itself the argument cannot be closed.
        if change is CHANGES["close"] and "itself" not in name:
            assert isinstance(error, ValueError | TypeError), name
            assert isinstance(error, ValueError) or "del" in name
        check(m)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in 3.12")
@pytest.mark.parametrize("buffer", [ChangingBuffer, ChangingWhenReleased])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_buffer(make_file: MakeFile, change: Change, size: int, buffer: type[Changing]) -> None:
    """C15: the buffer of every argument of every operation, when it is got and when given back."""
    for name, use in BUFFER_USES.items():
        m = new_map(make_file, size)
        error = run(m, use, change, buffer)
        if change is CHANGES["close"] and buffer is ChangingBuffer:
            assert isinstance(error, ValueError), name
            assert not isinstance(error, IndexError)
        check(m)


def shrinking(make_file: MakeFile, value: Any) -> tuple[Any, Any]:
    """A map of two pages, and a number or bytes that shrink it to one byte."""
    m = new_map(make_file, 2 * PAGE)
    kind = Changing if isinstance(value, int) else ChangingBuffer
    return m, kind(m, CHANGES["shrink to 1"], value)


def test_shrinking_is_noticed(make_file: MakeFile) -> None:
    """C15: what is outside of the map after the conversion is an error, what is inside is done."""
    m, index = shrinking(make_file, PAGE)
    with pytest.raises(IndexError, match=r"^mmap index out of range$"):
        m[index]
    m, index = shrinking(make_file, PAGE)
    with pytest.raises(IndexError, match=r"^mmap index out of range$"):
        m[index] = 1
    m, value = shrinking(make_file, 65)
    with pytest.raises(IndexError, match=r"^mmap index out of range$"):
        m[PAGE] = value
    m, value = shrinking(make_file, 65)
    m[0] = value
    assert m[:] == b"A"
    m, index = shrinking(make_file, 0)
    assert m[index:] == b"\n"
    m, index = shrinking(make_file, 2 * PAGE)
    with pytest.raises(IndexError, match=r"wrong size$"):
        m[:index] = bytes(2 * PAGE)
    m, index = shrinking(make_file, PAGE)
    with pytest.raises(ValueError, match=r"out of range$"):
        m.move(0, 0, index)
    m, index = shrinking(make_file, 65)
    m.seek(PAGE)
    with pytest.raises(ValueError, match=r"^write byte out of range$"):
        m.write_byte(index)
    m, index = shrinking(make_file, PAGE)
    assert m.read(index) == b"\n"
    m, index = shrinking(make_file, PAGE)
    with pytest.raises(ValueError, match=r"^seek out of range$"):
        m.seek(index)
    m, index = shrinking(make_file, 2 * PAGE)
    assert m.rfind(b"\n", 0, index) == 0
    m, index = shrinking(make_file, 2 * PAGE)
    with pytest.raises(ValueError, match=r"^flush values out of range$"):
        m.flush(0, index)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in 3.12")
def test_shrinking_in_a_buffer_is_noticed(make_file: MakeFile) -> None:
    """C15: the same for bytes."""
    m, data = shrinking(make_file, bytes(2 * PAGE))
    with pytest.raises(IndexError, match=r"wrong size$"):
        m[:] = data
    m, data = shrinking(make_file, b"abc")
    with pytest.raises(ValueError, match=r"^data out of range$"):
        m.write(data)
    assert (m.tell(), m[:]) == (0, b"\n")
    m, data = shrinking(make_file, b"a")
    assert m.write(data) == 1
    m, data = shrinking(make_file, b"\n\n")
    assert m.find(data) == -1


class Closing(firmmap.mmap):
    """A subclass whose own methods close it."""

    def __len__(self) -> int:
        self.close()
        return 5

    def tell(self) -> int:
        self.close()
        return 0

    def size(self) -> int:
        self.resize(1)
        return 1

    def close(self) -> None:
        super().close()
        self.closings = getattr(self, "closings", 0) + 1


def test_subclass_that_closes(make_file: MakeFile) -> None:
    """C15: methods of a subclass are not trusted."""

    def new() -> Any:
        return Closing(make_file(b"0123456789" * PAGE).fileno(), 0)

    m = new()
    assert m[-1] == 57
    assert m[-3:] == b"789"
    assert len(m.read()) == 10 * PAGE
    with m:
        pass
    assert m.closed
    m = new()
    with pytest.raises(ValueError):
        m[len(m) - 1]
    m = new()
    m.size()
    assert m[:] == b"0"
    m = new()
    with pytest.raises(ValueError):
        list(reversed(m))
    m = new()
    with memoryview(m), pytest.raises(BufferError):
        m.tell()
    m.tell()
    assert m.closed
    assert m.closings == 1


def test_iteration_while_closing(make_file: MakeFile) -> None:
    """C15: an iterator over a map that is closed or resized meanwhile."""
    m = new_map(make_file, 2 * PAGE)
    items = iter(m)
    next(items)
    m.resize(5)
    assert len(list(items)) == 4
    m = new_map(make_file, 2 * PAGE)
    items = iter(m)
    next(items)
    m.close()
    with pytest.raises(ValueError):
        next(items)


class Comparing:
    """Equal to nothing; a comparison changes the map."""

    def __init__(self, m: Any, change: Change) -> None:
        self.m = m
        self.change = change
        self.count = 0

    def __eq__(self, other: object) -> bool:
        self.count += 1
        if self.count == 2 and not self.m.closed:
            self.change(self.m)
        return False

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_membership_that_changes(make_file: MakeFile, change: Change) -> None:
    """C15: `in` compares by Python code."""
    m = new_map(make_file, 2 * PAGE)
    try:
        assert Comparing(m, change) not in m
    except ValueError:
        assert m.closed
    check(m)


def test_constructor_arguments_that_close_the_file(make_file: MakeFile) -> None:
    """C15, B1: the descriptor is used after all arguments were converted."""

    class ClosesFile:
        def __init__(self, file: Any, value: int) -> None:
            self.file = file
            self.value = value

        def __index__(self) -> int:
            self.file.close()
            return self.value

    # On Windows the third one is a name.
    between: list[Any] = [None] if sys.platform == "win32" else [1, 3]
    for position in range(1, 4 + len(between)):
        file = make_file(b"0123456789")
        arguments: list[Any] = [file.fileno(), 10, *between, 0, 0]
        if arguments[position] is None:
            continue
        arguments[position] = ClosesFile(file, arguments[position])
        with pytest.raises(OSError):
            firmmap.mmap(*arguments)


def test_garbage_collection_in_the_middle(make_file: MakeFile) -> None:
    """C15: finalizers that use the same map run while it is in use."""
    m = new_map(make_file, 2 * PAGE)
    used = 0

    class Loop:
        def __init__(self) -> None:
            self.loop = self

        def __del__(self) -> None:
            nonlocal used
            used += 1
            m.seek(0)
            assert len(m.read(10)) == 10
            m[0] = 10
            with memoryview(m) as view:
                assert view[0] == 10

    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(300):
            Loop()
            m[:20], m[::7], m.find(b"x"), m.readline(), bytes(memoryview(m))
            m[0:2] = [b"\n\n"][0]
            m.write(b"\n")
            assert len(m) == 2 * PAGE
            with pytest.raises(IndexError):
                m[len(m)]
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert used == 300


def test_the_last_reference_goes(make_file: MakeFile) -> None:
    """C15: the caller's last reference is dropped during the conversion."""

    class Dropping:
        def __index__(self) -> int:
            holder.clear()
            gc.collect()
            return 1

    uses: list[Callable[[Any], object]] = [
        lambda m: m[Dropping()],
        lambda m: m[: Dropping()],
        lambda m: m.read(Dropping()),
        lambda m: m.move(0, 1, Dropping()),
        lambda m: m.find(b"z", Dropping()),
        lambda m: m.resize(Dropping()),
    ]
    for use in uses:
        holder = [new_map(make_file, 2 * PAGE)]
        use(holder[0])


def test_no_memory(make_file: MakeFile) -> None:
    """C15: a bytes object that cannot be made is a MemoryError, and the position stays."""
    if sys.platform != "linux":
        return
    program = """
import firmmap, resource
size = 64 * 2**20
m = firmmap.mmap(-1, size)
m.seek(5)
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * firmmap.PAGESIZE
resource.setrlimit(resource.RLIMIT_AS, (used + 4 * size, used + 4 * size))
keep = []
for use in (
    lambda: m[:], lambda: m[::2], lambda: m.read(), lambda: m.read(size), lambda: m.readline()
):
    while True:
        try:
            keep.append(use())
        except MemoryError:
            break
        if m.tell() != 5:
            m.seek(5)
    assert m.tell() == 5, m.tell()
assert m.find(b"x") == -1
keep.clear()
m.resize(10)
assert m[:] == bytes(10)
"""
    run_python(program)
