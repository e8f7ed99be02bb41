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
        module.add(name, value)?;
    }
    module.add("PAGESIZE", firmmap::page_size())?;
    module.add("ALLOCATIONGRANULARITY", firmmap::allocation_granularity())?;
    for &(name, value) in SYSTEM {
        module.add(name, value)?;
    }
    Ok(())
}

/// Names of the C library, where the `libc` crate has them.
#[cfg(unix)]
macro_rules! from_libc {
    ($($(#[$meta:meta])* $name:ident)*) => {
        &[$($(#[$meta])* (stringify!($name), libc::$name as i64)),*]
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
        #[cfg(target_arch = "x86_64")] MAP_32BIT
        MAP_HUGE_SHIFT MAP_HUGE_MASK MAP_HUGE_64KB MAP_HUGE_512KB MAP_HUGE_1MB MAP_HUGE_2MB MAP_HUGE_8MB
        MAP_HUGE_16MB MAP_HUGE_32MB MAP_HUGE_256MB MAP_HUGE_512MB MAP_HUGE_1GB MAP_HUGE_2GB MAP_HUGE_16GB
        MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_REMOVE
        MADV_DONTFORK MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE
        MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT
        MADV_POPULATE_READ MADV_POPULATE_WRITE MADV_DONTNEED_LOCKED MADV_COLLAPSE
        MADV_HWPOISON MADV_SOFT_OFFLINE
        MS_SYNC MS_ASYNC MS_INVALIDATE
};

#[cfg(target_vendor = "apple")]
const SYSTEM: &[(&str, i64)] = from_libc! {
    PROT_NONE PROT_READ PROT_WRITE PROT_EXEC
    MAP_SHARED MAP_PRIVATE MAP_FILE MAP_FIXED MAP_ANON MAP_NORESERVE MAP_HASSEMAPHORE MAP_NOCACHE MAP_JIT
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_ZERO_WIRED_PAGES
    MADV_FREE_REUSABLE MADV_FREE_REUSE MADV_CAN_REUSE
    MS_SYNC MS_ASYNC MS_INVALIDATE MS_KILLPAGES MS_DEACTIVATE
};

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_vendor = "apple"))))]
const SYSTEM: &[(&str, i64)] = from_libc! {
    PROT_NONE PROT_READ PROT_WRITE PROT_EXEC
    MAP_SHARED MAP_PRIVATE MAP_FILE MAP_FIXED MAP_ANON MAP_STACK
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE
    MS_SYNC MS_ASYNC MS_INVALIDATE
};
