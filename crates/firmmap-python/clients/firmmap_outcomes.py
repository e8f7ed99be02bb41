"""A pytest plugin that writes down how each test has ended, and checks which module `import mmap` gives."""

from __future__ import annotations

import json
import mmap
import os
import sys

import pytest
from hypothesis import settings

# Mutagen's tests are of that kind: neither the clock nor chance may decide how a test ends.
settings.register_profile("clients", deadline=None, derandomize=True)
settings.load_profile("clients")

RANK = ["passed", "xpassed", "xfailed", "skipped", "failed", "error"]
outcomes: dict[str, str] = {}


def pytest_configure() -> None:
    wanted = os.environ["FIRMMAP_CLIENTS_MODULE"]
    module = "firmmap" if wanted == "firmmap" else "mmap"
    assert mmap.mmap.__module__ == module, f"import mmap gives {mmap.mmap!r}"
    if wanted == "firmmap":
        assert sys.modules["mmap"] is sys.modules["firmmap"]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    outcome: str = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = {"skipped": "xfailed", "passed": "xpassed"}.get(outcome, outcome)
    elif report.failed and report.when != "call":
        outcome = "error"
    outcomes[report.nodeid] = max(outcome, outcomes.get(report.nodeid, "passed"), key=RANK.index)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        outcomes[f"{report.nodeid} (collecting)"] = "error" if report.failed else "skipped"


def pytest_unconfigure() -> None:
    with open(os.environ["FIRMMAP_CLIENTS_OUTCOMES"], "w") as file:
        json.dump(outcomes, file)
