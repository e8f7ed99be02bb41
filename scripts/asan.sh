#!/bin/sh
# Runs the Rust tests under AddressSanitizer, which needs the nightly toolchain. Arguments go to `cargo nextest run`.
set -eu
cd "$(dirname "$0")/.."

if ! rustup run nightly rustc --version >/dev/null 2>&1; then
    echo "skipped: AddressSanitizer needs the nightly toolchain (rustup toolchain install nightly)"
    exit 0
fi
target=$(rustup run nightly rustc --version --verbose | sed -n 's/^host: //p')
case $target in
*-linux-gnu) ;;
*) echo "skipped: not tried on $target"; exit 0 ;;
esac

# The tests need SIGBUS for themselves: they look at who gets it, and at death by it.
export RUSTFLAGS="-Zsanitizer=address ${RUSTFLAGS:-}"
export ASAN_OPTIONS="handle_sigbus=0:handle_segv=1:allow_user_segv_handler=1:detect_stack_use_after_return=1:${ASAN_OPTIONS:-}"
# What its runtime does not let be seen: mlock(2), which it takes for itself and does nothing; a limit on memory, of which it needs
# too much; how much stack a handler needs without its checks.
left_out='lock_and_unlock|locked_maps_can_be_resized|little_memory_is_enough_for_a_large_map|the_handler_is_content_with_a_small_stack'
echo "left out: $left_out"
exec cargo +nightly nextest run -p firmmap --target "$target" -E "not test(/(^|::)($left_out)\$/)" "$@"
