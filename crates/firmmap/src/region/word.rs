//! Loads and stores of 2, 4 and 8 bytes at any address, in one instruction that the compiler does not look into. Other lengths, and
//! other processors, have the copies of `memory.rs`.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::arch::asm;
use std::mem::MaybeUninit;

use super::memory;

/// A load of one register: the instruction, and how it spells the register.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! load {
    ($base:expr, $index:expr, $type:ty, $x86:literal, $aarch64:literal) => {{
        let value: $type;
        let (base, index): (*const u8, usize) = ($base, $index);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: reads as many bytes as `value` has, which the caller promises.
        unsafe {
            asm!(
                $x86,
                base = in(reg) base,
                index = in(reg) index,
                value = out(reg) value,
                options(nostack, preserves_flags, readonly),
            );
        };
        #[cfg(target_arch = "aarch64")]
        // SAFETY: reads as many bytes as `value` has, which the caller promises.
        unsafe {
            asm!(
                $aarch64,
                base = in(reg) base,
                index = in(reg) index,
                value = out(reg) value,
                options(nostack, preserves_flags, readonly),
            );
        };
        value
    }};
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
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

/// An integer that is read and written as a whole: it stays in a register all the way, which an array of its bytes does not.
pub(crate) trait Word: Copy {
    /// The integer `index` bytes from `base` on, in native byte order.
    ///
    /// # Safety
    ///
    /// - Its bytes are mapped and readable.
    unsafe fn load(base: *const u8, index: usize) -> Self;

    /// Stores the integer at `address`, in native byte order.
    ///
    /// # Safety
    ///
    /// - As many bytes are mapped and writable there.
    unsafe fn store(self, address: *mut u8);
}

macro_rules! words {
    ($($word:ty)*) => {$(
        impl Word for $word {
            #[inline(always)]
            #[allow(clippy::cast_lossless, clippy::unnecessary_cast, reason = "each length has a branch for its own type")]
            unsafe fn load(base: *const u8, index: usize) -> Self {
                #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
                match size_of::<Self>() {
                    2 => return load!(base, index, u16, "mov {value:x}, word ptr [{base} + {index}]", "ldrh {value:w}, [{base}, {index}]") as Self,
                    4 => return load!(base, index, u32, "mov {value:e}, dword ptr [{base} + {index}]", "ldr {value:w}, [{base}, {index}]") as Self,
                    8 => return load!(base, index, u64, "mov {value:r}, qword ptr [{base} + {index}]", "ldr {value:x}, [{base}, {index}]") as Self,
                    _ => {}
                }
                let address = base.wrapping_add(index);
                if size_of::<Self>() == 1 {
                    // SAFETY: the caller's promise.
                    return (unsafe { memory::load(address.cast_mut()) }) as Self;
                }
                let mut word = MaybeUninit::<Self>::uninit();
                // SAFETY: the caller's promise.
                unsafe { memory::copy_out(address, memory::value_bytes(&mut word)) };
                // SAFETY: the copy has written every byte, and any bytes are an integer.
                unsafe { word.assume_init() }
            }

            #[inline(always)]
            #[allow(clippy::cast_lossless, clippy::unnecessary_cast, reason = "each length has a branch for its own type")]
            unsafe fn store(self, address: *mut u8) {
                #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
                match size_of::<Self>() {
                    2 => return store!(address, self as u16, "mov word ptr [{address}], {value:x}", "strh {value:w}, [{address}]"),
                    4 => return store!(address, self as u32, "mov dword ptr [{address}], {value:e}", "str {value:w}, [{address}]"),
                    8 => return store!(address, self as u64, "mov qword ptr [{address}], {value:r}", "str {value:x}, [{address}]"),
                    _ => {}
                }
                if size_of::<Self>() == 1 {
                    // SAFETY: the caller's promise.
                    return unsafe { memory::store(address, self as u8) };
                }
                // SAFETY: the caller's promise.
                unsafe { memory::copy_in(&self.to_ne_bytes(), address) };
            }
        }
    )*};
}

words!(u8 u16 u32 u64 u128 usize);
