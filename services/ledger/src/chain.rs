//! The hash chain: every row's hash covers the row and the hash before it.
//!
//! Nothing is re-serialised to be checked: the hash covers the exact stored bytes of the payload.
//! This module builds without default features, so that the panel verifies a log in the reader's
//! own browser with the same code.

use std::io::Write as _;

use sha2::{Digest, Sha256};
use vivarium_types::Timestamp;
use vivarium_types::ids::{BODY_LENGTH, LedgerId};
use vivarium_types::source::{Hash, Row};

/// Bytes of a ledger's id: `led_` and its body.
const LEDGER_BYTES: usize = 4 + BODY_LENGTH;
/// First field of every row hash. A change of the recipe is a new tag.
const ROW_TAG: &[u8] = b"vivarium.ledger.row.1";
/// First field of the hash before the first row.
const GENESIS_TAG: &[u8] = b"vivarium.ledger.genesis.1";
/// First field of what a checkpoint's signature covers.
const CHECKPOINT_TAG: &[u8] = b"vivarium.ledger.checkpoint.1";

/// SHA-256 of `bytes`.
pub fn digest(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// The hash in front of a ledger's first row.
pub fn genesis(ledger: LedgerId) -> Hash {
    let mut hasher = Sha256::new();
    field(&mut hasher, GENESIS_TAG);
    field(&mut hasher, ledger.to_string().as_bytes());
    Hash(hasher.finalize().into())
}

/// The hash of `row` behind a row whose hash is `previous`; `row.hash` is not read.
pub fn link(previous: Hash, ledger: LedgerId, row: &Row) -> Hash {
    let mut hasher = Sha256::new();
    field(&mut hasher, ROW_TAG);
    field(&mut hasher, &previous.0);
    field(&mut hasher, printed(ledger, &mut [0; LEDGER_BYTES]));
    field(&mut hasher, &row.sequence.to_be_bytes());
    field(&mut hasher, &row.time.as_micros().to_be_bytes());
    field(&mut hasher, row.actor.as_bytes());
    field(&mut hasher, row.kind.as_bytes());
    field(&mut hasher, &row.schema.to_be_bytes());
    field(&mut hasher, &digest(&row.payload).0);
    Hash(hasher.finalize().into())
}

/// The bytes that a checkpoint's signature covers.
pub fn checkpoint_bytes(ledger: LedgerId, sequence: u64, hash: Hash, time: Timestamp) -> Vec<u8> {
    let ledger = ledger.to_string();
    let fields: [&[u8]; 5] = [
        CHECKPOINT_TAG,
        ledger.as_bytes(),
        &sequence.to_be_bytes(),
        &hash.0,
        &time.as_micros().to_be_bytes(),
    ];
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

/// A ledger's id as it prints. Every row has it hashed, so it is not worth an allocation each.
fn printed(ledger: LedgerId, space: &mut [u8; LEDGER_BYTES]) -> &[u8] {
    let mut rest = space.as_mut_slice();
    write!(rest, "{ledger}").expect("an id has as many bytes as its prefix and body");
    space
}

/// Fields are length-prefixed, so that no two different rows feed the hasher the same bytes.
fn field(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// The first row that does not fit the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The row's content or hash was changed, or a row before it was.
    #[error("row {sequence} does not match its hash")]
    Hash {
        /// The row.
        sequence: u64,
    },
    /// A row is missing, repeated or out of order.
    #[error("row {sequence} stands where row {wanted} belongs")]
    Order {
        /// The row that was found.
        sequence: u64,
        /// The row that belongs there.
        wanted: u64,
    },
    /// The row's time lies before the row in front of it.
    #[error("row {sequence} is older than the row in front of it")]
    Time {
        /// The row.
        sequence: u64,
    },
}

/// Walks rows in order and names the first that does not fit.
#[derive(Debug, Clone)]
pub struct Verifier {
    ledger: LedgerId,
    sequence: u64,
    time_us: i64,
    hash: Hash,
}

impl Verifier {
    /// Starts in front of the first row of `ledger`.
    pub fn from_genesis(ledger: LedgerId) -> Self {
        Self { ledger, sequence: 0, time_us: i64::MIN, hash: genesis(ledger) }
    }

    /// Starts behind a row that is trusted for another reason, such as a checkpoint.
    pub const fn after(ledger: LedgerId, sequence: u64, hash: Hash) -> Self {
        Self { ledger, sequence, time_us: i64::MIN, hash }
    }

    /// Checks that `row` follows what was checked before.
    pub fn check(&mut self, row: &Row) -> Result<(), Broken> {
        let wanted = self.sequence + 1;
        if row.sequence != wanted {
            return Err(Broken::Order { sequence: row.sequence, wanted });
        }
        if link(self.hash, self.ledger, row) != row.hash {
            return Err(Broken::Hash { sequence: row.sequence });
        }
        if row.time.as_micros() < self.time_us {
            return Err(Broken::Time { sequence: row.sequence });
        }
        self.sequence = row.sequence;
        self.time_us = row.time.as_micros();
        self.hash = row.hash;
        Ok(())
    }

    /// The last row that fitted, 0 before the first.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The hash of the last row that fitted.
    pub const fn hash(&self) -> Hash {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use vivarium_types::ids::Id;

    use super::*;

    fn rows(count: u64) -> (LedgerId, Vec<Row>) {
        let ledger = LedgerId::from_number(42);
        let mut hash = genesis(ledger);
        let mut rows = Vec::new();
        for sequence in 1..=count {
            let mut row = Row {
                sequence,
                time: Timestamp::from_micros(sequence.cast_signed()),
                actor: "operator:test".into(),
                kind: "counted".into(),
                schema: 1,
                payload: format!("{{\"n\":{sequence}}}").into_bytes(),
                hash: Hash::default(),
            };
            row.hash = link(hash, ledger, &row);
            hash = row.hash;
            rows.push(row);
        }
        (ledger, rows)
    }

    fn first_broken(ledger: LedgerId, rows: &[Row]) -> Option<Broken> {
        let mut verifier = Verifier::from_genesis(ledger);
        rows.iter().find_map(|row| verifier.check(row).err())
    }

    #[test]
    fn an_untouched_chain_verifies() {
        let (ledger, rows) = rows(50);
        assert_eq!(first_broken(ledger, &rows), None);
    }

    #[test]
    fn every_kind_of_change_is_named_by_sequence() {
        let (ledger, rows) = rows(9);
        let at = |change: fn(&mut Row)| {
            let mut changed = rows.clone();
            change(&mut changed[4]);
            first_broken(ledger, &changed)
        };
        let broken = Some(Broken::Hash { sequence: 5 });
        assert_eq!(at(|row| row.payload[1] ^= 1), broken);
        assert_eq!(at(|row| row.actor.push('x')), broken);
        assert_eq!(at(|row| row.kind.push('x')), broken);
        assert_eq!(at(|row| row.schema += 1), broken);
        assert_eq!(at(|row| row.hash.0[0] ^= 1), broken);
        assert_eq!(at(|row| row.time = Timestamp::EPOCH), broken);
        assert_eq!(at(|row| row.sequence = 6), Some(Broken::Order { sequence: 6, wanted: 5 }));
    }

    #[test]
    fn a_removed_or_foreign_row_is_found() {
        let (ledger, rows) = rows(9);
        let mut removed = rows.clone();
        removed.remove(3);
        assert_eq!(first_broken(ledger, &removed), Some(Broken::Order { sequence: 5, wanted: 4 }));
        let other = LedgerId::from_number(43);
        assert_eq!(first_broken(other, &rows), Some(Broken::Hash { sequence: 1 }));
    }
}
