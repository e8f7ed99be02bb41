"""Descriptors that are closed behind a map's back, as os.closerange() does, and whose numbers other files get (F9)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support import run_python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nobody closes handles by their numbers there")

PRELUDE = """
import errno, gc, os, sys
import firmmap

P = firmmap.PAGESIZE
directory, kind = sys.argv[1:]
own, other = directory + "/own", directory + "/other"
SECRET = b"SECRET--" * (4 * P)
with open(own, "wb") as f: f.write(b"a" * (8 * P))
with open(other, "wb") as f: f.write(SECRET)

def new(**names):
    with open(own, "r+b") as f:
        if kind == "mmap":
            return firmmap.mmap(f.fileno(), 0)
        return firmmap.open(own if kind == "path" else f.fileno(), "r+", **names)

def close_all(reuse=True):
    os.closerange(3, 256)
    return [os.open(other, os.O_RDWR) for _ in range(8)] if reuse else []

def untouched():
    with open(other, "rb") as f:
        assert f.read() == SECRET

def stale(call, reuse=True):
    try:
        result = call()
    except OSError as error:
        assert error.errno == errno.EBADF, repr(error)
        assert not reuse or "its number is another file's now" in str(error), str(error)
        assert error.filename == (own if kind == "path" else None), repr(error)
    else:
        raise SystemExit(f"no exception, but {result!r}")
"""

FAULT = """
m = new()
opened = close_all()
os.truncate(own, 2 * P)
try:
    m[5 * P]
    raise SystemExit("no fault")
except firmmap.MapFaultError:
    pass
with open(own, "r+b") as f:
    f.truncate(8 * P)
    for _ in range(2):
        try:
            assert m[5 * P : 5 * P + 8] == bytes(8)
            m[5 * P : 5 * P + 4] = b"mine"
            f.seek(5 * P)
            assert f.read(4) == b"mine"
            m[5 * P : 5 * P + 4] = bytes(4)
        except firmmap.MapFaultError:
            pass
assert m[:4] == b"aaaa"
m.close()
untouched()
for number in opened:
    os.close(number)
"""

LENGTH = """
m = new()
position = m.tell()
opened = close_all()
if kind == "mmap":
    calls = [m.size, lambda: m.resize(P), lambda: m.resize(20 * P)]
else:
    calls = [
        m.size, m.refresh, m.fileno,
        lambda: m.truncate(P), lambda: m.truncate(20 * P), lambda: m.truncate(0),
    ]
for call in calls:
    stale(call)
assert (len(m), m.tell()) == (8 * P, position)
m[0] = 98
m.flush()
with open(own, "rb") as f:
    assert f.read() == b"b" + b"a" * (8 * P - 1)
del m, calls, call
gc.collect()
untouched()
# The end of the map has closed nobody's descriptor.
for number in opened:
    os.close(number)
"""

WRITING = """
for names in ({}, {"capacity": 1 << 20}):
    m = new(**names)
    m.seek(len(m))
    opened = close_all()
    for data in (b"more", b"m" * (2 << 20)):
        stale(lambda: m.write(data))
        stale(lambda: m.writelines([data]))
    assert (len(m), m.tell()) == (8 * P, 8 * P)
    m.close()
    untouched()
    assert os.path.getsize(own) == 8 * P
    for number in opened:
        os.close(number)
"""

HANDED_OUT = """
m = new()
number = m.fileno()
opened = close_all()
assert number in opened
position = os.lseek(number, 5, os.SEEK_SET)
stale(m.fileno)
# The position of a caller's descriptor is the caller's.
if kind == "path":
    stale(m.tell)
    stale(lambda: m.seek(0))
    stale(m.flush)
assert os.lseek(number, 0, os.SEEK_CUR) == 5
m.close()
untouched()
"""

CLOSED = """
m = new()
close_all(reuse=False)
stale(m.size, reuse=False)
assert m[:4] == b"aaaa"
m.close()
"""


@pytest.mark.parametrize("kind", ["mmap", "path", "descriptor"])
@pytest.mark.parametrize("program", [FAULT, LENGTH, CLOSED], ids=["fault", "length", "closed"])
def test_of_every_map(tmp_path: Path, program: str, kind: str) -> None:
    """F9, C9, C11: no byte of the other file is seen or changed; what needs the file says what happened."""
    run_python(PRELUDE + program, str(tmp_path), kind)


@pytest.mark.parametrize("kind", ["path", "descriptor"])
@pytest.mark.parametrize("program", [WRITING, HANDED_OUT], ids=["writing", "handed out"])
def test_of_file_objects(tmp_path: Path, program: str, kind: str) -> None:
    """F9, G6: growth, and the position of the descriptor."""
    run_python(PRELUDE + program, str(tmp_path), kind)
