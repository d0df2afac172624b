#!/usr/bin/env python3
"""Writes the corpus of messages (*.eml) and expected.tsv next to itself.

Deterministic (fixed seed, no clock, no library beyond the standard one): run
it again and nothing changes.  `make.py --check` writes nothing, and fails when
a file on disk differs from what would be written.

The .eml files are octets; never let an editor or a version control system
convert their line ends.
"""
import base64
import binascii
import hashlib
import pathlib
import quopri
import random
import re
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
RND = random.Random(20260101)
files = {}


def put(name, content):
    assert name not in files, name
    files[name] = content


def crlf(text):
    """Text written with LF here, as the octets of a message."""
    if isinstance(text, str):
        text = text.encode("utf-8")
    return text.replace(b"\n", b"\r\n")


def head(subject, extra="", n=[0]):
    n[0] += 1
    return (
        "Date: Thu, 01 Jan 2026 12:%02d:00 +0000\n"
        "From: Ada Example <ada@example.org>\n"
        "To: Grace Example <grace@example.net>\n"
        "Message-ID: <corpus-%03d@example.org>\n"
        "Subject: %s\n%s" % (n[0] % 60, n[0], subject, extra)
    )


def plain(subject, body, extra=""):
    return crlf(head(subject, extra) + "\n") + (crlf(body) if isinstance(body, str) else body)


def b64(octets):
    t = base64.b64encode(octets).decode()
    return "".join(t[i:i + 76] + "\n" for i in range(0, len(t), 76))


def noise(n):
    return RND.randbytes(n)


# --- attachments ------------------------------------------------------------

def png(width, height):
    """An RGB picture; stored (not compressed) blocks keep it the same everywhere."""
    raw = b"".join(b"\0" + bytes((x * 3 + y) & 255 for x in range(width * 3)) for y in range(height))
    z = b"\x78\x01"
    for i in range(0, len(raw), 60000):
        part = raw[i:i + 60000]
        z += struct.pack("<BHH", i + 60000 >= len(raw), len(part), len(part) ^ 0xFFFF) + part
    a, b = 1, 0
    for o in raw:
        a = (a + o) % 65521
        b = (b + a) % 65521
    z += struct.pack(">I", b << 16 | a)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", binascii.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", z) + chunk(b"IEND", b""))


def pdf():
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 144] /Contents 4 0 R\n"
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length 44 >>\nstream\nBT /F1 24 Tf 30 60 Td (Hello, Grace!) Tj ET   \nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, at = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for i, o in enumerate(objects, 1):
        at.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (i, o)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % a for a in at)
    return out + b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start


def tnef():
    def attribute(level, ident, data):
        return struct.pack("<BII", level, ident, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)

    return (struct.pack("<IH", 0x223E9F78, 1)
            + attribute(1, 0x00089006, struct.pack("<I", 0x00010000))
            + attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
            + attribute(1, 0x00078008, b"IPM.Microsoft Mail.Note\0")
            + attribute(1, 0x00018004, b"A winmail.dat attachment\0")
            + attribute(1, 0x0002800C, b"The body, in TNEF.\0"))


# --- RSA, DKIM and ARC ------------------------------------------------------
# The key comes from the fixed seed, so that it is no secret at all and the
# signatures can be made again octet for octet.

def prime(bits, rnd):
    while True:
        n = rnd.getrandbits(bits) | 1 | 3 << (bits - 2)
        if any(n % p == 0 for p in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)) or n % 65537 == 1:
            continue
        d, s = n - 1, 0
        while d % 2 == 0:
            d, s = d // 2, s + 1
        for _ in range(40):
            x = pow(rnd.randrange(2, n - 1), d, n)
            if x in (1, n - 1):
                continue
            for _ in range(s - 1):
                x = x * x % n
                if x == n - 1:
                    break
            else:
                break
        else:
            return n


class Rsa:
    def __init__(self, seed, bits=2048):
        rnd = random.Random(seed)
        p, q = prime(bits // 2, rnd), prime(bits // 2, rnd)
        self.n, self.e = p * q, 65537
        self.d = pow(self.e, -1, (p - 1) * (q - 1))
        self.size = bits // 8

    def sign(self, octets):
        info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(octets).digest()
        padded = b"\0\1" + b"\xff" * (self.size - len(info) - 3) + b"\0" + info
        s = pow(int.from_bytes(padded, "big"), self.d, self.n).to_bytes(self.size, "big")
        return base64.b64encode(s).decode()

    def public(self):
        """SubjectPublicKeyInfo, DER."""
        def der(tag, data):
            length = bytes([len(data)]) if len(data) < 128 else None
            if length is None:
                raw = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
                length = bytes([0x80 | len(raw)]) + raw
            return bytes([tag]) + length + data

        def integer(i):
            return der(2, i.to_bytes(i.bit_length() // 8 + 1, "big"))

        key = der(0x30, integer(self.n) + integer(self.e))
        return der(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + der(3, b"\0" + key))


def fields(header):
    return re.findall(rb"(?:[^\r\n]+\r\n)(?:[ \t][^\r\n]*\r\n)*", header)


def relaxed_field(f):
    name, value = f.split(b":", 1)
    value = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.strip().lower() + b":" + value + b"\r\n"


def relaxed_body(body):
    body = re.sub(rb"[ \t]+", b" ", body)
    body = re.sub(rb" \r\n", b"\r\n", body)
    body = re.sub(rb"(\r\n)+\Z", b"\r\n", body)
    return b"" if body == b"\r\n" else body


def simple_body(body):
    return re.sub(rb"(\r\n)*\Z", b"", body) + b"\r\n"


def fold(value):
    return "\n ".join(value[i:i + 70] for i in range(0, len(value), 70))


def dkim(key, message, canon, names, field="DKIM-Signature", start="v=1; "):
    """The signature field of a message (RFC 6376), to be put on top of it."""
    header, body = message.split(b"\r\n\r\n", 1)
    header = fields(header + b"\r\n")
    head_canon, body_canon = canon.split("/")
    digest = hashlib.sha256((relaxed_body if body_canon == "relaxed" else simple_body)(body)).digest()
    made = crlf(
        "%s: %sa=rsa-sha256; c=%s; d=example.org; s=corpus;\n t=1767268800; h=%s;\n bh=%s;\n b="
        % (field, start, canon, ":".join(names), base64.b64encode(digest).decode()))
    canon_field = relaxed_field if head_canon == "relaxed" else bytes
    signed, left = b"", list(header)
    for name in names:
        for f in reversed(left):
            if f.split(b":")[0].lower() == name.lower().encode():
                signed += canon_field(f)
                left.remove(f)
                break
    signed += canon_field(made + b"\r\n")[:-2]
    return made + crlf("\n " + fold(key.sign(signed)) + "\n")


KEY = Rsa(6376)
SIGNED = ["From", "To", "Subject", "Date", "Message-ID"]

# --- everyday messages ------------------------------------------------------

put("welcome.eml", crlf("""\
Return-Path: <ada@example.org>
Date: Thu, 01 Jan 2026 09:30:00 +0000
From: Ada Example <ada@example.org>
To: Grace Example <grace@example.net>
Cc: Alan Example <alan@example.net>
Bcc: Edsger Example <edsger@example.net>
Message-ID: <welcome-1@example.org>
Subject: Welcome! Your first message
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii
Content-Transfer-Encoding: 7bit

Hello Grace,

this is the first message on its way to you. If you can read it, then the
connection stands, the server has taken the message, and nothing was lost
between us:

  - this line begins with two blanks,
.  - this one begins with a dot,

and the line above this paragraph is empty. Write back when it has arrived!

Yours,
Ada
"""))

put("plain-ascii.eml", plain("plain ASCII", "The plainest of messages.\n\nTwo paragraphs, no more.\n"))
put("lf-only.eml", (head("bare LF throughout") + "\nEvery line of this file ends in LF alone,\n"
                    "as a file made on Unix does.\n\n.\n..\nlast line\n").encode())
put("mixed-attachments.eml", crlf(head("three attachments", """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_corpus_mixed"
""") + """
This is a message in MIME format.
--=_corpus_mixed
Content-Type: text/plain; charset=us-ascii

A picture, a document and a forwarded message are attached.

--=_corpus_mixed
Content-Type: image/png; name="gradient.png"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="gradient.png"

""" + b64(png(40, 30)) + """\
--=_corpus_mixed
Content-Type: application/pdf; name="hello.pdf"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="hello.pdf"

""" + b64(pdf()) + """\
--=_corpus_mixed
Content-Type: message/rfc822
Content-Disposition: inline

Date: Wed, 31 Dec 2025 23:59:59 +0000
From: Alan Example <alan@example.net>
To: Ada Example <ada@example.org>
Message-ID: <nested-1@example.net>
Subject: the nested message
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_inner"

--=_inner
Content-Type: text/plain

.nested line beginning with a dot
.

--=_inner--

--=_corpus_mixed--
"""))
put("large-png.eml", crlf(head("a picture of 150 KB", """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_big"
""") + "\n--=_big\nContent-Type: text/plain\n\nSee the picture.\n--=_big\n"
    'Content-Type: image/png; name="big.png"\nContent-Transfer-Encoding: base64\n\n'
    + b64(png(240, 150)) + "--=_big--\n"))
put("large-binary.eml", crlf(head("200 KB of noise in base64", """\
MIME-Version: 1.0
Content-Type: application/octet-stream; name="noise.bin"
Content-Transfer-Encoding: base64
""") + "\n" + b64(noise(148000))))
put("large-dots.eml", crlf(head("100 KB in which each line begins with a dot") + "\n"
                           + "".join("." * (1 + i % 5) + " line %d\n" % i for i in range(6500))))
put("alternative.eml", crlf(head("text and HTML", """\
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_alt"
""") + """
--=_alt
Content-Type: text/plain; charset=us-ascii

Hello in text.

--=_alt
Content-Type: text/html; charset=us-ascii

<!DOCTYPE html>
<html><body><p>Hello in <b>HTML</b>.</p>
<p style="margin: 0
.5em">This source line begins with a dot.</p></body></html>

--=_alt--
"""))
put("latin1-8bit.eml", crlf(head("8-bit body in ISO-8859-1", """\
MIME-Version: 1.0
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 8bit
""") + "\n") + crlf("Grüße aus Köln! Ça va? ¡Señor!\n¼ + ½ = ¾\n".encode("latin-1")))
put("utf8-8bit.eml", crlf(head("8-bit body in UTF-8", """\
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
""") + "\nGrüße, Привет, 你好, שלום, مرحبا.\n"))
put("emoji.eml", crlf(head("=?utf-8?B?8J+Yig==?= emoji in body", """\
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
""") + "\n👋🏽 👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 \u202eright to left\u202c\n.🐛 after a dot\n"))
put("utf8-header.eml", crlf("""\
Date: Thu, 01 Jan 2026 12:00:00 +0000
From: Жанна Пример <жанна@пример.example>
To: "Grüße" <grüße@example.net>
Message-ID: <utf8-header@example.org>
Subject: Привет – 你好 – grüß Gott
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Raw UTF-8 in the header fields and here: тест.
"""))
put("utf8-header-ascii-body.eml", crlf("""\
Date: Thu, 01 Jan 2026 12:00:00 +0000
From: =?utf-8?Q?not?= <ada@example.org>
To: grace@example.net
Message-ID: <utf8-header-2@example.org>
Subject: only this field holds 8-bit: naïve
Content-Type: text/plain; charset=us-ascii

The body is plain ASCII.
"""))
put("encoded-words.eml", crlf("""\
Date: Thu, 01 Jan 2026 12:00:00 +0000
From: =?iso-8859-1?Q?J=F6rg_Beispiel?= <joerg@example.org>
To: =?utf-8?B?0JbQsNC90L3QsA==?= <grace@example.net>
Message-ID: <encoded-words@example.org>
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?=
 =?utf-8?B?IEvDtmxu?= =?iso-2022-jp?B?GyRCRnxLXBsoQg==?=

Encoded words in every charset.
"""))
put("quoted-printable.eml", crlf(head("quoted-printable", """\
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable
""") + "\n") + crlf(quopri.encodestring(
    "Grüße! A long line which has to be broken softly because it is longer than the 76 characters "
    "which are allowed, = signs too.\nTrailing blanks:   \n.dot\n=2E not a dot\n".encode())))
put("base64-body.eml", crlf(head("text in base64", """\
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64
""") + "\n" + b64("Ein ganz gewöhnlicher Text, in Base64.\r\n".encode() * 4)))
put("format-flowed.eml", plain("format=flowed, quoting and signature", """\
> Are the trailing blanks still there? 
>> Yes, they are. 

A flowed paragraph, each line of which \nends in one blank, \nuntil here.

-- \nAda
""", "Content-Type: text/plain; charset=us-ascii; format=flowed; delsp=no\n"))

# --- signed, forwarded, reported --------------------------------------------

base = plain("signed by DKIM, simple", "The body must not change by one octet.\n\n  two blanks  in\there\n\n\n")
put("dkim-simple.eml", dkim(KEY, base, "simple/simple", SIGNED) + base)
base = plain("signed by  DKIM,\n relaxed", "Blanks \t may   change, words may not. \n.\n..\nend\n\n\n")
put("dkim-relaxed.eml", dkim(KEY, base, "relaxed/relaxed", SIGNED) + base)
base = plain("signed by DKIM over 8-bit", crlf("Grüße, signed.\n"),
             "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n")
put("dkim-8bit.eml", dkim(KEY, base, "relaxed/simple", SIGNED) + base)

base = plain("with an ARC set", "Forwarded by a list which seals what it saw.\n")
base = dkim(KEY, base, "relaxed/relaxed", SIGNED) + base
results = crlf("ARC-Authentication-Results: i=1; lists.example.org;\n"
               " dkim=pass header.d=example.org header.s=corpus;\n spf=pass smtp.mailfrom=example.org\n")
ams = dkim(KEY, base, "relaxed/relaxed", SIGNED + ["DKIM-Signature"], "ARC-Message-Signature", "i=1; ")
seal = crlf("ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.org; s=corpus;\n t=1767268800; b=")
seal += crlf("\n " + fold(KEY.sign(relaxed_field(results) + relaxed_field(ams) + relaxed_field(seal + b"\r\n")[:-2]))
             + "\n")
put("arc.eml", seal + ams + results + base)

put("mailing-list.eml", crlf("""\
Return-Path: <talk-bounces+grace=example.net@lists.example.org>
Received: from lists.example.org (lists.example.org [192.0.2.25])
\tby mx.example.net with ESMTPS id 4ABC123
\tfor <grace@example.net>; Thu, 01 Jan 2026 12:00:03 +0000
Received: from localhost (localhost [127.0.0.1])
\tby lists.example.org with LMTP; Thu, 01 Jan 2026 12:00:02 +0000
Delivered-To: talk@lists.example.org
X-Original-To: talk@lists.example.org
Date: Thu, 01 Jan 2026 12:00:00 +0000
From: Ada Example via talk <talk@lists.example.org>
Reply-To: Ada Example <ada@example.org>, talk@lists.example.org
To: talk@lists.example.org
Message-ID: <list-1@example.org>
In-Reply-To: <list-0@example.org>
References: <list-a@example.org>
 <list-0@example.org>
Subject: [talk] Re: On lists
X-BeenThere: talk@lists.example.org
X-Mailman-Version: 3.3.8
Precedence: list
List-Id: Small talk <talk.lists.example.org>
List-Archive: <https://lists.example.org/archives/talk>
List-Help: <mailto:talk-request@lists.example.org?subject=help>
List-Post: <mailto:talk@lists.example.org>
List-Subscribe: <mailto:talk-join@lists.example.org>
List-Unsubscribe: <https://lists.example.org/u/abc>,
 <mailto:talk-leave@lists.example.org>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Sender: talk-bounces@lists.example.org
Errors-To: talk-bounces@lists.example.org

On the list, as usual.
_______________________________________________
talk mailing list -- talk@lists.example.org
"""))
put("bounce-dsn.eml", crlf("""\
Return-Path: <>
Date: Thu, 01 Jan 2026 12:00:00 +0000
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: ada@example.org
Message-ID: <dsn-1@mx.example.net>
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
 boundary="=_dsn"

--=_dsn
Content-Type: text/plain; charset=us-ascii
Content-Description: Notification

I could not deliver your message:

<nobody@example.net>: host mx.example.net said: 550 5.1.1 no such user

--=_dsn
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Thu, 01 Jan 2026 11:59:58 +0000

Final-Recipient: rfc822; nobody@example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--=_dsn
Content-Type: text/rfc822-headers

From: Ada Example <ada@example.org>
To: nobody@example.net
Subject: are you there?
Message-ID: <lost-1@example.org>

--=_dsn--
"""))
put("calendar-invite.eml", crlf(head("Invitation: tea", """\
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_cal"
""") + """
--=_cal
Content-Type: text/plain; charset=us-ascii

Tea at four?

--=_cal
Content-Type: text/calendar; charset=utf-8; method=REQUEST
Content-Transfer-Encoding: 7bit

BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//Corpus//EN
METHOD:REQUEST
BEGIN:VEVENT
UID:tea-1@example.org
DTSTAMP:20260101T120000Z
DTSTART:20260102T160000Z
DTEND:20260102T170000Z
ORGANIZER:mailto:ada@example.org
ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:grace@example.net
SUMMARY:Tea
DESCRIPTION:A description which is folded after seventy-five octets as is t
 he custom.
END:VEVENT
END:VCALENDAR

--=_cal--
"""))
put("winmail-tnef.eml", crlf(head("a winmail.dat", """\
MIME-Version: 1.0
X-MS-Has-Attach: yes
X-MS-TNEF-Correlator: <corpus-tnef@example.org>
Content-Type: multipart/mixed; boundary="=_tnef"
""") + '\n--=_tnef\nContent-Type: text/plain\n\nSee winmail.dat.\n--=_tnef\n'
    'Content-Type: application/ms-tnef; name="winmail.dat"\nContent-Transfer-Encoding: base64\n\n'
    + b64(tnef()) + "--=_tnef--\n"))
put("pgp-mime-signed.eml", crlf(head("PGP/MIME in structure", """\
MIME-Version: 1.0
Content-Type: multipart/signed; micalg=pgp-sha256;
 protocol="application/pgp-signature"; boundary="=_pgp"
""") + """
--=_pgp
Content-Type: text/plain; charset=us-ascii

- - Dashes, a trailing blank: \n.a dot, and From here on:
From the octets of this part the signature was made.

--=_pgp
Content-Type: application/pgp-signature; name="signature.asc"

-----BEGIN PGP SIGNATURE-----

""" + b64(noise(120)) + """=QUJD
-----END PGP SIGNATURE-----

--=_pgp--
"""))
put("smime-signed.eml", crlf(head("S/MIME in structure", """\
MIME-Version: 1.0
Content-Type: multipart/signed; micalg=sha-256;
 protocol="application/pkcs7-signature"; boundary="=_smime"
""") + "\n--=_smime\nContent-Type: text/plain\n\nSigned text.\n\n--=_smime\n"
    'Content-Type: application/pkcs7-signature; name="smime.p7s"\n'
    'Content-Transfer-Encoding: base64\n\n' + b64(b"\x30\x82\x03\x84" + noise(900)) + "\n--=_smime--\n"))

# --- lines ------------------------------------------------------------------

put("line-998.eml", plain("a line of 998 characters", "x" * 998 + "\nafter\n"))
put("line-998-dot.eml", plain("998 characters, the first a dot", "." + "x" * 997 + "\nafter\n"))
put("line-999.eml", plain("a line of 999 characters", "x" * 999 + "\nafter\n"))
put("line-2000.eml", plain("lines of 2000 characters", ("<td>cell</td>" * 200)[:2000] + "\n" + "y" * 2000 + "\n"))
put("line-2000-utf8.eml", crlf(head("2000 octets of 2-octet characters", """\
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
""") + "\nx" + "ü" * 999 + "y\nafter\n"))
put("line-100k.eml", plain("one line of 100 KB, no newline", ("0123456789" * 10240).encode()))
put("long-header-folded.eml", crlf(
    head("a header field of 60 KB", "X-Long: start\n"
         + "".join("\tfolded line %04d %s\n" % (i, "z" * 50) for i in range(870))) + "\nbody\n"))
put("long-header-line.eml", plain("a field of one 4000-character line", "body\n", "X-Line: " + "h" * 3992 + "\n"))
put("received-500.eml", crlf("".join(
    "Received: from hop%03d.example.org (hop%03d.example.org [192.0.2.%d])\n"
    "\tby hop%03d.example.org with ESMTPS id Q%05d;\n\tThu, 01 Jan 2026 12:%02d:%02d +0000\n"
    % (i, i, i % 256, i + 1, i, i // 60 % 60, i % 60) for i in range(499, -1, -1)) + head("500 hops") + "\nbody\n"))

# --- dots -------------------------------------------------------------------

put("dots.eml", plain("dots at line starts", "first\n.\n..\n...\n.x\n..x\n. \n .\nx.\n\n.\n\n.\n.\nend.\n.\n"))
put("dot-first-octet.eml", b".starts with a dot\r\nSubject: first octet is a dot\r\n\r\nbody\r\n")
put("dot-only.eml", b".")
put("dot-dot-only.eml", b"..")
put("dot-line-only.eml", b".\r\n")
put("dot-last-no-newline.eml", plain("a dot is the last octet", b"text\r\n."))
put("crlf-dot-crlf-only.eml", b"\r\n.\r\n")
put("lf-dot-lf.eml", plain("LF dot LF", b"before\n.\nafter\r\n"))
put("cr-dot-cr.eml", plain("CR dot CR", b"before\r.\rafter\r\n"))
put("cr-dot-crlf.eml", plain("CR dot CRLF", b"before\r.\r\nafter\r\n"))
put("crlf-dot-cr.eml", plain("CRLF dot CR", b"before\r\n.\rafter\r\n"))
put("crlf-dot-lf.eml", plain("CRLF dot LF", b"before\r\n.\nafter\r\n"))

# --- line ends --------------------------------------------------------------

put("one-bare-lf.eml", plain("one bare LF among CRLF", b"one\r\ntwo\nthree\r\n"))
put("bare-lf-in-header.eml", b"From: ada@example.org\r\nTo: grace@example.net\nSubject: bare LF in header\r\n"
    b" folded\n\tagain\r\n\nThe line before this was a bare LF.\r\n")
put("bare-cr.eml", plain("bare CR in the body", b"one\rtwo\r\n\rthree\r\nfour\r\r\rfive\r\n"))
put("bare-cr-in-header.eml", b"From: ada@example.org\r\nSubject: bare CR\rX-Injected: yes\r\n\r\nbody\r\n")
put("cr-cr-lf.eml", plain("CR CR LF", b"one\r\r\ntwo\r\r\r\nthree\r\n"))
put("lf-cr.eml", plain("LF CR", b"one\n\rtwo\n\r\nthree\r\n"))
put("trailing-cr.eml", plain("CR is the last octet", b"text\r"))
put("trailing-crlf-cr.eml", plain("CRLF CR at the end", b"text\r\n\r"))
put("trailing-lf.eml", plain("LF is the last octet", b"text\r\nend\n"))
put("no-final-newline.eml", plain("no final newline", b"the last line has no end"))
put("many-final-newlines.eml", plain("empty lines at the end", b"text\r\n" + b"\r\n" * 20))
put("cr-only.eml", b"\r")
put("lf-line-only.eml", b"\n")
put("crlf-only.eml", b"\r\n")
put("one-octet.eml", b"x")
put("empty.eml", b"")
put("empty-body.eml", crlf(head("headers and a blank line") + "\n"))
put("headers-only.eml", crlf(head("headers without a blank line")))
put("body-only.eml", b"\r\nNo header at all: the first line is empty.\r\n")
put("no-header-structure.eml", b"This text has neither fields nor an empty line.\r\n")
put("blank-start.eml", b" begins with a blank: a folded line of nothing\r\nSubject: x\r\n\r\nbody\r\n")

# --- smuggling --------------------------------------------------------------

EVIL = (b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\n"
        b"From: evil@example.org\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\nQUIT\r\n")
for name, end in (("crlf-crlf", b"\r\n.\r\n"), ("lf-crlf", b"\n.\r\n"), ("lf-lf", b"\n.\n"), ("cr-crlf", b"\r.\r\n"),
                  ("cr-cr", b"\r.\r"), ("crlf-cr", b"\r\n.\r"), ("crlf-lf", b"\r\n.\n"),
                  ("cr-lf-split", b"\r\r\n.\r\r\n"), ("nul", b"\r\n\0.\r\n")):
    put("smuggle-%s.eml" % name, plain("smuggling by " + name, b"before" + end + EVIL))

# --- odd octets -------------------------------------------------------------

put("nul-body.eml", plain("NUL in the body", b"before\0after\r\n"))
put("nul-header.eml", b"From: ada@example.org\r\nSubject: NUL \0 in header\r\n\r\nbody\r\n")
put("utf16-garbage.eml", plain("UTF-16 where text should be", "\ufeffHello, UTF-16!\r\n.\r\n".encode("utf-16-le")))
put("binary-garbage.eml", plain("octets at random, without NUL",
                                bytes(o or 1 for o in noise(3000))))
put("controls.eml", plain("control characters", bytes(o for o in range(1, 32) if o not in (10, 13)) + b"\x7f\r\n"))
put("invalid-utf8-header.eml", plain("8-bit header, not UTF-8", "body\n", "X-Name: caf").replace(
    b"X-Name: caf", b"X-Name: caf\xe9 \xff\xfe\r\n"))
put("mbox-from.eml", plain("lines beginning with From", "From here to there\n>From quoted\n>>From twice\nFrom\n"))
put("mbox-from-first.eml", b"From ada@example.org Thu Jan  1 12:00:00 2026\r\n"
    + plain("begins with an mbox separator", "body\n"))
put("mbox-quoted-first.eml", b">From ada@example.org Thu Jan  1 12:00:00 2026\r\n"
    + plain("begins with a quoted mbox separator", "body\n"))
put("resent.eml", crlf("Resent-From: alan@example.net\nResent-To: edsger@example.net\n"
                       "Resent-Date: Thu, 01 Jan 2026 13:00:00 +0000\nResent-Message-ID: <resent-1@example.net>\n"
                       "Resent-Bcc: hidden@example.net\n" + head("resent") + "\nbody\n"))
put("read-receipt.eml", plain("asks for a receipt", "Please confirm.\n",
                              "Disposition-Notification-To: ada@example.org\nReturn-Receipt-To: ada@example.org\n"
                              "Importance: high\nX-Priority: 1\n"))


# --- the oracle -------------------------------------------------------------
# Written octet by octet, on purpose unlike any streaming implementation.

def normalise(content):
    out = bytearray()
    n = len(content)
    for i in range(n):
        o = content[i]
        if o == 13:
            if i + 1 < n and content[i + 1] == 10:
                out.append(13)
            else:
                out.append(32)
        elif o == 10:
            if i == 0 or content[i - 1] != 13:
                out.append(13)
            out.append(10)
        else:
            out.append(o)
    if out and bytes(out[-2:]) != b"\r\n":
        out += b"\r\n"
    return bytes(out)


def header_of(normalised):
    """Up to the first empty line; everything when there is none."""
    if normalised.startswith(b"\r\n"):
        return b""
    return normalised.split(b"\r\n\r\n", 1)[0]


def row(name):
    content = files[name]
    wanted = normalise(content)
    verdict = "refused-nul" if 0 in content else "same" if wanted == content else "normalised"
    return "\t".join((
        name, verdict, str(int(any(o > 127 for o in wanted))),
        str(int(any(o > 127 for o in header_of(wanted)))), hashlib.sha256(wanted).hexdigest()))


def main():
    names = sorted(files)
    out = {n: files[n] for n in names}
    out["expected.tsv"] = ("file\tverdict\teight_bit\teight_bit_header\tsha256_normalised\n"
                           + "".join(row(n) + "\n" for n in names)).encode()
    public = KEY.public()
    pem = base64.b64encode(public).decode()
    out["dkim-public.pem"] = ("-----BEGIN PUBLIC KEY-----\n"
                              + "".join(pem[i:i + 64] + "\n" for i in range(0, len(pem), 64))
                              + "-----END PUBLIC KEY-----\n").encode()
    out["dkim-public.txt"] = b"corpus._domainkey.example.org\tv=DKIM1; k=rsa; p=%s\n" % base64.b64encode(public)
    bad = []
    if sys.argv[1:] == ["--check"]:
        bad = [n for n, c in out.items() if not (HERE / n).is_file() or (HERE / n).read_bytes() != c]
    elif sys.argv[1:]:
        sys.exit("usage: make.py [--check]")
    else:
        for n, c in out.items():
            (HERE / n).write_bytes(c)
    stray = [p.name for p in HERE.glob("*.eml") if p.name not in out]
    readme = (HERE / "README.md").read_text() if (HERE / "README.md").exists() else ""
    untold = [n for n in names if "`%s`" % n not in readme]
    for what, list_ in (("differs", bad), ("not made by this script", stray), ("not in README.md", untold)):
        for n in list_:
            print("%s: %s" % (n, what), file=sys.stderr)
    print("%d messages" % len(names))
    sys.exit(bool(bad or stray))


if __name__ == "__main__":
    main()
