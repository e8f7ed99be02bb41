#!/usr/bin/env bash
# Runs the Rust tests for another target. With a list of tests to leave out, prints each with its reason, and fails if there is
# no such test any more.
# usage: scripts/test-cross.sh TARGET [LIST]
set -euo pipefail
target=$1 list=${2:-}
cross=(scripts/cross.sh "$target" nextest)
arguments=(--package firmmap --locked)

filter=()
if [[ $list ]]; then
    names=$(sed -nE 's/^([a-z_0-9]+): .*/\1/p' "$list")
    present=$("${cross[@]}" list "${arguments[@]}" --message-format oneline)
    expression=
    for name in $names; do
        if ! grep -qE "[ :]$name\$" <<<"$present"; then
            echo "$list: there is no test $name" >&2
            exit 1
        fi
        expression+="${expression:+ | }test(/(^|::)$name\$/)"
    done
    filter=(-E "not ($expression)")
fi
# A terabyte of addresses is 16 GB of records in the emulator.
[[ -z $list ]] || export FIRMMAP_LARGE=$((1 << 33))
RUST_BACKTRACE=0 "${cross[@]}" run "${arguments[@]}" --no-fail-fast ${filter[@]+"${filter[@]}"}
if [[ $list ]]; then
    sed -nE 's/^([a-z_0-9]+): (.*)/left out: \1: \2/p' "$list"
fi
