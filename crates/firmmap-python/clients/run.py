"""Runs the own tests of programs that use `mmap`, with the standard module and with firmmap in its place.

    python run.py SOURCES [CLIENT…]

SOURCES is a folder for the source distributions that have the test data. Prints the counts side by side and each test
that ends differently, and fails if there is one, or if firmmap was not what the tests have used.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = Path(sysconfig.get_paths()["purelib"])
MODULES = ("standard", "firmmap")
COLUMNS = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


@dataclass
class Client:
    """One test suite."""

    name: str
    tests: list[str]
    """What pytest is given."""
    source: str | None = None
    """The distribution whose source has the tests: they run in its folder."""
    compiled: str | None = None
    """The folder in there that must not hide the installed package, which has compiled parts."""
    repository: bool = False
    """They need a git repository there, with packs and loose objects."""
    environment: dict[str, str] = field(default_factory=dict)


MULTIPROCESSING = [str(HERE / "stdlib_multiprocessing.py"), "-k", "Heap or Shared or Value or Array or ResourceTracker"]
CLIENTS = [
    Client("numpy", ["--pyargs", "numpy._core.tests.test_memmap"]),
    Client("smmap", ["--pyargs", "smmap"]),
    Client("gitdb", ["gitdb/test"], source="gitdb", repository=True),
    Client("mutagen", ["tests", "--ignore=tests/quality"], source="mutagen"),
    Client(
        "maxminddb",
        ["tests/decoder_test.py", "tests/reader_test.py", "tests/threading_test.py"],
        source="maxminddb",
        compiled="maxminddb",
    ),
    Client(
        "joblib", ["--pyargs", *(f"joblib.test.test_{name}" for name in ("memmapping", "backports", "numpy_pickle"))]
    ),
    Client(
        "pandas",
        [
            *(str(PACKAGES / "pandas/tests/io" / name) for name in ("parser", "test_common.py")),
            # The data files of a few tests are neither in the wheel nor in a source that could be had without a build.
            *("--no-strict-data-files", "-k", "parallel or mmap or memmap or memory_map"),
        ],
    ),
    *(
        Client(f"stdlib, {method}", MULTIPROCESSING, environment={"FIRMMAP_CLIENTS_START_METHOD": method})
        for method in ("fork", "spawn", "forkserver")
    ),
]


@dataclass
class Run:
    """What came out of one run of one suite."""

    outcomes: dict[str, str]
    maps: int
    processes: Counter[str]
    wrong: list[str]
    output: str


def source_of(client: Client, folder: Path) -> Path:
    """The unpacked source distribution of the version that is installed."""
    assert client.source
    name = f"{client.source}-{metadata.version(client.source)}"
    if not (folder / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        wanted = f"{client.source}=={metadata.version(client.source)}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--no-binary", ":all:", "--dest", folder, wanted], check=True)
        with tempfile.TemporaryDirectory(dir=folder) as unpacked:
            with tarfile.open(folder / f"{name}.tar.gz") as archive:
                archive.extractall(unpacked, filter="data")
            if client.compiled:
                shutil.rmtree(Path(unpacked, name, client.compiled))
            Path(unpacked, name).rename(folder / name)
    return folder / name


def make_repository(folder: Path) -> None:
    """Two commits of what is in the folder, and of a thousand files more: one packed, one loose."""
    for number in range(1000):
        (folder / f"file-{number}").write_text(f"This is file {number}.\n" * number)
    identity = ["-c", "user.name=client", "-c", "user.email=client@localhost", "-c", "commit.gpgsign=false"]
    for command in (
        ["init", "--quiet"],
        ["add", "--all", "--force"],
        [*identity, "commit", "--quiet", "--message=one"],
        ["gc", "--quiet"],
        [*identity, "commit", "--quiet", "--allow-empty", "--message=two"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, stdin=subprocess.DEVNULL)


def install_hook() -> None:
    shutil.copy(HERE / "firmmap_as_mmap.py", PACKAGES)
    (PACKAGES / "firmmap_as_mmap.pth").write_text("import firmmap_as_mmap\n")


def run(client: Client, module: str, sources: Path) -> Run:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "source")
        if client.source:
            # Tests write where they are.
            shutil.copytree(source_of(client, sources), folder)
        else:
            folder.mkdir()
        if client.repository:
            make_repository(folder)
        record, outcomes = Path(scratch, "record"), Path(scratch, "outcomes")
        options = [
            "-q",
            "-p",
            "firmmap_outcomes",
            "-p",
            "no:cacheprovider",
            "-o",
            "addopts=",
            "--tb=short",
            "--timeout=300",
        ]
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *client.tests],
            cwd=folder,
            env={
                **os.environ,
                **client.environment,
                "FIRMMAP_CLIENTS_MODULE": module,
                "FIRMMAP_CLIENTS_RECORD": str(record),
                "FIRMMAP_CLIENTS_OUTCOMES": str(outcomes),
                "PYTHONPATH": str(HERE),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        lines = record.read_text().splitlines() if record.exists() else []
        return Run(
            outcomes=json.loads(outcomes.read_text()) if outcomes.exists() else {},
            maps=lines.count("map"),
            processes=Counter(line for line in lines if line.startswith("process ")),
            wrong=[line for line in lines if line.startswith("wrong")],
            output=ended.stdout
            if ended.returncode in (0, 1)
            else f"{ended.stdout}\npytest ended with {ended.returncode}",
        )


def complaints(standard: Run, firmmap: Run) -> list[str]:
    """What is not as it should be."""
    found = []
    for test in sorted(standard.outcomes.keys() | firmmap.outcomes.keys()):
        before, after = standard.outcomes.get(test, "not run"), firmmap.outcomes.get(test, "not run")
        if before != after:
            found.append(f"{test}: {before} with the standard module, {after} with firmmap")
    for module, ended in zip(MODULES, (standard, firmmap), strict=True):
        if not any(outcome == "passed" for outcome in ended.outcomes.values()):
            found.append(f"no test has passed with {module}:\n{ended.output[-3000:]}")
        expected = "process mmap" if module == "standard" else "process firmmap"
        found += [f"{ended.processes[line]} {line}" for line in ended.processes if line != expected]
        found += ended.wrong
        if not ended.maps:
            found.append(f"nothing was mapped with {module}")
    return found


def main() -> None:
    sources, only = Path(sys.argv[1]).resolve(), sys.argv[2:]
    install_hook()
    print(f"{'':20}{'':10}" + "".join(f"{column:>9}" for column in COLUMNS) + f"{'maps':>9}{'processes':>11}")
    all_found: list[str] = []
    for client in CLIENTS:
        if only and client.name not in only:
            continue
        runs = [run(client, module, sources) for module in MODULES]
        for module, ended in zip(MODULES, runs, strict=True):
            counts = Counter(ended.outcomes.values())
            numbers = "".join(f"{counts[column]:9}" for column in COLUMNS)
            title = client.name if module == "standard" else ""
            print(f"{title:20}{module:10}{numbers}{ended.maps:9}{ended.processes.total():11}", flush=True)
        found = complaints(*runs)
        for complaint in found:
            print(f"    {complaint}")
        if found or os.environ.get("FIRMMAP_CLIENTS_VERBOSE"):
            for module, ended in zip(MODULES, runs, strict=True):
                print(f"---- {client.name}, {module}\n{ended.output[-20_000:]}\n----")
        all_found += found
    if all_found:
        sys.exit(f"{len(all_found)} differences under CPython {platform.python_version()}")
    print("no test tells the two modules apart")


if __name__ == "__main__":
    main()
