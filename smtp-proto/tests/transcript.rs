//! The recorded dialogue (R133).

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use std::{sync::Arc, time::Instant};

use smtp_proto::{Config, Connection, Delivery, Endpoint, Envelope, Plan, Recipient, Sender};

#[test]
fn content_is_recorded_as_its_length_on_the_wire_without_the_end_mark() {
    let now = Instant::now();
    let mut config = Config::new("client.example".parse().unwrap());
    config.transcript = true;
    let mut connection = Connection::new(now, Arc::new(config));
    let hear = |connection: &mut Connection, said: &str| {
        connection.handle_input(now, said.as_bytes());
        let len = connection.transmit().len();
        connection.handle_transmitted(now, len);
    };
    hear(&mut connection, "220 mx\r\n");
    hear(&mut connection, "250-mx\r\n250 PIPELINING\r\n");
    let envelope = Envelope::new(
        Sender::new("a@example.org".parse().unwrap()),
        vec![Recipient::new("b@example.net".parse().unwrap())],
    );
    connection.submit(now, envelope).unwrap();
    hear(&mut connection, "");
    hear(&mut connection, "250 ok\r\n250 ok\r\n354 go\r\n");
    connection.write_body(now, b"Subject: x\r\n\r\n.dot").unwrap();
    connection.finish_body(now).unwrap();
    hear(&mut connection, "");
    hear(&mut connection, "250 ok\r\n");
    let lines: Vec<String> =
        std::iter::from_fn(|| connection.poll_transcript()).map(|line| line.to_string()).collect();
    assert_eq!(
        lines,
        [
            "S: 220 mx",
            "C: EHLO client.example",
            "S: 250-mx",
            "S: 250 PIPELINING",
            "C: MAIL FROM:<a@example.org>",
            "C: RCPT TO:<b@example.net>",
            "C: DATA",
            "S: 250 ok",
            "S: 250 ok",
            "S: 354 go",
            "C: [21 octets of content]",
            "C: .",
            "S: 250 ok",
        ]
    );
}

#[test]
fn a_delivery_hands_out_the_dialogues_of_all_its_sessions() {
    let now = Instant::now();
    let mut config = Config::new("client.example".parse().unwrap());
    config.transcript = true;
    let endpoints = ["tcp://10.0.0.1:25", "tcp://10.0.0.2:25"].map(|text| text.parse::<Endpoint>().unwrap());
    let plan = Plan::new(endpoints, &config).unwrap().with_reuse(None);
    let envelope = Envelope::new(
        Sender::new("a@example.org".parse().unwrap()),
        vec![Recipient::new("b@example.net".parse().unwrap())],
    );
    let mut delivery = Delivery::new(now, Arc::new(plan), envelope);
    for said in ["421 later\r\n", "220 mx\r\n"] {
        delivery.handle_connected(now, Ok(()));
        delivery.handle_input(now, said.as_bytes());
        let len = delivery.transmit().len();
        delivery.handle_transmitted(now, len);
    }
    let lines: Vec<String> =
        std::iter::from_fn(|| delivery.poll_transcript()).map(|line| line.to_string()).collect();
    let expected =
        ["S: 421 later", "*: the server refused greeting: 421 later", "S: 220 mx", "C: EHLO client.example"];
    assert_eq!(lines, expected);
}
