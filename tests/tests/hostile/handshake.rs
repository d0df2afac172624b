//! The TLS handshake, and what may happen inside TLS (R86-R97, D1, M65).

use smtp_proto::Phase::{End, Hello, Tls};

use crate::case::{Case, case};

/// What the plaintext retry meets, which is as it should be.
const AGAIN: &str = "hello STARTTLS / message / say 250 ok / bye";
const BEGIN: &str = "hello STARTTLS / hear STARTTLS / say 220 go";

pub(crate) fn cases() -> Vec<Case> {
    [handshakes(), certificates(), sessions(), ends(), records()].concat()
}

fn handshakes() -> Vec<Case> {
    let case = |name: &str, script: &str| {
        case(format!("handshake: {name}"), format!("{BEGIN} / clienthello / {script}"))
    };
    let again = |name: &str, script: &str, ends: &str| {
        // Optional: once more in plaintext. Required: not. With a password to send: once more, and it is not sent.
        [
            case(&format!("{name}, TLS optional (M65)"), script)
                .optional_tls()
                .again(AGAIN)
                .ends(&format!("{ends}, ok"), "delivered"),
            case(&format!("{name}, TLS required (M68)"), script)
                .required_tls()
                .never("MAIL")
                .ends(ends, "deferred"),
            case(&format!("{name}, a password to send (D4)"), script)
                .optional_tls()
                .plain()
                .again("hello AUTH+PLAIN / bye")
                .never("AUTH")
                .ends(&format!("{ends}, auth auth"), "deferred"),
        ]
    };
    let mut cases = Vec::new();
    cases.extend(again("closed", "fin", "network tls"));
    cases.extend(again("reset", "reset", "network tls"));
    cases.extend(again("alert", "raw \\x15\\x03\\x03\\x00\\x02\\x02\\x28", "tls tls"));
    cases.extend(again("TLS 1.1 (R95)", "raw \\x15\\x03\\x02\\x00\\x02\\x02\\x46", "tls tls"));
    cases.extend(again("garbage in a record", "raw \\x16\\x03\\x03\\x00\\x05hello", "tls tls"));
    cases.push(
        case("silence, TLS optional (R90)", "")
            .optional_tls()
            .short(Tls)
            .again(AGAIN)
            .ends("timeout tls, ok", "delivered"),
    );
    cases.push(
        case("silence, TLS required (R90)", "").required_tls().short(Tls).ends("timeout tls", "deferred"),
    );
    for (name, script, ends) in [
        ("octet by octet, for ever (R72)", "drip \\x16\\x03\\x03\\x40\\x00", "timeout tls"),
        ("half a record, silence (R72)", "raw \\x16\\x03\\x03\\x00\\x7a\\x02\\x00", "timeout tls"),
        ("half a record, closed", "raw \\x16\\x03\\x03\\x00\\x7a\\x02\\x00 / fin", "network tls"),
        ("a record of 64 KiB", "push \\x16\\x03\\x03\\xff\\xff / flood x", "tls tls"),
        ("a message of 16 MiB", "flood \\x16\\x03\\x03\\x00\\x04\\x02\\xff\\xff\\xff", "tls tls"),
        ("flood of empty records", "flood \\x16\\x03\\x03\\x00\\x00", "tls tls"),
        ("flood of warnings", "flood \\x15\\x03\\x03\\x00\\x02\\x01\\x5a", "tls tls"),
        ("flood of ChangeCipherSpec", "flood \\x14\\x03\\x03\\x00\\x01\\x01", "tls tls"),
        ("application data", "raw \\x17\\x03\\x03\\x00\\x08250 ok\\r\\n", "tls tls"),
        ("close_notify", "raw \\x15\\x03\\x03\\x00\\x02\\x01\\x00 / fin", "tls tls|network tls"),
    ] {
        let case = case(name, script).required_tls().ends(ends, "deferred");
        cases.push(if ends.starts_with("timeout") { case.short(Tls) } else { case });
    }
    cases
}

fn certificates() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, text) in [
        ("wrong-name", "not valid for name"),
        ("expired", "expired"),
        ("not-yet", "not valid yet"),
        ("unknown-issuer", "UnknownIssuer"),
        ("self-signed", "UnknownIssuer"),
        ("ca-as-server", "CaUsedAsEndEntity"),
    ] {
        let fails = format!("{BEGIN} / tls-fails {kind}");
        cases.extend([
            case(format!("certificate: {kind}, TLS required (R96)"), &fails)
                .required_tls()
                .telling(text)
                .never("MAIL")
                .ends("tls tls", "deferred"),
            case(format!("certificate: {kind}, TLS optional (D1)"), &fails)
                .optional_tls()
                .again(AGAIN)
                .ends("tls tls, ok", "delivered"),
            case(format!("certificate: {kind}, a password to send (R112)"), &fails)
                .optional_tls()
                .plain()
                .again("hello AUTH+PLAIN / bye")
                .never("AUTH")
                .ends("tls tls, auth auth", "deferred"),
            case(format!("certificate: {kind}, tls:// and a password (R96)"), format!("tls-fails {kind}"))
                .implicit_tls()
                .plain()
                .never("EHLO")
                .ends("tls tls", "deferred"),
        ]);
    }
    cases.push(
        case("certificate: one is demanded of the client (M69)", format!("{BEGIN} / tls-fails demanding"))
            .required_tls()
            .ends("tls tls|tls hello|network hello", "deferred"),
    );
    cases
}

/// Inside TLS, before the message.
fn sessions() -> Vec<Case> {
    let case = |name: &str, script: &str| {
        case(format!("tls: {name}"), format!("{BEGIN} / tls good / {script}")).required_tls()
    };
    let early = |name: &str, said: &str| {
        let script = format!("{BEGIN} / tls-early {said}");
        crate::case::case(format!("tls: {name}"), script).required_tls().never("MAIL")
    };
    let ok = "message / say 250 ok / bye";
    let again = |before: &str, rest: &str| {
        let script = format!("hello {before} / hear STARTTLS / say 220 go / tls good / {rest}");
        crate::case::case("", script).required_tls()
    };
    let named = |mut case: Case, name: &str| {
        case.name = format!("tls: {name}");
        case
    };
    vec![
        case("cut at once, without close_notify (R97)", "fin").any_tail().ends("network hello", "deferred"),
        case("closed at once", "close").any_tail().ends("network hello", "deferred"),
        case("reset at EHLO", "hear EHLO / reset").ends("network hello", "deferred"),
        case("silence at EHLO (R72)", "hear EHLO").short(Hello).ends("timeout hello", "deferred"),
        case("a torn record at EHLO, cut (R97)", "hear EHLO / torn 250 mx / fin")
            .ends("network hello", "deferred"),
        case("a broken record at EHLO", "hear EHLO / corrupt 250 mx").ends("tls hello", "deferred"),
        case("plaintext at EHLO (R86)", "hear EHLO / wire 250 mx\\r\\n").ends("tls hello", "deferred"),
        early("a reply to EHLO with the server's Finished (D33)", "250 mx\\r\\n")
            .ends("protocol hello", "deferred"),
        early(
            "all replies with the server's Finished (D33)",
            "250 mx\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 ok\\r\\n",
        )
        .ends("protocol hello", "deferred"),
        early("a greeting with the server's Finished (R88)", "220 mx\\r\\n")
            .ends("protocol hello", "deferred"),
        crate::case::case(
            "tls: half a reply with the server's Finished (D33)",
            format!("{BEGIN} / tls-early 25 / hear EHLO / push 0 mx\\r\\n"),
        )
        .required_tls()
        .never("MAIL")
        .ends("protocol hello", "deferred"),
        case("a second greeting (R88)", "raw 220 mx\\r\\n250 mx\\r\\n")
            .any_tail()
            .ends("protocol hello|protocol mail", "deferred"),
        case("554 to EHLO, then no HELO (M69)", "hear EHLO / say 554 no / bye")
            .never("HELO")
            .ends("refused hello", "deferred"),
        case("500 to EHLO, then no HELO (M69)", "hear EHLO / say 500 what / bye")
            .never("HELO")
            .ends("refused hello", "deferred"),
        case("flood of keywords (N32)", "hear EHLO / flood 250-X\\r\\n").ends("protocol hello", "deferred"),
        case("STARTTLS is offered again (R89)", &format!("ehlo STARTTLS / {ok}"))
            .never("STARTTLS\\r\\nSTARTTLS")
            .ends("ok", "delivered"),
        // What was said in clear does not count (R87).
        named(again("STARTTLS SIZE+1", &format!("ehlo / {ok}")), "SIZE was offered in clear (R87)")
            .never("SIZE=")
            .ends("ok", "delivered"),
        named(again("STARTTLS PIPELINING", &format!("ehlo / {ok}")), "PIPELINING was offered in clear (R87)")
            .ends("ok", "delivered"),
        named(again("STARTTLS AUTH+PLAIN", "ehlo / bye").plain(), "AUTH was offered in clear (R87)")
            .never("AUTH")
            .ends("auth auth", "deferred"),
        named(
            again("STARTTLS AUTH+PLAIN", "ehlo AUTH+LOGIN / bye").plain(),
            "another AUTH was offered in clear (R87)",
        )
        .never("AUTH")
        .ends("auth auth", "deferred"),
        named(again("STARTTLS", "ehlo SIZE+1 / bye"), "SIZE is offered inside (R87)")
            .never("MAIL")
            .ends("ok", "rejected"),
    ]
}

/// Behind the end mark, inside TLS (row 16).
fn ends() -> Vec<Case> {
    let case = |name: &str, script: &str| {
        case(format!("tls end: {name}"), format!("{BEGIN} / tls good / ehlo / message / {script}"))
            .required_tls()
    };
    vec![
        case("cut without close_notify (R97)", "fin").ends("network end", "uncertain"),
        case("closed", "close").ends("network end", "uncertain"),
        case("reset", "reset").ends("network end", "uncertain"),
        case("half a yes, cut (R97)", "raw 250 o / fin").ends("network end", "uncertain"),
        case("half a yes, closed", "raw 250 o / close").ends("network end", "uncertain"),
        case("a torn yes, cut (R97)", "torn 250 ok / fin").ends("network end", "uncertain"),
        case("a torn yes, silence", "torn 250 ok").short(End).ends("timeout end", "uncertain"),
        case("a broken yes", "corrupt 250 ok").ends("tls end", "uncertain"),
        case("a broken no", "corrupt 550 no").ends("tls end", "uncertain"),
        case("a yes in plaintext (R86)", "wire 250 ok\\r\\n").ends("tls end", "uncertain"),
        case("a no in plaintext (R86)", "wire 550 no\\r\\n").ends("tls end", "uncertain"),
        case("an alert in plaintext", "wire \\x15\\x03\\x03\\x00\\x02\\x02\\x28")
            .ends("tls end", "uncertain"),
        case("a yes, cut without close_notify (row 19)", "say 250 ok / hear QUIT / fin")
            .ends("ok", "delivered"),
        case("a yes, and a broken goodbye (row 19)", "say 250 ok / hear QUIT / corrupt 221 bye")
            .ends("ok", "delivered"),
        case("a yes, and plaintext (row 19)", "say 250 ok / hear QUIT / wire 221 bye\\r\\n")
            .ends("ok", "delivered"),
        case("a no, cut without close_notify (row 18)", "say 550 no / hear QUIT / fin")
            .ends("ok", "rejected"),
    ]
}

/// Records that no library writes: renegotiation, tickets, key updates, nothing at all, again and again.
fn records() -> Vec<Case> {
    let begun = |version: &str, script: &str| format!("{BEGIN} / tls forged-{version} / ehlo / {script}");
    let ok = "message / say 250 ok / bye";
    let ticket =
        "\\x04\\x00\\x00\\x12\\x00\\x00\\x1c\\x20\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x04tick\\x00\\x00";
    vec![
        case(
            "records: a HelloRequest is declined (TLS 1.2)",
            begun("1.2", "mail / record 22 \\0\\0\\0\\0 / hear RCPT / fin"),
        )
        .required_tls()
        .any_tail()
        .ends("network rcpt", "deferred"),
        case(
            "records: flood of HelloRequests (TLS 1.2)",
            begun("1.2", "hear MAIL / records 22 \\0\\0\\0\\0"),
        )
        .required_tls()
        .any_tail()
        .ends("tls mail", "deferred"),
        case(
            "records: flood of HelloRequests behind the end mark (TLS 1.2)",
            begun("1.2", "message / records 22 \\0\\0\\0\\0"),
        )
        .required_tls()
        .any_tail()
        .ends("tls end", "uncertain"),
        case(
            "records: a ServerHello behind the handshake (TLS 1.2)",
            begun("1.2", "hear MAIL / record 22 \\x02\\0\\0\\0"),
        )
        .required_tls()
        .any_tail()
        .ends("tls mail", "deferred"),
        case("records: flood of empty ones (TLS 1.2)", begun("1.2", "message / records 23"))
            .required_tls()
            .any_tail()
            .ends("tls end", "uncertain"),
        case("records: flood of warnings (TLS 1.2)", begun("1.2", "hear MAIL / records 21 \\x01\\x5a"))
            .required_tls()
            .any_tail()
            .ends("tls mail", "deferred"),
        case(
            "records: ChangeCipherSpec behind the handshake (TLS 1.2)",
            begun("1.2", "hear MAIL / record 20 \\x01"),
        )
        .required_tls()
        .any_tail()
        .ends("tls mail", "deferred"),
        case(
            "records: an octet of a reply each (TLS 1.2)",
            begun("1.2", "hear MAIL / record 23 2 / record 23 5 / record 23 0\\r\\n / hear RCPT / fin"),
        )
        .required_tls()
        .any_tail()
        .ends("network rcpt", "deferred"),
        case("records: the forger is right otherwise (TLS 1.2)", begun("1.2", ok))
            .required_tls()
            .any_tail()
            .ends("ok", "delivered"),
        case("records: the forger is right otherwise (TLS 1.3)", begun("1.3", ok))
            .required_tls()
            .any_tail()
            .ends("ok", "delivered"),
        case("records: flood of empty ones (TLS 1.3)", begun("1.3", "message / records 23"))
            .required_tls()
            .any_tail()
            .ends("tls end", "uncertain"),
        case("records: flood of tickets (TLS 1.3)", begun("1.3", &format!("message / records 22 {ticket}")))
            .required_tls()
            .short(End)
            .ends("timeout end", "uncertain"),
        case(
            "records: a key update, and a yes under the old key (TLS 1.3)",
            begun("1.3", "message / record 22 \\x18\\0\\0\\x01\\x00 / say 250 ok"),
        )
        .required_tls()
        .any_tail()
        .ends("tls end", "uncertain"),
        case(
            "records: a CertificateRequest behind the handshake (TLS 1.3)",
            begun("1.3", "hear MAIL / record 22 \\x0d\\0\\0\\x03\\0\\0\\0"),
        )
        .required_tls()
        .any_tail()
        .ends("tls mail", "deferred"),
        case(
            "records: a message that does not end, record by record (TLS 1.3)",
            begun("1.3", "hear MAIL / push \\x20 / records 22 \\x04\\xff\\xff\\xffxxxxxxxxxxxx"),
        )
        .required_tls()
        .any_tail()
        .ends("protocol mail|tls mail", "deferred"),
        case("records: of an unknown type (TLS 1.3)", begun("1.3", "hear MAIL / record 99 x"))
            .required_tls()
            .any_tail()
            .ends("tls mail", "deferred"),
    ]
}
