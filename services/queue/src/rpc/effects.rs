//! `RecordEffect` and `GetEffect`: what attempts did, under their fencing tokens.

use vivarium_chassis::{Refusal, Violations};
use vivarium_ledger::Submission;
use vivarium_proto::queue::v1 as pb;
use vivarium_types::Actor;

use super::runner::words;
use super::{Desk, broken, position, refusal};
use crate::domain::Command;
use crate::domain::effect::Effect;
use crate::domain::lease::Held;
use crate::domain::limits::Limit;

/// Characters of an effect's key.
const KEY_LENGTH_MAX: usize = 128;

/// Records what an attempt did, unless it is recorded already.
pub(super) async fn record(
    desk: &Desk,
    actor: Actor,
    wire: pb::RecordEffectRequest,
) -> Result<pb::RecordEffectResponse, Refusal> {
    let mut wrong = Violations::new();
    let held = held(&mut wrong, wire.lease.as_ref());
    let key = key(&mut wrong, &wire.key);
    let result = wrong.text("result", &wire.result, 0, desk.limit(Limit::ResultChars));
    let (held, (key, result)) = wrong.done(held.zip(key.zip(result)))?;
    // What is there already needs no second text.
    if let Some(effect) = found(desk, held, &key).await? {
        let position = Some(position(desk.ledger.committed()));
        return Ok(pb::RecordEffectResponse { effect: Some(effect), repeated: true, position });
    }
    let mut texts = desk.ledger.texts();
    let own = texts.plain(&result);
    let (id, name) = (own.id.clone(), key.clone());
    let command = Command::RecordEffect { held, key: key.clone(), result: own };
    let submission = Submission::new(actor, command).texts(texts.into_rows()).answering(
        move |queue: &crate::domain::Queue, decided| {
            let kept = queue.effect(held, &name).ok().flatten();
            pb::RecordEffectResponse {
                effect: None,
                repeated: kept.is_none_or(|kept| kept.result.id != id),
                position: Some(position(decided.sequence)),
            }
        },
    );
    let answer = desk.ledger.submit(submission).await.map_err(refusal)?;
    let answer: pb::RecordEffectResponse = answer.message().map_err(broken)?;
    Ok(pb::RecordEffectResponse { effect: found(desk, held, &key).await?, ..answer })
}

/// What was recorded under a key.
pub(super) async fn get(
    desk: &Desk,
    wire: pb::GetEffectRequest,
) -> Result<pb::GetEffectResponse, Refusal> {
    let mut wrong = Violations::new();
    let held = held(&mut wrong, wire.lease.as_ref());
    let key = key(&mut wrong, &wire.key);
    let (held, key) = wrong.done(held.zip(key))?;
    Ok(pb::GetEffectResponse { effect: found(desk, held, &key).await? })
}

async fn found(desk: &Desk, held: Held, key: &str) -> Result<Option<pb::Effect>, Refusal> {
    let name = key.to_owned();
    let asked =
        desk.ledger.ask(move |queue| queue.effect(held, &name).map(Option::<&Effect>::cloned));
    let found = asked.await.map_err(refusal)?.map_err(|rejection| super::refused(&rejection))?;
    let Some(Effect { attempt_number, result }) = found else { return Ok(None) };
    let result = desk.text(&result.id).await?;
    Ok(Some(pb::Effect { key: key.to_owned(), result, attempt_number }))
}

fn held(wrong: &mut Violations, lease: Option<&pb::HeldLease>) -> Option<Held> {
    let lease = wrong.present("lease", lease)?;
    wrong.within("lease", |wrong| words::held(wrong, lease))
}

fn key(wrong: &mut Violations, key: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if key.is_empty() || key.len() > KEY_LENGTH_MAX || !key.chars().all(fits) {
        wrong.add("key", format!("must be 1 to {KEY_LENGTH_MAX} of [A-Za-z0-9._:-]"));
        return None;
    }
    Some(key.to_owned())
}
