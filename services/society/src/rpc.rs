//! Society's methods: parse, authorise, submit, answer. One door serves all of its services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Response, Status};
use vivarium_chassis::{Caller, Refusal};
use vivarium_ledger::{Error, Ledger, Request as RequestKey, Submission, TextRow};
use vivarium_proto::ledger::v1::Position;
use vivarium_types::Reason;
use vivarium_types::ids::ResidentId;

use crate::domain::resident::Resident;
use crate::domain::{Command, Event, Refused, Society};
use crate::metrics::Counters;
use crate::signs::Signs;

mod act;
mod bounties;
mod briefing;
mod convert;
mod history;
mod imports;
mod journals;
mod library;
mod mail;
mod memories;
mod residents;
mod rooms;
mod show;
mod wallets;

/// How long a refused caller should wait before it asks a busy service again.
const BUSY_WAIT: Duration = Duration::from_millis(200);

/// What all methods need.
#[derive(Debug, Clone)]
pub struct Door {
    ledger: Ledger<Society>,
    signs: Arc<Signs>,
    counters: Counters,
}

/// A change that a person asks for.
struct Change<'a> {
    caller: &'a Caller,
    key: RequestKey,
    command: Command,
    texts: Vec<TextRow>,
    erasures: Vec<String>,
}

impl Door {
    /// The door of `ledger`.
    pub const fn new(ledger: Ledger<Society>, signs: Arc<Signs>, counters: Counters) -> Self {
        Self { ledger, signs, counters }
    }

    /// Makes a change of the human's; `answer` gets the place behind it and what it made.
    async fn change<M: prost::Message + Default + 'static>(
        &self,
        change: Change<'_>,
        answer: fn(Position, String) -> M,
    ) -> Result<Response<M>, Status> {
        change.caller.operator()?;
        let submission = Submission::new(change.caller.actor.clone(), change.command)
            .texts(change.texts)
            .erasing(change.erasures)
            .request(change.key)
            .answering(move |_, decided| {
                let made = decided.events.iter().find_map(|(event, _)| Event::made(event));
                answer(position(decided.sequence), made.unwrap_or_default())
            });
        let answer = self.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(Refusal::fault)?))
    }

    /// Asks the committed state.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Society) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        self.ledger.ask(question).await.map_err(refusal)
    }

    /// Runs a query on the read models.
    async fn view<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.ledger.view(query).await.map_err(Refusal::fault)
    }

    /// A resident, by id or handle.
    async fn resident(&self, named: &str) -> Result<Resident, Refusal> {
        let (wanted, missing) = (named.to_owned(), named.to_owned());
        let found = self.ask(move |society| society.residents.find(&wanted).cloned()).await?;
        found.ok_or_else(|| resident_not_found(&missing))
    }

    /// The id of a resident, by id or handle, where nobody may be named.
    async fn resident_if(&self, named: &str) -> Result<Option<ResidentId>, Refusal> {
        if named.is_empty() {
            return Ok(None);
        }
        self.resident(named).await.map(|resident| Some(resident.resident))
    }

    /// Several residents, by ids or handles.
    async fn named(&self, names: Vec<String>) -> Result<Vec<ResidentId>, Refusal> {
        let mut found = Vec::new();
        for name in names {
            let resident = self.resident(&name).await?.resident;
            if !found.contains(&resident) {
                found.push(resident);
            }
        }
        Ok(found)
    }

    /// A text; empty when it was erased.
    async fn text(&self, id: &str) -> Result<String, Refusal> {
        Ok(self.ledger.text(id).await.map_err(Refusal::fault)?.unwrap_or_default())
    }

    /// Texts by id.
    async fn texts(
        &self,
        ids: impl IntoIterator<Item = String>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let mut found = BTreeMap::new();
        for id in ids {
            let text = self.text(&id).await?;
            found.insert(id, text);
        }
        Ok(found)
    }

    /// Seals a text on a thread that may wait for the disk.
    async fn sealed(
        &self,
        text: String,
    ) -> Result<(vivarium_ledger::TextRef, Vec<TextRow>), Refusal> {
        let ledger = self.ledger.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let mut texts = ledger.texts();
            let reference = texts.sealed(&text)?;
            Ok::<_, vivarium_ledger::store::Error>((reference, texts.into_rows()))
        });
        sealing.await.map_err(Refusal::fault)?.map_err(Refusal::fault)
    }

    /// Waits until a place is visible. The caller's deadline bounds it.
    async fn reached(&self, place: Option<Position>) -> Result<(), Refusal> {
        let Some(place) = convert::place(place)? else { return Ok(()) };
        if self.ledger.reached(place).await {
            Ok(())
        } else {
            Err(Refusal::new(Reason::LedgerNotReached))
        }
    }
}

fn position(sequence: u64) -> Position {
    Position { ledger: "society".to_owned(), sequence }
}

/// The token of the page behind a full one.
fn next_page(got: usize, limit: u32, last: Option<u64>) -> String {
    let full = got == limit as usize;
    last.filter(|_| full).map(|last| last.to_string()).unwrap_or_default()
}

fn missing(reason: Reason, kind: &'static str, named: &str) -> Refusal {
    Refusal::new(reason).with(kind, named).resource(kind, named)
}

fn resident_not_found(named: &str) -> Refusal {
    missing(Reason::IdentityResidentNotFound, "resident", named)
}

fn bounty_not_found(named: &str) -> Refusal {
    missing(Reason::BountyNotFound, "bounty", named)
}

fn conversation_spent(room: &str, with: impl std::fmt::Display) -> Refusal {
    Refusal::new(Reason::SocialConversationSpent).with("room", room).with("resident", with)
}

fn refusal(error: Error<Refused>) -> Refusal {
    match error {
        Error::Refused(refused) => refused_because(refused),
        Error::RequestReused => Refusal::new(Reason::RequestIdReused),
        Error::Full => {
            Refusal::new(Reason::LedgerInboxFull).with("service", "society").retry_after(BUSY_WAIT)
        }
        Error::Closed => {
            Refusal::new(Reason::ServiceDraining).with("service", "society").retry_after(BUSY_WAIT)
        }
        Error::KeyClaimed(key) => Refusal::fault(format!("the key {key} is claimed twice")),
        Error::Fault => Refusal::fault("a decision panicked"),
        Error::Store(error) => Refusal::fault(error),
    }
}

fn refused_because(refused: Refused) -> Refusal {
    match refused {
        Refused::LeaseLost { lease } => Refusal::new(Reason::QueueLeaseLost).with("lease", lease),
        Refused::ResidentNotFound { resident } => resident_not_found(&resident),
        Refused::QuotaSpent { action, max } => {
            Refusal::new(Reason::ActionQuotaSpent).with("action", action).with("max", max)
        }
        Refused::Insufficient { price } => {
            Refusal::new(Reason::WalletInsufficient).with("price", price)
        }
        Refused::RoomNotFound { room } => missing(Reason::SocialRoomNotFound, "room", &room),
        Refused::RoomClosed { room } => Refusal::new(Reason::SocialRoomClosed).with("room", room),
        Refused::ConversationSpent { room, resident } => conversation_spent(&room, resident),
        Refused::Echo { message } => Refusal::new(Reason::SocialEcho).with("message", message),
        Refused::MessageNotFound { message } => {
            missing(Reason::SocialMessageNotFound, "message", &message)
        }
        Refused::MemoryDuplicate { memory } => missing(Reason::MemoryDuplicate, "memory", &memory),
        Refused::MemoryNotFound { memory } => missing(Reason::MemoryNotFound, "memory", &memory),
        Refused::BountyNotFound { bounty } => bounty_not_found(&bounty.to_string()),
        Refused::BountyNotOpen { bounty } => {
            Refusal::new(Reason::BountyNotOpen).with("bounty", bounty)
        }
        Refused::Known => Refusal::fault("a peer's fact came as a request"),
    }
}
