"""The command `firmmap`. The exit status is that of grep: 0, 1 if nothing was found, 2 after an error."""

from __future__ import annotations

import argparse
import os
import signal

from . import MappedFile, __version__
from . import open as open_map
from ._command_output import Output, OutputError, printable, reason
from ._command_search import Search, count, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    Run = Callable[[argparse.Namespace, Output], int]

FOUND, NOT_FOUND, FAILED = 0, 1, 2
# What a shell says of a command that a signal ended.
INTERRUPTED, BROKEN_PIPE = 128 + signal.SIGINT, 128 + 13
# Bytes that are read or evicted between two looks at the progress and at Ctrl-C.
STEP = 16 << 20
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class UsageError(Exception):
    """Arguments that the command cannot do anything with."""


class Parser(argparse.ArgumentParser):
    """Its errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILED, f"{self.prog}: {message}; {self.prog} --help shows how it is used\n")


def at_least(least: int) -> Callable[[str], int]:
    """The type of a number in decimal, or with 0x, 0o or 0b in front."""

    def number(text: str) -> int:
        try:
            value = int(text, 0)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return number


def to_bytes(arguments: argparse.Namespace, name: str, text: str) -> bytes:
    """The bytes that an argument stands for."""
    if arguments.hex:
        try:
            data = bytes.fromhex(text)
        except ValueError as error:
            raise UsageError(f"{name} {text!r}: {error}") from None
    elif arguments.encoding is None:
        data = os.fsencode(text)  # the bytes of the command line
    else:
        try:
            data, mark = text.encode(arguments.encoding), "".encode(arguments.encoding)
        except (LookupError, UnicodeError) as error:
            raise UsageError(f"{name} {text!r}: {error}") from None
        if mark:
            raise UsageError(f"{arguments.encoding!r} puts a byte order mark before every text; name the byte order")
    if not data:
        raise UsageError(f"{name} is empty")
    return data


def each_file(arguments: argparse.Namespace, output: Output, work: Callable[[str], bool]) -> int:
    """Does the work for each file, whatever happens with the ones before it; it returns whether something was found."""
    status = NOT_FOUND
    for name in arguments.files:
        try:
            if work(name) and status == NOT_FOUND:
                status = FOUND
        except BrokenPipeError:
            raise
        except (OSError, ValueError, BufferError, MemoryError, OverflowError, RuntimeError) as error:
            output.error(name, error)
            status = FAILED
    return status


def size_text(size: int) -> str:
    unit = 0
    amount = float(size)
    while amount >= 1024 and unit < len(UNITS) - 1:
        amount /= 1024
        unit += 1
    return f"{amount:.1f} {UNITS[unit]}" if unit else f"{size} {UNITS[0]}"


def json_line(facts: dict[str, object]) -> bytes:
    import json

    return json.dumps(facts).encode() + b"\n"


def show_residency(m: MappedFile, name: str, arguments: argparse.Namespace, output: Output) -> None:
    pages = m.residency()
    size = len(m)
    # The last page counts as far as the file reaches.
    resident = min(pages.resident * pages.page_size, size)
    if arguments.json:
        facts: dict[str, object] = {
            "file": name,
            "size": size,
            "page_size": pages.page_size,
            "pages": pages.total,
            "resident": pages.resident,
            "runs": [[run.start, min(run.stop, size)] for run in pages.runs],
        }
        output.write(json_line(facts))
        return
    picture, _, counts = str(pages).rpartition("| ")
    output.line(
        (printable(name), "bold"),
        (": ", ""),
        (f"{picture}|", "cyan"),
        (f" {counts}, {size_text(resident)} of {size_text(size)}", ""),
    )


def run_pages(arguments: argparse.Namespace, output: Output) -> int:
    """residency, prefetch and evict: all end with what is in memory."""

    def work(name: str) -> bool:
        with open_map(name) as m:
            if arguments.command != "residency":
                step = m.prefetch if arguments.command == "prefetch" else m.evict
                with output.progress(name, len(m)) as bar:
                    for start in range(0, len(m), STEP):
                        size = min(STEP, len(m) - start)
                        step(start, size)
                        bar.advance(size)
            show_residency(m, name, arguments, output)
        return True

    return each_file(arguments, output, work)


def make_search(arguments: argparse.Namespace) -> Search:
    pattern = to_bytes(arguments, "PATTERN", arguments.pattern)
    if arguments.lines and b"\n" in pattern:
        raise UsageError("PATTERN has a newline: no line can contain it")
    if arguments.lines and arguments.overlapping:
        raise UsageError("--lines and --overlapping exclude each other: a line counts once")
    return Search(pattern, arguments.lines, arguments.overlapping, getattr(arguments, "reverse", False))


def run_find(arguments: argparse.Namespace, output: Output) -> int:
    search = make_search(arguments)
    several = len(arguments.files) > 1

    def work(name: str) -> bool:
        prefix = os.fsencode(name) + b":" if several else b""
        return find(search, name, arguments.jobs, prefix, output)

    return each_file(arguments, output, work)


def run_count(arguments: argparse.Namespace, output: Output) -> int:
    search = make_search(arguments)
    several = len(arguments.files) > 1

    def work(name: str) -> bool:
        number = count(search, name, arguments.jobs, output)
        prefix = os.fsencode(name) + b":" if several else b""
        output.write(b"%b%d\n" % (prefix, number))
        return number > 0

    return each_file(arguments, output, work)


def run_patch(arguments: argparse.Namespace, output: Output) -> int:
    def shown(data: bytes) -> str:
        return data.hex(" ") if arguments.hex else ascii(data)

    old, new = (to_bytes(arguments, name.upper(), getattr(arguments, name)) for name in ("old", "new"))
    if len(old) != len(new):
        raise UsageError(f"OLD has {len(old)} bytes and NEW has {len(new)}; a patch keeps the length of the file")

    def work(name: str) -> bool:
        start, end = arguments.offset, arguments.offset + len(old)
        with open_map(name, "r" if arguments.dry_run else "r+") as m:
            if end > len(m):
                raise ValueError(f"bytes {start}..{end} are outside the file of {len(m)} bytes; nothing was changed")
            if (found := m[start:end]) != old:
                output.error(name, f"at {start} there is {shown(found)}, not {shown(old)}; nothing was changed")
                return False
            done = "would be replaced"
            if not arguments.dry_run:
                m[start:end] = new
                m.flush(start, len(new))
                done = "were replaced and written to the disk"
        output.line((printable(name), "bold"), (f": {len(new)} bytes at {start} {done}", ""))
        return True

    return each_file(arguments, output, work)


def run_split(arguments: argparse.Namespace, output: Output) -> int:
    from . import FASTA, FASTQ, split

    cut: dict[str, Any] = {"parts": arguments.parts, "size": arguments.size}
    if arguments.record is not None:
        cut["record"] = arguments.record
    elif arguments.boundary is not None:
        cut["boundary"] = to_bytes(arguments, "--boundary", arguments.boundary)
    elif arguments.format is not None:
        cut["boundary"] = {"fasta": FASTA, "fastq": FASTQ}[arguments.format]

    def work(name: str) -> bool:
        for part in split(name, **cut):
            if arguments.json:
                output.write(json_line({"file": name, "offset": part.offset, "length": part.length}))
            else:
                output.write(b"%d\t%d\n" % (part.offset, part.length))
        return True

    return each_file(arguments, output, work)


def make_parser() -> Parser:
    parser = Parser(
        prog="firmmap",
        description="Look at, search, patch and split files in place, through memory-mapped files.",
        epilog="The exit status is 0, 1 if nothing was found (or nothing patched), and 2 after an error.",
    )
    parser.add_argument("--version", action="version", version=f"firmmap {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Run, text: str, files: str | int | None) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(run=run)
        if files is not None:
            command.add_argument("files", metavar="FILE", nargs=files)
        return command

    def add_text_options(command: argparse.ArgumentParser, what: str) -> None:
        form = command.add_mutually_exclusive_group()
        form.add_argument("--hex", action="store_true", help=f"{what} in hexadecimal digits, as in 'ff 00'")
        form.add_argument("--encoding", metavar="NAME", help=f"{what} as text in this encoding, such as utf-16-le")

    for name, text in (
        ("residency", "show which pages of files are in memory"),
        ("prefetch", "read files into memory"),
        ("evict", "remove files from memory, as far as the system does"),
    ):
        command = add(name, run_pages, text, "+")
        command.add_argument("--json", action="store_true", help="one object for each file, on a line of its own")

    for name, run, text in (
        ("find", run_find, "print the offset of each occurrence of some bytes"),
        ("count", run_count, "count the occurrences of some bytes"),
    ):
        command = add(name, run, text, None)
        command.add_argument("pattern", metavar="PATTERN")
        command.add_argument("files", metavar="FILE", nargs="+")
        add_text_options(command, "PATTERN")
        command.add_argument("--overlapping", action="store_true", help="occurrences that overlap, too")
        command.add_argument("--jobs", metavar="N", type=at_least(1), default=1, help="search with N threads")
        if name == "find":
            command.add_argument("--lines", action="store_true", help="print the lines that have PATTERN in them")
            command.add_argument("--reverse", action="store_true", help="search from the end on, the last one first")
        else:
            command.add_argument("--lines", action="store_true", help="count the lines that have PATTERN in them")

    command = add("patch", run_patch, "replace bytes in place, if the expected ones are there", None)
    command.add_argument("files", metavar="FILE", nargs=1)
    command.add_argument("offset", metavar="OFFSET", type=at_least(0), help="a number, also as 0x…")
    command.add_argument("old", metavar="OLD", help="the bytes that have to be there")
    command.add_argument("new", metavar="NEW", help="as many other bytes")
    add_text_options(command, "OLD and NEW")
    command.add_argument("--dry-run", action="store_true", help="change nothing, and say whether it would be done")

    command = add("split", run_split, "print the offset and the length of ranges of whole records", 1)
    how = command.add_mutually_exclusive_group(required=True)
    how.add_argument("-n", "--parts", metavar="N", type=at_least(1), help="into about N ranges")
    how.add_argument("--size", metavar="BYTES", type=at_least(1), help="into ranges of about this size")
    records = command.add_mutually_exclusive_group()
    records.add_argument("--boundary", metavar="TEXT", help="what each record ends with, if not with a newline")
    records.add_argument("--record", metavar="BYTES", type=at_least(1), help="the size of each record")
    for name in ("fasta", "fastq"):
        records.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help=f"records of {name.upper()}"
        )
    add_text_options(command, "the boundary")
    command.add_argument("--json", action="store_true", help="one object for each range, on a line of its own")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command with these arguments, or those of the process; returns its exit status."""
    output = Output()
    try:
        parser = make_parser()
        arguments = parser.parse_args(argv)
        if not arguments.files:
            # older argparse takes a file named "--" for the end of the options, also after that
            parser.error("the following arguments are required: FILE")
        try:
            run: Run = arguments.run
            status = run(arguments, output)
        finally:
            output.erase_bar()
        output.flush()
    except KeyboardInterrupt:
        output.abandon()  # whoever should read it may have stopped, too
        return INTERRUPTED
    except BrokenPipeError:
        output.abandon()
        return BROKEN_PIPE
    except OutputError as error:
        output.abandon()
        output.error("standard output", reason(error.args[0]))
        return FAILED
    except UsageError as error:
        output.error(arguments.command, error)
        return FAILED
    return status
