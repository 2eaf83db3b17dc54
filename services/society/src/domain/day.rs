//! The world's day as society knows it, and what a resident may do within one.
//!
//! A quota is full until the next `DayStarted`: it is counted from events, so a restart refills none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Guard};
use vivarium_types::ids::ResidentId;

use super::Refused;
use super::rules::Rules;

/// A day of the world. Day 0 is before the first.
#[expect(clippy::struct_field_names, reason = "it is called as in the contract")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// From 1.
    pub day: u64,
    /// From 1.
    pub week: u64,
    /// 1 (Monday) to 7 (Sunday).
    pub weekday: u32,
    /// Whether it is a day of rest.
    pub rest_day: bool,
}

impl Day {
    /// Whether it is the seventh of its week.
    pub const fn is_sunday(self) -> bool {
        self.weekday == 7
    }
}

/// What is counted by the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Use {
    /// A message in a room.
    Post,
    /// A memory kept.
    Remember,
    /// A look into own memories.
    Recall,
    /// A letter to the human.
    Letter,
    /// A concern to the human: counted among the letters, with more of them allowed.
    Concern,
    /// A journal entry.
    Journal,
}

impl Use {
    /// The action's name.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Post => "post_message",
            Self::Remember => "remember",
            Self::Recall => "recall",
            Self::Letter | Self::Concern => "message_human",
            Self::Journal => "write_journal",
        }
    }

    /// What it is counted as.
    const fn counted(self) -> Self {
        match self {
            Self::Concern => Self::Letter,
            Self::Post | Self::Remember | Self::Recall | Self::Letter | Self::Journal => self,
        }
    }

    /// How many there may be a day.
    const fn most(self, rules: &Rules) -> u32 {
        match self {
            Self::Post => rules.posts_a_day,
            Self::Remember => rules.memories_a_day,
            Self::Recall => rules.recalls_a_day,
            Self::Letter => rules.letters_a_day,
            Self::Concern => rules.letters_a_day + rules.concerns_more,
            Self::Journal => rules.journals_a_day,
        }
    }
}

/// What everybody did today.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    uses: BTreeMap<(ResidentId, Use), u32>,
}

impl Quotas {
    /// Whether one more is left today.
    pub fn check(&self, who: ResidentId, what: Use, rules: &Rules) -> Result<(), Refused> {
        if self.left(who, what, rules) > 0 || !planted::stands(Guard::Quota) {
            return Ok(());
        }
        Err(Refused::QuotaSpent { action: what.action(), max: what.most(rules) })
    }

    /// How many are left today.
    pub fn left(&self, who: ResidentId, what: Use, rules: &Rules) -> u32 {
        let used = self.uses.get(&(who, what.counted())).copied().unwrap_or(0);
        what.most(rules).saturating_sub(used)
    }

    /// One was used.
    pub fn apply_used(&mut self, who: ResidentId, what: Use) {
        *self.uses.entry((who, what.counted())).or_default() += 1;
    }

    /// A new day.
    pub fn apply_day(&mut self) {
        self.uses.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vivarium_types::ids::Id as _;

    #[test]
    fn a_concern_can_be_raised_when_the_letters_of_the_day_are_spent() {
        let (mut quotas, rules) = (Quotas::default(), Rules::default());
        let who = ResidentId::from_number(1);
        for _ in 0..5 {
            quotas.check(who, Use::Letter, &rules).expect("one is left");
            quotas.apply_used(who, Use::Letter);
        }
        let spent = Refused::QuotaSpent { action: "message_human", max: 5 };
        assert_eq!(quotas.check(who, Use::Letter, &rules), Err(spent));
        for _ in 0..3 {
            quotas.check(who, Use::Concern, &rules).expect("one is left");
            quotas.apply_used(who, Use::Concern);
        }
        assert!(quotas.check(who, Use::Concern, &rules).is_err());
        quotas.apply_day();
        assert_eq!(quotas.left(who, Use::Letter, &rules), 5);
    }
}
