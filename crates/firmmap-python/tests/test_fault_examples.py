"""The example, and what docs/faults.md shows: they run as they are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from fault_support import only_linux

pytestmark = only_linux

ROOT = Path(__file__).parents[3]
EXAMPLE = Path(__file__).parents[1] / "examples" / "truncated.py"
DOCUMENT = ROOT / "docs" / "faults.md"


def outcome(path: Path, directory: Path) -> str:
    command = [sys.executable, str(path)]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return result.stdout


def test_example_truncates_its_own_file_and_goes_on(tmp_path: Path) -> None:
    """F1, F2, F3."""
    lines = outcome(EXAMPLE, tmp_path).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "mapped 210000 bytes, the first line is b'a line of a log file\\n'",
        "searching the truncated file",
        "what is still there",
        "summing its memory",
        "long enough again",
    ]
    assert "no error" not in lines[3]
    # The last page of the file is whole, as far as memory goes.
    assert lines[4].endswith(" 50000 on")


def blocks() -> list[str]:
    if not DOCUMENT.exists():
        return []
    return re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the documents are not here")
@pytest.mark.parametrize("number", range(len(blocks())))
def test_document_shows_what_runs(tmp_path: Path, number: int) -> None:
    """Every block of Python in docs/faults.md runs as typed, in an empty directory."""
    program = tmp_path / "block.py"
    program.write_text(blocks()[number])
    outcome(program, tmp_path)
