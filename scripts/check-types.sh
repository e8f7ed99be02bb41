#!/usr/bin/env bash
# Checks the types of the tests and scripts, and that the stubs say what the installed package has, docstrings included.
set -euo pipefail
cd "$(dirname "$0")/.."
package=crates/firmmap-python
mypy --strict "$package/tests" scripts
mypy --strict bench # apart: both have a module `operations`
mypy --strict "$package"/clients/{run,run_files,firmmap_as_mmap,firmmap_outcomes}.py
MYPYPATH="$package/tests:$package/clients" mypy --strict "$package/clients/firmmap_files.py"
mypy --strict "$package/python/firmmap/__init__.pyi" "$package"/python/firmmap/{__main__,_command*}.py
mypy --strict "$package/build_backend.py"

python -m mypy.stubtest firmmap --allowlist "$package/tests/stubtest-allowlist.txt"
python scripts/stub_docstrings.py --check
