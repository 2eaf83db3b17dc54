//! The terms of a task: what who works must be good at, what may be done, how it is reviewed; and the
//! words by which others know where it stands.

use std::collections::BTreeSet;

use vivarium_types::Hat;
use vivarium_types::reference::{Gate, Status};

use super::*;
use crate::domain::lease::Purpose;
use crate::domain::level::Wanted as LevelWanted;

fn skilled(word: &str) -> Spec {
    Spec { specialization: Some(word.into()), ..spec() }
}

#[test]
fn rule_3_1_a_specialization_is_asked_of_those_alone_to_whom_a_human_gave_it() {
    let mut stand = Stand::new();
    let task = stand.add(skilled("qa"));
    assert_eq!(
        (stand.state(task), stand.waits(task)),
        (State::Ready, Some(WaitReason::Specialization))
    );
    let told = stand.queue.explain(&[task], stand.now).remove(0);
    assert!(told.sentence().contains("specialization") && told.blocking.is_empty(), "{told:?}");
    assert_eq!(told.until, None, "time alone changes nothing");
    stand.specialize(1, &["testing"]);
    assert_eq!(stand.waits(task), Some(WaitReason::Specialization), "another one does not count");
    stand.specialize(2, &["integration", "qa"]);
    assert_eq!(stand.grants().last().and_then(|granted| granted.resident), Some(resident(2)));
    let second = stand.add(skilled("qa"));
    assert_eq!(stand.waits(second), Some(WaitReason::ResidentBusy), "who has it is at work");
    stand.specialize(2, &[]);
    assert_eq!(stand.waits(second), Some(WaitReason::Specialization), "it can be taken away");
    assert_eq!(stand.state(task), State::Leased, "which ends no attempt");
}

#[test]
fn rule_3_1_a_specialization_holds_for_who_is_pinned_and_not_for_who_declined() {
    let mut stand = Stand::new();
    stand.specialize(1, &["qa"]);
    let pinned = stand.add(Spec { resident: Some(resident(2)), ..skilled("qa") });
    assert_eq!(stand.waits(pinned), Some(WaitReason::Specialization));
    let task = stand.add(skilled("qa"));
    stand.end(task, Outcome::Declined(text("no")));
    assert_eq!(stand.state(task), State::AwaitingHuman, "nobody is left who has it");
    assert_eq!(stand.awaits(task), Some(Awaits::AllDeclined));
    let gone = Command::NoteResident { resident: resident(1), active: false, words: Vec::new() };
    stand.run(gone);
    stand.run(Command::NoteResident { resident: resident(2), active: false, words: Vec::new() });
    assert_eq!(stand.waits(pinned), Some(WaitReason::NoResident), "skill is not what is missing");
}

#[test]
fn rule_3_1_what_waits_for_a_specialization_holds_nothing_up() {
    let mut stand = Stand::new();
    let skilled = stand.add(Spec { priority: 9, ..skilled("qa") });
    let plain = stand.add(Spec { priority: 0, ..spec() });
    assert_eq!((stand.state(skilled), stand.state(plain)), (State::Ready, State::Leased));
    stand.specialize(2, &["qa"]);
    assert_eq!(stand.state(skilled), State::Leased);
}

#[test]
fn rule_3_1_the_level_in_force_is_the_lowest_of_world_resident_and_task() {
    let levels =
        [Level::DocsOnly, Level::ProposeChanges, Level::RunSandboxed, Level::ApplyApproved];
    for (a, world) in levels.into_iter().enumerate() {
        for (b, task) in levels.into_iter().enumerate() {
            assert_eq!(Level::in_force(world, None, task), levels[a.min(b)]);
            for (c, own) in levels.into_iter().enumerate() {
                assert_eq!(Level::in_force(world, Some(own), task), levels[a.min(b).min(c)]);
            }
        }
    }
    let mut stand = Stand::new();
    stand.add(Spec { level_max: Level::ApplyApproved, ..spec() });
    let granted = stand.grants().remove(0);
    assert_eq!(granted.level, Level::DocsOnly, "a task raises nothing by itself");
}

#[test]
fn a_level_is_consented_to_for_a_time_and_falls_at_once() {
    let mut stand = Stand::new();
    let (level, reason) = (Level::RunSandboxed, text("why"));
    stand.run(Command::SetMode { mode: level, reason: reason.clone() });
    let wanted = |number, level| LevelWanted {
        resident: resident(number),
        level,
        days: 1,
        after_texts: true,
        reason: reason.clone(),
    };
    let refused = stand.refused(Command::SetLevel(wanted(99, level)));
    assert_eq!(refused, Rejection::ResidentNotFound { resident: resident(99) });
    let refused = stand.refused(Command::SetLevel(wanted(1, Level::ApplyApproved)));
    assert_eq!(refused, Rejection::ModeUnavailable { mode: Level::ApplyApproved });
    stand.run(Command::SetLevel(wanted(1, level)));
    let pinned = || Spec { resident: Some(resident(1)), level_max: level, ..spec() };
    let first = stand.add(pinned());
    let granted = stand.grants().pop().expect("it is granted");
    assert_eq!((granted.level, granted.after_texts), (level, true));
    assert_eq!(stand.queue.level_now(&granted, stand.now), level);
    let end = stand.now + Duration::from_hours(24);
    assert_eq!(stand.queue.level_now(&granted, end), Level::DocsOnly, "a consent ends by itself");
    stand.run(Command::SetLevel(wanted(1, Level::DocsOnly)));
    assert_eq!(stand.queue.level_now(&granted, stand.now), Level::DocsOnly, "it is taken back");
    stand.run(Command::SetLevel(wanted(1, level)));
    let fenced = LevelWanted { after_texts: false, ..wanted(1, level) };
    stand.run(Command::SetLevel(fenced));
    assert_eq!(
        stand.queue.level_now(&granted, stand.now),
        Level::DocsOnly,
        "the fence is up again"
    );
    stand.run(Command::SetLevel(wanted(1, level)));
    stand.run(Command::SetMode { mode: Level::DocsOnly, reason: reason.clone() });
    assert_eq!(stand.queue.level_now(&granted, stand.now), Level::DocsOnly, "the world's fell");
    stand.run(Command::SetMode { mode: level, reason });
    stand.finish(first);
    stand.now = end + Duration::from_hours(1);
    stand.turn(|_| {});
    stand.add(pinned());
    let granted = stand.grants().pop().expect("it is granted");
    assert_eq!((granted.level, granted.after_texts), (Level::DocsOnly, false));
}

#[test]
fn what_a_person_allows_is_one_program_of_one_task() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let (hash, other) = (Hash([1; 32]), Hash([2; 32]));
    let blocked = |hash| Outcome::Blocked {
        rule: "program_after_texts".into(),
        held: true,
        hash,
        program: Some(text("wc")),
    };
    let decide = |hash, allowed| Command::DecideProgram {
        task: task.to_string(),
        hash,
        allowed,
        feedback: (!allowed).then(|| text("no")),
    };
    let refused = stand.refused(decide(hash, true));
    assert!(matches!(refused, Rejection::Transition { .. }), "it is held for nothing");
    stand.end(task, blocked(hash));
    assert_eq!(stand.state(task), State::AwaitingHuman);
    assert_eq!(stand.refused(decide(other, true)), Rejection::ProposalStale);
    stand.run(decide(hash, false));
    assert_eq!(stand.queue.tasks[&task].feedback.len(), 1);
    assert!(stand.queue.tasks[&task].allowed_programs.is_empty());
    stand.end(task, blocked(hash));
    stand.run(decide(hash, true));
    assert_eq!(stand.queue.tasks[&task].allowed_programs, [text("wc")]);
    assert_eq!(stand.queue.tasks[&task].held_program, None);
}

#[test]
fn who_criticises_changes_nothing_whatever_the_task_may() {
    let mut stand = Stand::new();
    let control_epoch = stand.queue.world.control_epoch + 1;
    let set = Event::ModeSet { control_epoch, mode: Level::ApplyApproved, reason: None };
    stand.accept(&Actor::Operator("test".into()), vec![set]);
    let task = stand.add(Spec { level_max: Level::ApplyApproved, ..spec() });
    let submission = stand.finish(task);
    stand.run(Command::AskCritique { submission, task });
    let granted = stand.grants().pop().expect("it is granted");
    assert_eq!((granted.purpose, granted.level), (Purpose::Critique, Level::DocsOnly));
}

#[test]
fn rule_3_1_the_review_a_task_asks_for_goes_with_its_attempt_and_to_its_children() {
    let mut stand = Stand::new();
    let (review, level_max) = (Thoroughness::Strict, Level::RunSandboxed);
    let hat = Some(Hat::Reviewer);
    let strict = Spec { review, level_max, hat, ..skilled("qa") };
    stand.specialize(1, &["qa"]);
    let task = stand.add(strict);
    let children = stand.halves(task);
    let finished = stand.log.iter().find_map(|(event, _)| {
        let Event::AttemptFinished(finished) = event else { return None };
        Some(finished.review)
    });
    assert_eq!(finished, Some(Thoroughness::Strict));
    for child in children {
        let spec = stand.queue.tasks[&child].spec();
        assert_eq!((spec.review, spec.level_max), (Thoroughness::Strict, Level::RunSandboxed));
        assert_eq!((&spec.specialization, spec.hat), (&None, None), "they are the parent's own");
    }
}

#[test]
fn rule_3_1_terms_that_are_the_usual_ones_are_not_written_and_mean_the_same() {
    let mut stand = Stand::new();
    stand.add(spec());
    let wire: Wire = stand
        .log
        .iter()
        .find(|(e, _)| matches!(e, Event::TaskAdded(_)))
        .expect("it")
        .0
        .clone()
        .into();
    let json = serde_json::to_value(&wire).expect("an event is JSON");
    let kept = &json["taskAdded"]["spec"];
    for field in ["review", "levelMax", "hat", "specialization"] {
        assert!(kept.get(field).is_none(), "an older row has no {field} either");
    }
}

/// What the mapping tells of a task in each state: as a task of its own, and as a part of another.
fn told(state: State, safety: bool, child: bool) -> Vec<&'static str> {
    let mut stand = Stand::new();
    let id = stand.add(spec());
    let mut task = stand.queue.tasks[&id].clone();
    task.state = state;
    let class = if safety { Class::Safety } else { Class::Internal };
    task.failure = Some(super::super::task::Failure { class, message: String::new() });
    task.added.parent =
        child.then_some(super::super::task::Parent { task: id, depth: 1, share: 50 });
    task.reference().iter().map(|status| status.word()).collect()
}

#[test]
fn line_03_every_word_of_the_reference_is_told_where_it_belongs_and_no_other_word_is() {
    let own = |state| told(state, false, false);
    let cases: [(State, &[&str]); 13] = [
        (State::Proposed, &[]),
        (State::Blocked, &["queued"]),
        (State::Queued, &["queued"]),
        (State::Ready, &["queued"]),
        (State::Leased, &["in_progress"]),
        (State::Split, &["in_progress"]),
        (State::InReview, &["completed", "pending_review"]),
        (State::AwaitingHuman, &["pending_review"]),
        (State::Requeued, &["requeue"]),
        (State::Paused, &[]),
        (State::Approved, &["approved"]),
        (State::Failed, &["failed"]),
        (State::Cancelled, &[]),
    ];
    assert_eq!(cases.len(), State::ALL.len());
    for (state, words) in cases {
        assert_eq!(own(state), words, "{}", state.word());
    }
    assert_eq!(told(State::Failed, true, false), ["safety_blocked"]);
    assert_eq!(told(State::Leased, false, true), ["in_progress", "subtask_started"]);
    assert_eq!(told(State::Approved, false, true), ["approved", "subtask_completed"]);
    assert_eq!(told(State::Failed, false, true), ["failed", "subtask_failed"]);

    let ways = [(false, false), (false, true), (true, false), (true, true)];
    let of_tasks = State::ALL.into_iter().flat_map(|state| {
        ways.into_iter().flat_map(move |(safety, child)| told(state, safety, child))
    });
    let of_changes = Gate::ALL.into_iter().filter_map(Gate::status).map(Status::word);
    let produced: BTreeSet<&str> = of_tasks.chain(of_changes).collect();
    let known: BTreeSet<&str> = Status::ALL.iter().map(|status| status.word()).collect();
    assert_eq!(produced, known);
}

fn resident(number: u128) -> ResidentId {
    ResidentId::from_number(number)
}
