//! Writing past the end of a map, within its capacity: to the file first, and back if that fails.

use std::fs::File;
use std::io;
use std::ops::Range;

use super::{AT_END, COPIED};
use crate::error::{Error, Result};
use crate::map::Mmap;
use crate::memmem::{Direction, Finder};
use crate::range;
use crate::sys::{self, Appending, WriteError};

/// Up to so many appended bytes are looked for in the map, which costs less than asking for the length of the file again.
const SMALL_APPEND: usize = 1024;

/// Writes of at least so many bytes first ask whether the disk has space: writing them takes much longer than asking.
const LARGE_WRITE: usize = 64 * 1024;

/// Where bytes are to be written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    At(usize),
    /// At the end of the file.
    End,
    /// There if its descriptor has `O_APPEND`, else at this index.
    EndIfFlagged(usize),
}

/// What a write has done to a file, so that it can be undone.
struct Undo<'a> {
    file: &'a File,
    /// The length of the file before.
    before: u64,
    /// The length to which this write has extended it.
    reached: u64,
    /// The bytes that were overwritten, and their offset.
    saved: (u64, Vec<u8>),
}

impl Undo<'_> {
    /// Writes `bytes` at `offset`, the part past the old end first: that can fail for lack of space.
    fn write(&mut self, bytes: &[u8], offset: u64) -> std::result::Result<(), WriteError> {
        let known = self.before.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let (over, new) = bytes.split_at(known);
        if !new.is_empty() {
            let start = offset + known as u64;
            let result = sys::write_all_at(self.file, new, start);
            let written = result.as_ref().map_or_else(|failed| failed.written, |()| new.len());
            self.reached = self.reached.max(start + written as u64);
            result?;
        }
        if over.is_empty() {
            return Ok(());
        }
        // Bytes that could not be restored are not overwritten.
        let unsaved = |error| WriteError { written: bytes.len() - known, error };
        self.save(offset, known).map_err(unsaved)?;
        sys::write_all_at(self.file, over, offset)
    }

    /// Saves the bytes that are about to be overwritten.
    fn save(&mut self, offset: u64, len: usize) -> io::Result<()> {
        let known = self.before.saturating_sub(offset).min(len as u64) as usize;
        if known == 0 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(known).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(known, 0);
        sys::read_exact_at(self.file, &mut bytes, offset)?;
        self.saved = (offset, bytes);
        Ok(())
    }

    /// Restores the overwritten bytes, and the old length unless somebody else has extended the file further. Errors are ignored: the
    /// first one is to be reported.
    fn take_back(self) {
        let (offset, bytes) = &self.saved;
        let _ = sys::write_all_at(self.file, bytes, *offset);
        if self.reached > self.before {
            sys::restore_len(self.file, self.before, self.before + 1..=self.reached);
        }
    }
}

/// Takes back the part of an append that was written, to a file that had `before` bytes: if nobody else has appended after it. Errors are ignored.
pub(super) fn take_back_appended(file: &File, before: u64, written: &[u8]) {
    let len = written.len() as u64;
    let Some(start) = sys::file_len(file).ok().and_then(|now| now.checked_sub(len)) else { return };
    // What others have appended before it is not known to be there, nor that it is this which follows.
    let is_there = || {
        let mut chunk = [0; 4096];
        written.chunks(chunk.len()).zip((start..).step_by(chunk.len())).all(|(written, offset)| {
            let found = &mut chunk[..written.len()];
            sys::read_exact_at(file, found, offset).is_ok() && *found == *written
        })
    };
    if len > 0 && (start == before || start > before && is_there()) {
        sys::restore_len(file, start, start + len..=start + len);
    }
}

impl Mmap {
    /// Writes `bytes` within the map's capacity. Returns where they begin.
    pub(super) fn write_growing(&self, bytes: &[u8], place: Place) -> Result<usize> {
        self.check_growth()?;
        let _lock = self.growth.lock();
        let len = self.len();
        let mut position = match place {
            Place::At(position) => Some(position),
            Place::End | Place::EndIfFlagged(_) => None,
        };
        if bytes.is_empty() {
            return Ok(position.unwrap_or(len));
        }
        let end_of = |position: usize| {
            let end = position.checked_add(bytes.len());
            end.ok_or_else(|| range::too_large("the length", u64::MAX))
        };
        if let Some(position) = position {
            if end_of(position)? <= len {
                // Another thread has extended the map so far.
                return Ok(self.region.write(bytes, position).map(|()| position)?);
            }
        }
        let Some((file, file_len)) = self.whole_file("writing")? else {
            let position = position.unwrap_or(len);
            self.check_capacity("writing", end_of(position)?)?;
            self.region.write(bytes, position)?;
            self.region.grow(end_of(position)?);
            return Ok(position);
        };
        // The file may be longer than an address can express; then only a part of it is mapped.
        let file_end = self.len_in(file_len).unwrap_or(usize::MAX);
        if let Place::EndIfFlagged(index) = place {
            // At the end of the file both are the same.
            if index != file_end && !self.appends(file) {
                position = Some(index);
            }
        }
        if position.is_none() && self.may_append(file) {
            self.check_capacity("writing", end_of(file_end)?)?;
            if let Some(start) = self.append_by_system(file, file_len, bytes)? {
                return Ok(start);
            }
        }
        let position = position.unwrap_or(if self.follows_end() { file_end } else { len });
        let end = end_of(position)?;
        self.check_capacity("writing", end)?;
        let start = position.max(len);
        // Some of the bytes may lie in the map already; others may begin past its end.
        let (inside, behind) = bytes.split_at(start.min(end) - position);
        let mut undo = Undo { file, before: file_len, reached: file_len, saved: (0, Vec::new()) };
        let written = self.write_behind(&mut undo, behind, start);
        let written = written.and_then(|()| Ok(self.region.write(inside, position)?));
        if written.is_err() {
            undo.take_back();
        }
        written?;
        let reached = if self.follows_end() { end.max(file_end.min(self.capacity())) } else { end };
        self.region.grow(reached);
        Ok(position)
    }

    /// Whether the file was opened with `O_APPEND`, and still has that flag.
    fn appends(&self, file: &File) -> bool {
        let may_have_flag = self.growth.kind_of(file).is_ok_and(|kind| matches!(kind, AT_END | COPIED));
        may_have_flag && sys::has_append_flag(file)
    }

    /// Whether the file was opened with `O_APPEND`, and the system can append what is written to it.
    fn was_at_end(&self, file: &File) -> bool {
        self.growth.kind_of(file).is_ok_and(|kind| kind == AT_END)
    }

    /// Whether bytes for the end are appended by the system. Linux does that with a pwrite(2) at the end that was seen, where they
    /// belong without the flag too, if the map follows the end; elsewhere it is write(2), which needs the flag.
    fn may_append(&self, file: &File) -> bool {
        self.was_at_end(file) && (cfg!(linux_kernel) && self.follows_end() || self.appends(file))
    }

    /// Whether all writes go to the end of the file, because of its flags.
    pub(crate) fn appends_only(&self) -> bool {
        self.backing().is_some_and(|file| file.get().is_ok_and(|file| self.appends(file)))
    }

    /// Writes bytes past the end of the map. The file may have some of them already.
    fn write_behind(&self, undo: &mut Undo<'_>, bytes: &[u8], start: usize) -> Result<()> {
        let writing = |error| Error::os("writing", error);
        let (file, file_len) = (undo.file, undo.before);
        let (first, end) = (self.end(start)?, self.end(start + bytes.len())?);
        let kind = self.growth.kind_of(file).map_err(writing)?;
        if kind != COPIED {
            if bytes.len() >= LARGE_WRITE {
                sys::check_space(file, file_len, end).map_err(writing)?;
            }
            // A gap before them becomes a hole.
            match undo.write(bytes, first) {
                Err(failed) if failed.must_copy() => {}
                result => return result.map_err(|failed| writing(failed.error)),
            }
        }
        let from = file_len.max(undo.reached).max(first);
        undo.reached = from;
        self.lengthen(file, from, end).map_err(writing)?;
        undo.reached = undo.reached.max(end);
        // With `O_DIRECT` the file cannot be read at any offset: there these bytes are not restored.
        let _ = undo.save(first, bytes.len());
        Ok(self.region.write(bytes, start)?)
    }

    /// Appends to a file that was opened with `O_APPEND`, and finds out where the bytes went. `None` if its flags have changed so that
    /// this cannot be done.
    fn append_by_system(&self, file: &File, file_len: u64, bytes: &[u8]) -> Result<Option<usize>> {
        let writing = |error| Error::os("writing", error);
        if bytes.len() >= LARGE_WRITE {
            sys::check_space(file, file_len, file_len + bytes.len() as u64).map_err(writing)?;
        }
        if let Err(failed) = sys::append_all(file, bytes, file_len) {
            if failed.written == 0 && sys::appending(file) == Appending::Copied {
                return Ok(None);
            }
            take_back_appended(file, file_len, &bytes[..failed.written]);
            return Err(writing(failed.error));
        }
        let start = self.len_in(file_len)?;
        let ours = file_len + bytes.len() as u64;
        self.region.grow((start + bytes.len()).max(self.len()));
        if bytes.len() <= SMALL_APPEND && self.shows(bytes, start) {
            return Ok(Some(start));
        }
        // The bytes are written: failing to find out more about the file is no error of writing.
        let now = sys::file_len(file).unwrap_or(ours).max(ours);
        let end = self.len_in(now).unwrap_or(usize::MAX);
        self.region.grow(end.min(self.capacity()).max(self.len()));
        if now == ours {
            return Ok(Some(start));
        }
        // Others have appended at the same time, before or after these bytes.
        let found = self.find(bytes, start..self.len()).ok().flatten();
        let found = found.or_else(|| self.find_past_the_map(file, bytes, start..end));
        Ok(Some(found.unwrap_or(end - bytes.len())))
    }

    /// Where `bytes` are in a range of the file that ends past the map: read from the file, as the map's capacity is used up.
    fn find_past_the_map(&self, file: &File, bytes: &[u8], range: Range<usize>) -> Option<usize> {
        let len = self.len();
        if range.end <= len {
            return None;
        }
        let from = range.start.max((len + 1).saturating_sub(bytes.len()));
        let mut rest = Vec::new();
        rest.try_reserve_exact(range.end - from).ok()?;
        rest.resize(range.end - from, 0);
        sys::read_exact_at(file, &mut rest, self.offset() + from as u64).ok()?;
        let found = Finder::new(bytes, Direction::Forward).find(&rest)?;
        Some(from + found)
    }

    /// Whether the map shows `bytes` at `start`, as far as that can be seen without a risk.
    fn shows(&self, bytes: &[u8], start: usize) -> bool {
        let span = range::clipped(start, bytes.len(), self.len());
        self.is_readable() && self.region.is_guarded() && self.region.search(span, |shown| shown == bytes) == Ok(true)
    }

    /// Extends a file that is shorter than `end`, with space allocated on its disk. Memory is allocated when it is used.
    pub(super) fn lengthen(&self, file: &File, file_len: u64, end: u64) -> io::Result<()> {
        match end > file_len {
            true if self.origin.anonymous => sys::extend(file, end),
            true if self.origin.sparse => sys::set_longer(file, end),
            true => sys::allocate(file, file_len, end),
            false => Ok(()),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    /// What is left of a file with `before` bytes, after which these were appended, when a failed append of `written` is taken back.
    fn left_of(before: u64, appended: &[u8], written: &[u8]) -> Vec<u8> {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![b'.'; before as usize], 0).unwrap();
        file.write_all_at(appended, before).unwrap();
        take_back_appended(&file, before, written);
        let mut left = vec![0; sys::file_len(&file).unwrap() as usize];
        file.read_exact_at(&mut left, 0).unwrap();
        left
    }

    #[test]
    fn a_failed_append_takes_back_its_own_bytes_only() {
        assert_eq!(left_of(3, b"ours", b"ours"), b"...");
        assert_eq!(left_of(3, b"theirsours", b"ours"), b"...theirs");
        assert_eq!(left_of(3, b"ourstheirs", b"ours"), b"...ourstheirs");
        assert_eq!(left_of(3, b"theirs", b""), b"...theirs");
        // Somebody else has made the file shorter.
        assert_eq!(left_of(0, b"s", b"ours"), b"s");
        let (long, others) = (vec![7; 10_001], vec![8; 5_000]);
        assert_eq!(left_of(0, &[&others[..], &long].concat(), &long), others);
        assert_eq!(left_of(0, &[&long[..], &others].concat(), &long).len(), 15_001);
    }
}
