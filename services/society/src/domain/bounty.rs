//! Bounties: prizes for work that anybody may try (`domain.md` 8.4).
//!
//! Invariant: an open bounty's escrow holds what was put there, any other's holds nothing. Claims and
//! judging are not built yet: a bounty is opened by an import and taken back by the human.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Context, Meta, TextRef};
use vivarium_types::Timestamp;
use vivarium_types::ids::BountyId;

use super::wallet::{Account, Cause, Entry, Transfer};
use super::{Event, Refused, Society};

/// Most tokens of a prize.
pub const REWARD_MAX: i64 = 5_000;
/// Most teams, and most slots.
pub const PLACES_MAX: u32 = 16;

/// Who may try, and who sees whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Several teams, whose claims everybody sees.
    Hybrid,
    /// Several teams, whose claims are secret until judging.
    Pvp,
    /// One team and one prize.
    Coop,
}

/// What of a prize a submission is worth by its place, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// In a slot.
    pub in_slot: u32,
    /// Each place behind the slots, of the one before it.
    pub decay: u32,
    /// At the least.
    pub min: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { in_slot: 1_000, decay: 500, min: 50 }
    }
}

/// What is offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The title.
    pub title: TextRef,
    /// What is to be done.
    pub description: TextRef,
    /// The first prize.
    pub reward: i64,
    /// The second prize.
    pub runner_up: i64,
    /// Who may try.
    pub mode: Mode,
    /// Teams that may try.
    pub max_teams: u32,
    /// Submissions that are worth the whole prize.
    pub slots: u32,
    /// What a submission is worth by its place.
    pub policy: Policy,
    /// Where it comes from.
    pub origin: String,
}

impl Terms {
    /// The most that can ever be paid: both prizes, at the worth of a slot if that is above the whole.
    pub fn escrow(&self) -> i64 {
        let prizes = self.reward + self.runner_up;
        let worth = i64::from(self.policy.in_slot.max(1_000));
        // Rounded up: the escrow is never short of what is paid from it.
        (prizes * worth + 999) / 1_000
    }
}

/// A bounty as the log opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Which.
    pub bounty: BountyId,
    /// What is offered.
    pub terms: Terms,
    /// What was put in escrow.
    pub escrow: i64,
    /// The day.
    pub day: u64,
}

/// Where a bounty stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It is offered.
    Open,
    /// The human took it back.
    Cancelled {
        /// When.
        time: Timestamp,
        /// Why.
        reason: TextRef,
    },
}

/// A bounty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounty {
    /// What is offered.
    pub terms: Terms,
    /// What was put in escrow.
    pub escrow: i64,
    /// The day on which it was opened.
    pub day: u64,
    /// When it was opened.
    pub opened: Timestamp,
    /// Where it stands.
    pub state: State,
}

/// All bounties.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounties {
    by_id: BTreeMap<BountyId, Bounty>,
}

impl Bounties {
    /// One of them.
    pub fn get(&self, bounty: BountyId) -> Option<&Bounty> {
        self.by_id.get(&bounty)
    }

    /// Those in front of one, newest first.
    pub fn before(&self, bounty: Option<BountyId>) -> impl Iterator<Item = (BountyId, &Bounty)> {
        let newest_first = self.by_id.iter().rev();
        let behind = move |id: BountyId| bounty.is_none_or(|bounty| id < bounty);
        newest_first.map(|(id, found)| (*id, found)).filter(move |(id, _)| behind(*id))
    }

    /// A bounty was opened.
    pub fn apply_opened(&mut self, opened: &Opened, meta: &Meta) {
        let Opened { bounty, terms, escrow, day } = opened.clone();
        let found = Bounty { terms, escrow, day, opened: meta.time, state: State::Open };
        self.by_id.insert(bounty, found);
    }

    /// A bounty was taken back.
    pub fn apply_cancelled(&mut self, bounty: BountyId, reason: &TextRef, meta: &Meta) {
        if let Some(found) = self.by_id.get_mut(&bounty) {
            found.state = State::Cancelled { time: meta.time, reason: reason.clone() };
        }
    }
}

impl Society {
    /// A bounty of the human: the mint puts its prize in escrow.
    pub(super) fn open_bounty(&self, terms: Terms, cx: &Context<'_>) -> (BountyId, Vec<Event>) {
        let (bounty, escrow, day) = (cx.mint(), terms.escrow(), self.today.day);
        let entry = Entry {
            key: escrow_key(bounty),
            transfers: vec![Transfer {
                from: Account::Mint,
                to: Account::BountyEscrow(bounty),
                amount: escrow,
            }],
            cause: Cause::Bounty,
            subject: bounty.to_string(),
            day,
        };
        let opened = Opened { bounty, terms, escrow, day };
        let events =
            vec![Event::BountyOpened(Box::new(opened)), Event::TokensMoved(Box::new(entry))];
        (bounty, events)
    }

    /// The human takes a bounty back: what lies in escrow returns whole.
    pub(super) fn cancel_bounty(
        &self,
        bounty: BountyId,
        reason: TextRef,
    ) -> Result<Vec<Event>, Refused> {
        let missing = || Refused::BountyNotFound { bounty };
        let found = self.bounties.get(bounty).ok_or_else(missing)?;
        if found.state != State::Open {
            return Err(Refused::BountyNotOpen { bounty });
        }
        let account = Account::BountyEscrow(bounty);
        let entry = Entry {
            key: format!("undo:{}", escrow_key(bounty)),
            transfers: vec![Transfer {
                from: account,
                to: Account::Mint,
                amount: self.wallets.balance(account),
            }],
            cause: Cause::Bounty,
            subject: bounty.to_string(),
            day: self.today.day,
        };
        Ok(vec![Event::BountyCancelled { bounty, reason }, Event::TokensMoved(Box::new(entry))])
    }
}

/// The key of the entry that fills an escrow.
fn escrow_key(bounty: BountyId) -> String {
    format!("escrow:bounty:{bounty}")
}

#[cfg(test)]
mod tests {
    use vivarium_ledger::{Aggregate as _, Hash};
    use vivarium_types::ids::Id as _;
    use vivarium_types::{Actor, IdSource};

    use super::*;

    fn text(id: &str) -> TextRef {
        TextRef { id: id.to_owned(), hash: Hash::default(), length: 4, sealed: false }
    }

    fn terms(reward: i64, runner_up: i64, in_slot: u32) -> Terms {
        Terms {
            title: text("title"),
            description: text("description"),
            reward,
            runner_up,
            mode: Mode::Hybrid,
            max_teams: 2,
            slots: 1,
            policy: Policy { in_slot, ..Policy::default() },
            origin: "import:b1".to_owned(),
        }
    }

    fn apply(society: &mut Society, events: &[Event]) {
        let actor = Actor::Operator("ada".to_owned());
        for (event, sequence) in events.iter().zip(1..) {
            let (time, actor) = (Timestamp::EPOCH, actor.clone());
            society.apply(event, &Meta { sequence, time, actor });
        }
    }

    fn open(society: &mut Society, terms: Terms) -> BountyId {
        let actor = Actor::Operator("ada".to_owned());
        let (mut ids, facts) = (IdSource::seeded(7), BTreeMap::new());
        let cx = Context::new(Timestamp::EPOCH, &actor, 1, &mut ids, &facts);
        let (bounty, events) = society.open_bounty(terms, &cx);
        apply(society, &events);
        bounty
    }

    #[test]
    fn an_escrow_holds_the_most_that_can_be_paid() {
        for (reward, runner_up, in_slot, escrow) in
            [(100, 40, 1_000, 140), (100, 40, 500, 140), (5, 2, 1_100, 8), (1, 0, 2_000, 2)]
        {
            assert_eq!(terms(reward, runner_up, in_slot).escrow(), escrow, "{reward} {in_slot}");
        }
    }

    #[test]
    fn cancelling_returns_the_whole_escrow_and_happens_once() {
        let mut society = Society::default();
        let bounty = open(&mut society, terms(100, 40, 1_000));
        let held = |society: &Society| {
            let account = Account::BountyEscrow(bounty);
            (society.wallets.balance(account), society.wallets.balance(Account::Mint))
        };
        assert_eq!((held(&society), society.wallets.sum()), ((140, -140), 0));
        let events = society.cancel_bounty(bounty, text("why")).expect("it is open");
        apply(&mut society, &events);
        assert_eq!((held(&society), society.wallets.sum()), ((0, 0), 0));
        assert_eq!(society.wallets.supply(0).minted, 0, "what returned was never made");
        let again = society.cancel_bounty(bounty, text("why"));
        assert_eq!(again, Err(Refused::BountyNotOpen { bounty }));
    }

    #[test]
    fn a_bounty_that_is_not_there_cannot_be_taken_back() {
        let bounty = BountyId::from_number(1);
        let refused = Society::default().cancel_bounty(bounty, text("why"));
        assert_eq!(refused, Err(Refused::BountyNotFound { bounty }));
    }
}
