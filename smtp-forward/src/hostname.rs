//! What this machine calls itself.

use std::net::Ipv4Addr;

use smtp_proto::address::ClientName;

/// The machine's name where it can stand in EHLO, or else an address literal (RFC 5321 §4.1.1.1, M77).
pub(crate) fn own() -> ClientName {
    from_name(&gethostname::gethostname().to_string_lossy())
}

fn from_name(name: &str) -> ClientName {
    name.trim_end_matches('.').parse().unwrap_or_else(|_| Ipv4Addr::LOCALHOST.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_stand_in_ehlo_gives_way_to_a_literal() {
        for (name, own) in [
            ("mx.example.org", "mx.example.org"),
            ("mx.example.org.", "mx.example.org"),
            ("тест.example", "xn--e1aybc.example"),
            ("my machine", "[127.0.0.1]"),
            ("", "[127.0.0.1]"),
        ] {
            assert_eq!(from_name(name).as_str(), own);
        }
    }
}
