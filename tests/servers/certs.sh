#!/usr/bin/env bash
# certs.sh DIR: writes a private CA and test certificates into DIR.
#
#   ca.pem, ca.key                   the CA; a client under test trusts ca.pem
#   server.pem, server.key           localhost, 127.0.0.1, ::1
#   expired.pem, expired.key         same names, over since 2021
#   wrongname.pem, wrongname.key     valid, but for wrong.example only
#   selfsigned.pem, selfsigned.key   localhost, not signed by the CA
#   client.pem, client.key           client certificate signed by the CA
#
# All keys: ECDSA P-256 in PKCS#8.  Nothing is made anew when DIR/ca.pem is
# there already.
set -euo pipefail

if (($# != 1)); then
    echo "usage: certs.sh DIR" >&2
    exit 2
fi
if ! command -v openssl >/dev/null; then
    echo "certs: skipped: no openssl command" >&2
    exit 77
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[[ -s $dir/ca.pem && -s $dir/.complete ]] && exit 0

work=$(mktemp -d "$dir/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
umask 077

# DIR enters the configuration through the environment, since a value in an
# openssl configuration file would need quoting.
cat >ca.cnf <<'CNF'
[ca]
default_ca = test
[test]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
serial = serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
commonName = unused
[ca_ext]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server_ext]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
[wrong_ext]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:wrong.example
[self_ext]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
[client_ext]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = email:ada@example.org
CNF
: >index.txt
printf '%s\n' "$(openssl rand -hex 15)" | sed 's/^/01/' >serial

quiet() { # run a command, show what it said only when it fails
    local out
    if ! out=$("$@" 2>&1); then
        printf 'certs: %s\n%s\n' "$*" "$out" >&2
        exit 1
    fi
}
key() { quiet openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
issue() { # NAME CN EXTENSIONS START END
    key "$1"
    quiet openssl req -new -config ca.cnf -subj "/CN=$2" -key "$1.key" -out "$1.csr"
    quiet openssl ca -batch -notext -config ca.cnf -extensions "$3" \
        -startdate "$4" -enddate "$5" -in "$1.csr" -out "$1.pem"
}
now=$(date +%s)
start=$(date -u -d "@$((now - 86400))" +%Y%m%d%H%M%SZ)
end=$(date -u -d "@$((now + 90 * 86400))" +%Y%m%d%H%M%SZ)

key ca
quiet openssl req -new -config ca.cnf -subj "/CN=Test CA" -key ca.key -out ca.csr
quiet openssl ca -batch -notext -selfsign -config ca.cnf -extensions ca_ext \
    -keyfile ca.key -startdate 20200101000000Z -enddate "$end" -in ca.csr -out ca.pem
issue server localhost server_ext "$start" "$end"
issue expired localhost server_ext 20200101000000Z 20210101000000Z
issue wrongname wrong.example wrong_ext "$start" "$end"
issue client ada@example.org client_ext "$start" "$end"
key selfsigned
quiet openssl req -new -x509 -config ca.cnf -extensions self_ext -days 90 \
    -subj /CN=localhost -key selfsigned.key -out selfsigned.pem

chmod 644 ./*.pem ./*.key # throw-away keys; tests may run as another user
mv ./ca.pem ./*.key server.pem expired.pem wrongname.pem client.pem selfsigned.pem "$dir/"
printf "complete\n" >"$dir/.complete"
chmod 755 "$dir"
