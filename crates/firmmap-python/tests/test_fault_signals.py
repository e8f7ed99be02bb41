"""F4, F5, F7: the signal of a fault, and who else wants it. One process for each scenario."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fault_support import lives, only_linux, run

pytestmark = only_linux

BUS = -signal.SIGBUS if sys.platform != "win32" else 0
TRACEBACK = "Fatal Python error: Bus error"


def dies(script: str, *options: str, env: dict[str, str] | None = None) -> tuple[str, str]:
    """Runs a program that must die by SIGBUS, and returns what it has printed."""
    result = run(script, *options, env=env)
    assert result.returncode == BUS, (result.returncode, result.stdout, result.stderr)
    return result.stdout, result.stderr


# With the guard at work, and without firmmap.
GUARDED = "import firmmap\nsurvive()\nguarded = mapped(firmmap)\n"
WITHOUT = ""
BOTH = pytest.mark.parametrize("guard", [GUARDED, WITHOUT], ids=["with firmmap", "without"])


def test_fault_is_survived() -> None:
    """F1: the scenario that all others vary."""
    out, err = lives("survive()\nprint('alive')")
    assert (out, err) == ("alive\n", "")


# F4: what is not the guard's.


@BOTH
def test_fault_in_a_map_of_the_standard_module_is_deadly(guard: str) -> None:
    """F4: as before."""
    out, err = dies(guard + "print('so far', flush=True)\nstranger()")
    assert (out, err) == ("so far\n", "")


def test_fault_in_a_map_of_the_standard_module_after_many_of_ours_is_deadly() -> None:
    """F4."""
    dies("for _ in range(100): survive()\nstranger()")


def test_fault_in_a_thread_in_a_map_of_the_standard_module_is_deadly() -> None:
    """F4, F5."""
    dies(GUARDED + "import threading\nt = threading.Thread(target=stranger)\nt.start()\nt.join()")


def test_fault_of_a_stranger_where_a_map_of_ours_was_is_deadly() -> None:
    """F4: an address is the guard's as long as the map is there, and no longer."""
    out, _ = dies(
        """
        import ctypes, firmmap
        file, m = mapped(firmmap)
        place = ctypes.addressof(ctypes.c_char.from_buffer(m))
        import gc; gc.collect()
        file.truncate(PAGE)
        try:
            m[2 * PAGE]
        except firmmap.MapFaultError:
            pass
        m.close()
        other = make()
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        fixed_noreplace = 0x100000
        shared, readable = 1, 1
        there = libc.mmap(ctypes.c_void_p(place), ctypes.c_size_t(4 * PAGE), readable,
                          shared | fixed_noreplace, other.fileno(), ctypes.c_long(0))
        assert there == place, (there, place)
        other.truncate(0)
        print("so far", flush=True)
        ctypes.string_at(place + 2 * PAGE, 1)
        print("the stranger has survived")
        """
    )
    assert out == "so far\n"


@BOTH
@pytest.mark.parametrize("send", ["os.kill(os.getpid(), signal.SIGBUS)", "signal.raise_signal(signal.SIGBUS)"])
def test_sent_signal_is_deadly(guard: str, send: str) -> None:
    """F4: sent to oneself, and meant."""
    out, err = dies(guard + f"print('so far', flush=True)\n{send}\nprint('survived')")
    assert (out, err) == ("so far\n", "")


@BOTH
def test_signal_from_another_process_is_deadly(guard: str) -> None:
    """F4."""
    dies(
        guard
        + textwrap.dedent(
            """
            import subprocess, sys, time
            send = "import os, signal, sys; os.kill(int(sys.argv[1]), signal.SIGBUS)"
            subprocess.run([sys.executable, "-c", send, str(os.getpid())])
            time.sleep(60)
            """
        )
    )


HANDLER = "got = []\nsignal.signal(signal.SIGBUS, lambda *_: got.append(1))\n"
SENDING = """
BUS = signal.SIGBUS
for send in (lambda: signal.raise_signal(BUS), lambda: os.kill(os.getpid(), BUS)):
    for turn in range(3):
        before = len(got)
        send()
        for _ in range(3): pass
        assert len(got) == before + 1, (turn, got)
"""


@pytest.mark.parametrize(
    "setup",
    [
        HANDLER,
        HANDLER + GUARDED,
        "import firmmap\n" + HANDLER + GUARDED,
        GUARDED + HANDLER,
        GUARDED + HANDLER + "survive()",
    ],
    ids=["without firmmap", "before import", "after import", "after a map", "and a fault"],
)
def test_python_handler_gets_what_is_sent(setup: str) -> None:
    """F4: every time, however it was sent, and never a fault of the guard's."""
    lives(setup + SENDING + "\nprint(len(got))")
    if "firmmap" in setup:
        out, _ = lives(setup + SENDING + "\nbefore = len(got)\nsurvive()\nprint(len(got) - before)")
        assert out == "0\n"


def test_python_handler_set_while_a_map_is_there_does_not_take_its_faults() -> None:
    """F5: with the standard module, such a handler has the fault happen again for ever."""
    out, _ = lives(
        """
        import firmmap
        file, m = mapped(firmmap)
        signal.signal(signal.SIGBUS, lambda *_: print("not this one"))
        file.truncate(0)
        try:
            m[5]
        except firmmap.MapFaultError:
            print("alive")
        """
    )
    assert out == "alive\n"


@pytest.mark.parametrize(
    "install",
    [
        "signal.signal(signal.SIGBUS, lambda *_: sent.append(1))",
        "signal.signal(signal.SIGBUS, signal.SIG_DFL)",
        "faulthandler.enable(out); faulthandler.disable()",
    ],
)
def test_handlers_set_while_another_thread_meets_faults(install: str) -> None:
    """F4, F7: no Python code runs between a handler that is installed and the guard, which is the first one again."""
    out, err = lives(f"""
        import threading, faulthandler
        import firmmap
        file, m = mapped(firmmap)
        file.truncate(0)
        out = open(os.devnull, "w")
        sent, met = [], 0
        sys.setswitchinterval(1e-6)

        def work():
            global met
            while met < 5_000:
                try:
                    m[PAGE]
                except firmmap.MapFaultError:
                    met += 1

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            {install}
        print(met, sent)
        """)
    assert (out, err) == ("5000 []\n", "")


@pytest.mark.parametrize("what", ["SIG_DFL", "SIG_IGN"])
def test_default_and_ignored_signal(what: str) -> None:
    """F4: as without, before and after."""
    for setup in ("", GUARDED):
        setting = f"signal.signal(signal.SIGBUS, signal.{what})\n"
        for order in (setting + setup, setup + setting):
            script = order + "os.kill(os.getpid(), signal.SIGBUS)\nprint('ignored')"
            if what == "SIG_IGN":
                assert lives(script)[0] == "ignored\n"
            else:
                dies(script)
            dies(order + "stranger()")
            if setup:
                assert lives(order + "survive()\nprint('alive')")[0] == "alive\n"


# A handler of C's, which ends the process with a status of its own.
C_HANDLER = """
import ctypes
libc = ctypes.CDLL(None)
handler_type = ctypes.CFUNCTYPE(None, ctypes.c_int)
end = handler_type(lambda number: os._exit(42))
libc.signal(signal.SIGBUS, end)
"""


@pytest.mark.parametrize(
    "setup",
    [
        C_HANDLER,
        C_HANDLER + GUARDED,
        "import firmmap\n" + C_HANDLER + "firmmap.renew_fault_guard()\n",
        GUARDED + C_HANDLER + "firmmap.renew_fault_guard()\n",
    ],
    ids=["without firmmap", "before import", "after import", "after a map"],
)
def test_handler_of_c_gets_what_is_not_ours(setup: str) -> None:
    """F4: faults of strangers and signals that were sent; and no others."""
    for what in ("stranger()", "os.kill(os.getpid(), signal.SIGBUS)"):
        for fault in ("", "survive()\n") if "firmmap" in setup else ("",):
            result = run(setup + fault + what)
            assert result.returncode == 42, (what, fault, result)


# F5: faulthandler.

BEFORE = "import faulthandler\nfaulthandler.enable()\nimport firmmap\n"
ENABLING = {
    "before import": BEFORE,
    "after import": "import firmmap, faulthandler\nfaulthandler.enable()\n",
    "after a map": GUARDED + "import faulthandler\nfaulthandler.enable()\n",
    "twice": BEFORE + "faulthandler.enable()\n",
    "again": BEFORE + "survive()\nfaulthandler.disable()\nsurvive()\nfaulthandler.enable()\n",
    "disabled": BEFORE + "survive()\nfaulthandler.disable()\n",
    "disabled after a map": GUARDED + "import faulthandler\nfaulthandler.enable()\nfaulthandler.disable()\n",
}
IN_MAIN = "file, m = mapped(firmmap)\n"
FAULTS = """
import threading
def work():
    for _ in range(10):
        survive()
        file.truncate(PAGE)
        try:
            m[2 * PAGE]
        except firmmap.MapFaultError:
            pass
        else:
            raise SystemExit("no exception")
        file.truncate(4 * PAGE)
work()
threads = [threading.Thread(target=survive) for _ in range(4)] + [threading.Thread(target=work)]
for thread in threads: thread.start()
for thread in threads: thread.join()
work()
print("alive")
"""


@pytest.mark.parametrize("name", ENABLING)
def test_faulthandler(name: str) -> None:
    """F5: nothing is printed, for maps from before and for new ones; in any thread."""
    for script in (ENABLING[name] + IN_MAIN, "import firmmap\n" + IN_MAIN + ENABLING[name]):
        out, err = lives(script + FAULTS)
        assert (out, err) == ("alive\n", "")


def test_python_with_the_option_for_faulthandler() -> None:
    """F5: -X faulthandler, and its variable."""
    script = "import firmmap\n" + IN_MAIN + FAULTS
    assert lives(script, "-X", "faulthandler") == ("alive\n", "")
    assert lives(script, env={"PYTHONFAULTHANDLER": "1"}) == ("alive\n", "")
    assert lives(script, "-X", "dev")[0] == "alive\n"


@pytest.mark.parametrize("name", ENABLING)
def test_faulthandler_still_has_the_faults_of_strangers(name: str) -> None:
    """F4, F5: a traceback, and death by the signal."""
    _, err = dies(ENABLING[name] + GUARDED + "stranger()")
    assert (TRACEBACK in err) == ("disabled" not in name)


@pytest.mark.parametrize("thread", ["main", "other"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_faulthandler_enabled_behind_the_guards_back(thread: str, when: str) -> None:
    """F5: through a reference from before firmmap: it may print once, the process lives."""
    setup = (
        "from faulthandler import enable\nimport firmmap\n"
        + ("enable()\n" + IN_MAIN if when == "before" else IN_MAIN + "enable()\n")
        + "file.truncate(PAGE)\n"
    )
    out, err = lives(
        setup
        + textwrap.dedent(
            f"""
            import threading
            def work():
                for _ in range(3):
                    try:
                        m[2 * PAGE]
                    except firmmap.MapFaultError:
                        print("told")
                    try:
                        bytes(m)
                        for _ in range(3): pass
                    except firmmap.MapFaultError:
                        print("told")
            if {thread!r} == "main":
                work()
            else:
                t = threading.Thread(target=work)
                t.start()
                t.join()
            """
        )
    )
    assert out == "told\n" * 6
    assert err.count(TRACEBACK) <= 1


@pytest.mark.parametrize("thread", ["main", "other"])
def test_signal_that_is_meant_after_a_fault_is_deadly(thread: str) -> None:
    """F4, F5: that the last fault was ours does not make the next signal ours."""
    dies(
        GUARDED
        + textwrap.dedent(
            f"""
            import threading
            file, m = guarded
            file.truncate(PAGE)
            def work():
                try:
                    m[2 * PAGE]
                except firmmap.MapFaultError:
                    pass
                signal.raise_signal(signal.SIGBUS)
                print("survived")
            if {thread!r} == "main":
                work()
            else:
                t = threading.Thread(target=work)
                t.start()
                t.join()
            """
        )
    )


def test_faulthandler_is_what_it_was() -> None:
    """F5: the functions that are watched keep their names, words and answers."""
    lives(
        """
        import faulthandler, inspect, signal
        functions = [faulthandler.enable, faulthandler.disable, signal.signal]
        before = [(f.__name__, f.__doc__) for f in functions]
        before.append(str(inspect.signature(signal.signal)))
        import firmmap, importlib
        functions = [faulthandler.enable, faulthandler.disable, signal.signal]
        after = [(f.__name__, f.__doc__) for f in functions]
        after.append(str(inspect.signature(signal.signal)))
        assert before == after
        assert faulthandler.disable() is False
        assert faulthandler.enable(file=sys.stderr, all_threads=False) is None
        assert faulthandler.disable() is True
        assert signal.signal(signal.SIGTERM, signal.SIG_IGN) == signal.SIG_DFL
        assert signal.signal(signalnum=signal.SIGTERM, handler=signal.SIG_DFL) == signal.SIG_IGN
        try:
            signal.signal(signal.SIGKILL, signal.SIG_DFL)
        except OSError:
            pass
        else:
            raise SystemExit("no error")
        """
    )


PYTEST_FILE = """
import firmmap, mmap, os, pytest, threading

PAGE = mmap.PAGESIZE

@pytest.mark.parametrize("turn", range(3))
def test_truncated(tmp_path, turn):
    with (tmp_path / "file").open("w+b") as file:
        file.write(bytes(4 * PAGE))
        file.flush()
        m = firmmap.mmap(file.fileno(), 0)
        file.truncate(PAGE)
        with pytest.raises(firmmap.MapFaultError):
            m[2 * PAGE]
        with pytest.raises(firmmap.MapFaultError):
            bytes(m)
        seen = []
        def work():
            try:
                m.find(b"x")
            except firmmap.MapFaultError as error:
                seen.append(error.offset)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen == [PAGE]
        m.close()
"""


@pytest.mark.parametrize("options", [[], ["-p", "no:faulthandler"], ["-X", "faulthandler"]])
def test_pytest_with_its_default_settings(tmp_path: Path, options: list[str]) -> None:
    """F5: it switches faulthandler on before the tests are imported."""
    (tmp_path / "test_it.py").write_text(PYTEST_FILE)
    python = options if options[:1] == ["-X"] else []
    command = [sys.executable, *python, "-m", "pytest", "-q", *([] if python else options)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 passed" in result.stdout
    assert TRACEBACK not in result.stdout + result.stderr


# F5: processes and threads.

FORKED = """
import firmmap
file, m = mapped(firmmap)
view = memoryview(m)

def faults():
    for _ in range(10):
        file.truncate(PAGE)
        for work in (lambda: m[2 * PAGE], lambda: m[:], lambda: bytes(view)):
            try:
                work()
                for _ in range(3): pass
            except firmmap.MapFaultError:
                continue
            raise SystemExit("no exception")
        file.truncate(4 * PAGE)
        assert m[2 * PAGE] == 0

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
"""


def test_fork_and_faults_on_both_sides() -> None:
    """F5."""
    lives(FORKED + "faults()\nin_child(faults)\nfaults()\nin_child(lambda: in_child(faults))\nfaults()")


def test_fork_from_a_thread() -> None:
    """F5: which is the main thread of the child."""
    lives(
        FORKED
        + textwrap.dedent(
            """
            import threading
            errors = []
            def work():
                try:
                    in_child(faults)
                    faults()
                except BaseException as error:
                    errors.append(error)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            assert not errors, errors
            faults()
            """
        ),
        "-W",
        "ignore",
    )


def test_fork_while_other_threads_meet_faults() -> None:
    """F5: whatever the others hold at that moment."""
    lives(
        FORKED
        + textwrap.dedent(
            """
            import threading
            ends = threading.Event()
            def loop():
                while not ends.is_set():
                    survive()
            threads = [threading.Thread(target=loop) for _ in range(3)]
            for thread in threads: thread.start()
            for _ in range(20):
                in_child(lambda: (survive(), faults()))
            ends.set()
            for thread in threads: thread.join()
            faults()
            """
        ),
        "-W",
        "ignore",
    )


def test_fault_that_is_untold_at_the_fork_is_told_before_it() -> None:
    """F3, F5: os.fork() raises, and there is no child."""
    out, err = lives(
        """
        import firmmap
        file, m = mapped(firmmap)
        file.truncate(PAGE)
        def hook(what):
            os.write(1, b"told %s\\n" % type(what.exc_value).__name__.encode())
        sys.unraisablehook = hook
        # Adding meets the fault, and forking is the next call.
        try:
            b"" + m, os.fork()
            for _ in range(3): pass
        except firmmap.MapFaultError as error:
            assert PAGE <= error.offset < 4 * PAGE
            os.write(1, b"told MapFaultError\\n")
        try:
            os.wait()
        except ChildProcessError:
            pass
        """
    )
    assert (out, err) == ("told MapFaultError\n", "")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    """F5: and the exception comes back from a process of a pool, whole."""
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing, os, sys
            import firmmap
            PAGE = firmmap.PAGESIZE

            def work(path):
                with open(path, "r+b") as file:
                    m = firmmap.mmap(file.fileno(), 0)
                    file.truncate(PAGE)
                    try:
                        return m[2 * PAGE]
                    finally:
                        assert m[1] == ord("x")
                        m.close()

            if __name__ == "__main__":
                paths = []
                for number in range(8):
                    paths.append(os.path.join(os.path.dirname(sys.argv[0]), str(number)))
                    with open(paths[-1], "wb") as file:
                        file.write(b"x" * 4 * PAGE)
                told = 0
                with multiprocessing.get_context({method!r}).Pool(2) as pool:
                    for result in [pool.apply_async(work, (path,)) for path in paths]:
                        try:
                            result.get(60)
                        except firmmap.MapFaultError as error:
                            assert error.offset == 2 * PAGE, error
                            told += 1
                assert told == 8, told
            """
        )
    )
    command = [sys.executable, "-W", "ignore", str(script)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_many_threads() -> None:
    """F5: each with faults of its own and in a map of all."""
    lives(
        """
        import firmmap, threading
        file, shared = mapped(firmmap, 64)
        file.truncate(PAGE)
        errors = []
        def work(number):
            try:
                for turn in range(50):
                    survive(at=1 + turn % 3)
                    try:
                        shared[(1 + number) * PAGE]
                    except firmmap.MapFaultError:
                        assert shared[1] == ord("1")
                    else:
                        raise SystemExit("no exception")
            except firmmap.MapFaultError:
                # What another thread has met was told here; that is allowed for the map of all.
                pass
            except BaseException as error:
                errors.append(error)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not errors, errors
        """
    )


def test_imported_in_a_thread() -> None:
    """F5: the main thread is still the main thread."""
    out, _ = lives(
        """
        import _thread, time
        done = []
        def work():
            import firmmap
            survive()
            done.append(1)
        _thread.start_new_thread(work, ())
        while not done: time.sleep(0.001)
        survive()
        import firmmap
        file, m = mapped(firmmap)
        file.truncate(0)
        try:
            bytes(m)
            for _ in range(3): pass
        except firmmap.MapFaultError:
            print("alive")
        """
    )
    assert out == "alive\n"


def test_maps_come_and_go_while_faults_happen() -> None:
    """F5: nobody's fault is taken for another's, and no map's pages for another's."""
    lives(
        """
        import firmmap, threading
        files = [make() for _ in range(4)]
        ends = threading.Event()
        errors = []
        def guarded(work):
            def run():
                try:
                    while not ends.is_set():
                        work()
                except BaseException as error:
                    errors.append(repr(error))
                    ends.set()
            return threading.Thread(target=run)
        def come_and_go():
            maps = [firmmap.mmap(file.fileno(), 4 * PAGE) for file in files]
            assert all(m[5] == ord("5") for m in maps)
            for m in maps[::-1]: m.close()
        threads = [guarded(come_and_go) for _ in range(2)] + [guarded(survive) for _ in range(3)]
        for thread in threads: thread.start()
        for _ in range(300):
            survive()
        ends.set()
        for thread in threads: thread.join()
        assert not errors, errors
        """
    )


def test_more_maps_than_a_first_table_has_room_for() -> None:
    """F5."""
    lives(
        """
        import firmmap
        file = make()
        maps = [firmmap.mmap(file.fileno(), 4 * PAGE) for _ in range(300)]
        file.truncate(PAGE)
        for m in maps + maps[::-1]:
            try:
                m[2 * PAGE]
            except firmmap.MapFaultError:
                continue
            raise SystemExit("no exception")
        """
    )


# F7: the switch.


def test_switched_off_by_the_environment() -> None:
    """F7: as without the guard; nothing is installed."""
    dies("survive()", env={"FIRMMAP_FAULT_GUARD": "0"})
    out, _ = lives(
        "import firmmap\nguarded = mapped(firmmap)\nprint(firmmap.fault_guard())",
        env={"FIRMMAP_FAULT_GUARD": "0"},
    )
    assert out == "False\n"
    lives("survive()", env={"FIRMMAP_FAULT_GUARD": "1"})


def test_switched_off_and_on_by_a_function() -> None:
    """F7."""
    dies("import firmmap\nfirmmap.set_fault_guard(False)\nsurvive()")
    dies(GUARDED + "file, m = guarded\nfirmmap.set_fault_guard(False)\nfile.truncate(0)\nm[5]")
    lives("import firmmap\nfirmmap.set_fault_guard(False)\nfirmmap.set_fault_guard(True)\nsurvive()")
    lives("import firmmap\nfirmmap.set_fault_guard(True)\nsurvive()", env={"FIRMMAP_FAULT_GUARD": "0"})
    dies(
        """
        import firmmap
        firmmap.set_fault_guard(False)
        file, m = mapped(firmmap)
        firmmap.set_fault_guard(True)
        survive()
        print("a map that was made without the guard stays without it")
        file.truncate(0)
        m[5]
        """
    )


SMALL_STACKS = """if True:
    import ctypes, mmap, os, sys, tempfile
    import firmmap

    class Stack(ctypes.Structure):
        _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

    BELOW = 1 << 16
    area = mmap.mmap(-1, 2 * BELOW)  # shared with the children
    start = ctypes.addressof(ctypes.c_char.from_buffer(area)) + BELOW
    sigaltstack = ctypes.CDLL(None).sigaltstack
    with tempfile.TemporaryFile() as file:
        file.truncate(40960)
        m = firmmap.mmap(file.fileno(), 40960)
        view = memoryview(m)
        file.truncate(0)
        lived = 0
        for size in range(2048, 16384, 64):
            area[:] = b"x" * len(area)
            child = os.fork()
            if child == 0:
                sigaltstack(ctypes.byref(Stack(start, 0, size)), None)
                try:
                    view[20000]
                    int(3)
                except firmmap.MapFaultError:
                    os._exit(0)
                os._exit(1)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert status in (0, -7, -11), (size, status)
            assert area[:BELOW] == b"x" * BELOW, (size, status)
            lived += status == 0
        print("some live:", lived > 10)
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="elsewhere the handler's entry has a frame")
def test_small_stacks() -> None:
    """F4, F5: the first fault of a process, on a signal stack of any size, writes to nothing below it."""
    assert run(SMALL_STACKS).stdout == "some live: True\n"


FIRST_FAULT = """if True:
    import ctypes, mmap, sys, tempfile
    import firmmap

    class Stack(ctypes.Structure):
        _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

    BELOW, size = 1 << 16, int(sys.argv[1])
    area = mmap.mmap(-1, 2 * BELOW)
    area[:] = b"x" * len(area)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area)) + BELOW
    libc = ctypes.CDLL(None)
    file = tempfile.TemporaryFile()
    file.truncate(40960)
    m = firmmap.mmap(file.fileno(), 40960)
    place = ctypes.addressof(ctypes.c_char.from_buffer(m)) + 20000
    file.truncate(0)
    libc.sigaltstack(ctypes.byref(Stack(start, 0, size)), None)
    try:
        # With or without the GIL.
        m[20000] if sys.argv[2] == "attached" else libc.memset(ctypes.c_void_p(place), 0, 1)
        int("3")
        [None for _ in range(10)]
        print("not told")
    except firmmap.MapFaultError:
        print("told", area[:BELOW] == b"x" * BELOW)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere a frame has another size")
@pytest.mark.parametrize("attached", ["attached", "detached"])
@pytest.mark.parametrize("size", [6144, 7168, 8192])
def test_a_first_fault_on_a_small_stack(size: int, attached: str) -> None:
    """F4, F5: what CPython calls then was bound before, not only by a fork: nothing below the stack is written to."""
    command = [sys.executable, "-c", FIRST_FAULT, str(size), attached]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode in (-7, -11):
        pytest.skip(f"a frame of a signal does not fit into {size} bytes here")
    assert (result.returncode, result.stdout) == (0, "told True\n"), result
