//! Writer preference: what goes before any other use of a map.
//!
//! Threads that search or copy take references to the mapping one after another, and a thread that needs it without any, to resize or move
//! it, would never get its turn. So it registers as a pending writer, and new work waits until it is done.

use pyo3::prelude::*;

use super::Mapped;
use super::map_lock::MapState;
use super::shared_file::SharedFile;
use crate::sys::detach::detached;
use crate::sys::exception::{PyBufferError, PyResult};
use crate::sys::objects::{call_method, import};

/// A pending writer: a thread that wants to resize or move the map. Until this is dropped, other threads wait for it.
pub(crate) struct ResizeGuard<'a, M: Mapped>(&'a M, Python<'a>);

impl<'a, M: Mapped> ResizeGuard<'a, M> {
    /// Registers the writer, if it is not yet, and gives other threads time to finish. For a map that was closed meanwhile it does neither:
    /// the caller looks at it again.
    pub(crate) fn wait(guard: &mut Option<Self>, this: &'a M, py: Python<'a>) -> PyResult<()> {
        let is_new = guard.is_none();
        let register = |file: &mut SharedFile| {
            // Some references may be those of the parent process.
            file.release_parent_references();
            // Threads that have waited for too long may have reset the number.
            file.pending_writers = (file.pending_writers + usize::from(is_new)).max(1);
        };
        if with_file(this, py, register).is_none() {
            return Ok(());
        }
        // Once: its end counts it out again.
        if is_new {
            *guard = Some(Self(this, py));
        }
        wait(py)?;
        if is_finalizing(py) {
            // It would wait for ever: for a daemon thread that the end of the interpreter has stopped inside a call.
            let message = "another thread was using the map when the interpreter ended";
            return Err(PyBufferError::new_err(message));
        }
        Ok(())
    }
}

impl<M: Mapped> Drop for ResizeGuard<'_, M> {
    fn drop(&mut self) {
        with_file(self.0, self.1, |file| file.pending_writers = file.pending_writers.saturating_sub(1));
    }
}

/// Waits until there is no pending writer, or for 500 turns: after fork(2) it may be a thread that does not exist in this process.
#[cold]
pub(crate) fn wait_for_writers<M: Mapped>(this: &M, py: Python<'_>) -> PyResult<()> {
    for _ in 0..500 {
        wait(py)?;
        if with_file(this, py, |file| file.pending_writers).unwrap_or(0) == 0 {
            return Ok(());
        }
    }
    // Those that still exist register again; those of the parent process are forgotten.
    with_file(this, py, |file| file.pending_writers = 0);
    Ok(())
}

/// Runs `work` on the map, if it is open, without waiting for anything that is pending.
fn with_file<M: Mapped, R>(this: &M, py: Python<'_>, work: impl FnOnce(&mut SharedFile) -> R) -> Option<R> {
    this.state().with(py, |state| state.file().map(work))
}

/// Gives other threads time to finish their work on the map.
fn wait(py: Python<'_>) -> PyResult<()> {
    detached(py, || std::thread::sleep(std::time::Duration::from_micros(200)));
    Ok(py.check_signals()?)
}

/// Whether the interpreter is ending, so that its other threads do not go on: also where there is no module `sys` any more.
fn is_finalizing(py: Python<'_>) -> bool {
    let answer = import(py, c"sys").and_then(|sys| call_method(&sys, c"is_finalizing", []));
    answer.map_or(true, |answer| answer.is_truthy().unwrap_or(true))
}
