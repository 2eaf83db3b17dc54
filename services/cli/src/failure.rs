//! What is printed when something does not work, and the exit codes.
//!
//! Codes: 0 done, 1 refused, 2 usage, 69 unavailable, 70 internal, 75 try later, 77 not permitted.

use std::error::Error as StdError;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;
use tonic::Status;
use vivarium_chassis::{Problem, Refusal};
use vivarium_types::Reason;
use vivarium_types::reason::Class;

/// Why a command did not work.
#[derive(Debug)]
pub(crate) struct Failure(Box<Facts>);

#[derive(Debug)]
struct Facts {
    code: u8,
    reason: String,
    sentence: String,
    hint: String,
    fields: Vec<(String, String)>,
    request_id: String,
}

impl Failure {
    /// A wrong use of the command line.
    pub(crate) fn usage(sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(2, "USAGE", sentence, hint)
    }

    /// Something that is not reachable.
    pub(crate) fn unavailable(sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(69, Reason::ServiceUnavailable.name(), sentence, hint)
    }

    /// Something that may be there when one asks again.
    pub(crate) fn later(sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(75, "NOT_YET", sentence, hint)
    }

    /// A refusal of this program's own.
    pub(crate) fn refused(sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(1, "REFUSED", sentence, hint)
    }

    /// Something that must not happen; the causes are shown, because there is no log to look into.
    pub(crate) fn internal(error: impl StdError) -> Self {
        Self::new(70, Reason::RpcInternalFault.name(), chain(&error), "")
    }

    fn new(code: u8, reason: &str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            code,
            reason: reason.to_owned(),
            sentence: sentence.into(),
            hint: hint.into(),
            fields: Vec::new(),
            request_id: String::new(),
        }))
    }

    /// Adds what else is known: a word and what it says.
    pub(crate) fn beside(mut self, word: &str, said: String) -> Self {
        self.0.fields.push((word.to_owned(), said));
        self
    }

    /// What happened, in one line.
    pub(crate) fn sentence(&self) -> &str {
        &self.0.sentence
    }

    /// Prints it, and gives its exit code.
    pub(crate) fn tell(&self, json: bool) -> ExitCode {
        let text = if json { self.0.as_json() } else { self.0.as_text() };
        let mut stderr = std::io::stderr().lock();
        // With nobody to read it, the exit code still tells.
        if stderr.write_all(text.as_bytes()).is_err() {
            return ExitCode::from(self.0.code);
        }
        ExitCode::from(self.0.code)
    }
}

impl Facts {
    fn as_json(&self) -> String {
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|(field, description)| json!({"field": field, "description": description}))
            .collect();
        let value = json!({"error": {
            "reason": self.reason, "sentence": self.sentence, "hint": self.hint,
            "fields": fields, "requestId": self.request_id,
        }});
        format!("{value}\n")
    }

    fn as_text(&self) -> String {
        let mut lines = vec![format!("error: {}", self.sentence)];
        let fields = self.fields.iter();
        lines.extend(fields.map(|(field, description)| format!("  {field}: {description}")));
        if self.reason.parse::<Reason>().is_ok() {
            lines.push(format!("  reason   {0}  (vivarium explain {0})", self.reason));
        }
        if !self.hint.is_empty() {
            lines.push(format!("  hint     {}", self.hint));
        }
        if !self.request_id.is_empty() {
            lines.push(format!("  request  {}", self.request_id));
        }
        lines.join("\n") + "\n"
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let problem = Problem::from(&status);
        let code = match problem.reason.map(Reason::class) {
            Some(Class::Unavailable | Class::Deadline) => 69,
            Some(Class::Internal | Class::DataLoss) | None => 70,
            Some(Class::Exhausted | Class::Aborted) => 75,
            Some(Class::Unauthenticated | Class::Denied) => 77,
            Some(
                Class::Invalid
                | Class::NotFound
                | Class::Exists
                | Class::Precondition
                | Class::Cancelled,
            ) => 1,
        };
        let fields = problem.fields.iter().map(|v| (v.field.clone(), v.description.clone()));
        Self(Box::new(Facts {
            code,
            reason: problem.word().to_owned(),
            sentence: problem.sentence.clone(),
            hint: problem.hint.to_owned(),
            fields: fields.collect(),
            request_id: problem.request_id,
        }))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Status::from(refusal).into()
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
