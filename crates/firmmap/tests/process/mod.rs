//! Scenarios that run in a process of their own, and the files that they truncate.
//!
//! A test executes its own test binary again and asks for one scenario in it. So a death by SIGBUS is a result like any
//! other, and what a scenario does to its process (handlers, limits) stays there.

#![allow(unsafe_code)]
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use firmmap::{Access, ErrorKind, Mmap, MmapOptions};

/// Names the scenario that a child process is to run.
pub const SCENARIO: &str = "FIRMMAP_SCENARIO";

/// How long a scenario may take, in seconds, before it counts as hanging.
const TIMEOUT: u32 = 120;

/// Declares the tests of a file: `lives` must end well, `dies` must be ended by SIGBUS. Each name is a function of the file.
#[macro_export]
macro_rules! scenarios {
    (lives: $($lives:ident),* $(,)?; dies: $($dies:ident),* $(,)?;) => {
        fn child(scenario: &str) -> $crate::process::Child {
            $crate::process::Child::new(module_path!(), scenario)
        }

        mod in_a_process_of_its_own {
            $(#[test] fn $lives() { super::child(stringify!($lives)).lives(); })*
            $(#[test] fn $dies() { super::child(stringify!($dies)).dies(); })*
        }

        #[test]
        #[ignore = "the tests run it, each with a scenario of its own"]
        fn scenario() {
            let Ok(name) = std::env::var($crate::process::SCENARIO) else { return };
            $crate::process::on_the_main_thread(|| match name.as_str() {
                $(stringify!($lives) => $lives(),)*
                $(stringify!($dies) => $dies(),)*
                _ => panic!("there is no scenario {name}"),
            });
        }
    };
}

/// A child process that will run a scenario.
pub struct Child(Command);

/// This test binary once more: by itself, or through the emulator that `FIRMMAP_TEST_RUNNER` has the command of.
pub fn this_program() -> Command {
    let program = std::env::current_exe().unwrap();
    let runner = std::env::var("FIRMMAP_TEST_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else { return Command::new(program) };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}

impl Child {
    /// `module` is the path of the module that has declared the scenario.
    pub fn new(module: &str, scenario: &str) -> Self {
        // The harness names tests without the crate.
        let test = module.split_once("::").map_or("scenario".into(), |(_, module)| format!("{module}::scenario"));
        let mut command = this_program();
        command.args([&*test, "--exact", "--ignored", "--nocapture"]);
        command.env(SCENARIO, scenario).env("RUST_BACKTRACE", "0");
        // Scenarios end without cleaning up, in a fork of a program that goes on: all that it has would be a leak.
        if let Ok(options) = std::env::var("ASAN_OPTIONS") {
            command.env("ASAN_OPTIONS", format!("{options}:detect_leaks=0"));
        }
        Self(command)
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs the scenario, which must end well, and returns what it has printed.
    pub fn lives(self) -> String {
        let output = self.run();
        assert!(output.status.success(), "{}\n{}", output.status, text(&output));
        let text = text(&output);
        assert!(text.contains("1 passed"), "{text}");
        for why in text.lines().filter_map(|line| line.split_once("skipped: ")) {
            crate::skipped::skipped(why.1);
        }
        text
    }

    /// Runs the scenario, which must be ended by SIGBUS after it has come `so far`.
    pub fn dies(self) -> String {
        let output = self.run();
        assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{}\n{}", output.status, text(&output));
        let text = text(&output);
        assert!(text.contains("so far"), "{text}");
        text
    }

    fn run(mut self) -> Output {
        self.0.output().unwrap()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a scenario on the only thread of a process, which has the standard library's handler as every Rust program has, and ends
/// as it has ended. (The test harness has a thread for each test. A signal sent to the process would go to any of them.)
pub fn on_the_main_thread(scenario: impl FnOnce()) {
    // SAFETY: the harness's other thread waits for this one and holds no locks.
    match unsafe { libc::fork() } {
        0 => {
            // It must not hang, not live on alone, and leave no core file when it dies.
            // SAFETY: only sets a timer.
            unsafe { libc::alarm(TIMEOUT) };
            #[cfg(target_os = "linux")]
            // SAFETY: only stores a number.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)
            };
            let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: the limit is a whole `rlimit`.
            unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scenario));
            std::process::exit(if result.is_ok() { 0 } else { 101 });
        }
        child => {
            let status = wait_for(child);
            if let Some(signal) = status.signal() {
                let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                // SAFETY: the limit is a whole `rlimit`.
                unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) };
                // SAFETY: every signal has a default.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
                // SAFETY: always works.
                unsafe { libc::raise(signal) };
            }
            assert!(status.success(), "{status}");
        }
    }
}

/// How a child process has ended.
pub fn wait_for(child: libc::pid_t) -> std::process::ExitStatus {
    assert!(child > 0, "{}", io::Error::last_os_error());
    let mut status = 0;
    // SAFETY: the child is ours, and nobody else waits for it.
    while unsafe { libc::waitpid(child, &mut status, 0) } != child {}
    std::process::ExitStatus::from_raw(status)
}

/// In a scenario that is going to die: it has come to the point where it should.
pub fn so_far() {
    println!("so far, so good");
}

/// In a scenario that this system cannot run.
pub fn skipped(why: &str) {
    // The test passes it on, which knows its name.
    println!("skipped: {why}");
}

pub fn page() -> usize {
    firmmap::page_size()
}

/// What a test file holds at `position`: never zero, so that zeros that are not the file's are seen.
pub fn byte(position: usize) -> u8 {
    (position % 251) as u8 + 1
}

pub fn bytes(start: usize, len: usize) -> Vec<u8> {
    (start..start + len).map(byte).collect()
}

/// Asserts that a map holds `expected`, and prints the first difference only.
#[track_caller]
pub fn assert_bytes(map: &Mmap, expected: &[u8]) {
    let found = map.to_vec(..).unwrap();
    assert_eq!(found.len(), expected.len());
    if let Some(index) = found.iter().zip(expected).position(|(found, expected)| found != expected) {
        panic!("the byte at {index} is {} and not {}", found[index], expected[index]);
    }
}

/// A file in memory. While it is truncated and grows again by what is written at its end, it never holds a zero that nobody has
/// written. Files of ext4 can: a program in C that reads them through mmap(2), with others that write and flush, meets pages of
/// zeros.
#[cfg(linux_kernel)]
pub fn memory_file() -> File {
    use std::os::fd::FromRawFd;
    // SAFETY: the name ends in a zero byte.
    let fd = unsafe { libc::memfd_create(c"firmmap-test".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: a new descriptor of ours.
    unsafe { File::from_raw_fd(fd) }
}

#[cfg(not(linux_kernel))]
pub fn memory_file() -> File {
    tempfile::tempfile().unwrap()
}

/// A file of whole pages that hold [`bytes`].
pub struct Pages {
    pub file: File,
    pub len: usize,
    content: Vec<u8>,
}

impl Pages {
    pub fn new(count: usize) -> Self {
        Self::of(tempfile::tempfile().unwrap(), count)
    }

    pub fn of(file: File, count: usize) -> Self {
        let pages = Self { file, len: count * page(), content: bytes(0, count * page()) };
        pages.restore();
        pages
    }

    /// The file ends after this many pages.
    pub fn truncate(&self, pages: usize) {
        self.file.set_len((pages * page()) as u64).unwrap();
    }

    /// The file is as it was.
    pub fn restore(&self) {
        self.file.set_len(self.len as u64).unwrap();
        self.file.write_all_at(&self.content, 0).unwrap();
    }

    pub fn map(&self, access: Access) -> Mmap {
        MmapOptions::new().access(access).map(&self.file).unwrap()
    }

    pub fn untracked(&self, access: Access) -> Mmap {
        MmapOptions::new().access(access).track_file(false).map(&self.file).unwrap()
    }
}

/// Asserts that an operation has met a missing byte in `range`.
#[track_caller]
pub fn assert_fault<T: std::fmt::Debug>(result: firmmap::Result<T>, range: impl std::ops::RangeBounds<usize>) {
    let error = result.expect_err("the bytes are missing");
    assert_eq!(error.kind(), ErrorKind::Fault, "{error}");
    let offset = error.fault_offset().unwrap();
    assert!(range.contains(&offset), "the fault was at {offset}");
}

/// As [`assert_fault`], for operations that give errors of the standard library.
#[track_caller]
pub fn assert_io_fault<T: std::fmt::Debug>(result: io::Result<T>, range: impl std::ops::RangeBounds<usize>) {
    let error = result.expect_err("the bytes are missing");
    let error = error.into_inner().expect("an error of ours").downcast::<firmmap::Error>().expect("an error of ours");
    assert_fault::<()>(Err(*error), range);
}

/// Reads a byte of a map as whoever has its address does. The compiler must not know that it does so twice.
pub fn peek(map: &Mmap, index: usize) -> u8 {
    assert!(index < map.len());
    peek_at(map.as_ptr().wrapping_add(index))
}

pub fn peek_at(address: *const u8) -> u8 {
    // SAFETY: the callers' addresses are mapped; who else looks at them does so in the same way.
    unsafe { address.read_volatile() }
}

/// Writes a byte as whoever has the address of a map does.
pub fn poke(map: &Mmap, index: usize, value: u8) {
    assert!(index < map.len());
    // SAFETY: the map is writable in the tests that use this.
    unsafe { map.as_mut_ptr().wrapping_add(index).write_volatile(value) };
}

/// Areas of memory that the process has mapped of `file`. (A name that only ends as "(deleted)" can be that of the test program,
/// once it was built anew.)
pub fn areas_of(file: &File) -> usize {
    use std::os::fd::AsRawFd;
    areas(std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap().to_str().unwrap())
}

/// Areas of memory that the process has mapped, of which `path` is a part of the name.
pub fn areas(path: &str) -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().filter(|line| line.contains(path)).count()
}

/// An alternate stack for more than one handler at a time. That of Rust's runtime has 8 KiB, too few for two handlers one in the other,
/// where what the kernel saves for each is 3.3 KiB (AVX-512).
pub fn install_large_stack() {
    let size = 64 * 1024;
    let memory = Box::leak(vec![0u8; size].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: size };
    // SAFETY: the memory is never freed, and no handler is running.
    assert_eq!(unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) }, 0);
}

/// A handler of SIGBUS that is not the library's. Returns the one that was there.
pub fn install_handler(handler: usize, flags: i32) -> libc::sigaction {
    // SAFETY: all zeros is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: as above.
    let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: both are whole actions; the tests' handlers do what is allowed in one.
    assert_eq!(unsafe { libc::sigaction(libc::SIGBUS, &action, &mut previous) }, 0);
    previous
}

/// Puts the handler of SIGBUS back that [`install_handler`] has returned.
pub fn restore_handler(action: &libc::sigaction) {
    // SAFETY: a whole action, which was in place before.
    assert_eq!(unsafe { libc::sigaction(libc::SIGBUS, action, std::ptr::null_mut()) }, 0);
}

/// A mapping that is not the library's, of a file that has no bytes any more.
pub struct Stranger(pub usize);

impl Stranger {
    pub fn new() -> Self {
        Self::at(0)
    }

    /// At an address of our choosing, where nothing is mapped.
    pub fn at(address: usize) -> Self {
        use std::os::fd::AsRawFd;
        let file = tempfile::tempfile().unwrap();
        file.set_len(page() as u64).unwrap();
        let fixed = if address == 0 { 0 } else { libc::MAP_FIXED };
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | fixed);
        // SAFETY: a new mapping; callers give addresses where there is none.
        let base = unsafe { libc::mmap(address as _, page(), protection, flags, file.as_raw_fd(), 0) };
        assert_ne!(base, libc::MAP_FAILED);
        file.set_len(0).unwrap();
        Self(base as usize)
    }

    pub fn peek(&self) -> u8 {
        peek_at(self.0 as *const u8)
    }
}

/// In a handler: puts a page of memory that can be used at `address`.
pub fn mend(address: usize) {
    let start = address & !(page() - 1);
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED);
    // SAFETY: the page is one of a test's own, which waits for it.
    unsafe { libc::mmap(start as _, page(), protection, flags, -1, 0) };
}

/// A signal sent to this process, to be handled before the call returns.
pub fn kill_ourselves() {
    let process = std::process::id() as libc::pid_t;
    // SAFETY: the signal is one that the process handles.
    assert_eq!(unsafe { libc::kill(process, libc::SIGBUS) }, 0);
}

/// A signal sent to this thread.
pub fn raise() {
    // SAFETY: always works.
    assert_eq!(unsafe { libc::raise(libc::SIGBUS) }, 0);
}

/// A fault of ours, survived: the guard is in place.
#[track_caller]
pub fn assert_guarded() {
    let pages = Pages::new(3);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    assert_fault(map.get(2 * page()), 2 * page()..=2 * page());
    pages.restore();
    assert_bytes(&map, &bytes(0, pages.len));
}
