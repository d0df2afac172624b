//! LMTP: a reply for each accepted recipient (R73-R82, row 26).

use smtp_proto::Phase::End;

use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    let three = |name: &str, script: &str| case(name, format!("hello / message 3 / {script}")).to(3).lmtp();
    vec![
        three("lmtp: no reply at all, closed", "fin").ends("network end", "uncertain uncertain uncertain"),
        three("lmtp: one reply too few, closed (row 26)", "raw 250 ok\\r\\n550 no\\r\\n / fin")
            .ends("network end", "delivered rejected uncertain"),
        three("lmtp: one reply too few, silence (row 26)", "raw 250 ok\\r\\n450 later\\r\\n")
            .short(End)
            .ends("timeout end", "delivered deferred uncertain"),
        three("lmtp: two replies too few, reset (row 26)", "say 450 later / reset").ends("network end", "deferred uncertain uncertain"),
        three("lmtp: half the second reply, closed (row 26)", "raw 250 ok\\r\\n250 o / fin")
            .ends("network end", "delivered uncertain uncertain"),
        three("lmtp: octet by octet, for ever (R72)", "say 250 ok / drip 250-ok\\r\\n")
            .short(End)
            .ends("timeout end", "delivered uncertain uncertain"),
        three("lmtp: garbage for the second (row 26)", "raw 250 ok\\r\\n25x ok\\r\\n250 ok\\r\\n")
            .ends("protocol end", "delivered uncertain uncertain"),
        three("lmtp: NUL for the second (row 26)", "raw 550 no\\r\\n250 \\0\\r\\n250 ok\\r\\n")
            .ends("protocol end", "rejected uncertain uncertain"),
        three("lmtp: 354 for the second (row 26)", "raw 250 ok\\r\\n354 go\\r\\n250 ok\\r\\n")
            .ends("protocol end", "delivered uncertain uncertain"),
        three("lmtp: 221 for the second (D31)", "raw 250 ok\\r\\n221 bye\\r\\n").ends("protocol end", "delivered uncertain uncertain"),
        three("lmtp: flood for the second (N32)", "say 250 ok / flood 250-ok\\r\\n").ends("protocol end", "delivered uncertain uncertain"),
        three("lmtp: 421 for the second (row 26)", "raw 250 ok\\r\\n421 bye\\r\\n").ends("refused end", "delivered deferred uncertain"),
        three("lmtp: one reply too many (R81)", "raw 250 ok\\r\\n450 later\\r\\n550 no\\r\\n250 ok\\r\\n")
            .any_tail()
            .ends("ok|protocol mail", "delivered deferred rejected"),
        three("lmtp: flood of whole replies (R81)", "flood 250 ok\\r\\n")
            .any_tail()
            .ends("ok|protocol mail", "delivered delivered delivered"),
        three("lmtp: multi-line replies are one each (R80)", "raw 250-o\\r\\n250 k\\r\\n450-o\\r\\n450 k\\r\\n550-o\\r\\n550 k\\r\\n / bye")
            .ends("ok", "delivered deferred rejected"),
        three("lmtp: all replies, then reset (row 25)", "raw 250 ok\\r\\n250 ok\\r\\n250 ok\\r\\n / hear QUIT / reset")
            .ends("ok", "delivered delivered delivered"),
        case("lmtp: replies for accepted recipients only (R74)", "hello / mail / rcpt / hear RCPT / say 550 no / rcpt / data / content / raw 250 ok\\r\\n450 later\\r\\n / bye")
            .to(3)
            .lmtp()
            .ends("ok", "delivered rejected deferred"),
        case("lmtp: a reply for the refused one as well (R81)", "hello / mail / rcpt / hear RCPT / say 550 no / data / content / raw 250 ok\\r\\n250 ok\\r\\n")
            .to(2)
            .lmtp()
            .any_tail()
            .ends("ok|protocol mail", "delivered rejected"),
        case("lmtp: nobody accepted, DATA is (R76)", "hello PIPELINING / hear MAIL / listen RCPT 2 / hear DATA / raw 250 ok\\r\\n550 no\\r\\n451 later\\r\\n354 go\\r\\n / hear .")
            .to(2)
            .lmtp()
            .never("Subject")
            .never("QUIT")
            .ends("protocol data", "rejected deferred"),
        case("lmtp: 500 to LHLO, then no HELO (D21)", "say 220 mx / hear LHLO / say 500 what / bye")
            .lmtp()
            .never("EHLO")
            .never("HELO")
            .ends("refused hello", "deferred"),
        case("lmtp: 354 with a yes for each behind it (D33)", "hello / mail / rcpt 2 / hear DATA / raw 354 go\\r\\n250 ok\\r\\n250 ok\\r\\n")
            .to(2)
            .lmtp()
            .never("\\r\\n.\\r\\n")
            .ends("protocol body", "deferred*"),
    ]
}
