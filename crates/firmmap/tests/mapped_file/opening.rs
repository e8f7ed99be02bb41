//! An open that fails has changed no file and made none; files whose length says nothing.

#![cfg_attr(unix, allow(clippy::multiple_unsafe_ops_per_block))]

#[cfg(unix)]
use std::fs::File;
use std::io::{Read, Seek, Write};
#[cfg(unix)]
use std::path::Path;

use crate::common::{Scratch, assert_bytes, page};
#[cfg(unix)]
use firmmap::Error;
use firmmap::{Access, ErrorKind, MappedFile, MmapOptions, Mode};

#[cfg(unix)]
crate::scenarios! {
    lives:
        addresses_run_out,
        emptied_where_the_length_is_limited,
        emptied_where_the_length_is_sealed,
    ;
    dies:
    ;
}

/// More bytes than any file has, and than any process can address.
const HUGE: u64 = 1 << 62;

/// Options that no map can be made with, whatever its file.
fn impossible() -> Vec<MmapOptions> {
    let options = MmapOptions::new;
    let mut all = vec![
        options().len(usize::MAX),
        options().offset(u64::MAX),
        options().offset(u64::MAX).len(1),
        options().offset(i64::MAX as u64).len(1),
    ];
    // A capacity means nothing on Windows.
    if cfg!(unix) {
        all.extend([options().capacity(usize::MAX), options().offset(5).len(10).capacity(usize::MAX)]);
    }
    if cfg!(target_pointer_width = "64") {
        // (With 32 bits a map may well be so large.)
        all.extend([options().len(isize::MAX as usize), options().len(HUGE as usize)]);
        all.extend([options().offset(HUGE), options().offset(HUGE).len(1)]);
        if cfg!(unix) {
            all.push(options().capacity(HUGE as usize));
        }
    }
    all
}

// G2: nothing has happened to a file that is there, in no mode.
#[test]
fn a_failed_open_leaves_the_file() {
    for options in impossible() {
        for mode in [Mode::ReadWrite, Mode::Create, Mode::CreateNew] {
            let scratch = Scratch::new(b"precious");
            let error = options.open_mode(scratch.path(), mode).unwrap_err();
            assert_eq!(scratch.contents(), b"precious", "{options:?} {mode}: {error}");
            assert_eq!(error.path(), Some(scratch.path()));
            let error = options.map_mode(&scratch.file(), mode).unwrap_err();
            assert_eq!(scratch.contents(), b"precious", "{options:?} {mode}: {error}");
            let error = options.clone().access(Access::Write).extend(true).open(scratch.path());
            if let Err(error) = error {
                assert_eq!(scratch.contents(), b"precious", "{options:?}: {error}");
            }
        }
    }
}

// G2: a file that was not there is not there.
#[test]
fn a_failed_open_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new");
    for options in impossible() {
        for mode in [Mode::Create, Mode::CreateNew] {
            let error = options.open_mode(&path, mode).unwrap_err();
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{options:?} {mode}: {error}");
        }
    }
}

// G2: what can be opened is: emptied, with zeros where a length or an offset asks for them.
#[test]
fn emptied() {
    for (options, len, file_len) in [
        (MmapOptions::new(), 0, 0),
        (MmapOptions::new().capacity(3 * page()), 0, 0),
        (MmapOptions::new().len(3), 3, 3),
        (MmapOptions::new().len(5000), 5000, 5000),
        (MmapOptions::new().offset(5), 0, 5),
        (MmapOptions::new().offset(7).len(2 * page()), 2 * page(), 2 * page() + 7),
        (MmapOptions::new().len(0).track_file(false), 0, 0),
        (MmapOptions::new().len(9).track_file(false), 9, 9),
    ] {
        for old in [0, 8, 3 * page()] {
            let scratch = Scratch::new(&vec![b'x'; old]);
            for by_path in [true, false] {
                std::fs::write(scratch.path(), vec![b'x'; old]).unwrap();
                let file = if by_path {
                    options.open_mode(scratch.path(), Mode::Create).unwrap()
                } else {
                    options.map_mode(&scratch.file(), Mode::Create).unwrap()
                };
                assert_bytes(&file, &vec![0; len]);
                assert_eq!(scratch.contents(), vec![0; file_len], "{options:?} {old}");
            }
        }
    }
}

// G2: a descriptor that cannot be written, or not be read, empties nothing.
#[cfg(unix)]
#[test]
fn descriptors_of_another_kind() {
    let scratch = Scratch::new(b"precious");
    let (read, write) =
        (File::open(scratch.path()).unwrap(), File::options().write(true).open(scratch.path()).unwrap());
    for options in [MmapOptions::new(), MmapOptions::new().len(10), MmapOptions::new().capacity(100)] {
        for options in [options.clone(), options.track_file(false)] {
            for file in [&read, &write] {
                let error = options.map_mode(file, Mode::Create).unwrap_err();
                assert_eq!((error.kind(), scratch.contents()), (ErrorKind::Os, b"precious".to_vec()), "{error}");
            }
        }
    }
}

// G2: a link to a file that is not there makes that file, or none.
#[cfg(unix)]
#[test]
fn a_link_to_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let [link, second, target] = ["link", "second", "target"].map(|name| directory.path().join(name));
    std::os::unix::fs::symlink("second", &link).unwrap();
    std::os::unix::fs::symlink(&target, &second).unwrap();
    MmapOptions::new().len(usize::MAX).open_mode(&link, Mode::Create).unwrap_err();
    assert!(!target.exists() && link.is_symlink() && second.is_symlink());
    assert_eq!(os_error(MappedFile::open(&link, Mode::CreateNew)), libc::EEXIST);
    MmapOptions::new().len(3).open_mode(&link, Mode::Create).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"\0\0\0");
    let ring = directory.path().join("ring");
    std::os::unix::fs::symlink("ring", &ring).unwrap();
    assert_eq!(os_error(MappedFile::open(&ring, Mode::Create)), libc::ELOOP);
}

#[cfg(unix)]
fn os_error<T: std::fmt::Debug>(result: Result<T, Error>) -> i32 {
    result.unwrap_err().os_error().unwrap().raw_os_error().unwrap()
}

// G2, G1: what is no regular file is refused in mode "w+" as in mode "r+", and with its path.
#[cfg(unix)]
#[test]
fn no_regular_files() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut files = vec![Path::new("/dev/null"), Path::new("/dev/zero")];
    // Others wait for somebody who writes.
    if cfg!(target_os = "linux") {
        files.push(&pipe);
    }
    for path in files {
        for mode in [Mode::ReadWrite, Mode::Create] {
            for options in [MmapOptions::new(), MmapOptions::new().len(0), MmapOptions::new().capacity(100)] {
                let error = options.open_mode(path, mode).unwrap_err();
                assert_eq!((error.kind(), error.path()), (ErrorKind::UnknownLength, Some(path)), "{mode}: {error}");
                assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
            }
        }
    }
    for mode in [Mode::ReadWrite, Mode::Create] {
        assert_eq!(os_error(MappedFile::open(directory.path(), mode)), libc::EISDIR);
        // A length makes a map of it, which stays as long.
        let zeros = MmapOptions::new().len(100).open_mode("/dev/zero", mode).unwrap();
        assert_bytes(&zeros, &[0; 100]);
        assert!(!zeros.is_growable());
    }
    let error = MmapOptions::new().open(directory.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownLength);
}

// R8: files that are made while they are read have no length; they are not shown as empty.
#[cfg(target_os = "linux")]
#[test]
fn pseudo_files() {
    let words =
        "the length of the file says nothing about its bytes, as in /proc and /sys: it can be read, but not mapped";
    for path in ["/proc/self/maps", "/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled"].map(Path::new) {
        let Ok(file) = File::open(path) else { continue };
        let options = MmapOptions::new();
        let mut results = vec![
            options.open(path).map(drop),
            options.clone().capacity(100).open(path).map(drop),
            options.clone().track_file(false).open(path).map(drop),
            options.clone().access(Access::Copy).open(path).map(drop),
            options.open_mode(path, Mode::Read).map(drop),
            options.open_mode(path, Mode::Copy).map(drop),
            MappedFile::open(path, Mode::Read).map(drop),
        ];
        if path.starts_with("/proc") {
            results.push(options.clone().len(0).open(path).map(drop));
            results.push(options.clone().len(10).open(path).map(drop));
        }
        for result in results {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::UnknownLength, Some(path)));
            assert_eq!(error.to_string(), format!("{}: {words}", path.display()));
            assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::Unsupported);
        }
        for error in [options.map(&file).unwrap_err(), options.map_mode(&file, Mode::Read).unwrap_err()] {
            assert_eq!(
                (error.kind(), error.to_string().as_str(), error.path()),
                (ErrorKind::UnknownLength, words, None)
            );
        }
    }
}

// G2, R8: a file that is empty is an empty map.
#[test]
fn empty_files() {
    let scratch = Scratch::new(b"");
    for access in crate::common::ALL_ACCESS {
        for options in [MmapOptions::new(), MmapOptions::new().len(0), MmapOptions::new().track_file(false)] {
            assert!(options.clone().access(access).open(scratch.path()).unwrap().is_empty());
            assert!(options.access(access).map(&scratch.file()).unwrap().is_empty());
        }
    }
    for mode in [Mode::Read, Mode::ReadWrite, Mode::Create, Mode::Copy] {
        assert!(MappedFile::open(scratch.path(), mode).unwrap().is_empty());
    }
}

// OpenBSD counts what is mapped as data.
#[cfg(all(unix, not(target_os = "openbsd")))]
use libc::RLIMIT_AS as LIMIT_OF_ADDRESSES;
#[cfg(target_os = "openbsd")]
use libc::RLIMIT_DATA as LIMIT_OF_ADDRESSES;

// G2: a capacity for which there are no addresses (`ulimit -v`).
#[cfg(unix)]
#[allow(unsafe_code)]
fn addresses_run_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"precious").unwrap();
    let bytes: u64 = if cfg!(target_pointer_width = "64") { 1 << 32 } else { 1 << 29 };
    let rlim_cur = libc::rlim_t::try_from(bytes).unwrap();
    let limit = libc::rlimit { rlim_cur, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit is a whole `rlimit`.
    assert_eq!(unsafe { libc::setrlimit(LIMIT_OF_ADDRESSES, &limit) }, 0);
    for options in [
        MmapOptions::new().capacity(crate::common::large()),
        MmapOptions::new().offset(5).capacity(crate::common::large() / 2 * 3),
    ] {
        for mode in [Mode::ReadWrite, Mode::Create] {
            let error = options.open_mode(&path, mode).unwrap_err();
            assert_eq!(error.os_error().unwrap().raw_os_error(), Some(libc::ENOMEM), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        }
        for mode in [Mode::Create, Mode::CreateNew] {
            options.open_mode(directory.path().join("new"), mode).unwrap_err();
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }
}

/// G2: the file is longer than a limit allows it to become; emptied, it is as long as was asked for.
#[cfg(unix)]
#[allow(unsafe_code)]
fn emptied_where_the_length_is_limited() {
    // SAFETY: an ignored signal has no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let directories = [tempfile::tempdir().ok(), tempfile::tempdir_in("/dev/shm").ok()];
    let paths: Vec<_> = directories.iter().flatten().map(|directory| directory.path().join("file")).collect();
    paths.iter().for_each(|path| std::fs::write(path, vec![b'x'; 10 * page()]).unwrap());
    let limit = libc::rlimit { rlim_cur: page() as libc::rlim_t, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: sets the limits of this process.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
    for path in &paths {
        let error = MmapOptions::new().len(11 * page()).open_mode(path, Mode::Create).unwrap_err();
        assert_eq!(os_error::<MappedFile>(Err(error)), libc::EFBIG);
        assert_eq!(std::fs::read(path).unwrap(), vec![b'x'; 10 * page()]);
        for sparse in [false, true] {
            let options = MmapOptions::new().sparse(sparse);
            let map = options.len(8 * page() - usize::from(sparse)).open_mode(path, Mode::Create).unwrap();
            let wanted = vec![0; 8 * page() - usize::from(sparse)];
            assert_bytes(&map, &wanted);
            assert_eq!(std::fs::read(path).unwrap(), wanted);
            map.write_all_at(b"again", 0).unwrap();
        }
    }
}

/// G2: a file that may not grow keeps its length where it is emptied.
#[cfg(unix)]
#[allow(unsafe_code)]
fn emptied_where_the_length_is_sealed() {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::{AsRawFd, FromRawFd};
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: the name ends in a zero byte; a new descriptor of ours.
        let file = unsafe { File::from_raw_fd(libc::memfd_create(c"firmmap-test".as_ptr(), flags)) };
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![b'x'; 5000], 0).unwrap();
        // SAFETY: the descriptor is open.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_GROW) }, 0);
        for sparse in [false, true] {
            let options = MmapOptions::new().sparse(sparse);
            let map = options.len(5000).map_mode(&file, Mode::Create).unwrap();
            assert_bytes(&map, &vec![0; 5000]);
            assert_eq!(map.file_len().unwrap(), 5000);
            map.fill(.., b'x').unwrap();
        }
        // SAFETY: as above.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) }, 0);
        for len in [0, 4999, 5001] {
            let error = MmapOptions::new().len(len).map_mode(&file, Mode::Create).unwrap_err();
            assert_eq!(os_error::<MappedFile>(Err(error)), libc::EPERM);
            let mut bytes = vec![0; 5000];
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 0).unwrap();
            assert_eq!(bytes, vec![b'x'; 5000]);
        }
    }
}

/// Checks what an error is, and that it says this among other things.
fn mentions<T: std::fmt::Debug>(result: firmmap::Result<T>, kind: ErrorKind, words: &str) {
    let error = result.unwrap_err();
    assert!(error.kind() == kind && error.to_string().contains(words), "{error}");
}

// G1: modes in every spelling of files; what a map cannot be names the mode that was meant.
#[test]
fn modes_as_they_are_typed() {
    for (mode, spellings) in [
        (Mode::Read, &["r", "rb", "br"][..]),
        (Mode::ReadWrite, &["r+", "r+b", "rb+", "+br"]),
        (Mode::Create, &["w+", "w+b", "wb+"]),
        (Mode::CreateNew, &["x+", "x+b", "xb+"]),
        (Mode::Append, &["a+", "a+b", "ab+"]),
        (Mode::Copy, &["c"]),
    ] {
        for spelling in spellings {
            assert_eq!(spelling.parse::<Mode>().unwrap(), mode, "{spelling}");
        }
    }
    for (wrong, meant) in [
        ("w", "w+"),
        ("wb", "w+b"),
        ("a", "a+"),
        ("ab", "a+b"),
        ("x", "x+"),
        ("xb", "x+b"),
        ("rt", "rb"),
        ("r+t", "r+b"),
        ("wt", "w+b"),
        ("at+", "a+b"),
        ("rU", "rb"),
        ("cb", "c"),
        ("c+", "c"),
        ("readonly", "r"),
        ("copyonwrite", "c"),
    ] {
        mentions(wrong.parse::<Mode>(), ErrorKind::InvalidInput, &format!("use \"{meant}\""));
        assert!(meant.parse::<Mode>().is_ok());
    }
    for wrong in ["", "b", "+", "rw", "r++", "rbb", "rbt", "R", "r ", "q", "r\0"] {
        mentions(wrong.parse::<Mode>(), ErrorKind::InvalidInput, "is none of");
    }
}

// G1: opened and made without emptying, where it is missing.
#[test]
fn open_or_create() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("database");
    for expected in [&b""[..], b"bytes"] {
        let mut file = MappedFile::open(&path, Mode::OpenOrCreate).unwrap();
        assert_eq!(file.to_vec(..).unwrap(), expected);
        file.write_all(b"bytes").unwrap();
    }
    let other = directory.path().join("part");
    let mut part = MmapOptions::new().offset(5).open_mode(&other, Mode::OpenOrCreate).unwrap();
    part.write_all(b"x").unwrap();
    assert_eq!(std::fs::read(&other).unwrap(), b"\0\0\0\0\0x");
    let third = directory.path().join("third");
    assert!(MmapOptions::new().len(usize::MAX).open_mode(&third, Mode::OpenOrCreate).is_err());
    assert!(!third.exists());
}

// G1, G10: every write goes to the end that the file has then.
#[test]
fn append() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    for round in 0..2 {
        let mut log = MappedFile::open(&path, Mode::Append).unwrap();
        assert!(log.appends());
        assert_eq!(log.position(), 8 * round);
        log.write_all(b"one\n").unwrap();
        log.rewind().unwrap();
        if cfg!(unix) {
            // Windows lets nobody make a mapped file longer.
            std::fs::File::options().append(true).open(&path).unwrap().write_all(b"two\n").unwrap();
        } else {
            log.write_all(b"two\n").unwrap();
            log.rewind().unwrap();
        }
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n".repeat(round + 1));
        log.set(0, b'o').unwrap();
    }
}

// G6: on request a file grows by holes.
#[cfg(target_os = "linux")]
#[test]
fn sparse() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table");
    let mut file = MmapOptions::new().len(64 << 20).sparse(true).open_mode(&path, Mode::Create).unwrap();
    file.truncate(128 << 20).unwrap();
    file.set(100 << 20, 1).unwrap();
    assert!(path.metadata().unwrap().blocks() * 512 < 1 << 20);
    assert_eq!((file.len(), file.get(100 << 20).unwrap()), (128 << 20, 1));
}

// G12: what is read into memory; files whose length says nothing, too.
#[test]
fn load() {
    let scratch = Scratch::new(b"0123456789");
    let options = MmapOptions::new().offset(2);
    let map = options.clone().len(5).load(scratch.path()).unwrap();
    assert_bytes(&map, b"23456");
    mentions(map.set(0, 1), ErrorKind::AccessDenied, "write");
    assert!(map.file().is_none());
    let copy = options.clone().access(Access::Copy).load(scratch.path()).unwrap();
    copy.set(0, b'x').unwrap();
    assert_bytes(&copy, b"x3456789");
    assert_eq!(scratch.contents(), b"0123456789");
    mentions(options.clone().access(Access::Write).load(scratch.path()), ErrorKind::InvalidInput, "not written back");
    mentions(options.clone().len(9).load(scratch.path()), ErrorKind::LengthBeyondEnd, "10");
    mentions(options.offset(11).load(scratch.path()), ErrorKind::OffsetBeyondEnd, "11");
    assert!(MmapOptions::new().offset(10).load(scratch.path()).unwrap().is_empty());
    #[cfg(target_os = "linux")]
    assert!(!MmapOptions::new().load("/proc/cpuinfo").unwrap().is_empty());
}
