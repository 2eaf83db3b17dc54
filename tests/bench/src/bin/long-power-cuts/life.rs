//! One life of the writer, from its start to its power cut.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use vivarium_bench::dice::Dice;
use vivarium_bench::lives::book::Book;

use crate::Args;
use crate::image::Image;

/// Every life with such a number is cut while it starts.
const EARLY_EVERY: u64 = 10;
/// A start is cut within this time.
const EARLY_MICROS: u64 = 30_000;
/// Behind the chosen answer passes up to this time, so that a cut meets every part of a turn.
const LATER_MICROS: u64 = 3_000;

/// When a life ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Behind so many answers; 0 for a cut during the start.
    answers: u64,
    /// And so much later.
    delay: Duration,
}

impl Moment {
    /// Chooses a moment of life `cut`: about `answers` answers from its start.
    pub(crate) fn throw(dice: &mut Dice, cut: u64, answers: u64) -> Self {
        if cut.is_multiple_of(EARLY_EVERY) {
            return Self { answers: 0, delay: Duration::from_micros(dice.below(EARLY_MICROS)) };
        }
        let answers = 1 + dice.below(2 * answers);
        Self { answers, delay: Duration::from_micros(dice.below(LATER_MICROS)) }
    }
}

/// Starts a writer, takes down what it says until it stands still, and cuts: what it writes from then
/// on is on no disk.
pub(crate) fn run(args: &Args, image: Image, moment: Moment, book: &mut Book) -> Result<Image> {
    book.begin_life();
    let mut child = start(args, &image)?;
    let mut stdin = child.stdin.take().context("its standard input is ours")?;
    writeln!(stdin, "{}", book.starts().join(" "))?;
    drop(stdin);
    let mut lines = BufReader::new(child.stdout.take().context("its standard output is ours")?);
    let (mut left, mut line) = (moment.answers, String::new());
    while left > 0 {
        ensure!(lines.read_line(&mut line)? > 0, "the writer ended by itself");
        left -= u64::from(book.hear(&line)?);
        line.clear();
    }
    let copy = cut(&child, &image, moment.delay)?;
    child.kill()?;
    child.wait()?;
    // All of this was said before the copy was begun.
    while lines.read_line(&mut line)? > 0 {
        book.hear(&line)?;
        line.clear();
    }
    image.restored_from(copy)
}

fn start(args: &Args, image: &Image) -> Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("--writer").arg(image.place());
    command.arg("--snapshot-every").arg(args.snapshot_every.to_string());
    if args.unsynced {
        command.arg("--unsynced");
    }
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

/// The writer stands still while the copy is made, so that the copy is one moment; a write that the
/// kernel has begun goes on.
#[expect(clippy::disallowed_methods, reason = "the moment of a cut is a time, not a condition")]
fn cut(child: &Child, image: &Image, delay: Duration) -> Result<std::path::PathBuf> {
    std::thread::sleep(delay);
    vivarium_harness::process::signal(child.id(), "STOP");
    while !stands_still(child.id()) {
        std::thread::yield_now();
    }
    image.cut()
}

/// Whether a process is stopped, or has ended.
fn stands_still(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    state.is_empty() || state.starts_with(['T', 'Z', 'X'])
}
