//! The actions of residents, each under a lease. The actor is the lease's resident, whatever a text or
//! a field claims.

use std::collections::BTreeMap;

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Lease, Refusal, Violations};
use vivarium_ledger::{Request as RequestKey, Submission, TextRow, chain};
use vivarium_proto::executor::v1 as executor_pb;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::act_request::Action;
use vivarium_proto::social::v1::act_service_server::ActService;
use vivarium_types::ids::{MemoryId, MessageId, ResidentId, TaskId};
use vivarium_types::similarity::{same_numbers, similarity};
use vivarium_types::{Actor, Reason};

use super::{Door, conversation_spent, convert, position, refusal};
use crate::domain::act::Act;
use crate::domain::journal::Readers;
use crate::domain::lease::Under;
use crate::domain::mail::Waits;
use crate::domain::memory::{Kind, Remember};
use crate::domain::room::{Author, Post};
use crate::domain::talk::Spent;
use crate::domain::wallet::{Account, Cause};
use crate::domain::{Command, Event, Society, mail, memory};
use crate::views::memories::{self, Memory};
use crate::views::messages::{self, Message};

/// Own messages that a new one is compared with.
const ECHO_REACH: u32 = 3;
/// Most characters of a result.
const RESULT_LENGTH_MAX: usize = 16_000;

/// An action on its way to the ledger.
struct Ready {
    act: Act,
    texts: Vec<TextRow>,
    /// What the resident reads when it is done.
    result: String,
    /// What it waits for; empty for nothing.
    waits_for: &'static str,
}

impl Ready {
    fn done(act: Act, texts: Vec<TextRow>, result: impl Into<String>) -> Self {
        Self { act, texts, result: result.into(), waits_for: "" }
    }
}

#[tonic::async_trait]
impl ActService for Door {
    async fn act(
        &self,
        request: Request<pb::ActRequest>,
    ) -> Result<Response<pb::ActResponse>, Status> {
        let lease = Caller::of(&request).lease()?.clone();
        let wire = request.into_inner();
        match self.performed(&lease, wire).await {
            Ok(answer) => {
                self.counters.acts.inc();
                Ok(Response::new(answer))
            }
            Err(refused) => {
                self.counters.refusals.inc();
                Err(refused.into())
            }
        }
    }
}

impl Door {
    async fn performed(
        &self,
        lease: &Lease,
        wire: pb::ActRequest,
    ) -> Result<pb::ActResponse, Refusal> {
        const METHOD: &str = "/vivarium.social.v1.ActService/Act";
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &['/']);
        let label = convert::label(&mut wrong, wire.label);
        let task: Option<TaskId> = wrong.parse_optional("task_id", &wire.task_id);
        if task.is_some() && task != lease.task {
            wrong.add("task_id", "is not the task of the lease");
        }
        let action = wrong.present("action", wire.action);
        let Some(resident) = lease.resident else {
            let refused = Refusal::new(Reason::AuthNotPermitted);
            return Err(refused.with("caller", "a lease of nobody").with("method", METHOD));
        };
        let (Some(action), true) = (action, wrong.is_empty()) else {
            return Err(wrong.into_refusal(Reason::RequestInvalid));
        };
        allowed(lease, &action)?;
        let under = Under {
            lease: lease.lease,
            resident,
            cycle: lease.cycle,
            task: lease.task,
            token: lease.fencing_token,
            label,
        };
        let Ready { act, texts, result, waits_for } = self.ready(action, &under, wrong).await?;
        let recalls = matches!(act, Act::Recall(_));
        let command = Command::Act { under, act: Box::new(act) };
        let submission = Submission::new(Actor::Resident(resident), command)
            .texts(texts)
            .request(key)
            .answering(move |society: &Society, decided| {
                let events = || decided.events.iter().map(|(event, _)| event);
                if let Some(Event::ConversationSpent(spent)) = events().next() {
                    return cut(spent);
                }
                let price = events().map(|event| price_of(event, resident)).sum();
                let balance = society.wallets.balance(Account::Free(resident));
                pb::ActResponse {
                    position: Some(position(decided.sequence)),
                    status: status(waits_for).into(),
                    reason: waits_for.to_owned(),
                    // Ids stand for memories: a kept answer must not outlive a forgotten text.
                    result,
                    price_tokens: price,
                    balance_tokens: (price > 0).then_some(balance),
                    made_id: events().find_map(Event::made).unwrap_or_default(),
                }
            });
        let answer = self.ledger.submit(submission).await.map_err(refusal)?;
        let mut answer: pb::ActResponse = answer.message().map_err(Refusal::fault)?;
        if answer.status() == executor_pb::ReceiptStatus::Refused {
            return Err(conversation_spent(&answer.result, &answer.made_id));
        }
        if recalls {
            answer.result = self.told(&answer.result).await?;
        }
        Ok(answer)
    }

    async fn ready(
        &self,
        action: Action,
        under: &Under,
        wrong: Violations,
    ) -> Result<Ready, Refusal> {
        match action {
            Action::PostMessage(it) => self.post(it, under.resident, wrong).await,
            Action::Remember(it) => self.remember(it, under.resident, wrong).await,
            Action::Recall(it) => self.recall(&it, under.resident, wrong).await,
            Action::MessageHuman(it) => self.letter(&it, under, wrong).await,
            Action::WriteJournal(it) => self.journal(&it, wrong).await,
        }
    }

    async fn post(
        &self,
        it: executor_pb::PostMessage,
        who: ResidentId,
        mut wrong: Violations,
    ) -> Result<Ready, Refusal> {
        let parsed = wrong.within("post_message", |wrong| {
            let room = convert::room(wrong, &it.room);
            let text = wrong.text("text", &it.text, 1, convert::MESSAGE_LENGTH_MAX);
            let mood = convert::mood(wrong, &it.mood);
            let importance = convert::importance(wrong, it.importance);
            let reply_to = convert::reply_to(wrong, &it.reply_to);
            convert::mentions(wrong, &it.mentions);
            text.map(|text| (room, text, mood, importance, reply_to))
        });
        let (room, text, (mood, own_words), importance, reply_to) = wrong.done(parsed)?;
        let mut texts = self.ledger.texts();
        let post = Post {
            text: texts.plain(&text),
            mood,
            mood_text: own_words.map(|words| texts.plain(&words)),
            importance,
            reply: self.replied(reply_to).await?,
            mentions: self.named(it.mentions).await?,
            echo_of: self.echo(&room, who, &text).await?,
            room: room.clone(),
        };
        Ok(Ready::done(Act::Post(post), texts.into_rows(), format!("posted in {room}")))
    }

    /// The message among the author's last ones in the room that says nearly the same. Who reports in the
    /// same words with other numbers says something else.
    async fn echo(
        &self,
        room: &str,
        who: ResidentId,
        text: &str,
    ) -> Result<Option<MessageId>, Refusal> {
        let most = self.ask(|society| society.rules.echo).await?;
        let (room, text) = (room.to_owned(), text.to_owned());
        let found = self.view(move |db| {
            let last = messages::last_of(db, &room, Author::Resident(who), ECHO_REACH)?;
            let said = |earlier: &Message| {
                similarity(&earlier.text, &text) >= most && same_numbers(&earlier.text, &text)
            };
            Ok(last.into_iter().find(said))
        });
        Ok(found.await?.map(|earlier| earlier.message))
    }

    async fn remember(
        &self,
        it: executor_pb::Remember,
        who: ResidentId,
        mut wrong: Violations,
    ) -> Result<Ready, Refusal> {
        let parsed = wrong.within("remember", |wrong| {
            let text = wrong.text("text", it.text.trim(), 3, 600);
            let kind = convert::memory_kind(wrong, &it.kind);
            convert::tags(wrong, &it.tags, 5);
            let importance = convert::importance(wrong, it.importance);
            convert::about(wrong, &it.about);
            let supersedes = convert::memory(wrong, "supersedes", &it.supersedes);
            text.map(|text| (text, kind, importance, supersedes))
        });
        let (text, kind, importance, supersedes) = wrong.done(parsed)?;
        if supersedes.is_none()
            && let Some(memory) = self.same(who, kind, &text).await?
        {
            // No new text comes with it: the old one stays the only copy.
            let act = Act::RememberAgain(memory);
            return Ok(Ready::done(act, Vec::new(), "known already; kept afresh"));
        }
        let signs = self.signs.in_text(&text);
        let mut texts = self.ledger.texts();
        let remember = Remember {
            kind,
            text: texts.plain(&text),
            tags: it.tags,
            importance,
            about: it.about,
            supersedes,
            twin: self.twin(who, kind, &text).await?,
            signs,
        };
        let result = if signs {
            "set aside: it reads like an instruction, and a human must look first"
        } else {
            "kept"
        };
        Ok(Ready::done(Act::Remember(remember), texts.into_rows(), result))
    }

    /// The live memory with these very words.
    async fn same(
        &self,
        who: ResidentId,
        kind: Kind,
        text: &str,
    ) -> Result<Option<MemoryId>, Refusal> {
        let words = chain::digest(text.as_bytes());
        self.ask(move |society| society.memories.same(who, kind, words)).await
    }

    /// The live memory that is most like a text, if it is too much like it. Acts of one resident come
    /// one behind another, so none comes in between.
    async fn twin(
        &self,
        who: ResidentId,
        kind: Kind,
        text: &str,
    ) -> Result<Option<MemoryId>, Refusal> {
        let least = self.ask(|society| society.rules.twin).await?;
        let text = text.to_owned();
        let found = self.view(move |db| {
            let others = memories::possible_twins(db, who, kind, text.chars().count())?;
            let likeness = others.into_iter().map(|(id, other)| (similarity(&other, &text), id));
            Ok(likeness.max().filter(|(likeness, _)| *likeness >= least))
        });
        Ok(found.await?.map(|(_, twin)| twin))
    }

    async fn recall(
        &self,
        it: &executor_pb::Recall,
        who: ResidentId,
        mut wrong: Violations,
    ) -> Result<Ready, Refusal> {
        let (words, count) = wrong.within("recall", |wrong| {
            let words = convert::query(wrong, "query", &it.query, (2, 200));
            let count = match it.k {
                0 => 5,
                k => wrong.bounded("k", k, 1..=12).unwrap_or(5),
            };
            (words, count)
        });
        wrong.finish()?;
        let found = self.recalled(who, Some(words), count).await?;
        let found: Vec<MemoryId> = found.iter().map(|found| found.memory).collect();
        let ids: Vec<String> = found.iter().map(ToString::to_string).collect();
        Ok(Ready::done(Act::Recall(found), Vec::new(), ids.join("\n")))
    }

    /// A resident's best memories for some words, or of all.
    pub(super) async fn recalled(
        &self,
        who: ResidentId,
        words: Option<Vec<String>>,
        count: u32,
    ) -> Result<Vec<Memory>, Refusal> {
        let found = match words {
            Some(words) => Some(self.view(move |db| memories::matching(db, who, &words)).await?),
            None => None,
        };
        let ids = found.as_ref().map(|found| found.iter().map(|found| found.memory).collect());
        let best = self.ask(move |society| {
            let (ids, sessions): (Option<Vec<MemoryId>>, _) = (ids, society.sessions(who));
            society.memories.recall(who, ids.as_deref(), count as usize, sessions)
        });
        let best = best.await?;
        match found {
            Some(found) => Ok(in_order(found, &best)),
            None => self.view(move |db| memories::these(db, &best)).await,
        }
    }

    /// Memories by their ids, a line each, as they are now.
    async fn told(&self, ids: &str) -> Result<String, Refusal> {
        let ids: Vec<MemoryId> = ids.lines().filter_map(|id| id.parse().ok()).collect();
        let found = self.view(move |db| memories::these(db, &ids)).await?;
        let known = found.into_iter().filter(|memory| memory.state != memory::State::Forgotten);
        let lines: Vec<String> = known
            .map(|memory| {
                let (kind, day, text) = (memory.kind.word(), memory.day, memory.text);
                format!("{} [{kind}, day {day}] {text}", memory.memory)
            })
            .collect();
        let told = if lines.is_empty() { "nothing found".to_owned() } else { lines.join("\n") };
        Ok(told.chars().take(RESULT_LENGTH_MAX).collect())
    }

    async fn letter(
        &self,
        it: &executor_pb::MessageHuman,
        under: &Under,
        mut wrong: Violations,
    ) -> Result<Ready, Refusal> {
        let parsed = wrong.within("message_human", |wrong| {
            let kind = convert::letter_word(wrong, &it.r#type);
            let text = wrong.text("text", &it.text, 1, convert::MESSAGE_LENGTH_MAX);
            let task: Option<TaskId> = wrong.parse_optional("task_id", &it.task_id);
            if it.waits && under.task.is_none() {
                wrong.add("waits", "needs a cycle of a task");
            }
            if it.waits && task.is_some() && task != under.task {
                wrong.add("task_id", "must be the task of the cycle when it waits");
            }
            text.map(|text| (kind, text, task))
        });
        let (kind, text, task) = wrong.done(parsed)?;
        let (waits, task, result, waits_for) = if it.waits {
            (Waits::Task, under.task, "sent; the task waits for the answer", "human_answer")
        } else {
            (Waits::No, task, "sent", "")
        };
        let (text, texts) = self.sealed(text).await?;
        let act = Act::Write(mail::Write { kind, text, task, waits });
        Ok(Ready { act, texts, result: result.to_owned(), waits_for })
    }

    async fn journal(
        &self,
        it: &executor_pb::WriteJournal,
        mut wrong: Violations,
    ) -> Result<Ready, Refusal> {
        let parsed = wrong.within("write_journal", |wrong| {
            let kind = convert::journal_word(wrong, &it.r#type);
            let text = wrong.text("text", &it.text, 1, 8_000);
            if it.submit {
                wrong.add("submit", "must be false: journals are not put up for a ballot yet");
            }
            text.map(|text| (kind, text))
        });
        let (kind, text) = wrong.done(parsed)?;
        let readers = if it.share_with_human { Readers::Human } else { Readers::Author };
        let (text, texts) = self.sealed(text).await?;
        Ok(Ready::done(Act::Journal { kind, text, readers }, texts, "written, for you alone"))
    }
}

/// Whether the lease is wide enough for an action.
fn allowed(lease: &Lease, action: &Action) -> Result<(), Refusal> {
    let name = match action {
        Action::PostMessage(_) => "post_message",
        Action::Remember(_) => "remember",
        Action::Recall(_) => "recall",
        Action::MessageHuman(_) => "message_human",
        Action::WriteJournal(_) => "write_journal",
    };
    if lease.allows(name) {
        return Ok(());
    }
    let refused = Refusal::new(Reason::ActionModeForbids);
    Err(refused.with("mode", &lease.mode).with("action", name))
}

/// The answer that the ledger keeps of a cut conversation. It leaves here as a refusal, the first time
/// and whenever the same is asked again.
fn cut(spent: &Spent) -> pb::ActResponse {
    pb::ActResponse {
        status: executor_pb::ReceiptStatus::Refused.into(),
        result: spent.room.clone(),
        made_id: spent.other.to_string(),
        ..pb::ActResponse::default()
    }
}

fn status(waits_for: &str) -> executor_pb::ReceiptStatus {
    if waits_for.is_empty() {
        executor_pb::ReceiptStatus::Done
    } else {
        executor_pb::ReceiptStatus::Pending
    }
}

/// What an event cost a resident.
fn price_of(event: &Event, who: ResidentId) -> i64 {
    let Event::TokensMoved(entry) = event else { return 0 };
    if entry.cause != Cause::Price {
        return 0;
    }
    let paid = entry.transfers.iter().filter(|transfer| transfer.from.resident() == Some(who));
    paid.map(|transfer| transfer.amount).sum()
}

/// These memories, best first.
fn in_order(found: Vec<Memory>, best: &[MemoryId]) -> Vec<Memory> {
    let mut by_id: BTreeMap<MemoryId, Memory> =
        found.into_iter().map(|found| (found.memory, found)).collect();
    best.iter().filter_map(|id| by_id.remove(id)).collect()
}
