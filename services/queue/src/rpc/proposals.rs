//! Proposals: `ProposeTask` by a runner; `ProposeTasks`, `AdmitTask` and `RefuseTask` by a person.

use vivarium_chassis::{Refusal, Violations};
use vivarium_ledger::{Request as RequestKey, Submission, Texts};
use vivarium_proto::queue::v1 as pb;
use vivarium_types::Actor;
use vivarium_types::limits::REASON_LENGTH_MAX;
use vivarium_types::split::{INSTRUCTION_MIN, WHY_MIN};

use super::runner::plans::Lineage;
use super::runner::words;
use super::{Desk, broken, convert, position, refusal};
use crate::domain::add::Proposal;
use crate::domain::event::Event;
use crate::domain::propose::{Offer, Wish};
use crate::domain::split::likeness;
use crate::domain::{Command, Queue};

/// Proposes a task in the name of the resident who holds the lease.
pub(super) async fn propose(
    desk: &Desk,
    actor: Actor,
    wire: pb::ProposeTaskRequest,
) -> Result<pb::ProposeTaskResponse, Refusal> {
    const METHOD: &str = "/vivarium.queue.v1.RunnerService/ProposeTask";
    let key = RequestKey::of(METHOD, &wire.request_id, &wire);
    let mut wrong = Violations::new();
    convert::request_id(&mut wrong, &wire.request_id);
    let lease = wrong.present("lease", wire.lease.as_ref());
    let held = lease.and_then(|lease| wrong.within("lease", |wrong| words::held(wrong, lease)));
    let why = wrong.text("why", &wire.why, WHY_MIN, REASON_LENGTH_MAX);
    let spec = pb::TaskSpec {
        title: wire.title,
        instruction: wire.instruction,
        rest_day_ok: Some(false),
        ..pb::TaskSpec::default()
    };
    if spec.title.is_empty() {
        wrong.add("title", "must be set");
    }
    if spec.instruction.chars().count() < INSTRUCTION_MIN {
        wrong.add("instruction", format!("must be at least {INSTRUCTION_MIN} characters"));
    }
    let asked = convert::asked(&mut wrong, spec, &desk.bounds());
    let (held, (asked, why)) = wrong.done(held.zip(asked.zip(why)))?;
    let lineage = Lineage::of(desk, held).await?;
    let mut texts = desk.ledger.texts();
    let wish = Wish {
        held,
        likeness: likeness(&asked.instruction),
        ancestors: lineage.texts.iter().map(|text| likeness(text)).collect(),
        proposal: Proposal {
            title: texts.plain(&asked.title),
            instruction: texts.plain(&asked.instruction),
            intent: None,
            spec: asked.spec,
        },
        why: texts.plain(&why),
        open_max: desk.config.open_tasks_max,
    };
    let submission = Submission::new(actor, Command::Propose(Box::new(wish)))
        .texts(texts.into_rows())
        .request(key)
        .answering(|_: &Queue, decided| {
            let proposed = decided.events.iter().find_map(|(event, _)| {
                let Event::TaskProposed(proposed) = event else { return None };
                Some(proposed.added.task.to_string())
            });
            let task_id = proposed.unwrap_or_default();
            pb::ProposeTaskResponse { task_id, position: Some(position(decided.sequence)) }
        });
    let answer = desk.ledger.submit(submission).await.map_err(refusal)?;
    answer.message().map_err(broken)
}

/// Tasks that a person proposes, all or none.
pub(super) async fn offer(
    desk: &Desk,
    actor: Actor,
    wire: pb::ProposeTasksRequest,
) -> Result<pb::ProposeTasksResponse, Refusal> {
    const METHOD: &str = "/vivarium.queue.v1.TaskService/ProposeTasks";
    let mut plain = wire.clone();
    let specs = plain.tasks.iter_mut().filter_map(|task| task.spec.as_mut());
    specs.for_each(convert::sort_metadata);
    let key = RequestKey::of(METHOD, &wire.request_id, &plain);
    let asked = convert::offers(wire, &desk.bounds())?;
    let mut texts = desk.ledger.texts();
    let offers = asked
        .into_iter()
        .map(|convert::Offered { asked, why, feedback }| Offer {
            likeness: likeness(&asked.instruction),
            proposal: proposal(asked, &mut texts),
            why: texts.plain(&why),
            feedback: feedback.iter().map(|text| texts.plain(text)).collect(),
        })
        .collect();
    let open_max = desk.config.open_tasks_max;
    let submission = Submission::new(actor, Command::Offer { offers, open_max })
        .texts(texts.into_rows())
        .request(key)
        .answering(|_: &Queue, decided| {
            let proposed = decided.events.iter().filter_map(|(event, _)| {
                let Event::TaskProposed(proposed) = event else { return None };
                Some(proposed.added.task.to_string())
            });
            let task_ids = proposed.collect();
            pb::ProposeTasksResponse { position: Some(position(decided.sequence)), task_ids }
        });
    let answer = desk.ledger.submit(submission).await.map_err(refusal)?;
    answer.message().map_err(broken)
}

/// A task that was asked for, with its texts beside the log.
pub(super) fn proposal(asked: convert::Asked, texts: &mut Texts<'_, Queue>) -> Proposal {
    Proposal {
        title: texts.plain(&asked.title),
        instruction: texts.plain(&asked.instruction),
        intent: asked.intent.map(|intent| {
            let json = serde_json::to_string(&intent);
            texts.plain(&json.expect("lists of texts are JSON"))
        }),
        spec: asked.spec,
    }
}
