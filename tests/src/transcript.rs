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
//! | `tls` | `off`, `starttls`, `implicit`; with ` required` behind it nothing goes in clear |
//! | `tls-server` | `wrong name`, `hangs up`, `silent`, `alert`, `plaintext`, `corrupt`: what is amiss at the other end |
//! | `server-name` | `none`: nothing to verify a certificate for |
//! | `auth` | `plain`, `login`, `auto`, each with a user and a password behind it or test's; `external` with an identity or without; `forward` with what came from the submitter or without |
//! | `mail-auth` | `yes`: AUTH=<> with MAIL |
//! | `pipelining` | `off` |
//! | `eight-bit` | `send`: what nobody offered to take |
//! | `bare-cr`, `bare-lf`, `nul`, `long-line` | `crlf`, `reject`, `pass` |
//! | `timeout` | `greeting 1s` and the like; `total 20m` for the whole delivery |
//! | `link` | `remote`: not on this machine, which matters to secrets in clear |
//! | `targets` | how many there are; the sessions of the dialogue meet them in order |
//! | `failover` | `until_decided` |
//! | `from`, `to` | addresses; `<>` is the null sender; `to` once a recipient |
//! | `body` | the content, with `\r`, `\n`, `\0`, `\xNN`; several are one after the other |
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

use std::{
    collections::VecDeque,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use smtp_proto::{
    Config, Disposition, Endpoint, Envelope, Error, Failover, Notice, Plan, Recipient, Report, Sender,
    address::{ForwardPath, Mailbox, ReversePath},
    body::{BareCr, BareLf, Facts, LongLine, Nul, Scanner},
    config::{EightBit, Protocol, TlsMode},
    sasl::{AuthPolicy, Credentials, Mechanism},
};

use crate::{
    driver::Source,
    secure::{Certificates, Mischief, Secure},
    server::{HangUp, Mismatch, Peer, Script, duration, unescape},
};

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
        facts.map(Some).map_err(|refused| Error::Unsendable(smtp_proto::error::Unsendable::Content(refused)))
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

    fn parse(path: PathBuf, text: &str) -> Result<Self, String> {
        let config = Config::new("client.example".parse().map_err(|_| "a name")?);
        let mut transcript = Self {
            path,
            config,
            messages: vec![Message::new()],
            sessions: vec![Session::Dialogue(Vec::new())],
            forwarded: None,
            remote: false,
            failover: None,
            text: text.to_owned(),
            targets: 1,
            total_timeout: None,
            no_server_name: false,
            tls_server: TlsServer::Sound,
            expected: Vec::new(),
        };
        let mut section = 0;
        for (number, line) in (1..).zip(text.lines()) {
            let amiss = |what: String| format!("{}:{number}: {what}", transcript.path.display());
            match (line, section) {
                ("---", _) => section += 1,
                (line, _) if line.starts_with('#') || line.is_empty() => {}
                (line, 0) => {
                    let (key, value) = line
                        .split_once(':')
                        .map(|(key, value)| (key, value.strip_prefix(' ').unwrap_or(value)))
                        .ok_or_else(|| amiss("no `key: value`".to_owned()))?;
                    let amiss = amiss(format!("not understood: {line}"));
                    transcript.set(key, value).ok_or(amiss)?;
                }
                (line, 1) => {
                    if !line.starts_with("*: connect") {
                        Script::of_lines([line]).map_err(amiss)?;
                    }
                    transcript.dialogue(number, line);
                }
                (line, _) => transcript.expected.push((number, line.to_owned())),
            }
        }
        if section != 2 {
            return Err(format!("{}: three sections are wanted", transcript.path.display()));
        }
        // No dialogue: no connection is made.
        transcript
            .sessions
            .retain(|session| !matches!(session, Session::Dialogue(steps) if steps.is_empty()));
        for message in &mut transcript.messages {
            if message.recipients.is_empty() {
                message
                    .recipients
                    .push("bob@example.net".parse::<Mailbox>().map_err(|_| "an address")?.into());
            }
            if message.body.is_empty() && !text.contains("body:") {
                message.body = b"Subject: s\r\n\r\nbody\r\n".to_vec();
            }
        }
        Ok(transcript)
    }

    fn dialogue(&mut self, number: usize, line: &str) {
        let session = match line {
            "*: connect" => Session::Dialogue(Vec::new()),
            "*: connect refused" => Session::Refused,
            "*: connect hangs" => Session::Hangs,
            _ => {
                if let Some(Session::Dialogue(steps)) = self.sessions.last_mut() {
                    steps.push((number, line.to_owned()));
                }
                return;
            }
        };
        self.sessions.push(session);
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        let yes = || (value == "yes").then_some(());
        let config = &mut self.config;
        let breaks = &mut config.line_breaks;
        let message = self.messages.last_mut()?;
        match (key, value) {
            ("hostname", _) => config.client_name = value.parse().ok()?,
            ("protocol", "lmtp") => config.protocol = Protocol::Lmtp,
            ("tls", _) => {
                let mut words = value.split(' ');
                config.security.mode = match words.next()? {
                    "off" => TlsMode::Off,
                    "starttls" => TlsMode::StartTls,
                    "implicit" => TlsMode::Implicit,
                    _ => return None,
                };
                config.security.required = words.next().is_some_and(|word| word == "required");
            }
            ("tls-server", _) => {
                self.tls_server = match value {
                    "wrong name" => TlsServer::WrongName,
                    "hangs up" => TlsServer::Amiss(Mischief::HangUpInHandshake),
                    "silent" => TlsServer::Amiss(Mischief::Silent),
                    "alert" => TlsServer::Amiss(Mischief::Garbage(b"\x15\x03\x03\x00\x02\x02\x28")),
                    "plaintext" => TlsServer::Amiss(Mischief::Garbage(b"250 ok\r\n")),
                    "corrupt" => TlsServer::Amiss(Mischief::CorruptAfterHandshake),
                    _ => return None,
                };
            }
            ("server-name", "none") => self.no_server_name = true,
            ("auth", _) => (config.auth, self.forwarded) = auth(value)?,
            ("mail-auth", _) => config.mail_auth_param = yes().is_some(),
            ("pipelining", "off") => config.pipelining = false,
            ("eight-bit", "send") => {
                (config.eight_bit_body, config.eight_bit_header) = (EightBit::Send, EightBit::Send);
            }
            ("bare-cr", "crlf") => breaks.bare_cr = BareCr::Crlf,
            ("bare-cr", "reject") => breaks.bare_cr = BareCr::Reject,
            ("bare-cr", "pass") => breaks.bare_cr = BareCr::Pass,
            ("bare-lf", "reject") => breaks.bare_lf = BareLf::Reject,
            ("nul", "pass") => breaks.nul = Nul::Pass,
            ("long-line", "reject") => breaks.long_line = LongLine::Reject,
            ("timeout", _) => {
                let (phase, time) = value.split_once(' ')?;
                let time = duration(time)?;
                let timeouts = &mut config.timeouts;
                *match phase {
                    "total" => self.total_timeout.insert(time),
                    "connect" => &mut timeouts.connect,
                    "greeting" => &mut timeouts.greeting,
                    "command" => &mut timeouts.command,
                    "body" => &mut timeouts.body,
                    "submission" => &mut timeouts.submission,
                    "reset" => &mut timeouts.reset,
                    "quit" => &mut timeouts.quit,
                    _ => return None,
                } = time;
            }
            ("link", "remote") => self.remote = true,
            ("targets", _) => self.targets = value.parse().ok()?,
            ("failover", "until_decided") => self.failover = Some(Failover::UntilDecided),
            ("from", "<>") => message.sender.path = ReversePath::Null,
            ("from", _) => message.sender.path = value.parse::<Mailbox>().ok()?.into(),
            ("to", _) => message.recipients.push(Recipient::new(value.parse::<ForwardPath>().ok()?)),
            ("body", _) => message.body.extend(unescape(value)),
            ("source", _) => {
                message.known = false;
                message.source = match value {
                    "streamed" => Ending::Complete,
                    "fails" => Ending::Fails,
                    "stalls" => Ending::Stalls,
                    "cancelled" => Ending::Cancelled,
                    _ => return None,
                };
            }
            ("size", _) => message.sender.declared_size = Some(value.parse().ok()?),
            ("smtputf8", _) => message.sender.smtputf8 = yes().is_some(),
            ("requiretls", _) => message.sender.require_tls = yes().is_some(),
            ("message", "") => self.messages.push(Message::new()),
            _ => return None,
        }
        Some(())
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
        let mut plan = Plan::new(endpoints, &config).expect("a plan").with_failover(failover);
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
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let certificates = certificates(self.tls_server != TlsServer::WrongName);
        let config = || certificates.server(rustls::DEFAULT_VERSIONS);
        let secure = match self.config.security.mode {
            TlsMode::Implicit => Secure::implicit(script, config(), lmtp),
            _ => Secure::starttls(script, config(), lmtp),
        };
        Server(match self.tls_server {
            TlsServer::Amiss(mischief) => secure.with(mischief),
            _ => secure,
        })
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

    // ---- the verdict -------------------------------------------------------------------------------------------------------------

    /// Compares what was played with what is written.
    ///
    /// # Errors
    /// The differences, to be read by people.
    pub fn compare(&self, played: &Played) -> Result<(), String> {
        let mut out = String::new();
        for (session, said) in self.sessions.iter().zip(&played.sessions) {
            let Session::Dialogue(steps) = session else { continue };
            self.compare_dialogue(&mut out, steps, said);
        }
        for surplus in played.sessions.iter().skip(self.sessions.len()) {
            let _ = writeln!(out, "{}: one more connection was made: {surplus:?}", self.path.display());
        }
        if played.sessions.len() < self.sessions.len() {
            let _ = writeln!(out, "{}: the client did not connect again", self.path.display());
        }
        for amiss in &played.amiss {
            let _ = writeln!(out, "{}: {amiss}", self.path.display());
        }
        self.compare_report(&mut out, played);
        if out.is_empty() { Ok(()) } else { Err(out) }
    }

    fn compare_dialogue(&self, out: &mut String, steps: &[(usize, String)], said: &Said) {
        let path = self.path.display();
        if let Some(Mismatch { step, got }) = &said.mismatch {
            let last = steps.last().map_or(0, |(number, _)| *number);
            let number = steps.get(*step).map_or(last + 1, |(number, _)| *number);
            let _ = writeln!(out, "{path}:{number}: the client does not keep to the dialogue");
            for (number, line) in steps.iter().take(*step).skip(step.saturating_sub(4)) {
                let _ = writeln!(out, "  {number:4} {line}");
            }
            if let Some((number, line)) = steps.get(*step) {
                let _ = writeln!(out, "- {number:4} {line}");
            }
            for line in got.lines().take(4) {
                let _ = writeln!(out, "+      {line}");
            }
        } else {
            for amiss in &said.amiss {
                let _ = writeln!(out, "{path}: bad manners: {amiss}");
            }
            for (message, content) in self.messages.iter().zip(&said.contents) {
                if self.messages.len() == 1 && *content != message.normalised() {
                    let _ = writeln!(out, "{path}: other content arrived: \"{}\"", content.escape_ascii());
                }
            }
        }
    }

    fn compare_report(&self, out: &mut String, played: &Played) {
        let left_out = |line: &str| {
            (played.next.is_none() && line.starts_with("next: "))
                || (played.elapsed.is_none() && line.starts_with("elapsed: "))
        };
        let expected: Vec<_> = self.expected.iter().filter(|(_, line)| !left_out(line)).collect();
        let mut actual: VecDeque<(String, String)> = VecDeque::new();
        for (who, disposition) in &played.recipients {
            let text = disposition.status().text.replace('\n', "\\n");
            actual.push_back((format!("{who}: {}", verdict(disposition)), format!(" \"{text}\"")));
        }
        actual.extend(played.attempts.iter().map(|line| (format!("session: {line}"), String::new())));
        actual.extend(played.next.iter().map(|next| (format!("next: {next}"), String::new())));
        if expected.iter().any(|(_, line)| line.starts_with("elapsed: "))
            && let Some(elapsed) = played.elapsed
        {
            actual.push_back((format!("elapsed: {}", shown(elapsed)), String::new()));
        }
        let mut lines = expected.iter();
        loop {
            let (want, got) = (lines.next(), actual.pop_front());
            let got = got.map(|(line, text)| match want {
                Some((_, want)) if want.ends_with('"') => line + &text,
                _ => line,
            });
            match (want, got) {
                (None, None) => return,
                (Some((_, want)), Some(got)) if *want == got => {}
                (want, got) => {
                    let at = want.map_or_else(String::new, |(number, _)| format!(":{number}"));
                    let _ = writeln!(out, "{}{at}: the report differs", self.path.display());
                    let _ = want.map(|(number, want)| writeln!(out, "- {number:4} {want}"));
                    let _ = got.map(|got| writeln!(out, "+      {got}"));
                }
            }
        }
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

/// What came of one session.
#[derive(Debug, Default)]
pub struct Said {
    /// Where the client left the dialogue.
    pub mismatch: Option<Mismatch>,
    /// The contents, decoded.
    pub contents: Vec<Vec<u8>>,
    /// Objections to how it was kept.
    pub amiss: Vec<String>,
}

/// What came of a transcript.
#[derive(Debug, Default)]
pub struct Played {
    /// The sessions, in order.
    pub sessions: Vec<Said>,
    /// Address and outcome of each recipient.
    pub recipients: Vec<(String, Disposition)>,
    /// One line for each attempt.
    pub attempts: Vec<String>,
    /// Whether another target would be tried.
    pub next: Option<String>,
    /// Simulated time.
    pub elapsed: Option<Duration>,
    /// What else is amiss.
    pub amiss: Vec<String>,
}

impl Played {
    /// Takes over what a report says.
    pub fn report(&mut self, report: &Report) {
        for recipient in &report.recipients {
            let who = recipient.recipient.path.to_string();
            let who = who.trim_start_matches('<').trim_end_matches('>').to_owned();
            self.recipients.push((who, recipient.disposition.clone()));
        }
        self.attempts.extend(report.attempts.iter().map(|attempt| {
            let error = attempt.error.as_ref();
            let mut line = error.map_or_else(
                || "ok".to_owned(),
                |error| format!("{} {}", error.kind().name(), attempt.phase),
            );
            line += if attempt.tls.is_some() { ", tls" } else { "" };
            line += if attempt.fell_back_to_plaintext { ", plaintext" } else { "" };
            for (notice, text) in
                [(Notice::SecretInClear, ", secret in clear"), (Notice::BareLfInReply, ", bare lf")]
            {
                line += if attempt.notices.contains(&notice) { text } else { "" };
            }
            line
        }));
    }
}

/// `delivered 250 2.0.0`, `deferred 450 4.4.2 mail, local`.
fn verdict(disposition: &Disposition) -> String {
    let status = disposition.status();
    let mut line = format!("{} {} {}", disposition.name(), status.code, status.enhanced);
    if let Some(failure) = disposition.failure() {
        let _ = write!(line, " {}", failure.phase);
    }
    if status.local { line + ", local" } else { line }
}

fn shown(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 60 == 0 && seconds > 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn auth(value: &str) -> Option<(AuthPolicy, Option<Credentials>)> {
    let (word, rest) = value.split_once(' ').unwrap_or((value, ""));
    let (user, password) =
        if rest.is_empty() { ("test", "testpass") } else { rest.split_once(' ').unwrap_or((rest, "")) };
    let credentials = Credentials::Password { user: user.into(), password: password.into() };
    Some(match word {
        "plain" => (AuthPolicy::Mechanism(Mechanism::Plain, credentials), None),
        "login" => (AuthPolicy::Mechanism(Mechanism::Login, credentials), None),
        "external" => {
            let identity = Credentials::External { identity: rest.into() };
            (AuthPolicy::Mechanism(Mechanism::External, identity), None)
        }
        "auto" => (AuthPolicy::Auto(credentials), None),
        "forward" => (AuthPolicy::Forward, (!rest.is_empty()).then_some(credentials)),
        _ => return None,
    })
}
