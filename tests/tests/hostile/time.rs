//! Who is only slow: the deadline of a phase is absolute (R72), and where there is progress, that of the whole delivery counts.

use smtp_proto::Phase::{Data, Rcpt};

use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("slow: content is read, a little at a time (N9)", "hello / envelope / sip")
            .large()
            .any_tail()
            .short_total()
            .ends("timeout body", "kept"),
        case("slow: content in TLS is read, a little at a time (N9)", "tls good / hello / envelope / sip")
            .implicit_tls()
            .large()
            .any_tail()
            .short_total()
            .ends("timeout body", "kept"),
        case("slow: silence at the greeting, no time left for another (D25)", "")
            .short_total()
            .ends("timeout greeting", "kept"),
        case("slow: silence behind the end mark, no time left (R63)", "hello / message / say 250-ok")
            .short_total()
            .ends("timeout end", "uncertain"),
        case("slow: LMTP, no time left for the second reply (row 26)", "hello / message 2 / say 250 ok")
            .to(2)
            .lmtp()
            .short_total()
            .ends("timeout end", "delivered uncertain"),
        case("slow: the second of two RCPT is never answered (R68)", "hello / mail / rcpt / hear RCPT")
            .to(2)
            .short(Rcpt)
            .ends("timeout rcpt", "deferred*"),
        case(
            "slow: DATA is answered octet by octet behind a refusal (R72)",
            "hello / mail / hear RCPT / say 550 no / rcpt / hear DATA / drip 354-go\\r\\n",
        )
        .to(2)
        .short(Data)
        .ends("timeout data", "rejected deferred"),
    ]
}
