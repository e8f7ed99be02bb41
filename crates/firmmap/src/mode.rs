//! [`Mode`]: how a file is opened to be mapped.

use std::fmt;
use std::str::FromStr;

use crate::access::Access;
use crate::error::{Detail, Error};

/// How a file is opened to be mapped: the modes of numpy's `memmap`, those of Python's files that can read, and one more.
///
/// It is parsed from the strings of Python, in every spelling that files have there: `"r+"`, `"r+b"`, `"rb+"`. A mode that a map cannot
/// have, because it does not read or is for text, is an error that names the mode that was meant.
///
/// # Platform-specific behavior
///
/// Windows has no `O_APPEND`: there a map in mode `Append` looks for the end of the file before each write, and what others append between
/// the two is overwritten.
///
/// # Examples
///
/// ```
/// use firmmap::Mode;
/// assert_eq!("r+".parse::<Mode>()?, Mode::ReadWrite);
/// assert_eq!("rb+".parse::<Mode>()?, Mode::ReadWrite);
/// assert_eq!(
///     "wb".parse::<Mode>().unwrap_err().to_string(),
///     r#"mode "wb" does not read, as a map does: use "w+b""#,
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
    /// An existing file, which keeps its bytes, or a new one, for reading and writing, as with `O_CREAT`. In Python `"r+"` with
    /// `create=True`.
    OpenOrCreate,
    /// `"w+"`: an empty file, for reading and writing: a new one, or an existing one that is truncated.
    Create,
    /// `"x+"`: a new file, for reading and writing; an existing one is an error.
    CreateNew,
    /// `"a+"`: an existing file or a new one, for reading and appending: every write goes to the end that the file has at that moment, even
    /// if others append too (`O_APPEND`). The position is at the end at first. Bytes of the map can be changed in place.
    Append,
    /// `"c"`: an existing file, copy-on-write: changes go to memory, never to the file.
    Copy,
}

impl Mode {
    const PARSED: [Self; 6] = [Self::Read, Self::ReadWrite, Self::Create, Self::CreateNew, Self::Append, Self::Copy];

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
            Self::ReadWrite | Self::OpenOrCreate => "r+",
            Self::Create => "w+",
            Self::CreateNew => "x+",
            Self::Append => "a+",
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
            Self::ReadWrite | Self::OpenOrCreate | Self::Create | Self::CreateNew | Self::Append => Access::Write,
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
        let spelling = Spelling::new(text);
        let mode = spelling.filter(|spelling| !spelling.text).and_then(|spelling| spelling.mode());
        mode.ok_or_else(|| Detail::UnknownMode { mode: text.to_owned(), meant: meant(text) }.into())
    }
}

/// The characters of a mode as files have them, in whatever order.
struct Spelling {
    letter: char,
    plus: bool,
    binary: bool,
    text: bool,
}

impl Spelling {
    fn new(mode: &str) -> Option<Self> {
        let count = |character| mode.chars().filter(|&other| other == character).count();
        let mut letters = mode.chars().filter(|letter| "rwxac".contains(*letter));
        let (letter, plus, binary, text) = (letters.next()?, count('+'), count('b'), count('t'));
        let is_whole = mode.chars().count() == 1 + plus + binary + text;
        let spelling = Self { letter, plus: plus > 0, binary: binary > 0, text: text > 0 };
        (is_whole && plus <= 1 && binary + text <= 1).then_some(spelling)
    }

    /// The mode, were it not text.
    fn mode(&self) -> Option<Mode> {
        let mode = if self.plus { format!("{}+", self.letter) } else { self.letter.to_string() };
        Mode::PARSED.into_iter().find(|known| known.as_str() == mode && (*known != Mode::Copy || !self.binary))
    }
}

/// What was meant by a mode that a map cannot have: what is wrong with it, and a mode in its place.
fn meant(mode: &str) -> Option<(&'static str, &'static str)> {
    const NUMPY: &str = "is numpy's long word";
    match mode {
        "readonly" => return Some((NUMPY, "r")),
        "readwrite" => return Some((NUMPY, "r+")),
        "write" => return Some((NUMPY, "w+")),
        "copyonwrite" => return Some((NUMPY, "c")),
        "U" | "rU" | "Ur" => return Some((TEXT, "rb")),
        _ => {}
    }
    let spelling = Spelling::new(mode)?;
    let what = match spelling {
        Spelling { letter: 'c', .. } => "is none, as copy-on-write is written alone",
        Spelling { text: true, .. } => TEXT,
        _ => "does not read, as a map does",
    };
    // With the letter that says so, where there was one.
    let short = !spelling.binary && !spelling.text;
    let suggestion = match (spelling.letter, spelling.plus) {
        ('r', false) => "rb",
        ('r', true) => "r+b",
        ('w', _) if short => "w+",
        ('x', _) if short => "x+",
        ('a', _) if short => "a+",
        ('w', _) => "w+b",
        ('x', _) => "x+b",
        ('a', _) => "a+b",
        _ => "c",
    };
    Some((what, suggestion))
}

const TEXT: &str = "is for text, and a map has bytes";

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
