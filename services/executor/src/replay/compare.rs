//! Decisions of the record beside those of a second run.

use serde_json::{Map, Value};

use crate::domain::event::{Event, Wire};

/// Fields that name a run and not what was decided: ids, times, and whether a fragment was cut before.
const NAMES: [&str; 7] =
    ["callId", "reservationId", "instanceId", "timing", "redactions", "tries", "cut"];
/// Characters shown of a value that differs.
const SHOWN_CHARS: usize = 200;

/// What came of a cycle that was run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was decided as before.
    Same,
    /// As before up to where something outside ended it.
    Cut,
    /// Something was decided otherwise.
    Different(Vec<Difference>),
    /// It was not run again, for this reason.
    LeftOut(String),
}

/// One decision that came out otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which decision, such as `action_performed 2` for the third of its kind.
    pub place: String,
    /// The field; empty for the whole decision.
    pub field: String,
    /// What the record has; empty when it has nothing.
    pub recorded: String,
    /// What was decided now; empty when nothing was.
    pub replayed: String,
}

/// Compares the decisions of a cycle.
pub(super) fn decisions(
    recorded: impl IntoIterator<Item = Event>,
    replayed: Vec<Event>,
    cut: bool,
    missed: Option<String>,
) -> Verdict {
    let mut recorded: Vec<_> = recorded.into_iter().map(decision).collect();
    let replayed: Vec<_> = replayed.into_iter().map(decision).collect();
    if cut || missed.is_some() {
        recorded.truncate(replayed.len());
    }
    let mut differences = Vec::new();
    for at in 0..recorded.len().max(replayed.len()) {
        differ(at, recorded.get(at), replayed.get(at), &mut differences);
    }
    if let Some(replayed) = missed {
        let (place, field) = (format!("decision {}", recorded.len()), String::new());
        differences.push(Difference { place, field, recorded: String::new(), replayed });
    }
    match (differences.is_empty(), cut) {
        (true, false) => Verdict::Same,
        (true, true) => Verdict::Cut,
        (false, _) => Verdict::Different(differences),
    }
}

/// A kind of decision and its fields.
type Decision = (String, Map<String, Value>);

fn decision(event: Event) -> Decision {
    let value = serde_json::to_value(Wire::from(event)).unwrap_or_default();
    let mut fields = match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    let kind = fields.keys().next().cloned().unwrap_or_default();
    let body = match fields.remove(&kind).map(nameless) {
        Some(Value::Object(body)) => body,
        Some(_) | None => Map::new(),
    };
    (kind, body)
}

/// Without what names a run.
fn nameless(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_text = fields.contains_key("hash") && fields.contains_key("id");
            // The hash of a sealed text is that of its sealing, which is another each time.
            let is_sealed = fields.get("sealed").is_some_and(|sealed| *sealed == true);
            let kept = fields.into_iter().filter(|(name, _)| {
                let of_a_run = is_text && (name == "id" || (is_sealed && name == "hash"));
                !NAMES.contains(&name.as_str()) && !of_a_run
            });
            Value::Object(kept.map(|(name, value)| (name, nameless(value))).collect())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(nameless).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn differ(
    at: usize,
    recorded: Option<&Decision>,
    replayed: Option<&Decision>,
    differences: &mut Vec<Difference>,
) {
    let kind =
        |decision: Option<&Decision>| decision.map(|(kind, _)| kind.clone()).unwrap_or_default();
    let (was, is) = (kind(recorded), kind(replayed));
    if was != is {
        let (place, field) = (format!("decision {at}"), String::new());
        differences.push(Difference { place, field, recorded: was, replayed: is });
        return;
    }
    let (Some((_, recorded)), Some((_, replayed))) = (recorded, replayed) else { return };
    let names: std::collections::BTreeSet<&String> =
        recorded.keys().chain(replayed.keys()).collect();
    for name in names {
        let (was_value, is_value) = (recorded.get(name), replayed.get(name));
        if was_value != is_value {
            differences.push(Difference {
                place: format!("decision {at}: {is}"),
                field: name.clone(),
                recorded: shown(was_value),
                replayed: shown(is_value),
            });
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map(ToString::to_string).unwrap_or_default();
    text.chars().take(SHOWN_CHARS).collect()
}
