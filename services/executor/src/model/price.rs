//! What models cost: one file for everything, `world/rules/prices.toml`. No price, no call.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vivarium_types::MicroUsd;

use super::profile::Profile;

const MILLION: u128 = 1_000_000;

/// What a model costs, in micro-dollars for a million model tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Price {
    /// Of the prompt.
    pub input: u64,
    /// Of the completion.
    pub output: u64,
}

impl Price {
    /// What runs on one's own machine.
    pub const FREE: Self = Self { input: 0, output: 0 };

    /// The cost of so many model tokens, rounded up to a whole micro-dollar.
    pub fn cost(self, input_tokens: u64, output_tokens: u64) -> MicroUsd {
        let input = u128::from(input_tokens) * u128::from(self.input);
        let output = u128::from(output_tokens) * u128::from(self.output);
        let micro_usd = input.saturating_add(output).div_ceil(MILLION);
        MicroUsd::new(i64::try_from(micro_usd).unwrap_or(i64::MAX))
    }
}

/// Which of a provider's models are the better ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// For plain tasks.
    Small,
    /// For hard ones, for critics and jurors.
    Large,
}

/// A model in the price file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Priced {
    /// Its name at the provider.
    pub name: String,
    /// The provider whose price it is.
    pub provider: String,
    /// Other names for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Where it stands among the provider's models.
    pub tier: Tier,
    /// Micro-dollars for a million model tokens of prompt.
    pub input_micro_usd: u64,
    /// Micro-dollars for a million model tokens of completion.
    pub output_micro_usd: u64,
    /// Most model tokens of a completion.
    pub completion_tokens_max: u32,
    /// Model tokens of prompt and completion together.
    pub window_tokens: u32,
}

impl Priced {
    /// What it costs.
    pub const fn price(&self) -> Price {
        Price { input: self.input_micro_usd, output: self.output_micro_usd }
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// The price file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    #[serde(default)]
    model: Vec<Priced>,
}

/// Why there is no price.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a price file.
    #[error("the price file is wrong: {0}")]
    Wrong(String),
    /// The model is in no row.
    #[error("the price of {0} is not known")]
    Unknown(String),
}

impl PriceTable {
    /// Reads the price file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads the price file's text; a name or an alias that stands for two models of a provider is
    /// refused.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let table: Self = toml::from_str(text).map_err(|error| Error::Wrong(error.to_string()))?;
        for (index, row) in table.model.iter().enumerate() {
            let names = row.aliases.iter().chain([&row.name]);
            for name in names {
                let others = table.model.iter().enumerate();
                let mut same = others.filter(|(_, other)| other.provider == row.provider);
                if same.any(|(other, priced)| other != index && priced.is_called(name)) {
                    return Err(Error::Wrong(format!("{name} stands for two models")));
                }
            }
        }
        Ok(table)
    }

    /// The row of a model of a provider, by name or alias.
    pub fn find(&self, provider: &str, model: &str) -> Option<&Priced> {
        self.of(provider).find(|row| row.is_called(model))
    }

    /// The rows of a provider.
    pub fn of(&self, provider: &str) -> impl Iterator<Item = &Priced> {
        self.model.iter().filter(move |row| row.provider == provider)
    }

    /// What a model costs at a provider. What people run on their own machine is free; a model that
    /// neither the file nor the provider's own settings price may not be called.
    pub fn price(&self, profile: &Profile, model: &str) -> Result<Price, Error> {
        if profile.is_free() {
            return Ok(Price::FREE);
        }
        let row = self.find(&profile.name, model).map(Priced::price);
        let own = profile.price.map(|(input, output)| Price { input, output });
        row.or(own).ok_or_else(|| Error::Unknown(model.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::*;

    fn shipped() -> PriceTable {
        PriceTable::parse(include_str!("../../../../world/rules/prices.toml")).expect("it reads")
    }

    #[test]
    fn a_cost_is_rounded_up_to_a_whole_micro_dollar_and_never_wraps() {
        let price = Price { input: 50_000, output: 80_000 };
        for (input, output, cost) in [
            (0, 0, 0),
            (1, 0, 1),
            (20, 0, 1),
            (21, 0, 2),
            (1_000, 1_000, 130),
            (1_000_000, 1_000_000, 130_000),
        ] {
            assert_eq!(price.cost(input, output), MicroUsd::new(cost), "{input} {output}");
        }
        let dearest = Price { input: u64::MAX, output: u64::MAX };
        assert_eq!(dearest.cost(u64::MAX, u64::MAX), MicroUsd::new(i64::MAX));
        assert_eq!(Price::FREE.cost(u64::MAX, u64::MAX), MicroUsd::ZERO);
    }

    #[test]
    fn the_shipped_file_has_the_models_of_the_rules_under_their_aliases() {
        let prices = shipped();
        for (alias, name, input, output, cap) in [
            ("8b", "llama-3.1-8b-instant", 50_000, 80_000, 8_192),
            ("fast", "llama-3.1-8b-instant", 50_000, 80_000, 8_192),
            ("70b", "llama-3.3-70b-versatile", 590_000, 790_000, 32_768),
            ("20b", "openai/gpt-oss-20b", 75_000, 300_000, 32_768),
            ("120b", "openai/gpt-oss-120b", 150_000, 600_000, 32_768),
            ("smart", "openai/gpt-oss-120b", 150_000, 600_000, 32_768),
        ] {
            let row = prices.find("groq", alias).expect("it is there");
            assert_eq!((row.name.as_str(), row.price()), (name, Price { input, output }));
            assert_eq!((row.completion_tokens_max, row.window_tokens), (cap, 131_072));
        }
        let small: Vec<_> = prices.of("groq").filter(|row| row.tier == Tier::Small).collect();
        assert_eq!(small[0].name, "llama-3.1-8b-instant");
    }

    #[test]
    fn a_model_without_a_price_is_not_called() {
        let profiles = Config::default().profiles();
        let (groq, ollama) = (&profiles[0], &profiles[1]);
        let refused = shipped().price(groq, "a-new-model").expect_err("it has no price");
        assert_eq!(refused.to_string(), "the price of a-new-model is not known");
        assert_eq!(shipped().price(ollama, "anything").expect("it is local"), Price::FREE);
        let mut priced = groq.clone();
        priced.price = Some((1, 2));
        let own = shipped().price(&priced, "a-new-model").expect("its settings price it");
        assert_eq!(own, Price { input: 1, output: 2 });
    }

    #[test]
    fn an_alias_stands_for_one_model() {
        let row = |name: &str| {
            format!(
                "[[model]]\nname = \"{name}\"\nprovider = \"p\"\naliases = [\"x\"]\ntier = \"small\"\n\
input_micro_usd = 1\noutput_micro_usd = 1\ncompletion_tokens_max = 1\nwindow_tokens = 1\n"
            )
        };
        assert!(PriceTable::parse(&row("a")).is_ok());
        assert!(PriceTable::parse(&(row("a") + &row("b"))).is_err());
        assert!(PriceTable::parse("[[model]]\nnane = \"a\"").is_err());
    }
}
