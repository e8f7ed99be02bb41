"""Makes of a wheel that maturin has built the one that is released.

usage: scripts/finish_wheel.py WHEEL DIRECTORY

The debug symbols of a Linux library (two thirds of the wheel) go into a file of their own, WHEEL.debug, which the
library names (.gnu_debuglink): a debugger finds it beside the library. The list of components (SBOM) names no path of
this machine. Elsewhere the symbols are in files of their own from the start (.pdb, .dSYM), and the library stays as it
is.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def without_symbols(library: bytes, symbols: Path) -> bytes:
    """The library without what only debuggers read, which goes into the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "library.so")
        path.write_bytes(library)
        for arguments in (
            ["--only-keep-debug", str(path), symbols.name],
            ["--strip-unneeded", f"--add-gnu-debuglink={symbols.name}", str(path)],
        ):
            subprocess.run(["objcopy", *arguments], cwd=symbols.parent, check=True)
        symbols.chmod(0o644)
        return path.read_bytes()


def record(name: str, data: bytes) -> list[str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return [name, f"sha256={digest}", str(len(data))]


def finish(wheel: Path, directory: Path) -> None:
    rows = []
    with (
        zipfile.ZipFile(wheel) as source,
        zipfile.ZipFile(directory / wheel.name, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        for info in source.infolist():
            data = source.read(info)
            before = len(data)
            if data.startswith(b"\x7fELF"):
                data = without_symbols(data, directory / f"{wheel.name}.debug")
                print(f"{info.filename}: {before} bytes, without symbols {len(data)}")
            elif ".dist-info/sboms/" in info.filename:
                data = data.replace(ROOT.as_uri().encode(), b"file:///firmmap")
            elif info.filename.endswith(".dist-info/RECORD"):
                continue
            target.writestr(info, data)
            rows.append(record(info.filename, data))
        rows.sort()
        name = next(name for name in source.namelist() if name.endswith(".dist-info/RECORD"))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, [name, "", ""]])
        target.writestr(source.getinfo(name), text.getvalue())
    size = (directory / wheel.name).stat().st_size
    print(f"{directory / wheel.name}: {size} bytes; maturin's had {wheel.stat().st_size}")


if __name__ == "__main__":
    finish(Path(sys.argv[1]), Path(sys.argv[2]).resolve())
