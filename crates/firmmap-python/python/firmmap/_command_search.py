"""`firmmap find` and `firmmap count`: a file is searched in windows, by one thread or several.

Between two windows there is a cut that no occurrence lies across, so that each window can be searched without a look at
the others, and what is found is what one search of the whole file finds.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from . import MapFaultError, MappedFile
from . import open as open_map

TYPE_CHECKING = False
if TYPE_CHECKING:  # nothing is imported that a short run does not need: it would take longer than the search
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from typing import TypeVar

    from ._command_output import Output

    Result = TypeVar("Result")

# Bytes of a window: what is searched between two looks at the progress and at Ctrl-C.
WINDOW = 16 << 20
# How often a cut that an occurrence lies across is moved to that one's end, before the window is made longer.
ATTEMPTS = 64
# How many matches are written at once.
BATCH = 4096


def may_overlap(pattern: bytes) -> bool:
    """Whether two occurrences can overlap: whether some beginning of the pattern is an end of it too."""
    return any(pattern.endswith(pattern[:size]) for size in range(1, len(pattern)))


class Search:
    """What is searched for, and how."""

    def __init__(self, pattern: bytes, lines: bool, overlapping: bool, reverse: bool) -> None:
        self.pattern = pattern
        self.lines = lines
        self.overlapping = overlapping
        self.reverse = reverse

    def cut(self, m: MappedFile, goal: int) -> int | None:
        """A place from `goal` on that no occurrence, or no line, lies across; None if there is none nearby."""
        if self.lines:
            newline = m.find(b"\n", goal - 1, goal + WINDOW)
            return newline + 1 if newline >= 0 else None
        reach = len(self.pattern) - 1
        for _ in range(ATTEMPTS):
            at = m.find(self.pattern, max(0, goal - reach), goal + reach)
            if at < 0:
                return goal
            goal = at + len(self.pattern)
        return None

    def windows(self, m: MappedFile) -> Iterator[tuple[int, int]]:
        """The parts of the file, in the order in which they are searched."""
        start, end = 0, len(m)
        goal = end - WINDOW if self.reverse else WINDOW
        while start < goal < end:
            try:
                cut = self.cut(m, goal)
            except MapFaultError:
                break  # the search of what is left meets it too, after what lies before it
            if cut is None or not start < cut < end:
                goal += -WINDOW if self.reverse else WINDOW
            elif self.reverse:
                yield cut, end
                end, goal = cut, cut - WINDOW
            else:
                yield start, cut
                start, goal = cut, cut + WINDOW
        yield start, end

    def matches(self, m: MappedFile, start: int, end: int) -> Iterator[int]:
        """The offsets of the occurrences in a window."""
        pattern = self.pattern
        if self.reverse:
            kept = len(pattern) - 1 if self.overlapping else 0
            while (at := m.rfind(pattern, start, end)) >= 0:
                yield at
                end = at + kept
        elif self.overlapping and may_overlap(pattern):
            while (at := m.find(pattern, start, end)) >= 0:
                yield at
                start = at + 1
        else:
            yield from m.find_all(pattern, start, end)

    def matching_lines(self, m: MappedFile, start: int, end: int) -> Iterator[bytes]:
        return m.lines(start, end, containing=self.pattern, reverse=self.reverse)

    def count(self, m: MappedFile, start: int, end: int) -> int:
        if self.lines:
            return sum(1 for _ in self.matching_lines(m, start, end))
        if self.overlapping and may_overlap(self.pattern):
            return sum(1 for _ in self.matches(m, start, end))
        return m.count(self.pattern, start, end)


def each_window(
    windows: Iterable[tuple[int, int]], jobs: int, work: Callable[[int, int], Result]
) -> Iterator[tuple[int, Result]]:
    """What the work gives for each window, in their order, and the number of its bytes."""
    if jobs == 1:
        for start, end in windows:
            yield end - start, work(start, end)
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(jobs)
    waiting: deque[tuple[int, Future[Result]]] = deque()
    try:
        for start, end in windows:
            waiting.append((end - start, pool.submit(work, start, end)))
            if len(waiting) >= 2 * jobs:
                size, future = waiting.popleft()
                yield size, future.result()
        while waiting:
            size, future = waiting.popleft()
            yield size, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def batches(found: Iterator[Result]) -> Iterator[list[Result]]:
    """Lists of what an iterator gives; before its exception, what it gave until then."""
    batch: list[Result] = []
    try:
        for item in found:
            batch.append(item)
            if len(batch) == BATCH:
                yield batch
                batch = []
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def replayed(found: Iterator[Result]) -> Iterator[Result]:
    """What an iterator gives, collected by this thread for another: its items, and then its exception."""
    items: list[Result] = []
    error: Exception | None = None
    try:
        for item in found:
            items.append(item)
    except Exception as raised:
        error = raised

    def again() -> Iterator[Result]:
        yield from items
        if error is not None:
            raise error

    return again()


def check_length(m: MappedFile) -> None:
    """Raises if the file was cut off in its last page, where no page is missing and zeros are read."""
    if (size := m.size()) < len(m):
        raise ValueError(f"the file was truncated to {size} bytes while it was searched; it had {len(m)}")


def find(search: Search, name: str, jobs: int, prefix: bytes, output: Output) -> bool:
    """Writes the offset or the line of each match; whether there was one."""
    with open_map(name) as m, output.progress(name, len(m)) as bar:

        def offsets(start: int, end: int) -> Iterator[bytes]:
            for batch in batches(search.matches(m, start, end)):
                yield b"".join([b"%b%d\n" % (prefix, offset) for offset in batch])

        def lines(start: int, end: int) -> Iterator[bytes]:
            for batch in batches(search.matching_lines(m, start, end)):
                # The last line of a file may lack its newline.
                yield b"".join([prefix + (line if line.endswith(b"\n") else line + b"\n") for line in batch])

        texts = lines if search.lines else offsets

        def work(start: int, end: int) -> Iterator[bytes]:
            return texts(start, end) if jobs == 1 else replayed(texts(start, end))

        found = False
        for size, written in each_window(search.windows(m), jobs, work):
            for text in written:
                found = True
                output.write(text)
            bar.advance(size)
        check_length(m)
        return found


def count(search: Search, name: str, jobs: int, output: Output) -> int:
    """The number of matches. An error for missing bytes says how many lie before them."""
    with open_map(name) as m, output.progress(name, len(m)) as bar:
        total = 0
        at = 0
        try:
            for size, number in each_window(search.windows(m), jobs, lambda start, end: search.count(m, start, end)):
                total += number
                at += size
                bar.advance(size)
        except MapFaultError as error:
            with suppress(MapFaultError):  # if still more is missing by now
                total += search.count(m, at, max(at, error.offset or 0))
            unit = "lines" if search.lines else "matches"
            error.strerror = f"{error.strerror}; {total} {unit} lie before it"
            raise
        check_length(m)
        return total
