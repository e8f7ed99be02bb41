//! Every way to make a mapping, on a system that has none. `run.mjs` calls each.

use std::fs::File;

use firmmap::{Access, AsSource, ErrorKind, MappedFile, MmapOptions, Mode};

const MODES: [Mode; 5] = [Mode::Read, Mode::ReadWrite, Mode::Create, Mode::CreateNew, Mode::Copy];

/// No file can be opened here. Nor is one looked at.
struct NoFile;

impl AsSource for NoFile {
    fn as_source(&self) -> &File {
        unreachable!("there is nothing to map")
    }
}

/// 1 for the error that it should be, 2 for another one, 3 for a mapping.
fn verdict(result: firmmap::Result<firmmap::Mmap>) -> u32 {
    let Err(error) = result else { return 3 };
    let words = error.to_string();
    let kinds = (error.kind(), std::io::Error::from(error).kind());
    let right = kinds == (ErrorKind::Unsupported, std::io::ErrorKind::Unsupported)
        && words == "this system does not support mapping memory";
    if right { 1 } else { 2 }
}

fn verdict_of_file(result: firmmap::Result<MappedFile>) -> u32 {
    verdict(result.map(|file| file.into_map().expect("nobody shares it")))
}

/// How many verdicts are not 1, over all constructors and kinds of access.
#[unsafe(no_mangle)]
pub extern "C" fn constructors_that_work() -> u32 {
    let mut wrong = 0;
    for access in [Access::Read, Access::Write, Access::Copy] {
        for len in [None, Some(0), Some(10)] {
            let options = len.map_or(MmapOptions::new(), |len| MmapOptions::new().len(len)).access(access);
            wrong += u32::from(verdict(options.open("file")) != 1);
            wrong += u32::from(verdict(options.map_anonymous()) != 1);
            wrong += u32::from(verdict(options.map_shared_memory()) != 1);
            wrong += u32::from(verdict(options.map(&NoFile)) != 1);
            for mode in MODES {
                wrong += u32::from(verdict_of_file(options.open_mode("file", mode)) != 1);
                wrong += u32::from(verdict_of_file(options.map_mode(&NoFile, mode)) != 1);
            }
        }
    }
    for mode in MODES {
        wrong += u32::from(verdict_of_file(MappedFile::open("file", mode)) != 1);
    }
    for (len, capacity) in [(0, None), (10, None), (10, Some(100))] {
        wrong += u32::from(verdict_of_file(MappedFile::anonymous(len, capacity)) != 1);
    }
    wrong
}

/// The sizes can be asked for: pages of WebAssembly.
#[unsafe(no_mangle)]
pub extern "C" fn page_size() -> u32 {
    assert_eq!(firmmap::allocation_granularity(), firmmap::page_size());
    firmmap::page_size() as u32
}
