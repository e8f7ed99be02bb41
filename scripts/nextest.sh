#!/usr/bin/env bash
# Runs `cargo nextest run`, and then prints what was skipped, and why: each such test passes for the harness.
# usage: scripts/nextest.sh ARGUMENT…
set -euo pipefail
FIRMMAP_SKIPPED=$(mktemp)
export FIRMMAP_SKIPPED
trap 'rm -f "$FIRMMAP_SKIPPED"' EXIT
cargo nextest run "$@"
sort -u "$FIRMMAP_SKIPPED"
