//! The loop zoo: each loop that residents could fall into is cut within six turns, and nothing of it
//! goes on afterwards. With its guards away each runs past six turns: the tests would notice.
//!
//! A turn is what the loop is made of: a message, a proposal, a submission, a letter, a refusal of work,
//! a request for the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use vivarium_chassis::identity::Service;
use vivarium_ledger::planted::Guard;
use vivarium_proto::queue::v1 as queue_pb;
use vivarium_types::Reason;
use vivarium_zoo::mind::{self, Asked, Mind, Table};
use vivarium_zoo::world::Zoo;

/// Turns that a loop may take.
const TURNS_MAX: usize = 6;
/// Turns behind which residents stop by themselves: a loop that comes so far was not cut.
const FREE: usize = 8;
const ROOM: &str = "watercooler";
const PAIR: [&str; 2] = ["maren", "ivo"];

/// What two do when they are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ears {
    /// They finish their work.
    Open,
    /// They go on trying.
    Shut,
}

/// Two who answer each other, each in a cycle of its own that goes on from turn to turn.
fn two_at_a_table(ears: Ears, line: fn(usize, &str) -> String) -> Mind {
    let (table, cut) = (Table::of(&PAIR), Arc::new(AtomicUsize::new(0)));
    Mind::slow(move |asked| {
        let (table, cut) = (table.clone(), Arc::clone(&cut));
        Box::pin(async move {
            let who = asked.who();
            let other = PAIR.into_iter().find(|seat| *seat != who).unwrap_or_default();
            if asked.is_critique() || !asked.task().contains("break") {
                return mind::diligent(&asked);
            }
            if asked.replies() > 0 && cut.load(Ordering::SeqCst) == 0 {
                let refused = ["SOCIAL_ECHO", "SOCIAL_CONVERSATION_SPENT"];
                let refused = refused.iter().any(|reason| asked.refused(reason));
                cut.fetch_add(usize::from(refused), Ordering::SeqCst);
                table.pass();
            }
            let turn = if cut.load(Ordering::SeqCst) > 0 && ears == Ears::Shut {
                FREE + asked.replies()
            } else {
                table.turn_of(&who).await
            };
            let done = turn > FREE || cut.load(Ordering::SeqCst) > 0;
            if done && ears == Ears::Open {
                table.pass();
                return mind::reply(&[mind::document(&asked.task()), mind::finish()]);
            }
            let post = post(&line(turn, other), other);
            // Who is cut by its limits has done its work before.
            let work = (asked.replies() == 0).then(|| mind::document(&asked.task()));
            mind::reply(&work.into_iter().chain([post]).collect::<Vec<_>>())
        })
    })
}

fn post(text: &str, to: &str) -> Value {
    json!({"do": "post_message", "room": ROOM, "text": text, "mentions": [to]})
}

/// The two get a task each, and both are done in the end: how many messages they posted.
async fn talked(zoo: &Zoo) -> usize {
    let mut tasks = Vec::new();
    for who in PAIR {
        tasks.push(zoo.ask(who, &format!("Tell what {who} talks about in the break")).await);
    }
    for task in tasks {
        zoo.wait_for(&task, queue_pb::TaskState::Approved).await;
    }
    zoo.said(ROOM).await.len()
}

/// Always something else, and never an end.
fn chat(turn: usize, other: &str) -> String {
    const SUBJECTS: [&str; 7] = [
        "the tide tables of the small harbour",
        "why bread rises faster in June",
        "a clock that runs backwards on Sundays",
        "how to fold a map so that it opens itself",
        "the best colour for a lighthouse",
        "what the cat did with the measuring tape",
        "whether rivers remember their old beds",
    ];
    format!("And what do you think, {other}, about {}?", SUBJECTS[turn % SUBJECTS.len()])
}

#[tokio::test]
async fn line_50_ping_pong_is_cut_at_its_seventh_message() {
    let zoo = Zoo::open(two_at_a_table(Ears::Open, chat)).await;
    assert_eq!(talked(&zoo).await, TURNS_MAX);
    assert_eq!(zoo.rows(Service::Society, "conversation_spent").await.len(), 1);
    zoo.is_quiet(&[ROOM]).await;
}

#[tokio::test]
async fn line_50_who_does_not_listen_to_a_cut_is_ended_by_the_limits_of_its_cycle() {
    let zoo = Zoo::open(two_at_a_table(Ears::Shut, chat)).await;
    assert_eq!(talked(&zoo).await, TURNS_MAX);
    let (calls, _) = zoo.calls();
    assert!(calls <= TURNS_MAX + 2 * 3, "three steps without effect end a cycle: {calls}");
    zoo.is_quiet(&[ROOM]).await;
}

#[tokio::test]
async fn line_50_ping_pong_runs_on_without_its_guard() {
    let guards = [Guard::Conversation];
    let zoo = Zoo::without(&guards, two_at_a_table(Ears::Open, chat)).await;
    assert_eq!(talked(&zoo).await, FREE);
}

/// The same farewell in ever so slightly other words.
fn goodbye(turn: usize, other: &str) -> String {
    let marks = "!".repeat(turn);
    format!("Goodbye, {other}, sleep well, and thank you for this lovely talk. See you soon{marks}")
}

#[tokio::test]
async fn line_50_a_goodbye_loop_is_cut_at_the_first_farewell_that_is_said_again() {
    let zoo = Zoo::open(two_at_a_table(Ears::Open, goodbye)).await;
    assert_eq!(talked(&zoo).await, 2, "each says goodbye once");
    zoo.is_quiet(&[ROOM]).await;
}

#[tokio::test]
async fn line_50_a_goodbye_loop_without_the_guard_against_echoes_is_still_ping_pong() {
    let guards = [Guard::Echo];
    let zoo = Zoo::without(&guards, two_at_a_table(Ears::Open, goodbye)).await;
    assert_eq!(talked(&zoo).await, TURNS_MAX);
    zoo.is_quiet(&[ROOM]).await;
}

#[tokio::test]
async fn line_50_a_goodbye_loop_runs_on_without_its_guards() {
    let guards = [Guard::Echo, Guard::Conversation];
    let zoo = Zoo::without(&guards, two_at_a_table(Ears::Open, goodbye)).await;
    assert_eq!(talked(&zoo).await, FREE);
}

/// Does its work, and proposes the next task every time.
fn delegating(next: fn(usize, &str) -> String) -> Mind {
    let turns = AtomicUsize::new(0);
    Mind::new(move |asked| {
        let task = asked.task();
        if asked.is_critique() || !task.contains("tides") {
            return mind::diligent(asked);
        }
        let turn = turns.fetch_add(1, Ordering::SeqCst) + 1;
        let asks = next(turn, &task);
        let why = "Somebody else should see to that.";
        let propose = json!({"do": "propose_task", "title": asks, "instruction": asks, "why": why});
        let more = (turn <= FREE).then_some(propose);
        let work = [mind::document(&task)].into_iter().chain(more).chain([mind::finish()]);
        mind::reply(&work.collect::<Vec<_>>())
    })
}

const WRITE: &str = "Write a guide to the tides";
const CHECK: &str = "Check the guide to the tides";

/// You write it; no, you check it.
fn back_and_forth(_: usize, task: &str) -> String {
    if task == WRITE { CHECK.to_uppercase().replace("TIDES", "tides") } else { WRITE.to_owned() }
}

fn ever_more(turn: usize, _: &str) -> String {
    format!("Write part {turn} of the guide to the tides")
}

/// A person admits whatever is proposed, until there is nothing to do: how much was proposed.
async fn delegated(zoo: &Zoo) -> usize {
    zoo.add(queue_pb::TaskSpec { instruction: WRITE.into(), ..Default::default() }).await;
    zoo.until("nobody has anything to do", async |zoo| {
        if !zoo.at_work().await.is_empty() {
            return false;
        }
        let proposals = zoo.proposals().await;
        for proposal in &proposals {
            zoo.admit(proposal).await;
        }
        proposals.is_empty()
    })
    .await;
    zoo.rows(Service::Queue, "task_proposed").await.len()
}

#[tokio::test]
async fn line_50_a_delegation_circle_is_cut_when_it_comes_round() {
    let zoo = Zoo::open(delegating(back_and_forth)).await;
    assert_eq!(delegated(&zoo).await, 1, "what was asked for first is not proposed again");
    assert_eq!(zoo.refusals().await, ["QUEUE_TASK_DUPLICATE"]);
    zoo.is_quiet(&[]).await;
}

#[tokio::test]
async fn line_50_a_chain_of_delegations_is_cut_at_its_depth() {
    let zoo = Zoo::open(delegating(ever_more)).await;
    assert_eq!(delegated(&zoo).await, 2);
    assert_eq!(zoo.refusals().await, [Reason::QueueTaskTooDeep.name()]);
    zoo.is_quiet(&[]).await;
}

#[tokio::test]
async fn line_50_a_delegation_circle_without_its_guard_is_still_too_deep() {
    let zoo = Zoo::without(&[Guard::Duplicate], delegating(back_and_forth)).await;
    assert_eq!(delegated(&zoo).await, 2);
    zoo.is_quiet(&[]).await;
}

#[tokio::test]
async fn line_50_delegation_runs_on_without_its_guards() {
    for next in [back_and_forth, ever_more] {
        let guards = [Guard::Duplicate, Guard::Depth, Guard::Quota];
        let zoo = Zoo::without(&guards, delegating(next)).await;
        assert_eq!(delegated(&zoo).await, FREE);
    }
}

/// What an author makes of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    /// Another text.
    Rewrites,
    /// The same text.
    Insists,
}

/// An author and a critic who is never content; behind the free turns it is.
fn never_good_enough(author: Author) -> Mind {
    let critiques = AtomicUsize::new(0);
    Mind::new(move |asked| {
        let text = asked.messages.concat();
        if !text.contains("perfect page") {
            return mind::diligent(asked);
        }
        if asked.is_critique() {
            let turn = critiques.fetch_add(1, Ordering::SeqCst) + 1;
            return mind::critique(if turn <= FREE { 1 } else { 4 });
        }
        let document = match author {
            Author::Rewrites => mind::document(&asked.task()),
            Author::Insists => mind::page_about(&asked.task(), &mind::essay(&asked.task())),
        };
        mind::reply(&[document, mind::finish()])
    })
}

/// How often a page was put up for review until somebody or something put an end to it, and the end.
async fn reviewed(zoo: &Zoo) -> (usize, queue_pb::Task) {
    let instruction = "Write the perfect page about a lighthouse".to_owned();
    let task = zoo.add(queue_pb::TaskSpec { instruction, ..Default::default() }).await;
    let ends = [
        queue_pb::TaskState::Approved,
        queue_pb::TaskState::Failed,
        queue_pb::TaskState::AwaitingHuman,
    ];
    zoo.until("it is over", async |zoo| {
        let state = zoo.task(&task).await.state();
        if state == queue_pb::TaskState::Requeued {
            zoo.advance(Duration::from_mins(2)).await;
        }
        ends.contains(&state)
    })
    .await;
    (zoo.rows(Service::Queue, "attempt_finished").await.len(), zoo.task(&task).await)
}

#[tokio::test]
async fn line_50_review_until_nothing_is_found_is_cut_at_the_third_rejection() {
    let zoo = Zoo::open(never_good_enough(Author::Rewrites)).await;
    let (turns, task) = reviewed(&zoo).await;
    assert_eq!((turns, task.state()), (3, queue_pb::TaskState::Failed));
    zoo.is_quiet(&[]).await;
}

#[tokio::test]
async fn line_50_the_same_page_again_is_cut_at_once() {
    let zoo = Zoo::open(never_good_enough(Author::Insists)).await;
    let (turns, task) = reviewed(&zoo).await;
    assert_eq!((turns, task.state()), (2, queue_pb::TaskState::AwaitingHuman));
    zoo.is_quiet(&[]).await;
}

#[tokio::test]
async fn line_50_review_runs_on_without_its_guards() {
    let guards = [Guard::Rejections, Guard::NoProgress];
    let zoo = Zoo::without(&guards, never_good_enough(Author::Rewrites)).await;
    let (turns, task) = reviewed(&zoo).await;
    assert_eq!((turns, task.state()), (FREE + 1, queue_pb::TaskState::Approved));
}

/// Asks the human about everything, whatever the answer; who may ask no more decides alone.
fn asks_the_human() -> Mind {
    let turns = AtomicUsize::new(0);
    Mind::new(move |asked| {
        if asked.is_critique() || !asked.task().contains("colour") {
            return mind::diligent(asked);
        }
        let turn = turns.load(Ordering::SeqCst) + 1;
        if asked.refused("ACTION_QUOTA_SPENT") || turn > FREE {
            return mind::diligent(asked);
        }
        turns.store(turn, Ordering::SeqCst);
        let text = chat(turn, "dear human");
        let letter =
            json!({"do": "message_human", "type": "question", "text": text, "waits": true});
        mind::reply(&[letter])
    })
}

/// A person answers every question with another: how many were asked.
async fn escalated(zoo: &Zoo) -> usize {
    // The allowance of the first day is there before the first letter is paid for.
    zoo.ask("suri", "Describe the dunes behind the beach").await;
    zoo.until("the first day is taken up", async |zoo| {
        !zoo.rows(Service::Society, "day_opened").await.is_empty()
    })
    .await;
    let task = zoo.ask("maren", "Choose a colour for the lighthouse").await;
    let mut answered = 0;
    loop {
        zoo.until("a question or an end", async |zoo| {
            let asked = zoo.letters().await.len();
            let waits = zoo.task(&task).await.state() == queue_pb::TaskState::AwaitingHuman;
            waits && asked > answered
                || zoo.task(&task).await.state() == queue_pb::TaskState::Approved
        })
        .await;
        let letters = zoo.letters().await;
        if zoo.task(&task).await.state() == queue_pb::TaskState::Approved {
            return letters.len();
        }
        answered = letters.len();
        zoo.answer(&letters[answered - 1], "What would you say yourself?").await;
        zoo.until("the answer has arrived", async |zoo| {
            zoo.task(&task).await.state() != queue_pb::TaskState::AwaitingHuman
                || zoo.letters().await.len() > answered
        })
        .await;
    }
}

#[tokio::test]
async fn line_50_an_escalation_circle_with_the_human_is_cut_at_the_letters_of_a_day() {
    let zoo = Zoo::open(asks_the_human()).await;
    assert_eq!(escalated(&zoo).await, 5);
    assert_eq!(zoo.refusals().await, ["ACTION_QUOTA_SPENT"]);
    zoo.is_quiet(&[]).await;
}

#[tokio::test]
async fn line_50_escalation_runs_on_without_its_guard() {
    let zoo = Zoo::without(&[Guard::Quota], asks_the_human()).await;
    assert_eq!(escalated(&zoo).await, FREE);
}

/// Passes the work on to somebody else, again and again.
fn passes_it_on() -> Mind {
    let turns = AtomicUsize::new(0);
    Mind::new(move |asked| {
        let hot = !asked.is_critique() && asked.task().contains("potato");
        if !hot || turns.fetch_add(1, Ordering::SeqCst) >= FREE {
            return mind::diligent(asked);
        }
        mind::reply(&[json!({"do": "decline", "reason": "Somebody else knows more about it."})])
    })
}

async fn passed_on(zoo: &Zoo) -> (usize, queue_pb::TaskState) {
    let instruction = "Describe a hot potato".to_owned();
    let task = zoo.add(queue_pb::TaskSpec { instruction, ..Default::default() }).await;
    let ends = [queue_pb::TaskState::Approved, queue_pb::TaskState::AwaitingHuman];
    let over = async |zoo: &Zoo| ends.contains(&zoo.task(&task).await.state());
    zoo.until("it is done, or at the human", over).await;
    let turns = zoo.rows(Service::Queue, "attempt_declined").await.len();
    (turns, zoo.task(&task).await.state())
}

#[tokio::test]
async fn line_50_an_escalation_circle_among_residents_ends_at_the_human_when_each_was_asked_once() {
    let zoo = Zoo::open(passes_it_on()).await;
    assert_eq!(passed_on(&zoo).await, (zoo.residents.len(), queue_pb::TaskState::AwaitingHuman));
    assert!(zoo.residents.len() <= TURNS_MAX);
    zoo.is_quiet(&[]).await;
}

#[tokio::test]
async fn line_50_passing_on_runs_on_without_its_guard() {
    let zoo = Zoo::without(&[Guard::Declined], passes_it_on()).await;
    assert_eq!(passed_on(&zoo).await, (FREE, queue_pb::TaskState::Approved));
}

/// Looks for the same again and again, each time written in another way.
fn looks_again() -> Mind {
    const WAYS: [&str; 4] = [
        r#"{"do": "recall", "query": "the lost key"}"#,
        r#"{"query": "The  lost KEY ", "id": "again", "do": "recall"}"#,
        r#"{"do": "recall", "k": 5, "query": "the lost\tkey"}"#,
        r#"{"needs": [], "do": "recall", "query": " the LOST key", "k": null}"#,
    ];
    Mind::new(|asked: &Asked| {
        if asked.is_critique() || !asked.task().contains("key") {
            return mind::diligent(asked);
        }
        let look = WAYS[asked.replies() % WAYS.len()];
        let look = serde_json::from_str(look).expect("it is JSON");
        let work = (asked.replies() == 0).then(|| mind::document(&asked.task()));
        mind::reply(&work.into_iter().chain([look]).collect::<Vec<_>>())
    })
}

async fn looked(zoo: &Zoo) -> usize {
    let instruction = "Find the key of the tower".to_owned();
    let task = zoo.add(queue_pb::TaskSpec { instruction, ..Default::default() }).await;
    zoo.wait_for(&task, queue_pb::TaskState::Approved).await;
    zoo.calls().0
}

#[tokio::test]
async fn line_50_the_third_time_the_same_is_asked_for_in_whatever_writing_ends_the_cycle() {
    let zoo = Zoo::open(looks_again()).await;
    assert_eq!(looked(&zoo).await, 3);
    assert_eq!(zoo.refusals().await, ["ACTION_REPEATED", "ACTION_REPEATED"]);
    zoo.is_quiet(&[]).await;
}

#[tokio::test]
async fn line_50_repeats_run_on_without_their_guard() {
    let zoo = Zoo::without(&[Guard::Repeat], looks_again()).await;
    assert_eq!(looked(&zoo).await, 8, "the steps of a cycle are what is left");
}

/// Two who answer each other until they are refused: how many messages went through, and why not more.
async fn until_refused(zoo: &Zoo, room: &str) -> (usize, Option<Reason>) {
    let mut last = String::new();
    for turn in 0..2 * TURNS_MAX {
        let (who, other) = (PAIR[turn % 2], PAIR[(turn + 1) % 2]);
        match zoo.post(who, room, &chat(turn, other), (&last, &[])).await {
            Ok(message) => last = message,
            Err(reason) => return (turn, Some(reason)),
        }
    }
    (2 * TURNS_MAX, None)
}

#[tokio::test]
async fn rule_4_4_a_cut_conversation_stays_cut_over_a_restart_and_until_the_next_day() {
    let mut zoo = Zoo::open(Mind::new(mind::diligent)).await;
    zoo.shorten_days().await;
    zoo.keep_time_moving().await;
    zoo.next_day().await;
    let spent = Reason::SocialConversationSpent;
    assert_eq!(until_refused(&zoo, ROOM).await, (TURNS_MAX, Some(spent)));
    let again = async |zoo: &Zoo, who: &str, to: &str| {
        zoo.post(who, ROOM, &format!("Once more, {to}: good morning!"), ("", &[to])).await
    };
    zoo.restart_society().await;
    for (who, to) in [("maren", "ivo"), ("ivo", "maren")] {
        assert_eq!(again(&zoo, who, to).await, Err(spent));
    }
    zoo.write_to("maren", "How are you today?").await;
    zoo.say(ROOM, "Good morning to all of you.", &[]).await;
    assert_eq!(again(&zoo, "maren", "ivo").await, Err(spent), "whatever else happens");
    assert!(again(&zoo, "maren", "suri").await.is_ok(), "with others it may talk");
    assert_eq!(until_refused(&zoo, "improvements").await, (TURNS_MAX, Some(spent)), "another room");
    zoo.next_day().await;
    assert!(again(&zoo, "ivo", "maren").await.is_ok(), "a new day");
    assert_eq!(zoo.rows(Service::Society, "conversation_spent").await.len(), 2);
}

/// Something that happens to one of the two who talk.
async fn happen(zoo: &Zoo, event: &str) {
    match event {
        "letter" => zoo.write_to("ivo", "Please look at the plan.").await,
        "remark" => {
            let remark = "Maren, your map is hanging upside down.";
            zoo.post("suri", ROOM, remark, ("", &["maren"])).await.expect("it is posted");
        }
        "human" => drop(zoo.say(ROOM, "What do you two think?", &[]).await),
        _ => {
            let task = zoo.ask("maren", "Describe the tower").await;
            zoo.wait_for(&task, queue_pb::TaskState::Approved).await;
            let known = async |zoo: &Zoo| zoo.remembered().await > 0;
            zoo.until("society knows the verdict", known).await;
        }
    }
}

#[tokio::test]
async fn rule_4_4_an_event_about_either_of_two_begins_their_conversation_anew() {
    let zoo = Zoo::open(Mind::new(mind::diligent)).await;
    zoo.shorten_days().await;
    zoo.keep_time_moving().await;
    for (day, event) in ["letter", "remark", "human", "verdict"].into_iter().enumerate() {
        zoo.next_day().await;
        for turn in 0..=TURNS_MAX {
            if turn == TURNS_MAX {
                happen(&zoo, event).await;
            }
            let (who, other) = (PAIR[turn % 2], PAIR[(turn + 1) % 2]);
            let said = format!("{event}: {}", chat(turn + 3 * day, other));
            let posted = zoo.post(who, ROOM, &said, ("", &[other])).await;
            assert!(posted.is_ok(), "{event} {turn}: {posted:?}");
        }
    }
}

#[tokio::test]
async fn rule_4_4_an_echo_of_one_of_the_last_three_own_messages_in_a_room_is_refused() {
    let zoo = Zoo::open(Mind::new(mind::diligent)).await;
    let first = "The archive of the harbour is sorted now, from the oldest map to the newest.";
    let post = async |text: &str, room: &str| zoo.post("maren", room, text, ("", &[])).await;
    assert!(post(first, ROOM).await.is_ok());
    let shouted = format!("  {}!", first.to_uppercase().replace(' ', "  "));
    assert_eq!(post(&shouted, ROOM).await, Err(Reason::SocialEcho), "case and spaces aside");
    assert!(post(first, "discoveries").await.is_ok(), "another room");
    assert!(zoo.post("ivo", ROOM, first, ("", &[])).await.is_ok(), "another's words");
    for turn in 0..2 {
        assert!(post(&chat(turn, "all"), ROOM).await.is_ok());
    }
    assert_eq!(post(first, ROOM).await, Err(Reason::SocialEcho), "it is the third from the end");
    assert!(post(&chat(2, "all"), ROOM).await.is_ok());
    assert!(post(first, ROOM).await.is_ok(), "it lies further back");
    let report =
        |read: u32| format!("Of the maps of the old harbour archive {read} of 90 are read.");
    assert!(post(&report(12), ROOM).await.is_ok());
    assert!(post(&report(13), ROOM).await.is_ok(), "other numbers tell something else");
    assert_eq!(post(&report(12), ROOM).await, Err(Reason::SocialEcho), "the same ones do not");
}
