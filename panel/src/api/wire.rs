//! Small conversions that every service's messages need.

use std::time::Duration;

use vivarium_proto::ledger::v1 as pb;
use vivarium_proto::wkt;
use vivarium_types::Timestamp;

use crate::state::Position;

/// A moment; the epoch when unset.
pub(crate) fn moment(wire: Option<wkt::Timestamp>) -> Timestamp {
    some_moment(wire).unwrap_or_default()
}

/// A moment, if set.
pub(crate) fn some_moment(wire: Option<wkt::Timestamp>) -> Option<Timestamp> {
    wire.map(|wire| Timestamp::from_seconds_and_nanos(wire.seconds, wire.nanos))
}

/// A span; zero when unset.
pub(crate) fn span(wire: Option<wkt::Duration>) -> Duration {
    wire.map_or(Duration::ZERO, |wire| {
        let nanos = u32::try_from(wire.nanos).unwrap_or(0);
        Duration::new(u64::try_from(wire.seconds).unwrap_or(0), nanos)
    })
}

/// A place in a ledger.
pub(crate) fn position(wire: Option<pb::Position>) -> Position {
    let wire = wire.unwrap_or_default();
    Position { ledger: wire.ledger, sequence: wire.sequence }
}
