"""What the guard costs where nothing faults, and how soon a fault ends a long search.

    python bench/guard.py

Two maps of one file, one made with the guard and one without, are used in turn, many times, in one
process; the ratio is the time with the guard divided by the time without.
"""

from __future__ import annotations

import contextlib
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date

import firmmap
from compare import Loop, machine

MIB = 1 << 20


def timed(statement: str, names: dict[str, object]) -> Loop:
    """A function that runs the statement a number of times and returns the seconds it took."""
    source = f"def run(turns):\n start = clock()\n for _ in range(turns): {statement}\n"
    names = {"clock": time.perf_counter, **names}
    exec(source + " return clock() - start\n", names)
    run = names["run"]
    assert callable(run)
    return run


def ratio(with_guard: Loop, without: Loop, turns: int, rounds: int) -> tuple[float, float]:
    """Median of the pairs, and best of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for side in (0, 1) if number % 2 else (1, 0):
            firmmap.set_fault_guard(side == 0)
            times[side].append((with_guard if side == 0 else without)(turns))
    firmmap.set_fault_guard(True)
    pairs = [one / two for one, two in zip(*times, strict=True)]
    return statistics.median(pairs), min(times[0]) / min(times[1])


def main() -> None:
    print(f"CPython {platform.python_version()}, {machine()}, {date.today()}")
    with tempfile.TemporaryFile() as file:
        file.truncate(64 * MIB)
        fd = file.fileno()
        guarded = firmmap.mmap(fd, 0)
        firmmap.set_fault_guard(False)
        bare = firmmap.mmap(fd, 0)
        firmmap.set_fault_guard(True)
        print(f"{'with the guard / without':34}{'median':>8}{'best':>8}")
        for name, statement, turns, rounds in (
            ("m[i]", "m[5000]", 20_000, 301),
            ("read(16)", "m.seek(0); m.read(16)", 10_000, 301),
            ("find() over 64 MiB", "m.find(b'0123456789abcdef', 0)", 1, 101),
            ("map 4 KiB, close", "mmap(fd, 4096).close()", 500, 301),
        ):
            names = {"fd": fd, "mmap": firmmap.mmap}
            runs = [timed(statement, {**names, "m": m}) for m in (guarded, bare)]
            median, best = ratio(runs[0], runs[1], turns, rounds)
            print(f"{name:34}{median:8.3f}{best:8.3f}")

        def once(work: Callable[[], object]) -> float:
            start = time.perf_counter()
            with contextlib.suppress(firmmap.MapFaultError):
                work()
            return time.perf_counter() - start

        whole, empty, single = [], [], []
        for _ in range(11):
            whole.append(once(lambda: guarded.find(b"0123456789abcdef", 0)))
            file.truncate(0)
            empty.append(once(lambda: guarded.find(b"0123456789abcdef", 0)))
            single.append(once(lambda: guarded[5000]))
            file.truncate(64 * MIB)
        print(f"find() over 64 MiB that are there:  {min(whole) * 1e6:10,.0f} us")
        print(f"find() in a file that is empty now:    {min(empty) * 1e6:10,.0f} us, MapFaultError")
        print(f"m[i] of a file that is empty now:   {min(single) * 1e6:10,.0f} us, MapFaultError")


if __name__ == "__main__":
    main()
