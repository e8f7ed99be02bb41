#!/usr/bin/env bash
# Type-checks the crate with its tests, and the binding, for the targets that nothing here can run, and for musl; without the tests for
# i686, where they run, and for the second processor of macOS. Fails on warnings. Then the binding for a free-threaded interpreter; then
# runs the program for WebAssembly. Prints a line for each.
# usage: scripts/check-targets.sh [others]
#   others: those whose code is nearly that of a target that is checked without it
set -euo pipefail

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

check_unix() { # TARGET…
    local target
    for target; do
        check "$target" "the crate and its tests" --package firmmap --all-features --all-targets
        check_rest "$target"
    done
}

check_rest() { # TARGET
    check "$1" "memmap2's API" --package firmmap-memmap2 --all-features --all-targets
    check "$1" "the binding" --package firmmap-python
}

# The standard library of a target is compiled by one processor: so two targets at a time, each with files of its own.
beside() { # COMMAND…
    TARGET=$TARGET/second "$@" &
    second=$!
    trap 'kill "$second" 2>/dev/null || true' EXIT
}

if [[ ${1:-} == others ]]; then
    beside check_unix x86_64-unknown-netbsd
    check_unix x86_64-unknown-openbsd
    check_rest x86_64-apple-darwin
    check wasm32-wasip1 "the crate" --package firmmap --all-features
    wait "$second"
    exit
fi
two() {
    check_unix x86_64-unknown-linux-musl
    check_rest i686-unknown-linux-gnu
}
beside two
check_unix aarch64-apple-darwin x86_64-unknown-freebsd
check wasm32-unknown-unknown "the crate" --package firmmap --all-features
check wasm32-unknown-unknown "memmap2's API" --package firmmap-memmap2 --all-features

# Interpreters whose ABI is that of one version; here by the toolchain that is here.
mkdir -p "$TARGET/free-threaded"
for version in 3.14 3.15; do
    config=$TARGET/free-threaded/$version.txt
    sed "s/^version=.*/version=$version/" scripts/free-threaded.txt >"$config"
    what="the binding for CPython ${version}t"
    PYO3_CONFIG_FILE=$config RUSTFLAGS=-Dwarnings CARGO_TARGET_DIR=$TARGET/free-threaded \
        cargo check --quiet --locked --package firmmap-python --no-default-features
    echo "checked: here: $what"
done
PYO3_CONFIG_FILE=$config check aarch64-apple-darwin "$what" --package firmmap-python --no-default-features

wasm=crates/firmmap/tests/wasm
scripts/cross.sh wasm32-unknown-unknown build --quiet --locked -Zwarnings --manifest-path "$wasm/Cargo.toml"
echo "ran: $(node "$wasm/run.mjs" "$TARGET/cross/wasm32-unknown-unknown/debug/firmmap_wasm_test.wasm")"
wait "$second"
