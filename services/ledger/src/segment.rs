//! Closed segments: runs of whole rows that have left a ledger's hot file.
//!
//! A segment is two files. `1-20000.jsonl.zst` holds each row exactly as it was stored, one JSON
//! object a line; it never changes, and a `SegmentClosed` event names its SHA-256. `1-20000.texts.zst`
//! holds the unsealed texts that those rows name and that nothing alive uses; the rows vouch for
//! each of them by its hash, and erasing a text writes this file anew. Sealed texts never come
//! here. Both are read by anybody with `zstd -dc`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vivarium_types::Timestamp;
use vivarium_types::source::{Hash, Row};

use crate::aggregate::SegmentNote;
use crate::chain;
use crate::store::{Error, Reader, Segments, TextRow};

/// The kind of the event that names a segment.
pub const KIND: &str = "segment_closed";

/// These files are written once and kept for long: a level that gives most of what zstd can give.
const ZSTD_LEVEL: i32 = 9;
/// Most bytes a file may unpack to: a bound against a damaged header.
const UNPACKED_MAX: usize = 1 << 30;

/// A closed segment, as its ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// What its event tells.
    pub note: SegmentNote,
    /// The least and the greatest id among the texts beside it; `None` when there are none.
    pub texts: Option<(String, String)>,
}

impl Segment {
    /// Its first row.
    pub const fn first(&self) -> u64 {
        self.note.first
    }

    /// Its last row.
    pub const fn last(&self) -> u64 {
        self.note.last
    }

    /// The name of the file with its texts.
    pub fn texts_file(&self) -> String {
        texts_file(self.first(), self.last())
    }

    fn may_hold(&self, id: &str) -> bool {
        self.texts.as_ref().is_some_and(|(least, most)| (&**least..=&**most).contains(&id))
    }
}

/// The name of the file with the rows of a segment.
pub fn rows_file(first: u64, last: u64) -> String {
    format!("{first}-{last}.jsonl.zst")
}

/// The name of the file with the texts of a segment.
pub fn texts_file(first: u64, last: u64) -> String {
    format!("{first}-{last}.texts.zst")
}

/// The first and the last row of the segment that a file with texts belongs to.
pub(crate) fn rows_of_texts_file(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_suffix(".texts.zst")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// One row, as a line: its payload as it is where it is UTF-8, otherwise in base 64.
#[derive(Serialize, Deserialize)]
struct RowLine<'a> {
    sequence: u64,
    time_us: i64,
    #[serde(borrow)]
    actor: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    hash: String,
}

/// One text, as a line, likewise.
#[derive(Serialize, Deserialize)]
struct TextLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_base64: Option<String>,
}

/// Bytes as text, or in base 64.
fn exact(bytes: &[u8]) -> (Option<Cow<'_, str>>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

fn bytes_of((text, base64): (Option<Cow<'_, str>>, Option<String>)) -> Option<Vec<u8>> {
    match text {
        Some(text) => Some(text.into_owned().into_bytes()),
        None => STANDARD.decode(base64?).ok(),
    }
}

/// The file that holds `rows`.
pub fn pack_rows(rows: &[Row]) -> Result<Vec<u8>, Error> {
    pack(rows.iter().map(|row| {
        let (payload, payload_base64) = exact(&row.payload);
        RowLine {
            sequence: row.sequence,
            time_us: row.time.as_micros(),
            actor: (&*row.actor).into(),
            kind: (&*row.kind).into(),
            schema: row.schema,
            payload,
            payload_base64,
            hash: row.hash.to_string(),
        }
    }))
}

/// The rows in a file; `None` when it holds something else.
pub fn unpack_rows(file: &[u8]) -> Option<Vec<Row>> {
    let lines = unpack(file)?;
    let rows = lines.lines().map(|line| {
        let line: RowLine<'_> = serde_json::from_str(line).ok()?;
        Some(Row {
            sequence: line.sequence,
            time: Timestamp::from_micros(line.time_us),
            actor: line.actor.into_owned(),
            kind: line.kind.into_owned(),
            schema: line.schema,
            payload: bytes_of((line.payload, line.payload_base64))?,
            hash: unhex(&line.hash)?,
        })
    });
    rows.collect()
}

/// Texts by their ids.
pub(crate) type Texts = BTreeMap<String, Vec<u8>>;

/// The file that holds `texts`.
pub(crate) fn pack_texts(texts: &Texts) -> Result<Vec<u8>, Error> {
    pack(texts.iter().map(|(id, bytes)| {
        let (text, text_base64) = exact(bytes);
        TextLine { id: (&**id).into(), text, text_base64 }
    }))
}

fn unpack_texts(file: &[u8]) -> Option<Texts> {
    let lines = unpack(file)?;
    let texts = lines.lines().map(|line| {
        let line: TextLine<'_> = serde_json::from_str(line).ok()?;
        Some((line.id.into_owned(), bytes_of((line.text, line.text_base64))?))
    });
    texts.collect()
}

fn pack(lines: impl Iterator<Item = impl Serialize>) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut plain, &line)
            .map_err(|error| Error::Unavailable(Box::new(error)))?;
        plain.push(b'\n');
    }
    zstd::bulk::compress(&plain, ZSTD_LEVEL).map_err(|error| Error::Unavailable(Box::new(error)))
}

fn unpack(file: &[u8]) -> Option<String> {
    let size = zstd::zstd_safe::get_frame_content_size(file).ok()??;
    let size = usize::try_from(size).ok().filter(|size| *size <= UNPACKED_MAX)?;
    String::from_utf8(zstd::bulk::decompress(file, size).ok()?).ok()
}

fn unhex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    let digits = text.as_bytes().as_chunks::<2>();
    if digits.0.len() != hash.0.len() || !digits.1.is_empty() {
        return None;
    }
    for (byte, pair) in hash.0.iter_mut().zip(digits.0) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// What one file holds, and its name.
type Opened<T> = Mutex<Option<(String, Arc<T>)>>;

/// The segments' files, and what was read of them last.
#[derive(Debug)]
pub struct Shelf {
    files: Box<dyn Segments>,
    /// Locked while a file is read, by anyone who reads behind the hot file.
    rows: Opened<Vec<Row>>,
    /// Locked while a file is read, and while one is written anew without an erased text.
    texts: Opened<Texts>,
}

impl Shelf {
    /// The files of one ledger.
    pub fn new(files: Box<dyn Segments>) -> Self {
        Self { files, rows: Mutex::default(), texts: Mutex::default() }
    }

    /// The files as they lie there.
    pub fn files(&self) -> &dyn Segments {
        &*self.files
    }

    /// Keeps the file with the rows of a segment.
    pub(crate) fn keep_rows(&self, segment: &Segment, file: &[u8]) -> Result<(), Error> {
        let mut opened = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        *opened = None;
        self.files.put(&segment.note.file, file)
    }

    /// Keeps the file with the texts of a segment.
    pub(crate) fn keep_texts(&self, segment: &Segment, file: &[u8]) -> Result<(), Error> {
        let mut opened = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        *opened = None;
        self.files.put(&segment.texts_file(), file)
    }

    /// The rows of a segment, from the file that its event names and no other.
    pub fn rows(&self, segment: &Segment) -> Result<Arc<Vec<Row>>, Error> {
        let mut opened = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let name = &segment.note.file;
        if let Some((_, rows)) = opened.as_ref().filter(|(open, _)| open == name) {
            return Ok(Arc::clone(rows));
        }
        let bytes = self.files.get(name)?.ok_or_else(|| Error::away(name, segment))?;
        let rows = Arc::new(checked(segment, &bytes)?);
        *opened = Some((name.clone(), Arc::clone(&rows)));
        Ok(rows)
    }

    /// The texts beside a segment.
    pub(crate) fn texts(&self, segment: &Segment) -> Result<Arc<Texts>, Error> {
        let mut opened = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let name = segment.texts_file();
        if let Some((_, texts)) = opened.as_ref().filter(|(open, _)| *open == name) {
            return Ok(Arc::clone(texts));
        }
        let bytes = self.files.get(&name)?.ok_or_else(|| Error::away(&name, segment))?;
        let texts = unpack_texts(&bytes).ok_or_else(|| damaged(&name))?;
        let texts = Arc::new(texts);
        *opened = Some((name, Arc::clone(&texts)));
        Ok(texts)
    }

    /// Writes every file anew that holds one of these texts, and tells which of them are gone for good.
    ///
    /// Nothing can be erased of a file that is away or does not unpack. What it may hold counts as not
    /// gone, so that it is tried again at each start: somebody may put the file back.
    pub(crate) fn erase<'a>(
        &self,
        segments: &[Segment],
        ids: &'a [String],
    ) -> Result<Vec<&'a str>, Error> {
        let mut gone: Vec<&str> = ids.iter().map(String::as_str).collect();
        for segment in segments {
            let held: Vec<_> = ids.iter().filter(|id| segment.may_hold(id)).collect();
            if held.is_empty() {
                continue;
            }
            let mut opened = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
            *opened = None;
            let name = segment.texts_file();
            let bytes = self.files.get(&name)?;
            let Some(mut texts) = bytes.as_deref().and_then(unpack_texts) else {
                tracing::error!(
                    name,
                    there = bytes.is_some(),
                    "texts that were erased may lie in it"
                );
                gone.retain(|id| !segment.may_hold(id));
                continue;
            };
            let before = texts.len();
            texts.retain(|id, _| !held.contains(&id));
            if texts.len() < before {
                self.files.put(&name, &pack_texts(&texts)?)?;
            }
        }
        Ok(gone)
    }
}

fn damaged(name: &str) -> Error {
    Error::corrupt(format!("the file {name} was changed"))
}

/// The rows of a segment's file, if it is the one that was closed.
fn checked(segment: &Segment, bytes: &[u8]) -> Result<Vec<Row>, Error> {
    let note = &segment.note;
    let rows = (chain::digest(bytes) == note.file_hash).then(|| unpack_rows(bytes)).flatten();
    let rows = rows.ok_or_else(|| damaged(&note.file))?;
    let ends = rows.first().zip(rows.last()).map(|(first, last)| {
        (first.sequence, first.hash, last.sequence, last.hash, rows.len() as u64)
    });
    if ends == Some((note.first, note.first_hash, note.last, note.last_hash, note.rows())) {
        Ok(rows)
    } else {
        Err(damaged(&note.file))
    }
}

/// Rows behind `after`: from segments, where the hot file begins later.
pub(crate) fn rows<R: Reader + ?Sized>(
    reader: &R,
    mut after: u64,
    limit: usize,
) -> Result<Vec<Row>, Error> {
    let mut found = Vec::new();
    loop {
        let hot = reader.hot_rows(after, limit - found.len())?;
        let next = after.saturating_add(1);
        if hot.first().is_none_or(|row| row.sequence <= next) {
            found.extend(hot);
            return Ok(found);
        }
        let segments = reader.segments()?;
        let Some(segment) = segments.iter().find(|s| (s.first()..=s.last()).contains(&next)) else {
            // A gap that no segment fills: whoever checks the chain names it.
            found.extend(hot);
            return Ok(found);
        };
        let rows = match reader.shelf().rows(segment) {
            Ok(rows) => rows,
            Err(_) if !found.is_empty() => return Ok(found),
            Err(error) => return Err(error),
        };
        let skip = usize::try_from(next - segment.first()).unwrap_or(usize::MAX);
        found.extend(rows.iter().skip(skip).take(limit - found.len()).cloned());
        if found.len() >= limit {
            return Ok(found);
        }
        after = segment.last();
    }
}

/// A text: of the hot file, or of the segment that took it along.
pub(crate) fn text<R: Reader + ?Sized>(reader: &R, id: &str) -> Result<Option<TextRow>, Error> {
    if let Some(text) = reader.hot_text(id)? {
        return Ok(Some(text));
    }
    let mut segments = reader.segments()?;
    segments.retain(|segment| segment.may_hold(id));
    if segments.is_empty() || reader.is_erasing(id)? {
        return Ok(None);
    }
    // Ids grow with time, so it is among the newest of these where there are several.
    for segment in segments.iter().rev() {
        if let Some(bytes) = reader.shelf().texts(segment)?.get(id) {
            return Ok(Some(TextRow { id: id.to_owned(), bytes: bytes.clone(), sealed: false }));
        }
    }
    Ok(None)
}

/// Every text that an event names, with its hash.
pub(crate) fn named_texts(payload: &[u8]) -> Vec<(String, Hash)> {
    let mut named = Vec::new();
    if let Ok(event) = serde_json::from_slice::<Value>(payload) {
        collect(&event, &mut named);
    }
    named
}

/// Every object in an event that has the shape of a text reference.
fn collect(value: &Value, named: &mut Vec<(String, Hash)>) {
    match value {
        Value::Object(fields) => {
            let id = fields.get("id").and_then(Value::as_str);
            let hash = fields.get("hash").and_then(Value::as_str).and_then(decode_hash);
            if let (Some(id), Some(hash)) = (id.filter(|id| id.starts_with("txt_")), hash) {
                named.push((id.to_owned(), hash));
            }
            fields.values().for_each(|field| collect(field, named));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What an event says about a segment.
pub(crate) fn named_segment(payload: &[u8]) -> Option<SegmentNote> {
    fn find(value: &Value) -> Option<SegmentNote> {
        let fields = value.as_object()?;
        note(fields).or_else(|| fields.values().find_map(find))
    }
    find(&serde_json::from_slice(payload).ok()?)
}

fn note(fields: &serde_json::Map<String, Value>) -> Option<SegmentNote> {
    let word = |name: &str| fields.get(name).and_then(Value::as_str);
    let number = |name: &str| word(name)?.parse().ok();
    let hash = |name: &str| word(name).and_then(decode_hash);
    let found = SegmentNote {
        first: number("firstSequence")?,
        last: number("lastSequence")?,
        first_hash: hash("firstHash")?,
        last_hash: hash("lastHash")?,
        file: word("fileName")?.to_owned(),
        file_hash: hash("fileHash")?,
        bytes: number("bytes")?,
    };
    (found.last >= found.first).then_some(found)
}

/// The hash behind the base 64 of proto3 JSON.
fn decode_hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok().and_then(|bytes| Hash::try_from(bytes.as_slice()).ok())
}

/// The texts that a state uses, read off its serialised form: an id stands there as it is.
pub(crate) fn used_texts(state: &[u8]) -> BTreeSet<&[u8]> {
    /// `txt_` and 26 characters.
    const LENGTH: usize = 30;
    let mut used = BTreeSet::new();
    for (at, first) in state.iter().enumerate() {
        if *first != b't' {
            continue;
        }
        if let Some(id) = state.get(at..at + LENGTH)
            && id.starts_with(b"txt_")
        {
            used.insert(id);
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sequence: u64, payload: &[u8]) -> Row {
        Row {
            sequence,
            time: Timestamp::from_micros(7),
            actor: "rule:\u{0}\"ä".into(),
            kind: "odd\nkind".into(),
            schema: u32::MAX,
            payload: payload.to_vec(),
            hash: chain::digest(payload),
        }
    }

    #[test]
    fn rows_come_back_as_they_were_stored_to_the_last_byte() {
        let payloads: [&[u8]; 5] = [
            b"{}",
            b"{ \"a\" : 1 }\n",
            "\u{0}\u{7f}ü🦀".as_bytes(),
            b"",
            &[0xff, 0xfe, b'"', b'\\'],
        ];
        let rows: Vec<Row> = (1..).zip(payloads).map(|(at, bytes)| row(at, bytes)).collect();
        let file = pack_rows(&rows).unwrap();
        assert_eq!(unpack_rows(&file), Some(rows));
    }

    #[test]
    fn texts_come_back_as_they_were_stored() {
        let texts = BTreeMap::from([
            ("txt_a".to_owned(), b"plain\n".to_vec()),
            ("txt_b".to_owned(), vec![0xff, 0]),
            ("txt_c".to_owned(), Vec::new()),
        ]);
        assert_eq!(unpack_texts(&pack_texts(&texts).unwrap()), Some(texts));
    }

    #[test]
    fn what_is_no_segment_file_is_none() {
        let file = pack_rows(&[row(1, b"{}")]).unwrap();
        for bytes in [&b""[..], b"not zstd", &file[..file.len() - 3]] {
            assert_eq!(unpack_rows(bytes), None);
        }
        assert_eq!(unhex("zz"), None);
        assert_eq!(unhex(&"0".repeat(63)), None);
    }

    #[test]
    fn the_texts_of_a_state_are_found_wherever_they_stand_in_it() {
        let (one, two) = ("txt_01jd00000000000000000000aa", "txt_01jd00000000000000000000bb");
        let state = format!("\u{1e}{one}t{two}txt_short");
        let used = used_texts(state.as_bytes());
        assert_eq!(used.into_iter().collect::<Vec<_>>(), [one.as_bytes(), two.as_bytes()]);
        assert!(used_texts(b"txt_01jd").is_empty());
    }
}
