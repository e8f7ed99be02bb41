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
        if _is_loaded_by_multiprocessing(sys._getframe(1)):
            return Unmapped(error, kind)
        raise


def _is_loaded_by_multiprocessing(frame):
    """Return whether multiprocessing loads the pickle, and not code that it has called."""
    while frame:
        package, _, module = str(frame.f_globals.get("__name__")).partition(".")
        if package == "multiprocessing":
            return module in ("connection", "queues", "spawn")
        frame = frame.f_back
    return False


def too_short(path, offset, length, size):
    """Return the error of a file that has fewer bytes than are to be mapped, with the words of firmmap.open()."""
    where = f"length {length} from offset {offset}"
    return ValueError(f"{where} reaches behind the end of the file of {size} bytes: {path!r}")


class Unmapped:
    """Takes the place of a map that cannot be mapped again: its methods and operators raise the error.

    For multiprocessing only. Where its pools load arguments and results, an exception ends a
    worker or a thread of theirs, and whoever waits for the task waits for ever. In the task
    it is sent to whoever waits.

    It is no MappedFile: isinstance() says so, and where bytes are expected it can be a TypeError.
    It is equal to itself, as a map is: dicts and sets of maps are loaded in the same place.
    """

    def __init__(self, error, kind):
        self._error = error
        self._kind = kind

    def __getattr__(self, name):
        # A method is loaded by its name: what multiprocessing loads so must not fail before it is called.
        if callable(getattr(self._kind, name, None)):
            from functools import partial  # what each program loads does without

            return partial(Unmapped._fail, self)
        self._fail()

    def __repr__(self):
        return f"<{self._kind.__name__} that could not be mapped: {self._error!r}>"

    def __reduce__(self):
        return Unmapped, (self._error, self._kind)

    def __setstate__(self, state):
        """Leave out what a subclass has added to the map."""

    def _fail(self, *_, **__):
        raise self._error.with_traceback(None)

    __len__ = __getitem__ = __setitem__ = __contains__ = __iter__ = __next__ = __reversed__ = _fail
    __enter__ = __exit__ = __buffer__ = __bool__ = _fail
