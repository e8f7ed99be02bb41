"""One side of run_cpython_file_tests.py: the tests of a module, with plain files or with maps in their place."""

from __future__ import annotations

import sys

import firmmap_as_files

# Before anything is imported that keeps a reference to what is replaced.
if sys.argv[1] == "firmmap":
    firmmap_as_files.install()

import importlib
import json
import os
import traceback
import unittest
from collections.abc import Iterator

from cpython_tests import Result


class TracedResult(Result):
    """Prints the traceback of each test that does not pass."""

    def addFailure(self, test, error) -> None:  # type: ignore[no-untyped-def]
        print(test.id(), *traceback.format_exception(*error), file=sys.stderr)
        super().addFailure(test, error)

    def addError(self, test, error) -> None:  # type: ignore[no-untyped-def]
        print(test.id(), *traceback.format_exception(*error), file=sys.stderr)
        super().addError(test, error)


def tests_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def main() -> None:
    support = importlib.import_module("test.support")
    # Nothing that takes the network, gigabytes or minutes.
    vars(support)["use_resources"] = []
    suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{sys.argv[2]}")
    # Classes with "Py" in front test files that are written in Python.
    chosen = [test for test in tests_of(suite) if not type(test).__name__.startswith("Py")]
    if only := sys.argv[3:]:
        chosen = [test for test in chosen if any(name in test.id() for name in only)]
    result = TracedResult()
    unittest.TestSuite(chosen).run(result)
    outcome = {"tests": result.outcomes, "mapped": firmmap_as_files.mapped}
    print("OUTCOMES " + json.dumps(outcome), flush=True)
    # What the tests have left open does not matter.
    os._exit(0)


main()
