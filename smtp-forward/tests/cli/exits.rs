//! Exit statuses, one cause each.

use super::support::{Sink, black_hole, corpus, file, refusing, run, scripted, send, serve, silent, welcome};

#[test]
fn all_delivered_is_0() {
    let sink = Sink::start(&[]);
    assert_eq!(send(&sink.endpoint, &[]).code, 0);
}

#[test]
fn a_rejected_recipient_is_69_and_a_deferred_one_75() {
    for (reply, code, status) in [("rcpt=550:no", 69, "rejected"), ("rcpt=450:busy", 75, "deferred")] {
        let sink = Sink::start(&["--reply", reply]);
        let done = send(&sink.endpoint, &[]);
        assert_eq!(done.code, code, "{done:?}");
        assert_eq!(done.object()["outcome"], status);
    }
}

#[test]
fn a_target_that_refuses_or_is_not_there_is_75() {
    for target in [refusing(), "unix:///nonexistent/socket".to_owned()] {
        let done = send(&target, &[]);
        assert_eq!(done.code, 75, "{done:?}");
        let object = done.object();
        assert_eq!(object["attempts"][0]["kind"], "network");
        assert_eq!(object["attempts"][0]["phase"], "connect");
        assert_eq!(object["recipients"][0]["local"], true);
        assert!(object["target"].is_null());
    }
}

#[test]
fn a_name_that_does_not_exist_is_69() {
    let done = send("tcp://nothing.invalid:25", &[]);
    let object = done.object();
    assert_eq!(object["attempts"][0]["kind"], "dns", "{done:?}");
    // 550 or 450, as the resolver at hand has it (M101, M102).
    let code = object["recipients"][0]["code"].as_u64().unwrap();
    assert_eq!(done.code, if code == 550 { 69 } else { 75 }, "{done:?}");
}

#[test]
fn a_server_that_says_nothing_is_75_in_time() {
    let began = std::time::Instant::now();
    let done = send(&silent(), &["--command-timeout", "300ms", "--connect-timeout", "300ms"]);
    assert_eq!(done.code, 75, "{done:?}");
    assert_eq!(done.object()["attempts"][0]["kind"], "timeout");
    assert_eq!(done.object()["attempts"][0]["phase"], "greeting");
    assert!(began.elapsed().as_secs() < 20);
}

#[test]
fn a_black_hole_is_75_after_the_connect_timeout() {
    let (listener, target) = black_hole();
    let began = std::time::Instant::now();
    let done = send(&target, &["--connect-timeout", "500ms"]);
    drop(listener);
    assert_eq!(done.code, 75, "{done:?}");
    assert_eq!(done.object()["attempts"][0]["kind"], "timeout");
    assert_eq!(done.object()["attempts"][0]["phase"], "connect");
    assert!((400..15_000).contains(&began.elapsed().as_millis()));
}

#[test]
fn the_total_time_ends_a_delivery() {
    let began = std::time::Instant::now();
    let done = send(&silent(), &["--total-timeout", "400ms"]);
    assert_eq!(done.code, 75, "{done:?}");
    assert!(began.elapsed().as_secs() < 20);
}

#[test]
fn the_next_target_is_tried() {
    let sink = Sink::start(&[]);
    let done = send(&refusing(), &["--target", &sink.endpoint]);
    assert_eq!(done.code, 0, "{done:?}");
    let object = done.object();
    assert_eq!(object["target"], sink.endpoint);
    assert_eq!(object["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(object["attempts"][1]["kind"], "usable");
}

#[test]
fn servers_that_break_the_protocol_are_76() {
    for greeting in ["22 short", "2200 long", "hello", "220-a\r\n550 b"] {
        let done = send(&scripted(&[greeting, "250 x"]), &[]);
        assert_eq!(done.code, 76, "{greeting}: {done:?}");
        assert_eq!(done.object()["attempts"][0]["kind"], "protocol");
    }
    // Only where every target does.
    let done = send(&scripted(&["22 short"]), &["--target", &refusing()]);
    assert_eq!(done.code, 75, "{done:?}");
}

#[test]
fn an_endless_reply_is_76_and_ends() {
    let target = serve(|mut stream| {
        use std::io::Write as _;
        std::thread::spawn(move || while stream.write_all(&[b'2'; 4096]).is_ok() {});
    });
    let done = send(&target, &[]);
    assert_eq!(done.code, 76, "{done:?}");
    let target = serve(|mut stream| {
        use std::io::Write as _;
        std::thread::spawn(move || while stream.write_all(b"220-and so on\r\n").is_ok() {});
    });
    let done = send(&target, &[]);
    assert_eq!(done.code, 76, "{done:?}");
}

#[test]
fn hanging_up_in_each_phase_is_75() {
    let script = ["220 x", "250-x\r\n250 8BITMIME", "250 ok", "250 ok", "354 go"];
    for length in 0..=script.len() {
        let done = send(&scripted(&script[..length]), &[]);
        assert_eq!(done.code, 75, "{length}: {done:?}");
        assert_ne!(done.object()["outcome"], "delivered");
    }
}

#[test]
fn what_may_have_been_delivered_is_uncertain_and_goes_nowhere_else() {
    // R63, D25, law 9
    for last in ["HANGUP", "2 rubbish"] {
        let second = Sink::start(&["--discard"]);
        let target = scripted(&["220 x", "250-x\r\n250 8BITMIME", "250 ok", "250 ok", "354 go", last]);
        let done = send(&target, &["--target", &second.endpoint, "--failover", "until-decided"]);
        assert_eq!(done.code, 75, "{done:?}");
        let object = done.object();
        assert_eq!(object["outcome"], "uncertain");
        assert_eq!(object["recipients"][0]["phase"], "end");
        assert_eq!(object["recipients"][0]["local"], true);
        assert!(second.is_empty());
    }
}

#[test]
fn nobody_accepted_and_354_all_the_same_is_69() {
    let target =
        scripted(&["220 x", "250-x\r\n250 PIPELINING", "250 ok", "550 no", "354 go", "554 none", "221 bye"]);
    let done = send(&target, &[]);
    assert_eq!(done.code, 69, "{done:?}");
    assert_eq!(done.object()["recipients"][0]["code"], 550);
}

#[test]
fn eight_bits_to_a_seven_bit_server_are_65() {
    // R166
    let sink = Sink::start(&["--without", "8bitmime"]);
    let message = corpus("utf8-8bit.eml");
    let done = run([
        "send",
        "--format",
        "json",
        "--target",
        &sink.endpoint,
        "--from",
        "a@x.org",
        "--to",
        "b@x.org",
        message.to_str().unwrap(),
    ]);
    assert_eq!(done.code, 65, "{done:?}");
    let object = done.object();
    assert_eq!(
        (&object["recipients"][0]["code"], &object["recipients"][0]["enhanced"]),
        (&554.into(), &"5.6.3".into())
    );
    assert_eq!(object["recipients"][0]["local"], true);
    assert!(sink.is_empty());
}

#[test]
fn an_eight_bit_header_to_a_server_without_smtputf8_is_65() {
    let sink = Sink::start(&["--without", "smtputf8"]);
    let message = corpus("utf8-header.eml");
    let done = run([
        "send",
        "--format",
        "json",
        "--target",
        &sink.endpoint,
        "--from",
        "a@x.org",
        "--to",
        "b@x.org",
        message.to_str().unwrap(),
    ]);
    assert_eq!(done.code, 65, "{done:?}"); // D10
    assert!(sink.is_empty());
}

#[test]
fn a_nul_is_65_and_no_target_hears_of_it() {
    // W16
    let message = corpus("nul-body.eml");
    let done = run([
        "send",
        "--format",
        "json",
        "--target",
        &refusing(),
        "--from",
        "a@x.org",
        "--to",
        "b@x.org",
        message.to_str().unwrap(),
    ]);
    assert_eq!(done.code, 65, "{done:?}");
    let object = done.object();
    assert_eq!(object["attempts"].as_array().unwrap().len(), 0);
    assert_eq!(object["recipients"][0]["status"], "rejected");
    assert_eq!(object["recipients"][0]["phase"], "body");
}

#[test]
fn what_is_no_message_is_65_and_what_is_not_there_66() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    for (arguments, code) in [
        (vec![path.clone()], 65),
        (vec![format!("{path}/missing")], 66),
        (vec![format!("{}/below-a-file", welcome())], 66),
        (vec![path.clone(), format!("{path}/missing")], 66),
    ] {
        let mut command = vec![
            "send".to_owned(),
            "--format".to_owned(),
            "json".to_owned(),
            "--to".to_owned(),
            "b@x.org".to_owned(),
        ];
        command.extend(arguments.clone());
        let done =
            super::support::finish(super::support::command().current_dir(folder.path()).args(&command), b"");
        assert_eq!(done.code, code, "{done:?}");
        assert_eq!(done.json().len(), arguments.len(), "one object a message: {done:?}");
        assert!(done.err.starts_with("error: "), "{done:?}");
        assert_ne!(done.json()[0]["outcome"], "delivered");
    }
}

#[test]
fn the_worst_of_several_messages_counts() {
    let sink = Sink::start(&[]);
    let good = welcome();
    let done = send(&sink.endpoint, &[&good, "/nonexistent/message"]);
    assert_eq!(done.code, 66, "{done:?}");
    let outcomes: Vec<_> =
        done.json().iter().map(|object| object["outcome"].as_str().unwrap().to_owned()).collect();
    assert_eq!(outcomes, ["delivered", "deferred", "delivered"]);
}

#[test]
fn a_message_without_recipients_is_65() {
    let (_folder, message) = file("From: a@example.org\n\nnobody\n");
    let done = run(["send", &message]);
    assert_eq!(done.code, 65, "{done:?}");
    assert!(done.err.contains("--to"), "{done:?}");
}

#[test]
fn wrong_credentials_are_77() {
    let (_folder, password) = file("right\n");
    let sink = Sink::start(&["--auth", &format!("ann:{password}")]);
    let (_other, wrong) = file("wrong\n");
    let done = send(&sink.endpoint, &["--auth", "plain", "--user", "ann", "--password-file", &wrong]);
    assert_eq!(done.code, 77, "{done:?}");
    let object = done.object();
    assert_eq!(object["attempts"][0]["kind"], "auth");
    assert_eq!(object["attempts"][0]["phase"], "auth");
    assert!(sink.is_empty());
}

#[test]
fn tls_required_and_not_offered_is_77() {
    let sink = Sink::start(&[]);
    let (_folder, ca) = file(super::tls::some_ca());
    let done = send(&sink.endpoint, &["--tls", "required", "--ca", &ca]);
    assert_eq!(done.code, 77, "{done:?}");
    assert_eq!(done.object()["attempts"][0]["kind"], "tls");
    assert!(sink.is_empty());
}

#[test]
fn unusable_files_are_78() {
    let (_folder, rubbish) = file("rubbish\n");
    let (_other, empty) = file("");
    for arguments in [["--ca", "/nonexistent"], ["--ca", &rubbish], ["--transcript", "/nonexistent/x"]] {
        let done = send("tcp://127.0.0.1:1", &arguments);
        assert_eq!(done.code, 78, "{arguments:?} {done:?}");
        assert!(done.err.contains(arguments[1]), "{done:?}");
    }
    for file in ["/nonexistent", &empty] {
        let done = send("tcp://127.0.0.1:1", &["--auth", "plain", "--user", "u", "--password-file", file]);
        assert_eq!(done.code, 78, "{done:?}");
    }
    let done = send("tcp://127.0.0.1:1", &["--cert", &rubbish, "--key", &rubbish]);
    assert_eq!(done.code, 78, "{done:?}");
    assert!(!done.err.contains("rubbish\n"));
}
