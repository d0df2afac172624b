#!/usr/bin/env bash
# dovecot.sh start DIR | stop DIR
# A private Dovecot below DIR: LMTP on a loopback port and on a Unix socket,
# and an authentication socket for Postfix.  See README.md.
set -euo pipefail
me=dovecot
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    echo "usage: dovecot.sh start|stop DIR" >&2
    exit 2
}
(($# == 2)) || usage

stop() {
    [[ -d $1 ]] || return 0
    local d base pid
    d=$(cd "$1" && pwd -P)
    [[ -s $d/dovecot.base ]] || return 0
    base=$(<"$d/dovecot.base")
    if [[ -s $base/master.pid ]]; then
        pid=$(<"$base/master.pid")
        end_tree "$pid" "$d/etc/dovecot.conf"
    fi
    rm -f "$d/dovecot.ready"
    case $base in
    /tmp/dc.*) rm -rf "$base" ;;
    esac
    rm -f "$d/dovecot.base"
}

check() {
    command -v dovecot >/dev/null || skip "no dovecot command; see install.sh"
    command -v python3 >/dev/null || skip "no python3 command; see install.sh"
    command -v openssl >/dev/null || skip "no openssl command; see install.sh"
    local v
    v=$(dovecot --version)
    case $v in
    2.3.*) ;;
    *) skip "the configuration is written for Dovecot 2.3, this is $v" ;;
    esac
    ((EUID == 0)) || skip "needs root"
    [[ -x /usr/lib/dovecot/lmtp || -x /usr/libexec/dovecot/lmtp ]] ||
        skip "no LMTP server; see install.sh"
}

configure() { # PORT
    local u quota
    # A long directory name does not fit into a socket address.
    base=$dir/run
    if [[ -s $dir/dovecot.base ]]; then
        base=$(<"$dir/dovecot.base")
    elif ((${#dir} > 60)); then
        base=$(mktemp -d /tmp/dc.XXXXXX)
    fi
    mkdir -p "$base"
    chmod 755 "$base"
    echo "$base" >"$dir/dovecot.base"

    {
        known_users | while read -r u; do
            echo "$u:{PLAIN}$PASSWORD:$mail_uid:$mail_gid::$dir/mail/$u::"
        done
        # Over quota: "full" permanently, "fulltemp" for now.
        quota='userdb_quota_rule=*:bytes=1000'
        echo "full:{PLAIN}$PASSWORD:$mail_uid:$mail_gid::$dir/mail/full::$quota"
        echo "fulltemp:{PLAIN}$PASSWORD:$mail_uid:$mail_gid::$dir/mail/fulltemp::$quota userdb_quota_full_tempfail=yes"
    } >"$dir/etc/users"
    chmod 644 "$dir/etc/users"

    for u in full fulltemp; do
        mkdir -p "$dir/mail/$u"/{cur,new,tmp}
        {
            printf 'From: old@example.org\nTo: %s@test.example\nSubject: fills the mailbox\n\n' "$u"
            printf 'This message is bigger than the whole quota.%.0s\n' {1..60}
        } >"$dir/mail/$u/cur/1.filler.test:2,S"
    done
    chown "$mail_uid:$mail_gid" "$dir/mail"
    chown -R "$mail_uid:$mail_gid" "$dir/mail/full" "$dir/mail/fulltemp"

    cat >"$dir/etc/dovecot.conf" <<CONF
protocols = lmtp
instance_name = test-$1
base_dir = $base
state_dir = $base/state
listen = 127.0.0.1
log_path = $dir/log/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S "
auth_verbose = yes
hostname = dovecot.test.example
postmaster_address = postmaster@test.example
login_greeting = ready

mail_location = maildir:~/
first_valid_uid = 1
mail_plugins = quota
plugin {
  quota = maildir:User quota
  quota_grace = 0
}
lmtp_client_workarounds =
lda_mailbox_autocreate = yes
recipient_delimiter = +

disable_plaintext_auth = no
auth_mechanisms = ${AUTH_MECHANISMS:-plain login scram-sha-256 cram-md5}
auth_username_format = %Ln
auth_failure_delay = 0
auth_cache_size = 0
passdb {
  driver = passwd-file
  args = $dir/etc/users
}
userdb {
  driver = passwd-file
  args = $dir/etc/users
}

ssl = yes
ssl_cert = <$dir/tls/server.pem
ssl_key = <$dir/tls/server.key
ssl_min_protocol = TLSv1.2
ssl_dh =

service lmtp {
  process_limit = 20
  inet_listener lmtp {
    address = 127.0.0.1
    port = $1
  }
  unix_listener lmtp {
    mode = 0666
  }
}
service auth {
  unix_listener sasl {
    mode = 0666
  }
}
service anvil {
  chroot =
  # No penalty for wrong passwords: it would slow down whoever comes next from the same address.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
CONF
}

start() {
    check
    stop "$1"
    prepare "$1"
    mail_owner dovecot
    "$here/certs.sh" "$dir/tls"
    local port try
    for try in 1 2 3; do
        port=$(free_ports 1)
        configure "$port"
        if dovecot -c "$dir/etc/dovecot.conf" >"$dir/log/start.log" 2>&1 &&
            wait_greets 20 "$port" && wait_greets 5 "$base/lmtp" &&
            [[ -s $base/master.pid && -d /proc/$(<"$base/master.pid") && -S $base/sasl ]]; then
            break
        fi
        ((try < 3)) || {
            cat "$dir/log/start.log" >&2
            tail -n 20 "$dir/log/dovecot.log" >&2 || true
            stop "$dir"
            die "could not be started"
        }
        stop "$dir"
    done
    chmod 644 "$dir/log"/*.log
    cat >"$dir/ports.env.new" <<ENV
LMTP_HOST=127.0.0.1
LMTP_PORT=$port
LMTP_SOCKET=$base/lmtp
AUTH_SOCKET=$base/sasl
MAIL_DIR=$dir/mail
LOG=$dir/log/dovecot.log
USER=alice
PASSWORD=$PASSWORD
FULL_USER=full
FULL_TEMP_USER=fulltemp
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
