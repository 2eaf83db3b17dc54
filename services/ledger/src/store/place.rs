//! A ledger where the settings say it lies. What stands in the way is told as
//! [`vivarium_types::place::Error`], because a person has to act on it.

use std::sync::Arc;

use vivarium_types::Place;
use vivarium_types::ids::LedgerId;
use vivarium_types::place;

use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::{Error, Reader, Store, Tell};

/// Opens or makes a ledger where it lies, once no other process owns it. On a server that may be after
/// a long time; `tell` hears of it.
pub async fn open_in_turn(place: &Place, tell: Tell) -> Result<Box<dyn Store>, Error> {
    let place = place.clone();
    let opening = tokio::task::spawn_blocking(move || opened(&place, Some(&tell)));
    opening.await.unwrap_or_else(|error| Err(Error::Unavailable(Box::new(error))))
}

/// Opens or makes a ledger where it lies. Whoever owns it is refused at its next append.
pub fn open(place: &Place) -> Result<Box<dyn Store>, Error> {
    opened(place, None)
}

fn opened(place: &Place, tell: Option<&Tell>) -> Result<Box<dyn Store>, Error> {
    match &place.server {
        None => {
            if !place.file.exists() && place.views.exists() {
                return Err(not_moved(place, "a database, or nowhere: its file is gone").into());
            }
            Ok(Box::new(Sqlite::at(&place.file)?))
        }
        Some(server) => {
            let mut store = Postgres::of_world(server, &place.views)?;
            if place.file.exists() && store.is_unused()? {
                return Err(not_moved(place, &place.file.display().to_string()).into());
            }
            if let Some(tell) = tell {
                store.wait_for_turn(tell)?;
            }
            Ok(Box::new(store))
        }
    }
}

/// Reads a ledger where it lies; no process needs to have it open, and nothing is made. `None` when
/// there is none.
pub fn reader(place: &Place) -> Result<Option<Arc<dyn Reader>>, Error> {
    match &place.server {
        None if place.file.exists() => Ok(Some(Sqlite::read_only(&place.file))),
        None => Ok(None),
        Some(server) => Postgres::read_only(server, &place.views),
    }
}

/// Which ledger lies there; `None` when there is none yet.
pub fn look(place: &Place) -> Result<Option<LedgerId>, Error> {
    let Some(reader) = reader(place)? else { return Ok(None) };
    Ok(Some(reader.head()?.ledger))
}

/// The place in words, without secrets.
pub fn shown(place: &Place) -> String {
    match &place.server {
        None => place.file.display().to_string(),
        Some(server) => super::postgres::shown(server),
    }
}

fn not_moved(place: &Place, kept: &str) -> place::Error {
    place::Error::NotMoved { place: shown(place), kept: kept.to_owned() }
}
