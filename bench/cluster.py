"""Times ranges of split() in threads, Dask and Ray beside what these, and polars, have for lines.

    python bench/cluster.py [--in-process] [--bytes N] [--rounds N] [--folder FOLDER] [--into FOLDER]

Two tasks on a log of bench/log_lines.py: count the lines with a word, and bring these lines. Each way does both with
one worker and with two. In each round all ways have their turn, in an order that changes. Times are elapsed seconds,
and seconds of the processor, of this process and all that it has started; the best of the rounds. The engines run
already, and the file is in memory. The log is removed at the end; --into writes cluster.md, and
cluster.json for bench/plots.py.

--in-process is without worker processes, and so without Ray: Dask runs its tasks one after the other, or in two
threads. What is measured then is the readers and the tasks, without what the engines add.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dask
import dask.bag
import dask.bytes
import polars
import psutil
from compare import machine
from dask.distributed import Client, LocalCluster
from firmmap import FileRange, split
from log_lines import write_log

WORD = b"ERROR"
PARTS = 8


def lines(part: FileRange) -> list[bytes]:
    return list(part.lines(containing=WORD))


def count(part: FileRange) -> int:
    """How many lines have the word: each has it once."""
    return part.count(WORD)


def lines_of_block(block: bytes) -> list[bytes]:
    return [line for line in block.splitlines(keepends=True) if WORD in line]


def count_of_block(block: bytes) -> int:
    return block.count(WORD)


def has_word(line: str) -> bool:
    return "ERROR" in line


def errors(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return ({"line": line} for line in FileRange(**row).lines(containing=WORD))


def errors_of_batch(batch: Any) -> Any:
    import pyarrow.compute

    return batch.filter(pyarrow.compute.match_substring(batch["text"], "ERROR"))


def rows(parts: list[FileRange]) -> Any:
    import ray.data

    columns = [{"path": part.path, "offset": part.offset, "length": part.length} for part in parts]
    return ray.data.from_items(columns, override_num_blocks=len(columns))


# Name, task, and what returns the number of lines found; all lines come to this process where the task is `lines`.
Way = tuple[str, str, Callable[[], int]]


def thread_ways(path: Path, workers: int) -> list[Way]:
    def run(task: Callable[[FileRange], Any]) -> list[Any]:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(task, split(path, PARTS)))

    def plain() -> int:
        with path.open("rb") as file:
            return len([line for line in file if WORD in line])

    ways: list[Way] = [
        ("firmmap, threads", "count", lambda: sum(run(count))),
        ("firmmap, threads", "lines", lambda: sum(map(len, run(lines)))),
    ]
    return [*ways, ("a plain file, one process", "lines", plain)] if workers == 1 else ways


def dask_ways(path: Path) -> list[Way]:
    block = path.stat().st_size // PARTS + 1

    def ranges(task: Callable[[FileRange], Any]) -> list[Any]:
        return list(dask.compute(*(dask.delayed(task)(part) for part in split(path, PARTS))))

    def blocks(task: Callable[[bytes], Any]) -> list[Any]:
        _, ((*parts,),) = dask.bytes.read_bytes(str(path), blocksize=block, delimiter=b"\n", sample=False)
        return list(dask.compute(*(dask.delayed(task)(part) for part in parts)))

    def bag() -> Any:
        return dask.bag.read_text(str(path), blocksize=block).filter(has_word)

    return [
        ("firmmap, Dask", "count", lambda: sum(ranges(count))),
        ("firmmap, Dask", "lines", lambda: sum(map(len, ranges(lines)))),
        ("dask.bytes.read_bytes", "count", lambda: sum(blocks(count_of_block))),
        ("dask.bytes.read_bytes", "lines", lambda: sum(map(len, blocks(lines_of_block)))),
        ("dask.bag.read_text", "count", lambda: int(bag().count().compute())),
        ("dask.bag.read_text", "lines", lambda: len(bag().compute())),
    ]


def ray_ways(path: Path) -> list[Way]:
    # Late, as it takes longer to load than all others.
    import ray.data

    def tasks(task: Callable[[FileRange], Any]) -> list[Any]:
        remote = ray.remote(task)
        results: list[Any] = ray.get([remote.remote(part) for part in split(path, PARTS)])
        return results

    def text() -> Any:
        return ray.data.read_text(str(path)).map_batches(errors_of_batch, batch_format="pyarrow")

    return [
        ("firmmap, Ray tasks", "count", lambda: sum(tasks(count))),
        ("firmmap, Ray tasks", "lines", lambda: sum(map(len, tasks(lines)))),
        ("firmmap, a Ray dataset", "lines", lambda: len(rows(split(path, PARTS)).flat_map(errors).take_all())),
        ("ray.data.read_text", "count", lambda: int(text().count())),
        ("ray.data.read_text", "lines", lambda: len(text().take_all())),
    ]


def polars_lines(path: Path, task: str) -> int:
    found = polars.scan_lines(path).filter(polars.col("line").str.contains("ERROR", literal=True))
    if task == "count":
        return int(found.select(polars.len()).collect().item())
    return len(found.collect()["line"].to_list())


def polars_ways(path: Path, pool: ProcessPoolExecutor) -> list[Way]:
    """In a process of its own, which has the number of threads that its environment had; lines stay there."""
    return [
        ("polars.scan_lines", "count", lambda: pool.submit(polars_lines, path, "count").result()),
        ("polars.scan_lines", "lines", lambda: pool.submit(polars_lines, path, "lines").result()),
    ]


def processor_time() -> float:
    """Of this process and all that it started, the dead ones with it."""
    total = sum(os.times()[:4])
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


@contextmanager
def engines(workers: int, in_process: bool) -> Iterator[None]:
    if in_process:
        scheduler = "synchronous" if workers == 1 else "threads"
        with dask.config.set(scheduler=scheduler, num_workers=workers):
            yield
        return
    import ray.data

    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        ray.data.DataContext.get_current().enable_progress_bars = False
        try:
            yield
        finally:
            ray.shutdown()


def measure(ways: list[Way], rounds: int, expected: int) -> list[dict[str, Any]]:
    best = [{"way": name, "task": task, "elapsed": float("inf"), "processor": float("inf")} for name, task, _ in ways]
    for turn in range(rounds + 1):  # the first starts workers
        order = [*range(len(ways))][turn % len(ways) :] + [*range(len(ways))][: turn % len(ways)]
        for number in order:
            processor, elapsed = processor_time(), time.perf_counter()
            found = ways[number][2]()
            elapsed, processor = time.perf_counter() - elapsed, processor_time() - processor
            assert found == expected, (ways[number][:2], found, expected)
            if turn:
                row: dict[str, Any] = best[number]
                row["elapsed"] = min(row["elapsed"], elapsed)
                row["processor"] = min(row["processor"], processor)
    return best


def table(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    text = [
        f"# Ranges beside other readers of lines, {results['date']}",
        "",
        f"Machine: {results['machine']}. Command: `python bench/cluster.py{' --in-process' * results['in_process']}`. "
        f"{versions}. A file of {results['bytes'] >> 20} MiB with {results['lines']:,} lines, {results['found']:,} of "
        "them with the word. Seconds, the best of the rounds.",
        "",
        "![The same as a plot](cluster.svg)",
        "",
        "| workers | | task | elapsed | CPU |",
        "|---|---|---|---:|---:|",
    ]
    for workers, rows in results["workers"].items():
        for row in rows:
            seconds = f"{row['elapsed']:.3f} | {row['processor']:.3f}"
            text.append(f"| {workers} | {row['way']} | {row['task']} | {seconds} |")
    return "\n".join([*text, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-process", action="store_true")
    parser.add_argument("--bytes", type=int, default=512 << 20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--into", type=Path)
    options = parser.parse_args()
    if options.into:
        options.into.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"date": str(date.today()), "machine": machine(), "in_process": options.in_process}
    results["versions"] = {name: version(name) for name in ("dask", "polars", "ray")[: 2 if options.in_process else 3]}
    results["versions"]["CPython"] = platform.python_version()
    results["workers"] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "log")
        results["lines"] = write_log(path, options.bytes)
        results["bytes"] = path.stat().st_size
        with path.open("rb") as file:
            results["found"] = expected = sum(WORD in line for line in file)
        for workers in (1, 2):
            os.environ["POLARS_MAX_THREADS"] = str(workers)
            with engines(workers, options.in_process), ProcessPoolExecutor(1, get_context("spawn")) as pool:
                ways = [*thread_ways(path, workers), *dask_ways(path), *polars_ways(path, pool)]
                ways += [] if options.in_process else ray_ways(path)
                results["workers"][str(workers)] = measure(ways, options.rounds, expected)
            print(table(results), flush=True)
            if options.into:
                (options.into / "cluster.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
                (options.into / "cluster.md").write_text(table(results), encoding="utf-8")


if __name__ == "__main__":
    main()
