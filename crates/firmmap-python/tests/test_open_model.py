"""Random sequences of operations on a map, beside a plain file and a bytearray that have the same bytes."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import firmmap
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support import PAGE

# Few different bytes, so that searches find something, and sizes around the borders of pages.
DATA = st.binary(max_size=40).map(lambda data: bytes(b"ab\n"[byte % 3] for byte in data))
LARGE = st.sampled_from([PAGE - 1, PAGE, 2 * PAGE + 1, 70_000]).map(lambda size: (b"line\n" * size)[:size])
SIZE = st.one_of(st.none(), st.integers(-1, 50), st.sampled_from([PAGE, 100_000]))
PLACE = st.integers(-60, 60)


class Twins(RuleBasedStateMachine):
    """The map of a file, and its twin: a plain file that does the same."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.view: memoryview | None = None

    @initialize(
        data=st.one_of(DATA, LARGE),
        mode=st.sampled_from(["r", "r+", "w+"]),
        capacity=st.sampled_from([None, 1 << 20, 1 << 30]),
    )
    def make(self, data: bytes, mode: Any, capacity: int | None) -> None:
        paths = [Path(self.directory.name, name) for name in ("mapped", "plain")]
        for path in paths:
            path.write_bytes(data)
        self.mapped, self.path = paths[0], paths[1]
        self.m = firmmap.open(paths[0], mode, capacity=capacity)
        modes = {"r": "rb", "r+": "r+b", "w+": "w+b"}
        # Without a buffer it sees at once what others append.
        self.plain: Any = open(paths[1], modes[mode], buffering=0)  # noqa: SIM115
        self.writable = mode != "r"

    def expected(self) -> bytearray:
        self.plain.flush()
        return bytearray(self.path.read_bytes())

    def room(self, end: int) -> bool:
        """Whether the length may become that while a view exists."""
        return self.view is None or len(self.m) <= end <= self.m.capacity

    @rule(size=SIZE)
    def read(self, size: int | None) -> None:
        assert self.m.read(size) == self.plain.read(size)

    @rule(size=SIZE)
    def readline(self, size: int | None) -> None:
        assert self.m.readline(-1 if size is None else size) == self.plain.readline(-1 if size is None else size)

    @rule(size=SIZE)
    def readlines(self, size: int | None) -> None:
        assert self.m.readlines(size) == self.plain.readlines(-1 if size is None else size)

    @rule(count=st.integers(1, 5))
    def iterate(self, count: int) -> None:
        for _ in range(count):
            assert next(self.m, None) == next(self.plain, None)

    @rule(size=st.integers(0, 100))
    def readinto(self, size: int) -> None:
        ours, theirs = bytearray(size), bytearray(size)
        assert self.m.readinto(ours) == self.plain.readinto(theirs)
        assert ours == theirs

    @rule(size=st.integers(0, 100))
    def peek(self, size: int) -> None:
        place = self.plain.tell()
        assert self.m.peek(size)[:size] == self.plain.read(size)
        self.plain.seek(place)

    @rule(place=st.one_of(PLACE, st.integers(0, 3 * PAGE)), whence=st.sampled_from([0, 1, 2]))
    def seek(self, place: int, whence: int) -> None:
        try:
            expected = self.plain.seek(place, whence)
        except OSError:
            try:
                self.m.seek(place, whence)
            except OSError:
                return
            raise AssertionError("no exception") from None
        assert self.m.seek(place, whence) == expected

    @rule(data=st.one_of(DATA, LARGE))
    def others_append(self, data: bytes) -> None:
        """What the map is not told of: it finds out where the end decides."""
        for path in (self.mapped, self.path):
            with open(path, "ab") as other:
                other.write(data)

    @precondition(lambda self: self.writable)
    @rule(data=st.one_of(DATA, LARGE))
    def write(self, data: bytes) -> None:
        end = self.m.tell() + len(data)
        if data and end > len(self.m) and not self.room(end):
            return self.refused(lambda: self.m.write(data))
        assert self.m.write(data) == self.plain.write(data)

    @precondition(lambda self: self.writable and self.view is None)
    @rule(lines=st.lists(DATA, max_size=5))
    def writelines(self, lines: list[bytes]) -> None:
        self.m.writelines(lines)
        self.plain.writelines(lines)

    @precondition(lambda self: self.writable and self.view is None)
    @rule(lines=st.lists(DATA, max_size=5), place=st.integers(0, 60))
    def writelines_of_a_generator(self, lines: list[bytes], place: int) -> None:
        seen = []
        for file in (self.m, self.plain):

            def parts(file: Any = file) -> Iterator[bytes]:
                for number, line in enumerate(lines):
                    seen.append(file.tell())
                    yield line
                    if number == 2:
                        seen.append(file.seek(0, 2))
                        seen.append(file.seek(place))

            file.writelines(parts())
        assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]

    @precondition(lambda self: self.writable)
    @rule(size=st.one_of(st.none(), st.integers(0, 200), st.sampled_from([PAGE, 3 * PAGE + 5, 2_000_000])))
    def truncate(self, size: int | None) -> None:
        length = self.m.tell() if size is None else size
        if not self.room(length):
            return self.refused(lambda: self.m.truncate(size))
        is_mapped = self.view is not None and len(self.view) > 0
        if sys.platform == "win32" and is_mapped and length < len(self.expected()):
            # What others have appended cannot be cut off there, from no file of which a part is mapped.
            return self.refused(lambda: self.m.truncate(size), OSError)
        self.plain.flush()
        assert self.m.truncate(size) == self.plain.truncate(size)

    def refused(self, call: Any, error: type[Exception] = BufferError) -> None:
        before = bytes(self.m)
        try:
            call()
        except error:
            assert bytes(self.m) == before
            return
        raise AssertionError("no exception")

    @precondition(lambda self: self.writable and len(self.m) > 0)
    @rule(index=st.integers(0, 1 << 20), value=st.sampled_from(b"ab\n"))
    def assign(self, index: int, value: int) -> None:
        index %= len(self.m)
        self.m[index] = value
        self.plain_write(index, bytes([value]))

    @precondition(lambda self: self.writable)
    @rule(start=PLACE, data=DATA)
    def assign_slice(self, start: int, data: bytes) -> None:
        start, stop, _ = slice(start, None).indices(len(self.m))
        data = data[: stop - start]
        self.m[start : start + len(data)] = data
        self.plain_write(start, data)

    def plain_write(self, place: int, data: bytes) -> None:
        before = self.plain.tell()
        self.plain.seek(place)
        self.plain.write(data)
        self.plain.seek(before)

    @rule(needle=DATA, start=st.one_of(st.none(), PLACE), end=st.one_of(st.none(), PLACE))
    def search(self, needle: bytes, start: int | None, end: int | None) -> None:
        # A byte array is as long as it was when the end was last looked at.
        expected = self.expected()[: len(self.m)]
        for name in ("find", "rfind", "count", "startswith", "endswith"):
            assert getattr(self.m, name)(needle, start, end) == getattr(expected, name)(needle, start, end), name
        assert (needle in self.m) == (needle in expected)
        assert len(list(self.m.find_all(needle, start, end))) == expected.count(needle, start, end)

    @rule()
    def lines(self) -> None:
        assert list(self.m.lines()) == bytes(self.expected()).splitlines(keepends=True)

    @rule()
    def look(self) -> None:
        """A view, which the map must not move under."""
        if self.view is None:
            self.view = memoryview(self.m)

    @precondition(lambda self: self.view is not None)
    @rule()
    def look_away(self) -> None:
        assert self.view is not None
        length = len(self.view)
        assert bytes(self.view) == self.expected()[:length]
        self.view.release()
        self.view = None

    @invariant()
    def the_same(self) -> None:
        assert self.m.tell() == self.plain.tell()
        expected = self.expected()
        assert len(self.m) <= len(expected) == self.m.size()
        assert self.m[:] == expected[: len(self.m)]
        assert expected == self.mapped.read_bytes()

    def teardown(self) -> None:
        if self.view is not None:
            self.view.release()
        if hasattr(self, "m"):
            self.m.close()
            self.plain.close()
        self.directory.cleanup()


# splitlines() knows other ends of lines, but none of the bytes used here are such.
TestTwins = Twins.TestCase
TestTwins.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestTwins.__doc__ = "A1, A3, G3 to G6, G10: whatever is done in whatever order, a plain file does the same."
