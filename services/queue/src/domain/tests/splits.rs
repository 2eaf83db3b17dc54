//! Tasks that are split, their children, and what becomes of both.

use std::collections::BTreeSet;

use super::super::split::{Part, Plan};
use super::*;

/// A plan of parts with these shares and predecessors.
fn plan(parts: &[(u32, &[usize])]) -> Plan {
    let part = |(at, (share, after)): (usize, &(u32, &[usize]))| Part {
        title: text(&format!("title {at}")),
        instruction: text(&format!("part {at}")),
        after: after.iter().copied().collect(),
        share: *share,
    };
    Plan { reason: text("reason"), parts: parts.iter().enumerate().map(part).collect() }
}

fn planned(plan: Plan) -> Outcome {
    Outcome::Finished(Work { how: "split".into(), plan: Some(Box::new(plan)), ..Work::default() })
}

impl Stand {
    /// Splits a leased task; its children, in the order of the plan.
    fn split(&mut self, task: TaskId, parts: &[(u32, &[usize])]) -> Vec<TaskId> {
        self.end(task, planned(plan(parts)));
        assert_eq!(self.state(task), State::InReview);
        self.verdict(task, true, 0);
        self.queue.tasks[&task].children.clone()
    }

    pub(super) fn halves(&mut self, task: TaskId) -> Vec<TaskId> {
        self.split(task, &[(50, &[]), (50, &[])])
    }

    fn states(&self, tasks: &[TaskId]) -> Vec<State> {
        tasks.iter().map(|task| self.state(*task)).collect()
    }
}

#[test]
fn line_24_a_split_parent_waits_for_its_children_and_is_integrated_once() {
    let mut stand = Stand::new();
    let parent = stand.add(spec());
    let children = stand.split(parent, &[(60, &[]), (40, &[0])]);
    assert_eq!(stand.state(parent), State::Split);
    assert_eq!(stand.states(&children), [State::Leased, State::Blocked]);
    stand.approve(children[0]);
    assert_eq!(stand.state(parent), State::Split, "one of two is not all");
    assert_eq!(stand.state(children[1]), State::Leased);
    stand.approve(children[1]);
    assert_eq!(stand.state(parent), State::Leased, "one integration attempt");
    let parts: Vec<TaskId> = stand.queue.parts_done(parent).map(|(child, _)| child).collect();
    assert_eq!(parts.iter().collect::<BTreeSet<_>>(), children.iter().collect());
    let again = planned(plan(&[(50, &[]), (50, &[])]));
    let refused = stand.refused(finish(stand.held(parent), again, 0));
    assert!(matches!(refused, Rejection::PlanRefused { .. }), "it is not split a second time");
    stand.approve(parent);
    let grants = stand.grants().iter().filter(|granted| granted.task == parent).count();
    assert_eq!(grants, 2, "one attempt that planned and one that put together");
    let approved = stand.log.iter().rev().find_map(|(event, _)| {
        let Event::TaskApproved(approved) = event else { return None };
        Some(approved.clone())
    });
    assert!(approved.expect("the parent is approved").integrated);
}

#[test]
fn line_24_a_failed_or_cancelled_child_asks_a_person_who_mends_it_or_goes_on() {
    let mut stand = Stand::new();
    let parent = stand.add(spec());
    let children = stand.split(parent, &[(40, &[]), (30, &[0]), (30, &[])]);
    stand.fail(children[0]);
    assert_eq!(stand.awaits(parent), Some(Awaits::ChildFailed));
    assert_eq!(stand.state(parent), State::AwaitingHuman);
    stand.run(Command::Requeue { task: children[0].to_string() });
    assert_eq!(stand.state(parent), State::Split, "the child is at work again");
    stand.fail(children[0]);
    assert_eq!(stand.state(parent), State::AwaitingHuman);
    stand.run(Command::Requeue { task: parent.to_string() });
    assert_eq!(stand.state(parent), State::Split, "the third is at work");
    assert_eq!(stand.state(children[1]), State::Cancelled, "it would wait for ever");
    stand.approve(children[2]);
    assert_eq!(stand.state(parent), State::Leased, "it goes on with what there is");
    assert_eq!(stand.queue.parts_done(parent).count(), 1);
}

#[test]
fn line_24_a_split_below_a_split_goes_up_again_and_no_deeper_than_two() {
    let mut stand = Stand::new();
    let root = stand.add(spec());
    let children = stand.halves(root);
    let below = stand.halves(children[0]);
    let refused =
        stand.refused(finish(stand.held(below[0]), planned(plan(&[(50, &[]), (50, &[])])), 0));
    assert!(matches!(refused, Rejection::PlanRefused { .. }), "it lies two splits deep");
    for child in below {
        stand.approve(child);
    }
    stand.approve(children[0]);
    assert_eq!(stand.state(root), State::Split);
    stand.approve(children[1]);
    stand.approve(root);
}

#[test]
fn line_26_a_childs_status_never_shows_as_its_parents() {
    let mut stand = Stand::new();
    let parent = stand.add(spec());
    let children = stand.halves(parent);
    stand.finish(children[0]);
    assert_eq!(stand.state(parent), State::Split);
    stand.verdict(children[0], false, 1);
    assert_eq!(stand.states(&[children[0], parent]), [State::Requeued, State::Split]);
    stand.run(Command::Pause { task: children[1].to_string() });
    assert_eq!(stand.states(&[children[1], parent]), [State::Paused, State::Split]);
}

#[test]
fn line_23_cancel_ends_the_whole_subtree_and_pause_sets_it_aside() {
    let mut stand = Stand::new();
    let root = stand.add(spec());
    let children = stand.halves(root);
    let below = stand.halves(children[0]);
    let all = [vec![root], children, below.clone()].concat();
    let before = stand.states(&all);
    stand.run(Command::Pause { task: root.to_string() });
    assert!(stand.states(&all).iter().all(|state| *state == State::Paused));
    assert!(stand.queue.leases.is_empty(), "live attempts are revoked");
    stand.turn(|queue| queue.credit("executor", 1, 8));
    stand.run(Command::ResumeTask { task: root.to_string() });
    assert_eq!(stand.states(&all), before, "each is in the state that the facts give");
    stand.fail(below[0]);
    stand.run(Command::Cancel { task: root.to_string(), reason: None });
    assert!(stand.queue.leases.is_empty(), "no child goes on");
    let ended = stand.states(&all);
    assert_eq!(ended.iter().filter(|state| **state == State::Cancelled).count(), all.len() - 1);
    let again = stand.refused(Command::Requeue { task: below[0].to_string() });
    assert!(matches!(again, Rejection::Transition { .. }), "nobody waits for it any more");
}

#[test]
fn line_23_cancel_reaches_a_child_beside_one_that_is_over() {
    for over in 0..2 {
        let mut stand = Stand::new();
        let parent = stand.add(spec());
        let children = stand.halves(parent);
        stand.approve(children[over]);
        stand.run(Command::Cancel { task: parent.to_string(), reason: None });
        assert_eq!(stand.state(children[1 - over]), State::Cancelled);
        assert_eq!(stand.state(children[over]), State::Approved);
    }
}

#[test]
fn a_plan_accepted_while_its_task_is_paused_sets_the_children_aside_as_well() {
    let mut stand = Stand::new();
    let parent = stand.add(spec());
    stand.end(parent, planned(plan(&[(50, &[]), (50, &[0])])));
    stand.run(Command::Pause { task: parent.to_string() });
    stand.verdict(parent, true, 0);
    let children = stand.queue.tasks[&parent].children.clone();
    assert_eq!(stand.states(&children), [State::Paused, State::Paused]);
    stand.run(Command::ResumeTask { task: parent.to_string() });
    assert_eq!(stand.state(parent), State::Split);
    assert_eq!(stand.states(&children), [State::Leased, State::Blocked]);
}

#[test]
fn children_share_four_fifths_of_what_is_left_and_inherit_their_parents_terms() {
    let mut stand = Stand::new();
    let tags = vec!["birds".to_owned()];
    let parent = stand.add(Spec { priority: 8, rest_day_ok: false, tags, ..spec() });
    stand.end_at_cost(parent, planned(plan(&[(75, &[]), (25, &[])])), 10_000);
    stand.verdict(parent, true, 0);
    let task = &stand.queue.tasks[&parent];
    let children: Vec<_> = task.children.iter().map(|id| &stand.queue.tasks[id]).collect();
    let budgets: Vec<i64> = children.iter().map(|c| c.spec().budget_max.get()).collect();
    assert_eq!(budgets, [54_000, 18_000]);
    assert_eq!(task.budget_left(), MicroUsd::new(18_000), "a fifth is left for the integration");
    for child in children {
        let (own, of) = (child.spec(), task.spec());
        assert_eq!(child.added.submitter, task.added.submitter);
        assert_eq!((own.priority, &own.tags, own.rest_day_ok), (8, &of.tags, false));
        assert!(own.budget_min <= own.budget_max);
    }
}

#[test]
fn a_rejected_plan_is_requeued_with_its_feedback_and_the_third_fails() {
    let mut stand = Stand::new();
    let parent = stand.add(spec());
    for content in 0..3 {
        stand.advance_until(parent, State::Leased);
        stand.end(parent, planned(plan(&[(50, &[]), (50, &[])])));
        stand.verdict(parent, false, content);
        let heard = stand.queue.tasks[&parent].feedback.len();
        assert_eq!(heard, usize::from(content) + 1, "no word is lost");
    }
    assert_eq!(stand.state(parent), State::Failed);
    assert_eq!(stand.queue.tasks.len(), 1, "and nothing was added");
}

#[test]
fn a_child_never_waits_for_what_waits_for_its_parent() {
    let mut stand = Stand::new();
    let parent = stand.add(named("parent", &[]));
    let after = stand.add(named("after", &["parent"]));
    let children = stand.halves(parent);
    stand.run(Command::Pause { task: children[0].to_string() });
    for on in ["parent".to_owned(), after.to_string()] {
        let wanted = Spec { depends_on: vec![on], ..spec() };
        let edit = edit(&stand, children[0], &["depends_on"], wanted);
        let refused = stand.refused(edit);
        assert!(matches!(refused, Rejection::DependencyCycle { .. }), "{refused:?}");
    }
}
