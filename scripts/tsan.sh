#!/usr/bin/env bash
# Runs the Rust tests under ThreadSanitizer, with the standard library instrumented as well: cargo builds it from the toolchain's source
# (rustup's component rust-src), or else from Debian's, with Debian's compiler of the same version (scripts/compilers.sh installs
# both). The sanitizer's runtime is that of the toolchain at hand in either case: Debian's brings none. Arguments go to `cargo nextest run`.
# usage: scripts/tsan.sh [ARGUMENT…]
set -euo pipefail
target=x86_64-unknown-linux-gnu
runtimes=("$(rustc --print sysroot)/lib/rustlib/$target"/lib/*_rt.tsan.a)
if [[ ! -e ${runtimes[0]} ]]; then
    echo "ThreadSanitizer needs a toolchain for $target that brings the sanitizer's runtime (rustup's do): $(rustc --print sysroot)" >&2
    exit 1
fi

[[ ! -e $(rustc --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock ]] || export CROSS_RUSTC=$(rustc --print sysroot)/bin/rustc

# As in scripts/asan.sh: without it the searches take too long.
export CARGO_PROFILE_DEV_OPT_LEVEL=1
# Before the C library, as the compiler would link its own.
runtime=-Zpre-link-args=-Wl,--whole-archive,${runtimes[0]},--no-whole-archive
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Zsanitizer=thread -Zexternal-clangrt -Cunsafe-allow-abi-mismatch=sanitizer $runtime"
export TSAN_OPTIONS="suppressions=$PWD/scripts/tsan-suppressions.txt:halt_on_error=1:handle_sigbus=0:${TSAN_OPTIONS:-}"
exec scripts/cross.sh "$target" nextest run -p firmmap --locked "$@"
