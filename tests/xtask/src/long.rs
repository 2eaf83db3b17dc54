//! `cargo xtask long`: the sizes that are too large for the gate, with their results kept.

use anyhow::Result;

use crate::bench;
use crate::house::House;

/// Runs one suite far beyond the gate's size and keeps its result: `cargo xtask long NAME`.
///
/// The gate runs 300 simulation seeds and some hundred kills; here run the 100,000 histories, the
/// nights of simulation, the thousands of kills. Without a name this lists what there is. A suite
/// is a program `long-NAME` of tests/bench; it writes seeds, versions, settings and raw figures to
/// docs/results, and that file is committed as it is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Which suite.
    name: Option<String>,
    /// What to hand to the suite.
    #[arg(last = true, value_name = "ARGS")]
    rest: Vec<String>,
}

/// Does it.
pub(crate) fn run(house: &House, args: &Args) -> Result<()> {
    let suites: Vec<_> =
        bench::all(&house.top).into_iter().filter(bench::Program::is_long).collect();
    let Some(name) = &args.name else {
        bench::list("cargo xtask long", &suites, bench::LONG);
        return Ok(());
    };
    let program = format!("{}{name}", bench::LONG);
    let results = house.top.join("docs/results");
    bench::start(house, &suites, &program, &args.rest, Some(&results))
}
