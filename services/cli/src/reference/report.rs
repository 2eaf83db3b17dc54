//! What an import took, knew already and left: counted by kind, and by file, line and reason.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::render;

/// Lines of one reason that are printed for people; `--json` has them all.
const LINES_SHOWN: usize = 8;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The file, from the root of the reference.
    pub(crate) file: String,
    /// The line, from 1; 0 for the whole file.
    pub(crate) line: usize,
}

impl Place {
    /// A line of a file.
    pub(crate) fn of(file: &str, line: usize) -> Self {
        Self { file: file.to_owned(), line }
    }
}

/// What kind of thing is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Residents,
    Memories,
    Rooms,
    Messages,
    Letters,
    Wallets,
    Bounties,
    Tasks,
    History,
}

impl Kind {
    /// Its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Residents => "residents",
            Self::Memories => "memories",
            Self::Rooms => "rooms",
            Self::Messages => "messages",
            Self::Letters => "letters",
            Self::Wallets => "wallets",
            Self::Bounties => "bounties",
            Self::Tasks => "tasks",
            Self::History => "history",
        }
    }

    const ALL: [Self; 9] = [
        Self::Residents,
        Self::Memories,
        Self::Rooms,
        Self::Messages,
        Self::Letters,
        Self::Wallets,
        Self::Bounties,
        Self::Tasks,
        Self::History,
    ];
}

/// Something that is left, or taken otherwise than it stood there.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(crate) struct Remark {
    file: String,
    /// 0 for the whole file.
    line: usize,
    /// How many things this one remark is about.
    count: usize,
    why: String,
}

/// What became of everything that was read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    taken: BTreeMap<Kind, usize>,
    known: BTreeMap<Kind, usize>,
    left: Vec<Remark>,
    changed: Vec<Remark>,
}

impl Report {
    /// One thing was taken.
    pub(crate) fn taken(&mut self, kind: Kind) {
        *self.taken.entry(kind).or_default() += 1;
    }

    /// One thing had been taken before.
    pub(crate) fn known(&mut self, kind: Kind) {
        *self.known.entry(kind).or_default() += 1;
    }

    /// One thing is left.
    pub(crate) fn left(&mut self, place: &Place, why: impl Into<String>) {
        self.left_many(place, 1, why);
    }

    /// Several things of one file are left for one reason, from this place on.
    pub(crate) fn left_many(&mut self, place: &Place, count: usize, why: impl Into<String>) {
        let Place { file, line } = place.clone();
        if count > 0 {
            self.left.push(Remark { file, line, count, why: why.into() });
        }
    }

    /// One thing is taken otherwise than it stands there.
    pub(crate) fn changed(&mut self, place: &Place, what: impl Into<String>) {
        let Place { file, line } = place.clone();
        self.changed.push(Remark { file, line, count: 1, why: what.into() });
    }

    /// What is taken otherwise than it stands there.
    #[cfg(test)]
    pub(crate) fn changes(&self) -> &[Remark] {
        &self.changed
    }

    /// What is left.
    #[cfg(test)]
    pub(crate) fn remains(&self) -> Vec<(&str, usize, &str)> {
        self.left.iter().map(|it| (it.file.as_str(), it.line, it.why.as_str())).collect()
    }

    /// Prints it, as JSON or for people.
    pub(crate) fn tell(&self, json: bool, dry_run: bool) -> Result<(), Failure> {
        if json { render::json(&self.as_json(dry_run)) } else { self.as_text(dry_run) }
    }

    fn as_json(&self, dry_run: bool) -> Value {
        let count = |counts: &BTreeMap<Kind, usize>| {
            let of = |kind: Kind| {
                (kind.word().to_owned(), json!(counts.get(&kind).copied().unwrap_or(0)))
            };
            Value::Object(Kind::ALL.into_iter().map(of).collect())
        };
        json!({
            "dryRun": dry_run, "taken": count(&self.taken), "known": count(&self.known),
            "left": self.left, "changed": self.changed,
        })
    }

    fn as_text(&self, dry_run: bool) -> Result<(), Failure> {
        let count = |counts: &BTreeMap<Kind, usize>, kind| {
            counts.get(&kind).copied().unwrap_or(0).to_string()
        };
        let row = |kind: Kind| {
            vec![kind.word().to_owned(), count(&self.taken, kind), count(&self.known, kind)]
        };
        let rows: Vec<_> = Kind::ALL.into_iter().map(row).collect();
        let took = if dry_run { "WOULD TAKE" } else { "TOOK" };
        render::table(&["WHAT", took, "KNOWN"], &rows)?;
        tell("left", &self.left)?;
        tell("taken otherwise", &self.changed)
    }
}

/// Prints remarks, those of one file and reason together.
fn tell(head: &str, remarks: &[Remark]) -> Result<(), Failure> {
    let mut alike: BTreeMap<(&str, &str), (usize, Vec<usize>)> = BTreeMap::new();
    for remark in remarks {
        let (count, lines) = alike.entry((&remark.file, &remark.why)).or_default();
        *count += remark.count;
        lines.extend((remark.line > 0).then_some(remark.line));
    }
    let total: usize = remarks.iter().map(|remark| remark.count).sum();
    render::line(&format!("{head}: {total}"))?;
    for ((file, why), (count, lines)) in alike {
        let shown: Vec<_> = lines.iter().take(LINES_SHOWN).map(ToString::to_string).collect();
        let more = if lines.len() > LINES_SHOWN { ", \u{2026}" } else { "" };
        let at = if shown.is_empty() { String::new() } else { format!(":{}", shown.join(",")) };
        let times = if count > 1 { format!(" ({count})") } else { String::new() };
        render::line(&format!("  {file}{at}{more}{times}: {why}"))?;
    }
    Ok(())
}
