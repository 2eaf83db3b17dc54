//! Who did it. No event is without an actor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::ResidentId;

/// The one who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Actor {
    /// The person who runs the world, by the name of the session or certificate that spoke.
    Operator(String),
    /// A resident, under a live lease.
    Resident(ResidentId),
    /// One of the services, by name, acting on its own account or on another's event.
    Service(String),
    /// A rule that acts by itself, by name, such as `clock` or `disk_full`.
    Rule(String),
}

/// Text that names no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an actor such as operator:cli, resident:res_…, service:queue or rule:clock")]
pub struct NotAnActor;

impl Actor {
    /// The actor of what a service does on its own account.
    pub fn service(name: &str) -> Self {
        Self::Service(name.to_owned())
    }

    /// The actor of what a rule does by itself.
    pub fn rule(name: &str) -> Self {
        Self::Rule(name.to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::Resident(id) => write!(f, "resident:{id}"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Rule(name) => write!(f, "rule:{name}"),
        }
    }
}

impl FromStr for Actor {
    type Err = NotAnActor;
    fn from_str(text: &str) -> Result<Self, NotAnActor> {
        let (kind, name) = text.split_once(':').ok_or(NotAnActor)?;
        match kind {
            "operator" => Ok(Self::Operator(name.to_owned())),
            "resident" => name.parse().map(Self::Resident).map_err(|_| NotAnActor),
            "service" => Ok(Self::Service(name.to_owned())),
            "rule" => Ok(Self::Rule(name.to_owned())),
            _ => Err(NotAnActor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Id;

    #[test]
    fn an_actor_reads_back_from_its_text() {
        for actor in [
            Actor::Operator("cli".into()),
            Actor::Resident(ResidentId::from_number(9)),
            Actor::service("queue"),
            Actor::rule("clock"),
        ] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        assert_eq!("root".parse::<Actor>(), Err(NotAnActor));
    }
}
