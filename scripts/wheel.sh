#!/usr/bin/env bash
# Builds the wheel of a release into a folder; on Linux the symbols of its library are put beside it, for debuggers.
# A commit gives the same wheel wherever it is built with the same tools: no path of this machine and no time gets into it.
# usage: scripts/wheel.sh DIRECTORY [ABI]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
directory=$1 abi=${2:-}
bin=$PWD/.venvs/build/bin
cargo=${CARGO_HOME:-$HOME/.cargo}
toolchain=$(rustc --print sysroot)

# Paths of sources are in the messages of panics, and in the debug information.
flags=("--remap-path-prefix=$PWD=/firmmap" "--remap-path-prefix=$cargo=/cargo" "--remap-path-prefix=$toolchain=/rust")
separator=$'\x1f'
encoded=$(printf "%s$separator" "${flags[@]}")
export CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS:+$CARGO_ENCODED_RUSTFLAGS$separator}${encoded%"$separator"}
# The time in the wheel and in its list of components (SBOM). A source without git has that of the oldest zip.
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 315532800)}"
export SOURCE_DATE_EPOCH

built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
arguments=(--release --locked --compatibility pypi --out "$built")
[[ -z $abi ]] || arguments+=(--no-default-features --interpreter "python$abi")
"$bin/maturin" build "${arguments[@]}"
mkdir -p "$directory"
for wheel in "$built"/*.whl; do
    "$bin/python" scripts/finish_wheel.py "$wheel" "$directory"
done
