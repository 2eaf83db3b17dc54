//! The project's errands: `cargo xtask up | panel | test | bypass | fuzz | bench | long`.
//!
//! One errand a file. An errand shows each thing it installs, builds or fetches, with the time it
//! took, and stops at the first that fails. It decides nothing about the product: what a world is
//! and how it runs belongs to the `vivarium` command.

mod bench;
mod bypass;
mod fuzz;
mod house;
mod long;
mod panel;
mod say;
mod step;
mod test;
mod tools;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::house::House;

/// The project's errands.
///
/// A newcomer needs two of them: `cargo xtask up` sets everything up and runs a world;
/// `cargo xtask test` sets everything up and runs every test.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    errand: Errand,
}

#[derive(Debug, Subcommand)]
enum Errand {
    Up(up::Args),
    Panel(panel::Args),
    Test(test::Args),
    Bypass(bypass::Args),
    Fuzz(fuzz::Args),
    Bench(bench::Args),
    Long(long::Args),
}

fn main() -> ExitCode {
    let errand = Args::parse().errand;
    let done = House::find().and_then(|house| match errand {
        Errand::Up(args) => up::run(&house, &args),
        Errand::Panel(args) => panel::run(&house, &args),
        Errand::Test(args) => test::run(&house, &args),
        Errand::Bypass(args) => bypass::run(&house, &args),
        Errand::Fuzz(args) => fuzz::run(&house, &args),
        Errand::Bench(args) => bench::run(&house, &args),
        Errand::Long(args) => long::run(&house, &args),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::failure(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_errand_explains_itself() {
        let mut command = super::Args::command();
        command.build();
        for errand in command.get_subcommands().filter(|errand| errand.get_name() != "help") {
            let about = errand.get_long_about().unwrap_or_default().to_string();
            assert!(about.len() > 150, "`{} --help` teaches nothing: {about}", errand.get_name());
        }
    }
}
