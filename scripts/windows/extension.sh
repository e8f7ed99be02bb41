#!/usr/bin/env bash
# Builds the Python extension for Windows and looks at what it exports and imports. scripts/windows.sh runs it.
# usage: scripts/windows/extension.sh [CARGO-ARGUMENT…]
set -euo pipefail
cargo rustc --quiet "$@" --package firmmap-python --locked -- --deny warnings
library=$CARGO_TARGET_DIR/$CARGO_BUILD_TARGET/debug/_firmmap.dll
headers=$(x86_64-w64-mingw32-objdump --private-headers "$library")

exports=$(sed -n '/Ordinal\/Name Pointer/,/^$/ s/^\t\[[^]]*\] //p' <<<"$headers" | tr -d '\r')
imports=$(sed -n 's/^\tDLL Name: //p' <<<"$headers" | sort -f | uniq -i)
pythons=$(grep -i '^python' <<<"$imports")
if [[ $exports != PyInit__firmmap || $pythons != python3.dll ]]; then
    echo "$library exports $exports and imports $pythons" >&2
    exit 1
fi
echo "the Python extension for Windows: exports $exports, imports" $imports
