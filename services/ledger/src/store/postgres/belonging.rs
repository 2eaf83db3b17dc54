//! Whose ledger it is, and whether its server is there: asked before anything is opened, so that a
//! person is told what to do.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use futures::executor::block_on;
use tokio::runtime::Builder;
use tokio::task::unconstrained;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use vivarium_types::place::{self, Server as Place};

use super::server::{CONNECT_LIMIT, Session};
use super::trouble::{Remedy, Trouble};
use crate::store::Error;

/// How long a service that starts waits for a server that comes up or fails over.
pub(super) const START_LIMIT: Duration = Duration::from_secs(5);
/// How long somebody waits who only wants to look.
pub(super) const LOOK_LIMIT: Duration = Duration::from_secs(1);
/// Between two knocks.
const PAUSE: Duration = Duration::from_millis(100);

const CLAIM: &str = "INSERT INTO belonging VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
const OWNER: &str = "SELECT world FROM belonging";
const THERE: &str = "SELECT to_regclass('belonging') IS NOT NULL";

/// The connection string, read.
pub(super) fn config(place: &Place) -> Result<Config, Error> {
    let url = place.url.expose();
    let config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        invalid(format!("ledger.url is no connection string: {cause}"))
    })?;
    if config.get_hosts().is_empty() {
        return Err(invalid("ledger.url names no host".to_owned()));
    }
    if config.get_dbname().is_none() {
        return Err(invalid("ledger.url names no dbname".to_owned()));
    }
    Ok(config)
}

/// The place in words, without user and password.
pub fn shown(place: &Place) -> String {
    let Ok(config) = place.url.expose().parse::<Config>() else {
        return "PostgreSQL, at an address that cannot be read".to_owned();
    };
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let ports = config.get_ports();
            let port = ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        })
        .collect();
    let database = config.get_dbname().unwrap_or_default();
    let (hosts, schema) = (hosts.join(" or "), &place.schema);
    format!("PostgreSQL at {hosts}, database {database}, schema {schema}")
}

/// Waits until the server takes calls, at most `limit`; says why it does not.
pub(super) fn knock(config: &Config, place: &Place, limit: Duration) -> Result<(), Error> {
    let mut config = config.clone();
    config.target_session_attrs(TargetSessionAttrs::ReadWrite).connect_timeout(CONNECT_LIMIT);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Error::Unavailable(Box::new(error)))?;
    let entered = runtime.enter();
    let mut met = None;
    let knocked = block_on(unconstrained(async {
        let knocking = async {
            loop {
                let refusal = match config.connect(NoTls).await {
                    Ok(_) => return Ok(()),
                    Err(error) => told(&error, place),
                };
                if matches!(refusal, place::Error::Refused { .. }) {
                    return Err(refusal);
                }
                met = Some(refusal);
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(limit, Box::pin(knocking)).await
    }));
    drop(entered);
    // It may be dropped on a thread of another runtime, which may not block.
    runtime.shutdown_background();
    let silence = || place::Error::Unreachable {
        place: shown(place),
        what: format!("nothing was heard for {} s", limit.as_secs()),
    };
    Ok(knocked.unwrap_or_else(|_| Err(met.unwrap_or_else(silence)))?)
}

/// Takes the ledger for `world` if it is nobody's yet; whose it is.
pub(super) async fn claim(session: &Session, world: &str) -> Result<String, Trouble> {
    session.client().execute(CLAIM, &[&world]).await?;
    Ok(session.client().query_one(OWNER, &[]).await?.try_get(0)?)
}

/// Whose ledger it is; `None` when there is none.
pub(super) async fn owner(session: &Session) -> Result<Option<String>, Trouble> {
    let there: bool = session.client().query_one(THERE, &[]).await?.try_get(0)?;
    if !there || session.client().query_opt("SELECT 1 FROM owner", &[]).await?.is_none() {
        return Ok(None);
    }
    let owner = session.client().query_opt(OWNER, &[]).await?;
    Ok(owner.map(|row| row.try_get(0)).transpose()?)
}

/// Refuses the ledger of another world.
pub(super) fn ours(place: &Place, owner: &str) -> Result<(), Error> {
    if owner == place.world.to_string() {
        return Ok(());
    }
    Err(place::Error::OtherWorld { place: shown(place) }.into())
}

fn invalid(what: String) -> Error {
    place::Error::Invalid { what }.into()
}

/// What kept a connection from being made.
fn told(error: &tokio_postgres::Error, place: &Place) -> place::Error {
    let shown = shown(place);
    if let Some(refusal) = error.as_db_error() {
        let what = refusal.message().to_owned();
        let gone = super::trouble::of_state(refusal.code()) == Remedy::Reconnect
            && *refusal.code() != SqlState::TOO_MANY_CONNECTIONS;
        return if gone {
            place::Error::Unreachable { place: shown, what }
        } else {
            place::Error::Refused { place: shown, what }
        };
    }
    // The innermost cause is the plainest.
    let causes = std::iter::successors(error.source(), |cause| (**cause).source());
    let what = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
    if error.source().is_some_and(|source| !source.is::<io::Error>()) {
        // Something of ours does not suit the server, such as a password that is missing.
        return place::Error::Refused { place: shown, what };
    }
    place::Error::Unreachable { place: shown, what }
}

/// An error of the tables themselves: what the server says of our rights is for a person.
pub(super) fn explained(error: Error, place: &Place) -> Error {
    let Error::Unavailable(source) = &error else { return error };
    match source.downcast_ref::<tokio_postgres::Error>() {
        Some(refused) if refused.as_db_error().is_some() => told(refused, place).into(),
        _ => error,
    }
}
