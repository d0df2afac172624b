//! The JSON report, key by key.

use super::support::{Sink, run, send, welcome};

/// The top-level keys of a JSON text, in order.
fn keys(text: &str) -> Vec<String> {
    let (mut keys, mut depth, mut quoted, mut escaped, mut word) =
        (Vec::new(), 0, false, false, String::new());
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                if quoted {
                    word.clear();
                }
            }
            _ if quoted => word.push(c),
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ':' if depth == 1 => keys.push(word.clone()),
            _ => {}
        }
    }
    keys
}

const MESSAGE: [&str; 10] = [
    "message",
    "size",
    "outcome",
    "target",
    "tls",
    "fell_back_to_plaintext",
    "recipients",
    "attempts",
    "round_trips",
    "elapsed_ms",
];

#[test]
fn exactly_the_keys_of_the_contract_in_their_order() {
    let sink = Sink::start(&["--tls-self-signed", "--reply", "rcpt=550 ".trim_end()]);
    let done = send(
        &sink.endpoint,
        &["--ca", sink.ca.as_deref().unwrap(), "--tls", "required", "--server-name", "localhost"],
    );
    assert_eq!(keys(done.out.trim()), MESSAGE, "{done:?}");
    let object = done.object();
    let inner =
        |value: &serde_json::Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    // serde_json sorts; the order of inner keys is looked at in the text.
    assert_eq!(inner(&object["tls"]), ["cipher", "group", "verified", "version"]);
    assert_eq!(
        inner(&object["recipients"][0]),
        ["address", "code", "enhanced", "local", "phase", "status", "text"]
    );
    assert_eq!(inner(&object["attempts"][0]), ["address", "detail", "kind", "phase", "target"]);
    for ordered in [
        r#""version":"#,
        r#""cipher":"#,
        r#""group":"#,
        r#""verified":"#,
        r#""address":"#,
        r#""status":"#,
        r#""phase":"#,
        r#""code":"#,
        r#""enhanced":"#,
        r#""text":"#,
        r#""local":"#,
        r#""attempts":"#,
        r#""detail":"#,
    ]
    .windows(2)
    {
        assert!(done.out.find(ordered[0]) < done.out.find(ordered[1]), "{ordered:?} in {}", done.out);
    }
}

#[test]
fn a_delivered_message() {
    let sink = Sink::start(&[]);
    let done = send(&sink.endpoint, &["--tls", "off"]);
    let object = done.object();
    assert_eq!(object["message"], welcome());
    assert_eq!(object["size"], std::fs::metadata(welcome()).unwrap().len());
    assert_eq!(object["outcome"], "delivered");
    assert_eq!(object["target"], sink.endpoint);
    assert!(object["tls"].is_null());
    assert_eq!(object["fell_back_to_plaintext"], false);
    assert_eq!(
        object["recipients"],
        serde_json::json!([{"address": "b@example.org", "status": "delivered", "phase": "end", "code": 250,
            "enhanced": "2.0.0", "text": "message accepted as number 1", "local": false}])
    );
    assert_eq!(
        object["attempts"],
        serde_json::json!([{"target": sink.endpoint, "address": sink.endpoint.trim_start_matches("tcp://"), "phase": "quit",
            "kind": "usable", "detail": ""}])
    );
    // Content that is at hand at once goes with the envelope; that of a slow disk goes a turn later.
    let record = sink.record();
    assert_eq!(record["size"], object["size"]);
    for counted in [&object["round_trips"], &record["round_trips"]] {
        assert!((1..=2).contains(&counted.as_u64().unwrap()), "{object} {record}");
    }
}

#[test]
fn duplicates_stay_and_keep_their_places() {
    // R61, D26
    let sink = Sink::start(&[]);
    let done = send(&sink.endpoint, &["--to", "c@example.org", "--to", "b@example.org"]);
    let object = done.object();
    let addresses: Vec<_> =
        object["recipients"].as_array().unwrap().iter().map(|it| it["address"].clone()).collect();
    assert_eq!(addresses, ["b@example.org", "c@example.org", "b@example.org"]);
    assert_eq!(sink.record()["envelope"]["to"], serde_json::json!(addresses));
}

#[test]
fn the_null_sender_and_quoted_and_foreign_addresses() {
    let sink = Sink::start(&[]);
    let done = run([
        "send",
        "--format",
        "json",
        "--target",
        &sink.endpoint,
        "--from",
        "<>",
        "--to",
        "postmaster",
        "--to",
        "a b@example.org",
        "--to",
        "тест@example.org",
        &welcome(),
    ]);
    assert_eq!(done.code, 0, "{done:?}");
    let record = sink.record();
    assert_eq!(record["envelope"]["from"], "<>");
    assert_eq!(
        record["envelope"]["to"],
        serde_json::json!(["postmaster", "\"a b\"@example.org", "тест@example.org"])
    );
    assert_eq!(record["envelope"]["smtputf8"], true);
}

#[test]
fn one_object_a_message_and_nothing_else_on_standard_output() {
    let sink = Sink::start(&[]);
    let done = send(&sink.endpoint, &["-vv", &welcome(), &welcome()]);
    assert_eq!(done.json().len(), 3, "{done:?}");
}
