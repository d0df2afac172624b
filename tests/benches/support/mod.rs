//! What the benches of the adapters have in common: the program's own sink, and a message for it.

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use smtp_proto::{Config, Endpoint, Envelope, Plan, Recipient, Sender, address::Mailbox, pool::Limits};

pub(crate) const CONTENT: &[u8] = b"Subject: bench\r\nFrom: ada@example.org\r\nTo: grace@example.net\r\n\r\nTwo lines of text,\r\nand no more than that.\r\n";

pub(crate) fn plan(endpoint: &Endpoint, connections: usize) -> Plan {
    let config = Config::new("client.example".parse().expect("a name"));
    let mut limits = Limits::connections(connections);
    limits.messages = u32::MAX;
    Plan::new([endpoint.clone()], &config).expect("a plan").with_reuse(Some(limits))
}

pub(crate) fn envelope() -> Envelope {
    let sender: Mailbox = "ada@example.org".parse().expect("an address");
    let recipient: Mailbox = "grace@example.net".parse().expect("an address");
    Envelope::new(Sender::from(sender), vec![Recipient::from(recipient)])
}

/// `smtp-forward sink --discard` on a free port.
pub(crate) struct Sink {
    child: Child,
    pub(crate) endpoint: Endpoint,
}

impl Sink {
    pub(crate) fn start(options: &[&str]) -> Self {
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
