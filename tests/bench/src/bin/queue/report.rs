//! What is kept and shown: raw rows as JSON, medians as tables between two marks of a page.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::probe::Probe;
use crate::row::{OURS, Row};

const BEGIN: &str = "<!-- bench queue: begin, written by `cargo xtask bench queue` -->";
const END: &str = "<!-- bench queue: end -->";

/// Cells whose figure is a time, not a rate.
const TIMED: [&str; 4] = ["ping", "rescue", "depth", "explain"];

/// One run with everything that is needed to judge it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) machine: String,
    pub(crate) date: String,
    pub(crate) settings: BTreeMap<String, Value>,
    pub(crate) servers: BTreeMap<String, Value>,
    pub(crate) rows: Vec<Row>,
}

/// The middle of some figures.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let (low, high) = (figures.len().checked_sub(1)? / 2, figures.len() / 2);
    Some(f64::midpoint(*figures.get(low)?, *figures.get(high)?))
}

/// The titles of the cells, in the order of the page.
const CELLS: [(&str, &str); 12] = [
    ("single", "A: single adds, 64 clients, each waits for its durable answer"),
    ("bulk", "B: many tasks at once"),
    ("drain", "C: a full queue to the durable end state"),
    ("ping", "D: one task into an idle queue, from the call to its handler"),
    ("rescue", "E: a runner dies with 100 tasks, until the last of them runs elsewhere"),
    ("lifecycle", "Ours alone: add, grant, finish, verdict accepted"),
    ("engine", "Ours alone: the same in one process, without the wire"),
    ("engine-postgres", "Ours alone: the same with the ledger in PostgreSQL"),
    ("depth", "Ours alone: a deep queue"),
    ("explain", "Ours alone: why a task does not run, one call"),
    ("fair", "Ours alone: a thousand submitters"),
    ("watch", "Ours alone: two hundred subscribers"),
];

impl Record {
    /// Reads the rows of an earlier run.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
    }

    /// Writes the rows as they are.
    pub(crate) fn keep(&self, path: &Path) -> Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(())
    }

    /// Writes the tables between the marks of a page.
    pub(crate) fn show(&self, path: &Path) -> Result<()> {
        let page = fs::read_to_string(path)?;
        let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
            let (_, behind) = rest.split_once(END)?;
            Some((before, behind))
        });
        let (before, behind) = parts.context("the page lost its marks")?;
        fs::write(path, format!("{before}{BEGIN}\n\n{}\n{END}{behind}", self.tables()?))?;
        Ok(())
    }

    /// All tables.
    pub(crate) fn tables(&self) -> Result<String, fmt::Error> {
        let settings = self.settings.iter().map(|(name, value)| format!("{name} {value}"));
        let settings: Vec<String> = settings.collect();
        let mut text = format!("{}, {}.\n{}.\n", self.machine, self.date, settings.join(", "));
        for (cell, title) in CELLS {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.cell == cell).collect();
            if !rows.is_empty() {
                write!(text, "\n### {title}\n\n{}", table(&rows, TIMED.contains(&cell))?)?;
            }
        }
        Ok(text)
    }
}

fn table(rows: &[&Row], by_time: bool) -> Result<String, fmt::Error> {
    let mut peers: Vec<&str> = Vec::new();
    for row in rows {
        if !peers.contains(&row.peer.as_str()) {
            peers.push(&row.peer);
        }
    }
    let of =
        |peer: &str| -> Vec<&Row> { rows.iter().copied().filter(|row| row.peer == peer).collect() };
    let rate = |row: &Row| row.per_second.filter(|_| !by_time);
    let figure =
        |peer: &str| figures(&of(peer), |row| if by_time { row.p50_ms } else { rate(row) });
    let ours = figure(OURS);
    let mut text = String::from(
        "| | a second | p50 ms | p99 ms | seconds | syncs | KiB a task | disk p50 ms | ours is | settings |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for peer in peers {
        let rows = of(peer);
        let (Some(last), probe) = (rows.last(), figures(&rows, |row| row.probe.map(Probe::millis)))
        else {
            continue;
        };
        if let Some(why) = last.skipped.as_ref().filter(|_| counted(&rows).next().is_none()) {
            let (version, settings) = (&last.version, &last.settings);
            writeln!(text, "| {peer} {version} | {why} | | | | | | | | {settings} |")?;
            continue;
        }
        let ratio = ours.zip(figure(peer)).filter(|_| peer != OURS).map(|(ours, theirs)| {
            if by_time {
                format!("{:.2} of its time", ours / theirs)
            } else {
                format!("{:.1}×", ours / theirs)
            }
        });
        let shown = |figure: Option<f64>| figure.map(short).unwrap_or_default();
        writeln!(
            text,
            "| {peer} {} | {} | {} | {} | {} | {} | {} | {} | {} | {}{} |",
            last.version,
            shown(figures(&rows, rate)),
            shown(figures(&rows, |row| row.p50_ms)),
            shown(figures(&rows, |row| row.p99_ms)),
            shown(figures(&rows, |row| row.seconds)),
            shown(figures(&rows, |row| row.fsyncs.map(crate::row::float))),
            shown(figures(&rows, Row::kib_a_task)),
            shown(probe),
            ratio.unwrap_or_default(),
            last.settings,
            more(last),
        )?;
    }
    Ok(text)
}

fn counted<'a>(rows: &'a [&Row]) -> impl Iterator<Item = &'a Row> {
    rows.iter().copied().filter(|row| row.skipped.is_none())
}

/// The median of a figure over the rounds that count.
fn figures(rows: &[&Row], figure: impl Fn(&Row) -> Option<f64>) -> Option<f64> {
    median(counted(rows).filter_map(figure))
}

/// What only this cell has, behind its settings.
fn more(row: &Row) -> String {
    let told = |(name, value): (&String, &Value)| {
        let value = value.as_f64().map_or_else(|| value.to_string(), short);
        format!("; {} {value}", name.replace('_', " "))
    };
    row.more.iter().filter(|(name, _)| name.as_str() != "started").map(told).collect()
}

/// A figure with as many digits as mean something.
fn short(figure: f64) -> String {
    match figure {
        _ if figure >= 1_000.0 => format!("{figure:.0}"),
        _ if figure >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn a_discarded_round_does_not_count_and_ours_is_a_ratio() {
        let row = |peer: &str, rate: f64, skipped: Option<&str>| Row {
            peer: peer.to_owned(),
            per_second: Some(rate),
            skipped: skipped.map(str::to_owned),
            ..Row::default()
        };
        let (ours, theirs) = (row(OURS, 300.0, None), row("other", 100.0, None));
        let bad = row("other", 9_000.0, Some("discarded"));
        let text = table(&[&ours, &theirs, &bad], false).unwrap();
        assert!(text.contains("| other  | 100.0 |") && text.contains("| 3.0× |"), "{text}");
    }
}
