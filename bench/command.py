"""Times `firmmap count` beside `rg -c -F` and `grep -c -F`, on text and on a file without newlines.

    python bench/command.py [--mib 2048] [--rounds 5] [--folder FOLDER]

In each round every command has its turn, in an order that changes, on files that are in memory. A ratio is the time of
the other command divided by that of firmmap, the median of the rounds: elapsed time, start of the interpreter included,
and time of the processor. Memory is the largest resident set; of firmmap's and rg's, what is mapped of the file counts
too, which the system takes back when it needs it. Both files are removed at the end.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from compare import machine

MIB = 1 << 20
NEEDLE = "ERROR: no paper"
LEVELS = ["DEBUG", "INFO", "INFO", "INFO", "WARNING"]


def blocks(mib: int, newline: bytes) -> Iterator[bytes]:
    """A log, a MiB at a time: lines of about 80 bytes, every 5,000th with the needle."""
    numbers = random.Random(15)
    lines = []
    for number in range(MIB // 64):
        words = " ".join(f"{numbers.randrange(1 << 32):08x}" for _ in range(numbers.randrange(2, 8)))
        level = NEEDLE if number % 5_000 == 4_999 else numbers.choice(LEVELS)
        lines.append(f"2026-11-26 05:00:00 {level} request {number} {words}".encode())
    block = newline.join(lines)[: MIB - len(newline)] + newline
    for _ in range(mib):
        yield block


class Result:
    """One run of a command."""

    def __init__(self, command: list[str]) -> None:
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}) as process:
            assert process.stdout is not None
            self.output = process.stdout.read().strip()
            _, status, usage = os.wait4(process.pid, 0)
            self.elapsed = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        self.processor = usage.ru_utime + usage.ru_stime
        self.memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: status {process.returncode}")


def measure(title: str, commands: dict[str, list[str]], rounds: int) -> None:
    results: dict[str, list[Result]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        names = list(commands) if number % 2 else list(commands)[::-1]
        for name in names:
            result = Result(commands[name])
            if number:  # the first round reads the file into memory
                results[name].append(result)
    print(f"\n{title}")
    print(f"{'':28}{'s':>8}{'ratio':>8}{'CPU s':>8}{'ratio':>8}{'MiB':>8}  output")
    ours = next(iter(results.values()))
    for name, runs in results.items():
        elapsed = statistics.median(one.elapsed / own.elapsed for one, own in zip(runs, ours, strict=True))
        processor = statistics.median(one.processor / own.processor for one, own in zip(runs, ours, strict=True))
        print(
            f"{name:28}{statistics.median(run.elapsed for run in runs):8.3f}{elapsed:8.2f}"
            f"{statistics.median(run.processor for run in runs):8.3f}{processor:8.2f}"
            f"{max(run.memory for run in runs) / MIB:8.0f}  {runs[0].output.decode()}"
        )


def version(command: str) -> str:
    return subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=2048, help="the size of each file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where the files are made, one at a time")
    arguments = parser.parse_args()
    others = [command for command in ("rg", "grep") if shutil.which(command)]
    print(f"CPython {platform.python_version()}, {machine()}, {date.today()}; {'; '.join(map(version, others))}")
    firmmap = [sys.executable, "-m", "firmmap", "count"]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder, "file")
        for what, newline in (("text", b"\n"), ("no newlines", b" ")):
            with path.open("wb") as file:
                file.writelines(blocks(arguments.mib, newline))
            commands = {"firmmap count": [*firmmap, NEEDLE, str(path)]}
            if newline == b"\n":
                commands["firmmap count --lines"] = [*firmmap, "--lines", NEEDLE, str(path)]
            commands["firmmap count --jobs 2"] = [*firmmap, "--jobs", "2", NEEDLE, str(path)]
            for command in others:
                commands[f"{command} -c -F"] = [command, "-c", "-F", NEEDLE, str(path)]
            measure(f"{what}, {arguments.mib} MiB", commands, arguments.rounds)
            path.unlink()


if __name__ == "__main__":
    main()
