"""Runs CPython's own test_mmap with the standard module and with firmmap, and compares.

Each interpreter's own, installed copy of the tests is run, each side in a process of its own.
Without arguments: under the interpreter that runs this script. The differences that are meant
(section N of docs/behaviour.md) are named here and explained in docs/differences.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# Tests that pass with the standard module and cannot with firmmap, each for a numbered reason.
# The keys are a test's last two names, the values the versions (or None for all) and the reason.
SIZE = "N3: size() with trackfd=False is 3.15's ValueError, where 3.13 and 3.14 have an OSError"
ORDER = "A1: as in 3.15, a value that is no int is a TypeError before the index is looked at"
EXPECTED: dict[str, tuple[str, tuple[tuple[int, int], ...]]] = {
    "MmapTests.test_trackfd_parameter": (SIZE, ((3, 13), (3, 14))),
    "MmapTests.test_trackfd_neg1": (SIZE, ((3, 13), (3, 14))),
    "MmapTests.test_basic": (ORDER, ((3, 11), (3, 12), (3, 13))),
}
# The test of a later 3.13 assigns an int.
CHANGED_LATER = {("MmapTests.test_basic", (3, 13))}


def run(module: str) -> dict[str, str]:
    """The outcome of every test, with `module` as the module mmap."""
    program = Path(__file__).with_name("cpython_tests.py")
    command = [sys.executable, str(program), module]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    lines = [line for line in result.stdout.splitlines() if line.startswith("OUTCOMES ")]
    if not lines:
        sys.exit(f"{module}: the tests did not finish\n{result.stdout}\n{result.stderr}")
    outcomes: dict[str, str] = json.loads(lines[-1].removeprefix("OUTCOMES "))
    for name, outcome in outcomes.items():
        if outcome.startswith(("failed", "error")):
            print(f"{module}: {name} {outcome}")
    return outcomes


def main() -> int:
    version = sys.version_info[:2]
    standard, ours = run("mmap"), run("firmmap")
    expected = {name for name, (_, versions) in EXPECTED.items() if version in versions}
    count = {
        side: sum(outcome == "passed" for outcome in outcomes.values())
        for side, outcomes in (("standard", standard), ("firmmap", ours))
    }
    different = {
        name
        for name in standard.keys() | ours.keys()
        if (standard.get(name) == "passed") != (ours.get(name) == "passed")
    }
    for name in sorted(different):
        reason = EXPECTED[name][0] if name in expected else "NOT EXPECTED"
        print(f"  {name}: mmap {standard.get(name)}, firmmap {ours.get(name)} ({reason})")
    unexpected = different - expected
    stale = {name for name in expected - different if (name, version) not in CHANGED_LATER}
    for name in sorted(stale):
        print(f"  {name}: expected to differ, and does not")
    label = ".".join(map(str, version))
    print(
        f"test_mmap of CPython {label}: {len(standard)} tests, mmap passed {count['standard']}, "
        f"firmmap passed {count['firmmap']}, {len(different & expected)} meant to differ"
    )
    return 1 if unexpected or stale or not count["firmmap"] else 0


if __name__ == "__main__":
    sys.exit(main())
