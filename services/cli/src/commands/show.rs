//! `vivarium show`: one task, its attempts, what was written, what review said.

use serde_json::json;
use vivarium_chassis::{Problem, Service};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::review::v1 as review_pb;
use vivarium_proto::review::v1::review_service_client::ReviewServiceClient;
use vivarium_types::{Reason, program};

use super::tasks::{why, word};
use super::wanted;
use crate::args::AsOf;
use crate::console::Console;
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, named: &str, as_of: &AsOf) -> Result<(), Failure> {
    let as_of = wanted::as_of(as_of)?;
    let past = as_of.is_some();
    let request = pb::GetTaskRequest { task: named.to_owned(), as_of, min_position: None };
    let answer = console.tasks()?.get_task(request).await?.into_inner();
    let task = answer.task.unwrap_or_default();
    // What review says today does not belong to what was known then.
    let submission = if past { None } else { submission(console, &task.task_id).await? };
    if console.json {
        return render::json(&json!({"task": task, "submission": submission}));
    }
    head(&task)?;
    for attempt in &task.attempts {
        let outcome = if attempt.outcome.is_empty() { "running" } else { &attempt.outcome };
        let by = if attempt.resident_id.is_empty() { "nobody" } else { &attempt.resident_id };
        render::line(&format!("attempt {}  {outcome} by {by}", attempt.number))?;
    }
    for feedback in &task.feedback {
        field("feedback", feedback)?;
    }
    match submission {
        Some(submission) => work(&submission),
        None => Ok(()),
    }
}

/// What a task has brought so far.
pub(super) async fn submission(
    console: &Console,
    task: &str,
) -> Result<Option<review_pb::Submission>, Failure> {
    let mut reviews = ReviewServiceClient::new(console.calls(Service::Review)?);
    let request =
        review_pb::GetSubmissionRequest { submission: task.to_owned(), min_position: None };
    match reviews.get_submission(request).await {
        Ok(answer) => Ok(answer.into_inner().submission),
        Err(status) if Problem::from(&status).is(Reason::ReviewSubmissionNotFound) => Ok(None),
        Err(status) => Err(status.into()),
    }
}

fn head(task: &pb::Task) -> Result<(), Failure> {
    let spec = task.spec.clone().unwrap_or_default();
    render::line(&format!("task       {}", task.task_id))?;
    if !spec.key.is_empty() {
        render::line(&format!("key        {}", spec.key))?;
    }
    render::line(&format!("title      {}", spec.title))?;
    let why = why(task);
    let why = if why.is_empty() { why } else { format!(" ({why})") };
    render::line(&format!("state      {}{why}", word(task.state())))?;
    if !task.reference_statuses.is_empty() {
        render::line(&format!("elsewhere  {}", task.reference_statuses.join(", ")))?;
    }
    render::line(&format!("cost       {}", render::dollars(task.cost_micro_usd)))?;
    let asked = if task.why.is_empty() { "asks for" } else { "proposed" };
    field(asked, &spec.instruction)?;
    field("by", &task.submitter)?;
    field("why", &task.why)?;
    if !task.held_program.is_empty() {
        let program = program::readable(&task.held_program);
        let digest = hex::encode(&task.held_program_hash);
        field("held for", &format!("{program}\ndigest {digest}"))?;
    }
    for (name, value) in terms(&spec) {
        field(name, &value)?;
    }
    if !task.parent_id.is_empty() {
        render::line(&format!("part of    {}", task.parent_id))?;
    }
    for child in &task.child_ids {
        render::line(&format!("part       {child}"))?;
    }
    if !task.failure_message.is_empty() {
        render::line(&format!("failure    {}", task.failure_message))?;
    }
    Ok(())
}

/// One field, whole; nothing when it is empty. Further lines stand below its first one.
fn field(name: &str, value: &str) -> Result<(), Failure> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(());
    }
    render::line(&format!("{name:<11}{}", value.replace('\n', &format!("\n{:11}", ""))))
}

/// What a person set, where it is not what every task has.
fn terms(spec: &pb::TaskSpec) -> Vec<(&'static str, String)> {
    let (profile, level, kind) = (spec.review(), spec.level_max(), spec.kind());
    let but = |plain: bool, name: &str, prefix: &str| {
        if plain { String::new() } else { name.trim_start_matches(prefix).to_lowercase() }
    };
    let profile_is_plain =
        matches!(profile, review_pb::Profile::Unspecified | review_pb::Profile::Standard);
    let level_is_plain = matches!(level, pb::Mode::Unspecified | pb::Mode::DocsOnly);
    let kind_is_plain = matches!(kind, pb::TaskKind::Unspecified | pb::TaskKind::Docs);
    let priority = spec.priority.filter(|priority| *priority != 5);
    vec![
        ("kind", but(kind_is_plain, kind.as_str_name(), "TASK_KIND_")),
        ("command", spec.command.join(" ")),
        ("must", spec.constraints.join("\n")),
        ("better", spec.preferences.join("\n")),
        ("must not", spec.anti_goals.join("\n")),
        ("target", spec.target.clone()),
        ("behind", spec.depends_on.join("\n")),
        ("priority", priority.map(|priority| priority.to_string()).unwrap_or_default()),
        ("resident", spec.resident_id.clone()),
        ("needs", spec.specialization.clone()),
        ("review", but(profile_is_plain, profile.as_str_name(), "PROFILE_")),
        ("level", but(level_is_plain, level.as_str_name(), "MODE_")),
        ("hat", spec.hat.clone()),
        ("model", spec.model.clone()),
        ("tags", spec.tags.join(", ")),
    ]
}

fn work(submission: &review_pb::Submission) -> Result<(), Failure> {
    render::line(&format!("submission {}", submission.submission_id))?;
    for finding in &submission.findings {
        if finding.outcome() != review_pb::CheckOutcome::Clean {
            render::line(&format!("  {}: {}", finding.check, finding.text))?;
        }
    }
    if let Some(critique) = &submission.critique {
        let source = if critique.embedded { "a local model, advising only" } else { "the critic" };
        if !critique.missing.is_empty() {
            render::line(&format!("  no critique: {}", critique.missing))?;
        }
        for issue in &critique.issues {
            render::line(&format!("  {source}: {}", issue.trim()))?;
        }
    }
    if let Some(verdict) = &submission.verdict {
        let value = verdict.value().as_str_name().trim_start_matches("VERDICT_VALUE_");
        render::line(&format!("verdict    {} ({})", value.to_lowercase(), verdict.note))?;
    }
    if !submission.answer.is_empty() {
        render::line(&format!("\n{}", submission.answer))?;
    }
    for document in &submission.documents {
        render::line(&format!("\n--- {} ---\n{}", document.path, document.body))?;
    }
    Ok(())
}
