//! Where the ledgers of a world lie and what stays in their hot files: `world/config/ledger.toml`.
//!
//! A file of its own, because `vivarium world move` writes it and it may hold a password.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_types::ids::WorldId;
use vivarium_types::place::{Place, Server};
use vivarium_types::{Retention, Secret};

use super::{SecretText, Settings, span};
use crate::identity::Service;
use crate::status::Violations;
use crate::world::World;

/// Characters of a schema's prefix: a service's name goes behind it, and a server cuts at 63.
const SCHEMA_CHARS_MAX: usize = 32;
/// Rows of a segment: fewer are not worth a file, more are too much to read for one of them.
const SEGMENT_ROWS: std::ops::RangeInclusive<u64> = 100..=100_000;
/// What a segment's rows may be kept for at most.
const KEEP_FOR_MAX: Duration = Duration::from_hours(24 * 36_500);

/// What keeps ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// One file a service under `mutable/ledgers`.
    #[default]
    Sqlite,
    /// One schema a service in a database.
    Postgres,
}

/// Where the ledgers of a world lie.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// What keeps them.
    pub store: Store,
    /// How to reach the server.
    pub url: SecretText,
    /// What the names of the four schemas begin with.
    pub schema: String,
    /// Services of which a second process stands by, to take over when the first one ends.
    pub standbys: Vec<String>,
    /// Whether older rows leave the hot files in closed segments.
    pub retention: bool,
    /// Rows younger than this stay.
    #[serde(with = "span")]
    pub keep_for: Duration,
    /// So many of the newest rows stay, however old they are.
    pub keep_rows: u64,
    /// Rows of one segment.
    pub segment_rows: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        let (store, url) = (Store::default(), SecretText::default());
        let Retention { keep_for, keep_rows, segment_rows } = Retention::default();
        let (schema, standbys) = ("vivarium".to_owned(), Vec::new());
        Self { store, url, schema, standbys, retention: true, keep_for, keep_rows, segment_rows }
    }
}

impl Ledger {
    /// Where the ledger of a service lies.
    pub fn place(&self, world: &World, id: WorldId, service: Service) -> Place {
        let name = service.name();
        let server = (self.store == Store::Postgres).then(|| Server {
            url: Secret::new(self.url.expose().to_owned()),
            schema: format!("{}_{name}", self.schema),
            world: id,
        });
        Place { file: world.ledger(name), views: world.ledger_views(name), server }
    }
}

impl Ledger {
    /// Which rows stay in a ledger's hot file; `None`: all of them.
    pub fn retention(&self) -> Option<Retention> {
        let Self { keep_for, keep_rows, segment_rows, .. } = *self;
        self.retention.then_some(Retention { keep_for, keep_rows, segment_rows })
    }
}

impl Settings for Ledger {
    fn check(&self, wrong: &mut Violations) {
        if self.store == Store::Postgres && !self.url.is_set() {
            wrong.add("url", "must name a server when the store is \"postgres\"");
        }
        let plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_');
        let fits = self.schema.starts_with(|first: char| first.is_ascii_lowercase())
            && self.schema.len() <= SCHEMA_CHARS_MAX
            && self.schema.chars().all(plain);
        if !fits {
            let what = "must be a small letter, then small letters, digits and _, at most 32";
            wrong.add("schema", what);
        }
        if !SEGMENT_ROWS.contains(&self.segment_rows) {
            wrong.add("segment_rows", "must be 100 to 100000");
        }
        if self.keep_for > KEEP_FOR_MAX {
            wrong.add("keep_for", "must be at most 36500d");
        }
        for (index, name) in self.standbys.iter().enumerate() {
            let known = Service::ALL
                .into_iter()
                .any(|service| service != Service::Gateway && service.name() == name);
            if !known {
                let what = "must be queue, executor, society or review";
                wrong.item("standbys", index, |wrong| wrong.add("", what));
            } else if self.store != Store::Postgres {
                let what = "can stand by only when the store is \"postgres\"";
                wrong.item("standbys", index, |wrong| wrong.add("", what));
            }
        }
    }
}
