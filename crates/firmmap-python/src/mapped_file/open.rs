//! Opening a file by its path or descriptor, and mapping it.

use std::ffi::CStr;
use std::fs::File;
use std::io::{ErrorKind as ErrorKindOfIo, Read};

use firmmap::{ErrorKind, MmapOptions, Mode};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::{Flags, MappedFile, error};
use crate::args;
use crate::constants::{ACCESS_COPY, ACCESS_READ, ACCESS_WRITE};
use crate::errors::{NO_SUCH_DEVICE, PERMISSION_DENIED, system_error};
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyOSError, PyResult, PyTypeError, PyValueError};
use crate::sys::objects::{attribute, boolean, call, call_method, class_name, import};
use crate::sys::owned::Owned;
use crate::sys::state_lock::StateLock;
use crate::sys::{audit, descriptor};

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
    pub(super) fn given<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
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

    /// What `repr()` shows of it; nothing for memory without a file.
    pub(super) fn repr<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        Ok(self.given(py).map(|name| name.repr()).transpose()?)
    }
}

/// EISDIR: the same number on every system that opens directories.
const IS_A_DIRECTORY: i32 = 21;

/// The arguments of `open()` but the path.
pub(super) struct OpenArgs {
    pub(super) mode: Mode,
    pub(super) offset: usize,
    pub(super) length: Option<usize>,
    pub(super) capacity: Option<usize>,
    /// What the file grows by without being written is holes.
    pub(super) sparse: bool,
    pub(super) keep_file: bool,
    /// The file is read into memory.
    pub(super) load: bool,
    pub(super) closefd: Option<bool>,
    pub(super) opener: Option<Owned>,
}

impl OpenArgs {
    pub(super) fn open(self, path: Bound<'_, PyAny>) -> PyResult<MappedFile> {
        let py = path.py();
        // As builtins.open(): whatever stands for an integer is a descriptor.
        if args::is_index(path.as_borrowed()) {
            if matches!(self.mode, Mode::CreateNew | Mode::OpenOrCreate) {
                let what = if self.mode == Mode::CreateNew { "mode 'x+' creates" } else { "create=True makes" };
                let message = format!("{what} a file, and needs a path: a descriptor is of a file that exists");
                return Err(PyValueError::new_err(message));
            }
            let descriptor = args::named_int("descriptor", path.as_borrowed())?;
            let number = args::python_int(py, descriptor as isize)?;
            let mode = self.mode;
            if self.closefd == Some(true) {
                let name = Name::Descriptor(number.into());
                // Before others can run, who could close it.
                let handed_over = descriptor::HandedOver::new(py, descriptor);
                let handed_over = handed_over.map_err(|failed| name_descriptor(py, failed, &name))?;
                let mut file = self.map(py, descriptor, None, name, mode, false)?;
                file.closes = StateLock::new(Some(handed_over));
                file.closefd = true;
                return Ok(file);
            }
            return self.map(py, descriptor, None, Name::Descriptor(number.into()), mode, false);
        }
        if self.closefd == Some(false) {
            return Err(PyValueError::new_err("Cannot use closefd=False with file name"));
        }
        let os = import(py, c"os")?;
        let is_name = path.is_instance_of::<PyString>() || path.is_instance_of::<PyBytes>();
        if !is_name && attribute(&path, c"__fspath__").is_err() && attribute(&path, c"fileno").is_ok() {
            let class = class_name(path.as_borrowed());
            let message = format!("path must be a path or a descriptor, not {class}: give its name, or its fileno()");
            return Err(PyTypeError::new_err(message));
        }
        let given = call_method(&os, c"fspath", [path])?;
        let os_path = attribute(&os, c"path")?;
        let absolute = call_method(&os_path, c"abspath", [given.clone()])?;
        let Opened { file: opened, created } = self.open_path(&os, &os_path, &given)?;
        let descriptor = args::int(opened.as_borrowed())?;
        let name = Name::Path { given: given.clone().into(), absolute: absolute.into() };
        // The file has been created.
        let mode = if self.mode == Mode::CreateNew { Mode::ReadWrite } else { self.mode };
        // To close a second descriptor would take the process's locks of the file away (fcntl(2), "Advisory record locking"). Nobody has any
        // of a new file, which may have to be removed.
        let own = if created.is_none() && self.keep_file && !self.load { descriptor::own(descriptor) } else { None };
        if own.is_some() {
            return self.map(py, descriptor, own, name, mode, false);
        }
        let result = self.map(py, descriptor, None, name, mode, created.is_some());
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

    /// Opens the file by `os.open()`, which raises the audit event and the exceptions that Python's own functions do. An existing
    /// file keeps its bytes, in every mode.
    fn open_path<'py>(
        &self,
        os: &Bound<'py, PyAny>,
        os_path: &Bound<'py, PyAny>,
        given: &Bound<'py, PyAny>,
    ) -> PyResult<Opened<'py>> {
        let py = os.py();
        let opener = self.opener.as_ref().map(|opener| opener.bind(py));
        let open = |path: &Bound<'py, PyAny>, names: &[&CStr]| -> PyResult<Bound<'py, PyAny>> {
            let system = if cfg!(windows) { c"O_BINARY" } else { c"O_CLOEXEC" };
            let mut flags = 0;
            for name in names.iter().chain([&system]) {
                flags |= args::int(attribute(os, name)?.as_borrowed())?;
            }
            let (flags, permissions) = (args::python_int(py, flags as isize)?, args::python_int(py, 0o666)?);
            if let Some(opener) = opener {
                return opened_by(os, call(opener, [path.clone(), flags])?);
            }
            call_method(os, c"open", [path.clone(), flags, permissions])
        };
        let writing: &[&CStr] = if self.mode == Mode::Append { &[c"O_RDWR", c"O_APPEND"] } else { &[c"O_RDWR"] };
        let existing = |names: &[&CStr]| Ok(Opened { file: open(given, names)?, created: None });
        let create = |path: Bound<'py, PyAny>| {
            let file = open(&path, &[writing, &[c"O_CREAT", c"O_EXCL"]].concat())?;
            Ok(Opened { file, created: Some(path) })
        };
        match self.mode {
            Mode::Read | Mode::Copy => return existing(&[c"O_RDONLY"]),
            Mode::ReadWrite => return existing(writing),
            // What an opener does is not known: it may have opened what was there.
            Mode::CreateNew if opener.is_some() => return existing(&[writing, &[c"O_CREAT", c"O_EXCL"]].concat()),
            Mode::CreateNew => return create(given.clone()),
            // It may look for the path elsewhere than we would.
            _ if opener.is_some() => return existing(&[writing, &[c"O_CREAT"]].concat()),
            Mode::Create | Mode::OpenOrCreate | Mode::Append => {}
        }
        let mut path = given.clone();
        // Others may make and remove the file meanwhile.
        for _ in 0..TRIES {
            if call_method(os_path, c"exists", [path.clone()])?.is_truthy()? {
                match existing(writing) {
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
        existing(writing)
    }

    /// Maps the file of a descriptor, or one that is ours, and then is closed with the map, or if there is none.
    fn map(
        self,
        py: Python<'_>,
        descriptor: i32,
        own: Option<File>,
        name: Name,
        mode: Mode,
        is_new: bool,
    ) -> PyResult<MappedFile> {
        let access = match mode.access() {
            firmmap::Access::Read => ACCESS_READ,
            firmmap::Access::Copy => ACCESS_COPY,
            firmmap::Access::Write => ACCESS_WRITE,
        };
        audit::mmap_new(py, descriptor, self.length.unwrap_or(0), access, self.offset as u64)?;
        let source = descriptor::borrow(py, descriptor).map_err(|failed| name_descriptor(py, failed, &name))?;
        let mut options = MmapOptions::new().offset(self.offset as u64).capacity(self.capacity.unwrap_or(0));
        options = options.follow_end(self.length.is_none());
        // It may be closed afterwards.
        let found = own.as_ref().and_then(|file| file.metadata().ok());
        // What an opener has done is not known: an empty file is as one that it has created.
        let may_be_new =
            self.opener.is_some() && matches!(self.mode, Mode::CreateNew | Mode::OpenOrCreate | Mode::Append);
        let is_new = is_new || may_be_new && found.as_ref().is_some_and(|found| found.is_file() && found.len() == 0);
        // A new file ends before the offset, from which on it is to be mapped.
        if let Some(length) = self.length.or(is_new.then_some(0)) {
            options = options.len(length);
        }
        options = options.sparse(self.sparse).track_file(self.keep_file);
        let kind = found.map(|found| found.file_type());
        let result = if self.load {
            load(py, &options, &source, mode)?
        } else if let Some(file) = own {
            detached(py, || options.map_own(file, mode))
        } else {
            detached(py, || options.map_mode(&source, mode))
        };
        // Of a directory, nothing at all could be mapped. It is refused as by a plain file.
        if result.as_ref().map_or(true, |file| file.is_empty())
            && kind.map_or_else(|| is_directory(py, descriptor), |kind| Ok(kind.is_dir()))?
        {
            let name = name.given(py);
            return Err(PyOSError::new_err((IS_A_DIRECTORY, "Is a directory", name)));
        }
        let mut file = result.map_err(|failed| {
            // What is said of a device is about the arguments; this is about the file.
            let is_regular = || kind.map_or_else(|| is_regular(py, descriptor).unwrap_or(false), |kind| kind.is_file());
            let is_pseudo = failed.kind() == ErrorKind::UnknownLength && is_regular();
            let raised = if is_pseudo {
                PyOSError::new_err((NO_SUCH_DEVICE, format!("{failed}; load=True reads it into memory")))
            } else {
                self.refused(py, failed, &name)
            };
            name_descriptor(py, raised.with_filename(|| name.filename(py)), &name)
        })?;
        // As a file of a descriptor, a map of its whole file begins where that stands; an opener may have moved it.
        let is_whole = self.offset == 0 && self.length.is_none();
        let may_stand = self.opener.is_some() || matches!(name, Name::Descriptor(_));
        if is_whole && may_stand && !matches!(self.mode, Mode::Create | Mode::Append) {
            let position = file.descriptor_position().and_then(|position| usize::try_from(position).ok());
            file.set_position(position.unwrap_or(0));
        }
        let mut file = MappedFile::new(file, self.mode, name, self.capacity);
        file.flags = Flags { sparse: self.sparse, keep_file: self.keep_file, load: self.load };
        Ok(file)
    }
}

impl OpenArgs {
    /// The system's refusals, and what they are about.
    fn refused(&self, py: Python<'_>, failed: firmmap::Error, name: &Name) -> Exception {
        let number = failed.os_error().and_then(std::io::Error::raw_os_error);
        match number {
            Some(number) if cfg!(unix) && number == PERMISSION_DENIED && matches!(name, Name::Descriptor(_)) => {
                let mode = self.mode.as_str();
                let needed = if self.mode.access() == firmmap::Access::Write { "read and written" } else { "read" };
                let message = format!("Permission denied: mode '{mode}' needs a descriptor that can be {needed}");
                PyOSError::new_err((number, message))
            }
            Some(number) if cfg!(unix) && number == NO_MEMORY => {
                let asked = match (self.capacity, self.length) {
                    (Some(capacity), _) => format!("a capacity of {capacity} bytes"),
                    (None, Some(length)) => format!("a length of {length} bytes"),
                    (None, None) => "the length of the file".to_owned(),
                };
                let limit = descriptor::address_limit().map_or_else(
                    || "more addresses than a process has, or more maps (vm.max_map_count)".to_owned(),
                    |limit| format!("more addresses than the process may have: {limit} bytes (ulimit -v)"),
                );
                PyOSError::new_err((number, format!("Cannot allocate memory: {asked} needs {limit}")))
            }
            _ => {
                // A `ValueError` has no attribute for the file, as an `OSError` has.
                let message = match failed.kind() {
                    ErrorKind::UnknownLength => format!("{failed}, or load=True"),
                    ErrorKind::OffsetBeyondEnd | ErrorKind::LengthBeyondEnd => failed.to_string(),
                    _ => return error(failed),
                };
                match name.repr(py) {
                    Ok(Some(name)) => PyValueError::new_err(format!("{message}: {name}")),
                    Ok(None) => PyValueError::new_err(message),
                    Err(raised) => raised,
                }
            }
        }
    }
}

/// ENOMEM: the same number on every Unix.
const NO_MEMORY: i32 = 12;

/// Reads the file into memory. Signals are handled while it waits, for a pipe.
fn load(
    py: Python<'_>,
    options: &MmapOptions,
    source: &descriptor::Source,
    mode: Mode,
) -> PyResult<firmmap::Result<firmmap::MappedFile>> {
    let file = descriptor::duplicate(source).map_err(|error| system_error(&error))?;
    let mut raised = None;
    let read = |mut file: &File, buffer: &mut [u8]| loop {
        match detached(py, || file.read(buffer)) {
            Err(error) if error.kind() == ErrorKindOfIo::Interrupted => {
                if let Err(signal) = py.check_signals() {
                    raised = Some(Exception::from(signal));
                    return Err(error);
                }
            }
            result => return result,
        }
    };
    let map = options.clone().access(mode.access()).load_from(&file, read);
    raised.map_or_else(|| Ok(map.map(firmmap::MappedFile::new)), Err)
}

/// Names the descriptor in an error about it, as files do.
pub(super) fn name_descriptor(py: Python<'_>, error: Exception, name: &Name) -> Exception {
    error.with_filename(|| match name {
        Name::Descriptor(number) => Some(number.bind(py).clone().into()),
        _ => None,
    })
}

/// What an opener has returned: a descriptor, which children are not to inherit.
fn opened_by<'py>(os: &Bound<'py, PyAny>, file: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if !args::is_index(file.as_borrowed()) {
        return Err(PyTypeError::new_err("expected integer from opener"));
    }
    let number = args::int(file.as_borrowed())?;
    if number < 0 {
        return Err(PyValueError::new_err(format!("opener returned {number}")));
    }
    call_method(os, c"set_inheritable", [file.clone(), boolean(os.py(), false)])?;
    Ok(file)
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

/// Whether the file that was created at `path` is still there, a regular one, and still empty.
fn is_new_file<'py>(
    os: &Bound<'py, PyAny>,
    os_path: &Bound<'py, PyAny>,
    descriptor: &Bound<'py, PyAny>,
    path: &Bound<'py, PyAny>,
) -> PyResult<bool> {
    let here = call_method(os, c"fstat", [descriptor.clone()])?;
    let there = call_method(os, c"lstat", [path.clone()])?;
    let is_same = call_method(os_path, c"samestat", [here.clone(), there])?.is_truthy()?;
    let is_regular = call_method(os_path, c"isfile", [descriptor.clone()])?.is_truthy()?;
    Ok(is_same && is_regular && !attribute(&here, c"st_size")?.is_truthy()?)
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
