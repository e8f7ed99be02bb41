//! [`FaultMonitor`]: reports faults in memory that was lent as a plain slice, by a panic or a hook.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::ThreadId;

use crate::map::Mmap;
use crate::sys;

/// A fault in memory that was lent as a plain slice: what was read there was zeros, what was written there is lost.
///
/// # Examples
///
/// See [`set_slice_fault_hook`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SliceFault {
    /// The index in the map of the missing bytes. `None` if only another thread has learned it.
    pub offset: Option<usize>,
    /// The number of faults of the map: its [`fault_count`](Mmap::fault_count).
    pub count: u64,
    /// The path of the map's file.
    ///
    /// # Platform-specific behavior
    ///
    /// Known on Linux, with ` (deleted)` after the path if the file has been removed; `None` elsewhere.
    pub path: Option<PathBuf>,
    /// Whether the map is being dropped, so that this is the last report.
    pub dropped: bool,
}

impl fmt::Display for SliceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory map")?;
        if let Some(path) = &self.path {
            write!(f, " of {}", path.display())?;
        }
        match self.offset {
            Some(offset) => write!(f, ": the byte at offset {offset} was not there")?,
            None => f.write_str(": bytes were not there")?,
        }
        f.write_str(
            ", as the file was truncated, or its disk failed or is full; zeros were read in its place, and what was written is lost",
        )
    }
}

impl std::error::Error for SliceFault {}

type Hook = dyn Fn(&SliceFault) + Send + Sync;

/// `None` for the default.
static HOOK: RwLock<Option<Arc<Hook>>> = RwLock::new(None);

/// Sets the function that is called when a [`FaultMonitor`] finds a fault, as [`MmapBytes`](crate::MmapBytes) and the maps of
/// `firmmap-memmap2` have one.
///
/// The default panics with the text of the [`SliceFault`]; if the thread is already unwinding, it writes the text to standard error. A
/// hook can abort, log or count instead. If it returns, the program goes on with the zeros that it has read. There is one hook for the
/// process; a new one replaces the previous one. It is called by the thread that is told.
///
/// # Examples
///
/// ```
/// # #[cfg(unix)] {
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use firmmap::MmapOptions;
/// static FAULTS: AtomicU64 = AtomicU64::new(0);
/// firmmap::set_slice_fault_hook(|fault| {
///     FAULTS.fetch_add(1, Ordering::Relaxed);
///     eprintln!("{fault}");
/// });
/// let file = tempfile::tempfile()?;
/// file.set_len(10_000)?;
/// // SAFETY: this test alone has the file; that it becomes shorter is what is tried.
/// let bytes = unsafe { MmapOptions::new().map(&file)?.into_bytes() };
/// file.set_len(0)?;
/// assert_eq!(bytes[9_000], 0); // is not the file's
/// drop(bytes);
/// assert_eq!(FAULTS.load(Ordering::Relaxed), 1);
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn set_slice_fault_hook(hook: impl Fn(&SliceFault) + Send + Sync + 'static) {
    *HOOK.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
}

/// Reports the faults of one map whose memory is lent as plain slices, so that none is silent: the owner calls it each time that it lends
/// the memory, and when the map is dropped.
///
/// [`MmapBytes`](crate::MmapBytes) and the maps of `firmmap-memmap2` use it; it is public for owners of your own. Every thread is told
/// once of each fault, by a call of the hook of [`set_slice_fault_hook`]; so is a thread that comes later, unless the fault was
/// [acknowledged](Self::acknowledge).
///
/// # Examples
///
/// ```
/// # #[cfg(unix)] {
/// use firmmap::{FaultMonitor, MmapOptions};
/// let file = tempfile::tempfile()?;
/// file.set_len(10_000)?;
/// let map = MmapOptions::new().map(&file)?;
/// let monitor = FaultMonitor::new();
/// monitor.check(&map); // nothing to tell
/// file.set_len(0)?;
/// // SAFETY: this test alone has the file.
/// assert_eq!(unsafe { map.as_slice() }[9_000], 0);
/// let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| monitor.check(&map))).unwrap_err();
/// assert!(told.downcast_ref::<String>().unwrap().contains("the byte at offset 9000 was not there"));
/// monitor.check(&map); // this thread has been told
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct FaultMonitor {
    /// The fault count that all threads know.
    settled: AtomicU64,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// The fault count that each thread was told of.
    threads: Vec<(ThreadId, u64)>,
    /// The highest of these counts.
    count: u64,
    offset: Option<usize>,
}

impl FaultMonitor {
    /// Creates a monitor for a map without faults so far.
    ///
    /// # Examples
    ///
    /// See [`FaultMonitor`].
    #[must_use]
    pub const fn new() -> Self {
        let told = Told { threads: Vec::new(), count: 0, offset: None };
        Self { settled: AtomicU64::new(0), told: Mutex::new(told) }
    }

    /// Calls the hook if `map`, which must always be the same one, has a fault that this thread was not told of here.
    ///
    /// # Panics
    ///
    /// If the hook does: by default with the text of the [`SliceFault`], unless the thread is unwinding.
    ///
    /// # Examples
    ///
    /// See [`FaultMonitor`].
    #[inline]
    pub fn check(&self, map: &Mmap) {
        let count = map.fault_count();
        if count != self.settled.load(Ordering::Relaxed) {
            self.tell(map, count);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell(&self, map: &Mmap, count: u64) {
        if let Err(fault) = self.learn(map, count) {
            call_hook(&fault);
        }
    }

    /// As [`check`](Self::check), but returns the fault instead of calling the hook.
    ///
    /// # Errors
    ///
    /// The fault, once for each thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// assert_eq!(firmmap::FaultMonitor::new().try_check(&map), Ok(()));
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn try_check(&self, map: &Mmap) -> Result<(), SliceFault> {
        let count = map.fault_count();
        if count == self.settled.load(Ordering::Relaxed) { Ok(()) } else { self.learn(map, count) }
    }

    #[cold]
    #[inline(never)]
    fn learn(&self, map: &Mmap, count: u64) -> Result<(), SliceFault> {
        match self.note(map, count) {
            Some(offset) => Err(SliceFault { offset, count, path: path(map), dropped: false }),
            None => Ok(()),
        }
    }

    /// Records that this thread knows of `count` faults. Returns where the newest was, if it did not know.
    fn note(&self, map: &Mmap, count: u64) -> Option<Option<usize>> {
        let here = std::thread::current().id();
        let mut told = self.lock();
        match told.threads.iter_mut().find(|(thread, _)| *thread == here) {
            Some((_, known)) if *known >= count => return None,
            Some((_, known)) => *known = count,
            None => told.threads.push((here, count)),
        }
        told.count = told.count.max(count);
        if let Err(error) = map.check() {
            told.offset = error.fault_offset();
        }
        Some(told.offset)
    }

    /// Acknowledges the faults of `map` so far: no thread is told of them any more.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// let monitor = firmmap::FaultMonitor::new();
    /// monitor.acknowledge(&map);
    /// monitor.check(&map);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn acknowledge(&self, map: &Mmap) {
        let count = map.fault_count();
        let mut told = self.lock();
        told.threads.clear();
        told.count = told.count.max(count);
        // This thread's own faults, and unreported ones.
        let _ = map.check();
        self.settled.store(count, Ordering::Relaxed);
    }

    /// As [`acknowledge`](Self::acknowledge), for this thread only, which was told in another way.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// firmmap::FaultMonitor::new().acknowledge_here(&map);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn acknowledge_here(&self, map: &Mmap) {
        let count = map.fault_count();
        if count != self.settled.load(Ordering::Relaxed) {
            self.note(map, count);
        }
    }

    /// Drops `map`, and calls the hook if it has a fault that no thread was told of here.
    ///
    /// # Panics
    ///
    /// As [`check`](Self::check).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// firmmap::FaultMonitor::new().finish(map);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn finish(&self, map: Mmap) {
        let count = map.fault_count();
        if count == self.settled.load(Ordering::Relaxed) {
            drop(map);
        } else {
            self.tell_last(map, count);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_last(&self, map: Mmap, count: u64) {
        let known = self.lock().count;
        let offset = if known < count { self.note(&map, count).flatten() } else { None };
        let path = if known < count { path(&map) } else { None };
        // Another thread was told here of a fault that is left.
        let _ = map.close();
        if known < count {
            call_hook(&SliceFault { offset, count, path, dropped: true });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // Nothing in it is half done where a panic is possible.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path(map: &Mmap) -> Option<PathBuf> {
    if map.is_anonymous() { None } else { sys::mapped_path(map.as_ptr().addr(), map.len()) }
}

fn call_hook(fault: &SliceFault) {
    // It may set another one.
    let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
    match hook {
        Some(hook) => hook(fault),
        None if std::thread::panicking() => {
            // If that fails too, nobody is left to be told.
            let _ = writeln!(std::io::stderr(), "firmmap: {fault}");
        }
        None => panic!("{fault}"),
    }
}
