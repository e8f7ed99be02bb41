//! The constructor of the class `mmap`: from arguments to a mapping.

use firmmap::{MappedFile, MmapOptions};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::Mmap;
use crate::args::{self, ArgParser};
use crate::constants::{ACCESS_COPY, ACCESS_DEFAULT, ACCESS_READ, ACCESS_WRITE};
use crate::errors::{self, exception};
use crate::sys::audit;
use crate::sys::descriptor::{self, Source};
use crate::sys::exception::{PyOverflowError, PyResult, PyValueError};

/// `mmap(fileno, length, …)`.
pub(crate) fn new<'py>(args: &Bound<'py, PyTuple>, names: Option<&Bound<'py, PyDict>>) -> PyResult<Mmap> {
    let py = args.py();
    let arguments = NewArgs::parse(args, names)?;
    let NewArgs { fileno, length, offset, .. } = arguments;
    if length < 0 {
        return Err(PyOverflowError::new_err("memory mapped length must be positive"));
    }
    if offset < 0 {
        return Err(PyOverflowError::new_err("memory mapped offset must be positive"));
    }
    let (options, access) = arguments.options()?;
    audit::mmap_new(py, fileno, length as usize, access, offset as u64)?;
    // On Windows 0 does the same, which much code there relies on.
    let map = if fileno == -1 || (cfg!(windows) && fileno == 0) || arguments.ignores_descriptor() {
        if length == 0 {
            return Err(errors::no_length());
        }
        // The system wants the offset to be right though it means nothing here; `repr` shows it.
        if is_unaligned(offset as u64) {
            return Err(errors::misaligned());
        }
        options.offset(offset as u64).len(length as usize).map_anonymous().map_err(exception)?
    } else {
        // A descriptor that nothing is done with but mapping is looked at after the offset.
        if !arguments.track_file && is_unaligned(offset as u64) && !descriptor::is_open(fileno) {
            return Err(errors::misaligned());
        }
        map_file(&options, descriptor::borrow(py, fileno)?, length as usize, offset as u64)?
    };
    Ok(Mmap::new(MappedFile::new(map), access, arguments.track_file))
}

/// Maps a file as the standard library does, which knows neither empty maps nor offsets that are not aligned.
fn map_file(options: &MmapOptions, source: Source, length: usize, offset: u64) -> PyResult<firmmap::Mmap> {
    let options = options.clone().offset(offset);
    let options = if length > 0 { options.len(length) } else { options };
    let result = options.map(&source);
    let metadata = || source.try_clone_to_owned().and_then(|file| std::fs::File::from(file).metadata());
    let is_empty = || metadata().is_ok_and(|data| data.is_file() && data.len() == 0);
    let behind_end = |offset_is_zero: bool| {
        if offset_is_zero || metadata().is_ok_and(|data| data.len() == 0) {
            PyValueError::new_err("cannot mmap an empty file")
        } else {
            PyValueError::new_err("mmap offset is greater than file size")
        }
    };
    match result {
        Ok(map) if map.is_empty() => Err(behind_end(offset == 0)),
        Ok(_) if is_unaligned(offset) => Err(errors::misaligned()),
        Ok(map) => Ok(map),
        Err(error) if error.kind() == firmmap::ErrorKind::OffsetBeyondEnd => Err(behind_end(false)),
        // Files of /proc call themselves empty; and of an empty file the length is found fault with before anything else.
        Err(error) if !matches!(error.kind(), firmmap::ErrorKind::LengthBeyondEnd) && is_empty() => Err(match length {
            0 => behind_end(offset == 0),
            _ => PyValueError::new_err("mmap length is greater than file size"),
        }),
        // Those of /sys have a length, and still cannot be mapped.
        Err(error)
            if error.kind() == firmmap::ErrorKind::UnknownLength && metadata().is_ok_and(|data| data.is_file()) =>
        {
            Err(errors::os_error(errors::NO_SUCH_DEVICE))
        }
        // The system checks the offset before the length and the permissions of the file.
        Err(error)
            if is_unaligned(offset) && (error.kind() == firmmap::ErrorKind::TooLarge || refused_to_map(&error)) =>
        {
            Err(errors::misaligned())
        }
        Err(error) => Err(exception(error)),
    }
}

/// Whether the system has refused for another reason than a wrong descriptor.
fn refused_to_map(error: &firmmap::Error) -> bool {
    error.os_error().is_some_and(|error| !errors::is_bad_descriptor(error))
}

fn is_unaligned(offset: u64) -> bool {
    offset != 0 && offset % firmmap::allocation_granularity() as u64 != 0
}

/// The arguments of the constructor.
struct NewArgs {
    fileno: i32,
    length: isize,
    #[cfg(unix)]
    flags: i32,
    #[cfg(unix)]
    prot: i32,
    #[cfg(windows)]
    tag: Option<String>,
    access: i32,
    offset: i64,
    track_file: bool,
}

impl NewArgs {
    fn parse<'py>(args: &Bound<'py, PyTuple>, names: Option<&Bound<'py, PyDict>>) -> PyResult<Self> {
        let int = |object: Option<Bound<'py, PyAny>>, default: i32| match object {
            Some(object) => args::int(object.as_borrowed()),
            None => Ok(default),
        };
        #[cfg(unix)]
        const POSITIONAL: usize = 6;
        #[cfg(not(unix))]
        const POSITIONAL: usize = 5;
        #[cfg(unix)]
        if let (None, Some(arguments)) = (names, Self::exact_ints(args)) {
            return Ok(arguments);
        }
        let mut args = ArgParser::new(args, names, POSITIONAL, POSITIONAL + 1)?;
        let arguments = Self {
            fileno: args::int(args.required("fileno")?.as_borrowed())?,
            length: args::ssize(args.required("length")?.as_borrowed())?,
            #[cfg(unix)]
            flags: int(args.next("flags")?, libc::MAP_SHARED)?,
            #[cfg(unix)]
            prot: int(args.next("prot")?, libc::PROT_READ | libc::PROT_WRITE)?,
            #[cfg(windows)]
            tag: args.next("tagname")?.map_or(Ok(None), |tag| tag.extract())?,
            access: int(args.next("access")?, ACCESS_DEFAULT)?,
            offset: args.next("offset")?.map_or(Ok(0), |object| args::offset(object.as_borrowed()))?,
            track_file: args.next("trackfd")?.map_or(Ok(true), |object| object.is_truthy())?,
        };
        args.finish()?;
        Ok(arguments)
    }

    /// Whether the system would not look at the descriptor, which is none: for memory without a file, it says nothing.
    #[cfg(unix)]
    fn ignores_descriptor(&self) -> bool {
        !self.track_file && self.flags & libc::MAP_ANONYMOUS != 0 && !descriptor::is_open(self.fileno)
    }

    #[cfg(windows)]
    fn ignores_descriptor(&self) -> bool {
        false
    }

    /// The fast path: exact ints by position.
    #[cfg(unix)]
    #[inline]
    fn exact_ints(args: &Bound<'_, PyTuple>) -> Option<Self> {
        let count = args.len();
        if !(2..=6).contains(&count) {
            return None;
        }
        let number = |index, default: isize| {
            if index < count { args::exact_int(args.get_borrowed_item(index).ok()?) } else { Some(default) }
        };
        let int = |index, default: i32| i32::try_from(number(index, default as isize)?).ok();
        Some(Self {
            fileno: int(0, 0)?,
            length: number(1, 0)?,
            flags: int(2, libc::MAP_SHARED)?,
            prot: int(3, libc::PROT_READ | libc::PROT_WRITE)?,
            access: int(4, ACCESS_DEFAULT)?,
            offset: number(5, 0)? as i64,
            track_file: true,
        })
    }

    /// The library's options, and the `ACCESS_*` number that `repr` shows.
    #[cfg(unix)]
    fn options(&self) -> PyResult<(MmapOptions, i32)> {
        use firmmap::{MapFlags, Protection};
        use libc::{MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE};

        const READ_WRITE: i32 = PROT_READ | PROT_WRITE;
        if self.access != ACCESS_DEFAULT && (self.flags != MAP_SHARED || self.prot != READ_WRITE) {
            return Err(PyValueError::new_err("mmap can't specify both access and flags, prot."));
        }
        let (flags, prot, access) = match self.access {
            ACCESS_READ => (MAP_SHARED, PROT_READ, ACCESS_READ),
            ACCESS_WRITE => (MAP_SHARED, READ_WRITE, ACCESS_WRITE),
            ACCESS_COPY => (MAP_PRIVATE, READ_WRITE, ACCESS_COPY),
            ACCESS_DEFAULT => (
                self.flags,
                self.prot,
                match self.prot & READ_WRITE {
                    READ_WRITE => ACCESS_DEFAULT,
                    PROT_WRITE => ACCESS_WRITE,
                    _ => ACCESS_READ,
                },
            ),
            _ => return Err(PyValueError::new_err("mmap invalid access parameter.")),
        };
        let options = MmapOptions::new()
            .flags(MapFlags::from_bits_retain(flags))
            .protection(Protection::from_bits_retain(prot as u32))
            .track_file(self.track_file);
        Ok((options, access))
    }

    /// The library's options, and the `ACCESS_*` number that `repr` shows.
    #[cfg(windows)]
    fn options(&self) -> PyResult<(MmapOptions, i32)> {
        use firmmap::Access;

        let access = match self.access {
            ACCESS_READ => Access::Read,
            ACCESS_DEFAULT | ACCESS_WRITE => Access::Write,
            ACCESS_COPY => Access::Copy,
            _ => return Err(PyValueError::new_err("mmap invalid access parameter.")),
        };
        let options = MmapOptions::new().access(access).extend(true).track_file(self.track_file);
        let options = match self.tag.as_deref() {
            Some(tag) if !tag.is_empty() => options.tag(tag),
            _ => options,
        };
        Ok((options, self.access))
    }
}
