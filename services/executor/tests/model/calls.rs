//! Calls: streamed, refused, broken, cut off. A call that has begun is never repeated.

use std::time::Duration;

use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use vivarium_executor::model::chat::{Phases, Usage};
use vivarium_executor::model::error::Phase;
use vivarium_executor::model::{
    CallContext, ChatEvent, ChatRequest, Finish, Kind, Message, ModelError, Output, Profile,
    Provider as _,
};
use vivarium_harness::model_server::{Allowance, Call, Fault, ModelServer, Reply, Script};
use vivarium_types::Reason;

use crate::{KEY, client, profile};

const LIMIT: Duration = Duration::from_secs(20);

/// What came of a call.
#[derive(Debug)]
struct Heard {
    text: String,
    tries: u32,
    usage: Option<Usage>,
    finish: Option<Finish>,
    error: Option<ModelError>,
}

fn request() -> ChatRequest {
    ChatRequest::new("scripted", vec![Message::user("Why are there tides?")], 100)
}

fn context() -> CallContext {
    CallContext::within(LIMIT, CancellationToken::new())
}

async fn call_with(server: &ModelServer, context: CallContext, request: ChatRequest) -> Heard {
    let client = client(profile(&server.base_url(), Kind::OpenAiCompatible));
    let mut events = client.stream(request, context);
    let mut heard = Heard { text: String::new(), tries: 0, usage: None, finish: None, error: None };
    while let Some(event) = events.next().await {
        match event {
            Ok(ChatEvent::Started { tries, .. }) => heard.tries = tries,
            Ok(ChatEvent::Delta(piece)) => heard.text.push_str(&piece),
            Ok(ChatEvent::ToolDelta { .. }) => {}
            Ok(ChatEvent::Usage(usage)) => heard.usage = Some(usage),
            Ok(ChatEvent::Finished(finish)) => heard.finish = Some(finish),
            Err(error) => heard.error = Some(error),
        }
    }
    heard
}

async fn call(server: &ModelServer) -> Heard {
    call_with(server, context(), request()).await
}

#[tokio::test]
async fn an_answer_arrives_whole_wherever_its_bytes_are_cut() {
    let text = "The moon pulls — 潮の満ち引き — twice a day.";
    for split_bytes in [0, 1, 7] {
        let reply = Reply { split_bytes, ..Reply::text(text) };
        let server = ModelServer::start(Script::always(reply)).await;
        let heard = call(&server).await;
        assert_eq!((heard.text.as_str(), heard.tries), (text, 1), "{split_bytes}");
        assert_eq!(heard.finish, Some(Finish::Stop));
        assert!(heard.usage.is_some_and(|usage| !usage.estimated && usage.output_tokens > 0));
        assert_eq!(server.asked()[0].authorization, format!("Bearer {KEY}"));
    }
}

#[tokio::test]
async fn servers_that_end_in_their_own_way_are_understood() {
    for fault in [Fault::NoDone, Fault::StaysOpen, Fault::Whole] {
        let server = ModelServer::start(Script::always(Reply::failing("All of it.", fault))).await;
        let heard = call(&server).await;
        assert_eq!((heard.text.as_str(), &heard.error), ("All of it.", &None), "{fault:?}");
        assert_eq!(heard.finish, Some(Finish::Stop), "{fault:?}");
    }
}

#[tokio::test]
async fn a_call_that_has_begun_is_never_repeated_and_tells_what_it_used() {
    for (fault, reason) in [
        (Fault::Break, Reason::ModelUpstreamFailed),
        (Fault::EndEarly, Reason::ModelUpstreamFailed),
        (Fault::DoneEarly, Reason::ModelAnswerBroken),
        (Fault::ErrorEvent, Reason::ModelUpstreamFailed),
        (Fault::BadJson, Reason::ModelAnswerBroken),
    ] {
        let reply = Reply::failing("A long answer that is broken off in the middle.", fault);
        // Time for the first piece to leave before the connection breaks.
        let reply = Reply { fault_after: 2, ..reply.slowly(Duration::from_millis(50)) };
        let server = ModelServer::start(Script::always(reply)).await;
        let heard = call(&server).await;
        let error = heard.error.expect("it fails");
        assert_eq!(error.reason(), reason, "{fault:?}: {error}");
        assert!(error.may_have_cost(), "{fault:?}");
        assert!(heard.usage.is_some_and(|usage| usage.estimated), "{fault:?}");
        assert_eq!(server.asked().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_after_the_time_it_names() {
    let busy = Reply { retry_after: "0".to_owned(), ..Reply::status(503, "loading") };
    let script = Script::default().times(2, "", busy).otherwise(Reply::text("Now."));
    let server = ModelServer::start(script).await;
    let heard = call(&server).await;
    assert_eq!((heard.text.as_str(), heard.tries), ("Now.", 3));
}

#[tokio::test]
async fn what_may_have_been_billed_is_not_sent_again_for_the_same_money() {
    for (status, times, may_have_cost) in
        [(500, 1, true), (502, 1, true), (504, 1, true), (503, 3, false)]
    {
        let reply = Reply { retry_after: "0".to_owned(), ..Reply::status(status, "no") };
        let server = ModelServer::start(Script::always(reply)).await;
        let error = call(&server).await.error.expect("it fails");
        assert_eq!(server.asked().len(), times, "{status}");
        assert_eq!(error.may_have_cost(), may_have_cost, "{status}: {error}");
    }
}

/// Eight callers who want twelve times what the bucket holds; how many refusals that took.
async fn crowd(kind: Kind, told: bool) -> usize {
    let allowance = Allowance { tokens: 6_000, refill_ms: 300, told };
    let script = Script::always(Reply::text("Now.")).with_allowance(allowance);
    let server = ModelServer::start(script).await;
    let client = client(Profile {
        // Waiting is over as soon as the first answer has told how fast the bucket fills up.
        calls_per_minute: 10_000,
        ..profile(&server.base_url(), kind)
    });
    let words = "tides and moons ".repeat(200);
    let one = || async {
        let request = ChatRequest::new("scripted", vec![Message::user(words.as_str())], 700);
        let mut events = client.stream(request, context());
        let mut finished = false;
        while let Some(event) = events.next().await {
            finished |= matches!(event, Ok(ChatEvent::Finished(_)));
        }
        finished
    };
    let calls = futures::stream::iter(0..48).map(|_| one()).buffer_unordered(8);
    let answered = calls.filter(|finished| std::future::ready(*finished)).count().await;
    if told {
        assert_eq!(answered, 48, "everybody is answered");
    }
    server.asked().iter().filter(|asked| asked.limited).count()
}

#[tokio::test]
async fn nobody_runs_into_a_limit_that_the_provider_tells() {
    assert_eq!(crowd(Kind::Groq, true).await, 0);
}

#[tokio::test]
async fn the_same_crowd_runs_into_a_limit_that_nobody_tells() {
    assert!(crowd(Kind::OpenAiCompatible, false).await > 0, "the server keeps its limit");
}

#[tokio::test]
async fn refusals_are_told_apart_and_cost_nothing() {
    let long =
        Reply { error_type: "exceed_context_size_error".to_owned(), ..Reply::status(400, "x") };
    let limited = Reply { retry_after: "30".to_owned(), ..Reply::status(429, "slow down") };
    for (reply, reason) in [
        (Reply::status(401, "no"), Reason::ModelKeyRefused),
        (Reply::status(400, "bad temperature"), Reason::ModelRequestRefused),
        (long, Reason::ModelContextOverflow),
        (limited, Reason::ModelRateLimited),
    ] {
        let server = ModelServer::start(Script::always(reply)).await;
        let error = call(&server).await.error.expect("it is refused");
        assert_eq!(error.reason(), reason, "{error}");
        assert!(!error.may_have_cost(), "{error}");
        assert_eq!(server.asked().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_refusal_that_repeats_the_key_does_not_pass_it_on() {
    let reply = Reply::status(400, &format!("the key {KEY} may not do that"));
    let server = ModelServer::start(Script::always(reply)).await;
    let error = call(&server).await.error.expect("it is refused");
    assert!(error.to_string().contains("[key]") && !error.to_string().contains(KEY), "{error}");
}

#[tokio::test]
async fn nobody_there_is_said_so_and_costs_nothing() {
    let server = ModelServer::start(Script::default()).await;
    let profile = profile(&server.base_url(), Kind::OpenAiCompatible);
    server.stop().await;
    let mut events = client(profile).stream(request(), context());
    let error = events.next().await.expect("an event").expect_err("nobody listens");
    assert_eq!((error.reason(), error.may_have_cost()), (Reason::ModelUnreachable, false));
}

#[tokio::test]
async fn silence_has_its_limit_in_each_phase() {
    let phases = Phases {
        first_event: Duration::from_millis(150),
        between_events: Duration::from_millis(150),
    };
    for (fault, phase) in [(Fault::Silent, Phase::FirstEvent), (Fault::Stall, Phase::BetweenEvents)]
    {
        let reply = Reply::failing("Words that stop coming at some point.", fault);
        let server = ModelServer::start(Script::always(reply)).await;
        let context = CallContext { phases: Some(phases), ..context() };
        let heard = call_with(&server, context, request()).await;
        assert_eq!(heard.error, Some(ModelError::Timeout(phase)), "{fault:?}");
        assert_eq!(heard.error.map(|error| error.reason()), Some(Reason::ModelTimedOut));
    }
}

#[tokio::test]
async fn dropping_or_cancelling_a_call_ends_it_at_the_server() {
    let slow = Reply::text("word ".repeat(2_000)).slowly(Duration::from_millis(20));
    let server = ModelServer::start(Script::always(slow)).await;
    let client = client(profile(&server.base_url(), Kind::OpenAiCompatible));
    let mut events = client.stream(request(), context());
    events.next().await.expect("it begins").expect("it is well");
    drop(events);
    server.wait_until(|asked| asked.len() == 1 && asked[0].state == Call::Left).await;

    let cancel = CancellationToken::new();
    let mut events = client.stream(request(), CallContext::within(LIMIT, cancel.clone()));
    events.next().await.expect("it begins").expect("it is well");
    cancel.cancel();
    let mut last = None;
    while let Some(event) = events.next().await {
        last = event.err();
    }
    assert_eq!(last, Some(ModelError::Cancelled { sent: true }));
    server.wait_until(|asked| asked.iter().all(|asked| asked.state == Call::Left)).await;
}

#[tokio::test]
async fn a_schema_is_asked_for_as_the_interface_has_it() {
    let server = ModelServer::start(Script::always(Reply::text("{}"))).await;
    let schema = serde_json::json!({"type": "object"});
    let output = Output::JsonSchema { name: "reply".to_owned(), schema: schema.clone() };
    call_with(&server, context(), ChatRequest { output, ..request() }).await;
    let format = server.asked()[0].body["response_format"].clone();
    assert_eq!(format["type"], "json_schema");
    assert_eq!(format["json_schema"]["schema"], schema);
}
