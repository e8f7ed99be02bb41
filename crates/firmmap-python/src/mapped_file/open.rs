//! Making a map: `firmmap.open()`, `firmmap.anonymous()`, the class itself; and what a pickle holds.

use std::io::{Seek, SeekFrom};

use firmmap::{MmapOptions, Mode};
use pyo3::exceptions::{PyOSError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};

use super::{MappedFile, This, error};
use crate::args::{self, Constructor};
use crate::constants::{ACCESS_COPY, ACCESS_READ, ACCESS_WRITE};
use crate::mapped::Returned;
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

    pub(super) fn repr(&self, py: Python<'_>) -> PyResult<String> {
        self.given(py).map_or_else(|| Ok("anonymous".to_owned()), |name| Ok(name.repr()?.to_string()))
    }
}

pub(crate) fn name(this: This<'_>) -> Returned<'_> {
    let given = this.name.given(this.py);
    Ok(given.unwrap_or_else(|| PyString::intern(this.py, "<anonymous>").into_any()))
}

pub(crate) fn mode(this: This<'_>) -> Returned<'_> {
    Ok(PyString::intern(this.py, of_plain_file(this.mode)).into_any())
}

/// The class's constructor, which `open()` is too.
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

/// Map a file, as a MappedFile: a whole binary file and a whole byte array.
///
/// path is a path, or a descriptor, which stays the caller's. mode is:
///
/// 'r'   read; the file must exist
/// 'r+'  read and write
/// 'w+'  read and write; the file is created, or truncated
/// 'x+'  read and write; the file is created, and must not exist
/// 'c'   read and change; changes stay in memory (copy-on-write)
///
/// length bytes from offset on are mapped; without a length, to the end of the
/// file, where other programs may append: the map goes on with it. Any offset will do, and an empty range too. A range that reaches beyond
/// the end is a ValueError in the modes 'r' and 'c'; in the others the file grows.
///
/// Written past its end, or truncated, the file grows or shrinks, and the map with
/// it. capacity reserves addresses for so many bytes, no memory: growth up to there
/// never moves the map, and works while memoryviews and numpy arrays of it exist.
/// A capacity that the file has outgrown reserves nothing; one below a length that
/// is given is a ValueError.
#[pyfunction]
#[pyo3(signature = (path, mode = None, *, offset = None, length = None, capacity = None))]
#[pyo3(text_signature = "(path, mode='r', *, offset=0, length=None, capacity=None)")]
pub(crate) fn open<'py>(
    path: Bound<'py, PyAny>,
    mode: Option<Bound<'py, PyAny>>,
    offset: Option<Bound<'py, PyAny>>,
    length: Option<Bound<'py, PyAny>>,
    capacity: Option<Bound<'py, PyAny>>,
) -> Returned<'py> {
    let py = path.py();
    let body = Request::new(mode, offset, length, capacity)?.open(path)?;
    crate::sys::mapped_file::new_file(py, body)
}

/// Make memory without a file: length zeros, as a MappedFile that can grow.
///
/// Processes that are forked later share it. capacity reserves addresses for so many
/// bytes: growth up to there never moves it, and works while views of it exist.
/// Where another process has made it longer, refresh() takes that in.
#[pyfunction]
#[pyo3(signature = (length, *, capacity = None))]
pub(crate) fn anonymous<'py>(length: Bound<'py, PyAny>, capacity: Option<Bound<'py, PyAny>>) -> Returned<'py> {
    let py = length.py();
    let body = map_anonymous(&length, capacity.as_ref())?;
    crate::sys::mapped_file::new_file(py, body)
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
                Ok(name) => name.to_cow()?.parse().map_err(error)?,
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
            let descriptor = args::int(path.as_borrowed())?;
            let number = PyInt::new(py, descriptor).into_any();
            let mode = self.mode;
            return self.map(py, descriptor, Name::Descriptor(number.into()), mode);
        }
        let os = py.import(intern!(py, "os"))?;
        let given = os.call_method1(intern!(py, "fspath"), (&path,))?;
        let os_path = os.getattr(intern!(py, "path"))?;
        let absolute = os_path.call_method1(intern!(py, "abspath"), (&given,))?;
        // It raises the audit event and the exceptions that Python's own functions do.
        let flags = self.flags(&os)?;
        let opened = os.call_method1(intern!(py, "open"), (&given, flags, 0o666))?;
        let descriptor = args::int(opened.as_borrowed())?;
        let name = Name::Path { given: given.clone().into(), absolute: absolute.into() };
        // Those that create have done so.
        let mode = if self.mode.access() == firmmap::Access::Write { Mode::ReadWrite } else { self.mode };
        let result = self.map(py, descriptor, name, mode);
        let closed = os.call_method1(intern!(py, "close"), (opened,));
        let file = result?;
        closed?;
        Ok(file)
    }

    fn flags(&self, os: &Bound<'_, PyModule>) -> PyResult<i32> {
        let names: &[&str] = match self.mode {
            Mode::Read | Mode::Copy => &["O_RDONLY"],
            Mode::ReadWrite => &["O_RDWR"],
            Mode::Create => &["O_RDWR", "O_CREAT", "O_TRUNC"],
            Mode::CreateNew => &["O_RDWR", "O_CREAT", "O_EXCL"],
        };
        let system = if cfg!(windows) { "O_BINARY" } else { "O_CLOEXEC" };
        names.iter().chain([&system]).try_fold(0, |flags, name| Ok(flags | os.getattr(*name)?.extract::<i32>()?))
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
        // An empty file ends before the offset, from which on it is to be mapped.
        let is_new = matches!(self.mode, Mode::Create | Mode::CreateNew);
        if let Some(length) = self.length.or(is_new.then_some(0)) {
            options = options.len(length);
        }
        let result = py.detach(|| options.map_mode(&source, mode));
        // Of a directory, nothing at all could be mapped. It is refused as by a plain file.
        if result.as_ref().map_or(true, |file| file.is_empty()) && is_directory(py, descriptor)? {
            let name = name.given(py).map(Bound::unbind);
            return Err(PyOSError::new_err((IS_A_DIRECTORY, "Is a directory", name)));
        }
        let file = result.map_err(error)?;
        Ok(MappedFile::new(file, self.mode, name, self.capacity))
    }
}

fn is_directory(py: Python<'_>, descriptor: i32) -> PyResult<bool> {
    let path = py.import(intern!(py, "os"))?.getattr(intern!(py, "path"))?;
    path.call_method1(intern!(py, "isdir"), (descriptor,))?.is_truthy()
}

fn number(what: &str, object: &Bound<'_, PyAny>) -> PyResult<usize> {
    if !args::is_index(object.as_borrowed()) {
        return Err(wrong_type(what, "an integer", object));
    }
    let number = args::ssize(object.as_borrowed()).map_err(|error| {
        // More than an address can be is behind the end of every file.
        let is_out_of_range = error.is_instance_of::<PyOverflowError>(object.py());
        if is_out_of_range { PyValueError::new_err(format!("{what} {object} is out of range")) } else { error }
    })?;
    usize::try_from(number).map_err(|_| PyValueError::new_err(format!("{what} {number} is negative")))
}

fn optional_number(what: &str, object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<usize>> {
    object.filter(|object| !object.is_none()).map(|object| number(what, object)).transpose()
}

fn wrong_type(what: &str, wanted: &str, object: &Bound<'_, PyAny>) -> PyErr {
    match object.get_type().name() {
        Ok(class) => PyTypeError::new_err(format!("{what} must be {wanted}, not {class}")),
        Err(error) => error,
    }
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
    let restore = py.import(intern!(py, "firmmap._mapped_file"))?.getattr(intern!(py, "restore"))?;
    let class = this.object().get_type();
    let arguments = (class, path, mode.as_str(), offset, length, capacity).into_pyobject(py)?;
    // What subclasses add: their `__dict__` and their slots, or what they say themselves.
    let state = this.object().call_method0(intern!(py, "__getstate__"))?;
    if state.is_none() || state.cast::<PyDict>().is_ok_and(|state| state.is_empty()) {
        return Ok((restore, arguments).into_pyobject(py)?.into_any());
    }
    Ok((restore, arguments, state).into_pyobject(py)?.into_any())
}

pub(crate) fn fileno(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    this.open(py, |open| {
        if matches!(this.name, Name::Anonymous) {
            return Err(super::unsupported("fileno: the memory is anonymous".to_owned()));
        }
        open.hand_out(matches!(this.name, Name::Path { .. }))
    })?
    .into_pyobject(py)
    .map(Bound::into_any)
    .map_err(PyErr::from)
}

impl super::Open {
    /// The descriptor of the file. Its own position is set to ours, so that who reads or writes with it does so here; unless
    /// it shares that with a descriptor of the caller's, for whom it would move.
    fn hand_out(&mut self, is_alone: bool) -> PyResult<i32> {
        let number = self.file.file().and_then(descriptor::number);
        let number = number.ok_or_else(|| super::unsupported("fileno: the map has no descriptor".to_owned()))?;
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
    Ok(offset.into_pyobject(this.py)?.into_any())
}
