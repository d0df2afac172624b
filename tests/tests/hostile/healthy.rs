//! The server with which nothing is wrong: the second target of every case.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
};

use crate::{
    WATCHDOG,
    server::{Server, keep},
};

/// A message that the healthy server took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) said: Vec<u8>,
    pub(crate) recipients: Vec<String>,
    pub(crate) octets: usize,
}

/// Takes whatever comes.
pub(crate) fn healthy() -> Server<Taken> {
    Server::start(|_, socket, _| {
        let mut taken = Taken::default();
        let _ = socket.set_read_timeout(Some(WATCHDOG));
        let _ = take(&socket, &mut taken);
        taken
    })
}

fn take(mut socket: &TcpStream, taken: &mut Taken) -> io::Result<()> {
    socket.write_all(b"220 mx2.example\r\n")?;
    let (mut lmtp, mut in_content) = (false, false);
    for line in BufReader::new(socket).split(b'\n') {
        let line = line?;
        keep(&mut taken.said, &line);
        let text = String::from_utf8_lossy(&line);
        let mut answer = "250 ok\r\n".to_owned();
        match text.trim_end() {
            "." => {
                in_content = false;
                answer = answer.repeat(if lmtp { taken.recipients.len() } else { 1 });
            }
            _ if in_content => {
                taken.octets += line.len() + 1;
                continue;
            }
            "DATA" => {
                in_content = true;
                answer = "354 go\r\n".to_owned();
            }
            "QUIT" => answer = "221 bye\r\n".to_owned(),
            verb if verb.starts_with("LHLO") || verb.starts_with("EHLO") => {
                lmtp = verb.starts_with('L');
                answer = "250-mx2.example\r\n250 PIPELINING\r\n".to_owned();
            }
            verb => taken.recipients.extend(verb.strip_prefix("RCPT TO:").map(str::to_owned)),
        }
        socket.write_all(answer.as_bytes())?;
    }
    Ok(())
}
