//! Durations as the configuration has them: Go's grammar (M18).

use std::time::Duration;

/// Nanoseconds per unit.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),  // µ, the micro sign
    ("\u{3bc}s", 1_000), // μ, the Greek letter
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The longest duration: what 63 bits of nanoseconds hold, about 292 years.
const LONGEST: u128 = i64::MAX as u128;

/// Digits of a fraction that are looked at; an hour has 3.6e12 ns, so later ones change nothing.
const FRACTION_DIGITS: usize = 18;

/// Why text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Nothing, or only a sign.
    #[error("a duration is missing; write one such as 30s, 1m30s or 2h")]
    Empty,
    /// Where a number should be there is none.
    #[error("{0:?} is not a number with a unit; write a duration such as 30s, 1m30s or 2h")]
    Number(String),
    /// A number without unit.
    #[error("the unit is missing after {0:?}; write {0}s, {0}m or {0}h")]
    UnitMissing(String),
    /// A unit nobody knows; letter case counts.
    #[error("{0:?} is not a unit of time; the units are ns, us, ms, s, m and h")]
    Unit(String),
    /// Time does not run backwards.
    #[error("a duration cannot be negative")]
    Negative,
    /// More than 63 bits of nanoseconds.
    #[error("the duration is longer than 292 years")]
    TooLong,
}

/// Reads a duration: an optional sign, then `0` or numbers with units, which add up (M18).
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(smtp_config::value::duration::parse("1m30s"), Ok(Duration::from_secs(90)));
/// ```
///
/// # Errors
/// The text follows another grammar, or the sum is negative or longer than 292 years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned.is_empty() {
        return Err(DurationError::Empty);
    }
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (nanoseconds, behind) = term(rest)?;
        total += nanoseconds;
        if total > LONGEST {
            return Err(DurationError::TooLong);
        }
        rest = behind;
    }
    if negative && total > 0 {
        return Err(DurationError::Negative);
    }
    let seconds = u64::try_from(total / 1_000_000_000).map_err(|_| DurationError::TooLong)?;
    let nanoseconds = u32::try_from(total % 1_000_000_000).map_err(|_| DurationError::TooLong)?;
    Ok(Duration::new(seconds, nanoseconds))
}

/// The first number with its unit, in nanoseconds, and what follows it.
fn term(text: &str) -> Result<(u128, &str), DurationError> {
    let (whole, behind) = digits(text);
    let (fraction, behind) = match behind.strip_prefix('.') {
        Some(behind) => digits(behind),
        None => ("", behind),
    };
    let number = text.get(..text.len() - behind.len()).unwrap_or_default();
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Number(text.to_owned()));
    }
    let end = behind.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(behind.len());
    let (unit, behind) = behind.split_at_checked(end).unwrap_or((behind, ""));
    if unit.is_empty() {
        return Err(DurationError::UnitMissing(number.to_owned()));
    }
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(DurationError::Unit(unit.to_owned()));
    };
    // As many digits as this have no place in 63 bits, whatever the unit.
    let whole: u128 = match whole.trim_start_matches('0') {
        "" => 0,
        digits if digits.len() <= 19 => digits.parse().map_err(|_| DurationError::TooLong)?,
        _ => return Err(DurationError::TooLong),
    };
    let fraction = fraction.get(..fraction.len().min(FRACTION_DIGITS)).unwrap_or_default();
    let part = match fraction {
        "" => 0,
        digits => {
            let value: u128 = digits.parse().map_err(|_| DurationError::TooLong)?;
            value * scale / 10_u128.pow(u32::try_from(digits.len()).unwrap_or(0))
        }
    };
    Ok((whole * scale + part, behind))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A duration as [`parse`] reads it back: `1h2m3.5s`, `0s`.
#[must_use]
pub fn text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let mut text = String::new();
    for (count, unit) in [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm')] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    match (seconds % 60, duration.subsec_nanos()) {
        (0, 0) if !text.is_empty() => {}
        (whole, 0) => text.push_str(&format!("{whole}s")),
        (whole, nanoseconds) => {
            let fraction = format!("{nanoseconds:09}");
            text.push_str(&format!("{whole}.{}s", fraction.trim_end_matches('0')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_grammar() {
        // M18
        for (text, nanoseconds) in [
            ("0", 0_u64),
            ("+0", 0),
            ("-0", 0),
            ("-0s", 0),
            ("1ns", 1),
            ("1us", 1_000),
            ("1\u{b5}s", 1_000),
            ("1\u{3bc}s", 1_000),
            ("1ms", 1_000_000),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("005s", 5_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1m1h", 3_660_000_000_000),
            ("1h1h", 7_200_000_000_000),
            ("1h2m", 3_720_000_000_000),
            ("0.0000000019s", 1),
            ("0.33333333333333333333333333333s", 333_333_333),
            ("9223372036854775807ns", i64::MAX as u64),
            ("2562047h47m16.854775807s", i64::MAX as u64),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        use DurationError::{Empty, Negative, Number, TooLong, Unit, UnitMissing};
        for (text, error) in [
            ("", Empty),
            ("+", Empty),
            ("-", Empty),
            ("5", UnitMissing("5".into())),
            ("1h5", UnitMissing("5".into())),
            (".", Number(".".into())),
            (".s", Number(".s".into())),
            ("s", Number("s".into())),
            (" 5s", Number(" 5s".into())),
            ("--5s", Number("-5s".into())),
            ("1d", Unit("d".into())),
            ("1H", Unit("H".into())),
            ("5 m", Unit(" m".into())),
            ("1e3s", Unit("e".into())),
            ("5s ", Unit("s ".into())),
            ("-5s", Negative),
            ("9223372036854775808ns", TooLong),
            ("2562047h47m16.854775808s", TooLong),
            ("99999999999999999999999999999999999999999h", TooLong),
            ("3000000h", TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for nanoseconds in
            [0, 1, 500_000_000, 5_000_000_000, 60_000_000_000, 3_723_000_000_001, i64::MAX as u64]
        {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!(parse(&text(duration)), Ok(duration), "{}", text(duration));
        }
        assert_eq!(text(Duration::from_secs(300)), "5m");
        assert_eq!(text(Duration::ZERO), "0s");
    }
}
