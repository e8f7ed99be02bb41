//! A page that is replaced by zeros while another thread reads it.

use loom::sync::atomic::{AtomicU8, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::counts::Counts;

/// What the file has in the page.
const BYTE: u8 = 7;

/// A map of one page, and its slot.
struct Map {
    page: AtomicU8,
    counts: Counts,
    /// The slot's lock.
    lock: Mutex<()>,
}

impl Map {
    fn new() -> Arc<Self> {
        Arc::new(Self { page: AtomicU8::new(BYTE), counts: Counts::new(), lock: Mutex::new(()) })
    }

    /// The handler: counted before it can be seen. The system's call is a release, as it changes the tables of all processors.
    fn zero_fill(&self) {
        let _held = self.lock.lock().unwrap();
        self.counts.add();
        self.page.store(0, Ordering::Release);
    }

    /// What [`Slot::settle`] does when nobody is left to be told.
    fn settle(&self) {
        let _held = self.lock.lock().unwrap();
        let faults = self.counts.now();
        self.page.store(BYTE, Ordering::Release);
        self.counts.set_restored(faults);
        self.counts.set_settled(faults);
    }

    /// An operation's fast path: a byte, if it is the file's.
    fn read(&self) -> Option<u8> {
        let seen = self.counts.settled()?;
        let byte = self.page.load(Ordering::Relaxed);
        self.counts.is(seen).then_some(byte)
    }

    /// The same as whoever has the map's memory, by `fault_count`.
    fn read_by_count(&self) -> Option<u8> {
        let before = self.counts.count()?;
        let byte = self.page.load(Ordering::Relaxed);
        (self.counts.count()? == before).then_some(byte)
    }
}

fn check(read: impl Fn(&Map) -> Option<u8> + Send + Sync + Copy + 'static, settles: bool) {
    loom::model(move || {
        let map = Map::new();
        let other = map.clone();
        let handler = thread::spawn(move || {
            other.zero_fill();
            if settles {
                other.settle();
            }
        });
        for _ in 0..2 {
            if let Some(byte) = read(&map) {
                assert_eq!(byte, BYTE, "zeros were taken for the file's");
            }
        }
        handler.join().unwrap();
        assert_eq!(read(&map), settles.then_some(BYTE));
    });
}

#[test]
fn a_read_never_takes_zeros_for_the_files_bytes() {
    check(Map::read, false);
}

#[test]
fn a_read_never_takes_zeros_for_the_files_bytes_while_pages_are_restored() {
    check(Map::read, true);
}

#[test]
fn a_count_that_stays_means_that_the_bytes_were_the_files() {
    check(Map::read_by_count, false);
}

#[test]
fn a_count_that_stays_means_that_the_bytes_were_the_files_while_pages_are_restored() {
    check(Map::read_by_count, true);
}

/// Two threads meet faults: none is lost from the count, and what is settled is all of them.
#[test]
fn no_fault_is_left_out_of_the_count() {
    loom::model(|| {
        let map = Map::new();
        let other = map.clone();
        let handler = thread::spawn(move || other.zero_fill());
        map.zero_fill();
        map.settle();
        handler.join().unwrap();
        assert_eq!(map.counts.now(), 2);
        // The other thread's came later: it is not settled, or all is whole again.
        assert!(map.counts.settled().is_none() || map.page.load(Ordering::Relaxed) == BYTE);
    });
}
