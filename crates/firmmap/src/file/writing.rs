//! Writing at the position, and what has to be settled afterwards, because the system does not report it.

use std::time::SystemTime;

use super::MappedFile;
use crate::error::{Detail, ErrorKind, Result};
use crate::range;

/// Why every write goes to the end of the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Appends {
    /// The descriptor had `O_APPEND`.
    WhileFlagged,
    /// It was opened with [`Mode::Append`](crate::Mode::Append).
    Always,
}

/// What was stored in mapped pages through this value. The system reports neither that a store was past the end of the file, in its last
/// page, nor, in a page that is dirty already, when it was made.
#[derive(Debug)]
pub(super) struct Unsettled {
    /// A range that contains all bytes that were written; empty if none were.
    start: usize,
    end: usize,
    /// The process that has written last, as a [`fork_generation`](crate::fork_generation).
    process: u32,
    /// Whether views that can be written to have existed.
    views: Views,
    reported: Option<Box<Reported>>,
}

/// What views showed past the end of the file when it was reported: that is not to be reported again.
#[derive(Debug)]
struct Reported {
    start: usize,
    bytes: Vec<u8>,
    /// The file's time of modification then.
    modified: Option<SystemTime>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Views {
    None,
    /// Since the file had that time of modification. Without a time they are taken to have changed it.
    Since(Option<SystemTime>),
}

impl Default for Unsettled {
    fn default() -> Self {
        Self { start: usize::MAX, end: 0, process: 0, views: Views::None, reported: None }
    }
}

impl Unsettled {
    pub(super) fn is_empty(&self) -> bool {
        self.end == 0 && matches!(self.views, Views::None)
    }

    /// The file ends at `len`, as was asked for.
    pub(super) fn cut(&mut self, len: usize) {
        self.end = self.end.min(len);
        if self.start >= self.end {
            (self.start, self.end) = (usize::MAX, 0);
        }
    }

    /// What is missing was reported.
    pub(super) fn forget(&mut self) {
        (self.start, self.end) = (usize::MAX, 0);
    }
}

impl MappedFile {
    /// Notes that `len` bytes were written at `start`. Hidden: for the Python class, which writes through the [`Mmap`](crate::Mmap).
    #[doc(hidden)]
    #[inline]
    pub fn note_write(&mut self, start: usize, len: usize) {
        if len > 0 {
            self.unsettled.start = self.unsettled.start.min(start);
            self.unsettled.end = self.unsettled.end.max(start + len);
            self.unsettled.process = crate::fork_generation();
        }
    }

    /// Notes that there is a view that can be written to. Hidden: for the Python class, which counts them.
    #[doc(hidden)]
    #[inline]
    pub fn note_view(&mut self) {
        if matches!(self.unsettled.views, Views::None) && self.is_file_written() {
            self.unsettled.views = Views::Since(self.map.modified());
        }
    }

    /// Notes that views which can be written to outlive a [`settle`](Self::settle).
    #[doc(hidden)]
    pub fn keep_views(&mut self) {
        if self.is_file_written() {
            self.unsettled.views = Views::Since(None);
        }
    }

    /// Forgets what was noted of writes: what is missing was just reported. Hidden: for the Python class, whose large writes go through the
    /// [`Mmap`](crate::Mmap).
    #[doc(hidden)]
    pub fn forget_writes(&mut self) {
        self.unsettled.forget();
    }

    /// Whether writing into the map changes a regular file.
    pub(super) fn is_file_written(&self) -> bool {
        self.growable && !self.map.is_anonymous()
    }

    /// After writes into the map: sets the file's time of modification, and checks whether others have cut the file off within its last
    /// page, where such writes are lost without a fault. Hidden: a part of `flush` and `close`.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault), once for what was written.
    #[doc(hidden)]
    #[inline]
    pub fn settle(&mut self) -> Result<()> {
        if self.unsettled.is_empty() || !self.is_file_written() { Ok(()) } else { self.settle_file() }
    }

    /// [`settle`](Self::settle) before the length changes, if others have cut the file off: what they have taken would be behind the new end,
    /// or zeros before it.
    pub(super) fn settle_lost(&mut self) -> Result<()> {
        if self.unsettled.is_empty() || self.map.end_in_file().map_or(true, |end| end >= self.map.len()) {
            return Ok(());
        }
        let Unsettled { start, end, process, .. } = self.unsettled;
        self.settle()?;
        // What is there can be cut off later.
        (self.unsettled.start, self.unsettled.end, self.unsettled.process) = (start, end, process);
        Ok(())
    }

    fn settle_file(&mut self) -> Result<()> {
        if self.unsettled.process != crate::fork_generation() {
            // What the parent has written before the fork is its own to settle.
            self.unsettled.forget();
        }
        let Unsettled { start, end, views, reported, .. } = std::mem::take(&mut self.unsettled);
        let is_changed = end > 0
            || match views {
                Views::None => false,
                Views::Since(before) => before.is_none() || before != self.map.modified(),
            };
        // Whoever has changed the file since may have cut it off again.
        let is_as_reported = |reported: &Reported| {
            let modified = self.map.modified();
            modified.is_some() && modified == reported.modified
        };
        let reported = reported.filter(|reported| is_as_reported(reported));
        if is_changed {
            self.map.touch_file();
        }
        // Where nothing can be asked, nothing was cut off.
        let Ok(file_end) = self.map.end_in_file() else { return Ok(()) };
        let written = (end > file_end).then_some(file_end.max(start));
        let seen = match views {
            Views::None => None,
            Views::Since(_) => self.changed_by_views(file_end, reported)?,
        };
        let lost = written.or(seen);
        lost.map_or(Ok(()), |offset| Err(Detail::Fault { offset }.into()))
    }

    /// The first byte past the end of the file, in its last page, that was written through views, and not reported before.
    fn changed_by_views(&mut self, file_end: usize, reported: Option<Box<Reported>>) -> Result<Option<usize>> {
        let Some(tail) = self.map.missing_in_last_page(file_end) else { return Ok(None) };
        // The system cleared these bytes when the file was cut off.
        let bytes = self.map.to_vec(tail.start..tail.end.min(self.map.len()))?;
        let shown = |index: usize| {
            let Reported { start, bytes, .. } = reported.as_deref()?;
            bytes.get(index.checked_sub(*start)?).copied()
        };
        let mut changed = tail.clone().zip(&bytes).filter(|&(index, &byte)| byte != 0 && shown(index) != Some(byte));
        let first = changed.next().map(|(index, _)| index);
        let modified = self.map.modified();
        self.unsettled.reported = Some(Box::new(Reported { start: tail.start, bytes, modified }));
        Ok(first)
    }

    /// Refuses to read bytes of `start..end` that [`follow_end`](Self::follow_end) has just found to be missing from the file. Hidden: a part
    /// of reads up to the end.
    #[doc(hidden)]
    #[inline]
    pub fn check_present(&self, start: usize, end: usize) -> Result<()> {
        if self.short && end > self.file_end && start < end {
            return Err(Detail::Fault { offset: self.file_end.max(start) }.into());
        }
        Ok(())
    }

    /// Whether writing `count` bytes at the position only changes bytes of the map, so that neither its end nor the file's matters. Hidden:
    /// for the fast path of the Python class.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn is_write_inside(&self, count: usize) -> bool {
        self.appends.is_none() && !self.short && self.position <= self.map.len() && count <= self.remaining()
    }

    /// Returns whether each write goes to the end of the file, because its descriptor has `O_APPEND` or it was opened with
    /// [`Mode::Append`](crate::Mode::Append).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Seek, Write};
    /// use firmmap::{MmapOptions, Mode};
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("log");
    /// std::fs::write(&path, b"first\n")?;
    /// let log = std::fs::File::options().read(true).append(true).open(&path)?;
    /// # #[cfg(unix)] {
    /// let mut log = MmapOptions::new().map_mode(&log, Mode::ReadWrite)?;
    /// assert!(log.appends());
    /// log.rewind()?;
    /// log.write_all(b"second\n")?;
    /// assert_eq!(std::fs::read(&path)?, b"first\nsecond\n");
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn appends(&self) -> bool {
        match self.appends {
            None => false,
            Some(Appends::Always) => true,
            // The flag may have been taken away.
            Some(Appends::WhileFlagged) => self.map.appends_only(),
        }
    }

    /// Writes all of `bytes` at the position, or at the end of a file that [`appends`](Self::appends), and moves the position past them.
    /// Hidden: [`write`](std::io::Write::write) for maps that grow, with the library's own errors.
    #[doc(hidden)]
    pub fn write_growing(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return self.map.check();
        }
        self.write_and_move(bytes).inspect_err(|error| {
            // That reports the missing bytes.
            if error.kind() == ErrorKind::Fault {
                self.unsettled.forget();
            }
        })
    }

    fn write_and_move(&mut self, bytes: &[u8]) -> Result<()> {
        if self.short {
            let end = self.end()?;
            if self.short {
                return Err(Detail::Fault { offset: end }.into());
            }
        }
        // At the end of the map the write itself finds out whether the flag is still there.
        let is_flagged_end = matches!(self.appends, Some(Appends::WhileFlagged)) && self.position == self.map.len();
        if is_flagged_end || self.appends() {
            self.position = self.append_moving(bytes, is_flagged_end)?;
            return Ok(());
        }
        let end = self.position.checked_add(bytes.len());
        let end = end.ok_or_else(|| range::too_large("the position", self.position as u64))?;
        if end <= self.map.len() {
            self.map.write_at(bytes, self.position)?;
            self.note_write(self.position, bytes.len());
        } else {
            self.write_behind(bytes, end)?;
        }
        self.position = end;
        Ok(())
    }

    fn write_behind(&mut self, bytes: &[u8], end: usize) -> Result<()> {
        if end > self.map.capacity() {
            let position = self.position;
            let map = self.exclusive("growing")?;
            if !map.reserves() {
                return map.resize_and_write(bytes, position);
            }
            map.reserve(end)?;
        }
        self.map.write_growing_at(bytes, self.position)
    }

    /// Appends, or, `if_flagged`, writes at the position where the descriptor has lost `O_APPEND`; and says where the bytes end.
    fn append_moving(&mut self, bytes: &[u8], if_flagged: bool) -> Result<usize> {
        loop {
            let len = self.map.len();
            let appended =
                if if_flagged { self.map.append_or_write_at(bytes, self.position) } else { self.map.append(bytes) };
            match appended {
                Err(error) if error.kind() == ErrorKind::BeyondCapacity => {
                    let at_position = if_flagged && !self.appends();
                    let start = if at_position { self.position } else { self.map.end_in_file()? };
                    let end = start.checked_add(bytes.len()).ok_or(error)?;
                    let map = self.exclusive("growing")?;
                    #[cfg(windows)]
                    if map.keeps_file() && !at_position {
                        return map.append_and_map(bytes).map(|start| start + bytes.len());
                    }
                    if !map.reserves() {
                        map.resize_and_write(bytes, start)?;
                        return Ok(end);
                    }
                    map.reserve(end)?;
                }
                // The file was cut off: its end is a new one, if the map may become shorter.
                Err(error) if error.kind() == ErrorKind::Fault => {
                    if !self.appends() || self.end()? >= len || self.short {
                        return Err(error);
                    }
                }
                result => return result.map(|start| start + bytes.len()),
            }
        }
    }
}
