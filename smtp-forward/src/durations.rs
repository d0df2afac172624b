//! Durations: read as the configuration has them, shown to people.

use std::time::Duration;

pub(crate) use smtp_config::value::duration::parse;

/// A duration for people: `12 ms`, `1.5 s`, `2 m 3 s`.
pub(crate) fn human(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} m {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        for (ms, text) in [(0, "0 ms"), (12, "12 ms"), (1_550, "1.5 s"), (61_000, "1 m 1 s")] {
            assert_eq!(human(Duration::from_millis(ms)), text);
        }
    }
}
