"""Ranges of whole records: split(), FileRange, and the boundaries of two formats.

Each program that imports the package loads this: what takes long to load (re) is loaded where it is needed.
"""

import os
from _operator import index  # operator itself is not needed, and is a file more to load

from . import _firmmap
from ._mapped_file import too_short


class Boundary:
    """A compiled pattern of bytes, where a match ends a record; compiled when it is first used."""

    __slots__ = ("_name", "_pattern")

    def __init__(self, name, pattern):
        self._name = name
        self._pattern = pattern

    def __call__(self, m, goal):
        return _match_end(m, self._compile(), goal)

    def __getattr__(self, name):
        if name.startswith("_"):
            # Such as __deepcopy__: it is copied as what it is.
            raise AttributeError(f"'Boundary' object has no attribute {name!r}")
        return getattr(self._compile(), name)

    def __repr__(self):
        return f"firmmap.{self._name}"

    def __reduce__(self):
        return self._name

    def _compile(self):
        import re

        # Which keeps what it has compiled.
        return re.compile(self._pattern)


# Where pickle looks for the two by their names.
Boundary.__module__ = "firmmap"
# A record of FASTA begins with a '>'. One of FASTQ has four lines, of which the first begins with an '@' and the third
# with a '+'; the fourth, of qualities, may begin with either.
FASTA = Boundary("FASTA", rb"\n(?=>)")
FASTQ = Boundary("FASTQ", rb"\n(?=@[^\n]*\n[^\n]*\n\+)")


class FileRange:
    """A part of a file: a path and numbers, which pickle, and open wherever the path leads to the same file.

    stamp is the size and the time of modification that the file had when it was
    split, if open() is to refuse one that has changed since; otherwise None.
    """

    __slots__ = ("length", "offset", "path", "stamp")
    __match_args__ = ("path", "offset", "length", "stamp")

    def __init__(self, path, offset, length, stamp=None):
        set_slot = object.__setattr__
        set_slot(self, "path", os.path.abspath(os.fsdecode(path)))
        set_slot(self, "offset", _number("offset", offset, 0))
        set_slot(self, "length", _number("length", length, 0))
        # A pair of any kind, as it may come from a row of a table.
        set_slot(self, "stamp", None if stamp is None else _stamp(stamp))

    def __setattr__(self, name, value):
        raise AttributeError(f"cannot assign to {name!r} of a FileRange")

    def __delattr__(self, name):
        raise AttributeError(f"cannot delete {name!r} of a FileRange")

    def _key(self):
        return self.path, self.offset, self.length, self.stamp

    def __repr__(self):
        stamp = "" if self.stamp is None else f", stamp={self.stamp}"
        return f"FileRange({self.path!r}, offset={self.offset}, length={self.length}{stamp})"

    def __eq__(self, other):
        return self._key() == other._key() if isinstance(other, FileRange) else NotImplemented

    def __hash__(self):
        return hash(self._key())

    def __lt__(self, other):
        if not isinstance(other, FileRange):
            return NotImplemented
        return (self.path, self.offset, self.length) < (other.path, other.offset, other.length)

    def __reduce__(self):
        return type(self), self._key()

    def __len__(self):
        """Return the number of bytes."""
        return self.length

    def open(self, mode="r", **options):
        """Map the range, and return a MappedFile, as firmmap.open() does.

        ValueError if the file is too short for the range, or has changed since it was
        split and the range has a stamp.
        """
        if not isinstance(mode, str) or mode.replace("b", "", 1) not in ("r", "r+", "c"):
            raise ValueError(f"a range is opened with mode 'r', 'r+' or 'c', not {mode!r}")
        opener = options.pop("opener", None) or os.open

        def checked(path, flags):
            # The file that is mapped is asked: the path may be another one's by now.
            descriptor = opener(path, flags)
            try:
                self._check(os.fstat(descriptor))
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

        return _firmmap.open(self.path, mode, offset=self.offset, length=self.length, opener=checked, **options)

    def _check(self, now):
        if self.stamp is not None and (now.st_size, now.st_mtime_ns) != self.stamp:
            raise ValueError(
                f"{self.path!r} has changed since it was split: it had {self.stamp[0]} bytes and has {now.st_size}, "
                f"modified at {self.stamp[1]} and {now.st_mtime_ns} ns"
            )
        if now.st_size < self.offset + self.length:
            raise too_short(self.path, self.offset, self.length, now.st_size)

    def count(self, sub):
        """Return the number of occurrences of sub that do not overlap."""
        with self.open() as m:
            return m.count(sub)

    def find_all(self, sub):
        """Yield the indices in the range at which sub begins, as MappedFile.find_all() does."""
        with self.open() as m:
            yield from m.find_all(sub)

    def lines(self, **options):
        """Yield the lines of the range, or those that MappedFile.lines() yields with the same options."""
        with self.open() as m:
            yield from m.lines(**options)


def split(path, parts=None, *, size=None, boundary=b"\n", record=None, offset=0, length=None, check=False):
    """Cut a file into ranges of whole records, and return them as a list of FileRange.

    There are at most so many parts, of about the same length; or as many as are
    needed for parts of about size bytes. Each record is in exactly one range, and
    no range is empty: an empty file has none, and a record that is longer than a
    part is not cut.

    boundary tells where records end:

    bytes       behind these bytes, such as a newline
    a pattern   where a match of the compiled pattern of bytes ends: FASTA, FASTQ,
                re.compile(rb'\\n(?=\\d{4}-)') for log records of several lines
    a callable  at boundary(m, goal): the first end of a record at the index goal or
                behind it in the MappedFile m, or len(m)

    record, in its place, is the length of records in bytes.

    Each cut is looked for at an even division of the file, and not from its
    beginning, so that splitting takes no time. So a boundary must be recognisable
    there: newlines inside the quotes of CSV look like those between its records.

    length bytes from offset on are split, or all to the end. If check is true, the
    ranges refuse to be opened once the file has changed.
    """
    from itertools import pairwise

    if (parts is None) == (size is None):
        raise TypeError("split() takes either parts or size")
    if isinstance(path, int):
        raise TypeError("split() takes a path, which other processes can open, not a descriptor")
    if record is not None and boundary != b"\n":
        raise TypeError("split() takes either boundary or record")
    path = os.path.abspath(os.fsdecode(path))
    parts = None if parts is None else _number("parts", parts, 1)
    size = None if size is None else _number("size", size, 1)
    offset = index(offset)
    record = None if record is None else _number("record", record, 1)
    find = _boundary(boundary) if record is None else _record(record)
    stamps = []

    def stamped(path, flags):
        # Of the file that is mapped: the path may be another one's later. Windows' maps have no descriptor to ask.
        descriptor = os.open(path, flags)
        now = os.fstat(descriptor)
        stamps.append((now.st_size, now.st_mtime_ns))
        return descriptor

    with _firmmap.open(path, "r", offset=offset, length=length, opener=stamped if check else None) as m:
        if record is not None and len(m) % record:
            raise ValueError(f"the {len(m)} bytes to split are no whole number of records of {record} bytes")
        cuts = _cuts(m, -(-len(m) // size) if parts is None else parts, find)
    stamp = stamps[0] if check else None
    return [FileRange(path, offset + start, end - start, stamp) for start, end in pairwise(cuts)]


def _cuts(m, parts, find):
    """Return where ranges begin and end, as indices in the map."""
    total = len(m)
    parts = min(parts, total)
    cuts = [0]
    for part in range(1, parts):
        goal = total * part // parts
        if goal <= cuts[-1]:
            # In a record that is longer than a part.
            continue
        cut = find(m, goal)
        if total < cut <= len(m):
            # Others have appended meanwhile, and the last record that was here goes on there.
            cut = total
        if not goal <= cut <= total:
            raise ValueError(f"a boundary at {cut} is not between the goal {goal} and the end {total}")
        if cut == total:
            break
        cuts.append(cut)
    if total:
        cuts.append(total)
    return cuts


def _boundary(boundary):
    """Return the function that finds the first end of a record at a goal or behind it."""
    if callable(boundary):
        return lambda m, goal: index(boundary(m, goal))
    try:
        sub = bytes(memoryview(boundary))
    except TypeError:
        sub = None
    if sub is None:
        return _pattern_end(boundary)
    if not sub:
        raise ValueError("boundary is empty")
    return lambda m, goal: m._boundary_end(sub, goal)


def _pattern_end(pattern):
    import re

    if not isinstance(pattern, re.Pattern):
        name = type(pattern).__name__
        raise TypeError(f"boundary must be bytes-like, a compiled pattern or a callable, not {name}")
    if not isinstance(pattern.pattern, bytes):
        raise TypeError(f"boundary must be a pattern of bytes, not of str: {pattern.pattern!r}")
    return lambda m, goal: _match_end(m, pattern, goal)


def _match_end(m, pattern, goal):
    with memoryview(m) as view:
        found = None
        try:
            # A boundary of one byte that ends at the goal begins before it.
            for found in pattern.finditer(view, goal - 1):
                if found.end() >= goal:
                    return found.end()
            return len(view)
        finally:
            # A match keeps the view.
            del found


def _record(length):
    return lambda m, goal: -(-goal // length) * length


def _stamp(stamp):
    stamp = tuple(map(index, stamp))
    if len(stamp) != 2:
        raise ValueError(f"stamp must be a size and a time of modification, not {stamp}")
    return stamp


def _number(name, value, least):
    value = index(value)
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return value


FileRange.__module__ = split.__module__ = "firmmap"
