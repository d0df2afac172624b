//! Behind the end mark (R63, D31, D33, D36; the decision table's rows 14 to 20): what is not a complete answer makes it uncertain, and
//! nobody else is asked.

use smtp_proto::Phase::{End, Quit};

use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, script: &str| case(name, format!("hello / message 2 / {script}")).to(2);
    let both = "uncertain uncertain";
    let cut = |name: &str, script: &str| case(name, script).ends("network end", both);
    let broken = |name: &str, script: &str| case(name, script).ends("protocol end", both);
    [
        vec![
            case("end: silence (R63)", "").short(End).ends("timeout end", both),
            case("end: nothing more is read (R63)", "stall").short(End).ends("timeout end", both),
            case("end: half a yes, silence (row 15)", "raw 250 o").short(End).ends("timeout end", both),
            case("end: half a no, silence (row 15)", "raw 5").short(End).ends("timeout end", both),
            case("end: octet by octet, for ever (R72)", "drip 250-ok\\r\\n").short(End).ends("timeout end", both),
            cut("end: closed (row 14)", "fin"),
            cut("end: reset (row 14)", "reset"),
            cut("end: a digit, closed (row 15)", "raw 2 / fin"),
            cut("end: 25, closed (row 15)", "raw 25 / fin"),
            cut("end: 250, closed (row 15)", "raw 250 / fin"),
            cut("end: a whole yes without its end, closed (row 15)", "raw 250 2.0.0 queued / fin"),
            cut("end: a whole yes and CR, closed (row 15)", "raw 250 2.0.0 queued\\r / fin"),
            cut("end: a first line of yes, closed (row 15)", "say 250-queued / fin"),
            cut("end: half a no, closed: no refusal (row 15)", "raw 550 no / fin"),
            cut("end: a first line of no, reset: no refusal (row 15)", "say 550-no / reset"),
        ],
        vec![
            broken("end: flood without line end (N30)", "flood 250 ok"),
            broken("end: flood of lines (N32)", "flood 250-ok\\r\\n"),
            broken("end: flood of lines that refuse (N32)", "flood 550-no\\r\\n"),
            broken("end: a line of 64 KiB (N30)", "raw 250 / raw \\x20 / repeat 65536 x"),
            broken("end: a yes of 5 KiB (N30)", &format!("push 250 {}\\r\\n", "x".repeat(5000))),
            broken("end: NUL (D32)", "raw 250 o\\0k\\r\\n"),
            broken("end: bare CR (D32)", "raw 250 o\\rk\\r\\n"),
            broken("end: mixed codes, yes and no (R32)", "raw 250-ok\\r\\n550 no\\r\\n"),
            broken("end: mixed codes, no and yes (R32)", "raw 550-no\\r\\n250 ok\\r\\n"),
            broken("end: 221 (D31)", "say 221 bye"),
            broken("end: 354 (row 20)", "say 354 go on"),
            broken("end: 334 (row 20)", "say 334 go on"),
            broken("end: 150 (R35)", "say 150 wait"),
            broken("end: 600 (R35)", "say 600 what"),
            broken("end: 2500 (R30)", "say 2500 ok"),
            broken("end: 25 (R30)", "say 25 ok"),
            broken("end: an empty line (R30)", "raw \\r\\n"),
            broken("end: words (R30)", "say OK queued"),
            broken("end: TLS in clear (R30)", "raw \\x17\\x03\\x03\\x00\\x05hello"),
        ],
        vec![
            case("end: 451 (row 17)", "say 451 later / bye").ends("ok", "deferred*"),
            case("end: 421 (row 17)", "say 421 later").ends("refused end", "deferred*"),
            case("end: 421, reset (row 17)", "say 421 later / reset").ends("refused end", "deferred*"),
            case("end: 554 (row 18)", "say 554 no / bye").ends("ok", "rejected rejected"),
            case("end: 554, reset (row 18)", "say 554 no / reset").ends("ok|network mail", "rejected rejected"),
            case("end: 554 in controls (R44)", "raw 554-\\x1b[1A\\xff\\r\\n554 250 ok\\r\\n / bye").ends("ok", "rejected rejected"),
            case("end: 250 in 8-bit text (D32)", "raw 250 \\xe4\\xff\\r\\n / bye").ends("ok", "delivered delivered"),
            case("end: 299 (R34)", "say 299 well / bye").ends("ok", "delivered delivered"),
        ],
        vec![
            // Row 19: yes is yes, whatever follows.
            case("end: 250, closed (row 19)", "say 250 ok / hear QUIT / fin").ends("ok", "delivered delivered"),
            case("end: 250, reset (row 19)", "say 250 ok / hear QUIT / reset").ends("ok", "delivered delivered"),
            case("end: 250, reset at once (row 19)", "say 250 ok / reset").any_tail().ends("ok|network mail|network quit", "delivered delivered"),
            case("end: 250, QUIT is not answered (row 29)", "say 250 ok / hear QUIT").short(Quit).ends("ok", "delivered delivered"),
            case("end: 250, QUIT is answered octet by octet (row 29)", "say 250 ok / hear QUIT / drip 221-bye\\r\\n")
                .short(Quit)
                .ends("ok", "delivered delivered"),
            case("end: 250, QUIT is answered by a flood (row 19)", "say 250 ok / hear QUIT / flood 221-bye\\r\\n")
                .ends("ok", "delivered delivered"),
            case("end: 250, QUIT is answered by garbage (row 19)", "say 250 ok / hear QUIT / raw \\0\\0\\0").ends("ok", "delivered delivered"),
            case("end: 250, QUIT is refused (row 19)", "say 250 ok / hear QUIT / say 554 no").ends("ok", "delivered delivered"),
            case("end: 250 and 550 (row 19)", "raw 250 ok\\r\\n550 no\\r\\n").any_tail().ends("ok|protocol mail", "delivered delivered"),
            case("end: 250 twice (R45)", "raw 250 ok\\r\\n250 ok\\r\\n").any_tail().ends("ok|protocol mail", "delivered delivered"),
        ],
        vec![
            // A reply that began before the end mark was out is none (D33), however it goes on.
            crate::case::case("end: a yes that began with 354 (D33)", "hello / mail / rcpt / hear DATA / raw 354 go\\r\\n25 / content / raw 0 queued\\r\\n")
                .ends("protocol end", "uncertain"),
            crate::case::case("end: with PIPELINING, QUIT is out already, closed (row 14)", "hello PIPELINING / message / hear QUIT / fin")
                .ends("network end", "uncertain"),
            crate::case::case("end: with PIPELINING, only the answer to QUIT comes (D31)", "hello PIPELINING / message / hear QUIT / say 221 bye")
                .ends("protocol end", "uncertain"),
            crate::case::case("end: with PIPELINING, half a yes, reset (row 15)", "hello PIPELINING / message / hear QUIT / raw 250 o / reset")
                .ends("network end", "uncertain"),
            // Row 27: who was put off at RCPT moves on, who is uncertain does not.
            crate::case::case("end: closed, one was put off at RCPT (row 27)", "hello / mail / rcpt / hear RCPT / say 451 later / hear RCPT / say 550 no / data / content / fin")
                .to(3)
                .ends("network end", "uncertain deferred rejected"),
            // A message larger than the buffers, all of it read: the same rows.
            crate::case::case("end: large, all read, reset (row 14)", "hello / envelope / content / reset")
                .large()
                .ends("network end", "uncertain"),
        ],
    ]
    .concat()
}
