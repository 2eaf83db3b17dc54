//! What residents think: a function from what they are shown to what they say, and the table at which
//! two of them take turns.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::watch;
use vivarium_executor::domain::provider::Class;
use vivarium_executor::model::chat::{Events, Usage};
use vivarium_executor::model::{CallContext, Caps, ChatEvent, ChatRequest, Finish, Provider};

/// The first words of every request for a critique.
const CRITIC: &str = "You are a critic.";

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The messages, oldest first.
    pub messages: Vec<String>,
}

impl Asked {
    /// Whether it is a critic that is asked, and no resident.
    pub fn is_critique(&self) -> bool {
        self.messages.first().is_some_and(|text| text.starts_with(CRITIC))
    }

    /// Who is asked: the handle of the briefing's persona.
    pub fn who(&self) -> String {
        let persona = self.messages.iter().find_map(|text| text.split_once(", res_"));
        let handle = persona.and_then(|(before, _)| before.rsplit_once('('));
        handle.map(|(_, handle)| handle.to_owned()).unwrap_or_default()
    }

    /// The title of the task.
    pub fn task(&self) -> String {
        let lines = self.messages.iter().flat_map(|text| text.lines());
        let mut titles =
            lines.filter_map(|line| line.strip_prefix("Task: ").or(line.strip_prefix("Request: ")));
        titles.next().unwrap_or_default().to_owned()
    }

    /// How many replies the cycle has had so far.
    pub fn replies(&self) -> usize {
        // The system's part and the briefing come first; then reply and receipts in turn.
        self.messages.len().saturating_sub(2) / 2
    }

    /// The newest message: the briefing, or the receipts of the last reply.
    pub fn newest(&self) -> &str {
        self.messages.last().map_or("", String::as_str)
    }

    /// Whether the last reply's actions were refused for this reason.
    pub fn refused(&self, reason: &str) -> bool {
        self.newest().contains(&format!("refused ({reason})"))
    }
}

type Think = dyn Fn(Asked) -> BoxFuture<'static, String> + Send + Sync;

/// What all residents and critics of a world think with.
#[derive(Clone)]
pub struct Mind {
    think: Arc<Think>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl fmt::Debug for Mind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mind").finish_non_exhaustive()
    }
}

impl Mind {
    /// A mind that answers at once.
    pub fn new(think: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Self {
        Self::slow(move |asked| {
            let said = think(&asked);
            Box::pin(async move { said })
        })
    }

    /// A mind that may wait for something before it answers.
    pub fn slow(
        think: impl Fn(Asked) -> BoxFuture<'static, String> + Send + Sync + 'static,
    ) -> Self {
        Self { think: Arc::new(think), asked: Arc::default() }
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Model calls so far: of residents, and of critics.
    pub fn calls(&self) -> (usize, usize) {
        let asked = self.asked();
        let critics = asked.iter().filter(|asked| asked.is_critique()).count();
        (asked.len() - critics, critics)
    }
}

impl Provider for Mind {
    fn caps(&self) -> Caps {
        Caps {
            class: Class::Remote,
            local: true,
            window_tokens: 0,
            completion_tokens_max: 0,
            parallel_calls: 16,
            json_schema: false,
            tools: false,
        }
    }

    fn stream(&self, request: ChatRequest, _: CallContext) -> Events {
        let asked =
            Asked { messages: request.messages.into_iter().map(|message| message.text).collect() };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
        let said = (self.think)(asked);
        let started = ChatEvent::Started { model: "model-1".to_owned(), tries: 1 };
        let words = futures::stream::once(async move { ChatEvent::Delta(said.await) });
        let usage = Usage { input_tokens: 100, output_tokens: 50, ..Usage::default() };
        let end = [ChatEvent::Usage(usage), ChatEvent::Finished(Finish::Stop)];
        let events = futures::stream::iter([started]).chain(words);
        events.chain(futures::stream::iter(end)).map(Ok).boxed()
    }
}

/// A reply of these actions.
pub fn reply(actions: &[Value]) -> String {
    json!({ "actions": actions }).to_string()
}

/// The action of good work on a task: a document about it, unlike any other.
pub fn document(subject: &str) -> Value {
    static PAGES: AtomicUsize = AtomicUsize::new(0);
    let page = PAGES.fetch_add(1, Ordering::Relaxed) + 1;
    page_about(subject, &format!("{}\nThis is page {page} of the shelf.\n", essay(subject)))
}

/// The action of putting these words about a subject on a page.
pub fn page_about(subject: &str, body: &str) -> Value {
    let title: String = subject.chars().take(120).collect();
    json!({"id": "w", "do": "write_document", "title": title, "body": body})
}

/// The end of a cycle.
pub fn finish() -> Value {
    json!({"id": "f", "do": "finish", "summary": "It is written."})
}

/// Good work on whatever is asked, and full marks for all of it.
pub fn diligent(asked: &Asked) -> String {
    if asked.is_critique() { critique(4) } else { reply(&[document(&asked.task()), finish()]) }
}

/// A critique that gives every line of the rubric this score.
pub fn critique(score: u32) -> String {
    let scores = json!({"answers_request": score, "correct": score, "complete": score,
                        "clear": score, "fits_constraints": score});
    json!({"scores": scores, "issues": [], "suggestions": []}).to_string()
}

/// A text that a reviewer has nothing against.
pub fn essay(subject: &str) -> String {
    format!(
        "# {subject}\n\nThis page answers the request: {subject}. It says what the matter is, why it \
         is so, and what a reader can do with it.\n\n## What it is\n\nThe subject, {subject}, is \
         looked at from its beginning. Each part follows from the one before it, and nothing is \
         taken for granted that a careful reader could not see alone.\n\n## What to do\n\nRead it \
         once from start to end, try the first part on something small, and write down what was \
         different from what these lines made you expect.\n"
    )
}

/// A table at which residents speak in turn, each when the one before has been heard or refused.
#[derive(Debug, Clone)]
pub struct Table {
    turn: watch::Sender<usize>,
    seats: Vec<String>,
}

impl Table {
    /// A table of these residents, by handle, in the order of their turns.
    pub fn of(seats: &[&str]) -> Self {
        let seats = seats.iter().map(|seat| (*seat).to_owned()).collect();
        Self { turn: watch::Sender::new(0), seats }
    }

    /// Waits until it is the turn of `who`, and says which turn that is, from 1.
    pub async fn turn_of(&self, who: &str) -> usize {
        let mut turns = self.turn.subscribe();
        let mine = |turn: &usize| self.seats.get(turn % self.seats.len()).is_some_and(|s| s == who);
        *turns.wait_for(mine).await.expect("the table stands") + 1
    }

    /// Passes the turn on: what was said in it has been heard or refused.
    pub fn pass(&self) {
        self.turn.send_modify(|turn| *turn += 1);
    }
}
