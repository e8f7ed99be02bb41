"""Memory-mapped files that behave like byte arrays and like files.

``import firmmap as mmap`` takes the place of the standard library's module, and
``from firmmap import *`` of ``from mmap import *``: it gives the same names, and
MapFaultError. What else there is:

open(path, mode='r', *, offset=0, length=None, capacity=None)
    Map a file, as a MappedFile.
anonymous(length, *, capacity=None)
    Make memory without a file, as a MappedFile that can grow.
class MappedFile
    A whole binary file and a whole byte array.
class Residency
    Which pages of a map are in memory.
fault_guard(), set_fault_guard(on), renew_fault_guard()
    The guard that turns bytes that are not there any more into a MapFaultError.
further constants of the system: MAP_*, PROT_*, MADV_*, MS_*
"""

from . import _mapped_file as _mapped_file
from ._faults import MapFaultError as MapFaultError
from ._faults import connect as _connect
from ._firmmap import *
from ._firmmap import __version__ as __version__

_connect()


def __getattr__(name):
    # Found out when it is asked for: loading the standard module would take longer than loading this one.
    if name == "__all__":
        from . import _star

        globals()[name] = names = _star.names(globals())
        return names
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
