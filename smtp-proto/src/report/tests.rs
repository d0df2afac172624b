use super::*;
use crate::{Sender, reply::Code};

fn to(dispositions: impl IntoIterator<Item = Disposition>) -> Report {
    let recipient = Recipient::new("b@example.net".parse().unwrap());
    let recipients = dispositions.into_iter().map(|disposition| RecipientReport {
        recipient: recipient.clone(),
        disposition,
        attempt: None,
    });
    Report { recipients: recipients.collect(), attempts: Vec::new(), round_trips: 0, found: None }
}

fn attempt(target: usize, phase: Phase, usable: bool) -> Attempt {
    Attempt {
        target,
        endpoint: "tcp://mx.example:25".parse().unwrap(),
        peer: Some(Peer::Tcp("192.0.2.1:25".parse().unwrap())),
        phase,
        usable,
        error: (!usable).then_some(Error::Timeout(phase)),
        tls: None,
        fell_back_to_plaintext: false,
        reused: false,
        notices: Vec::new(),
    }
}

#[test]
fn one_word_for_many_recipients() {
    // CLI: the outcome of a message
    let failure = || Failure::new(Phase::End, Error::Timeout(Phase::End));
    let make = |word: char| match word {
        'd' => Disposition::Delivered(Reply::new(Code::OK, "ok")),
        't' => Disposition::Deferred(failure()),
        'r' => Disposition::Rejected(failure()),
        _ => Disposition::Uncertain(failure()),
    };
    for (words, outcome) in [
        ("", Outcome::Delivered),
        ("dd", Outcome::Delivered),
        ("t", Outcome::Deferred),
        ("tt", Outcome::Deferred),
        ("rrr", Outcome::Rejected),
        ("uu", Outcome::Uncertain),
        ("dt", Outcome::Partial),
        ("drd", Outcome::Partial),
        ("tr", Outcome::Partial),
        ("du", Outcome::Uncertain),
        ("ud", Outcome::Uncertain),
        ("drud", Outcome::Uncertain),
    ] {
        assert_eq!(to(words.chars().map(make)).outcome(), outcome, "{words}");
    }
    let names =
        [Outcome::Delivered, Outcome::Deferred, Outcome::Rejected, Outcome::Uncertain, Outcome::Partial];
    assert_eq!(names.map(Outcome::name), ["delivered", "deferred", "rejected", "uncertain", "partial"]);
}

#[test]
fn the_last_usable_attempt_counts() {
    let mut report = to([]);
    assert!(report.decisive_attempt().is_none());
    report.attempts = vec![attempt(0, Phase::Connect, false), attempt(1, Phase::Hello, false)];
    assert_eq!(report.decisive_attempt().unwrap().target, 1);
    report.attempts =
        vec![attempt(0, Phase::End, true), attempt(1, Phase::End, true), attempt(2, Phase::Hello, false)];
    assert_eq!(report.decisive_attempt().unwrap().target, 1);
}

#[test]
fn what_is_refused_here_is_refused_to_everybody() {
    let sender = Sender::new("a@example.org".parse().unwrap());
    let to = vec![Recipient::new("b@example.net".parse().unwrap()); 2];
    let envelope = Envelope::new(sender, to);
    let permanent =
        Report::refused(&envelope, Phase::Mail, &Error::Unsendable(crate::error::Unsendable::EightBit));
    assert_eq!((permanent.recipients.len(), permanent.outcome()), (2, Outcome::Rejected));
    assert!(permanent.recipients.iter().all(|one| one.attempt.is_none()));
    assert_eq!(permanent.recipients[0].disposition.failure().unwrap().phase, Phase::Mail);
    let passing = Report::refused(&envelope, Phase::Mail, &Error::Cancelled);
    assert_eq!((passing.outcome(), passing.attempts.len()), (Outcome::Deferred, 0));
}

#[test]
fn a_probe_tells_of_its_last_attempt() {
    let mut report = to([]);
    let greeting = Some(Reply::new(Code::READY, "mx\nready"));
    report.found = Some(Found { greeting, capabilities: Capabilities::default() });
    report.attempts = vec![attempt(0, Phase::Connect, false), attempt(0, Phase::Quit, true)];
    let probe = report.clone().into_probe(Duration::from_secs(1));
    assert_eq!(probe.greeting.as_deref(), Some("mx ready"));
    assert!(probe.usable && probe.error.is_none() && probe.peer.is_some() && probe.endpoint.is_some());

    // Nobody took the connection, so nobody is at the other end.
    report.attempts.truncate(1);
    let probe = report.clone().into_probe(Duration::ZERO);
    assert!(
        !probe.usable && probe.peer.is_none() && matches!(probe.error, Some(Error::Timeout(Phase::Connect)))
    );

    report.attempts.clear();
    let nobody = report.into_probe(Duration::ZERO);
    assert!(nobody.endpoint.is_none() && !nobody.usable);
    assert_eq!(nobody.error.unwrap().kind(), Kind::Dns);
}

#[test]
fn what_is_wrong_here_says_nothing_about_a_target() {
    let mut tried = attempt(0, Phase::End, true);
    assert_eq!(tried.kind(), None);
    tried.error = Some(Error::Cancelled);
    assert_eq!(tried.kind(), None);
    tried.error = Some(Error::Timeout(Phase::End));
    assert_eq!(tried.kind(), Some(Kind::Timeout));
}
