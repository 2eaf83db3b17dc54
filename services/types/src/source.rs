//! What a ledger needs of another ledger to follow it: a stream of rows after a cursor.
//!
//! `ledger` takes a [`Source`] and so need not know how a service is reached; `chassis` makes one
//! over gRPC, tests make one in memory.

use std::fmt;
use std::pin::Pin;

use futures_core::Stream;
use serde::{Deserialize, Serialize};

use crate::ids::LedgerId;
use crate::time::Timestamp;

/// A 32-byte SHA-256 value that prints as hexadecimal.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = std::array::TryFromSliceError;
    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

/// One event as it lies in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Place in its ledger, from 1, without gaps.
    pub sequence: u64,
    /// When it was decided; never before the row in front of it.
    pub time: Timestamp,
    /// Who caused it, as [`crate::Actor`] prints.
    pub actor: String,
    /// The event's name, such as `task_added`.
    pub kind: String,
    /// The schema number of the payload.
    pub schema: u32,
    /// The exact stored bytes: the event as canonical proto3 JSON.
    pub payload: Vec<u8>,
    /// The row's link in the hash chain.
    pub hash: Hash,
}

/// A place in another ledger: everything up to `sequence` has had its effect here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The ledger that is followed; `None` before its first row was seen.
    pub ledger: Option<LedgerId>,
    /// The last row whose effect is here; 0 before the first.
    pub sequence: u64,
    /// That row's hash; all zero before the first.
    pub hash: Hash,
}

impl Cursor {
    /// Before the first row.
    pub const START: Self = Self { ledger: None, sequence: 0, hash: Hash([0; 32]) };
}

/// A ledger's signed word about its own head, kept by its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose head it is.
    pub ledger: LedgerId,
    /// The head's sequence.
    pub sequence: u64,
    /// The head's hash.
    pub hash: Hash,
    /// When it was signed.
    pub time: Timestamp,
    /// The public key that checks it, as the world's trust file names it.
    pub key_id: String,
    /// Ed25519 over the fields above.
    pub signature: Vec<u8>,
}

/// What a source delivers: rows in order without gap or repeat, and now and then a checkpoint.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The ledger the rows belong to.
    pub ledger: Option<LedgerId>,
    /// Rows that follow the last delivery.
    pub rows: Vec<Row>,
    /// The source's latest word about its head.
    pub checkpoint: Option<Checkpoint>,
}

/// Why a source stopped.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Not reachable now; the follower tries again for ever.
    #[error("the followed service does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log that is offered does not hold the cursor's row: this follower stops.
    #[error("the followed log is not the one that was followed before")]
    Diverged,
}

/// A stream of deliveries.
pub type Deliveries = Pin<Box<dyn Stream<Item = Result<Delivery, Fault>> + Send>>;

/// Another ledger that can be followed.
pub trait Source: Send + Sync + 'static {
    /// The name of the service, such as `queue`.
    fn name(&self) -> &str;
    /// Follows from behind `cursor`, first what is on disk, then live, until dropped.
    fn follow(&self, cursor: Cursor) -> Deliveries;
}
