"""Checks what the repository's texts refer to: statements of docs/behaviour.md, links, pages, targets of make.

usage: scripts/check_documents.py [--unproven]

Reads every file that git does not ignore. An error is

- a number such as C9 in a document, a test or a source, that docs/behaviour.md does not define, and one defined twice;
- a link of a Markdown file to a file or a heading that does not exist (of addresses of the web only those of this
  repository's files are looked at);
- a relative link in README.md, which PyPI shows without the files beside it;
- a path such as docs/faults.md, in any text, that does not exist;
- a command `make NAME` in a document, a workflow or .ci/run for which the Makefile has no rule;
- a table with more than four columns, or wider than 110 characters, in a Markdown file outside of bench/results.

--unproven lists the statements that no test names, and is no check: some are promises about documents.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATEMENTS = ROOT / "docs" / "behaviour.md"
# Statement numbers are looked for in these; shell scripts have compiler options of the same form.
NUMBERED = {".md", ".py", ".pyi", ".rs"}

DEFINED = re.compile(r'^<a id="(\w+)"></a>\*\*([A-Z]\d{1,2})\. ', re.MULTILINE)
ANCHOR = re.compile(r'<a id="([^"]+)">')
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
FENCED = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`+[^`\n]+`+")
# What README.md has in front of the path of a page, and of a picture.
REPOSITORY = re.compile(
    r"https://(?:github\.com/firmmap/firmmap/blob|raw\.githubusercontent\.com/firmmap/firmmap)/main/"
)
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: +\"[^\"]*\")?\)|^\[[^\]]+\]: +(\S+)", re.MULTILINE)
PAGE = re.compile(r"(?<![\w./-])docs/[\w./-]+\.(?:md|c)\b")
# Types of crates, and of safetensors, that look like numbers of statements.
TYPES = {"F16", "F32", "F64"}
TABLE_ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
MAX_COLUMNS, MAX_WIDTH = 4, 110
MAKE = re.compile(r"(?:^|`|&& )make ((?:[a-z][a-z0-9-]* ?)+)", re.MULTILINE)
# The same in what CI runs; there a matrix can list the targets.
RUN = re.compile(r"^ *(?:- )?(?:run: )?g?make ((?:[a-z][a-z0-9-]* ?)+)|^ *target: \[(.*)\]$", re.MULTILINE)


def tracked() -> list[Path]:
    # In a container of CI the folder belongs to somebody else.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file() and not path.is_symlink()]


def blanked(text: str, pattern: re.Pattern[str]) -> str:
    """The text with every match replaced by spaces, so that line numbers stay."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a link to the page can name after '#': explicit anchors, and headings in GitHub's form."""
    text = blanked(page.read_text(encoding="utf-8"), FENCED)
    found = set(ANCHOR.findall(text))
    used: dict[str, int] = {}
    for heading in HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        used[slug] = used.get(slug, -1) + 1
        found.add(f"{slug}-{used[slug]}" if used[slug] else slug)
    return frozenset(found)


def rules() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))


def statements() -> tuple[set[str], list[str]]:
    numbers: set[str] = set()
    errors = []
    for anchor, number in DEFINED.findall(STATEMENTS.read_text(encoding="utf-8")):
        if number in numbers:
            errors.append(f"docs/behaviour.md: {number} is defined twice")
        if anchor != number.lower():
            errors.append(f"docs/behaviour.md: {number} has the anchor {anchor!r}, not {number.lower()!r}")
        numbers.add(number)
    return numbers, errors


def bad_links(page: Path, text: str) -> Iterator[tuple[int, str]]:
    for match in LINK.finditer(blanked(blanked(text, FENCED), CODE)):
        target = match[1] or match[2]
        own = REPOSITORY.match(target)
        if not own and re.match(r"[a-z]+:", target):
            continue
        if not own and page == ROOT / "README.md" and target[0] != "#":
            yield match.start(), f"the link {target!r} leads nowhere on PyPI: it has to begin with https:"
        name, _, anchor = target[own.end() if own else 0 :].partition("#")
        to = ((ROOT if own else page.parent) / name).resolve() if name else page
        if not to.is_relative_to(ROOT) or not to.exists():
            yield match.start(), f"the link {target!r} leads to no file"
        elif anchor and (to.suffix != ".md" or anchor not in anchors(to)):
            yield match.start(), f"the link {target!r} leads to no heading or anchor"


def wide_rows(text: str) -> Iterator[tuple[int, str]]:
    for match in TABLE_ROW.finditer(blanked(text, FENCED)):
        columns = blanked(match[0], CODE).count("|") - 1
        if columns > MAX_COLUMNS:
            yield match.start(), f"a table of {columns} columns, at most {MAX_COLUMNS} fit"
        elif len(match[0]) > MAX_WIDTH:
            yield match.start(), f"a row of {len(match[0])} characters, at most {MAX_WIDTH} fit"


def problems(path: Path, text: str, numbers: set[str], targets: set[str]) -> Iterator[tuple[int, str]]:
    if path.suffix in NUMBERED:
        letters = "".join(sorted({number[0] for number in numbers}))
        for match in re.finditer(rf"\b[{letters}]\d{{1,2}}\b", text):
            if match[0] not in numbers | TYPES:
                yield match.start(), f"docs/behaviour.md has no statement {match[0]}"
    for match in PAGE.finditer(text):
        if not (ROOT / match[0]).exists() and not (path.parent / match[0]).exists():
            yield match.start(), f"there is no {match[0]}"
    commands = []
    if path.suffix == ".md":
        yield from bad_links(path, text)
        if not path.is_relative_to(ROOT / "bench" / "results"):
            yield from wide_rows(text)
        blocks = [match.span() for match in FENCED.finditer(text)]
        for match in MAKE.finditer(text):
            # A line that begins with the word is prose, unless it is in a block.
            if match[0][0] == "`" or any(start < match.start() < end for start, end in blocks):
                commands.append((match.start(), match[1]))
    elif path.parent.name == "workflows" or path == ROOT / ".ci" / "run":
        commands = [(match.start(), match[1] or match[2]) for match in RUN.finditer(text)]
    for offset, names in commands:
        for name in re.findall(r"[a-z][a-z0-9-]*", names):
            if name not in targets:
                yield offset, f"the Makefile has no rule {name!r}"


def main() -> None:
    numbers, errors = statements()
    targets = rules()
    proven: set[str] = set()
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        name = path.relative_to(ROOT)
        if "tests" in name.parts:
            proven |= set(re.findall(r"\b[A-Z]\d{1,2}\b", text))
        for offset, problem in problems(path, text, numbers, targets):
            errors.append(f"{name}:{text.count(chr(10), 0, offset) + 1}: {problem}")
    if "--unproven" in sys.argv[1:]:
        print("no test names:", *sorted(numbers - proven, key=lambda number: (number[0], int(number[1:]))))
    if errors:
        sys.exit("\n".join(errors))


if __name__ == "__main__":
    main()
