//! Programs whose mapped file is truncated under way: `truncated NAME WAY`; without arguments it prints the names.
//!
//! With `whole` nothing is truncated, with `plain` the file becomes a page long while it is in use, and with `caught` the program
//! catches the panic that it gets then.

use std::fs::File;
use std::io::{self, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;

use grep_searcher::{MmapChoice, SearcherBuilder, Sink, SinkMatch};
use memmap2::Mmap;

type Program = fn(&Path, &dyn Fn()) -> Result<String, Box<dyn std::error::Error>>;

const PROGRAMS: [(&str, Program); 4] = [("hash", hash), ("search", search), ("tensors", tensors), ("table", table)];

/// BLAKE3 of a file, which is truncated after the first half was hashed.
fn hash(path: &Path, truncate: &dyn Fn()) -> Result<String, Box<dyn std::error::Error>> {
    fill(path)?;
    let map = unsafe { Mmap::map(&File::open(path)?)? };
    let (first, second) = map.split_at(map.len() / 2);
    let mut hasher = blake3::Hasher::new();
    hasher.update(first);
    truncate();
    hasher.update(second);
    Ok(hasher.finalize().to_hex().to_string())
}

/// The matches that ripgrep's searcher finds in a file, which is truncated at the 25th.
fn search(path: &Path, truncate: &dyn Fn()) -> Result<String, Box<dyn std::error::Error>> {
    struct Count<'a>(u32, &'a dyn Fn());
    impl Sink for Count<'_> {
        type Error = io::Error;
        fn matched(&mut self, _: &grep_searcher::Searcher, _: &SinkMatch<'_>) -> io::Result<bool> {
            self.0 += 1;
            if self.0 == 25 {
                self.1();
            }
            Ok(true)
        }
    }
    fill(path)?;
    let mut searcher = SearcherBuilder::new().memory_map(unsafe { MmapChoice::auto() }).build();
    let mut count = Count(0, truncate);
    searcher.search_path(grep_regex::RegexMatcher::new("number [0-9]*7 ")?, path, &mut count)?;
    Ok(format!("{} matches", count.0))
}

/// The sum of a tensor in a file of safetensors, which is truncated after its header was read.
fn tensors(path: &Path, truncate: &dyn Fn()) -> Result<String, Box<dyn std::error::Error>> {
    let ones = 1_u64.to_le_bytes().repeat(100_000);
    let tensor = safetensors::tensor::TensorView::new(safetensors::Dtype::U64, vec![100_000], &ones)?;
    std::fs::write(path, safetensors::serialize([("ones", tensor)], None)?)?;
    let map = unsafe { Mmap::map(&File::open(path)?)? };
    let all = safetensors::SafeTensors::deserialize(&map)?;
    truncate();
    let values = all.tensor("ones")?.data().chunks_exact(8);
    let sum: u64 = values.map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes"))).sum();
    Ok(format!("{sum}"))
}

/// A table that is looked up by binary search, which is truncated between two look-ups.
fn table(path: &Path, truncate: &dyn Fn()) -> Result<String, Box<dyn std::error::Error>> {
    let mut file = File::create(path)?;
    (0..50_000u64).try_for_each(|key| file.write_all(&(key * 3).to_be_bytes()))?;
    let map = unsafe { Mmap::map(&File::open(path)?)? };
    let keys: &[u8] = &map;
    let has = |key: u64| {
        let (mut low, mut high) = (0, keys.len() / 8);
        while low < high {
            let middle = low.midpoint(high);
            match keys[middle * 8..][..8].cmp(&key.to_be_bytes()) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    };
    let first = has(3);
    truncate();
    Ok(format!("{first} {}", has(149_997)))
}

/// 4,000 numbered lines.
fn fill(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    (0..4000).try_for_each(|number| writeln!(file, "line number {number} of a file that others use too"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, way] = &arguments[..] else {
        return PROGRAMS.iter().for_each(|(name, _)| println!("{name}"));
    };
    let program = PROGRAMS.iter().find(|(known, _)| known == name).expect("a program of that name").1;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    let truncate = || {
        if way != "whole" {
            File::options().write(true).open(&path).and_then(|file| file.set_len(4096)).expect("the file is truncated");
        }
    };
    let run = || match program(&path, &truncate) {
        Ok(result) => println!("Ok: {result}"),
        Err(error) => println!("Err: {error}"),
    };
    if way == "caught" {
        let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("the file was truncated");
        println!("lives on: {}", panic.downcast_ref::<String>().expect("words"));
    } else {
        run();
    }
}
