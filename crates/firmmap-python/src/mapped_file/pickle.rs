//! Pickling: what a pickle of a map holds.

use firmmap::Mode;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::open::Name;
use super::{Flags, This, none};
use crate::args;
use crate::common::Returned;
use crate::sys::exception::PyTypeError;
use crate::sys::objects::{attribute, boolean, call_method, import, new_string, new_tuple};

/// What a pickle holds: the class, the absolute path, the mode, the range, and the flags that the file was opened with.
///
/// It is not `__reduce_ex__`, which pickle would call before the `__reduce__` of a subclass.
pub(crate) fn reduce(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    let path = match &this.name {
        Name::Path { absolute, .. } => absolute.bind(py),
        Name::Descriptor(_) => {
            let message =
                "cannot pickle a map that was made of a descriptor: it has no path by which another process finds it";
            return Err(PyTypeError::new_err(message));
        }
        Name::Anonymous => {
            let message = "cannot pickle anonymous memory: only processes that are forked later share it";
            return Err(PyTypeError::new_err(message));
        }
    };
    let (offset, length) = this.open(py, |open| Ok((open.file.offset(), open.file.len())))?;
    // The map may have outgrown the argument.
    let capacity = this.capacity.map(|capacity| capacity.max(length));
    // What was created must not be created again.
    let mode = match this.mode {
        Mode::Create | Mode::CreateNew | Mode::OpenOrCreate => Mode::ReadWrite,
        mode => mode,
    };
    let restore = attribute(&import(py, c"firmmap._mapped_file")?, c"restore")?;
    let class = this.object().get_type();
    let capacity = capacity.map(|capacity| args::python_int(py, capacity as isize)).transpose()?;
    let (offset, length) = (args::python_uint(py, offset)?, args::python_int(py, length as isize)?);
    let mode = new_string(py, mode.as_str())?;
    let capacity = capacity.unwrap_or_else(|| none(py));
    let Flags { sparse, keep_file, load } = this.flags;
    let [sparse, keep_file, load] = [sparse, keep_file, load].map(|flag| boolean(py, flag));
    let arguments = [class.into_any(), path.clone(), mode, offset, length, capacity, sparse, keep_file, load];
    let arguments = new_tuple(py, arguments)?.into_any();
    // What subclasses add: their `__dict__` and their slots, or what they say themselves.
    let state = call_method(&this.object(), c"__getstate__", [])?;
    if state.is_none() || state.cast::<PyDict>().is_ok_and(|state| state.is_empty()) {
        return Ok(new_tuple(py, [restore, arguments])?.into_any());
    }
    Ok(new_tuple(py, [restore, arguments, state])?.into_any())
}
