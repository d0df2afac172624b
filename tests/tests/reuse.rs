//! Kept connections over real sockets: servers that hang up when they like, runtimes that end, a process without file descriptors.
#![cfg(unix)]

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use smtp_proto::{Config, Envelope, Outcome, Plan, Report, address::Mailbox, error::Kind, pool::Limits};

/// Nothing here takes that long.
const WATCHDOG: Duration = Duration::from_secs(20);

/// A server on this machine, with a thread for each connection.
struct Server {
    endpoint: String,
    notes: Arc<Mutex<Notes>>,
    /// What it wants to be known at once: `end` of content, `quit`, `gone`.
    told: mpsc::Receiver<&'static str>,
}

#[derive(Default)]
struct Notes {
    now: usize,
    most: usize,
    all: usize,
    quits: usize,
    /// How often each message was taken.
    taken: BTreeMap<String, usize>,
}

/// How a server behaves once it has taken a message over a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Steady,
    /// Hangs up after a message, or at the next one, when it likes.
    Moody,
    /// Never answers to the content.
    Mute,
}

impl Server {
    fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("tcp://{}", listener.local_addr().expect("an address"));
        let notes = Arc::new(Mutex::new(Notes::default()));
        let (tell, told) = mpsc::channel();
        let shared = Arc::clone(&notes);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (socket, notes, tell) = (socket.expect("a client"), Arc::clone(&shared), tell.clone());
                let number = {
                    let mut notes = notes.lock().unwrap();
                    (notes.now, notes.all) = (notes.now + 1, notes.all + 1);
                    notes.most = notes.most.max(notes.now);
                    notes.all
                };
                thread::spawn(move || {
                    let last_words = serve(&socket, &notes, &tell, number, manner).unwrap_or_default();
                    // Counted out before the client can know that it is gone.
                    notes.lock().unwrap().now -= 1;
                    let _ = (&socket).write_all(last_words.as_bytes());
                    drop(socket);
                    let _ = tell.send(if last_words == BYE { "quit" } else { "gone" });
                });
            }
        });
        Self { endpoint, notes, told }
    }

    /// Until it has happened.
    fn wait_for(&self, what: &str) {
        while self.told.recv_timeout(WATCHDOG).expect("it happens") != what {}
    }

    fn plan(&self, connections: usize) -> Plan {
        plan(&self.endpoint).with_reuse(Some(Limits::connections(connections)))
    }
}

const BYE: &str = "221 2.0.0 bye\r\n";

/// Serves a client until it says QUIT, or one of the two hangs up; what is to be said last.
fn serve(
    mut socket: &TcpStream,
    notes: &Mutex<Notes>,
    tell: &mpsc::Sender<&'static str>,
    number: usize,
    manner: Manner,
) -> std::io::Result<&'static str> {
    let (mut sender, mut in_content, mut messages) = (String::new(), false, 0);
    socket.set_nodelay(true)?;
    socket.write_all(b"220 mx.example\r\n")?;
    for line in BufReader::new(socket).lines() {
        let line = line?;
        let mood = if manner == Manner::Moody && messages > 0 { (number * 7 + messages * 3) % 5 } else { 0 };
        let answer: &[u8] = match line.as_str() {
            "." if manner == Manner::Mute => {
                let _ = tell.send("end");
                continue;
            }
            "." => {
                messages += 1;
                *notes.lock().unwrap().taken.entry(sender.clone()).or_default() += 1;
                b"250 2.0.0 queued\r\n"
            }
            _ if in_content => continue,
            "DATA" => b"354 go\r\n",
            "QUIT" => {
                notes.lock().unwrap().quits += 1;
                return Ok(BYE);
            }
            line if line.starts_with("EHLO") => b"250-mx.example\r\n250-PIPELINING\r\n250 SIZE\r\n",
            line if line.starts_with("MAIL") => {
                match mood {
                    1 => return Ok(""),
                    2 => return Ok("421 4.4.2 enough\r\n"),
                    _ => {}
                }
                sender = line.to_owned();
                b"250 ok\r\n"
            }
            _ => b"250 ok\r\n",
        };
        in_content = line == "DATA";
        socket.write_all(answer)?;
        if line == "." && manner == Manner::Moody && (number * 7 + messages * 3) % 5 == 3 {
            return Ok("");
        }
    }
    Ok("")
}

fn plan(endpoint: &str) -> Plan {
    let config = Config::new("client.example".parse().expect("a name"));
    Plan::new([endpoint.parse().expect("an endpoint")], &config).expect("a plan")
}

fn envelope(number: usize) -> Envelope {
    let mailbox = |text: &str| text.parse::<Mailbox>().expect("a mailbox");
    Envelope::new(
        mailbox(&format!("alice{number}@example.org")).into(),
        vec![mailbox("bob@example.net").into()],
    )
}

fn replaced(report: &Report) -> bool {
    let mut notices = report.attempts.iter().flat_map(|attempt| &attempt.notices);
    notices.any(|notice| matches!(notice, smtp_proto::Notice::Replaced))
}

fn tokio() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// The programs, once for each client.
macro_rules! programs {
    ($name:ident, $client:ident, $spawn:path) => {
        mod $name {
            use super::*;
            use $client::{Client, Message};

            /// All at once; the reports.
            pub(super) async fn many(plan: Plan, count: usize) -> Vec<Report> {
                let client = Client::new(plan);
                let send = |number| {
                    let client = client.clone();
                    $spawn(async move {
                        client.send(envelope(number), Message::from("Subject: x\r\n\r\nx\r\n")).await
                    })
                };
                let sendings: Vec<_> = (0..count).map(send).collect();
                let mut reports = Vec::new();
                for sending in sendings {
                    // A handle's output is wrapped by one runtime and not by the other.
                    reports.push(super::Outer::flat(sending.await));
                }
                client.close().await;
                reports
            }

            pub(super) async fn one(client: &Client, number: usize) -> Report {
                client
                    .send(envelope(number), Message::from("Subject: x\r\n\r\nx\r\n"))
                    .await
                    .expect("a source")
            }

            /// Sends one and goes without a word.
            pub(super) async fn forget(plan: Plan) {
                let client = Client::new(plan);
                assert_eq!(one(&client, 0).await.outcome(), Outcome::Delivered);
            }

            /// Sends with and without a file descriptor to be had.
            pub(super) async fn starve(plan: Plan) {
                // A runtime that has had nothing to do yet wants file descriptors for itself.
                let client = Client::new(plan.clone());
                assert_eq!(one(&client, 9).await.outcome(), Outcome::Delivered);
                client.close().await;
                let client = Client::new(plan);
                let hoard = || std::iter::from_fn(|| File::open("/dev/null").ok()).collect::<Vec<_>>();
                let all = hoard();
                assert!(!all.is_empty());
                let report = one(&client, 0).await;
                assert_eq!(report.outcome(), Outcome::Deferred, "{report:?}");
                assert_eq!(report.attempts[0].kind(), Some(Kind::Network));
                let text = report.attempts[0].error.as_ref().expect("an error").full_text();
                assert!(text.to_lowercase().contains("too many open files"), "{text}");
                drop(all);
                assert_eq!(one(&client, 1).await.outcome(), Outcome::Delivered);
                // What is kept needs no new one.
                let all = hoard();
                let report = one(&client, 2).await;
                assert!(report.outcome() == Outcome::Delivered && report.attempts[0].reused, "{report:?}");
                drop(all);
                client.close().await;
            }
        }
    };
}

/// What a task's handle gives, without its wrapping.
trait Outer<T> {
    fn flat(self) -> T;
}

impl<E: std::fmt::Debug> Outer<Report> for Result<Report, E> {
    fn flat(self) -> Report {
        self.expect("a report")
    }
}

impl<E: std::fmt::Debug> Outer<Report> for Result<Result<Report, E>, tokio::task::JoinError> {
    fn flat(self) -> Report {
        self.expect("no panic").expect("a report")
    }
}

programs!(on_tokio, smtp_client_tokio, tokio::spawn);
programs!(on_async_std, smtp_client_async_std, async_std::task::spawn);

fn delivered_once(server: &Server, reports: &[Report], count: usize, most: usize) {
    let notes = server.notes.lock().unwrap();
    for report in reports {
        assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
        assert_eq!(report.attempts.len(), 1, "{report:?}");
    }
    assert_eq!((reports.len(), notes.taken.len()), (count, count));
    assert!(notes.taken.values().all(|times| *times == 1), "{:?}", notes.taken);
    assert!(notes.most <= most, "{} connections at a time", notes.most);
}

#[test]
fn two_hundred_at_once_go_through_four_connections() {
    // D28
    for on_tokio in [true, false] {
        let server = Server::new(Manner::Steady);
        let reports = match on_tokio {
            true => tokio().block_on(on_tokio::many(server.plan(4), 200)),
            false => async_std::task::block_on(on_async_std::many(server.plan(4), 200)),
        };
        delivered_once(&server, &reports, 200, 4);
        let notes = server.notes.lock().unwrap();
        assert_eq!(notes.quits, notes.all, "close() says goodbye on each");
        assert!(notes.all <= 8, "{} connections for 200 messages", notes.all);
    }
}

#[test]
fn two_thousand_at_once_go_through_sixty_four_connections() {
    // D28
    for on_tokio in [true, false] {
        let server = Server::new(Manner::Steady);
        let reports = match on_tokio {
            true => tokio().block_on(on_tokio::many(server.plan(64), 2000)),
            false => async_std::task::block_on(on_async_std::many(server.plan(64), 2000)),
        };
        delivered_once(&server, &reports, 2000, 64);
    }
}

#[test]
fn a_server_that_hangs_up_when_it_likes_gets_every_message_once() {
    // D28: right after a message, in the place of an answer to MAIL, with a 421.
    for on_tokio in [true, false] {
        let server = Server::new(Manner::Moody);
        let reports = match on_tokio {
            true => tokio().block_on(on_tokio::many(server.plan(4), 200)),
            false => async_std::task::block_on(on_async_std::many(server.plan(4), 200)),
        };
        delivered_once(&server, &reports, 200, 4);
        let replaced = reports.iter().filter(|report| replaced(report)).count();
        assert!(replaced > 10, "{replaced} replaced");
    }
}

#[test]
fn a_client_that_is_dropped_says_quit_where_a_runtime_runs() {
    let server = Server::new(Manner::Steady);
    let runtime = tokio();
    runtime.block_on(on_tokio::forget(server.plan(4)));
    server.wait_for("quit");
    async_std::task::block_on(on_async_std::forget(server.plan(4)));
    server.wait_for("quit");
    assert_eq!(server.notes.lock().unwrap().quits, 2);
}

#[test]
fn a_runtime_may_end_while_connections_are_idle() {
    let server = Server::new(Manner::Steady);
    let client = smtp_client_tokio::Client::new(server.plan(4));
    for number in 0..3 {
        let runtime = tokio();
        let report = runtime.block_on(on_tokio::one(&client, number));
        assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
        // A socket of a runtime that is gone would be of no use to the next.
        assert!(!report.attempts[0].reused && report.attempts.len() == 1, "{report:?}");
        drop(runtime);
        server.wait_for("gone");
    }
    // And outside of any it is closed, without a word.
    let runtime = tokio();
    assert_eq!(runtime.block_on(on_tokio::one(&client, 3)).outcome(), Outcome::Delivered);
    drop(client);
    drop(runtime);
    server.wait_for("gone");
    assert_eq!(server.notes.lock().unwrap().quits, 0);
}

#[test]
fn a_runtime_that_ends_takes_no_connection_of_another_with_it() {
    let server = Server::new(Manner::Steady);
    let client = smtp_client_tokio::Client::new(server.plan(1));
    let (first, second) = (tokio(), tokio());
    for (number, runtime) in [(0, &first), (1, &second)] {
        let report = runtime.block_on(on_tokio::one(&client, number));
        assert!(report.outcome() == Outcome::Delivered && !report.attempts[0].reused, "{report:?}");
    }
    drop(first);
    let report = second.block_on(on_tokio::one(&client, 2));
    assert!(report.outcome() == Outcome::Delivered && report.attempts[0].reused, "{report:?}");
}

#[test]
fn a_runtime_may_end_while_messages_are_under_way() {
    // D29
    let (mute, server) = (Server::new(Manner::Mute), Server::new(Manner::Steady));
    let client = smtp_client_tokio::Client::new(mute.plan(1));
    for _ in 0..2 {
        let runtime = tokio();
        // One has the connection, the others wait for it.
        for number in 0..3 {
            let client = client.clone();
            runtime.spawn(async move { on_tokio::one(&client, number).await });
        }
        mute.wait_for("end");
        drop(runtime);
        mute.wait_for("gone");
    }
    assert_eq!(mute.notes.lock().unwrap().most, 1);
    let client = smtp_client_tokio::Client::new(server.plan(1));
    assert_eq!(tokio().block_on(on_tokio::one(&client, 9)).outcome(), Outcome::Delivered);
}

/// One that runs only while something is waited for.
fn tokio_on_this_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WATCHDOG, future).await.expect("it ends")
}

#[test]
fn a_connection_of_a_runtime_that_stands_still_is_of_no_use_to_another() {
    // Nobody would look at its socket, nor at its clock.
    let server = Server::new(Manner::Steady);
    let client = smtp_client_tokio::Client::new(server.plan(1));
    let runtimes = [tokio_on_this_thread(), tokio_on_this_thread()];
    for number in 0..4 {
        let runtime = &runtimes[number % 2];
        let report = runtime.block_on(in_time(on_tokio::one(&client, number)));
        assert!(report.outcome() == Outcome::Delivered && report.attempts.len() == 1, "{report:?}");
    }
    let all = server.notes.lock().unwrap().all;
    assert_eq!(all, 4, "each opens one of its own");
}

#[test]
fn a_runtime_may_end_while_another_keeps_connections_of_the_same_client() {
    let server = Server::new(Manner::Steady);
    let client = smtp_client_tokio::Client::new(server.plan(2));
    let (stays, ends) = (tokio(), tokio());
    let (body, rest) = std::os::unix::net::UnixStream::pair().expect("two sockets");
    let slow = ends.spawn({
        let client = client.clone();
        async move {
            body.set_nonblocking(true).expect("a socket");
            let body = tokio::net::UnixStream::from_std(body).expect("a socket");
            client.send(envelope(0), smtp_client_tokio::Message::from_reader(body)).await.expect("a source")
        }
    });
    while server.notes.lock().unwrap().all == 0 {
        thread::yield_now();
    }
    // Its connection is kept first, and the other one later.
    assert_eq!(stays.block_on(on_tokio::one(&client, 1)).outcome(), Outcome::Delivered);
    drop(rest);
    assert_eq!(ends.block_on(slow).expect("no panic").outcome(), Outcome::Delivered);
    drop(ends);
    for number in 2..4 {
        let report = stays.block_on(in_time(on_tokio::one(&client, number)));
        assert!(report.outcome() == Outcome::Delivered && report.attempts.len() == 1, "{report:?}");
    }
    stays.block_on(in_time(client.close()));
}

const PORT: &str = "SMTP_TEST_STARVING";

/// Runs this test in a process that may open few files.
fn starving(test: &str, server: &Server) {
    let program = std::env::current_exe().expect("this program");
    let run = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact --ignored --nocapture \"$1\""])
        .arg(program)
        .arg(test)
        .env(PORT, &server.endpoint)
        .output()
        .expect("a shell");
    let told = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && told.contains("1 passed"), "{told}");
    assert_eq!(server.notes.lock().unwrap().taken.len(), 3);
}

fn starved() -> Plan {
    plan(&std::env::var(PORT).expect("the address of a server"))
}

#[test]
fn without_file_descriptors_a_message_is_deferred_and_the_client_recovers() {
    starving("on_tokio_without_file_descriptors", &Server::new(Manner::Steady));
    starving("on_async_std_without_file_descriptors", &Server::new(Manner::Steady));
}

#[test]
#[ignore = "in a process of its own"]
fn on_tokio_without_file_descriptors() {
    tokio().block_on(on_tokio::starve(starved()));
}

#[test]
#[ignore = "in a process of its own"]
fn on_async_std_without_file_descriptors() {
    async_std::task::block_on(on_async_std::starve(starved()));
}
