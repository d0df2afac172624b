//! Many messages: over few connections, reported in their order, and interrupted.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
};

use serde_json::Value;

use super::support::{Run, Sink, command, file, finish, run, silent};

const ENVELOPE: [&str; 4] = ["--from", "a@example.org", "--to", "b@example.org"];

/// So many messages, by number, each in a file of the folder.
fn write_messages(folder: &Path, count: usize) -> Vec<PathBuf> {
    fs::create_dir_all(folder).unwrap();
    let paths = (1..=count).map(|number| folder.join(format!("{number:04}")));
    let written = paths.enumerate().inspect(|(at, path)| {
        fs::write(path, format!("Subject: {}\r\n\r\nbody {}\r\n", at + 1, at + 1)).unwrap();
    });
    written.map(|(_, path)| path).collect()
}

/// A Maildir with so many messages.
fn maildir(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_messages(&folder.path().join("new"), count);
    fs::create_dir(folder.path().join("cur")).unwrap();
    folder
}

fn mbox(count: usize) -> String {
    let separator = "From a@b Thu Jan  1 00:00:00 2026\n";
    (1..=count).map(|number| format!("{separator}Subject: {number}\n\nbody\n\n")).collect()
}

fn sending(target: &str, options: &[&str], inputs: &[&Path]) -> Command {
    let mut command = command();
    command.args(["send", "--target", target]).args(ENVELOPE).args(options).args(inputs);
    command
}

/// What does not depend on the moment.
fn lasting(mut report: Value) -> Value {
    report["elapsed_ms"].take();
    report["recipients"][0]["text"].take();
    // Content that is at hand at once goes with the envelope; that of a slow disk goes a turn later.
    report["round_trips"].take();
    report
}

fn names(reports: &[Value]) -> Vec<&str> {
    reports.iter().map(|report| report["message"].as_str().unwrap()).collect()
}

#[test]
fn many_messages_share_few_connections_and_are_reported_in_order() {
    // D28
    let folder = maildir(150);
    let mut reports = Vec::new();
    for (connections, least, most) in [("1", 2, 2), ("4", 2, 5)] {
        let sink = Sink::start(&["--discard"]);
        let options = ["--format", "json", "--connections", connections];
        let done = finish(&mut sending(&sink.endpoint, &options, &[folder.path()]), b"");
        assert_eq!((done.code, done.err.as_str()), (0, ""));
        let used: BTreeSet<_> = (0..150).map(|_| sink.record()["connection"].as_u64().unwrap()).collect();
        // One is good for a hundred messages, so one at most is replaced.
        assert!((least..=most).contains(&used.len()), "{connections}: {used:?}");
        let told = Run { out: done.out.replace(&sink.endpoint[6..], "SINK"), ..done }.json();
        assert_eq!(told.len(), 150);
        assert!(names(&told).is_sorted());
        reports.push(told.into_iter().map(lasting).collect::<Vec<_>>());
    }
    assert!(reports[0] == reports[1], "{:#?}", reports[0].iter().zip(&reports[1]).find(|(a, b)| a != b));
}

#[test]
fn two_thousand_messages_pass_with_few_file_descriptors() {
    let folder = maildir(2000);
    let sink = Sink::start(&["--discard"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 24 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_smtp-forward")]);
    limited.args(["send", "--format", "json", "--target", &sink.endpoint]).args(ENVELOPE).arg(folder.path());
    let done = finish(&mut limited, b"");
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert_eq!(done.out.lines().count(), 2000);
}

#[test]
fn each_message_has_its_own_outcome_and_the_worst_is_the_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let mut inputs = write_messages(folder.path(), 5);
    fs::write(&inputs[1], "Subject: x\r\n\r\na\0b\r\n").unwrap();
    fs::remove_file(&inputs[3]).unwrap();
    let sink = Sink::start(&["--discard"]);
    let status = |inputs: &[PathBuf]| {
        let inputs: Vec<_> = inputs.iter().map(PathBuf::as_path).collect();
        let done = finish(&mut sending(&sink.endpoint, &["--format", "json"], &inputs), b"");
        let told = done.json();
        assert_eq!(names(&told), inputs.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>());
        let outcomes: Vec<_> =
            told.iter().map(|report| report["outcome"].as_str().unwrap().to_owned()).collect();
        (done.code, outcomes)
    };
    let (code, outcomes) = status(&inputs);
    assert_eq!(outcomes, ["delivered", "rejected", "delivered", "deferred", "delivered"]);
    assert_eq!(code, 66);
    inputs.remove(3);
    assert_eq!(status(&inputs).0, 65);
    inputs.remove(1);
    assert_eq!(status(&inputs).0, 0);
}

/// Takes messages over any number of connections; `answer` is called with each content, and its reply is sent when it returns.
fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || session(&client, &*answer));
        }
    });
    endpoint
}

fn session(mut client: &TcpStream, answer: &(impl Fn(&str) -> String + ?Sized)) -> Option<()> {
    client.write_all(b"220 mx.example\r\n").ok()?;
    let mut content: Option<String> = None;
    for line in BufReader::new(client).lines() {
        let line = line.ok()?;
        let reply = match (content.as_mut(), line.as_str()) {
            (Some(_), ".") => answer(&content.take()?),
            (Some(content), line) => {
                content.push_str(line);
                content.push('\n');
                continue;
            }
            (None, "DATA") => {
                content = Some(String::new());
                "354 go".to_owned()
            }
            (None, _) => "250 ok".to_owned(),
        };
        client.write_all(format!("{reply}\r\n").as_bytes()).ok()?;
    }
    Some(())
}

#[test]
fn a_slow_message_is_waited_for_and_as_many_others_as_may_wait_pass_meanwhile() {
    // Four at a time, and four reports that wait.
    let passed = Arc::new((Mutex::new(0), Condvar::new()));
    let target = server(move |content| {
        let (count, changed) = &*passed;
        let mut count = count.lock().unwrap();
        if content.starts_with("Subject: 1\n") {
            count = changed.wait_while(count, |count| *count < 7).unwrap();
            return format!("250 behind {count}");
        }
        *count += 1;
        changed.notify_all();
        "250 ok".to_owned()
    });
    let folder = maildir(20);
    let done = finish(&mut sending(&target, &["--format", "json"], &[folder.path()]), b"");
    assert_eq!(done.code, 0, "{done:?}");
    let told = done.json();
    assert!(told.len() == 20 && names(&told).is_sorted(), "{done:?}");
    assert_eq!(told[0]["recipients"][0]["text"], "behind 7");
}

/// A run of the program that gets signals.
struct Running {
    child: Child,
    out: thread::JoinHandle<String>,
    err: mpsc::Receiver<String>,
    heard: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let out = thread::spawn(move || std::io::read_to_string(&mut out).unwrap());
        let (sender, err) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, out, err, heard: String::new() }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until a line of standard error has this in it.
    fn wait_for(&mut self, words: &str) {
        loop {
            let line = self.err.recv_timeout(super::support::PATIENCE).expect("more is said");
            self.heard.push_str(&line);
            self.heard.push('\n');
            if line.contains(words) {
                return;
            }
        }
    }

    fn end(mut self) -> Run {
        let code = self.child.wait().unwrap().code().expect("it ends by itself");
        self.heard.extend(self.err.iter().map(|line| line + "\n"));
        Run { code, out: self.out.join().unwrap(), err: self.heard }
    }
}

#[test]
fn the_first_interruption_finishes_what_is_under_way_and_accounts_for_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = write_messages(folder.path(), 12);
    let inputs: Vec<_> = inputs.iter().map(PathBuf::as_path).collect();
    let sink = Sink::start(&["--discard", "--latency", "300ms"]);
    let options = ["--format", "json", "--connections", "2"];
    let mut running = Running::start(&mut sending(&sink.endpoint, &options, &inputs));
    let mut arrived = vec![sink.record()];
    running.signal("INT");
    running.wait_for("once more to abort");
    let done = running.end();
    assert_eq!(done.code, 75, "{done:?}");
    assert!(done.err.contains("interrupted: finishing "), "{}", done.err);
    assert!(done.err.contains("interrupted: the last message taken was "), "{}", done.err);
    let told = done.json();
    assert_eq!(names(&told), inputs.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>());
    let delivered = told.iter().take_while(|report| report["outcome"] == "delivered").count();
    assert!((1..12).contains(&delivered), "{delivered}");
    for report in &told[delivered..] {
        let recipient = &report["recipients"][0];
        assert_eq!((&report["outcome"], &report["size"]), (&"deferred".into(), &Value::Null));
        assert_eq!((&recipient["text"], &recipient["local"]), (&"interrupted".into(), &true.into()));
        assert_eq!((&recipient["code"], &report["attempts"]), (&451.into(), &serde_json::json!([])));
    }
    arrived.extend((1..delivered).map(|_| sink.record()));
    assert!(sink.is_empty());
}

#[test]
fn the_second_interruption_aborts_and_says_who_may_have_the_message() {
    // D36: one server has the whole message and does not answer; the other has not even said hello.
    let (sender, content) = mpsc::channel();
    let sender = Mutex::new(sender);
    let holding = server(move |_| {
        sender.lock().unwrap().send(()).unwrap();
        thread::park();
        String::new()
    });
    let folder = maildir(1);
    for (target, outcome, signal) in [(holding, "uncertain", "INT"), (silent(), "deferred", "TERM")] {
        let mut running =
            Running::start(&mut sending(&target, &["-vv", "--format", "json"], &[folder.path()]));
        if outcome == "uncertain" {
            content.recv_timeout(super::support::PATIENCE).unwrap();
        } else {
            running.wait_for("sending");
        }
        running.signal(signal);
        running.wait_for("finishing 1 message; once more to abort");
        running.signal(signal);
        let done = running.end();
        assert_eq!(done.code, 75, "{done:?}");
        assert!(done.err.contains("interrupted: aborting 1 message"), "{done:?}");
        let report = done.object();
        let recipient = &report["recipients"][0];
        assert_eq!((&report["outcome"], &recipient["text"]), (&outcome.into(), &"interrupted".into()));
    }
}

#[test]
fn reports_that_nobody_reads_hold_up_neither_messages_nor_signals() {
    // A pipe that is full already: the first report waits for ever.
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    while (&theirs).write(&[b'x'; 4096]).is_ok() {}
    theirs.set_nonblocking(false).unwrap();
    let sink = Sink::start(&["--discard"]);
    let folder = maildir(3);
    let options = ["--format", "json", "--connections", "1"];
    let mut sending = sending(&sink.endpoint, &options, &[folder.path()]);
    sending.stdin(Stdio::null()).stdout(std::os::fd::OwnedFd::from(theirs)).stderr(Stdio::piped());
    let mut child = sending.spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
    for _ in 0..3 {
        sink.record();
    }
    for said in ["interrupted: ", "interrupted: ", "interrupted: not all reports were written"] {
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
        let line = err.next().unwrap().unwrap();
        assert!(line.contains(said), "{line}");
    }
    assert_eq!(child.wait().unwrap().code(), Some(75));
    drop(ours);
}

#[cfg(target_os = "linux")]
fn listens_for_interrupts(id: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & 0b10 != 0
}

#[cfg(target_os = "linux")]
#[test]
fn a_message_that_is_still_being_typed_is_not_waited_for() {
    let mut sending = sending("tcp://127.0.0.1:24", &["--format", "json"], &[Path::new("-")]);
    let mut child =
        sending.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let typed = child.stdin.take().unwrap();
    // Whoever does not listen yet is ended by the signal itself.
    while !listens_for_interrupts(child.id()) {
        thread::yield_now();
    }
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(75), "{done:?}");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&report["outcome"], &report["message"]), (&"deferred".into(), &"-".into()));
    drop(typed);
}

#[test]
fn what_is_left_of_an_mbox_and_of_a_maildir_is_summed_up_for_people() {
    let (_folder, mbox) = file(mbox(50));
    let maildir = maildir(30);
    let sink = Sink::start(&["--discard", "--latency", "100ms"]);
    let inputs = [Path::new(&mbox), maildir.path()];
    let running = Running::start(&mut sending(&sink.endpoint, &["--connections", "2"], &inputs));
    sink.record();
    running.signal("TERM");
    let done = running.end();
    assert_eq!(done.code, 75, "{done:?}");
    let taken = done.out.lines().filter(|line| line.starts_with(&mbox)).count();
    let left = format!("interrupted: {mbox} was not tried from message {} on\n", taken + 1);
    assert!(taken > 0 && done.err.contains(&left), "{left} {done:?}");
    let left = format!("interrupted: 30 messages of {} were not tried\n", maildir.path().display());
    assert!(done.err.contains(&left), "{left} {done:?}");
    assert!(done.err.contains(&format!("the last message taken was {mbox}#{taken}\n")), "{done:?}");
}

#[test]
fn the_embedded_server_says_of_each_message_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = write_messages(folder.path(), 30);
    let done = finish(
        command()
            .current_dir(folder.path())
            .args(["send", "--connections", "8"])
            .args(ENVELOPE)
            .args(&inputs),
        b"",
    );
    assert_eq!(done.code, 0, "{done:?}");
    let mut stored = done.out.lines().filter_map(|line| line.strip_prefix("  stored  "));
    for input in &inputs {
        let stored = fs::read(folder.path().join(stored.next().unwrap())).unwrap();
        assert_eq!(stored, fs::read(input).unwrap());
    }
    assert_eq!(stored.next(), None);
}

#[test]
fn the_transcript_tells_messages_apart() {
    let sink = Sink::start(&["--discard"]);
    let messages = maildir(3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transcript");
    let options = ["--tls", "off", "--transcript", path.to_str().unwrap()];
    let done = finish(&mut sending(&sink.endpoint, &options, &[messages.path()]), b"");
    assert_eq!(done.code, 0, "{done:?}");
    let text = fs::read_to_string(path).unwrap();
    for number in 1..=3 {
        let mine: Vec<_> =
            text.lines().filter_map(|line| line.split_once(&format!("Z #{number} "))).collect();
        assert_eq!(mine.iter().filter(|(_, line)| line.starts_with("C: MAIL ")).count(), 1, "{text}");
    }
    // What is kept is ended with QUIT.
    assert!(text.contains("C: QUIT"), "{text}");
}

/// Standard error on a pseudo-terminal, as `script` makes it; `None`: there is no such program.
fn on_a_terminal(arguments: &str) -> Option<String> {
    let mut script = Command::new("script");
    script
        .env("TERM", "xterm")
        .args(["-qec", &format!("exec {} {arguments}", env!("CARGO_BIN_EXE_smtp-forward"))]);
    let Ok(done) = script.arg("/dev/null").stdin(Stdio::null()).stderr(Stdio::inherit()).output() else {
        eprintln!("skipped: `script` of util-linux is not installed");
        return None;
    };
    assert!(done.status.success(), "{done:?}");
    Some(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[test]
fn the_bar_is_for_several_messages_on_a_terminal() {
    let sink = Sink::start(&["--discard"]);
    let (several, one) = (maildir(20), maildir(1));
    let send = |options: &str, input: &Path| {
        let target = &sink.endpoint;
        let envelope = ENVELOPE.join(" ");
        on_a_terminal(&format!("send {options} --target {target} {envelope} {} >/dev/null", input.display()))
    };
    let Some(shown) = send("", several.path()) else { return };
    assert!(shown.contains("20 messages, ") && shown.contains("100% of 20"), "{shown}");
    assert_eq!(send("--no-progress", several.path()).unwrap(), "");
    assert_eq!(send("", one.path()).unwrap(), "");
    // Logs are lines of their own.
    let shown = send("-v", several.path()).unwrap();
    let logged: Vec<_> =
        shown.split(['\r', '\n']).filter(|line| line.contains("smtp_forward::send")).collect();
    assert!(!logged.is_empty() && logged.iter().all(|line| !line.contains("% of")), "{logged:#?}");
    let box_of_two = file(mbox(2));
    assert!(send("", Path::new(&box_of_two.1)).unwrap().contains("2 messages, "));
    let missing = run(["send", "--target", &sink.endpoint, "/nonexistent"]);
    assert!(!missing.err.contains("messages, "));
}
