//! Memory and a forked child. A test binary of its own, as the child has only the thread that forked.

#![cfg(unix)]
#![allow(unsafe_code)]

mod common;

use common::{Scratch, page};
use firmmap::{Access, Mmap, MmapOptions};

/// Forks, and gives the child's verdict: whether `check` was true there.
///
/// `check` may only touch mapped bytes: whatever else belongs to another thread (a lock, the allocator) is dead there.
fn in_a_child(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child only runs `check`, which allocates and locks nothing, and ends.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        let status = if check() { 0 } else { 1 };
        // SAFETY: ends the child at once, without running anything that the parent left behind.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made; the status is ours to be written.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(waited, child, "waitpid: {}", std::io::Error::last_os_error());
    assert!(libc::WIFEXITED(status), "the child died: {status:#x}");
    libc::WEXITSTATUS(status) == 0
}

fn holds(map: &Mmap, wanted: &[u8]) -> bool {
    (0..wanted.len()).all(|index| map.get(index).is_ok_and(|byte| byte == wanted[index]))
}

// E3, B6: what the parent wrote, the child reads.
#[test]
fn the_parent_writes_and_the_child_reads() {
    let map = MmapOptions::new().len(13).map_anonymous().unwrap();
    map.write_all_at(b"Hello world!", 0).unwrap();
    assert!(in_a_child(|| holds(&map, b"Hello world!\0")));
    assert!(!in_a_child(|| holds(&map, b"Hello child!\0")));
}

// E3, B6: shared memory is one, in both directions.
#[test]
fn the_child_writes_and_the_parent_reads() {
    let map = MmapOptions::new().len(2 * page()).map_anonymous().unwrap();
    assert!(in_a_child(|| map.set(page() + 3, b'c').is_ok()));
    assert_eq!(map.get(page() + 3).unwrap(), b'c');
}

// R3, B6: a private map is copied: each keeps its own bytes.
#[test]
fn private_memory_is_copied() {
    let map = MmapOptions::new().len(10).private().map_anonymous().unwrap();
    map.fill(.., b'p').unwrap();
    assert!(in_a_child(|| holds(&map, b"pppppppppp") && map.set(0, b'c').is_ok() && holds(&map, b"cppp")));
    assert_eq!(map.get(0).unwrap(), b'p');
}

// B4: the same for maps of files.
#[test]
fn maps_of_files() {
    let scratch = Scratch::new(b"0123456789");
    let (shared, copy) = (scratch.map(Access::Write), scratch.map(Access::Copy));
    copy.set(1, b'p').unwrap();
    assert!(in_a_child(|| holds(&copy, b"0p23") && copy.set(2, b'c').is_ok() && shared.set(0, b's').is_ok()));
    assert_eq!(shared.to_vec(..4).unwrap(), b"s123");
    assert_eq!(copy.to_vec(1..4).unwrap(), b"p23");
    assert_eq!(scratch.contents(), b"s123456789");
}

// C4, D2: advice that is about forking.
#[cfg(target_os = "linux")]
#[test]
fn wiped_on_fork() {
    let map = MmapOptions::new().len(10).private().map_anonymous().unwrap();
    map.fill(.., b'p').unwrap();
    map.advise(firmmap::Advice::WIPE_ON_FORK).unwrap();
    assert!(in_a_child(|| holds(&map, &[0; 10])));
    map.advise(firmmap::Advice::KEEP_ON_FORK).unwrap();
    assert!(in_a_child(|| holds(&map, b"pppppppppp")));
}
