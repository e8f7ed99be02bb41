#!/usr/bin/env bash
# Builds the Linux wheels of a release into dist, and tries each: inside of an image of PyPA's (manylinux, musllinux), which has
# every CPython in /opt/python but no Rust.
set -euo pipefail
curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
export PATH=$HOME/.cargo/bin:$PATH CARGO_TARGET_DIR=/tmp/target
# The folder belongs to somebody else outside.
git config --global --add safe.directory "$PWD"

stable=/opt/python/cp311-cp311/bin/python
without_gil=/opt/python/cp314-cp314t/bin/python
export PATH=$PATH:${without_gil%/*}
make wheel PYTHON="$stable"
make wheel PYTHON="$stable" ABI=3.14t

for wheel in dist/*.whl; do
    case $wheel in
    *-abi3-*) python=$stable ;;
    *-cp314t-*) python=$without_gil ;;
    esac
    environment=/tmp/environment-$(basename "$wheel")
    "$python" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet "$wheel"
    (cd /tmp && "$environment/bin/python" "$OLDPWD/scripts/smoke.py")
done
