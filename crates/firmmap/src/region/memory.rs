//! Loads, stores and copies of bytes that others may change at any time.
//!
//! Mapped memory is shared with other threads and other processes, so a plain Rust load or store would be a data race. Single bytes are
//! relaxed atomics. Copies are calls of the C library's `memcpy` and `memmove` through pointers that the compiler cannot see through:
//! to it they are foreign functions, which it must expect to do what a loop of relaxed atomic bytes would do; and on every processor
//! they do just that (a copy is a sequence of loads and stores, each of at least one byte). Short copies are inline assembly, which is
//! as opaque and costs less. A copy that races with a writer holds a mixture of old and new bytes: an unspecified value, but no
//! undefined behaviour.

#[cfg(target_arch = "x86_64")]
use std::arch::asm;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::{Error, Result};
#[cfg(target_arch = "x86_64")]
use crate::processor;

unsafe extern "C" {
    fn memcpy(target: *mut c_void, source: *const c_void, len: usize) -> *mut c_void;
    fn memmove(target: *mut c_void, source: *const c_void, len: usize) -> *mut c_void;
    fn memset(target: *mut c_void, value: c_int, len: usize) -> *mut c_void;
}

type Copy = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void;
type Fill = unsafe extern "C" fn(*mut c_void, c_int, usize) -> *mut c_void;

/// # Safety
///
/// - `address` is mapped and readable.
#[inline]
pub(super) unsafe fn load(address: *mut u8) -> u8 {
    // SAFETY: the caller's promise; a byte is always aligned.
    unsafe { AtomicU8::from_ptr(address) }.load(Ordering::Relaxed)
}

/// # Safety
///
/// - `address` is mapped and writable.
#[inline]
pub(super) unsafe fn store(address: *mut u8, value: u8) {
    // SAFETY: the caller's promise; a byte is always aligned.
    unsafe { AtomicU8::from_ptr(address) }.store(value, Ordering::Relaxed);
}

/// Copies `len` bytes, if that is a length from 8 to 128, between ranges that may overlap, and returns whether it was. In assembly, which
/// the compiler does not look into either, and which costs less than a call. All is read before anything is written.
///
/// # Safety
///
/// - `len` bytes from `source` are mapped and readable.
/// - `len` bytes from `target` are mapped and writable.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn copy_short(source: *const u8, target: *mut u8, len: usize) -> bool {
    if len > 32 {
        if len > 128 {
            return false;
        }
        if len <= 64 {
            // SAFETY: the first and the last 32 bytes of `len`, which both sides have, are read and then written.
            unsafe {
                asm!(
                    "movups {a}, [{source}]",
                    "movups {b}, [{source} + 16]",
                    "movups {c}, [{source} + {len} - 32]",
                    "movups {d}, [{source} + {len} - 16]",
                    "movups [{target}], {a}",
                    "movups [{target} + 16], {b}",
                    "movups [{target} + {len} - 32], {c}",
                    "movups [{target} + {len} - 16], {d}",
                    source = in(reg) source,
                    target = in(reg) target,
                    len = in(reg) len,
                    a = out(xmm_reg) _,
                    b = out(xmm_reg) _,
                    c = out(xmm_reg) _,
                    d = out(xmm_reg) _,
                    options(nostack, preserves_flags),
                );
            }
        } else if processor::has_avx2() {
            // SAFETY: the first and the last 64 bytes of `len`, which both sides have, are read and then written; the processor has AVX2,
            // as was just checked.
            unsafe {
                processor::avx2_asm!(
                    [
                        "vmovdqu ymm0, [{source}]",
                        "vmovdqu ymm1, [{source} + 32]",
                        "vmovdqu ymm2, [{source} + {len} - 64]",
                        "vmovdqu ymm3, [{source} + {len} - 32]",
                        "vmovdqu [{target}], ymm0",
                        "vmovdqu [{target} + 32], ymm1",
                        "vmovdqu [{target} + {len} - 64], ymm2",
                        "vmovdqu [{target} + {len} - 32], ymm3",
                    ],
                    [source = in(reg) source, target = in(reg) target, len = in(reg) len, out("xmm0") _],
                    preserves_flags
                );
            }
        } else {
            // SAFETY: the first and the last 64 bytes of `len`, which both sides have, are read and then written.
            unsafe {
                asm!(
                    "movups {a}, [{source}]",
                    "movups {b}, [{source} + 16]",
                    "movups {c}, [{source} + 32]",
                    "movups {d}, [{source} + 48]",
                    "movups {e}, [{source} + {len} - 64]",
                    "movups {f}, [{source} + {len} - 48]",
                    "movups {g}, [{source} + {len} - 32]",
                    "movups {h}, [{source} + {len} - 16]",
                    "movups [{target}], {a}",
                    "movups [{target} + 16], {b}",
                    "movups [{target} + 32], {c}",
                    "movups [{target} + 48], {d}",
                    "movups [{target} + {len} - 64], {e}",
                    "movups [{target} + {len} - 48], {f}",
                    "movups [{target} + {len} - 32], {g}",
                    "movups [{target} + {len} - 16], {h}",
                    source = in(reg) source,
                    target = in(reg) target,
                    len = in(reg) len,
                    a = out(xmm_reg) _,
                    b = out(xmm_reg) _,
                    c = out(xmm_reg) _,
                    d = out(xmm_reg) _,
                    e = out(xmm_reg) _,
                    f = out(xmm_reg) _,
                    g = out(xmm_reg) _,
                    h = out(xmm_reg) _,
                    options(nostack, preserves_flags),
                );
            }
        }
    } else if len >= 16 {
        // SAFETY: the first and the last 16 bytes of `len`, which both sides have, are read and then written.
        unsafe {
            asm!(
                "movups {a}, [{source}]",
                "movups {b}, [{source} + {len} - 16]",
                "movups [{target}], {a}",
                "movups [{target} + {len} - 16], {b}",
                source = in(reg) source,
                target = in(reg) target,
                len = in(reg) len,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
        }
    } else if len >= 8 {
        // SAFETY: the first and the last 8 bytes of `len`, which both sides have, are read and then written.
        unsafe {
            asm!(
                "mov {a}, [{source}]",
                "mov {b}, [{source} + {len} - 8]",
                "mov [{target}], {a}",
                "mov [{target} + {len} - 8], {b}",
                source = in(reg) source,
                target = in(reg) target,
                len = in(reg) len,
                a = out(reg) _,
                b = out(reg) _,
                options(nostack, preserves_flags),
            );
        }
    } else {
        return false;
    }
    true
}

/// Copies `target.len()` bytes from mapped memory into private memory.
///
/// # Safety
///
/// - `target.len()` bytes from `source` are mapped and readable.
#[inline]
pub(super) unsafe fn copy_out(source: *const u8, target: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    let (start, len) = (target.as_mut_ptr().cast::<u8>(), target.len());
    #[cfg(target_arch = "x86_64")]
    // SAFETY: both sides are `len` bytes.
    if unsafe { copy_short(source, start, len) } {
        // SAFETY: the copy has written every byte of `target`.
        return unsafe { assume_init(target) };
    }
    let copy: Copy = black_box(memcpy);
    // SAFETY: both sides are `len` bytes; private memory that is borrowed exclusively overlaps nothing.
    unsafe { copy(start.cast(), source.cast(), len) };
    // SAFETY: the copy has written every byte of `target`.
    unsafe { assume_init(target) }
}

/// Copies every `step`th byte from `source` on, in mapped memory, into private memory.
///
/// # Safety
///
/// - As many bytes as `target` has, `step` apart from `source` on, are mapped and readable.
#[inline(always)]
pub(super) unsafe fn copy_strided_out(source: *mut u8, step: isize, target: &mut [MaybeUninit<u8>]) {
    let mut address = source;
    for byte in target {
        // SAFETY: the caller's promise.
        byte.write(unsafe { load(address) });
        address = address.wrapping_offset(step);
    }
}

/// A buffer as initialised. As `assume_init_mut` of slices, which is newer than the Rust that the crate asks for.
///
/// # Safety
///
/// - Every byte of `buffer` has been written.
#[inline(always)]
pub(super) unsafe fn assume_init(buffer: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    let (start, len) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: the same memory, initialised as the caller promises.
    unsafe { std::slice::from_raw_parts_mut(start, len) }
}

/// Copies `source` into mapped memory, of which it may be a part.
///
/// # Safety
///
/// - `source.len()` bytes from `target` are mapped and writable.
#[inline]
pub(super) unsafe fn copy_in(source: &[u8], target: *mut u8) {
    // SAFETY: both sides are as long as `source`.
    unsafe { copy(source.as_ptr(), target, source.len()) };
}

/// Copies inside mapped memory; the two sides may overlap.
///
/// # Safety
///
/// - `len` bytes from `source` are mapped and readable.
/// - `len` bytes from `target` are mapped and writable.
#[inline]
pub(super) unsafe fn copy(source: *const u8, target: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise.
    if unsafe { copy_short(source, target, len) } {
        return;
    }
    let copy: Copy = black_box(memmove);
    // SAFETY: the caller's promise.
    unsafe { copy(target.cast(), source.cast(), len) };
}

/// # Safety
///
/// - `len` bytes from `target` are mapped and writable.
#[inline]
pub(super) unsafe fn fill(target: *mut u8, value: u8, len: usize) {
    let fill: Fill = black_box(memset);
    // SAFETY: the caller's promise.
    unsafe { fill(target.cast(), c_int::from(value), len) };
}

/// A slice for one search. The compiler may read a byte of it twice and get two values: searches cope with that, as `docs/safety.md`
/// argues.
///
/// # Safety
///
/// - `len` bytes from `start` are mapped and readable for `'a`.
#[inline]
pub(super) unsafe fn bytes<'a>(start: *const u8, len: usize) -> &'a [u8] {
    // The optimiser must not connect this slice to any other access.
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(opaque(start), len) }
}

/// As [`bytes`].
///
/// # Safety
///
/// - `N` bytes from `start` are mapped and readable for `'a`.
#[inline]
pub(super) unsafe fn block<'a, const N: usize>(start: *const u8) -> &'a [u8; N] {
    // SAFETY: the caller's promise.
    unsafe { &*opaque(start).cast() }
}

/// The same address, whose origin the compiler does not know. Like `black_box`, but without its detour through memory, which would slow
/// down a short search.
#[inline(always)]
fn opaque(address: *const u8) -> *const u8 {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        let mut address = address;
        // SAFETY: no instruction.
        #[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written")]
        unsafe {
            std::arch::asm!("/* {0} */", inout(reg) address, options(nomem, nostack, preserves_flags))
        };
        address
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    black_box(address)
}

/// An initialised buffer as an uninitialised one. Only for code that writes initialised bytes.
#[inline]
pub(crate) fn as_uninit(buffer: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    let (start, len) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: the same memory; the crate writes nothing but initialised bytes into it.
    unsafe { std::slice::from_raw_parts_mut(start, len) }
}

/// The memory of a value, to be filled with bytes.
#[inline]
pub(crate) fn value_bytes<T>(value: &mut MaybeUninit<T>) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the same memory, which need not be initialised by either type.
    unsafe { std::slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<T>()) }
}

/// Appends `len` bytes, all of which `fill` writes, to `bytes`. If it fails, `bytes` is unchanged.
pub(crate) fn append(
    bytes: &mut Vec<u8>,
    len: usize,
    fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<&mut [u8]>,
) -> Result<()> {
    let reserved = bytes.try_reserve_exact(len);
    reserved.map_err(|_| Error::os("allocating the copy", std::io::ErrorKind::OutOfMemory.into()))?;
    let written = fill(&mut bytes.spare_capacity_mut()[..len])?.len();
    assert_eq!(written, len, "the buffer was filled");
    // SAFETY: `fill` has returned all `len` bytes as initialised.
    unsafe { bytes.set_len(bytes.len() + len) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::tests::with_each_kernel;

    fn numbered() -> Vec<u8> {
        (0..512u32).map(|index| (index * 7) as u8).collect()
    }

    #[test]
    fn copies_out_every_length_and_nothing_more() {
        let source = numbered();
        with_each_kernel(|| {
            for len in 0..=200 {
                let mut target = vec![0xee; len + 2];
                let inner = as_uninit(&mut target[1..=len]);
                // SAFETY: the source has more bytes.
                unsafe { copy_out(source[3..].as_ptr(), inner) };
                assert_eq!(target[1..=len], source[3..3 + len], "{len} bytes");
                assert_eq!((target[0], target[len + 1]), (0xee, 0xee), "{len} bytes");
            }
        });
    }

    #[test]
    fn copies_inside_as_if_all_were_read_first() {
        with_each_kernel(|| {
            for len in 0..=160 {
                for shift in [0, 1, 7, 15, 16, 31, 33, 63, 64, 65, 100, 127, 160] {
                    for (source, target) in [(20, 20 + shift), (20 + shift, 20)] {
                        let mut bytes = numbered();
                        let mut wanted = bytes.clone();
                        wanted.copy_within(source..source + len, target);
                        let start = bytes.as_mut_ptr();
                        // SAFETY: both sides are inside of the buffer.
                        unsafe { copy(start.wrapping_add(source), start.wrapping_add(target), len) };
                        assert_eq!(bytes, wanted, "{len} bytes from {source} to {target}");
                    }
                }
            }
        });
    }
}
