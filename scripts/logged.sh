#!/usr/bin/env bash
# Runs a command and keeps what it prints, for scripts/summary.sh.
# usage: scripts/logged.sh NAME COMMAND…
set -euo pipefail
name=$1
shift
mkdir -p "$TARGET/test-logs"
"$@" 2>&1 | tee "$TARGET/test-logs/$name"
