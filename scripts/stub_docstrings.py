"""Copies the docstrings of the installed package into its stub, where editors and the documentation site read them.

usage: scripts/stub_docstrings.py [--check]

The one source is what help() shows: the docstrings of the module and of the binding (docs.rs). --check changes nothing,
and ends with an error that names what differs. What this system's build does not have is left as it is.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MethodDescriptorType,
)
from typing import TypeAlias

import firmmap

STUB = Path(__file__).resolve().parents[1] / "crates/firmmap-python/python/firmmap/__init__.pyi"

Definition: TypeAlias = ast.FunctionDef | ast.ClassDef
# What has a docstring of its own. Slots (`__len__`) have the interpreter's, which says nothing about a map.
DOCUMENTED = (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MethodDescriptorType,
    property,
    type,
)


def definitions(body: list[ast.stmt], scope: object, prefix: str = "") -> Iterator[tuple[str, Definition, str]]:
    """Each class, function and property of the stub that the package has, with its docstring there."""
    for node in body:
        if isinstance(node, ast.If):
            yield from definitions([*node.body, *node.orelse], scope, prefix)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            # The module loads some names only when they are asked for; a class has only what stands in it.
            documented = getattr(scope, node.name, None) if scope is firmmap else vars(scope).get(node.name)
            if node.name == "__new__" or is_setter(node) or not isinstance(documented, DOCUMENTED):
                continue
            if documented.__doc__:
                yield prefix + node.name, node, inspect.cleandoc(documented.__doc__)
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body, documented, f"{prefix}{node.name}.")


def is_setter(node: Definition) -> bool:
    return any(isinstance(decorator, ast.Attribute) for decorator in node.decorator_list)


def literal(text: str, indent: int) -> list[str]:
    """The docstring as lines of the stub."""
    lines = f'{"r" if chr(92) in text else ""}"""{text}'.split("\n")
    lines[-1:] = [lines[-1] + '"""'] if len(lines) == 1 else [lines[-1], '"""']
    return [" " * indent + line if line else "" for line in lines]


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def with_docstrings(source: str) -> tuple[str, list[str]]:
    """The stub with the package's docstrings, and the names of what was different."""
    lines = source.split("\n")
    tree = ast.parse(source)
    different = []
    found = list(definitions(tree.body, firmmap))
    # From the last line on, as those before it keep their numbers.
    for name, node, text in sorted(found, key=lambda item: item[1].lineno, reverse=True):
        if ast.get_docstring(node) == text:
            continue
        different.append(name)
        first, indent = node.body[0], node.col_offset + 4
        text_lines = literal(text, indent)
        if is_docstring(first):
            lines[first.lineno - 1 : first.end_lineno] = text_lines
        elif isinstance(node, ast.ClassDef):
            decorators = first.decorator_list if isinstance(first, ast.FunctionDef) else []
            start = min([first.lineno, *(decorator.lineno for decorator in decorators)]) - 1
            lines[start:start] = [*text_lines, ""]
        else:  # `def f() -> int: ...` loses its dots; outside of classes `ruff format` wants an empty line behind it
            start = first.lineno - 1
            behind = [""] if indent == 4 and lines[start + 1] else []
            lines[start : start + 1] = [lines[start][: first.col_offset].rstrip(), *text_lines, *behind]
    if ast.get_docstring(tree) != (text := inspect.cleandoc(firmmap.__doc__ or "")):
        different.append("firmmap")
        lines[: tree.body[0].end_lineno] = literal(text, 0)
    return "\n".join(lines), different


def main() -> None:
    source = STUB.read_text(encoding="utf-8")
    changed, different = with_docstrings(source)
    if "--check" not in sys.argv[1:]:
        STUB.write_text(changed, encoding="utf-8")
    elif different:
        names = ", ".join(sorted(different))
        sys.exit(f"{STUB.name} has other docstrings than the package: {names}\nrun scripts/stub_docstrings.py")


if __name__ == "__main__":
    main()
