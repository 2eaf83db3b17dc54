//! Checking a whole ledger from its files: the chain, the texts, and what its peers remember.
//!
//! The chain alone finds every edit; a cut tail or a log rewritten from scratch is found by the
//! signed checkpoints that the other services keep.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use vivarium_types::source::{Checkpoint, Hash};

use crate::chain::{self, Verifier};
use crate::store::{Error, Reader};

/// Rows read at a time.
const CHUNK: usize = 2_000;

/// What a check of one ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which ledger.
    pub ledger: vivarium_types::ids::LedgerId,
    /// Rows that were checked and fit.
    pub rows: u64,
    /// The hash behind them.
    pub hash: Hash,
    /// Texts that were checked.
    pub texts: u64,
    /// Texts that events name and that were erased.
    pub texts_erased: u64,
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
        texts: 0,
        texts_erased: 0,
        findings: Vec::new(),
    };
    walk.rows(progress);
    let last = walk.verifier.sequence();
    let intact = walk.findings.is_empty();
    for witness in witnesses {
        let finding = judge(witness, head.ledger, &walk.wanted, last, intact, signed);
        walk.findings.extend(finding);
    }
    Ok(Report {
        ledger: head.ledger,
        rows: last,
        hash: walk.verifier.hash(),
        texts: walk.texts,
        texts_erased: walk.texts_erased,
        findings: walk.findings,
    })
}

struct Walk<'a> {
    reader: &'a dyn Reader,
    verifier: Verifier,
    /// Hashes of the rows that witnesses name.
    wanted: BTreeMap<u64, Option<Hash>>,
    texts: u64,
    texts_erased: u64,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn rows(&mut self, progress: &mut dyn FnMut(u64)) {
        loop {
            let after = self.verifier.sequence();
            let rows = match self.reader.rows(after, CHUNK) {
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
        let Ok(event) = serde_json::from_slice::<Value>(payload) else { return };
        let mut named = Vec::new();
        collect(&event, &mut named);
        for (id, hash) in named {
            match self.reader.text(&id) {
                Ok(Some(text)) if chain::digest(&text.bytes) == hash => self.texts += 1,
                Ok(None) => self.texts_erased += 1,
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

/// Every object in an event that has the shape of a text reference.
fn collect(value: &Value, named: &mut Vec<(String, Hash)>) {
    match value {
        Value::Object(fields) => {
            let id = fields.get("id").and_then(Value::as_str);
            let hash = fields.get("hash").and_then(Value::as_str).and_then(decode_hash);
            if let (Some(id), Some(hash)) = (id.filter(|id| id.starts_with("txt_")), hash) {
                named.push((id.to_owned(), hash));
            }
            fields.values().for_each(|field| collect(field, named));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The hash behind the base 64 of proto3 JSON.
fn decode_hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok().and_then(|bytes| Hash::try_from(bytes.as_slice()).ok())
}
