//! The chassis' own metrics: every name, label, unit and help text.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::telemetry::metrics::Metrics;

/// One method and the code it answered with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    pub(crate) method: String,
    pub(crate) code: &'static str,
}

/// One method.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Method {
    pub(crate) method: String,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Why {
    pub(crate) reason: &'static str,
}

/// What the chassis counts.
#[derive(Debug, Clone)]
pub(crate) struct Rpc {
    pub(crate) answered: Family<Answered, Counter>,
    pub(crate) latency: Family<Method, Histogram, fn() -> Histogram>,
    pub(crate) refused: Family<Why, Counter>,
    pub(crate) handshakes_failed: Counter,
    pub(crate) panics: Counter,
    pub(crate) connections: Gauge<i64, AtomicI64>,
}

impl Rpc {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let rpc = Self {
            answered: Family::default(),
            latency: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
            }),
            refused: Family::default(),
            handshakes_failed: Counter::default(),
            panics: Counter::default(),
            connections: Gauge::default(),
        };
        let mut registry = metrics.registry();
        registry.register("rpc_answered", "Calls answered", rpc.answered.clone());
        registry.register(
            "rpc_latency_seconds",
            "Time to the answer, or to the end of a stream",
            rpc.latency.clone(),
        );
        registry.register("rpc_refused", "Calls refused before a handler", rpc.refused.clone());
        registry.register(
            "rpc_handshakes_failed",
            "Connections that never became one",
            rpc.handshakes_failed.clone(),
        );
        registry.register("rpc_panics", "Handlers that panicked", rpc.panics.clone());
        registry.register("rpc_connections", "Connections open now", rpc.connections.clone());
        drop(registry);
        rpc
    }
}
