//! What a case is: a hostile server and what must come of it.

use std::time::Duration;

use smtp_proto::{
    Config, Phase, Random, Secret,
    config::{Protocol, TlsMode},
    sasl::{AuthPolicy, Credentials, Mechanism},
};

use crate::tls;

/// Must be on no wire in clear, neither so nor in base64.
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";
pub(crate) const USER: &str = "ann";

/// How long is long enough for what must not be waited for: a deadline that is not the case's own makes the case fail.
const AMPLE: Duration = Duration::from_secs(10);
/// The deadline of the phase in which the case is to run into it. Whether another phase ends in time does not depend on it.
const SHORT: Duration = Duration::from_millis(300);
/// The same where one field serves several phases, and a server on a busy machine must get through the ones before.
const SHORT_COMMAND: Duration = Duration::from_millis(1500);

/// One hostile server.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// One script for each time the client is to connect.
    pub(crate) scripts: Vec<String>,
    pub(crate) config: Config,
    pub(crate) recipients: usize,
    pub(crate) large: bool,
    pub(crate) total: Option<Duration>,
    /// What ends each attempt at it: class and phase, or `ok`.
    pub(crate) attempts: String,
    /// What becomes of each recipient.
    pub(crate) fates: String,
    /// What the client must not say.
    pub(crate) never: Vec<String>,
    /// What stands in the error's text.
    pub(crate) text: Option<String>,
    /// The server does not hear out what comes after its last step.
    pub(crate) any_tail: bool,
}

/// A case: its name, with the rows that it pins, and what the server does.
pub(crate) fn case(name: impl Into<String>, script: impl Into<String>) -> Case {
    let mut config = Config::new("client.example".parse().expect("a name"));
    // A nonce of 24 times `A`, so that scripts can answer it.
    config.random = Some(Random::new(|octets| {
        octets.fill(0);
        Ok(())
    }));
    let timeouts = &mut config.timeouts;
    (timeouts.connect, timeouts.greeting, timeouts.command) = (AMPLE, AMPLE, AMPLE);
    (timeouts.body, timeouts.submission, timeouts.reset, timeouts.quit) = (AMPLE, AMPLE, AMPLE, AMPLE);
    Case {
        name: name.into(),
        scripts: vec![script.into()],
        config,
        recipients: 1,
        large: false,
        total: None,
        attempts: String::new(),
        fates: String::new(),
        never: Vec::new(),
        text: None,
        any_tail: false,
    }
}

impl Case {
    /// What must come of it: how each attempt ends (`protocol greeting`; several are divided by commas, and two
    /// possible accounts by `|`), and a word for each recipient, or one with `*` for all.
    ///
    /// `deferred` is what another target may be offered, and is by `until_decided`; `kept` is deferred and may not.
    pub(crate) fn ends(mut self, attempts: &str, fates: &str) -> Self {
        (self.attempts, self.fates) = (attempts.to_owned(), fates.to_owned());
        self
    }

    /// The client connects once more, and meets this.
    pub(crate) fn again(mut self, script: impl Into<String>) -> Self {
        self.scripts.push(script.into());
        self
    }

    /// The phase has a deadline that the case is to run into.
    pub(crate) fn short(mut self, phase: Phase) -> Self {
        let timeouts = &mut self.config.timeouts;
        match phase {
            Phase::Connect => timeouts.connect = SHORT,
            Phase::Greeting => timeouts.greeting = SHORT,
            Phase::Body => timeouts.body = SHORT,
            Phase::End => timeouts.submission = SHORT,
            Phase::Reset => timeouts.reset = SHORT,
            Phase::Quit => timeouts.quit = SHORT,
            _ => timeouts.command = SHORT_COMMAND,
        }
        self
    }

    /// Nothing but the whole delivery has a deadline that the case is to run into.
    pub(crate) fn short_total(mut self) -> Self {
        self.total = Some(SHORT_COMMAND);
        self
    }

    pub(crate) fn lmtp(mut self) -> Self {
        self.config.protocol = Protocol::Lmtp;
        self
    }

    pub(crate) fn to(mut self, recipients: usize) -> Self {
        self.recipients = recipients;
        self
    }

    /// A message larger than the buffers of any system.
    pub(crate) fn large(mut self) -> Self {
        self.large = true;
        self
    }

    pub(crate) fn never(mut self, text: &str) -> Self {
        self.never.push(text.to_owned());
        self
    }

    pub(crate) fn telling(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    pub(crate) fn any_tail(mut self) -> Self {
        self.any_tail = true;
        self
    }

    fn tls(mut self, mode: TlsMode, required: bool) -> Self {
        let security = &mut self.config.security;
        (security.mode, security.required) = (mode, required);
        security.client = Some(tls::client());
        security.server_name = Some(tls::NAME.try_into().expect("a name"));
        self
    }

    /// STARTTLS where offered.
    pub(crate) fn optional_tls(self) -> Self {
        self.tls(TlsMode::StartTls, false)
    }

    /// STARTTLS, or nothing is sent.
    pub(crate) fn required_tls(self) -> Self {
        self.tls(TlsMode::StartTls, true)
    }

    /// TLS from the first octet.
    pub(crate) fn implicit_tls(self) -> Self {
        self.tls(TlsMode::Implicit, true)
    }

    pub(crate) fn plain(self) -> Self {
        self.by(Mechanism::Plain)
    }

    pub(crate) fn login(self) -> Self {
        self.by(Mechanism::Login)
    }

    /// Authenticates by this, with a password or a token.
    pub(crate) fn by(mut self, mechanism: Mechanism) -> Self {
        let token = Credentials::Token { user: USER.to_owned(), token: Secret::from(PASSWORD) };
        let credentials = if mechanism.accepts(&token) { token } else { credentials() };
        self.config.auth = AuthPolicy::Mechanism(mechanism, credentials);
        self
    }

    pub(crate) fn auto(mut self) -> Self {
        self.config.auth = AuthPolicy::Auto(credentials());
        self
    }
}

fn credentials() -> Credentials {
    Credentials::Password { user: USER.to_owned(), password: Secret::from(PASSWORD) }
}
