//! What an idle world costs: CPU, memory and bytes written by each process while nothing is to do.

use std::time::Duration;

use clap::Parser;
use vivarium_bench::usage::Usage;
use vivarium_harness::model_server::{Reply, Script};
use vivarium_harness::process::{Model, World};

/// Watches a world of real processes with five residents, an empty queue and a language model.
///
/// Prints, for each process: seconds of CPU and the share of a core, resident memory, bytes handed to
/// the disk, and at the end how often the model was asked. A world at rest asks no model and writes
/// nothing.
#[derive(Debug, Parser)]
struct Args {
    /// How long to watch.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#[expect(clippy::disallowed_methods, reason = "a benchmark of processes waits by the clock")]
fn main() {
    let args = Args::parse();
    let model = Model::start(Script::always(Reply::text("nobody should ask")));
    let world = World::start_on(&model);
    let mut processes = world.pids();
    processes.push(("supervisor".to_owned(), world.supervisor()));
    // What the start itself causes has ended when the first minute is over.
    std::thread::sleep(Duration::from_mins(1));
    let before: Vec<Usage> = processes.iter().map(|(_, pid)| Usage::of(*pid)).collect();
    std::thread::sleep(Duration::from_secs(60 * args.minutes));
    let after: Vec<Usage> = processes.iter().map(|(_, pid)| Usage::of(*pid)).collect();
    println!("{} minutes at rest, five residents, an empty queue", args.minutes);
    println!(
        "{:<11} {:>8} {:>9} {:>10} {:>9}",
        "process", "CPU s", "% of core", "RSS MiB", "bytes"
    );
    let mut all = (0, 0, 0);
    for (((name, _), before), after) in processes.iter().zip(&before).zip(&after) {
        let ticks = after.ticks - before.ticks;
        let written = after.written - before.written;
        row(name, ticks, after.resident, written, args.minutes);
        all = (all.0 + ticks, all.1 + after.resident, all.2 + written);
    }
    row("together", all.0, all.1, all.2, args.minutes);
    println!("model calls: {}", model.asked().len());
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn row(name: &str, ticks: u64, resident_kib: u64, written: u64, minutes: u64) {
    // A tick is 10 ms; hundredths of a percent keep the figures whole.
    let share = ticks * 10_000 / (minutes * 60 * 100);
    println!(
        "{name:<11} {:>5}.{:02} {:>6}.{:02} {:>10} {written:>9}",
        ticks / 100,
        ticks % 100,
        share / 100,
        share % 100,
        resident_kib / 1024,
    );
}
