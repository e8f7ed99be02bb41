"""Calls of everything that the class has, with every kind of argument, and what each comes to.

    python3.15 calls.py mmap > calls_3_15.txt

prints one line a call. calls_3_15.txt holds the lines of CPython 3.15's own module: the words,
types and order of errors that are to be the same with every interpreter (test_calls.py).
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

LENGTH = 10_000
CONTENT = (b"0123456789\n" * LENGTH)[:LENGTH]

# What the callbacks of the running call have done, and the map that it is about.
log: list[str] = []
current: list[Any] = []


class Index:
    """Stands for an integer, and logs that it was asked."""

    __module__ = "builtins"  # so that messages show the bare name

    def __init__(self, value: Any) -> None:
        self.value = value

    def act(self) -> None:
        """What it does when it is asked."""

    def __index__(self) -> Any:
        log.append(repr(self))
        self.act()
        return self.value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class Closing(Index):
    def act(self) -> None:
        current[0].close()


class Shrinking(Index):
    def act(self) -> None:
        current[0].resize(5)


class Raising(Index):
    def act(self) -> None:
        raise ZeroDivisionError(f"in __index__ of {self.value}")


class Buffer:
    """Bytes that close the map when they are asked for (from 3.12 on)."""

    def __buffer__(self, flags: int) -> memoryview:
        log.append("Buffer()")
        current[0].close()
        return memoryview(b"12")

    def __repr__(self) -> str:
        return "Buffer()"


class Anything:
    def __repr__(self) -> str:
        return "Anything()"


NUMBERS: list[Any] = [0, 1, -1, True, LENGTH, LENGTH + 1, 256, 2**31, 2**63]
WRONG: list[Any] = [None, "1", 1.5, Index("x"), Index(2**70)]
CALLBACKS: list[Any] = [Index(1), Closing(1), Closing(-1), Shrinking(2000), Raising(1)]
BYTES: list[Any] = [b"", b"12", bytearray(b"12"), memoryview(b"1122")[::2], "12", 7, None, Index(1), Buffer()]
STRINGS: list[Any] = [
    "",
    "name",
    "x" * 66,
    "x" * 67,
    "ä" * 33,
    "ä" * 34,
    "a\0b",
    "a\nb",
    "\udc80",
    b"name",
    None,
    7,
    1.5,
    Anything(),
]
INTEGERS = NUMBERS + WRONG + CALLBACKS

# The kinds of a method's parameters: values that are right, and all that are tried.
SIZE = (0, INTEGERS)
DATA = (b"12", BYTES)
NAME = ("name", STRINGS)

METHODS: dict[str, list[tuple[Any, list[Any]]]] = {
    "close": [],
    "find": [DATA, SIZE, SIZE],
    "rfind": [DATA, SIZE, SIZE],
    "flush": [SIZE, SIZE],
    "madvise": [SIZE, SIZE, SIZE],
    "move": [SIZE, SIZE, SIZE],
    "read": [SIZE],
    "read_byte": [],
    "readline": [],
    "resize": [(100, INTEGERS)],
    "seek": [SIZE, SIZE],
    "seekable": [],
    "set_name": [NAME],
    "size": [],
    "tell": [],
    "write": [DATA],
    "write_byte": [SIZE],
    "__enter__": [],
    "__exit__": [(None, [1]), (None, [1]), (None, [1])],
    "__len__": [],
    "__getitem__": [SIZE],
    "__setitem__": [SIZE, SIZE],
    "__delitem__": [SIZE],
    "__contains__": [SIZE],
    "__add__": [DATA],
    "__mul__": [SIZE],
}

# Names of arguments, right ones and others.
NAMES = ["sub", "view", "offset", "size", "flag", "Flags", "option", "n", "wrong"]

# Slots, whose arguments CPython counts.
SLOTS = {"__len__", "__getitem__", "__setitem__", "__delitem__", "__contains__", "__add__", "__mul__"}
# What is tried in full with a map that cannot be written to.
CHANGING = {"write", "write_byte", "move", "resize", "flush", "__setitem__", "__delitem__"}


def arguments(method: str, state: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """All that is tried of a method."""
    kinds = METHODS[method]
    right = [value for value, _ in kinds]
    counts = [(*right, 0, 0)[:count] for count in range(len(kinds) + 3)]
    if method in SLOTS:
        counts = [tuple(right)]
    yield from ((given, {}) for given in counts)
    if state == "open" and method not in SLOTS:
        yield from ((given, {"wrong": 1}) for given in counts)
        yield from (((), {name: 1}) for name in NAMES)
    if state in ("open", "closed"):
        # Nothing is converted before the arguments are counted.
        yield from (((Raising(1),) * len(given), {}) for given in counts)
    is_thorough = state in ("open", "closed") or (state == "read-only" and method in CHANGING)
    for place, (_, values) in enumerate(kinds):
        for value in values if is_thorough else [*values[:3], Closing(1)]:
            given = list(right)
            given[place] = value
            yield tuple(given), {}
            if place + 1 < len(kinds) and state == "open" and method not in SLOTS:
                yield tuple(given[: place + 1]), {}
    if is_thorough:
        # Which of two is found fault with, and when callbacks run.
        few: list[Any] = [-1, 2**70, "x", Raising(1), Closing(0)]
        if method == "__exit__":
            few = []
        for one, two in itertools.combinations(range(len(kinds)), 2):
            for first, second in itertools.product(few, few):
                given = list(right)
                given[one], given[two] = first, second
                yield tuple(given), {}
    if method == "flush" and state in ("open", "closed", "private"):
        for flags in (0, 1, 4, 5, 64, -1, 2**31, "x", None, Index(4), Raising(1), Closing(4), Closing(64)):
            for given in ((), (0, 0), ("x",), (-1,), (Raising(2),)):
                yield given, {"flags": flags}
        yield (0,), {"flags": 4, "wrong": 1}


def slices() -> Iterator[slice]:
    yield from (slice(0, 2), slice(None), slice(5, 2), slice(0, 4, 2), slice(-3, None), slice(3, 1, -1))
    yield from (slice(0, 2, 0), slice("x", 2), slice(0, 1.5), slice(0, 2, "x"), slice(2**70), slice(Raising(1), 2))
    yield from (slice(Closing(0), 2), slice(0, Closing(2)), slice(Index(0), Index(2), Index(1)), slice(Shrinking(0), 9))


# How the map is made that a call is tried with.
STATES = ["open", "closed", "read-only", "copy", "untracked", "anonymous", "private", "untracked anonymous", "exported"]


class Table:
    """The outcomes of all calls with one module."""

    def __init__(self, module: ModuleType, directory: str) -> None:
        self.module = module
        self.path = os.path.join(directory, "file")

    def make(self, state: str) -> Any:
        m = self.module
        if not os.path.exists(self.path) or read(self.path) != CONTENT:
            with open(self.path, "wb") as file:
                file.write(CONTENT)
        with open(self.path, "r+b") as file:
            if state == "anonymous":
                return m.mmap(-1, LENGTH)
            if state == "private":
                return m.mmap(-1, LENGTH, m.MAP_PRIVATE)
            if state == "untracked anonymous":
                return m.mmap(-1, LENGTH, trackfd=False)
            names = {
                "read-only": {"access": m.ACCESS_READ},
                "copy": {"access": m.ACCESS_COPY},
                "untracked": {"trackfd": False},
            }
            made = m.mmap(file.fileno(), 0, **names.get(state, {}))
            if state == "closed":
                made.close()
            return made

    def call(self, state: str, work: Callable[[Any], Any]) -> str:
        """What a call comes to, with a new map."""
        m = self.make(state)
        views = [memoryview(m)] if state == "exported" else []
        current[:] = [m]
        log.clear()
        try:
            result = work(m)
            words = "itself" if result is m else repr(result)
            if len(words) > 60:
                words = f"{words[:50]}… {len(words)}"
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
        words = re.sub(r"0x[0-9a-f]{6,}", "0x…", words)
        logged = f"  asked {' '.join(log)}" if log else ""
        moved = "" if m.closed and state != "closed" and not log else self.state_of(m, state)
        for view in views:
            view.release()
        m.close()
        current.clear()
        return words + logged + moved

    def state_of(self, m: Any, state: str) -> str:
        """What a call has left behind."""
        if m.closed:
            return "" if state == "closed" else "  closed"
        position, length, size = m.tell(), len(m), os.path.getsize(self.path)
        # The standard module leaves a file that is too short behind where resize() fails.
        whole = not state.endswith(("anonymous", "private")) and size >= length
        changed = "" if not whole or m[:] == CONTENT[:length] else "  changed"
        return (
            (f"  position {position}" if position else "")
            + (f"  length {length}" if length != LENGTH else "")
            + (f"  file {size}" if size != LENGTH else "")
            + changed
        )

    def lines(self) -> Iterator[str]:
        for state in STATES:
            for name in METHODS:
                for positional, named in arguments(name, state):
                    shown = [short(value) for value in positional]
                    shown += [f"{key}={short(value)}" for key, value in named.items()]
                    outcome = self.call(state, lambda m: getattr(m, name)(*positional, **named))  # noqa: B023
                    yield f"{state}: m.{name}({', '.join(shown)}) -> {outcome}"
            for key in slices() if state in ("open", "closed", "read-only") else ():
                yield f"{state}: m[{short(key)}] -> {self.call(state, lambda m: m[key])}"  # noqa: B023
                yield f"{state}: del m[{short(key)}] -> {self.call(state, lambda m: m.__delitem__(key))}"  # noqa: B023
                for value in BYTES:
                    outcome = self.call(state, lambda m: m.__setitem__(key, value))  # noqa: B023
                    yield f"{state}: m[{short(key)}] = {short(value)} -> {outcome}"
            for words, work in PROTOCOLS.items():
                yield f"{state}: {words} -> {self.call(state, work)}"
            for name in ("read_byte", "readline", "read", "find", "write_byte", "write") if state == "open" else ():
                for given in METHODS[name][:1] or [(None, [None])]:
                    for value in given[1]:
                        positional = (value,) if METHODS[name] else ()
                        shown = [short(value) for value in positional]
                        outcome = self.call(state, lambda m: at_end(m, name, positional))  # noqa: B023
                        yield f"{state}: at the end, m.{name}({', '.join(shown)}) -> {outcome}"
        for positional, named in constructors(self.module):
            shown = [short(value) for value in positional]
            shown += [f"{key}={short(value)}" for key, value in named.items()]
            outcome = self.call("anonymous", lambda m: self.construct(positional, named))  # noqa: B023
            yield f"mmap({', '.join(shown)}) -> {outcome}"
        for name in METHODS:
            yield f"signature of {name} -> {signature(getattr(self.module.mmap, name, None))}"
        yield f"signature of the class -> {signature(self.module.mmap)}"
        yield f"signature of the class, text -> {self.module.mmap.__text_signature__}"

    def construct(self, positional: tuple[Any, ...], named: dict[str, Any]) -> str:
        with open(self.path, "r+b") as file:
            given = tuple(file.fileno() if value == "FILE" else value for value in positional)
            with self.module.mmap(*given, **named) as made:
                return repr(made)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def at_end(m: Any, name: str, positional: tuple[Any, ...]) -> Any:
    if not m.closed:
        m.seek(LENGTH)
    return getattr(m, name)(*positional)


def signature(thing: Any) -> str:
    try:
        return str(inspect.signature(thing))
    except (ValueError, TypeError) as error:
        return type(error).__name__


def short(value: Any) -> str:
    """How a value is shown."""
    if type(value) is int and abs(value) > 10**6:
        for exponent in (31, 63, 64, 70, 200):
            for sign, words in ((1, "2"), (-1, "-2")):
                rest = value - sign * 2**exponent
                if abs(rest) < 2:
                    return f"{words}**{exponent}" + (f"{rest:+}" if rest else "")
    if type(value) is slice:
        return ":".join("" if part is None else short(part) for part in (value.start, value.stop, value.step))
    if type(value) is memoryview:
        return "memoryview"
    if type(value) is str and len(value) > 20:
        return f"{value[0]!r} * {len(value)}"
    return repr(value)


PROTOCOLS: dict[str, Callable[[Any], Any]] = {
    "bool(m)": bool,
    "repr(m)": repr,
    "hash(m) == hash(m)": lambda m: hash(m) == hash(m),
    "iter(m)": lambda m: [one for one, _ in zip(m, range(3), strict=False)],
    "next(m)": lambda m: next(m),
    "reversed(m)": lambda m: next(reversed(m)),
    "b'1' in m": lambda m: b"1" in m,
    "m + m": lambda m: m + m,
    "m * 2": lambda m: m * 2,
    "2 * m": lambda m: 2 * m,
    "m += b'1'": lambda m: m.__iadd__(b"1"),
    "m == m": lambda m: m == m,
    "m < m": lambda m: m < m,
    "m.closed": lambda m: m.closed,
    "m.closed = 1": lambda m: setattr(m, "closed", 1),
    "del m.closed": lambda m: delattr(m, "closed"),
    "memoryview(m).readonly": lambda m: memoryview(m).readonly,
    "memoryview(m).nbytes": lambda m: memoryview(m).nbytes,
    "with m": lambda m: with_it(m),
}


def with_it(m: Any) -> str:
    with m as inside:
        return "itself" if inside is m else "another"


def constructors(module: ModuleType) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """All that is tried of the constructor."""
    shared, prot = module.MAP_SHARED, 3
    full: tuple[Any, ...] = (-1, 10, shared, prot, 0, 0)
    for count in range(len(full) + 1):
        yield full[:count], {}
    yield (*full, True), {}
    yield (*full, True, 1), {}
    for place in range(len(full)):
        for value in [*(n for n in NUMBERS if n != LENGTH + 1), *WRONG, Raising(1), -2, 9999]:
            given = list(full)
            given[place] = value
            yield tuple(given), {}
            if place != 0:
                given[0] = "FILE"
                yield tuple(given), {}
    few: list[Any] = [-1, 2**70, "x", Raising(1)]
    for one, two in itertools.combinations(range(len(full)), 2):
        for first, second in itertools.product(few, few):
            given = list(full)
            given[one], given[two] = first, second
            yield tuple(given), {}
    for name in (
        "fileno",
        "length",
        "flags",
        "prot",
        "access",
        "offset",
        "trackfd",
        "tagname",
        "filen",
        "Flags",
        "",
        "ä",
    ):
        for value in (1, "x"):
            yield (-1, 10), {name: value}
            yield ("x", 10), {name: value}
            yield (), {name: value}
    yield (), {"fileno": -1, "length": 10}
    yield (), {"length": 10, "fileno": -1}
    yield (-1,), {"length": 10, "wrong": 1, "other": 2}
    yield (-1, 10), {"trackfd": Anything()}
    yield (-1, 10, shared), {"access": 1}
    yield (-1, 10), {"flags": module.MAP_PRIVATE, "access": 1}
    yield (-1, 10), {"prot": 1, "access": 1}
    for access in range(-1, 5):
        yield ("FILE", 0), {"access": access}
        yield (-1, 0), {"access": access}
    for offset in (-1, 1, 4096, 8192, 12288, 2**40):
        yield ("FILE", 0), {"offset": offset}
        yield ("FILE", 10), {"offset": offset}
        yield ("FILE", LENGTH), {"offset": offset}
        yield (-1, 10), {"offset": offset}


def outcomes(module: ModuleType) -> list[str]:
    """The lines of all calls."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:
        lines = Table(module, directory).lines()
        return [line.encode("ascii", "backslashreplace").decode() for line in lines]


if __name__ == "__main__":
    print(*outcomes(importlib.import_module(sys.argv[1])), sep="\n")
