# shellcheck shell=bash disable=SC2034,SC2154
# Functions shared by the scripts; sourced, not run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
umask 022
# What unpack.sh brings, outside of the system.
prefix=${SMTP_TEST_PREFIX:-$(dirname "$(dirname "$here")")/target/servers}

skip() {
    echo "$me: skipped: $*" >&2
    exit 77
}
die() {
    echo "$me: $*" >&2
    exit 1
}

# free_ports N: N distinct free TCP ports on 127.0.0.1, one a line.  Ports
# below the ephemeral range of most systems are taken, so that an outgoing
# connection made meanwhile cannot occupy one.
free_ports() {
    python3 - "$1" <<'PY'
import random, socket, sys
rng, held = random.SystemRandom(), []
while len(held) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", rng.randrange(20000, 32000)))
    except OSError:
        continue
    held.append(s)
for s in held:
    print(s.getsockname()[1])
PY
}

# greets PORT|PATH [PEM]: does a server send "220" there?  With PEM: over TLS.
greets() {
    python3 - "$@" <<'PY'
import socket, ssl, sys
where = sys.argv[1]
try:
    if where.isdigit():
        s = socket.create_connection(("127.0.0.1", int(where)), 5)
    else:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(where)
    if len(sys.argv) > 2:
        c = ssl.create_default_context(cafile=sys.argv[2])
        s = c.wrap_socket(s, server_hostname="localhost")
    ok = s.recv(512).startswith(b"220")
    s.sendall(b"QUIT\r\n")
    while s.recv(512):
        pass
except OSError:
    sys.exit(1)
sys.exit(not ok)
PY
}

# wait_greets SECONDS PORT|PATH [PEM]
wait_greets() {
    local until=$((SECONDS + $1))
    shift
    until greets "$@"; do
        ((SECONDS < until)) || return 1
        sleep 0.1
    done
}

# members PID: the process ids of PID's session and process group and of all
# its descendants.
members() {
    ps -e -o pid=,ppid=,pgid=,sess= | awk -v root="$1" '
        { pid[NR] = $1; parent[$1] = $2; if ($1 == root || $3 == root || $4 == root) in_[$1] = 1 }
        END {
            do {
                more = 0
                for (i = 1; i <= NR; i++)
                    if (!(pid[i] in in_) && (parent[pid[i]] in in_)) { in_[pid[i]] = 1; more = 1 }
            } while (more)
            for (p in in_) print p
        }'
}
alive() {
    local p
    for p in "$@"; do
        # A zombie waiting for its parent does not count.
        [[ -r /proc/$p/stat ]] || continue
        [[ $(ps -o stat= -p "$p" 2>/dev/null || true) == [!Z]* ]] && echo "$p"
    done
    return 0
}

# end_tree PID WORD: ends process PID, whose command line must hold WORD (a
# process id may have been given to another process since), and all it has
# started; asks first, then insists.  Returns when none is left.
end_tree() {
    local all left try
    if [[ ! -r /proc/$1/cmdline ]] ||
        ! tr '\0' ' ' <"/proc/$1/cmdline" | grep -qF -- "$2"; then
        return 0
    fi
    mapfile -t all < <(members "$1")
    kill -TERM "$1" 2>/dev/null || true
    for try in {1..100}; do
        mapfile -t left < <(alive "${all[@]}")
        ((${#left[@]} == 0)) && return 0
        ((try == 10)) && { kill -TERM "${left[@]}" 2>/dev/null || true; }
        ((try == 40)) && { kill -KILL "${left[@]}" 2>/dev/null || true; }
        sleep 0.1
    done
    die "processes ${left[*]} did not end"
}

# prepare DIR: makes DIR, which the servers' own users must be able to reach.
prepare() {
    mkdir -p "$1"
    chmod a+x "$1"
    dir=$(cd "$1" && pwd -P)
    case $dir in
    *[!A-Za-z0-9/._+@-]*) die "unusable character in the path $dir" ;;
    esac
    local d=$dir
    while [[ $d != / ]]; do
        [[ $(stat -c %A "$d") == *[xt] ]] ||
            die "$d cannot be entered by the servers' own users; choose a directory below /tmp"
        d=$(dirname "$d")
    done
    mkdir -p "$dir/etc" "$dir/log" "$dir/mail"
    chmod 755 "$dir/etc" "$dir/log"
}

# make_root: a copy of PREFIX/root in $dir/root for a server to live in by chroot: with users and groups of its own, so that none is made
# on the machine, and all mailboxes in /mail.  Arguments: the users and groups which the server runs as.
make_root() {
    local root=$dir/root id=900 name
    rm -rf "$root"
    cp -a "$prefix/root" "$root"
    mkdir -p "$root"/{dev,etc/tls,mail,tmp,var/log,var/spool,run}
    [[ -e $root/var/run ]] || ln -s /run "$root/var/run"
    chmod 1777 "$root/tmp"
    {
        echo "root:x:0:0::/:/bin/sh"
        for name in "$@"; do
            echo "$name:x:$((++id)):$id::/nonexistent:/bin/false"
        done
        { known_users; printf '%s\n' full fulltemp dropped; } | sed "s,.*,&:x:$mail_uid:$mail_gid::/mail:/bin/false,"
    } >"$root/etc/passwd"
    id=900
    {
        echo "root:x:0:"
        for name in "$@"; do
            echo "$name:x:$((++id)):"
        done
        echo "mailusers:x:$mail_gid:"
    } >"$root/etc/group"
    echo "127.0.0.1 localhost" >"$root/etc/hosts"
    echo "hosts: files" >"$root/etc/nsswitch.conf"
    chown "$mail_uid:$mail_gid" "$root/mail"
    mknod -m 666 "$root/dev/null" c 1 3 && mknod -m 666 "$root/dev/urandom" c 1 9 && : >"$root/dev/null" ||
        skip "no device files can be made in $root"
    cp "$dir/tls"/{ca,server}.pem "$dir/tls/server.key" "$root/etc/tls/"
}

# run_chrooted NAME COMMAND…: starts a server which stays in the foreground, in $dir/root; its process id goes to $dir/NAME.pid.
run_chrooted() {
    local name=$1
    shift
    setsid chroot "$dir/root" "$@" </dev/null >"$dir/log/start.log" 2>&1 &
    echo $! >"$dir/$name.pid"
}
runs_chrooted() { # NAME
    [[ -n $(alive "$(<"$dir/$1.pid")") ]]
}
# stop_chrooted DIR NAME: ends it, and whatever it has left behind in that root.
stop_chrooted() {
    [[ -d $1 ]] || return 0
    local d pid
    local -a left
    d=$(cd "$1" && pwd -P)
    [[ -s $d/$2.pid ]] || return 0
    pid=$(<"$d/$2.pid")
    # The number may have been given to another process since.
    if [[ $(readlink "/proc/$pid/root" 2>/dev/null || true) == "$d/root" ]]; then
        end_tree "$pid" ""
    fi
    mapfile -t left < <(for pid in /proc/[0-9]*; do
        # A process may have gone further down.
        [[ $(readlink "$pid/root" 2>/dev/null || true)/ == "$d/root/"* ]] && echo "${pid#/proc/}"
    done)
    ((${#left[@]} == 0)) || kill -KILL "${left[@]}" 2>/dev/null || true
    rm -f "$d/$2.pid"
}

# Stored mail belongs to whoever ran sudo, so that a test run by that user can
# read it; run by root itself, to an unprivileged user of the mail server.
mail_owner() { # DEFAULT-USER
    if [[ -n ${SUDO_UID:-} && ${SUDO_UID} != 0 ]]; then
        mail_uid=$SUDO_UID
        mail_gid=${SUDO_GID:-$SUDO_UID}
    else
        mail_uid=$(id -u "$1")
        mail_gid=$(id -g "$1")
    fi
}

# Known everywhere: alice, bob, grace and u001 to u100.
known_users() {
    printf '%s\n' alice bob grace
    printf 'u%03d\n' {1..100}
}
PASSWORD=Correct-Horse_42
