//! A program that truncates its own mapped file, reads it, and goes on. With any other mapping it would be dead.
//!
//! `cargo run --example truncated`

use std::io::Write;

use firmmap::{ErrorKind, MmapOptions};

fn main() -> std::io::Result<()> {
    let path = std::env::temp_dir().join(format!("firmmap-truncated-{}", std::process::id()));
    let mut file = std::fs::File::create_new(&path)?;
    file.write_all(&b"a line of a log file\n".repeat(10_000))?;

    let map = MmapOptions::new().open(&path)?;
    println!("mapped {} bytes, the first line is {:?}", map.len(), String::from_utf8_lossy(&map.to_vec(..20)?));

    file.set_len(50_000)?;
    match map.find(b"needle", ..) {
        Err(error) if error.kind() == ErrorKind::Fault => println!("searching the truncated file: {error}"),
        other => println!("searching the truncated file: {other:?}, and no error"),
    }
    println!("what is still there: {:?}", String::from_utf8_lossy(&map.to_vec(..6)?));

    file.set_len(map.len() as u64)?;
    println!("long enough again: found {:?}", map.find(b"\0\0\0", ..)?);
    std::fs::remove_file(&path)
}
