"""Truncates its own mapped file, reads it, and goes on. With the standard mmap it would be dead.

python truncated.py
"""

import os
import tempfile

import firmmap as mmap


def main() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"a line of a log file\n" * 10_000)
        file.flush()
        with mmap.mmap(file.fileno(), 0) as m:
            print(f"mapped {len(m)} bytes, the first line is {m.readline()!r}")

            file.truncate(50_000)
            try:
                m.find(b"needle")
            except mmap.MapFaultError as error:
                print(f"searching the truncated file: {error}")
            print(f"what is still there: {m[:6]!r}, and the position is {m.tell()}")

            try:
                # Memory that is used directly reads zeros, and the exception comes right after.
                total = sum(memoryview(m))
                print(f"the sum of all bytes: {total}, and no error")
            except mmap.MapFaultError as error:
                print(f"summing its memory: missing from {error.offset} on")

            os.truncate(file.fileno(), len(m))
            print(f"long enough again: zeros from {m.find(bytes(3))} on")


if __name__ == "__main__":
    main()
