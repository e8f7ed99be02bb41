"""F3: faults of programs that are traced, profiled or debugged."""

from __future__ import annotations

import textwrap

import pytest
from fault_support import lives, only_linux, run

pytestmark = only_linux

# A function that reads a missing byte of a view, and whoever it is that watches it.
WATCHED = """
import firmmap

file, m = mapped(firmmap)
view = memoryview(m)
file.truncate(PAGE)
seen = []

def watched(offset):
    try:
        view[offset]
        seen.append("read")
        int("3")
        seen.append("not told")
    except firmmap.MapFaultError as error:
        seen.append(error.offset - offset)
    seen.append("gone on")

def helped(frame):
    return frame.f_lineno

def watch(frame, event, argument):
    helped(frame)
    return watch

class Watch:
    def watch(self, frame, event, argument):
        helped(frame)
        return self.watch
"""


@pytest.mark.parametrize("how", ["trace", "profile"])
@pytest.mark.parametrize("watcher", ["watch", "Watch().watch", "lambda *_: watch"])
def test_a_function_that_watches_the_program(how: str, watcher: str) -> None:
    """F3: the program is told, and not the function, which CPython would take away."""
    script = f"""
    watcher = {watcher}
    for _ in range(20):
        sys.set{how}(watcher)
        watched(2 * PAGE)
        print(sys.get{how}() is watcher, *seen)
        sys.set{how}(None)
        seen.clear()
    file.close()
    """
    out, err = lives(WATCHED + textwrap.dedent(script))
    assert (out, err) == ("True read 0 gone on\n" * 20, "")


def debugged(stop: str, printed: str) -> tuple[str, str]:
    """Runs `watched` five times in a debugger that does `stop` at each line of it, printing after each."""
    script = f"""
    import bdb

    class Debugger(bdb.Bdb):
        def user_line(self, frame):
            if frame.f_code is watched.__code__:
                stop(frame)
            self.set_step()

    def stop(frame):
        {stop}

    for _ in range(5):
        stops = []
        Debugger().runcall(watched, 2 * PAGE)
        print({printed})
        seen.clear()
    file.close()
    """
    return lives(WATCHED + textwrap.dedent(script))


def test_a_debugger() -> None:
    """F3: it stops at the lines after that, which are those of a handler once the program is told."""
    stop = "stops.append(frame.f_lineno - watched.__code__.co_firstlineno)"
    out, err = debugged(stop, "*seen, stops[:2], stops[-3:]")
    assert (out, err) == ("read 0 gone on [1, 2] [6, 7, 8]\n" * 5, "")


def test_what_a_debugger_reads_itself() -> None:
    """F3: an expression that is typed into it is its own, and so is the exception."""
    stop = """if not stops:
            try:
                stops.append(eval("view[3 * PAGE]", frame.f_globals, frame.f_locals))
                int("3")
            except firmmap.MapFaultError as error:
                stops.append(error.offset // PAGE)"""
    out, err = debugged(stop, "*stops, *seen")
    assert (out, err) == ("3 read 0 gone on\n" * 5, "")


def test_a_fault_in_a_trace_function_while_another_one_is_told() -> None:
    """F3: told to the program, which goes on: CPython 3.11, tracing, waits for pending calls at one instruction."""
    out, err = lives("""
        import firmmap
        file, m = mapped(firmmap)
        view = memoryview(m)
        file.truncate(0)

        def trace(frame, event, argument):
            if event == "call":
                view[PAGE]
            return trace

        sys.settrace(trace)
        try:
            (lambda: 1)()
            int(3)
        except firmmap.MapFaultError:
            print("told")
        finally:
            sys.settrace(None)
        file.close()
    """)
    assert (out, err) == ("told\n", "")


@pytest.mark.parametrize("how", ["trace", "profile"])
def test_a_function_that_only_meets_faults_in_a_thread(how: str) -> None:
    """F3: it is taken away when it is told, the thread goes on, and so does the program."""
    out, _ = lives(
        WATCHED
        + textwrap.dedent(f"""
        import threading

        def faulty(frame, event, argument):
            view[3 * PAGE]
            return faulty

        def called():
            for i in range(100):
                str(i)

        def work():
            for _ in range(20):
                try:
                    sys.set{how}(faulty)
                    called()
                except firmmap.MapFaultError as error:
                    seen.append(error.offset // PAGE)

        def ended():
            while len(seen) < 10:
                try:
                    work()
                except firmmap.MapFaultError as error:
                    seen.append(error.offset // PAGE)

        thread = threading.Thread(target=ended)
        thread.start()
        thread.join()
        print(set(seen))
        file.close()
        """)
    )
    assert out == "{3}\n"


@pytest.mark.parametrize("how", ["trace", "profile"])
@pytest.mark.parametrize("hook", ["sys.__unraisablehook__", "lambda argument: None"])
def test_a_function_that_only_meets_faults(how: str, hook: str) -> None:
    """F3: each is told, in the program or while it ends, which it does: what tells is not traced."""
    script = f"""
    def faulty(frame, event, argument):
        view[3 * PAGE]
        return faulty

    sys.unraisablehook = {hook}
    sys.set{how}(faulty)
    for _ in range(3):
        (lambda: 1)()
    """
    result = run(WATCHED + textwrap.dedent(script))
    assert result.returncode == 1
    assert "MapFaultError: [Errno 5] the mapped byte at 12288 is not there" in result.stderr


def test_a_hook_that_meets_a_fault_each_time() -> None:
    """F3: CPython 3.11, tracing, would call it for ever at one instruction of the event loop."""
    script = """
    import asyncio

    async def watched():
        view[2 * PAGE]

    sys.unraisablehook = lambda argument: view[3 * PAGE]
    sys.settrace(lambda *arguments: None)
    try:
        asyncio.run(watched())
    except firmmap.MapFaultError:
        pass
    print("end")
    file.close()
    """
    result = run(WATCHED + textwrap.dedent(script))
    assert (result.returncode, result.stdout) == (0, "end\n")


# What such a hook meets, it is told next.
THREADS = {
    "thread": "lambda: view[2 * PAGE]",
    "excepthook": "lambda: 1 / 0",
}
HOOK = """
import threading

calls = 0

def hook(argument):
    global calls
    calls += 1
    view[3 * PAGE]

sys.unraisablehook = hook
"""


@pytest.mark.parametrize("how", THREADS)
def test_a_hook_that_meets_a_fault_whenever_it_is_told_of_one(how: str) -> None:
    """F3: it is not called for ever, and the next thread is told as ever."""
    script = f"""
    def excepthook(argument):
        global calls
        calls += 1
        view[2 * PAGE]

    threading.excepthook = excepthook
    thread = threading.Thread(target={THREADS[how]})
    thread.start()
    thread.join()
    # CPython 3.12 calls the hook for threads again.
    print(calls > {int(how == "excepthook")})
    sys.unraisablehook = sys.__unraisablehook__

    def told(read):
        try:
            read()
            [int("3") for _ in range(10)]
            print("not told")
        except firmmap.MapFaultError as error:
            print(error.offset // PAGE)

    # What was left with the map.
    try:
        m[2 * PAGE]
    except firmmap.MapFaultError:
        pass
    for offset in 2 * PAGE, 3 * PAGE:
        thread = threading.Thread(target=told, args=(lambda: view[offset],))
        thread.start()
        thread.join()
    file.close()
    """
    result = run(WATCHED + HOOK + textwrap.dedent(script), timeout=60)
    assert (result.returncode, result.stdout.split()) == (0, ["True", "2", "3"]), result


def test_a_hook_that_meets_a_fault_at_the_end_of_the_program() -> None:
    """F3: there CPython makes pending calls until there is none."""
    script = """
    import atexit

    atexit.register(lambda: print(0 < calls < 100))
    sys.excepthook = lambda *arguments: view[2 * PAGE]
    1 / 0
    """
    result = run(WATCHED + HOOK + textwrap.dedent(script), timeout=60)
    assert (result.returncode, result.stdout) == (1, "True\n"), result
