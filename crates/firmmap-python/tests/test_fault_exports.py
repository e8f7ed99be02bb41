"""F3: faults of whoever uses the memory of a map directly."""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import errno
import gc
import hashlib
import operator
import os
import re
import struct
import sys
import textwrap
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fault_support import (
    KINDS,
    PAGE,
    MapFaultError,
    Victim,
    areas,
    chance,
    firmmap,
    lives,
    only_linux,
    run,
    victim,
)
from support import run_alone

pytestmark = only_linux

N = 4 * PAGE
LEFT = 2 * PAGE
LOST = 3 * PAGE + 5
# Without types, which have too much to say of what is generic.
CALL: Any = operator.call
VIEW: Any = memoryview
LIBC: Any = ctypes.CDLL(None) if sys.platform == "linux" else None


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Victim]:
    with victim(tmp_path) as it:
        it.truncate(LEFT)
        yield it


def until(done: Callable[[], bool]) -> None:
    """Waits, in Python, so that this thread can be told meanwhile."""
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def address(m: Any) -> tuple[int, Any]:
    """Where the map lies, and what keeps it there."""
    holder = (ctypes.c_char * len(m)).from_buffer(m)
    return ctypes.addressof(holder), holder


# In the main thread: raised before the next statement.


def sum_of_numpy(m: Any) -> object:
    numpy = pytest.importorskip("numpy")
    return numpy.frombuffer(m, dtype="u1").sum()


def copied_by_numpy(m: Any) -> object:
    numpy = pytest.importorskip("numpy")
    return numpy.frombuffer(m, dtype="u1")[LEFT:].copy()


def by_index(m: Any) -> object:
    with memoryview(m) as view:
        value = view[LOST]
        chance()
        return value


def string_at(m: Any) -> object:
    start, _ = address(m)
    return ctypes.string_at(start + LOST, 20)


def written_by_memoryview(m: Any) -> object:
    with memoryview(m) as view:
        view[LOST] = 1
        chance()
    return None


def written_by_struct(m: Any) -> None:
    struct.pack_into("<Q", m, LOST, 1)


def written_by_c(m: Any) -> object:
    start, _ = address(m)
    return LIBC.memset(ctypes.c_void_p(start + LOST), 1, 10)


USES: list[Callable[[Any], object]] = [
    by_index,
    sum_of_numpy,
    copied_by_numpy,
    string_at,
    written_by_memoryview,
    written_by_struct,
    written_by_c,
    lambda m: bytes(memoryview(m)),
    lambda m: bytes(m),
    lambda m: bytearray(m),
    lambda m: b"".join([m]),
    lambda m: memoryview(m).tolist(),
    lambda m: memoryview(m)[LEFT:] == bytes(LEFT),
    lambda m: re.search(rb"not in there", m),
    lambda m: len(re.findall(rb"\d+\n", m)),
    lambda m: struct.unpack_from("<Q", m, LOST),
    lambda m: hashlib.sha256(m).digest(),
    lambda m: hashlib.md5(memoryview(m)[LEFT : LEFT + 100]).digest(),
    lambda m: zlib.crc32(m),
    lambda m: zlib.compress(m),
    lambda m: int.from_bytes(m, "little"),
]
NAMES = [
    *(use.__name__ for use in USES[:7]),
    *("bytes(view)", "bytes(map)", "bytearray", "join", "tolist", "compare", "search", "findall"),
    *("unpack", "sha256", "md5", "crc32", "compress", "from_bytes"),
]


@pytest.mark.parametrize("use", USES, ids=NAMES)
def test_main_thread_is_told_before_it_goes_on(one: Victim, use: Callable[[Any], object]) -> None:
    """F3, F2: no wrong number, an exception; and none any more once the file is whole again."""
    with pytest.raises(MapFaultError) as caught:
        use(one.map)
        chance()
    assert LEFT <= caught.value.offset < N
    assert caught.value.errno == errno.EIO
    del caught
    gc.collect()
    # Told once: nothing is left over for anybody else.
    assert one.map.flush() is None
    one.restore()
    assert one.map[:] == one.bytes
    use(one.map)
    chance()
    gc.collect()
    one.map.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_map_is_guarded(tmp_path: Path, kind: str) -> None:
    """F3, F2."""
    with victim(tmp_path, kind) as it:
        it.truncate(LEFT)
        with pytest.raises(MapFaultError):
            bytes(it.map)
        it.restore()
        assert bytes(it.map) == it.bytes
        it.map.close()


def test_offset_of_a_direct_access_is_exact(one: Victim) -> None:
    """F3: also where the page was touched in its middle."""
    for place in (LEFT, LEFT + 1, N - 1):
        with memoryview(one.map) as view:
            with pytest.raises(MapFaultError) as caught:
                view[place]
                chance()
            assert caught.value.offset == place
    one.map.close()


def test_lost_write_is_lost_and_said_to_be(one: Victim) -> None:
    """F3: the file does not have it, the map does not pretend to."""
    with memoryview(one.map) as view, pytest.raises(MapFaultError):
        view[LOST : LOST + 3] = b"new"
        chance()
    one.restore()
    assert one.map[LOST : LOST + 3] == one.bytes[LOST : LOST + 3]
    assert os.pread(one.fd, 3, LOST) == one.bytes[LOST : LOST + 3]
    one.map.close()


def test_faults_in_two_maps_are_told_together(one: Victim, tmp_path: Path) -> None:
    """F3: one exception for both, so that the second does not hit whoever handles the first."""
    one.restore()
    other = firmmap.mmap(one.fd, N)
    one.truncate(LEFT)
    with memoryview(one.map) as first, memoryview(other) as second:
        with pytest.raises(MapFaultError) as caught:
            first[LOST] + second[LOST + 1]
            chance()
        chance()
        text = " ".join([str(caught.value), *caught.value.__notes__])
        assert str(LOST) in text
        assert str(LOST + 1) in text
    for m in (one.map, other):
        m.flush()
        m.close()


# By the next operation, flush or close at the latest: if they come before the next bytecode
# that looks.

TELLING: dict[str, Callable[[Any], Callable[[], object]]] = {
    "flush": lambda m: m.flush,
    "close": lambda m: m.close,
    "read": lambda m: m.read,
    "read_byte": lambda m: m.read_byte,
    "readline": lambda m: m.readline,
    "index": lambda m: partial(operator.getitem, m, 0),
    "slice": lambda m: partial(operator.getitem, m, slice(0, 9, 2)),
    "assignment": lambda m: partial(operator.setitem, m, 0, 48),
    "find": lambda m: partial(m.find, b"1"),
    "rfind": lambda m: partial(m.rfind, b"1", 0, 30),
    "write": lambda m: partial(m.write, b"0"),
    "write_byte": lambda m: partial(m.write_byte, 48),
    "move": lambda m: partial(m.move, 0, 1, 1),
    "memoryview": lambda m: partial(VIEW, m),
    "resize": lambda m: partial(m.resize, N),
    "madvise": lambda m: partial(m.madvise, firmmap.MADV_NORMAL),
}


def told_by(m: Any, operation: Callable[[], object]) -> None:
    """Has a fault, an operation and a third function follow each other without a bytecode."""
    after: list[int] = []
    works: list[Any] = [partial(operator.add, b"", m), operation, partial(after.append, 1)]
    with pytest.raises(MapFaultError) as caught:
        list(map(CALL, works))
    assert after == [], "it was not the operation that has told of it"
    # Copies that C code makes may start at either end.
    assert LEFT <= caught.value.offset < N


@pytest.mark.parametrize("name", TELLING)
def test_next_operation_tells_what_nobody_was_told(one: Victim, name: str) -> None:
    """F3: it comes first; after it nothing is left to be told."""
    m = one.map
    operation = TELLING[name](m)
    told_by(m, operation)
    chance()
    if name == "close":
        assert m.closed
        return
    assert m.tell() == 0
    m.flush()
    m.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["flush", "close", "read", "find", "memoryview"])
def test_every_kind_of_map_tells(tmp_path: Path, kind: str, name: str) -> None:
    """F3: also where there is nothing to flush."""
    with victim(tmp_path, kind) as it:
        it.truncate(LEFT)
        told_by(it.map, TELLING[name](it.map))
        it.restore()
        if name != "close":
            assert it.map[:] == it.bytes
            it.map.close()


def test_operations_that_touch_nothing_tell_nothing(one: Victim) -> None:
    """F3: len(), tell(), seek(), size() and repr() work on; the main thread is told anyway."""
    m = one.map
    with pytest.raises(MapFaultError):
        b"" + m, len(m), m.tell(), m.seek(3), m.size(), repr(m)
    m.close()


# Nobody will ever call an operation again.


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """What sys.unraisablehook is given."""
    caught: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: caught.append(what.exc_value))
    return caught


def dropped(one: Victim) -> list[Any]:
    """The map, with nothing else that keeps it."""
    box = [one.map]
    one.map = None
    return box


def test_dropped_map_reports_to_the_hook(one: Victim, unraisable: list[BaseException | None]) -> None:
    """F3: bytes() has the only reference, and gives it back before the next bytecode."""
    box = dropped(one)
    result = bytes(box.pop())
    chance()
    assert len(result) == N
    assert [type(error) for error in unraisable] == [MapFaultError]
    assert isinstance(unraisable[0], MapFaultError)
    assert LEFT <= unraisable[0].offset < N


def test_dropped_map_leaves_an_exception_alone_that_is_under_way(
    one: Victim, unraisable: list[BaseException | None]
) -> None:
    """F3: float() fails for a reason of its own, and drops the map on the way."""
    box = dropped(one)
    with pytest.raises(ValueError, match="could not convert"):
        float(box.pop())
    chance()
    assert [type(error) for error in unraisable] == [MapFaultError]


def test_first_exception_of_a_process_can_be_that_one() -> None:
    """F3: nothing has to be imported for it, which fails while another exception is under way."""
    out, err = lives(
        """
        import firmmap
        file, m = mapped(firmmap)
        box = [m]
        del m
        file.truncate(0)
        try:
            float(box.pop())
        except ValueError as error:
            print("alive", error.__context__)
        """
    )
    assert out == "alive None\n"
    assert "MapFaultError" in err
    assert "panicked" not in err


def test_fault_that_there_is_no_memory_to_tell_of() -> None:
    """C16, F3: a MemoryError or the exception itself, at whichever allocation there is no more; never a panic."""
    pytest.importorskip("_testcapi", reason="this CPython comes without _testcapi, which makes allocations fail")
    out, err = lives(
        """
        import _testcapi, firmmap
        file, m = mapped(firmmap)
        view = memoryview(m)
        file.truncate(0)
        kinds = set()

        def use():
            view[5]
            for _ in range(50):
                len("")

        def attempt(start, stop):
            _testcapi.set_nomemory(start, stop)
            try:
                use()
            finally:
                _testcapi.remove_mem_hooks()
            for _ in range(50):
                len("")

        for start in range(40):
            for stop in (start + 1, 0):
                try:
                    attempt(start, stop)
                except SystemError as error:
                    # CPython 3.11 says so where there was no memory for an entry of the traceback.
                    if str(error) != "error return without exception set":
                        raise
                except BaseException as error:
                    kinds.add(type(error))
        print(sorted(kind.__name__ for kind in kinds))
        """
    )
    assert out == "['MapFaultError', 'MemoryError']\n"
    assert "panicked" not in err


def test_process_that_ends_with_an_untold_fault_says_so() -> None:
    """F3: it was the last thing that the program has done."""
    out, err = lives(
        """
        import firmmap
        file, m = mapped(firmmap)
        file.truncate(0)
        print("alive")
        total = b"" + m
        """
    )
    assert out == "alive\n"
    assert "MapFaultError" in err
    assert "SystemError" not in err


# What the main thread does next is none of the program's code, and an exception there would be lost.

LOSE = """
import firmmap, operator
file, m = {made}
view = memoryview(m)
file.truncate(PAGE)
def lose():
    view[2 * PAGE + 5] = 7
def told(what):
    print("hook", what.exc_type.__name__, getattr(what.exc_value, "offset", None) == 2 * PAGE + 5, flush=True)
"""
MADE = {
    "mmap": "mapped(firmmap)",
    "open": "(lambda file: (file, firmmap.open(file.fileno(), 'r+')))(make())",
    "open without the file": "(lambda file: (file, firmmap.open(file.fileno(), 'r+', keep_file=False)))(make())",
    "copy": "(lambda file: (file, firmmap.open(file.fileno(), 'c')))(make())",
}


def losing(script: str, made: str = MADE["mmap"]) -> str:
    """A program that can lose a write."""
    return LOSE.replace("{made}", made) + textwrap.dedent(script)


@pytest.mark.parametrize("loads", ["", "import traceback"], ids=["", "traceback was imported"])
@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_lost_write_before_an_uncaught_exception(tmp_path: Path, made: str, loads: str) -> None:
    """F3: sys.unraisablehook is called, and the exception is shown as without the lost write."""
    (tmp_path / "divides.py").write_text(
        "def divide(x, lose):\n    if lose:\n        lose()\n    return 10 // x  # a line of the source\n"
    )
    script = f"""
    {loads}
    sys.unraisablehook = told
    sys.path.insert(0, {str(tmp_path)!r})
    sys.dont_write_bytecode = True
    from divides import divide
    divide(0, LOSES)
    """
    with_loss, without = (run(losing(script, made).replace("LOSES", loses)) for loses in ("lose", "None"))
    assert (with_loss.stdout, without.stdout) == ("hook MapFaultError True\n", "")
    assert "# a line of the source" in without.stderr
    assert with_loss.stderr.replace("lose", "None") == without.stderr
    assert with_loss.returncode == without.returncode == 1


SHOWN = {
    "sys.unraisablehook": "lose(); 1 / 0",
    "sys.excepthook": "sys.excepthook = lambda *what: print(what[0], file=sys.stderr)\nlose(); 1 / 0",
    "sys.stderr": """
        class Copies:
            def write(self, text):
                return self.pass_on(text)
            def pass_on(self, text):
                return sys.__stderr__.write(text)
            def flush(self):
                sys.__stderr__.flush()
        sys.stderr = Copies()
        lose(); 1 / 0
        """,
    "thread": """
        import _thread, time
        def work():
            lose(); 1 / 0
        _thread.start_new_thread(work, ())
        time.sleep(0.5)
        lose = None
        sys.exit(1)
        """,
    "thread of threading": """
        import threading
        def work():
            lose(); 1 / 0
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        sys.exit(1)
        """,
}


@pytest.mark.parametrize("name", SHOWN)
def test_lost_write_is_shown_beside_an_uncaught_exception(name: str) -> None:
    """F3: once, whatever shows the two."""
    result = run(losing(SHOWN[name]))
    assert result.returncode == 1
    assert result.stderr.count("firmmap.MapFaultError: ") == 1, result.stderr
    assert "ZeroDivisionError" in result.stderr or (name == "thread of threading" and sys.version_info < (3, 15))


@pytest.mark.parametrize("loads", ["", "import traceback"], ids=["", "traceback was imported"])
def test_lost_write_before_an_exception_that_is_ignored(loads: str) -> None:
    """F3: CPython shows the one of a destructor; the other is raised after that, or shown as well."""
    script = f"""
    {loads}
    class Bad:
        def __del__(self):
            lose(); 1 / 0
    def work():
        try:
            bad = Bad()
            del bad
            for _ in range(3):
                pass
        except firmmap.MapFaultError as error:
            sys.stderr.write(f"firmmap.MapFaultError: {{error}}")
    work()
    """
    err = lives(losing(script))[1]
    assert err.count("firmmap.MapFaultError: ") == 1, err
    assert err.count("ZeroDivisionError: ") == 1, err


CALLED = {
    "a text file is read": ("text = open(__file__)", "text.readline()", True),
    "a module is imported": ("", "import loops", False),
    "an exception is shown": ("import traceback", "traceback.print_stack()", False),
}


@pytest.mark.parametrize("name", CALLED)
def test_library_code_that_the_program_has_called(tmp_path: Path, name: str) -> None:
    """F3: the exception arrives in the program; where library code could drop it, after that code."""
    before, call, is_after_it = CALLED[name]
    script = f"""
    sys.path.insert(0, {str(tmp_path)!r})
    __file__ = {str(tmp_path / "loops.py")!r}
    with open(__file__, "w") as text:
        text.write("for _ in range(3): pass\\n")
    {before}
    def work():
        try:
            lose(); {call}
            for _ in range(3):
                pass
        except firmmap.MapFaultError as error:
            print(error.offset == 2 * PAGE + 5, error.__traceback__.tb_next is None)
    work()
    """
    assert lives(losing(script), "-W", "ignore") == (f"True {is_after_it}\n", "")


LOOPS = {
    "the coroutine ends": ("lose()", "hook MapFaultError True\nNone\n"),
    "the coroutine calls": ("lose(); await asyncio.sleep(0)", "told True\n"),
    "the coroutine wakes another": ("await waking()", "woken by 1\ntold True\n"),
    "a callback": (
        "asyncio.get_running_loop().call_soon(lose); await asyncio.sleep(0); return 'goes on'",
        "hook MapFaultError True\ngoes on\n",
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_event_loop_goes_on(name: str) -> None:
    """F3: what no coroutine can be told goes to sys.unraisablehook, and the loop ends as it should."""
    body, expected = LOOPS[name]
    script = f"""
    import asyncio, faulthandler
    faulthandler.dump_traceback_later(60, exit=True)
    sys.unraisablehook = told
    async def wait(future):
        print("woken by", await future)
    async def waking():
        future = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(wait(future))
        await asyncio.sleep(0)
        try:
            lose(); future.set_result(1)
            for _ in range(3):
                pass
        finally:
            await waiting
    async def main():
        {body}
    try:
        print(asyncio.run(main()))
    except firmmap.MapFaultError as error:
        print("told", error.offset == 2 * PAGE + 5)
    """
    assert lives(losing(script)) == (expected, "")


@pytest.mark.parametrize("library", ["asyncio.futures", "weakref"])
def test_event_loop_in_c_goes_on(library: str) -> None:
    """F3: as uvloop's, which has no frames; what it calls next is not interrupted, or a task would wait for ever."""
    script = f"""
    import asyncio, functools, weakref
    from operator import call
    sys.unraisablehook = told
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    known = weakref.WeakValueDictionary(future=future)
    after = {{
        "asyncio.futures": functools.partial(asyncio.futures._set_result_unless_cancelled, future, "goes on"),
        "weakref": functools.partial(known.__contains__, "future"),
    }}["{library}"]
    # Calls both, of whose results the first that is true would end it.
    loop.run_until_complete = functools.partial(next, filter(None, map(call, [lose, after])))
    async def main():
        pass
    runner = asyncio.Runner(loop_factory=lambda: loop)
    try:
        runner.run(main())
    except firmmap.MapFaultError:
        print("the loop ended")
    print(future.done() or "{library}" == "weakref", flush=True)
    os._exit(0)
    """
    assert lives(losing(script)) == ("hook MapFaultError True\nTrue\n", "")


def test_lost_write_at_the_end_of_a_child_of_multiprocessing() -> None:
    """F3: it says what it has lost, and that it has failed."""
    script = """
    import multiprocessing
    child = multiprocessing.get_context("fork").Process(target=lose)
    child.start()
    child.join()
    print(child.exitcode)
    """
    out, err = lives(losing(script), "-W", "ignore")
    assert out == "1\n"
    assert err.count("firmmap.MapFaultError: ") == 1, err


def test_threads_are_waited_for_after_a_lost_write() -> None:
    """F3: the program's last act; CPython waits for its threads all the same."""
    script = """
    import threading, time
    def work():
        time.sleep(0.5)
        print("has ended")
    threading.Thread(target=work).start()
    lose()
    """
    out, err = lives(losing(script))
    assert out == "has ended\n"
    assert err.count("firmmap.MapFaultError: ") == 1, err


def test_names_of_modules_run_no_code(one: Victim) -> None:
    """F3: what a thread is doing is found out without its module's help."""
    called: list[bool] = []

    class Name(str):
        __slots__ = ()

        def __hash__(self) -> int:
            called.append(True)
            return super().__hash__()

        def __eq__(self, other: object) -> bool:
            called.append(True)
            return super().__eq__(other)

    program: dict[str, Any] = {"__name__": Name("threading"), "crc32": zlib.crc32, "sleep": time.sleep}
    exec("def work(m):\n    crc32(m)\n    for _ in range(2000):\n        sleep(0.001)\n", program)
    called.clear()
    caught = in_thread(lambda: program["work"](one.map))
    assert [type(error).__name__ for error in caught] == ["MapFaultError"]
    assert called == []


# In other threads.


def in_thread(work: Callable[[], object], *, is_python: bool = True) -> list[BaseException]:
    """Runs work in a new thread, while this one is busy in Python. What was raised in it."""
    caught: list[BaseException] = []
    done = []

    def run() -> None:
        try:
            work()
            chance()
        except BaseException as error:
            caught.append(error)
        finally:
            done.append(True)

    _thread.start_new_thread(run, ())
    until(lambda: bool(done))
    return caught


HOLDING: dict[str, Callable[[Any], object]] = {
    "index": by_index,
    "bytes": bytes,
    "search": lambda m: re.search(rb"not in there", m),
    "struct": lambda m: struct.pack_into("<Q", m, LOST, 1),
    "write": written_by_memoryview,
}


@pytest.mark.parametrize("name", HOLDING)
def test_thread_that_holds_the_gil_is_told_before_it_goes_on(one: Victim, name: str) -> None:
    """F3: there, and nowhere else."""
    for _ in range(5):
        caught = in_thread(lambda: HOLDING[name](one.map))
        assert [type(error).__name__ for error in caught] == ["MapFaultError"]
        assert isinstance(caught[0], MapFaultError)
        assert LEFT <= caught[0].offset < N
        del caught
        gc.collect()
        one.map.flush()
    one.restore()
    assert in_thread(lambda: HOLDING[name](one.map)) == []
    gc.collect()
    one.map.close()


def test_thread_is_told_while_the_main_thread_waits(one: Victim) -> None:
    """F3: it needs nobody's help for that."""
    told: list[int] = []

    def work() -> None:
        for _ in range(20):
            try:
                bytes(one.map)
                chance()
            except MapFaultError as error:
                told.append(error.offset)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(told) == 20
    assert all(LEFT <= offset < N for offset in told)
    one.map.flush()
    one.map.close()


def test_thread_that_has_let_go_of_the_gil_is_told(one: Victim) -> None:
    """F3: in the middle of a call into C, of which the main thread learns first."""
    start, holder = address(one.map)
    buffer = ctypes.create_string_buffer(N)
    told = 0
    for _ in range(100):
        caught: list[BaseException] = []
        try:
            caught = in_thread(lambda: LIBC.memcpy(buffer, ctypes.c_void_p(start), N))
        except MapFaultError:
            # The thread had come to its end before it could be told.
            told += 1
        told += len(caught)
        assert all(isinstance(error, MapFaultError) for error in caught)
    assert told == 100
    one.map.flush()
    del holder
    gc.collect()
    one.map.close()


def test_fault_of_a_thread_that_is_gone_is_told_in_the_main_thread(one: Victim) -> None:
    """F3: this one has never run any Python."""
    start, holder = address(one.map)
    thread = ctypes.c_ulong()
    with pytest.raises(MapFaultError) as caught:
        arguments = (LIBC.strlen, ctypes.c_void_p(start + LOST))
        assert LIBC.pthread_create(ctypes.byref(thread), None, *arguments) == 0
        LIBC.pthread_join(thread, None)
        until(lambda: False)
    assert caught.value.offset == LOST
    one.map.flush()
    del holder
    gc.collect()
    one.map.close()


def test_new_thread_is_not_told_of_what_an_old_one_has_met(one: Victim) -> None:
    """F3: the system gives the number of a thread that is gone to the next one."""
    start, holder = address(one.map)

    def work() -> None:
        chance()
        chance()

    told = 0
    for _ in range(50):
        thread = ctypes.c_ulong()
        try:
            assert LIBC.pthread_create(ctypes.byref(thread), None, LIBC.strlen, ctypes.c_void_p(start + LOST)) == 0
            LIBC.pthread_join(thread, None)
            assert in_thread(work) == []
        except MapFaultError:
            told += 1
    assert told == 50
    del holder
    gc.collect()
    one.map.close()


def test_operation_in_another_thread_does_not_take_the_report_away(one: Victim) -> None:
    """F3: both are told, the thread with the operation and the one that has met the fault."""
    start, holder = address(one.map)
    buffer = ctypes.create_string_buffer(N)
    ends = threading.Event()

    def poke() -> None:
        while not ends.is_set():
            with contextlib.suppress(MapFaultError):
                one.map[0]

    thread = threading.Thread(target=poke)
    thread.start()
    silent = 0
    try:
        for _ in range(200):
            try:
                LIBC.memcpy(buffer, ctypes.c_void_p(start + N - 1), 1)
                chance()
                silent += 1
            except MapFaultError:
                pass
    finally:
        ends.set()
        thread.join()
    assert silent == 0
    del holder
    gc.collect()
    one.map.close()


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: type[BaseException]) -> None:
    """Has what makes the exception for a fault end in another one."""

    def interrupted(*_: object) -> None:
        monkeypatch.undo()
        raise error

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize("way", ["next", "fork"])
def test_another_exception_while_that_of_the_fault_is_made(
    one: Victim, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F3: one of a signal handler, say, is raised first; and then the fault is told."""

    def work() -> None:
        try:
            view[LOST] = 7
            if way == "fork":
                firmmap._firmmap._tell_faults()
            chance()
        except KeyboardInterrupt:
            chance()
            chance()

    view = memoryview(one.map)
    fail_once(monkeypatch, firmmap._faults, "MapFaultError", KeyboardInterrupt)
    with pytest.raises(MapFaultError) as caught:
        work()
    assert caught.value.offset == LOST
    assert isinstance(caught.value.__context__, KeyboardInterrupt)
    view.release()
    one.map.flush()
    one.map.close()


@pytest.mark.parametrize("way", ["release", "operation"])
def test_another_exception_while_that_of_a_thread_is_made(
    one: Victim, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F3: one of the recursion limit, say; the fault is told when the thread releases its view, or uses the map."""

    def work() -> list[str]:
        seen = []
        view = memoryview(one.map)
        try:
            view[LOST] = 7
            chance()
        except RecursionError:
            seen.append("interrupted")
        try:
            if way == "release":
                view.release()
            else:
                one.map.read(1)
            chance()
        except MapFaultError as error:
            seen.append(f"told of {error.offset}")
        view.release()
        chance()
        return seen

    fail_once(monkeypatch, firmmap._faults._LateFault, "__init__", RecursionError)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == ["interrupted", f"told of {LOST}"]
    one.map.flush()
    one.map.close()


def test_a_hook_that_keeps_exceptions() -> None:
    """F3: the thread is told of each fault, also of one just before the exception for another one is dropped."""
    out, err = lives("""
        import firmmap, threading
        kept, told, maps = [], [], []
        sys.unraisablehook = lambda unraisable: kept.append(unraisable.exc_value)

        def missing():
            file, m = mapped(firmmap)
            file.truncate(0)
            maps.append((file, m))
            return memoryview(m)

        def meet_two(first, second):
            try:
                first[0]
                int("3")
            except firmmap.MapFaultError as error:
                told.append(error.offset)
                second[PAGE]

        def work():
            for _ in range(40):
                try:
                    meet_two(missing(), missing())
                    int("3")
                except firmmap.MapFaultError as error:
                    kept.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        print(told == [0] * 40, [error.offset == PAGE for error in kept] == [True] * 40)
        """)
    assert (out, err) == ("True True\n", "")


def test_exceptions_that_another_thread_drops(one: Victim) -> None:
    """F3: the thread is told of each fault, however many there are."""
    count = 17_000
    box: list[MapFaultError] = []
    filled, emptied = threading.Lock(), threading.Lock()

    def work() -> None:
        for _ in range(count):
            try:
                view[LOST]
                chance()
            except MapFaultError as error:
                box.append(error)
            filled.release()
            emptied.acquire()

    view = memoryview(one.map)
    for lock in filled, emptied:
        lock.acquire()
    thread = threading.Thread(target=work)
    thread.start()
    told = 0
    for _ in range(count):
        filled.acquire()
        told += len(box)
        box.clear()
        emptied.release()
    thread.join()
    assert told == count
    view.release()


@pytest.mark.parametrize("what", ["other map", "other byte", "reported"])
def test_what_happens_while_the_exception_is_made(
    one: Victim, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F3: a further fault, as in a signal handler, is told too; and nothing is told twice."""
    (tmp_path / "b").mkdir()
    note = firmmap._faults._note

    with victim(tmp_path / "b") as other:
        other.truncate(LEFT)
        view, second = memoryview(one.map), memoryview(other.map)

        def handled(*args: Any) -> None:
            monkeypatch.undo()
            if what == "other map":
                second[LOST] = 8
            elif what == "other byte":
                view[LOST + 1] = 8
            else:
                with pytest.raises(MapFaultError):
                    one.map.flush()
            note(*args)

        def work() -> None:
            try:
                view[LOST] = 7
                chance()
            except MapFaultError:
                chance()
                chance()

        monkeypatch.setattr(firmmap._faults, "_note", handled)
        if what == "reported":
            work()
        else:
            with pytest.raises(MapFaultError) as caught:
                work()
            first = caught.value.__context__
            assert isinstance(first, MapFaultError)
            assert (first.offset, caught.value.offset) == (LOST, LOST)
        for m, v in ((one.map, view), (other.map, second)):
            v.release()
            m.flush()
            m.close()


def test_another_exception_at_the_end_of_the_program() -> None:
    """F3: both are shown."""
    program = """
        import firmmap
        file, m = mapped(firmmap)
        view = memoryview(m)
        file.truncate(PAGE)
        late = firmmap._faults
        error = late.MapFaultError
        def interrupted(*_):
            late.MapFaultError = error
            raise KeyboardInterrupt
        late.MapFaultError = interrupted
        view[PAGE] = 7
    """
    shown = run(program).stderr
    assert "KeyboardInterrupt" in shown, shown
    assert f"the mapped byte at {PAGE} is not there" in shown, shown
    assert "SystemError" not in shown, shown


def test_large_operation_in_another_thread_does_not_either(tmp_path: Path) -> None:
    """F3: not even while it is under way, without the GIL."""
    length = 64 * 2**20
    path = tmp_path / "large"
    with path.open("w+b") as file:
        file.truncate(length)
        m = firmmap.mmap(file.fileno(), 0)
        start, holder = address(m)
        file.truncate(length - 4 * PAGE)
        ends = threading.Event()

        def search() -> None:
            while not ends.is_set():
                with contextlib.suppress(MapFaultError):
                    m.find(b"x", 0, length - 8 * PAGE)

        thread = threading.Thread(target=search)
        thread.start()
        silent = 0
        buffer = ctypes.create_string_buffer(8)
        try:
            for _ in range(100):
                try:
                    LIBC.memcpy(buffer, ctypes.c_void_p(start + length - 8), 8)
                    chance()
                    silent += 1
                except MapFaultError:
                    pass
        finally:
            ends.set()
            thread.join()
        assert silent == 0
        del holder
        gc.collect()
        m.close()


def test_pool_of_threads_goes_on(one: Victim) -> None:
    """F3: a task fails, or who waits for it; no worker dies, no task is lost, nobody hangs."""
    start, holder = address(one.map)
    buffer = ctypes.create_string_buffer(N)

    def task(_: int) -> int:
        LIBC.memcpy(buffer, ctypes.c_void_p(start), N)
        return buffer[0][0]

    told = 0
    pool = ThreadPoolExecutor(2)
    for turn in range(50):
        try:
            futures = [pool.submit(task, number) for number in range(4)]
            done, missing = wait_for(futures, timeout=60)
            assert not missing, turn
            told += sum(isinstance(future.exception(), MapFaultError) for future in done)
        except MapFaultError:
            told += 1
    with contextlib.suppress(MapFaultError):
        pool.shutdown()
    assert told >= 25
    with contextlib.suppress(MapFaultError):
        one.map.flush()
    del holder
    gc.collect()
    one.map.close()


def test_operation_that_tells_takes_back_what_was_asked_for(one: Victim) -> None:
    """F3: a thread is told once, not a second time in the middle of its handling of the first."""
    m = one.map
    log: list[str] = []

    def work() -> None:
        for _ in range(20):
            try:
                b"" + m, m[LOST]
            except MapFaultError:
                try:
                    chance()
                    log.append("once")
                except MapFaultError:
                    log.append("twice")

    assert in_thread(work) == []
    assert log == ["once"] * 20
    m.close()


# What is not a fault.


def test_system_calls_on_missing_pages_fail_by_themselves(one: Victim) -> None:
    """F3: the kernel tells its caller: EFAULT, or how far it has come. The process lives."""
    with memoryview(one.map) as view:
        reader, writer = os.pipe()
        try:
            with pytest.raises(OSError, match="Bad address") as caught:
                os.write(writer, view[LOST:])
            assert caught.value.errno == errno.EFAULT
            os.write(writer, b"123")
            with pytest.raises(OSError, match="Bad address"):
                os.readv(reader, [view[LOST:]])
        finally:
            os.close(reader)
            os.close(writer)
    one.map.flush()
    one.map.close()


def test_copies_between_maps_and_buffers(one: Victim) -> None:
    """F1, F3: an argument that lies in a map, of whichever object, is memory used directly."""
    whole = firmmap.mmap(-1, N)
    with memoryview(one.map) as view:
        works: list[Callable[[], object]] = [
            partial(whole.write, view),
            partial(operator.setitem, whole, slice(0, N), view),
            lambda: whole.find(view[LEFT : LEFT + 40]),
        ]
        for work in works:
            with pytest.raises(MapFaultError):
                work()
                chance()
            whole.seek(0)
        with pytest.raises(MapFaultError):
            one.map[:PAGE] = view[LEFT : LEFT + PAGE]
            chance()
    one.map.flush()
    one.map.close()
    whole.close()


ENDED_THREADS = """
import _thread, contextlib, firmmap, operator, os, tempfile, threading, time, zlib
from functools import partial
PAGE, THREADS = firmmap.PAGESIZE, 600
fd, path = tempfile.mkstemp()
os.unlink(path)
os.truncate(fd, 4 * PAGE)
maps = [firmmap.mmap(fd, 0) for _ in range(THREADS)]
views = [memoryview(m) for m in maps]
parts = [view[-4096:] for view in views]
os.truncate(fd, 0)
gate = threading.Lock()
gate.acquire()
ended = []
for part in parts:
    # One call from C to the next: the thread ends without a bytecode at which its exception could be raised.
    steps = [partial(zlib.crc32, part), gate.acquire, gate.release, partial(ended.append, part)]
    _thread.start_new_thread(partial(list, map(operator.call, steps)), ())
time.sleep(0.5)
gate.release()
while len(ended) < THREADS:
    time.sleep(0.01)
for view in parts + views:
    view.release()
for m in maps:
    with contextlib.suppress(firmmap.MapFaultError):
        m.close()

os.write(fd, b"a" * (PAGE - 2) + b"<>" + b"-" * PAGE)
m = firmmap.mmap(fd, 0)
os.truncate(fd, PAGE)

def search():
    for start in range(0, 128, 7):
        assert m.find(b"<>", start) == PAGE - 2
        len("")
    found.append(True)

found = []
# Threads have numbers that others had; one of so many has a number of its own.
waits = threading.Event()
threads = [threading.Thread(target=waits.wait) for _ in range(THREADS)]
for thread in threads:
    thread.start()
searching = threading.Thread(target=search)
searching.start()
searching.join()
waits.set()
for thread in threads:
    thread.join()
print(found)
"""


def test_threads_that_have_ended_are_in_nobodys_way() -> None:
    """F1, F3: however many have ended before they were told of a fault, a search that succeeds is none."""
    out, err = lives(ENDED_THREADS)
    assert (out, err) == ("[True]\n", "")


SEARCHED = """
import _thread, firmmap, operator, os, sys, tempfile, threading, warnings
from functools import partial
PAGE = firmmap.PAGESIZE
def mapped(data):
    file = tempfile.TemporaryFile()
    file.write(data)
    file.flush()
    return file, firmmap.mmap(file.fileno(), 0)
file, m = mapped(b"x" * 4 * PAGE)
view = memoryview(m)[2 * PAGE : 2 * PAGE + 100]
file.truncate(0)
near, far = mapped(b"a" * (PAGE - 2) + b"<>" + b"-" * PAGE)
near.truncate(PAGE)

def search(told):
    "Nothing that this thread asks for is missing, though the searches meet what is behind the match."
    try:
        for start in range(0, 128, 7):
            assert far.find(b"<>", start) == PAGE - 2
            len("")
    except firmmap.MapFaultError as error:
        told.append(error.offset)

"""


def test_search_in_a_thread_with_the_address_of_one_that_has_ended() -> None:
    """F1, F3: what that one has met in a view is not told to another one, whose searches succeed."""
    script = """
    done = threading.Lock()
    done.acquire()
    # One call from C to the next: the thread ends without a bytecode at which its exception could be raised.
    steps = [partial(bytes, view), _thread.get_ident, done.release]
    _thread.start_new_thread(partial(list, map(operator.call, steps)), ())
    done.acquire()
    told = []
    for _ in range(20):
        thread = threading.Thread(target=search, args=(told,))
        thread.start()
        thread.join()
    print(told)
    view.release()
    try:
        m.close()
    except firmmap.MapFaultError as error:
        print(error.offset == 2 * PAGE)
    """
    assert lives(SEARCHED + textwrap.dedent(script)) == ("[]\nTrue\n", "")


def test_child_is_not_told_of_what_threads_of_its_parent_have_met() -> None:
    """F1, F3: they are told themselves; in the child the fault stays with the map."""
    script = """
    warnings.simplefilter("ignore")
    met, go_on = threading.Lock(), threading.Lock()
    met.acquire()
    go_on.acquire()
    def work():
        try:
            list(map(operator.call, [partial(bytes, view), met.release, go_on.acquire]))
            len("")
        except firmmap.MapFaultError as error:
            print("the thread", error.offset == 2 * PAGE, flush=True)
    thread = threading.Thread(target=work)
    thread.start()
    met.acquire()
    child = os.fork()
    if child == 0:
        told = []
        search(told)
        for _ in range(20):
            thread = threading.Thread(target=search, args=(told,))
            thread.start()
            thread.join()
        print("the child", told, flush=True)
        try:
            m.find(b"x", 0, 1)
        except firmmap.MapFaultError as error:
            print("its map", error.offset == 2 * PAGE, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    go_on.release()
    thread.join()
    """
    out, err = lives(SEARCHED + textwrap.dedent(script))
    assert (out, err) == ("the child []\nits map True\nthe thread True\n", "")


def test_exception_that_the_program_requests_stays() -> None:
    """F3: an operation that tells of a fault withdraws what was requested for that, and nothing else."""
    script = """
    import ctypes
    class Stop(BaseException):
        pass
    request = ctypes.pythonapi.PyThreadState_SetAsyncExc
    request.argtypes = [ctypes.c_ulong, ctypes.py_object]
    done = threading.Lock()
    done.acquire()
    # A thread that ends with an exception requested, and gives its address to the next one.
    steps = [partial(bytes, view), done.release]
    _thread.start_new_thread(partial(list, map(operator.call, steps)), ())
    done.acquire()
    view.release()
    try:
        m.close()
    except firmmap.MapFaultError:
        pass
    # The search goes on without the GIL before it comes to what is missing.
    file, m = mapped(b"x" * (1 << 20))
    file.truncate(1 << 19)
    stopped = []
    def work():
        try:
            try:
                # From C to C: between the two nothing can be raised.
                list(map(operator.call, [partial(request, threading.get_ident(), Stop), partial(m.find, b"z")]))
            except firmmap.MapFaultError:
                pass
            for _ in range(50):
                len("")
        except Stop:
            stopped.append(True)
    for _ in range(20):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    print(len(stopped) == 20)
    """
    assert lives(SEARCHED + textwrap.dedent(script)) == ("True\n", "")


def test_fault_before_a_fork_is_told_by_it() -> None:
    """F3: os.fork() raises, and does not fork: hooks of other modules are not called, which would be cut short."""
    script = """
    import os, sys
    called = []
    def hook(name):
        def call():
            for _ in range(3):
                pass
            called.append(name)
        return call
    os.register_at_fork(before=hook("before"), after_in_parent=hook("parent"), after_in_child=hook("child"))
    import firmmap
    os.register_at_fork(after_in_parent=hook("parent later"), after_in_child=hook("child later"))
    sys.unraisablehook = lambda what: print("unraisable", what.exc_value, flush=True)
    file, m = mapped(firmmap)
    view = memoryview(m)
    file.truncate(PAGE)
    parent = os.getpid()
    try:
        view[2 * PAGE + 5], os.fork()
        told = None
    except firmmap.MapFaultError as error:
        told = error.offset == 2 * PAGE + 5
    print(told, os.getpid() == parent, *called, flush=True)
    child = os.fork()
    if child != 0:
        assert os.waitpid(child, 0)[1] == 0
    print(*called, sep=", ", flush=True)
    os._exit(0)
    """
    out, err = lives(script)
    assert err == ""
    assert out.splitlines() == ["True True", "before, child, child later", "before, parent, parent later"]


def test_fault_of_another_thread_while_hooks_are_called() -> None:
    """F3: it is told there, though the main thread is in a function that is called before a fork."""
    script = """
    import os, threading, time, zlib
    import firmmap
    def hook():
        for _ in range(200):
            time.sleep(0.001)
    file, m = mapped(firmmap)
    view = memoryview(m)
    file.truncate(PAGE)
    told = []
    def work():
        try:
            zlib.crc32(view)
            for _ in range(2000):
                time.sleep(0.001)
        except firmmap.MapFaultError as error:
            told.append(error.offset >= PAGE)
    thread = threading.Thread(target=work)
    os.register_at_fork(before=lambda: (thread.start(), hook()))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    thread.join()
    print(told)
    """
    out, err = lives(script, "-W", "ignore")
    assert (out, err) == ("[True]\n", "")


def test_child_of_a_fork_by_c_is_told() -> None:
    """F3: also where CPython has called no hooks."""
    script = """
    import ctypes, os
    import firmmap
    file, m = mapped(firmmap)
    view = memoryview(m)
    file.truncate(PAGE)
    child = ctypes.PyDLL(None).fork()
    try:
        view[2 * PAGE + 5]
        for _ in range(50):
            len("")
    except firmmap.MapFaultError as error:
        os.write(1, b"%d\\n" % (error.offset == 2 * PAGE + 5))
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    """
    assert lives(script) == ("1\n1\n", "")


def test_many_threads_are_told_once() -> None:
    """F3: by the operation that tells; no exception comes after it, in however many threads at once."""
    script = """
    THREADS = 300
    lost = tempfile.TemporaryFile()
    lost.truncate(4 * PAGE)
    maps = [firmmap.mmap(lost.fileno(), 0) for _ in range(THREADS)]
    views = [memoryview(one)[2 * PAGE : 2 * PAGE + 100] for one in maps]
    lost.truncate(0)
    go_on = threading.Lock()
    go_on.acquire()
    met, told = [], []
    def work(one, view):
        try:
            waits = [go_on.acquire, go_on.release]
            steps = [partial(bytes, view), partial(met.append, 1), *waits, partial(one.find, b"z", 0)]
            list(map(operator.call, steps))
        except firmmap.MapFaultError as error:
            told.append(error.offset)
        try:
            for _ in range(50):
                len("")
        except firmmap.MapFaultError as error:
            told.append(("again", error.offset))
    threads = [threading.Thread(target=work, args=pair) for pair in zip(maps, views)]
    for thread in threads:
        thread.start()
    while len(met) < THREADS:
        pass
    go_on.release()
    for thread in threads:
        thread.join()
    print(told == [0] * THREADS)
    """
    assert lives(SEARCHED + textwrap.dedent(script)) == ("True\n", "")


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """F2, F3: areas and descriptors are as many as before."""
    for kind in KINDS:
        descriptors = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            with victim(tmp_path, kind) as it:
                for left in (LEFT, PAGE, 0):
                    it.truncate(left)
                    with pytest.raises(MapFaultError):
                        zlib.crc32(it.map)
                it.map.close()
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert areas("victim") == 0


def test_code_that_clears_exceptions() -> None:
    """F3: a warning, or a file that closes itself, just after the access loses nobody's exception."""
    run_alone("cleared_faults.py")
