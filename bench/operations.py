"""What is measured: every operation of the class, with the ratio that it is to reach."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
LINE = b"the quick brown fox jumps over the lazy dog, 0123456789 and so on\n"


@dataclass(frozen=True)
class Operation:
    """One statement about `m`, a map of a file of `size` bytes; `M` is the module, `fd` the file.

    `setup` runs before each turn of the loop that is timed, and is not timed itself.
    `target` is the least ratio of the standard module's time to ours, or None for no promise.
    """

    name: str
    statement: str
    setup: str = "pass"
    size: int = 4 * MIB
    target: float | None = 1.0
    data: str = "lines"
    turns: int | None = None


def needle(length: int) -> bytes:
    """Bytes that are not in the data, though their first and their last are."""
    return b"the quick brown cat jumps over the lazy dog, and so on and on and on"[-length:]


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
    Operation("find() near", "m.find(b'lazy', 0)", target=1.2),
    Operation("rfind() near", "m.rfind(b'lazy')", target=1.2),
    Operation("readline()", "m.readline()", "m.seek(0)", target=1.2),
    Operation("map a file, close", "M.mmap(fd, 0).close()", size=65536),
    Operation("map a file read-only, close", "M.mmap(fd, 0, access=1).close()", size=65536),
    Operation("map memory, close", "M.mmap(-1, 4096).close()"),
]

LARGE = [
    *(
        Operation(f"find() absent, {n} bytes", f"m.find({needle(n)!r}, 0)", size=128 * MIB, target=4)
        for n in (2, 4, 8, 16, 64)
    ),
    *(
        Operation(f"rfind() absent, {n} bytes", f"m.rfind({needle(n)!r}, 0)", size=128 * MIB, target=6)
        for n in (2, 4, 8, 16, 64)
    ),
    Operation("find() one byte", "m.find(b'#', 0)", size=128 * MIB),
    Operation("rfind() one byte", "m.rfind(b'#', 0)", size=128 * MIB),
    Operation("m[:]", "m[:]", size=128 * MIB, target=1.5),
    Operation("read() of all", "m.read()", "m.seek(0)", size=128 * MIB, target=1.5, turns=1),
    Operation(
        "first touch: map, search, close",
        "m2 = M.mmap(fd, 0, access=1); m2.find(b'#no such thing#'); m2.close()",
        size=128 * MIB,
    ),
]

WORST = [
    Operation("find() a*31+b in a*n", "m.find(b'a' * 31 + b'b', 0)", size=4 * MIB, data="a"),
    Operation("find() b+a*31 in a*n", "m.find(b'b' + b'a' * 31, 0)", size=4 * MIB, data="a"),
    Operation("rfind() a*31+b in a*n", "m.rfind(b'a' * 31 + b'b', 0)", size=4 * MIB, data="a"),
    Operation("rfind() b+a*31 in a*n", "m.rfind(b'b' + b'a' * 31, 0)", size=4 * MIB, data="a"),
    Operation("find() abab... in periodic", "m.find(b'ab' * 15 + b'aa', 0)", size=4 * MIB, data="ab"),
    Operation("find() common bytes", "m.find(b'ta eht', 0)", size=4 * MIB),
    Operation("find() longer than the map", "m.find(b'a' * 8192, 0)", size=4096, data="a"),
    Operation("find() match at the very end", "m.find(b'END', 0)", size=4 * MIB, data="end"),
    Operation("rfind() match at the very start", "m.rfind(b'END', 0)", size=4 * MIB, data="start"),
    Operation(
        "find() from hit to hit",
        "p = m.find(b'and', p + 1)",
        "p = 0",
        size=64 * MIB,
    ),
    Operation("rfind() a match everywhere", "m.rfind(b'aaaa', 0)", size=4 * MIB, data="a"),
]

OPERATIONS = [*SMALL, *LARGE, *WORST]


def content(operation: Operation) -> bytes:
    """The bytes of the operation's file."""
    size = operation.size
    match operation.data:
        case "a":
            return b"a" * size
        case "ab":
            return (b"ab" * (size // 2 + 1))[:size]
        case "end":
            return (LINE * (size // len(LINE) + 1))[: size - 3] + b"END"
        case "start":
            return b"END" + (LINE * (size // len(LINE) + 1))[: size - 3]
        case _:
            return (LINE * (size // len(LINE) + 1))[:size]
