//! The messages of `tests/messages`, what a server must get of each, and a large one.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use smtp_client_tokio::{Client, Message};
use smtp_proto::{Plan, config::Chunking};

use crate::{
    client::{envelope, verdicts},
    mail::{Mail, Stores},
};

/// A message of the corpus.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// With CRLF line ends as the server must get it; `None`: it has a NUL and is refused here (W16).
    pub(crate) wanted: Option<Vec<u8>>,
    /// The header has octets that need SMTPUTF8.
    pub(crate) eight_bit_header: bool,
}

/// All of it, as `expected.tsv` lists it; the list is checked against the files and against [`normalised`].
pub(crate) fn corpus() -> Vec<Sample> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("messages");
    let table = fs::read_to_string(dir.join("expected.tsv")).unwrap();
    let samples: Vec<_> = table.lines().skip(1).map(|row| sample(&dir, row)).collect();
    let on_disk = fs::read_dir(&dir)
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().extension() == Some("eml".as_ref()));
    assert_eq!(samples.len(), on_disk.count(), "expected.tsv lists every message");
    assert!(samples.len() >= 80);
    samples
}

fn sample(dir: &Path, row: &str) -> Sample {
    let columns: Vec<_> = row.split('\t').collect();
    let [name, verdict, eight_bit, eight_bit_header, sha256] = columns[..] else {
        panic!("five columns: {row}")
    };
    let path = dir.join(name);
    let octets = fs::read(&path).unwrap();
    assert_eq!(octets.contains(&0), verdict == "refused-nul", "{name}");
    assert_eq!(!octets.is_ascii(), eight_bit == "1", "{name}");
    let wanted = (verdict != "refused-nul").then(|| normalised(&octets));
    if let Some(wanted) = &wanted {
        assert_eq!(wanted == &octets, verdict == "same", "{name}");
        let digest = Sha256::digest(wanted).iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        });
        assert_eq!(digest, sha256, "{name}");
    }
    Sample { name: name.to_owned(), path, wanted, eight_bit_header: eight_bit_header == "1" }
}

/// The line ends of W18, W19 and W2, told independently of the code under test: CRLF and bare LF become CRLF, bare CR one blank; a last
/// line without end gets one.
fn normalised(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + 2);
    for (at, octet) in octets.iter().enumerate() {
        match octet {
            b'\r' if octets.get(at + 1) == Some(&b'\n') => {}
            b'\r' => out.push(b' '),
            b'\n' => out.extend_from_slice(b"\r\n"),
            _ => out.push(*octet),
        }
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// A message of exactly `size` octets, the same each time: lines of 0 to 76 characters, every eighth beginning with dots.
pub(crate) fn large(size: usize) -> Vec<u8> {
    let mut out = b"From: ada@example.org\r\nTo: alice@test.example\r\nSubject: large\r\n\r\n".to_vec();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    while out.len() + 100 < size {
        let shape = next();
        let length = (shape % 77) as usize;
        let dots = if shape & 0x700 == 0 { length.min((shape >> 16 & 3) as usize) } else { 0 };
        out.extend(std::iter::repeat_n(b'.', dots));
        for _ in dots..length {
            out.push(b'!' + (next() >> 32) as u8 % 94);
        }
        out.extend_from_slice(b"\r\n");
    }
    out.resize(size - 2, b'x');
    out.extend_from_slice(b"\r\n");
    out
}

/// Where a message's octets come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    File,
    Memory,
    Reader,
}

impl Source {
    async fn message(self, path: &Path) -> Message {
        match self {
            Self::File => Message::open(path).await.unwrap(),
            Self::Memory => Message::from_bytes(fs::read(path).unwrap()),
            Self::Reader => Message::from_reader(std::io::Cursor::new(fs::read(path).unwrap())),
        }
    }
}

/// Sends the whole corpus with one client, each message to a user of its own, and compares what is stored octet for octet.
///
/// `flights`: the server offers what a message in one flight needs, and this is how the client uses it. `settled` takes out of what is
/// stored what is different each time.
pub(crate) async fn arrives(
    plan: Plan,
    mail: &Mail,
    from: Source,
    flights: Option<Chunking>,
    stores: Stores,
    settled: fn(Vec<u8>) -> Vec<u8>,
) {
    let client = Client::new(plan);
    let mut sent = Vec::new();
    // All of them, for whoever meets a new version of a server.
    let mut unlike = Vec::new();
    for (number, sample) in corpus().into_iter().enumerate() {
        let user = format!("u{:03}", number + 1);
        let message = from.message(&sample.path).await;
        let mut envelope = envelope([format!("{user}@test.example")]);
        // Nothing is known about what is streamed, so the submitter says it.
        envelope.sender.smtputf8 = sample.eight_bit_header;
        let report = client.send(envelope, message).await.unwrap();
        match sample.wanted {
            Some(wanted) => {
                let stored = stores(&wanted);
                let verdict = stored.as_ref().err().copied().unwrap_or("delivered 250 2.0.0");
                let found = verdicts(&report);
                if found != [verdict] {
                    unlike.push(format!("{}: {found:?} instead of {verdict}", sample.name));
                    continue;
                }
                if let Some(chunking) = flights {
                    // R153: small ones of which everything is known are one flight.
                    let flight = chunking == Chunking::Auto
                        && !matches!(from, Source::Reader)
                        && wanted.len() <= 64 * 1024;
                    let turns = report.round_trips;
                    assert!(if flight { turns == 1 } else { turns >= 2 }, "{}: {turns}", sample.name);
                    assert!(chunking != Chunking::No || turns == 2, "{}: {turns}", sample.name);
                }
                sent.extend(stored.ok().map(|stored| (user, sample.name, stored)));
            }
            None => {
                // W16; a source that can be read twice is refused before anybody is spoken to.
                assert_eq!(verdicts(&report), ["rejected 554 5.6.0 body local"], "{}", sample.name);
                assert_eq!(report.attempts.is_empty(), !matches!(from, Source::Reader), "{}", sample.name);
            }
        }
    }
    let mut stored = mail.arrivals().await.into_iter();
    for (user, name, wanted) in sent {
        let found = stored.next().unwrap_or_else(|| panic!("{name} did not arrive; {unlike:#?}"));
        assert_eq!(
            found.user, user,
            "{name} did not arrive, or something did that should not have; {unlike:#?}"
        );
        unlike.extend(difference(&name, &settled(found.content), &wanted));
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    assert!(stored.next().is_none(), "more arrived than was sent");
}

/// Equal, or says where not; the whole would fill the screen.
pub(crate) fn assert_same(name: &str, found: &[u8], wanted: &[u8]) {
    if let Some(difference) = difference(name, found, wanted) {
        panic!("{difference}");
    }
}

fn difference(name: &str, found: &[u8], wanted: &[u8]) -> Option<String> {
    if found == wanted {
        return None;
    }
    let at = found.iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
    let around =
        |octets: &[u8]| octets[at.saturating_sub(30)..octets.len().min(at + 40)].escape_ascii().to_string();
    Some(format!(
        "{name}: {} octets stored, {} wanted; they differ at {at}:\n{}\n{}",
        found.len(),
        wanted.len(),
        around(found),
        around(wanted)
    ))
}
