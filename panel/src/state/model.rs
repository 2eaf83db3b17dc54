//! Language models and real money.

use std::time::Duration;

use vivarium_types::Timestamp;

/// A provider of language models.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is shown or asked for, alone")]
pub(crate) struct Provider {
    /// Its name.
    pub(crate) name: String,
    /// How it is spoken to, in words.
    pub(crate) kind: &'static str,
    /// Whether it is a small local one.
    pub(crate) embedded: bool,
    /// The model.
    pub(crate) model: String,
    /// Model tokens that fit. 0: not known.
    pub(crate) window: u32,
    /// Whether it can be used.
    pub(crate) healthy: bool,
    /// Why not, as a reason.
    pub(crate) why_not: String,
    /// The server's address.
    pub(crate) address: String,
    /// Whether the person must consent.
    pub(crate) needs_consent: bool,
    /// Whether the person has consented.
    pub(crate) consented: bool,
    /// Whether its critiques may decide.
    pub(crate) may_judge: bool,
    /// Whether the next call goes here.
    pub(crate) chosen: bool,
    /// When its health last changed.
    pub(crate) since: Option<Timestamp>,
    /// How much goes to it at the moment. None: nobody counts.
    pub(crate) rate: Option<Rate>,
}

/// How much a provider takes at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Calls of the last minute.
    pub(crate) calls: u32,
    /// The most of them.
    pub(crate) calls_max: u32,
    /// Model tokens that are left, and the most. None: nobody counts.
    pub(crate) tokens: Option<(u64, u64)>,
    /// How long nothing goes there. None: it is open.
    pub(crate) shut_for: Option<Duration>,
}

impl Provider {
    /// Whether a person is asked for consent.
    pub(crate) fn asks(&self) -> bool {
        self.needs_consent && !self.consented && self.why_not == "MODEL_NEEDS_CONSENT"
    }
}

/// A key, masked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its provider.
    pub(crate) provider: String,
    /// Whether one is set.
    pub(crate) present: bool,
    /// Its ends.
    pub(crate) masked: String,
    /// When it was set.
    pub(crate) set: Option<Timestamp>,
}

/// Where money is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One call.
    #[default]
    Call,
    /// One task.
    Task,
    /// One resident, a day.
    ResidentDay,
    /// Review, a day.
    ReviewDay,
    /// The world, a day.
    WorldDay,
    /// The world, for ever.
    WorldTotal,
}

impl Scope {
    /// Those whose limit can be set.
    pub(crate) const SETTABLE: [Self; 5] =
        [Self::WorldDay, Self::WorldTotal, Self::ReviewDay, Self::Call, Self::ResidentDay];

    /// In words.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Call => "One model call",
            Self::Task => "This task",
            Self::ResidentDay => "Each resident, a day",
            Self::ReviewDay => "Review, a day",
            Self::WorldDay => "The world, today",
            Self::WorldTotal => "The world, in all",
        }
    }
}

/// A scope's standing, in micro-dollars.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Which scope.
    pub(crate) scope: Scope,
    /// Its task or resident. Empty: none.
    pub(crate) subject: String,
    /// The most.
    pub(crate) limit: i64,
    /// Settled.
    pub(crate) spent: i64,
    /// Held by running calls.
    pub(crate) reserved: i64,
}

impl Budget {
    /// Spent and reserved as shares of the limit, in thousandths.
    pub(crate) fn permille(&self) -> (u32, u32) {
        let share = |part: i64| {
            let part = part.max(0).saturating_mul(1_000) / self.limit.max(1);
            u32::try_from(part.min(1_000)).unwrap_or(1_000)
        };
        let spent = share(self.spent);
        (spent, share(self.reserved).min(1_000 - spent))
    }
}

/// Why a provider cannot be used, as a sentence.
pub(crate) fn why_not_sentence(word: &str) -> String {
    match word {
        "MODEL_KEY_MISSING" => "it has no key yet".into(),
        "MODEL_NEEDS_CONSENT" => "it waits for your consent".into(),
        "MODEL_UNREACHABLE" => "its server does not answer".into(),
        "MODEL_FILE_MISSING" | "MODEL_ENGINE_MISSING" => {
            "its model is not on this machine: run `vivarium model fetch`".into()
        }
        "MODEL_NOT_SEEN" => "nobody has looked at it yet".into(),
        other => crate::format::words(&other.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spent_and_reserved_never_pass_the_bar() {
        let budget =
            |spent, reserved| Budget { limit: 1_000, spent, reserved, ..Budget::default() };
        assert_eq!(budget(250, 100).permille(), (250, 100));
        assert_eq!(budget(900, 400).permille(), (900, 100));
        assert_eq!(budget(5_000, 1).permille(), (1_000, 0));
        assert_eq!(Budget::default().permille(), (0, 0));
    }
}
