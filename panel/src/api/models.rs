//! Providers of language models, their keys, and real money.

use vivarium_proto::executor::v1 as pb;

use super::{Answer, Method, call, unary, wire};
use crate::state::Position;
use crate::state::model::{Budget, Key, Provider, Rate, Scope};

const LIST: Method = unary("/vivarium.executor.v1.ProviderService/ListProviders");
const SET_KEY: Method = unary("/vivarium.executor.v1.ProviderService/SetKey");
const CLEAR_KEY: Method = unary("/vivarium.executor.v1.ProviderService/ClearKey");
const KEYS: Method = unary("/vivarium.executor.v1.ProviderService/GetKeyStatus");
const CONSENT: Method = unary("/vivarium.executor.v1.ProviderService/ConsentProvider");
const BUDGETS: Method = unary("/vivarium.executor.v1.BudgetService/GetBudgets");
const LIMIT: Method = unary("/vivarium.executor.v1.BudgetService/SetBudgetLimit");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[LIST, SET_KEY, CLEAR_KEY, KEYS, CONSENT, BUDGETS, LIMIT];

/// The providers in the order in which they are tried.
pub(crate) async fn providers() -> Answer<Vec<Provider>> {
    let answer: pb::ListProvidersResponse =
        call(LIST, &pb::ListProvidersRequest::default()).await?;
    Ok(answer.providers.into_iter().map(provider).collect())
}

/// Sets a provider's key.
pub(crate) async fn set_key(request_id: String, provider: String, key: String) -> Answer<Position> {
    let answer: pb::SetKeyResponse =
        call(SET_KEY, &pb::SetKeyRequest { request_id, provider, key }).await?;
    Ok(wire::position(answer.position))
}

/// Forgets a provider's key.
pub(crate) async fn clear_key(request_id: String, provider: String) -> Answer<Position> {
    let answer: pb::ClearKeyResponse =
        call(CLEAR_KEY, &pb::ClearKeyRequest { request_id, provider }).await?;
    Ok(wire::position(answer.position))
}

/// Whether keys are set, masked.
pub(crate) async fn keys() -> Answer<Vec<Key>> {
    let answer: pb::GetKeyStatusResponse = call(KEYS, &pb::GetKeyStatusRequest::default()).await?;
    let key = |wire: pb::KeyStatus| Key {
        provider: wire.provider,
        present: wire.present,
        masked: wire.masked,
        set: wire::some_moment(wire.set_time),
    };
    Ok(answer.keys.into_iter().map(key).collect())
}

/// Consents to a noticed local server, or takes the consent back.
pub(crate) async fn consent(
    request_id: String,
    provider: String,
    consent: bool,
    may_judge: bool,
) -> Answer<Position> {
    let request = pb::ConsentProviderRequest { request_id, provider, consent, may_judge };
    let answer: pb::ConsentProviderResponse = call(CONSENT, &request).await?;
    Ok(wire::position(answer.position))
}

/// The scopes of real money; with a task's, if it is not empty.
pub(crate) async fn budgets(task: &str) -> Answer<Vec<Budget>> {
    let request =
        pb::GetBudgetsRequest { task_id: task.to_owned(), ..pb::GetBudgetsRequest::default() };
    let answer: pb::GetBudgetsResponse = call(BUDGETS, &request).await?;
    Ok(answer.budgets.into_iter().map(budget).collect())
}

/// Sets a scope's limit from now on.
pub(crate) async fn set_limit(
    request_id: String,
    scope: Scope,
    limit_micro_usd: i64,
    reason: String,
) -> Answer<Position> {
    let scope = scope_to_wire(scope).into();
    let request = pb::SetBudgetLimitRequest { request_id, scope, limit_micro_usd, reason };
    let answer: pb::SetBudgetLimitResponse = call(LIMIT, &request).await?;
    Ok(wire::position(answer.position))
}

fn provider(wire: pb::Provider) -> Provider {
    let kind = match wire.kind() {
        pb::ProviderKind::Unspecified => "unknown",
        pb::ProviderKind::Groq => "Groq",
        pb::ProviderKind::OpenaiCompatible => "OpenAI-compatible server",
        pb::ProviderKind::Embedded => "built in",
        pb::ProviderKind::Replay => "answers from the record",
    };
    Provider {
        kind,
        embedded: wire.class() == pb::ProviderClass::Embedded,
        name: wire.name,
        model: wire.model,
        window: wire.window_tokens,
        healthy: wire.healthy,
        why_not: wire.why_not,
        address: wire.base_url,
        needs_consent: wire.needs_consent,
        consented: wire.consented,
        may_judge: wire.may_judge,
        chosen: wire.chosen,
        since: wire::some_moment(wire.health_time),
        rate: wire.rate.map(|rate| Rate {
            calls: rate.calls,
            calls_max: rate.calls_max,
            tokens: rate.tokens_left.zip(rate.tokens_max),
            shut_for: rate.shut_for.map(|span| wire::span(Some(span))),
        }),
    }
}

fn budget(wire: pb::Budget) -> Budget {
    Budget {
        scope: scope(wire.scope()),
        subject: wire.subject_id,
        limit: wire.limit_micro_usd,
        spent: wire.spent_micro_usd,
        reserved: wire.reserved_micro_usd,
    }
}

const fn scope(wire: pb::BudgetScope) -> Scope {
    match wire {
        pb::BudgetScope::Unspecified | pb::BudgetScope::Call => Scope::Call,
        pb::BudgetScope::Task => Scope::Task,
        pb::BudgetScope::ResidentDay => Scope::ResidentDay,
        pb::BudgetScope::ReviewDay => Scope::ReviewDay,
        pb::BudgetScope::WorldDay => Scope::WorldDay,
        pb::BudgetScope::WorldTotal => Scope::WorldTotal,
    }
}

const fn scope_to_wire(scope: Scope) -> pb::BudgetScope {
    match scope {
        Scope::Call => pb::BudgetScope::Call,
        Scope::Task => pb::BudgetScope::Task,
        Scope::ResidentDay => pb::BudgetScope::ResidentDay,
        Scope::ReviewDay => pb::BudgetScope::ReviewDay,
        Scope::WorldDay => pb::BudgetScope::WorldDay,
        Scope::WorldTotal => pb::BudgetScope::WorldTotal,
    }
}
