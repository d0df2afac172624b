use std::fmt;

/// A three-digit reply code, 200 to 599 (RFC 5321 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

impl Code {
    /// 220: the service is ready; also the go-ahead for TLS (RFC 3207 §4).
    pub const READY: Self = Self(220);
    /// 221: the service closes the connection.
    pub const CLOSING: Self = Self(221);
    /// 235: authenticated (RFC 4954 §6).
    pub const AUTHENTICATED: Self = Self(235);
    /// 250: done.
    pub const OK: Self = Self(250);
    /// 334: an AUTH challenge (RFC 4954 §4).
    pub const CHALLENGE: Self = Self(334);
    /// 354: start the content.
    pub const START_CONTENT: Self = Self(354);
    /// 421: the service is not available and the connection is closing (RFC 5321 §3.8).
    pub const UNAVAILABLE: Self = Self(421);
    /// 451: a local error in processing.
    pub const LOCAL_ERROR: Self = Self(451);
    /// 452: not enough storage, or too many recipients (RFC 5321 §4.5.3.1.10).
    pub const INSUFFICIENT_STORAGE: Self = Self(452);
    /// 552: storage allocation exceeded (RFC 1870 §6.3).
    pub const EXCEEDED_STORAGE: Self = Self(552);

    /// A code from its number, 200 to 599; anything else is `None` (SPEC R35).
    ///
    /// RFC 5321 §4.2 writes the second digit as 0-5 (R30), yet a code nobody expected is to be judged by
    /// its first digit, 299 and 498 included (R34, RFC 5321 §4.3.2). The lenient row wins: a digit that
    /// decides nothing is no reason to drop a connection.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 200 && number <= 599 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The meaning of its first digit (RFC 5321 §4.2.1, SPEC R34).
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self.0 {
            0..300 => Severity::Positive,
            300..400 => Severity::Intermediate,
            400..500 => Severity::Transient,
            500.. => Severity::Permanent,
        }
    }

    /// The first digit, 2 to 5.
    pub(super) const fn class(self) -> u8 {
        match self.severity() {
            Severity::Positive => 2,
            Severity::Intermediate => 3,
            Severity::Transient => 4,
            Severity::Permanent => 5,
        }
    }

    /// The three digits in ASCII.
    pub(super) const fn digits(self) -> [u8; 3] {
        let [hundreds, tens, ones] = [self.0 / 100, self.0 / 10 % 10, self.0 % 10];
        // At most 9 each, so no cast loses anything.
        [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8]
    }

    /// The code these three octets write.
    pub(super) const fn from_digits(digits: [u8; 3]) -> Option<Self> {
        let [first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = digits else { return None };
        Some(Self((first - b'0') as u16 * 100 + (second - b'0') as u16 * 10 + (third - b'0') as u16))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the first digit says (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// 2yz: done.
    Positive,
    /// 3yz: go on.
    Intermediate,
    /// 4yz: not now.
    Transient,
    /// 5yz: never.
    Permanent,
}

/// An enhanced status code, `class.subject.detail` (RFC 3463 §2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnhancedCode {
    /// 2, 4 or 5: the first digit of the code it comes with.
    pub class: u8,
    /// What it is about, 0 to 999.
    pub subject: u16,
    /// What exactly, 0 to 999; means something only together with the subject.
    pub detail: u16,
}

impl EnhancedCode {
    /// The highest registered detail of each subject, from X.0 on (RFC 3463 §3, RFC 5248 §2.1 and the
    /// registry it opened).
    const REGISTERED: [u16; 8] = [0, 10, 4, 6, 7, 6, 10, 30];

    /// A code from its parts, unchecked: nothing depends on their ranges.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// What this code means to one who knows only the registered ones: an unknown detail stands for
    /// X.S.0, an unknown subject for X.0.0 (RFC 3463 §2, SPEC R193).
    ///
    /// For deciding only; what is passed on keeps the details the server gave (R195).
    #[must_use]
    pub fn generalized(self) -> Self {
        match Self::REGISTERED.get(usize::from(self.subject)) {
            None => Self { subject: 0, detail: 0, ..self },
            Some(highest) if self.detail > *highest => Self { detail: 0, ..self },
            Some(_) => self,
        }
    }

    /// The code that `line` starts with and the text behind it, without the one blank between them (R191).
    pub(super) fn split_from(line: &[u8]) -> Option<(Self, &[u8])> {
        let &[class @ (b'2' | b'4' | b'5'), b'.', ref rest @ ..] = line else { return None };
        let (subject, rest) = number(rest)?;
        let (detail, rest) = number(rest.strip_prefix(b".")?)?;
        let text = match rest {
            [] => rest,
            [b' ' | b'\t', text @ ..] => text,
            _ => return None,
        };
        Some((Self { class: class - b'0', subject, detail }, text))
    }
}

/// The one to three digits in front, leading zeros allowed (R191), and the rest.
fn number(octets: &[u8]) -> Option<(u16, &[u8])> {
    let length = octets.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let (digits, rest) = octets.split_at_checked(length)?;
    if !(1..=3).contains(&length) {
        return None;
    }
    Some((digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')), rest))
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl fmt::Debug for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
