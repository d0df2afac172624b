#!/usr/bin/env python3
"""check.py DIR: checks the server scripts themselves, without the project's
code: starts two of each server below DIR, holds every kind of
conversation which README.md promises, delivers the whole corpus of
tests/messages and compares what was stored, stops the servers, and looks for
left-over processes.  Exit 0: all well; 1: something is not; 77: skipped.
"""
import csv
import os
import pathlib
import re
import smtplib
import ssl
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
MESSAGES = HERE.parent / "messages"
failures = 0


def check(what, ok, seen=""):
    global failures
    if not ok:
        failures += 1
        print("FAILED: %s: %r" % (what, seen))


def script(name, *arguments):
    r = subprocess.run([HERE / name, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    if r.returncode == 77:
        sys.exit(77)
    if r.returncode:
        sys.exit("%s %s: exit %d" % (name, arguments, r.returncode))
    return r.stdout


def env(directory):
    return dict(line.split("=", 1) for line in (directory / "ports.env").read_text().splitlines())


def normalise(content):
    out = content.replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\n", b"\r\n")
    return out if not out or out.endswith(b"\r\n") else out + b"\r\n"


def stuffed(content):
    """For normalised content only: each LF ends a line, no CR stands alone."""
    assert b"\r" not in content.replace(b"\r\n", b"")
    return b"".join(b"." + line if line.startswith(b".") else line for line in content.splitlines(True))


def send(s, content, parameters, recipients, lmtp=False):
    s.mail("ada@example.org", parameters)
    accepted = [r for r in recipients if s.rcpt(r)[0] == 250]
    s.putcmd("DATA")
    seen = s.getreply()
    if seen[0] != 354:
        check("354", False, seen)
        s.rset()
        return [seen]
    s.send(stuffed(content) + b".\r\n")
    return [s.getreply() for _ in (accepted if lmtp else [0])]


def stored(e, user, count, wait=20):
    """The stored messages of a user, oldest first, when there are `count`."""
    new = pathlib.Path(e["MAIL_DIR"], user, "new")
    until = time.time() + wait
    while True:
        all_ = [p.read_bytes() for p in sorted(new.glob("*"), key=lambda p: p.stat().st_mtime_ns)]
        if len(all_) >= count or time.time() > until:
            return all_
        time.sleep(0.1)


def strip(octets, wanted):
    """Takes off the fields which the server has put on top."""
    lines = octets.split(b"\n")
    while lines and lines[0].split(b":")[0] in wanted:
        wanted = wanted[1:]
        name = lines.pop(0)
        while name.startswith(b"Received:") and lines and lines[0].startswith(b"\t"):
            lines.pop(0)
    check("prepended fields", not wanted or wanted == [b"Delivered-To"], (wanted, octets[:400]))
    return b"\n".join(lines)


# How the stored message differs from the one sent, where it does.
def postfix_stores(content):
    text = content.replace(b"\r\n", b"\n")
    first = text.split(b"\n")[0]
    if first.lstrip(b">").startswith(b"From "):
        text = b"X-Mailbox-Line: " + text
        return text
    lines = text.split(b"\n")
    for i, line in enumerate(lines):
        if not line:
            break
        if not re.match(rb"[!-9;-~]+[ \t]*:" if i == 0 else rb"[ \t]|[!-9;-~]+[ \t]*:", line):
            lines.insert(i, b"")
            break
    return b"\n".join(lines)


def tls_context(e):
    return ssl.create_default_context(cafile=e["CA"])


def start_tls(s, e, **kw):
    s._host = "localhost"
    context = tls_context(e)
    if kw.get("client"):
        context.load_cert_chain(e["TLS_DIR"] + "/client.pem", e["TLS_DIR"] + "/client.key")
    s.ehlo()
    s.starttls(context=context)
    return s.ehlo()[0]


def login(s, e, mechanism="PLAIN", password=None):
    s.user, s.password = e["USER"], password or e["PASSWORD"]
    method = s.auth_plain if mechanism == "PLAIN" else s.auth_login
    try:
        return s.auth(mechanism, method, initial_response_ok=mechanism == "PLAIN")[0]
    except smtplib.SMTPAuthenticationError as x:
        return x.smtp_code


def postfix(e):
    def connect(port):
        s = smtplib.SMTP("127.0.0.1", int(e[port + "_PORT"]), local_hostname="client.test.example", timeout=30)
        s.ehlo()
        return s

    s = connect("PLAIN")
    for word in ("pipelining", "size", "starttls", "enhancedstatuscodes", "8bitmime", "dsn", "smtputf8", "chunking"):
        check("offers " + word, s.has_extn(word))
    check("no AUTH before TLS", not s.has_extn("auth"))
    check("refused sender", s.mail("refused@example.org")[0] == 550)
    check("sender put off", s.mail("later@example.org")[0] == 451)
    s.mail("ada@example.org")
    for r, code in (("alice@test.example", 250), ("grace@example.net", 250), ("bob+tag@test.example", 250),
                    ("nobody@test.example", 550), ("blocked@test.example", 550), ("deferred@test.example", 450),
                    ("full@test.example", 452), ("x@elsewhere.example", 554)):
        seen = s.rcpt(r)
        check(r, seen[0] == code, seen)
    s.rset()
    check("refused content", send(s, b"X-Refuse-Content: 1\r\n\r\nx\r\n", [], ["bob@test.example"])[0][0] == 550)
    check("STARTTLS", start_tls(s, e) == 250)
    check("AUTH after TLS", s.has_extn("auth"))
    check("wrong password", login(s, e, password="wrong") == 535)
    check("AUTH PLAIN", login(s, e) == 235)
    check("relay after AUTH", s.mail("ada@example.org")[0] == 250 and s.rcpt("x@elsewhere.example")[0] == 250)
    s.quit()
    s = connect("PLAIN")
    start_tls(s, e)
    check("AUTH LOGIN", login(s, e, "LOGIN") == 235)
    s.quit()

    s = connect("NOTLS")
    check("no STARTTLS", not s.has_extn("starttls") and s.has_extn("auth"))
    check("AUTH in the clear", login(s, e) == 235)
    s.quit()

    s = smtplib.SMTP_SSL("localhost", int(e["SMTPS_PORT"]), context=tls_context(e), timeout=30)
    s.ehlo()
    users = ["u%03d@test.example" % i for i in range(1, 95)]
    bad = ["nobody%d@test.example" % i for i in range(4)] + ["deferred@test.example", "blocked@test.example"]
    refused = s.sendmail("ada@example.org", users + bad, "Subject: one hundred\r\n\r\nbody\r\n")
    check("100 recipients, 6 refused", sorted(refused) == sorted(bad), refused)
    s.quit()
    check("stored for the last of them", len(stored(e, "u094", 1)) == 1)

    s = connect("LIMITED")
    check("SIZE offered", s.esmtp_features["size"] == e["SIZE_LIMIT"])
    check("SIZE= too big", s.mail("ada@example.org", ["SIZE=10241"])[0] == 552)
    check("the size is kept until RSET", s.mail("ada@example.org")[0] == 552)
    s.rset()
    seen = send(s, b"Subject: big\r\n\r\n" + b"0123456789\r\n" * 1000, [], ["alice@test.example"])
    check("too big after the final dot", seen[0][0] == 552, seen)
    s.quit()

    s = connect("SUBMISSION")
    check("530 before TLS", s.mail("ada@example.org")[0] == 530)
    start_tls(s, e)
    s.mail("ada@example.org")
    check("554 before AUTH", s.rcpt("alice@test.example")[0] == 554)
    s.rset()
    check("AUTH there", login(s, e) == 235)
    check("accepted then", s.mail("ada@example.org")[0] == 250 and s.rcpt("alice@test.example")[0] == 250)
    s.quit()

    for port in ("EXPIRED", "WRONGNAME", "SELFSIGNED"):
        s = connect(port)
        try:
            start_tls(s, e)
            check(port, False)
        except ssl.SSLCertVerificationError:
            pass
    s = connect("MTLS")
    check("client certificate", start_tls(s, e, client=True) == 250)
    s.quit()
    s = connect("MTLS")
    try:
        # With TLS 1.3 the refusal comes only after the client's handshake.
        check("no client certificate", start_tls(s, e) != 250)
    except (smtplib.SMTPServerDisconnected, ssl.SSLError, ConnectionError):
        pass

    # A message to several: no "for" clause in Received.
    s = connect("PLAIN")
    send(s, b"Subject: two\r\n\r\nbody\r\n", [], ["u095@test.example", "u096@example.net"])
    s.quit()
    check("to two", [strip(m, TOP_POSTFIX) for m in stored(e, "u096", 1)] == [b"Subject: two\n\nbody\n"])


TOP_POSTFIX = [b"Return-Path", b"X-Original-To", b"Delivered-To", b"Received"]
TOP_DOVECOT = [b"Return-Path", b"Delivered-To", b"Received"]


def dovecot(e):
    for where, port, tls in (("127.0.0.1", int(e["LMTP_PORT"]), False), ("127.0.0.1", int(e["LMTP_PORT"]), True),
                             (e["LMTP_SOCKET"], 0, False)):
        s = smtplib.LMTP(where, port)
        s.ehlo()
        if tls:
            check("LMTP STARTTLS", start_tls(s, e) == 250)
        s.mail("ada@example.org")
        codes = [s.rcpt(r)[0] for r in ("alice@test.example", "nobody@test.example", "full@test.example",
                                        "fulltemp@test.example", "bob+tag@example.net")]
        check("LMTP recipients", codes == [250, 550, 250, 250, 250], codes)
        s.putcmd("DATA")
        s.getreply()
        s.send(b"Subject: three\r\n\r\nbody\r\n.\r\n")
        codes = [s.getreply()[0] for _ in range(4)]
        check("LMTP replies", codes == [250, 552, 452, 250], codes)
        s.quit()
    check("LMTP stored", len(stored(e, "alice", 3)) == 3)
    check("LMTP not stored", stored(e, "full", 0) == [] and stored(e, "fulltemp", 0) == [])


def others(what, e):
    """Exim, OpenSMTPD and aiosmtpd: what they have in common."""
    unknown, elsewhere = (550, 550) if what == "opensmtpd.sh" else (550, 554)
    for port, tls in (("PLAIN", False), ("PLAIN", True), ("SMTPS", False)):
        if port == "SMTPS":
            s = smtplib.SMTP_SSL("localhost", int(e["SMTPS_PORT"]), context=tls_context(e), timeout=30)
        else:
            s = smtplib.SMTP("127.0.0.1", int(e[port + "_PORT"]), local_hostname="client.test.example", timeout=30)
        if tls:
            check("STARTTLS", start_tls(s, e) == 250)
        else:
            s.ehlo()
        check("refused sender", s.mail("refused@example.org")[0] == 550)
        s.rset()
        check("sender put off", s.mail("later@example.org")[0] == 451)
        s.rset()
        s.mail("ada@example.org")
        for r, code in (("alice@test.example", 250), ("grace@example.net", 250), ("bob+tag@test.example", 250),
                        ("nobody@test.example", unknown), ("blocked@test.example", 550), ("deferred@test.example", 450),
                        ("full@test.example", 452), ("x@elsewhere.example", elsewhere)):
            seen = s.rcpt(r)
            check("%s: %s" % (what, r), seen[0] == code, seen)
        s.rset()
        if tls or port == "SMTPS":
            check("wrong password", login(s, e, password="wrong") == 535)
            check("AUTH LOGIN", login(s, e, "LOGIN") == 235)
            check("relay after AUTH", s.mail("ada@example.org")[0] == 250 and s.rcpt("x@elsewhere.example")[0] == 250)
            s.rset()
        content = b"Date: Thu, 01 Jan 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"
        seen = send(s, content, [], ["u001@test.example"])
        check("accepted", seen[0][0] == 250, seen)
        s.quit()
    check("%s: stored" % what, len(stored(e, "u001", 3)) == 3)


def corpus(what, s, e, top, expectation, lmtp):
    """Each message of the corpus to a user of its own, then compares."""
    rows = [r for r in csv.DictReader(open(MESSAGES / "expected.tsv"), delimiter="\t", quoting=csv.QUOTE_NONE)
            if r["verdict"] != "refused-nul"]
    sent = {}
    for i, r in enumerate(rows, 1):
        content = normalise((MESSAGES / r["file"]).read_bytes())
        parameters = ["BODY=8BITMIME"] if r["eight_bit"] == "1" else []
        if r["eight_bit_header"] == "1" and s.has_extn("smtputf8"):
            parameters.append("SMTPUTF8")
        user = "u%03d" % i
        before = len(stored(e, user, 0))
        reply = send(s, content, parameters, [user + "@test.example"], lmtp)
        check("%s: %s" % (what, r["file"]), reply[0][0] == 250, reply)
        sent[r["file"]] = (user, before, content)
    s.quit()
    for name, (user, before, content) in sent.items():
        seen = stored(e, user, before + 1)
        if len(seen) != before + 1:
            check("%s: %s: stored" % (what, name), False, len(seen))
            continue
        got, wanted = strip(seen[-1], top), expectation(content)
        if got != wanted:
            at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
            check("%s: %s: differs at %d" % (what, name, at), False,
                  (len(got), len(wanted), got[max(0, at - 30):at + 40], wanted[max(0, at - 30):at + 40]))
    print("%s: %d messages stored" % (what, len(sent)))


def processes(directory):
    """Processes which have something below `directory` as command or working directory."""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if p.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] == "Z" or int(p.name) == os.getpid():
                continue
            line = p.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(directory) in os.readlink(p / "cwd") or (str(directory) in line and "check.py" not in line):
                found.append("%s %s" % (p.name, line))
        except OSError:
            pass
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check.py DIR")
    top = pathlib.Path(sys.argv[1])
    top.mkdir(parents=True, exist_ok=True)
    top = top.resolve()
    p1, p2, d1, d2 = (top / n for n in ("p1", "p2", "d1", "d2"))
    servers = [("postfix.sh", p1), ("dovecot.sh", d1), ("postfix.sh", p2), ("dovecot.sh", d2)]
    more = [(name, top / (name + number)) for name in ("exim.sh", "opensmtpd.sh", "aiosmtpd.sh") for number in "12"]
    try:
        for name, directory in servers + more:
            check("ready", script(name, "start", directory) == "ready\n")
        for name, directory in more:
            others(name, env(directory))
        postfix(env(p1))
        dovecot(env(d1))
        e = env(p2)
        s = smtplib.SMTP("127.0.0.1", int(e["PLAIN_PORT"]), local_hostname="client.test.example", timeout=30)
        s.ehlo()
        corpus("postfix", s, e, TOP_POSTFIX, postfix_stores, False)
        e = env(d2)
        s = smtplib.LMTP("127.0.0.1", int(e["LMTP_PORT"]), local_hostname="client.test.example")
        s.ehlo()
        corpus("dovecot", s, e, TOP_DOVECOT, lambda c: c.replace(b"\r\n", b"\n"), True)
    finally:
        for name, directory in servers + more:
            script(name, "stop", directory)
    check("no process left", not processes(top), processes(top))
    print("check: %s" % ("all well" if not failures else "%d failures" % failures))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
