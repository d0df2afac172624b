use proptest::prelude::*;

use super::*;
use crate::{
    address::ReversePath,
    command::{BodyType, MailParameters},
    server::{
        canned,
        command::{Command, parse},
    },
};

#[test]
fn mail_parameters_are_typed() {
    let line = b"MAIL FROM:<\"a>b\"@x> SIZE=12 body=8bitmime SMTPUTF8 REQUIRETLS AUTH=e+3Dmc2@x";
    let Ok(Command::Mail { path, parameters }) = parse(line) else { panic!() };
    assert_eq!(path.to_string(), "<\"a>b\"@x>"); // R22
    let expected = MailParameters {
        size: Some(12),
        body: Some(BodyType::EightBitMime),
        smtputf8: true,
        require_tls: true,
        auth: Some("e=mc2@x".parse().unwrap()), // R113
    };
    assert_eq!(parameters, expected);
    let Ok(Command::Mail { path, .. }) = parse(b"MAIL FROM:<> AUTH=<>") else { panic!() };
    assert_eq!(path, ReversePath::Null); // R18
}

#[test]
fn every_error_has_its_code() {
    for (line, expected) in [
        ("", canned::UNKNOWN),
        ("EHLO", canned::SYNTAX),
        ("EHLO a b", canned::SYNTAX),
        ("EHLO тест", canned::SYNTAX), // R172
        ("MAIL", canned::SYNTAX),
        ("MAIL FROM <a@x>", canned::SYNTAX),
        ("MAIL FROM: <a@x>", canned::BAD_SENDER), // R16
        ("MAIL FROM:a@x", canned::BAD_SENDER),
        ("MAIL FROM:<a@x", canned::BAD_SENDER),
        ("MAIL FROM:<a b@x>", canned::BAD_SENDER),
        ("MAIL FROM:<a@x>SIZE=1", canned::SYNTAX),
        ("MAIL FROM:<a@x> SIZE", canned::PARAMETER),
        ("MAIL FROM:<a@x> SIZE=", canned::PARAMETER),
        ("MAIL FROM:<a@x> SIZE=x", canned::PARAMETER),
        ("MAIL FROM:<a@x> SIZE=1 SIZE=1", canned::PARAMETER), // R17
        ("MAIL FROM:<a@x> SMTPUTF8=1", canned::PARAMETER),
        ("MAIL FROM:<a@x> BODY=9BIT", canned::PARAMETER),
        ("MAIL FROM:<a@x> AUTH=a=b", canned::PARAMETER),
        ("MAIL FROM:<a@x> -A=1", canned::PARAMETER),
        ("MAIL FROM:<a@x> HOLDFOR=9", canned::NO_PARAMETER),
        ("RCPT TO:<>", canned::BAD_RECIPIENT),
        ("RCPT TO:<postmaster@>", canned::BAD_RECIPIENT), // R19
        ("RCPT TO:<a@x> NOTIFY=NEVER", canned::NO_PARAMETER),
        ("DATA x", canned::NO_ARGUMENT),
        ("RSET x", canned::NO_ARGUMENT),
        ("QUIT x", canned::NO_ARGUMENT),
        ("STARTTLS x", canned::NO_ARGUMENT),
        ("NOOP \0", canned::GARBLED),
        ("NOOP \r x", canned::GARBLED),
    ] {
        assert_eq!(parse(line.as_bytes()), Err(expected), "{line:?}");
    }
    assert_eq!(parse(b"NOOP \xc3"), Err(canned::GARBLED)); // R175
}

#[test]
fn commands_end_in_crlf() {
    let mut harness = Harness::new(config());
    assert_eq!(harness.codes("NOOP\nNOOP\r\n"), ["500 5.5.2", "250 2.0.0"]);
    assert_eq!(harness.codes("NO\rOP\r\nNOOP\0\r\n"), ["500 5.5.2", "500 5.5.2"]);
    let mut lenient = Harness::new(Config { bare_lf_commands: true, ..config() });
    assert_eq!(lenient.codes("NOOP\n"), ["250 2.0.0"]);
}

#[test]
fn addresses_beyond_ascii_need_smtputf8() {
    let mut harness = Harness::new(config());
    harness.send("EHLO c\r\n");
    assert_eq!(harness.codes("MAIL FROM:<тест@x>\r\n"), ["550 5.6.7"]); // R171
    assert_eq!(harness.codes("MAIL FROM:<a@x>\r\nRCPT TO:<тест@x>\r\n"), ["250 2.1.0", "553 5.6.7"]);
    let sent = "RSET\r\nMAIL FROM:<тест@x> SMTPUTF8\r\nRCPT TO:<тест@x>\r\n";
    assert_eq!(harness.codes(sent), ["250 2.0.0", "250 2.1.0", "250 2.1.5"]); // R168
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn any_line_is_a_command_or_an_error(line: Vec<u8>) {
        let _ = parse(&line);
    }

    #[test]
    fn any_arguments_are_a_command_or_an_error(verb in 0_usize..8, argument in "\\PC{0,40}") {
        let verbs = ["MAIL FROM:<", "RCPT TO:<", "BDAT ", "AUTH ", "EHLO ", "MAIL FROM:<a@x> ", "VRFY ", "RSET "];
        let _ = parse(format!("{}{argument}", verbs[verb]).as_bytes());
    }
}
