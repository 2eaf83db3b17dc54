//! Tasks that residents propose and humans admit or refuse.

use std::collections::BTreeSet;

use super::super::propose::{Offer, Wish};
use super::super::split;
use super::*;

fn wish(stand: &Stand, task: TaskId, like: u8) -> Command {
    wish_for(stand, task, like, spec())
}

fn wish_for(stand: &Stand, task: TaskId, like: u8, spec: Spec) -> Command {
    Command::Propose(Box::new(Wish {
        held: stand.held(task),
        proposal: proposal(Spec { rest_day_ok: false, ..spec }),
        why: text("why"),
        likeness: Hash([like; 32]),
        ancestors: BTreeSet::from([Hash([9; 32])]),
        open_max: 2_048,
    }))
}

fn proposed(events: &[Event]) -> TaskId {
    let found = events.iter().find_map(|event| {
        let Event::TaskProposed(proposed) = event else { return None };
        Some(proposed.added.task)
    });
    found.expect("it is proposed")
}

impl Stand {
    /// A task that the resident at work on `task` proposes.
    pub(super) fn propose(&mut self, task: TaskId, spec: Spec) -> TaskId {
        let asked = wish_for(self, task, 1, spec);
        proposed(&self.run(asked))
    }
}

/// The digest of a proposal as it is now.
fn hash(stand: &Stand, task: TaskId) -> Hash {
    stand.queue.tasks[&task].proposal_hash()
}

#[test]
fn a_proposal_runs_once_a_human_has_admitted_exactly_what_was_read() {
    let mut stand = Stand::new();
    let at_work = stand.add(spec());
    let asked = wish(&stand, at_work, 1);
    let task = proposed(&stand.run(asked));
    assert_eq!((stand.state(task), stand.waits(task)), (State::Proposed, None));
    let holder = stand.grants()[0].resident.expect("somebody works");
    let known = &stand.queue.tasks[&task];
    assert_eq!(known.added.submitter, Actor::Resident(holder).to_string());
    let read = hash(&stand, task);
    let edit = edit(&stand, task, &["priority"], Spec { priority: 9, ..spec() });
    stand.run(edit);
    assert_eq!(stand.state(task), State::Proposed, "an edit admits nothing");
    let (name, other) = (task.to_string(), Hash::default());
    for hash in [read, other] {
        let refused = stand.refused(Command::Admit { task: name.clone(), hash });
        assert_eq!(refused, Rejection::ProposalStale);
    }
    stand.run(Command::Pause { task: name.clone() });
    stand.run(Command::ResumeTask { task: name.clone() });
    assert_eq!(stand.state(task), State::Proposed, "setting aside admits nothing");
    let hash = hash(&stand, task);
    stand.run(Command::Admit { task: name.clone(), hash });
    assert_eq!(stand.state(task), State::Leased);
    let again = stand.refused(Command::Admit { task: name, hash });
    assert!(matches!(again, Rejection::Transition { request: "admit", .. }));
}

#[test]
fn a_refused_proposal_is_cancelled_and_what_is_no_proposal_is_not_refused() {
    let mut stand = Stand::new();
    let at_work = stand.add(spec());
    let asked = wish(&stand, at_work, 1);
    let task = proposed(&stand.run(asked));
    stand.advance(Duration::from_hours(24 * 30));
    assert_eq!(stand.state(task), State::Proposed, "it never lapses");
    let (name, hash) = (task.to_string(), hash(&stand, task));
    let reason = Some(text("no"));
    stand.run(Command::Refuse { task: name, hash, reason });
    assert_eq!(stand.state(task), State::Cancelled);
    let (task, reason) = (at_work.to_string(), None);
    let refused = stand.refused(Command::Refuse { task, hash, reason });
    assert!(matches!(refused, Rejection::Transition { request: "refuse", .. }));
}

#[test]
fn a_resident_has_at_most_three_open_proposals_none_twice_and_three_a_day() {
    let mut stand = Stand::new();
    let at_work = stand.add(spec());
    let own = wish(&stand, at_work, 9);
    let refused = stand.refused(own);
    assert_eq!(refused, Rejection::Duplicate { task: at_work.to_string() }, "its own task");
    let mut tasks = Vec::new();
    for like in 1..=3 {
        let asked = wish(&stand, at_work, like);
        tasks.push(proposed(&stand.run(asked)));
        let again = wish(&stand, at_work, like);
        let task = tasks[tasks.len() - 1].to_string();
        assert_eq!(stand.refused(again), Rejection::Duplicate { task });
    }
    let fourth = wish(&stand, at_work, 4);
    assert_eq!(stand.refused(fourth.clone()), Rejection::ProposalsSpent { max: 3 });
    let (task, hash) = (tasks[0].to_string(), hash(&stand, tasks[0]));
    stand.run(Command::Refuse { task, hash, reason: None });
    assert_eq!(stand.refused(fourth), Rejection::ProposalsSpent { max: 3 }, "of one day");
}

#[test]
fn what_a_person_brings_runs_in_order_once_each_is_admitted() {
    let mut stand = Stand::new();
    let offer = |key: &str, depends_on: &[&str]| Offer {
        proposal: proposal(Spec {
            key: Some(key.to_owned()),
            depends_on: depends_on.iter().map(|&on| on.to_owned()).collect(),
            ..spec()
        }),
        why: text("why"),
        likeness: Hash([1; 32]),
        feedback: vec![text("too short")],
    };
    let offers = vec![offer("second", &["first"]), offer("first", &[])];
    let events = stand.run(Command::Offer { offers: offers.clone(), open_max: 2_048 });
    let [second, first] = [0, 1].map(|at| proposed(&events[at..]));
    for task in [first, second] {
        assert_eq!(stand.state(task), State::Proposed);
        let added = &stand.queue.tasks[&task].added;
        assert!(added.submitter.starts_with("operator:"), "{}", added.submitter);
    }
    let taken = stand.refused(Command::Offer { offers, open_max: 2_048 });
    assert!(matches!(taken, Rejection::KeyTaken { .. }), "{taken:?}");
    for (task, state) in [(second, State::Blocked), (first, State::Leased)] {
        let (name, hash) = (task.to_string(), hash(&stand, task));
        stand.run(Command::Admit { task: name, hash });
        assert_eq!(stand.state(task), state);
    }
    let feedback: Vec<_> = stand.queue.tasks[&first].feedback.clone();
    assert_eq!(feedback, [text("too short")], "it stands in the first grant");
    let (hash, task) =
        (hash(&stand, first), &mut stand.queue.tasks.get_mut(&first).expect("it is there"));
    task.feedback.clear();
    assert_ne!(task.proposal_hash(), hash, "what was said of it is admitted with it");
}

#[test]
fn a_proposal_without_a_live_lease_of_a_resident_is_refused() {
    let mut stand = Stand::new();
    let at_work = stand.add(spec());
    let asked = wish(&stand, at_work, 1);
    stand.finish(at_work);
    assert!(matches!(stand.refused(asked), Rejection::LeaseLost(_)));
    let local = stand.add(Spec { mode: Mode::Local, command: vec!["ls".into()], ..spec() });
    let asked = wish(&stand, local, 1);
    assert!(matches!(stand.refused(asked), Rejection::LeaseLost(_)), "a tool proposes nothing");
}

#[test]
fn rule_4_4_a_proposal_is_unlike_all_above_it_and_at_most_two_deep() {
    let mut stand = Stand::new();
    let wish = |stand: &Stand, at: TaskId, like: u8, own: u8| {
        Command::Propose(Box::new(Wish {
            held: stand.held(at),
            proposal: proposal(spec()),
            why: text("why"),
            likeness: Hash([like; 32]),
            ancestors: BTreeSet::from([Hash([own; 32])]),
            open_max: 2_048,
        }))
    };
    let mut at = stand.add(spec());
    // Task 0 was asked for by a person; 1 and 2 come out of each other's cycles.
    for depth in 1..=2 {
        let asked = wish(&stand, at, depth, depth - 1);
        let next = proposed(&stand.run(asked));
        // What stands above is over and forgotten before the proposal is admitted.
        stand.approve(at);
        let (task, hash) = (next.to_string(), hash(&stand, next));
        stand.run(Command::Admit { task, hash });
        assert_eq!(stand.queue.tasks[&next].depth(), u32::from(depth));
        for above in 0..depth {
            let again = wish(&stand, next, above, depth);
            let duplicate = Rejection::Duplicate { task: next.to_string() };
            assert_eq!(stand.refused(again), duplicate, "{above} is above {depth}");
        }
        at = next;
    }
    let deeper = wish(&stand, at, 3, 2);
    assert_eq!(stand.refused(deeper), Rejection::TooDeep { max: 2 });
    assert!(!split::may_split(&stand.queue.tasks[&at]), "a part would lie as deep");
}
