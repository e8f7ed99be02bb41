"""Counts the instructions of small calls, of the standard module and of firmmap: what a busy machine's clock cannot.

    python bench/instructions.py [--owners] [--into FOLDER] [STATEMENT…]
    python bench/instructions.py --report FOLDER FILE…

Needs valgrind. Each statement runs 100 and 1,100 times under callgrind; the difference is that of 1,000 turns of the
loop, the loop included. `--owners` says whose they are: the extension module's, the interpreter's, or the system's.

`--into` also writes the numbers to FOLDER/VERSION.json, and `--report` makes a table of such files, one for each
interpreter: FOLDER/instructions-DATE.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
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
    "m.read(10)",
    "m.readline()",
    "m.seek(10)",
    "m.find(b'brown fo')",
    "m.seek(m.find(b'brown fo') + 1)",
    "m.rfind(b'and so o')",
    "m[5]",
    "m[100:116]",
    "m[-16:]",
    "m[100:132:2]",
    "m[5] = 7",
    "m[100:104] = b'abcd'",
    "memoryview(m).release()",
    "m.move(200, 100, 16)",
    "m.write_byte(7)",
    "m.write(b'ten bytes.')",
    "M.mmap(-1, 4096).close()",
]
FEW, MANY = 100, 1_100
# Before each call of this function of the C library, callgrind writes down what it has counted, and begins anew.
MARK = "getppid"
PROGRAM = """
import importlib, itertools, os, sys, tempfile
M = importlib.import_module(sys.argv[1])
few, many = map(int, sys.argv[2:4])
line = b"the quick brown fox jumps over the lazy dog, 0123456789 and so on\\n"
with tempfile.TemporaryFile() as file:
    file.write(line * 5_000)
    file.flush()
    m = M.mmap(file.fileno(), 0)
    for statement in sys.argv[4:]:
        exec(f"def run(turns):\\n for _ in itertools.repeat(None, turns): {statement}\\n")
        m.seek(0)
        run(20)
        os.getppid()
        run(few)
        os.getppid()
        run(many)
        os.getppid()
print(sys.version.split()[0])
"""


def owner(file: str) -> str:
    name = Path(file).name
    if "firmmap" in name or name.startswith("mmap."):
        return "module"
    if name.startswith(("libpython", "python")):
        return "CPython"
    return "system"


def instructions(dump: str) -> Counter[str]:
    """Those of a dump, by owner."""
    sums: Counter[str] = Counter()
    current, called = "system", False
    for line in dump.splitlines():
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


def count(python: str, module: str, statements: list[str]) -> tuple[str, list[Counter[str]]]:
    """The interpreter's version, and the instructions of a turn of each statement."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--compress-strings=no", f"--dump-before={MARK}"]
        command += [
            f"--callgrind-out-file={folder}/out",
            python,
            "-c",
            PROGRAM,
            module,
            str(FEW),
            str(MANY),
            *statements,
        ]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        run = subprocess.run(command, capture_output=True, text=True, env=environment)
        if run.returncode != 0:
            raise SystemExit(run.stderr)
        # The first of three dumps is of what was before the statement; the last file is of the end.
        dumps = [Path(folder, f"out.{number + 1}").read_text(errors="replace") for number in range(3 * len(statements))]
    each = []
    for index in range(len(statements)):
        few, many = (instructions(dumps[3 * index + place]) for place in (1, 2))
        each.append(Counter({name: round((many[name] - few[name]) / (MANY - FEW)) for name in many}))
    return run.stdout.split()[-1], each


def show(statements: list[str], owners: bool, into: Path | None) -> None:
    version, theirs = count(sys.executable, "mmap", statements)
    _, ours = count(sys.executable, "firmmap", statements)
    names = ("module", "CPython", "system")
    print(f"{'CPython ' + version:36}{'mmap':>8}{'firmmap':>9}" + f"   of that: {', '.join(names)}" * owners)
    for statement, one, other in zip(statements, theirs, ours, strict=True):
        whose = f"   {[one[name] for name in names]} and {[other[name] for name in names]}" * owners
        print(f"{statement:36}{one.total():>8}{other.total():>9}{whose}")
    if into:
        pairs = [[one.total(), other.total()] for one, other in zip(theirs, ours, strict=True)]
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        run = {
            "python": version,
            "machine": processor(),
            "date": today,
            "calls": dict(zip(statements, pairs, strict=True)),
        }
        into.mkdir(parents=True, exist_ok=True)
        (into / f"{version}.json").write_text(json.dumps(run, indent=1), encoding="utf-8")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def report(folder: Path, files: list[str]) -> None:
    runs = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    date = max(run["date"] for run in runs)
    text = [
        "# Instructions of small calls",
        "",
        "One turn of a loop, the loop included: the standard module, firmmap.",
        f"{runs[0]['machine']}, {date}, `python bench/instructions.py`.",
        "",
        "| | " + " | ".join(run["python"] for run in runs) + " |",
        "|---|" + "---:|" * len(runs),
    ]
    for statement in runs[0]["calls"]:
        pairs = [run["calls"].get(statement) for run in runs]
        text.append(
            f"| `{statement}` | " + " | ".join(f"{pair[0]}, {pair[1]}" if pair else "" for pair in pairs) + " |"
        )
    path = folder / f"instructions-{date}.md"
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--owners", action="store_true")
    parser.add_argument("--into", type=Path, metavar="FOLDER")
    parser.add_argument("--report", type=Path, metavar="FOLDER")
    parser.add_argument("rest", nargs="*", metavar="STATEMENT")
    options = parser.parse_args()
    if options.report:
        report(options.report, options.rest)
    else:
        show(options.rest or STATEMENTS, options.owners, options.into)


if __name__ == "__main__":
    main()
