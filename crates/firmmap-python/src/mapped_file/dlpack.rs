//! The DLPack protocol, by which array libraries take each other's memory.
//!
//! What is exchanged is an array of bytes that numpy makes of a view, and numpy's own capsule: the consumer drops it at any time, in any
//! thread and without the interpreter's lock, and numpy has what that needs. The array keeps the view, and the view the mapping.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::This;
use crate::args::{self, Args};
use crate::common::{Mapped, Returned};
use crate::sys::objects::{attribute, call_method, import, new_tuple};

/// `kDLCPU` of DLPack.
const CPU: isize = 1;

pub(crate) fn dlpack<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("__dlpack__", 0, 0)?;
    this.check_open(py)?;
    let numpy = import(py, c"numpy")?;
    let array = call_method(&numpy, c"frombuffer", [this.object(), attribute(&numpy, c"uint8")?])?;
    // What they mean, and which there are, is for numpy to say.
    let names = PyDict::new(py);
    for (name, value) in args.by_name() {
        names.set_item(name, value)?;
    }
    Ok(attribute(&array, c"__dlpack__")?.call((), Some(&names))?)
}

pub(crate) fn device(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    this.check_open(py)?;
    let pair = [args::python_int(py, CPU)?, args::python_int(py, 0)?];
    Ok(new_tuple(py, pair)?.into_any())
}
