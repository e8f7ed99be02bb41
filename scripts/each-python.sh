#!/usr/bin/env bash
# Runs one Python command under every interpreter that scripts/interpreters.py finds, each in an environment of its
# own, .venvs/X.Y, with the built wheel in it and what requirements-test.txt lists; with --with NAME in .venvs/X.Y-NAME,
# with what requirements-NAME.txt lists. Fails if one of them fails, after all have run. With --together as many run at a time as
# there are processors, and what each prints comes as a whole.
# usage: scripts/each-python.sh [--together] [--with NAME] [--needs MODULE] ARGUMENT…
set -euo pipefail
at_once=1
if [[ $1 == --together ]]; then
    at_once=$(getconf _NPROCESSORS_ONLN)
    shift
fi
requirements=requirements-test.txt
suffix=
if [[ $1 == --with ]]; then
    requirements=requirements-$2.txt
    suffix=-$2
    shift 2
fi
needs=
if [[ $1 == --needs ]]; then
    needs=$2
    shift 2
fi
wheel=("$TARGET"/wheels/*.whl)
logs=$(mktemp -d)
jobs=()
trap 'kill ${jobs[@]+"${jobs[@]}"} 2>/dev/null || true; rm -rf "$logs"' EXIT

run() { # VERSION PYTHON ARGUMENT…
    local venv=.venvs/$1$suffix
    echo "== CPython $1: $2"
    shift 2
    if [[ $needs ]] && ! "$venv/bin/python" -c "import importlib.util as u; assert u.find_spec('$needs')" 2>/dev/null; then
        echo "skipped: this interpreter was installed without $needs"
        return
    fi
    "$venv/bin/python" "$@" </dev/null
}

started=()
failed=()
finish() { # waits for the one that was started first
    local version=${started[0]}
    wait "${jobs[0]}" || failed+=("$version")
    cat "$logs/$version"
    jobs=("${jobs[@]:1}") started=("${started[@]:1}")
}

found=$(.venv/bin/python scripts/interpreters.py)
while read -r version python; do
    venv=.venvs/$version$suffix
    scripts/venv.sh "$python" "$venv" "$requirements"
    if [[ ! $venv/installed -nt ${wheel[0]} ]]; then
        "$venv/bin/python" -m pip install --quiet --no-deps --force-reinstall "${wheel[0]}"
        touch "$venv/installed"
    fi
    if ((at_once == 1)); then
        run "$version" "$python" "$@" || failed+=("$version")
        continue
    fi
    ((${#jobs[@]} < at_once)) || finish
    run "$version" "$python" "$@" >"$logs/$version" 2>&1 &
    jobs+=($!) started+=("$version")
done <<<"$found"
while ((${#jobs[@]})); do finish; done

if ((${#failed[@]})); then
    echo "failed under CPython ${failed[*]}" >&2
    exit 1
fi
