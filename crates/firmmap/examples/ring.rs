//! A ring of positions that one process writes and another reads: `cargo run --example ring -- write FILE`, `… read FILE`

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use firmmap::{Access, MmapOptions};

/// The file has two counters, of what was written and what was read, and then this many places.
const PLACES: usize = 64;

/// Writes or reads `count` positions, one after the other, and gives the sum of those that were read.
pub fn run(path: &Path, writes: bool, count: u64) -> std::io::Result<u64> {
    let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let map = MmapOptions::new().access(Access::Write).len(8 * (2 + PLACES)).extend(true).map(&file)?;
    let [written, read, places @ ..] = map.atomics::<AtomicU64>(..)? else { unreachable!("there are 66") };
    let mut sum = 0;
    for number in 0..count {
        let place = &places[number as usize % PLACES];
        // Whoever is ahead waits for a place that is free, or filled.
        while written.load(Ordering::Acquire) - read.load(Ordering::Acquire) == if writes { PLACES as u64 } else { 0 } {
            map.check()?; // zeros of a file that was truncated are an error
        }
        if writes {
            place.store(number * 10, Ordering::Relaxed);
            written.store(number + 1, Ordering::Release);
        } else {
            sum += place.load(Ordering::Relaxed);
            read.store(number + 1, Ordering::Release);
        }
    }
    Ok(sum)
}

#[allow(dead_code, reason = "the test has no command line")]
fn main() -> std::io::Result<()> {
    let (what, path) = (std::env::args().nth(1).unwrap_or_default(), std::env::args_os().nth(2).unwrap_or_default());
    println!("{}", run(path.as_ref(), what == "write", 100_000)?);
    Ok(())
}
