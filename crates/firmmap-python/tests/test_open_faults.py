"""Files that lose their bytes while firmmap.open() has them mapped."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import firmmap
import pytest
from fault_support import PAGE, content, only_linux

pytestmark = only_linux

LENGTH = 8 * PAGE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content(LENGTH))
    return path


def missing(call: Callable[[], object]) -> int:
    """Where the byte was that was not there."""
    with pytest.raises(firmmap.MapFaultError) as caught:
        call()
    assert caught.value.offset is not None
    return caught.value.offset


CALLS: list[Any] = [
    lambda m: m.read(),
    lambda m: m.read1(),
    lambda m: m.readlines(),
    lambda m: m.readinto(bytearray(LENGTH)),
    lambda m: list(m),
    lambda m: list(m.lines()),
    lambda m: list(m.find_all(b"0")),
    lambda m: list(m.find_all(b"missing")),
    lambda m: m.find(b"missing"),
    lambda m: m.find(b"0", 3 * PAGE),
    lambda m: m.rfind(b"0", 3 * PAGE),
    lambda m: m.count(b"0"),
    lambda m: m.index(b"missing"),
    lambda m: b"missing" in m,
    lambda m: m[:],
    lambda m: m[3 * PAGE :],
    lambda m: m[3 * PAGE],
    lambda m: m[::5],
    lambda m: m.endswith(b"0"),
    lambda m: m.write(bytes(LENGTH)),
    lambda m: m.__setitem__(3 * PAGE, 0),
    lambda m: m.__setitem__(slice(3 * PAGE, 3 * PAGE + 5), b"01234"),
    lambda m: m.move(0, 3 * PAGE, PAGE),
    lambda m: m.move(0, 3 * PAGE, 16),
    lambda m: m.move(3 * PAGE, 0, 16),
    lambda m: m.prefetch(),
]


@pytest.mark.parametrize("call", CALLS)
def test_truncated(path: Path, call: Callable[[Any], object]) -> None:
    """F1, F2: every operation that meets a missing page says where; afterwards all is as before."""
    with firmmap.open(path, "r+") as m:
        os.truncate(path, 2 * PAGE)
        for _ in range(2):
            assert 2 * PAGE <= missing(lambda: call(m)) < LENGTH
            assert m.tell() <= 2 * PAGE
            assert m[2 * PAGE - 1] in b"0123456789\n\0"
        path.write_bytes(content(LENGTH))
        m.seek(0)
        assert m.read() == content(LENGTH)


def test_lines_that_end_in_a_fault(tmp_path: Path) -> None:
    """F1: readlines() that fails has not moved the position, however many lines it has read."""
    path = tmp_path / "lines"
    path.write_bytes(b"line\n" * PAGE)
    with firmmap.open(path) as m:
        m.seek(5)
        os.truncate(path, 2 * PAGE + 8)
        assert missing(m.readlines) == 2 * PAGE + 8
        assert m.tell() == 5
        assert m.readlines(10) == [b"line\n"] * 3


def test_in_the_middle_of_a_loop(path: Path) -> None:
    """F1: lines are given up to the last whole one, then the error; no zeros are made lines of."""
    with firmmap.open(path) as m:
        for kind in (m, m.lines()):
            m.seek(0)
            seen: list[bytes] = []
            with pytest.raises(firmmap.MapFaultError) as caught:
                for line in kind:
                    seen.append(line)
                    if len(seen) == 3:
                        os.truncate(path, 3 * PAGE)
            assert caught.value.offset == 3 * PAGE
            data = b"".join(seen)
            assert data == content(LENGTH)[: len(data)]
            assert 3 * PAGE - 13 < len(data) <= 3 * PAGE
            path.write_bytes(content(LENGTH))


def test_goes_on_where_it_was(path: Path) -> None:
    """F2: when the file is whole again, the same loop goes on."""
    with firmmap.open(path) as m:
        lines = [next(m) for _ in range(5)]
        os.truncate(path, 0)
        with pytest.raises(firmmap.MapFaultError):
            while True:
                lines.append(next(m))
        path.write_bytes(content(LENGTH))
        assert b"".join(lines + list(m)) == content(LENGTH)


def test_emptied_at_the_first_line(path: Path) -> None:
    """F1: nothing is read beyond the page, so that a small file that is gone is found out too."""
    with firmmap.open(path) as m:
        os.truncate(path, 0)
        assert missing(lambda: next(m)) == 0
        assert missing(lambda: next(m.lines())) == 0
        assert missing(lambda: next(m.find_all(b"0"))) == 0
        assert m.tell() == 0


def test_through_the_consumers(path: Path) -> None:
    """F1: whoever reads it as a file gets the error, and no zeros."""
    readers: list[Callable[[Any], object]] = [
        lambda m: io.TextIOWrapper(m).read(),
        lambda m: list(io.TextIOWrapper(m)),
        lambda m: io.BufferedReader(m).read(),
        lambda m: list(io.BufferedReader(m)),
    ]
    for reader in readers:
        path.write_bytes(content(LENGTH))
        m = firmmap.open(path)
        os.truncate(path, 2 * PAGE)
        with pytest.raises(firmmap.MapFaultError):
            reader(m)


def test_views(path: Path) -> None:
    """F3: a view reads zeros, and whoever does is told."""
    with firmmap.open(path) as m, memoryview(m) as view:
        os.truncate(path, PAGE)
        with pytest.raises(firmmap.MapFaultError) as caught:
            if view[5 * PAGE] == 0:
                for _ in range(10):
                    pass
        assert caught.value.offset == 5 * PAGE


@pytest.mark.parametrize("capacity", [None, 1 << 20])
def test_truncate_leaves_no_hole(path: Path, capacity: int | None) -> None:
    """G6, item 4: truncate() does not fill up with zeros what somebody has cut off; to shrink works."""
    with firmmap.open(path, "r+", capacity=capacity) as m:
        os.truncate(path, PAGE)
        for size in (PAGE + 1, LENGTH, LENGTH + 1, 1 << 19, 1 << 22):
            assert missing(partial(m.truncate, size)) == PAGE
        assert (path.stat().st_size, len(m)) == (PAGE, LENGTH)
        m.truncate(PAGE)
        m.truncate(LENGTH)
        assert m[:] == content(LENGTH)[:PAGE] + bytes(LENGTH - PAGE)


def test_growth_goes_on_after_repair(path: Path) -> None:
    """F2, G6: an append that was refused works when the file is whole again."""
    with firmmap.open(path, "r+", capacity=1 << 20) as m:
        m.seek(0, 2)
        os.truncate(path, PAGE)
        assert missing(lambda: m.write(b"more")) == PAGE
        assert path.stat().st_size == PAGE
        path.write_bytes(content(LENGTH))
        m.write(b"more")
        assert m[:] == content(LENGTH) + b"more"
