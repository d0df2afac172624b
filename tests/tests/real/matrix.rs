//! What is tried with every server that has no sections of its own: each way there × AUTH × recipients × sizes × the corpus.

use std::collections::BTreeSet;

use smtp_client_tokio::{Client, Message};
use smtp_proto::{
    Config, Plan,
    config::{Chunking, EightBit},
    sasl::Mechanism,
};
use tokio::task::JoinSet;

use crate::{
    Sections,
    client::{Tls, config, envelope, envelope_from, plan, send, users, verdicts, with_auth},
    corpus::{self, Source, assert_same},
    host::Host,
    mail::{Stored, Stores},
    way::Way,
};

/// The settings of CHUNKING that everything is tried with.
const CHUNKING: [Chunking; 2] = [Chunking::No, Chunking::Auto];
const HELLO: &str = "Subject: hello\r\n\r\nbody\r\n";
const YES: &str = "delivered 250 2.0.0";

/// What a server is expected to do.
pub(crate) struct Server {
    pub(crate) ways: &'static [Way],
    pub(crate) mechanisms: &'static [Mechanism],
    /// Recipients, and what becomes of them without AUTH.
    pub(crate) recipients: &'static [(&'static str, &'static str)],
    /// Somebody at a domain which is not the server's, refused without AUTH and thrown away with it.
    pub(crate) elsewhere: Option<(&'static str, &'static str)>,
    /// Senders, and what becomes of their mail.
    pub(crate) senders: &'static [(&'static str, &'static str)],
    pub(crate) wrong_password: &'static str,
    /// Where `LIMITED_PORT` says so of the content.
    pub(crate) too_large: Option<&'static str>,
    /// For a field `X-Refuse-Content`.
    pub(crate) content_refused: Option<&'static str>,
    /// It offers SMTPUTF8.
    pub(crate) smtputf8: bool,
    /// How many messages one mailbox gets that is named twice.
    pub(crate) copies: usize,
    /// What it calls a way, with AUTH or without.
    pub(crate) with: fn(Way, bool) -> &'static str,
    pub(crate) stores: Stores,
    /// Contents at the limits of what it takes.
    pub(crate) limits: fn() -> Vec<String>,
    /// Takes out of what is stored what is different each time.
    pub(crate) settled: fn(Vec<u8>) -> Vec<u8>,
}

/// The same octets, line ends as they are stored.
pub(crate) fn unchanged(content: Vec<u8>) -> Vec<u8> {
    content
}

impl Server {
    pub(crate) fn run(&self, sections: &mut Sections<'_>, host: &Host) {
        sections.run("every way", self.every_way(host));
        sections.run("wrong password", self.wrong_password(host));
        sections.run("submission", self.submission(host));
        sections.run("recipients", self.recipients(host));
        sections.run("100 recipients", self.a_hundred(host));
        sections.run("duplicates", self.duplicates(host));
        sections.run("nobody accepted", self.nobody(host));
        sections.run("senders", self.senders(host));
        sections.run("too large", self.too_large(host));
        sections.run("content refused", self.content_refused(host));
        sections.run("NUL in a stream", self.nul_in_a_stream(host));
        sections.run("8-bit header", self.eight_bit_header(host));
        sections.run("sizes", self.sizes(host));
        sections.run("20 MiB", self.large(host));
        sections.run("20 at a time", self.at_a_time(host));
        for way in self.ways {
            sections.run("50 one after another", one_after_another(host, way.plan(host, Chunking::Auto)));
        }
        for (way, chunking) in self.long_ways() {
            sections.run("corpus", self.corpus(host, way, chunking));
        }
    }

    /// For what takes long: each way once, and one of them without CHUNKING.
    fn long_ways(&self) -> impl Iterator<Item = (Way, Chunking)> {
        self.ways.iter().map(|way| (*way, Chunking::Auto)).chain([(self.ways[1], Chunking::No)])
    }

    /// The verdict about a recipient.
    fn verdict(&self, recipient: &str, auth: bool) -> &'static str {
        if self.elsewhere.is_some_and(|(elsewhere, _)| elsewhere == recipient) {
            return if auth { YES } else { self.elsewhere.map_or(YES, |(_, verdict)| verdict) };
        }
        let known = self.recipients.iter().find(|(name, _)| *name == recipient);
        known.unwrap_or_else(|| panic!("nothing is said about {recipient}")).1
    }

    async fn arrivals(&self, host: &Host) -> Vec<Stored> {
        let mut stored = host.mail().arrivals().await;
        for message in &mut stored {
            message.content = (self.settled)(std::mem::take(&mut message.content));
        }
        stored
    }

    fn stored(&self, content: &[u8]) -> Vec<u8> {
        (self.stores)(content).expect("a content that is taken")
    }

    /// TLS × AUTH × pipelining × chunking.
    async fn every_way(&self, host: &Host) {
        let mechanisms: Vec<_> =
            std::iter::once(None).chain(self.mechanisms.iter().copied().map(Some)).collect();
        for (way, mechanism) in self.ways.iter().flat_map(|way| mechanisms.iter().map(move |it| (*way, *it)))
        {
            let auth = mechanism.is_some();
            // No AUTH in the clear with this server, or no AUTH at all.
            if auth && (way.is_lmtp() || way == Way::Plain && !host.has("NOTLS_AUTH")) {
                continue;
            }
            for (chunking, pipelining) in CHUNKING.iter().flat_map(|it| [(*it, true), (*it, false)]) {
                let mut config = way.config(host, chunking);
                config.pipelining = pipelining;
                if auth {
                    config = with_auth(config, mechanism, host.value("USER"), host.value("PASSWORD"));
                }
                self.one_way(host, way, config, auth).await;
            }
        }
    }

    async fn one_way(&self, host: &Host, way: Way, config: Config, auth: bool) {
        let mut to = vec!["alice@test.example", "nobody@test.example", "bob+tag@test.example"];
        to.extend(self.elsewhere.map(|(elsewhere, _)| elsewhere));
        let sent = send(plan(&[way.endpoint(host, auth)], &config), envelope(&to), HELLO.to_owned()).await;
        let wanted: Vec<_> = to.iter().map(|it| self.verdict(it, auth)).collect();
        assert_eq!(sent.verdicts(), wanted, "{way:?} {:#?}", sent.dialogue);
        let attempt = sent.report.attempts.last().unwrap();
        assert_eq!(attempt.tls.is_some(), way.is_tls());
        assert_eq!(sent.said("AUTH"), usize::from(auth));
        let stored = self.arrivals(host).await;
        assert_eq!(users(&stored), ["alice", "bob"]);
        for message in &stored {
            assert_eq!(message.with().to_ascii_uppercase(), (self.with)(way, auth), "{way:?}");
            assert_same(&format!("{way:?}"), &message.content, &self.stored(HELLO.as_bytes()));
        }
    }

    async fn wrong_password(&self, host: &Host) {
        for mechanism in self.mechanisms {
            let config = Way::StartTls.config(host, Chunking::Auto);
            let config = with_auth(config, Some(*mechanism), host.value("USER"), "wrong");
            let plan = plan(&[host.tcp("PLAIN_PORT")], &config);
            let sent = send(plan, envelope(["alice@test.example"]), HELLO.to_owned()).await;
            assert_eq!(sent.verdicts(), ["deferred 454 4.7.8 auth local"], "{:#?}", sent.dialogue); // D20
            let reply = sent.report.attempts[0].error.as_ref().and_then(|error| error.reply()).unwrap();
            assert_eq!(reply.to_string(), self.wrong_password);
            assert_eq!((sent.said("AUTH"), sent.said("MAIL")), (1, 0), "{:#?}", sent.dialogue);
            host.mail().assert_nothing().await;
        }
    }

    /// TLS and AUTH required by the server.
    async fn submission(&self, host: &Host) {
        if !host.has("SUBMISSION_PORT") {
            return;
        }
        let to = ["alice@test.example"];
        let endpoint = [host.tcp("SUBMISSION_PORT")];
        for tls in [Tls::Off, Tls::Must] {
            let sent = send(plan(&endpoint, &config(host, tls)), envelope(to), HELLO.to_owned()).await;
            assert_eq!(sent.report.outcome().name(), "rejected", "{:#?}", sent.dialogue);
            host.mail().assert_nothing().await;
        }
        let config = with_auth(config(host, Tls::Must), None, host.value("USER"), host.value("PASSWORD"));
        let sent = send(plan(&endpoint, &config), envelope(to), HELLO.to_owned()).await;
        assert_eq!(sent.verdicts(), [YES], "{:#?}", sent.dialogue);
        assert_eq!(users(&self.arrivals(host).await), ["alice"]);
    }

    /// All in one envelope, and each alone.
    async fn recipients(&self, host: &Host) {
        let mut wanted = self.recipients.to_vec();
        wanted.extend(self.elsewhere);
        let accepted = |to: &[(&str, &'static str)]| {
            let names = to.iter().filter(|(_, verdict)| *verdict == YES);
            names.map(|(name, _)| name.split(['+', '@']).next().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        for chunking in CHUNKING {
            for pipelining in [true, false] {
                let mut config = self.ways[0].config(host, chunking);
                config.pipelining = pipelining;
                let plan = || plan(&[self.ways[0].endpoint(host, false)], &config);
                let all = wanted.iter().map(|(name, _)| name);
                let sent = send(plan(), envelope(all), HELLO.to_owned()).await;
                let verdicts: Vec<_> = wanted.iter().map(|(_, verdict)| *verdict).collect();
                assert_eq!(sent.verdicts(), verdicts, "{:#?}", sent.dialogue);
                assert_eq!(sent.report.attempts.len(), 1);
                let stored = self.arrivals(host).await;
                assert!(users(&stored).into_iter().eq(accepted(&wanted).iter()), "{stored:?}");
                if !pipelining || chunking == Chunking::No {
                    continue;
                }
                for one in &wanted {
                    let sent = send(plan(), envelope([one.0]), HELLO.to_owned()).await;
                    assert_eq!(sent.verdicts(), [one.1], "{} {:#?}", one.0, sent.dialogue);
                    let stored = self.arrivals(host).await;
                    assert!(users(&stored).into_iter().eq(accepted(&[*one]).iter()), "{}: {stored:?}", one.0);
                }
            }
        }
    }

    async fn a_hundred(&self, host: &Host) {
        let mut wanted: Vec<_> = (1..=90).map(|number| (format!("u{number:03}@test.example"), YES)).collect();
        for place in 0..10 {
            wanted.insert(
                place * 9,
                (format!("nobody{place}@test.example"), self.verdict("nobody@test.example", false)),
            );
        }
        for way in self.ways {
            let sent = send(
                way.plan(host, Chunking::Auto),
                envelope(wanted.iter().map(|(recipient, _)| recipient)),
                HELLO.to_owned(),
            )
            .await;
            let verdicts: Vec<_> = wanted.iter().map(|(_, verdict)| *verdict).collect();
            assert_eq!(sent.verdicts(), verdicts, "{:#?}", sent.dialogue);
            let stored = self.arrivals(host).await;
            let names = (1..=90).map(|number| format!("u{number:03}"));
            assert!(users(&stored).into_iter().eq(names), "{way:?}: {:?}", users(&stored));
            let content = self.stored(HELLO.as_bytes());
            assert!(stored.iter().all(|message| message.content == content));
        }
    }

    async fn duplicates(&self, host: &Host) {
        let no = self.verdict("nobody@test.example", false);
        let twice = ["alice", "nobody", "alice", "nobody"].map(|user| format!("{user}@test.example"));
        let sent = send(self.ways[0].plan(host, Chunking::Auto), envelope(twice), HELLO.to_owned()).await;
        assert_eq!(sent.verdicts(), [YES, no, YES, no]); // R61
        assert_eq!(sent.said("RCPT"), 4);
        // The server's own doing.
        assert_eq!(users(&self.arrivals(host).await), vec!["alice"; self.copies]);
    }

    async fn nobody(&self, host: &Host) {
        let refused = || self.recipients.iter().filter(|(_, verdict)| verdict.ends_with(" rcpt"));
        let verdicts: Vec<_> = refused().map(|(_, verdict)| *verdict).collect();
        assert!(!verdicts.is_empty());
        for (chunking, pipelining) in CHUNKING.iter().flat_map(|it| [(*it, true), (*it, false)]) {
            let mut config = self.ways[0].config(host, chunking);
            config.pipelining = pipelining;
            let plan = plan(&[self.ways[0].endpoint(host, false)], &config);
            let sent = send(plan, envelope(refused().map(|(name, _)| name)), HELLO.to_owned()).await;
            assert_eq!(sent.verdicts(), verdicts, "{:#?}", sent.dialogue);
            host.mail().assert_nothing().await;
        }
    }

    async fn senders(&self, host: &Host) {
        let to = ["alice@test.example", "nobody@test.example"];
        for (sender, verdict) in self.senders {
            for pipelining in [true, false] {
                let mut config = self.ways[0].config(host, Chunking::Auto);
                config.pipelining = pipelining;
                let plan = plan(&[self.ways[0].endpoint(host, false)], &config);
                let sent = send(plan, envelope_from(sender, to), HELLO.to_owned()).await;
                assert_eq!(sent.verdicts(), [*verdict; 2], "{:#?}", sent.dialogue);
                host.mail().assert_nothing().await;
            }
        }
        // A bounce has no sender (R18).
        let mut bounce = envelope(["alice@test.example"]);
        bounce.sender = smtp_proto::Sender::null();
        let sent = send(self.ways[0].plan(host, Chunking::Auto), bounce, HELLO.to_owned()).await;
        assert_eq!(sent.verdicts(), [YES]);
        let stored = self.arrivals(host).await;
        let top = stored[0].top.to_ascii_lowercase();
        assert!(top.starts_with("return-path: <>\n") || !top.contains("return-path"), "{top}");
    }

    async fn too_large(&self, host: &Host) {
        let Some(verdict) = self.too_large else { return };
        let limit: usize = host.value("SIZE_LIMIT").parse().unwrap();
        let to = ["alice@test.example"];
        for chunking in CHUNKING {
            let mut config = config(host, Tls::Off);
            config.chunking = chunking;
            let limited = || plan(&[host.tcp("LIMITED_PORT")], &config);
            // R162: known to be too large, so nothing of it is said.
            let sent = send(limited(), envelope(to), corpus::large(limit + 1)).await;
            assert_eq!(sent.verdicts(), ["rejected 552 5.3.4 mail local"]);
            assert_eq!(sent.said("MAIL"), 0);
            // R164: not known, so the server says so; also where that is more than what fits into buffers.
            // Not by one: there is more than one way to count.
            for size in [limit * 2, 3_000_000] {
                let stream = Message::from_reader(std::io::Cursor::new(corpus::large(size)));
                let sent = send(limited(), envelope(to), stream).await;
                // By BDAT the first chunk too many is refused, and the last is never said.
                let phase = if sent.said("BDAT") > 1 { "body" } else { "end" };
                let verdict = format!("{verdict} {phase}");
                assert_eq!(sent.verdicts(), [verdict.as_str()], "{size} {:#?}", sent.dialogue);
            }
            host.mail().assert_nothing().await;
        }
    }

    async fn content_refused(&self, host: &Host) {
        let Some(verdict) = self.content_refused else { return };
        let to = ["alice", "nobody", "bob"].map(|user| format!("{user}@test.example"));
        for way in self.ways {
            for chunking in CHUNKING {
                let message = "X-Refuse-Content: please\r\n\r\nbody\r\n".to_owned();
                let sent = send(way.plan(host, chunking), envelope(&to), message).await;
                let no = self.verdict("nobody@test.example", false);
                assert_eq!(sent.verdicts(), [verdict, no, verdict], "{:#?}", sent.dialogue);
                host.mail().assert_nothing().await;
            }
        }
    }

    async fn nul_in_a_stream(&self, host: &Host) {
        // Found when most of the content is at the server: it is cut off without an end mark (W16, R54), so nothing is stored.
        let mut octets = corpus::large(1_000_000);
        octets[900_000] = 0;
        for way in self.ways {
            let stream = Message::from_reader(std::io::Cursor::new(octets.clone()));
            let sent = send(way.plan(host, Chunking::Auto), envelope(["alice@test.example"]), stream).await;
            assert_eq!(sent.verdicts(), ["rejected 554 5.6.0 body local"]);
            assert_eq!(sent.said("MAIL"), 1);
            host.mail().assert_nothing().await;
        }
    }

    async fn eight_bit_header(&self, host: &Host) {
        let message = "Subject: Tee f\u{fc}r vier\r\n\r\nbody\r\n";
        for way in self.ways {
            let plan = way.plan(host, Chunking::Auto);
            let sent = send(plan, envelope(["alice@test.example"]), message.to_owned()).await;
            if self.smtputf8 {
                assert_eq!(sent.verdicts(), [YES], "{:#?}", sent.dialogue);
                assert!(
                    sent.dialogue.iter().any(|line| line.starts_with("C: MAIL") && line.contains("SMTPUTF8"))
                );
                let stored = self.arrivals(host).await;
                assert_same("SMTPUTF8", &stored[0].content, &self.stored(message.as_bytes()));
            } else {
                // D10
                assert_eq!(sent.verdicts(), ["rejected 550 5.6.7 mail local"]);
                assert_eq!(sent.said("MAIL"), 0);
                host.mail().assert_nothing().await;
            }
        }
    }

    async fn sizes(&self, host: &Host) {
        let mut contents = (self.limits)();
        contents.extend(
            ["", "\r\n", ".\r\n", "Subject: header only\r\n", "Subject: empty body\r\n\r\n"]
                .map(str::to_owned),
        );
        for way in self.ways {
            for chunking in CHUNKING {
                for content in &contents {
                    let to = ["alice@test.example", "bob@test.example"];
                    let sent = send(way.plan(host, chunking), envelope(to), content.clone()).await;
                    let stored = self.arrivals(host).await;
                    match (self.stores)(content.as_bytes()) {
                        Ok(wanted) => {
                            assert_eq!(
                                sent.verdicts(),
                                [YES; 2],
                                "{} {:#?}",
                                beginning(content),
                                sent.dialogue
                            );
                            assert_eq!(users(&stored), ["alice", "bob"]);
                            for message in &stored {
                                assert_same(beginning(content), &message.content, &wanted);
                            }
                        }
                        Err(verdict) => {
                            assert_eq!(
                                sent.verdicts(),
                                [verdict; 2],
                                "{} {:#?}",
                                beginning(content),
                                sent.dialogue
                            );
                            assert!(stored.is_empty(), "{stored:?}");
                        }
                    }
                }
            }
        }
    }

    async fn large(&self, host: &Host) {
        let octets = corpus::large(20 * 1024 * 1024);
        let wanted = self.stored(&octets);
        for (way, chunking) in self.long_ways() {
            let to = ["nobody@test.example", "alice@test.example"];
            let sent = send(way.plan(host, chunking), envelope(to), octets.clone()).await;
            let verdicts = [self.verdict("nobody@test.example", false), YES];
            assert_eq!(sent.verdicts(), verdicts, "{:#?}", sent.dialogue);
            let stored = self.arrivals(host).await;
            assert_eq!(users(&stored), ["alice"]);
            assert_same("20 MiB", &stored[0].content, &wanted);
        }
    }

    /// One client, many sends that know nothing of each other.
    async fn at_a_time(&self, host: &Host) {
        let content =
            |number: usize| format!("Subject: {number}\r\n\r\n{}", "line\r\n".repeat(number * 1000));
        let client = Client::new(self.ways[self.ways.len() - 1].plan(host, Chunking::Auto));
        let mut sends = JoinSet::new();
        for number in 1..=20 {
            let client = client.clone();
            let envelope = envelope([format!("u{number:03}@test.example")]);
            sends.spawn(async move { client.send(envelope, content(number)).await });
        }
        while let Some(sent) = sends.join_next().await {
            assert_eq!(verdicts(&sent.unwrap().unwrap()), [YES]);
        }
        let stored = self.arrivals(host).await;
        assert_eq!(stored.len(), 20);
        for (number, message) in (1..).zip(&stored) {
            assert_eq!(message.user, format!("u{number:03}"));
            assert_same(&message.user, &message.content, &self.stored(content(number).as_bytes()));
        }
    }

    async fn corpus(&self, host: &Host, way: Way, chunking: Chunking) {
        let from = match way {
            Way::Plain | Way::LmtpSocket => Source::Memory,
            Way::StartTls | Way::Lmtp => Source::File,
            Way::Implicit | Way::LmtpStartTls => Source::Reader,
        };
        let mut config = way.config(host, chunking);
        if !self.smtputf8 {
            config.eight_bit_header = EightBit::Send;
        }
        let plan = plan(&[way.endpoint(host, false)], &config);
        corpus::arrives(plan, &host.mail(), from, None, self.stores, self.settled).await;
    }
}

fn beginning(content: &str) -> &str {
    content.get(..60).unwrap_or(content)
}

/// 50 messages through one client, each when the one before is there: all of them, each once, in order.
pub(crate) async fn one_after_another(host: &Host, plan: Plan) {
    let client = Client::new(plan);
    for number in 0..50 {
        let message = format!("Subject: {number:02}\r\n\r\nbody\r\n");
        let report = client.send(envelope(["alice@test.example"]), message).await.unwrap();
        assert_eq!(verdicts(&report), [YES], "{number}");
        assert_eq!(report.attempts.len(), 1, "{number}: {:?}", report.attempts);
    }
    let mut stored = host.mail().arrivals().await;
    // Mailboxes do not say in what order their messages were accepted; the log does.
    let log = host.log();
    stored.sort_by_key(|message| first_named(&log, message.id()));
    let numbers: Vec<_> = stored
        .iter()
        .map(|message| String::from_utf8_lossy(&message.content).get(9..11).unwrap_or_default().to_owned())
        .collect();
    let wanted: Vec<_> = (0..50).map(|number| format!("{number:02}")).collect();
    assert_eq!(numbers, wanted);
}

/// Where a transaction is named first; a name within a longer one does not count.
fn first_named(log: &str, id: &str) -> usize {
    let alone = |at: usize| {
        let touches = |other: Option<char>| other.is_some_and(|it| it.is_ascii_alphanumeric());
        !touches(log[..at].chars().next_back()) && !touches(log[at + id.len()..].chars().next())
    };
    let mut places = log.match_indices(id).map(|(at, _)| at).filter(|at| alone(*at));
    places.next().unwrap_or_else(|| panic!("the log does not name {id:?}"))
}
