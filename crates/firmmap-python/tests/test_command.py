"""The command `firmmap`: what it prints, its errors of one line, its exit status, and what ends it halfway."""

from __future__ import annotations

import importlib.util
import json
import locale
import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import firmmap
import pytest
from firmmap import _command, _command_search
from firmmap._command_output import Bar
from firmmap._command_search import Search
from hypothesis import given, settings
from hypothesis import strategies as st

LOG = b"all well\nERROR: no paper\nall well\nERROR: no ink"
COMMAND = [sys.executable, "-m", "firmmap"]
# The same, as if rich was not installed.
PLAIN = [
    sys.executable,
    "-c",
    "import sys; sys.modules['rich'] = None; from firmmap._command import main; sys.exit(main())",
]

pages_can_go = pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to truncate a mapped file")
on_terminal = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
asks_for_residency = pytest.mark.skipif(sys.platform == "win32", reason="not supported there")
with_rich = pytest.mark.skipif(importlib.util.find_spec("rich") is None, reason="needs rich")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the name `log`, in the folder in which the command runs."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "log"
    path.write_bytes(LOG)
    return path


def run(*arguments: str | bytes, command: list[str] = COMMAND) -> tuple[int, str, str]:
    """The exit status, standard output and standard error."""
    result = subprocess.run([*command, *arguments], capture_output=True, check=False, timeout=120)
    # Windows writes in the encoding of the user's language.
    is_windows = sys.platform == "win32"
    texts = [
        data.decode(locale.getencoding()) if is_windows else os.fsdecode(data)
        for data in (result.stdout, result.stderr)
    ]
    output, errors = (text.replace("\r\n", "\n") for text in texts)
    return result.returncode, output, errors


def fails(*arguments: str | bytes) -> str:
    """The one line on standard error, with exit status 2 and no output."""
    status, output, errors = run(*arguments)
    assert (status, output) == (2, "")
    assert errors.count("\n") == 1 and errors.endswith("\n")
    return errors.rstrip("\n")


# Searching.


def test_find(log: Path) -> None:
    assert run("find", "ERROR", "log") == (0, "9\n34\n", "")
    assert run("find", "--reverse", "ERROR", "log") == (0, "34\n9\n", "")
    assert run("find", "absent", "log") == (1, "", "")


def test_find_in_several_files(log: Path) -> None:
    log.with_name("other").write_bytes(b"ERROR")
    assert run("find", "ERROR", "log", "other") == (0, "log:9\nlog:34\nother:0\n", "")


def test_find_lines(log: Path) -> None:
    """G5: lines by the search; a last line without its newline gets one."""
    assert run("find", "--lines", "no", "log") == (0, "ERROR: no paper\nERROR: no ink\n", "")
    assert run("find", "--lines", "--reverse", "no", "log") == (0, "ERROR: no ink\nERROR: no paper\n", "")
    assert run("find", "--lines", "ink", "log", "log") == (0, "log:ERROR: no ink\n" * 2, "")
    assert run("find", "--lines", "absent", "log") == (1, "", "")


def test_count(log: Path) -> None:
    log.with_name("other").write_bytes(b"")
    assert run("count", "l", "log") == (0, "8\n", "")
    assert run("count", "l", "log", "other") == (0, "log:8\nother:0\n", "")
    assert run("count", "l", "other") == (1, "0\n", "")
    assert run("count", "--lines", "l", "log") == (0, "2\n", "")


def test_overlapping(log: Path) -> None:
    log.write_bytes(b"ababa aaa")
    assert run("find", "aba", "log") == (0, "0\n", "")
    assert run("find", "--overlapping", "aba", "log") == (0, "0\n2\n", "")
    assert run("find", "--reverse", "aba", "log") == (0, "2\n", "")
    assert run("find", "--reverse", "--overlapping", "aba", "log") == (0, "2\n0\n", "")
    assert run("count", "--overlapping", "aa", "log") == (0, "2\n", "")


def test_forms_of_a_pattern(log: Path) -> None:
    log.write_bytes(b"\xff\x00A\0B\0\xe4\n")
    assert run("find", "--hex", "ff 00", "log") == (0, "0\n", "")
    assert run("find", "--encoding", "utf-16-le", "AB", "log") == (0, "2\n", "")
    assert run("find", "--encoding", "latin-1", "ä", "log") == (0, "6\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="arguments are bytes on Unix")
def test_bytes_of_the_command_line_stay_what_they_are(log: Path) -> None:
    log.write_bytes(b"\xff\xfe")
    assert run("find", b"\xfe", "log") == (0, "1\n", "")


def naive(data: bytes, search: Search) -> list[int]:
    """Where the pattern is, by a look at each place."""
    size = len(search.pattern)
    found: list[int] = []
    for at in sorted(range(len(data) - size + 1), reverse=search.reverse):
        apart = not found or abs(at - found[-1]) >= size
        if data[at : at + size] == search.pattern and (search.overlapping or apart):
            found.append(at)
    return found


@settings(deadline=None)
@given(
    data=st.lists(st.sampled_from([b"a", b"b", b"ab", b"aa" * 40, b"\n"]), max_size=12).map(b"".join),
    pattern=st.sampled_from([b"a", b"aa", b"ab", b"aba", b"abab", b"aaa", b"b"]),
    lines=st.booleans(),
    overlapping=st.booleans(),
    reverse=st.booleans(),
    window=st.integers(1, 12),
    jobs=st.integers(1, 3),
)
def test_windows_find_what_one_search_finds(
    data: bytes, pattern: bytes, lines: bool, overlapping: bool, reverse: bool, window: int, jobs: int
) -> None:
    """G5: wherever the windows end, and whichever thread has them."""
    search = Search(pattern, lines, overlapping, reverse)
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as folder:
        patched.setattr(_command_search, "WINDOW", window)
        path = Path(folder, "file")
        path.write_bytes(data)
        written: list[bytes] = []
        output: Any = Recorded(written)
        found = _command_search.find(search, str(path), jobs, b"", output)
        number = _command_search.count(search, str(path), jobs, output)
    if lines:
        expected = [line + b"\n" for line in data.split(b"\n") if pattern in line][:: -1 if reverse else 1]
        how_many = len(expected)
    else:
        expected = [b"%d\n" % at for at in naive(data, search)]
        # Where some overlap, how many there are depends on the end at which one begins: count() begins at the first.
        how_many = len(naive(data, Search(pattern, lines, overlapping, False)))
    assert b"".join(written) == b"".join(expected)
    assert (found, number) == (bool(expected), how_many)


class Recorded:
    """What _command_search needs of an output."""

    def __init__(self, written: list[bytes]) -> None:
        self.write = written.append

    def progress(self, name: str, total: int) -> Bar:
        from firmmap._command_output import Output

        return Output().progress(name, total)


# Pages.


@asks_for_residency
def test_residency(log: Path) -> None:
    """G8."""
    status, output, errors = run("prefetch", "log")
    assert (status, errors) == (0, "")
    assert re.fullmatch(r"log: \|.+\| 1 of 1 pages, 47 bytes of 47 bytes\n", output)
    assert run("residency", "log") == (0, output, "")
    log.with_name("empty").write_bytes(b"")
    assert run("residency", "empty") == (0, "empty: || 0 of 0 pages, 0 bytes of 0 bytes\n", "")


@asks_for_residency
def test_residency_as_json(log: Path) -> None:
    log.write_bytes(bytes(3 * firmmap.PAGESIZE + 1))
    log.with_name("empty").write_bytes(b"")
    status, output, errors = run("prefetch", "--json", "log", "empty")
    assert (status, errors) == (0, "")
    size, page = 3 * firmmap.PAGESIZE + 1, firmmap.PAGESIZE
    facts = {"file": "log", "size": size, "page_size": page, "pages": 4, "resident": 4, "runs": [[0, size]]}
    nothing = {"file": "empty", "size": 0, "page_size": page, "pages": 0, "resident": 0, "runs": []}
    assert [json.loads(line) for line in output.splitlines()] == [facts, nothing]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems promise less of it")
def test_evict(log: Path) -> None:
    """G8: evict says what residency says after it."""
    with log.open("wb") as file:
        file.write(bytes(100 * firmmap.PAGESIZE))
        file.flush()
        os.fsync(file.fileno())
    status, evicted, errors = run("evict", "--json", "log")
    assert (status, errors) == (0, "")
    assert run("residency", "--json", "log") == (0, evicted, "")
    # What is in memory alone has nowhere to go to.
    with closing(firmmap.open(log)) as m:
        m.evict()
        assert json.loads(evicted)["resident"] == m.residency().resident


# Changing.


def test_patch(log: Path) -> None:
    replaced = "log: 5 bytes at 9 were replaced and written to the disk\n"
    assert run("patch", "log", "9", "ERROR", "fixed") == (0, replaced, "")
    assert log.read_bytes() == LOG.replace(b"ERROR", b"fixed", 1)
    assert run("patch", "log", "0x9", "--hex", "66 69", "46 49") == (0, replaced.replace("5", "2"), "")
    assert log.read_bytes()[9:14] == b"FIxed"


def test_patch_refuses_other_bytes(log: Path) -> None:
    words = "firmmap: log: at 8 there is b'\\nERRO', not b'ERROR'; nothing was changed\n"
    for dry in ([], ["--dry-run"]):
        assert run("patch", *dry, "log", "8", "ERROR", "fixed") == (1, "", words)
    words = "firmmap: log: at 0 there is 61, not 62; nothing was changed\n"
    assert run("patch", "--hex", "log", "0", "62", "63") == (1, "", words)
    assert log.read_bytes() == LOG


def test_patch_refuses_what_it_cannot_do(log: Path) -> None:
    words = "firmmap: log: bytes 45..50 are outside the file of 47 bytes; nothing was changed"
    assert fails("patch", "log", "45", "ERROR", "fixed") == words
    words = "firmmap: patch: OLD has 5 bytes and NEW has 3; a patch keeps the length of the file"
    assert fails("patch", "log", "9", "ERROR", "fix") == words
    assert "OFFSET: -1 is less than 0" in fails("patch", "--", "log", "-1", "a", "b")
    assert "OFFSET: 'x' is not a whole number" in fails("patch", "log", "x", "a", "b")
    assert log.read_bytes() == LOG


def test_patch_without_doing_it(log: Path) -> None:
    log.chmod(0o400)
    words = "log: 5 bytes at 9 would be replaced\n"
    assert run("patch", "--dry-run", "log", "9", "ERROR", "fixed") == (0, words, "")
    log.chmod(0o600)
    assert log.read_bytes() == LOG


# Ranges.


def test_split(log: Path) -> None:
    """S1: the ranges cover the file, and each ends with a record."""
    assert run("split", "-n", "2", "log") == (0, "0\t25\n25\t22\n", "")
    output = '{"file": "log", "offset": 0, "length": 25}\n{"file": "log", "offset": 25, "length": 22}\n'
    assert run("split", "log", "-n", "2", "--json") == (0, output, "")
    parts = [[int(number) for number in line.split()] for line in run("split", "--size", "10", "log")[1].splitlines()]
    assert b"".join(LOG[offset : offset + length] for offset, length in parts) == LOG
    assert all(LOG[offset + length - 1] == ord("\n") for offset, length in parts[:-1])
    assert run("split", "--record", "1", "-n", "4", "log")[1].count("\n") == 4
    assert run("split", "-n", "2", "--boundary", "ERROR", "log")[1] == "0\t39\n39\t8\n"
    assert run("split", "-n", "2", "--boundary", "0a", "--hex", "log")[1] == "0\t25\n25\t22\n"
    log.write_bytes(b">a\nGATTACA\n>b\nGATTACA\n")
    assert run("split", "-n", "2", "--fasta", "log") == (0, "0\t11\n11\t11\n", "")
    log.write_bytes(b"@a\nGAT\n+\n@@@\n@b\nGAT\n+\n@@@\n")
    assert run("split", "-n", "2", "--fastq", "log") == (0, "0\t13\n13\t13\n", "")
    assert fails("split", "--record", "3", "-n", "2", "log").startswith("firmmap: log: ")


# Errors.


def test_an_error_does_not_stop_the_other_files(log: Path) -> None:
    status, output, errors = run("count", "ERROR", "absent", "log", ".")
    assert (status, output) == (2, "log:2\n")
    first, second = errors.splitlines()
    assert first.startswith("firmmap: absent: ")
    assert second.startswith("firmmap: .: ")


def test_two_dashes_for_a_file(log: Path) -> None:
    """No file, or one of that name, as Python's parser has it: an error, and not that nothing was found."""
    status, output, errors = run("find", "--", "x", "--")
    assert (status, output) == (2, "")
    assert "the following arguments are required: FILE" in errors or errors.startswith("firmmap: --: ")


@pytest.mark.skipif(sys.platform != "linux", reason="the files of /proc")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/dev/null", "the file is not a regular one, so its length is not known"),
        (
            "/proc/self/status",
            "the length of the file says nothing about its bytes, as in /proc and /sys: it can be read, but not mapped",
        ),
    ],
)
def test_an_error_has_no_advice_for_programs(name: str, words: str) -> None:
    """firmmap.open() names its arguments there."""
    assert run("find", "x", name) == (2, "", f"firmmap: {name}: {words}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "firmmap: the following arguments are required: COMMAND;"),
        (["look", "log"], "invalid choice: 'look'"),
        (["find", "x"], "firmmap find: the following arguments are required: FILE;"),
        (["find", "", "log"], "firmmap: find: PATTERN is empty"),
        (["find", "--hex", "0g", "log"], "PATTERN '0g': non-hexadecimal"),
        (["find", "--hex", "--encoding", "utf-8", "00", "log"], "not allowed with"),
        (["find", "--encoding", "klingon", "x", "log"], "unknown encoding: klingon"),
        (["find", "--encoding", "hex", "x", "log"], "'hex' is not a text encoding"),
        (["find", "--encoding", "ascii", "ä", "log"], "'ascii' codec can't encode"),
        (["find", "--encoding", "utf-16", "x", "log"], "'utf-16' puts a byte order mark before every text"),
        (["find", "--lines", "--overlapping", "x", "log"], "--lines and --overlapping exclude each other"),
        (["find", "--lines", "--hex", "0a", "log"], "PATTERN has a newline"),
        (["find", "--jobs", "0", "x", "log"], "--jobs: 0 is less than 1"),
        (["split", "log"], "one of the arguments -n/--parts --size is required"),
        (["split", "-n", "2", "--fasta", "--fastq", "log"], "not allowed with"),
    ],
)
def test_wrong_arguments(arguments: list[str], words: str, log: Path) -> None:
    assert words in fails(*arguments)


@pytest.mark.skipif(sys.platform != "linux", reason="such names")
def test_a_strange_name_stays_on_one_line(log: Path) -> None:
    assert fails("find", "x", b"new\nline\xff") == "firmmap: 'new\\nline\\udcff': No such file or directory"
    log.rename(log.with_name("new\nline"))
    assert run("find", "ink", b"new\nline") == (0, "44\n", "")


def test_help(log: Path) -> None:
    status, output, _ = run("--help")
    assert status == 0
    for name in ("residency", "prefetch", "evict", "find", "count", "patch", "split"):
        assert name in output
        assert run(name, "--help")[0] == 0
    assert run("--version") == (0, f"firmmap {firmmap.__version__}\n", "")


# Ends halfway.

LINES = 1 << 16
LINE = b"%063d\n" % 7


@pages_can_go
def test_find_in_a_file_that_is_truncated(log: Path) -> None:
    """F1: an error, and before it what was found before the missing bytes.

    Nobody reads what the command writes until the file was truncated: it waits, in the middle of the file.
    """
    log.write_bytes(LINE * LINES)
    cut = LINES // 2 * len(LINE)
    command = [*COMMAND, "find", "7", "log"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        os.truncate(log, cut)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors.startswith(b"firmmap: log: the mapped byte at %d is not there" % cut) and errors.count(b"\n") == 1
    assert [int(line) for line in (first + output).split()] == list(range(62, cut, len(LINE)))


@pages_can_go
def test_find_by_threads_in_a_file_that_is_truncated(
    log: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """F1: what was found comes in its order, and then the error."""
    log.write_bytes(LINE * LINES)
    cut = 1 << 20

    def truncating(bar: Bar, count: int) -> None:
        os.truncate(log, cut)

    monkeypatch.setattr(_command_search, "WINDOW", 64 << 10)
    monkeypatch.setattr(Bar, "advance", truncating)
    assert _command.main(["find", "--jobs", "2", "7", "log"]) == 2
    output, errors = capfdbinary.readouterr()
    assert errors.startswith(b"firmmap: log: the mapped byte at %d is not there" % cut) and errors.count(b"\n") == 1
    assert [int(line) for line in output.split()] == list(range(62, cut, len(LINE)))


@pages_can_go
@pytest.mark.parametrize("lines", [[], ["--lines"]])
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("left", [1 << 20, (4 << 20) - 100])
def test_count_in_a_file_that_is_truncated(
    log: Path,
    left: int,
    jobs: str,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """F1, F8: no number that could be taken for the file's, also if no page is missing."""
    log.write_bytes(LINE * LINES)

    def truncating(bar: Bar, count: int) -> None:
        os.truncate(log, left)

    monkeypatch.setattr(_command_search, "WINDOW", 64 << 10)
    monkeypatch.setattr(Bar, "advance", truncating)
    assert _command.main(["count", "--jobs", jobs, *lines, "7", "log"]) == 2
    output, errors = capfdbinary.readouterr()
    assert output == b"" and errors.count(b"\n") == 1
    if left % firmmap.PAGESIZE and not lines:
        assert errors == b"firmmap: log: the file was truncated to %d bytes while it was searched; it had %d\n" % (
            left,
            LINES * len(LINE),
        )
    else:
        unit = b"lines" if lines else b"matches"
        assert errors.startswith(b"firmmap: log: the mapped byte at %d is not there" % left)
        assert errors.endswith(b"; %d %b lie before it\n" % (left // len(LINE), unit))


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of Unix")
def test_interrupt(log: Path) -> None:
    log.write_bytes(LINE * LINES)
    # What runs the tests may ignore the signal, as what a shell runs in the background does; its children inherit that.
    heed = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", heed, *COMMAND, "find", "7", "log"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130  # although nobody has read what it had to write
        assert process.communicate()[1] == b""


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of Unix")
def test_nobody_reads(log: Path) -> None:
    log.write_bytes(LINE * LINES)
    process = subprocess.Popen([*COMMAND, "find", "7", "log"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(timeout=120)) == (b"", 128 + signal.SIGPIPE)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("size", [1, LINES])
def test_output_that_cannot_be_written(log: Path, size: int) -> None:
    log.write_bytes(LINE * size)
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*COMMAND, "find", "7", "log"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=120
        )
    message = f"firmmap: standard output: No space left on device{os.linesep}"
    assert (result.returncode, result.stderr) == (2, message.encode())


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_output_that_is_closed(log: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "find", "ERROR", "log"],
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (2, b"firmmap: standard output: it is closed\n")


# Terminals.


def on_pty(command: list[str], interrupt_at: bytes | None = None) -> tuple[int, bytes, bool]:
    """Runs a command on a terminal: exit status, what the terminal got, and whether its settings are what they were.

    Ctrl-C is typed once the terminal has got `interrupt_at`.
    """
    import pty
    import termios

    ours, theirs = pty.openpty()
    try:
        before = termios.tcgetattr(theirs)
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            environment.pop(name, None)
        process = subprocess.Popen(
            [sys.executable, "-c", CONTROLLING, *command], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        shown = b""
        typed = interrupt_at is None
        while process.poll() is None or readable(ours):
            if readable(ours):
                shown += os.read(ours, 1 << 16)
            if not typed and interrupt_at is not None and interrupt_at in shown:
                os.write(ours, b"\x03")
                typed = True
        return process.returncode, shown, termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
        os.close(theirs)


def readable(fd: int) -> bool:
    import select

    return bool(select.select([fd], [], [], 0.05)[0])


# Makes the terminal the one whose Ctrl-C is meant for the command, and the command one that heeds it.
CONTROLLING = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@on_terminal
def test_terminal_without_rich(log: Path) -> None:
    status, shown, _ = on_pty([*PLAIN, "count", "ERROR", "log", "absent"])
    assert (status, shown) == (2, b"log:2\r\nfirmmap: absent: No such file or directory\r\n")


@on_terminal
@with_rich
def test_colour(log: Path) -> None:
    status, shown, _ = on_pty([*COMMAND, "residency", "log", "absent"])
    assert status == 2 and b"\x1b[1mlog\x1b[0m: " in shown and b"\x1b[1;31mfirmmap: \x1b[0mabsent" in shown


@on_terminal
@with_rich
def test_interrupt_leaves_the_terminal_as_it_was(log: Path) -> None:
    """A hole of 64 GiB takes long enough for Ctrl-C to be typed when the progress is shown."""
    os.truncate(log, 64 << 30)
    status, shown, is_as_before = on_pty([*COMMAND, "count", "absent", "log"], b"64.0 GiB")
    assert (status, is_as_before) == (130, True)
    assert shown.endswith(b"\r\x1b[2K"), "the progress was not erased"
    assert b"\x1b[?25l" not in shown, "the cursor was hidden"


@on_terminal
@with_rich
def test_output_is_not_mixed_with_progress(log: Path) -> None:
    log.write_bytes(LINE * LINES)
    program = (
        "import sys; from firmmap import _command, _command_output, _command_search as s; "
        "_command_output.REFRESH = 0; s.WINDOW = 1 << 18; sys.exit(_command.main())"
    )
    status, shown, _ = on_pty([sys.executable, "-c", program, "find", "7", "log"])
    assert status == 0 and b"\x1b[2K" in shown
    # Each line of the progress is erased before the next output.
    left = re.sub(rb"\r\x1b\[2K[^\r\n]*\r(?=\x1b\[2K)", b"", shown).replace(b"\r\x1b[2K", b"").replace(b"\x1b[2K", b"")
    assert [int(line) for line in left.split()] == list(range(62, LINES * 64, 64))
