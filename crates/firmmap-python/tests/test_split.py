"""split(): ranges of whole records, and what they are good for."""

from __future__ import annotations

import copy
import os
import pickle
import random
import re
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import firmmap
import pytest
from firmmap import FASTA, FASTQ, FileRange, split
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

COUNTS = (1, 2, 3, 4, 7, 16, 50)
SIZES = (1, 2, 3, 5, 17, 100)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("split") / "records"


def check(path: Path, data: bytes, starts: set[int], offset: int = 0, **options: Any) -> None:
    """Every record is in exactly one range: ranges begin where records do, one where the other ends."""
    path.write_bytes(data)
    data = data[offset:]
    ordered = sorted({*starts, len(data)})
    for ranges, most in [
        *((split(path, count, offset=offset, **options), count) for count in COUNTS),
        *((split(path, size=size, offset=offset, **options), -(-len(data) // size)) for size in SIZES),
    ]:
        assert len(ranges) <= most
        assert all(one.length > 0 and one.offset - offset in starts for one in ranges)
        assert b"".join(data[one.offset - offset :][: one.length] for one in ranges) == data
        assert sum(map(len, ranges)) == len(data)
        # Each even division has the first record behind it.
        parts = min(most, len(data))
        goals = [len(data) * part // parts for part in range(1, parts)]
        wanted = {ordered[bisect_left(ordered, goal)] for goal in goals}
        assert {one.offset - offset for one in ranges[1:]} == wanted - {0, len(data)}


def ends(data: bytes, boundary: bytes) -> set[int]:
    return {0} | {found.end() for found in re.finditer(re.escape(boundary), data)}


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    data=st.lists(st.sampled_from([b"a", b"b", b"\n", b"\r\n", b"aa", b"ab\n", b"a" * 40]), max_size=40).map(b"".join),
    boundary=st.sampled_from([b"\n", b"\r\n", b"ab", b"aa", b"aba", b"\n\n", b"abab", b"zz"]),
    offset=st.integers(0, 3),
)
@example(data=b"", boundary=b"\n", offset=0)
@example(data=b"\n" * 5000, boundary=b"\n\n", offset=1)
@example(data=b"a" * 9001, boundary=b"aaa", offset=0)
def test_every_record_is_in_one_range(path: Path, data: bytes, boundary: bytes, offset: int) -> None:
    """S1: boundaries of one byte and more, such as overlap themselves, and such as are not there."""
    offset = min(offset, len(data))
    check(path, data, ends(data[offset:], boundary), offset, boundary=boundary)


def test_boundaries_of_formats() -> None:
    """S1: they go to other processes by their names, and have what a compiled pattern has."""
    for name in ("FASTA", "FASTQ"):
        boundary = getattr(firmmap, name)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(boundary, protocol)) is boundary
        assert copy.copy(boundary) is copy.deepcopy(boundary) is boundary
        assert repr(boundary) == f"firmmap.{name}"
        assert re.compile(boundary.pattern, boundary.flags).groups == 0
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = boundary.nothing
    records = b">one\nACGT\n>two\nAC\n"
    with firmmap.anonymous(len(records)) as m:
        m[:] = records
        assert [FASTA(m, goal) for goal in (1, 10, 11, 18)] == [10, 10, 18, 18]


def test_records_of_formats(path: Path) -> None:
    """S1: FASTA, FASTQ, log records of several lines, records of fixed size, and of a function's choice."""
    choose = random.Random(7)
    log_start = re.compile(rb"\n(?=\d{4}-)")

    def bases(most: int) -> bytes:
        return bytes(choose.choice(b"ACGTN") for _ in range(choose.randrange(1, most)))

    for _ in range(25):
        fasta = b"".join(b">s%d %s\n" % (n, b">" * choose.randrange(2)) + bases(9) + b"\n" for n in range(9))
        check(path, fasta, {0} | {found.end() for found in FASTA.finditer(fasta)}, boundary=FASTA)
        fastq, starts = b"", {0}
        for number in range(choose.randrange(12)):
            starts.add(len(fastq))
            read = bases(8)
            quality = bytes(choose.choice(b"@+>I#") for _ in read)
            fastq += b"@r%d\n%s\n+%s\n%s\n" % (number, read, choose.choice([b"", b"r"]), quality)
        check(path, fastq, starts, boundary=FASTQ)
        log = b"".join(b"2026-11-%02d\n" % n + b"  more\n" * choose.randrange(3) for n in range(1, 20))
        check(path, log, {0} | {found.end() for found in log_start.finditer(log)}, boundary=log_start)
        records = os.urandom(24 * choose.randrange(20))
        check(path, records, set(range(0, len(records) + 1, 24)), record=24)
        tens: Callable[[firmmap.MappedFile, int], int] = lambda m, goal: min(-(-goal // 10) * 10, len(m))  # noqa: E731
        check(path, records, set(range(0, len(records), 10)) | {0}, boundary=tens)
        # A match of no bytes ends where it begins.
        beginning = re.compile(rb"(?m)^(?=>)")
        check(path, fasta, {found.end() for found in beginning.finditer(fasta)}, boundary=beginning)


def test_a_file_that_others_append_to(path: Path) -> None:
    """S1: the ranges are those of the file as it was, also where a function sees more of it."""

    def by_position(m: firmmap.MappedFile, goal: int) -> int:
        m.seek(goal - 1)
        m.readline()
        return m.tell()

    ways: list[Callable[[firmmap.MappedFile, int], int]] = [
        by_position,
        lambda m, goal: goal - 1 + len(next(m.lines(goal - 1))),
        lambda m, goal: (m.find(b"\n", goal - 1) + 1) or len(m),
    ]
    for way in ways:
        path.write_bytes(b"a" * 10 + b"\n" + b"b" * 20)
        appended: list[int] = []

        def boundary(
            m: firmmap.MappedFile, goal: int, way: Callable[..., int] = way, done: list[int] = appended
        ) -> int:
            if not done:
                with path.open("ab") as file:
                    done.append(file.write(b"b" * 10 + b"\nccc\n"))
            return way(m, goal)

        assert [(r.offset, r.length) for r in split(path, 3, boundary=boundary)] == [(0, 11), (11, 20)]


def test_wrong_arguments(path: Path) -> None:
    """S1: what was wrong, with the value and what is allowed."""
    path.write_bytes(b"one\ntwo\n")
    call: Any = split
    for arguments, options, kind, words in [
        ((), {}, TypeError, "split() takes either parts or size"),
        ((2,), {"size": 2}, TypeError, "split() takes either parts or size"),
        ((2,), {"record": 4, "boundary": b"x"}, TypeError, "split() takes either boundary or record"),
        ((0,), {}, ValueError, "parts must be at least 1, not 0"),
        ((), {"size": -1}, ValueError, "size must be at least 1, not -1"),
        ((2,), {"record": 0}, ValueError, "record must be at least 1, not 0"),
        ((2,), {"record": 3}, ValueError, "the 8 bytes to split are no whole number of records of 3 bytes"),
        ((1,), {"record": 3}, ValueError, "the 8 bytes to split are no whole number of records of 3 bytes"),
        ((), {"size": 9, "record": 9}, ValueError, "the 8 bytes to split are no whole number of records of 9 bytes"),
        ((2,), {"boundary": b""}, ValueError, "boundary is empty"),
        ((2,), {"boundary": "\n"}, TypeError, "boundary must be bytes-like, a compiled pattern or a callable, not str"),
        ((2,), {"boundary": re.compile("\n")}, TypeError, "boundary must be a pattern of bytes, not of str: '\\n'"),
        ((2,), {"boundary": lambda m, goal: goal - 1}, ValueError, "a boundary at 3 is not between the goal 4 and the"),
        ((2,), {"boundary": lambda m, goal: 9}, ValueError, "a boundary at 9 is not between the goal 4 and the end 8"),
        ((2,), {"boundary": lambda m, goal: None}, TypeError, "NoneType"),
        ((1.5,), {}, TypeError, "float"),
        ((2,), {"offset": 9}, ValueError, "9"),
        ((2,), {"length": 9}, ValueError, "9"),
    ]:
        with pytest.raises(kind, match=re.escape(words)):
            call(path, *arguments, **options)
    with pytest.raises(TypeError, match="a path, which other processes can open"):
        call(0, 2)
    with pytest.raises(FileNotFoundError) as caught:
        split(path.with_name("missing"), 2)
    assert caught.value.filename == str(path.with_name("missing"))


def test_a_part_of_a_file(path: Path) -> None:
    """S1: bytes before the offset and behind the length belong to no record."""
    path.write_bytes(b"head\none\ntwo\nthree\ntail\n")
    ranges = split(path, 3, offset=5, length=14)
    assert [(one.offset, one.length) for one in ranges] == [(5, 4), (9, 10)]
    assert [list(one.lines()) for one in ranges] == [[b"one\n"], [b"two\n", b"three\n"]]


def test_ranges_are_values(path: Path) -> None:
    """S2: they pickle, compare, sort, and do not change; the path leads there from another directory too."""
    path.write_bytes(b"one\ntwo\nthree\n")
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        ranges = split(path.name, 3, check=True)
    finally:
        os.chdir(before)
    assert [one.path for one in ranges] == [str(path)] * len(ranges)
    assert pickle.loads(pickle.dumps(ranges)) == ranges == sorted(reversed(ranges))
    assert len({*ranges, *ranges}) == len(ranges) == 2
    first = ranges[0]
    # As from a row of a table: a list, or an array.
    assert first.stamp is not None
    assert FileRange(first.path, first.offset, first.length, list(first.stamp)) == first
    for size_and_time in ((1,), (1, 2, 3)):
        with pytest.raises(ValueError, match=r"stamp must be a size and a time of modification, not \(1"):
            FileRange(path, 0, 1, size_and_time)
    with pytest.raises(TypeError, match="float"):
        FileRange(path, 0, 1, (1, 2.5))  # type: ignore[arg-type]
    assert repr(first) == f"FileRange({str(path)!r}, offset=0, length=4, stamp={first.stamp})"
    assert (first == 5, first != ranges[1], len(first)) == (False, True, 4)
    with pytest.raises(AttributeError, match="cannot assign to 'offset' of a FileRange"):
        setattr(first, "offset", 1)  # noqa: B010
    with pytest.raises(AttributeError, match="cannot delete 'path' of a FileRange"):
        delattr(first, "path")
    second = ranges[1]
    with second.open() as m:
        assert (m[:], m.offset) == (b"two\nthree\n", 4)
    assert (second.count(b"o"), list(second.find_all([b"o", b"t"]))) == (1, [0, 2, 4])
    assert list(second.lines(containing=b"h", numbered=True)) == [(2, b"three\n")]
    with first.open("r+") as m:
        m[:3] = b"ONE"
    assert path.read_bytes()[:4] == b"ONE\n"
    for mode in ("w+", "a+", "x+", "rt", None):
        with pytest.raises(ValueError, match="a range is opened with mode 'r', 'r\\+' or 'c', not"):
            first.open(mode)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="offset must be at least 0, not -1"):
        FileRange(path, -1, 2)


def test_files_that_are_replaced_meanwhile(path: Path) -> None:
    """S2: the file that is mapped is the one that is compared, whatever has the path at another moment."""
    script = """
import os, sys, firmmap
path, other = sys.argv[1:]
armed = False
def hook(event, args):
    global armed
    if armed and event == "open" and os.fspath(args[0]) == path:
        armed = False
        os.replace(other, path)
sys.addaudithook(hook)
second = firmmap.split(path, 2, check=True)[1]
armed = True
try:
    second.open()
except ValueError as error:
    print("has changed since it was split" in str(error))
"""
    path.write_bytes(b"old\n" * 4)
    other = path.with_name("other")
    other.write_bytes(b"NEWFILE\n" * 400)
    command = [sys.executable, "-c", script, str(path), str(other)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "True\n", "")


def test_files_that_have_changed(path: Path) -> None:
    """S2: with check, a range refuses another length or time; without, only what is too short. No file is extended."""
    path.write_bytes(b"one\ntwo\n")
    checked, trusting = split(path, 2, check=True), split(path, 2)
    assert [list(one.lines()) for one in checked] == [[b"one\n"], [b"two\n"]]
    with path.open("ab") as file:
        file.write(b"three\n")
    with pytest.raises(ValueError, match="has changed since it was split: it had 8 bytes and has 14"):
        checked[0].open()
    assert [list(one.lines()) for one in trusting] == [[b"one\n"], [b"two\n"]]
    path.write_bytes(b"one\ntw")
    for mode in ("r", "r+", "c"):
        with pytest.raises(ValueError, match="length 4 from offset 4 reaches behind the end of the file of 6 bytes"):
            trusting[1].open(mode)
    assert path.read_bytes() == b"one\ntw"


def count_slowly(part: FileRange) -> int:
    """The lines of a range, after its file was cut off while it is mapped."""
    with part.open() as m:
        os.truncate(part.path, 0)
        return m.count(b"\n")


def test_threads_and_processes(path: Path) -> None:
    """S3: ranges run in threads and in other processes, and a fault comes back as what it is."""
    path.write_bytes(b"".join(b"%d\n" % number for number in range(100_000)))
    ranges = split(path, 4)
    assert len(ranges) == 4
    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(FileRange.count, ranges, repeat(b"\n"))) == 100_000
        found = threads.map(lambda part: list(part.lines(containing=b"99")), ranges)
        assert [*chain(*found)] == [b"%d\n" % number for number in range(100_000) if b"99" in b"%d" % number]
    # In wine 8 a ProcessPoolExecutor can stand still, whatever is called.
    with get_context("spawn").Pool(2) as processes:
        assert sum(processes.starmap(FileRange.count, zip(ranges, repeat(b"7\n")))) == 10_000
        if sys.platform != "win32":
            with pytest.raises(firmmap.MapFaultError) as caught:
                list(processes.map(count_slowly, ranges[:1]))
            assert (caught.value.offset, caught.value.filename) == (0, str(path))
