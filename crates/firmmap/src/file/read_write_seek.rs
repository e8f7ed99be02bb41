//! The traits of `std::io`.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use super::MappedFile;
use crate::error::Result;
use crate::map::Mmap;
use crate::range::Span;
use crate::region;

/// The number of bytes that [`BufRead`] lends at a time. Each call copies them, so they are few.
const LENT: usize = 512;

impl Read for MappedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len();
        Ok(self.read_to_end_of(wanted, |map, span| map.read_exact_at(&mut buffer[..span.len], span.start))?)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let before = bytes.len();
        let count = self.read_to_end_of(usize::MAX, |map, span| {
            bytes.truncate(before);
            region::append(bytes, span.len, |buffer| map.read_uninit_at(buffer, span.start))
        });
        Ok(count.inspect_err(|_| bytes.truncate(before))?)
    }

    /// In one piece, so that a fault leaves the position and `text` as they were.
    fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        let mut bytes = Vec::new();
        let count = self.read_to_end(&mut bytes)?;
        let read = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if text.is_empty() {
            *text = read;
        } else {
            text.push_str(&read);
        }
        Ok(count)
    }
}

/// Each call of `fill_buf` lends a new copy of up to 512 bytes: mapped bytes can change at any time, so no plain slice of them may be lent.
/// [`Mmap::lines`](crate::Mmap::lines) copies more at a time and is faster.
impl BufRead for MappedFile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.remaining() == 0 {
            self.follow_end()?;
        }
        let span = Span { start: self.position.min(self.map.len()), len: self.remaining().min(LENT) };
        self.lent.clear();
        // What lies before a missing byte is lent.
        self.map.append_present(&mut self.lent, span, |bytes| bytes.first() == Some(&0) || bytes.last() == Some(&0))?;
        Ok(&self.lent)
    }

    fn consume(&mut self, count: usize) {
        self.position = self.position.saturating_add(count);
    }
}

impl MappedFile {
    /// Has `copy` read up to `wanted` bytes at the position, and moves that past them; returns how many they are. Where they reach the end
    /// of the map, the length of the file is asked for: afterwards, so that they are no zeros in place of bytes that others cut off
    /// meanwhile. What others have appended is read as well.
    fn read_to_end_of(&mut self, wanted: usize, mut copy: impl FnMut(&Mmap, Span) -> Result<()>) -> Result<usize> {
        if self.remaining() == 0 && wanted > 0 {
            self.follow_end()?;
        }
        let mut may_grow = true;
        loop {
            let span = Span { start: self.position, len: wanted.min(self.remaining()) };
            if span.len == 0 {
                self.map.check()?;
                return Ok(0);
            }
            copy(&self.map, span)?;
            if span.len == self.remaining() && self.map.follows_end() {
                let has_grown = self.follow_end()?;
                self.check_present(span.start, span.end())?;
                if has_grown && may_grow && wanted > span.len {
                    may_grow = false;
                    continue;
                }
            }
            self.position += span.len;
            return Ok(span.len);
        }
    }
}

impl Write for MappedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.growable {
            self.write_growing(bytes)?;
            return Ok(bytes.len());
        }
        let count = self.map.write_at(bytes, self.position)?;
        self.position += count;
        Ok(count)
    }

    /// Writes all changes to the disk: [`Mmap::flush`](crate::Mmap::flush). If bytes were written within the map, the file's time of
    /// modification is set to now, and it is an error if somebody has cut them off within a page, where writes are lost without a fault.
    fn flush(&mut self) -> io::Result<()> {
        // Writing the page back clears what is past the end of the file.
        let settled = self.settle();
        self.map.flush()?;
        Ok(settled?)
    }
}

impl Seek for MappedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => usize::try_from(offset).ok(),
            SeekFrom::End(offset) => relative(self.end()?, offset),
            SeekFrom::Current(offset) => relative(self.position, offset),
        };
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("{to:?} is not a position in a map"));
        self.position = target.ok_or_else(invalid)?;
        Ok(self.position as u64)
    }
}

fn relative(base: usize, offset: i64) -> Option<usize> {
    // In 64 bits: where an address has 32, the distance may be larger than a signed one.
    usize::try_from((base as u64).checked_add_signed(offset)?).ok()
}
