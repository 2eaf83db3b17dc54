//! Halts, lost streams, silent queues.

use futures::StreamExt as _;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::cycle_service_client::CycleServiceClient;
use vivarium_proto::queue::v1 as queue_pb;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_proto::queue::v1::run_request::Message as Up;
use vivarium_proto::queue::v1::run_response::Message as Down;

use crate::stand::{Line, SOON, Stand, TTL, prose, task};

fn controls(control_epoch: u64, halted: bool) -> Down {
    Down::Controls(queue_pb::Controls { control_epoch, halted, ..Default::default() })
}

async fn halt_ack(stand: &Stand) -> queue_pb::HaltAck {
    let ack = |word: &Up| match word {
        Up::HaltAck(ack) => Some(*ack),
        _ => None,
    };
    stand.queue.next(ack).await
}

async fn halted_finish(stand: &Stand) -> u64 {
    match stand.queue.finish().await.outcome {
        Some(Outcome::Halted(halted)) => halted.control_epoch,
        other => panic!("it was not halted: {other:?}"),
    }
}

async fn hang(stand: &Stand, number: u128) {
    stand.script.then(Line::Hang("half a".to_owned()));
    stand.queue.grant(task(number)).await;
    stand.script.hanging().await;
}

#[tokio::test]
async fn a_halt_cancels_running_calls_is_acknowledged_and_gives_no_credit() {
    let stand = Stand::remote().await;
    stand.queue.credit().await;
    hang(&stand, 1).await;
    hang(&stand, 2).await;
    stand.queue.tell(controls(9, true)).await;
    assert_eq!([halted_finish(&stand).await, halted_finish(&stand).await], [9, 9]);
    let ack = halt_ack(&stand).await;
    assert_eq!((ack.control_epoch, ack.calls_cancelled), (9, 2));
    let rows = stand.rows().await;
    let obeyed = rows.iter().find(|(kind, _)| kind == "halt_obeyed").expect("it is recorded");
    assert!(obeyed.1.contains("HALT_SOURCE_QUEUE"), "{}", obeyed.1);
    assert_eq!(rows.iter().filter(|(kind, _)| kind == "model_called").count(), 2);
    // A grant that was on its way comes back at once and starts nothing.
    stand.queue.grant(task(3)).await;
    assert_eq!(halted_finish(&stand).await, 9);
    assert_eq!(stand.script.asked().len(), 2);
    stand.queue.tell(controls(10, false)).await;
    assert!(stand.queue.credit().await > 0);
    stand.script.say(prose());
    stand.queue.grant(task(4)).await;
    assert!(matches!(stand.queue.finish().await.outcome, Some(Outcome::Finished(_))));
}

#[tokio::test]
async fn the_file_halts_with_the_queue_gone_and_its_end_resumes() {
    let stand = Stand::remote().await;
    stand.queue.hello().await;
    stand.queue.credit().await;
    hang(&stand, 1).await;
    stand.queue.cut();
    let file = stand.folder.path().join("mutable/HALT");
    std::fs::write(&file, "cli: enough").expect("it writes");
    // The finish is said when the stream is there again, and no credit is given.
    let hello = stand.queue.hello().await;
    assert_eq!(hello.resumes.len(), 1);
    halted_finish(&stand).await;
    std::fs::remove_file(&file).expect("it goes");
    assert!(stand.queue.credit().await > 0);
    let rows = stand.rows().await;
    assert!(rows.iter().any(|(kind, row)| kind == "halt_obeyed" && row.contains("_FILE")));
}

#[tokio::test]
async fn a_queue_that_is_silent_for_one_ttl_is_a_halt() {
    let stand = Stand::remote().await;
    hang(&stand, 1).await;
    stand.queue.fall_silent();
    halted_finish(&stand).await;
    halt_ack(&stand).await;
    let rows = stand.rows().await;
    assert!(rows.iter().any(|(kind, row)| kind == "halt_obeyed" && row.contains("_SILENCE")));
}

#[tokio::test]
async fn a_runner_that_had_nothing_to_do_for_long_takes_the_queue_for_alive() {
    let stand = Stand::remote().await;
    stand.script.say(prose());
    stand.queue.grant(task(1)).await;
    assert!(matches!(stand.queue.finish().await.outcome, Some(Outcome::Finished(_))));
    // Idle for longer than a lease lives: no heartbeat is due, and none may be made up for.
    tokio::time::sleep(TTL * 2).await;
    hang(&stand, 2).await;
    for _ in 0..2 {
        let beat = |word: &Up| matches!(word, Up::Heartbeat(_)).then_some(());
        stand.queue.next(beat).await;
    }
    let rows = stand.rows().await;
    assert!(!rows.iter().any(|(kind, _)| kind == "halt_obeyed"), "it halted for a silence");
}

#[tokio::test]
async fn a_lost_stream_stops_nothing_and_the_lease_is_resumed() {
    let stand = Stand::remote().await;
    assert_eq!(stand.queue.hello().await.resumes, []);
    hang(&stand, 1).await;
    stand.queue.cut();
    let hello = stand.queue.hello().await;
    assert_eq!((hello.resumes.len(), hello.resumes[0].fencing_token), (1, 1));
    assert_eq!(hello.slots, 4);
    let credit = stand.queue.credit().await;
    assert_eq!(credit, 3, "one slot is busy");
}

#[tokio::test]
async fn a_revoked_lease_stops_its_cycle_alone() {
    let stand = Stand::remote().await;
    hang(&stand, 1).await;
    let lease_id = task(1).lease_id;
    let reason = "cancelled".to_owned();
    stand.queue.tell(Down::Revoked(queue_pb::Revoked { lease_id, reason })).await;
    stand.script.say(prose());
    stand.queue.grant(task(2)).await;
    let finish = stand.queue.finish().await;
    assert_eq!(finish.lease.expect("it has one").fencing_token, 2);
    let ended = async {
        while !stand
            .rows()
            .await
            .iter()
            .any(|(kind, row)| kind == "cycle_ended" && row.contains("CYCLE_END_REVOKED"))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("the cycle ends");
}

#[tokio::test]
async fn a_watcher_sees_the_text_so_far_and_the_end() {
    let stand = Stand::remote().await;
    hang(&stand, 1).await;
    let request = pb::WatchOutputRequest { task_id: task(1).task.expect("one").task_id };
    let watch = CycleServiceClient::new(stand.calls()).watch_output(request).await;
    let mut watch = watch.expect("it may").into_inner();
    let mut next = async || {
        let item = tokio::time::timeout(SOON, watch.next()).await.expect("it comes");
        item.expect("it goes on").expect("it is fine").news.expect("there is news")
    };
    use pb::watch_output_response::News;
    assert_eq!(next().await, News::Restart("half a".to_owned()));
    stand.queue.tell(controls(9, true)).await;
    assert_eq!(next().await, News::Ended(true));
}
