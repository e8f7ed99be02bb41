//! What the guide's table sets beside memmap2 compiles and runs: each piece of code in it stands in this file as it stands there.

#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use firmmap::{Access, Advice, ErrorKind, Mmap, MmapBytes, MmapOptions, Protection, page_size};

const GUIDE: &str = include_str!("../../../docs/guide.md");

fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The pieces of code in one column of the table.
fn pieces(column: usize) -> Vec<String> {
    let (_, table) = GUIDE.split_once("\n| memmap2 | firmmap |\n|---|---|\n").expect("the table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').nth(column + 1).expect("a cell"));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(without_spaces).collect()
}

/// Looks for them in the half of this file that has to do with the column.
fn check_column(column: usize) {
    let (theirs, ours) = (1, 0);
    let halves: Vec<_> = include_str!("guide.rs").split("\nmod theirs {\n").collect();
    let (pieces, source) = (pieces(column), without_spaces(halves[if column == 0 { theirs } else { ours }]));
    assert!(pieces.len() > 10, "{pieces:?}");
    for piece in pieces {
        assert!(source.contains(&piece), "the guide has `{piece}`, and the code here has not");
    }
}

fn a_file(directory: &Path) -> File {
    let path = directory.join("file");
    std::fs::write(&path, vec![b'x'; 4 * page_size()]).unwrap();
    File::options().read(true).write(true).open(path).unwrap()
}

/// `i`, `j`, `n` of the table.
fn numbers() -> (usize, usize, usize) {
    (page_size(), page_size() + 10, page_size())
}

// R3.
#[test]
fn right_column() {
    check_column(1);
    firmmap_does().unwrap();
}

fn firmmap_does() -> firmmap::Result<()> {
    let directory = tempfile::tempdir().unwrap();
    let file = a_file(directory.path());
    let (i, j, n) = numbers();
    let k = 10;

    let options = MmapOptions::new();
    let part = options.offset(k).len(n).map(&file)?;
    assert_eq!(part.len(), n);
    let options = MmapOptions::new().len(n);
    let _ = options.populate().huge_pages(None);
    let options = MmapOptions::new().len(n);
    let _ = options.stack().no_reserve();
    let memory = MmapOptions::new().len(n).private().map_anonymous()?;
    assert_eq!(memory.to_vec(..)?, vec![0; n]);
    let copy = MmapOptions::new().access(Access::Copy).map(&file)?;
    copy.fill(.., b'c')?;
    let map = MmapOptions::new().map(&file)?;
    assert_eq!(map.get(0)?, b'x');
    let options = MmapOptions::new().len(5 * n);
    assert_eq!(options.beyond_end(true).map(&file).is_ok(), cfg!(unix));
    let immutable = || -> std::io::Result<MmapBytes> { Ok(MmapOptions::new().map_immutable(&file)?) };
    assert!(immutable().is_err());
    // SAFETY: nobody changes the file while it lives.
    let owner = unsafe { map.into_bytes() };
    assert_eq!(owner[0], b'x');
    drop((owner, copy, part));

    let mut map = MmapOptions::new().access(Access::Write).map(&file)?;
    bytes(&mut map, i..j)?;
    map.flush()?;
    map.flush_async()?;
    map.flush_range(i..i + n)?;
    map.advise(Advice::SEQUENTIAL)?;
    map.advise_range(i..i + n, Advice::RANDOM)?;
    map.lock()?;
    map.unlock()?;
    if cfg!(target_os = "linux") {
        map.remap_in_place(n)?;
    }
    map.remap(n)?;
    assert_eq!((map.len(), map.file_len()?), (n, 4 * n as u64));
    map.resize(n)?;
    assert_eq!(map.file_len()?, n as u64);
    map.protect(Protection::READ)?;
    let error = map.set(0, 1).unwrap_err();
    assert!(!(error.kind() == ErrorKind::Fault));
    assert_eq!(error.fault_offset(), None);
    Ok(())
}

fn bytes(map: &mut Mmap, Range { start: i, end: j }: Range<usize>) -> firmmap::Result<()> {
    let bytes = &b"0123456789"[..];
    map.write_all_at(bytes, i)?;
    assert_eq!(map.to_vec(i..j)?, bytes);
    let mut buffer = [0; 10];
    map.read_exact_at(&mut buffer, i)?;
    assert_eq!(buffer, bytes);
    // SAFETY: nobody else has the file.
    assert_eq!(&unsafe { map.as_slice() }[i..j], bytes);
    // SAFETY: the same.
    let slice = &mut unsafe { map.as_mut_slice() }[i..j];
    slice[0] = b'9';
    let view = map.as_atomic()?;
    assert_eq!(view[i].load(std::sync::atomic::Ordering::Relaxed), b'9');
    assert_eq!(map.atomics::<AtomicU64>(..)?.len(), 4 * page_size() / 8);
    assert_eq!(map.get_le::<u32>(i)?.to_le_bytes(), *b"9123");
    Ok(())
}

#[cfg(target_os = "linux")]
mod theirs {
    use std::sync::Arc;

    use memmap2::{Advice, Mmap, MmapMut, MmapOptions, RemapOptions};

    // R3.
    #[test]
    fn left_column() {
        super::check_column(0);
        memmap2_does().unwrap();
    }

    fn memmap2_does() -> std::io::Result<()> {
        let directory = tempfile::tempdir()?;
        let file = super::a_file(directory.path());
        let (i, j, n) = super::numbers();
        let k = 10;

        let mut options = MmapOptions::new();
        let options = options.offset(k).len(n);
        let _ = options.populate().huge(None);
        let _ = options.stack().no_reserve_swap();
        // SAFETY: nobody else has the file, here and below.
        let copy = unsafe { MmapOptions::new().map_copy(&file)? };
        // SAFETY: as above.
        let mut read = unsafe { Mmap::map(&file)? };
        // SAFETY: as above, and the map is used again only within the new length.
        unsafe { read.remap(n, RemapOptions::new().may_move(true))? };
        assert_eq!((read.len(), copy.len()), (n, 4 * n));
        let map = MmapMut::map_anon(n)?;
        let map = map.make_read_only()?;
        assert_eq!(map[0], 0);

        // SAFETY: as above.
        let mut map = unsafe { MmapMut::map_mut(&file)? };
        let slice = &mut map[i..j];
        slice[0] = b'9';
        assert_eq!(&map[i..j], b"9xxxxxxxxx");
        map.flush()?;
        map.flush_async()?;
        map.flush_range(i, n)?;
        map.advise(Advice::Sequential)?;
        map.advise_range(Advice::Random, i, n)?;
        map.lock()?;
        map.unlock()?;
        // SAFETY: as above.
        unsafe { map.remap(n, RemapOptions::new().may_move(true))? };
        assert_eq!(map.len(), n);
        // SAFETY: as above.
        unsafe { map.remap(n, RemapOptions::new())? };
        let number = |i: usize| u32::from_le_bytes(map[i..i + 4].try_into().unwrap());
        assert_eq!(number(0), u32::from_le_bytes(*b"xxxx"));
        let shared: Arc<Mmap> = Arc::new(read);
        assert_eq!(shared[0], b'x');
        let immutable = || -> std::io::Result<Mmap> { Ok(Mmap::map_if_safe(&file)?) };
        assert!(immutable().is_err());
        Ok(())
    }
}
