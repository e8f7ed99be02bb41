#!/usr/bin/env bash
# Installs a wheel, and then an sdist, each into an empty environment, and runs scripts/smoke.py there. The tag of a Linux wheel
# has to be what auditwheel finds from the symbols that it needs.
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
        "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$file"
        "$environment/bin/python" "$smoke"
    )
    echo "ran: ${file##*/}, in an empty environment"
done

case $wheel in
*linux*)
    "$python" -m venv "$work/audit"
    "$work/audit/bin/python" -m pip install --quiet --disable-pip-version-check auditwheel
    tag=$(basename "$wheel" .whl | sed -E 's/.*-//')
    found=$("$work/audit/bin/auditwheel" show "$wheel" | tr '\n' ' ')
    if [[ $found != *"following platform tag: \"$tag\""* ]]; then
        echo "auditwheel does not find $tag: $found" >&2
        exit 1
    fi
    echo "checked: auditwheel agrees with $tag"
    ;;
esac
