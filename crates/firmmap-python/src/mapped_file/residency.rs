//! The class `Residency`: which pages of a map are in memory.

use pyo3::prelude::*;
use pyo3::types::PyRange;

use crate::mapped::Returned;
use crate::sys::native::{Body, Receiver};
use crate::sys::objects::{new_list, new_string};

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
    crate::args::python_int(this.py, value as isize)
}

pub(crate) fn runs(this: This<'_>) -> Returned<'_> {
    let runs = new_list(this.py)?;
    for run in this.0.runs() {
        runs.append(PyRange::new(this.py, run.start as isize, run.end as isize)?)?;
    }
    Ok(runs.into_any())
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
    new_string(this.py, &words)
}

pub(crate) fn str(this: This<'_>) -> Returned<'_> {
    new_string(this.py, &this.0.to_string())
}
