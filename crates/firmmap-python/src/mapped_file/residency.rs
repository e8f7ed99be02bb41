//! The class `Residency`: which pages of a map are in memory.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyRange};

/// Runs that `repr` shows.
const RUNS: usize = 8;

/// Which pages of a range are in memory, as it was when MappedFile.residency() was called.
///
/// repr() is one line of numbers, str() draws the range as a line of blocks.
#[pyclass(frozen, eq, module = "firmmap")]
#[derive(PartialEq)]
pub(crate) struct Residency(pub(super) firmmap::Residency);

#[pymethods]
impl Residency {
    /// How many of the pages are in memory.
    #[getter]
    fn resident(&self) -> usize {
        self.0.resident()
    }

    /// How many pages the range has.
    #[getter]
    fn total(&self) -> usize {
        self.0.total()
    }

    /// The size of a page in bytes.
    #[getter]
    fn page_size(&self) -> usize {
        self.0.page_size()
    }

    /// The bytes that are in memory: a list of ranges of indices in the map.
    #[getter]
    fn runs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let runs = self.0.runs().iter().map(|run| PyRange::new(py, run.start as isize, run.end as isize));
        PyList::new(py, runs.collect::<PyResult<Vec<_>>>()?)
    }

    fn __repr__(&self) -> String {
        let runs = self.0.runs();
        let mut shown: Vec<_> =
            runs.iter().take(RUNS).map(|run| format!("range({}, {})", run.start, run.end)).collect();
        if runs.len() > RUNS {
            shown.push(format!("… {} more", runs.len() - RUNS));
        }
        let (resident, total, page) = (self.0.resident(), self.0.total(), self.0.page_size());
        let runs = shown.join(", ");
        format!("Residency(resident={resident}, total={total}, page_size={page}, runs=[{runs}])")
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }
}
