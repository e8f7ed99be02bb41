#!/usr/bin/env bash
# Builds the Linux wheels of a release into dist, and tries each: inside of an image of PyPA's (manylinux, musllinux), which has
# every CPython in /opt/python but no Rust.
set -euo pipefail
curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
export PATH=$HOME/.cargo/bin:$PATH CARGO_TARGET_DIR=/tmp/target
# The folder belongs to somebody else outside.
git config --global --add safe.directory "$PWD"

stable=/opt/python/cp311-cp311/bin/python
make wheel PYTHON="$stable"
for abi in 3.13t 3.14t; do
    tag=cp${abi//[.t]/}
    folder=/opt/python/$tag-${tag}t/bin
    if [[ ! -d $folder ]]; then
        echo "left out: this image has no CPython $abi"
        continue
    fi
    export PATH=$folder:$PATH
    make wheel PYTHON="$stable" ABI="$abi"
done

for wheel in dist/*.whl; do
    case $wheel in
    *-abi3-*) python=$stable ;;
    *-cp313t-*) python=/opt/python/cp313-cp313t/bin/python ;;
    *-cp314t-*) python=/opt/python/cp314-cp314t/bin/python ;;
    esac
    environment=/tmp/environment-$(basename "$wheel")
    "$python" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet "$wheel"
    (cd /tmp && "$environment/bin/python" "$OLDPWD/scripts/smoke.py")
done
