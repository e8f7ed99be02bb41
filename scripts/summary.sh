#!/usr/bin/env bash
# Prints the closing lines of all test runners, from what scripts/logged.sh has kept.
set -euo pipefail
cd "$TARGET/test-logs"
echo
echo "== all tests passed"
grep -hE '^ *Summary \[' nextest
grep -hE '^test result:' doctest
grep -hE '^== CPython|^(=+ )?[0-9]+ (passed|skipped).* in ' pytest
grep -hE '^test_mmap of CPython|^skipped:' cpython
