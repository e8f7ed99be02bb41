"""Threads map, read, search, write, resize and drop, while another process truncates the files.

    FIRMMAP_STRESS_FAULTS=100000 python stress_faults.py

It ends when that many faults were survived (2,000 without the variable), and fails if a byte was
returned that was not in the file, or if an area of memory or a descriptor is left over.

Every byte of a file is a function of its place, and none is zero. Two kinds of files:

- strict: they only get longer by being written, page by page. Nobody can ever see a zero in them.
- holey: they are made longer without being written, by the other process or by resizing a map, and
  are written later. They really hold zeros in between: so a byte is the right one or zero.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

firmmap: Any = importlib.import_module("firmmap")
MapFaultError: Any = firmmap.MapFaultError

PAGE: int = firmmap.PAGESIZE
PAGES = 24
LENGTH = PAGES * PAGE
THREADS = 4
CONTENT = b"".join(b"%012d\n" % line for line in range(LENGTH // 13 + 1))[:LENGTH]
MISSING = b"\xff\xfe"
STRICT, HOLEY = ("strict-0", "strict-1"), ("holey-0", "holey-1")


def truncate(directory: Path) -> None:
    """The other process: takes the ends of the files away and gives them back, for ever."""
    chance = random.Random(5)
    files = {name: os.open(directory / name, os.O_RDWR) for name in STRICT + HOLEY}
    parent = os.getppid()
    while os.getppid() == parent:
        name = chance.choice(STRICT + HOLEY)
        fd = files[name]
        if name in HOLEY:
            os.ftruncate(fd, chance.randrange(LENGTH))
            time.sleep(chance.choice((0, 0, 0.0005)))
            os.ftruncate(fd, LENGTH)
            time.sleep(chance.choice((0, 0, 0.0005)))
        else:
            os.ftruncate(fd, chance.randrange(PAGES) * PAGE)
            time.sleep(chance.choice((0, 0, 0.0005)))
        # What was not taken away is written again too: with the bytes that it has.
        for place in range(0, LENGTH, PAGE):
            os.pwrite(fd, CONTENT[place : place + PAGE], place)


class WrongByte(Exception):
    """What must not happen."""


class Worker:
    """One thread: its maps, what it has seen, and what it has done."""

    def __init__(self, directory: Path, number: int) -> None:
        self.directory = directory
        self.chance = random.Random(number)
        self.faults = 0
        self.verified = 0
        self.done: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self.run, name=f"worker-{number}")

    def run(self) -> None:
        while not ENDS.is_set():
            try:
                self.turns()
            except MapFaultError:
                # One that was raised from outside, between two operations.
                self.faults += 1
            except BaseException as error:
                self.failure = error
                ENDS.set()

    def turns(self) -> None:
        while not ENDS.is_set():
            name = self.chance.choice(STRICT + HOLEY)
            kind = self.chance.choice(("write", "write", "read", "copy", "untracked"))
            m = self.mapped(name, kind)
            if m is None:
                continue
            for _ in range(self.chance.randrange(1, 30)):
                operation = self.chance.choice(OPERATIONS)
                if kind == "read" and operation in WRITING:
                    continue
                if operation is Worker.resize and (name in STRICT or kind != "write"):
                    continue
                try:
                    operation(self, m, name in STRICT)
                    self.done[operation.__name__] += 1
                except MapFaultError:
                    self.faults += 1
            if self.chance.random() < 0.5:
                try:
                    m.close()
                except MapFaultError:
                    self.faults += 1
            # Else it is dropped here.
            m = None

    def mapped(self, name: str, kind: str) -> Any:
        options: dict[str, Any] = {
            "write": {},
            "read": {"access": firmmap.ACCESS_READ},
            "copy": {"access": firmmap.ACCESS_COPY},
            "untracked": {"trackfd": False},
        }[kind]
        base = self.chance.choice((0, 0, 3)) * PAGE
        fd = os.open(self.directory / name, os.O_RDWR)
        try:
            m = Mapped(fd, os.fstat(fd).st_size - base, offset=base, **options)
        except (ValueError, OverflowError):
            # There is nothing in the file at the moment, or less than a moment ago.
            return None
        finally:
            os.close(fd)
        if len(m) == 0:
            return None
        m.base = base
        return m

    # What is done. `start` counts from the map's start, `m.base` from the file's.

    def check(self, got: bytes, m: Any, start: int, strict: bool, step: int = 1) -> None:
        """Compares bytes with those of the place that they are from."""
        place = m.base + start
        stop = place + len(got) * step
        expected = CONTENT[place : stop if stop >= 0 else None : step]
        self.verified += len(got)
        if got == expected:
            return
        if strict or len(got) != len(expected):
            raise WrongByte(f"{m.base} + {start} step {step}: {got!r}")
        for index, (byte, right) in enumerate(zip(got, expected, strict=True)):
            if byte not in (0, right):
                raise WrongByte(f"{m.base} + {start} step {step}, the {index}th: {byte}")

    def place(self, m: Any) -> int:
        return self.chance.randrange(len(m))

    def index(self, m: Any, strict: bool) -> None:
        place = self.place(m)
        self.check(bytes([m[place]]), m, place, strict)

    def slice(self, m: Any, strict: bool) -> None:
        start = self.place(m)
        self.check(m[start : start + self.chance.choice((10, PAGE, LENGTH))], m, start, strict)

    def strided(self, m: Any, strict: bool) -> None:
        start, step = self.place(m), self.chance.choice((2, 7, PAGE, -1, -5, -PAGE))
        self.check(m[start::step], m, start, strict, step)

    def read(self, m: Any, strict: bool) -> None:
        start, count = self.place(m), self.chance.choice((5, 2 * PAGE, LENGTH))
        self.check(self.from_position(m, start, lambda: m.read(count)), m, start, strict)

    def readline(self, m: Any, strict: bool) -> None:
        start = self.place(m)
        got = self.from_position(m, start, m.readline)
        self.check(got, m, start, strict)
        line = CONTENT[m.base + start :].split(b"\n", 1)[0] + b"\n"
        if strict and got != line[: len(m) - start]:
            raise WrongByte(f"a line of {len(got)} bytes: {got!r}")

    def from_position(self, m: Any, start: int, work: Callable[[], bytes]) -> bytes:
        m.seek(start)
        try:
            got = work()
        except MapFaultError:
            if m.tell() != start:
                raise WrongByte(f"the position has moved from {start} to {m.tell()}") from None
            raise
        if m.tell() != start + len(got):
            raise WrongByte(f"the position has moved from {start} to {m.tell()}")
        return got

    def find(self, m: Any, strict: bool) -> None:
        place = self.place(m)
        needle = CONTENT[m.base + place : m.base + place + 30]
        if len(needle) < 30 or place + 30 > len(m):
            needle, place = MISSING, -1
        search = self.chance.choice((m.find, m.rfind))
        found = search(needle, 0)
        self.verified += len(m)
        if found != place and (strict or found != -1):
            raise WrongByte(f"found at {found} what is at {place}")

    def zeros(self, m: Any, strict: bool) -> None:
        if strict and m.find(b"\0", 0) != -1:
            raise WrongByte("a zero was found")

    def write(self, m: Any, strict: bool) -> None:
        start = self.place(m)
        data = CONTENT[m.base + start : m.base + min(len(m), start + 3 * PAGE)]
        m[start : start + len(data)] = data

    def store(self, m: Any, strict: bool) -> None:
        place = self.place(m)
        m[place] = CONTENT[m.base + place]

    def export(self, m: Any, strict: bool) -> None:
        start = self.place(m)
        with memoryview(m) as view:
            got = bytes(view[start:])
        # It is told by now, or there was no fault.
        self.check(got, m, start, strict)

    def sum(self, m: Any, strict: bool) -> None:
        total = zlib.crc32(m)
        # Of a fault without the GIL the next operation tells at the latest.
        m.flush()
        if strict and total != zlib.crc32(CONTENT[m.base : m.base + len(m)]):
            raise WrongByte("a wrong sum")

    def lost_write(self, m: Any, strict: bool) -> None:
        place = self.place(m)
        with memoryview(m) as view:
            view[place : place + 1] = CONTENT[m.base + place : m.base + place + 1]
        m.flush()

    def resize(self, m: Any, strict: bool) -> None:
        m.resize(self.chance.randrange(1, LENGTH - m.base + 1))

    def flush(self, m: Any, strict: bool) -> None:
        m.flush()


class Mapped(firmmap.mmap):  # type: ignore[misc]
    """A map that knows where in its file it starts."""

    base: int


WRITING = (Worker.write, Worker.store, Worker.lost_write)
OPERATIONS = (
    Worker.index,
    Worker.index,
    Worker.slice,
    Worker.slice,
    Worker.strided,
    Worker.read,
    Worker.readline,
    Worker.find,
    Worker.zeros,
    Worker.write,
    Worker.store,
    Worker.export,
    Worker.sum,
    Worker.lost_write,
    Worker.resize,
    Worker.flush,
)
ENDS = threading.Event()


def areas(directory: Path) -> int:
    """Areas of memory that are of our files."""
    return Path("/proc/self/maps").read_text().count(str(directory))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def unraisable(what: sys.UnraisableHookArgs) -> None:
    """A map was dropped with a fault that nobody was told of."""
    if not isinstance(what.exc_value, MapFaultError):
        sys.__unraisablehook__(what)
    LATE.append(1)


LATE: list[int] = []


def stress(target: int, directory: Path) -> dict[str, Any]:
    """Goes on until that many faults were survived. Says how it was."""
    for name in STRICT + HOLEY:
        (directory / name).write_bytes(CONTENT)
    before = descriptors()
    other = subprocess.Popen([sys.executable, __file__, "--truncate", str(directory)])
    workers = [Worker(directory, number) for number in range(THREADS)]
    begin = time.monotonic()
    told = 0
    sys.unraisablehook = unraisable
    for worker in workers:
        worker.thread.start()
    while any(worker.thread.is_alive() for worker in workers):
        try:
            if sum(worker.faults for worker in workers) + told + len(LATE) >= target:
                ENDS.set()
            if other.poll() is not None:
                raise SystemExit("the other process has ended")
            time.sleep(0.01)
        except MapFaultError:
            # For a thread that was elsewhere already.
            told += 1
    seconds = time.monotonic() - begin
    other.kill()
    other.wait()
    for worker in workers:
        if worker.failure is not None:
            raise worker.failure
    gc.collect()
    done: Counter[str] = Counter()
    for worker in workers:
        done += worker.done
    result = {
        "faults": sum(worker.faults for worker in workers) + told + len(LATE),
        "told in the main thread": told,
        "told when dropped": len(LATE),
        "operations that succeeded": sum(done.values()),
        "kinds of operations": len(done),
        "bytes verified": sum(worker.verified for worker in workers),
        "seconds": round(seconds, 1),
        "areas left": areas(directory),
        "descriptors left": descriptors() - before,
    }
    print(json.dumps(result, indent=1))
    if result["areas left"] or result["descriptors left"]:
        raise SystemExit("something was left behind")
    if len(done) < len(set(OPERATIONS)):
        raise SystemExit("some operations have never succeeded")
    return result


def main() -> None:
    if sys.argv[1:2] == ["--truncate"]:
        truncate(Path(sys.argv[2]))
        return
    target = int(os.environ.get("FIRMMAP_STRESS_FAULTS", "2000"))
    # On ext4 some kernels show zeros for a file that is truncated and written again at once (docs/faults.md).
    steady = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="firmmap-stress-", dir=steady) as directory:
        stress(target, Path(directory))


if __name__ == "__main__":
    main()
