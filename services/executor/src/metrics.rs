//! The executor's metrics: names, labels, units and help texts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use vivarium_chassis::telemetry::metrics::Metrics;

/// What the executor counts.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Cycles that were started.
    pub cycles_started: Counter,
    /// Cycles that run now.
    pub cycles_running: Gauge,
    /// Model calls that were settled.
    pub calls: Counter,
    /// Micro-dollars that were settled.
    pub cost_micro_usd: Counter,
    /// Reservations that a scope refused.
    pub budget_refusals: Counter,
    /// Actions that were performed or refused.
    pub actions: Counter,
    /// Halts that were obeyed.
    pub halts: Counter,
}

impl Counters {
    /// Registers them.
    pub fn register(metrics: &Metrics) -> Self {
        let counters = Self::default();
        let mut registry = metrics.registry();
        let all = [
            ("executor_cycles_started", "Cycles that were started", &counters.cycles_started),
            ("executor_calls", "Model calls that were settled", &counters.calls),
            (
                "executor_cost_micro_usd",
                "Micro-dollars that were settled",
                &counters.cost_micro_usd,
            ),
            (
                "executor_budget_refusals",
                "Reservations that a scope refused",
                &counters.budget_refusals,
            ),
            ("executor_actions", "Actions that were performed or refused", &counters.actions),
            ("executor_halts", "Halts that were obeyed", &counters.halts),
        ];
        for (name, help, counter) in all {
            registry.register(name, help, counter.clone());
        }
        let running = counters.cycles_running.clone();
        registry.register("executor_cycles_running", "Cycles that run now", running);
        counters
    }
}
