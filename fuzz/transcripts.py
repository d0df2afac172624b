#!/usr/bin/env python3
"""Turns the dialogues of tests/transcripts into inputs for the fuzz targets, under fuzz/corpus/.

What of them reaches code that the seeds do not is found by fuzz/minimise.sh and put among the seeds. The layouts are those of the
targets' first lines; fuzz/README.md has them in a table.
"""

import pathlib
import re

FUZZ = pathlib.Path(__file__).resolve().parent
TRANSCRIPTS = FUZZ.parent / "tests" / "transcripts"


def octets(text):
    """A line of a transcript, with its escapes (tests/src/transcript.rs)."""
    text = re.sub(r"\\x([0-9a-fA-F]{2})|\\([rnt0\\])", lambda m: chr(int(m[1], 16)) if m[1] else
                  {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}[m[2]], text)
    return text.encode("utf-8", "replace") + b"\r\n"


def dialogue(text):
    """(who, octets) of each flight, one speaker after the other."""
    flights = []
    for line in text.splitlines():
        if line[:3] in ("S: ", "C: "):
            if not flights or flights[-1][0] != line[0]:
                flights.append((line[0], b""))
            flights[-1] = (line[0], flights[-1][1] + octets(line[3:]))
    return flights


def raw(step, data, *more):
    """A step that brings octets of its own."""
    return b"".join(bytes([step, len(data[at:at + 255]), *more]) + data[at:at + 255] for at in range(0, len(data), 255))


def inputs(text):
    lmtp = "protocol: lmtp" in text
    tls = "STARTTLS" in text
    flights = dialogue(text)
    said = b"".join(data for who, data in flights if who == "S")
    yield "reply", b"\x06" + said
    hello = [line[4:] for line in said.split(b"\r\n") if line.startswith((b"250-", b"250 "))]
    yield "capability", b"\n".join(hello)
    # A client that submits and supplies content whenever it may; then what the server says.
    client = bytes([lmtp | 4 * tls | 32 * ("AUTH" in text)])
    # A server, idle applications, and what the client says.
    server = bytes([int(lmtp) | 32 * ("AUTH" in text), 0])
    for who, data in flights:
        if who == "S":
            client += bytes([7, 2, 5, 255]) + raw(4, data) + bytes([8, 65, 20, 9])
        else:
            server += b"\x0d" + raw(6, data, 255) + b"\x0d"
    yield "connection", client + b"\x0a"
    yield "server", server


def main():
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        for target, data in inputs(path.read_text()):
            folder = FUZZ / "corpus" / target
            folder.mkdir(parents=True, exist_ok=True)
            (folder / path.stem).write_bytes(data)


if __name__ == "__main__":
    main()
