"""C9: the method resize, and where it leaves the position."""

from __future__ import annotations

import os
import sys
from types import ModuleType

import firmmap
import pytest
from conftest import MakeFile
from support import PAGE, UNIT, file_map, filled, outcome, pread, pwrite, same

WINDOWS = sys.platform == "win32"


@pytest.mark.parametrize("size", [1, 100, PAGE, PAGE + 1, 3 * PAGE, 10 * PAGE + 5])
@pytest.mark.parametrize("offset", [0, UNIT])
def test_resize(mmap: ModuleType, make_file: MakeFile, size: int, offset: int) -> None:
    """C9: the map and its file, both ways."""
    data = bytes(range(1, 251)) * (50 * UNIT // PAGE)
    file, m = file_map(mmap, make_file, data, offset=offset)
    m.seek(1)
    assert m.resize(size) is None
    want = (data[offset:] + bytes(20 * PAGE))[:size]
    assert (len(m), m.size(), m.tell()) == (size, offset + size, 1)
    assert m[:] == want
    assert os.fstat(file.fileno()).st_size == offset + size
    m[-1] = 255
    m.flush()
    assert pread(file.fileno(), size, offset) == want[:-1] + b"\xff"


def test_resize_leaves_the_position(mmap: ModuleType, make_file: MakeFile) -> None:
    """C9: also behind the new end, where every method copes with it."""
    _, m = file_map(mmap, make_file, b"0123456789" * 1000)
    m.seek(0, os.SEEK_END)
    m.resize(5)
    assert m.tell() == 10000
    assert (m.read(), m.read(3), m.readline()) == (b"", b"", b"")
    assert (m.find(b"0"), m.rfind(b"0")) == (-1, -1)
    for use in (m.read_byte, lambda: m.write_byte(1), lambda: m.write(b"a"), lambda: m.seek(0, 1)):
        with pytest.raises(ValueError):
            use()
    assert m[:] == b"01234"
    m.seek(-2, os.SEEK_END)
    assert m.read() == b"34"


def test_resize_refused(mmap: ModuleType, make_file: MakeFile) -> None:
    """C9: on read-only and copy-on-write maps, and with exported buffers; nothing changes."""
    for access in (mmap.ACCESS_READ, mmap.ACCESS_COPY):
        file, m = file_map(mmap, make_file, b"abc", access=access)
        with pytest.raises(TypeError):
            m.resize(10)
        assert os.fstat(file.fileno()).st_size == len(m) == 3
    file, m = file_map(mmap, make_file, b"abc")
    with memoryview(m), pytest.raises(BufferError, match=r"can't resize with extant buffers"):
        m.resize(10)
    assert os.fstat(file.fileno()).st_size == len(m) == 3
    m.resize(10)
    assert m[:] == b"abc" + bytes(7)


@pytest.mark.skipif(WINDOWS, reason="Unix")
def test_resize_to_nothing(make_file: MakeFile) -> None:
    """C9: is an OSError; ours leaves the file as it was."""
    file, m = file_map(firmmap, make_file, b"abc")
    with pytest.raises(OSError):
        m.resize(0)
    assert (len(m), m.size(), m[:]) == (3, 3, b"abc")
    assert pread(file.fileno(), 10, 0) == b"abc"


@pytest.mark.skipif(WINDOWS, reason="Unix")
def test_resize_to_too_much(make_file: MakeFile) -> None:
    """C9: the standard library's exceptions, and file and map keep their length."""
    file = make_file(bytes(2 * PAGE))
    for offset in (0, PAGE):
        for size in (-1, -(2**63), 2**62, 2**63 - 1, 2**63 - PAGE - 1, 2**63 - PAGE):

            def go(mmap: ModuleType, offset: int = offset, size: int = size) -> object:
                m = mmap.mmap(file.fileno(), 0, offset=offset)
                return outcome(lambda: m.resize(size)), len(m), m.size()

            assert same(go)[2][0][0] == "raised"


def test_resize_of_anonymous_memory(mmap: ModuleType) -> None:
    """C9: it can shrink."""
    m = filled(mmap, b"0123456789" * 1000)
    m.resize(PAGE)
    assert m[:] == (b"0123456789" * 1000)[:PAGE]
    m.resize(5)
    assert m[:] == b"01234"
    m[:] = b"abcde"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux")
def test_resize_of_private_anonymous_memory(mmap: ModuleType) -> None:
    """C9: it can grow, and the new bytes are zero."""
    m = mmap.mmap(-1, 10, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    m[:] = b"0123456789"
    m.resize(10 * PAGE)
    assert m[:] == b"0123456789" + bytes(10 * PAGE - 10)
    m[-1] = 1
    m.resize(5)
    assert m[:] == b"01234"


def test_resize_of_a_private_file_map(make_file: MakeFile) -> None:
    """C9: flags=MAP_PRIVATE is not ACCESS_COPY, and comes to the same as with the standard."""
    if WINDOWS:
        return
    file = make_file(b"0123456789" * 1000)
    for size in (PAGE, 10, 3 * PAGE):

        def go(mmap: ModuleType, size: int = size) -> object:
            os.truncate(file.fileno(), 0)
            pwrite(file.fileno(), b"0123456789" * 1000, 0)
            m = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE)
            m[0] = 65
            result = outcome(lambda: m.resize(size))
            return result, len(m), m.size(), m[:10]

        same(go)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux")
@pytest.mark.parametrize("of_file", [True, False])
def test_private_bytes_that_were_cut_off_are_gone(make_file: MakeFile, of_file: bool) -> None:
    """C9: what a private map grows by again is zero; with the standard class the old bytes come back."""
    flags = firmmap.MAP_PRIVATE if of_file else firmmap.MAP_PRIVATE | firmmap.MAP_ANONYMOUS
    m = firmmap.mmap(make_file(b"ab").fileno() if of_file else -1, 2, flags=flags)
    m[:] = b"xy"
    m.resize(1)
    m.resize(2)
    assert m[:] == b"x\0"
