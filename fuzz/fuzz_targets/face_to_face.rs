//! The client machine against the server machine over a line on which everything takes its time, or that goes dead: what the client says
//! became of a message is what the server knows (laws 1, 2, 7, 9).
//!
//! The machines, the line and the judge are those of `smtp-proto/tests/face_to_face.rs`; only the drawing is different.
#![no_main]

#[path = "../../smtp-proto/tests/face_to_face/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;
use smtp_proto::config::Chunking;
use world::{Message, Setting, Turn, check};

/// What content is made of; a number beyond is an octet of its own.
const PIECES: [&[u8]; 12] = [
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"..",
    b"\r\n.\r\n",
    b"\n.\n",
    b"a",
    b"line of text\r\n",
    b"\xc3\xa4",
    b"\0",
    b"QUIT\r\n",
];

// Octet 0: configuration; 1: splitting; 2 and 3: where the line is cut, and how; 4: how many messages. Then the messages, and the turns.
fuzz_target!(|data: &[u8]| {
    let [choice, split, cut, cut_at, count, rest @ ..] = data else { return };
    let mut octets = rest.iter().copied();
    let lmtp = choice & 1 != 0;
    let split = if *split == 0 { usize::MAX } else { usize::from(*split) };
    let messages: Vec<Message> = (0..=count % 4).map(|_| message(lmtp, split, &mut octets)).collect();
    // Within the first dialogue, or within the content.
    let at = (usize::from(cut & 0x1f) << 8 | usize::from(*cut_at)) * if cut & 0x20 == 0 { 1 } else { 32 };
    let setting = Setting {
        lmtp,
        pipelining: choice & 2 == 0,
        offers_pipelining: choice & 4 == 0,
        chunking: [Chunking::Auto, Chunking::Yes, Chunking::No, Chunking::Auto][usize::from(choice >> 6)],
        offers_chunking: choice & 8 == 0,
        split,
        cut_up: (cut & 0x40 != 0).then_some(at),
        cut_down: (cut & 0x80 != 0).then_some(at),
        silent: choice & 16 != 0,
        turns: octets.map(Turn).collect(),
        messages,
    };
    check(&setting, |_, _| {});
});

fn message(lmtp: bool, split: usize, octets: &mut impl Iterator<Item = u8>) -> Message {
    let mut next = || octets.next().unwrap_or_default();
    let (choice, codes, ends, length) = (next(), next(), next(), next());
    let pick = |codes: u8, nth: u8, of: [u16; 4]| of[usize::from(codes >> (2 * nth) & 3)];
    let rcpt: Vec<u16> = (0..=choice & 3).map(|nth| pick(codes, nth, [250, 250, 450, 550])).collect();
    // LMTP: one for each possible recipient.
    let end = (0..if lmtp { 4 } else { 1 }).map(|nth| pick(ends, nth, [250, 250, 451, 554])).collect();
    let mut content = b"Subject: x\r\n\r\n".to_vec();
    for _ in 0..length % 32 {
        let octet = next();
        match PIECES.get(usize::from(octet)) {
            Some(piece) => content.extend_from_slice(piece),
            None => content.push(octet),
        }
    }
    // Now and then it is more than a chunk.
    if choice & 0xf0 == 0xf0 && split > 100 {
        content = content.repeat(1_000);
    }
    let source_fails = (choice & 4 != 0).then(|| usize::from(next())).filter(|at| *at < content.len());
    Message { content, facts_known: choice & 8 == 0, rcpt, end, source_fails }
}
