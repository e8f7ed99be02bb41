"""Truncates a mapped file under several libraries, each in a process of its own, and writes down what became of it.

    python bench/truncated.py FILE

writes FILE, in JSON. Libraries that are not installed are left out.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import signal
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

# Library, operation, how the file at `path` (512 KiB) is mapped, and what is done once the file is empty.
CASES = [
    ("mmap", "m[i]", "import mmap; f = open(path, 'r+b'); m = mmap.mmap(f.fileno(), 0)", "m[400_000]"),
    ("mmap", "re.search", "import mmap, re; f = open(path, 'r+b'); m = mmap.mmap(f.fileno(), 0)", "re.search(b'y', m)"),
    ("numpy", "memmap(path).sum()", "import numpy; m = numpy.memmap(path, 'u1', 'r')", "m.sum()"),
    ("pyarrow", "memory_map(path).read()", "import pyarrow; m = pyarrow.memory_map(path)", "m.read()"),
    ("firmmap", "m[i]", "import firmmap; m = firmmap.open(path)", "m[400_000]"),
    ("firmmap", "m.find", "import firmmap; m = firmmap.open(path)", "m.find(b'y')"),
    ("firmmap", "re.search", "import firmmap, re; m = firmmap.open(path)", "re.search(b'y', m)"),
    (
        "firmmap",
        "numpy.frombuffer(m).sum()",
        "import firmmap, numpy; m = firmmap.open(path); a = numpy.frombuffer(m, 'u1')",
        "print(a.sum())",
    ),
]
PROGRAM = """
import sys
path = sys.argv[1]
with open(path, "wb") as file:
    file.write(b"x" * (1 << 19))
{setup}
open(path, "wb").close()
try:
    {operation}
    print("no error")
except OSError as error:
    print(type(error).__name__, end="")
    with open(path, "wb") as file:
        file.write(b"z" * (1 << 19))
    print(", then the file again" if m[400_000] == ord("z") else ", then other bytes")
"""


def outcome(setup: str, operation: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PROGRAM.format(setup=setup, operation=operation), f"{folder}/file"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode < 0:
        return f"killed by {signal.Signals(-result.returncode).name}"
    return result.stdout.strip() or result.stderr.strip().splitlines()[-1]


def main() -> None:
    cases = [
        {"library": library, "operation": operation, "outcome": outcome(setup, code)}
        for library, operation, setup, code in CASES
        if importlib.util.find_spec(library)
    ]
    results = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "date": str(date.today()),
        "command": "python bench/truncated.py",
        "cases": cases,
    }
    Path(sys.argv[1]).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
