"""Counts the instructions of small operations, and says whose they are: what a clock on a busy machine cannot.

    python bench/instructions.py [STATEMENT…]

Needs valgrind. Each statement runs 2,000 and 12,000 times under callgrind, with the standard module and with firmmap;
the difference is that of 10,000 calls, the loop included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

STATEMENTS = [
    "pass",
    "m.tell()",
    "m.closed",
    "len(m)",
    "m.read_byte()",
    "m[5]",
    "m[100:116]",
    "m[100:104] = b'abcd'",
    "m.readline()",
    "M.mmap(-1, 4096).close()",
]
PROGRAM = """
import importlib, sys, tempfile
M = importlib.import_module(sys.argv[1])
line = b"the quick brown fox jumps over the lazy dog, 0123456789 and so on\\n"
with tempfile.TemporaryFile() as file:
    file.write(line * 50_000)
    file.flush()
    m = M.mmap(file.fileno(), 0)
    exec(f"def run(turns):\\n for _ in range(turns): {sys.argv[2]}\\n")
    run(int(sys.argv[3]))
"""


def owner(file: str) -> str:
    name = Path(file).name
    if "firmmap" in name or name.startswith("mmap."):
        return "module"
    if name.startswith(("libpython", "python")):
        return "CPython"
    return "system"


def count(module: str, statement: str, turns: int) -> Counter[str]:
    """Instructions by owner."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "callgrind")
        command = ["valgrind", "--tool=callgrind", "--compress-strings=no", f"--callgrind-out-file={out}"]
        command += [sys.executable, "-c", PROGRAM, module, statement, str(turns)]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        sums: Counter[str] = Counter()
        current, called = "system", False
        for line in out.read_text(errors="replace").splitlines():
            if line.startswith("ob="):
                current = owner(line[3:])
            elif line.startswith("calls="):
                called = True
            elif line[:1].isdigit() or line[:1] in "+-*":
                # The line behind a call has the sum of what was called, which is counted where it is.
                words = line.split()
                if not called and len(words) > 1:
                    sums[current] += int(words[1])
                called = False
        return sums


def main() -> None:
    print(f"{'instructions a turn':28}{'mmap':>8}{'firmmap':>9}   of that: module, CPython, system")
    for statement in sys.argv[1:] or STATEMENTS:
        each = []
        for module in ("mmap", "firmmap"):
            few, many = (count(module, statement, turns) for turns in (2_000, 12_000))
            each.append({name: (many[name] - few[name]) / 10_000 for name in ("module", "CPython", "system")})
        theirs, ours = ([round(side[name]) for name in ("module", "CPython", "system")] for side in each)
        print(f"{statement:28}{sum(theirs):>8}{sum(ours):>9}   {theirs} and {ours}")


if __name__ == "__main__":
    main()
