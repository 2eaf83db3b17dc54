//! The body of an answer at its reader: it ends at the deadline, and a broken connection reads as an
//! unavailable peer.

use std::pin::Pin;
use std::task::{Context as Polling, Poll};

use http::Response;
use http_body::{Body as HttpBody, Frame};
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code, Status};
use vivarium_types::Reason;

use crate::identity::Service;
use crate::status::Refusal;
use crate::telemetry::trace::{self, Context};

/// What the framework's own deadline says. It calls it cancelled; here it gets its true name, once.
const FRAMEWORK_DEADLINE: &str = "Timeout expired";

/// An answer that ends at its deadline.
pub(super) fn timed(
    response: Response<Body>,
    service: Service,
    context: Context,
) -> Response<Body> {
    if let Some(status) = Status::from_header_map(response.headers())
        && status.code() == Code::Cancelled
        && status.details().is_empty()
        && status.message() == FRAMEWORK_DEADLINE
    {
        return Status::from(Refusal::new(Reason::RpcDeadlinePassed)).into_http();
    }
    let (head, inner) = response.into_parts();
    if inner.is_end_stream() {
        return Response::from_parts(head, inner);
    }
    let sleep = context.deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
    Response::from_parts(head, Body::new(Timed { inner, sleep, service, context }))
}

struct Timed {
    inner: Body,
    sleep: Option<Pin<Box<Sleep>>>,
    service: Service,
    context: Context,
}

impl Timed {
    fn refuse(&self, refusal: Refusal) -> Status {
        trace::enter(self.context, || refusal.into())
    }
}

impl HttpBody for Timed {
    type Data = hyper::body::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Polling<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Err(broken))) => {
                let refusal = super::gone(this.service).because(broken);
                Poll::Ready(Some(Err(this.refuse(refusal))))
            }
            Poll::Ready(other) => Poll::Ready(other),
            Poll::Pending => {
                let passed = |sleep: &mut Pin<Box<Sleep>>| sleep.as_mut().poll(cx).is_ready();
                if this.sleep.as_mut().is_some_and(passed) {
                    let refusal = Refusal::new(Reason::RpcDeadlinePassed);
                    return Poll::Ready(Some(Err(this.refuse(refusal))));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}
