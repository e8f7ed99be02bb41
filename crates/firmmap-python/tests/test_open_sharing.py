"""Maps in several processes: pickled, written by several at once, anonymous memory before and after fork."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import io
import itertools
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any

import firmmap
import pytest

TEXT = b"".join(b"line %d\n" % number for number in range(10_000))

only_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")

# Interpreters that build with threads warn about it.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_pickle(path: Path, mode: Any, protocol: int) -> None:
    """G9: the same bytes, in the same mode."""
    with firmmap.open(path, mode, offset=5, length=100, capacity=1 << 20) as m:
        m.seek(7)
        data = pickle.dumps(m, protocol)
        assert len(data) < 400
        with pickle.loads(data) as again:
            assert again[:] == TEXT[5:105]
            assert (again.name, again.mode, again.offset, again.tell()) == (str(path), m.mode, 5, 0)
            assert again.capacity >= 1 << 20 or sys.platform == "win32"
            if mode == "r+":
                m[0] = again[1] = ord("X")
                assert m[:2] == again[:2] == b"XX"


@pytest.mark.parametrize("mode", ["w+", "x+"])
def test_pickle_of_a_new_file(tmp_path: Path, mode: Any) -> None:
    """G9: what was created is not created again."""
    with firmmap.open(tmp_path / "new", mode) as m:
        m.write(b"written")
        with pickle.loads(pickle.dumps(m)) as again:
            assert again[:] == b"written"
            assert again.mode == "rb+"
            again[0] = ord("W")
        assert m[:] == b"Written"


@pytest.mark.skipif(sys.platform == "win32", reason="files have no holes by themselves there")
def test_pickle_of_a_sparse_file(tmp_path: Path) -> None:
    """G6, G9: it grows by holes, as the map that was pickled does."""
    with firmmap.open(tmp_path / "new", "w+", sparse=True) as m, pickle.loads(pickle.dumps(m)) as again:
        again.truncate(16 << 20)
        assert os.stat(tmp_path / "new").st_blocks * 512 < 1 << 20


def test_pickle_keeps_how_the_file_is_held(path: Path) -> None:
    """G9, G12: without a descriptor, and in memory."""
    with firmmap.open(path, keep_file=False) as m:
        again = pickle.loads(pickle.dumps(m))
    with again, pytest.raises(io.UnsupportedOperation, match="no descriptor"):
        again.fileno()
    with firmmap.open(path, load=True) as m, pickle.loads(pickle.dumps(m)) as again:
        path.write_bytes(b"changed")
        assert again[:] == TEXT


def test_pickle_of_a_relative_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G9: the path is that from when it was opened."""
    monkeypatch.chdir(path.parent)
    with firmmap.open("file") as m:
        assert m.name == "file"
        data = pickle.dumps(m)
    monkeypatch.chdir("/")
    with pickle.loads(data) as again:
        assert again[:] == TEXT
    with firmmap.open(os.fsencode(path)) as m, pickle.loads(pickle.dumps(m)) as again:
        assert again.name == os.fsencode(path)


def test_pickle_of_what_has_no_path(path: Path) -> None:
    """G9: a descriptor and anonymous memory mean nothing elsewhere: TypeError that says so."""
    with path.open("rb") as file, firmmap.open(file.fileno()) as m, pytest.raises(TypeError, match="descriptor"):
        pickle.dumps(m)
    with firmmap.anonymous(10) as m, pytest.raises(TypeError, match="anonymous memory"):
        pickle.dumps(m)
    m = firmmap.open(path)
    m.close()
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(m)


class Log(firmmap.MappedFile):
    """A subclass with something of its own."""

    level: int


def test_pickle_of_a_subclass(path: Path) -> None:
    """G9: the class and its attributes come along."""
    with Log(path) as log:
        log.level = 5
        with pickle.loads(pickle.dumps(log)) as again:
            assert type(again) is Log
            assert again.level == 5
            assert again[:] == TEXT


class Slots(firmmap.MappedFile):
    """A subclass with a slot, and room for more."""

    __slots__ = ("__dict__", "mark")
    mark: str
    other: str


class Own(firmmap.MappedFile):
    def __getstate__(self) -> object:
        return {"kept": 1}


def test_pickle_of_what_subclasses_add(path: Path) -> None:
    """G9: slots come along as attributes do, and a class that says what is kept is asked."""
    with Slots(path) as m:
        m.mark, m.other = "slot", "attribute"
        with pickle.loads(pickle.dumps(m)) as again:
            assert (again.mark, again.other) == ("slot", "attribute")
    with Own(path) as own, pickle.loads(pickle.dumps(own)) as again:
        assert vars(again) == {"kept": 1}


def test_pickle_of_more_than_the_capacity(path: Path) -> None:
    """G9: a capacity less than the length, as the map has outgrown it or never fitted, is no error elsewhere."""
    with firmmap.open(path, capacity=1) as m, pickle.loads(pickle.dumps(m)) as again:
        assert again[:] == m[:] != b""
    with firmmap.open(path, "w+", capacity=10) as m:
        m.write(b"x" * 50)
        with copy.copy(m) as again:
            assert again[:] == b"x" * 50


class Made(firmmap.MappedFile):
    """A subclass that says itself how it is pickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return str, ("as it likes",)


def test_pickle_by_the_subclass(path: Path) -> None:
    """G9: the `__reduce__` of a subclass is asked, as with every class."""
    with Made(path) as m:
        assert [pickle.loads(pickle.dumps(m, protocol)) for protocol in (0, 2, 5)] == ["as it likes"] * 3
        copied: object = copy.copy(m)
        assert copied == "as it likes"


def test_pickle_of_what_is_gone(path: Path) -> None:
    """G9, item 4: a range that the file has no more is an error; no worker fills it up with zeros."""
    with firmmap.open(path, "r+") as m, firmmap.open(path) as reader, firmmap.open(path, "c") as draft:
        data = [pickle.dumps(kind) for kind in (m, reader, draft)]
    os.truncate(path, 10)
    for one in data:
        with pytest.raises(ValueError, match=f"length {len(TEXT)} from offset 0 .* file of 10 bytes"):
            pickle.loads(one)
    assert path.read_bytes() == TEXT[:10]


def test_copy(path: Path) -> None:
    """G9: a copy of the object is another map of the same bytes."""
    with firmmap.open(path, "r+") as m, copy.copy(m) as again:
        again[0] = ord("L")
        assert m[0] == ord("L")
    with firmmap.open(path, "c") as m:
        m[0] = ord("X")
        with copy.copy(m) as again:
            assert again[:4] == b"Line"


def count(m: firmmap.MappedFile, start: int, stop: int) -> int:
    """What a worker does."""
    return m.count(b"\n", start, stop)


def fill(m: firmmap.MappedFile, start: int, stop: int, byte: int) -> int:
    """What a worker does that writes."""
    for index in range(start, stop):
        m[index] = byte
    return os.getpid()


@pytest.mark.parametrize("method", get_all_start_methods())
def test_workers(path: Path, method: str) -> None:
    """G9: workers of all kinds map the same bytes, read them, and write to ranges of their own."""
    context = get_context(method)
    # In wine 8 a ProcessPoolExecutor stands still at its second call of map(), whatever is called.
    with context.Pool(2) as pool, firmmap.open(path, "r+") as m:
        pieces = [(start, start + 20_000) for start in range(0, len(m), 20_000)]
        assert sum(pool.starmap(count, [(m, *piece) for piece in pieces])) == 10_000
        ranges = [(number * 1000, (number + 1) * 1000, ord("a") + number) for number in range(20)]
        workers = set(pool.starmap(fill, [(m, *part) for part in ranges]))
        assert os.getpid() not in workers
        expected = b"".join(bytes([byte]) * (stop - start) for start, stop, byte in ranges)
        assert m[: len(expected)] == expected
        assert m[len(expected) :] == TEXT[len(expected) :]
    assert path.read_bytes()[: len(expected)] == expected


def first(m: firmmap.MappedFile) -> int:
    """What a worker does that reads a byte."""
    return m[0]


def first_of(maps: Any) -> int:
    """What a worker does that reads a byte of a map in a collection."""
    (found,) = maps
    return first(found) if not isinstance(found, dict) else first_of(found)


def count_lines(m: firmmap.MappedFile) -> int:
    return sum(1 for _ in m)


def count_in_a_block(m: firmmap.MappedFile) -> int:
    with m:
        return m.count(b"\n")


class Wrapping:
    """What calls the function of a map's pickle itself."""

    def __init__(self, m: firmmap.MappedFile) -> None:
        self.m = m

    def __reduce__(self) -> Any:
        return restored, (pickle.dumps(self.m),)


def restored(data: bytes) -> Any:
    return pickle.loads(data)


def loads(m: firmmap.MappedFile) -> str:
    """What a worker does that loads a pickle itself."""
    data = m.read()
    os.unlink(m.name)
    try:
        pickle.loads(data)
    except FileNotFoundError:
        return "told"
    return "not told"


def opened_and_removed(path: Path) -> firmmap.MappedFile:
    """What a worker does that returns a map whose file is gone."""
    m = firmmap.open(path)
    path.unlink()
    return m


@pytest.mark.skipif(sys.platform == "win32", reason="mapped files are neither cut off nor removed there")
@pytest.mark.parametrize("method", get_all_start_methods())
def test_workers_without_the_file(path: Path, method: str) -> None:
    """G9: a map that a worker cannot load is an error of the task, for which nobody waits for ever."""
    works: list[Callable[[Any], int]] = [len, first, count_lines, count_in_a_block]
    with get_context(method).Pool(2) as pool, firmmap.open(path) as m:
        # What a worker sends back is loaded by a thread of the pool, which has to go on as well.
        gone = pool.apply_async(opened_and_removed, [path]).get(60)
        assert "No such file" in repr(gone)
        with pytest.raises(FileNotFoundError):
            gone.read()
        for work in works:
            with pytest.raises(FileNotFoundError) as missing:
                pool.apply_async(work, [m]).get(60)
            assert missing.value.errno == 2
        for bound in (m.count, functools.partial(m.rfind, b"\n")):
            with pytest.raises(FileNotFoundError):
                pool.apply_async(bound, [b"\n"]).get(60)
        with pytest.raises(FileNotFoundError):
            pool.apply_async(len, [Wrapping(m)]).get(60)
        # These are loaded with their hashes.
        for maps in ({m: 1}, {m}, frozenset([m]), [{m: {m}}]):
            assert pool.apply_async(len, [maps]).get(60) == 1
            with pytest.raises(FileNotFoundError):
                pool.apply_async(first_of, [maps]).get(60)
        path.write_bytes(TEXT[:-1])
        range_and_end = f"length {len(TEXT)} from offset 0 reaches behind the end of the file of {len(TEXT) - 1} bytes"
        message = f"{range_and_end}: '{path}'"
        for work in works:
            with pytest.raises(ValueError, match=re.escape(message)):
                pool.apply_async(work, [m]).get(60)
        path.write_bytes(TEXT)
        assert [pool.apply_async(work, [m]).get(60) for work in works] == [len(TEXT), TEXT[0], 10_000, 10_000]
        # Who calls pickle gets the error at once, in a task too.
        pickled = path.with_name("pickled")
        with firmmap.open(pickled, "w+") as other:
            other.write(b"a map")
            data = pickle.dumps(other)
        pickled.write_bytes(data)
        with firmmap.open(pickled) as other:
            assert pool.apply_async(loads, [other]).get(60) == "told"
        data = pickle.dumps(m)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            pickle.loads(data)


def test_disjoint_ranges(path: Path) -> None:
    """G9: two maps of neighbouring ranges that share a page do not disturb each other."""
    with firmmap.open(path, "r+", offset=0, length=100) as one, firmmap.open(path, "r+", offset=100, length=100) as two:
        for index in range(100):
            one[index], two[index] = ord("1"), ord("2")
    assert path.read_bytes()[:210] == b"1" * 100 + b"2" * 100 + TEXT[200:210]


def in_child(work: Callable[[], object]) -> None:
    """Runs something in a forked process, which must end well."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def fork_during(search: Callable[[], object], child: Callable[[], object], ended: threading.Event) -> None:
    """Forks while another thread searches, until it is told that it has `ended`."""
    thread = threading.Thread(target=search)
    thread.start()
    try:
        time.sleep(0.05)
        in_child(child)
    finally:
        ended.set()
        thread.join()


@only_fork
def test_anonymous_memory_is_shared() -> None:
    """G7, E3: a child writes, its parent reads."""
    with firmmap.anonymous(100) as m:
        m.write(b"from the parent")

        def child() -> None:
            assert m[:15] == b"from the parent"
            m[:14] = b"from the child"

        in_child(child)
        assert m[:15] == b"from the childt"


@only_fork
def test_anonymous_memory_grows_before_fork() -> None:
    """G7: what it has grown by is shared as well."""
    with firmmap.anonymous(0) as m:
        m.truncate(100_000)

        def child() -> None:
            assert len(m) == 100_000
            m[99_999] = 65

        in_child(child)
        assert m[99_999] == 65


@only_fork
@pytest.mark.parametrize("capacity", [None, 1 << 20])
def test_anonymous_memory_grows_after_fork(capacity: int | None) -> None:
    """G7: each process has a length of its own; refresh() takes in what the other has added."""
    with firmmap.anonymous(10, capacity=capacity) as m:

        def child() -> None:
            m.seek(0, 2)
            m.write(b"x" * 50_000)
            m[0] = 67

        in_child(child)
        assert m[0] == 67
        assert len(m) == 10
        assert m.refresh() == len(m) == 50_010
        assert m[10:] == b"x" * 50_000
        m.truncate(80_000)
        in_child(lambda: m.write(b"y" * 80_000))
        assert m[:] == b"y" * 80_000


@only_fork
def test_files_grow_after_fork(path: Path) -> None:
    """G6: a child's appends are in the file, and come into the parent's map when it looks."""
    with firmmap.open(path, "r+", capacity=1 << 20) as m:

        def child() -> None:
            m.seek(0, 2)
            m.write(b"one more line\n")

        in_child(child)
        assert m.refresh() == len(TEXT) + 14
        assert m.endswith(b"one more line\n")


@only_fork
def test_fork_while_a_map_waits_to_be_moved() -> None:
    """Item 6: a thread of the parent that waits to move the map is not there in a child, which waits for it once."""
    m = firmmap.anonymous(32 << 20)
    ended = threading.Event()

    def search() -> None:
        while not ended.is_set():
            m.count(b"ab")

    def shorten() -> None:
        while not ended.is_set():
            m.truncate((32 << 20) - 1)
            m.truncate(32 << 20)

    def child() -> None:
        began = time.monotonic()
        for _ in range(100):
            len(m)
        assert time.monotonic() - began < 5  # it was 10

    threads = [threading.Thread(target=work) for work in (search, search, shorten)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            time.sleep(0.02)
            in_child(child)
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(sys.platform == "win32", reason="maps have no descriptors there")
def test_writing_by_turns_with_the_descriptor(path: Path) -> None:
    """G3: neither writes over what the other has written, as with a plain file: a subprocess's output, for one."""
    with firmmap.open(path, "w+") as m:
        echo = [sys.executable, "-c", "print('from the child', end='', flush=True)"]
        subprocess.run(echo, stdout=m, check=True)
        m.write(b", from us")
        subprocess.run(echo, stdout=m, check=True)
        m.writelines([b", ", b"us"])
        fd = m.fileno()
        m.write(b"1")
        assert os.write(fd, b"2") == 1
        m.write(b"3" * 3_000_000)
        assert os.write(fd, b"4") == 1
        m.seek(-2_000_000, 2)
        m.write(b"5" * 1_999_999)
        assert os.write(fd, b"6") == 1
        expected = b"from the child, from usfrom the child, us12" + b"3" * 1_000_001 + b"5" * 1_999_999 + b"6"
        assert (m.tell(), m[:]) == (len(expected), expected)
    assert path.read_bytes() == expected


@only_fork
@pytest.mark.parametrize("change", ["write", "truncate", "protect", "refresh", "close"])
def test_fork_while_a_map_is_searched(path: Path, change: str) -> None:
    """Item 6: a thread of the parent that searches the map is not there in a child, which does not wait for it."""
    with path.open("wb") as file:
        file.truncate(128 << 20)
    m = firmmap.open(path, "r+")
    ended = threading.Event()

    def search() -> None:
        while not ended.is_set():
            m.count(b"\1\2")

    def child() -> None:
        signal.alarm(20)
        descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        if change == "write":
            m.seek(0, 2)
            assert m.write(b"more") == 4
        elif change == "truncate":
            assert m.truncate(5) == 5
        elif change == "protect":
            m.protect(1)
        elif change == "refresh":
            os.truncate(path, 5)
            assert m.refresh() == 5
        m.close()
        if sys.platform == "linux":
            assert len(os.listdir("/proc/self/fd")) == descriptors - 1

    # What the child cuts off is missing in the parent.
    def search_on() -> None:
        with contextlib.suppress(firmmap.MapFaultError):
            search()

    fork_during(search_on, child, ended)
    with contextlib.suppress(firmmap.MapFaultError):
        m.close()


@only_fork
def test_fork_while_a_map_of_the_class_mmap_is_searched() -> None:
    """Item 6: the same of the class mmap."""
    m = firmmap.mmap(-1, 64 << 20, flags=firmmap.MAP_PRIVATE)
    ended = threading.Event()

    def search() -> None:
        while not ended.is_set():
            m.find(b"\1\2", 0)

    def child() -> None:
        signal.alarm(20)
        m.resize(1 << 20)
        m.close()

    try:
        fork_during(search, child, ended)
    finally:
        m.close()


LOCKED = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("free")
    except OSError:
        print("locked")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl(2)")
@pytest.mark.parametrize("mode", ["r", "r+", "c", "a+"])
@pytest.mark.parametrize("capacity", [None, 1 << 20])
def test_locks_of_the_process(tmp_path: Path, mode: Any, capacity: int | None) -> None:
    """G1: opening a map closes no descriptor of its file: the process would lose its locks, by fcntl(2)."""
    import fcntl

    path = tmp_path / "file"
    path.write_bytes(b"line\n" * 1000)

    def state() -> str:
        command = [sys.executable, "-c", LOCKED, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with path.open("r+b", buffering=0) as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert state() == "locked"
        with firmmap.open(path, mode, capacity=capacity) as m:
            assert state() == "locked"
            list(m.lines(containing=b"line"))
            if mode in ("r+", "a+"):
                m.seek(0, 2)
                m.write(b"more\n" * 10_000)
                m.truncate(100)
                m.flush()
            assert state() == "locked"
        # As every file of Python's does when it is closed.
        assert state() == "free"


LENGTH = 4 << 20


def grown_beside(path: Path, truncate: Callable[[Any], object], then: Callable[[Any], object]) -> int:
    """Has a map made longer, while another thread does something as soon as it sees that; returns its length then."""
    path.write_bytes(b"x" * 1000)
    with firmmap.open(path, "r+", capacity=32 << 20) as m:

        def see() -> None:
            while len(m) < LENGTH:
                pass
            then(m)

        thread = threading.Thread(target=see)
        m.seek(LENGTH)
        thread.start()
        truncate(m)
        thread.join()
        return len(m)


@pytest.mark.skipif(sys.platform == "win32", reason="maps have no capacity there")
def test_truncate_keeps_what_was_appended_after_it(tmp_path: Path) -> None:
    """G6, G10: a thread that sees the new length appends to it."""

    def append(m: Any) -> None:
        if m.seek(0, 2) == LENGTH:
            m.write(b"data")

    for _ in range(20):
        assert grown_beside(tmp_path / "grown", lambda m: m.truncate(LENGTH), append) == LENGTH + 4
        assert (tmp_path / "grown").stat().st_size == LENGTH + 4


@pytest.mark.skipif(sys.platform == "win32", reason="maps have no capacity there")
def test_truncate_to_the_position_decides_once(tmp_path: Path) -> None:
    """G6: whoever moves the position when the file has its new length does not change that."""
    results: list[int] = []
    for _ in range(20):
        length = grown_beside(tmp_path / "grown", lambda m: results.append(m.truncate()), lambda m: m.seek(0))
        assert (length, results.pop()) == (LENGTH, LENGTH)


@pytest.mark.skipif(sys.platform == "win32", reason="maps have no capacity there")
def test_what_others_have_appended_while_a_thread_makes_the_map_longer(tmp_path: Path) -> None:
    """G10, N3: it is read as ever, and no iterator ends before it."""
    path = tmp_path / "grown"
    appended = [b"%d\n" % number for number in range(10)]
    for _ in range(20):
        path.write_bytes(b"first\n")
        with firmmap.open(path, "r+", capacity=64 << 20) as m, path.open("ab") as other:
            other.writelines(appended)
            other.flush()
            thread = threading.Thread(target=m.truncate, args=(64 << 20,))
            thread.start()
            assert list(itertools.islice(m.lines(), 11)) == [b"first\n", *appended]
            m.seek(6)
            assert m.read(20) == b"".join(appended)
            thread.join()


def test_numbered_lines_while_the_collector_is_asked_for_all_objects(tmp_path: Path) -> None:
    """G5: nobody else gets the pair of a line that is still searched for."""
    path = tmp_path / "lines"
    path.write_bytes((b"y" * 1_000_000 + b"\n" + b"needle\n") * 20)
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            gc.get_objects()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        with firmmap.open(path) as m:
            for _ in range(3):
                pairs = list(m.lines(containing=b"needle", numbered=True))
                assert pairs == [(number, b"needle\n") for number in range(2, 41, 2)]
                assert all(gc.is_tracked(pair) for pair in pairs)
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be truncated")
@pytest.mark.parametrize("how", ["write", "slice"])
def test_a_flush_during_a_large_write_forgets_nothing(tmp_path: Path, how: str) -> None:
    """F2: what is written after it, into the last page of a file that others cut off there, is told of."""
    path, length = tmp_path / "large", (64 << 20) + 2000
    data = b"1" * length
    for _ in range(3):
        with path.open("wb") as file:
            file.truncate(length)
        m = firmmap.open(path, "r+")

        def write(m: Any = m) -> None:
            if how == "write":
                m.write(data)
            else:
                m[:] = data

        thread = threading.Thread(target=write)
        thread.start()
        while m[0] != b"1"[0]:
            pass
        m.flush(0, 0)
        os.truncate(path, length - 1000)
        was_writing = m[length // 2] == 0
        thread.join()
        if was_writing:
            with pytest.raises(firmmap.MapFaultError):
                m.close()
        else:
            with contextlib.suppress(firmmap.MapFaultError):
                m.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there the file is mapped anew, with the GIL")
@pytest.mark.parametrize("mode", ["r+", "a+"])
def test_closing_during_a_large_append(tmp_path: Path, mode: Any) -> None:
    """G10: what is in the file is written, also for who is told of it when the map is closed."""
    path, data = tmp_path / "log", b"x" * (32 << 20)
    for _ in range(3):
        path.write_bytes(b"")
        results: list[int] = []
        m = firmmap.open(path, mode, capacity=64 << 20)
        thread = threading.Thread(target=lambda m=m, results=results: results.append(m.write(data)))
        thread.start()
        while path.stat().st_size == 0:
            pass
        m.close()
        thread.join()
        assert (results, path.stat().st_size) == ([len(data)], len(data))


APPENDER = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
for number in range(int(sys.argv[2])):
    os.write(fd, b"%09d\\n" % number)
    time.sleep(0.00002)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="maps have no capacity there")
@pytest.mark.parametrize(("more", "views"), [(30_000, True), (2_000_000, False)])
def test_truncate_to_more_than_others_append(tmp_path: Path, more: int, views: bool) -> None:
    """G6, G10: making a file longer cuts off nothing, whoever appends to it meanwhile."""
    path, records = tmp_path / "log", 2_000
    path.write_bytes(b"")
    appender = subprocess.Popen([sys.executable, "-c", APPENDER, path, str(records)])
    with firmmap.open(path, "r+", capacity=512 << 20) as m:
        view = memoryview(m) if views else None
        while appender.poll() is None and len(m) < 256 << 20:
            m.seek(0, 2)
            m.truncate(len(m) + more)
        if view is not None:
            view.release()
    assert appender.wait() == 0
    assert path.read_bytes().replace(b"\0", b"") == b"".join(b"%09d\n" % number for number in range(records))
