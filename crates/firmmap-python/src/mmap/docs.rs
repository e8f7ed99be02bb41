//! What `help(firmmap.mmap)` shows. The line before `--` is the signature that `inspect` reads.

use std::ffi::CStr;

#[cfg(unix)]
pub(crate) const CLASS: &CStr = c"mmap(fileno, length, flags=MAP_SHARED, prot=PROT_WRITE|PROT_READ, access=ACCESS_DEFAULT, offset=0, *, trackfd=True)
--

A mapped file, or mapped memory, that behaves like a bytearray and like a file.

fileno is a file descriptor, which stays the caller's: the map keeps a
duplicate, unless trackfd is false; then size() and resize() fail. With -1 the
map is zeroed memory without a file.

length is in bytes; 0 maps to the end of the file. offset is where the map
starts in the file, a multiple of ALLOCATIONGRANULARITY.

access is ACCESS_READ, ACCESS_WRITE (changes go to the file), ACCESS_COPY
(changes stay in memory) or ACCESS_DEFAULT: then flags and prot decide, as the
arguments of mmap(2).

ValueError: the file is empty or shorter than offset + length, or the arguments
contradict each other. OverflowError: a negative length or offset. OSError: the
system refused.";

#[cfg(not(unix))]
pub(crate) const CLASS: &CStr = c"mmap(fileno, length, tagname=None, access=ACCESS_DEFAULT, offset=0, *, trackfd=True)
--

A mapped file, or mapped memory, that behaves like a bytearray and like a file.

fileno is a file descriptor, which stays the caller's: the map keeps a
duplicate, unless trackfd is false; then size() and resize() fail. With -1 the
map is zeroed memory without a file.

length is in bytes; 0 maps to the end of the file, and a length past the end of
the file extends it. offset is where the map starts in the file, a
multiple of ALLOCATIONGRANULARITY.

tagname names the mapping: an existing one of that name is opened, otherwise it
is created.

access is ACCESS_READ, ACCESS_WRITE or ACCESS_DEFAULT (changes go to the file),
or ACCESS_COPY (changes stay in memory).

ValueError: the file is empty, or the arguments contradict each other.
OverflowError: a negative length or offset. OSError: the system refused.";

pub(crate) const CLOSED: &CStr = c"Whether the map was closed.";

pub(crate) const CLOSE: &CStr = c"close($self, /)
--

Unmap the memory. Every later use raises ValueError; closing twice is fine.

BufferError while views of the map exist (memoryview, numpy arrays); nothing
changes then.";

pub(crate) const FIND: &CStr = c"find($self, view, start=None, end=None, /)
--

Return the lowest index in [start:end] at which the bytes of view begin, or -1.

start defaults to the position, end to the end of the map; negative bounds count
from the end. Other threads run during searches of more than 64 KiB.";

pub(crate) const RFIND: &CStr = c"rfind($self, view, start=None, end=None, /)
--

Return the highest index in [start:end] at which the bytes of view begin, or -1.

start defaults to the position, end to the end of the map; negative bounds count
from the end. Other threads run during searches of more than 64 KiB.";

pub(crate) const FLUSH: &CStr = c"flush($self, offset=0, size=-1, /, *, flags=0)
--

Write changes back to the file: all of them, or size bytes from offset on.

offset is a multiple of PAGESIZE; with a size of -1 or None the range reaches to
the end. flags is MS_SYNC (return when the disk has them; 0 means this too) or
MS_ASYNC, and MS_INVALIDATE. Does nothing on read-only and copy-on-write maps.
OSError if the disk fails.";

#[cfg(unix)]
pub(crate) const MADVISE: &CStr = c"madvise($self, option, start=0, length=None, /)
--

Advise the system how length bytes from start on will be used: madvise(2).

option is one of the MADV_* constants, start a multiple of PAGESIZE; without a
length the range reaches to the end.";

pub(crate) const MOVE: &CStr = c"move($self, dest, src, count, /)
--

Copy count bytes from index src to index dest; the two may overlap.";

pub(crate) const READ: &CStr = c"read($self, n=None, /)
--

Return up to n bytes from the position on, and move the position past them.

Without n, or if it is None or negative, return all bytes to the end.";

pub(crate) const READ_BYTE: &CStr = c"read_byte($self, /)
--

Return the byte at the position as an int, and move the position by one.

ValueError at the end of the map.";

pub(crate) const READLINE: &CStr = c"readline($self, /)
--

Return the bytes from the position through the next newline, or to the end.";

pub(crate) const RESIZE: &CStr = c"resize($self, newsize, /)
--

Change the length of the map and of its file to newsize bytes.

TypeError on read-only and copy-on-write maps; BufferError while views of the
map exist; ValueError for a map without its descriptor, and for shared memory
without a file that would have to grow; OSError if the system refuses.
Waits for searches and copies in other threads.";

pub(crate) const SEEK: &CStr = c"seek($self, pos, whence=0, /)
--

Set the position, and return it: relative to the start (whence 0 or os.SEEK_SET),
the position (1, os.SEEK_CUR) or the end (2, os.SEEK_END).

ValueError outside of the map.";

pub(crate) const SEEKABLE: &CStr = c"seekable($self, /)
--

Return True.";

pub(crate) const SET_NAME: &CStr = c"set_name($self, name, /)
--

Name memory without a file, for /proc/PID/maps: it shows firmmap:NAME there.

At most 66 bytes. ValueError for a longer name and for a map of a file; OSError
where the system has no names (Linux before 5.17, other systems).";

pub(crate) const SIZE: &CStr = c"size($self, /)
--

Return the present length of the file, which can be more than is mapped.

For memory without a file, the length of the map.";

pub(crate) const TELL: &CStr = c"tell($self, /)
--

Return the position.";

pub(crate) const WRITE: &CStr = c"write($self, bytes, /)
--

Write all bytes at the position, move it past them, and return their number.

ValueError if they do not fit: nothing is written then. TypeError on a
read-only map.";

pub(crate) const WRITE_BYTE: &CStr = c"write_byte($self, byte, /)
--

Write one byte, an int, at the position, and move the position by one.

ValueError at the end of the map. TypeError on a read-only map.";

#[cfg(windows)]
pub(crate) const SIZEOF: &CStr = c"__sizeof__($self, /)
--

Return the size of the object in bytes, with the name of its memory (tagname).";

pub(crate) const ENTER: &CStr = c"__enter__($self, /)
--

Return the map.";

pub(crate) const EXIT: &CStr = c"__exit__($self, exc_type, exc_value, traceback, /)
--

Close the map.";
