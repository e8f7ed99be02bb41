"""Control over pages: prefetch, evict, lock, unlock, protect, residency, flush, madvise."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import firmmap
import pytest
from support import PAGE, Index, run_python

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the pages")

PAGES = 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"x" * PAGES * PAGE)
    with path.open("r+b") as file:
        os.fsync(file.fileno())
    return path


def drop(path: Path) -> None:
    """Takes a file out of the cache, where the file system does that."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with firmmap.open(path) as m:
        if m.residency().resident:
            pytest.skip("this file system keeps the pages of a file")


@only_linux
def test_evict(path: Path) -> None:
    """G8: after it nothing of the range is in memory, dirty pages included, and all is read from the disk again."""
    drop(path)
    with firmmap.open(path, "r+") as m:
        m.prefetch()
        assert m.residency().resident == PAGES
        m.evict(8 * PAGE - 1, 8 * PAGE + 2)
        # Whole pages, with those of which the range has a byte.
        assert m.residency(7 * PAGE, 10 * PAGE).resident == 0
        assert m.residency().resident == PAGES - 10
        m[3 * PAGE : 3 * PAGE + 5] = b"dirty"
        m.evict()
        assert m.residency().resident == 0
        assert m[3 * PAGE - 1 : 3 * PAGE + 6] == b"xdirtyx"
        m.evict(0, 0)
        assert m.residency().resident > 0
    with firmmap.open(path, offset=PAGE + 5) as m:
        m.prefetch()
        m.evict()
        assert m.residency().resident == 0
        assert m[2 * PAGE - 5 : 2 * PAGE] == b"dirty"


@only_linux
def test_evict_what_others_use(path: Path) -> None:
    """G8: the pages of another map stay, and what others have written is not lost."""
    drop(path)
    with firmmap.open(path) as m, firmmap.open(path, "r+") as other:
        other[PAGE : PAGE + 3] = b"new"
        m.prefetch()
        m.evict()
        assert 0 < m.residency().resident < PAGES
        other.evict()
        m.evict()
        assert m.residency().resident == 0
        assert m[PAGE : PAGE + 3] == b"new"


def test_evict_keeps_what_is_nowhere_else(path: Path) -> None:
    """G8: changes of a copy-on-write map, and memory without a file, are refused and stay."""
    with firmmap.open(path, "c") as m:
        m[5:8] = b"abc"
        with pytest.raises(io.UnsupportedOperation, match="copy-on-write"):
            m.evict()
        assert m[4:9] == b"xabcx"
    for memory in (firmmap.anonymous(PAGE), firmmap.open(path, load=True)):
        with memory as m, pytest.raises(io.UnsupportedOperation, match="memory without a file"):
            m.evict()
    if sys.platform == "linux":
        with (
            firmmap.open(path, keep_file=False) as m,
            pytest.raises(io.UnsupportedOperation, match="needs the map's file"),
        ):
            m.evict()
        with firmmap.open(path) as m:
            with pytest.raises(ValueError, match=f"start 1 and length {PAGES * PAGE} is no range of the"):
                m.evict(1, PAGES * PAGE)
            m.lock()
            with pytest.raises(OSError, match="Invalid argument"):
                m.evict()
            m.unlock()


@only_linux
def test_residency(path: Path) -> None:
    """G8: counts and runs of pages; one line as repr, one line of blocks as str."""
    drop(path)
    with firmmap.open(path) as m:
        m.madvise(firmmap.MADV_RANDOM)
        assert (m[5 * PAGE], m[6 * PAGE + 1], m[60 * PAGE]) == (120, 120, 120)
        found = m.residency()
        assert found.total == PAGES
        assert found.page_size == PAGE
        assert 3 <= found.resident < PAGES
        assert sum(len(run) for run in found.runs) == found.resident * PAGE
        assert all(run.start % PAGE == run.stop % PAGE == 0 for run in found.runs)
        assert {5, 6, 60} <= {page for run in found.runs for page in range(run.start // PAGE, run.stop // PAGE)}
        words = rf"Residency\(resident={found.resident}, total={PAGES}, page_size={PAGE}, runs=\[range\(.*\)\]\)"
        assert re.fullmatch(words, repr(found))
        drawn = str(found)
        assert drawn.count("█") + sum(drawn.count(block) for block in "▁▂▃▄▅▆▇") >= 3
        assert "\n" not in drawn
        assert drawn.endswith(f"{found.resident} of {PAGES} pages")
        assert found == m.residency()


@only_linux
def test_residency_of_a_range(path: Path) -> None:
    """G8: only the range is looked at; indices are those of the map."""
    with firmmap.open(path) as m:
        m.prefetch()
        found = m.residency(3 * PAGE, 2 * PAGE)
        assert (found.resident, found.total) == (2, 2)
        assert found.runs == [range(3 * PAGE, 5 * PAGE)]
        assert m.residency(PAGE + 5, 10).runs == [range(PAGE + 5, PAGE + 15)]
        assert m.residency(10, 0).total == 0
    with firmmap.open(path, offset=PAGE // 2) as m:
        assert m.residency(0, 10).runs == [range(0, 10)]


def test_residency_is_ours_to_make() -> None:
    """G8: it is a report, and not to be made by hand."""
    kind: Any = firmmap.Residency
    with pytest.raises(TypeError):
        kind()


@only_linux
def test_prefetch(path: Path) -> None:
    """G8: the pages are there when it returns."""
    drop(path)
    with firmmap.open(path) as m:
        m.madvise(firmmap.MADV_RANDOM)
        m.prefetch(10 * PAGE, 5 * PAGE)
        assert m.residency(10 * PAGE, 5 * PAGE).resident == 5
        assert m.residency().resident < PAGES
        m.prefetch()
        assert m.residency().resident == PAGES


RANGES: list[tuple[Any, ...]] = [(), (0,), (5,), (PAGE + 1, 10), (Index(3), Index(4)), (0, None), (PAGES * PAGE,)]


@pytest.mark.parametrize("name", ["prefetch", "flush", "residency"])
def test_ranges(path: Path, name: str) -> None:
    """G8: any range inside of the map, aligned or not; others are a ValueError with the numbers."""
    with firmmap.open(path, "r+") as m:
        method = getattr(m, name)
        if name != "residency" or sys.platform == "linux":
            for arguments in RANGES:
                method(*arguments)
        for arguments in [(-1,), (0, -1), (PAGES * PAGE + 1,), (1, PAGES * PAGE), (5, sys.maxsize)]:
            with pytest.raises(ValueError, match=rf"start {arguments[0]}.* {PAGES * PAGE} mapped bytes"):
                method(*arguments)
        for arguments in [("0",), (1.5,), (0, "1")]:
            with pytest.raises(TypeError):
                method(*arguments)


def test_flush(path: Path) -> None:
    """G8: returns when the disk has it, or at once; nothing to do for maps that write nothing."""
    for mode in ("r+", "r", "c"):
        any_mode: Any = mode
        with firmmap.open(path, any_mode) as m:
            if m.writable():
                m[0] = 65
            assert m.flush() is None  # type: ignore[func-returns-value]
            m.flush(asynchronous=True)
            m.flush(PAGE + 3, 10, asynchronous=False)
            wrong: Any = m.flush
            with pytest.raises(TypeError):
                wrong(nonsense=True)
            with pytest.raises(TypeError):
                wrong(0, 1, True)


@pytest.mark.skipif(sys.platform != "linux", reason="reads strace's output")
def test_flush_calls(path: Path) -> None:
    """G8: msync(2) of the pages in question, with the flag that was asked for."""
    if subprocess.run(["which", "strace"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not installed")
    program = f"""
import firmmap
with firmmap.open({str(path)!r}, "r+") as m:
    m[5] = 1
    m.flush({PAGE} + 1, 10)
    m.flush(asynchronous=True)
"""
    command = ["strace", "-f", "-e", "trace=msync", sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ptrace" in result.stderr:
        pytest.skip("strace may not trace here")
    found = re.findall(r"msync\((\w+), (\d+), (\w+)\)", result.stderr)
    calls = [(int(address, 16), int(length), flag) for address, length, flag in found]
    (one, length, sync), (start, whole, later) = calls[:2]
    assert (sync, later, whole) == ("MS_SYNC", "MS_ASYNC", PAGES * PAGE)
    assert one == start + PAGE
    assert 11 <= length <= PAGE


@only_linux
def test_lock(path: Path) -> None:
    """G8: locked pages are counted by the kernel, and let go."""

    def locked() -> int:
        found = re.search(r"VmLck:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert found
        return int(found[1]) * 1024

    before = locked()
    with firmmap.open(path) as m:
        m.lock()
        assert locked() - before >= PAGES * PAGE
        assert m.residency().resident == PAGES
        m.unlock()
        assert locked() == before


@only_linux
@pytest.mark.parametrize("capacity", [None, 1 << 26])
def test_unlock_of_what_has_changed_its_length(path: Path, capacity: int | None) -> None:
    """G8: unlock() leaves nothing locked, also where the map has grown, moved or become shorter meanwhile."""
    status = Path("/proc/self/status")
    before = re.findall(r"VmLck:.*", status.read_text())
    with firmmap.open(path, "r+", capacity=capacity) as m:
        for length in (16 * PAGE, 2048 * PAGE, PAGE):
            m.lock()
            m.truncate(length)
            m.unlock()
            assert re.findall(r"VmLck:.*", status.read_text()) == before, length


@only_linux
def test_lock_of_too_much(path: Path) -> None:
    """G8: more than the process may lock is an OSError."""
    program = """
import os, resource, sys
import firmmap
if os.geteuid() == 0:
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))
m = firmmap.anonymous(1 << 20)
try:
    m.lock()
except OSError as error:
    print(error.errno)
"""
    assert run_python(program).stdout.strip() in ("1", "11", "12")


@pytest.mark.skipif(sys.platform == "win32", reason="PROT_* are names of Unix")
def test_protect(path: Path) -> None:
    """G8: what is not allowed any more is an exception, and no crash."""
    with firmmap.open(path, "r+") as m:
        m.protect(firmmap.PROT_READ)
        assert m[0] == 120
        for call in (lambda: m.__setitem__(0, 1), lambda: m.write(b"x"), lambda: m.move(0, 1, 2)):
            with pytest.raises((OSError, TypeError)):
                call()
        with memoryview(m) as view:
            assert view.readonly
        m.protect(firmmap.PROT_NONE)
        for use in (lambda: m[0], lambda: m.read(), lambda: m.find(b"x"), lambda: next(m), lambda: memoryview(m)):
            with pytest.raises((OSError, BufferError)):
                use()
        m.protect(firmmap.PROT_READ | firmmap.PROT_WRITE)
        m[0] = 65
        assert m[0] == 65
        with memoryview(m), pytest.raises(BufferError):
            m.protect(firmmap.PROT_NONE)
        for wrong in (-1, 8, 1 << 20):
            with pytest.raises(ValueError, match="PROT_READ"):
                m.protect(wrong)
    with firmmap.open(path) as m, pytest.raises(PermissionError):
        m.protect(firmmap.PROT_READ | firmmap.PROT_WRITE)


@only_linux
def test_madvise(path: Path) -> None:
    """C4: as the class mmap has it, at any start."""
    with firmmap.open(path, "c") as m:
        m[0] = 65
        next(m, None)
        m.seek(0)
        m.madvise(firmmap.MADV_DONTNEED)
        assert m[0] == 120
        m.madvise(firmmap.MADV_WILLNEED, 5, 10)
        with pytest.raises(OSError):
            m.madvise(12345)
        with pytest.raises(ValueError):
            m.madvise(firmmap.MADV_NORMAL, -1)


def test_closed(path: Path) -> None:
    """G8: ValueError."""
    m = firmmap.open(path, "r+")
    m.close()
    for call in (m.prefetch, m.lock, m.unlock, m.residency, m.flush, lambda: m.protect(1)):
        with pytest.raises(ValueError, match="closed file"):
            call()
