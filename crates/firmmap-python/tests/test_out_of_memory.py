"""C16: allocations that fail, one by one, and a heap that is exhausted.

What is tried is in `operations.py`, how in `without_memory.py` and `exhausted_heap.py`: in processes of their own.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import firmmap
import pytest
from operations import KINDS
from support import run_alone

HERE = Path(__file__).parent


@pytest.mark.parametrize("kind", list(KINDS))
def test_allocations_that_fail(kind: str) -> None:
    """C16: each of them is a MemoryError, and never the end of the process."""
    pytest.importorskip("_testcapi", reason="this CPython comes without _testcapi, which makes allocations fail")
    run_alone("without_memory.py", kind)


@pytest.mark.parametrize("needles", [b"a", [b"a", b"not there"]], ids=["one", "several"])
@pytest.mark.parametrize("passed", [0, 25, 26, 100, 372, 373])
def test_no_match_is_lost_where_its_place_has_no_memory(
    tmp_path: Path, needles: bytes | list[bytes], passed: int
) -> None:
    """C16: a match whose index cannot be made stays the next one, after a MemoryError or in another attempt."""
    _testcapi = pytest.importorskip("_testcapi", reason="this CPython has no _testcapi, which makes allocations fail")
    path = tmp_path / "file"
    path.write_bytes(b"a.........\n" * 800)
    # Most of them are larger than the ints that CPython keeps.
    expected = list(range(0, 8800, 11))
    for stop in (1, 2, 3):
        with firmmap.open(path, "r") as m:
            matches = m.find_all(needles)
            found = [next(matches) for _ in range(passed)]
            another: int | None = None
            _testcapi.set_nomemory(0, stop)
            try:
                another = next(matches)
            except MemoryError:
                pass
            finally:
                _testcapi.remove_mem_hooks()
            if another is not None:
                found.append(another)
            found += matches
            assert found == expected


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_lines_without_memory(tmp_path: Path) -> None:
    """C16: what has no memory is an error, what was written before stays, and the map is given back."""
    _testcapi = pytest.importorskip("_testcapi", reason="this CPython has no _testcapi, which makes allocations fail")
    path = tmp_path / "file"

    def lines(m: firmmap.MappedFile) -> Iterator[bytes]:
        yield b"%d" % 1
        yield b"%d" % 2
        m.tell()
        yield b"%d" % 3

    gc.collect()
    failed, before = 0, len(os.listdir("/proc/self/fd"))
    for passed in range(40):
        m = firmmap.open(path, "w+")
        made = lines(m)
        error = None
        _testcapi.set_nomemory(passed, passed + 1)
        try:
            m.writelines(made)
        except MemoryError as caught:
            error = caught
        finally:
            _testcapi.remove_mem_hooks()
        failed += error is not None
        error = None
        del m, made
        written = path.read_bytes()
        assert written in (b"123", b"12", b"1", b"")
    assert failed > 0
    assert len(os.listdir("/proc/self/fd")) == before


FIRST_ERROR = """
import _testcapi, os, sys
import firmmap
m = firmmap.open(sys.argv[1], "r+")
runs, needles = m.residency(), [b"a", b"b"]
operation = {
    "repr": lambda: repr(m),
    "readlines": m.readlines,
    "find_all": lambda: m.find_all(needles),
    "lines": lambda: m.lines(containing=needles),
    "writelines": lambda: m.writelines(needles),
    "runs": lambda: runs.runs,
}[sys.argv[2]]
_testcapi.set_nomemory(int(sys.argv[3]), 0)
try:
    operation()
except MemoryError:
    pass
finally:
    _testcapi.remove_mem_hooks()
"""


@pytest.mark.parametrize("passed", [0, 1, 2])
@pytest.mark.parametrize("operation", ["repr", "readlines", "find_all", "lines", "writelines", "runs"])
def test_the_first_error_of_a_process(tmp_path: Path, operation: str, passed: int) -> None:
    """C16: fetching it needs no memory, for which it could wait for ever."""
    pytest.importorskip("_testcapi", reason="this CPython comes without _testcapi, which makes allocations fail")
    path = tmp_path / "file"
    path.write_bytes(b"abc\n" * 3000)
    command = [sys.executable, "-c", FIRST_ERROR, str(path), operation, str(passed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of addresses is Linux'")
@pytest.mark.parametrize(
    ("operation", "ends"),
    [
        ("find", "ok"),
        ("find_all", "ok"),
        ("readlines", "MemoryError"),
        ("lines", "ok"),
        ("resize", "OSError"),
        ("repr", "ok"),
        ("repr of a long path", "ok"),
        ("next", "ok"),
        ("next of lines", "ok"),
        ("next of find_all", "ok"),
        ("residency", "ok"),
        ("open", "OSError"),
        ("open of a missing file", "FileNotFoundError"),
        ("a wrong mode", "ValueError"),
        ("a large length", "ValueError"),
        ("a wrong index", "IndexError"),
        ("a closed map", "ValueError"),
        ("a missing argument", "TypeError"),
    ],
)
def test_heap_that_is_exhausted(operation: str, ends: str) -> None:
    """C16: there is no way to an abort, and the exception is the one that it would be with memory, or a MemoryError."""
    command = [sys.executable, str(HERE / "exhausted_heap.py"), operation]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout in (ends, "MemoryError")
