//! A scripted server's side of a dialogue.
#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part")]

use smtp_proto::{Config, Endpoint, Envelope, Plan, Recipient, Sender, address::Mailbox};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a server with PIPELINING says to EHLO.
pub const HELLO: &str = "250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n";
pub const END: &[u8] = b"\r\n.\r\n";

/// Reads and writes, and remembers all that was read.
pub struct Script<S> {
    pub stream: S,
    pub heard: Vec<u8>,
    read: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Script<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, heard: Vec::new(), read: 0 }
    }

    pub async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The same to a client that may be gone.
    pub async fn try_say(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    async fn more(&mut self) -> bool {
        let mut space = [0; 4096];
        // A reset is an end as well.
        let read = self.stream.read(&mut space).await.unwrap_or(0);
        self.heard.extend_from_slice(&space[..read]);
        read > 0
    }

    /// All up to and with `mark`; what is there, at the end of the stream.
    async fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        let start = self.read;
        let mut from = start;
        loop {
            if let Some(at) = self.heard[from..].windows(mark.len()).position(|window| window == mark) {
                self.read = from + at + mark.len();
                return self.heard[start..self.read].to_vec();
            }
            from = start.max((self.heard.len() + 1).saturating_sub(mark.len()));
            if !self.more().await {
                self.read = self.heard.len();
                return self.heard[start..].to_vec();
            }
        }
    }

    pub async fn line(&mut self) -> String {
        String::from_utf8(self.until(b"\r\n").await).unwrap()
    }

    /// One command, and the answer to it.
    pub async fn turn(&mut self, command: &str, answer: &str) {
        let line = self.line().await;
        assert!(line.starts_with(command), "{command:?} expected, got {line:?}");
        self.say(answer).await;
    }

    /// Everything up to 354.
    pub async fn accept(&mut self) {
        self.say("220 mx.example ESMTP\r\n").await;
        self.accept_from_hello().await;
    }

    pub async fn accept_from_hello(&mut self) {
        self.turn("EHLO client.example\r\n", HELLO).await;
        self.envelope().await;
    }

    pub async fn envelope(&mut self) {
        self.turn("MAIL FROM:<alice@example.org>", "250 ok\r\n").await;
        self.turn("RCPT TO:<bob@example.net>\r\n", "250 ok\r\n").await;
        self.turn("DATA\r\n", "354 go\r\n").await;
    }

    /// The content with its end mark.
    pub async fn content(&mut self) -> Vec<u8> {
        // The CRLF of DATA may be the end mark's first.
        let before = self.read.min(2);
        self.read -= before;
        self.until(END).await.split_off(before)
    }

    pub async fn finish(&mut self) {
        self.say("250 2.0.0 queued\r\n").await;
        self.turn("QUIT\r\n", "221 bye\r\n").await;
    }

    /// A whole delivery; the content.
    pub async fn deliver(&mut self) -> Vec<u8> {
        self.accept().await;
        let content = self.content().await;
        self.finish().await;
        content
    }

    /// Reads to the end of the stream, however it ends; everything heard.
    pub async fn rest(&mut self) -> &[u8] {
        while self.more().await {}
        &self.heard
    }
}

pub fn has_end_mark(octets: &[u8]) -> bool {
    octets.windows(END.len()).any(|window| window == END)
}

pub fn config() -> Config {
    Config::new("client.example".parse().unwrap())
}

pub fn plan(endpoints: &[&str], config: &Config) -> Plan {
    let endpoints = endpoints.iter().map(|text| text.parse::<Endpoint>().unwrap());
    Plan::new(endpoints, config).unwrap().with_reuse(None)
}

pub fn envelope() -> Envelope {
    let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
    Envelope::new(
        Sender::from(mailbox("alice@example.org")),
        vec![Recipient::from(mailbox("bob@example.net"))],
    )
}

pub fn text(octets: usize) -> Vec<u8> {
    const LINE: &[u8] = b"All work and no play makes Jack a dull boy, and so on, to seventy-six oct.\r\n";
    LINE.iter().copied().cycle().take(octets / LINE.len() * LINE.len()).collect()
}
