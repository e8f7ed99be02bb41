//! Owners that are plain slices, and what they tell of faults.

#![allow(unsafe_code)]

#[cfg(unix)]
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::{Scratch, page, pattern};
#[cfg(unix)]
use firmmap::ErrorKind;
use firmmap::{MmapBytes, MmapOptions};

fn owner(scratch: &Scratch) -> MmapBytes {
    // SAFETY: nobody changes the bytes of the file.
    unsafe { MmapOptions::new().open(scratch.path()).unwrap().into_bytes() }
}

/// The words of the panic that `run` ends in.
#[cfg(unix)]
#[track_caller]
fn panics<R>(run: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(run()))).expect_err("it panics");
    *panic.downcast::<String>().expect("with words")
}

fn is_static<T: AsRef<[u8]> + Send + Sync + 'static>(_: &T) {}

// R1: parts and clones share the map, which ends with the last of them.
#[test]
fn parts_share_the_map() {
    let contents = pattern(2 * page());
    let scratch = Scratch::new(&contents);
    let bytes = owner(&scratch);
    is_static(&bytes);
    let part = bytes.slice(page()..).unwrap().slice(1..=5).unwrap();
    assert_eq!(part.as_ptr(), bytes[page() + 1..].as_ptr());
    assert_eq!((&part[..], bytes.map().len()), (&contents[page() + 1..page() + 6], 2 * page()));
    assert_eq!(part.slice(2..6).unwrap_err().to_string(), "slice range 2..6 is outside the map of 5 bytes");
    drop(bytes);
    let thread = std::thread::spawn(move || part.to_vec());
    assert_eq!(thread.join().unwrap(), contents[page() + 1..page() + 6]);
    #[cfg(target_os = "linux")]
    assert_eq!((scratch.mappings(), scratch.descriptors()), (0, 0));
}

#[cfg(unix)]
mod faults {
    use super::*;

    // R9, F3: the next use panics, once for each thread, with offset and path; then the file is read again.
    #[test]
    fn the_next_use_panics() {
        let scratch = Scratch::new(&pattern(3 * page()));
        let bytes = owner(&scratch);
        scratch.file().set_len(page() as u64).unwrap();
        let slice = &bytes[..];
        assert_eq!(slice[2 * page() + 5], 0);
        let words = panics(|| bytes.len());
        assert!(words.contains(&format!("the byte at offset {} was not there", 2 * page() + 5)), "{words}");
        #[cfg(target_os = "linux")]
        assert!(words.starts_with(&format!("memory map of {}: ", scratch.path().display())), "{words}");
        assert_eq!(bytes.len(), 3 * page());
        std::thread::scope(|scope| {
            let other = scope.spawn(|| (panics(|| bytes.as_ref().len()), bytes.len()));
            assert!(other.join().unwrap().0.contains("was not there"));
        });
        scratch.file().set_len(3 * page() as u64).unwrap();
        assert_eq!((bytes[1], bytes[2 * page() + 5]), (1, 0));
        bytes.acknowledge_faults();
        std::thread::scope(|scope| _ = scope.spawn(|| bytes.len()).join().unwrap());
        drop(bytes);
    }

    // R9, F3, F10: the end of the map panics if nobody was told before, whichever part is the last.
    #[test]
    fn the_end_panics() {
        let scratch = Scratch::new(&pattern(3 * page()));
        let bytes = owner(&scratch);
        let part = bytes.slice(2 * page()..).unwrap();
        let first = part.as_ptr();
        drop(bytes);
        scratch.file().set_len(0).unwrap();
        // SAFETY: the byte is mapped as long as the part lives.
        assert_eq!(unsafe { first.read_volatile() }, 0);
        let words = panics(|| drop(part));
        assert!(words.contains(&format!("the byte at offset {} was not there", 2 * page())), "{words}");
        #[cfg(target_os = "linux")]
        assert!(words.contains(scratch.path().to_str().unwrap()), "{words}");
    }

    // R9: a thread that is unwinding is not made to panic once more.
    #[test]
    fn no_panic_while_unwinding() {
        let scratch = Scratch::new(&pattern(3 * page()));
        let bytes = owner(&scratch);
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let slice = &bytes[..];
            scratch.file().set_len(0).unwrap();
            assert_eq!(slice[page()], 1, "the byte");
        }));
        assert!(panic.unwrap_err().downcast_ref::<String>().unwrap().contains("the byte"));
    }

    // R9, F10: the scope gives the result or the fault, and who got that is not told again.
    #[test]
    fn scopes() {
        let scratch = Scratch::new(&pattern(3 * page()));
        let bytes = owner(&scratch);
        let part = bytes.slice(page()..).unwrap();
        let zeros = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == 0).count();
        let wanted = zeros(&pattern(3 * page())[page()..]);
        assert_eq!(part.with(zeros).unwrap(), wanted);
        scratch.file().set_len(page() as u64).unwrap();
        let error = part.with(zeros).unwrap_err();
        assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(page())));
        assert_eq!((bytes.len(), part.len()), (3 * page(), 2 * page()));
    }
}

// R1, R2: a slice of a file that nobody can change any more needs no promise.
#[cfg(target_os = "linux")]
#[test]
fn sealed_files() {
    use std::io::Write;
    use std::os::fd::{AsRawFd, FromRawFd};

    // SAFETY: the name ends in a zero byte.
    let fd = unsafe { libc::memfd_create(c"sealed".as_ptr(), libc::MFD_ALLOW_SEALING) };
    // SAFETY: it is new, and nobody else's.
    let mut file = unsafe { std::fs::File::from_raw_fd(fd) };
    file.write_all(b"for ever").unwrap();
    let seal = |seals: libc::c_int| {
        // SAFETY: the descriptor is open.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }, 0);
    };
    let refused = || {
        let error = MmapOptions::new().map_immutable(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    assert_eq!(refused(), "the file can be changed: it lacks the seals F_SEAL_WRITE and F_SEAL_SHRINK");
    seal(libc::F_SEAL_SHRINK);
    assert_eq!(refused(), "the file can be changed: it lacks the seal F_SEAL_WRITE");
    seal(libc::F_SEAL_WRITE);
    let bytes = MmapOptions::new().offset(4).map_immutable(&file).unwrap();
    assert_eq!(&bytes[..], b"ever");
    // What lies behind its end could come.
    let behind = MmapOptions::new().len(100).beyond_end(true).access(firmmap::Access::Read);
    assert_eq!(behind.map_immutable(&file).unwrap_err().kind(), ErrorKind::LengthBeyondEnd);
    // Nobody can write to the slice, and everybody read it, whatever else was asked for.
    let readable = firmmap::Protection::READ | firmmap::Protection::WRITE;
    for protection in [readable, firmmap::Protection::empty()] {
        for flags in [firmmap::MapFlags::PRIVATE, firmmap::MapFlags::PRIVATE | firmmap::MapFlags::ANONYMOUS] {
            let options = MmapOptions::new().protection(protection).flags(flags).capacity(1 << 20);
            let bytes = options.map_immutable(&file).unwrap();
            assert_eq!(&bytes[..], b"for ever");
            assert!(bytes.map().write_at(b"XYZ", 0).is_err());
            assert_eq!(&bytes[..], b"for ever");
        }
    }
    // What is checked is what is mapped.
    let scratch = Scratch::new(b"anybody's");
    let two = Two { sealed: &file, open: &scratch.file(), asked: std::cell::Cell::new(0) };
    for tracked in [true, false] {
        for _ in 0..3 {
            if let Ok(bytes) = MmapOptions::new().track_file(tracked).map_immutable(&two) {
                assert_eq!(&bytes[..], b"for ever");
            }
        }
    }
}

/// Who is the one file, and when it is asked again the other.
#[cfg(target_os = "linux")]
struct Two<'a> {
    sealed: &'a std::fs::File,
    open: &'a std::fs::File,
    asked: std::cell::Cell<u32>,
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for Two<'_> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() % 2 == 1 { self.sealed.as_fd() } else { self.open.as_fd() }
    }
}

#[cfg(feature = "bytes")]
#[test]
fn bytes_of_a_map() {
    let scratch = Scratch::new(b"0123456789");
    let bytes = bytes::Bytes::from(owner(&scratch).slice(2..).unwrap());
    assert_eq!(&bytes.slice(1..4)[..], b"345");
}
