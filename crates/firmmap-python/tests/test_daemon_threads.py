"""Daemon threads that are inside of a call when the program ends. Each program runs several times, in its own process.

Up to 3.13, CPython ends such a thread by pthread_exit(3), which glibc turns into an unwinding of its frames.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUNS = 5

# What a thread repeats: busy() is Python code that switches threads.
CALLS = {
    "open": "firmmap.open(path).close()",
    "the class": "firmmap.MappedFile(path).close()",
    "a block": "with firmmap.open(path): pass",
    "mmap": "firmmap.mmap(-1, 4096).close()",
    "a path": "firmmap.open(Path()).close()",
    "an opener": "firmmap.open(path, opener=opener).close()",
    "an opener that fails": "failing(lambda: firmmap.open(path, opener=lambda name, flags: busy() / 0))",
    "no file": "failing(lambda: firmmap.open(path + 'none'))",
    "writelines": "file.seek(0); file.writelines(b'%d' % (busy() + i) for i in range(10))",
    "needles": "file.find_all(b'%d' % (busy() + i) for i in range(10))",
    "an index": "m[Index()]",
    "a slice": "m[Index() :]",
    "an assignment": "m[Index() : 3] = b'abc'",
    "a search": "m.find(b'x', Index())",
    "a position": "m.seek(Index())",
    "a finalizer": "Sub(path)",
    "a finalizer after close": "Sub(path).close()",
    "a weak reference": "reference = weakref.ref(Referred(-1, 4096), lambda _: busy())",
}
if sys.version_info >= (3, 12):
    CALLS["a buffer"] = "m.find(Buffer())"
    CALLS["a buffer that is written"] = "m.seek(0); m.write(Buffer())"
    CALLS["a buffer that is read into"] = "file.readinto(Buffer())"

PROGRAM = """
import os, sys, threading, time, weakref
import firmmap

# Any bytecode may be the last one of a thread.
sys.setswitchinterval(1e-5)
path = sys.argv[3]

def busy():
    for _ in range(200):
        len("")
    return 0

def failing(call):
    try:
        call()
    except (OSError, ZeroDivisionError):
        pass

def opener(name, flags):
    busy()
    return os.open(name, flags)

class Path:
    def __fspath__(self):
        busy()
        return path

class Index:
    def __index__(self):
        return busy()

class Buffer:
    def __buffer__(self, flags):
        busy()
        return memoryview(bytearray(b"abc"))

class Sub(firmmap.MappedFile):
    def __del__(self):
        busy()

class Referred(firmmap.mmap):
    pass

call = compile(sys.argv[1], "call", "exec")
started = [threading.Event() for _ in range(3)]

def work(event):
    m = firmmap.mmap(-1, 4096)
    file = firmmap.anonymous(4096)
    names = globals() | {"m": m, "file": file}
    exec(call, names)
    event.set()
    while True:
        exec(call, names)

for event in started:
    threading.Thread(target=work, args=(event,), daemon=True).start()
for event in started:
    event.wait()
time.sleep(int(sys.argv[2]) / 100)
"""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_program_ends_well(call: str, tmp_path: Path) -> None:
    """C16: while threads are in a call, or in Python code that a call runs."""
    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    # All at once: they wait more than they work.
    programs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PROGRAM, call, str(run), str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for run in range(RUNS)
    ]
    results = [(program.communicate(timeout=120)[0], program.returncode) for program in programs]
    assert results == [("", 0)] * RUNS


LAST = """
import sys, threading, time
import firmmap

path, what = sys.argv[1:]
with open(path, "wb") as file:
    file.truncate(64 << 20)
source = open(path, "r+b")
m = firmmap.mmap(source.fileno(), 0) if what == "resize" else firmmap.open(path, "r+", capacity=1 << 32)


class Last:
    def __del__(self, sys=sys):
        assert sys.is_finalizing()
        try:
            m.resize(4096)
            print("done")
        except BufferError as error:
            print(error)


def work():
    while True:
        if what == "append":
            m.write(bytes(2 << 20))
            m.truncate(64 << 20)
        else:
            m.find(b"absent")


last = Last()
last.me = last
threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""


@pytest.mark.parametrize("what", ["resize", "truncate", "append"])
def test_nobody_waits_for_a_thread_that_does_not_go_on(tmp_path: Path, what: str) -> None:
    """C16: what needs the map alone ends in the last finalizers of a program, with an error if a thread has the map."""
    for _ in range(RUNS):
        command = [sys.executable, "-W", "ignore", "-c", LAST, str(tmp_path / "file"), what]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout in ("done\n", "another thread was using the map when the interpreter ended\n", "")
