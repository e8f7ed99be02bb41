"""C16: nothing is left over of an operation and of its exception.

Debug builds of CPython count all references (`sys.gettotalrefcount`), others the blocks that are allocated.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from operations import KINDS, Operation, firmmap

TURNS = 200
# What the interpreter keeps for itself: caches that fill, lists of free objects.
SLACK = TURNS // 4

count: Callable[[], int] = getattr(sys, "gettotalrefcount", sys.getallocatedblocks)

CASES = [(kind, name) for kind, (_, operations) in KINDS.items() for name in operations]


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new_is_collected() -> Iterator[None]:
    """Each test here collects twice; what the other tests hold need not be looked at each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def refuse(_: Any) -> Any:
    """Makes an argument whose conversion fails, in Python code."""
    return Refusal()


class Refusal:
    def __index__(self) -> int:
        raise ZeroDivisionError("refused")


def growth(make: Callable[[], Any], operation: Operation, number: Any, data: Any) -> int:
    """By how much the count has grown after many turns."""
    m = make()

    def run(turns: int) -> None:
        nonlocal m
        for _ in range(turns):
            with contextlib.suppress(Exception):
                operation(m, number, data)
            if m.closed:
                m = make()

    run(20)
    gc.collect()
    before = count()
    run(TURNS)
    gc.collect()
    after = count()
    m.close()
    return after - before


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("arguments", ["good", "refused"])
def test_nothing_is_left_over(kind: str, name: str, arguments: str) -> None:
    """C16: of a result, of each exception, and of an argument that cannot be converted."""
    make, operations = KINDS[kind]
    number: Any = int if arguments == "good" else refuse
    data: Any = bytes if arguments == "good" else refuse
    # Once more where something else has allocated meanwhile.
    assert any(growth(make, operations[name], number, data) <= SLACK for _ in range(3))


@pytest.mark.parametrize("kind", list(KINDS))
def test_exception_is_gone_when_it_is_handled(kind: str) -> None:
    """C16: with all that it holds, at once."""

    class Failure(Exception):
        pass

    class Argument:
        def __index__(self) -> int:
            raise Failure

    gone: list[str] = []
    m = KINDS[kind][0]()
    calls: list[Callable[[], object]] = [
        lambda: m[Argument()],
        lambda: m.seek(Argument()),
        lambda: m.move(0, Argument(), 1),
    ]
    for fail in calls:
        try:
            fail()
        except Failure as failure:
            weakref.finalize(failure, gone.append, "gone")
        assert gone.pop() == "gone"
    m.close()


def test_end_of_an_iteration_leaves_nothing() -> None:
    """C16: the IndexError and the StopIteration that end a loop."""
    m = firmmap.mmap(-1, 3)
    f = firmmap.anonymous(3)

    def run(turns: int) -> None:
        for _ in range(turns):
            assert len(list(m)) == 3
            assert list(f.lines()) == [b"\0\0\0"]
            assert list(f.find_all(b"x")) == []
            f.seek(0)
            assert list(f) == [b"\0\0\0"]

    run(20)
    before = count()
    run(10 * TURNS)
    assert count() - before <= SLACK
    m.close()
    f.close()
