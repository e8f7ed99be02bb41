"""Types of the package: a memory-mapped file that behaves like a bytearray and like a file."""

import sys
from collections.abc import Iterator
from typing import Final, NoReturn, Self, SupportsIndex, overload

from _typeshed import ReadableBuffer
from typing_extensions import disjoint_base

__version__: Final[str]

error = OSError

class MapFaultError(OSError):
    offset: int | None
    def __init__(self, offset: int | None = None) -> None: ...

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
    MAP_NORESERVE: Final[int]
    MADV_NORMAL: Final[int]
    MADV_RANDOM: Final[int]
    MADV_SEQUENTIAL: Final[int]
    MADV_WILLNEED: Final[int]
    MADV_DONTNEED: Final[int]
    MADV_FREE: Final[int]

if sys.platform == "linux":
    PROT_GROWSDOWN: Final[int]
    PROT_GROWSUP: Final[int]
    MAP_SHARED_VALIDATE: Final[int]
    MAP_TYPE: Final[int]
    MAP_FIXED_NOREPLACE: Final[int]
    MAP_ANONYMOUS: Final[int]
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
    # Only where the processor is an x86.
    MAP_32BIT: Final[int]

if sys.platform == "darwin":
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
        sub: ReadableBuffer,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int: ...
    def rfind(
        self,
        sub: ReadableBuffer,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int: ...
    def flush(
        self,
        offset: SupportsIndex = 0,
        size: SupportsIndex | None = None,
        /,
        *,
        flags: int = ...,
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
    def __exit__(self, *args: object) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, buffer: memoryview, /) -> None: ...
