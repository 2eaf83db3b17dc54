//! What a call meets behind the guard: deadlines, panics, overload, odd requests, retries.

use std::time::Duration;

use futures::StreamExt as _;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;
use vivarium_chassis::Problem;
use vivarium_chassis::identity::{Name, Service};
use vivarium_chassis::telemetry::trace::{self, Context, Trace};
use vivarium_proto::ledger::v1 as pb;
use vivarium_types::source::{Cursor, Fault, Hash};
use vivarium_types::{Actor, Reason};

use crate::stand::{Stand, ask, beside, ledger, raw};

const REVIEW: Name = Name::Service(Service::Review);

#[tokio::test]
async fn a_passed_deadline_says_so_whoever_set_it() {
    let mut stand = Stand::new();
    stand.shared.limits.unary_deadline = Duration::from_millis(200);
    let _running = stand.serve();
    let by_default = stand.ledger(&REVIEW).get_head(ask("slow")).await;
    let queue = stand.peers(&stand.holder(&REVIEW)).to(Service::Queue);
    let within =
        ledger(queue.calls().within(Duration::from_millis(50))).get_head(ask("slow")).await;
    let mut asked = Request::new(ask("slow"));
    asked.set_timeout(Duration::from_millis(50));
    let by_request = stand.ledger(&REVIEW).get_head(asked).await;
    for answer in [by_default, within, by_request] {
        let status = answer.expect_err("it takes too long");
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(Problem::from(&status).is(Reason::RpcDeadlinePassed));
    }
}

#[tokio::test]
async fn no_call_outlives_the_one_it_is_made_for() {
    let mut stand = Stand::new();
    let _running = stand.serve();
    let deadline = Some(vivarium_chassis::clock::instant() + Duration::from_millis(50));
    let context = Context { trace: Trace::fresh(), deadline };
    let mut client = stand.ledger(&REVIEW);
    let answer = trace::within(context, client.get_head(ask("slow"))).await;
    assert_eq!(answer.expect_err("it takes too long").code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_tells_nothing_and_the_process_lives() {
    let mut stand = Stand::new();
    let running = stand.serve();
    let mut client = stand.ledger(&REVIEW);
    let status = client.get_head(ask("panic")).await.expect_err("it panics");
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    assert!(Problem::from(&status).is(Reason::RpcInternalFault));
    assert!(!format!("{status:?}").contains("secret"));
    let after = pb::Cursor { sequence: 13, ..pb::Cursor::default() };
    let watch = client.watch(pb::WatchRequest { after: Some(after), until_head: false }).await;
    let mut rows = watch.expect("it begins").into_inner();
    rows.next().await.expect("a message").expect("it is one");
    let status = rows.next().await.expect("an end").expect_err("a panic");
    assert!(Problem::from(&status).is(Reason::RpcInternalFault));
    client.get_head(ask("")).await.expect("it lives");
    assert!(running.metrics.text().contains("vivarium_rpc_panics_total 2"));
}

#[tokio::test]
async fn a_refusal_carries_its_details_over_the_wire() {
    let mut stand = Stand::new();
    let _running = stand.serve();
    let trace = Trace::fresh();
    let mut client = stand.ledger(&Name::operator("cli"));
    let call = client.read_text(pb::ReadTextRequest { id: "txt_1".into() });
    let status = trace::within(Context { trace, deadline: None }, call).await;
    let status = status.expect_err("there is none");
    let problem = Problem::from(&status);
    assert_eq!(problem.sentence, "there is no text txt_1, or it was erased");
    assert_eq!(problem.request_id, trace.id(), "one trace id goes all the way");
    assert!(status.get_error_details().resource_info().is_some());
}

#[tokio::test]
async fn what_the_framework_refuses_has_a_reason_too() {
    let mut stand = Stand::new();
    let _running = stand.serve();
    let mut client = stand.ledger(&Name::operator("cli"));
    let huge = pb::ReadTextRequest { id: "x".repeat(5 << 20) };
    let status = client.read_text(huge).await.expect_err("it is too large");
    assert!(Problem::from(&status).is(Reason::RequestTooLarge), "{status:?}");
    let queue = stand.peers(&stand.holder(&Name::operator("cli"))).to(Service::Queue);
    for (path, body, reason) in [
        ("/vivarium.queue.v1.TaskService/GetTask", "", Reason::RpcUnknownMethod),
        ("/vivarium.queue.v1.TaskService/Explode", "", Reason::RpcUnknownMethod),
        ("/vivarium.ledger.v1.LedgerService/ReadText", "\u{7f}", Reason::RequestInvalid),
    ] {
        let status = raw(queue.calls(), path, body).await;
        assert!(Problem::from(&status).is(reason), "{path}: {status:?}");
    }
}

#[tokio::test]
async fn overload_is_refused_at_once() {
    let mut stand = Stand::new();
    stand.shared.limits.unary_calls_max = 1;
    stand.shared.limits.streams_max = 1;
    let _running = stand.serve();
    let client = stand.ledger(&REVIEW);
    let mut busy = client.clone();
    let held = beside(async move { busy.get_head(ask("soon")).await });
    let mut other = client.clone();
    let status = loop {
        match other.get_head(ask("")).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(Problem::from(&status).retry_after.is_some());
    held.await.expect("no panic").expect("the first has its answer");
    let _open = other.watch(pb::WatchRequest::default()).await.expect("one stream");
    let status = other.watch(pb::WatchRequest::default()).await.expect_err("two are too many");
    assert_eq!(status.code(), Code::ResourceExhausted);
    other.get_head(ask("")).await.expect("streams and calls have their own places");
}

#[tokio::test]
async fn only_the_gateway_speaks_for_a_person() {
    let mut stand = Stand::new();
    let _running = stand.serve();
    let person = Actor::Operator("ada".into());
    let as_person = |service| {
        let holder = stand.holder(&Name::Service(service));
        ledger(stand.peers(&holder).to(Service::Queue).acting_as(&person))
    };
    let answer = as_person(Service::Gateway).get_head(ask("")).await.expect("it may");
    assert_eq!(answer.into_inner().ledger_id, "service/gateway operator:ada");
    let status = as_person(Service::Review).get_head(ask("")).await.expect_err("it may not");
    assert!(Problem::from(&status).is(Reason::AuthNotPermitted));
}

#[tokio::test]
async fn a_followed_ledger_delivers_rows_and_says_when_it_parted() {
    let mut stand = Stand::new();
    let _running = stand.serve();
    let source = stand.peers(&stand.holder(&REVIEW)).to(Service::Queue).source();
    assert_eq!(source.name(), "queue");
    let delivery = source.follow(Cursor::START).next().await.expect("one").expect("a delivery");
    assert_eq!((delivery.rows[0].sequence, delivery.rows[0].hash), (1, Hash([7; 32])));
    let parted = Cursor { sequence: 666, ..Cursor::START };
    let fault = source.follow(parted).next().await.expect("one").expect_err("a fault");
    assert!(matches!(fault, Fault::Diverged));
    let nobody = stand.peers(&stand.holder(&REVIEW)).to(Service::Executor).source();
    let fault = nobody.follow(Cursor::START).next().await.expect("one").expect_err("a fault");
    assert!(matches!(fault, Fault::Unavailable(_)));
}

#[tokio::test]
async fn health_answers_every_identity_and_reflection_only_people() {
    use tonic_health::pb::HealthCheckRequest;
    let mut stand = Stand::new();
    let _running = stand.serve();
    let service = "vivarium.ledger.v1.LedgerService".to_owned();
    for name in [REVIEW, Name::Service(Service::Gateway), Name::operator("cli")] {
        let peer = stand.peers(&stand.holder(&name)).to(Service::Queue);
        let request = HealthCheckRequest { service: service.clone() };
        let answer = peer.health().check(request).await.expect("it answers").into_inner();
        assert_eq!(answer.status, 1, "serving");
        let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        let refused = raw_code(peer.calls(), path).await == Some(Code::PermissionDenied);
        assert_eq!(refused, !matches!(name, Name::Operator(_)), "{name}");
    }
}

#[tokio::test]
async fn reflection_knows_the_contract_health_and_the_details_of_a_refusal() {
    use tonic_reflection::pb::v1alpha::ServerReflectionRequest;
    use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest;
    let mut stand = Stand::new();
    let _running = stand.serve();
    let queue = stand.peers(&stand.holder(&Name::operator("cli"))).to(Service::Queue);
    let ask = async |symbol: &str| {
        let message_request = Some(MessageRequest::FileContainingSymbol(symbol.to_owned()));
        let request = ServerReflectionRequest { host: String::new(), message_request };
        let requests = futures::stream::iter([request]);
        let mut client = ServerReflectionClient::new(queue.calls());
        let answers = client.server_reflection_info(requests).await;
        answers.expect("it opens").into_inner().next().await.expect("an answer").map(drop)
    };
    for symbol in [
        "vivarium.queue.v1.TaskService",
        "grpc.health.v1.Health",
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
    ] {
        ask(symbol).await.unwrap_or_else(|status| panic!("{symbol}: {status:?}"));
    }
    assert_eq!(ask("no.such.Thing").await.expect_err("there is none").code(), Code::NotFound);
}

/// The code of an answer that is only a status.
async fn raw_code(mut calls: vivarium_chassis::Calls, path: &str) -> Option<Code> {
    use tower::Service as _;
    let request = http::Request::post(format!("http://raw{path}"))
        .header("content-type", "application/grpc")
        .body(tonic::body::Body::empty())
        .expect("it is a request");
    let answer = calls.call(request).await.expect("it is answered");
    tonic::Status::from_header_map(answer.headers()).map(|status| status.code())
}
