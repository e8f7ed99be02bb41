"""F3: faults of whoever uses the memory of a map directly, told in the main thread."""

from __future__ import annotations

import ctypes
import errno
import gc
import hashlib
import operator
import os
import re
import struct
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fault_support import (
    KINDS,
    LEFT,
    LOST,
    PAGE,
    MapFaultError,
    N,
    Victim,
    address,
    areas,
    by_index,
    chance,
    firmmap,
    lives,
    only_linux,
    victim,
    written_by_memoryview,
)
from support import run_alone

pytestmark = only_linux

# Without types, which have too much to say of what is generic.
CALL: Any = operator.call
VIEW: Any = memoryview
LIBC: Any = ctypes.CDLL(None) if sys.platform == "linux" else None


# In the main thread: raised before the next statement.


def sum_of_numpy(m: Any) -> object:
    numpy = pytest.importorskip("numpy")
    return numpy.frombuffer(m, dtype="u1").sum()


def copied_by_numpy(m: Any) -> object:
    numpy = pytest.importorskip("numpy")
    return numpy.frombuffer(m, dtype="u1")[LEFT:].copy()


def string_at(m: Any) -> object:
    start, _ = address(m)
    return ctypes.string_at(start + LOST, 20)


def written_by_struct(m: Any) -> None:
    struct.pack_into("<Q", m, LOST, 1)


def written_by_c(m: Any) -> object:
    start, _ = address(m)
    return LIBC.memset(ctypes.c_void_p(start + LOST), 1, 10)


USES: list[Callable[[Any], object]] = [
    by_index,
    sum_of_numpy,
    copied_by_numpy,
    string_at,
    written_by_memoryview,
    written_by_struct,
    written_by_c,
    lambda m: bytes(memoryview(m)),
    lambda m: bytes(m),
    lambda m: bytearray(m),
    lambda m: b"".join([m]),
    lambda m: memoryview(m).tolist(),
    lambda m: memoryview(m)[LEFT:] == bytes(LEFT),
    lambda m: re.search(rb"not in there", m),
    lambda m: len(re.findall(rb"\d+\n", m)),
    lambda m: struct.unpack_from("<Q", m, LOST),
    lambda m: hashlib.sha256(m).digest(),
    lambda m: hashlib.md5(memoryview(m)[LEFT : LEFT + 100]).digest(),
    lambda m: zlib.crc32(m),
    lambda m: zlib.compress(m),
    lambda m: int.from_bytes(m, "little"),
]
NAMES = [
    *(use.__name__ for use in USES[:7]),
    *("bytes(view)", "bytes(map)", "bytearray", "join", "tolist", "compare", "search", "findall"),
    *("unpack", "sha256", "md5", "crc32", "compress", "from_bytes"),
]


@pytest.mark.parametrize("use", USES, ids=NAMES)
def test_main_thread_is_told_before_it_goes_on(one: Victim, use: Callable[[Any], object]) -> None:
    """F3, F2: no wrong number, an exception; and none any more once the file is whole again."""
    with pytest.raises(MapFaultError) as caught:
        use(one.map)
        chance()
    assert LEFT <= caught.value.offset < N
    assert caught.value.errno == errno.EIO
    del caught
    gc.collect()
    # Told once: nothing is left over for anybody else.
    assert one.map.flush() is None
    one.restore()
    assert one.map[:] == one.bytes
    use(one.map)
    chance()
    gc.collect()
    one.map.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_map_is_guarded(tmp_path: Path, kind: str) -> None:
    """F3, F2."""
    with victim(tmp_path, kind) as it:
        it.truncate(LEFT)
        with pytest.raises(MapFaultError):
            bytes(it.map)
        it.restore()
        assert bytes(it.map) == it.bytes
        it.map.close()


def test_offset_of_a_direct_access_is_exact(one: Victim) -> None:
    """F3: also where the page was touched in its middle."""
    for place in (LEFT, LEFT + 1, N - 1):
        with memoryview(one.map) as view:
            with pytest.raises(MapFaultError) as caught:
                view[place]
                chance()
            assert caught.value.offset == place
    one.map.close()


def test_lost_write_is_lost_and_said_to_be(one: Victim) -> None:
    """F3: the file does not have it, the map does not pretend to."""
    with memoryview(one.map) as view, pytest.raises(MapFaultError):
        view[LOST : LOST + 3] = b"new"
        chance()
    one.restore()
    assert one.map[LOST : LOST + 3] == one.bytes[LOST : LOST + 3]
    assert os.pread(one.fd, 3, LOST) == one.bytes[LOST : LOST + 3]
    one.map.close()


def test_faults_in_two_maps_are_told_together(one: Victim, tmp_path: Path) -> None:
    """F3: one exception for both, so that the second does not hit whoever handles the first."""
    one.restore()
    other = firmmap.mmap(one.fd, N)
    one.truncate(LEFT)
    with memoryview(one.map) as first, memoryview(other) as second:
        with pytest.raises(MapFaultError) as caught:
            first[LOST] + second[LOST + 1]
            chance()
        chance()
        text = " ".join([str(caught.value), *caught.value.__notes__])
        assert str(LOST) in text
        assert str(LOST + 1) in text
    for m in (one.map, other):
        m.flush()
        m.close()


# By the next operation, flush or close at the latest: if they come before the next bytecode
# that looks.

TELLING: dict[str, Callable[[Any], Callable[[], object]]] = {
    "flush": lambda m: m.flush,
    "close": lambda m: m.close,
    "read": lambda m: m.read,
    "read_byte": lambda m: m.read_byte,
    "readline": lambda m: m.readline,
    "index": lambda m: partial(operator.getitem, m, 0),
    "slice": lambda m: partial(operator.getitem, m, slice(0, 9, 2)),
    "assignment": lambda m: partial(operator.setitem, m, 0, 48),
    "find": lambda m: partial(m.find, b"1"),
    "rfind": lambda m: partial(m.rfind, b"1", 0, 30),
    "write": lambda m: partial(m.write, b"0"),
    "write_byte": lambda m: partial(m.write_byte, 48),
    "move": lambda m: partial(m.move, 0, 1, 1),
    "memoryview": lambda m: partial(VIEW, m),
    "resize": lambda m: partial(m.resize, N),
    "madvise": lambda m: partial(m.madvise, firmmap.MADV_NORMAL),
}


def told_by(m: Any, operation: Callable[[], object]) -> None:
    """Has a fault, an operation and a third function follow each other without a bytecode."""
    after: list[int] = []
    works: list[Any] = [partial(operator.add, b"", m), operation, partial(after.append, 1)]
    with pytest.raises(MapFaultError) as caught:
        list(map(CALL, works))
    assert after == [], "it was not the operation that has told of it"
    # Copies that C code makes may start at either end.
    assert LEFT <= caught.value.offset < N


@pytest.mark.parametrize("name", TELLING)
def test_next_operation_tells_what_nobody_was_told(one: Victim, name: str) -> None:
    """F3: it comes first; after it nothing is left to be told."""
    m = one.map
    operation = TELLING[name](m)
    told_by(m, operation)
    chance()
    if name == "close":
        assert m.closed
        return
    assert m.tell() == 0
    m.flush()
    m.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["flush", "close", "read", "find", "memoryview"])
def test_every_kind_of_map_tells(tmp_path: Path, kind: str, name: str) -> None:
    """F3: also where there is nothing to flush."""
    with victim(tmp_path, kind) as it:
        it.truncate(LEFT)
        told_by(it.map, TELLING[name](it.map))
        it.restore()
        if name != "close":
            assert it.map[:] == it.bytes
            it.map.close()


def test_operations_that_touch_nothing_tell_nothing(one: Victim) -> None:
    """F3: len(), tell(), seek(), size() and repr() work on; the main thread is told anyway."""
    m = one.map
    with pytest.raises(MapFaultError):
        b"" + m, len(m), m.tell(), m.seek(3), m.size(), repr(m)
    m.close()


# Nobody will ever call an operation again.


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """What sys.unraisablehook is given."""
    caught: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: caught.append(what.exc_value))
    return caught


def dropped(one: Victim) -> list[Any]:
    """The map, with nothing else that keeps it."""
    box = [one.map]
    one.map = None
    return box


def test_dropped_map_reports_to_the_hook(one: Victim, unraisable: list[BaseException | None]) -> None:
    """F3: bytes() has the only reference, and gives it back before the next bytecode."""
    box = dropped(one)
    result = bytes(box.pop())
    chance()
    assert len(result) == N
    assert [type(error) for error in unraisable] == [MapFaultError]
    assert isinstance(unraisable[0], MapFaultError)
    assert LEFT <= unraisable[0].offset < N


def test_dropped_map_leaves_an_exception_alone_that_is_under_way(
    one: Victim, unraisable: list[BaseException | None]
) -> None:
    """F3: float() fails for a reason of its own, and drops the map on the way."""
    box = dropped(one)
    with pytest.raises(ValueError, match="could not convert"):
        float(box.pop())
    chance()
    assert [type(error) for error in unraisable] == [MapFaultError]


def test_first_exception_of_a_process_can_be_that_one() -> None:
    """F3: nothing has to be imported for it, which fails while another exception is under way."""
    out, err = lives(
        """
        import firmmap
        file, m = mapped(firmmap)
        box = [m]
        del m
        file.truncate(0)
        try:
            float(box.pop())
        except ValueError as error:
            print("alive", error.__context__)
        """
    )
    assert out == "alive None\n"
    assert "MapFaultError" in err
    assert "panicked" not in err


def test_fault_that_there_is_no_memory_to_tell_of() -> None:
    """C16, F3: a MemoryError or the exception itself, at whichever allocation there is no more; never a panic."""
    pytest.importorskip("_testcapi", reason="this CPython comes without _testcapi, which makes allocations fail")
    out, err = lives(
        """
        import _testcapi, firmmap
        file, m = mapped(firmmap)
        view = memoryview(m)
        file.truncate(0)
        kinds = set()

        def use():
            view[5]
            for _ in range(50):
                len("")

        def attempt(start, stop):
            _testcapi.set_nomemory(start, stop)
            try:
                use()
            finally:
                _testcapi.remove_mem_hooks()
            for _ in range(50):
                len("")

        for start in range(40):
            for stop in (start + 1, 0):
                try:
                    attempt(start, stop)
                except SystemError as error:
                    # CPython 3.11 says so where there was no memory for an entry of the traceback.
                    if str(error) != "error return without exception set":
                        raise
                except BaseException as error:
                    kinds.add(type(error))
        print(sorted(kind.__name__ for kind in kinds))
        """
    )
    assert out == "['MapFaultError', 'MemoryError']\n"
    assert "panicked" not in err


def test_process_that_ends_with_an_untold_fault_says_so() -> None:
    """F3: it was the last thing that the program has done."""
    out, err = lives(
        """
        import firmmap
        file, m = mapped(firmmap)
        file.truncate(0)
        print("alive")
        total = b"" + m
        """
    )
    assert out == "alive\n"
    assert "MapFaultError" in err
    assert "SystemError" not in err


# What is not a fault.


def test_system_calls_on_missing_pages_fail_by_themselves(one: Victim) -> None:
    """F3: the kernel tells its caller: EFAULT, or how far it has come. The process lives."""
    with memoryview(one.map) as view:
        reader, writer = os.pipe()
        try:
            with pytest.raises(OSError, match="Bad address") as caught:
                os.write(writer, view[LOST:])
            assert caught.value.errno == errno.EFAULT
            os.write(writer, b"123")
            with pytest.raises(OSError, match="Bad address"):
                os.readv(reader, [view[LOST:]])
        finally:
            os.close(reader)
            os.close(writer)
    one.map.flush()
    one.map.close()


def test_copies_between_maps_and_buffers(one: Victim) -> None:
    """F1, F3: an argument that lies in a map, of whichever object, is memory used directly."""
    whole = firmmap.mmap(-1, N)
    with memoryview(one.map) as view:
        works: list[Callable[[], object]] = [
            partial(whole.write, view),
            partial(operator.setitem, whole, slice(0, N), view),
            lambda: whole.find(view[LEFT : LEFT + 40]),
        ]
        for work in works:
            with pytest.raises(MapFaultError):
                work()
                chance()
            whole.seek(0)
        with pytest.raises(MapFaultError):
            one.map[:PAGE] = view[LEFT : LEFT + PAGE]
            chance()
    one.map.flush()
    one.map.close()
    whole.close()


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """F2, F3: areas and descriptors are as many as before."""
    for kind in KINDS:
        descriptors = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            with victim(tmp_path, kind) as it:
                for left in (LEFT, PAGE, 0):
                    it.truncate(left)
                    with pytest.raises(MapFaultError):
                        zlib.crc32(it.map)
                it.map.close()
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert areas("victim") == 0


def test_code_that_clears_exceptions() -> None:
    """F3: a warning, or a file that closes itself, just after the access loses nobody's exception."""
    run_alone("cleared_faults.py")
