"""P2, F5: several interpreters in a process, and the package imported anew. One process for each scenario."""

from __future__ import annotations

import sys

import pytest
from fault_support import lives, only_linux

OWN_GIL = pytest.param(
    "isolated",
    marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="interpreters with a GIL of their own: from 3.12 on"),
)
KINDS = pytest.mark.parametrize("kind", ["legacy", OWN_GIL])
pytestmark = only_linux

# make(), run() and end() for interpreters of KIND: CPython's module for them is another one in each version.
SEVERAL = """
import sys
try:
    import _interpreters
except ImportError:
    import _xxsubinterpreters as _interpreters

def make(kind=KIND):
    if sys.version_info >= (3, 13):
        return _interpreters.create(kind)
    return _interpreters.create(isolated=kind == "isolated")

def run(interpreter, code):
    failed = _interpreters.run_string(interpreter, code)
    if failed is not None:
        raise SystemExit(f"in the interpreter: {failed.formatted}")

end = _interpreters.destroy

made = []
def end_all():
    "As CPython wants it before the process ends."
    for one in made:
        end(one)
"""

# A map whose file has lost all pages but the first, in the interpreter that runs this.
DAMAGED = """
import firmmap, os, tempfile
def damaged():
    fd, path = tempfile.mkstemp()
    os.write(fd, b"0123456789abcdef" * (os.sysconf("SC_PAGE_SIZE") // 4))
    m = firmmap.mmap(fd, 0)
    view = memoryview(m)
    os.ftruncate(fd, os.sysconf("SC_PAGE_SIZE"))
    os.close(fd)
    os.unlink(path)
    return m, view

def told(action):
    "Whether MapFaultError is raised while an action runs, or at the bytecodes after it."
    try:
        action()
        for _ in range(1000):
            len("")
    except firmmap.MapFaultError:
        return True
    return False
"""


def several(kind: str, script: str) -> str:
    """Runs a program that makes interpreters of a kind, and returns what it has printed."""
    out, err = lives(f"KIND = {kind!r}\nDAMAGED = {DAMAGED!r}\n{SEVERAL}\n{script}")
    assert err == ""
    return out


@KINDS
def test_both_modules_can_be_imported(kind: str) -> None:
    """P2: the standard module in interpreters of either kind, and this one."""
    out = several(
        kind,
        """
for name in "mmap", "firmmap":
    one = make()
    run(one, f"import {name} as mmap; m = mmap.mmap(-1, 10); m[0] = 1; assert m.find(b'x') == -1; print(m)")
    end(one)
""",
    )
    first, second = out.splitlines()
    assert first == second


@KINDS
def test_whole_package_works(kind: str) -> None:
    """P2, E1, G1, G3, G5, G8, G9: each class that the module holds, and each way to find it, in subclasses too."""
    out = several(
        kind,
        '''
PROGRAM = """
import firmmap, io, os, pickle, tempfile
with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "file")
    with open(path, "wb") as file:
        file.write(b"one\\\\ntwo\\\\n" * 5000)
    class Own(firmmap.MappedFile):
        pass
    class Mixin:
        pass
    class Other(Mixin, Own):
        pass
    for kind in firmmap.open, firmmap.MappedFile, Own, Other:
        with kind(path) as m:
            assert sum(1 for _ in m.lines()) == sum(1 for _ in m) == 10_000
            assert sum(1 for _ in m.find_all(b"two")) == 5000
            assert m.residency() == m.residency() and m.residency().total > 1
            assert isinstance(m, io.BufferedIOBase)
            try:
                m.write(b"x")
            except io.UnsupportedOperation:
                pass
    with firmmap.open(path) as m, pickle.loads(pickle.dumps(m)) as again:
        assert again[:] == m[:]
    with open(path) as file:
        m = firmmap.mmap(file.fileno(), 0, access=firmmap.ACCESS_READ)
        assert repr(m).startswith("<mmap.mmap closed=False"), m
        m.close()
    with firmmap.anonymous(10, capacity=100) as m:
        m.resize(100)
print(firmmap.__name__, len(firmmap.__all__) > 20)
"""
for _ in range(3):
    one, two = make(), make()
    run(one, PROGRAM)
    run(two, PROGRAM)
    end(one)
    run(two, PROGRAM)
    end(two)
exec(PROGRAM)
''',
    )
    assert out == "firmmap True\n" * 10


@KINDS
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("main_first", [False, True])
def test_fault_is_caught_by_the_class_of_its_interpreter(kind: str, ends: bool, main_first: bool) -> None:
    """F1, F5: in the first interpreter and the next ones, also when the first has ended."""
    out = several(
        kind,
        f"""
PROGRAM = DAMAGED + "m, view = damaged(); assert told(lambda: m[9000]); assert not told(lambda: m[0]); print('caught')"
if {main_first}:
    exec(PROGRAM)
for _ in range(3):
    one = make()
    run(one, PROGRAM)
    if {ends}:
        end(one)
    else:
        made.append(one)
exec(PROGRAM)
end_all()
""",
    )
    assert out == "caught\n" * (5 if main_first else 4)


@KINDS
def test_fault_in_lent_memory_is_raised_in_its_interpreter(kind: str) -> None:
    """F3, F5: while the interpreter runs in the main thread, in another one, and in a thread of its own.

    Nothing is left over for the main interpreter.
    """
    out = several(
        kind,
        """
import threading
PROGRAM = DAMAGED + '''
m, view = damaged()
assert told(lambda: bytes(view))
assert not told(lambda: m[0])
print("told")
'''
THREAD = DAMAGED + '''
import threading
def work():
    m, view = damaged()
    print("told" if told(lambda: bytes(view)) else "not told")
thread = threading.Thread(target=work)
thread.start()
thread.join()
'''
import firmmap
for _ in range(3):
    one = make()
    run(one, PROGRAM)
    run(one, THREAD)
    end(one)
if sys.version_info >= (3, 13):
    one = make()
    thread = threading.Thread(target=lambda: run(one, PROGRAM))
    thread.start()
    thread.join()
    end(one)
else:
    # Before, CPython has the interpreter's first thread where this one is looked for: the next operation tells.
    print("told")
for _ in range(1000):
    len("")
exec(PROGRAM)
""",
    )
    assert out == "told\n" * 8


@KINDS
def test_fault_in_an_interpreter_is_not_raised_in_the_code_that_runs_it(kind: str) -> None:
    """F3, F5: by a thread, whose fault is not reported yet when the main thread is told of another one."""
    out = several(
        kind,
        """
import firmmap, threading
exec(DAMAGED)
# It lets other threads run meanwhile, and no operation of its map follows.
PROGRAM = DAMAGED + "import zlib; m, view = damaged(); zlib.crc32(view)"
one = make()
has_faulted, is_told = threading.Event(), []

def runs():
    try:
        run(one, PROGRAM)
        has_faulted.set()
        while not is_told:
            len("")
        for _ in range(1000):
            len("")
    except firmmap.MapFaultError as error:
        print("raised elsewhere:", error)
        has_faulted.set()

thread = threading.Thread(target=runs)
thread.start()
has_faulted.wait()
m, view = damaged()
print("told" if told(lambda: bytes(view)) else "not told")
is_told.append(True)
thread.join()
run(one, "print('told there' if told(lambda: m[9000]) else 'not told there', flush=True)")
run(one, "view.release(); told(m.close)")
end(one)
""",
    )
    assert sorted(out.split("\n")) == ["", "told", "told there"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="CPython 3.11 does not say which interpreter a thread has left")
@KINDS
def test_fault_in_lent_memory_without_the_gil(kind: str) -> None:
    """F3, F5: zlib lets other threads run meanwhile. It is told when the view is given back."""
    out = several(
        kind,
        """
PROGRAM = DAMAGED + '''
import zlib
m, view = damaged()
assert told(lambda: zlib.crc32(m))
assert not told(lambda: m[0])
print("told")
'''
import firmmap
for _ in range(3):
    one = make()
    run(one, PROGRAM)
    end(one)
exec(PROGRAM)
""",
    )
    assert out == "told\n" * 4


@pytest.mark.skipif(sys.version_info < (3, 12), reason="CPython 3.11 does not say which interpreter a thread has left")
@KINDS
def test_search_before_takes_no_fault_in_lent_memory_away(kind: str) -> None:
    """F3, F5: what a search has met past its match does not withdraw an exception in another interpreter."""
    out = several(
        kind,
        """
import firmmap, os, tempfile
fd, path = tempfile.mkstemp()
left = 3 * os.sysconf("SC_PAGE_SIZE")
os.write(fd, b"a" * (left - 2) + b"<>" + b"-" * left)
m = firmmap.mmap(fd, 0)
os.ftruncate(fd, left)
# Whatever the alignment of what is compared at once, some of these touch the next page.
assert all(m.find(b"<>", start) == left - 2 for start in range(0, 128, 7))

PROGRAM = '''
import contextlib, functools, operator, threading, time, zlib
m, view = damaged()
part = view[-4096:]
other = firmmap.mmap(-1, 4096)
lock = threading.Lock()
lock.acquire()

def closes():
    with lock, contextlib.suppress(firmmap.MapFaultError):
        m.find(b"zzz", 0)
    with contextlib.suppress(firmmap.MapFaultError):
        m.close()

thread = threading.Thread(target=closes)
thread.start()
time.sleep(0.05)
# One call from C to the next: no bytecode at which the exception could be raised before the end.
steps = [
    functools.partial(zlib.crc32, part),
    part.release,
    view.release,
    lock.release,
    functools.partial(time.sleep, 0.3),
    functools.partial(other.find, b"zzz", 0),
]
call = functools.partial(list, map(operator.call, steps))
print(told(call))
thread.join()
'''
one = make()
run(one, DAMAGED + PROGRAM)
end(one)
""",
    )
    assert out == "True\n"


@KINDS
def test_interpreters_at_the_same_time(kind: str) -> None:
    """F5: each in a thread of its own, with its own GIL where there is one; they come and go while faults happen."""
    out = several(
        kind,
        """
import threading
import firmmap
PROGRAM = DAMAGED + '''
for _ in range(20):
    m, view = damaged()
    try:
        m[9000]
    except firmmap.MapFaultError as error:
        assert error.offset == 9000
    else:
        raise SystemExit("not told")
    view.release()
    m.close()
    # A search that succeeds is no fault, however many others are being told of theirs.
    m, view = damaged()
    view.release()
    last = firmmap.PAGESIZE - 2
    m[last : last + 2] = b"<>"
    for start in range(0, 128, 7):
        assert m.find(b"<>", start) == last
    m.close()
    with firmmap.anonymous(10_000) as m:
        m[:] = b"line\\\\n" * 2000
        assert sum(1 for _ in m.lines()) == sum(1 for _ in m.find_all(b"line")) == 2000
        try:
            m.seek(-1)
        except OSError:
            pass
'''
failures = []
def work():
    for _ in range(5):
        one = make()
        failed = _interpreters.run_string(one, PROGRAM)
        if failed is not None:
            failures.append(failed.formatted)
        end(one)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
exec(PROGRAM)
for thread in threads:
    thread.join()
print(failures)
""",
    )
    assert out == "[]\n"


@KINDS
def test_fault_that_outlives_its_interpreter(kind: str) -> None:
    """F3, F5: a map that is dropped with its interpreter, whose class of the exception is gone by then."""
    code = """
one = make()
run(one, DAMAGED + '''
m, view = damaged()
assert told(lambda: bytes(view))
class Kept:
    def __del__(self, m=m, view=view):
        bytes(view)
firmmap.kept = Kept()
m, view = damaged()
firmmap._firmmap.kept = m, view, firmmap._firmmap
''')
end(one)
import firmmap
print(firmmap.mmap(-1, 10)[:3])
"""
    out, err = lives(f"KIND = {kind!r}\nDAMAGED = {DAMAGED!r}\n{SEVERAL}\n{code}")
    assert out == "b'\\x00\\x00\\x00'\n"
    assert "MapFaultError" in err


# The package imported anew.

# Debug builds warn of them by default.
UNCLOSED = ("-W", "ignore::ResourceWarning")

ANEW = """
def anew():
    import sys
    for name in [name for name in sys.modules if name.partition(".")[0] == "firmmap"]:
        del sys.modules[name]
    import firmmap
    return firmmap
"""


def test_fault_is_caught_after_a_new_import() -> None:
    """F5: by the name of the old import and of the new one, for maps of either, by operations and in lent memory."""
    out, err = lives(
        ANEW
        + """
import firmmap as old
new = anew()
assert new is not old and new.mmap is not old.mmap
assert new.MapFaultError is old.MapFaultError
for one in old, new, anew():
    for other in old, new:
        file, m = mapped(one)
        view = memoryview(m)
        file.truncate(PAGE)
        try:
            m[2 * PAGE]
        except other.MapFaultError:
            pass
        file, m = mapped(one)
        view = memoryview(m)
        file.truncate(PAGE)
        try:
            bytes(view)
            for _ in range(1000): len("")
        except other.MapFaultError as error:
            print("caught", error.offset >= PAGE)
import pickle
error = pickle.loads(pickle.dumps(new.MapFaultError(5)))
assert type(error) is new.MapFaultError and error.offset == 5
""",
        *UNCLOSED,
    )
    assert (out, err) == ("caught True\n" * 6, "")


def test_new_import_leaves_nothing_of_the_old_one() -> None:
    """F5, C16: a module and its classes are garbage like others, and functions are wrapped once.

    The module of the first import stays, as faults are told with its exceptions.
    """
    out, err = lives(
        ANEW
        + """
import _signal, faulthandler, gc, weakref
import firmmap
wrapped = _signal.signal, faulthandler.enable, faulthandler.disable
firmmap = anew()
old = [weakref.ref(firmmap._firmmap), *map(weakref.ref, (firmmap.mmap, firmmap.MappedFile, firmmap.Residency))]
m = firmmap.mmap(-1, 10)
firmmap = anew()
gc.collect()
assert m[:] == bytes(10) and old[1]() is type(m)
del m
gc.collect()
print([reference() for reference in old])
assert (_signal.signal, faulthandler.enable, faulthandler.disable) == wrapped
"""
    )
    assert (out, err) == ("[None, None, None, None]\n", "")


def test_function_that_others_have_wrapped_is_wrapped_all_the_same() -> None:
    """F5: what somebody else has put around signal.signal() does not keep the guard from being the first."""
    out, err = lives(
        """
import functools
original = signal.signal
@functools.wraps(original)
def traced(*args):
    print("traced")
    return original(*args)
signal.signal = traced
import firmmap
survive()
signal.signal(signal.SIGBUS, lambda *args: None)
survive()
""",
        *UNCLOSED,
    )
    assert (out, err) == ("traced\n", "")


# Children of fork(2) that another thread than the main one has called.

FORKED = (
    DAMAGED
    + """
import threading, warnings, zlib
warnings.simplefilter("ignore")
def child(test):
    "What a test comes to in the child of a thread's fork."
    results = []
    def fork():
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if test() else 1)
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(2)
        results.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    return results == [0]
"""
)


@pytest.mark.parametrize(
    "test",
    [
        pytest.param("lambda: told(lambda: bytes(view))", id="with the GIL"),
        pytest.param("lambda: told(lambda: zlib.crc32(m))", id="without the GIL"),
        pytest.param("lambda: told(lambda: zlib.crc32(view) and m.flush())", id="without the GIL, then an operation"),
        pytest.param("lambda: told(lambda: m[9000])", id="by an operation"),
        pytest.param("lambda: child(lambda: told(lambda: bytes(view)))", id="in the child's child"),
        pytest.param("lambda: told(lambda: bytes(view)) and not told(lambda: m[0])", id="once"),
    ],
)
def test_fault_in_the_child_of_a_threads_fork(test: str) -> None:
    """F3, F5: CPython calls nobody back there from 3.13 on."""
    out, err = lives(FORKED + f"m, view = damaged()\nprint(child({test}))\nm[9000:9001] if False else None")
    assert (out, err) == ("True\n", "")


def test_fault_in_a_thread_of_the_child_of_a_threads_fork() -> None:
    """F3, F5: the threads that the child starts are told of theirs."""
    out, err = lives(
        FORKED
        + """
m, view = damaged()
def test():
    results = []
    thread = threading.Thread(target=lambda: results.append(told(lambda: bytes(view))))
    thread.start()
    thread.join()
    return results == [True] and not told(lambda: m[0])
print(child(test))
"""
    )
    assert (out, err) == ("True\n", "")
