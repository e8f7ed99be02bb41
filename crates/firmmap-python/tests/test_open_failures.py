"""firmmap.open() that fails: nothing has changed, and the exception says about which file."""

from __future__ import annotations

import errno
import itertools
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import firmmap
import pytest
from support import PAGE, run_python

PRECIOUS = b"precious" * 100

IMPOSSIBLE: list[dict[str, int]] = [
    {"length": 1 << 62},
    {"length": sys.maxsize},
    {"offset": 1 << 62},
    {"offset": 1 << 62, "length": 1},
    {"offset": sys.maxsize, "length": 1},
    {"length": 1 << 70},
    {"length": -1},
    {"length": 2, "capacity": 1},
]
if sys.platform != "win32":
    IMPOSSIBLE += [{"capacity": 1 << 62}, {"capacity": sys.maxsize}]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(PRECIOUS)
    return path


@pytest.mark.parametrize("arguments", IMPOSSIBLE, ids=str)
@pytest.mark.parametrize("mode", ["r+", "w+", "x+"])
def test_a_file_stays_as_it_is(path: Path, mode: Any, arguments: dict[str, Any]) -> None:
    """G2: an open that fails has changed no file."""
    with pytest.raises((OSError, ValueError)):
        firmmap.open(path, mode, **arguments)
    assert path.read_bytes() == PRECIOUS
    with path.open("r+b") as file, pytest.raises((OSError, ValueError)):
        firmmap.open(file.fileno(), mode, **arguments)
    assert path.read_bytes() == PRECIOUS


@pytest.mark.parametrize("arguments", IMPOSSIBLE, ids=str)
@pytest.mark.parametrize("mode", ["w+", "x+"])
def test_no_file_is_left(tmp_path: Path, mode: Any, arguments: dict[str, Any]) -> None:
    """G2: an open that fails has made no file."""
    with pytest.raises((OSError, ValueError)) as caught:
        firmmap.open(tmp_path / "new", mode, **arguments)
    assert list(tmp_path.iterdir()) == []
    if isinstance(caught.value, OSError):
        assert caught.value.filename == str(tmp_path / "new")


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of Unix")
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY])
@pytest.mark.parametrize("arguments", [{}, {"length": 10}, {"capacity": 1 << 20}, {"offset": 5}], ids=str)
def test_a_descriptor_of_another_kind(path: Path, flags: int, arguments: dict[str, Any]) -> None:
    """G2: one that cannot be read, or not be written, empties nothing."""
    descriptor = os.open(path, flags)
    try:
        with pytest.raises(PermissionError):
            firmmap.open(descriptor, "w+", **arguments)
    finally:
        os.close(descriptor)
    assert path.read_bytes() == PRECIOUS


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_to_no_file(tmp_path: Path) -> None:
    """G2: the file that it leads to is made, or not."""
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to("target")
    with pytest.raises((OSError, ValueError)):
        firmmap.open(link, "w+", length=sys.maxsize)
    assert not target.exists()
    assert link.is_symlink()
    with pytest.raises(FileExistsError):
        firmmap.open(link, "x+")
    firmmap.open(link, "w+", length=3).close()
    assert target.read_bytes() == bytes(3)


REFUSED = """
import os, sys
import firmmap
path, new = sys.argv[1:]
def refuse(name, args):
    if name == "mmap.__new__":
        raise PermissionError("no maps here")
sys.addaudithook(refuse)
for file, mode in ((path, "w+"), (path, "r+"), (new, "w+"), (new, "x+")):
    try:
        firmmap.open(file, mode, length=10)
    except PermissionError as error:
        assert (str(error), error.filename) == ("no maps here", None)
    else:
        raise SystemExit("no exception")
"""


def test_an_audit_hook_refuses(path: Path) -> None:
    """G2, B12: whoever forbids the map keeps the file; the exception is the hook's own."""
    new = path.with_name("new")
    run_python(REFUSED, str(path), str(new))
    assert path.read_bytes() == PRECIOUS
    assert not new.exists()


NO_ADDRESSES = """
import errno, os, resource, sys
import firmmap
path, new = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
for file, mode in ((path, "r"), (path, "r+"), (path, "w+"), (path, "c"), (new, "w+"), (new, "x+")):
    try:
        firmmap.open(file, mode, capacity=1 << 40)
    except OSError as error:
        assert (error.errno, error.filename) == (errno.ENOMEM, file), repr(error)
    else:
        raise SystemExit("no exception")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on addresses")
def test_addresses_run_out(path: Path) -> None:
    """G2: the same where the system has no room for the capacity."""
    new = path.with_name("new")
    run_python(NO_ADDRESSES, str(path), str(new))
    assert path.read_bytes() == PRECIOUS
    assert not new.exists()


LIMITED = """
import os, resource, signal, sys
import firmmap
path, *numbers = sys.argv[1:]
length, offset, sparse = map(int, numbers)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    with firmmap.open(path, "w+", length=length, offset=offset, sparse=bool(sparse)) as m:
        assert m[:] == bytes(length)
except OSError:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux zeroes a file in place")
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("length", "offset"), [(800, 0), (700, 0), (0, 0), (801, 0), (10, 795), (0, 801)])
def test_the_length_of_files_is_limited(path: Path, length: int, offset: int, sparse: bool) -> None:
    """G2: a length that the file could not be given again is not taken from it first."""
    done = run_python(LIMITED, str(path), str(length), str(offset), str(int(sparse)))
    if "refused" in done.stdout:
        assert path.read_bytes() == PRECIOUS
        assert length + offset > len(PRECIOUS)
    else:
        assert path.read_bytes() == bytes(length + offset)


@pytest.mark.skipif(sys.platform != "linux", reason="seals are Linux'")
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("length", [800, 799, 801, 0])
@pytest.mark.parametrize("seal", ["F_SEAL_GROW", "F_SEAL_SHRINK", "F_SEAL_WRITE"])
def test_a_sealed_file(seal: str, length: int, sparse: bool) -> None:
    """G2: what a seal forbids is refused before a byte is gone."""
    import fcntl

    descriptor = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    try:
        os.write(descriptor, PRECIOUS)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, getattr(fcntl, seal))
        try:
            firmmap.open(descriptor, "w+", length=length, sparse=sparse).close()
        except PermissionError:
            wanted = PRECIOUS
            allowed = {"F_SEAL_GROW": length <= 800, "F_SEAL_SHRINK": length >= 800, "F_SEAL_WRITE": False}
            assert not allowed[seal]
        else:
            wanted = bytes(length)
        assert os.pread(descriptor, 1000, 0) == wanted
    finally:
        os.close(descriptor)


@pytest.mark.skipif(sys.platform != "linux", reason="seals are Linux'")
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("mode", ["r+", "w+", "a+"])
@pytest.mark.parametrize("what", ["sealed", "sealed later", "no addresses"])
def test_a_file_that_cannot_become_shorter_again(what: str, mode: Any, sparse: bool) -> None:
    """G2: as what was added could not be taken away again, nothing is added before the file is mapped."""
    import fcntl

    descriptor = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    try:
        os.write(descriptor, PRECIOUS)
        future_write = 16  # F_SEAL_FUTURE_WRITE
        seals = {"sealed": fcntl.F_SEAL_WRITE, "sealed later": future_write, "no addresses": 0}[what]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | seals)
        capacity = 1 << 60 if what == "no addresses" else None
        with pytest.raises(OSError):
            firmmap.open(descriptor, mode, length=9000, capacity=capacity, sparse=sparse)
        assert os.pread(descriptor, 10000, 0) == PRECIOUS
    finally:
        os.close(descriptor)


@pytest.mark.skipif(sys.platform != "linux", reason="memfd_create() is Linux'")
@pytest.mark.parametrize("mode", ["r+", "w+", "a+"])
def test_more_than_there_is_memory(mode: Any) -> None:
    """G6: a file in memory, whose file system has no size, takes no memory for what does not fit."""
    descriptor = os.memfd_create("large")
    try:
        with pytest.raises(OSError, match=f"{1 << 46} bytes were asked for, and [0-9]+ are free") as caught:
            firmmap.open(descriptor, mode, length=1 << 46)
        assert caught.value.errno == errno.ENOSPC
        assert (os.fstat(descriptor).st_size, os.fstat(descriptor).st_blocks) == (0, 0)
    finally:
        os.close(descriptor)


@pytest.mark.skipif(sys.platform == "win32", reason="devices of Unix")
@pytest.mark.parametrize("mode", ["r+", "w+"])
@pytest.mark.parametrize("name", ["/dev/null", "/dev/zero", "pipe"])
def test_no_regular_files(tmp_path: Path, name: str, mode: Any) -> None:
    """G1, G2, R8: what has no length is refused in every mode that writes, and stays."""
    path = Path(name) if name != "pipe" else tmp_path / name
    if name == "pipe":
        if sys.platform != "linux":
            pytest.skip("waits for somebody who reads")
        os.mkfifo(path)
    for length in (None, 0):
        with pytest.raises(ValueError, match="not a regular one"):
            firmmap.open(path, mode, length=length)
    assert path.exists()
    with pytest.raises(IsADirectoryError) as caught:
        firmmap.open(tmp_path, mode)
    assert caught.value.filename == str(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="what /proc is like")
@pytest.mark.parametrize("given", ["/proc/self/maps", b"/proc/cpuinfo", Path("/proc/self/status")])
@pytest.mark.parametrize("mode", ["r", "c"])
@pytest.mark.parametrize("arguments", [{}, {"length": 0}, {"length": 10}, {"capacity": 1 << 20}], ids=str)
def test_pseudo_files(given: Any, mode: Any, arguments: dict[str, Any]) -> None:
    """R8, G2: a file whose length says nothing is an OSError that says so, with its name."""
    with pytest.raises(OSError, match="says nothing about its bytes") as caught:
        firmmap.open(given, mode, **arguments)
    assert caught.value.filename == os.fspath(given)
    with open(given, "rb") as file, pytest.raises(ValueError) as refused:
        firmmap.mmap(file.fileno(), arguments.get("length", 0), access=firmmap.ACCESS_READ)
    # As the standard class says it.
    words = "mmap length is greater than file size" if arguments.get("length") else "cannot mmap an empty file"
    assert str(refused.value) == words


def operations(m: firmmap.MappedFile) -> list[Callable[[], object]]:
    """What meets a missing page, or a missing end."""
    lines, matches = m.lines(), m.find_all(b"\n")
    return [
        lambda: m[PAGE],
        lambda: m[0:PAGE],
        m.read,
        m.readline,
        lambda: m.find(b"x"),
        lambda: m.count(b"x"),
        lambda: b"x" in m,
        lambda: next(m),
        lambda: next(lines),
        lambda: next(matches),
        lambda: m.write(b"x"),
        lambda: m.truncate(PAGE),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file cannot be truncated there")
def test_later_errors_have_the_name(path: Path) -> None:
    """G2: every OSError about the file has its name, from whatever method, and keeps it in a pickle."""
    with firmmap.anonymous(PAGE) as m:
        count = len(operations(m))
    paths: tuple[Path | str | bytes, ...] = (path, str(path), os.fsencode(path))
    for given, number in itertools.product(paths, range(count)):
        path.write_bytes(b"line\n" * PAGE)
        with firmmap.open(given, "r+") as m:
            call = operations(m)[number]
            os.truncate(path, 0)
            with pytest.raises(firmmap.MapFaultError) as caught:
                call()
            assert caught.value.filename == os.fspath(given)
            assert repr(os.fspath(given)) in str(caught.value)
            again = pickle.loads(pickle.dumps(caught.value))
            assert (again.filename, again.offset) == (caught.value.filename, caught.value.offset)
    path.write_bytes(b"line\n" * PAGE)
    with path.open("r+b") as file, firmmap.open(file.fileno(), "r+") as m:
        os.truncate(path, 0)
        with pytest.raises(firmmap.MapFaultError) as caught:
            m.read()
        assert caught.value.filename is None


def test_exceptions_of_others_stay(path: Path) -> None:
    """G2: what Python code raises inside of a method is not about the map's file."""

    def fails() -> Any:
        yield b"one"
        raise OSError(5, "of the generator")

    with firmmap.open(path, "r+") as m, pytest.raises(OSError, match="of the generator") as caught:
        m.writelines(fails())
    assert caught.value.filename is None


def test_numbers_that_do_not_fit(path: Path) -> None:
    """G2: they are named, with their limit."""
    for name in ("offset", "length", "capacity"):
        for number in (1 << 63, 1 << 70, 10**5000):
            with pytest.raises(ValueError, match=rf"^{name} .* at most {sys.maxsize}$"):
                firmmap.open(path, **{name: number})  # type: ignore[call-overload]
        for number in (-1, -(1 << 63), -(1 << 63) - 1, -(1 << 70)):
            with pytest.raises(ValueError, match=rf"^{name} {number} is negative$"):
                firmmap.open(path, **{name: number})  # type: ignore[call-overload]
    for number in (1 << 31, 1 << 70):
        with pytest.raises(OverflowError, match=rf"^descriptor {number} .* {2**31 - 1}$"):
            firmmap.open(number)
    for number in (1 << 63, 1 << 70):
        with pytest.raises(ValueError, match=rf"^length {number} .* at most {sys.maxsize}$"):
            firmmap.anonymous(number)
        with pytest.raises(ValueError, match=rf"^capacity {number} .* at most {sys.maxsize}$"):
            firmmap.anonymous(1, capacity=number)


@pytest.mark.skipif(sys.platform == "win32", reason="fifos")
@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_what_an_opener_has_found_stays(tmp_path: Path, kind: str) -> None:
    """G2: an open that fails removes nothing that was there before, whatever the opener has done."""
    path = tmp_path / "here"
    path.touch() if kind == "file" else os.mkfifo(path)
    wrong: list[dict[str, Any]] = [{"offset": 1 << 62, "length": 1 << 62}, {"capacity": 1 << 62}]
    for arguments in wrong:
        with pytest.raises((ValueError, OSError)):
            firmmap.open(path, "x+", opener=lambda path, flags: os.open(path, os.O_RDWR), **arguments)
        assert path.exists()
