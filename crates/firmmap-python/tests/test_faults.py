"""F1, F2, F8: operations that meet pages which are not there any more."""

from __future__ import annotations

import contextlib
import copy
import errno
import operator
import os
import pickle
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fault_support import (
    KINDS,
    PAGE,
    MapFaultError,
    Victim,
    areas,
    content,
    firmmap,
    only_linux,
    periodic,
    victim,
)

pytestmark = only_linux

N = 4 * PAGE
# What is left of the file, and a place in what is not.
LEFT = 2 * PAGE
LOST = 3 * PAGE + 5
LARGE = 5 * 2**20 + 3 * PAGE + 17


@dataclass(frozen=True)
class Operation:
    """What is done with a map whose bytes are `b`; it changes none of them."""

    name: str
    work: Callable[[Any, bytes], object]
    expected: Callable[[bytes], object] = lambda _: None
    writes: bool = False
    moves: bool = False
    position: int = 0

    def __str__(self) -> str:
        return self.name


def assign(m: Any, key: slice | int, value: bytes | int) -> None:
    m[key] = value


def lines(m: Any) -> list[bytes]:
    return list(iter(m.readline, b""))


def line_at(b: bytes, start: int) -> bytes:
    return b[start : b.index(b"\n", start) + 1]


MISSING = b"not in there"
READING = [
    Operation("index", lambda m, b: m[LOST], lambda b: b[LOST]),
    Operation("negative index", lambda m, b: m[-1], lambda b: b[-1]),
    Operation("slice", lambda m, b: m[:], lambda b: b),
    Operation("slice of the lost part", lambda m, b: m[LOST : LOST + 9], lambda b: b[LOST : LOST + 9]),
    Operation("slice with a step", lambda m, b: m[::3], lambda b: b[::3]),
    Operation("slice backwards", lambda m, b: m[::-1], lambda b: b[::-1]),
    Operation("slice backwards with a step", lambda m, b: m[LOST:5:-7], lambda b: b[LOST:5:-7]),
    Operation("slice by pages", lambda m, b: m[::PAGE], lambda b: b[::PAGE]),
    Operation("read", lambda m, b: m.read(), lambda b: b),
    Operation("read of some", lambda m, b: m.read(N - PAGE), lambda b: b[PAGE:N], position=PAGE),
    Operation("read of few", lambda m, b: m.read(10), lambda b: b[LOST : LOST + 10], position=LOST),
    Operation("read_byte", lambda m, b: m.read_byte(), lambda b: b[LOST], position=LOST),
    Operation("readline", lambda m, b: m.readline(), lambda b: line_at(b, LEFT - 2), position=LEFT - 2),
    Operation("iteration", lambda m, b: b"".join(m), lambda b: b),
    Operation("reversed", lambda m, b: b"".join(reversed(m)), lambda b: b[::-1]),
    Operation("in", lambda m, b: b"\xff" in m, lambda b: False),
    Operation("find", lambda m, b: m.find(MISSING), lambda b: -1),
    Operation("find of one byte", lambda m, b: m.find(b"\xff"), lambda b: -1),
    Operation("find of zeros", lambda m, b: m.find(bytes(20)), lambda b: -1),
    Operation("find in a range", lambda m, b: m.find(b[LOST : LOST + 20], PAGE), lambda b: LOST),
    Operation("find nearby", lambda m, b: m.find(b[LOST : LOST + 9], LOST), lambda b: LOST),
    Operation("rfind nearby", lambda m, b: m.rfind(b[LOST : LOST + 9], LOST, LOST + 9), lambda b: LOST),
    Operation("rfind", lambda m, b: m.rfind(MISSING), lambda b: -1),
    Operation("rfind of one byte", lambda m, b: m.rfind(b"\xff", 0), lambda b: -1),
    Operation("rfind of zeros", lambda m, b: m.rfind(bytes(20), 0, LOST), lambda b: -1),
]
WRITING = [
    Operation("item assignment", lambda m, b: assign(m, LOST, b[LOST]), writes=True),
    Operation("slice assignment", lambda m, b: assign(m, slice(PAGE, None), b[PAGE:]), writes=True),
    Operation("short slice assignment", lambda m, b: assign(m, slice(LOST, LOST + 9), b[LOST : LOST + 9]), writes=True),
    Operation("assignment with a step", lambda m, b: assign(m, slice(0, None, 2), b[::2]), writes=True),
    Operation("assignment backwards", lambda m, b: assign(m, slice(None, None, -3), b[::-3]), writes=True),
    Operation("write", lambda m, b: m.write(b[PAGE:]), lambda b: len(b) - PAGE, True, position=PAGE),
    Operation("write of few", lambda m, b: m.write(b[LOST : LOST + 10]), lambda b: 10, True, position=LOST),
    Operation("write_byte", lambda m, b: m.write_byte(b[LOST]), writes=True, position=LOST),
    Operation("move out of the lost part", lambda m, b: m.move(0, LEFT, PAGE), writes=True, moves=True),
    Operation("move into the lost part", lambda m, b: m.move(3 * PAGE, 0, PAGE), writes=True, moves=True),
    Operation("short move out of the lost part", lambda m, b: m.move(0, LEFT, 16), writes=True, moves=True),
    Operation("short move into the lost part", lambda m, b: m.move(3 * PAGE, 0, 16), writes=True, moves=True),
    Operation("overlapping move", lambda m, b: m.move(PAGE, 0, len(b) - PAGE), writes=True, moves=True),
]
OPERATIONS = READING + WRITING


@contextmanager
def prepared(directory: Path, operation: Operation, kind: str, length: int = N) -> Iterator[Victim]:
    if operation.writes and kind == "read-only":
        pytest.skip("nothing can be written to a read-only map")
    fill = periodic if operation.moves else content
    with victim(directory, kind, length, fill) as one:
        one.map.seek(operation.position)
        yield one


def moved(operation: Operation, m: Any) -> bool:
    return bool(m.tell() != operation.position)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_file_truncated_before_the_operation(tmp_path: Path, operation: Operation, kind: str) -> None:
    """F1, F2: an error with the place, the position unmoved; whole again once the file is."""
    with prepared(tmp_path, operation, kind) as one:
        m, whole = one.map, one.bytes
        if kind != "read-only":
            m[7] = whole[7]
        one.truncate(LEFT)
        for _ in range(3):
            with pytest.raises(MapFaultError) as caught:
                operation.work(m, whole)
            assert LEFT <= caught.value.offset < N
            assert caught.value.errno == errno.EIO
            assert not moved(operation, m)
        assert m[:LEFT] == whole[:LEFT]
        one.restore()
        assert operation.work(m, whole) == operation.expected(whole)
        assert m[:] == whole
        m.close()


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_large_file_truncated_before_the_operation(tmp_path: Path, operation: Operation) -> None:
    """F1, F2: the same where operations let other threads run and go piece by piece."""
    with prepared(tmp_path, operation, "shared", LARGE) as one:
        m, whole = one.map, one.bytes
        for left in (LEFT, 3 * 2**20):
            if operation.name in ("iteration", "reversed", "in") and left > LEFT:
                continue
            one.truncate(left)
            before = m.tell()
            with contextlib.suppress(MapFaultError):
                assert operation.work(m, whole) == operation.expected(whole)
                assert left > LEFT, "no fault, though all that was asked for is lost"
                m.seek(before)
            assert m.tell() == before
            one.restore()
            assert operation.work(m, whole) == operation.expected(whole)
            m.seek(before)
        m.close()


@pytest.mark.parametrize("place", [LEFT, LEFT + 1, 3 * PAGE, N - 1])
def test_offset_of_single_accesses_is_exact(tmp_path: Path, place: int) -> None:
    """F1: the offset is the index in the map, also if that does not start with the file."""
    for kind in ("shared", "offset", "untracked"):
        with victim(tmp_path, kind) as one:
            one.truncate(LEFT)
            with pytest.raises(MapFaultError) as caught:
                one.map[place]
            assert caught.value.offset == place
            with pytest.raises(MapFaultError) as caught:
                one.map[place] = 1
            assert caught.value.offset == place
            one.map.close()


@pytest.mark.parametrize("length", [1, 20, 300, 1000, 2000, 5000])
def test_line_that_ends_before_a_missing_page(tmp_path: Path, length: int) -> None:
    """F1: a line that is there is read, however near to its end the file ends; the next one is not there."""
    path = tmp_path / "file"
    for behind in (0, 1, 7, 15, 16, 31, 33, 63, 64, 100, 127):
        line = b"x" * (length - 1) + b"\n"
        start = LEFT - behind - length
        path.write_bytes(b"y" * start + line + b"z" * (N - start - length))
        with path.open("r+b") as file, firmmap.mmap(file.fileno(), 0) as a, firmmap.open(path, "r+") as b:
            os.truncate(path, LEFT)
            for m in (a, b):
                m.seek(start)
                assert m.readline() == line
                assert m.tell() == start + length
                with pytest.raises(MapFaultError) as caught:
                    m.readline()
                assert caught.value.offset == LEFT
                assert m.tell() == start + length


FOUND_BEFORE: dict[str, Callable[[Any, int, bytes], tuple[object, object]]] = {
    # What is asked of a map, whose last line that is there starts at `start` with b"<", and what it should be.
    "readline": lambda m, start, line: (m.readline(), line),
    "find": lambda m, start, line: (m.find(b"<", start), start),
    "find the end": lambda m, start, line: (m.find(b">\n", start), LEFT - 2),
    "find from the start": lambda m, start, line: (m.find(b"<", 0), start),
    "rfind": lambda m, start, line: (m.rfind(b">", start, LEFT), LEFT - 2),
}
FOUND_BEFORE_BY_FILE: dict[str, Callable[[Any, int, bytes], tuple[object, object]]] = {
    "in": lambda m, start, line: (b"<" in m, True),
    "index": lambda m, start, line: (m.index(b"<", start), start),
    "next": lambda m, start, line: (next(m), line),
    "lines": lambda m, start, line: (next(m.lines(start)), line),
    "lines that contain": lambda m, start, line: (next(m.lines(start, containing=b"<")), line),
    "lines that contain one of": lambda m, start, line: (next(m.lines(start, containing=[b"<", b"?"])), line),
    "find_all": lambda m, start, line: (next(m.find_all(b"<")), start),
    "find_all of several": lambda m, start, line: (next(m.find_all([b"<", b"?"])), start),
}


@pytest.mark.parametrize("is_main", [True, False], ids=["main", "thread"])
@pytest.mark.parametrize("name", [*FOUND_BEFORE, *FOUND_BEFORE_BY_FILE])
def test_match_before_a_missing_page(tmp_path: Path, name: str, is_main: bool) -> None:
    """F1, F2: what is found before the missing byte is a result, and no exception comes after it."""
    path = tmp_path / "file"
    failures: list[object] = []

    def search() -> None:
        for length in (3, 10, 20, 40, 100, 1000, 2000, 4000):
            line = b"<" + b"-" * (length - 3) + b">\n"
            start = LEFT - length
            data = (b"a" * start + line + b"b" * N)[:N]
            for by_file in (False, True):
                ask = (FOUND_BEFORE if name in FOUND_BEFORE else FOUND_BEFORE_BY_FILE)[name]
                if not by_file and name in FOUND_BEFORE_BY_FILE:
                    continue
                path.write_bytes(data)
                with path.open("r+b") as file:
                    m = firmmap.open(path, "r+") if by_file else firmmap.mmap(file.fileno(), 0)
                os.truncate(path, LEFT)
                m.seek(start)
                got: object = None
                try:
                    got, wanted = ask(m, start, line)
                    for _ in range(3):
                        # An exception that was requested in this thread would be raised here.
                        sys.getswitchinterval()
                    if got != wanted:
                        failures.append((length, by_file, got))
                    m.close()
                except MapFaultError as error:
                    failures.append((length, by_file, got, error))

    if is_main:
        search()
    else:
        thread = threading.Thread(target=search)
        thread.start()
        thread.join()
    assert failures == []


@pytest.mark.parametrize("by_file", [False, True], ids=["mmap", "open"])
def test_match_before_a_missing_page_while_there_are_views(tmp_path: Path, by_file: bool) -> None:
    """F3: whoever uses a view could have read the zeros of a search, so that somebody has to be told."""
    path = tmp_path / "file"
    path.write_bytes(b"a" * (LEFT - 2) + b"<>" + b"-" * (N - LEFT))
    with path.open("r+b") as file:
        m = firmmap.open(path, "r+") if by_file else firmmap.mmap(file.fileno(), 0)
    with memoryview(m):
        os.truncate(path, LEFT)
        for _ in range(2):
            with pytest.raises(MapFaultError) as caught:
                m.find(b"<>", LEFT - 3)
            assert caught.value.offset == LEFT
    assert m.find(b"<>", LEFT - 3) == LEFT - 2
    m.close()


@pytest.mark.parametrize("searches", [False, True], ids=["", "after a search"])
@pytest.mark.parametrize("by_file", [False, True], ids=["mmap", "open"])
def test_work_on_another_map_takes_no_fault_away(tmp_path: Path, by_file: bool, searches: bool) -> None:
    """F3: a thread is told of its fault in a view, also if another thread was told too and has closed the map.

    A search before that, which has met a missing byte past its match, changes nothing.
    """
    path = tmp_path / "file"
    path.write_bytes(b"a" * N)
    with path.open("r+b") as file:
        m = firmmap.open(path, "r+") if by_file else firmmap.mmap(file.fileno(), 0)
    other = firmmap.mmap(-1, PAGE)
    view = memoryview(m)
    part = view[LEFT:N]
    os.truncate(path, 0)
    end = 50 * PAGE
    searched = tmp_path / "searched"
    searched.write_bytes(b"a" * (end - 2) + b"<>" + b"-" * end)
    with searched.open("r+b") as file:
        far = firmmap.mmap(file.fileno(), 0)
    os.truncate(searched, end)
    lock = threading.Lock()
    lock.acquire()
    call: Any = operator.call
    told: list[object] = []

    def worker() -> None:
        # Whatever the alignment of what is compared at once, some of these touch the next page.
        for start in range(0, 128, 7) if searches else ():
            assert far.find(b"<>", start) == end - 2
        # One call from C to the next: no bytecode at which the exception could be raised before the end.
        steps = [
            partial(zlib.crc32, part),
            part.release,
            view.release,
            lock.release,
            partial(time.sleep, 0.3),
            partial(other.find, b"zzz", 0),
        ]
        try:
            told.append(list(map(call, steps)))
            sys.getswitchinterval()
        except MapFaultError as error:
            told.append(error.offset)

    thread = threading.Thread(target=worker)
    thread.start()
    lock.acquire()
    with contextlib.suppress(MapFaultError):
        m.find(b"zzz", 0)
    with contextlib.suppress(MapFaultError):
        m.close()
    thread.join()
    assert not any(isinstance(result, list) for result in told), told


# While the operation runs. The truncating side never shows a zero, so none may be returned.

Truncating = Callable[[Victim], contextlib.AbstractContextManager[None]]


@contextmanager
def truncating_thread(one: Victim) -> Iterator[None]:
    """Another thread takes pages away and gives them back, again and again."""
    ends = threading.Event()

    def loop() -> None:
        turn = 0
        while not ends.is_set():
            turn += 1
            one.truncate(turn % 3 * PAGE)
            if turn % 8 == 0:
                # Or else the operation may get the GIL only while the file is whole, by the way the threads take turns.
                time.sleep(0.001)
            one.restore()
            time.sleep(0)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


TRUNCATING = """
import os, sys, time
fd, length, page = (int(word) for word in sys.argv[1:])
whole = os.pread(fd, length, 0)
turn = 0
while os.getppid() == int(os.environ["PARENT"]):
    turn += 1
    os.ftruncate(fd, turn % 3 * page)
    if turn % 8 == 0:
        time.sleep(0.001)
    os.pwrite(fd, whole, 0)
    if turn % 4 == 0:
        os.sched_yield()
"""


@contextmanager
def truncating_process(one: Victim) -> Iterator[None]:
    """Another process does."""
    numbers = (one.fd, one.length, PAGE)
    program = subprocess.Popen(
        [sys.executable, "-S", "-c", TRUNCATING, *map(str, numbers)],
        pass_fds=[one.fd],
        env={**os.environ, "PARENT": str(os.getpid())},
    )
    try:
        yield
    finally:
        program.kill()
        program.wait()


@pytest.mark.parametrize("other", [truncating_thread, truncating_process])
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_file_truncated_during_the_operation(steady_path: Path, operation: Operation, other: Truncating) -> None:
    """F1: either the right answer or an error, never a byte that was not in the file."""
    with prepared(steady_path, operation, "shared") as one:
        m, whole = one.map, one.bytes
        faults = answers = 0
        deadline = time.monotonic() + 60
        with other(one):
            while (faults < 10 or answers < 10) and time.monotonic() < deadline:
                try:
                    answer = operation.work(m, whole)
                except MapFaultError as error:
                    assert 0 <= error.offset < N
                    assert not moved(operation, m)
                    faults += 1
                else:
                    assert answer == operation.expected(whole)
                    m.seek(operation.position)
                    answers += 1
        assert faults >= 1, "the other side has never got in between"
        one.restore()
        m.seek(operation.position)
        assert operation.work(m, whole) == operation.expected(whole)
        assert m[:] == whole
        m.close()


@pytest.mark.parametrize("kind", ["read-only", "copy", "untracked"])
def test_other_kinds_truncated_during_reads(steady_path: Path, kind: str) -> None:
    """F1, F2: the same for maps that are not the usual one."""
    with victim(steady_path, kind) as one:
        m, whole = one.map, one.bytes
        faults = answers = 0
        deadline = time.monotonic() + 60
        with truncating_process(one):
            while (faults < 100 or answers < 100) and time.monotonic() < deadline:
                try:
                    assert m[:] == whole
                    answers += 1
                except MapFaultError:
                    faults += 1
        assert faults >= 1
        one.restore()
        assert m[:] == whole
        m.close()


# What else there is besides reading and writing.


def test_flush_of_a_truncated_map(tmp_path: Path) -> None:
    """F1: nothing is lost, so there is nothing to say; what is left is written."""
    with victim(tmp_path) as one:
        one.map[5] = 200
        one.truncate(LEFT)
        assert one.map.flush() is None
        assert os.pread(one.fd, 6, 0)[5] == 200
        one.map.close()


def test_resize_after_a_fault(tmp_path: Path) -> None:
    """F2: a map of several areas for the kernel is one again before it is moved."""
    with victim(tmp_path) as one:
        m, whole = one.map, one.bytes
        one.truncate(LEFT)
        for place in (LEFT, N - 1):
            with pytest.raises(MapFaultError):
                m[place]
        m.resize(8 * PAGE)
        assert len(m) == m.size() == 8 * PAGE
        assert m[:LEFT] == whole[:LEFT]
        assert m[LEFT:] == bytes(8 * PAGE - LEFT), "the file was made longer, with zeros"
        one.truncate(PAGE)
        with pytest.raises(MapFaultError):
            m[7 * PAGE]
        m.resize(PAGE)
        assert m[:] == whole[:PAGE]
        m.close()


def test_resize_of_a_truncated_map_without_a_fault(tmp_path: Path) -> None:
    """F2: nobody has met the missing pages yet."""
    with victim(tmp_path) as one:
        one.truncate(PAGE)
        one.map.resize(6 * PAGE)
        assert one.map[:] == one.bytes[:PAGE] + bytes(5 * PAGE)
        one.map.close()


def test_several_maps_of_one_file(tmp_path: Path) -> None:
    """F1, F2: each is told for itself."""
    with victim(tmp_path) as one:
        maps = [firmmap.mmap(one.fd, N, access=access) for access in (1, 2, 3)] + [one.map]
        one.truncate(LEFT)
        for _ in range(2):
            for m in maps:
                with pytest.raises(MapFaultError):
                    m[LOST]
                assert m[5] == one.bytes[5]
        one.restore()
        for m in maps:
            assert m[:] == one.bytes
            m.close()


def test_copy_between_maps(tmp_path: Path) -> None:
    """F1: source and destination of one copy can both be missing."""
    (tmp_path / "other").mkdir()
    with victim(tmp_path) as one, victim(tmp_path / "other") as other:
        one.truncate(0)
        other.truncate(0)
        with pytest.raises(MapFaultError), memoryview(one.map) as view:
            other.map[:] = view
        with pytest.raises(MapFaultError), memoryview(one.map) as view:
            other.map.find(view[:20])
        for each in (one, other):
            # What the exception above was not about is told by the next operation.
            with contextlib.suppress(MapFaultError):
                each.map[0]
            each.restore()
            assert each.map[:] == each.bytes
            each.map.close()


def test_private_changes_to_what_is_left_survive(tmp_path: Path) -> None:
    """F2: a fault elsewhere does not take changes of a copy-on-write map away."""
    for kind in ("copy", "private", "untracked copy"):
        with victim(tmp_path, kind) as one:
            one.map[5] = 200
            one.truncate(LEFT)
            with pytest.raises(MapFaultError):
                one.map[LOST]
            assert one.map[5] == 200
            one.restore()
            assert one.map[5] == 200
            assert one.map[LOST] == one.bytes[LOST]
            one.map.close()


def test_everything_but_the_map_is_gone(tmp_path: Path) -> None:
    """F2: no name, no descriptor, and still the same file."""
    with victim(tmp_path, "deleted") as one:
        m = firmmap.mmap(one.fd, N, trackfd=False)
        one.map.close()
        one.truncate(LEFT)
        with pytest.raises(MapFaultError):
            m[LOST]
        one.restore()
        assert m[:] == one.bytes
        m.close()


def test_last_page_of_which_a_part_is_left(tmp_path: Path) -> None:
    """F8: it reads zeros past the end of the file, without a fault. The next page is a fault."""
    with victim(tmp_path) as one:
        one.truncate(LEFT + 100)
        m, whole = one.map, one.bytes
        assert m[LEFT : LEFT + 100] == whole[LEFT : LEFT + 100]
        assert m[LEFT + 100 : 3 * PAGE] == bytes(PAGE - 100)
        with pytest.raises(MapFaultError) as caught:
            m[3 * PAGE]
        assert caught.value.offset == 3 * PAGE
        m.close()


def test_hole_on_a_full_disk(tmp_path: Path) -> None:
    """F1, F2: no room for a page that is written; room later."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    mounting = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounting.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted: {mounting.stderr.strip()}")
    try:
        ballast = tmp_path / "ballast"
        ballast.write_bytes(b"b" * 32 * 1024)
        with (tmp_path / "holes").open("w+b") as file:
            file.truncate(2**20)
            m = firmmap.mmap(file.fileno(), 0)
            written = 0
            with pytest.raises(MapFaultError) as caught:
                for place in range(0, 2**20, PAGE):
                    m[place] = 1
                    written += 1
            assert 0 < written < 16
            assert caught.value.offset == written * PAGE
            ballast.unlink()
            m[written * PAGE] = 1
            # Also holes that are read take room here.
            assert m[0 : (written + 1) * PAGE : PAGE] == b"\1" * (written + 1)
            m.close()
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """F2: no area of memory and no descriptor is lost on the way, for any kind of map."""
    for kind in KINDS:
        descriptors = len(os.listdir("/proc/self/fd"))
        maps = areas("")
        for _ in range(50):
            with victim(tmp_path, kind) as one:
                for left in (LEFT, PAGE, 0):
                    one.truncate(left)
                    with pytest.raises(MapFaultError):
                        one.map[LOST]
                one.map.close()
        assert len(os.listdir("/proc/self/fd")) == descriptors
        # The interpreter's own memory may have grown meanwhile, by areas of another kind.
        assert areas("victim") == 0
        assert areas("") <= maps + 5


def test_dropped_while_truncated(tmp_path: Path) -> None:
    """F2: a map that was told and not closed goes without a word."""
    with victim(tmp_path) as one:
        one.truncate(0)
        with pytest.raises(MapFaultError):
            one.map[LOST]
        one.map = None
    assert areas("victim") == 0


# The exception.


def test_exception_is_an_os_error() -> None:
    """F1."""
    error = MapFaultError(5)
    assert issubclass(MapFaultError, OSError)
    assert MapFaultError.__mro__[1] is OSError
    assert (error.errno, error.offset) == (errno.EIO, 5)
    assert MapFaultError.__module__ == "firmmap"
    assert MapFaultError.__qualname__ == "MapFaultError"
    assert "5" in str(error)
    assert error.filename is None


def test_exception_without_arguments() -> None:
    """F1: it can be raised by its class alone, and told apart."""
    with pytest.raises(OSError, match="not there") as caught:
        raise MapFaultError
    assert (caught.value.errno, caught.value.args[0]) == (errno.EIO, errno.EIO)
    assert MapFaultError().offset is None


def late_fault(offset: int) -> Any:
    """As it is raised in other threads: of a class that has found the place itself."""
    faults = sys.modules["firmmap._faults"]
    error = vars(faults)["_LateFault"]()
    error.offset, error.args = offset, MapFaultError(offset).args
    return error


@pytest.mark.parametrize("make", [MapFaultError, late_fault])
@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda e, n=n: pickle.loads(pickle.dumps(e, n)) for n in range(6)),
    ],
)
def test_exception_is_copied_and_pickled(make: Callable[[int], Any], again: Callable[[Any], Any]) -> None:
    """F1: whole, with its notes, to another process too."""
    error = make(12345)
    error.add_note("while reading the index")
    twin = again(error)
    assert type(twin) is MapFaultError
    assert (twin.offset, twin.errno, twin.args) == (12345, errno.EIO, error.args)
    assert twin.__notes__ == ["while reading the index"]


class Named(MapFaultError):  # type: ignore[misc]
    """A subclass."""


def test_subclass_of_the_exception_stays_one() -> None:
    """F1."""
    twin = pickle.loads(pickle.dumps(Named(9)))
    assert type(twin) is Named
    assert twin.offset == 9
    assert type(copy.copy(twin)) is Named
