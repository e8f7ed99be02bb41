"""The Python half of MappedFile: its registration, and what a pickle calls."""

import io
import os
import sys

from . import _firmmap
from ._firmmap import MappedFile

io.BufferedIOBase.register(MappedFile)
# Where users find them.
_firmmap.open.__module__ = _firmmap.anonymous.__module__ = "firmmap"


def restore(kind, path, mode, offset, length, capacity, sparse, keep_file, load):
    """Map again what was pickled. A file that is shorter now is an error, and not extended with zeros."""
    try:
        if mode in ("r+", "a+") and (size := os.stat(path).st_size) < offset + length:
            raise too_short(path, offset, length, size)
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
    except Exception as error:
        if sys._getframe(1).f_globals.get("__name__", "").startswith("multiprocessing."):
            return Unmapped(error)
        raise


def too_short(path, offset, length, size):
    """Return the error of a file that has fewer bytes than are to be mapped, with the words of firmmap.open()."""
    where = f"length {length} from offset {offset}"
    return ValueError(f"{where} reaches behind the end of the file of {size} bytes: {path!r}")


class Unmapped:
    """Takes the place of a map that cannot be mapped again: whatever is done with it raises the error.

    For multiprocessing only. Where its pools load arguments and results, an exception ends a
    worker or a thread of theirs, and whoever waits for the task waits for ever. In the task
    it is sent to whoever waits.
    """

    def __init__(self, error):
        self._error = error

    def __getattr__(self, name):
        raise self._error

    def __repr__(self):
        return f"<MappedFile that could not be mapped: {self._error!r}>"

    def __reduce__(self):
        return Unmapped, (self._error,)

    def __setstate__(self, state):
        """Leave out what a subclass has added to the map."""

    def _fail(self, *_):
        raise self._error

    __len__ = __getitem__ = __setitem__ = __contains__ = __iter__ = __next__ = __reversed__ = _fail
    __enter__ = __exit__ = __buffer__ = _fail
