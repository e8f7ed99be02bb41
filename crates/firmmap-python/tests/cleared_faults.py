"""Faults after which Python code is called where CPython clears exceptions: by warnings, by files that are freed.

    python cleared_faults.py

Each is tried in the main thread and in another one. Prints a line for each of which nobody is told.
"""

from __future__ import annotations

import _thread
import bz2
import contextlib
import functools
import gzip
import http.client
import io
import logging
import lzma
import os
import socket
import sys
import tarfile
import tempfile
import threading
import unittest
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import firmmap

PAGE = firmmap.PAGESIZE
FOLDER = tempfile.mkdtemp()
told: list[str] = []


class Closing(io.RawIOBase):
    def close(self) -> None:
        super().close()


class Finishing(io.RawIOBase):
    def close(self) -> None:
        self.finish()
        with contextlib.suppress(KeyError):
            super().close()

    def finish(self) -> None:
        len([self])

    def readable(self) -> bool:
        return True


class Flushing(io.RawIOBase):
    def flush(self) -> None:
        len([self])
        super().flush()


class Written(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(bytes(data))


class Seeking(Written):
    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, distance: int, whence: int = 0) -> int:
        return max(distance, 0)


class Property(io.RawIOBase):
    @property
    def closed(self) -> bool:
        return False


class Asking(io.RawIOBase):
    @property
    def closed(self) -> bool:
        return self.is_closed()

    def is_closed(self) -> bool:
        return len([self]) > 1


class Output(io.StringIO):
    """In the place of `sys.stdout` and `sys.stderr`: `input()` calls its methods."""

    def write(self, text: str) -> int:
        return super().write("".join([text]))

    def flush(self) -> None:
        len([self])

    def fileno(self) -> int:
        raise io.UnsupportedOperation(str(self))


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


def written(kind: Callable[[Any], Any], raw: Callable[[], Any]) -> Callable[[], object]:
    def make() -> object:
        file = kind(raw())
        file.write("text" if isinstance(file, io.TextIOBase) else b"bytes")
        return file

    return make


def archived() -> object:
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        archive.writestr("name", "text")
        return archive.open("name")


def extracted() -> object:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("name"))
    memory.seek(0)
    return tarfile.open(fileobj=memory).extractfile("name")


def response() -> object:
    one, other = socket.socketpair()
    with one, other:
        other.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ntext")
        answer = http.client.HTTPResponse(one)
        answer.begin()
        return answer


class Module:
    """What takes the place of a module, to load its names when they are asked for."""

    def __getattr__(self, name: str) -> object:
        raise AttributeError(str([name]))


def started_scan() -> object:
    entries = os.scandir("/")
    next(entries)
    return entries


# What is freed after the access, or called by C code.
FREED: dict[str, Callable[[], object]] = {
    "open": lambda: open(os.devnull),  # noqa: SIM115
    "socket": socket.socket,
    "temporary file": tempfile.TemporaryFile,
    "scandir": started_scan,
    "gzip": compressed(gzip.open),
    "bz2": compressed(bz2.open),
    "lzma": compressed(lzma.open),
    "closes itself": Closing,
    "closes itself in steps": Finishing,
    "flushes itself": Flushing,
    "property": Property,
    "property that asks": Asking,
    "text": lambda: io.TextIOWrapper(Closing()),  # type: ignore[type-var]
    "reader": lambda: io.BufferedReader(Finishing()),
    "writer": written(io.BufferedWriter, Written),
    "random": written(io.BufferedRandom, Seeking),
    "written text": written(io.TextIOWrapper, Written),
    "zip": archived,
    "tar": extracted,
    "http": response,
    "input": lambda: input,
    "import": lambda: functools.partial(__import__, "module_of_ours"),
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
    if callable(kept):
        byte = view[2 * PAGE]
        kept()
        return byte
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


@contextlib.contextmanager
def replaced() -> Iterator[None]:
    """The files of the program are its own, and not CPython's."""
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = io.StringIO("line\n" * 99), Output(), Output()
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


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


class Slow:
    """What has functions of such a name that take their time, and are called by the program."""

    def write(self, value: int, turns: int) -> int:
        for _ in range(turns):
            (lambda: None)()
        return value

    def step(self, value: int) -> int:
        return self.write(value, 10)


@contextlib.contextmanager
def cut_off(name: str, pages: int) -> Iterator[memoryview]:
    """A view of a map whose file has only its first page by now."""
    path = os.path.join(FOLDER, name)
    with open(path, "wb") as file:
        file.write(b"x" * pages * PAGE)
    with firmmap.open(path) as m, memoryview(m) as view:
        os.truncate(path, PAGE)
        yield view


def attempt_slow(use: Callable[[memoryview], object]) -> bool:
    """Whether the program is told of a fault before a function that it calls, whatever that takes."""
    with cut_off("slow", 400) as view:
        try:
            use(view)
            for _ in range(9):
                (lambda: None)()
        except firmmap.MapFaultError:
            return True
    return False


def attempt_taken_back() -> bool:
    """Whether nobody is told a second time of a fault whose exception was caught, as unittest does."""
    told.clear()
    with cut_off("caught", 4) as view:
        case = unittest.TestCase()
        with case.assertRaises(firmmap.MapFaultError):
            view[2 * PAGE]
            for _ in range(9):
                (lambda: None)()
        try:
            view[3 * PAGE]
            for _ in range(9):
                (lambda: None)()
        except firmmap.MapFaultError as error:
            error.__traceback__ = None
    return told == []


def attempt_with_context() -> bool:
    """Whether the exception that was being handled is the context of that of a fault."""
    with cut_off("context", 4) as view:
        try:
            try:
                raise KeyError("context")
            finally:
                view[2 * PAGE]
                for _ in range(9):
                    (lambda: None)()
        except firmmap.MapFaultError as error:
            return isinstance(error.__context__, KeyError)
    return False


def main() -> int:
    sys.unraisablehook = lambda unraisable: told.append(unraisable.exc_type.__name__)
    warnings.simplefilter("always")
    sys.modules["module_of_ours"] = Module()  # type: ignore[assignment]
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())
    lost = 0
    for way in (by_default, by_own, by_logging):
        way()
        for name, make in FREED.items():
            for where, run in (("main", lambda work: work()), ("other", in_thread)):
                with replaced() if name == "input" else contextlib.nullcontext():
                    is_told = run(lambda: attempt(make))  # noqa: B023
                if not is_told:
                    lost += 1
                    print(f"{name}, {way.__name__}, {where} thread: {told}")
    by_default()
    for turns in (0, 10, 100, 10_000, 100_000):
        if not attempt_slow(lambda view: Slow().write(view[2 * PAGE], turns)):  # noqa: B023
            lost += 1
            print(f"a function that takes {turns} turns")
    if not attempt_slow(lambda view: sum(map(Slow().step, view[PAGE:]))):
        lost += 1
        print("a function that is called for each byte")
    for where, run in (("main", lambda work: work()), ("other", in_thread)):
        if not run(attempt_with_context):
            lost += 1
            print(f"the context, {where} thread")
        if not run(attempt_taken_back):
            lost += 1
            print(f"caught, {where} thread: {told}")

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
