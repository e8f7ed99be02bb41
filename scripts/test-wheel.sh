#!/usr/bin/env bash
# Installs a wheel, and then an sdist, each into an empty environment, and runs scripts/smoke.py there (the sdist is compiled without
# link-time optimisation: what is tried is that it can be). PyPI has to accept their metadata (twine), and the tag of a Linux wheel has
# to be what auditwheel finds from the symbols that it needs. Without Rust the sdist has to say that it needs it.
# usage: scripts/test-wheel.sh PYTHON DIRECTORY
set -euo pipefail
python=$1 directory=$2
smoke=$PWD/scripts/smoke.py
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

wheel=$(echo "$directory"/*.whl)
sdist=$(echo "$directory"/*.tar.gz)
for file in "$wheel" "$sdist"; do
    environment=$work/${file##*.}
    "$python" -m venv "$environment"
    # Not in this folder: its sources must not be what is imported.
    (
        cd "$work"
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
            "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$file"
        "$environment/bin/python" "$smoke"
        "$environment/bin/firmmap" count import "$smoke" # without rich
    )
    echo "ran: ${file##*/}, in an empty environment"
done

"$python" -m venv "$work/bare"
if said=$(cd "$work" && PATH=$work "$work/bare/bin/python" -m pip install --disable-pip-version-check "$sdist" 2>&1) ||
    [[ $said != *"building firmmap from source needs Rust "* ]]; then
    echo "without Rust, pip install ${sdist##*/} does not say what it needs: $said" >&2
    exit 1
fi
echo "checked: without Rust, ${sdist##*/} says that it needs it"

"$python" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check --requirement requirements-wheel.txt
"$work/tools/bin/twine" check --strict "$wheel" "$sdist"

case $wheel in
*linux*)
    tag=$(basename "$wheel" .whl | sed -E 's/.*-//')
    found=$("$work/tools/bin/auditwheel" show "$wheel" | tr '\n' ' ')
    if [[ $found != *"following platform tag: \"$tag\""* ]]; then
        echo "auditwheel does not find $tag: $found" >&2
        exit 1
    fi
    echo "checked: auditwheel agrees with $tag"
    if [[ ! -s $wheel.debug ]]; then
        echo "the debug symbols are not beside ${wheel##*/}" >&2
        exit 1
    fi
    ;;
esac
if ! "$python" -m zipfile --list "$wheel" | grep '\.dist-info/sboms/.*\.json ' >/dev/null; then
    echo "${wheel##*/} has no list of its components (SBOM)" >&2
    exit 1
fi
