//! The words, prices, quotas and limits of actions: `world/rules/actions.toml`.

use std::path::Path;

use serde::Deserialize;

/// The file, below the world's rules.
const FILE: &str = "actions.toml";

/// Why the file does not load.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read world/rules/actions.toml")]
    Unreadable(#[from] std::io::Error),
    /// It is not what it should be.
    #[error("world/rules/actions.toml is not valid")]
    Invalid(#[from] toml::de::Error),
}

/// Limits of one cycle.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Model calls.
    pub steps: u32,
    /// Actions in one reply.
    pub actions_per_step: usize,
    /// Actions in one cycle.
    pub actions_per_cycle: u32,
    /// Documents staged in one cycle.
    pub documents_per_cycle: usize,
    /// Uses of the five reading tools in one cycle.
    pub tools_per_cycle: u32,
    /// Steps without an accepted action that end the cycle.
    pub steps_without_effect: u32,
    /// Characters of a receipt in the next step.
    pub receipt_chars: usize,
    /// Steps left at which wind-down is announced.
    pub wind_down_steps: u32,
    /// Thousandths of the task's budget left at which wind-down is announced.
    pub wind_down_budget_permille: i64,
    /// Seconds left at which wind-down is announced.
    pub wind_down_seconds: u64,
}

/// One action's words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offered {
    /// Its name.
    pub name: String,
    /// Its fields in words.
    pub fields: String,
    /// What it does.
    pub effect: String,
    /// Its price in tokens.
    pub price: i64,
    /// Whether a small model is told of it.
    pub terse: bool,
    /// Whether it needs the level of programs.
    #[serde(default)]
    pub runs_programs: bool,
}

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actions {
    /// Limits of one cycle.
    pub limits: Limits,
    /// Words that make a task a hard one.
    pub hard_words: Vec<String>,
    /// What is offered, in this order.
    #[serde(rename = "action")]
    pub offered: Vec<Offered>,
}

impl Actions {
    /// Reads the file below `folder`.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        Ok(toml::from_str(&std::fs::read_to_string(folder.join(FILE))?)?)
    }

    /// How hard a text sounds: a tenth of its words, 2 for each hard word in it, 5 for a long text.
    pub fn complexity(&self, text: &str) -> usize {
        let folded = text.to_lowercase();
        let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).collect();
        let hard = self.hard_words.iter().filter(|hard| words.contains(&hard.as_str())).count();
        let long = if text.chars().count() > 800 { 5 } else { 0 };
        words.iter().filter(|word| !word.is_empty()).count() / 10 + 2 * hard + long
    }

    /// The list of actions for a briefing; `programs` are those that may be run, if any may.
    pub fn told(&self, terse: bool, programs: Option<&str>) -> String {
        let offered = self.offered.iter().filter(|offered| offered.terse || !terse);
        let offered = offered.filter(|offered| programs.is_some() || !offered.runs_programs);
        let lines = offered.map(|Offered { name, fields, effect, price, .. }| {
            let price = if *price > 0 { format!(" Price: {price} tokens.") } else { String::new() };
            format!("- {name}: {{{fields}}} {effect}.{price}")
        });
        let programs = programs.filter(|_| !terse).map(|all| format!("Programs: {all}"));
        lines.chain(programs).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
pub(super) fn of_the_world() -> Actions {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../world/rules"));
    Actions::load(folder).expect("the world's own rules load")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::action;

    #[test]
    fn complexity_counts_words_hard_words_and_length() {
        let actions = of_the_world();
        assert_eq!(actions.complexity(""), 0);
        assert_eq!(actions.complexity("Analyse, compare, design and evaluate"), 8);
        assert_eq!(actions.complexity("Write a short poem"), 0);
        assert_eq!(actions.complexity(&"word ".repeat(200)), 25);
    }

    #[test]
    fn every_action_that_is_offered_can_be_read() {
        let actions = of_the_world();
        assert_eq!(actions.offered.len(), 17);
        for offered in &actions.offered {
            let reply = format!("{{\"actions\":[{{\"do\":\"{}\"}}]}}", offered.name);
            let reply = action::parse(&reply).expect("it reads");
            assert_ne!(reply.actions[0].what, Err(action::Fault::Unknown), "{}", offered.name);
        }
        assert!(actions.told(true, None).len() * 3 < actions.told(false, None).len() * 2);
        assert!(!actions.told(false, None).contains("run_command"));
        assert!(actions.told(false, Some("wc: counts")).ends_with("Programs: wc: counts"));
    }
}
