"""What `pip install` of the source says where the package cannot be built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import platform
platform.python_implementation = lambda: sys.argv[2]
import build_backend
print(build_backend.get_requires_for_build_wheel())
"""


def required(folder: Path, implementation: str = "CPython", cargo: str | None = None) -> tuple[int, str, str]:
    """What the first question of pip comes to, with a `cargo` that says this, or without one."""
    if cargo is not None:
        program = folder / "cargo"
        program.write_text(f"#!/bin/sh\necho '{cargo}'\n")
        program.chmod(0o755)
    backend = Path(__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(backend), implementation],
        env={**os.environ, "PATH": str(folder) + os.pathsep + ("/bin" if cargo else "")},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


def test_without_rust(tmp_path: Path) -> None:
    words = "building firmmap from source needs Rust 1.85 or newer (https://rustup.rs); there is no cargo on PATH\n"
    assert required(tmp_path) == (1, "", words)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_old_rust(tmp_path: Path) -> None:
    status, output, words = required(tmp_path, cargo="cargo 1.63.0 (fd9c4297c 2022-07-01)")
    assert (status, output) == (1, "")
    assert words.startswith("building firmmap from source needs Rust 1.85 or newer") and words.count("\n") == 1
    assert "cargo 1.63.0" in words


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_new_rust(tmp_path: Path) -> None:
    """That it asks for nothing else, as maturin without Rust would."""
    assert required(tmp_path, cargo="cargo 1.85.0 (4d91de4e4 2025-02-17)") == (0, "[]\n", "")
    assert required(tmp_path, cargo="something else") == (0, "[]\n", "")


@pytest.mark.parametrize("implementation", ["PyPy", "GraalVM"])
def test_not_cpython(implementation: str, tmp_path: Path) -> None:
    """P2: said before anything is compiled."""
    status, output, words = required(tmp_path, implementation)
    assert (status, output) == (1, "")
    assert words.startswith(f"firmmap needs CPython: {implementation} lacks functions") and words.count("\n") == 1
