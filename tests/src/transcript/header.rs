//! Reading a file: its sections, and the keys of its header.

use std::path::PathBuf;

use smtp_proto::{
    Config, Failover, Random, Recipient,
    address::{ForwardPath, Mailbox, ReversePath},
    body::{BareCr, BareLf, LongLine, Nul},
    config::{Chunking, EightBit, Protocol, TlsMode},
    sasl::{AuthPolicy, Credentials, Mechanism},
};

use super::{Ending, Message, Session, TlsServer, Transcript};
use crate::{
    secure::Mischief,
    server::{Script, duration, unescape},
};

impl Transcript {
    /// Reads a text as if it were the file at `path`.
    ///
    /// # Errors
    /// What is amiss in it, with the path and the line.
    pub fn parse(path: PathBuf, text: &str) -> Result<Self, String> {
        let mut config = Config::new("client.example".parse().map_err(|_| "a name")?);
        // So that what SCRAM says can be written down: a nonce of 24 times `A`.
        config.random = Some(Random::new(|octets| {
            octets.fill(0);
            Ok(())
        }));
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
                config.security.secrets_in_clear = value == "off";
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
            ("chunking", "yes") => config.chunking = Chunking::Yes,
            ("chunking", "no") => config.chunking = Chunking::No,
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
            ("times", _) => message.body = message.body.repeat(value.parse().ok()?),
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
}

fn auth(value: &str) -> Option<(AuthPolicy, Option<Credentials>)> {
    let (word, rest) = value.split_once(' ').unwrap_or((value, ""));
    let (user, password) =
        if rest.is_empty() { ("test", "testpass") } else { rest.split_once(' ').unwrap_or((rest, "")) };
    let credentials = Credentials::Password { user: user.into(), password: password.into() };
    let token = Credentials::Token { user: user.into(), token: password.into() };
    Some(match word {
        "plain" => (AuthPolicy::Mechanism(Mechanism::Plain, credentials), None),
        "login" => (AuthPolicy::Mechanism(Mechanism::Login, credentials), None),
        "scram-sha-256" => (AuthPolicy::Mechanism(Mechanism::ScramSha256, credentials), None),
        "cram-md5" => (AuthPolicy::Mechanism(Mechanism::CramMd5, credentials), None),
        "xoauth2" => (AuthPolicy::Mechanism(Mechanism::XOAuth2, token), None),
        "oauthbearer" => (AuthPolicy::Mechanism(Mechanism::OAuthBearer, token), None),
        "external" => {
            let identity = Credentials::External { identity: rest.into() };
            (AuthPolicy::Mechanism(Mechanism::External, identity), None)
        }
        "auto" => (AuthPolicy::Auto(credentials), None),
        "forward" => (AuthPolicy::Forward, (!rest.is_empty()).then_some(credentials)),
        _ => return None,
    })
}
