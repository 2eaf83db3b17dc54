//! Recorded cycles, gathered from the ledger and run again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicI64;

use vivarium_ledger::{Row, TextRef, store};
use vivarium_types::Timestamp;
use vivarium_types::ids::CycleId;

use super::compare::{self, Verdict};
use super::{Answered, Course, Given, Moment, Replay, Said};
use crate::cycle::Engine;
use crate::domain::action::has_private_result;
use crate::domain::call::{Called, Outcome};
use crate::domain::cycle::{Ended, Kind, Performed, Started};
use crate::domain::event::{self, Event};
use crate::domain::preflight::{Decided, Outcome as Preflight};
use crate::lease::Held;
use crate::metrics::Counters;
use crate::model::chat::Usage;
use crate::output::Hub;
use crate::rpc::peers::society::Part;

/// One cycle as the record has it.
#[derive(Debug, Default)]
pub struct Past {
    /// Its decisions, in order.
    events: Vec<(Timestamp, Event)>,
    reserved: BTreeSet<u32>,
}

/// Cycles whose end has not been read yet.
#[derive(Debug, Default)]
pub struct Gathering {
    open: BTreeMap<CycleId, Past>,
}

impl Gathering {
    /// Takes a row; gives a cycle that it ends.
    pub fn take(&mut self, row: &Row) -> Result<Option<(CycleId, Past)>, store::Error> {
        let corrupt = || store::Error::corrupt(format!("row {}", row.sequence));
        let text = std::str::from_utf8(&row.payload).map_err(|_| corrupt())?;
        let wire = event::of_json(text).map_err(|_| corrupt())?;
        let event = Event::try_from(wire).map_err(|_| corrupt())?;
        let (cycle, ends) = match &event {
            Event::CycleStarted(started) => (started.cycle, false),
            Event::ModelCalled(called) => (called.owner.cycle, false),
            Event::ActionPerformed(performed) => (performed.cycle, false),
            Event::CritiqueMade(critique) => (critique.cycle, false),
            Event::CritiqueFailed(missing) => (missing.cycle, false),
            Event::CycleEnded(ended) => (ended.cycle, true),
            Event::PreflightDecided(decided) => (decided.cycle, decided.outcome != Preflight::Pass),
            Event::BudgetReserved(reserved) => {
                let past = self.open.entry(reserved.owner.cycle).or_default();
                past.reserved.insert(reserved.owner.step);
                return Ok(None);
            }
            Event::ReservationReleased { .. }
            | Event::ProviderHealthChanged { .. }
            | Event::KeySet { .. }
            | Event::KeyCleared { .. }
            | Event::BudgetLimitSet { .. }
            | Event::ProviderConsented { .. }
            | Event::HaltObeyed(_)
            | Event::CommandStarted(_)
            | Event::CommandEnded(_)
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => return Ok(None),
        };
        self.open.entry(cycle).or_default().events.push((row.time, event));
        Ok(if ends { self.open.remove(&cycle).map(|past| (cycle, past)) } else { None })
    }
}

impl Past {
    fn started(&self) -> Option<(Timestamp, &Started)> {
        self.events.iter().find_map(|(time, event)| {
            if let Event::CycleStarted(started) = event { Some((*time, &**started)) } else { None }
        })
    }

    fn held_up(&self) -> Option<&Decided> {
        self.events.iter().find_map(|(_, event)| {
            if let Event::PreflightDecided(decided) = event { Some(decided) } else { None }
        })
    }

    fn ended(&self) -> Option<&Ended> {
        self.events.iter().find_map(|(_, event)| {
            if let Event::CycleEnded(ended) = event { Some(&**ended) } else { None }
        })
    }

    fn calls(&self) -> impl Iterator<Item = (Timestamp, &Called)> {
        self.events.iter().filter_map(|(time, event)| {
            if let Event::ModelCalled(called) = event { Some((*time, &**called)) } else { None }
        })
    }

    fn actions(&self) -> impl Iterator<Item = (Timestamp, &Performed)> {
        self.events.iter().filter_map(|(time, event)| {
            if let Event::ActionPerformed(performed) = event {
                Some((*time, &**performed))
            } else {
                None
            }
        })
    }

    /// Why it ran; a task that the policy held up has no start.
    pub fn kind(&self) -> Kind {
        self.started().map_or(Kind::Task, |(_, started)| started.kind)
    }

    /// The task it ran for.
    pub fn task(&self) -> Option<vivarium_types::ids::TaskId> {
        let started = self.started().and_then(|(_, started)| started.task);
        started.or_else(|| self.held_up().map(|decided| decided.task))
    }

    /// Model calls that were answered.
    pub fn calls_made(&self) -> u32 {
        let answered = self.calls().filter(|(_, called)| called.outcome == Outcome::Answered);
        u32::try_from(answered.count()).unwrap_or(u32::MAX)
    }

    fn given(&self) -> Option<&TextRef> {
        let started = self.started().and_then(|(_, started)| started.given.as_ref());
        started.or_else(|| self.held_up().and_then(|decided| decided.given.as_ref()))
    }

    /// Every text that a second run needs.
    fn texts(&self) -> impl Iterator<Item = &TextRef> {
        let fragments = self.started().into_iter().flat_map(|(_, started)| &started.fragments);
        let said = self.calls().filter_map(|(_, called)| called.response.as_ref());
        let results = self.actions().filter_map(|(_, performed)| performed.result.as_ref());
        let given = self.given().into_iter();
        given.chain(fragments.map(|fragment| &fragment.text)).chain(said).chain(results)
    }

    /// Steps that cannot be made again.
    fn blind(&self) -> BTreeSet<u32> {
        let calls = self.calls().filter(|(_, called)| !is_whole(called));
        let steps = calls.map(|(_, called)| called.owner.step);
        let private = self.actions().filter(|(_, performed)| {
            performed.status.is_accepted() && has_private_result(&performed.action)
        });
        // Its receipt stood in the request of the step behind it.
        steps.chain(private.map(|(_, performed)| performed.step + 1)).collect()
    }

    fn replay(&self, given: Given, texts: &BTreeMap<String, String>) -> Replay {
        let text =
            |of: Option<&TextRef>| of.and_then(|of| texts.get(&of.id)).cloned().unwrap_or_default();
        let began = self.events.first().map_or(Timestamp::EPOCH, |(time, _)| *time);
        let fragments = self.started().into_iter().flat_map(|(_, started)| &started.fragments);
        let told = fragments.map(|fragment| Part {
            section: fragment.section.clone(),
            source: fragment.source.clone(),
            label: fragment.label,
            slot: fragment.slot,
            text: text(Some(&fragment.text)),
            private: fragment.text.sealed,
        });
        let told_whole = self.calls().filter(|(_, called)| is_whole(called));
        let said = told_whole.map(|(time, called)| {
            let usage = Usage {
                input_tokens: called.usage.input_tokens,
                output_tokens: called.usage.output_tokens,
                cached_tokens: 0,
                estimated: called.usage.estimated,
            };
            let finish_reason = called.finish_reason.clone();
            let text = text(called.response.as_ref());
            (called.request_hash.clone(), Said { time, text, usage, finish_reason })
        });
        let actions = self.actions().map(|(time, performed)| {
            let Performed { cycle, step, index, .. } = performed;
            let answered = Answered {
                time,
                status: performed.status,
                reason: performed.reason.clone(),
                result: text(performed.result.as_ref()),
                price: performed.price,
                balance: performed.balance,
                place: performed.place.clone(),
            };
            (format!("{cycle}:{step}:{index}"), answered)
        });
        let documents = self.ended().into_iter().flat_map(|ended| &ended.documents);
        let documents = documents.map(|draft| (draft.path.clone(), (draft.document, draft.digest)));
        let payload_hash = self.events.iter().find_map(|(_, event)| {
            if let Event::CritiqueMade(critique) = event {
                Some(critique.payload_hash.clone())
            } else {
                None
            }
        });
        Replay {
            told: told.collect(),
            said: said.collect(),
            reserved: self.reserved.clone(),
            blind: self.blind(),
            answered: actions.collect(),
            documents: documents.collect(),
            payload_hash: payload_hash.unwrap_or_default(),
            clock: Arc::new(Moment(AtomicI64::new(began.as_micros()))),
            course: Mutex::default(),
            given,
        }
    }
}

/// Whether the record holds what came back word for word.
fn is_whole(called: &Called) -> bool {
    called.outcome == Outcome::Answered && !called.left_out
}

/// Runs a recorded cycle again and compares what was decided.
pub async fn again(engine: &Engine, past: &Past) -> Result<Verdict, store::Error> {
    if past.kind() == Kind::Local {
        return Ok(Verdict::LeftOut("a local task has no model".to_owned()));
    }
    let needed: BTreeSet<String> = past.texts().map(|text| text.id.clone()).collect();
    let texts = engine.ledger.read_texts(needed.iter().cloned().collect()).await?;
    let given = past.given().and_then(|given| texts.get(&given.id));
    let Some(given) = given.and_then(|given| serde_json::from_str::<Given>(given).ok()) else {
        let why = "the record does not hold what the cycle was given";
        return Ok(Verdict::LeftOut(why.to_owned()));
    };
    if texts.len() < needed.len() {
        return Ok(Verdict::LeftOut("a text of the record was erased".to_owned()));
    }
    let grant = given.grant.clone();
    let replay = Arc::new(past.replay(given, &texts));
    let engine = Engine {
        clock: Arc::clone(&replay.clock) as _,
        hub: Arc::new(Hub::default()),
        counters: Counters::default(),
        replay: Some(Arc::clone(&replay)),
        ..engine.clone()
    };
    drop(Box::pin(engine.run(&grant, &Held::new(String::new(), &grant.mode))).await);
    let Course { decided, cut, missed } = std::mem::take(&mut *replay.course());
    let recorded = past.events.iter().map(|(_, event)| event.clone());
    Ok(compare::decisions(recorded, decided, cut, missed))
}
