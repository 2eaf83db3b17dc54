//! What the scripted model server answers: rules that look for words in the prompt, or a closure.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;

use super::{Asked, lock};

/// A function that answers instead of rules.
type Answering = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// What a server answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// The models it lists.
    pub models: Vec<String>,
    /// The window it tells.
    pub window_tokens: u32,
    /// The window it has and does not tell, as Ollama does: of a longer prompt the beginning is lost
    /// without a word. `None` for one that tells its window.
    pub silent_window_tokens: Option<u32>,
    /// The key it asks for; `None` for none.
    pub key: Option<String>,
    /// The model tokens it allows; `None` for any number.
    pub allowance: Option<Allowance>,
    rule: Vec<Rule>,
    otherwise: Option<Reply>,
    #[serde(skip)]
    answering: Option<Answering>,
    /// How often each rule was used.
    #[serde(skip)]
    used: Mutex<Vec<u32>>,
    /// Model tokens that are missing in the bucket, and since when.
    #[serde(skip)]
    missing: Mutex<(f64, Duration)>,
}

/// A bucket of model tokens, as Groq keeps one: a request takes its prompt and its largest completion.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// How many it holds.
    pub tokens: u32,
    /// How long an empty one takes to be full.
    pub refill_ms: u32,
    /// Whether answers tell how full it is.
    pub told: bool,
}

/// How the bucket stands behind a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// Whether the request fitted in.
    pub(super) fits: bool,
    pub(super) limit: u32,
    pub(super) left: f64,
    /// Seconds until it is full.
    pub(super) full_in: f64,
}

/// Answers prompts with certain words.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// A text that a message must contain; empty matches every prompt.
    pub contains: String,
    /// How often it answers; without it, always.
    pub times: Option<u32>,
    /// The answer.
    pub reply: Reply,
}

/// One answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reply {
    /// The text. `{{after:MARK}}` stands for what follows MARK in the prompt, up to the line's end.
    pub text: String,
    /// Characters of a piece.
    pub chunk_chars: usize,
    /// Milliseconds before the first piece.
    pub first_delay_ms: u64,
    /// Milliseconds before each other piece.
    pub delay_ms: u64,
    /// Cuts the stream after so many bytes each, wherever that is; 0 sends whole events.
    pub split_bytes: usize,
    /// Whether it tells what was used.
    pub usage: bool,
    /// Why it ends.
    pub finish_reason: String,
    /// The HTTP status; anything but 200 answers `text` as the message of an error.
    pub status: u16,
    /// The header `retry-after`; empty for none.
    pub retry_after: String,
    /// The type of an error.
    pub error_type: String,
    /// What goes wrong.
    pub fault: Fault,
    /// How many pieces are sent before it goes wrong.
    pub fault_after: usize,
}

/// What goes wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Not even headers come.
    Silent,
    /// The stream goes on without a word, for ever; only comments keep it open.
    Stall,
    /// The connection breaks.
    Break,
    /// The stream ends as if all were said, without a finish reason.
    EndEarly,
    /// `[DONE]` without a finish reason.
    DoneEarly,
    /// An error as an event.
    ErrorEvent,
    /// An event that is not JSON.
    BadJson,
    /// A finish reason, but no `[DONE]`.
    NoDone,
    /// A finish reason and `[DONE]`, but the connection stays open.
    StaysOpen,
    /// The answer as one JSON document, as if no stream had been asked for.
    Whole,
    /// Text without end.
    Flood,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            text: String::new(),
            chunk_chars: 16,
            first_delay_ms: 0,
            delay_ms: 0,
            split_bytes: 0,
            usage: true,
            finish_reason: "stop".to_owned(),
            status: 200,
            retry_after: String::new(),
            error_type: String::new(),
            fault: Fault::None,
            fault_after: 1,
        }
    }
}

impl Reply {
    /// Answers with a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Refuses with an HTTP status and a message.
    pub fn status(status: u16, message: &str) -> Self {
        Self { status, text: message.to_owned(), ..Self::default() }
    }

    /// Answers with a text that goes wrong.
    pub fn failing(text: &str, fault: Fault) -> Self {
        Self { fault, ..Self::text(text) }
    }

    /// With pauses between pieces.
    #[must_use]
    pub fn slowly(mut self, delay: Duration) -> Self {
        self.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self
    }

    pub(super) fn pieces(&self, asked: &Asked) -> Vec<String> {
        let text: Vec<char> = filled(&self.text, &asked.prompt()).chars().collect();
        text.chunks(self.chunk_chars.max(1)).map(|piece| piece.iter().collect()).collect()
    }

    /// The text as the prompt fills it.
    pub(super) fn whole(&self, asked: &Asked) -> String {
        filled(&self.text, &asked.prompt())
    }
}

/// Puts what follows a mark in the prompt in the place of `{{after:MARK}}`.
fn filled(text: &str, prompt: &str) -> String {
    let mut pieces = text.split("{{after:");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let Some((mark, rest)) = piece.split_once("}}") else {
            filled.push_str("{{after:");
            filled.push_str(piece);
            continue;
        };
        // The last one counts: prompts grow at their end.
        let behind = prompt.rsplit_once(mark).map_or("", |(_, behind)| behind);
        filled.push_str(behind.lines().next().unwrap_or_default().trim());
        filled.push_str(rest);
    }
    filled
}

impl Default for Script {
    fn default() -> Self {
        Self {
            models: vec!["scripted".to_owned()],
            window_tokens: 8_192,
            silent_window_tokens: None,
            key: None,
            allowance: None,
            rule: Vec::new(),
            otherwise: None,
            answering: None,
            used: Mutex::default(),
            missing: Mutex::default(),
        }
    }
}

impl Script {
    /// A script that answers every prompt alike.
    pub fn always(reply: Reply) -> Self {
        Self::default().otherwise(reply)
    }

    /// A script that a function answers.
    pub fn answering(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self { answering: Some(Box::new(answer)), ..Self::default() }
    }

    /// Reads a script: TOML, or JSON if it begins with a brace.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| error.to_string())
        } else {
            toml::from_str(text).map_err(|error| error.to_string())
        }
    }

    /// Answers prompts that contain a text; earlier rules come first.
    #[must_use]
    pub fn on(self, contains: &str, reply: Reply) -> Self {
        self.rule(Rule { contains: contains.to_owned(), times: None, reply })
    }

    /// Answers the next prompts that contain a text, so many of them.
    #[must_use]
    pub fn times(self, times: u32, contains: &str, reply: Reply) -> Self {
        self.rule(Rule { contains: contains.to_owned(), times: Some(times), reply })
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule.push(rule);
        self
    }

    /// Answers prompts that no rule answers.
    #[must_use]
    pub fn otherwise(mut self, reply: Reply) -> Self {
        self.otherwise = Some(reply);
        self
    }

    /// Asks for a key.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Allows so many model tokens.
    #[must_use]
    pub fn with_allowance(mut self, allowance: Allowance) -> Self {
        self.allowance = Some(allowance);
        self
    }

    /// Takes what a request asks for out of the bucket, if it fits in.
    pub(super) fn count(&self, asked: &Asked) -> Option<Counted> {
        let Allowance { tokens, refill_ms, .. } = self.allowance?;
        let limit = f64::from(tokens);
        let per_second = limit / (f64::from(refill_ms.max(1)) / 1_000.0);
        let prompt = u32::try_from(asked.prompt().len().div_ceil(4)).unwrap_or(u32::MAX);
        let completion = ["max_completion_tokens", "max_tokens"];
        let completion = completion.iter().find_map(|field| asked.body[*field].as_u64());
        let completion = u32::try_from(completion.unwrap_or_default()).unwrap_or(u32::MAX);
        let wanted = f64::from(prompt) + f64::from(completion);
        let mut missing = lock(&self.missing);
        let since = asked.at.saturating_sub(missing.1).as_secs_f64();
        let now = (missing.0 - since * per_second).max(0.0);
        let fits = now + wanted <= limit;
        *missing = (if fits { now + wanted } else { now }, asked.at.max(missing.1));
        let left = limit - missing.0;
        Some(Counted { fits, limit: tokens, left, full_in: missing.0 / per_second })
    }

    pub(super) fn reply(&self, asked: &Asked) -> Reply {
        if let Some(answering) = &self.answering {
            return answering(asked);
        }
        let prompt = asked.prompt();
        let mut used = lock(&self.used);
        used.resize(self.rule.len(), 0);
        for (rule, used) in self.rule.iter().zip(used.iter_mut()) {
            if prompt.contains(&rule.contains) && rule.times.is_none_or(|times| *used < times) {
                *used += 1;
                return rule.reply.clone();
            }
        }
        let nothing = || Reply::status(400, "no rule of the script answers this prompt");
        self.otherwise.clone().unwrap_or_else(nothing)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("models", &self.models)
            .field("rule", &self.rule)
            .field("otherwise", &self.otherwise)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_takes_what_follows_a_mark_in_the_prompt() {
        let prompt = "task: one\nmore\ntask: two \nend";
        assert_eq!(filled("a {{after:task:}} b", prompt), "a two b");
        assert_eq!(filled("{{after:nothing}}", prompt), "");
        assert_eq!(filled("{{after:open", prompt), "{{after:open");
    }

    #[test]
    fn a_script_reads_from_toml_and_json() {
        let toml = "key = \"k\"\n[[rule]]\ncontains = \"a\"\ntimes = 1\n\
reply = { text = \"b\", fault = \"stall\" }\n[otherwise]\nstatus = 500\n";
        let script = Script::parse(toml).expect("it reads");
        assert_eq!(script.rule[0].reply.fault, Fault::Stall);
        assert_eq!(script.otherwise.as_ref().map(|reply| reply.status), Some(500));
        let json = r#"{"rule": [{"reply": {"text": "b"}}]}"#;
        assert_eq!(Script::parse(json).expect("it reads").rule.len(), 1);
        assert!(Script::parse("[[rule]]\ncontain = \"a\"").is_err());
    }
}
