//! What the ledgers of a world take on the disk, and where their hot files begin.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vivarium_chassis::Service;
use vivarium_ledger::store;
use vivarium_types::Place;

use crate::failure::Failure;
use crate::render;

/// One ledger's share.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Share {
    ledger: &'static str,
    /// The last row.
    rows: u64,
    /// The first row in the hot file; what is before it lies in segments.
    hot_from: u64,
    /// Bytes of the hot file and its write-ahead log; absent where a database keeps it.
    hot_bytes: Option<u64>,
    /// Bytes of the segments' files, likewise.
    segment_bytes: Option<u64>,
    /// Bytes of the read models.
    view_bytes: u64,
}

/// What each ledger takes. One that cannot be looked at now is left out.
pub(crate) fn used(places: &[(Service, Place)]) -> Vec<Share> {
    places.iter().filter_map(|(service, place)| share(*service, place)).collect()
}

fn share(service: Service, place: &Place) -> Option<Share> {
    let reader = store::reader(place).ok()??;
    let (rows, hot_from) = (reader.head().ok()?.sequence, reader.hot_from().ok()?);
    let in_file = place.server.is_none();
    let views = if in_file { place.file.with_extension("views.db") } else { place.views.clone() };
    Some(Share {
        ledger: service.name(),
        rows,
        hot_from,
        hot_bytes: in_file.then(|| database(&place.file)),
        segment_bytes: in_file.then(|| folder(&place.file.with_extension("segments"))),
        view_bytes: database(&views),
    })
}

/// A table of them.
pub(crate) fn show(shares: &[Share]) -> Result<(), Failure> {
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "in the database".to_owned(), told);
    let rows: Vec<Vec<String>> = shares
        .iter()
        .map(|share| {
            vec![
                share.ledger.to_owned(),
                share.rows.to_string(),
                share.hot_from.to_string(),
                size(share.hot_bytes),
                size(share.segment_bytes),
                told(share.view_bytes),
            ]
        })
        .collect();
    render::table(&["LEDGER", "ROWS", "HOT FROM ROW", "HOT FILE", "SEGMENTS", "READ MODELS"], &rows)
}

/// A size for people.
fn told(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} B"),
    }
}

/// A SQLite file and its write-ahead log.
fn database(file: &Path) -> u64 {
    let mut log = OsString::from(file);
    log.push("-wal");
    length(file) + length(&PathBuf::from(log))
}

fn folder(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| length(&entry.path())).sum()
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_largest_whole_unit() {
        let sizes = [0, 1_023, 1_024, 1_536, 5 << 20, (3 << 30) + (1 << 29)];
        let words = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.5 GiB"];
        assert_eq!(sizes.map(told), words);
    }
}
