//! What the durations of a text mean on the wire, in simulated time: to the second, and no earlier.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use smtp_proto::{Action, Delivery, Disposition, Envelope, Phase, Plan, Recipient, Report, Sender};

use super::support::plan;

const MINUTE: Duration = Duration::from_secs(60);
const CONTENT: &[u8] = b"Subject: x\r\n\r\nx\r\n";

/// How long a delivery by this plan waits for a server that answers so many times, the last time late, and then says nothing more; and
/// what comes of it.
fn waits(plan: Plan, answers: usize, late: Duration) -> (Duration, Report) {
    let mut now = Instant::now();
    let envelope = Envelope::new(
        Sender::new("a@example.org".parse().unwrap()),
        vec![Recipient::new("b@example.org".parse().unwrap())],
    );
    let mut delivery = Delivery::new(now, Arc::new(plan), envelope);
    let mut replies = ["220 mx", "250 mx", "250 ok", "250 ok", "354 go", "250 taken"].iter().take(answers);
    let (mut content, mut quiet_since, mut waited) = (CONTENT, None, Duration::ZERO);
    loop {
        match delivery.poll_action() {
            Some(Action::Acquire(_)) => delivery.handle_acquired(now, None),
            Some(Action::Connect(_)) if answers > 0 => {
                delivery.handle_connected(now, Ok(()));
                delivery.handle_input(now, reply(replies.next()).as_bytes());
            }
            Some(Action::Connect(_)) => quiet_since = Some(now),
            Some(Action::Finish(report)) => return (waited, report),
            Some(_) => {}
            None if delivery.body_credit() > 0 => {
                if content.is_empty() {
                    delivery.finish_body(now).unwrap();
                } else {
                    delivery.write_body(now, std::mem::take(&mut content)).unwrap();
                }
            }
            None if !delivery.transmit().is_empty() => {
                let octets = delivery.transmit().to_vec();
                delivery.handle_transmitted(now, octets.len());
                if octets.ends_with(b"\r\n") {
                    match replies.next() {
                        Some(next) => {
                            if replies.len() == 0 {
                                now += late;
                                delivery.handle_timeout(now);
                            }
                            delivery.handle_input(now, reply(Some(next)).as_bytes());
                        }
                        None => quiet_since = Some(now),
                    }
                }
            }
            None => {
                let deadline = delivery.poll_timeout().expect("nobody waits for ever");
                let last = deadline - Duration::from_nanos(1);
                delivery.handle_timeout(last);
                assert!(!delivery.has_action(), "no earlier");
                now = deadline;
                if let Some(since) = quiet_since.take() {
                    waited = now - since;
                }
                delivery.handle_timeout(now);
            }
        }
    }
}

fn reply(code: Option<&&str>) -> String {
    code.map(|code| format!("{code}\r\n")).unwrap_or_default()
}

fn target(directives: &str) -> Plan {
    plan(&format!("hostname h.example\ndeliver_to smtp tcp://127.0.0.1:25 {{\n{directives}\n}}\n"))
}

#[test]
fn each_phase_has_the_time_that_the_text_gives_it() {
    // M14, M15, M16, D5
    for (directives, answers, expected, phase) in [
        ("", 0, 5 * MINUTE, Phase::Connect),
        ("connect_timeout 7s", 0, Duration::from_secs(7), Phase::Connect),
        ("", 1, 5 * MINUTE, Phase::Hello),
        ("command_timeout 1m 30s", 2, Duration::from_secs(90), Phase::Mail),
        ("command_timeout 9s", 4, Duration::from_secs(9), Phase::Data),
        ("", 5, 12 * MINUTE, Phase::End),
        ("submission_timeout 0s", 5, 12 * MINUTE, Phase::End),
        ("submission_timeout 20m", 5, 20 * MINUTE, Phase::End),
        // The one says nothing about the other.
        ("command_timeout 3s\nconnect_timeout 3s", 5, 12 * MINUTE, Phase::End),
    ] {
        let (waited, report) = waits(target(directives), answers, Duration::ZERO);
        assert_eq!(waited, expected, "{directives}, {answers} answers");
        let disposition = &report.recipients[0].disposition;
        let is_uncertain = matches!(disposition, Disposition::Uncertain(_));
        assert_eq!(is_uncertain, phase == Phase::End, "{directives}: {disposition:?}");
        assert_eq!(report.attempts[0].phase, phase, "{directives}, {answers} answers");
    }
}

#[test]
fn the_last_moment_is_still_in_time() {
    // D5
    for (late, is_delivered) in [(12 * MINUTE - Duration::from_secs(1), true), (12 * MINUTE, false)] {
        let (_, report) = waits(target(""), 6, late);
        let disposition = &report.recipients[0].disposition;
        assert_eq!(matches!(disposition, Disposition::Delivered(_)), is_delivered, "{disposition:?}");
    }
}
