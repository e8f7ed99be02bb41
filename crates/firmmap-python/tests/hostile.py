"""Operations whose arguments, exceptions and buffers run code that forks, or closes, resizes or truncates the map.

    python hostile.py KIND OPERATION…

Each operation is tried with all of them in a process of its own, which a watchdog ends; if that does not end well, with
each of them in one. Prints a line for each that did not.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from operations import KINDS, LARGE, Operation

# How long a process may take. None waits for anything; a machine can be slow.
PATIENCE = 60

# What the code does that runs inside an operation, and whether it did.
act: Callable[[], None]


def fork(m: Any) -> None:
    """The child ends the map while the operation that called us is under way."""
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        with contextlib.suppress(BufferError):
            m.close()
        gc.collect()
        # What is allocated now is what was freed, if that was too much.
        [bytearray(size) for size in range(64, 512, 8) for _ in range(4)]
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status != 0:
        os._exit(77)


ACTIONS: dict[str, Callable[[Any], object]] = {
    "fork": fork,
    "close": lambda m: m.close(),
    "shrink": lambda m: m.resize(LARGE // 2),
    "grow": lambda m: m.resize(LARGE * 2),
    "truncate": lambda m: m.truncate(1),
    "move": lambda m: m.seek(0),
}


class Index:
    """Acts when it is converted."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        act()
        return self.value


class Failing(Index):
    """Acts when the exception that its conversion raises is dropped."""

    def __index__(self) -> int:
        raise Failure


class Failure(OverflowError):
    def __del__(self) -> None:
        act()


class Dying(int):
    """Acts when the argument is dropped."""

    def __del__(self) -> None:
        act()


class Getter:
    """Acts when its bytes are asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __buffer__(self, _: int) -> memoryview:
        act()
        return memoryview(self.data)


class Release(Getter):
    """Acts when its bytes are given back."""

    def __buffer__(self, _: int) -> memoryview:
        return memoryview(self.data)

    def __release_buffer__(self, _: memoryview) -> None:
        act()


class Cycle:
    """Garbage that acts when the garbage collector finds it."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        act()


def with_garbage(value: Any) -> Any:
    Cycle()
    return value


Arguments = tuple[Callable[[int], Any], Callable[[bytes], Any]]
POINTS: dict[str, Arguments] = {
    "__index__": (Index, bytes),
    "exception": (Failing, bytes),
    "argument": (Dying, bytes),
    "garbage": (with_garbage, with_garbage),
}
if sys.version_info >= (3, 12):
    POINTS |= {"__buffer__": (int, Getter), "__release_buffer__": (int, Release)}


def attempt(
    make: Callable[[], Any], operation: Operation, arguments: Arguments, action: Callable[[Any], object]
) -> None:
    global act
    m = make()
    number, data = arguments
    # One more argument, which is dropped later.
    pending = [number(1)]
    is_acting = is_over = False

    def act() -> None:
        nonlocal is_acting
        if is_acting or is_over:
            return
        is_acting = True
        with contextlib.suppress(Exception):
            action(m)
        is_acting = False

    gc.set_threshold(1)
    for _ in range(2):
        with contextlib.suppress(Exception):
            operation(m, number, data)
        # What was left over would be dropped at the end of this, which lets go of the GIL.
        with contextlib.suppress(Exception):
            m.find(b"absent", 0, 1 << 18)
        pending.clear()
    gc.set_threshold(700)
    is_over = True

    # The map is closed, or in order.
    if not m.closed:
        length = len(m)
        assert len(m[:]) == length
        for index in {0, length // 2, length - 1} if length else ():
            m[index] = 1
            assert m[index : index + 2][:1] == b"\1"
    m.close()
    assert m.closed


def run(case: Callable[[], None]) -> str:
    """How a process ends: nothing if well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            case()
            code = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    end = time.monotonic() + PATIENCE
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "" if status == 0 else f"ended with {os.waitstatus_to_exitcode(status)}"
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "did not end"
        time.sleep(0.001)


def main(kind: str, names: list[str]) -> int:
    make, operations = KINDS[kind]
    truncates = hasattr(make(), "truncate")
    cases = [
        (f"{action} in {point}", arguments, change)
        for point, arguments in POINTS.items()
        for action, change in ACTIONS.items()
        if truncates or action != "truncate"
    ]
    tried = failed = 0
    # The collector runs at each object, and in each child: on what the cases make, not on what was there before them.
    gc.collect()
    gc.freeze()
    for name in names or operations:
        operation = operations[name]

        def together(operation: Operation = operation) -> None:
            for _, arguments, change in cases:
                attempt(make, operation, arguments, change)

        tried += len(cases)
        if not (how := run(together)):
            continue
        failed += 1
        print(f"{kind}: {name}, one after another: {how}", flush=True)
        for what, arguments, change in cases:
            if how := run(lambda: attempt(make, operation, arguments, change)):  # noqa: B023
                print(f"{kind}: {name}, {what}: {how}", flush=True)
    print(f"{kind}: {tried} tried, {failed} failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
