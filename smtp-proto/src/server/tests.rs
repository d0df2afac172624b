//! Transcripts: what the client sends, what the server must answer.

mod auth;
mod bounds;
mod content;
mod dialogue;
mod lmtp;
mod parse;
mod split;
mod tls;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    Phase,
    reply::{Code, Reply},
};

pub(super) fn config() -> Config {
    Config::new("mx.example.org".parse().unwrap())
}

pub(super) fn lmtp() -> Config {
    Config { protocol: Protocol::Lmtp, ..config() }
}

pub(super) fn reply(code: u16, text: &str) -> Reply {
    Reply::new(Code::new(code).unwrap(), text)
}

#[allow(clippy::disallowed_methods)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A server with an application that takes all content and keeps events.
pub(super) struct Harness {
    pub(super) server: Connection,
    pub(super) now: Instant,
    pub(super) events: Vec<Event>,
    pub(super) content: Vec<u8>,
}

impl Harness {
    /// Greeted already.
    pub(super) fn new(config: Config) -> Self {
        let mut harness = Self::silent(config);
        harness.output();
        harness
    }

    pub(super) fn silent(config: Config) -> Self {
        let now = now();
        let server = Connection::new(now, Arc::new(config));
        Self { server, now, events: Vec::new(), content: Vec::new() }
    }

    pub(super) fn settle(&mut self) {
        loop {
            let content = self.server.content().to_vec();
            self.content.extend_from_slice(&content);
            self.server.take_content(self.now, content.len());
            let before = self.events.len();
            self.events.extend(std::iter::from_fn(|| self.server.poll_event()));
            if content.is_empty() && before == self.events.len() {
                return;
            }
        }
    }

    /// All that is to be sent now.
    pub(super) fn output(&mut self) -> String {
        let mut all = Vec::new();
        loop {
            self.settle();
            let piece = self.server.transmit().to_vec();
            self.server.handle_transmitted(self.now, piece.len());
            if piece.is_empty() {
                return String::from_utf8(all).unwrap();
            }
            all.extend(piece);
        }
    }

    /// Sends in one piece; what comes back.
    pub(super) fn send(&mut self, input: impl AsRef<[u8]>) -> String {
        self.server.handle_input(self.now, input.as_ref());
        self.output()
    }

    /// The codes of the final lines that come back, enhanced codes with them.
    pub(super) fn codes(&mut self, input: impl AsRef<[u8]>) -> Vec<String> {
        codes(&self.send(input))
    }

    pub(super) fn closed(&self) -> Option<&Closed> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(reason) => Some(reason),
            _ => None,
        })
    }

    pub(super) fn resets(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Reset)).count()
    }

    pub(super) fn wait(&mut self, time: Duration) -> String {
        self.now += time;
        self.server.handle_timeout(self.now);
        self.output()
    }

    /// SMTP, until content may come.
    pub(super) fn envelope(&mut self) {
        self.send("EHLO c\r\n");
        let answer = self.codes("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n");
        assert!(answer.iter().all(|code| code.starts_with('2')), "{answer:?}");
    }
}

pub(super) fn codes(output: &str) -> Vec<String> {
    let last = output.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    last.map(|line| {
        let mut words = line.split(' ');
        let code = words.next().unwrap().to_owned();
        match words.next() {
            Some(word) if word.split('.').count() == 3 && word.starts_with(|c: char| c.is_ascii_digit()) => {
                format!("{code} {word}")
            }
            _ => code,
        }
    })
    .collect()
}

/// Plays `C:` lines in one piece each group, and compares what comes back with the `S:` lines behind it.
pub(super) fn transcript(config: Config, script: &str) -> Harness {
    let mut harness = Harness::silent(config);
    let mut group = String::new();
    let mut expected = String::new();
    let mut check = |group: &mut String, expected: &mut String| {
        let got = harness.send(std::mem::take(group));
        assert_eq!(got, std::mem::take(expected));
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_at(2) {
            ("C:", text) => {
                if !expected.is_empty() {
                    check(&mut group, &mut expected);
                }
                group.push_str(text.strip_prefix(' ').unwrap_or(text));
                group.push_str("\r\n");
            }
            ("S:", text) => {
                expected.push_str(text.strip_prefix(' ').unwrap_or(text));
                expected.push_str("\r\n");
            }
            _ => panic!("{line}"),
        }
    }
    check(&mut group, &mut expected);
    harness
}

/// A table of replies with one row.
pub(super) fn table(phase: Phase, row: Reply) -> std::collections::BTreeMap<Phase, Reply> {
    [(phase, row)].into()
}
