#!/usr/bin/env bash
# Runs one Python command under every interpreter that scripts/interpreters.py finds, each in an environment of its
# own, .venvs/X.Y, with the built wheel in it. Fails if one of them fails, after all have run.
# usage: scripts/each-python.sh [--needs MODULE] ARGUMENT…
set -euo pipefail
needs=
if [[ $1 == --needs ]]; then
    needs=$2
    shift 2
fi
wheel=("$TARGET"/wheels/*.whl)

found=$(.venv/bin/python scripts/interpreters.py)
failed=()
while read -r version python; do
    venv=.venvs/$version
    scripts/venv.sh "$python" "$venv" requirements-test.txt
    if [[ ! $venv/installed -nt ${wheel[0]} ]]; then
        "$venv/bin/python" -m pip install --quiet --no-deps --force-reinstall "${wheel[0]}"
        touch "$venv/installed"
    fi
    echo "== CPython $version: $python"
    if [[ $needs ]] && ! "$venv/bin/python" -c "import importlib.util as u; assert u.find_spec('$needs')" 2>/dev/null; then
        echo "skipped: this interpreter was installed without $needs"
        continue
    fi
    "$venv/bin/python" "$@" </dev/null || failed+=("$version")
done <<<"$found"

if [[ ${failed[*]} ]]; then
    echo "failed under CPython ${failed[*]}" >&2
    exit 1
fi
