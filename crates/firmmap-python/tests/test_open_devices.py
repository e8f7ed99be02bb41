"""Block devices, which have a length that is not in their inode."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import firmmap
import pytest

DATA = bytes(range(256)) * 4096


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    """A block device with that data: a file's, through the loop driver."""
    losetup = shutil.which("losetup", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if sys.platform != "linux" or losetup is None:
        pytest.skip("there is no losetup")
    image = tmp_path / "image"
    image.write_bytes(DATA)
    made = subprocess.run([losetup, "--find", "--show", image], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no loop device can be made here, as root can: {made.stderr.strip()}")
    yield Path(made.stdout.strip())
    subprocess.run([losetup, "--detach", made.stdout.strip()], check=True)


def test_length(device: Path) -> None:
    """G2, R8: the map is as long as the device, read as a file of it is."""
    with firmmap.open(device) as m, open(device, "rb") as plain:
        assert (len(m), m.size(), m.seek(0, 2)) == (len(DATA), len(DATA), plain.seek(0, 2))
        assert m[:] == DATA
        assert m.read() == plain.read() == b""
    with firmmap.open(device, offset=1000, length=24) as m:
        assert m[:] == DATA[1000:1024]
    with pytest.raises(ValueError, match=str(len(DATA))):
        firmmap.open(device, length=len(DATA) + 1)
    fd = os.open(device, os.O_RDONLY)
    with firmmap.open(fd, closefd=True) as m:
        assert len(m) == len(DATA)
        # Where its end is was asked for without moving the descriptor.
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0


@pytest.mark.parametrize("mode", ["r+", "w+"])
def test_writing(device: Path, mode: Any) -> None:
    """G1, G6: its bytes can be changed, and its length cannot: a mode that empties files leaves it as it is."""
    with firmmap.open(device, mode) as m:
        m[:5] = b"begin"
        m.seek(-3, 2)
        assert m.write(b"end") == 3
        grows: list[Callable[[], object]] = [lambda: m.write(b"more"), lambda: m.truncate(10)]
        for grow in grows:
            with pytest.raises(io.UnsupportedOperation, match="not a regular file"):
                grow()
        assert len(m) == len(DATA)
        assert m[5:-3] == DATA[5:-3]
    assert device.read_bytes() == b"begin" + DATA[5:-3] + b"end"
