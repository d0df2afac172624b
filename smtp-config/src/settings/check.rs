//! What can be said about settings without reading a file.

use smtp_proto::{Endpoint, config::Protocol, tls_options::TlsVersion};

use super::{Account, Auth, Password, Problem, Settings};

impl Settings {
    /// Everything that is wrong with these settings as far as no file has to be read for it: errors, of which there can be no plan, and
    /// warnings.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.hostname.is_none() {
            problems.push(
                Problem::error("hostname", "missing required directive: the name to give in EHLO") // M8
                    .help("write `hostname mx.example.org` with this machine's name"),
            );
        }
        if self.targets.is_empty() {
            problems.push(
                Problem::error("targets", "at least one endpoint is needed") // M9
                    .help("write `targets tcp://HOST:PORT`"),
            );
        }
        if !self.runtime_dir.is_absolute() {
            problems.push(
                Problem::error("runtime_dir", "not an absolute path") // M20
                    .help(format!("write a path that starts with /, such as {}", super::RUNTIME_DIR)),
            );
        }
        self.check_ports(&mut problems);
        self.check_security(&mut problems);
        self.check_auth(&mut problems);
        self.check_tls_client(&mut problems);
        problems
    }

    /// RFC 2033 §5 (R78).
    fn check_ports(&self, problems: &mut Vec<Problem>) {
        if self.protocol != Protocol::Lmtp {
            return;
        }
        for (at, _) in self.targets.iter().enumerate().filter(|(_, target)| target.port() == Some(25)) {
            problems.push(
                Problem::error("targets", "LMTP must not be spoken on TCP port 25 (RFC 2033)")
                    .at(at)
                    .help("use the server's LMTP port, often 24, or a Unix socket; or target.smtp"),
            );
        }
    }

    fn check_security(&self, problems: &mut Vec<Problem>) {
        let is_unix = |target: &Endpoint| matches!(target, Endpoint::Unix(_));
        let is_implicit = |target: &Endpoint| matches!(target, Endpoint::Tls { .. });
        let unix = self.targets.iter().position(is_unix);
        let attempt = self.attempts_starttls();

        if self.require_tls && !self.targets.is_empty() {
            if self.targets.iter().all(is_unix) {
                problems.push(
                    // D22
                    Problem::error("require_tls", "there is no TLS on Unix sockets, and every target is one")
                        .help("leave require_tls out: what goes through a Unix socket does not leave the machine"),
                );
                return;
            }
            if let Some(at) = unix {
                problems.push(
                    Problem::warning(
                        "targets",
                        "never used: TLS is required, and there is none on a Unix socket",
                    )
                    .at(at),
                );
            }
            if !attempt && !self.targets.iter().any(is_implicit) {
                let why = match self.attempt_starttls {
                    Some(_) => "STARTTLS is switched off",
                    None => "LMTP does not use STARTTLS unless told to",
                };
                problems.push(
                    // M61
                    Problem::warning(
                        "require_tls",
                        format!("nothing can be sent: TLS is required, {why}, and no target is tls://"),
                    )
                    .help("write `attempt_starttls yes`, or a tls:// endpoint"),
                );
            }
        } else if let Some(at) = unix.filter(|_| attempt && self.server_name.is_none()) {
            problems.push(
                // M54, M70
                Problem::warning(
                    "targets",
                    "STARTTLS cannot succeed on a Unix socket: there is no name to verify",
                )
                .at(at)
                .help("write `attempt_starttls no`, or `server_name NAME` with the name in the certificate"),
            );
        }
    }

    fn check_auth(&self, problems: &mut Vec<Problem>) {
        if let Some(account) = self.auth.account() {
            check_account(account, self.auth.secret(), problems);
        }
        let leaves = |target: &&Endpoint| matches!(target, Endpoint::Tcp { .. }) && !is_loopback(target);
        let in_clear = self.attempt_starttls == Some(false) && !self.require_tls;
        if self.auth.reveals_secret() && in_clear && self.targets.iter().any(|it| leaves(&it)) {
            problems.push(
                // D4a
                Problem::warning(
                    "auth",
                    format!(
                        "the {} is sent in clear: attempt_starttls is no, and a target is tcp://",
                        self.auth.secret()
                    ),
                )
                .help("write `attempt_starttls yes` with `require_tls yes`, or a tls:// endpoint"),
            );
        }
        let certificate = self.tls_client.cert.is_some();
        if self.auth == Auth::External && !certificate && self.targets.iter().any(|it| it.port().is_some()) {
            problems.push(
                // M46
                Problem::warning(
                    "auth",
                    "external is of use with a TLS client certificate, and there is none",
                )
                .help("write `cert` and `key` in `tls_client`"),
            );
        }
    }

    fn check_tls_client(&self, problems: &mut Vec<Problem>) {
        let tls = &self.tls_client;
        match (&tls.cert, &tls.key) {
            (Some(_), None) => problems.push(
                // M50
                Problem::error("tls_client.cert", "a certificate without its key")
                    .help("write `key FILE`, too"),
            ),
            (None, Some(_)) => problems.push(
                Problem::error("tls_client.key", "a key without its certificate")
                    .help("write `cert FILE`, too"),
            ),
            _ => {}
        }
        if let Some(versions) = tls.protocols {
            if versions.min > versions.max {
                problems.push(
                    // M51
                    Problem::error("tls_client.protocols", "the oldest version is newer than the newest")
                        .help("the oldest comes first: write `protocols tls1.2 tls1.3`"),
                );
            }
            if versions.min == TlsVersion::V1_3 && !tls.ciphers.is_empty() {
                problems.push(
                    // M56
                    Problem::warning(
                        "tls_client.ciphers",
                        "no effect: `ciphers` is about TLS 1.2, and only TLS 1.3 is allowed",
                    )
                    .help("leave `ciphers` out, or write `protocols tls1.2 tls1.3`"),
                );
            }
        }
    }
}

/// Credentials that no server could take: RFC 4616 wants both.
fn check_account(account: &Account, what: &str, problems: &mut Vec<Problem>) {
    let unset =
        format!("is it a variable that is not set? A {what} may also be read from a file: `file:PATH`");
    if account.user.is_empty() {
        problems.push(Problem::error("auth", "the user name is empty").help(&*unset));
    }
    if matches!(&account.password, Password::Literal(secret) if secret.expose().is_empty()) {
        problems.push(Problem::error("auth", format!("the {what} is empty")).help(&*unset));
    }
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    let by_name = || matches!(endpoint.host(), Some("" | "localhost"));
    endpoint.ip().map_or_else(by_name, |ip| ip.to_canonical().is_loopback())
}
