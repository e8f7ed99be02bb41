//! The map's own descriptor of its file: `fileno()`, after which the descriptor's position and the map's are kept the same.

use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom};

use super::open::Name;
use super::{Open, This, boolean, error, growth, unsupported};
use crate::args;
use crate::common::{Mapped, Returned};
use crate::errors::system_error;
use crate::sys::descriptor;
use crate::sys::exception::PyResult;

pub(crate) fn fileno(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    this.open(py, |open| {
        if matches!(this.name, Name::Anonymous) {
            return Err(unsupported("fileno: the memory is anonymous".to_owned()));
        }
        open.hand_out()
    })
    .and_then(|number| args::python_int(py, number as isize))
}

impl Open {
    /// The descriptor of the file. Its position is set to the map's, so that reads and writes through it go on there; a descriptor of
    /// the caller's, of which the map was made, has the same one.
    fn hand_out(&mut self) -> PyResult<i32> {
        let no_descriptor = || unsupported("fileno: the map has no descriptor".to_owned());
        let number = match self.file.tracked_file() {
            Ok(file) => descriptor::number(file).ok_or_else(no_descriptor)?,
            Err(failed) if failed.kind() == firmmap::ErrorKind::NoFile => return Err(no_descriptor()),
            Err(failed) => return Err(error(failed)),
        };
        self.sync_from_descriptor()?;
        let end = self.file.offset() + self.file.len() as u64;
        let place = self.file.offset() + self.file.position() as u64;
        self.descriptor_position = self.file.file().map_or(Ok(None), |file| seek_file(file, place))?;
        self.grows_with_file |= self.file.file().is_some_and(|file| file.metadata().is_ok_and(|now| now.len() <= end));
        Ok(number)
    }

    /// Runs `work` where the descriptor's position is the map's, and takes the descriptor along where `work` moves that. Others can have
    /// moved it only once `fileno()` has given it to them.
    #[inline]
    pub(super) fn at_position<R>(&mut self, work: impl FnOnce(&mut Self) -> PyResult<R>) -> PyResult<R> {
        if self.descriptor_position.is_none() {
            return work(self);
        }
        self.sync_from_descriptor()?;
        let result = work(self);
        self.sync_to_descriptor();
        result
    }

    /// Takes over what was done with the descriptor since `fileno()`: its position, and what was appended through it. Where nobody has
    /// moved it, that is one system call.
    pub(super) fn sync_from_descriptor(&mut self) -> PyResult<()> {
        let Some(placed) = self.descriptor_position else { return Ok(()) };
        let now = self.file.descriptor_position();
        if now == Some(placed) {
            return Ok(());
        }
        // It may have been closed, and the number may be another file's by now.
        self.file.tracked_file().map_err(error)?;
        let Some(now) = now else { return Ok(()) };
        let position = now.saturating_sub(self.file.offset()) as usize;
        self.file.set_position(position);
        self.descriptor_position = Some(now);
        self.changes += 1;
        let file_len = self.file.file_len().map_err(error)?.saturating_sub(self.file.offset()) as usize;
        // What does not fit the capacity stays outside the map until all views are released.
        let fits = self.file.exports == 0 || file_len <= self.file.capacity();
        if self.grows_with_file && self.file.is_growable() && file_len > self.file.len() && fits {
            growth::refresh_open(self)?;
        }
        Ok(())
    }

    /// Sets the position, and moves the descriptor to it, wherever it was.
    pub(super) fn seek_to(&mut self, position: usize) -> PyResult<()> {
        if self.descriptor_position.is_some() {
            let file = self.file.tracked_file().map_err(error)?;
            self.descriptor_position = seek_file(file, self.file.offset() + position as u64)?;
        }
        self.file.set_position(position);
        Ok(())
    }

    /// [`sync_from_descriptor`](Self::sync_from_descriptor), after the position was changed through the map: moves the descriptor to it.
    pub(super) fn sync_to_descriptor(&mut self) {
        let position = self.file.offset() + self.file.position() as u64;
        if self.descriptor_position.is_some_and(|placed| placed != position) {
            // What was read or written there is in the file, which can be that long.
            self.descriptor_position = self.file.file().and_then(|file| seek_file(file, position).ok().flatten());
        }
    }
}

/// Moves the position of a descriptor, and returns it; `None` where there is none, as devices may have none. A position that the file
/// system does not allow is an error, as for a plain file.
fn seek_file(mut file: &File, position: u64) -> PyResult<Option<u64>> {
    match file.seek(SeekFrom::Start(position)) {
        Err(failed) if failed.kind() == ErrorKind::InvalidInput => Err(system_error(&failed)),
        result => Ok(result.ok()),
    }
}

pub(crate) fn isatty(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(boolean(this.py, false))
}
