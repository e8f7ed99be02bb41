"""Times the standard module and firmmap side by side, under the interpreter that runs this script.

    python bench/compare.py [--only TEXT] [--into FOLDER]

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
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from types import ModuleType

import firmmap
from operations import LARGE, MIB, OPERATIONS, Operation, content, needle

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
    run: Loop = names["run"]
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


def timed(work: Callable[[], object]) -> Loop:
    """A function that does the work a number of times and returns the seconds it took."""

    def run(turns: int) -> float:
        start = time.perf_counter()
        for _ in range(turns):
            work()
        return time.perf_counter() - start

    return run


def read_and_find(path: str, sought: bytes, buffer: bytearray) -> int:
    """What a program without maps does: reads pieces of 1 MiB and searches each with the end of the one before."""
    kept = len(sought) - 1
    with open(path, "rb", buffering=0) as plain, memoryview(buffer) as view:
        while count := plain.readinto(view[kept:]):
            found = buffer.find(sought, 0, kept + count)
            if found >= 0:
                return found
            view[:kept] = view[count : count + kept]
    return -1


def map_and_find(module: ModuleType, fd: int, sought: bytes) -> int:
    """Maps a file for this one search."""
    with module.mmap(fd, 0, access=module.ACCESS_READ) as fresh:
        return int(fresh.find(sought))


def beside(budget: float) -> list[dict[str, object]]:
    """Other ways to search the same 128 MiB, as multiples of firmmap's time."""
    sought = needle(16)
    libc = ctypes.CDLL(None)
    libc.memmem.restype = ctypes.c_void_p
    libc.memmem.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    libc.memchr.restype = ctypes.c_void_p
    libc.memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    operation = Operation("", "", size=128 * MIB, absent=sought)
    with tempfile.NamedTemporaryFile(dir=os.environ.get("FIRMMAP_BENCH_DIR")) as file:
        data = content(operation)
        file.write(data)
        file.flush()
        m = firmmap.mmap(file.fileno(), 0)
        view = ctypes.c_char.from_buffer(m)
        address = ctypes.addressof(view)
        pattern = re.compile(re.escape(sought))
        buffer = bytearray(MIB + len(sought) - 1)

        def find() -> int:
            return m.find(sought, 0)

        def find_byte() -> int:
            return m.find(b"\xff", 0)

        ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "bytes.find": (lambda: data.find(sought), find),
            "re.search on the map": (lambda: pattern.search(m), find),
            "memmem of the C library": (lambda: libc.memmem(address, len(m), sought, len(sought)), find),
            "one byte: memchr of the C library": (lambda: libc.memchr(address, 255, len(m)), find_byte),
            "map, find, close: read() of 1 MiB pieces and find": (
                lambda: read_and_find(file.name, sought, buffer),
                partial(map_and_find, firmmap, file.fileno(), sought),
            ),
        }
        rows = []
        for name, (way, ours) in ways.items():
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
        del view
    return rows


SIZES = {"4 KiB": 4096, "1 MiB": MIB, "64 MiB": 64 * MIB, "1 GiB": 1024 * MIB}


def growth(budget: float) -> list[dict[str, object]]:
    """Map, search all for what is not there, close: for small files and large ones, in the page cache and not."""
    sought = needle(16)
    buffer = bytearray(MIB + len(sought) - 1)
    rows: list[dict[str, object]] = []
    with tempfile.NamedTemporaryFile(dir=os.environ.get("FIRMMAP_BENCH_DIR")) as file:
        fd = file.fileno()
        for name, size in SIZES.items():
            piece = content(Operation("", "", size=min(size, 64 * MIB), absent=sought))
            file.truncate(0)
            file.seek(0)
            for _ in range(size // len(piece)):
                file.write(piece)
            file.flush()
            os.fsync(fd)

            ways: dict[str, Callable[[], object]] = {
                "mmap": partial(map_and_find, standard, fd, sought),
                "firmmap": partial(map_and_find, firmmap, fd, sought),
                "read": partial(read_and_find, file.name, sought, buffer),
            }
            for cache in ("warm", "cold"):
                if cache == "cold" and not hasattr(os, "posix_fadvise"):
                    continue
                times: dict[str, list[float]] = {way: [] for way in ways}
                ways["read"]()
                end = time.perf_counter() + budget
                while time.perf_counter() < end or len(times["read"]) < 3:
                    for way, work in ways.items():
                        if cache == "cold":
                            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                        times[way].append(timed(work)(1))
                ours = min(times["firmmap"])
                rows.append(
                    {
                        "size": name,
                        "cache": cache,
                        "mmap": min(times["mmap"]) / ours,
                        "read": min(times["read"]) / ours,
                        "seconds": ours,
                        "gb_per_second": size / ours / 1e9,
                    }
                )
    return rows


def threads(budget: float) -> dict[str, dict[str, float]]:
    """How much more two threads search than one, of the same map; and what the machine gives to two threads at most."""
    operation = Operation("", "", size=128 * MIB, absent=needle(16))
    libc = ctypes.CDLL(None)
    libc.memchr.restype = ctypes.c_void_p
    libc.memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    with (
        tempfile.NamedTemporaryFile(dir=os.environ.get("FIRMMAP_BENCH_DIR")) as file,
        ThreadPoolExecutor(2) as pool,
    ):
        file.write(content(operation))
        file.flush()
        m = firmmap.mmap(file.fileno(), 0)
        view = ctypes.c_char.from_buffer(m)
        address = ctypes.addressof(view)

        def find(_: int) -> object:
            return m.find(needle(16), 0)

        def few(_: int) -> object:
            return [m.find(needle(16), 0, MIB) for _ in range(128)]

        def memchr(_: int) -> object:
            return libc.memchr(address, 255, len(m))

        def ratio(work: Callable[[int], object]) -> dict[str, float]:
            def alone() -> None:
                work(0)
                work(1)

            def both() -> None:
                list(pool.map(work, range(2)))

            one, two, _ = pairs(timed(alone), timed(both), 2, budget)
            return {
                "median": statistics.median(a / b for a, b in zip(one, two, strict=True)),
                "best": min(one) / min(two),
            }

        result = {
            "find() in 128 MiB": ratio(find),
            "find() in 1 MiB, 128 times": ratio(few),
            "the C library's memchr in 128 MiB": ratio(memchr),
        }
        del view
    return result


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
    parser.add_argument("--into", type=Path, help="a folder for the figures: VERSION.json")
    parser.add_argument("--budget", type=float, default=0.4, help="seconds for one operation")
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
            print(f"{other['way']:52}{other['median']:8.2f}{other['best']:8.2f}{speed}")
        figures["threads"] = both = threads(options.budget * 4)
        print("\nhow much more two threads do than one")
        for name, figure in both.items():
            print(f"{name:52}{figure['median']:8.2f}{figure['best']:8.2f}")
        figures["growth"] = sizes = growth(options.budget)
        print("\nmap, search, close: their time / firmmap's")
        print(f"{'':20}{'mmap':>8}{'read()':>8}{'firmmap':>12}")
        for row in sizes:
            which = f"{row['size']}, {row['cache']} cache"
            print(f"{which:20}{row['mmap']:8.2f}{row['read']:8.2f}{row['gb_per_second']:7.1f} GB/s")
    if options.into:
        options.into.mkdir(parents=True, exist_ok=True)
        with open(options.into / f"{platform.python_version()}.json", "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
