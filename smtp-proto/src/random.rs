//! Randomness, as a value.

use std::{fmt, io, sync::Arc};

/// Where random octets come from: this crate has no source of its own, so that a dialogue can be played twice the same.
///
/// SCRAM's nonce is made of it. The clients of the runtimes give every plan the operating system's, unless it has another; who drives
/// a [`Connection`](crate::Connection) or a [`Delivery`](crate::Delivery) without them gives one to [`Plan::with_random`](
/// crate::Plan::with_random) or to [`Config::random`](crate::Config::random). It has to be fit for cryptography, in tests alone
/// excepted.
///
/// ```
/// use smtp_proto::Random;
///
/// let system = Random::new(|octets| Ok(getrandom::fill(octets)?));
/// # let _ = system;
/// ```
#[derive(Clone)]
pub struct Random(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) -> io::Result<()> + Send + Sync;

impl Random {
    /// A source that fills all of a buffer, or fails.
    pub fn new(fill: impl Fn(&mut [u8]) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    pub(crate) fn fill(&self, octets: &mut [u8]) -> io::Result<()> {
        (self.0)(octets)
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
