//! Society's metrics: names, labels, units and help texts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use vivarium_chassis::telemetry::metrics::Metrics;

/// What society counts.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Actions of residents that took effect.
    pub acts: Counter,
    /// Actions of residents that were refused.
    pub refusals: Counter,
    /// Files of the library that were written.
    pub files_written: Counter,
    /// Files of the library that another hand changed.
    pub files_changed: Gauge,
}

impl Counters {
    /// Registers them.
    pub fn register(metrics: &Metrics) -> Self {
        let counters = Self::default();
        let mut registry = metrics.registry();
        registry.register(
            "society_acts",
            "Actions of residents that took effect",
            counters.acts.clone(),
        );
        registry.register(
            "society_acts_refused",
            "Actions of residents that were refused",
            counters.refusals.clone(),
        );
        registry.register(
            "society_library_files_written",
            "Files of the library that were written",
            counters.files_written.clone(),
        );
        registry.register(
            "society_library_files_changed",
            "Files of the library that another hand changed and that were left as they are",
            counters.files_changed.clone(),
        );
        counters
    }
}
