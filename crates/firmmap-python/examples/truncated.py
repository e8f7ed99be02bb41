"""A program that truncates its own mapped file, uses it, and goes on.

With another module it would be dead.

python crates/firmmap-python/examples/truncated.py
"""

import re
import tempfile

import firmmap as mmap

with tempfile.TemporaryFile() as file:
    file.write(b"a line of a log file\n" * 10_000)
    file.flush()

    m = mmap.mmap(file.fileno(), 0)
    print(f"mapped {len(m)} bytes, the first line is {m.readline()!r}")

    file.truncate(50_000)
    try:
        m.find(b"needle")
    except mmap.MapFaultError as error:
        print(f"searching the truncated file: {error}")
    print(f"what is still there: {m[:6]!r}")

    try:
        found = re.search(rb"needle", m)
        print(f"a regular expression: {found}")
    except mmap.MapFaultError as error:
        print(f"a regular expression: {error}")

    file.truncate(len(m))
    print(f"long enough again: found at {m.find(bytes(3), 0)}")
