#!/usr/bin/env bash
# Packs the crate as for publishing it, and runs the tests that are in the package, away from the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
own=$TARGET/test-crate
cargo package --quiet --package firmmap --locked --no-verify --allow-dirty --target-dir "$own"
packed=$(echo "$own"/package/firmmap-*.crate)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -xzf "$packed" -C "$folder" --strip-components=1
export CARGO_TARGET_DIR=$own
cd "$folder"
cargo nextest run --locked
cargo test --quiet --doc --locked
