//! The internal token: a caller's word that *this* call, over *this* connection, is its own and on
//! whose behalf it is made. PASETO v4.public, at most a minute long, signed by the caller's own key,
//! bound to the certificate of the connection it goes over.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_types::{Actor, Reason, Timestamp};

use crate::clock;
use crate::identity::{Identity, Leaf, Service};
use crate::matrix::MethodClass;
use crate::paseto::{self, Purpose};

/// The header that carries it.
pub const HEADER: &str = "vivarium-token";
/// How long a token counts.
pub const LIFETIME: Duration = Duration::from_mins(1);
/// A token is used again for calls of the same kind while this much of its life is left.
const REUSE_LEFT: Duration = Duration::from_secs(20);
/// How far ahead another process's clock may be.
const SKEW: Duration = Duration::from_secs(5);
/// Most tokens kept for use again, and most kept as verified.
const KEPT_MAX: usize = 4_096;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    /// The caller, such as `service/queue`.
    iss: String,
    /// The actor, such as `operator:cli`.
    sub: String,
    /// The service called.
    aud: String,
    /// The class of method called.
    class: String,
    /// When it was made, RFC 3339.
    iat: String,
    /// When it ends, RFC 3339.
    exp: String,
    /// Its own id.
    jti: String,
    /// The thumbprint of the caller's certificate, hexadecimal.
    cnf: String,
}

/// Audience, class and actor: a token is used again for calls of the same kind.
type Kind = (Service, MethodClass, Actor);

/// Tokens made and tokens verified under one identity. They end with it.
#[derive(Debug, Default)]
pub(crate) struct Minted {
    /// Written by `mint`; by kind.
    made: Mutex<HashMap<Kind, (String, Timestamp)>>,
    /// Written by `check`; by the token's text. Only the signature is remembered as good.
    verified: Mutex<HashMap<String, Claims>>,
}

/// What a token must say to count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The other end of the connection.
    pub(crate) caller: &'a Leaf,
    /// The service that was called.
    pub(crate) audience: Service,
    /// The class of the method that was called.
    pub(crate) class: MethodClass,
    /// The present moment.
    pub(crate) now: Timestamp,
}

/// A token for calls of `class` to `audience` on behalf of `actor`; `None` if the identity signs none.
pub(crate) fn mint(
    identity: &Identity,
    audience: Service,
    class: MethodClass,
    actor: &Actor,
    now: Timestamp,
) -> Option<String> {
    let key = identity.token_key.as_ref()?;
    let kind = (audience, class, actor.clone());
    let mut made = identity.minted.made.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((token, ends)) = made.get(&kind)
        && ends.since(now) > REUSE_LEFT
        && ends.since(now) <= LIFETIME
    {
        return Some(token.clone());
    }
    let claims = Claims {
        iss: identity.name().to_string(),
        sub: actor.to_string(),
        aud: audience.name().to_owned(),
        class: class.name().to_owned(),
        iat: now.to_string(),
        exp: (now + LIFETIME).to_string(),
        jti: hex::encode(clock::random::<16>()),
        cnf: hex::encode(identity.leaf.thumbprint),
    };
    let token = key.token(Purpose::Call, &claims);
    if made.len() >= KEPT_MAX {
        made.clear();
    }
    made.insert(kind, (token.clone(), now + LIFETIME));
    Some(token)
}

/// The actor a token asserts, if it counts for this call under what `identity` trusts.
pub(crate) fn check(identity: &Identity, token: &str, wanted: Wanted<'_>) -> Result<Actor, Reason> {
    let claims = verified(identity, token, wanted.caller)?;
    let (made, ends) = claims.moments().ok_or(Reason::AuthTokenInvalid)?;
    let fits = claims.iss == wanted.caller.name.to_string()
        && claims.aud == wanted.audience.name()
        && claims.class == wanted.class.name()
        && claims.cnf == hex::encode(wanted.caller.thumbprint)
        && ends.since(made) <= LIFETIME
        && made <= wanted.now + SKEW;
    if !fits {
        return Err(Reason::AuthTokenInvalid);
    }
    if ends < wanted.now {
        return Err(Reason::AuthTokenExpired);
    }
    claims.sub.parse().map_err(|_| Reason::AuthTokenInvalid)
}

/// The claims of a token that the caller's own key signed.
fn verified(identity: &Identity, token: &str, caller: &Leaf) -> Result<Claims, Reason> {
    let lock = || identity.minted.verified.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(claims) = lock().get(token) {
        return Ok(claims.clone());
    }
    let keys = identity.trust.token_keys(&caller.name);
    let claims: Claims =
        paseto::open(keys, Purpose::Call, token).ok_or(Reason::AuthTokenInvalid)?;
    let mut verified = lock();
    if verified.len() >= KEPT_MAX {
        verified.clear();
    }
    verified.insert(token.to_owned(), claims.clone());
    Ok(claims)
}

impl Claims {
    fn moments(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.iat.parse().ok()?, self.exp.parse().ok()?))
    }
}
