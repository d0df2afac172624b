//! Starting the program, and servers for it.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// No run takes this long; a hang is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A finished run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Standard output as JSON, one object a line.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:?}")))
            .collect()
    }

    /// The only JSON object.
    pub(crate) fn object(&self) -> Value {
        let mut objects = self.json();
        assert_eq!(objects.len(), 1, "{self:?}");
        objects.remove(0)
    }
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-forward"));
    for variable in
        ["SMTP_FORWARD_PASSWORD", "RUST_LOG", "NO_COLOR", "CLICOLOR_FORCE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
    {
        command.env_remove(variable);
    }
    command
}

/// Runs the program with nothing on standard input.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    finish(command().args(arguments), b"")
}

/// The same with everything set up by the caller.
pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let out = drain(child.stdout.take().unwrap());
    let err = drain(child.stderr.take().unwrap());
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the program hangs: {command:?}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let _ = writer.join();
    Run { code: status.code().expect("no signal"), out: out.join().unwrap(), err: err.join().unwrap() }
}

fn drain(mut pipe: impl std::io::Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe.read_to_string(&mut text);
        text
    })
}

/// A message of the corpus.
pub(crate) fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/messages").join(name)
}

pub(crate) fn welcome() -> String {
    corpus("welcome.eml").display().to_string()
}

/// A running `smtp-forward sink`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    child: Child,
    pub(crate) endpoint: String,
    /// What to trust, with `--tls-self-signed`.
    pub(crate) ca: Option<String>,
    folder: tempfile::TempDir,
    records: mpsc::Receiver<String>,
}

impl Sink {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::listening("tcp://127.0.0.1:0", arguments)
    }

    pub(crate) fn listening(endpoint: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command();
        command.args(["sink", "--listen", endpoint]).args(arguments);
        if !arguments.contains(&"--discard") {
            command.arg("--dir").arg(folder.path().join("mail"));
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut ca = None;
        let endpoint = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "the sink ended before it listened");
            match line.trim_end().split_once(' ') {
                Some(("listening", endpoint)) => break endpoint.to_owned(),
                Some(("ca", file)) => ca = Some(file.to_owned()),
                _ => {}
            }
        };
        drain(stderr);
        let (sender, records) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, endpoint, ca, folder, records }
    }

    /// The next message's record.
    pub(crate) fn record(&self) -> Value {
        let line = self.records.recv_timeout(PATIENCE).expect("a message has arrived");
        serde_json::from_str(&line).unwrap()
    }

    /// Nothing has arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.recv_timeout(Duration::from_millis(100)).is_err()
    }

    pub(crate) fn port(&self) -> u16 {
        self.endpoint.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub(crate) fn maildir(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// SIGTERM, by its process id; the exit status.
    pub(crate) fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        self.child.wait().unwrap().code().expect("it ends by itself")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `send` to a target with a plain envelope, JSON report.
pub(crate) fn send(target: &str, arguments: &[&str]) -> Run {
    let base =
        ["send", "--format", "json", "--target", target, "--from", "a@example.org", "--to", "b@example.org"];
    let message = welcome();
    run(base.into_iter().chain(arguments.iter().copied()).chain([message.as_str()]))
}

/// A server that says these replies, one per line it gets, the first as a greeting; then it hangs up.
///
/// A line of a script may hold several lines. After a 354, lines up to the dot are content. `HANGUP` is to say nothing and go.
pub(crate) fn scripted(script: &[&str]) -> String {
    let script: Vec<String> = script.iter().map(|line| (*line).to_owned()).collect();
    serve(move |stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        let mut in_content = false;
        for (at, reply) in script.iter().enumerate() {
            if at > 0 {
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    if !in_content || line == ".\r\n" {
                        break;
                    }
                }
            }
            if reply == "HANGUP" {
                return;
            }
            in_content = reply.starts_with("354");
            if stream.write_all(format!("{reply}\r\n").as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// A server by hand: called for each client. Its thread lives as long as the tests.
pub(crate) fn serve(client: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            client(stream);
        }
    });
    format!("tcp://127.0.0.1:{port}")
}

/// A server that takes clients and says nothing.
pub(crate) fn silent() -> String {
    serve(|mut stream| {
        thread::spawn(move || {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        });
    })
}

/// A port of this machine where nobody listens.
pub(crate) fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp://127.0.0.1:{}", listener.local_addr().unwrap().port())
}

/// A file with this content, in a folder that lives as long as the value.
pub(crate) fn file(content: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, content).unwrap();
    let name = path.display().to_string();
    (folder, name)
}

/// Files in a folder that lives as long as the value.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// With `mail.conf`, and these files beside it.
    pub(crate) fn new(configuration: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files.iter().chain(&[("mail.conf", configuration)]) {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        Self(folder)
    }

    /// The program, in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        finish(&mut self.command(arguments), b"")
    }

    /// `send --config mail.conf`, from one to one, with a report in JSON.
    pub(crate) fn send(&self, arguments: &[&str]) -> Run {
        let mut all = vec!["send", "--config", "mail.conf", "--format", "json"];
        all.extend(["--from", "a@example.org", "--to", "b@example.org"]);
        all.extend(arguments);
        let message = welcome();
        all.push(&message);
        self.run(&all)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A listener that nobody serves, with so many clients waiting that it answers no further one; and where it is.
pub(crate) fn black_hole() -> ((tokio::net::TcpListener, Vec<TcpStream>), String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(1).unwrap()
    });
    let address = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    while let Ok(client) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        clients.push(client);
        assert!(clients.len() < 100, "the backlog never fills");
    }
    ((listener, clients), format!("tcp://{address}"))
}
