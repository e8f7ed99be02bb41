"""Every call with every kind of argument: the results, words and order of errors of CPython 3.15's module."""

from __future__ import annotations

import importlib
import operator
import sys
from pathlib import Path
from typing import Any

import calls
import firmmap
import pytest

EXPECTED = Path(__file__).with_name("calls_3_15.txt")

# The numbers in the table are those of such a system.
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or firmmap.PAGESIZE != 4096 or sys.maxsize < 2**63 - 1,
    reason="pages of 4096 bytes, and addresses of 64 bits",
)

SIGNATURE = (
    "(fileno, length, flags=MAP_SHARED, prot=PROT_WRITE|PROT_READ, access=ACCESS_DEFAULT, offset=0, *, trackfd=True)"
)
# What differs on purpose; docs/differences.md has a row for each.
DIFFERENT = {
    "open: m.find(b'12', None, 0)": "-1",
    "open: m.rfind(b'12', None, 0)": "-1",
    "open: m.flush(0, None)": "None",
    "closed: m.flush(0, None)": "ValueError: mmap closed or invalid",
    "read-only: m.flush(0, None)": "None",
    "open: m.resize(0)": "OSError: [Errno 22] Invalid argument",
    "signature of the class": "(fileno, length, flags=1, prot=3, access=0, offset=0, *, trackfd=True)",
    "signature of the class, text": SIGNATURE,
}


def table(lines: list[str]) -> dict[str, str]:
    return dict(line.split(" -> ", 1) for line in lines)


def expected() -> dict[str, str]:
    """What 3.15's module answers, in the words of the running interpreter where they are not the module's."""
    answers = table(EXPECTED.read_text().splitlines())
    here = {}
    for words, call in (
        ("Index.__index__() must return an int, not str", lambda: operator.index(calls.Index("x"))),
        ("slice indices must be integers or have an __index__ method", lambda: b""[slice("x", None)]),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        here[words] = str(caught.value)
    if sys.version_info < (3, 12):  # where classes do not export memory
        answers = {call: answer for call, answer in answers.items() if "Buffer()" not in call}
    for name, answer in answers.items():
        for words, in_its_place in here.items():
            answer = answer.replace(words, in_its_place)
        answers[name] = answer
    return answers


def ours() -> dict[str, str]:
    answers = table(calls.outcomes(firmmap))
    return answers if sys.version_info >= (3, 12) else {c: a for c, a in answers.items() if "Buffer()" not in c}


def asks_the_system(call: str, answer: str) -> bool:
    """Whether the answer is the system's: debug builds have it name the memory, and not every kernel does."""
    is_debugging = sys.flags.dev_mode or hasattr(sys, "gettotalrefcount")
    return is_debugging and "m.set_name(" in call and answer == "None"


def differences(answers: dict[str, str], wanted: dict[str, str]) -> list[Any]:
    calls = [call for call in answers | wanted if not asks_the_system(call, wanted.get(call, ""))]
    return [(call, answers.get(call), wanted.get(call)) for call in calls if answers.get(call) != wanted.get(call)]


def test_every_call_is_as_with_3_15() -> None:
    """A1, A4, B9, B11, C1 to C15, N3: on every interpreter."""
    wanted = expected()
    assert set(DIFFERENT) <= set(wanted)
    assert differences(ours(), wanted | DIFFERENT) == []


@pytest.mark.skipif(sys.version_info[:2] != (3, 15), reason="it is 3.15's table")
def test_the_table_is_that_of_3_15() -> None:
    """The file holds what the module of 3.15 itself answers."""
    standard = table(calls.outcomes(importlib.import_module("mmap")))
    assert differences(standard, table(EXPECTED.read_text().splitlines())) == []
