//! Prints the lines of a file that have a word in them: `cargo run --example log_search -- WORD FILE`

use std::io::{self, Write};
use std::path::Path;

use firmmap::MmapOptions;

/// Writes each line of the file that has `word` in it to `out`, once.
pub fn search(word: &[u8], path: &Path, out: &mut impl Write) -> io::Result<()> {
    let log = MmapOptions::new().open(path)?;
    let mut position = 0;
    while let Some(index) = log.find(word, position..)? {
        let line = log.line_at(index)?;
        position = line.end;
        out.write_all(&log.to_vec(line)?)?;
    }
    Ok(())
}

#[allow(dead_code, reason = "the test has no command line")]
fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [word, path] = &arguments[..] else { return Err(io::Error::other("usage: log_search WORD FILE")) };
    search(word.as_encoded_bytes(), Path::new(path), &mut io::stdout().lock())
}
