#!/usr/bin/env bash
# Runs a command with everything set up for x86_64-pc-windows-gnu: cargo builds the standard library and the rest for
# it, and wine runs what was built. Debian's compiler is used as rustup has the standard library's source only on demand.
# What is missing is installed with apt. Everything that is built stays in $TARGET/windows.
# usage: scripts/windows.sh COMMAND…
set -euo pipefail
target=x86_64-pc-windows-gnu
own=$TARGET/windows

packages=()
need() { # FILE PACKAGE
    [[ -e $1 ]] || packages+=("$2")
}
need /usr/bin/rustc rustc-web
need /usr/lib/rustlib/src/rust/library/std rust-web-src
need /usr/bin/x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64
need /usr/lib/wine/wine64 wine64
if [[ ${packages[*]} ]]; then
    echo "installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt=(apt-get -o DPkg::Lock::Timeout=300)
    ((EUID == 0)) || apt=(sudo "${apt[@]}")
    "${apt[@]}" update -qq
    "${apt[@]}" install -qq -y --no-install-recommends "${packages[@]}" >/dev/null
fi

mkdir -p "$own/dll"
dll=$own/dll/bcryptprimitives.dll
if [[ ! $dll -nt scripts/windows/bcryptprimitives.c ]]; then
    x86_64-w64-mingw32-gcc -O2 -Wall -Werror -shared -o "$dll" scripts/windows/bcryptprimitives.c -ladvapi32
fi

export CARGO_TARGET_DIR=$own CARGO_BUILD_TARGET=$target
export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1
export CARGO_UNSTABLE_BUILD_STD=std,panic_unwind,panic_abort,test
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=/usr/lib/wine/wine64
export WINEDEBUG=-all WINEPREFIX=$own/wine WINEPATH="Z:${own//\//\\}\\dll" WINEDLLOVERRIDES='mscoree=;mshtml='

# The prefix is made once. One server and its services run for all test processes, and end with this script: started by a
# test, they would keep its output open, and without anything to do they must outlast what is compiled before the tests.
mkdir -p "$WINEPREFIX"
wine() { /usr/lib/wine/wine64 "$@" >/dev/null 2>&1; }
export WINESERVER=/usr/lib/wine/wineserver64
if [[ ! -e $WINEPREFIX/system.reg ]]; then
    wine wineboot --init
    $WINESERVER --wait
fi
trap '$WINESERVER --kill || true' EXIT
$WINESERVER --persistent=1800 2>/dev/null || true # it may be running already
wine wineboot
"$@"
