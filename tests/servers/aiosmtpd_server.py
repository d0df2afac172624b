"""aiosmtpd_server.py DIR: aiosmtpd's SMTP and LMTP classes on free loopback
ports and a Unix socket, with a handler that writes what it is given into
DIR/mail.  Started by aiosmtpd.sh; see README.md.
"""
import asyncio
import itertools
import logging
import os
import pathlib
import ssl
import sys

import aiosmtpd
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

DOMAINS = ("test.example", "example.net")
KNOWN = {"alice", "bob", "grace", *("u%03d" % n for n in range(1, 101))}
NAME = "aiosmtpd.test.example"
SIZE_LIMIT = 10240


class Handler:
    def __init__(self, mail, password, lmtp):
        self.mail, self.password, self.lmtp, self.log = mail, password.encode(), lmtp, logging.getLogger("handler")

    numbers = itertools.count(1)

    def authenticate(self, server, session, envelope, mechanism, data):
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        good = data.login.decode(errors="replace") in KNOWN and data.password == self.password
        return AuthResult(success=good, handled=False)

    async def handle_MAIL(self, server, session, envelope, address, options):
        if address == "refused@example.org":
            return "550 5.7.1 Sender refused"
        if address == "later@example.org":
            return "451 4.7.1 Sender put off"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        local, _, domain = address.partition("@")
        user = local.split("+")[0]
        if domain not in DOMAINS:
            if not session.authenticated:
                return "554 5.7.1 Relay access denied"
        elif user == "blocked":
            return "550 5.7.1 No mail accepted for this recipient"
        elif user == "deferred":
            return "450 4.2.0 Try again later"
        elif user == "full" and not self.lmtp:
            return "452 4.2.2 Mailbox full"
        elif user not in KNOWN and not (self.lmtp and user in ("full", "fulltemp")):
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        number = "m%06d" % next(self.numbers)
        header = envelope.original_content.partition(b"\r\n\r\n")[0]
        if b"\r\nX-Refuse-Content:" in b"\r\n" + header:
            replies = ["550 5.7.1 Content refused"] * len(envelope.rcpt_tos)
        else:
            trace = self.trace(server, session, envelope, number)
            stored = set()
            replies = [self.store(recipient, stored, number, trace, envelope.original_content) for recipient in envelope.rcpt_tos]
        # LMTP: the class sends what it gets, so the replies of all recipients are put together here.
        return "\r\n".join(replies) if self.lmtp else replies[0]

    def trace(self, server, session, envelope, number):
        """aiosmtpd itself puts nothing on top; this is the handler's, in the manner of the other servers."""
        by = "LMTP" if self.lmtp else "ESMTP" if session.extended_smtp else "SMTP"
        # session.ssl knows about STARTTLS only.
        tls = server.transport.get_extra_info("sslcontext") is not None
        with_ = by + ("S" if tls else "") + ("A" if session.authenticated else "")
        self.log.info("message %s with %s, %d octets", number, with_, len(envelope.original_content))
        lines = ("Return-Path: <%s>" % envelope.mail_from.strip("<>"),
                 "Received: from %s by %s with %s id %s" % (session.host_name, NAME, with_, number))
        return "".join(line + "\n" for line in lines).encode()

    def store(self, recipient, stored, number, trace, content):
        local, _, domain = recipient.partition("@")
        user = local.split("+")[0]
        if self.lmtp and user == "full":
            return "552 5.2.2 Mailbox full"
        if self.lmtp and user == "fulltemp":
            return "452 4.2.2 Mailbox full for now"
        if domain in DOMAINS and user not in stored:
            stored.add(user)
            new = self.mail / user / "new"
            new.mkdir(parents=True, exist_ok=True)
            unfinished = self.mail / ("." + number)
            unfinished.write_bytes(trace + content)
            unfinished.rename(new / (number))
        return "250 2.0.0 OK"


async def main(top):
    password = os.environ["PASSWORD"]
    mail = top / "mail"
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(top / "tls/server.pem", top / "tls/server.key")

    async def listen(kind=SMTP, path=None, implicit=None, limit=33554432, **options):
        handler = Handler(mail, password, kind is LMTP)

        def protocol():
            return kind(handler, hostname=NAME, enable_SMTPUTF8=True, data_size_limit=limit, loop=loop,
                        authenticator=handler.authenticate, command_call_limit=None, **options)

        if path:
            await loop.create_unix_server(protocol, path=str(path))
            os.chmod(path, 0o666)
            return path
        server = await loop.create_server(protocol, host="127.0.0.1", port=0, ssl=implicit)
        return server.sockets[0].getsockname()[1]

    # A socket address has room for a short path only.
    socket = pathlib.Path(os.environ["SOCKET"])
    env = {
        "HOST": "127.0.0.1",
        "VERSION": aiosmtpd.__version__,
        "PLAIN_PORT": await listen(tls_context=context),
        "SMTPS_PORT": await listen(implicit=context, auth_require_tls=False),
        "LIMITED_PORT": await listen(tls_context=context, limit=SIZE_LIMIT),
        "NOTLS_PORT": await listen(auth_require_tls=False),
        "SUBMISSION_PORT": await listen(tls_context=context, require_starttls=True, auth_required=True),
        "LMTP_PORT": await listen(kind=LMTP, tls_context=context),
        "LMTP_SOCKET": await listen(kind=LMTP, path=socket),
        "NOTLS_AUTH": "yes",
        "SIZE_LIMIT": SIZE_LIMIT,
        "MAIL_DIR": mail,
        "LOG": top / "log/aiosmtpd.log",
        "USER": "alice",
        "PASSWORD": password,
        "FULL_USER": "full",
        "FULL_TEMP_USER": "fulltemp",
        "CA": top / "tls/ca.pem",
        "TLS_DIR": top / "tls",
    }
    (top / "ports.env.new").write_text("".join("%s=%s\n" % pair for pair in env.items()))
    (top / "ports.env.new").rename(top / "ports.env")
    await asyncio.Event().wait()


if __name__ == "__main__":
    here = pathlib.Path(sys.argv[1])
    logging.basicConfig(filename=here / "log/aiosmtpd.log", level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(main(here))
