#!/usr/bin/env bash
# Runs a command and keeps what it prints, for scripts/summary.sh; under its name only if it passed.
# usage: scripts/logged.sh NAME COMMAND…
set -euo pipefail
name=$1
shift
mkdir -p "$TARGET/test-logs"
log=$TARGET/test-logs/$name
rm -f "$log"
"$@" 2>&1 | tee "$log.unfinished"
mv "$log.unfinished" "$log"
