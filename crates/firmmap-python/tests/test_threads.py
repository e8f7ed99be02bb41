"""Threads: one map, used by several of them. No test here measures time."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import firmmap
import pytest
from conftest import MakeFile
from support import PAGE, together

LARGE = 3 * 2**20
THREADS = 4


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def repeated(work: Callable[[], object], count: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(count):
            work()

    return run


def test_searches_and_reads() -> None:
    """N3: right results from all threads at once."""
    m = firmmap.mmap(-1, LARGE)
    m[:] = random.Random(1).randbytes(LARGE // 2) * 2
    m[LARGE - 50 : LARGE - 40] = b"the needle"
    data = m[:]
    digest = hashlib.sha256(data).digest()

    def check() -> None:
        assert m.find(b"the needle", 0) == m.rfind(b"the needle", 0) == LARGE - 50
        assert m.find(b"no needle at all", 0) == -1
        assert m[:] == data
        assert m[::-1] == data[::-1]
        assert m[100:100000] == data[100:100000]
        assert hashlib.sha256(m).digest() == digest
        assert m[12345] == data[12345]

    together(*[repeated(check, 3)] * THREADS)


def test_reads_share_the_position() -> None:
    """N3, C6: each byte is read by exactly one thread, small pieces and large ones."""
    for piece in (1000, 1100000):
        m = firmmap.mmap(-1, 8 * 2**20)
        for index in range(0, len(m), PAGE):
            m[index : index + 8] = index.to_bytes(8, "big")
        pieces: list[bytes] = []

        def read(m: Any = m, piece: int = piece, pieces: list[bytes] = pieces) -> None:
            while data := m.read(piece):
                pieces.append(data)

        together(*[read] * THREADS)
        assert sum(map(len, pieces)) == len(m)
        assert sorted(pieces) == sorted(m[index : index + piece] for index in range(0, len(m), piece))


def test_lines_share_the_position() -> None:
    """N3, C8: each short line is read by exactly one thread."""
    lines = [b"%06d\n" % number for number in range(20000)]
    m = firmmap.mmap(-1, 7 * len(lines))
    m[:] = b"".join(lines)
    seen: list[bytes] = []

    def read() -> None:
        while line := m.readline():
            seen.append(line)

    together(*[read] * THREADS)
    assert sorted(seen) == lines


def test_long_lines_share_the_position() -> None:
    """N3, C8: so it is with lines that are looked for while other threads run."""
    lines = [b"%05d" % number + b"x" * 200_000 + b"\n" for number in range(60)]
    m = firmmap.mmap(-1, sum(map(len, lines)))
    m[:] = b"".join(lines)
    for _ in range(5):
        m.seek(0)
        seen: list[bytes] = []

        def read(seen: list[bytes] = seen) -> None:
            while line := m.readline():
                seen.append(line)

        together(*[read] * THREADS)
        assert sorted(seen) == lines


def test_writes_share_the_position() -> None:
    """N3, C13: each write has a place of its own."""
    m = firmmap.mmap(-1, THREADS * 1000 * 8)

    def write(letter: bytes) -> Callable[[], object]:
        return repeated(lambda: m.write(letter * 8), 1000)

    together(*[write(letter) for letter in (b"a", b"b", b"c", b"d")[:THREADS]])
    pieces = [m[index : index + 8] for index in range(0, len(m), 8)]
    assert all(piece == piece[:1] * 8 for piece in pieces)
    assert {piece: pieces.count(piece) for piece in set(pieces)} == {
        letter * 8: 1000 for letter in (b"a", b"b", b"c", b"d")
    }
    with pytest.raises(ValueError):
        m.write(b"x")


def test_large_writes_share_the_position() -> None:
    """N3, C13: also where the copying goes on without the GIL."""
    size = 2**20 + 1
    m = firmmap.mmap(-1, THREADS * 2 * size)

    def write(number: int) -> Callable[[], object]:
        return repeated(lambda: m.write(bytes([number]) * size), 2)

    together(*[write(number) for number in range(THREADS)])
    pieces = sorted(m[index : index + size] for index in range(0, len(m), size))
    assert pieces == sorted(2 * [bytes([n]) * size for n in range(THREADS)])


def test_close_meanwhile(make_file: MakeFile) -> None:
    """N3, C1: operations under way end well, later ones raise ValueError."""
    file = make_file(b"x" * LARGE)
    for _ in range(30):
        m = firmmap.mmap(file.fileno(), 0)

        def use(m: Any = m) -> None:
            with contextlib.suppress(ValueError):
                while True:
                    assert m.find(b"never there", 0) == -1
                    assert len(m[:]) == LARGE
                    m[0:LARGE] = b"x" * LARGE
                    m.flush()
                    m.readline()
                    m.seek(0)
                    m.madvise(0)

        def close(m: Any = m) -> None:
            time.sleep(random.random() / 100)
            m.close()
            assert m.closed

        together(use, use, close)


def test_resize_meanwhile(make_file: MakeFile) -> None:
    """N3, C9: every operation sees one length or the other."""
    file = make_file(b"x" * LARGE)
    m = firmmap.mmap(file.fileno(), 0)
    sizes = (100, LARGE, 2 * LARGE, PAGE)
    done = threading.Event()

    def use() -> None:
        while not done.is_set():
            assert m.find(b"never there", 0) == -1
            assert len(m[:]) in sizes
            assert m.size() in sizes
            with contextlib.suppress(IndexError):
                m[0:LARGE] = b"x" * LARGE
            with contextlib.suppress(IndexError):
                m[PAGE + 5] = 65
            with contextlib.suppress(ValueError):
                m.write(b"x" * 200)
            with contextlib.suppress(ValueError):
                m.seek(0)
            m.readline()

    def resize() -> None:
        try:
            for size in sizes * 8:
                m.resize(size)
        finally:
            done.set()

    together(use, use, resize)
    assert len(m) == PAGE


def test_exports_meanwhile() -> None:
    """N3, C1: the count of exported buffers is right in the end."""
    m = firmmap.mmap(-1, PAGE)

    def use() -> None:
        for _ in range(2000):
            with memoryview(m) as view:
                view[0] = 1
            with contextlib.suppress(BufferError):
                m.resize(PAGE)

    together(*[use] * THREADS)
    m.resize(100)
    m.close()


def operations(m: Any, number: int) -> list[Callable[[], object]]:
    """Everything that can be done with a map."""
    return [
        lambda: m[number],
        lambda: m[number:],
        lambda: m[:number:3],
        lambda: m.__setitem__(number, 7),
        lambda: m.__setitem__(slice(number, number + 10), b"0123456789"),
        lambda: m.find(b"e\nl", number),
        lambda: m.rfind(b"e\nl", 0, number),
        lambda: m.read(number),
        lambda: m.readline(),
        lambda: m.read_byte(),
        lambda: m.write_byte(1),
        lambda: m.write(bytes(100)),
        lambda: m.seek(number),
        lambda: m.tell(),
        lambda: m.flush(),
        lambda: m.size(),
        lambda: m.move(0, number, 100),
        lambda: m.resize(number + 1),
        lambda: repr(m),
        lambda: len(m),
        lambda: bytes(m),
        lambda: m.madvise(0) if sys.platform != "win32" else None,
        lambda: m.closed,
        lambda: m.close() if number < 50 else None,
    ]


def test_everything_at_once(make_file: MakeFile) -> None:
    """N3: random operations on one map from several threads; what is wrong raises, no crash."""

    def new() -> Any:
        # A new file each time: one that is still in use somewhere must not be made shorter.
        with make_file(b"line\n" * PAGE) as file:
            return firmmap.mmap(file.fileno(), 0)

    maps = [new()]
    lock = threading.Lock()

    def use(seed: int) -> Callable[[], None]:
        draw = random.Random(seed)

        def run() -> None:
            for _ in range(1500):
                m = maps[0]
                try:
                    draw.choice(operations(m, draw.randrange(8 * PAGE)))()
                except (ValueError, IndexError, BufferError):
                    with lock:
                        if maps[0].closed:
                            maps[0] = new()

        return run

    together(*[use(seed) for seed in range(THREADS)])
    maps[0].close()


class Progress:
    """A thread that counts, whenever it may run."""

    def __init__(self) -> None:
        self.count = 0
        self.stop = False
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.stop:
            self.count += 1
            time.sleep(0)

    def __enter__(self) -> Progress:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop = True
        self.thread.join()


def no_more_switches() -> None:
    """From here on threads are switched only where one lets go of the GIL by itself."""
    sys.setswitchinterval(3600)
    time.sleep(0.01)  # The other thread stops waiting in the old way.


OPERATIONS: dict[str, Callable[[Any], object]] = {
    "find": lambda m: m.find(b"never there"),
    "rfind": lambda m: m.rfind(b"never there"),
    "find one byte": lambda m: m.find(b"x"),
    "readline": lambda m: m.readline(),
    "read": lambda m: m.read(),
    "slice": lambda m: m[:],
    "extended slice": lambda m: m[::2],
    "assignment": lambda m: m.__setitem__(slice(None), bytes(len(m))),
    "write": lambda m: m.write(bytes(len(m))),
    "flush": lambda m: m.flush(),
}


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no GIL to let go of")
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_gil_is_released(name: str, make_file: MakeFile) -> None:
    """N3, C2, C3: another thread makes progress during one large operation.

    Threads are not switched for an hour unless one lets go of the GIL by itself, so that the count
    stands still while this thread runs Python code: it moves only if the operation lets go.
    """
    operation = OPERATIONS[name]
    file = make_file(bytes(16 * 2**20))
    m = firmmap.mmap(file.fileno(), 0)
    bytes(m)
    with Progress() as progress:
        no_more_switches()
        try:
            for _ in range(500):
                m.seek(0)
                before = progress.count
                operation(m)
                after = progress.count
                if after > before:
                    break
                time.sleep(0.001)
        finally:
            sys.setswitchinterval(1e-6)
    assert after > before


def test_the_gil_is_kept_for_small_operations() -> None:
    """Design: it is let go only where it is worth it, so that small operations stay cheap."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return
    m = firmmap.mmap(-1, 32 * 1024)
    with Progress() as progress:
        no_more_switches()
        try:
            before = progress.count
            for _ in range(100):
                m.find(b"never there")
                m.read()
                m.seek(0)
                m[:] = m[:]
            after = progress.count
        finally:
            sys.setswitchinterval(1e-6)
    assert after == before


class ByReadline:
    """As iter(m.readline, b""), which threads cannot share in CPython 3.11.2: at the end it is a SystemError."""

    def __init__(self, m: firmmap.MappedFile) -> None:
        self.m = m

    def __iter__(self) -> ByReadline:
        return self

    def __next__(self) -> bytes:
        if line := self.m.readline():
            return line
        raise StopIteration


@pytest.mark.parametrize(
    "walk",
    [
        ByReadline,
        iter,
        lambda m: m.lines(),
        lambda m: m.find_all(b"xxx\n"),
    ],
    ids=["readline", "iter", "lines", "find_all"],
)
def test_each_line_goes_to_one_thread(tmp_path: Path, walk: Callable[[firmmap.MappedFile], Iterator[Any]]) -> None:
    """G3, G5, N3: lines that are looked for while other threads run are given to one of them each."""
    lines = [b"%05d" % number + b"x" * 200_000 + b"\n" for number in range(60)]
    path = tmp_path / "file"
    path.write_bytes(b"".join(lines))
    with firmmap.open(path) as m:
        expected = list(walk(m))
        assert len(expected) == len(lines)
        for _ in range(5):
            m.seek(0)
            walker = walk(m)
            got: list[Any] = []

            def work(walker: Iterator[Any] = walker, got: list[Any] = got) -> None:
                while (one := next(walker, None)) is not None:
                    got.append(one)

            together(*[work] * THREADS)
            assert sorted(got) == expected
