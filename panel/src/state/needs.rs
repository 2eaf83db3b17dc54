//! What waits for a person, the most urgent first.

use super::mail::Thread;
use super::model::Provider;
use super::submission::Submission;
use super::task::{self, State, Task};

/// Something that waits for a person, and where to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// A submission to decide.
    Decide {
        /// The submission.
        submission: String,
        /// The task's title.
        title: String,
        /// Who did the work.
        resident: String,
    },
    /// A task waits for an answer to a letter.
    Answer {
        /// The resident that asks.
        resident: String,
        /// How the letter begins.
        preview: String,
    },
    /// A task stands still.
    Free {
        /// The task.
        task: String,
        /// Its title.
        title: String,
        /// Why.
        why: &'static str,
    },
    /// A local model server was noticed.
    Consent {
        /// The provider.
        provider: String,
    },
    /// No model is usable.
    NoModel,
    /// A letter that nobody has read.
    Read {
        /// The resident that wrote.
        resident: String,
        /// How the letter begins.
        preview: String,
    },
}

/// What a person is asked for, in order of urgency.
pub(crate) fn needs(
    pending: &[Submission],
    threads: &[Thread],
    tasks: &[Task],
    providers: Option<&[Provider]>,
) -> Vec<Need> {
    let mut found = Vec::new();
    if providers.is_some_and(|all| !all.iter().any(|provider| provider.healthy)) {
        found.push(Need::NoModel);
    }
    let answers = threads.iter().filter(|thread| thread.waiting > 0);
    found.extend(answers.map(|thread| Need::Answer {
        resident: thread.resident.clone(),
        preview: thread.preview.clone(),
    }));
    found.extend(pending.iter().map(|submission| Need::Decide {
        submission: submission.id.clone(),
        title: submission.title.clone(),
        resident: submission.resident.clone(),
    }));
    found.extend(tasks.iter().filter_map(stuck));
    let asking = providers.into_iter().flatten().filter(|provider| provider.asks());
    found.extend(asking.map(|provider| Need::Consent { provider: provider.name.clone() }));
    let unread = threads.iter().filter(|thread| thread.unread > 0 && thread.waiting == 0);
    found.extend(unread.map(|thread| Need::Read {
        resident: thread.resident.clone(),
        preview: thread.preview.clone(),
    }));
    found
}

/// A task that stands still for a reason that the Inbox does not show already.
fn stuck(task: &Task) -> Option<Need> {
    let why = match (task.state, task.awaits.as_str()) {
        (State::AwaitingHuman, "approval" | "question") => return None,
        (State::AwaitingHuman, word) => task::awaits_sentence(word),
        (State::Proposed, _) => "It was proposed: admit or refuse it",
        _ if task.wait_is_for_you => task.wait,
        _ => return None,
    };
    Some(Need::Free { task: task.id.clone(), title: task.title.clone(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_comes_before_what_only_lies_there() {
        let thread = |resident: &str, unread, waiting| Thread {
            resident: resident.into(),
            unread,
            waiting,
            ..Thread::default()
        };
        let threads = [thread("res_1", 1, 0), thread("res_2", 1, 1), thread("res_3", 0, 0)];
        let pending = [Submission { id: "sub_1".into(), ..Submission::default() }];
        let held = Task { state: State::AwaitingHuman, awaits: "held".into(), ..Task::default() };
        let asked =
            Task { state: State::AwaitingHuman, awaits: "approval".into(), ..Task::default() };
        let found = needs(&pending, &threads, &[held, asked], Some(&[]));
        assert!(matches!(
            found.as_slice(),
            [
                Need::NoModel,
                Need::Answer { .. },
                Need::Decide { .. },
                Need::Free { .. },
                Need::Read { .. }
            ]
        ));
    }

    #[test]
    fn providers_that_are_not_known_yet_alarm_nobody() {
        assert!(needs(&[], &[], &[], None).is_empty());
    }
}
