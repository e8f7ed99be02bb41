"""Holes of a sparse file: os.SEEK_DATA and os.SEEK_HOLE, and gaps that are written over."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import firmmap
import pytest
from support import PAGE


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="the system has no such thing")
def test_holes(tmp_path: Path) -> None:
    """G6: seek() finds data and holes where a plain file finds them; the descriptor stays where it is."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"x" * 3 * PAGE)

    def ends(f: Any) -> list[object]:
        found: list[object] = []
        for start in (0, 1, PAGE, 1 << 19, (1 << 19) + 5, (1 << 20) - 1, 1 << 20, -1):
            for whence in (os.SEEK_DATA, os.SEEK_HOLE):
                try:
                    found.append((f.seek(start, whence), f.tell()))
                except OSError as error:
                    found.append(error.errno)
        return found

    with open(path, "rb", buffering=0) as raw, firmmap.open(path) as m:
        expected = ends(raw)
        assert ends(m) == expected
        m.fileno()
        assert ends(m) == expected
    with firmmap.open(path, offset=1 << 19, length=PAGE) as m:
        assert (m.seek(0, os.SEEK_DATA), m.seek(0, os.SEEK_HOLE)) == (0, PAGE)
    with firmmap.anonymous(10) as m:
        assert (m.seek(3, os.SEEK_DATA), m.seek(3, os.SEEK_HOLE)) == (3, 10)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the blocks")
def test_a_gap_is_a_hole(tmp_path: Path) -> None:
    """G6: a write behind a gap takes no room for the gap, as with a file; truncate() takes room for what it adds."""
    path = tmp_path / "gap"
    for capacity in (None, 1 << 30):
        with firmmap.open(path, "w+", capacity=capacity) as m:
            m.seek(64 << 20)
            m.write(b"end")
            assert (len(m), m[:4], m[-4:]) == ((64 << 20) + 3, bytes(4), b"\0end")
            assert path.stat().st_blocks * 512 < 1 << 20
            m[1 << 20] = 5
            assert (m.count(b"\5"), path.stat().st_size) == (1, (64 << 20) + 3)
