"""Faults after which Python code is called where CPython clears exceptions: by warnings, by files that are freed.

    python cleared_faults.py

Each is tried in the main thread and in another one. Prints a line for each of which nobody is told.
"""

from __future__ import annotations

import _thread
import bz2
import gzip
import io
import logging
import lzma
import os
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from typing import Any

import firmmap

PAGE = firmmap.PAGESIZE
FOLDER = tempfile.mkdtemp()
told: list[str] = []


class Closing(io.RawIOBase):
    def close(self) -> None:
        super().close()


class Property(io.RawIOBase):
    @property
    def closed(self) -> bool:
        return False


async def never_awaited() -> None:
    pass


def compressed(opener: Callable[..., Any]) -> Callable[[], object]:
    path = os.path.join(FOLDER, "compressed")

    def make() -> object:
        opener(path, "wb").close()
        return opener(path)

    return make


def made_file() -> object:
    one, other = socket.socketpair()
    other.close()
    file = one.makefile("rb")
    one.close()
    return file


def started_scan() -> object:
    entries = os.scandir("/")
    next(entries)
    return entries


# What is freed after the access.
FREED: dict[str, Callable[[], object]] = {
    "open": lambda: open(os.devnull),  # noqa: SIM115
    "socket": socket.socket,
    "temporary file": tempfile.TemporaryFile,
    "scandir": started_scan,
    "gzip": compressed(gzip.open),
    "bz2": compressed(bz2.open),
    "lzma": compressed(lzma.open),
    "closes itself": Closing,
    "property": Property,
    "text": lambda: io.TextIOWrapper(Closing()),  # type: ignore[type-var]
    "makefile": made_file,
    "coroutine": never_awaited,
}


def show_through(_: Any, *more: Any, **names: Any) -> None:
    """A function of the program's in place of warnings.showwarning, which calls others."""
    str(list(map(repr, more)))


def by_logging() -> None:
    logging.captureWarnings(True)


def by_own() -> None:
    warnings.showwarning = show_through  # type: ignore[assignment]


def by_default() -> None:
    logging.captureWarnings(False)


def access(view: memoryview, make: Callable[[], object]) -> int:
    kept = make()
    assert kept is not None
    return view[2 * PAGE]


def attempt(make: Callable[[], object]) -> bool:
    """Whether somebody is told of a fault before something is freed."""
    path = os.path.join(FOLDER, f"file-{threading.get_ident()}")
    with open(path, "wb") as file:
        file.write(b"x" * 4 * PAGE)
    told.clear()
    with firmmap.open(path) as m, memoryview(m) as view:
        os.truncate(path, PAGE)
        try:
            access(view, make)
            for _ in range(9):
                (lambda: None)()
            m.flush()
        except firmmap.MapFaultError as error:
            told.append(type(error).__name__)
    return "MapFaultError" in told


def in_thread(work: Callable[[], bool]) -> bool:
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def write(path: str, done: Any) -> None:
    """The first function of a thread, with a name by which CPython calls one of a `sys.stderr`."""
    with firmmap.open(path) as m, memoryview(m) as view:
        os.truncate(path, PAGE)
        try:
            view[2 * PAGE]
            for _ in range(9):
                (lambda: None)()
        except firmmap.MapFaultError:
            told.append("raised")
    done.release()


def main() -> int:
    sys.unraisablehook = lambda unraisable: told.append(unraisable.exc_type.__name__)
    warnings.simplefilter("always")
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())
    lost = 0
    for way in (by_default, by_own, by_logging):
        way()
        for name, make in FREED.items():
            for where, run in (("main", lambda work: work()), ("other", in_thread)):
                if not run(lambda: attempt(make)):  # noqa: B023
                    lost += 1
                    print(f"{name}, {way.__name__}, {where} thread: {told}")
    by_default()

    path = os.path.join(FOLDER, "written")
    with open(path, "wb") as file:
        file.write(b"x" * 4 * PAGE)
    told.clear()
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(write, (path, done))
    done.acquire()
    if told != ["raised"]:
        lost += 1
        print(f"write: {told}")
    return min(lost, 1)


if __name__ == "__main__":
    sys.exit(main())
