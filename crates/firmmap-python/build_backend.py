"""Builds the package with maturin, after a look at what building needs: what is missing is the line that pip shows.

By itself maturin would download Rust where there is none, and end in a traceback where it cannot; and on PyPy the
compiler's errors would be all that is said.
"""

from __future__ import annotations

import importlib
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Settings = Mapping[str, Any] | None


def check() -> None:
    """Ends the process with one line if the package cannot be built here."""
    implementation = platform.python_implementation()
    if implementation != "CPython":
        sys.exit(f"firmmap needs CPython: {implementation} lacks functions of CPython's C interface that it calls")
    needed = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["rust-version"]
    for_rust = f"building firmmap from source needs Rust {needed} or newer (https://rustup.rs)"
    if shutil.which("cargo") is None:
        sys.exit(f"{for_rust}; there is no cargo on PATH")
    said = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\b(\d+)\.(\d+)", said.stdout)
    if found and (int(found[1]), int(found[2])) < tuple(map(int, needed.split("."))):
        sys.exit(f"{for_rust}; cargo --version says {said.stdout.strip()!r}")


def get_requires_for_build_wheel(settings: Settings = None) -> list[str]:
    check()
    return []


get_requires_for_build_editable = get_requires_for_build_wheel


def __getattr__(name: str) -> object:
    """Every other hook is maturin's."""
    return getattr(importlib.import_module("maturin"), name)
