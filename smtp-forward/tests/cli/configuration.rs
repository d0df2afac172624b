//! `send --config` and `check --config`: configuration text in, the wire and the report out.

use super::{
    support::{Folder, Run},
    wire::{Rules, Session, Wire},
};

mod choice;
mod dialogues;
mod errors;
mod findings;
mod language;
mod overrides;
mod seed;
mod tls;

/// `deliver_to`, with these directives, to the server at PORT.
fn smtp(directives: &str) -> String {
    format!("hostname client.example\ndeliver_to smtp tcp://127.0.0.1:PORT {{\n{directives}\n}}\n")
}

fn lmtp(directives: &str) -> String {
    smtp(directives).replace("deliver_to smtp", "deliver_to lmtp")
}

/// Sends a message by this configuration to a server of these rules: the report, and what was said.
fn play(configuration: &str, files: &[(&str, &str)], rules: Rules) -> (Run, Vec<Session>) {
    let wire = Wire::start(rules);
    let folder = Folder::new(&configuration.replace("PORT", &wire.port.to_string()), files);
    let run = folder.send(&[]);
    (run, wire.finish())
}

/// The client's lines up to the content.
fn commands(session: &Session) -> Vec<&str> {
    let lines = session.iter().filter_map(|line| line.strip_prefix("C: "));
    let mut commands: Vec<_> = lines.take_while(|line| *line != "DATA").collect();
    if session.iter().any(|line| line == "C: DATA") {
        commands.push("DATA");
    }
    commands
}

/// Whether a line begins so.
fn says(session: &Session, line: &str) -> bool {
    session.iter().any(|said| said.starts_with(line))
}
