//! Growth and other processes: full disks, `kill -9`, `fork`, limits on addresses.

#![allow(clippy::multiple_unsafe_ops_per_block)]
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{byte, bytes, page, skipped, wait_for};
use firmmap::{Access, ErrorKind, MappedFile, Mmap, MmapOptions, Mode};

crate::scenarios! {
    lives:
        appending_to_a_full_disk,
        growing_on_a_full_disk,
        writing_to_a_full_disk_as_a_file,
        space_that_a_file_has_behind_its_end,
        a_failed_write_gives_back_what_others_have_appended,
        growing_beyond_a_limit_is_refused_at_once,
        truncating_to_a_greater_length_keeps_what_others_append,
        growing_beyond_a_limit_keeps_what_others_append,
        resizing_beyond_the_addresses_keeps_what_others_append,
        processes_append_in_turns,
        processes_append_at_once,
        killed_while_appending,
        killed_while_writing,
        memory_grows_before_and_after_fork,
        processes_grow_memory_at_once,
        growing_reading_and_truncating_at_once,
        a_child_does_not_wait_for_the_threads_of_its_parent,
        a_map_that_grows_for_the_first_time_while_another_thread_forks,
        processes_write_their_own_ranges,
        addresses_are_limited,
        without_the_guard,
    ;
    dies:
    ;
}

/// A file system with little room, unmounted when dropped.
struct SmallDisk {
    directory: tempfile::TempDir,
    kind: &'static str,
}

impl SmallDisk {
    /// Those that can be had here: one in memory, and one on a disk, where room is found in another way.
    fn all() -> Vec<Self> {
        [("tmpfs", Self::in_memory()), ("ext4", Self::on_a_disk())]
            .into_iter()
            .filter_map(|(kind, directory)| match directory {
                Some(directory) => Some(Self { directory, kind }),
                None => {
                    skipped(&format!("mounting a small {kind} is not possible here"));
                    None
                }
            })
            .collect()
    }

    fn in_memory() -> Option<tempfile::TempDir> {
        let directory = tempfile::tempdir().unwrap();
        let path = std::ffi::CString::new(directory.path().to_str().unwrap()).unwrap();
        let (name, options) = (c"tmpfs".as_ptr(), c"size=256k".as_ptr().cast());
        // SAFETY: all the strings end in a zero byte.
        (unsafe { libc::mount(name, path.as_ptr(), name, 0, options) } == 0).then_some(directory)
    }

    fn on_a_disk() -> Option<tempfile::TempDir> {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().with_extension("image");
        File::create(&image).unwrap().set_len(1 << 20).unwrap();
        let quietly = |command: &mut Command| {
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        let made = quietly(Command::new("mkfs.ext4").args(["-q", "-O", "^has_journal", "-m", "0"]).arg(&image))
            && quietly(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(directory.path()));
        // Mounted, it lives on without a name.
        std::fs::remove_file(image).unwrap();
        made.then_some(directory)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A file that takes all the room.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.path().join("full");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[1; 512]).is_ok() {}
        file.sync_all().unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path = std::ffi::CString::new(self.path().to_str().unwrap()).unwrap();
        // SAFETY: the string ends in a zero byte.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

#[track_caller]
fn assert_no_space<T: std::fmt::Debug>(result: Result<T, impl Into<std::io::Error>>) {
    let error: std::io::Error = result.expect_err("the disk is full").into();
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}");
}

/// G6: an append that finds no room changes nothing, and what was there stays.
fn appending_to_a_full_disk() {
    for disk in SmallDisk::all() {
        let path = disk.path().join("log");
        std::fs::write(&path, bytes(0, 100)).unwrap();
        let map = MmapOptions::new().access(Access::Write).capacity(1 << 30).open(&path).unwrap();
        let mut end = 100;
        let full = disk.fill();
        // Inside of the last block there is room.
        loop {
            match map.append(&bytes(end, 66)) {
                Ok(at) => assert_eq!(at, end),
                Err(error) => break assert_no_space::<()>(Err(error)),
            }
            end += 66;
            assert!(end < 1 << 20);
        }
        assert!(end > 1000, "{}: {end}", disk.kind);
        // Some of this has room, and is taken back.
        assert_no_space(map.append(&bytes(end, 10 * page())));
        assert_eq!((map.len(), map.file_len().unwrap()), (end, end as u64), "{}", disk.kind);
        assert!(std::fs::read(&path).unwrap() == bytes(0, end) && map.to_vec(..).unwrap() == bytes(0, end));
        std::fs::remove_file(full).unwrap();
        assert_no_space(map.append(&vec![7; 2 << 20]));
        assert_eq!((map.len(), map.file_len().unwrap()), (end, end as u64), "{}", disk.kind);
        assert_eq!(map.append(&bytes(end, 10 * page())).unwrap(), end);
        assert!(std::fs::read(&path).unwrap() == bytes(0, end + 10 * page()));
    }
}

/// G6: the same for growth without bytes: `grow`, `truncate`. With `resize` holes are made, and room is needed later.
fn growing_on_a_full_disk() {
    for disk in SmallDisk::all() {
        let path = disk.path().join("table");
        std::fs::write(&path, bytes(0, 100)).unwrap();
        let options = MmapOptions::new().capacity(1 << 30);
        let mut file = options.open_mode(&path, Mode::ReadWrite).unwrap();
        let full = disk.fill();
        assert_no_space(file.grow(8 * page()));
        assert_no_space(file.truncate(8 * page()));
        assert_no_space(options.clone().len(8 * page()).open_mode(&path, Mode::ReadWrite));
        let share = file.share();
        assert_no_space(file.truncate(8 * page()));
        drop(share);
        let mut moving = MappedFile::open(&path, Mode::ReadWrite).unwrap();
        assert_no_space(moving.truncate(8 * page()));
        assert_eq!((file.len(), moving.len(), file.file_len().unwrap()), (100, 100, 100), "{}", disk.kind);
        assert!(std::fs::read(&path).unwrap() == bytes(0, 100));
        std::fs::remove_file(full).unwrap();
        assert_no_space(file.grow(2 << 20));
        assert_eq!((file.len(), file.file_len().unwrap()), (100, 100), "{}", disk.kind);
        file.grow(8 * page()).unwrap();
        let full = disk.fill();
        // It has its room.
        file.fill(100.., 9).unwrap();
        file.flush().unwrap();
        assert!(file.count(b"\x09", ..).unwrap() >= 8 * page() - 100);
        file.get_mut().unwrap().resize(80 * page()).unwrap();
        let error = file.fill(8 * page().., 9).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fault, "{}", disk.kind);
        std::fs::remove_file(full).unwrap();
    }
}

/// G6: as a file, through its position, which stays; also behind a gap, and with bytes that are inside in part.
fn writing_to_a_full_disk_as_a_file() {
    for disk in SmallDisk::all() {
        let path = disk.path().join("file");
        std::fs::write(&path, bytes(0, 100)).unwrap();
        let mut file = MappedFile::open(&path, Mode::ReadWrite).unwrap();
        disk.fill();
        for position in [50, 100, 200, 20 * page()] {
            file.seek(SeekFrom::Start(position as u64)).unwrap();
            assert_no_space(file.write(&vec![7; 10 * page()]));
            assert_eq!((file.position(), file.len(), file.file_len().unwrap()), (position, 100, 100));
            assert!(std::fs::read(&path).unwrap() == bytes(0, 100), "{}: {position}", disk.kind);
        }
        let mut writer = BufWriter::new(file);
        writer.seek(SeekFrom::End(0)).unwrap();
        writer.write_all(&bytes(100, 10)).unwrap();
        let file = writer.into_inner().unwrap();
        assert!(file.to_vec(..).unwrap() == bytes(0, 110));
    }
}

/// G6: what was allocated before counts as free for its file.
fn space_that_a_file_has_behind_its_end() {
    for disk in SmallDisk::all() {
        let mut file = MappedFile::open(disk.path().join("file"), Mode::CreateNew).unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(file.file().unwrap());
        // SAFETY: the descriptor is the map's.
        let result = unsafe { libc::fallocate(fd, libc::FALLOC_FL_KEEP_SIZE, 0, 8 * page() as libc::off_t) };
        assert_eq!(result, 0, "{}", disk.kind);
        disk.fill();
        assert_no_space(file.truncate(80 * page()));
        file.truncate(8 * page()).unwrap();
        file.fill(.., 7).unwrap();
        file.flush().unwrap();
    }
}

type Attempt<'a> = dyn FnMut() -> std::io::Result<()> + 'a;

/// G10: where a write over bytes that others have appended fails, they are there again.
fn a_failed_write_gives_back_what_others_have_appended() {
    let check = |path: &Path, kind: &str, fails: &dyn Fn(&mut Attempt<'_>)| {
        for capacity in [0, 1 << 30] {
            std::fs::write(path, bytes(0, 100)).unwrap();
            let mut file = MmapOptions::new().capacity(capacity).open_mode(path, Mode::ReadWrite).unwrap();
            File::options().append(true).open(path).unwrap().write_all(b"what others have appended").unwrap();
            let model = [&bytes(0, 100)[..], b"what others have appended"].concat();
            for position in [50, 100, 110] {
                file.set_position(position);
                fails(&mut || file.write(&vec![7; 10 * page()]).map(drop));
                assert_eq!(file.position(), position);
                assert!(std::fs::read(path).unwrap() == model, "{kind}: {position}");
            }
            file.set_position(0);
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).unwrap();
            assert!(rest == model, "{kind}");
        }
    };
    for disk in SmallDisk::all() {
        let path = disk.path().join("file");
        std::fs::write(&path, bytes(0, 200)).unwrap();
        disk.fill();
        check(&path, disk.kind, &|write| assert_no_space(write()));
    }
    let directory = tempfile::tempdir().unwrap();
    // SAFETY: an ignored signal has no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    // SAFETY: all zeros are limits.
    let mut limits: libc::rlimit = unsafe { std::mem::zeroed() };
    // SAFETY: asks for the limits of this process.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limits) }, 0);
    let limited = libc::rlimit { rlim_cur: 1000, ..limits };
    check(&directory.path().join("file"), "a limit", &|write| {
        // SAFETY: sets the limits of this process.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limited) }, 0);
        let result = write();
        // SAFETY: sets them back.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limits) }, 0);
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EFBIG));
    });
}

/// G6, G10: what a process may not write is refused before anything is written, and before the system ends the process for it.
fn growing_beyond_a_limit_is_refused_at_once() {
    const LIMIT: usize = 200_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"here").unwrap();
    let limit = libc::rlimit { rlim_cur: LIMIT as libc::rlim_t, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: sets the limits of this process.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
    for (append, sparse) in [(false, false), (true, false), (false, true)] {
        let file = File::options().read(true).write(true).append(append).open(&path).unwrap();
        let options = MmapOptions::new().capacity(1 << 30).access(Access::Write).sparse(sparse);
        let map = options.map(&file).unwrap();
        let bytes = vec![1; LIMIT];
        for result in [map.append(&bytes).map(drop), map.write_growing_at(&bytes, 4), map.grow(LIMIT + 1)] {
            assert_eq!(std::io::Error::from(result.unwrap_err()).raw_os_error(), Some(libc::EFBIG));
            assert_eq!((map.len(), std::fs::read(&path).unwrap()), (4, b"here".to_vec()));
        }
        assert_eq!(map.append(&bytes[..LIMIT / 4]).unwrap(), 4);
        drop(map);
        let mut map = options.map_mode(&file, Mode::ReadWrite).unwrap();
        assert_eq!(std::io::Error::from(map.truncate(LIMIT + 1).unwrap_err()).raw_os_error(), Some(libc::EFBIG));
        let opened = options.len(LIMIT + 1).map_mode(&file, Mode::ReadWrite);
        assert_eq!(std::io::Error::from(opened.unwrap_err()).raw_os_error(), Some(libc::EFBIG));
        file.set_len(4).unwrap();
    }
}

/// G6, G10: who makes a file much longer, while others append to it, cuts off nothing of theirs.
fn truncating_to_a_greater_length_keeps_what_others_append() {
    const RECORDS: usize = 2_000;
    let record = |number| format!("{number:09}\n");
    for is_shared in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (path, done) = (directory.path().join("file"), directory.path().join("done"));
        std::fs::write(&path, b"").unwrap();
        let append = || {
            let mut file = File::options().append(true).open(&path).unwrap();
            for number in 0..RECORDS {
                file.write_all(record(number).as_bytes()).unwrap();
                std::thread::sleep(std::time::Duration::from_micros(20));
            }
            std::fs::write(&done, b"").unwrap();
        };
        forked(append, || {
            let file = File::options().read(true).write(true).open(&path).unwrap();
            let mut file = MmapOptions::new().capacity(1 << 30).map_mode(&file, Mode::ReadWrite).unwrap();
            let _share = is_shared.then(|| file.share());
            while !done.exists() && file.len() < 500 << 20 {
                file.refresh().unwrap();
                // More than all that can be appended until then.
                file.truncate(file.len() + RECORDS * 11).unwrap();
            }
        });
        let mut left = std::fs::read(&path).unwrap();
        left.retain(|&byte| byte != 0);
        let expected: String = (0..RECORDS).map(record).collect();
        assert!(left == expected.as_bytes(), "{} of {}", left.len(), expected.len());
    }
}

/// G10: the limit is found out by the system, at the same time as others append: their bytes are not cut off.
fn growing_beyond_a_limit_keeps_what_others_append() {
    const RECORDS: usize = 20_000;
    const LIMIT: usize = 10_000_000;
    let directories = [Some("/dev/shm"), None].map(|place| match place {
        Some(place) => tempfile::tempdir_in(place),
        None => tempfile::tempdir(),
    });
    // SAFETY: an ignored signal has no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let limit = libc::rlimit { rlim_cur: LIMIT as libc::rlim_t, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: sets the limits of this process.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
    for directory in directories.into_iter().flatten() {
        let path = directory.path().join("file");
        std::fs::write(&path, b"").unwrap();
        let append = || {
            let mut file = File::options().append(true).open(&path).unwrap();
            (0..RECORDS).for_each(|number| writeln!(file, "{number:09}").unwrap());
        };
        let map = MmapOptions::new().capacity(1 << 30).access(Access::Write).open(&path).unwrap();
        forked(append, || {
            while map.len() < RECORDS * 10 && std::fs::metadata(&path).unwrap().len() < (RECORDS * 10) as u64 {
                let error = std::io::Error::from(map.grow(2 * LIMIT).unwrap_err());
                assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
            }
        });
        map.refresh().unwrap();
        let expected: String = (0..RECORDS).map(|number| format!("{number:09}\n")).collect();
        assert!(map.to_vec(..).unwrap() == expected.as_bytes(), "{}", path.display());
    }
}

/// G10: a map that cannot be longer has not changed its file, at the same time as others append to that.
fn resizing_beyond_the_addresses_keeps_what_others_append() {
    const RECORDS: usize = 20_000;
    limit_addresses();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"content\n\n").unwrap();
    let append = || {
        let mut file = File::options().append(true).open(&path).unwrap();
        (1..RECORDS).for_each(|number| writeln!(file, "{number:09}").unwrap());
    };
    let mut map = MmapOptions::new().access(Access::Write).open(&path).unwrap();
    let len = map.len();
    forked(append, || {
        while std::fs::metadata(&path).unwrap().len() < (RECORDS * 10 - 1) as u64 {
            let error = std::io::Error::from(map.resize(1 << 30).unwrap_err());
            assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
            assert_eq!((map.len(), map.get(3).unwrap()), (len, b't'));
        }
    });
    let expected: String = (1..RECORDS).map(|number| format!("{number:09}\n")).collect();
    let found = std::fs::read(&path).unwrap();
    assert!(found.starts_with(b"content\n\n") && found[len..] == *expected.as_bytes(), "{} bytes", found.len());
}

/// A writer's record of that number.
type Record<'a> = dyn Fn(usize) -> Vec<u8> + 'a;

/// As many children as there are writers, each of which writes so many records.
fn writers(count: usize, write: &dyn Fn(usize, &Record<'_>)) {
    match count {
        0 => {}
        _ => forked(
            || write(count, &|number| format!("{count} {number} {}\n", "x".repeat(number % 90)).into_bytes()),
            || writers(count - 1, write),
        ),
    }
}

const WRITERS: usize = 4;
const RECORDS: usize = 300;

/// Whether all records are there, each in one piece, and each writer's in their order.
fn assert_all_records(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut next = [0; WRITERS + 1];
    for line in text.lines() {
        let mut words = line.split(' ');
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let (writer, record) = (number(), number());
        assert_eq!((record, words.next()), (next[writer], Some(&*"x".repeat(record % 90))), "{line}");
        next[writer] += 1;
    }
    assert_eq!(next[1..], [RECORDS; WRITERS]);
}

/// G10: who has the lock goes to the end and writes.
fn processes_append_in_turns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::fs::write(&path, "").unwrap();
    writers(WRITERS, &|_, record| {
        let mut file = MappedFile::open(&path, Mode::ReadWrite).unwrap();
        let lock = File::open(&path).unwrap();
        for number in 0..RECORDS {
            lock.lock().unwrap();
            file.seek(SeekFrom::End(0)).unwrap();
            file.write_all(&record(number)).unwrap();
            lock.unlock().unwrap();
        }
    });
    assert_all_records(&path);
}

/// G10: with `O_APPEND` nobody needs a lock, and each finds its record where it was told that it is.
fn processes_append_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::fs::write(&path, "").unwrap();
    writers(WRITERS, &|writer, record| {
        let file = File::options().read(true).append(true).open(&path).unwrap();
        let options = MmapOptions::new().capacity(if writer % 2 == 0 { 1 << 30 } else { 0 });
        let mut file = options.map_mode(&file, Mode::ReadWrite).unwrap();
        for number in 0..RECORDS {
            let bytes = record(number);
            if writer % 2 == 0 {
                let start = file.append(&bytes).unwrap();
                assert!(file.to_vec(start..start + bytes.len()).unwrap() == bytes);
            } else {
                file.write_all(&bytes).unwrap();
                let start = file.position() - bytes.len();
                file.set_position(start);
                let mut found = vec![0; bytes.len()];
                file.read_exact(&mut found).unwrap();
                assert!(found == bytes);
            }
        }
    });
    assert_all_records(&path);
}

/// Runs `write` in a child that is killed as soon as its file has some length, again and again. `write` gets the path and a
/// function that says how many bytes it was told are written.
fn killed_again_and_again(write: impl Fn(&Path, &dyn Fn(usize))) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let told = MmapOptions::new().len(8).map_anonymous().unwrap();
    let (mut cut, mut whole) = (0, 0);
    for round in 0..60usize {
        let _ = std::fs::remove_file(&path);
        told.write_all_at(&[0; 8], 0).unwrap();
        // SAFETY: the child has only this thread, and ends here.
        let child = unsafe { libc::fork() };
        if child == 0 {
            write(&path, &|len| told.write_all_at(&(len as u64).to_ne_bytes(), 0).unwrap());
            unreachable!("it is killed");
        }
        let enough = (round * 7919) as u64 % 200_000;
        while std::fs::metadata(&path).map_or(0, |file| file.len()) <= enough {
            std::thread::yield_now();
        }
        // SAFETY: the child is ours and has not been waited for.
        unsafe { libc::kill(child, libc::SIGKILL) };
        wait_for(child);
        let contents = std::fs::read(&path).unwrap();
        let told = u64::from_ne_bytes(told.to_vec(..).unwrap().try_into().unwrap()) as usize;
        assert!(contents == bytes(0, contents.len()), "no byte that was not written, no tail of zeros");
        assert!(told <= contents.len(), "{told} of {} bytes", contents.len());
        // What the kernel was told in one piece is in the file in one piece, but for a kill between two of its pages.
        if ends(contents.len()) {
            whole += 1;
        } else {
            assert_eq!(contents.len() % page(), 0, "cut inside of a page");
            cut += 1;
        }
    }
    println!("killed {whole} times between two appends, {cut} times in the middle of one");
}

/// The lengths of what is appended, one after the other.
fn lengths() -> impl Iterator<Item = usize> {
    (0..).map(|count: usize| 1 + (count * 37) % 130)
}

/// Whether an append ends there.
fn ends(len: usize) -> bool {
    let mut ends = lengths().scan(0, |end, len| {
        *end += len;
        Some(*end)
    });
    len == 0 || ends.find(|&end| end >= len) == Some(len)
}

/// G6: the file of a process that is killed holds what was appended, and no end of zeros.
fn killed_while_appending() {
    killed_again_and_again(|path, tell| {
        let options = MmapOptions::new().capacity(1 << 30);
        let map = options.open_mode(path, Mode::Create).unwrap().into_map().unwrap();
        let mut end = 0;
        for len in lengths() {
            map.append(&bytes(end, len)).unwrap();
            end += len;
            tell(end);
        }
    });
}

/// G6: the same for a map that moves, whose room is larger than its file.
fn killed_while_writing() {
    killed_again_and_again(|path, tell| {
        let mut file = MappedFile::open(path, Mode::Create).unwrap();
        for len in lengths() {
            let end = file.position();
            file.write_all(&bytes(end, len)).unwrap();
            tell(file.position());
        }
    });
}

/// Runs `child` in a forked process, which must find everything as it should be, while `parent` runs here.
fn forked(child: impl FnOnce(), parent: impl FnOnce()) {
    // SAFETY: the child has only this thread, and ends here.
    let process = unsafe { libc::fork() };
    if process == 0 {
        // SAFETY: only sets a timer.
        unsafe { libc::alarm(60) };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(if result.is_ok() { 0 } else { 101 }) };
    }
    parent();
    let status = wait_for(process);
    assert!(status.success(), "{status}");
}

fn refresh_until(map: &Mmap, len: usize) {
    while map.refresh().unwrap() < len {
        std::thread::yield_now();
    }
    assert_eq!(map.len(), len);
}

/// G7: shared memory grows in the parent before the fork, in the child after it, and in the parent after it.
fn memory_grows_before_and_after_fork() {
    let map = MmapOptions::new().len(10).capacity(1 << 30).map_shared_memory().unwrap();
    map.grow(3 * page()).unwrap();
    map.write_all_at(&bytes(0, 3 * page()), 0).unwrap();
    forked(
        || {
            assert!(map.to_vec(..).unwrap() == bytes(0, 3 * page()));
            assert_eq!(map.append(&bytes(3 * page(), 100)).unwrap(), 3 * page());
            refresh_until(&map, 10 * page());
            assert!(map.to_vec(..).unwrap() == bytes(0, 10 * page()));
        },
        || {
            refresh_until(&map, 3 * page() + 100);
            assert!(map.to_vec(..).unwrap() == bytes(0, 3 * page() + 100));
            map.append(&bytes(3 * page() + 100, 7 * page() - 100)).unwrap();
        },
    );
    // Without a capacity it moves in each process, and is the same memory still.
    let mut file = MappedFile::anonymous(10, None).unwrap();
    file.write_all(&bytes(0, 3 * page())).unwrap();
    forked(|| file.write_all(&bytes(3 * page(), 1000 * page())).unwrap(), || {});
    assert_eq!(file.len(), 3 * page());
    assert_eq!(file.refresh().unwrap(), 1003 * page());
    assert!(file.to_vec(..).unwrap() == bytes(0, 1003 * page()));
}

/// G7: processes that make memory longer at once do not cut off what the others have.
fn processes_grow_memory_at_once() {
    let map = MmapOptions::new().len(0).capacity(1 << 30).map_shared_memory().unwrap();
    let work = || {
        for _ in 0..2000 {
            let len = map.refresh().unwrap();
            map.grow(len + 100).unwrap();
            map.set(len + 99, 1).unwrap();
        }
    };
    forked(|| forked(work, work), work);
    let len = map.refresh().unwrap();
    assert!((200_000..=600_000).contains(&len), "{len}");
    assert_eq!(map.count(b"\x01", ..).unwrap(), len / 100);
}

/// F1, F2, F5, G6: threads that grow a map, read it and walk through it, while its file is truncated again and again: what they
/// get is bytes of the file or a fault, and in the end the map is whole.
fn growing_reading_and_truncating_at_once() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let file = crate::process::memory_file();
    let map = MmapOptions::new().access(Access::Write).capacity(crate::common::large()).map(&file).unwrap();
    map.append(&vec![7; 5 * page()]).unwrap();
    let done = AtomicBool::new(false);
    let work = |step: &dyn Fn() -> firmmap::Result<()>| {
        let mut faults = 0;
        while !done.load(Ordering::Relaxed) {
            if let Err(error) = step() {
                assert_eq!(error.kind(), ErrorKind::Fault, "{error}");
                faults += 1;
            }
        }
        faults
    };
    let known = |bytes: Vec<u8>| assert!(bytes.iter().all(|byte| [0, 7].contains(byte)));
    let (map, work) = (&map, &work);
    let faults = std::thread::scope(|scope| {
        let threads = [
            scope.spawn(move || work(&|| map.append(&[7; 100]).map(drop))),
            scope.spawn(move || work(&|| map.to_vec(..).map(known))),
            scope.spawn(move || work(&|| map.lines(..).try_for_each(|line| line.map(drop)))),
            scope.spawn(move || work(&|| map.find_iter(b"\x07", ..).try_for_each(|place| place.map(drop)))),
            scope.spawn(move || work(&|| map.residency(..).and_then(|_| map.prefetch(..)))),
        ];
        for round in 0..300u64 {
            let len = map.len() as u64;
            file.set_len(len * (round % 5) / 5).unwrap();
            std::thread::sleep(std::time::Duration::from_micros(500));
            file.set_len(map.len() as u64).unwrap();
            std::thread::sleep(std::time::Duration::from_micros(500));
        }
        done.store(true, Ordering::Relaxed);
        threads.map(|thread| thread.join().unwrap())
    });
    println!("faults: {faults:?}");
    // One that nobody was told of.
    let _ = map.check();
    file.set_len(map.len() as u64).unwrap();
    map.fill(.., 1).unwrap();
    assert_eq!(map.append(b"\x01").unwrap(), map.len() - 1);
    assert_eq!(map.count(b"\x01", ..).unwrap(), map.len());
}

/// G7: a child that is forked while a thread of its parent appends can append itself.
fn a_child_does_not_wait_for_the_threads_of_its_parent() {
    let map = MmapOptions::new().len(0).capacity(1 << 30).map_shared_memory().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                map.append(&[1; 100]).unwrap();
            }
        });
        for _ in 0..100 {
            forked(
                || {
                    map.append(&[2; 100]).unwrap();
                },
                || {},
            );
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// G7: the same where the thread begins in the middle of the fork, after it was decided who is called in the child.
fn a_map_that_grows_for_the_first_time_while_another_thread_forks() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static FORKING: AtomicBool = AtomicBool::new(false);
    static GROWS: AtomicBool = AtomicBool::new(false);
    extern "C" fn prepare() {
        FORKING.store(true, Ordering::SeqCst);
        while !GROWS.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }
    let map = MmapOptions::new().len(0).capacity(1 << 30).map_shared_memory().unwrap();
    let done = AtomicBool::new(false);
    // SAFETY: the function uses atomics only.
    unsafe { libc::pthread_atfork(Some(prepare), None, None) };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if FORKING.load(Ordering::SeqCst) {
                    map.append(&[1; 100]).unwrap();
                    GROWS.store(true, Ordering::SeqCst);
                }
            }
        });
        forked(
            || {
                map.append(&[2; 100]).unwrap();
            },
            || {},
        );
        done.store(true, Ordering::Relaxed);
    });
}

/// G6, G9: several processes map one file and write their own ranges of it.
fn processes_write_their_own_ranges() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table");
    let (processes, part) = (4, 3 * page() + 100);
    let mut file = MappedFile::open(&path, Mode::CreateNew).unwrap();
    file.truncate(processes * part).unwrap();
    let children: Vec<_> = (0..processes)
        .map(|index| {
            // SAFETY: the child has only this thread, and ends here.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let options = MmapOptions::new().offset((index * part) as u64).len(part);
                let map = options.open_mode(&path, Mode::ReadWrite).unwrap();
                for place in 0..part {
                    map.set(place, byte(index * part + place)).unwrap();
                }
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(0) };
            }
            child
        })
        .collect();
    for child in children {
        assert!(wait_for(child).success());
    }
    assert!(file.to_vec(..).unwrap() == bytes(0, processes * part));
    assert!(std::fs::read(&path).unwrap() == bytes(0, processes * part));
}

/// Leaves this process 64 MiB of addresses.
fn limit_addresses() {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let used: u64 = status.split(' ').next().unwrap().parse::<u64>().unwrap() * page() as u64;
    let rlim_cur = libc::rlim_t::try_from(used + (64 << 20)).unwrap();
    let limit = libc::rlimit { rlim_cur, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit is a whole `rlimit`.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

/// G6: where addresses are limited, a capacity that is too large is an error, and growth gets what it needs and no more.
fn addresses_are_limited() {
    limit_addresses();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"content").unwrap();
    let options = MmapOptions::new().capacity(crate::common::large());
    for error in [
        options.open_mode(&path, Mode::ReadWrite).unwrap_err(),
        options.open(&path).unwrap_err(),
        options.clone().len(1).map_shared_memory().unwrap_err(),
        options.clone().len(1).map_anonymous().unwrap_err(),
        options.clone().len(1).private().map_anonymous().unwrap_err(),
    ] {
        assert_eq!(error.os_error().unwrap().raw_os_error(), Some(libc::ENOMEM), "{error}");
    }
    assert_eq!(MmapOptions::new().capacity(usize::MAX).open(&path).unwrap_err().kind(), ErrorKind::TooLarge);
    let mut file = MappedFile::open(&path, Mode::Create).unwrap();
    let mut end = 0;
    let error = loop {
        match file.write_all(&vec![byte(end); 1 << 20]) {
            Ok(()) => end += 1 << 20,
            Err(error) => break error,
        }
    };
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    // Without mremap(2) the old mapping is there until the new one is.
    let least = if cfg!(firmmap_no_mremap) { 20 << 20 } else { 40 << 20 };
    assert!(end > least, "{end} of 64 MiB");
    assert_eq!((file.len(), file.position(), file.file_len().unwrap()), (end, end, end as u64));
    assert_eq!(file.get(end - 1).unwrap(), byte(end - (1 << 20)));
}

/// F7, G6: growth does not need the guard.
fn without_the_guard() {
    firmmap::fault::set_fault_guard(false);
    let mut file = MappedFile::anonymous(0, Some(10 * page())).unwrap();
    file.write_all(&bytes(0, 30 * page())).unwrap();
    assert!(file.to_vec(..).unwrap() == bytes(0, 30 * page()));
    let files = tempfile::tempfile().unwrap();
    let map = MmapOptions::new().access(Access::Write).capacity(crate::common::large()).map(&files).unwrap();
    map.append(&bytes(0, 3 * page())).unwrap();
    files.set_len(page() as u64).unwrap();
    // Found before a byte is touched.
    assert_eq!(map.append(b"x").unwrap_err().fault_offset(), Some(page()));
    assert_eq!(map.refresh().unwrap_err().fault_offset(), Some(page()));
    assert_eq!(files.metadata().unwrap().len(), page() as u64);
}
