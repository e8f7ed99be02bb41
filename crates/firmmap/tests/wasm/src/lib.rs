//! Every way to make a mapping, on a system that has none. `run.mjs` calls each.

use firmmap::{Access, ErrorKind, MmapOptions, Mode};

/// 1 for the error that it should be, 2 for another one, 3 for a mapping.
fn verdict(result: firmmap::Result<firmmap::Mmap>) -> u32 {
    let Err(error) = result else { return 3 };
    let words = error.to_string();
    let kinds = (error.kind(), std::io::Error::from(error).kind());
    let right = kinds == (ErrorKind::Unsupported, std::io::ErrorKind::Unsupported)
        && words == "this system does not support mapping memory";
    if right { 1 } else { 2 }
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
            for mode in [Mode::Read, Mode::ReadWrite, Mode::Create, Mode::CreateNew, Mode::Copy] {
                let file = options.open_mode("file", mode);
                wrong += u32::from(verdict(file.map(|file| file.into_map().expect("nobody shares it"))) != 1);
            }
        }
    }
    wrong
}

/// The sizes can be asked for: pages of WebAssembly.
#[unsafe(no_mangle)]
pub extern "C" fn page_size() -> u32 {
    assert_eq!(firmmap::allocation_granularity(), firmmap::page_size());
    firmmap::page_size() as u32
}

/// There is no file whose map could be asked for; that it compiles is what is wanted.
#[unsafe(no_mangle)]
pub extern "C" fn map_of_a_file() -> u32 {
    std::fs::File::open("file").map_or(1, |file| verdict(MmapOptions::new().map(&file)))
}
