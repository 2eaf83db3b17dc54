//! Society's settings, from `world/config/society.toml`.

use serde::{Deserialize, Serialize};
use vivarium_chassis::{Settings, Violations};
use vivarium_types::Permille;

use crate::domain::rules::Rules;

/// Most tokens that one income, price or cap may be set to.
const TOKENS_MAX: i64 = 5_000;
/// Most uses of one action a day.
const USES_MAX: u32 = 1_000;

/// What can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Tokens everybody gets each day.
    pub allowance_tokens: i64,
    /// Tokens everybody gets each Sunday besides.
    pub sunday_tokens: i64,
    /// How full a free account may become by the Sunday tokens.
    pub sunday_room_tokens: i64,
    /// Tokens of a plain wage.
    pub wage_tokens: i64,
    /// What a free account holds before income flows on to commons.
    pub free_cap_tokens: i64,
    /// What a journal account holds before income flows on to the free one.
    pub journal_cap_tokens: i64,
    /// What a letter to the human costs.
    pub letter_price_tokens: i64,
    /// What a letter of the human brings.
    pub letter_income_tokens: i64,
    /// What the human's first answer to a letter brings.
    pub answer_income_tokens: i64,
    /// Messages of a resident a day.
    pub posts_a_day: u32,
    /// Memories a resident keeps a day.
    pub memories_a_day: u32,
    /// Looks into own memories a day.
    pub recalls_a_day: u32,
    /// Letters of a resident a day.
    pub letters_a_day: u32,
    /// Concerns beyond that.
    pub concerns_more_a_day: u32,
    /// Journal entries of a resident a day; private notes included.
    pub journals_a_day: u32,
    /// Residents of a world.
    pub residents_max: u32,
    /// Memories of a resident that can be recalled.
    pub live_memories_max: u32,
    /// Likeness from which on a memory is a twin of another.
    pub twin_permille: u32,
    /// Likeness from which on a message is an echo.
    pub echo_permille: u32,
}

impl Default for Config {
    fn default() -> Self {
        let rules = Rules::default();
        Self {
            allowance_tokens: rules.allowance,
            sunday_tokens: rules.sunday,
            sunday_room_tokens: rules.sunday_room,
            wage_tokens: rules.wage,
            free_cap_tokens: rules.free_cap,
            journal_cap_tokens: rules.journal_cap,
            letter_price_tokens: rules.letter_price,
            letter_income_tokens: rules.letter_income,
            answer_income_tokens: rules.answer_income,
            posts_a_day: rules.posts_a_day,
            memories_a_day: rules.memories_a_day,
            recalls_a_day: rules.recalls_a_day,
            letters_a_day: rules.letters_a_day,
            concerns_more_a_day: rules.concerns_more,
            journals_a_day: rules.journals_a_day,
            residents_max: 128,
            live_memories_max: 2_000,
            twin_permille: rules.twin.0,
            echo_permille: rules.echo.0,
        }
    }
}

impl Config {
    /// The same, as the domain takes it.
    pub fn rules(&self) -> Rules {
        Rules {
            allowance: self.allowance_tokens,
            sunday: self.sunday_tokens,
            sunday_room: self.sunday_room_tokens,
            wage: self.wage_tokens,
            free_cap: self.free_cap_tokens,
            journal_cap: self.journal_cap_tokens,
            letter_price: self.letter_price_tokens,
            letter_income: self.letter_income_tokens,
            answer_income: self.answer_income_tokens,
            posts_a_day: self.posts_a_day,
            memories_a_day: self.memories_a_day,
            recalls_a_day: self.recalls_a_day,
            letters_a_day: self.letters_a_day,
            concerns_more: self.concerns_more_a_day,
            journals_a_day: self.journals_a_day,
            residents: usize::try_from(self.residents_max).unwrap_or(usize::MAX),
            live_memories: usize::try_from(self.live_memories_max).unwrap_or(usize::MAX),
            twin: Permille(self.twin_permille),
            echo: Permille(self.echo_permille),
        }
    }
}

impl Settings for Config {
    fn check(&self, wrong: &mut Violations) {
        let tokens = [
            ("allowance_tokens", self.allowance_tokens),
            ("sunday_tokens", self.sunday_tokens),
            ("sunday_room_tokens", self.sunday_room_tokens),
            ("wage_tokens", self.wage_tokens),
            ("free_cap_tokens", self.free_cap_tokens),
            ("journal_cap_tokens", self.journal_cap_tokens),
            ("letter_price_tokens", self.letter_price_tokens),
            ("letter_income_tokens", self.letter_income_tokens),
            ("answer_income_tokens", self.answer_income_tokens),
        ];
        for (key, value) in tokens {
            wrong.bounded(key, value, 0..=TOKENS_MAX);
        }
        let uses = [
            ("posts_a_day", self.posts_a_day),
            ("memories_a_day", self.memories_a_day),
            ("recalls_a_day", self.recalls_a_day),
            ("letters_a_day", self.letters_a_day),
            ("concerns_more_a_day", self.concerns_more_a_day),
            ("journals_a_day", self.journals_a_day),
        ];
        for (key, value) in uses {
            wrong.bounded(key, value, 0..=USES_MAX);
        }
        wrong.bounded("residents_max", self.residents_max, 1..=1_000);
        wrong.bounded("live_memories_max", self.live_memories_max, 10..=10_000);
        for (key, value) in
            [("twin_permille", self.twin_permille), ("echo_permille", self.echo_permille)]
        {
            wrong.bounded(key, value, 500..=1_001);
        }
    }
}
