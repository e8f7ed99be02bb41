//! From a signal handler to an exception in the thread that has met a fault.
//!
//! A thread that is attached to an interpreter (holds its GIL) asks for an exception in itself, which CPython raises at its
//! next bytecode that looks for such requests (a call, a jump back). The main thread, and threads of the main interpreter that are
//! detached, ask CPython to call us back in the main thread, in the same way.
//!
//! CPython has no such call for other interpreters, and from 3.13 on none in a child of fork(2) by a thread that is not the main
//! one: it wakes the thread that was the main one in the parent. There a detached thread is remembered, and asked when
//! it gives back the view that it has used.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use super::interpreter::{self, Interpreter, Kept};
use crate::sys::module::version;
use crate::sys::trampoline::enter;

/// A request to be called back is waiting to be served: where it was made, or 0.
static REQUESTED: AtomicUsize = AtomicUsize::new(0);
/// Requests to be called back are served. See above for where they are not.
static SERVED: AtomicBool = AtomicBool::new(true);
/// The main thread, or 0 if it is not known.
static MAIN: AtomicUsize = AtomicUsize::new(0);
/// CPython's function that gives the state of the thread that is attached, or null.
static ATTACHED: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// How many threads are to be asked when they are attached again.
static DUE: AtomicUsize = AtomicUsize::new(0);

/// Prepares everything that a signal handler could not do, and has [`request`] called after each fault.
pub(crate) fn connect(py: Python<'_>, here: &Interpreter, main: usize) {
    // Not in the limited API, but in all versions of CPython, under one of two names.
    #[cfg(unix)]
    let find = |name: &std::ffi::CStr| {
        // SAFETY: the name ends in a zero byte.
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
    };
    #[cfg(windows)]
    let python = py.import("sys").and_then(|sys| sys.getattr("dllhandle")?.extract::<usize>()).unwrap_or(0);
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
    // From 3.13 on CPython says which it is. Before, it is known to the main interpreter, and if it is this one.
    let is_known = version(py) >= (3, 13) || here.is_main();
    let main = if main != 0 && is_known {
        main
    } else if is_first_of_process() {
        thread()
    } else {
        MAIN.load(Ordering::Acquire)
    };
    MAIN.store(main, Ordering::Release);
    // SAFETY: atomics, and functions of CPython's whose locks nobody holds who touches mapped memory. It does not unwind.
    unsafe { firmmap::on_fault(request) };
}

/// After fork(2), in the child, where this thread is the main one.
pub(crate) fn after_fork(py: Python<'_>) {
    let here = thread();
    if MAIN.swap(here, Ordering::AcqRel) != here && version(py) >= (3, 13) {
        SERVED.store(false, Ordering::Release);
    }
    // Whoever was about to make a request is not there any more.
    REQUESTED.store(0, Ordering::Release);
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

/// Whether this thread is the one that its process began with; no if the system does not say.
fn is_first_of_process() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: always works.
        let thread = unsafe { libc::gettid() };
        // SAFETY: always works.
        thread == unsafe { libc::getpid() }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    false
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
    // SAFETY: the function only reads a variable of the thread.
    let own = unsafe { ffi::PyGILState_GetThisThreadState() };
    let here = interpreter::find(interpreter_of(own));
    for other in interpreter::all().filter(|&other| here.is_none_or(|here| !ptr::eq(here, other))) {
        // What it did not wait for while it ran that interpreter is over.
        other.asked.remove(thread);
        forget_due(other, thread);
    }
    // Up to CPython 3.11 it is the state of whichever thread is attached.
    let attached = attached();
    let is_main = thread == MAIN.load(Ordering::Acquire);
    // Threads that are not Python's have no interpreter: the main one is told. CPython 3.11 takes the interpreter of the thread that
    // is attached, whichever that is, and calls back in the main thread only.
    let elsewhere = !attached.is_null() && attached != own && !is_main && !is_of_main(attached);
    let has_callback = SERVED.load(Ordering::Acquire) && !elsewhere && (own.is_null() || is_of_main(own));
    let is_attached = !attached.is_null() && attached == own;
    let can_be_asked = is_attached && !(has_callback && is_main);
    if can_be_asked && here.is_some_and(|here| raise_in_thread(here, thread)) {
        return;
    }
    if !has_callback {
        if here.is_some_and(|here| !here.due.contains(thread) && here.due.insert(thread)) {
            DUE.fetch_add(1, Ordering::AcqRel);
        }
        return;
    }
    let target = interpreter_of(attached).addr() | 1;
    if REQUESTED.swap(target, Ordering::AcqRel) == target {
        return;
    }
    // SAFETY: any thread may call this, attached or not; see above for the signal handler.
    if unsafe { ffi::Py_AddPendingCall(Some(serve), ptr::null_mut()) } != 0 {
        REQUESTED.store(0, Ordering::Release);
    }
}

/// The state of the thread that is attached to an interpreter, or null.
fn attached() -> *mut ffi::PyThreadState {
    let function = ATTACHED.load(Ordering::Acquire);
    if function.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `connect` has found a function of this type.
    let function =
        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *mut ffi::PyThreadState>(function) };
    // SAFETY: the function only reads a variable.
    unsafe { function() }
}

fn interpreter_of(thread: *mut ffi::PyThreadState) -> *mut ffi::PyInterpreterState {
    // SAFETY: the state of this thread, or of one that is attached; the function only reads it.
    if thread.is_null() { ptr::null_mut() } else { unsafe { ffi::PyThreadState_GetInterpreter(thread) } }
}

fn is_of_main(thread: *mut ffi::PyThreadState) -> bool {
    // SAFETY: the interpreter of this thread, or of one that is attached; the function only reads a variable.
    unsafe { ffi::PyInterpreterState_GetID(interpreter_of(thread)) == 0 }
}

extern "C" fn serve(_: *mut c_void) -> c_int {
    REQUESTED.store(0, Ordering::Release);
    // SAFETY: CPython calls this while attached.
    unsafe { enter(-1, |py| super::deliver(py).map(|()| 0)) }
}

/// Has the class raised in a thread of the interpreter that runs us, at the thread's next bytecode. `false` if the interpreter knows no
/// such thread. This thread is attached.
pub(crate) fn raise_in_thread(here: &Interpreter, thread: usize) -> bool {
    let class = here.raw(Kept::LateFault);
    if class.is_null() {
        return false;
    }
    // Where there is no place the exception is raised all the same; only it cannot be taken back.
    here.asked.insert(thread);
    // SAFETY: attached; the exception is a class.
    let raised = unsafe { ffi::PyThreadState_SetAsyncExc(thread as c_long, class) } > 0;
    if !raised {
        here.asked.remove(thread);
    }
    raised
}

/// Whether a thread has met a fault while it ran another interpreter than this.
pub(crate) fn is_elsewhere(here: &Interpreter, thread: usize) -> bool {
    interpreter::all()
        .filter(|other| !ptr::eq(*other, here))
        .any(|other| other.asked.contains(thread) || other.due.contains(thread))
}

/// The exception that was to be raised in this thread is there.
pub(crate) fn was_raised(py: Python<'_>) {
    if let Some(here) = interpreter::current(py) {
        here.asked.remove(thread());
        forget_due(here, thread());
    }
}

/// Takes back what this thread was to be told: it is just being told in another way.
pub(crate) fn retract(is_still_due: impl FnOnce(usize) -> bool) {
    // SAFETY: it is told by an exception, which only attached threads make.
    let py = unsafe { Python::assume_attached() };
    let Some(here) = interpreter::current(py) else { return };
    let thread = thread();
    let is_asked = here.asked.contains(thread) || here.due.contains(thread);
    if !is_asked || is_still_due(thread) {
        return;
    }
    forget_due(here, thread);
    if here.asked.remove(thread) {
        // SAFETY: attached; null takes the exception back.
        unsafe { ffi::PyThreadState_SetAsyncExc(thread as c_long, ptr::null_mut()) };
    }
}

/// Whether there is a thread that waits to be attached again.
#[inline]
pub(crate) fn is_anyone_due() -> bool {
    DUE.load(Ordering::Relaxed) > 0
}

/// Asks for an exception in this thread, if it was to be done when it is attached again.
#[cold]
pub(crate) fn ask_if_due(py: Python<'_>, is_still_due: impl FnOnce(usize) -> bool) {
    let Some(here) = interpreter::current(py) else { return };
    let thread = thread();
    if forget_due(here, thread) && is_still_due(thread) {
        raise_in_thread(here, thread);
    }
}

fn forget_due(here: &Interpreter, thread: usize) -> bool {
    let was_due = here.due.remove(thread);
    if was_due {
        DUE.fetch_sub(1, Ordering::AcqRel);
    }
    was_due
}
