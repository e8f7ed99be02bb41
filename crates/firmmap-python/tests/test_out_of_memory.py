"""C16: allocations that fail, one by one, and a heap that is exhausted.

What is tried is in `operations.py`, how in `without_memory.py` and `exhausted_heap.py`: in processes of their own.
"""

from __future__ import annotations

import subprocess
import sys
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
