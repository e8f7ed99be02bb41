"""N1 to N4: what newer standard libraries do, on every interpreter."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from typing import Any

import firmmap
import pytest
from conftest import MakeFile
from support import PAGE, Index, pread

LINUX = sys.platform == "linux"


def filled(data: bytes) -> Any:
    m = firmmap.mmap(-1, len(data))
    m[:] = data
    return m


# N1


def test_seek_returns_the_position() -> None:
    """N1, C10."""
    m = filled(b"0123456789")
    assert m.seek(3) == 3
    assert m.seek(2, os.SEEK_CUR) == 5
    assert m.seek(-1, os.SEEK_END) == 9
    assert m.seek(0, os.SEEK_END) == 10
    assert type(m.seek(Index(0))) is int


def test_seekable() -> None:
    """N1, C10: true, also of a closed map, as the standard library's."""
    m = filled(b"abc")
    assert m.seekable() is True
    m.close()
    assert m.seekable() is True
    with pytest.raises(TypeError, match=r"seekable\(\) takes no arguments"):
        m.seekable(1)


def test_trackfd(make_file: MakeFile) -> None:
    """N1, B11: by name only; anonymous memory has no descriptor anyway."""
    file = make_file(b"0123456789")
    m = firmmap.mmap(file.fileno(), 0, trackfd=False)
    file.close()
    assert m[:] == b"0123456789"
    with pytest.raises(ValueError, match=r"^can't get size with trackfd=False$"):
        m.size()
    with pytest.raises(ValueError, match=r"^can't get size with trackfd=False$"):
        firmmap.mmap(-1, 10, trackfd=False).size()
    with pytest.raises(ValueError):
        m.resize(5)
    if sys.platform != "win32":
        six: Any = (-1, 10, firmmap.MAP_SHARED, 3, 0, 0, False)
        with pytest.raises(TypeError, match=r"at most 6 positional arguments \(7 given\)"):
            firmmap.mmap(*six)


# N2


@pytest.mark.parametrize("method", ["find", "rfind"])
def test_search_bounds_can_be_none(method: str) -> None:
    """N2, C2: None is the default: the position, and the end of the map."""
    data = b"abcabcabc"
    m = filled(data)
    m.seek(2)
    search, reference = getattr(m, method), getattr(data, method)
    for needle in (b"abc", b"c", b"", b"x"):
        assert search(needle) == search(needle, None) == search(needle, None, None)
        assert search(needle, None) == reference(needle, 2)
        assert search(needle, None, 5) == reference(needle, 2, 5)
        assert search(needle, 1, None) == reference(needle, 1)
        assert search(needle, -3, None) == reference(needle, -3)


@pytest.mark.skipif(sys.platform == "win32", reason="it can, on Windows")
def test_shared_anonymous_memory_does_not_grow() -> None:
    """N2: a ValueError, as its new pages would be bus errors."""
    for flags in ((), (firmmap.MAP_SHARED,), (firmmap.MAP_SHARED | firmmap.MAP_ANONYMOUS,)):
        m = firmmap.mmap(-1, 100, *flags)
        m[:3] = b"abc"
        for size in (101, PAGE, PAGE + 1, 2**40):
            with pytest.raises(ValueError, match=r"^mmap: can't expand a shared anonymous mapping"):
                m.resize(size)
        assert (len(m), m[:4]) == (100, b"abc\0")
        m.resize(100)
        m.resize(50)
        with pytest.raises(ValueError):
            m.resize(51)
        assert m[:] == b"abc" + bytes(47)


# N3


def test_flush_flags(make_file: MakeFile) -> None:
    """N3, C3: by name only, together with a range or without."""
    file = make_file(bytes(2 * PAGE))
    m = firmmap.mmap(file.fileno(), 0)
    m[0] = 1
    flags = [firmmap.MS_SYNC, firmmap.MS_ASYNC, firmmap.MS_INVALIDATE]
    flags += [flag | firmmap.MS_INVALIDATE for flag in flags]
    for flag in flags:
        m.flush(flags=flag)
        m.flush(PAGE, flags=flag)
        m.flush(0, PAGE, flags=flag)
    assert pread(file.fileno(), 1, 0) == b"\1"
    wrong: Any = m.flush
    for arguments, names in (((0, 1, firmmap.MS_SYNC), {}), ((), {"size": 1}), ((), {"flag": 4})):
        with pytest.raises(TypeError):
            wrong(*arguments, **names)
    for value in ("x", None, 1.5):
        with pytest.raises(TypeError):
            wrong(flags=value)
    with pytest.raises(OverflowError):
        m.flush(flags=2**31)


@pytest.mark.skipif(not LINUX, reason="Linux")
def test_flush_flags_that_contradict(make_file: MakeFile) -> None:
    """N3, C3: the system refuses; on maps where flush does nothing, nothing is refused."""
    fd = make_file(bytes(PAGE)).fileno()
    m = firmmap.mmap(fd, 0)
    for flags in (firmmap.MS_SYNC | firmmap.MS_ASYNC, 64):
        with pytest.raises(OSError) as caught:
            m.flush(flags=flags)
        assert caught.value.errno == errno.EINVAL
    for access in (firmmap.ACCESS_READ, firmmap.ACCESS_COPY):
        firmmap.mmap(fd, 0, access=access).flush(flags=firmmap.MS_SYNC | firmmap.MS_ASYNC)


def test_flush_flags_of_zero(make_file: MakeFile) -> None:
    """N3: zero is the standard library's default, and means MS_SYNC."""
    m = firmmap.mmap(make_file(bytes(PAGE)).fileno(), 0)
    m.flush(flags=0)


def test_size_of_anonymous_memory() -> None:
    """N3, C11: the length of the map."""
    m = firmmap.mmap(-1, 5000)
    assert m.size() == 5000
    m.resize(4000)
    assert m.size() == 4000
    assert firmmap.mmap(-1, 100, access=firmmap.ACCESS_READ).size() == 100


def names_of_maps() -> str:
    with open("/proc/self/maps") as maps:
        return maps.read()


def can_name() -> bool:
    """Whether the kernel has names for memory; set_name() itself does not say so, except in development mode."""
    m = firmmap.mmap(-1, 10)
    try:
        m.set_name("probe")
    except OSError:
        return False
    return "firmmap:probe]" in names_of_maps()


@pytest.mark.skipif(not LINUX, reason="Linux")
def test_set_name() -> None:
    """N3, C14: the name is to be seen in /proc/PID/maps, where the kernel can."""
    if not can_name():
        pytest.skip("the kernel has no names for memory")
    m = firmmap.mmap(-1, 10)
    m.set_name("this one")
    assert "firmmap:this one]" in names_of_maps()
    m.set_name("another")
    assert "this one" not in names_of_maps()
    m.set_name("x" * 66)
    assert "firmmap:" + "x" * 66 in names_of_maps()
    m.set_name("")
    m.close()


@pytest.mark.parametrize("options", [(), ("-X", "dev")])
def test_set_name_succeeds_where_the_standard_module_does_nothing(options: tuple[str, ...]) -> None:
    """C14: of a name that the system refuses only development mode and debug builds hear."""
    program = "import firmmap; firmmap.mmap(-1, 10).set_name('a[b')"
    command = [sys.executable, *options, "-W", "ignore", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    is_development = bool(options) or hasattr(sys, "gettotalrefcount")
    assert (result.returncode != 0) == is_development, result.stderr
    assert ("OSError" in result.stderr) == is_development


def test_flush_of_minus_one(make_file: MakeFile) -> None:
    """N3, C3: -1 stands for all that is behind the offset, as None does; other negative sizes do not."""
    m = firmmap.mmap(make_file(bytes(2 * PAGE)).fileno(), 0)
    for size in (-1, None):
        m.flush(0, size)
        m.flush(PAGE, size)
    for offset, size in ((0, -2), (2 * PAGE + 1, -1)):
        with pytest.raises(ValueError, match=r"^flush values out of range$"):
            m.flush(offset, size)


def test_exit_takes_three_arguments() -> None:
    """N3, A5."""
    m: Any = firmmap.mmap(-1, 10)
    for count in (0, 1, 2, 4):
        with pytest.raises(TypeError, match=rf"^__exit__ expected 3 arguments, got {count}$"):
            m.__exit__(*[None] * count)
    assert not m.closed
    m.__exit__(None, 1, "x")
    assert m.closed


def test_arguments_come_before_the_map() -> None:
    """N3, C1, C15: they are counted and converted before the map is asked whether it is closed, or how long it is."""
    m: Any = firmmap.mmap(-1, 10)
    with pytest.raises(ValueError, match=r"^mmap item value must be in range\(0, 256\)$"):
        m[10] = 256
    with pytest.raises(TypeError, match=r"^mmap doesn't support item deletion$"):
        del m[10]
    m.close()
    for name, arguments in (("read", ("x",)), ("write", (1,)), ("seek", (2**70,)), ("move", (1,)), ("resize", (None,))):
        with pytest.raises((TypeError, OverflowError)):
            getattr(m, name)(*arguments)


def test_set_name_refuses(make_file: MakeFile) -> None:
    """N3, C14: names that are too long or no names, and maps of files."""
    m = firmmap.mmap(-1, 10)
    for name in ("x" * 67, "x" * 1000, "ä" * 34, "a\0b"):
        with pytest.raises(ValueError):
            m.set_name(name)
    call: Any = m.set_name
    for arguments in ((), ("a", "b"), (b"abc",), (None,), (5,)):
        with pytest.raises(TypeError):
            call(*arguments)
    with pytest.raises(TypeError):
        call(name="x")
    file = firmmap.mmap(make_file(b"abc").fileno(), 0)
    with pytest.raises(ValueError):
        file.set_name("x")
    m.close()
    with pytest.raises(ValueError, match=r"^mmap closed or invalid$"):
        m.set_name("x")
    file.close()
    with pytest.raises(ValueError, match=r"^Cannot set annotation on non-anonymous mappings$"):
        file.set_name("x")


def test_threads_of_the_newest_kind() -> None:
    """N3: two threads that search one map while a third writes; more is in test_threads.py."""
    m = firmmap.mmap(-1, 2**20)
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(m.find(b"never there"))) for _ in range(2)]
    threads.append(threading.Thread(target=lambda: results.append(-m.write(b"x"))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [-1, -1, -1]


@pytest.mark.skipif(not hasattr(firmmap.mmap, "madvise"), reason="Unix")
def test_none_reaches_to_the_end() -> None:
    """C3, C4: None stands for what is left out."""
    m = firmmap.mmap(-1, 100_000)
    m.flush(firmmap.PAGESIZE, None)
    m.madvise(firmmap.MADV_RANDOM, firmmap.PAGESIZE, None)


# N4


@pytest.mark.parametrize("method", ["find", "rfind"])
def test_empty_needle_behind_the_end(method: str) -> None:
    """N4: an empty needle is found within the map and at its end, not behind it, as in bytes."""
    data = b"0123456789"
    m = filled(data)
    search, reference = getattr(m, method), getattr(data, method)
    bounds = [0, 1, 9, 10, 11, 100, sys.maxsize, -1, -10, -11, -100, -sys.maxsize - 1]
    for start in bounds:
        assert search(b"", start) == reference(b"", start), start
        for end in bounds:
            assert search(b"", start, end) == reference(b"", start, end), (start, end)
    assert search(b"", 10) == 10
    assert search(b"", 11) == -1


@pytest.mark.parametrize("method", ["find", "rfind"])
def test_empty_needle_from_a_position_behind_the_end(method: str, make_file: MakeFile) -> None:
    """N4, C9: also where the position is behind the end."""
    m = firmmap.mmap(make_file(b"0123456789").fileno(), 0)
    m.seek(10)
    assert getattr(m, method)(b"") == 10
    m.resize(5)
    assert getattr(m, method)(b"") == -1
    assert getattr(m, method)(b"", None, None) == -1
