//! What a caller sees of a refusal.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

#[test]
fn a_refusal_reads_back_as_the_same_problem() {
    let status = Status::from(
        Refusal::new(Reason::QueueTaskNotFound).with("task", "tsk_1").resource("task", "tsk_1"),
    );
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "this world has no task tsk_1");
    let resource = status.get_error_details().resource_info().cloned().expect("it names the task");
    assert_eq!(
        (resource.resource_type.as_str(), resource.resource_name.as_str()),
        ("task", "tsk_1")
    );
    let problem = Problem::from(&status);
    assert!(problem.is(Reason::QueueTaskNotFound));
    assert_eq!(problem.sentence, "this world has no task tsk_1");
    assert_eq!(problem.hint, Reason::QueueTaskNotFound.hint());
}

#[test]
fn all_violations_return_together_with_their_paths() {
    let mut wrong = Violations::new();
    wrong.text("title", "", 1, 10);
    wrong.item("tasks", 3, |wrong| {
        wrong.within("budget", |wrong| wrong.bounded("tokens", -1_i64, 0..=10));
        wrong.add("", "is odd");
    });
    let status = Status::from(wrong.finish().expect_err("three things are wrong"));
    let fields: Vec<_> = Problem::from(&status).fields.into_iter().map(|f| f.field).collect();
    assert_eq!(fields, ["title", "tasks[3].budget.tokens", "tasks[3]"]);
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[test]
fn a_fault_shows_nothing_of_its_inside() {
    for refusal in [
        Refusal::fault("secret path").with("path", "secret path"),
        Refusal::new(Reason::StoreCorrupt).with("path", "secret path").because("secret path"),
    ] {
        let status = Status::from(refusal);
        assert!(!format!("{status:?}").contains("secret path"));
        assert!(Problem::from(&status).metadata.is_empty());
    }
}

#[test]
fn classes_that_wait_say_how_long() {
    let status = Status::from(Refusal::new(Reason::LedgerInboxFull).with("service", "queue"));
    let problem = Problem::from(&status);
    assert_eq!(problem.retry_after, Some(RETRY_DEFAULT));
    assert!(status.get_error_details().quota_failure().is_some());
    let halted = Status::from(Refusal::new(Reason::QueueHalted));
    assert!(halted.get_error_details().precondition_failure().is_some());
    assert_eq!(Problem::from(&halted).retry_after, None);
}

#[test]
fn a_foreign_status_still_reads_as_a_problem() {
    let trailers = HeaderMap::from_iter([
        (HeaderName::from_static("grpc-status"), HeaderValue::from_static("14")),
        (HeaderName::from_static("grpc-message"), HeaderValue::from_static("tcp connect error")),
    ]);
    let foreign = Status::from_header_map(&trailers).expect("it is a status");
    let problem = Problem::from(&foreign);
    assert!(problem.is(Reason::ServiceUnavailable));
    assert_eq!(problem.sentence, "tcp connect error");
}
