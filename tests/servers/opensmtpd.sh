#!/usr/bin/env bash
# opensmtpd.sh start DIR | stop DIR
# A private OpenSMTPD below DIR (it lives in DIR/root by chroot), listening on
# loopback ports only.  See README.md.
set -euo pipefail
me=opensmtpd
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    echo "usage: opensmtpd.sh start|stop DIR" >&2
    exit 2
}
(($# == 2)) || usage

stop() {
    stop_chrooted "$1" opensmtpd
}

check() {
    ((EUID == 0)) || skip "needs root"
    command -v python3 >/dev/null || skip "no python3 command; see install.sh"
    command -v openssl >/dev/null || skip "no openssl command; see install.sh"
    [[ -x $prefix/root/usr/sbin/smtpd && -s $prefix/root/.complete ]] || skip "no OpenSMTPD in $prefix; see install.sh"
}

configure() {
    local root=$dir/root plain=$1 smtps=$2 notls=$3 submission=$4 limit=$5
    local filters='filter { "sender", "later", "blocked", "deferred", "full" }' crypted
    # Its unprivileged processes have an empty directory as root.
    mkdir -p "$root/var/lib/opensmtpd/empty" "$root/etc/ssl/certs" "$root/drop"
    # For connections of its own, of which it makes none; it has to be there all the same.
    cp "$dir/tls/ca.pem" "$root/etc/ssl/certs/ca-certificates.crt"
    chown "$mail_uid:$mail_gid" "$root/drop"
    chmod 600 "$root"/etc/tls/*.key
    { known_users; printf '%s\n' blocked deferred full; } >"$root/etc/users"
    crypted=$(openssl passwd -6 "$PASSWORD")
    known_users | sed "s,.*,&\t$crypted," >"$root/etc/credentials"
    : >"$root/etc/aliases"
    echo "opensmtpd.test.example" >"$root/etc/mailname"
    cat >"$root/etc/smtpd.conf" <<CONF
smtp max-message-size $limit
smtp ciphers "HIGH"
smtp limit max-rcpt 1000
smtp limit max-mails 1000
pki localhost cert "/etc/tls/server.pem"
pki localhost key "/etc/tls/server.key"
table credentials file:/etc/credentials
table dropped { "@" = dropped }

filter "sender" phase mail-from match mail-from { "refused@example.org" } reject "550 5.7.1 Sender refused"
filter "later" phase mail-from match mail-from { "later@example.org" } reject "451 4.7.1 Sender put off"
filter "blocked" phase rcpt-to match rcpt-to { "blocked@test.example", "blocked@example.net" } reject "550 5.7.1 No mail accepted for this recipient"
filter "deferred" phase rcpt-to match rcpt-to { "deferred@test.example", "deferred@example.net" } reject "450 4.2.0 Try again later"
filter "full" phase rcpt-to match rcpt-to { "full@test.example", "full@example.net" } reject "452 4.2.2 Mailbox full"

listen on 127.0.0.1 port $plain tls pki localhost auth-optional <credentials> hostname opensmtpd.test.example $filters
listen on 127.0.0.1 port $smtps smtps pki localhost auth-optional <credentials> hostname opensmtpd.test.example $filters
listen on 127.0.0.1 port $notls hostname opensmtpd.test.example $filters
listen on 127.0.0.1 port $submission tls-require pki localhost auth <credentials> hostname opensmtpd.test.example $filters

action "maildir" maildir "/mail/%{user.username}"
action "drop" maildir "/drop" virtual <dropped>
match from any for domain { "test.example", "example.net" } action "maildir"
match auth from any for any action "drop"
CONF
    chmod 644 "$root"/etc/{users,credentials,aliases,mailname,smtpd.conf}
}

start() {
    check
    stop "$1"
    prepare "$1"
    mail_owner nobody
    "$here/certs.sh" "$dir/tls"
    make_root opensmtpd opensmtpq
    local try v started=''
    local -a ports
    v=$(chroot "$dir/root" /usr/sbin/smtpd -h 2>&1 | sed -n 's/^version: OpenSMTPD //p' || true)
    [[ $(printf '%s\n' 7.6 "$v" | sort -V | head -n 1) == 7.6 ]] || skip "needs OpenSMTPD 7.6 or later, this is '$v'"
    for try in 1 2 3; do
        mapfile -t ports < <(free_ports 4)
        configure "${ports[@]}" 33554432
        chroot "$dir/root" /usr/sbin/smtpd -n >"$dir/log/start.log" 2>&1 || {
            cat "$dir/log/start.log" >&2
            die "does not take its configuration"
        }
        # In the foreground; what it has to say goes to standard error, which run_chrooted keeps.
        run_chrooted opensmtpd /usr/sbin/smtpd -d
        started=1
        wait_greets 20 "${ports[0]}" && wait_greets 20 "${ports[1]}" "$dir/tls/ca.pem" && runs_chrooted opensmtpd || started=
        [[ -z $started ]] || break
        if ((try == 3)); then
            cat "$dir/log/start.log" >&2 || true
            stop "$dir"
            die "could not be started"
        fi
        stop "$dir"
    done
    cat >"$dir/ports.env.new" <<ENV
HOST=127.0.0.1
VERSION=${v%-portable}
PLAIN_PORT=${ports[0]}
SMTPS_PORT=${ports[1]}
NOTLS_PORT=${ports[2]}
SUBMISSION_PORT=${ports[3]}
MAIL_DIR=$dir/root/mail
QUEUE=$dir/root/var/spool/smtpd/queue
LOG=$dir/log/start.log
USER=alice
PASSWORD=$PASSWORD
CA=$dir/tls/ca.pem
TLS_DIR=$dir/tls
ENV
    chmod 644 "$dir/ports.env.new"
    mv "$dir/ports.env.new" "$dir/ports.env"
    echo ready
}

case $1 in
start) start "$2" ;;
stop) stop "$2" ;;
*) usage ;;
esac
