//! What review does about other services' events, and about its own submissions.
//!
//! From `queue`: a finished attempt is put up for review, a cancelled task withdraws it. From
//! `executor`: critiques. From its own ledger: each submission that was opened is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use vivarium_chassis::client::Peer;
use vivarium_chassis::{Deps, Problem, Service};
use vivarium_ledger::cursor::{Ended, follow};
use vivarium_ledger::{Handler, Ledger, Reaction, Row, TextRef, Texts, Trouble};
use vivarium_proto::executor::v1 as executor_pb;
use vivarium_proto::executor::v1::executor_event::Event as ExecutorEvent;
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_proto::queue::v1 as queue_pb;
use vivarium_proto::queue::v1::queue_event::Event as QueueEvent;
use vivarium_proto::review::v1 as pb;
use vivarium_types::ids::SubmissionId;
use vivarium_types::source::Hash;
use vivarium_types::{Actor, MicroUsd};

use crate::checks::{self, Material, Page};
use crate::config::Config;
use crate::domain::submission::{Critique, Kind, Open, Submission};
use crate::domain::verdict::Profile;
use crate::domain::{CheckResult, Command, Digest, Event, Outcome, Review};
use crate::metrics::Counters;

/// Starts following queue, executor and the own ledger.
pub fn start(ledger: &Ledger<Review>, config: Config, counters: Counters, deps: &Deps) {
    let queue = deps.peers.to(Service::Queue);
    let handler = OfQueue { ledger: ledger.clone(), queue: queue.clone() };
    let following = follow(ledger.clone(), queue.source(), handler);
    deps.tasks.spawn("follow queue", until_end(following));

    let executor = deps.peers.to(Service::Executor);
    let handler = OfExecutor { ledger: ledger.clone(), executor: executor.clone() };
    let following = follow(ledger.clone(), executor.source(), handler);
    deps.tasks.spawn("follow executor", until_end(following));

    let library = deps.world.library();
    let handler = OfSelf { ledger: ledger.clone(), config, counters, library };
    let following = follow(ledger.clone(), std::sync::Arc::new(ledger.clone()), handler);
    deps.tasks.spawn("check submissions", until_end(following));
}

/// A follower ends at the drain, or when the followed log is another one; then a person must act,
/// and this service goes on with what it has.
async fn until_end(following: impl Future<Output = Ended>) {
    let ended = following.await;
    tracing::debug!(?ended, "a follower ended");
}

/// The actor of what follows from another service's event.
fn cause(service: Service) -> Actor {
    Actor::service(service.name())
}

struct OfQueue {
    ledger: Ledger<Review>,
    queue: Peer,
}

#[async_trait]
impl Handler<Review> for OfQueue {
    fn concerns(&self, kind: &str) -> bool {
        matches!(kind, "attempt_finished" | "task_cancelled")
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Review>, Trouble> {
        let event: queue_pb::QueueEvent = decode(row)?;
        match event.event {
            Some(QueueEvent::AttemptFinished(finished)) => self.open(finished).await,
            Some(QueueEvent::TaskCancelled(cancelled)) => {
                let task = parse(&cancelled.task_id, "task_id")?;
                Ok(Reaction::command(cause(Service::Queue), Command::Withdraw { task }))
            }
            _ => Ok(Reaction::Nothing),
        }
    }
}

impl OfQueue {
    async fn open(&self, finished: queue_pb::AttemptFinished) -> Result<Reaction<Review>, Trouble> {
        let parts = finished.plan.as_ref().map_or(0, |plan| plan.parts.len());
        let kind = match (finished.mode(), finished.kind()) {
            _ if parts > 0 => Kind::Split,
            (queue_pb::TaskMode::Local, _) => Kind::Local,
            (_, queue_pb::TaskKind::Plan) => Kind::Plan,
            (_, queue_pb::TaskKind::Answer) => Kind::Answer,
            (_, queue_pb::TaskKind::Docs | queue_pb::TaskKind::Unspecified) => Kind::Docs,
        };
        let profile = match finished.review() {
            pb::Profile::Checks => Profile::Checks,
            pb::Profile::Strict => Profile::Strict,
            pb::Profile::Unspecified | pb::Profile::Light | pb::Profile::Standard => Profile::Light,
        };
        let named = [
            finished.title.as_ref(),
            finished.instruction.as_ref(),
            finished.answer.as_ref(),
            finished.summary.as_ref(),
        ];
        let mut texts = self.ledger.texts();
        let [title, instruction, answer, summary] = copies(&self.queue, named, &mut texts).await?;
        let open = Open {
            submission: parse(&finished.submission_id, "submission_id")?,
            task: parse(&finished.task_id, "task_id")?,
            task_key: finished.key,
            task_title: title.ok_or_else(|| malformed("title"))?,
            task_instruction: instruction.ok_or_else(|| malformed("instruction"))?,
            resident: optional(&finished.resident_id, "resident_id")?,
            attempt: finished.attempt_number,
            cycle: parse(&finished.cycle_id, "cycle_id")?,
            token: finished.fencing_token,
            digests: finished.documents.iter().map(digest).collect::<Result<_, _>>()?,
            answer,
            summary,
            profile,
            kind,
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
            cost: MicroUsd::new(finished.cost_micro_usd),
            model: finished.model,
            model_embedded: finished.model_embedded,
            how: finished.how,
        };
        Ok(Reaction::Command {
            actor: cause(Service::Queue),
            command: Command::Open(Box::new(open)),
            texts: texts.into_rows(),
        })
    }
}

struct OfExecutor {
    ledger: Ledger<Review>,
    executor: Peer,
}

#[async_trait]
impl Handler<Review> for OfExecutor {
    fn concerns(&self, kind: &str) -> bool {
        matches!(kind, "critique_made" | "critique_failed")
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Review>, Trouble> {
        let event: executor_pb::ExecutorEvent = decode(row)?;
        match event.event {
            Some(ExecutorEvent::CritiqueMade(made)) => self.take(made).await,
            Some(ExecutorEvent::CritiqueFailed(failed)) => {
                let submission = parse(&failed.submission_id, "submission_id")?;
                let critique = Err(failed.reason);
                let command = Command::TakeCritique { submission, critique };
                Ok(Reaction::command(cause(Service::Executor), command))
            }
            _ => Ok(Reaction::Nothing),
        }
    }
}

impl OfExecutor {
    async fn take(&self, made: executor_pb::CritiqueMade) -> Result<Reaction<Review>, Trouble> {
        let mut texts = self.ledger.texts();
        let mut issues = Vec::new();
        for issue in &made.issues {
            issues.extend(copy(&self.executor, Some(issue), &mut texts).await?);
        }
        let mut suggestions = Vec::new();
        for suggestion in &made.suggestions {
            suggestions.extend(copy(&self.executor, Some(suggestion), &mut texts).await?);
        }
        let submission = parse(&made.submission_id, "submission_id")?;
        let critique = critique(made, issues, suggestions);
        Ok(Reaction::Command {
            actor: cause(Service::Executor),
            command: Command::TakeCritique { submission, critique: Ok(Box::new(critique)) },
            texts: texts.into_rows(),
        })
    }
}

struct OfSelf {
    ledger: Ledger<Review>,
    config: Config,
    counters: Counters,
    library: PathBuf,
}

#[async_trait]
impl Handler<Review> for OfSelf {
    fn concerns(&self, kind: &str) -> bool {
        kind == "submission_opened"
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Review>, Trouble> {
        let event: pb::ReviewEvent = decode(row)?;
        let event =
            Event::try_from(event).map_err(|error| Trouble::Permanent(error.to_string()))?;
        let Event::SubmissionOpened(opened) = event else { return Ok(Reaction::Nothing) };
        let id = opened.submission;
        let (submission, seen) = self.read(id).await?;
        let material = self.material(&submission, seen).await?;
        let found = checks::run(&material, &self.config.checks_left_out);
        self.counters.checked.inc();
        let mut texts = self.ledger.texts();
        let results = found
            .into_iter()
            .map(|(check, found)| {
                if found.outcome == Outcome::Blocking {
                    self.counters.blocked.inc();
                }
                let text = (found.outcome != Outcome::Clean).then(|| texts.plain(&found.text));
                CheckResult { check: check.to_owned(), outcome: found.outcome, text }
            })
            .collect();
        Ok(Reaction::Command {
            actor: Actor::service("review"),
            command: Command::RecordChecks { submission: id, results },
            texts: texts.into_rows(),
        })
    }
}

impl OfSelf {
    /// The submission, and the hashes of its documents that were decided about before.
    async fn read(&self, id: SubmissionId) -> Result<(Submission, BTreeSet<Hash>), Trouble> {
        let found = self.ledger.ask(move |review| {
            let submission = review.submissions.get(id)?.clone();
            let bodies = submission.opened.documents.iter().map(|document| document.body.hash);
            let seen = bodies.filter(|body| review.submissions.has_seen(*body)).collect();
            Some((submission, seen))
        });
        let found =
            found.await.map_err(|_| Trouble::Unavailable("the ledger is closing".into()))?;
        found.ok_or_else(|| Trouble::Permanent("a submission that is not there".into()))
    }

    async fn material(
        &self,
        submission: &Submission,
        seen: BTreeSet<Hash>,
    ) -> Result<Material, Trouble> {
        let opened = &submission.opened;
        let mut documents = Vec::new();
        let mut seen_before = Vec::new();
        for document in &opened.documents {
            let title = self.text(&document.title).await?;
            if seen.contains(&document.body.hash) {
                seen_before.push(title.clone());
            }
            let body = self.text(&document.body).await?;
            documents.push(Page { path: document.path.clone(), title, body });
        }
        let answer = match &opened.answer {
            Some(answer) => self.text(answer).await?,
            None => String::new(),
        };
        let mut material = Material {
            kind: Some(opened.kind),
            title: self.text(&opened.task_title).await?,
            instruction: self.text(&opened.task_instruction).await?,
            answer,
            documents,
            library: BTreeSet::new(),
            seen_before,
        };
        let named = material.named();
        if !named.is_empty() {
            let root = self.library.clone();
            let there = tokio::task::spawn_blocking(move || published(&root, named)).await;
            material.library = there.unwrap_or_default();
        }
        Ok(material)
    }

    async fn text(&self, text: &TextRef) -> Result<String, Trouble> {
        let found = self.ledger.text(&text.id).await;
        let found = found.map_err(|error| Trouble::Unavailable(Box::new(error)))?;
        found.ok_or_else(|| Trouble::Permanent(format!("the text {} was erased", text.id)))
    }
}

/// Those of these paths that lie in the library below `root`.
fn published(root: &Path, mut paths: BTreeSet<String>) -> BTreeSet<String> {
    paths.retain(|path| lies(root, path));
    paths
}

/// Whether a path is that of a file, reached through folders alone: a link is nobody's document.
fn lies(root: &Path, path: &str) -> bool {
    let (mut at, mut is_file) = (root.to_owned(), false);
    for segment in path.split('/') {
        if matches!(segment, "" | "." | "..") {
            return false;
        }
        at.push(segment);
        let Ok(found) = at.symlink_metadata() else { return false };
        is_file = found.is_file();
        if !is_file && !found.is_dir() {
            return false;
        }
    }
    is_file
}

fn critique(
    made: executor_pb::CritiqueMade,
    issues: Vec<TextRef>,
    suggestions: Vec<TextRef>,
) -> Critique {
    let embedded = made.provider_class() != executor_pb::ProviderClass::Remote;
    let scores = made.scores.unwrap_or_default();
    let scores = BTreeMap::from([
        ("answers_request".to_owned(), scores.answers_request),
        ("correct".to_owned(), scores.correct),
        ("complete".to_owned(), scores.complete),
        ("clear".to_owned(), scores.clear),
        ("fits_constraints".to_owned(), scores.fits_constraints),
    ]);
    Critique {
        model: made.model,
        embedded,
        may_judge: made.may_judge,
        scores,
        issues,
        suggestions,
        cost: MicroUsd::new(made.cost_micro_usd),
    }
}

/// Copies a peer's text into our own table, so that it lives as long as our events do.
async fn copy(
    peer: &Peer,
    text: Option<&ledger_pb::TextRef>,
    texts: &mut Texts<'_, Review>,
) -> Result<Option<TextRef>, Trouble> {
    let [copy] = copies(peer, [text], texts).await?;
    Ok(copy)
}

/// As [`copy`], for several texts with one call.
async fn copies<const N: usize>(
    peer: &Peer,
    named: [Option<&ledger_pb::TextRef>; N],
    texts: &mut Texts<'_, Review>,
) -> Result<[Option<TextRef>; N], Trouble> {
    let ids: Vec<String> = named.iter().flatten().map(|text| text.id.clone()).collect();
    if ids.is_empty() {
        return Ok([const { None }; N]);
    }
    let request = ledger_pb::ReadTextsRequest { ids };
    let answer = LedgerServiceClient::new(peer.calls()).read_texts(request).await;
    let read = answer
        .map_err(|status| Trouble::Unavailable(Box::new(Problem::from(&status))))?
        .into_inner()
        .texts;
    let mut own = [const { None }; N];
    for (own, named) in own.iter_mut().zip(named) {
        let Some(named) = named else { continue };
        let gone = || Trouble::Permanent("a text that was erased".into());
        *own = Some(texts.plain(read.get(&named.id).ok_or_else(gone)?));
    }
    Ok(own)
}

fn digest(document: &queue_pb::StagedDocument) -> Result<Digest, Trouble> {
    Ok(Digest {
        document: parse(&document.document_id, "document_id")?,
        hash: Hash::try_from(document.hash.as_slice()).map_err(|_| malformed("hash"))?,
    })
}

fn decode<T: serde::de::DeserializeOwned>(row: &Row) -> Result<T, Trouble> {
    serde_json::from_slice(&row.payload).map_err(|_| malformed(&row.kind))
}

fn parse<T: std::str::FromStr>(text: &str, field: &str) -> Result<T, Trouble> {
    text.parse().map_err(|_| malformed(field))
}

fn optional<T: std::str::FromStr>(text: &str, field: &str) -> Result<Option<T>, Trouble> {
    if text.is_empty() { Ok(None) } else { parse(text, field).map(Some) }
}

fn malformed(field: &str) -> Trouble {
    Trouble::Permanent(format!("malformed:{field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_a_file_that_no_link_leads_to() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("community_library/swarm_docs");
        std::fs::create_dir_all(&folder).expect("it is made");
        std::fs::write(folder.join("tides.md"), "text").expect("it writes");
        std::os::unix::fs::symlink(folder.join("tides.md"), folder.join("link.md"))
            .expect("it links");
        std::os::unix::fs::symlink(&folder, root.path().join("creative_works")).expect("it links");
        let there = "community_library/swarm_docs/tides.md";
        let asked = [
            there,
            "community_library/swarm_docs",
            "community_library/swarm_docs/moon.md",
            "community_library/swarm_docs/link.md",
            "community_library//swarm_docs/tides.md",
            "community_library/./swarm_docs/tides.md",
            "community_library/swarm_docs/tides.md/x",
            "creative_works/tides.md",
            "",
            "../x",
        ];
        let asked = asked.map(str::to_owned).into_iter().collect();
        assert_eq!(published(root.path(), asked), BTreeSet::from([there.to_owned()]));
    }
}
