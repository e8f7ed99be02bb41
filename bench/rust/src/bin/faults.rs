//! What a fault costs, and a map, beside how many other maps.
//!
//! `cargo run --release --manifest-path bench/rust/Cargo.toml --bin faults`. Each number of maps has a process of its own; what is printed is the median of the
//! rounds in nanoseconds, and the memory that one of the maps takes.

#![allow(unsafe_code, clippy::multiple_unsafe_ops_per_block)]

#[cfg(target_os = "linux")]
fn main() {
    match std::env::args().nth(1).and_then(|count| count.parse().ok()) {
        Some(count) => linux::measure(count),
        None => {
            println!("{:>8} {:>12} {:>12} {:>12} {:>12}", "maps", "operation", "direct", "map, drop", "bytes a map");
            for count in [1usize, 10, 1000, 60_000, 100_000] {
                let program = std::env::current_exe().expect("a name");
                let status = std::process::Command::new(program).arg(count.to_string()).status().expect("a program");
                assert!(status.success());
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the memory of a process is read from /proc");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::hint::black_box;
    use std::time::Instant;

    use firmmap::{
        Mmap, MmapOptions,
        fault::{take_fault, waiting_faults},
        page_size,
    };

    const ROUNDS: usize = 1001;

    pub fn measure(count: usize) {
        let file = tempfile::tempfile().unwrap();
        let len = 16 * page_size();
        file.set_len(len as u64).unwrap();
        // Private memory, so that the system makes one area of all of them.
        let small = || MmapOptions::new().len(page_size()).private().map_anonymous().unwrap();
        let mut maps: Vec<Mmap> = Vec::with_capacity(count);
        let before = resident();
        maps.extend((1..count / 2).map(|_| small()));
        let map = MmapOptions::new().map(&file).unwrap();
        maps.extend((maps.len() + 1..count).map(|_| small()));
        let bytes = (resident() - before) / count;
        let missing = 9 * page_size();
        let truncate = || file.set_len(page_size() as u64).unwrap();
        let operation = median(|| {
            truncate();
            let start = Instant::now();
            map.get(missing).unwrap_err();
            let time = start.elapsed();
            file.set_len(len as u64).unwrap();
            time.as_nanos()
        });
        let direct = median(|| {
            truncate();
            let start = Instant::now();
            // SAFETY: the byte is mapped.
            black_box(unsafe { map.as_ptr().add(missing).read_volatile() });
            let waiting = waiting_faults().len();
            assert!(take_fault().is_some() && take_fault().is_none() && waiting == 1);
            let time = start.elapsed();
            file.set_len(len as u64).unwrap();
            time.as_nanos()
        });
        let drop = median(|| {
            let start = Instant::now();
            drop(black_box(MmapOptions::new().len(page_size()).map(&file).unwrap()));
            start.elapsed().as_nanos()
        });
        println!("{count:>8} {operation:>12} {direct:>12} {drop:>12} {bytes:>12}");
    }

    fn median(mut round: impl FnMut() -> u128) -> u128 {
        let mut times: Vec<u128> = (0..ROUNDS).map(|_| round()).collect();
        times.sort_unstable();
        times[ROUNDS / 2]
    }

    /// The memory that the process has, in bytes.
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap() * page_size()
    }
}
