//! Opening a file so that it can be left as it was, should mapping it fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::mode::Mode;
use crate::sys::{self, FileId};

/// A file that was not there before.
pub(crate) struct Created {
    path: PathBuf,
    /// Keeps its inode from becoming another file's.
    file: File,
}

impl Created {
    /// Removes the file, if it is still there and nobody has written to it.
    pub(crate) fn remove(self) {
        let is_ours = |there: &std::fs::Metadata| {
            let here = sys::file_info(sys::source(&self.file));
            here.is_ok_and(|here| here.id == FileId::of(there)) && there.len() == 0
        };
        if self.path.symlink_metadata().is_ok_and(|there| is_ours(&there)) {
            // The error to report is why it is not wanted.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the file at `path`, and says if it has made it. A file that is there already keeps its bytes, in every mode.
pub(crate) fn open(path: &Path, mode: Mode) -> io::Result<(File, Option<Created>)> {
    let existing = || options(mode).open(path);
    let create = |path: &Path| create(path, mode);
    match mode {
        Mode::Read | Mode::ReadWrite | Mode::Copy => existing().map(|file| (file, None)),
        Mode::CreateNew => create(path),
        Mode::Create | Mode::OpenOrCreate | Mode::Append => {
            let mut target = path.to_owned();
            // A link to a file that is not there is followed by hand: it cannot be followed and the file known to be new.
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

/// As many links one after the other as Linux follows.
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
