//! Retention: older rows leave the hot file in closed segments, and the chain stays whole.
//!
//! A segment closes in steps, each of which may be the last one before a crash, and is then found
//! again or done again:
//! 1. beside the writer, its files are written, synced and read back, texts first;
//! 2. the writer commits the event that names the file, with a row in the table of segments;
//! 3. with later commits texts and rows leave the hot file, some at a time, rows from the oldest on.
//!
//! Behind 1 the files are of no account and are written anew. Behind 2 the hot file and the segment
//! hold the same rows; whether step 3 is done says the hot file's first row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use vivarium_types::source::{Hash, Row};
use vivarium_types::{Retention, Timestamp};

use crate::aggregate::{Aggregate, SegmentNote};
use crate::chain::{self, Verifier};
use crate::planted;
use crate::segment::{self, Segment, Texts, named_texts, used_texts};
use crate::snapshot;
use crate::store::{Error, Leaving, Reader, Snapshots};

/// Rows read at a time.
const CHUNK: usize = 1_000;
/// Bytes of payloads and texts behind which a segment is full, however few rows it has.
const SEGMENT_BYTES: usize = 32 << 20;
/// Least rows that leave with one commit; more where more come, so that leaving is always faster.
const ROWS_LEAVE: u64 = 2_000;
/// Texts that leave with one commit.
const TEXTS_LEAVE: usize = 1_000;
/// How long nothing is tried again when a segment could not be closed.
const PAUSE: Duration = Duration::from_mins(1);

/// What the writer keeps about closing segments.
pub(crate) struct Retaining {
    policy: Option<Retention>,
    /// The last closed row and its hash.
    closed: u64,
    closed_hash: Hash,
    building: Option<JoinHandle<Result<Outcome, Error>>>,
    /// What an erasure waited for; the next turn takes it.
    built: Option<Result<Outcome, Error>>,
    /// Nothing is due before.
    not_before: Timestamp,
    leaving: Option<Going>,
    /// Whether rows of a closed segment stay because its file is not as it was closed. It ends with a
    /// start that finds the file.
    stuck: bool,
}

/// What is on its way out of the hot file.
struct Going {
    /// Texts that have not left yet.
    texts: Vec<String>,
    /// The last row that has left.
    left: u64,
    /// The last row that is to leave.
    last: u64,
}

/// What came of building.
enum Outcome {
    /// Its newest row is too young until then.
    NotBefore(Timestamp),
    /// The files are in their place.
    Built(Box<Built>),
}

/// A segment whose files are in their place.
pub(crate) struct Built {
    pub(crate) segment: Segment,
    texts: Vec<String>,
}

/// Everything that closing needs to know of the ledger.
struct Plan {
    policy: Retention,
    now: Timestamp,
    /// The last closed row and its hash.
    closed: u64,
    closed_hash: Hash,
}

impl Retaining {
    /// Finds out which segments are closed and what has not left yet.
    pub(crate) fn open(policy: Option<Retention>, reader: &dyn Reader) -> Result<Self, Error> {
        let segments = reader.segments()?;
        let last = segments.last();
        let closed = last.map_or(0, Segment::last);
        forget_unclosed(reader, closed)?;
        let genesis = chain::genesis(reader.head()?.ledger);
        let left = left_behind(reader, &segments)?;
        let stuck = matches!(left, Left::Stuck);
        Ok(Self {
            policy,
            closed,
            closed_hash: last.map_or(genesis, |segment| segment.note.last_hash),
            building: None,
            built: None,
            not_before: Timestamp::EPOCH,
            leaving: left.going(),
            stuck,
        })
    }

    /// Whether something is to leave with the next commit.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// What leaves with the commit of a turn that brings `rows` rows.
    pub(crate) fn next(&self, rows: usize) -> Leaving<'_> {
        let Some(going) = &self.leaving else { return Leaving::default() };
        if !going.texts.is_empty() {
            let count = going.texts.len().min(TEXTS_LEAVE);
            return Leaving { rows_to: 0, texts: &going.texts[..count] };
        }
        let count = ROWS_LEAVE.max(2 * rows as u64);
        Leaving { rows_to: going.last.min(going.left + count), texts: &[] }
    }

    /// The commit is on disk: `rows_to` and so many texts have left.
    pub(crate) fn has_left(&mut self, rows_to: u64, texts: usize) {
        let Some(going) = &mut self.leaving else { return };
        going.texts.drain(..texts.min(going.texts.len()));
        going.left = going.left.max(rows_to);
        if going.texts.is_empty() && going.left >= going.last {
            tracing::info!(last = going.last, "a segment has left the hot file");
            self.leaving = None;
        }
    }

    /// Texts were erased, and are to be on no disk when this returns: what is being built is waited
    /// for, because it may have read them before, and must not have them.
    pub(crate) fn erased(&mut self, ids: &[String], reader: &dyn Reader) {
        if let Some(building) = self.building.take() {
            self.built = Some(joined(building));
        }
        match &self.built {
            Some(Ok(Outcome::Built(built))) if built.texts.iter().any(|id| ids.contains(id)) => {
                forget(reader, built.segment.first(), built.segment.last());
                self.built = None;
            }
            // What failed may have left a file with texts.
            Some(Err(_)) => self.tidy(reader),
            Some(Ok(_)) | None => {}
        }
    }

    /// Removes what building left and no event names.
    fn tidy(&self, reader: &dyn Reader) {
        if let Err(error) = forget_unclosed(reader, self.closed) {
            tracing::error!(error = &error as &dyn std::error::Error, "files of a segment stay");
        }
    }

    /// A segment whose files are in their place, for the event that names it.
    pub(crate) fn built(
        &mut self,
        now: Timestamp,
        erasing: &[String],
        reader: &dyn Reader,
    ) -> Option<Built> {
        let finished = self.building.take_if(|thread| thread.is_finished()).map(joined);
        match finished.or_else(|| self.built.take())? {
            Ok(Outcome::Built(built)) if built.texts.iter().any(|id| erasing.contains(id)) => {
                // It holds a text that nobody may read any more: it is built again without.
                forget(reader, built.segment.first(), built.segment.last());
                None
            }
            Ok(Outcome::Built(built)) => Some(*built),
            Ok(Outcome::NotBefore(at)) => {
                self.not_before = at;
                None
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no segment is closed");
                self.tidy(reader);
                self.not_before = now + PAUSE;
                None
            }
        }
    }

    /// The event that names a segment is part of the turn: with its commit the segment is closed.
    pub(crate) fn closing(&mut self, built: Built) -> Segment {
        let Built { segment, texts } = built;
        self.leaving = Some(Going { texts, left: self.closed, last: segment.last() });
        (self.closed, self.closed_hash) = (segment.last(), segment.note.last_hash);
        segment
    }

    /// Begins to build the next segment, if there are enough rows for it.
    pub(crate) fn begin<A: Aggregate>(
        &mut self,
        now: Timestamp,
        head: u64,
        store: impl FnOnce() -> (Arc<dyn Reader>, Arc<dyn Snapshots>),
    ) {
        let Some(policy) = self.policy else { return };
        let wanted = self.closed + policy.segment_rows + policy.keep_rows;
        let busy = self.building.is_some() || self.built.is_some() || self.leaving.is_some();
        // Rows that are nowhere else must not leave behind a later segment.
        if busy || self.stuck || head < wanted || now < self.not_before {
            return;
        }
        let (closed, closed_hash) = (self.closed, self.closed_hash);
        let plan = Plan { policy, now, closed, closed_hash };
        let (reader, snapshots) = store();
        let build = move || build::<A>(&*reader, &*snapshots, &plan);
        let spawned = std::thread::Builder::new().name("segment".into()).spawn(build);
        self.building = spawned.ok();
    }

    /// Waits for what is being built; the next life builds it again.
    pub(crate) fn close(&mut self) {
        if let Some(building) = self.building.take()
            && building.join().is_err()
        {
            tracing::error!("the segment thread panicked");
        }
    }
}

/// How a build ended.
fn joined(building: JoinHandle<Result<Outcome, Error>>) -> Result<Outcome, Error> {
    building.join().unwrap_or_else(|_| Err(Error::corrupt("a panic")))
}

/// What closed segments hold and the hot file still has.
enum Left {
    /// Nothing.
    Nothing,
    /// This, which goes on leaving.
    Going(Going),
    /// Rows whose file is not there or is not the one that was closed: they stay, and so does all that
    /// is newer.
    Stuck,
}

impl Left {
    fn going(self) -> Option<Going> {
        match self {
            Self::Going(going) => Some(going),
            Self::Nothing | Self::Stuck => None,
        }
    }
}

/// What closed segments hold and the hot file still has, after a crash in between.
fn left_behind(reader: &dyn Reader, segments: &[Segment]) -> Result<Left, Error> {
    let hot_from = reader.hot_from()?;
    let Some(segment) = segments.last().filter(|segment| segment.last() >= hot_from) else {
        return Ok(Left::Nothing);
    };
    // Nothing leaves of which the file is not there or is not the one that was closed.
    let files = segments.iter().filter(|segment| segment.last() >= hot_from);
    let texts = files.map(|segment| {
        reader.shelf().rows(segment)?;
        if segment.texts.is_none() {
            return Ok(Vec::new());
        }
        Ok(reader.shelf().texts(segment)?.keys().cloned().collect())
    });
    match texts.collect::<Result<Vec<Vec<String>>, Error>>() {
        Ok(texts) => {
            let (texts, left) = (texts.concat(), hot_from.saturating_sub(1));
            Ok(Left::Going(Going { texts, left, last: segment.last() }))
        }
        Err(error @ (Error::Away { .. } | Error::Corrupt { .. })) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "rows stay in the hot file that should have left it");
            Ok(Left::Stuck)
        }
        Err(error) => Err(error),
    }
}

/// Removes texts of segments that were never closed: an erasure would not find them. Files about rows
/// that this log has not come to belong to a newer state of it, which somebody may put back.
fn forget_unclosed(reader: &dyn Reader, closed: u64) -> Result<(), Error> {
    let (files, head) = (reader.shelf().files(), reader.head()?.sequence);
    for name in files.names()? {
        let rows = segment::rows_of_texts_file(&name);
        let unclosed = rows.is_some_and(|(first, last)| first > closed && last <= head);
        if unclosed || name.ends_with(".partial") {
            files.remove(&name)?;
        }
    }
    Ok(())
}

fn forget(reader: &dyn Reader, first: u64, last: u64) {
    for name in [segment::texts_file(first, last), segment::rows_file(first, last)] {
        if let Err(error) = reader.shelf().files().remove(&name) {
            tracing::error!(error = &error as &dyn std::error::Error, name, "a file stays");
        }
    }
}

/// Writes the files of the next segment, if its rows are old enough.
fn build<A: Aggregate>(
    reader: &dyn Reader,
    snapshots: &dyn Snapshots,
    plan: &Plan,
) -> Result<Outcome, Error> {
    let Plan { policy, now, closed, .. } = *plan;
    let last = closed + policy.segment_rows;
    let youngest = reader.hot_rows(last - 1, 1)?.into_iter().next();
    let youngest = youngest.ok_or_else(|| Error::corrupt(format!("row {last} is missing")))?;
    let due = youngest.time + policy.keep_for;
    if due > now {
        return Ok(Outcome::NotBefore(due));
    }
    // A start must not need what leaves: so there is a snapshot behind it, and it was tried.
    let mut replayed = snapshot::replay::<A>(reader, Some(snapshots), u64::MAX)?;
    if replayed.snapshot <= last {
        snapshot::take::<A>(reader, snapshots)?;
        replayed = snapshot::replay::<A>(reader, Some(snapshots), u64::MAX)?;
        if replayed.snapshot <= last {
            return Err(Error::corrupt("a snapshot that was taken just now"));
        }
    }
    let state =
        postcard::to_stdvec(&replayed.state).map_err(|e| Error::Unavailable(Box::new(e)))?;
    drop(replayed);
    let (rows, texts) = gather(reader, plan, &used_texts(&state))?;
    write(reader, &rows, texts).map(|built| Outcome::Built(Box::new(built)))
}

/// The rows of the next segment, checked against the chain, and the texts that go with them.
fn gather(
    reader: &dyn Reader,
    plan: &Plan,
    used: &BTreeSet<&[u8]>,
) -> Result<(Vec<Row>, Texts), Error> {
    let (mut rows, mut texts) = (Vec::new(), Texts::new());
    let mut verifier = Verifier::after(reader.head()?.ledger, plan.closed, plan.closed_hash);
    let (last, mut bytes) = (plan.closed + plan.policy.segment_rows, 0);
    while verifier.sequence() < last && bytes < SEGMENT_BYTES {
        let left = usize::try_from(last - verifier.sequence()).unwrap_or(CHUNK);
        for row in reader.hot_rows(verifier.sequence(), left.min(CHUNK))? {
            verifier.check(&row).map_err(Error::corrupt)?;
            bytes += row.payload.len();
            for (id, _) in named_texts(&row.payload) {
                if used.contains(id.as_bytes()) || texts.contains_key(&id) {
                    continue;
                }
                if let Some(text) = reader.hot_text(&id)?.filter(|text| !text.sealed) {
                    bytes += text.bytes.len();
                    texts.insert(id, text.bytes);
                }
            }
            rows.push(row);
            if bytes >= SEGMENT_BYTES {
                break;
            }
        }
    }
    Ok((rows, texts))
}

/// Writes the files of a segment and reads them back.
fn write(reader: &dyn Reader, rows: &[Row], texts: Texts) -> Result<Built, Error> {
    let (first, last) = rows.first().zip(rows.last()).ok_or_else(|| Error::corrupt("no rows"))?;
    let file = segment::pack_rows(rows)?;
    let note = SegmentNote {
        first: first.sequence,
        last: last.sequence,
        first_hash: first.hash,
        last_hash: last.hash,
        file: segment::rows_file(first.sequence, last.sequence),
        file_hash: chain::digest(&file),
        bytes: file.len() as u64,
    };
    let ends = texts.first_key_value().zip(texts.last_key_value());
    let ends = ends.map(|((least, _), (most, _))| (least.clone(), most.clone()));
    let segment = Segment { note, texts: ends };
    let shelf = reader.shelf();
    if segment.texts.is_some() {
        let file = segment::pack_texts(&texts)?;
        shelf.keep_texts(&segment, &file)?;
        planted::point(planted::TEXTS_WRITTEN, rows);
        is_there(reader, &segment.texts_file(), &file)?;
    }
    shelf.keep_rows(&segment, &file)?;
    planted::point(planted::SEGMENT_WRITTEN, rows);
    is_there(reader, &segment.note.file, &file)?;
    Ok(Built { segment, texts: texts.into_keys().collect() })
}

/// Reads a file back.
fn is_there(reader: &dyn Reader, name: &str, file: &[u8]) -> Result<(), Error> {
    match reader.shelf().files().get(name)? {
        Some(found) if found == file => Ok(()),
        Some(_) | None => Err(Error::corrupt(format!("the file {name} that was just written"))),
    }
}
