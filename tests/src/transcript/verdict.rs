//! What came of a transcript, beside what is written in it.

use std::{collections::VecDeque, fmt::Write as _, time::Duration};

use smtp_proto::{Disposition, Notice, Report};

use super::{Session, Transcript};
use crate::server::Mismatch;

/// What came of one session.
#[derive(Debug, Default)]
pub struct Said {
    /// Where the client left the dialogue.
    pub mismatch: Option<Mismatch>,
    /// The contents, decoded.
    pub contents: Vec<Vec<u8>>,
    /// Objections to how it was kept.
    pub amiss: Vec<String>,
}

/// What came of a transcript.
#[derive(Debug, Default)]
pub struct Played {
    /// The sessions, in order.
    pub sessions: Vec<Said>,
    /// Address and outcome of each recipient.
    pub recipients: Vec<(String, Disposition)>,
    /// One line for each attempt.
    pub attempts: Vec<String>,
    /// Whether another target would be tried.
    pub next: Option<String>,
    /// Simulated time.
    pub elapsed: Option<Duration>,
    /// What else is amiss.
    pub amiss: Vec<String>,
}

impl Played {
    /// Takes over what a report says.
    pub fn report(&mut self, report: &Report) {
        for recipient in &report.recipients {
            let who = recipient.recipient.path.to_string();
            let who = who.trim_start_matches('<').trim_end_matches('>').to_owned();
            self.recipients.push((who, recipient.disposition.clone()));
        }
        self.attempts.extend(report.attempts.iter().map(|attempt| {
            let error = attempt.error.as_ref();
            let mut line = error.map_or_else(
                || "ok".to_owned(),
                |error| format!("{} {}", error.kind().name(), attempt.phase),
            );
            line += if attempt.tls.is_some() { ", tls" } else { "" };
            line += if attempt.fell_back_to_plaintext { ", plaintext" } else { "" };
            for (notice, text) in
                [(Notice::SecretInClear, ", secret in clear"), (Notice::BareLfInReply, ", bare lf")]
            {
                line += if attempt.notices.contains(&notice) { text } else { "" };
            }
            line
        }));
    }
}

/// `delivered 250 2.0.0`, `deferred 450 4.4.2 mail, local`.
fn verdict(disposition: &Disposition) -> String {
    let status = disposition.status();
    let mut line = format!("{} {} {}", disposition.name(), status.code, status.enhanced);
    if let Some(failure) = disposition.failure() {
        let _ = write!(line, " {}", failure.phase);
    }
    if status.local { line + ", local" } else { line }
}

fn shown(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 60 == 0 && seconds > 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

impl Transcript {
    /// Compares what was played with what is written.
    ///
    /// # Errors
    /// The differences, to be read by people.
    pub fn compare(&self, played: &Played) -> Result<(), String> {
        let mut out = String::new();
        for (session, said) in self.sessions.iter().zip(&played.sessions) {
            let Session::Dialogue(steps) = session else { continue };
            self.compare_dialogue(&mut out, steps, said);
        }
        for surplus in played.sessions.iter().skip(self.sessions.len()) {
            let _ = writeln!(out, "{}: one more connection was made: {surplus:?}", self.path.display());
        }
        if played.sessions.len() < self.sessions.len() {
            let _ = writeln!(out, "{}: the client did not connect again", self.path.display());
        }
        for amiss in &played.amiss {
            let _ = writeln!(out, "{}: {amiss}", self.path.display());
        }
        self.compare_report(&mut out, played);
        if out.is_empty() { Ok(()) } else { Err(out) }
    }

    fn compare_dialogue(&self, out: &mut String, steps: &[(usize, String)], said: &Said) {
        let path = self.path.display();
        if let Some(Mismatch { step, got }) = &said.mismatch {
            let last = steps.last().map_or(0, |(number, _)| *number);
            let number = steps.get(*step).map_or(last + 1, |(number, _)| *number);
            let _ = writeln!(out, "{path}:{number}: the client does not keep to the dialogue");
            for (number, line) in steps.iter().take(*step).skip(step.saturating_sub(4)) {
                let _ = writeln!(out, "  {number:4} {line}");
            }
            if let Some((number, line)) = steps.get(*step) {
                let _ = writeln!(out, "- {number:4} {line}");
            }
            for line in got.lines().take(4) {
                let _ = writeln!(out, "+      {line}");
            }
        } else {
            for amiss in &said.amiss {
                let _ = writeln!(out, "{path}: bad manners: {amiss}");
            }
            for (message, content) in self.messages.iter().zip(&said.contents) {
                if self.messages.len() == 1 && *content != message.normalised() {
                    let _ = writeln!(out, "{path}: other content arrived: \"{}\"", content.escape_ascii());
                }
            }
        }
    }

    fn compare_report(&self, out: &mut String, played: &Played) {
        let left_out = |line: &str| {
            (played.next.is_none() && line.starts_with("next: "))
                || (played.elapsed.is_none() && line.starts_with("elapsed: "))
        };
        let expected: Vec<_> = self.expected.iter().filter(|(_, line)| !left_out(line)).collect();
        let mut actual: VecDeque<(String, String)> = VecDeque::new();
        for (who, disposition) in &played.recipients {
            let text = disposition.status().text.replace('\n', "\\n");
            actual.push_back((format!("{who}: {}", verdict(disposition)), format!(" \"{text}\"")));
        }
        actual.extend(played.attempts.iter().map(|line| (format!("session: {line}"), String::new())));
        actual.extend(played.next.iter().map(|next| (format!("next: {next}"), String::new())));
        if expected.iter().any(|(_, line)| line.starts_with("elapsed: "))
            && let Some(elapsed) = played.elapsed
        {
            actual.push_back((format!("elapsed: {}", shown(elapsed)), String::new()));
        }
        let mut lines = expected.iter();
        loop {
            let (want, got) = (lines.next(), actual.pop_front());
            let got = got.map(|(line, text)| match want {
                Some((_, want)) if want.ends_with('"') => line + &text,
                _ => line,
            });
            match (want, got) {
                (None, None) => return,
                (Some((_, want)), Some(got)) if *want == got => {}
                (want, got) => {
                    let at = want.map_or_else(String::new, |(number, _)| format!(":{number}"));
                    let _ = writeln!(out, "{}{at}: the report differs", self.path.display());
                    let _ = want.map(|(number, want)| writeln!(out, "- {number:4} {want}"));
                    let _ = got.map(|got| writeln!(out, "+      {got}"));
                }
            }
        }
    }
}
