//! What went wrong, in words for a person: from a gRPC status and its details.
//!
//! The details are `google.rpc` messages. Only the fields that are shown are declared here, so that
//! no second set of generated types comes along.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use vivarium_types::Reason;
use vivarium_types::reason::Class;

use crate::state::problem::{Field, Kind, Problem};

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(btree_map = "string, string", tag = "3")]
    metadata: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct RequestInfo {
    #[prost(string, tag = "1")]
    request_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "1")]
    field: String,
    #[prost(string, tag = "2")]
    description: String,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The problem that a status tells of.
pub(super) fn from_status(status: &tonic::Status) -> Problem {
    let mut problem = from_details(status.details());
    if problem.reason.is_empty() {
        problem = bare(status.code());
    }
    problem
}

/// The problem of a call that never got an answer.
pub(super) fn unreachable() -> Problem {
    known(Reason::ServiceUnavailable, &BTreeMap::from([("service".into(), "the gateway".into())]))
}

/// The problem of a JSON route, by the word that its problem document names.
pub(super) fn from_word(word: &str) -> Problem {
    match word.parse::<Reason>() {
        Ok(reason) => known(reason, &BTreeMap::new()),
        Err(_) => unreachable(),
    }
}

fn from_details(bytes: &[u8]) -> Problem {
    let mut found = Problem::default();
    let mut info = ErrorInfo::default();
    for detail in RpcStatus::decode(bytes).unwrap_or_default().details {
        let name = detail.type_url.rsplit('.').next().unwrap_or_default();
        let value = detail.value.as_slice();
        match name {
            "ErrorInfo" => info = ErrorInfo::decode(value).unwrap_or_default(),
            "RequestInfo" => {
                found.request_id = RequestInfo::decode(value).unwrap_or_default().request_id;
            }
            "BadRequest" => {
                let bad = BadRequest::decode(value).unwrap_or_default();
                let field = |v: FieldViolation| Field { path: v.field, text: v.description };
                found.fields = bad.violations.into_iter().map(field).collect();
            }
            "RetryInfo" => {
                found.retry_after =
                    RetryInfo::decode(value).unwrap_or_default().delay.as_ref().map(span);
            }
            _ => {}
        }
    }
    if info.reason.is_empty() {
        return Problem::default();
    }
    let told = match info.reason.parse::<Reason>() {
        Ok(reason) => known(reason, &info.metadata),
        Err(_) => Problem {
            reason: info.reason,
            sentence: "the world refused this for a reason that this panel does not know".into(),
            hint: "reload the page: the panel may be older than the world".into(),
            ..Problem::default()
        },
    };
    Problem {
        request_id: found.request_id,
        fields: found.fields,
        retry_after: found.retry_after,
        ..told
    }
}

fn known(reason: Reason, metadata: &BTreeMap<String, String>) -> Problem {
    Problem {
        kind: kind(reason),
        reason: reason.name().to_owned(),
        sentence: reason.tell(|key| metadata.get(key).cloned()),
        hint: reason.hint().to_owned(),
        ..Problem::default()
    }
}

fn kind(reason: Reason) -> Kind {
    match reason.class() {
        Class::Unauthenticated if reason == Reason::AuthTokenExpired => Kind::Passing,
        Class::Unauthenticated => Kind::SignedOut,
        Class::Unavailable | Class::Deadline | Class::Cancelled => Kind::Passing,
        Class::Internal | Class::DataLoss => Kind::Fault,
        Class::Invalid
        | Class::Denied
        | Class::NotFound
        | Class::Exists
        | Class::Precondition
        | Class::Aborted
        | Class::Exhausted => Kind::Refused,
    }
}

/// A status without our details: something between the services and this page.
fn bare(code: tonic::Code) -> Problem {
    let reason = match code {
        tonic::Code::Unauthenticated => Reason::AuthSessionMissing,
        tonic::Code::DeadlineExceeded => Reason::RpcDeadlinePassed,
        tonic::Code::Cancelled => Reason::RpcCancelled,
        tonic::Code::Internal | tonic::Code::DataLoss => Reason::RpcInternalFault,
        tonic::Code::Ok
        | tonic::Code::Unknown
        | tonic::Code::InvalidArgument
        | tonic::Code::NotFound
        | tonic::Code::AlreadyExists
        | tonic::Code::PermissionDenied
        | tonic::Code::ResourceExhausted
        | tonic::Code::FailedPrecondition
        | tonic::Code::Aborted
        | tonic::Code::OutOfRange
        | tonic::Code::Unimplemented
        | tonic::Code::Unavailable => return unreachable(),
    };
    known(reason, &BTreeMap::new())
}

fn span(span: &Span) -> Duration {
    let nanos = u32::try_from(span.nanos).unwrap_or(0);
    Duration::new(u64::try_from(span.seconds).unwrap_or(0), nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(name: &str, value: &impl Message) -> Detail {
        let type_url = format!("type.googleapis.com/google.rpc.{name}");
        Detail { type_url, value: value.encode_to_vec() }
    }

    #[test]
    fn a_refusal_names_its_fields_and_its_request() {
        let violation =
            FieldViolation { field: "tasks[0].title".into(), description: "is too short".into() };
        let status = RpcStatus {
            details: vec![
                detail(
                    "ErrorInfo",
                    &ErrorInfo { reason: "REQUEST_INVALID".into(), ..ErrorInfo::default() },
                ),
                detail("RequestInfo", &RequestInfo { request_id: "r1".into() }),
                detail("BadRequest", &BadRequest { violations: vec![violation] }),
            ],
        };
        let problem = from_details(&status.encode_to_vec());
        assert_eq!((problem.reason.as_str(), problem.kind), ("REQUEST_INVALID", Kind::Refused));
        assert_eq!(problem.request_id, "r1");
        assert_eq!(problem.field("title"), Some("is too short"));
    }

    #[test]
    fn a_sentence_is_filled_and_a_retry_is_read() {
        let metadata = BTreeMap::from([("task".to_owned(), "tsk_1".to_owned())]);
        let info = ErrorInfo { reason: "QUEUE_TASK_NOT_FOUND".into(), metadata };
        let retry = RetryInfo { delay: Some(Span { seconds: 3, nanos: 0 }) };
        let status =
            RpcStatus { details: vec![detail("ErrorInfo", &info), detail("RetryInfo", &retry)] };
        let problem = from_details(&status.encode_to_vec());
        assert_eq!(problem.sentence, "this world has no task tsk_1");
        assert_eq!(problem.retry_after, Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_never_arrived_passes_and_what_is_garbled_stays_readable() {
        assert_eq!(unreachable().kind, Kind::Passing);
        assert_eq!(from_details(b"\xff\xff"), Problem::default());
        assert!(!bare(tonic::Code::Unknown).sentence.is_empty());
        assert_eq!(bare(tonic::Code::Unauthenticated).kind, Kind::SignedOut);
    }
}
