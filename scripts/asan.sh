#!/usr/bin/env bash
# Runs the Rust tests under AddressSanitizer, with the toolchain at hand. Arguments go to `cargo nextest run`.
# usage: scripts/asan.sh [ARGUMENT…]
set -euo pipefail
target=$(rustc --version --verbose | sed -n 's/^host: //p')
runtimes=("$(rustc --print sysroot)/lib/rustlib/$target"/lib/*_rt.asan.a)
if [[ $target != *-linux-gnu || ! -e ${runtimes[0]} ]]; then
    echo "AddressSanitizer needs Linux with the GNU C library, and a toolchain that brings the sanitizer's runtime (rustup's do): $(rustc --print sysroot)" >&2
    exit 1
fi

# Not optimised at all, some searches in the tests take more than ten minutes.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$TARGET/asan CARGO_PROFILE_DEV_OPT_LEVEL=1
export RUSTFLAGS="-Zsanitizer=address ${RUSTFLAGS:-}"
# The tests need SIGBUS for themselves: they look at who gets it, and at death by it.
export ASAN_OPTIONS="handle_sigbus=0:handle_segv=1:allow_user_segv_handler=1:detect_stack_use_after_return=1:${ASAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$PWD/scripts/asan-leaks.txt:${LSAN_OPTIONS:-}"
# What its runtime does not let be seen: mlock(2), which it takes for itself and does nothing; a limit on memory, of which it needs
# too much; how much stack a handler needs without its checks.
left_out='addresses_are_limited|lock_and_unlock|locked_maps_can_be_resized|little_memory_is_enough_for_a_large_map|the_handler_is_content_with_a_small_stack|a_foreign_fault_on_a_small_stack|a_signal_that_is_sent_on_a_small_stack|addresses_run_out|the_limit_of_areas_and_several_threads|resizing_beyond_the_addresses_keeps_what_others_append|locked_maps_that_grow_are_in_memory'
cargo nextest run -p firmmap --locked --target "$target" -E "not test(/(^|::)($left_out)\$/)" "$@"
echo "left out: $left_out"
