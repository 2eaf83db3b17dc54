//! Actions: what a resident may ask for, read from one JSON object.
//!
//! The schema is closed: a field that no action has is refused. The fields and their bounds are those
//! of `vivarium.executor.v1.Action` (a test compares the names).

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use vivarium_sandbox::rules::Call;
use vivarium_types::limits::REASON_LENGTH_MAX;
use vivarium_types::split::{self, INSTRUCTION_MIN, WHY_MIN};

mod fields;
pub mod words;

use fields::Fields;

/// Most characters of a reply's note.
pub const NOTE_LENGTH_MAX: usize = 2_000;
/// Most characters of a document.
pub const DOCUMENT_LENGTH_MAX: usize = 64_000;
/// Most actions that are read at all; the limits of a step are lower.
const ACTIONS_READ_MAX: usize = 64;
/// Most characters of a title, and of what a task asks for.
const TITLE_LENGTH_MAX: usize = 120;
const INSTRUCTION_LENGTH_MAX: usize = 4_000;

/// Bounds of a program that is asked for (domain.md, section 5).
const ARGUMENTS_MAX: usize = 32;
const ARGUMENT_LENGTH_MAX: usize = 1_024;
const COMMAND_SECONDS_MAX: u32 = 120;
/// Where a program starts when nothing is said.
pub const COMMAND_FOLDER: &str = "library";

/// A document to stage, or text to add to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where; empty means the task's target.
    pub path: String,
    /// Its title; empty keeps an earlier one.
    pub title: String,
    /// Its Markdown.
    pub body: String,
    /// Tags.
    pub tags: Vec<String>,
    /// The published version it replaces; 0 for a new one.
    pub base_version: u32,
}

/// A plan to split the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Why.
    pub reason: String,
    /// The children.
    pub parts: Vec<Part>,
}

/// One child of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its title.
    pub title: String,
    /// What to do.
    pub instruction: String,
    /// Places of the parts before it, from 0.
    pub after: BTreeSet<usize>,
    /// Its share in hundredths.
    pub share: u32,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// End the cycle with its evidence.
    Finish {
        /// What was done.
        summary: String,
        /// The answer of an `answer` task.
        answer: String,
    },
    /// Give the task back.
    Decline {
        /// What is declined; empty means the task.
        target: String,
        /// Why.
        reason: String,
    },
    /// End the cycle with a plan to split the task.
    Split(Plan),
    /// Propose another task.
    Propose {
        /// Its title.
        title: String,
        /// What to do.
        instruction: String,
        /// Why.
        why: String,
    },
    /// Stage a document.
    Write(Document),
    /// Extend a draft.
    Append(Document),
    /// Post into a room.
    Post {
        /// The room.
        room: String,
        /// The text.
        text: String,
        /// One of the moods; empty means none.
        mood: String,
        /// 1 to 5.
        importance: u32,
        /// The message it answers; empty means none.
        reply_to: String,
        /// Residents it names.
        mentions: Vec<String>,
    },
    /// Keep a memory.
    Remember {
        /// The text.
        text: String,
        /// What kind.
        kind: String,
        /// Tags.
        tags: Vec<String>,
        /// 1 to 5.
        importance: u32,
        /// What it is about.
        about: Vec<String>,
        /// The memory it replaces; empty means none.
        supersedes: String,
    },
    /// Look into own memories.
    Recall {
        /// Words to look for.
        query: String,
        /// How many at most.
        count: u32,
    },
    /// Write to the human.
    Letter {
        /// Which kind of letter.
        kind: String,
        /// The text.
        text: String,
        /// The task it is about; empty means none.
        task: String,
        /// Whether the task waits for the answer.
        waits: bool,
    },
    /// Write a private journal entry.
    Journal {
        /// Which kind of entry.
        kind: String,
        /// The text.
        text: String,
        /// Whether the human may read it.
        share_with_human: bool,
    },
    /// Run a program of the table.
    Run(Call),
    /// One of the five reading tools.
    Tool(Tool),
}

/// The five reading tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// List names.
    List {
        /// `library`, `draft` or `receipt:<id>`.
        root: String,
        /// A path beneath it.
        path: String,
        /// How deep, 1 to 3.
        depth: u32,
        /// Only names behind this one; empty: from the first.
        after: String,
    },
    /// Read lines.
    Read {
        /// As in List.
        root: String,
        /// A path beneath it.
        path: String,
        /// The first line, from 1.
        first_line: u32,
        /// How many lines.
        max_lines: u32,
    },
    /// Search with a pattern or a text.
    Search(Search),
    /// Which roots and rights are in force.
    Where,
    /// A text back.
    Echo {
        /// The text.
        text: String,
    },
}

/// What to search for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// As in [`Tool::List`].
    pub root: String,
    /// A path beneath it.
    pub path: String,
    /// The pattern, or the text.
    pub pattern: String,
    /// Whether it is a text that has to stand there as it is.
    pub fixed: bool,
    /// Whether case does not matter.
    pub ignore_case: bool,
    /// Lines around each hit.
    pub context_lines: u32,
    /// Hits to pass over.
    pub skip: u32,
}

/// Why one action cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is no such action.
    Unknown,
    /// Fields are missing, unknown or out of bounds; one sentence each.
    Invalid(Vec<String>),
}

/// One action of a reply, readable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The id the reply gives it, or `a1`, `a2`, … when it gives none.
    pub id: String,
    /// Actions that must be done before.
    pub needs: Vec<String>,
    /// Its name.
    pub name: String,
    /// What to do, or why that cannot be read.
    pub what: Result<Action, Fault>,
    /// SHA-256 of its name and normalised arguments, in hexadecimal.
    pub hash: String,
}

/// A reply that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Words for the human.
    pub note: String,
    /// What it asks for.
    pub actions: Vec<Asked>,
    /// Whether it wants no further step.
    pub done: bool,
    /// The reply as it may be recorded: private texts are left out.
    pub recorded: String,
}

impl Action {
    /// Its name in a reply.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Finish { .. } => "finish",
            Self::Decline { .. } => "decline",
            Self::Split(_) => "split_task",
            Self::Propose { .. } => "propose_task",
            Self::Write(_) => "write_document",
            Self::Append(_) => "append_document",
            Self::Post { .. } => "post_message",
            Self::Remember { .. } => "remember",
            Self::Recall { .. } => RECALL,
            Self::Letter { .. } => "message_human",
            Self::Journal { .. } => "write_journal",
            Self::Run(_) => "run_command",
            Self::Tool(tool) => tool.name(),
        }
    }

    /// What it is about, for the record.
    pub fn target(&self) -> &str {
        match self {
            Self::Decline { target, .. } => target,
            Self::Propose { title, .. } => title,
            Self::Write(document) | Self::Append(document) => &document.path,
            Self::Post { room, .. } => room,
            Self::Letter { kind, .. } | Self::Journal { kind, .. } => kind,
            Self::Run(call) => &call.program,
            Self::Tool(
                Tool::List { path, .. }
                | Tool::Read { path, .. }
                | Tool::Search(Search { path, .. }),
            ) => path,
            Self::Finish { .. }
            | Self::Split(_)
            | Self::Remember { .. }
            | Self::Recall { .. }
            | Self::Tool(Tool::Where | Tool::Echo { .. }) => "",
        }
    }

    /// What somebody else would read of it, or look for with it, each with its field.
    pub fn words(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Write(document) | Self::Append(document) => {
                vec![("title", &document.title), ("body", &document.body)]
            }
            Self::Propose { title, instruction, why } => {
                vec![("title", title), ("instruction", instruction), ("why", why)]
            }
            Self::Post { text, .. }
            | Self::Remember { text, .. }
            | Self::Letter { text, .. }
            | Self::Journal { text, .. } => vec![("text", text)],
            Self::Split(plan) => {
                let parts = plan.parts.iter();
                parts.map(|part| ("instruction", part.instruction.as_str())).collect()
            }
            Self::Run(call) => call.args.iter().map(|arg| ("args", arg.as_str())).collect(),
            Self::Tool(
                Tool::List { path, .. }
                | Tool::Read { path, .. }
                | Tool::Search(Search { path, .. }),
            ) => vec![("path", path)],
            Self::Finish { .. }
            | Self::Decline { .. }
            | Self::Recall { .. }
            | Self::Tool(Tool::Where | Tool::Echo { .. }) => Vec::new(),
        }
    }

    /// Whether its words reach others without a review: posted, sent, remembered or proposed.
    pub const fn is_told(&self) -> bool {
        match self {
            Self::Propose { .. }
            | Self::Post { .. }
            | Self::Remember { .. }
            | Self::Letter { .. } => true,
            Self::Finish { .. }
            | Self::Decline { .. }
            | Self::Split(_)
            | Self::Write(_)
            | Self::Append(_)
            | Self::Recall { .. }
            | Self::Journal { .. }
            | Self::Run(_)
            | Self::Tool(_) => false,
        }
    }

    /// Whether it ends the cycle.
    pub const fn ends_cycle(&self) -> bool {
        match self {
            Self::Finish { .. }
            | Self::Decline { .. }
            | Self::Split(_)
            | Self::Letter { waits: true, .. } => true,
            Self::Write(_)
            | Self::Propose { .. }
            | Self::Append(_)
            | Self::Post { .. }
            | Self::Remember { .. }
            | Self::Recall { .. }
            | Self::Letter { waits: false, .. }
            | Self::Journal { .. }
            | Self::Run(_)
            | Self::Tool(_) => false,
        }
    }

    /// Whether it changes anything, so that an equal action may make sense again. A program reads.
    pub const fn changes(&self) -> bool {
        match self {
            Self::Finish { .. }
            | Self::Decline { .. }
            | Self::Split(_)
            | Self::Propose { .. }
            | Self::Write(_)
            | Self::Append(_)
            | Self::Post { .. }
            | Self::Remember { .. }
            | Self::Letter { .. }
            | Self::Journal { .. } => true,
            Self::Recall { .. } | Self::Run(_) | Self::Tool(_) => false,
        }
    }

    /// Whether its result is the resident's own business and stays out of the record.
    pub fn is_private(&self) -> bool {
        has_private_result(self.name())
    }
}

impl Tool {
    /// Its name in a reply.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::Read { .. } => "read",
            Self::Search(_) => "search",
            Self::Where => "where",
            Self::Echo { .. } => "echo",
        }
    }
}

/// Reads a reply's JSON object; the error says what is wrong with it as a whole.
pub fn parse(text: &str) -> Result<Reply, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    let Value::Object(mut object) = value else {
        return Err("the reply must be one JSON object".to_owned());
    };
    let recorded = record(&object);
    let note = match object.remove("note") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(note)) => {
            let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
            note.chars().filter(plain).take(NOTE_LENGTH_MAX).collect()
        }
        Some(_) => return Err("`note` must be a text".to_owned()),
    };
    let done = match object.remove("done") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(done)) => done,
        Some(_) => return Err("`done` must be true or false".to_owned()),
    };
    let actions = match object.remove("actions") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(actions)) => actions,
        Some(_) => return Err("`actions` must be a list".to_owned()),
    };
    if let Some(unknown) = object.keys().next() {
        return Err(format!("the reply has no field `{unknown}`; use note, actions, done"));
    }
    if actions.is_empty() && !done && note.is_empty() {
        return Err("the reply asks for nothing; name at least one action".to_owned());
    }
    let numbered = actions.into_iter().take(ACTIONS_READ_MAX).zip(1..);
    let actions = numbered.map(|(value, number)| asked(value, number)).collect::<Result<_, _>>()?;
    Ok(Reply { note, actions, done, recorded })
}

fn not_json(error: &serde_json::Error) -> String {
    format!("the reply is not valid JSON (line {}, column {})", error.line(), error.column())
}

fn asked(value: Value, number: usize) -> Result<Asked, String> {
    let Value::Object(mut fields) = value else {
        return Err(format!("action {number} must be a JSON object"));
    };
    let Some(Value::String(name)) = fields.remove("do") else {
        return Err(format!("action {number} must name what to `do`"));
    };
    let id = match fields.remove("id") {
        Some(Value::String(id)) if !id.is_empty() && id.chars().count() <= 32 => id,
        Some(Value::Number(number)) => number.to_string(),
        Some(_) | None => format!("a{number}"),
    };
    let mut reader = Fields::new(fields);
    let needs = reader.list("needs", 16, 1, 32);
    reader.forget();
    let raw = reader.raw_hash(&name);
    let what = match read(&name, &mut reader) {
        Some(action) => reader.finish().map(|()| action).map_err(Fault::Invalid),
        None => Err(Fault::Unknown),
    };
    let hash = if what.is_ok() { reader.hash(&name) } else { raw };
    Ok(Asked { id, needs, name: name.chars().take(64).collect(), what, hash })
}

fn read(name: &str, fields: &mut Fields) -> Option<Action> {
    Some(match name {
        "finish" => {
            let action = Action::Finish {
                summary: fields.text("summary", 1, 2_000),
                answer: fields.text("answer", 0, 4_000),
            };
            // Skills are offered from a later level on; the field is read so that it may be there.
            fields.list("skills_used", 5, 1, 64);
            action
        }
        "decline" => Action::Decline {
            target: fields.text("target_id", 0, 64),
            reason: fields.text("reason", 3, 500),
        },
        "split_task" => Action::Split(plan(fields)),
        "propose_task" => Action::Propose {
            title: fields.text("title", 3, TITLE_LENGTH_MAX),
            instruction: fields.text("instruction", INSTRUCTION_MIN, INSTRUCTION_LENGTH_MAX),
            why: fields.text("why", WHY_MIN, REASON_LENGTH_MAX),
        },
        "write_document" => Action::Write(document(fields, 3)),
        "append_document" => Action::Append(document(fields, 0)),
        "post_message" => Action::Post {
            room: fields.text("room", 1, 64),
            text: fields.text("text", 1, 1_200),
            mood: fields.text("mood", 0, 32),
            importance: fields.number("importance", 1, 5, 3),
            reply_to: fields.text("reply_to", 0, 64),
            mentions: fields.list("mentions", 3, 1, 80),
        },
        "remember" => Action::Remember {
            text: fields.text("text", 3, 600),
            kind: fields.text("kind", 0, 32),
            tags: fields.list("tags", 5, 2, 32),
            importance: fields.number("importance", 1, 5, 3),
            about: fields.list("about", 3, 1, 80),
            supersedes: fields.text("supersedes", 0, 64),
        },
        RECALL => Action::Recall {
            query: fields.text("query", 2, 200),
            count: fields.number("k", 1, 12, 5),
        },
        "message_human" => Action::Letter {
            kind: fields.word("type", &["question", "greeting", "idea", "concern", "message"]),
            text: fields.text("text", 1, 1_200),
            task: fields.text("task_id", 0, 64),
            waits: fields.flag("waits"),
        },
        "write_journal" => {
            let action = Action::Journal {
                kind: fields.word("type", &["reflection", "learning", "observation", "correction"]),
                text: fields.text("text", 1, 8_000),
                share_with_human: fields.flag("share_with_human"),
            };
            if fields.flag("submit") {
                fields.wrong("submit", "is not possible yet, leave it out");
            }
            action
        }
        "run_command" => command(fields),
        _ => Action::Tool(tool(name, fields)?),
    })
}

/// A program of the table, or the tool that its words mean.
fn command(fields: &mut Fields) -> Action {
    let program = fields.text("program", 1, 32);
    let args = fields.sequence("args", ARGUMENTS_MAX, ARGUMENT_LENGTH_MAX);
    let folder = match fields.text("folder", 0, 240) {
        folder if folder.is_empty() => COMMAND_FOLDER.to_owned(),
        folder => folder,
    };
    let seconds = fields.number("seconds", 0, COMMAND_SECONDS_MAX, 0).into();
    if words::mean_a_tool(&program) {
        let all: Vec<String> = std::iter::once(program.clone()).chain(args.clone()).collect();
        match words::tool(&all) {
            Ok(tool) => return Action::Tool(tool),
            Err(why) => fields.wrong("args", &format!("mean no tool: {why}")),
        }
    }
    Action::Run(Call { program, args, folder, seconds })
}

fn plan(fields: &mut Fields) -> Plan {
    let reason = fields.text("reason", WHY_MIN, REASON_LENGTH_MAX);
    let faults = fields.fault_count();
    let parts = fields.objects("parts", *split::PARTS.end(), |part| Part {
        title: part.text("title", 3, TITLE_LENGTH_MAX),
        instruction: part.text("instruction", INSTRUCTION_MIN, INSTRUCTION_LENGTH_MAX),
        after: part.places("after"),
        share: part.number("share", 1, 100, 0),
    });
    let shares: Vec<u32> = parts.iter().map(|part| part.share).collect();
    let after: Vec<_> = parts.iter().map(|part| part.after.clone()).collect();
    // Parts that cannot be read are not judged together.
    let fault = split::fault(&shares, &after).filter(|_| fields.fault_count() == faults);
    if let Some(fault) = fault {
        fields.wrong("parts", fault);
    }
    Plan { reason, parts }
}

fn document(fields: &mut Fields, title_min: usize) -> Document {
    Document {
        path: fields.text("path", 0, 120),
        title: fields.text("title", title_min, 120),
        // An empty document is staged: review says what is wrong with it.
        body: fields.text("body", 0, DOCUMENT_LENGTH_MAX),
        tags: fields.list("tags", 8, 2, 32),
        base_version: fields.number("base_version", 0, u32::MAX, 0),
    }
}

fn tool(name: &str, fields: &mut Fields) -> Option<Tool> {
    Some(match name {
        "list" => Tool::List {
            root: fields.text("root", 0, 80),
            path: fields.text("path", 0, 240),
            depth: fields.number("depth", 1, 3, 1),
            after: fields.text("after", 0, 240),
        },
        "read" => Tool::Read {
            root: fields.text("root", 0, 80),
            path: fields.text("path", 0, 240),
            first_line: fields.number("first_line", 1, u32::MAX, 1),
            max_lines: fields.number("max_lines", 1, 400, 400),
        },
        "search" => Tool::Search(Search {
            root: fields.text("root", 0, 80),
            path: fields.text("path", 0, 240),
            pattern: fields.text("pattern", 1, 200),
            fixed: fields.flag("fixed"),
            ignore_case: fields.flag("ignore_case"),
            context_lines: fields.number("context_lines", 0, 3, 0),
            skip: fields.number("skip", 0, 100_000, 0),
        }),
        "where" => Tool::Where,
        "echo" => Tool::Echo { text: fields.text("text", 0, 1_000) },
        _ => return None,
    })
}

/// Actions whose `text` stays out of the record: their owner keeps it, sealed or erasable.
const PRIVATE: [&str; 3] = ["write_journal", "message_human", "remember"];

/// An action that writes nothing private, and whose result is what was written so before.
const RECALL: &str = "recall";

/// Whether the result of an action of this name is the resident's own business.
pub fn has_private_result(name: &str) -> bool {
    name == RECALL || PRIVATE.contains(&name)
}

/// Whether a reply may hold a private text: it names such an action, or hides letters behind escapes.
pub fn may_be_private(text: &str) -> bool {
    text.contains("\\u") || PRIVATE.iter().any(|name| text.contains(name))
}

/// The reply as it may be recorded.
fn record(object: &Map<String, Value>) -> String {
    let mut shown = object.clone();
    if let Some(Value::Array(actions)) = shown.get_mut("actions") {
        for action in actions.iter_mut().filter_map(Value::as_object_mut) {
            let private = action
                .get("do")
                .and_then(Value::as_str)
                .is_some_and(|name| PRIVATE.contains(&name));
            if private {
                withhold(action);
            }
        }
    }
    Value::Object(shown).to_string()
}

fn withhold(action: &mut Map<String, Value>) {
    for (name, value) in action.iter_mut() {
        if let (Value::String(text), false) = (&*value, matches!(&**name, "id" | "do" | "type")) {
            let digest = hex::encode(Sha256::digest(text.as_bytes()));
            let length = text.chars().count();
            *value = Value::String(format!("[private: {length} characters, sha256 {digest}]"));
        }
    }
}

/// What may be recorded of a reply that cannot be read: nothing, if it may hold a private text.
pub fn record_unread(text: &str) -> String {
    if PRIVATE.iter().any(|name| text.contains(name)) {
        return format!("[withheld: {} unreadable characters]", text.chars().count());
    }
    text.to_owned()
}

#[cfg(test)]
mod tests;
