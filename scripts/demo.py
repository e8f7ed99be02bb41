"""What `make demo` shows: three small programs, then one large file, beside the standard module.

usage: demo.py [FILE]

Without a file, 200 MB are put together from the files of the Rust toolchain and of Python. Both
modules do the same work in turns, and the best time of each is printed. Fails if their results
differ.
"""

from __future__ import annotations

import mmap as standard
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import firmmap

SIZE = 200_000_000
ROUNDS = 5
SCRATCH = Path(os.environ.get("TARGET", "target")) / "demo"
ABSENT = b"no such sentence"
EDITS = 100_000


def hello() -> None:
    """E1: a file, mapped whole."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "hello.txt")
        path.write_bytes(b"Hello Python!\n")
        with path.open("r+b") as file:
            m = firmmap.mmap(file.fileno(), 0)
            print("  readline()              ", m.readline())
            print("  m[:5]                   ", m[:5])
            m[6:] = b" world!\n"
            m.seek(0)
            print("  readline() after an edit", m.readline())
            m.close()
        print("  the file                ", path.read_bytes())


def memory() -> None:
    """E2: memory without a file."""
    with firmmap.mmap(-1, 13) as m:
        print("  write() takes           ", m.write(b"Hello world!"), "bytes")
        print("  m[:]                    ", m[:])


def fork() -> None:
    """E3: memory that a child process shares."""
    m = firmmap.mmap(-1, 13)
    m.write(b"Hello world!")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        m.seek(0)
        print("  the child reads         ", m.readline(), flush=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    m.close()
    if status != 0:
        sys.exit("the child failed")


def sources() -> Iterator[Path]:
    """Files of Python and of the Rust toolchain: texts first, then libraries."""
    sysroot = Path(
        subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    )
    library = Path(sysconfig.get_path("stdlib"))
    for folder, pattern in [
        (library, "**/*.py"),
        (sysroot / "lib" / "rustlib" / "src", "**/*.rs"),
        (sysroot / "share", "**/*.html"),
        (sysroot / "lib", "**/*"),
        (sysroot / "bin", "*"),
    ]:
        yield from sorted(path for path in folder.glob(pattern) if path.is_file())


def assembled() -> Path:
    path = SCRATCH / "input"
    if not path.exists() or path.stat().st_size < SIZE:
        SCRATCH.mkdir(parents=True, exist_ok=True)
        parts = path.with_suffix(".part")
        with parts.open("wb") as out:
            for source in sources():
                out.write(source.read_bytes())
                if out.tell() >= SIZE:
                    break
            else:
                sys.exit(f"only {out.tell():,} bytes of input were found; name a file: FILE=…")
        parts.rename(path)
    return path


def copied(source: Path, name: str) -> Path:
    target = SCRATCH / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file, target.open("wb") as out:
        while chunk := file.read(1 << 24):
            out.write(chunk)
    return target


def rare(m: Any) -> bytes:
    """Sixteen bytes from the middle of the map that, if possible, are in it only once."""
    middle = len(m) // 2
    samples = [m[at : at + 16] for at in range(middle, min(middle + 16_000, len(m) - 16), 16)]
    samples = [sample for sample in samples if len(set(sample)) > 8] or samples
    once = (sample for sample in samples if m.find(sample, 0) == m.rfind(sample, 0))
    return bytes(next(once, samples[0]))


def lines(m: Any) -> int:
    m.seek(0)
    count = 0
    while m.readline():
        count += 1
    return count


def edit(m: Any) -> int:
    step = len(m) // EDITS
    for at in range(0, step * EDITS, step):
        m[at : at + 16] = b"<edited in situ>"
    return EDITS


def read_back(m: Any) -> int:
    """Reads all of it in pieces, and counts the edits that are where they should be."""
    step = len(m) // EDITS
    return sum(m[at : at + 16] == b"<edited in situ>" for at in range(0, step * EDITS, step))


def read_all(m: Any) -> int:
    m.seek(0)
    total = 0
    while piece := m.read(1 << 20):
        total += len(piece)
    return total


class Table:
    """Times one job after the other with both modules, and prints a line for each."""

    def __init__(self) -> None:
        self.agree = True
        print(f"  {'':<44}{'mmap':>12}{'firmmap':>12}{'mmap/firmmap':>15}  result")

    def row(self, label: str, job: Callable[[Any], int], maps: tuple[Any, Any]) -> None:
        best = [float("inf"), float("inf")]
        results: list[int | None] = [None, None]
        for turn in range(ROUNDS):
            for side in (0, 1) if turn % 2 else (1, 0):
                start = time.perf_counter()
                results[side] = job(maps[side])
                best[side] = min(best[side], time.perf_counter() - start)
        result = f"{results[0]:,}" if results[0] == results[1] else f"DIFFERENT: {results}"
        self.agree &= results[0] == results[1]
        times = f"{best[0] * 1e3:>9,.2f} ms{best[1] * 1e3:>9,.2f} ms"
        print(f"  {label:<44}{times}{best[0] / best[1]:>15.2f}  {result}", flush=True)


def same_files(one: Path, other: Path) -> bool:
    with one.open("rb") as a, other.open("rb") as b:
        while True:
            left, right = a.read(1 << 24), b.read(1 << 24)
            if left != right:
                return False
            if not left:
                return True


def opened(module: ModuleType, path: Path, access: int) -> Any:
    with path.open("r+b" if access == standard.ACCESS_WRITE else "rb") as file:
        return module.mmap(file.fileno(), 0, access=access)


def large_file(path: Path) -> bool:
    size = path.stat().st_size
    print(f"\n{path}: {size:,} bytes")
    print(
        f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} processors; the best of {ROUNDS} turns each\n"
    )
    table = Table()
    ours = opened(firmmap, path, standard.ACCESS_READ)
    maps = (opened(standard, path, standard.ACCESS_READ), ours)
    needle = rare(ours)
    table.row("count its lines, one readline() each", lines, maps)
    table.row("find() 16 bytes from its middle", lambda m: int(m.find(needle, 0)), maps)
    table.row("rfind() the same from the end", lambda m: int(m.rfind(needle, 0)), maps)
    table.row("find() 16 bytes that are absent", lambda m: int(m.find(ABSENT, 0)), maps)
    table.row("rfind() the same from the end", lambda m: int(m.rfind(ABSENT, 0)), maps)
    table.row("read() all, 1 MiB at a time", read_all, maps)
    for m in maps:
        m.close()

    copies = (copied(path, "copy-mmap"), copied(path, "copy-firmmap"))
    writable = standard.ACCESS_WRITE
    maps = (opened(standard, copies[0], writable), opened(firmmap, copies[1], writable))
    table.row(f"edit a copy in place, {EDITS:,} x 16 bytes", edit, maps)
    table.row("read the edits back", read_back, maps)
    for m in maps:
        m.flush()
        m.close()
    # What the files hold now is looked at without either module.
    equal = same_files(*copies)
    print(f"\n  the two edited copies are {'equal' if equal else 'DIFFERENT'}")
    for copy in copies:
        copy.unlink()
    return table.agree and equal


def main() -> int:
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if given and (not given.is_file() or given.stat().st_size < 16 * EDITS):
        sys.exit(f"{given} is not a file of at least {16 * EDITS:,} bytes: the demo is about large ones")
    print("a file, mapped whole")
    hello()
    print("memory without a file")
    memory()
    print("memory that a child process shares")
    fork()
    return 0 if large_file(given or assembled()) else 1


if __name__ == "__main__":
    sys.exit(main())
