//! Threads that append to one map, while others read it.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use loom::thread;

use crate::growth_lock::GrowthLock;

/// A map of a file, with capacity for two bytes. A byte that is not zero was written.
struct Map {
    growth: GrowthLock,
    bytes: [AtomicU8; 2],
    len: AtomicUsize,
    /// Whether a thread is appending: the lock's own work.
    busy: AtomicUsize,
}

impl Map {
    fn new(lock: GrowthLock) -> Self {
        Self {
            growth: lock,
            bytes: [AtomicU8::new(0), AtomicU8::new(0)],
            len: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
        }
    }

    /// `Mmap::append`, as `Region::grow` has the length.
    fn append(&self, byte: u8, generation: u32) -> usize {
        let _lock = self.growth.lock(generation);
        assert_eq!(self.busy.swap(1, Ordering::Relaxed), 0, "two threads append at once");
        let len = self.len.load(Ordering::Acquire);
        self.bytes[len].store(byte, Ordering::Relaxed);
        self.len.store(len + 1, Ordering::Release);
        self.busy.store(0, Ordering::Relaxed);
        len
    }

    fn check(&self) -> usize {
        let len = self.len.load(Ordering::Acquire);
        for byte in &self.bytes[..len] {
            assert_ne!(byte.load(Ordering::Relaxed), 0, "a length without its bytes");
        }
        len
    }
}

#[test]
fn appends_take_turns_and_a_length_has_its_bytes() {
    loom::model(|| {
        let map = Arc::new(Map::new(GrowthLock::new(0)));
        let other = map.clone();
        let writer = thread::spawn(move || other.append(1, 1));
        let mut seen = map.check();
        let place = map.append(2, 1);
        for _ in 0..2 {
            let now = map.check();
            assert!(now >= seen, "the map became shorter");
            seen = now;
        }
        assert_eq!(writer.join().unwrap() + place, 1, "each has a place of its own");
        assert_eq!(map.check(), 2);
    });
}

/// In the child of a fork: the lock is held by a thread of the parent's, which is not there.
#[test]
fn a_lock_of_the_parents_is_taken_over() {
    loom::model(|| {
        let map = Arc::new(Map::new(GrowthLock::new(1)));
        let other = map.clone();
        let writer = thread::spawn(move || other.append(1, 2));
        map.append(2, 2);
        writer.join().unwrap();
        assert_eq!(map.check(), 2);
    });
}
