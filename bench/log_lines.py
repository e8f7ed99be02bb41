"""Times lines(containing=…) beside lines() with `in` and a plain file, on a log of its own.

    python bench/log_lines.py [--bytes N] [--rounds N] [--folder FOLDER]

In each round all ways have their turn, in an order that changes. Times are processor seconds of this process, the best
of the rounds, so that other programs count little; a ratio is the time of the other way divided by that of
lines(containing=…), the median of the rounds. The last line is two threads beside one, in elapsed time. The log is
removed at the end.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import repeat
from pathlib import Path
from typing import Any

import firmmap
from compare import machine

Way = Callable[[], object]

# What is looked for: in one line of about 100, in every line, in none, and one of three.
SEARCHES: list[tuple[str, Any]] = [
    ("1 line in 100", b"ERROR"),
    ("each line", b"2026-"),
    ("no line", b"PANIC"),
    ("3 needles, 1 line in 50", [b"ERROR", b"FATAL", b"timeout"]),
]


def write_log(path: Path, size: int) -> int:
    """A log of lines of 60 to 120 bytes; returns how many."""
    choose = random.Random(1)
    words = ["request", "served", "from", "cache", "worker", "queue", "user", "session", "opened", "closed"]
    block, count = bytearray(), 0
    while len(block) < 4 << 20:
        level = "ERROR" if choose.random() < 0.01 else "timeout" if choose.random() < 0.01 else "INFO"
        text = " ".join(choose.choices(words, k=choose.randrange(5, 12)))
        block += f"2026-11-{choose.randrange(1, 29):02d} 03:25:{count % 60:02d} {level} {text}\n".encode()
        count += 1
    blocks = max(1, size // len(block))
    with path.open("wb") as file:
        for _ in range(blocks):
            file.write(block)
    return blocks * count


def exhaust(iterator: Any) -> int:
    """The number of items, counted without a loop of Python."""
    counter = enumerate(iterator, 1)
    last = deque(counter, 1)
    return last[0][0] if last else 0


def ways(path: Path, containing: Any) -> dict[str, Way]:
    needles = containing if isinstance(containing, list) else [containing]
    if len(needles) == 1:
        needle = needles[0]

        def chosen(lines: Any) -> Any:
            return (line for line in lines if needle in line)
    else:

        def chosen(lines: Any) -> Any:
            return (line for line in lines if any(needle in line for needle in needles))

    def ours() -> int:
        with firmmap.open(path) as m:
            return exhaust(m.lines(containing=containing))

    def backwards() -> int:
        with firmmap.open(path) as m:
            return exhaust(m.lines(containing=containing, reverse=True))

    def all_lines() -> int:
        with firmmap.open(path) as m:
            return exhaust(m.lines())

    def looked_at() -> int:
        with firmmap.open(path) as m:
            return exhaust(chosen(m.lines()))

    def plain() -> int:
        with path.open("rb") as file:
            return exhaust(chosen(file))

    return {
        "lines(containing=)": ours,
        "the same, reverse": backwards,
        "lines()": all_lines,
        "lines() and in": looked_at,
        "plain file and in": plain,
    }


def measure(compared: dict[str, Way], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in compared}
    names = list(compared)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            before = clock()
            compared[name]()
            times[name].append(clock() - before)
    return times


def threads(path: Path, count: int) -> Way:
    ranges = firmmap.split(path, 8)

    def work() -> int:
        with ThreadPoolExecutor(count) as pool:
            return sum(pool.map(firmmap.FileRange.count, ranges, repeat(b"ERROR")))

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=512 << 20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm") if Path("/dev/shm").is_dir() else None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "log")
        lines = write_log(path, options.bytes)
        print(f"{date.today()}, {machine()}: {path.stat().st_size >> 20} MiB, {lines} lines")
        for title, containing in SEARCHES:
            compared = ways(path, containing)
            times = measure(compared, options.rounds, time.process_time)
            assert compared["lines(containing=)"]() == compared["plain file and in"]()
            first = times["lines(containing=)"]
            print(f"\n| {title} | CPU seconds | beside lines(containing=) |\n|---|---|---|")
            for name, taken in times.items():
                ratio = statistics.median(other / one for other, one in zip(taken, first, strict=True))
                print(f"| {name} | {min(taken):.3f} | {ratio:.2f} |")
        both = {f"{count} threads": threads(path, count) for count in (1, 2)}
        times = measure(both, options.rounds, time.perf_counter)
        one, two = times.values()
        ratio = statistics.median(a / b for a, b in zip(one, two, strict=True))
        print(f"\ncount in 8 ranges: 1 thread {min(one):.3f} s, 2 threads {min(two):.3f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
