//! Transcripts: one dialogue a file, both sides written down, and what becomes of the message.
//!
//! ```text
//! # R140: 354 although nobody was accepted. Only the end mark may follow, and its reply means nothing.
//! to: bob@example.net
//! ---
//! S: 220 mx.example
//! C: EHLO client.example
//! S: 250-mx.example
//! S: 250 PIPELINING
//! C: MAIL FROM:<alice@example.org> SIZE=22
//! …
//! ---
//! bob@example.net: rejected 550 5.1.1 rcpt
//! session: ok
//! next: no
//! ```
//! Lines with `#` in front are comments; the first ones cite the rows of the specification that the file pins. Three sections are
//! divided by `---`.
//!
//! **The header** says what the client is told, as `key: value`, where it differs from the defaults (SMTP, no TLS, no authentication,
//! a short message from alice@example.org to bob@example.net):
//!
//! | key | value |
//! |---|---|
//! | `hostname` | the client's name, instead of client.example |
//! | `protocol` | `lmtp` |
//! | `tls` | `starttls`, `implicit`; with ` required` behind it nothing goes in clear; `off`: the operator said so, without it nobody did |
//! | `tls-server` | `wrong name`, `hangs up`, `silent`, `alert`, `plaintext`, `corrupt`: what is amiss at the other end |
//! | `server-name` | `none`: nothing to verify a certificate for |
//! | `auth` | `plain`, `login`, `scram-sha-256`, `cram-md5`, `xoauth2`, `oauthbearer`, `auto`, each with a user and a password or token behind it or test's; `external` with an identity or without; `forward` with what came from the submitter or without |
//! | `mail-auth` | `yes`: AUTH=<> with MAIL |
//! | `pipelining` | `off` |
//! | `chunking` | `yes`, `no`; without it, where CHUNKING and PIPELINING are offered |
//! | `eight-bit` | `send`: what nobody offered to take |
//! | `bare-cr`, `bare-lf`, `nul`, `long-line` | `crlf`, `reject`, `pass` |
//! | `timeout` | `greeting 1s` and the like; `total 20m` for the whole delivery |
//! | `link` | `remote`: not on this machine, which matters to secrets in clear |
//! | `targets` | how many there are; the sessions of the dialogue meet them in order |
//! | `failover` | `until_decided` |
//! | `from`, `to` | addresses; `<>` is the null sender; `to` once a recipient |
//! | `body` | the content, with `\r`, `\n`, `\0`, `\xNN`; several are one after the other |
//! | `times` | the body so far, so many times over |
//! | `source` | `streamed`: nothing is known beforehand; `fails`, `stalls`, `cancelled`: streamed, and that happens where the body ends |
//! | `size`, `smtputf8`, `requiretls` | what the submitter said |
//! | `message` | nothing; `from`, `to`, `body` and so on are another message's, on the same connection |
//!
//! **The dialogue** is written as for [`Script`], and played by it. One more step belongs to the files: `*: connect` begins another
//! session, `*: connect refused` and `*: connect hangs` one that does not come about; the first may be left out, and an empty dialogue says
//! that the client does not connect at all. With `tls: implicit` a
//! session begins with `*: tls`.
//!
//! **The report** has a line a recipient, in order: word, code, enhanced code, and unless it is delivered the phase, and `local` where
//! the status was made here; its text may follow in quotes. Then a line a session, `ok` or class and phase of its error, with `tls`,
//! `plaintext` (fell back to it), `secret in clear` or `bare lf` behind it. Then `next`, whether a further target would be tried: `no`,
//! `yes`, or `until_decided` where that depends. `elapsed`, the simulated time, is optional.

mod header;
mod verdict;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use smtp_proto::{
    Config, Endpoint, Envelope, Error, Failover, Plan, Recipient, Sender,
    address::Mailbox,
    body::{Facts, Scanner},
    config::{Protocol, TlsMode},
    error::Unsendable,
    sasl::Credentials,
};

use crate::{
    driver::Source,
    healthy::{Healthy, Recovering},
    secure::{Certificates, Mischief, Secure},
    server::{HangUp, Peer, Script},
};

pub use self::verdict::{Played, Said};

/// The name the client verifies.
const NAME: &str = "mx.example";

/// What the client is to send.
#[derive(Clone, Debug)]
pub struct Message {
    sender: Sender,
    recipients: Vec<Recipient>,
    /// The octets of it.
    pub body: Vec<u8>,
    /// It can be read beforehand, and again.
    pub known: bool,
    /// How it ends.
    pub source: Ending,
}

/// How a message's source ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order.
    Complete,
    /// In an error.
    Fails,
    /// Never.
    Stalls,
    /// Never, and the application gives up.
    Cancelled,
}

impl Message {
    fn new() -> Self {
        Self {
            sender: Sender::from("alice@example.org".parse::<Mailbox>().expect("an address")),
            recipients: Vec::new(),
            body: Vec::new(),
            known: true,
            source: Ending::Complete,
        }
    }

    /// The envelope, as the submitter gives it.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope::new(self.sender.clone(), self.recipients.clone())
    }

    /// What reading the content beforehand tells.
    ///
    /// # Errors
    /// The line-break policy refuses it.
    pub fn facts(&self, config: &Config) -> Result<Option<Facts>, Error> {
        if !self.known {
            return Ok(None);
        }
        let mut scanner = Scanner::new(config.line_breaks);
        let facts = scanner.update(&self.body).and_then(|()| scanner.finish());
        facts.map(Some).map_err(|refused| Error::Unsendable(Unsendable::Content(refused)))
    }

    /// What must arrive: lines end in CRLF, the last one too, and a lone CR has become a blank.
    fn normalised(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, octet) in self.body.iter().enumerate() {
            match octet {
                b'\n' if out.last() != Some(&b'\r') => out.extend(b"\r\n"),
                b'\r' if self.body.get(at + 1) != Some(&b'\n') => out.push(b' '),
                other => out.push(*other),
            }
        }
        if !out.is_empty() && !out.ends_with(b"\r\n") {
            out.extend(b"\r\n");
        }
        out
    }

    pub(crate) fn world_source(&self) -> Source {
        match self.source {
            Ending::Complete => Source::Complete,
            Ending::Fails => Source::Fails,
            Ending::Stalls | Ending::Cancelled => Source::Cancelled,
        }
    }
}

/// One session of a dialogue.
#[derive(Clone, Debug)]
pub enum Session {
    /// It is played. Each step with the number of its line.
    Dialogue(Vec<(usize, String)>),
    /// The connection is refused.
    Refused,
    /// Nobody answers.
    Hangs,
}

/// A file.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// Its path, as failures name it.
    pub path: PathBuf,
    /// What the client is told, but for TLS.
    pub config: Config,
    /// The messages.
    pub messages: Vec<Message>,
    /// The sessions, in order.
    pub sessions: Vec<Session>,
    /// Credentials of the submitter.
    pub forwarded: Option<Credentials>,
    /// From a machine elsewhere.
    pub remote: bool,
    /// What moves on, where the file says it.
    pub failover: Option<Failover>,
    text: String,
    targets: usize,
    total_timeout: Option<Duration>,
    no_server_name: bool,
    tls_server: TlsServer,
    expected: Vec<(usize, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TlsServer {
    Sound,
    WrongName,
    Amiss(Mischief),
}

/// The certificates, made once.
fn certificates(right: bool) -> &'static Certificates {
    static RIGHT: OnceLock<Certificates> = OnceLock::new();
    static WRONG: OnceLock<Certificates> = OnceLock::new();
    match right {
        true => RIGHT.get_or_init(|| Certificates::for_name(NAME)),
        false => WRONG.get_or_init(|| Certificates::for_name("other.example")),
    }
}

impl Transcript {
    /// Reads a file.
    ///
    /// # Errors
    /// What is amiss in it, with its path and line.
    pub fn open(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let shown = Path::new("tests/transcripts").join(path.file_name().unwrap_or_default());
        Self::parse(shown, &text)
    }

    // ---- what runners want -------------------------------------------------------------------------------------------------------

    /// Why it cannot be played in real time over a real socket, where it cannot.
    #[must_use]
    pub fn simulated_only(&self) -> Option<&'static str> {
        let timed = ["*: wait", "*: nap", "*: stall", "*: silence"];
        let mut lines = self.sessions.iter().flat_map(|session| match session {
            Session::Dialogue(steps) => steps.as_slice(),
            _ => &[],
        });
        if self.messages.len() > 1 {
            Some("more than one message on a connection")
        } else if lines.any(|(_, line)| timed.iter().any(|timed| line.starts_with(timed)))
            || self.tls_server == TlsServer::Amiss(Mischief::Silent)
        {
            Some("takes time")
        } else if self.sessions.iter().any(|session| !matches!(session, Session::Dialogue(_))) {
            Some("no connection comes about")
        } else if self.remote {
            Some("a machine elsewhere")
        } else if self.messages.iter().any(|message| message.source == Ending::Cancelled) {
            Some("the application gives up")
        } else {
            None
        }
    }

    /// The plan: the server at `port` of this machine, as many times as there are targets, and what else is given.
    ///
    /// # Panics
    /// If the header makes no sense.
    #[must_use]
    pub fn plan(&self, port: u16, failover: Failover, more: Option<Endpoint>) -> Plan {
        let mut config = self.config.clone();
        config.security.client = Some(certificates(true).client(rustls::DEFAULT_VERSIONS));
        if self.tls_server == TlsServer::WrongName {
            config.security.client = Some(certificates(false).client(rustls::DEFAULT_VERSIONS));
        }
        config.security.server_name = Some(NAME.try_into().expect("a name"));
        let scheme = if config.security.mode == TlsMode::Implicit { "tls" } else { "tcp" };
        let host = if self.remote { "192.0.2.1" } else { "127.0.0.1" };
        let endpoint: Endpoint = format!("{scheme}://{host}:{port}").parse().expect("an endpoint");
        let endpoints = std::iter::repeat_n(endpoint, self.targets).chain(more);
        let mut plan =
            Plan::new(endpoints, &config).expect("a plan").with_failover(failover).with_reuse(None);
        if self.no_server_name {
            for target in &mut plan.targets {
                let mut config = (*target.config).clone();
                config.security.server_name = None;
                target.config = Arc::new(config);
            }
        }
        plan.total_timeout = self.total_timeout;
        plan
    }

    /// The server of a session.
    #[must_use]
    pub fn server(&self, steps: &[(usize, String)]) -> Server {
        let script = Script::of_lines(steps.iter().map(|(_, line)| line.as_str())).expect("checked before");
        Server(self.amiss(self.secure(script)))
    }

    /// The server of a session for a client that does not say QUIT: another one takes over instead.
    #[must_use]
    pub fn recovering(&self, steps: &[(usize, String)], healthy: Healthy) -> Secure<Recovering> {
        let lines: Vec<&str> = steps.iter().map(|(_, line)| line.as_str()).collect();
        let quit = lines.iter().rposition(|line| *line == "C: QUIT").unwrap_or(lines.len());
        let (before, behind) = lines.split_at(quit);
        let behind =
            behind.iter().skip(1).filter(|line| !line.starts_with("S: 221") && !line.starts_with("S| 221"));
        let script = Script::of_lines(before.iter().chain(behind).copied()).expect("checked before");
        self.amiss(self.secure(Recovering::new(script, healthy)))
    }

    /// TLS for a server, as the client wants it.
    #[must_use]
    pub fn secure<P: Peer>(&self, inner: P) -> Secure<P> {
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let certificates = certificates(self.tls_server != TlsServer::WrongName);
        let config = || certificates.server(rustls::DEFAULT_VERSIONS);
        match self.config.security.mode {
            TlsMode::Implicit => Secure::implicit(inner, config(), lmtp),
            _ => Secure::starttls(inner, config(), lmtp),
        }
    }

    fn amiss<P: Peer>(&self, secure: Secure<P>) -> Secure<P> {
        match self.tls_server {
            TlsServer::Amiss(mischief) => secure.with(mischief),
            _ => secure,
        }
    }

    /// The files of the conformance suite whose name contains this, in order.
    ///
    /// # Errors
    /// What is amiss in any of them.
    pub fn all(wanted: &str) -> Result<Vec<Self>, Vec<String>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
        let read =
            std::fs::read_dir(&folder).map_err(|error| vec![format!("{}: {error}", folder.display())])?;
        let mut paths: Vec<_> = read.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.retain(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".txt") && name.contains(wanted)
        });
        paths.sort();
        let (files, amiss): (Vec<_>, Vec<_>) =
            paths.iter().map(|path| Self::open(path)).partition(Result::is_ok);
        let amiss: Vec<_> = amiss.into_iter().filter_map(Result::err).collect();
        if amiss.is_empty() { Ok(files.into_iter().flatten().collect()) } else { Err(amiss) }
    }

    /// Everything but the comments: two files alike in it pin the same.
    #[must_use]
    pub fn substance(&self) -> String {
        self.text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
    }

    /// The rows it cites.
    #[must_use]
    pub fn rows(&self) -> Vec<&str> {
        let comments = self.text.lines().take_while(|line| line.starts_with('#'));
        comments
            .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()))
            .filter(|word| {
                word.split_at_checked(1).is_some_and(|(letter, number)| {
                    "RDMBNWT".contains(letter) && !number.is_empty() && number.parse::<u16>().is_ok()
                })
            })
            .collect()
    }
}

/// The server of a session, with TLS in reserve.
#[derive(Debug)]
pub struct Server(Secure<Script>);

impl Server {
    /// What came of the dialogue, at its end.
    pub fn said(&mut self) -> Said {
        let amiss = self.0.client_gone();
        let script = &mut self.0.inner;
        Said { mismatch: script.mismatch.take(), contents: std::mem::take(&mut script.contents), amiss }
    }
}

impl Peer for Server {
    fn receive(&mut self, now: std::time::Instant, octets: &[u8]) {
        self.0.receive(now, octets);
    }
    fn speak(&mut self, now: std::time::Instant) -> Vec<u8> {
        self.0.speak(now)
    }
    fn wakeup(&self) -> Option<std::time::Instant> {
        self.0.wakeup()
    }
    fn hung_up(&self) -> Option<HangUp> {
        self.0.hung_up()
    }
    fn reads(&self) -> bool {
        self.0.reads()
    }
}
