//! Creating a map: `firmmap.open()`, `firmmap.anonymous()` and the constructor; and the properties that show the arguments.

use firmmap::Mode;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::open::{Name, OpenArgs};
use super::{MappedFile, This, error};
use crate::args::{self, ArgParser};
use crate::common::{Object, Returned};
use crate::constants::ACCESS_WRITE;
use crate::sys::audit;
use crate::sys::exception::{Exception, PyResult, PyTypeError, PyValueError};
use crate::sys::objects::{attribute, class_name, digits, import, new_string, shortened};
use crate::sys::owned::Owned;

/// What the class's constructor and `open()` do.
pub(crate) fn new<'py>(args: &Bound<'py, PyTuple>, names: Option<&Bound<'py, PyDict>>) -> PyResult<MappedFile> {
    let mut args = ArgParser::new(args, names, 2, 11)?;
    let path = args.required("path")?;
    let mode = args.next("mode")?;
    let offset = args.next("offset")?;
    let length = args.next("length")?;
    let capacity = args.next("capacity")?;
    let create = args.next("create")?;
    let sparse = args.next("sparse")?;
    let keep_file = args.next("keep_file")?;
    let load = args.next("load")?;
    let closefd = args.next("closefd")?.filter(|closefd| !closefd.is_none());
    let opener = args.next("opener")?.filter(|opener| !opener.is_none());
    args.finish()?;
    let mut args = OpenArgs::new(mode, offset, length, capacity)?;
    if flag(create.as_ref(), false)? {
        args.create()?;
    }
    args.sparse = flag(sparse.as_ref(), false)?;
    args.keep_file = flag(keep_file.as_ref(), true)?;
    args.load = flag(load.as_ref(), false)?;
    args.closefd = closefd.map(|closefd| flag(Some(&closefd), false)).transpose()?;
    args.opener = opener.map(Owned::from);
    args.check()?;
    args.open(path)
}

/// `firmmap.open()`.
pub(crate) fn open<'py>(
    module: &Bound<'py, PyModule>,
    args: &Bound<'py, PyTuple>,
    names: Option<&Bound<'py, PyDict>>,
) -> Returned<'py> {
    super::type_object::new_file(module, new(args, names)?)
}

/// `firmmap.anonymous()`.
pub(crate) fn anonymous<'py>(
    module: &Bound<'py, PyModule>,
    args: &Bound<'py, PyTuple>,
    names: Option<&Bound<'py, PyDict>>,
) -> Returned<'py> {
    let mut args = ArgParser::new(args, names, 1, 2)?;
    let length = args.required("length")?;
    let capacity = args.next("capacity")?;
    args.finish()?;
    super::type_object::new_file(module, map_anonymous(&length, capacity.as_ref())?)
}

/// `MappedFile.anonymous()`: what the class that it is called on holds then.
pub(crate) fn anonymous_of_class<'py>(
    args: &Bound<'py, PyTuple>,
    names: Option<&Bound<'py, PyDict>>,
) -> PyResult<MappedFile> {
    let mut args = ArgParser::new(args, names, 1, 2)?;
    let length = args.required("length")?;
    let capacity = args.next("capacity")?;
    args.finish()?;
    map_anonymous(&length, capacity.as_ref())
}

fn map_anonymous(length: &Bound<'_, PyAny>, capacity: Option<&Bound<'_, PyAny>>) -> PyResult<MappedFile> {
    let len = number("length", length)?;
    let capacity = optional_number("capacity", capacity)?;
    check_capacity(len, capacity)?;
    audit::mmap_new(length.py(), -1, len, ACCESS_WRITE, 0)?;
    let file = firmmap::MappedFile::anonymous(len, capacity).map_err(error)?;
    Ok(MappedFile::new(file, Mode::ReadWrite, Name::Anonymous, capacity))
}

impl OpenArgs {
    /// Converts the arguments.
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
        let (sparse, load) = (false, false);
        Ok(Self { mode, offset, length, capacity, sparse, keep_file: true, load, closefd: None, opener: None })
    }

    /// Refuses arguments that do not go together.
    fn check(&self) -> PyResult<()> {
        let mode = self.mode.as_str();
        let message = match self.mode {
            Mode::Read | Mode::Copy if self.sparse => {
                format!("sparse=True is about how a file grows, which it does not with mode '{mode}'")
            }
            Mode::Read | Mode::Copy => return Ok(()),
            _ if self.load => format!(
                "load=True reads the file into memory, from where nothing is written back: with mode 'r' or 'c', not '{mode}'"
            ),
            Mode::Append if !self.keep_file => {
                "mode 'a+' appends with a descriptor: it does not go with keep_file=False".to_owned()
            }
            _ => return Ok(()),
        };
        Err(PyValueError::new_err(message))
    }

    /// With `create=True`: mode "r+" makes a file that is missing.
    fn create(&mut self) -> PyResult<()> {
        match self.mode {
            Mode::ReadWrite => self.mode = Mode::OpenOrCreate,
            Mode::Read | Mode::Copy => {
                let mode = self.mode.as_str();
                let message =
                    format!("create=True makes a file that is to be written to: with mode 'r+', not '{mode}'");
                return Err(PyValueError::new_err(message));
            }
            // These do so anyway.
            _ => {}
        }
        Ok(())
    }
}

/// An argument that is true or false.
fn flag(object: Option<&Bound<'_, PyAny>>, default: bool) -> PyResult<bool> {
    Ok(object.map_or(Ok(default), |object| object.is_truthy())?)
}

fn check_capacity(length: usize, capacity: Option<usize>) -> PyResult<()> {
    match capacity {
        Some(capacity) if capacity < length => {
            Err(PyValueError::new_err(format!("capacity {capacity} is less than length {length}")))
        }
        _ => Ok(()),
    }
}

fn number(what: &str, object: &Bound<'_, PyAny>) -> PyResult<usize> {
    if !args::is_index(object.as_borrowed()) {
        return Err(wrong_type(what, "an integer", object));
    }
    let number = args::ssize(object.as_borrowed()).map_err(|error| {
        // An offset that no address can express is past the end of every file.
        if !error.is_overflow(object.py()) {
            return error;
        }
        let number = digits(object.as_borrowed());
        PyValueError::new_err(if number.starts_with('-') {
            format!("{what} {number} is negative")
        } else {
            format!("{what} {number} is out of range: at most {}", isize::MAX)
        })
    })?;
    usize::try_from(number).map_err(|_| PyValueError::new_err(format!("{what} {number} is negative")))
}

fn optional_number(what: &str, object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<usize>> {
    object.filter(|object| !object.is_none()).map(|object| number(what, object)).transpose()
}

fn wrong_type(what: &str, wanted: &str, object: &Bound<'_, PyAny>) -> Exception {
    PyTypeError::new_err(format!("{what} must be {wanted}, not {}", class_name(object.as_borrowed())))
}

/// What a plain binary file that is open in this way has as its `mode`, in this interpreter.
fn of_plain_file(py: Python<'_>, mode: Mode) -> &'static str {
    match mode {
        Mode::Read => "rb",
        Mode::CreateNew => "xb+",
        Mode::Append => "ab+",
        Mode::Create if py.version_info() >= (3, 15) => "wb+",
        _ => "rb+",
    }
}

/// How much is read at a time by what buffers a raw file.
pub(crate) fn block_size(this: This<'_>) -> Returned<'_> {
    attribute(&import(this.py, c"io")?, c"DEFAULT_BUFFER_SIZE")
}

/// As the raw files of `io` have it, whatever the name is to be good for.
pub(crate) fn set_name(this: This<'_>, name: Option<Object<'_, '_>>) -> PyResult<()> {
    let Some(name) = name else { return Err(PyTypeError::new_err("the name can be changed, not deleted")) };
    let name = Owned::from(name.to_owned());
    // Dropped when the state is unlocked: that can run Python code.
    let before = this.renamed.with(this.py, |renamed| renamed.replace(name));
    drop(before);
    Ok(())
}

pub(crate) fn name(this: This<'_>) -> Returned<'_> {
    let renamed = this.renamed.with(this.py, |renamed| renamed.as_ref().map(|name| name.bind(this.py).clone()));
    if let Some(name) = renamed {
        return Ok(name);
    }
    let given = this.name.given(this.py);
    given.map_or_else(|| new_string(this.py, "<anonymous>"), Ok)
}

pub(crate) fn mode(this: This<'_>) -> Returned<'_> {
    new_string(this.py, of_plain_file(this.py, this.mode))
}

pub(crate) fn offset(this: This<'_>) -> Returned<'_> {
    let offset = this.open(this.py, |open| Ok(open.file.offset()))?;
    args::python_uint(this.py, offset)
}
