"""What help() and inspect show of firmmap.open() and what it returns."""

from __future__ import annotations

import inspect
import io
import pydoc
import sys
from pathlib import Path
from typing import Any

import firmmap
import pytest

METHODS = [
    name
    for name, value in vars(firmmap.MappedFile).items()
    if callable(value)
    and name != "anonymous"
    and (not name.startswith("_") or name in ("__enter__", "__exit__", "__reduce__"))
]
PROPERTIES = ["closed", "name", "mode", "offset", "capacity"]

FIRST: dict[str, tuple[Any, ...]] = {
    "readinto": (bytearray(3),),
    "readinto1": (bytearray(3),),
    "seek": (3,),
    "write": (b"a",),
    "writelines": ([b"a"],),
    "write_byte": (65,),
    "truncate": (10,),
    "resize": (10,),
    "move": (0, 1, 2),
    "protect": (3,),
    "madvise": (0,),
    "find": (b"5",),
    "rfind": (b"5",),
    "index": (b"5",),
    "rindex": (b"5",),
    "count": (b"5",),
    "find_all": (b"5",),
    "startswith": (b"0",),
    "endswith": (b"9",),
}


def test_a_whole_file() -> None:
    """G3: it has every method of a plain binary file."""
    public = {name for name in dir(io.BufferedRandom) if not name.startswith("_")}
    assert public - set(dir(firmmap.MappedFile)) == {"raw"}


def test_a_whole_byte_array() -> None:
    """G4: what a bytearray can be asked; and all that the class mmap has, but for the names of memory."""
    asked = {"count", "endswith", "find", "index", "rfind", "rindex", "startswith"}
    assert asked <= set(METHODS)
    public = {name for name in dir(firmmap.mmap) if not name.startswith("_")}
    assert public - set(dir(firmmap.MappedFile)) == {"set_name"}


@pytest.mark.parametrize("name", METHODS)
def test_method(name: str) -> None:
    """Every method has a text and a signature; only `asynchronous` and what lines() takes go by name."""
    method = getattr(firmmap.MappedFile, name)
    assert method.__doc__
    assert "--\n" not in method.__doc__
    assert max(map(len, method.__doc__.splitlines())) <= 80
    for parameter in inspect.signature(method).parameters.values():
        if parameter.name == "asynchronous":
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        elif name == "lines" and parameter.name != "self":
            assert parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        else:
            assert parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("detach", "lock", "fileno")])
def test_defaults(name: str, tmp_path: Path) -> None:
    """The defaults that a signature shows can be passed, and mean what leaving them out means."""
    if sys.platform == "win32" and name in ("evict", "residency"):
        pytest.skip("not supported there")
    path = tmp_path / "file"

    def call(*more: Any, **names: Any) -> Any:
        path.write_bytes(b"0123456789")
        with firmmap.open(path, "r+") as m:
            m.seek(2)
            result = getattr(m, name)(*FIRST.get(name, ()), *more, **names)
            if name in ("lines", "find_all"):
                return list(result)
            return None if result is m else (result, m.closed or m.tell())

    parameters = list(inspect.signature(getattr(firmmap.MappedFile, name)).parameters.values())[1:]
    positional = [p for p in parameters if p.kind is inspect.Parameter.POSITIONAL_ONLY][len(FIRST.get(name, ())) :]
    names = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    defaults = [parameter.default for parameter in positional]
    assert inspect.Parameter.empty not in defaults
    first, second = call(), call(*defaults, **names)
    assert repr(first) == repr(second)


@pytest.mark.parametrize("function", [firmmap.open, firmmap.anonymous, firmmap.MappedFile])
def test_functions(function: Any) -> None:
    """G1, G7: the signatures of the specification."""
    opened = (
        "(path, mode='r', *, offset=0, length=None, capacity=None, create=False, sparse=False, keep_file=True, "
        "load=False, closefd=None, opener=None)"
    )
    wanted = {
        "open": opened,
        "MappedFile": opened,
        "anonymous": "(length, *, capacity=None)",
    }
    assert str(inspect.signature(function)) == wanted[function.__name__]
    assert inspect.getdoc(function)
    assert function.__module__ == "firmmap"


def test_help() -> None:
    """help() shows all of it, in the module and in the class."""
    text = pydoc.plain(pydoc.render_doc(firmmap.MappedFile))
    for name in METHODS:
        if not name.startswith("_"):
            assert f" {name}(" in text, name
    for name in PROPERTIES:
        assert inspect.getdoc(getattr(firmmap.MappedFile, name)), name
    module = pydoc.plain(pydoc.render_doc(firmmap))
    for name in ("open(path, mode='r'", "anonymous(length", "class MappedFile", "class mmap", "class Residency"):
        assert name in module, name
    for name in ("resident", "total", "page_size", "runs"):
        assert inspect.getdoc(getattr(firmmap.Residency, name))
