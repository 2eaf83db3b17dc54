//! An attacker: a program that tries, one at a time and by raw system calls, what a sandbox has to
//! stop. `list` prints the attacks, `run ID STAND` performs one and prints what it gained.
//!
//! Every attack is harmless to the machine even where it succeeds.

#[path = "attacker/board.rs"]
mod board;
#[path = "attacker/bombs.rs"]
mod bombs;
#[path = "attacker/devices.rs"]
mod devices;
#[path = "attacker/errands.rs"]
mod errands;
#[path = "attacker/files.rs"]
mod files;
#[path = "attacker/folders.rs"]
mod folders;
#[path = "attacker/network.rs"]
mod network;
#[path = "attacker/others.rs"]
mod others;
#[path = "attacker/programs.rs"]
mod programs;
#[path = "attacker/rights.rs"]
mod rights;
#[path = "attacker/stock.rs"]
mod stock;
#[path = "attacker/sys.rs"]
mod sys;
#[path = "attacker/tree.rs"]
mod tree;
#[path = "attacker/victim.rs"]
mod victim;

use std::io::Write as _;
use std::process::ExitCode;

use vivarium_bypass::stand::Stand;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // A rule of the table puts the sign before what is no flag.
    let words = words.strip_prefix(&["--"]).unwrap_or(&words);
    match words {
        ["list"] => board::list(),
        ["run", id, stand] => perform(id, stand),
        ["victim", token, canary] => victim::wait(token, canary),
        ["tree", shape, ..] => tree::grow(shape),
        ["ask", helper, request] => errands::ask(helper, request),
        ["deaf", to, program, rest @ ..] => errands::deaf(to, program, rest),
        ["do", what, rest @ ..] => errands::perform(what, rest),
        ["said", what, ..] => tell(&format!("ok it ran as another program {what}")),
        _ => {
            tell(
                "usage: attacker list | run ID STAND | victim TOKEN CANARY | tree SHAPE | ask HELPER REQUEST | deaf TO PROGRAM | do WHAT",
            );
            ExitCode::from(2)
        }
    }
}

fn perform(id: &str, stand: &str) -> ExitCode {
    let stand: Stand = match serde_json::from_str(stand) {
        Ok(stand) => stand,
        Err(error) => return tell(&format!("the stand cannot be read: {error}")),
    };
    let Some(attack) = board::all().find(|attack| attack.id == id) else {
        return tell(&format!("there is no attack {id}"));
    };
    match (attack.run)(&stand) {
        Ok(gain) => tell(&format!("ok {gain}")),
        Err(number) => tell(&format!("no {number}")),
    }
}

/// Prints a line; nothing more can be done where that fails.
fn tell(line: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
