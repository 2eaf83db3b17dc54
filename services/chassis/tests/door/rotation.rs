//! Certificates that are renewed, roots that change, and a certificate that ends on a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use tonic::Code;
use vivarium_chassis::Problem;
use vivarium_chassis::clock::SystemClock;
use vivarium_chassis::identity::{Name, Service};
use vivarium_proto::ledger::v1 as pb;
use vivarium_types::{Clock as _, Reason};

use crate::stand::{HOUR, Stand, ask, beside, ledger, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn leaves_and_roots_change_under_load_without_one_failed_call() {
    let mut stand = Stand::new();
    let running = stand.serve();
    let caller = stand.holder(&Name::Service(Service::Review));
    let peers = stand.peers(&caller);
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
            let mut client = ledger(peers.to(Service::Queue).calls());
            beside(async move {
                while !stop.load(Ordering::Relaxed) {
                    client.get_head(ask("")).await.expect("no call fails");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let renew = async || {
        let before = calls.load(Ordering::Relaxed);
        for (name, holder) in [(Service::Queue, &running.identity), (Service::Review, &caller)] {
            stand.ca.issue(&Name::Service(name)).expect("it issues");
            holder.reload().expect("it reloads");
        }
        wait_until("calls went on", async || calls.load(Ordering::Relaxed) > before + 16).await;
    };
    for round in 0..30 {
        renew().await;
        if round % 10 == 5 {
            stand.ca.prepare_root().expect("a new root");
            renew().await;
            stand.ca.activate_root().expect("it signs");
            renew().await;
            stand.ca.retire_roots().expect("the old one goes");
        }
    }
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.expect("no worker failed");
    }
    assert!(calls.load(Ordering::Relaxed) > 500);
}

#[tokio::test]
async fn a_malformed_bundle_leaves_the_identity_as_it_is() {
    let mut stand = Stand::new();
    let running = stand.serve();
    let folder = stand.world.identity(&Name::Service(Service::Queue));
    std::fs::write(folder.join("bundle.json"), "{").expect("it writes");
    running.identity.reload().expect_err("it is not a bundle");
    stand.ledger(&Name::operator("cli")).get_head(ask("")).await.expect("it goes on");
}

#[tokio::test]
async fn a_certificate_that_ends_on_a_live_connection_ends_calls_and_streams() {
    let mut stand = Stand::new();
    let _running = stand.serve();
    let now = SystemClock.now();
    let name = Name::Service(Service::Review);
    let holder = stand.holder_between(&name, now - HOUR, now + Duration::from_secs(2));
    let mut client = ledger(stand.peers(&holder).to(Service::Queue).calls());
    client.get_head(ask("")).await.expect("it counts still");
    let watch = client.watch(pb::WatchRequest::default()).await.expect("so does a stream");
    let mut rows = watch.into_inner();
    rows.next().await.expect("a message").expect("it is one");
    let ended = tokio::time::timeout(Duration::from_secs(5), rows.next()).await;
    let status = ended.expect("it ends").expect("with a status").expect_err("that says why");
    assert!(Problem::from(&status).is(Reason::AuthCertificateExpired));
    let status =
        client.get_head(ask("")).await.expect_err("the connection is live, the leaf is not");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(Problem::from(&status).is(Reason::AuthCertificateExpired));
}

#[tokio::test]
async fn an_old_connection_is_told_to_go_and_nobody_notices() {
    let mut stand = Stand::new();
    stand.shared.limits.connection_age_max = Duration::from_millis(50);
    let running = stand.serve();
    let mut client = stand.ledger(&Name::Service(Service::Review));
    let end = vivarium_chassis::clock::instant() + Duration::from_millis(600);
    while vivarium_chassis::clock::instant() < end {
        client.get_head(ask("")).await.expect("no call fails");
    }
    drop(running);
}
