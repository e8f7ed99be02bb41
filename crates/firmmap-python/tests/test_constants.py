"""D1 to D3: the constants."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap as standard
import re
import shutil
import subprocess
import sys
import textwrap
from types import ModuleType

import firmmap
import pytest
from support import run_python

LINUX = sys.platform == "linux"

# What every supported Linux has, with its numbers there.
LINUX_NAMES = [
    *("PROT_NONE", "PROT_READ", "PROT_WRITE", "PROT_EXEC"),
    *("MAP_SHARED", "MAP_PRIVATE", "MAP_SHARED_VALIDATE", "MAP_FIXED", "MAP_FIXED_NOREPLACE"),
    *("MAP_ANON", "MAP_ANONYMOUS", "MAP_DENYWRITE", "MAP_EXECUTABLE", "MAP_GROWSDOWN"),
    *("MAP_HUGETLB", "MAP_LOCKED", "MAP_NONBLOCK", "MAP_NORESERVE", "MAP_POPULATE", "MAP_STACK"),
    *("MAP_SYNC", "MAP_HUGE_2MB", "MAP_HUGE_1GB"),
    *("MADV_NORMAL", "MADV_RANDOM", "MADV_SEQUENTIAL", "MADV_WILLNEED", "MADV_DONTNEED"),
    *("MADV_FREE", "MADV_REMOVE", "MADV_DONTFORK", "MADV_DOFORK", "MADV_MERGEABLE"),
    *("MADV_UNMERGEABLE", "MADV_HUGEPAGE", "MADV_NOHUGEPAGE", "MADV_DONTDUMP", "MADV_DODUMP"),
    *("MADV_WIPEONFORK", "MADV_KEEPONFORK", "MADV_COLD", "MADV_PAGEOUT", "MADV_POPULATE_READ"),
    *("MADV_POPULATE_WRITE", "MADV_DONTNEED_LOCKED", "MADV_COLLAPSE", "MADV_HWPOISON"),
    *("MS_SYNC", "MS_ASYNC", "MS_INVALIDATE"),
]

# Newer than the headers of most systems, or not in them: the kernel's numbers, the same on x86-64 and aarch64.
LINUX_NUMBERS = {
    "PROT_SEM": 0x8,
    "MAP_DROPPABLE": 0x8,
    "MAP_UNINITIALIZED": 0x400_0000,
    "MAP_HUGE_16KB": 14 << 26,
    "MADV_GUARD_INSTALL": 102,
    "MADV_GUARD_REMOVE": 103,
}


def test_every_name_of_the_standard_module() -> None:
    """D1: each one is there, with the same value."""
    for name, value in vars(standard).items():
        if name.startswith("__") or name == "mmap":
            continue
        assert getattr(firmmap, name) == value, name
        assert type(getattr(firmmap, name)) is type(value)


def test_star() -> None:
    """D1: the same names, and MapFaultError; no builtin is hidden."""
    program = """
        import sys
        import firmmap
        assert "mmap" not in sys.modules and type(firmmap.__all__) is list
        ours, theirs = {}, {}
        exec("from firmmap import *", ours)
        assert "mmap" not in sys.modules
        exec("from mmap import *", theirs)
        assert set(ours) == set(theirs) | {"MapFaultError"}, set(ours) ^ set(theirs)
        assert not [name for name in ours if hasattr(__builtins__, name) and not name.startswith("__")]
        assert len(firmmap.__all__) == len(set(firmmap.__all__)) == len(theirs)
    """
    run_python(textwrap.dedent(program))


def test_what_the_package_loads() -> None:
    """D1: nothing from another file, which would take longer than the package itself does (functools, re)."""
    program = """
        import io, os, sys
        before = set(sys.modules)
        import firmmap
        loaded = [name for name in set(sys.modules) - before if not name.startswith("firmmap")]
        assert "mmap" not in loaded
        assert not [name for name in loaded if getattr(sys.modules[name], "__file__", None)], loaded
    """
    run_python(textwrap.dedent(program))


def test_star_in_the_place_of_the_standard_module() -> None:
    """D1: where sys.modules has the package under the standard module's name."""
    program = """
        import sys
        import firmmap
        sys.modules["mmap"] = firmmap
        ours, theirs = {}, {}
        exec("from firmmap import *", ours)
        exec("from mmap import *", theirs)
        assert set(ours) == set(theirs) and "ACCESS_READ" in ours and "open" not in ours
    """
    run_python(textwrap.dedent(program))


def test_name_that_is_missing() -> None:
    """D1: is an AttributeError, as in other modules."""
    with pytest.raises(AttributeError, match=r"^module 'firmmap' has no attribute 'nothing'$"):
        firmmap.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_every_member_of_the_standard_class() -> None:
    """D1: and each method and attribute."""
    assert set(dir(standard.mmap)) <= set(dir(firmmap.mmap))


def test_pages_and_errors(mmap: ModuleType) -> None:
    """D3."""
    assert mmap.error is OSError
    assert mmap.PAGESIZE & (mmap.PAGESIZE - 1) == 0
    assert mmap.ALLOCATIONGRANULARITY % mmap.PAGESIZE == 0
    if sys.platform != "win32":
        import resource

        assert mmap.PAGESIZE == mmap.ALLOCATIONGRANULARITY == resource.getpagesize()


def test_access(mmap: ModuleType) -> None:
    """B2: the same numbers everywhere."""
    names = ("ACCESS_DEFAULT", "ACCESS_READ", "ACCESS_WRITE", "ACCESS_COPY")
    assert [getattr(mmap, name) for name in names] == [0, 1, 2, 3]


@pytest.mark.skipif(not LINUX, reason="Linux")
@pytest.mark.parametrize("name", LINUX_NAMES)
def test_linux(name: str) -> None:
    """D2: on every supported Python."""
    assert type(getattr(firmmap, name)) is int


@pytest.mark.skipif(not LINUX, reason="Linux")
@pytest.mark.parametrize(("name", "number"), LINUX_NUMBERS.items())
def test_newer_than_the_headers(name: str, number: int) -> None:
    """D2."""
    assert getattr(firmmap, name) == number


@pytest.mark.skipif(not LINUX, reason="Linux")
def test_droppable_memory_and_guard_pages() -> None:
    """D2: a kernel that knows these numbers takes them; others refuse them."""
    pages = 4 * firmmap.PAGESIZE
    with contextlib.suppress(OSError, ValueError):
        firmmap.mmap(-1, pages, flags=firmmap.MAP_DROPPABLE | firmmap.MAP_ANONYMOUS).close()
    with firmmap.mmap(-1, pages, flags=firmmap.MAP_PRIVATE) as m:
        m[:3] = b"abc"
        try:
            m.madvise(firmmap.MADV_GUARD_INSTALL, firmmap.PAGESIZE, firmmap.PAGESIZE)
        except OSError as error:
            assert error.errno == errno.EINVAL  # before Linux 6.13
        else:
            m.madvise(firmmap.MADV_GUARD_REMOVE, firmmap.PAGESIZE, firmmap.PAGESIZE)
        assert m[:3] == b"abc" and m[firmmap.PAGESIZE] == 0


def test_flush_flags() -> None:
    """D2: on every system."""
    for name in ("MS_SYNC", "MS_ASYNC", "MS_INVALIDATE"):
        assert type(getattr(firmmap, name)) is int


def macros(header: str) -> dict[str, int]:
    """The integers that a header defines under our prefixes, by the C compiler's word."""
    compiler = shutil.which("gcc")
    if compiler is None or not LINUX:
        pytest.skip("needs gcc on Linux")

    def preprocess(program: str, *flags: str) -> str:
        command = [compiler, "-E", "-P", "-D_GNU_SOURCE", "-x", "c", *flags, "-"]
        program = f"#include <{header}>\n{program}"
        return subprocess.run(command, input=program, text=True, capture_output=True, check=True).stdout

    defined = preprocess("", "-dM")
    names = re.findall(r"^#define ((?:MAP|PROT|MADV|MS)_\w+) ", defined, re.MULTILINE)
    # Each name in two parts, which the preprocessor leaves alone, and in one, which it replaces.
    lines = [f"@ {' '.join(name.split('_', 1))} {name}\n" for name in names]
    values = {}
    for line in preprocess("".join(lines)).split("@ ")[1:]:
        prefix, rest, value = line.strip().split(" ", 2)
        value = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", value)
        value = re.sub(r"\b0(?=\d)", "0o", value)
        if "void" not in value:
            # The constants are C ints.
            values[f"{prefix}_{rest}"] = ctypes.c_int(eval(value, {"__builtins__": {}})).value
    return values


def test_the_c_library() -> None:
    """D2: every MAP_*, PROT_*, MADV_* and MS_* of <sys/mman.h> is there with its value."""
    expected = macros("sys/mman.h")
    assert len(expected) > 40
    ours = {name: getattr(firmmap, name, "missing") for name in expected}
    assert ours == expected


def test_the_kernel() -> None:
    """D2: where a kernel's header has one of our names, it has our value."""
    expected = macros("linux/mman.h")
    shared = {name: value for name, value in expected.items() if hasattr(firmmap, name)}
    assert len(shared) > 10
    assert {name: getattr(firmmap, name) for name in shared} == shared
