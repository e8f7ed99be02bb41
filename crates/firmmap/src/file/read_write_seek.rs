//! The traits of `std::io`.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use super::MappedFile;
use crate::{range, region};

/// The number of bytes that [`BufRead`] lends at a time. Each call copies them, so they are few.
const LENT: usize = 512;

impl Read for MappedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.len() > self.remaining() && self.map.follows_end() {
            self.follow_end()?;
            self.check_present(self.position, self.map.len())?;
        }
        let count = self.map.read_at(buffer, self.position)?;
        self.position += count;
        Ok(count)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        if self.map.follows_end() {
            self.follow_end()?;
            self.check_present(self.position, self.map.len())?;
        }
        let span = range::clipped(self.position, usize::MAX, self.map.len());
        region::append(bytes, span.len, |buffer| self.map.read_uninit_at(buffer, span.start))?;
        self.position = self.position.max(span.end());
        Ok(span.len)
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
        let span = range::clipped(self.position, LENT, self.map.len());
        self.lent.clear();
        region::append(&mut self.lent, span.len, |buffer| self.map.read_uninit_at(buffer, span.start))?;
        Ok(&self.lent)
    }

    fn consume(&mut self, count: usize) {
        self.position = self.position.saturating_add(count);
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
