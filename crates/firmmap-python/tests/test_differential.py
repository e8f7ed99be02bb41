"""The standard module and firmmap, side by side: Hypothesis drives both and compares each step.

Two files with the same bytes, or two pieces of anonymous memory, one for each side. After every
operation the results, the exceptions with their words, the positions, the lengths, the bytes of
the maps and of the files are compared. FIRMMAP_DIFFERENTIAL_OPERATIONS says how many operations
are done at least, and FIRMMAP_DIFFERENTIAL_SEED makes a run repeatable.

What differs on purpose, and how the comparison copes:

    N1  seek returns the position from 3.13 on           compared by tell() before 3.13
    N1  seekable, trackfd from 3.13 on                    used from 3.13 on
    N2  find and rfind take None from 3.14 on             None is not passed
    N2  shared anonymous memory that grows                ours must be a ValueError; not tried there
    N3  flush(flags=), set_name                           not used
    N3  size() of anonymous memory from 3.15 on           ours must be the length; not tried there
    N3  order and words of errors, from 3.15 on           see agree(); test_calls.py has what is right
    N3  __exit__ takes three arguments from 3.15 on       always given three
    N4  an empty needle behind the end                    ours must be -1; not tried there
    C3  flush(offset, None), C4 madvise(o, start, None)   None is not passed
    C3  flush(offset) alone                               only with offset 0
    C3  flush(offset, -1) is "to the end" from 3.15 on    -1 is passed as a size from 3.15 on
    C9  resize to 0 or to too much fails after the file   ours must fail and leave the file;
        has its new length                                not tried there
    B6  f(**names) of a method without names              "mmap." before its name is left out
    B9  MAP_FIXED, which ours refuses                     not passed
    B9  reading memory without PROT_READ crashes          such maps are made, shown and closed
    C15 callbacks that change the map crash               in test_callbacks.py

Nothing here makes a file shorter than a map of it that is in use: that kills the standard side.
"""

from __future__ import annotations

import mmap as standard
import operator
import os
import sys
import tempfile
from collections.abc import Callable
from types import ModuleType
from typing import Any

import firmmap
import hypothesis
import pytest
import support
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from support import ABOUT_THE_MAP, NEWEST, PAGE, agree, outcome

OPERATIONS = int(os.environ.get("FIRMMAP_DIFFERENTIAL_OPERATIONS", "15000"))
SEED = os.environ.get("FIRMMAP_DIFFERENTIAL_SEED")
STEPS = 60
MOST = 6 * PAGE

if sys.platform == "win32":
    pytest.skip("the constructor is Unix's", allow_module_level=True)


# Numbers and objects. Those with a __index__ write down that they were asked.

asked: list[Any] = []


class Logged:
    """Stands for an integer, or raises."""

    def __init__(self, value: int | None) -> None:
        self.value = value

    def __index__(self) -> int:
        asked.append(self.value)
        if self.value is None:
            raise ZeroDivisionError("in __index__")
        return self.value

    def __repr__(self) -> str:
        return f"Logged({self.value})"


LIMITS = [
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    2**64,
    -(2**200),
]
BORDERS = [PAGE - 1, PAGE, PAGE + 1, 2 * PAGE - 1, 2 * PAGE, 3 * PAGE, MOST, -PAGE, -2 * PAGE]
small = st.integers(-20, 220)
# Most are near; the others are what programs get wrong.
number: st.SearchStrategy[Any] = st.one_of(
    small, small, small, small, st.sampled_from(BORDERS), st.integers(-MOST, MOST)
)
integer = st.one_of(number, number, number, number, st.sampled_from(LIMITS))
logged = st.one_of(st.builds(Logged, integer), st.just(Logged(None)))
wrong: st.SearchStrategy[Any] = st.sampled_from([None, "1", b"1", 1.5, [], True, slice(1), object])
# Deferred, so that Hypothesis does not write it out in full wherever it is used.
argument: st.SearchStrategy[Any] = st.deferred(lambda: st.one_of(*[integer] * 8, logged, wrong))
not_none = argument.filter(lambda value: value is not None)
bound = st.one_of(st.none(), argument)
slices = st.one_of(
    st.builds(slice, st.one_of(st.none(), number), st.one_of(st.none(), number)),
    st.builds(
        slice,
        st.one_of(st.none(), number),
        st.one_of(st.none(), number),
        st.sampled_from([None, 1, 2, 3, 7, -1, -2, -5, PAGE, -PAGE]),
    ),
    st.builds(slice, bound, bound, bound),
)
letters = st.sampled_from([b"", b"a", b"\n", b"ab", b"ba", b"\0", b"aab", b"\0\0", b"b\n", b"zz"])
data = st.one_of(
    letters,
    st.binary(max_size=12),
    st.builds(lambda unit, count: unit * count, letters, st.integers(0, 300)),
    st.builds(lambda unit, count: unit * count, letters, st.sampled_from([PAGE, 2 * PAGE])),
)
KINDS: list[Callable[[bytes], Any]] = [
    bytes,
    bytes,
    bytes,
    bytearray,
    memoryview,
    lambda value: memoryview(value + value)[: len(value)],
    lambda value: memoryview(value + value)[::2],
    lambda value: memoryview(bytearray(value)),
]
bytes_like = st.builds(lambda kind, value: kind(value), st.sampled_from(KINDS), data)
payload: st.SearchStrategy[Any] = st.deferred(lambda: st.one_of(*[bytes_like] * 9, wrong, st.just(5)))
which = st.integers(0, 2)

METHODS = (
    "close find rfind flush madvise move read read_byte readline resize seek size tell write "
    "write_byte __enter__ __exit__ __len__ __repr__"
)
ADVICE = [firmmap.MADV_NORMAL, firmmap.MADV_RANDOM, firmmap.MADV_SEQUENTIAL, firmmap.MADV_WILLNEED]
if sys.platform == "linux":
    ADVICE += [firmmap.MADV_DONTNEED, firmmap.MADV_DONTFORK, firmmap.MADV_DOFORK, 50, 9999, -1]

ANONYMOUS = [kind | firmmap.MAP_ANON for kind in (firmmap.MAP_PRIVATE, firmmap.MAP_SHARED)]
FLAGS = [firmmap.MAP_SHARED, firmmap.MAP_PRIVATE, 0, *ANONYMOUS]
if sys.platform == "linux":
    FLAGS += [
        firmmap.MAP_SHARED | firmmap.MAP_POPULATE,
        firmmap.MAP_PRIVATE | firmmap.MAP_NORESERVE,
        firmmap.MAP_SHARED_VALIDATE,
    ]
PROTECTIONS = [3, 3, 3, 1, 2, 7, 5, 0, 4]


@st.composite
def constructors(draw: st.DrawFn) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """What kind of descriptor, the further arguments by position and those by name."""
    source = draw(
        st.sampled_from(
            ["file"] * 12
            + [-1] * 5
            + ["read-only", "write-only", "directory", "pipe", "/dev/zero", "/dev/null"]
            + [-2, 9999, 2**31 - 1, 2**31, "1", None, 1.5, Logged(-1), Logged(None)]
        )
    )
    length = draw(
        st.one_of(
            st.just(0),
            *[st.integers(1, 200)] * 4,
            st.integers(1, MOST),
            st.sampled_from(BORDERS),
            st.sampled_from([-1, 2**47, 2**62, *LIMITS[3:]]),
            wrong,
            st.sampled_from([Logged(10), Logged(None)]),
        )
    )
    names: dict[str, Any] = {}
    rare = st.integers(0, 3)
    if not draw(rare):
        names["flags"] = draw(st.one_of(*[st.sampled_from(FLAGS)] * 4, wrong, st.just(2**31)))
    if not draw(rare):
        names["prot"] = draw(st.one_of(*[st.sampled_from(PROTECTIONS)] * 4, wrong))
    if not draw(rare):
        names["access"] = draw(st.one_of(*[st.integers(0, 3)] * 4, st.sampled_from([4, -1]), wrong))
    if not draw(rare):
        names["offset"] = draw(
            st.one_of(
                *[st.sampled_from([0, PAGE, 2 * PAGE, 3 * PAGE])] * 3,
                st.sampled_from([1, PAGE - 1, -1, -PAGE, 100 * PAGE, 2**62, *LIMITS]),
                wrong,
                st.just(Logged(PAGE)),
            )
        )
    if sys.version_info >= (3, 13) and not draw(st.integers(0, 7)):
        names["trackfd"] = draw(st.sampled_from([True, False, 0, None]))
    if not draw(st.integers(0, 60)):
        names["surprise"] = 1
    arguments: list[Any] = []
    order = ["flags", "prot", "access", "offset"]
    if draw(st.booleans()):
        while order and order[0] in names:
            arguments.append(names.pop(order.pop(0)))
    return source, (length, *arguments), names


def same_answers(standard: tuple[support.Outcome, list[Any]], ours: tuple[support.Outcome, list[Any]]) -> bool:
    """Whether a call comes to the same, with the same callbacks."""
    asked_alike = standard[1] == ours[1]
    # Where the map was looked at first, fewer arguments were converted.
    if not NEWEST and standard[0][0] == "raised" and standard[0][2] in ABOUT_THE_MAP:
        asked_alike = ours[1][: len(standard[1])] == standard[1]
    return asked_alike and agree(standard[0], ours[0])


class Side:
    """One module, its files and its maps."""

    def __init__(self, module: ModuleType, directory: str, content: bytes) -> None:
        self.module = module
        self.maps: list[Any] = []
        self.views: list[Any] = []
        path = os.path.join(directory, module.__name__)
        with open(path, "wb") as file:
            file.write(content)
        self.fd = os.open(path, os.O_RDWR)
        self.others = {
            "file": self.fd,
            "read-only": os.open(path, os.O_RDONLY),
            "write-only": os.open(path, os.O_WRONLY),
            "directory": os.open(directory, os.O_RDONLY),
            "/dev/zero": os.open("/dev/zero", os.O_RDWR),
            "/dev/null": os.open("/dev/null", os.O_RDWR),
        }
        self.others["pipe"], self.writer = os.pipe()

    def content(self) -> bytes:
        return os.pread(self.fd, 16 * PAGE, 0)

    def end(self) -> None:
        for view in self.views:
            view.release()
        for m in self.maps:
            m.close()
        for fd in (self.writer, *self.others.values()):
            os.close(fd)


class Note:
    """What is known about a pair of maps."""

    def __init__(self, anonymous: bool, of_file: bool, private: bool, growing: bool) -> None:
        self.anonymous = anonymous
        self.of_file = of_file
        self.private = private
        self.growing = growing
        # What it has lost: there it has zeros again with firmmap, and the old bytes with the standard class.
        self.shrunk = False
        self.views = 0


class Comparison(RuleBasedStateMachine):
    """Every rule is one operation, done on both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(dir=shared_memory())
        self.sides: list[Side] = []
        self.notes: list[Note] = []
        self.operations = 0

    def teardown(self) -> None:
        for side in self.sides:
            side.end()
        self.directory.cleanup()
        support.compared += self.operations

    # The means.

    def both(self, work: Callable[[Side], object]) -> support.Outcome:
        """Does it on both sides, and compares all that can be seen."""
        results = []
        for side in self.sides:
            asked.clear()
            result = outcome(lambda side=side: work(side))  # type: ignore[misc]
            results.append((result, list(asked)))
        expected, ours = results
        assert same_answers(expected, ours), (expected, ours)
        self.compare_states()
        self.operations += 1
        return expected[0]

    def compare_states(self) -> None:
        states = []
        for side in self.sides:
            seen: list[Any] = [side.content()]
            for m in side.maps:
                seen.append(repr(m))
                if not m.closed:
                    seen += [len(m), m.tell(), m[:]]
            states.append(seen)
        assert states[1] == states[0]

    def on_map(self, which: int, work: Callable[[Any], object]) -> support.Outcome:
        """Does it with a pair of maps."""
        chosen = which % len(self.notes)

        def do(side: Side) -> object:
            result = work(side.maps[chosen])
            return "itself" if result is side.maps[chosen] else result

        return self.both(do)

    def note(self, which: int) -> Note:
        return self.notes[which % len(self.notes)]

    def ours(self, which: int) -> Any:
        return self.sides[1].maps[which % len(self.notes)]

    def file_in_use(self, but: Note | None = None) -> bool:
        """Whether there is an open map of the file, other than one."""
        return any(
            note.of_file and note is not but and not m.closed
            for note, m in zip(self.notes, self.sides[1].maps, strict=True)
        )

    has_maps = precondition(lambda self: bool(self.notes))

    # Making.

    @precondition(lambda self: not self.sides)
    @rule(
        content=st.one_of(
            *[st.builds(lambda unit, n: (unit * n)[:n], letters, st.integers(1, MOST // 2))] * 4,
            st.binary(min_size=1, max_size=300),
            st.just(b""),
        )
    )
    def begin(self, content: bytes) -> None:
        for module in (standard, firmmap):
            self.sides.append(Side(module, self.directory.name, content))

    @precondition(lambda self: self.sides and len(self.notes) < 3)
    @rule(constructor=constructors())
    def make(self, constructor: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> None:
        source, arguments, names = constructor
        given = dict(zip(("flags", "prot", "access", "offset"), arguments[1:], strict=False)) | names
        prot = given.get("prot", 3)
        if sys.version_info < (3, 13) and 1 + len(arguments) + len(names) > 6:
            return  # N1: with trackfd it is one argument more, which shows in the words.
        flags = given.get("flags", firmmap.MAP_SHARED)
        readable = prot in (True, 1, 2, 3, 5, 7)
        made: list[Any] = []
        asked.clear()

        def do(side: Side) -> object:
            fileno = side.others.get(source, source) if type(source) is str else source
            m = side.module.mmap(fileno, *arguments, **names)
            if not readable:
                with m:
                    return repr(m)
            if source == "/dev/zero" and given.get("offset"):
                m.close()
                return None
            made.append(m)
            return repr(m)

        try:
            result = outcome(lambda: do(self.sides[0]))
            first = list(asked)
            asked.clear()
            ours = outcome(lambda: do(self.sides[1]))
            assert same_answers((result, first), (ours, list(asked))), (result, ours)
        except BaseException:
            for m in made:
                m.close()
            raise
        self.operations += 1
        if made:
            for side, m in zip(self.sides, made, strict=True):
                side.maps.append(m)
            anonymous = source == -1 or isinstance(source, Logged)
            has_file = source in ("file", "read-only")
            # Growing behind the end of shared memory without a file would be a bus error.
            shared = flags & firmmap.MAP_SHARED
            grows = not shared or (has_file and not flags & firmmap.MAP_ANONYMOUS)
            self.notes.append(Note(anonymous, has_file, not shared, bool(grows)))
            self.compare_states()

    # Items and slices.

    @has_maps
    @rule(which=which, key=st.one_of(argument, slices))
    def get(self, which: int, key: Any) -> None:
        self.on_map(which, lambda m: m[key])

    @has_maps
    @rule(which=which, key=argument, value=st.one_of(st.integers(0, 255), argument))
    def set_item(self, which: int, key: Any, value: Any) -> None:
        self.on_map(which, lambda m: operator.setitem(m, key, value))

    @has_maps
    @rule(which=which, key=st.one_of(slices, slices, argument), value=payload)
    def set_slice(self, which: int, key: Any, value: Any) -> None:
        self.on_map(which, lambda m: operator.setitem(m, key, value))

    @has_maps
    @rule(which=which, key=slices, unit=st.binary(min_size=1, max_size=3), kind=st.sampled_from(KINDS))
    def set_slice_that_fits(self, which: int, key: slice, unit: bytes, kind: Callable[[bytes], Any]) -> None:
        result = outcome(lambda: len(self.sides[0].maps[which % len(self.notes)][key]))
        size = result[2] if result[0] == "returned" else 1
        value = kind((unit * size)[:size])
        self.on_map(which, lambda m: operator.setitem(m, key, value))

    @has_maps
    @rule(which=which, key=st.one_of(argument, slices))
    def delete(self, which: int, key: Any) -> None:
        self.on_map(which, lambda m: operator.delitem(m, key))

    # Methods.

    def empty_needle_behind_the_end(self, which: int, sub: Any, start: Any = None) -> bool:
        """Whether N4 decides."""
        m = self.ours(which)
        if m.closed or not isinstance(sub, bytes | bytearray | memoryview) or len(sub):
            return False
        if isinstance(start, Logged):
            start = start.value
        if start is None:
            start = m.tell()
        return isinstance(start, int) and start > len(m)

    @has_maps
    @rule(
        which=which,
        method=st.sampled_from(["find", "rfind"]),
        sub=payload,
        bounds=st.lists(not_none, max_size=2),
    )
    def search(self, which: int, method: str, sub: Any, bounds: list[Any]) -> None:
        if self.empty_needle_behind_the_end(which, sub, *bounds[:1]):
            result = outcome(lambda: getattr(self.ours(which), method)(sub, *bounds))
            assert result[0] == "raised" or result[2] == -1
        else:
            self.on_map(which, lambda m: getattr(m, method)(sub, *bounds))

    @has_maps
    @rule(which=which, arguments=st.one_of(st.just(()), st.tuples(argument)))
    def read(self, which: int, arguments: tuple[Any, ...]) -> None:
        self.on_map(which, lambda m: m.read(*arguments))

    @has_maps
    @rule(which=which, method=st.sampled_from(["readline", "read_byte", "tell", "__len__"]))
    def read_more(self, which: int, method: str) -> None:
        self.on_map(which, lambda m: getattr(m, method)())

    @has_maps
    @rule(which=which, value=payload)
    def write(self, which: int, value: Any) -> None:
        self.on_map(which, lambda m: m.write(value))

    @has_maps
    @rule(which=which, value=st.one_of(st.integers(0, 255), argument))
    def write_byte(self, which: int, value: Any) -> None:
        self.on_map(which, lambda m: m.write_byte(value))

    @has_maps
    @rule(
        which=which,
        pos=argument,
        whence=st.one_of(st.just(()), *[st.tuples(st.integers(0, 2))] * 3, st.tuples(argument)),
    )
    def seek(self, which: int, pos: Any, whence: tuple[Any, ...]) -> None:
        if sys.version_info >= (3, 13):
            self.on_map(which, lambda m: m.seek(pos, *whence))
        else:
            self.on_map(which, lambda m: (m.seek(pos, *whence), None)[1])

    @has_maps
    @rule(which=which, arguments=st.tuples(argument, argument, argument))
    def move(self, which: int, arguments: tuple[Any, ...]) -> None:
        self.on_map(which, lambda m: m.move(*arguments))

    @has_maps
    @rule(
        which=which,
        arguments=st.one_of(
            st.just(()),
            st.just((0,)),
            *[st.tuples(st.sampled_from([0, 0, PAGE, 2 * PAGE, 1, -1, -PAGE]), integer)] * 3,
            st.tuples(argument, argument),
        ),
    )
    def flush(self, which: int, arguments: tuple[Any, ...]) -> None:
        size = arguments[-1] if len(arguments) == 2 else None
        if (NEWEST or -1 not in (size, getattr(size, "value", None))) and None not in arguments[1:]:
            self.on_map(which, lambda m: m.flush(*arguments))

    @has_maps
    @rule(
        which=which,
        option=st.one_of(*[st.sampled_from(ADVICE)] * 4, wrong, st.sampled_from([2**31, 2**64])),
        arguments=st.one_of(
            st.just(()),
            st.tuples(st.sampled_from([0, PAGE, 1, -1, 2 * PAGE])),
            st.tuples(st.sampled_from([0, 0, PAGE]), integer),
            st.tuples(argument, argument),
        ),
    )
    def madvise(self, which: int, option: Any, arguments: tuple[Any, ...]) -> None:
        if None not in arguments[1:]:
            self.on_map(which, lambda m: m.madvise(option, *arguments))

    @has_maps
    @rule(
        which=which,
        size=st.one_of(
            *[st.integers(1, 300)] * 2,
            *[st.integers(1, MOST)] * 2,
            st.sampled_from(BORDERS),
            st.sampled_from([0, -1, -(2**63), -(2**63) - 1, 2**62, 2**63 - 1, 2**63, 2**64]),
            wrong,
            st.just(Logged(2 * PAGE)),
            st.just(Logged(None)),
        ),
    )
    def resize(self, which: int, size: Any) -> None:
        note, m = self.note(which), self.ours(which)
        wanted = size.value if isinstance(size, Logged) else size
        if not m.closed and isinstance(wanted, int):
            if note.of_file and self.file_in_use(but=note):
                return
            if wanted > len(m) and note.shrunk:
                return
            note.shrunk |= note.private and 0 < wanted < len(m)
            if wanted > len(m) and not note.growing:
                if note.anonymous:
                    result = outcome(lambda: m.resize(size))
                    assert result[0] == "raised"
                return
            if wanted == 0 or MOST < wanted < 2**63:
                result = outcome(lambda: m.resize(size))
                assert result[0] == "raised"
                self.compare_states()
                return
        self.on_map(which, lambda m: m.resize(size))

    @has_maps
    @rule(which=which)
    def size(self, which: int) -> None:
        note, m = self.note(which), self.ours(which)
        if note.anonymous and not m.closed and not NEWEST:
            result = outcome(m.size)
            assert result[0] == "raised" or result[2] == len(m)
        else:
            self.on_map(which, lambda m: m.size())

    # Calls that are wrong in themselves.

    @has_maps
    @rule(
        which=which,
        method=st.sampled_from(METHODS.split()),
        arguments=st.lists(st.sampled_from([b"a", "a", None, 1.5, []]), max_size=4),
    )
    def wrong_call(self, which: int, method: str, arguments: list[Any]) -> None:
        if method in ("close", "__enter__", "size", "__exit__") and not arguments:
            return
        if method in ("find", "rfind") and (None in arguments or len(arguments) < 2):
            return
        if method == "__exit__" and len(arguments) != 3 and not NEWEST:
            return
        result = self.on_map(which, lambda m: getattr(m, method)(*arguments))
        if method == "__exit__" and result[0] == "returned":
            self.closed(which)

    @has_maps
    @rule(
        which=which,
        method=st.sampled_from([name for name in METHODS.split() if name != "flush"]),
        names=st.sampled_from([{"n": 1}, {"sub": b"a"}, {"size": 5, "x": 1}]),
    )
    def wrong_names(self, which: int, method: str, names: dict[str, Any]) -> None:
        def call(m: Any) -> object:
            result = outcome(lambda: getattr(m, method)(**names))
            assert result[0] == "raised"
            return result[1], result[2].removeprefix("mmap.")

        if method != "__repr__":
            self.on_map(which, call)

    # The object.

    @has_maps
    @rule(which=which, value=st.one_of(data, wrong, small))
    def operators(self, which: int, value: Any) -> None:
        self.on_map(which, lambda m: outcome(lambda: m + value))
        self.on_map(which, lambda m: outcome(lambda: m * value))
        self.on_map(which, lambda m: outcome(lambda: (m == value, m != value, bool(m))))

    @has_maps
    @rule(which=which, value=st.one_of(st.binary(min_size=1, max_size=1), data, small))
    def contains(self, which: int, value: Any) -> None:
        m = self.ours(which)
        if m.closed or len(m) < 300:
            self.on_map(which, lambda m: value in m)
            self.on_map(which, list)

    @has_maps
    @rule(which=which)
    def whole(self, which: int) -> None:
        self.on_map(which, bytes)
        if sys.version_info >= (3, 13):
            self.on_map(which, lambda m: m.seekable())

    @has_maps
    @rule(which=which, pos=small, value=st.binary(min_size=1, max_size=5))
    def view(self, which: int, pos: int, value: bytes) -> None:
        def use(m: Any) -> object:
            view: Any
            with memoryview(m) as view:
                seen = view.readonly, view.nbytes, view.format, view.shape, view.strides
                return seen, outcome(lambda: operator.setitem(view, slice(pos, pos + 3), value))

        self.on_map(which, use)

    @has_maps
    @rule(which=which)
    def take_view(self, which: int) -> None:
        note = self.note(which)

        def take(side: Side) -> object:
            view = memoryview(side.maps[which % len(self.notes)])
            side.views.append(view)
            return view.nbytes

        if len(self.sides[0].views) < 4 and self.both(take)[0] == "returned":
            note.views += 1

    @precondition(lambda self: self.sides and self.sides[0].views)
    @rule(pos=small, byte=st.integers(-1, 256), release=st.booleans())
    def use_view(self, pos: int, byte: int, release: bool) -> None:
        self.both(lambda side: operator.setitem(side.views[-1], pos, byte))
        self.both(lambda side: side.views[-1][pos])
        if release:
            for side in self.sides:
                side.views.pop().release()

    @has_maps
    @rule(which=which)
    def read_into(self, which: int) -> None:
        def use(m: Any) -> object:
            with open("/dev/zero", "rb", buffering=0) as zeros:
                return zeros.readinto(m) if m.closed or len(m) < 100 else None

        self.on_map(which, use)

    @has_maps
    @rule(
        which=which,
        how=st.sampled_from(["close", "with", "exit", "exit with arguments", "with error"]),
        really=st.integers(0, 2),
    )
    def close(self, which: int, how: str, really: int) -> None:
        if really:
            return

        def do(m: Any) -> object:
            if how == "close":
                return m.close()
            if how == "exit":
                return m.__exit__(None, None, None)
            if how == "exit with arguments":
                return m.__exit__(None, 1, "x")
            with m as entered:
                assert entered is m
                if how == "with error":
                    raise ZeroDivisionError
            return None

        self.on_map(which, do)
        self.closed(which)

    def closed(self, which: int) -> None:
        self.on_map(which, lambda m: m.closed)

    @has_maps
    @rule(which=which)
    def forget(self, which: int) -> None:
        """A closed map makes room for another one."""
        chosen = which % len(self.notes)
        if self.ours(which).closed:
            for side in self.sides:
                del side.maps[chosen]
            del self.notes[chosen]

    # The file.

    @precondition(lambda self: self.sides)
    @rule(offset=st.integers(0, MOST), value=data)
    def write_to_file(self, offset: int, value: bytes) -> None:
        self.both(lambda side: os.pwrite(side.fd, value, min(offset, MOST)))

    @precondition(lambda self: self.sides and not self.file_in_use())
    @rule(size=st.integers(0, MOST))
    def truncate_file(self, size: int) -> None:
        self.both(lambda side: os.truncate(side.fd, size))


def shared_memory() -> str | None:
    """Where files cost least."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def test_side_by_side() -> None:
    """A, B, C, D, N: no difference but the ones named above."""
    last = support.compared + OPERATIONS
    rounds = 0
    while support.compared < last:
        machine: Any = type("Comparison", (Comparison,), {})
        if SEED is not None:
            machine = hypothesis.seed(int(SEED) + rounds)(machine)
        settings = hypothesis.settings(
            # About 50 operations each.
            max_examples=max(10, min(200, (last - support.compared) // 50)),
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            print_blob=True,
        )
        run_state_machine_as_test(machine, settings=settings)
        rounds += 1
