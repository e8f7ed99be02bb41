"""C16: operations in a process whose C library has no memory left to give, however little is asked for.

python exhausted_heap.py OPERATION

Prints what the operation ended in: "ok", or the name of the exception's class.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import firmmap


def operations(path: Path) -> dict[str, Callable[[], object]]:
    file, memory, closed = firmmap.open(path, "r+"), firmmap.mmap(-1, 90_000), firmmap.mmap(-1, 5)
    closed.close()
    distant = firmmap.open("/" * 2000 + str(path))
    lines, matches = file.lines(), file.find_all(b"")
    needle, number = b"q" * 100, 10**40
    return {
        "find": lambda: (file.find(bytearray(b"zz")), memory.find(bytearray(b"zz"))),
        "find_all": lambda: file.find_all(needle),
        "readlines": file.readlines,
        "lines": file.lines,
        "resize": lambda: file.resize(200_000),
        "repr": lambda: (repr(file), repr(memory)),
        "repr of a long path": lambda: repr(distant),
        "next": lambda: next(file),
        "next of lines": lambda: next(lines),
        "next of find_all": lambda: next(matches),
        "residency": file.residency,
        "open": lambda: firmmap.open(path),
        "open of a missing file": lambda: firmmap.open("/nonexistent"),
        "a wrong mode": lambda: firmmap.open(path, "zz"),
        "a large length": lambda: firmmap.open(path, length=number),
        "a wrong index": lambda: file[10**6],
        "a closed map": closed.read,
        "a missing argument": lambda: memory.move(1),  # type: ignore[call-arg]
    }


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(b"ab\n" * 30_000)
        operation = operations(path)[name]
        library = ctypes.CDLL(None)
        library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        malloc = library.malloc
        used = int(Path("/proc/self/statm").read_text().split()[0]) * firmmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (used + 2_000_000, resource.RLIM_INFINITY))
        size = 1 << 20
        while size >= 16:
            if not malloc(size):
                size >>= 1
        try:
            operation()
            result = "ok"
        except Exception as error:
            result = type(error).__name__
        os.write(1, result.encode())
        # There is no memory for an orderly end.
        os.unlink(path)
        os.rmdir(folder)
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
