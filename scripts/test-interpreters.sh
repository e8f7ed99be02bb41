#!/usr/bin/env bash
# Runs the Python tests under the newest CPythons: Debian's unstable suite (debootstrap) has them, with debug builds and CPython's own
# tests. Each runs test_mmap with both modules, the tests of files with both, stubtest, and pytest (with numpy, pandas, pyarrow and
# Pillow); the debug builds, of 3.14 and 3.15, run the tests that need none of these, and those of what calls leave behind. As root.
# What is tested is what is committed here, and the wheel in $TARGET.
# usage: scripts/test-interpreters.sh VERSION…   (of 3.13 3.14 3.15)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/debian.sh
source scripts/debian.sh
debian_suite sid
if [[ ! ${FIRMMAP_DEBIAN_ROOT-} ]]; then
    debian_begin scripts/test-interpreters.sh "$@"
    exit
fi

packages=(make git gcc libc6-dev ca-certificates)
debug=()
for version; do
    packages+=("python$version" "python$version-venv" "libpython$version-testsuite")
    [[ $version == 3.13 ]] || debug+=("$version") packages+=("python$version-dbg")
done
debian_install "${packages[@]}"
source=/root/firmmap
git clone --quiet --no-hardlinks . "$root$source"
mkdir -p "$root$source/target/wheels"
cp "$TARGET"/wheels/*.whl "$root$source/target/wheels/"

here() { in_debian env TARGET=$source/target bash -euo pipefail -c "cd $source; \"\$@\"" - "$@"; }
tests=crates/firmmap-python/tests
failed=()
attempt() { # NAME COMMAND…
    local what=$1
    shift
    here "$@" || failed+=("$what")
}

# What looks for interpreters needs one.
here "python$1" -m venv --without-pip .venv
step "$(for version; do here "python$version" --version; done | paste -sd, | sed 's/,/, /g')"
step "test_mmap of each, with both modules"
attempt test_mmap scripts/each-python.sh --needs test.test_mmap "$tests/run_cpython_tests.py"
step "tests of files of each, with files and with firmmap.open()"
attempt "tests of files" scripts/each-python.sh --together --needs test.test_io "$tests/run_cpython_file_tests.py"
step "the stub beside the package of each"
attempt stub scripts/each-python.sh --together --with types -m mypy.stubtest firmmap --allowlist "$tests/stubtest-allowlist.txt"
step "pytest"
attempt pytest scripts/each-python.sh --together -m pytest -q -p no:cacheprovider
for version in ${debug[@]+"${debug[@]}"}; do
    step "debug build: $(here "python$version-dbg" -VV)"
    here scripts/venv.sh "python$version-dbg" ".venvs/$version-debug" requirements-debug.txt
    here ".venvs/$version-debug/bin/python" -m pip install --quiet --no-deps --disable-pip-version-check target/wheels/*.whl
    attempt "test_mmap ($version, debug)" ".venvs/$version-debug/bin/python" "$tests/run_cpython_tests.py"
    attempt "pytest ($version, debug)" ".venvs/$version-debug/bin/python" -m pytest -q -p no:cacheprovider \
        "$tests"/test_{leaks,calls,methods,object,callbacks,hostile,faults,newer_pythons}.py
done
if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
step "all of it passed"
