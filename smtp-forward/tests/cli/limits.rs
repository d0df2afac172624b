//! Memory: a message of any size in little.

#[cfg(target_os = "linux")]
#[test]
fn a_large_file_takes_little_memory() {
    use std::{io::Write as _, process::Stdio};

    use super::support::{Sink, command};

    // 64 MiB here; a GiB takes as much memory, and a minute in a build without optimisation.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.eml");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    file.write_all(b"Subject: large\r\n\r\n").unwrap();
    for _ in 0..(64 * 1024 * 1024 / 64) {
        file.write_all(b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n").unwrap();
    }
    drop(file);
    let sink = Sink::start(&["--discard"]);
    let mut child = command()
        .args(["send", "--tls", "off", "--target", &sink.endpoint, "--from", "a@x.org", "--to", "b@x.org"])
        .arg(&path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        peak = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0).max(peak);
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(status.success());
    assert_eq!(sink.record()["size"], std::fs::metadata(&path).unwrap().len());
    // Code of a build without optimisation counts too: the budget of 16 MiB is for the program as it is shipped.
    assert!(peak > 0 && peak < 32 * 1024, "{peak} KiB");
}
