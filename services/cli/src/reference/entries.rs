//! Entries of the reference's files, each with its line: one JSON object a line, or a list in a file.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use vivarium_types::Timestamp;

use super::files::Text;
use super::report::{Place, Report};

/// One object with the place where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Where it stands.
    pub(crate) place: Place,
    fields: Map<String, Value>,
}

impl Entry {
    /// An object at a place.
    pub(crate) const fn new(place: Place, fields: Map<String, Value>) -> Self {
        Self { place, fields }
    }

    /// A field of any kind.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// The first of these fields that holds a text other than blanks; numbers count as texts.
    pub(crate) fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| text(self.field(name)?))
    }

    /// A list of texts, or one text alone.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        match self.field(name) {
            Some(Value::Array(values)) => values.iter().filter_map(text).collect(),
            Some(value) => text(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Equal for what says the same: the key of a line that has no id.
    pub(crate) fn digest(&self) -> String {
        use sha2::{Digest as _, Sha256};
        // Without a clash of names the fields of an object have one order.
        let told = serde_json::to_string(&self.fields).unwrap_or_default();
        hex::encode(&Sha256::digest(told)[..16])
    }

    /// An object within.
    pub(crate) fn within(&self, name: &str) -> Self {
        let fields = self.field(name).and_then(Value::as_object).cloned().unwrap_or_default();
        Self { place: self.place.clone(), fields }
    }

    /// A whole number; what stands behind the point is cut off.
    pub(crate) fn whole(&self, name: &str) -> Option<i64> {
        let told = text(self.field(name)?)?;
        let whole = told.split('.').next().unwrap_or_default();
        whole.parse().ok()
    }

    /// Dollars as micro-dollars; what is smaller is cut off.
    pub(crate) fn micro_usd(&self, name: &str) -> Option<i64> {
        let told = text(self.field(name)?)?;
        let (whole, part) = told.split_once('.').unwrap_or((&told, ""));
        let digits: String = part.chars().chain("000000".chars()).take(6).collect();
        let whole: i64 = whole.parse().ok()?;
        let sign = if told.starts_with('-') { -1 } else { 1 };
        let part: i64 = digits.parse().ok()?;
        whole.checked_mul(1_000_000)?.checked_add(sign * part)
    }

    /// A moment; one without an offset is taken as `offset` says.
    pub(crate) fn moment(&self, names: &[&str], offset: &str) -> Option<Timestamp> {
        let told = self.text(names)?.replacen(' ', "T", 1);
        let moment = told.parse().or_else(|_| format!("{told}{offset}").parse());
        moment.ok().filter(|moment: &Timestamp| *moment >= Timestamp::EPOCH)
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The objects of a file with one a line. What is none is left.
pub(crate) fn lines(file: &Text, report: &mut Report) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (at, line) in file.content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = Place::of(&file.name, at + 1);
        match serde_json::from_str(line) {
            Ok(Value::Object(fields)) => entries.push(Entry::new(place, fields)),
            Ok(_) => report.left(&place, "it is no JSON object"),
            Err(error) => report.left(&place, format!("it is no JSON: {}", plain(&error))),
        }
    }
    entries
}

/// The objects of the list `name` in a file, or of the list that the file is. `None` when the file as
/// a whole cannot be read.
pub(crate) fn list(file: &Text, name: &str, report: &mut Report) -> Option<Vec<Entry>> {
    let raw = whole(file, report)?;
    let found = match serde_json::from_str::<BTreeMap<String, &RawValue>>(&file.content) {
        Ok(fields) => match fields.get(name) {
            Some(list) => serde_json::from_str::<Vec<&RawValue>>(list.get()),
            None => Ok(Vec::new()),
        },
        Err(_) => serde_json::from_str::<Vec<&RawValue>>(raw.get()),
    };
    let Ok(found) = found else {
        report.left(&Place::of(&file.name, 0), format!("`{name}` is no list"));
        return None;
    };
    Some(objects(file, &found, report))
}

/// The values of the object that a file is, with their names.
pub(crate) fn table(file: &Text, report: &mut Report) -> Vec<(String, Entry)> {
    let Some(raw) = whole(file, report) else { return Vec::new() };
    let fields = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get());
    let Ok(fields) = fields else {
        report.left(&Place::of(&file.name, 0), "it is no JSON object");
        return Vec::new();
    };
    let (lines, mut entries) = (Lines::of(&file.content), Vec::new());
    for (name, raw) in fields {
        let place = Place::of(&file.name, lines.of_part(raw));
        match serde_json::from_str(raw.get()) {
            Ok(Value::Object(fields)) => entries.push((name, Entry::new(place, fields))),
            Ok(_) | Err(_) => report.left(&place, format!("`{name}` is no JSON object")),
        }
    }
    entries
}

/// The one object that a file is.
pub(crate) fn object(file: &Text, report: &mut Report) -> Option<Entry> {
    let raw = whole(file, report)?;
    if let Ok(Value::Object(fields)) = serde_json::from_str(raw.get()) {
        return Some(Entry::new(Place::of(&file.name, 1), fields));
    }
    report.left(&Place::of(&file.name, 0), "it is no JSON object");
    None
}

fn whole<'a>(file: &'a Text, report: &mut Report) -> Option<&'a RawValue> {
    match serde_json::from_str::<&RawValue>(&file.content) {
        Ok(raw) => Some(raw),
        Err(error) => {
            let place = Place::of(&file.name, error.line());
            report.left(&place, format!("the file is no JSON: {}", plain(&error)));
            None
        }
    }
}

fn objects(file: &Text, values: &[&RawValue], report: &mut Report) -> Vec<Entry> {
    let (lines, mut entries) = (Lines::of(&file.content), Vec::new());
    for raw in values {
        let place = Place::of(&file.name, lines.of_part(raw));
        match serde_json::from_str(raw.get()) {
            Ok(Value::Object(fields)) => entries.push(Entry::new(place, fields)),
            Ok(_) | Err(_) => report.left(&place, "it is no JSON object"),
        }
    }
    entries
}

/// Where the lines of a text end.
struct Lines<'a> {
    text: &'a str,
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, ends: ends.map(|(at, _)| at).collect() }
    }

    /// The line in which a part of the text begins. The part is borrowed from the text.
    fn of_part(&self, part: &RawValue) -> usize {
        let at = part.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        1 + self.ends.partition_point(|end| *end < at)
    }
}

/// A parser's message without its own counting of lines, which the place has.
fn plain(error: &serde_json::Error) -> String {
    let told = error.to_string();
    told.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text { name: "a.json".into(), stem: "a".into(), content: text.into() }
    }

    #[test]
    fn entries_of_a_list_know_their_lines() {
        let mut report = Report::default();
        let file =
            text("{\"version\": 1,\n \"tasks\": [\n  {\"id\": 1},\n\n  7,\n  {\"id\": \"b\"}]}");
        let entries = list(&file, "tasks", &mut report).expect("it is a list");
        let told: Vec<_> = entries.iter().map(|one| (one.place.line, one.text(&["id"]))).collect();
        assert_eq!(told, [(3, Some("1".into())), (6, Some("b".into()))]);
        assert_eq!(report.remains(), [("a.json", 5, "it is no JSON object")]);
    }

    #[test]
    fn a_broken_line_is_left_and_the_others_are_read() {
        let mut report = Report::default();
        let entries = lines(&text("{\"id\": 1}\n{broken\n\n{\"id\": 2}\n"), &mut report);
        assert_eq!(entries.len(), 2);
        assert_eq!(report.remains().first().map(|it| it.1), Some(2));
    }

    #[test]
    fn money_and_tokens_are_read_without_floats() {
        let mut report = Report::default();
        let file = text("{\"a\": 0.05, \"b\": \"1.2345678\", \"c\": -0.5, \"d\": 12.9, \"e\": 3}");
        let entry = object(&file, &mut report).expect("an object");
        let micro = ["a", "b", "c", "e"].map(|name| entry.micro_usd(name));
        assert_eq!(micro, [Some(50_000), Some(1_234_567), Some(-500_000), Some(3_000_000)]);
        assert_eq!(entry.whole("d"), Some(12));
    }

    #[test]
    fn a_moment_without_an_offset_is_read_as_the_operator_says() {
        let mut report = Report::default();
        let file = text("{\"at\": \"2025-03-01 10:00:00.5\", \"z\": \"2025-03-01T10:00:00Z\"}");
        let entry = object(&file, &mut report).expect("an object");
        let told = |name, offset| entry.moment(&[name], offset).map(|it| it.to_string());
        assert_eq!(told("at", "+02:00").as_deref(), Some("2025-03-01T08:00:00.5Z"));
        assert_eq!(told("z", "+02:00").as_deref(), Some("2025-03-01T10:00:00Z"));
    }
}
