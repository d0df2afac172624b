//! The parity rows: what the original's own tests pin, in our words, one test a row (T1 to T15, T17, T27).
//!
//! The whole client, over sockets of this machine, against a server that is written here and shares no code with ours. Each test looks at
//! both sides: what the report says, and what went over the wire. Rows about the configuration's text, and the merged answer that a
//! front end makes of T3 and T27, belong to the configuration language and to `serve`.
#![cfg(unix)]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use smtp_client_tokio::Client;
use smtp_proto::{
    Config, Disposition, Endpoint, Envelope, Error, Outcome, Phase, Plan, Recipient, Report, Sender,
    address::Mailbox,
    config::{Protocol, TlsMode},
    error::{Kind, Status},
    sasl::{AuthPolicy, Credentials, Mechanism},
};
use smtp_testkit::Certificates;

/// M87
const MESSAGE: &str = "A: 1\r\nB: 2\r\n\r\nfoobar\r\n";
/// M44: the user `test`, the password `testpass`, no identity to act as.
const AUTH_PLAIN: &str = "AUTH PLAIN AHRlc3QAdGVzdHBhc3M=";

// ---- the server ------------------------------------------------------------------------------------------------------------------------

/// What a server is like.
#[derive(Clone, Default)]
struct Manner {
    lmtp: bool,
    /// Offers STARTTLS, or speaks TLS from the first octet.
    tls: Option<Arc<rustls::ServerConfig>>,
    implicit: bool,
    smtputf8: bool,
    /// The reply to AUTH, where it is offered.
    auth: Option<&'static str>,
    /// The reply to MAIL that is not 250.
    mail: Option<&'static str>,
    /// The replies to the content that are not 250: one, or in LMTP one for each recipient in order.
    end: Vec<&'static str>,
}

/// What one connection was.
#[derive(Clone, Debug, Default)]
struct Session {
    /// Every line the client said, content apart, each with the word whether it came over TLS.
    said: Vec<(bool, String)>,
    /// The content as it was on the wire, without its end mark.
    content: Option<String>,
}

impl Session {
    fn said(&self) -> Vec<&str> {
        self.said.iter().map(|(_, line)| line.as_str()).collect()
    }

    fn has_said(&self, verb: &str) -> bool {
        self.said.iter().any(|(_, line)| line.starts_with(verb))
    }

    /// The one line that begins so, and whether it came over TLS.
    fn line(&self, verb: &str) -> (bool, &str) {
        let mut lines = self.said.iter().filter(|(_, line)| line.starts_with(verb));
        let (secure, line) = lines.next().unwrap_or_else(|| panic!("no {verb} in {:?}", self.said));
        assert!(lines.next().is_none(), "more than one {verb} in {:?}", self.said);
        (*secure, line)
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ServerConnection, TcpStream>>),
}

impl Stream {
    fn secured(config: &Arc<rustls::ServerConfig>, socket: TcpStream) -> Self {
        let session = rustls::ServerConnection::new(Arc::clone(config)).expect("a session");
        Self::Tls(Box::new(rustls::StreamOwned::new(session, socket)))
    }
}

impl Read for Stream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(space),
            Self::Tls(stream) => stream.read(space),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(octets),
            Self::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A server on this machine, until it is asked what it saw.
struct Server {
    address: SocketAddr,
    implicit: bool,
    enough: Arc<AtomicBool>,
    sessions: Arc<Mutex<Vec<Session>>>,
    thread: JoinHandle<()>,
}

impl Server {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let implicit = manner.implicit;
        let enough = Arc::new(AtomicBool::new(false));
        let sessions: Arc<Mutex<Vec<Session>>> = Arc::default();
        let (stop, seen) = (Arc::clone(&enough), Arc::clone(&sessions));
        let thread = thread::spawn(move || {
            for socket in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let mut session = Session::default();
                // A client that goes away in mid-dialogue ends the session, not the test.
                let _ = serve(&manner, socket.expect("a connection"), &mut session);
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(session);
            }
        });
        Self { address, implicit, enough, sessions, thread }
    }

    fn endpoint(&self) -> Endpoint {
        let scheme = if self.implicit { "tls" } else { "tcp" };
        format!("{scheme}://{}", self.address).parse().expect("an endpoint")
    }

    /// Every connection there was, each to its end.
    fn sessions(self) -> Vec<Session> {
        self.enough.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.thread.join().expect("the server did its part");
        std::mem::take(&mut *self.sessions.lock().expect("nobody holds it"))
    }

    /// The one connection there was.
    fn session(self) -> Session {
        let mut sessions = self.sessions();
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        sessions.remove(0)
    }
}

fn serve(manner: &Manner, socket: TcpStream, session: &mut Session) -> io::Result<()> {
    let mut secure = manner.implicit;
    let mut stream = BufReader::new(match &manner.tls {
        Some(config) if manner.implicit => Stream::secured(config, socket),
        _ => Stream::Plain(socket),
    });
    let mut accepted = 0;
    say(&mut stream, "220 mx.example.invalid")?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.strip_suffix("\r\n").expect("CRLF").to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        session.said.push((secure, line));
        match (verb.as_str(), manner.lmtp) {
            ("EHLO", false) | ("LHLO", true) => say(&mut stream, &hello(manner, secure))?,
            ("STARTTLS", _) => {
                say(&mut stream, "220 go ahead")?;
                let (config, Stream::Plain(socket)) =
                    (manner.tls.as_ref().expect("offered"), stream.into_inner())
                else {
                    panic!("STARTTLS inside TLS");
                };
                stream = BufReader::new(Stream::secured(config, socket));
                secure = true;
            }
            ("AUTH", _) => say(&mut stream, manner.auth.expect("AUTH without an offer"))?,
            ("MAIL", _) => say(&mut stream, manner.mail.unwrap_or("250 2.1.0 ok"))?,
            ("RCPT", _) if manner.mail.is_some() => say(&mut stream, "503 5.5.1 MAIL first")?,
            ("RCPT", _) => {
                accepted += 1;
                say(&mut stream, "250 2.1.5 ok")?;
            }
            ("DATA", _) if accepted == 0 => say(&mut stream, "503 5.5.1 nobody to deliver to")?,
            ("DATA", _) => {
                say(&mut stream, "354 go ahead")?;
                session.content = Some(content(&mut stream)?);
                for nth in 0..if manner.lmtp { accepted } else { 1 } {
                    say(&mut stream, manner.end.get(nth).unwrap_or(&"250 2.0.0 taken"))?;
                }
                accepted = 0;
            }
            ("RSET", _) => say(&mut stream, "250 2.0.0 ok")?,
            ("QUIT", _) => return say(&mut stream, "221 2.0.0 bye"),
            _ => say(&mut stream, "500 5.5.2 what?")?,
        }
    }
}

fn hello(manner: &Manner, secure: bool) -> String {
    let mut lines = vec!["mx.example.invalid", "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"];
    if manner.smtputf8 {
        lines.push("SMTPUTF8");
    }
    if manner.auth.is_some() {
        lines.push("AUTH PLAIN");
    }
    if manner.tls.is_some() && !secure {
        lines.push("STARTTLS");
    }
    let (last, others) = lines.split_last().expect("not empty");
    others.iter().map(|line| format!("250-{line}\r\n")).collect::<String>() + "250 " + last
}

fn say(stream: &mut BufReader<Stream>, line: &str) -> io::Result<()> {
    stream.get_mut().write_all(format!("{line}\r\n").as_bytes())
}

fn content(stream: &mut BufReader<Stream>) -> io::Result<String> {
    let mut content = String::new();
    loop {
        let start = content.len();
        if stream.read_line(&mut content)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if &content[start..] == ".\r\n" {
            content.truncate(start);
            return Ok(content);
        }
    }
}

// ---- the client ------------------------------------------------------------------------------------------------------------------------

fn config() -> Config {
    Config::new("mx.example.invalid".parse().expect("a name"))
}

fn lmtp() -> Config {
    let mut config = config();
    config.protocol = Protocol::Lmtp;
    config
}

/// `attempt_starttls yes`, and `require_tls` as said.
fn secured(certificates: &Certificates, required: bool) -> Config {
    let mut config = config();
    config.security.mode = TlsMode::StartTls;
    config.security.required = required;
    config.security.client = Some(certificates.client(rustls::DEFAULT_VERSIONS));
    config
}

fn certificates() -> (Certificates, Arc<rustls::ServerConfig>) {
    let certificates = Certificates::for_name("127.0.0.1");
    let server = certificates.server(rustls::DEFAULT_VERSIONS);
    (certificates, server)
}

fn with_auth(auth: AuthPolicy) -> Config {
    let mut config = config();
    config.auth = auth;
    config
}

fn password() -> Credentials {
    Credentials::Password { user: "test".into(), password: "testpass".into() }
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("a mailbox")
}

fn envelope(recipients: &[&str]) -> Envelope {
    envelope_from(Sender::from(mailbox("test@example.invalid")), recipients)
}

fn envelope_from(sender: Sender, recipients: &[&str]) -> Envelope {
    Envelope::new(sender, recipients.iter().map(|text| Recipient::from(mailbox(text))).collect())
}

fn deliver(
    endpoints: impl IntoIterator<Item = Endpoint>,
    config: &Config,
    credentials: Option<Credentials>,
    envelope: Envelope,
) -> Report {
    let client = Client::new(Plan::new(endpoints, config).expect("a plan").with_reuse(None));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sent = runtime.block_on(async {
        match credentials {
            Some(credentials) => client.send_as(credentials, envelope, MESSAGE).await,
            None => client.send(envelope, MESSAGE).await,
        }
    });
    sent.expect("the source does not fail")
}

/// From one to one.
fn send(server: &Server, config: &Config) -> Report {
    deliver([server.endpoint()], config, None, envelope(&["rcpt@example.invalid"]))
}

fn status(report: &Report, nth: usize) -> Status {
    report.recipients[nth].disposition.status()
}

/// Code, enhanced code and whether the message is to come again.
fn verdict(report: &Report, nth: usize) -> (u16, String, &'static str) {
    let status = status(report, nth);
    (status.code.get(), status.enhanced.to_string(), report.recipients[nth].disposition.name())
}

fn cause(report: &Report, nth: usize) -> &Error {
    &report.recipients[nth].disposition.failure().expect("a failure").cause
}

// ---- targets, in order -------------------------------------------------------------------------------------------------------------------

#[test]
fn t01_the_first_target_gets_it_unchanged_and_the_second_is_never_contacted() {
    // T1, M38, M87
    let (first, second) = (Server::start(Manner::default()), Server::start(Manner::default()));
    let envelope = envelope(&["rcpt@example.invalid"]);
    let report = deliver([first.endpoint(), second.endpoint()], &config(), None, envelope);
    assert_eq!(report.outcome(), Outcome::Delivered);
    assert_eq!(verdict(&report, 0), (250, "2.0.0".into(), "delivered"));
    let session = first.session();
    assert_eq!(session.content.as_deref(), Some(MESSAGE));
    assert_eq!(session.line("MAIL").1, "MAIL FROM:<test@example.invalid>");
    assert_eq!(session.line("RCPT").1, "RCPT TO:<rcpt@example.invalid>");
    assert!(second.sessions().is_empty());
}

#[test]
fn t02_lmtp_has_a_status_for_each_recipient() {
    // T2, M89
    let server = Server::start(Manner {
        lmtp: true,
        end: vec!["250 2.0.0 taken", "501 5.1.1 nobody here"],
        ..Manner::default()
    });
    let two = envelope(&["rcpt1@example.invalid", "rcpt2@example.invalid"]);
    let report = deliver([server.endpoint()], &lmtp(), None, two);
    assert_eq!(report.recipients.len(), 2);
    assert_eq!(verdict(&report, 0), (250, "2.0.0".into(), "delivered"));
    assert_eq!(verdict(&report, 1), (501, "5.1.1".into(), "rejected"));
    assert_eq!(server.session().content.as_deref(), Some(MESSAGE));
}

#[test]
fn t03_the_same_as_one_word_is_no_success() {
    // T3, M93: what a caller who wants a single answer looks at.
    let server = Server::start(Manner {
        lmtp: true,
        end: vec!["250 2.0.0 taken", "501 5.1.1 nobody here"],
        ..Manner::default()
    });
    let two = envelope(&["rcpt1@example.invalid", "rcpt2@example.invalid"]);
    let report = deliver([server.endpoint()], &lmtp(), None, two);
    assert_eq!(report.outcome(), Outcome::Partial);
    let failed: Vec<_> = report.recipients.iter().filter_map(|it| it.disposition.failure()).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].status().code.get(), failed[0].phase), (501, Phase::End));
    assert!(server.session().content.is_some());
}

#[test]
fn t04_a_target_that_refuses_the_connection_is_followed_by_the_next() {
    // T4, M38
    let second = Server::start(Manner::default());
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let first: Endpoint = format!("tcp://{nobody}").parse().expect("an endpoint");
    let report = deliver([first, second.endpoint()], &config(), None, envelope(&["rcpt@example.invalid"]));
    assert_eq!(report.outcome(), Outcome::Delivered);
    assert_eq!(report.attempts.len(), 2);
    assert_eq!((report.attempts[0].kind(), report.attempts[0].phase), (Some(Kind::Network), Phase::Connect));
    assert_eq!(second.session().content.as_deref(), Some(MESSAGE));
}

#[test]
fn t05_a_refused_mail_is_told_with_code_enhanced_code_and_text() {
    // T5, M39, M85
    let refusing = Manner { mail: Some("550 5.1.2 Hey"), ..Manner::default() };
    let (first, second) = (Server::start(refusing), Server::start(Manner::default()));
    let envelope = envelope(&["rcpt@example.invalid"]);
    let report = deliver([first.endpoint(), second.endpoint()], &config(), None, envelope);
    assert_eq!(verdict(&report, 0), (550, "5.1.2".into(), "rejected"));
    assert_eq!(cause(&report, 0).reply().expect("the server's own").text(), "Hey");
    let session = first.session();
    assert_eq!(session.content, None);
    assert_eq!(session.said().last(), Some(&"QUIT"));
    assert!(second.sessions().is_empty());
}

// ---- TLS ---------------------------------------------------------------------------------------------------------------------------------

#[test]
fn t06_where_tls_is_attempted_and_offered_the_message_goes_over_tls() {
    // T6, M64
    let (certificates, tls) = certificates();
    let server = Server::start(Manner { tls: Some(tls), ..Manner::default() });
    let report = send(&server, &secured(&certificates, false));
    assert_eq!(report.outcome(), Outcome::Delivered);
    assert!(report.attempts[0].tls.as_ref().is_some_and(|facts| facts.verified));
    let session = server.session();
    assert_eq!(session.line("STARTTLS"), (false, "STARTTLS"));
    assert!(session.line("MAIL").0 && session.line("RCPT").0 && session.line("DATA").0);
    assert_eq!(session.content.as_deref(), Some(MESSAGE));
}

#[test]
fn t07_where_tls_is_attempted_and_not_offered_the_message_goes_in_plaintext() {
    // T7, M62
    let (certificates, _) = certificates();
    let server = Server::start(Manner::default());
    let report = send(&server, &secured(&certificates, false));
    assert_eq!(report.outcome(), Outcome::Delivered);
    assert!(report.attempts[0].tls.is_none());
    let session = server.session();
    assert!(!session.has_said("STARTTLS") && !session.line("MAIL").0);
    assert_eq!(session.content.as_deref(), Some(MESSAGE));
}

#[test]
fn t08_where_tls_is_required_and_offered_the_message_goes_over_tls() {
    // T8, M64
    let (certificates, tls) = certificates();
    let server = Server::start(Manner { tls: Some(tls), ..Manner::default() });
    let report = send(&server, &secured(&certificates, true));
    assert_eq!(report.outcome(), Outcome::Delivered);
    let session = server.session();
    assert!(session.line("STARTTLS") == (false, "STARTTLS") && session.line("MAIL").0);
    assert_eq!(session.content.as_deref(), Some(MESSAGE));
}

#[test]
fn t09_with_the_scheme_tls_there_is_tls_and_no_starttls() {
    // T9, M58
    let (certificates, tls) = certificates();
    let server = Server::start(Manner { tls: Some(tls), implicit: true, ..Manner::default() });
    let report = send(&server, &secured(&certificates, true));
    assert_eq!(report.outcome(), Outcome::Delivered);
    assert!(report.attempts[0].tls.as_ref().is_some_and(|facts| facts.verified));
    let session = server.session();
    assert!(!session.has_said("STARTTLS"));
    assert!(session.said.iter().all(|(secure, _)| *secure));
    assert_eq!(session.content.as_deref(), Some(MESSAGE));
}

#[test]
fn t10_where_tls_is_required_and_not_offered_nothing_is_sent() {
    // T10, M63
    let (certificates, _) = certificates();
    let server = Server::start(Manner::default());
    let report = send(&server, &secured(&certificates, true));
    assert_ne!(report.outcome(), Outcome::Delivered);
    assert_eq!(cause(&report, 0).kind(), Kind::Tls);
    assert_eq!(server.session().said(), ["EHLO mx.example.invalid", "QUIT"]);
}

#[test]
fn t11_an_international_hostname_is_said_in_its_ascii_form() {
    // T11, M74, M75: the same name before STARTTLS and behind it.
    let (certificates, tls) = certificates();
    let server = Server::start(Manner { tls: Some(tls), ..Manner::default() });
    let mut config = secured(&certificates, true);
    config.client_name = "тест.invalid".parse().expect("a name");
    let report = send(&server, &config);
    assert_eq!(report.outcome(), Outcome::Delivered);
    let session = server.session();
    let hellos: Vec<_> = session.said().into_iter().filter(|line| line.starts_with("EHLO")).collect();
    assert_eq!(hellos, ["EHLO xn--e1aybc.invalid"; 2]);
}

// ---- authentication ------------------------------------------------------------------------------------------------------------------------

#[test]
fn t12_plain_sends_the_user_and_the_password() {
    // T12, M44, M48
    let server = Server::start(Manner { auth: Some("235 2.7.0 welcome"), ..Manner::default() });
    let report = send(&server, &with_auth(AuthPolicy::Mechanism(Mechanism::Plain, password())));
    assert_eq!(report.outcome(), Outcome::Delivered);
    let session = server.session();
    assert_eq!(session.said()[..2], ["EHLO mx.example.invalid", AUTH_PLAIN]);
    assert_eq!(session.content.as_deref(), Some(MESSAGE));
}

#[test]
fn t13_refused_credentials_are_a_failure_and_no_other_target_is_tried() {
    // T13, M47, D20
    let refusing = Manner { auth: Some("535 5.7.8 no"), ..Manner::default() };
    let (first, second) = (Server::start(refusing), Server::start(Manner::default()));
    let report = deliver(
        [first.endpoint(), second.endpoint()],
        &with_auth(AuthPolicy::Mechanism(Mechanism::Plain, password())),
        None,
        envelope(&["rcpt@example.invalid"]),
    );
    assert_eq!(report.recipients[0].disposition.name(), "deferred");
    assert_eq!(cause(&report, 0).kind(), Kind::Auth);
    assert_eq!(cause(&report, 0).reply().expect("the server's own").code().get(), 535);
    assert_eq!(first.session().said(), ["EHLO mx.example.invalid", AUTH_PLAIN, "QUIT"]);
    assert!(second.sessions().is_empty());
}

#[test]
fn t14_forwarded_credentials_are_those_of_the_submitting_client() {
    // T14, M45
    let server = Server::start(Manner { auth: Some("235 2.7.0 welcome"), ..Manner::default() });
    let envelope = envelope(&["rcpt@example.invalid"]);
    let report = deliver([server.endpoint()], &with_auth(AuthPolicy::Forward), Some(password()), envelope);
    assert_eq!(report.outcome(), Outcome::Delivered);
    assert_eq!(server.session().line("AUTH").1, AUTH_PLAIN);
}

#[test]
fn t15_without_anything_to_forward_authentication_is_asked_for() {
    // T15, M45
    let server = Server::start(Manner { auth: Some("235 2.7.0 welcome"), ..Manner::default() });
    let report = send(&server, &with_auth(AuthPolicy::Forward));
    assert_eq!(verdict(&report, 0), (530, "5.7.0".into(), "rejected"));
    assert!(status(&report, 0).local);
    assert_eq!(server.session().said(), ["EHLO mx.example.invalid", "QUIT"]);
}

// ---- SMTPUTF8 --------------------------------------------------------------------------------------------------------------------------------

/// A message that was submitted with SMTPUTF8; what the report says, and what the server saw.
fn international(smtputf8: bool, sender: &str, recipient: &str) -> (Report, Session) {
    let server = Server::start(Manner { smtputf8, ..Manner::default() });
    let sender = Sender::from(mailbox(sender)).with_smtputf8();
    let report = deliver([server.endpoint()], &config(), None, envelope_from(sender, &[recipient]));
    (report, server.session())
}

/// Delivered, and MAIL and RCPT were these.
fn goes_as(smtputf8: bool, sender: &str, recipient: &str, mail: &str, rcpt: &str) {
    let (report, session) = international(smtputf8, sender, recipient);
    assert_eq!(report.outcome(), Outcome::Delivered, "{:?}", report.recipients);
    assert_eq!((session.line("MAIL").1, session.line("RCPT").1), (mail, rcpt));
    assert_eq!(session.content.as_deref(), Some(MESSAGE));
    // D26: the report names the recipient as it was given.
    assert_eq!(report.recipients[0].recipient, Recipient::from(mailbox(recipient)));
}

#[test]
fn t17_1_a_senders_domain_is_converted_for_a_server_without_smtputf8() {
    // T17 row 1, M80
    goes_as(
        false,
        "test@тест.example.org",
        "rcpt@example.invalid",
        "MAIL FROM:<test@xn--e1aybc.example.org>",
        "RCPT TO:<rcpt@example.invalid>",
    );
}

#[test]
fn t17_2_a_recipients_domain_is_converted_for_a_server_without_smtputf8() {
    // T17 row 2, M81
    goes_as(
        false,
        "test@example.org",
        "test@тест.example.org",
        "MAIL FROM:<test@example.org>",
        "RCPT TO:<test@xn--e1aybc.example.org>",
    );
}

#[test]
fn t17_3_a_senders_international_local_part_is_refused_for_a_server_without_smtputf8() {
    // T17 row 3, M80
    let (report, session) = international(false, "тест@example.org", "rcpt@example.invalid");
    assert_eq!(verdict(&report, 0), (550, "5.6.7".into(), "rejected"));
    assert!(status(&report, 0).local && !session.has_said("MAIL") && session.content.is_none());
}

#[test]
fn t17_4_a_recipients_international_local_part_is_refused_for_a_server_without_smtputf8() {
    // T17 row 4, M81
    let (report, session) = international(false, "test@example.org", "тест@example.org");
    assert_eq!(verdict(&report, 0), (553, "5.6.7".into(), "rejected"));
    assert!(status(&report, 0).local && !session.has_said("RCPT") && session.content.is_none());
}

#[test]
fn t17_5_a_senders_domain_goes_unchanged_to_a_server_with_smtputf8() {
    // T17 row 5, M79
    goes_as(
        true,
        "test@тест.org",
        "rcpt@example.invalid",
        "MAIL FROM:<test@тест.org> SMTPUTF8",
        "RCPT TO:<rcpt@example.invalid>",
    );
}

#[test]
fn t17_6_a_recipients_domain_goes_unchanged_to_a_server_with_smtputf8() {
    // T17 row 6, M79
    goes_as(
        true,
        "test@example.org",
        "test@тест.org",
        "MAIL FROM:<test@example.org> SMTPUTF8",
        "RCPT TO:<test@тест.org>",
    );
}

#[test]
fn t17_7_a_senders_local_part_goes_unchanged_to_a_server_with_smtputf8() {
    // T17 row 7, M79
    goes_as(
        true,
        "тест@example.org",
        "rcpt@example.invalid",
        "MAIL FROM:<тест@example.org> SMTPUTF8",
        "RCPT TO:<rcpt@example.invalid>",
    );
}

#[test]
fn t17_8_a_recipients_local_part_goes_unchanged_to_a_server_with_smtputf8() {
    // T17 row 8, M79
    goes_as(
        true,
        "test@example.org",
        "тест@example.org",
        "MAIL FROM:<test@example.org> SMTPUTF8",
        "RCPT TO:<тест@example.org>",
    );
}

// ---- LMTP ------------------------------------------------------------------------------------------------------------------------------------

#[test]
fn t27_an_lmtp_target_hears_lmtp_in_one_session() {
    // T27, M89
    let server = Server::start(Manner { lmtp: true, ..Manner::default() });
    let two = envelope(&["rcpt1@example.invalid", "rcpt2@example.invalid"]);
    let report = deliver([server.endpoint()], &lmtp(), None, two);
    assert_eq!(report.outcome(), Outcome::Delivered);
    assert!(report.recipients.iter().all(|it| matches!(it.disposition, Disposition::Delivered(_))));
    let session = server.session();
    assert_eq!(
        session.said(),
        [
            "LHLO mx.example.invalid",
            "MAIL FROM:<test@example.invalid>",
            "RCPT TO:<rcpt1@example.invalid>",
            "RCPT TO:<rcpt2@example.invalid>",
            "DATA",
            "QUIT",
        ]
    );
    assert_eq!(session.content.as_deref(), Some(MESSAGE));
}
