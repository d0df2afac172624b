//! The two adapters side by side, over loopback against the program's own sink: messages a second and processor time.
//!
//! ```text
//! cargo build --release -p smtp-forward && cargo bench -p smtp-testkit --bench adapters
//! ```
//! Each sender is a task of its own, on the runtime's workers, two of them: as programs are that use them. Each figure is the median of
//! several runs, which take turns, since the machine is never quiet. `MESSAGES` sets how many messages a run has (10,000).
//!
//! A message is one write and one reply here, so the least that a runtime can take for one is what NOOP takes over a bare socket of its
//! own, with as many tasks that queue for as many sockets: that is measured as well, and what is above it is the adapter's.

use std::{
    env,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use smtp_proto::{Endpoint, Outcome, Plan};
use tokio::sync::Mutex;

mod support;
use support::{CONTENT, Sink, envelope, plan};

const RUNS: usize = 5;

/// Connections, and senders at a time.
const SCENES: [(usize, usize); 3] = [(1, 1), (64, 64), (64, 2_000)];

fn main() {
    let messages = env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let sink = Sink::start(&[]);
    println!("{messages} messages of {} octets, medians of {RUNS} runs", CONTENT.len());
    for (connections, senders) in SCENES {
        let plan = plan(&sink.endpoint, connections);
        let floor = medians(|runtime| {
            took(messages, || (runtime.alone)(address(&sink.endpoint), messages, connections, senders))
        });
        let sent = medians(|runtime| took(messages, || (runtime.send)(&plan, messages, senders)));
        println!("\n{connections} connections, {senders} senders at a time");
        println!(
            "  {:<9} {:>10} {:>14} {:>16} {:>13}",
            "", "messages/s", "CPU ms/1,000", "bare sockets", "the adapter"
        );
        for (runtime, (sent, floor)) in RUNTIMES.iter().zip(sent.iter().zip(&floor)) {
            let (all, alone) = (sent.milliseconds(), floor.milliseconds());
            println!(
                "  {:<9} {:>10.0} {all:>14.1} {alone:>16.1} {:>13.1}",
                runtime.name,
                sent.rate,
                all - alone
            );
        }
        let ratio = |of: fn(&Took, &Took) -> f64| of(&sent[1], &floor[1]) / of(&sent[0], &floor[0]);
        println!(
            "  {:<9} {:>10.2} {:>14.2} {:>16.2} {:>13.2}",
            "ratio",
            ratio(|sent, _| sent.rate),
            ratio(|sent, _| sent.milliseconds()),
            ratio(|_, floor| floor.milliseconds()),
            ratio(|sent, floor| sent.milliseconds() - floor.milliseconds()),
        );
    }
}

/// What a run took.
#[derive(Clone, Copy)]
struct Took {
    rate: f64,
    processor: Duration,
}

impl Took {
    /// Of processor time, for 1,000 messages.
    fn milliseconds(&self) -> f64 {
        self.processor.as_secs_f64() * 1e3
    }
}

/// Each of the two of them, taking turns: the median run by rate, and the median of the processor times.
fn medians(run: impl Fn(&Runtime) -> Took) -> [Took; 2] {
    let mut rows = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for (runtime, row) in RUNTIMES.iter().zip(&mut rows) {
            row.push(run(runtime));
        }
    }
    rows.map(|mut row| {
        row.sort_by_key(|took| took.processor);
        let processor = row[row.len() / 2].processor;
        row.sort_by(|one, other| one.rate.total_cmp(&other.rate));
        Took { rate: row[row.len() / 2].rate, processor }
    })
}

struct Runtime {
    name: &'static str,
    /// Sends so many messages to the endpoint over so many connections, so many at a time.
    send: fn(&Plan, usize, usize),
    /// So many NOOPs over so many bare sockets, asked by so many at a time, who queue for them.
    alone: fn(SocketAddr, usize, usize, usize),
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
            alone: |address, messages, connections, senders| {
                $(use $traits as _;)*
                use $socket as Socket;
                let next = Arc::new(AtomicUsize::new(0));
                $block_on(async move {
                    let mut sockets = Vec::new();
                    for _ in 0..connections {
                        let mut socket = Socket::connect(address).await.expect("the sink");
                        socket.set_nodelay(true).expect("a socket");
                        assert!(socket.read(&mut [0; 1024]).await.expect("a greeting") > 0);
                        sockets.push(Arc::new(Mutex::new(socket)));
                    }
                    let asking = (0..senders).map(|sender| {
                        let (next, socket) = (Arc::clone(&next), Arc::clone(&sockets[sender % connections]));
                        $spawn(async move {
                            while next.fetch_add(1, Ordering::Relaxed) < messages {
                                let mut socket = socket.lock().await;
                                socket.write_all(b"NOOP\r\n").await.expect("an open socket");
                                assert!(socket.read(&mut [0; 1024]).await.expect("a reply") > 0);
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

/// Of this process and all its threads.
#[cfg(unix)]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("it counts from 0")
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    panic!("the processor's clock is read on Unix only")
}
