//! What a model is asked and what it answers: the interface between cycles and every provider.

use std::fmt;
use std::time::Duration;

use futures::stream::BoxStream;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vivarium_chassis::clock;

use super::error::ModelError;
use crate::domain::provider::Class;

/// A way to one provider.
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// What it can do.
    fn caps(&self) -> Caps;

    /// Asks a model. Events come in the order of [`ChatEvent`]; the stream ends behind `Finished` or
    /// behind the first error. Dropping the stream closes the connection and so ends the call.
    fn stream(&self, request: ChatRequest, context: CallContext) -> Events;
}

/// The events of one call.
pub type Events = BoxStream<'static, Result<ChatEvent, ModelError>>;

/// What a provider can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// What it may be trusted with.
    pub class: Class,
    /// Whether it runs on this machine and so costs nothing.
    pub local: bool,
    /// Model tokens of prompt and completion together; 0 means not known.
    pub window_tokens: u32,
    /// Most model tokens of one completion; 0 means not known.
    pub completion_tokens_max: u32,
    /// Calls at once.
    pub parallel_calls: u32,
    /// Whether it is known to hold answers to a JSON schema.
    pub json_schema: bool,
    /// Whether it is known to call tools as the interface has it.
    pub tools: bool,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The world's rules.
    System,
    /// What the resident is told.
    User,
    /// What the model said before.
    Assistant,
}

impl Role {
    /// The word of the interface.
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What.
    pub text: String,
}

impl Message {
    /// A message of the world's rules.
    pub fn system(text: impl Into<String>) -> Self {
        Self { role: Role::System, text: text.into() }
    }

    /// A message to the model.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, text: text.into() }
    }
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Output {
    /// Any text.
    #[default]
    Text,
    /// One JSON object; whoever reads it still checks.
    JsonObject,
    /// JSON of this schema; whoever reads it still checks.
    JsonSchema {
        /// The schema's name, of letters, digits and underscores.
        name: String,
        /// The schema.
        schema: Value,
    },
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRequest {
    /// The model, by the provider's name for it; this one is called or the call fails.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Most model tokens of the completion.
    pub completion_tokens_max: u32,
    /// How freely the model chooses its words, 0 to 2,000 thousandths.
    pub temperature_permille: u32,
    /// The same seed makes the same answer more likely, where the server knows seeds.
    pub seed: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// The form of the answer.
    pub output: Output,
}

impl ChatRequest {
    /// A request for text.
    pub fn new(
        model: impl Into<String>,
        messages: Vec<Message>,
        completion_tokens_max: u32,
    ) -> Self {
        Self {
            model: model.into(),
            messages,
            completion_tokens_max,
            temperature_permille: 200,
            seed: None,
            stop: Vec::new(),
            output: Output::Text,
        }
    }

    /// Bytes of all messages.
    pub fn prompt_bytes(&self) -> usize {
        self.messages.iter().map(|message| message.text.len()).sum()
    }

    /// SHA-256 over everything that shapes the answer, in hexadecimal: the name of this request in
    /// the record.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        add(self.model.as_bytes());
        for message in &self.messages {
            add(message.role.word().as_bytes());
            add(message.text.as_bytes());
        }
        add(&self.completion_tokens_max.to_be_bytes());
        add(&self.temperature_permille.to_be_bytes());
        add(format!("{:?}{:?}{:?}", self.seed, self.stop, self.output).as_bytes());
        hex::encode(digest.finalize())
    }
}

/// How long each phase of a call may take; the deadline of the call bounds them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phases {
    /// From sending to the first event of the answer.
    pub first_event: Duration,
    /// Between two events. A comment that only keeps the connection open is none.
    pub between_events: Duration,
}

/// What surrounds a call.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Ends the call when it is cancelled.
    pub cancel: CancellationToken,
    /// When everything must be over, waiting for a free place and repeats included.
    pub deadline: Instant,
    /// Instead of the phases of the provider's profile.
    pub phases: Option<Phases>,
    /// 0 to 1,000 thousandths that are added to the pause before a repeat, so that many callers do
    /// not come back together.
    pub jitter_permille: u32,
    /// The trace that the call belongs to, as a W3C `traceparent`; empty for none.
    pub traceparent: String,
}

impl CallContext {
    /// A call that ends when `cancel` is cancelled or `limit` has passed from now.
    pub fn within(limit: Duration, cancel: CancellationToken) -> Self {
        Self {
            cancel,
            deadline: clock::instant() + limit,
            phases: None,
            jitter_permille: 0,
            traceparent: String::new(),
        }
    }
}

/// What a model answers, piece by piece: `Started` once, then deltas, then `Usage` once, then
/// `Finished` once. A call that breaks behind `Started` still tells its (estimated) usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    /// The provider has begun to answer.
    Started {
        /// The model that answers, as the provider names it; empty when it does not.
        model: String,
        /// How often the request was sent, from 1.
        tries: u32,
    },
    /// A piece of text.
    Delta(String),
    /// A piece of a tool call.
    ToolDelta {
        /// Which of the calls, from 0.
        index: u32,
        /// The tool, in the first piece.
        name: String,
        /// A piece of the arguments as JSON text.
        arguments: String,
    },
    /// What was used.
    Usage(Usage),
    /// The model came to an end.
    Finished(Finish),
}

/// Model tokens of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Of the prompt.
    pub input_tokens: u64,
    /// Of the completion.
    pub output_tokens: u64,
    /// Of the prompt's, those the provider still knew.
    pub cached_tokens: u64,
    /// Whether these are our count and not the provider's.
    pub estimated: bool,
}

/// Why a model ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    Stop,
    /// The completion reached its limit: the text is cut.
    Length,
    /// The provider's filter ended it.
    ContentFilter,
    /// It calls tools.
    ToolCalls,
    /// A word we do not know.
    Other(String),
}

impl Finish {
    /// Reads the provider's word.
    pub fn of(word: &str) -> Self {
        match word {
            "stop" | "eos" | "end_turn" => Self::Stop,
            "length" | "max_tokens" => Self::Length,
            "content_filter" => Self::ContentFilter,
            "tool_calls" | "function_call" => Self::ToolCalls,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word for the record.
    pub fn word(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::ToolCalls => "tool_calls",
            Self::Other(word) => word,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_names_everything_that_shapes_an_answer() {
        let request = ChatRequest::new("m", vec![Message::user("ab"), Message::user("c")], 10);
        let mut others = vec![request.clone(); 5];
        others[0].messages = vec![Message::user("a"), Message::user("bc")];
        others[1].completion_tokens_max = 11;
        others[2].temperature_permille = 0;
        others[3].seed = Some(1);
        others[4].output = Output::JsonObject;
        assert_eq!(request.hash().len(), 64);
        for other in others {
            assert_ne!(request.hash(), other.hash(), "{other:?}");
        }
    }
}
