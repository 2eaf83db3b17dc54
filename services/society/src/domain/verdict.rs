//! What a verdict means here: a record, a lesson, documents in the library, a tip, a word in the town
//! hall; all of it in one commit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Context, TextRef};
use vivarium_types::Permille;
use vivarium_types::ids::{MemoryId, ResidentId, SubmissionId};

use super::income::{Share, Valued};
use super::library::{Accepted, Origin, Value};
use super::memory::{self, Kept, Kind, Lesson};
use super::resident::Remembered;
use super::wallet::Cause;
use super::{Event, Label, Refused, Society, moved};

/// Importance of a lesson about accepted work.
const ACCEPTED_IMPORTANCE: u32 = 3;
/// Importance of a lesson about rejected work.
const REJECTED_IMPORTANCE: u32 = 4;
/// Accepted submissions whose wage may be outstanding.
const UNPAID_MAX: usize = 4_096;

/// A verdict as review tells of it, with the texts that follow from it.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What was decided about.
    pub submission: SubmissionId,
    /// Who did the work; unset for local tasks.
    pub resident: Option<ResidentId>,
    /// What all of its documents share.
    pub origin: Origin,
    /// Review's rubric.
    pub rubric: Permille,
    /// The human's tip.
    pub tip: i64,
    /// What is to be published; nothing of rejected work.
    pub documents: Vec<Accepted>,
    /// What its author learns.
    pub lesson: Option<Lesson>,
    /// What the town hall reads, and how far it is to be trusted.
    pub line: (TextRef, Label),
}

/// The rubric of accepted submissions, until their task is valued.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpaid {
    rubrics: BTreeMap<SubmissionId, Permille>,
}

impl Unpaid {
    /// The rubric of a submission; 0 when it has none.
    pub fn rubric(&self, submission: SubmissionId) -> Permille {
        self.rubrics.get(&submission).copied().unwrap_or_default()
    }

    /// Whether the verdict about a submission has come.
    pub fn knows(&self, submission: SubmissionId) -> bool {
        self.rubrics.contains_key(&submission)
    }

    /// A submission was decided about.
    pub fn apply_remembered(&mut self, remembered: &Remembered) {
        if remembered.accepted {
            self.rubrics.insert(remembered.submission, remembered.rubric);
            if self.rubrics.len() > UNPAID_MAX {
                self.rubrics.pop_first();
            }
        }
    }

    /// A task was valued.
    pub fn apply_valued(&mut self, valued: &Valued) {
        self.rubrics.remove(&valued.submission);
    }
}

impl Society {
    /// Everything that follows from a verdict.
    pub(super) fn take_verdict(
        &self,
        verdict: Verdict,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Refused> {
        if cx.claimed(&format!("verdict:{}", verdict.submission)).is_some() {
            return Err(Refused::Known);
        }
        let day = self.today.day;
        let known = verdict.resident.filter(|who| self.residents.get(*who).is_some());
        let tags = tags(&verdict.documents);
        let mut events = Vec::new();
        if let Some(who) = known {
            events.extend(self.remember_attempt(&verdict, who, tags, cx));
        }
        for document in verdict.documents {
            events.extend(self.library.publish(document, &verdict.origin, day));
        }
        if let Some(who) = known.filter(|_| verdict.tip > 0) {
            let mut booking = self.booking();
            let ver = verdict.origin.review.verdict;
            let (key, subject) = (format!("tip:{ver}"), verdict.submission.to_string());
            booking.earn(key, Cause::Tip, subject, who, (verdict.tip, Share::Whole));
            events.extend(moved(booking));
        }
        let task = verdict.origin.task;
        events.extend(self.rooms.tell(verdict.line, task, verdict.resident, day, cx));
        Ok(events)
    }

    /// The record of a decided attempt and the lesson it taught.
    fn remember_attempt(
        &self,
        verdict: &Verdict,
        who: ResidentId,
        tags: Vec<String>,
        cx: &Context<'_>,
    ) -> Vec<Event> {
        let accepted = verdict.origin.review.value != Value::Reject;
        let (memory, lesson) = match verdict.lesson.clone() {
            None => (None, Vec::new()),
            // Forgotten in between: then there is no lesson, but the verdict stands.
            Some(Lesson::Again(memory)) => {
                let again = self.memories.refresh(who, memory, self.today.day, 0).ok();
                (again.is_some().then_some(memory), again.into_iter().collect())
            }
            Some(Lesson::New { text, label, signs }) => {
                let memory: MemoryId = cx.mint();
                let kept = Kept {
                    memory,
                    resident: who,
                    kind: Kind::Lesson,
                    text,
                    tags: tags.iter().take(5).cloned().collect(),
                    importance: if accepted { ACCEPTED_IMPORTANCE } else { REJECTED_IMPORTANCE },
                    about: vec![verdict.origin.task.to_string()],
                    source: verdict.submission.to_string(),
                    label,
                    supersedes: None,
                    state: memory::state(signs),
                    day: self.today.day,
                    token: 0,
                };
                let (most, sessions) = (self.rules.live_memories, self.sessions(who));
                (Some(memory), self.memories.room_for(kept, most, sessions))
            }
        };
        let remembered = Remembered {
            resident: who,
            task: verdict.origin.task,
            submission: verdict.submission,
            accepted,
            tags,
            memory,
            confidence: verdict.origin.review.confidence,
            rubric: verdict.rubric,
            cost: verdict.origin.cost,
        };
        let mut events = vec![Event::AttemptRemembered(Box::new(remembered))];
        events.extend(lesson);
        events
    }
}

/// The tags of all documents, each once, at most 8.
fn tags(documents: &[Accepted]) -> Vec<String> {
    let mut tags: Vec<_> = documents.iter().flat_map(|document| document.tags.clone()).collect();
    tags.sort_unstable();
    tags.dedup();
    tags.truncate(8);
    tags
}
