//! A service's settings: defaults, then `world/config/<name>.toml`, then the environment. All of it
//! is read and checked before anything binds; an unknown key is refused with the nearest valid one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use vivarium_types::Reason;

use crate::status::{Refusal, Violations};

mod ledger;
mod reader;
mod secret_text;
mod shared;
pub mod span;
mod tree;

pub use ledger::{Ledger, Store};
pub use secret_text::SecretText;
pub use shared::{Addresses, Limits, Log, LogFormat, LogTarget, Metrics, Shared};

/// Settings that can be read, checked and printed. `Default` are the defaults, and the type needs
/// `#[serde(default)]`, so that a file may name a few keys only.
pub trait Settings: Default + Serialize + DeserializeOwned {
    /// Adds what is out of bounds, by key.
    fn check(&self, wrong: &mut Violations) {
        let _ = wrong;
    }
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not TOML.
    #[error("{}, line {line}: this is not TOML: {}", path.display(), source.message())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key that does not exist.
    #[error("{origin}: there is no setting {key}; the nearest is {nearest}")]
    UnknownKey {
        /// The file or the environment variable that names it.
        origin: String,
        /// The unknown key, dotted.
        key: String,
        /// The valid key that is most like it.
        nearest: String,
    },
    /// A value of another type, or one that does not parse.
    #[error("{origin}: {key}: {what}")]
    Value {
        /// The file or the environment variable that sets it.
        origin: String,
        /// The key, dotted.
        key: String,
        /// What is wrong with its value.
        what: String,
    },
    /// Values that parse and are out of bounds.
    #[error("{name}: {}", tell(wrong))]
    Bounds {
        /// The name of the settings, such as `queue`.
        name: String,
        /// What is wrong, by key.
        wrong: Violations,
    },
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if let Error::UnknownKey { key, nearest, .. } = &error {
            return Self::new(Reason::ConfigKeyUnknown).with("key", key).with("nearest", nearest);
        }
        let refusal = Self::new(Reason::ConfigInvalid).with("what", &error);
        let Error::Bounds { wrong, .. } = &error else { return refusal };
        wrong.found().iter().fold(refusal, |refusal, violation| {
            refusal.field(violation.field.clone(), violation.description.clone())
        })
    }
}

/// Where settings come from.
#[derive(Debug, Clone)]
pub struct Origins {
    folder: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Origins {
    /// The files of `folder` and the environment of this process.
    pub fn of_process(folder: &Path) -> Self {
        Self::given(
            folder,
            std::env::vars_os().filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            }),
        )
    }

    /// The files of `folder` and these variables.
    pub fn given(folder: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { folder: folder.to_owned(), environment: environment.into_iter().collect() }
    }

    /// Reads and checks the settings called `name` (`queue`, `shared`).
    pub fn load<S: Settings>(&self, name: &str) -> Result<S, Error> {
        let mut tree = tree::Table::new();
        let path = self.folder.join(format!("{name}.toml"));
        match std::fs::read_to_string(&path) {
            Ok(text) => tree::add_file(&mut tree, &path, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Unreadable { path, source }),
        }
        tree::add_environment(&mut tree, name, &self.environment);
        let settings: S = reader::read(tree)?;
        let mut wrong = Violations::new();
        settings.check(&mut wrong);
        if wrong.is_empty() {
            Ok(settings)
        } else {
            Err(Error::Bounds { name: name.to_owned(), wrong })
        }
    }
}

/// The effective settings as TOML, for `--print-config`. Secrets print as `[secret]`.
pub fn print<S: Serialize>(settings: &S) -> String {
    toml::to_string_pretty(settings)
        .unwrap_or_else(|error| format!("# these settings do not print: {error}\n"))
}

fn tell(wrong: &Violations) -> String {
    let each = wrong.found().iter().map(|v| format!("{} {}", v.field, v.description));
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
