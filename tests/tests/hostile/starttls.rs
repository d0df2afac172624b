//! The command STARTTLS and what comes with its reply (R83-R92, D2, D3).

use smtp_proto::Phase::StartTls;

use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    [replies(), injected(), missing()].concat()
}

fn replies() -> Vec<Case> {
    let heard = "hello STARTTLS / hear STARTTLS";
    let case = |name: &str, script: &str| case(name, format!("{heard} / {script}"));
    let plain = "message / say 250 ok / bye";
    vec![
        case("starttls: silence (R72)", "")
            .optional_tls()
            .short(StartTls)
            .ends("timeout starttls", "deferred"),
        case("starttls: octet by octet, for ever (R72)", "drip 220-go\\r\\n")
            .optional_tls()
            .short(StartTls)
            .ends("timeout starttls", "deferred"),
        case("starttls: closed (R40)", "fin").optional_tls().ends("network starttls", "deferred"),
        case("starttls: half a reply, reset", "raw 220 g / reset")
            .optional_tls()
            .ends("network starttls", "deferred"),
        case("starttls: flood of lines (N32)", "flood 220-go\\r\\n")
            .optional_tls()
            .ends("protocol starttls", "deferred"),
        case("starttls: NUL (D32)", "raw 220 g\\0o\\r\\n")
            .required_tls()
            .ends("protocol starttls", "deferred"),
        case("starttls: 250 (D31)", "say 250 go").optional_tls().ends("protocol starttls", "deferred"),
        case("starttls: 354 (D31)", "say 354 go").optional_tls().ends("protocol starttls", "deferred"),
        case("starttls: 334 (D31)", "say 334 go").optional_tls().ends("protocol starttls", "deferred"),
        case("starttls: mixed codes (R32)", "raw 220-go\\r\\n454 no\\r\\n")
            .optional_tls()
            .ends("protocol starttls", "deferred"),
        case("starttls: 421 (D2)", "say 421 bye").optional_tls().ends("refused starttls", "deferred"),
        case("starttls: 454 where TLS is required (R84)", "say 454 no / bye")
            .required_tls()
            .never("MAIL")
            .ends("refused starttls", "deferred"),
        case("starttls: 502 where TLS is required (R84)", "say 502 no / bye")
            .required_tls()
            .never("MAIL")
            .ends("refused starttls", "deferred"),
        case("starttls: 454 where it is optional (D2)", &format!("say 454 no / {plain}"))
            .optional_tls()
            .ends("ok", "delivered"),
        case("starttls: 454 with a 250 behind it (D33)", "raw 454 no\\r\\n250 ok\\r\\n")
            .optional_tls()
            .never("RCPT")
            .ends("protocol mail", "deferred"),
        // D4: what STARTTLS was refused for is not shown in clear instead.
        crate::case::case(
            "starttls: 454, and a password to send (D4)",
            "hello STARTTLS AUTH+PLAIN+LOGIN / hear STARTTLS / say 454 no / bye",
        )
        .optional_tls()
        .plain()
        .never("AUTH")
        .ends("auth auth", "deferred"),
        crate::case::case(
            "starttls: 501, and a password to send, LOGIN only (D4)",
            "hello STARTTLS AUTH+LOGIN / hear STARTTLS / say 501 no / bye",
        )
        .optional_tls()
        .auto()
        .never("AUTH")
        .ends("auth auth", "deferred"),
    ]
}

/// Octets in clear behind the 220: in one write with it, in every splitting, and behind the ClientHello.
fn injected() -> Vec<Case> {
    let heard = "hello STARTTLS AUTH+PLAIN / hear STARTTLS";
    let escaped = |octets: &[u8]| octets.iter().map(|octet| format!("\\x{octet:02x}")).collect::<String>();
    let one = |name: String, script: String| {
        case(name, script).telling("injected").never("MAIL").ends("protocol starttls", "deferred")
    };
    let mut cases = Vec::new();
    let whole = b"220 go\r\n250 ok\r\n";
    for at in 1..whole.len() {
        let (first, second) = whole.split_at(at);
        let script = format!("{heard} / raw {} / push {}", escaped(first), escaped(second));
        let case = one(format!("injection: split at octet {at} (D3)"), script);
        cases.push(if at % 2 == 0 { case.optional_tls() } else { case.required_tls().plain() });
    }
    for (name, injected) in [
        ("one octet", "x"),
        ("a line end", "\\r\\n"),
        ("NUL", "\\0"),
        ("a reply to EHLO with AUTH", "250-mx\\r\\n250 AUTH PLAIN\\r\\n"),
        ("421", "421 bye\\r\\n"),
        ("another 220", "220 go\\r\\n"),
        ("an octet that begins a record", "\\x16"),
        ("a TLS alert", "\\x15\\x03\\x03\\x00\\x02\\x02\\x28"),
    ] {
        let script = format!("{heard} / raw 220 go\\r\\n{injected}");
        cases.push(one(format!("injection: {name} (D3)"), script).optional_tls().plain());
    }
    cases.extend([
        one(
            "injection: 64 KiB (D3)".to_owned(),
            format!("{heard} / raw 220 go\\r\\n / push {}", "x".repeat(65536)),
        )
        .optional_tls(),
        one("injection: flood (D3)".to_owned(), format!("{heard} / flood 220 go\\r\\n")).optional_tls(),
        one(
            "injection: behind the ClientHello (D3)".to_owned(),
            format!("{heard} / say 220 go / clienthello / say 250 ok"),
        )
        .optional_tls(),
        one(
            "injection: behind the ClientHello, a reply to EHLO (D3)".to_owned(),
            format!("{heard} / say 220 go / clienthello / raw 250-mx\\r\\n250 AUTH PLAIN\\r\\n"),
        )
        .optional_tls()
        .plain(),
        one(
            "injection: with TLS behind it, which would have come about (D3)".to_owned(),
            format!("{heard} / raw 220 go\\r\\n250 ok\\r\\n / tls-fails good"),
        )
        .optional_tls()
        .plain(),
        one(
            "injection: LMTP (D3)".to_owned(),
            "hello STARTTLS / hear STARTTLS / raw 220 go\\r\\n250 ok\\r\\n".to_owned(),
        )
        .optional_tls()
        .lmtp(),
        // In a reply of several lines nothing is injected.
        case(
            "injection: none, 220 in two lines (D3)",
            format!("{heard} / raw 220-go\\r\\n220 on\\r\\n / tls good / ehlo / message / say 250 ok / bye"),
        )
        .optional_tls()
        .ends("ok", "delivered"),
    ]);
    cases
}

/// An offer that somebody on the way has removed or changed.
fn missing() -> Vec<Case> {
    vec![
        case("starttls: not offered where required (R91)", "hello SIZE AUTH+PLAIN / bye")
            .required_tls()
            .plain()
            .never("AUTH")
            .ends("tls tls", "deferred"),
        case("starttls: offered as XXXXXXXA where required (R91)", "hello XXXXXXXA / bye")
            .required_tls()
            .never("MAIL")
            .ends("tls tls", "deferred"),
        case(
            "starttls: offered to HELO alone, where required (R10)",
            "say 220 mx / hear EHLO / say 502 what / hear HELO / raw 250-mx\\r\\n250 STARTTLS\\r\\n / bye",
        )
        .required_tls()
        .never("MAIL")
        .ends("tls tls", "deferred"),
        case("starttls: the plaintext of a tls:// port (R94)", "say 220 mx")
            .implicit_tls()
            .any_tail()
            .never("EHLO")
            .ends("tls tls", "deferred"),
        case("starttls: silence at a tls:// port (R94)", "clienthello")
            .implicit_tls()
            .short(StartTls)
            .ends("timeout tls", "deferred"),
    ]
}
