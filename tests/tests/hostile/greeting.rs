//! Greetings (R5-R7, D31-D33, N35).

use smtp_proto::Phase::{Greeting, Quit};

use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    let ok = "message / say 250 ok";
    vec![
        // Who says nothing, or not enough.
        case("greeting: silence (R66)", "").short(Greeting).ends("timeout greeting", "deferred"),
        case("greeting: half a line, silence (R72)", "raw 220 mx.exam")
            .short(Greeting)
            .ends("timeout greeting", "deferred"),
        case("greeting: half a reply, silence (R72)", "say 220-mx.example")
            .short(Greeting)
            .ends("timeout greeting", "deferred"),
        case("greeting: octet by octet, for ever (R72)", "drip 220-mx.example\\r\\n")
            .short(Greeting)
            .ends("timeout greeting", "deferred"),
        case("greeting: closed (D24)", "fin").ends("network greeting", "deferred"),
        case("greeting: two digits, closed (D32)", "raw 22 / fin").ends("network greeting", "deferred"),
        case("greeting: a whole line without its end, closed (D32)", "raw 220 mx.example / fin")
            .ends("network greeting", "deferred"),
        case("greeting: a line, reset (D24)", "say 220-mx.example / reset")
            .ends("network greeting|network connect", "deferred"),
        // Who says too much.
        case("greeting: flood without line end (N30)", "flood 220 mx").ends("protocol greeting", "deferred"),
        case("greeting: flood of lines (N32)", "flood 220-mx\\r\\n").ends("protocol greeting", "deferred"),
        case("greeting: flood of NULs (D32)", "flood \\0").ends("protocol greeting", "deferred"),
        case("greeting: flood of empty lines (R30)", "flood \\r\\n").ends("protocol greeting", "deferred"),
        case("greeting: a line of 64 KiB (N30)", "repeat 1 220- / repeat 65536 x")
            .ends("protocol greeting", "deferred"),
        case("greeting: a line of 4097 octets (N30)", format!("push 220 {}\\r\\n", "x".repeat(4091)))
            .ends("protocol greeting", "deferred"),
        case("greeting: 129 lines (N32)", "repeat 128 220-mx\\r\\n / say 220 mx")
            .ends("protocol greeting", "deferred"),
        case("greeting: 100 lines of 1 KiB (N33)", format!("repeat 100 220-{}\\r\\n", "x".repeat(1018)))
            .ends("protocol greeting", "deferred"),
        // Octets that are no reply.
        case("greeting: NUL (D32)", "raw 220 mx\\0\\r\\n").ends("protocol greeting", "deferred"),
        case("greeting: bare CR (D32)", "raw 220 mx\\r220 mx\\r\\n").ends("protocol greeting", "deferred"),
        case("greeting: mixed codes (R32)", "raw 220-mx\\r\\n554 no\\r\\n")
            .ends("protocol greeting", "deferred"),
        case("greeting: another protocol, HTTP (R30)", "raw HTTP/1.1 400 Bad Request\\r\\n\\r\\n")
            .ends("protocol greeting", "deferred"),
        case("greeting: another protocol, TLS (R30)", "raw \\x15\\x03\\x01\\x00\\x02\\x02\\x46")
            .ends("protocol greeting", "deferred"),
        case("greeting: four digits (R30)", "say 2200 mx").ends("protocol greeting", "deferred"),
        // Replies that mean nothing here.
        case("greeting: 250 (D31)", "say 250 mx").ends("protocol greeting", "deferred"),
        case("greeting: 354 (D31)", "say 354 go on").ends("protocol greeting", "deferred"),
        case("greeting: 120 (R35)", "say 120 in a minute").ends("protocol greeting", "deferred"),
        case("greeting: 221 (D31)", "say 221 bye").ends("protocol greeting", "deferred"),
        // Refusals, which say nothing about the message (D34).
        case("greeting: 554, then QUIT", "say 554 no / bye").ends("refused greeting", "deferred"),
        case("greeting: 421", "say 421 not now").ends("refused greeting", "deferred"),
        case("greeting: 554 with controls (R44)", "raw 554 \\x1b[2J\\x07no\\xff\\r\\n / hear QUIT / fin")
            .telling("no")
            .ends("refused greeting", "deferred"),
        case("greeting: 554, QUIT is not answered", "say 554 no / hear QUIT")
            .short(Quit)
            .ends("refused greeting", "deferred"),
        case("greeting: 554, QUIT is answered by a flood", "say 554 no / hear QUIT / flood 221-bye\\r\\n")
            .ends("refused greeting", "deferred"),
        // Answers before the questions (D33).
        case("greeting: two of them (R45)", "raw 220 mx\\r\\n220 mx\\r\\n")
            .ends("protocol hello", "deferred"),
        case("greeting: with the reply to EHLO (D33)", "raw 220 mx\\r\\n250 mx\\r\\n")
            .never("MAIL")
            .ends("protocol hello", "deferred"),
        case(
            "greeting: with all replies of a delivery (D33)",
            "raw 220 mx\\r\\n250 mx\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 queued\\r\\n221 bye\\r\\n",
        )
        .never("MAIL")
        .ends("protocol hello", "deferred"),
        // What is to be borne.
        case("greeting: 8-bit text (D32)", format!("raw 220 \\xe4\\xf6\\xfc\\xff\\r\\n / ehlo / {ok} / bye"))
            .ends("ok", "delivered"),
        case("greeting: bare LF (R43)", format!("raw 220 mx\\n / ehlo / {ok} / bye")).ends("ok", "delivered"),
        case(
            "greeting: a line of 4096 octets (N30)",
            format!("raw 220 {}\\r\\n / ehlo / {ok} / bye", "x".repeat(4090)),
        )
        .ends("ok", "delivered"),
        case(
            "greeting: 128 lines (N32)",
            format!("repeat 127 220-mx\\r\\n / say 220 mx / ehlo / {ok} / bye"),
        )
        .ends("ok", "delivered"),
    ]
}
