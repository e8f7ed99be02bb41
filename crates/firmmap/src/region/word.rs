//! Loads and stores of 2, 4 and 8 bytes at any address, in one instruction that the compiler does not look into. Other lengths, and
//! other processors, have the copies of `memory.rs`.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::arch::asm;
use std::mem::MaybeUninit;

use super::memory;

/// A load of one register: the instruction, and how it spells the register.
macro_rules! load {
    ($address:expr, $type:ty, $x86:literal, $aarch64:literal) => {{
        let value: $type;
        let address: *const u8 = $address;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: reads as many bytes as `value` has, which the caller promises.
        unsafe {
            asm!($x86, address = in(reg) address, value = out(reg) value, options(nostack, preserves_flags, readonly))
        };
        #[cfg(target_arch = "aarch64")]
        // SAFETY: reads as many bytes as `value` has, which the caller promises.
        unsafe {
            asm!($aarch64, address = in(reg) address, value = out(reg) value, options(nostack, preserves_flags, readonly))
        };
        value
    }};
}

macro_rules! store {
    ($address:expr, $value:expr, $x86:literal, $aarch64:literal) => {{
        let (address, value): (*mut u8, _) = ($address, $value);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: writes as many bytes as `value` has, which the caller promises.
        unsafe {
            asm!($x86, address = in(reg) address, value = in(reg) value, options(nostack, preserves_flags))
        };
        #[cfg(target_arch = "aarch64")]
        // SAFETY: writes as many bytes as `value` has, which the caller promises.
        unsafe {
            asm!($aarch64, address = in(reg) address, value = in(reg) value, options(nostack, preserves_flags))
        };
    }};
}

/// The `N` bytes at `address`.
///
/// # Safety
///
/// - They are mapped and readable.
#[inline(always)]
pub(super) unsafe fn load_word<const N: usize>(address: *const u8) -> [u8; N] {
    let mut bytes = [MaybeUninit::uninit(); N];
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        let mut result = [0; N];
        match N {
            2 => {
                let value = load!(address, u16, "mov {value:x}, word ptr [{address}]", "ldrh {value:w}, [{address}]");
                result.copy_from_slice(&value.to_ne_bytes());
                return result;
            }
            4 => {
                let value = load!(address, u32, "mov {value:e}, dword ptr [{address}]", "ldr {value:w}, [{address}]");
                result.copy_from_slice(&value.to_ne_bytes());
                return result;
            }
            8 => {
                let value = load!(address, u64, "mov {value:r}, qword ptr [{address}]", "ldr {value:x}, [{address}]");
                result.copy_from_slice(&value.to_ne_bytes());
                return result;
            }
            _ => {}
        }
    }
    if N == 1 {
        // SAFETY: the caller's promise.
        return [unsafe { memory::load(address.cast_mut()) }; N];
    }
    // SAFETY: the caller's promise.
    let filled = unsafe { memory::copy_out(address, &mut bytes) };
    let mut result = [0; N];
    result.copy_from_slice(filled);
    result
}

/// Stores `bytes` at `address`.
///
/// # Safety
///
/// - As many bytes are mapped and writable there.
#[inline(always)]
pub(super) unsafe fn store_word<const N: usize>(address: *mut u8, bytes: [u8; N]) {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    match N {
        2 => {
            let mut value = [0; 2];
            value.copy_from_slice(&bytes);
            let value = u16::from_ne_bytes(value);
            store!(address, value, "mov word ptr [{address}], {value:x}", "strh {value:w}, [{address}]");
            return;
        }
        4 => {
            let mut value = [0; 4];
            value.copy_from_slice(&bytes);
            let value = u32::from_ne_bytes(value);
            store!(address, value, "mov dword ptr [{address}], {value:e}", "str {value:w}, [{address}]");
            return;
        }
        8 => {
            let mut value = [0; 8];
            value.copy_from_slice(&bytes);
            let value = u64::from_ne_bytes(value);
            store!(address, value, "mov qword ptr [{address}], {value:r}", "str {value:x}, [{address}]");
            return;
        }
        _ => {}
    }
    if N == 1 {
        // SAFETY: the caller's promise.
        return unsafe { memory::store(address, bytes[0]) };
    }
    // SAFETY: the caller's promise.
    unsafe { memory::copy_in(&bytes, address) };
}
