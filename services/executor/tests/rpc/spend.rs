//! Where money went, by every grouping, and who holds some now.

use std::collections::BTreeMap;
use std::time::Duration;

use vivarium_chassis::Problem;
use vivarium_executor::model::ModelError;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::budget_service_client::BudgetServiceClient;
use vivarium_proto::queue::v1 as queue_pb;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_types::ids::{Id as _, ResidentId, SubmissionId, TaskId};

use crate::stand::{Line, Stand, prose, task};

const GROUPS: [pb::SpendGroup; 4] =
    [pb::SpendGroup::Resident, pb::SpendGroup::Task, pb::SpendGroup::Model, pb::SpendGroup::Day];
/// The day on which a stand begins.
const TODAY: &str = "2026-11-23";

async fn list(stand: &Stand, request: pb::ListSpendRequest) -> pb::ListSpendResponse {
    let answer = BudgetServiceClient::new(stand.calls()).list_spend(request).await;
    answer.expect("it lists").into_inner()
}

fn by(group: pb::SpendGroup) -> pb::ListSpendRequest {
    pb::ListSpendRequest { group: group.into(), ..pb::ListSpendRequest::default() }
}

/// The figures of a row, without what it is about.
fn figures(row: &pb::Spend) -> pb::Spend {
    pb::Spend {
        resident_id: String::new(),
        task_id: String::new(),
        provider: String::new(),
        model: String::new(),
        spend_day: String::new(),
        ..row.clone()
    }
}

fn sum(rows: &[pb::Spend]) -> pb::Spend {
    rows.iter().fold(pb::Spend::default(), |sum, row| pb::Spend {
        calls: sum.calls + row.calls,
        calls_failed: sum.calls_failed + row.calls_failed,
        input_tokens: sum.input_tokens + row.input_tokens,
        output_tokens: sum.output_tokens + row.output_tokens,
        cost_micro_usd: sum.cost_micro_usd + row.cost_micro_usd,
        worst_case_micro_usd: sum.worst_case_micro_usd + row.worst_case_micro_usd,
        input_tokens_max: sum.input_tokens_max + row.input_tokens_max,
        output_tokens_max: sum.output_tokens_max + row.output_tokens_max,
        ..sum
    })
}

fn resident(number: u128) -> String {
    ResidentId::from_number(number).to_string()
}

/// A task's cycle of one call, by this resident.
async fn works(stand: &Stand, number: u128, by: u128) {
    stand.script.say(prose());
    let resident_id = resident(by);
    stand.queue.grant(queue_pb::Granted { resident_id, ..task(number) }).await;
    let outcome = stand.queue.finish().await.outcome;
    assert!(matches!(outcome, Some(Outcome::Finished(_))), "{outcome:?}");
}

/// A world in which two residents and a critic spent money on two days, and one call failed.
async fn busy() -> Stand {
    let stand = Stand::remote().await;
    works(&stand, 1, 4).await;
    works(&stand, 2, 5).await;
    // It reached the provider, which said nothing of its usage: it costs its worst case.
    stand.script.then(Line::Fail(ModelError::Protocol("half a word".to_owned())));
    stand.queue.grant(queue_pb::Granted { resident_id: resident(6), ..task(3) }).await;
    assert!(matches!(stand.queue.finish().await.outcome, Some(Outcome::Failed(_))));
    stand.script.say("I like it.");
    stand.script.say("Still.");
    let critique = queue_pb::Granted {
        purpose: queue_pb::LeasePurpose::Critique.into(),
        submission_id: SubmissionId::from_number(5).to_string(),
        resident_id: String::new(),
        attempt_number: 0,
        ..task(4)
    };
    stand.queue.grant(critique).await;
    stand.queue.finish().await;
    stand.world.clock().advance(Duration::from_hours(24));
    works(&stand, 5, 5).await;
    stand
}

#[tokio::test]
async fn line_112_sums_over_residents_tasks_models_and_days_are_equal() {
    let stand = busy().await;
    let windows = [("", ""), (TODAY, TODAY), ("2026-11-24", ""), ("2026-11-22", "2026-11-24")];
    let mut totals = Vec::new();
    for (from, to) in windows {
        let mut sums = Vec::new();
        for group in GROUPS {
            let (from_day, to_day) = (from.to_owned(), to.to_owned());
            let answer = list(&stand, pb::ListSpendRequest { from_day, to_day, ..by(group) }).await;
            let total = answer.total.expect("it is told");
            assert_eq!(sum(&answer.rows), total, "{group:?} from {from} to {to}");
            sums.push(total);
        }
        assert!(sums.windows(2).all(|two| two[0] == two[1]), "from {from} to {to}: {sums:?}");
        totals.extend(sums.pop());
    }
    let calls: Vec<_> = totals.iter().map(|sum| (sum.calls, sum.calls_failed)).collect();
    assert_eq!(calls, [(6, 1), (5, 1), (1, 0), (6, 1)]);
    // Five calls were answered, of 100 and 50 model tokens at 20 micro-dollars together.
    assert_eq!((totals[2].cost_micro_usd, totals[2].input_tokens), (20, 100));
    assert_eq!(totals[0].cost_micro_usd - totals[1].cost_micro_usd, 20);
    // What was settled equals what the budget counts as spent.
    let request = pb::GetBudgetsRequest::default();
    let budgets = BudgetServiceClient::new(stand.calls()).get_budgets(request).await;
    let budgets = budgets.expect("they are there").into_inner().budgets;
    let world = budgets.iter().find(|budget| budget.scope() == pb::BudgetScope::WorldTotal);
    assert_eq!(world.expect("it is told").spent_micro_usd, totals[0].cost_micro_usd);
}

#[tokio::test]
async fn rows_name_what_they_are_about_the_costliest_first() {
    let stand = busy().await;
    let residents = list(&stand, by(pb::SpendGroup::Resident)).await.rows;
    let told: Vec<_> =
        residents.iter().map(|row| (row.resident_id.as_str(), row.cost_micro_usd)).collect();
    let (four, five, six) = (resident(4), resident(5), resident(6));
    assert_eq!(told[0].0, six, "what failed cost the most");
    // Critiques have no resident.
    assert_eq!(told[1..], [(five.as_str(), 40), ("", 40), (four.as_str(), 20)]);
    let tasks = list(&stand, by(pb::SpendGroup::Task)).await.rows;
    assert_eq!(tasks[0].task_id, TaskId::from_number(3).to_string());
    assert_eq!(tasks[1].task_id, TaskId::from_number(4).to_string());
    assert!(tasks.iter().all(|row| row.resident_id.is_empty() && row.model.is_empty()));
    let models = list(&stand, by(pb::SpendGroup::Model)).await.rows;
    assert_eq!((models[0].provider.as_str(), models[0].model.as_str()), ("scripted", "model-1"));
    let days = list(&stand, by(pb::SpendGroup::Day)).await.rows;
    let told: Vec<_> = days.iter().map(|row| (row.spend_day.as_str(), row.calls)).collect();
    assert_eq!(told, [("2026-11-24", 1), (TODAY, 5)]);
    // What was reserved is known of every call, and no call costs more.
    let row = &residents[3];
    assert!(row.worst_case_micro_usd > row.cost_micro_usd, "{row:?}");
    assert!(row.output_tokens_max >= row.output_tokens && row.input_tokens_max > 0, "{row:?}");
}

#[tokio::test]
async fn pages_of_sums_hold_every_row_once() {
    let stand = busy().await;
    for (from, group) in [("", 0), ("", 1), (TODAY, 0), (TODAY, 1), ("", 3), (TODAY, 3)]
        .map(|(from, group)| (from.to_owned(), GROUPS[group]))
    {
        let request = pb::ListSpendRequest { from_day: from, ..by(group) };
        let whole = list(&stand, request.clone()).await;
        let mut rows = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = pb::ListSpendRequest { page_size: 1, page_token, ..request.clone() };
            let page = list(&stand, page).await;
            assert_eq!(page.total, whole.total, "a page tells the sum of all of them");
            rows.extend(page.rows);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(rows, whole.rows, "{group:?}");
    }
}

#[tokio::test]
async fn sums_are_made_anew_from_the_log() {
    let mut stand = busy().await;
    let mut before = BTreeMap::new();
    for group in GROUPS {
        before.insert(group as i32, list(&stand, by(group)).await);
    }
    stand.stop().await;
    let ledgers = stand.folder.path().join("mutable/ledgers");
    let mut removed = 0;
    for entry in std::fs::read_dir(&ledgers).expect("it lists") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.contains("views") {
            std::fs::remove_file(&path).expect("it goes");
            removed += 1;
        }
    }
    assert!(removed > 0, "the read models lie in {}", ledgers.display());
    stand.start().await;
    for group in GROUPS {
        assert_eq!(Some(&list(&stand, by(group)).await), before.get(&(group as i32)));
    }
}

#[tokio::test]
async fn a_call_that_runs_holds_money_and_one_that_is_settled_does_not() {
    let stand = Stand::remote().await;
    let mut client = BudgetServiceClient::new(stand.calls());
    stand.script.then(Line::Hang("I begin".to_owned()));
    stand.queue.grant(task(1)).await;
    stand.script.hanging().await;
    let request = pb::ListReservationsRequest::default();
    let held = client.list_reservations(request.clone()).await.expect("it lists").into_inner();
    let [held] = &held.reservations[..] else { panic!("one call runs: {held:?}") };
    assert_eq!((held.task_id.as_str(), held.step), (&*TaskId::from_number(1).to_string(), 1));
    assert_eq!((&*held.resident_id, &*held.model), (&*resident(4), "model-1"));
    assert_eq!((held.purpose(), held.spend_day.as_str()), (pb::CycleKind::Task, TODAY));
    assert!(held.worst_case_micro_usd > 0 && held.reserve_time.is_some());
    let spent = list(&stand, by(pb::SpendGroup::Day)).await;
    assert_eq!(spent.rows, [], "it is not settled yet");

    let halt =
        queue_pb::Controls { control_epoch: 2, halted: true, ..queue_pb::Controls::default() };
    stand.queue.tell(queue_pb::run_response::Message::Controls(halt)).await;
    stand.queue.finish().await;
    let held = client.list_reservations(request).await.expect("it lists").into_inner();
    assert_eq!(held.reservations, []);
    let spent = list(&stand, by(pb::SpendGroup::Resident)).await;
    let [row] = &spent.rows[..] else { panic!("one call was settled: {spent:?}") };
    // It may have reached the provider without a word about its usage: it costs its worst case.
    assert_eq!((row.calls, row.calls_failed), (1, 1));
    assert_eq!(row.cost_micro_usd, row.worst_case_micro_usd);
    assert_eq!(figures(row), spent.total.expect("it is told"));
}

#[tokio::test]
async fn bad_questions_are_refused_with_every_field_named() {
    let stand = Stand::remote().await;
    let mut client = BudgetServiceClient::new(stand.calls());
    let bad = pb::ListSpendRequest {
        group: 99,
        from_day: "2026-02-30".into(),
        to_day: "yesterday".into(),
        page_size: 201,
        page_token: "1:x".into(),
        ..pb::ListSpendRequest::default()
    };
    let refused = Problem::from(client.list_spend(bad).await.expect_err("it is refused"));
    let fields: Vec<_> = refused.fields.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["group", "from_day", "to_day", "page_size", "page_token"]);
    let turned = pb::ListSpendRequest {
        from_day: "2026-11-24".into(),
        to_day: TODAY.into(),
        ..by(pb::SpendGroup::Day)
    };
    let refused = Problem::from(client.list_spend(turned).await.expect_err("it is refused"));
    assert_eq!(refused.fields[0].field, "to_day");
    for page_token in ["x", "18446744073709551615"] {
        let page_token = page_token.to_owned();
        let bad = pb::ListReservationsRequest { page_token, ..Default::default() };
        let refused = client.list_reservations(bad).await.expect_err("it is refused");
        assert_eq!(Problem::from(refused).fields[0].field, "page_token");
    }
}
