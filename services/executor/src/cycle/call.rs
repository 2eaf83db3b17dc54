//! One model call: reserve, send, stream, settle. Nothing is sent that is not reserved on disk, and
//! what is reserved is settled once, whatever happens in between.

use std::time::Duration;

use vivarium_ledger::{Error, planted};
use vivarium_types::MicroUsd;

use super::{Engine, Exit, Tally, briefing};
use crate::domain::action;
use crate::domain::budget::Wish;
use crate::domain::call::{Called, Outcome, Owner, Usage};
use crate::domain::cycle::Kind;
use crate::domain::{Command, NotCalled, Rejection};
use crate::lease::{FailureClass, Grant, Held};
use crate::model::Message;
use crate::output::Source;
use crate::providers::{Ask, Chosen, Spoken, Trouble};

/// Where tests kill the process between a reservation and its settlement.
const RESERVED_NOT_SETTLED: &str = "reserved-not-settled";
/// Why a call was cut off when the attempt's time is up.
const TIME_UP: &str = "RPC_DEADLINE_PASSED";
/// Bytes that a message's frame adds to its text, at most.
const FRAME_BYTES: usize = 32;

/// Whose calls these are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker<'a> {
    pub(crate) grant: &'a Grant,
    pub(crate) held: &'a Held,
    pub(crate) chosen: &'a Chosen,
    pub(crate) kind: Kind,
}

impl Engine {
    /// Makes one call. The tally grows by what it used, also when it failed.
    pub(crate) async fn call(
        &self,
        speaker: Speaker<'_>,
        tally: &mut Tally,
        messages: Vec<Message>,
        limit: Duration,
    ) -> Result<String, Exit> {
        tally.steps += 1;
        let (messages, mut redactions) = self.cleaned(messages);
        let Speaker { grant, held, chosen, .. } = speaker;
        if held.why_stopped().is_some() {
            return Err(Exit::Stopped);
        }
        let about: usize = messages.iter().map(|message| briefing::tokens(&message.text)).sum();
        let window = usize::try_from(chosen.window_tokens).unwrap_or(usize::MAX);
        let completion = usize::try_from(chosen.completion_tokens).unwrap_or(usize::MAX);
        if window > 0 && about + completion > window {
            let message = format!("about {about} model tokens do not fit the window of {window}");
            return Err(Exit::failed(FailureClass::InputTooLarge, message));
        }
        let wish = self.wish(speaker, tally.steps, tokens_max(&messages));
        self.reserve(&wish).await?;
        planted::point(RESERVED_NOT_SETTLED, &[]);
        // Between the reservation and here a halt may have come: then nothing is sent.
        let Some(_calling) = held.calling() else {
            let unsent = Command::Release(wish.reservation, NotCalled::NotSent);
            self.settled(unsent, Vec::new()).await?;
            return Err(Exit::Stopped);
        };
        self.hub.begin(Source {
            cycle: grant.cycle,
            task: Some(grant.task.id),
            resident: grant.resident,
            step: tally.steps,
        });
        let ask = Ask { messages, limit, max_tokens: chosen.completion_tokens };
        let began = self.clock.now();
        let show = |piece: &str| self.hub.push(grant.cycle, piece);
        let spoken = if let Some(replay) = &self.replay {
            replay.speak(&chosen.request_hash(ask), tally.steps)
        } else {
            tokio::select! {
                biased;
                () = held.stopped() => Err(Trouble::cut_off("STOPPED")),
                () = tokio::time::sleep(limit) => Err(Trouble::cut_off(TIME_UP)),
                spoken = chosen.speak(ask, &show) => spoken,
            }
        };
        let spoken = spoken.map(|spoken| {
            let clean = self.redactor.clean(&spoken.text);
            redactions += clean.redactions;
            Spoken { text: clean.text, ..spoken }
        });
        self.hub.end(grant.cycle);
        let total = self.clock.now().since(began);
        self.settle(speaker, tally, &wish, spoken, (total, redactions)).await
    }

    /// Messages as they may leave, and how much was taken out of them.
    fn cleaned(&self, messages: Vec<Message>) -> (Vec<Message>, u32) {
        let mut redactions = 0;
        let clean = |message: Message| {
            let clean = self.redactor.clean(&message.text);
            redactions += clean.redactions;
            Message { text: clean.text, ..message }
        };
        let messages = messages.into_iter().map(clean).collect();
        (messages, redactions)
    }

    /// What the first call of a cycle would reserve.
    pub(crate) fn first_wish(&self, speaker: Speaker<'_>, messages: &[Message]) -> Wish {
        self.wish(speaker, 1, tokens_max(messages))
    }

    fn wish(&self, speaker: Speaker<'_>, step: u32, input_tokens_max: u64) -> Wish {
        let Speaker { grant, chosen, kind, .. } = speaker;
        let output_tokens_max = u64::from(chosen.completion_tokens);
        Wish {
            reservation: self.mint(),
            call: self.mint(),
            owner: Owner {
                cycle: grant.cycle,
                lease: grant.lease,
                task: Some(grant.task.id),
                resident: grant.resident,
                purpose: kind,
                step,
                instance: self.instance,
            },
            provider: chosen.provider.clone(),
            model: chosen.model.clone(),
            worst_case: chosen.price.cost(input_tokens_max, output_tokens_max),
            input_tokens_max,
            output_tokens_max,
            task_limit: grant.task.budget_max,
            defaults: self.config.limits(),
        }
    }

    async fn reserve(&self, wish: &Wish) -> Result<(), Exit> {
        match self.record(Command::Reserve(Box::new(wish.clone())), Vec::new()).await {
            Ok(()) => Ok(()),
            Err(Error::Refused(Rejection::BudgetSpent(scope))) => {
                self.counters.budget_refusals.inc();
                Err(Exit::Budget(scope))
            }
            Err(Error::Refused(_)) => Err(Exit::Stopped),
            Err(error) => Err(Exit::fault(error)),
        }
    }

    async fn settle(
        &self,
        speaker: Speaker<'_>,
        tally: &mut Tally,
        wish: &Wish,
        spoken: Result<Spoken, Trouble>,
        (total, redactions): (Duration, u32),
    ) -> Result<String, Exit> {
        if let Err(Trouble { reached: false, .. }) = &spoken {
            // Nothing left this machine: nothing can have been billed.
            let why = NotCalled::NotSent;
            self.settled(Command::Release(wish.reservation, why), Vec::new()).await?;
            return Err(exit(spoken.expect_err("the match above saw a trouble")));
        }
        let mut texts = self.ledger.texts();
        let called = called(speaker, wish, &spoken, total);
        let called = Called { redactions, ..called };
        let shown = spoken.as_ref().ok().map(|spoken| recorded(&spoken.text));
        let left_out = shown.as_ref().is_some_and(|(_, left_out)| *left_out);
        let response = shown.map(|(shown, _)| texts.plain(&shown));
        tally.usage = tally.usage.plus(called.usage);
        tally.cost = tally.cost.plus(called.cost).unwrap_or(tally.cost);
        tally.model.clone_from(&called.model);
        self.counters.calls.inc();
        self.counters.cost_micro_usd.inc_by(u64::try_from(called.cost.get()).unwrap_or(0));
        let called = Called { response, left_out, ..called };
        self.settled(Command::Settle(Box::new(called)), texts.into_rows()).await?;
        spoken.map(|spoken| spoken.text).map_err(exit)
    }

    async fn settled(
        &self,
        command: Command,
        rows: Vec<vivarium_ledger::TextRow>,
    ) -> Result<(), Exit> {
        match self.record(command, rows).await {
            Ok(()) => Ok(()),
            // The lease's end was quicker and settled it at its worst.
            Err(Error::Refused(_)) => Err(Exit::Stopped),
            Err(error) => Err(Exit::fault(error)),
        }
    }
}

/// The most model tokens that messages can come to: no tokeniser makes more than one of a byte.
fn tokens_max(messages: &[Message]) -> u64 {
    let bytes: usize = messages.iter().map(|message| message.text.len() + FRAME_BYTES).sum();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn called(
    speaker: Speaker<'_>,
    wish: &Wish,
    spoken: &Result<Spoken, Trouble>,
    total: Duration,
) -> Called {
    let chosen = speaker.chosen;
    let worst = Usage {
        input_tokens: wish.input_tokens_max,
        output_tokens: wish.output_tokens_max,
        calls: 1,
        estimated: true,
    };
    // What the provider did not report itself settles at its worst case.
    let told = spoken.as_ref().ok().map(|spoken| spoken.usage);
    let reported = told.filter(|usage| !usage.estimated);
    let cost = reported.map_or(wish.worst_case, |usage| {
        chosen.price.cost(usage.input_tokens, usage.output_tokens)
    });
    let free = wish.worst_case == MicroUsd::ZERO;
    let usage = match told.filter(|usage| free || !usage.estimated) {
        Some(told) => Usage {
            input_tokens: told.input_tokens,
            output_tokens: told.output_tokens,
            calls: 1,
            estimated: told.estimated,
        },
        // A wild guess about what costs nothing would only mislead.
        None if free => Usage { calls: 1, estimated: true, ..Usage::default() },
        None => worst,
    };
    let (outcome, failure) = match spoken {
        Ok(_) => (Outcome::Answered, String::new()),
        Err(trouble) if trouble.cut_off => (Outcome::Cancelled, trouble.reason.clone()),
        Err(trouble) => (Outcome::Failed, trouble.reason.clone()),
    };
    let said = spoken.as_ref().ok();
    Called {
        call: wish.call,
        reservation: wish.reservation,
        owner: wish.owner.clone(),
        outcome,
        provider: wish.provider.clone(),
        class: Some(chosen.class),
        model: wish.model.clone(),
        usage,
        cost,
        request_hash: said.map(|said| said.request_hash.clone()).unwrap_or_default(),
        response: None,
        left_out: false,
        finish_reason: said.map(|said| said.finish_reason.clone()).unwrap_or_default(),
        first_token: said.and_then(|said| said.first_token),
        total,
        failure,
        redactions: 0,
        tries: said.map_or(1, |said| said.tries),
    }
}

fn exit(trouble: Trouble) -> Exit {
    match (trouble.cut_off, trouble.unusable) {
        (true, _) if trouble.reason == TIME_UP => Exit::TimeUp,
        (true, _) => Exit::Stopped,
        (false, true) => Exit::NoProvider(trouble.reason),
        (false, false) => Exit::Failed(trouble.class, trouble.message, trouble.retry_after),
    }
}

/// What may be recorded of a reply, everything but private texts; and whether that is other than the reply.
fn recorded(text: &str) -> (String, bool) {
    if !action::may_be_private(text) {
        return (text.to_owned(), false);
    }
    let shown = match super::reply::read(text) {
        super::reply::Read::Object(reply) => reply.recorded,
        super::reply::Read::Prose(_) | super::reply::Read::Broken(_) => action::record_unread(text),
    };
    let left_out = shown != text;
    (shown, left_out)
}

/// SHA-256 of messages as they are sent, in hexadecimal.
pub(crate) fn hash_of(messages: &[Message]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new();
    for message in messages {
        for part in [message.role.word(), message.text.as_str()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    }
    hex::encode(digest.finalize())
}
