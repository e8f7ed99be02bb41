"""MappedFile in the hands of those who take files: the standard library's modules, numpy, pandas, pyarrow, Pillow."""

from __future__ import annotations

import array
import bz2
import configparser
import csv
import gzip
import hashlib
import io
import json
import lzma
import os
import pickle
import shelve
import shutil
import struct
import sys
import tarfile
import tomllib
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import firmmap
import pytest

TEXT = b"".join(b"line %d of some text that compresses well\n" % number for number in range(20_000))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def other(path: Path) -> Path:
    return path.with_name("other")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("capacity", [None, 1 << 30])
def test_zipfile(path: Path, method: int, capacity: int | None) -> None:
    """G3: written, listed, read, tested and appended to, all in one map that grows."""
    with firmmap.open(path, "w+", capacity=capacity) as m:
        with zipfile.ZipFile(m, "w", method) as archive:
            archive.writestr("a/text", TEXT)
            with archive.open("stream", "w") as member:
                member.write(b"streamed")
        with zipfile.ZipFile(m, "a", method) as archive:
            archive.writestr("later", b"appended")
        with zipfile.ZipFile(m) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == ["a/text", "stream", "later"]
            assert archive.read("a/text") == TEXT
            with archive.open("a/text") as member, firmmap.open(other(path), "w+") as copy:
                shutil.copyfileobj(member, copy)
    assert other(path).read_bytes() == TEXT
    with zipfile.ZipFile(path) as archive:
        assert archive.read("stream") == b"streamed"
    with firmmap.open(path) as m, zipfile.ZipFile(m) as archive:
        assert archive.filename == str(path)
        assert archive.read("later") == b"appended"
    assert zipfile.is_zipfile(firmmap.open(path))
    assert not zipfile.is_zipfile(firmmap.open(other(path)))


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_tarfile(path: Path, compression: str) -> None:
    """G3: plain and compressed archives, written and read."""
    mode: Any = f":{compression}"
    with firmmap.open(path, "w+") as m:
        with tarfile.open(fileobj=m, mode="w" + mode) as archive:
            member = tarfile.TarInfo("text")
            member.size = len(TEXT)
            archive.addfile(member, io.BytesIO(TEXT))
        m.seek(0)
        with tarfile.open(fileobj=m, mode="r" + mode) as archive:
            extracted = archive.extractfile("text")
            assert extracted is not None
            assert extracted.read() == TEXT
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["text"]
    with firmmap.open(path) as m, tarfile.open(fileobj=m) as archive:
        assert archive.getnames() == ["text"]


def test_tarfile_of_an_empty_file(path: Path) -> None:
    """G3: an empty map is an empty file, and not "no file"."""
    with firmmap.open(path, "w+") as m, tarfile.open(fileobj=m, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("nothing"))
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["nothing"]


COMPRESSORS: list[Any] = [
    (gzip.GzipFile, "fileobj", gzip.decompress),
    (bz2.BZ2File, "filename", bz2.decompress),
    (lzma.LZMAFile, "filename", lzma.decompress),
]


@pytest.mark.parametrize(("kind", "name", "decompress"), COMPRESSORS, ids=["gzip", "bz2", "lzma"])
def test_compression(path: Path, kind: Any, name: str, decompress: Callable[[bytes], bytes]) -> None:
    """G3: compressed into a map, and out of it by lines."""
    with firmmap.open(path, "w+") as m:
        with kind(**{name: m, "mode": "wb"}) as file:
            file.write(TEXT)
        assert not m.closed
        m.seek(0)
        with kind(**{name: m, "mode": "rb"}) as file:
            assert file.readlines() == TEXT.splitlines(keepends=True)
        assert decompress(m[:]) == TEXT
    assert decompress(path.read_bytes()) == TEXT


def test_gzip_knows_the_mode(path: Path) -> None:
    """G3: without a mode gzip takes the file's."""
    path.write_bytes(gzip.compress(TEXT))
    with firmmap.open(path) as m, gzip.GzipFile(fileobj=m) as file:
        assert file.read() == TEXT
        assert file.name == str(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(path: Path, protocol: int) -> None:
    """G3: several objects after each other, with buffers in the file and beside it."""
    objects: list[Any] = [{"a": [1, 2.5, None]}, "text", b"x" * 100_000, list(range(1000))]
    with firmmap.open(path, "w+") as m:
        for one in objects:
            pickle.dump(one, m, protocol)
        m.seek(0)
        assert [pickle.load(m) for _ in objects] == objects
        with pytest.raises(EOFError):
            pickle.load(m)
        m.seek(0)
        python = pickle._Unpickler
        assert python(m).load() == objects[0]


def test_csv(path: Path) -> None:
    """G3: over io.TextIOWrapper, which closes the map."""
    rows = [["number", "text"], *([str(number), f'a, "b"\n{number} ä'] for number in range(5000))]
    m = firmmap.open(path, "w+")
    with io.TextIOWrapper(m, encoding="utf-8", newline="") as text:
        csv.writer(text).writerows(rows)
    assert m.closed
    with io.TextIOWrapper(firmmap.open(path), encoding="utf-8", newline="") as text:
        assert list(csv.reader(text)) == rows
    with path.open(encoding="utf-8", newline="") as plain:
        assert list(csv.reader(plain)) == rows


def test_text(path: Path) -> None:
    """G3: io.TextIOWrapper reads lines, seeks to where it was told, and writes."""
    path.write_bytes("eins\nzwei äöü\r\ndrei\n".encode())
    with io.TextIOWrapper(firmmap.open(path, "r+"), encoding="utf-8") as text:
        assert text.readline() == "eins\n"
        place = text.tell()
        assert text.read() == "zwei äöü\ndrei\n"
        text.seek(place)
        assert text.readline() == "zwei äöü\n"
        text.seek(0, 2)
        text.write("vier\n")
        text.flush()
        text.seek(0)
        assert [line.strip() for line in text] == ["eins", "zwei äöü", "drei", "vier"]
        assert text.name == str(path)
    assert path.read_bytes().endswith(b"drei\nvier" + os.linesep.encode())


def test_configuration_files(path: Path) -> None:
    """G3: json, tomllib, configparser."""
    value = {"list": [1, 2, {"three": "ä"}]}
    with firmmap.open(path, "w+") as m, io.TextIOWrapper(m, encoding="utf-8") as text:
        json.dump(value, text)
        text.flush()
        text.seek(0)
        assert json.load(text) == value
    with firmmap.open(path) as m:
        assert json.load(m) == value
        assert json.loads(m[:]) == value
    path.write_bytes(b"[section]\nkey = 1\n")
    with firmmap.open(path) as m:
        assert tomllib.load(m) == {"section": {"key": 1}}
    parser = configparser.ConfigParser()
    with io.TextIOWrapper(firmmap.open(path), encoding="utf-8") as text:
        parser.read_file(text)
    assert parser["section"]["key"] == "1"


def test_wave(path: Path) -> None:
    """G3: the header is written again when the length is known."""
    samples = array.array("h", range(-1000, 1000)).tobytes()
    with firmmap.open(path, "w+") as m, wave.open(m, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(samples[:1000])
        sound.writeframes(samples[1000:])
    with firmmap.open(path) as m, wave.open(m) as sound:
        assert sound.getnframes() == 2000
        assert sound.readframes(2000) == samples


def test_shutil(path: Path) -> None:
    """G3: copied into and out of."""
    with firmmap.open(path, "w+") as m:
        shutil.copyfileobj(io.BytesIO(TEXT), m)
        m.seek(100)
        target = io.BytesIO()
        shutil.copyfileobj(m, target, 1000)
        assert target.getvalue() == TEXT[100:]
    assert path.read_bytes() == TEXT


def test_hashlib(path: Path) -> None:
    """G3: file_digest reads from the position on; the buffer is taken whole."""
    path.write_bytes(TEXT)
    with firmmap.open(path) as m:
        assert hashlib.file_digest(m, "sha256").digest() == hashlib.sha256(TEXT).digest()
        assert m.tell() == len(TEXT)
        m.seek(7)
        assert hashlib.file_digest(m, "md5").digest() == hashlib.md5(TEXT[7:]).digest()
        assert hashlib.sha1(m).digest() == hashlib.sha1(TEXT).digest()


def test_array_and_struct(path: Path) -> None:
    """G3: array.tofile and fromfile, struct.iter_unpack."""
    numbers = array.array("d", [1.5, 2.5, -3.0] * 1000)
    with firmmap.open(path, "w+") as m:
        numbers.tofile(m)
        m.seek(0)
        again = array.array("d")
        again.fromfile(m, len(numbers))
        assert again == numbers
        assert [value for (value,) in struct.iter_unpack("d", m)] == list(numbers)


@pytest.mark.skipif(sys.platform == "win32", reason="dbm.dumb would keep files open")
def test_shelve(tmp_path: Path) -> None:
    """G8: values of a shelf may be maps: they are pickled as path and range."""
    tmp_path.joinpath("data").write_bytes(TEXT)
    with shelve.open(str(tmp_path / "shelf")) as shelf:
        shelf["map"] = firmmap.open(tmp_path / "data", offset=5, length=10)
        assert shelf["map"][:] == TEXT[5:15]


def test_buffered_reader(path: Path) -> None:
    """G3: as the raw file of a buffer."""
    path.write_bytes(TEXT)
    m = firmmap.open(path)
    with io.BufferedReader(m) as reader:
        assert reader.peek(4)[:4] == TEXT[:4]
        assert reader.readline() == TEXT.splitlines(keepends=True)[0]
        reader.seek(-10, 2)
        assert reader.read() == TEXT[-10:]
        reader.seek(0)
        assert reader.read() == TEXT
        reader.seek(0)
        assert list(reader) == TEXT.splitlines(keepends=True)
        assert reader.raw is m
        assert reader.name == str(path)
    assert m.closed


def test_buffered_writer_and_random(path: Path) -> None:
    """G3: as the raw file of a buffer that is written to."""
    raw: Any = firmmap.open(path, "w+")
    with io.BufferedWriter(raw, 1000) as writer:
        for line in TEXT.splitlines(keepends=True):
            writer.write(line)
    assert path.read_bytes() == TEXT
    raw = firmmap.open(path, "r+")
    with io.BufferedRandom(raw) as file:
        assert file.readline() == b"line 0 of some text that compresses well\n"
        file.write(b"LINE")
        file.seek(-5, 2)
        assert file.read() == b"well\n"
        file.truncate(100)
    assert path.read_bytes() == TEXT[:41] + b"LINE" + TEXT[45:100]
    raw = firmmap.open(path)
    for kind in (io.BufferedWriter, io.BufferedRandom):
        with pytest.raises(OSError, match="not writable"):
            kind(raw)


def test_numpy(path: Path) -> None:
    """G3: numpy.save and load, also into and from the middle; frombuffer without a copy; tofile and fromfile."""
    numpy = pytest.importorskip("numpy")
    one, two = numpy.arange(10_000.0).reshape(100, 100), numpy.array(["a", "bc"])
    with firmmap.open(path, "w+", capacity=1 << 20) as m:
        numpy.save(m, one)
        numpy.save(m, two)
        m.seek(0)
        assert (numpy.load(m) == one).all()
        assert (numpy.load(m) == two).all()
        m.seek(0)
        m.truncate(0)
        numpy.savez_compressed(m, one=one, two=two)
        m.seek(0)
        with numpy.load(m) as archive:
            assert (archive["one"] == one).all()
            assert (archive["two"] == two).all()
        m.truncate(0)
        m.seek(0)
        m.write(one.tobytes())
        view = numpy.frombuffer(m).reshape(100, 100)
        assert (view == one).all()
        view[0, 0] = -1
        assert struct.unpack_from("d", m)[0] == -1
        del view
        m.seek(16)
        one[1].tofile(m)
        assert m.tell() == 816
        m.seek(16)
        assert (numpy.fromfile(m, count=100) == one[1]).all()
        m.seek(0, 2)
        one.tofile(m)
        assert len(m) == 160_000
        m.seek(0)
        assert numpy.loadtxt(io.BytesIO(b"1 2\n3 4\n")).sum() == 10
    path.write_bytes(b"1 2\n3 4\n")
    with firmmap.open(path) as m:
        assert numpy.loadtxt(m).tolist() == [[1, 2], [3, 4]]


def test_pandas(path: Path) -> None:
    """G3: CSV and JSON both ways, pickles, and compressed."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(5000), "b": [f"text {i}" for i in range(5000)]})
    ways: list[tuple[Callable[[Any], object], Callable[[Any], Any]]] = [
        (lambda m: frame.to_csv(m, index=False), pandas.read_csv),
        (lambda m: frame.to_csv(m, index=False, compression="gzip"), lambda m: pandas.read_csv(m, compression="gzip")),
        (lambda m: frame.to_json(m, orient="records"), pandas.read_json),
        (lambda m: frame.to_pickle(m), pandas.read_pickle),
    ]
    for write, read in ways:
        with firmmap.open(path, "w+") as m:
            write(m)
            m.seek(0)
            assert read(m).equals(frame)
        with firmmap.open(path) as m:
            assert read(m).equals(frame)
    with firmmap.open(path, "w+") as m:
        frame.to_csv(m, index=False)
        m.seek(0)
        chunks = list(pandas.read_csv(m, chunksize=1000))
        assert len(chunks) == 5
        assert pandas.concat(chunks).equals(frame)


def test_pyarrow(path: Path) -> None:
    """G3: CSV, Parquet and IPC files, and the memory itself as a buffer."""
    pyarrow = pytest.importorskip("pyarrow")
    csv_, parquet = pytest.importorskip("pyarrow.csv"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"a": list(range(10_000)), "b": [f"text {i}" for i in range(10_000)]})
    with firmmap.open(path, "w+") as m:
        csv_.write_csv(table, pyarrow.PythonFile(m, "w"))
        m.seek(0)
        assert csv_.read_csv(m).equals(table)
    with firmmap.open(path, "w+") as m:
        parquet.write_table(table, m)
        assert not m.closed
        assert parquet.read_table(m).equals(table)
    with firmmap.open(path) as m:
        assert parquet.read_table(m).equals(table)
        assert parquet.ParquetFile(m).metadata.num_rows == 10_000
    with firmmap.open(path, "w+") as m, pyarrow.ipc.new_file(m, table.schema) as writer:
        writer.write_table(table)
    m = firmmap.open(path)
    buffer = pyarrow.py_buffer(m)
    assert buffer.size == len(m)
    again = pyarrow.ipc.open_file(buffer).read_all()
    assert again.equals(table)
    # What is left over shows the file's bytes (G11).
    m.close()
    assert again.equals(table)
    del buffer, again


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "GIF", "JPEG", "PPM"])
def test_pillow(path: Path, format: str) -> None:
    """G3: images saved and opened, also by the codecs that write with the descriptor."""
    image_module = pytest.importorskip("PIL.Image")
    image = image_module.linear_gradient("L").resize((300, 200))
    expected = io.BytesIO()
    image.save(expected, format)
    with firmmap.open(path, "w+") as m:
        m.write(b"header")
        image.save(m, format)
        m.write(b"trailer")
        assert m[:6] == b"header"
        assert m[-7:] == b"trailer"
        assert len(m) == 13 + len(expected.getvalue()) or format == "TIFF"
    with firmmap.open(path, "w+") as m:
        image.save(m, format)
        with image_module.open(m) as again:
            again.load()
            assert again.size == (300, 200)
            again.convert("L")
    if format != "TIFF":
        assert path.read_bytes() == expected.getvalue()
