use super::*;
use crate::reply::Code;

/// `u` RCPT unsent, `q` asked, `a` accepted, `d` delivered, `x` rejected.
fn with(fates: &str) -> Transaction {
    let mut transaction = Transaction::new(TransactionId(7), None, 0);
    transaction.recipients = fates
        .chars()
        .map(|fate| match fate {
            'u' => Fate::Unsent("b@example.net".parse().unwrap()),
            'q' => Fate::Asked,
            'a' => Fate::Accepted,
            'd' => Fate::Decided(Disposition::Delivered(reply(250))),
            _ => Fate::Decided(Disposition::Rejected(refused(550))),
        })
        .collect();
    transaction
}

fn reply(code: u16) -> Reply {
    Reply::new(Code::new(code).unwrap(), "said")
}

fn refused(code: u16) -> Failure {
    Failure::new(Phase::Rcpt, Error::Refused { phase: Phase::Rcpt, reply: reply(code) })
}

fn names(transaction: Transaction) -> Vec<&'static str> {
    transaction.into_dispositions().iter().map(Disposition::name).collect()
}

#[test]
fn hope_ends_with_a_refused_sender_or_with_the_last_recipient() {
    for (fates, hopeless) in
        [("", true), ("x", true), ("xd", true), ("xa", false), ("q", false), ("u", false)]
    {
        assert_eq!(with(fates).is_hopeless(), hopeless, "{fates}");
    }
    let mut refused_sender = with("qa");
    refused_sender.refusal = Some(refused(550));
    assert!(refused_sender.is_hopeless());
}

#[test]
fn accepted_are_those_who_wait_for_the_content() {
    let transaction = with("qaxauda");
    assert!(transaction.has_accepted());
    assert_eq!(transaction.accepted().collect::<Vec<_>>(), [1, 3, 6]);
    assert!(!with("quxd").has_accepted());
    assert_eq!(RecipientId(3).index(), 3);
}

#[test]
fn what_is_decided_stays_decided() {
    // Law 2
    let mut transaction = with("ax");
    transaction.decide(0, Disposition::Delivered(reply(250)));
    transaction.decide(1, Disposition::Delivered(reply(250)));
    transaction.decide(0, Disposition::Rejected(refused(550)));
    transaction.decide(2, Disposition::Delivered(reply(250)));
    transaction.fail_rest(&refused(450));
    transaction.refuse(refused(450));
    assert_eq!(names(transaction), ["delivered", "rejected"]);
}

#[test]
fn a_failure_is_everybodys_who_is_not_decided() {
    let mut rest = with("dqau");
    rest.fail_rest(&refused(550));
    assert!(rest.refusal.is_none());
    assert_eq!(names(rest), ["delivered", "rejected", "rejected", "rejected"]);

    // R139: also of those still to be named.
    let mut sender = with("xqau");
    sender.refuse(refused(550));
    assert!(sender.refusal.is_some());
    assert_eq!(names(sender), ["rejected"; 4]);
}

#[test]
fn a_lost_connection_is_uncertain_once_the_end_mark_is_handed_out() {
    // R63, law 9, D36
    let lost = Error::Lost { phase: Phase::End, cause: None };
    for (end, given, handed_over) in
        [(None, 100, false), (Some(100), 99, false), (Some(100), 100, true), (Some(100), 101, true)]
    {
        let mut transaction = with("daqux");
        transaction.end = end;
        transaction.lose(Phase::End, &lost, given);
        // Row 23: who was asked by the same flight as the content may have it, too.
        let open = if handed_over { "uncertain" } else { "deferred" };
        assert_eq!(
            names(transaction),
            ["delivered", open, open, "deferred", "rejected"],
            "{end:?} of {given}"
        );
    }
}

#[test]
fn what_ended_the_session_is_no_verdict_about_the_message() {
    // R40, R56
    let mut transaction = with("a");
    transaction.lose(Phase::Reset, &Error::Refused { phase: Phase::Reset, reply: reply(500) }, 0);
    let dispositions = transaction.into_dispositions();
    let Disposition::Deferred(failure) = &dispositions[0] else { panic!("{dispositions:?}") };
    assert!(
        matches!(failure.cause, Error::Lost { phase: Phase::Reset, .. }) && failure.phase == Phase::Reset
    );

    // A temporary one is the cause as it is.
    let mut transaction = with("a");
    transaction.lose(Phase::End, &Error::Refused { phase: Phase::End, reply: reply(421) }, 0);
    let dispositions = transaction.into_dispositions();
    assert!(matches!(&dispositions[0], Disposition::Deferred(failure) if failure.cause.reply().is_some()));
}

#[test]
fn a_refusal_of_the_content_is_for_one_or_for_all_accepted() {
    let mut lmtp = with("axa");
    lmtp.refuse_content(Some(2), Phase::End, &reply(554));
    assert_eq!(lmtp.accepted().collect::<Vec<_>>(), [0]);
    lmtp.refuse_content(Some(0), Phase::End, &reply(452));
    assert_eq!(names(lmtp), ["deferred", "rejected", "rejected"]);

    let mut smtp = with("adaq");
    smtp.refuse_content(None, Phase::End, &reply(554));
    assert!(matches!(smtp.recipients[3], Fate::Asked));
    // What nobody has decided is never called delivered.
    assert_eq!(names(smtp), ["rejected", "delivered", "rejected", "deferred"]);
}
