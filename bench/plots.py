"""Draws the results as SVG, readable on a light and on a dark page.

    python bench/plots.py FOLDER

reads the newest table (DATE.md), truncated.json and cluster.json of FOLDER, bench/results, and writes beside them

- DATE.svg: every operation beside the standard module, one dot for each interpreter;
- DATE-speed.svg: the same for a few of them;
- DATE-cost.svg: what mapping, searching and closing costs, by the size of the file;
- truncated.svg: what became of a program whose mapped file was truncated;
- cluster.svg: ranges of a file in threads, Dask and Ray beside what these and polars have for lines.
"""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

# The colours are those that the reader's system has; the ground is the picture's own, as the page can have the others.
STYLE = """<style>
svg { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
.ground { fill: #fff } .band { fill: #f3f5f7 } .text { fill: #1f2328 } .faint { fill: #59636e }
.title { font-size: 15px; font-weight: 600 }
.code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
.line { stroke: #d1d9e0; fill: none } .axis { stroke: #59636e; fill: none } .target { stroke: #cf222e; stroke-width: 2 }
.s0 { fill: #0969da; stroke: #0969da } .s1 { fill: #bc6c00; stroke: #bc6c00 } .s2 { fill: #1a7f37; stroke: #1a7f37 }
.s3 { fill: #8250df; stroke: #8250df } .s4 { fill: #6e7781; stroke: #6e7781 }
.good { fill: #1a7f37 } .bad { fill: #cf222e }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 } .band { fill: #161b22 } .text { fill: #e6edf3 } .faint { fill: #9198a1 }
.line { stroke: #30363d } .axis { stroke: #9198a1 } .target { stroke: #ff7b72 }
.s0 { fill: #58a6ff; stroke: #58a6ff } .s1 { fill: #e3a04f; stroke: #e3a04f } .s2 { fill: #56d364; stroke: #56d364 }
.s3 { fill: #bc8cff; stroke: #bc8cff } .s4 { fill: #9198a1; stroke: #9198a1 }
.good { fill: #56d364 } .bad { fill: #ff7b72 }
}
</style>"""
WIDTH = 740
# What the picture of a few operations shows, under these names.
CHOSEN = {
    "m[i]": "m[i]",
    "seek()": "m.seek(i)",
    "read(10)": "m.read(10)",
    "write(10)": "m.write(data)",
    "readline()": "m.readline()",
    "map a file, close": "map and close",
    "find() absent, 4 bytes": "m.find, 4 bytes in 128 MiB",
    "find() absent, 16 bytes": "m.find, 16 bytes in 128 MiB",
    "rfind() absent, 4 bytes": "m.rfind, 4 bytes in 128 MiB",
    "m[:]": "m[:] of 128 MiB",
}


@dataclass
class Results:
    """What a table of bench/report.py says."""

    machine: str
    date: str
    pythons: list[str]
    # Operation, target, and the ratio under each interpreter.
    operations: list[tuple[str, float | None, list[float]]]
    # Size, page cache, and the seconds of the standard module, of read() and of firmmap.
    growth: list[tuple[str, str, list[float]]]


UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3}


def quantity(text: str) -> float:
    number, unit = text.split()
    return float(number) * UNITS[unit]


def read_table(path: Path) -> Results:
    text = path.read_text(encoding="utf-8")
    machine = re.search(r"^Machine: (.*?)\. Command", text, re.MULTILINE)
    assert machine, path
    rows = [[cell.strip() for cell in row[1:-1].split("|")] for row in text.splitlines() if row.startswith("|")]
    operations, growth = [], []
    pythons: list[str] = []
    for row in rows:
        if row[0] == "operation":
            pythons = [cell.removeprefix("CPython ") for cell in row if cell.startswith("CPython")]
        elif row[0].startswith("`"):
            ratios = [float(cell.strip("*").split()[0]) for cell in row[2 : 2 + len(pythons)]]
            operations.append((row[0].strip("`"), float(row[1]) if row[1] else None, ratios))
        elif len(row) == 6 and row[1] in ("warm", "cold"):
            ours = quantity(row[4])
            growth.append((row[0], row[1], [float(row[2]) * ours, float(row[3]) * ours, ours]))
    return Results(machine[1], path.stem, pythons, operations, growth)


class Picture:
    """The parts of an SVG file."""

    def __init__(self, height: float, title: str, subtitle: str) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">',
            f"<title>{escape(title)}</title>",
            STYLE,
            f'<rect class="ground" width="{WIDTH}" height="{height:g}" rx="8"/>',
        ]
        self.text(20, 28, title, "text title")
        self.text(20, 47, subtitle, "faint")

    def text(self, x: float, y: float, words: str, kind: str = "text", anchor: str = "start") -> None:
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{place}>{escape(words)}</text>')

    def line(self, path: str, kind: str, more: str = "") -> None:
        self.parts.append(f'<path class="{kind}" d="{path}"{more}/>')

    def dot(self, x: float, y: float, series: int, radius: float = 4) -> None:
        self.parts.append(f'<circle class="s{series % 5}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>')

    def band(self, y: float, height: float) -> None:
        self.parts.append(f'<rect class="band" x="8" width="{WIDTH - 16}" y="{y:.1f}" height="{height:g}"/>')

    def write(self, path: Path) -> None:
        path.write_text("\n".join([*self.parts, "</svg>", ""]), encoding="utf-8")
        print(path)


def draw_speed(results: Results, names: dict[str, str] | None, path: Path) -> None:
    """One row for each operation, one dot for each interpreter, a mark where the target is."""
    rows = [row for row in results.operations if names is None or row[0] in names]
    step, top, left, right = (17, 112, 240, WIDTH - 20) if names is None else (26, 112, 240, WIDTH - 70)
    lowest = 0.5
    highest = 2.0 ** math.ceil(math.log2(max(max(ratios) for _, _, ratios in rows)))
    bottom = top + step * len(rows)

    def at(ratio: float) -> float:
        return left + (right - left) * math.log(max(ratio, lowest) / lowest) / math.log(highest / lowest)

    subtitle = f"How many times as fast as the standard module. {results.machine}, {results.date}, make bench"
    picture = Picture(bottom + 24, "firmmap beside the standard mmap", subtitle)
    x = left
    for series, python in enumerate(results.pythons):
        picture.dot(x, 68, series)
        picture.text(x + 10, 72, python if series else f"CPython {python}")
        x += 70 if series else 125
    if names is None:
        picture.line(f"M{x} 62v12", "target")
        picture.text(x + 10, 72, "target")
    for number, (name, _, _) in enumerate(rows):
        if number % 2 == 0:
            picture.band(top + step * number, step)
        picture.text(left - 14, top + step * number + step / 2 + 4, (names or {}).get(name, name), "text code", "end")
    ratio = lowest
    while ratio <= highest:
        picture.line(f"M{at(ratio):.1f} {top - 8}V{bottom}", "axis" if ratio == 1 else "line")
        words = {0.5: "half", 1: "the same"}.get(ratio, f"{ratio:g} x")
        picture.text(at(ratio), top - 14, words, "faint", "middle")
        ratio *= 2
    for number, (_, target, ratios) in enumerate(rows):
        y = top + step * number + step / 2
        if names is None and target is not None:
            picture.line(f"M{at(target):.1f} {y - 6}v12", "target")
        for series, ratio in enumerate(ratios):
            picture.dot(at(ratio), y, series)
        if names is not None:
            middle = sorted(ratios)[len(ratios) // 2]
            picture.text(right + 50, y + 4, f"{middle:.{0 if middle >= 10 else 1}f} x", "text", "end")
    picture.write(path)


def draw_cost(results: Results, path: Path) -> None:
    """Lines over the size of the file, both axes logarithmic; dashed where the file is not in the page cache."""
    series = ["mmap", "read() of 1 MiB pieces", "firmmap"]
    # The library's own line is drawn last, and has the first colour.
    colours = [1, 4, 0]
    left, right, top, bottom = 90, WIDTH - 40, 104, 400
    sizes = list(dict.fromkeys(size for size, _, _ in results.growth))
    times = [time for _, _, each in results.growth for time in each]
    first, last = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    from_size, to_size = math.log(quantity(sizes[0])), math.log(quantity(sizes[-1]))

    def x_at(size: str) -> float:
        return left + 30 + (right - left - 60) * (math.log(quantity(size)) - from_size) / (to_size - from_size)

    def y_at(seconds: float) -> float:
        return bottom - (bottom - top) * (math.log10(seconds) - first) / (last - first)

    python = results.pythons[-1]
    where = f"CPython {python}, {results.machine}, {results.date}"
    subtitle = f"Time to map, search all of it, and close. {where}"
    picture = Picture(bottom + 50, "What it costs, by the size of the file", subtitle)
    for power in range(first, last + 1):
        y = y_at(10.0**power)
        picture.line(f"M{left} {y:.1f}H{right}", "line")
        words = {0: "1 s", -3: "1 ms", -6: "1 µs"}.get(power) or f"{10 ** (power % 3)} {'ms' if power >= -3 else 'µs'}"
        picture.text(left - 10, y + 4, words, "faint", "end")
    for size in sizes:
        picture.line(f"M{x_at(size):.1f} {top}V{bottom}", "line")
        picture.text(x_at(size), bottom + 20, size, "faint", "middle")
    x = 30.0
    for name, colour in zip(series, colours, strict=True):
        picture.dot(x, 68, colour)
        picture.text(x + 10, 72, name)
        x += 38 + 6.3 * len(name)
    picture.line(f"M{x:.1f} 68h34", "axis", ' stroke-width="2"')
    picture.text(x + 42, 72, "in the page cache")
    picture.line(f"M{x + 165:.1f} 68h34", "axis", ' stroke-width="2" stroke-dasharray="5 4"')
    picture.text(x + 207, 72, "on the disk")
    for cache, dashes in (("cold", ' stroke-dasharray="5 4"'), ("warm", "")):
        rows = [(size, each) for size, state, each in results.growth if state == cache]
        for index, colour in enumerate(colours):
            points = [(x_at(size), y_at(each[index])) for size, each in rows]
            path_of = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            picture.line(path_of, f"s{colour}", f' style="fill:none" stroke-width="2"{dashes}')
            for x, y in points:
                picture.dot(x, y, colour, 3.5)
    picture.write(path)


def draw_truncated(results: dict[str, Any], path: Path) -> None:
    """One row for each program: killed, or told and alive."""
    step, top = 30, 70
    cases = results["cases"]
    system = f"CPython {results['python']}, {results['system']}, {results['date']}, {results['command']}"
    picture = Picture(top + step * len(cases) + 20, "A mapped file is truncated, and then read", system)
    for number, case in enumerate(cases):
        y = top + step * number
        if number % 2 == 0:
            picture.band(y, step)
        killed = case["outcome"].startswith("killed")
        picture.text(30, y + 20, case["library"])
        picture.text(130, y + 20, case["operation"], "text code")
        picture.text(400, y + 20, f"{'✗' if killed else '✓'}  {case['outcome']}", "bad" if killed else "good")
    picture.write(path)


def draw_cluster(results: dict[str, Any], path: Path) -> None:
    """One row for each way and task, one dot for each number of workers: seconds of the processor."""
    workers = results["workers"]
    step, top, left, right = 24, 112, 280, WIDTH - 40
    tasks = {"count": "count the lines with a word", "lines": "bring these lines"}
    rows = [
        (
            task,
            way,
            [
                {(row["way"], row["task"]): row["processor"] for row in each}.get((way, task))
                for each in workers.values()
            ],
        )
        for task in tasks
        for way in dict.fromkeys(row["way"] for each in workers.values() for row in each if row["task"] == task)
    ]
    times = [time for _, _, each in rows for time in each if time]
    first, last = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))

    def x_at(seconds: float) -> float:
        return left + (right - left) * (math.log10(seconds) - first) / (last - first)

    size = f"{results['bytes'] / 2**20:.0f} MiB, {results['lines']:,} lines, {results['found']:,} of them with the word"
    picture = Picture(top + step * (len(rows) + len(tasks)) + 24, "Seconds of the processor for one file", size)
    x = 20.0
    for series, count in enumerate(workers):
        picture.dot(x, 68, series)
        picture.text(x + 10, 72, f"{count} thread or worker" if count == "1" else f"{count} threads or workers")
        x += 150
    picture.text(WIDTH - 20, 72, f"{results['machine']}, {results['date']}", "faint", "end")
    bottom = top + step * (len(rows) + len(tasks))
    for power in range(first, last + 1):
        picture.line(f"M{x_at(10.0**power):.1f} {top - 8}V{bottom}", "line")
        picture.text(x_at(10.0**power), top - 14, f"{10.0**power:g} s", "faint", "middle")
    y = float(top)
    for task, words in tasks.items():
        picture.text(20, y + 17, words, "faint")
        y += step
        for number, (_, way, each) in enumerate(row for row in rows if row[0] == task):
            if number % 2 == 0:
                picture.band(y, step)
            picture.text(left - 14, y + 16, way, "text", "end")
            for series, time in enumerate(each):
                if time:
                    picture.dot(x_at(time), y + step / 2, series)
            y += step
    picture.write(path)


def draw(folder: Path) -> None:
    newest = sorted(folder.glob("[0-9]*-*-*.md"))[-1]
    results = read_table(newest)
    draw_speed(results, None, folder / f"{newest.stem}.svg")
    draw_speed(results, CHOSEN, folder / f"{newest.stem}-speed.svg")
    draw_cost(results, folder / f"{newest.stem}-cost.svg")
    draw_truncated(json.loads((folder / "truncated.json").read_text(encoding="utf-8")), folder / "truncated.svg")
    if (folder / "cluster.json").exists():
        draw_cluster(json.loads((folder / "cluster.json").read_text(encoding="utf-8")), folder / "cluster.svg")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
