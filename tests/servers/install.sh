#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages which the real-server tests need, and
# then, by unpack.sh, brings the servers that are not to be installed.
# Needs root.  No system service is started: while the packages are being
# configured a policy-rc.d that answers 101 ("forbidden") is in place; what
# was there before is put back afterwards.
# Quick when everything is already installed.
set -euo pipefail

PACKAGES=(postfix dovecot-core dovecot-lmtpd openssl python3)

missing=()
for p in "${PACKAGES[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null || true)
    # A command already on the path will do, whoever installed it.
    if [[ $p == openssl || $p == python3 ]] && command -v "$p" >/dev/null; then
        continue
    fi
    [[ $state == installed ]] || missing+=("$p")
done
# What needs no system package; the last word of this script.
unpack() {
    local status=0
    "$(dirname "${BASH_SOURCE[0]}")/unpack.sh" || status=$?
    exit "$status"
}
# A Debian python3 makes no virtual environment without this package.
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]} == 0)); then
    echo "install: all packages present"
    unpack
fi
if ! command -v apt-get >/dev/null; then
    echo "install: skipped: no apt-get here; install ${missing[*]} by hand" >&2
    exit 77
fi
if ((EUID != 0)); then
    echo "install: skipped: needs root to install ${missing[*]}" >&2
    exit 77
fi

policy=/usr/sbin/policy-rc.d
saved=
work=$(mktemp -d)
restore() {
    if [[ -n $saved ]]; then
        cp -a "$saved" "$policy"
    else
        rm -f "$policy"
    fi
    rm -rf "$work"
}
if [[ -e $policy || -L $policy ]]; then
    saved=$work/policy-rc.d
    cp -a "$policy" "$saved"
    rm -f "$policy"
fi
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
# Packages already there keep their configuration: "No configuration" leaves
# the system's own Postfix without a main.cf.
if command -v debconf-set-selections >/dev/null; then
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
fi
ok=
for try in 1 2 3; do
    if apt-get -qq -o Acquire::Retries=3 update &&
        apt-get -qq -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
            -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 \
            install --no-install-recommends "${missing[@]}"; then
        ok=1
        break
    fi
    echo "install: attempt $try failed" >&2
    sleep $((try * 3))
done
if [[ -z $ok ]]; then
    echo "install: could not install ${missing[*]}" >&2
    exit 1
fi
# A service that came with a package just installed shall not start at the
# next boot either; one which was there before is left as it was.
if [[ -d /run/systemd/system ]]; then
    for p in "${missing[@]}"; do
        case $p in
        postfix) systemctl disable postfix >/dev/null 2>&1 || true ;;
        dovecot-core) systemctl disable dovecot.socket dovecot >/dev/null 2>&1 || true ;;
        esac
    done
fi
echo "install: installed ${missing[*]}"
unpack
