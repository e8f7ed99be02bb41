"""What is measured: every operation of the class, with the ratio that it is to reach, and the data."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

MIB = 1 << 20
LINE = b"the quick brown fox jumps over the lazy dog, 0123456789 and so on\n"


@dataclass(frozen=True)
class Operation:
    """One statement about `m`, a map of a file of `size` bytes; `M` is the module, `fd` the file.

    `setup` runs before each turn of the loop that is timed, and is not timed itself.
    `target` is the least ratio of the standard module's time to ours, or None for no promise.
    `absent` is a needle that the data must not have.
    """

    name: str
    statement: str
    setup: str = "pass"
    size: int = 4 * MIB
    target: float | None = 1.0
    data: str = "log"
    turns: int | None = None
    absent: bytes | None = None


def needle(length: int) -> bytes:
    """Bytes that look like those of the log, and are not in it."""
    whole = b"12:34:56.789 INFO  [worker-07] GET /api/v2/orders/4711 404 took 12 ms zq"
    return whole[-length:]


SMALL = [
    Operation("m[i]", "m[5]"),
    Operation("m[i] = b", "m[5] = 7"),
    Operation("m[i:i+16]", "m[100:116]"),
    Operation("m[i:j:2]", "m[100:132:2]"),
    Operation("m[i:j] = b", "m[100:104] = b'abcd'"),
    Operation("len(m)", "len(m)"),
    Operation("tell()", "m.tell()"),
    Operation("closed", "m.closed"),
    Operation("read_byte()", "m.read_byte()", "m.seek(0)"),
    Operation("write_byte()", "m.write_byte(3)", "m.seek(0)"),
    Operation("size()", "m.size()"),
    Operation("move()", "m.move(0, 100, 10)"),
    Operation("memoryview and release", "memoryview(m).release()"),
    Operation("seek()", "m.seek(10)", target=1.2),
    Operation("read(10)", "m.read(10)", "m.seek(0)", target=1.2),
    Operation("write(10)", "m.write(b'0123456789')", "m.seek(0)", target=1.2),
    Operation("find() near", "m.find(b'lazy', 0)", target=1.2, data="lines"),
    Operation("rfind() near", "m.rfind(b'lazy')", target=1.2, data="lines"),
    Operation("readline()", "m.readline()", "m.seek(0)", target=1.2, data="lines"),
    Operation("map a file, close", "M.mmap(fd, 0).close()", size=65536),
    Operation("map a file read-only, close", "M.mmap(fd, 0, access=1).close()", size=65536),
    Operation("map memory, close", "M.mmap(-1, 4096).close()"),
]


def absent(
    method: str, length: int, data: str, sought: bytes, target: float | None, size: int = 128 * MIB
) -> Operation:
    """A search for what is not there."""
    kind = "" if data == "log" else f" {data}"
    where = "" if size == 128 * MIB else f" in {size // 1024} KiB"
    return Operation(
        f"{method}() absent, {length} bytes{kind}{where}",
        f"m.{method}({sought!r}, 0)",
        size=size,
        target=target,
        data=data,
        absent=sought,
    )


LARGE = [
    *(absent("find", n, "log", needle(n), 4) for n in (2, 4, 8, 16, 32, 64)),
    *(absent("rfind", n, "log", needle(n), 6) for n in (2, 4, 8, 16, 32, 64)),
    absent("find", 24, "DNA", b"ACGTTGCAACGGTTCAAGGCTATN", 1),
    absent("rfind", 24, "DNA", b"NACGTTGCAACGGTTCAAGGCTAT", 1),
    absent("find", 64, "log", needle(64), 1, 40 * 1024),
    absent("rfind", 64, "log", needle(64), 1, 40 * 1024),
    absent("find", 64, "DNA", b"ACGTTGCAACGGTTCAAGGCTATT" * 2 + b"ACGTTGCAACGGTTCN", 1, 40 * 1024),
    absent("rfind", 64, "DNA", b"NACGTTGCAACGGTTCAAGGCTAT" + b"ACGTTGCAACGGTTCAAGGCTATTACGTTGCAACGGTTCA", 1, 40 * 1024),
    Operation("find() one byte", "m.find(b'\\xff', 0)", size=128 * MIB, absent=b"\xff"),
    Operation("rfind() one byte", "m.rfind(b'\\xff', 0)", size=128 * MIB, absent=b"\xff"),
    Operation("m[:]", "m[:]", size=128 * MIB, target=1.5),
    Operation("read() of all", "m.read()", "m.seek(0)", size=128 * MIB, target=1.5, turns=1),
    Operation(
        "first touch: map, search, close",
        "m2 = M.mmap(fd, 0, access=1); m2.find(b'#no such thing#'); m2.close()",
        size=128 * MIB,
        absent=b"#no such thing#",
    ),
]

LONG_FOX = b"the quick brown cat jumps over the lazy dog, and so on and on and on"[-64:]
WORST = [
    Operation("find() a*31+b in a*n", "m.find(b'a' * 31 + b'b', 0)", data="a"),
    Operation("find() b+a*31 in a*n", "m.find(b'b' + b'a' * 31, 0)", data="a"),
    Operation("rfind() a*31+b in a*n", "m.rfind(b'a' * 31 + b'b', 0)", data="a"),
    Operation("rfind() b+a*31 in a*n", "m.rfind(b'b' + b'a' * 31, 0)", data="a"),
    Operation("find() a*15+b+a*16 in a*n", "m.find(b'a' * 15 + b'b' + b'a' * 16, 0)", data="a"),
    Operation("find() abab...aa in ababab...", "m.find(b'ab' * 15 + b'aa', 0)", data="ab"),
    Operation("rfind() abab...aa in ababab...", "m.rfind(b'ab' * 15 + b'aa', 0)", data="ab"),
    Operation("find() 64 random bits in bits", "m.find(b'01101' * 12 + b'2222', 0)", data="bits"),
    Operation("find() 12 bits in bits, absent", "m.find(b'011011101112', 0)", data="bits"),
    Operation("rfind() 12 bits in bits, absent", "m.rfind(b'211011101110', 0)", data="bits"),
    Operation("find() of common bytes", "m.find(b'ta eht', 0)", data="lines"),
    Operation("find() 64 bytes in equal lines", f"m.find({LONG_FOX!r}, 0)", data="lines", size=32 * MIB),
    Operation("rfind() 64 bytes in equal lines", f"m.rfind({LONG_FOX!r}, 0)", data="lines", size=32 * MIB),
    Operation("find() longer than the map", "m.find(b'a' * 8192, 0)", size=4096, data="a"),
    Operation("find() match at the very end", "m.find(b'END', 0)", data="end"),
    Operation("rfind() match at the very start", "m.rfind(b'END', 0)", data="start"),
    Operation("find() from hit to hit", "p = m.find(b'and', p + 1)", "p = 0", size=64 * MIB, data="lines"),
    Operation("find() newline to newline", "p = m.find(b'\\n', p + 1)", "p = 0", size=64 * MIB, data="lines"),
    Operation("rfind() a match everywhere", "m.rfind(b'aaaa', 0)", data="a"),
]

OPERATIONS = [*SMALL, *LARGE, *WORST]


@functools.cache
def log() -> bytes:
    """A mebibyte of a server's log: the same one each time, as its numbers come from a fixed seed."""
    numbers = random.Random(20261124)
    words = ["orders", "users", "sessions", "invoices", "search", "metrics", "images", "login"]
    lines = []
    size = 0
    while size < MIB:
        hour, minute, second, rest = (numbers.randrange(limit) for limit in (24, 60, 60, 1000))
        at = f"{hour:02}:{minute:02}:{second:02}.{rest:03}"
        line = (
            f"{at} {numbers.choice(['INFO ', 'INFO ', 'INFO ', 'DEBUG', 'WARN ', 'ERROR'])} "
            f"[worker-{numbers.randrange(32):02}] {numbers.choice(['GET', 'GET', 'POST', 'PUT'])} "
            f"/api/v{numbers.randrange(1, 4)}/{numbers.choice(words)}/{numbers.randrange(10**6)} "
            f"{numbers.choice([200, 200, 200, 204, 301, 404, 500])} took {numbers.randrange(900)} ms\n"
        ).encode()
        lines.append(line)
        size += len(line)
    return b"".join(lines)


@functools.cache
def letters(alphabet: bytes) -> bytes:
    """A mebibyte of random letters."""
    return bytes(random.Random(7).choices(alphabet, k=MIB))


def content(operation: Operation) -> bytes:
    """The bytes of the operation's file."""
    size = operation.size

    def repeated(piece: bytes) -> bytes:
        return (piece * (size // len(piece) + 1))[:size]

    match operation.data:
        case "a":
            data = b"a" * size
        case "ab":
            data = repeated(b"ab")
        case "bits":
            data = repeated(letters(b"01"))
        case "DNA":
            data = repeated(letters(b"ACGT"))
        case "lines":
            data = repeated(LINE)
        case "end":
            data = repeated(LINE)[: size - 3] + b"END"
        case "start":
            data = b"END" + repeated(LINE)[: size - 3]
        case _:
            data = repeated(log())
    assert operation.absent is None or operation.absent not in data, operation.name
    return data
