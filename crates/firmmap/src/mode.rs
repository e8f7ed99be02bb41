//! [`Mode`]: how a file is opened to be mapped.

use std::fmt;
use std::str::FromStr;

use crate::access::Access;
use crate::error::{Detail, Error};

/// How a file is opened to be mapped: the modes of numpy's `memmap`, and `"x+"`.
///
/// # Examples
///
/// ```
/// use firmmap::Mode;
/// let mode: Mode = "r+".parse()?;
/// assert_eq!(mode, Mode::ReadWrite);
/// assert_eq!(
///     "a".parse::<Mode>().unwrap_err().to_string(),
///     "mode \"a\" is none of \"r\", \"r+\", \"w+\", \"x+\", \"c\"",
/// );
/// # Ok::<(), firmmap::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `"r"`: an existing file, for reading. The default.
    #[default]
    Read,
    /// `"r+"`: an existing file, for reading and writing.
    ReadWrite,
    /// `"w+"`: an empty file, for reading and writing: a new one, or an existing one that is truncated.
    Create,
    /// `"x+"`: a new file, for reading and writing; an existing one is an error.
    CreateNew,
    /// `"c"`: an existing file, copy-on-write: changes go to memory, never to the file.
    Copy,
}

impl Mode {
    const ALL: [Self; 5] = [Self::Read, Self::ReadWrite, Self::Create, Self::CreateNew, Self::Copy];

    /// Returns the mode as it is written in Python.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(firmmap::Mode::Create.as_str(), "w+");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::ReadWrite => "r+",
            Self::Create => "w+",
            Self::CreateNew => "x+",
            Self::Copy => "c",
        }
    }

    /// Returns the access of a map that is opened in this mode.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{Access, Mode};
    /// assert_eq!(Mode::CreateNew.access(), Access::Write);
    /// ```
    #[must_use]
    pub const fn access(self) -> Access {
        match self {
            Self::Read => Access::Read,
            Self::ReadWrite | Self::Create | Self::CreateNew => Access::Write,
            Self::Copy => Access::Copy,
        }
    }

    /// Whether changes go to the file, so that it can grow.
    pub(crate) fn writes(self) -> bool {
        self.access() == Access::Write
    }

    /// Whether the file is empty at first.
    pub(crate) fn empties(self) -> bool {
        matches!(self, Self::Create | Self::CreateNew)
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mode = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        mode.ok_or_else(|| Detail::UnknownMode { mode: text.to_owned() }.into())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
