//! Carrying a ledger from one place to another, whole.
//!
//! Everything is copied into a draft beside the new place, read back and verified there. Only then
//! does the draft take the place, and the ledger that lay in the old one is put aside: renamed, never
//! deleted. Each step can be repeated after a kill at any point: what is found in the new place is
//! replaced only if it is an earlier state of the very same ledger.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use vivarium_types::Place;
use vivarium_types::ids::{Id as _, LedgerId};
use vivarium_types::place;

use super::contents::{Contents, TABLES, Tally};
use super::place::{look, reader, shown};
use super::postgres::{Postgres, contents as schemas};
use super::sqlite::Sqlite;
use super::{Error, Head, Reader, Snapshots, Store};
use crate::audit;

/// What was copied and verified, and waits to take its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Where the ledger stood; nobody else may have written since.
    pub head: Head,
    /// How many records each table has.
    pub counts: Vec<(&'static str, u64)>,
    /// How many snapshots went along.
    pub snapshots: u32,
    /// How many files of closed segments went along: those that were in their place.
    pub segment_files: u32,
}

/// Hears what is being done and how many records of it are done.
pub type Progress<'a> = &'a mut dyn FnMut(&'static str, u64);

/// A store that can be owned and copied.
trait Whole: Store + Contents {}
impl Whole for Sqlite {}
impl Whole for Postgres {}

/// Refuses where the new place holds what is not an earlier state of the ledger in the old one.
pub fn may_carry(from: &Place, to: &Place) -> Result<(), Error> {
    let Some(there) = reader(to)? else { return Ok(()) };
    match reader(from)? {
        Some(source) if is_earlier(&*there, &*source)? => Ok(()),
        _ => Err(place::Error::Occupied { place: shown(to) }.into()),
    }
}

/// Copies a ledger into a draft beside its new place, and verifies it; `None` when there is none.
///
/// Whoever owned the ledger until now is refused at its next append.
pub fn carry(from: &Place, to: &Place, progress: Progress<'_>) -> Result<Option<Carried>, Error> {
    may_carry(from, to)?;
    if look(from)?.is_none() {
        return Ok(None);
    }
    let mut source = whole(from)?;
    let head = source.open(LedgerId::from_number(0))?;
    let draft = draft(to);
    forget(&draft)?;
    let mut copy = whole(&draft)?;
    let counts = copy_tables(&mut *source, &mut *copy, progress)?;
    let snapshots = copy_snapshots(&*source.snapshots(), &*copy.snapshots())?;
    let segment_files = copy_segments(&*source.reader(), &*copy.reader())?;
    copy.found(&head)?;
    verify(&*copy.reader(), &head, progress)?;
    Ok(Some(Carried { head, counts, snapshots, segment_files }))
}

/// Puts a verified draft in its place. What lay there before is put aside under `tag`.
pub fn settle(from: &Place, to: &Place, carried: &Carried, tag: &str) -> Result<(), Error> {
    let now = reader(from)?.map(|source| source.head()).transpose()?;
    if now != Some(carried.head) {
        return Err(place::Error::Owned { place: shown(from) }.into());
    }
    may_carry(from, to)?;
    put_aside(to, tag)?;
    let draft = draft(to);
    match (&draft.server, &to.server) {
        (Some(draft), Some(server)) => schemas::rename(draft, &server.schema),
        _ => files(&draft.file, &to.file),
    }
}

/// Takes away what a draft left behind.
pub fn tidy(to: &Place) -> Result<(), Error> {
    let draft = draft(to);
    if draft.server.is_some() {
        forget(&draft)?;
    }
    match draft.file.parent().map(fs::remove_dir_all) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(unavailable(error)),
        _ => Ok(()),
    }
}

/// Renames the ledger in a place, so that nothing opens it by mistake; where it lies from now on.
pub fn put_aside(place: &Place, tag: &str) -> Result<Option<String>, Error> {
    let Some(server) = &place.server else {
        if !place.file.exists() {
            return Ok(None);
        }
        let folder = beside(&place.file, &format!("aside-{tag}"));
        fs::create_dir_all(&folder).map_err(unavailable)?;
        let aside = folder.join(place.file.file_name().unwrap_or_default());
        files(&place.file, &aside)?;
        return Ok(Some(aside.display().to_string()));
    };
    if reader(place)?.is_none() {
        // Tables that nobody ever wrote to.
        schemas::forget(server)?;
        return Ok(None);
    }
    let name = format!("{}_aside_{tag}", server.schema);
    schemas::rename(server, &name)?;
    remove_database(&place.views)?;
    let mut aside = server.clone();
    aside.schema = name;
    Ok(Some(super::postgres::shown(&aside)))
}

/// Whether the ledger that `one` reads is an earlier state, or the same, of what `other` reads.
fn is_earlier(one: &dyn Reader, other: &dyn Reader) -> Result<bool, Error> {
    let (early, late) = (one.head()?, other.head()?);
    if early.ledger != late.ledger || early.sequence > late.sequence {
        return Ok(false);
    }
    let Some(before) = early.sequence.checked_sub(1) else { return Ok(true) };
    let row = other.rows(before, 1)?.into_iter().next();
    Ok(row.is_some_and(|row| row.sequence == early.sequence && row.hash == early.hash))
}

fn copy_tables(
    source: &mut dyn Whole,
    copy: &mut dyn Whole,
    progress: Progress<'_>,
) -> Result<Vec<(&'static str, u64)>, Error> {
    let mut counts = Vec::new();
    for table in &TABLES {
        let mut sent = Tally::default();
        source.each(table, &mut |records| {
            for record in &records {
                sent.add(record);
            }
            copy.put(table, &records)?;
            progress(table.name, sent.count);
            Ok(())
        })?;
        let mut kept = Tally::default();
        copy.each(table, &mut |records| {
            for record in &records {
                kept.add(record);
            }
            Ok(())
        })?;
        if sent != kept {
            return Err(Error::corrupt(format!("the copy of the {}", table.name)));
        }
        counts.push((table.name, sent.count));
    }
    Ok(counts)
}

/// Both snapshots that a store keeps, the older one first.
fn copy_snapshots(from: &dyn Snapshots, to: &dyn Snapshots) -> Result<u32, Error> {
    let newest = from.latest(u64::MAX)?;
    let before = newest.as_ref().and_then(|(sequence, _)| sequence.checked_sub(1));
    let older = before.map(|before| from.latest(before)).transpose()?.flatten();
    let mut count = 0;
    for (sequence, bytes) in [older, newest].into_iter().flatten() {
        to.put(sequence, &bytes)?;
        count += 1;
    }
    Ok(count)
}

/// The files of the closed segments that are in their place, as they lie there.
fn copy_segments(from: &dyn Reader, to: &dyn Reader) -> Result<u32, Error> {
    let mut count = 0;
    for segment in from.segments()? {
        for name in [segment.note.file.clone(), segment.texts_file()] {
            let Some(bytes) = from.shelf().files().get(&name)? else { continue };
            to.shelf().files().put(&name, &bytes)?;
            count += 1;
        }
    }
    Ok(count)
}

/// Walks the copy's chain and texts, and compares its end with where the ledger stood.
fn verify(copy: &dyn Reader, head: &Head, progress: Progress<'_>) -> Result<(), Error> {
    let report = audit::verify(copy, &[], &|_| true, &mut |rows| progress("chain", rows))?;
    if let Some(finding) = report.findings.first() {
        return Err(Error::corrupt(finding));
    }
    if copy.head()? != *head {
        return Err(Error::corrupt("the copy's last row"));
    }
    Ok(())
}

fn whole(place: &Place) -> Result<Box<dyn Whole>, Error> {
    Ok(match &place.server {
        None => {
            let folder = place.file.parent().unwrap_or_else(|| Path::new("."));
            fs::create_dir_all(folder).map_err(unavailable)?;
            Box::new(Sqlite::at(&place.file)?)
        }
        Some(server) => Box::new(Postgres::of_world(server, &place.views)?),
    })
}

/// Where a ledger lies until it is verified.
fn draft(to: &Place) -> Place {
    let mut draft = to.clone();
    let folder = beside(&to.file, "moving");
    draft.file = folder.join(to.file.file_name().unwrap_or_default());
    draft.views = folder.join(to.views.file_name().unwrap_or_default());
    if let Some(server) = &mut draft.server {
        server.schema.push_str("_moving");
    }
    draft
}

/// Makes sure that a draft begins with nothing.
fn forget(draft: &Place) -> Result<(), Error> {
    let folder = beside(&draft.file, "");
    fs::create_dir_all(&folder).map_err(unavailable)?;
    remove_database(&draft.views)?;
    match &draft.server {
        Some(server) => schemas::forget(server),
        None => remove_database(&draft.file),
    }
}

/// A folder or file in the folder of another.
fn beside(path: &Path, name: &str) -> PathBuf {
    path.parent().unwrap_or_else(|| Path::new(".")).join(name)
}

/// What SQLite keeps beside a database's own file, and the folders of segments and snapshots.
fn parts(file: &Path) -> [PathBuf; 5] {
    let with = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    // The file itself last: while it is in its old place, all of it counts as being there.
    let folder = |name: &str| file.with_extension(name);
    [with("-wal"), with("-shm"), folder("snapshots"), folder("segments"), file.to_owned()]
}

/// Renames a ledger's files.
fn files(from: &Path, to: &Path) -> Result<(), Error> {
    for (from, to) in parts(from).into_iter().zip(parts(to)) {
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unavailable(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    for folder in [beside(from, ""), beside(to, "")] {
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(unavailable)?;
    }
    Ok(())
}

fn remove_database(file: &Path) -> Result<(), Error> {
    for part in parts(file) {
        let removed =
            if part.is_dir() { fs::remove_dir_all(&part) } else { fs::remove_file(&part) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unavailable(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn unavailable(error: io::Error) -> Error {
    Error::Unavailable(Box::new(error))
}
