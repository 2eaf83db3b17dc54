//! Why a task waits, worked out the slow way: from what anybody can see of the state, task by task,
//! without a plan and without an index.

use std::cmp::Reverse;
use std::time::Duration;

use vivarium_queue::domain::Queue;
use vivarium_queue::domain::event::ReturnedFor;
use vivarium_queue::domain::lease::Purpose;
use vivarium_queue::domain::order::WaitReason;
use vivarium_queue::domain::task::{Mode, State, Task, Wait};
use vivarium_queue::domain::world::Pace;
use vivarium_types::Timestamp;
use vivarium_types::ids::ResidentId;

/// The true reason; `None` when it runs, is final, or waits for a person.
pub(crate) fn reason(queue: &Queue, task: &Task, now: Timestamp) -> Option<WaitReason> {
    match task.state {
        State::Blocked => {
            let broken = task
                .added
                .dependencies
                .iter()
                .any(|on| matches!(queue.state_of(*on), State::Failed | State::Cancelled));
            Some(if broken { WaitReason::DependencyFailed } else { WaitReason::Dependency })
        }
        State::Queued | State::Requeued => Some(match task.start.expect("it has a start").1 {
            Wait::NotBefore => WaitReason::NotBefore,
            Wait::BackOff => WaitReason::BackOff,
            Wait::Returned(ReturnedFor::Budget) => WaitReason::Budget,
            Wait::Returned(ReturnedFor::Rate) => WaitReason::Rate,
            Wait::Returned(ReturnedFor::NoProvider) => WaitReason::NoProvider,
        }),
        State::Ready => Some(of_ready(queue, task, now)),
        State::Proposed
        | State::Leased
        | State::Split
        | State::InReview
        | State::AwaitingHuman
        | State::Paused
        | State::Approved
        | State::Failed
        | State::Cancelled => None,
    }
}

fn of_ready(queue: &Queue, task: &Task, now: Timestamp) -> WaitReason {
    if queue.world.halt.is_some() {
        return WaitReason::Halted;
    }
    let next_start = match (queue.world.pace, queue.world.steps_left, queue.world.last_start) {
        (Pace::Paused, _, _) | (Pace::Step, 0, _) => return WaitReason::Paused,
        (Pace::Step, _, _) | (Pace::Wait(_), _, None) => None,
        (Pace::Wait(n), _, Some(last)) => Some(last + Duration::from_secs(u64::from(n))),
    };
    if let Some(own) = obstacle(queue, task) {
        return own;
    }
    let place = |task: &Task| order(queue, task);
    let behind = queue.tasks.values().any(|other| {
        other.state == State::Ready
            && alone(other)
            && place(other) < place(task)
            && obstacle(queue, other) == Some(WaitReason::Exclusive)
    });
    let credit = queue.volatile.connections.values().any(|connection| connection.credit > 0);
    if behind {
        WaitReason::Exclusive
    } else if credit || next_start.is_some_and(|next| next > now) {
        WaitReason::Pace
    } else {
        WaitReason::NoRunner
    }
}

fn obstacle(queue: &Queue, task: &Task) -> Option<WaitReason> {
    let at_work: Vec<&Task> = queue
        .leases
        .values()
        .filter(|lease| lease.granted.purpose != Purpose::Critique)
        .map(|lease| queue.tasks[&lease.granted.task].as_ref())
        .collect();
    let spec = task.spec();
    if at_work.iter().any(|other| alone(other)) {
        return Some(WaitReason::Exclusive);
    }
    let calendar = &queue.world.calendar;
    let sunday = calendar.day > 0 && calendar.day.is_multiple_of(7);
    if calendar.rest_day_on && sunday && !spec.rest_day_ok {
        return Some(WaitReason::RestDay);
    }
    if let Some(key) = &spec.concurrency_key {
        let taken =
            at_work.iter().filter(|other| other.spec().concurrency_key.as_ref() == Some(key));
        let limit = if spec.parallel_safe { spec.concurrency_limit as usize } else { 1 };
        if taken.count() >= limit {
            return Some(WaitReason::ConcurrencyKey);
        }
    }
    let may: Vec<ResidentId> = queue
        .residents
        .iter()
        .filter(|(id, resident)| resident.active && !task.declined.contains(id))
        .filter(|(id, _)| spec.resident.is_none_or(|pinned| pinned == **id))
        .map(|(id, _)| *id)
        .collect();
    let able = |id: &ResidentId| {
        let held = &queue.residents[id].specializations;
        spec.specialization.as_ref().is_none_or(|wanted| held.contains(wanted))
    };
    if spec.mode == Mode::Llm {
        if !queue.provider_usable() {
            return Some(WaitReason::NoProvider);
        }
        if may.is_empty() {
            return Some(WaitReason::NoResident);
        }
        if !may.iter().any(able) {
            return Some(WaitReason::Specialization);
        }
    }
    if alone(task) && !at_work.is_empty() {
        return Some(WaitReason::Exclusive);
    }
    let busy =
        |id: &ResidentId| queue.leases.values().any(|lease| lease.granted.resident == Some(*id));
    let mut hands = may.iter().filter(|id| able(id));
    (spec.mode == Mode::Llm && hands.all(busy)).then_some(WaitReason::ResidentBusy)
}

fn alone(task: &Task) -> bool {
    !task.spec().parallel_safe && task.spec().concurrency_key.is_none()
}

/// Less is earlier. Histories are short: nobody ages.
fn order(queue: &Queue, task: &Task) -> impl Ord + use<> {
    (Reverse(task.spec().priority), turn(queue, task), task.ready_since, task.id())
}

/// How many of the latest grants went to tasks of the same submitter, and when it had the last one.
pub(crate) fn turn(queue: &Queue, task: &Task) -> (usize, u64) {
    let submitter = &task.added.submitter;
    let recent = queue.recent_grants.iter().filter(|other| *other == submitter).count();
    (recent, queue.turns.of(submitter))
}
