//! How much memory operations ask for: searches none that grows with the map or the needle's distance, copies one of the copy's size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Read;

use firmmap::{Advice, MappedFile, Mmap, MmapOptions};

/// The system's allocator, which remembers how much each thread has asked for.
struct Counting;

thread_local! {
    /// Of the thread alone: the test harness does its own book-keeping in another one, whenever it gets to run.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has none any more.
        let _ = ASKED.try_with(|asked| asked.set(asked.get() + layout.size()));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(address, layout) }
    }
}

fn asked<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = ASKED.get();
    let result = work();
    (result, ASKED.get() - before)
}

fn map(len: usize) -> Mmap {
    let map = MmapOptions::new().len(len).map_anonymous().unwrap();
    map.fill(.., b'a').unwrap();
    map
}

/// C2, issue 4: needles that the search learns its probes for, and those that it gives up on, in a small map and in a large one.
#[test]
fn what_operations_ask_for() {
    const SMALL: usize = 1 << 20;
    const LARGE: usize = 32 << 20;
    let needles: [&[u8]; 5] =
        [b"b", b"ab", b"aaaaaaaaaaaaaaaab", b"baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &[b'a'; 5000]];
    let of_searches = |len: usize| {
        let map = map(len);
        // The very last needle would be found at once.
        map.set(len / 2, b'c').unwrap();
        needles.map(|needle| {
            asked(|| {
                map.find(needle, ..).unwrap();
                map.rfind(needle, ..).unwrap();
                map.count(needle, ..).unwrap()
            })
            .1
        })
    };
    let (small, large) = (of_searches(SMALL), of_searches(LARGE));
    assert!(large.iter().all(|&bytes| bytes < 64 * 1024), "{large:?}");
    assert_eq!(small, large);

    // C6: one copy.
    let mut file = MappedFile::new(map(LARGE));
    let (bytes, read) = asked(|| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    });
    assert_eq!((bytes.len(), read), (LARGE, LARGE));
    let (bytes, copied) = asked(|| file.to_vec(5..).unwrap());
    assert_eq!((bytes.len(), copied), (LARGE - 5, LARGE - 5));

    // C5: a piece at a time, and everything else nothing at all.
    let (_, moved) = asked(|| file.copy_within(1.., 0).unwrap());
    assert!(moved <= 128 * 1024, "{moved}");
    let rest = asked(|| {
        file.get(7).unwrap();
        file.set(7, 7).unwrap();
        file.write_all_at(&[1; 1000], 5).unwrap();
        file.fill(.., 0).unwrap();
        file.advise(Advice::SEQUENTIAL).unwrap();
        file.flush().unwrap();
    });
    assert_eq!(rest.1, 0);
}
