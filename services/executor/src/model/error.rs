//! Why a call to a model failed, what that means for the attempt, and whether it may have cost
//! anything. No text here holds a key; texts of providers are cut and shown to operators only.

use std::fmt;
use std::time::Duration;

use vivarium_types::Reason;

/// A part of a call that has its own time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a free place at the provider.
    Queue,
    /// Starting the embedded server.
    Start,
    /// Connecting.
    Connect,
    /// From sending to the first event of the answer.
    FirstEvent,
    /// Between two events.
    BetweenEvents,
    /// The call as a whole.
    Total,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "waiting for a free place",
            Self::Start => "starting the embedded model",
            Self::Connect => "connecting",
            Self::FirstEvent => "waiting for the first piece",
            Self::BetweenEvents => "waiting for the next piece",
            Self::Total => "the call as a whole",
        })
    }
}

/// What a failed call means for the attempt (`domain.md`, 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The provider's fault, a time-out, a broken connection: try again.
    Transient,
    /// The provider's limit or our own: try again later.
    RateLimited,
    /// The prompt does not fit the window.
    InputTooLarge,
    /// Our fault: the provider does not accept what we send.
    Internal,
    /// The provider cannot be used until somebody acts.
    NoProvider,
    /// The call was cancelled here.
    Stopped,
}

/// Why a call to a model failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The provider does not accept the key, or there is none.
    #[error("the provider does not accept the key")]
    Auth,
    /// Too many calls.
    #[error("the provider asks to wait{}", wait(*.retry_after))]
    RateLimited {
        /// When to come back, if the provider says so.
        retry_after: Option<Duration>,
    },
    /// The prompt does not fit the window.
    #[error("the prompt does not fit the model's window{}", sizes(*.prompt_tokens, *.window_tokens))]
    ContextOverflow {
        /// Model tokens of the prompt, if the provider says so.
        prompt_tokens: Option<u64>,
        /// Model tokens of the window, if the provider says so.
        window_tokens: Option<u64>,
    },
    /// The provider refuses the request as such.
    #[error("the provider refuses the request: {0}")]
    BadRequest(String),
    /// A phase took too long.
    #[error("out of time: {0}")]
    Timeout(Phase),
    /// Cancelled here.
    #[error("cancelled")]
    Cancelled {
        /// Whether the request may have left this machine before.
        sent: bool,
    },
    /// Nobody listens at the address, or the connection could not be made.
    #[error("the provider does not answer: {0}")]
    Connect(String),
    /// The provider failed or broke the connection.
    #[error("the provider failed{}: {message}", status_words(*.status))]
    Upstream {
        /// The HTTP status, if there was one.
        status: Option<u16>,
        /// The provider's words.
        message: String,
    },
    /// The answer is not what the interface promises.
    #[error("the provider's answer cannot be read: {0}")]
    Protocol(String),
    /// The provider cannot be used as it is set up here.
    #[error("{message}")]
    Unusable {
        /// Why, as a reason.
        reason: Reason,
        /// Why, in words.
        message: String,
    },
}

impl ModelError {
    /// What it means for the attempt.
    pub const fn failure(&self) -> Failure {
        match self {
            Self::RateLimited { .. } => Failure::RateLimited,
            Self::ContextOverflow { .. } => Failure::InputTooLarge,
            Self::BadRequest(_) => Failure::Internal,
            Self::Timeout(_) | Self::Connect(_) | Self::Upstream { .. } | Self::Protocol(_) => {
                Failure::Transient
            }
            Self::Cancelled { .. } => Failure::Stopped,
            Self::Auth | Self::Unusable { .. } => Failure::NoProvider,
        }
    }

    /// The reason for the record and for people.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Auth => Reason::ModelKeyRefused,
            Self::RateLimited { .. } => Reason::ModelRateLimited,
            Self::ContextOverflow { .. } => Reason::ModelContextOverflow,
            Self::BadRequest(_) => Reason::ModelRequestRefused,
            Self::Timeout(_) => Reason::ModelTimedOut,
            Self::Cancelled { .. } => Reason::RpcCancelled,
            Self::Connect(_) => Reason::ModelUnreachable,
            Self::Upstream { .. } => Reason::ModelUpstreamFailed,
            Self::Protocol(_) => Reason::ModelAnswerBroken,
            Self::Unusable { reason, .. } => *reason,
        }
    }

    /// Whether the call may have cost something: it may have reached the provider and was not
    /// plainly refused there. Such a call settles at its worst case unless its usage was told.
    pub const fn may_have_cost(&self) -> bool {
        match self {
            Self::Auth
            | Self::RateLimited { .. }
            | Self::ContextOverflow { .. }
            | Self::BadRequest(_)
            | Self::Connect(_)
            | Self::Unusable { .. }
            // The server did not take the request (RFC 9110, section 15.6.4).
            | Self::Upstream { status: Some(503), .. }
            | Self::Timeout(Phase::Queue | Phase::Start | Phase::Connect) => false,
            Self::Cancelled { sent } => *sent,
            Self::Timeout(Phase::FirstEvent | Phase::BetweenEvents | Phase::Total)
            | Self::Upstream { .. }
            | Self::Protocol(_) => true,
        }
    }

    /// When to try again, if the provider said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            Self::Auth
            | Self::ContextOverflow { .. }
            | Self::BadRequest(_)
            | Self::Timeout(_)
            | Self::Cancelled { .. }
            | Self::Connect(_)
            | Self::Upstream { .. }
            | Self::Protocol(_)
            | Self::Unusable { .. } => None,
        }
    }
}

fn wait(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |span| format!(" {} s", span.as_secs_f32().ceil()))
}

fn sizes(prompt: Option<u64>, window: Option<u64>) -> String {
    match (prompt, window) {
        (Some(prompt), Some(window)) => format!(": {prompt} of {window} model tokens"),
        (None, Some(window)) => format!(" of {window} model tokens"),
        (Some(_) | None, None) => String::new(),
    }
}

fn status_words(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(" with HTTP {status}"))
}
