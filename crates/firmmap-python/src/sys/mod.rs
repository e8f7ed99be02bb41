//! The border to CPython: everything unsafe about its C interface is in this folder.
//!
//! The class is made with `PyType_FromSpec` and not with `#[pyclass]`, for three reasons: `PySequence_GetItem` has to give
//! bytes where `m[i]` gives an int (so that iteration does what the standard class does), the words of argument errors
//! are the standard library's, and a call costs no more than one into C.

pub(crate) mod audit;
pub(crate) mod buffer;
pub(crate) mod call;
pub(crate) mod cell;
pub(crate) mod class;
pub(crate) mod descriptor;
pub(crate) mod detach;
pub(crate) mod exception;
pub(crate) mod interpreter;
pub(crate) mod interrupt;
pub(crate) mod leaf;
pub(crate) mod mapped_file;
pub(crate) mod module;
pub(crate) mod native;
pub(crate) mod newlines;
pub(crate) mod number;
pub(crate) mod objects;
pub(crate) mod owned;
pub(crate) mod residency;
pub(crate) mod shares;
pub(crate) mod target;
