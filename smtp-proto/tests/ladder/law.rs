//! Law 4, whatever the servers do: nothing of the message and no AUTH in clear where TLS is required, and no secret on a wire that
//! fell back or was tampered with.

use std::sync::{Arc, LazyLock};

use proptest::{prelude::*, test_runner::FileFailurePersistence};
use rustls::ClientConfig;
use smtp_proto::{
    Config, Error, PeerError,
    config::{Protocol, TlsMode},
    sasl::{AuthPolicy, Mechanism},
};

use crate::{
    certs,
    server::{ALERT, Sabotage, Script},
    world::{Seen, World, auth_plain, off, password},
};

static CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(certs::client);

#[derive(Clone, Debug)]
struct Behaviour {
    /// 0: as STARTTLS; 1: as implicit TLS; 2: unreachable.
    kind: u8,
    offers_tls: bool,
    offers_auth: bool,
    offers_auth_in_tls: bool,
    pipelining: bool,
    certificate: u8,
    sabotage: Option<Sabotage>,
    replies: Vec<(&'static str, &'static str)>,
}

impl Behaviour {
    fn script(&self, implicit: bool) -> Script {
        let config = match self.certificate {
            0 => &certs::EXPIRED,
            1 => &certs::WRONG_NAME,
            2 => &certs::DEMANDING_13,
            3 => &certs::DEMANDING_12,
            4 => &certs::SERVER_12,
            _ => &certs::SERVER,
        };
        // Sometimes the wrong protocol on the port.
        let mut script = match (implicit, self.kind) {
            (_, 2) => return Script::unreachable(),
            (true, 0..=5) | (false, 1) => Script::implicit(config),
            _ => Script::plain(),
        };
        script.tls = Some(Arc::clone(config));
        if self.offers_tls {
            script = script.offering("STARTTLS");
        }
        if self.pipelining {
            script = script.offering("PIPELINING").offering_in_tls("PIPELINING");
        }
        if self.offers_auth {
            script = script.offering("AUTH PLAIN LOGIN");
        }
        if self.offers_auth_in_tls {
            script = script.offering_in_tls("AUTH PLAIN LOGIN");
        }
        if !script.implicit {
            script.sabotage.clone_from(&self.sabotage);
        }
        for (verb, reply) in &self.replies {
            script = script.reply(verb, reply);
        }
        script
    }
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let sabotage = prop::sample::select(vec![
        Sabotage::Behind(b"250 x\r\n"),
        Sabotage::Before(b"235 x\r\n", false),
        Sabotage::Before(b"250 x\r\n", true),
        Sabotage::Answer(b"250-x\r\n250 AUTH PLAIN\r\n"),
        Sabotage::Answer(ALERT),
        Sabotage::Answer(b""),
        Sabotage::AnswerAndClose(b""),
        Sabotage::AnswerAndClose(b"\x16\x03\x03\x00\x05hello"),
    ]);
    let verb = prop::sample::select(vec![
        "GREETING", "EHLO", "*EHLO", "STARTTLS", "AUTH", "*AUTH", "RESPONSE", "MAIL", "RCPT", "DATA", "END",
        "QUIT",
    ]);
    let reply = prop::sample::select(vec![
        "421 no",
        "454 no",
        "501 no",
        "502 no",
        "535 5.7.8 no",
        "554 no",
        "close",
        "silence",
        "hello",
        "235 ok",
        "334 ",
        "334 VXNlcm5hbWU6",
        "220 go\r\n250 x",
    ]);
    (
        0u8..12,
        prop::bool::weighted(0.8),
        any::<bool>(),
        prop::bool::weighted(0.8),
        any::<bool>(),
        0u8..9,
        prop::option::weighted(0.3, sabotage),
        prop::collection::vec((verb, reply), 0..3),
    )
        .prop_map(
            |(
                kind,
                offers_tls,
                offers_auth,
                offers_auth_in_tls,
                pipelining,
                certificate,
                sabotage,
                replies,
            )| {
                Behaviour {
                    kind,
                    offers_tls,
                    offers_auth,
                    offers_auth_in_tls,
                    pipelining,
                    certificate,
                    sabotage,
                    replies,
                }
            },
        )
}

#[derive(Clone, Debug)]
struct Policy {
    mode: TlsMode,
    required: bool,
    auth: AuthPolicy,
    lmtp: bool,
    until_decided: bool,
    require_tls: bool,
}

fn policy() -> impl Strategy<Value = Policy> {
    let mode =
        prop::sample::select(vec![TlsMode::Off, TlsMode::StartTls, TlsMode::StartTls, TlsMode::StartTls]);
    let auth = prop::sample::select(vec![
        AuthPolicy::Off,
        auth_plain(),
        AuthPolicy::Mechanism(Mechanism::Login, password()),
        AuthPolicy::Auto(password()),
        AuthPolicy::Forward,
    ]);
    (mode, any::<bool>(), auth, any::<bool>(), any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(mode, required, auth, lmtp, until_decided, require_tls)| Policy {
            mode,
            required,
            auth,
            lmtp,
            until_decided,
            require_tls,
        },
    )
}

fn config(policy: &Policy) -> Config {
    let mut config = off();
    config.security.mode = policy.mode;
    config.security.required = policy.required;
    config.security.client = Some(Arc::clone(&CLIENT));
    config.auth = policy.auth.clone();
    config.protocol = if policy.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    config
}

fn check(policy: &Policy, implicit: &[bool], seen: &Seen) {
    let attempts: Vec<_> = seen
        .report
        .attempts
        .iter()
        .filter(|attempt| !(attempt.kind().is_some() && attempt.phase == smtp_proto::Phase::Connect))
        .collect();
    assert_eq!(attempts.len(), seen.sessions.len(), "{:?}", seen.report.attempts);
    for ((_, server), attempt) in seen.sessions.iter().zip(attempts) {
        let clear = String::from_utf8_lossy(&server.clear);
        let says = |verb: &str| clear.contains(&format!("{verb} "));
        if policy.required || policy.require_tls || implicit[attempt.target] {
            assert!(!says("MAIL"), "mail in clear: {clear}");
            assert!(!clear.contains("Subject"), "content in clear: {clear}");
        }
        if policy.required || implicit[attempt.target] {
            assert!(!says("AUTH"), "AUTH in clear: {clear}");
        }
        // M59: not a word outside of TLS
        assert!(!implicit[attempt.target] || server.wire.first().is_none_or(|first| *first == 22));
        if matches!(attempt.error, Some(Error::Peer(PeerError::InjectedPlaintext))) {
            // Nothing, or the ClientHello to a server that did not mean its 220.
            let (_, tail) = clear.rsplit_once("STARTTLS\r\n").unwrap();
            assert!(tail.is_empty() || tail.starts_with('\x16'), "words after an injection: {tail}");
        }
    }
    if policy.mode == TlsMode::StartTls {
        // Targets are routable: D4 leaves no way for a secret but TLS.
        seen.assert_no_secret_in_clear();
    }
    // N43
    for (target, implicit) in implicit.iter().enumerate() {
        let tries = seen.report.attempts.iter().filter(|attempt| attempt.target == target).count();
        assert!(tries <= 2 && !(*implicit && tries > 1));
        assert!(!(tries > 1 && (policy.required || policy.require_tls || policy.mode == TlsMode::Off)));
    }
}

/// 1,000 cases, or as many as `PROPTEST_CASES` asks for.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 1_000;
    }
    // Seeds of cases that have failed are kept, and run first.
    let seeds = FileFailurePersistence::Direct("tests/proptest-regressions/ladder.txt");
    config.failure_persistence = Some(Box::new(seeds));
    config
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nothing_goes_in_clear_that_must_not(
        behaviours in prop::collection::vec((any::<bool>(), behaviour(), behaviour()), 1..3),
        policy in policy(),
        split in prop_oneof![4 => Just(usize::MAX), 1 => 1usize..100],
    ) {
        // law 4
        let implicit: Vec<bool> = behaviours.iter().map(|(implicit, ..)| *implicit).collect();
        let endpoints: Vec<String> = implicit
            .iter()
            .enumerate()
            .map(|(nth, tls)| format!("{}://10.0.0.{}:2525", if *tls { "tls" } else { "tcp" }, nth + 1))
            .collect();
        let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
        let mut world = World::new(&config(&policy), &endpoints).forwarding(password()).split(split);
        if policy.until_decided {
            world = world.until_decided();
        }
        if policy.require_tls {
            world = world.with_require_tls();
        }
        let mut tries = vec![0; behaviours.len()];
        let seen = world.run_with(|_, peer| {
            let nth = peer.to_string().strip_prefix("10.0.0.").unwrap()[..1].parse::<usize>().unwrap() - 1;
            let (implicit, first, second) = &behaviours[nth];
            tries[nth] += 1;
            if tries[nth] == 1 { first } else { second }.script(*implicit)
        });
        check(&policy, &implicit, &seen);
    }
}
