#!/usr/bin/env bash
# Type-checks the crate with its tests, and the binding, for the targets that nothing here can run, and fails on warnings; then
# the binding for a free-threaded interpreter; then runs the program for WebAssembly. Prints a line for each.
set -euo pipefail

readonly unix_targets=(
    aarch64-apple-darwin
    x86_64-apple-darwin
    x86_64-unknown-freebsd
    x86_64-unknown-netbsd
    x86_64-unknown-openbsd
    x86_64-unknown-linux-musl
    i686-unknown-linux-gnu
)
# Warnings in the packages of this workspace are errors; cargo's own lint switch, as RUSTFLAGS would change the standard library too.
export CARGO_BUILD_WARNINGS=deny
# The stable ABI needs no interpreter to be compiled against.
export PYO3_NO_PYTHON=1

check() { # TARGET WHAT CARGO-ARGUMENT…
    local target=$1 what=$2
    shift 2
    scripts/cross.sh "$target" check --quiet --locked -Zwarnings "$@"
    echo "checked: $target: $what"
}

for target in "${unix_targets[@]}"; do
    check "$target" "the crate and its tests" --package firmmap --all-features --all-targets
    check "$target" "memmap2's API" --package firmmap-memmap2 --all-features --all-targets
    check "$target" "the binding" --package firmmap-python
done
check wasm32-unknown-unknown "the crate" --package firmmap --all-features
check wasm32-wasip1 "the crate" --package firmmap --all-features
check wasm32-unknown-unknown "memmap2's API" --package firmmap-memmap2 --all-features

# One interpreter for which there is no stable ABI.
config=$PWD/scripts/free-threaded.txt
for target in x86_64-unknown-linux-gnu aarch64-apple-darwin; do
    PYO3_CONFIG_FILE=$config check "$target" "the binding for CPython 3.14t" --package firmmap-python --no-default-features
done

wasm=crates/firmmap/tests/wasm
scripts/cross.sh wasm32-unknown-unknown build --quiet --locked -Zwarnings --manifest-path "$wasm/Cargo.toml"
echo "ran: $(node "$wasm/run.mjs" "$TARGET/cross/wasm32-unknown-unknown/debug/firmmap_wasm_test.wasm")"
