//! Windows: the handler of access violations and in-page errors (a vectored exception handler).
//!
//! A page of a view cannot be replaced as on Unix. So an operation of the library that meets a page which it cannot use is abandoned
//! ([`attempt`]). Memory that is used directly gets its access back if the page has only lost its protection; otherwise the exception
//! goes on as it would without the guard. `docs/platforms.md` gives the reasons.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use windows_sys::Win32::Foundation::{
    CloseHandle, EXCEPTION_ACCESS_VIOLATION, EXCEPTION_IN_PAGE_ERROR, GetLastError, SetLastError, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, CONTEXT, EXCEPTION_POINTERS, RemoveVectoredExceptionHandler,
};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RESERVE, MEMORY_BASIC_INFORMATION, PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_NOACCESS, PAGE_READONLY,
    PAGE_READWRITE, VirtualAlloc, VirtualProtect, VirtualQuery,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcessId, GetCurrentThreadId, GetProcessIdOfThread, OpenThread, THREAD_QUERY_LIMITED_INFORMATION,
    THREAD_SYNCHRONIZE, WaitForSingleObject,
};

pub(crate) use super::no_signals::*;
use super::{Slot, table};
use crate::access::{Access, Protection};
use crate::sys::{self, MappingInfo, page_size};

/// The results of a handler.
const CONTINUE_EXECUTION: i32 = -1;
const CONTINUE_SEARCH: i32 = 0;

/// Our handler's registration, or null.
static HANDLER: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Makes our handler the first one. Returns whether there is one.
pub(crate) fn install_handler() -> bool {
    // SAFETY: the handler does only what is allowed in one, and exists as long as the program.
    let new = unsafe { AddVectoredExceptionHandler(1, Some(handler)) };
    if new.is_null() {
        return !HANDLER.load(Ordering::Acquire).is_null();
    }
    // The old one is removed only now, so that there is always one.
    let old = HANDLER.swap(new, Ordering::AcqRel);
    if !old.is_null() {
        // SAFETY: it was registered, and only this thread has got it from `swap`.
        unsafe { RemoveVectoredExceptionHandler(old) };
    }
    true
}

/// Installs the handler if there is none, and returns whether there is one. The system cannot be asked which one is the first.
pub(crate) fn keep_handler() -> bool {
    !HANDLER.load(Ordering::Acquire).is_null() || install_handler()
}

/// The exception handler. Runs on the thread of the exception, before all handlers of `__try` and the like.
unsafe extern "system" fn handler(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes whole structures.
    let exception = unsafe { &*exception };
    // SAFETY: as above.
    let record = unsafe { &*exception.ExceptionRecord };
    let by_page = matches!(record.ExceptionCode, EXCEPTION_ACCESS_VIOLATION | EXCEPTION_IN_PAGE_ERROR);
    let [kind, address, ..] = record.ExceptionInformation;
    if !by_page || record.NumberParameters < 2 || kind > 1 || !table::is_guarded(address) {
        return CONTINUE_SEARCH;
    }
    // SAFETY: the thread's own, which the interrupted code may be about to ask for.
    let error = unsafe { GetLastError() };
    // SAFETY: as above; nobody else looks at the context while we run.
    let context = unsafe { &mut *exception.ContextRecord };
    let fault = Fault { address, to_write: kind == 1, denied: record.ExceptionCode == EXCEPTION_ACCESS_VIOLATION };
    let helped = handle(&fault, context);
    // SAFETY: as above.
    unsafe { SetLastError(error) };
    if helped { CONTINUE_EXECUTION } else { CONTINUE_SEARCH }
}

/// An exception, as the system describes it.
struct Fault {
    address: usize,
    to_write: bool,
    /// The page's protection does not allow the access. Otherwise the system could not provide the page.
    denied: bool,
}

fn handle(fault: &Fault, context: &mut CONTEXT) -> bool {
    let &Fault { address, to_write, denied } = fault;
    let operation = operation::find(context);
    if let Some(operation) = &operation {
        match operation.slot() {
            // The access is a probe of `can_be_used`.
            None => return operation.end(context),
            Some(slot) if slot.contains(address) => {
                return table::record_fault(address, thread(), |_| true) && operation.end(context);
            }
            // The operation reads or fills a buffer in another map.
            Some(_) => {}
        }
    }
    if denied && table::record_fault(address, thread(), |mapping| give_access(mapping, address, to_write)) {
        super::notify();
        return true;
    }
    // Another thread has handled the same page before; or a disk has recovered.
    if can_be_used(address, to_write) {
        return true;
    }
    operation.is_some_and(|operation| table::record_fault(address, thread(), |_| true) && operation.end(context))
}

/// Restores the access of a page that has lost its protection.
fn give_access(mapping: &MappingInfo, address: usize, to_write: bool) -> bool {
    let protection = Protection::from_bits_retain(mapping.protection as u32);
    let needed = if to_write { Protection::WRITE } else { Protection::READ | Protection::WRITE };
    let mut info = MEMORY_BASIC_INFORMATION::default();
    // SAFETY: the call fills the structure.
    let found = unsafe { VirtualQuery(address as *const c_void, &mut info, size_of_val(&info)) };
    let lost = match info.Protect {
        PAGE_NOACCESS | PAGE_EXECUTE => true,
        PAGE_READONLY | PAGE_EXECUTE_READ => to_write,
        _ => false,
    };
    if found == 0 || info.State != MEM_COMMIT || !lost || !protection.intersects(needed) {
        return false;
    }
    let page = address & !(page_size() - 1);
    let new = sys::page_protection(protection, if mapping.flags == sys::COPY { Access::Copy } else { Access::Write });
    let mut old = 0;
    // SAFETY: the page is in our view, whose slot is locked: it is still ours; it gets what the view was made with.
    unsafe { VirtualProtect(page as *const c_void, page_size(), new, &mut old) != 0 }
}

/// Whether a byte can be read, or written to, which does not change it.
fn can_be_used(address: usize, to_write: bool) -> bool {
    // SAFETY: where there is no such byte the attempt fails.
    let byte = unsafe { AtomicU8::from_ptr(address as *mut u8) };
    let order = Ordering::Relaxed;
    operation::probe(|| {
        let value = byte.load(order);
        if to_write {
            // Not `fetch_or(0)`: that would be compiled to a load.
            let _ = byte.compare_exchange(value, value, order, order);
        }
    })
}

/// Runs `access`, an access to the memory of the map that `slot` stands for. `None` if it met a page that it could not use: it was
/// abandoned then, and the slot has counted a fault.
#[inline]
pub(crate) fn attempt<R>(slot: &Slot, access: impl FnOnce() -> R) -> Option<R> {
    operation::attempt(Some(slot), access)
}

#[cfg(target_arch = "x86_64")]
mod operation {
    //! Operations that can be abandoned, as with `__try` and `__except` in C: the frames above are unwound by the compiler's tables, up
    //! to that of [`enter`], which then returns another value.

    use std::arch::global_asm;
    use std::ffi::c_void;
    use std::mem::{ManuallyDrop, MaybeUninit, needs_drop};
    use std::ptr;

    use windows_sys::Win32::System::Diagnostics::Debug::{
        CONTEXT, RtlLookupFunctionEntry, RtlVirtualUnwind, UNW_FLAG_NHANDLER,
    };
    use windows_sys::Win32::System::Threading::GetCurrentThreadStackLimits;

    use super::super::Slot;

    /// The largest number of frames of an operation: a search in an unoptimised build has about twenty.
    const FRAMES: usize = 64;
    /// The processor's direction flag, which makes string instructions go backward.
    const DIRECTION: u32 = 1 << 10;

    #[repr(C)]
    struct Operation<F, R> {
        /// The handler reads it from here.
        slot: *const Slot,
        access: ManuallyDrop<F>,
        result: MaybeUninit<R>,
    }

    pub(super) fn attempt<R, F: FnOnce() -> R>(slot: Option<&Slot>, access: F) -> Option<R> {
        // Nothing is dropped when the operation is abandoned.
        const { assert!(!needs_drop::<F>() && !needs_drop::<R>()) };
        let mut operation = Operation {
            slot: slot.map_or(ptr::null(), ptr::from_ref),
            access: ManuallyDrop::new(access),
            result: MaybeUninit::uninit(),
        };
        // SAFETY: `run` gets the argument that it needs. If abandoned, it owns nothing.
        let failed = unsafe { enter(run::<F, R>, (&raw mut operation).cast()) };
        // SAFETY: `run` has completed, and so has written the result.
        (failed == 0).then(|| unsafe { operation.result.assume_init() })
    }

    /// Whether `access` completes.
    pub(super) fn probe(access: impl Fn()) -> bool {
        attempt(None, access).is_some()
    }

    /// # Safety
    ///
    /// - `operation` is an `Operation<F, R>`, and this is the only call with it.
    unsafe extern "C" fn run<F: FnOnce() -> R, R>(operation: *mut c_void) {
        // SAFETY: the caller's promise.
        let operation = unsafe { &mut *operation.cast::<Operation<F, R>>() };
        // SAFETY: it is not used again, and need not be dropped.
        let access = unsafe { ManuallyDrop::take(&mut operation.access) };
        operation.result.write(access());
    }

    // SAFETY: what is linked by these names is the assembly below.
    unsafe extern "C" {
        /// Calls `run(operation)` and returns 0. `operation` is in `rbx` while it runs, where the handler finds it.
        #[link_name = symbol!("enter")]
        fn enter(run: unsafe extern "C" fn(*mut c_void), operation: *mut c_void) -> usize;

        /// Returns 1 from [`enter`], in whose frame it runs after the call was abandoned.
        #[link_name = symbol!("fail")]
        fn fail();
    }

    // Functions with a frame that the compiler does not change (Rust has naked functions from 1.88 on).
    global_asm!(
        ".text",
        concat!(".globl ", symbol!("enter")),
        ".p2align 4",
        concat!(".seh_proc ", symbol!("enter")),
        concat!(symbol!("enter"), ":"),
        "push rbx",
        ".seh_pushreg rbx",
        "sub rsp, 32",
        ".seh_stackalloc 32",
        ".seh_endprologue",
        "mov rbx, rdx",
        "mov rax, rcx",
        "mov rcx, rdx",
        "call rax",
        "xor eax, eax",
        "add rsp, 32",
        "pop rbx",
        "ret",
        ".seh_endproc",
        concat!(".globl ", symbol!("fail")),
        ".p2align 4",
        concat!(".seh_proc ", symbol!("fail")),
        concat!(symbol!("fail"), ":"),
        ".seh_pushreg rbx",
        ".seh_stackalloc 32",
        ".seh_endprologue",
        "mov eax, 1",
        "add rsp, 32",
        "pop rbx",
        "ret",
        ".seh_endproc",
    );

    /// An operation that was interrupted by an exception.
    pub(super) struct Interrupted {
        /// The registers as they were when [`enter`] had called `run`.
        context: CONTEXT,
    }

    /// Finds the operation of the library that the interrupted code belongs to, walking the frames as the system does when it searches
    /// for handlers.
    pub(super) fn find(context: &CONTEXT) -> Option<Interrupted> {
        let (mut low, mut high) = (0, 0);
        // SAFETY: the call fills both numbers.
        unsafe { GetCurrentThreadStackLimits(&mut low, &mut high) };
        let mut context = *context;
        for _ in 0..FRAMES {
            let stack = context.Rsp as usize;
            if stack < low || stack > high - size_of::<u64>() || stack % size_of::<u64>() != 0 {
                return None;
            }
            let mut image = 0;
            // SAFETY: the call only looks for the address in tables.
            let function = unsafe { RtlLookupFunctionEntry(context.Rip, &mut image, ptr::null_mut()) };
            // SAFETY: what was found is the table's entry, which does not change.
            let Some(entry) = (unsafe { function.as_ref() }) else {
                // A leaf function without a frame has no entry: there is only the return address.
                // SAFETY: the address is in this thread's stack.
                context.Rip = unsafe { *(stack as *const u64) };
                context.Rsp += size_of::<u64>() as u64;
                continue;
            };
            if image + u64::from(entry.BeginAddress) == enter as *const () as u64 {
                return Some(Interrupted { context });
            }
            let (mut data, mut frame) = (ptr::null_mut(), 0);
            // SAFETY: the entry is that of the function which the registers are in.
            unsafe {
                RtlVirtualUnwind(
                    UNW_FLAG_NHANDLER,
                    image,
                    context.Rip,
                    function,
                    &mut context,
                    &mut data,
                    &mut frame,
                    ptr::null_mut(),
                )
            };
        }
        None
    }

    impl Interrupted {
        /// The slot of the map that it uses, unless it is a probe.
        pub(super) fn slot(&self) -> Option<&'static Slot> {
            let slot = self.context.Rbx as *const *const Slot;
            // SAFETY: `enter` has it in this register, and the frame in which it lies waits.
            let slot = unsafe { *slot };
            // SAFETY: slots are never freed.
            unsafe { slot.as_ref() }
        }

        /// Continues the thread as if the operation had returned a failure.
        pub(super) fn end(&self, context: &mut CONTEXT) -> bool {
            *context = self.context;
            context.Rip = fail as *const () as u64;
            // Code that was copying backward has set the flag.
            context.EFlags &= !DIRECTION;
            true
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod operation {
    //! On other processors operations cannot be abandoned: a page that has lost its protection gets it back, and the operation
    //! completes, as for memory that is used directly.

    use windows_sys::Win32::System::Diagnostics::Debug::CONTEXT;

    use super::super::Slot;

    pub(super) fn attempt<R>(_slot: Option<&Slot>, access: impl FnOnce() -> R) -> Option<R> {
        Some(access())
    }

    /// Not known: an access that fails could not be abandoned.
    pub(super) fn probe(_access: impl Fn()) -> bool {
        false
    }

    pub(super) enum Interrupted {}

    pub(super) fn find(_context: &CONTEXT) -> Option<Interrupted> {
        None
    }

    impl Interrupted {
        pub(super) fn slot(&self) -> Option<&'static Slot> {
            match *self {}
        }

        pub(super) fn end(&self, _context: &mut CONTEXT) -> bool {
            match *self {}
        }
    }
}

/// New memory that is never freed, for a handler: not from the heap.
pub(crate) fn memory_for_ever(len: usize) -> Option<*mut u8> {
    // SAFETY: new memory replaces nothing.
    let memory = unsafe { VirtualAlloc(ptr::null(), len, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE) };
    (!memory.is_null()).then(|| memory.cast())
}

/// The calling thread: `GetCurrentThreadId`.
pub(crate) fn thread() -> usize {
    // SAFETY: always works.
    (unsafe { GetCurrentThreadId() }) as usize
}

/// The same number: a thread has only one here.
pub(crate) fn thread_id() -> i32 {
    thread() as i32
}

/// Whether a thread of this process has that id.
pub(crate) fn thread_lives(id: i32) -> bool {
    let rights = THREAD_QUERY_LIMITED_INFORMATION | THREAD_SYNCHRONIZE;
    // SAFETY: the call looks the number up.
    let thread = unsafe { OpenThread(rights, 0, id as u32) };
    if thread.is_null() {
        return false;
    }
    // SAFETY: the handle is open.
    let process = unsafe { GetProcessIdOfThread(thread) };
    // SAFETY: always works.
    let ours = process == unsafe { GetCurrentProcessId() };
    // SAFETY: the handle is open; without waiting, this asks whether the thread has ended.
    let lives = ours && unsafe { WaitForSingleObject(thread, 0) } == WAIT_TIMEOUT;
    // SAFETY: the handle is ours.
    unsafe { CloseHandle(thread) };
    lives
}
