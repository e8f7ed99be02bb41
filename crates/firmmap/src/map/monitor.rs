//! [`FaultMonitor`]: faults in memory that was lent out as a plain slice are told, by a panic or as a hook has it.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::ThreadId;

use crate::map::Mmap;
use crate::sys;

/// A fault in memory that was lent out as a plain slice: what was read there is zeros, what was written there is lost.
///
/// # Examples
///
/// See [`set_slice_fault_hook`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SliceFault {
    /// Where the bytes were missing: an index into the map, in bytes. `None` if only another thread has learned that.
    pub offset: Option<usize>,
    /// How many faults the map has met: its [`fault_count`](Mmap::fault_count).
    pub count: u64,
    /// The map's file.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux tells it, with ` (deleted)` behind the path if the file has been removed. `None` elsewhere.
    pub path: Option<PathBuf>,
    /// Whether the map is being dropped: nobody will be told again.
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

/// Sets what is called when a [`FaultMonitor`] finds a fault: by [`MmapBytes`](crate::MmapBytes), and by every map of `firmmap-memmap2`.
///
/// The default panics with the words of the [`SliceFault`]; where the thread is unwinding already it writes them to standard error.
/// A hook can abort, log or count in its place. If it returns, the program goes on with zeros that it has read.
/// There is one hook for the process; it replaces the one before. It is called by the thread that is told.
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

/// Tells of the faults of one map whose memory is lent out as plain slices, so that none is silent: whoever lends asks it each
/// time, and when the map ends.
///
/// It is what [`MmapBytes`](crate::MmapBytes) and the maps of `firmmap-memmap2` are made with, for owners of your own.
/// Every thread is told once of each fault, by a call of the hook that [`set_slice_fault_hook`] has set; a thread that comes later
/// too, unless somebody has [acknowledged](Self::acknowledge) the fault.
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
/// monitor.check(&map); // this thread knows
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct FaultMonitor {
    /// Up to which count all threads know.
    settled: AtomicU64,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// Up to which count each thread was told.
    threads: Vec<(ThreadId, u64)>,
    /// The highest of these counts.
    count: u64,
    offset: Option<usize>,
}

impl FaultMonitor {
    /// One for a map that is new, or has met no fault.
    ///
    /// # Examples
    ///
    /// See [`FaultMonitor`].
    #[must_use]
    pub const fn new() -> Self {
        let told = Told { threads: Vec::new(), count: 0, offset: None };
        Self { settled: AtomicU64::new(0), told: Mutex::new(told) }
    }

    /// Calls the hook if `map`, always the same one, has met a fault that this thread was not told of here.
    ///
    /// # Panics
    ///
    /// As the hook does: by default with the words of the [`SliceFault`], unless the thread is unwinding.
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

    /// As [`check`](Self::check), with the fault as an error in place of a call of the hook.
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

    /// Takes down that this thread knows of `count` faults. Gives where the newest was, if it did not know.
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

    /// Says that the faults that `map` has met until now are known: no thread is told of them any more.
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
        // What this thread has met, and what nobody was told of.
        let _ = map.check();
        self.settled.store(count, Ordering::Relaxed);
    }

    /// As [`acknowledge`](Self::acknowledge), for this thread alone: it was told in another way.
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

    /// Drops `map`, and calls the hook if it has met a fault that no thread was told of here.
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
        // A fault that is left over was told here to another thread.
        let _ = map.close();
        if known < count {
            call_hook(&SliceFault { offset, count, path, dropped: true });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // Nothing in it is half done while a panic could come.
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
            // There is nobody to be told if that fails too.
            let _ = writeln!(std::io::stderr(), "firmmap: {fault}");
        }
        None => panic!("{fault}"),
    }
}
