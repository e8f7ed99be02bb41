//! The extension's allocator: the system's, with a little memory in reserve.
//!
//! What can be large is asked for fallibly, and is a `MemoryError` where there is none. But Rust's standard library ends the process where
//! it gets no memory for something small: the message of that very exception, say. So small requests that the system
//! refuses are met from here.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes in a block of the reserve: more than the longest message of ours, in which names are shortened.
const BLOCK: usize = 2048;
/// How many there are: one for each bit of [`IN_USE`].
const BLOCKS: usize = 64;

#[repr(C, align(4096))]
struct Reserve(UnsafeCell<[u8; BLOCK * BLOCKS]>);

// SAFETY: each block is used by whoever has set its bit.
unsafe impl Sync for Reserve {}

static RESERVE: Reserve = Reserve(UnsafeCell::new([0; BLOCK * BLOCKS]));
static IN_USE: AtomicU64 = AtomicU64::new(0);

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The number of the block that has this address, if it is one of the reserve's.
#[inline]
fn block_of(address: *mut u8) -> Option<usize> {
    let distance = address.addr().wrapping_sub(RESERVE.0.get().addr());
    (distance < BLOCK * BLOCKS).then_some(distance / BLOCK)
}

/// A block, or null.
#[cold]
#[inline(never)]
fn take(layout: Layout) -> *mut u8 {
    // Every block begins at a multiple of its length.
    if layout.size() > BLOCK || layout.align() > BLOCK {
        return ptr::null_mut();
    }
    let mut in_use = IN_USE.load(Ordering::Relaxed);
    loop {
        let free = (!in_use).trailing_zeros();
        if free as usize >= BLOCKS {
            return ptr::null_mut();
        }
        let taken = in_use | 1 << free;
        match IN_USE.compare_exchange_weak(in_use, taken, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return RESERVE.0.get().cast::<u8>().wrapping_add(free as usize * BLOCK),
            Err(now) => in_use = now,
        }
    }
}

#[cold]
#[inline(never)]
fn give_back(block: usize) {
    IN_USE.fetch_and(!(1 << block), Ordering::Release);
}

// SAFETY: what the system gives is the system's; a block is large and aligned enough, and nobody else's until it is given back.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() { take(layout) } else { memory }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if !memory.is_null() {
            return memory;
        }
        let block = take(layout);
        if !block.is_null() {
            // SAFETY: the block is ours alone, and at least as long.
            unsafe { ptr::write_bytes(block, 0, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match block_of(memory) {
            Some(block) => give_back(block),
            // SAFETY: the caller's promise: it is the system's.
            None => unsafe { System.dealloc(memory, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        if block_of(memory).is_some() {
            if len <= BLOCK {
                return memory;
            }
        } else {
            // SAFETY: the caller's promise: it is the system's.
            let moved = unsafe { System.realloc(memory, layout, len) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the alignment was good for `layout`, and the caller promises as much of the length.
        let wanted = unsafe { Layout::from_size_align_unchecked(len, layout.align()) };
        // SAFETY: the caller promises that the length is not zero.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both are at least that long, and different ones.
            unsafe { ptr::copy_nonoverlapping(memory, moved, layout.size().min(len)) };
            // SAFETY: the caller's promise; it is not used again.
            unsafe { self.dealloc(memory, layout) };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // C16.
    #[test]
    fn blocks_are_apart_and_come_back() {
        let layout = Layout::from_size_align(BLOCK, 16).unwrap();
        let blocks: Vec<_> = (0..BLOCKS).map(|_| take(layout)).collect();
        let mut numbers: Vec<_> = blocks.iter().map(|&block| block_of(block).unwrap()).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..BLOCKS));
        assert!(take(layout).is_null());
        assert!(take(Layout::from_size_align(BLOCK + 1, 1).unwrap()).is_null());
        for &block in &blocks[1..] {
            // SAFETY: a block that nobody uses.
            unsafe { Allocator.dealloc(block, layout) };
        }
        // SAFETY: a block that nobody else uses.
        unsafe { blocks[0].write(7) };
        // SAFETY: as above.
        let same = unsafe { Allocator.realloc(blocks[0], layout, 10) };
        assert_eq!(same, blocks[0]);
        let small = Layout::from_size_align(10, 16).unwrap();
        // SAFETY: as above.
        let moved = unsafe { Allocator.realloc(same, small, BLOCK + 1) };
        assert_eq!(block_of(moved), None);
        // SAFETY: it was moved there.
        assert_eq!(unsafe { moved.read() }, 7);
        // SAFETY: its last use.
        unsafe { Allocator.dealloc(moved, Layout::from_size_align(BLOCK + 1, 16).unwrap()) };
        assert_eq!(IN_USE.load(Ordering::Relaxed), 0);
    }
}
