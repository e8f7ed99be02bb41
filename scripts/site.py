"""Puts the pages of the documentation site together, and builds it.

usage: scripts/site.py FOLDER [--rust RUSTDOC] [--serve]

FOLDER/pages gets the repository's Markdown files, as they are but for their links: those to pages lead to pages, those
to other files of the repository to where its source is. FOLDER/package gets the stub, in the form that the reference is
made of, and FOLDER/html what is built. RUSTDOC, what `cargo doc` has built, comes along. A link that leads nowhere is
an error, and so is a name that the reference or the search does not have.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
STUB = ROOT / "crates/firmmap-python/python/firmmap/__init__.pyi"
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
SOURCE = URLS["Source"]
# Where the site is published: its own address is in each page, and 404.html has its links from there.
SITE = urlsplit(URLS["Documentation"])

# The README has whole addresses, as PyPI shows it too.
WHOLE = (f"{SOURCE}/blob/main/", f"{SOURCE.replace('github.com', 'raw.githubusercontent.com')}/main/")

FENCED = re.compile(r"^ *(```|~~~).*?^ *\1[^\n]*$", re.DOTALL | re.MULTILINE)
# A page's list of its own headings, which the site shows beside the page.
CONTENTS = re.compile(r"^(?:- \[[^\]]*\]\(#[^)]*\)\n)+\n", re.MULTILINE)
LINK = re.compile(r"(\]\(<?)([^)\s>]+)(>?(?: +\"[^\"]*\")?\))")
IMAGES = {".svg", ".png"}


def pages() -> dict[str, str]:
    """Each file of the repository that is a page, and its name there."""
    results = sorted((ROOT / "bench/results").glob("[0-9]*-*-*.md"))
    found = {
        "README.md": "index.md",
        "CHANGELOG.md": "changes.md",
        "CONTRIBUTING.md": "contributing.md",
        "SECURITY.md": "security.md",
        "crates/firmmap/README.md": "rust.md",
        "crates/firmmap-memmap2/README.md": "firmmap-memmap2.md",
        f"bench/results/{results[-1].name}": "results.md",
    }
    return found | {f"docs/{page.name}": page.name for page in (ROOT / "docs").glob("*.md")}


def copy_page(name: str, names: dict[str, str], into: Path) -> None:
    """A page with its links as they have to be on the site; the pictures that it shows come along."""

    def link(match: re.Match[str]) -> str:
        target = match[2]
        for address in WHOLE:
            if target.startswith(address):
                target = posixpath.relpath(target.removeprefix(address), posixpath.dirname(name) or ".")
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        if path in names:
            path = names[path]
        elif Path(path).suffix in IMAGES:
            shutil.copyfile(ROOT / path, into / Path(path).name)
            path = Path(path).name
        elif (ROOT / path).exists():
            path = f"{SOURCE}/blob/main/{path}"
        return f"{match[1]}{path}{'#' * bool(anchor)}{anchor}{match[3]}"

    text = CONTENTS.sub("", (ROOT / name).read_text(encoding="utf-8"), count=1)
    parts = []
    end = 0
    for block in FENCED.finditer(text):
        parts += [LINK.sub(link, text[end : block.start()]), block[0]]
        end = block.end()
    parts.append(LINK.sub(link, text[end:]))
    (into / names[name]).write_text("".join(parts), encoding="utf-8")


# What is code in a docstring: what is marked so, literals, calls, subscripts, names with dots, capitals or underscores.
CODE = re.compile(
    r"""``?([^`]+)``?|(?<![\w.'])(b?'[^'\n]*'|[a-z_]\w*(?:\.\w+)*\([\w, *='+|.]*\)|\w*\[\w+(?::\w+)?\]|\w+=\w+
    |[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[A-Z]+_[A-Z_]*\*?|[A-Z][a-z]+[A-Z]\w+|[a-z]+_[a-z_]+)(?![\w'])""",
    re.VERBOSE,
)
TABLE_ROW = re.compile(r"'\w\+?' {2,}")


def markdown(docstring: str) -> str:
    """A docstring, which is plain text, as Markdown."""
    blocks = []
    for block in docstring.split("\n\n"):
        lines = block.split("\n")
        if any(line.startswith(" ") or TABLE_ROW.match(line) for line in lines):
            text = textwrap.dedent(block)
            blocks.append(f"```{'pycon' if '>>>' in text else 'text'}\n{text}\n```")
        else:
            blocks.append(CODE.sub(lambda match: f"`{match[1] or match[2]}`", block).replace("<", "&lt;"))
    return "\n\n".join(blocks)


class Reference(ast.NodeTransformer):
    """The stub as the reference shows it: Markdown, and one signature for each name."""

    def __init__(self) -> None:
        self.overloaded: set[str] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outside, self.overloaded = self.overloaded, set()
        self.generic_visit(node)
        self.overloaded = outside
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        if any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list):
            if node.name in self.overloaded:
                return None
            self.overloaded.add(node.name)
            node.decorator_list = []
        if node.name == "__new__":
            node.name = "__init__"
        self.generic_visit(node)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = markdown(ast.literal_eval(ast.unparse(node.value)))
        return node


def copy_stub(into: Path) -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            first = node.body[0]
            assert isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            first.value.value = text
    tree = ast.fix_missing_locations(Reference().visit(tree))
    into.mkdir(parents=True)
    (into / "__init__.py").write_text(ast.unparse(tree), encoding="utf-8")


def copy_configuration(into: Path, names: dict[str, str]) -> None:
    """The configuration, with the site's address, and without the pages that there are not."""
    text = (ROOT / "docs/site/mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r": ([\w-]+\.md)$", text, re.MULTILINE)
    if left_out := sorted(set(names.values()) - set(listed)):
        sys.exit(f"docs/site/mkdocs.yml does not list {', '.join(left_out)}")
    missing = set(listed) - set(names.values())
    kept = [line for line in text.splitlines() if not any(line.endswith(f": {page}") for page in missing)]
    into.write_text("\n".join([*kept, f"site_url: {SITE.geturl()}", ""]), encoding="utf-8")


class Links(HTMLParser):
    """What a built page links to and loads, and what can be linked to in it."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if value is None:
                continue
            if name in ("id", "name"):
                self.anchors.add(value)
            elif name == "src" or (name == "href" and tag == "link"):
                self.loaded.add(value)
            elif name == "href":
                self.targets.add(value)


def dead_links(html: Path) -> list[str]:
    """Links between the built pages that lead nowhere, and what a page would load from elsewhere."""
    built = {}
    for path in html.rglob("*.html"):
        if path.relative_to(html).parts[0] != "rustdoc":
            built[path] = Links()
            built[path].feed(path.read_text(encoding="utf-8"))
    errors = []
    for path, links in built.items():
        name = path.relative_to(html)
        for target in sorted(links.targets | links.loaded):
            parts = urlsplit(target)
            if parts[:2] == SITE[:2]:
                parts = parts._replace(scheme="", netloc="")
            if parts.scheme or parts.netloc:
                if target in links.loaded and parts.scheme != "data":
                    errors.append(f"{name} loads {target}")
                continue
            start, below = path.parent, parts.path
            if parts.path.startswith("/"):
                start, below = html, parts.path.removeprefix(SITE.path)
            to = Path(os.path.normpath(start / unquote(below))) if parts.path else path
            to = to / "index.html" if to.is_dir() else to
            if not to.is_file():
                errors.append(f"{name}: the link {target!r} leads to no page")
            elif parts.fragment and to in built and unquote(parts.fragment) not in built[to].anchors:
                errors.append(f"{name}: the link {target!r} leads to no heading")
    return errors


def documented(body: list[ast.stmt], prefix: str = "firmmap.") -> Iterator[str]:
    """The public names of the stub that have a docstring."""
    for node in body:
        if isinstance(node, ast.If):
            yield from documented([*node.body, *node.orelse], prefix)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            if ast.get_docstring(node):
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from documented(node.body, f"{prefix}{node.name}.")


def not_found(html: Path) -> list[str]:
    """Names that the reference does not have, or that a search would not find."""
    found = {item["location"] for item in json.loads((html / "search.json").read_text(encoding="utf-8"))["items"]}
    names = sorted(set(documented(ast.parse(STUB.read_text(encoding="utf-8")).body)))
    return [f"python.md has no {name}, or the search does not" for name in names if f"python/#{name}" not in found]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rust", type=Path)
    parser.add_argument("--serve", action="store_true")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pages").mkdir(parents=True)
    names = pages()
    for name in names:
        copy_page(name, names, folder / "pages")
    if arguments.rust:
        shutil.copytree(arguments.rust, folder / "pages" / "rustdoc")
        with (folder / "pages" / "rust.md").open("a", encoding="utf-8") as page:
            page.write("\n## Reference\n\n[Every item, with an example](rustdoc/firmmap/index.html), ")
            page.write("and those of [`firmmap-memmap2`](rustdoc/firmmap_memmap2/index.html).\n")
    copy_stub(folder / "package" / "firmmap")
    copy_configuration(folder / "mkdocs.yml", names)
    program = str(Path(sys.executable).with_name("zensical"))
    command = [program, *(["serve"] if arguments.serve else ["build", "--strict"]), "--config-file", "mkdocs.yml"]
    if subprocess.run(command, cwd=folder, env=os.environ | {"NO_COLOR": "1"}, check=False).returncode:
        sys.exit(1)
    if errors := dead_links(folder / "html") + not_found(folder / "html"):
        sys.exit("\n".join(errors))
    print(f"{folder}/html/index.html")


if __name__ == "__main__":
    main()
