//! Who a process is: its name, certificate, keys and whom it trusts, as *one* value that is swapped
//! whole. A token and the connection it goes over always come from the same value.
//!
//! A renewed identity is read from the bundle the supervisor wrote; connections and calls that began
//! under the old one go on under it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use vivarium_types::Timestamp;

mod bundle;
mod leaf;
mod tls;

pub use bundle::Bundle;
pub use leaf::{Leaf, NotALeaf};
pub(crate) use tls::SERVER_NAME;

use crate::paseto::SigningKey;
use crate::token::Minted;
use crate::trust::Trust;

/// The processes that serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Tasks, leases, world controls.
    Queue,
    /// Cycles, models, budgets.
    Executor,
    /// Residents and their society.
    Society,
    /// Drafts, checks, verdicts.
    Review,
    /// The browser's front door.
    Gateway,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Queue, Self::Executor, Self::Society, Self::Review, Self::Gateway];

    /// The name in addresses, settings and certificates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Executor => "executor",
            Self::Society => "society",
            Self::Review => "review",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Service {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        Self::ALL.into_iter().find(|service| service.name() == text).ok_or(NotAName)
    }
}

/// Who stands behind a certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// One of the services.
    Service(Service),
    /// The process that starts the others.
    Supervisor,
    /// A person's tool, by name: `cli`, `grpcurl`.
    Operator(String),
}

/// Text that names no identity of a world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an identity of a world")]
pub struct NotAName;

const TRUST_DOMAIN: &str = "spiffe://vivarium.local/";
const OPERATOR_LENGTH_MAX: usize = 32;

impl Name {
    /// An operator called `name`.
    pub fn operator(name: &str) -> Self {
        Self::Operator(name.to_owned())
    }

    /// The URI in its certificate, such as `spiffe://vivarium.local/service/queue`.
    pub fn uri(&self) -> String {
        match self {
            Self::Service(service) => format!("{TRUST_DOMAIN}service/{service}"),
            Self::Supervisor => format!("{TRUST_DOMAIN}supervisor"),
            Self::Operator(name) => format!("{TRUST_DOMAIN}operator/{name}"),
        }
    }

    /// Reads the URI of a certificate.
    pub fn of_uri(uri: &str) -> Result<Self, NotAName> {
        uri.strip_prefix(TRUST_DOMAIN).ok_or(NotAName)?.parse()
    }
}

impl From<Service> for Name {
    fn from(service: Service) -> Self {
        Self::Service(service)
    }
}

/// `service/queue`, `operator/cli` or `supervisor`: the path of the URI.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => write!(f, "service/{service}"),
            Self::Supervisor => f.write_str("supervisor"),
            Self::Operator(name) => write!(f, "operator/{name}"),
        }
    }
}

impl FromStr for Name {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        match text.split_once('/') {
            Some(("service", name)) => name.parse().map(Self::Service),
            Some(("operator", name)) if is_operator(name) => Ok(Self::operator(name)),
            None if text == "supervisor" => Ok(Self::Supervisor),
            Some(_) | None => Err(NotAName),
        }
    }
}

/// An operator's name is a word: it becomes a file name and a part of a URI.
fn is_operator(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= OPERATOR_LENGTH_MAX && name.bytes().all(word)
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle cannot be read or written.
    #[error("cannot reach the identity {}", path.display())]
    Unreachable {
        /// The bundle.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bundle is not what a supervisor writes.
    #[error("the identity is malformed: {0}")]
    Malformed(&'static str),
    /// The certificate or key does not fit.
    #[error("the certificate cannot be used")]
    Tls(#[from] rustls::Error),
    /// The bundle belongs to someone else.
    #[error("the identity belongs to {found}, not {wanted}")]
    Foreign {
        /// Whose bundle it is.
        found: Name,
        /// Whose it should be.
        wanted: Name,
    },
}

/// One state of a process's identity. It does not change: a renewal is a new value.
pub struct Identity {
    pub(crate) leaf: Leaf,
    pub(crate) trust: Trust,
    /// `None` for a caller that signs nothing: an operator.
    pub(crate) token_key: Option<SigningKey>,
    pub(crate) checkpoint_key: Option<SigningKey>,
    /// `None` without a network (`memory`).
    pub(crate) tls: Option<tls::Configs>,
    /// Tokens made under this value; they end with it.
    pub(crate) minted: Minted,
}

impl Identity {
    /// Who it is.
    pub const fn name(&self) -> &Name {
        &self.leaf.name
    }

    /// When its certificate ends.
    pub const fn not_after(&self) -> Timestamp {
        self.leaf.not_after
    }

    /// Whom it trusts.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("leaf", &self.leaf).finish_non_exhaustive()
    }
}

/// The current identity of a process.
pub struct Holder {
    /// Written by `reload` alone.
    current: ArcSwap<Identity>,
    folder: Option<PathBuf>,
}

impl Holder {
    /// Reads the bundle in `folder`, which must be `wanted`'s.
    pub fn load(folder: &Path, wanted: &Name) -> Result<Self, Error> {
        let identity = Bundle::read(folder)?.open()?;
        if identity.name() != wanted {
            let found = identity.name().clone();
            return Err(Error::Foreign { found, wanted: wanted.clone() });
        }
        Ok(Self { current: ArcSwap::from_pointee(identity), folder: Some(folder.to_owned()) })
    }

    /// Holds an identity that lies in no file.
    pub fn of(identity: Identity) -> Self {
        Self { current: ArcSwap::from_pointee(identity), folder: None }
    }

    /// The identity of this moment. Keep it for the whole of a connection.
    pub fn current(&self) -> Arc<Identity> {
        self.current.load_full()
    }

    /// Reads the bundle again. If it does not open, the identity stays as it is.
    pub fn reload(&self) -> Result<(), Error> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let identity = Bundle::read(folder)?.open()?;
        let current = self.current();
        if identity.name() != current.name() {
            let (found, wanted) = (identity.name().clone(), current.name().clone());
            return Err(Error::Foreign { found, wanted });
        }
        self.current.store(Arc::new(identity));
        Ok(())
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Holder").field(&self.current.load()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_from_its_uri_and_nothing_else_does() {
        for name in [Name::from(Service::Queue), Name::Supervisor, Name::operator("cli")] {
            assert_eq!(Name::of_uri(&name.uri()), Ok(name));
        }
        for uri in [
            "spiffe://other.local/service/queue",
            "spiffe://vivarium.local/service/bank",
            "spiffe://vivarium.local/service/queue/x",
            "spiffe://vivarium.local/operator/",
            "spiffe://vivarium.local/operator/../x",
            "spiffe://vivarium.local/",
        ] {
            assert_eq!(Name::of_uri(uri), Err(NotAName), "{uri}");
        }
    }
}
