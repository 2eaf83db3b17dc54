//! Tasks that somebody asks for.

use std::time::Duration;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use vivarium_ledger::TextRef;
use vivarium_queue::domain::add::Proposal;
use vivarium_queue::domain::task::{Kind, Mode, OnFailure, Spec, Thoroughness};
use vivarium_queue::domain::world::Mode as Level;
use vivarium_types::ids::{Id as _, ResidentId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{MicroUsd, Timestamp};

/// What some tasks ask their workers to be good at.
pub(crate) const SKILL: &str = "qa";

/// One to three tasks, each marked with a tag of its own; they may depend on each other and on what
/// is there.
pub(crate) fn batch(
    rng: &mut ChaCha8Rng,
    name: &str,
    known: &[TaskId],
    now: Timestamp,
) -> Vec<Proposal> {
    let count = rng.random_range(1..=3);
    let keyed = rng.random_ratio(1, 2);
    (0..count).map(|number| proposal(rng, (name, keyed), number, known, now)).collect()
}

fn proposal(
    rng: &mut ChaCha8Rng,
    (name, keyed): (&str, bool),
    number: u32,
    known: &[TaskId],
    now: Timestamp,
) -> Proposal {
    let tag = format!("{name}-{number}");
    let mut depends_on = Vec::new();
    if keyed && number > 0 && rng.random_ratio(1, 3) {
        depends_on.push(format!("{name}-{}", number - 1));
    }
    // Now and then on one that comes behind it: with the line above, at times, a circle.
    if keyed && number == 0 && rng.random_ratio(1, 8) {
        depends_on.push(format!("{name}-1"));
    }
    for _ in 0..2 {
        if !known.is_empty() && rng.random_ratio(1, 5) {
            let on = known[rng.random_range(0..known.len())].to_string();
            if !depends_on.contains(&on) {
                depends_on.push(on);
            }
        }
    }
    let not_before =
        rng.random_ratio(1, 10).then(|| now + Duration::from_secs(rng.random_range(1..120)));
    let deadline =
        rng.random_ratio(1, 15).then(|| now + Duration::from_secs(rng.random_range(30..600)));
    let on_failure = match rng.random_range(0..3) {
        0 => OnFailure::Hold,
        1 => OnFailure::Cancel,
        _ => OnFailure::RunAnyway,
    };
    let resident = rng
        .random_ratio(1, 10)
        .then(|| ResidentId::from_number(u128::from(rng.random_range(1..=4_u32))));
    let key = rng.random_ratio(1, 4).then(|| "k".to_owned());
    // Now and then a name that others want as well.
    let name = if rng.random_ratio(1, 20) {
        format!("wanted-{}", rng.random_range(0..3))
    } else {
        tag.clone()
    };
    let mode = if rng.random_ratio(1, 8) { Mode::Local } else { Mode::Llm };
    let skilled = mode == Mode::Llm && rng.random_ratio(1, 8);
    let spec = Spec {
        key: keyed.then_some(name),
        mode,
        specialization: skilled.then(|| SKILL.to_owned()),
        depends_on,
        on_failure,
        priority: rng.random_range(0..10),
        parallel_safe: !rng.random_ratio(1, 12),
        concurrency_key: key.clone(),
        concurrency_limit: if key.is_some() { 2 } else { 1 },
        not_before,
        deadline,
        resident,
        tags: vec![tag],
        ..plain()
    };
    Proposal { spec, title: text(), instruction: text(), intent: None }
}

/// A task without wishes.
pub(crate) fn plain() -> Spec {
    Spec {
        key: None,
        kind: Kind::Docs,
        mode: Mode::Llm,
        command: Vec::new(),
        target: None,
        depends_on: Vec::new(),
        on_failure: OnFailure::Hold,
        priority: 5,
        parallel_safe: true,
        concurrency_key: None,
        concurrency_limit: 1,
        not_before: None,
        deadline: None,
        budget_min: MicroUsd::ZERO,
        budget_max: MicroUsd::ZERO,
        model: None,
        resident: None,
        bonus_tokens: 0,
        run_limit: Duration::from_mins(15),
        tags: Vec::new(),
        rest_day_ok: true,
        specialization: None,
        review: Thoroughness::Standard,
        level_max: Level::DocsOnly,
        hat: None,
    }
}

/// A text that nobody reads.
pub(crate) fn text() -> TextRef {
    TextRef { id: "txt".into(), hash: Hash::default(), length: 0, sealed: false }
}
