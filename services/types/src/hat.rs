//! Hats: what a task may ask a resident to be for one cycle. Their texts are the executor's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An overlay over a resident for one cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hat {
    /// Looks for the way.
    Strategist,
    /// Makes the thing.
    Builder,
    /// Looks for what is wrong.
    Reviewer,
    /// Writes it down.
    Documenter,
    /// Thinks about hats.
    Hatter,
    /// Weighs without a side.
    Objectivity,
}

/// No name of a hat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

impl Hat {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Strategist,
        Self::Builder,
        Self::Reviewer,
        Self::Documenter,
        Self::Hatter,
        Self::Objectivity,
    ];

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Strategist => "strategist",
            Self::Builder => "builder",
            Self::Reviewer => "reviewer",
            Self::Documenter => "documenter",
            Self::Hatter => "hatter",
            Self::Objectivity => "objectivity",
        }
    }
}

impl fmt::Display for Hat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Hat {
    type Err = Unknown;

    /// A name, or the facet that means one of the first four.
    fn from_str(word: &str) -> Result<Self, Unknown> {
        match word {
            "strategy" => Ok(Self::Strategist),
            "build" => Ok(Self::Builder),
            "review" => Ok(Self::Reviewer),
            "document" => Ok(Self::Documenter),
            name => Self::ALL.into_iter().find(|hat| hat.word() == name).ok_or(Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hat_is_known_by_its_name_and_four_by_their_facet() {
        for hat in Hat::ALL {
            assert_eq!(hat.to_string().parse(), Ok(hat));
        }
        for (facet, hat) in ["strategy", "build", "review", "document"].into_iter().zip(Hat::ALL) {
            assert_eq!(facet.parse(), Ok(hat));
        }
        assert_eq!("king".parse::<Hat>(), Err(Unknown));
    }
}
