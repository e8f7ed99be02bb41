//! From a signal handler to an exception in the thread that has met a fault.
//!
//! A thread that is attached to the interpreter (holds the GIL) asks for an exception in itself, which CPython raises at its
//! next bytecode that looks for such requests (a call, a jump back). Others, and the main thread, ask CPython to call us
//! back in the main thread, in the same way.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::call::enter;

/// A request to be called back is waiting to be served.
static REQUESTED: AtomicBool = AtomicBool::new(false);
/// The class to be raised. It lives as long as the process.
static CLASS: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());
/// The main thread.
static MAIN: AtomicUsize = AtomicUsize::new(0);
/// CPython's function that gives the state of the thread that is attached, or null.
static ATTACHED: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Threads in which an exception is going to be raised.
static ASKED: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];

/// Prepares everything that a signal handler could not do, and has [`request`] called after each fault. `class` needs no arguments to be raised.
pub(crate) fn connect(class: Bound<'_, PyType>, main: usize) {
    // Not in the limited API, but in all versions of CPython, under one of two names.
    #[cfg(unix)]
    let find = |name: &std::ffi::CStr| {
        // SAFETY: the name ends in a zero byte.
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
    };
    #[cfg(windows)]
    let python = class.py().import("sys").and_then(|sys| sys.getattr("dllhandle")?.extract::<usize>()).unwrap_or(0);
    #[cfg(windows)]
    let find = |name: &std::ffi::CStr| {
        use windows_sys::Win32::System::LibraryLoader::GetProcAddress;
        // SAFETY: the name ends in a zero byte; the handle is that of a library, or null.
        let function = unsafe { GetProcAddress(python as _, name.as_ptr().cast()) };
        function.map_or(ptr::null_mut(), |function| function as *mut c_void)
    };
    let names = [c"PyThreadState_GetUnchecked", c"_PyThreadState_UncheckedGet"];
    let function = names.into_iter().map(find).find(|function| !function.is_null());
    ATTACHED.store(function.unwrap_or(ptr::null_mut()), Ordering::Release);
    MAIN.store(main, Ordering::Release);
    CLASS.store(class.into_ptr(), Ordering::Release);
    // SAFETY: atomics, and functions of CPython's whose locks nobody holds who touches mapped memory. It does not unwind.
    unsafe { firmmap::on_fault(request) };
}

/// After fork(2), in the child, where this thread is the main one.
pub(crate) fn after_fork() {
    MAIN.store(thread(), Ordering::Release);
    // Whoever was about to make a request is not there any more.
    REQUESTED.store(false, Ordering::Release);
}

/// The calling thread, as CPython and the library number them.
pub(crate) fn thread() -> usize {
    #[cfg(unix)]
    // SAFETY: always works.
    return (unsafe { libc::pthread_self() }) as usize;
    #[cfg(windows)]
    // SAFETY: always works.
    return (unsafe { windows_sys::Win32::System::Threading::GetCurrentThreadId() }) as usize;
}

/// Requests that the thread be told. Runs in a signal handler, of a thread that was touching mapped memory.
///
/// CPython's functions here take locks of its own for a moment. That is allowed though it is not in every signal
/// handler: the fault was raised by a load or a store of mapped bytes, and nobody does that while holding one of these
/// locks. If a request cannot be made nothing is lost: the fault stays with its map, whose next operation reports it.
fn request() {
    // SAFETY: always works.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        return;
    }
    let thread = thread();
    if thread != MAIN.load(Ordering::Acquire) && is_attached() && raise_in_thread(thread) {
        return;
    }
    if REQUESTED.swap(true, Ordering::AcqRel) {
        return;
    }
    // SAFETY: any thread may call this, attached or not; see above for the signal handler.
    if unsafe { ffi::Py_AddPendingCall(Some(serve), ptr::null_mut()) } != 0 {
        REQUESTED.store(false, Ordering::Release);
    }
}

/// Whether this thread is attached to the interpreter: it holds the GIL.
fn is_attached() -> bool {
    let function = ATTACHED.load(Ordering::Acquire);
    if function.is_null() {
        return false;
    }
    // SAFETY: `connect` has found a function of this type.
    let function =
        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *mut ffi::PyThreadState>(function) };
    // SAFETY: the function only reads a variable.
    let attached = unsafe { function() };
    // Up to CPython 3.11 it is the state of whichever thread is attached.
    // SAFETY: the function only reads a variable of the thread.
    !attached.is_null() && attached == unsafe { ffi::PyGILState_GetThisThreadState() }
}

extern "C" fn serve(_: *mut c_void) -> c_int {
    REQUESTED.store(false, Ordering::Release);
    // SAFETY: CPython calls this while attached.
    unsafe { enter(-1, |py| Ok(crate::faults::deliver(py).map(|()| 0)?)) }
}

/// Has the class raised in a thread, at its next bytecode. `false` if Python knows no such thread. This thread is attached.
pub(crate) fn raise_in_thread(thread: usize) -> bool {
    let class = CLASS.load(Ordering::Acquire);
    if class.is_null() {
        return false;
    }
    let is_known = ASKED.iter().any(|asked| asked.load(Ordering::Acquire) == thread);
    // Where there is no place the exception is raised all the same; only it cannot be taken back.
    let _ = is_known || ASKED.iter().any(|asked| exchange(asked, 0, thread));
    // SAFETY: attached; the exception is a class.
    let raised = unsafe { ffi::PyThreadState_SetAsyncExc(thread as c_long, class) } > 0;
    if !raised {
        forget(thread);
    }
    raised
}

/// The exception that was to be raised in this thread is there.
pub(crate) fn was_raised() {
    forget(thread());
}

/// Takes back what this thread was to be told: it is just being told in another way. This thread is attached.
pub(crate) fn retract(is_still_due: impl FnOnce(usize) -> bool) {
    let thread = thread();
    let is_asked = ASKED.iter().any(|asked| asked.load(Ordering::Acquire) == thread);
    if is_asked && !is_still_due(thread) && forget(thread) {
        // SAFETY: attached; null takes the exception back.
        unsafe { ffi::PyThreadState_SetAsyncExc(thread as c_long, ptr::null_mut()) };
    }
}

fn forget(thread: usize) -> bool {
    ASKED.iter().any(|asked| exchange(asked, thread, 0))
}

fn exchange(place: &AtomicUsize, from: usize, to: usize) -> bool {
    place.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}
