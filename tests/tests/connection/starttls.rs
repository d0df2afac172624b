//! TLS inside the core, against a real TLS server in memory.

use rustls::{SupportedProtocolVersion, version};
use smtp_proto::{
    Error, Event, Notice, PeerError, Phase,
    config::TlsMode,
    error::{AuthError, TlsError},
    sasl::{AuthPolicy, Credentials, Mechanism},
};
use smtp_testkit::{Certificates, Secure, secure::Mischief};

use super::*;

const NAME: &str = "mx.example";

struct Kit {
    server: Certificates,
    config: Config,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Kit {
    fn new(mode: TlsMode) -> Self {
        Self::with(mode, rustls::DEFAULT_VERSIONS.to_vec(), NAME)
    }

    /// A server with a certificate for `name`; the client expects `NAME`.
    fn with(mode: TlsMode, versions: Vec<&'static SupportedProtocolVersion>, name: &str) -> Self {
        let server = Certificates::for_name(name);
        let mut config = config();
        config.security.mode = mode;
        config.security.client = Some(server.client(&versions));
        config.security.server_name = Some(NAME.try_into().unwrap());
        Self { server, config, versions }
    }

    fn peer(&self, dialogue: &str) -> Secure<Script> {
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let config = self.server.server(&self.versions);
        match self.config.security.mode {
            TlsMode::Implicit => Secure::implicit(Script::new(dialogue), config, lmtp),
            _ => Secure::starttls(Script::new(dialogue), config, lmtp),
        }
    }

    fn world(&self, dialogue: &str) -> World<Secure<Script>> {
        World::new(self.config.clone(), self.peer(dialogue))
    }

    fn play(&self, plan: Plan, dialogue: &str) -> Outcome {
        let mut world = self.world(dialogue);
        world.expect(plan);
        world.into_outcome()
    }
}

/// Up to the handshake, and EHLO again with these offers.
fn secured(offers: &[&str]) -> String {
    format!(
        "{}C: STARTTLS\nS: 220 go\n*: tls\nC: EHLO client.example\n{}",
        opened(&["PIPELINING", "STARTTLS"]),
        hello(offers)
    )
}

const TAKEN: &str = "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n*: content\nS: 250 ok";

#[test]
fn a_message_over_starttls() {
    // R83, R85, R88, R58, R59, M64, T6, T8: in both versions, over any splitting, whoever comes first.
    for versions in [vec![&version::TLS12], vec![&version::TLS13]] {
        let kit = Kit::with(TlsMode::StartTls, versions, NAME);
        let dialogue = secured(&["PIPELINING"]) + TAKEN + GOODBYE;
        for sizes in [vec![], vec![1], vec![7, 300, 2], vec![1400]] {
            for reads_first in [false, true] {
                let split = Split::Sizes(sizes.clone());
                let net = Net { reads_first, ..Net::split(split) };
                let mut world = kit.world(&dialogue).over(net);
                world.expect(Plan::of([mail(&["b@y"])]));
                let outcome = world.outcome();
                assert_eq!(outcome.verdicts(0), ["delivered 250"], "{sizes:?} {reads_first}");
                let facts = world.client.tls().expect("TLS");
                assert!(facts.verified && facts.version.starts_with("TLSv1."));
                assert!(world.server.inner.contents[0].starts_with(b"Subject: s\r\n"));
                assert!(world.server.close_notify, "R59");
                let wire = outcome.wire();
                assert!(wire.starts_with("EHLO client.example\\r\\nSTARTTLS\\r\\n\\x16\\x03"), "{wire}");
                assert!(!wire.contains("MAIL"));
            }
        }
    }
}

#[test]
fn a_message_over_implicit_tls() {
    // R94, M58, T9: STARTTLS is never said, even if offered (R89).
    for versions in [vec![&version::TLS12], vec![&version::TLS13]] {
        for bytes in [false, true] {
            let mut kit = Kit::with(TlsMode::Implicit, versions.clone(), NAME);
            kit.config.security.required = true;
            let dialogue = session(&["PIPELINING", "STARTTLS"], TAKEN);
            let net = if bytes { Net::split(Split::bytes()) } else { Net::default() };
            let mut world = kit.world(&dialogue).over(net);
            world.expect(Plan::of([mail(&["b@y"])]));
            assert_eq!(world.outcome().verdicts(0), ["delivered 250"]);
            assert!(world.outcome().sent.starts_with(b"\x16\x03"));
        }
    }
}

#[test]
fn starttls_offered_inside_tls_is_not_taken() {
    // R89
    let kit = Kit::new(TlsMode::StartTls);
    kit.play(Plan::of([mail(&["b@y"])]), &(secured(&["PIPELINING", "STARTTLS"]) + TAKEN + GOODBYE));
}

#[test]
fn what_was_offered_in_plaintext_counts_no_more() {
    // R15, R87, R98: SIZE and AUTH before, not after; and the other way round.
    let mut kit = Kit::new(TlsMode::StartTls);
    let before =
        secured(&[]).replace("S: 250-PIPELINING\n", "S: 250-PIPELINING\nS: 250-SIZE 5\nS: 250-AUTH PLAIN\n");
    let lockstep = "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 354 go\n*: content\nS: 250 ok";
    let mut one = mail(&["b@y"]);
    one.envelope.sender = sender().with_declared_size(100);
    assert_eq!(
        kit.play(Plan::of([one]), &(before.clone() + lockstep + GOODBYE)).verdicts(0),
        ["delivered 250"]
    );

    kit.config.auth = plain();
    let outcome = kit.play(Plan::default(), &(before + GOODBYE));
    assert!(matches!(outcome.error(), Error::Auth(AuthError::Sasl(_))));
}

fn plain() -> AuthPolicy {
    AuthPolicy::Mechanism(
        Mechanism::Plain,
        Credentials::Password { user: "test".into(), password: "testpass".into() },
    )
}

#[test]
fn a_password_goes_over_verified_tls() {
    // R112, D4: and no warning.
    let mut kit = Kit::new(TlsMode::StartTls);
    kit.config.auth = plain();
    let dialogue = secured(&["AUTH PLAIN"]) + "C: AUTH PLAIN AHRlc3QAdGVzdHBhc3M=\nS: 235 in" + GOODBYE;
    let outcome = kit.play(Plan::default(), &dialogue);
    assert!(!outcome.events.iter().any(|event| matches!(event, Event::Notice(Notice::SecretInClear))));
    assert!(!outcome.wire().contains("AHRlc3Q"));
}

#[test]
fn octets_behind_the_220_are_an_attack_and_nothing_else() {
    // R86, D3, D33, law 4: in the same read, in the next, one by one; never a reason to fall back, required or not.
    for injected in ["250 x\\r\\n", "220 again\\r\\n", "2", "\\r\\n", "\\x16\\x03\\x03"] {
        for required in [false, true] {
            let mut kit = Kit::new(TlsMode::StartTls);
            kit.config.security.required = required;
            let dialogue =
                format!("{}C: STARTTLS\nS| 220 go\\r\\n{injected}\n*: gone", opened(&["STARTTLS"]));
            for sizes in [vec![], vec![1], vec![8]] {
                // The client reads whatever is there before it writes its ClientHello.
                let net = Net { reads_first: true, ..Net::split(Split::Sizes(sizes)) };
                let mut world = kit.world(&dialogue).over(net);
                world.run(Plan::of([mail(&["b@y"])]));
                let outcome = world.outcome();
                assert!(
                    matches!(outcome.error(), Error::Peer(PeerError::InjectedPlaintext)),
                    "{injected}: {:?}",
                    outcome.error()
                );
                assert!(!outcome.handshake_failed, "no plaintext retry");
                assert!(outcome.wire().ends_with("STARTTLS\\r\\n"), "{}", outcome.wire());
                assert_eq!(outcome.error().phase(), Some(Phase::StartTls));
            }
        }
    }
}

#[test]
fn plaintext_in_the_place_of_the_servers_hello_is_an_attack_too() {
    // D3, D33: it comes when the ClientHello has left.
    let kit = Kit::new(TlsMode::StartTls);
    let dialogue = format!("{}C: STARTTLS\nS: 220 go\n*: tls", opened(&["STARTTLS"]));
    for split in [Split::Whole, Split::bytes()] {
        let peer = kit.peer(&dialogue).with(Mischief::Garbage(b"250 welcome\r\n"));
        let mut world = World::new(kit.config.clone(), peer).over(Net::split(split));
        world.run(Plan::default());
        assert!(matches!(world.outcome().error(), Error::Peer(PeerError::InjectedPlaintext)));
        assert!(!world.outcome().handshake_failed);
    }
}

#[test]
fn starttls_refused_means_plaintext_unless_tls_is_required() {
    // R84, M67, M68, D2: the same session goes on.
    for code in ["454 4.7.0 not now", "501 what", "502 no", "500 no", "554 no"] {
        let mut kit = Kit::new(TlsMode::StartTls);
        let dialogue = opened(&["PIPELINING", "STARTTLS"]) + "C: STARTTLS\nS: " + code + "\n";
        let outcome = kit.play(Plan::of([mail(&["b@y"])]), &format!("{dialogue}{TAKEN}{GOODBYE}"));
        assert_eq!(outcome.verdicts(0), ["delivered 250"]);
        assert!(
            outcome.events.iter().any(|event| matches!(event, Event::Notice(Notice::StartTlsRefused(_))))
        );

        kit.config.security.required = true;
        let outcome = kit.play(Plan::of([mail(&["b@y"])]), &format!("{dialogue}{GOODBYE}"));
        assert!(matches!(outcome.error(), Error::Refused { phase: Phase::StartTls, .. }));
        assert!(outcome.reports.is_empty() && !outcome.handshake_failed);
    }
}

#[test]
fn only_220_starts_tls() {
    // D31, R84; 421 is a lost connection (D2)
    for code in ["250 go", "221 go", "354 go", "421 bye"] {
        let kit = Kit::new(TlsMode::StartTls);
        let dialogue = format!("{}C: STARTTLS\nS: {code}\n*: gone", opened(&["STARTTLS"]));
        let outcome = kit.play(Plan::of([mail(&["b@y"])]), &dialogue);
        assert!(matches!(outcome.error(), Error::Peer(_) | Error::Refused { phase: Phase::StartTls, .. }));
        assert!(outcome.reports.is_empty());
    }
}

#[test]
fn a_wrong_certificate_gets_an_alert_and_nothing_in_clear() {
    // R90, R112, M59, M65, M66, M103: no QUIT over a broken stream, no credentials.
    for mode in [TlsMode::StartTls, TlsMode::Implicit] {
        for versions in [vec![&version::TLS12], vec![&version::TLS13]] {
            // For another name; and from an authority that the client does not know.
            let wrong_name = Kit::with(mode, versions.clone(), "other.example");
            let mut unknown = Kit::with(mode, versions.clone(), NAME);
            unknown.server = Certificates::for_name(NAME);
            for mut kit in [wrong_name, unknown] {
                kit.config.auth = plain();
                let dialogue = match mode {
                    TlsMode::Implicit => String::new(),
                    _ => format!("{}C: STARTTLS\nS: 220 go\n*: tls", opened(&["STARTTLS"])),
                };
                let mut world = kit.world(&dialogue);
                world.run(Plan::of([mail(&["b@y"])]));
                let outcome = world.outcome();
                assert!(matches!(outcome.error(), Error::Tls(TlsError::Failed(_))), "{:?}", outcome.error());
                let status = outcome.error().status();
                assert_eq!((status.code.get(), status.enhanced.to_string().as_str()), (451, "4.7.5"));
                assert!(outcome.handshake_failed, "M65 may retry");
                assert!(world.server.failure.is_some(), "the server got an alert");
                assert!(!outcome.wire().contains("QUIT") && world.server.received.is_empty());
            }
        }
    }
}

#[test]
fn a_handshake_that_breaks_off_is_a_failed_handshake() {
    // M65, D24: end of file, silence, garbage that looks like TLS.
    let kit = Kit::new(TlsMode::StartTls);
    let dialogue = format!("{}C: STARTTLS\nS: 220 go\n*: tls", opened(&["STARTTLS"]));
    for (mischief, seconds) in [
        (Mischief::HangUpInHandshake, 0),
        (Mischief::Silent, 300),                                 // N4, R225
        (Mischief::Garbage(b"\x15\x03\x03\x00\x02\x02\x28"), 0), // a fatal alert
        (Mischief::Garbage(b"\x16\x03\x03\x00\x04\xff\xff\xff\xff"), 0),
        (Mischief::Garbage(b"\x16\x03\x03\x00"), 300),
    ] {
        let mut world = World::new(kit.config.clone(), kit.peer(&dialogue).with(mischief));
        world.run(Plan::of([mail(&["b@y"])]));
        let outcome = world.outcome();
        assert!(outcome.handshake_failed, "{mischief:?}: {:?}", outcome.error());
        assert_eq!(outcome.error().phase(), Some(Phase::Tls), "{mischief:?}: {:?}", outcome.error());
        assert_eq!(outcome.elapsed.as_secs(), seconds, "{mischief:?}");
        assert!(outcome.reports.is_empty());
        assert!(!outcome.wire().contains("QUIT"));
    }
}

#[test]
fn a_plaintext_greeting_on_a_tls_port_is_a_failed_handshake() {
    // M59, M104: not an injection, for there was no plaintext dialogue; whoever comes first.
    for reads_first in [false, true] {
        let kit = Kit::new(TlsMode::Implicit);
        let net = Net { reads_first, ..Net::default() };
        let mut world = World::new(kit.config.clone(), Script::new("S: 220 mx")).over(net);
        world.run(Plan::default());
        assert!(matches!(world.outcome().error(), Error::Tls(_)), "{:?}", world.outcome().error());
    }
}

#[test]
fn an_early_end_of_tls_is_the_end_of_the_line() {
    // A close_notify ends the stream, and so does an end of file without one; neither takes back a reply.
    let kit = Kit::new(TlsMode::StartTls);
    let plan = || Plan::of([mail(&["b@y"])]);
    let outcome =
        kit.play(plan(), &(secured(&["PIPELINING"]) + TAKEN.trim_end_matches("\nS: 250 ok") + "\n*: close"));
    assert_eq!(outcome.verdicts(0), ["uncertain 450 end"]);
    assert_eq!(outcome.elapsed.as_secs(), 0, "close_notify needs no end of file");
    let outcome = kit.play(plan(), &(secured(&["PIPELINING"]) + TAKEN + "\n*: reset"));
    assert_eq!(outcome.verdicts(0), ["delivered 250"]);
}

#[test]
fn a_broken_record_ends_the_session() {
    let kit = Kit::new(TlsMode::StartTls);
    let peer = kit.peer(&secured(&["PIPELINING"])).with(Mischief::CorruptAfterHandshake);
    let mut world = World::new(kit.config, peer);
    world.run(Plan::of([mail(&["b@y"])]));
    assert!(matches!(world.outcome().error(), Error::Tls(_)));
    assert!(world.outcome().handshake_failed, "M69: TLS itself failed where EHLO was due");
}

#[test]
fn a_record_that_breaks_after_the_hello_is_no_reason_to_go_without() {
    // M65, M69: TLS did work; whoever breaks it now must not get the rest in plaintext.
    let kit = Kit::new(TlsMode::StartTls);
    let peer = kit
        .peer(&(secured(&[]) + "C: MAIL FROM:<a@x.example>\nS: 250 broken"))
        .with(Mischief::CorruptAt("broken"));
    let mut world = World::new(kit.config, peer);
    world.run(Plan::of([mail(&["b@y"])]));
    let outcome = world.outcome();
    assert!(matches!(outcome.error(), Error::Tls(_)), "{:?}", outcome.error());
    assert!(!outcome.handshake_failed);
    assert_eq!(outcome.verdicts(0), ["deferred 451 mail"]);
}

#[test]
fn a_refused_ehlo_inside_tls_is_no_reason_to_go_without() {
    // M69, D21: QUIT inside TLS; no HELO, no plaintext retry.
    let kit = Kit::new(TlsMode::StartTls);
    let dialogue = secured(&[])
        .replace("EHLO client.example\nS: 250 mx at your service\n", "EHLO client.example\nS: 502 no\n");
    let outcome = kit.play(Plan::default(), &(dialogue + GOODBYE));
    assert!(matches!(outcome.error(), Error::Refused { phase: Phase::Hello, .. }));
    assert!(!outcome.handshake_failed);
}

#[test]
fn requiretls_is_kept_over_tls_where_offered() {
    // R196
    let kit = Kit::new(TlsMode::StartTls);
    let mut one = mail(&["b@y"]);
    one.envelope.sender = sender().with_require_tls();
    let dialogue = secured(&["PIPELINING", "REQUIRETLS"])
        + &TAKEN.replace("FROM:<a@x.example>", "FROM:<a@x.example> REQUIRETLS")
        + GOODBYE;
    assert_eq!(kit.play(Plan::of([one.clone()]), &dialogue).verdicts(0), ["delivered 250"]);
    let outcome = kit.play(Plan::of([one]), &(secured(&["PIPELINING"]) + GOODBYE));
    assert_eq!(outcome.verdicts(0), ["rejected 550 mail"]);
}

#[test]
fn without_a_name_to_verify_there_is_no_tls() {
    // M54, M70: QUIT; where TLS is optional, a retry without is allowed.
    let mut kit = Kit::new(TlsMode::StartTls);
    kit.config.security.server_name = None;
    let outcome = kit.play(Plan::default(), &(opened(&["STARTTLS"]) + GOODBYE));
    assert!(matches!(outcome.error(), Error::Tls(TlsError::NoServerName)));
    assert!(outcome.handshake_failed);
}

#[test]
fn lmtp_over_starttls_says_lhlo_twice() {
    let mut kit = Kit::new(TlsMode::StartTls);
    kit.config.protocol = Protocol::Lmtp;
    let dialogue = (secured(&["PIPELINING"]) + TAKEN + GOODBYE).replace("EHLO", "LHLO");
    assert_eq!(kit.play(Plan::of([mail(&["b@y"])]), &dialogue).verdicts(0), ["delivered 250"]);
}

#[test]
fn a_large_message_over_tls_arrives_in_bounded_memory() {
    // N40: and a peer that takes less than a record at a time makes progress (N9).
    let kit = Kit::new(TlsMode::StartTls);
    let content: Vec<u8> = b".line of text\r\n".iter().copied().cycle().take(15 * 20_000).collect();
    let net = Net { to_server: Split::Sizes(vec![1000, 3, 70_000]), ..Net::default() };
    let mut world = kit.world(&(secured(&["PIPELINING"]) + TAKEN + GOODBYE)).over(net);
    world.expect(Plan::of([Mail::new(envelope(&["b@y"]), content.clone())]));
    assert!(world.server.inner.contents[0] == content);
    assert!(world.outcome().largest <= 160 * 1024, "{}", world.outcome().largest);
}

#[test]
fn a_slow_reader_inside_a_record_makes_progress() {
    // N9: some octets every 170 seconds, though a record has sixteen thousand.
    let kit = Kit::new(TlsMode::StartTls);
    let dialogue = secured(&["PIPELINING"])
        + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n";
    let mut world = kit.world(&dialogue);
    let stay = || Plan { stay: true, ..Plan::default() };
    world.run(stay());
    world.client.submit(world.clock.now(), envelope(&["b@y"])).unwrap();
    world.run(stay());
    world.client.write_body(world.clock.now(), &[b'x'; 60_000]).unwrap();
    for _ in 0..10 {
        assert!(world.client.transmit().len() > 600);
        world.clock.advance(std::time::Duration::from_secs(170));
        world.client.handle_transmitted(world.clock.now(), 600);
        world.client.handle_timeout(world.clock.now());
        assert!(!world.client.is_closed());
    }
    world.clock.advance(std::time::Duration::from_secs(180));
    world.client.handle_timeout(world.clock.now());
    assert!(world.client.is_closed());
}
