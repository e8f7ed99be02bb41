"""Runs the tests of packages that read and write files, with plain files and with `firmmap.open()` in their place.

    python run_files.py [CLIENT…]

The tests are those in the installed packages. Prints the counts side by side and each test that ends differently, with
the reason, and fails if one has none, or if nothing was mapped. docs/differences.md has the counts.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
SIDES = ("plain", "firmmap")
COLUMNS = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")

MODE = "the mode was translated: a map that can be written can be read, and has the mode of such a file"

CLASS = "numpy and astropy use another way for what is neither an io.FileIO nor has one below it, as for io.BytesIO"

FIXED = "instances of the class have no attributes of their own, as those of subclasses have"


@dataclass
class Client:
    """Test modules of one package."""

    package: str
    tests: list[str]
    """Files, classes in them, and folders in the package."""


CLIENTS = [
    Client("numpy", [f"lib/tests/test_{name}.py" for name in ("format", "io", "loadtxt", "_datasource")]),
    Client(
        "numpy",
        [f"_core/tests/test_{name}" for name in ("multiarray.py::TestIO", "records.py", "memmap.py", "longdouble.py")],
    ),
    Client("scipy", [f"io/{folder}tests" for folder in ("", "matlab/", "arff/", "_harwell_boeing/")]),
    Client(
        "pyarrow", [*(f"tests/test_{name}.py" for name in ("io", "ipc", "feather", "csv", "json")), "tests/parquet"]
    ),
    Client("h5py", [f"tests/test_{name}.py" for name in ("file", "file2", "file_image", "h5f")]),
    Client("astropy", ["io/fits/tests"]),
]

ASTROPY_MODES = ["gzip", "normal_buffering", "normal_no_buffering", "normalization"]
ASTROPY_FILES = """
    groups_hdu_data random_groups_data_update create_groupdata duplicate_parameter
    writeto_stdout HDUList_writeto_stdout writeto_append_mode_gzip
    open_file_handle fits_file_handle_mode_combo open_from_url read_closed_file fileobj_mode_guessing
    open_gzipped_from_handle open_bzipped_from_handle open_lzma_from_handle open_zipped_from_handle
    mmap_unwriteable mmap_allocate_error mmap_unsupported_fallback mmap_closing
"""

# Tests that pass with plain files and end differently with maps, by their last names, and why.
EXPECTED: dict[str, str] = {
    **dict.fromkeys(["test_python_file_implicit_mode", "test_input_stream_errors", "test_exception_writeonly"], MODE),
    **dict.fromkeys(["test_streaming_hdu_file_wrong_mode", *(f"test_mode_{name}" for name in ASTROPY_MODES)], MODE),
    "test_file_truncated": CLASS,
    **dict.fromkeys((f"test_{name}" for name in ASTROPY_FILES.split()), CLASS),
    "test_unseekable_fromfile": FIXED,
}


@dataclass
class Run:
    """What came out of one side of one client."""

    outcomes: dict[str, str]
    mapped: int
    output: str


def run(client: Client, side: str) -> Run:
    """Runs the tests in a process of their own, in an empty folder."""
    spec = importlib.util.find_spec(client.package)
    assert spec and spec.origin
    package = Path(spec.origin).parent
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Path(folder, "outcomes")
        options = ["-q", "-p", "firmmap_files", "-p", "no:cacheprovider", "-o", "addopts=", "--tb=short"]
        # Nothing that takes minutes or gigabytes.
        options += ["--timeout=300", "-m", "not slow and not large_memory"]
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", *options),
                *(str(package / test) for test in client.tests),
            ],
            cwd=folder,
            env={
                **os.environ,
                "FIRMMAP_FILES_SIDE": side,
                "FIRMMAP_FILES_OUTCOMES": str(outcomes),
                "NPY_AVAILABLE_MEM": "1GB",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]),
                "TMPDIR": folder,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        written = json.loads(outcomes.read_text()) if outcomes.exists() else {"tests": {}, "mapped": 0}
    # A test is named by its file in the package.
    tests = {name[name.find(f"/{client.package}/") + 1 :]: outcome for name, outcome in written["tests"].items()}
    return Run(tests, written["mapped"], ended.stdout)


def complaints(client: Client, plain: Run, ours: Run) -> tuple[list[str], int]:
    """What is not as it should be, and how many tests differ for a reason."""
    found, differ = [], 0
    for test in sorted(plain.outcomes.keys() | ours.outcomes.keys()):
        before, after = plain.outcomes.get(test, "not run"), ours.outcomes.get(test, "not run")
        reason = EXPECTED.get(test.rpartition("::")[2].partition("[")[0])
        if before != after and reason:
            differ += 1
            print(f"    {test}: {reason}")
        elif before != after:
            found.append(f"{test}: {before} with plain files, {after} with firmmap")
    for side, ended in zip(SIDES, (plain, ours), strict=True):
        if "passed" not in ended.outcomes.values():
            found.append(f"no test has passed on the side {side}:\n{ended.output[-3000:]}")
    if plain.mapped or not ours.mapped:
        found.append(f"{plain.mapped} files were mapped where none should be, and {ours.mapped} where all should")
    return found, differ


def main() -> None:
    only = sys.argv[1:]
    print(f"{'':20}{'':10}" + "".join(f"{column:>9}" for column in COLUMNS) + f"{'maps':>9}", flush=True)
    all_found: list[str] = []
    totals: Counter[str] = Counter()
    for client in CLIENTS:
        if only and client.package not in only:
            continue
        if not importlib.util.find_spec(client.package):
            print(f"{client.package:30}is not installed: there is no wheel of it for this interpreter")
            continue
        # Both sides at a time, as each uses one processor.
        with ThreadPoolExecutor(2) as pool:
            plain, ours = pool.map(run, (client, client), SIDES)
        for side, ended in zip(SIDES, (plain, ours), strict=True):
            counts = Counter(ended.outcomes.values())
            title = f"{client.package} {metadata.version(client.package)}" if side == "plain" else ""
            numbers = "".join(f"{counts[column]:9}" for column in COLUMNS)
            print(f"{title:20}{side:10}{numbers}{ended.mapped:9}", flush=True)
            totals[side] += counts["passed"]
        found, differ = complaints(client, plain, ours)
        totals["differ"] += differ
        for complaint in found:
            print(f"    {complaint}")
        if found:
            print(f"---- {client.package}, firmmap\n{ours.output[-20_000:]}\n----", flush=True)
        all_found += found
    label = platform.python_version()
    print(
        f"tests of files of other projects, CPython {label}: files passed {totals['plain']}, "
        f"firmmap passed {totals['firmmap']}, {totals['differ']} differ for a reason"
    )
    if all_found:
        sys.exit(f"{len(all_found)} differences under CPython {label} have no reason")


if __name__ == "__main__":
    main()
