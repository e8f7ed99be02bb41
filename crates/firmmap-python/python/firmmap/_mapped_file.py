"""MappedFile's half in Python: what it is registered as, and what a pickle calls."""

import io

from . import _firmmap
from ._firmmap import MappedFile

io.BufferedIOBase.register(MappedFile)
# Where they are to be found.
_firmmap.open.__module__ = _firmmap.anonymous.__module__ = "firmmap"


def restore(kind, path, mode, offset, length, capacity):
    """Map again what was pickled."""
    return kind(path, mode, offset=offset, length=length, capacity=capacity)
