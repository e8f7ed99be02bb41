//! The context that the kernel saves of the code that a fault has interrupted.

use libc::{c_void, iovec};

/// How far up to search: handlers such as faulthandler's need a few hundred bytes.
const REACH: usize = 32 * 1024;
/// The number of words to read at a time.
const PIECE: usize = 64;
const WORD: usize = size_of::<usize>();

/// The error code, the number of the trap, the signal mask, the address: the end of `gregset_t`.
#[cfg(target_arch = "x86_64")]
const LEN: usize = 4;
/// The address, 31 registers, stack pointer, program counter, state, padding, and the first two fields of what always
/// follows (`struct fpsimd_context`).
#[cfg(target_arch = "aarch64")]
const LEN: usize = 37;
/// From the number of the trap to the address: the end of `struct sigcontext_32`.
#[cfg(target_arch = "x86")]
const LEN: usize = 10;
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
const LEN: usize = 1;

/// Whether these words are the context of a fault at `address`.
fn tells(words: &[usize], address: usize) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        const PAGE_FAULT: usize = 14;
        matches!(words, &[error, PAGE_FAULT, _, at] if at == address && error <= 0xffff)
    }
    #[cfg(target_arch = "x86")]
    {
        const PAGE_FAULT: usize = 14;
        matches!(words, &[PAGE_FAULT, error, .., at] if at == address && error <= 0xffff)
    }
    #[cfg(target_arch = "aarch64")]
    {
        const MAGIC_AND_SIZE: usize = 528 << 32 | 0x4650_8001;
        words.first() == Some(&address) && words.last() == Some(&MAGIC_AND_SIZE)
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    {
        let _ = (words, address);
        false
    }
}

/// Searches the stack for it. The stack may end soon, so it is read through the kernel. What is at `limit`, if that is further up, does not
/// belong to it.
pub(super) fn is_above(stack_pointer: usize, limit: usize, address: usize) -> bool {
    let mut place = stack_pointer & !(WORD - 1);
    let end = place.saturating_add(REACH);
    let end = if limit > place { end.min(limit) } else { end };
    // One piece, preceded by the last words of the piece before: a match may straddle both.
    let mut words = [0usize; LEN - 1 + PIECE];
    while place < end {
        // Up to the end of a page: the next one may not be there.
        let len = (PIECE * WORD).min(4096 - place % 4096);
        let count = len / WORD;
        let local = iovec { iov_base: words[LEN - 1..].as_mut_ptr().cast(), iov_len: len };
        let remote = iovec { iov_base: place as *mut c_void, iov_len: len };
        // SAFETY: copies at most `len` bytes into the array, and fails where there is nothing to be read.
        let copied = unsafe { libc::process_vm_readv(super::process(), &local, 1, &remote, 1, 0) };
        if copied != len as isize {
            return false;
        }
        if words[..LEN - 1 + count].windows(LEN).any(|words| tells(words, address)) {
            return true;
        }
        words.copy_within(count..count + LEN - 1, 0);
        place += len;
    }
    false
}
