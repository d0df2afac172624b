//! Clients as the sections want them, and what came of a send.

use std::sync::{Arc, Mutex};

use smtp_client_tokio::{Client, Message};
use smtp_proto::{
    Config, Disposition, Endpoint, Envelope, Plan, Report, Secret, Target,
    address::Mailbox,
    config::{Protocol, TlsMode},
    sasl::{AuthPolicy, Credentials, Mechanism},
    tls_options::TlsOptions,
};

use crate::host::Host;

/// TLS as a section wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Not tried.
    Off,
    /// Where it works.
    May,
    /// Or nothing.
    Must,
}

/// A configuration for the servers of a host, trusting its CA.
pub(crate) fn config(host: &Host, tls: Tls) -> Config {
    let options = TlsOptions::new().root_ca_pem(&host.pem("ca.pem")).unwrap();
    config_with(options, tls)
}

pub(crate) fn config_with(options: TlsOptions, tls: Tls) -> Config {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = Config::new("client.test.example".parse().unwrap());
    config.security.mode = if tls == Tls::Off { TlsMode::Off } else { TlsMode::StartTls };
    config.security.required = tls == Tls::Must;
    config.security.client = Some(options.build(provider).unwrap());
    config.transcript = true;
    config
}

/// The same, for LMTP.
pub(crate) fn lmtp(mut config: Config) -> Config {
    config.protocol = Protocol::Lmtp;
    config
}

/// With a user and a password; `None`: the strongest mechanism.
pub(crate) fn with_auth(
    mut config: Config,
    mechanism: Option<Mechanism>,
    user: &str,
    password: &str,
) -> Config {
    let password = Secret::new(password);
    let credentials = Credentials::Password { user: user.to_owned(), password };
    config.auth = match mechanism {
        Some(mechanism) => AuthPolicy::Mechanism(mechanism, credentials),
        None => AuthPolicy::Auto(credentials),
    };
    config
}

/// Endpoints that share a configuration.
pub(crate) fn plan<E: AsRef<str>>(endpoints: &[E], config: &Config) -> Plan {
    Plan::new(endpoints.iter().map(|endpoint| endpoint.as_ref().parse::<Endpoint>().unwrap()), config)
        .unwrap()
        .with_reuse(None)
}

/// Endpoints with a configuration each.
pub(crate) fn plan_of(targets: Vec<(String, Config)>) -> Plan {
    let mut targets =
        targets.into_iter().map(|(endpoint, config)| Target::new(endpoint.parse().unwrap(), config).unwrap());
    let first = targets.next().unwrap();
    let mut plan = Plan::new([first.endpoint.clone()], &first.config).unwrap();
    plan.targets = std::iter::once(first).chain(targets).collect();
    plan
}

/// From Ada, in order, duplicates kept.
pub(crate) fn envelope<R: AsRef<str>>(recipients: impl IntoIterator<Item = R>) -> Envelope {
    envelope_from("ada@example.org", recipients)
}

pub(crate) fn envelope_from<R: AsRef<str>>(
    sender: &str,
    recipients: impl IntoIterator<Item = R>,
) -> Envelope {
    let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
    let recipients = recipients.into_iter().map(|recipient| mailbox(recipient.as_ref()).into()).collect();
    Envelope::new(mailbox(sender).into(), recipients)
}

/// What came of a send.
pub(crate) struct Sent {
    pub(crate) report: Report,
    /// The dialogue as `C: …` and `S: …`.
    pub(crate) dialogue: Vec<String>,
}

/// Sends one message; its source does not fail.
pub(crate) async fn send(plan: Plan, envelope: Envelope, message: impl Into<Message>) -> Sent {
    let dialogue = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&dialogue);
    let client = Client::new(plan).with_transcript(move |line| record.lock().unwrap().push(line.to_string()));
    let report = client.send(envelope, message).await.unwrap();
    let dialogue = std::mem::take(&mut *dialogue.lock().unwrap());
    Sent { report, dialogue }
}

impl Sent {
    /// Per recipient: what became of it, the status and the phase; `local` where the server did not say it.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        verdicts(&self.report)
    }

    /// How many times the client said a line beginning so.
    pub(crate) fn said(&self, verb: &str) -> usize {
        let start = format!("C: {verb}");
        self.dialogue.iter().filter(|line| line.starts_with(&start)).count()
    }
}

pub(crate) fn verdicts(report: &Report) -> Vec<String> {
    report.recipients.iter().map(|recipient| verdict(&recipient.disposition)).collect()
}

fn verdict(disposition: &Disposition) -> String {
    let status = disposition.status();
    let phase = disposition.failure().map(|failure| format!(" {}", failure.phase.name())).unwrap_or_default();
    let local = if status.local { " local" } else { "" };
    format!("{} {} {}{phase}{local}", disposition.name(), status.code, status.enhanced)
}

/// The users among the arrivals, in order, duplicates kept.
pub(crate) fn users(stored: &[crate::mail::Stored]) -> Vec<&str> {
    stored.iter().map(|message| message.user.as_str()).collect()
}
