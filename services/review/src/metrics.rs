//! Review's metrics: names, labels, units and help texts.

use prometheus_client::metrics::counter::Counter;
use vivarium_chassis::telemetry::metrics::Metrics;

/// What review counts.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Submissions whose checks have run.
    pub checked: Counter,
    /// Checks that rejected, whichever they were.
    pub blocked: Counter,
}

impl Counters {
    /// Registers them.
    pub fn register(metrics: &Metrics) -> Self {
        let counters = Self::default();
        let mut registry = metrics.registry();
        registry.register(
            "review_submissions_checked",
            "Submissions whose checks have run",
            counters.checked.clone(),
        );
        registry.register(
            "review_findings_blocking",
            "Findings of checks that reject",
            counters.blocked.clone(),
        );
        counters
    }
}
