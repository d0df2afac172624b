//! Hostile servers over real sockets, by phase and by misbehaviour.
//!
//! A case is a script (`script.rs`) and what must come of it (`case.rs`); the tables are in the files named for the phases. Each case
//! is played with both runtimes and both kinds of failover, a healthy server being the second target, and of each delivery is asserted
//! (`run.rs`):
//! - what ended each attempt, by class and phase: so also which deadline it was that passed, without a clock in the test;
//! - what became of each recipient, and that the healthy server was offered those whom the hostile one provably does not have, and
//!   nobody else (laws 2 and 9), with the whole message (law 5);
//! - that the client said what the script hears and, after an error of protocol or security, not a word (law 10); no end mark behind
//!   broken content (R54); nobody connected to once too often;
//! - that the password passed no wire in clear, in no form (law 4);
//! - that the heap stayed bounded (law 6), and what the report keeps of the server's words, which forge no line of a log;
//! - that all of it ended before the watchdog.
//!
//! `HOSTILE=flood cargo test -p smtp-testkit --test hostile` plays only those with that in their name.

mod auth;
mod case;
mod content;
mod end;
mod envelope;
mod greeting;
mod handshake;
mod healthy;
mod hello;
mod lmtp;
mod run;
mod script;
mod server;
mod starttls;
mod time;
mod tls;

use std::{collections::BTreeSet, time::Duration};

/// Whoever is not done by then hangs.
const WATCHDOG: Duration = Duration::from_secs(30);

#[test]
fn greetings() {
    run::play("greetings", &greeting::cases());
}

#[test]
fn hellos() {
    run::play("hellos", &hello::cases());
}

#[test]
fn starttls_commands() {
    run::play("STARTTLS", &starttls::cases());
}

#[test]
fn tls_sessions() {
    run::play("TLS", &handshake::cases());
}

#[test]
fn authentications() {
    run::play("AUTH", &auth::cases());
}

#[test]
fn envelopes() {
    run::play("envelopes", &envelope::cases());
}

#[test]
fn contents() {
    run::play("contents", &content::cases());
}

#[test]
fn ends() {
    run::play("ends", &end::cases());
}

#[test]
fn lmtp_servers() {
    run::play("LMTP", &lmtp::cases());
}

#[test]
fn dawdlers() {
    run::play("dawdlers", &time::cases());
}

#[test]
fn there_are_many_and_no_two_are_alike() {
    let all = [
        greeting::cases(),
        hello::cases(),
        starttls::cases(),
        handshake::cases(),
        auth::cases(),
        envelope::cases(),
        content::cases(),
        end::cases(),
        lmtp::cases(),
        time::cases(),
    ]
    .concat();
    let names: BTreeSet<_> = all.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "a name is used twice");
    for case in &all {
        assert!(!case.attempts.is_empty() && !case.fates.is_empty(), "{}: expects nothing", case.name);
        for script in &case.scripts {
            let _ = script::parse(script);
        }
    }
    assert!(all.len() >= 120, "{} cases", all.len());
}
