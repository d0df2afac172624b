use proptest::prelude::*;

use super::*;
use crate::address::Mailbox;

fn name(text: &str) -> ClientName {
    text.parse().unwrap()
}

fn reverse(text: &str) -> ReversePath {
    text.parse().unwrap()
}

fn forward(text: &str) -> ForwardPath {
    text.parse().unwrap()
}

fn line(command: Command<'_>) -> Result<String, TooLong> {
    let mut out = Vec::new();
    command.encode(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn mail(path: &str, parameters: &MailParameters) -> Result<String, TooLong> {
    line(Command::Mail { path: &reverse(path), parameters })
}

#[test]
fn commands_are_these_octets() {
    // R1, R2, R16, M74, T11
    let table: [(Command<'_>, &str, &str); 16] = [
        (Command::Ehlo(&name("тест.invalid")), "EHLO", "EHLO xn--e1aybc.invalid\r\n"),
        (Command::Ehlo(&name("192.0.2.1")), "EHLO", "EHLO [192.0.2.1]\r\n"),
        (Command::Helo(&name("2001:db8::1")), "HELO", "HELO [IPv6:2001:db8::1]\r\n"),
        (Command::Lhlo(&name("mx.Example.org")), "LHLO", "LHLO mx.Example.org\r\n"),
        (Command::StartTls, "STARTTLS", "STARTTLS\r\n"),
        (Command::AuthCancel, "AUTH", "*\r\n"),
        (Command::Rcpt { path: &forward("JoHn@Ex.org") }, "RCPT", "RCPT TO:<JoHn@Ex.org>\r\n"),
        (Command::Rcpt { path: &forward("a b@x") }, "RCPT", "RCPT TO:<\"a b\"@x>\r\n"),
        (Command::Rcpt { path: &forward("Postmaster") }, "RCPT", "RCPT TO:<Postmaster>\r\n"), // R19
        (Command::Rcpt { path: &forward("тест@тест.example") }, "RCPT", "RCPT TO:<тест@тест.example>\r\n"),
        (Command::Data, "DATA", "DATA\r\n"),
        (Command::Bdat { octets: 0, last: true }, "BDAT", "BDAT 0 LAST\r\n"),
        (Command::Bdat { octets: u64::MAX, last: false }, "BDAT", "BDAT 18446744073709551615\r\n"),
        (Command::Reset, "RSET", "RSET\r\n"),
        (Command::Noop, "NOOP", "NOOP\r\n"),
        (Command::Quit, "QUIT", "QUIT\r\n"),
    ];
    for (command, verb, octets) in table {
        assert_eq!(line(command).as_deref(), Ok(octets));
        assert_eq!(command.verb(), verb);
    }
}

#[test]
fn mail_writes_its_parameters_in_order() {
    let none = MailParameters::default();
    assert_eq!(mail("<>", &none).unwrap(), "MAIL FROM:<>\r\n"); // R18
    assert_eq!(mail("a@b", &none).unwrap(), "MAIL FROM:<a@b>\r\n");

    let utf8 = MailParameters { smtputf8: true, ..none.clone() };
    assert_eq!(mail("<>", &utf8).unwrap(), "MAIL FROM:<> SMTPUTF8\r\n"); // R18, B10
    assert_eq!(mail("тест@тест.example", &utf8).unwrap(), "MAIL FROM:<тест@тест.example> SMTPUTF8\r\n"); // M79

    let all = MailParameters {
        size: Some(u64::MAX),
        body: Some(BodyType::EightBitMime),
        smtputf8: true,
        require_tls: true,
        auth: Some(reverse("<>")),
    };
    assert_eq!(
        mail("a@b", &all).unwrap(),
        "MAIL FROM:<a@b> SIZE=18446744073709551615 BODY=8BITMIME SMTPUTF8 REQUIRETLS AUTH=<>\r\n"
    );
    for (body, value) in [
        (BodyType::SevenBit, "7BIT"),
        (BodyType::EightBitMime, "8BITMIME"),
        (BodyType::BinaryMime, "BINARYMIME"),
    ] {
        let parameters = MailParameters { body: Some(body), ..none.clone() };
        assert_eq!(mail("a@b", &parameters).unwrap(), format!("MAIL FROM:<a@b> BODY={value}\r\n"));
    }
}

#[test]
fn mail_writes_the_submitter_in_xtext() {
    // R113, R186; the mailbox is RFC 4954 §5's example
    let auth = |text: &str| MailParameters { auth: Some(reverse(text)), ..MailParameters::default() };
    assert_eq!(mail("a@b", &auth("<>")).unwrap(), "MAIL FROM:<a@b> AUTH=<>\r\n");
    assert_eq!(
        mail("a@b", &auth("e=mc2@example.com")).unwrap(),
        "MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com\r\n"
    );
    assert_eq!(mail("a@b", &auth("a b+c@x")).unwrap(), "MAIL FROM:<a@b> AUTH=\"a+20b+2Bc\"@x\r\n");
    assert_eq!(mail("a@b", &auth("ü@x")).unwrap(), "MAIL FROM:<a@b> AUTH=+C3+BC@x\r\n");
}

fn auth_line(mechanism: &str, initial: Option<&[u8]>) -> Result<String, TooLong> {
    let mut out = Vec::new();
    encode_auth(mechanism, initial, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn auth_writes_base64_and_an_empty_response_as_an_equals_sign() {
    assert_eq!(auth_line("LOGIN", None).unwrap(), "AUTH LOGIN\r\n");
    assert_eq!(auth_line("EXTERNAL", Some(b"")).unwrap(), "AUTH EXTERNAL =\r\n"); // R101
    assert_eq!(auth_line("PLAIN", Some(b"\0test\x001234")).unwrap(), "AUTH PLAIN AHRlc3QAMTIzNA==\r\n");
    assert_eq!(line(Command::AuthResponse(b"")).unwrap(), "\r\n"); // R102
    assert_eq!(line(Command::AuthResponse(b"a\r\nb")).unwrap(), "YQ0KYg==\r\n");
}

#[test]
fn auth_with_an_initial_response_keeps_the_plain_limit() {
    // R100: "AUTH PLAIN " and CRLF leave 499 octets, which is 124 groups of base64
    let limit = 124 * 3;
    assert_eq!(auth_line("PLAIN", Some(&vec![b'x'; limit])).unwrap().len(), 11 + 496 + 2);
    assert_eq!(auth_line("PLAIN", Some(&vec![b'x'; limit + 1])), Err(TooLong { length: 513, limit: 512 }));
}

#[test]
fn auth_responses_end_at_their_own_limit() {
    // D35: 12288 octets with CRLF are 3071 groups of base64
    let limit = 3071 * 3;
    assert_eq!(line(Command::AuthResponse(&vec![b'x'; limit])).unwrap().len(), 12_286);
    let refused = line(Command::AuthResponse(&vec![b'x'; limit + 1]));
    assert_eq!(refused, Err(TooLong { length: 12_290, limit: 12_288 }));
}

#[test]
fn each_parameter_in_use_raises_the_limit_of_mail() {
    // N14, R27
    let none = MailParameters::default();
    let cases = [
        (none.clone(), 512),
        (MailParameters { size: Some(1), ..none.clone() }, 538),
        (MailParameters { body: Some(BodyType::SevenBit), ..none.clone() }, 529),
        (MailParameters { smtputf8: true, ..none.clone() }, 522),
        (MailParameters { require_tls: true, ..none.clone() }, 523),
        (MailParameters { auth: Some(ReversePath::Null), ..none }, 1012),
    ];
    for (parameters, limit) in cases {
        assert_eq!(Command::Mail { path: &ReversePath::Null, parameters: &parameters }.limit(), limit);
    }
    assert_eq!(Command::Data.limit(), 512);
}

#[test]
fn a_line_over_its_limit_leaves_nothing_behind() {
    // N41: a longest path, and a longest submitter in which every octet of the local part is written as three
    let longest = |c: &str, n: usize| Mailbox::new(&c.repeat(n), "x".parse().unwrap()).unwrap();
    let path = ReversePath::from(longest("a", 252));
    let parameters = MailParameters { auth: Some(longest("ü", 126).into()), ..MailParameters::default() };
    let mut out = b"before".to_vec();
    let refused = Command::Mail { path: &path, parameters: &parameters }.encode(&mut out);
    // MAIL FROM: + path + AUTH= + xtext + @x + CRLF
    assert_eq!(refused, Err(TooLong { length: 10 + 256 + 6 + 756 + 2 + 2, limit: 1012 }));
    assert_eq!(out, b"before");

    let refused = Command::AuthResponse(&[0; 10_000]).encode(&mut out);
    assert!(refused.is_err());
    assert_eq!(out, b"before");
    assert!(out.capacity() < 10_000, "nothing was reserved for a line that is not written");
}

#[test]
fn the_longest_path_fits_into_its_commands() {
    // R26, R27
    let longest = Mailbox::new(&"a".repeat(252), "x".parse().unwrap()).unwrap();
    let all = MailParameters {
        size: Some(u64::MAX),
        body: Some(BodyType::BinaryMime),
        smtputf8: true,
        require_tls: true,
        auth: Some(longest.clone().into()),
    };
    assert!(line(Command::Mail { path: &longest.clone().into(), parameters: &all }).is_ok());
    assert!(line(Command::Rcpt { path: &longest.into() }).is_ok());
}

#[test]
fn no_secret_shows_in_logs() {
    // R133
    let response = Command::AuthResponse(b"hunter2");
    assert_eq!(response.to_string(), "…");
    assert_eq!(format!("{response:?}"), "Command(…)");
    let path = reverse("a@b");
    let mail = Command::Mail { path: &path, parameters: &MailParameters::default() };
    assert_eq!(format!("{mail:?}"), "Command(MAIL FROM:<a@b>)");
}

fn mailboxes() -> impl Strategy<Value = Mailbox> {
    ("[ -~ü]{1,80}", prop_oneof!["[a-zü]{1,9}\\.[a-z]{2,9}", Just("[192.0.2.1]".to_owned())])
        .prop_filter_map("IDNA", |(local, host)| Mailbox::new(&local, host.parse().ok()?).ok())
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn a_command_is_one_line(
        path in mailboxes(),
        auth in proptest::option::of(mailboxes()),
        response in proptest::collection::vec(any::<u8>(), 0..600),
        size in proptest::option::of(any::<u64>()),
        smtputf8 in any::<bool>(),
    ) {
        // R1, N41
        let (sender, recipient) = (ReversePath::from(path.clone()), ForwardPath::from(path));
        let auth = auth.map(ReversePath::from);
        let parameters = MailParameters { size, smtputf8, auth, ..MailParameters::default() };
        let mut out = Vec::new();
        for command in [
            Command::Mail { path: &sender, parameters: &parameters },
            Command::Rcpt { path: &recipient },
            Command::AuthResponse(&response),
        ] {
            out.clear();
            match command.encode(&mut out) {
                Ok(()) => {
                    let line = out.strip_suffix(b"\r\n").unwrap();
                    prop_assert!(line.iter().all(|&octet| octet >= b' ' && octet != 0x7f));
                    prop_assert!(out.len() <= command.limit());
                }
                Err(TooLong { length, limit }) => {
                    prop_assert!(length > limit);
                    prop_assert!(out.is_empty());
                }
            }
        }
    }

    #[test]
    fn auth_is_one_line_that_decodes_to_its_response(response in proptest::collection::vec(any::<u8>(), 1..300)) {
        let line = auth_line("PLAIN", Some(&response)).unwrap();
        let text = line.strip_prefix("AUTH PLAIN ").and_then(|line| line.strip_suffix("\r\n")).unwrap();
        prop_assert_eq!(STANDARD.decode(text).unwrap(), response);
    }
}
