"""The native half, whose public names are those of the package."""

from typing import Any

def __getattr__(name: str) -> Any: ...
