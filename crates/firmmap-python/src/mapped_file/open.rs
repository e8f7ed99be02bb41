//! Making a map: `firmmap.open()`, `firmmap.anonymous()`, the class itself; and what a pickle holds.

use std::ffi::CStr;
use std::io::{Seek, SeekFrom};

use firmmap::{ErrorKind, MmapOptions, Mode};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::{MappedFile, This, error, none};
use crate::args::{self, Constructor};
use crate::constants::{ACCESS_COPY, ACCESS_READ, ACCESS_WRITE};
use crate::errors::NO_SUCH_DEVICE;
use crate::mapped::Returned;
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyOSError, PyResult, PyTypeError, PyValueError};
use crate::sys::objects::{attribute, call_method, class_name, digits, import, new_string, new_tuple, shortened};
use crate::sys::owned::Owned;
use crate::sys::{audit, descriptor};

/// What a plain binary file that is open in this way has as its `mode`.
fn of_plain_file(mode: Mode) -> &'static str {
    match mode {
        Mode::Read => "rb",
        Mode::CreateNew => "xb+",
        _ => "rb+",
    }
}

/// What the map was made of.
pub(super) enum Name {
    /// As it was given, and with the directory that it counts from.
    Path {
        given: Owned,
        absolute: Owned,
    },
    Descriptor(Owned),
    Anonymous,
}

impl Name {
    /// What the caller has given.
    fn given<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Path { given: name, .. } | Self::Descriptor(name) => Some(name.bind(py).clone()),
            Self::Anonymous => None,
        }
    }

    /// What an `OSError` has as its `filename`: the path, if there is one.
    pub(super) fn filename(&self, py: Python<'_>) -> Option<Owned> {
        match self {
            Self::Path { given, .. } => Some(given.bind(py).clone().into()),
            Self::Descriptor(_) | Self::Anonymous => None,
        }
    }

    pub(super) fn repr(&self, py: Python<'_>) -> PyResult<String> {
        self.given(py).map_or_else(|| Ok("anonymous".to_owned()), |name| Ok(name.repr()?.to_string()))
    }
}

pub(crate) fn name(this: This<'_>) -> Returned<'_> {
    let given = this.name.given(this.py);
    given.map_or_else(|| new_string(this.py, "<anonymous>"), Ok)
}

pub(crate) fn mode(this: This<'_>) -> Returned<'_> {
    new_string(this.py, of_plain_file(this.mode))
}

/// What the class's constructor and `open()` do.
pub(crate) fn new<'py>(args: &Bound<'py, PyTuple>, names: Option<&Bound<'py, PyDict>>) -> PyResult<MappedFile> {
    let mut args = Constructor::new(args, names, 2, 5)?;
    let path = args.required("path")?;
    let mode = args.next("mode")?;
    let offset = args.next("offset")?;
    let length = args.next("length")?;
    let capacity = args.next("capacity")?;
    args.finish()?;
    Request::new(mode, offset, length, capacity)?.open(path)
}

/// `firmmap.open()`.
pub(crate) fn open<'py>(
    module: &Bound<'py, PyModule>,
    args: &Bound<'py, PyTuple>,
    names: Option<&Bound<'py, PyDict>>,
) -> Returned<'py> {
    crate::sys::mapped_file::new_file(module, new(args, names)?)
}

/// `firmmap.anonymous()`.
pub(crate) fn anonymous<'py>(
    module: &Bound<'py, PyModule>,
    args: &Bound<'py, PyTuple>,
    names: Option<&Bound<'py, PyDict>>,
) -> Returned<'py> {
    let mut args = Constructor::new(args, names, 1, 2)?;
    let length = args.required("length")?;
    let capacity = args.next("capacity")?;
    args.finish()?;
    crate::sys::mapped_file::new_file(module, map_anonymous(&length, capacity.as_ref())?)
}

fn map_anonymous(length: &Bound<'_, PyAny>, capacity: Option<&Bound<'_, PyAny>>) -> PyResult<MappedFile> {
    let len = number("length", length)?;
    let capacity = optional_number("capacity", capacity)?;
    check_capacity(len, capacity)?;
    audit::mmap_new(length.py(), -1, len, ACCESS_WRITE, 0)?;
    let file = firmmap::MappedFile::anonymous(len, capacity).map_err(error)?;
    Ok(MappedFile::new(file, Mode::ReadWrite, Name::Anonymous, capacity))
}

/// EISDIR: the same number on every system that opens directories.
const IS_A_DIRECTORY: i32 = 21;

fn check_capacity(length: usize, capacity: Option<usize>) -> PyResult<()> {
    match capacity {
        Some(capacity) if capacity < length => {
            Err(PyValueError::new_err(format!("capacity {capacity} is less than length {length}")))
        }
        _ => Ok(()),
    }
}

struct Request {
    mode: Mode,
    offset: usize,
    length: Option<usize>,
    capacity: Option<usize>,
}

impl Request {
    fn new(
        mode: Option<Bound<'_, PyAny>>,
        offset: Option<Bound<'_, PyAny>>,
        length: Option<Bound<'_, PyAny>>,
        capacity: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mode = match &mode {
            None => Mode::Read,
            Some(name) => match name.cast::<PyString>() {
                // No mode is so long that it would be cut.
                Ok(name) => shortened(name.as_borrowed()).parse().map_err(error)?,
                Err(_) => return Err(wrong_type("mode", "a str", name)),
            },
        };
        let offset = offset.map_or(Ok(0), |offset| number("offset", &offset))?;
        let length = optional_number("length", length.as_ref())?;
        let capacity = optional_number("capacity", capacity.as_ref())?;
        check_capacity(length.unwrap_or(0), capacity)?;
        Ok(Self { mode, offset, length, capacity })
    }

    fn open(self, path: Bound<'_, PyAny>) -> PyResult<MappedFile> {
        let py = path.py();
        // As builtins.open(): whatever stands for an integer is a descriptor.
        if args::is_index(path.as_borrowed()) {
            if self.mode == Mode::CreateNew {
                let words = "mode 'x+' creates a file, and needs a path: a descriptor is of a file that exists";
                return Err(PyValueError::new_err(words));
            }
            let descriptor = args::named_int("descriptor", path.as_borrowed())?;
            let number = args::python_int(py, descriptor as isize)?;
            let mode = self.mode;
            return self.map(py, descriptor, Name::Descriptor(number.into()), mode);
        }
        let os = import(py, c"os")?;
        let given = call_method(&os, c"fspath", [path])?;
        let os_path = attribute(&os, c"path")?;
        let absolute = call_method(&os_path, c"abspath", [given.clone()])?;
        let Opened { file: opened, created } = self.open_path(&os, &os_path, &given)?;
        let descriptor = args::int(opened.as_borrowed())?;
        let name = Name::Path { given: given.clone().into(), absolute: absolute.into() };
        // That which creates has done so.
        let mode = if self.mode == Mode::CreateNew { Mode::ReadWrite } else { self.mode };
        let result = self.map(py, descriptor, name, mode);
        let unwanted = match created.filter(|_| result.is_err()) {
            Some(path) if is_new_file(&os, &os_path, &opened, &path).unwrap_or(false) => Some(path),
            _ => None,
        };
        let closed = call_method(&os, c"close", [opened]);
        if let Some(path) = unwanted {
            // The error to report is why it is not wanted.
            let _ = call_method(&os, c"unlink", [path]);
        }
        let file = result?;
        closed?;
        Ok(file)
    }

    /// Opens the file by `os.open()`, which raises the audit event and the exceptions that Python's own functions do. One that is
    /// there already keeps its bytes, in every mode.
    fn open_path<'py>(
        &self,
        os: &Bound<'py, PyAny>,
        os_path: &Bound<'py, PyAny>,
        given: &Bound<'py, PyAny>,
    ) -> PyResult<Opened<'py>> {
        let py = os.py();
        let open = |path: &Bound<'py, PyAny>, names: &[&CStr]| -> PyResult<Bound<'py, PyAny>> {
            let system = if cfg!(windows) { c"O_BINARY" } else { c"O_CLOEXEC" };
            let mut flags = 0;
            for name in names.iter().chain([&system]) {
                flags |= args::int(attribute(os, name)?.as_borrowed())?;
            }
            let (flags, permissions) = (args::python_int(py, flags as isize)?, args::python_int(py, 0o666)?);
            call_method(os, c"open", [path.clone(), flags, permissions])
        };
        let existing = |names: &[&CStr]| Ok(Opened { file: open(given, names)?, created: None });
        let create = |path: Bound<'py, PyAny>| {
            let file = open(&path, &[c"O_RDWR", c"O_CREAT", c"O_EXCL"])?;
            Ok(Opened { file, created: Some(path) })
        };
        match self.mode {
            Mode::Read | Mode::Copy => return existing(&[c"O_RDONLY"]),
            Mode::ReadWrite => return existing(&[c"O_RDWR"]),
            Mode::CreateNew => return create(given.clone()),
            Mode::Create => {}
        }
        let mut path = given.clone();
        // Others may make and remove the file meanwhile.
        for _ in 0..TRIES {
            if call_method(os_path, c"exists", [path.clone()])?.is_truthy()? {
                match existing(&[c"O_RDWR"]) {
                    Err(error) if error.is_file_not_found() => {}
                    result => return result,
                }
            }
            match create(path.clone()) {
                Err(error) if error.is_file_exists() => {}
                result => return result,
            }
            // A link to a file that is not there: only by its own path can that be known to be new.
            path = call_method(os_path, c"realpath", [path])?;
        }
        existing(&[c"O_RDWR"])
    }

    fn map(self, py: Python<'_>, descriptor: i32, name: Name, mode: Mode) -> PyResult<MappedFile> {
        let access = match mode.access() {
            firmmap::Access::Read => ACCESS_READ,
            firmmap::Access::Copy => ACCESS_COPY,
            firmmap::Access::Write => ACCESS_WRITE,
        };
        audit::mmap_new(py, descriptor, self.length.unwrap_or(0), access, self.offset as u64)?;
        let source = descriptor::borrow(py, descriptor)?;
        let mut options = MmapOptions::new().offset(self.offset as u64).capacity(self.capacity.unwrap_or(0));
        options = options.follow_end(self.length.is_none());
        // A new file ends before the offset, from which on it is to be mapped.
        let is_new = self.mode == Mode::CreateNew;
        if let Some(length) = self.length.or(is_new.then_some(0)) {
            options = options.len(length);
        }
        let result = detached(py, || options.map_mode(&source, mode));
        // Of a directory, nothing at all could be mapped. It is refused as by a plain file.
        if result.as_ref().map_or(true, |file| file.is_empty()) && is_directory(py, descriptor)? {
            let name = name.given(py);
            return Err(PyOSError::new_err((IS_A_DIRECTORY, "Is a directory", name)));
        }
        let file = result.map_err(|failed| {
            // What is said of a device is about the arguments; this is about the file.
            let is_pseudo = failed.kind() == ErrorKind::UnknownLength && is_regular(py, descriptor).unwrap_or(false);
            let raised =
                if is_pseudo { PyOSError::new_err((NO_SUCH_DEVICE, failed.to_string())) } else { error(failed) };
            raised.with_filename(|| name.filename(py))
        })?;
        Ok(MappedFile::new(file, self.mode, name, self.capacity))
    }
}

/// What `open_path` gives.
struct Opened<'py> {
    /// The descriptor.
    file: Bound<'py, PyAny>,
    /// The path of the file, if it was not there before.
    created: Option<Bound<'py, PyAny>>,
}

/// How often it is tried to open a file that others make and remove.
const TRIES: usize = 40;

/// Whether the file that was created at `path` is still there, and still empty.
fn is_new_file<'py>(
    os: &Bound<'py, PyAny>,
    os_path: &Bound<'py, PyAny>,
    descriptor: &Bound<'py, PyAny>,
    path: &Bound<'py, PyAny>,
) -> PyResult<bool> {
    let here = call_method(os, c"fstat", [descriptor.clone()])?;
    let there = call_method(os, c"lstat", [path.clone()])?;
    let is_same = call_method(os_path, c"samestat", [here.clone(), there])?.is_truthy()?;
    Ok(is_same && !attribute(&here, c"st_size")?.is_truthy()?)
}

/// What a function of `os.path` says of a descriptor.
fn ask_path(py: Python<'_>, function: &CStr, descriptor: i32) -> PyResult<bool> {
    let path = attribute(&import(py, c"os")?, c"path")?;
    Ok(call_method(&path, function, [args::python_int(py, descriptor as isize)?])?.is_truthy()?)
}

fn is_regular(py: Python<'_>, descriptor: i32) -> PyResult<bool> {
    ask_path(py, c"isfile", descriptor)
}

fn is_directory(py: Python<'_>, descriptor: i32) -> PyResult<bool> {
    ask_path(py, c"isdir", descriptor)
}

fn number(what: &str, object: &Bound<'_, PyAny>) -> PyResult<usize> {
    if !args::is_index(object.as_borrowed()) {
        return Err(wrong_type(what, "an integer", object));
    }
    let number = args::ssize(object.as_borrowed()).map_err(|error| {
        // More than an address can be is behind the end of every file.
        if !error.is_overflow(object.py()) {
            return error;
        }
        let number = digits(object.as_borrowed());
        PyValueError::new_err(format!("{what} {number} is out of range: at most {}", isize::MAX))
    })?;
    usize::try_from(number).map_err(|_| PyValueError::new_err(format!("{what} {number} is negative")))
}

fn optional_number(what: &str, object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<usize>> {
    object.filter(|object| !object.is_none()).map(|object| number(what, object)).transpose()
}

fn wrong_type(what: &str, wanted: &str, object: &Bound<'_, PyAny>) -> Exception {
    PyTypeError::new_err(format!("{what} must be {wanted}, not {}", class_name(object.as_borrowed())))
}

/// What a pickle holds: the class, the absolute path, the mode and the range.
///
/// It is not `__reduce_ex__`, which would be asked before the `__reduce__` of a subclass.
pub(crate) fn reduce(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    let path = match &this.name {
        Name::Path { absolute, .. } => absolute.bind(py),
        Name::Descriptor(_) => {
            let words =
                "cannot pickle a map that was made of a descriptor: it has no path by which another process finds it";
            return Err(PyTypeError::new_err(words));
        }
        Name::Anonymous => {
            let words = "cannot pickle anonymous memory: only processes that are forked later share it";
            return Err(PyTypeError::new_err(words));
        }
    };
    let (offset, length) = this.open(py, |open| Ok((open.file.offset(), open.file.len())))?;
    // The map may have outgrown what was asked for.
    let capacity = this.capacity.map(|capacity| capacity.max(length));
    // What was created must not be created again.
    let mode = match this.mode {
        Mode::Create | Mode::CreateNew => Mode::ReadWrite,
        mode => mode,
    };
    let restore = attribute(&import(py, c"firmmap._mapped_file")?, c"restore")?;
    let class = this.object().get_type();
    let capacity = capacity.map(|capacity| args::python_int(py, capacity as isize)).transpose()?;
    let (offset, length) = (args::python_uint(py, offset)?, args::python_int(py, length as isize)?);
    let mode = new_string(py, mode.as_str())?;
    let capacity = capacity.unwrap_or_else(|| none(py));
    let arguments = new_tuple(py, [class.into_any(), path.clone(), mode, offset, length, capacity])?.into_any();
    // What subclasses add: their `__dict__` and their slots, or what they say themselves.
    let state = call_method(&this.object(), c"__getstate__", [])?;
    if state.is_none() || state.cast::<PyDict>().is_ok_and(|state| state.is_empty()) {
        return Ok(new_tuple(py, [restore, arguments])?.into_any());
    }
    Ok(new_tuple(py, [restore, arguments, state])?.into_any())
}

pub(crate) fn fileno(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    this.open(py, |open| {
        if matches!(this.name, Name::Anonymous) {
            return Err(super::unsupported("fileno: the memory is anonymous".to_owned()));
        }
        open.hand_out(matches!(this.name, Name::Path { .. }))
    })
    .and_then(|number| args::python_int(py, number as isize))
}

impl super::Open {
    /// The descriptor of the file. Its own position is set to ours, so that who reads or writes with it does so here; unless
    /// it shares that with a descriptor of the caller's, for whom it would move.
    fn hand_out(&mut self, is_alone: bool) -> PyResult<i32> {
        let no_descriptor = || super::unsupported("fileno: the map has no descriptor".to_owned());
        let number = match self.file.tracked_file() {
            Ok(file) => descriptor::number(file).ok_or_else(no_descriptor)?,
            Err(failed) if failed.kind() == ErrorKind::NoFile => return Err(no_descriptor()),
            Err(failed) => return Err(error(failed)),
        };
        self.take_in()?;
        let end = self.file.offset() + self.file.len() as u64;
        self.grows_with_file |= self.file.file().is_some_and(|file| file.metadata().is_ok_and(|now| now.len() <= end));
        if is_alone {
            self.place_descriptor();
        }
        Ok(number)
    }

    fn place_descriptor(&mut self) {
        let position = self.file.offset() + self.file.position() as u64;
        // Devices may have no position, and need none.
        self.handed_out = self.file.file().and_then(|mut file| file.seek(SeekFrom::Start(position)).ok());
    }

    /// Takes in what was done with the descriptor since it was handed out: where it is now, and what was written with it.
    pub(super) fn take_in(&mut self) -> PyResult<()> {
        let Some(placed) = self.handed_out else { return Ok(()) };
        let now = self.file.file().and_then(|mut file| file.stream_position().ok());
        if let Some(now) = now.filter(|&now| now != placed) {
            let position = now.saturating_sub(self.file.offset()) as usize;
            self.file.set_position(position);
            self.handed_out = Some(now);
        }
        self.changes += 1;
        let file_len = self.file.file_len().map_err(error)?.saturating_sub(self.file.offset()) as usize;
        // What does not fit stays outside, until the views are gone.
        let fits = self.file.exports == 0 || file_len <= self.file.capacity();
        if self.grows_with_file && self.file.is_growable() && file_len > self.file.len() && fits {
            super::growth::refresh_open(self)?;
        }
        Ok(())
    }

    /// [`take_in`](Self::take_in), after which the position was changed by us.
    pub(super) fn follow(&mut self) {
        if self.handed_out.is_some() {
            self.place_descriptor();
        }
    }
}

pub(crate) fn isatty(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(super::boolean(this.py, false))
}

pub(crate) fn offset(this: This<'_>) -> Returned<'_> {
    let offset = this.open(this.py, |open| Ok(open.file.offset()))?;
    args::python_uint(this.py, offset)
}
