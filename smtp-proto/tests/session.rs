//! One session: for whom a reply is that comes early or unasked, what a session is fit for, and how much it listens to.

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use std::{sync::Arc, time::Instant};

use smtp_proto::{
    Config, Connection, Disposition, Envelope, Error, Event, PeerError, Phase, Recipient, Secret, Sender,
    TransactionReport,
    body::Facts,
    config::Protocol,
    sasl::{AuthPolicy, Credentials, Mechanism},
};

/// A session before its first message.
fn greeted(now: Instant, protocol: Protocol, hello: &str) -> Connection {
    let mut config = Config::new("client.example".parse().unwrap());
    config.protocol = protocol;
    let mut connection = Connection::new(now, Arc::new(config));
    connection.handle_input(now, b"220 mx\r\n");
    send(&mut connection, now);
    connection.handle_input(now, hello.as_bytes());
    connection
}

fn ready(now: Instant, protocol: Protocol) -> Connection {
    greeted(now, protocol, "250-mx\r\n250 PIPELINING\r\n")
}

/// For two.
fn envelope() -> Envelope {
    let recipients = ["r1@example.net", "r2@example.net"].map(|path| Recipient::new(path.parse().unwrap()));
    Envelope::new(Sender::new("s@example.org".parse().unwrap()), recipients.to_vec())
}

/// All of a message's content taken, of which nothing has been given out.
fn content(now: Instant, protocol: Protocol, pieces: &[&str]) -> Connection {
    let mut connection = ready(now, protocol);
    connection.submit(now, envelope()).unwrap();
    send(&mut connection, now);
    connection.handle_input(now, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    for piece in pieces {
        connection.write_body(now, piece.as_bytes()).unwrap();
    }
    connection.finish_body(now).unwrap();
    connection
}

fn send(connection: &mut Connection, now: Instant) -> String {
    let octets = connection.transmit().to_vec();
    connection.handle_transmitted(now, octets.len());
    String::from_utf8(octets).unwrap()
}

fn done(connection: &mut Connection) -> TransactionReport {
    std::iter::from_fn(|| connection.poll_event())
        .find_map(|event| if let Event::Done(_, report) = event { Some(report) } else { None })
        .expect("the transaction has ended")
}

fn closed(connection: &mut Connection) -> Error {
    std::iter::from_fn(|| connection.poll_event())
        .find_map(|event| if let Event::Closed(error) = event { error } else { None })
        .expect("the session has ended")
}

fn became(report: &TransactionReport) -> Vec<&'static str> {
    report.dispositions.iter().map(Disposition::name).collect()
}

#[test]
fn a_refusal_before_the_end_mark_was_given_out_is_for_everybody() {
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        let now = Instant::now();
        let mut connection = content(now, protocol, &["Subject: x\r\n\r\nhello\r\n"]);
        connection.handle_input(now, b"552 too much\r\n");
        assert_eq!(became(&done(&mut connection)), ["rejected", "rejected"], "{protocol:?}");
    }
}

#[test]
fn a_refusal_when_the_end_mark_was_given_out_is_for_everybody_in_smtp_and_for_one_in_lmtp() {
    for (protocol, expected) in
        [(Protocol::Smtp, ["rejected", "rejected"]), (Protocol::Lmtp, ["rejected", "uncertain"])]
    {
        let now = Instant::now();
        let mut connection = content(now, protocol, &["Subject: x\r\n\r\nhello\r\n"]);
        let given = connection.transmit().len();
        // The transport has taken all but the last octet, as far as is known.
        connection.handle_transmitted(now, given - 1);
        connection.handle_input(now, b"552 too much\r\n");
        assert_eq!(became(&done(&mut connection)), expected, "{protocol:?}");
    }
}

#[test]
fn content_that_is_taken_in_pieces_before_any_is_given_out_is_counted_once() {
    let now = Instant::now();
    let mut connection = content(now, Protocol::Smtp, &["Subject: x\r\n", "\r\n.hello\r\n", "bye\r\n"]);
    assert_eq!(send(&mut connection, now), "Subject: x\r\n\r\n..hello\r\nbye\r\n.\r\n");
    // The reply comes behind the last octet of it, not before.
    connection.handle_input(now, b"250 ok\r\n");
    assert_eq!(became(&done(&mut connection)), ["delivered", "delivered"]);
}

#[test]
fn a_reply_that_nobody_asked_for_is_about_no_content_that_is_not_under_way() {
    // R45, N37
    let now = Instant::now();
    let mut connection = ready(now, Protocol::Smtp);
    connection.handle_input(now, b"421 going down\r\n");
    assert!(matches!(closed(&mut connection), Error::Refused { phase: Phase::Mail, .. }));
    let mut connection = ready(now, Protocol::Smtp);
    connection.handle_input(now, b"554 nothing for you\r\n");
    assert!(matches!(closed(&mut connection), Error::Peer(PeerError::Unsolicited { .. })));
}

#[test]
fn a_reply_while_the_first_chunk_is_still_being_read_is_no_verdict() {
    // R45: nothing is said yet that it could answer.
    let now = Instant::now();
    let mut connection = greeted(now, Protocol::Smtp, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    connection.submit(now, envelope()).unwrap();
    send(&mut connection, now);
    connection.handle_input(now, b"250 ok\r\n250 ok\r\n250 ok\r\n");
    connection.write_body(now, b"Subject: x\r\n").unwrap();
    assert_eq!(send(&mut connection, now), "", "the chunk is not full");
    connection.handle_input(now, b"554 nothing for you\r\n");
    assert!(matches!(closed(&mut connection), Error::Peer(PeerError::Unsolicited { .. })));
}

#[test]
fn the_end_of_content_for_nobody_is_answered_like_any_other_and_the_session_goes_on() {
    // R140, R141: everybody was refused, and yet the server wants content.
    let now = Instant::now();
    let mut connection = ready(now, Protocol::Smtp);
    connection.submit(now, envelope()).unwrap();
    send(&mut connection, now);
    connection.handle_input(now, b"250 ok\r\n550 no\r\n550 no\r\n354 go\r\n");
    assert_eq!(send(&mut connection, now), ".\r\n");
    connection.handle_input(now, b"554 nobody\r\n");
    assert_eq!(became(&done(&mut connection)), ["rejected", "rejected"]);
    connection.submit(now, envelope()).unwrap();
    assert!(send(&mut connection, now).contains("MAIL FROM:<s@example.org>\r\n"));
}

#[test]
fn a_session_that_has_nothing_to_do_stands_before_mail() {
    let now = Instant::now();
    let mut connection = ready(now, Protocol::Smtp);
    assert_eq!(connection.phase(), Phase::Mail);
    connection.handle_closed(now, None);
    assert_eq!(connection.phase(), Phase::Mail);
}

#[test]
fn a_session_is_fit_for_another_message_only_between_two() {
    // D29: nothing asked, nothing half read, nothing half sent.
    let now = Instant::now();
    let mut connection = ready(now, Protocol::Smtp);
    assert!(connection.is_reusable());
    connection.submit(now, envelope()).unwrap();
    for reply in ["250 ok\r\n250 ok\r\n250 ok\r\n", "354 go\r\n"] {
        send(&mut connection, now);
        assert!(!connection.is_reusable(), "before {reply}");
        connection.handle_input(now, reply.as_bytes());
        assert!(!connection.is_reusable(), "after {reply}");
    }
    connection.write_body(now, b"Subject: x\r\n\r\nhello\r\n").unwrap();
    send(&mut connection, now);
    assert!(!connection.is_reusable(), "the content is not complete");
    connection.finish_body(now).unwrap();
    send(&mut connection, now);
    connection.handle_input(now, b"250 o");
    assert!(!connection.is_reusable(), "half a reply");
    connection.handle_input(now, b"k\r\n");
    assert_eq!(became(&done(&mut connection)), ["delivered", "delivered"]);
    assert!(connection.is_reusable());
    connection.quit(now);
    assert!(!connection.is_reusable(), "it is ending");
}

#[test]
fn a_challenge_may_be_longer_than_any_other_line() {
    // N31: 16 KiB.
    let now = Instant::now();
    let mut config = Config::new("client.example".parse().unwrap());
    let password = Credentials::Password { user: "test".to_owned(), password: Secret::from("correct-horse") };
    config.auth = AuthPolicy::Mechanism(Mechanism::CramMd5, password);
    config.security.secrets_in_clear = true;
    let mut answers = Vec::new();
    for (length, end, is_answered) in
        [(12 * 1024, "A", true), (12 * 1024, "B", true), (17 * 1024, "A", false)]
    {
        let mut connection = Connection::new(now, Arc::new(config.clone()));
        for said in ["220 mx\r\n", "250-mx\r\n250 AUTH CRAM-MD5\r\n"] {
            connection.handle_input(now, said.as_bytes());
            send(&mut connection, now);
        }
        connection.handle_input(now, format!("334 {}QUF{end}\r\n", "QUFB".repeat(length / 4)).as_bytes());
        answers.push(send(&mut connection, now));
        assert_eq!(connection.is_closed(), !is_answered, "{length} octets");
    }
    // `test `, and a digest of all of the challenge.
    assert!(answers[..2].iter().all(|answer| answer.starts_with("dGVzdC")), "{answers:?}");
    assert_ne!(answers[0], answers[1]);
    assert_eq!(answers[2], "");
}

#[test]
fn a_goodbye_in_answer_to_a_chunk_says_nothing_about_it() {
    // Law 9: 221 is a yes in form only.
    let now = Instant::now();
    for (reply, goes_on) in [("250 so far\r\n", true), ("221 bye\r\n", false)] {
        let mut connection = greeted(now, Protocol::Smtp, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
        connection.submit(now, envelope()).unwrap();
        send(&mut connection, now);
        connection.handle_input(now, b"250 ok\r\n250 ok\r\n250 ok\r\n");
        let line = "All work and no play makes Jack a dull boy.\r\n";
        while send(&mut connection, now).is_empty() {
            let most = connection.body_credit().min(line.len());
            connection.write_body(now, &line.as_bytes()[..most]).unwrap();
        }
        connection.handle_input(now, reply.as_bytes());
        assert_eq!(!connection.is_closed(), goes_on, "{reply}");
    }
}

#[test]
fn a_server_that_contradicts_itself_about_several_recipients_is_not_asked_anything_more_in_lmtp() {
    // R76, R139: MAIL is refused, yet there are recipients; how many replies the content has is undefined.
    for (recipients, goes_on) in [("250 ok\r\n550 no\r\n", true), ("250 ok\r\n250 ok\r\n", false)] {
        let now = Instant::now();
        let mut connection = greeted(now, Protocol::Lmtp, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
        let content = b"Subject: x\r\n\r\nhello\r\n";
        let mut envelope = envelope();
        let mut facts = Facts::default();
        facts.octets = content.len() as u64;
        envelope.sender.content = Some(facts);
        connection.submit(now, envelope).unwrap();
        connection.write_body(now, content).unwrap();
        connection.finish_body(now).unwrap();
        assert!(send(&mut connection, now).contains("BDAT 21 LAST"), "one flight");
        connection.handle_input(now, format!("550 no\r\n{recipients}503 no transaction\r\n").as_bytes());
        assert_eq!(became(&done(&mut connection)), ["rejected", "rejected"]);
        assert_eq!(!connection.is_closed(), goes_on, "{recipients}");
    }
}

#[test]
fn a_message_that_cannot_be_sent_is_never_begun() {
    // M81: the server has no SMTPUTF8. The recipients come one by one, so the message is not complete yet.
    let now = Instant::now();
    let mut connection = ready(now, Protocol::Smtp);
    connection.begin(now, Sender::new("\u{fc}@example.org".parse().unwrap())).unwrap();
    assert_eq!(send(&mut connection, now), "");
    connection.recipient(now, Recipient::new("r1@example.net".parse().unwrap())).unwrap();
    assert_eq!(send(&mut connection, now), "");
    connection.data(now).unwrap();
    assert_eq!(became(&done(&mut connection)), ["rejected"]);
    assert!(connection.is_reusable(), "it heard nothing of that");
}

#[test]
fn a_transaction_is_completed_once() {
    let now = Instant::now();
    let mut connection = ready(now, Protocol::Smtp);
    assert!(connection.data(now).is_err(), "there is none");
    connection.begin(now, Sender::new("s@example.org".parse().unwrap())).unwrap();
    connection.recipient(now, Recipient::new("r1@example.net".parse().unwrap())).unwrap();
    connection.data(now).unwrap();
    assert!(connection.data(now).is_err());
}
