#!/usr/bin/env bash
# unpack.sh: brings Exim, OpenSMTPD and aiosmtpd into PREFIX/root and PREFIX/venv, without installing any of them: the Debian packages of
# mail servers exclude each other, and none of these may become the machine's own.  See README.md.
# Quick when everything is there.
set -euo pipefail
me=unpack
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Of one release, whatever release the machine has: README.md says what these versions do, and the tests pin it.
RELEASE=trixie
MIRROR=${SMTP_TEST_DEBIAN:-http://deb.debian.org/debian}
KEYS=/usr/share/keyrings/debian-archive-keyring.gpg
# dash is the shell which OpenSMTPD starts its delivery program with.
PACKAGES=(exim4-daemon-light opensmtpd dash)
AIOSMTPD=1.4.6

# apt with lists, status and cache of its own, in $work/apt: the machine's are neither read nor written.
own() { # PROGRAM ARGUMENT…
    local program=$1 apt=$work/apt
    shift
    "$program" -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root -o Acquire::Languages=none \
        -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
        -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/none" -o Dir::Etc::PreferencesParts="$apt/none" "$@"
}

# needed PACKAGE…: these packages and the libraries they need, one a line.  What only configures a machine (debconf, adduser, cron) is
# not followed.
needed() {
    local -a level=("$@") next
    local p
    local -A seen=()
    for p in "$@"; do seen[$p]=1; done
    while ((${#level[@]})); do
        mapfile -t next < <(own apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
            "${level[@]}" | sed -nE 's/^ *\|?(Pre)?Depends: (lib[^ ]*|zlib1g)$/\2/p' | sort -u)
        level=()
        for p in "${next[@]}"; do
            [[ -n ${seen[$p]:-} ]] || level+=("$p")
            seen[$p]=1
        done
    done
    printf '%s\n' "${!seen[@]}" | sort
}

fetch() { # DIR
    local try
    local -a all
    mkdir -p "$work"/apt/{lists,cache/archives}/partial "$work/apt/none"
    : >"$work/apt/status"
    echo "deb [signed-by=$KEYS] $MIRROR $RELEASE main" >"$work/apt/sources.list"
    for try in 1 2 3; do
        if own apt-get update && mapfile -t all < <(needed "${PACKAGES[@]}") && (cd "$1" && rm -f ./*.deb && own apt-get download "${all[@]}"); then
            return 0
        fi
        echo "$me: attempt $try failed" >&2
        sleep $((try * 3))
    done
    die "could not download ${PACKAGES[*]} of Debian $RELEASE"
}

unpack_root() {
    local stamp="${PACKAGES[*]} of $RELEASE" deb
    if [[ -s $prefix/root/.complete && $(<"$prefix/root/.complete") == "$stamp" ]]; then
        return 0
    fi
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || skip "no apt-get and dpkg-deb here"
    [[ -s $KEYS ]] || skip "no $KEYS to verify the packages of Debian with"
    work=$(mktemp -d "$prefix/.work.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    # The links are as the release has them (its packages do not bring them).
    mkdir -p "$work/debs" "$work/root"/usr/{bin,sbin,lib,lib64}
    ln -s usr/bin usr/sbin usr/lib usr/lib64 "$work/root/"
    fetch "$work/debs"
    for deb in "$work"/debs/*.deb; do
        dpkg-deb -x "$deb" "$work/root"
    done
    rm -rf "$work/root/usr/share" "$work/root"/usr/lib/*/gconv "$work/root/etc"
    chmod 755 "$work/root"
    chroot "$work/root" /bin/sh -c ': works' || die "what was unpacked does not run"
    echo "$stamp" >"$work/root/.complete"
    rm -rf "$prefix/root"
    mv "$work/root" "$prefix/root"
    rm -rf "$work"
    trap - EXIT
    echo "$me: unpacked $stamp"
}

make_venv() {
    local try stamp="aiosmtpd $AIOSMTPD"
    if [[ -s $prefix/venv/.complete && $(<"$prefix/venv/.complete") == "$stamp" ]] && "$prefix/venv/bin/python" -c 'import aiosmtpd' 2>/dev/null; then
        return 0
    fi
    command -v python3 >/dev/null || skip "no python3 command"
    rm -rf "$prefix/venv"
    python3 -m venv "$prefix/venv" || die "python3 cannot make a virtual environment"
    for try in 1 2 3; do
        if "$prefix/venv/bin/python" -m pip install --quiet --disable-pip-version-check "aiosmtpd==$AIOSMTPD"; then
            echo "$stamp" >"$prefix/venv/.complete"
            echo "$me: installed aiosmtpd $AIOSMTPD"
            return 0
        fi
        echo "$me: attempt $try failed" >&2
        sleep $((try * 3))
    done
    die "could not install aiosmtpd $AIOSMTPD"
}

mkdir -p "$prefix"
# One at a time.
exec 9>"$prefix/.lock"
flock 9
make_venv
((EUID == 0)) || skip "needs root to run Exim and OpenSMTPD"
unpack_root
