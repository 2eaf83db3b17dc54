//! The client of the chat interface: one request, one stream of events.
//!
//! A call is repeated only before the provider has begun to answer, at most twice, and never when it
//! may have been understood. Dropping the stream closes the connection, which ends the call there.

mod answer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::time::Instant;
use vivarium_chassis::clock;
use vivarium_types::{Reason, Secret};

use super::allowance::Told;
use super::chat::{CallContext, Caps, ChatRequest, Events, Phases, Provider};
use super::error::{ModelError, Phase};
use super::gate::{Gate, Place, Rate};
use super::profile::{self, Profile};
use super::{http, wire};
use answer::Answer;

/// A provider's key.
pub type Key = Arc<Secret<String>>;
/// Gives the key that is kept under a name, at each call anew.
pub type KeySource = Arc<dyn Fn(&str) -> Option<Key> + Send + Sync>;

/// How often a request is sent, at most.
const TRIES: u32 = 3;
/// The pause before the first repeat; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// A longer pause is the business of whoever asked.
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// Bytes of a refusal that are read.
const REFUSAL_BYTES: usize = 64 * 1024;
/// How long reading a refusal may take.
const REFUSAL_WAIT: Duration = Duration::from_secs(5);

/// A provider behind HTTP. Clones share its places and its rate.
#[derive(Clone)]
pub struct OpenAi {
    inner: Arc<Inner>,
}

struct Inner {
    profile: Profile,
    keys: KeySource,
    client: Client,
    gate: Gate,
}

impl OpenAi {
    /// A way to the provider of this profile.
    pub fn new(profile: Profile, keys: KeySource) -> Result<Self, ModelError> {
        let client = http::client(&profile.base_url, profile.connect)?;
        let Profile { parallel_calls, calls_per_minute, tokens_per_minute, .. } = profile;
        let gate = Gate::new(parallel_calls, calls_per_minute, tokens_per_minute);
        Ok(Self { inner: Arc::new(Inner { profile, keys, client, gate }) })
    }

    /// How it is set up.
    pub fn profile(&self) -> &Profile {
        &self.inner.profile
    }

    /// Whether it failed so often, or asked to wait, that nothing is sent to it for now.
    pub fn is_shut(&self) -> bool {
        self.inner.gate.is_shut()
    }

    /// How much goes to it at the moment.
    pub fn rate(&self) -> Rate {
        self.inner.gate.rate()
    }

    /// The client and the key, for looking at the server.
    pub(super) fn parts(&self) -> (&Client, Option<Key>) {
        let key = self.inner.profile.key.as_deref().and_then(|name| (self.inner.keys)(name));
        (&self.inner.client, key)
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("profile", &self.inner.profile).finish_non_exhaustive()
    }
}

impl Provider for OpenAi {
    fn caps(&self) -> Caps {
        self.inner.profile.caps()
    }

    fn stream(&self, request: ChatRequest, context: CallContext) -> Events {
        let before = Stage::Before(Box::new((Arc::clone(&self.inner), request, context)));
        stream::unfold(before, |mut stage| async move {
            let event = stage.next().await?;
            Some((event, stage))
        })
        .boxed()
    }
}

/// Where a call stands.
enum Stage {
    Before(Box<(Arc<Inner>, ChatRequest, CallContext)>),
    Answering { answer: Box<Answer>, inner: Arc<Inner>, _place: Place },
    Over,
}

impl Stage {
    async fn next(&mut self) -> Option<Result<super::ChatEvent, ModelError>> {
        if let Self::Before(before) = self {
            let (inner, request, context) = &**before;
            match inner.begin(request, context).await {
                Ok((answer, place)) => {
                    let inner = Arc::clone(inner);
                    *self = Self::Answering { answer: Box::new(answer), inner, _place: place };
                }
                Err(error) => {
                    *self = Self::Over;
                    return Some(Err(error));
                }
            }
        }
        let Self::Answering { answer, inner, .. } = self else { return None };
        let event = answer.next().await;
        match &event {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                inner.gate.tell(Err(error));
                *self = Self::Over;
            }
            None => {
                inner.gate.tell(Ok(()));
                *self = Self::Over;
            }
        }
        event
    }
}

/// A try that failed.
struct Failed {
    error: ModelError,
    /// Whether the provider certainly did nothing with the request.
    repeatable: bool,
    retry_after: Option<Duration>,
}

impl From<ModelError> for Failed {
    fn from(error: ModelError) -> Self {
        Self { error, repeatable: false, retry_after: None }
    }
}

impl Inner {
    /// Waits for a place and sends the request until the provider begins to answer.
    async fn begin(
        &self,
        request: &ChatRequest,
        context: &CallContext,
    ) -> Result<(Answer, Place), ModelError> {
        let tokens = profile::asks_for(request);
        let mut place = self.gate.enter(context, tokens).await?;
        let phases = context.phases.unwrap_or_else(|| self.profile.phases(request));
        let deadline = match self.profile.call_limit {
            Some(limit) => context.deadline.min(clock::instant() + limit),
            None => context.deadline,
        };
        let body = wire::body(&self.profile, request);
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.send(&body, phases, deadline, context, &mut place).await {
                Ok((response, sent)) => {
                    let limits = answer::Limits {
                        phases,
                        deadline,
                        sent,
                        bytes_max: self.profile.answer_bytes_max,
                    };
                    let cancel = context.cancel.clone();
                    let prompt_bytes = request.prompt_bytes();
                    let answer = Answer::new(response, limits, cancel, prompt_bytes, tries);
                    return Ok((answer, place));
                }
                Err(failed) => failed,
            };
            self.gate.tell(Err(&failed.error));
            let Some(pause) = pause(&failed, tries, context, deadline) else {
                return Err(failed.error);
            };
            tracing::info!(
                provider = self.profile.name,
                error = %failed.error,
                tries,
                "a model call is repeated"
            );
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => {
                    return Err(ModelError::Cancelled { sent: false });
                }
                () = tokio::time::sleep(pause) => {}
            }
            self.gate.ask(&mut place, context, tokens).await?;
        }
    }

    /// Sends the request once.
    async fn send(
        &self,
        body: &Value,
        phases: Phases,
        deadline: Instant,
        context: &CallContext,
        place: &mut Place,
    ) -> Result<(Response, Instant), Failed> {
        let url = http::below(&self.profile.base_url, "chat/completions");
        let mut request = self.client.post(url).json(body);
        let key = match &self.profile.key {
            Some(name) => Some((self.keys)(name).ok_or_else(missing_key)?),
            None => None,
        };
        if let Some(key) = &key {
            request = request.bearer_auth(key.expose());
        }
        if !context.traceparent.is_empty() {
            request = request.header("traceparent", &context.traceparent);
        }
        let sent = clock::instant();
        let first = sent + phases.first_event;
        let response = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(ModelError::Cancelled { sent: true }.into()),
            response = request.send() => response.map_err(|error| not_sent(&error))?,
            () = tokio::time::sleep_until(first.min(deadline)) => {
                let phase = if deadline < first { Phase::Total } else { Phase::FirstEvent };
                return Err(ModelError::Timeout(phase).into());
            }
        };
        place.heard(Told::of(response.headers()));
        if response.status().is_success() {
            return Ok((response, sent));
        }
        Err(refused(response, key.as_deref()).await)
    }
}

fn missing_key() -> Failed {
    let message = "no key is set for the provider".to_owned();
    ModelError::Unusable { reason: Reason::ModelKeyMissing, message }.into()
}

/// A request that got no answer.
fn not_sent(error: &reqwest::Error) -> Failed {
    let words = http::words(error);
    let repeatable = error.is_connect();
    let error = match (error.is_connect(), error.is_timeout()) {
        (true, true) => ModelError::Timeout(Phase::Connect),
        (true, false) => ModelError::Connect(words),
        (false, _) => ModelError::Upstream { status: None, message: words },
    };
    Failed { error, repeatable, retry_after: None }
}

/// An answer that is a refusal.
async fn refused(response: Response, key: Option<&Secret<String>>) -> Failed {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let read = http::body(response, REFUSAL_BYTES);
    let bytes = tokio::time::timeout(REFUSAL_WAIT, read).await.unwrap_or_default();
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if let Some(key) = key {
        // Some providers repeat the key they refuse.
        text = text.replace(key.expose().as_str(), "[key]");
    }
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    let error = wire::refusal(Some(status), &body, retry_after);
    let repeatable = matches!(status, 429 | 503) && !error.may_have_cost();
    Failed { error, repeatable, retry_after }
}

/// `Retry-After` in seconds, or in milliseconds as some providers send it. A date is passed over.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
    };
    let seconds = number("retry-after-ms")
        .map(|millis| millis / 1_000.0)
        .or_else(|| number(header::RETRY_AFTER.as_str()))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The pause before the next try, or `None` when there is none.
fn pause(
    failed: &Failed,
    tries: u32,
    context: &CallContext,
    deadline: Instant,
) -> Option<Duration> {
    if !failed.repeatable || tries >= TRIES {
        return None;
    }
    let asked = failed.retry_after.unwrap_or(PAUSE * 2_u32.pow(tries - 1));
    let pause = asked + asked / 1_000 * context.jitter_permille.min(1_000);
    (pause <= PAUSE_MAX && clock::instant() + pause < deadline).then_some(pause)
}
