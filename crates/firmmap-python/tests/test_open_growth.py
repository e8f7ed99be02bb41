"""Growth: capacity, views, full disks, files that others change, processes that die; anonymous memory."""

from __future__ import annotations

import errno
import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import firmmap
import pytest
from support import PAGE, together

only_unix = pytest.mark.skipif(sys.platform == "win32", reason="a view cannot be longer than its file there")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_appending(path: Path) -> None:
    """G6: the file is as long as what was written, at every moment."""
    with firmmap.open(path, "w+") as m:
        length = 0
        for number in range(3000):
            length += m.write(b"line %d\n" % number)
            if number % 100 == 0:
                assert path.stat().st_size == length == len(m) == m.tell()
        assert m.count(b"\n") == 3000
    assert path.read_bytes() == b"".join(b"line %d\n" % number for number in range(3000))


def test_appending_at_an_offset(path: Path) -> None:
    """G6: positions count from the offset, in the file too."""
    path.write_bytes(b"x" * 100)
    with firmmap.open(path, "r+", offset=70) as m:
        m.seek(0, 2)
        m.write(b"y" * 2 * PAGE)
        assert len(m) == 30 + 2 * PAGE
    assert path.read_bytes() == b"x" * 100 + b"y" * 2 * PAGE


@only_unix
def test_growth_under_views(path: Path) -> None:
    """G6: within the capacity a map grows while others look at it, and they see the same bytes as before."""
    numpy = pytest.importorskip("numpy")
    with firmmap.open(path, "w+", capacity=1 << 32) as m:
        assert m.capacity >= 1 << 32
        m.write(b"first")
        with memoryview(m) as view:
            array = numpy.frombuffer(m, numpy.uint8)
            for number in range(1000):
                m.write(b"%05d" % number * 100)
            m.truncate(1_000_000)
            with memoryview(m) as later:
                assert len(later) == 1_000_000
                assert later[:5] == view == array.tobytes() == b"first"
                array[0] = ord("F")
                assert later[0] == view[0] == m[0] == ord("F")
            assert len(view) == 5
            del array
        assert len(m) == 1_000_000
    assert path.stat().st_size == 1_000_000


def test_no_shrinking_under_views(path: Path) -> None:
    """G6: memory that somebody looks at stays: BufferError, and nothing has changed."""
    path.write_bytes(b"0123456789")
    with firmmap.open(path, "r+", capacity=1000) as m:
        with memoryview(m):
            for call in (lambda: m.truncate(9), lambda: m.truncate(0), lambda: m.resize(5)):
                with pytest.raises(BufferError, match="1 view of the map exists"):
                    call()
            assert m[:] == path.read_bytes() == b"0123456789"
        m.truncate(3)
    assert path.read_bytes() == b"012"


@only_unix
def test_no_move_under_views(path: Path) -> None:
    """G6: beyond the capacity the map would have to move: BufferError with the numbers, and nothing has changed."""
    path.write_bytes(b"0123456789")
    with firmmap.open(path, "r+", capacity=2 * PAGE) as m:
        with memoryview(m) as view:
            m.seek(0, 2)
            m.write(b"x" * (m.capacity - 10))
            with pytest.raises(BufferError, match=f"only up to its capacity of {m.capacity}"):
                m.write(b"y")
            with pytest.raises(BufferError):
                m.truncate(m.capacity + 1)
            assert path.stat().st_size == len(m) == m.tell() == m.capacity
            assert bytes(view) == b"0123456789"
        m.write(b"y")
        assert len(m) == path.stat().st_size
        assert m.capacity > len(m)


@only_unix
def test_capacity_costs_nothing(path: Path) -> None:
    """G6: reserved addresses are neither memory nor disk."""
    with firmmap.open(path, "w+", capacity=1 << 40) as m:
        m.write(b"x")
        assert m.capacity >= 1 << 40
        assert path.stat().st_size == 1
        assert path.stat().st_blocks * 512 <= 64 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the blocks")
def test_growing_allocates(path: Path) -> None:
    """G6: what truncate() adds has room on the disk."""
    with firmmap.open(path, "w+") as m:
        m.truncate(1 << 20)
        assert path.stat().st_blocks * 512 >= 1 << 20
        assert m[:] == bytes(1 << 20)


def test_a_gap_is_zeros(path: Path) -> None:
    """G6: as with a file, writing behind the end leaves zeros between."""
    path.write_bytes(b"abc")
    with firmmap.open(path, "r+") as m:
        m.seek(2 * PAGE)
        m.write(b"end")
        assert m[:] == b"abc" + bytes(2 * PAGE - 3) + b"end"


def test_length_of_a_part(path: Path) -> None:
    """G6: a map of a part of a file grows into what is there, overwriting it as a file does at that position."""
    path.write_bytes(b"0123456789")
    with firmmap.open(path, "r+", offset=2, length=3) as m:
        m.seek(3)
        m.write(b"AB")
        assert m[:] == b"234AB"
    assert path.read_bytes() == b"01234AB789"


def test_size_and_refresh(path: Path) -> None:
    """G6: what others append comes into the map when it is asked to look."""
    path.write_bytes(b"one\n")
    with firmmap.open(path) as m, path.open("ab", buffering=0) as writer:
        lines = list(m)
        for number in range(2000):
            writer.write(b"line %d\n" % number)
        assert m.size() == path.stat().st_size > len(m) == 4
        assert m.refresh() == len(m) == path.stat().st_size
        lines += list(m)
        assert b"".join(lines) == path.read_bytes()


@only_unix
def test_refresh_under_views(path: Path) -> None:
    """G6: what is longer than the capacity, or shorter than a view, is an error; nothing has changed."""
    path.write_bytes(b"x" * PAGE)
    with firmmap.open(path, capacity=2 * PAGE) as m, memoryview(m) as view:
        os.truncate(path, 2 * PAGE)
        assert m.refresh() == 2 * PAGE
        os.truncate(path, m.capacity + PAGE)
        with pytest.raises(BufferError):
            m.refresh()
        assert len(m) == 2 * PAGE
        os.truncate(path, PAGE // 2)
        with pytest.raises(firmmap.MapFaultError):
            m.refresh()
        assert len(m) == 2 * PAGE
        assert bytes(view[:5]) == b"xxxxx"


@only_unix
@pytest.mark.parametrize("size", [1 << 48, 1 << 62, sys.maxsize // 2])
def test_more_than_there_are_addresses(path: Path, size: int) -> None:
    """G6: what no process has addresses for is ENOMEM, whether it is asked for by the capacity or by growth."""
    with firmmap.open(path, "w+") as m:
        m.write(b"abc")
        with pytest.raises(OSError, match="memory") as caught:
            m.truncate(size)
        assert caught.value.errno == errno.ENOMEM
        m.seek(size)
        with pytest.raises(OSError, match="memory") as caught:
            m.write(b"x")
        assert caught.value.errno == errno.ENOMEM
        assert m[:] == path.read_bytes() == b"abc"
    with pytest.raises(OSError, match="memory") as caught:
        firmmap.open(path, "r+", capacity=size)
    assert caught.value.errno == errno.ENOMEM


def test_wrong_lengths(path: Path) -> None:
    """G6: what no file can have is an error, and nothing has changed."""
    with firmmap.open(path, "w+") as m:
        m.write(b"abc")
        m.seek(sys.maxsize)
        with pytest.raises((OSError, ValueError)):
            m.write(b"x")
        with pytest.raises((OSError, ValueError)):
            m.truncate(sys.maxsize)
        with pytest.raises(OverflowError):
            m.truncate(1 << 70)
        assert m[:] == path.read_bytes() == b"abc"


def test_threads_append(path: Path) -> None:
    """G6, N3: each write is whole, wherever it lands."""
    with firmmap.open(path, "w+", capacity=1 << 30) as m:

        def work(name: int) -> None:
            for _ in range(300):
                m.write(bytes([name]) * 99 + b"\n")

        together(*[partial(work, name) for name in b"abcd"])
        lines = list(m.lines())
    assert len(lines) == 1200
    assert all(line == line[:1] * 99 + b"\n" for line in lines)


@pytest.mark.parametrize("capacity", [None, 1 << 28])
def test_threads_append_much(path: Path, capacity: int | None) -> None:
    """G6, N3: so it is with what is written while other threads run, and nothing is written over."""
    with firmmap.open(path, "w+", capacity=capacity) as m:

        def work(name: int) -> None:
            for size in (99, (3 << 20) - 1) * 3:
                m.write(bytes([name]) * size + b"\n")

        together(*[partial(work, name) for name in b"abcd"])
        lines = list(m.lines())
        assert m.tell() == len(m) == path.stat().st_size
    assert len(lines) == 24
    assert all(line == line[:1] * (len(line) - 1) + b"\n" for line in lines)


def test_threads_do_everything(path: Path) -> None:
    """N3: any method beside any other, while the map grows, shrinks and moves: bytes or a clean error."""
    path.write_bytes(b"a line of text\n" * 5000)
    calls: list[Any] = [
        lambda m: next(m, None),
        lambda m: m.readline(),
        lambda m: m.seek(0),
        lambda m: m.read(100_000),
        lambda m: m.seek(0, 2),
        lambda m: m.write(b"one more line\n" * 100),
        lambda m: m.writelines([b"x" * 2_000_000]),
        lambda m: m.truncate(60_000),
        lambda m: m.find(b"missing"),
        lambda m: sum(1 for _ in m.lines()),
        lambda m: sum(1 for _ in m.find_all(b"line")),
        lambda m: m.count(b"line"),
        lambda m: bytes(m[:1000]),
        lambda m: m.__setitem__(slice(0, 5), b"abcde"),
        lambda m: memoryview(m).release(),
        lambda m: m.refresh(),
        lambda m: m.residency() if sys.platform == "linux" else None,
        lambda m: m.flush(asynchronous=True),
    ]
    wrong: list[BaseException] = []
    with firmmap.open(path, "r+") as m:

        def work(seed: int) -> None:
            choose = random.Random(seed)
            for _ in range(150):
                try:
                    choose.choice(calls)(m)
                # A slice of a map that has shrunk meanwhile; a view that another thread has just now.
                except (ValueError, BufferError):
                    pass
                except BaseException as error:
                    wrong.append(error)

        together(*[partial(work, seed) for seed in range(4)])
        assert not wrong
        assert len(m) == path.stat().st_size


def test_growth_beside_searches(path: Path) -> None:
    """G6: a map that has to move waits for searches in other threads."""
    with firmmap.open(path, "w+") as m:
        m.write(bytes(1 << 20))
        stop = threading.Event()

        def search() -> None:
            while not stop.is_set():
                assert m.find(b"x") == -1

        thread = threading.Thread(target=search)
        thread.start()
        for _ in range(20):
            m.write(bytes(1 << 20))
            m.write(bytes(3 << 20))
        stop.set()
        thread.join()
        assert len(m) == path.stat().st_size == 81 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 16 pages."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    command = ["mount", "-t", "tmpfs", "-o", f"size={16 * PAGE}", "tmpfs", str(tmp_path)]
    mounting = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounting.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted: {mounting.stderr.strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.parametrize("capacity", [None, 1 << 30])
def test_full_disk(small_disk: Path, capacity: int | None) -> None:
    """G6: ENOSPC at the call that grows, and the file is as it was before it."""
    path = small_disk / "file"
    with firmmap.open(path, "w+", capacity=capacity) as m:
        m.write(b"x" * 10 * PAGE)
        for call in (
            lambda: m.write(b"y" * 20 * PAGE),
            lambda: m.truncate(17 * PAGE),
            lambda: m.writelines([b"z" * 7 * PAGE]),
        ):
            with pytest.raises(OSError) as caught:
                call()
            assert caught.value.errno == errno.ENOSPC
            assert len(m) == m.tell() == path.stat().st_size == 10 * PAGE
            assert m[:] == b"x" * 10 * PAGE
        written = 10 * PAGE
        with pytest.raises(OSError) as caught:
            while True:
                written += m.write(b"line of text\n")
        assert caught.value.errno == errno.ENOSPC
        assert len(m) == path.stat().st_size == written
        assert m[-13:] == b"line of text\n"
    with pytest.raises(OSError) as caught:
        firmmap.open(small_disk / "other", "w+", length=100 * PAGE)
    assert caught.value.errno == errno.ENOSPC


def test_a_file_that_fills_its_disk_is_emptied(small_disk: Path) -> None:
    """G2: its space is not given back before it is taken again, which others could take meanwhile."""
    path, other = small_disk / "file", small_disk / "other"
    path.write_bytes(b"x" * 10 * PAGE)
    with other.open("wb", buffering=0) as file, pytest.raises(OSError):
        while file.write(bytes(PAGE)):
            pass
    stop = threading.Event()

    def fill() -> None:
        with other.open("ab", buffering=0) as file:
            while not stop.is_set():
                try:
                    file.write(bytes(PAGE))
                except OSError:
                    time.sleep(0)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        for _ in range(50):
            with firmmap.open(path, "w+", length=10 * PAGE) as m:
                assert m[:] == bytes(10 * PAGE)
                m[:] = b"x" * 10 * PAGE
    finally:
        stop.set()
        thread.join()
    assert path.stat().st_size == 10 * PAGE


def test_a_file_with_holes_on_a_small_disk(small_disk: Path) -> None:
    """G2: what its holes would take is refused before anything is gone; with holes it is emptied."""
    path = small_disk / "file"
    path.write_bytes(b"precious")
    os.truncate(path, 100 * PAGE)
    for length in (100 * PAGE, 50 * PAGE):
        with pytest.raises(OSError) as caught:
            firmmap.open(path, "w+", length=length)
        assert caught.value.errno == errno.ENOSPC
        assert (path.stat().st_size, path.read_bytes()[:8]) == (100 * PAGE, b"precious")
    firmmap.open(path, "w+", length=50 * PAGE, sparse=True).close()
    assert (path.read_bytes(), path.stat().st_blocks) == (bytes(50 * PAGE), 0)


@only_unix
@pytest.mark.parametrize("mode", ["a+", "r+ with O_APPEND"])
@pytest.mark.parametrize("size", [5, 3 << 20])
def test_appending_to_a_file_longer_than_its_map(path: Path, mode: str, size: int) -> None:
    """C16, G6: the end of the file decides; while a view is there, the map does not move."""
    path.write_bytes(b"." * 10_000)

    def open_part() -> Any:
        if mode == "a+":
            return firmmap.open(path, "a+", length=1000, capacity=5000)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        return firmmap.open(descriptor, "r+", length=1000, capacity=5000, closefd=True)

    with open_part() as m:
        with memoryview(m), pytest.raises(BufferError, match="1 view of the map exists"):
            m.write(b"x" * size)
        assert (len(m), path.stat().st_size) == (1000, 10_000)
        assert m.write(b"x" * size) == size
        assert len(m) == m.tell() == path.stat().st_size == 10_000 + size
    assert path.read_bytes() == b"." * 10_000 + b"x" * size


WRITER = """
import sys
import firmmap
m = firmmap.open(sys.argv[1], "w+", capacity=1 << 32 if sys.argv[2] == "room" else None)
number = 0
while True:
    m.write(b"%08d " % number + b"x" * (number % 300) + b"\\n")
    number += 1
    if number == 1000:
        print("running", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("room", ["room", "moves"])
def test_kill(path: Path, room: str) -> None:
    """G6: a process that is killed while it appends leaves whole lines, each of them once, and nothing behind them.

    The kernel may stop in the middle of the last one, where a page ends, as with any file.
    """
    for delay in (0.0, 0.01, 0.05):
        command = [sys.executable, "-c", WRITER, str(path), room]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        data = path.read_bytes()
        lines = data.splitlines(keepends=True)
        assert len(lines) >= 1000
        expected = [b"%08d " % number + b"x" * (number % 300) + b"\n" for number in range(len(lines))]
        assert lines[:-1] == expected[:-1]
        assert lines[-1] == expected[-1] or (len(data) % PAGE == 0 and expected[-1].startswith(lines[-1]))


def test_truncated_by_others(path: Path) -> None:
    """F1, G6: an append to a file that somebody else has truncated is an error, and leaves no hole of zeros."""
    if sys.platform == "win32":
        pytest.skip("the system refuses to truncate a mapped file")
    path.write_bytes(b"x" * 4 * PAGE)
    for capacity in (None, 1 << 30):
        with firmmap.open(path, "r+", capacity=capacity) as m:
            m.seek(0, 2)
            os.truncate(path, 2 * PAGE)
            with pytest.raises(firmmap.MapFaultError) as caught:
                m.write(b"more")
            assert caught.value.offset == 2 * PAGE
            assert m.tell() == 4 * PAGE
            assert path.read_bytes() == b"x" * 2 * PAGE
            # Whoever means it says so.
            assert m.refresh() == 2 * PAGE
            m.seek(0, 2)
            m.write(b"x" * 2 * PAGE)
        assert path.read_bytes() == b"x" * 4 * PAGE


@only_unix
def test_truncated_by_others_and_written_at_the_end(path: Path) -> None:
    """G6, item 4: no hole of zeros either when the last byte was written after the file was cut in the same page."""
    path.write_bytes(b"x" * 200)
    with firmmap.open(path, "r+") as m:
        m.seek(0, 2)
        m.write(b"y" * 10)
        os.truncate(path, 50)
        m[-1] = 7
        with pytest.raises(firmmap.MapFaultError):
            m.write(b"more")
        assert (len(m), m.tell()) == (210, 210)
    assert path.read_bytes() == b"x" * 50


def test_anonymous() -> None:
    """G7: zeros, which can grow and shrink."""
    with firmmap.anonymous(10) as m:
        assert m[:] == bytes(10)
        assert m.name == "<anonymous>"
        m.write(b"hello")
        m.seek(0, 2)
        m.write(b"x" * 100_000)
        assert len(m) == m.size() == 100_010
        m.truncate(5)
        assert m.read() == b""
        assert m[:] == b"hello"
        m.truncate(8)
        assert m[:] == b"hello\0\0\0"
        with io.BufferedReader(m) as reader:
            reader.seek(0)
            assert reader.read() == b"hello\0\0\0"


def test_anonymous_capacity() -> None:
    """G7: reserved, it grows under views; from nothing too."""
    for length in (0, 10):
        m = firmmap.anonymous(length, capacity=1 << 30)
        assert m.capacity >= 1 << 30 or sys.platform == "win32"
        if sys.platform != "win32":
            with memoryview(m):
                m.seek(0, 2)
                m.write(b"x" * 100_000)
                with pytest.raises(BufferError):
                    m.truncate(5)
        m.close()


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ((-1,), ValueError, "length -1"),
        ((1.5,), TypeError, "length"),
        ((), TypeError, "length"),
        ((1, 2), TypeError, "positional"),
    ],
)
def test_wrong_anonymous(arguments: Any, kind: type[Exception], words: str) -> None:
    """G7: a wrong argument is named."""
    with pytest.raises(kind, match=words):
        firmmap.anonymous(*arguments)
    with pytest.raises(ValueError, match="capacity 5 is less than length 10"):
        firmmap.anonymous(10, capacity=5)


def test_same_length_under_a_view(tmp_path: Path) -> None:
    """G6: a map that keeps its length stays where it is, on Windows too."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 1000)
    with firmmap.open(path, "r+") as m, memoryview(m) as view:
        assert m.truncate(len(m)) == 10000
        assert m.truncate(10000) == path.stat().st_size
        assert bytes(view) == m[:] == b"0123456789" * 1000
        view[3] = 65
        assert m[:5] == path.read_bytes()[:5] == b"012A4"
