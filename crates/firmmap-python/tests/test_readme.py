"""Every Python example of the documentation runs as it stands, and prints what its comments say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTS = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)


def examples() -> list[Any]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in EXAMPLE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


@pytest.mark.parametrize("example", examples())
def test_example(example: str, tmp_path: Path) -> None:
    if "truncate" in example and sys.platform == "win32":
        pytest.skip("Windows refuses to truncate a mapped file")
    if "numpy" in example:
        pytest.importorskip("numpy")
    tmp_path.joinpath("example.py").write_text(example, encoding="utf-8")
    command = [sys.executable, "example.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == PRINTS.findall(example)


def test_readme_has_examples() -> None:
    assert EXAMPLE.search(PAGES[0].read_text(encoding="utf-8"))
