//! Decides whether a call may pass: certificate, its end, token, matrix, lease, in this order. Covers
//! every method of a process, health and reflection too. What passes carries a typed [`Caller`].

use std::sync::Arc;

use http::HeaderMap;
use vivarium_types::{Actor, Clock, Reason};

use crate::identity::{Holder, Identity, Leaf, Name, Service};
use crate::lease::{self, Lease};
use crate::matrix::{self, LeaseNeed, MethodClass, Rule};
use crate::status::Refusal;
use crate::token::{self, Wanted};

/// Who calls, on whose behalf, and under which lease. In the extensions of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The process at the other end of the connection.
    pub name: Name,
    /// The one who wants it: goes into the log as the actor of what follows.
    pub actor: Actor,
    /// The lease it is done under, if a valid one was shown.
    pub lease: Option<Lease>,
}

impl Caller {
    /// The caller of a request.
    ///
    /// # Panics
    /// If the request did not come through the chassis.
    pub fn of<T>(request: &tonic::Request<T>) -> &Self {
        request.extensions().get().expect("the chassis puts a caller into every request")
    }

    /// The operator's name, or a refusal for anyone else.
    pub fn operator(&self) -> Result<&str, Refusal> {
        match &self.actor {
            Actor::Operator(name) => Ok(name),
            Actor::Resident(_) | Actor::Service(_) | Actor::Rule(_) => Err(self.refused("this")),
        }
    }

    /// The lease, or a refusal for a call without one.
    pub fn lease(&self) -> Result<&Lease, Refusal> {
        self.lease.as_ref().ok_or_else(|| self.refused("this without a lease"))
    }

    fn refused(&self, method: &str) -> Refusal {
        Refusal::new(Reason::AuthNotPermitted).with("caller", &self.name).with("method", method)
    }
}

/// The guard of one process.
#[derive(Debug)]
pub(crate) struct Gate {
    service: Service,
    holder: Arc<Holder>,
    clock: Arc<dyn Clock>,
}

impl Gate {
    pub(crate) fn new(service: Service, holder: Arc<Holder>, clock: Arc<dyn Clock>) -> Self {
        Self { service, holder, clock }
    }

    /// Who calls, if the call may pass.
    pub(crate) fn admit(
        &self,
        leaf: &Leaf,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<(Rule, Caller), Refusal> {
        let now = self.clock.now();
        // TLS judged the certificate when the connection was made; it may have ended since.
        if leaf.not_after < now {
            return Err(Refusal::new(Reason::AuthCertificateExpired));
        }
        let unknown =
            || Refusal::new(Reason::RpcUnknownMethod).with("method", path).resource("method", path);
        let rule = matrix::rule(self.service, path).ok_or_else(unknown)?;
        let refused = || {
            Refusal::new(Reason::AuthNotPermitted).with("caller", &leaf.name).with("method", path)
        };
        let identity = self.holder.current();
        let actor = match (&leaf.name, rule.token) {
            (Name::Operator(name), _) => Actor::Operator(name.clone()),
            (name, false) => Actor::Service(word(name)),
            (Name::Service(_) | Name::Supervisor, true) => {
                let token = header(headers, token::HEADER).ok_or(Reason::AuthTokenMissing)?;
                let wanted =
                    Wanted { caller: leaf, audience: self.service, class: rule.class, now };
                token::check(&identity, token, wanted)?
            }
        };
        if !rule.callers.contains(&leaf.name) {
            return Err(refused());
        }
        let lease = self.lease(&identity, rule, leaf, headers)?;
        if !may_assert(&leaf.name, &actor, rule.class, lease.as_ref()) {
            return Err(refused());
        }
        Ok((rule, Caller { name: leaf.name.clone(), actor, lease }))
    }

    fn lease(
        &self,
        identity: &Identity,
        rule: Rule,
        leaf: &Leaf,
        headers: &HeaderMap,
    ) -> Result<Option<Lease>, Refusal> {
        let by_person = matches!(leaf.name, Name::Operator(_) | Name::Service(Service::Gateway));
        match header(headers, lease::HEADER) {
            Some(token) => match lease::check(identity, token, self.clock.now()) {
                Ok(lease) => Ok(Some(lease)),
                Err(reason) => Err(Refusal::new(reason).with("lease", "shown")),
            },
            None if rule.lease == LeaseNeed::Needed && !by_person => {
                Err(Refusal::new(Reason::AuthNotPermitted)
                    .with("caller", &leaf.name)
                    .with("method", "this without a lease"))
            }
            None => Ok(None),
        }
    }
}

/// Whether a caller may speak for an actor.
///
/// A person's actor comes only through the gateway or a person's certificate; a resident's only
/// through the executor, under that resident's lease; a service speaks for itself and its rules.
fn may_assert(name: &Name, actor: &Actor, class: MethodClass, lease: Option<&Lease>) -> bool {
    let person_only = class == MethodClass::Operate;
    match (actor, name) {
        (Actor::Operator(_), Name::Service(Service::Gateway) | Name::Operator(_)) => true,
        (Actor::Resident(resident), Name::Service(Service::Executor)) => {
            lease.is_some_and(|lease| lease.resident == Some(*resident)) && !person_only
        }
        (Actor::Service(service), name) => *service == word(name) && may_act_alone(name, class),
        (Actor::Rule(_), Name::Service(_)) => may_act_alone(name, class),
        (
            Actor::Operator(_) | Actor::Resident(_) | Actor::Rule(_),
            Name::Service(_) | Name::Operator(_) | Name::Supervisor,
        ) => false,
    }
}

/// Whether a process may call a method of this class without a person behind it. The supervisor has
/// the operator class for the one method its row names; a service never has it.
fn may_act_alone(name: &Name, class: MethodClass) -> bool {
    class != MethodClass::Operate || *name == Name::Supervisor
}

/// The word for a process in [`Actor::Service`].
pub(crate) fn word(name: &Name) -> String {
    match name {
        Name::Service(service) => service.name().to_owned(),
        Name::Supervisor => "supervisor".to_owned(),
        Name::Operator(operator) => operator.clone(),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
