//! The executor's events and their published form.
//!
//! The only file of the domain that knows the wire. Every event reads back as what was written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use vivarium_ledger::{FactNote, Hash, SegmentNote, TextRef};
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::executor_event::Event as Body;
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::wkt;
use vivarium_types::amount::{MicroUsd, Tokens};

use super::budget::{Limited, Reserved, Scope};
use super::call::{self, Called, Usage};
use super::critique::{Critique, Missing, Scores};
use super::cycle::{
    End, Ended, Fragment, Kind, Label, Performed, Place, ReceiptStatus, Slot, Staged, Started,
};
use super::preflight::{self, Decided, Finding};
use super::provider::{Class, Consent, Health};
use super::{HaltSource, NotCalled, Obeyed, command, provider};

mod read;
mod write;

/// The published form of an event.
pub type Wire = pb::ExecutorEvent;

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A cycle began.
    CycleStarted(Box<Started>),
    /// The safety policy looked at a task.
    PreflightDecided(Decided),
    /// Money was set aside.
    BudgetReserved(Box<Reserved>),
    /// A call was settled.
    ModelCalled(Box<Called>),
    /// A reservation was let go without a call.
    ReservationReleased {
        /// Which.
        reservation: vivarium_types::ids::ReservationId,
        /// Why.
        why: NotCalled,
    },
    /// An action was performed or refused.
    ActionPerformed(Box<Performed>),
    /// A program is about to be started in the sandbox.
    CommandStarted(Box<command::Begun>),
    /// A program of the sandbox ended.
    CommandEnded(Box<command::Over>),
    /// A cycle ended.
    CycleEnded(Box<Ended>),
    /// A critic judged a submission.
    CritiqueMade(Critique),
    /// No critique came about.
    CritiqueFailed(Missing),
    /// A provider became usable or unusable.
    ProviderHealthChanged {
        /// What was seen.
        health: Health,
        /// Whether any provider is usable now.
        any_usable: bool,
    },
    /// A key was set.
    KeySet {
        /// Whose.
        provider: String,
        /// Its mask.
        masked: String,
    },
    /// A key was forgotten.
    KeyCleared {
        /// Whose.
        provider: String,
    },
    /// A limit was set.
    BudgetLimitSet {
        /// Which.
        limited: Limited,
        /// How much.
        amount: MicroUsd,
        /// How much before.
        previous: MicroUsd,
        /// Why.
        reason: TextRef,
    },
    /// A human consented to a provider, or took it back.
    ProviderConsented {
        /// Which.
        provider: String,
        /// The word.
        consent: Consent,
    },
    /// A halt was obeyed.
    HaltObeyed(Obeyed),
    /// A peer's fact did not fit.
    FactIgnored(FactNote),
    /// A peer's fact could not be worked on.
    FactParked(FactNote),
    /// Older rows have left the hot file.
    SegmentClosed(Box<SegmentNote>),
}

impl Event {
    /// The event's name in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CycleStarted(_) => "cycle_started",
            Self::PreflightDecided(_) => "preflight_decided",
            Self::BudgetReserved(_) => "budget_reserved",
            Self::ModelCalled(_) => "model_called",
            Self::ReservationReleased { .. } => "reservation_released",
            Self::ActionPerformed(_) => "action_performed",
            Self::CommandStarted(_) => "command_started",
            Self::CommandEnded(_) => "command_ended",
            Self::CycleEnded(_) => "cycle_ended",
            Self::CritiqueMade(_) => "critique_made",
            Self::CritiqueFailed(_) => "critique_failed",
            Self::ProviderHealthChanged { .. } => "provider_health_changed",
            Self::KeySet { .. } => "key_set",
            Self::KeyCleared { .. } => "key_cleared",
            Self::BudgetLimitSet { .. } => "budget_limit_set",
            Self::ProviderConsented { .. } => "provider_consented",
            Self::HaltObeyed(_) => "halt_obeyed",
            Self::FactIgnored(_) => "fact_ignored",
            Self::FactParked(_) => "fact_parked",
            Self::SegmentClosed(_) => "segment_closed",
        }
    }
}

/// A stored event that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnEvent(&'static str);

impl fmt::Display for NotAnEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a stored event whose {} does not read", self.0)
    }
}

impl std::error::Error for NotAnEvent {}

/// An event as its published JSON.
pub fn to_json(event: Event) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Wire::from(event))
}

/// A published event from its JSON.
pub fn of_json(json: &str) -> Result<Wire, serde_json::Error> {
    serde_json::from_str(json)
}

fn id<T: FromStr>(field: &'static str, text: &str) -> Result<T, NotAnEvent> {
    text.parse().map_err(|_| NotAnEvent(field))
}

fn some_id<T: FromStr>(field: &'static str, text: &str) -> Result<Option<T>, NotAnEvent> {
    if text.is_empty() { Ok(None) } else { id(field, text).map(Some) }
}

fn shown<T: fmt::Display>(id: Option<&T>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

fn text_out(text: &TextRef) -> ledger_pb::TextRef {
    ledger_pb::TextRef {
        id: text.id.clone(),
        hash: text.hash.0.to_vec(),
        length: text.length,
        sealed: text.sealed,
    }
}

fn text_in(text: ledger_pb::TextRef) -> Result<TextRef, NotAnEvent> {
    let hash = Hash::try_from(&*text.hash).map_err(|_| NotAnEvent("text hash"))?;
    Ok(TextRef { id: text.id, hash, length: text.length, sealed: text.sealed })
}

fn some_text(text: Option<ledger_pb::TextRef>) -> Result<Option<TextRef>, NotAnEvent> {
    text.map(text_in).transpose()
}

fn span_out(span: Duration) -> wkt::Duration {
    wkt::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).expect("nanoseconds of a second fit"),
    }
}

fn span_in(span: &wkt::Duration) -> Duration {
    let seconds = u64::try_from(span.seconds).unwrap_or(0);
    Duration::new(seconds, u32::try_from(span.nanos).unwrap_or(0))
}

/// A spend day as a date, such as `2026-11-23`.
pub fn date(day: i64) -> String {
    let moment = vivarium_types::Timestamp::from_micros(day.saturating_mul(86_400_000_000));
    moment.to_string().split('T').next().unwrap_or_default().to_owned()
}

/// A date as a spend day; `None` for what is no date.
pub fn day(date: &str) -> Option<i64> {
    day_in(date).ok().filter(|day| self::date(*day) == date)
}

fn day_in(date: &str) -> Result<i64, NotAnEvent> {
    let moment: vivarium_types::Timestamp = id("spend day", &format!("{date}T00:00:00Z"))?;
    Ok(moment.utc_day())
}

macro_rules! words {
    ($($out:ident, $back:ident: $own:ty => $wire:ty { $($variant:ident = $name:ident,)* })*) => {$(
        /// The wire's word.
        pub const fn $out(own: $own) -> $wire {
            match own { $(<$own>::$variant => <$wire>::$name,)* }
        }

        /// Our word; `None` for what is not set or not known.
        #[expect(clippy::allow_attributes, reason = "not every word is read everywhere")]
        #[allow(dead_code, reason = "not every word is read everywhere")]
        pub fn $back(wire: i32) -> Option<$own> {
            let wire = <$wire>::try_from(wire).ok()?;
            [$(<$own>::$variant,)*].into_iter().find(|own| $out(*own) == wire)
        }
    )*};
}

words! {
    kind_out, kind_in: Kind => pb::CycleKind {
        Task = Task, Mail = Mail, Social = Social, FreeTime = FreeTime,
        Reflection = Reflection, Critique = Critique, Local = Local, Ballot = Ballot,
    }
    class_out, class_in: Class => pb::ProviderClass { Embedded = Embedded, Remote = Remote, }
    provider_kind_out, provider_kind_in: provider::Kind => pb::ProviderKind {
        Groq = Groq, OpenAiCompatible = OpenaiCompatible, Embedded = Embedded, Replay = Replay,
    }
    label_out, label_in: Label => pb::TrustLabel {
        System = System, Operator = Operator, Own = Own, Peer = Peer, Tool = Tool, Web = Web,
    }
    slot_out, slot_in: Slot => pb::FragmentSlot {
        Instruction = Instruction, Persona = Persona, Data = Data,
    }
    end_out, end_in: End => pb::CycleEnd {
        Finished = Finished, FinishedAsProse = FinishedAsProse, FinishedByLimit = FinishedByLimit,
        Declined = Declined, Waits = Waits, Failed = Failed, Revoked = Revoked,
        Returned = Returned, Blocked = Blocked, Held = Held, Lost = Lost, Split = Split,
    }
    receipt_out, receipt_in: ReceiptStatus => pb::ReceiptStatus {
        Done = Done, Refused = Refused, Pending = Pending, Failed = Failed,
    }
    outcome_out, outcome_in: call::Outcome => pb::CallOutcome {
        Answered = Answered, Failed = Failed, Cancelled = Cancelled, Lost = Lost,
    }
    preflight_out, preflight_in: preflight::Outcome => pb::PreflightOutcome {
        Pass = Pass, Hold = Hold, Block = Block,
    }
    halt_out, halt_in: HaltSource => pb::HaltSource {
        Queue = Queue, File = File, Silence = Silence,
    }
    command_end_out, command_end_in: command::End => pb::CommandEnd {
        Exited = Exited, Signalled = Signalled, TimedOut = TimedOut, OutputFull = OutputFull,
        Stopped = Stopped, Refused = Refused,
    }
    limited_out, limited_in: Limited => pb::BudgetScope {
        Call = Call, ResidentDay = ResidentDay, ReviewDay = ReviewDay, WorldDay = WorldDay,
        WorldTotal = WorldTotal,
    }
}

/// A scope's word on the wire and its subject.
pub fn scope_out(scope: Scope) -> (pb::BudgetScope, String) {
    match scope {
        Scope::Call => (pb::BudgetScope::Call, String::new()),
        Scope::Task(task) => (pb::BudgetScope::Task, task.to_string()),
        Scope::ResidentDay(resident) => (pb::BudgetScope::ResidentDay, resident.to_string()),
        Scope::ReviewDay => (pb::BudgetScope::ReviewDay, String::new()),
        Scope::WorldDay => (pb::BudgetScope::WorldDay, String::new()),
        Scope::WorldTotal => (pb::BudgetScope::WorldTotal, String::new()),
    }
}

fn scope_in(scope: &pb::ReservedScope) -> Result<Scope, NotAnEvent> {
    match scope.scope() {
        pb::BudgetScope::Unspecified => Err(NotAnEvent("scope")),
        pb::BudgetScope::Call => Ok(Scope::Call),
        pb::BudgetScope::Task => id("scope's task", &scope.subject_id).map(Scope::Task),
        pb::BudgetScope::ResidentDay => {
            id("scope's resident", &scope.subject_id).map(Scope::ResidentDay)
        }
        pb::BudgetScope::ReviewDay => Ok(Scope::ReviewDay),
        pb::BudgetScope::WorldDay => Ok(Scope::WorldDay),
        pb::BudgetScope::WorldTotal => Ok(Scope::WorldTotal),
    }
}

const fn not_called_word(why: NotCalled) -> &'static str {
    match why {
        NotCalled::NotSent => "not_sent",
        NotCalled::LeaseEnded => "lease_ended",
        NotCalled::Halted => "halted",
    }
}

fn not_called_in(word: &str) -> Result<NotCalled, NotAnEvent> {
    [NotCalled::NotSent, NotCalled::LeaseEnded, NotCalled::Halted]
        .into_iter()
        .find(|why| not_called_word(*why) == word)
        .ok_or(NotAnEvent("release reason"))
}

#[cfg(test)]
mod tests;
