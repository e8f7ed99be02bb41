//! Tests that this system cannot run.

#![allow(dead_code, reason = "not every system has tests that are skipped")]

use std::io::Write;

/// Says why a test, or a part of it, does nothing here. `scripts/nextest.sh` prints it behind the results of all tests.
pub fn skipped(why: &str) {
    println!("skipped: {why}");
    if let Some(path) = std::env::var_os("FIRMMAP_SKIPPED") {
        let thread = std::thread::current();
        let line = format!("skipped: {}: {why}\n", thread.name().unwrap_or_default());
        let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}
