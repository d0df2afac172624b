//! Dialogues of one connection, both sides written down: what the client says octet for octet, and what becomes of every recipient.

mod auth;
mod bad_input;
mod chunking;
mod content;
mod envelope;
mod lmtp;
mod opening;
mod pipelining;
mod reuse;
mod scram;
mod starttls;
mod time;

use smtp_proto::{
    address::Mailbox,
    config::{Config, Protocol},
    envelope::{Envelope, Recipient, Sender},
};
use smtp_testkit::{Mail, Net, Outcome, Plan, Script, Split, World};

/// `client.example`, SMTP, no TLS, no authentication.
fn config() -> Config {
    let mut config = Config::new("client.example".parse().unwrap());
    config.transcript = true;
    config
}

fn lmtp() -> Config {
    let mut config = config();
    config.protocol = Protocol::Lmtp;
    config
}

fn mailbox(address: &str) -> Mailbox {
    address.parse().unwrap()
}

fn sender() -> Sender {
    Sender::from(mailbox("a@x.example"))
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope::new(sender(), recipients.iter().map(|address| Recipient::from(mailbox(address))).collect())
}

/// A small message from a@x.example to these.
fn mail(recipients: &[&str]) -> Mail {
    Mail::new(envelope(recipients), "Subject: s\r\n\r\nbody\r\n")
}

/// Sends the plan to a server that plays the dialogue; the dialogue must fit, and so must the manners.
fn play(config: Config, plan: Plan, dialogue: &str) -> Outcome {
    let mut world = World::new(config, Script::new(dialogue));
    world.expect(plan);
    world.into_outcome()
}

/// The same over a network that splits everything into single octets, and then as it comes: the outcome must not depend on it.
fn play_split(config: Config, plan: Plan, dialogue: &str) -> Outcome {
    let mut bytes = World::new(config.clone(), Script::new(dialogue)).over(Net::split(Split::bytes()));
    bytes.expect(plan.clone());
    let bytes = bytes.into_outcome();
    let whole = play(config, plan, dialogue);
    assert_eq!(bytes.wire(), whole.wire(), "the wire depends on the splitting");
    let verdicts = |outcome: &Outcome| {
        (0..outcome.reports.len()).map(|index| outcome.verdicts(index)).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&bytes), verdicts(&whole), "the outcome depends on the splitting");
    whole
}

/// A dialogue up to the usable session, with these offers.
fn opened(offers: &[&str]) -> String {
    let mut text = String::from("S: 220 mx ESMTP\nC: EHLO client.example\n");
    text += &hello(offers);
    text
}

fn hello(offers: &[&str]) -> String {
    let mut lines = vec!["mx at your service"];
    lines.extend(offers);
    let last = lines.len() - 1;
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| format!("S: 250{}{line}\n", if index == last { ' ' } else { '-' }))
        .collect()
}

const GOODBYE: &str = "\nC: QUIT\nS: 221 bye\n*: close\n";

/// Opened, this, and an orderly end.
fn session(offers: &[&str], dialogue: &str) -> String {
    format!("{}{dialogue}{GOODBYE}", opened(offers))
}
