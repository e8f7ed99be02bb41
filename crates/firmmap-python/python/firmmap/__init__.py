"""Memory-mapped files that behave like byte arrays and like files.

``import firmmap as mmap`` takes the place of the standard library's module.
"""

from . import _mapped_file as _mapped_file
from ._faults import MapFaultError as MapFaultError
from ._faults import connect as _connect
from ._firmmap import *
from ._firmmap import __version__ as __version__

_connect()
