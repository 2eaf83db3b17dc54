//! What the queue does about other services' events.
//!
//! From `review`: critiques that are asked for, humans that are asked, verdicts. From `society`: who
//! can be given work and is good at what, and answers that a task waits for. From `executor`: whether any language model
//! is usable.

use async_trait::async_trait;
use vivarium_chassis::client::Peer;
use vivarium_chassis::{Deps, Problem, Service};
use vivarium_ledger::cursor::{Ended, follow};
use vivarium_ledger::{Handler, Ledger, Reaction, Row, TextRef, Texts, Trouble};
use vivarium_proto::executor::v1 as executor_pb;
use vivarium_proto::executor::v1::executor_event::Event as ExecutorEvent;
use vivarium_proto::identity::v1::ResidentStatus;
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_proto::review::v1 as review_pb;
use vivarium_proto::review::v1::review_event::Event as ReviewEvent;
use vivarium_proto::social::v1 as social_pb;
use vivarium_proto::social::v1::society_event::Event as SocietyEvent;
use vivarium_types::ids::TaskId;
use vivarium_types::source::Hash;
use vivarium_types::{Actor, Reason};

use crate::domain::steer::Verdict;
use crate::domain::task::State;
use crate::domain::{Command, Queue};

/// Words of a resident that are kept.
const WORDS_MAX: usize = 40;

/// Starts following review, society and the executor.
pub(crate) fn start(ledger: &Ledger<Queue>, deps: &Deps) {
    let review = deps.peers.to(Service::Review);
    let source = review.source();
    let handler = OfReview { ledger: ledger.clone(), review };
    deps.tasks.spawn("follow review", until_end(follow(ledger.clone(), source, handler)));

    let source = deps.peers.to(Service::Society).source();
    let handler = OfSociety { ledger: ledger.clone() };
    deps.tasks.spawn("follow society", until_end(follow(ledger.clone(), source, handler)));

    let source = deps.peers.to(Service::Executor).source();
    let following = follow(ledger.clone(), source, OfExecutor);
    deps.tasks.spawn("follow executor", until_end(following));
}

/// A follower ends at the drain, or when the followed log is another one; then a person must act,
/// and this service goes on with what it has.
async fn until_end(following: impl Future<Output = Ended>) {
    let ended = following.await;
    tracing::debug!(?ended, "a follower ended");
}

/// What review asks for and decides.
#[derive(Debug)]
pub struct OfReview {
    ledger: Ledger<Queue>,
    review: Peer,
}

#[async_trait]
impl Handler<Queue> for OfReview {
    fn concerns(&self, kind: &str) -> bool {
        matches!(kind, "critique_asked" | "human_asked" | "verdict_reached")
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Queue>, Trouble> {
        let event: review_pb::ReviewEvent = decode(row)?;
        let command = match event.event {
            Some(ReviewEvent::CritiqueAsked(asked)) => Command::AskCritique {
                submission: parse(&asked.submission_id, "submission_id")?,
                task: parse(&asked.task_id, "task_id")?,
            },
            Some(ReviewEvent::HumanAsked(asked)) => Command::AskHuman {
                submission: parse(&asked.submission_id, "submission_id")?,
                task: parse(&asked.task_id, "task_id")?,
            },
            Some(ReviewEvent::VerdictReached(verdict)) => return self.verdict(row, verdict).await,
            _ => return Ok(Reaction::Nothing),
        };
        Ok(Reaction::command(cause(row), command))
    }
}

impl OfReview {
    async fn verdict(
        &self,
        row: &Row,
        verdict: review_pb::VerdictReached,
    ) -> Result<Reaction<Queue>, Trouble> {
        let accepted = match verdict.value() {
            review_pb::VerdictValue::Approve | review_pb::VerdictValue::MinorIssues => true,
            review_pb::VerdictValue::Reject => false,
            review_pb::VerdictValue::Unspecified => return Err(malformed("value")),
        };
        let mut texts = self.ledger.texts();
        let mut feedback = Vec::new();
        // An accepted task is never tried again, so nobody is told anything.
        for reason in verdict.reasons.iter().filter(|_| !accepted) {
            feedback.push(copy(&self.review, reason, &mut texts).await?);
        }
        let command = Command::Verdict(Verdict {
            submission: parse(&verdict.submission_id, "submission_id")?,
            task: parse(&verdict.task_id, "task_id")?,
            accepted,
            confidence_permille: verdict.confidence_permille,
            feedback,
            content_hash: Hash::try_from(verdict.content_hash.as_slice()).ok(),
        });
        Ok(Reaction::Command { actor: cause(row), command, texts: texts.into_rows() })
    }
}

/// Who can be given work, who is good at what, and which answers came.
#[derive(Debug)]
pub struct OfSociety {
    ledger: Ledger<Queue>,
}

#[async_trait]
impl Handler<Queue> for OfSociety {
    fn concerns(&self, kind: &str) -> bool {
        matches!(
            kind,
            "resident_joined" | "resident_changed" | "specializations_set" | "letter_sent"
        )
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Queue>, Trouble> {
        let event: social_pb::SocietyEvent = decode(row)?;
        let command = match event.event {
            Some(SocietyEvent::ResidentJoined(joined)) => {
                let status = joined.status();
                note(&joined.resident_id, status, joined.words)?
            }
            Some(SocietyEvent::ResidentChanged(changed)) => {
                let status = changed.status();
                note(&changed.resident_id, status, changed.words)?
            }
            Some(SocietyEvent::SpecializationsSet(set)) => Command::NoteSpecializations {
                resident: parse(&set.resident_id, "resident_id")?,
                specializations: set.specializations.into_iter().collect(),
            },
            Some(SocietyEvent::LetterSent(letter)) if letter.ends_wait => {
                self.wait_for_attempt(&letter.task_id).await?;
                Command::Answered { letter: letter.reply_to }
            }
            _ => return Ok(Reaction::Nothing),
        };
        Ok(Reaction::command(cause(row), command))
    }
}

impl OfSociety {
    /// An answer may be faster than the end of the attempt that asked.
    async fn wait_for_attempt(&self, task: &str) -> Result<(), Trouble> {
        let Ok(task) = task.parse::<TaskId>() else { return Ok(()) };
        let asked = self.ledger.ask(move |queue| {
            queue.tasks.get(&task).is_some_and(|task| task.state == State::Leased)
        });
        match asked.await {
            Ok(false) => Ok(()),
            Ok(true) => Err(Trouble::Unavailable("the attempt that asked has not ended".into())),
            Err(_) => Err(Trouble::Unavailable("the ledger is busy".into())),
        }
    }
}

fn note(resident: &str, status: ResidentStatus, words: Vec<String>) -> Result<Command, Trouble> {
    Ok(Command::NoteResident {
        resident: parse(resident, "resident_id")?,
        active: status == ResidentStatus::Active,
        words: words.into_iter().take(WORDS_MAX).collect(),
    })
}

/// Whether any language model is usable.
#[derive(Debug)]
pub struct OfExecutor;

#[async_trait]
impl Handler<Queue> for OfExecutor {
    fn concerns(&self, kind: &str) -> bool {
        kind == "provider_health_changed"
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Queue>, Trouble> {
        let event: executor_pb::ExecutorEvent = decode(row)?;
        let Some(ExecutorEvent::ProviderHealthChanged(health)) = event.event else {
            return Ok(Reaction::Nothing);
        };
        let command = Command::NoteProvider { usable: health.any_usable };
        Ok(Reaction::command(cause(row), command))
    }
}

/// Copies a peer's text into this ledger, so that the next grant needs nobody else.
async fn copy(
    peer: &Peer,
    text: &ledger_pb::TextRef,
    texts: &mut Texts<'_, Queue>,
) -> Result<TextRef, Trouble> {
    let request = ledger_pb::ReadTextRequest { id: text.id.clone() };
    match LedgerServiceClient::new(peer.calls()).read_text(request).await {
        Ok(answer) => Ok(texts.plain(&answer.into_inner().text)),
        Err(status) => {
            let problem = Problem::from(&status);
            if problem.is(Reason::LedgerTextNotFound) {
                // A decision stands without the words that were erased since.
                return Ok(texts.plain("(this text was erased)"));
            }
            Err(Trouble::Unavailable(Box::new(problem)))
        }
    }
}

/// Who caused the event over there: a human's verdict stays that human's.
fn cause(row: &Row) -> Actor {
    row.actor.parse().unwrap_or_else(|_| Actor::service("review"))
}

fn decode<T: serde::de::DeserializeOwned>(row: &Row) -> Result<T, Trouble> {
    serde_json::from_slice(&row.payload).map_err(|_| malformed(&row.kind))
}

fn parse<T: std::str::FromStr>(text: &str, field: &str) -> Result<T, Trouble> {
    text.parse().map_err(|_| malformed(field))
}

fn malformed(what: &str) -> Trouble {
    Trouble::Permanent(format!("malformed:{what}"))
}
