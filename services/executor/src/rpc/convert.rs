//! Wire to domain and back: every violation is collected with its dotted path.

pub(super) mod safety;
pub(super) mod spend;

use std::collections::BTreeMap;
use std::time::Duration;

use vivarium_chassis::{Refusal, Violations};
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::executor_event::Event as Body;
use vivarium_proto::ledger::v1::TextRef;
use vivarium_proto::wkt;
use vivarium_types::ids::{CycleId, ResidentId, TaskId};
use vivarium_types::{MicroUsd, Reason, Timestamp};

use crate::domain::budget::{Limited, Scope, Standing};
use crate::domain::event;
use crate::domain::provider::{Consent, Health, Masked};
use crate::keys;
use crate::model::gate::Rate;
use crate::output::{Item, News};
use crate::providers::Listed;
use crate::replay::{Difference, Past, Verdict};
use crate::views::{Dated, Kept, Wanted};

/// Rows of a page when the caller does not say.
const PAGE_SIZE_DEFAULT: u32 = 50;
/// Most rows of a page.
const PAGE_SIZE_MAX: u32 = 200;
/// Most of any limit.
const LIMIT_MAX: i64 = 1_000_000_000_000;

/// A key to store.
pub(super) struct KeyWanted {
    pub(super) request_id: String,
    pub(super) provider: String,
    pub(super) key: String,
}

/// A limit to set.
pub(super) struct LimitWanted {
    pub(super) limited: Limited,
    pub(super) amount: MicroUsd,
    pub(super) reason: String,
    /// The scope as it is shown; none for a limit that holds for many.
    pub(super) scope: Option<Scope>,
}

fn check_request_id(wrong: &mut Violations, id: &str) {
    let formed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    if !(1..=64).contains(&id.len()) || !id.chars().all(formed) {
        wrong.add("request_id", "must be 1 to 64 of [A-Za-z0-9._:-]");
    }
}

/// How many rows a page is to hold.
fn page_size(wrong: &mut Violations, asked: u32) -> u32 {
    let limit = if asked == 0 { PAGE_SIZE_DEFAULT } else { asked };
    wrong.bounded("page_size", limit, 1..=PAGE_SIZE_MAX);
    limit
}

/// Where a page ended, from its token; `None` for the first page.
fn behind<T>(
    wrong: &mut Violations,
    token: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    if token.is_empty() {
        return None;
    }
    let place = read(token);
    if place.is_none() {
        wrong.add("page_token", "is none that was given out");
    }
    place
}

/// The row that a page ended at, from its token. The tables know no larger numbers than `i64` has.
fn row_before(wrong: &mut Violations, token: &str) -> Option<u64> {
    let row: Option<u64> = wrong.parse_optional("page_token", token);
    wrong.bounded("page_token", row?, 0..=i64::MAX.unsigned_abs())
}

pub(super) fn request_id(id: &str) -> Result<(), Refusal> {
    let mut wrong = Violations::new();
    check_request_id(&mut wrong, id);
    wrong.finish()
}

pub(super) fn key(wire: pb::SetKeyRequest) -> Result<KeyWanted, Refusal> {
    let mut wrong = Violations::new();
    check_request_id(&mut wrong, &wire.request_id);
    wrong.finish()?;
    if let Err(error) = keys::check(&wire.key) {
        return Err(Refusal::new(Reason::ModelKeyInvalid).field("key", error.to_string()));
    }
    let pb::SetKeyRequest { request_id, provider, key } = wire;
    Ok(KeyWanted { request_id, provider, key })
}

pub(super) fn limit(wire: &pb::SetBudgetLimitRequest) -> Result<LimitWanted, Refusal> {
    let mut wrong = Violations::new();
    check_request_id(&mut wrong, &wire.request_id);
    let limited = event::limited_in(wire.scope);
    if limited.is_none() {
        wrong.add("scope", "must be CALL, RESIDENT_DAY, REVIEW_DAY, WORLD_DAY or WORLD_TOTAL");
    }
    let amount = wrong.bounded("limit_micro_usd", wire.limit_micro_usd, 0..=LIMIT_MAX);
    let reason = wrong.text("reason", &wire.reason, 3, 500);
    let parsed = limited.zip(amount).zip(reason).map(|((limited, amount), reason)| LimitWanted {
        limited,
        amount: MicroUsd::new(amount),
        reason,
        scope: match limited {
            Limited::Call => Some(Scope::Call),
            Limited::ReviewDay => Some(Scope::ReviewDay),
            Limited::WorldDay => Some(Scope::WorldDay),
            Limited::WorldTotal => Some(Scope::WorldTotal),
            Limited::ResidentDay => None,
        },
    });
    wrong.done(parsed)
}

pub(super) fn subjects(
    wire: &pb::GetBudgetsRequest,
) -> Result<(Option<TaskId>, Option<ResidentId>), Refusal> {
    let mut wrong = Violations::new();
    let task = wrong.parse_optional("task_id", &wire.task_id);
    let resident = wrong.parse_optional("resident_id", &wire.resident_id);
    wrong.finish()?;
    Ok((task, resident))
}

pub(super) fn budget(standing: &Standing, day: i64) -> pb::Budget {
    let (scope, subject_id) = event::scope_out(standing.scope);
    let daily =
        matches!(standing.scope, Scope::ResidentDay(_) | Scope::ReviewDay | Scope::WorldDay);
    pb::Budget {
        scope: scope.into(),
        subject_id,
        limit_micro_usd: standing.limit.get(),
        spent_micro_usd: standing.spent.get(),
        reserved_micro_usd: standing.reserved.get(),
        spend_day: if daily { event::date(day) } else { String::new() },
    }
}

pub(super) fn limit_alone(limited: Limited, amount: MicroUsd, day: i64) -> pb::Budget {
    pb::Budget {
        scope: event::limited_out(limited).into(),
        limit_micro_usd: amount.get(),
        spend_day: event::date(day),
        ..pb::Budget::default()
    }
}

pub(super) fn key_status(provider: &str, key: Option<&Masked>) -> pb::KeyStatus {
    pb::KeyStatus {
        provider: provider.to_owned(),
        present: key.is_some(),
        masked: key.map(|key| key.text.clone()).unwrap_or_default(),
        set_time: key.map(|key| moment(key.set)),
    }
}

pub(super) fn provider(
    listed: &Listed,
    health: Option<&(Health, Timestamp)>,
    consent: Consent,
    has_key: bool,
    chosen: bool,
    rate: Option<Rate>,
) -> pb::Provider {
    let seen = health.map(|(health, _)| health);
    let why_not = seen.map_or_else(|| "MODEL_NOT_SEEN".to_owned(), |health| health.why_not.clone());
    pb::Provider {
        name: listed.name.clone(),
        kind: event::provider_kind_out(listed.kind).into(),
        class: event::class_out(listed.class).into(),
        model: seen.map_or_else(|| listed.model.clone(), |health| health.model.clone()),
        window_tokens: seen.map_or(0, |health| health.window_tokens),
        healthy: seen.is_some_and(|health| health.healthy),
        why_not,
        base_url: listed.base_url.clone(),
        needs_consent: listed.needs_consent,
        consented: consent.given,
        may_judge: consent.may_judge,
        has_key,
        health_time: health.map(|(_, at)| moment(*at)),
        chosen,
        rate: rate.map(provider_rate),
    }
}

fn provider_rate(rate: Rate) -> pb::ProviderRate {
    let span = |span: Duration| wkt::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: span.subsec_nanos().cast_signed(),
    };
    let (tokens_left, tokens_max) = rate.tokens.unzip();
    pb::ProviderRate {
        calls: rate.calls,
        calls_max: rate.calls_max,
        tokens_left,
        tokens_max,
        shut_for: rate.shut_for.map(span),
    }
}

pub(super) fn cycle_id(wire: &pb::GetCycleRequest) -> Result<CycleId, Refusal> {
    let mut wrong = Violations::new();
    let id = wrong.parse("cycle_id", &wire.cycle_id);
    wrong.done(id)
}

pub(super) fn watched(wire: &pb::WatchOutputRequest) -> Result<Option<TaskId>, Refusal> {
    let mut wrong = Violations::new();
    let task = wrong.parse_optional("task_id", &wire.task_id);
    wrong.finish()?;
    Ok(task)
}

/// Which cycles are run again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replayed {
    pub(super) task: Option<TaskId>,
    pub(super) cycle: Option<CycleId>,
}

pub(super) fn replayed(wire: &pb::ReplayCyclesRequest) -> Result<Replayed, Refusal> {
    let mut wrong = Violations::new();
    let task = wrong.parse_optional("task_id", &wire.task_id);
    let cycle = wrong.parse_optional("cycle_id", &wire.cycle_id);
    wrong.finish()?;
    Ok(Replayed { task, cycle })
}

pub(super) fn replay(cycle: CycleId, past: &Past, verdict: Verdict) -> pb::ReplayCyclesResponse {
    use pb::ReplayVerdict as Wire;
    let (word, differences, why) = match verdict {
        Verdict::Same => (Wire::Same, Vec::new(), String::new()),
        Verdict::Cut => (Wire::Cut, Vec::new(), String::new()),
        Verdict::Different(differences) => (Wire::Different, differences, String::new()),
        Verdict::LeftOut(why) => (Wire::LeftOut, Vec::new(), why),
    };
    let difference = |difference: Difference| pb::ReplayDifference {
        place: difference.place,
        field: difference.field,
        recorded: difference.recorded,
        replayed: difference.replayed,
    };
    pb::ReplayCyclesResponse {
        cycle_id: cycle.to_string(),
        kind: event::kind_out(past.kind()).into(),
        task_id: past.task().map(|task| task.to_string()).unwrap_or_default(),
        verdict: word.into(),
        differences: differences.into_iter().map(difference).collect(),
        why,
        calls: past.calls_made(),
    }
}

pub(super) fn wanted(wire: &pb::ListCyclesRequest) -> Result<Wanted, Refusal> {
    let mut wrong = Violations::new();
    let task: Option<TaskId> = wrong.parse_optional("task_id", &wire.task_id);
    let resident: Option<ResidentId> = wrong.parse_optional("resident_id", &wire.resident_id);
    let limit = page_size(&mut wrong, wire.page_size);
    let before = row_before(&mut wrong, &wire.page_token);
    wrong.finish()?;
    Ok(Wanted {
        task: task.map(|task| task.to_string()),
        resident: resident.map(|resident| resident.to_string()),
        running: wire.running,
        before,
        limit,
    })
}

pub(super) fn output(item: &Item) -> pb::WatchOutputResponse {
    use pb::watch_output_response::News as Wire;
    let source = item.source;
    pb::WatchOutputResponse {
        cycle_id: source.cycle.to_string(),
        task_id: source.task.map(|task| task.to_string()).unwrap_or_default(),
        resident_id: source.resident.map(|resident| resident.to_string()).unwrap_or_default(),
        step: source.step,
        news: Some(match &item.news {
            News::Restart(text) => Wire::Restart(text.to_string()),
            News::Piece(text) => Wire::Piece(text.to_string()),
            News::Waiting => Wire::Waiting(true),
            News::Ended => Wire::Ended(true),
        }),
    }
}

/// The id of a kept cycle.
pub(super) fn id_of(kept: &Kept) -> String {
    started(kept).cycle_id
}

fn started(kept: &Kept) -> pb::CycleStarted {
    match &kept.started.event.event {
        Some(Body::CycleStarted(started)) => started.clone(),
        Some(_) | None => pb::CycleStarted::default(),
    }
}

fn ended(kept: &Kept) -> Option<&pb::CycleEnded> {
    match &kept.ended.as_ref()?.event.event {
        Some(Body::CycleEnded(ended)) => Some(ended),
        Some(_) | None => None,
    }
}

fn calls(kept: &Kept) -> impl Iterator<Item = (&Dated, &pb::ModelCalled)> {
    kept.parts.iter().filter_map(|part| match &part.event.event {
        Some(Body::ModelCalled(called)) => Some((part, called)),
        Some(_) | None => None,
    })
}

fn actions(kept: &Kept) -> impl Iterator<Item = (&Dated, &pb::ActionPerformed)> {
    kept.parts.iter().filter_map(|part| match &part.event.event {
        Some(Body::ActionPerformed(performed)) => Some((part, performed)),
        Some(_) | None => None,
    })
}

/// The text of a cycle's summary.
pub(super) fn summary_text(kept: &Kept) -> Option<&TextRef> {
    ended(kept)?.summary.as_ref()
}

/// All texts that a cycle names.
pub(super) fn texts_of(kept: &Kept) -> Vec<&TextRef> {
    let fragments = match &kept.started.event.event {
        Some(Body::CycleStarted(started)) => started.fragments.as_slice(),
        Some(_) | None => &[],
    };
    let fragments = fragments.iter().filter_map(|fragment| fragment.text.as_ref());
    let responses = calls(kept).filter_map(|(_, called)| called.response.as_ref());
    let results = actions(kept).filter_map(|(_, performed)| performed.result.as_ref());
    fragments.chain(responses).chain(results).chain(summary_text(kept)).collect()
}

type Texts = BTreeMap<String, String>;

fn told(text: Option<&TextRef>, texts: &Texts) -> String {
    text.and_then(|text| texts.get(&text.id)).cloned().unwrap_or_default()
}

/// A cycle without its parts.
pub(super) fn summary(kept: &Kept, texts: &Texts) -> pb::CycleSummary {
    let started = started(kept);
    let ended = ended(kept);
    let mut usage = pb::Usage::default();
    let (mut cost, mut steps, mut asked) = (0, 0, 0);
    for (_, called) in calls(kept) {
        let used = called.usage.unwrap_or_default();
        usage.input_tokens += used.input_tokens;
        usage.output_tokens += used.output_tokens;
        usage.calls += used.calls;
        usage.estimated |= used.estimated;
        cost += called.cost_micro_usd;
        steps = steps.max(called.owner.as_ref().map_or(0, |owner| owner.step));
    }
    asked += u32::try_from(actions(kept).count()).unwrap_or(u32::MAX);
    pb::CycleSummary {
        kind: started.kind,
        provider_class: started.provider_class,
        cycle_id: started.cycle_id,
        task_id: started.task_id,
        attempt_id: started.attempt_id,
        attempt_number: started.attempt_number,
        resident_id: started.resident_id,
        lease_id: started.lease_id,
        submission_id: started.submission_id,
        provider: started.provider,
        model: started.model,
        start_time: Some(moment(Timestamp::from_micros(kept.started.time_us))),
        end_time: kept.ended.as_ref().map(|e| moment(Timestamp::from_micros(e.time_us))),
        end: ended.map_or(0, |ended| ended.end),
        failure_class: ended.map(|ended| ended.failure_class.clone()).unwrap_or_default(),
        reason: ended.map(|ended| ended.reason.clone()).unwrap_or_default(),
        steps: ended.map_or(steps, |ended| ended.steps),
        actions: ended.map_or(asked, |ended| ended.actions),
        usage: Some(ended.and_then(|ended| ended.usage).unwrap_or(usage)),
        cost_micro_usd: ended.map_or(cost, |ended| ended.cost_micro_usd),
        summary: told(ended.and_then(|ended| ended.summary.as_ref()), texts),
        documents: ended.map(|ended| ended.documents.clone()).unwrap_or_default(),
    }
}

/// A cycle, whole.
pub(super) fn cycle(kept: &Kept, texts: &Texts) -> pb::GetCycleResponse {
    let fragments = started(kept).fragments.into_iter().map(|fragment| {
        let text = told(fragment.text.as_ref(), texts);
        pb::ShownFragment { fragment: Some(fragment), text }
    });
    let calls = calls(kept).map(|(part, called)| pb::ShownCall {
        call_id: called.call_id.clone(),
        step: called.owner.as_ref().map_or(0, |owner| owner.step),
        time: Some(moment(Timestamp::from_micros(part.time_us))),
        model: called.model.clone(),
        response: told(called.response.as_ref(), texts),
        usage: called.usage,
        cost_micro_usd: called.cost_micro_usd,
        timing: called.timing,
        finish_reason: called.finish_reason.clone(),
        failure: called.failure.clone(),
        request_hash: called.request_hash.clone(),
    });
    let actions = actions(kept).map(|(part, performed)| pb::ShownAction {
        step: performed.step,
        index: performed.index,
        action: performed.action.clone(),
        target: performed.target.clone(),
        time: Some(moment(Timestamp::from_micros(part.time_us))),
        receipt: Some(pb::Receipt {
            action_id: performed.action_id.clone(),
            status: performed.status,
            reason: performed.reason.clone(),
            result: told(performed.result.as_ref(), texts),
            price_tokens: performed.price_tokens,
            balance_tokens: performed.balance_tokens,
            position: performed.position.clone(),
        }),
    });
    pb::GetCycleResponse {
        cycle: Some(summary(kept, texts)),
        fragments: fragments.collect(),
        calls: calls.collect(),
        actions: actions.collect(),
    }
}

fn moment(moment: Timestamp) -> wkt::Timestamp {
    let (seconds, nanos) = moment.as_seconds_and_nanos();
    wkt::Timestamp { seconds, nanos }
}
