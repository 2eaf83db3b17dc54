//! What one batch writes beside the owner row: each table's rows as columns, a statement a table.

use std::collections::BTreeMap;

use tokio_postgres::types::ToSql;
use vivarium_types::source::{Checkpoint, Cursor, Row};

use super::escape::escaped;
use super::read::signed;
use crate::segment::Segment;
use crate::store::{Answered, Batch, Error, RequestKey, TextRow};

/// Bytes of values in one statement: far below the gigabyte that a server takes in a message.
const STATEMENT_BYTES: usize = 32 << 20;

const EVENTS: &str = "
INSERT INTO events SELECT * FROM unnest(
  $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[])";
const TEXTS: &str = "
INSERT INTO texts SELECT * FROM unnest($1::text[], $2::boolean[], $3::bytea[])";
const ERASE: &str = "DELETE FROM texts WHERE id = ANY($1::text[])";
const PEND: &str =
    "INSERT INTO erasures SELECT * FROM unnest($1::text[]) ON CONFLICT (id) DO NOTHING";
const CLAIMS: &str = "INSERT INTO claims SELECT * FROM unnest($1::text[], $2::bigint[])";
const ANSWERS: &str = "
INSERT INTO answers SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[],
  $5::bytea[], $6::bigint[], $7::bigint[])";
const CURSORS: &str = "
INSERT INTO cursors SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[])
ON CONFLICT (follower) DO UPDATE SET
  ledger = excluded.ledger, sequence = excluded.sequence, hash = excluded.hash";
const CHECKPOINTS: &str = "
INSERT INTO checkpoints SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[],
  $5::bigint[], $6::text[], $7::bytea[])
ON CONFLICT (peer) DO UPDATE SET
  ledger = excluded.ledger, sequence = excluded.sequence, hash = excluded.hash,
  time_us = excluded.time_us, key_id = excluded.key_id, signature = excluded.signature";

const SEGMENTS: &str = "
INSERT INTO segments SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[],
  $5::text[], $6::bytea[], $7::bigint[], $8::text[], $9::text[])";
const ROWS_LEAVE: &str = "DELETE FROM events WHERE sequence <= ($1::bigint[])[1]";
const TEXTS_LEAVE: &str = "DELETE FROM texts WHERE id = ANY($1::text[])";

type Column<'a> = Box<dyn ToSql + Sync + 'a>;

/// A statement and the columns it takes in.
pub(super) struct Bulk<'a> {
    pub(super) sql: &'static str,
    columns: Vec<Column<'a>>,
}

impl Bulk<'_> {
    /// The statement's parameters.
    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.columns.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect()
    }
}

/// The statements of a batch, in an order in which each finds what it needs.
pub(super) fn of<'a>(batch: &Batch<'a>) -> Result<Vec<Bulk<'a>>, Error> {
    let mut bulks = Vec::new();
    for rows in chunks(batch.rows, |row| row.payload.len()) {
        bulks.push(events(rows)?);
    }
    for rows in chunks(batch.texts, |text| text.bytes.len()) {
        bulks.push(texts(rows)?);
    }
    for ids in chunks(batch.erasures, String::len) {
        for sql in [ERASE, PEND] {
            bulks.push(Bulk { sql, columns: vec![column(ids, |id| Ok(escaped(id)))?] });
        }
    }
    for rows in chunks(batch.claims, |(key, _)| key.len()) {
        bulks.push(claims(rows)?);
    }
    for rows in chunks(batch.answers, |(_, answer)| answer.bytes.len()) {
        bulks.push(answers(rows, batch.time.as_micros())?);
    }
    // One statement may not change one row twice: of two for the same name the later counts.
    let latest: BTreeMap<_, _> =
        batch.cursors.iter().map(|(name, cursor)| (name, cursor)).collect();
    bulks.extend(cursors(&latest)?);
    let latest: BTreeMap<_, _> =
        batch.checkpoints.iter().map(|(name, word)| (name, word)).collect();
    bulks.extend(checkpoints(&latest)?);
    if !batch.segments.is_empty() {
        bulks.push(segments(batch.segments)?);
    }
    if batch.leaving.rows_to > 0 {
        let columns = vec![column([batch.leaving.rows_to], signed)?];
        bulks.push(Bulk { sql: ROWS_LEAVE, columns });
    }
    for ids in chunks(batch.leaving.texts, String::len) {
        let columns = vec![column(ids, |id| Ok(escaped(id)))?];
        bulks.push(Bulk { sql: TEXTS_LEAVE, columns });
    }
    Ok(bulks)
}

fn events(rows: &[Row]) -> Result<Bulk<'_>, Error> {
    let columns = vec![
        column(rows, |row| signed(row.sequence))?,
        column(rows, |row| Ok(row.time.as_micros()))?,
        column(rows, |row| Ok(escaped(&row.actor)))?,
        column(rows, |row| Ok(escaped(&row.kind)))?,
        column(rows, |row| Ok(i64::from(row.schema)))?,
        column(rows, |row| Ok(row.payload.as_slice()))?,
        column(rows, |row| Ok(row.hash.0.as_slice()))?,
    ];
    Ok(Bulk { sql: EVENTS, columns })
}

fn texts(rows: &[TextRow]) -> Result<Bulk<'_>, Error> {
    let columns = vec![
        column(rows, |text| Ok(escaped(&text.id)))?,
        column(rows, |text| Ok(text.sealed))?,
        column(rows, |text| Ok(text.bytes.as_slice()))?,
    ];
    Ok(Bulk { sql: TEXTS, columns })
}

fn claims(rows: &[(String, u64)]) -> Result<Bulk<'_>, Error> {
    let columns = vec![
        column(rows, |(key, _)| Ok(escaped(key)))?,
        column(rows, |(_, sequence)| signed(*sequence))?,
    ];
    Ok(Bulk { sql: CLAIMS, columns })
}

fn answers(rows: &[(RequestKey, Answered)], time_us: i64) -> Result<Bulk<'_>, Error> {
    let columns = vec![
        column(rows, |(key, _)| Ok(escaped(&key.actor)))?,
        column(rows, |(key, _)| Ok(escaped(&key.method)))?,
        column(rows, |(key, _)| Ok(escaped(&key.request_id)))?,
        column(rows, |(_, answer)| Ok(answer.digest.0.as_slice()))?,
        column(rows, |(_, answer)| Ok(answer.bytes.as_slice()))?,
        column(rows, |(_, answer)| signed(answer.sequence))?,
        column(rows, |_| Ok(time_us))?,
    ];
    Ok(Bulk { sql: ANSWERS, columns })
}

/// None when no cursor stands anywhere yet.
fn cursors<'a>(latest: &BTreeMap<&'a String, &'a Cursor>) -> Result<Option<Bulk<'a>>, Error> {
    let standing = || {
        let rows = latest.iter().map(|(follower, cursor)| (*follower, *cursor));
        rows.filter_map(|(follower, cursor)| Some((follower, cursor, cursor.ledger?)))
    };
    let columns = vec![
        column(standing(), |(follower, ..)| Ok(escaped(follower)))?,
        column(standing(), |(.., ledger)| Ok(ledger.to_string()))?,
        column(standing(), |(_, cursor, _)| signed(cursor.sequence))?,
        column(standing(), |(_, cursor, _)| Ok(cursor.hash.0.as_slice()))?,
    ];
    Ok(standing().next().is_some().then_some(Bulk { sql: CURSORS, columns }))
}

/// None when no peer gave its word.
fn checkpoints<'a>(
    latest: &BTreeMap<&'a String, &'a Checkpoint>,
) -> Result<Option<Bulk<'a>>, Error> {
    let words = || latest.iter().map(|(peer, word)| (*peer, *word));
    let columns = vec![
        column(words(), |(peer, _)| Ok(escaped(peer)))?,
        column(words(), |(_, word)| Ok(word.ledger.to_string()))?,
        column(words(), |(_, word)| signed(word.sequence))?,
        column(words(), |(_, word)| Ok(word.hash.0.as_slice()))?,
        column(words(), |(_, word)| Ok(word.time.as_micros()))?,
        column(words(), |(_, word)| Ok(escaped(&word.key_id)))?,
        column(words(), |(_, word)| Ok(word.signature.as_slice()))?,
    ];
    Ok((!latest.is_empty()).then_some(Bulk { sql: CHECKPOINTS, columns }))
}

fn segments(segments: &[Segment]) -> Result<Bulk<'_>, Error> {
    let (least, most) = (
        |segment: &Segment| segment.texts.as_ref().map(|(least, _)| escaped(least).into_owned()),
        |segment: &Segment| segment.texts.as_ref().map(|(_, most)| escaped(most).into_owned()),
    );
    let columns = vec![
        column(segments, |segment| signed(segment.first()))?,
        column(segments, |segment| signed(segment.last()))?,
        column(segments, |segment| Ok(segment.note.first_hash.0.as_slice()))?,
        column(segments, |segment| Ok(segment.note.last_hash.0.as_slice()))?,
        column(segments, |segment| Ok(escaped(&segment.note.file)))?,
        column(segments, |segment| Ok(segment.note.file_hash.0.as_slice()))?,
        column(segments, |segment| signed(segment.note.bytes))?,
        column(segments, |segment| Ok(least(segment).unwrap_or_default()))?,
        column(segments, |segment| Ok(most(segment).unwrap_or_default()))?,
    ];
    Ok(Bulk { sql: SEGMENTS, columns })
}

fn column<'a, T, V: ToSql + Sync + 'a>(
    rows: impl IntoIterator<Item = T>,
    of: impl Fn(T) -> Result<V, Error>,
) -> Result<Column<'a>, Error> {
    Ok(Box::new(rows.into_iter().map(of).collect::<Result<Vec<V>, Error>>()?))
}

/// Parts of `rows` that fit into one statement each; a row that does not fits alone.
fn chunks<T>(rows: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut left = rows;
    std::iter::from_fn(move || {
        let mut total = 0_usize;
        let fitting = left.iter().take_while(|row| {
            total = total.saturating_add(bytes(row));
            total <= STATEMENT_BYTES
        });
        let count = fitting.count().max(1).min(left.len());
        let (chunk, rest) = left.split_at(count);
        left = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_where_a_statement_is_full_and_none_is_left_out() {
        let sizes = [1, STATEMENT_BYTES, STATEMENT_BYTES + 1, 3, STATEMENT_BYTES - 3, 1, 2];
        let cut: Vec<Vec<usize>> = chunks(&sizes, |size| *size).map(<[_]>::to_vec).collect();
        let wanted = [
            vec![1],
            vec![STATEMENT_BYTES],
            vec![STATEMENT_BYTES + 1],
            vec![3, STATEMENT_BYTES - 3],
            vec![1, 2],
        ];
        assert_eq!(cut, wanted);
        assert_eq!(chunks(&[], |size: &usize| *size).count(), 0);
    }
}
