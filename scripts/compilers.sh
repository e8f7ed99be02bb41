#!/usr/bin/env bash
# Installs what the Makefile's test-release-profile, test-aarch64, test-i686, test-musl, check-targets, check-other-targets, tsan,
# test-bare and test-interpreters need, on Debian and its relatives: compilers, C libraries, the emulator, debootstrap, and the source of
# Rust's standard library, with a compiler of the same version. As root, or through sudo.
set -euo pipefail

packages=(
    rustc-web rust-web-src                                   # the standard library for any target
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user    # test-aarch64
    musl-tools                                               # test-musl
    lld                                                      # the program for WebAssembly in check-targets
    gcc-i686-linux-gnu libc6-dev-i386-cross libc6-i386 lib32gcc-s1  # test-i686
    valgrind                                                 # test-release-profile
    debootstrap debian-archive-keyring                       # test-bare, test-interpreters
)
missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
# The program for WebAssembly runs in any Node that is there.
command -v node >/dev/null || missing+=(nodejs)
[[ ${missing[*]} ]] || exit 0

sudo=()
if ((EUID != 0)); then
    sudo=(sudo)
    if ! sudo -n true 2>/dev/null; then
        echo "not root, and no sudo without a password: install ${missing[*]}" >&2
        exit 1
    fi
fi
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
