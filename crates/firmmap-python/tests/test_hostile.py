"""C15, C16: Python code inside an operation that forks, closes, resizes; and allocations that fail.

What is tried is in `operations.py`, how in `hostile.py` and `without_memory.py`: in processes of their own, as what
they find may end one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from operations import KINDS

HERE = Path(__file__).parent


def run(program: str, *arguments: str) -> None:
    command = [sys.executable, str(HERE / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    last = "\n".join(done.stderr.splitlines()[-3:])
    assert done.returncode == 0, f"{done.stdout}\n{last}"
    panics = [line for line in done.stderr.splitlines() if "panicked" in line]
    assert panics == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
@pytest.mark.parametrize("kind", list(KINDS))
def test_code_inside_an_operation(kind: str) -> None:
    """C15, C16: at every point where an operation runs Python code, with all that such code can do to the map."""
    run("hostile.py", kind)


@pytest.mark.parametrize("kind", list(KINDS))
def test_allocations_that_fail(kind: str) -> None:
    """C16: each of them is a MemoryError, and never the end of the process."""
    pytest.importorskip("_testcapi", reason="this CPython comes without _testcapi, which makes allocations fail")
    run("without_memory.py", kind)


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
