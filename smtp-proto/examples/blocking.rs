//! The loop without a runtime: `cargo run --example blocking -- tcp://127.0.0.1:25 alice@example.org bob@example.net message.eml`
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a driver has sockets and a clock")]

use std::io::{self, ErrorKind::*, Read, Seek, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use smtp_proto::address::Mailbox;
use smtp_proto::{Action, Config, Delivery, Envelope, Peer, Plan, Random, Report, ResolveError};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, from, to, path] = arguments.as_slice() else {
        return Err("usage: blocking TARGET FROM TO FILE".into());
    };
    let random = Random::new(|octets| Ok(getrandom::fill(octets)?));
    let plan = Plan::new([target.parse()?], &Config::new("localhost".parse()?))?.with_random(&random);
    let envelope = Envelope::new(from.parse::<Mailbox>()?.into(), vec![to.parse::<Mailbox>()?.into()]);
    let report = send(plan, envelope, std::fs::File::open(path)?)?;
    report.recipients.iter().for_each(|it| println!("{}: {}", it.recipient.path, it.disposition.name()));
    Ok(())
}

/// Sends one message and says what became of it; an error is one of this machine's.
pub(crate) fn send(plan: Plan, envelope: Envelope, mut message: impl Read + Seek) -> io::Result<Report> {
    let mut delivery = Delivery::new(now(), plan.with_reuse(None).into(), envelope);
    let (mut socket, mut space) = (None, vec![0; 64 * 1024]);
    loop {
        while let Some(action) = delivery.poll_action() {
            match action {
                Action::Resolve { host, port } => {
                    let found = (host, port).to_socket_addrs().map(Iterator::collect);
                    delivery.handle_resolved(now(), found.map_err(|error| ResolveError::from_lookup(&error)));
                }
                Action::Connect(peer) => match connect(&peer, left(&delivery)) {
                    Err(_) if delivery.poll_timeout() <= Some(now()) => delivery.handle_timeout(now()),
                    opened => delivery.handle_connected(now(), opened.map(|opened| socket = Some(opened))),
                },
                Action::Disconnect => socket = None,
                Action::Rewind => delivery.handle_rewound(now(), message.rewind()),
                Action::Acquire(_) | Action::Keep(_) | Action::Answer(..) => {} // the plan keeps nothing
                Action::Finish(report) => return Ok(report),
            }
        }
        if let Some(socket) = &mut socket {
            read(socket, &mut delivery, &mut space)?;
            while delivery.body_credit() > 0 {
                // Misuse is impossible here, and content that is not as declared is in the report.
                match message.by_ref().take(delivery.body_credit() as u64).read(&mut space) {
                    Ok(0) => delivery.finish_body(now()).unwrap_or_default(),
                    Ok(octets) => delivery.write_body(now(), &space[..octets]).unwrap_or_default(),
                    Err(cause) => delivery.fail_body(now(), &cause),
                }
            }
            write(socket, &mut delivery)?;
        }
        delivery.handle_timeout(now()); // harmless when early
    }
}

fn now() -> Instant {
    Instant::now()
}

/// How long to wait for anything: at least a little, since sockets take no time at all for ever.
fn left(delivery: &Delivery) -> Duration {
    let deadline = delivery.poll_timeout().unwrap_or_else(now);
    deadline.saturating_duration_since(now()).max(Duration::from_millis(1))
}

fn connect(peer: &Peer, wait: Duration) -> io::Result<TcpStream> {
    let Peer::Tcp(address) = peer else { return Err(Unsupported.into()) };
    let socket = TcpStream::connect_timeout(address, wait)?;
    socket.set_nodelay(true).map(|()| socket) // one write is one flight
}

/// Reads once; waits for it where there is nothing else to do.
fn read(socket: &mut TcpStream, delivery: &mut Delivery, space: &mut [u8]) -> io::Result<()> {
    socket.set_nonblocking(!delivery.transmit().is_empty() || delivery.body_credit() > 0)?;
    socket.set_read_timeout(Some(left(delivery)))?;
    match socket.read(space) {
        Ok(0) => delivery.handle_closed(now(), None),
        Ok(octets) => delivery.handle_input(now(), &space[..octets]),
        Err(cause) if matches!(cause.kind(), WouldBlock | TimedOut | Interrupted) => {}
        Err(cause) => delivery.handle_closed(now(), Some(cause)),
    }
    socket.set_nonblocking(false)
}

fn write(socket: &mut TcpStream, delivery: &mut Delivery) -> io::Result<()> {
    // A write that is stuck is left soon to look for a reply: a server may refuse content that it does not read (R55).
    socket.set_write_timeout(Some(left(delivery).min(Duration::from_millis(100))))?;
    match socket.write(delivery.transmit()) {
        Ok(octets) => delivery.handle_transmitted(now(), octets),
        Err(cause) if matches!(cause.kind(), WouldBlock | TimedOut | Interrupted) => {}
        Err(cause) => delivery.handle_write_failed(now(), cause),
    }
    Ok(())
}
