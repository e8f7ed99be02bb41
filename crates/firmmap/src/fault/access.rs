//! Whether a fault was a write, as the processor's part of a signal's context says it.

use std::ffi::c_void;

/// Whether the access was a write: known on Linux on x86-64, x86 (but with musl) and aarch64. Elsewhere, and where the kernel or an
/// emulator does not say it, every access counts as a read.
///
/// # Safety
///
/// - `context` is that of a signal handler.
pub(super) unsafe fn is_write(context: *const c_void) -> bool {
    #[cfg(linux_kernel)]
    {
        #[cfg(any(target_arch = "x86_64", all(target_arch = "x86", not(target_env = "musl"))))]
        // SAFETY: the caller's promise.
        return unsafe { x86(context) };
        #[cfg(target_arch = "aarch64")]
        // SAFETY: the caller's promise.
        return unsafe { aarch64(context) };
    }
    #[allow(unreachable_code, reason = "where it is known, one of the above has returned")]
    {
        let _ = context;
        false
    }
}

/// The page fault error code: W/R (Intel's manual, volume 3, 4.7).
///
/// # Safety
///
/// - `context` is that of a signal handler.
#[cfg(all(linux_kernel, any(target_arch = "x86_64", all(target_arch = "x86", not(target_env = "musl")))))]
unsafe fn x86(context: *const c_void) -> bool {
    // SAFETY: the caller's promise: the kernel passes a whole context.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    context.uc_mcontext.gregs[libc::REG_ERR as usize] & (1 << 1) != 0
}

/// The exception syndrome: one of the records after the registers (`asm/sigcontext.h` of Linux).
///
/// # Safety
///
/// - `context` is that of a signal handler.
#[cfg(all(linux_kernel, target_arch = "aarch64"))]
unsafe fn aarch64(context: *const c_void) -> bool {
    /// All records together. One with a magic number of 0 is the last.
    const RECORDS: usize = 4096;
    const ESR_MAGIC: u32 = 0x4553_5201;
    /// A record's magic number and size, before its content.
    const HEADER: usize = 8;
    // The syndrome of a data abort (Arm's manual, ESR_EL1): WnR, which cache maintenance (CM) sets too.
    const WRITE: u64 = 1 << 6;
    const CACHE_MAINTENANCE: u64 = 1 << 8;

    // SAFETY: the caller's promise: the kernel passes a whole context.
    let last_register = unsafe { &raw const (*context.cast::<libc::ucontext_t>()).uc_mcontext.pstate };
    let records = last_register.wrapping_add(1).cast::<u8>();
    let records = records.wrapping_add(records.align_offset(16));
    let mut at = 0;
    while at + HEADER + size_of::<u64>() <= RECORDS {
        let record = records.wrapping_add(at);
        // SAFETY: within the records; each is aligned to 16.
        let magic = unsafe { record.cast::<u32>().read() };
        // SAFETY: as above.
        let size = unsafe { record.wrapping_add(4).cast::<u32>().read() } as usize;
        if magic == ESR_MAGIC {
            // SAFETY: as above; this record is a header and 64 bits.
            let syndrome = unsafe { record.wrapping_add(HEADER).cast::<u64>().read() };
            return syndrome & (WRITE | CACHE_MAINTENANCE) == WRITE;
        }
        if magic == 0 || size < HEADER || size % 16 != 0 {
            break;
        }
        at += size;
    }
    false
}

#[cfg(all(test, linux_kernel, target_arch = "aarch64"))]
mod tests {
    use super::is_write;

    /// A context with these records: a magic number, a size, and what follows them.
    fn is_write_in(records: &[(u32, u32, u64)]) -> bool {
        /// As `asm/sigcontext.h` has it: the records are 288 bytes past the start of the registers.
        const RECORDS_OFFSET: usize = 288;
        // SAFETY: all zeros is a valid context.
        let mut context: libc::ucontext_t = unsafe { std::mem::zeroed() };
        let mut record = (&raw mut context.uc_mcontext).cast::<u8>().wrapping_add(RECORDS_OFFSET);
        for &(magic, size, content) in records {
            // SAFETY: the tests' records fit into the context.
            unsafe { record.cast::<[u32; 2]>().write([magic, size]) };
            // SAFETY: as above.
            unsafe { record.wrapping_add(8).cast::<u64>().write(content) };
            record = record.wrapping_add(size as usize);
        }
        // SAFETY: a context as a signal handler gets it.
        unsafe { is_write((&raw const context).cast()) }
    }

    /// Data aborts from user space, of a load and a store of 4 bytes, and of a cache line's cleaning.
    const READ: u64 = 0x9200_0007;
    const WRITE: u64 = 0x9200_0047;
    const CLEAN: u64 = 0x9200_0147;
    const FPSIMD: (u32, u32, u64) = (0x4650_8001, 528, 0);
    const ESR: u32 = 0x4553_5201;

    #[test]
    fn the_syndrome_tells_writes() {
        assert!(is_write_in(&[FPSIMD, (ESR, 16, WRITE), (0, 0, 0)]));
        assert!(is_write_in(&[(ESR, 16, WRITE)]));
        assert!(!is_write_in(&[FPSIMD, (ESR, 16, READ)]));
        assert!(!is_write_in(&[FPSIMD, (ESR, 16, CLEAN)]));
    }

    #[test]
    fn records_that_end_or_make_no_sense() {
        assert!(!is_write_in(&[]));
        assert!(!is_write_in(&[FPSIMD, (0, 16, 0), (ESR, 16, WRITE)]));
        assert!(!is_write_in(&[(0x1234, 4, 0)]));
        assert!(!is_write_in(&[(0x1234, 4080, 0), (0x1234, 4080, 0)]));
    }
}
