#!/usr/bin/env bash
# Prints the closing lines of every test runner that has passed, in the order in which they ran, from what scripts/logged.sh has kept.
# usage: scripts/summary.sh
set -euo pipefail
cd "$TARGET/test-logs"
mapfile -t names < <(ls --sort=time --reverse --ignore='*.unfinished')
echo
echo "== all of this passed: ${names[*]}"
for name in "${names[@]}"; do
    case $name in
    doctest | windows-doctest) lines='^test result:' ;;
    pytest | state-mutex) lines='^== CPython|^(=+ )?[0-9]+ (passed|skipped).* in ' ;;
    cpython) lines='^test_mmap of CPython|^skipped:' ;;
    files) lines='^file tests of CPython|^skipped:' ;;
    windows-extension) lines='^the Python' ;;
    windows-python) lines='^[0-9]+ passed|^test_mmap of CPython|^skipped:' ;;
    bare) lines='^(nextest|doctest|resize|pytest|cpython): |^== Debian .* passed' ;;
    interpreters) lines='^== Debian unstable: (CPython|Python|debug build|all of it)|^== CPython|^(test_mmap|file tests) of CPython|^(=+ )?[0-9]+ (passed|skipped).* in ' ;;
    release-profile) lines='^searches in the ' ;;
    rust-clients) lines='^(memmap2|cacache|grep-searcher|ndarray-npy|parity-db|safetensors|tantivy) |^[0-9]+ of [0-9]+ clients ' ;;
    repository | targets | other-targets | wheel | msrv) lines='^(checked|ran|not run): ' ;;
    *) lines='^ *Summary \[|^(left out|skipped): ' ;;
    esac
    # With where it comes from; the last line of a runner that is not told above.
    { grep -hE "$lines" "$name" || tail -n 1 "$name"; } | sed "s/^ */$name: /"
done
