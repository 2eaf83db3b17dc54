//! Safety rules and what was stopped, from the wire and to it.

use vivarium_chassis::{Refusal, Violations};
use vivarium_proto::executor::v1 as pb;
use vivarium_types::Timestamp;

use super::{behind, moment, page_size};
use crate::domain::event;
use crate::domain::preflight::Finding;
use crate::policy::{INJECTION, RELAY, Told};
use crate::views::refusals::{Count, Kind, Stopped, Wanted};

/// What of it is asked for.
pub(in crate::rpc) fn wanted(wire: &pb::ListRefusalsRequest) -> Result<Wanted, Refusal> {
    let mut wrong = Violations::new();
    let mut kinds = Vec::new();
    for (index, kind) in wire.kinds.iter().enumerate() {
        match Kind::ALL.into_iter().find(|known| i32::from(kind_out(*known)) == *kind) {
            Some(kind) => kinds.push(kind),
            None => wrong.add(
                &format!("kinds[{index}]"),
                "must be ACTION, TASK_HELD, TASK_BLOCKED or FRAGMENT",
            ),
        }
    }
    let limit = page_size(&mut wrong, wire.page_size);
    let before = behind(&mut wrong, &wire.page_token, place);
    wrong.finish()?;
    Ok(Wanted { kinds, before, limit })
}

/// For the page behind this row.
pub(in crate::rpc) fn token(stopped: &Stopped) -> String {
    let (sequence, part) = stopped.place;
    format!("{sequence}.{part}")
}

fn place(token: &str) -> Option<(u64, u32)> {
    let (sequence, part) = token.split_once('.')?;
    // The tables know no larger numbers.
    let sequence = sequence.parse().ok().filter(|sequence| i64::try_from(*sequence).is_ok())?;
    Some((sequence, part.parse().ok()?))
}

const fn kind_out(kind: Kind) -> pb::RefusalKind {
    match kind {
        Kind::Action => pb::RefusalKind::Action,
        Kind::TaskHeld => pb::RefusalKind::TaskHeld,
        Kind::TaskBlocked => pb::RefusalKind::TaskBlocked,
        Kind::Fragment => pb::RefusalKind::Fragment,
    }
}

/// Something that was stopped, with what its receipt says.
pub(in crate::rpc) fn refusal(stopped: Stopped, told: String) -> pb::Refusal {
    pb::Refusal {
        sequence: stopped.place.0,
        time: Some(moment(Timestamp::from_micros(stopped.time_us))),
        kind: kind_out(stopped.kind).into(),
        task_id: stopped.task,
        resident_id: stopped.resident,
        cycle_id: stopped.cycle,
        step: stopped.step,
        what: stopped.what,
        target: stopped.target,
        why: stopped.why,
        findings: stopped.findings.into_iter().map(finding).collect(),
        told,
    }
}

fn finding(finding: Finding) -> pb::PreflightFinding {
    let Finding { rule, place, outcome } = finding;
    pb::PreflightFinding { rule, r#where: place, outcome: event::preflight_out(outcome).into() }
}

/// How often something was stopped.
pub(in crate::rpc) fn count(count: Count) -> pb::RefusalCount {
    let Count { kind, why, times } = count;
    pb::RefusalCount { kind: kind_out(kind).into(), why, count: times }
}

/// A rule with how often it stopped something.
pub(in crate::rpc) fn rule(rule: Told, counts: &[Count]) -> pb::Rule {
    let often = |kind: Kind, why: &str| {
        let found = counts.iter().find(|count| count.kind == kind && count.why == why);
        found.map_or(0, |count| count.times)
    };
    let texts_stopped = match rule.name.as_str() {
        INJECTION => often(Kind::Fragment, INJECTION),
        RELAY => often(Kind::Action, vivarium_types::Reason::SafetyRelay.name()),
        _ => 0,
    };
    pb::Rule {
        tasks_blocked: often(Kind::TaskBlocked, &rule.name),
        tasks_held: often(Kind::TaskHeld, &rule.name),
        texts_stopped,
        name: rule.name,
        about: rule.about,
        looks_at: rule.looks_at.to_owned(),
        follows: rule.follows.to_owned(),
        patterns: rule.patterns,
    }
}
