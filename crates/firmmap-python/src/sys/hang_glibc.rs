//! Threads that CPython ends while they run Python code that frames of ours have called: a generator, an opener, a finalizer.
//!
//! Up to 3.13, a daemon thread that wants the GIL when the interpreter is ending is ended by pthread_exit(3) (`PyThread_exit_thread`).
//! With glibc that is a forced unwind, which runs destructors of ours without the GIL and ends the process at a `catch_unwind`. CPython
//! 3.14 has such a thread hang with its frames untouched; so does this, for older ones.
//!
//! Before glibc unwinds a frame it compares it with the cleanup handler that the thread has pushed last (pthread_cleanup_push(3), in C a
//! macro around the functions that are named in [`Functions`]). If the frame is not below the stack pointer that `__sigsetjmp` has saved
//! in the handler, glibc jumps there (`unwind_stop` in nptl/unwind.c). The handler of a thread is made with a stack pointer near the end
//! of its stack, which is below every frame in use: so glibc jumps before it unwinds the first frame, its own. There the thread
//! waits for ever, on a part of the stack that nobody uses, where signal handlers have room.
//!
//! The handler is registered while the thread has calls into us. It is not in a frame of theirs: greenlets move the frames of their
//! thread to the heap and back, and can end calls in another order. What cancels such a thread (pthread_cancel(3)) has it hang as well.
//!
//! The thread that the process began with has no handler: it is the one that ends the interpreter, not one that is ended.

use std::arch::asm;
use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, c_void};
use std::mem::{MaybeUninit, transmute};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A `__pthread_unwind_buf_t`, and what `__sigsetjmp` can fill of a `jmp_buf`: neither has more than 29 words.
#[repr(C, align(16))]
struct Buffer([u64; 32]);

type OfBuffer = unsafe extern "C" fn(*mut Buffer);

/// Functions of glibc. They are looked up, because a program that is built with version 2.34 would not run with an older one.
struct Functions {
    register: OfBuffer,
    unregister: OfBuffer,
    sigsetjmp: *mut c_void,
}

// SAFETY: addresses of functions that any thread may call.
unsafe impl Send for Functions {}
// SAFETY: addresses of functions that any thread may call.
unsafe impl Sync for Functions {}

/// Empty where threads hang by themselves, or cannot be made to.
static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
/// The thread that the process began with, once it has called, or 0. Its calls look at nothing else.
static FIRST: AtomicUsize = AtomicUsize::new(0);

/// Prepares for a version of CPython.
pub(crate) fn prepare(version: (u32, u32)) {
    let _ = is_first();
    if version >= (3, 14) || has_shadow_stack() {
        return;
    }
    let names = [c"__pthread_register_cancel", c"__pthread_unregister_cancel", c"__sigsetjmp"];
    let functions = names.map(|name: &CStr| {
        // SAFETY: the name ends in a zero byte.
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
    });
    if functions.contains(&ptr::null_mut()) {
        return;
    }
    let [register, unregister, sigsetjmp] = functions;
    // SAFETY: the function has this type.
    let register = unsafe { transmute::<*mut c_void, OfBuffer>(register) };
    // SAFETY: the function has this type.
    let unregister = unsafe { transmute::<*mut c_void, OfBuffer>(unregister) };
    let _ = FUNCTIONS.set(Functions { register, unregister, sigsetjmp });
}

/// Has this thread hang if it is ended before [`release`] is called, as often as this, with what this returns.
#[inline(always)]
pub(crate) fn hold() -> bool {
    let is_other = thread_pointer() != FIRST.load(Ordering::Relaxed);
    if is_other {
        hold_other();
    }
    is_other
}

#[inline(always)]
pub(crate) fn release(is_held: bool) {
    if is_held {
        release_other();
    }
}

#[inline(never)]
fn hold_other() {
    if let Some(functions) = FUNCTIONS.get() {
        HANDLER.with(|handler| handler.hold(functions));
    }
}

#[inline(never)]
fn release_other() {
    if let Some(functions) = FUNCTIONS.get() {
        HANDLER.with(|handler| handler.release(functions));
    }
}

thread_local! {
    static HANDLER: Handler = const {
        Handler { state: Cell::new(State::New), calls: Cell::new(0), buffer: UnsafeCell::new(Buffer([0; 32])) }
    };
}

#[derive(Clone, Copy)]
enum State {
    New,
    Made,
    /// It cannot be made.
    Without,
}

/// The cleanup handler of a thread.
struct Handler {
    state: Cell<State>,
    /// How many calls hold it.
    calls: Cell<usize>,
    buffer: UnsafeCell<Buffer>,
}

impl Handler {
    #[inline]
    fn hold(&self, functions: &Functions) {
        match self.state.get() {
            State::Made => {}
            State::New if self.make(functions) => {}
            _ => return,
        }
        let calls = self.calls.get();
        self.calls.set(calls + 1);
        if calls == 0 {
            // SAFETY: the buffer was filled, and stays where it is until the thread ends, when it is no longer registered.
            unsafe { (functions.register)(self.buffer.get()) };
        }
    }

    #[inline]
    fn release(&self, functions: &Functions) {
        // It has none where there is no handler, and in the call that has made the functions known.
        let Some(calls) = self.calls.get().checked_sub(1) else { return };
        self.calls.set(calls);
        if calls == 0 {
            // SAFETY: `hold` has registered it. What was registered later is not any more: that was done by calls from ours.
            unsafe { (functions.unregister)(self.buffer.get()) };
        }
    }

    #[cold]
    fn make(&self, functions: &Functions) -> bool {
        self.state.set(State::Without);
        if is_first() {
            return false;
        }
        let Some(far_end) = far_end() else { return false };
        // SAFETY: the buffer is this thread's, and the memory below the far end is not in use.
        unsafe { fill(self.buffer.get(), far_end, functions.sigsetjmp) };
        self.state.set(State::Made);
        true
    }
}

/// Whether this is the thread that the process began with, which is noted.
fn is_first() -> bool {
    // SAFETY: always works.
    let thread = unsafe { libc::gettid() };
    // SAFETY: always works.
    let is_first = thread == unsafe { libc::getpid() };
    if is_first {
        FIRST.store(thread_pointer(), Ordering::Relaxed);
    }
    is_first
}

/// A place near the end of this thread's stack, with room below it; `None` if the stack in use reaches there, or is another one.
fn far_end() -> Option<usize> {
    const ROOM: usize = 64 << 10;
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: always works.
    let thread = unsafe { libc::pthread_self() };
    // SAFETY: a live thread, and memory for its attributes.
    if unsafe { libc::pthread_getattr_np(thread, attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut start, mut size, mut guard) = (ptr::null_mut(), 0, 0);
    // SAFETY: attributes that were filled.
    unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &mut start, &mut size) };
    // SAFETY: attributes that were filled.
    unsafe { libc::pthread_attr_getguardsize(attributes.as_ptr(), &mut guard) };
    // SAFETY: attributes that were filled, and are not used after this.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    // Older versions count the guard in.
    let far_end = (start.addr() + guard + ROOM.min(size / 4)) & !15;
    let here = attributes.as_ptr().addr();
    (far_end + 4096..start.addr() + size).contains(&here).then_some(far_end)
}

/// Fills the buffer, for a jump to which the stack pointer becomes `far_end`, and the thread waits for ever.
///
/// # Safety
///
/// - The memory below `far_end` is a stack that is not in use; `sigsetjmp` is the function `__sigsetjmp`.
#[cfg(target_arch = "x86_64")]
unsafe fn fill(buffer: *mut Buffer, far_end: usize, sigsetjmp: *mut c_void) {
    // SAFETY: the caller's promise. It returns once, with the stack pointer that it began with; the second time it does not leave the loop.
    unsafe {
        asm!(
            "mov r12, rsp",
            "mov rsp, {far_end}",
            "call {sigsetjmp}",
            "endbr64",
            "test eax, eax",
            "jne 2f",
            "mov rsp, r12",
            "jmp 3f",
            "2:",
            "mov eax, 34", // pause(2)
            "syscall",
            "jmp 2b",
            "3:",
            far_end = in(reg) far_end,
            sigsetjmp = in(reg) sigsetjmp,
            in("rdi") buffer,
            in("rsi") 0,
            out("r12") _,
            clobber_abi("C"),
        );
    }
}

/// Fills the buffer, for a jump to which the stack pointer becomes `far_end`, and the thread waits for ever.
///
/// # Safety
///
/// - The memory below `far_end` is a stack that is not in use; `sigsetjmp` is the function `__sigsetjmp`.
#[cfg(target_arch = "aarch64")]
unsafe fn fill(buffer: *mut Buffer, far_end: usize, sigsetjmp: *mut c_void) {
    // SAFETY: the caller's promise. It returns once, with the stack pointer that it began with; the second time it does not leave the loop.
    unsafe {
        asm!(
            "mov x20, sp",
            "mov sp, {far_end}",
            "blr {sigsetjmp}",
            "hint #36", // bti j
            "cbnz w0, 2f",
            "mov sp, x20",
            "b 3f",
            "2:",
            "mov x0, xzr",
            "mov x1, xzr",
            "mov x2, xzr",
            "mov x3, xzr",
            "mov x8, #73", // ppoll(2): of nothing, without an end
            "svc #0",
            "b 2b",
            "3:",
            far_end = in(reg) far_end,
            sigsetjmp = in(reg) sigsetjmp,
            in("x0") buffer,
            in("x1") 0,
            out("x20") _,
            clobber_abi("C"),
        );
    }
}

/// A number that no other thread has.
#[inline(always)]
fn thread_pointer() -> usize {
    let pointer: usize;
    // SAFETY: glibc keeps the address of the thread's control block there.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("mov {}, fs:[0]", out(reg) pointer, options(pure, readonly, nostack, preserves_flags));
    };
    // SAFETY: it only reads a register.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) pointer, options(pure, nomem, nostack, preserves_flags));
    };
    pointer
}

/// Whether the processor keeps return addresses of its own, which a jump from another depth of the stack does not agree with.
fn has_shadow_stack() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let mut pointer = 0_usize;
        // SAFETY: it only reads a register, and without such a stack does nothing.
        unsafe { asm!("rdsspq {}", inout(reg) pointer, options(nomem, nostack, preserves_flags)) };
        pointer != 0
    }
    #[cfg(target_arch = "aarch64")]
    {
        let mut feature = 1_u64;
        // SAFETY: `chkfeat x16`: it clears the bits of features that are on, and where it is not known does nothing.
        unsafe { asm!("hint #40", inout("x16") feature, options(nomem, nostack, preserves_flags)) };
        feature == 0
    }
}
