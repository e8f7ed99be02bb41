"""A pytest plugin that puts `firmmap.open()` in the place of files, if that is asked for, and keeps the outcomes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import firmmap_as_files

# Before anything is imported that keeps a reference to what is replaced.
if os.environ["FIRMMAP_FILES_SIDE"] == "firmmap":
    firmmap_as_files.install()

from firmmap_outcomes import outcomes, pytest_collectreport, pytest_runtest_logreport

__all__ = ["pytest_collectreport", "pytest_runtest_logreport"]


def pytest_unconfigure() -> None:
    with firmmap_as_files.plain_open(os.environ["FIRMMAP_FILES_OUTCOMES"], "w") as file:
        json.dump({"tests": outcomes, "mapped": firmmap_as_files.mapped}, file)
