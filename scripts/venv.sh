#!/usr/bin/env bash
# Makes a virtual environment and installs what a requirements file lists, unless both are there already.
# usage: scripts/venv.sh PYTHON DIRECTORY REQUIREMENTS
set -euo pipefail
python=$1 directory=$2 requirements=$3

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "$python is not there, or is older than Python 3.11; name another one: make PYTHON=…" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$python cannot make virtual environments: its modules venv and ensurepip are not installed" >&2
    echo "(on Debian and Ubuntu: the package python3-venv)" >&2
    exit 1
fi

wanted=$("$python" -c 'import sys; print(sys.version)'; cat requirements-{build,test,types}.txt "$requirements")
if "$directory/bin/python" -c '' 2>/dev/null && [[ $(cat "$directory/made-of" 2>/dev/null) == "$wanted" ]]; then
    exit
fi
echo "making $directory"
rm -rf "$directory"
"$python" -m venv "$directory"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
echo "$wanted" >"$directory/made-of"
