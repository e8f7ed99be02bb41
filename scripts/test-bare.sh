#!/usr/bin/env bash
# Runs `make demo` and `make test` on a machine that has nothing but what README.md asks for: a clone of what is committed here, in a
# new Debian (debootstrap) with the Rust toolchain of this machine. As root. What Debian lacks for that is installed with apt.
# usage: scripts/test-bare.sh [SUITE]   (bookworm, trixie or sid, or 12, 13, unstable; trixie without)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
needed=(make git gcc libc6-dev python3 python3-venv)

# shellcheck source=scripts/debian.sh
source scripts/debian.sh
debian_suite "${1:-trixie}"
if [[ ! ${FIRMMAP_DEBIAN_ROOT-} ]]; then
    debian_begin scripts/test-bare.sh "$suite"
    exit
fi

debian_install "${needed[@]}"
mkdir -p "$root/rust" "$root/root/.cargo/registry"
mount --bind "$(rustc --print sysroot)" "$root/rust"
mount -o remount,bind,ro "$root/rust"

# How cargo finds its registry, and what was downloaded already: cargo compares it with the hashes in Cargo.lock.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
for file in config.toml config; do
    [[ ! -e $cargo_home/$file ]] || cp -L "$cargo_home/$file" "$root/root/.cargo/"
done
for folder in cache index; do
    [[ ! -e $cargo_home/registry/$folder ]] || cp -r "$cargo_home/registry/$folder" "$root/root/.cargo/registry/"
done

git clone --quiet --no-hardlinks . "$root/root/firmmap"
# Where there is one already it is taken along: it takes minutes to compile. If it does not run there, it is compiled.
nextest=$(PATH=$TARGET/tools/bin:$PATH command -v cargo-nextest || true)
if [[ $nextest ]]; then
    mkdir -p "$root/root/firmmap/target/tools/bin"
    cp -L "$nextest" "$root/root/firmmap/target/tools/bin/"
fi

for command in demo test; do
    step "make $command"
    in_debian make --no-print-directory -C /root/firmmap "$command"
done
facts=$(in_debian sh -c 'python3 -VV; getconf GNU_LIBC_VERSION; gcc -dumpfullversion; rustc --version' |
    sed -nE '1s/^Python ([^ ]+).*/CPython \1/p; 2p; 3s/^/gcc /p; 4s/^(rustc [^ ]+).*/\1/p' | paste -sd, | sed 's/,/, /g')
step "make demo and make test passed ($facts)"
