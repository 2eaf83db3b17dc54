//! What society does about review's events: everything that follows from a verdict, in one commit.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use vivarium_chassis::Service;
use vivarium_chassis::client::Peer;
use vivarium_ledger::{Handler, Ledger, Reaction, Row, Texts, Trouble, chain};
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::review::v1 as pb;
use vivarium_proto::review::v1::review_event::Event;
use vivarium_types::ids::ResidentId;
use vivarium_types::library::LibraryPath;
use vivarium_types::{MicroUsd, Permille};

use super::{cause, decode, fetch, malformed, parse};
use crate::domain::event::{identity, read};
use crate::domain::library::{self, Accepted, Decider, Note, Origin, Value};
use crate::domain::memory::{Kind, Lesson};
use crate::domain::room::Author;
use crate::domain::verdict::Verdict;
use crate::domain::{Command, Label, Society};
use crate::signs::Signs;

/// Most characters of a lesson.
const LESSON_LENGTH_MAX: usize = 600;
/// Most characters of a line in the town hall.
const LINE_LENGTH_MAX: usize = 240;
/// Most characters that a title takes of such a line.
const TITLE_LENGTH: usize = 90;
/// Most tokens of a tip.
const TIP_MAX: i64 = 5_000;

/// Follows review.
pub(super) struct OfReview {
    ledger: Ledger<Society>,
    review: Peer,
    signs: Arc<Signs>,
}

/// What is said about a verdict.
struct Said {
    /// What the task is called.
    task: String,
    /// What the documents are called.
    titles: Vec<String>,
    /// Who did the work.
    name: String,
    /// Reasons and comments.
    reasons: Vec<String>,
    value: Value,
}

impl OfReview {
    pub(super) const fn new(ledger: Ledger<Society>, review: Peer, signs: Arc<Signs>) -> Self {
        Self { ledger, review, signs }
    }
}

#[async_trait]
impl Handler<Society> for OfReview {
    fn concerns(&self, kind: &str) -> bool {
        kind == "verdict_reached"
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Society>, Trouble> {
        let event: pb::ReviewEvent = decode(row)?;
        match event.event {
            // A plan is no work yet: its parts are judged, published and paid each for itself.
            Some(Event::VerdictReached(verdict)) if verdict.plan => Ok(Reaction::Nothing),
            Some(Event::VerdictReached(verdict)) => self.verdict(verdict).await,
            Some(_) | None => Ok(Reaction::Nothing),
        }
    }
}

impl OfReview {
    async fn verdict(&self, wire: pb::VerdictReached) -> Result<Reaction<Society>, Trouble> {
        let review = note(&wire)?;
        let resident: Option<ResidentId> = match wire.resident_id.as_str() {
            "" => None,
            id => Some(parse(id, "resident_id")?),
        };
        let mut texts = self.ledger.texts();
        let read = self.read(&wire, review.value).await?;
        let (documents, titles) = documents(&wire, review.value, &read, &mut texts)?;
        let said = Said {
            task: task(&wire, &read)?,
            titles,
            name: self.name(resident).await?,
            // A comment that was erased teaches nothing; the verdict stands.
            reasons: wire.reasons.iter().filter_map(|it| read.get(&it.id).cloned()).collect(),
            value: review.value,
        };
        let lesson = match resident {
            Some(who) => Some(self.lesson(who, &said, review.decider, &mut texts).await?),
            None => None,
        };
        let label = if said.titles.is_empty() { Label::Operator } else { Label::Peer };
        let line = (texts.plain(&line(&said)), label);
        let verdict = Verdict {
            submission: parse(&wire.submission_id, "submission_id")?,
            resident,
            rubric: Permille(wire.rubric_permille.min(1_000)),
            tip: wire.tip_tokens.clamp(0, TIP_MAX),
            documents,
            lesson,
            line,
            origin: Origin {
                author: resident.map_or(Author::Human, Author::Resident),
                author_name: texts.plain(&said.name),
                task: parse(&wire.task_id, "task_id")?,
                submission: parse(&wire.submission_id, "submission_id")?,
                review,
                cost: MicroUsd::new(wire.cost_micro_usd),
                model: wire.model,
                model_embedded: wire.model_embedded,
            },
        };
        Ok(Reaction::Command {
            actor: cause(Service::Review),
            command: Command::TakeVerdict(Box::new(verdict)),
            texts: texts.into_rows(),
        })
    }

    /// The words of a verdict, by id. Nothing of work that was rejected is fetched.
    async fn read(
        &self,
        wire: &pb::VerdictReached,
        value: Value,
    ) -> Result<HashMap<String, String>, Trouble> {
        let documents = wire.documents.iter().filter(|_| value != Value::Reject);
        let documents = documents.flat_map(|document| [&document.title, &document.body]);
        let named = documents.flatten().chain(&wire.task_title).chain(&wire.reasons);
        fetch(&self.review, &named.collect::<Vec<_>>()).await
    }

    /// What a resident is called now.
    async fn name(&self, resident: Option<ResidentId>) -> Result<String, Trouble> {
        let Some(who) = resident else { return Ok("nobody".to_owned()) };
        let closing = |_| Trouble::Unavailable("the ledger is closing".into());
        let words = self.ledger.ask(move |society| {
            society.residents.get(who).map(|resident| resident.identity.id.clone())
        });
        let Some(words) = words.await.map_err(closing)? else { return Ok(who.to_string()) };
        let words = self.ledger.text(&words).await;
        let words = words.map_err(|error| Trouble::Unavailable(Box::new(error)))?;
        let words = words.and_then(|words| identity::of_json(&words).ok());
        Ok(words.map_or_else(|| who.to_string(), |words| words.name))
    }

    /// The lesson of a verdict, unless its very words are kept already.
    async fn lesson(
        &self,
        who: ResidentId,
        said: &Said,
        decider: Decider,
        texts: &mut Texts<'_, Society>,
    ) -> Result<Lesson, Trouble> {
        let words = taught(said);
        let hash = chain::digest(words.as_bytes());
        let known = self.ledger.ask(move |society| society.memories.same(who, Kind::Lesson, hash));
        let closing = |_| Trouble::Unavailable("the ledger is closing".into());
        if let Some(memory) = known.await.map_err(closing)? {
            return Ok(Lesson::Again(memory));
        }
        // A critic's words are a model's, and a check quotes the text it read.
        let label = match decider {
            Decider::Human => Label::Operator,
            Decider::Checks | Decider::Critic => Label::Peer,
        };
        let label = if said.titles.is_empty() { label } else { label.max(Label::Own) };
        Ok(Lesson::New { text: texts.plain(&words), label, signs: self.signs.in_text(&words) })
    }
}

/// The accepted documents with our own copy of their texts, and their titles.
fn documents(
    wire: &pb::VerdictReached,
    value: Value,
    read: &HashMap<String, String>,
    texts: &mut Texts<'_, Society>,
) -> Result<(Vec<Accepted>, Vec<String>), Trouble> {
    let (mut documents, mut titles) = (Vec::new(), Vec::new());
    for submitted in wire.documents.iter().filter(|_| value != Value::Reject) {
        let text = |named: &ledger_pb::TextRef| {
            let gone = || Trouble::Permanent("a document that review does not have".to_owned());
            read.get(&named.id).cloned().ok_or_else(gone)
        };
        let named = submitted.body.as_ref().ok_or_else(|| malformed("body"))?;
        let body = text(named)?;
        // What was approved is exactly this text, whoever answers.
        if chain::digest(body.as_bytes()).0.as_slice() != named.hash.as_slice() {
            return Err(malformed("document.hash"));
        }
        let title = text(submitted.title.as_ref().ok_or_else(|| malformed("title"))?)?;
        let path: LibraryPath = parse(&submitted.path, "path")?;
        documents.push(Accepted {
            document: parse(&submitted.document_id, "document_id")?,
            path: path.to_string(),
            title: texts.plain(&title),
            body: texts.plain(library::without_front_matter(&body)),
            tags: submitted.tags.clone(),
        });
        titles.push(title);
    }
    Ok((documents, titles))
}

/// What the task is called.
fn task(wire: &pb::VerdictReached, read: &HashMap<String, String>) -> Result<String, Trouble> {
    let Some(title) = &wire.task_title else {
        let named = if wire.task_key.is_empty() { &wire.task_id } else { &wire.task_key };
        return Ok(named.clone());
    };
    let gone = || Trouble::Permanent("a text that was erased".to_owned());
    read.get(&title.id).cloned().ok_or_else(gone)
}

fn note(wire: &pb::VerdictReached) -> Result<Note, Trouble> {
    Ok(Note {
        verdict: parse(&wire.verdict_id, "verdict_id")?,
        value: read::value(wire.value()).ok_or_else(|| malformed("value"))?,
        confidence: Permille(wire.confidence_permille.min(1_000)),
        decider: read::decider(wire.decider()).ok_or_else(|| malformed("decider"))?,
        profile: read::profile(wire.profile()).ok_or_else(|| malformed("profile"))?,
        note: wire.note.clone(),
    })
}

/// What an author learns from a verdict.
fn taught(said: &Said) -> String {
    let task = cut(&said.task, TITLE_LENGTH);
    let reasons = said.reasons.join("; ");
    let words = match (said.value, reasons.as_str()) {
        (Value::Approve, "") => format!("My work on \"{task}\" was approved."),
        (Value::Approve, words) => format!("My work on \"{task}\" was approved: {words}"),
        (Value::MinorIssues, "") => format!("My work on \"{task}\" was accepted as it was."),
        (Value::MinorIssues, words) => {
            format!("My work on \"{task}\" was accepted, with small findings: {words}")
        }
        (Value::Reject, "") => format!("My work on \"{task}\" was not accepted."),
        (Value::Reject, words) => format!("My work on \"{task}\" was not accepted: {words}"),
    };
    cut(&words, LESSON_LENGTH_MAX)
}

/// What the town hall reads of a verdict. Of work that was not accepted it says nothing.
fn line(said: &Said) -> String {
    let (task, name) = (cut(&said.task, TITLE_LENGTH), cut(&said.name, 40));
    let line = match (said.value, said.titles.as_slice()) {
        (Value::Reject, _) => format!("Not accepted yet: \"{task}\", by {name}."),
        (Value::Approve | Value::MinorIssues, []) => format!("Done: \"{task}\", by {name}."),
        (Value::Approve | Value::MinorIssues, [title, rest @ ..]) => {
            let title = cut(title, TITLE_LENGTH - 10);
            let more = match rest.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("New in the library: {title}{more}. Task \"{task}\", by {name}.")
        }
    };
    cut(&line, LINE_LENGTH_MAX)
}

/// The beginning of a text on one line, with a mark where it was cut.
fn cut(text: &str, max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= max {
        return line;
    }
    let mut short: String = line.chars().take(max - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: Value, titles: &[&str]) -> Said {
        Said {
            task: "Describe the tides".repeat(30),
            titles: titles.iter().map(|title| (*title).to_owned()).collect(),
            name: "Maren Holt".into(),
            reasons: vec!["the second section is missing".repeat(40)],
            value,
        }
    }

    #[test]
    fn a_line_and_a_lesson_keep_their_bounds() {
        for value in [Value::Approve, Value::MinorIssues, Value::Reject] {
            let said = said(value, &[&"A title that never ends ".repeat(9), "Another"]);
            assert!(line(&said).chars().count() <= 240 && line(&said).contains("Maren Holt"));
            assert!(taught(&said).chars().count() <= 600);
        }
    }

    #[test]
    fn the_line_of_rejected_work_quotes_nothing_of_it() {
        let said = said(Value::Reject, &["A secret title"]);
        let line = line(&said);
        assert!(!line.contains("secret") && !line.contains("section"), "{line}");
        assert!(line.contains("Describe the tides"));
    }
}
