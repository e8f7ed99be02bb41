"""Operations in which an allocation fails: the first, the second, and so on, and all from there on.

    python without_memory.py KIND OPERATION…

Needs CPython's `_testcapi`. Says for which of them the exception was another one than the operation's own or
MemoryError.
"""

from __future__ import annotations

import _testcapi  # type: ignore[import-not-found]
import sys
from typing import Any

from operations import KINDS

# More than any operation allocates.
ALLOCATIONS = 40


# CPython 3.11 says so where there was no memory for an entry of the traceback, with the standard module too.
CPYTHONS_OWN = "error return without exception set"


def attempt(call: Any, start: int, stop: int) -> tuple[type, str]:
    """What the call raises where the allocations from `start` to `stop` fail. Itself it allocates nothing."""
    raised: BaseException | None = None
    _testcapi.set_nomemory(start, stop)
    try:
        call()
    except BaseException as error:
        raised = error
    finally:
        _testcapi.remove_mem_hooks()
    kind, words = type(raised), str(raised)
    # Its traceback leads to this frame, and that to it.
    del raised
    return kind, words


def main(kind: str, names: list[str]) -> int:
    make, operations = KINDS[kind]
    wrong = 0
    for name in names or operations:
        operation = operations[name]
        m = make()

        def call() -> None:
            operation(m, int, bytes)  # noqa: B023

        try:
            call()
            usual: type[BaseException] | None = None
        except Exception as error:
            usual = type(error)
        for start in range(ALLOCATIONS):
            for stop in (start + 1, 0):
                if m.closed:
                    m = make()
                case = f"{kind}: {name}, allocations {start} to {stop or 'the last'}"
                print(case, file=sys.stderr, flush=True)
                raised, words = attempt(call, start, stop)
                is_known = raised in (type(None), usual, MemoryError) or words == CPYTHONS_OWN
                if not is_known:
                    wrong += 1
                    print(f"{case}: {raised.__name__}: {words}", flush=True)
        m.close()
    print(f"{kind}: {wrong} wrong")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
