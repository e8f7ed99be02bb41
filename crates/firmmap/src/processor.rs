//! What this processor can do: whether there are vectors to search with, and on x86-64 which.

#[cfg(target_arch = "x86_64")]
use std::cell::UnsafeCell;
#[cfg(target_arch = "x86_64")]
use std::sync::Once;

/// Whether it has vectors that searches support.
#[inline(always)]
pub(crate) fn has_vectors() -> bool {
    #[cfg(test)]
    if tests::kernel() == tests::Kernel::None {
        return false;
    }
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
}

/// Whether the processor has AVX2 and BMI1, and the system saves their registers.
#[cfg(target_arch = "x86_64")]
struct Avx2(UnsafeCell<bool>);

// SAFETY: written once, before anything reads it.
#[cfg(target_arch = "x86_64")]
unsafe impl Sync for Avx2 {}

#[cfg(target_arch = "x86_64")]
static AVX2: Avx2 = Avx2(UnsafeCell::new(false));

/// Called before a map is made.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn detect() {
    static DETECTED: Once = Once::new();
    DETECTED.call_once(|| {
        let is_there = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi1");
        // SAFETY: nothing reads it yet, and this runs once.
        unsafe { *AVX2.0.get() = is_there };
    });
}

/// Whether the processor has AVX2 and BMI1. Two instructions, which copies of a few bytes notice; the standard library's macro has five.
/// Only what works on the bytes of a map asks.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn has_avx2() -> bool {
    #[cfg(test)]
    if tests::kernel() == tests::Kernel::Best {
        detect();
    } else {
        return false;
    }
    // SAFETY: there has been a map, and so it was written, and will not be again.
    unsafe { *AVX2.0.get() }
}

/// Asks for the cache line at an address, which need not be one of memory: nothing is waited for, and nothing fails.
#[inline(always)]
pub(crate) fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, and raises no exception.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::without_provenance(address)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Inline assembly with registers of AVX2, of which `xmm0` is among the operands. It ends by clearing the upper halves of all registers,
/// which a caller with AVX2 may use: all are said to change.
#[cfg(target_arch = "x86_64")]
macro_rules! avx2_asm {
    ([$($line:literal),+ $(,)?], [$($operands:tt)+], $options:ident) => {
        std::arch::asm!(
            $($line,)+
            "vzeroupper",
            $($operands)+,
            out("xmm1") _,
            out("xmm2") _,
            out("xmm3") _,
            out("xmm4") _,
            out("xmm5") _,
            out("xmm6") _,
            out("xmm7") _,
            out("xmm8") _,
            out("xmm9") _,
            out("xmm10") _,
            out("xmm11") _,
            out("xmm12") _,
            out("xmm13") _,
            out("xmm14") _,
            out("xmm15") _,
            options(nostack, $options),
        )
    };
}

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2_asm;

/// Tests have the search and the copies run as on other processors as well.
#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    /// The features of the processor that are used.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Kernel {
        Best,
        /// Those of every processor of the architecture.
        Basic,
        /// No vectors.
        None,
    }

    thread_local! {
        static KERNEL: Cell<Kernel> = const { Cell::new(Kernel::Best) };
    }

    pub(crate) fn kernel() -> Kernel {
        KERNEL.get()
    }

    /// Runs `test` with all features of the processor, then with fewer.
    pub(crate) fn with_each_kernel(mut test: impl FnMut()) {
        for kernel in [Kernel::Best, Kernel::Basic, Kernel::None] {
            KERNEL.set(kernel);
            test();
        }
        KERNEL.set(Kernel::Best);
    }
}
