//! Gives the framework's own statuses our reasons, so that no answer leaves without `ErrorInfo`.

use tonic::{Code, Status};
use vivarium_types::{Reason, limits};

use super::Refusal;

/// Health and reflection speak as their own contracts say.
const STANDARD: &str = "/grpc.";

/// A status that already has details as it is; a bare one with the reason it stands for.
///
/// The framework makes bare statuses for a message that is too large, one that does not decode, a
/// method nobody serves, and a deadline. Nothing of their text is passed on.
pub(crate) fn dress(status: Status, method: &str) -> Status {
    if !status.details().is_empty() || method.starts_with(STANDARD) {
        return status;
    }
    let refusal = match status.code() {
        Code::Ok => return status,
        // Only the framework answers these two: services use reasons of other classes.
        Code::OutOfRange | Code::ResourceExhausted => {
            Refusal::new(Reason::RequestTooLarge).with("max_bytes", limits::MESSAGE_BYTES_MAX)
        }
        Code::Unimplemented => {
            Refusal::new(Reason::RpcUnknownMethod).with("method", method).resource("method", method)
        }
        Code::Cancelled => Refusal::new(Reason::RpcCancelled),
        Code::DeadlineExceeded => Refusal::new(Reason::RpcDeadlinePassed),
        Code::Unavailable => Refusal::new(Reason::ServiceUnavailable).with("service", "a peer"),
        // A body that is no message of the method. The framework calls it internal; it is not.
        Code::Internal if undecodable(&status) => {
            Refusal::new(Reason::RequestInvalid).field("", "the message does not decode")
        }
        Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Internal
        | Code::DataLoss
        | Code::Unauthenticated => {
            Refusal::fault(format!("a bare status {:?}: {}", status.code(), status.message()))
        }
    };
    refusal.into()
}

/// Whether the framework says that the request's bytes are no such message. Its status has no
/// source and no details, so the text is the only mark; one test holds us to it.
fn undecodable(status: &Status) -> bool {
    status.message().contains("decode")
}
