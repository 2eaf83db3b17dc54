//! Reads a [`Status`] back into what a program can act on and a person can read.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use vivarium_types::Reason;

use super::{DOMAIN, Violation};

/// What a status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The class of it.
    pub code: Code,
    /// The reason, if it is one of ours.
    pub reason: Option<Reason>,
    /// One sentence for a person: from the catalogue if the reason is ours.
    pub sentence: String,
    /// What a person can do next; empty if nobody knows.
    pub hint: &'static str,
    /// The values behind the sentence.
    pub metadata: BTreeMap<String, String>,
    /// The fields that are out of bounds.
    pub fields: Vec<Violation>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// Finds the request in the logs.
    pub request_id: String,
}

impl Problem {
    /// Whether it is this reason.
    pub fn is(&self, reason: Reason) -> bool {
        self.reason == Some(reason)
    }

    /// The word on the wire, or the name of the code when it is none of ours.
    pub fn word(&self) -> &'static str {
        self.reason.map_or_else(|| code_name(self.code), Reason::name)
    }
}

impl From<&Status> for Problem {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let named = info.and_then(|info| info.reason.parse::<Reason>().ok());
        let metadata: BTreeMap<_, _> =
            info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default();
        let reason = named.or_else(|| reason_of(status.code()));
        let sentence = match named {
            Some(reason) => reason.tell(|key| metadata.get(key).cloned()),
            None if status.message().is_empty() => code_name(status.code()).to_owned(),
            None => status.message().to_owned(),
        };
        let fields = details.bad_request().map(|bad| bad.field_violations.as_slice());
        Self {
            code: status.code(),
            reason,
            sentence,
            hint: reason.map_or("", Reason::hint),
            metadata,
            fields: fields
                .unwrap_or_default()
                .iter()
                .map(|bad| Violation {
                    field: bad.field.clone(),
                    description: bad.description.clone(),
                })
                .collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            request_id: details.request_info().map_or_else(String::new, |i| i.request_id.clone()),
        }
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        Self::from(&status)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Problem {}

/// What a status without our details most likely means.
const fn reason_of(code: Code) -> Option<Reason> {
    match code {
        Code::Unavailable => Some(Reason::ServiceUnavailable),
        Code::DeadlineExceeded => Some(Reason::RpcDeadlinePassed),
        Code::Cancelled => Some(Reason::RpcCancelled),
        Code::Internal | Code::Unknown => Some(Reason::RpcInternalFault),
        Code::Unimplemented => Some(Reason::RpcUnknownMethod),
        Code::DataLoss => Some(Reason::StoreCorrupt),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => None,
    }
}

/// The name of a code as the gRPC specification writes it.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
