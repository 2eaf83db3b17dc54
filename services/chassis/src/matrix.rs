//! The call matrix: who may call which method. One table, checked against the descriptors of `proto`
//! while this crate compiles: a method without a row, and a row without a method, fail the build.
//! What the table does not allow is denied.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::identity::{Name, Service};

mod check;
mod table;

/// What a method is for. A token counts for methods of one class only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MethodClass {
    /// Follow a ledger.
    Watch,
    /// Read a body that an event names.
    Fetch,
    /// Do something under a lease.
    Act,
    /// A person's change: nothing else calls it.
    Operate,
    /// A person's look.
    Read,
    /// Keep the machine running: runner streams, reports between processes, health.
    Admin,
}

impl MethodClass {
    /// The word in a token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Fetch => "fetch",
            Self::Act => "act",
            Self::Operate => "operate",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for MethodClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Callers(u8);

impl Callers {
    const NONE: Self = Self(0);
    const QUEUE: Self = Self(1);
    const EXECUTOR: Self = Self(1 << 1);
    const SOCIETY: Self = Self(1 << 2);
    const REVIEW: Self = Self(1 << 3);
    const GATEWAY: Self = Self(1 << 4);
    const OPERATOR: Self = Self(1 << 5);
    const SUPERVISOR: Self = Self(1 << 6);
    /// The two ways a person comes in.
    const PERSON: Self = Self::GATEWAY.and(Self::OPERATOR);
    const EVERYONE: Self = Self(0b111_1111);

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn of(name: &Name) -> Self {
        match name {
            Name::Service(Service::Queue) => Self::QUEUE,
            Name::Service(Service::Executor) => Self::EXECUTOR,
            Name::Service(Service::Society) => Self::SOCIETY,
            Name::Service(Service::Review) => Self::REVIEW,
            Name::Service(Service::Gateway) => Self::GATEWAY,
            Name::Supervisor => Self::SUPERVISOR,
            Name::Operator(_) => Self::OPERATOR,
        }
    }

    /// Whether `name` is among them.
    pub const fn contains(self, name: &Name) -> bool {
        self.0 & Self::of(name).0 != 0
    }
}

/// Whether a method is called under a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseNeed {
    /// No lease is looked at.
    None,
    /// A service that calls it carries a lease capability; a person needs none.
    Needed,
}

/// Who answers a service of the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// One process.
    At(Service),
    /// Each process that has a ledger, with callers of its own.
    EachLedger,
}

/// One service of the descriptors.
struct Group {
    service: &'static str,
    home: Home,
    methods: &'static [Row],
}

/// One method.
struct Row {
    name: &'static str,
    class: MethodClass,
    callers: Callers,
    lease: LeaseNeed,
}

/// How many messages go each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One question, one answer.
    Unary,
    /// A stream at least one way: no default deadline.
    Stream,
}

/// What the matrix says of one method at one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What the method is for.
    pub class: MethodClass,
    /// Who may call it.
    pub callers: Callers,
    /// Whether a service calls it under a lease.
    pub lease: LeaseNeed,
    /// How many messages go each way.
    pub shape: Shape,
    /// Whether a service's call needs a token. Health does not: it is asked before anything works.
    pub(crate) token: bool,
}

/// The rule for `path` (`/package.Service/Method`) at `callee`; `None` if nobody serves it.
///
/// At the gateway every method of the others has its rule too: it passes a person's calls on.
pub fn rule(callee: Service, path: &str) -> Option<Rule> {
    let entry = RULES.get(path)?;
    match entry.home {
        None => Some(entry.rule),
        Some(Home::At(home)) => {
            (callee == home || callee == Service::Gateway).then_some(entry.rule)
        }
        Some(Home::EachLedger) => {
            let callers = match entry.rule.class {
                MethodClass::Watch => table::watchers(callee),
                MethodClass::Fetch => table::readers(callee),
                MethodClass::Act
                | MethodClass::Operate
                | MethodClass::Read
                | MethodClass::Admin => entry.rule.callers,
            };
            Some(Rule { callers, ..entry.rule })
        }
    }
}

/// The process that answers `path`, if it is one alone.
pub fn home(path: &str) -> Option<Service> {
    match RULES.get(path)?.home {
        Some(Home::At(service)) => Some(service),
        Some(Home::EachLedger) | None => None,
    }
}

/// Every method of the descriptors as `/package.Service/Method`, with the processes that serve it.
pub fn methods() -> Vec<(String, Vec<Service>)> {
    let mut all: Vec<_> = RULES
        .iter()
        .filter_map(|(path, entry)| {
            let homes = match entry.home? {
                Home::At(service) => vec![service],
                Home::EachLedger => {
                    vec![Service::Queue, Service::Executor, Service::Society, Service::Review]
                }
            };
            Some((path.clone(), homes))
        })
        .collect();
    all.sort();
    all
}

struct Entry {
    /// `None` for what every process serves beside its own: health and reflection.
    home: Option<Home>,
    rule: Rule,
}

static RULES: LazyLock<HashMap<String, Entry>> = LazyLock::new(|| {
    let mut rules = everywhere();
    let shapes = shapes();
    for group in table::TABLE {
        for row in group.methods {
            let path = format!("/{}/{}", group.service, row.name);
            let shape = shapes.get(&path).copied().unwrap_or(Shape::Unary);
            let Row { class, callers, lease, .. } = *row;
            let rule = Rule { class, callers, lease, shape, token: true };
            rules.insert(path, Entry { home: Some(group.home), rule });
        }
    }
    rules
});

/// What every process serves beside its own.
fn everywhere() -> HashMap<String, Entry> {
    const HEALTH: &str = "/grpc.health.v1.Health/";
    let reflection = ["v1", "v1alpha"].map(|version| {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        (path, Callers::OPERATOR, Shape::Stream)
    });
    let health = [("Check", Shape::Unary), ("List", Shape::Unary), ("Watch", Shape::Stream)]
        .map(|(name, shape)| (format!("{HEALTH}{name}"), Callers::EVERYONE, shape));
    let (class, lease) = (MethodClass::Admin, LeaseNeed::None);
    health
        .into_iter()
        .chain(reflection)
        .map(|(path, callers, shape)| {
            let rule = Rule { class, callers, lease, shape, token: false };
            (path, Entry { home: None, rule })
        })
        .collect()
}

fn shapes() -> HashMap<String, Shape> {
    let set = FileDescriptorSet::decode(vivarium_proto::DESCRIPTOR_SET)
        .expect("the descriptors were written by the build of proto");
    let mut shapes = HashMap::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let streams = method.client_streaming() || method.server_streaming();
                shapes.insert(path, if streams { Shape::Stream } else { Shape::Unary });
            }
        }
    }
    shapes
}
