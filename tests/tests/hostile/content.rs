//! While the content flows (R54, R55, D33, N9, N40; the decision table's rows 10 to 12).

use smtp_proto::Phase::Body;

use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    // Larger than all buffers: the client is still writing when the server acts, and its last words are content.
    let large = |name: &str, script: &str| {
        case(name, format!("hello / envelope 2 / some 20000 / {script}")).to(2).large().any_tail()
    };
    vec![
        large("content: nothing more is read (R70)", "stall").short(Body).ends("timeout body", "deferred*"),
        large("content: half a reply, and nothing more is read", "raw 55 / stall")
            .short(Body)
            .ends("timeout body", "deferred*"),
        large("content: closed (row 10)", "fin").ends("network body", "deferred*"),
        large("content: half a refusal, closed (D32)", "raw 552 / fin").ends("network body", "deferred*"),
        large("content: reset (row 10)", "reset").ends("network body", "deferred*"),
        large("content: 552, closed (R55)", "say 552 full / fin").ends("refused body", "rejected rejected"),
        large("content: 552, reset (R55)", "say 552 full / reset").ends("refused body", "rejected rejected"),
        large("content: 552, and it goes on reading (row 11)", "say 552 full")
            .ends("refused body", "rejected rejected"),
        large("content: 552, and nothing more is read (row 11)", "say 552 full / stall")
            .ends("refused body", "rejected rejected"),
        large("content: 452, closed (row 10)", "say 452 later / fin").ends("refused body", "deferred*"),
        large("content: 452, and nothing more is read (row 10)", "say 452 later / stall")
            .ends("refused body", "deferred*"),
        large("content: 421 (R39)", "say 421 bye / fin").ends("refused body", "deferred*"),
        large("content: early 250 (D33, row 12)", "say 250 queued").ends("protocol body", "deferred*"),
        large("content: early 250, closed (D33, row 12)", "say 250 queued / fin")
            .ends("protocol body", "deferred*"),
        large("content: early 250, and nothing more is read (D33)", "say 250 queued / stall")
            .ends("protocol body", "deferred*"),
        large("content: early 354 (D33)", "say 354 go").ends("protocol body", "deferred*"),
        large("content: early 221 (D33)", "say 221 bye").ends("protocol body", "deferred*"),
        large("content: NUL (D32)", "raw \\0").ends("protocol body", "deferred*"),
        large("content: garbage (R30)", "raw Please stop\\r\\n").ends("protocol body", "deferred*"),
        large("content: flood without line end (N30)", "flood 250 ok").ends("protocol body", "deferred*"),
        large("content: flood of lines (N32)", "flood 552-full\\r\\n").ends("protocol body", "deferred*"),
        large("content: flood of refusals", "flood 552 full\\r\\n").ends("refused body", "rejected rejected"),
        large("content: mixed codes (R32)", "raw 250-ok\\r\\n552 full\\r\\n")
            .ends("protocol body", "deferred*"),
        // One of the recipients was refused before; it stays so.
        case(
            "content: 552, one was refused before",
            "hello / mail / hear RCPT / say 451 later / rcpt / data / some 20000 / say 552 full / fin",
        )
        .to(2)
        .large()
        .any_tail()
        .ends("refused body", "deferred rejected"),
        case(
            "content: closed, one was refused before",
            "hello / mail / hear RCPT / say 550 no / rcpt / data / some 20000 / fin",
        )
        .to(2)
        .large()
        .any_tail()
        .ends("network body", "rejected deferred"),
        // In LMTP an early refusal is for all (D33), an early yes for nobody.
        large("content: LMTP, 552, closed", "say 552 full / fin")
            .lmtp()
            .ends("refused body", "rejected rejected"),
        large("content: LMTP, an early 250 for each", "raw 250 ok\\r\\n250 ok\\r\\n")
            .lmtp()
            .ends("protocol body", "deferred*"),
        large("content: LMTP, reset", "reset").lmtp().ends("network body", "deferred*"),
        // Inside TLS.
        case("content: TLS, nothing more is read (R70)", "tls good / hello / envelope / some 20000 / stall")
            .implicit_tls()
            .large()
            .any_tail()
            .short(Body)
            .ends("timeout body", "deferred"),
        case(
            "content: TLS, cut without close_notify (R97)",
            "tls good / hello / envelope / some 20000 / fin",
        )
        .implicit_tls()
        .large()
        .any_tail()
        .ends("network body", "deferred"),
        case(
            "content: TLS, 552, closed (R55)",
            "tls good / hello / envelope / some 20000 / say 552 full / close",
        )
        .implicit_tls()
        .large()
        .any_tail()
        .ends("refused body", "rejected"),
        case(
            "content: TLS, a broken record (row 10)",
            "tls good / hello / envelope / some 20000 / corrupt 552 full",
        )
        .implicit_tls()
        .large()
        .any_tail()
        .ends("tls body", "deferred"),
    ]
}
