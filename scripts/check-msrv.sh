#!/usr/bin/env bash
# Compiles the libraries with the oldest Rust that Cargo.toml promises (`rust-version`): for this system and for Windows, and the
# binding once more for an interpreter without the stable ABI. Tests may need a newer one.
#
# The compiler is that of rustup's toolchain of that version, if there is one, else Debian 13's, in a Debian that debootstrap makes in
# $TARGET/msrv and that stays there for the next time. That needs root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
msrv=$(sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml)
debian=$TARGET/msrv/trixie
packages=(cargo rustc rust-src binutils-mingw-w64-x86-64)

mkdir -p "$TARGET/msrv"
export CARGO_TARGET_DIR=$TARGET/msrv/target
config=$PWD/scripts/free-threaded.txt

install_debian() {
    if ((EUID != 0)); then
        echo "no Rust $msrv: \`rustup toolchain install $msrv\`, or run this as root, for Debian's" >&2
        exit 1
    fi
    if ! command -v debootstrap >/dev/null || [[ ! -e /usr/share/debootstrap/scripts/trixie ]]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends debootstrap debian-archive-keyring >/dev/null
    fi
    rm -rf --one-file-system "$debian"
    # The mirror that apt uses here; without one, debootstrap's own.
    local mirror
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | grep -v security | head -n 1 || true)
    {
        debootstrap --variant=minbase trixie "$debian" ${mirror:+"$mirror"}
        cp -L /etc/resolv.conf /etc/hosts "$debian/etc/"
        chroot "$debian" apt-get -qq update
        DEBIAN_FRONTEND=noninteractive chroot "$debian" apt-get -qq -y --no-install-recommends install "${packages[@]}" </dev/null
    } >"$debian.log" 2>&1 || { tail -n 20 "$debian.log" >&2; exit 1; }
    touch "$debian/complete"
}

if rustup run "$msrv" rustc --version >/dev/null 2>&1; then
    check() { cargo "+$msrv" check --locked "$@"; }
    has_target() { rustup "+$msrv" target list --installed | grep -qx "$1"; }
    windows=()
else
    [[ -e $debian/complete ]] || install_debian
    # What is committed, and what cargo has downloaded: nothing in there needs the network.
    cargo fetch --quiet --locked
    RUSTC_BOOTSTRAP=1 cargo fetch --quiet --locked --manifest-path "$debian/usr/lib/rustlib/src/rust/library/Cargo.toml"
    rm -rf --one-file-system "$debian/firmmap" "$debian/cargo"
    mkdir -p "$debian/firmmap" "$debian/cargo/registry"
    cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/{cache,index} "$debian/cargo/registry/"
    git ls-files -z Cargo.toml Cargo.lock README.md crates | xargs -0 cp --parents -t "$debian/firmmap"
    cp "$config" "$debian/firmmap/"
    settings=(HOME=/root PATH=/usr/bin:/bin LC_ALL=C.UTF-8 CARGO_HOME=/cargo CARGO_TARGET_DIR=/target CARGO_NET_OFFLINE=true
        RUSTC_BOOTSTRAP=1 CARGO_BUILD_JOBS="${CARGO_BUILD_JOBS:-$(nproc)}")
    in_debian() { chroot "$debian" /usr/bin/env -i "${settings[@]}" "$@" </dev/null; }
    check() {
        in_debian ${PYO3_NO_PYTHON+"PYO3_NO_PYTHON=1"} ${PYO3_CONFIG_FILE+"PYO3_CONFIG_FILE=/firmmap/${PYO3_CONFIG_FILE##*/}"} \
            sh -c 'cd /firmmap && exec cargo check --locked "$@"' sh "$@"
    }
    has_target() { true; }
    # For Windows the standard library is checked too, from its source.
    windows=(-Zbuild-std=std)
    in_debian rustc --version | grep -F " $msrv." >/dev/null ||
        { echo "Debian 13 has another Rust than $msrv: $(in_debian rustc --version)" >&2; exit 1; }
fi

PYO3_NO_PYTHON=1 check --quiet --package firmmap --package firmmap-memmap2 --package firmmap-python
echo "checked: Rust $msrv: the crates and the binding"
PYO3_CONFIG_FILE=$config check --quiet --package firmmap-python --no-default-features
echo "checked: Rust $msrv: the binding for CPython 3.14t"
if has_target x86_64-pc-windows-gnu; then
    PYO3_NO_PYTHON=1 check --quiet --package firmmap --package firmmap-memmap2 --package firmmap-python --target x86_64-pc-windows-gnu ${windows[@]+"${windows[@]}"}
    echo "checked: Rust $msrv: the crate and the binding for Windows"
else
    echo "not run: Rust $msrv: the crate and the binding for Windows"
fi
