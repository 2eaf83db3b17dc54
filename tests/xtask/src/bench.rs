//! `cargo xtask bench`: one load generator of `tests/bench`, built for speed and run.
//!
//! What there is to run is read from the folder, so a new file is a new benchmark. Its first `//!`
//! line says what it measures.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::house::House;
use crate::{say, step};

/// The beginning of the names that belong to `cargo xtask long`.
pub(crate) const LONG: &str = "long-";

/// Measures one thing: `cargo xtask bench NAME`, or without a name lists what can be measured.
///
/// Each benchmark is a program of tests/bench (or of tests/bench/peers, which holds what we
/// compare with), built with `--release`. It prints its settings, its raw figures, and the same
/// figures of something comparable from the same run. Give its own options after the name, such as
/// `cargo xtask bench ledger --seconds 5`. Figures of a busy machine are worth nothing.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// What to measure.
    name: Option<String>,
    /// What to hand to the benchmark.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    rest: Vec<String>,
}

/// A program that can be run by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    name: String,
    measures: String,
    /// The manifest of its package, from the top.
    manifest: &'static str,
}

impl Program {
    /// Whether it belongs to `cargo xtask long`.
    pub(crate) fn is_long(&self) -> bool {
        self.name.starts_with(LONG)
    }
}

/// Does it.
pub(crate) fn run(house: &House, args: &Args) -> Result<()> {
    let programs: Vec<_> =
        all(&house.top).into_iter().filter(|program| !program.is_long()).collect();
    let Some(name) = &args.name else {
        list("cargo xtask bench", &programs, "");
        return Ok(());
    };
    start(house, &programs, name, &args.rest, None)
}

/// Every program of the two packages, by name.
pub(crate) fn all(top: &Path) -> Vec<Program> {
    let mut programs = Vec::new();
    for manifest in ["tests/bench/Cargo.toml", "tests/bench/peers/Cargo.toml"] {
        let folder = top.join(manifest).with_file_name("src").join("bin");
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let source = if path.is_dir() { path.join("main.rs") } else { path.clone() };
            let (Some(name), Ok(text)) = (path.file_stem(), fs::read_to_string(source)) else {
                continue;
            };
            let measures =
                text.lines().next().unwrap_or_default().trim_start_matches("//!").trim().to_owned();
            programs.push(Program {
                name: name.to_string_lossy().into_owned(),
                measures,
                manifest,
            });
        }
    }
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    programs
}

/// Shows what can be run.
pub(crate) fn list(command: &str, programs: &[Program], prefix: &str) {
    if programs.is_empty() {
        say::note("nothing to run yet: tests/bench/src/bin is empty");
    }
    for program in programs {
        let name = program.name.strip_prefix(prefix).unwrap_or(&program.name);
        say::note(format_args!("{command} {name:<12} {}", program.measures));
    }
}

/// Builds and runs one of them.
pub(crate) fn start(
    house: &House,
    programs: &[Program],
    name: &str,
    rest: &[String],
    results: Option<&Path>,
) -> Result<()> {
    let Some(program) = programs.iter().find(|program| program.name == name) else {
        let names: Vec<_> = programs.iter().map(|program| program.name.as_str()).collect();
        bail!(
            "there is no {name}; there is: {}",
            if names.is_empty() { "nothing yet".into() } else { names.join(", ") }
        );
    };
    let mut cargo = step::cargo();
    cargo.current_dir(&house.top).args(["run", "--release", "--manifest-path", program.manifest]);
    cargo.args(["--bin", name, "--"]).args(rest);
    if let Some(folder) = results {
        cargo.env("VIVARIUM_RESULTS", folder);
    }
    step::command(name, &mut cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_the_folder_with_what_they_measure() {
        let top = tempfile::tempdir().unwrap();
        let bin = top.path().join("tests/bench/src/bin");
        fs::create_dir_all(bin.join("long-kill")).unwrap();
        fs::write(bin.join("ledger.rs"), "//! Durable events a second.\n").unwrap();
        fs::write(bin.join("long-kill/main.rs"), "//! Kills.\n").unwrap();
        let found: Vec<_> =
            all(top.path()).into_iter().map(|program| (program.name, program.measures)).collect();
        let wanted = [("ledger", "Durable events a second."), ("long-kill", "Kills.")];
        assert_eq!(found, wanted.map(|(name, measures)| (name.to_owned(), measures.to_owned())));
    }
}
