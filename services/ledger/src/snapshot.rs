//! Snapshots of a ledger's state: postcard, compressed with zstd, behind a header that binds them
//! to a row. Built from disk in the background; a snapshot that does not fit is ignored.

use vivarium_types::Actor;
use vivarium_types::source::Hash;

use crate::aggregate::{Aggregate, Meta};
use crate::chain::{self, Verifier};
use crate::codec;
use crate::planted::{self, Bug};
use crate::store::{Error, Head, Reader, Snapshots};

const MAGIC: &[u8; 4] = b"VVS1";
/// Magic, state version, sequence, row hash, hash of the compressed state.
const HEADER_LENGTH: usize = 4 + 4 + 8 + 32 + 32;
/// zstd's own default level: most of the gain for little time.
const ZSTD_LEVEL: i32 = 3;
/// Rows read from disk at a time during a replay.
const REPLAY_CHUNK: usize = 1_000;
/// Bytes of a kept snapshot that are read in the time that one row takes: measured with a million
/// queued tasks (`cargo xtask bench start`, `growth`).
const BYTES_OF_A_ROW: u64 = 256;
/// Most bytes a state may unpack to: a bound against a damaged header.
const STATE_BYTES_MAX: usize = 4 << 30;

/// A state and the row behind which it stands.
#[derive(Debug)]
pub struct Replayed<A> {
    /// The state.
    pub state: A,
    /// The last row applied.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
    /// The row of the snapshot it began with; 0 without one.
    pub snapshot: u64,
    /// Bytes of that snapshot as it is kept.
    pub snapshot_bytes: u64,
}

/// Rows behind a snapshot of `bytes` bytes after which the next one is worth its while: reading them
/// takes about as long as reading the snapshot. So the work of snapshots stays in proportion to the
/// rows, however large the state is.
pub const fn rows_worth(bytes: u64) -> u64 {
    bytes / BYTES_OF_A_ROW
}

/// The state behind row `until` (or the newest row): the newest usable snapshot and the rows after
/// it, checked against the hash chain as they are read.
pub fn replay<A: Aggregate>(
    reader: &dyn Reader,
    snapshots: Option<&dyn Snapshots>,
    until: u64,
) -> Result<Replayed<A>, Error> {
    let head = reader.head()?;
    let until = until.min(head.sequence);
    let start = snapshots.and_then(|kept| usable::<A>(reader, kept, until));
    let mut replayed = start.unwrap_or_else(|| Replayed {
        state: A::default(),
        sequence: 0,
        hash: chain::genesis(head.ledger),
        snapshot: 0,
        snapshot_bytes: 0,
    });
    roll_forward(reader, head, &mut replayed, until)?;
    Ok(replayed)
}

/// Builds a snapshot of the newest state and keeps it; its row, and its bytes as it is kept.
pub fn take<A: Aggregate>(reader: &dyn Reader, kept: &dyn Snapshots) -> Result<(u64, u64), Error> {
    let mut replayed = replay::<A>(reader, Some(kept), u64::MAX)?;
    if planted::has(Bug::SnapshotMissesLast) && replayed.sequence > 1 {
        replayed.state = replay::<A>(reader, None, replayed.sequence - 1)?.state;
    }
    if replayed.sequence == 0 {
        return Ok((0, 0));
    }
    let packed = pack(&replayed)?;
    kept.put(replayed.sequence, &packed)?;
    Ok((replayed.sequence, packed.len() as u64))
}

fn roll_forward<A: Aggregate>(
    reader: &dyn Reader,
    head: Head,
    replayed: &mut Replayed<A>,
    until: u64,
) -> Result<(), Error> {
    let mut verifier = Verifier::after(head.ledger, replayed.sequence, replayed.hash);
    while verifier.sequence() < until {
        let left = usize::try_from(until - verifier.sequence()).unwrap_or(REPLAY_CHUNK);
        let rows = reader.rows(verifier.sequence(), left.min(REPLAY_CHUNK))?;
        if rows.is_empty() {
            let missing = verifier.sequence() + 1;
            return Err(Error::corrupt(format!("row {missing} is missing")));
        }
        for row in rows {
            verifier.check(&row).map_err(Error::corrupt)?;
            let event = codec::decode::<A>(&row)?;
            replayed.state.apply(&event, &meta(&row)?);
        }
    }
    replayed.sequence = verifier.sequence();
    replayed.hash = verifier.hash();
    Ok(())
}

/// What `apply` is told about a stored row.
pub fn meta(row: &vivarium_types::source::Row) -> Result<Meta, Error> {
    let actor: Actor = row
        .actor
        .parse()
        .map_err(|_| Error::corrupt(format!("the actor of row {}", row.sequence)))?;
    Ok(Meta { sequence: row.sequence, time: row.time, actor })
}

/// The newest snapshot that unpacks and stands on a row of this very log.
fn usable<A: Aggregate>(
    reader: &dyn Reader,
    kept: &dyn Snapshots,
    until: u64,
) -> Option<Replayed<A>> {
    let (sequence, bytes) = kept.latest(until).ok()??;
    let found = unpack::<A>(&bytes).filter(|replayed| replayed.sequence == sequence);
    let row = reader.rows(sequence.checked_sub(1)?, 1).ok()?.into_iter().next()?;
    let fits = found.filter(|replayed| row.sequence == sequence && row.hash == replayed.hash);
    if fits.is_none() {
        tracing::info!(sequence, "a snapshot does not fit, so the log is replayed");
    }
    fits
}

fn pack<A: Aggregate>(replayed: &Replayed<A>) -> Result<Vec<u8>, Error> {
    let unavailable = |error: Box<dyn std::error::Error + Send + Sync>| Error::Unavailable(error);
    let state = postcard::to_stdvec(&replayed.state).map_err(|e| unavailable(Box::new(e)))?;
    let packed = zstd::bulk::compress(&state, ZSTD_LEVEL).map_err(|e| unavailable(Box::new(e)))?;
    let mut bytes = Vec::with_capacity(HEADER_LENGTH + packed.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&A::STATE_VERSION.to_be_bytes());
    bytes.extend_from_slice(&replayed.sequence.to_be_bytes());
    bytes.extend_from_slice(&replayed.hash.0);
    bytes.extend_from_slice(&chain::digest(&packed).0);
    bytes.extend_from_slice(&packed);
    Ok(bytes)
}

fn unpack<A: Aggregate>(bytes: &[u8]) -> Option<Replayed<A>> {
    let snapshot_bytes = bytes.len() as u64;
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let (sum, packed) = rest.split_first_chunk::<32>()?;
    let known = magic == MAGIC && u32::from_be_bytes(*version) == A::STATE_VERSION;
    if !known || chain::digest(packed).0 != *sum {
        return None;
    }
    let size = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    let size = usize::try_from(size).ok().filter(|size| *size <= STATE_BYTES_MAX)?;
    let state = zstd::bulk::decompress(packed, size).ok()?;
    let sequence = u64::from_be_bytes(*sequence);
    let state = postcard::from_bytes(&state).ok()?;
    Some(Replayed { state, sequence, hash: Hash(*hash), snapshot: sequence, snapshot_bytes })
}
