"""Times firmmap.open() beside plain files and the standard module, under the interpreter that runs this script.

    python bench/mapped_file.py [--only TEXT] [--rounds N] [--json FILE]

In each round all ways to do a thing have their turn, in one process, in an order that changes. A ratio is the time of
the other way divided by that of firmmap.open(): the median of the rounds, and the best of each.
"""

from __future__ import annotations

import argparse
import io
import json
import mmap as standard
import os
import platform
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import firmmap
from compare import machine

LINES = 20_000
LINE = b"2026-11-24 03:25:00 INFO a line of a log file, of about 65 bytes\n"
TEXT = b"".join(LINE[:20] + b"%06d" % number + LINE[26:] for number in range(LINES))

Way = Callable[[], object]


def exhaust(iterator: Any) -> None:
    """What a loop without a body does, at less cost of its own."""
    deque(iterator, 0)


def loop(iterable: Any) -> None:
    """A loop, as programs have it."""
    for _ in iterable:
        pass


def reading(path: Path) -> list[tuple[str, dict[str, Way]]]:
    """Ways to go through the lines and the matches of a file that is in memory."""
    path.write_bytes(TEXT)
    file = path.open("rb")
    m, theirs = firmmap.open(path), standard.mmap(file.fileno(), 0, access=standard.ACCESS_READ)

    def rewound(one: Any) -> Any:
        one.seek(0)
        return one

    def found(needle: bytes) -> None:
        place = theirs.find(needle, 0)
        while place >= 0:
            place = theirs.find(needle, place + len(needle))

    def plain() -> None:
        with path.open("rb") as opened:
            loop(opened)

    return [
        (
            "for line in m",
            {
                "firmmap": lambda: loop(rewound(m)),
                "iter(mmap.readline, b'')": lambda: loop(iter(rewound(theirs).readline, b"")),
                "for line in open(path, 'rb')": plain,
            },
        ),
        (
            "for line in m.lines()",
            {
                "firmmap": lambda: loop(m.lines()),
                "iter(mmap.readline, b'')": lambda: loop(iter(rewound(theirs).readline, b"")),
                "for line in open(path, 'rb')": plain,
            },
        ),
        (
            "m.readline()",
            {
                "firmmap": lambda: loop(iter(rewound(m).readline, b"")),
                "iter(mmap.readline, b'')": lambda: loop(iter(rewound(theirs).readline, b"")),
            },
        ),
        (
            "m.find_all(b'\\n')",
            {"firmmap": lambda: exhaust(m.find_all(b"\n")), "a loop of mmap.find": lambda: found(b"\n")},
        ),
        (
            "m.find_all(b'bytes\\n')",
            {"firmmap": lambda: exhaust(m.find_all(b"bytes\n")), "a loop of mmap.find": lambda: found(b"bytes\n")},
        ),
        ("m.count(b'\\n')", {"firmmap": lambda: m.count(b"\n"), "bytes.count": lambda: TEXT.count(b"\n")}),
        (
            "m.count(b'file')",
            {"firmmap": lambda: m.count(b"file"), "bytes.count": lambda: TEXT.count(b"file")},
        ),
    ]


def appending(path: Path) -> list[tuple[str, dict[str, Way]]]:
    """Ways to append lines to a file."""
    lines = TEXT.splitlines(keepends=True)

    def plain(mode: str, **options: Any) -> Way:
        def run() -> None:
            path.unlink(missing_ok=True)
            path.touch()
            with open(path, mode, **options) as file:
                write = file.write
                for line in lines:
                    write(line)

        return run

    def mapped(capacity: int | None, wrap: bool = False) -> Way:
        def run() -> None:
            path.unlink(missing_ok=True)
            file: Any = firmmap.open(path, "x+", capacity=capacity)
            with io.BufferedWriter(file) if wrap else file as writer:
                write = writer.write
                for line in lines:
                    write(line)

        return run

    def at_once(kind: Callable[[], Any]) -> Way:
        def run() -> None:
            path.unlink(missing_ok=True)
            with kind() as file:
                file.writelines(lines)

        return run

    others = {
        "open(path, 'wb')": plain("wb"),
        "open(path, 'r+b')": plain("r+b"),
        "open(path, 'wb', buffering=0)": plain("wb", buffering=0),
    }
    return [
        ("m.write(line)", {"firmmap": mapped(1 << 30), **others}),
        ("m.write(line), without a capacity", {"firmmap": mapped(None), **others}),
        ("io.BufferedWriter(m).write(line)", {"firmmap": mapped(1 << 30, wrap=True), **others}),
        (
            "m.writelines(lines)",
            {
                "firmmap": at_once(lambda: firmmap.open(path, "x+")),
                "open(path, 'wb').writelines": at_once(lambda: open(path, "wb")),
            },
        ),
    ]


def measure(ways: dict[str, Way], rounds: int) -> dict[str, list[float]]:
    """The times of each way, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.perf_counter()
            ways[name]()
            times[name].append(time.perf_counter() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only what has this in its name")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", help="where to write the figures")
    options = parser.parse_args()
    print(f"CPython {platform.python_version()}, {machine()}, {date.today()}; {LINES:,} lines of {len(LINE)} bytes")
    print(f"{'':36}{'':32}{'median':>8}{'best':>8}{'per line':>12}")
    rows = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("FIRMMAP_BENCH_DIR")) as directory:
        for name, ways in reading(Path(directory, "lines")) + appending(Path(directory, "log")):
            if options.only not in name:
                continue
            times = measure(ways, options.rounds)
            ours = times.pop("firmmap")
            print(f"{name:84}{min(ours) / LINES * 1e9:9.1f} ns")
            for other, theirs in times.items():
                ratios = [one / two for one, two in zip(theirs, ours, strict=True)]
                median, best = statistics.median(ratios), min(theirs) / min(ours)
                per_line = min(theirs) / LINES * 1e9
                print(f"{'':36}{other:32}{median:8.2f}{best:8.2f}{per_line:9.1f} ns", flush=True)
                rows.append({"operation": name, "beside": other, "median": median, "best": best})
    if options.json:
        figures = {"python": platform.python_version(), "machine": machine(), "date": str(date.today()), "rows": rows}
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
