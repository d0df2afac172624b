//! Replies to EHLO and HELO (R8-R15, D21, D34, N32, N39).

use smtp_proto::Phase::Hello;

use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    let greet = "say 220 mx / hear EHLO";
    let ok = "message / say 250 ok / bye";
    let case = |name: &str, script: &str| case(name, format!("{greet} / {script}"));
    let keywords = |lines: usize, length: usize| -> String {
        (0..lines).map(|line| format!("250-X{line} {}\\r\\n", "y".repeat(length))).collect()
    };
    vec![
        // Who says nothing, or not enough.
        case("hello: silence (R72)", "").short(Hello).ends("timeout hello", "deferred"),
        case("hello: first line only (R72)", "say 250-mx").short(Hello).ends("timeout hello", "deferred"),
        case("hello: octet by octet, for ever (R72)", "drip 250-mx\\r\\n").short(Hello).ends("timeout hello", "deferred"),
        case("hello: closed (D24)", "fin").ends("network hello", "deferred"),
        case("hello: first line, closed (D32)", "say 250-mx / fin").ends("network hello", "deferred"),
        case("hello: last line without its end, closed (D32)", "raw 250-mx\\r\\n250 PIPELINING / fin")
            .ends("network hello", "deferred"),
        case("hello: reset (D24)", "reset").ends("network hello", "deferred"),
        case("hello: half a reply, reset (D24)", "say 250-mx / reset").ends("network hello", "deferred"),
        // Who says too much.
        case("hello: flood of keywords (N32)", "flood 250-X\\r\\n").ends("protocol hello", "deferred"),
        case("hello: flood without line end (N30)", "flood 250-X").ends("protocol hello", "deferred"),
        case("hello: 257 lines (N32)", "repeat 256 250-X\\r\\n / push 250 X\\r\\n").ends("protocol hello", "deferred"),
        case("hello: a line of 64 KiB (N30)", "raw 250 / raw \\x20 / repeat 65536 x").ends("protocol hello", "deferred"),
        case("hello: a keyword of 5 KiB (N30)", &format!("push 250-mx\\r\\n250 {}\\r\\n", "X".repeat(5000)))
            .ends("protocol hello", "deferred"),
        case("hello: 80 keywords of 1 KiB (N33)", &format!("push {}250 X\\r\\n", keywords(80, 1000)))
            .ends("protocol hello", "deferred"),
        case("hello: 250 keywords, nearly 64 KiB (N39)", &format!("raw {}250 X\\r\\n / {ok}", keywords(250, 240)))
            .ends("ok", "delivered"),
        case("hello: 15 keywords of 4 KiB (N39)", &format!("raw {}250 X\\r\\n / {ok}", keywords(15, 4000)))
            .ends("ok", "delivered"),
        // Octets that are no reply.
        case("hello: NUL in a keyword (D32)", "raw 250-mx\\r\\n250 SI\\0ZE\\r\\n").ends("protocol hello", "deferred"),
        case("hello: bare CR (D32)", "raw 250-mx\\r250 SIZE\\r\\n").ends("protocol hello", "deferred"),
        case("hello: mixed codes (R32)", "raw 250-mx\\r\\n550 no\\r\\n").ends("protocol hello", "deferred"),
        case("hello: a line without code inside (R32)", "raw 250-mx\\r\\nPIPELINING\\r\\n250 SIZE\\r\\n")
            .ends("protocol hello", "deferred"),
        case("hello: not a reply at all (R30)", "raw <html>\\r\\n").ends("protocol hello", "deferred"),
        // Replies that mean nothing here.
        case("hello: 354 (R36)", "say 354 go").ends("protocol hello", "deferred"),
        case("hello: 334 (R36)", "raw 334 VXNlcm5hbWU6\\r\\n").plain().ends("protocol hello", "deferred"),
        case("hello: 150 (R35)", "say 150 wait").ends("protocol hello", "deferred"),
        case("hello: two of them (R45)", "raw 250 mx\\r\\n250 mx\\r\\n").never("MAIL").ends("protocol mail", "deferred"),
        case(
            "hello: with all replies of the envelope (D33)",
            "raw 250-mx\\r\\n250 PIPELINING\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 queued\\r\\n",
        )
        .never("DATA")
        .ends("protocol mail", "deferred"),
        // Refusals.
        case("hello: 421 (R39)", "say 421 later").never("HELO").ends("refused hello", "deferred"),
        case("hello: 451, then no HELO (D21)", "say 451 later / bye").never("HELO").ends("refused hello", "deferred"),
        case("hello: 550 to EHLO and HELO (D34)", "say 550 no / hear HELO / say 550 no / bye")
            .ends("refused hello", "deferred"),
        case("hello: 500 to EHLO, HELO meets a flood (N30)", "say 500 what / hear HELO / flood 250-x\\r\\n")
            .ends("protocol hello", "deferred"),
        case("hello: 500 to EHLO with 250 to HELO (D33)", "raw 500 what\\r\\n250 mx\\r\\n").ends("protocol hello", "deferred"),
        case("hello: 500 to EHLO, then silence (R72)", "say 500 what / hear HELO").short(Hello).ends("timeout hello", "deferred"),
        // Offers that make no sense, or are lies.
        case("hello: keywords of controls and 8-bit octets", &format!("raw 250-mx\\r\\n250-\\x01\\xff\\x7f\\r\\n250-\\r\\n250 =\\r\\n / {ok}"))
            .ends("ok", "delivered"),
        case("hello: SIZE of thirty digits (N24)", &format!("raw 250-mx\\r\\n250 SIZE {}\\r\\n / {ok}", "9".repeat(30)))
            .ends("ok", "delivered"),
        case("hello: SIZE with a sign and letters (N24)", &format!("raw 250-mx\\r\\n250-SIZE -1\\r\\n250 SIZE 1k\\r\\n / {ok}"))
            .ends("ok", "delivered"),
        case("hello: SIZE of one octet is a verdict (R162)", "raw 250-mx\\r\\n250 SIZE 1\\r\\n / bye")
            .never("MAIL")
            .ends("ok", "rejected"),
        case("hello: LIMITS of no recipient at all (R201)", &format!("raw 250-mx\\r\\n250 LIMITS RCPTMAX=0 MAILMAX=0\\r\\n / {ok}"))
            .ends("ok", "delivered"),
        case("hello: each keyword twice, differently", &format!("raw 250-mx\\r\\n250-SIZE 0\\r\\n250-SIZE 9999\\r\\n250-PIPELINING\\r\\n250 PIPELINING no\\r\\n / {ok}"))
            .ends("ok", "delivered"),
        case("hello: AUTH with a hundred mechanisms (R115)", &format!("raw 250-mx\\r\\n250 AUTH{}\\r\\n / bye", " X-MECH-0123456789AB".repeat(100)))
            .plain()
            .never("AUTH")
            .ends("auth auth", "deferred"),
    ]
}
