//! The embedded model: llama.cpp's own server as a child of this process, on loopback, behind the
//! same client as every other provider.
//!
//! It is started by the first call, restarted with a growing pause when it dies, and stopped when
//! nobody has called for a while. Nothing is started unless a model was fetched. It is another
//! process because a fault in it must not end ours, and because its memory is given back when it stops.

pub mod installed;

mod server;

use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, PoisonError, Weak};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use tokio::sync::Mutex;
use tokio::time::Instant;
use vivarium_chassis::task::Tasks;
use vivarium_chassis::{World, clock};
use vivarium_types::Reason;

use self::installed::Installed;
use self::server::{Plan, Server};
use super::chat::{CallContext, Caps, ChatEvent, ChatRequest, Events, Provider};
use super::config;
use super::error::{ModelError, Phase};
use super::openai::OpenAi;
use super::profile::{Kind, Profile};
use crate::domain::provider::Class;

/// The first pause before a restart; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The embedded provider. Clones are the same server; it is killed with the last of them.
#[derive(Debug, Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: World,
    settings: config::Embedded,
    tasks: Tasks,
    /// Held while a server is started or stopped.
    state: Mutex<State>,
    /// Written by each call when it begins and when it ends.
    usage: StdMutex<InUse>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    /// Deaths and failed starts since the last call that came to its end.
    failures: u32,
    /// No start before this moment.
    not_before: Option<Instant>,
    /// Counts starts, so that a watch over one run does not stop another.
    run: u64,
}

#[derive(Debug)]
struct Running {
    server: Server,
    client: OpenAi,
    plan: Plan,
}

#[derive(Debug)]
struct InUse {
    calls: u32,
    last: Instant,
}

/// A call in progress, as far as the idle watch is concerned.
#[derive(Debug)]
struct Call {
    inner: Arc<Inner>,
}

impl Call {
    fn begin(inner: &Arc<Inner>) -> Self {
        inner.usage().calls += 1;
        Self { inner: Arc::clone(inner) }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut usage = self.inner.usage();
        usage.calls -= 1;
        usage.last = clock::instant();
    }
}

impl Embedded {
    /// The embedded provider of a world; nothing is started yet.
    pub fn new(world: World, settings: config::Embedded, tasks: Tasks) -> Self {
        let usage = StdMutex::new(InUse { calls: 0, last: clock::instant() });
        let state = Mutex::default();
        Self { inner: Arc::new(Inner { world, settings, tasks, state, usage }) }
    }

    /// The model that calls would go to. The error says what is missing. Starts nothing.
    pub fn look(&self) -> Result<Installed, ModelError> {
        self.inner.plan().map(|plan| plan.model)
    }

    /// Model tokens of prompt and completion together that can be used with `model`.
    pub fn window_tokens(&self, model: &Installed) -> u32 {
        self.inner.settings.window_tokens.min(model.window_tokens)
    }

    /// The server's process while it runs.
    pub async fn process_id(&self) -> Option<u32> {
        let mut state = self.inner.state.lock().await;
        let server = &mut state.running.as_mut()?.server;
        if server.died().is_some() { None } else { server.id() }
    }

    /// Stops the server if it runs; the next call starts it again. Calls in progress break.
    pub async fn stop(&self) {
        let mut state = self.inner.state.lock().await;
        if let Some(running) = state.running.take() {
            running.server.stop().await;
        }
    }
}

impl Provider for Embedded {
    fn caps(&self) -> Caps {
        let settings = &self.inner.settings;
        Caps {
            class: Class::Embedded,
            local: true,
            window_tokens: settings.window_tokens,
            completion_tokens_max: settings.window_tokens,
            parallel_calls: 1,
            json_schema: true,
            tools: false,
        }
    }

    fn stream(&self, request: ChatRequest, context: CallContext) -> Events {
        let inner = Arc::clone(&self.inner);
        let events = async move {
            let call = Call::begin(&inner);
            let client = match inner.open(&request, &context).await {
                Ok(client) => client,
                Err(error) => return stream::once(async { Err(error) }).boxed(),
            };
            let mut events = client.stream(request, context);
            async_stream::stream! {
                while let Some(event) = events.next().await {
                    if let Ok(ChatEvent::Finished(_)) = &event {
                        call.inner.succeeded().await;
                    }
                    yield event;
                }
            }
            .boxed()
        };
        stream::once(events).flatten().boxed()
    }
}

impl Inner {
    /// What would be started now.
    fn plan(&self) -> Result<Plan, ModelError> {
        let settings = &self.settings;
        let memory_mib = installed::memory_mib();
        let model = installed::choose(&self.world, &settings.model, memory_mib)?;
        let runtime = runtime(&self.world);
        if !server::python(&runtime).exists() {
            return Err(ModelError::Unusable {
                reason: Reason::ModelEngineMissing,
                message: "the engine of the embedded model has not been fetched".to_owned(),
            });
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = match settings.threads {
            0 => cores.saturating_sub(1).max(1),
            threads => threads as usize,
        };
        let window_tokens = settings.window_tokens.min(model.window_tokens);
        Ok(Plan { runtime, model, window_tokens, threads })
    }

    /// The client of a running server, started if need be.
    async fn open(
        self: &Arc<Self>,
        request: &ChatRequest,
        context: &CallContext,
    ) -> Result<OpenAi, ModelError> {
        let plan = self.plan()?;
        if request.model != plan.model.name {
            let message =
                format!("the embedded model is {}, not {}", plan.model.name, request.model);
            return Err(ModelError::Unusable { reason: Reason::ModelUnknown, message });
        }
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(ModelError::Cancelled { sent: false }),
            client = self.running(plan) => client,
            () = tokio::time::sleep_until(context.deadline) => Err(ModelError::Timeout(Phase::Start)),
        }
    }

    async fn running(self: &Arc<Self>, plan: Plan) -> Result<OpenAi, ModelError> {
        let mut state = self.state.lock().await;
        if let Some(mut running) = state.running.take() {
            match running.server.died() {
                Some(why) => {
                    tracing::warn!(why, "the embedded model's server died");
                    state.failed();
                }
                None if running.plan == plan || self.usage().calls > 1 => {
                    let client = running.client.clone();
                    state.running = Some(running);
                    return Ok(client);
                }
                // Another model was fetched, and nobody uses this one.
                None => running.server.stop().await,
            }
        }
        if let Some(moment) = state.not_before {
            tokio::time::sleep_until(moment).await;
        }
        let began = clock::instant();
        let server = match Server::start(&plan, &self.tasks).await {
            Ok(server) => server,
            Err(error) => {
                state.failed();
                return Err(error);
            }
        };
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(model = plan.model.name, took_ms, "the embedded model runs");
        let client = self.client(&plan, &server)?;
        state.running = Some(Running { server, client: client.clone(), plan });
        state.run += 1;
        self.usage().last = clock::instant();
        self.tasks.spawn("stop the idle model", stop_idle(Arc::downgrade(self), state.run));
        Ok(client)
    }

    fn client(&self, plan: &Plan, server: &Server) -> Result<OpenAi, ModelError> {
        let name = config::EMBEDDED;
        let mut profile =
            Profile::new(name, Kind::Embedded, Class::Embedded, server.base_url.clone());
        profile.key = Some(name.to_owned());
        profile.model.clone_from(&plan.model.name);
        profile.window_tokens = plan.window_tokens;
        profile.completion_tokens = self.settings.completion_tokens;
        profile.calls_per_minute = u32::MAX;
        let key = Arc::clone(&server.key);
        OpenAi::new(profile, Arc::new(move |_| Some(Arc::clone(&key))))
    }

    async fn succeeded(&self) {
        let mut state = self.state.lock().await;
        state.failures = 0;
        state.not_before = None;
    }

    fn usage(&self) -> std::sync::MutexGuard<'_, InUse> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn failed(&mut self) {
        let pause = PAUSE.saturating_mul(2_u32.saturating_pow(self.failures)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(clock::instant() + pause);
    }
}

/// Where the engine lies.
fn runtime(world: &World) -> PathBuf {
    world.mutable().join("models-runtime")
}

/// Stops one run of the server once nobody has called for a while. It keeps nothing alive.
async fn stop_idle(inner: Weak<Inner>, run: u64) {
    loop {
        let Some(strong) = inner.upgrade() else { return };
        let idle = strong.settings.idle;
        let (calls, last) = {
            let usage = strong.usage();
            (usage.calls, usage.last)
        };
        let until = if calls > 0 { clock::instant() + idle } else { last + idle };
        if calls == 0 && until <= clock::instant() {
            let mut state = strong.state.lock().await;
            if state.run != run {
                return;
            }
            // A call may have come while the lock was waited for.
            if strong.usage().calls == 0 {
                if let Some(running) = state.running.take() {
                    tracing::info!(model = running.plan.model.name, "the embedded model rests");
                    running.server.stop().await;
                }
                return;
            }
        }
        drop(strong);
        tokio::time::sleep_until(until).await;
    }
}
