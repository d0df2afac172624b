//! What happens next when something failed: one table, no state (SPEC section 6, D25).

use crate::{
    Phase,
    error::{AuthError, Disposition, Error, PeerError},
    sasl::SaslError,
};

/// How far failures move on to other targets (D25).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failover {
    /// Until a target is usable; what happens from then on is final (M38, M39).
    #[default]
    UntilUsable,
    /// Until every recipient is decided: what no server can have and none refused for good is offered to the next target.
    UntilDecided,
}

/// Where a failure without a transaction's outcome belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One address of the target: TCP or the like.
    Address,
    /// The target itself: its name, greeting, hello, TLS.
    Target,
    /// The TLS handshake, where TLS is optional and a plaintext retry is allowed.
    OptionalTls,
    /// Authentication.
    Auth,
    /// The message, whichever server would get it; or the caller gave up.
    Message,
}

/// What to try next for those who are not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next address, then the next target.
    Address,
    /// The same address once more, without STARTTLS (M65).
    SameInPlaintext,
    /// A fresh connection to the same target, in place of a kept one that had died (D28).
    Fresh,
    /// The next target.
    Target,
    /// Nothing: the failure stands.
    Nothing,
}

/// The table.
pub(crate) const fn next(failover: Failover, scope: Scope) -> Next {
    match (scope, failover) {
        (Scope::Address, _) => Next::Address,
        (Scope::Target, _) => Next::Target,
        (Scope::OptionalTls, _) => Next::SameInPlaintext,
        (Scope::Auth, Failover::UntilUsable) | (Scope::Message, _) => Next::Nothing,
        (Scope::Auth, Failover::UntilDecided) => Next::Target,
    }
}

/// The scope of what ended a session before it was usable.
pub(crate) const fn scope_of(error: &Error, phase: Phase, may_fall_back: bool) -> Scope {
    match error {
        Error::Cancelled | Error::Deadline(_) | Error::Source { .. } | Error::Unsendable(_) => Scope::Message,
        // Nothing was tried, so nothing was refused: a target where a secret would be safe may follow (D4).
        Error::Auth(AuthError::Sasl(SaslError::NotConfidential(_))) => Scope::Target,
        // D3: never an answer to injected plaintext.
        Error::Peer(PeerError::InjectedPlaintext) => Scope::Target,
        _ if may_fall_back => Scope::OptionalTls,
        _ if matches!(phase, Phase::Auth) => Scope::Auth,
        _ => Scope::Target,
    }
}

/// Whether a recipient with this outcome is to be offered to the next target: only what the server provably does not have and has not
/// refused for good (D25, law 2).
pub(crate) fn moves_on(failover: Failover, disposition: &Disposition) -> bool {
    match (failover, disposition) {
        (Failover::UntilDecided, Disposition::Deferred(failure)) => {
            !matches!(failure.cause, Error::Source { .. } | Error::Cancelled | Error::Deadline(_))
        }
        _ => false,
    }
}

/// Whether this is what a connection ends with that died while it was kept: the peer is gone, says that it goes, or is out of step, or cannot
/// forget the message before (R56). What it says about this message is none of that, and neither is what happens on this side.
pub(crate) fn is_death(error: &Error) -> bool {
    match error {
        Error::Lost { .. } | Error::Timeout(_) | Error::Tls(_) | Error::Peer(_) => true,
        Error::Refused { phase, reply } => *phase == Phase::Reset || reply.code().get() == 421,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::{Failure, TlsError},
        reply::{Code, Reply},
        sasl::Mechanism,
    };

    fn refused(phase: Phase, code: u16) -> Error {
        Error::Refused { phase, reply: Reply::new(Code::new(code).unwrap(), "no") }
    }

    #[test]
    fn a_kept_connection_is_dead_when_it_ends_without_a_word_about_the_message() {
        // D28, R56
        assert!(is_death(&refused(Phase::Mail, 421)));
        assert!(is_death(&refused(Phase::Reset, 500)));
        assert!(is_death(&Error::Timeout(Phase::Reset)));
        assert!(is_death(&Error::Lost { phase: Phase::Mail, cause: None }));
        assert!(is_death(&Error::Tls(TlsError::NotOffered)));
        assert!(is_death(&Error::Peer(PeerError::InjectedPlaintext)));
        assert!(!is_death(&refused(Phase::Mail, 451)));
        assert!(!is_death(&Error::Cancelled));
    }

    #[test]
    fn before_a_session_is_usable_everything_moves_on_but_auth() {
        // SPEC section 6, rows 1-6
        let rows = [
            (refused(Phase::Greeting, 554), Phase::Greeting, false, Next::Target, Next::Target),
            (refused(Phase::Hello, 421), Phase::Hello, false, Next::Target, Next::Target),
            (Error::Timeout(Phase::Greeting), Phase::Greeting, false, Next::Target, Next::Target),
            (Error::Tls(TlsError::NotOffered), Phase::Tls, false, Next::Target, Next::Target),
            (Error::Lost { phase: Phase::Tls, cause: None }, Phase::Tls, false, Next::Target, Next::Target),
            (
                Error::Lost { phase: Phase::Tls, cause: None },
                Phase::Tls,
                true,
                Next::SameInPlaintext,
                Next::SameInPlaintext,
            ),
            (Error::Peer(PeerError::InjectedPlaintext), Phase::Tls, true, Next::Target, Next::Target),
            (Error::Timeout(Phase::Auth), Phase::Auth, false, Next::Nothing, Next::Target),
            (
                // D4: nothing was tried, so nothing was refused.
                Error::Auth(AuthError::Sasl(SaslError::NotConfidential(Mechanism::Plain))),
                Phase::Auth,
                true,
                Next::Target,
                Next::Target,
            ),
            (Error::Cancelled, Phase::Hello, false, Next::Nothing, Next::Nothing),
            (Error::Deadline(Phase::Hello), Phase::Hello, true, Next::Nothing, Next::Nothing),
        ];
        for (error, phase, may_fall_back, usable, decided) in rows {
            let scope = scope_of(&error, phase, may_fall_back);
            assert_eq!(next(Failover::UntilUsable, scope), usable, "{error}");
            assert_eq!(next(Failover::UntilDecided, scope), decided, "{error}");
        }
    }

    #[test]
    fn only_what_the_server_provably_does_not_have_moves_on() {
        // SPEC section 6, rows 7-20; D25
        let failure = |code| Failure::new(Phase::End, refused(Phase::End, code));
        let lost = Failure::new(Phase::End, Error::Lost { phase: Phase::End, cause: None });
        let rows = [
            (Disposition::Deferred(failure(451)), true),
            (Disposition::Rejected(failure(550)), false),
            (Disposition::Uncertain(lost), false),
            (Disposition::Delivered(Reply::new(Code::OK, "ok")), false),
            (
                Disposition::Deferred(Failure::new(Phase::Body, Error::Source { message: "gone".into() })),
                false,
            ),
            (Disposition::Deferred(Failure::new(Phase::Body, Error::Cancelled)), false),
            (Disposition::Deferred(Failure::new(Phase::Body, Error::Deadline(Phase::Body))), false),
        ];
        for (disposition, expected) in rows {
            assert_eq!(moves_on(Failover::UntilDecided, &disposition), expected, "{disposition:?}");
            assert!(!moves_on(Failover::UntilUsable, &disposition), "{disposition:?}"); // M39
        }
    }
}
