# A new Debian to run tests in, made with debootstrap; sourced by scripts/test-bare.sh and scripts/test-interpreters.sh. As root.
#
# A script that sources it runs twice. First it calls debian_begin, which makes a folder, runs the script again in namespaces of its own,
# and removes the folder afterwards. All mounts are seen by these processes only, and end with them, however they end. There,
# where FIRMMAP_DEBIAN_ROOT is set, the script calls debian_install and then in_debian.

# The suite that a word on the command line means, and its name.
debian_suite() { # WORD
    case $1 in
    12 | bookworm) suite=bookworm name='Debian 12' ;;
    13 | trixie) suite=trixie name='Debian 13' ;;
    unstable | sid) suite=sid name='Debian unstable' ;;
    *) echo "$1 is not one of 12, bookworm, 13, trixie, unstable, sid" >&2; exit 1 ;;
    esac
}

# Runs a script in namespaces of its own, with a folder for a Debian.
debian_begin() { # SCRIPT ARGUMENT…
    if ((EUID != 0)); then
        echo "needs root: it makes a Debian of its own and mounts /proc and /dev there" >&2
        exit 1
    fi
    if ! command -v debootstrap >/dev/null || [[ ! -e /usr/share/debootstrap/scripts/$suite ]]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends debootstrap debian-archive-keyring >/dev/null
    fi
    [[ -z $(git status --porcelain --untracked-files=no) ]] || echo "what is not committed here is not tested"

    export TARGET=${TARGET:-$PWD/target}
    mkdir -p "$TARGET/bare"
    FIRMMAP_DEBIAN_ROOT=$(mktemp -d "$TARGET/bare/$suite.XXXXXX")
    export FIRMMAP_DEBIAN_ROOT
    chmod 755 "$FIRMMAP_DEBIAN_ROOT"
    inside=
    trap debian_end EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child "$@" &
    inside=$!
    wait "$inside" || { status=$?; inside=; exit "$status"; }
    inside=
}

# Whatever is mounted is not mounted here; one file system all the same, should that ever be wrong.
debian_end() {
    if [[ $inside ]]; then
        kill -KILL "$inside" 2>/dev/null || true
        wait "$inside" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$FIRMMAP_DEBIAN_ROOT" "$FIRMMAP_DEBIAN_ROOT.log"
}

step() { printf '== %s: %s\n' "$name" "$*"; }

# Makes the Debian, with the network as this machine has it, and installs packages. Sets `root` and `settings`.
debian_install() { # PACKAGE…
    root=$FIRMMAP_DEBIAN_ROOT
    step "debootstrap"
    # The mirror that apt uses here; without one, debootstrap's own.
    local mirror
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | grep -v security | head -n 1 || true)
    debootstrap --variant=minbase "$suite" "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; exit 1; }
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no services
    chmod +x "$root/usr/sbin/policy-rc.d"
    # A mirror can be a snapshot, whose list of packages has expired. Its signature is checked all the same.
    echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/99snapshot"

    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    local device stream
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "$root/dev/${stream#*:}"; done

    # Names, certificates, and how pip finds its registry.
    certificates=/etc/ssl/certs/ca-certificates.crt
    mkdir -p "$root/etc/ssl/certs"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    debian_trust
    [[ ! -e /etc/pip.conf ]] || cp -L /etc/pip.conf "$root/etc/"

    settings=(HOME=/root USER=root LANG=C.UTF-8 TERM="${TERM:-dumb}" PATH=/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        SSL_CERT_FILE=$certificates CARGO_HTTP_CAINFO=$certificates PIP_CERT=$certificates PIP_ROOT_USER_ACTION=ignore)
    local variable
    while IFS= read -r variable; do
        settings+=("$variable=${!variable}")
    done < <(compgen -e | grep -xE '(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY|PIP_(EXTRA_)?INDEX_URL|PIP_DEFAULT_TIMEOUT|CARGO_(BUILD_JOBS|REGISTRIES_.*|REGISTRY_.*|SOURCE_.*|NET_.*|HTTP_PROXY|HTTP_TIMEOUT)' || true)

    step "installing $*"
    in_debian apt-get -qq update
    in_debian env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >>"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; exit 1; }
    debian_trust # pip's package brings Debian's own list
}

# What this machine trusts.
debian_trust() { cp -L "${SSL_CERT_FILE:-$certificates}" "$root$certificates"; }

in_debian() { env -i "${settings[@]}" chroot "$root" "$@" </dev/null; }
