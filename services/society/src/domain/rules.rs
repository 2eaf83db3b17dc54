//! The numbers of this society: incomes, caps, prices, quotas. Defaults are those of the world's rules.

use vivarium_types::Permille;

/// What the domain decides by. Never used by `apply`: a change holds for what comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Tokens everybody gets each day.
    pub allowance: i64,
    /// Tokens everybody gets each Sunday besides.
    pub sunday: i64,
    /// How full a free account may become by the Sunday tokens.
    pub sunday_room: i64,
    /// Tokens of a plain wage.
    pub wage: i64,
    /// What a free account holds before income flows on to commons.
    pub free_cap: i64,
    /// What a journal account holds before income flows on to the free one.
    pub journal_cap: i64,
    /// What a letter to the human costs.
    pub letter_price: i64,
    /// What a letter of the human brings.
    pub letter_income: i64,
    /// What the human's first answer to a letter brings.
    pub answer_income: i64,
    /// Messages of a resident a day.
    pub posts_a_day: u32,
    /// Memories a resident keeps a day.
    pub memories_a_day: u32,
    /// Looks into own memories a day.
    pub recalls_a_day: u32,
    /// Letters of a resident a day.
    pub letters_a_day: u32,
    /// Concerns beyond that.
    pub concerns_more: u32,
    /// Journal entries of a resident a day; notes included.
    pub journals_a_day: u32,
    /// Residents of a world.
    pub residents: usize,
    /// Memories of a resident that can be recalled.
    pub live_memories: usize,
    /// Likeness from which on a memory is a twin of another.
    pub twin: Permille,
    /// Likeness from which on a message is an echo.
    pub echo: Permille,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            allowance: 150,
            sunday: 500,
            sunday_room: 1_000,
            wage: 50,
            free_cap: 500,
            journal_cap: 200,
            letter_price: 10,
            letter_income: 8,
            answer_income: 12,
            posts_a_day: 12,
            memories_a_day: 20,
            recalls_a_day: 12,
            letters_a_day: 5,
            concerns_more: 3,
            journals_a_day: 6,
            residents: 128,
            live_memories: 2_000,
            twin: Permille(920),
            echo: Permille(900),
        }
    }
}
