#!/usr/bin/env bash
# aiosmtpd.sh start DIR | stop DIR
# aiosmtpd below DIR, listening on loopback ports and a Unix socket.  Needs no
# root.  See README.md.
set -euo pipefail
me=aiosmtpd
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    echo "usage: aiosmtpd.sh start|stop DIR" >&2
    exit 2
}
(($# == 2)) || usage

stop() {
    [[ -d $1 ]] || return 0
    local d
    d=$(cd "$1" && pwd -P)
    if [[ -s $d/aiosmtpd.pid ]]; then
        end_tree "$(<"$d/aiosmtpd.pid")" "aiosmtpd_server.py $d"
        rm -f "$d/aiosmtpd.pid"
    fi
    if [[ -s $d/aiosmtpd.run ]]; then
        rm -rf "$(<"$d/aiosmtpd.run")"
        rm -f "$d/aiosmtpd.run"
    fi
}

start() {
    command -v openssl >/dev/null || skip "no openssl command; see install.sh"
    [[ -x $prefix/venv/bin/python && -s $prefix/venv/.complete ]] || skip "no aiosmtpd in $prefix; see install.sh"
    stop "$1"
    prepare "$1"
    "$here/certs.sh" "$dir/tls"
    local run=$dir/run try
    ((${#dir} <= 60)) || run=$(mktemp -d /tmp/as.XXXXXX)
    mkdir -p "$run"
    echo "$run" >"$dir/aiosmtpd.run"
    rm -f "$dir/ports.env" "$run/lmtp"
    PASSWORD=$PASSWORD SOCKET=$run/lmtp setsid "$prefix/venv/bin/python" "$here/aiosmtpd_server.py" "$dir" \
        </dev/null >"$dir/log/start.log" 2>&1 &
    echo $! >"$dir/aiosmtpd.pid"
    for try in {1..200}; do
        [[ ! -s $dir/ports.env ]] || break
        if ((try == 200)) || [[ -z $(alive "$(<"$dir/aiosmtpd.pid")") ]]; then
            cat "$dir/log/start.log" >&2
            stop "$dir"
            die "could not be started"
        fi
        sleep 0.1
    done
    echo ready
}

case $1 in
start) start "$2" ;;
stop) stop "$2" ;;
*) usage ;;
esac
