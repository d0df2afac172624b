//! Command lines: whatever the parts, one command is one line of bounded length (R1-R3, R27, N41).
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_proto::{
    address::ReversePath,
    command::{BodyType, Command, MailParameters},
    sasl::Mechanism,
};

// First octet: the verb. Second octet: which parameters. Then the argument.
fuzz_target!(|data: &[u8]| {
    let [verb, choice, argument @ ..] = data else { return };
    let text = str::from_utf8(argument).unwrap_or_default();
    match verb % 14 {
        verb @ 0..=2 => {
            let Ok(name) = text.parse() else { return };
            check(&match verb {
                0 => Command::Ehlo(&name),
                1 => Command::Helo(&name),
                _ => Command::Lhlo(&name),
            });
        }
        3 => check(&Command::StartTls),
        4 => {
            let mechanism = Mechanism::ALL[usize::from(choice % 128) % Mechanism::ALL.len()];
            check(&Command::Auth { mechanism, initial: (choice & 128 == 0).then_some(argument) });
        }
        5 => check(&Command::AuthResponse(argument)),
        6 => check(&Command::AuthCancel),
        7 => {
            let Ok(path) = text.parse() else { return };
            check(&Command::Mail { path: &path, parameters: &parameters(*choice, &path, argument.len()) });
        }
        8 => {
            let Ok(path) = text.parse() else { return };
            check(&Command::Rcpt { path: &path });
        }
        9 => check(&Command::Data),
        10 => {
            let octets = argument.iter().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
            check(&Command::Bdat { octets, last: choice & 1 == 1 });
        }
        11 => check(&Command::Reset),
        12 => check(&Command::Noop),
        _ => check(&Command::Quit),
    }
});

fn parameters(choice: u8, path: &ReversePath, size: usize) -> MailParameters {
    let mut parameters = MailParameters::default();
    parameters.size = (choice & 1 != 0).then_some(if choice & 128 == 0 { size as u64 } else { u64::MAX });
    parameters.body = match choice >> 1 & 3 {
        0 => None,
        1 => Some(BodyType::SevenBit),
        2 => Some(BodyType::EightBitMime),
        _ => Some(BodyType::BinaryMime),
    };
    parameters.smtputf8 = choice & 8 != 0;
    parameters.require_tls = choice & 16 != 0;
    parameters.auth = match choice >> 5 & 3 {
        0 | 3 => None,
        1 => Some(ReversePath::Null),
        _ => Some(path.clone()),
    };
    parameters
}

fn check(command: &Command<'_>) {
    let mut out = b"before".to_vec();
    if let Err(error) = command.encode(&mut out) {
        assert_eq!(out, b"before", "a refused command writes nothing");
        assert!(error.length > error.limit);
        return;
    }
    let line = out.strip_prefix(b"before").expect("encode appends");
    let text = line.strip_suffix(b"\r\n").expect("R1: a command ends with CRLF");
    assert!(!text.iter().any(u8::is_ascii_control), "R2: {}", text.escape_ascii());
    let limit =
        if matches!(command, Command::Auth { .. } | Command::AuthResponse(_)) { 12_288 } else { 4096 };
    assert!(line.len() <= limit, "N41, D35: {} octets", line.len());
    match command {
        Command::AuthResponse(_) => {
            assert!(text.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b)))
        }
        Command::AuthCancel => assert_eq!(text, b"*"),
        _ => assert!(text.starts_with(command.verb().as_bytes()), "{}", text.escape_ascii()),
    }
}
