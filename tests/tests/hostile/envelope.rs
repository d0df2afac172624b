//! MAIL, RCPT and DATA (R34-R51, R135-R145, N36, N37).

use smtp_proto::Phase::{Data, Mail, Rcpt};

use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    [mail(), rcpt(), data(), flights()].concat()
}

fn mail() -> Vec<Case> {
    let case = |name: &str, script: &str| case(name, format!("hello / hear MAIL / {script}"));
    vec![
        case("mail: silence (R67)", "").short(Mail).ends("timeout mail", "deferred"),
        case("mail: octet by octet, for ever (R72)", "drip 250-ok\\r\\n")
            .short(Mail)
            .ends("timeout mail", "deferred"),
        case("mail: closed (R40)", "fin").ends("network mail", "deferred"),
        case("mail: half a reply, closed (D32)", "raw 250 o / fin").ends("network mail", "deferred"),
        case("mail: reset (D24)", "reset").ends("network mail", "deferred"),
        case("mail: flood without line end (N30)", "flood 250 ok").ends("protocol mail", "deferred"),
        case("mail: flood of lines (N32)", "flood 250-ok\\r\\n").ends("protocol mail", "deferred"),
        case("mail: NUL (D32)", "raw 250 o\\0k\\r\\n").ends("protocol mail", "deferred"),
        case("mail: mixed codes (R32)", "raw 250-ok\\r\\n451 no\\r\\n").ends("protocol mail", "deferred"),
        case("mail: 354 (R36)", "say 354 go").never("RCPT").ends("protocol mail", "deferred"),
        case("mail: 334 (R36)", "say 334 go").ends("protocol mail", "deferred"),
        case("mail: 150 (R35)", "say 150 go").ends("protocol mail", "deferred"),
        case("mail: 421 (R39)", "say 421 bye").ends("refused mail", "deferred"),
        case("mail: 421 and reset (R39)", "say 421 bye / reset").ends("refused mail", "deferred"),
        case("mail: 451", "say 451 later / bye").never("RCPT").ends("ok", "deferred"),
        case("mail: 550", "say 550 no / bye").never("RCPT").ends("ok", "rejected"),
        case("mail: 530, no password is offered for it (R108)", "say 530 log in / bye")
            .ends("ok", "rejected"),
        case("mail: 550 in 8-bit text and controls (R44)", "raw 550 \\x1b]0;x\\x07\\xc3\\x28\\r\\n / bye")
            .ends("ok", "rejected"),
        case(
            "mail: 550 of 128 long lines (N34)",
            &format!("raw {}550 no\\r\\n / bye", format!("550-{}\\r\\n", "x".repeat(490)).repeat(127)),
        )
        .ends("ok", "rejected"),
        case("mail: two replies, the second is RCPT's (D33)", "raw 250 ok\\r\\n250 ok\\r\\n")
            .never("DATA")
            .ends("protocol rcpt", "deferred"),
        case("mail: flood of whole replies (R45)", "flood 250 ok\\r\\n")
            .never("DATA")
            .ends("protocol rcpt", "deferred"),
    ]
}

fn rcpt() -> Vec<Case> {
    let case = |name: &str, script: &str| case(name, format!("hello / mail / hear RCPT / {script}"));
    vec![
        case("rcpt: silence (R68)", "").short(Rcpt).ends("timeout rcpt", "deferred"),
        case("rcpt: octet by octet, for ever (R72)", "drip 250-ok\\r\\n").short(Rcpt).ends("timeout rcpt", "deferred"),
        case("rcpt: closed (R40)", "fin").ends("network rcpt", "deferred"),
        case("rcpt: reset (D24)", "reset").ends("network rcpt", "deferred"),
        case("rcpt: 354 (R36)", "say 354 go").ends("protocol rcpt", "deferred"),
        case("rcpt: 550 with 250 behind it (D33)", "raw 550 no\\r\\n250 ok\\r\\n").to(2).ends("protocol rcpt", "rejected deferred"),
        case("rcpt: yes, no, later (R49)", "say 250 ok / hear RCPT / say 550 no / hear RCPT / say 451 later / data / content / say 250 ok / bye")
            .to(3)
            .ends("ok", "delivered rejected deferred"),
        case("rcpt: 421 to the second (R39)", "say 250 ok / hear RCPT / say 421 bye").to(2).ends("refused rcpt", "deferred*"),
        case("rcpt: closed at the second, the first is refused", "say 550 no / hear RCPT / fin")
            .to(2)
            .ends("network rcpt", "rejected deferred"),
        case("rcpt: reset at the second, the first is accepted", "say 250 ok / hear RCPT / reset")
            .to(2)
            .ends("network rcpt", "deferred*"),
        case("rcpt: all refused, no DATA (R48)", "say 550 no / hear RCPT / say 553 no / bye")
            .to(2)
            .never("DATA")
            .ends("ok", "rejected rejected"),
        case("rcpt: 552 is too many, not too large (D9)", "say 552 too many / bye").ends("ok", "deferred"),
        case("rcpt: 551 is not followed (R37)", "say 551 try <elsewhere@example.com> / bye").never("elsewhere").ends("ok", "rejected"),
        case("rcpt: 252 and 299 are yes (R34, R38)", "say 252 maybe / hear RCPT / say 299 well / data / content / say 250 ok / bye")
            .to(2)
            .ends("ok", "delivered delivered"),
    ]
}

fn data() -> Vec<Case> {
    let case = |name: &str, script: &str| case(name, format!("hello / mail / rcpt / hear DATA / {script}"));
    let end = "\\r\\n.\\r\\n";
    vec![
        case("data: silence (R69)", "").short(Data).ends("timeout data", "deferred"),
        case("data: octet by octet, for ever (R72)", "drip 354-go\\r\\n")
            .short(Data)
            .ends("timeout data", "deferred"),
        case("data: closed (R40)", "fin").ends("network data", "deferred"),
        case("data: half a reply, closed (D32)", "raw 354 g / fin")
            .never("Subject")
            .ends("network data", "deferred"),
        case("data: reset (D24)", "reset").ends("network data", "deferred"),
        case("data: flood of lines (N32)", "flood 354-go\\r\\n").ends("protocol data", "deferred"),
        case("data: 250 (R36)", "say 250 ok").never("Subject").ends("protocol data", "deferred"),
        case("data: 334 (D31)", "say 334 go").never("Subject").ends("protocol data", "deferred"),
        case("data: 355 (D31)", "say 355 go").never("Subject").ends("protocol data", "deferred"),
        case("data: 221 (D31)", "say 221 bye").never("Subject").ends("protocol data", "deferred"),
        case("data: mixed codes (R32)", "raw 354-go\\r\\n554 no\\r\\n")
            .never("Subject")
            .ends("protocol data", "deferred"),
        case("data: 421 (R39)", "say 421 bye").ends("refused data", "deferred"),
        case("data: 451 (R51)", "say 451 later / bye").never("Subject").ends("ok", "deferred"),
        case("data: 554 (R51)", "say 554 no / bye").never("Subject").ends("ok", "rejected"),
        case("data: 354 with 250 behind it (D33)", "raw 354 go\\r\\n250 queued\\r\\n")
            .never(end)
            .ends("protocol body", "deferred"),
        case("data: 354 twice (D33)", "raw 354 go\\r\\n354 go\\r\\n")
            .never(end)
            .ends("protocol body", "deferred"),
        case("data: 354 with 550 behind it is the verdict (D33)", "raw 354 go\\r\\n550 no\\r\\n")
            .never(end)
            .ends("refused body", "rejected"),
        case("data: 354 with 451 behind it (D33)", "raw 354 go\\r\\n451 later\\r\\n")
            .never(end)
            .ends("refused body", "deferred"),
        case("data: 354 with 421 behind it (R39)", "raw 354 go\\r\\n421 bye\\r\\n")
            .never(end)
            .ends("refused body", "deferred"),
        case("data: 354 with garbage behind it (R30)", "raw 354 go\\r\\nWell?\\r\\n")
            .never(end)
            .ends("protocol body", "deferred"),
    ]
}

/// With PIPELINING: the envelope is one flight, whatever is said to it.
fn flights() -> Vec<Case> {
    let flight = |name: &str, recipients: usize, script: &str| {
        let heard = format!("hello PIPELINING / hear MAIL / listen RCPT {recipients} / hear DATA");
        case(name, format!("{heard} / {script}")).to(recipients)
    };
    vec![
        flight("flight: silence (R72)", 2, "").short(Mail).ends("timeout mail", "deferred*"),
        flight("flight: too few replies, closed (R145)", 3, "raw 250 ok\\r\\n550 no\\r\\n250 ok\\r\\n / fin")
            .ends("network rcpt", "rejected deferred deferred"),
        flight("flight: too few replies, silence (R145)", 3, "raw 250 ok\\r\\n250 ok\\r\\n550 no\\r\\n")
            .short(Rcpt)
            .ends("timeout rcpt", "deferred rejected deferred"),
        flight("flight: 421 in the middle (R145)", 3, "raw 250 ok\\r\\n550 no\\r\\n421 bye\\r\\n")
            .ends("refused rcpt", "rejected deferred deferred"),
        flight("flight: reset in the middle (R145)", 2, "raw 250 ok\\r\\n250 ok\\r\\n / reset").ends("network rcpt", "deferred*"),
        flight("flight: one reply too many (R45)", 1, "raw 250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 ok\\r\\n")
            .never("\\r\\n.\\r\\n")
            .ends("protocol body", "deferred"),
        flight("flight: flood of whole replies (R36)", 1, "flood 250 ok\\r\\n").ends("protocol data", "deferred"),
        flight("flight: garbage for one of them (R32)", 3, "raw 250 ok\\r\\n550 no\\r\\n25x ok\\r\\n250 ok\\r\\n354 go\\r\\n")
            .ends("protocol rcpt", "rejected deferred deferred"),
        flight("flight: MAIL refused, the rest taken all the same (R141)", 1, "raw 550 no\\r\\n250 ok\\r\\n354 go\\r\\n / hear . / say 250 ok / bye")
            .never("Subject")
            .ends("ok", "rejected"),
        flight("flight: nobody accepted, DATA is (R140)", 2, "raw 250 ok\\r\\n550 no\\r\\n451 later\\r\\n354 go\\r\\n / hear . / say 250 ok / bye")
            .never("Subject")
            .ends("ok", "rejected deferred"),
        flight("flight: nobody accepted, DATA is, and the line drops (R140)", 2, "raw 250 ok\\r\\n550 no\\r\\n451 later\\r\\n354 go\\r\\n / hear . / fin")
            .never("Subject")
            .ends("network end", "rejected deferred"),
        flight("flight: multi-line replies are one each (R143)", 2, "raw 250-o\\r\\n250 k\\r\\n250-o\\r\\n250 k\\r\\n250-o\\r\\n250 k\\r\\n354-g\\r\\n354 o\\r\\n / content / say 250 ok / bye")
            .ends("ok", "delivered delivered"),
        case("flight: a thousand recipients, nothing is read (R142, N36)", "hello PIPELINING / stall")
            .to(1000)
            .short(Mail)
            .ends("timeout mail", "deferred*"),
        case("flight: a thousand recipients, one reply at a time, all refused (N36)", format!("hello PIPELINING / mail / {} / hear DATA / say 503 no / bye", "hear RCPT / say 550 no / ".repeat(1000).trim_end_matches(" / ")))
            .to(1000)
            .ends("ok", "rejected*"),
    ]
}
