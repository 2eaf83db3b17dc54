//! Events to stored bytes and back: canonical proto3 JSON of the published schema.

use vivarium_types::source::Row;

use crate::aggregate::Aggregate;
use crate::store::Error;

/// Room for an event as most are: one allocation for each, not one for each doubling.
const USUAL_BYTES: usize = 512;

/// The exact bytes an event is stored as.
pub fn encode<A: Aggregate>(event: &A::Event) -> Result<Vec<u8>, Error> {
    let wire: A::Wire = event.clone().into();
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, &wire)
        .map_err(|error| Error::Unavailable(Box::new(error)))?;
    Ok(bytes)
}

/// The event of a stored row. A row that does not convert is corrupt.
pub fn decode<A: Aggregate>(row: &Row) -> Result<A::Event, Error> {
    let what = || Error::corrupt(format!("row {} of kind {}", row.sequence, row.kind));
    let wire: A::Wire = serde_json::from_slice(&row.payload).map_err(|_| what())?;
    A::Event::try_from(wire).map_err(|_| what())
}
