//! What SCRAM and OAUTHBEARER share of GS2 (RFC 5801 §4): the header, and how a name is written in it.

/// No channel binding, and whom to act as, if anybody (R121).
///
/// The flag is `n`: this client cannot bind channels (R125). `y` would say that it can and that the server did not offer to, and a
/// server that did would have to take this for the work of somebody in between, and refuse (RFC 5802 §6).
pub(super) fn header(identity: &str) -> String {
    if identity.is_empty() { "n,,".to_owned() } else { format!("n,a={},", name(identity)) }
}

/// A `saslname`: comma and equals sign divide, so that they are written otherwise in a name.
pub(super) fn name(text: &str) -> String {
    text.replace('=', "=3D").replace(',', "=2C")
}
