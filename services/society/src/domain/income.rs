//! What brings and costs tokens: allowance, Sunday, wages, rewards, prices (`domain.md` 7.2, 7.3).
//!
//! Entries are drafted one behind another against what the wallets will then hold.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use vivarium_types::ids::{ResidentId, SubmissionId, TaskId};
use vivarium_types::{MicroUsd, Permille};

use super::rules::Rules;
use super::wallet::{Account, Cause, Entry, Transfer, Wallets};

/// Approved tasks that a new one is measured against.
const SAMPLES_MAX: usize = 20;
/// The highest rubric, in thousandths.
const RUBRIC_MAX: i128 = 1_000;
/// Approved tasks from which on means count.
const SAMPLES_MIN: usize = 5;
/// What the parts of a split task earn together, and the least of one.
const PARTS_WAGE: i64 = 40;
const PART_WAGE_MIN: i64 = 5;
/// What it earns to put them together.
const INTEGRATION_WAGE: i64 = 10;
/// Of a split income, this many of a hundred go to the free account, rounded down.
const FREE_PERCENT: i64 = 70;

/// How an income is shared between a resident's accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// 70 % free, the rest for journals.
    Split,
    /// All of it free.
    Whole,
}

/// What becomes of an income that has no room in the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It goes to commons.
    Commons,
    /// It is not made.
    Unmade,
}

/// An income on its way into a wallet.
#[derive(Debug)]
pub struct Income {
    /// Its business key.
    pub key: String,
    /// What for.
    pub cause: Cause,
    /// What it is about.
    pub subject: String,
    /// Whose.
    pub resident: ResidentId,
    /// How much.
    pub amount: i64,
    /// How it is shared.
    pub share: Share,
    /// How full the free account may become by it.
    pub free_cap: i64,
    /// What happens to the rest.
    pub overflow: Overflow,
}

/// Entries of one decision, each drafted against the wallets as the earlier ones leave them.
#[derive(Debug)]
pub struct Booking<'a> {
    wallets: Wallets,
    rules: &'a Rules,
    day: u64,
    entries: Vec<Entry>,
}

impl<'a> Booking<'a> {
    /// No entries yet.
    pub fn new(wallets: &Wallets, rules: &'a Rules, day: u64) -> Self {
        Self { wallets: wallets.clone(), rules, day, entries: Vec::new() }
    }

    /// Everybody's tokens of the day.
    pub fn allowance(&mut self, resident: ResidentId) {
        self.income(Income {
            key: format!("allow:{}:{resident}", self.day),
            cause: Cause::Allowance,
            subject: self.day.to_string(),
            resident,
            amount: self.rules.allowance,
            share: Share::Split,
            free_cap: self.rules.free_cap,
            overflow: Overflow::Unmade,
        });
    }

    /// Everybody's tokens of a Sunday.
    pub fn sunday(&mut self, week: u64, resident: ResidentId) {
        self.income(Income {
            key: format!("sunday:{week}:{resident}"),
            cause: Cause::Sunday,
            subject: week.to_string(),
            resident,
            amount: self.rules.sunday,
            share: Share::Whole,
            free_cap: self.rules.sunday_room,
            overflow: Overflow::Commons,
        });
    }

    /// An income that flows over into commons.
    pub fn earn(
        &mut self,
        key: String,
        cause: Cause,
        subject: String,
        resident: ResidentId,
        (amount, share): (i64, Share),
    ) {
        let free_cap = self.rules.free_cap;
        let overflow = Overflow::Commons;
        self.income(Income { key, cause, subject, resident, amount, share, free_cap, overflow });
    }

    /// An income, shared and capped. A wallet above its cap keeps what it has.
    pub fn income(&mut self, income: Income) {
        let (free, journal) = (Account::Free(income.resident), Account::Journal(income.resident));
        let for_journals = match income.share {
            Share::Split => income.amount - income.amount * FREE_PERCENT / 100,
            Share::Whole => 0,
        };
        let into_journal = for_journals.min(self.room(journal, self.rules.journal_cap));
        let for_free = income.amount - into_journal;
        let into_free = for_free.min(self.room(free, income.free_cap));
        let rest = match income.overflow {
            Overflow::Commons => for_free - into_free,
            Overflow::Unmade => 0,
        };
        let parts = [(free, into_free), (journal, into_journal), (Account::Commons, rest)];
        let transfers = parts
            .into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|(to, amount)| Transfer { from: Account::Mint, to, amount })
            .collect();
        self.book(income.key, income.cause, income.subject, transfers);
    }

    /// What an action costs, if the resident has it.
    pub fn price(
        &mut self,
        key: String,
        subject: String,
        resident: ResidentId,
        amount: i64,
    ) -> Result<(), Short> {
        let from = Account::Free(resident);
        if self.wallets.balance(from) < amount {
            return Err(Short);
        }
        let transfers = if amount > 0 {
            vec![Transfer { from, to: Account::Burn, amount }]
        } else {
            Vec::new()
        };
        self.book(key, Cause::Price, subject, transfers);
        Ok(())
    }

    /// The entries, in order.
    pub fn finish(self) -> Vec<Entry> {
        self.entries
    }

    fn room(&self, account: Account, cap: i64) -> i64 {
        (cap - self.wallets.balance(account)).max(0)
    }

    fn book(&mut self, key: String, cause: Cause, subject: String, transfers: Vec<Transfer>) {
        if transfers.is_empty() {
            return;
        }
        let entry = Entry { key, transfers, cause, subject, day: self.day };
        self.wallets.apply_moved(&entry);
        self.entries.push(entry);
    }
}

/// The wallet holds less than the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short;

/// An approved task, as the queue tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The task.
    pub task: TaskId,
    /// Who did the work.
    pub resident: ResidentId,
    /// What was accepted.
    pub submission: SubmissionId,
    /// Settled cost of all attempts.
    pub cost: MicroUsd,
    /// What it was allowed to cost.
    pub budget_max: MicroUsd,
    /// Extra wage.
    pub bonus: i64,
    /// What it was of a split task.
    pub role: Role,
    /// Its tags.
    pub tags: Vec<String>,
    /// Review's confidence.
    pub confidence: Permille,
}

/// What a task was of one that was split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// It was not split and is no part.
    #[default]
    Whole,
    /// A part with this share in hundredths.
    Part(u32),
    /// It was put together from its parts.
    Integration,
}

impl Role {
    /// The plain wage.
    const fn base(self, rules: &Rules) -> i64 {
        match self {
            Self::Whole => rules.wage,
            Self::Part(share) => {
                let part = PARTS_WAGE * share as i64 / 100;
                if part < PART_WAGE_MIN { PART_WAGE_MIN } else { part }
            }
            Self::Integration => INTEGRATION_WAGE,
        }
    }
}

/// How good approved work was, measured against what was approved before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// Good work.
    Standard,
    /// Before there are means: a rubric of 800 ‰ or more.
    WellReviewed,
    /// Before there are means: cost below 70 % of what was allowed.
    Frugal,
    /// A rubric above 120 % of the mean.
    Quality,
    /// Cost below 80 % of the mean.
    Efficient,
    /// It has tags, and none of them was approved before.
    Novel,
    /// Cost below half of the mean and a rubric above 150 % of it.
    Exceptional,
}

impl Class {
    /// All of them, the least first.
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::WellReviewed,
        Self::Frugal,
        Self::Quality,
        Self::Efficient,
        Self::Novel,
        Self::Exceptional,
    ];

    /// Its wage in thousandths of the plain one.
    pub const fn permille(self) -> u32 {
        match self {
            Self::Standard => 1_000,
            Self::WellReviewed => 1_200,
            Self::Frugal | Self::Quality => 1_300,
            Self::Efficient => 1_500,
            Self::Novel => 2_000,
            Self::Exceptional => 3_000,
        }
    }

    /// Its word in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::WellReviewed => "well_reviewed",
            Self::Frugal => "frugal",
            Self::Quality => "quality",
            Self::Efficient => "efficient",
            Self::Novel => "novel",
            Self::Exceptional => "exceptional",
        }
    }
}

/// The worth of an approved task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valued {
    /// The task.
    pub task: TaskId,
    /// Who did the work.
    pub resident: ResidentId,
    /// What was accepted.
    pub submission: SubmissionId,
    /// How good it was.
    pub class: Class,
    /// Review's rubric; 0 without a critique.
    pub rubric: Permille,
    /// Settled cost of all attempts.
    pub cost: MicroUsd,
    /// Its tags.
    pub tags: Vec<String>,
    /// The reward for staying under budget; `None` when it did not.
    pub saving: Option<i64>,
}

/// What approved work is measured against.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    samples: VecDeque<(i64, u32)>,
    tags: std::collections::BTreeSet<String>,
}

impl Measure {
    /// What an approved task is worth.
    pub fn value(&self, approved: Approved, rubric: Permille) -> Valued {
        let class = self.class(&approved, rubric);
        let saving = self.saving(&approved);
        let Approved { task, resident, submission, cost, tags, .. } = approved;
        Valued { task, resident, submission, class, rubric, cost, tags, saving }
    }

    /// Takes a valued task among those that count.
    pub fn apply_valued(&mut self, valued: &Valued) {
        self.samples.push_back((valued.cost.get(), valued.rubric.0));
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.tags.extend(valued.tags.iter().cloned());
    }

    fn class(&self, approved: &Approved, rubric: Permille) -> Class {
        let cost = i128::from(approved.cost.get());
        let novel =
            !approved.tags.is_empty() && approved.tags.iter().all(|tag| !self.tags.contains(tag));
        let Some((mean_cost, mean_rubric)) = self.means() else {
            let allowed = i128::from(approved.budget_max.get());
            return if cost * 10 < allowed * 7 {
                Class::Frugal
            } else if rubric >= Permille(800) {
                Class::WellReviewed
            } else {
                Class::Standard
            };
        };
        let rubric = i128::from(rubric.0);
        if cost * 2 < mean_cost && rubric * 2 > mean_rubric * 3 {
            Class::Exceptional
        } else if novel {
            Class::Novel
        } else if cost * 10 < mean_cost * 8 {
            Class::Efficient
        } else if rubric * 10 > mean_rubric * 12 {
            Class::Quality
        } else {
            Class::Standard
        }
    }

    /// The reward for staying under budget: 8 times the share that was saved and 2 times review's
    /// confidence, each rounded half up, 1 to 12.
    fn saving(&self, approved: &Approved) -> Option<i64> {
        let allowed = i128::from(approved.budget_max.get());
        let most = self.means().map_or(allowed, |(mean, _)| allowed.min(mean));
        let used = i128::from(approved.cost.get());
        if !(0 <= used && used < most) {
            return None;
        }
        let half_up = |part: i128, whole: i128| (2 * part + whole) / (2 * whole);
        let reward = half_up(8 * (most - used), most)
            + half_up(2 * i128::from(approved.confidence.0), 1_000);
        Some(i64::try_from(reward.clamp(1, 12)).unwrap_or(12))
    }

    /// Mean cost and rubric of the last approved tasks, once there are enough of them. Work that no
    /// critic has read says nothing about rubrics; where that is all of it, their mean is beyond reach.
    fn means(&self) -> Option<(i128, i128)> {
        if self.samples.len() < SAMPLES_MIN {
            return None;
        }
        let costs = self.samples.iter().map(|(cost, _)| i128::from(*cost));
        let rubrics = self.samples.iter().map(|(_, rubric)| i128::from(*rubric));
        Some((mean(costs)?, mean(rubrics.filter(|rubric| *rubric > 0)).unwrap_or(RUBRIC_MAX)))
    }
}

fn mean(values: impl Iterator<Item = i128>) -> Option<i128> {
    let (sum, count) = values.fold((0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count)
}

/// The wage of a class.
pub fn wage(rules: &Rules, role: Role, class: Class, bonus: i64) -> i64 {
    role.base(rules) * i64::from(class.permille()) / 1_000 + bonus
}

#[cfg(test)]
mod tests;
