//! What an error of PostgreSQL means to the ledger, by its SQLSTATE and never by its words.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::WrongType;

use crate::store::Error;

/// What is to be done about a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The server or the way to it went: connect again, then see what is there.
    Reconnect,
    /// Somebody else wrote what only this owner may write: stop.
    Stop,
    /// What is stored, or the tables it lies in, are not as we left them.
    Distrust,
    /// It would fail in the same way again.
    GiveUp,
}

/// What failed, and what is to be done about it.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) remedy: Remedy,
    pub(super) error: Error,
}

impl Trouble {
    /// An exchange with the server that took longer than it may: nobody knows what came of it.
    pub(super) fn late() -> Self {
        let late = io::Error::from(io::ErrorKind::TimedOut);
        Self { remedy: Remedy::Reconnect, error: Error::Unavailable(Box::new(late)) }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let remedy = match error {
            Error::Conflict => Remedy::Stop,
            Error::Corrupt { .. } => Remedy::Distrust,
            Error::Unavailable(_) | Error::Away { .. } => Remedy::GiveUp,
        };
        Self { remedy, error }
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let remedy = remedy(&error);
        let error = match remedy {
            Remedy::Stop => Error::Conflict,
            Remedy::Distrust => Error::corrupt(described(&error)),
            Remedy::Reconnect | Remedy::GiveUp => Error::Unavailable(Box::new(error)),
        };
        Self { remedy, error }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        trouble.error
    }
}

/// The server's own words when there are any: the outer error says only "db error".
fn described(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

fn remedy(error: &tokio_postgres::Error) -> Remedy {
    if let Some(state) = error.code() {
        return of_state(state);
    }
    let source = error.source();
    if error.is_closed() || source.is_some_and(<dyn std::error::Error>::is::<io::Error>) {
        Remedy::Reconnect
    } else if source.is_some_and(<dyn std::error::Error>::is::<WrongType>) {
        Remedy::Distrust
    } else {
        Remedy::GiveUp
    }
}

pub(super) fn of_state(state: &SqlState) -> Remedy {
    // Another owner's row in the place of ours; the first insert was its.
    if *state == SqlState::UNIQUE_VIOLATION {
        return Remedy::Stop;
    }
    let gone = [
        // The transaction did not happen, for reasons that another try may not meet.
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN,
        SqlState::LOCK_NOT_AVAILABLE,
        // A server that is no longer the one that takes writes.
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::TOO_MANY_CONNECTIONS,
        // Starting, stopping, crashed.
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
    ];
    let strange = [
        SqlState::DATA_CORRUPTED,
        SqlState::INDEX_CORRUPTED,
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::INVALID_SCHEMA_NAME,
    ];
    // Class 08 is the connection itself.
    if gone.contains(state) || state.code().starts_with("08") {
        Remedy::Reconnect
    } else if strange.contains(state) {
        Remedy::Distrust
    } else {
        Remedy::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_says_what_is_to_be_done() {
        for (code, remedy) in [
            ("08006", Remedy::Reconnect),
            ("08003", Remedy::Reconnect),
            ("57P01", Remedy::Reconnect),
            ("57P02", Remedy::Reconnect),
            ("57P03", Remedy::Reconnect),
            ("25006", Remedy::Reconnect),
            ("25P03", Remedy::Reconnect),
            ("40001", Remedy::Reconnect),
            ("40003", Remedy::Reconnect),
            ("40P01", Remedy::Reconnect),
            ("53300", Remedy::Reconnect),
            ("55P03", Remedy::Reconnect),
            ("23505", Remedy::Stop),
            ("XX001", Remedy::Distrust),
            ("XX002", Remedy::Distrust),
            ("42P01", Remedy::Distrust),
            ("42703", Remedy::Distrust),
            ("3F000", Remedy::Distrust),
            ("28P01", Remedy::GiveUp),
            ("42501", Remedy::GiveUp),
            ("53100", Remedy::GiveUp),
            ("54000", Remedy::GiveUp),
            ("22021", Remedy::GiveUp),
        ] {
            assert_eq!(of_state(&SqlState::from_code(code)), remedy, "{code}");
        }
    }
}
