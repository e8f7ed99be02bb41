"""The stress test, made small: FIRMMAP_STRESS_FAULTS makes it as long as one likes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from fault_support import only_linux

pytestmark = only_linux


def test_stress() -> None:
    """F1, F2, F3, F5: not one wrong byte, nothing left behind."""
    target = os.environ.get("FIRMMAP_STRESS_FAULTS", "2000")
    script = Path(__file__).with_name("stress_faults.py")
    result = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "FIRMMAP_STRESS_FAULTS": target},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    outcome = json.loads(result.stdout)
    print(outcome)
    assert outcome["faults"] >= int(target)
    assert outcome["bytes verified"] > 0
    assert outcome["areas left"] == outcome["descriptors left"] == 0
