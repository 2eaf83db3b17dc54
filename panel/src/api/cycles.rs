//! The record of cycles.

use vivarium_proto::executor::v1 as pb;

use super::{Answer, Method, call, unary, wire};
use crate::state::cycle::{Action, Call, Cycle, Fragment, Whole};
use crate::state::tone::Tone;

const LIST: Method = unary("/vivarium.executor.v1.CycleService/ListCycles");
const GET: Method = unary("/vivarium.executor.v1.CycleService/GetCycle");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[LIST, GET];

/// Cycles that run now.
pub(crate) async fn running() -> Answer<Vec<Cycle>> {
    list(pb::ListCyclesRequest { running: true, ..pb::ListCyclesRequest::default() }).await
}

/// Cycles of a task, newest first.
pub(crate) async fn of_task(task: &str) -> Answer<Vec<Cycle>> {
    let task_id = task.to_owned();
    list(pb::ListCyclesRequest { task_id, page_size: 100, ..pb::ListCyclesRequest::default() })
        .await
}

/// Cycles of a resident, newest first.
pub(crate) async fn of_resident(resident: &str) -> Answer<Vec<Cycle>> {
    let resident_id = resident.to_owned();
    list(pb::ListCyclesRequest { resident_id, page_size: 20, ..pb::ListCyclesRequest::default() })
        .await
}

async fn list(request: pb::ListCyclesRequest) -> Answer<Vec<Cycle>> {
    let answer: pb::ListCyclesResponse = call(LIST, &request).await?;
    Ok(answer.cycles.into_iter().map(cycle).collect())
}

/// One cycle, whole.
pub(crate) async fn get(cycle_id: &str) -> Answer<Whole> {
    let request =
        pb::GetCycleRequest { cycle_id: cycle_id.to_owned(), ..pb::GetCycleRequest::default() };
    let answer: pb::GetCycleResponse = call(GET, &request).await?;
    Ok(Whole {
        cycle: cycle(answer.cycle.unwrap_or_default()),
        fragments: answer.fragments.into_iter().map(fragment).collect(),
        calls: answer.calls.into_iter().map(model_call).collect(),
        actions: answer.actions.into_iter().map(action).collect(),
    })
}

/// Why a cycle runs, in a word.
pub(super) const fn kind(kind: pb::CycleKind) -> &'static str {
    match kind {
        pb::CycleKind::Unspecified | pb::CycleKind::Task => "task",
        pb::CycleKind::Mail => "letters",
        pb::CycleKind::Social => "company",
        pb::CycleKind::FreeTime => "free time",
        pb::CycleKind::Reflection => "reflection",
        pb::CycleKind::Critique => "critique",
        pb::CycleKind::Local => "tool",
        pb::CycleKind::Ballot => "ballot",
    }
}

fn cycle(wire: pb::CycleSummary) -> Cycle {
    Cycle {
        kind: kind(wire.kind()),
        embedded: wire.provider_class() == pb::ProviderClass::Embedded,
        outcome: outcome(wire.end()),
        id: wire.cycle_id,
        task: wire.task_id,
        attempt: wire.attempt_number,
        resident: wire.resident_id,
        model: wire.model,
        start: wire::moment(wire.start_time),
        end: wire::some_moment(wire.end_time),
        reason: wire.reason,
        steps: wire.steps,
        model_tokens: tokens(wire.usage),
        cost: wire.cost_micro_usd,
        summary: wire.summary,
    }
}

const fn outcome(end: pb::CycleEnd) -> Option<(&'static str, Tone)> {
    Some(match end {
        pb::CycleEnd::Unspecified => return None,
        pb::CycleEnd::Finished => ("finished", Tone::Good),
        pb::CycleEnd::FinishedAsProse => ("finished as prose", Tone::Good),
        pb::CycleEnd::FinishedByLimit => ("finished by a limit", Tone::Waiting),
        pb::CycleEnd::Declined => ("declined", Tone::Waiting),
        pb::CycleEnd::Waits => ("asks you", Tone::You),
        pb::CycleEnd::Split => ("plan to split", Tone::Good),
        pb::CycleEnd::Failed => ("failed", Tone::Bad),
        pb::CycleEnd::Revoked => ("revoked", Tone::Plain),
        pb::CycleEnd::Returned => ("returned", Tone::Waiting),
        pb::CycleEnd::Blocked => ("blocked", Tone::Bad),
        pb::CycleEnd::Held => ("held for you", Tone::You),
        pb::CycleEnd::Lost => ("lost", Tone::Bad),
    })
}

fn tokens(usage: Option<pb::Usage>) -> (u64, u64) {
    usage.map_or((0, 0), |usage| (usage.input_tokens, usage.output_tokens))
}

fn fragment(wire: pb::ShownFragment) -> Fragment {
    let fragment = wire.fragment.unwrap_or_default();
    let label = match fragment.label() {
        pb::TrustLabel::Unspecified => "",
        pb::TrustLabel::System => "rules",
        pb::TrustLabel::Operator => "yours",
        pb::TrustLabel::Own => "own",
        pb::TrustLabel::Peer => "peer",
        pb::TrustLabel::Tool => "tool",
        pb::TrustLabel::Web => "web",
    };
    Fragment {
        label,
        section: fragment.section,
        source: fragment.source,
        text: wire.text,
        cut: fragment.cut,
        quarantined: fragment.quarantined,
    }
}

fn model_call(wire: pb::ShownCall) -> Call {
    Call {
        step: wire.step,
        response: wire.response,
        total: wire.timing.and_then(|timing| timing.total).map(|total| wire::span(Some(total))),
        model_tokens: tokens(wire.usage),
        cost: wire.cost_micro_usd,
        failure: wire.failure,
    }
}

fn action(wire: pb::ShownAction) -> Action {
    let receipt = wire.receipt.unwrap_or_default();
    let status = match receipt.status() {
        pb::ReceiptStatus::Unspecified => ("unknown", Tone::Plain),
        pb::ReceiptStatus::Done => ("done", Tone::Good),
        pb::ReceiptStatus::Refused => ("refused", Tone::You),
        pb::ReceiptStatus::Pending => ("pending", Tone::Waiting),
        pb::ReceiptStatus::Failed => ("failed", Tone::Bad),
    };
    Action {
        status,
        step: wire.step,
        name: wire.action,
        target: wire.target,
        reason: receipt.reason,
        result: receipt.result,
        price: receipt.price_tokens,
    }
}
