//! Command lines as typed values (RFC 5321 §4.1.1). Every error is the reply it is answered with.

use super::canned::{self, Canned};
use crate::{
    address::{ForwardPath, ReversePath, split_path, xtext},
    command::{BodyType, MailParameters},
};

/// Digits of SIZE= and BDAT (RFC 1870 §6.1, RFC 3030 §2; N24).
const MAX_DIGITS: usize = 20;
/// Octets of a client's name; longer is no domain (RFC 5321 §4.5.3.1.2).
const MAX_NAME: usize = 255;

/// A command that is well-formed; whether it is in order is asked elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Ehlo(&'a str),
    Helo(&'a str),
    Lhlo(&'a str),
    StartTls,
    Auth { mechanism: &'a str, initial: Option<&'a str> },
    Mail { path: ReversePath, parameters: MailParameters },
    Rcpt { path: ForwardPath },
    Data,
    Bdat { octets: u64, last: bool },
    Reset,
    Noop,
    Quit,
    Help,
    Vrfy,
    Expn,
}

/// The verb, told from the first word alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Ehlo,
    Helo,
    Lhlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Reset,
    Noop,
    Quit,
    Help,
    Vrfy,
    Expn,
}

impl Verb {
    const TABLE: [(&'static str, Self); 15] = [
        ("EHLO", Self::Ehlo),
        ("HELO", Self::Helo),
        ("LHLO", Self::Lhlo),
        ("STARTTLS", Self::StartTls),
        ("AUTH", Self::Auth),
        ("MAIL", Self::Mail),
        ("RCPT", Self::Rcpt),
        ("DATA", Self::Data),
        ("BDAT", Self::Bdat),
        ("RSET", Self::Reset),
        ("NOOP", Self::Noop),
        ("QUIT", Self::Quit),
        ("HELP", Self::Help),
        ("VRFY", Self::Vrfy),
        ("EXPN", Self::Expn),
    ];

    /// Of a line, whole or not; verbs are case-blind (R2).
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let word = line.split(|octet| octet.is_ascii_whitespace()).next()?;
        Self::TABLE.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)).map(|(_, verb)| *verb)
    }

    /// Nothing may be pipelined behind it (R137).
    pub(super) fn ends_group(self) -> bool {
        !matches!(self, Self::Mail | Self::Rcpt | Self::Reset | Self::Bdat)
    }
}

/// Parses a line without its end.
pub(super) fn parse(line: &[u8]) -> Result<Command<'_>, Canned> {
    // NUL and other controls have no place in any command; a CR in here is one that no LF follows (R1).
    if line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
        return Err(canned::GARBLED);
    }
    let line = std::str::from_utf8(line).map_err(|_| canned::GARBLED)?; // R175
    let line = line.trim_end_matches([' ', '\t']);
    let verb = Verb::of(line.as_bytes()).ok_or(canned::UNKNOWN)?;
    let argument = line.split_once([' ', '\t']).map_or("", |(_, argument)| argument);
    let bare = |command| if argument.is_empty() { Ok(command) } else { Err(canned::NO_ARGUMENT) };
    match verb {
        Verb::Ehlo => name(argument).map(Command::Ehlo),
        Verb::Helo => name(argument).map(Command::Helo),
        Verb::Lhlo => name(argument).map(Command::Lhlo),
        Verb::StartTls => bare(Command::StartTls), // R83
        Verb::Auth => auth(argument),
        Verb::Mail => mail(argument),
        Verb::Rcpt => rcpt(argument),
        Verb::Data => bare(Command::Data),
        Verb::Bdat => bdat(argument),
        Verb::Reset => bare(Command::Reset),
        Verb::Noop => Ok(Command::Noop), // RFC 5321 §4.1.1.9: an argument is ignored
        Verb::Quit => bare(Command::Quit),
        Verb::Help => Ok(Command::Help),
        Verb::Vrfy if argument.is_empty() => Err(canned::SYNTAX),
        Verb::Vrfy => Ok(Command::Vrfy),
        Verb::Expn => Ok(Command::Expn),
    }
}

/// What clients call themselves is often no domain, and nothing depends on it: one printable word will do.
fn name(argument: &str) -> Result<&str, Canned> {
    let fits =
        (1..=MAX_NAME).contains(&argument.len()) && argument.bytes().all(|octet| octet.is_ascii_graphic());
    if fits { Ok(argument) } else { Err(canned::SYNTAX) }
}

fn auth(argument: &str) -> Result<Command<'_>, Canned> {
    let (mechanism, initial) = match argument.split_once(' ') {
        None => (argument, None),
        Some((mechanism, initial)) => (mechanism, Some(initial)),
    };
    if mechanism.is_empty()
        || initial.is_some_and(|initial| initial.is_empty() || initial.contains([' ', '\t']))
    {
        return Err(canned::SYNTAX);
    }
    Ok(Command::Auth { mechanism, initial })
}

/// `keyword<path> rest`; no blank around the colon (R16).
fn path<'a>(argument: &'a str, keyword: &str, bad: Canned) -> Result<(&'a str, &'a str), Canned> {
    let (word, rest) = argument.split_at_checked(keyword.len()).ok_or(canned::SYNTAX)?;
    if !word.eq_ignore_ascii_case(keyword) {
        return Err(canned::SYNTAX);
    }
    let (path, rest) = split_path(rest).ok_or(bad)?;
    // Outside quotes a path has no blank; the address parser is kinder to people who type (R22).
    if !path.contains('"') && path.contains([' ', '\t']) {
        return Err(bad);
    }
    match rest.strip_prefix(' ') {
        Some(parameters) => Ok((path, parameters)),
        None if rest.is_empty() => Ok((path, rest)),
        None => Err(canned::SYNTAX),
    }
}

fn mail(argument: &str) -> Result<Command<'_>, Canned> {
    let (path, rest) = path(argument, "FROM:", canned::BAD_SENDER)?;
    let path: ReversePath = path.parse().map_err(|_| canned::BAD_SENDER)?;
    let mut parameters = MailParameters::default();
    for word in rest.split(' ').filter(|word| !word.is_empty()) {
        parameter(word, &mut parameters)?;
    }
    Ok(Command::Mail { path, parameters })
}

/// One of MAIL's parameters; each can be there once (R17).
fn parameter(word: &str, parameters: &mut MailParameters) -> Result<(), Canned> {
    let (keyword, value) = match word.split_once('=') {
        None => (word, None),
        Some((keyword, value)) => (keyword, Some(value)),
    };
    let is_keyword = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
        && keyword.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    let is_value = value.is_none_or(|value| !value.is_empty() && !value.contains('='));
    if !is_keyword || !is_value {
        return Err(canned::PARAMETER);
    }
    let again = match keyword.to_ascii_uppercase().as_str() {
        "SIZE" => {
            parameters.size.replace(number(value.unwrap_or_default()).ok_or(canned::PARAMETER)?).is_some()
        }
        "BODY" => parameters.body.replace(body(value.unwrap_or_default())?).is_some(),
        "SMTPUTF8" if value.is_none() => std::mem::replace(&mut parameters.smtputf8, true),
        "REQUIRETLS" if value.is_none() => std::mem::replace(&mut parameters.require_tls, true),
        "AUTH" => parameters.auth.replace(submitter(value.unwrap_or_default())?).is_some(),
        "SMTPUTF8" | "REQUIRETLS" => true,
        _ => return Err(canned::NO_PARAMETER),
    };
    if again { Err(canned::PARAMETER) } else { Ok(()) }
}

/// 1 to 20 digits; more than a `u64` holds counts as the largest one (N24).
fn number(digits: &str) -> Option<u64> {
    let fits = (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    fits.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Result<BodyType, Canned> {
    [BodyType::SevenBit, BodyType::EightBitMime, BodyType::BinaryMime]
        .into_iter()
        .find(|body| body.name().eq_ignore_ascii_case(value))
        .ok_or(canned::PARAMETER)
}

/// AUTH=: a mailbox in xtext, or `<>` (RFC 4954 §5).
fn submitter(value: &str) -> Result<ReversePath, Canned> {
    if value == "<>" {
        return Ok(ReversePath::Null);
    }
    let octets = xtext::decode(value.as_bytes()).ok_or(canned::PARAMETER)?;
    ReversePath::from_bytes(&octets).map_err(|_| canned::PARAMETER)
}

fn rcpt(argument: &str) -> Result<Command<'_>, Canned> {
    let (path, rest) = path(argument, "TO:", canned::BAD_RECIPIENT)?;
    let path: ForwardPath = path.parse().map_err(|_| canned::BAD_RECIPIENT)?;
    // No extension with a parameter here is offered.
    if rest.is_empty() { Ok(Command::Rcpt { path }) } else { Err(canned::NO_PARAMETER) }
}

fn bdat(argument: &str) -> Result<Command<'_>, Canned> {
    let (octets, last) = match argument.split_once(' ') {
        None => (argument, false),
        Some((octets, word)) if word.eq_ignore_ascii_case("LAST") => (octets, true),
        Some(_) => return Err(canned::BAD_CHUNK),
    };
    let octets = number(octets).ok_or(canned::BAD_CHUNK)?;
    Ok(Command::Bdat { octets, last })
}
