"""Memory-mapped files that behave like byte arrays and like files.

open() maps a file. What it returns, a MappedFile, is a complete binary file and
a complete byte array, and grows when it is written to:

    >>> import firmmap
    >>> with firmmap.open("log.txt", "w+") as m:
    ...     m.writelines([b"all well\\n", b"ERROR: no paper\\n"])
    ...     m[9:14] = b"fixed"
    ...     m.find(b"paper"), list(m.lines())
    (19, [b'all well\\n', b'fixed: no paper\\n'])

mmap is the standard library's class. ``import firmmap as mmap`` replaces the
module, and ``from firmmap import *`` replaces ``from mmap import *``: it gives
the same names, and MapFaultError.

    >>> import firmmap as mmap
    >>> with open("log.txt", "r+b") as file:
    ...     with mmap.mmap(file.fileno(), 0) as m:
    ...         m.readline(), m.find(b"fixed"), len(m)
    (b'all well\\n', 9, 25)

With both, bytes that are missing because the file was truncated or its disk
failed raise MapFaultError, where other maps end the process with SIGBUS.

Further names:

open(path, mode='r', *, offset=0, length=None, capacity=None)
    Map a file, and return a MappedFile.
anonymous(length, *, capacity=None)
    Return memory without a file, as a MappedFile that can grow.
class MappedFile
    A complete binary file and a complete byte array.
class Residency
    Which pages of a map are in memory.
split(path, parts=None, *, size=None, boundary=b'\\n', record=None, ...)
    Cut a file into ranges of whole records, for threads and processes.
class FileRange
    One of them.
FASTA, FASTQ
    Boundaries of records.
fault_guard(), set_fault_guard(on), renew_fault_guard()
    The guard that turns missing bytes into a MapFaultError.
the system's further constants: MAP_*, PROT_*, MADV_*, MS_*
"""

from . import _mapped_file as _mapped_file
from ._faults import MapFaultError as MapFaultError
from ._faults import connect as _connect
from ._firmmap import *
from ._firmmap import __version__ as __version__
from ._split import FASTA as FASTA
from ._split import FASTQ as FASTQ
from ._split import FileRange as FileRange
from ._split import split as split
from ._star import names as _names

_connect()

# No name is left to a __getattr__ of the module: CPython up to 3.13 looks up every name of a module that has one
# three times slower.
__all__ = _names(globals())
