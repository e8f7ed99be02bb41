//! From the signal handler to an exception in the faulting thread.
//!
//! A thread that is attached to an interpreter (holds its GIL) requests an asynchronous exception in itself, which CPython raises at its
//! next bytecode that checks for such requests (a call, a jump back). The main thread, and threads of the main interpreter that are
//! detached, request a pending call in the main thread, which CPython makes in the same way.
//!
//! CPython has no pending calls for other interpreters, and from 3.13 on none in a child of fork(2) by a thread that is not the main
//! one: it wakes the thread that was the main one in the parent. There a detached thread is recorded, and the exception requested when
//! it releases the view that it has used.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use firmmap::fault::thread_key;
use pyo3::ffi;
use pyo3::prelude::*;

use super::frames::{self, Place};
use super::interpreter::{self, Interpreter, Kept, THREADS, ThreadSet};
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyResult};
use crate::sys::module::version;
use crate::sys::trampoline::enter;

/// Whether a pending call has been requested and not yet made: the address of the interpreter that was attached then, with the lowest bit
/// set; or 0.
static REQUESTED: AtomicUsize = AtomicUsize::new(0);
/// How often the pending call was put off.
static POSTPONED: AtomicU32 = AtomicU32::new(0);
const MOST_POSTPONED: u32 = 1 << 20;
/// For functions of the program's, which can take any time: CPython makes the call some 32 times at each instruction that looks for it.
const MOST_ENTERED: u32 = 1 << 13;
/// How often in turn the main thread has met a fault while it was told of one.
static TOLD_AGAIN: AtomicU32 = AtomicU32::new(0);
/// At its end CPython makes 32 pending calls in turn before it looks whether they become fewer, which debug builds assert.
const MOST_TOLD_AGAIN: u32 = 16;
/// How often in turn it was made at one instruction, and at which: see [`is_stuck`].
static REPEATED: AtomicU32 = AtomicU32::new(0);
static REPEATED_AT: AtomicUsize = AtomicUsize::new(0);
const MOST_REPEATED: u32 = 1 << 10;
/// Whether the pending call is being made. While it is, none is requested: CPython 3.11, tracing, does not go on from an instruction
/// that looks for pending calls while there are any, and the call runs Python code.
static SERVING: AtomicBool = AtomicBool::new(false);
/// Whether pending calls are made: see above for where they are not.
static SERVED: AtomicBool = AtomicBool::new(true);
/// The main thread, or 0 if it is not known.
static MAIN: AtomicUsize = AtomicUsize::new(0);
/// CPython's function that gives the state of the thread that is attached, or null.
static ATTACHED: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// CPython's functions that suspend the trace and profile functions of a thread, and resume them; or null.
static TRACING: [AtomicPtr<c_void>; 2] = [const { AtomicPtr::new(ptr::null_mut()) }; 2];
/// Whether that is the state of whichever thread is attached: up to CPython 3.11, where all interpreters have one GIL.
static ATTACHED_IS_ANY: AtomicBool = AtomicBool::new(false);
/// CPython's functions that give the interpreter that was made last, and the one that the process began with; or null.
static NEWEST: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static OLDEST: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// The threads for whose faults the pending call has been requested.
static CALLED: ThreadSet = ThreadSet::new(&CALLS);
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// How many exceptions in turn are made at one instruction of a thread.
const MOST_MADE: u32 = 1 << 14;
/// The threads for which no exception is requested: see [`count_made`].
static MUTED: ThreadSet = ThreadSet::new(&MUTES);
static MUTES: AtomicUsize = AtomicUsize::new(0);
/// The process that pending calls are made in: see [`after_fork`].
static GENERATION: AtomicU32 = AtomicU32::new(0);
/// How many threads are recorded as deferred, in all interpreters.
pub(super) static DEFERRED: AtomicUsize = AtomicUsize::new(0);
/// How many threads are in the sets of [`Interpreter::requested`], and one more for [`MAIN_FAULTED`].
pub(super) static REQUESTS: AtomicUsize = AtomicUsize::new(0);
/// Whether the main thread, for which a pending call is requested in place of an exception, may have something to forget that it has taken
/// back.
static MAIN_FAULTED: AtomicBool = AtomicBool::new(false);

/// Does what a signal handler could not do, and registers [`request`] to be called after each fault.
pub(crate) fn connect(py: Python<'_>, here: &Interpreter, main: usize) {
    // Not in the limited API, but in all versions of CPython, the first one under one of two names.
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
    ATTACHED_IS_ANY.store(version(py) < (3, 12), Ordering::Release);
    TRACING[0].store(find(c"PyThreadState_EnterTracing"), Ordering::Release);
    TRACING[1].store(find(c"PyThreadState_LeaveTracing"), Ordering::Release);
    NEWEST.store(find(c"PyInterpreterState_Head"), Ordering::Release);
    OLDEST.store(find(c"PyInterpreterState_Main"), Ordering::Release);
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
    GENERATION.store(firmmap::fork_generation(), Ordering::Release);
    bind(py);
    // SAFETY: atomics, and functions of CPython's whose locks no thread holds that accesses mapped memory. It does not unwind.
    unsafe { firmmap::fault::on_fault(request) };
}

/// Calls what [`request`] calls, without effect: where CPython's functions of the C library are bound by the first call (ld.so(8),
/// `LD_BIND_NOW`), that takes 1 KiB of stack and more, which a signal handler may not have.
fn bind(py: Python<'_>) {
    extern "C" fn nothing(_: *mut c_void) -> c_int {
        0
    }
    // SAFETY: always works.
    unsafe { ffi::Py_IsInitialized() };
    // SAFETY: the function only reads a variable of the thread.
    let own = unsafe { ffi::PyGILState_GetThisThreadState() };
    for thread in [own, attached()] {
        let _ = !thread.is_null() && is_of_main(thread);
    }
    has_several();
    // SAFETY: attached; no thread has this number.
    unsafe { ffi::PyThreadState_SetAsyncExc(1, ptr::null_mut()) };
    // SAFETY: any thread may call this. If there is no room for it, it was bound all the same.
    let call_back = || unsafe { ffi::Py_AddPendingCall(Some(nothing), ptr::null_mut()) };
    call_back();
    // CPython 3.11 then calls more.
    detached(py, call_back);
}

/// After fork(2), in the child, where this thread is the main one.
pub(crate) fn after_fork(py: Python<'_>) {
    // A thread that was about to make the call does not exist here, nor one that was making it.
    REQUESTED.store(0, Ordering::SeqCst);
    SERVING.store(false, Ordering::SeqCst);
    GENERATION.store(firmmap::fork_generation(), Ordering::Release);
    let here = thread();
    if MAIN.swap(here, Ordering::AcqRel) != here {
        forget_main_faulted();
        if version(py) >= (3, 13) {
            SERVED.store(false, Ordering::Release);
        }
    }
    // The threads are the parent's, and this one has another key.
    for interpreter in interpreter::all() {
        interpreter.requested.clear();
        interpreter.deferred.clear();
    }
    if let Some(here) = interpreter::current(py) {
        here.untold.with(py, Vec::clear);
    }
    CALLED.clear();
    MUTED.clear();
}

/// The calling thread, as CPython and the library number them.
fn thread() -> usize {
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

/// Requests an exception for the thread. Runs in the signal handler of a thread that was accessing mapped memory.
///
/// CPython's functions here take locks of its own for a moment. That is allowed though it is not in every signal
/// handler: the fault was raised by a load or a store of mapped bytes, and no thread does that while holding one of these
/// locks. If a request cannot be made nothing is lost: the fault stays with its map, whose next operation reports it.
fn request() {
    // SAFETY: always works.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        return;
    }
    // A child of a fork(2) by C code, which has called no hooks.
    let generation = firmmap::fork_generation();
    if GENERATION.swap(generation, Ordering::AcqRel) != generation {
        SERVING.store(false, Ordering::SeqCst);
    }
    let (thread, key) = (thread(), thread_key());
    // SAFETY: the function only reads a variable of the thread.
    let own = unsafe { ffi::PyGILState_GetThisThreadState() };
    let here = interpreter::find(interpreter_of(own));
    for other in interpreter::all().filter(|&other| here.is_none_or(|here| !ptr::eq(here, other))) {
        // What it has left unreported in that interpreter is out of date.
        other.requested.remove(key);
        other.deferred.remove(key);
    }
    if let Some(here) = here {
        here.deferred.remove(key);
    }
    CALLED.remove(key);
    let attached = attached();
    let is_main = thread == MAIN.load(Ordering::Acquire);
    // Threads that are not Python's have no interpreter: the main one is used. CPython 3.11 takes the interpreter of the thread that
    // is attached, whichever that is, and calls back in the main thread only; and it has the first interpreter of a thread for its own.
    let elsewhere = attached != own && !is_main && has_several() && {
        let is_any = ATTACHED_IS_ANY.load(Ordering::Acquire) && !own.is_null();
        is_any || (!attached.is_null() && !is_of_main(attached))
    };
    let has_callback = SERVED.load(Ordering::Acquire) && !elsewhere && (own.is_null() || is_of_main(own));
    let is_attached = !attached.is_null() && attached == own;
    if is_attached && MUTES.load(Ordering::Acquire) > 0 && MUTED.contains(key) {
        return;
    }
    let can_raise_here = is_attached && !(has_callback && is_main);
    if can_raise_here && here.is_some_and(|here| raise_in_thread(here, thread, key)) {
        return;
    }
    if is_attached && is_main && !MAIN_FAULTED.swap(true, Ordering::AcqRel) {
        // Its operation, which may take the fault back, looks at that only when it is told to.
        REQUESTS.fetch_add(1, Ordering::AcqRel);
    }
    if !has_callback {
        if let Some(here) = here {
            here.deferred.insert(key);
        }
        return;
    }
    CALLED.insert(key);
    let target = interpreter_of(attached).addr() | 1;
    // `serve` looks for what was requested after it has said that it does not serve any more; so one of the two sees the other.
    if REQUESTED.swap(target, Ordering::SeqCst) != target && !SERVING.load(Ordering::SeqCst) {
        call_back();
    }
}

/// While it lives, no function traces or profiles this thread: what is done to tell of a fault is not the program's, and a function that
/// faults itself would have to be told of that, and so on.
pub(super) struct Untraced(*mut ffi::PyThreadState);

impl Untraced {
    pub(super) fn new(_py: Python<'_>) -> Self {
        // SAFETY: attached, as the token says.
        let this = Self(unsafe { ffi::PyThreadState_Get() });
        this.call(&TRACING[0]);
        this
    }

    fn call(&self, function: &AtomicPtr<c_void>) {
        let function = function.load(Ordering::Acquire);
        if function.is_null() {
            return;
        }
        // SAFETY: `connect` has found a function of this type.
        let function =
            unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut ffi::PyThreadState)>(function) };
        // SAFETY: the state of this thread, which is attached: the value does not leave the function that has made it.
        unsafe { function(self.0) }
    }
}

impl Drop for Untraced {
    fn drop(&mut self) {
        self.call(&TRACING[1]);
    }
}

/// Requests a pending call, if CPython has room for it.
fn call_back() {
    // SAFETY: any thread may call this, attached or not; see above for the signal handler.
    if unsafe { ffi::Py_AddPendingCall(Some(serve), ptr::null_mut()) } != 0 {
        REQUESTED.store(0, Ordering::SeqCst);
    }
}

/// Requests an exception once more, for faults that this thread is still to be told of, or the main one.
pub(super) fn request_again(here: &Interpreter) {
    if !SERVED.load(Ordering::Acquire) {
        here.deferred.insert(thread_key());
    } else if REQUESTED.swap(1, Ordering::SeqCst) == 0 && !SERVING.load(Ordering::SeqCst) {
        call_back();
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

/// Whether the process has more than one interpreter. Signal handlers may call it.
pub(super) fn has_several() -> bool {
    let [newest, oldest] = [&NEWEST, &OLDEST].map(|function| function.load(Ordering::Acquire));
    if newest.is_null() || oldest.is_null() {
        return false;
    }
    let call = |function: *mut c_void| {
        // SAFETY: `connect` has found a function of this type.
        let function = unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *mut ffi::PyInterpreterState>(function)
        };
        // SAFETY: the function only reads a variable.
        unsafe { function() }
    };
    call(newest) != call(oldest)
}

/// The keys of the threads for whose faults the pending call has been requested since this was asked last: of the main interpreter, and
/// none of Python's. The rest are zeros, which no thread has. An array, as there may be no memory for more.
pub(super) fn take_called() -> [usize; THREADS] {
    let mut called = [0; THREADS];
    for (place, thread) in called.iter_mut().zip(CALLED.drain()) {
        *place = thread;
    }
    called
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
    if GENERATION.load(Ordering::Acquire) != firmmap::fork_generation() {
        // In a child of fork(2) whose hooks are still running, which an exception would cut short. The thread is told after them, by
        // `tell`; what others have met is their process's.
        REQUESTED.store(0, Ordering::SeqCst);
        return 0;
    }
    SERVING.store(true, Ordering::SeqCst);
    // SAFETY: CPython calls this while attached.
    let result = unsafe { enter(-1, raise) };
    SERVING.store(false, Ordering::SeqCst);
    // It was put off, or somebody has requested it meanwhile.
    if REQUESTED.load(Ordering::SeqCst) != 0 {
        call_back();
    }
    result
}

/// Raises what is to be raised in this thread, the main one; or tells of it where nobody would get it.
fn raise(py: Python<'_>) -> PyResult<c_int> {
    let place = frames::place(py);
    // What has called library code gets the exception after that; and CPython finishes what it shows before another message.
    let most = match place {
        Place::Later | Place::Cleared | Place::Afterwards => MOST_POSTPONED,
        Place::Entered => MOST_ENTERED,
        _ => 0,
    };
    if most > 0 && may_postpone(py, most) {
        return Ok(0);
    }
    frames::forget_entered();
    POSTPONED.store(0, Ordering::Relaxed);
    REPEATED.store(0, Ordering::Relaxed);
    REQUESTED.store(0, Ordering::SeqCst);
    let _untraced = Untraced::new(py);
    let exception = match super::deliver(py) {
        Ok(None) => return Ok(0),
        Ok(Some(exception)) => {
            // It is not known whether anybody gets it.
            if matches!(place, Place::Unseen | Place::Entered) {
                Exception::made(exception.clone()).write_unraisable(py);
            }
            Exception::made(exception)
        }
        // Of no fault, but of a signal handler that ran meanwhile: it would have been raised here, if any code is running.
        Err(exception) if !exception.is_memory_error() && frames::is_any_running(py) => return Err(exception),
        Err(exception) => exception,
    };
    match place {
        Place::Here | Place::Later | Place::Entered | Place::Unseen => Err(exception),
        Place::Cleared | Place::Afterwards | Place::Dropped | Place::Nowhere => {
            exception.write_unraisable(py);
            if !may_tell_again() {
                REQUESTED.store(0, Ordering::SeqCst);
            }
            Ok(0)
        }
    }
}

/// Whether what the main thread has met while it was told of a fault, in a hook of the program's, may be told at once. A hook that meets one
/// each time would be called for ever: CPython 3.11, tracing, does not leave an instruction before there is no pending call, and 3.13 does not
/// end before. What is not told stays with its map.
fn may_tell_again() -> bool {
    if REQUESTED.load(Ordering::SeqCst) == 0 {
        TOLD_AGAIN.store(0, Ordering::Relaxed);
    }
    TOLD_AGAIN.fetch_add(1, Ordering::Relaxed) < MOST_TOLD_AGAIN
}

/// Whether the pending call may be made again, at the next bytecode that looks for one. Not if it was made too often: at its end CPython
/// makes such calls until there are none.
fn may_postpone(py: Python<'_>, most: u32) -> bool {
    POSTPONED.fetch_add(1, Ordering::Relaxed) < most && !is_stuck(py)
}

/// Whether the call is made again and again at one instruction, which CPython 3.11, tracing, does not leave before there is no pending call.
fn is_stuck(py: Python<'_>) -> bool {
    if version(py) >= (3, 12) {
        return false;
    }
    let here = frames::instruction(py);
    if REPEATED_AT.swap(here, Ordering::Relaxed) != here {
        REPEATED.store(0, Ordering::Relaxed);
    }
    REPEATED.fetch_add(1, Ordering::Relaxed) >= MOST_REPEATED
}

thread_local! {
    /// How many exceptions in turn were made at one instruction of this thread, which that is, and [`FINALIZED`] then.
    static MADE: Cell<(u32, usize, u32)> = const { Cell::new((0, 0, 0)) };
}

/// How many exceptions were finalized undisturbed, in any thread: what a pool's thread has met is dropped by whoever asks for the result.
static FINALIZED: AtomicU32 = AtomicU32::new(0);

/// An exception is being made in this thread. A hook of the program's that shows exceptions and meets a missing byte each time could be
/// called for ever: CPython 3.12, for one, takes an exception after an `except` clause for one of its `try`. So after some at one instruction
/// no more are requested, and the faults stay with their maps, until one is finalized undisturbed. A program that collects such exceptions in a
/// loop does the same, and is let alone for as long.
pub(super) fn count_made(py: Python<'_>) {
    let (before, there, then) = MADE.get();
    let (here, now) = (frames::instruction(py), FINALIZED.load(Ordering::Relaxed));
    let in_turn = if (here, now) == (there, then) { before + 1 } else { 0 };
    MADE.set((in_turn, here, now));
    if in_turn >= MOST_MADE {
        MUTED.insert(thread_key());
    }
}

/// An exception is finalized in this thread, whichever has met the fault. It is disturbed if another one is requested in this thread.
pub(super) fn finalized(py: Python<'_>) {
    if interpreter::current(py).is_some_and(|here| here.requested.contains(thread_key())) {
        return;
    }
    FINALIZED.fetch_add(1, Ordering::Relaxed);
    if MUTES.load(Ordering::Acquire) > 0 {
        MUTED.clear();
    }
}

/// Requests an exception in a thread of the interpreter that runs us, at the thread's next bytecode. `false` if the interpreter has no
/// such thread. This thread is attached.
pub(crate) fn raise_in_thread(here: &Interpreter, thread: usize, key: usize) -> bool {
    let class = here.raw(Kept::LateFault);
    if class.is_null() {
        return false;
    }
    here.requested.insert(key);
    // SAFETY: attached; the exception is a class.
    let raised = unsafe { ffi::PyThreadState_SetAsyncExc(thread as c_long, class) } > 0;
    if !raised {
        here.requested.remove(key);
    }
    raised
}

/// Whether the thread with that key has faulted while it ran another interpreter than this.
pub(crate) fn is_elsewhere(here: &Interpreter, key: usize) -> bool {
    interpreter::all()
        .filter(|other| !ptr::eq(*other, here))
        .any(|other| other.requested.contains(key) || other.deferred.contains(key))
}

/// Whether the thread is told when it releases a view.
pub(crate) fn is_deferred(here: &Interpreter, key: usize) -> bool {
    here.deferred.contains(key)
}

/// The exception that was requested in this thread is being raised. Until [`end_claim`] it is not known whether that succeeds: if not,
/// another one is requested when the thread releases a view.
pub(crate) fn begin_claim(py: Python<'_>, is_for_faults: bool) {
    let Some(here) = interpreter::current(py) else { return };
    let key = thread_key();
    here.requested.remove(key);
    if is_for_faults {
        here.deferred.insert(key);
    } else {
        here.deferred.remove(key);
    }
}

/// The exception is made. What the thread has met meanwhile is told next.
pub(crate) fn end_claim(py: Python<'_>, is_still_waiting: impl Fn() -> bool) {
    let Some(here) = interpreter::current(py) else { return };
    let key = thread_key();
    here.deferred.remove(key);
    request_while(here, key, is_still_waiting);
}

/// Requests an exception in this thread if its faults are still to be told, and withdraws the one that was requested if they are not. Looks
/// again afterwards: another thread may report them at any moment, without the GIL even between the two.
fn request_while(here: &Interpreter, key: usize, is_still_waiting: impl Fn() -> bool) {
    if is_still_waiting() {
        raise_in_thread(here, thread(), key);
    }
    if !is_still_waiting() {
        cancel(here, key);
    }
}

/// Withdraws the exception that was requested in this thread: the fault is just being reported in another way.
pub(crate) fn withdraw(is_still_waiting: impl FnOnce() -> bool) {
    // SAFETY: the other way is an exception too, which only attached threads make.
    let py = unsafe { Python::assume_attached() };
    let Some(here) = interpreter::current(py) else { return };
    let key = thread_key();
    let is_requested = here.requested.contains(key) || here.deferred.contains(key);
    if !is_requested || is_still_waiting() {
        return;
    }
    here.deferred.remove(key);
    cancel(here, key);
}

/// Withdraws the exception that was requested in this thread, which is told by the one that is made now: until [`begin_claim`], when it
/// releases a view.
pub(super) fn take_over(here: &Interpreter) {
    let key = thread_key();
    cancel(here, key);
    here.deferred.insert(key);
}

/// Withdraws the exception that was requested in this thread, if it was. The thread is attached.
fn cancel(here: &Interpreter, key: usize) {
    if here.requested.remove(key) {
        // SAFETY: attached; null withdraws the exception.
        unsafe { ffi::PyThreadState_SetAsyncExc(thread() as c_long, ptr::null_mut()) };
    }
}

/// Whether an exception may have been requested in a thread.
#[inline(always)]
pub(crate) fn may_be_requested() -> bool {
    REQUESTS.load(Ordering::Relaxed) > 0
}

/// An operation of this thread has succeeded: if it has met a fault all the same, no exception is needed for that. One that was
/// requested for another fault is left: that may have been reported to another thread, whose map is gone.
#[cold]
#[inline(never)]
pub(crate) fn withdraw_if_taken_back(_py: Python<'_>, is_still_waiting: impl FnOnce() -> bool) {
    if firmmap::fault::taken_back() {
        withdraw(is_still_waiting);
    }
    if MAIN.load(Ordering::Acquire) == thread() {
        forget_main_faulted();
    }
}

fn forget_main_faulted() {
    if MAIN_FAULTED.swap(false, Ordering::AcqRel) {
        REQUESTS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether any thread is recorded as deferred.
#[inline]
pub(crate) fn has_deferred() -> bool {
    DEFERRED.load(Ordering::Relaxed) > 0
}

/// Requests an exception in this thread, if that was deferred until it is attached again.
#[cold]
pub(crate) fn request_if_deferred(py: Python<'_>, is_still_waiting: impl Fn() -> bool) {
    let Some(here) = interpreter::current(py) else { return };
    let key = thread_key();
    if here.deferred.remove(key) && is_still_waiting() {
        request_while(here, key, is_still_waiting);
    }
}
