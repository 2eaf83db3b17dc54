//! Keys, consent, budgets: bounds, idempotency, who may.

use tonic::Code;
use vivarium_chassis::Problem;
use vivarium_chassis::identity::{Name, Service};
use vivarium_executor::config::Config;
use vivarium_executor::domain::provider::Class;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::budget_service_client::BudgetServiceClient;
use vivarium_proto::executor::v1::cycle_service_client::CycleServiceClient;
use vivarium_proto::executor::v1::provider_service_client::ProviderServiceClient;
use vivarium_proto::ledger::v1::Position;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_types::Reason;

use crate::stand::{Stand, task};

const KEY: &str = "gsk_0123456789abcdefghij";

fn set(request_id: &str, key: &str) -> pb::SetKeyRequest {
    pb::SetKeyRequest {
        request_id: request_id.to_owned(),
        provider: "scripted".to_owned(),
        key: key.to_owned(),
    }
}

async fn status(stand: &Stand) -> pb::KeyStatus {
    let request = pb::GetKeyStatusRequest::default();
    let answer = ProviderServiceClient::new(stand.calls()).get_key_status(request).await;
    answer.expect("it answers").into_inner().keys.remove(0)
}

fn problem<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Problem {
    Problem::from(answer.expect_err("it is refused"))
}

#[tokio::test]
async fn a_key_is_set_masked_kept_and_cleared_and_lies_nowhere_in_the_open() {
    let mut stand = Stand::remote().await;
    let mut client = ProviderServiceClient::new(stand.calls());
    assert!(!status(&stand).await.present);
    let first = client.set_key(set("r1", KEY)).await.expect("it is set").into_inner();
    assert_eq!(first.status.as_ref().expect("it is told").masked, "gsk_…ghij");
    let again = client.set_key(set("r1", KEY)).await.expect("the same").into_inner();
    assert_eq!(again, first);
    let other = client.set_key(set("r1", &KEY.replace("gsk", "xyz"))).await;
    assert!(problem(other).is(Reason::RequestIdReused));
    assert!(!stand.holds(KEY));
    stand.stop().await;
    stand.start().await;
    assert!(status(&stand).await.present, "it survives a restart");
    let mut client = ProviderServiceClient::new(stand.calls());
    let clear = pb::ClearKeyRequest { request_id: "r2".into(), provider: "scripted".into() };
    client.clear_key(clear).await.expect("it is cleared");
    assert_eq!(status(&stand).await.masked, "");
}

#[tokio::test]
async fn bad_keys_and_unknown_providers_are_refused_by_field_and_change_nothing() {
    let stand = Stand::remote().await;
    let mut client = ProviderServiceClient::new(stand.calls());
    let refused = problem(client.set_key(set("r1", "short")).await);
    assert_eq!(
        (refused.reason, refused.fields[0].field.as_str()),
        (Some(Reason::ModelKeyInvalid), "key")
    );
    let refused = problem(client.set_key(set("", KEY)).await);
    assert_eq!(refused.fields[0].field, "request_id");
    let mut unknown = set("r1", KEY);
    unknown.provider = "nobody".to_owned();
    assert!(problem(client.set_key(unknown).await).is(Reason::ModelProviderUnknown));
    let judge = pb::ConsentProviderRequest {
        request_id: "r2".into(),
        provider: "scripted".into(),
        consent: false,
        may_judge: true,
    };
    assert_eq!(problem(client.consent_provider(judge).await).fields[0].field, "may_judge");
    assert_eq!(stand.kinds().await, [""; 0]);
}

#[tokio::test]
async fn consent_is_given_once_and_shown() {
    let stand = Stand::remote().await;
    let mut client = ProviderServiceClient::new(stand.calls());
    let consent = pb::ConsentProviderRequest {
        request_id: "r1".into(),
        provider: "scripted".into(),
        consent: true,
        may_judge: true,
    };
    let shown = client.consent_provider(consent.clone()).await.expect("it is taken").into_inner();
    let provider = shown.provider.expect("it is shown");
    assert!(provider.consented && provider.may_judge && provider.chosen);
    client.consent_provider(consent).await.expect("the same");
    assert_eq!(stand.kinds().await, ["provider_consented"]);
    let listed = client.list_providers(pb::ListProvidersRequest::default()).await;
    assert_eq!(listed.expect("it lists").into_inner().providers, [provider]);
}

#[tokio::test]
async fn only_an_operator_sets_keys_and_limits() {
    let stand = Stand::remote().await;
    for service in [Service::Queue, Service::Review, Service::Society] {
        let calls = stand.world.calls(&Name::Service(service), Service::Executor);
        let refused = ProviderServiceClient::new(calls).set_key(set("r1", KEY)).await;
        assert_eq!(refused.expect_err("it may not").code(), Code::PermissionDenied);
    }
}

#[tokio::test]
async fn budgets_stand_with_what_was_spent_and_a_limit_holds_from_now_on() {
    let config = Config { budget_world_day_micro_usd: 10, ..Config::default() };
    let stand = Stand::with(Class::Remote, config).await;
    let mut client = BudgetServiceClient::new(stand.calls());
    stand.queue.grant(task(1)).await;
    assert!(matches!(stand.queue.finish().await.outcome, Some(Outcome::Returned(_))));
    let raise = pb::SetBudgetLimitRequest {
        request_id: "r1".into(),
        scope: pb::BudgetScope::WorldDay.into(),
        limit_micro_usd: 1_000_000,
        reason: "more".into(),
    };
    let raised = client.set_budget_limit(raise).await.expect("it is set").into_inner();
    assert_eq!(raised.budget.expect("it is shown").limit_micro_usd, 1_000_000);
    stand.script.say(crate::stand::prose());
    stand.queue.grant(task(2)).await;
    assert!(matches!(stand.queue.finish().await.outcome, Some(Outcome::Finished(_))));
    let request = pb::GetBudgetsRequest {
        min_position: raised.position,
        task_id: task(2).task.expect("one").task_id,
        resident_id: String::new(),
    };
    let budgets = client.get_budgets(request).await.expect("they are there").into_inner().budgets;
    let told: Vec<_> = budgets
        .iter()
        .map(|b| (b.scope(), b.limit_micro_usd, b.spent_micro_usd, b.reserved_micro_usd))
        .collect();
    use pb::BudgetScope as Scope;
    assert_eq!(
        told,
        [
            (Scope::Call, 50_000, 0, 0),
            (Scope::ReviewDay, 250_000, 0, 0),
            (Scope::WorldDay, 1_000_000, 20, 0),
            (Scope::WorldTotal, 5_000_000, 20, 0),
            (Scope::ResidentDay, 250_000, 20, 0),
            (Scope::Task, 100_000, 20, 0),
        ]
    );
    assert_eq!(budgets[2].spend_day, "2026-11-23");
}

#[tokio::test]
async fn bad_requests_are_refused_with_every_field_named() {
    let stand = Stand::remote().await;
    let mut budgets = BudgetServiceClient::new(stand.calls());
    let refused = problem(
        budgets
            .set_budget_limit(pb::SetBudgetLimitRequest {
                request_id: "a b".into(),
                scope: 99,
                limit_micro_usd: -1,
                reason: "\u{7}".into(),
            })
            .await,
    );
    let fields: Vec<_> = refused.fields.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["request_id", "scope", "limit_micro_usd", "reason"]);
    let mut cycles = CycleServiceClient::new(stand.calls());
    let bad = pb::ListCyclesRequest {
        task_id: "res_1".into(),
        page_size: 201,
        page_token: "x".into(),
        ..Default::default()
    };
    let refused = problem(cycles.list_cycles(bad).await);
    let fields: Vec<_> = refused.fields.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["task_id", "page_size", "page_token"]);
    let cycle_id = vivarium_types::ids::Id::from_number(1);
    let cycle_id: vivarium_types::ids::CycleId = cycle_id;
    let request = pb::GetCycleRequest { min_position: None, cycle_id: cycle_id.to_string() };
    assert!(problem(cycles.get_cycle(request).await).is(Reason::ExecutorCycleNotFound));
    let future = Position { ledger: "executor".into(), sequence: 1_000 };
    let request = pb::ListProvidersRequest { min_position: Some(future) };
    let calls = stand.calls().within(std::time::Duration::from_millis(50));
    let refused = ProviderServiceClient::new(calls).list_providers(request).await;
    assert_eq!(refused.expect_err("it waits in vain").code(), Code::DeadlineExceeded);
    assert_eq!(stand.kinds().await, [""; 0]);
}
