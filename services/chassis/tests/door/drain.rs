//! A process that stops: in time, without losing an answer, and with its callers none the wiser.

use std::time::Duration;

use futures::StreamExt as _;
use vivarium_chassis::Problem;
use vivarium_chassis::clock::instant;
use vivarium_chassis::identity::{Name, Service};
use vivarium_chassis::server::Drained;
use vivarium_proto::ledger::v1 as pb;
use vivarium_types::Reason;

use crate::stand::{Stand, ask, beside, ledger, wait_until};

const REVIEW: Name = Name::Service(Service::Review);

#[tokio::test]
async fn a_drain_ends_streams_and_lets_answers_finish() {
    let mut stand = Stand::new();
    let running = stand.serve();
    let mut client = stand.ledger(&REVIEW);
    let mut rows = client.watch(pb::WatchRequest::default()).await.expect("it opens").into_inner();
    rows.next().await.expect("a message").expect("it is one");
    let mut other = client.clone();
    let answer = beside(async move { other.get_head(ask("soon")).await });
    wait_until("both are at work", async || {
        running.metrics.text().contains("vivarium_rpc_connections 1")
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = instant();
    assert_eq!(running.serving.drain().await, Drained::Whole);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    answer.await.expect("no panic").expect("the answer came");
    let status = rows.next().await.expect("an end").expect_err("with a reason");
    assert!(Problem::from(&status).is(Reason::ServiceDraining), "{status:?}");
}

#[tokio::test]
async fn a_drain_cuts_what_does_not_end() {
    let mut stand = Stand::new();
    stand.shared.limits.drain_timeout = Duration::from_millis(200);
    stand.shared.limits.unary_deadline = Duration::from_mins(1);
    let running = stand.serve();
    let mut client = stand.ledger(&REVIEW);
    let answer = beside(async move { client.get_head(ask("slow")).await });
    wait_until("it is at work", async || {
        running.metrics.text().contains("vivarium_rpc_connections 1")
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = instant();
    assert_eq!(running.serving.drain().await, Drained::Cut);
    assert!(begun.elapsed() < Duration::from_secs(2));
    let status = answer.await.expect("no panic").expect_err("it is cut");
    assert!(Problem::from(&status).is(Reason::ServiceUnavailable), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_the_same_listener_is_not_noticed_by_who_repeats() {
    let mut stand = Stand::new();
    let mut running = stand.serve();
    let queue = stand.peers(&stand.holder(&REVIEW)).to(Service::Queue);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, stopped) = (queue.clone(), stopped.clone());
            beside(async move {
                let mut count = 0_u32;
                while !*stopped.borrow() {
                    let calls = queue.calls().within(Duration::from_secs(10));
                    calls
                        .retrying(|calls| async { ledger(calls).get_head(ask("")).await })
                        .await
                        .expect("no call fails");
                    count += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                count
            })
        })
        .collect();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let listener = running.listener.try_clone().expect("it clones");
        running.serving.drain().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        running = stand.serve_on(listener);
    }
    stop.send(true).expect("they listen");
    for worker in workers {
        assert!(worker.await.expect("no worker failed") > 10);
    }
}

#[tokio::test]
async fn a_client_reconnects_behind_a_peer_that_died() {
    let mut stand = Stand::new();
    let first = stand.serve();
    let mut client = stand.ledger(&REVIEW);
    client.get_head(ask("")).await.expect("it is there");
    let listener = first.listener.try_clone().expect("it clones");
    first.serving.drain().await;
    drop(first.listener);
    let _second = stand.serve_on(listener);
    let mut tries = 0;
    while client.get_head(ask("")).await.is_err() {
        tries += 1;
        assert!(tries < 3, "one try finds out, the next connects");
    }
}
