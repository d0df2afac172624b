//! How a delivery ends when its driver wants no more, or has nothing to give.

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use std::{io, sync::Arc, time::Instant};

use rustls::{ClientConfig, RootCertStore};
use smtp_proto::{
    Action, Config, Delivery, Endpoint, Envelope, Error, Failover, Plan, Recipient, Report, Sender,
};

/// To two targets, one after the other if the first leaves anything undecided.
fn delivery(now: Instant, first: &str) -> Delivery {
    let endpoints = [first, "tcp://10.0.0.2:25"].map(|text| text.parse::<Endpoint>().unwrap());
    let mut config = Config::new("client.example".parse().unwrap());
    // For targets that want TLS; nobody's certificate is looked at here.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.security.client = Some(Arc::new(client));
    let plan = Plan::new(endpoints, &config).unwrap().with_failover(Failover::UntilDecided).with_reuse(None);
    let envelope = Envelope::new(
        Sender::new("a@example.org".parse().unwrap()),
        vec![Recipient::new("b@example.net".parse().unwrap())],
    );
    Delivery::new(now, Arc::new(plan), envelope)
}

/// Does what is asked for until nothing more is; the report, where that was last.
fn actions(delivery: &mut Delivery) -> (Vec<String>, Option<Report>) {
    let mut done = Vec::new();
    while let Some(action) = delivery.poll_action() {
        match action {
            Action::Finish(report) => return (done, Some(report)),
            Action::Resolve { host, .. } => done.push(format!("resolve {host}")),
            Action::Connect(peer) => done.push(format!("connect {peer}")),
            Action::Disconnect => done.push("disconnect".to_owned()),
            Action::Answer(..) => {}
            other => panic!("{other:?}"),
        }
    }
    (done, None)
}

#[test]
fn a_name_without_addresses_is_a_failed_attempt_and_the_next_target_is_tried() {
    let now = Instant::now();
    let mut delivery = delivery(now, "tcp://mx.example.net:25");
    assert_eq!(actions(&mut delivery).0, ["resolve mx.example.net"]);
    delivery.handle_resolved(now, Ok(Vec::new()));
    assert_eq!(actions(&mut delivery).0, ["connect 10.0.0.2:25"]);
    delivery.cancel(now);
    let report = actions(&mut delivery).1.unwrap();
    // Whoever reads the report learns about both.
    assert_eq!(report.attempts.len(), 2);
    assert!(
        matches!(&report.attempts[0].error, Some(Error::Resolve { not_found: true, .. })),
        "{:?}",
        report.attempts
    );
}

#[test]
fn no_further_target_is_tried_once_the_content_is_known_to_be_lost() {
    // SPEC section 6, row 13: also where the session was ending for a reason of its own, which alone would lead on.
    for fails in [false, true] {
        let now = Instant::now();
        let mut delivery = delivery(now, "tcp://10.0.0.1:25");
        assert_eq!(actions(&mut delivery).0, ["connect 10.0.0.1:25"]);
        delivery.handle_connected(now, Ok(()));
        delivery.handle_input(now, b"554 no mail here\r\n");
        assert!(delivery.transmit().starts_with(b"QUIT"));
        if fails {
            delivery.fail_body(now, &io::Error::other("the disk is gone"));
        } else {
            delivery.handle_closed(now, None);
        }
        let (done, report) = actions(&mut delivery);
        let onward: &[&str] = if fails { &["disconnect"] } else { &["disconnect", "connect 10.0.0.2:25"] };
        assert_eq!(done, onward);
        assert_eq!(report.is_some(), fails);
    }
}

#[test]
fn last_words_that_are_not_waited_for_are_no_attempt_of_their_own() {
    let now = Instant::now();
    let mut delivery = delivery(now, "tls://10.0.0.1:465");
    assert_eq!(actions(&mut delivery).0, ["connect 10.0.0.1:465"]);
    delivery.handle_connected(now, Ok(()));
    let hello = delivery.transmit().len();
    delivery.handle_transmitted(now, hello);
    delivery.handle_input(now, b"220 this is no TLS\r\n");
    assert!(actions(&mut delivery).0.is_empty());
    assert!(!delivery.transmit().is_empty(), "the alert is still to be written");
    delivery.cancel(now);
    let (done, report) = actions(&mut delivery);
    assert_eq!(done, ["disconnect"]);
    let report = report.unwrap();
    let [attempt] = report.attempts.as_slice() else { panic!("{:?}", report.attempts) };
    assert!(matches!(attempt.error, Some(Error::Tls(_))), "{attempt:?}");
}
