//! Calls to the other services, in our words: the outgoing side of `rpc`.
//!
//! What a resident asks for goes out under its lease, as that resident; everything else on the
//! executor's own account. A repeated call carries the same key, so that its effect happens once.

use std::time::Duration;

use tonic::{Code, Status};
use vivarium_chassis::Problem;

use crate::domain::cycle::Place;

pub mod queue;
pub mod review;
pub mod society;

/// How long one call may take, repeats included.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Why an effect did not come about elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A rule refused it, and nothing happened.
    Rule {
        /// The reason's word.
        reason: String,
        /// One sentence.
        why: String,
    },
    /// The owner could not be reached, or failed.
    Failed {
        /// The reason's word.
        reason: String,
        /// One sentence.
        why: String,
    },
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let problem = Problem::from(&status);
        let fields: Vec<String> =
            problem.fields.iter().map(|v| format!("{} {}", v.field, v.description)).collect();
        let why = if fields.is_empty() {
            problem.sentence.clone()
        } else {
            format!("{}: {}", problem.sentence, fields.join("; "))
        };
        let reason = problem.word().to_owned();
        match problem.code {
            Code::InvalidArgument
            | Code::PermissionDenied
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::ResourceExhausted => Self::Rule { reason, why },
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unauthenticated => Self::Failed { reason, why },
        }
    }
}

fn place(position: Option<vivarium_proto::ledger::v1::Position>) -> Option<Place> {
    position.map(|position| Place { ledger: position.ledger, sequence: position.sequence })
}
