#!/usr/bin/env bash
# exim.sh start DIR | stop DIR
# A private Exim below DIR (it lives in DIR/root by chroot), listening on
# loopback ports only.  See README.md.
set -euo pipefail
me=exim
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    echo "usage: exim.sh start|stop DIR" >&2
    exit 2
}
(($# == 2)) || usage

stop() {
    stop_chrooted "$1" exim
}

check() {
    ((EUID == 0)) || skip "needs root"
    command -v python3 >/dev/null || skip "no python3 command; see install.sh"
    command -v openssl >/dev/null || skip "no openssl command; see install.sh"
    [[ -x $prefix/root/usr/sbin/exim4 && -s $prefix/root/.complete ]] || skip "no Exim in $prefix; see install.sh"
}

configure() {
    local root=$dir/root plain=$1 smtps=$2 limited=$3 notls=$4 submission=$5
    mkdir -p "$root"/etc/exim4 "$root"/var/{spool,log}/exim4
    chown 901:901 "$root"/var/{spool,log}/exim4
    chmod 644 "$root"/etc/tls/*
    # Each under his own name: what comes from a file may name a directory, what comes from the client may not.
    known_users | sed 's/.*/&: &/' >"$root/etc/exim4/users"
    cat >"$root/etc/exim4/exim4.conf" <<CONF
primary_hostname = exim.test.example
domainlist local_domains = test.example : example.net
daemon_smtp_ports = $plain : $smtps : $limited : $notls : $submission
local_interfaces = <; 127.0.0.1
tls_on_connect_ports = $smtps
tls_advertise_hosts = \${if eq{\$received_port}{$notls}{}{*}}
tls_certificate = /etc/tls/server.pem
tls_privatekey = /etc/tls/server.key
auth_advertise_hosts = \${if or{{def:tls_in_cipher}{eq{\$received_port}{$notls}}}{*}{}}
pipelining_advertise_hosts = *
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
pipelining_connect_advertise_hosts = *
dsn_advertise_hosts = *
message_size_limit = \${if eq{\$received_port}{$limited}{10240}{33554432}}
helo_allow_chars = _
keep_environment =
add_environment = PATH=/usr/bin:/bin
host_lookup =
rfc1413_hosts =
rfc1413_query_timeout = 0s
dns_again_means_nonexist = *
smtp_enforce_sync = true
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 2000
smtp_accept_max_nonmail = 2000
smtp_max_unknown_commands = 1000
smtp_receive_timeout = 60s
recipients_max = 1000
received_headers_max = 100000
header_maxsize = 10485760
header_line_maxsize = 10485760
ignore_bounce_errors_after = 0s
write_rejectlog = false
log_file_path = /var/log/exim4/exim-%slog
log_selector = +subject +received_recipients +smtp_protocol_error +smtp_syntax_error +tls_cipher -skip_delivery
# The message as it came: nothing for lack of a field, nothing by rewriting.
local_from_check = false
return_path_remove = false
envelope_to_remove = false
delivery_date_remove = false
qualify_domain = test.example
bounce_return_body = false
accept_8bitmime = true
# Mail for the user is written by his own id, which may be any.
never_users =
trusted_users =

acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data

begin acl

acl_mail:
  deny senders = refused@example.org
       message = 5.7.1 Sender refused
  defer senders = later@example.org
       message = 4.7.1 Sender put off
  deny condition = \${if eq{\$received_port}{$submission}}
       !encrypted = *
       message = 5.7.0 TLS first
  accept

acl_rcpt:
  deny condition = \${if eq{\$received_port}{$submission}}
       !authenticated = *
       message = 5.7.1 Authentication first
  accept authenticated = *
       domains = !+local_domains
  deny domains = !+local_domains
       message = 554 5.7.1 Relay access denied
  deny local_parts = blocked
       message = 5.7.1 No mail accepted for this recipient
  defer local_parts = deferred
       message = 450 4.2.0 Try again later
  defer local_parts = full
       message = 452 4.2.2 Mailbox full
  deny !verify = recipient
       message = 5.1.1 No such user
  accept

acl_data:
  deny condition = \${if def:h_X-Refuse-Content:}
       message = 5.7.1 Content refused
  accept

begin routers

mailbox:
  driver = accept
  domains = +local_domains
  local_part_suffix = +*
  local_part_suffix_optional
  local_parts = lsearch;/etc/exim4/users
  transport = maildir

elsewhere:
  driver = redirect
  domains = !+local_domains
  data = :blackhole:
  allow_fail

begin transports

# No *_add: only what is named here is put on top, with Exim's own Received.
maildir:
  driver = appendfile
  maildir_format
  create_directory
  directory = /mail/\$local_part_data
  return_path_add
  delivery_date_add = false
  envelope_to_add = false
  user = $mail_uid
  group = $mail_gid
  mode = 0644
  message_prefix =
  message_suffix =

begin retry

* * F,2m,1s

begin rewrite

begin authenticators

plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{\$auth3}{$PASSWORD}}{bool{\${lookup{\$auth2}lsearch{/etc/exim4/users}{yes}{no}}}}}}
  server_set_id = \$auth2

login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if and{{eq{\$auth2}{$PASSWORD}}{bool{\${lookup{\$auth1}lsearch{/etc/exim4/users}{yes}{no}}}}}}
  server_set_id = \$auth1
CONF
    chmod 644 "$root"/etc/exim4/*
}

start() {
    check
    stop "$1"
    prepare "$1"
    mail_owner nobody
    "$here/certs.sh" "$dir/tls"
    make_root Debian-exim
    local try v started=''
    local -a ports
    for try in 1 2 3; do
        mapfile -t ports < <(free_ports 5)
        configure "${ports[@]}"
        chroot "$dir/root" /usr/sbin/exim4 -bV >"$dir/log/start.log" 2>&1 || {
            cat "$dir/log/start.log" >&2
            die "does not take its configuration"
        }
        v=$(sed -n 's/^Exim version \([0-9.]*\).*/\1/p' "$dir/log/start.log")
        # header_line_maxsize, smtputf8_advertise_hosts and CHUNKING are older; early pipelining and the taint checks are as of then.
        [[ $(printf '%s\n' 4.96 "$v" | sort -V | head -n 1) == 4.96 ]] || skip "needs Exim 4.96 or later, this is '$v'"
        run_chrooted exim /usr/sbin/exim4 -bdf -q1m
        started=1
        wait_greets 20 "${ports[0]}" && wait_greets 20 "${ports[1]}" "$dir/tls/ca.pem" && runs_chrooted exim || started=
        [[ -z $started ]] || break
        if ((try == 3)); then
            cat "$dir/log/start.log" "$dir"/root/var/log/exim4/* >&2 || true
            stop "$dir"
            die "could not be started"
        fi
        stop "$dir"
    done
    cat >"$dir/ports.env.new" <<ENV
HOST=127.0.0.1
VERSION=$v
PLAIN_PORT=${ports[0]}
SMTPS_PORT=${ports[1]}
LIMITED_PORT=${ports[2]}
NOTLS_PORT=${ports[3]}
SUBMISSION_PORT=${ports[4]}
SIZE_LIMIT=10240
NOTLS_AUTH=yes
MAIL_DIR=$dir/root/mail
QUEUE=$dir/root/var/spool/exim4/input
LOG=$dir/root/var/log/exim4/exim-mainlog
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
