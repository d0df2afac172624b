//! MAIL, RCPT and DATA, one command at a time: codes, parameters, and what becomes of whom.

use smtp_proto::{
    Disposition, Error, Event, PeerError, Phase, body::Facts, config::EightBit, error::Unsendable,
};

use super::*;

/// A transaction for one recipient; `mail`, `rcpt`, `data` and `end` are the replies.
fn lockstep(mail: &str, rcpt: &str, data: &str, end: &str) -> String {
    let mut text = format!("C: MAIL FROM:<a@x.example>\nS: {mail}");
    if mail.starts_with('2') {
        text += &format!("\nC: RCPT TO:<b@y>\nS: {rcpt}");
        if rcpt.starts_with('2') {
            text += &format!("\nC: DATA\nS: {data}");
            if data.starts_with("354") {
                text += &format!("\n*: content\nS: {end}");
            }
        }
    }
    text
}

#[test]
fn a_message_word_for_word() {
    // R16, R47, R50, R53, R62, W1, M87
    let outcome = play_split(
        config(),
        Plan::of([mail(&["b@y", "c@y"])]),
        "S: 220 mx ESMTP
         C| EHLO client.example\\r\\n
         S: 250 mx
         C| MAIL FROM:<a@x.example>\\r\\n
         S: 250 ok
         C| RCPT TO:<b@y>\\r\\n
         S: 250 ok
         C| RCPT TO:<c@y>\\r\\n
         S: 250 ok
         C| DATA\\r\\n
         S: 354 go
         C| Subject: s\\r\\n\\r\\nbody\\r\\n.\\r\\n
         S: 250 2.0.0 queued
         C| QUIT\\r\\n
         S: 221 bye
         *: close",
    );
    assert_eq!(outcome.verdicts(0), ["delivered 250", "delivered 250"]);
    assert!(matches!(outcome.closed(), Some(None)));
}

#[test]
fn a_code_is_judged_by_its_first_digit() {
    // R34, R36-R38, B7, B8, D9, T5
    for (mail_reply, rcpt, data, end, expected) in [
        ("251 ok", "250 ok", "354 go", "226 done", "delivered 226"),
        ("299 ok", "251 forwards", "354 go", "250 ok", "delivered 250"),
        ("250", "252 perhaps", "354", "250", "delivered 250"),
        ("550 5.1.2 no", "", "", "", "rejected 550 mail"),
        ("498 hm", "", "", "", "deferred 498 mail"),
        ("599 hm", "", "", "", "rejected 599 mail"),
        ("552 5.3.4 too big", "", "", "", "rejected 552 mail"), // R163, M99: only RCPT is rewritten
        ("452 4.3.1 full", "", "", "", "deferred 452 mail"),
        ("550 5.6.7 smtputf8", "", "", "", "rejected 550 mail"), // R171
        ("530 5.7.0 auth", "", "", "", "rejected 530 mail"),     // R108
        ("250 ok", "551 moved", "", "", "rejected 551 rcpt"),    // R37
        ("250 ok", "552 too many", "", "", "deferred 452 rcpt"), // R29, D9
        ("250 ok", "552 5.5.3 too many", "", "", "deferred 452 rcpt"),
        ("250 ok", "552 5.3.4 too big", "", "", "rejected 552 rcpt"),
        ("250 ok", "452 too many", "", "", "deferred 452 rcpt"),
        ("250 ok", "553 5.6.7 smtputf8", "", "", "rejected 553 rcpt"), // R171
        ("250 ok", "250 ok", "451 later", "", "deferred 451 data"),    // R51
        ("250 ok", "250 ok", "554 no", "", "rejected 554 data"),
        ("250 ok", "250 ok", "354 go", "554 5.6.9 no", "rejected 554 end"), // R171
        ("250 ok", "250 ok", "354 go", "552 too big", "rejected 552 end"),  // R164, D9
        ("250 ok", "250 ok", "354 go", "450 later", "deferred 450 end"),
    ] {
        let dialogue = session(&[], &lockstep(mail_reply, rcpt, data, end));
        let outcome = play_split(config(), Plan::of([mail(&["b@y"])]), &dialogue);
        assert_eq!(outcome.verdicts(0), [expected], "{mail_reply}, {rcpt}, {data}, {end}");
        assert!(matches!(outcome.closed(), Some(None)), "a refusal is no error of the session");
    }
}

#[test]
fn a_code_that_means_nothing_ends_the_session_without_a_word() {
    // R35, R36, D31, law 10
    for (mail_reply, rcpt, data, end, expected) in [
        ("354 go", "", "", "", "deferred 451 mail"),
        ("150 wait", "", "", "", "deferred 451 mail"),
        ("250 ok", "334 x", "", "", "deferred 451 rcpt"),
        ("250 ok", "250 ok", "250 ok", "", "deferred 451 data"),
        ("250 ok", "250 ok", "334 ok", "", "deferred 451 data"),
        ("250 ok", "250 ok", "355 ok", "", "deferred 451 data"),
        ("250 ok", "250 ok", "354 go", "354 go", "uncertain 451 end"),
        ("250 ok", "250 ok", "354 go", "221 bye", "uncertain 451 end"),
    ] {
        let dialogue = format!("{}{}\n*: gone", opened(&[]), lockstep(mail_reply, rcpt, data, end));
        let outcome = play_split(config(), Plan::of([mail(&["b@y"])]), &dialogue);
        assert_eq!(outcome.verdicts(0), [expected], "{mail_reply}, {rcpt}, {data}, {end}");
        assert!(matches!(outcome.error(), Error::Peer(_)));
        assert_eq!(outcome.error().status().code.get(), 451); // M107
    }
}

#[test]
fn recipients_succeed_and_fail_one_by_one() {
    // R29, R49, R61, M84: in order, duplicates counted, the end's reply for all accepted.
    let dialogue = session(
        &[],
        "C: MAIL FROM:<a@x.example>
         S: 250 ok
         C: RCPT TO:<b@y>
         S: 250 ok
         C: RCPT TO:<c@y>
         S: 550 5.1.1 who
         C: RCPT TO:<b@y>
         S: 450 4.2.2 full
         C: RCPT TO:<d@y>
         S: 452 4.5.3 too many
         C: DATA
         S: 354 go
         *: content
         S: 250 2.6.0 taken",
    );
    let outcome = play_split(config(), Plan::of([mail(&["b@y", "c@y", "b@y", "d@y"])]), &dialogue);
    assert_eq!(
        outcome.verdicts(0),
        ["delivered 250", "rejected 550 rcpt", "deferred 450 rcpt", "deferred 452 rcpt"]
    );
    let seen: Vec<_> = outcome
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Recipient(_, id, reply) => Some((id.index(), reply.code().get())),
            _ => None,
        })
        .collect();
    assert_eq!(seen, [(0, 250), (1, 550), (2, 450), (3, 452)]);
}

#[test]
fn the_servers_own_words_are_kept() {
    // M97, M98, T5
    let dialogue = session(&[], "C: MAIL FROM:<a@x.example>\nS: 550-5.1.2 Hey\nS: 550 5.1.2 you");
    let outcome = play_split(config(), Plan::of([mail(&["b@y"])]), &dialogue);
    let status = outcome.dispositions(0)[0].status();
    assert_eq!((status.code.get(), status.enhanced.to_string()), (550, "5.1.2".into()));
    assert_eq!(status.text, "Hey\nyou");
    assert!(!status.synthetic && !status.local);

    let dialogue = session(&[], "C: MAIL FROM:<a@x.example>\nS: 550 no");
    let status = play(config(), Plan::of([mail(&["b@y"])]), &dialogue).dispositions(0)[0].status();
    assert_eq!((status.enhanced.to_string(), status.synthetic), ("5.0.0".into(), true));
}

#[test]
fn without_an_accepted_recipient_there_is_no_data() {
    // R48
    let dialogue = session(
        &[],
        "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 550 no\nC: RCPT TO:<c@y>\nS: 450 no",
    );
    let outcome = play_split(config(), Plan::of([mail(&["b@y", "c@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["rejected 550 rcpt", "deferred 450 rcpt"]);
}

#[test]
fn a_message_for_nobody_says_nothing() {
    let outcome = play(config(), Plan::of([mail(&[])]), &session(&[], ""));
    assert!(outcome.verdicts(0).is_empty());
}

#[test]
fn the_null_sender_goes_as_it_is() {
    // R18, B10
    for asked in [Sender::null(), Sender::null().with_smtputf8()] {
        let mut one = mail(&["b@y"]);
        one.envelope.sender = asked;
        let dialogue = session(&[], &lockstep("250 ok", "250 ok", "354 go", "250 ok"))
            .replace("FROM:<a@x.example>", "FROM:<>");
        assert_eq!(play(config(), Plan::of([one]), &dialogue).verdicts(0), ["delivered 250"]);
    }
}

/// Facts about a content that is never sent in these tests.
fn facts(size: u64) -> Facts {
    let mut facts = Facts::default();
    (facts.octets, facts.size) = (size, size);
    facts
}

fn eight_bit(mut facts: Facts) -> Facts {
    facts.eight_bit = true;
    facts
}

fn eight_bit_header(mut facts: Facts) -> Facts {
    facts.eight_bit_header = true;
    eight_bit(facts)
}

/// What MAIL looks like for this sender and these offers; the server then refuses it.
fn mail_line(sender: Sender, recipients: &[&str], offers: &[&str], config: Config) -> Outcome {
    let mut one = mail(recipients);
    one.envelope.sender = sender;
    let mut world =
        World::new(config, Script::new(&format!("{}C~ MAIL\nS: 450 enough{GOODBYE}", opened(offers))));
    world.expect(Plan::of([one]));
    world.into_outcome()
}

fn mail_parameters(sender: Sender, offers: &[&str]) -> String {
    let wire = mail_line(sender, &["b@y"], offers, config()).wire();
    let start = wire.find("MAIL FROM:<a@x.example>").expect("MAIL") + "MAIL FROM:<a@x.example>".len();
    wire[start..].split("\\r").next().unwrap().to_owned()
}

#[test]
fn parameters_are_those_that_are_offered_and_needed() {
    // R14, R161, R165, R168, R169, R174, B18
    let (eight_bit, header) = (eight_bit(facts(9)), eight_bit_header(facts(9)));
    let all = &["SIZE 1000", "8BITMIME", "SMTPUTF8"];
    for (sender, offers, expected) in [
        (sender().with_content(facts(9)), &[][..], ""),
        (sender().with_content(facts(9)), &["SIZE"], " SIZE=9"),
        (sender().with_content(facts(9)), &["SIZE 0"], " SIZE=9"),
        (sender().with_content(facts(1000)), &["SIZE 1000"], " SIZE=1000"),
        (sender().with_content(facts(9)), &["SIZE abc"], ""), // R162
        (sender().with_content(facts(9)), all, " SIZE=9"),
        (sender().with_declared_size(7), &["SIZE"], " SIZE=7"),
        (sender().with_content(eight_bit), all, " SIZE=9 BODY=8BITMIME"),
        (sender().with_content(header), all, " SIZE=9 BODY=8BITMIME SMTPUTF8"),
        (sender().with_content(header), &["SMTPUTF8"], " SMTPUTF8"), // R168: lenient about 8BITMIME
        (sender().with_content(facts(9)).with_smtputf8(), all, " SIZE=9"), // R169: not needed
        (sender().with_smtputf8(), &["SMTPUTF8"], " SMTPUTF8"),
        (sender().with_smtputf8(), &[], ""),
    ] {
        assert_eq!(mail_parameters(sender.clone(), offers), expected, "{sender:?} {offers:?}");
    }
}

#[test]
fn utf8_addresses_go_raw_only_with_smtputf8_and_as_a_labels_without() {
    // R173, R3, B11, M80, M81
    let utf8 = || Sender::from(mailbox("a@тест.example"));
    let on = mail_line(utf8(), &["b@y"], &["SMTPUTF8", "8BITMIME"], config());
    assert!(
        String::from_utf8_lossy(&on.sent).contains("MAIL FROM:<a@тест.example> BODY=8BITMIME SMTPUTF8\r\n")
    );
    let off = mail_line(utf8(), &["b@y"], &[], config());
    assert!(off.wire().contains("MAIL FROM:<a@xn--e1aybc.example>\\r\\n"), "{}", off.wire());

    // A recipient alone asks for it too; without the offer it is converted, and told by its index (B13).
    let recipient = mail_line(sender(), &["b@тест.example"], &["SMTPUTF8"], config());
    assert!(recipient.wire().contains(" SMTPUTF8\\r\\n"));
    let dialogue =
        session(&[], "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@xn--e1aybc.example>\nS: 550 no");
    let outcome = play(config(), Plan::of([mail(&["b@тест.example", "тест@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["rejected 550 rcpt", "rejected 553 rcpt"]);
}

/// A message that must be refused without a word of it on the wire.
fn unsendable(sender: Sender, offers: &[&str]) -> Disposition {
    let mut one = mail(&["b@y"]);
    one.envelope.sender = sender;
    let outcome = play(config(), Plan::of([one]), &session(offers, ""));
    outcome.dispositions(0)[0].clone()
}

#[test]
fn what_the_server_cannot_take_is_refused_without_a_word() {
    // R162, R166, R167, R170, D10, M80, B19
    let (eight_bit, header) = (eight_bit(facts(9)), eight_bit_header(facts(9)));
    let utf8_local = Sender::from(mailbox("тест@x"));
    for (sender, offers, code, enhanced) in [
        (sender().with_content(facts(101)), &["SIZE 100"][..], 552, "5.3.4"),
        (sender().with_declared_size(101), &["SIZE 100"], 552, "5.3.4"),
        (sender().with_content(eight_bit), &[], 554, "5.6.3"),
        (sender().with_content(header), &["8BITMIME"], 550, "5.6.7"),
        (utf8_local, &["8BITMIME"], 550, "5.6.7"),
        (sender().with_require_tls(), &["REQUIRETLS"], 550, "5.7.30"),
    ] {
        let disposition = unsendable(sender, offers);
        assert!(matches!(disposition, Disposition::Rejected(_)), "{disposition:?}");
        let status = disposition.status();
        assert_eq!((status.code.get(), status.enhanced.to_string().as_str()), (code, enhanced));
    }
}

#[test]
fn eight_bit_content_goes_anyway_where_the_operator_says_so() {
    // R166
    let mut config = config();
    config.eight_bit_body = EightBit::Send;
    let mut one = Mail::new(envelope(&["b@y"]), "S: s\r\n\r\n\u{fc}\r\n");
    one.envelope.sender = sender().with_content(eight_bit(facts(one.content.len() as u64)));
    let dialogue = session(&[], &lockstep("250 ok", "250 ok", "354 go", "250 ok"));
    assert_eq!(play(config, Plan::of([one]), &dialogue).verdicts(0), ["delivered 250"]);
}

#[test]
fn eight_bit_octets_that_nobody_announced_end_without_an_end_mark() {
    // R166, D10, R54
    for (content, code) in
        [("S: s\r\n\r\n\u{fc}\r\n", "rejected 554 body"), ("S: \u{fc}\r\n\r\n", "rejected 554 body")]
    {
        let one = Mail::new(envelope(&["b@y"]), content);
        let dialogue = format!(
            "{}{}",
            opened(&[]),
            "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 354 go"
        );
        let mut world = World::new(config(), Script::new(&dialogue));
        world.run(Plan::of([one]));
        let outcome = world.into_outcome();
        assert_eq!(outcome.verdicts(0), [code]);
        assert!(outcome.wire().ends_with("DATA\\r\\n"), "{}", outcome.wire());
    }
}

#[test]
fn more_recipients_than_the_server_takes_are_deferred_here() {
    // R201
    let dialogue = session(&["LIMITS RCPTMAX=1"], &lockstep("250 ok", "250 ok", "354 go", "250 ok"));
    let outcome = play(config(), Plan::of([mail(&["b@y", "c@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["delivered 250", "deferred 452 rcpt"]);
}

#[test]
fn an_authenticated_relay_says_auth_only_where_asked() {
    // D23: not authenticated, so no AUTH= even though the option is set.
    let mut config = config();
    config.mail_auth_param = true;
    let outcome = mail_line(sender(), &["b@y"], &["AUTH PLAIN"], config);
    assert!(!outcome.wire().contains("AUTH=<>"));
}

#[test]
fn begin_recipient_and_data_come_one_by_one() {
    // R47: the same dialogue as `submit`, when the application takes its time.
    let dialogue = session(&["PIPELINING"], &lockstep("250 ok", "250 ok", "354 go", "250 ok"));
    let mut world = World::new(config(), Script::new(&dialogue));
    world.run(Plan { stay: true, ..Plan::default() });
    let now = world.clock.now();
    assert!(world.client.recipient(now, mailbox("b@y").into()).is_err());
    assert!(world.client.data(now).is_err());
    world.client.begin(now, sender()).unwrap();
    assert!(world.client.begin(now, sender()).is_err());
    world.run(Plan { stay: true, ..Plan::default() });
    world.client.recipient(now, mailbox("b@y").into()).unwrap();
    world.run(Plan { stay: true, ..Plan::default() });
    assert_eq!(world.client.body_credit(), 0);
    world.client.data(now).unwrap();
    assert!(world.client.recipient(now, mailbox("c@y").into()).is_err());
    world.run(Plan { stay: true, ..Plan::default() });
    world.client.write_body(now, b"x\r\n").unwrap();
    world.client.finish_body(now).unwrap();
    assert!(world.client.write_body(now, b"x").is_err());
    world.expect(Plan::default());
    assert_eq!(world.outcome().verdicts(0), ["delivered 250"]);
    assert_eq!(world.server.contents, [b"x\r\n"]);
}

#[test]
fn giving_up_before_data_ends_in_quit() {
    // M114: no DATA, no RSET; the recipients are told.
    let dialogue =
        session(&["PIPELINING"], "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok");
    let mut world = World::new(config(), Script::new(&dialogue));
    let stay = || Plan { stay: true, ..Plan::default() };
    world.run(stay());
    let now = world.clock.now();
    world.client.begin(now, sender()).unwrap();
    world.client.recipient(now, mailbox("b@y").into()).unwrap();
    world.run(stay());
    world.client.quit(now);
    world.expect(stay());
    assert_eq!(world.outcome().verdicts(0), ["deferred 451 data"]);
}

#[test]
fn one_reply_too_many_puts_the_dialogue_out_of_step() {
    // R45, N37
    let dialogue = format!("{}C: MAIL FROM:<a@x.example>\nS| 250 ok\\r\\n250 ok\\r\\n\n*: gone", opened(&[]));
    let outcome = play(config(), Plan::of([mail(&["b@y"])]), &dialogue);
    assert!(matches!(outcome.error(), Error::Peer(PeerError::Unsolicited { .. })));
    assert_eq!(outcome.verdicts(0), ["deferred 451 rcpt"]);
}

#[test]
fn facts_that_ask_for_more_than_is_offered_name_the_reason() {
    let disposition = unsendable(sender().with_content(facts(101)), &["SIZE 100"]);
    let failure = disposition.failure().unwrap();
    assert_eq!(failure.phase, Phase::Mail);
    assert!(matches!(failure.cause, Error::Unsendable(Unsendable::TooLarge { size: 101, limit: 100 })));
}
