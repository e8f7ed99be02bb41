"""A map beside an unbuffered file, at random, while others append to the file, cut it off, and use the descriptor."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import firmmap
import pytest
from support import PAGE

OPERATIONS = int(os.environ.get("FIRMMAP_OTHERS_OPERATIONS", "4000"))
ROUND = 40
SIZES = [0, 1, 2, 7, 100, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE]
Choice = random.Random
Operation = Callable[[Any], object]


def some_bytes(choice: Choice) -> bytes:
    return choice.randbytes(choice.choice(SIZES)).replace(b"x", b"\n")


def some_size(choice: Choice) -> int:
    return choice.choice([-1, *SIZES])


def own_operations(choice: Choice, writable: bool, iterates: bool = True) -> Operation:
    """What is done with the file object."""
    size, data = some_size(choice), some_bytes(choice)
    if sys.platform == "win32":
        # In wine 8 a plain file that appends goes to its end for no bytes, too.
        data = data or b"."
    place = choice.choice([0, 1, PAGE, choice.randrange(5 * PAGE)])

    def readinto(file: Any) -> object:
        target = bytearray(max(size, 0))
        return file.readinto(target), target

    reading: list[Operation] = [
        lambda file: file.read(size),
        lambda file: file.readline(size),
        readinto,
        lambda file: file.tell(),
        lambda file: file.seek(place),
        lambda file: file.seek(-min(place, 3), 2),
        lambda file: file.seek(0, 2),
        lambda file: file.seek(min(place, 9), 1),
    ]
    writing: list[Operation] = [
        lambda file: file.write(data),
        lambda file: file.writelines([data, b"\n"]),
        lambda file: file.truncate(place),
        lambda file: file.truncate(),
    ]
    if iterates:
        reading += [lambda file: file.readlines(size), lambda file: next(file, None)]
    return choice.choice(reading + 2 * writing if writable else reading)


def descriptor_operations(choice: Choice, writable: bool) -> Operation:
    """What is done with its descriptor, as by a child that has it."""
    size, data, place = max(some_size(choice), 0), some_bytes(choice), choice.randrange(5 * PAGE)
    reading: list[Operation] = [
        lambda file: os.read(file.fileno(), size),
        lambda file: os.lseek(file.fileno(), place, os.SEEK_SET),
        lambda file: os.lseek(file.fileno(), 0, os.SEEK_END),
        lambda file: os.lseek(file.fileno(), 0, os.SEEK_CUR),
    ]
    writing: list[Operation] = [lambda file: os.write(file.fileno(), data)]
    return choice.choice(reading + writing if writable else reading)


def append(choice: Choice) -> Callable[[Path], None]:
    """What another program appends."""
    data = some_bytes(choice)

    def work(path: Path) -> None:
        with open(path, "ab", buffering=0) as other:
            other.write(data)

    return work


def outcome(operation: Operation, file: Any) -> object:
    try:
        return operation(file)
    except firmmap.MapFaultError:
        raise
    except OSError as error:
        return type(error), error.errno


MODES = {"r": "rb", "r+": "r+b", "w+": "w+b", "a+": "a+b"}


class Padded(Exception):
    """What is read is the file's, and then the zeros that the system shows in its last page."""


def is_padded(expected: Any, ours: Any, start: int, length: int) -> bool:
    """Whether `ours` is what `expected` is, and then only zeros of the page in which the file of that length ends."""
    if isinstance(expected, tuple) and isinstance(ours, tuple) and isinstance(ours[1], bytearray):
        (count, expected), (longer, ours) = expected, ours
        expected, ours = expected[:count], ours[:longer]
    expected, ours = (b"".join(one) if isinstance(one, list) else one or b"" for one in (expected, ours))
    if not isinstance(expected, (bytes, bytearray)) or not isinstance(ours, (bytes, bytearray)):
        return False
    last = -(-length // PAGE) * PAGE
    return ours.startswith(expected) and not any(ours[len(expected) :]) and start + len(ours) <= last


class Pair:
    """A map and an unbuffered file of the same mode, each with a file of its own."""

    def __init__(self, folder: Path, mode: Any, data: bytes) -> None:
        self.paths = [folder / "mapped", folder / "plain"]
        for path in self.paths:
            path.write_bytes(data)
        self.mapped: Any = firmmap.open(self.paths[0], mode)
        self.plain: Any = open(self.paths[1], MODES[mode], buffering=0)  # noqa: SIM115
        self.was_cut = False

    def same(self, operation: Operation) -> None:
        """Both do the same; after a cut, the map may show zeros in the last page of the file (F8)."""
        start = self.plain.tell()
        expected, ours = outcome(operation, self.plain), outcome(operation, self.mapped)
        if self.was_cut and ours != expected:
            if is_padded(expected, ours, start, self.paths[1].stat().st_size):
                raise Padded
            # A write that was lost in the last page is told here, if not before.
            self.mapped.close()
        assert ours == expected
        assert self.mapped.tell() == self.plain.tell()

    def same_bytes(self) -> None:
        assert self.paths[0].read_bytes() == self.paths[1].read_bytes()

    def close(self) -> None:
        self.plain.close()
        self.mapped.close()


def rounds(seed: str, number: int) -> list[Choice]:
    return [random.Random(f"{seed} {index}") for index in range(max(number // ROUND, 1))]


@pytest.mark.parametrize("mode", MODES)
def test_others_append(tmp_path: Path, mode: Any) -> None:
    """G6, G10: whatever others append, and do with the descriptor, an unbuffered file does the same."""
    writable = mode != "r"
    for choice in rounds(mode, OPERATIONS // len(MODES)):
        pair = Pair(tmp_path, mode, some_bytes(choice))
        uses_descriptor = sys.platform != "win32" and choice.random() < 0.5
        for _ in range(ROUND):
            kind = choice.random()
            if kind < 0.2:
                work = append(choice)
                for path in pair.paths:
                    work(path)
            elif kind < 0.4 and uses_descriptor:
                pair.same(descriptor_operations(choice, writable))
            else:
                pair.same(own_operations(choice, writable))
        pair.same_bytes()
        pair.close()
        pair.same_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to truncate a mapped file")
@pytest.mark.parametrize("mode", ["r", "r+", "a+"])
def test_others_cut(tmp_path: Path, mode: Any) -> None:
    """F1, F3, G10: what differs after another program's cut is a MapFaultError, of flush() or close() at the latest.

    F8: a read that ends in the last page may also show the zeros behind the end of the file. Iteration is left out, as
    it has read ahead.
    """
    writable = mode != "r"
    faults = 0
    for choice in rounds(f"cut {mode}", OPERATIONS // 3):
        pair = Pair(tmp_path, mode, some_bytes(choice) + some_bytes(choice))
        try:
            for _ in range(ROUND // 8):
                for _ in range(choice.randrange(4)):
                    pair.same(own_operations(choice, writable, iterates=False))
                length = choice.randrange(pair.paths[1].stat().st_size + 1)
                for path in pair.paths:
                    os.truncate(path, length)
                pair.was_cut = True
                for _ in range(choice.randrange(4)):
                    pair.same(own_operations(choice, writable, iterates=False))
                pair.mapped.flush()
                pair.same_bytes()
            pair.close()
            pair.same_bytes()
        except (firmmap.MapFaultError, Padded) as error:
            faults += isinstance(error, firmmap.MapFaultError)
            with contextlib.suppress(firmmap.MapFaultError):
                pair.close()
    assert faults
