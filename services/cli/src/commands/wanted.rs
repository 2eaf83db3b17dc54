//! What a task asks for, from the options of a command.

use std::io::Read as _;

use vivarium_proto::queue::v1 as pb;
use vivarium_proto::review::v1 as review_pb;
use vivarium_proto::wkt;
use vivarium_types::Timestamp;

use crate::args::{AsOf, Kind, Level, OnFailure, Review, Wanted};
use crate::failure::Failure;

/// A text of the command line; `-` is all of standard input.
pub(super) fn text(given: String) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text.trim_end().to_owned())
}

/// The spec that the options describe; what was not given is unset.
pub(super) fn spec(wanted: Wanted) -> pb::TaskSpec {
    let kind = wanted.kind.map_or(pb::TaskKind::Unspecified, |kind| match kind {
        Kind::Docs => pb::TaskKind::Docs,
        Kind::Plan => pb::TaskKind::Plan,
        Kind::Answer => pb::TaskKind::Answer,
    });
    let on_failure = wanted.on_failure.map_or(pb::DependencyFailure::Unspecified, |on| match on {
        OnFailure::Hold => pb::DependencyFailure::Hold,
        OnFailure::Cancel => pb::DependencyFailure::Cancel,
        OnFailure::RunAnyway => pb::DependencyFailure::RunAnyway,
    });
    let review = wanted.review.map_or(review_pb::Profile::Unspecified, |review| match review {
        Review::Checks => review_pb::Profile::Checks,
        Review::Light => review_pb::Profile::Light,
        Review::Standard => review_pb::Profile::Standard,
        Review::Strict => review_pb::Profile::Strict,
    });
    let level_max = wanted.level_max.map_or(pb::Mode::Unspecified, level);
    pb::TaskSpec {
        key: String::new(),
        title: wanted.title.unwrap_or_default(),
        instruction: String::new(),
        constraints: wanted.constraint,
        preferences: wanted.preference,
        anti_goals: wanted.anti_goal,
        kind: kind.into(),
        mode: pb::TaskMode::Unspecified.into(),
        command: Vec::new(),
        target: wanted.target.unwrap_or_default(),
        depends_on: wanted.depends_on,
        on_dependency_failure: on_failure.into(),
        priority: wanted.priority,
        parallel_safe: wanted.alone.then_some(false),
        concurrency_key: wanted.concurrency_key.unwrap_or_default(),
        concurrency_limit: wanted.concurrency_limit,
        not_before_time: wanted.not_before.map(moment),
        deadline_time: wanted.deadline.map(moment),
        budget_min_micro_usd: wanted.budget_min,
        budget_max_micro_usd: wanted.budget_max,
        model: wanted.model.unwrap_or_default(),
        resident_id: wanted.resident.unwrap_or_default(),
        bonus_tokens: wanted.bonus.unwrap_or_default(),
        run_limit: wanted
            .run_limit
            .map(|minutes| wkt::Duration { seconds: i64::from(minutes) * 60, nanos: 0 }),
        tags: wanted.tag,
        metadata: wanted.metadata.into_iter().collect(),
        rest_day_ok: wanted.rest_day_ok,
        specialization: wanted.specialization.unwrap_or_default(),
        review: review.into(),
        level_max: level_max.into(),
        hat: wanted.hat.unwrap_or_default(),
    }
}

/// Names of the fields that the options set.
pub(super) fn fields(spec: &pb::TaskSpec) -> Vec<String> {
    let plain = pb::TaskSpec::default();
    let set = [
        ("title", spec.title != plain.title),
        ("instruction", spec.instruction != plain.instruction),
        ("constraints", !spec.constraints.is_empty()),
        ("preferences", !spec.preferences.is_empty()),
        ("anti_goals", !spec.anti_goals.is_empty()),
        ("kind", spec.kind != plain.kind),
        ("target", spec.target != plain.target),
        ("depends_on", !spec.depends_on.is_empty()),
        ("on_dependency_failure", spec.on_dependency_failure != plain.on_dependency_failure),
        ("priority", spec.priority.is_some()),
        ("parallel_safe", spec.parallel_safe.is_some()),
        ("concurrency_key", spec.concurrency_key != plain.concurrency_key),
        ("concurrency_limit", spec.concurrency_limit.is_some()),
        ("not_before_time", spec.not_before_time.is_some()),
        ("deadline_time", spec.deadline_time.is_some()),
        ("budget_min_micro_usd", spec.budget_min_micro_usd.is_some()),
        ("budget_max_micro_usd", spec.budget_max_micro_usd.is_some()),
        ("model", spec.model != plain.model),
        ("resident_id", spec.resident_id != plain.resident_id),
        ("bonus_tokens", spec.bonus_tokens != plain.bonus_tokens),
        ("run_limit", spec.run_limit.is_some()),
        ("tags", !spec.tags.is_empty()),
        ("metadata", !spec.metadata.is_empty()),
        ("rest_day_ok", spec.rest_day_ok.is_some()),
        ("specialization", spec.specialization != plain.specialization),
        ("review", spec.review != plain.review),
        ("level_max", spec.level_max != plain.level_max),
        ("hat", spec.hat != plain.hat),
    ];
    set.iter().filter(|(_, set)| *set).map(|(name, _)| (*name).to_owned()).collect()
}

/// A moment of the past: a row of the log or a time.
pub(super) fn as_of(as_of: &AsOf) -> Result<Option<pb::AsOf>, Failure> {
    let Some(given) = &as_of.as_of else { return Ok(None) };
    let moment = match (given.parse::<u64>(), given.parse::<Timestamp>()) {
        (Ok(sequence), _) => pb::as_of::Moment::Sequence(sequence),
        (Err(_), Ok(time)) => pb::as_of::Moment::Time(moment(time)),
        (Err(_), Err(_)) => {
            return Err(Failure::usage(
                format!("{given} is no row and no moment"),
                "use a row's number, or a time such as 2027-01-31T08:00:00Z",
            ));
        }
    };
    Ok(Some(pb::AsOf { moment: Some(moment) }))
}

fn moment(moment: Timestamp) -> wkt::Timestamp {
    let (seconds, nanos) = moment.as_seconds_and_nanos();
    wkt::Timestamp { seconds, nanos }
}

/// A level as the contract has it.
pub(super) const fn level(level: Level) -> pb::Mode {
    match level {
        Level::DocsOnly => pb::Mode::DocsOnly,
        Level::ProposeChanges => pb::Mode::ProposeChanges,
        Level::RunSandboxed => pb::Mode::RunSandboxed,
        Level::ApplyApproved => pb::Mode::ApplyApproved,
    }
}
