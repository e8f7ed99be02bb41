#!/usr/bin/env bash
# Runs the Rust tests under ThreadSanitizer, all code instrumented: with the standard library that cargo builds from Debian's source, by
# the compiler of the same version (scripts/compilers.sh installs both), and the sanitizer's runtime of the toolchain at hand, as
# Debian's brings none. Arguments go to `cargo nextest run`.
# usage: scripts/tsan.sh [ARGUMENT…]
set -euo pipefail
target=x86_64-unknown-linux-gnu
runtimes=("$(rustc --print sysroot)/lib/rustlib/$target"/lib/*_rt.tsan.a)
if [[ ! -e ${runtimes[0]} ]]; then
    echo "ThreadSanitizer needs a toolchain for $target that brings the sanitizer's runtime (rustup's do): $(rustc --print sysroot)" >&2
    exit 1
fi

flags="-Zsanitizer=thread -Zexternal-clangrt -Clink-arg=-Wl,--whole-archive,${runtimes[0]},--no-whole-archive -Clink-arg=-lm"
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="$flags -Cunsafe-allow-abi-mismatch=sanitizer"
export TSAN_OPTIONS="suppressions=$PWD/scripts/tsan-suppressions.txt:halt_on_error=1:handle_sigbus=0:${TSAN_OPTIONS:-}"
exec scripts/cross.sh "$target" nextest run -p firmmap --locked "$@"
