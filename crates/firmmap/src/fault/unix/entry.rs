//! Where the kernel enters the signal handler: makes sure that there is enough stack. Below an alternate stack there can be other memory,
//! which must not be overwritten. The end of a thread's own stack is guarded by the system.
//!
//! Where there is enough, it goes on to [`handler`](super::handler). Otherwise the signal gets its default action, and is sent once
//! more if it is no fault; a fault recurs as soon as this returns.

pub(super) use system::entry;

#[cfg(all(linux_kernel, any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
mod system {
    //! Uses no stack, of which the kernel may have left none: it asks only that what it saves fits. A function with a frame would
    //! find out when it has written below the stack.

    use std::arch::global_asm;
    use std::mem::offset_of;

    use libc::{c_int, c_void, siginfo_t, ucontext_t};

    use super::super::{STACK, handler};

    // SAFETY: what is linked by this name is the assembly below.
    unsafe extern "C" {
        #[link_name = symbol!("entry")]
        pub(in super::super) fn entry(signal: c_int, info: *mut siginfo_t, context: *mut c_void);
    }

    /// Where 48 bytes of a `siginfo_t` are that no signal uses: for the kernel's `struct sigaction`, all zeros for the default action, and from
    /// the 32nd on for registers that have to be kept.
    const UNUSED: usize = size_of::<siginfo_t>() - 48;

    /// Defines [`entry`] (Rust has naked functions from 1.88 on).
    macro_rules! entry {
        ($($line:literal,)+) => {
            global_asm!(
                ".text",
                concat!(".globl ", symbol!("entry")),
                concat!(".hidden ", symbol!("entry")),
                concat!(".type ", symbol!("entry"), ", %function"),
                ".p2align 4",
                concat!(symbol!("entry"), ":"),
                $($line,)+
                concat!(".size ", symbol!("entry"), ", . - ", symbol!("entry")),
                base = const offset_of!(ucontext_t, uc_stack.ss_sp),
                size = const offset_of!(ucontext_t, uc_stack.ss_size),
                code = const offset_of!(siginfo_t, si_code),
                unused = const UNUSED,
                needed = const STACK,
                handler = sym handler,
                sigaction = const libc::SYS_rt_sigaction,
                getpid = const libc::SYS_getpid,
                gettid = const libc::SYS_gettid,
                tgkill = const libc::SYS_tgkill,
            );
        };
    }

    #[cfg(target_arch = "x86_64")]
    entry! {
        "mov rax, rsp",
        "sub rax, qword ptr [rdx + {base}]",
        "cmp rax, qword ptr [rdx + {size}]",
        "jae 2f", // not on the alternate stack
        "cmp rax, {needed}",
        "jb 3f",
        "2: jmp {handler}",
        "3: mov r8d, dword ptr [rsi + {code}]",
        "add rsi, {unused}",
        "xor eax, eax",
        "mov qword ptr [rsi], rax",
        "mov qword ptr [rsi + 8], rax",
        "mov qword ptr [rsi + 16], rax",
        "mov qword ptr [rsi + 24], rax",
        "xor edx, edx",
        "mov r10d, 8",
        "mov eax, {sigaction}",
        "syscall",
        "test r8d, r8d",
        "jg 4f", // a fault
        "mov edx, edi",
        "mov eax, {getpid}",
        "syscall",
        "mov edi, eax",
        "mov eax, {gettid}",
        "syscall",
        "mov esi, eax",
        "mov eax, {tgkill}",
        "syscall",
        "4: ret",
    }

    #[cfg(target_arch = "x86")]
    entry! {
        "mov edx, dword ptr [esp + 12]",
        "mov eax, esp",
        "sub eax, dword ptr [edx + {base}]",
        "cmp eax, dword ptr [edx + {size}]",
        "jae 2f", // not on the alternate stack
        "cmp eax, {needed}",
        "jb 3f",
        "2: jmp {handler}",
        "3: mov edx, dword ptr [esp + 8]",
        "mov dword ptr [edx + {unused} + 32], ebx",
        "mov dword ptr [edx + {unused} + 36], esi",
        "mov dword ptr [edx + {unused} + 40], edi",
        "mov edi, edx",
        "xor eax, eax",
        "mov dword ptr [edi + {unused}], eax",
        "mov dword ptr [edi + {unused} + 4], eax",
        "mov dword ptr [edi + {unused} + 8], eax",
        "mov dword ptr [edi + {unused} + 12], eax",
        "mov dword ptr [edi + {unused} + 16], eax",
        "mov ebx, dword ptr [esp + 4]",
        "lea ecx, [edi + {unused}]",
        "xor edx, edx",
        "mov esi, 8",
        "mov eax, {sigaction}",
        "int 0x80",
        "cmp dword ptr [edi + {code}], 0",
        "jg 4f", // a fault
        "mov eax, {getpid}",
        "int 0x80",
        "mov ebx, eax",
        "mov eax, {gettid}",
        "int 0x80",
        "mov ecx, eax",
        "mov edx, dword ptr [esp + 4]",
        "mov eax, {tgkill}",
        "int 0x80",
        "4: mov ebx, dword ptr [edi + {unused} + 32]",
        "mov esi, dword ptr [edi + {unused} + 36]",
        "mov edi, dword ptr [edi + {unused} + 40]",
        "ret",
    }

    #[cfg(target_arch = "aarch64")]
    entry! {
        "ldr x9, [x2, {base}]",
        "ldr x10, [x2, {size}]",
        "mov x11, sp",
        "sub x11, x11, x9",
        "cmp x11, x10",
        "b.hs 2f", // not on the alternate stack
        "cmp x11, {needed}",
        "b.lo 3f",
        "2: b {handler}",
        "3: mov w12, w0",
        "ldr w13, [x1, {code}]",
        "add x1, x1, {unused}",
        "stp xzr, xzr, [x1]",
        "stp xzr, xzr, [x1, 16]",
        "mov x2, 0",
        "mov x3, 8",
        "mov x8, {sigaction}",
        "svc 0",
        "cmp w13, 0",
        "b.gt 4f", // a fault
        "mov x8, {getpid}",
        "svc 0",
        "mov x13, x0",
        "mov x8, {gettid}",
        "svc 0",
        "mov x1, x0",
        "mov x0, x13",
        "mov w2, w12",
        "mov x8, {tgkill}",
        "svc 0",
        "4: ret",
    }
}

#[cfg(not(all(linux_kernel, any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64"))))]
mod system {
    //! Has a frame, which may itself end below a stack that is too small.

    use std::mem::zeroed;
    use std::ptr;

    use libc::{c_int, c_void, siginfo_t};

    use super::super::{STACK, handler, reset};

    /// # Safety
    ///
    /// - The arguments are those of a signal handler.
    pub(in super::super) unsafe extern "C" fn entry(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        if stack_left() >= STACK {
            // SAFETY: the caller's promise.
            return unsafe { handler(signal, info, context) };
        }
        reset(signal);
        // SAFETY: the kernel passes a whole siginfo_t.
        if unsafe { (*info).si_code } <= 0 {
            // SAFETY: the signal is blocked until we return.
            unsafe { libc::raise(signal) };
        }
    }

    /// The bytes that are left of the alternate signal stack, if this thread is on one.
    fn stack_left() -> usize {
        let here = 0u8;
        let here = std::hint::black_box(&raw const here).addr();
        // SAFETY: all zeros is a valid description.
        let mut stack: libc::stack_t = unsafe { zeroed() };
        // SAFETY: only asks.
        unsafe { libc::sigaltstack(ptr::null(), &mut stack) };
        let left = here.wrapping_sub(stack.ss_sp as usize);
        if left < stack.ss_size { left } else { usize::MAX }
    }
}
