//! One trace from browser to model call: W3C trace context (<https://www.w3.org/TR/trace-context/>),
//! carried in the task and in the header `traceparent`. Also carries the deadline of the call being
//! answered, so that no call made on its behalf outlives it.

use std::fmt;
use std::future::Future;
use std::str::FromStr;

use tokio::time::Instant;

use crate::clock;

/// The header that carries it.
pub const HEADER: &str = "traceparent";

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    trace: u128,
    span: u64,
}

/// Text that is no trace context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C trace context")]
pub struct NotATrace;

/// What the work being done belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Its place in a trace.
    pub trace: Trace,
    /// When whoever asked for it stops waiting.
    pub deadline: Option<Instant>,
}

tokio::task_local! {
    static CURRENT: Context;
}

impl Trace {
    /// The start of a new trace.
    pub fn fresh() -> Self {
        Self { trace: u128::from_le_bytes(clock::random()) | 1, span: Self::span() }
    }

    /// A new span in this trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self { trace: self.trace, span: Self::span() }
    }

    /// The trace's id: 32 hexadecimal digits. The request id that people see.
    pub fn id(self) -> String {
        format!("{:032x}", self.trace)
    }

    fn span() -> u64 {
        u64::from_le_bytes(clock::random()) | 1
    }
}

/// The header's value.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace, self.span)
    }
}

impl FromStr for Trace {
    type Err = NotATrace;
    fn from_str(text: &str) -> Result<Self, NotATrace> {
        let mut parts = text.split('-');
        let version = parts.next().filter(|part| part.len() == 2 && *part != "ff");
        let trace = parts.next().filter(|part| part.len() == 32);
        let span = parts.next().filter(|part| part.len() == 16);
        let (Some(_), Some(trace), Some(span)) = (version, trace, span) else {
            return Err(NotATrace);
        };
        let trace = u128::from_str_radix(trace, 16).map_err(|_| NotATrace)?;
        let span = u64::from_str_radix(span, 16).map_err(|_| NotATrace)?;
        if trace == 0 || span == 0 { Err(NotATrace) } else { Ok(Self { trace, span }) }
    }
}

/// What the work being done belongs to, if anything.
pub fn current() -> Option<Context> {
    CURRENT.try_with(|context| *context).ok()
}

/// The id that finds the present request in the logs; empty outside of one.
pub fn request_id() -> String {
    current().map_or_else(String::new, |context| context.trace.id())
}

/// Runs `work` as a part of `context`.
pub async fn within<T>(context: Context, work: impl Future<Output = T>) -> T {
    CURRENT.scope(context, work).await
}

/// Calls `work` as a part of `context`.
pub(crate) fn enter<T>(context: Context, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(context, work)
}

/// Runs `work` in the trace of whoever calls this, without its deadline: what is started in the
/// background outlives the request that started it.
pub(crate) fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let trace = current().map_or_else(Trace::fresh, |context| context.trace.child());
    within(Context { trace, deadline: None }, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_reads_back_and_a_malformed_one_does_not() {
        let trace = Trace::fresh();
        assert_eq!(trace.to_string().parse(), Ok(trace));
        assert_eq!(trace.child().id(), trace.id());
        for text in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<Trace>(), Err(NotATrace), "{text}");
        }
    }

    #[tokio::test]
    async fn work_started_for_a_request_stays_in_its_trace() {
        let trace = Trace::fresh();
        let context = Context { trace, deadline: Some(clock::instant()) };
        let inner = within(context, async { carried(async { current() }).await }).await;
        let inner = inner.expect("there is one");
        assert_eq!((inner.trace.id(), inner.deadline), (trace.id(), None));
        assert!(current().is_none());
    }
}
