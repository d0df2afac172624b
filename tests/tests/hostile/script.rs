//! What a hostile server does, written down.
//!
//! Steps are divided by ` / `. A step is a word and its argument; `\r`, `\n`, `\0`, `\xNN` and `\\` are escapes in it.
//!
//! | step | meaning |
//! |---|---|
//! | `say 250 ok` | this line, with CRLF |
//! | `raw 250-\0` | these octets |
//! | `push 250 x` | the same, and the client may have gone already |
//! | `repeat 200 250-x\r\n` | so many times these octets, in one write |
//! | `flood 250-x\r\n` | these octets until the client has gone |
//! | `drip 250-x` | these octets, one at a time with a pause behind each, until the client has gone |
//! | `hear MAIL` | the client must say a line that begins so |
//! | `listen MAIL 3` | the same, so many times |
//! | `content` | the client sends content, up to and including the end mark |
//! | `some 1000` | the client sends so many octets of content at least |
//! | `sip` | reads a little at a time until the client has gone |
//! | `stall` | reads and says nothing more; the connection stays |
//! | `close` | ends the stream, in TLS by close_notify |
//! | `fin` | ends the stream, in TLS without close_notify |
//! | `reset` | resets the connection |
//! | `clienthello` | the client must begin TLS; nothing is answered |
//! | `tls good` | TLS; [`Kind`] has the words for other certificates and versions |
//! | `tls-fails expired` | the same, and it must not come about |
//! | `tls-early 250 x` | the same as `tls good`, with these octets behind the server's Finished; the client may go at them |
//! | `wire \x15\x03` | octets below TLS |
//! | `corrupt 250 ok` | a line in a record with a broken checksum |
//! | `torn 250 ok` | a line in a record of which the second half is kept back |
//! | `record 22 \0\0\0\0` | a record of this type (needs `tls forged-1.2` or `tls forged-1.3`) |
//! | `records 22 \0\0\0\0` | the same, until the client has gone |
//!
//! Behind the last step the server listens, silently, until the client has gone. Shorter words for what is as it should be:
//!
//! | word | meaning |
//! |---|---|
//! | `hello PIPELINING SIZE` | a greeting, EHLO or LHLO, and a reply that offers these |
//! | `ehlo PIPELINING` | the same without greeting |
//! | `mail`, `rcpt 2`, `data` | the command, so many times, and yes |
//! | `envelope 2` | `mail / rcpt 2 / data` |
//! | `message 2` | `envelope 2 / content`, for any number of recipients |
//! | `starttls` | an offer of STARTTLS, the command, and 220 |
//! | `bye` | QUIT and its reply |

use smtp_testkit::server::unescape;

use crate::tls::Kind;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Say(Vec<u8>),
    Push(Vec<u8>),
    Flood(Vec<u8>),
    Drip(Vec<u8>),
    Hear(String),
    Content,
    Some(usize),
    Sip,
    Stall,
    Close,
    Fin,
    Reset,
    ClientHello,
    Tls(Kind),
    TlsFails(Kind),
    TlsEarly(Vec<u8>),
    Wire(Vec<u8>),
    Corrupt(Vec<u8>),
    Torn(Vec<u8>),
    Record(u8, Vec<u8>),
    Records(u8, Vec<u8>),
}

/// The steps of a script.
///
/// # Panics
/// On a word that is none of those above.
pub(crate) fn parse(script: &str) -> Vec<Step> {
    script.split(" / ").map(str::trim).filter(|step| !step.is_empty()).flat_map(steps).collect()
}

fn steps(step: &str) -> Vec<Step> {
    let (word, argument) = step.split_once(' ').unwrap_or((step, ""));
    let octets = || unescape(argument);
    let line = || [unescape(argument), b"\r\n".to_vec()].concat();
    let numbered = || {
        let (number, rest) = argument.split_once(' ').unwrap_or((argument, ""));
        (number.parse::<usize>().unwrap_or_else(|_| panic!("a number in: {step}")), unescape(rest))
    };
    let count = || if argument.is_empty() { 1 } else { numbered().0 };
    let one = match word {
        "say" => Step::Say(line()),
        "raw" => Step::Say(octets()),
        "push" => Step::Push(octets()),
        "repeat" => {
            let (times, octets) = numbered();
            Step::Say(octets.repeat(times))
        }
        "flood" => Step::Flood(octets()),
        "drip" => Step::Drip(octets()),
        "hear" => Step::Hear(argument.to_owned()),
        "content" => Step::Content,
        "some" => Step::Some(count()),
        "sip" => Step::Sip,
        "stall" => Step::Stall,
        "close" => Step::Close,
        "fin" => Step::Fin,
        "reset" => Step::Reset,
        "clienthello" => Step::ClientHello,
        "tls" => Step::Tls(Kind::named(argument)),
        "tls-fails" => Step::TlsFails(Kind::named(argument)),
        "tls-early" => Step::TlsEarly(octets()),
        "wire" => Step::Wire(octets()),
        "corrupt" => Step::Corrupt(line()),
        "torn" => Step::Torn(line()),
        "record" | "records" => {
            let (number, payload) = numbered();
            let kind = u8::try_from(number).expect("a record type");
            if word == "record" { Step::Record(kind, payload) } else { Step::Records(kind, payload) }
        }
        _ => return short(step, word, argument, count),
    };
    vec![one]
}

fn short(step: &str, word: &str, argument: &str, count: impl Fn() -> usize) -> Vec<Step> {
    let expanded = match word {
        "hello" => format!("say 220 mx.example / ehlo {argument}"),
        "ehlo" => {
            let mut lines: Vec<&str> = vec!["mx.example"];
            lines.extend(argument.split_whitespace());
            let last = lines.pop().unwrap_or_default().replace('+', " ");
            let first: String =
                lines.iter().map(|line| format!("250-{}\\r\\n", line.replace('+', " "))).collect();
            format!("hear ?HLO / raw {first}250 {last}\\r\\n")
        }
        "listen" => {
            let (verb, times) = argument.split_once(' ').expect("a verb and a number");
            vec![format!("hear {verb}"); times.parse().expect("a number")].join(" / ")
        }
        "mail" => "hear MAIL / say 250 ok".to_owned(),
        "rcpt" => vec!["hear RCPT / say 250 ok"; count()].join(" / "),
        "data" => "hear DATA / say 354 go".to_owned(),
        "envelope" => format!("mail / rcpt {} / data", count()),
        "message" => format!("envelope {} / content", count()),
        "starttls" => "hello STARTTLS / hear STARTTLS / say 220 go".to_owned(),
        "bye" => "hear QUIT / say 221 bye".to_owned(),
        _ => panic!("not a step: {step}"),
    };
    parse(&expanded)
}
