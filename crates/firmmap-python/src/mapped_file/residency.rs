//! The class `Residency`: which pages of a map are in memory.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyRange, PyString};

use crate::mapped::Returned;
use crate::sys::native::{Body, Receiver};

/// Runs that `repr` shows.
const RUNS: usize = 8;

/// What an instance is made of.
#[derive(PartialEq)]
pub(crate) struct Residency(pub(super) firmmap::Residency);

type This<'py> = Receiver<'py, Residency>;

impl Body for Residency {}

pub(crate) fn resident(this: This<'_>) -> Returned<'_> {
    number(this, this.0.resident())
}

pub(crate) fn total(this: This<'_>) -> Returned<'_> {
    number(this, this.0.total())
}

pub(crate) fn page_size(this: This<'_>) -> Returned<'_> {
    number(this, this.0.page_size())
}

fn number(this: This<'_>, value: usize) -> Returned<'_> {
    Ok(value.into_pyobject(this.py)?.into_any())
}

pub(crate) fn runs(this: This<'_>) -> Returned<'_> {
    let runs = this.0.runs().iter().map(|run| PyRange::new(this.py, run.start as isize, run.end as isize));
    Ok(PyList::new(this.py, runs.collect::<PyResult<Vec<_>>>()?)?.into_any())
}

pub(crate) fn repr(this: This<'_>) -> Returned<'_> {
    let runs = this.0.runs();
    let mut shown: Vec<_> = runs.iter().take(RUNS).map(|run| format!("range({}, {})", run.start, run.end)).collect();
    if runs.len() > RUNS {
        shown.push(format!("… {} more", runs.len() - RUNS));
    }
    let (resident, total, page) = (this.0.resident(), this.0.total(), this.0.page_size());
    let runs = shown.join(", ");
    let words = format!("Residency(resident={resident}, total={total}, page_size={page}, runs=[{runs}])");
    Ok(PyString::new(this.py, &words).into_any())
}

pub(crate) fn str(this: This<'_>) -> Returned<'_> {
    Ok(PyString::new(this.py, &this.0.to_string()).into_any())
}
