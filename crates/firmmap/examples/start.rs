//! The example of docs/start.md.
//!
//! `cargo run --example start`

#![allow(missing_docs, reason = "`main` is public for the tests, and is as the page has it")]

use std::io::{BufRead, Write};

use firmmap::{Access, MappedFile, MmapOptions, Mode};

pub fn main() -> std::io::Result<()> {
    let path = std::env::temp_dir().join(format!("start-{}", std::process::id()));
    std::fs::write(&path, "all well\nERROR: no paper\nall well\n")?;

    // Bytes with an index. Mapping, reading and writing are safe, whoever else has the file.
    let log = MmapOptions::new().access(Access::Write).open(&path)?;
    let at = log.find(b"ERROR", ..)?.expect("an error is in it");
    log.write_all_at(b"fixed", at)?;
    assert_eq!(log.to_vec(at..at + 5)?, b"fixed");
    assert_eq!(log.lines(..).count(), 3);

    // A file with a position, which grows.
    let mut file = MappedFile::open(&path, Mode::Append)?;
    file.write_all(b"the end\n")?;
    let mut lines = MappedFile::open(&path, Mode::Read)?.lines();
    assert_eq!(lines.next().expect("a line")?, "all well");
    assert_eq!(lines.last().expect("a line")?, "the end");

    std::fs::remove_file(&path)
}
