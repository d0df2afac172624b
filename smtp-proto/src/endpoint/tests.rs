use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rustls::pki_types::ServerName;

use super::{Endpoint, EndpointErrorKind as Kind, ExtraPart, HostError};

fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.to_owned(), port }
}

fn tls(host: &str, port: u16) -> Endpoint {
    Endpoint::Tls { host: host.to_owned(), port }
}

fn unix(path: &str) -> Endpoint {
    Endpoint::Unix(path.into())
}

fn parse(text: &str) -> Endpoint {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn accepted_forms_and_their_spelling() {
    let cases = [
        // T18: the input comes back where it is written with `//`, else in that spelling.
        ("tcp://0.0.0.0:10025", tcp("0.0.0.0", 10025), "tcp://0.0.0.0:10025"),
        ("tcp://[::]:10025", tcp("::", 10025), "tcp://[::]:10025"),
        ("tcp:127.0.0.1:10025", tcp("127.0.0.1", 10025), "tcp://127.0.0.1:10025"),
        ("unix://path", unix("path"), "unix://path"),
        ("unix:path", unix("path"), "unix://path"),
        ("unix:/path", unix("/path"), "unix:///path"),
        ("unix:///path", unix("/path"), "unix:///path"),
        ("unix://also/path", unix("also/path"), "unix://also/path"),
        ("unix:///also/path", unix("/also/path"), "unix:///also/path"),
        ("tls://0.0.0.0:10025", tls("0.0.0.0", 10025), "tls://0.0.0.0:10025"),
        ("tls:0.0.0.0:10025", tls("0.0.0.0", 10025), "tls://0.0.0.0:10025"),
        // M19
        ("TCP://Mx.Example.ORG:25", tcp("Mx.Example.ORG", 25), "tcp://Mx.Example.ORG:25"),
        ("Tls:h:465", tls("h", 465), "tls://h:465"),
        ("tcp:[::1]:25", tcp("::1", 25), "tcp://[::1]:25"),
        ("tcp://[fe80::1%25eth0]:25", tcp("fe80::1%eth0", 25), "tcp://[fe80::1%25eth0]:25"),
        ("tcp://[fe80::1%25br%2d0]:25", tcp("fe80::1%br-0", 25), "tcp://[fe80::1%25br-0]:25"),
        ("tcp://:25", tcp("", 25), "tcp://:25"),
        ("tcp::25", tcp("", 25), "tcp://:25"),
        ("tcp://h:0025", tcp("h", 25), "tcp://h:25"),
        ("tcp://h:1", tcp("h", 1), "tcp://h:1"),             // N42
        ("tcp://h:65535", tcp("h", 65535), "tcp://h:65535"), // N42
        ("tcp://mail_relay:25", tcp("mail_relay", 25), "tcp://mail_relay:25"),
        ("tcp://h.example.:25", tcp("h.example.", 25), "tcp://h.example.:25"),
        ("tcp://bücher.example:25", tcp("bücher.example", 25), "tcp://bücher.example:25"), // M21
        // M20
        ("UNIX:///run/x.sock", unix("/run/x.sock"), "unix:///run/x.sock"),
        ("unix://rel/x", unix("rel/x"), "unix://rel/x"),
        ("unix:///a%20b", unix("/a b"), "unix:///a%20b"),
        ("unix:a%20b", unix("a b"), "unix://a%20b"),
        ("unix:///a b", unix("/a b"), "unix:///a%20b"),
        ("unix:///a%3fb%23%25", unix("/a?b#%"), "unix:///a%3Fb%23%25"),
        ("unix:///a%0Ab", unix("/a\nb"), "unix:///a%0Ab"),
        ("unix:///postbüro", unix("/postbüro"), "unix:///postbüro"),
        ("unix:///postb%C3%BCro", unix("/postbüro"), "unix:///postbüro"),
        ("unix:@name", unix("@name"), "unix:@name"),
        ("unix:./@name", unix("./@name"), "unix:./@name"),
        ("unix:///a@b", unix("/a@b"), "unix:///a@b"),
        ("unix://a%40b", unix("a@b"), "unix:a@b"),
    ];
    for (text, endpoint, spelling) in cases {
        assert_eq!(parse(text), endpoint, "{text}");
        assert_eq!(endpoint.to_string(), spelling, "{text}");
        assert_eq!(parse(spelling), endpoint, "{text}");
    }
}

#[test]
fn refused_forms_say_what_and_where() {
    let extra = Kind::Extra;
    let cases = [
        // M19: scheme
        ("", 1, Kind::Scheme),
        ("h:25", 1, Kind::Scheme),
        ("127.0.0.1:25", 1, Kind::Scheme),
        ("smtp://h:25", 1, Kind::Scheme),
        ("smtps://h:465", 1, Kind::Scheme),
        ("lmtp+unix:///x", 1, Kind::Scheme),
        ("//h:25", 1, Kind::Scheme),
        (" tcp://h:25", 1, Kind::Scheme),
        // M19, N42: port
        ("tcp:", 5, Kind::PortMissing),
        ("tcp://", 7, Kind::PortMissing),
        ("tcp://h", 8, Kind::PortMissing),
        ("tcp://h:", 9, Kind::PortMissing),
        ("tcp://bü:", 10, Kind::PortMissing), // columns count characters
        ("tcp://[::1]", 12, Kind::PortMissing),
        ("tcp://[::1]:", 13, Kind::PortMissing),
        ("tcp://h:smtp", 9, Kind::Port),
        ("tcp://h:-1", 9, Kind::Port),
        ("tcp://h:+25", 9, Kind::Port),
        ("tcp://h:25 ", 9, Kind::Port),
        ("tcp://h:0x19", 9, Kind::Port),
        ("tcp://h:0", 9, Kind::Port),
        ("tcp://h:65536", 9, Kind::Port),
        ("tls:h:99999999999999999999", 7, Kind::Port),
        ("tcp://h:２５", 9, Kind::Port),
        // M19: host
        ("tcp://::1:25", 7, Kind::Brackets),
        ("tcp://a:b:25", 7, Kind::Brackets),
        ("tcp://[::1:25", 7, Kind::Ipv6),
        ("tcp://[::1]25", 7, Kind::Ipv6),
        ("tcp://[]:25", 8, Kind::Ipv6),
        ("tcp://[127.0.0.1]:25", 8, Kind::Ipv6),
        ("tcp://[h]:25", 8, Kind::Ipv6),
        ("tcp://[fe80::1%eth0]:25", 15, Kind::Zone),
        ("tcp://[fe80::1%25]:25", 15, Kind::Zone),
        ("tcp://[fe80::1%25a%5D]:25", 15, Kind::Zone),
        ("tcp://[fe80::1%25a%]:25", 15, Kind::Zone),
        ("tcp://a%20b:25", 7, Kind::Host),
        ("tcp://127.0.0.1%25eth0:25", 7, Kind::Host),
        ("tcp:// h:25", 7, Kind::Host),
        ("tcp://a b:25", 7, Kind::Host),
        ("tcp://a..b:25", 7, Kind::Host),
        ("tcp://.:25", 7, Kind::Host),
        ("tcp://h..:25", 7, Kind::Host),
        ("tcp://-h:25", 7, Kind::Host),
        ("tcp://h,i:25", 7, Kind::Host),
        ("tcp://h\\i:25", 7, Kind::Host),
        ("tcp://256.1.1.1:25", 7, Kind::Host),
        ("tcp://127.1:25", 7, Kind::Host),
        ("tcp://xn--a:25", 7, Kind::Host),
        // D18
        ("tcp://user:pw@h:25", 7, extra(ExtraPart::UserInfo)),
        ("tls:user@h:25", 5, extra(ExtraPart::UserInfo)),
        ("tcp://h:25/", 11, extra(ExtraPart::Path)),
        ("tcp:/h:25", 5, extra(ExtraPart::Path)),
        ("tcp:///h:25", 7, extra(ExtraPart::Path)),
        ("tls://h:25/x@y", 11, extra(ExtraPart::Path)),
        ("tls://h:25?x=y", 11, extra(ExtraPart::Query)),
        ("tls://h:25#", 11, extra(ExtraPart::Fragment)),
        ("unix:///x?y", 10, extra(ExtraPart::Query)),
        ("unix:x#y", 7, extra(ExtraPart::Fragment)),
        ("unix://a@b/x", 8, extra(ExtraPart::UserInfo)),
        // M20
        ("unix:", 6, Kind::PathEmpty),
        ("unix://", 8, Kind::PathEmpty),
        ("unix:@", 6, Kind::PathEmpty),
        ("unix://@name", 8, Kind::Abstract),
        ("unix://%40name", 8, Kind::Abstract),
        ("unix:///a%", 10, Kind::Escape),
        ("unix:///a%2", 10, Kind::Escape),
        ("unix:///a%20%zz", 13, Kind::Escape),
        ("unix:///a%+1", 10, Kind::Escape),
        ("unix:///a%ü", 10, Kind::Escape),
        ("unix:///a%00", 10, Kind::PathText),
        ("unix:///a%FF", 8, Kind::PathText),
        // control characters anywhere
        ("tcp://h:25\n", 11, Kind::Control),
        ("unix:///a\0b", 10, Kind::Control),
        ("\u{7f}", 1, Kind::Control),
    ];
    for (text, column, kind) in cases {
        let error = text.parse::<Endpoint>().expect_err(text);
        assert_eq!((error.column(), error.kind()), (column, kind), "{text}");
    }
}

#[test]
fn host_lengths_are_those_of_dns() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert!(format!("tcp://{longest}:25").parse::<Endpoint>().is_ok());
    assert!(format!("tcp://{longest}.:25").parse::<Endpoint>().is_ok());
    assert!(format!("tcp://{longest}a:25").parse::<Endpoint>().is_err());
    assert!(format!("tcp://{label}a.example:25").parse::<Endpoint>().is_err());
}

#[test]
fn errors_list_the_accepted_forms_and_hide_the_text() {
    let error = "tcp://user:hunter2@h:25".parse::<Endpoint>().unwrap_err().to_string();
    assert_eq!(
        error,
        "a user name (before @) has no place in an endpoint (column 7); write tcp://host:port, \
         tls://host:port, unix:///path, unix://relative/path or unix:@abstract; host is a name, an IPv4 \
         address, [IPv6], [IPv6%25zone] or empty; // may be left out"
    );
}

#[test]
fn port_is_known_before_any_connection() {
    // R78: LMTP on port 25 can be refused by whoever reads the configuration.
    assert_eq!(parse("tcp://h:25").port(), Some(25));
    assert_eq!(parse("tls://h:465").port(), Some(465));
    assert_eq!(parse("unix:///x").port(), None);
}

#[test]
fn relative_socket_paths_join_the_runtime_directory() {
    let dir = Path::new("/run/maddy"); // M20
    assert_eq!(parse("unix://lmtp.sock").with_runtime_dir(dir), unix("/run/maddy/lmtp.sock"));
    assert_eq!(parse("unix:a/b").with_runtime_dir(dir), unix("/run/maddy/a/b"));
    assert_eq!(parse("unix:./@a").with_runtime_dir(dir), unix("/run/maddy/./@a"));
    for text in ["unix:///abs", "unix:@name", "tcp://h:25", "tls://h:25"] {
        assert_eq!(parse(text).with_runtime_dir(dir), parse(text), "{text}");
    }
}

#[test]
fn abstract_sockets_are_told_from_paths() {
    assert_eq!(parse("unix:@name").abstract_name(), Some("name"));
    assert_eq!(parse("unix:@a/b").abstract_name(), Some("a/b"));
    for text in ["unix:./@name", "unix:///@name", "unix:name", "tcp://h:25"] {
        assert_eq!(parse(text).abstract_name(), None, "{text}");
    }
}

#[test]
fn names_to_look_up_and_to_verify() {
    let dns = |name: &str| Some(ServerName::DnsName(name.to_owned().try_into().unwrap()));
    let ip = |ip: &str| Some(ServerName::IpAddress(ip.try_into().unwrap()));
    let cases = [
        ("tls://mx.example:465", Some("mx.example"), dns("mx.example")),
        ("tcp://bücher.example:25", Some("xn--bcher-kva.example"), dns("xn--bcher-kva.example")), // M21, R213
        ("tcp://faß.example:25", Some("xn--fa-hia.example"), dns("xn--fa-hia.example")), // non-transitional
        ("tcp://h.example.:25", Some("h.example"), dns("h.example")),                    // R214
        ("tcp://bücher。example。:25", Some("xn--bcher-kva.example"), dns("xn--bcher-kva.example")), // R214
        ("tcp://mail_relay:25", Some("mail_relay"), dns("mail_relay")),
        ("tcp://192.0.2.1:25", Some("192.0.2.1"), ip("192.0.2.1")), // M54
        ("tcp://[::1]:25", Some("::1"), ip("::1")),                 // R215
        ("tcp://[fe80::1%25eth0]:25", Some("fe80::1%eth0"), ip("fe80::1")), // R215
        ("tcp://:25", Some("localhost"), None),
        ("unix:///x", None, None), // M54
    ];
    for (text, lookup, verify) in cases {
        let endpoint = parse(text);
        assert_eq!(endpoint.dns_name().unwrap().as_deref(), lookup, "{text}");
        assert_eq!(endpoint.server_name().unwrap(), verify, "{text}");
    }
}

#[test]
fn server_names_ignore_case() {
    // R213: rustls compares and sends names in lower case.
    assert_eq!(
        parse("tls://MX.Example:465").server_name().unwrap(),
        parse("tls://mx.example:465").server_name().unwrap()
    );
}

#[test]
fn addresses_are_known_without_their_zone() {
    assert_eq!(parse("tcp://[fe80::1%25eth0]:25").ip(), Some("fe80::1".parse().unwrap()));
    assert_eq!(parse("tcp://127.0.0.1:25").ip(), Some("127.0.0.1".parse().unwrap()));
    assert_eq!(parse("tcp://h:25").ip(), None);
    assert_eq!(parse("unix:h").ip(), None);
}

#[test]
fn hosts_filled_in_by_hand_fail_later_and_print_in_one_line() {
    let endpoint = tcp("a\r\nb", 25);
    assert_eq!(endpoint.dns_name(), Err(HostError));
    assert_eq!(endpoint.server_name(), Err(HostError));
    assert_eq!(endpoint.to_string(), "tcp://a%0D%0Ab:25");
    assert_eq!(tcp("127.0.0.1%eth0", 25).server_name(), Err(HostError)); // only IPv6 has zones
}

fn any_host() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[A-Za-z_][A-Za-z0-9_]{0,20}(\\.[a-z][a-z0-9]{0,9}){0,3}\\.?",
        "[äöüß]{1,9}\\.example",
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
        (any::<std::net::Ipv6Addr>(), "[a-zA-Z0-9._~:-]{1,12}").prop_map(|(ip, zone)| format!("{ip}%{zone}")),
    ]
}

fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        (any_host(), 1u16..).prop_map(|(host, port)| Endpoint::Tcp { host, port }),
        (any_host(), 1u16..).prop_map(|(host, port)| Endpoint::Tls { host, port }),
        "@?[^\\x00]{1,40}"
            .prop_filter("an abstract socket has a name", |path| path != "@")
            .prop_map(|path| Endpoint::Unix(path.into())),
    ]
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn printing_then_parsing_gives_the_endpoint_back(endpoint in any_endpoint()) {
        let text = endpoint.to_string();
        prop_assert!(!text.contains(char::is_control));
        let parsed: Endpoint = text.parse()?;
        if let (Endpoint::Unix(parsed), Endpoint::Unix(given)) = (&parsed, &endpoint) {
            // Path equality forgives doubled slashes.
            prop_assert_eq!(parsed.as_os_str(), given.as_os_str());
        }
        prop_assert_eq!(parsed, endpoint);
    }

    #[test]
    fn no_text_panics_and_what_parses_is_usable(
        text in "(?i)((tcp|tls|unix):(//)?)?([\\[\\]:%@/?#.0-9a-fé\\x00-\\x20]|25|\\PC){0,20}(:25)?",
    ) {
        match text.parse::<Endpoint>() {
            Ok(endpoint) => {
                prop_assert!(endpoint.dns_name().is_ok());
                prop_assert!(endpoint.server_name().is_ok());
                prop_assert!(endpoint.port() != Some(0));
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>()?, endpoint);
            }
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column())),
        }
    }

    #[test]
    fn any_hand_made_endpoint_prints_without_control_characters(host in any::<String>(), port: u16) {
        let endpoint = Endpoint::Tls { host: host.clone(), port };
        prop_assert!(!endpoint.to_string().contains(char::is_control));
        let _ = (endpoint.dns_name(), endpoint.server_name(), endpoint.ip());
        let endpoint = Endpoint::Unix(PathBuf::from(host));
        prop_assert!(!endpoint.to_string().contains(char::is_control));
    }
}
