//! The blocking example is run: the core needs no runtime.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "only the core has no sockets")]

use std::{
    io::{Cursor, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread::{JoinHandle, spawn},
    time::{Duration, Instant},
};

use smtp_proto::{
    Config, Disposition, Envelope, Error, Failover, Outcome, Phase, Plan,
    address::Mailbox,
    reply::{Code, Reply},
    server::{self, Closed, Connection, Event},
};

#[allow(dead_code, reason = "its main is the program's")]
#[path = "../examples/blocking.rs"]
mod blocking;

/// What a server took: messages, and why the connection ended.
type Served = (Vec<Vec<u8>>, Closed);

fn serve(mut socket: TcpStream, config: server::Config) -> Served {
    let mut machine = Connection::new(Instant::now(), Arc::new(config));
    let (mut content, mut messages, mut space) = (Vec::new(), Vec::new(), vec![0; 64 * 1024]);
    loop {
        while !machine.content().is_empty() {
            content.extend_from_slice(machine.content());
            machine.take_content(Instant::now(), machine.content().len());
        }
        let mut closed = None;
        while let Some(event) = machine.poll_event() {
            match event {
                Event::EndOfContent { .. } => messages.push(std::mem::take(&mut content)),
                Event::Closed(why) => closed = Some(why),
                _ => {}
            }
        }
        while !machine.transmit().is_empty() {
            let written = socket.write(machine.transmit()).unwrap();
            machine.handle_transmitted(Instant::now(), written);
        }
        if let Some(closed) = closed {
            return (messages, closed);
        }
        match socket.read(&mut space) {
            Ok(0) => machine.handle_closed(Instant::now(), None),
            Ok(read) => machine.handle_input(Instant::now(), &space[..read]),
            Err(cause) => machine.handle_closed(Instant::now(), Some(&cause)),
        }
    }
}

/// A server for one client, refusing a phase where it is told to; and its endpoint.
fn server(refusal: Option<(Phase, u16)>) -> (String, JoinHandle<Served>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let mut config = server::Config::new("mx.example".parse().unwrap());
    if let Some((phase, code)) = refusal {
        config.replies.insert(phase, Reply::new(Code::new(code).unwrap(), "no"));
    }
    (endpoint, spawn(move || serve(listener.accept().unwrap().0, config)))
}

fn config() -> Config {
    Config::new("client.example".parse().unwrap())
}

fn plan(endpoints: &[&str], config: &Config) -> Plan {
    Plan::new(endpoints.iter().map(|text| text.parse().unwrap()), config).unwrap()
}

fn envelope() -> Envelope {
    let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
    Envelope::new(mailbox("alice@example.org").into(), vec![mailbox("bob@example.net").into()])
}

#[test]
fn the_blocking_loop_delivers() {
    let (endpoint, server) = server(None);
    let message = "Subject: x\r\n\r\n.dot\nend";
    let report = blocking::send(plan(&[&endpoint], &config()), envelope(), Cursor::new(message)).unwrap();
    assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
    assert_eq!(report.round_trips, 2);
    let (messages, closed) = server.join().unwrap();
    assert_eq!(messages, [b"Subject: x\r\n\r\n.dot\r\nend\r\n"]);
    assert_eq!(closed, Closed::Quit);
}

#[test]
fn the_blocking_loop_looks_up_connects_again_and_rewinds() {
    // T4, law 5
    let (refusing, first) = server(Some((Phase::End, 451)));
    let (taking, second) = server(None);
    let taking = taking.replace("127.0.0.1", "localhost");
    let plan =
        plan(&["tcp://127.0.0.1:1", &refusing, &taking], &config()).with_failover(Failover::UntilDecided);
    let message = b"All work and no play\r\n".repeat(20_000);
    let report = blocking::send(plan, envelope(), Cursor::new(&message)).unwrap();
    assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
    assert_eq!(report.attempts.len(), 3);
    first.join().unwrap();
    assert!(second.join().unwrap().0 == [message]);
}

/// The answers of a server up to 354.
fn accept(socket: &mut TcpStream) {
    let mut space = [0; 1024];
    for answer in ["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n354 go\r\n"] {
        socket.write_all(answer.as_bytes()).unwrap();
        if !answer.ends_with("354 go\r\n") {
            assert!(socket.read(&mut space).unwrap() > 0);
        }
    }
}

#[test]
fn the_blocking_loop_hears_a_refusal_of_content_that_nobody_reads() {
    // R55
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let server = spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        accept(&mut socket);
        socket.write_all(b"552 5.3.4 too much\r\n").unwrap();
        // Open, unread, until the client has gone.
        socket
    });
    let message = vec![b'x'; 64 * 1024 * 1024];
    let report = blocking::send(plan(&[&endpoint], &config()), envelope(), Cursor::new(message)).unwrap();
    let Disposition::Rejected(failure) = &report.recipients[0].disposition else { panic!("{report:?}") };
    assert!(matches!(&failure.cause, Error::Refused { reply, .. } if reply.code().get() == 552));
    drop(server.join().unwrap());
}

#[test]
fn the_blocking_loop_knows_what_time_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config();
    config.timeouts.greeting = Duration::from_millis(50);
    let plan = plan(&[&format!("tcp://{}", listener.local_addr().unwrap())], &config);
    let report = blocking::send(plan, envelope(), Cursor::new("x\r\n")).unwrap();
    assert_eq!(report.outcome(), Outcome::Deferred);
    assert!(matches!(report.attempts[0].error, Some(Error::Timeout(Phase::Greeting))), "{report:?}");
}
