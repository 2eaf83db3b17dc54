//! The first residents and rooms: from `world/seed`, or built in where a world has no such file.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use vivarium_ledger::{Ledger, Submission, Texts};
use vivarium_types::Actor;

use crate::domain::event::identity;
use crate::domain::identity::Identity;
use crate::domain::resident::{self, Words};
use crate::domain::seed::{Newcomer, Seed};
use crate::domain::{Command, Society};

/// What stands in for a file that a world does not have.
const RESIDENTS: &str = include_str!("../../../world/seed/residents.toml");
const ROOMS: &str = include_str!("../../../world/seed/rooms.toml");

/// Why a world's seed is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is no seed", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// Somebody or something cannot be as the seed has it.
    #[error("the seed's {who}: {what}")]
    Refused {
        /// Which entry.
        who: String,
        /// What is wrong.
        what: String,
    },
    /// The ledger took nothing.
    #[error("the seed cannot be sown")]
    Ledger(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Residents {
    #[serde(default)]
    resident: Vec<Person>,
}

#[derive(Debug, Deserialize)]
struct Person {
    handle: String,
    #[serde(flatten)]
    identity: toml::Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rooms {
    #[serde(default)]
    room: Vec<Place>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    room: String,
    title: String,
}

/// Lets the first residents join and opens the first rooms, as far as they are not there.
pub async fn sow(ledger: &Ledger<Society>, folder: &Path) -> Result<(), Error> {
    let there = ledger.ask(|society| (society.residents.is_empty(), society.rules.residents));
    let (nobody, most) = there.await.map_err(|_| Error::Ledger("the ledger is closed".into()))?;
    let people = if nobody { residents(folder, most)? } else { Vec::new() };
    let places = rooms(folder)?;
    let missing = ledger.ask(move |society| {
        let new = |place: &(String, String)| society.rooms.get(&place.0).is_none();
        places.into_iter().filter(new).collect::<Vec<_>>()
    });
    let places = missing.await.map_err(|_| Error::Ledger("the ledger is closed".into()))?;
    if people.is_empty() && places.is_empty() {
        return Ok(());
    }
    let mut texts = ledger.texts();
    let seed = Seed {
        residents: people.into_iter().map(|person| newcomer(person, &mut texts)).collect(),
        rooms: places.into_iter().map(|(room, title)| (room, texts.plain(&title))).collect(),
    };
    let command = Command::Seed(Box::new(seed));
    let submission = Submission::new(Actor::service("society"), command).texts(texts.into_rows());
    let sown = ledger.submit(submission).await;
    sown.map_err(|error| Error::Ledger(format!("{error}").into()))?;
    Ok(())
}

fn newcomer((handle, person): (String, Identity), texts: &mut Texts<'_, Society>) -> Newcomer {
    let words = person.words();
    Newcomer { handle, identity: texts.plain(&identity::to_json(person)), words }
}

/// The residents of a seed, each with a handle, all of them distinct.
fn residents(folder: &Path, most: usize) -> Result<Vec<(String, Identity)>, Error> {
    let (seed, path): (Residents, PathBuf) = read(folder, "residents.toml", RESIDENTS)?;
    let mut people: Vec<(String, Identity)> = Vec::new();
    for Person { handle, identity } in seed.resident {
        let refused = |what: String| Error::Refused { who: handle.clone(), what };
        let identity: Identity = identity
            .try_into()
            .map_err(|source| Error::Malformed { path: path.clone(), source: Box::new(source) })?;
        if !is_word(&handle, 24) {
            return Err(refused("its handle must be [a-z0-9_]{2,24}".into()));
        }
        if let Some((field, what)) = identity.faults().into_iter().next() {
            return Err(refused(format!("{field} {what}")));
        }
        let others: Vec<_> = people.iter().map(words).collect();
        let one = (handle.clone(), identity);
        if let Some(what) = resident::refused(words(&one), &others) {
            return Err(refused(what.into()));
        }
        people.push(one);
    }
    if people.len() > most {
        let what = format!("there may be at most {most}");
        return Err(Error::Refused { who: "residents".into(), what });
    }
    Ok(people)
}

fn words((handle, identity): &(String, Identity)) -> Words<'_> {
    Words {
        handle,
        name: &identity.name,
        statement: &identity.identity_statement,
        summary: &identity.summary,
    }
}

/// The rooms of a seed with their titles.
fn rooms(folder: &Path) -> Result<Vec<(String, String)>, Error> {
    let (seed, _): (Rooms, PathBuf) = read(folder, "rooms.toml", ROOMS)?;
    let mut rooms: Vec<(String, String)> = Vec::new();
    for Place { room, title } in seed.room {
        let titled = vivarium_types::text::parse(&title, 2, 60).is_ok();
        let known = rooms.iter().any(|(other, _)| *other == room);
        if !is_word(&room, 40) || !titled || known {
            let what = "must be a new [a-z0-9_]{2,40} with a title of 2 to 60 characters".into();
            return Err(Error::Refused { who: room, what });
        }
        rooms.push((room, title));
    }
    Ok(rooms)
}

fn is_word(text: &str, max: usize) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (2..=max).contains(&text.len()) && text.chars().all(fits)
}

fn read<T: DeserializeOwned>(
    folder: &Path,
    name: &str,
    built_in: &str,
) -> Result<(T, PathBuf), Error> {
    let path = folder.join(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            built_in.to_owned()
        }
        Err(source) => return Err(Error::Unreadable { path, source }),
    };
    let seed = toml::from_str(&text)
        .map_err(|source| Error::Malformed { path: path.clone(), source: Box::new(source) })?;
    Ok((seed, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_seed_has_five_distinct_residents_and_the_seven_rooms() {
        let nowhere = Path::new("/dev/null/no-such-world");
        let people = residents(nowhere, 128).expect("the built-in seed is valid");
        assert_eq!(people.len(), 5);
        for (handle, person) in &people {
            assert!(person.words().len() >= 10, "{handle} gives the queue little to match");
            assert!(person.mutable.fields().iter().all(|(_, text)| !text.is_empty()), "{handle}");
        }
        let rooms = rooms(nowhere).expect("the built-in seed is valid");
        let names: Vec<_> = rooms.iter().map(|(room, _)| room.as_str()).collect();
        assert_eq!(names[..2], ["town_hall", "watercooler"]);
        assert_eq!(names.len(), 7);
    }

    #[test]
    fn a_seed_with_a_double_or_an_unknown_field_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let seed = |text: &str| {
            std::fs::write(folder.path().join("residents.toml"), text).expect("it writes");
            residents(folder.path(), 2)
        };
        let twins = "[[resident]]\nhandle = \"ada\"\nname = \"Ada Fenn\"\n\
                     [[resident]]\nhandle = \"ada2\"\nname = \"Ada  fenn\"\n";
        assert!(matches!(seed(twins), Err(Error::Refused { who, .. }) if who == "ada2"));
        let strange = "[[resident]]\nhandle = \"ada\"\nname = \"Ada Fenn\"\nmood = \"odd\"\n";
        assert!(matches!(seed(strange), Err(Error::Malformed { .. })));
        assert_eq!(seed("").expect("nobody is a seed").len(), 0);
        let crowd = ["Ada Fenn", "Bo Lind", "Cy Marsh"].map(|name| {
            let handle = name.to_lowercase().replace(' ', "_");
            format!("[[resident]]\nhandle = \"{handle}\"\nname = \"{name}\"\n")
        });
        let refused = seed(&crowd.concat());
        assert!(matches!(refused, Err(Error::Refused { what, .. }) if what.contains("at most 2")));
        assert_eq!(seed(&crowd[..2].concat()).expect("two may be there").len(), 2);
    }
}
