"""Prints the structure of the crates: their folders, which of them use which, and where that goes round in circles.

usage: scripts/structure.py [--check] [--files] [CRATE…]

It reads the modules of crates/*/src, from lib.rs on (`mod`, `#[path]`), and in them each `use` and each path that
begins with crate, self, super, a child module or an imported module. A name that is re-exported counts for the module
that defines it. Left out are lib.rs, which re-exports most of the rest, and `#[cfg(test)] mod`; every other
configuration counts, so that an arrow of Windows alone is one too. Calls of methods are not seen. Lines are those of
code, without comments.

A unit is a folder of src with all below it, or a file of src itself. An arrow goes from the unit that names something
to the unit that defines it; the number behind it says how many times. --files prints the arrows between files as well.
--check ends with status 1 if units form a circle that a folder is part of, or if an arrow runs against ORDER.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Per crate: its folders from the top to the bottom. An arrow from a later one to an earlier one runs back up.
ORDER: dict[str, list[str]] = {
    "firmmap": ["file/", "options/", "map/", "region/", "fault/", "sys/", "error.rs"],
    "firmmap-python": ["mapped_file/", "mmap/", "errors.rs", "common/", "faults/", "args.rs", "constants.rs", "sys/"],
}

Names = tuple[str, ...]


def stripped(text: str) -> str:
    """The text with comments, and what is inside of literals, as spaces."""
    token = re.compile(
        r"""//[^\n]*
        | /\*
        | \b(?:b|c)?r(?P<hashes>\#*)"
        | "(?:\\.|[^"\\])*"
        | '(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'
        """,
        re.VERBOSE | re.DOTALL,
    )
    out = []
    at = 0
    while match := token.search(text, at):
        out.append(text[at : match.start()])
        end = match.end()
        if match[0] == "/*":
            depth = 1
            for bound in re.compile(r"/\*|\*/").finditer(text, end):
                depth += 1 if bound[0] == "/*" else -1
                if not depth:
                    end = bound.end()
                    break
        elif match["hashes"] is not None:
            end = text.index('"' + match["hashes"], end) + 1 + len(match["hashes"])
        out.append(re.sub(r"[^\n]", " ", text[match.start() : end]))
        at = end
    out.append(text[at:])
    return "".join(out)


def closing(text: str, opening: int) -> int:
    """Where the brace at the index is closed."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(text, opening):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return match.start()
    raise ValueError("a brace is not closed")


@dataclass
class Import:
    path: Names
    name: str  # "*" for all
    passed_on: bool
    at: int


def expanded(tree: str) -> Iterator[tuple[Names, str]]:
    """The paths of a `use`, each with the name that it gets: `a::{b, c as d, e::*}`."""
    tree = tree.strip()
    head, brace, rest = tree.partition("{")
    prefix = tuple(part.strip() for part in head.split("::") if part.strip())
    if brace:
        inside = rest[: rest.rindex("}")]
        depth = start = 0
        for at, char in enumerate(inside + ","):
            depth += {"{": 1, "}": -1}.get(char, 0)
            if char == "," and not depth:
                if inside[start:at].strip():
                    for path, name in expanded(inside[start:at]):
                        yield prefix + path, prefix[-1] if name == "self" else name
                start = at + 1
        return
    last, _, alias = prefix[-1].partition(" as ")
    path = (*prefix[:-1], last.strip())
    if path[-1] == "*":
        yield path[:-1], "*"
    elif path[-1] == "self":
        yield path[:-1], alias.strip() or "self"
    else:
        yield path, alias.strip() or path[-1]


@dataclass
class Source:
    """One file, at one place in the tree of modules."""

    file: Path
    module: Names
    text: str
    lines: int
    inline: list[tuple[int, int, Names]] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    items: dict[Names, set[str]] = field(default_factory=lambda: defaultdict(set))

    def module_at(self, at: int) -> Names:
        inner = [names for start, end, names in self.inline if start <= at < end]
        return max(inner, key=len, default=self.module)


MODULE = re.compile(r"((?:#\[[^\]]*\]\s*)*)(?:pub(?:\([^)]*\))?\s+)?\bmod\s+(\w+)\s*([;{])")
ITEM = re.compile(
    r"\b(?:fn|struct|enum|trait|type|const|static|union)\s+(?:mut\s+)?(\w+)|\bmacro_rules!\s*(\w+)|\bstatic\s+ref\s+(\w+)"
)
USE = re.compile(r"(\bpub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);")


class Crate:
    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.src = folder / "src"
        self.sources: list[Source] = []
        self.children: dict[Names, set[str]] = defaultdict(set)
        self.load(self.src / "lib.rs", ())
        self.owners: dict[Names, list[Source]] = defaultdict(list)
        for source in self.sources:
            self.owners[source.module].append(source)
            for _, _, names in source.inline:
                self.owners[names].append(source)
        self.arrows: dict[tuple[Path, Path], int] = defaultdict(int)
        for source in self.sources:
            if source.module:
                for target in self.used(source):
                    if target != source.file and target != self.src / "lib.rs":
                        self.arrows[source.file, target] += 1

    def load(self, file: Path, module: Names) -> None:
        original = file.read_text(encoding="utf-8")
        text = stripped(original)
        # Modules of tests first: what is in them is not there.
        for match in MODULE.finditer(text):
            if re.search(r"#\[cfg\(test\)\]", match[1]) and match[3] == "{":
                end = closing(text, match.end() - 1) + 1
                text = text[: match.start()] + re.sub(r"[^\n]", " ", text[match.start() : end]) + text[end:]
        source = Source(file, module, text, sum(1 for line in text.splitlines() if line.strip()))
        self.sources.append(source)
        folder = file.parent if file.name in {"lib.rs", "mod.rs"} else file.with_suffix("")
        for match in MODULE.finditer(text):
            if re.search(r"#\[cfg\(test\)\]", match[1]):
                continue
            inside = source.module_at(match.start())
            names = (*inside, match[2])
            self.children[inside].add(match[2])
            if match[3] == "{":
                source.inline.append((match.start(), closing(text, match.end() - 1), names))
                continue
            # What an attribute says is a literal, and so only in the original.
            path = re.search(r'#\[path\s*=\s*"([^"]+)"\]', original[match.start() : match.end()])
            base = folder.joinpath(*inside[len(module) :])
            if path:
                self.load(file.parent / path[1], names)
            elif (base / f"{match[2]}.rs").exists():
                self.load(base / f"{match[2]}.rs", names)
            else:
                self.load(base / match[2] / "mod.rs", names)
        for match in USE.finditer(text):
            for path_, name in expanded(" ".join(match[2].split())):
                source.imports.append(Import(path_, name, bool(match[1]), match.start()))
        for match in ITEM.finditer(text):
            source.items[source.module_at(match.start())].add(match[1] or match[2] or match[3])

    def absolute(self, path: Names, module: Names) -> Names | None:
        """The path from the root of the crate; None for one that leads to another crate."""
        first = path[0]
        if first in {"crate", "$crate"}:
            return path[1:]
        if first == "self":
            return module + path[1:]
        if first == "super":
            while path and path[0] == "super":
                module, path = module[:-1], path[1:]
            return module + path
        return module + path if first in self.children[module] else None

    def resolve(self, path: Names, depth: int = 0) -> set[Path]:
        """The files that have what the path names, whichever way it is passed on."""
        module: Names = ()
        for index, name in enumerate(path):
            rest = path[index + 1 :]
            if name in self.children[module]:
                module = (*module, name)
                continue
            having = {owner.file for owner in self.owners[module] if name in owner.items[module]}
            if having or depth > 8:
                return having
            found: set[Path] = set()
            for owner in self.owners[module]:
                for one in owner.imports:
                    if owner.module_at(one.at) != module or one.name not in {name, "*"}:
                        continue
                    target = self.absolute(one.path, module)
                    if target is not None and one.name == name:
                        found |= self.resolve(target + rest, depth + 1)
                    elif target is not None and target != module and self.has(target, name):
                        found |= self.resolve((*target, name, *rest), depth + 1)
            # What a macro makes is not seen: it is taken for the module's.
            return found or {owner.file for owner in self.owners[module] if module}
        return {owner.file for owner in self.owners[module]}

    def has(self, module: Names, name: str) -> bool:
        return name in self.children[module] or any(
            name in owner.items[module]
            or any(one.name == name for one in owner.imports if owner.module_at(one.at) == module)
            for owner in self.owners[module]
        )

    def used(self, source: Source) -> Iterator[Path]:
        text = USE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source.text)
        words = set(re.findall(r"\w+", text))
        modules: dict[str, Names] = {}
        for one in source.imports:
            target = self.absolute(one.path, source.module_at(one.at))
            if target is None:
                continue
            if one.name != "*" and target in self.owners:
                modules[one.name] = target
                continue
            if one.name == "*":
                # Everything of a module that is named here.
                for name in words:
                    if self.has(target, name):
                        yield from self.resolve((*target, name))
            elif not one.passed_on or one.name in words:
                yield from self.resolve(target)
        for match in re.finditer(r"(?<![\w:.])(\$?\w+)((?:\s*::\s*\w+)+)", text):
            module = source.module_at(match.start())
            path = (match[1], *re.findall(r"\w+", match[2]))
            target = modules[match[1]] + path[1:] if match[1] in modules else self.absolute(path, module)
            if target is not None:
                yield from self.resolve(target)

    def unit(self, file: Path) -> str:
        first, *rest = file.relative_to(self.src).parts
        return f"{first}/" if rest else first


def circles(nodes: list[str], arrows: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one node (Tarjan)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in sorted(arrows.get(node, ())):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in nodes:
        if node not in number:
            visit(node)
    return found


def levels(nodes: list[str], arrows: dict[str, set[str]], rings: list[list[str]]) -> dict[str, int]:
    """How long the longest way down from each node is; all of a circle are one step."""
    ring_of = {node: tuple(ring) for ring in rings for node in ring}
    known: dict[tuple[str, ...], int] = {}

    def level(group: tuple[str, ...]) -> int:
        if group not in known:
            below = {ring_of.get(other, (other,)) for node in group for other in arrows.get(node, ())} - {group}
            known[group] = 1 + max((level(one) for one in below), default=-1)
        return known[group]

    return {node: level(ring_of.get(node, (node,))) for node in nodes}


def report(crate: Crate, files: bool) -> list[str]:
    """Prints one crate's structure, and returns what --check refuses."""
    lines: dict[str, int] = defaultdict(int)
    count: dict[str, int] = defaultdict(int)
    seen: set[Path] = set()
    for source in crate.sources:
        if source.module and source.file not in seen:
            seen.add(source.file)
            lines[crate.unit(source.file)] += source.lines
            count[crate.unit(source.file)] += 1
    units = sorted(lines)
    arrows: dict[str, set[str]] = defaultdict(set)
    weight: dict[tuple[str, str], int] = defaultdict(int)
    between: dict[str, set[str]] = defaultdict(set)
    for (start, end), times in crate.arrows.items():
        between[str(start.relative_to(crate.src))].add(str(end.relative_to(crate.src)))
        one, other = crate.unit(start), crate.unit(end)
        if one != other:
            arrows[one].add(other)
            weight[one, other] += times
    rings = circles(units, arrows)
    level = levels(units, arrows, rings)
    file_rings = circles(sorted(str(file.relative_to(crate.src)) for file in seen), between)
    back = []
    order = [unit for unit in ORDER.get(crate.name, []) if unit in lines]
    for index, unit in enumerate(order):
        back += [f"{unit} -> {above} ({weight[unit, above]})" for above in order[:index] if above in arrows[unit]]

    def downwards(some: Iterable[str]) -> list[str]:
        return sorted(some, key=lambda unit: (-level[unit], unit))

    def listed(title: str, rows: list[str]) -> None:
        print(f"  {title}: {len(rows)}", *rows, sep="\n     ")

    total = sum(lines.values())
    print(f"{crate.name}: {total} lines of code, {len(seen)} files, {len(weight)} arrows between {len(units)} units")
    for unit in downwards(units):
        uses = ", ".join(f"{other} {weight[unit, other]}" for other in downwards(arrows[unit]))
        row = f"  {level[unit]:2} {unit:18} {lines[unit]:5} lines {count[unit]:3} files"
        print(f"{row}  -> {uses}" if uses else row)
    listed("circles between units", [" ".join(ring) for ring in rings])
    listed(f"arrows that run back up ({' > '.join(order)})", back)
    listed("circles between files", [" ".join(ring) for ring in file_rings])
    if files:
        for start_, ends in sorted(between.items()):
            print(f"  {start_} -> {' '.join(sorted(ends))}")
    bad = [f"{crate.name}: a circle of {' '.join(ring)}" for ring in rings if any(unit.endswith("/") for unit in ring)]
    return bad + [f"{crate.name}: against the order: {arrow}" for arrow in back]


def main() -> None:
    parser = argparse.ArgumentParser(description="Prints the structure of the crates.")
    parser.add_argument("--check", action="store_true", help="fail if there is a circle, or an arrow back up")
    parser.add_argument("--files", action="store_true", help="print the arrows between files too")
    parser.add_argument("crates", nargs="*", metavar="CRATE", help="by the name of its folder; without names all")
    options = parser.parse_args()
    folders = [path.parents[1] for path in sorted(ROOT.glob("crates/*/src/lib.rs"))]
    if unknown := set(options.crates) - {folder.name for folder in folders}:
        parser.error(f"there is no crate {', '.join(sorted(unknown))}")
    bad = []
    for folder in folders:
        if not options.crates or folder.name in options.crates:
            bad += report(Crate(folder), options.files)
            print()
    if options.check and bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    main()
