"""F3: faults where the main thread goes on with none of the program's code, in which an exception would be lost."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
from fault_support import (
    lives,
    only_linux,
    run,
)

pytestmark = only_linux


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
