//! Unix: the handler of SIGBUS.
//!
//! [`entry`], [`handler`] and what they call make only system calls and atomic accesses: no locks but the table's own, no memory from the heap, no
//! thread-locals.

mod entry;
#[cfg(linux_kernel)]
mod interrupted;
mod note;
#[cfg(linux_kernel)]
mod saved;

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use libc::{c_int, c_void, sigaction, siginfo_t};

pub(super) use super::pages::{
    drop_stash, memory_for_ever, restore_pages, seen_by_all_threads, without_pages, zero_fill,
};
pub(super) use super::reserve::refill as refill_reserve;
use super::table;
use entry::entry;
#[cfg(linux_kernel)]
use interrupted::interrupted_a_handler_of_our_fault;
use note::{note, noted, unnote};

/// The signals for an unreadable page: macOS sends either for a file.
#[cfg(not(target_vendor = "apple"))]
const SIGNALS: [c_int; 1] = [libc::SIGBUS];
#[cfg(target_vendor = "apple")]
const SIGNALS: [c_int; 2] = [libc::SIGBUS, libc::SIGSEGV];

/// A handler that was there before ours.
struct Previous {
    action: sigaction,
    /// The one that was there before it.
    older: *const Previous,
}

// SAFETY: what the pointer leads to never changes and is never freed.
unsafe impl Sync for Previous {}

/// The default action, with nothing before it.
static DEFAULT: Previous = Previous::terminal(libc::SIG_DFL);
static IGNORE: Previous = Previous::terminal(libc::SIG_IGN);

impl Previous {
    const fn terminal(what: usize) -> Self {
        // SAFETY: all zeros is a valid action.
        let mut action: sigaction = unsafe { zeroed() };
        action.sa_sigaction = what;
        Self { action, older: ptr::null() }
    }
}

/// The newest previous handlers, one chain for each of [`SIGNALS`].
static PREVIOUS: [AtomicPtr<Previous>; SIGNALS.len()] = [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS.len()];

/// A previous handler that was called for a fault that is not ours: the thread, and whom to call if that handler raises the signal
/// again.
static CHAIN_THREAD: AtomicUsize = AtomicUsize::new(0);
static CHAIN_NEXT: AtomicPtr<Previous> = AtomicPtr::new(ptr::null_mut());

/// Makes our handler the first one. Returns whether it is.
pub(crate) fn install_handler() -> bool {
    SIGNALS.iter().zip(&PREVIOUS).all(|(&signal, previous)| install(signal, previous).is_ok())
}

/// The handler that would be called now: an address, or zero for the default action.
pub(crate) fn current_handler() -> usize {
    current(libc::SIGBUS).map_or(0, |action| action.sa_sigaction)
}

/// Removes `handler` from the chain. Only the newest previous handler can be removed: the older ones are called by others too.
pub(crate) fn forget_handler(handler: usize) {
    if matches!(handler, libc::SIG_DFL | libc::SIG_IGN) {
        return;
    }
    for previous in &PREVIOUS {
        let newest = previous.load(Ordering::Acquire);
        // SAFETY: nodes are never freed.
        let node = unsafe { newest.as_ref() };
        if let Some(node) = node.filter(|node| node.action.sa_sigaction == handler) {
            let older = if node.older.is_null() { &raw const DEFAULT } else { node.older };
            let _ = previous.compare_exchange(newest, older.cast_mut(), Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

/// As [`install_handler`], but asks the system at most once per clock tick (a few milliseconds): asking costs a twentieth of a
/// mapping.
pub(crate) fn keep_handler() -> bool {
    static CHECKED: AtomicUsize = AtomicUsize::new(0);
    let tick = tick();
    if tick != 0 && CHECKED.load(Ordering::Acquire) == tick {
        return true;
    }
    // Noted only when done: another thread that maps now must not rely on a handler that is not installed yet.
    let is_first = install_handler();
    if is_first {
        CHECKED.store(tick, Ordering::Release);
    }
    is_first
}

/// A number that changes with every tick, or zero where the clock cannot be read without a system call.
fn tick() -> usize {
    #[cfg(linux_kernel)]
    {
        // SAFETY: all zeros is a valid time.
        let mut time: libc::timespec = unsafe { zeroed() };
        // SAFETY: the call fills the time.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut time) };
        (time.tv_sec as usize).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as usize)
    }
    #[cfg(not(linux_kernel))]
    0
}

fn install(signal: c_int, previous: &AtomicPtr<Previous>) -> io::Result<()> {
    let current = current(signal)?;
    let ours = entry as *const () as usize;
    if current.sa_sigaction == ours {
        return Ok(());
    }
    super::fork::guard_table();
    // Nothing is allocated if this runs in our handler, after a previous handler has removed itself.
    let known: *const Previous = match current.sa_sigaction {
        libc::SIG_DFL => &DEFAULT,
        libc::SIG_IGN => &IGNORE,
        handler => {
            // A node is never freed: a running handler may still read it. A handler that is installed repeatedly (faulthandler,
            // switched on and off) is found in the chain.
            let newest = previous.load(Ordering::Acquire).cast_const();
            let mut known = newest;
            // SAFETY: nodes are never freed.
            while let Some(node) = unsafe { known.as_ref() } {
                if node.action.sa_sigaction == handler {
                    break;
                }
                known = node.older;
            }
            if known.is_null() { Box::into_raw(Box::new(Previous { action: current, older: newest })) } else { known }
        }
    };
    previous.store(known.cast_mut(), Ordering::Release);
    // SAFETY: all zeros is a valid action.
    let mut action: sigaction = unsafe { zeroed() };
    action.sa_sigaction = ours;
    // If the signal was ignored, system calls have to restart.
    let restart = if known == &raw const IGNORE { libc::SA_RESTART } else { current.sa_flags & libc::SA_RESTART };
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | restart;
    // No other handler, which may use mapped memory too, must interrupt ours.
    // SAFETY: the set is part of the action.
    unsafe { libc::sigfillset(&mut action.sa_mask) };
    // SAFETY: the handler does only what is allowed in one.
    check(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) })
}

fn current(signal: c_int) -> io::Result<sigaction> {
    let mut current = MaybeUninit::<sigaction>::uninit();
    // SAFETY: only asks; the buffer is a `sigaction`.
    check(unsafe { libc::sigaction(signal, ptr::null(), current.as_mut_ptr()) })?;
    // SAFETY: the call has filled it.
    Ok(unsafe { current.assume_init() })
}

/// The bytes of stack that [`handler`] needs, with what [`super::notify`] calls; `tests/faults/signal_stack.rs` measures it. An unoptimised
/// build needs more.
const STACK: usize = if cfg!(debug_assertions) { 4096 } else { 2048 };

/// The signal handler, once it is known that there is enough stack.
///
/// # Safety
///
/// - The arguments are those of a signal handler.
unsafe extern "C" fn handler(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = errno_location();
    // SAFETY: every thread has its errno.
    let saved = unsafe { *errno };
    // SAFETY: the kernel passes a whole siginfo_t.
    let detail = unsafe { &*info };
    // Positive codes are the kernel's own: a real fault, with an address.
    if detail.si_code > 0 {
        // SAFETY: signals with these codes carry an address.
        let address = unsafe { detail.si_addr() } as usize;
        // SAFETY: the caller's promise.
        let is_write = unsafe { super::access::is_write(context) };
        if is_about_a_page(detail.si_code) && table::zero_fill(address, is_write, thread()) {
            super::notify();
        } else {
            // SAFETY: the caller's promise.
            unsafe { forward(next(signal, info), true, signal, info, context) };
        }
    } else {
        // SAFETY: the caller's promise.
        unsafe { sent(signal, info, context) };
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// Whether replacing the page helps: not for a misaligned access.
fn is_about_a_page(code: c_int) -> bool {
    #[cfg(linux_kernel)]
    return code != libc::BUS_ADRALN;
    #[cfg(not(linux_kernel))]
    {
        let _ = code;
        true
    }
}

/// Handles a signal that a process has sent, perhaps this one.
///
/// # Safety
///
/// - The arguments are those of a signal handler.
unsafe fn sent(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the caller's promise.
    let by_ourselves = unsafe { raised_by_this_process(info) };
    if by_ourselves && CHAIN_THREAD.load(Ordering::Acquire) == thread() {
        let next = CHAIN_NEXT.load(Ordering::Acquire);
        CHAIN_THREAD.store(0, Ordering::Release);
        // The handler that we have called for a fault that is not ours passes the signal on to the one before it.
        // SAFETY: the caller's promise; nodes are never freed.
        return unsafe { forward(next, false, signal, info, context) };
    }
    // A handler that was installed after ours, and so is called first (faulthandler), has had its turn and raises the signal again,
    // without an address. Returning lets it return too, and the access faults again, in our handler.
    // SAFETY: the caller's promise.
    if by_ourselves && unsafe { interrupted_a_handler_of_our_fault(context) } {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { forward(next(signal, info), false, signal, info, context) }
}

/// The handler for a signal that does not concern a mapping of ours.
fn next(signal: c_int, info: *const siginfo_t) -> *const Previous {
    // SAFETY: our callers pass the info of the handler.
    match unsafe { noted(info) } {
        Some(next) => next,
        None => previous(signal).load(Ordering::Acquire),
    }
}

fn previous(signal: c_int) -> &'static AtomicPtr<Previous> {
    let index = SIGNALS.iter().position(|&known| known == signal);
    &PREVIOUS[index.unwrap_or(0)]
}

/// Does what would have happened without the guard.
///
/// # Safety
///
/// - `previous` is null or one of the nodes; the rest are the arguments of a signal handler.
unsafe fn forward(
    previous: *const Previous,
    is_fault: bool,
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: nodes are never freed.
    let previous = unsafe { previous.as_ref() };
    let action = previous.map_or(libc::SIG_DFL, |previous| previous.action.sa_sigaction);
    match (action, previous) {
        // Real faults cannot be ignored: the kernel would have killed the process.
        (libc::SIG_IGN, _) if !is_fault => {}
        (libc::SIG_DFL | libc::SIG_IGN, _) | (_, None) => {
            reset(signal);
            // A fault recurs as soon as we return, and meets the default action. A signal that was sent does not.
            if !is_fault {
                // SAFETY: the signal is blocked until we return.
                unsafe { libc::raise(signal) };
            }
        }
        (action, Some(previous)) => {
            if previous.action.sa_flags & libc::SA_RESETHAND != 0 {
                // It was to be called once.
                let newest = self::previous(signal);
                let (this, default) = (ptr::from_ref(previous).cast_mut(), (&raw const DEFAULT).cast_mut());
                let _ = newest.compare_exchange(this, default, Ordering::AcqRel, Ordering::Relaxed);
            }
            // SAFETY: the caller's promise.
            unsafe { note(info, previous.older) };
            // A handler that leaves the signal unblocked may fault in turn, and be called again by this.
            let outer = (CHAIN_THREAD.load(Ordering::Acquire), CHAIN_NEXT.load(Ordering::Acquire));
            CHAIN_NEXT.store(previous.older.cast_mut(), Ordering::Release);
            CHAIN_THREAD.store(thread(), Ordering::Release);
            // SAFETY: the caller's promise.
            let all = unsafe { block_as_for(previous, signal, context) };
            if previous.action.sa_flags & libc::SA_SIGINFO != 0 {
                type Handler = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
                // SAFETY: the flag says that the action is such a function.
                let handler = unsafe { std::mem::transmute::<usize, Handler>(action) };
                // SAFETY: the arguments are those of a signal handler.
                unsafe { handler(signal, info, context) };
            } else {
                // SAFETY: without the flag the action is such a function.
                let handler = unsafe { std::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(action) };
                // SAFETY: the argument is that of a signal handler.
                unsafe { handler(signal) };
            }
            drop(all);
            // SAFETY: the caller's promise.
            unsafe { unnote(info) };
            // Unless the handler has raised the signal again, to be delivered when we return, it has had its turn.
            if !is_pending(signal) {
                let (outer_thread, outer_next) = if outer.0 == thread() { outer } else { (0, ptr::null_mut()) };
                CHAIN_NEXT.store(outer_next, Ordering::Release);
                CHAIN_THREAD.store(outer_thread, Ordering::Release);
            }
            // Rust's own handler, for stack overflows, resets the signal if it is about something else. For a fault that is what
            // ends the process. A signal that was sent is over, and the guard must be installed for the next fault.
            if !is_fault && current(signal).is_ok_and(|action| action.sa_sigaction == libc::SIG_DFL) {
                install_handler();
            }
        }
    }
}

/// Blocks the signals that would be blocked if the kernel had called `previous`, and no others: this one, unless it wants that
/// (`SA_NODEFER`), those of its mask, and those that were blocked before. Our own handler has all signals blocked, and again once the
/// result is dropped.
///
/// # Safety
///
/// - `context` is that of a signal handler.
unsafe fn block_as_for(previous: &Previous, signal: c_int, context: *const c_void) -> Blocked {
    #[cfg(linux_kernel)]
    {
        // SAFETY: the kernel passes a whole ucontext_t.
        let before = unsafe { &*context.cast::<libc::ucontext_t>() }.uc_sigmask;
        let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the call fills the set.
        unsafe { libc::sigemptyset(mask.as_mut_ptr()) };
        // SAFETY: the call has filled it.
        let mut mask = unsafe { mask.assume_init() };
        let defers = previous.action.sa_flags & libc::SA_NODEFER == 0;
        for other in 1..=64 {
            // SAFETY: a whole set.
            let was = unsafe { libc::sigismember(&before, other) } == 1;
            // SAFETY: a whole set.
            let wanted = unsafe { libc::sigismember(&previous.action.sa_mask, other) } == 1;
            if was || wanted || (other == signal && defers) {
                // SAFETY: a whole set.
                unsafe { libc::sigaddset(&mut mask, other) };
            }
        }
        Blocked::set(&mask)
    }
    #[cfg(not(linux_kernel))]
    {
        let _ = (previous, signal, context);
        block_signals()
    }
}

/// Restores the previous signal mask when it is dropped.
pub(crate) struct Blocked(libc::sigset_t);

impl Blocked {
    fn set(mask: &libc::sigset_t) -> Self {
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: one set is whole, the other is filled by the call.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, before.as_mut_ptr()) };
        // SAFETY: the call cannot fail with these arguments.
        Self(unsafe { before.assume_init() })
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: a whole set.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

/// Blocks all signals, so that no handler runs that could wait for what this thread has locked.
pub(crate) fn block_signals() -> Blocked {
    let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the call fills the set.
    unsafe { libc::sigfillset(mask.as_mut_ptr()) };
    // SAFETY: the call has filled it.
    Blocked::set(&unsafe { mask.assume_init() })
}

/// Whether the signal is pending until we return.
fn is_pending(signal: c_int) -> bool {
    let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the call fills the set.
    if unsafe { libc::sigpending(pending.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call has filled it.
    let pending = unsafe { pending.assume_init() };
    // SAFETY: a whole set.
    unsafe { libc::sigismember(&pending, signal) == 1 }
}

/// Resets the signal to its default action, which ends the process.
fn reset(signal: c_int) {
    // SAFETY: all zeros is a valid action, the default one.
    let action: sigaction = unsafe { zeroed() };
    const { assert!(libc::SIG_DFL == 0) };
    // SAFETY: the default action is always allowed.
    unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
}

/// # Safety
///
/// - `info` is that of a signal handler.
#[cfg(linux_kernel)]
unsafe fn raised_by_this_process(info: *const siginfo_t) -> bool {
    // SAFETY: the caller's promise.
    let info = unsafe { &*info };
    // SAFETY: signals with this code carry the sender.
    info.si_code == libc::SI_TKILL && unsafe { info.si_pid() } == process()
}

#[cfg(linux_kernel)]
fn process() -> libc::pid_t {
    // SAFETY: always works.
    unsafe { libc::getpid() }
}

/// # Safety
///
/// - `info` is that of a signal handler.
#[cfg(not(linux_kernel))]
unsafe fn raised_by_this_process(_info: *const siginfo_t) -> bool {
    false
}

/// # Safety
///
/// - `context` is that of a signal handler.
#[cfg(not(linux_kernel))]
unsafe fn interrupted_a_handler_of_our_fault(_context: *const c_void) -> bool {
    false
}

/// Runs `access`, which comes to its end whatever it meets: zeros take the place of missing pages.
#[inline(always)]
pub(crate) fn attempt<R>(_slot: &super::Slot, access: impl FnOnce() -> R) -> Option<R> {
    Some(access())
}

/// Lets somebody else run, who holds a lock for a few system calls.
pub(crate) fn pause() {
    // SAFETY: always works.
    unsafe { libc::sched_yield() };
}

/// The calling thread: `pthread_self()`.
pub(crate) fn thread() -> usize {
    // SAFETY: always works.
    (unsafe { libc::pthread_self() }) as usize
}

/// The kernel's number of the calling thread, where it has one that [`thread_lives`] knows.
pub(crate) fn thread_id() -> i32 {
    #[cfg(linux_kernel)]
    // SAFETY: always works.
    return unsafe { libc::gettid() };
    #[cfg(not(linux_kernel))]
    0
}

/// Whether a thread of this process has that number.
pub(crate) fn thread_lives(id: i32) -> bool {
    #[cfg(linux_kernel)]
    // SAFETY: signal zero is none: the call only looks whether it could be sent.
    return unsafe { libc::syscall(libc::SYS_tgkill, process(), id, 0) } == 0;
    #[cfg(not(linux_kernel))]
    {
        let _ = id;
        true
    }
}

fn errno_location() -> *mut c_int {
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    use libc::__errno as location;
    #[cfg(target_os = "linux")]
    use libc::__errno_location as location;
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    use libc::__error as location;
    // SAFETY: always works.
    unsafe { location() }
}

fn check(result: c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
