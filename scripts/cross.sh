#!/usr/bin/env bash
# Runs a cargo command for another target, with the standard library that cargo builds for it from Debian's sources.
# usage: scripts/cross.sh TARGET CARGO-ARGUMENT…
set -euo pipefail
target=$1
shift

RUSTC=${CROSS_RUSTC:-/usr/bin/rustc}
if [[ ! -x $RUSTC || ! -e $("$RUSTC" --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock ]]; then
    echo "no source of the standard library beside $RUSTC: scripts/compilers.sh installs it" >&2
    exit 1
fi
export RUSTC RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$TARGET/cross
# Backtraces need the lines; the rest would be most of what the linker writes. What is only checked has no
# backtraces, nor has WebAssembly.
features=panic-unwind,backtrace debug=line-tables-only
[[ $1 != check && $target != wasm32-* ]] || features=panic-unwind debug=false
export CARGO_PROFILE_DEV_DEBUG=${CARGO_PROFILE_DEV_DEBUG:-$debug}

case $target in
aarch64-unknown-linux-gnu)
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export FIRMMAP_TEST_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$FIRMMAP_TEST_RUNNER
    # Emulated code is slow: 32 instead of 360 seconds for the tests.
    export CARGO_PROFILE_DEV_OPT_LEVEL=1
    ;;
wasm32-unknown-unknown)
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld
    ;;
x86_64-unknown-linux-musl)
    if [[ $1 == check ]]; then
        # As for a wheel: the C library is that of the system, so that there can be a shared library.
        export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS=-Ctarget-feature=-crt-static
    else
        # Programs that run here, with all in them. The unwinder is GCC's, and what it misses.
        unwind=$CARGO_TARGET_DIR/musl-unwind
        mkdir -p "$unwind"
        musl-gcc -O1 -fPIC -c scripts/musl-unwind.c -o "$unwind/musl-unwind.o"
        cp "$(gcc -print-file-name=libgcc_eh.a)" "$unwind/libunwind.a"
        ar r "$unwind/libunwind.a" "$unwind/musl-unwind.o"
        flags="-Clink-self-contained=no -Ctarget-feature=+crt-static -Crelocation-model=static -L$unwind"
        export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS=$flags
        export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=musl-gcc
    fi
    ;;
i686-unknown-linux-gnu)
    # The kernel runs it as it is.
    export CARGO_TARGET_I686_UNKNOWN_LINUX_GNU_LINKER=i686-linux-gnu-gcc
    ;;
esac
exec cargo "$@" --target "$target" -Zbuild-std=std,panic_unwind,panic_abort,test -Zbuild-std-features="$features"
