//! Huge pages are few, and the system's: tests of them take turns, across the processes that they run in.

use std::fs::File;

/// Waits for all other tests of huge pages; the turn ends when the result is dropped.
#[must_use]
pub fn turn() -> File {
    let path = std::env::temp_dir().join("firmmap-tests-huge-pages");
    let file = File::options().create(true).append(true).open(path).unwrap();
    file.lock().unwrap();
    file
}
