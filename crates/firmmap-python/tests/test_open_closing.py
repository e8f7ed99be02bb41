"""close() ends the object and not the views; no descriptor, no mapping, holes; words of mistakes."""

from __future__ import annotations

import errno
import gc
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import firmmap
import pytest
from support import PAGE

TEXT = b"a line of text\n" * 2000

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
only_unix = pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be cut there")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    return path


def open_on(path: Path) -> tuple[int, int]:
    """How many descriptors and how many mappings of a file there are."""
    numbers = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    links = [os.readlink(number) for number in numbers if os.path.lexists(number)]
    maps = Path("/proc/self/maps").read_text().splitlines()
    return links.count(str(path)), sum(line.endswith(str(path)) for line in maps)


def test_an_array_that_is_left(path: Path) -> None:
    """G11: a `with` block that leaves an array behind is no error, and the array is the file's after it."""
    numpy = pytest.importorskip("numpy")
    with firmmap.open(path, "r+") as m:
        array = numpy.frombuffer(m, dtype="u1")
    assert m.closed
    assert array.tobytes() == TEXT
    array[0] = ord("A")
    del array
    assert path.read_bytes() == b"A" + TEXT[1:]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_dlpack(path: Path, mode: str) -> None:
    """A2, G11, F3: the array shares the map's memory, keeps it mapped and is guarded, whoever drops it."""
    numpy = pytest.importorskip("numpy", "2.1")
    m = firmmap.open(path, mode)
    assert m.__dlpack_device__() == (1, 0)
    array = numpy.from_dlpack(m)
    assert (array.dtype, array.shape, array.flags.writeable) == (numpy.uint8, (len(TEXT),), mode != "r")
    assert array.tobytes() == TEXT
    if mode != "r":
        array[0] = ord("A")
        assert m[:2] == b"A "
        m[1] = ord("B")
        assert array[1] == ord("B")
    with pytest.raises(BufferError, match="view"):
        m.resize(10) if mode == "r+" else m.protect(firmmap.PROT_READ)
    assert numpy.from_dlpack(m, copy=True).base is not m
    if mode == "r":
        with pytest.raises(BufferError):
            m.__dlpack__()
    m.close()
    gc.collect()
    assert array[2:].tobytes() == TEXT[2:] and open_on(path)[1] == 1
    os.truncate(path, PAGE)
    with pytest.raises(firmmap.MapFaultError):
        array.sum()
    held = [array]
    del array
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    gc.collect()
    assert open_on(path) == (0, 0)


def test_dlpack_of_nothing(path: Path) -> None:
    """A2, C1: an unused capsule gives the view back; an unknown argument, a closed map, an empty one."""
    numpy = pytest.importorskip("numpy", "2.1")
    with firmmap.open(path, "r+") as m:
        capsule = m.__dlpack__(max_version=(1, 0))
        with pytest.raises(BufferError):
            m.truncate(10)
        del capsule
        gc.collect()
        with pytest.raises(TypeError):
            cast(Any, m).__dlpack__(color=1)
        with pytest.raises(TypeError):
            cast(Any, m).__dlpack__(1)
        m.truncate(0)
        assert len(numpy.from_dlpack(m)) == 0
    for call in (m.__dlpack__, m.__dlpack_device__):
        with pytest.raises(ValueError, match="closed"):
            call()


@only_linux
def test_the_last_view_unmaps(path: Path) -> None:
    """G11: descriptor and mapping go with the last view, and not before."""
    m = firmmap.open(path, "r+")
    views = [memoryview(m) for _ in range(3)]
    m.close()
    m.close()
    for view in views:
        assert open_on(path) == (1, 1)
        assert view[1:6] == TEXT[1:6]
        view.release()
    assert open_on(path) == (0, 0)


@only_unix
@pytest.mark.parametrize("end", ["with", "close", "del"])
def test_views_of_a_closed_map_are_guarded(path: Path, end: str) -> None:
    """G11, F3: a page that is missing is an exception, and what was lost through them is told."""
    m: Any = firmmap.open(path, "r+")
    view = memoryview(m)
    if end == "with":
        with m:
            pass
    elif end == "close":
        m.close()
    del m
    os.truncate(path, 0)

    def touch() -> None:
        for _ in range(1000):
            bytes(view[PAGE : PAGE + 10])

    with pytest.raises(firmmap.MapFaultError):
        touch()
    path.write_bytes(TEXT)


@only_unix
def test_a_write_that_a_view_of_a_closed_map_has_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G11, F8: in the last page too, when the last view is gone."""
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_value))
    path.write_bytes(b"x" * 100)
    with firmmap.open(path, "r+") as m:
        view = memoryview(m)
    os.truncate(path, 50)
    view[70] = 1
    view.release()
    assert [error.offset for error in told] == [70]


def test_views_that_go_in_other_threads_and_circles(path: Path) -> None:
    """G11: whoever has the last one, nothing leaks and nothing crashes."""

    class Circle(firmmap.MappedFile):
        view: memoryview

    for _ in range(20):
        m = firmmap.open(path)
        views = [memoryview(m) for _ in range(8)]
        threads = [threading.Thread(target=view.release) for view in views]
        for thread in threads[:4]:
            thread.start()
        m.close()
        for thread in threads[4:]:
            thread.start()
        for thread in threads:
            thread.join()
        circle = Circle(path)
        circle.view = memoryview(circle)
        circle.close()
        del circle
    gc.collect()
    if sys.platform == "linux":
        assert open_on(path) == (0, 0)


def test_views_at_exit(path: Path) -> None:
    """G11: nothing is reported of arrays that are left at the end of a program."""
    code = """
import firmmap, sys
with firmmap.open(sys.argv[1], "r+") as m:
    view = memoryview(m)
class Ours(firmmap.MappedFile): pass
with Ours(sys.argv[1]) as other:
    other.view = memoryview(other)
"""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code, path], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@only_linux
def test_keep_file(path: Path) -> None:
    """G12: no descriptor is kept; the bytes can be read and written, and what needs the file says so."""
    with firmmap.open(path, "r+", keep_file=False) as m:
        assert open_on(path) == (0, 1)
        m.write(b"A LINE")
        assert (m[:6], m.readline(), m.mode) == (b"A LINE", b" of text\n", "rb+")
        m.flush()
        m.seek(0, 2)
        for call in (lambda: m.write(b"more"), lambda: m.truncate(3), m.fileno):
            with pytest.raises(io.UnsupportedOperation):
                call()  # type: ignore[no-untyped-call]
        with pytest.raises(io.UnsupportedOperation, match="keep_file=False"):
            m.write(b"more")
    assert path.read_bytes().startswith(b"A LINE of")
    with pytest.raises(ValueError, match="keep_file"):
        firmmap.open(path, "a+", keep_file=False)


@only_linux
def test_many_files_without_descriptors(tmp_path: Path) -> None:
    """G12: 10,000 files are open where a process may have 1,024 descriptors."""
    code = """
import resource, sys
import firmmap
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
files = [firmmap.open(f"{sys.argv[1]}/{number}", keep_file=False) for number in range(2000)]
assert all(m[:] == b"%d" % number for number, m in enumerate(files))
for m in files: m.close()
"""
    for number in range(2000):
        (tmp_path / str(number)).write_bytes(b"%d" % number)
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


LOADED: list[dict[str, Any]] = [{}, {"offset": 3}, {"offset": 3, "length": 10}, {"length": 0}, {"offset": len(TEXT)}]


@pytest.mark.parametrize("arguments", LOADED, ids=str)
@pytest.mark.parametrize("mode", ["r", "rb", "c"])
def test_load(path: Path, mode: str, arguments: dict[str, Any]) -> None:
    """G12: what is read into memory is the same object as what is mapped."""
    with firmmap.open(path, mode, load=True, **arguments) as m, firmmap.open(path, mode, **arguments) as mapped:
        assert (m[:], m.mode, m.name, m.readline(), m.tell()) == (
            *(mapped[:], mapped.mode, mapped.name, mapped.readline(), mapped.tell()),
        )
        assert memoryview(m).readonly == memoryview(mapped).readonly
        os.utime(path)
        if mode == "c" and len(m):
            m[0] = 7
            assert (m[0], mapped[0] == 7) == (7, False)
        elif len(m):
            with pytest.raises(TypeError):
                m[0] = 7
        with pytest.raises(io.UnsupportedOperation):
            m.fileno()
    assert path.read_bytes() == TEXT


def test_load_refuses(path: Path) -> None:
    """G12, G2: modes that write, and ranges that are not there."""
    for mode in ("r+", "w+", "a+", "x+"):
        with pytest.raises(ValueError, match="load=True"):
            firmmap.open(path, mode, load=True)
    with pytest.raises(ValueError, match=f"{len(TEXT) + 1}"):
        firmmap.open(path, load=True, length=len(TEXT) + 1)
    with pytest.raises(ValueError, match=f"{len(TEXT) + 1}"):
        firmmap.open(path, load=True, offset=len(TEXT) + 1)
    with pytest.raises(FileNotFoundError) as caught:
        firmmap.open(path.with_name("none"), load=True)
    assert caught.value.filename == str(path.with_name("none")) or caught.value.filename == path.with_name("none")
    assert path.read_bytes() == TEXT


def write_and_close(descriptor: int) -> None:
    os.write(descriptor, b"0123456789" * 100_000)
    os.close(descriptor)


@only_linux
def test_load_what_cannot_be_mapped() -> None:
    """G12: files of /proc, and pipes, at an offset too."""
    with pytest.raises(OSError, match="load=True"):
        firmmap.open("/proc/cpuinfo")
    with firmmap.open("/proc/cpuinfo", load=True) as m:
        assert m[:].split(b"\n")[0] == Path("/proc/cpuinfo").read_bytes().split(b"\n")[0]
    for arguments, expected in (({}, b"0123456789" * 100_000), ({"offset": 3, "length": 4}, b"3456")):
        read, write = os.pipe()
        writer = threading.Thread(target=write_and_close, args=[write])
        if arguments:
            os.write(write, b"0123456789")
            os.close(write)
        else:
            writer.start()
        with firmmap.open(read, load=True, **arguments) as m:  # type: ignore[call-overload]
            assert m[:] == expected
        if not arguments:
            writer.join()
        os.close(read)
    read, write = os.pipe()
    os.write(write, b"012")
    os.close(write)
    with pytest.raises(ValueError, match=r"offset 5.*3 bytes"):
        firmmap.open(read, load=True, offset=5)
    os.close(read)


@only_unix
def test_a_signal_ends_the_loading_of_a_pipe() -> None:
    """G12, C16: a handler that raises is heard while a pipe is waited for."""
    read, write = os.pipe()

    def handler(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(TimeoutError):
            firmmap.open(read, load=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        os.close(read)
        os.close(write)


@only_linux
def test_sparse(tmp_path: Path) -> None:
    """G6: on request a file grows by holes, when it is opened, truncated and written to."""
    path = tmp_path / "sparse"
    with firmmap.open(path, "w+", length=64 << 20, sparse=True) as m:
        assert path.stat().st_blocks == 0
        m.truncate(128 << 20)
        m[100 << 20] = 1
        m.seek(0, 2)
        m.write(b"end")
        assert path.stat().st_blocks * 512 < 1 << 20
        assert (len(m), m[100 << 20], m[-3:]) == ((128 << 20) + 3, 1, b"end")
    with firmmap.open(path, "w+", length=1 << 20, sparse=True) as m:
        assert (path.stat().st_blocks, m.count(b"\0")) == (0, 1 << 20)
    with pytest.raises(ValueError, match="sparse"):
        firmmap.open(path, "r", sparse=True)


@only_linux
def test_a_copy_of_more_than_memory(tmp_path: Path) -> None:
    """G6: mode "c" takes memory for what is changed only, so that a file can be larger than that."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(4 << 40)
    with firmmap.open(path, "c") as m:
        m[3 << 40] = 1
        assert (len(m), m[3 << 40]) == (4 << 40, 1)


@only_unix
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_closefd_of_a_loss_with_a_view(path: Path) -> None:
    """G3, G11, F3: the descriptor is closed also where close() has a loss to tell, and views go on."""
    path.write_bytes(bytes(2 * PAGE))
    fd = os.open(path, os.O_RDWR)
    m = firmmap.open(fd, "r+", closefd=True)
    view = memoryview(m)
    os.truncate(path, PAGE + 10)
    m[PAGE + 900] = 1
    with pytest.raises(firmmap.MapFaultError):
        m.close()
    assert m.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    view.release()


@only_unix
def test_loss_is_told_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G11, F8: what flush() or close() has told of is not told again when the last view goes; later losses are."""
    path.write_bytes(bytes(2 * PAGE))
    for end in ("close", "flush"):
        for late in (False, True):
            told: list[Any] = []
            monkeypatch.setattr(sys, "unraisablehook", lambda args, told=told: told.append(args.exc_value))
            os.truncate(path, 2 * PAGE)
            m = firmmap.open(path, "r+")
            view = memoryview(m)
            os.truncate(path, PAGE + 10)
            m[PAGE + 900] = 1
            view[PAGE + 700] = 1
            with pytest.raises(firmmap.MapFaultError) as caught:
                getattr(m, end)()
            assert caught.value.offset == PAGE + 900
            if late:
                view[PAGE + 800] = 1
            elif end == "flush":
                m.flush()
            view.release()
            if end == "close":
                assert [error.offset for error in told] == [PAGE + 800] * late
            else:
                assert told == []
                with pytest.raises(firmmap.MapFaultError) if late else nullcontext():
                    m.close()


@only_unix
@pytest.mark.parametrize("cut", [0, 100, PAGE, PAGE + 1, 6000])
@pytest.mark.parametrize("first", [None, PAGE + 50])
def test_lost_write_is_told_wherever_the_file_ends(path: Path, cut: int, first: int | None) -> None:
    """F8, G11: within its last page, at a border of pages, and before all of it."""
    path.write_bytes(bytes(2 * PAGE))
    with firmmap.open(path, "r+") as m:
        if first is not None:
            os.truncate(path, first)
        m[6903] = 1
        os.truncate(path, cut if first is None else min(cut, first))
        with pytest.raises(firmmap.MapFaultError) as caught:
            m.flush()
        assert caught.value.offset == 6903
        m.flush()


@only_unix
@pytest.mark.parametrize("again", ["cut further", "made whole", "flushed whole", "written anew"])
def test_second_loss_at_one_place_is_told(path: Path, again: str) -> None:
    """F8, G11: also where a view writes the same byte there."""
    path.write_bytes(bytes(PAGE))
    m = firmmap.open(path, "r+")
    view = memoryview(m)
    os.truncate(path, 100)
    view[200] = 1
    with pytest.raises(firmmap.MapFaultError):
        m.flush()
    if again == "cut further":
        os.truncate(path, 50)
    elif again == "written anew":
        path.write_bytes(b"y" * 100)
    else:
        os.truncate(path, PAGE)
        if again == "flushed whole":
            m.flush()
        os.truncate(path, 100)
    assert view[200] == 0
    view[200] = 1
    with pytest.raises(firmmap.MapFaultError) as caught:
        m.flush()
    assert caught.value.offset == 200
    view.release()
    m.close()


@only_unix
@pytest.mark.parametrize("length", [3 * PAGE, 3 << 20])
def test_write_that_fails_is_told_once(path: Path, length: int) -> None:
    """F1, G11: by the write, and not by flush() and close() again."""
    path.write_bytes(bytes(length))
    with firmmap.open(path, "r+") as m:
        os.truncate(path, length - 2 * PAGE + 10)
        with pytest.raises(firmmap.MapFaultError):
            m.write(b"y" * length)
        assert m.tell() == 0
        m.flush()


@only_unix
def test_child_is_not_told_of_what_its_parent_has_written(path: Path) -> None:
    """G11: close() in a forked child tells of its own lost writes only."""
    path.write_bytes(bytes(2 * PAGE))
    m = firmmap.open(path, "r+")
    m[PAGE + 5] = 1
    for writes in (False, True):
        child = os.fork()
        if child == 0:
            status = 2
            try:
                if writes:
                    m[7] = 1
                os.truncate(path, 0 if writes else 10)
                m.close()
                status = 0
            except firmmap.MapFaultError:
                status = 1
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == writes
    with pytest.raises(firmmap.MapFaultError):
        m.close()


@only_unix
def test_closefd_of_a_number_that_is_another_file_by_then(path: Path, tmp_path: Path) -> None:
    """F9, G3: a number that was closed behind the map's back is not closed where it is another file's."""
    fd = os.open(path, os.O_RDONLY)
    m = firmmap.open(fd, closefd=True)
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    os.dup2(other, fd)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        m.close()
    assert (caught.value.errno, caught.value.filename) == (errno.EBADF, fd)
    assert m.closed
    assert os.path.sameopenfile(fd, other)
    m = firmmap.open(fd, closefd=True)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        m.close()
    m.close()
    os.close(other)


@pytest.mark.parametrize("name", ["m", "m = held = [], m", "class K: pass\nk = K(); k.k = k; k.m = m; del m; k"])
def test_closefd_at_the_end_of_the_interpreter(path: Path, name: str) -> None:
    """G3: the descriptor is closed without anything that is gone by then."""
    program = f"import firmmap, os\nm = firmmap.open(os.open({str(path)!r}, os.O_RDONLY), closefd=True)\n{name}\n"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_closefd(path: Path) -> None:
    """G3: a descriptor stays the caller's, unless it is handed over; a path has none."""
    for closefd in (None, False, True):
        fd = os.open(path, os.O_RDONLY)
        with firmmap.open(fd, closefd=closefd) as m:
            assert (m.closefd, m.name) == (bool(closefd), fd)
            os.fstat(fd)
        if closefd:
            with pytest.raises(OSError) as caught:
                os.fstat(fd)
            assert caught.value.errno == errno.EBADF
        else:
            os.close(fd)
    with firmmap.open(path) as m:
        assert m.closefd is True
    with pytest.raises(ValueError, match="closefd=False with file name"):
        firmmap.open(path, closefd=False)
    fd = os.open(path, os.O_RDONLY)
    with pytest.raises(ValueError, match="offset"):
        firmmap.open(fd, offset=len(TEXT) + 1, closefd=True)
    os.close(fd)


def test_opener(path: Path) -> None:
    """G3: as open() has it: it gets the path and the flags, and gives a descriptor."""
    asked = []

    def opener(name: str, flags: int) -> int:
        asked.append((name, flags))
        return os.open(path.with_name("other"), flags, 0o600)

    path.with_name("other").write_bytes(b"other")
    with firmmap.open("name", "r+", opener=opener) as m:
        assert (m[:], m.name) == (b"other", "name")
        assert sys.platform == "win32" or not os.get_inheritable(m.fileno())
    with firmmap.open("name", "w+", opener=opener) as m:
        m.write(b"new")
    assert path.with_name("other").read_bytes() == b"new"
    assert [(name, flags & os.O_RDWR) for name, flags in asked] == [("name", os.O_RDWR)] * 2
    for wrong, kind in ((-1, ValueError), ("x", TypeError)):
        with pytest.raises(kind, match="opener"):
            firmmap.open("name", opener=lambda *_, wrong=wrong: wrong)


@pytest.mark.parametrize("mode", ["r", "r+", "c", "x+", "a+", "w+"])
def test_opener_that_has_moved_on(path: Path, mode: str) -> None:
    """G3: a file begins where its descriptor stands, but for modes that say where they begin."""
    path.write_bytes(b"0123456789")

    def opener(name: str, flags: int) -> int:
        file = os.open(name, flags & ~os.O_EXCL, 0o600)
        os.lseek(file, 4, 0)
        return file

    with firmmap.open(path, mode, opener=opener) as m:
        assert m.tell() == {"a+": 10, "w+": 0}.get(mode, 4)
    if mode != "w+":
        with firmmap.open(path, mode, offset=2, opener=opener) as m:
            assert m.tell() == (8 if mode == "a+" else 0)


@pytest.mark.skipif(sys.platform == "win32", reason="there the descriptor of an opener is closed at once")
@pytest.mark.parametrize("mode", ["x+", "a+", "w+"])
def test_opener_that_creates(path: Path, mode: str) -> None:
    """G3: a new file ends before the offset, whoever has created it."""
    path.unlink(missing_ok=True)
    with firmmap.open(path, mode, offset=10, opener=os.open) as m:
        assert len(m) == 0
        m.write(b"abc")
    assert path.read_bytes() == bytes(10) + b"abc"


class Named(firmmap.MappedFile):
    """A subclass with arguments of its own."""

    title: str

    def __new__(cls, title: str, path: Path) -> Named:
        made = super().__new__(cls, path)
        made.title = title
        return made

    def __init__(self, title: str, path: Path) -> None:
        assert title


def test_a_subclass_with_arguments_of_its_own(path: Path) -> None:
    """G9: it pickles by its state, without its constructor."""
    with Named("mine", path) as m, pickle.loads(pickle.dumps(m)) as again:
        assert (type(again), again.title, again[:]) == (Named, "mine", TEXT)


def test_anonymous_of_a_subclass() -> None:
    """G7: memory of a class of one's own."""

    class Memory(firmmap.MappedFile):
        pass

    with Memory.anonymous(10, capacity=100) as m:
        assert (type(m), len(m), m.name) == (Memory, 10, "<anonymous>")
        m.seek(0, 2)
        m.write(b"more")


def test_readall(path: Path) -> None:
    """G3: what raw files have."""
    with firmmap.open(path) as m:
        m.seek(5)
        assert m.readall() == TEXT[5:]
        with pytest.raises(io.UnsupportedOperation):
            m.detach()


MISTAKES: list[tuple[Callable[[Any, Path], object], type[Exception], str]] = [
    (lambda m, _: m.truncate(4), BufferError, r"1 view .* 30000 bytes cannot become 4 before they are gone"),
    (lambda m, _: m.truncate(1 << 30), BufferError, r"only up to its capacity of 30000; .*opened with a capacity"),
    (lambda m, _: m.protect(1), BufferError, "protect is not possible while 1 view"),
    (
        lambda _, p: firmmap.open(cast(Any, p.open("rb"))),
        TypeError,
        r"not BufferedReader: give its name, or its fileno\(\)",
    ),
    (lambda _, __: firmmap.open(98765), OSError, "Bad file descriptor: 98765"),
    (lambda _, p: firmmap.open(p, "wb"), ValueError, r'"wb" does not read.*use "w\+b"'),
    (lambda _, p: firmmap.open(p, 3), TypeError, "mode must be a str, not int"),  # type: ignore[call-overload]
    (lambda m, _: m.write_byte(300), OverflowError, "byte 300 is not in the range 0 to 255"),
    (lambda m, _: m.move(-1, 0, 1), ValueError, "move of 1 bytes from 0 to -1: no number may be negative"),
    (lambda m, _: m.seek(1.5), TypeError, "position: 'float' object cannot be interpreted as an integer"),
    (lambda m, _: m.seek(0, 9), ValueError, "whence 9 is not 0, 1"),
    (lambda m, _: m.protect("r"), TypeError, r"PROT_READ \(1\).*, not str"),
    (lambda m, _: m.protect(99), ValueError, r"PROT_READ \(1\).*, not 99"),
]


@pytest.mark.parametrize(("mistake", "kind", "words"), MISTAKES, ids=[words for _, _, words in MISTAKES])
def test_words(path: Path, mistake: Callable[[Any, Path], object], kind: type[Exception], words: str) -> None:
    """G2: an error says what was wrong, with the value, and what to do."""
    if sys.platform == "win32" and "capacity" in words:
        pytest.skip("nothing is reserved there")
    with firmmap.open(path, "r+") as m, memoryview(m), pytest.raises(kind, match=words):
        mistake(m, path)


@only_unix
def test_words_about_descriptors_and_limits(path: Path) -> None:
    """G2: what a descriptor would have to be able to do, and which limit was met."""
    for flags, mode, words in (
        (os.O_RDONLY, "r+", r"mode 'r\+' needs a descriptor that can be read and written: "),
        (os.O_WRONLY, "r", "mode 'r' needs a descriptor that can be read: "),
    ):
        fd = os.open(path, flags)
        with pytest.raises(PermissionError, match=f"{words}{fd}$"):
            firmmap.open(fd, mode)
        os.close(fd)
    with firmmap.open(path) as m:
        for call in (lambda: m.write(b"x"), lambda: m.truncate(3)):
            with pytest.raises(io.UnsupportedOperation, match=r"open it with 'r\+'"):
                call()  # type: ignore[no-untyped-call]
        with pytest.raises(TypeError, match=r"open it with 'r\+', or 'c'"):
            m[0] = 1
        with pytest.raises(OSError, match="does not take advice 9999"):
            m.madvise(9999)
    with pytest.raises(OSError, match=f"a capacity of {1 << 60} bytes needs more addresses"):
        firmmap.open(path, "r+", capacity=1 << 60)
    if sys.platform == "linux":
        code = """
import resource, sys
import firmmap
resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
try: firmmap.open(sys.argv[1], "r+", capacity=1 << 33)
except OSError as error: print(error.strerror)
"""
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        assert "a capacity of 8589934592 bytes" in done.stdout
        assert "4294967296 bytes (ulimit -v)" in done.stdout
