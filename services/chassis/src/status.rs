//! The one maker of [`tonic::Status`]: a [`Refusal`] with a [`Reason`] becomes a status with the
//! details that its class calls for, and [`Problem`] reads any status back.
//!
//! The text of an error never reaches a caller. The sentence comes from the catalogue in
//! `vivarium_types::reason`; the chain of sources is logged here, once.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, PreconditionViolation, QuotaViolation, StatusExt as _};
use vivarium_types::{Class, Reason, place};

use crate::telemetry::trace;

mod bare;
mod problem;
mod violations;

pub(crate) use bare::dress;
pub use problem::{Problem, code_name};
pub use violations::{Violation, Violations};

/// The domain of every `ErrorInfo` we send.
pub const DOMAIN: &str = "vivarium.internal";
/// How long a caller waits before it repeats, when the refusal does not say.
const RETRY_DEFAULT: Duration = Duration::from_millis(250);

/// What a refusal carries as its cause.
pub type Source = Box<dyn StdError + Send + Sync>;

/// Why a request is refused, with everything a caller may know about it.
///
/// Converts into a [`Status`] with `?`; that conversion also logs it.
#[derive(Debug)]
pub struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    reason: Reason,
    metadata: BTreeMap<String, String>,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
    resource: Option<(String, String)>,
    source: Option<Source>,
}

impl Refusal {
    /// A refusal for this reason.
    pub fn new(reason: Reason) -> Self {
        Self(Box::new(Parts {
            reason,
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            retry_after: None,
            resource: None,
            source: None,
        }))
    }

    /// Our own fault: a bug, or something that cannot happen. The source is logged, never shown.
    pub fn fault(source: impl Into<Source>) -> Self {
        Self::new(Reason::RpcInternalFault).because(source)
    }

    /// Fills `{key}` of the reason's sentence, and is sent as metadata.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.0.metadata.insert(key.into(), value.to_string());
        self
    }

    /// Names a field of the request that is out of bounds, by its dotted path.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>, description: impl Into<String>) -> Self {
        self.0.violations.push(Violation { field: path.into(), description: description.into() });
        self
    }

    /// Names the thing that is absent or taken.
    #[must_use]
    pub fn resource(mut self, kind: impl Into<String>, name: impl fmt::Display) -> Self {
        self.0.resource = Some((kind.into(), name.to_string()));
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The metadata that fills the sentence.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.metadata
    }

    /// The fields that are out of bounds.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// Whether nothing about it may be shown: our fault, or data that fails its check.
    pub fn is_opaque(&self) -> bool {
        matches!(self.0.reason.class(), Class::Internal | Class::DataLoss)
    }

    /// The sentence a person reads; bare for a fault of ours.
    pub fn sentence(&self) -> String {
        if self.is_opaque() {
            return self.0.reason.sentence().to_owned();
        }
        self.0.reason.tell(|key| self.0.metadata.get(key).cloned())
    }

    fn log(&self) {
        let reason = self.0.reason.name();
        let source = self.0.source.as_deref().map(|source| chain(source)).unwrap_or_default();
        if self.is_opaque() {
            tracing::error!(reason, source, "fault");
        } else {
            tracing::info!(reason, source, sentence = self.sentence(), "refused");
        }
    }

    fn details(&self) -> ErrorDetails {
        let Parts { reason, metadata, violations, retry_after, resource, source: _ } = &*self.0;
        let shown: HashMap<String, String> =
            if self.is_opaque() { HashMap::new() } else { metadata.clone().into_iter().collect() };
        let mut details = ErrorDetails::with_error_info(reason.name(), DOMAIN, shown);
        details.set_request_info(trace::request_id(), "");
        match reason.class() {
            Class::Invalid => {
                for Violation { field, description } in violations {
                    details.add_bad_request_violation(field.clone(), description.clone());
                }
            }
            Class::NotFound | Class::Exists => {
                let (kind, name) = resource.clone().unwrap_or_default();
                details.set_resource_info(kind, name, "", self.sentence());
            }
            Class::Precondition => {
                let subject = resource.clone().map_or_else(String::new, |(_, name)| name);
                let violation = PreconditionViolation::new(reason.name(), subject, self.sentence());
                details.set_precondition_failure(vec![violation]);
            }
            Class::Exhausted => {
                let subject = resource.clone().map_or_else(String::new, |(_, name)| name);
                details.set_quota_failure(vec![QuotaViolation::new(subject, self.sentence())]);
            }
            Class::Unauthenticated
            | Class::Denied
            | Class::Aborted
            | Class::Unavailable
            | Class::Deadline
            | Class::Cancelled
            | Class::Internal
            | Class::DataLoss => {}
        }
        let waits = matches!(reason.class(), Class::Exhausted | Class::Unavailable);
        if let Some(delay) = retry_after.or_else(|| waits.then_some(RETRY_DEFAULT)) {
            details.set_retry_info(Some(delay));
        }
        details
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

impl StdError for Refusal {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<place::Error> for Refusal {
    fn from(error: place::Error) -> Self {
        let told = error.metadata().into_iter();
        let refusal =
            told.fold(Self::new(error.reason()), |refusal, (key, value)| refusal.with(key, value));
        refusal.because(error.clone())
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.log();
        let code = code_of(refusal.reason().class());
        Self::with_error_details(code, refusal.sentence(), refusal.details())
    }
}

/// The one gRPC code of a class.
pub const fn code_of(class: Class) -> Code {
    match class {
        Class::Invalid => Code::InvalidArgument,
        Class::Unauthenticated => Code::Unauthenticated,
        Class::Denied => Code::PermissionDenied,
        Class::NotFound => Code::NotFound,
        Class::Exists => Code::AlreadyExists,
        Class::Precondition => Code::FailedPrecondition,
        Class::Aborted => Code::Aborted,
        Class::Exhausted => Code::ResourceExhausted,
        Class::Unavailable => Code::Unavailable,
        Class::Deadline => Code::DeadlineExceeded,
        Class::Cancelled => Code::Cancelled,
        Class::Internal => Code::Internal,
        Class::DataLoss => Code::DataLoss,
    }
}

/// An error and all its sources in one line, for the log.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        line.push_str(": ");
        line.push_str(&source.to_string());
        next = source.source();
    }
    line
}

#[cfg(test)]
mod tests;
