//! What others rely on: stored events read back whatever a later schema added, and the descriptors
//! name every service that the files declare.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use prost::Message as _;
use prost_types::FileDescriptorSet;

#[cfg(feature = "json")]
mod json {
    use vivarium_proto::ledger::v1::TextRef;
    use vivarium_proto::queue::v1::queue_event::Event;
    use vivarium_proto::queue::v1::{AttemptFailed, FailureClass, QueueEvent};
    use vivarium_proto::review::v1::review_event::Event as Reviewed;
    use vivarium_proto::review::v1::{DraftStaged, ReviewEvent};
    use vivarium_proto::wkt::Timestamp;

    fn failed() -> QueueEvent {
        QueueEvent {
            event: Some(Event::AttemptFailed(AttemptFailed {
                task_id: "tsk_00000000000000000000000001".into(),
                failure_class: FailureClass::Transient.into(),
                message: "a \"quoted\" line\nand a second".into(),
                retry_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 5_000 }),
                // Beyond what a JSON number holds exactly.
                cost_micro_usd: 9_007_199_254_740_993,
                ..AttemptFailed::default()
            })),
        }
    }

    #[test]
    fn an_event_comes_back_from_canonical_json_unchanged() {
        let staged = ReviewEvent {
            event: Some(Reviewed::DraftStaged(DraftStaged {
                fencing_token: u64::MAX,
                body: Some(TextRef { hash: vec![0, 255, 16], length: 3, ..TextRef::default() }),
                ..DraftStaged::default()
            })),
        };
        let text = serde_json::to_string(&staged).expect("every message has a JSON form");
        assert_eq!(serde_json::from_str::<ReviewEvent>(&text).expect("it reads back"), staged);

        let text = serde_json::to_string(&failed()).expect("every message has a JSON form");
        assert_eq!(serde_json::from_str::<QueueEvent>(&text).expect("it reads back"), failed());
        for form in [
            r#""attemptFailed":"#,
            r#""failureClass":"FAILURE_CLASS_TRANSIENT""#,
            r#""costMicroUsd":"9007199254740993""#,
            r#""retryTime":"2023-11-14T22:13:20.000005"#,
        ] {
            assert!(text.contains(form), "{form} is not in {text}");
        }
    }

    #[test]
    fn fields_of_a_later_schema_are_ignored() {
        let mut event = serde_json::to_value(failed()).expect("every message has a JSON form");
        event["addedLater"] = serde_json::json!({"deep": [1, {"deeper": null}]});
        event["attemptFailed"]["alsoAddedLater"] = serde_json::json!("7");
        let read: QueueEvent = serde_json::from_value(event).expect("unknown fields do no harm");
        assert_eq!(read, failed());
    }
}

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(vivarium_proto::DESCRIPTOR_SET)
        .expect("the build wrote a descriptor set")
}

/// Every `.proto` file below the folder.
fn texts(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the folder of the contract is there") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            texts(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            into.push(fs::read_to_string(path).expect("a proto file is text"));
        }
    }
}

/// The services as their files declare them, found without the generator.
fn declared() -> BTreeSet<String> {
    let mut files = Vec::new();
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("vivarium"), &mut files);
    let mut services = BTreeSet::new();
    for file in files {
        let after = |word: &'static str| {
            file.lines().filter_map(move |line| {
                line.strip_prefix(word).and_then(|rest| rest.split([' ', ';', '{']).next())
            })
        };
        let package = after("package ").next().expect("every file names its package");
        services.extend(after("service ").map(|name| format!("{package}.{name}")));
    }
    services
}

#[test]
fn the_descriptor_set_lists_every_service() {
    let listed: BTreeSet<_> = descriptors()
        .file
        .iter()
        .flat_map(|file| {
            file.service.iter().map(|service| format!("{}.{}", file.package(), service.name()))
        })
        .collect();
    assert_eq!(listed, declared());
    for service in [
        "vivarium.executor.v1.BudgetService",
        "vivarium.executor.v1.CycleService",
        "vivarium.executor.v1.ProviderService",
        "vivarium.executor.v1.SafetyService",
        "vivarium.gateway.v1.PanelService",
        "vivarium.ledger.v1.LedgerService",
        "vivarium.queue.v1.RunnerService",
        "vivarium.queue.v1.TaskService",
        "vivarium.queue.v1.WorldService",
        "vivarium.review.v1.DraftService",
        "vivarium.review.v1.ReviewService",
    ] {
        assert!(listed.contains(service), "{service} is missing");
    }
}

#[test]
fn the_descriptor_set_keeps_the_comments() {
    for file in descriptors().file.iter().filter(|file| file.package().starts_with("vivarium.")) {
        let comments = file.source_code_info.iter().flat_map(|info| &info.location);
        assert!(
            comments.filter(|location| location.leading_comments.is_some()).count() > 0,
            "{} lost its comments",
            file.name()
        );
    }
}
