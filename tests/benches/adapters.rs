//! The two adapters side by side, over loopback against the program's own sink: messages a second, processor time, memory.
//!
//! ```text
//! cargo build --release -p smtp-forward && cargo bench -p smtp-testkit --bench adapters
//! ```
//! Each sender is a task of its own, on the runtime's workers, two of them: as programs are that use them. Each figure is the median of
//! several runs, which take turns, since the machine is never quiet. `MESSAGES` sets how many messages a run has (10,000).
//!
//! A message is one write and one reply here, so the least that a runtime can take for one is what NOOP takes over a bare socket of its
//! own: that is measured as well, and what is above it is the adapter's.

use std::{
    env, fs,
    future::poll_fn,
    io::{BufRead, BufReader},
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use smtp_proto::{
    Config, Endpoint, Envelope, Outcome, Plan, Recipient, Sender, address::Mailbox, pool::Limits,
};

#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

const RUNS: usize = 5;
const CONTENT: &[u8] = b"Subject: bench\r\nFrom: ada@example.org\r\nTo: grace@example.net\r\n\r\nTwo lines of text,\r\nand no more than that.\r\n";

fn main() {
    let messages = env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    // Slow, so that all connections are open at the same time.
    let slow = Sink::start(&["--latency", "2s"]);
    for runtime in RUNTIMES {
        idle(runtime, &slow.endpoint, 1_000);
    }
    drop(slow);
    let sink = Sink::start(&[]);
    println!("\n{messages} messages of {} octets, medians of {RUNS} runs", CONTENT.len());
    for connections in [1, 64] {
        let mut rows = [Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            for (runtime, row) in RUNTIMES.iter().zip(&mut rows) {
                row.push(took(messages, || (runtime.alone)(address(&sink.endpoint), messages, connections)));
            }
        }
        table(&format!("{connections} connections, NOOP over bare sockets"), &mut rows);
        let mut rows = [Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            for (runtime, row) in RUNTIMES.iter().zip(&mut rows) {
                row.push(run(runtime, &sink.endpoint, connections, messages, connections));
            }
        }
        table(&format!("{connections} connections, as many senders"), &mut rows);
    }
    let mut rows = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for (runtime, row) in RUNTIMES.iter().zip(&mut rows) {
            row.push(run(runtime, &sink.endpoint, 64, messages, 2_000));
        }
    }
    table("64 connections, 2,000 senders at a time", &mut rows);
}

/// What a run took.
#[derive(Clone, Copy)]
struct Took {
    rate: f64,
    processor: Duration,
}

fn table(title: &str, rows: &mut [Vec<Took>; 2]) {
    println!("\n{title}");
    let mut rates = Vec::new();
    for (runtime, row) in RUNTIMES.iter().zip(rows) {
        row.sort_by(|one, other| one.rate.total_cmp(&other.rate));
        let median = row[row.len() / 2];
        rates.push(median.rate);
        println!(
            "  {:<9} {:>8.0} messages/s   {:>6.1} ms of processor time per 1,000 messages",
            runtime.name,
            median.rate,
            median.processor.as_secs_f64() * 1e3
        );
    }
    println!("  ratio     {:>8.2}", rates[0] / rates[1]);
}

struct Runtime {
    name: &'static str,
    /// Sends so many messages to the endpoint over so many connections, so many at a time.
    send: fn(&Plan, usize, usize),
    /// Opens so many connections and leaves them; the heap they hold.
    idle: fn(&Plan, usize) -> usize,
    /// So many NOOPs over so many bare sockets.
    alone: fn(SocketAddr, usize, usize),
}

macro_rules! runtime {
    ($name:literal, $adapter:ident, $socket:path, ($($traits:path),*), $spawn:path, $block_on:expr) => {
        Runtime {
            name: $name,
            send: |plan, messages, senders| {
                let client = $adapter::Client::new(plan.clone());
                let next = Arc::new(AtomicUsize::new(0));
                $block_on(async move {
                    let sending = (0..senders).map(|_| {
                        let (client, next) = (client.clone(), Arc::clone(&next));
                        $spawn(async move {
                            while next.fetch_add(1, Ordering::Relaxed) < messages {
                                let report =
                                    client.send(envelope(), CONTENT).await.expect("nothing fails here");
                                assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
                            }
                        })
                    });
                    let sending: Vec<_> = sending.collect();
                    for sender in sending {
                        let _ = sender.await;
                    }
                    client.close().await;
                });
            },
            idle: |plan, connections| {
                $block_on(async {
                    let client = $adapter::Client::new(plan.clone());
                    let deliver = |client: $adapter::Client| async move {
                        // Boxed, so that a waker that outlives it keeps little of it.
                        let report =
                            Box::pin(client.send(envelope(), CONTENT)).await.expect("nothing fails here");
                        assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
                    };
                    deliver(client.clone()).await;
                    let before = ALLOCATOR.current_usage();
                    ramp((0..connections).map(|_| deliver(client.clone()))).await;
                    let kept = ALLOCATOR.current_usage().saturating_sub(before);
                    client.close().await;
                    kept
                })
            },
            alone: |address, messages, connections| {
                $(use $traits as _;)*
                use $socket as Socket;
                let next = Arc::new(AtomicUsize::new(0));
                $block_on(async move {
                    let asking = (0..connections).map(|_| {
                        let next = Arc::clone(&next);
                        $spawn(async move {
                            let mut socket = Socket::connect(address).await.expect("the sink");
                            socket.set_nodelay(true).expect("a socket");
                            let mut reply = [0; 1024];
                            assert!(socket.read(&mut reply).await.expect("a greeting") > 0);
                            while next.fetch_add(1, Ordering::Relaxed) < messages {
                                socket.write_all(b"NOOP\r\n").await.expect("an open socket");
                                assert!(socket.read(&mut reply).await.expect("a reply") > 0);
                            }
                        })
                    });
                    let asking: Vec<_> = asking.collect();
                    for task in asking {
                        let _ = task.await;
                    }
                });
            },
        }
    };
}

static RUNTIMES: &[Runtime; 2] = &[
    runtime!(
        "tokio",
        smtp_client_tokio,
        tokio::net::TcpStream,
        (tokio::io::AsyncReadExt, tokio::io::AsyncWriteExt),
        tokio::spawn,
        |future| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(future)
        }
    ),
    runtime!(
        "async-std",
        smtp_client_async_std,
        async_std::net::TcpStream,
        (async_std::io::ReadExt, async_std::io::WriteExt),
        async_std::task::spawn,
        async_std::task::block_on
    ),
];

/// Runs all of them on this thread, begun a few at a time, so that no server has too many clients who are waiting to be taken.
async fn ramp<F: Future<Output = ()>>(mut futures: impl Iterator<Item = F> + Unpin) {
    let mut begun = FuturesUnordered::new();
    poll_fn(|cx| {
        for future in futures.by_ref() {
            begun.push(future);
            let _ = begun.poll_next_unpin(cx);
            std::thread::sleep(Duration::from_millis(1));
        }
        while std::task::ready!(begun.poll_next_unpin(cx)).is_some() {}
        Poll::Ready(())
    })
    .await;
}

fn plan(endpoint: &Endpoint, connections: usize) -> Plan {
    let config = Config::new("client.example".parse().expect("a name"));
    let mut limits = Limits::connections(connections);
    limits.messages = u32::MAX;
    Plan::new([endpoint.clone()], &config).expect("a plan").with_reuse(Some(limits))
}

fn envelope() -> Envelope {
    let sender: Mailbox = "ada@example.org".parse().expect("an address");
    let recipient: Mailbox = "grace@example.net".parse().expect("an address");
    Envelope::new(Sender::from(sender), vec![Recipient::from(recipient)])
}

fn run(runtime: &Runtime, endpoint: &Endpoint, connections: usize, messages: usize, senders: usize) -> Took {
    let plan = plan(endpoint, connections);
    took(messages, || (runtime.send)(&plan, messages, senders))
}

fn address(endpoint: &Endpoint) -> SocketAddr {
    let Endpoint::Tcp { host, port } = endpoint else { panic!("{endpoint} is no TCP endpoint") };
    (host.as_str(), *port).to_socket_addrs().ok().and_then(|mut found| found.next()).expect("an address")
}

fn took(messages: usize, work: impl FnOnce()) -> Took {
    let (began, processor) = (Instant::now(), processor_time());
    work();
    let rate = messages as f64 / began.elapsed().as_secs_f64();
    Took {
        rate,
        processor: (processor_time() - processor) * 1_000 / u32::try_from(messages).expect("not that many"),
    }
}

fn idle(runtime: &Runtime, endpoint: &Endpoint, connections: usize) {
    let kept = (runtime.idle)(&plan(endpoint, connections), connections);
    println!(
        "\n{}: {} octets of heap per idle connection, of {connections}",
        runtime.name,
        kept / connections
    );
}

/// Of this process and all its threads, by proc_pid_stat(5): user and system, in ticks of 10 ms.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u32>().expect("a number");
    Duration::from_millis(10) * (ticks(11) + ticks(12))
}

/// `smtp-forward sink --discard` on a free port.
struct Sink {
    child: Child,
    endpoint: Endpoint,
}

impl Sink {
    fn start(options: &[&str]) -> Self {
        let own = env::current_exe().expect("a path");
        let program: PathBuf =
            own.parent().and_then(|deps| deps.parent()).expect("target/release").join("smtp-forward");
        let mut child = Command::new(&program)
            .args(["sink", "--discard", "--listen", "tcp://127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}; cargo build --release -p smtp-forward", program.display())
            });
        let mut said = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let ready = said
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split("listening ").nth(1).map(|endpoint| endpoint.trim().to_owned()));
        std::thread::spawn(move || said.for_each(drop));
        Self { child, endpoint: ready.expect("a ready line").parse().expect("an endpoint") }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
