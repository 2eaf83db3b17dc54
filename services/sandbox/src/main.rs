//! The helper's program: `run` answers one request, `stage` is its last step inside the namespaces,
//! `probe` tells how the sandbox stands on this machine.

use std::io::Write as _;
use std::process::ExitCode;

use vivarium_sandbox::run;
use vivarium_sandbox::stage::{self, Order, Word};

/// What the stage ends with when nothing was run.
const EXIT_REFUSED: u8 = 125;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("run"), group) => say(&run::answer(std::io::stdin(), group.as_deref())),
        (Some("stage"), Some(order)) => {
            let (sign, word) = match serde_json::from_str::<Order>(&order) {
                Ok(order) => (order.sign.clone(), stage::enter(&order)),
                Err(error) => (String::new(), Word::NoProgram(error.to_string())),
            };
            drop(stage::say_signed(&sign, &word));
            ExitCode::from(EXIT_REFUSED)
        }
        (Some("probe"), None) => match std::env::current_exe() {
            Ok(me) => say(&run::probe(&me)),
            Err(_) => ExitCode::FAILURE,
        },
        (Some("nothing"), None) => ExitCode::SUCCESS,
        _ => {
            let usage = "vivarium-sandbox runs one command of a resident for the executor.\n\
                         usage: vivarium-sandbox run | probe\n  \
                         run    answers one request, a line of JSON on standard input\n  \
                         probe  tells which layers of the sandbox this machine has\n";
            drop(std::io::stderr().write_all(usage.as_bytes()));
            ExitCode::from(2)
        }
    }
}

fn say(answer: &impl serde::Serialize) -> ExitCode {
    let line = serde_json::to_string(answer).unwrap_or_default();
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
