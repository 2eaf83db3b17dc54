//! Cuts a ledger's power again and again: nothing acknowledged is lost, nothing happens twice.
//!
//! The ledger lies on a file system of its own in an image on this disk. A cut copies the image as it
//! lies there, without what the kernel still holds in memory, and the next life finds the copy. It
//! does not reorder or tear sectors.

mod image;
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

use image::Image;

/// Cuts on one image; then a new one is made, so that copies stay small.
const CUTS_OF_AN_IMAGE: u64 = 50;
/// The exit code where nobody may mount an image.
const EXIT_NOT_HERE: u8 = 3;

/// Starts a writer over one ledger, cuts its power at a random moment, and starts the next on what
/// the disk holds.
///
/// As `ledger-kills`, but the kernel's memory is lost with the process: what a commit did not sync
/// is gone. Needs root and loop devices. Prints its counts; ends with 1 at the first broken promise.
#[derive(Debug, Parser)]
struct Args {
    /// How many lives, each ended by a power cut.
    #[arg(long, default_value_t = 500)]
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
    /// Rows between two snapshots; few, so that cuts meet snapshots too.
    #[arg(long, default_value_t = 100)]
    snapshot_every: u64,
    /// Where images lie: a disk, not memory. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Commit without a sync: a planted fault, which must be found out.
    #[arg(long)]
    unsynced: bool,
    /// Be the writer in this folder.
    #[arg(long, hide = true, value_name = "FOLDER")]
    writer: Option<PathBuf>,
}

/// What all lives together came to.
#[derive(Debug, Default)]
struct Figures {
    cuts: u64,
    in_flight: u64,
    acknowledged: u64,
    repeated: u64,
    rows: u64,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let faith = if args.unsynced { Faith::Unsynced } else { Faith::Kept };
    if let Some(folder) = &args.writer {
        writer::run(&Home::new(folder, None), args.snapshot_every, faith)?;
        return Ok(ExitCode::SUCCESS);
    }
    let seed = args.seed.unwrap_or_else(|| u64::from_le_bytes(vivarium_chassis::clock::random()));
    let folder = place::folder(args.folder.as_deref())?;
    if !image::possible(folder.path()) {
        print("nobody may mount an image here: run it as root, where there are loop devices\n");
        return Ok(ExitCode::from(EXIT_NOT_HERE));
    }
    let mut head = place::versions(folder.path());
    let how = if args.unsynced { ", commits not synced" } else { "" };
    let (cycles, callers, answers) = (args.cycles, args.callers, args.answers);
    writeln!(
        head,
        "\nseed {seed}, {cycles} power cuts on ext4, {callers} callers, about {answers} answers a life{how}"
    )?;
    print(&head);
    let (figures, faults) = cut_all(&args, folder.path(), seed)?;
    let figures = table(&figures, &faults);
    print(&figures);
    if faults.any() {
        return Ok(ExitCode::FAILURE);
    }
    if !args.unsynced {
        place::keep("power-cuts.txt", &(head + &figures))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lives and cuts until the cycles are through or a promise is broken.
fn cut_all(args: &Args, folder: &Path, seed: u64) -> Result<(Figures, Faults)> {
    let mut dice = Dice::seeded(seed);
    let (mut figures, mut faults) = (Figures::default(), Faults::default());
    let mut left = args.cycles;
    while left > 0 && !faults.any() {
        let cuts = left.min(CUTS_OF_AN_IMAGE);
        one_image(args, folder, cuts, &mut dice, (&mut figures, &mut faults))?;
        left -= cuts;
    }
    Ok((figures, faults))
}

/// Cuts of one ledger on one image, from its making on.
fn one_image(
    args: &Args,
    folder: &Path,
    cuts: u64,
    dice: &mut Dice,
    (figures, faults): (&mut Figures, &mut Faults),
) -> Result<()> {
    let mut image = Image::make(folder)?;
    let mut book = Book::new(args.callers);
    let mut record = Record::new(args.callers);
    let mut of_image = Faults::default();
    for cut in 1..=cuts {
        let moment = life::Moment::throw(dice, cut, args.answers);
        image = life::run(args, image, moment, &mut book)
            .with_context(|| format!("life {}", figures.cuts + 1))?;
        let home = Home::new(image.place(), None);
        let read = record.read_on(&home, &book, &mut of_image);
        figures.cuts += 1;
        figures.in_flight += u64::from(!book.in_flight().is_empty());
        if let Err(error) = read {
            of_image.findings.push(format!("the file cannot be read: {error:#}"));
        }
        if of_image.any() {
            break;
        }
    }
    if !of_image.any() {
        record.audit(&Home::new(image.place(), None), &mut of_image)?;
    }
    figures.acknowledged += book.acknowledged();
    figures.repeated += book.repeated;
    figures.rows += of_image.rows;
    faults.take_worst(of_image);
    Ok(())
}

fn table(figures: &Figures, faults: &Faults) -> String {
    let mut text = String::new();
    let mut row = |name: &str, figure: u64| {
        let line = writeln!(text, "{name:<44} {figure:>10}");
        line.expect("text takes every line");
    };
    row("power cuts", figures.cuts);
    row("cuts with calls in flight", figures.in_flight);
    row("answers given again by a later life", figures.repeated);
    row("acknowledged", figures.acknowledged);
    row("events", figures.rows);
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
