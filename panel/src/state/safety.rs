//! What keeps residents from harm: the mode, the rules, the sandbox, and what was stopped.

use vivarium_types::Timestamp;

use super::tone::Tone;

/// What residents may do, each level adding to the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// Documents and nothing else.
    #[default]
    DocsOnly,
    /// Changes are proposed.
    ProposeChanges,
    /// Listed programs run in the sandbox.
    RunSandboxed,
    /// Approved changes are applied.
    ApplyApproved,
}

impl Mode {
    /// All levels, the safest first.
    pub(crate) const ALL: [Self; 4] =
        [Self::DocsOnly, Self::ProposeChanges, Self::RunSandboxed, Self::ApplyApproved];

    /// Its name, which is typed to raise it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DocsOnly => "docs_only",
            Self::ProposeChanges => "propose_changes",
            Self::RunSandboxed => "run_sandboxed",
            Self::ApplyApproved => "apply_approved",
        }
    }

    /// Whether the world can be set to it. The others are named, so that one sees what is to come, and
    /// refused by the queue as not built yet.
    pub(crate) const fn is_built(self) -> bool {
        matches!(self, Self::DocsOnly | Self::RunSandboxed)
    }

    /// What it allows.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::DocsOnly => "Residents write documents, which you approve. No program runs.",
            Self::ProposeChanges => {
                "They also propose changes, which are reviewed and never applied."
            }
            Self::RunSandboxed => "They also run the listed programs, inside the sandbox.",
            Self::ApplyApproved => "The runtime also applies changes that you approved.",
        }
    }
}

/// What one resident may do beyond documents, by a person's consent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Level {
    /// Who.
    pub(crate) resident: String,
    /// The level.
    pub(crate) mode: Mode,
    /// When the consent ends.
    pub(crate) end: Timestamp,
    /// Whether programs may run after others' texts too.
    pub(crate) after_texts: bool,
}

/// What a person consents to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Consent {
    /// The level; the lowest takes a consent back.
    pub(crate) mode: Mode,
    /// The level's name once more, when it is raised.
    pub(crate) confirm: String,
    /// How many days it holds.
    pub(crate) days: u32,
    /// Whether programs may run after others' texts too.
    pub(crate) after_texts: bool,
    /// Why.
    pub(crate) reason: String,
}

/// A rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rule {
    /// Its name.
    pub(crate) name: String,
    /// What it is against. Empty: its file does not say.
    pub(crate) about: String,
    /// What it looks at.
    pub(crate) looks_at: String,
    /// What follows from a match.
    pub(crate) follows: String,
    /// The expressions it looks for.
    pub(crate) patterns: Vec<String>,
    /// Tasks that it blocked.
    pub(crate) blocked: u64,
    /// Tasks that it left to the human.
    pub(crate) held: u64,
    /// Fragments and actions that it stopped.
    pub(crate) stopped: u64,
}

/// The rules in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// All of them.
    pub(crate) all: Vec<Rule>,
    /// Words that leave a match behind them to the human.
    pub(crate) negations: Vec<String>,
    /// The version.
    pub(crate) hash: String,
    /// Whether their file does not load.
    pub(crate) missing: bool,
}

/// What was stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An action of a cycle.
    #[default]
    Action,
    /// A task, left to the human.
    TaskHeld,
    /// A task, for good.
    TaskBlocked,
    /// A fragment of a briefing.
    Fragment,
}

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Self; 4] =
        [Self::Action, Self::TaskHeld, Self::TaskBlocked, Self::Fragment];

    /// In words, for one of them.
    pub(crate) const fn badge(self) -> (&'static str, Tone) {
        match self {
            Self::Action => ("refused", Tone::Waiting),
            Self::TaskHeld => ("held for you", Tone::You),
            Self::TaskBlocked => ("blocked", Tone::Bad),
            Self::Fragment => ("left out", Tone::Review),
        }
    }

    /// In words, for all of them.
    pub(crate) const fn many(self) -> &'static str {
        match self {
            Self::Action => "Actions",
            Self::TaskHeld => "Tasks held",
            Self::TaskBlocked => "Tasks blocked",
            Self::Fragment => "Texts left out",
        }
    }
}

/// Something that was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// Its row in the executor's log.
    pub(crate) sequence: u64,
    /// When.
    pub(crate) time: Timestamp,
    /// What.
    pub(crate) kind: Kind,
    /// The task. Empty: none.
    pub(crate) task: String,
    /// The resident. Empty: none.
    pub(crate) resident: String,
    /// The cycle.
    pub(crate) cycle: String,
    /// The action, or the section of a fragment.
    pub(crate) what: String,
    /// What it was about.
    pub(crate) target: String,
    /// The reason or the rule.
    pub(crate) why: String,
    /// What its receipt says. Empty: private, or nothing.
    pub(crate) told: String,
    /// Where a rule matched: rule, place, whether it blocks.
    pub(crate) findings: Vec<(String, String, bool)>,
}

/// How often something was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// What.
    pub(crate) kind: Kind,
    /// For which reason or by which rule. Empty: whatever it was.
    pub(crate) why: String,
    /// How often.
    pub(crate) times: u64,
}

/// A page of what was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    /// The rows, newest first.
    pub(crate) rows: Vec<Stopped>,
    /// For the next page. Empty: there is none.
    pub(crate) next: String,
    /// How often, of all kinds.
    pub(crate) counts: Vec<Count>,
}

impl Refusals {
    /// How many of a kind, or of all.
    pub(crate) fn count(&self, kind: Option<Kind>) -> u64 {
        let whole = self.counts.iter().filter(|count| count.why.is_empty());
        whole
            .filter(|count| kind.is_none_or(|kind| kind == count.kind))
            .map(|count| count.times)
            .sum()
    }

    /// The most frequent reasons and rules, at most so many.
    pub(crate) fn frequent(&self, kind: Option<Kind>, most: usize) -> Vec<(String, u64)> {
        let mut all: Vec<(String, u64)> = Vec::new();
        let counts = self.counts.iter().filter(|count| !count.why.is_empty());
        for count in counts.filter(|count| kind.is_none_or(|kind| kind == count.kind)) {
            match all.iter_mut().find(|(why, _)| *why == count.why) {
                Some((_, sum)) => *sum += count.times,
                None => all.push((count.why.clone(), count.times)),
            }
        }
        all.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        all.truncate(most);
        all
    }
}

/// A layer of the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) about: String,
    /// Whether it is in force.
    pub(crate) in_force: bool,
    /// Whether nothing runs without it.
    pub(crate) required: bool,
    /// In which form, or why not.
    pub(crate) detail: String,
}

/// The sandbox as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sandbox {
    /// From the outside to the inside.
    pub(crate) layers: Vec<Layer>,
    /// Whether all are in force.
    pub(crate) complete: bool,
    /// Folders that may be read, and where a command finds them.
    pub(crate) roots: Vec<(String, String)>,
}

/// A flag of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Flag {
    /// Its spellings.
    pub(crate) names: String,
    /// The form of its value. Empty: none.
    pub(crate) value: String,
    /// What it does.
    pub(crate) about: String,
}

/// A program of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Program {
    /// What callers name.
    pub(crate) id: String,
    /// What it does.
    pub(crate) about: String,
    /// Its file.
    pub(crate) path: String,
    /// The file's digest.
    pub(crate) sha256: String,
    /// Its flags.
    pub(crate) flags: Vec<Flag>,
    /// What stands behind them.
    pub(crate) positionals: Vec<String>,
    /// Most seconds of a run.
    pub(crate) seconds: u64,
    /// Whether it may start further processes.
    pub(crate) children: bool,
}

/// The table of programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// Those that may be run.
    pub(crate) programs: Vec<Program>,
    /// Listed ones that this machine does not have, and why.
    pub(crate) absent: Vec<(String, String)>,
    /// Why the table is not used. Empty: it is.
    pub(crate) fault: String,
}

/// What a call would come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether the table lets it run.
    pub(crate) allowed: bool,
    /// What would be run, word by word.
    pub(crate) argv: Vec<String>,
    /// Why not, as a reason.
    pub(crate) reason: String,
    /// The rule that refuses it.
    pub(crate) rule: String,
    /// Which argument, from 0.
    pub(crate) argument: Option<u32>,
    /// Why not, as a sentence.
    pub(crate) why: String,
}

/// Arguments as they were typed, one a line. An empty field is no argument, and not an empty one.
pub(crate) fn arguments(typed: &str) -> Vec<String> {
    if typed.is_empty() { Vec::new() } else { typed.split('\n').map(str::to_owned).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(kind: Kind, why: &str, times: u64) -> Count {
        Count { kind, why: why.to_owned(), times }
    }

    #[test]
    fn counts_are_told_as_a_whole_and_by_reason() {
        let counts = vec![
            count(Kind::Action, "", 5),
            count(Kind::Action, "SAFETY_REFUSED", 3),
            count(Kind::Action, "ACTION_REPEATED", 2),
            count(Kind::TaskHeld, "", 4),
            count(Kind::TaskHeld, "network", 4),
            count(Kind::TaskBlocked, "network", 1),
        ];
        let refusals = Refusals { counts, ..Refusals::default() };
        assert_eq!((refusals.count(None), refusals.count(Some(Kind::Action))), (9, 5));
        let told = refusals.frequent(None, 2);
        assert_eq!(told, [("network".to_owned(), 5), ("SAFETY_REFUSED".to_owned(), 3)]);
        assert!(refusals.frequent(Some(Kind::Fragment), 2).is_empty());
    }

    #[test]
    fn arguments_are_lines_and_an_empty_field_is_none() {
        assert!(arguments("").is_empty());
        assert_eq!(arguments("-n\na b\n"), ["-n", "a b", ""]);
    }

    #[test]
    fn each_level_stands_above_the_one_before() {
        assert!(Mode::ALL.is_sorted());
        assert_eq!(Mode::default().name(), "docs_only");
    }
}
