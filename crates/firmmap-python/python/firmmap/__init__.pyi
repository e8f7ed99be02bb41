r"""Memory-mapped files that behave like byte arrays and like files.

open() maps a file. What it returns, a MappedFile, is a complete binary file and
a complete byte array, and grows when it is written to:

    >>> import firmmap
    >>> with firmmap.open("log.txt", "w+") as m:
    ...     m.writelines([b"all well\n", b"ERROR: no paper\n"])
    ...     m[9:14] = b"fixed"
    ...     m.find(b"paper"), list(m.lines())
    (19, [b'all well\n', b'fixed: no paper\n'])

mmap is the standard library's class. ``import firmmap as mmap`` replaces the
module, and ``from firmmap import *`` replaces ``from mmap import *``: it gives
the same names, and MapFaultError.

    >>> import firmmap as mmap
    >>> with open("log.txt", "r+b") as file:
    ...     with mmap.mmap(file.fileno(), 0) as m:
    ...         m.readline(), m.find(b"fixed"), len(m)
    (b'all well\n', 9, 25)

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
split(path, parts=None, *, size=None, boundary=b'\n', record=None, ...)
    Cut a file into ranges of whole records, for threads and processes.
class FileRange
    One of them.
FASTA, FASTQ
    Boundaries of records.
fault_guard(), set_fault_guard(on), renew_fault_guard()
    The guard that turns missing bytes into a MapFaultError.
the system's further constants: MAP_*, PROT_*, MADV_*, MS_*
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BufferedIOBase, RawIOBase
from types import TracebackType
from typing import (
    Any,
    BinaryIO,
    Final,
    Literal,
    NoReturn,
    Self,
    SupportsIndex,
    TypeAlias,
    final,
    overload,
    type_check_only,
)

from _typeshed import FileDescriptorOrPath, ReadableBuffer, StrOrBytesPath, WriteableBuffer
from typing_extensions import disjoint_base

# What the standard module has, and MapFaultError.
__all__ = [
    "ACCESS_COPY",
    "ACCESS_DEFAULT",
    "ACCESS_READ",
    "ACCESS_WRITE",
    "ALLOCATIONGRANULARITY",
    "PAGESIZE",
    "MapFaultError",
    "error",
    "mmap",
]
if sys.platform != "win32":
    __all__ += [
        "MADV_DONTNEED",
        "MADV_FREE",
        "MADV_NORMAL",
        "MADV_RANDOM",
        "MADV_SEQUENTIAL",
        "MADV_WILLNEED",
        "MAP_ANON",
        "MAP_ANONYMOUS",
        "MAP_PRIVATE",
        "MAP_SHARED",
        "PROT_EXEC",
        "PROT_READ",
        "PROT_WRITE",
    ]
if sys.platform == "linux":
    __all__ += [
        "MADV_DODUMP",
        "MADV_DOFORK",
        "MADV_DONTDUMP",
        "MADV_DONTFORK",
        "MADV_HUGEPAGE",
        "MADV_HWPOISON",
        "MADV_MERGEABLE",
        "MADV_NOHUGEPAGE",
        "MADV_REMOVE",
        "MADV_UNMERGEABLE",
        "MAP_DENYWRITE",
        "MAP_EXECUTABLE",
        "MAP_POPULATE",
        "MAP_STACK",
    ]
if sys.version_info >= (3, 13) and sys.platform == "linux":
    __all__ += ["MAP_32BIT", "MAP_NORESERVE"]
if sys.platform == "darwin":
    __all__ += ["MADV_FREE_REUSABLE", "MADV_FREE_REUSE"]
if sys.version_info >= (3, 13) and sys.platform == "darwin":
    __all__ += [
        "MAP_32BIT",
        "MAP_HASSEMAPHORE",
        "MAP_JIT",
        "MAP_NOCACHE",
        "MAP_NOEXTEND",
        "MAP_NORESERVE",
        "MAP_RESILIENT_CODESIGN",
        "MAP_RESILIENT_MEDIA",
        "MAP_TPRO",
        "MAP_TRANSLATED_ALLOW_EXECUTE",
        "MAP_UNIX03",
    ]
if sys.version_info >= (3, 15) and sys.platform != "win32":
    __all__ += ["MS_ASYNC", "MS_INVALIDATE", "MS_SYNC"]

__version__: Final[str]

error = OSError

class MapFaultError(OSError):
    """Bytes of a map could not be read or written.

    Its file was truncated, or its disk failed or is full. errno is EIO; offset is the index
    in the map. Once the file is whole again, the map works again.
    """

    offset: int | None
    def __init__(self, offset: int | None = None, filename: str | bytes | None = None) -> None: ...

def fault_guard() -> bool:
    """Return whether the guard against faults is on."""

def set_fault_guard(on: bool) -> None:
    """Switch the guard against faults on or off for the process.

    It is on unless the environment has FIRMMAP_FAULT_GUARD=0. Without it, touching
    the missing bytes of a truncated file ends the process. Maps that are created
    while it is off stay unguarded.
    """

def renew_fault_guard() -> None:
    """Make the guard the first handler of its signal (SIGBUS) again.

    faulthandler.enable(), faulthandler.disable() and signal.signal() do this by themselves once the package
    is imported, new maps every few milliseconds.
    """

ACCESS_DEFAULT: Final[int]
ACCESS_READ: Final[int]
ACCESS_WRITE: Final[int]
ACCESS_COPY: Final[int]
PAGESIZE: Final[int]
ALLOCATIONGRANULARITY: Final[int]

MS_ASYNC: Final[int]
MS_INVALIDATE: Final[int]
MS_SYNC: Final[int]

if sys.platform != "win32":
    PROT_NONE: Final[int]
    PROT_READ: Final[int]
    PROT_WRITE: Final[int]
    PROT_EXEC: Final[int]
    MAP_SHARED: Final[int]
    MAP_PRIVATE: Final[int]
    MAP_FILE: Final[int]
    MAP_FIXED: Final[int]
    MAP_ANON: Final[int]
    MAP_ANONYMOUS: Final[int]
    MADV_NORMAL: Final[int]
    MADV_RANDOM: Final[int]
    MADV_SEQUENTIAL: Final[int]
    MADV_WILLNEED: Final[int]
    MADV_DONTNEED: Final[int]
    MADV_FREE: Final[int]

if sys.platform == "linux":
    PROT_GROWSDOWN: Final[int]
    PROT_GROWSUP: Final[int]
    PROT_SEM: Final[int]
    MAP_SHARED_VALIDATE: Final[int]
    MAP_TYPE: Final[int]
    MAP_FIXED_NOREPLACE: Final[int]
    MAP_NORESERVE: Final[int]
    MAP_DROPPABLE: Final[int]
    MAP_UNINITIALIZED: Final[int]
    MAP_GROWSDOWN: Final[int]
    MAP_DENYWRITE: Final[int]
    MAP_EXECUTABLE: Final[int]
    MAP_LOCKED: Final[int]
    MAP_POPULATE: Final[int]
    MAP_NONBLOCK: Final[int]
    MAP_STACK: Final[int]
    MAP_HUGETLB: Final[int]
    MAP_SYNC: Final[int]
    MAP_HUGE_SHIFT: Final[int]
    MAP_HUGE_MASK: Final[int]
    MAP_HUGE_16KB: Final[int]
    MAP_HUGE_64KB: Final[int]
    MAP_HUGE_512KB: Final[int]
    MAP_HUGE_1MB: Final[int]
    MAP_HUGE_2MB: Final[int]
    MAP_HUGE_8MB: Final[int]
    MAP_HUGE_16MB: Final[int]
    MAP_HUGE_32MB: Final[int]
    MAP_HUGE_256MB: Final[int]
    MAP_HUGE_512MB: Final[int]
    MAP_HUGE_1GB: Final[int]
    MAP_HUGE_2GB: Final[int]
    MAP_HUGE_16GB: Final[int]
    MADV_REMOVE: Final[int]
    MADV_DONTFORK: Final[int]
    MADV_DOFORK: Final[int]
    MADV_MERGEABLE: Final[int]
    MADV_UNMERGEABLE: Final[int]
    MADV_HUGEPAGE: Final[int]
    MADV_NOHUGEPAGE: Final[int]
    MADV_DONTDUMP: Final[int]
    MADV_DODUMP: Final[int]
    MADV_WIPEONFORK: Final[int]
    MADV_KEEPONFORK: Final[int]
    MADV_COLD: Final[int]
    MADV_PAGEOUT: Final[int]
    MADV_POPULATE_READ: Final[int]
    MADV_POPULATE_WRITE: Final[int]
    MADV_DONTNEED_LOCKED: Final[int]
    MADV_COLLAPSE: Final[int]
    MADV_HWPOISON: Final[int]
    MADV_SOFT_OFFLINE: Final[int]
    MADV_GUARD_INSTALL: Final[int]
    MADV_GUARD_REMOVE: Final[int]
    # Only where the processor is an x86. (On aarch64 there are PROT_BTI and PROT_MTE.)
    MAP_32BIT: Final[int]
    MAP_ABOVE4G: Final[int]

if sys.platform == "darwin":
    MAP_COPY: Final[int]
    MAP_RENAME: Final[int]
    MAP_NORESERVE: Final[int]
    MAP_NOEXTEND: Final[int]
    MAP_RESILIENT_CODESIGN: Final[int]
    MAP_RESILIENT_MEDIA: Final[int]
    MAP_32BIT: Final[int]
    MAP_TRANSLATED_ALLOW_EXECUTE: Final[int]
    MAP_UNIX03: Final[int]
    MAP_TPRO: Final[int]
    MADV_PAGEOUT: Final[int]
    MADV_ZERO: Final[int]
    MAP_HASSEMAPHORE: Final[int]
    MAP_NOCACHE: Final[int]
    MAP_JIT: Final[int]
    MADV_ZERO_WIRED_PAGES: Final[int]
    MADV_FREE_REUSABLE: Final[int]
    MADV_FREE_REUSE: Final[int]
    MADV_CAN_REUSE: Final[int]
    MS_KILLPAGES: Final[int]
    MS_DEACTIVATE: Final[int]

@disjoint_base
class mmap:
    """A mapped file, or mapped memory, that behaves like a bytearray and like a file.

    fileno is a file descriptor, which stays the caller's: the map keeps a
    duplicate, unless trackfd is false; then size() and resize() fail. With -1 the
    map is zeroed memory without a file.

    length is in bytes; 0 maps to the end of the file. offset is where the map
    starts in the file, a multiple of ALLOCATIONGRANULARITY.

    access is ACCESS_READ, ACCESS_WRITE (changes go to the file), ACCESS_COPY
    (changes stay in memory) or ACCESS_DEFAULT: then flags and prot decide, as the
    arguments of mmap(2).

    ValueError: the file is empty or shorter than offset + length, or the arguments
    contradict each other. OverflowError: a negative length or offset. OSError: the
    system refused.
    """

    if sys.platform == "win32":
        def __new__(
            cls,
            fileno: int,
            length: int,
            tagname: str | None = None,
            access: int = ...,
            offset: int = 0,
            *,
            trackfd: bool = True,
        ) -> Self: ...
    else:
        def __new__(
            cls,
            fileno: int,
            length: int,
            flags: int = ...,
            prot: int = ...,
            access: int = ...,
            offset: int = 0,
            *,
            trackfd: bool = True,
        ) -> Self: ...

    @property
    def closed(self) -> bool:
        """Whether the map was closed."""
    def close(self) -> None:
        """Unmap the memory. Every later use raises ValueError; closing twice is fine.

        BufferError while views of the map exist (memoryview, numpy arrays); nothing
        changes then.
        """
    def find(
        self,
        view: ReadableBuffer,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        """Return the lowest index in [start:end] at which the bytes of view begin, or -1.

        start defaults to the position, end to the end of the map; negative bounds count
        from the end. Other threads run during searches of more than 64 KiB.
        """
    def rfind(
        self,
        view: ReadableBuffer,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        """Return the highest index in [start:end] at which the bytes of view begin, or -1.

        start defaults to the position, end to the end of the map; negative bounds count
        from the end. Other threads run during searches of more than 64 KiB.
        """
    def flush(
        self,
        offset: SupportsIndex = 0,
        size: SupportsIndex | None = -1,
        /,
        *,
        flags: int = 0,
    ) -> None:
        """Write changes back to the file: all of them, or size bytes from offset on.

        offset is a multiple of PAGESIZE; with a size of -1 or None the range reaches to
        the end. flags is MS_SYNC (return when the disk has them; 0 means this too) or
        MS_ASYNC, and MS_INVALIDATE. Does nothing on read-only and copy-on-write maps.
        OSError if the disk fails.
        """
    if sys.platform != "win32":
        def madvise(
            self,
            option: int,
            start: SupportsIndex = 0,
            length: SupportsIndex | None = None,
            /,
        ) -> None:
            """Advise the system how length bytes from start on will be used: madvise(2).

            option is one of the MADV_* constants, start a multiple of PAGESIZE; without a
            length the range reaches to the end.
            """

    def move(self, dest: SupportsIndex, src: SupportsIndex, count: SupportsIndex, /) -> None:
        """Copy count bytes from index src to index dest; the two may overlap."""
    def read(self, n: SupportsIndex | None = None, /) -> bytes:
        """Return up to n bytes from the position on, and move the position past them.

        Without n, or if it is None or negative, return all bytes to the end.
        """
    def read_byte(self) -> int:
        """Return the byte at the position as an int, and move the position by one.

        ValueError at the end of the map.
        """
    def readline(self) -> bytes:
        """Return the bytes from the position through the next newline, or to the end."""
    def resize(self, newsize: SupportsIndex, /) -> None:
        """Change the length of the map and of its file to newsize bytes.

        TypeError on read-only and copy-on-write maps; BufferError while views of the
        map exist; ValueError for a map without its descriptor, and for shared memory
        without a file that would have to grow; OSError if the system refuses.
        Waits for searches and copies in other threads.
        """
    def seek(self, pos: SupportsIndex, whence: int = 0, /) -> int:
        """Set the position, and return it: relative to the start (whence 0 or os.SEEK_SET),
        the position (1, os.SEEK_CUR) or the end (2, os.SEEK_END).

        ValueError outside of the map.
        """
    def seekable(self) -> bool:
        """Return True."""
    def set_name(self, name: str, /) -> None:
        """Name memory without a file, for /proc/PID/maps: it shows firmmap:NAME there.

        At most 66 bytes. ValueError for a longer name and for a map of a file; OSError
        where the system has no names (Linux before 5.17, other systems).
        """
    def size(self) -> int:
        """Return the present length of the file, which can be more than is mapped.

        For memory without a file, the length of the map.
        """
    def tell(self) -> int:
        """Return the position."""
    def write(self, bytes: ReadableBuffer, /) -> int:
        """Write all bytes at the position, move it past them, and return their number.

        ValueError if they do not fit: nothing is written then. TypeError on a
        read-only map.
        """
    def write_byte(self, byte: int, /) -> None:
        """Write one byte, an int, at the position, and move the position by one.

        ValueError at the end of the map. TypeError on a read-only map.
        """
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    @overload
    def __setitem__(self, key: SupportsIndex, value: SupportsIndex, /) -> None: ...
    @overload
    def __setitem__(self, key: slice, value: ReadableBuffer, /) -> None: ...
    def __delitem__(self, key: SupportsIndex | slice, /) -> NoReturn: ...
    # There is no such method: iteration goes by length and index, and gives bytes of length one.
    def __iter__(self) -> Iterator[bytes]: ...
    def __enter__(self) -> Self:
        """Return the map."""
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Close the map."""
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, buffer: memoryview, /) -> None: ...

# The modes of files that can read, in their usual spellings, and "c".
_Mode: TypeAlias = Literal[
    "r", "rb", "r+", "r+b", "rb+", "w+", "w+b", "wb+", "x+", "x+b", "xb+", "a+", "a+b", "ab+", "c"
]

# One needle, or several.
_Needles: TypeAlias = ReadableBuffer | SupportsIndex | Iterable[ReadableBuffer | SupportsIndex]

@overload
def open(
    path: FileDescriptorOrPath,
    mode: _Mode = "r",
    *,
    offset: SupportsIndex = 0,
    length: SupportsIndex | None = None,
    capacity: SupportsIndex | None = None,
    create: bool = False,
    sparse: bool = False,
    keep_file: bool = True,
    load: bool = False,
    closefd: bool | None = None,
    opener: Callable[[str, int], int] | None = None,
) -> MappedFile:
    """Map a file, and return a MappedFile: a complete binary file and byte array.

    path is a path, or a descriptor, which stays the caller's, unless closefd is
    true: then close() closes it too. mode is, as for files also with a 'b':

    'r'   read; the file must exist
    'r+'  read and write; the file must exist, unless create is true
    'w+'  read and write; the file is created, or truncated
    'x+'  read and write; the file is created, and must not exist
    'a+'  read and append; the file is created if it is missing, and every write
          goes to its end as it is then, whoever else appends
    'c'   read and change; changes stay in memory (copy-on-write)

    length bytes from offset on are mapped; without a length, to the end of the
    file, and then the map follows the file when other programs append. The offset
    need not be aligned, and the range may be empty. A range that reaches past the
    end is a ValueError in the modes 'r' and 'c'; in the others the file grows.

    Writing past the end, and truncate(), change the length of the file and of the
    map. capacity reserves addresses, not memory, for so many bytes: growth within
    it never moves the map, and works while memoryviews and numpy arrays of it
    exist. A capacity that the file has outgrown reserves nothing; one below a given
    length is a ValueError.

    Growing takes room on the disk, so that a full disk is an error then; with
    sparse=True it makes holes. keep_file=False keeps no descriptor: the map has no
    fileno(), does not grow, and does not follow its file. load=True reads the file
    into memory in place of mapping it, with mode 'r' or 'c': files of /proc, pipes.
    opener(path, flags) opens the file, as for open().

    An open that fails has changed no file and created none, but what an opener has
    created stays.
    """

@overload
def open(
    path: FileDescriptorOrPath,
    mode: str,
    *,
    offset: SupportsIndex = 0,
    length: SupportsIndex | None = None,
    capacity: SupportsIndex | None = None,
    create: bool = False,
    sparse: bool = False,
    keep_file: bool = True,
    load: bool = False,
    closefd: bool | None = None,
    opener: Callable[[str, int], int] | None = None,
) -> MappedFile:
    """Map a file, and return a MappedFile: a complete binary file and byte array.

    path is a path, or a descriptor, which stays the caller's, unless closefd is
    true: then close() closes it too. mode is, as for files also with a 'b':

    'r'   read; the file must exist
    'r+'  read and write; the file must exist, unless create is true
    'w+'  read and write; the file is created, or truncated
    'x+'  read and write; the file is created, and must not exist
    'a+'  read and append; the file is created if it is missing, and every write
          goes to its end as it is then, whoever else appends
    'c'   read and change; changes stay in memory (copy-on-write)

    length bytes from offset on are mapped; without a length, to the end of the
    file, and then the map follows the file when other programs append. The offset
    need not be aligned, and the range may be empty. A range that reaches past the
    end is a ValueError in the modes 'r' and 'c'; in the others the file grows.

    Writing past the end, and truncate(), change the length of the file and of the
    map. capacity reserves addresses, not memory, for so many bytes: growth within
    it never moves the map, and works while memoryviews and numpy arrays of it
    exist. A capacity that the file has outgrown reserves nothing; one below a given
    length is a ValueError.

    Growing takes room on the disk, so that a full disk is an error then; with
    sparse=True it makes holes. keep_file=False keeps no descriptor: the map has no
    fileno(), does not grow, and does not follow its file. load=True reads the file
    into memory in place of mapping it, with mode 'r' or 'c': files of /proc, pipes.
    opener(path, flags) opens the file, as for open().

    An open that fails has changed no file and created none, but what an opener has
    created stays.
    """

def anonymous(length: SupportsIndex, *, capacity: SupportsIndex | None = None) -> MappedFile:
    """Return zeroed memory without a file, as a MappedFile that can grow.

    Processes that are forked later share it. capacity reserves addresses for so
    many bytes: growth within it never moves the map, and works while views exist.
    If another process has extended it, refresh() takes that in.
    """

# At run time it is registered with BufferedIOBase, and inherits nothing. RawIOBase is what the buffers of io take.
@disjoint_base
class MappedFile(RawIOBase, BufferedIOBase, BinaryIO):
    """A memory-mapped file that is a complete binary file and a complete byte array.

    firmmap.open() returns one, with the same arguments; firmmap.anonymous() returns
    one of memory without a file. The methods of a file do what those of
    open(path, 'r+b') do, unbuffered; the methods of a byte array do what those of
    bytearray do. A search without a start begins at the first byte, not at the
    position. Iteration yields lines, from the position on; reversed() yields bytes,
    as m[i] does. A map is always true, even if it is empty; len() is the number of
    mapped bytes. Two maps are equal only if they are the same object.

    Opened without a length, the map ends where the file does: reading at the end,
    iteration, seek() from the end and writing past it see what other programs have
    appended. len(), slices and searches use the end that was found last.

    Missing bytes, because the file was truncated or its disk failed, raise
    MapFaultError.
    """

    @overload
    def __new__(
        cls,
        path: FileDescriptorOrPath,
        mode: _Mode = "r",
        *,
        offset: SupportsIndex = 0,
        length: SupportsIndex | None = None,
        capacity: SupportsIndex | None = None,
        create: bool = False,
        sparse: bool = False,
        keep_file: bool = True,
        load: bool = False,
        closefd: bool | None = None,
        opener: Callable[[str, int], int] | None = None,
    ) -> Self: ...
    @overload
    def __new__(
        cls,
        path: FileDescriptorOrPath,
        mode: str,
        *,
        offset: SupportsIndex = 0,
        length: SupportsIndex | None = None,
        capacity: SupportsIndex | None = None,
        create: bool = False,
        sparse: bool = False,
        keep_file: bool = True,
        load: bool = False,
        closefd: bool | None = None,
        opener: Callable[[str, int], int] | None = None,
    ) -> Self: ...
    @classmethod
    def anonymous(cls, length: SupportsIndex, *, capacity: SupportsIndex | None = None) -> Self:
        """As firmmap.anonymous(), for an instance of this class or subclass."""
    def __del__(self) -> None: ...
    @property
    def closed(self) -> bool:
        """Whether the map was closed."""
    @property
    def name(self) -> Any:
        """The path as it was given, the descriptor, or '<anonymous>'; or what it was set to."""
    @name.setter
    def name(self, name: object, /) -> None: ...
    @property
    def mode(self) -> str:
        """The mode as plain files of this interpreter have it: 'rb', 'rb+', 'xb+', 'ab+'."""
    @property
    def offset(self) -> int:
        """The offset of the first mapped byte in the file."""
    @property
    def capacity(self) -> int:
        """The length up to which the map can grow without moving.

        Growth within it works while views exist (memoryview, numpy arrays).
        """
    @property
    def closefd(self) -> bool:
        """Whether close() closes the descriptor that the map was made of."""
    @property
    def _blksize(self) -> int:
        """How much is read at a time by what buffers a raw file: io.DEFAULT_BUFFER_SIZE."""
    def _dealloc_warn(self, source: object, /) -> None:
        """Warn that source, a buffer or text file over this one, was not closed."""
    # As a binary file.
    def close(self) -> None:
        """Close the file. Every later use raises ValueError; closing twice is fine.

        Views of the map (memoryview, numpy arrays) stay as they are, guarded too; the
        memory and the descriptor go with the last of them. What was written is in the
        file; flush() brings it to the disk. MapFaultError for a write that was lost.
        """
    def detach(self) -> NoReturn:
        """Raise io.UnsupportedOperation: there is no raw file underneath."""
    def fileno(self) -> int:
        """Return the map's own descriptor of the file, whose position is set to the map's.

        From now on the two are one: what is read or written with the descriptor, by a
        child too, moves the position of the map, and takes in what was appended, unless
        the map ended before the file did. A descriptor of which the map was made has
        the same position. That is a system call for each use of the position.
        io.UnsupportedOperation for anonymous memory, and on Windows.
        """
    def isatty(self) -> bool:
        """Return False."""
    def readable(self) -> bool:
        """Return True."""
    def writable(self) -> bool:
        """Return whether the mode allows writing: all but 'r'."""
    def seekable(self) -> bool:
        """Return True."""
    def read(self, size: SupportsIndex | None = -1, /) -> bytes:
        """Return up to size bytes from the position on, and move the position past them.

        If size is None or negative, return all bytes to the end. b'' at the end.
        """
    def readall(self) -> bytes:
        """Return all bytes from the position on, as read() does."""
    def read1(self, size: SupportsIndex | None = -1, /) -> bytes:
        """Like read(): a map has all of its bytes in memory."""
    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a writable buffer, and return the number of bytes: 0 at the end."""
    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        """Like readinto()."""
    def readline(self, size: SupportsIndex | None = -1, /) -> bytes:
        """Return the bytes from the position through the next newline, or to the end.

        Return at most size bytes, unless size is None or negative.
        """
    def readlines(self, hint: SupportsIndex | None = -1, /) -> list[bytes]:
        """Return a list of the lines from the position on.

        If hint is positive, stop once the lines have that many bytes in total.
        """
    def peek(self, size: SupportsIndex | None = 0, /) -> bytes:
        """Return bytes from the position on without moving it.

        Up to size bytes, or 8192 if size is 0 or negative; fewer only at the end.
        """
    def seek(self, offset: SupportsIndex, whence: int = 0, /) -> int:
        """Set the position, and return it: relative to the start (whence 0 or
        os.SEEK_SET), the position (1, os.SEEK_CUR) or the end (2, os.SEEK_END); or to
        the next byte from offset on that the file has on its disk (os.SEEK_DATA), or
        that is in a hole (os.SEEK_HOLE).

        The end is the present end of the file, unless the map was opened with a length.
        The position may lie past it: reading returns b'' there, and writing fills the
        gap with zeros. OSError before the start.
        """
    def tell(self) -> int:
        """Return the position."""
    def write(self, data: ReadableBuffer, /) -> int:
        """Write all bytes at the position, move it past them, and return their number.

        Past the end, the file and the map grow; nothing has changed after an error:
        OSError with errno ENOSPC if the disk is full, BufferError if the map would have
        to move while views of it exist. io.UnsupportedOperation in mode 'r', and past
        the end in mode 'c'. With a descriptor that was opened with O_APPEND, every
        write goes to the end of the file, and moves the position there.
        """
    def writelines(self, lines: Iterable[ReadableBuffer], /) -> None:
        """Write all of the bytes objects; newlines are not added.

        Those of a list or a tuple are written in pieces of up to 256 KiB, those of
        anything else one by one: what runs in between finds them in the file.
        """
    def truncate(self, size: SupportsIndex | None = None, /) -> int:
        """Make the map size bytes long, and its file end there; return size.

        Without a size, the position is used. The position does not change. New bytes
        are zeros, with space allocated on the disk: OSError with errno ENOSPC if there
        is none. BufferError if the map would shrink, or have to move, while views of it
        exist. MapFaultError if somebody has cut off bytes that it would keep; refresh()
        takes that in.
        io.UnsupportedOperation in the modes 'r' and 'c'.
        """
    def flush(
        self, start: SupportsIndex = 0, length: SupportsIndex | None = None, /, *, asynchronous: bool = False
    ) -> None:
        """Write the changes to the disk: all of them, or those of length bytes from start.

        Return when they are there; if asynchronous is true, return at once. OSError if
        the disk fails. Other processes see changes without flush().
        """
    def __iter__(self) -> Self: ...
    def __next__(self) -> bytes: ...
    def __enter__(self) -> Self:
        """Return the map."""
    def __exit__(self, *args: object) -> None:
        """Close the map."""
    # As a byte array.
    def find(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        """Return the lowest index in [start:end] at which sub begins, or -1.

        sub is bytes-like, or an int in range(256). Without a start, the search begins
        at the first byte. Other threads run during searches of more than 64 KiB.
        """
    def rfind(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        """Return the highest index in [start:end] at which sub begins, or -1.

        Otherwise like find().
        """
    def index(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        """Like find(), but raise ValueError if sub is not found."""
    def rindex(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        """Like rfind(), but raise ValueError if sub is not found."""
    def count(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        """Return the number of non-overlapping occurrences of sub in [start:end].

        sub is bytes-like, or an int in range(256).
        """
    def startswith(
        self,
        prefix: ReadableBuffer | tuple[ReadableBuffer, ...],
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> bool:
        """Return whether [start:end] begins with prefix, or with one of a tuple of them."""
    def endswith(
        self,
        suffix: ReadableBuffer | tuple[ReadableBuffer, ...],
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> bool:
        """Return whether [start:end] ends with suffix, or with one of a tuple of them."""
    def __len__(self) -> int: ...
    def __bool__(self) -> Literal[True]: ...
    def __contains__(self, sub: ReadableBuffer | SupportsIndex, /) -> bool: ...
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    @overload
    def __setitem__(self, key: SupportsIndex, value: SupportsIndex, /) -> None: ...
    @overload
    def __setitem__(self, key: slice, value: ReadableBuffer, /) -> None: ...
    def __delitem__(self, key: SupportsIndex | slice, /) -> NoReturn: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, buffer: memoryview, /) -> None: ...
    # Over the map or a part of it.
    @overload
    def lines(
        self,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        *,
        containing: _Needles | None = None,
        reverse: bool = False,
        numbered: Literal[False] = False,
    ) -> Iterator[bytes]:
        """Return an iterator over the lines of [start:end], each with its newline.

        containing is bytes-like, an int in range(256), or an iterable of these: only
        lines with one of them are yielded, found by a search and cut out around the
        match, without a look at the others. If reverse is true, the last line comes
        first. If numbered is true, the items are tuples of a number and a line; the
        first line of the map has the number 1.

        The position does not change. Lines are read lazily, up to a page ahead; memory
        does not grow with the file. The last line is that of the file when it is
        reached, or when lines() is called for reverse, unless there is an end or the
        map was opened with a length. ValueError for a newline inside of what lines are
        to contain.
        """
    @overload
    def lines(
        self,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        *,
        containing: _Needles | None = None,
        reverse: bool = False,
        numbered: Literal[True],
    ) -> Iterator[tuple[int, bytes]]:
        """Return an iterator over the lines of [start:end], each with its newline.

        containing is bytes-like, an int in range(256), or an iterable of these: only
        lines with one of them are yielded, found by a search and cut out around the
        match, without a look at the others. If reverse is true, the last line comes
        first. If numbered is true, the items are tuples of a number and a line; the
        first line of the map has the number 1.

        The position does not change. Lines are read lazily, up to a page ahead; memory
        does not grow with the file. The last line is that of the file when it is
        reached, or when lines() is called for reverse, unless there is an end or the
        map was opened with a length. ValueError for a newline inside of what lines are
        to contain.
        """
    @overload
    def lines(
        self,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        *,
        containing: _Needles | None = None,
        reverse: bool = False,
        numbered: bool,
    ) -> Iterator[bytes] | Iterator[tuple[int, bytes]]:
        """Return an iterator over the lines of [start:end], each with its newline.

        containing is bytes-like, an int in range(256), or an iterable of these: only
        lines with one of them are yielded, found by a search and cut out around the
        match, without a look at the others. If reverse is true, the last line comes
        first. If numbered is true, the items are tuples of a number and a line; the
        first line of the map has the number 1.

        The position does not change. Lines are read lazily, up to a page ahead; memory
        does not grow with the file. The last line is that of the file when it is
        reached, or when lines() is called for reverse, unless there is an end or the
        map was opened with a length. ValueError for a newline inside of what lines are
        to contain.
        """
    def find_all(
        self,
        sub: _Needles,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> Iterator[int]:
        """Return an iterator over the indices in [start:end] at which sub begins.

        The occurrences are those that count() counts: they do not overlap. sub may be
        an iterable of several: of those that begin at the same byte, the longest
        counts. The search is lazy.
        """
    # Pages, and the length of the file.
    def lock(self) -> None:
        """Keep the present pages of the map in memory until unlock().

        Pages that are added later may not be locked, and a map that moves may lose its
        lock. OSError if that is more than the process may lock.
        """
    def unlock(self) -> None:
        """Undo lock()."""
    def prefetch(self, start: SupportsIndex = 0, length: SupportsIndex | None = None, /) -> None:
        """Read length bytes from start on into memory, ahead of their use.

        Without a length, read all to the end. Return when they are there, where the
        system supports that; other threads run meanwhile.
        """
    def evict(self, start: SupportsIndex = 0, length: SupportsIndex | None = None, /) -> None:
        """Take length bytes from start on, in whole pages, out of memory.

        Without a length, take all to the end. Changes are written to the disk first;
        the next use reads the pages from there again. Pages that another map of the
        file shows, here or in another process, stay, and all of a file system that is
        in memory (tmpfs). io.UnsupportedOperation for mode 'c', for memory without a
        file, and where the system cannot do it.
        """
    def protect(self, protection: int, /) -> None:
        """Change the protection of the pages: 0, or a sum of PROT_READ (1), PROT_WRITE (2)
        and PROT_EXEC (4).

        Operations that it does not allow are errors. BufferError while views of the map
        exist.
        """
    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Return the bytes as a DLPack capsule, which numpy makes.

        numpy.from_dlpack(m) and the like give an array of uint8 that shares the map's
        memory, and keeps it mapped and guarded, as any view. BufferError for what the
        consumer cannot take, such as a read-only map before DLPack 1.0.
        """
    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the device of the bytes for DLPack: (1, 0), the processor's memory."""
    def refresh(self) -> int:
        """Take in what others have appended or cut off, and return the new length.

        Operations at the end do so by themselves, unless the map was opened with a
        length. While views of the map exist: BufferError if it would have to move,
        MapFaultError if it would become shorter.
        """
    def residency(self, start: SupportsIndex = 0, length: SupportsIndex | None = None, /) -> Residency:
        """Return which pages of the range are in memory, as a Residency: counts and runs.

        repr() of it is one line of numbers, str() draws the range as a line of blocks.
        """
    # As the class mmap.
    if sys.platform != "win32":
        def madvise(
            self,
            option: int,
            start: SupportsIndex = 0,
            length: SupportsIndex | None = None,
            /,
        ) -> None:
            """Advise the system how length bytes from start on will be used: madvise(2).

            option is one of the MADV_* constants; without a length the range reaches to the
            end.
            """

    def move(self, dest: SupportsIndex, src: SupportsIndex, count: SupportsIndex, /) -> None:
        """Copy count bytes from index src to index dest; the two may overlap."""
    def read_byte(self) -> int:
        """Return the byte at the position as an int, and move the position by one.

        ValueError at the end of the map.
        """
    def resize(self, newsize: SupportsIndex, /) -> None:
        """Like truncate(newsize), but return None, as mmap.resize() does."""
    def size(self) -> int:
        """Return the present length of the file, which can differ from what is mapped.

        For anonymous memory, the length of the map.
        """
    def write_byte(self, byte: int, /) -> None:
        """Write one byte, an int, like write()."""

@final
class Residency:
    """Which pages of a range were in memory when MappedFile.residency() was called.

    repr() is one line of numbers, str() draws the range as a line of blocks.
    """

    @property
    def resident(self) -> int:
        """How many of the pages are in memory."""
    @property
    def total(self) -> int:
        """How many pages the range has."""
    @property
    def page_size(self) -> int:
        """The size of a page in bytes."""
    @property
    def runs(self) -> list[range]:
        """The bytes that are in memory: a list of ranges of indices in the map."""

@type_check_only
class _Boundary:
    def __call__(self, m: MappedFile, goal: int) -> int: ...
    # What the compiled pattern has.
    def __getattr__(self, name: str) -> Any: ...

FASTA: Final[_Boundary]
FASTQ: Final[_Boundary]

class FileRange:
    """A part of a file: a path and numbers, which pickle, and open wherever the path leads to the same file.

    stamp is the size and the time of modification that the file had when it was
    split, if open() is to refuse one that has changed since; otherwise None.
    """

    __match_args__ = ("path", "offset", "length", "stamp")
    def __init__(
        self,
        path: StrOrBytesPath,
        offset: SupportsIndex,
        length: SupportsIndex,
        stamp: Iterable[SupportsIndex] | None = None,
    ) -> None: ...
    @property
    def path(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def stamp(self) -> tuple[int, int] | None: ...
    def __setattr__(self, name: str, value: object) -> NoReturn: ...
    def __delattr__(self, name: str) -> NoReturn: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
    def __lt__(self, other: FileRange) -> bool: ...
    def __len__(self) -> int:
        """Return the number of bytes."""
    def open(self, mode: str = "r", **options: Any) -> MappedFile:
        """Map the range, and return a MappedFile, as firmmap.open() does.

        ValueError if the file is too short for the range, or has changed since it was
        split and the range has a stamp.
        """
    def count(self, sub: ReadableBuffer | SupportsIndex) -> int:
        """Return the number of occurrences of sub that do not overlap."""
    def find_all(self, sub: _Needles) -> Iterator[int]:
        """Yield the indices in the range at which sub begins, as MappedFile.find_all() does."""
    def lines(self, **options: Any) -> Iterator[Any]:
        """Yield the lines of the range, or those that MappedFile.lines() yields with the same options."""

def split(
    path: StrOrBytesPath,
    parts: SupportsIndex | None = None,
    *,
    size: SupportsIndex | None = None,
    boundary: ReadableBuffer | re.Pattern[bytes] | Callable[[MappedFile, int], SupportsIndex] = b"\n",
    record: SupportsIndex | None = None,
    offset: SupportsIndex = 0,
    length: SupportsIndex | None = None,
    check: bool = False,
) -> list[FileRange]:
    r"""Cut a file into ranges of whole records, and return them as a list of FileRange.

    There are at most so many parts, of about the same length; or as many as are
    needed for parts of about size bytes. Each record is in exactly one range, and
    no range is empty: an empty file has none, and a record that is longer than a
    part is not cut.

    boundary tells where records end:

    bytes       behind these bytes, such as a newline
    a pattern   where a match of the compiled pattern of bytes ends: FASTA, FASTQ,
                re.compile(rb'\n(?=\d{4}-)') for log records of several lines
    a callable  at boundary(m, goal): the first end of a record at the index goal or
                behind it in the MappedFile m, or len(m)

    record, in its place, is the length of records in bytes.

    Each cut is looked for at an even division of the file, and not from its
    beginning, so that splitting takes no time. So a boundary must be recognisable
    there: newlines inside the quotes of CSV look like those between its records.

    length bytes from offset on are split, or all to the end. If check is true, the
    ranges refuse to be opened once the file has changed.
    """
