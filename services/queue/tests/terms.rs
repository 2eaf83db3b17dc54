//! The terms of a task over the wire: specialization, review, level and hat; and the words by which
//! other systems know where it stands.

#[path = "support/stand.rs"]
mod support;

use support::{Stand, spec};
use vivarium_chassis::Problem;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_proto::review::v1::Profile;
use vivarium_types::ids::{Id as _, ResidentId};

fn skilled(word: &str) -> pb::TaskSpec {
    pb::TaskSpec { specialization: word.into(), ..spec("Try the ferry twice") }
}

async fn explained(stand: &Stand, task: &str) -> pb::Explanation {
    let request = pb::ExplainTasksRequest { tasks: vec![task.into()], ..Default::default() };
    let answer = stand.tasks().explain_tasks(request).await.expect("it is told");
    answer.into_inner().explanations.remove(0)
}

#[tokio::test]
async fn rule_3_1_a_task_waits_for_a_specialization_says_so_and_goes_to_who_gets_it() {
    let mut stand = Stand::new().await;
    let task = stand.add(skilled("qa")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    runner.quiet().await;
    assert_eq!(stand.task(&task).await.wait_reason(), pb::WaitReason::Specialization);
    let told = explained(&stand, &task).await;
    assert_eq!(told.wait_reason(), pb::WaitReason::Specialization);
    assert!(told.text.contains("specialization") && told.until_time.is_none(), "{told:?}");
    stand.specialize(2, &["qa", "testing"]).await;
    let granted = runner.granted().await;
    assert_eq!(granted.resident_id, ResidentId::from_number(2).to_string());
    drop(runner);
    stand.restart().await;
    let shown = stand.task(&task).await.spec.expect("its spec");
    assert_eq!(shown.specialization, "qa", "it survives a restart");
}

#[tokio::test]
async fn rule_3_1_the_terms_of_a_task_go_with_its_grant_and_its_attempt() {
    let stand = Stand::new().await;
    let plain = stand.task(&stand.add(spec("anything")).await).await.spec.expect("its spec");
    assert_eq!((plain.review(), plain.level_max()), (Profile::Standard, pb::Mode::DocsOnly));
    assert_eq!((plain.specialization.as_str(), plain.hat.as_str()), ("", ""));
    let task = stand
        .add(pb::TaskSpec {
            priority: Some(9),
            review: Profile::Strict.into(),
            level_max: pb::Mode::ApplyApproved.into(),
            hat: "review".into(),
            ..spec("Read the guide")
        })
        .await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let granted = runner.granted().await;
    let given = granted.task.as_ref().and_then(|task| task.spec.clone()).expect("its spec");
    assert_eq!((given.hat.as_str(), given.review()), ("reviewer", Profile::Strict));
    assert_eq!(given.level_max(), pb::Mode::ApplyApproved);
    assert_eq!(granted.mode(), pb::Mode::DocsOnly, "the lowest of world, resident and task");
    assert!(runner.finish(&granted, support::finished()).await.accepted);
    let finished = stand.last("attempt_finished").await;
    assert_eq!(finished["attemptFinished"]["review"], "PROFILE_STRICT", "review reads it there");
    assert_eq!(stand.state(&task).await, pb::TaskState::InReview);
}

#[tokio::test]
async fn rule_3_1_terms_are_edited_like_any_field_and_those_out_of_bounds_are_refused_by_name() {
    let stand = Stand::new().await;
    let local = |change: &dyn Fn(&mut pb::TaskSpec)| {
        let (mode, command) = (pb::TaskMode::Local.into(), vec!["ls".into()]);
        let mut task = pb::TaskSpec { mode, command, ..Default::default() };
        change(&mut task);
        task
    };
    let with = |change: &dyn Fn(&mut pb::TaskSpec)| {
        let mut task = spec("fine");
        change(&mut task);
        task
    };
    for (field, task) in [
        ("specialization", with(&|task| task.specialization = "Q A".into())),
        ("specialization", with(&|task| task.specialization = "q".into())),
        ("specialization", local(&|task| task.specialization = "qa".into())),
        ("review", with(&|task| task.review = 77)),
        ("level_max", with(&|task| task.level_max = -1)),
        ("hat", with(&|task| task.hat = "king".into())),
        ("hat", local(&|task| task.hat = "builder".into())),
    ] {
        let refused = stand.try_add(vec![task]).await.expect_err(field);
        let fields: Vec<_> = Problem::from(&refused).fields.into_iter().map(|f| f.field).collect();
        assert_eq!(fields, [format!("tasks[0].{field}")]);
    }
    let task = stand.add(skilled("qa")).await;
    let mut paths = ["specialization", "review", "level_max", "hat"].map(str::to_owned).to_vec();
    let etag = stand.task(&task).await.etag;
    let spec = Some(pb::TaskSpec {
        review: Profile::Light.into(),
        level_max: pb::Mode::ProposeChanges.into(),
        hat: "builder".into(),
        ..Default::default()
    });
    let request = pb::EditTaskRequest {
        request_id: stand.request_id(),
        task: task.clone(),
        etag,
        spec,
        update_mask: Some(vivarium_proto::wkt::FieldMask { paths: std::mem::take(&mut paths) }),
    };
    stand.tasks().edit_task(request).await.expect("it is changed");
    let shown = stand.task(&task).await;
    let now = shown.spec.as_ref().expect("its spec");
    assert_eq!((now.specialization.as_str(), now.hat.as_str()), ("", "builder"));
    assert_eq!((now.review(), now.level_max()), (Profile::Light, pb::Mode::ProposeChanges));
    assert_ne!(shown.wait_reason(), pb::WaitReason::Specialization, "nothing is asked for now");
}

#[tokio::test]
async fn line_03_a_task_tells_the_words_of_the_reference_on_its_way() {
    let stand = Stand::new().await;
    stand.pace(0).await;
    let words = async |task: &str| stand.task(task).await.reference_statuses;
    let task = stand.add(spec("anything")).await;
    assert_eq!(words(&task).await, ["queued"]);
    let mut runner = stand.runner(2).await;
    runner.credit(1).await;
    let granted = runner.granted().await;
    assert_eq!(words(&task).await, ["in_progress"]);
    let ack = runner.finish(&granted, support::finished()).await;
    assert_eq!(words(&task).await, ["completed", "pending_review"]);
    stand.reject(&task, &ack.submission_id, "too short", 1).await;
    assert_eq!(words(&task).await, ["requeue"]);
    stand.advance(std::time::Duration::from_mins(1)).await;
    runner.credit(1).await;
    let granted = runner.granted().await;
    let ack = runner.finish(&granted, support::finished()).await;
    stand.ask_human(&task, &ack.submission_id).await;
    assert_eq!(words(&task).await, ["pending_review"]);
    stand.verdict(&task, &ack.submission_id, true).await;
    assert_eq!(words(&task).await, ["approved"]);
    let listed = stand.list(pb::TaskFilter::default()).await;
    assert_eq!(listed[0].reference_statuses, ["approved"], "lists tell them as well");

    let unsafe_one = stand.add(spec("something else")).await;
    runner.credit(1).await;
    let granted = runner.granted().await;
    let blocked = pb::Blocked { rule: "r".into(), hash: vec![0; 32], ..pb::Blocked::default() };
    runner.finish(&granted, Outcome::Blocked(blocked)).await;
    assert_eq!(words(&unsafe_one).await, ["safety_blocked"]);
    let failing = stand.add(spec("a third one")).await;
    runner.credit(1).await;
    let granted = runner.granted().await;
    let failure_class = pb::FailureClass::CommandFailed.into();
    let failed = pb::Failed { failure_class, message: "no".into(), retry_after: None };
    runner.finish(&granted, Outcome::Failed(failed)).await;
    assert_eq!(words(&failing).await, ["failed"]);
}
