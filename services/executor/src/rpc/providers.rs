//! `ProviderService`: providers, their keys, and the human's consent.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal};
use vivarium_ledger::{Request as RequestKey, Submission};
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::provider_service_server::ProviderService;
use vivarium_types::Reason;

use super::{Floor, convert, position, reached, refusal};
use crate::domain::provider::{Consent, mask};
use crate::domain::{Command, State};
use crate::keys::Keys;
use crate::model::price::Tier;
use crate::providers::{Listed, Providers as Registry};

/// The service over the ledger, the keys and the providers.
#[derive(Debug, Clone)]
pub struct Providers {
    floor: Floor,
    keys: Arc<Keys>,
    registry: Arc<Registry>,
}

impl Providers {
    /// The service.
    pub const fn new(floor: Floor, keys: Arc<Keys>, registry: Arc<Registry>) -> Self {
        Self { floor, keys, registry }
    }

    fn known(&self, wanted: &str) -> Result<Listed, Refusal> {
        let name = if wanted.is_empty() { "groq" } else { wanted };
        let found = self.registry.listed().into_iter().find(|listed| listed.name == name);
        found.ok_or_else(|| {
            Refusal::new(Reason::ModelProviderUnknown)
                .with("provider", name)
                .resource("provider", name)
                .field("provider", "names no provider of the configuration")
        })
    }

    async fn shown(&self) -> Result<Vec<pb::Provider>, Refusal> {
        let listed = self.registry.listed();
        let names: Vec<String> = listed.iter().map(|listed| listed.name.clone()).collect();
        let known = self.floor.ledger.ask(move |state| {
            let known = |name: &String| {
                let providers = state.providers();
                (providers.health(name).cloned(), providers.consent(name))
            };
            names.iter().map(known).collect::<Vec<_>>()
        });
        let known = known.await.map_err(refusal)?;
        let chosen = self.registry.choose("", Tier::Small).ok().map(|chosen| chosen.provider);
        let all = listed.iter().zip(known).map(|(listed, (health, consent))| {
            let has_key = self.keys.of(&listed.name).is_some();
            let chosen = chosen.as_ref() == Some(&listed.name);
            let rate = self.registry.rate(&listed.name);
            convert::provider(listed, health.as_ref(), consent, has_key, chosen, rate)
        });
        Ok(all.collect())
    }
}

#[tonic::async_trait]
impl ProviderService for Providers {
    async fn list_providers(
        &self,
        request: Request<pb::ListProvidersRequest>,
    ) -> Result<Response<pb::ListProvidersResponse>, Status> {
        reached(&self.floor.ledger, request.into_inner().min_position).await?;
        let providers = self.shown().await?;
        Ok(Response::new(pb::ListProvidersResponse { providers }))
    }

    async fn set_key(
        &self,
        request: Request<pb::SetKeyRequest>,
    ) -> Result<Response<pb::SetKeyResponse>, Status> {
        const METHOD: &str = "/vivarium.executor.v1.ProviderService/SetKey";
        let caller = Caller::of(&request).clone();
        caller.operator()?;
        let wire = request.into_inner();
        let wanted = convert::key(wire)?;
        let provider = self.known(&wanted.provider)?.name;
        // The answer is remembered under a digest; the key itself must not be guessable from it.
        let digested = pb::SetKeyRequest {
            request_id: wanted.request_id.clone(),
            provider: provider.clone(),
            key: hex::encode(self.keys.fingerprint(&wanted.key)),
        };
        let request = RequestKey::of(METHOD, &wanted.request_id, &digested);
        let masked = mask(&wanted.key);
        let (keys, name, key) = (Arc::clone(&self.keys), provider.clone(), wanted.key);
        let stored = tokio::task::spawn_blocking(move || keys.set(&name, key)).await;
        stored.map_err(Refusal::fault)?.map_err(Refusal::fault)?;
        let command = Command::SetKey { provider: provider.clone(), masked };
        let submission = Submission::new(caller.actor, command).request(request).answering(
            move |state: &State, decided| pb::SetKeyResponse {
                position: Some(position(decided.sequence)),
                status: Some(convert::key_status(&provider, state.providers().key(&provider))),
            },
        );
        let answer = self.floor.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(Refusal::fault)?))
    }

    async fn clear_key(
        &self,
        request: Request<pb::ClearKeyRequest>,
    ) -> Result<Response<pb::ClearKeyResponse>, Status> {
        const METHOD: &str = "/vivarium.executor.v1.ProviderService/ClearKey";
        let caller = Caller::of(&request).clone();
        caller.operator()?;
        let wire = request.into_inner();
        convert::request_id(&wire.request_id)?;
        let provider = self.known(&wire.provider)?.name;
        let request = RequestKey::of(METHOD, &wire.request_id, &wire);
        let (keys, name) = (Arc::clone(&self.keys), provider.clone());
        let cleared = tokio::task::spawn_blocking(move || keys.clear(&name)).await;
        cleared.map_err(Refusal::fault)?.map_err(Refusal::fault)?;
        let submission = Submission::new(caller.actor, Command::ClearKey { provider })
            .request(request)
            .answering(|_, decided| pb::ClearKeyResponse {
                position: Some(position(decided.sequence)),
            });
        let answer = self.floor.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(Refusal::fault)?))
    }

    async fn get_key_status(
        &self,
        request: Request<pb::GetKeyStatusRequest>,
    ) -> Result<Response<pb::GetKeyStatusResponse>, Status> {
        let wire = request.into_inner();
        let wanted = match wire.provider.as_str() {
            "" => self.registry.listed().into_iter().filter(|listed| listed.takes_key).collect(),
            name => vec![self.known(name)?],
        };
        reached(&self.floor.ledger, wire.min_position).await?;
        let keys = self.floor.ledger.ask(move |state| {
            let providers = state.providers();
            let status =
                |listed: &Listed| convert::key_status(&listed.name, providers.key(&listed.name));
            wanted.iter().map(status).collect()
        });
        let keys = keys.await.map_err(refusal)?;
        Ok(Response::new(pb::GetKeyStatusResponse { keys }))
    }

    async fn consent_provider(
        &self,
        request: Request<pb::ConsentProviderRequest>,
    ) -> Result<Response<pb::ConsentProviderResponse>, Status> {
        const METHOD: &str = "/vivarium.executor.v1.ProviderService/ConsentProvider";
        let caller = Caller::of(&request).clone();
        caller.operator()?;
        let wire = request.into_inner();
        convert::request_id(&wire.request_id)?;
        let listed = self.known(&wire.provider)?;
        let request = RequestKey::of(METHOD, &wire.request_id, &wire);
        let consent = Consent { given: wire.consent, may_judge: wire.may_judge };
        let command = Command::Consent { provider: listed.name.clone(), consent };
        let name = listed.name.clone();
        let submission =
            Submission::new(caller.actor, command).request(request).answering(|_, decided| {
                pb::ConsentProviderResponse {
                    position: Some(position(decided.sequence)),
                    provider: None,
                }
            });
        let answer = self.floor.ledger.submit(submission).await.map_err(refusal)?;
        self.registry.consented(&name, consent);
        let mut answer: pb::ConsentProviderResponse = answer.message().map_err(Refusal::fault)?;
        answer.provider = self.shown().await?.into_iter().find(|shown| shown.name == name);
        Ok(Response::new(answer))
    }
}

/// A key that was stored without its event, and the other way round, after a crash between both.
pub async fn reconcile(floor: &Floor, keys: &Keys) -> Result<(), Refusal> {
    let stored = keys.providers();
    let noted = floor.ledger.ask(|state| {
        state
            .providers()
            .keys()
            .iter()
            .map(|(name, key)| (name.clone(), key.text.clone()))
            .collect()
    });
    let noted: std::collections::BTreeMap<String, String> = noted.await.map_err(refusal)?;
    let actor = || vivarium_types::Actor::rule("key_file");
    for provider in &stored {
        let masked = keys.of(provider).map(|key| mask(key.expose())).unwrap_or_default();
        if noted.get(provider) != Some(&masked) {
            let command = Command::SetKey { provider: provider.clone(), masked };
            floor.ledger.submit(Submission::new(actor(), command)).await.map_err(refusal)?;
        }
    }
    for provider in noted.into_keys().filter(|provider| !stored.contains(provider)) {
        let command = Command::ClearKey { provider };
        floor.ledger.submit(Submission::new(actor(), command)).await.map_err(refusal)?;
    }
    Ok(())
}
