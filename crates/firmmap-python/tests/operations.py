"""Every operation of both classes, to be tried with arguments that run Python code, that fail, and without memory.

An operation takes the map, and what makes its arguments: of an integer, and of bytes.
"""

from __future__ import annotations

import importlib
import os
import pickle
from collections.abc import Callable
from typing import Any

# Without types: arguments of all kinds are what is tested.
firmmap: Any = importlib.import_module("firmmap")

LARGE = 9 << 18  # More than twice what is done without letting go of the GIL.

Number = Callable[[int], Any]
Bytes = Callable[[bytes], Any]
Operation = Callable[[Any, Number, Bytes], object]


def assign(m: Any, key: Any, value: Any) -> None:
    m[key] = value


# What both classes have.
COMMON: dict[str, Operation] = {
    "len": lambda m, n, b: len(m),
    "repr": lambda m, n, b: repr(m),
    "closed": lambda m, n, b: m.closed,
    "item": lambda m, n, b: m[n(5)],
    "item behind the end": lambda m, n, b: m[n(1 << 40)],
    "item that fits nowhere": lambda m, n, b: m[n(1 << 80)],
    "item of a float": lambda m, n, b: m[1.5],
    "slice": lambda m, n, b: m[n(3) : n(9)],
    "strided slice": lambda m, n, b: m[n(3) : n(90) : n(7)],
    "large slice": lambda m, n, b: m[n(1) : n(LARGE - 5)],
    "assign item": lambda m, n, b: assign(m, n(3), n(7)),
    "assign no byte": lambda m, n, b: assign(m, n(3), n(700)),
    "assign slice": lambda m, n, b: assign(m, slice(n(3), n(9)), b(b"sixsix")),
    "assign strided slice": lambda m, n, b: assign(m, slice(n(3), n(15), n(2)), b(b"sixsix")),
    "assign wrong size": lambda m, n, b: assign(m, slice(n(3), n(9)), b(b"seven")),
    "assign large slice": lambda m, n, b: assign(m, slice(n(0), n(2 << 20)), b(b"x" * (2 << 20))),
    "delete item": lambda m, n, b: m.__delitem__(n(3)),
    "find": lambda m, n, b: m.find(b(b"absent"), n(0)),
    "find within": lambda m, n, b: m.find(b(b"absent"), n(0), n(99)),
    "rfind": lambda m, n, b: m.rfind(b(b"absent"), n(0)),
    "find no bytes": lambda m, n, b: m.find(1.5, n(0)),
    "flush": lambda m, n, b: m.flush(n(0), n(4096)),
    "flush nowhere": lambda m, n, b: m.flush(n(1), n(1 << 40)),
    "flush with a wrong name": lambda m, n, b: m.flush(wrong=n(1)),
    "madvise": lambda m, n, b: m.madvise(n(0), n(0), n(4096)),
    "madvise nothing": lambda m, n, b: m.madvise(n(9999), n(0), n(4096)),
    "move": lambda m, n, b: m.move(n(0), n(100), n(50)),
    "move nowhere": lambda m, n, b: m.move(n(0), n(100), n(1 << 40)),
    "read": lambda m, n, b: (m.seek(0), m.read(n(100))),
    "read all": lambda m, n, b: (m.seek(0), m.read()),
    "read no number": lambda m, n, b: m.read("x"),
    "read_byte": lambda m, n, b: (m.seek(0), m.read_byte()),
    "read_byte at the end": lambda m, n, b: (m.seek(0, 2), m.read_byte()),
    "readline": lambda m, n, b: (m.seek(0), m.readline()),
    "resize": lambda m, n, b: m.resize(n(LARGE - 4096)),
    "resize to less than nothing": lambda m, n, b: m.resize(n(-1)),
    "seek": lambda m, n, b: m.seek(n(5), n(0)),
    "seek nowhere": lambda m, n, b: m.seek(n(-5), n(0)),
    "seek unknown": lambda m, n, b: m.seek(n(5), n(77)),
    "seekable": lambda m, n, b: m.seekable(),
    "size": lambda m, n, b: m.size(),
    "tell": lambda m, n, b: m.tell(),
    "write": lambda m, n, b: (m.seek(0), m.write(b(b"written"))),
    "write much": lambda m, n, b: (m.seek(0), m.write(b(b"x" * (2 << 20)))),
    "write no bytes": lambda m, n, b: m.write(1.5),
    "write_byte": lambda m, n, b: (m.seek(0), m.write_byte(n(7))),
    "write_byte no byte": lambda m, n, b: m.write_byte(n(700)),
    "too few arguments": lambda m, n, b: m.move(n(1)),
    "too many arguments": lambda m, n, b: m.tell(n(1)),
    "with": lambda m, n, b: m.__enter__(),
    "in": lambda m, n, b: b(b"a") in m if isinstance(m, firmmap.MappedFile) else 7 in [m[0]],
    "memoryview": lambda m, n, b: memoryview(m).release(),
}
if not hasattr(firmmap.mmap, "madvise"):
    COMMON = {name: operation for name, operation in COMMON.items() if not name.startswith("madvise")}

MMAP: dict[str, Operation] = {
    **COMMON,
    "iterate": lambda m, n, b: [one for one, _ in zip(m, range(3), strict=False)],
    "sequence index behind the end": lambda m, n, b: list(zip(range(LARGE), m[:0], strict=False)),
    "write behind the end": lambda m, n, b: (m.seek(0, 2), m.write(b(b"x"))),
    "set_name": lambda m, n, b: m.set_name("name"),
    "set_name too long": lambda m, n, b: m.set_name("name" * 100),
    "set_name no string": lambda m, n, b: m.set_name(b"name"),
    "new": lambda m, n, b: firmmap.mmap(n(-1), n(4096)).close(),
    "new by name": lambda m, n, b: firmmap.mmap(-1, n(4096), access=n(firmmap.ACCESS_WRITE)).close(),
    "new of nothing": lambda m, n, b: firmmap.mmap(n(-1), n(0)),
    "new of less": lambda m, n, b: firmmap.mmap(n(-1), n(-5)),
    "new of a wrong descriptor": lambda m, n, b: firmmap.mmap(n(9999), n(10)),
    "new with a wrong name": lambda m, n, b: firmmap.mmap(n(-1), n(10), wrong=n(1)),
    "new with a wrong access": lambda m, n, b: firmmap.mmap(n(-1), n(10), access=n(77)),
    "new that fits nowhere": lambda m, n, b: firmmap.mmap(n(-1), n(1 << 80)),
}

FILE: dict[str, Operation] = {
    **COMMON,
    "name": lambda m, n, b: m.name,
    "mode": lambda m, n, b: m.mode,
    "offset": lambda m, n, b: m.offset,
    "capacity": lambda m, n, b: m.capacity,
    "truth": lambda m, n, b: bool(m),
    "detach": lambda m, n, b: m.detach(),
    "fileno": lambda m, n, b: m.fileno(),
    "isatty": lambda m, n, b: m.isatty(),
    "readable": lambda m, n, b: m.readable(),
    "writable": lambda m, n, b: m.writable(),
    "read1": lambda m, n, b: (m.seek(0), m.read1(n(100))),
    "read much": lambda m, n, b: (m.seek(0), m.read(n(2 << 20))),
    "readinto": lambda m, n, b: (m.seek(0), m.readinto(bytearray(100))),
    "readinto much": lambda m, n, b: (m.seek(0), m.readinto(bytearray(2 << 20))),
    "readinto what is constant": lambda m, n, b: m.readinto(b(b"constant")),
    "readinto1": lambda m, n, b: (m.seek(0), m.readinto1(bytearray(100))),
    "readline with a limit": lambda m, n, b: (m.seek(0), m.readline(n(10))),
    "readlines": lambda m, n, b: (m.seek(0), m.readlines(n(10))),
    "peek": lambda m, n, b: (m.seek(0), m.peek(n(10))),
    "writelines": lambda m, n, b: (m.seek(0), m.writelines([b(b"one"), b(b"two")])),
    "writelines that fail": lambda m, n, b: (m.seek(0), m.writelines([b(b"one"), 7])),
    "writelines of an iterator that fails": lambda m, n, b: m.writelines(map(int, ["no number"])),
    "write behind the end": lambda m, n, b: (m.seek(0, 2), m.write(b(b"x"))),
    "truncate": lambda m, n, b: m.truncate(n(LARGE)),
    "truncate longer": lambda m, n, b: m.truncate(n(LARGE + 4096)),
    "truncate to less than nothing": lambda m, n, b: m.truncate(n(-1)),
    "refresh": lambda m, n, b: m.refresh(),
    "prefetch": lambda m, n, b: m.prefetch(n(0), n(4096)),
    "prefetch nowhere": lambda m, n, b: m.prefetch(n(0), n(1 << 40)),
    "protect": lambda m, n, b: m.protect(n(3)),
    "protect otherwise": lambda m, n, b: m.protect(n(77)),
    "residency": lambda m, n, b: [repr(m.residency(n(0), n(8192))), str(m.residency()), m.residency().runs],
    "residency nowhere": lambda m, n, b: m.residency(n(0), n(1 << 40)),
    "index": lambda m, n, b: m.index(b(b"absent"), n(0)),
    "rindex": lambda m, n, b: m.rindex(b(b"absent"), n(0)),
    "count": lambda m, n, b: m.count(b(b"absent"), n(0)),
    "count a byte": lambda m, n, b: m.count(n(7), n(0), n(99)),
    "startswith": lambda m, n, b: m.startswith(b(b"start"), n(0)),
    "startswith one of": lambda m, n, b: m.startswith((b(b"one"), b(b"two")), n(0)),
    "startswith no bytes": lambda m, n, b: m.startswith(1.5),
    "endswith": lambda m, n, b: m.endswith(b(b"end"), n(0)),
    "find_all": lambda m, n, b: list(m.find_all(b(b"absent"), n(0))),
    "find_all empty": lambda m, n, b: next(m.find_all(b(b""), n(0), n(10))),
    "find_all of several": lambda m, n, b: list(m.find_all([b(b"absent"), b(b"gone")], n(0))),
    "lines": lambda m, n, b: next(m.lines()),
    "lines of a part": lambda m, n, b: next(m.lines(n(0), n(10), numbered=True)),
    "lines containing": lambda m, n, b: list(m.lines(n(0), containing=b(b"absent"), numbered=True)),
    "lines in reverse": lambda m, n, b: list(m.lines(containing=[b(b"absent"), n(7)], reverse=True)),
    "evict": lambda m, n, b: m.evict(n(0), n(4096)),
    "iterate": lambda m, n, b: (m.seek(0), next(m)),
    "iterate at the end": lambda m, n, b: (m.seek(0, 2), next(m)),
    "contains": lambda m, n, b: n(700) in m,
    "reduce": lambda m, n, b: pickle.dumps(m),
    "exit": lambda m, n, b: m.__exit__(None, None, None),
    "new": lambda m, n, b: firmmap.anonymous(n(4096)).close(),
    "new with capacity": lambda m, n, b: firmmap.anonymous(n(4096), capacity=n(8192)).close(),
    "new with less capacity": lambda m, n, b: firmmap.anonymous(n(4096), capacity=n(1)),
    "new of less": lambda m, n, b: firmmap.anonymous(n(-5)),
    "new that fits nowhere": lambda m, n, b: firmmap.anonymous(n(1 << 80)),
    "new with a wrong name": lambda m, n, b: firmmap.anonymous(n(10), wrong=n(1)),
    "open": lambda m, n, b: firmmap.open(__file__, "r", offset=n(3), length=n(5)).close(),
    "open by class": lambda m, n, b: firmmap.MappedFile(__file__, "r", offset=n(3), length=n(5)).close(),
    "open beyond the end": lambda m, n, b: firmmap.open(__file__, "r", offset=n(3), length=n(1 << 40)),
    "open nowhere": lambda m, n, b: firmmap.MappedFile(__file__, "r", length=n(1 << 80)),
    "open in no mode": lambda m, n, b: firmmap.open(__file__, "rt", offset=n(3)),
    "open what is not there": lambda m, n, b: firmmap.open(os.path.join(__file__, "absent"), offset=n(3)),
    "open with a wrong name": lambda m, n, b: firmmap.MappedFile(__file__, wrong=n(1)),
    "open nothing": lambda m, n, b: firmmap.MappedFile(offset=n(1)),
}

KINDS: dict[str, tuple[Callable[[], Any], dict[str, Operation]]] = {
    "mmap": (lambda: firmmap.mmap(-1, LARGE), MMAP),
    "MappedFile": (lambda: firmmap.anonymous(LARGE), FILE),
}
