//! Runs recorded cycles again: what was decided must be decided again, without a model and without
//! any effect.
//!
//! What a cycle was given, what models said and what the other services answered stands in the
//! record. The same code runs over it: briefing, preflight, the reading of replies, the checks of
//! actions, cost and end. A request that the record does not hold is not made up: it is a difference.

mod compare;
mod past;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use vivarium_types::ids::DocumentId;
use vivarium_types::{Clock, Timestamp, Tokens};

use crate::domain::Command;
use crate::domain::cycle::{Place, ReceiptStatus};
use crate::domain::event::Event;
use crate::lease::Grant;
use crate::model::chat::Usage;
use crate::model::{Message, Role};
use crate::providers::{Spoken, Terms, Trouble};
use crate::rpc::peers::society::Part;

pub use compare::{Difference, Verdict};
pub use past::{Gathering, Past, again};

/// Why a call ends where the record does.
const RECORD_ENDS: &str = "RECORD_ENDS";

/// What a cycle begins with, as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    /// The lease as it was granted, without its capability.
    pub(crate) grant: Grant,
    /// The model and its terms.
    pub(crate) terms: Terms,
}

/// What a model said, as recorded.
#[derive(Debug, Clone)]
struct Said {
    time: Timestamp,
    text: String,
    usage: Usage,
    finish_reason: String,
}

/// What became of an action elsewhere, as recorded.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    time: Timestamp,
    /// How it ended.
    pub(crate) status: ReceiptStatus,
    /// Why it was refused or failed.
    pub(crate) reason: String,
    /// What came of it.
    pub(crate) result: String,
    /// What it cost.
    pub(crate) price: Tokens,
    /// Free tokens afterwards.
    pub(crate) balance: Option<Tokens>,
    /// The event it caused.
    pub(crate) place: Option<Place>,
}

/// The world as the record of one cycle has it.
#[derive(Debug)]
pub struct Replay {
    given: Given,
    /// The fragments of its briefing.
    told: Vec<Part>,
    /// By the hash of the request.
    said: BTreeMap<String, Said>,
    /// Steps for which money was set aside.
    reserved: BTreeSet<u32>,
    /// Steps that cannot be made again: the call came to nothing, or a private text was left out of the
    /// reply or of what it was told.
    blind: BTreeSet<u32>,
    /// By the action's key.
    answered: BTreeMap<String, Answered>,
    documents: BTreeMap<String, (DocumentId, [u8; 32])>,
    /// SHA-256 of the submission that was criticised, in hexadecimal.
    payload_hash: String,
    clock: Arc<Moment>,
    /// Written as the cycle runs again.
    course: Mutex<Course>,
}

/// What came of a cycle that runs again.
#[derive(Debug, Default)]
struct Course {
    decided: Vec<Event>,
    /// Where the record ends: by a halt, a budget, a time limit, a provider or a private text.
    cut: bool,
    /// What was asked for and is not recorded.
    missed: Option<String>,
}

/// The time of the record.
#[derive(Debug)]
struct Moment(AtomicI64);

impl Clock for Moment {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

impl Moment {
    fn set(&self, time: Timestamp) {
        self.0.store(time.as_micros(), Ordering::Relaxed);
    }
}

impl Replay {
    /// The model and its terms.
    pub(crate) fn terms(&self) -> Terms {
        self.given.terms.clone()
    }

    /// What the other services brought to the briefing.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let own = ["executor:", "queue:", "file:"];
        let is_own = |part: &&Part| own.iter().any(|at| part.source.starts_with(at));
        self.told.iter().filter(|part| !is_own(part)).cloned().collect()
    }

    /// The messages of a critique, the work that it may quote, and the hash of that.
    pub(crate) fn critique(&self) -> (Vec<Message>, String, String) {
        let roles = [Role::System, Role::User];
        let messages: Vec<Message> = roles
            .into_iter()
            .zip(&self.told)
            .map(|(role, told)| Message { role, text: told.text.clone() })
            .collect();
        let mark = &self.given.grant.fence;
        let (from, to) = (format!("<<<{mark} work, "), format!("\n{mark}>>>"));
        let shown = messages.last().map_or("", |message| message.text.as_str());
        let work = shown.split_once(&from).and_then(|(_, rest)| rest.split_once('\n'));
        let work = work.and_then(|(_, rest)| rest.split_once(&to)).map_or("", |(work, _)| work);
        let work = work.to_owned();
        (messages, work, self.payload_hash.clone())
    }

    /// What the model said to this request in this step.
    pub(crate) fn speak(&self, request_hash: &str, step: u32) -> Result<Spoken, Trouble> {
        if let Some(said) = self.said.get(request_hash) {
            self.clock.set(said.time);
            return Ok(Spoken {
                text: said.text.clone(),
                usage: said.usage,
                finish_reason: said.finish_reason.clone(),
                first_token: None,
                request_hash: request_hash.to_owned(),
                tries: 1,
            });
        }
        let mut course = self.course();
        if self.blind.contains(&step) || !self.reserved.contains(&step) {
            course.cut = true;
        } else {
            course.missed = Some(format!("step {step} asks the model something else"));
        }
        Err(Trouble::cut_off(RECORD_ENDS))
    }

    /// What became of the action under this key; `None` where the record ends.
    pub(crate) fn answer(&self, key: &str) -> Option<Answered> {
        if let Some(answered) = self.answered.get(key) {
            self.clock.set(answered.time);
            return Some(answered.clone());
        }
        let step = key.rsplit(':').nth(1).and_then(|step| step.parse().ok()).unwrap_or(0);
        let last = self.reserved.last().copied().unwrap_or(0);
        let mut course = self.course();
        // Behind the last action of the record there is nothing to compare with.
        if step >= last {
            course.cut = true;
        } else {
            course.missed = Some(format!("the action {key} was not performed"));
        }
        None
    }

    /// The draft that was staged at a path.
    pub(crate) fn staged(&self, path: &str) -> Option<(DocumentId, [u8; 32])> {
        self.documents.get(path).copied()
    }

    /// Takes a decision instead of the ledger.
    pub(crate) fn decide(&self, command: Command) {
        let event = match command {
            Command::StartCycle(started) => Event::CycleStarted(started),
            Command::RecordPreflight(decided) => Event::PreflightDecided(decided),
            Command::Settle(called) => Event::ModelCalled(called),
            Command::RecordAction(performed) => Event::ActionPerformed(performed),
            Command::EndCycle(ended) => Event::CycleEnded(ended),
            Command::RecordCritique(critique) => Event::CritiqueMade(*critique),
            Command::MissCritique(missing) => Event::CritiqueFailed(missing),
            Command::Reserve(_)
            | Command::Release(..)
            | Command::BeginProgram(_)
            | Command::EndProgram(_)
            | Command::NoteHealth(_)
            | Command::SetKey { .. }
            | Command::ClearKey { .. }
            | Command::SetLimit { .. }
            | Command::Consent { .. }
            | Command::RecordHalt(_)
            | Command::EndLease(_)
            | Command::Recover(_) => return,
        };
        let mut course = self.course();
        if !course.cut && course.missed.is_none() {
            course.decided.push(event);
        }
    }

    fn course(&self) -> std::sync::MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
