//! Where the killed ledger lies: in a SQLite file, or in PostgreSQL.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use vivarium_ledger::store::postgres::Postgres;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::store::{self, Reader, Store as _};

/// The file's name in the folder.
const FILE: &str = "numbers.db";
/// The schema's name on the server.
const SCHEMA: &str = "numbers";

/// A place that outlives the writer.
#[derive(Debug, Clone)]
pub enum Home {
    /// A file that anyone can read with SQLite.
    File(PathBuf),
    /// A server by its connection string, and the file of the read models.
    Server(String, PathBuf),
}

impl Home {
    /// On `server`, or in a file of `folder`.
    pub fn new(folder: &Path, server: Option<&str>) -> Self {
        match server {
            None => Self::File(folder.join(FILE)),
            Some(server) => Self::Server(server.to_owned(), folder.join("views.db")),
        }
    }

    /// A reader beside the writer.
    pub fn reader(&self) -> Result<Arc<dyn Reader>> {
        match self {
            Self::File(file) => Ok(Sqlite::read_only(file)),
            Self::Server(server, views) => {
                Ok(postgres(server, &views.with_extension("reader"))?.reader())
            }
        }
    }

    /// Whether any life came so far as to own the ledger.
    pub fn is_owned(&self) -> Result<bool> {
        match self {
            Self::File(file) => Ok(file.exists()),
            Self::Server(..) => match self.reader()?.head() {
                Ok(_) => Ok(true),
                Err(store::Error::Corrupt { .. }) => Ok(false),
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// The store on a server, with its read models in a file of its own.
pub fn postgres(server: &str, views: &Path) -> Result<Postgres> {
    let config = server.parse().context("a connection string")?;
    Ok(Postgres::at(&config, SCHEMA, views)?)
}
