"""The Python half of MappedFile: its registration, and what a pickle calls."""

import io
import os

from . import _firmmap
from ._firmmap import MappedFile

io.BufferedIOBase.register(MappedFile)
# Where users find them.
_firmmap.open.__module__ = _firmmap.anonymous.__module__ = "firmmap"


def restore(kind, path, mode, offset, length, capacity, sparse, keep_file, load):
    """Map again what was pickled. A file that is shorter now is an error, and not extended with zeros."""
    if mode in ("r+", "a+") and (size := os.stat(path).st_size) < offset + length:
        raise ValueError(f"length {length} from offset {offset} reaches behind the end of the file of {size} bytes")
    # Not the subclass's own constructor, which may have other arguments: what it has set comes back as the state.
    return MappedFile.__new__(
        kind,
        path,
        mode,
        offset=offset,
        length=length,
        capacity=capacity,
        sparse=sparse,
        keep_file=keep_file,
        load=load,
    )
