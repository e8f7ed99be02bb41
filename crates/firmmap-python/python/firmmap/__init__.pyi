"""Types of the package: a memory-mapped file that behaves like a bytearray and like a file."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BufferedIOBase, RawIOBase
from types import TracebackType
from typing import Any, BinaryIO, Final, Literal, NoReturn, Self, SupportsIndex, TypeAlias, final, overload

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
    offset: int | None
    def __init__(self, offset: int | None = None, filename: str | bytes | None = None) -> None: ...

def fault_guard() -> bool: ...
def set_fault_guard(on: bool) -> None: ...
def renew_fault_guard() -> None: ...

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
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def find(
        self,
        view: ReadableBuffer,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int: ...
    def rfind(
        self,
        view: ReadableBuffer,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int: ...
    def flush(
        self,
        offset: SupportsIndex = 0,
        size: SupportsIndex | None = -1,
        /,
        *,
        flags: int = 0,
    ) -> None: ...
    if sys.platform != "win32":
        def madvise(
            self,
            option: int,
            start: SupportsIndex = 0,
            length: SupportsIndex | None = None,
            /,
        ) -> None: ...

    def move(self, dest: SupportsIndex, src: SupportsIndex, count: SupportsIndex, /) -> None: ...
    def read(self, n: SupportsIndex | None = None, /) -> bytes: ...
    def read_byte(self) -> int: ...
    def readline(self) -> bytes: ...
    def resize(self, newsize: SupportsIndex, /) -> None: ...
    def seek(self, pos: SupportsIndex, whence: int = 0, /) -> int: ...
    def seekable(self) -> bool: ...
    def set_name(self, name: str, /) -> None: ...
    def size(self) -> int: ...
    def tell(self) -> int: ...
    def write(self, bytes: ReadableBuffer, /) -> int: ...
    def write_byte(self, byte: int, /) -> None: ...
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
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
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
) -> MappedFile: ...
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
) -> MappedFile: ...
def anonymous(length: SupportsIndex, *, capacity: SupportsIndex | None = None) -> MappedFile: ...

# At run time it is registered with BufferedIOBase, and inherits nothing. RawIOBase is what the buffers of io take.
@disjoint_base
class MappedFile(RawIOBase, BufferedIOBase, BinaryIO):
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
    def anonymous(cls, length: SupportsIndex, *, capacity: SupportsIndex | None = None) -> Self: ...
    def __del__(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def name(self) -> Any: ...
    @name.setter
    def name(self, name: object, /) -> None: ...
    @property
    def mode(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def closefd(self) -> bool: ...
    @property
    def _blksize(self) -> int: ...
    def _dealloc_warn(self, source: object, /) -> None: ...
    # As a binary file.
    def close(self) -> None: ...
    def detach(self) -> NoReturn: ...
    def fileno(self) -> int: ...
    def isatty(self) -> bool: ...
    def readable(self) -> bool: ...
    def writable(self) -> bool: ...
    def seekable(self) -> bool: ...
    def read(self, size: SupportsIndex | None = -1, /) -> bytes: ...
    def readall(self) -> bytes: ...
    def read1(self, size: SupportsIndex | None = -1, /) -> bytes: ...
    def readinto(self, buffer: WriteableBuffer, /) -> int: ...
    def readinto1(self, buffer: WriteableBuffer, /) -> int: ...
    def readline(self, size: SupportsIndex | None = -1, /) -> bytes: ...
    def readlines(self, hint: SupportsIndex | None = -1, /) -> list[bytes]: ...
    def peek(self, size: SupportsIndex | None = 0, /) -> bytes: ...
    def seek(self, offset: SupportsIndex, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def write(self, data: ReadableBuffer, /) -> int: ...
    def writelines(self, lines: Iterable[ReadableBuffer], /) -> None: ...
    def truncate(self, size: SupportsIndex | None = None, /) -> int: ...
    def flush(
        self, start: SupportsIndex = 0, length: SupportsIndex | None = None, /, *, asynchronous: bool = False
    ) -> None: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> bytes: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...
    # As a byte array.
    def find(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int: ...
    def rfind(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int: ...
    def index(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int: ...
    def rindex(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int: ...
    def count(
        self,
        sub: ReadableBuffer | SupportsIndex,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int: ...
    def startswith(
        self,
        prefix: ReadableBuffer | tuple[ReadableBuffer, ...],
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> bool: ...
    def endswith(
        self,
        suffix: ReadableBuffer | tuple[ReadableBuffer, ...],
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> bool: ...
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
    ) -> Iterator[bytes]: ...
    @overload
    def lines(
        self,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        *,
        containing: _Needles | None = None,
        reverse: bool = False,
        numbered: Literal[True],
    ) -> Iterator[tuple[int, bytes]]: ...
    @overload
    def lines(
        self,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        *,
        containing: _Needles | None = None,
        reverse: bool = False,
        numbered: bool,
    ) -> Iterator[bytes] | Iterator[tuple[int, bytes]]: ...
    def find_all(
        self,
        sub: _Needles,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> Iterator[int]: ...
    # Pages, and the length of the file.
    def lock(self) -> None: ...
    def unlock(self) -> None: ...
    def prefetch(self, start: SupportsIndex = 0, length: SupportsIndex | None = None, /) -> None: ...
    def evict(self, start: SupportsIndex = 0, length: SupportsIndex | None = None, /) -> None: ...
    def protect(self, protection: int, /) -> None: ...
    def refresh(self) -> int: ...
    def residency(self, start: SupportsIndex = 0, length: SupportsIndex | None = None, /) -> Residency: ...
    # As the class mmap.
    if sys.platform != "win32":
        def madvise(
            self,
            option: int,
            start: SupportsIndex = 0,
            length: SupportsIndex | None = None,
            /,
        ) -> None: ...

    def move(self, dest: SupportsIndex, src: SupportsIndex, count: SupportsIndex, /) -> None: ...
    def read_byte(self) -> int: ...
    def resize(self, newsize: SupportsIndex, /) -> None: ...
    def size(self) -> int: ...
    def write_byte(self, byte: int, /) -> None: ...

@final
class Residency:
    @property
    def resident(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def page_size(self) -> int: ...
    @property
    def runs(self) -> list[range]: ...

FASTA: Final[re.Pattern[bytes]]
FASTQ: Final[re.Pattern[bytes]]

class FileRange:
    __match_args__ = ("path", "offset", "length", "stamp")
    def __init__(
        self, path: StrOrBytesPath, offset: SupportsIndex, length: SupportsIndex, stamp: tuple[int, int] | None = None
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
    def __len__(self) -> int: ...
    def open(self, mode: str = "r", **options: Any) -> MappedFile: ...
    def count(self, sub: ReadableBuffer | SupportsIndex) -> int: ...
    def find_all(self, sub: _Needles) -> Iterator[int]: ...
    def lines(self, **options: Any) -> Iterator[Any]: ...

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
) -> list[FileRange]: ...
