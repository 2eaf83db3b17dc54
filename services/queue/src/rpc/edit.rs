//! Changing a task: the fields that a mask names are taken from the request, all others from the task,
//! and the whole is as strict as an add.

use std::collections::BTreeSet;

use vivarium_chassis::{Refusal, Violations};
use vivarium_ledger::{Request as RequestKey, Submission};
use vivarium_proto::queue::v1 as pb;
use vivarium_types::Actor;

use super::convert::{self, Asked, Intent};
use super::{Desk, broken, position, refusal, show};
use crate::domain::edit::{Edit, IntentEdit, Wanted};
use crate::domain::event::Event;
use crate::domain::{Command, Queue};
use crate::views::{self, Record};

const METHOD: &str = "/vivarium.queue.v1.TaskService/EditTask";

macro_rules! editable {
    ($($field:ident)*) => {
        /// Fields that an edit may name: all of a spec but its key, which is unique for ever.
        const FIELDS: &[&str] = &[$(stringify!($field)),*];

        /// Takes over one field.
        fn take(spec: &mut pb::TaskSpec, from: &mut pb::TaskSpec, field: &str) {
            match field {
                $(stringify!($field) => spec.$field = std::mem::take(&mut from.$field),)*
                _ => {}
            }
        }
    };
}

editable! {
    title instruction constraints preferences anti_goals kind mode command target depends_on
    on_dependency_failure priority parallel_safe concurrency_key concurrency_limit not_before_time
    deadline_time budget_min_micro_usd budget_max_micro_usd model resident_id bonus_tokens run_limit
    tags metadata rest_day_ok specialization review level_max hat
}

/// Changes a task.
pub(super) async fn edit(
    desk: &Desk,
    actor: Actor,
    wire: pb::EditTaskRequest,
) -> Result<pb::EditTaskResponse, Refusal> {
    let mut wrong = Violations::new();
    convert::request_id(&mut wrong, &wire.request_id);
    convert::task_name(&mut wrong, &wire.task);
    let revision = wrong.parse("etag", &wire.etag);
    let fields = fields(&mut wrong, &wire);
    let revision: u32 = wrong.done(revision)?;
    let key = RequestKey::of(METHOD, &wire.request_id, &canonical(&wire));
    let mut texts = desk.ledger.texts();
    let wanted = match found(desk, &wire.task, revision).await? {
        None => None,
        Some(record) => {
            let (asked, old) = merged(desk, record, wire.spec.unwrap_or_default(), &fields)?;
            let mut new =
                |field: &str, text: &str| fields.contains(field).then(|| texts.plain(text));
            let title = new("title", &asked.title);
            let instruction = new("instruction", &asked.instruction);
            let intent = match asked.intent {
                same if same == old => IntentEdit::Keep,
                None => IntentEdit::Remove,
                Some(intent) => {
                    let json = serde_json::to_string(&intent).expect("lists of texts are JSON");
                    IntentEdit::Set(texts.plain(&json))
                }
            };
            Some(Wanted { spec: asked.spec, fields, title, instruction, intent })
        }
    };
    let command = Command::Edit(Box::new(Edit { task: wire.task, revision, wanted }));
    let submission = Submission::new(actor, command)
        .texts(texts.into_rows())
        .request(key)
        .answering(|_: &Queue, decided| {
            let edited = decided.events.iter().find_map(|(event, _)| {
                let Event::TaskEdited(edited) = event else { return None };
                Some(edited.revision.to_string())
            });
            let position = Some(position(decided.sequence));
            pb::EditTaskResponse { position, etag: edited.unwrap_or_default() }
        });
    let answer = desk.ledger.submit(submission).await.map_err(refusal)?;
    answer.message().map_err(broken)
}

/// The task, while it is still at the revision that the caller read. Otherwise there is nothing to
/// merge with, and what becomes of the edit is decided with the log: a repeat has its first answer.
async fn found(desk: &Desk, name: &str, revision: u32) -> Result<Option<Record>, Refusal> {
    let name = name.to_owned();
    let found = desk.ledger.view(move |db| views::find(db, &name)).await.map_err(broken)?;
    Ok(found.filter(|record| record.task.revision == revision))
}

/// The whole spec behind the edit, and the intent before it.
fn merged(
    desk: &Desk,
    record: Record,
    mut from: pb::TaskSpec,
    fields: &BTreeSet<String>,
) -> Result<(Asked, Option<Intent>), Refusal> {
    let old = serde_json::from_str(&record.intent).ok();
    let mut spec = show::record(record, None).spec.unwrap_or_default();
    for field in fields {
        take(&mut spec, &mut from, field);
    }
    let mut wrong = Violations::new();
    let asked = wrong.within("spec", |wrong| convert::asked(wrong, spec, &desk.bounds()));
    Ok((wrong.done(asked)?, old))
}

fn fields(wrong: &mut Violations, wire: &pb::EditTaskRequest) -> BTreeSet<String> {
    let paths = wire.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        wrong.add("update_mask", "must name what changes");
    }
    for (at, path) in paths.iter().enumerate() {
        if !FIELDS.contains(&path.as_str()) {
            let what = format!("must be one of {}", FIELDS.join(", "));
            wrong.item("update_mask.paths", at, |wrong| wrong.add("", what));
        }
    }
    paths.iter().cloned().collect()
}

/// The request with its map of metadata in one order, for its digest.
fn canonical(wire: &pb::EditTaskRequest) -> pb::EditTaskRequest {
    let mut plain = wire.clone();
    if let Some(spec) = &mut plain.spec {
        convert::sort_metadata(spec);
    }
    plain
}
