//! What the server offers (RFC 5321 §4.1.1.1).
use crate::reply::Reply;

/// The extensions of the EHLO or LHLO reply now in force; empty after HELO (R10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {}

/// RFC 1870.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeLimit {
    /// offered without a fixed limit
    None,
    /// octets
    Max(u64),
}

impl Capabilities {
    /// From an EHLO/LHLO reply; first line is not an extension (R13); bounds N39.
    pub fn from_reply(_reply: &Reply) -> Self {
        todo!()
    }
    pub fn pipelining(&self) -> bool {
        todo!()
    }
    pub fn starttls(&self) -> bool {
        todo!()
    }
    pub fn eight_bit_mime(&self) -> bool {
        todo!()
    }
    pub fn smtputf8(&self) -> bool {
        todo!()
    }
    pub fn chunking(&self) -> bool {
        todo!()
    }
    pub fn binary_mime(&self) -> bool {
        todo!()
    }
    pub fn enhanced_status_codes(&self) -> bool {
        todo!()
    }
    pub fn dsn(&self) -> bool {
        todo!()
    }
    pub fn require_tls(&self) -> bool {
        todo!()
    }
    /// None: SIZE not offered.
    pub fn size(&self) -> Option<SizeLimit> {
        todo!()
    }
    /// LIMITS RCPTMAX/MAILMAX (R200)
    pub fn recipient_limit(&self) -> Option<u32> {
        todo!()
    }
    pub fn transaction_limit(&self) -> Option<u32> {
        todo!()
    }
    /// SASL mechanism names offered, upper case, valid ones only (R98, R115, `AUTH=` form R13).
    pub fn auth_mechanisms(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
    pub fn offers_auth(&self, _mechanism: &str) -> bool {
        todo!()
    }
    /// Parameters of any keyword, case-blind (R208); Some("") when offered bare.
    pub fn get(&self, _keyword: &str) -> Option<&str> {
        todo!()
    }
    /// All keywords in the order offered, upper case, with parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        std::iter::empty()
    }
}
