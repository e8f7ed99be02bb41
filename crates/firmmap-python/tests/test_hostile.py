"""C15, C16: Python code inside an operation that forks, closes, resizes.

What is tried is in `operations.py`, how in `hostile.py`: in processes of their own, as what they find may end one.
"""

from __future__ import annotations

import os

import pytest
from operations import KINDS
from support import run_alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
@pytest.mark.parametrize("kind", list(KINDS))
def test_code_inside_an_operation(kind: str) -> None:
    """C15, C16: at every point where an operation runs Python code, with all that such code can do to the map."""
    run_alone("hostile.py", kind)
