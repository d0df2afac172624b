//! xtext: octets in printable ASCII without `+` and `=` (RFC 3461 §4), as MAIL's AUTH= parameter has them (R113, R186).

use std::fmt::{self, Write as _};

/// Prints octets as xtext: what is outside `!` to `~`, and `+` and `=`, becomes `+` and two upper-case hex digits.
///
/// ```
/// use smtp_proto::address::xtext::Xtext;
///
/// assert_eq!(Xtext(b"e=mc2").to_string(), "e+3Dmc2");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Xtext<'a>(pub &'a [u8]);

impl fmt::Display for Xtext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &octet in self.0 {
            match octet {
                b'+' | b'=' => write!(f, "+{octet:02X}")?,
                b'!'..=b'~' => f.write_char(octet.into())?,
                _ => write!(f, "+{octet:02X}")?,
            }
        }
        Ok(())
    }
}

/// The octets that `text` stands for; None: it is not xtext (an octet that has to be encoded, or a `+` without two upper-case
/// hex digits).
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'=' => return None,
            b'!'..=b'~' => octet,
            _ => return None,
        });
    }
    Some(octets)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
