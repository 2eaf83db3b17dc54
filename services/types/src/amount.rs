//! Money and tokens: integers that never mix and never wrap.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! amounts {
    ($($(#[$doc:meta])* $name:ident, $unit:literal;)*) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// This many units.
            pub const fn new(units: i64) -> Self { Self(units) }

            /// The number of units.
            pub const fn get(self) -> i64 { self.0 }

            /// The sum, or `None` when it does not fit.
            pub fn plus(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference, or `None` when it does not fit.
            pub fn minus(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{} ", $unit), self.0)
            }
        }
    )*};
}

amounts! {
    /// Real money in micro-dollars (µ$): 1,000,000 are one US dollar.
    MicroUsd, "micro-USD";
    /// The society's currency.
    Tokens, "tokens";
}

/// A ratio in thousandths (‰), 0 to 1,000 unless a rule says otherwise.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Permille(pub u32);
