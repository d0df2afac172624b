//! The command line: what can be asked for, and nothing about how it is done.

use std::{ffi::OsString, num::NonZeroU16, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use smtp_proto::{
    Endpoint,
    address::{ClientName, ForwardPath, ReversePath},
};

use crate::{
    durations,
    exit::Failure,
    sink::options::{Account, CannedReply, Extension, Listen},
};

/// Forward mail over SMTP and LMTP, transparently and without losing or doubling it.
///
/// Try it without any set-up: `smtp-forward send MESSAGE` starts a capture server on this machine, sends the message to it over
/// STARTTLS, and says what became of every recipient.
#[derive(Debug, Parser)]
#[command(
    name = "smtp-forward",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = EXIT_STATUS
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: Log,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 every recipient of every message delivered; 64 usage; 65 message unreadable or unsendable as it is; \
66 input not found; 69 some recipient rejected; 75 some deferred or uncertain; 76 every target broke the protocol; \
77 authentication or TLS policy refused; 78 the configuration is wrong, or a file named on the command line is unusable.";

#[derive(Debug, Args)]
pub(crate) struct Log {
    /// How logs are written; they go to standard error
    #[arg(long, value_enum, default_value_t, global = true, value_name = "FORMAT", help_heading = "Logging")]
    pub(crate) log_format: Format,
    /// Log more: -v decisions, -vv the dialogue as well (secrets redacted). RUST_LOG overrides
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Logging")]
    pub(crate) verbose: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Forward messages and report what became of each recipient
    ///
    /// Where to: --target, or --config, or else an embedded capture server on this machine.
    ///
    /// Reports come in the order of the messages. Ctrl-C (or SIGTERM) takes no new message and finishes those under way; the second one
    /// drops their connections: then their recipients are reported as deferred, or as uncertain where the server may have the message.
    Send(Box<Send>),
    /// Receive messages and store them: a capture server for trying things out and for tests
    Sink(Box<Sink>),
    /// Connect to targets, stop before MAIL, and say what was found
    ///
    /// Exit status: 0 all targets usable, 75 some, 69 none, 77 TLS or authentication refused, 78 the configuration is wrong.
    Check(Box<Check>),
    /// Print completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page in troff form
    Man,
    #[command(hide = true, disable_help_flag = true)]
    Serve {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// A message file, a Maildir, an mbox, or - for standard input, which is the default
    #[arg(value_name = "MESSAGE")]
    pub(crate) messages: Vec<PathBuf>,
    /// What MESSAGE is. auto: a directory is a Maildir; a file whose first line is an mbox separator is an mbox, unless its name
    /// ends in .eml; standard input is one message
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    pub(crate) input: InputKind,
    /// Envelope sender; '<>' is the null sender. Default: the message's Return-Path, or else From
    #[arg(long, value_name = "ADDR", value_parser = sender)]
    pub(crate) from: Option<ReversePath>,
    /// Envelope recipient, can be repeated. Default: the message's To, Cc and Bcc
    #[arg(long, value_name = "ADDR", value_parser = recipient)]
    pub(crate) to: Vec<ForwardPath>,
    #[command(flatten)]
    pub(crate) connect: Connect,
    /// Where the embedded capture server stores messages: a Maildir, made if it is not there
    #[arg(long, value_name = "DIR", default_value = "./captured", conflicts_with = "destination")]
    pub(crate) capture_dir: PathBuf,
    /// What moves a message on to the next target [default: the configuration's, else until-usable]
    #[arg(long, value_enum, requires = "destination")]
    pub(crate) failover: Option<Failover>,
    /// Whether content goes by BDAT [default: the configuration's, else auto]
    #[arg(long, value_enum)]
    pub(crate) chunking: Option<Chunking>,
    /// Time for a whole delivery, all attempts together [default: the configuration's, else none]
    #[arg(long, value_name = "DURATION", value_parser = durations::parse, allow_hyphen_values = true, help_heading = "Timeouts")]
    pub(crate) total_timeout: Option<Duration>,
    /// Write the dialogue to FILE, secrets redacted, one line per protocol line, with times
    #[arg(long, value_name = "FILE")]
    pub(crate) transcript: Option<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Send up to N messages at a time, over as many connections to a target, each used for many messages; with --config for as many
    /// as its connection_reuse says, which is one unless set
    #[arg(long, value_name = "N", default_value = "4")]
    pub(crate) connections: NonZeroU16,
    /// Show no progress bar. There is one only where standard error is a terminal and there are several messages
    #[arg(long)]
    pub(crate) no_progress: bool,
}

/// Options that `send` and `check` share.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// Where to deliver, can be repeated: tcp://HOST:PORT, tls://HOST:PORT or unix://PATH, tried in order. Default of send: an
    /// embedded capture server
    #[arg(long, value_name = "ENDPOINT", group = "destination")]
    pub(crate) target: Vec<Endpoint>,
    /// Speak LMTP
    #[arg(long, requires = "destination")]
    pub(crate) lmtp: bool,
    /// The name in EHLO [default: the configuration's, else the machine's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<ClientName>,

    /// Take the target and everything about it from FILE, in the configuration language: a block `target.smtp` or `target.lmtp`, or a
    /// line `deliver_to`. --hostname, --failover, --chunking and the timeouts override what it says; options about TLS and authentication
    /// have no place beside it
    #[arg(long, value_name = "FILE", group = "destination", help_heading = "Configuration")]
    pub(crate) config: Option<PathBuf>,
    /// The block of this name or alias. Default: where the `deliver_to` line of FILE leads, or else its only block
    #[arg(long = "use", value_name = "NAME", requires = "config", help_heading = "Configuration")]
    pub(crate) use_block: Option<String>,

    /// STARTTLS on tcp:// targets [default: opportunistic, with --lmtp off]
    #[arg(long, value_enum, help_heading = "TLS")]
    pub(crate) tls: Option<Tls>,
    /// Trust the root certificates in FILE (PEM) in place of the platform's
    #[arg(long, value_name = "FILE", requires = "destination", help_heading = "TLS")]
    pub(crate) ca: Option<PathBuf>,
    /// The client's certificate (PEM), shown when the server asks for one
    #[arg(long, value_name = "FILE", requires_all = ["key", "destination"], help_heading = "TLS")]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["cert", "destination"], help_heading = "TLS")]
    pub(crate) key: Option<PathBuf>,
    /// The name the server's certificate must have [default: the target's host]
    #[arg(long, value_name = "NAME", requires = "destination", help_heading = "TLS")]
    pub(crate) server_name: Option<String>,

    /// Authenticate by MECH: plain, login, external, scram-sha-256, cram-md5, xoauth2, oauthbearer, or auto for the strongest that fits.
    /// auto never takes cram-md5, and needs a password, not a token
    #[arg(long, value_name = "MECH", requires = "destination", help_heading = "Authentication")]
    pub(crate) auth: Option<String>,
    /// The user; with external, whom to act as
    #[arg(long, value_name = "USER", requires = "auth", help_heading = "Authentication")]
    pub(crate) user: Option<String>,
    /// The file with the password, or the token of xoauth2 and oauthbearer, alone on its line. Without it: the environment variable SMTP_FORWARD_PASSWORD
    #[arg(long, value_name = "FILE", requires = "auth", help_heading = "Authentication")]
    pub(crate) password_file: Option<PathBuf>,

    /// Time to look up a target's name and connect to one of its addresses [default: the configuration's, else 5m]
    #[arg(long, value_name = "DURATION", value_parser = durations::parse, allow_hyphen_values = true, help_heading = "Timeouts")]
    pub(crate) connect_timeout: Option<Duration>,
    /// Time for the greeting and for each command with its reply [default: the configuration's, else 5m]
    #[arg(long, value_name = "DURATION", value_parser = durations::parse, allow_hyphen_values = true, help_heading = "Timeouts")]
    pub(crate) command_timeout: Option<Duration>,
    /// Time from the end of the content to the server's answer [default: the configuration's, else 12m]
    #[arg(long, value_name = "DURATION", value_parser = durations::parse, allow_hyphen_values = true, help_heading = "Timeouts")]
    pub(crate) submission_timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) connect: Connect,
    /// How the findings are written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Read the configuration, say what is wrong with it, and connect to nobody. Files that it names, such as certificates, are not
    /// looked at
    #[arg(long, requires = "config", help_heading = "Configuration")]
    pub(crate) syntax: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sink {
    /// Where to listen: tcp://HOST:PORT (0: any free port), tls://HOST:PORT or unix://PATH
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp://127.0.0.1:2525")]
    pub(crate) listen: Listen,
    /// Speak LMTP
    #[arg(long)]
    pub(crate) lmtp: bool,
    /// Where messages are stored: a Maildir, made if it is not there
    #[arg(long, value_name = "MAILDIR", default_value = "./captured", conflicts_with = "discard")]
    pub(crate) dir: PathBuf,
    /// Store nothing, only count
    #[arg(long)]
    pub(crate) discard: bool,
    /// The server's certificate (PEM): offers STARTTLS on tcp:// and unix://, TLS from the start on tls://
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Make a certificate for localhost and the listening host, and print the file to trust (for send --ca)
    #[arg(long, conflicts_with = "tls_cert")]
    pub(crate) tls_self_signed: bool,
    /// Demand authentication as USER with the password in PASSFILE
    #[arg(long, value_name = "USER:PASSFILE")]
    pub(crate) auth: Option<Account>,
    /// Delay each flight of replies, as a long line would
    #[arg(long, value_name = "DURATION", value_parser = durations::parse, allow_hyphen_values = true)]
    pub(crate) latency: Option<Duration>,
    /// Answer PHASE with CODE, can be repeated: rcpt=450:busy. PHASE: greeting, hello, starttls, auth, mail, rcpt, data or end
    #[arg(long, value_name = "PHASE=CODE[:TEXT]")]
    pub(crate) reply: Vec<CannedReply>,
    /// Do not offer EXTENSION, can be repeated
    #[arg(long, value_name = "EXTENSION", value_enum)]
    pub(crate) without: Vec<Extension>,
    /// The name in the greeting [default: the machine's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<ClientName>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputKind {
    /// Find out
    #[default]
    Auto,
    /// One message
    Message,
    /// Messages in an mbox
    Mbox,
    /// Messages in a Maildir
    Maildir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tls {
    /// No STARTTLS; tls:// targets use TLS all the same. With --auth, secrets go in clear to the others
    Off,
    /// STARTTLS where offered; when it fails, plaintext, and the report says so
    Opportunistic,
    /// No message and no secret without verified TLS
    Required,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Failover {
    /// Only what happens before a target is usable
    #[default]
    UntilUsable,
    /// Also recipients that a usable target did not take and did not refuse for good
    UntilDecided,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Chunking {
    /// Where the server offers CHUNKING and PIPELINING: it saves a round trip
    #[default]
    Auto,
    /// Wherever the server offers CHUNKING
    Yes,
    /// Never
    No,
}

fn sender(text: &str) -> Result<ReversePath, String> {
    if text.is_empty() {
        // An unset variable in a script must not turn into a bounce.
        return Err("the address is empty; the null sender is written '<>'".to_owned());
    }
    text.parse().map_err(|error: smtp_proto::address::AddressError| error.to_string())
}

fn recipient(text: &str) -> Result<ForwardPath, String> {
    text.parse().map_err(|error: smtp_proto::address::AddressError| error.to_string())
}

impl Command {
    /// Refuses what the final program has and this one does not, and what one thing says in two ways, rather than ignoring it.
    pub(crate) fn refuse(&self) -> Result<(), Failure> {
        match self {
            Self::Serve { .. } => Err(Failure::usage("the command `serve` is not built yet")),
            Self::Send(send) => send.connect.refuse_beside_configuration(),
            Self::Check(check) => check.connect.refuse_beside_configuration(),
            _ => Ok(()),
        }
    }
}

impl Connect {
    /// What a configuration says, or leaves out with intent, is not said again on the command line: half of a policy from here and half
    /// from there is nobody's policy.
    fn refuse_beside_configuration(&self) -> Result<(), Failure> {
        if self.config.is_none() {
            // Beside --target nobody else asks for --config.
            return match self.use_block {
                Some(_) => Err(Failure::usage("--use needs --config FILE")),
                None => Ok(()),
            };
        }
        let options = [
            (self.lmtp, "--lmtp", "target.lmtp"),
            (self.tls.is_some(), "--tls", "attempt_starttls or require_tls"),
            (self.ca.is_some(), "--ca", "tls_client { root_ca FILE }"),
            (self.cert.is_some(), "--cert", "tls_client { cert FILE }"),
            (self.key.is_some(), "--key", "tls_client { key FILE }"),
            (self.server_name.is_some(), "--server-name", "server_name"),
            (self.auth.is_some(), "--auth", "auth"),
        ];
        let given: Vec<_> = options
            .into_iter()
            .filter(|(given, ..)| *given)
            .map(|(_, option, directive)| format!("in place of {option} write {directive} in the file"))
            .collect();
        if given.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!("--config says all about TLS and authentication: {}", given.join("; "))))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_not_built_is_not_offered() {
        for name in ["send", "check"] {
            let mut command = Cli::command();
            let help = command.find_subcommand_mut(name).unwrap().render_long_help().to_string();
            for mechanism in smtp_proto::sasl::Mechanism::ALL {
                assert!(help.contains(&mechanism.name().to_lowercase()), "{name} {mechanism}");
            }
        }
        assert!(!Cli::command().render_long_help().to_string().contains("  serve "));
    }

    #[test]
    fn an_empty_sender_is_a_mistake_and_brackets_are_the_null_sender() {
        assert!(sender("").is_err());
        assert_eq!(sender("<>"), Ok(ReversePath::Null));
    }
}
