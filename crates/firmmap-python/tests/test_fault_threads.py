"""F3: faults of whoever uses the memory of a map directly in other threads, and in processes made by fork()."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
import struct
import sys
import textwrap
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path
from typing import Any

import pytest
from fault_support import (
    LEFT,
    LOST,
    PAGE,
    MapFaultError,
    N,
    Victim,
    address,
    by_index,
    chance,
    firmmap,
    in_thread,
    lives,
    only_linux,
    run,
    until,
    victim,
    written_by_memoryview,
)

pytestmark = only_linux

# Without types, which have too much to say of what is generic.
LIBC: Any = ctypes.CDLL(None) if sys.platform == "linux" else None


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


def silent_beside(operation: Callable[[], object], access: Callable[[], object], rounds: int) -> int:
    """After how many accesses this thread was told nothing, while another one does an operation again and again."""
    ends = threading.Event()

    def work() -> None:
        while not ends.is_set():
            with contextlib.suppress(MapFaultError):
                operation()

    thread = threading.Thread(target=work)
    thread.start()
    silent = 0
    try:
        for _ in range(rounds):
            try:
                access()
                chance()
                silent += 1
            except MapFaultError:
                pass
    finally:
        ends.set()
        thread.join()
    return silent


def test_operation_in_another_thread_does_not_take_the_report_away(one: Victim) -> None:
    """F3: both are told, the thread with the operation and the one that has met the fault."""
    start, holder = address(one.map)
    buffer = ctypes.create_string_buffer(N)
    silent = silent_beside(
        lambda: one.map[0], lambda: LIBC.memcpy(buffer, ctypes.c_void_p(start + N - 1), 1), rounds=200
    )
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
        buffer = ctypes.create_string_buffer(8)
        silent = silent_beside(
            lambda: m.find(b"x", 0, length - 8 * PAGE),
            lambda: LIBC.memcpy(buffer, ctypes.c_void_p(start + length - 8), 8),
            rounds=100,
        )
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
