//! Arguments: from Python's objects to numbers and bytes, in the order and with the messages of the standard library.

use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::sys::number;

pub(crate) use crate::sys::buffer::Argument;
use crate::sys::exception::{Exception, PyResult, PyTypeError};
pub(crate) use crate::sys::number::{
    Slice, byte, c_int, clipped, exact_int, find_slice_parts, find_small_ints, int, is_index, item_index, item_value,
    limited, named_int, named_ssize, offset, python_byte, python_int, python_uint, small_int, ssize,
};
use crate::sys::objects::{class_name, new_string};
pub(crate) use crate::sys::trampoline::Args;
use crate::sys::trampoline::unexpected_name;

type Object<'a, 'py> = Borrowed<'a, 'py, PyAny>;

/// A number of bytes for `read`: `None`, and nothing at all, mean all of them.
pub(crate) fn optional_count(object: Option<Object<'_, '_>>) -> PyResult<Option<isize>> {
    match object {
        None => Ok(None),
        Some(object) if object.is_none() => Ok(None),
        Some(object) if is_index(object) => number::count(object).map(Some),
        Some(object) => {
            let name = class_name(object);
            Err(PyTypeError::new_err(format!("argument should be integer or None, not '{name}'")))
        }
    }
}

/// A bound of a search: `None`, and nothing at all, mean the default.
pub(crate) fn optional_ssize(object: Option<Object<'_, '_>>) -> PyResult<Option<isize>> {
    match object {
        Some(object) if !object.is_none() => ssize(object).map(Some),
        _ => Ok(None),
    }
}

/// The arguments of a constructor, taken one after the other as the standard library's own parser does.
pub(crate) struct ArgParser<'a, 'py> {
    args: &'a Bound<'py, PyTuple>,
    names: Option<&'a Bound<'py, PyDict>>,
    /// How many were given by position.
    placed: usize,
    index: usize,
    used: usize,
    known: [&'static str; MOST],
    /// The first one that was given by name and by position, and its place.
    twice: Option<(&'static str, usize)>,
}

/// More arguments than any constructor has.
const MOST: usize = 16;

impl<'a, 'py> ArgParser<'a, 'py> {
    /// `positional` arguments can be given by position or name, `total` in all.
    pub(crate) fn new(
        args: &'a Bound<'py, PyTuple>,
        names: Option<&'a Bound<'py, PyDict>>,
        positional: usize,
        total: usize,
    ) -> PyResult<Self> {
        let placed = args.len();
        let given = placed + names.map_or(0, |names| names.len());
        if given > total {
            return Err(PyTypeError::new_err(format!("function takes at most {total} arguments ({given} given)")));
        }
        if placed > positional {
            let message = format!("function takes at most {positional} positional arguments ({placed} given)");
            return Err(PyTypeError::new_err(message));
        }
        Ok(Self { args, names, placed, index: 0, used: 0, known: [""; MOST], twice: None })
    }

    /// The next argument, by its place or its name.
    #[inline]
    pub(crate) fn next(&mut self, name: &'static str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let index = self.index;
        self.index += 1;
        // Asking for what is not there would make an exception.
        let placed = if index < self.placed { Some(self.args.get_item(index)?) } else { None };
        let Some(names) = self.names else { return Ok(placed) };
        self.known[index] = name;
        let named = if self.used < names.len() { names.get_item(new_string(names.py(), name)?)? } else { None };
        self.used += usize::from(named.is_some());
        if placed.is_some() && named.is_some() {
            self.twice.get_or_insert((name, index + 1));
        }
        Ok(placed.or(named))
    }

    /// As [`next`](Self::next), for an argument that must be there.
    pub(crate) fn required(&mut self, name: &'static str) -> PyResult<Bound<'py, PyAny>> {
        let place = self.index + 1;
        let missing = || PyTypeError::new_err(format!("function missing required argument '{name}' (pos {place})"));
        self.next(name)?.ok_or_else(missing)
    }

    /// Refuses arguments that were given twice, and keyword arguments that were not asked for.
    pub(crate) fn finish(self) -> PyResult<()> {
        if let Some((name, place)) = self.twice {
            let message = format!("argument for function given by name ('{name}') and position ({place})");
            return Err(PyTypeError::new_err(message));
        }
        let Some(names) = self.names.filter(|names| names.len() > self.used) else { return Ok(()) };
        for (name, _) in names.iter() {
            let Ok(name) = name.cast::<PyString>() else {
                return Err(PyTypeError::new_err("keywords must be strings"));
            };
            if !name.to_str().map_err(Exception::from).is_ok_and(|name| self.known[..self.index].contains(&name)) {
                return Err(unexpected_name("this function", name.as_borrowed(), &self.known[..self.index]));
            }
        }
        Ok(())
    }
}
