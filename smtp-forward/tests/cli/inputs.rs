//! Where messages come from, and that they arrive as they are.

use std::{collections::HashMap, fs, path::Path};

use sha2::{Digest as _, Sha256};

use super::support::{Sink, command, corpus, file, finish, run, send};

fn digest(octets: &[u8]) -> String {
    format!("{:x}", Sha256::digest(octets))
}

/// `expected.tsv`: file, verdict, digest of what arrives.
fn expectations() -> Vec<(String, String, String)> {
    let table = fs::read_to_string(corpus("expected.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        (cells[0].to_owned(), cells[1].to_owned(), cells[4].to_owned())
    });
    rows.collect()
}

#[test]
fn the_whole_corpus_arrives_as_it_should_or_is_refused() {
    // W18-W22, W16
    let sink = Sink::start(&["--discard"]);
    let rows = expectations();
    assert!(rows.len() >= 30);
    let files: Vec<_> = rows.iter().map(|(name, ..)| corpus(name).display().to_string()).collect();
    let base =
        ["send", "--format", "json", "--target", &sink.endpoint, "--from", "a@x.org", "--to", "b@x.org"];
    let done = run(base.into_iter().chain(files.iter().map(String::as_str)));
    let objects = done.json();
    assert_eq!(objects.len(), rows.len(), "{}", done.err);
    // Four at a time: they arrive in any order, and the last reply says as which.
    let delivered = objects.iter().filter(|object| object["recipients"][0]["status"] == "delivered").count();
    let records: HashMap<u64, _> = (0..delivered)
        .map(|_| sink.record())
        .map(|record| (record["number"].as_u64().unwrap(), record["sha256"].clone()))
        .collect();
    for ((name, verdict, sha256), object) in rows.iter().zip(&objects) {
        if verdict == "refused-nul" {
            assert_eq!(object["recipients"][0]["status"], "rejected", "{name}: {object}");
            assert_eq!(object["attempts"].as_array().unwrap().len(), 0, "{name}");
        } else if object["recipients"][0]["status"] == "delivered" {
            let text = object["recipients"][0]["text"].as_str().unwrap();
            let number = text.rsplit(' ').next().unwrap().parse().unwrap();
            assert_eq!(records[&number], *sha256, "{name}");
        } else {
            // A header that is not UTF-8 can be sent to nobody.
            assert_eq!(object["recipients"][0]["enhanced"], "5.6.7", "{name}: {object}");
        }
    }
    assert_eq!(done.code, 65);
}

#[test]
fn standard_input_small_and_large() {
    let sink = Sink::start(&["--discard"]);
    for size in [0, 10, 1024 * 1024 - 2, 3 * 1024 * 1024] {
        let mut message = b"Subject: x\r\n\r\n".to_vec();
        message.extend(std::iter::repeat_n(*b"0123456789abcdef0123456789abcdef\r\n", size / 34).flatten());
        for dash in [&["-"][..], &[]] {
            let mut command = command();
            command.args([
                "send",
                "--format",
                "json",
                "--target",
                &sink.endpoint,
                "--from",
                "a@x.org",
                "--to",
                "b@x.org",
            ]);
            let done = finish(command.args(dash), &message);
            assert_eq!(done.code, 0, "{done:?}");
            assert_eq!(done.object()["message"], "-");
            assert_eq!(done.object()["size"], message.len());
            let record = sink.record();
            assert_eq!(record["sha256"], digest(&message));
            // Facts are known, so the size was declared.
            assert_eq!(record["envelope"]["size"], message.len());
        }
    }
}

#[test]
fn standard_input_goes_to_a_second_target_too() {
    let (first, second) = (Sink::start(&["--reply", "end=451:later"]), Sink::start(&["--discard"]));
    let message = [b"Subject: x\r\n\r\n".to_vec(), b"y\r\n".repeat(700_000)].concat();
    let mut command = command();
    command.args([
        "send",
        "--format",
        "json",
        "--failover",
        "until-decided",
        "--from",
        "a@x.org",
        "--to",
        "b@x.org",
    ]);
    let done = finish(command.args(["--target", &first.endpoint, "--target", &second.endpoint]), &message);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(second.record()["sha256"], digest(&message));
}

#[test]
fn a_maildir_is_all_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["new/2", "new/1", "cur/3:2,S", "tmp/4", "new/.hidden"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("Subject: {name}\r\n\r\n")).unwrap();
    }
    let sink = Sink::start(&["--discard"]);
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
        folder.path().to_str().unwrap(),
    ]);
    assert_eq!(done.code, 0, "{done:?}");
    let names: Vec<_> = done
        .json()
        .iter()
        .map(|object| {
            Path::new(object["message"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(names, ["1", "2", "3:2,S"]);
}

#[test]
fn an_empty_maildir_is_nothing_to_send_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["new", "cur", "tmp"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let done = run(["send", "--target", "tcp://127.0.0.1:24", folder.path().to_str().unwrap()]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.is_empty() && done.err.contains("nothing to send"), "{done:?}");
}

#[test]
fn an_mbox_is_all_its_messages() {
    let separator = "From a@b Thu Jan  1 00:00:00 2026\n";
    let (_folder, mbox) =
        file(format!("{separator}Subject: 1\n\none\n>From me\n\n{separator}Subject: 2\n\ntwo\n"));
    let sink = Sink::start(&["--discard"]);
    let done = run([
        "send",
        "--format",
        "json",
        "--connections",
        "1",
        "--target",
        &sink.endpoint,
        "--from",
        "a@x.org",
        "--to",
        "b@x.org",
        &mbox,
    ]);
    assert_eq!(done.code, 0, "{done:?}");
    let names: Vec<_> =
        done.json().iter().map(|object| object["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, [format!("{mbox}#1"), format!("{mbox}#2")]);
    assert_eq!(sink.record()["sha256"], digest(b"Subject: 1\r\n\r\none\r\n>From me\r\n"));
    assert_eq!(sink.record()["sha256"], digest(b"Subject: 2\r\n\r\ntwo\r\n"));
}

#[test]
fn the_envelope_comes_from_the_header_where_the_command_line_has_none() {
    let (_folder, message) = file("From: A <a@x.org>\nTo: b@x.org, C <c@x.org>\nCc: b@x.org\n\nx\n");
    let sink = Sink::start(&[]);
    let done = run(["send", "--target", &sink.endpoint, &message]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("from    a@x.org (from the message's From)"), "{}", done.out);
    assert!(done.out.contains("2 recipients (from the message's To, Cc)"), "{}", done.out);
    let record = sink.record();
    assert_eq!(record["envelope"]["from"], "a@x.org");
    assert_eq!(record["envelope"]["to"], serde_json::json!(["b@x.org", "c@x.org"]));

    let done = run(["send", "--target", &sink.endpoint, "--to", "d@x.org", &message]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(sink.record()["envelope"]["to"], serde_json::json!(["d@x.org"]));
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_65_and_never_ends_well() {
    // R54: the sink is slow enough for the file to be cut between the scan and the content.
    let (_folder, message) = file(
        b"Subject: x\r\n\r\n".iter().copied().chain(b"0123456789\r\n".repeat(400_000)).collect::<Vec<_>>(),
    );
    let sink = Sink::start(&["--latency", "1500ms"]);
    let cut = message.clone();
    let cutter = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(2_500));
        fs::OpenOptions::new().write(true).open(cut).unwrap().set_len(1_000_000).unwrap();
    });
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
        &message,
    ]);
    cutter.join().unwrap();
    assert_eq!(done.code, 65, "{done:?}");
    let object = done.object();
    assert_ne!(object["outcome"], "delivered");
    // Nothing was wrong with the target.
    let attempt = &object["attempts"][0];
    assert_eq!((&attempt["kind"], &attempt["phase"]), (&"usable".into(), &"body".into()), "{object}");
    assert!(attempt["detail"].as_str().unwrap().contains("source"), "{object}");
    assert!(sink.is_empty());
    assert_eq!(fs::read_dir(sink.maildir().join("new")).unwrap().count(), 0);
}

#[test]
fn what_arrives_is_on_disk() {
    let sink = Sink::start(&[]);
    send(&sink.endpoint, &[]);
    let record = sink.record();
    let stored = fs::read(record["file"].as_str().unwrap()).unwrap();
    assert_eq!(digest(&stored), record["sha256"].as_str().unwrap());
    assert_eq!(stored, fs::read(corpus("welcome.eml")).unwrap());
    assert_eq!(fs::read_dir(sink.maildir().join("tmp")).unwrap().count(), 0);
}
