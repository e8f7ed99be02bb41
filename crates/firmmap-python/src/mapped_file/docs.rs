//! What `help(firmmap.MappedFile)` shows. The line before `--` is the signature that `inspect` reads.

use std::ffi::CStr;

pub(crate) const CLASS: &CStr = c"MappedFile(path, mode='r', *, offset=0, length=None, capacity=None, create=False, sparse=False, keep_file=True, load=False, closefd=None, opener=None)
--

A memory-mapped file that is a complete binary file and a complete byte array.

firmmap.open() returns one, with the same arguments; firmmap.anonymous() returns
one of memory without a file. The methods of a file do what those of
open(path, 'r+b') do, unbuffered; the methods of a byte array do what those of
bytearray do. A search without a start begins at the first byte, not at the
position. Iteration yields lines, from the position on; reversed() yields bytes,
as m[i] does. A map is always true, even if it is empty; len() is the number of
mapped bytes. Two maps are equal only if they are the same object.

Opened without a length, the map ends where the file does: reading at the end,
iteration, seek() from the end and writing past it see what other programs have
appended. len(), slices and searches use the end that was found last.

Missing bytes, because the file was truncated or its disk failed, raise
MapFaultError.";

pub(crate) const CLOSED: &CStr = c"Whether the map was closed.";

pub(crate) const NAME: &CStr = c"The path as it was given, the descriptor, or '<anonymous>'; or what it was set to.";

pub(crate) const MODE: &CStr = c"The mode as plain files of this interpreter have it: 'rb', 'rb+', 'xb+', 'ab+'.";

pub(crate) const OFFSET: &CStr = c"The offset of the first mapped byte in the file.";

pub(crate) const CAPACITY: &CStr = c"The length up to which the map can grow without moving.

Growth within it works while views exist (memoryview, numpy arrays).";

pub(crate) const CLOSEFD: &CStr = c"Whether close() closes the descriptor that the map was made of.";

pub(crate) const READALL: &CStr = c"readall($self, /)
--

Return all bytes from the position on, as read() does.";

pub(crate) const ANONYMOUS_OF_CLASS: &CStr = c"anonymous($type, /, length, *, capacity=None)
--

As firmmap.anonymous(), for an instance of this class or subclass.";

pub(crate) const BLOCK_SIZE: &CStr = c"How much is read at a time by what buffers a raw file: io.DEFAULT_BUFFER_SIZE.";

pub(crate) const CLOSE: &CStr = c"close($self, /)
--

Close the file. Every later use raises ValueError; closing twice is fine.

Views of the map (memoryview, numpy arrays) stay as they are, guarded too; the
memory and the descriptor go with the last of them. What was written is in the
file; flush() brings it to the disk. MapFaultError for a write that was lost.";

pub(crate) const DEALLOC_WARN: &CStr = c"_dealloc_warn($self, source, /)
--

Warn that source, a buffer or text file over this one, was not closed.";

pub(crate) const DETACH: &CStr = c"detach($self, /)
--

Raise io.UnsupportedOperation: there is no raw file underneath.";

pub(crate) const FILENO: &CStr = c"fileno($self, /)
--

Return the map's own descriptor of the file, whose position is set to the map's.

From now on the two are one: what is read or written with the descriptor, by a
child too, moves the position of the map, and takes in what was appended, unless
the map ended before the file did. A descriptor of which the map was made has
the same position. That is a system call for each use of the position.
io.UnsupportedOperation for anonymous memory, and on Windows.";

pub(crate) const ISATTY: &CStr = c"isatty($self, /)
--

Return False.";

pub(crate) const READABLE: &CStr = c"readable($self, /)
--

Return True.";

pub(crate) const WRITABLE: &CStr = c"writable($self, /)
--

Return whether the mode allows writing: all but 'r'.";

pub(crate) const SEEKABLE: &CStr = c"seekable($self, /)
--

Return True.";

pub(crate) const READ: &CStr = c"read($self, size=-1, /)
--

Return up to size bytes from the position on, and move the position past them.

If size is None or negative, return all bytes to the end. b'' at the end.";

pub(crate) const READ1: &CStr = c"read1($self, size=-1, /)
--

Like read(): a map has all of its bytes in memory.";

pub(crate) const READINTO: &CStr = c"readinto($self, buffer, /)
--

Read into a writable buffer, and return the number of bytes: 0 at the end.";

pub(crate) const READINTO1: &CStr = c"readinto1($self, buffer, /)
--

Like readinto().";

pub(crate) const READLINE: &CStr = c"readline($self, size=-1, /)
--

Return the bytes from the position through the next newline, or to the end.

Return at most size bytes, unless size is None or negative.";

pub(crate) const READLINES: &CStr = c"readlines($self, hint=-1, /)
--

Return a list of the lines from the position on.

If hint is positive, stop once the lines have that many bytes in total.";

pub(crate) const PEEK: &CStr = c"peek($self, size=0, /)
--

Return bytes from the position on without moving it.

Up to size bytes, or 8192 if size is 0 or negative; fewer only at the end.";

pub(crate) const SEEK: &CStr = c"seek($self, offset, whence=0, /)
--

Set the position, and return it: relative to the start (whence 0 or
os.SEEK_SET), the position (1, os.SEEK_CUR) or the end (2, os.SEEK_END); or to
the next byte from offset on that the file has on its disk (os.SEEK_DATA), or
that is in a hole (os.SEEK_HOLE).

The end is the present end of the file, unless the map was opened with a length.
The position may lie past it: reading returns b'' there, and writing fills the
gap with zeros. OSError before the start.";

pub(crate) const TELL: &CStr = c"tell($self, /)
--

Return the position.";

pub(crate) const WRITE: &CStr = c"write($self, data, /)
--

Write all bytes at the position, move it past them, and return their number.

Past the end, the file and the map grow; nothing has changed after an error:
OSError with errno ENOSPC if the disk is full, BufferError if the map would have
to move while views of it exist. io.UnsupportedOperation in mode 'r', and past
the end in mode 'c'. With a descriptor that was opened with O_APPEND, every
write goes to the end of the file, and moves the position there.";

pub(crate) const WRITELINES: &CStr = c"writelines($self, lines, /)
--

Write all of the bytes objects; newlines are not added.

Those of a list or a tuple are written in pieces of up to 256 KiB, those of
anything else one by one: what runs in between finds them in the file.";

pub(crate) const TRUNCATE: &CStr = c"truncate($self, size=None, /)
--

Make the map size bytes long, and its file end there; return size.

Without a size, the position is used. The position does not change. New bytes
are zeros, with space allocated on the disk: OSError with errno ENOSPC if there
is none. BufferError if the map would shrink, or have to move, while views of it
exist. MapFaultError if somebody has cut off bytes that it would keep; refresh()
takes that in.
io.UnsupportedOperation in the modes 'r' and 'c'.";

pub(crate) const RESIZE: &CStr = c"resize($self, newsize, /)
--

Like truncate(newsize), but return None, as mmap.resize() does.";

pub(crate) const REFRESH: &CStr = c"refresh($self, /)
--

Take in what others have appended or cut off, and return the new length.

Operations at the end do so by themselves, unless the map was opened with a
length. While views of the map exist: BufferError if it would have to move,
MapFaultError if it would become shorter.";

pub(crate) const FLUSH: &CStr = c"flush($self, start=0, length=None, /, *, asynchronous=False)
--

Write the changes to the disk: all of them, or those of length bytes from start.

Return when they are there; if asynchronous is true, return at once. OSError if
the disk fails. Other processes see changes without flush().";

pub(crate) const PREFETCH: &CStr = c"prefetch($self, start=0, length=None, /)
--

Read length bytes from start on into memory, ahead of their use.

Without a length, read all to the end. Return when they are there, where the
system supports that; other threads run meanwhile.";

pub(crate) const EVICT: &CStr = c"evict($self, start=0, length=None, /)
--

Take length bytes from start on, in whole pages, out of memory.

Without a length, take all to the end. Changes are written to the disk first;
the next use reads the pages from there again. Pages that another map of the
file shows, here or in another process, stay, and all of a file system that is
in memory (tmpfs). io.UnsupportedOperation for mode 'c', for memory without a
file, and where the system cannot do it.";

pub(crate) const LOCK: &CStr = c"lock($self, /)
--

Keep the present pages of the map in memory until unlock().

Pages that are added later may not be locked, and a map that moves may lose its
lock. OSError if that is more than the process may lock.";

pub(crate) const UNLOCK: &CStr = c"unlock($self, /)
--

Undo lock().";

pub(crate) const PROTECT: &CStr = c"protect($self, protection, /)
--

Change the protection of the pages: 0, or a sum of PROT_READ (1), PROT_WRITE (2)
and PROT_EXEC (4).

Operations that it does not allow are errors. BufferError while views of the map
exist.";

pub(crate) const RESIDENCY: &CStr = c"residency($self, start=0, length=None, /)
--

Return which pages of the range are in memory, as a Residency: counts and runs.

repr() of it is one line of numbers, str() draws the range as a line of blocks.";

#[cfg(unix)]
pub(crate) const MADVISE: &CStr = c"madvise($self, option, start=0, length=None, /)
--

Advise the system how length bytes from start on will be used: madvise(2).

option is one of the MADV_* constants; without a length the range reaches to the
end.";

pub(crate) const SIZE: &CStr = c"size($self, /)
--

Return the present length of the file, which can differ from what is mapped.

For anonymous memory, the length of the map.";

pub(crate) const MOVE: &CStr = c"move($self, dest, src, count, /)
--

Copy count bytes from index src to index dest; the two may overlap.";

pub(crate) const READ_BYTE: &CStr = c"read_byte($self, /)
--

Return the byte at the position as an int, and move the position by one.

ValueError at the end of the map.";

pub(crate) const WRITE_BYTE: &CStr = c"write_byte($self, byte, /)
--

Write one byte, an int, like write().";

pub(crate) const FIND: &CStr = c"find($self, sub, start=None, end=None, /)
--

Return the lowest index in [start:end] at which sub begins, or -1.

sub is bytes-like, or an int in range(256). Without a start, the search begins
at the first byte. Other threads run during searches of more than 64 KiB.";

pub(crate) const RFIND: &CStr = c"rfind($self, sub, start=None, end=None, /)
--

Return the highest index in [start:end] at which sub begins, or -1.

Otherwise like find().";

pub(crate) const INDEX: &CStr = c"index($self, sub, start=None, end=None, /)
--

Like find(), but raise ValueError if sub is not found.";

pub(crate) const RINDEX: &CStr = c"rindex($self, sub, start=None, end=None, /)
--

Like rfind(), but raise ValueError if sub is not found.";

pub(crate) const COUNT: &CStr = c"count($self, sub, start=None, end=None, /)
--

Return the number of non-overlapping occurrences of sub in [start:end].

sub is bytes-like, or an int in range(256).";

pub(crate) const STARTSWITH: &CStr = c"startswith($self, prefix, start=None, end=None, /)
--

Return whether [start:end] begins with prefix, or with one of a tuple of them.";

pub(crate) const ENDSWITH: &CStr = c"endswith($self, suffix, start=None, end=None, /)
--

Return whether [start:end] ends with suffix, or with one of a tuple of them.";

pub(crate) const LINES: &CStr =
    c"lines($self, /, start=None, end=None, *, containing=None, reverse=False, numbered=False)
--

Return an iterator over the lines of [start:end], each with its newline.

containing is bytes-like, an int in range(256), or an iterable of these: only
lines with one of them are yielded, found by a search and cut out around the
match, without a look at the others. If reverse is true, the last line comes
first. If numbered is true, the items are tuples of a number and a line; the
first line of the map has the number 1.

The position does not change. Lines are read lazily, up to a page ahead; memory
does not grow with the file. The last line is that of the file when it is
reached, or when lines() is called for reverse, unless there is an end or the
map was opened with a length. ValueError for a newline inside of what lines are
to contain.";

pub(crate) const FIND_ALL: &CStr = c"find_all($self, sub, start=None, end=None, /)
--

Return an iterator over the indices in [start:end] at which sub begins.

The occurrences are those that count() counts: they do not overlap. sub may be
an iterable of several: of those that begin at the same byte, the longest
counts. The search is lazy.";

pub(crate) const BOUNDARY_END: &CStr = c"_boundary_end($self, boundary, goal, /)
--

Return where the first boundary ends that ends at goal or later; the length if
there is none.";

pub(crate) const DLPACK: &CStr = c"__dlpack__($self, /, *, stream=None, max_version=None, dl_device=None, copy=None)
--

Return the bytes as a DLPack capsule, which numpy makes.

numpy.from_dlpack(m) and the like give an array of uint8 that shares the map's
memory, and keeps it mapped and guarded, as any view. BufferError for what the
consumer cannot take, such as a read-only map before DLPack 1.0.";

pub(crate) const DLPACK_DEVICE: &CStr = c"__dlpack_device__($self, /)
--

Return the device of the bytes for DLPack: (1, 0), the processor's memory.";

pub(crate) const REDUCE: &CStr = c"__reduce__($self, /)
--

Pickle as absolute path, mode and range: another process maps the same bytes.

Changes that stay in memory (mode 'c') are not part of the pickle.

TypeError for maps of descriptors and for anonymous memory.";

pub(crate) const ENTER: &CStr = c"__enter__($self, /)
--

Return the map.";

pub(crate) const EXIT: &CStr = c"__exit__($self, /, *args)
--

Close the map.";

pub(crate) const OPEN: &CStr = c"open(path, mode='r', *, offset=0, length=None, capacity=None, create=False, sparse=False, keep_file=True, load=False, closefd=None, opener=None)
--

Map a file, and return a MappedFile: a complete binary file and byte array.

path is a path, or a descriptor, which stays the caller's, unless closefd is
true: then close() closes it too. mode is, as for files also with a 'b':

'r'   read; the file must exist
'r+'  read and write; the file must exist, unless create is true
'w+'  read and write; the file is created, or truncated
'x+'  read and write; the file is created, and must not exist
'a+'  read and append; the file is created if it is missing, and every write
      goes to its end as it is then, whoever else appends
'c'   read and change; changes stay in memory (copy-on-write)

length bytes from offset on are mapped; without a length, to the end of the
file, and then the map follows the file when other programs append. The offset
need not be aligned, and the range may be empty. A range that reaches past the
end is a ValueError in the modes 'r' and 'c'; in the others the file grows.

Writing past the end, and truncate(), change the length of the file and of the
map. capacity reserves addresses, not memory, for so many bytes: growth within
it never moves the map, and works while memoryviews and numpy arrays of it
exist. A capacity that the file has outgrown reserves nothing; one below a given
length is a ValueError.

Growing takes room on the disk, so that a full disk is an error then; with
sparse=True it makes holes. keep_file=False keeps no descriptor: the map has no
fileno(), does not grow, and does not follow its file. load=True reads the file
into memory in place of mapping it, with mode 'r' or 'c': files of /proc, pipes.
opener(path, flags) opens the file, as for open().

An open that fails has changed no file and created none, but what an opener has
created stays.";

pub(crate) const ANONYMOUS: &CStr = c"anonymous(length, *, capacity=None)
--

Return zeroed memory without a file, as a MappedFile that can grow.

Processes that are forked later share it. capacity reserves addresses for so
many bytes: growth within it never moves the map, and works while views exist.
If another process has extended it, refresh() takes that in.";

pub(crate) const RESIDENCY_CLASS: &CStr =
    c"Which pages of a range were in memory when MappedFile.residency() was called.

repr() is one line of numbers, str() draws the range as a line of blocks.";
