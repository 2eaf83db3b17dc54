//! Submissions: `checking` → (`critique`) → (`awaiting_human`) → `decided`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Context, TextRef, chain};
use vivarium_types::ids::{CycleId, DocumentId, ResidentId, SubmissionId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{MicroUsd, Timestamp, Tokens};

use super::draft::Drafts;
use super::verdict::{self, Decider, Profile, Value, Verdict};
use super::{CheckResult, Digest, Event, Outcome, Refused, Target};

/// Everything that was put up for review.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submissions {
    by_id: BTreeMap<SubmissionId, Submission>,
    newest: BTreeMap<TaskId, SubmissionId>,
    /// Hashes of texts that were accepted or rejected before, for the check `duplicate`.
    seen: BTreeSet<Hash>,
}

/// Where a submission stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Its checks run.
    Checking,
    /// A critique is asked for.
    Critique,
    /// A human must decide.
    AwaitingHuman,
    /// It has a verdict.
    Decided,
    /// Its task was cancelled.
    Withdrawn,
}

impl State {
    /// The state as a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Checking => "being checked",
            Self::Critique => "waiting for its critique",
            Self::AwaitingHuman => "waiting for a human",
            Self::Decided => "decided",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What must come out of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A Markdown document.
    Docs,
    /// A plan.
    Plan,
    /// An answer.
    Answer,
    /// The output of a local tool.
    Local,
    /// A plan to split the task, told in the answer.
    Split,
}

/// A document as it was submitted.
#[expect(clippy::struct_field_names, reason = "the document's id is called as in the contract")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The document.
    pub document: DocumentId,
    /// Where it is to lie.
    pub path: String,
    /// Its title.
    pub title: TextRef,
    /// Its text.
    pub body: TextRef,
    /// Its tags.
    pub tags: Vec<String>,
    /// The published version it builds on; 0 for a new document.
    pub base_version: u32,
}

/// What a critic said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Critique {
    /// The model.
    pub model: String,
    /// Whether it is an embedded one.
    pub embedded: bool,
    /// Whether the operator lets this provider judge.
    pub may_judge: bool,
    /// 0 to 4 each, by the rubric's names.
    pub scores: BTreeMap<String, u32>,
    /// What is wrong.
    pub issues: Vec<TextRef>,
    /// What would be better.
    pub suggestions: Vec<TextRef>,
    /// What it cost.
    pub cost: MicroUsd,
}

/// A finished attempt on its way in, as the queue reported it.
#[derive(Debug, Clone)]
pub struct Open {
    /// The submission, minted by the queue.
    pub submission: SubmissionId,
    /// The task.
    pub task: TaskId,
    /// The task's key.
    pub task_key: String,
    /// The task's title.
    pub task_title: TextRef,
    /// The task's instruction.
    pub task_instruction: TextRef,
    /// Who did the work.
    pub resident: Option<ResidentId>,
    /// The attempt's number.
    pub attempt: u32,
    /// The cycle.
    pub cycle: CycleId,
    /// The fencing token of the lease.
    pub token: u64,
    /// The drafts that the queue accepted.
    pub digests: Vec<Digest>,
    /// The answer.
    pub answer: Option<TextRef>,
    /// The resident's words.
    pub summary: Option<TextRef>,
    /// What must come out.
    pub kind: Kind,
    /// Children of a plan to split the task; 0 for a result.
    pub parts: u32,
    /// How thorough its review is to be.
    pub profile: Profile,
    /// What the attempt cost.
    pub cost: MicroUsd,
    /// The model.
    pub model: String,
    /// Whether it is an embedded one.
    pub model_embedded: bool,
    /// How the attempt came to its end.
    pub how: String,
}

/// What `SubmissionOpened` records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The submission.
    pub submission: SubmissionId,
    /// The task.
    pub task: TaskId,
    /// The task's key.
    pub task_key: String,
    /// The task's title.
    pub task_title: TextRef,
    /// The task's instruction.
    pub task_instruction: TextRef,
    /// Who did the work.
    pub resident: Option<ResidentId>,
    /// The attempt's number.
    pub attempt: u32,
    /// The cycle.
    pub cycle: CycleId,
    /// What was staged.
    pub documents: Vec<Document>,
    /// The answer.
    pub answer: Option<TextRef>,
    /// The resident's words.
    pub summary: Option<TextRef>,
    /// What must come out.
    pub kind: Kind,
    /// Children of a plan to split the task; 0 for a result.
    pub parts: u32,
    /// How thorough its review is.
    pub profile: Profile,
    /// SHA-256 over the bundle a human decides about.
    pub payload_hash: Hash,
    /// What the attempt cost.
    pub cost: MicroUsd,
    /// The model.
    pub model: String,
    /// Whether it is an embedded one.
    pub model_embedded: bool,
    /// How the attempt came to its end.
    pub how: String,
}

/// A submission and all that was said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// As it was opened.
    pub opened: Opened,
    /// When.
    pub opened_time: Timestamp,
    /// Where it stands.
    pub state: State,
    /// What the checks found.
    pub results: Vec<CheckResult>,
    /// What the critic said; the reason when there is no critique.
    pub critique: Option<Result<Critique, String>>,
    /// Why a human must decide.
    pub human_because: Vec<String>,
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// When it was decided or withdrawn.
    pub ended_time: Option<Timestamp>,
}

impl Submission {
    /// The gravest of the checks' findings.
    pub fn gravest(&self) -> Outcome {
        self.results.iter().map(|result| result.outcome).max().unwrap_or(Outcome::Clean)
    }

    /// What the checks said, gravest first: the reasons of a rejection by them.
    pub fn blocking_texts(&self) -> Vec<TextRef> {
        let blocking = self.results.iter().filter(|result| result.outcome == Outcome::Blocking);
        blocking.filter_map(|result| result.text.clone()).collect()
    }

    /// A digest of what was submitted, whoever submitted it: equal ones in a row are no progress.
    pub fn content_hash(&self) -> Hash {
        content_hash(&self.opened.documents, self.opened.answer.as_ref())
    }
}

impl Submissions {
    /// A submission by its id.
    pub fn get(&self, id: SubmissionId) -> Option<&Submission> {
        self.by_id.get(&id)
    }

    /// The submission a person means.
    pub fn find(&self, target: Target) -> Option<&Submission> {
        match target {
            Target::Submission(id) => self.by_id.get(&id),
            Target::Task(task) => self.by_id.get(self.newest.get(&task)?),
        }
    }

    /// All of them, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Submission> {
        self.by_id.values().rev()
    }

    /// Whether this very text was accepted or rejected before.
    pub fn has_seen(&self, body: Hash) -> bool {
        self.seen.contains(&body)
    }

    pub(super) fn open(&self, drafts: &Drafts, open: Open) -> Result<Vec<Event>, Refused> {
        if self.by_id.contains_key(&open.submission) {
            return Err(Refused::AlreadyOpen);
        }
        let documents = open
            .digests
            .iter()
            .map(|digest| {
                let draft = drafts.get(digest.document).filter(|draft| {
                    // Only what this very lease staged, as the queue saw it.
                    draft.body.hash == digest.hash
                        && draft.cycle == open.cycle
                        && draft.token == open.token
                })?;
                Some(Document {
                    document: draft.document,
                    path: draft.path.clone(),
                    title: draft.title.clone(),
                    body: draft.body.clone(),
                    tags: draft.tags.clone(),
                    base_version: draft.base_version,
                })
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(Refused::DraftsDiffer)?;
        let payload_hash = payload_hash(open.submission, &documents, open.answer.as_ref());
        Ok(vec![Event::SubmissionOpened(Box::new(Opened {
            submission: open.submission,
            task: open.task,
            task_key: open.task_key,
            task_title: open.task_title,
            task_instruction: open.task_instruction,
            resident: open.resident,
            attempt: open.attempt,
            cycle: open.cycle,
            documents,
            answer: open.answer,
            summary: open.summary,
            kind: open.kind,
            parts: open.parts,
            profile: open.profile,
            payload_hash,
            cost: open.cost,
            model: open.model,
            model_embedded: open.model_embedded,
            how: open.how,
        }))])
    }

    pub(super) fn record_checks(
        &self,
        id: SubmissionId,
        results: Vec<CheckResult>,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Refused> {
        let submission = self.in_state(id, State::Checking)?;
        let mut checked = submission.clone();
        checked.results.clone_from(&results);
        let next = if checked.gravest() == Outcome::Blocking {
            let reasons = checked.blocking_texts();
            verdict::reached(&checked, Value::Reject, Decider::Checks, reasons, Tokens::ZERO, cx)
        } else if submission.opened.kind == Kind::Local {
            asks_human(submission, vec!["local_result".into()])
        } else if submission.opened.profile == Profile::Checks {
            verdict::without_human(&checked, cx)
        } else {
            Event::CritiqueAsked { submission: id, task: submission.opened.task }
        };
        Ok(vec![Event::ChecksEnded { submission: id, results }, next])
    }

    pub(super) fn take_critique(
        &self,
        id: SubmissionId,
        critique: Result<Box<Critique>, String>,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Refused> {
        let mut judged = self.in_state(id, State::Critique)?.clone();
        let critique = critique.map(|critique| *critique);
        judged.critique = Some(critique.clone());
        let next = verdict::without_human(&judged, cx);
        Ok(vec![Event::CritiqueReceived { submission: id, critique: Box::new(critique) }, next])
    }

    pub(super) fn approve(
        &self,
        target: Target,
        payload_hash: Hash,
        tip: Tokens,
        comment: Vec<TextRef>,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Refused> {
        let submission = self.pending(target, payload_hash)?;
        let value = match submission.gravest() {
            Outcome::Clean => Value::Approve,
            Outcome::Minor | Outcome::Hold | Outcome::Blocking => Value::MinorIssues,
        };
        Ok(vec![verdict::reached(submission, value, Decider::Human, comment, tip, cx)])
    }

    pub(super) fn reject(
        &self,
        target: Target,
        payload_hash: Hash,
        reasons: Vec<TextRef>,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Refused> {
        let submission = self.pending(target, payload_hash)?;
        let zero = Tokens::ZERO;
        Ok(vec![verdict::reached(submission, Value::Reject, Decider::Human, reasons, zero, cx)])
    }

    pub(super) fn withdraw(&self, task: TaskId) -> Vec<Event> {
        let open = self
            .find(Target::Task(task))
            .filter(|submission| !matches!(submission.state, State::Decided | State::Withdrawn));
        open.map(|open| Event::SubmissionWithdrawn { submission: open.opened.submission })
            .into_iter()
            .collect()
    }

    fn in_state(&self, id: SubmissionId, wanted: State) -> Result<&Submission, Refused> {
        let submission = self.by_id.get(&id).ok_or(Refused::NotFound)?;
        if submission.state == wanted {
            Ok(submission)
        } else {
            Err(Refused::NotPending { state: submission.state.word() })
        }
    }

    fn pending(&self, target: Target, payload_hash: Hash) -> Result<&Submission, Refused> {
        let submission = self.find(target).ok_or(Refused::NotFound)?;
        if submission.state != State::AwaitingHuman {
            return Err(Refused::NotPending { state: submission.state.word() });
        }
        if submission.opened.payload_hash != payload_hash {
            return Err(Refused::Stale);
        }
        Ok(submission)
    }

    pub(super) fn apply_opened(&mut self, opened: &Opened, now: Timestamp) {
        self.newest.insert(opened.task, opened.submission);
        self.by_id.insert(
            opened.submission,
            Submission {
                opened: opened.clone(),
                opened_time: now,
                state: State::Checking,
                results: Vec::new(),
                critique: None,
                human_because: Vec::new(),
                verdict: None,
                ended_time: None,
            },
        );
    }

    pub(super) fn apply_checks(&mut self, id: SubmissionId, results: &[CheckResult]) {
        if let Some(submission) = self.by_id.get_mut(&id) {
            submission.results = results.to_vec();
        }
    }

    pub(super) fn apply_asked(&mut self, id: SubmissionId) {
        if let Some(submission) = self.by_id.get_mut(&id) {
            submission.state = State::Critique;
        }
    }

    pub(super) fn apply_critique(&mut self, id: SubmissionId, critique: &Result<Critique, String>) {
        if let Some(submission) = self.by_id.get_mut(&id) {
            submission.critique = Some(critique.clone());
        }
    }

    pub(super) fn apply_human_asked(&mut self, id: SubmissionId, because: &[String]) {
        if let Some(submission) = self.by_id.get_mut(&id) {
            submission.state = State::AwaitingHuman;
            submission.human_because = because.to_vec();
        }
    }

    pub(super) fn apply_verdict(&mut self, verdict: &Verdict, now: Timestamp) {
        if let Some(submission) = self.by_id.get_mut(&verdict.submission) {
            submission.state = State::Decided;
            submission.ended_time = Some(now);
            submission.verdict = Some(verdict.clone());
            let bodies = submission.opened.documents.iter().map(|document| document.body.hash);
            self.seen.extend(bodies);
        }
    }

    pub(super) fn apply_withdrawn(&mut self, id: SubmissionId, now: Timestamp) {
        if let Some(submission) = self.by_id.get_mut(&id) {
            submission.state = State::Withdrawn;
            submission.ended_time = Some(now);
        }
    }
}

pub(super) fn asks_human(submission: &Submission, because: Vec<String>) -> Event {
    let Opened { submission, task, .. } = &submission.opened;
    Event::HumanAsked { submission: *submission, task: *task, because }
}

fn payload_hash(id: SubmissionId, documents: &[Document], answer: Option<&TextRef>) -> Hash {
    let content = content_hash(documents, answer);
    chain::digest(&[id.to_string().as_bytes(), &content.0].concat())
}

fn content_hash(documents: &[Document], answer: Option<&TextRef>) -> Hash {
    let mut bytes = Vec::new();
    for document in documents {
        bytes.extend_from_slice(&chain::digest(document.path.as_bytes()).0);
        bytes.extend_from_slice(&document.title.hash.0);
        bytes.extend_from_slice(&document.body.hash.0);
    }
    bytes.extend(answer.iter().flat_map(|answer| answer.hash.0));
    chain::digest(&bytes)
}
