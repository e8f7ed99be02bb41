"""Puts the figures of bench/compare.py, one JSON file for each interpreter, into a table, which bench/plots.py draws.

    python bench/report.py FOLDER FILE…

writes FOLDER/DATE.md and the pictures.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import plots

Figures = dict[str, Any]


def table(runs: list[Figures], picture: str) -> str:
    """The same as text, with everything that was measured besides."""
    first = runs[0]
    versions = [run["python"] for run in runs]
    lines = [
        f"# firmmap beside the standard module, {first['date']}",
        "",
        f"Machine: {first['machine']}. Command: `{first['command']}`. Each figure is the standard module's time "
        "divided by firmmap's: the median of interleaved pairs, and in brackets the best of the one by the best of "
        "the other. A figure below its target is **bold**.",
        "",
        f"![The ratios as a plot]({picture})",
        "",
        "| operation | target | " + " | ".join(f"CPython {version}" for version in versions) + " | firmmap's time |",
        "|---|---|" + "---|" * (len(versions) + 1),
    ]
    for number, row in enumerate(first["operations"]):
        cells = []
        for run in runs:
            figure = run["operations"][number]
            words = f"{figure['median']:.2f} ({figure['best']:.2f})"
            target = row["target"]
            cells.append(f"**{words}**" if target is not None and figure["median"] < target else words)
        target = "" if row["target"] is None else f"{row['target']:g}"
        time = readable(runs[-1]["operations"][number]["firmmap_ns"])
        lines.append(f"| `{row['operation']}` | {target} | " + " | ".join(cells) + f" | {time} |")
    lines += [
        "",
        f"## Other ways to search 128 MiB (CPython {versions[-1]})",
        "",
        "Their time divided by firmmap's for the same search, and their speed.",
        "",
        "| | median | best | their speed | firmmap's speed |",
        "|---|---|---|---|---|",
    ]
    for way in runs[-1]["beside"]:
        lines.append(
            f"| {way['way']} | {way['median']:.2f} | {way['best']:.2f} | {way['gb_per_second']:.1f} GB/s "
            f"| {way['firmmap_gb_per_second']:.1f} GB/s |"
        )
    lines += [
        "",
        "## Two threads",
        "",
        "How much more two threads do than one: the median, and in brackets the best.",
        "",
    ]
    lines += [f"| | {' | '.join(f'CPython {version}' for version in versions)} |", "|---|" + "---|" * len(versions)]
    for name in first["threads"]:
        figures = [run["threads"][name] for run in runs]
        cells = [f"{figure['median']:.2f} ({figure['best']:.2f})" for figure in figures]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        f"## How cost grows: map, search all, close (CPython {versions[-1]})",
        "",
        "The time of others divided by firmmap's, the best of each: the standard module, and `read()` of 1 MiB pieces "
        "that are searched.",
        "",
        "| file | page cache | mmap | read() | firmmap | firmmap's speed |",
        "|---|---|---|---|---|---|",
    ]
    for row in runs[-1]["growth"]:
        lines.append(
            f"| {row['size']} | {row['cache']} | {row['mmap']:.2f} | {row['read']:.2f} "
            f"| {readable(row['seconds'] * 1e9)} | {row['gb_per_second']:.2f} GB/s |"
        )
    return "\n".join([*lines, ""])


def readable(nanoseconds: float) -> str:
    """A time with three digits and the unit that suits it."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def main() -> None:
    folder = Path(sys.argv[1])
    runs: list[Figures] = sorted(
        (json.loads(Path(name).read_text()) for name in sys.argv[2:]),
        key=lambda run: tuple(int(part) for part in run["python"].split(".")[:2]),
    )
    folder.mkdir(parents=True, exist_ok=True)
    date = runs[0]["date"]
    (folder / f"{date}.md").write_text(table(runs, f"{date}.svg"))
    print(f"{folder}/{date}.md")
    plots.draw(folder)


if __name__ == "__main__":
    main()
