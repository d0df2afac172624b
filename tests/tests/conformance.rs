//! The conformance suite: every file of `transcripts/`, whole and octet by octet in simulated time, and over loopback by each client
//! that has sockets. One list of files, one list of clients.
//!
//! `CONFORMANCE=r140 cargo test --test conformance` plays only files with that in their name.

#[allow(dead_code, reason = "its main is the program's")]
#[path = "../../smtp-proto/examples/blocking.rs"]
mod blocking;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    pin::Pin,
    task,
    time::Instant,
};

use smtp_proto::{Failover, Phase, Plan, Report};
use smtp_testkit::{
    Split, Transcript,
    loopback::{Loopback, WATCHDOG},
    simulation,
    transcript::{Ending, Message, Played},
};

/// A client with real sockets.
trait Runner: Sync {
    fn name(&self) -> &'static str;

    /// Why it cannot play this one, where it cannot.
    fn leaves_out(&self, _: &Transcript) -> Option<&'static str> {
        None
    }

    /// Sends the transcript's message as the plan says; an error where it takes longer than the watchdog allows.
    fn send(&self, plan: Plan, transcript: &Transcript) -> Result<Report, String>;
}

/// The clients. Another runtime is one more line here, and a `Runner`.
const RUNNERS: &[&dyn Runner] = &[&Tokio, &AsyncStd, &Blocking];

struct Tokio;

impl Runner for Tokio {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn send(&self, plan: Plan, transcript: &Transcript) -> Result<Report, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let message = &transcript.messages[0];
        let source = if message.known {
            smtp_client_tokio::Message::from_bytes(message.body.clone())
        } else {
            smtp_client_tokio::Message::from_reader(Body::of(message))
        };
        let client = smtp_client_tokio::Client::new(plan);
        let envelope = message.envelope();
        runtime.block_on(async {
            let sending = async {
                match transcript.forwarded.clone() {
                    Some(credentials) => client.send_as(credentials, envelope, source).await,
                    None => client.send(envelope, source).await,
                }
            };
            match tokio::time::timeout(WATCHDOG, sending).await {
                Err(_) => Err(format!("no report within {WATCHDOG:?}")),
                Ok(Ok(report)) => Ok(report),
                Ok(Err(failed)) => Ok(failed.report),
            }
        })
    }
}

struct AsyncStd;

impl Runner for AsyncStd {
    fn name(&self) -> &'static str {
        "async-std"
    }

    fn send(&self, plan: Plan, transcript: &Transcript) -> Result<Report, String> {
        let message = &transcript.messages[0];
        let source = if message.known {
            smtp_client_async_std::Message::from_bytes(message.body.clone())
        } else {
            smtp_client_async_std::Message::from_reader(Body::of(message))
        };
        let client = smtp_client_async_std::Client::new(plan);
        let envelope = message.envelope();
        async_std::task::block_on(async {
            let sending = async {
                match transcript.forwarded.clone() {
                    Some(credentials) => client.send_as(credentials, envelope, source).await,
                    None => client.send(envelope, source).await,
                }
            };
            match async_std::future::timeout(WATCHDOG, sending).await {
                Err(_) => Err(format!("no report within {WATCHDOG:?}")),
                Ok(Ok(report)) => Ok(report),
                Ok(Err(failed)) => Ok(failed.report),
            }
        })
    }
}

/// The loop without a runtime. Its sockets have deadlines, the scripted server's too, which is its watchdog.
struct Blocking;

impl Runner for Blocking {
    fn name(&self) -> &'static str {
        "blocking"
    }

    fn leaves_out(&self, transcript: &Transcript) -> Option<&'static str> {
        if transcript.messages.iter().any(|message| message.source == Ending::Stalls) {
            Some("a source that stalls stops the loop")
        } else if transcript.forwarded.is_some() {
            Some("it forwards no credentials")
        } else {
            None
        }
    }

    fn send(&self, plan: Plan, transcript: &Transcript) -> Result<Report, String> {
        let message = &transcript.messages[0];
        let mut envelope = message.envelope();
        match message.facts(&transcript.config) {
            Ok(facts) => envelope.sender.content = facts,
            Err(error) => return Ok(Report::refused(&envelope, Phase::Body, &error)),
        }
        blocking::send(plan, envelope, Body::of(message)).map_err(|error| error.to_string())
    }
}

/// A body that ends as the transcript says.
struct Body {
    octets: Vec<u8>,
    at: usize,
    ending: Ending,
}

impl Body {
    fn of(message: &Message) -> Self {
        Self { octets: message.body.clone(), at: 0, ending: message.source }
    }
}

impl io::Read for Body {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let rest = &self.octets[self.at..];
        let taken = rest.len().min(space.len());
        space[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
        match self.ending {
            Ending::Complete => Ok(taken),
            _ if taken > 0 => Ok(taken),
            Ending::Fails => Err(io::Error::other("the disk is gone")),
            Ending::Stalls | Ending::Cancelled => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl io::Seek for Body {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        assert_eq!(to, io::SeekFrom::Start(0));
        self.at = 0;
        Ok(0)
    }
}

impl Body {
    fn poll(&mut self, space: &mut [u8]) -> task::Poll<io::Result<usize>> {
        match io::Read::read(self, space) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => task::Poll::Pending,
            read => task::Poll::Ready(read),
        }
    }
}

impl tokio::io::AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        let read = task::ready!(self.poll(buffer.initialize_unfilled()))?;
        buffer.advance(read);
        task::Poll::Ready(Ok(()))
    }
}

impl async_std::io::Read for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        space: &mut [u8],
    ) -> task::Poll<io::Result<usize>> {
        self.poll(space)
    }
}

/// The list.
fn transcripts() -> Vec<Transcript> {
    let wanted = std::env::var("CONFORMANCE").unwrap_or_default();
    Transcript::all(&wanted).unwrap_or_else(|amiss| panic!("{amiss:#?}"))
}

/// Plays all of them, several at a time; every failure is told.
fn play_all(
    how: &str,
    list: &[&Transcript],
    play: impl Fn(&Transcript) -> Result<(), String> + Sync,
) -> Vec<String> {
    let began = Instant::now();
    let share = list.len().div_ceil(8).max(1);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = list
            .chunks(share)
            .map(|some| {
                let play = &play;
                scope.spawn(move || some.iter().filter_map(|one| play(one).err()).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    eprintln!("{how}: {} transcripts, {} failed, {:?}", list.len(), failures.len(), began.elapsed());
    failures.into_iter().map(|failure| format!("{how}: {failure}")).collect()
}

fn no_failures(failures: &[String]) {
    assert!(failures.is_empty(), "\n{} differ\n\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn in_memory_whole() {
    let list = transcripts();
    let failures = play_all("in memory, whole", &list.iter().collect::<Vec<_>>(), |transcript| {
        transcript.compare(&simulation::play(transcript, &Split::Whole))
    });
    no_failures(&failures);
}

#[test]
fn in_memory_octet_by_octet() {
    let list = transcripts();
    let failures = play_all("in memory, octet by octet", &list.iter().collect::<Vec<_>>(), |transcript| {
        transcript.compare(&simulation::play(transcript, &Split::bytes()))
    });
    no_failures(&failures);
}

#[test]
fn over_loopback() {
    let list = transcripts();
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let mut real = Vec::new();
    for transcript in &list {
        match transcript.simulated_only() {
            Some(why) => *left_out.entry(why).or_default() += 1,
            None => real.push(transcript),
        }
    }
    eprintln!("in simulated time only: {left_out:?}");
    let mut failures = Vec::new();
    for runner in RUNNERS {
        let (left_out, list): (Vec<&Transcript>, Vec<&Transcript>) =
            real.iter().copied().partition(|transcript| runner.leaves_out(transcript).is_some());
        let why: BTreeSet<_> =
            left_out.iter().filter_map(|transcript| runner.leaves_out(transcript)).collect();
        if !why.is_empty() {
            eprintln!("{} leaves out {}: {why:?}", runner.name(), left_out.len());
        }
        let how = format!("over loopback, {}", runner.name());
        failures.extend(play_all(&how, &list, |transcript| {
            let servers = Loopback::serve(transcript).map_err(|error| error.to_string())?;
            let failover = transcript.failover.unwrap_or(Failover::UntilUsable);
            let report = runner.send(transcript.plan(servers.port(), failover, None), transcript);
            let mut played = Played { sessions: servers.finish(), ..Played::default() };
            match report {
                Ok(report) => played.report(&report),
                Err(amiss) => played.amiss.push(amiss),
            }
            transcript.compare(&played)
        }));
    }
    no_failures(&failures);
}

#[test]
fn every_transcript_cites_its_rows_and_pins_something_of_its_own() {
    let list = transcripts();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for transcript in &list {
        let name = transcript.path.display().to_string();
        assert!(!transcript.rows().is_empty(), "{name}: cite a row in the first line");
        if let Some(other) = seen.insert(transcript.substance(), name.clone()) {
            panic!("{name} and {other} pin the same");
        }
    }
}

#[test]
fn a_difference_is_shown_by_file_and_line() {
    let text = "# R8\n---\nS: 220 mx\nC: HELO client.example\nS: 250 mx\n---\nbob@example.net: delivered 250 2.0.0\nnext: no\n";
    let transcript = Transcript::parse("x.txt".into(), text).unwrap();
    let shown = transcript.compare(&simulation::play(&transcript, &Split::Whole)).unwrap_err();
    let dialogue = "x.txt:4: the client does not keep to the dialogue
     3 S: 220 mx
-    4 C: HELO client.example
+      C: EHLO client.example
";
    assert!(shown.starts_with(dialogue), "{shown}");
    let report = "x.txt:7: the report differs
-    7 bob@example.net: delivered 250 2.0.0
+      bob@example.net: deferred 450 4.4.2 hello, local
x.txt:8: the report differs
-    8 next: no
+      session: network hello
";
    assert!(shown.contains(report), "{shown}");

    let amiss = Transcript::parse("x.txt".into(), "# R8\nprotocol: uucp\n---\n---\n").unwrap_err();
    assert_eq!(amiss, "x.txt:2: not understood: protocol: uucp");
    let amiss = Transcript::parse("x.txt".into(), "# R8\n---\nX: what\n---\n").unwrap_err();
    assert_eq!(amiss, "x.txt:3: not a step: X: what");
}
