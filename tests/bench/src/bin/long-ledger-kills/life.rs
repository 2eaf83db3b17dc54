//! One life of the writer, from its start to its SIGKILL.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use vivarium_bench::dice::Dice;
use vivarium_bench::lives::book::Book;

use crate::Args;

/// Every life with such a number is ended while it starts.
const EARLY_EVERY: u64 = 10;
/// A start is ended within this time.
const EARLY_MICROS: u64 = 20_000;
/// Behind the chosen answer passes up to this time, so that a kill meets every part of a turn.
const LATER_MICROS: u64 = 3_000;

/// When a life ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    /// Behind so many answers; `None` for a kill during the start.
    answers: Option<u64>,
    /// And so much later.
    delay: Duration,
}

impl Kill {
    /// Chooses a moment of life `cycle`: about `answers` answers from its start.
    pub(crate) fn throw(dice: &mut Dice, cycle: u64, answers: u64) -> Self {
        if cycle.is_multiple_of(EARLY_EVERY) {
            let delay = Duration::from_micros(dice.below(EARLY_MICROS));
            return Self { answers: None, delay };
        }
        let answers = Some(1 + dice.below(2 * answers));
        Self { answers, delay: Duration::from_micros(dice.below(LATER_MICROS)) }
    }
}

/// Starts a writer, takes its lines down, ends it, and reads what it had still said.
pub(crate) fn run(args: &Args, folder: &Path, kill: Kill, book: &mut Book) -> Result<()> {
    book.begin_life();
    let mut child = start(args, folder)?;
    let mut stdin = child.stdin.take().context("its standard input is ours")?;
    writeln!(stdin, "{}", book.starts().join(" "))?;
    drop(stdin);
    let mut lines = BufReader::new(child.stdout.take().context("its standard output is ours")?);
    let mut left = kill.answers;
    if left.is_none() {
        end(&mut child, kill.delay)?;
    }
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        ensure!(line.ends_with('\n'), "half a line: {line}");
        if book.hear(&line)? && left.is_some_and(|left| left > 0) {
            left = left.map(|left| left - 1);
            if left == Some(0) {
                end(&mut child, kill.delay)?;
            }
        }
        line.clear();
    }
    let status = child.wait()?;
    ensure!(status.signal() == Some(9), "the writer ended by itself: {status}");
    Ok(())
}

fn start(args: &Args, folder: &Path) -> Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("--writer").arg(folder);
    command.arg("--snapshot-every").arg(args.snapshot_every.to_string());
    if args.forget {
        command.arg("--forget");
    }
    if let Some(server) = &args.server {
        command.arg("--server").arg(server);
    }
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

#[expect(clippy::disallowed_methods, reason = "the moment of a kill is a time, not a condition")]
fn end(child: &mut Child, delay: Duration) -> Result<()> {
    std::thread::sleep(delay);
    Ok(child.kill()?)
}
