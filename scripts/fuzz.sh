#!/usr/bin/env bash
# Runs the fuzzers of fuzz/, one after the other, with AddressSanitizer and the toolchain at hand. What was found to lead somewhere new is kept in
# fuzz/corpus, what fails in fuzz/artifacts.
# usage: scripts/fuzz.sh SECONDS [FUZZER…]   (SECONDS for each; all fuzzers without a name)
set -euo pipefail
seconds=$1
shift
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz --root "$TARGET/tools"

export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$TARGET/fuzz
# SIGBUS is the library's.
export ASAN_OPTIONS="handle_sigbus=0:allow_user_segv_handler=1:${ASAN_OPTIONS:-}"
fuzzers=("$@")
((${#fuzzers[@]})) || mapfile -t fuzzers < <(cargo fuzz list)
for fuzzer in "${fuzzers[@]}"; do
    echo "== $fuzzer: $seconds seconds"
    cargo fuzz run "$fuzzer" -- -max_total_time="$seconds" -print_final_stats=1
done
