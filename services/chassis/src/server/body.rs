//! The body of an answer while it lasts. A stream ends by itself at the drain, at its deadline and
//! when its caller's certificate ends; a panic in it ends it as a fault.

use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as Polling, Poll};
use std::time::Duration;

use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use hyper::body::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::{Code, Status};
use vivarium_types::Reason;

use crate::clock;
use crate::matrix::Shape;
use crate::metrics::{Answered, Method, Rpc};
use crate::status::{Refusal, code_name, dress};
use crate::task;
use crate::telemetry::trace::{self, Context};

/// When a body ends other than by itself.
pub(super) struct Ends {
    context: Context,
    deadline: Option<Pin<Box<Sleep>>>,
    expiry: Option<Pin<Box<Sleep>>>,
    drain: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Ends {
    /// A single answer is there already when its body begins: only streams have other ends.
    pub(super) fn new(
        shape: Shape,
        context: Context,
        drain: &CancellationToken,
        left: Option<Duration>,
    ) -> Self {
        let (deadline, expiry, drain) = match shape {
            Shape::Unary => (None, None, None),
            Shape::Stream => (
                context.deadline.map(tokio::time::sleep_until),
                left.map(tokio::time::sleep),
                Some(Box::pin(drain.clone().cancelled_owned())),
            ),
        };
        Self { context, deadline: deadline.map(Box::pin), expiry: expiry.map(Box::pin), drain }
    }

    fn reached(&mut self, cx: &mut Polling<'_>) -> Option<Reason> {
        if self.drain.as_mut().is_some_and(|drain| drain.as_mut().poll(cx).is_ready()) {
            return Some(Reason::ServiceDraining);
        }
        if self.expiry.as_mut().is_some_and(|expiry| expiry.as_mut().poll(cx).is_ready()) {
            return Some(Reason::AuthCertificateExpired);
        }
        let deadline = self.deadline.as_mut()?;
        deadline.as_mut().poll(cx).is_ready().then_some(Reason::RpcDeadlinePassed)
    }
}

/// What is written down about a call when it ends.
pub(super) struct Record {
    rpc: Rpc,
    path: String,
    /// Whether the path is a method's: only then it is a label.
    is_known: bool,
    started: Instant,
    span: tracing::Span,
    pub(super) code: Code,
    written: bool,
}

impl Record {
    pub(super) fn new(rpc: Rpc, method: &str, span: tracing::Span) -> Self {
        let (path, started) = (method.trim_start_matches('/').to_owned(), clock::instant());
        let code = Code::Cancelled;
        Self { rpc, path, is_known: false, started, span, code, written: false }
    }

    /// The method exists and the caller may call it.
    pub(super) const fn known(&mut self) {
        self.is_known = true;
    }

    /// A handler panicked.
    pub(super) fn panicked(&self) {
        self.rpc.panics.inc();
    }

    /// Writes it down, once.
    pub(super) fn finish(&mut self) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        let code = code_name(self.code);
        let took = self.started.elapsed();
        self.span.record("grpc.code", code);
        self.span.record("latency_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let _entered = self.span.enter();
        tracing::debug!("answered");
        let method = if self.is_known { self.path.as_str() } else { "refused" }.to_owned();
        self.rpc
            .latency
            .get_or_create(&Method { method: method.clone() })
            .observe(took.as_secs_f64());
        self.rpc.answered.get_or_create(&Answered { method, code }).inc();
    }
}

/// A caller that leaves ends the call too.
impl Drop for Record {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A body with other ends.
pub(super) struct Guarded {
    inner: Body,
    path: String,
    ends: Ends,
    record: Record,
    /// Freed when the body is dropped.
    _place: OwnedSemaphorePermit,
    over: bool,
}

impl Guarded {
    pub(super) fn new(
        inner: Body,
        path: &str,
        ends: Ends,
        (place, record): (OwnedSemaphorePermit, Record),
    ) -> Self {
        let over = inner.is_end_stream();
        Self { inner, path: path.to_owned(), ends, record, _place: place, over }
    }

    /// The last frame: trailers with this status.
    fn close(&mut self, status: &Status) -> Result<Frame<Bytes>, Status> {
        self.over = true;
        self.record.code = status.code();
        self.record.finish();
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))
    }

    /// Makes a status as a part of this call: its span and its request id.
    fn said(&self, make: impl FnOnce() -> Status) -> Status {
        self.record.span.in_scope(|| trace::enter(self.ends.context, make))
    }

    fn refuse(&mut self, refusal: Refusal) -> Result<Frame<Bytes>, Status> {
        let status = self.said(|| Status::from(refusal));
        self.close(&status)
    }

    fn passed(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Status> {
        let Some(trailers) = frame.trailers_ref() else { return Ok(frame) };
        let Some(status) = Status::from_header_map(trailers) else { return Ok(frame) };
        if status.code() != Code::Ok && status.details().is_empty() {
            let status = self.said(|| dress(status, &self.path));
            return self.close(&status);
        }
        self.over = true;
        self.record.code = status.code();
        self.record.finish();
        Ok(frame)
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Polling<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        if let Some(reason) = this.ends.reached(cx) {
            return Poll::Ready(Some(
                this.refuse(Refusal::new(reason).with("service", "the service")),
            ));
        }
        let context = this.ends.context;
        let span = this.record.span.clone();
        let poll = || Pin::new(&mut this.inner).poll_frame(cx);
        let polled = || span.in_scope(|| trace::enter(context, poll));
        match catch_unwind(AssertUnwindSafe(polled)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Some(Ok(frame)))) => Poll::Ready(Some(this.passed(frame))),
            Ok(Poll::Ready(Some(Err(status)))) => {
                let status = this.said(|| dress(status, &this.path));
                Poll::Ready(Some(this.close(&status)))
            }
            Ok(Poll::Ready(None)) => {
                this.over = true;
                this.record.finish();
                Poll::Ready(None)
            }
            Err(panic) => {
                this.record.panicked();
                let said = format!("a stream panicked: {}", task::said(&*panic));
                Poll::Ready(Some(this.refuse(Refusal::fault(said))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}
