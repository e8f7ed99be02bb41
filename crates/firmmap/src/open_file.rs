//! Opening a file so that it can be left as it was if mapping it fails.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::mode::Mode;
use crate::sys::{self, FileId};

/// A file that did not exist before.
pub(crate) struct Created {
    path: PathBuf,
    /// Keeps the inode from being reused.
    file: File,
}

impl Created {
    /// Removes the file, if it still exists and nobody has written to it.
    pub(crate) fn remove(self) {
        let is_ours = |there: &std::fs::Metadata| {
            let here = sys::file_info(sys::source(&self.file));
            here.is_ok_and(|here| here.id == FileId::of(there)) && there.len() == 0
        };
        if self.path.symlink_metadata().is_ok_and(|there| is_ours(&there)) {
            // The error to report is the one for which it is removed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the file at `path`, and returns whether it was created. An existing file keeps its bytes, in every mode.
pub(crate) fn open(path: &Path, mode: Mode) -> io::Result<(File, Option<Created>)> {
    let existing = || options(mode).open(path);
    let create = |path: &Path| create(path, mode);
    match mode {
        Mode::Read | Mode::ReadWrite | Mode::Copy => existing().map(|file| (file, None)),
        Mode::CreateNew => create(path),
        Mode::Create | Mode::OpenOrCreate | Mode::Append => {
            let mut target = path.to_owned();
            // A symbolic link to a missing file is followed here, because otherwise the file would not be known to be new.
            for _ in 0..MOST_LINKS {
                match existing() {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    result => return result.map(|file| (file, None)),
                }
                match create(&target) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    result => return result,
                }
                if let Ok(link) = target.read_link() {
                    target = target.parent().unwrap_or(Path::new("")).join(link);
                }
            }
            existing().map(|file| (file, None))
        }
    }
}

/// The number of links in a row that Linux follows.
const MOST_LINKS: usize = 40;

fn options(mode: Mode) -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(mode.writes());
    // Elsewhere it is a right to append and none to write, without which nothing can be mapped.
    if mode == Mode::Append && cfg!(unix) {
        options.append(true);
    }
    options
}

fn create(path: &Path, mode: Mode) -> io::Result<(File, Option<Created>)> {
    let file = options(mode).create_new(true).open(path)?;
    let created = |file| Created { path: path.to_owned(), file };
    match file.try_clone() {
        Ok(other) => Ok((other, Some(created(file)))),
        Err(error) => {
            created(file).remove();
            Err(error)
        }
    }
}
