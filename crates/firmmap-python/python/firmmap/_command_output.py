"""What the command prints: results, errors of one line, and the progress on a terminal that has rich."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TextIO

    from rich.console import Console
    from rich.progress import Progress

# Seconds between two looks of the progress bar.
REFRESH = 0.1
ERASE_LINE = "\r\x1b[2K"


class OutputError(Exception):
    """Standard output could not be written; the argument is the OSError."""


def printable(name: str) -> str:
    """The name of a file on one line, also if it has newlines or bytes that are no text."""
    return name if name.isprintable() else ascii(name)


# With these, a message goes on to arguments of firmmap.open(), which the command does not have.
ADVICE = ("; load=True", ": a length above 0 must be given")


def reason(error: BaseException) -> str:
    """What an exception says, without its number, the file's name, and advice to whoever writes a program."""
    if isinstance(error, MemoryError):
        return "out of memory"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    for advice in ADVICE:
        said = said.partition(advice)[0]
    return said or type(error).__name__


def terminal(stream: TextIO | None) -> Console | None:
    """rich's console, if the stream is a terminal and rich is installed."""
    if stream is None or not stream.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, highlight=False, markup=False, emoji=False)


class Output:
    """Standard output and standard error of one run."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout is not None and sys.stdout.isatty()
        self.console = terminal(sys.stdout)
        self.error_console = terminal(sys.stderr)
        self.bar: Bar | None = None

    def write(self, data: bytes) -> None:
        if self.is_terminal:
            self.erase_bar()
        if sys.stdout is None:
            raise OutputError(OSError("it is closed"))
        try:
            sys.stdout.buffer.write(data)
            if self.is_terminal:
                sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error) from None

    def line(self, *parts: tuple[str, str]) -> None:
        """A line of texts, each with a style for terminals."""
        if self.console is None:
            text = "".join(text for text, _ in parts) + "\n"
            encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
            self.write(text.encode(encoding, "backslashreplace"))
            return
        from rich.text import Text

        self.erase_bar()
        self.console.print(Text.assemble(*parts), soft_wrap=True)

    def flush(self) -> None:
        if sys.stdout is None:
            return
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error) from None

    def abandon(self) -> None:
        """Drops what could not be written, so that the interpreter does not try it again when it ends."""
        if sys.stdout is not None:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)

    def error(self, name: str, what: BaseException | str) -> None:
        """One line on standard error."""
        self.erase_bar()
        self.flush()
        text = f"{printable(name)}: {what if isinstance(what, str) else reason(what)}"
        if self.error_console is not None:
            from rich.text import Text

            self.error_console.print(Text.assemble(("firmmap: ", "bold red"), text), soft_wrap=True)
        elif sys.stderr is not None:
            print(f"firmmap: {text}", file=sys.stderr)

    def erase_bar(self) -> None:
        if self.bar is not None:
            self.bar.erase()

    def progress(self, name: str, total: int) -> Bar:
        return Bar(self, name, total)


class Bar:
    """Progress over the bytes of one file: a line of rich's, on a terminal.

    It is printed again and again without rich's Live, which hides the cursor, and so leaves a terminal without one if
    the process is killed.
    """

    def __init__(self, output: Output, name: str, total: int) -> None:
        self.output = output
        self.rich: Progress | None = None
        self.is_shown = False
        self.next_look = time.monotonic() + REFRESH
        console = output.error_console
        if console is not None and not console.is_dumb_terminal:
            from rich import progress

            self.rich = progress.Progress(
                progress.TextColumn("{task.description}", markup=False),
                progress.BarColumn(),
                progress.TaskProgressColumn(),
                progress.DownloadColumn(binary_units=True),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                console=console,
            )
            self.task = self.rich.add_task(printable(os.path.basename(name) or name), total=total)

    def __enter__(self) -> Self:
        self.output.bar = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.erase()
        self.output.bar = None

    def advance(self, count: int) -> None:
        if self.rich is None:
            return
        self.rich.advance(self.task, count)
        if (now := time.monotonic()) >= self.next_look:
            self.next_look = now + REFRESH
            self.show()

    def show(self) -> None:
        from rich.segment import Segments

        if self.rich is None:
            return
        if self.output.is_terminal:
            self.output.flush()
        console = self.rich.console
        # One column stays free: a line that reaches the edge would be wrapped by some terminals.
        options = console.options.update_width(max(1, console.width - 1))
        lines = console.render_lines(self.rich.get_renderable(), options, pad=False)
        self.is_shown = True
        console.file.write(ERASE_LINE)
        console.print(Segments(lines[0]), end="\r", soft_wrap=True)
        console.file.flush()

    def erase(self) -> None:
        if self.is_shown and self.rich is not None:
            self.is_shown = False
            self.rich.console.file.write(ERASE_LINE)
            self.rich.console.file.flush()
