//! What a server claims to offer (R10, R13, R98, R208, N39).
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_proto::{
    capability::Capabilities,
    reply::{Limits, Parser},
};

const ROOMY: Limits = Limits { line: 1 << 16, lines: 1 << 12, octets: 1 << 20 };

// Each line of the input is one line of an EHLO reply, without code and line end.
fuzz_target!(|data: &[u8]| {
    let mut wire = Vec::new();
    let mut lines = data.split(|octet| *octet == b'\n').peekable();
    while let Some(line) = lines.next() {
        wire.extend_from_slice(if lines.peek().is_some() { b"250-" } else { b"250 " });
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
    }
    let Ok((_, Some(reply))) = Parser::new().parse(&wire, &ROOMY) else { return };
    let offered = Capabilities::from_reply(&reply);

    if reply.lines().count() == 1 {
        assert_eq!(offered, Capabilities::default(), "R13: the first line is a greeting, not an extension");
    }
    assert!(offered.iter().count() <= 64, "N39");
    for (keyword, parameters) in offered.iter() {
        assert!(parameters.len() <= 1024, "N39");
        assert!(
            !keyword.is_empty()
                && !keyword.contains(|c: char| c.is_ascii_lowercase() || !c.is_ascii_graphic())
        );
        assert!(parameters.chars().all(|c| !matches!(c, '\r' | '\n' | '\0')));
        assert!(
            offered.get(keyword).is_some() && offered.get(&keyword.to_ascii_lowercase()).is_some(),
            "R208"
        );
    }
    for (known, keyword) in [
        (offered.pipelining(), "PIPELINING"),
        (offered.starttls(), "STARTTLS"),
        (offered.eight_bit_mime(), "8BITMIME"),
        (offered.smtputf8(), "SMTPUTF8"),
        (offered.chunking(), "CHUNKING"),
        (offered.binary_mime(), "BINARYMIME"),
        (offered.enhanced_status_codes(), "ENHANCEDSTATUSCODES"),
        (offered.dsn(), "DSN"),
        (offered.require_tls(), "REQUIRETLS"),
    ] {
        assert_eq!(known, offered.get(keyword).is_some(), "{keyword}");
    }
    // Nothing that was not offered may be used (R14).
    assert!(offered.size().is_none() || offered.get("SIZE").is_some());
    assert!(offered.recipient_limit().is_none() || offered.get("LIMITS").is_some());
    assert!(offered.transaction_limit().is_none() || offered.get("LIMITS").is_some());
    for mechanism in offered.auth_mechanisms() {
        assert!((1..=20).contains(&mechanism.len()), "N26");
        assert!(
            mechanism.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_'),
            "RFC 4422 §3.1: {mechanism:?}"
        );
        assert!(offered.offers_auth(mechanism) && offered.offers_auth(&mechanism.to_ascii_lowercase()));
    }
});
