/* The one function of Windows' bcryptprimitives.dll that Rust's standard library calls, for versions of wine that
 * have no such DLL. It is put on wine's path by scripts/windows.sh, and only there. */

#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG count); /* RtlGenRandom */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) {
    while (count > 0) {
        ULONG some = count > 0x10000000 ? 0x10000000 : (ULONG)count;
        if (!SystemFunction036(bytes, some))
            return FALSE;
        bytes += some;
        count -= some;
    }
    return TRUE;
}
