"""Puts the figures of bench/compare.py, one JSON file for each interpreter, into a table and a plot.

    python bench/report.py FOLDER FILE…

writes FOLDER/DATE.md and FOLDER/DATE.svg.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

Figures = dict[str, Any]

COLOURS = ["#1b6ca8", "#e08a1e", "#3d8f4f", "#a83279", "#6b6b6b"]
LOWEST, HIGHEST = 0.5, 512.0
LEFT, WIDTH, ROW, TOP = 270, 620, 17, 78


def place(ratio: float) -> float:
    """Where a ratio is on the logarithmic axis."""
    clipped = min(max(ratio, LOWEST), HIGHEST)
    return LEFT + WIDTH * math.log(clipped / LOWEST) / math.log(HIGHEST / LOWEST)


def plot(runs: list[Figures]) -> str:
    """One row for each operation, one dot for each interpreter, a mark where the target is."""
    names = [row["operation"] for row in runs[0]["operations"]]
    height = TOP + ROW * len(names) + 40
    bottom = TOP + ROW * len(names)
    first = runs[0]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 40} {height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="11">',
        f'<rect width="{LEFT + WIDTH + 40}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">'
        "firmmap beside the standard mmap: time of mmap / time of firmmap</text>",
        f'<text x="{LEFT}" y="34" fill="#555">{escape(first["machine"])}, {first["date"]}, '
        f"{escape(first['command'])}; medians of interleaved pairs; right of 1 firmmap is faster</text>",
    ]
    for index, run in enumerate(runs):
        x = LEFT + index * 110
        colour = COLOURS[index % len(COLOURS)]
        parts.append(f'<circle cx="{x + 5}" cy="48" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="52">CPython {run["python"]}</text>')
    x = LEFT + len(runs) * 110
    parts.append(f'<path d="M{x + 5} 43v10" stroke="#c00" stroke-width="2"/>')
    parts.append(f'<text x="{x + 14}" y="52">target</text>')
    power = math.ceil(math.log2(LOWEST))
    while 2.0**power <= HIGHEST:
        ratio = 2.0**power
        x_at, width = place(ratio), 1.4 if power == 0 else 0.5
        stroke = "#333" if power == 0 else "#ccc"
        parts.append(f'<path d="M{x_at:.1f} {TOP - 8}V{bottom}" stroke="{stroke}" stroke-width="{width}"/>')
        parts.append(f'<text x="{x_at:.1f}" y="{TOP - 12}" text-anchor="middle" fill="#555">{ratio:g}</text>')
        power += 1
    for number, name in enumerate(names):
        y = TOP + ROW * number + 8
        if number % 2 == 0:
            whole = f'width="{LEFT + WIDTH + 40}" height="{ROW}"'
            parts.append(f'<rect x="0" y="{y - 9}" {whole} fill="#000" opacity="0.035"/>')
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        target = runs[0]["operations"][number]["target"]
        if target is not None:
            parts.append(f'<path d="M{place(target):.1f} {y - 6}v12" stroke="#c00" stroke-width="2"/>')
        for index, run in enumerate(runs):
            ratio = run["operations"][number]["median"]
            colour = COLOURS[index % len(COLOURS)]
            parts.append(f'<circle cx="{place(ratio):.1f}" cy="{y}" r="4" fill="{colour}" opacity="0.85"/>')
    parts.append(f'<text x="{LEFT}" y="{bottom + 24}" fill="#555">Ratios above {HIGHEST:g} are drawn there.</text>')
    return "\n".join([*parts, "</svg>", ""])


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
    (folder / f"{date}.svg").write_text(plot(runs))
    (folder / f"{date}.md").write_text(table(runs, f"{date}.svg"))
    print(f"{folder}/{date}.md and {folder}/{date}.svg")


if __name__ == "__main__":
    main()
