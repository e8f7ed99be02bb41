"""What the tests share: the module under test, twice, and files to map."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import pytest

pytest.register_assert_rewrite("support", "fault_support")

import fault_support  # noqa: E402
import support  # noqa: E402

# Its operations are those of the constructor of Unix.
collect_ignore = ["test_differential.py"] if sys.platform == "win32" else []

MakeFile = Callable[[bytes], BinaryIO]


@pytest.fixture(params=["mmap", "firmmap"])
def mmap(request: pytest.FixtureRequest) -> ModuleType:
    """The standard module, and ours: a test that takes this runs with both."""
    return importlib.import_module(request.param)


@pytest.fixture
def steady_path(tmp_path: Path) -> Iterator[Path]:
    """A directory where the kernel shows no zeros for a file that is truncated and written again at once.

    On ext4 some kernels do, now and then (docs/faults.md, "What it cannot do").
    """
    if os.access("/dev/shm", os.W_OK):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            yield Path(directory)
    else:
        yield tmp_path


@pytest.fixture
def one(tmp_path: Path) -> Iterator[fault_support.Victim]:
    """A map of a file that has lost its second half."""
    with fault_support.victim(tmp_path) as it:
        it.truncate(fault_support.LEFT)
        yield it


@pytest.fixture
def make_file(tmp_path: Path) -> Iterator[MakeFile]:
    """Makes files with the given bytes, open for reading and writing until the test ends."""
    files: list[BinaryIO] = []

    def make(data: bytes) -> BinaryIO:
        path = tmp_path / f"file-{len(files)}"
        path.write_bytes(data)
        file = path.open("r+b", buffering=0)
        files.append(file)
        return files[-1]

    yield make
    for file in files:
        file.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how much test_differential.py has compared."""
    if support.compared:
        words = f"mmap and firmmap compared: {support.compared} operations without a difference"
        terminalreporter.write_line(words)
