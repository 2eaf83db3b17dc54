//! Kills a ledger's process again and again: nothing acknowledged is lost, nothing happens twice.
//!
//! A kill takes the process and not the machine: what the kernel of the operating system holds in
//! memory stays. Power cuts are another suite.

mod life;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use vivarium_bench::dice::Dice;
use vivarium_bench::lives::book::Book;
use vivarium_bench::lives::home::Home;
use vivarium_bench::lives::record::{Faults, Record};
use vivarium_bench::lives::writer::{self, Faith};
use vivarium_bench::place;
use vivarium_harness::postgres::Postgres;

use life::Kill;

/// Cycles between two audits of the whole file; each cycle reads what is new.
const AUDIT_EVERY: u64 = 100;

/// Starts a writer over one ledger, kills it at a random moment, and starts the next.
///
/// Many callers submit numbers under request ids. A call without an answer is repeated under its
/// id by the next life. Behind each kill the log is read: every acknowledged number is there
/// once, in the acknowledged place, nothing is there that nobody asked for, and the chain
/// verifies. Prints its counts; ends with 1 at the first broken promise.
#[derive(Debug, Parser)]
struct Args {
    /// How many lives, each ended by SIGKILL.
    #[arg(long, default_value_t = 1_000)]
    cycles: u64,
    /// What chooses the moments; another one each time unless it is given.
    #[arg(long)]
    seed: Option<u64>,
    /// Callers at once.
    #[arg(long, default_value_t = 32)]
    callers: u32,
    /// Answers of a life, on average.
    #[arg(long, default_value_t = 150)]
    answers: u64,
    /// Rows between two snapshots; few, so that kills meet snapshots too.
    #[arg(long, default_value_t = 100)]
    snapshot_every: u64,
    /// Where to write: a disk, not memory. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Acknowledge before the commit: a planted fault, which must be found out.
    #[arg(long)]
    forget: bool,
    /// Keep the ledger in PostgreSQL, in a server of this program's own.
    #[arg(long)]
    postgres: bool,
    /// The server of the writer's ledger.
    #[arg(long, hide = true, value_name = "CONNECTION")]
    server: Option<String>,
    /// Be the writer in this folder.
    #[arg(long, hide = true, value_name = "FOLDER")]
    writer: Option<PathBuf>,
}

/// What all lives together came to.
#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    in_flight: u64,
    unanswered: u64,
    on_disk: u64,
    audits: u64,
}

fn main() -> Result<ExitCode> {
    let mut args = Args::parse();
    if let Some(folder) = &args.writer {
        let home = Home::new(folder, args.server.as_deref());
        let faith = if args.forget { Faith::Early } else { Faith::Kept };
        writer::run(&home, args.snapshot_every, faith)?;
        return Ok(ExitCode::SUCCESS);
    }
    let seed = args.seed.unwrap_or_else(|| u64::from_le_bytes(vivarium_chassis::clock::random()));
    let folder = place::folder(args.folder.as_deref())?;
    let server = args.postgres.then(Postgres::start);
    args.server = server.as_ref().map(Postgres::connection);
    let mut head = place::versions(folder.path());
    writeln!(
        head,
        "\nseed {seed}, {} cycles, {} callers, about {} answers a life, a snapshot every {} rows{}{}",
        args.cycles,
        args.callers,
        args.answers,
        args.snapshot_every,
        if args.postgres { ", in PostgreSQL" } else { "" },
        if args.forget { ", acknowledged before the commit" } else { "" },
    )?;
    print(&head);
    let (book, figures, faults) = kill(&args, folder.path(), seed)?;
    let figures = table(&book, &figures, &faults);
    print(&figures);
    if faults.any() {
        if !args.forget {
            print(&format!("the ledger is kept in {}\n", folder.keep().display()));
        }
        return Ok(ExitCode::FAILURE);
    }
    if !args.forget {
        let name = if args.postgres { "ledger-kills-postgres.txt" } else { "ledger-kills.txt" };
        place::keep(name, &(head + &figures))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lives and kills until the cycles are through or a promise is broken.
fn kill(args: &Args, folder: &Path, seed: u64) -> Result<(Book, Figures, Faults)> {
    let home = Home::new(folder, args.server.as_deref());
    let mut dice = Dice::seeded(seed);
    let mut book = Book::new(args.callers);
    let mut record = Record::new(args.callers);
    let (mut figures, mut faults) = (Figures::default(), Faults::default());
    for cycle in 1..=args.cycles {
        let kill = Kill::throw(&mut dice, cycle, args.answers);
        life::run(args, folder, kill, &mut book).with_context(|| format!("life {cycle}"))?;
        record.read_on(&home, &book, &mut faults).with_context(|| format!("life {cycle}"))?;
        let unanswered = book.in_flight();
        figures.kills += 1;
        figures.in_flight += u64::from(!unanswered.is_empty());
        figures.unanswered += unanswered.len() as u64;
        figures.on_disk += unanswered.iter().filter(|note| record.holds(**note)).count() as u64;
        if cycle % AUDIT_EVERY == 0 || cycle == args.cycles || faults.any() {
            figures.audits += 1;
            // Once more from the first row: what was there must be there still.
            let mut whole = Record::new(args.callers);
            let mut again = Faults::default();
            whole.read_on(&home, &book, &mut again)?;
            whole.audit(&home, &mut again)?;
            faults.take_worst(again);
        }
        if faults.any() {
            break;
        }
    }
    Ok((book, figures, faults))
}

fn table(book: &Book, figures: &Figures, faults: &Faults) -> String {
    let mut text = String::new();
    let mut row = |name: &str, figure: u64| {
        let line = writeln!(text, "{name:<44} {figure:>10}");
        line.expect("text takes every line");
    };
    row("kills", figures.kills);
    row("kills with calls in flight", figures.in_flight);
    row("calls in flight (asked, not answered)", figures.unanswered);
    row("of those on disk at the kill", figures.on_disk);
    row("answers given again by a later life", book.repeated);
    row("acknowledged", book.acknowledged());
    row("events", faults.rows);
    row("audits of the whole file", figures.audits);
    row("lost", faults.lost);
    row("in another place than acknowledged", faults.moved);
    row("doubled", faults.doubled);
    row("nobody asked for", faults.unasked);
    row("breaks of the chain", faults.findings.len() as u64);
    for finding in &faults.findings {
        text.push_str(finding);
        text.push('\n');
    }
    text
}

#[expect(clippy::print_stdout, reason = "a load generator prints its figures")]
fn print(text: &str) {
    print!("{text}");
}
