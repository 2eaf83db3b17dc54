//! Halts a world of fifty at work again and again: nothing starts late, nothing lives on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use vivarium_bench::dice::Dice;
use vivarium_bench::place;
use vivarium_bench::times::Times;
use vivarium_harness::halting::{ALIVE_MAX, Stand, Trial, Way};

/// The goal for the last process and the last call, while everything runs.
const GOAL_MS: u64 = 250;
/// Halts between two lines that tell how far it is.
const TOLD_EVERY: usize = 50;
/// Halts of one world. A supervisor waits ever longer before it starts again what is killed again and
/// again, as it should.
const WORLD_HALTS: usize = 25;
/// A halt comes up to this long after everybody is at work.
const PAUSE_MAX_MS: u64 = 400;

/// Halts a world of real processes and watches what is left of it.
///
/// Residents wait for a language model and programs run in the sandbox, each with a child that no
/// request ends; the halt comes at a random moment, first in a world whose disk is full, then in
/// others, a new one every 25 halts, in turns with everything well, with the gateway hanging, with the
/// queue hanging, with the queue killed behind it and with the executor asleep. The model server tells
/// which calls are left and the kernel which processes. Times are since `vivarium halt` was typed. Ends
/// with 1 when something starts more than 500 ms behind a halt, lives 2 s behind it, or is told otherwise
/// by the signed receipt. Needs `cargo build --release --workspace --bins`.
#[derive(Debug, Parser)]
struct Args {
    /// How many halts.
    #[arg(long, default_value_t = 200)]
    trials: usize,
    /// How many more with a full disk; needs the right to mount.
    #[arg(long, default_value_t = 20)]
    full: usize,
    /// The name of the file that keeps the figures.
    #[arg(long, default_value = "halts.txt")]
    keep: String,
    /// Residents in model calls.
    #[arg(long, default_value_t = 35)]
    calls: usize,
    /// Programs in the sandbox.
    #[arg(long, default_value_t = 15)]
    programs: usize,
    /// What chooses the moments; another one each time unless it is given.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| u64::from_le_bytes(vivarium_chassis::clock::random()));
    let mut dice = Dice::seeded(seed);
    let mut head = place::versions(&std::env::temp_dir());
    let Args { trials, full, calls, programs, .. } = args;
    writeln!(
        head,
        "\nseed {seed}, {trials} halts and {full} with a full disk, {calls} model calls, {programs} \
         programs with a child each"
    )?;
    print(&head);
    // Looked at first: whoever may not mount is told so before hours are spent.
    let small = if full > 0 {
        let stand = Stand::on_small_disk(calls, programs);
        Some(stand.context("nobody may mount a disk here; leave it out with --full 0")?)
    } else {
        None
    };
    let (mut all, mut breaches) = (Vec::new(), Vec::new());
    let mut halt = |stand: Stand, trials: usize, ways: &[Way]| -> Result<()> {
        for way in ways.iter().cycle().take(trials) {
            let trial = stand.halt(*way, Duration::from_millis(dice.below(PAUSE_MAX_MS)));
            if is_wrong(&trial) {
                print(&format!("halt {}: {trial:?}\n", all.len() + 1));
            }
            all.push(trial);
            if all.len().is_multiple_of(TOLD_EVERY) {
                print(&format!("{} halts\n", all.len()));
                // Kept as it goes, so that a run that is ended counts as far as it came.
                keep(&args, &head, &all, None)?;
            }
        }
        breaches.extend(stand.end());
        Ok(())
    };
    if let Some(stand) = small {
        halt(stand, full, &[Way::DiskFull])?;
    }
    for done in (0..trials).step_by(WORLD_HALTS) {
        halt(Stand::start(calls, programs), WORLD_HALTS.min(trials - done), &Way::ALL)?;
    }
    print(&table(&all, Some(&breaches))?);
    if all.iter().any(is_wrong) || !breaches.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    keep(&args, &head, &all, Some(&breaches))?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps the figures so far, unless something is wrong.
fn keep(args: &Args, head: &str, all: &[Trial], breaches: Option<&[String]>) -> Result<()> {
    if !all.iter().any(is_wrong) {
        place::keep(&args.keep, &format!("{head}{}", table(all, breaches)?))?;
    }
    Ok(())
}

fn is_wrong(trial: &Trial) -> bool {
    let gone = trial.calls_gone.max(trial.processes_gone);
    trial.late > 0 || !trial.receipt.is_empty() || gone >= ALIVE_MAX
}

fn table(all: &[Trial], breaches: Option<&[String]>) -> Result<String> {
    let mut text = String::from("milliseconds from typing the halt to the last of them gone\n");
    let mut ways: BTreeMap<Way, (Times, Times)> = BTreeMap::new();
    for trial in all {
        let (calls, processes) = ways.entry(trial.way).or_default();
        calls.extend(Some(trial.calls_gone));
        processes.extend(Some(trial.processes_gone));
    }
    writeln!(
        text,
        "{:<34} {:>6} {:>9} {:>9} {:>13} {:>13}",
        "", "halts", "call p50", "call p99", "process p50", "process p99"
    )?;
    for (way, (calls, processes)) in &mut ways {
        let ms = |times: &mut Times, at| times.micros_at(at).unwrap_or(0) / 1_000;
        let count = all.iter().filter(|trial| trial.way == *way).count();
        let (call, call99) = (ms(calls, 500), ms(calls, 990));
        let (process, process99) = (ms(processes, 500), ms(processes, 990));
        let word = way.word();
        writeln!(
            text,
            "{word:<34} {count:>6} {call:>9} {call99:>9} {process:>13} {process99:>13}"
        )?;
        if *way == Way::Whole {
            let reached = if call99.max(process99) <= GOAL_MS { "reached" } else { "missed" };
            writeln!(text, "    the goal of {GOAL_MS} ms p99 is {reached}")?;
        }
    }
    let sum = |count: fn(&Trial) -> usize| all.iter().map(count).sum::<usize>();
    let stopped = (sum(|trial| trial.running.0), sum(|trial| trial.running.1));
    writeln!(text, "{:<52} {:>9}", "model calls stopped", stopped.0)?;
    writeln!(text, "{:<52} {:>9}", "programs stopped", stopped.1)?;
    writeln!(
        text,
        "{:<52} {:>9}",
        "begun more than 500 ms behind a halt",
        sum(|trial| trial.late)
    )?;
    let alive =
        |trial: &Trial| usize::from(trial.calls_gone.max(trial.processes_gone) >= ALIVE_MAX);
    writeln!(text, "{:<52} {:>9}", "halts with something alive after 2 s", sum(alive))?;
    let wrong = |trial: &Trial| usize::from(!trial.receipt.is_empty());
    writeln!(text, "{:<52} {:>9}", "receipts that do not verify or tell otherwise", sum(wrong))?;
    let Some(breaches) = breaches else {
        writeln!(text, "ended before its end: the record was not read")?;
        return Ok(text);
    };
    writeln!(text, "{:<52} {:>9}", "broken rules of the record", breaches.len())?;
    for breach in breaches {
        writeln!(text, "{breach}")?;
    }
    Ok(text)
}

#[expect(clippy::print_stdout, reason = "a load generator prints its figures")]
fn print(text: &str) {
    print!("{text}");
}
