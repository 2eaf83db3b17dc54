//! How answers are printed: aligned text for people, one JSON document for programs.

use std::io::Write as _;

use serde::Serialize;
use vivarium_proto::wkt;
use vivarium_types::Timestamp;

use crate::failure::Failure;

/// Prints a line.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()?;
    Ok(())
}

/// Prints a line beside the answer, so that programs that read the answer do not meet it.
pub(crate) fn notice(text: &str) -> Result<(), Failure> {
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(text.as_bytes())?;
    stderr.write_all(b"\n")?;
    Ok(())
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string(value)?)
}

/// Prints rows under a head, each column as wide as its widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let aligned = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    line(&aligned(&head))?;
    for row in rows {
        line(&aligned(row))?;
    }
    Ok(())
}

/// A moment of the contract.
pub(crate) fn moment(time: &wkt::Timestamp) -> String {
    Timestamp::from_seconds_and_nanos(time.seconds, time.nanos).to_string()
}

/// At most `max` characters of a text, in one line.
pub(crate) fn short(text: &str, max: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= max {
        return flat;
    }
    let cut: String = flat.chars().take(max.saturating_sub(1)).collect();
    format!("{}\u{2026}", cut.trim_end())
}

/// Micro-dollars as dollars.
pub(crate) fn dollars(micro_usd: i64) -> String {
    let sign = if micro_usd < 0 { "-" } else { "" };
    let amount = micro_usd.unsigned_abs();
    format!("{sign}${}.{:06}", amount / 1_000_000, amount % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character_and_short_text_is_kept() {
        assert_eq!(short("a  b\nc", 9), "a b c");
        assert_eq!(short("ä\u{308}öüabc", 4), "ä\u{308}ö\u{2026}");
    }

    #[test]
    fn micro_dollars_read_as_dollars() {
        assert_eq!(dollars(1_234_567), "$1.234567");
        assert_eq!(dollars(-5), "-$0.000005");
    }
}
