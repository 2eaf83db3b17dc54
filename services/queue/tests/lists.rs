//! Lists: every filter in every order from every place, against the same made by hand.

#[path = "support/stand.rs"]
mod support;

use support::{Stand, reason, spec};
use vivarium_proto::queue::v1 as pb;
use vivarium_types::Reason;

const TASKS: u32 = 24;
const ORDERS: [pb::TaskOrder; 4] = [
    pb::TaskOrder::Unspecified,
    pb::TaskOrder::Newest,
    pb::TaskOrder::Oldest,
    pb::TaskOrder::Priority,
];

/// A queue with tasks of every kind that a filter tells apart; all of them, newest first.
async fn full() -> (Stand, Vec<pb::Task>) {
    let stand = Stand::new().await;
    for n in 0..TASKS {
        let tags = if n % 2 == 0 { vec!["water".into()] } else { Vec::new() };
        let words = if n % 3 == 0 { "Describe the pond" } else { "Describe the hill" };
        let spec = pb::TaskSpec { tags, priority: Some(n * 7 % 5), ..spec(words) };
        let id = stand.add(spec).await;
        if n % 4 > 1 {
            stand.cancel(&id).await;
        }
        if n % 8 == 4 {
            stand.pause(&id).await;
        }
    }
    let all = stand.list(pb::TaskFilter::default()).await;
    assert_eq!(all.len(), TASKS as usize);
    (stand, all)
}

fn filters() -> Vec<pb::TaskFilter> {
    let states = [
        vec![],
        vec![pb::TaskState::Cancelled],
        vec![pb::TaskState::Ready, pb::TaskState::Cancelled, pb::TaskState::Cancelled],
        vec![pb::TaskState::Ready, pb::TaskState::Paused, pb::TaskState::Cancelled],
        vec![pb::TaskState::Proposed],
    ];
    let mut filters = Vec::new();
    for states in &states {
        for (tag, text) in [("", ""), ("water", ""), ("", "pond"), ("water", "pond"), ("fire", "")]
        {
            for submitter in ["", "operator:test", "operator:nobody"] {
                filters.push(pb::TaskFilter {
                    states: states.iter().map(|state| (*state).into()).collect(),
                    tag: tag.into(),
                    text: text.into(),
                    submitter: submitter.into(),
                    ..Default::default()
                });
            }
        }
    }
    let nobody = "res_00000000000000000000000009";
    filters.push(pb::TaskFilter { resident_id: nobody.into(), ..Default::default() });
    filters.push(pb::TaskFilter { recurrence: "none".into(), ..Default::default() });
    filters.push(pb::TaskFilter { failure_class: "transient".into(), ..Default::default() });
    filters
}

/// The ids that a list must have.
fn by_hand(all: &[pb::Task], filter: &pb::TaskFilter, order: pb::TaskOrder) -> Vec<String> {
    let fits = |task: &&pb::Task| {
        let spec = task.spec.clone().unwrap_or_default();
        (filter.states.is_empty() || filter.states.contains(&task.state))
            && (filter.tag.is_empty() || spec.tags.contains(&filter.tag))
            && spec.instruction.contains(&filter.text)
            && (filter.submitter.is_empty() || filter.submitter == task.submitter)
            && filter.resident_id.is_empty()
            && filter.recurrence.is_empty()
            && filter.failure_class.is_empty()
    };
    let mut found: Vec<_> = all.iter().filter(fits).collect();
    match order {
        pb::TaskOrder::Unspecified | pb::TaskOrder::Newest => {}
        pb::TaskOrder::Oldest => found.reverse(),
        pb::TaskOrder::Priority => {
            found.sort_by_key(|task| {
                std::cmp::Reverse(task.spec.as_ref().map_or(0, pb::TaskSpec::priority))
            });
        }
    }
    found.into_iter().map(|task| task.task_id.clone()).collect()
}

fn ids(page: &pb::ListTasksResponse) -> Vec<String> {
    page.tasks.iter().map(|task| task.task_id.clone()).collect()
}

#[tokio::test]
async fn every_filter_in_every_order_is_as_made_by_hand() {
    let (stand, all) = full().await;
    for filter in filters() {
        for order in ORDERS {
            let wanted = by_hand(&all, &filter, order);
            let request = pb::ListTasksRequest {
                filter: Some(filter.clone()),
                page_size: 5,
                order: order.into(),
                with_total: true,
                ..Default::default()
            };
            let (mut found, mut page_token) = (Vec::new(), String::new());
            loop {
                let page = pb::ListTasksRequest { page_token, ..request.clone() };
                let page = stand.tasks().list_tasks(page).await.expect("a page").into_inner();
                assert_eq!(page.total_count, wanted.len() as u64, "{filter:?}");
                found.extend(ids(&page));
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            assert_eq!(found, wanted, "{order:?} {filter:?}");
        }
    }
}

#[tokio::test]
async fn a_page_begins_anywhere() {
    let (stand, all) = full().await;
    let cancelled =
        pb::TaskFilter { states: vec![pb::TaskState::Cancelled.into()], ..Default::default() };
    for filter in [pb::TaskFilter::default(), cancelled] {
        for order in ORDERS {
            let wanted = by_hand(&all, &filter, order);
            let page = async |skip: usize, page_token: String| {
                let request = pb::ListTasksRequest {
                    filter: Some(filter.clone()),
                    page_size: 4,
                    order: order.into(),
                    skip: u32::try_from(skip).expect("it is small"),
                    page_token,
                    ..Default::default()
                };
                stand.tasks().list_tasks(request).await.expect("a page").into_inner()
            };
            for skip in [0, 1, 7, wanted.len() - 1, wanted.len(), 1_000] {
                let end = (skip + 4).min(wanted.len());
                let found = page(skip, String::new()).await;
                assert_eq!(ids(&found), wanted.get(skip..end).unwrap_or_default(), "{order:?}");
                if !found.next_page_token.is_empty() {
                    let further = ids(&page(1, found.next_page_token).await);
                    let first = (end + 1).min(wanted.len());
                    assert_eq!(further, wanted[first..(first + 4).min(wanted.len())], "{order:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused_by_its_field() {
    let (stand, _) = full().await;
    let then = || Some(pb::AsOf { moment: Some(pb::as_of::Moment::Sequence(1)) });
    let newest = pb::ListTasksRequest::default;
    let wrong = [
        (pb::ListTasksRequest { order: 99, ..newest() }, "order"),
        (pb::ListTasksRequest { skip: 10_000_001, ..newest() }, "skip"),
        (pb::ListTasksRequest { skip: 1, as_of: then(), ..newest() }, "skip"),
        (pb::ListTasksRequest { with_total: true, as_of: then(), ..newest() }, "with_total"),
        (pb::ListTasksRequest { page_token: "here".into(), ..newest() }, "page_token"),
        (
            pb::ListTasksRequest {
                page_token: "12".into(),
                order: pb::TaskOrder::Priority.into(),
                ..newest()
            },
            "page_token",
        ),
        (
            pb::ListTasksRequest { order: pb::TaskOrder::Oldest.into(), as_of: then(), ..newest() },
            "order",
        ),
    ];
    for (request, field) in wrong {
        let refused = stand.tasks().list_tasks(request).await.expect_err("it is wrong");
        assert_eq!(reason(&refused), Some(Reason::RequestInvalid));
        let problem = vivarium_chassis::Problem::from(&refused);
        assert_eq!(problem.fields[0].field, field);
    }
}
