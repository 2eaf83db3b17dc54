//! Tasks as the pages show them.

use vivarium_types::Timestamp;

use super::tone::Tone;

/// Where a task stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// A state that this panel does not know.
    #[default]
    Unknown,
    /// Asked for by a resident.
    Proposed,
    /// A dependency is open.
    Blocked,
    /// Its start lies ahead.
    Queued,
    /// It can be granted.
    Ready,
    /// One live attempt.
    Working,
    /// Children are at work.
    Split,
    /// No verdict yet.
    InReview,
    /// A person must decide.
    AwaitingHuman,
    /// Sent back with feedback.
    Requeued,
    /// Set aside.
    Paused,
    /// Final.
    Approved,
    /// Final.
    Failed,
    /// Final.
    Cancelled,
}

impl State {
    /// All that can be asked for, in the order of a task's life.
    pub(crate) const ALL: [Self; 13] = [
        Self::Proposed,
        Self::Blocked,
        Self::Queued,
        Self::Ready,
        Self::Working,
        Self::Split,
        Self::InReview,
        Self::AwaitingHuman,
        Self::Requeued,
        Self::Paused,
        Self::Approved,
        Self::Failed,
        Self::Cancelled,
    ];

    /// What a badge says.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Proposed => "Proposed",
            Self::Blocked => "Blocked",
            Self::Queued => "Queued",
            Self::Ready => "Ready",
            Self::Working => "Working",
            Self::Split => "Split",
            Self::InReview => "In review",
            Self::AwaitingHuman => "Needs you",
            Self::Requeued => "Sent back",
            Self::Paused => "Set aside",
            Self::Approved => "Approved",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// What its colour means.
    pub(crate) const fn tone(self) -> Tone {
        match self {
            Self::Unknown | Self::Cancelled | Self::Paused => Tone::Plain,
            Self::Blocked | Self::Queued | Self::Ready | Self::Requeued => Tone::Waiting,
            Self::Working | Self::Split => Tone::Busy,
            Self::InReview => Tone::Review,
            Self::AwaitingHuman | Self::Proposed => Tone::You,
            Self::Approved => Tone::Good,
            Self::Failed => Tone::Bad,
        }
    }

    /// Whether nothing follows by itself.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Approved | Self::Failed | Self::Cancelled)
    }
}

/// A group of states that people ask for together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Group {
    /// Every task.
    #[default]
    All,
    /// Not final.
    Open,
    /// Waiting by itself.
    Waiting,
    /// At work or in review.
    Running,
    /// A person must decide.
    NeedsYou,
    /// Approved.
    Done,
    /// Failed or cancelled.
    Ended,
}

impl Group {
    /// All groups in the order of the tabs.
    pub(crate) const ALL: [Self; 7] = [
        Self::All,
        Self::Open,
        Self::Waiting,
        Self::Running,
        Self::NeedsYou,
        Self::Done,
        Self::Ended,
    ];

    /// What the tab says.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Open => "Open",
            Self::Waiting => "Waiting",
            Self::Running => "Running",
            Self::NeedsYou => "Needs you",
            Self::Done => "Done",
            Self::Ended => "Ended",
        }
    }

    /// Its word in an address.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::NeedsYou => "needs-you",
            Self::Done => "done",
            Self::Ended => "ended",
        }
    }

    /// The group of a word in an address.
    pub(crate) fn from_slug(slug: &str) -> Self {
        Self::ALL.into_iter().find(|group| group.slug() == slug).unwrap_or_default()
    }

    /// Its states; none means all.
    pub(crate) fn states(self) -> Vec<State> {
        let holds = |state: &State| match self {
            Self::All => false,
            Self::Open => !state.is_final(),
            Self::Waiting => matches!(
                state,
                State::Blocked | State::Queued | State::Ready | State::Requeued | State::Paused
            ),
            Self::Running => matches!(state, State::Working | State::Split | State::InReview),
            Self::NeedsYou => matches!(state, State::AwaitingHuman | State::Proposed),
            Self::Done => *state == State::Approved,
            Self::Ended => matches!(state, State::Failed | State::Cancelled),
        };
        State::ALL.into_iter().filter(holds).collect()
    }

    /// Whether a task in `state` belongs here.
    pub(crate) fn holds(self, state: State) -> bool {
        self == Self::All || self.states().contains(&state)
    }

    /// How many tasks belong here.
    pub(crate) fn count(self, counts: &[(State, u64)]) -> u64 {
        counts.iter().filter(|(state, _)| self.holds(*state)).map(|(_, count)| count).sum()
    }
}

/// What a task is to bring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Markdown document.
    #[default]
    Docs,
    /// A plan.
    Plan,
    /// A short answer.
    Answer,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Docs, Self::Plan, Self::Answer];

    /// Its word.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Docs => "Document",
            Self::Plan => "Plan",
            Self::Answer => "Answer",
        }
    }
}

/// A task. Lists leave attempts and feedback out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Task {
    /// `tsk_…`.
    pub(crate) id: String,
    /// The name people gave it. Empty: none.
    pub(crate) key: String,
    /// Its title.
    pub(crate) title: String,
    /// What to do.
    pub(crate) instruction: String,
    /// What must hold, what would be nice, what must not happen: label and lines.
    pub(crate) intent: Vec<(&'static str, Vec<String>)>,
    /// What it is to bring.
    pub(crate) kind: Kind,
    /// Whether one tool runs instead of a resident.
    pub(crate) local: bool,
    /// Where its document goes. Empty: by default.
    pub(crate) target: String,
    /// 0 to 9.
    pub(crate) priority: u32,
    /// What all attempts together may cost, in micro-dollars.
    pub(crate) budget_max: i64,
    /// What they cost so far.
    pub(crate) cost: i64,
    /// Where it stands.
    pub(crate) state: State,
    /// Why it does not run now, as a sentence. Empty: it does not wait.
    pub(crate) wait: &'static str,
    /// Whether what it waits for is a person.
    pub(crate) wait_is_for_you: bool,
    /// Why a person must decide, as the world's word. Empty: nobody must.
    pub(crate) awaits: String,
    /// Who asked.
    pub(crate) submitter: String,
    /// When it was added.
    pub(crate) added: Timestamp,
    /// When it last changed.
    pub(crate) changed: Timestamp,
    /// When it can start at the earliest.
    pub(crate) start: Option<Timestamp>,
    /// Attempts so far.
    pub(crate) attempt_count: u32,
    /// Rejections so far.
    pub(crate) rejection_count: u32,
    /// Its attempts, oldest first.
    pub(crate) attempts: Vec<Attempt>,
    /// Feedback, newest first.
    pub(crate) feedback: Vec<String>,
    /// Class and words of its failure.
    pub(crate) failure: Option<(String, String)>,
    /// Tasks it waits for.
    pub(crate) dependencies: Vec<String>,
    /// Tasks that wait for it.
    pub(crate) dependents: Vec<String>,
    /// Who may take it. Empty: anyone.
    pub(crate) resident: String,
    /// Its tags.
    pub(crate) tags: Vec<String>,
    /// The submission under review or decided last. Empty: none.
    pub(crate) submission: String,
    /// What an edit is based on.
    pub(crate) etag: String,
    /// What is admitted of a proposal, as a digest. Empty: it is none.
    pub(crate) proposal_hash: Vec<u8>,
    /// Why it was proposed. Empty: it was not.
    pub(crate) why: String,
    /// The program that it is held for, word for word. Empty: it is not held for one.
    pub(crate) held_program: String,
    /// The digest of that program.
    pub(crate) held_program_hash: Vec<u8>,
}

/// One attempt at a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: u32,
    /// Its cycle.
    pub(crate) cycle: String,
    /// Who worked. Empty: a tool.
    pub(crate) resident: String,
    /// When it was granted.
    pub(crate) start: Timestamp,
    /// When it ended.
    pub(crate) end: Option<Timestamp>,
    /// How it ended, as the world's word. Empty: it runs.
    pub(crate) outcome: String,
    /// The class of its failure. Empty: none.
    pub(crate) failure_class: String,
    /// What it cost, in micro-dollars.
    pub(crate) cost: i64,
    /// What it put up for review. Empty: nothing.
    pub(crate) submission: String,
}

/// Why a person must decide, as a sentence.
pub(crate) fn awaits_sentence(word: &str) -> &'static str {
    match word {
        "approval" => "It waits for your approval",
        "held" => "The safety policy holds it for you",
        "question" => "A resident asks you something and waits for the answer",
        "all_declined" => "Everyone who could take it has declined",
        "no_progress" => "Two submissions in a row were the same",
        "deadline" => "Its deadline has passed",
        "budget" => "Its own budget is spent",
        "input_too_large" => "Its text does not fit into the model's window",
        "attempt_limit" => "It has used up its attempts",
        "child_failed" => "A task it was split into has failed or was cancelled",
        _ => "It waits for you",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_in_exactly_one_group_besides_all_and_open() {
        let narrow = [Group::Waiting, Group::Running, Group::NeedsYou, Group::Done, Group::Ended];
        for state in State::ALL {
            let holders = narrow.iter().filter(|group| group.holds(state)).count();
            assert_eq!(holders, 1, "{state:?}");
            assert_eq!(Group::Open.holds(state), !state.is_final());
            assert!(Group::All.holds(state));
        }
    }

    #[test]
    fn a_group_reads_back_from_its_address_and_counts_its_tasks() {
        for group in Group::ALL {
            assert_eq!(Group::from_slug(group.slug()), group);
        }
        let counts = [(State::Ready, 3), (State::Approved, 4), (State::Failed, 1)];
        assert_eq!(Group::All.count(&counts), 8);
        assert_eq!(Group::Open.count(&counts), 3);
        assert_eq!(Group::Ended.count(&counts), 1);
    }
}
