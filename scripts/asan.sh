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
# Scenarios end without cleaning up, so that only the other tests are looked at for leaks.
export RUSTFLAGS="-Zsanitizer=address ${RUSTFLAGS:-}"
export ASAN_OPTIONS="handle_sigbus=0:handle_segv=1:allow_user_segv_handler=1:detect_stack_use_after_return=1:${ASAN_OPTIONS:-}"
exec cargo +nightly nextest run -p firmmap --target "$target" "$@"
