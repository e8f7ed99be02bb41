"""Ranges of split() on Dask, Ray and joblib, with two worker processes each: `make test-cluster`."""

from __future__ import annotations

import errno
import os
import pickle
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import dask
import dask.bag
import firmmap
import joblib
import pytest
import ray
import ray.data
import work
from dask.distributed import Client, LocalCluster
from firmmap import FASTA, FASTQ, FileRange, split
from joblib.externals.loky.process_executor import TerminatedWorkerError

# Runs a function on each range, in a worker, and returns the results in the order of the ranges.
Way = Callable[[list[FileRange], Callable[[FileRange], Any]], list[Any]]


@pytest.fixture(scope="session", autouse=True)
def importable() -> None:
    """Workers find `work`, as this process does."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])


@pytest.fixture(scope="session")
def dask_cluster(importable: None) -> Iterator[Any]:
    # The nanny of a worker that was killed starts it again, and is itself closed if that takes longer.
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def dask_client(dask_cluster: Any) -> Any:
    # A worker that the test before has killed may still be starting.
    dask_cluster.wait_for_workers(2, timeout=300)
    return dask_cluster


@pytest.fixture(scope="session")
def ray_cluster(importable: None) -> Iterator[None]:
    # The paths of its sockets have to be short.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    # A node has 30 seconds to start, which can be too little where the machine is busy.
    for attempt in range(4):
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", _temp_dir=folder)
            break
        except Exception:
            ray.shutdown()
            if attempt == 3:
                raise
    ray.data.DataContext.get_current().raise_original_map_exception = True
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def dask_futures(client: Any) -> Way:
    return lambda parts, task: client.gather(client.map(task, parts, pure=False))


def dask_delayed(client: Any) -> Way:
    return lambda parts, task: list(dask.compute(*(dask.delayed(task)(part) for part in parts)))


def dask_bag(client: Any) -> Way:
    return lambda parts, task: dask.bag.from_sequence(parts, partition_size=1).map(task).compute()


def ray_tasks() -> Way:
    return lambda parts, task: ray.get([ray.remote(task).remote(part) for part in parts])


def joblib_workers() -> Way:
    return lambda parts, task: joblib.Parallel(n_jobs=2)(joblib.delayed(task)(part) for part in parts)


def row(part: FileRange, number: int) -> dict[str, Any]:
    return {
        "path": part.path,
        "offset": part.offset,
        "length": part.length,
        "stamp": part.stamp or [],
        "number": number,
    }


def ray_data() -> Way:
    def run(parts: list[FileRange], task: Callable[[FileRange], Any]) -> list[Any]:
        def apply(row: dict[str, Any]) -> dict[str, Any]:
            part = FileRange(row["path"], row["offset"], row["length"], row["stamp"] or None)
            return {"number": row["number"], "result": task(part)}

        rows = [row(part, number) for number, part in enumerate(parts)]
        results = ray.data.from_items(rows, override_num_blocks=len(rows)).map(apply).take_all()
        return [one["result"] for one in sorted(results, key=lambda one: one["number"])]

    return run


WAYS: dict[str, Callable[..., Way]] = {
    "Dask, futures": dask_futures,
    "Dask, delayed": dask_delayed,
    "Dask, a bag": dask_bag,
    "Ray, tasks": ray_tasks,
    "Ray, a dataset": ray_data,
    "joblib": joblib_workers,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    make = WAYS[request.param]
    if request.param.startswith("Dask"):
        return make(request.getfixturevalue("dask_client"))
    if request.param.startswith("Ray"):
        request.getfixturevalue("ray_cluster")
    return make()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """40,000 lines; every 100th says ERROR."""
    path = tmp_path / "log"
    lines = (b"%d %s\n" % (number, b"all well" if number % 100 else b"ERROR") for number in range(40_000))
    path.write_bytes(b"".join(lines))
    return path


def plain(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return list(file)


def test_counts_and_lines(way: Way, log: Path) -> None:
    """S3: what the workers find, put together, is what a loop over the file finds."""
    parts = split(log, 6, check=True)
    assert len(parts) == 6
    assert sum(way(parts, work.count)) == len(plain(log)) == 40_000
    wanted = [line for line in plain(log) if b"ERROR" in line]
    assert [*chain(*way(parts, work.errors))] == wanted
    assert len(wanted) == 400


def fasta(choose: random.Random) -> bytes:
    records = (
        b">s%d\n" % number + b"".join(bytes(choose.choices(b"ACGTN", k=60)) + b"\n" for _ in range(choose.randrange(5)))
        for number in range(200)
    )
    return b"".join(records)


def fastq(choose: random.Random) -> bytes:
    """Reads whose qualities may begin with an '@' or a '+', as those of names and of separators do."""
    records = []
    for number in range(200):
        read = bytes(choose.choices(b"ACGTN", k=choose.randrange(1, 80)))
        records.append(b"@r%d\n%s\n+\n%s\n" % (number, read, bytes(choose.choices(b"@+>I#", k=len(read)))))
    return b"".join(records)


@pytest.mark.parametrize(
    ("make", "boundary", "records"), [(fasta, FASTA, work.fasta), (fastq, FASTQ, work.fastq)], ids=["FASTA", "FASTQ"]
)
def test_no_record_is_cut(
    way: Way,
    tmp_path: Path,
    make: Callable[[random.Random], bytes],
    boundary: re.Pattern[bytes],
    records: Callable[[FileRange], list[bytes]],
) -> None:
    """S1, S3: the workers have the records of the file, each once and whole."""
    path = tmp_path / "records"
    path.write_bytes(make(random.Random(5)))
    parts = split(path, 7, boundary=boundary)
    assert len(parts) == 7
    found = [*chain(*way(parts, records))]
    (whole,) = split(path, 1)
    wanted = records(whole)
    assert len(wanted) == 200
    # Between two ranges of FASTA there is a newline and a '>', which split() in the worker has not removed.
    assert [one.strip(b">\n") for one in found] == [one.strip(b">\n") for one in wanted]


def test_a_file_truncated_in_a_worker(way: Way, log: Path) -> None:
    """S3: the driver catches MapFaultError, with the index in the range and the path."""
    part = split(log, 3, check=True)[1]
    with pytest.raises(firmmap.MapFaultError) as caught:
        way([part], work.truncate)
    error = caught.value
    missing = work.end_after_truncate(part) - part.offset
    assert error.offset == missing > 0
    # What Ray raises is of both classes, and has nothing of what OSError itself keeps; its `cause` is the exception.
    error = getattr(error, "cause", error)
    assert type(error) is firmmap.MapFaultError
    assert (error.offset, error.filename, error.errno) == (missing, str(log), errno.EIO)
    assert f"the mapped byte at {missing} is not there" in str(caught.value)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args, again.__dict__) == (type(error), error.args, error.__dict__)


def test_a_file_that_has_changed(way: Way, log: Path) -> None:
    """S2, S3: with check a worker refuses the range; without, one that the file does not have any more."""
    checked, trusting = split(log, 6, check=True), split(log, 6)
    with log.open("ab") as file:
        file.write(b"one more\n")
    with pytest.raises(ValueError, match="has changed since it was split: it had"):
        way(checked, work.count)
    assert sum(way(trusting, work.count)) == 40_000
    os.truncate(log, trusting[-1].offset + 10)
    with pytest.raises(ValueError, match="reaches behind the end of the file of"):
        way(trusting, work.count)


def test_a_worker_that_is_killed(request: pytest.FixtureRequest, way: Way, log: Path) -> None:
    """S3: the engine runs its task again, and each line is counted once; joblib has no such promise."""
    if "joblib" in request.node.callspec.id:
        with pytest.raises(TerminatedWorkerError):
            way(split(log, 6), work.die_once)
        return
    assert sum(way(split(log, 6, check=True), work.die_once)) == 40_000
    assert Path(f"{log}.killed").exists()


def test_lines_flow_into_a_bag_and_a_dataset(log: Path, dask_client: Any, ray_cluster: None) -> None:
    """S3: each line is an element of a bag, and a row of a dataset."""
    parts = split(log, 6, check=True)
    wanted = [line for line in plain(log) if b"ERROR" in line]
    bag = dask.bag.from_sequence(parts, partition_size=1).map(FileRange.lines, containing=b"ERROR").flatten()
    assert (bag.compute(), bag.npartitions) == (wanted, 6)

    def lines(row: dict[str, Any]) -> Any:
        return ({"line": line} for line in FileRange(**row).lines(containing=b"ERROR"))

    rows = [{"path": part.path, "offset": part.offset, "length": part.length, "stamp": part.stamp} for part in parts]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).flat_map(lines)
    assert sorted(row["line"] for row in dataset.take_all()) == sorted(wanted)


def test_there_are_two_workers(dask_client: Any, ray_cluster: None) -> None:
    """Tasks run in other processes than the driver: in two of them."""
    processes = set(dask_client.run(os.getpid).values())
    assert len(processes) == 2 and os.getpid() not in processes
    assert ray.cluster_resources()["CPU"] == 2
    assert ray.get(ray.remote(work.process).remote()) != os.getpid()
