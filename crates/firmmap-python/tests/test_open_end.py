"""The end of a map is where its file ends: what others append, what they cut off, and who writes in turns with them."""

from __future__ import annotations

import errno
import io
import mmap
import os
import random
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import firmmap
import pytest
from support import PAGE, WINE

Opener = Callable[[Path], Any]


def plain(path: Path) -> Any:
    return open(path, "r+b", buffering=0)


# Elsewhere what a private map has changed cannot move with it.
private_moves = pytest.mark.skipif(sys.platform != "linux", reason="a private map cannot become longer there")

# Its C library remembers that the end was met, until the position is set.
plain_goes_on = pytest.mark.skipif(WINE, reason="in wine 8 a plain file reads nothing more once it was at its end")
OPENERS = [
    pytest.param(lambda path: firmmap.open(path, "r+"), id="r+"),
    pytest.param(lambda path: firmmap.open(path, "r+", capacity=1 << 30), id="with a capacity"),
    pytest.param(lambda path: firmmap.open(path, "r"), id="r"),
    pytest.param(lambda path: firmmap.open(path, "c"), id="c", marks=private_moves),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    return path


def append(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


@pytest.mark.parametrize("opener", [*OPENERS, pytest.param(plain, id="plain", marks=plain_goes_on)])
def test_reading_at_the_end(path: Path, opener: Opener) -> None:
    """G10: every way to read sees what was appended."""
    with opener(path) as m:
        assert (m.read(), m.read(), m.readline()) == (b"one\n", b"", b"")
        append(path, b"two\nthree\n")
        assert (m.readline(), next(m), next(m, None)) == (b"two\n", b"three\n", None)
        append(path, b"fo")
        assert m.readline() == b"fo"
        append(path, b"ur\nfive\n")
        assert m.readlines() == [b"ur\n", b"five\n"]
        append(path, b"six\nsev")
        assert next(m) == b"six\n"
        # Not what was there when the line before was read.
        append(path, b"en\n")
        assert (list(m), list(m)) == ([b"seven\n"], [])
        append(path, b"eight\n" * 3)
        target = bytearray(10)
        assert (m.readinto(target), bytes(target)) == (10, b"eight\neigh")
        assert m.read(100) == b"t\neight\n"
        append(path, b"x" * 100_000)
        end = m.seek(0, 2)
        assert end == os.path.getsize(path)
        append(path, b"y" * 100_000 + b"\nz")
        assert m.readline() == b"y" * 100_000 + b"\n"
        assert m.read() == b"z"


def test_the_methods_that_plain_files_do_not_have(path: Path) -> None:
    """G10: they see it too; what is asked of a byte array does not."""
    with firmmap.open(path) as m:
        m.seek(0, 2)
        append(path, b"two\n")
        assert (len(m), m[-2:], m.find(b"two"), m.size()) == (4, b"e\n", -1, 8)
        assert (m.peek(1)[:1], len(m), m.tell()) == (b"t", 8, 4)
        append(path, b"three\n")
        m.seek(8)
        assert (m.read_byte(), len(m)) == (ord("t"), 14)
        lines = m.lines()
        append(path, b"four\n")
        assert list(lines) == [b"one\n", b"two\n", b"three\n", b"four\n"]
        append(path, b"five\n")
        assert (list(lines), m.find(b"five"), m.read1(), m.find(b"five")) == ([], -1, b"hree\nfour\nfive\n", 19)


def test_a_length_is_kept(path: Path) -> None:
    """G10: who asks for a length gets no more."""
    with firmmap.open(path, length=4) as m:
        append(path, b"two\n")
        assert (m.read(), m.read(), m.seek(0, 2), list(m), len(m)) == (b"one\n", b"", 4, [], 4)
        assert m.refresh() == 8


@private_moves
def test_a_changed_page_of_a_copy(path: Path) -> None:
    """G10, B4: the file's bytes come in behind the old end, though the page is not the file's any more."""
    with firmmap.open(path, "c") as m:
        m[0] = ord("O")
        append(path, b"two\n")
        assert m.readlines() == [b"One\n", b"two\n"]
        with memoryview(m):
            append(path, b"x" * 3 * PAGE)
            # A second mapping would not have the changes.
            assert (m.seek(0, 2), m.read()) == (8, b"")
        assert (m.seek(0, 2), m[:4]) == (8 + 3 * PAGE, b"One\n")


def test_views_keep_what_they_show(path: Path) -> None:
    """G10, A2: a map that has to move for what others append leaves its views behind, which show the same file."""
    with firmmap.open(path, "r+") as m:
        views = []
        for number in range(5):
            views.append(memoryview(m))
            append(path, b"x" * 300_000)
            assert len(m.read()) == 300_000 + 4 * (number == 0)
        assert [len(view) for view in views] == [4 + 300_000 * number for number in range(5)]
        m[0] = ord("O")
        assert {bytes(view[:4]) for view in views} == {b"One\n"}
        views[0][1] = ord("N")
        assert m[:4] == b"ONe\n"
        with pytest.raises(BufferError, match="5 views"):
            m.truncate(3)
        for view in views:
            view.release()
        m.truncate(3)
    assert path.read_bytes() == b"ONe"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_views_give_back_their_mappings(path: Path) -> None:
    """G10: with the last view go the mappings that were left to views."""

    def mappings() -> int:
        return Path("/proc/self/maps").read_text().count(str(path))

    with firmmap.open(path) as m:
        for number in range(3):
            view = memoryview(m)
            append(path, b"x" * (3 << 20 << 2 * number))
            m.seek(0, 2)
            assert mappings() == 2
            view.release()
            assert mappings() == 1
    assert mappings() == 0


@pytest.mark.parametrize("flags", [0, os.O_APPEND], ids=["seek", "O_APPEND"])
def test_writers_in_turns(path: Path, flags: int) -> None:
    """G10: programs that append in turns keep each other's records."""
    path.write_bytes(b"")
    files = [firmmap.open(os.open(path, os.O_RDWR | flags), "r+") for _ in range(3)]
    model = b""
    for number in range(300):
        file = files[number % 3]
        record = b"%d %s\n" % (number, b"x" * number)
        assert file.seek(0, 2) == len(model)
        if number % 5:
            file.write(record)
        else:
            file.writelines(part for part in (record[:3], record[3:]))
        model += record
        assert file.tell() == len(model) == len(file)
    for file in files:
        file.seek(0)
        assert file.read() == model == path.read_bytes()
        file.close()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such descriptors")
@pytest.mark.parametrize("capacity", [None, 1 << 30])
def test_a_descriptor_that_appends(path: Path, capacity: int | None) -> None:
    """G10: nothing is written over, wherever the position is, as with a plain file of such a descriptor."""
    outcomes = []
    for kind in ("plain", "mapped"):
        path.write_bytes(b"one\n")
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        f: Any = firmmap.open(descriptor, "r+", capacity=capacity)
        if kind == "plain":
            f.close()
            f = open(descriptor, "r+b", buffering=0, closefd=False)  # noqa: SIM115
        seen = [f.seek(0), f.write(b"two\n"), f.tell(), f.seek(1), f.read(2)]
        append(path, b"others\n")
        seen += [f.write(b"three\n"), f.tell(), f.read(), f.seek(3)]
        f.writelines(iter([b"four\n", b"five\n" * 1_000_000]))
        seen += [f.tell(), f.truncate(6), f.write(b"!"), f.tell(), f.seek(0), f.read()]
        f.close()
        os.close(descriptor)
        outcomes.append((seen, path.read_bytes()))
    assert outcomes[0] == outcomes[1]


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut there")
def test_a_file_that_was_cut_off(path: Path) -> None:
    """G10, F1: its end is the new one; what cannot be written there is an error, and no hole."""
    with firmmap.open(path, "r+") as m:
        append(path, b"x" * 3 * PAGE)
        assert m.seek(0, 2) == 4 + 3 * PAGE
        os.truncate(path, 2)
        assert (m.seek(0, 2), m.write(b"new")) == (2, 3)
        assert path.read_bytes() == b"onnew"
        with memoryview(m):
            os.truncate(path, 1)
            assert m.seek(0, 2) == 1
            with pytest.raises(firmmap.MapFaultError) as caught:
                m.write(b"lost")
            assert (caught.value.offset, m.tell()) == (1, 1)
        assert m.write(b"kept") == 4
        assert path.read_bytes() == b"okept"


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_failed_write_over_what_others_have_appended(path: Path) -> None:
    """G10: their bytes are there again."""
    code = f"""if True:
        import errno, firmmap, resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        m = firmmap.open({str(path)!r}, "r+")
        open({str(path)!r}, "ab").write(b"what others have appended")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        for place in (2, 4, 8):
            m.seek(place)
            try:
                m.write(b"x" * 5000)
            except OSError as error:
                assert error.errno == errno.EFBIG
            assert m.tell() == place
            assert open({str(path)!r}, "rb").read() == b"one\\nwhat others have appended"
        m.seek(0, 2)
        m.write(b"!")
        print(m[:])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "b'one\\nwhat others have appended!'\n")


@pytest.mark.skipif(not hasattr(os, "statvfs"), reason="the system does not say what is free")
def test_more_than_the_disk_has(path: Path) -> None:
    """G6: refused before anything is taken, with both numbers."""
    with firmmap.open(path, "r+") as m:
        try:
            m.truncate(1 << 45)
        except OSError as error:
            caught = error
        assert caught.errno in (errno.ENOSPC, errno.EFBIG)
        if caught.errno == errno.ENOSPC:
            assert re.search(f"{(1 << 45) - 4} bytes were asked for, and [0-9]+ are free", str(caught))
        assert (len(m), path.read_bytes()) == (4, b"one\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
def test_a_write_after_lines_that_have_met_the_end(path: Path) -> None:
    """G10, G4: who has read the last line of a file that others have cut off writes behind it."""
    path.write_bytes(b"line\n" * 100)
    with firmmap.open(path, "r+") as m:
        os.truncate(path, 250)
        lines = [line for _, line in zip(range(50), m, strict=False)]
        assert (len(lines), m.tell()) == (50, 250)
        assert m.write(b"new\n") == 4
        assert path.read_bytes() == b"line\n" * 50 + b"new\n"


APPENDER = """if True:
    import fcntl, firmmap, os, sys
    path, me, flags, by_lines = sys.argv[1], *map(int, sys.argv[2:])
    m = firmmap.open(os.open(path, os.O_RDWR | flags), "r+", capacity=[None, 1 << 30][me % 2])
    lock = open(path, "rb")

    def records():
        for number in range(200):
            if not flags:
                fcntl.flock(lock, fcntl.LOCK_EX)
                m.seek(0, 2)
            yield b"%d %d %s\\n" % (me, number, b"x" * (number % 70))
            fcntl.flock(lock, fcntl.LOCK_UN)

    if by_lines:
        m.writelines(records())
    else:
        for record in records():
            m.write(record)
            assert m[m.tell() - len(record) : m.tell()] == record
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
@pytest.mark.parametrize("flags", [0, os.O_APPEND], ids=["in turns", "at once"])
@pytest.mark.parametrize("by_lines", [0, 1], ids=["write", "writelines"])
def test_processes_that_append(path: Path, flags: int, by_lines: int) -> None:
    """G10: by turns with a lock, and at once with O_APPEND; no record is lost, none torn."""
    path.write_bytes(b"")
    arguments = [sys.executable, "-c", APPENDER, str(path)]
    children = [subprocess.Popen([*arguments, str(me), str(flags), str(by_lines)]) for me in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    lines = path.read_bytes().splitlines()
    for me in range(4):
        expected = [b"%d %d %s" % (me, number, b"x" * (number % 70)) for number in range(200)]
        assert [line for line in lines if line.startswith(b"%d " % me)] == expected
    assert len(lines) == 800


@pytest.mark.parametrize("capacity", [None, 1 << 32])
def test_threads_append_beside_truncate(path: Path, capacity: int | None) -> None:
    """G6, G10: whoever comes first, neither is an error, as with a plain file."""
    problems = []
    chance = random.Random(1)

    def guarded(work: Callable[[], object]) -> None:
        try:
            for _ in range(60):
                work()
        except Exception as error:
            problems.append(error)

    with firmmap.open(path, "w+", capacity=capacity) as m:

        def add() -> None:
            m.seek(0, 2)
            m.write(b"y" * (2 << 20))

        def cut() -> None:
            m.truncate(chance.randrange(1 << 20, 4 << 20))

        def look() -> None:
            m.seek(0, 2)
            m.read(1)

        threads = [threading.Thread(target=guarded, args=[work]) for work in (add, cut, cut, look)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems
        assert (len(m), m.seek(0, 2)) == (path.stat().st_size,) * 2


@pytest.mark.skipif(sys.platform == "win32", reason="there the map has no descriptor")
def test_truncate_goes_by_the_descriptors_position(path: Path) -> None:
    """G3, G10: where a child has written, the file is cut behind that."""
    path.write_bytes(b"old and longer contents\n" * 3)
    with firmmap.open(path, "r+") as m:
        os.write(m.fileno(), b"new contents\n")
        assert m.truncate() == 13
    assert path.read_bytes() == b"new contents\n"


def record_index(f: Any) -> list[Any]:
    """A generator that asks for the position, goes back, looks at what was written, and writes by itself."""
    seen: list[Any] = []

    def records() -> Iterator[bytes]:
        yield b"[header]"
        for number in range(5):
            seen.append(f.tell())
            yield b"record %d\n" % 10**number
        end = f.tell()
        f.seek(0)
        seen.append((f.read(), f.read(), f.readline(), f.seek(0)))
        f.write(b"<HEADER>")
        seen.append(f.seek(end))
        yield b"more\n"
        f.writelines(iter([b"inner 1\n", b"inner 2\n"]))
        yield b"last\n"
        f.flush()
        seen.append(f.seek(-5, 2))
        seen.append(list(f))
        yield b""
        seen.append(f.truncate())

    f.writelines(records())
    seen.append(f.tell())
    f.seek(0)
    return [*seen, f.read()]


def test_a_generator_that_uses_the_file(path: Path) -> None:
    """G3, G10: it finds what it has given written, whatever it asks."""
    with io.BytesIO() as model:
        expected = record_index(model)
    for capacity in (None, 1 << 20):
        with firmmap.open(path, "w+", capacity=capacity) as m:
            assert record_index(m) == expected
        assert path.read_bytes() == expected[-1]


LOOKS: dict[str, Callable[[Any], Any]] = {
    "len": len,
    "index": lambda m: m[-1],
    "slice": lambda m: m[:],
    "find": lambda m: m.find(b"a line"),
    "count": lambda m: m.count(b"\n"),
    "in": lambda m: b"a line" in m,
    "tell": lambda m: m.tell(),
    "size": lambda m: m.size(),
    "view": lambda m: bytes(memoryview(m)),
    "repr": lambda m: repr(m).split("length")[1],
    "lines": lambda m: list(m.lines()),
    "find_all": lambda m: list(m.find_all(b"\n")),
    "next": lambda m: (m.seek(0), next(m), m.seek(0, 2))[1],
    "readline": lambda m: (m.seek(0), m.readline(), m.seek(0, 2))[1],
    "getsize": lambda m: (m.flush(), os.path.getsize(m.name))[1],
    "refresh": lambda m: m.refresh(),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork(2)")
def test_a_generator_that_forks_beside_private_memory(path: Path) -> None:
    """G7: what was yielded is in the child's memory too, which the parent's later lines do not reach."""
    path.write_bytes(b"." * 12)
    with firmmap.open(path, "c") as m:

        def lines() -> Iterator[bytes]:
            yield b"one\n"
            child = os.fork()
            if child == 0:
                os._exit(0 if (m[:], m.tell()) == (b"one\n........", 4) else 1)
            assert os.waitpid(child, 0)[1] == 0
            yield b"two\n"

        m.writelines(lines())
        assert m[:] == b"one\ntwo\n...."


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork(2)")
@pytest.mark.parametrize("mode", ["r+", "a+"])
@pytest.mark.parametrize("writes", [False, True])
def test_a_generator_that_forks(path: Path, mode: Any, writes: bool) -> None:
    """G7: what was yielded is written once, before the fork."""
    path.write_bytes(b"start\n")
    with firmmap.open(path, mode) as m:
        m.seek(0, 2)

        def lines() -> Iterator[bytes]:
            yield b"one\n"
            yield b"two\n"
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    if writes:
                        m.write(b"child\n")
                    m.close()
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
            yield b"three\n"

        m.writelines(lines())
    data = path.read_bytes()
    # The child has a position of its own, but the end of the file is one for all.
    assert data.replace(b"child\n", b"") == b"start\none\ntwo\nthree\n"
    assert data.count(b"child\n") == (writes and mode == "a+")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork(2)")
@pytest.mark.parametrize("mode", ["r+", "a+"])
def test_a_generator_that_goes_on_in_a_child(path: Path, mode: Any) -> None:
    """G7: as a daemon does, whose parent ends at once. Of a descriptor that is shared, each process has a copy."""
    path.write_bytes(b"start\n")
    program = os.fork()
    if program == 0:
        m = firmmap.open(path, mode)
        m.seek(0, 2)

        def lines() -> Iterator[bytes]:
            yield b"one\n"
            if child := os.fork():
                os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            yield b"two\n"
            yield b"three\n"

        status = 1
        try:
            m.writelines(lines())
            m.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(program, 0)[1] == 0
    assert path.read_bytes() == b"start\none\ntwo\nthree\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork(2)")
def test_a_fork_while_another_thread_writes_lines() -> None:
    """G7: shared memory has the lines once, of the process whose thread it is."""
    m = firmmap.anonymous(4096)
    begun, goes_on = threading.Event(), threading.Event()

    def lines() -> Iterator[bytes]:
        yield b"AAAA"
        begun.set()
        goes_on.wait()
        yield b"BBBB"

    thread = threading.Thread(target=lambda: m.writelines(lines()))
    thread.start()
    begun.wait()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        m.close()
        os._exit(0)
    goes_on.set()
    thread.join()
    m.seek(0)
    m.write(b"new!new!")
    os.write(writer, b"x")
    assert os.waitpid(child, 0)[1] == 0
    os.close(reader)
    os.close(writer)
    assert m[:8] == b"new!new!"
    m.close()


def test_a_generator_that_has_a_view(path: Path) -> None:
    """G3: it shows what was yielded, and what is stored through it stays."""
    path.write_bytes(b"........")
    for m in (firmmap.anonymous(8), firmmap.open(path, "r+")):
        with m, memoryview(m) as view:

            def lines(view: memoryview) -> Iterator[bytes]:
                yield b"aaaa"
                assert bytes(view[:4]) == b"aaaa"
                view[:4] = b"bbbb"

            m.writelines(lines(view))
            assert m[:4] == b"bbbb"


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut there")
@pytest.mark.parametrize("ends", ["thread", "exit"])
def test_lines_of_a_program_that_ends(path: Path, ends: str) -> None:
    """G3: those that a daemon thread has yielded, whose generator does not go on, are written."""
    program = """
        import sys, threading, time
        import firmmap
        m = firmmap.open(sys.argv[1], "w+")
        begun = threading.Event()
        def lines():
            for number in range(900):
                yield b"%d\\n" % number
            begun.set()
            time.sleep(1000)
        threading.Thread(target=lambda: m.writelines(lines()), daemon=True).start()
        begun.wait()
        if sys.argv[2] == "exit":
            sys.exit(0)
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(program), str(path), ends])
    assert done.returncode == 0
    assert path.read_bytes() == b"".join(b"%d\n" % number for number in range(900))


@pytest.mark.parametrize("size", [10, 300_000])
@pytest.mark.parametrize("looks", [False, True])
def test_others_append_while_a_generator_runs(path: Path, looks: bool, size: int) -> None:
    """G10: each line goes where an unbuffered file writes it."""
    openers: list[Callable[[], Any]] = [
        lambda: firmmap.open(path, "r+"),
        lambda: open(path, "r+b", buffering=0),  # noqa: SIM115
    ]
    outcomes = []
    for opener in openers:
        path.write_bytes(b"")
        with opener() as file:

            def lines(file: Any) -> Iterator[bytes]:
                for number in range(5):
                    yield b"%d" % number * size + b"\n"
                    append(path, b"theirs %d\n" % number)
                    if looks and number % 2:
                        assert file.seek(0, 2) == path.stat().st_size

            file.writelines(lines(file))
            outcomes.append((file.tell(), path.read_bytes()))
    assert outcomes[0] == outcomes[1]


THREADS: dict[str, Callable[[Any], Any]] = {
    "write": lambda f: f.write(b"theirs\n"),
    "descriptor": lambda f: os.write(f.fileno(), b"theirs\n"),
    "seek": lambda f: f.seek(0),
    "read": lambda f: (f.seek(0), f.read()),
    "readline": lambda f: (f.seek(-2, 1), f.readline()),
    "tell": lambda f: f.tell(),
    "truncate": lambda f: f.truncate(),
    "end": lambda f: f.seek(0, 2),
    "size": lambda f: (f.flush(), os.path.getsize(f.name)),
    "close": lambda f: f.close(),
}


@pytest.mark.parametrize("name", THREADS)
def test_another_thread_while_a_generator_runs(path: Path, name: str) -> None:
    """G3: it finds in the file what was yielded, as with an unbuffered file."""
    if sys.platform == "win32" and name == "descriptor":
        pytest.skip("maps have no descriptor there")
    openers: list[Callable[[], Any]] = [
        lambda: firmmap.open(path, "w+"),
        lambda: open(path, "w+b", buffering=0),  # noqa: SIM115
    ]
    outcomes: list[Any] = []
    with ThreadPoolExecutor(1) as pool:
        for opener in openers:
            file = opener()
            file.write(b"0123456789\n")

            def lines(file: Any, seen: list[Any]) -> Iterator[bytes]:
                yield b"one\n"
                seen.append(pool.submit(THREADS[name], file).result())
                yield b"two\n"

            seen: list[Any] = []
            try:
                file.writelines(lines(file, seen))
            except ValueError:
                seen.append("closed")
            file.close()
            outcomes.append((seen, path.read_bytes()))
    assert outcomes[0] == outcomes[1]


@pytest.mark.skipif(sys.platform == "win32", reason="maps have no descriptor there")
@pytest.mark.parametrize("mode", ["r+", "a+"])
def test_a_generator_that_has_the_descriptor(path: Path, mode: Any) -> None:
    """G3: they have one position."""

    def lines(descriptor: int) -> Iterator[bytes]:
        yield b"one\n"
        os.write(descriptor, b"two\n")
        yield b"three\n"
        os.lseek(descriptor, 2, 0)
        yield b"four\n"
        os.ftruncate(descriptor, 12)
        yield b"five\n"

    results = []
    openers: list[Callable[[], Any]] = [
        lambda: firmmap.open(path, mode),
        lambda: open(path, mode.replace("+", "b+"), buffering=0),  # noqa: SIM115
    ]
    for opener in openers:
        path.write_bytes(b"")
        with opener() as file:
            file.writelines(lines(file.fileno()))
        results.append(path.read_bytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("name", LOOKS)
def test_a_generator_that_looks(path: Path, name: str) -> None:
    """G3: as if each line had been written by itself; also through iterators that were made before."""
    look = LOOKS[name]
    seen: list[list[Any]] = []
    for at_once in (True, False):
        path.write_bytes(b"")
        with firmmap.open(path, "r+") as m:
            found = []

            def lines() -> Iterator[bytes]:
                for number in range(3):
                    yield b"a line %d\n" % number
                    found.append(look(m))  # noqa: B023

            if at_once:
                m.writelines(lines())
            else:
                for line in lines():
                    m.write(line)
            seen.append([*found, m[:]])
    assert seen[0] == seen[1]


def test_iterators_that_a_generator_goes_on_with(path: Path) -> None:
    """G3: what they give is what is written by then."""
    path.write_bytes(b"1\n2\n3\n4\n5\n")
    with firmmap.open(path, "r+") as m:
        lines, places = m.lines(), m.find_all(b"X")
        assert next(lines) == b"1\n"
        seen = []

        def parts() -> Iterator[bytes]:
            yield b"1\nX\n"
            seen.append((next(lines), next(places)))
            yield b"Y\nX\n"
            seen.append((next(lines), next(places)))

        m.writelines(parts())
    assert seen == [(b"X\n", 2), (b"Y\n", 6)]


def test_a_generator_that_closes(path: Path) -> None:
    """G3: what it has given before is written; what it gives then is refused."""
    m = firmmap.open(path, "w+")

    def lines() -> Iterator[bytes]:
        yield b"before\n"
        m.close()
        yield b"behind\n"

    with pytest.raises(ValueError, match="closed"):
        m.writelines(lines())
    assert (m.closed, path.read_bytes()) == (True, b"before\n")

    m = firmmap.open(path, "w+")

    def more() -> Iterator[bytes]:
        yield b"all\n"
        m.close()

    m.writelines(more())
    assert (m.closed, path.read_bytes()) == (True, b"all\n")


def test_another_thread_closes(path: Path) -> None:
    """G3: what was yielded is not lost."""
    m = firmmap.open(path, "w+")

    def lines() -> Iterator[bytes]:
        yield b"a line\n"
        thread = threading.Thread(target=m.close)
        thread.start()
        thread.join()

    m.writelines(lines())
    assert path.read_bytes() == b"a line\n"


class Telling:
    """Bytes that look at the file when they are asked for (CPython 3.12 and newer), and when they are gone."""

    def __init__(self, m: Any, seen: list[int]) -> None:
        self.m, self.seen = m, seen

    def __buffer__(self, flags: int) -> memoryview:
        self.seen.append(self.m.tell())
        return memoryview(b"12345")

    def __del__(self) -> None:
        self.seen.append(self.m.tell())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes have no buffers there")
def test_lines_that_use_the_file(path: Path) -> None:
    """G3: also in a list, which runs no code by itself."""
    seen: list[int] = []
    with firmmap.open(path, "w+") as m:
        m.writelines([b"ab", *(Telling(m, seen) for _ in range(1)), b"cd"])
        m.writelines(Telling(m, seen) for _ in range(2))
        assert seen[:1] == [2]
        assert sorted(seen) == [2, 9, 9, 14, 14, 19]
        assert m[:] == b"ab" + b"12345" + b"cd" + b"12345" * 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize("is_read_only", [True, False])
def test_an_end_that_views_keep_the_map_from(path: Path, is_read_only: bool) -> None:
    """G10: after a seek to the end of a file that was cut off, reads go on from there, as those of a plain file."""
    path.write_bytes(b"." * 200)
    with firmmap.open(path, "r" if is_read_only else "r+") as m, memoryview(m), path.open("rb", buffering=0) as file:
        os.truncate(path, 100)
        for one in (m, file):
            assert one.seek(0, 2) == 100
            assert (one.read(10), one.readline(), next(one, None)) == (b"", b"", None)
        append(path, b"new\nand more\n")
        for one in (m, file):
            assert one.read(10) == b"new\nand mo"
            assert one.read(10) == b"re\n"
            assert one.read(10) == b""
        append(path, b"a line\nanother\n")
        for one in (m, file):
            assert (one.readline(), next(one), next(one, None)) == (b"a line\n", b"another\n", None)
        append(path, b"." * 200)
        for one in (m, file):
            assert one.read() == b"." * 200


CUTTER = """
import os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDWR)
while sys.stdin.buffer.read(1):
    end = time.perf_counter() + 0.0002
    while time.perf_counter() < end:
        pass
    os.ftruncate(descriptor, 100)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="how a file is cut off while it is read is the system's")
@pytest.mark.parametrize("way", ["read", "readinto", "peek", "readlines", "lines", "find_all", "readline", "next"])
def test_no_zeros_while_a_file_is_cut_off(path: Path, way: str) -> None:
    """F1, F8: the end of the file is asked for after a read that reaches it, not before."""
    data = b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXY\n" * 60
    if way == "next":
        data = data.replace(b"\n", b".")
    path.write_bytes(data)
    buffer = bytearray(6000)

    def bytes_of(m: Any) -> bytes:
        m.seek(0)
        if way == "readinto":
            count = m.readinto(buffer)
            return bytes(buffer[:count])
        if way == "find_all":
            # As many as there are lines, or an error.
            return data if len(list(m.find_all(b"\n"))) == 60 else b"\0"
        if way == "next":
            # Without a newline.
            return bytes(next(m))
        if way == "readline":
            # The last one.
            m.seek(len(data) - 62)
            return data[:-62] + bytes(m.readline())
        return b"".join(getattr(m, way)(*[6000] * (way == "peek")) if "lines" in way else [getattr(m, way)(6000)])

    with subprocess.Popen([sys.executable, "-c", CUTTER, path], stdin=subprocess.PIPE) as cutter:
        assert cutter.stdin
        for _ in range(200):
            with path.open("wb") as file:
                file.write(data)
            with firmmap.open(path, "r") as m:
                cutter.stdin.write(b"x")
                cutter.stdin.flush()
                with pytest.raises(firmmap.MapFaultError):
                    while True:
                        assert bytes_of(m) == data
        cutter.stdin.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize("mode", ["r", "c"])
@pytest.mark.parametrize("end", [None, 200])
@pytest.mark.parametrize("needle", [b"\n", b"y\n"])
def test_matches_behind_zeros(path: Path, needle: bytes, end: int | None, mode: str) -> None:
    """F1, F8: a match that is found behind the zeros in place of cut off bytes is none, as those before it are missing.

    The system zeroes the last page from the new end on, and a search can be ahead of it.
    """
    path.write_bytes(b"...xy\n" * 50)
    with firmmap.open(path, mode) as m, memoryview(m), path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as other:
        os.truncate(path, 15)
        place = end or 300
        other[place - 2 : place] = b"y\n"
        found = []
        with pytest.raises(firmmap.MapFaultError) as caught:
            for match in m.find_all(needle, 0, end):
                found.append(match)
        assert (len(found), caught.value.offset) == (2, 15)


def numbered_line(lines: Iterator[Any]) -> bytes:
    _, line = next(lines)
    return bytes(line)


LINE_WAYS: dict[str, Callable[[Any], Any]] = {
    "readline": lambda m: m.readline,
    "readline with a limit": lambda m: partial(m.readline, 200),
    "next": lambda m: m.__next__,
    "lines": lambda m: m.lines().__next__,
    "containing": lambda m: m.lines(containing=b"\n").__next__,
    "several": lambda m: m.lines(containing=[b"\n", b"y"]).__next__,
    "numbered": lambda m: partial(numbered_line, m.lines(numbered=True)),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize("way", LINE_WAYS)
@pytest.mark.parametrize("views", [False, True])
def test_lines_with_zeros(path: Path, way: str, views: bool) -> None:
    """F1, F8: no line has zeros in place of cut off bytes, also where its newline is there.

    The system zeroes the last page from the new end on, and a read can be ahead of it.
    """
    path.write_bytes(b"...xy\n" * 50)
    with firmmap.open(path, "r+") as m, path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as other:
        view = memoryview(m) if views else None
        line = LINE_WAYS[way](m)
        os.truncate(path, 15)
        other[99] = ord("\n")
        assert [line(), line()] == [b"...xy\n"] * 2
        for _ in range(2):
            with pytest.raises(firmmap.MapFaultError) as caught:
                line()
            assert caught.value.offset in range(12, 16)
        del view
        path.write_bytes(b"zero\0!\n" * 100)
    with firmmap.open(path) as m:
        line = LINE_WAYS[way](m)
        assert [line() for _ in range(100)] == [b"zero\0!\n"] * 100


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize("needle", [b".\0", b"\0", b"\0\0"])
@pytest.mark.parametrize("distance", [100, 2 * PAGE, 100 * PAGE])
def test_matches_of_zeros(path: Path, needle: bytes, distance: int) -> None:
    """F1, F8: zeros in place of cut off bytes match nothing, however far from where the search begins."""
    end = 110 * PAGE + 100
    path.write_bytes(b"." * (end + 50))
    with firmmap.open(path) as m:
        found = m.find_all(needle, end - distance)
        os.truncate(path, end)
        with pytest.raises(firmmap.MapFaultError) as caught:
            next(found)
        assert caught.value.offset == end


@pytest.mark.skipif(sys.platform != "linux", reason="O_DIRECT")
@pytest.mark.parametrize("mode", ["r+", "a+"])
def test_a_descriptor_that_appends_past_the_cache(path: Path, mode: str) -> None:
    """G10: with O_DIRECT, too, a write of a descriptor with O_APPEND goes to the end."""
    path.write_bytes(b"0123456789")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_DIRECT)
    except OSError as error:
        assert error.errno == errno.EINVAL
        pytest.skip("this file system does not know O_DIRECT")
    with firmmap.open(descriptor, mode, closefd=True) as m:
        for place, expected in ((2, b"0123456789XY"), (5, b"0123456789XYXY")):
            m.seek(place)
            m.write(b"XY")
            assert (path.read_bytes(), m.tell()) == (expected, len(expected))


def test_what_others_have_appended_is_cut_off_beside_a_view(path: Path) -> None:
    """G6: the map keeps its length, and its memory; Windows cuts off no file of which a part is mapped."""
    path.write_bytes(b"abc")
    with firmmap.open(path, "r+") as m, memoryview(m) as view:
        append(path, b"def")
        if sys.platform == "win32":
            with pytest.raises(OSError, match="1224"):
                m.truncate(3)
            assert path.read_bytes() == b"abcdef"
        else:
            assert m.truncate(3) == 3
            assert path.read_bytes() == b"abc"
        assert (bytes(view), len(m)) == (b"abc", 3)


@pytest.mark.skipif(sys.platform == "win32", reason="maps have no descriptor there")
@pytest.mark.parametrize("whence", [0, 1, 2])
def test_a_position_that_no_file_has(path: Path, whence: int) -> None:
    """G3: once the descriptor was given away, its position and that of the map stay the same."""
    with firmmap.open(path, "r+") as m, path.open("r+b", buffering=0) as file:
        descriptor = m.fileno()
        for one in (m, file):
            one.seek(2)
        for one in (file, m):
            if sys.platform == "linux":
                with pytest.raises(OSError) as caught:
                    one.seek(sys.maxsize - 5, whence)
                assert caught.value.errno == errno.EINVAL
        assert m.tell() == os.lseek(descriptor, 0, os.SEEK_CUR) == 2
        os.write(descriptor, b"X")
        assert m.tell() == 3
    assert path.read_bytes() == b"onX\n"
