//! `cargo xtask fuzz`: a fuzzer against everything that takes what strangers write.

use std::fs::{self, File};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::house::House;
use crate::tools::{self, Installing};
use crate::{say, step};

/// Where the targets are.
const FOLDER: &str = "tests/fuzz";
/// How long the gate drives a target.
const SECONDS: u32 = 20;
/// The figures of a run that a person wants.
const SHOWN: [&str; 2] = ["number_of_executed_units", "peak_rss_mb"];
/// Lines of the fuzzer that are shown when it ends badly.
const LAST_LINES: usize = 60;
/// An input that takes longer hangs.
const INPUT_SECONDS_MAX: u32 = 1;
/// A target that holds more is a fault.
const MEMORY_MIB_MAX: u32 = 512;

/// Drives every target of tests/fuzz with libFuzzer, each for some seconds.
///
/// A target takes bytes, makes of them what a stranger could write, and ends at once when something
/// comes of it that must not. The fuzzer watches which code the bytes reach and changes them so that
/// they reach more; what it finds interesting is kept below the target folder and is where the next
/// run begins. An input that breaks a target is kept beside it and shown. The gate runs each target
/// for 20 seconds; run it for hours before a release.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Only this target, such as arguments.
    target: Option<String>,
    /// How long each is driven.
    #[arg(long, default_value_t = SECONDS)]
    seconds: u32,
    /// Install nothing: stop and say what is missing.
    #[arg(long)]
    no_install: bool,
}

impl Args {
    /// Every target, as long as the gate drives it.
    pub(crate) const fn all(no_install: bool) -> Self {
        Self { target: None, seconds: SECONDS, no_install }
    }
}

/// Does it.
pub(crate) fn run(house: &House, args: &Args) -> Result<()> {
    let installing = Installing::unless(args.no_install);
    tools::cpp_compiler(installing)?;
    let fuzzer = tools::cargo_fuzz(house, installing)?;
    let all = targets(house)?;
    let chosen: Vec<_> = all
        .iter()
        .filter(|name| args.target.as_ref().is_none_or(|wanted| wanted == *name))
        .collect();
    if chosen.is_empty() {
        bail!("there is no such target; there is: {}", all.join(", "));
    }
    for target in chosen {
        let place = house.target.join("fuzz").join(target);
        // Short, because the path of a socket may have 107 bytes.
        let scratch = std::env::temp_dir().join(format!("vivarium-fuzz-{}", std::process::id()));
        let corpus = place.join("corpus");
        for folder in [&corpus, &scratch] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut command = Command::new(&fuzzer);
        step::forget_ourselves(&mut command);
        command.current_dir(&house.top).args(["fuzz", "run", "--sanitizer", "none"]);
        command.args(["--fuzz-dir", FOLDER, "--target-dir"]).arg(house.target.join("fuzz"));
        command.arg(target).arg(&corpus).arg("--");
        command.arg(format!("-max_total_time={}", args.seconds));
        command.arg(format!("-timeout={INPUT_SECONDS_MAX}"));
        command.arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"));
        command.arg(format!("-artifact_prefix={}/", place.display()));
        command.arg("-print_final_stats=1");
        // It says much; what counts is shown below.
        let log = place.join("log");
        let file = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        command.stderr(file);
        // What a target leaves behind goes with the folder.
        command.env("TMPDIR", &scratch);
        let outcome = step::command(&format!("fuzz the {target}"), &mut command);
        if let Err(error) = fs::remove_dir_all(&scratch) {
            say::note(format_args!("{} stays: {error}", scratch.display()));
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        if outcome.is_err() {
            let last: Vec<&str> = said.lines().rev().take(LAST_LINES).collect();
            last.iter().rev().for_each(say::note);
        }
        outcome?;
        let figures = said.lines().filter(|line| SHOWN.iter().any(|word| line.contains(word)));
        figures.for_each(say::note);
    }
    Ok(())
}

/// The targets, by name.
fn targets(house: &House) -> Result<Vec<String>> {
    let folder = house.top.join(FOLDER).join("targets");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let name = |path: std::path::PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut names: Vec<_> = entries.flatten().filter_map(|entry| name(entry.path())).collect();
    names.sort();
    Ok(names)
}
