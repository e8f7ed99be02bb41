//! A log that one thread appends to through a map, and another follows through a second one, as `tail -f` does.
//!
//! `cargo run --example append`

use std::io::{LineWriter, Write};
use std::time::Duration;

use firmmap::{MappedFile, Mmap, Mode};

/// Writes and follows until the last line is there.
pub fn main() -> std::io::Result<()> {
    let path = std::env::temp_dir().join(format!("firmmap-append-{}", std::process::id()));
    let log = MappedFile::open(&path, Mode::CreateNew)?;
    let writer = std::thread::spawn(move || {
        // Each write is a system call, and is in the file at once: whole lines are worth one.
        let mut log = LineWriter::new(log);
        for job in 1..=5 {
            writeln!(log, "job {job} began")?;
            std::thread::sleep(Duration::from_millis(20));
            writeln!(log, "job {job} ended")?;
        }
        writeln!(log, "all done")
    });

    let mut tail = MappedFile::open(&path, Mode::Read)?;
    let mut position = 0;
    'following: loop {
        let len = tail.refresh()?;
        let mut lines = Mmap::lines(&tail, position..);
        while let Some(line) = lines.next_line()? {
            // What is written is seen at once, perhaps in the middle of a line: that one is for the next time.
            if !line.ends_with(b"\n") {
                break;
            }
            print!("{}", String::from_utf8_lossy(line));
            if line == b"all done\n" {
                break 'following;
            }
            position = lines.position();
        }
        if position == len {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    writer.join().expect("the writer does not panic")?;
    println!("{} bytes, as many as the file has: {}", tail.len(), std::fs::metadata(&path)?.len());
    std::fs::remove_file(&path)
}
