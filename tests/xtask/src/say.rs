//! What an errand shows to the person who runs it, on standard error.

use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

/// Says that something begins.
pub(crate) fn begin(what: impl Display) {
    line(format_args!("==> {what}"));
}

/// Says that something is done and how long it took.
pub(crate) fn done(what: impl Display, took: Duration) {
    line(format_args!("    {what}: done in {}", span(took)));
}

/// Says something beside the steps.
pub(crate) fn note(what: impl Display) {
    line(format_args!("    {what}"));
}

/// Tells why the errand ends, cause by cause.
pub(crate) fn failure(error: &anyhow::Error) {
    line(format_args!("error: {error}"));
    for cause in error.chain().skip(1) {
        line(format_args!("  because  {cause}"));
    }
}

/// A time for people: `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn span(took: Duration) -> String {
    match took.as_secs() {
        0..10 => format!("{:.1} s", took.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// Bytes for people, in the decimal units that budgets are written in.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1_000 {
        format!("{bytes} B")
    } else {
        format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100)
    }
}

fn line(text: std::fmt::Arguments<'_>) {
    // Nobody reads a closed standard error: there is nothing left to tell it.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_well() {
        assert_eq!(span(Duration::from_millis(420)), "0.4 s");
        assert_eq!(span(Duration::from_secs(59)), "59 s");
        assert_eq!(span(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!((size(999), size(12_345)), ("999 B".into(), "12.3 kB".into()));
    }
}
