"""What help() and inspect show."""

from __future__ import annotations

import doctest
import inspect
import pydoc
import re
from pathlib import Path
from typing import Any

import firmmap
import pytest
from conftest import MakeFile

METHODS = [
    name
    for name, value in vars(firmmap.mmap).items()
    if callable(value) and (not name.startswith("_") or name in ("__enter__", "__exit__"))
]


def test_all_methods_are_listed() -> None:
    """C1 to C14: each one is there."""
    wanted = {"close", "find", "rfind", "flush", "move", "read", "read_byte", "readline", "resize"}
    wanted |= {"seek", "seekable", "set_name", "size", "tell", "write", "write_byte"}
    wanted |= {"__enter__", "__exit__"}
    assert wanted <= set(METHODS) <= wanted | {"madvise"}


@pytest.mark.parametrize("name", METHODS)
def test_method(name: str) -> None:
    """Every method has a text and a signature, with positional-only parameters."""
    method = getattr(firmmap.mmap, name)
    assert method.__doc__
    assert "--\n" not in method.__doc__
    signature = inspect.signature(method)
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    assert kinds[0] is inspect.Parameter.POSITIONAL_ONLY
    keywords = {"flags"} if name == "flush" else set()
    for parameter in signature.parameters.values():
        if parameter.name in keywords:
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        else:
            assert parameter.kind in (
                inspect.Parameter.POSITIONAL_ONLY,
                inspect.Parameter.VAR_POSITIONAL,
            )


@pytest.mark.parametrize("name", METHODS)
def test_defaults(name: str, make_file: MakeFile) -> None:
    """The defaults that a signature shows can be passed, and mean what leaving them out means."""
    m: Any = firmmap.mmap(make_file(b"0123456789").fileno(), 0)
    first: dict[str, tuple[Any, ...]] = {
        "__exit__": (None, None, None),
        "find": (b"5",),
        "rfind": (b"5",),
        "madvise": (0,),
        "move": (0, 1, 2),
        "resize": (10,),
        "seek": (3,),
        "write": (b"a",),
        "write_byte": (65,),
    }
    if name == "set_name":
        return
    given = first.get(name, ())
    parameters = list(inspect.signature(getattr(m, name)).parameters.values())
    positional = [p for p in parameters if p.kind is inspect.Parameter.POSITIONAL_ONLY]
    names = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    defaults = [parameter.default for parameter in positional[len(given) :]]
    assert inspect.Parameter.empty not in defaults
    expected = getattr(m, name)(*given)
    if not m.closed:
        m.seek(0)
    assert getattr(m, name)(*given, *defaults, **names) == expected


def test_class() -> None:
    """The class has a text and a signature whose defaults are the module's constants."""
    assert firmmap.mmap.__doc__
    parameters = inspect.signature(firmmap.mmap).parameters
    assert list(parameters)[:2] == ["fileno", "length"]
    assert parameters["access"].default == firmmap.ACCESS_DEFAULT
    assert parameters["trackfd"].kind is inspect.Parameter.KEYWORD_ONLY
    if "flags" in parameters:
        assert parameters["flags"].default == firmmap.MAP_SHARED
        assert parameters["prot"].default == firmmap.PROT_READ | firmmap.PROT_WRITE


def test_module() -> None:
    """The module, the property and help() itself."""
    assert firmmap.__doc__
    assert firmmap.__version__.count(".") == 2
    assert firmmap.mmap.__module__ == "firmmap"
    assert inspect.getdoc(firmmap.mmap.closed)
    text = pydoc.plain(pydoc.render_doc(firmmap.mmap))
    for name in METHODS:
        if not name.startswith("_"):
            assert f" {name}(" in text, name


def test_examples_of_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """help(firmmap) shows both interfaces at work, as they are."""
    monkeypatch.chdir(tmp_path)
    [test] = doctest.DocTestFinder(recurse=False).find(firmmap, globs={})
    assert doctest.DocTestRunner().run(test) == (0, len(test.examples))
    assert {"firmmap.open(", "mmap.mmap("} <= set(re.findall(r"\w+\.\w+\(", firmmap.__doc__ or ""))
