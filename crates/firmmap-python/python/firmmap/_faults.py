"""MapFaultError, and the care for whoever else handles its signal."""

import errno
import faulthandler
import functools
import signal

from . import _firmmap


class MapFaultError(OSError):
    """Bytes of a map could not be read or written.

    Its file was truncated, or its disk failed or is full. errno is EIO; offset is the index
    in the map. Once the file is whole again, so is the map.
    """

    def __init__(self, offset=None):
        where = "" if offset is None else f" at {offset}"
        super().__init__(
            errno.EIO,
            f"the mapped byte{where} is not there: "
            "its file was truncated, or its disk failed or is full",
        )
        self.offset = offset

    def __reduce__(self):
        return MapFaultError, (self.offset,)


MapFaultError.__module__ = "firmmap"


def fault_at(offset):
    """A class that raises itself with an offset: all that can be raised in another thread."""

    def __init__(self):
        MapFaultError.__init__(self, offset)

    names = {"__init__": __init__, "__module__": "firmmap", "__doc__": MapFaultError.__doc__}
    return type("MapFaultError", (MapFaultError,), names)


def _renewing(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        finally:
            _firmmap.renew_fault_guard()

    return wrapper


def stay_first():
    """Have the guard's handler called before those that are installed later.

    A handler that is installed after the guard's runs before it: faulthandler would print a
    traceback for a fault that ends in an exception, and one of signal.signal() would let the fault
    happen again and again. And switching faulthandler off installs whatever was there when it was
    switched on, which may be from before the guard. All of them still get what is not the guard's.
    """
    for module, name in ((faulthandler, "enable"), (faulthandler, "disable"), (signal, "signal")):
        function = getattr(module, name)
        if not hasattr(function, "__wrapped__"):
            setattr(module, name, _renewing(function))
