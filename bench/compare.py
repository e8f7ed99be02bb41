"""Times the standard module and firmmap side by side, under the interpreter that runs this script.

    python bench/compare.py [--only TEXT] [--json FILE]

Each operation runs in turn with the one and with the other, many times, in one process; the ratio
is the standard module's time divided by firmmap's: the median of the pairs, and the best of each.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap as standard
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date

import firmmap
from operations import LARGE, LINE, MIB, OPERATIONS, SMALL, Operation, content, needle

Loop = Callable[[int], float]


def loop(operation: Operation, module: object, fd: int) -> Loop:
    """A function that runs the operation a number of times and returns the seconds it took."""
    source = (
        f"def run(turns):\n    p = 0\n    {operation.setup}\n    start = clock()\n"
        f"    for _ in repeat(turns):\n        {operation.statement}\n    return clock() - start\n"
    )
    names = {
        "M": module,
        "fd": fd,
        "m": module.mmap(fd, 0),  # type: ignore[attr-defined]
        "clock": time.perf_counter,
        "repeat": range,
    }
    exec(source, names)
    run = names["run"]
    assert callable(run)
    return run


def pairs(first: Loop, second: Loop, turns: int | None, budget: float) -> tuple[list[float], list[float], int]:
    """Times of both, taken alternately."""
    count = turns or 1
    while turns is None and first(count) < 0.002:
        count *= 2
    once = first(count) + second(count)
    rounds = max(5, min(41, int(budget / max(once, 1e-6))))
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        order = ((first, 0), (second, 1)) if number % 2 else ((second, 1), (first, 0))
        for run, side in order:
            times[side].append(run(count))
    return *times, count


def compare(operation: Operation, budget: float) -> dict[str, object]:
    """The ratio for one operation."""
    with tempfile.NamedTemporaryFile(dir=os.environ.get("FIRMMAP_BENCH_DIR")) as file:
        file.write(content(operation))
        file.flush()
        runs = [loop(operation, module, file.fileno()) for module in (standard, firmmap)]
        # A position that moves on must not reach the end of the file.
        turns = operation.turns
        if operation.setup == "m.seek(0)" and turns is None:
            turns = 10_000
        if operation.setup == "p = 0":
            turns = 500_000
        theirs, ours, count = pairs(runs[0], runs[1], turns, budget)
    ratios = [one / two for one, two in zip(theirs, ours, strict=True)]
    return {
        "operation": operation.name,
        "target": operation.target,
        "median": statistics.median(ratios),
        "best": min(theirs) / min(ours),
        "standard_ns": min(theirs) / count * 1e9,
        "firmmap_ns": min(ours) / count * 1e9,
        "size": operation.size,
    }


def beside(budget: float) -> list[dict[str, object]]:
    """Other ways to search the same 128 MiB, as multiples of firmmap's time."""
    sought = needle(16)
    libc = ctypes.CDLL(None)
    libc.memmem.restype = ctypes.c_void_p
    libc.memmem.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    libc.memchr.restype = ctypes.c_void_p
    libc.memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    operation = Operation("", "", size=128 * MIB)
    with tempfile.NamedTemporaryFile(dir=os.environ.get("FIRMMAP_BENCH_DIR")) as file:
        data = content(operation)
        file.write(data)
        file.flush()
        m = firmmap.mmap(file.fileno(), 0)
        address = ctypes.addressof(ctypes.c_char.from_buffer(m))
        pattern = re.compile(re.escape(sought))

        def pieces() -> None:
            with open(file.name, "rb", buffering=0) as plain:
                rest = b""
                while piece := plain.read(MIB):
                    (rest + piece).find(sought)
                    rest = piece[-len(sought) + 1 :]

        ways: dict[str, Callable[[], object]] = {
            "bytes.find": lambda: data.find(sought),
            "re.search on the map": lambda: pattern.search(m),  # type: ignore[call-overload]
            "memmem of the C library": lambda: libc.memmem(address, len(m), sought, len(sought)),
            "read() of 1 MiB pieces, and find": pieces,
            "one byte by memchr of the C library": lambda: libc.memchr(address, ord("#"), len(m)),
        }
        rows = []
        for name, way in ways.items():
            ours = (lambda: m.find(b"#", 0)) if "one byte" in name else (lambda: m.find(sought, 0))

            def timed(work: Callable[[], object]) -> Loop:
                def run(turns: int) -> float:
                    start = time.perf_counter()
                    for _ in range(turns):
                        work()
                    return time.perf_counter() - start

                return run

            theirs, mine, _ = pairs(timed(way), timed(ours), 1, budget)
            ratios = [one / two for one, two in zip(theirs, mine, strict=True)]
            rows.append(
                {
                    "way": name,
                    "median": statistics.median(ratios),
                    "best": min(theirs) / min(mine),
                    "gb_per_second": len(data) / min(theirs) / 1e9,
                    "firmmap_gb_per_second": len(data) / min(mine) / 1e9,
                }
            )
    return rows


def threads(budget: float) -> dict[str, float]:
    """How much more two threads search than one, of the same map."""
    from concurrent.futures import ThreadPoolExecutor

    operation = Operation("", "", size=128 * MIB)
    with (
        tempfile.NamedTemporaryFile(dir=os.environ.get("FIRMMAP_BENCH_DIR")) as file,
        ThreadPoolExecutor(2) as pool,
    ):
        file.write(content(operation))
        file.flush()
        m = firmmap.mmap(file.fileno(), 0)

        def search(_: int) -> int:
            return m.find(needle(16), 0)

        def run(workers: int) -> Loop:
            def timed(turns: int) -> float:
                start = time.perf_counter()
                if workers == 1:
                    for number in range(turns * 2):
                        search(number)
                else:
                    list(pool.map(search, range(turns * 2)))
                return time.perf_counter() - start

            return timed

        one, two, _ = pairs(run(1), run(2), 2, budget)
    return {
        "median": statistics.median(a / b for a, b in zip(one, two, strict=True)),
        "best": min(one) / min(two),
    }


def machine() -> str:
    """The processor's name and number, and the system."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as info:
            model = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only operations whose name has this in it")
    parser.add_argument("--json", help="where to write the figures")
    parser.add_argument("--budget", type=float, default=0.6, help="seconds for one operation")
    options = parser.parse_args()
    print(f"CPython {platform.python_version()}, {machine()}, {date.today()}")
    print(f"{'':34}{'median':>8}{'best':>8}{'target':>8}{'mmap':>14}{'firmmap':>14}")
    rows = []
    for operation in OPERATIONS:
        if options.only not in operation.name:
            continue
        budget = options.budget * (4 if operation in LARGE else 1)
        row = compare(operation, budget)
        rows.append(row)
        met = "" if operation.target is None else f"{operation.target:.1f}"
        print(
            f"{operation.name:34}{row['median']:8.2f}{row['best']:8.2f}{met:>8}"
            f"{row['standard_ns']:>11,.1f} ns{row['firmmap_ns']:>11,.1f} ns",
            flush=True,
        )
    figures: dict[str, object] = {
        "python": platform.python_version(),
        "machine": machine(),
        "date": str(date.today()),
        "command": "make bench",
        "operations": rows,
    }
    if not options.only:
        figures["beside"] = others = beside(options.budget * 4)
        print("\nother ways to search 128 MiB: their time / firmmap's")
        for other in others:
            speed = f"{other['gb_per_second']:8.1f} GB/s"
            print(f"{other['way']:42}{other['median']:8.2f}{other['best']:8.2f}{speed}")
        figures["threads"] = both = threads(options.budget * 4)
        median, best = both["median"], both["best"]
        print(f"\ntwo threads search {median:.2f} times as much as one (best {best:.2f})")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    assert SMALL and LINE and sys.version_info >= (3, 11)
    main()
