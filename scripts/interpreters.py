"""Prints the CPythons from 3.11 on that this machine has: "3.12 /usr/bin/python3.12".

Looks on PATH and among pyenv's versions. Where a version is there more than once, the one is taken
that can make virtual environments and has CPython's own tests. What is left out is said on stderr.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FIRST, LAST = (3, 11), (3, 19)

PROBE = """
import importlib.util, sys, sysconfig
def has(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
print(
    sys.implementation.name,
    "%d.%d" % sys.version_info[:2],
    int(bool(sysconfig.get_config_var("Py_GIL_DISABLED"))),
    int(has("ensurepip") and has("venv")),
    int(has("test.test_mmap")),
    getattr(sys, "_base_executable", sys.executable),
)
"""


def candidates() -> list[Path]:
    names = ["python3", *(f"python3.{minor}" for minor in range(FIRST[1], LAST[1] + 1))]
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep) if folder]
    found = [folder / name for name in names for folder in folders]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += sorted(pyenv.glob("versions/*/bin/python3"))
    return [path for path in found if os.access(path, os.X_OK)]


def main() -> None:
    best: dict[str, tuple[tuple[str, str], str]] = {}
    for path in candidates():
        probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False, cwd="/")
        words = probe.stdout.split(maxsplit=5)
        # A shim of pyenv for a version that is not switched on fails here.
        if probe.returncode != 0 or len(words) != 6 or words[0] != "cpython":
            continue
        _, version, free_threaded, has_venv, has_tests, executable = words
        if tuple(map(int, version.split("."))) < FIRST:
            continue
        if free_threaded == "1":
            print(f"{path}: free-threaded, not tested by this command", file=sys.stderr)
            continue
        rank = (has_venv, has_tests)
        if version not in best or rank > best[version][0]:
            best[version] = (rank, executable.strip())
    for version, (rank, executable) in sorted(best.items(), key=lambda item: int(item[0][2:])):
        if rank[0] == "0":
            print(f"{executable}: cannot make virtual environments, left out", file=sys.stderr)
        else:
            print(version, executable)


if __name__ == "__main__":
    main()
