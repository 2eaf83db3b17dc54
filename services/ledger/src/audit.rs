//! Checking a whole ledger from its files: the chain, the texts, and what its peers remember.
//!
//! The chain alone finds every edit; a cut tail or a log rewritten from scratch is found by the
//! signed checkpoints that the other services keep.
//!
//! Closed segments and the hot file are walked as one chain. Segment files may be taken away from the
//! oldest on: the walk then begins behind the last one that is away, at the hash that its event names,
//! and the report says from which row it vouches.

use std::collections::BTreeMap;

use vivarium_types::source::{Checkpoint, Hash};

use crate::aggregate::SegmentNote;
use crate::chain::{self, Verifier};
use crate::segment::{self, Segment, named_texts};
use crate::store::{Error, Reader};

/// Rows read at a time.
const CHUNK: usize = 2_000;

/// What a check of one ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which ledger.
    pub ledger: vivarium_types::ids::LedgerId,
    /// The last row that was checked and fits.
    pub rows: u64,
    /// The first row that the walk vouches for: above 1 when the files of all segments before it are
    /// away.
    pub vouched_from: u64,
    /// Closed segments whose files were checked.
    pub segments: u64,
    /// Files of the oldest segments that are not in their place.
    pub away: Vec<String>,
    /// The hash behind them.
    pub hash: Hash,
    /// Texts that were checked.
    pub texts: u64,
    /// Texts that events name and that were erased.
    pub texts_erased: u64,
    /// Texts that lie in a file that is not in its place.
    pub texts_away: u64,
    /// Everything that does not fit, in the order it was found; empty when all is well.
    pub findings: Vec<Finding>,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A row breaks the chain; rows behind it cannot be vouched for.
    #[error("{0}")]
    Chain(chain::Broken),
    /// Rows behind this one cannot be read.
    #[error("row {sequence} cannot be read: {what}")]
    Unreadable {
        /// The first row that cannot be read.
        sequence: u64,
        /// What the store said.
        what: String,
    },
    /// A segment's file is not in its place, though an older one is.
    #[error("the segment file {file} with rows {first} to {last} is missing")]
    SegmentMissing {
        /// The file.
        file: String,
        /// The first row of the segment.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A segment's file is not the one that was closed.
    #[error("the segment file {file} with rows {first} to {last} was changed or is another one")]
    SegmentChanged {
        /// The file.
        file: String,
        /// The first row of the segment.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// What the ledger keeps about a segment is not what its event says.
    #[error("what the ledger keeps about rows {first} to {last} is not what their event says")]
    SegmentForged {
        /// The first row of the segment.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A text is not the one its event names.
    #[error("the text {id} of row {sequence} was changed")]
    Text {
        /// The text.
        id: String,
        /// The event's row.
        sequence: u64,
    },
    /// A peer remembers a row that is not there: the tail was cut.
    #[error("{peer} remembers row {sequence}, but the log ends at {last}")]
    TailCut {
        /// Who remembers it.
        peer: String,
        /// The row it remembers.
        sequence: u64,
        /// The last row that is there.
        last: u64,
    },
    /// A peer remembers another row in this place: the log was rewritten.
    #[error("{peer} remembers another row {sequence}")]
    Rewritten {
        /// Who remembers it.
        peer: String,
        /// The row.
        sequence: u64,
    },
    /// A peer remembers another ledger altogether.
    #[error("{peer} remembers another ledger")]
    Replaced {
        /// Who remembers it.
        peer: String,
    },
    /// A peer's checkpoint is not signed by this ledger's service.
    #[error("the checkpoint that {peer} keeps has no valid signature")]
    Signature {
        /// Who keeps it.
        peer: String,
    },
}

/// A checkpoint of the ledger under test, and who keeps it.
#[derive(Debug, Clone)]
pub struct Witness {
    /// The peer's name.
    pub peer: String,
    /// What it keeps.
    pub checkpoint: Checkpoint,
}

/// Walks a whole ledger. `signed` tells whether a checkpoint's signature is its service's own;
/// `progress` hears the number of rows checked so far.
pub fn verify(
    reader: &dyn Reader,
    witnesses: &[Witness],
    signed: &dyn Fn(&Checkpoint) -> bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, Error> {
    let head = reader.head()?;
    let mut walk = Walk {
        reader,
        verifier: Verifier::from_genesis(head.ledger),
        wanted: witnesses.iter().map(|w| (w.checkpoint.sequence, None)).collect(),
        vouched_from: 1,
        segments: 0,
        away: Vec::new(),
        told: BTreeMap::new(),
        texts: 0,
        texts_erased: 0,
        texts_away: 0,
        findings: Vec::new(),
    };
    let segments = reader.segments()?;
    walk.closed(&segments, progress)?;
    walk.rows(u64::MAX, progress);
    walk.compare(&segments, &reader.segments()?);
    let last = walk.verifier.sequence();
    let intact = walk.findings.is_empty();
    for witness in witnesses {
        if witness.checkpoint.sequence + 1 < walk.vouched_from {
            // What it remembers was taken away: nothing can be compared, and nothing is wrong.
            let other = Finding::Replaced { peer: witness.peer.clone() };
            walk.findings.extend((witness.checkpoint.ledger != head.ledger).then_some(other));
            continue;
        }
        let finding = judge(witness, head.ledger, &walk.wanted, last, intact, signed);
        walk.findings.extend(finding);
    }
    Ok(Report {
        ledger: head.ledger,
        rows: last,
        vouched_from: walk.vouched_from,
        segments: walk.segments,
        away: walk.away,
        hash: walk.verifier.hash(),
        texts: walk.texts,
        texts_erased: walk.texts_erased,
        texts_away: walk.texts_away,
        findings: walk.findings,
    })
}

struct Walk<'a> {
    reader: &'a dyn Reader,
    verifier: Verifier,
    /// Hashes of the rows that witnesses name.
    wanted: BTreeMap<u64, Option<Hash>>,
    vouched_from: u64,
    segments: u64,
    away: Vec<String>,
    /// What the walked events say about segments, by their first rows.
    told: BTreeMap<u64, SegmentNote>,
    texts: u64,
    texts_erased: u64,
    texts_away: u64,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    /// Walks the rows that lie in closed segments.
    fn closed(&mut self, segments: &[Segment], progress: &mut dyn FnMut(u64)) -> Result<(), Error> {
        let hot_from = self.reader.hot_from()?;
        for segment in segments {
            let (file, first, last) = (segment.note.file.clone(), segment.first(), segment.last());
            let state = self.reader.shelf().rows(segment).map(drop);
            let sound = state.is_ok();
            match state {
                Ok(()) => {
                    self.segments += 1;
                    self.beside(segment)?;
                }
                Err(Error::Away { .. }) if first == self.vouched_from && last < hot_from => {
                    self.vouched_from = last + 1;
                    self.away.push(file);
                }
                Err(Error::Away { .. }) => {
                    self.findings.push(Finding::SegmentMissing { file, first, last });
                }
                Err(Error::Corrupt { .. }) => {
                    self.findings.push(Finding::SegmentChanged { file, first, last });
                }
                Err(error) => return Err(error),
            }
            if sound || first >= hot_from {
                self.rows(last, progress);
            } else {
                // Its event names the hash behind which the chain goes on.
                let (ledger, hash) = (self.reader.head()?.ledger, segment.note.last_hash);
                self.verifier = Verifier::after(ledger, last, hash);
                self.wanted.entry(last).and_modify(|kept| *kept = Some(hash));
            }
        }
        Ok(())
    }

    /// The file with the texts beside a segment that is in its place.
    fn beside(&mut self, segment: &Segment) -> Result<(), Error> {
        let (first, last) = (segment.first(), segment.last());
        if segment.texts.is_none() {
            return Ok(());
        }
        let file = segment.texts_file();
        match self.reader.shelf().texts(segment) {
            Ok(_) => {}
            Err(Error::Away { .. }) => {
                self.findings.push(Finding::SegmentMissing { file, first, last });
            }
            Err(Error::Corrupt { .. }) => {
                self.findings.push(Finding::SegmentChanged { file, first, last });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Compares what the ledger kept about its segments with what the walked events say. One that was
    /// closed meanwhile stands among those that it keeps `now`.
    fn compare(&mut self, segments: &[Segment], now: &[Segment]) {
        let mut next = 1;
        for segment in segments {
            let note = &segment.note;
            let told = self.told.remove(&note.first);
            // The event of a segment whose rows and whose followers' rows are away was not walked.
            let unheard = told.is_none() && note.last + 1 < self.vouched_from;
            let fits = unheard || told.as_ref() == Some(note);
            if (!fits || note.first != next) && !self.is_broken() {
                let (first, last) = (note.first, note.last);
                self.findings.push(Finding::SegmentForged { first, last });
            }
            next = note.last + 1;
        }
        for note in std::mem::take(&mut self.told).into_values() {
            if now.iter().any(|segment| segment.note == note) {
                continue;
            }
            self.findings.push(Finding::SegmentForged { first: note.first, last: note.last });
        }
    }

    /// Whether the walk broke off, so that later rows were not heard.
    fn is_broken(&self) -> bool {
        let broken =
            |finding: &Finding| matches!(finding, Finding::Chain(_) | Finding::Unreadable { .. });
        self.findings.iter().any(broken)
    }

    /// Walks the rows up to one of them.
    fn rows(&mut self, until: u64, progress: &mut dyn FnMut(u64)) {
        while self.verifier.sequence() < until && !self.is_broken() {
            let after = self.verifier.sequence();
            let limit = usize::try_from(until - after).map_or(CHUNK, |left| left.min(CHUNK));
            let rows = match self.reader.rows(after, limit) {
                Ok(rows) => rows,
                Err(error) => {
                    let sequence = self.first_unreadable(after);
                    let what = error.to_string();
                    self.findings.push(Finding::Unreadable { sequence, what });
                    return;
                }
            };
            if rows.is_empty() {
                return;
            }
            for row in rows {
                if let Err(broken) = self.verifier.check(&row) {
                    self.findings.push(Finding::Chain(broken));
                    return;
                }
                if let Some(hash) = self.wanted.get_mut(&row.sequence) {
                    *hash = Some(row.hash);
                }
                if row.kind == segment::KIND {
                    let note = segment::named_segment(&row.payload);
                    self.told.extend(note.map(|note| (note.first, note)));
                }
                self.texts_of(row.sequence, &row.payload);
            }
            progress(self.verifier.sequence());
        }
    }

    /// The first row behind `after` that cannot be read by itself.
    fn first_unreadable(&self, after: u64) -> u64 {
        let mut next = after + 1;
        let follows = |next: u64| {
            let rows = self.reader.rows(next - 1, 1);
            rows.is_ok_and(|rows| rows.first().is_some_and(|row| row.sequence == next))
        };
        while follows(next) {
            next += 1;
        }
        next
    }

    fn texts_of(&mut self, sequence: u64, payload: &[u8]) {
        for (id, hash) in named_texts(payload) {
            match self.reader.text(&id) {
                Ok(Some(text)) if chain::digest(&text.bytes) == hash => self.texts += 1,
                Ok(None) => self.texts_erased += 1,
                Err(Error::Away { .. }) => self.texts_away += 1,
                Ok(Some(_)) | Err(_) => self.findings.push(Finding::Text { id, sequence }),
            }
        }
    }
}

fn judge(
    witness: &Witness,
    ledger: vivarium_types::ids::LedgerId,
    hashes: &BTreeMap<u64, Option<Hash>>,
    last: u64,
    intact: bool,
    signed: &dyn Fn(&Checkpoint) -> bool,
) -> Option<Finding> {
    let Witness { peer, checkpoint } = witness;
    let (peer, sequence) = (peer.clone(), checkpoint.sequence);
    if checkpoint.ledger != ledger {
        return Some(Finding::Replaced { peer });
    }
    if !signed(checkpoint) {
        return Some(Finding::Signature { peer });
    }
    match hashes.get(&sequence).copied().flatten() {
        Some(hash) if hash == checkpoint.hash => None,
        Some(_) => Some(Finding::Rewritten { peer, sequence }),
        // Behind a broken row nothing was read, so its absence says nothing new.
        None => intact.then_some(Finding::TailCut { peer, sequence, last }),
    }
}
