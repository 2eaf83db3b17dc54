//! The child: opens the ledger, submits for every caller, says each call and each answer in a line.
//!
//! `asked CALLER NUMBER` stands before the submission, `answered CALLER NUMBER SEQUENCE first|again`
//! behind its answer. A line is written at once and whole; it outlives the process in the pipe.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::sync::Arc;

use crate::numbers::{Note, Numbers};
use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use vivarium_chassis::clock::{self, SystemClock};
use vivarium_ledger::ledger::abort_on_fault;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Submission};
use vivarium_types::Actor;

use super::home::{self, Home};

/// How well a writer keeps its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faith {
    /// It answers when the answer is on disk.
    Kept,
    /// A planted fault: it answers before the commit.
    Early,
    /// A planted fault: its commits are not synced.
    Unsynced,
}

/// Runs until it is killed. Each caller's first number comes on standard input.
pub fn run(home: &Home, snapshot_every: u64, faith: Faith) -> Result<()> {
    let starts = io::read_to_string(io::stdin())?;
    let starts: Vec<u64> =
        starts.split_whitespace().map(str::parse).collect::<Result<_, _>>().context("a number")?;
    let parts =
        Parts { clock: Arc::new(SystemClock), ids: clock::ids(), views: Vec::new(), keys: None };
    let options = Options { snapshot_every, ..Options::default() };
    let (ledger, _running) = match home {
        Home::File(file) => {
            let unsynced = faith == Faith::Unsynced;
            let store = if unsynced { Sqlite::unsynced(file)? } else { Sqlite::at(file)? };
            Ledger::open(store, parts, None, options, abort_on_fault())?
        }
        Home::Server(server, views) => {
            let store = home::postgres(server, views)?;
            Ledger::open(store, parts, None, options, abort_on_fault())?
        }
    };
    let callers =
        starts.into_iter().zip(0..).map(|(start, caller)| call(&ledger, caller, start, faith));
    tokio::runtime::Builder::new_current_thread().build()?.block_on(try_join_all(callers))?;
    Ok(())
}

/// One caller: a number, its answer, the next number.
async fn call(
    ledger: &Ledger<Numbers>,
    caller: u32,
    start: u64,
    faith: Faith,
) -> Result<Infallible> {
    let early = faith == Faith::Early;
    let mut note = Note { caller, number: start };
    loop {
        say(&format!("asked {caller} {}\n", note.number))?;
        let actor = Actor::rule("caller");
        let submission = Submission::new(actor, note).request(note.request());
        let submission = if early { acknowledged_early(submission, note) } else { submission };
        let answer = ledger.submit(submission).await?;
        if answer.repeated || !early {
            let which = if answer.repeated { "again" } else { "first" };
            say(&format!("answered {caller} {} {} {which}\n", note.number, answer.sequence))?;
        }
        note.number += 1;
    }
}

/// The planted fault: the answer is made when the turn has decided, and the commit is still to come.
fn acknowledged_early(submission: Submission<Numbers>, note: Note) -> Submission<Numbers> {
    let Note { caller, number } = note;
    submission.answering(move |_, decided| {
        let line = format!("answered {caller} {number} {} first\n", decided.sequence);
        say(&line).expect("the parent reads until this process is dead");
    })
}

/// One write a line: a kill leaves all of it or nothing.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}
