"""The example program runs as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fault_support import only_linux

pytestmark = only_linux

EXAMPLE = Path(__file__).parents[1] / "examples" / "truncated.py"


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
