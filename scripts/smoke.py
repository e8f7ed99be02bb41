"""A short look at an installed package: it imports, maps, searches, grows, and survives a truncated file."""

from __future__ import annotations

import platform
import sys
import tempfile
from pathlib import Path

import firmmap
import firmmap as mmap

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "file")
    path.write_bytes(b"all well\n" * 10_000)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as m:
        assert m.readline() == b"all well\n"
        m[:3] = b"ALL"
        assert m.find(b"ALL", 0) == 0 and m.rfind(b"well") == 89_995
        m.resize(100_000)
        m[90_000:90_003] = b"end"
        m.flush()
        assert path.read_bytes()[90_000:90_004] == b"end\0"
        assert bytes(memoryview(m)[:8]) == b"ALL well"
        if sys.platform == "linux":
            file.truncate(10_000)
            try:
                m.find(b"absent")
            except mmap.MapFaultError as error:
                assert error.offset == -(-10_000 // mmap.PAGESIZE) * mmap.PAGESIZE
            else:
                raise SystemExit("no exception for the missing pages")
            file.truncate(100_000)
            assert m.find(b"absent") == -1

words = f"{platform.python_implementation()} {platform.python_version()}"
print(f"firmmap {firmmap.__version__} works in {words}: {Path(firmmap.__file__).parent}")
