//! The example of docs/guide.md, "From memmap2 to the crate".
//!
//! `cargo run --example from_memmap2`

#![allow(missing_docs, reason = "`main` is public for the tests, and is as the guide has it")]

use std::io::{Read, Seek, SeekFrom, Write};

use firmmap::{Access, Advice, MappedFile, MmapOptions, Mode};

pub fn main() -> std::io::Result<()> {
    let directory = std::env::temp_dir().join(format!("guide-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("file");
    std::fs::write(&path, "one\ntwo\nthree\n")?;

    // memmap2: let map = unsafe { Mmap::map(&file)? }; and then &map[4..7]
    let map = MmapOptions::new().open(&path)?;
    assert_eq!(map.to_vec(4..7)?, b"two");
    assert_eq!(map.find(b"three", ..)?, Some(8));
    map.advise(Advice::SEQUENTIAL)?;
    for line in map.lines(..) {
        assert!(line?.ends_with(b"\n"));
    }

    // memmap2: let mut map = unsafe { MmapMut::map_mut(&file)? }; map[0] = b'O'; map.flush()?;
    let writable = MmapOptions::new().access(Access::Write).open(&path)?;
    writable.set(0, b'O')?;
    writable.write_all_at(b"TWO", 4)?;
    writable.flush()?;
    assert_eq!(std::fs::read(&path)?, b"One\nTWO\nthree\n");

    // memmap2 has no position, and cannot grow.
    let mut file = MappedFile::open(&path, Mode::ReadWrite)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(b"four\n")?;
    file.seek(SeekFrom::Start(8))?;
    let mut rest = String::new();
    file.read_to_string(&mut rest)?;
    assert_eq!(rest, "three\nfour\n");

    // memmap2: MmapMut::map_anon(13)?
    let memory = MmapOptions::new().len(13).map_anonymous()?;
    memory.write_all_at(b"Hello world!", 0)?;

    drop((map, writable, file)); // Windows removes no file that is mapped
    std::fs::remove_dir_all(&directory)
}
