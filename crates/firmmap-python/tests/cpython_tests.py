"""One side of run_cpython_tests.py: test_mmap with the module that the argument names as `mmap`."""

from __future__ import annotations

import importlib
import json
import sys
import unittest


class Result(unittest.TestResult):
    """Notes the outcome of every test by name."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}

    def note(self, test: unittest.TestCase, outcome: str) -> None:
        name = ".".join(test.id().split(".")[-2:])
        if not self.outcomes.get(name, "").startswith(("failed", "error")):
            self.outcomes[name] = outcome

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.note(test, "passed")

    def addFailure(self, test, error) -> None:  # type: ignore[no-untyped-def]
        self.note(test, f"failed: {error[1]!r}")

    def addError(self, test, error) -> None:  # type: ignore[no-untyped-def]
        self.note(test, f"error: {error[1]!r}")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.note(test, f"skipped: {reason}")

    def addSubTest(self, test, subtest, error) -> None:  # type: ignore[no-untyped-def]
        if error is not None:
            self.note(test, f"failed: {error[1]!r}")

    def addExpectedFailure(self, test, error) -> None:  # type: ignore[no-untyped-def]
        self.note(test, "expected to fail")


def main() -> None:
    sys.modules["mmap"] = importlib.import_module(sys.argv[1])
    # The large-file tests need this resource; they write sparse files.
    support = importlib.import_module("test.support")
    vars(support)["use_resources"] = ["largefile"]
    suite = unittest.defaultTestLoader.loadTestsFromName("test.test_mmap")
    result = Result()
    suite.run(result)
    print("OUTCOMES " + json.dumps(result.outcomes))


if __name__ == "__main__":
    main()
