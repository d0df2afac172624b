//! AUTH (R98-R134, D4, D20, D35): over TLS, so that the password on the wire is for nobody but the server.

use smtp_proto::{Phase::Auth, sasl::Mechanism};

use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    [plain(), login(), scram(), others(), both()].concat()
}

fn over_tls(mechanism: &str, name: &str, script: &str) -> Case {
    case(
        format!("auth {mechanism}: {name}"),
        format!("tls good / hello AUTH+{mechanism} / hear AUTH {mechanism} / {script}"),
    )
    .implicit_tls()
    .never("MAIL")
}

fn plain() -> Vec<Case> {
    let case = |name: &str, script: &str| over_tls("PLAIN", name, script).plain();
    let challenge = |octets: usize| "QUJD".repeat(octets / 4);
    vec![
        case("silence (R72)", "").short(Auth).ends("timeout auth", "deferred"),
        case("octet by octet, for ever (R72)", "drip 334-x\\r\\n")
            .short(Auth)
            .ends("timeout auth", "deferred"),
        case("cut without close_notify (R97)", "fin").ends("network auth", "deferred"),
        case("reset", "reset").ends("network auth", "deferred"),
        case("half a yes, cut (D32)", "raw 235 o / fin").ends("network auth", "deferred"),
        case("a torn yes, cut (R97)", "torn 235 ok / fin").ends("network auth", "deferred"),
        case("a broken yes", "corrupt 235 ok").ends("tls auth", "deferred"),
        case("250 (D31)", "say 250 ok").ends("protocol auth", "deferred"),
        case("354 (D31)", "say 354 ok").ends("protocol auth", "deferred"),
        case("235 and 535 in one reply (R32)", "raw 235-ok\\r\\n535 no\\r\\n")
            .ends("protocol auth", "deferred"),
        case("NUL (D32)", "raw 235 o\\0k\\r\\n").ends("protocol auth", "deferred"),
        case("flood without line end (N31)", "flood 334 QUJD").ends("protocol auth", "deferred"),
        case("flood of lines (N32)", "flood 334-QUJD\\r\\n").ends("protocol auth", "deferred"),
        case("flood of challenges (R111)", "flood 334 QUJD\\r\\n").any_tail().ends("auth auth", "deferred"),
        case("a challenge it does not have (R102)", "say 334 QUJD / hear * / say 501 cancelled / bye")
            .ends("auth auth", "deferred"),
        case("a challenge instead of the answer to `*` (R104)", "say 334 QUJD / hear * / say 334 QUJD / bye")
            .ends("auth auth", "deferred"),
        case("silence after `*` (R104)", "say 334 QUJD / hear *").short(Auth).ends("auth auth", "deferred"),
        case("a challenge that is no base64 (R103)", "say 334 !! / hear * / say 501 no / bye")
            .ends("auth auth", "deferred"),
        case(
            "a challenge of two lines (R103)",
            "raw 334-QUJD\\r\\n334 QUJD\\r\\n / hear * / say 501 no / bye",
        )
        .ends("auth auth", "deferred"),
        case(
            "a challenge of 16 KiB (N31)",
            &format!("say 334 {} / hear * / say 501 no / bye", challenge(16_000)),
        )
        .ends("auth auth", "deferred"),
        case("a challenge of 17 KiB (N31)", &format!("say 334 {}", challenge(17_408)))
            .ends("protocol auth", "deferred"),
        case("535, and no weaker mechanism (R109)", "say 535 no / bye")
            .never("LOGIN")
            .ends("auth auth", "deferred"),
        case("454 (R107)", "say 454 later / bye").ends("auth auth", "deferred"),
        case("421 (R39)", "say 421 bye").ends("refused auth", "deferred"),
        case("534, which asks for something weaker (R109)", "say 534 use LOGIN / bye")
            .ends("auth auth", "deferred"),
        case("yes with a challenge behind it (R45)", "raw 235 ok\\r\\n334 QUJD\\r\\n")
            .ends("protocol mail", "deferred"),
        case(
            "yes with all replies behind it (D33)",
            "raw 235 ok\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 ok\\r\\n",
        )
        .ends("protocol mail", "deferred"),
        case("yes twice (R45)", "raw 235 ok\\r\\n235 ok\\r\\n").ends("protocol mail", "deferred"),
    ]
}

fn login() -> Vec<Case> {
    let case = |name: &str, script: &str| over_tls("LOGIN", name, script).login();
    vec![
        case("yes at once (R124)", "say 235 ok / bye").ends("auth auth", "deferred"),
        case("yes before the password (R124)", "say 334 VXNlcm5hbWU6 / hear YW5u / say 235 ok / bye").ends("auth auth", "deferred"),
        case("a third prompt (R102)", "say 334 VXNlcm5hbWU6 / hear YW5u / say 334 UGFzc3dvcmQ6 / hear Y29y / say 334 UElOOg== / hear * / say 501 no / bye")
            .ends("auth auth", "deferred"),
        case("the second prompt is no base64 (R103)", "say 334 VXNlcm5hbWU6 / hear YW5u / say 334 Password: / hear * / say 501 no / bye")
            .ends("auth auth", "deferred"),
        case("both prompts at once (D33)", "raw 334 VXNlcm5hbWU6\\r\\n334 UGFzc3dvcmQ6\\r\\n").ends("protocol auth", "deferred"),
        case("prompts and yes at once (D33)", "raw 334 VXNlcm5hbWU6\\r\\n334 UGFzc3dvcmQ6\\r\\n235 ok\\r\\n").ends("protocol auth", "deferred"),
        case("silence at the password (R72)", "say 334 VXNlcm5hbWU6 / hear YW5u").short(Auth).ends("timeout auth", "deferred"),
        case("reset at the password", "say 334 VXNlcm5hbWU6 / hear YW5u / reset").ends("network auth", "deferred"),
        case("flood of prompts (R111)", "flood 334 VXNlcm5hbWU6\\r\\n").ends("protocol auth", "deferred"),
        case("empty prompts will do (R102)", "say 334 / hear YW5u / raw 334\\x20\\r\\n / hear Y29y / say 535 no / bye").ends("auth auth", "deferred"),
    ]
}

/// What a server that knows the password says, and what it hears, for the nonce of the cases.
const SALT: &str = "cj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUElaHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscz1jMkZzZENCdlppQXhOaUJpZVhSbGN3PT0saT00MDk2";
const PROOF: &str = "Yz1iaXdzLHI9QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBJWh2WURwV1VhMlJhVENBZnV4RklsailoTmxGJGswLHA9ekg5MGpBaDJUWnFnTm11MTNSenlBMmsreFZWZ1cvZTRZdURRS3A5UlI1UT0=";
const SIGNATURE: &str = "dj1DNzdTYjlOSHZ5Mm1acFZTcjJSdUMzbklwTTFYMlBWY3kvNUY1OEtsZE1FPQ==";

fn scram() -> Vec<Case> {
    let case = |name: &str, script: &str| {
        over_tls("SCRAM-SHA-256", name, script).by(Mechanism::ScramSha256).never("PLAIN")
    };
    let first = |name: &str, challenge: &str| {
        case(name, &format!("say 334 {challenge} / hear * / say 501 no / bye")).ends("auth auth", "deferred")
    };
    let proven = |name: &str, script: &str| {
        case(name, &format!("say 334 {SALT} / hear {PROOF} / {script}")).ends("auth auth", "deferred")
    };
    vec![
        // A password that takes a thousand million rounds is a case that would not end in time.
        first("an iteration bomb (R123)", "cj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF4LHM9UVVKRCxpPTEwMDAwMDAwMDA="),
        first("one iteration (R123)", "cj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF4LHM9UVVKRCxpPTE="),
        first("iterations beyond any number (R123)", "cj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF4LHM9UVVKRCxpPTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ=="),
        first("another's nonce (R122)", "cj1CQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBeCxzPVFVSkQsaT00MDk2"),
        first("our nonce, not continued (R122)", "cj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUEscz1RVUpELGk9NDA5Ng=="),
        first("no salt (R126)", "cj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF4LHM9LGk9NDA5Ng=="),
        first("attributes twice (R121)", "cj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF4LHM9UVVKRCxpPTQwOTYsaT01MDAw"),
        first("a demand (R121)", "bT14LHI9QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBeCxzPVFVSkQsaT00MDk2"),
        first("NUL (R121)", "cj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF4LHM9UVVKRCxpPTQwOTYseD0A"),
        first("no UTF-8 (R121)", "cj3/"),
        first("an error (R124)", "ZT11bmtub3duLXVzZXI=").telling("unknown-user"),
        case("yes at once (R124)", "say 235 ok / bye").ends("auth auth", "deferred"),
        case("534, which asks for something weaker (R109)", "say 534 use PLAIN / bye").ends("auth auth", "deferred"),
        proven("yes too early (R124)", "say 235 ok / bye"),
        proven("a wrong signature (R124)", "say 334 dj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBPQ== / hear * / say 235 ok / bye").telling("signature"),
        proven("half a signature (R124)", "say 334 dj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBPT0= / hear * / say 501 no / bye"),
        proven("an empty signature (R124)", "say 334 dj0= / hear * / say 501 no / bye"),
        proven("our own proof for a signature (R124)", &format!("say 334 {PROOF} / hear * / say 501 no / bye")),
        proven("an error at the end (R124)", "say 334 ZT1vdGhlci1lcnJvcg== / hear * / say 501 no / bye").telling("other-error"),
        proven("535 (R109)", "say 535 no / bye"),
        proven("a challenge too many (R102)", &format!("say 334 {SIGNATURE} / hear / say 334 {SIGNATURE} / hear * / say 501 no / bye")),
        proven("signature and yes at once (D33)", &format!("raw 334 {SIGNATURE}\\r\\n235 ok\\r\\n"))
            .ends("protocol auth", "deferred"),
        proven("silence instead of a signature (R72)", "").short(Auth).ends("timeout auth", "deferred"),
        case("flood of challenges (R111)", &format!("flood 334 {SALT}\\r\\n")).any_tail().ends("protocol auth|auth auth", "deferred"),
    ]
}

fn others() -> Vec<Case> {
    let by = |mechanism: Mechanism, name: &str, script: &str| {
        over_tls(mechanism.name(), name, script).by(mechanism).ends("auth auth", "deferred")
    };
    let complaint = "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=";
    let long = "QUJD".repeat(3000);
    let mut cases = vec![
        by(Mechanism::CramMd5, "nothing to sign (D30)", "raw 334\\x20\\r\\n / hear * / say 501 no / bye"),
        by(Mechanism::CramMd5, "yes at once (R124)", "say 235 ok / bye"),
        by(
            Mechanism::CramMd5,
            "something else signed afterwards (R102)",
            "say 334 QUJD / hear YW5u / say 334 QUJE / hear * / say 501 no / bye",
        ),
        by(
            Mechanism::CramMd5,
            "9 KiB to sign, and no",
            &format!("say 334 {long} / hear YW5u / say 535 no / bye"),
        ),
    ];
    for (mechanism, answer) in [(Mechanism::OAuthBearer, "hear AQ== / "), (Mechanism::XOAuth2, "hear / ")] {
        cases.extend([
            by(
                mechanism,
                "a complaint, and no (R131)",
                &format!("say 334 {complaint} / {answer}say 535 no / bye"),
            )
            .telling("invalid_token"),
            by(
                mechanism,
                "a complaint, and yes (R124)",
                &format!("say 334 {complaint} / {answer}say 235 ok / bye"),
            ),
            by(
                mechanism,
                "two complaints (R102)",
                &format!("say 334 {complaint} / {answer}say 334 {complaint} / hear * / say 501 no / bye"),
            ),
            by(
                mechanism,
                "a complaint that forges a line (R133)",
                &format!("say 334 eyJzdGF0dXMiOiJ4DQoyNTAgb2sifQ== / {answer}say 535 no / bye"),
            ),
        ]);
    }
    cases
}

fn both() -> Vec<Case> {
    let secure = |offer: &str| format!("tls good / hello {offer}");
    vec![
        case("auth: a mechanism that is not offered (B4)", format!("{} / bye", secure("AUTH+LOGIN")))
            .implicit_tls()
            .plain()
            .never("AUTH")
            .ends("auth auth", "deferred"),
        case("auth: nothing that is known (R134)", format!("{} / bye", secure("AUTH+NTLM+GSSAPI")))
            .implicit_tls()
            .auto()
            .never("AUTH")
            .ends("auth auth", "deferred"),
        case("auth: not offered at all (B4)", format!("{} / bye", secure("SIZE")))
            .implicit_tls()
            .auto()
            .never("AUTH")
            .ends("auth auth", "deferred"),
        case(
            "auth: names that are none (R115)",
            format!("{} / bye", secure("AUTH+PLAIN-+=PLAIN+plain$+PLAIN,LOGIN")),
        )
        .implicit_tls()
        .auto()
        .never("AUTH")
        .ends("auth auth", "deferred"),
        case(
            "auth: 550 to MAIL behind it",
            format!("{} / hear AUTH / say 235 ok / hear MAIL / say 550 no / bye", secure("AUTH+PLAIN")),
        )
        .implicit_tls()
        .auto()
        .ends("ok", "rejected"),
        case(
            "auth: reset behind the yes",
            format!("{} / hear AUTH / say 235 ok / hear MAIL / reset", secure("AUTH+PLAIN")),
        )
        .implicit_tls()
        .auto()
        .ends("network mail", "deferred"),
        case(
            "auth: a redirect is not followed",
            format!(
                "{} / hear AUTH / say 235 ok / mail / hear RCPT / say 551 elsewhere / bye",
                secure("AUTH+PLAIN")
            ),
        )
        .implicit_tls()
        .auto()
        .ends("ok", "rejected"),
    ]
}
