//! The laws of ARCHITECTURE.md, as far as one connection can keep or break them.
//!
//! 1,000 cases each; `PROPTEST_CASES=100000` asks for more. A server is drawn as a [`Table`]; [`Table::oracle`] is the plain truth
//! about it. In every case here the [`Judge`](smtp_testkit::Judge) watches the client's manners (law 7).

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{Config as ProptestConfig, FileFailurePersistence},
};
use smtp_proto::{
    Error, Event, PeerError, Timeouts,
    address::Mailbox,
    body::{Facts, Scanner},
    config::{Chunking, Config, Link, Protocol, TlsMode},
    envelope::{Envelope, Recipient, Sender},
    sasl::{AuthPolicy, Credentials, Mechanism},
};
use smtp_testkit::{
    Act, Certificates, Cut, Mail, Model, Net, Outcome, Plan, Script, Secure, Split, Table, Way, World,
    server::announced,
};

/// The number of cases comes from the environment where it is given there.
fn cases() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(1000),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("proptest-regressions/laws.txt"))),
        ..ProptestConfig::default()
    }
}

// ---- drawing -------------------------------------------------------------------------------------------------------------------------

/// Mostly what lets the dialogue go on, else anything.
fn act(usual: u16) -> impl Strategy<Value = Act> {
    let code = prop_oneof![
        Just(usual),
        prop::sample::select(vec![
            220, 221, 235, 250, 251, 252, 299, 334, 354, 421, 450, 451, 452, 498, 500, 502, 503, 550, 552,
            554, 599
        ]),
    ];
    prop_oneof![
        12 => (Just(usual), 1..3_usize).prop_map(|(code, lines)| Act::Reply(code, lines)),
        6 => (code, 1..3_usize).prop_map(|(code, lines)| Act::Reply(code, lines)),
        1 => prop::sample::select(vec!["25 x\r\n", "2500 x\r\n", "hello\r\n", "250-a\r\n550 b\r\n", "250 a\rb\r\n", "150 x\r\n"])
            .prop_map(Act::Garbage),
        1 => prop::sample::select(vec![Act::Close, Act::Reset, Act::Silence]),
    ]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Smtp), Just(Protocol::Lmtp)]
}

/// `early`: whether the server may answer content that is still on its way.
fn table() -> impl Strategy<Value = Table> {
    let offers = prop::sample::subsequence(
        vec!["PIPELINING", "8BITMIME", "SIZE", "SMTPUTF8", "STARTTLS", "CHUNKING"],
        0..=6,
    );
    let opening = (
        prop_oneof![15 => Just(Act::Reply(220, 1)), 1 => act(220)],
        prop_oneof![15 => Just(Act::Reply(250, 1)), 2 => act(250)],
        act(250),
    );
    let recipients = prop::collection::vec(act(250), 1..6);
    (
        protocol(),
        offers,
        opening,
        act(250),
        recipients,
        (act(354), act(250)),
        prop::collection::vec(act(250), 6),
        act(221),
    )
        .prop_map(|(protocol, offers, (greeting, hello, helo), mail, rcpt, (data, chunk), end, quit)| {
            Table {
                protocol,
                offers,
                greeting,
                hello,
                helo,
                mail,
                rcpt,
                data,
                chunk,
                end,
                early: false,
                quit,
            }
        })
}

fn split() -> impl Strategy<Value = Split> {
    prop_oneof![
        Just(Split::Whole),
        Just(Split::bytes()),
        prop::collection::vec(1..40_usize, 1..5).prop_map(Split::Sizes)
    ]
}

fn net() -> impl Strategy<Value = Net> {
    (split(), split(), any::<bool>()).prop_map(|(to_server, to_client, reads_first)| Net {
        to_server,
        to_client,
        reads_first,
        ..Net::default()
    })
}

/// Text with everything that framing could trip over, already with CRLF line ends.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec!["", ".", "..", ".x", "x.", "text", "QUIT", "250 ok", "Subject: s"]);
    prop::collection::vec(line, 0..12)
        .prop_map(|lines| lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect())
}

// ---- playing -------------------------------------------------------------------------------------------------------------------------

fn config(protocol: Protocol, pipelining: bool) -> Config {
    let mut config = Config::new("client.example".parse().expect("a name"));
    config.protocol = protocol;
    config.pipelining = pipelining;
    config
}

fn mail(recipients: usize, content: &[u8]) -> Mail {
    let mailbox = |index: usize| format!("r{index}@y").parse::<Mailbox>().expect("a mailbox");
    let sender = Sender::from("a@x".parse::<Mailbox>().expect("a mailbox"));
    Mail::new(
        Envelope::new(sender, (0..recipients).map(|index| Recipient::from(mailbox(index))).collect()),
        content,
    )
}

/// The same message, of which everything is known.
fn known(mut mail: Mail) -> Mail {
    mail.envelope.sender.content = Some(facts(&mail.content));
    mail
}

fn facts(content: &[u8]) -> Facts {
    let mut scanner = Scanner::new(Default::default());
    scanner.update(content).expect("text");
    scanner.finish().expect("text")
}

fn play(table: &Table, pipelining: bool, net: &Net, mail: Mail) -> (Outcome, Model) {
    play_with(config(table.protocol, pipelining), table, net, mail)
}

fn play_with(config: Config, table: &Table, net: &Net, mail: Mail) -> (Outcome, Model) {
    let mut world = World::new(config, Model::new(table.clone())).over(net.clone());
    world.run(Plan::of([mail]));
    world.into_parts()
}

/// How a short message goes to this server.
fn way(table: &Table, config: &Config, known: bool) -> Way {
    let offers = |what| matches!(table.hello, Act::Reply(250, _)) && table.offers.contains(&what);
    let pipelines = config.pipelining && offers("PIPELINING");
    match config.chunking {
        Chunking::Auto if !pipelines => Way::Data,
        Chunking::Auto | Chunking::Yes if offers("CHUNKING") => match pipelines && known {
            true => Way::OneFlight,
            false => Way::OneChunk,
        },
        _ => Way::Data,
    }
}

fn names(outcome: &Outcome, index: usize) -> Vec<&'static str> {
    outcome.reports.get(index).map_or_else(Vec::new, |(_, report)| {
        report.dispositions.iter().map(smtp_proto::Disposition::name).collect()
    })
}

/// What must hold whatever the server did.
fn always(outcome: &Outcome, recipients: usize) -> Result<(), TestCaseError> {
    // Law 7.
    prop_assert!(outcome.objections.is_empty(), "{:#?}\n{}", outcome.objections, outcome.wire());
    // The session ends, once, and last.
    prop_assert!(!outcome.stuck, "stuck");
    let ends = outcome.events.iter().filter(|event| matches!(event, Event::Closed(_))).count();
    prop_assert_eq!(ends, 1);
    prop_assert!(matches!(outcome.events.last(), Some(Event::Closed(_))));
    // Law 2: one disposition per recipient, and a report only once.
    prop_assert!(outcome.reports.len() <= 1);
    for (_, report) in &outcome.reports {
        prop_assert_eq!(report.dispositions.len(), recipients);
    }
    // Law 9, in one direction: nobody is delivered to, and nothing is uncertain, without an end mark given out.
    let end_given = end_of_content(&outcome.given).is_some();
    for name in names(outcome, 0) {
        prop_assert!(end_given || !matches!(name, "delivered" | "uncertain"), "{name} without an end mark");
    }
    Ok(())
}

/// How many octets there are up to the end of the first end mark.
fn end_mark(stream: &[u8]) -> Option<usize> {
    stream.windows(5).position(|octets| octets == b"\r\n.\r\n").map(|at| at + 5)
}

/// The same for the last chunk.
fn last_chunk(stream: &[u8]) -> Option<usize> {
    let starts = stream.windows(5).enumerate().filter(|(_, octets)| *octets == b"BDAT ").map(|(at, _)| at);
    starts
        .filter_map(|at| {
            let line = stream[at..].split_inclusive(|octet| *octet == b'\n').next()?;
            let (octets, last) = announced(line)?;
            let end = at + line.len() + octets;
            (last && line.ends_with(b"\n") && end <= stream.len()).then_some(end)
        })
        .next()
}

fn end_of_content(stream: &[u8]) -> Option<usize> {
    last_chunk(stream).or_else(|| end_mark(stream))
}

/// Where the reply of this number begins.
fn reply_start(received: &[u8], number: usize) -> Option<usize> {
    let mut at = 0;
    let mut starts = vec![0];
    for line in received.split_inclusive(|octet| *octet == b'\n') {
        at += line.len();
        if line.get(3) == Some(&b' ') {
            starts.push(at);
        }
    }
    starts.get(number).copied()
}

proptest! {
    #![proptest_config(cases())]

    /// Laws 1, 2, 7, 9: pipelined, in lock-step and in chunks, known beforehand or not, over any network, every recipient ends as the oracle says; and the message is
    /// there, octet for octet, if and only if somebody was accepted and asked for it.
    #[test]
    fn every_way_of_sending_ends_as_the_oracle_says(table in table(), net in net(), content in content()) {
        let ways = [false, true].into_iter().flat_map(|pipelining| {
            let chunking = [Chunking::No, Chunking::Auto, Chunking::Yes].into_iter();
            chunking.flat_map(move |chunking| [false, true].map(|facts| (pipelining, chunking, facts)))
        });
        for (pipelining, chunking, facts) in ways {
            let mut config = config(table.protocol, pipelining);
            config.chunking = chunking;
            let mail = mail(table.rcpt.len(), &content);
            let mail = if facts { known(mail) } else { mail };
            let way = way(&table, &config, facts);
            let expected = table.oracle_for(way);
            let (outcome, model) = play_with(config, &table, &net, mail);
            always(&outcome, table.rcpt.len())?;
            match &expected {
                None => prop_assert!(outcome.reports.is_empty(), "a message without a usable session"),
                Some(fates) => {
                    let fates: Vec<_> = fates.iter().map(|fate| fate.name()).collect();
                    prop_assert_eq!(names(&outcome, 0), fates, "pipelining {}, {:?}\n{}", pipelining, way, outcome.wire());
                }
            }
            for (accepted, message) in &model.messages {
                if accepted.is_empty() {
                    prop_assert!(message.is_empty(), "content for nobody"); // R140, R141
                } else {
                    prop_assert_eq!(message, &content);
                }
            }
            let delivered = names(&outcome, 0).contains(&"delivered");
            prop_assert!(!delivered || model.messages.iter().any(|(accepted, _)| !accepted.is_empty()));
            // R147, R150
            let lines = |verb: &str| outcome.wire().split("\\r\\n").filter(|line| line.starts_with(verb)).count();
            prop_assert!(lines("BDAT") == 0 || way != Way::Data && lines("DATA") == 0, "{}", outcome.wire());
            prop_assert!(way == Way::Data || lines("DATA") == 0);
        }
    }

    /// Law 9: a server that answers while content is still on its way is believed only if the answer came behind the end mark.
    #[test]
    fn an_early_answer_never_delivers(table in table(), code in prop::sample::select(vec![250, 221, 354, 450, 552]), facts in any::<bool>(), net in net()) {
        let mut table = table;
        table.early = true;
        for act in &mut table.end {
            *act = Act::Reply(code, 1);
        }
        let long = vec![b'x'; 1_000];
        let mail = mail(table.rcpt.len(), &long);
        let mail = if facts { known(mail) } else { mail };
        let (outcome, _) = play(&table, true, &net, mail);
        always(&outcome, table.rcpt.len())?;
        if names(&outcome, 0).contains(&"delivered") {
            prop_assert_eq!(code, 250);
            // When the first octet of the final reply was read, the line had taken the end of the content.
            let verbs = ["EHLO", "LHLO", "HELO", "MAIL", "RCPT", "DATA"];
            let asked = outcome.wire().split("\\r\\n").filter(|line| verbs.iter().any(|verb| line.starts_with(verb))).count();
            let first = reply_start(&outcome.received, 1 + asked).expect("a reply") as u64;
            let arrival = outcome.arrivals.iter().rfind(|arrival| arrival.received <= first).expect("an arrival");
            let end = end_of_content(&outcome.sent).expect("an end") as u64;
            prop_assert!(arrival.taken >= end, "believed at {} of {}", arrival.taken, end);
        }
    }

    /// Laws 2, 9: the line drops anywhere, in either direction, in any way.
    #[test]
    fn a_line_may_drop_at_any_octet(
        recipients in 1..4_usize,
        protocol in protocol(),
        net in net(),
        at in 0..400_u64,
        sent in any::<bool>(),
        cut in prop::sample::select(vec![Cut::Close, Cut::Reset, Cut::WritesFail]),
        long in any::<bool>(),
        (chunking, facts) in (any::<bool>(), any::<bool>()),
    ) {
        // A long message is not given out at once: its end mark may be waiting while the line drops.
        let at = if long { at * 250 } else { at };
        let net = if long { Net { to_server: Split::Sizes(vec![5_000, 12_000]), ..net } } else { net };
        let content = if long { b"0123456789abcdef\r\n".repeat(5_000) } else { b"Subject: s\r\n\r\nbody\r\n".to_vec() };
        let mut table = Table::kind(protocol, recipients);
        table.offers.extend(chunking.then_some("CHUNKING"));
        let cut = Some((at, cut));
        let net = if sent { Net { cut_after_sent: cut, ..net } } else { Net { cut_after_received: cut, ..net } };
        let mail = mail(recipients, &content);
        let mail = if facts { known(mail) } else { mail };
        let (outcome, model) = play(&table, true, &net, mail);
        always(&outcome, recipients)?;
        for name in names(&outcome, 0) {
            // The server takes everything: so nobody is refused, and whoever is deferred does not have it.
            prop_assert!(name != "rejected");
            prop_assert!(name != "deferred" || model.messages.is_empty(), "deferred, and the server has it");
            prop_assert!(name != "delivered" || model.messages.len() == 1);
            // Law 9: the end mark was given out, so it is delivered or uncertain.
            prop_assert!(name != "deferred" || end_of_content(&outcome.given).is_none());
        }
    }

    /// Law 3: a driver that only sleeps to `poll_timeout` comes to an end within the sum of the timeouts.
    #[test]
    fn nothing_outlasts_its_deadlines(table in table(), net in net()) {
        let (outcome, _) = play(&table, true, &net, mail(table.rcpt.len(), b"x\r\n"));
        let timeouts = Timeouts::DEFAULT;
        let commands = 4 + table.rcpt.len() as u32;
        let most = timeouts.greeting + timeouts.command * commands + timeouts.body
            + timeouts.submission * (table.rcpt.len() as u32) + timeouts.reset + timeouts.quit;
        prop_assert!(outcome.elapsed <= most, "{:?}", outcome.elapsed);
        let silent = [&table.greeting, &table.hello, &table.helo, &table.mail, &table.data, &table.quit]
            .into_iter().chain(&table.rcpt).chain(&table.end)
            .any(|act| matches!(act, Act::Silence | Act::Garbage(_)));
        prop_assert!(silent || outcome.elapsed == Duration::ZERO, "time passed though the server never fell silent");
    }

    /// Law 1 for a session: messages one behind the other, some refused, all to a server that keeps its word.
    #[test]
    fn messages_on_one_session_do_not_touch_one_another(
        protocol in protocol(),
        rcpt in prop::collection::vec(prop::sample::select(vec![250, 251, 450, 550]), 1..4),
        end in prop::sample::select(vec![250, 451, 554]),
        contents in prop::collection::vec(content(), 1..5),
        pipelining in any::<bool>(),
        (chunking, facts) in (prop::sample::select(vec![Chunking::No, Chunking::Auto, Chunking::Yes]), any::<bool>()),
        flags in (any::<bool>(), any::<bool>()),
        net in net(),
    ) {
        let mut table = Table::kind(protocol, rcpt.len());
        table.rcpt = rcpt.iter().map(|code| Act::Reply(*code, 1)).collect();
        table.end = vec![Act::Reply(end, 1); rcpt.len()];
        let fates: Vec<_> = table.oracle().expect("usable").iter().map(|fate| fate.name()).collect();
        table.offers.push("CHUNKING");
        let mut config = config(protocol, pipelining);
        config.chunking = chunking;
        let way = way(&table, &config, facts);
        let mut world = World::new(config, Model::new(table.clone())).over(net);
        let mut plan = Plan::of(contents.iter().map(|content| {
            let mail = mail(rcpt.len(), content);
            if facts { known(mail) } else { mail }
        }));
        (plan.one_by_one, plan.quit_early) = flags;
        world.run(plan);
        let (outcome, model) = world.into_parts();
        prop_assert!(outcome.objections.is_empty(), "{:#?}\n{}", outcome.objections, outcome.wire());
        let nobody_for_lmtp = protocol == Protocol::Lmtp && table.accepted().is_empty() && pipelining && way == Way::Data;
        if nobody_for_lmtp {
            // R76 ends the session with the first message.
            prop_assert_eq!(names(&outcome, 0), fates);
            return Ok(());
        }
        prop_assert!(matches!(outcome.closed(), Some(None)), "{:?}", outcome.closed());
        prop_assert_eq!(outcome.reports.len(), contents.len());
        for index in 0..contents.len() {
            prop_assert_eq!(names(&outcome, index), fates.clone());
        }
        let arrived: Vec<_> = model.messages.into_iter().filter(|(who, _)| !who.is_empty()).map(|(_, what)| what).collect();
        let expected = if table.accepted().is_empty() { Vec::new() } else { contents };
        prop_assert_eq!(arrived, expected);
    }

    /// Law 6: whatever the peer says, what the client holds for the transport stays small; and it never panics.
    #[test]
    fn memory_is_bounded_whatever_the_peer_sends(
        pieces in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                &b"220 mx\r\n"[..], b"250 ok\r\n", b"250-a\r\n", b"250 PIPELINING\r\n", b"354 go\r\n", b"334 \r\n", b"421 x\r\n",
                b"550 no\r\n", b"452 x\r\n", b"221 x\r\n", b"\r\n", b"\n", b"2", b"250", b"\x16\x03\x01", b"235 ok\r\n",
            ]).prop_map(<[u8]>::to_vec),
            prop::collection::vec(any::<u8>(), 0..20),
        ], 0..60),
        protocol in protocol(),
        net in net(),
        recipients in 1..300_usize,
    ) {
        let said: String = pieces.iter().flatten().map(|octet| format!("\\x{octet:02x}")).collect();
        let dialogue = format!("S| {said}\n*: wait 1s\nS| {said}");
        let mut world = World::new(config(protocol, true), Deaf(Script::new(&dialogue))).over(net);
        world.run(Plan::of([mail(recipients, &vec![b'.'; 300_000])]));
        let outcome = world.outcome();
        prop_assert!(outcome.largest <= 160 * 1024, "{}", outcome.largest);
        prop_assert!(!outcome.stuck);
        prop_assert!(outcome.events.len() <= 3 * recipients + 200);
    }

    /// Law 4: where TLS is required, nothing of the message and no secret leaves in clear, whatever the server answers; and where it
    /// is not, no secret leaves on a wire on which TLS was offered and did not come to be.
    #[test]
    fn nothing_confidential_leaves_in_clear(
        required in any::<bool>(),
        offers in prop::sample::subsequence(vec!["STARTTLS", "AUTH PLAIN LOGIN", "PIPELINING"], 0..=3),
        answer in prop_oneof![act(220), Just(Act::Garbage("220 go\r\n250 injected\r\n"))],
        hello in act(250),
        local in any::<bool>(),
        fell_back in any::<bool>(),
        with_secret in any::<bool>(),
        net in net(),
    ) {
        let mut config = config(Protocol::Smtp, true);
        config.security.mode = if fell_back { TlsMode::Off } else { TlsMode::StartTls };
        config.security.required = required;
        config.security.client = Some(CERTIFICATES.with(|it| it.client(rustls::DEFAULT_VERSIONS)));
        config.security.server_name = Some("mx.example".try_into().expect("a name"));
        if with_secret {
            config.auth = AuthPolicy::Mechanism(
                Mechanism::Plain,
                Credentials::Password { user: "test".into(), password: "testpass".into() },
            );
        }
        let mut link = Link::default();
        (link.local, link.after_tls_failure) = (local, fell_back);
        let offered = offers.contains(&"STARTTLS");
        let mut table = Table::kind(Protocol::Smtp, 1);
        (table.offers, table.hello) = (offers, hello);
        let model = Model::new(table).answering_starttls(answer.clone());
        let mut world = World::with_link(config, link, model).over(net);
        world.run(Plan::of([mail(1, b"secret message\r\n")]));
        let outcome = world.outcome();
        prop_assert!(outcome.objections.is_empty(), "{:#?}\n{}", outcome.objections, outcome.wire());
        let wire = outcome.wire();
        let (message, secret) = (wire.contains("MAIL") || wire.contains("secret message"), wire.contains("AUTH"));
        prop_assert!(!required || !message && !secret, "{wire}");
        prop_assert!(!secret || (local && !offered && !fell_back), "{wire}");
        if matches!(outcome.closed(), Some(Some(Error::Peer(PeerError::InjectedPlaintext)))) {
            let behind = wire.split("STARTTLS\\r\\n").nth(1).unwrap_or_default();
            prop_assert!(!outcome.handshake_failed);
            prop_assert!(behind.is_empty() || behind.starts_with("\\x16"), "{wire}");
        }
        if answer == Act::Garbage("220 go\r\n250 injected\r\n") {
            prop_assert!(!outcome.handshake_failed, "injected plaintext is no reason for a retry");
        }
    }
}

proptest! {
    // A handshake costs a thousand times what the rest does.
    #![proptest_config(ProptestConfig { cases: cases().cases / 20, ..cases() })]

    /// Laws 1, 6, 9 for messages of several chunks: nothing is lost between them, and what is held stays small.
    #[test]
    fn chunks_add_up_to_the_message(
        (table, size, odd) in (
            table(),
            prop::sample::select(vec![
                48 << 10, (48 << 10) + 1, 64 << 10, (64 << 10) + 1, 150_000, 1 << 20, (1 << 20) + 1, (1 << 20) + 2, 2_100_000,
            ]),
            0..3_usize,
        ),
        line in prop::sample::select(vec![&b"0123456789abcdef\r\n"[..], b"\n", b".\n", b"a line of text\n"]),
        pipelining in any::<bool>(),
        facts_known in any::<bool>(),
        sizes in prop::collection::vec(500..80_000_usize, 1..4),
        piece in prop::sample::select(vec![usize::MAX, 3_001]),
    ) {
        let mut table = table;
        table.offers = vec!["PIPELINING", "CHUNKING"];
        (table.greeting, table.hello) = (Act::Reply(220, 1), Act::Reply(250, 1));
        // So large that the encoded content is about as large as asked for, whatever becomes of its line ends.
        let crlf = if line.ends_with(b"\r\n") { line.len() } else { line.len() + 1 };
        let mut content = line.repeat(size / crlf);
        content.extend_from_slice(&b"xyz"[..odd]);
        let mut expected: Vec<u8> = content.split_inclusive(|octet| *octet == b'\n')
            .flat_map(|line| [line.trim_ascii_end(), b"\r\n"].concat())
            .collect();
        expected.extend(content.is_empty().then_some(b"\r\n").into_iter().flatten());
        let mut config = config(table.protocol, pipelining);
        config.chunking = Chunking::Yes;
        let mail = Mail { piece, ..mail(table.rcpt.len(), &content) };
        let mail = if facts_known { known(mail) } else { mail };
        let net = Net { to_server: Split::Sizes(sizes), ..Net::default() };
        let one = if facts_known { 1 << 20 } else { 48 << 10 };
        let flight = pipelining && facts_known && expected.len() <= 64 << 10;
        let several = expected.len() > one || !facts_known && expected.len() == one;
        // How far the client is ahead of the first refusal depends on the network.
        let ways = if flight { [Way::OneFlight; 2] } else if several { [Way::Chunks, Way::TwoChunks] } else { [Way::OneChunk; 2] };
        let (outcome, model) = play_with(config, &table, &net, mail);
        always(&outcome, table.rcpt.len())?;
        prop_assert!(outcome.largest <= 160 * 1024, "{}", outcome.largest);
        let fates = ways.map(|way| table.oracle_for(way).expect("usable"));
        let got = names(&outcome, 0);
        prop_assert!(
            fates.iter().any(|fates| fates.iter().map(|fate| fate.name()).eq(got.iter().copied())),
            "{:?}, expected {:?}, {:?}", got, fates, outcome.events
        );
        for (accepted, message) in &model.messages {
            prop_assert!(!accepted.is_empty() && *message == expected, "{} of {}", message.len(), expected.len());
        }
    }

    /// Law 1 inside TLS, over any network.
    #[test]
    fn tls_changes_nothing_but_the_wire(table in table(), net in net(), content in content(), implicit in any::<bool>(), facts in any::<bool>()) {
        let mut table = table;
        let mut config = config(table.protocol, true);
        config.security.mode = if implicit { TlsMode::Implicit } else { TlsMode::StartTls };
        config.security.required = true;
        config.security.client = Some(CERTIFICATES.with(|it| it.client(rustls::DEFAULT_VERSIONS)));
        config.security.server_name = Some("mx.example".try_into().expect("a name"));
        let server = CERTIFICATES.with(|it| it.server(rustls::DEFAULT_VERSIONS));
        let lmtp = table.protocol == Protocol::Lmtp;
        if !implicit {
            table.greeting = Act::Reply(220, 1);
            table.hello = Act::Reply(250, 1);
            table.offers.retain(|offer| *offer != "STARTTLS");
            table.offers.push("STARTTLS");
        } else if table.hello != Act::Reply(250, 1) {
            table.helo = Act::Reply(550, 1); // D21 holds for plaintext; inside TLS there is no HELO
            table.hello = Act::Reply(554, 1);
        }
        let fates = table.oracle_for(way(&table, &config, facts)).unwrap_or_default();
        let model = Model::new(table.clone()).answering_starttls(Act::Reply(220, 1));
        let secure = if implicit { Secure::implicit(model, server, lmtp) } else { Secure::starttls(model, server, lmtp) };
        let mail = mail(table.rcpt.len(), &content);
        let mail = if facts { known(mail) } else { mail };
        let mut world = World::new(config, secure).over(net);
        world.run(Plan::of([mail]));
        let (outcome, secure) = world.into_parts();
        prop_assert!(outcome.objections.is_empty(), "{:#?}\n{:?}", outcome.objections, outcome.events);
        prop_assert!(!outcome.stuck);
        prop_assert_eq!(names(&outcome, 0), fates.iter().map(|fate| fate.name()).collect::<Vec<_>>(), "{:?}", outcome.events);
        for (accepted, message) in &secure.inner.messages {
            prop_assert!(accepted.is_empty() || message == &content);
        }
    }
}

thread_local! {
    static CERTIFICATES: Certificates = Certificates::for_name("mx.example");
}

/// A peer that says what it says, whatever it is told.
#[derive(Debug)]
struct Deaf(Script);

impl smtp_testkit::Peer for Deaf {
    fn receive(&mut self, _now: std::time::Instant, _octets: &[u8]) {}

    fn speak(&mut self, now: std::time::Instant) -> Vec<u8> {
        self.0.speak(now)
    }

    fn wakeup(&self) -> Option<std::time::Instant> {
        self.0.wakeup()
    }
}
