"""B1 to B13: creating a map, with good and with bad arguments."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import firmmap
import pytest
from conftest import MakeFile
from support import PAGE, UNIT, Index, pread, pwrite, run_python, same

DATA = bytes(range(1, 251)) * 40  # Not a multiple of the page size: two pages and a bit.
LINUX = sys.platform == "linux"


def read(file: Any) -> bytes:
    """What the file holds, by the system's own reading."""
    return pread(file.fileno(), 10 * len(DATA), 0)


def descriptors() -> dict[str, str]:
    """The descriptors of this process and what they stand for."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # The listing's own.
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    return found


# B1: descriptors.


def test_the_descriptor_stays_the_callers(mmap: ModuleType, make_file: MakeFile) -> None:
    """B1: closing the map leaves the descriptor open, closing the descriptor leaves the map."""
    file = make_file(DATA)
    m = mmap.mmap(file.fileno(), 0)
    m.close()
    assert read(file) == DATA
    m = mmap.mmap(file.fileno(), 0)
    file.close()
    assert m[:] == DATA
    assert m.size() == len(DATA)
    m.resize(len(DATA) + PAGE)
    assert m.size() == len(m) == len(DATA) + PAGE
    m.close()


@pytest.mark.skipif(not LINUX, reason="needs /proc")
@pytest.mark.parametrize("end", ["close", "del", "error"])
def test_no_descriptor_is_left_behind(mmap: ModuleType, make_file: MakeFile, end: str) -> None:
    """B1: one duplicate per map, which goes with it and is not inherited by other programs."""
    file = make_file(DATA)
    gc.collect()
    before = descriptors()
    if end == "error":
        with pytest.raises(OSError):
            mmap.mmap(file.fileno(), 10, offset=1)
        with pytest.raises(ValueError):
            mmap.mmap(file.fileno(), 10 * len(DATA))
    else:
        m = mmap.mmap(file.fileno(), 0)
        (new,) = set(descriptors()) - set(before)
        assert not os.get_inheritable(int(new))
        if end == "close":
            m.close()
        else:
            del m
            gc.collect()
    assert descriptors() == before


# B2 to B5: access.


def test_access_read(mmap: ModuleType, make_file: MakeFile) -> None:
    """B3: everything that would change the map is a TypeError, and changes nothing."""
    file = make_file(DATA)
    m = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    assert m[:] == DATA

    def assign(key: Any, value: Any) -> None:
        m[key] = value

    changes: list[Callable[[], object]] = [
        lambda: assign(0, 1),
        lambda: assign(slice(0, 2), b"ab"),
        lambda: assign(slice(0, 4, 2), b"ab"),
        lambda: m.write(b"abc"),
        lambda: m.write(b""),
        lambda: m.write_byte(65),
        lambda: m.move(0, 1, 2),
        lambda: m.resize(10),
        lambda: m.resize(2 * len(DATA)),
    ]
    for change in changes:
        with pytest.raises(TypeError):
            change()
    assert m.tell() == 0
    assert m[:] == read(file) == DATA
    m.flush()


def test_access_read_needs_only_a_readable_file(mmap: ModuleType, make_file: MakeFile) -> None:
    """B2, B3: a file that was opened for reading maps for reading and copying, not for writing."""
    path = make_file(DATA).name
    with open(path, "rb") as file:
        fd = file.fileno()
        for access in (mmap.ACCESS_READ, mmap.ACCESS_COPY):
            with mmap.mmap(fd, 0, access=access) as m:
                assert m[:] == DATA
        for access in (mmap.ACCESS_WRITE, mmap.ACCESS_DEFAULT):
            with pytest.raises(PermissionError):
                mmap.mmap(fd, 0, access=access)


def test_access_write(mmap: ModuleType, make_file: MakeFile) -> None:
    """B4: assignment changes memory and file."""
    file = make_file(DATA)
    m = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE)
    m[0:5] = b"first"
    m[-1] = 255
    m.flush()
    assert m[:] == read(file) == b"first" + DATA[5:-1] + b"\xff"
    pwrite(file.fileno(), b"other", 100)
    assert m[100:105] == b"other"


def test_access_copy(mmap: ModuleType, make_file: MakeFile) -> None:
    """B4: assignment changes memory only."""
    file = make_file(DATA)
    m = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    m[0:5] = b"first"
    m.seek(PAGE)
    m.write(b"second")
    m.flush()
    assert m[:5] == b"first"
    assert m[PAGE : PAGE + 6] == b"second"
    for size in (1, len(DATA), 2 * len(DATA)):
        with pytest.raises(TypeError):
            m.resize(size)
    m.close()
    assert read(file) == DATA


def test_access_default(mmap: ModuleType, make_file: MakeFile) -> None:
    """B5: without flags and prot, shared and writable."""
    file = make_file(DATA)
    for m in (
        mmap.mmap(file.fileno(), 0),
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_DEFAULT),
    ):
        m[0] = m[0] ^ 1
        m.flush()
        assert read(file)[0] == m[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Unix")
def test_flags_and_prot(mmap: ModuleType, make_file: MakeFile) -> None:
    """B5, B9: flags and prot decide what changes where."""
    file = make_file(DATA)
    fd = file.fileno()
    private = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    private[0] = 0
    private.flush()
    assert read(file) == DATA
    shared = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
    with pytest.raises(TypeError):
        shared[0] = 0
    with pytest.raises(TypeError):
        shared.resize(10)
    write_only = mmap.mmap(fd, 0, prot=mmap.PROT_WRITE)
    write_only[0] = 7
    write_only.flush()
    assert read(file)[0] == 7
    assert shared[0] == 7
    assert private[0] == 0


@pytest.mark.skipif(not LINUX, reason="Linux")
@pytest.mark.parametrize(
    "flags",
    [
        ("MAP_SHARED",),
        ("MAP_PRIVATE",),
        ("MAP_SHARED", "MAP_POPULATE"),
        ("MAP_PRIVATE", "MAP_POPULATE"),
        ("MAP_PRIVATE", "MAP_NORESERVE"),
        ("MAP_PRIVATE", "MAP_STACK"),
        ("MAP_SHARED", "MAP_DENYWRITE", "MAP_EXECUTABLE"),
        ("MAP_PRIVATE", "MAP_ANONYMOUS"),
        ("MAP_SHARED", "MAP_ANON"),
        ("MAP_SHARED_VALIDATE",),
        ("MAP_SHARED_VALIDATE", "MAP_SYNC"),
        ("MAP_PRIVATE", "MAP_SHARED_VALIDATE"),
        (),
    ],
    ids="|".join,
)
@pytest.mark.parametrize("prot", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("anonymous", [False, True], ids=["file", "anonymous"])
def test_combinations_of_flags(make_file: MakeFile, flags: tuple[str, ...], prot: int, anonymous: bool) -> None:
    """B9: every combination comes to the same with the standard library."""
    fd = -1 if anonymous else make_file(DATA).fileno()
    number = 0
    for name in flags:
        number |= getattr(firmmap, name)

    def go(mmap: ModuleType) -> object:
        with mmap.mmap(fd, 5000, number, prot) as m:
            before = m[:]
            try:
                m[0] = 200
            except TypeError as error:
                return repr(m), before, str(error)
            after = m[0]
            m[0] = before[0]
            return repr(m), before, after

    same(go)


@pytest.mark.skipif(not LINUX, reason="Linux")
@pytest.mark.parametrize("prot", [0, 4])
def test_no_access_at_all(make_file: MakeFile, prot: int) -> None:
    """B9, C15: memory that cannot be read is an error, where the standard library crashes."""
    file = make_file(DATA)
    m = firmmap.mmap(file.fileno(), 0, prot=prot)
    uses: list[Callable[[], object]] = [
        lambda: m[0],
        lambda: m[:],
        lambda: m[::2],
        lambda: m.read(),
        lambda: m.read(3),
        lambda: m.read_byte(),
        lambda: m.readline(),
        lambda: m.find(b"a"),
        lambda: m.rfind(b"a"),
        lambda: list(m),
    ]
    for use in uses:
        with pytest.raises(PermissionError):
            use()
    with pytest.raises(BufferError):
        memoryview(m)
    with pytest.raises(TypeError):
        m.write(b"a")
    assert (m.tell(), len(m), m.size()) == (0, len(DATA), len(DATA))
    m.close()
    assert read(file) == DATA


@pytest.mark.skipif(sys.platform == "win32", reason="Unix")
def test_access_together_with_flags_or_prot(make_file: MakeFile) -> None:
    """B9: naming access together with flags or prot is a ValueError."""
    fd = make_file(DATA).fileno()
    for access in range(4):
        for more in (
            {"flags": firmmap.MAP_PRIVATE},
            {"prot": firmmap.PROT_READ},
            {"flags": firmmap.MAP_PRIVATE, "prot": firmmap.PROT_READ},
            {"flags": firmmap.MAP_SHARED, "prot": firmmap.PROT_READ | firmmap.PROT_WRITE},
        ):
            same(
                lambda mmap, access=access, more=more: repr(  # type: ignore[misc]
                    mmap.mmap(fd, 0, access=access, **more)
                )
            )
    with pytest.raises(ValueError):
        firmmap.mmap(fd, 0, access=firmmap.ACCESS_READ, flags=firmmap.MAP_PRIVATE)
    with pytest.raises(ValueError):
        firmmap.mmap(fd, 0, access=firmmap.ACCESS_WRITE, prot=firmmap.PROT_READ)


# B6: anonymous memory.


@pytest.mark.parametrize("length", [1, 13, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_anonymous(mmap: ModuleType, length: int) -> None:
    """B6: zeroed memory of that length."""
    m = mmap.mmap(-1, length)
    assert len(m) == length
    assert m[:] == bytes(length)
    m[-1] = 1
    assert m[:] == bytes(length - 1) + b"\x01"


def test_anonymous_access(mmap: ModuleType) -> None:
    """B6, B2: with every kind of access."""
    for access in (mmap.ACCESS_DEFAULT, mmap.ACCESS_WRITE, mmap.ACCESS_COPY):
        m = mmap.mmap(-1, 100, access=access)
        m[0] = 1
        assert m[:2] == b"\x01\0"
    m = mmap.mmap(-1, 100, access=mmap.ACCESS_READ)
    assert m[:] == bytes(100)
    with pytest.raises(TypeError):
        m[0] = 1


# B7, B8: length and offset.


@pytest.mark.parametrize("offset", [0, UNIT, 2 * UNIT])
@pytest.mark.parametrize("length", [0, 1, 1000, PAGE + 1])
def test_length_and_offset(mmap: ModuleType, make_file: MakeFile, length: int, offset: int) -> None:
    """B7, B8: a part of the file, or with length 0 all from the offset on."""
    data = DATA * (UNIT // PAGE)
    file = make_file(data)
    want = data[offset : offset + length] if length else data[offset:]
    if length > len(data) - offset:
        with pytest.raises(ValueError):
            mmap.mmap(file.fileno(), length, offset=offset)
        return
    m = mmap.mmap(file.fileno(), length, offset=offset)
    assert (len(m), m.size(), m[:]) == (len(want), len(data), want)
    m[0] = 0
    m[-1] = 0
    m.flush()
    changed = bytearray(data)
    changed[offset] = changed[offset + len(want) - 1] = 0
    assert pread(file.fileno(), 2 * len(data), 0) == changed


@pytest.mark.skipif(sys.platform == "win32", reason="Unix")
def test_alignment(make_file: MakeFile) -> None:
    """B8: the offset is a multiple of ALLOCATIONGRANULARITY."""
    fd = make_file(DATA).fileno()
    for offset in (1, 100, PAGE - 1, PAGE + 1, 2 * PAGE - 1):
        for length in (0, 1, 100):
            result = same(
                lambda mmap, length=length, offset=offset: mmap.mmap(  # type: ignore[misc]
                    fd, length, offset=offset
                )
            )
            assert result[3][0] == errno.EINVAL


def test_empty_file(make_file: MakeFile) -> None:
    """B7: an empty file is a ValueError."""
    fd = make_file(b"").fileno()
    for length, offset in ((0, 0), (0, UNIT), (1, 0), (1, UNIT)):
        if length and sys.platform == "win32":
            continue  # The file gets longer.
        for access in range(4):
            result = same(
                lambda mmap, a=access, le=length, o=offset: mmap.mmap(  # type: ignore[misc]
                    fd, le, access=a, offset=o
                )
            )
            assert result[1] is ValueError
    assert same(lambda mmap: mmap.mmap(fd, 0))[2] == "cannot mmap an empty file"


@pytest.mark.skipif(sys.platform == "win32", reason="Unix")
def test_beyond_the_end(make_file: MakeFile) -> None:
    """B9: a length or an offset beyond the end of the file is a ValueError, however large."""
    fd = make_file(DATA).fileno()
    large = [len(DATA) + 1, 3 * PAGE, 2**31, 2**32, 2**62, sys.maxsize]
    aligned = [3 * PAGE, 2**31, 2**32, 2**62, 2**63 - PAGE]
    for length, offset in (
        [(length, 0) for length in large]
        + [(length, PAGE) for length in [*large, len(DATA)]]
        + [(length, offset) for length in (0, 1, sys.maxsize) for offset in aligned]
    ):
        result = same(
            lambda mmap, le=length, o=offset: mmap.mmap(fd, le, offset=o)  # type: ignore[misc]
        )
        assert result[1] is ValueError, (length, offset)


# B9: arguments that nobody can take.

HUGE = [2**31, 2**32, 2**62, 2**63 - 1, 2**63, -(2**31) - 1, -(2**63), -(2**63) - 1, 2**100]
ODD: list[Any] = [None, 1.5, "1", b"1", [], object(), Index(1), Index(2**70), True]
NAMES = ["fileno", "length", "flags", "prot", "access", "offset"]


def made(mmap: ModuleType, *args: Any, **names: Any) -> str:
    """What is made with these arguments, in words that compare."""
    with mmap.mmap(*args, **names) as m:
        return repr(m)


@pytest.mark.skipif(sys.platform == "win32", reason="the names are Unix's")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [*HUGE, *ODD, -1, -2, 4, 99], ids=repr)
def test_bad_argument(make_file: MakeFile, name: str, value: Any) -> None:
    """B9: each argument in turn is wrong, by name and by position, for a file and without one."""
    if name == "prot" and value in (Index(1), 4):
        return
    if (name, value) in (
        ("flags", -1),
        ("flags", -2),
        ("flags", 99),
        ("prot", -1),
        ("prot", -2),
        ("prot", 99),
    ):
        return  # MAP_FIXED and the like.
    for fileno in (make_file(DATA).fileno(), -1):
        arguments: dict[str, Any] = {"fileno": fileno, "length": 10}
        arguments[name] = value
        if fileno == -1 and name == "length" and value == 2**31:
            continue
        same(lambda mmap, a=arguments: made(mmap, **a))  # type: ignore[misc]
        values: list[Any] = [fileno, 10, firmmap.MAP_SHARED, 3, 0, 0]
        values[NAMES.index(name)] = value
        same(lambda mmap, v=values: made(mmap, *v))  # type: ignore[misc]


@pytest.mark.skipif(sys.platform == "win32", reason="the names are Unix's")
@pytest.mark.parametrize(
    ("args", "names"),
    [
        ((), {}),
        ((-1,), {}),
        ((), {"length": 10}),
        ((), {"fileno": -1}),
        ((-1, 10), {"fileno": -1}),
        ((-1, 10), {"length": 10}),
        ((-1, 10, 1), {"flags": 1}),
        ((-1, 10, 1, 3, 0, 0, 0), {}),
        ((-1, 10, 1, 3, 0, 0, 0, 0), {}),
        ((-1, 10, 1, 3, 0, 0), {"offset": 0}),
        ((-1, 10), {"surprise": 1}),
        ((-1, 10), {"tagname": "x"}),
        ((-1, 10), {"surprise": 1, "other": 2}),
        ((-1,), {"surprise": 1}),
        ((), {"surprise": 1}),
        (("x", "y"), {}),
        ((-1, "y", None), {}),
        ((-1, 10, "x", "y", "z"), {}),
        ((-1, 10, 1, 3, 7), {}),
        ((-1, 10, 2, 3, 1), {}),
        ((-1, -1), {"offset": -1}),
        ((-1, 10), {"offset": -1, "access": 9}),
        ((-1, -1), {"access": 9}),
        ((-1, 10), {"access": 1, "flags": 2}),
        ((-1, 10), {"access": 9, "flags": 2}),
        ((-1, 0), {}),
        ((-1, 0), {"access": 9}),
        ((-1, 10, 1, 3, 1), {}),
        ((-1, 10), {"offset": PAGE}),
        ((-1, 10), {"offset": 1}),
        ((-1, 10), {"offset": 2**62}),
        ((-1, 2**47), {}),
        ((-1, 2**63 - 1), {}),
        ((-1, 2**63 - 1), {"offset": 2**63 - 1}),
        ((-2, 10), {}),
        ((9999, 10), {}),
        ((9999, 0), {}),
        ((9999, 0), {"offset": PAGE}),
        ((9999, 0), {"access": 1}),
        ((2**31 - 1, 10), {}),
    ],
)
def test_bad_arguments(args: tuple[Any, ...], names: dict[str, Any]) -> None:
    """B9: wrong counts, wrong names, several wrong values: the first one found is the same."""
    if sys.version_info < (3, 13) and len(args) + len(names) >= 7:
        return  # N1: one argument more, and so another number in the words.
    same(lambda mmap: made(mmap, *args, **names))


@pytest.mark.skipif(sys.platform == "win32", reason="the names are Unix's")
def test_arguments_are_converted_in_order() -> None:
    """B9, C15: each argument once, from the first to the last, before anything is done."""

    def go(mmap: ModuleType) -> list[str]:
        log: list[str] = []

        class Logged(Index):
            def __init__(self, name: str, value: int) -> None:
                super().__init__(value)
                self.name = name

            def __index__(self) -> int:
                log.append(self.name)
                return self.value

        values = {"fileno": -1, "length": 10, "flags": 1, "prot": 3, "access": 0, "offset": 0}
        given = {name: Logged(name, value) for name, value in values.items()}
        mmap.mmap(*given.values()).close()
        mmap.mmap(**dict(reversed(given.items()))).close()
        return log

    same(go)


@pytest.fixture
def not_files(tmp_path: Path) -> Iterator[dict[str, int]]:
    """Descriptors of things that are no regular files."""
    reader, writer = os.pipe()
    found = {"pipe": reader, "end of a pipe": writer, "directory": os.open(tmp_path, os.O_RDONLY)}
    for device in ("/dev/zero", "/dev/null"):
        found[device] = os.open(device, os.O_RDWR)
    yield found
    for fd in found.values():
        os.close(fd)


@pytest.mark.skipif(not LINUX, reason="Linux")
def test_what_is_no_file(not_files: dict[str, int]) -> None:
    """B1: pipes, directories and devices."""
    for what, fd in not_files.items():
        for length in (0, 10):
            for access in range(4):
                for offset in (0, PAGE):

                    def go(
                        mmap: ModuleType,
                        fd: int = fd,
                        length: int = length,
                        access: int = access,
                        offset: int = offset,
                    ) -> object:
                        with mmap.mmap(fd, length, access=access, offset=offset) as m:
                            # Memory of /dev/zero behind an offset is a bus error.
                            return repr(m), m[: 0 if offset else 10], m.size()

                    result = same(go)
                    assert result[0] == "raised" or what == "/dev/zero"


def test_descriptor_of_a_closed_file(make_file: MakeFile) -> None:
    """B1: is an OSError."""
    file = make_file(DATA)
    fd = file.fileno()
    file.close()
    assert same(lambda mmap: mmap.mmap(fd, 10))[3][0] == errno.EBADF


def test_large_offset(mmap: ModuleType, make_file: MakeFile) -> None:
    """B8: offsets of more than 32 bits, in a sparse file."""
    file = make_file(b"")
    end = 5 * 2**30
    os.truncate(file.fileno(), end + 10)
    pwrite(file.fileno(), b"far away", end)
    m = mmap.mmap(file.fileno(), 0, offset=end)
    assert m[:] == b"far away\0\0"
    m[0:3] = b"FAR"
    m.flush()
    assert pread(file.fileno(), 8, end) == b"FAR away"
    assert m.size() == end + 10
    assert f"offset={end}>" in repr(m)


# B11: trackfd.


@pytest.mark.skipif(not LINUX, reason="needs /proc")
def test_trackfd(make_file: MakeFile) -> None:
    """B11, N1: no descriptor is kept; size and resize fail, all else works."""
    file = make_file(DATA)
    before = descriptors()
    m = firmmap.mmap(file.fileno(), 0, trackfd=False)
    assert descriptors() == before
    file.close()
    assert m[:] == DATA
    m[:5] = b"first"
    m.flush()
    assert Path(file.name).read_bytes() == b"first" + DATA[5:]
    with pytest.raises(ValueError, match=r"^can't get size with trackfd=False$"):
        m.size()
    for size in (1, len(DATA), 2 * len(DATA)):
        with pytest.raises(ValueError, match=r"^mmap can't resize with trackfd=False[.]$"):
            m.resize(size)
    assert (m.find(b"first"), m.rfind(b"first"), m.readline()) == (0, 0, b"first\6\7\x08\t\n")
    m.madvise(firmmap.MADV_NORMAL)
    m.close()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the standard library has it from 3.13 on")
def test_trackfd_as_the_standard_library(make_file: MakeFile) -> None:
    """B11: keyword only, any object's truth, with every access."""
    fd = make_file(DATA).fileno()
    values: list[Any] = [True, False, 0, 1, None, "x", [], 2**100]
    for trackfd in values:
        for access in range(4):
            for fileno in (fd, -1):

                def go(
                    mmap: ModuleType,
                    fileno: int = fileno,
                    access: int = access,
                    trackfd: Any = trackfd,
                ) -> object:
                    with mmap.mmap(fileno, 100, access=access, trackfd=trackfd) as m:
                        if fileno == -1:
                            return repr(m)
                        return repr(m), m.size()

                same(go)

    def resized(mmap: ModuleType) -> object:
        return mmap.mmap(fd, 100, trackfd=False).resize(50)

    assert same(resized)[1] is ValueError


# B12: auditing.

AUDIT = """
import importlib, json, sys
mmap = importlib.import_module(sys.argv[1])
path = sys.argv[2]
events = []
refuse = False
def hook(event, args):
    if event.startswith("mmap"):
        events.append([event, list(args)])
        if refuse:
            raise ZeroDivisionError("refused")
sys.addaudithook(hook)
def attempt(*args, **names):
    try:
        m = mmap.mmap(*args, **names)
    except Exception as error:
        events.append([type(error).__name__, str(error)])
    else:
        events.append([repr(m)])
        m.close()
with open(path, "r+b") as file:
    fd = file.fileno()
    attempt(-1, 13)
    attempt(fd, 0)
    attempt(fd, 10, access=mmap.ACCESS_READ, offset=mmap.PAGESIZE)
    attempt(fd, 10, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    attempt(fd, 10, prot=mmap.PROT_WRITE)
    attempt(9999, 10)
    attempt(9999, 2 ** 62, access=mmap.ACCESS_COPY, offset=2 ** 62)
    attempt(fd, 10 ** 9)
    attempt(fd, 10, offset=1)
    attempt(-1, 0)
    # What is refused before.
    attempt(fd, -1)
    attempt(fd, 10, offset=-1)
    attempt(fd, 10, access=9)
    attempt(fd, 10, access=1, prot=1)
    attempt(fd, "x")
    attempt()
    refuse = True
    attempt(fd, 10)
    attempt(9999, 10)
for event in events:
    for values in event[1:]:
        if isinstance(values, list) and values[0] == fd:
            values[0] = "fd"
print(json.dumps(events))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="uses flags and prot")
def test_audit_events(make_file: MakeFile) -> None:
    """B12: the event, its arguments, its time, and an auditor's refusal."""
    path = str(make_file(DATA).name)
    expected = json.loads(run_python(AUDIT, "mmap", path).stdout)
    ours = json.loads(run_python(AUDIT, "firmmap", path).stdout)
    assert expected[0] == ["mmap.__new__", [-1, 13, 0, 0]]
    assert ["ZeroDivisionError", "refused"] in expected
    assert ours == expected


def test_audit_comes_before_the_mapping(make_file: MakeFile) -> None:
    """B12: nothing was mapped when the event is raised, and a refusal leaves nothing behind."""
    program = """
import sys, firmmap
seen = []
def hook(event, args):
    if event == "mmap.__new__":
        with open("/proc/self/maps") as maps:
            seen.append(sys.argv[1] in maps.read())
        raise RuntimeError
sys.addaudithook(hook)
with open(sys.argv[1], "r+b") as file:
    try:
        firmmap.mmap(file.fileno(), 0)
    except RuntimeError:
        pass
with open("/proc/self/maps") as maps:
    seen.append(sys.argv[1] in maps.read())
assert seen == [False, False], seen
"""
    if LINUX:
        run_python(program, str(make_file(DATA).name))
