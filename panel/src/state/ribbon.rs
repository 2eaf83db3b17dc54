//! The way of one task as a ribbon of stages, with the moments at which it reached them.

use std::time::Duration;

use vivarium_types::Timestamp;

use super::event::Event;
use super::task::{Kind, State, Task};

/// A stage of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// Somebody asked for it.
    Added,
    /// It waits for its start.
    Waiting,
    /// A resident works.
    Working,
    /// Checks and critic.
    Review,
    /// A person decides.
    You,
    /// Approved and, for documents, published.
    Done,
}

impl Name {
    const ALL: [Self; 6] =
        [Self::Added, Self::Waiting, Self::Working, Self::Review, Self::You, Self::Done];

    /// What stands on the ribbon.
    pub(crate) const fn label(self, kind: Kind, local: bool) -> &'static str {
        match (self, kind) {
            (Self::Added, _) => "Added",
            (Self::Waiting, _) => "Waiting",
            (Self::Working, _) if local => "Tool runs",
            (Self::Working, _) => "Drafting",
            (Self::Review, _) => "Review",
            (Self::You, _) => "You",
            (Self::Done, Kind::Docs | Kind::Plan) if !local => "Library",
            (Self::Done, _) => "Done",
        }
    }
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Passed.
    Passed,
    /// Not needed this time.
    Skipped,
    /// The task is here.
    Here,
    /// The task ended here without success.
    Stopped,
    /// Not reached.
    Ahead,
}

/// One stage of the ribbon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    /// Which.
    pub(crate) name: Name,
    /// How far.
    pub(crate) mark: Mark,
    /// When it was reached.
    pub(crate) reached: Option<Timestamp>,
    /// How long it took. None: it is not over, or not known.
    pub(crate) took: Option<Duration>,
}

/// The ribbon of `task`, from the rows about it in any order. Of several rounds the last one counts.
pub(crate) fn ribbon(task: &Task, rows: &[Event]) -> Vec<Stage> {
    let mut rows: Vec<&Event> = rows.iter().collect();
    rows.sort_by_key(|row| row.time);
    let mut reached: [Option<Timestamp>; 6] = [None; 6];
    reached[0] = Some(task.added);
    for row in rows {
        let place = match row.kind.as_str() {
            "task_added" => 0,
            "task_ready" | "task_requeued" | "attempt_failed" | "attempt_declined"
            | "attempt_returned" | "attempt_halted" | "task_reopened" | "task_resumed" => 1,
            "lease_granted" if row.text("submissionId").is_empty() => 2,
            "attempt_finished" => 3,
            "human_asked" | "task_awaits_human" => 4,
            "task_approved" | "document_published" => 5,
            _ => continue,
        };
        // A new round: what was reached behind this place belongs to the last one.
        for later in reached.iter_mut().skip(place + 1) {
            if place < 5 {
                *later = None;
            }
        }
        reached[place] = Some(row.time);
    }
    stages(task, reached)
}

fn stages(task: &Task, mut reached: [Option<Timestamp>; 6]) -> Vec<Stage> {
    let here = place(task, &reached);
    if reached[1].is_none() && here >= 1 {
        reached[1] = reached[0];
    }
    if reached[here].is_none() {
        reached[here] = Some(task.changed);
    }
    let next = |from: usize| reached.iter().skip(from + 1).flatten().next().copied();
    let stage = |(index, name): (usize, Name)| {
        let mark = match index.cmp(&here) {
            std::cmp::Ordering::Less if reached[index].is_some() => Mark::Passed,
            std::cmp::Ordering::Less => Mark::Skipped,
            std::cmp::Ordering::Greater => Mark::Ahead,
            std::cmp::Ordering::Equal if task.state == State::Approved => Mark::Passed,
            std::cmp::Ordering::Equal if task.state.is_final() => Mark::Stopped,
            std::cmp::Ordering::Equal => Mark::Here,
        };
        let reached_here = reached[index].filter(|_| index <= here);
        let took = match (mark, reached_here, next(index)) {
            (Mark::Passed, Some(from), Some(to)) if index < here => Some(to.since(from)),
            _ => None,
        };
        Stage { name, mark, reached: reached_here, took }
    };
    Name::ALL.into_iter().enumerate().map(stage).collect()
}

fn place(task: &Task, reached: &[Option<Timestamp>; 6]) -> usize {
    match task.state {
        State::Proposed => 0,
        State::Unknown
        | State::Blocked
        | State::Queued
        | State::Ready
        | State::Requeued
        | State::Paused => 1,
        State::Working | State::Split => 2,
        State::InReview => 3,
        State::AwaitingHuman => 4,
        State::Approved => 5,
        State::Failed | State::Cancelled => {
            reached.iter().rposition(Option::is_some).unwrap_or(0).min(4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;

    fn task(state: State) -> Task {
        let added = Timestamp::from_millis(1_000);
        Task { state, added, changed: Timestamp::from_millis(90_000), ..Task::default() }
    }

    fn marks(stages: &[Stage]) -> Vec<Mark> {
        stages.iter().map(|stage| stage.mark).collect()
    }

    #[test]
    fn a_published_task_has_passed_every_stage_with_its_times() {
        let rows = [
            event("queue", 1, "task_added", "{}"),
            event("queue", 3, "lease_granted", "{}"),
            event("queue", 10, "attempt_finished", "{}"),
            event("queue", 11, "lease_granted", r#"{"submissionId":"sub_1"}"#),
            event("review", 12, "human_asked", "{}"),
            event("queue", 20, "task_approved", "{}"),
            event("society", 21, "document_published", "{}"),
        ];
        let stages = ribbon(&task(State::Approved), &rows);
        assert_eq!(marks(&stages), [Mark::Passed; 6]);
        let took: Vec<_> = stages.iter().map(|s| s.took.map(|t| t.as_secs())).collect();
        assert_eq!(took, [Some(0), Some(2), Some(7), Some(2), Some(9), None]);
    }

    #[test]
    fn a_task_sent_back_stands_at_the_beginning_of_a_new_round() {
        let rows = [
            event("queue", 3, "lease_granted", "{}"),
            event("queue", 10, "attempt_finished", "{}"),
            event("queue", 12, "task_requeued", "{}"),
        ];
        let stages = ribbon(&task(State::Requeued), &rows);
        use Mark::{Ahead, Here, Passed};
        assert_eq!(marks(&stages), [Passed, Here, Ahead, Ahead, Ahead, Ahead]);
        assert_eq!(stages[1].reached, Some(Timestamp::from_millis(12_000)));
    }

    #[test]
    fn an_approval_without_a_person_skips_that_stage() {
        let rows = [
            event("queue", 3, "lease_granted", "{}"),
            event("queue", 10, "attempt_finished", "{}"),
            event("queue", 20, "task_approved", "{}"),
        ];
        assert_eq!(ribbon(&task(State::Approved), &rows)[4].mark, Mark::Skipped);
    }

    #[test]
    fn a_failure_stops_where_it_happened_and_a_bare_task_still_has_a_ribbon() {
        let rows = [event("queue", 3, "lease_granted", "{}")];
        assert_eq!(ribbon(&task(State::Failed), &rows)[2].mark, Mark::Stopped);
        let bare = ribbon(&task(State::Working), &[]);
        assert_eq!(bare[2].mark, Mark::Here);
        assert!(bare[2].reached.is_some());
    }
}
