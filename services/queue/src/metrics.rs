//! The queue's metrics: every name, label, unit and help text.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use vivarium_chassis::telemetry::metrics::Metrics;
use vivarium_ledger::Ledger;

use crate::domain::Queue;
use crate::domain::event::Event;
use crate::domain::task::State;

/// One kind of event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// One state of a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

type Number = Gauge<i64, AtomicI64>;

struct Numbers {
    events: Family<Kind, Counter>,
    tasks: Family<InState, Number>,
    leases: Number,
    runners: Number,
}

impl Numbers {
    fn new(metrics: &Metrics) -> Self {
        let numbers = Self {
            events: Family::default(),
            tasks: Family::default(),
            leases: Gauge::default(),
            runners: Gauge::default(),
        };
        let mut registry = metrics.registry();
        registry.register("queue_events", "Events written, by kind", numbers.events.clone());
        registry.register("queue_tasks", "Tasks in the world, by state", numbers.tasks.clone());
        registry.register("queue_leases", "Leases that are live", numbers.leases.clone());
        registry.register("queue_runners", "Runners that are connected", numbers.runners.clone());
        drop(registry);
        numbers
    }
}

/// Counts what is written from now on, until the ledger is closed.
pub(crate) async fn count(ledger: Ledger<Queue>, metrics: Metrics) {
    let numbers = Numbers::new(&metrics);
    let mut watch = ledger.watch(ledger.committed());
    loop {
        let asked = ledger.ask(|queue| {
            let count = |state: State| queue.counts.get(&state).copied().unwrap_or(0);
            let tasks = State::ALL.map(|state| (state, count(state)));
            (tasks, queue.leases.len(), queue.volatile.connections.len())
        });
        let Ok((tasks, leases, runners)) = asked.await else { return };
        for (state, count) in tasks {
            let in_state = InState { state: state.word() };
            numbers.tasks.get_or_create(&in_state).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        numbers.leases.set(i64::try_from(leases).unwrap_or(i64::MAX));
        numbers.runners.set(i64::try_from(runners).unwrap_or(i64::MAX));
        let Some(Ok(rows)) = watch.next().await else { return };
        for row in rows {
            let known = Event::KINDS.iter().find(|kind| **kind == row.kind);
            if let Some(kind) = known {
                numbers.events.get_or_create(&Kind { kind }).inc();
            }
        }
    }
}
