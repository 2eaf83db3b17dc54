//! Requests as commands: everything that is wrong with one is found before it is refused, each with
//! its dotted path.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_chassis::{Refusal, Violations};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::wkt;
use vivarium_types::ids::{ResidentId, TaskId};
use vivarium_types::library::LibraryPath;
use vivarium_types::limits::{
    PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, REASON_LENGTH_MAX, REQUEST_ID_LENGTH_MAX,
};
use vivarium_types::source::Hash;
use vivarium_types::{Hat, MicroUsd, Timestamp, text};

use crate::domain::event::read;
use crate::domain::limits::Limit;
use crate::domain::recurrence::Schedule;
use crate::domain::retry::Class;
use crate::domain::steer::Redrive;
use crate::domain::task::{Kind, Mode, OnFailure, Spec, Thoroughness};
use crate::domain::world;
use crate::views::Filter;

/// Tasks of one request.
const BATCH_MAX: usize = 100;
/// Entries of feedback that a proposal brings along, and characters of each.
const FEEDBACK_MAX: usize = 10;
const FEEDBACK_LENGTH_MAX: usize = 1_000;
/// Most micro-dollars of a budget.
const BUDGET_MAX: i64 = 50_000_000;
const BUDGET_MIN_DEFAULT: i64 = 50_000;
const BUDGET_MAX_DEFAULT: i64 = 100_000;
const TITLE_MAX: usize = 120;
const PRIORITY_DEFAULT: u32 = 5;
const RUN_LIMIT_DEFAULT: Duration = Duration::from_mins(15);
const PROGRAMS: [&str; 5] = ["ls", "pwd", "cat", "echo", "rg"];
const ARGUMENTS_MAX: usize = 32;
/// Characters of a cron pattern.
const CRON_LENGTH_MAX: usize = 100;
/// Characters of a recurrence's key.
const RECURRENCE_KEY_MAX: usize = 48;
const ARGUMENT_LENGTH_MAX: usize = 1_000;

/// What bounds the tasks of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) instruction_chars: usize,
    pub(crate) metadata_keys: usize,
    pub(crate) metadata_bytes: usize,
    pub(crate) dependencies: usize,
}

/// A task that is asked for, its texts still in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) spec: Spec,
    pub(crate) title: String,
    pub(crate) instruction: String,
    pub(crate) intent: Option<Intent>,
}

/// What a submitter says beside the instruction: stored as one JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Intent {
    pub(crate) constraints: Vec<String>,
    pub(crate) preferences: Vec<String>,
    pub(crate) anti_goals: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The tasks of a request.
pub(crate) fn add(wire: pb::AddTasksRequest, bounds: &Bounds) -> Result<Vec<Asked>, Refusal> {
    let mut wrong = Violations::new();
    request_id(&mut wrong, &wire.request_id);
    if wire.tasks.is_empty() || wire.tasks.len() > BATCH_MAX {
        wrong.add("tasks", format!("must be 1 to {BATCH_MAX} tasks"));
        return wrong.done(None);
    }
    let tasks = wire.tasks.into_iter().enumerate();
    let asked: Vec<Option<Asked>> = tasks
        .map(|(at, task)| wrong.item("tasks", at, |wrong| asked(wrong, task, bounds)))
        .collect();
    wrong.done(asked.into_iter().collect())
}

/// The task of a request for one cycle.
pub(crate) fn cycle(wire: pb::RunCycleRequest, bounds: &Bounds) -> Result<Asked, Refusal> {
    let mut wrong = Violations::new();
    request_id(&mut wrong, &wire.request_id);
    let task = wrong.present("task", wire.task);
    let asked = task.and_then(|task| wrong.within("task", |wrong| asked(wrong, task, bounds)));
    wrong.done(asked)
}

/// A task that is proposed, with its texts.
pub(crate) struct Offered {
    /// What is asked for.
    pub(crate) asked: Asked,
    /// Why.
    pub(crate) why: String,
    /// What was said of earlier work on it, newest first.
    pub(crate) feedback: Vec<String>,
}

/// The tasks of a request that proposes them.
pub(crate) fn offers(
    wire: pb::ProposeTasksRequest,
    bounds: &Bounds,
) -> Result<Vec<Offered>, Refusal> {
    let mut wrong = Violations::new();
    request_id(&mut wrong, &wire.request_id);
    if wire.tasks.is_empty() || wire.tasks.len() > BATCH_MAX {
        wrong.add("tasks", format!("must be 1 to {BATCH_MAX} tasks"));
        return wrong.done(None);
    }
    let tasks = wire.tasks.into_iter().enumerate();
    let offered: Vec<Option<Offered>> = tasks
        .map(|(at, task)| wrong.item("tasks", at, |wrong| offered(wrong, task, bounds)))
        .collect();
    wrong.done(offered.into_iter().collect())
}

fn offered(wrong: &mut Violations, wire: pb::ProposedTask, bounds: &Bounds) -> Option<Offered> {
    let spec = wrong.present("spec", wire.spec);
    let asked = spec.and_then(|spec| wrong.within("spec", |wrong| asked(wrong, spec, bounds)));
    let why = wrong.text("why", &wire.why, 3, REASON_LENGTH_MAX);
    if wire.feedback.len() > FEEDBACK_MAX {
        wrong.add("feedback", format!("has more than {FEEDBACK_MAX} entries"));
    }
    let each = wire.feedback.iter().enumerate();
    let feedback: Vec<Option<String>> = each
        .map(|(at, text)| {
            wrong.item("feedback", at, |wrong| wrong.text("", text, 1, FEEDBACK_LENGTH_MAX))
        })
        .collect();
    let feedback = feedback.into_iter().collect::<Option<_>>();
    Some(Offered { asked: asked?, why: why?, feedback: feedback? })
}

/// One task's spec with its texts.
pub(crate) fn asked(
    wrong: &mut Violations,
    mut wire: pb::TaskSpec,
    bounds: &Bounds,
) -> Option<Asked> {
    let mode = mode(wrong, wire.mode);
    let may_run = matches!(wire.level_max(), pb::Mode::RunSandboxed | pb::Mode::ApplyApproved);
    let command = command(wrong, mode, &wire.command, may_run);
    if mode == Some(Mode::Local) && wire.instruction.is_empty() {
        wire.instruction = wire.command.join(" ");
    }
    let instruction = wrong.text("instruction", &wire.instruction, 1, bounds.instruction_chars);
    let title = if wire.title.is_empty() {
        instruction.as_deref().map(beginning)
    } else {
        wrong.text("title", &wire.title, 3, TITLE_MAX)
    };
    let intent = Intent {
        constraints: lines(wrong, "constraints", &wire.constraints),
        preferences: lines(wrong, "preferences", &wire.preferences),
        anti_goals: lines(wrong, "anti_goals", &wire.anti_goals),
        metadata: metadata(wrong, std::mem::take(&mut wire.metadata), bounds),
    };
    let spec = spec(wrong, &wire, mode, command, bounds);
    let intent = (intent != Intent::default()).then_some(intent);
    Some(Asked { spec: spec?, title: title?, instruction: instruction?, intent })
}

fn spec(
    wrong: &mut Violations,
    wire: &pb::TaskSpec,
    mode: Option<Mode>,
    command: Vec<String>,
    bounds: &Bounds,
) -> Option<Spec> {
    let kind = kind(wrong, wire.kind);
    let budget = budget(wrong, wire.budget_min_micro_usd, wire.budget_max_micro_usd);
    let priority =
        wrong.bounded("priority", wire.priority.unwrap_or(PRIORITY_DEFAULT), 0..=9).unwrap_or(0);
    let not_before = moment(wrong, "not_before_time", wire.not_before_time);
    let deadline = moment(wrong, "deadline_time", wire.deadline_time);
    if let (Some(not_before), Some(deadline)) = (not_before, deadline)
        && deadline <= not_before
    {
        wrong.add("deadline_time", "must lie behind not_before_time");
    }
    let spec = Spec {
        key: key(wrong, &wire.key),
        kind: kind.unwrap_or(Kind::Docs),
        mode: mode.unwrap_or(Mode::Llm),
        command,
        target: target(wrong, &wire.target, kind, mode),
        depends_on: depends_on(wrong, &wire.depends_on, bounds),
        on_failure: on_failure(wrong, wire.on_dependency_failure).unwrap_or(OnFailure::Hold),
        priority: u8::try_from(priority).unwrap_or(0),
        parallel_safe: wire.parallel_safe.unwrap_or(true),
        concurrency_key: concurrency_key(wrong, &wire.concurrency_key),
        concurrency_limit: wrong
            .bounded("concurrency_limit", wire.concurrency_limit.unwrap_or(1), 1..=64)
            .unwrap_or(1),
        not_before,
        deadline,
        budget_min: budget.0,
        budget_max: budget.1,
        model: optional_text(wrong, "model", &wire.model, 1, 200),
        resident: wrong.parse_optional("resident_id", &wire.resident_id),
        bonus_tokens: wrong.bounded("bonus_tokens", wire.bonus_tokens, 0..=5_000).unwrap_or(0),
        run_limit: run_limit(wrong, wire.run_limit),
        tags: tags(wrong, &wire.tags),
        rest_day_ok: wire.rest_day_ok.unwrap_or(true),
        specialization: specialization(wrong, &wire.specialization),
        review: known(wrong, "review", read::thoroughness(wire.review))
            .unwrap_or(Thoroughness::Standard),
        level_max: known(wrong, "level_max", read::level(wire.level_max))
            .unwrap_or(world::Mode::DocsOnly),
        hat: hat(wrong, &wire.hat),
    };
    if spec.mode == Mode::Local {
        for (field, set) in [("specialization", &wire.specialization), ("hat", &wire.hat)] {
            if !set.is_empty() {
                wrong.add(field, "is only for tasks that a resident works on");
            }
        }
    }
    if wire.concurrency_limit.is_some() && spec.concurrency_key.is_none() {
        wrong.add("concurrency_limit", "needs a concurrency_key");
    }
    wrong.is_empty().then_some(spec)
}

/// The first line of an instruction, cut to a title's length.
fn beginning(instruction: &str) -> String {
    let line = instruction.trim().lines().next().unwrap_or_default();
    let cut: String = line.chars().take(TITLE_MAX).collect();
    if cut.trim().is_empty() { "task".to_owned() } else { cut.trim().to_owned() }
}

fn key(wrong: &mut Violations, key: &str) -> Option<String> {
    if key.is_empty() {
        return None;
    }
    let begins = key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !begins || !small(key, 64) || key.parse::<TaskId>().is_ok() {
        wrong.add("key", "must be [a-z0-9][a-z0-9._-]{0,63} and not like an id");
        return None;
    }
    Some(key.to_owned())
}

fn concurrency_key(wrong: &mut Violations, key: &str) -> Option<String> {
    if key.is_empty() {
        return None;
    }
    if !small(key, 64) {
        wrong.add("concurrency_key", "must be [a-z0-9._-]{1,64}");
        return None;
    }
    Some(key.to_owned())
}

/// Whether a word is of lower-case letters, digits, dots, underscores and dashes.
fn small(word: &str, length_max: usize) -> bool {
    let fits =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    !word.is_empty() && word.len() <= length_max && word.chars().all(fits)
}

fn kind(wrong: &mut Violations, wire: i32) -> Option<Kind> {
    let kind = if wire == 0 { Some(Kind::Docs) } else { read::kind(wire) };
    known(wrong, "kind", kind)
}

fn mode(wrong: &mut Violations, wire: i32) -> Option<Mode> {
    let mode = if wire == 0 { Some(Mode::Llm) } else { read::task_mode(wire) };
    known(wrong, "mode", mode)
}

fn on_failure(wrong: &mut Violations, wire: i32) -> Option<OnFailure> {
    let on_failure = if wire == 0 { Some(OnFailure::Hold) } else { read::on_failure(wire) };
    known(wrong, "on_dependency_failure", on_failure)
}

fn known<T>(wrong: &mut Violations, field: &str, value: Option<T>) -> Option<T> {
    if value.is_none() {
        wrong.add(field, "is no value of this enum");
    }
    value
}

/// The words of a local task: a tool, or where the task's level allows it a program of the
/// executor's table, which alone knows what that may be given.
fn command(
    wrong: &mut Violations,
    mode: Option<Mode>,
    words: &[String],
    may_run: bool,
) -> Vec<String> {
    match (mode, words.first()) {
        (Some(Mode::Local), Some(program)) => {
            if !PROGRAMS.contains(&program.as_str()) && !may_run {
                let tools = PROGRAMS.join(", ");
                let level = "for a program of the table the task needs the level run_sandboxed";
                wrong.add("command[0]", format!("must be one of {tools}; {level}"));
            } else if !is_program(program) {
                wrong.add("command[0]", "must be a program's id: 1 to 32 of a-z 0-9 . _ + -");
            }
            if words.len() > ARGUMENTS_MAX + 1 {
                wrong.add("command", format!("has more than {ARGUMENTS_MAX} arguments"));
            }
            let words = words.iter().take(ARGUMENTS_MAX + 1).enumerate();
            let words = words.filter_map(|(at, word)| {
                wrong.item("command", at, |wrong| wrong.text("", word, 0, ARGUMENT_LENGTH_MAX))
            });
            return words.collect();
        }
        (Some(Mode::Local), None) => wrong.add("command", "must be set for a local task"),
        (Some(Mode::Llm), Some(_)) => wrong.add("command", "is only for local tasks"),
        (Some(Mode::Llm), None) | (None, _) => {}
    }
    Vec::new()
}

fn is_program(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._+-".contains(c);
    (1..=32).contains(&id.len()) && id.chars().all(plain) && !id.starts_with(['-', '.'])
}

fn target(
    wrong: &mut Violations,
    target: &str,
    kind: Option<Kind>,
    mode: Option<Mode>,
) -> Option<String> {
    if target.is_empty() {
        return None;
    }
    if kind == Some(Kind::Answer) || mode == Some(Mode::Local) {
        wrong.add("target", "is only for documents");
    }
    let path: Option<LibraryPath> = wrong.parse("target", target);
    path.map(|path| path.to_string())
}

fn depends_on(wrong: &mut Violations, names: &[String], bounds: &Bounds) -> Vec<String> {
    if names.len() > bounds.dependencies {
        wrong.add("depends_on", format!("names more than {} tasks", bounds.dependencies));
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    for (at, name) in names.iter().enumerate() {
        wrong.item("depends_on", at, |wrong| {
            if !small(name, 64) {
                wrong.add("", "is no id and no key of a task");
            } else if !seen.insert(name) {
                wrong.add("", "is named twice");
            }
        });
    }
    names.to_vec()
}

fn budget(wrong: &mut Violations, min: Option<i64>, max: Option<i64>) -> (MicroUsd, MicroUsd) {
    let least = min.unwrap_or_else(|| BUDGET_MIN_DEFAULT.min(max.unwrap_or(BUDGET_MIN_DEFAULT)));
    let most = max.unwrap_or_else(|| BUDGET_MAX_DEFAULT.max(least));
    let least_fits = wrong.bounded("budget_min_micro_usd", least, 0..=BUDGET_MAX).is_some();
    let most_fits = wrong.bounded("budget_max_micro_usd", most, 0..=BUDGET_MAX).is_some();
    if least_fits && most_fits && most < least {
        wrong.add("budget_max_micro_usd", "must be at least budget_min_micro_usd");
    }
    (MicroUsd::new(least), MicroUsd::new(most))
}

fn run_limit(wrong: &mut Violations, wire: Option<wkt::Duration>) -> Duration {
    let Some(wire) = wire else { return RUN_LIMIT_DEFAULT };
    span(wrong, "run_limit", &wire, Duration::from_mins(1), Duration::from_hours(1))
        .unwrap_or(RUN_LIMIT_DEFAULT)
}

fn span(
    wrong: &mut Violations,
    field: &str,
    wire: &wkt::Duration,
    min: Duration,
    max: Duration,
) -> Option<Duration> {
    let span = read::positive(wire).filter(|span| (min..=max).contains(span));
    if span.is_none() {
        wrong.add(field, format!("must be {} s to {} s", min.as_secs(), max.as_secs()));
    }
    span
}

pub(crate) fn moment(
    wrong: &mut Violations,
    field: &str,
    wire: Option<wkt::Timestamp>,
) -> Option<Timestamp> {
    /// 9999-12-31T23:59:59Z, the last second that the wire's form has.
    const SECONDS_MAX: i64 = 253_402_300_799;
    let wire = wire?;
    if !(0..=SECONDS_MAX).contains(&wire.seconds) || !(0..1_000_000_000).contains(&wire.nanos) {
        wrong.add(field, "is no moment from 1970 to 9999");
        return None;
    }
    Some(read::moment(wire))
}

fn lines(wrong: &mut Violations, field: &str, lines: &[String]) -> Vec<String> {
    if lines.len() > 10 {
        wrong.add(field, "has more than 10 entries");
        return Vec::new();
    }
    let lines = lines.iter().enumerate();
    lines
        .filter_map(|(at, line)| wrong.item(field, at, |wrong| wrong.text("", line, 3, 200)))
        .collect()
}

fn specialization(wrong: &mut Violations, word: &str) -> Option<String> {
    if !word.is_empty() && !tag(word) {
        wrong.add("specialization", "must be [a-z0-9-]{2,32}");
    }
    (!word.is_empty()).then(|| word.to_owned())
}

fn hat(wrong: &mut Violations, word: &str) -> Option<Hat> {
    if word.is_empty() {
        return None;
    }
    let hat = word.parse().ok();
    if hat.is_none() {
        wrong.add("hat", format!("must be one of {}", Hat::ALL.map(Hat::word).join(", ")));
    }
    hat
}

/// Whether a word is of lower-case letters, digits and dashes, as tags and specializations are.
fn tag(word: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (2..=32).contains(&word.len()) && word.chars().all(inner)
}

fn tags(wrong: &mut Violations, tags: &[String]) -> Vec<String> {
    if tags.len() > 8 {
        wrong.add("tags", "has more than 8 entries");
        return Vec::new();
    }
    for (at, word) in tags.iter().enumerate() {
        if !tag(word) {
            wrong.item("tags", at, |wrong| wrong.add("", "must be [a-z0-9-]{2,32}"));
        }
    }
    tags.to_vec()
}

fn metadata(
    wrong: &mut Violations,
    metadata: HashMap<String, String>,
    bounds: &Bounds,
) -> BTreeMap<String, String> {
    let sorted: BTreeMap<String, String> = metadata.into_iter().collect();
    if sorted.len() > bounds.metadata_keys {
        wrong.add("metadata", format!("has more than {} keys", bounds.metadata_keys));
    }
    let bytes: usize = sorted.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > bounds.metadata_bytes {
        wrong.add("metadata", format!("has more than {} bytes", bounds.metadata_bytes));
        return BTreeMap::new();
    }
    wrong.within("metadata", |wrong| {
        let fitting = sorted.into_iter().filter_map(|(key, value)| {
            if let Err(refused) = text::parse(&key, 1, 200) {
                wrong.add("", format!("has a key that {refused}"));
                return None;
            }
            let value = wrong.text(&key, &value, 0, bounds.metadata_bytes)?;
            Some((key, value))
        });
        fitting.collect()
    })
}

fn optional_text(
    wrong: &mut Violations,
    field: &str,
    value: &str,
    min: usize,
    max: usize,
) -> Option<String> {
    if value.is_empty() { None } else { wrong.text(field, value, min, max) }
}

/// The template and the schedule of a recurrence.
pub(crate) fn recurrence(
    wire: &pb::CreateRecurrenceRequest,
    bounds: &Bounds,
) -> Result<(Asked, Schedule), Refusal> {
    let mut wrong = Violations::new();
    request_id(&mut wrong, &wire.request_id);
    let mut spec = wire.spec.clone().unwrap_or_default();
    spec.rest_day_ok = Some(spec.rest_day_ok.unwrap_or(false));
    let asked = wrong.within("spec", |wrong| {
        recurrence_key(wrong, "key", &spec.key);
        let unset = [
            ("depends_on", spec.depends_on.is_empty()),
            ("not_before_time", spec.not_before_time.is_none()),
            ("deadline_time", spec.deadline_time.is_none()),
        ];
        for (field, _) in unset.iter().filter(|(_, unset)| !unset) {
            wrong.add(field, "is not for a recurrence");
        }
        asked(wrong, spec, bounds)
    });
    let schedule = schedule(&mut wrong, wire.schedule.clone());
    wrong.done(asked.zip(schedule))
}

fn schedule(wrong: &mut Violations, wire: Option<pb::Schedule>) -> Option<Schedule> {
    let schedule = read::schedule(wire);
    match &schedule {
        None => wrong.add("schedule", "must be cron or every_days"),
        Some(Schedule::Cron(pattern)) => {
            // Any moment serves: a pattern either comes true again and again or never.
            let first = schedule.as_ref().map(|schedule| schedule.first(Timestamp::EPOCH, 0));
            if pattern.len() > CRON_LENGTH_MAX {
                wrong.add("schedule.cron", format!("has more than {CRON_LENGTH_MAX} characters"));
            } else if let Some(Err(refused)) = first {
                wrong.add("schedule.cron", refused.to_string());
            }
        }
        Some(Schedule::Days(days)) => {
            wrong.bounded("schedule.every_days", *days, 1..=366);
        }
    }
    schedule
}

/// The key of a recurrence: shorter than a task's, because a number comes behind it.
pub(crate) fn recurrence_key(wrong: &mut Violations, field: &str, key: &str) {
    if key.len() > RECURRENCE_KEY_MAX || !small(key, RECURRENCE_KEY_MAX) {
        wrong.add(field, format!("must be 1 to {RECURRENCE_KEY_MAX} of [a-z0-9._-]"));
    }
}

/// Brings a map of metadata, which encodes in any order, into one: for digests of requests alone.
pub(crate) fn sort_metadata(spec: &mut pb::TaskSpec) {
    let metadata: BTreeMap<_, _> = spec.metadata.drain().collect();
    // No text that is accepted holds the mark, so nothing else reads like this.
    spec.constraints.push("\0".to_owned());
    spec.constraints.extend(metadata.into_iter().flat_map(|(key, value)| [key, value]));
}

/// A request's own id.
pub(crate) fn request_id(wrong: &mut Violations, id: &str) {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    if id.is_empty() || id.len() > REQUEST_ID_LENGTH_MAX || !id.chars().all(fits) {
        wrong.add("request_id", "must be 1 to 64 of [A-Za-z0-9._:-]");
    }
}

/// A reason that must be given.
pub(crate) fn reason(wrong: &mut Violations, reason: &str) -> Option<String> {
    wrong.text("reason", reason, 3, REASON_LENGTH_MAX)
}

/// A reason that may be given.
pub(crate) fn optional_reason(wrong: &mut Violations, reason: &str) -> Option<String> {
    optional_text(wrong, "reason", reason, 3, REASON_LENGTH_MAX)
}

/// The name of a task in a request.
pub(crate) fn task_name(wrong: &mut Violations, name: &str) {
    if !small(name, 64) {
        wrong.add("task", "must be an id or a key");
    }
}

/// A pace with its seconds.
pub(crate) fn pace(wrong: &mut Violations, wire: i32, wait_seconds: u32) -> Option<world::Pace> {
    let pace = known(wrong, "pace", read::pace(wire, wait_seconds))?;
    match pace {
        world::Pace::Wait(seconds) => {
            wrong.bounded("wait_seconds", seconds, 0..=300)?;
        }
        world::Pace::Paused | world::Pace::Step if wait_seconds != 0 => {
            wrong.add("wait_seconds", "is only for the pace wait");
        }
        world::Pace::Paused | world::Pace::Step => {}
    }
    Some(pace)
}

/// A digest.
pub(crate) fn hash(wrong: &mut Violations, field: &str, bytes: &[u8]) -> Option<Hash> {
    let hash = Hash::try_from(bytes).ok();
    if hash.is_none() {
        wrong.add(field, "must be 32 bytes");
    }
    hash
}

/// A level; raising it asks for its name again.
pub(crate) fn level(
    wrong: &mut Violations,
    field: &str,
    wire: i32,
    confirm: &str,
    present: world::Mode,
) -> Option<world::Mode> {
    let mode = known(wrong, field, read::mode(wire))?;
    if mode > present && confirm != mode.word() {
        wrong.add("confirm", format!("must be {} to raise the level", mode.word()));
    }
    Some(mode)
}

/// A day's length.
pub(crate) fn day_length(wrong: &mut Violations, wire: Option<wkt::Duration>) -> Option<Duration> {
    let (min, max) = (Duration::from_mins(1), Duration::from_hours(24));
    wire.and_then(|wire| span(wrong, "day_length", &wire, min, max))
}

/// Which failed tasks to open again.
pub(crate) fn redrive(wire: &pb::RedriveTasksRequest) -> Result<Redrive, Refusal> {
    let mut wrong = Violations::new();
    request_id(&mut wrong, &wire.request_id);
    let tasks = task_names(&mut wrong, &wire.tasks);
    let class = failure_class(&mut wrong, &wire.failure_class);
    let limit = page_size(&mut wrong, "limit", wire.limit, PAGE_SIZE_MAX);
    wrong.done(limit.map(|limit| Redrive { tasks, class, limit }))
}

/// Which tasks a watch is for: a filter, and the names of those alone that it looks at.
pub(crate) fn watch(wire: pb::WatchTasksRequest) -> Result<(Filter, Vec<String>), Refusal> {
    let mut wrong = Violations::new();
    let filter = filter(&mut wrong, wire.filter);
    let names = task_names(&mut wrong, &wire.tasks);
    wrong.done(Some((filter, names)))
}

/// Tasks to explain, behind which one, and how many of them.
pub(crate) fn explain(
    wire: &pb::ExplainTasksRequest,
) -> Result<(Vec<String>, Option<TaskId>, usize), Refusal> {
    let mut wrong = Violations::new();
    let names = task_names(&mut wrong, &wire.tasks);
    let after = wrong.parse_optional("page_token", &wire.page_token);
    let size = page_size(&mut wrong, "page_size", wire.page_size, PAGE_SIZE_DEFAULT);
    wrong.done(size.map(|size| (names, after, size)))
}

fn page_size(wrong: &mut Violations, field: &str, size: u32, default: u32) -> Option<usize> {
    let size = if size == 0 { default } else { size };
    wrong.bounded(field, size, 1..=PAGE_SIZE_MAX).map(|size| size as usize)
}

fn task_names(wrong: &mut Violations, names: &[String]) -> Vec<String> {
    if names.len() > PAGE_SIZE_MAX as usize {
        wrong.add("tasks", format!("names more than {PAGE_SIZE_MAX} tasks"));
        return Vec::new();
    }
    for (at, name) in names.iter().enumerate() {
        if !small(name, 64) {
            wrong.item("tasks", at, |wrong| wrong.add("", "must be an id or a key"));
        }
    }
    names.to_vec()
}

fn failure_class(wrong: &mut Violations, word: &str) -> Option<Class> {
    if word.is_empty() {
        return None;
    }
    let found = Class::ALL.into_iter().find(|class| class.word() == word);
    if found.is_none() {
        let words: Vec<_> = Class::ALL.iter().map(|class| class.word()).collect();
        wrong.add("failure_class", format!("must be one of {}", words.join(", ")));
    }
    found
}

/// Which tasks.
pub(crate) fn filter(wrong: &mut Violations, wire: Option<pb::TaskFilter>) -> Filter {
    let wire = wire.unwrap_or_default();
    wrong.within("filter", |wrong| {
        let mut states = Vec::new();
        for (at, state) in wire.states.iter().enumerate() {
            match read::state(*state) {
                Some(state) => states.push(state),
                None => wrong.item("states", at, |wrong| wrong.add("", "is no state")),
            }
        }
        let resident: Option<ResidentId> = wrong.parse_optional("resident_id", &wire.resident_id);
        let resident = resident.map(|id| id.to_string()).unwrap_or_default();
        let text = optional_text(wrong, "text", &wire.text, 1, 200).unwrap_or_default();
        let class = failure_class(wrong, &wire.failure_class);
        Filter {
            states,
            resident,
            tag: wire.tag,
            text,
            class,
            submitter: wire.submitter,
            recurrence: wire.recurrence,
        }
    })
}

/// Which limits to set, and to what; `None` gives one back to the settings file.
pub(crate) fn limits(
    wrong: &mut Violations,
    wire: &pb::SetLimitsRequest,
) -> BTreeMap<Limit, Option<u64>> {
    let set = wire.limits.as_ref().map(read::limits).unwrap_or_default();
    for (limit, value) in &set {
        wrong.within("limits", |wrong| wrong.bounded(limit.name(), *value, limit.range()));
    }
    let mut changes = BTreeMap::new();
    match &wire.update_mask {
        None => changes.extend(set.into_iter().map(|(limit, value)| (limit, Some(value)))),
        Some(mask) => {
            for (at, path) in mask.paths.iter().enumerate() {
                if let Some(limit) = Limit::ALL.into_iter().find(|limit| limit.name() == path) {
                    changes.insert(limit, set.get(&limit).copied());
                } else {
                    let what = format!("must be one of {}", Limit::ALL.map(Limit::name).join(", "));
                    wrong.item("update_mask.paths", at, |wrong| wrong.add("", what));
                }
            }
        }
    }
    if changes.is_empty() {
        wrong.add("limits", "must set at least one");
    }
    changes
}
