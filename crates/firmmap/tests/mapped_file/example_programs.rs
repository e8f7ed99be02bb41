//! The three programs that are written from the documentation alone do what they say.

#[path = "../../examples/log_search.rs"]
mod log_search;
#[path = "../../examples/ring.rs"]
mod ring;
#[path = "../../examples/update_records.rs"]
mod update_records;

use crate::common::Scratch;

/// Names the ring's file to the process that writes.
const RING: &str = "FIRMMAP_RING";

// R1, R4: a log searcher that prints matching lines, each once.
#[test]
fn log_search_prints_matching_lines() {
    let log = Scratch::new(b"all well\nERROR: no paper, ERROR\nall well\nan ERROR\nlast ERROR");
    let mut lines = Vec::new();
    log_search::search(b"ERROR", log.path(), &mut lines).unwrap();
    assert_eq!(lines, b"ERROR: no paper, ERROR\nan ERROR\nlast ERROR");
}

// R6: an update of records in their file.
#[test]
fn update_records_changes_prices() {
    let record = |id: u64, price: f64| [id.to_le_bytes(), 5_u64.to_le_bytes(), price.to_le_bytes()].concat();
    let records = Scratch::new(&[record(1, 8.0), record(2, 8.0), record(1, 1.0)].concat());
    assert_eq!(update_records::raise(records.path(), 1, 50.0).unwrap(), 2);
    assert_eq!(records.contents(), [record(1, 12.0), record(2, 8.0), record(1, 1.5)].concat());
}

// R2: a ring of positions between two processes.
#[test]
fn ring_between_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    #[cfg(unix)]
    let mut writer = crate::process::this_program();
    #[cfg(not(unix))]
    let mut writer = std::process::Command::new(std::env::current_exe().unwrap());
    writer.args(["example_programs::ring_writer", "--exact", "--ignored"]).env(RING, &path);
    let mut writer = writer.stdout(std::process::Stdio::null()).spawn().unwrap();
    assert_eq!(ring::run(&path, false, 1000).unwrap(), 10 * 999 * 1000 / 2);
    assert!(writer.wait().unwrap().success());
}

#[test]
#[ignore = "the test of the ring runs it, in a process of its own"]
fn ring_writer() {
    let Some(path) = std::env::var_os(RING) else { return };
    ring::run(path.as_ref(), true, 1000).unwrap();
}
