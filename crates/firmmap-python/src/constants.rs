//! The constants: those of the standard module, and the platform's further ones on every version of Python.

use pyo3::prelude::*;

pub(crate) const ACCESS_DEFAULT: i32 = 0;
pub(crate) const ACCESS_READ: i32 = 1;
pub(crate) const ACCESS_WRITE: i32 = 2;
pub(crate) const ACCESS_COPY: i32 = 3;

/// Adds all constants to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for (name, value) in [
        ("ACCESS_DEFAULT", ACCESS_DEFAULT),
        ("ACCESS_READ", ACCESS_READ),
        ("ACCESS_WRITE", ACCESS_WRITE),
        ("ACCESS_COPY", ACCESS_COPY),
    ] {
        module.setattr(name, value)?;
    }
    module.setattr("PAGESIZE", firmmap::page_size())?;
    module.setattr("ALLOCATIONGRANULARITY", firmmap::allocation_granularity())?;
    for &(name, value) in SYSTEM.iter().chain(FURTHER) {
        module.setattr(name, value)?;
    }
    Ok(())
}

/// Names of the C library, where the `libc` crate has them.
#[cfg(unix)]
macro_rules! from_libc {
    ($($name:ident)*) => {
        &[$((stringify!($name), libc::$name as i64)),*]
    };
}

#[cfg(not(unix))]
const SYSTEM: &[(&str, i64)] = &[("MS_ASYNC", 1), ("MS_INVALIDATE", 2), ("MS_SYNC", 4)];

#[cfg(any(target_os = "linux", target_os = "android"))]
const SYSTEM: &[(&str, i64)] = from_libc! {
    PROT_NONE PROT_READ PROT_WRITE PROT_EXEC PROT_GROWSDOWN PROT_GROWSUP
    MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE MAP_TYPE MAP_FILE MAP_FIXED MAP_FIXED_NOREPLACE
    MAP_ANON MAP_ANONYMOUS MAP_GROWSDOWN MAP_DENYWRITE MAP_EXECUTABLE MAP_LOCKED MAP_NORESERVE
    MAP_POPULATE MAP_NONBLOCK MAP_STACK MAP_HUGETLB MAP_SYNC
    MAP_HUGE_SHIFT MAP_HUGE_MASK MAP_HUGE_64KB MAP_HUGE_512KB MAP_HUGE_1MB MAP_HUGE_2MB MAP_HUGE_8MB
    MAP_HUGE_16MB MAP_HUGE_32MB MAP_HUGE_256MB MAP_HUGE_512MB MAP_HUGE_1GB MAP_HUGE_2GB MAP_HUGE_16GB
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_REMOVE
    MADV_DONTFORK MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE
    MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT
    MADV_POPULATE_READ MADV_POPULATE_WRITE MADV_DONTNEED_LOCKED
    MADV_HWPOISON MADV_SOFT_OFFLINE
    MS_SYNC MS_ASYNC MS_INVALIDATE
};

#[cfg(target_vendor = "apple")]
const SYSTEM: &[(&str, i64)] = from_libc! {
    PROT_NONE PROT_READ PROT_WRITE PROT_EXEC
    MAP_SHARED MAP_PRIVATE MAP_FILE MAP_FIXED MAP_ANON MAP_ANONYMOUS MAP_COPY MAP_RENAME MAP_NORESERVE MAP_NOEXTEND
    MAP_HASSEMAPHORE MAP_NOCACHE MAP_JIT
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_ZERO_WIRED_PAGES
    MADV_FREE_REUSABLE MADV_FREE_REUSE MADV_CAN_REUSE MADV_ZERO
    MS_SYNC MS_ASYNC MS_INVALIDATE MS_KILLPAGES MS_DEACTIVATE
};

#[cfg(target_os = "freebsd")]
const SYSTEM: &[(&str, i64)] = from_libc! {
    PROT_NONE PROT_READ PROT_WRITE PROT_EXEC
    MAP_SHARED MAP_PRIVATE MAP_COPY MAP_FILE MAP_FIXED MAP_ANON MAP_ANONYMOUS MAP_STACK MAP_HASSEMAPHORE
    MAP_NOSYNC MAP_NOCORE MAP_ALIGNED_SUPER MAP_ALIGNMENT_SHIFT MAP_ALIGNMENT_MASK MAP_EXCL MAP_GUARD MAP_PREFAULT_READ
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE
    MADV_NOSYNC MADV_AUTOSYNC MADV_NOCORE MADV_CORE MADV_PROTECT
    MS_SYNC MS_ASYNC MS_INVALIDATE
};

#[cfg(target_os = "netbsd")]
const SYSTEM: &[(&str, i64)] = from_libc! {
    PROT_NONE PROT_READ PROT_WRITE PROT_EXEC
    MAP_SHARED MAP_PRIVATE MAP_REMAPDUP MAP_FILE MAP_FIXED MAP_ANON MAP_ANONYMOUS MAP_RENAME MAP_NORESERVE
    MAP_HASSEMAPHORE MAP_TRYFIXED MAP_WIRED MAP_STACK
    MAP_INHERIT_SHARE MAP_INHERIT_COPY MAP_INHERIT_NONE MAP_INHERIT_DONATE_COPY MAP_INHERIT_ZERO
    MAP_ALIGNMENT_SHIFT MAP_ALIGNMENT_MASK MAP_ALIGNMENT_64KB MAP_ALIGNMENT_16MB MAP_ALIGNMENT_4GB
    MAP_ALIGNMENT_1TB MAP_ALIGNMENT_256TB MAP_ALIGNMENT_64PB
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE
    MS_SYNC MS_ASYNC MS_INVALIDATE
};

#[cfg(target_os = "openbsd")]
const SYSTEM: &[(&str, i64)] = from_libc! {
    PROT_NONE PROT_READ PROT_WRITE PROT_EXEC
    MAP_SHARED MAP_PRIVATE MAP_COPY MAP_FILE MAP_FIXED MAP_ANON MAP_ANONYMOUS MAP_RENAME MAP_NORESERVE MAP_NOEXTEND
    MAP_HASSEMAPHORE MAP_TRYFIXED MAP_STACK MAP_CONCEAL
    MAP_INHERIT_SHARE MAP_INHERIT_COPY MAP_INHERIT_NONE MAP_INHERIT_ZERO
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE
    MS_SYNC MS_ASYNC MS_INVALIDATE
};

#[cfg(all(
    unix,
    not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd"
    ))
))]
const SYSTEM: &[(&str, i64)] = from_libc! {
    PROT_NONE PROT_READ PROT_WRITE PROT_EXEC
    MAP_SHARED MAP_PRIVATE MAP_FIXED MAP_ANON
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED
    MS_SYNC MS_ASYNC MS_INVALIDATE
};

/// What the `libc` crate has not, or not for every C library.
///
/// Linux: `include/uapi/asm-generic/mman-common.h`, `include/uapi/linux/mman.h` and `arch/*/include/uapi/asm/mman.h`.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FURTHER: &[(&str, i64)] = &[
    ("PROT_SEM", 0x8),
    #[cfg(target_arch = "aarch64")]
    ("PROT_BTI", 0x10),
    #[cfg(target_arch = "aarch64")]
    ("PROT_MTE", 0x20),
    ("MAP_DROPPABLE", 0x8),
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    ("MAP_32BIT", 0x40),
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    ("MAP_ABOVE4G", 0x80),
    ("MAP_UNINITIALIZED", 0x0400_0000),
    ("MAP_HUGE_16KB", 14 << 26),
    ("MADV_COLLAPSE", 25),
    ("MADV_GUARD_INSTALL", 102),
    ("MADV_GUARD_REMOVE", 103),
];

/// What the `libc` crate has not. macOS: `bsd/sys/mman.h` of xnu.
#[cfg(target_vendor = "apple")]
const FURTHER: &[(&str, i64)] = &[
    ("MAP_RESILIENT_CODESIGN", 0x2000),
    ("MAP_RESILIENT_MEDIA", 0x4000),
    ("MAP_32BIT", 0x8000),
    ("MAP_TRANSLATED_ALLOW_EXECUTE", 0x2_0000),
    ("MAP_UNIX03", 0x4_0000),
    ("MAP_TPRO", 0x8_0000),
    ("MADV_PAGEOUT", 10),
];

/// What the `libc` crate has not. FreeBSD: `sys/sys/mman.h`, for programs of 64 bits.
#[cfg(target_os = "freebsd")]
const FURTHER: &[(&str, i64)] = &[
    #[cfg(target_pointer_width = "64")]
    ("MAP_32BIT", 0x8_0000),
];

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple", target_os = "freebsd")))]
const FURTHER: &[(&str, i64)] = &[];
