//! A private server that lives no longer than the test.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::mail::Mail;

/// Starts the server, waits for the end of its standard input, stops the server.
///
/// The other end of the pipe is held by the test process alone, so it closes when that process ends, however it ends: by a panic, a
/// signal or a kill, no server stays behind. Signals to the test's process group do not get here (see `process_group`).
const SUPERVISOR: &str = r#"
trap : INT TERM HUP
top=$(mktemp -d /tmp/smtp-real.XXXXXX) && chmod 755 "$top" || exit 1
"$1" start "$top/server" </dev/null >"$top/start.log" 2>&1
echo "$? $top"
while read -r _ || (($? > 128)); do :; done
"$1" stop "$top/server" >/dev/null
rm -rf "$top"
"#;

const POSTFIX_TOP: &[&str] = &["Return-Path:", "X-Original-To:", "Delivered-To:", "Received:"];
/// `Delivered-To` only where there is one recipient.
const DOVECOT_TOP: &[&str] = &["Return-Path:", "Delivered-To:?", "Received:"];

/// The fields that the server of a script puts on top of a message.
fn top_fields(script: &str) -> &'static [&'static str] {
    match script {
        "postfix.sh" => POSTFIX_TOP,
        "dovecot.sh" => DOVECOT_TOP,
        "exim.sh" => &["Return-path:", "Received:"],
        // No `Return-Path` where the sender is null.
        "opensmtpd.sh" => &["Return-Path:?", "Delivered-To:", "Received:"],
        // These are the handler's own.
        "aiosmtpd.sh" => &["Return-Path:", "Received:"],
        other => panic!("{other} is not known"),
    }
}

/// A running server.
pub(crate) struct Host {
    top: &'static [&'static str],
    dir: PathBuf,
    ports: BTreeMap<String, String>,
    supervisor: Child,
    /// Open as long as the server is to run.
    alive: Option<ChildStdin>,
}

impl Host {
    /// Starts the server of a script in `tests/servers`. The error is the reason why that is not possible on this machine.
    pub(crate) fn start(script: &str) -> Result<Self, String> {
        let top_fields = top_fields(script);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(script);
        let mut supervisor = Command::new("bash")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("no bash: {error}"))?;
        let alive = supervisor.stdin.take();
        let mut answer = String::new();
        let stdout = supervisor.stdout.take().expect("piped above");
        BufReader::new(stdout).read_line(&mut answer).expect("the supervisor answers");
        let (status, top) = answer.trim_end().split_once(' ').expect("status and directory");
        let dir = Path::new(top).join("server");
        let words = fs::read_to_string(Path::new(top).join("start.log")).unwrap_or_default();
        let mut host = Self { top: top_fields, dir, ports: BTreeMap::new(), supervisor, alive };
        match status {
            "0" => {}
            "77" => return Err(words.trim_end().to_owned()),
            other => panic!("{} ended with status {other}: {words}", script.display()),
        }
        host.ports = env_file(&host.dir.join("ports.env"));
        Ok(host)
    }

    /// A value of `ports.env`.
    pub(crate) fn value(&self, key: &str) -> &str {
        self.ports.get(key).unwrap_or_else(|| panic!("no {key} in ports.env"))
    }

    /// `tcp://` on loopback, for the key of a port.
    pub(crate) fn tcp(&self, key: &str) -> String {
        format!("tcp://127.0.0.1:{}", self.value(key))
    }

    /// The name in the certificate instead of the address.
    pub(crate) fn by_name(&self, scheme: &str, key: &str) -> String {
        format!("{scheme}://localhost:{}", self.value(key))
    }

    /// The text of a file made by `certs.sh`.
    pub(crate) fn pem(&self, name: &str) -> Vec<u8> {
        fs::read(Path::new(self.value("TLS_DIR")).join(name)).expect("a certificate or key")
    }

    /// What the server stores.
    pub(crate) fn mail(&self) -> Mail {
        let queue = match fs::read_to_string(self.dir.join("postfix.spool")) {
            Ok(spool) => ["maildrop", "incoming", "active", "deferred", "hold"]
                .map(|queue| Path::new(spool.trim_end()).join(queue))
                .to_vec(),
            Err(_) => self.ports.get("QUEUE").map(PathBuf::from).into_iter().collect(),
        };
        Mail::new(self.value("MAIL_DIR"), queue, self.top)
    }

    /// Whether `ports.env` has it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.ports.contains_key(key)
    }

    /// The private Dovecot that answers Postfix's AUTH, which takes mail by LMTP as well.
    pub(crate) fn sasl(&self) -> Beside {
        Beside { ports: env_file(&self.dir.join("sasl/ports.env")) }
    }

    /// The server's log so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.value("LOG")).unwrap_or_default()).into_owned()
    }

    /// Its end.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.alive.take());
        let _ = self.supervisor.wait();
    }
}

/// A second server that came with the first.
pub(crate) struct Beside {
    ports: BTreeMap<String, String>,
}

impl Beside {
    pub(crate) fn lmtp(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.ports["LMTP_PORT"])
    }

    pub(crate) fn mail(&self) -> Mail {
        Mail::new(&self.ports["MAIL_DIR"], Vec::new(), DOVECOT_TOP)
    }
}

fn env_file(path: &Path) -> BTreeMap<String, String> {
    let mut text = String::new();
    fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)).expect("ports.env");
    text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}
