#!/usr/bin/env bash
# Runs `make demo` and `make test` on a machine that has nothing but what README.md asks for: a clone of what is committed here, in a
# new Debian (debootstrap) with the Rust toolchain of this machine. As root. What Debian lacks for that is installed with apt.
# usage: scripts/test-bare.sh [SUITE]   (bookworm, trixie or sid, or 12, 13, unstable; trixie without)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
needed=(make git gcc libc6-dev python3 python3-venv)

case ${1:-trixie} in
12 | bookworm) suite=bookworm name='Debian 12' ;;
13 | trixie) suite=trixie name='Debian 13' ;;
unstable | sid) suite=sid name='Debian unstable' ;;
*) echo "$1 is not one of 12, bookworm, 13, trixie, unstable, sid" >&2; exit 1 ;;
esac

# Second half, in namespaces of its own: all mounts are seen by these processes only, and end with them, however they end.
if [[ ${FIRMMAP_BARE_ROOT-} ]]; then
    root=$FIRMMAP_BARE_ROOT
    step() { printf '== %s: %s\n' "$name" "$*"; }

    step "debootstrap"
    # The mirror that apt uses here; without one, debootstrap's own.
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | grep -v security | head -n 1 || true)
    debootstrap --variant=minbase "$suite" "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; exit 1; }
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no services
    chmod +x "$root/usr/sbin/policy-rc.d"

    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir "$root/dev/pts" "$root/dev/shm" "$root/rust"
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "$root/dev/${stream#*:}"; done
    mount --bind "$(rustc --print sysroot)" "$root/rust"
    mount -o remount,bind,ro "$root/rust"

    # The network as this machine has it: names, certificates, and how cargo and pip find their registries.
    cargo_home=${CARGO_HOME:-$HOME/.cargo}
    certificates=/etc/ssl/certs/ca-certificates.crt
    trust() { cp -L "${SSL_CERT_FILE:-$certificates}" "$root$certificates"; }
    mkdir -p "$root/etc/ssl/certs" "$root/root/.cargo/registry"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    trust
    for file in config.toml config; do
        [[ ! -e $cargo_home/$file ]] || cp -L "$cargo_home/$file" "$root/root/.cargo/"
    done
    [[ ! -e /etc/pip.conf ]] || cp -L /etc/pip.conf "$root/etc/"
    # What was downloaded already; cargo compares it with the hashes in Cargo.lock.
    for folder in cache index; do
        [[ ! -e $cargo_home/registry/$folder ]] || cp -r "$cargo_home/registry/$folder" "$root/root/.cargo/registry/"
    done

    settings=(HOME=/root USER=root LANG=C.UTF-8 TERM="${TERM:-dumb}" PATH=/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        SSL_CERT_FILE=$certificates CARGO_HTTP_CAINFO=$certificates PIP_CERT=$certificates PIP_ROOT_USER_ACTION=ignore)
    while IFS= read -r variable; do
        settings+=("$variable=${!variable}")
    done < <(compgen -e | grep -xE '(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY|PIP_(EXTRA_)?INDEX_URL|PIP_DEFAULT_TIMEOUT|CARGO_(BUILD_JOBS|REGISTRIES_.*|REGISTRY_.*|SOURCE_.*|NET_.*|HTTP_PROXY|HTTP_TIMEOUT)' || true)
    in_bare() { env -i "${settings[@]}" chroot "$root" "$@" </dev/null; }

    step "installing ${needed[*]}"
    in_bare apt-get -qq update
    in_bare env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${needed[@]}" >>"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; exit 1; }
    trust # pip's package brings Debian's own list

    git clone --quiet --no-hardlinks . "$root/root/firmmap"
    # Where there is one already it is taken along: it takes minutes to compile. If it does not run there, it is compiled.
    nextest=$(PATH=$TARGET/tools/bin:$PATH command -v cargo-nextest || true)
    if [[ $nextest ]]; then
        mkdir -p "$root/root/firmmap/target/tools/bin"
        cp -L "$nextest" "$root/root/firmmap/target/tools/bin/"
    fi

    for command in demo test; do
        step "make $command"
        in_bare make --no-print-directory -C /root/firmmap "$command"
    done
    facts=$(in_bare sh -c 'python3 -VV; getconf GNU_LIBC_VERSION; gcc -dumpfullversion; rustc --version' |
        sed -nE '1s/^Python ([^ ]+).*/CPython \1/p; 2p; 3s/^/gcc /p; 4s/^(rustc [^ ]+).*/\1/p' | paste -sd, | sed 's/,/, /g')
    step "make demo and make test passed ($facts)"
    exit
fi

if ((EUID != 0)); then
    echo "needs root: it makes a Debian of its own and mounts /proc and /dev there" >&2
    exit 1
fi
if ! command -v debootstrap >/dev/null || [[ ! -e /usr/share/debootstrap/scripts/$suite ]]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends debootstrap debian-archive-keyring >/dev/null
fi
[[ -z $(git status --porcelain --untracked-files=no) ]] || echo "what is not committed here is not tested"

export TARGET=${TARGET:-$PWD/target}
mkdir -p "$TARGET/bare"
FIRMMAP_BARE_ROOT=$(mktemp -d "$TARGET/bare/$suite.XXXXXX")
export FIRMMAP_BARE_ROOT
chmod 755 "$FIRMMAP_BARE_ROOT"
inside=
# Whatever is mounted is not mounted here; one file system all the same, should that ever be wrong.
finish() {
    if [[ $inside ]]; then
        kill -KILL "$inside" 2>/dev/null || true
        wait "$inside" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$FIRMMAP_BARE_ROOT" "$FIRMMAP_BARE_ROOT.log"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child scripts/test-bare.sh "$suite" &
inside=$!
wait "$inside" || { status=$?; inside=; exit "$status"; }
inside=
