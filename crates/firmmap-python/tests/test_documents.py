"""Every Python example of the documentation runs as it stands, and prints what its comments say (R4).

So do the commands of docs/command.md.
"""

from __future__ import annotations

import mmap
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import WINE

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUST_EXAMPLE = re.compile(r"^```rust\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTS = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)


def examples() -> list[Any]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in EXAMPLE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


# What an example has that does nothing else than fail there.
NOT_ON_WINDOWS = {
    "truncate": "Windows refuses to truncate a mapped file",
    "# views may exist while it grows": "a map with views does not grow there",
    "stdout=m": "there the map has no descriptor",
    "residency()": "Windows does not tell which pages are in memory",
}
NOT_IN_WINE = {
    "ProcessPoolExecutor": "in wine 8 its workers wait for ever, with the standard library alone too",
    "length=1 << 36": "wine 8 maps less than 32 GiB",
    '"records", "a+"': "in wine 8 another process can write to the end at the same time",
}


@pytest.mark.parametrize("example", examples())
def test_example(example: str, tmp_path: Path) -> None:
    reasons = {**(NOT_ON_WINDOWS if sys.platform == "win32" else {}), **(NOT_IN_WINE if WINE else {})}
    for piece, reason in reasons.items():
        if piece in example:
            pytest.skip(reason)
    # `make test-cluster` has the last two.
    for package in re.findall(r"^import (numpy|pyarrow|dask|ray)\b", example, re.MULTILINE):
        pytest.importorskip(package)
    tmp_path.joinpath("example.py").write_text(example, encoding="utf-8")
    command = [sys.executable, "example.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == PRINTS.findall(example)
    # Ray tells there what it does.
    assert result.stderr == "" or "import ray" in example


def test_readme_has_examples() -> None:
    assert EXAMPLE.search(PAGES[0].read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("page", "source"),
    [
        ("README.md", "crates/firmmap/README.md"),
        ("docs/guide.md", "crates/firmmap/examples/from_memmap2.rs"),
        ("docs/start.md", "crates/firmmap/examples/start.rs"),
    ],
)
def test_rust_examples_are_in_what_cargo_runs(page: str, source: str) -> None:
    """The crate's README as a documentation test, the guide's example as one of the crate's."""
    text = (ROOT / source).read_text(encoding="utf-8").replace("pub fn main", "fn main")
    examples = RUST_EXAMPLE.findall((ROOT / page).read_text(encoding="utf-8"))
    assert examples and all(example in text for example in examples)


def consoles() -> list[Any]:
    pages = [(page, CONSOLE.findall(page.read_text(encoding="utf-8"))) for page in PAGES]
    return [pytest.param("".join(blocks), id=str(page.relative_to(ROOT))) for page, blocks in pages if blocks]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize("text", consoles())
def test_commands_of_a_page(text: str, tmp_path: Path) -> None:
    """What follows a "$" is run, all of a page in one folder; "[1]" is an exit status that is not 0, "…" any text."""
    program = tmp_path / "bin" / "firmmap"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m firmmap "$@"\n')
    program.chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONIOENCODING": "utf-8"}
    for step in text.removeprefix("$ ").split("\n$ "):
        command, _, expected = step.rstrip("\n").partition("\n")
        result = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        shown = result.stdout + (f"[{result.returncode}]" if result.returncode else "")
        expected = expected.replace("4096", str(mmap.PAGESIZE))
        pattern = ".*".join(map(re.escape, expected.split("…")))
        assert re.fullmatch(pattern, shown.rstrip("\n")), f"$ {command}\n{shown}"


GUIDE = ROOT / "docs" / "guide.md"
# What the names in the guide's tables stand for.
MEANINGS = """
import io, {module}, os, sys
from pathlib import Path
path = sys.argv[1]
unit = {module}.ALLOCATIONGRANULARITY
Path(path).write_bytes(b"one\\n" * unit)
fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
n = k = start = offset = length = size = unit
i, j, sub, data = 1, 5, b"e\\n", b"data"
"""
NUMPY = """
import numpy
from numpy import frombuffer, memmap
dtype, shape, count, nbytes, rows = "<i4", (4, 2), 8, 32, numpy.zeros((2, 2), "<i4")
"""
STANDARD, OURS = MEANINGS.format(module="mmap"), MEANINGS.format(module="firmmap")
TABLES = {
    ("with `mmap`", 0): STANDARD + "from mmap import *\nm = mmap(fd, 0)\n",
    ("with `mmap`", 1): OURS + 'm = firmmap.open(path, "r+")\n',
    ("with `open()`", 0): STANDARD + 'f = open(path, "r+b")\n',
    ("with `open()`", 1): OURS + 'm = firmmap.open(path, "r+")\n',
    ("`numpy.memmap`", 0): STANDARD + NUMPY + "array = memmap(path, dtype)\n",
    ("`numpy.memmap`", 1): OURS + NUMPY + 'm = firmmap.open(path, "r+")\n',
}


def pieces() -> list[Any]:
    """The code in the guide's tables that set something beside firmmap, each with what its names stand for."""
    found = []
    text = GUIDE.read_text(encoding="utf-8")
    for (heading, column), meanings in TABLES.items():
        rows = text.split(f"\n| {heading} | ")[1].split("\n\n")[0].splitlines()[2:]
        for row in rows:
            for code in re.findall("`([^`]+)`", row.split("|")[column + 1]):
                found.append(pytest.param(meanings, code, id=f"{heading.strip('`')}:{column}:{code}"))
    return found


@pytest.mark.parametrize(("meanings", "code"), pieces())
def test_code_in_a_table_of_the_guide(meanings: str, code: str, tmp_path: Path) -> None:
    if "numpy" in meanings:
        pytest.importorskip("numpy")
    command = [sys.executable, "-c", meanings + code, str(tmp_path / "file")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
