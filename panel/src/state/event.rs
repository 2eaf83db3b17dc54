//! One row of a ledger, read as far as the pages need it.
//!
//! A payload is the service's event as canonical proto3 JSON: one object named by the event, in
//! lower camel case. Fields that are not there read as empty, so that an older panel survives a newer
//! world.

use serde_json::Value;
use vivarium_types::Timestamp;

/// A row and what it says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Event {
    /// The service whose ledger it is.
    pub(crate) ledger: String,
    /// The ledger's id. Empty: not known.
    pub(crate) ledger_id: String,
    /// Its place.
    pub(crate) sequence: u64,
    /// When it was decided.
    pub(crate) time: Timestamp,
    /// Who caused it.
    pub(crate) actor: String,
    /// Its name.
    pub(crate) kind: String,
    /// The exact stored text.
    pub(crate) payload: String,
    /// The event's own fields.
    body: Value,
}

impl Event {
    /// Reads a row.
    pub(crate) fn read(
        place: (&str, &str, u64),
        time: Timestamp,
        actor: String,
        kind: String,
        payload: &[u8],
    ) -> Self {
        let body = match serde_json::from_slice(payload) {
            Ok(Value::Object(object)) => {
                object.into_iter().next().map_or(Value::Null, |(_, inner)| inner)
            }
            _ => Value::Null,
        };
        let (ledger, ledger_id, sequence) = place;
        Self {
            ledger: ledger.to_owned(),
            ledger_id: ledger_id.to_owned(),
            sequence,
            time,
            actor,
            kind,
            payload: String::from_utf8_lossy(payload).into_owned(),
            body,
        }
    }

    /// A text field. Empty: not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number, written as a number or (64 bits) as a text. 0: not there.
    pub(crate) fn number(&self, name: &str) -> i64 {
        number(self.body.get(name))
    }

    /// A flag. False: not there.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.body.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A part with fields of its own.
    pub(crate) fn part(&self, name: &str) -> Part<'_> {
        Part(self.body.get(name))
    }

    /// The elements of a list.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = Part<'_>> {
        let elements = self.body.get(name).and_then(Value::as_array);
        elements.into_iter().flatten().map(|element| Part(Some(element)))
    }

    /// The task it is about. Empty: none.
    pub(crate) fn task(&self) -> &str {
        match self.text("taskId") {
            "" => match self.part("owner").text("taskId") {
                // A proposal holds the task as an addition does.
                "" => self.part("task").text("taskId"),
                task => task,
            },
            task => task,
        }
    }

    /// The resident it is about, from its fields or as its actor. Empty: none.
    pub(crate) fn resident(&self) -> &str {
        match self.text("residentId") {
            "" => self.actor.strip_prefix("resident:").unwrap_or_default(),
            resident => resident,
        }
    }

    /// A key that no other row of the world has.
    pub(crate) fn key(&self) -> String {
        format!("{}{}/{}", self.ledger, self.ledger_id, self.sequence)
    }
}

/// A part of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a>(Option<&'a Value>);

impl<'a> Part<'a> {
    /// A text field. Empty: not there.
    pub(crate) fn text(self, name: &str) -> &'a str {
        self.0.and_then(|value| value.get(name)).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number. 0: not there.
    pub(crate) fn number(self, name: &str) -> i64 {
        number(self.0.and_then(|value| value.get(name)))
    }

    /// The elements of a list of this part.
    pub(crate) fn list(self, name: &str) -> impl Iterator<Item = Self> {
        let elements = self.0.and_then(|value| value.get(name)).and_then(Value::as_array);
        elements.into_iter().flatten().map(|element| Self(Some(element)))
    }
}

fn number(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::String(digits)) => digits.parse().unwrap_or_default(),
        Some(value) => value.as_i64().unwrap_or_default(),
        None => 0,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An event of the queue for tests of what is told of events.
    pub(crate) fn event(ledger: &str, sequence: u64, kind: &str, body: &str) -> Event {
        let payload = format!("{{\"{kind}\":{body}}}");
        let time = Timestamp::from_millis(i64::try_from(sequence).unwrap() * 1_000);
        let place = (ledger, "led_1", sequence);
        Event::read(place, time, "service:queue".into(), kind.into(), payload.as_bytes())
    }

    #[test]
    fn fields_are_read_from_canonical_json() {
        let event = event(
            "executor",
            7,
            "model_called",
            r#"{"owner":{"taskId":"tsk_1"},"costMicroUsd":"420","usage":{"outputTokens":"12"},"tries":2}"#,
        );
        assert_eq!(event.task(), "tsk_1");
        assert_eq!((event.number("costMicroUsd"), event.number("tries")), (420, 2));
        assert_eq!(event.part("usage").number("outputTokens"), 12);
        assert_eq!(event.text("absent"), "");
    }

    #[test]
    fn a_payload_that_is_no_event_reads_as_empty() {
        for payload in [&b"not json"[..], b"[]", b"{}", b"\xff"] {
            let place = ("queue", "", 1);
            let read = Event::read(place, Timestamp::EPOCH, String::new(), "x".into(), payload);
            assert_eq!((read.task(), read.number("n")), ("", 0));
        }
    }
}
