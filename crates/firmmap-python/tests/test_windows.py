"""What is Windows' own (B5, B10, C9, N1, F): names of mappings, files that get longer, errors, pages that fail."""

from __future__ import annotations

import ctypes
import errno
import mmap as standard
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import firmmap
import pytest
from conftest import MakeFile
from support import PAGE, UNIT, outcome, pread, same

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="Windows")

NO_ACCESS, READ_WRITE = 1, 4
# With the arguments that they have on Windows.
THEIRS: Any = standard.mmap
OURS: Any = firmmap.mmap


def winerror(error: Any) -> int:
    """The system's number of an OSError."""
    number: int = error.winerror
    return number


@pytest.fixture
def tag() -> str:
    """A name that nobody else has."""
    return f"Local\\firmmap-Größe-大-{uuid.uuid4()}"


def test_one_name_is_one_memory(mmap: ModuleType, tag: str) -> None:
    """B10: an existing name is opened, else it is created; None and the empty name mean none."""
    first = mmap.mmap(-1, 100, tag)
    second = mmap.mmap(-1, 100, tagname=tag)
    other = mmap.mmap(-1, 100, tagname=tag + "2")
    first[:5] = b"hello"
    assert (second[:6], other[:6]) == (b"hello\0", bytes(6))
    first.close()
    assert mmap.mmap(-1, 50, tag)[:5] == b"hello"
    second.close()
    unnamed: list[Any] = [mmap.mmap(-1, 10, none) for none in (None, None, "", "")]
    unnamed[0][0] = 1
    unnamed[2][0] = 1
    assert unnamed[1][0] == unnamed[3][0] == 0


def test_the_standard_module_shares_the_name(tag: str) -> None:
    """B10: it is the same name for both, in this process and in another one."""
    theirs, ours = THEIRS(-1, 100, tag), OURS(-1, 100, tag)
    theirs[:5] = b"hello"
    assert ours[:5] == b"hello"
    program = "import mmap, sys; m = mmap.mmap(-1, 100, sys.argv[1]); assert m[:5] == b'hello'; m[:5] = b'child'"
    subprocess.run([sys.executable, "-c", program, tag], check=True, stdin=subprocess.DEVNULL, timeout=60)
    assert ours[:5] == b"child"


def test_descriptor_zero_is_memory(mmap: ModuleType, tag: str) -> None:
    """B6, B10: as much code for Windows has it."""
    m = mmap.mmap(0, 100, tag)
    m[:5] = b"hello"
    assert mmap.mmap(-1, 100, tag)[:5] == b"hello"


def test_size_of_the_object(tag: str) -> None:
    """N1: the name that it keeps counts."""
    for kind in (THEIRS, OURS):
        unnamed, named = kind(-1, 100), kind(-1, 100, tag)
        assert sys.getsizeof(named) == sys.getsizeof(unnamed) + len((tag + "\0").encode("utf-16-le"))
        named.close()
        unnamed.close()
        assert sys.getsizeof(unnamed) >= type(unnamed).__basicsize__


def test_wrong_names(tag: str) -> None:
    """B10: names that are none come to the same as with the standard module."""
    for name in (1, b"name", "a\0b"):
        with pytest.raises((TypeError, ValueError)):
            OURS(-1, 10, name)


@pytest.mark.parametrize("offset", [0, UNIT])
def test_a_longer_length_extends_the_file(mmap: ModuleType, make_file: MakeFile, offset: int) -> None:
    """B10: the file gets longer, by zeros."""
    file = make_file(b"0123456789")
    m = mmap.mmap(file.fileno(), 3 * PAGE, offset=offset)
    assert (len(m), m.size(), os.fstat(file.fileno()).st_size) == (3 * PAGE, offset + 3 * PAGE, offset + 3 * PAGE)
    assert pread(file.fileno(), 20, 0) == b"0123456789" + bytes(10)
    m[-1] = 1
    m.close()
    assert pread(file.fileno(), 1, offset + 3 * PAGE - 1) == b"\1"


def test_access(mmap: ModuleType, make_file: MakeFile) -> None:
    """B2, B5: the default is write-through."""
    file = make_file(b"0123456789")
    mmap.mmap(file.fileno(), 0)[0] = 100
    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)[1] = 99
    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE)[2] = 119
    assert pread(file.fileno(), 10, 0) == b"d1w3456789"
    with pytest.raises(TypeError):
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)[0] = 1


def test_errors_of_the_constructor(make_file: MakeFile) -> None:
    """B1, B7, B8: type, words and numbers are those of the standard module."""
    fd = make_file(b"0123456789").fileno()
    empty = make_file(b"").fileno()
    closed = make_file(b"")
    number = closed.fileno()
    closed.close()
    calls: list[Callable[[ModuleType], object]] = [
        lambda mmap: mmap.mmap(-1, 0),
        lambda mmap: mmap.mmap(-1, -1),
        lambda mmap: mmap.mmap(-1, 10, offset=-1),
        lambda mmap: mmap.mmap(-1, 10, offset=1),
        lambda mmap: mmap.mmap(fd, 10, offset=1),
        lambda mmap: mmap.mmap(fd, 10, offset=PAGE),
        lambda mmap: mmap.mmap(fd, 0, offset=UNIT),
        lambda mmap: mmap.mmap(empty, 0),
        lambda mmap: mmap.mmap(number, 10),
        lambda mmap: mmap.mmap(12345, 10),
        lambda mmap: mmap.mmap(fd, 10, access=4),
        lambda mmap: mmap.mmap(fd, 10, None, 0, 0, 0, 0),
        lambda mmap: mmap.mmap(fd, 10, flags=1),
    ]
    for index, call in enumerate(calls):
        expected, ours = outcome(lambda c=call: c(standard)), outcome(lambda c=call: c(firmmap))  # type: ignore[misc]
        assert expected[0] == ours[0] == "raised", index
        assert ours[1] is expected[1], index
        if issubclass(expected[1], (OSError, ValueError)):
            assert ours == expected, index
    with pytest.raises(OSError) as caught:
        firmmap.mmap(-1, 10, offset=1)
    assert (winerror(caught.value), caught.value.errno) == (1132, errno.EINVAL)


def test_resize_is_refused_while_another_map_has_the_name(mmap: ModuleType, tag: str) -> None:
    """C9: an OSError."""
    first, second = mmap.mmap(-1, 100, tag), mmap.mmap(-1, 100, tag)
    with pytest.raises(OSError) as caught:
        first.resize(200)
    assert winerror(caught.value) == 1224
    second.close()


def test_a_refused_resize_changes_nothing(make_file: MakeFile, tag: str) -> None:
    """C9: the map is as it was, and has its name."""
    first, second = OURS(-1, 100, tag), OURS(-1, 100, tag)
    first[:5] = b"hello"
    with pytest.raises(OSError):
        first.resize(200)
    second.close()
    assert (len(first), first[:5], OURS(-1, 100, tag)[:5]) == (100, b"hello", b"hello")
    first.resize(200)
    assert (len(first), first[:6]) == (200, b"hello\0")
    file = make_file(b"0123456789")
    m, other = firmmap.mmap(file.fileno(), 0), firmmap.mmap(file.fileno(), 0)
    with pytest.raises(OSError) as caught:
        m.resize(5)
    assert (winerror(caught.value), m[:], other[:]) == (1224, b"0123456789", b"0123456789")
    other.close()
    m.resize(5)
    assert pread(file.fileno(), 10, 0) == b"01234"


def test_mapped_files_cannot_be_truncated(mmap: ModuleType, make_file: MakeFile) -> None:
    """The system says so, and the map goes on."""
    file = make_file(b"0123456789")
    m = mmap.mmap(file.fileno(), 0)
    with pytest.raises(OSError):
        file.truncate(5)
    assert m[:] == b"0123456789"


def test_names_that_the_platform_lacks() -> None:
    """D1: what the standard module has here, and nothing of Unix."""
    names = {name for name in dir(standard) if not name.startswith("_")}
    assert names <= set(dir(firmmap))
    assert not [name for name in dir(firmmap) if name.startswith(("PROT_", "MAP_", "MADV_"))]
    assert not hasattr(firmmap.mmap, "madvise")
    same(lambda mmap: (mmap.PAGESIZE, mmap.ALLOCATIONGRANULARITY, mmap.ACCESS_COPY, mmap.error))


def test_flush_takes_any_offset(mmap: ModuleType, make_file: MakeFile) -> None:
    """C3: Windows starts with the page that an offset is in."""
    file = make_file(bytes(3 * PAGE))
    m = mmap.mmap(file.fileno(), 0)
    m[PAGE + 1] = 7
    assert m.flush(PAGE + 1, 5) is None
    assert pread(file.fileno(), 1, PAGE + 1) == b"\7"


# Failed pages.


class Exposed:
    """A map, and the protection of its pages."""

    def __init__(self, make_file: MakeFile, **names: Any) -> None:
        self.data = bytes(range(1, 251)) * 200
        self.map = firmmap.mmap(make_file(self.data).fileno(), 0, **names)
        byte = ctypes.c_char.from_buffer(self.map) if not names else None
        self.address = ctypes.addressof(byte) if byte is not None else 0
        del byte

    def protect(self, protection: int, first: int = 2, count: int = 3) -> None:
        old = ctypes.c_ulong()
        start = ctypes.c_void_p(self.address + first * PAGE)
        size = ctypes.c_size_t(count * PAGE)
        assert ctypes.windll.kernel32.VirtualProtect(start, size, protection, ctypes.byref(old))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "touch",
    [
        lambda m: m[2 * PAGE],
        lambda m: m[:],
        lambda m: m[:: 3 * PAGE - 1],
        lambda m: m.read(),
        lambda m: m.find(b"\0\0"),
        lambda m: m.rfind(b"\0\0"),
        lambda m: m.find(b"\0"),
        lambda m: m.move(0, 2 * PAGE, 10),
        lambda m: m.write(bytes(3 * PAGE)),
        lambda m: m.__setitem__(slice(2 * PAGE, 2 * PAGE + 3), b"123"),
        lambda m: m.__setitem__(2 * PAGE, 1),
    ],
)
def test_operations_on_pages_without_access(make_file: MakeFile, touch: Callable[[Any], object]) -> None:
    """F1, F2, N1: an exception with the place, every time; afterwards all is well."""
    exposed = Exposed(make_file)
    m = exposed.map
    for _ in range(2):
        exposed.protect(NO_ACCESS)
        for _ in range(2):
            with pytest.raises(firmmap.MapFaultError) as caught:
                touch(m)
            assert isinstance(caught.value, OSError)
            assert caught.value.errno == errno.EIO
            assert caught.value.offset is not None
            assert 2 * PAGE <= caught.value.offset < 5 * PAGE
            assert m.tell() == 0
        exposed.protect(READ_WRITE)
        assert m[2 * PAGE :] == exposed.data[2 * PAGE :]
        touch(m)
        m.seek(0)
        m[:] = exposed.data


@pytest.mark.parametrize(
    "use",
    [
        lambda view: bytes(view[2 * PAGE : 3 * PAGE]),
        lambda view: view[2 * PAGE],
        lambda view: sum(view),
        lambda view: view.__setitem__(2 * PAGE, 1),
    ],
)
def test_direct_use_of_pages_without_access(make_file: MakeFile, use: Callable[[Any], object]) -> None:
    """F3: the process lives, and the thread is told with an exception."""
    exposed = Exposed(make_file)
    view = memoryview(exposed.map)
    exposed.protect(NO_ACCESS)
    with pytest.raises(firmmap.MapFaultError) as caught:
        use(view)
        for _ in range(10):
            len(view)
    assert caught.value.offset == 2 * PAGE
    view.release()
    exposed.protect(READ_WRITE)
    assert exposed.map[: 2 * PAGE] == exposed.data[: 2 * PAGE]
    assert exposed.map[2 * PAGE + 1 :] == exposed.data[2 * PAGE + 1 :]


def test_direct_use_in_another_thread(make_file: MakeFile) -> None:
    """F3: the thread that did it is told."""
    import threading

    exposed = Exposed(make_file)
    view = memoryview(exposed.map)
    exposed.protect(NO_ACCESS)
    told: list[BaseException] = []

    def work() -> None:
        try:
            bytes(view[2 * PAGE : 3 * PAGE])
            for _ in range(100):
                len(view)
        except BaseException as error:
            told.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert [isinstance(error, firmmap.MapFaultError) for error in told] == [True]
    view.release()
    exposed.map.flush()


def test_without_the_guard() -> None:
    """F7: the process ends as with the standard module."""
    program = """if True:
        import ctypes, os, sys
        import firmmap as mmap
        ctypes.windll.kernel32.SetErrorMode(2)
        filter = ctypes.WINFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(lambda _: 1)
        ctypes.windll.kernel32.SetUnhandledExceptionFilter(filter)
        m = mmap.mmap(-1, 4 * mmap.PAGESIZE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(m))
        ctypes.windll.kernel32.VirtualProtect(ctypes.c_void_p(address), 1, 1, ctypes.byref(ctypes.c_ulong()))
        try:
            m[0]
        except mmap.MapFaultError:
            sys.exit(3)
    """
    ends = {}
    for guard in ("0", "1"):
        environment = os.environ | {"FIRMMAP_FAULT_GUARD": guard}
        command = [sys.executable, "-c", program]
        ends[guard] = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60
        ).returncode
    assert ends["1"] == 3
    assert ends["0"] not in (0, 1, 3)


def test_paths_that_are_not_ascii(tmp_path: Path) -> None:
    """B1: the file behind a descriptor, whatever its name is."""
    path = tmp_path / "Größe 大きさ 😀.bin"
    path.write_bytes(b"0123456789")
    with path.open("r+b") as file:
        firmmap.mmap(file.fileno(), 0)[0] = 120
    assert path.read_bytes() == b"x123456789"
