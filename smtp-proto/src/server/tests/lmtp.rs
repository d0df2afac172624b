use super::*;

fn two_recipients() -> Harness {
    let mut harness = Harness::new(Config { decisions: Decisions::END, ..lmtp() });
    harness.send("LHLO c\r\n");
    let sent = "MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n";
    assert_eq!(harness.codes(sent), ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354"]);
    harness
}

#[test]
fn the_hello_is_lhlo() {
    let mut harness = Harness::new(lmtp());
    assert_eq!(harness.codes("EHLO c\r\nHELO c\r\nLHLO c\r\n"), ["500 5.5.1", "500 5.5.1", "250"]); // R73
}

#[test]
fn each_accepted_recipient_has_its_reply_also_repeated_ones() {
    let mut harness = two_recipients();
    assert_eq!(harness.codes("x\r\n.\r\n"), [""; 0]);
    harness.server.reply_recipient(harness.now, 1, reply(452, "4.2.2 full")).unwrap();
    assert_eq!(harness.output(), "", "the first has none yet");
    assert_eq!(
        harness.server.reply_recipient(harness.now, 1, reply(250, "no, fine")),
        Err(Misuse::NoSuchRecipient(1))
    );
    assert_eq!(
        harness.server.reply_recipient(harness.now, 2, reply(250, "who")),
        Err(Misuse::NoSuchRecipient(2))
    );
    harness.server.reply_recipient(harness.now, 0, reply(250, "2.0.0 stored")).unwrap();
    assert_eq!(harness.output(), "250 2.0.0 stored\r\n452 4.2.2 full\r\n"); // R74, R75
    assert!(!harness.server.in_transaction());
    assert_eq!(harness.codes("MAIL FROM:<a@x>\r\n"), ["250 2.1.0"]);
}

#[test]
fn replies_leave_as_they_come() {
    let mut harness = two_recipients();
    harness.send("x\r\n.\r\nNOOP\r\n");
    harness.server.reply_recipient(harness.now, 0, reply(250, "a")).unwrap();
    assert_eq!(harness.output(), "250 a\r\n"); // R64
    assert_eq!(
        harness.server.reply_recipient(harness.now, 0, reply(250, "a")),
        Err(Misuse::NoSuchRecipient(0))
    );
    harness.server.reply(harness.now, reply(451, "b")).unwrap();
    assert_eq!(harness.output(), "451 b\r\n250 2.0.0 ok\r\n");
}

#[test]
fn one_answer_may_serve_all() {
    let mut harness = two_recipients();
    harness.send("x\r\n.\r\n");
    harness.server.accept(harness.now).unwrap();
    assert_eq!(codes(&harness.output()), ["250 2.0.0", "250 2.0.0"]);

    let mut harness = two_recipients();
    harness.server.refuse_content(harness.now, reply(451, "lost")).unwrap();
    assert_eq!(harness.codes("x\r\n.\r\n"), ["451", "451"]);
}

#[test]
fn only_the_last_chunk_has_a_reply_per_recipient() {
    let mut harness = Harness::new(lmtp());
    harness.send("LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\n");
    assert_eq!(harness.codes("BDAT 1\r\nxBDAT 2 LAST\r\n\r\n"), ["250 2.0.0"; 3]); // R77
}

#[test]
fn data_without_recipients_is_503() {
    let mut harness = Harness::new(lmtp());
    harness.send("LHLO c\r\nMAIL FROM:<a@x>\r\n");
    assert_eq!(harness.codes("DATA\r\n"), ["503 5.5.1"]); // R76
}

#[test]
fn smtp_has_one_reply_only() {
    let mut harness = Harness::new(Config { decisions: Decisions::END, ..config() });
    harness.envelope();
    harness.send("DATA\r\n");
    harness.send("x\r\n.\r\n");
    assert_eq!(
        harness.server.reply_recipient(harness.now, 0, reply(250, "a")),
        Err(Misuse::NoSuchRecipient(0))
    );
    harness.server.accept(harness.now).unwrap();
    assert_eq!(codes(&harness.output()), ["250 2.0.0"]);
}
