use proptest::prelude::*;

use super::*;
use crate::reply::Code;

fn offer(lines: &str) -> Capabilities {
    Capabilities::from_reply(&Reply::new(Code::OK, format!("mx.example.org\n{lines}")))
}

fn mechanisms(lines: &str) -> Vec<String> {
    offer(lines).auth_mechanisms().map(str::to_owned).collect()
}

#[test]
fn the_first_line_is_no_extension() {
    // R13
    let all = Capabilities::from_reply(&Reply::new(Code::OK, "PIPELINING\nDSN"));
    assert!(!all.pipelining() && all.dsn());
    assert_eq!(Capabilities::from_reply(&Reply::new(Code::OK, "STARTTLS")), Capabilities::default()); // R10
}

#[test]
fn keywords_are_case_blind() {
    // R13, B6
    let all = offer(
        "starttls\nPipelining\n8bitmime\nSmtpUtf8\nchunking\nbinarymime\nenhancedstatuscodes\ndsn\nrequiretls",
    );
    assert!(all.starttls() && all.pipelining() && all.eight_bit_mime() && all.smtputf8() && all.chunking());
    assert!(all.binary_mime() && all.enhanced_status_codes() && all.dsn() && all.require_tls());
    assert_eq!(all.iter().next(), Some(("STARTTLS", "")));
    let none = Capabilities::default();
    assert!(!none.starttls() && !none.pipelining() && !none.eight_bit_mime() && !none.smtputf8());
    assert!(!none.chunking() && !none.binary_mime() && !none.enhanced_status_codes() && !none.dsn());
    assert!(!none.require_tls() && none.size().is_none() && !none.offers_auth("PLAIN"));
}

#[test]
fn any_keyword_is_exposed_with_its_parameters() {
    // R208, R13
    let all = offer("XFOO a  b\nX-BAR\tc \n STARTTLS");
    assert_eq!((all.get("xfoo"), all.get("X-Bar"), all.get("XBAZ")), (Some("a  b"), Some("c"), None));
    assert_eq!(all.iter().collect::<Vec<_>>(), [("XFOO", "a  b"), ("X-BAR", "c"), ("STARTTLS", "")]);
    let odd = offer("STARTTLSX\nSTARTTLS=x\n-DSN\nDSN!");
    assert_eq!(odd.iter().collect::<Vec<_>>(), [("STARTTLSX", "")]);
}

#[test]
fn of_duplicates_the_last_wins_in_the_first_place() {
    // R13
    let all = offer("SIZE 1\nDSN\nsize 2");
    assert_eq!(all.iter().collect::<Vec<_>>(), [("SIZE", "2"), ("DSN", "")]);
    assert_eq!(all, offer("SIZE 2\nDSN"));
    assert_ne!(all, offer("SIZE 1\nDSN"));
}

#[test]
fn auth_lists_are_merged_and_the_old_form_is_read() {
    // R13, R98
    assert_eq!(mechanisms("AUTH=LOGIN PLAIN"), ["LOGIN", "PLAIN"]);
    assert_eq!(
        mechanisms("AUTH PLAIN\nAUTH=LOGIN plain\nauth  SCRAM-SHA-256"),
        ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
    );
    assert_eq!(offer("AUTH PLAIN\nDSN\nAUTH=LOGIN").get("AUTH"), Some("PLAIN LOGIN"));
    assert_eq!(offer("AUTH\nAUTH PLAIN").get("AUTH"), Some("PLAIN"));
    assert!(offer("AUTH plain").offers_auth("PLAIN") && offer("AUTH PLAIN").offers_auth("plain"));
    assert!(
        !offer("AUTH PLAIN").offers_auth("PLAI") && !offer("AUTH PLAIN LOGIN").offers_auth("PLAIN LOGIN")
    );
    assert!(!offer("AUTH").offers_auth(""));
}

#[test]
fn mechanism_names_that_are_none_are_ignored() {
    // R115
    assert_eq!(mechanisms("AUTH plain X_Y-1 too$long"), ["PLAIN", "X_Y-1"]);
    let (fits, long) = ("A".repeat(20), "A".repeat(21));
    assert_eq!(mechanisms(&format!("AUTH {long} {fits} é")), [fits]);
}

#[test]
fn size_limits() {
    // R162, N24
    for (line, size) in [
        ("SIZE", Some(SizeLimit::None)),
        ("SIZE 0", Some(SizeLimit::None)),
        ("SIZE 100", Some(SizeLimit::Max(100))),
        ("SIZE 100 x", Some(SizeLimit::Max(100))),
        ("SIZE 18446744073709551615", Some(SizeLimit::Max(u64::MAX))),
        ("SIZE 99999999999999999999", Some(SizeLimit::Max(u64::MAX))),
        ("SIZE abc", None),
        ("SIZE +1", None),
        ("SIZE -1", None),
        ("DSN", None),
    ] {
        assert_eq!(offer(line).size(), size, "{line}");
    }
}

#[test]
fn limits_are_read_entry_by_entry() {
    // R200
    let all = offer("limits rcptmax=2 FOO=x MAILMAX=abc RCPTDOMAINMAX=999999");
    assert_eq!(all.recipient_limit(), Some(2));
    assert_eq!(all.transaction_limit(), None);
    assert_eq!(all.recipient_domain_limit(), Some(999_999));
    for entry in [
        "=",
        "MAILMAX",
        "MAILMAX=",
        "MAILMAX=0",
        "MAILMAX=007",
        "MAILMAX=1000000",
        "MAILMAX=+1",
        "XMAILMAX=1",
    ] {
        assert_eq!(offer(&format!("LIMITS {entry}")).transaction_limit(), None, "{entry}");
        assert_eq!(offer(&format!("LIMITS {entry} RCPTMAX=9")).recipient_limit(), Some(9), "{entry}");
    }
}

#[test]
fn sixty_four_keywords_are_kept() {
    // N39
    let lines: Vec<String> = (0..70).map(|index| format!("X{index}")).collect();
    let all = offer(&format!("{}\nx3 again\nAUTH PLAIN", lines.join("\n")));
    assert_eq!(all.iter().count(), 64);
    assert_eq!((all.get("X63"), all.get("X64"), all.get("X3")), (Some(""), None, Some("again")));
    assert!(!all.offers_auth("PLAIN"));
    assert_eq!(offer(&"K".repeat(65)).iter().count(), 0);
}

#[test]
fn a_kibibyte_of_parameters_is_kept_in_whole_words() {
    // N39
    let words = "ABCDEFGHI ".repeat(102); // 1020 octets
    assert_eq!(offer(&format!("X {words}LMNO PQ")).get("X"), Some(&*format!("{words}LMNO")));
    assert_eq!(offer(&format!("X {words}LMNOP PQ")).get("X"), Some(words.trim_end()));
    assert_eq!(offer(&format!("X {}", "y".repeat(1024))).get("X"), Some(&*"y".repeat(1024)));
    assert_eq!(offer(&format!("X {}", "y".repeat(1025))).get("X"), Some(""));
    let auth = offer(&format!("AUTH {words}PLAIN\nAUTH LOGIN"));
    assert_eq!(auth.auth_mechanisms().collect::<Vec<_>>(), ["ABCDEFGHI", "LOGIN"], "a cut name is no name");
    assert!(auth.get("AUTH").unwrap().len() <= 1024);
}

#[test]
fn parameters_cannot_forge_log_lines() {
    // R44
    let reply = Reply::new(Code::OK, b"mx\nX a\x1b\xffb \xc3\xbc\tc".to_vec());
    assert_eq!(Capabilities::from_reply(&reply).get("X"), Some("a??b ü\tc"));
}

proptest! {
    // Not 1,000: a case is 20 KiB of text on the average, and drawing it takes longer than all other properties here together.
    #![proptest_config(crate::cases(100))]

    #[test]
    fn any_reply_is_read_within_the_bounds(text in proptest::collection::vec(
        prop_oneof![4 => "(AUTH|SIZE|LIMITS|X[a-c])[ =][ -~é\t]{0,600}", 1 => "[^\n]{0,20}"], 0..90,
    )) {
        let all = offer(&text.join("\n"));
        prop_assert!(all.iter().count() <= MAX_KEYWORDS);
        for (keyword, parameters) in all.iter() {
            prop_assert_eq!(keyword, keyword.to_ascii_uppercase());
            prop_assert!(!keyword.is_empty() && parameters.len() <= MAX_PARAMETERS);
            prop_assert_eq!(all.get(&keyword.to_ascii_lowercase()), Some(parameters));
        }
        for name in all.auth_mechanisms() {
            prop_assert!(all.get("AUTH").is_some() && name.len() <= 20);
        }
        let _ = (all.size(), all.recipient_limit(), all.transaction_limit());
    }
}
