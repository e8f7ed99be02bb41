"""Puts `firmmap.open()` in the place of files: of `open`, `io.open`, `io.open_code` and `io.FileIO`.

What cannot be mapped (pipes, terminals, `/proc`, descriptors that are for writing only) stays a plain file. A mode that
only writes becomes the one that reads as well, and a text file is an `io.TextIOWrapper` over the map.
"""

from __future__ import annotations

import _io
import builtins
import fcntl
import io
import os
import stat
from typing import Any

import firmmap

plain_open, PlainFileIO, plain_open_code = io.open, io.FileIO, io.open_code

# How many files were mapped, and how many were opened as plain ones.
mapped = plain = 0

MODES = {"r": "r", "w": "w+", "x": "x+", "a": "a+", "r+": "r+", "w+": "w+", "x+": "x+", "a+": "a+"}


def translated(mode: str) -> str | None:
    """The mode of the map that can do what a binary file of this mode can."""
    letters = mode.replace("b", "", 1)
    return MODES.get(letters[::-1] if letters.startswith("+") else letters)


def can_be_mapped(file: Any, mode: str, opener: Any) -> bool:
    """Whether it is a regular file, a directory (which is refused as by files), or missing."""
    try:
        if isinstance(file, int):
            access = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE
            if access != os.O_RDWR and (access == os.O_WRONLY or mode != "r"):
                return False
            status = os.fstat(file)
        elif opener is not None:
            return True
        elif os.fsdecode(file).startswith(("/proc/", "/sys/", "/dev/")):
            return False
        else:
            status = os.stat(file)
    except (TypeError, ValueError, OverflowError):
        return False
    except OSError:
        return True
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def replaces(file: Any, mode: Any, opener: Any) -> str | None:
    """The mode to map the file with, or None where it stays a plain one."""
    global mapped, plain
    wanted = translated(mode) if isinstance(mode, str) else None
    if wanted is None or isinstance(file, bool) or not can_be_mapped(file, wanted, opener):
        plain += 1
        return None
    mapped += 1
    return wanted


def whose(file: Any, closefd: Any) -> bool | None:
    """The argument `closefd` of the map."""
    return bool(closefd) if isinstance(file, int) or not closefd else None


def open_instead(
    file: Any,
    mode: Any = "r",
    buffering: Any = -1,
    encoding: Any = None,
    errors: Any = None,
    newline: Any = None,
    closefd: Any = True,
    opener: Any = None,
) -> Any:
    is_text = isinstance(mode, str) and "b" not in mode
    # What is wrong with these arguments is for the original to say.
    is_odd = buffering == 0 if is_text else buffering == 1 or {encoding, errors, newline} != {None}
    if is_odd or not isinstance(buffering, int):
        return plain_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    wanted = replaces(file, mode.replace("t", "", 1) if is_text else mode, opener)
    if wanted is None:
        return plain_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    binary = firmmap.open(file, wanted, closefd=whose(file, closefd), opener=opener)
    if not is_text:
        return binary
    try:
        text = io.TextIOWrapper(binary, io.text_encoding(encoding), errors, newline, buffering == 1)
    except BaseException:
        binary.close()
        raise
    text.mode = mode  # type: ignore[misc]
    return text


def open_code_instead(path: Any) -> Any:
    return plain_open_code(path) if replaces(path, "rb", None) is None else firmmap.open(path)


class Function:
    """A function that is none of Python's: as an attribute of a class it is no method."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *args: Any, **names: Any) -> Any:
        return self.function(*args, **names)


class FileIO(firmmap.MappedFile):
    """A map, where the file can be mapped; a plain raw file otherwise."""

    def __new__(cls, file: Any, mode: Any = "r", closefd: Any = True, opener: Any = None) -> Any:
        wanted = replaces(file, mode, opener)
        if wanted is None:
            return PlainFileIO(file, mode, closefd, opener)
        return super().__new__(cls, file, wanted, closefd=whose(file, closefd), opener=opener)


def install() -> None:
    """To be called before anything keeps a reference to the originals."""
    builtins.open = io.open = _io.open = Function(open_instead)
    io.FileIO = _io.FileIO = FileIO  # type: ignore[assignment, misc]
    io.open_code = _io.open_code = Function(open_code_instead)
