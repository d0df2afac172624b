/// Octets that must not be seen: redacted `Debug`, wiped on drop (R133).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);
impl Secret {
    pub fn new(v: impl Into<Vec<u8>>) -> Self {
        Self(v.into())
    }
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
