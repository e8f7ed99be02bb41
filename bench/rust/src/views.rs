//! Memory that is used directly, and numbers, beside the slice that memmap2 gives of the same file.

use std::hint::black_box;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};

use crate::operations::Text;
use crate::pairs::{Report, repeat};

pub fn run(report: &mut Report, text: &Text) {
    sums(report, text);
    numbers(report, "random u64, cached", text, 128 * 1024, 0.8);
    numbers(report, "random u64 in 256 MiB", text, text.len, 0.9);
    each_access(report, text);
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum()
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
}

/// The sum of all bytes.
fn sums(report: &mut Report, text: &Text) {
    if !report.group("sum of 256 MiB") {
        return;
    }
    let (ours, theirs) = (text.ours(), text.theirs());
    let expected = sum(&theirs);
    let slice = || repeat(|| assert_eq!(sum(black_box(&theirs)), expected));
    // SAFETY: nobody else has the file.
    let as_slice = repeat(|| assert_eq!(sum(black_box(unsafe { ours.as_slice() })), expected));
    report.row("as_slice", Some(0.98), as_slice, ("memmap2's slice", slice()));
    let atomics = ours.atomics_read_only::<AtomicU64>(..).unwrap();
    let total = words(&theirs).fold(0, u64::wrapping_add);
    let view = repeat(|| {
        let words = black_box(atomics).iter().map(|word| word.load(Ordering::Relaxed));
        assert_eq!(words.fold(0, u64::wrapping_add), total);
    });
    let slice_of_words = || repeat(|| assert_eq!(words(black_box(&theirs)).fold(0, u64::wrapping_add), total));
    report.row("atomics_read_only, of u64", Some(0.95), view, ("memmap2's slice", slice_of_words()));
    // What no library can be faster than: the same loads of memmap2's memory.
    // SAFETY: atomics have the layout of their numbers, and nobody writes to the memory.
    let (before, loads, after) = unsafe { theirs.align_to::<AtomicU64>() };
    assert!(before.is_empty() && after.is_empty());
    let bound = repeat(|| {
        let words = black_box(loads).iter().map(|word| word.load(Ordering::Relaxed));
        assert_eq!(words.fold(0, u64::wrapping_add), total);
    });
    report.row("bound: memmap2's slice as atomics of u64", None, bound, ("memmap2's slice", slice_of_words()));
    // Loads of atomics do not become vectors.
    let atomics = ours.atomics_read_only::<AtomicU8>(..).unwrap();
    let view = repeat(|| {
        let bytes = black_box(atomics).iter();
        assert_eq!(bytes.map(|byte| u64::from(byte.load(Ordering::Relaxed))).sum::<u64>(), expected);
    });
    report.row("atomics_read_only, of u8", None, view, ("memmap2's slice", slice()));
    let mut buffer = vec![0; 64 * 1024];
    let read = repeat(move || {
        let mut total = 0;
        let mut position = 0;
        while position < ours.len() {
            let read = ours.read_at(&mut buffer, position).unwrap();
            total += sum(&buffer[..read]);
            position += read;
        }
        assert_eq!(total, expected);
    });
    report.row("read_at of 64 KiB", Some(0.9), read, ("memmap2's slice", slice()));
    let mut buffer = vec![0; 64 * 1024];
    let bound = repeat(|| {
        let mut total = 0;
        for part in theirs.chunks(buffer.len()) {
            buffer[..part.len()].copy_from_slice(black_box(part));
            total += sum(&buffer[..part.len()]);
        }
        assert_eq!(total, expected);
    });
    report.row("bound: memmap2's slice, copied", None, bound, ("memmap2's slice", slice()));
}

/// Places all over the first `len` bytes, in no order.
fn places(len: usize) -> impl FnMut() -> usize {
    let mut random = 1_u64;
    move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 32) as usize % (len - 8)
    }
}

fn numbers(report: &mut Report, name: &str, text: &Text, len: usize, target: f64) {
    if !report.group(name) {
        return;
    }
    let (ours, theirs) = (text.ours(), text.theirs());
    // The first touch of a page is the kernel's work.
    // SAFETY: nobody else has the file.
    assert_eq!(sum(unsafe { ours.as_slice() }), sum(&theirs));
    let mut place = [(); 6].map(|()| places(len));
    let [first, second, third, fourth, fifth, sixth] = &mut place;
    let read = repeat(|| ours.get_le::<u64>(first()).unwrap());
    let slice = repeat(|| {
        let place = second();
        u64::from_le_bytes(theirs[place..place + 8].try_into().unwrap())
    });
    report.row("get_le", Some(target), read, ("from_le_bytes of memmap2's slice", slice));
    // Two maps of a file can differ in the size of the pages that the kernel maps them with; one cannot.
    let read = repeat(|| ours.get_le::<u64>(third()).unwrap());
    let slice = repeat(|| {
        let place = fourth();
        // SAFETY: nobody else has the file.
        let bytes = unsafe { ours.as_slice() };
        u64::from_le_bytes(bytes[place..place + 8].try_into().unwrap())
    });
    report.row("get_le", None, read, ("from_le_bytes of the same map's slice", slice));
    // What no guard can be faster than that looks, before and after, at how many faults there were.
    let bound = repeat(|| {
        let (seen, place) = (black_box(&FAULTS).load(Ordering::Acquire), fifth());
        let value = u64::from_le_bytes(theirs[place..place + 8].try_into().unwrap());
        fence(Ordering::Acquire);
        (black_box(&FAULTS).load(Ordering::Relaxed) == seen).then_some(value).unwrap()
    });
    let slice = repeat(|| {
        let place = sixth();
        u64::from_le_bytes(theirs[place..place + 8].try_into().unwrap())
    });
    report.row("bound: memmap2's slice, and a count", None, bound, ("from_le_bytes of memmap2's slice", slice));
}

static FAULTS: AtomicU64 = AtomicU64::new(0);

/// A view that is asked for anew each time.
fn each_access(report: &mut Report, text: &Text) {
    if !report.group("a view for each access") {
        return;
    }
    let (ours, theirs) = (text.ours(), text.theirs());
    let mut place = [places(128 * 1024), places(128 * 1024), places(128 * 1024), places(128 * 1024)];
    let [first, second, third, fourth] = &mut place;
    // SAFETY: nobody else has the file.
    let as_slice = repeat(|| unsafe { ours.as_slice() }[first()]);
    report.row("as_slice", Some(0.95), as_slice, ("memmap2's deref", repeat(|| theirs[second()])));
    let asked = repeat(|| {
        // SAFETY: nobody else has the file.
        let byte = unsafe { ours.as_slice() }[third()];
        assert_eq!(ours.fault_count(), 0);
        byte
    });
    report.row("as_slice, then fault_count", Some(0.8), asked, ("memmap2's deref", repeat(|| theirs[fourth()])));
}
