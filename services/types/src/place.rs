//! Where a ledger lies, as the settings of its world say it, and why it cannot be opened there.
//!
//! Settings are read by one crate and stores are opened by another; here they meet.

use std::path::PathBuf;

use crate::Secret;
use crate::ids::WorldId;
use crate::reason::Reason;

/// Where one ledger lies.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its SQLite file, when it lies in one.
    pub file: PathBuf,
    /// Its read models' SQLite file, when it lies on a server.
    pub views: PathBuf,
    /// The server, when it lies on one.
    pub server: Option<Server>,
}

/// A ledger's place on a PostgreSQL server.
#[derive(Debug, Clone)]
pub struct Server {
    /// How to reach it: `host=… user=… dbname=…` or `postgresql://…`. May hold a password.
    pub url: Secret<String>,
    /// The schema of this ledger.
    pub schema: String,
    /// The world whose ledgers lie there.
    pub world: WorldId,
}

/// How a process stands to its ledger, when several could own it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Another process owns it: this one waits to take over.
    By,
    /// It owns it.
    Owner,
    /// Another process took over: this one must end.
    Fenced,
}

/// Why a ledger cannot be opened where the settings say it lies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The settings name no place.
    #[error("the settings name no place: {what}")]
    Invalid {
        /// What is wrong with them.
        what: String,
    },
    /// Nobody answers there.
    #[error("{place} does not answer: {what}")]
    Unreachable {
        /// The place, without secrets.
        place: String,
        /// What was met instead of an answer.
        what: String,
    },
    /// The server answers and refuses.
    #[error("{place} refuses: {what}")]
    Refused {
        /// The place, without secrets.
        place: String,
        /// The server's own words.
        what: String,
    },
    /// Another world's ledger lies there.
    #[error("{place} holds a ledger of another world")]
    OtherWorld {
        /// The place, without secrets.
        place: String,
    },
    /// The ledger lies where it lay before the settings were changed by hand.
    #[error("the ledger lies in {kept} and not in {place}")]
    NotMoved {
        /// Where the settings say it lies, without secrets.
        place: String,
        /// Where it lies.
        kept: String,
    },
    /// Another ledger lies where one was to be moved.
    #[error("{place} holds a ledger already")]
    Occupied {
        /// The place, without secrets.
        place: String,
    },
    /// Another process wrote to the ledger meanwhile.
    #[error("another process owns the ledger in {place}")]
    Owned {
        /// The place, without secrets.
        place: String,
    },
}

impl Error {
    /// The reason that people read.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Invalid { .. } => Reason::ConfigInvalid,
            Self::Unreachable { .. } => Reason::StoreUnreachable,
            Self::Refused { .. } => Reason::StoreRefused,
            Self::OtherWorld { .. } => Reason::StoreOtherWorld,
            Self::NotMoved { .. } => Reason::StoreNotMoved,
            Self::Occupied { .. } => Reason::StoreOccupied,
            Self::Owned { .. } => Reason::StoreOwned,
        }
    }

    /// This error among the causes of another.
    pub fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut causes = std::iter::successors(Some(error), |error| error.source());
        causes.find_map(<dyn std::error::Error>::downcast_ref)
    }

    /// What fills the reason's sentence.
    pub fn metadata(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Invalid { what } => vec![("what", what)],
            Self::Unreachable { place, what } | Self::Refused { place, what } => {
                vec![("place", place), ("what", what)]
            }
            Self::OtherWorld { place } | Self::Occupied { place } | Self::Owned { place } => {
                vec![("place", place)]
            }
            Self::NotMoved { place, kept } => vec![("place", place), ("kept", kept)],
        }
    }
}
