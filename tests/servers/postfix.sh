#!/usr/bin/env bash
# postfix.sh start DIR | stop DIR
# A private Postfix below DIR, listening on loopback ports only, with AUTH
# through a private Dovecot (DIR/sasl), or through another one when
# AUTH_SOCKET is set.  See README.md.
set -euo pipefail
me=postfix
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    echo "usage: postfix.sh start|stop DIR" >&2
    exit 2
}
(($# == 2)) || usage

DOMAINS=(test.example example.net)

# The process id of the master which runs with this queue directory; its
# command line names no directory, but it works in that one.
master_of() {
    local pid
    pid=$(tr -d ' \n' 2>/dev/null <"$1/pid/master.pid" || true)
    if [[ -n $pid && $(readlink "/proc/$pid/cwd" 2>/dev/null || true) == "$1" ]]; then
        echo "$pid"
    fi
}
stop_master() {
    local pid
    pid=$(master_of "$1")
    [[ -z $pid ]] || end_tree "$pid" master
    rm -f "$1/pid/master.pid"
}

stop() {
    [[ -d $1 ]] || return 0
    local d spool
    d=$(cd "$1" && pwd -P)
    if [[ -s $d/postfix.spool ]]; then
        spool=$(<"$d/postfix.spool")
        stop_master "$spool"
        case $spool in
        /tmp/pf.*) rm -rf "$spool" ;;
        esac
        rm -f "$d/postfix.spool"
    fi
    if [[ -d $d/sasl ]]; then
        "$here/dovecot.sh" stop "$d/sasl"
    fi
}

check() {
    command -v postfix >/dev/null || skip "no postfix command; see install.sh"
    command -v python3 >/dev/null || skip "no python3 command; see install.sh"
    command -v openssl >/dev/null || skip "no openssl command; see install.sh"
    ((EUID == 0)) || skip "needs root"
    local v
    v=$(postconf -d -h mail_version)
    # maillog_file and smtpd_tls_chain_files came with 3.4.
    [[ $(printf '%s\n' 3.4 "$v" | sort -V | head -n 1) == 3.4 ]] ||
        skip "needs Postfix 3.4 or later, this is $v"
    if [[ -z ${AUTH_SOCKET:-} ]]; then
        command -v dovecot >/dev/null || skip "no dovecot command, needed for AUTH; see install.sh"
    fi
}

configure() {
    local u domain t=$dir/tls
    local plain=$1 smtps=$2 limited=$3 notls=$4 submission=$5 mtls=$6
    local expired=$7 wrongname=$8 selfsigned=$9

    rm -rf "$dir/data" # left-over locks and caches
    mkdir -p "$spool" "$dir/data"
    chown root:root "$spool" "$dir/etc"
    chown postfix "$dir/data"
    chmod 755 "$spool"
    chmod 700 "$dir/data"
    chown "$mail_uid:$mail_gid" "$dir/mail"
    chmod 755 "$dir/mail"

    for domain in "${DOMAINS[@]}"; do
        {
            known_users
            # Known, but refused or put off by the access table.
            printf '%s\n' blocked deferred full
        } | while read -r u; do
            echo "$u@$domain $u/"
        done
    done >"$dir/etc/mailboxes"
    for domain in "${DOMAINS[@]}"; do
        echo "blocked@$domain 550 5.7.1 No mail accepted for this recipient"
        echo "deferred@$domain 450 4.2.0 Try again later"
        echo "full@$domain 452 4.2.2 Mailbox full"
    done >"$dir/etc/recipient_access"
    cat >"$dir/etc/sender_access" <<'ACCESS'
refused@example.org 550 5.7.1 Sender refused
later@example.org 451 4.7.1 Sender put off
ACCESS
    echo '/^X-Refuse-Content:/ REJECT 5.7.1 Content refused' >"$dir/etc/header_checks"

    cat >"$dir/etc/main.cf" <<CONF
compatibility_level = 3.4
queue_directory = $spool
data_directory = $dir/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = $dir/log/postfix.log
maillog_file_prefixes = $dir
syslog_name = postfix-test

myhostname = mx.test.example
mydomain = test.example
myorigin = test.example
mydestination =
mynetworks =
inet_interfaces = loopback-only
inet_protocols = ipv4
smtpd_banner = \$myhostname ESMTP
biff = no
alias_maps =
alias_database =
local_recipient_maps =

# Nothing leaves this machine: mail for other domains is thrown away, and so
# are bounces.
default_transport = discard
relay_transport = discard
local_transport = error:5.1.1 no local mailboxes
notify_classes =

virtual_mailbox_domains = ${DOMAINS[*]}
virtual_mailbox_base = $dir/mail
virtual_mailbox_maps = texthash:$dir/etc/mailboxes
virtual_uid_maps = static:$mail_uid
virtual_gid_maps = static:$mail_gid
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
recipient_delimiter = +

message_size_limit = 33554432
header_size_limit = 10485760
header_address_token_limit = 1000000
hopcount_limit = 100000
queue_minfree = 0

# Leave the message alone.
local_header_rewrite_clients =
remote_header_rewrite_domain =
message_drop_headers =
always_add_missing_headers = no
disable_mime_output_conversion = yes
header_checks = regexp:$dir/etc/header_checks

smtpd_delay_reject = no
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions =
    reject_unlisted_recipient,
    check_recipient_access texthash:$dir/etc/recipient_access
smtpd_sender_restrictions = check_sender_access texthash:$dir/etc/sender_access
unknown_virtual_mailbox_reject_code = 550
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 2000
smtpd_junk_command_limit = 2000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_recipient_limit = 1000
smtpd_timeout = 60s

smtpd_tls_security_level = may
smtpd_tls_chain_files = $t/server.key, $t/server.pem
smtpd_tls_auth_only = yes
smtpd_tls_received_header = no
smtpd_tls_loglevel = 1

smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = $auth_socket
smtpd_sasl_security_options = noanonymous
broken_sasl_auth_clients = no
CONF

    cat >"$dir/etc/master.cf" <<CONF
127.0.0.1:$plain inet n - n - - smtpd
127.0.0.1:$smtps inet n - n - - smtpd
    -o smtpd_tls_wrappermode=yes
127.0.0.1:$limited inet n - n - - smtpd
    -o message_size_limit=10240
127.0.0.1:$notls inet n - n - - smtpd
    -o smtpd_tls_security_level=none
    -o smtpd_tls_auth_only=no
127.0.0.1:$submission inet n - n - - smtpd
    -o smtpd_tls_security_level=encrypt
    -o smtpd_delay_reject=yes
    -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:$mtls inet n - n - - smtpd
    -o smtpd_tls_security_level=encrypt
    -o smtpd_tls_CAfile=$t/ca.pem
    -o smtpd_tls_req_ccert=yes
127.0.0.1:$expired inet n - n - - smtpd
    -o smtpd_tls_chain_files=$t/expired.key,$t/expired.pem
127.0.0.1:$wrongname inet n - n - - smtpd
    -o smtpd_tls_chain_files=$t/wrongname.key,$t/wrongname.pem
127.0.0.1:$selfsigned inet n - n - - smtpd
    -o smtpd_tls_chain_files=$t/selfsigned.key,$t/selfsigned.pem
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
CONF
    chmod 644 "$dir/etc"/*
}

start() {
    check
    stop "$1"
    prepare "$1"
    mail_owner postfix
    "$here/certs.sh" "$dir/tls"
    local try rc spool started='' auth_socket=${AUTH_SOCKET:-}
    if [[ -z $auth_socket ]]; then
        "$here/dovecot.sh" start "$dir/sasl" >/dev/null || {
            rc=$?
            echo "$me: the Dovecot for AUTH did not start" >&2
            exit "$rc"
        }
        auth_socket=$(sed -n 's/^AUTH_SOCKET=//p' "$dir/sasl/ports.env")
    fi
    # A long directory name does not fit into a socket address.
    spool=$dir/spool
    if ((${#dir} > 60)); then
        spool=$(mktemp -d /tmp/pf.XXXXXX)
    fi
    echo "$spool" >"$dir/postfix.spool"
    local -a ports
    for try in 1 2 3; do
        mapfile -t ports < <(free_ports 9)
        configure "${ports[@]}"
        if postfix -c "$dir/etc" start >"$dir/log/start.log" 2>&1; then
            started=1
            # The master listens on all ports or on none; two are enough.
            wait_greets 20 "${ports[0]}" &&
                wait_greets 20 "${ports[1]}" "$dir/tls/ca.pem" || started=
            # All of them ours?  A master that could not bind one has ended.
            [[ -n $(master_of "$spool") ]] || started=
            [[ -z $started ]] || break
        fi
        if ((try == 3)); then
            cat "$dir/log/start.log" >&2
            tail -n 20 "$dir/log/postfix.log" >&2 || true
            stop "$dir"
            die "could not be started"
        fi
        stop_master "$spool"
    done
    chmod 644 "$dir/log"/*.log
    cat >"$dir/ports.env.new" <<ENV
HOST=127.0.0.1
PLAIN_PORT=${ports[0]}
SMTPS_PORT=${ports[1]}
LIMITED_PORT=${ports[2]}
NOTLS_PORT=${ports[3]}
SUBMISSION_PORT=${ports[4]}
MTLS_PORT=${ports[5]}
EXPIRED_PORT=${ports[6]}
WRONGNAME_PORT=${ports[7]}
SELFSIGNED_PORT=${ports[8]}
SIZE_LIMIT=10240
MAIL_DIR=$dir/mail
LOG=$dir/log/postfix.log
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
