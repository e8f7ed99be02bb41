"""The Python half of MappedFile: its registration, and what a pickle calls."""

import io
import os

from . import _firmmap
from ._firmmap import MappedFile

io.BufferedIOBase.register(MappedFile)
# Where users find them.
_firmmap.open.__module__ = _firmmap.anonymous.__module__ = "firmmap"


def restore(kind, path, mode, offset, length, capacity):
    """Map again what was pickled. A file that is shorter now is an error, and not extended with zeros."""
    if mode == "r+" and (size := os.stat(path).st_size) < offset + length:
        raise ValueError(f"length {length} from offset {offset} reaches behind the end of the file of {size} bytes")
    return kind(path, mode, offset=offset, length=length, capacity=capacity)
