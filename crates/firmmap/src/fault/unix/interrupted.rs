//! Whether a signal has interrupted the handler of a fault that is still to be handled.

use libc::c_void;

use super::saved;
use crate::fault::table;

/// Whether the thread was in a signal handler, and its last fault is one of ours that was not handled.
///
/// Only signal handlers run on the alternate stack. On a thread without one, as Python starts them, the context that the kernel has
/// saved lies on the stack, above the handler's own frames. Where the handler has raised the signal while it was blocked, it comes when the
/// handler has returned, and then nothing tells it from one that another thread has sent: the last fault stays where it was.
///
/// # Safety
///
/// - `context` is that of a signal handler.
pub(super) unsafe fn interrupted_a_handler_of_our_fault(context: *const c_void) -> bool {
    // SAFETY: the kernel passes a whole ucontext_t.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let Some((stack_pointer, address, written)) = registers(context) else { return false };
    // Since Linux 4.7 `uc_stack` no longer says `SS_ONSTACK`, so addresses are compared.
    let stack = &context.uc_stack;
    let on_stack = stack_pointer.wrapping_sub(stack.ss_sp.addr()) < stack.ss_size;
    // The alternate stack can lie above the thread's, with what is left of a fault that was handled.
    let is_above = || saved::is_above(stack_pointer, stack.ss_sp.addr(), address);
    table::is_guarded(address) && !can_be_used(address, written) && (on_stack || is_above())
}

/// The stack pointer of the interrupted code; the address of its thread's last faulting access, which is still there when the signal
/// is raised again; and whether that was a write. `None` on other processors.
fn registers(context: &libc::ucontext_t) -> Option<(usize, usize, bool)> {
    #[cfg(target_arch = "x86_64")]
    {
        const WRITE: i64 = 2;
        let [pointer, address, error] =
            [libc::REG_RSP, libc::REG_CR2, libc::REG_ERR].map(|register| context.uc_mcontext.gregs[register as usize]);
        Some((pointer as usize, address as usize, error & WRITE != 0))
    }
    #[cfg(target_arch = "x86")]
    {
        const WRITE: i32 = 2;
        let registers = &context.uc_mcontext;
        let [pointer, error] = [libc::REG_ESP, libc::REG_ERR].map(|register| registers.gregs[register as usize]);
        Some((pointer as usize, registers.cr2 as usize, error & WRITE != 0))
    }
    #[cfg(target_arch = "aarch64")]
    return Some((context.uc_mcontext.sp as usize, context.uc_mcontext.fault_address as usize, false));
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    {
        let _ = context;
        None
    }
}

/// Whether the page at `address` is there, without touching it. Before Linux 5.14 nobody can tell: then it is not.
fn can_be_used(address: usize, to_write: bool) -> bool {
    let start = address & !(crate::sys::page_size() - 1);
    let advice = if to_write { libc::MADV_POPULATE_WRITE } else { libc::MADV_POPULATE_READ };
    // SAFETY: reading a page in changes no byte.
    unsafe { libc::madvise(start as *mut c_void, crate::sys::page_size(), advice) == 0 }
}
