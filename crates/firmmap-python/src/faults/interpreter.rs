//! What the binding keeps for each interpreter of the process: objects that are needed where there is no module to get them from, and
//! the threads in which an exception is to be raised for a fault.
//!
//! Interpreters can run at the same time, each with a GIL of its own, and signal handlers read here; so it is a list of atomics
//! whose entries are never freed, but reused when their interpreter has ended.

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use crate::sys::exception::{Arguments, Exception, PyResult, PyRuntimeError};
use crate::sys::state_lock::StateLock;

/// Objects of an interpreter.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    /// `firmmap.MapFaultError`.
    FaultError,
    /// Its subclass that can be raised in a thread.
    LateFault,
    /// `io.UnsupportedOperation`.
    UnsupportedOperation,
    /// `_faults.py`'s function that makes an exception for several faults.
    MakeError,
    /// `sys._current_frames`.
    CurrentFrames,
    /// `sys.gettrace`.
    GetTrace,
    /// `sys.getprofile`.
    GetProfile,
}

const KEPT: usize = Kept::GetProfile as usize + 1;

/// How many threads of one interpreter can be recorded. A signal handler cannot allocate memory for more.
pub(super) const THREADS: usize = 512;

/// A set of threads, by their [keys](firmmap::fault::thread_key). Their identifiers (`threading.get_ident()`) would be those of others once
/// they have ended.
pub(super) struct ThreadSet {
    places: [AtomicUsize; THREADS],
    /// The number of threads that were replaced by others.
    replaced: AtomicUsize,
    /// The number of threads in all sets of this kind.
    total: &'static AtomicUsize,
}

impl ThreadSet {
    pub(super) const fn new(total: &'static AtomicUsize) -> Self {
        Self { places: [const { AtomicUsize::new(0) }; THREADS], replaced: AtomicUsize::new(0), total }
    }

    pub(super) fn contains(&self, thread: usize) -> bool {
        self.places.iter().any(|place| place.load(Ordering::Acquire) == thread)
    }

    /// A thread that ends before its exception is raised stays, so that in a full set each new one replaces another.
    pub(super) fn insert(&self, thread: usize) {
        if self.contains(thread) {
            return;
        }
        // Counted first: the thread that is waiting for its exception sees the count, whenever it looks.
        self.total.fetch_add(1, Ordering::AcqRel);
        if self.places.iter().any(|place| exchange(place, 0, thread)) {
            return;
        }
        let place = &self.places[self.replaced.fetch_add(1, Ordering::Relaxed) % THREADS];
        // It may have been removed meanwhile.
        if place.swap(thread, Ordering::AcqRel) != 0 {
            self.total.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Returns whether it was there.
    pub(super) fn remove(&self, thread: usize) -> bool {
        // Twice, if two threads have entered it at once.
        let removed = self.places.iter().filter(|place| exchange(place, thread, 0)).count();
        self.total.fetch_sub(removed, Ordering::AcqRel);
        removed > 0
    }

    /// Removes all threads, one after another.
    pub(super) fn drain(&self) -> impl Iterator<Item = usize> {
        let taken = self.places.iter().map(|place| place.swap(0, Ordering::AcqRel));
        taken.filter(|&thread| thread != 0).inspect(|_| {
            self.total.fetch_sub(1, Ordering::AcqRel);
        })
    }

    /// Removes all threads.
    pub(super) fn clear(&self) {
        self.drain().for_each(drop);
    }
}

fn exchange(place: &AtomicUsize, from: usize, to: usize) -> bool {
    place.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// An interpreter that has imported the package.
pub(crate) struct Interpreter {
    /// The entry that was made before this one.
    next: *const Interpreter,
    /// Null if the entry is free.
    state: AtomicPtr<ffi::PyInterpreterState>,
    /// References of the entry's own, or null.
    objects: [AtomicPtr<ffi::PyObject>; KEPT],
    /// Threads for which an exception has been requested.
    pub(super) requested: ThreadSet,
    /// Threads for which an exception is requested when they release a view: those that have faulted while they were detached, and those
    /// that are making an exception, as that can fail.
    pub(super) deferred: ThreadSet,
    /// Where faults of threads were that have ended, and of which the main thread is still to be told, as another exception was raised while
    /// that for them was made.
    pub(super) untold: StateLock<Vec<usize>>,
}

// SAFETY: all is atomic but `next`, which does not change, and `untold`, which only threads use that are attached to the interpreter.
unsafe impl Sync for Interpreter {}

/// The entry that was made last.
static LAST: AtomicPtr<Interpreter> = AtomicPtr::new(ptr::null_mut());

/// All entries, free ones too.
pub(super) fn all() -> impl Iterator<Item = &'static Interpreter> {
    let at = |entry: *const Interpreter| {
        // SAFETY: null, or an entry, which is never freed.
        unsafe { entry.as_ref() }
    };
    std::iter::successors(at(LAST.load(Ordering::Acquire)), move |entry| at(entry.next))
}

/// The entry of an interpreter. Signal handlers may call it.
pub(super) fn find(state: *mut ffi::PyInterpreterState) -> Option<&'static Interpreter> {
    if state.is_null() {
        return None;
    }
    all().find(|entry| entry.state.load(Ordering::Acquire) == state)
}

/// The interpreter that runs the caller, if it has imported the package and is not being torn down.
pub(crate) fn current(_py: Python<'_>) -> Option<&'static Interpreter> {
    // SAFETY: attached, as the token says.
    find(unsafe { ffi::PyInterpreterState_Get() })
}

/// As [`current`], for one that is being imported into.
pub(crate) fn register(py: Python<'_>) -> PyResult<&'static Interpreter> {
    if let Some(entry) = current(py) {
        return Ok(entry);
    }
    // SAFETY: attached, as the token says.
    let state = unsafe { ffi::PyInterpreterState_Get() };
    let entry = take_entry(state);
    let end = |entry: &Interpreter| entry.state.store(ptr::null_mut(), Ordering::Release);
    // The capsule is freed with the interpreter's dict, at the interpreter's end.
    // SAFETY: attached; the pointer is not null.
    let capsule = unsafe { ffi::PyCapsule_New(ptr::from_ref(entry).cast_mut().cast(), NAME.as_ptr(), Some(release)) };
    if capsule.is_null() {
        end(entry);
        return Err(Exception::fetch(py));
    }
    // SAFETY: a new reference. From here on the capsule ends the entry.
    let capsule = unsafe { Bound::from_owned_ptr(py, capsule) };
    // SAFETY: attached, in this interpreter.
    let dict = unsafe { ffi::PyInterpreterState_GetDict(state) };
    if dict.is_null() {
        return Err(PyRuntimeError::new_err("firmmap cannot be imported while the interpreter is being torn down"));
    }
    // SAFETY: the interpreter's dict, which it holds.
    match unsafe { ffi::PyDict_SetItemString(dict, NAME.as_ptr(), capsule.as_ptr()) } {
        0 => Ok(entry),
        _ => Err(Exception::fetch(py)),
    }
}

const NAME: &CStr = c"firmmap";

/// A free entry, or a new one.
fn take_entry(state: *mut ffi::PyInterpreterState) -> &'static Interpreter {
    let take = |entry: &&Interpreter| {
        entry.state.compare_exchange(ptr::null_mut(), state, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    if let Some(entry) = all().find(take) {
        return entry;
    }
    let entry = Box::leak(Box::new(Interpreter {
        next: ptr::null(),
        state: AtomicPtr::new(state),
        objects: [const { AtomicPtr::new(ptr::null_mut()) }; KEPT],
        requested: ThreadSet::new(&super::interrupt::REQUESTS),
        deferred: ThreadSet::new(&super::interrupt::DEFERRED),
        untold: StateLock::new(Vec::new()),
    }));
    loop {
        let last = LAST.load(Ordering::Acquire);
        entry.next = last;
        if LAST.compare_exchange(last, entry, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return entry;
        }
    }
}

/// The end of an interpreter.
unsafe extern "C" fn release(capsule: *mut ffi::PyObject) {
    // SAFETY: CPython passes the capsule, which has that name.
    let entry = unsafe { ffi::PyCapsule_GetPointer(capsule, NAME.as_ptr()) }.cast::<Interpreter>();
    // SAFETY: the capsule was made with a pointer to an entry, which is never freed.
    let Some(entry) = (unsafe { entry.as_ref() }) else { return };
    let objects = [const { ptr::null_mut::<ffi::PyObject>() }; KEPT];
    let objects: [_; KEPT] = std::array::from_fn(|index| entry.objects[index].swap(objects[index], Ordering::AcqRel));
    entry.requested.clear();
    entry.deferred.clear();
    // SAFETY: CPython calls this while attached to the interpreter.
    entry.untold.with(unsafe { Python::assume_attached() }, |untold| *untold = Vec::new());
    entry.state.store(ptr::null_mut(), Ordering::Release);
    for object in objects {
        // SAFETY: a reference of the entry's own, or null; CPython calls this while attached to its interpreter.
        unsafe { ffi::Py_XDECREF(object) };
    }
}

impl Interpreter {
    /// Keeps an object, unless one is kept already.
    pub(crate) fn keep(&self, which: Kept, object: Bound<'_, PyAny>) {
        let place = &self.objects[which as usize];
        if place.compare_exchange(ptr::null_mut(), object.as_ptr(), Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            // The reference is the entry's now.
            std::mem::forget(object);
        }
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>, which: Kept) -> Option<Bound<'py, PyAny>> {
        // SAFETY: an object of the interpreter that runs us, which the entry holds, or null.
        unsafe { Bound::from_borrowed_ptr_or_opt(py, self.raw(which)) }
    }

    /// The object without a reference, or null.
    pub(super) fn raw(&self, which: Kept) -> *mut ffi::PyObject {
        self.objects[which as usize].load(Ordering::Acquire)
    }

    /// Whether it is the one that the process began with.
    pub(super) fn is_main(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        // SAFETY: a live interpreter: the entry is that of a running thread. The function only reads a variable.
        !state.is_null() && unsafe { ffi::PyInterpreterState_GetID(state) } == 0
    }
}

/// A class of exceptions that the interpreter keeps; `OSError`, its base, where the interpreter is at its end.
macro_rules! kept_exception {
    ($name:ident, $which:expr, $doc:literal) => {
        #[doc = $doc]
        pub(crate) struct $name;

        impl $name {
            fn class(py: Python<'_>) -> *mut ffi::PyObject {
                let kept = current(py).map_or(ptr::null_mut(), |entry| entry.raw($which));
                // SAFETY: a static of CPython's, which is set before any module is imported.
                if kept.is_null() { unsafe { ffi::PyExc_OSError } } else { kept }
            }

            #[cold]
            #[inline(never)]
            pub(crate) fn new_err(arguments: impl Into<Arguments>) -> Exception {
                // SAFETY: a class, as was checked before it was kept, which the entry holds; or one that is static.
                unsafe { Exception::of_class(Self::class, arguments) }
            }
        }
    };
}

kept_exception!(MapFaultError, Kept::FaultError, "`firmmap.MapFaultError`.");
kept_exception!(UnsupportedOperation, Kept::UnsupportedOperation, "`io.UnsupportedOperation`.");
