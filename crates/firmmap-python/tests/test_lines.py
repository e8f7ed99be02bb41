"""lines() of a part, by what they contain, from the last one on, with numbers; find_all() with several needles."""

from __future__ import annotations

import gc
import itertools
import os
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import firmmap
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import PAGE

# Few different bytes, so that needles are found; lines of all lengths, some longer than a page.
LINE = st.one_of(
    st.binary(max_size=6).map(lambda line: bytes(b"abc"[byte % 3] for byte in line)),
    st.integers(0, 60).map(lambda size: (b"abc" * 20)[:size]),
    st.sampled_from([PAGE - 1, PAGE, PAGE + 1, 3 * PAGE]).map(lambda size: b"b" * size + b"ca"),
)
TEXT = st.builds(lambda lines, last: b"".join(line + b"\n" for line in lines) + last, st.lists(LINE, max_size=40), LINE)
NEEDLE = st.sampled_from([b"a", b"ab", b"ca", b"bca", b"c\n", b"\n", b"aaaa", b"abcabcabcab", b""])
SEVERAL = st.lists(NEEDLE.filter(bool), min_size=2, max_size=3)
CONTAINING = st.one_of(st.none(), NEEDLE, SEVERAL, st.just([]), NEEDLE.map(lambda needle: [needle]), st.just(97))
BOUND = st.one_of(st.none(), st.integers(-30, 300), st.sampled_from([PAGE, PAGE + 1, 2 * PAGE, 10**6]))


def model(data: bytes, start: int | None, end: int | None, containing: Any) -> list[tuple[int, bytes]]:
    """What numbered lines are to be, by looking at each line."""
    first = slice(start, end).indices(len(data))[0]
    lines = re.findall(rb"[^\n]*\n|[^\n]+", data[start:end])
    numbered = list(enumerate(lines, data[:first].count(b"\n") + 1))
    if containing is None:
        return numbered
    needles = containing if isinstance(containing, list) else [containing]
    return [(number, line) for number, line in numbered if any(needle in line for needle in needles)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=TEXT, offset=st.integers(0, 5), start=BOUND, end=BOUND, containing=CONTAINING)
@example(data=b"", offset=0, start=None, end=None, containing=b"a")
@example(data=b"ab\n" * 5000, offset=1, start=None, end=None, containing=b"ab")
@example(data=b"a" * 200_000, offset=0, start=None, end=None, containing=[b"a", b"b"])
def test_lines_are_those_of_the_text(
    directory: Path, data: bytes, offset: int, start: int | None, end: int | None, containing: Any
) -> None:
    """G5: with every option, the lines that looking at each one finds."""
    path = directory / "lines"
    path.write_bytes(data)
    offset = min(offset, len(data))
    with firmmap.open(path, offset=offset) as m:
        expected = model(data[offset:], start, end, containing)
        for reverse in (False, True):
            wanted = expected[::-1] if reverse else expected
            assert list(m.lines(start, end, containing=containing, reverse=reverse, numbered=True)) == wanted
            assert list(m.lines(start, end, containing=containing, reverse=reverse)) == [line for _, line in wanted]
        assert m.tell() == 0


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=TEXT, needles=SEVERAL, start=BOUND, end=BOUND)
@example(data=b"abc" * 30_000, needles=[b"ca", b"cab", b"bca"], start=1, end=None)
def test_find_all_of_several(
    directory: Path, data: bytes, needles: list[bytes], start: int | None, end: int | None
) -> None:
    """G5: as re finds alternatives, the longest first."""
    path = directory / "places"
    path.write_bytes(data)
    pattern = b"|".join(map(re.escape, sorted(needles, key=len, reverse=True)))
    first = slice(start, end).indices(len(data))[0]
    expected = [first + found.start() for found in re.finditer(pattern, data[start:end])]
    with firmmap.open(path) as m:
        assert list(m.find_all(needles, start, end)) == expected
        assert list(m.find_all(iter(needles), start, end)) == expected


def sparse(path: Path) -> list[bytes]:
    """Lines with needles far from each other, the last without a newline."""
    lines = [b"first ERROR\n", b"second FATAL\n", b"third ERROR"]
    with path.open("wb") as file:
        file.write(lines[0])
        file.write((b"x" * 99 + b"\n") * 10_000)
        file.write(lines[1])
        file.write(b"y" * 700_000 + b"\n")
        file.write(lines[2])
    return lines


def test_far_matches(tmp_path: Path) -> None:
    """G5: what is searched without the GIL is found, numbered and ordered as what is near."""
    lines = sparse(tmp_path / "log")
    with firmmap.open(tmp_path / "log") as m:
        needles = [b"ERROR", b"FATAL"]
        numbers = [1, 10_002, 10_004]
        assert list(m.lines(containing=needles)) == lines
        assert list(m.lines(containing=needles, numbered=True)) == list(zip(numbers, lines, strict=True))
        assert list(m.lines(containing=needles, reverse=True, numbered=True)) == list(
            zip(numbers[::-1], lines[::-1], strict=True)
        )
        assert list(m.lines(containing=b"ERROR")) == [lines[0], lines[2]]
        assert list(m.find_all(needles)) == [m.find(b"ERROR"), m.find(b"FATAL"), m.rfind(b"ERROR")]
        assert len(next(m.lines(containing=b"yy"))) == 700_001
        assert next(m.lines(reverse=True)) == lines[2]


@pytest.mark.parametrize("reverse", [False, True])
def test_needles_that_are_longer_than_a_step(tmp_path: Path, reverse: bool) -> None:
    """G5: where no line has them, the search ends, although none of its steps under the GIL could hold one."""
    path = tmp_path / "log"
    size = 100_000
    last = b"z" * size
    path.write_bytes(b"x" * (2 * size) + b"\nyy\n" + last)
    with firmmap.open(path) as m:
        for containing in (b"q" * size, [b"q" * size, b"r"], b"z" * (size + 1)):
            assert list(m.lines(containing=containing, reverse=reverse)) == []
            assert list(m.lines(0, None, containing=containing, reverse=reverse, numbered=True)) == []
        assert list(m.lines(containing=last, reverse=reverse, numbered=True)) == [(3, last)]
        assert list(m.lines(0, -1, containing=last, reverse=reverse)) == []


def test_wrong_arguments(tmp_path: Path) -> None:
    """G5: what was wrong is said when lines() is called, not when the first line is asked for."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\n")
    with firmmap.open(path) as m:
        call: Any = m.lines
        for argument, words in [
            ("text", "a bytes-like object is required, not 'str'"),
            (1.5, "a bytes-like object is required, not 'float'"),
            ([b"a", "text"], "a bytes-like object is required, not 'str'"),
        ]:
            with pytest.raises(TypeError, match=words):
                call(containing=argument)
            with pytest.raises(TypeError, match=words):
                m.find_all(argument)  # type: ignore[arg-type]
        for argument, words in [
            (b"one\ntwo", "a needle has a newline before its end, so that no line can contain it"),
            ([b"a", b"\n\n"], "a needle has a newline before its end"),
            ([b"a", b""], "an empty needle among several is found everywhere"),
            (256, r"byte must be in range\(0, 256\)"),
        ]:
            with pytest.raises(ValueError, match=words):
                call(containing=argument)
        with pytest.raises(TypeError, match="slice indices must be integers or None"):
            call("1")
        with pytest.raises(TypeError, match=r"argument for lines\(\) given by name \('start'\) and position \(1\)"):
            call(1, start=1)
        with pytest.raises(TypeError, match=r"Did you mean 'containing'\?"):
            call(contain=b"a")
        assert list(call(start=4)) == list(call(4, None)) == [b"two\n"]
        assert list(call(end=2)) == [b"on"]
    with pytest.raises(ValueError, match="closed"):
        m.lines(containing=b"a")


def test_needles_are_copied(tmp_path: Path) -> None:
    """G5: a needle that changes, and an iterator that is used up, do not change what is searched for."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthree\n")
    needle = bytearray(b"t")
    with firmmap.open(path) as m:
        lines = m.lines(containing=needle)
        needle[0] = ord("x")
        assert list(lines) == [b"two\n", b"three\n"]
        assert list(m.lines(containing=(one for one in (b"on", memoryview(b"ee"))))) == [b"one\n", b"three\n"]
        assert list(m.lines(containing={ord("w"), b"n"})) == [b"one\n", b"two\n"]


@pytest.mark.parametrize("containing", [b"line", [b"line", b"xyz"], None], ids=["one", "several", "all"])
def test_changes_are_seen(tmp_path: Path, containing: Any) -> None:
    """G5: what was read ahead is not used after a change through the map, or while a view could change it."""
    path = tmp_path / "file"
    path.write_bytes(b"line 1\nline 2\nline 3\nline 4\n")
    with firmmap.open(path, "r+") as m:
        lines = m.lines(0, containing=containing)
        back = m.lines(containing=containing, reverse=True)
        assert (next(lines), next(back)) == (b"line 1\n", b"line 4\n")
        m[12:13] = b"B"
        assert next(lines) == b"line B\n"
        m[19:20] = b"C"
        assert next(back) == b"line C\n"
        with memoryview(m) as view:
            assert next(lines) == b"line C\n"
            view[12] = ord("D")
            assert next(back) == b"line D\n"
            view[26] = ord("E")
            assert next(lines) == b"line E\n"


def test_lines_follow_the_end(tmp_path: Path) -> None:
    """G5, G10: what others append is found, and a line that they complete is whole; an end that was given stays."""
    path = tmp_path / "log"
    path.write_bytes(b"a 1\na 2")
    with firmmap.open(path) as m, path.open("ab", buffering=0) as log:
        lines, bounded = m.lines(containing=b"a"), m.lines(0, len(m), containing=b"a")
        assert next(lines) == next(bounded) == b"a 1\n"
        log.write(b"2\nb\na 3")
        assert next(lines) == b"a 22\n"
        assert next(lines) == b"a 3"
        assert list(bounded) == [b"a 2"]
        assert list(lines) == []
        log.write(b"3\na 4\n")
        assert list(lines) == []
        assert list(m.lines(containing=b"a", reverse=True)) == [b"a 4\n", b"a 33\n", b"a 22\n", b"a 1\n"]


@pytest.mark.parametrize("options", [{}, {"start": 0}, {"numbered": True}, {"containing": b"a"}], ids=str)
@pytest.mark.parametrize("follow", ["seek", "write", "other writes"])
def test_lines_follow_a_map_that_has_grown_meanwhile(tmp_path: Path, options: Any, follow: str) -> None:
    """G5, G10: the end is where the file ends, also if not the iterator was the first to see it."""
    path = tmp_path / "log"
    path.write_bytes(b"a 1\na 2")
    with firmmap.open(path, "r+") as m:
        lines: Iterator[Any] = m.lines(**options)
        next(lines)
        if follow == "write":
            m.seek(0, 2)
            m.write(b"2\na 3\n")
        else:
            with path.open("ab") as log:
                log.write(b"2\na 3\n")
            if follow == "seek":
                m.seek(0, 2)
        expected = [b"a 22\n", b"a 3\n"]
        assert list(lines) == (list(enumerate(expected, 2)) if "numbered" in options else expected)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize("containing", [b"line", [b"line", b"xyz"], None], ids=["one", "several", "all"])
def test_a_truncated_file(tmp_path: Path, containing: Any) -> None:
    """F1, G5: the lines before the missing page, then the error with its offset; going on when the bytes are back."""
    path = tmp_path / "log"
    data = b"".join(b"line %8d\n" % number for number in range(5000))
    path.write_bytes(data)
    for reverse in (False, True):
        with firmmap.open(path) as m:
            lines = m.lines(0, len(m), containing=containing, reverse=reverse)
            assert next(lines) == data.splitlines(keepends=True)[-1 if reverse else 0]
            os.truncate(path, 4 * PAGE)
            found: list[bytes] = []
            with pytest.raises(firmmap.MapFaultError) as caught:
                found.extend(itertools.islice(lines, 5000))
                found.extend(lines)
            assert caught.value.offset == 4 * PAGE
            assert caught.value.filename == str(path)
            path.write_bytes(data)
            assert len(list(lines)) > 3000
        path.write_bytes(data)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
def test_lines_before_the_missing_page(tmp_path: Path) -> None:
    """F1, G5: all of the lines that are there are yielded first."""
    path = tmp_path / "log"
    path.write_bytes(b"0123456\n" * PAGE)
    with firmmap.open(path, length=8 * PAGE) as m:
        os.truncate(path, 3 * PAGE)
        for options in ({"containing": b"345"}, {"containing": [b"345", b"x"]}, {"start": 0}):
            found: list[Any] = []
            with pytest.raises(firmmap.MapFaultError):
                for line in m.lines(**options):
                    found.append(line)
            assert found == [b"0123456\n"] * (3 * PAGE // 8)
        places: list[int] = []
        with pytest.raises(firmmap.MapFaultError):
            for place in m.find_all([b"345", b"x"]):
                places.append(place)
        assert places == list(range(3, 3 * PAGE, 8))


# Each of about twenty bytes; several per block, none of them across the end of a page only by chance.
ROWS = [b"%08d kkkkkkkkkk\n" % number for number in range(600)]
ITERATORS: list[tuple[str, Any, list[Any]]] = [
    ("every", lambda m: m.lines(), ROWS),
    ("in_a_range", lambda m: m.lines(0, 12000), ROWS),
    ("containing", lambda m: m.lines(containing=b"k"), ROWS),
    ("few", lambda m: m.lines(containing=b"50 k"), ROWS[50::100]),
    ("several", lambda m: m.lines(containing=[b"k", b"0"]), ROWS),
    ("reverse", lambda m: m.lines(reverse=True), ROWS[::-1]),
    ("reverse_containing", lambda m: m.lines(containing=b"k", reverse=True), ROWS[::-1]),
    ("numbered", lambda m: m.lines(numbered=True), list(enumerate(ROWS, 1))),
    ("few_numbered", lambda m: m.lines(containing=b"50 k", numbered=True), list(enumerate(ROWS, 1))[50::100]),
    ("reverse_numbered", lambda m: m.lines(numbered=True, reverse=True), list(enumerate(ROWS, 1))[::-1]),
    ("find_all", lambda m: m.find_all(b"k\n"), list(range(18, 12000, 20))),
    ("find_all_several", lambda m: m.find_all([b"k\n", b"zz"]), list(range(18, 12000, 20))),
]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize(("make", "expected"), [pytest.param(*case[1:], id=case[0]) for case in ITERATORS])
@pytest.mark.parametrize("taken", [0, 1, 250])
@pytest.mark.parametrize("cut", [0, 933, PAGE, 5000, 2 * PAGE, 11990])
def test_nothing_is_lost_by_an_error(tmp_path: Path, make: Any, expected: list[Any], taken: int, cut: int) -> None:
    """F2, G5: an iterator that met missing bytes goes on where it was when they are back."""
    path = tmp_path / "log"
    data = b"".join(ROWS)
    path.write_bytes(data)
    found: list[Any] = []
    with firmmap.open(path, "r") as m:
        iterator = make(m)
        found.extend(itertools.islice(iterator, taken))
        os.truncate(path, cut)
        for _ in range(3):
            try:
                # One by one: what was found before an error counts.
                for item in iterator:
                    found.append(item)
                break
            except firmmap.MapFaultError:
                path.write_bytes(data)
    assert found == expected


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize(
    "options", [{}, {"containing": b"line"}, {"numbered": True}], ids=["every", "containing", "numbered"]
)
def test_a_file_that_is_cut_off_within_its_last_page(tmp_path: Path, options: Any) -> None:
    """F8, G5: no line of the zeros that the system shows there, and no number that was counted in them."""
    path = tmp_path / "log"
    data = b"".join(b"line %d\n" % number for number in range(10))
    lines = data.splitlines(keepends=True)
    for reverse, bounds, cut, before in (
        (False, (), 14, 2),
        (False, (0, len(data)), 14, 2),
        (False, (0, len(data)), 17, 2),
        (True, (), 17, 0),
        (True, (0, len(data)), 0, 0),
    ):
        path.write_bytes(data)
        with firmmap.open(path, "r") as m:
            iterator = m.lines(*bounds, reverse=reverse, **options)
            os.truncate(path, cut)
            found = []
            with pytest.raises(firmmap.MapFaultError) as caught:
                for line in iterator:
                    found.append(line)
            # What is left of a line that was cut off in the middle is no line.
            expected = list(enumerate(lines, 1)) if "numbered" in options else lines
            assert found == expected[:before]
            assert caught.value.offset in (cut, 14)
            path.write_bytes(data)
            found.extend(iterator)
            assert found == (expected[::-1] if reverse else expected)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize("length", [3000, 70_000, 3_000_000])
@pytest.mark.parametrize(
    "read",
    [
        lambda m: list(m),
        lambda m: list(m.lines()),
        lambda m: list(m.lines(1)),
        lambda m: list(m.lines(numbered=True)),
        lambda m: list(m.lines(reverse=True)),
        lambda m: m.readlines(),
        lambda m: m.readlines(1 << 30),
        lambda m: [m.readline(), m.readline()],
        lambda m: [m.readline(), m.readline(1 << 30)],
        lambda m: m.read(),
        lambda m: m.read(len(m)),
        lambda m: m.readinto(bytearray(len(m))),
        lambda m: m.peek(len(m)),
    ],
)
def test_a_last_line_that_was_cut_off(tmp_path: Path, length: int, read: Any) -> None:
    """F8, G5: the zeros in the last page are no part of it, however long it is."""
    path = tmp_path / "log"
    path.write_bytes(b"a\n" + b"x" * length)
    with firmmap.open(path, "r") as m:
        os.truncate(path, length - 100)
        if (length - 100) // PAGE == (length + 1) // PAGE:
            with pytest.raises(firmmap.MapFaultError) as caught:
                read(m)
            assert caught.value.offset == length - 100


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize("needles", [b"HERE", [b"HERE"], [b"HERE", b"THERE"]])
def test_a_match_across_the_missing_byte(tmp_path: Path, needles: Any) -> None:
    """F1, F2, G5: those before it are yielded; one that reaches into it is, once it is back."""
    path = tmp_path / "file"
    places = [100, 5000, 2 * PAGE - 200, 2 * PAGE - 2, 12000]
    data = bytearray(b"." * 20000)
    for place in places:
        data[place : place + 4] = b"HERE"
    path.write_bytes(data)
    with firmmap.open(path, "r") as m:
        iterator = m.find_all(needles)
        os.truncate(path, 2 * PAGE)
        found = list(itertools.islice(iterator, 3))
        assert found == places[:3]
        with pytest.raises(firmmap.MapFaultError):
            next(iterator)
        path.write_bytes(data)
        assert found + list(iterator) == places
        # Without having met it.
        iterator = m.find_all(needles)
        os.truncate(path, 2 * PAGE)
        found = list(itertools.islice(iterator, 3))
        path.write_bytes(data)
        assert found + list(iterator) == places


def test_threads_share_an_iterator(tmp_path: Path) -> None:
    """G5, N3: each line is yielded once, whoever asks for it."""
    path = tmp_path / "log"
    wanted = [b"%d ERROR\n" % number for number in range(200)]
    path.write_bytes(b"".join(line + b"x" * 70_000 + b"\n" for line in wanted))
    with firmmap.open(path) as m:
        for containing in (b"ERROR", [b"ERROR", b"FATAL"]):
            lines = m.lines(containing=containing, numbered=True)
            with ThreadPoolExecutor(4) as threads:
                parts = list(threads.map(lambda _, lines=lines: list(lines), range(4)))
            assert sorted(itertools.chain(*parts)) == sorted((2 * n + 1, line) for n, line in enumerate(wanted))


def test_other_threads_run_during_a_search(tmp_path: Path) -> None:
    """S3: the search for a far line does not keep the GIL."""
    path = tmp_path / "holes"
    with path.open("wb") as file:
        file.truncate(1 << 28)
        file.seek(1 << 28)
        file.write(b"\nneedle\n")
    done = threading.Event()
    ticks = 0

    def search(m: Any) -> None:
        assert list(m.lines(containing=b"needle")) == [b"needle\n"]
        assert list(m.find_all([b"needle", b"thread"])) == [(1 << 28) + 1]
        done.set()

    with firmmap.open(path) as m:
        thread = threading.Thread(target=search, args=(m,))
        interval = sys.getswitchinterval()
        # The interpreter takes the GIL from nobody meanwhile: who does not release it keeps it.
        sys.setswitchinterval(1000)
        try:
            thread.start()
            while not done.is_set() and thread.is_alive():
                ticks += 1
                done.wait(0.001)
        finally:
            sys.setswitchinterval(interval)
        thread.join()
    assert done.is_set()
    assert ticks > 1


def test_iterators_of_lines_are_iterators(tmp_path: Path) -> None:
    """G5: each is its own iterator, and ends for good."""
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    with firmmap.open(path) as m:
        lines: Iterator[bytes] = m.lines(containing=b"o", reverse=True)
        assert iter(lines) is lines
        assert (next(lines), next(lines, None), next(lines, None)) == (b"one\n", None, None)
        held = m.lines(containing=b"o")
    with pytest.raises(ValueError, match="closed"):
        next(held)


def test_needles_whose_iteration_fails(tmp_path: Path) -> None:
    """G5: what goes wrong in the iterable is raised as it is."""

    class Broken:
        def __iter__(self) -> Iterator[bytes]:
            raise RuntimeError("not today")

    with firmmap.open(tmp_path / "file", "w+") as m:
        broken: Any = Broken()
        with pytest.raises(RuntimeError, match="not today"):
            m.find_all(broken)
        with pytest.raises(RuntimeError, match="not today"):
            m.lines(containing=broken)


def test_destructors_run_between_numbered_lines(tmp_path: Path) -> None:
    """C16, N3: the garbage collector starts where nothing of the map is locked: what it runs can use the map."""
    path = tmp_path / "log"
    path.write_bytes(b"line\n" * 3000)
    outcomes: list[object] = []
    with firmmap.open(path, "r") as m:

        class Cycle:
            def __init__(self) -> None:
                self.me = self

            def __del__(self) -> None:
                try:
                    outcomes.append(m.find(b"i", 0, 100))
                except Exception as error:
                    outcomes.append(error)

        before = gc.get_threshold()
        gc.set_threshold(1)
        try:
            for _ in m.lines(containing=b"line", numbered=True):
                Cycle()
        finally:
            gc.set_threshold(*before)
            gc.collect()
    assert outcomes == [1] * 3000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cuts off no mapped file")
@pytest.mark.parametrize(
    "options",
    [{}, {"containing": b"k"}, {"containing": [b"k", b"zz"]}, {"containing": b"k", "numbered": True}],
    ids=str,
)
def test_a_cut_that_is_mended_before_the_next_page(tmp_path: Path, options: Any) -> None:
    """F1, G5: zeros in the last page of a file that was cut off hide no lines, whenever their bytes come back."""
    path = tmp_path / "log"
    data = b"".join(ROWS)
    for taken in range(0, 260, 3):
        path.write_bytes(data)
        found: list[Any] = []
        with firmmap.open(path, "r") as m:
            lines = m.lines(**options)
            found.extend(itertools.islice(lines, taken))
            os.truncate(path, PAGE + 900)
            for _ in range(3):
                try:
                    found.append(next(lines))
                except firmmap.MapFaultError:
                    break
            path.write_bytes(data)
            found.extend(lines)
        assert found == (list(enumerate(ROWS, 1)) if "numbered" in options else ROWS), taken
