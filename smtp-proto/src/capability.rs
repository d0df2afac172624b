//! What the server offers (RFC 5321 §4.1.1.1).
//!
//! ```
//! use smtp_proto::capability::{Capabilities, SizeLimit};
//! use smtp_proto::reply::{Code, Reply};
//!
//! let reply = Reply::new(Code::OK, "mx.example.org\npipelining\nSIZE 1000\nAUTH=PLAIN LOGIN");
//! let offer = Capabilities::from_reply(&reply);
//! assert!(offer.pipelining() && !offer.starttls());
//! assert_eq!(offer.size(), Some(SizeLimit::Max(1000)));
//! assert!(offer.offers_auth("plain"));
//! ```

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use crate::reply::Reply;

/// Keywords kept (SPEC N39).
const MAX_KEYWORDS: usize = 64;
/// Octets of parameters kept per keyword (SPEC N39).
const MAX_PARAMETERS: usize = 1024;
/// Octets of the longest keyword kept; the longest registered one has fewer than 20.
const MAX_KEYWORD: usize = 64;

/// The extensions of the EHLO or LHLO reply now in force; empty after HELO (SPEC R10).
#[derive(Clone, Default)]
pub struct Capabilities {
    /// Keywords and parameters, one behind the other.
    text: String,
    offers: Vec<Offer>,
    /// The SASL mechanisms of all AUTH lines, upper case, each once, joined by blanks.
    mechanisms: String,
}

/// Where in [`Capabilities::text`] an extension is written.
#[derive(Clone, Debug)]
struct Offer {
    keyword: Range<usize>,
    parameters: Range<usize>,
}

/// What `SIZE` says (RFC 1870 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeLimit {
    /// Offered without a fixed limit.
    None,
    /// The largest message taken, in octets.
    Max(u64),
}

impl Capabilities {
    /// From an EHLO or LHLO reply, whose first line is a greeting and no extension.
    ///
    /// Later lines are a keyword and parameters behind blanks; `AUTH=PLAIN` is read as `AUTH PLAIN`. Of
    /// duplicates the last wins, but AUTH lists are merged (SPEC R13). A line without a valid keyword is
    /// passed over. Kept are 64 keywords with 1 KiB of parameters each, cut between words (N39).
    #[must_use]
    pub fn from_reply(reply: &Reply) -> Self {
        let lines = reply.lines().skip(1);
        let (octets, count) = lines.fold((0, 0), |(octets, count), line| (octets + line.len(), count + 1));
        // Merged AUTH lists alone may need more.
        let mut all = Self {
            text: String::with_capacity(octets),
            offers: Vec::with_capacity(count.min(MAX_KEYWORDS)),
            mechanisms: String::new(),
        };
        for line in reply.lines().skip(1) {
            all.add(line);
        }
        all
    }

    fn add(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        let length = line.iter().take_while(|octet| is_keyword_octet(**octet)).count();
        let Some((keyword, rest)) = line.split_at_checked(length) else { return };
        let is_auth = keyword.eq_ignore_ascii_case(b"AUTH");
        let parameters = match rest {
            [] | [b' ' | b'\t', ..] => rest.trim_ascii_start(),
            [b'=', list @ ..] if is_auth => list.trim_ascii_start(),
            _ => return,
        };
        // A keyword starts with a letter or digit (RFC 5321 §4.1.1.1).
        let valid = keyword.first().is_some_and(u8::is_ascii_alphanumeric) && keyword.len() <= MAX_KEYWORD;
        let Ok(keyword) = std::str::from_utf8(keyword) else { return };
        if !valid {
            return;
        }
        let known = self.position(keyword);
        if known.is_none() && self.offers.len() == MAX_KEYWORDS {
            return;
        }
        if is_auth {
            self.add_mechanisms(parameters);
        }
        let earlier = known.filter(|_| is_auth).and_then(|index| self.offers.get(index));
        let parameters = self.store(earlier.map(|offer| offer.parameters.clone()), parameters);
        match known.and_then(|index| self.offers.get_mut(index)) {
            Some(offer) => offer.parameters = parameters,
            None => {
                let keyword = push_upper(keyword, &mut self.text);
                self.offers.push(Offer { keyword, parameters });
            }
        }
    }

    /// Writes parameters, behind a copy of `earlier` ones if there are any, within the bound of N39.
    fn store(&mut self, earlier: Option<Range<usize>>, parameters: &[u8]) -> Range<usize> {
        let start = self.text.len();
        if let Some(earlier) = earlier.filter(|range| !range.is_empty()) {
            self.text.extend_from_within(earlier);
            self.text.push(' ');
        }
        let room = MAX_PARAMETERS.saturating_sub(self.text.len() - start);
        for chunk in cut(parameters, room).utf8_chunks() {
            // What a log cannot show is not worth keeping.
            let mut parts = chunk.valid().split(|letter: char| letter.is_control() && letter != '\t');
            self.text.push_str(parts.next().unwrap_or_default());
            for part in parts {
                self.text.push('?');
                self.text.push_str(part);
            }
            self.text.extend(chunk.invalid().iter().map(|_| '?'));
        }
        let kept = self.text.trim_ascii_end().len().max(start);
        self.text.truncate(kept);
        start..kept
    }

    /// Notes valid names only (SPEC R98, R115; RFC 4422 §3.1).
    fn add_mechanisms(&mut self, list: &[u8]) {
        for name in cut(list, MAX_PARAMETERS).split(u8::is_ascii_whitespace) {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let known_octets = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
            let valid = (1..=20).contains(&name.len()) && name.bytes().all(known_octets);
            if !valid || self.offers_auth(name) || self.mechanisms.len() + name.len() >= MAX_PARAMETERS {
                continue;
            }
            if !self.mechanisms.is_empty() {
                self.mechanisms.push(' ');
            }
            push_upper(name, &mut self.mechanisms);
        }
    }

    /// Commands may be sent without waiting for replies (RFC 2920).
    #[must_use]
    pub fn pipelining(&self) -> bool {
        self.offers("PIPELINING")
    }

    /// TLS may be started (RFC 3207).
    #[must_use]
    pub fn starttls(&self) -> bool {
        self.offers("STARTTLS")
    }

    /// Octets from 0x80 on may stand in the content (RFC 6152).
    #[must_use]
    pub fn eight_bit_mime(&self) -> bool {
        self.offers("8BITMIME")
    }

    /// UTF-8 may stand in addresses and header fields (RFC 6531).
    #[must_use]
    pub fn smtputf8(&self) -> bool {
        self.offers("SMTPUTF8")
    }

    /// BDAT may be used (RFC 3030 §2).
    #[must_use]
    pub fn chunking(&self) -> bool {
        self.offers("CHUNKING")
    }

    /// The content may be binary, if sent with BDAT (RFC 3030 §3).
    #[must_use]
    pub fn binary_mime(&self) -> bool {
        self.offers("BINARYMIME")
    }

    /// Replies carry enhanced codes (RFC 2034).
    #[must_use]
    pub fn enhanced_status_codes(&self) -> bool {
        self.offers("ENHANCEDSTATUSCODES")
    }

    /// Delivery status notifications may be asked for (RFC 3461).
    #[must_use]
    pub fn dsn(&self) -> bool {
        self.offers("DSN")
    }

    /// TLS may be demanded for the whole way (RFC 8689).
    #[must_use]
    pub fn require_tls(&self) -> bool {
        self.offers("REQUIRETLS")
    }

    /// The limit of RFC 1870; `None` if SIZE is not offered, or with a value that is no number (SPEC R162).
    ///
    /// A number beyond `u64` counts as the largest one (N24).
    #[must_use]
    pub fn size(&self) -> Option<SizeLimit> {
        let Some(value) = self.get("SIZE")?.split_ascii_whitespace().next() else {
            return Some(SizeLimit::None);
        };
        if !value.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        // All digits: the only error left is overflow.
        match value.parse().unwrap_or(u64::MAX) {
            0 => Some(SizeLimit::None),
            octets => Some(SizeLimit::Max(octets)),
        }
    }

    /// Recipients a transaction may have: `LIMITS RCPTMAX` (RFC 9422 §4, SPEC R200).
    #[must_use]
    pub fn recipient_limit(&self) -> Option<u32> {
        self.limit("RCPTMAX")
    }

    /// Transactions a session may have: `LIMITS MAILMAX` (RFC 9422 §4, SPEC R200).
    #[must_use]
    pub fn transaction_limit(&self) -> Option<u32> {
        self.limit("MAILMAX")
    }

    /// Distinct recipient domains a transaction may have: `LIMITS RCPTDOMAINMAX` (RFC 9422 §4, SPEC R200).
    #[must_use]
    pub fn recipient_domain_limit(&self) -> Option<u32> {
        self.limit("RCPTDOMAINMAX")
    }

    /// One to six digits without leading zero (RFC 9422 §4); anything else does not count (SPEC R200).
    fn limit(&self, name: &str) -> Option<u32> {
        self.get("LIMITS")?
            .split_ascii_whitespace()
            .filter_map(|entry| entry.split_once('='))
            .filter(|(key, value)| {
                let digits = value.bytes().all(|octet| octet.is_ascii_digit());
                key.eq_ignore_ascii_case(name) && digits && value.len() <= 6 && !value.starts_with('0')
            })
            .filter_map(|(_, value)| value.parse().ok())
            .next_back()
    }

    /// SASL mechanism names offered, upper case, valid ones only, each once (SPEC R98, R115).
    pub fn auth_mechanisms(&self) -> impl Iterator<Item = &str> {
        self.mechanisms.split_ascii_whitespace()
    }

    /// Whether this SASL mechanism is offered; case-blind.
    #[must_use]
    pub fn offers_auth(&self, mechanism: &str) -> bool {
        self.auth_mechanisms().any(|name| name.eq_ignore_ascii_case(mechanism))
    }

    /// Parameters of any keyword, case-blind (SPEC R208); `Some("")` when offered bare.
    ///
    /// As offered, but for controls and octets that are no UTF-8, which are replaced by `?`.
    #[must_use]
    pub fn get(&self, keyword: &str) -> Option<&str> {
        let offer = self.offers.get(self.position(keyword)?)?;
        self.text.get(offer.parameters.clone())
    }

    /// All keywords in the order offered, upper case, with their parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.offers.iter().filter_map(|offer| {
            Some((self.text.get(offer.keyword.clone())?, self.text.get(offer.parameters.clone())?))
        })
    }

    fn offers(&self, keyword: &str) -> bool {
        self.position(keyword).is_some()
    }

    fn position(&self, keyword: &str) -> Option<usize> {
        self.offers.iter().position(|offer| {
            self.text.get(offer.keyword.clone()).is_some_and(|name| name.eq_ignore_ascii_case(keyword))
        })
    }
}

/// Equal if the same keywords with the same parameters are offered in the same order.
impl PartialEq for Capabilities {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter()) && self.mechanisms == other.mechanisms
    }
}

impl Eq for Capabilities {}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Appends `word` in upper case; where it stands.
fn push_upper(word: &str, text: &mut String) -> Range<usize> {
    let start = text.len();
    text.push_str(word);
    if let Some(word) = text.get_mut(start..) {
        word.make_ascii_uppercase();
    }
    start..text.len()
}

/// RFC 5321 §4.1.1.1; the underscore is seen in the wild.
fn is_keyword_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')
}

/// As many whole words from the front as fit into `room` octets.
fn cut(words: &[u8], room: usize) -> &[u8] {
    let Some(window) = words.get(..room) else { return words };
    if words.get(room).is_none_or(u8::is_ascii_whitespace) {
        return window;
    }
    let end = window.iter().rposition(u8::is_ascii_whitespace).unwrap_or(0);
    window.get(..end).unwrap_or_default()
}
