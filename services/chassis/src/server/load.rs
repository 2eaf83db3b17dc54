//! How much a process takes on at once. What is above it is refused at once, so that an overload
//! costs its caller a moment and the process nothing.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vivarium_types::Reason;

use crate::config::Limits;
use crate::identity::Service;
use crate::matrix::Shape;
use crate::status::Refusal;

/// The places for calls and for streams.
#[derive(Debug)]
pub(super) struct Load {
    service: Service,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Load {
    pub(super) fn new(service: Service, limits: &Limits) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { service, calls: places(limits.unary_calls_max), streams: places(limits.streams_max) }
    }

    /// A place, held until it is dropped, or a refusal.
    pub(super) fn enter(&self, shape: Shape) -> Result<OwnedSemaphorePermit, Refusal> {
        let places = match shape {
            Shape::Unary => &self.calls,
            Shape::Stream => &self.streams,
        };
        Arc::clone(places)
            .try_acquire_owned()
            .map_err(|_| Refusal::new(Reason::LedgerInboxFull).with("service", self.service))
    }
}
