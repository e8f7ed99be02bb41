//! Errors: their words, their kinds, and what becomes of them as `std::io::Error`.

use std::error::Error as _;
use std::io;

use crate::common::Scratch;
use firmmap::{Access, Error, ErrorKind, MappedFile, MmapOptions};

/// An error of each kind that needs no file that is special, with its words and its kind as `io::Error`.
fn samples() -> Vec<(Error, ErrorKind, String, io::ErrorKind)> {
    let scratch = Scratch::new(b"0123456789");
    let ten = MmapOptions::new().len(10).map_anonymous().unwrap();
    let read = scratch.map(Access::Read);
    let write = MmapOptions::new().access(Access::Write);
    let mut shared = MappedFile::new(MmapOptions::new().len(10).map_anonymous().unwrap());
    let _holder = shared.share();
    let mut samples = vec![
        (
            ten.get(10).unwrap_err(),
            ErrorKind::OutOfRange,
            "read position 10 is outside the map of 10 bytes",
            io::ErrorKind::InvalidInput,
        ),
        (
            ten.fill(7..11, 0).unwrap_err(),
            ErrorKind::OutOfRange,
            "fill range 7..11 is outside the map of 10 bytes",
            io::ErrorKind::InvalidInput,
        ),
        (
            MmapOptions::new().offset(11).map(&scratch.file()).unwrap_err(),
            ErrorKind::OffsetBeyondEnd,
            "offset 11 lies behind the end of the file of 10 bytes",
            io::ErrorKind::UnexpectedEof,
        ),
        (
            MmapOptions::new().offset(4).len(7).map(&scratch.file()).unwrap_err(),
            ErrorKind::LengthBeyondEnd,
            "length 7 from offset 4 reaches behind the end of the file of 10 bytes",
            io::ErrorKind::UnexpectedEof,
        ),
        (
            read.set(0, 1).unwrap_err(),
            ErrorKind::AccessDenied,
            "write is not possible on a map that is read-only",
            io::ErrorKind::PermissionDenied,
        ),
        (
            scratch.map(Access::Copy).resize(5).unwrap_err(),
            ErrorKind::NotResizable,
            "only a shared, writable map can be resized; this one is read-only or copy-on-write",
            io::ErrorKind::PermissionDenied,
        ),
        (
            write.clone().track_file(false).open(scratch.path()).unwrap().resize(5).unwrap_err(),
            ErrorKind::NoFile,
            "resize needs the map's file, and the map was made without keeping it",
            io::ErrorKind::Unsupported,
        ),
        (
            shared.resize(5).unwrap_err(),
            ErrorKind::InUse,
            "resize is not possible while others use the map",
            io::ErrorKind::ResourceBusy,
        ),
        (
            MmapOptions::new().map_anonymous().unwrap_err(),
            ErrorKind::InvalidInput,
            "anonymous memory needs a length",
            io::ErrorKind::InvalidInput,
        ),
    ];
    if cfg!(unix) {
        samples.push((
            MmapOptions::new().len(10).map_anonymous().unwrap().resize(11).unwrap_err(),
            ErrorKind::Unsupported,
            "this system does not support shared anonymous memory that grows",
            io::ErrorKind::Unsupported,
        ));
    }
    let mut samples: Vec<_> = samples.into_iter().map(|(a, b, words, d)| (a, b, words.to_owned(), d)).collect();
    samples.push((
        MmapOptions::new().len(usize::MAX).map_anonymous().unwrap_err(),
        ErrorKind::TooLarge,
        format!("the length {} is larger than {}, the most this system can address", usize::MAX, isize::MAX),
        io::ErrorKind::InvalidInput,
    ));
    samples
}

// R4, G2: every kind says which value it was and what was allowed.
#[test]
fn words() {
    for (error, kind, words, _) in samples() {
        assert_eq!((error.kind(), error.to_string()), (kind, words));
        assert!(error.os_error().is_none() && error.source().is_none(), "{error}");
    }
}

// R1: as an error of the standard library it keeps its words, and the whole error is inside.
#[test]
fn conversion() {
    for (error, kind, words, io_kind) in samples() {
        let error = io::Error::from(error);
        assert_eq!((error.kind(), error.to_string(), error.raw_os_error()), (io_kind, words, None));
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        assert_eq!(inner.map(Error::kind), Some(kind));
    }
}

// R1: an error of the system names what was being done, and keeps its number.
#[test]
fn errors_of_the_system() {
    let scratch = Scratch::new(b"");
    let missing = scratch.path().with_file_name("missing");
    let number = std::fs::File::open(&missing).unwrap_err().raw_os_error();
    assert!(number.is_some());
    let error = MmapOptions::new().open(&missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Os);
    let system = error.os_error().unwrap();
    assert_eq!(system.raw_os_error(), number);
    assert_eq!(error.to_string(), format!("{}: opening the file failed: {system}", missing.display()));
    assert_eq!(error.path(), Some(missing.as_path()));
    assert_eq!(error.source().map(ToString::to_string), Some(system.to_string()));
    let error = io::Error::from(error);
    assert_eq!((error.kind(), error.raw_os_error()), (io::ErrorKind::NotFound, number));
}

// R1: the same for what mmap(2) says.
#[cfg(unix)]
#[test]
fn errors_of_mmap() {
    let scratch = Scratch::new(b"0123456789");
    let file = std::fs::File::open(scratch.path()).unwrap();
    let error = MmapOptions::new().access(Access::Write).map(&file).unwrap_err();
    assert_eq!(error.to_string(), "mapping failed: Permission denied (os error 13)");
    let error = io::Error::from(error);
    assert_eq!((error.kind(), error.raw_os_error()), (io::ErrorKind::PermissionDenied, Some(libc::EACCES)));
    // With 32 bits even that much could be mapped.
    if cfg!(target_pointer_width = "32") {
        return;
    }
    let error = io::Error::from(MmapOptions::new().len(usize::MAX / 4).map_anonymous().unwrap_err());
    assert_eq!((error.kind(), error.raw_os_error()), (io::ErrorKind::OutOfMemory, Some(libc::ENOMEM)));
}

// R1: an error goes through `?` in functions of either kind, and between threads.
#[test]
fn question_mark() {
    fn own() -> firmmap::Result<u8> {
        MmapOptions::new().len(1).map_anonymous()?.get(1)
    }
    fn standard() -> io::Result<u8> {
        Ok(own()?)
    }
    fn boxed() -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
        Ok(own()?)
    }
    let words = "read position 1 is outside the map of 1 bytes";
    assert_eq!(standard().unwrap_err().to_string(), words);
    assert_eq!(boxed().unwrap_err().to_string(), words);
}
