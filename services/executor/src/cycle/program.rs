//! One program of the table: judged, recorded, run in the sandbox, recorded again.

use std::time::Duration;

use vivarium_sandbox::request::{End, Outcome, Request};
use vivarium_sandbox::rules::{Call, Refused};
use vivarium_types::Reason;

use super::{Engine, Exit};
use crate::commands::told;
use crate::domain::Command;
use crate::domain::command::{self, Begun, Over};
use crate::lease::{Grant, Held};

/// The levels under which programs run.
const LEVELS: [&str; 2] = ["run_sandboxed", "apply_approved"];
/// Most characters of output that are kept.
const OUTPUT_CHARS_MAX: usize = 16_000;

/// What a program came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    /// How it ended, in words.
    pub(super) ended: String,
    /// What it wrote, errors behind output, at most [`OUTPUT_CHARS_MAX`] characters.
    pub(super) output: String,
    /// Whether it ended with code 0.
    pub(super) succeeded: bool,
}

impl Engine {
    /// Runs the program that `call` names, as the cycle's `number`th.
    pub(super) async fn run_program(
        &self,
        grant: &Grant,
        held: &Held,
        number: u32,
        call: &Call,
    ) -> Result<Result<Ran, Refused>, Exit> {
        if !LEVELS.contains(&grant.mode.as_str()) {
            return Ok(Err(forbidden(&grant.mode)));
        }
        let request = match self.commands.judge(call) {
            Ok(request) => request,
            Err(refused) => return Ok(Err(refused)),
        };
        self.begin(grant, number, call, &request).await?;
        let ran = match held.running() {
            Some(_running) => self.commands.run(&request, held.stopped()).await,
            None => Ok(Outcome::stopped()),
        };
        let (end, code) = ran.as_ref().map_or((command::End::Refused, 0), |ran| end(&ran.end));
        let outcome = ran.as_ref().ok();
        let output = outcome.map(output).unwrap_or_default();
        let output = self.redactor.clean(&output).text;
        let mut texts = self.ledger.texts();
        let kept = (!output.is_empty()).then(|| texts.plain(&output));
        let over = Over {
            cycle: grant.cycle,
            number,
            end,
            code,
            wall: outcome.map_or(Duration::ZERO, |ran| ran.wall),
            cpu: outcome.map_or(Duration::ZERO, |ran| ran.cpu),
            output: kept,
        };
        let over = Command::EndProgram(Box::new(over));
        self.record(over, texts.into_rows()).await.map_err(Exit::fault)?;
        if held.why_stopped().is_some() {
            return Err(Exit::Stopped);
        }
        Ok(ran.map(|ran| Ran {
            ended: told(&ran.end),
            output,
            succeeded: ran.end == End::Exited(0),
        }))
    }

    /// Records what is about to run, and that nothing of it has begun when the lease is gone.
    async fn begin(
        &self,
        grant: &Grant,
        number: u32,
        call: &Call,
        request: &Request,
    ) -> Result<(), Exit> {
        let mut texts = self.ledger.texts();
        let begun = Begun {
            cycle: grant.cycle,
            number,
            program: call.program.clone(),
            sha256: request.sha256.clone(),
            argv: texts.plain(&request.argv.join("\n")),
            folder: request.folder.clone(),
            run_limit: Duration::from_millis(request.limits.wall_ms),
        };
        let begun = Command::BeginProgram(Box::new(begun));
        self.record(begun, texts.into_rows()).await.map_err(Exit::fault)
    }
}

fn forbidden(mode: &str) -> Refused {
    let why = format!("programs run at the level run_sandboxed, and {mode} is in force");
    Refused::whole(Reason::ActionModeForbids, "mode", why)
}

const fn end(end: &End) -> (command::End, i32) {
    match end {
        End::Exited(code) => (command::End::Exited, *code),
        End::Signalled(signal) => (command::End::Signalled, *signal),
        End::TimedOut => (command::End::TimedOut, 0),
        End::OutputFull => (command::End::OutputFull, 0),
        End::Stopped => (command::End::Stopped, 0),
        End::Refused(_) => (command::End::Refused, 0),
    }
}

fn output(ran: &Outcome) -> String {
    let between = if ran.stdout.is_empty() || ran.stderr.is_empty() { "" } else { "\n" };
    let whole = [ran.stdout.as_str(), between, ran.stderr.as_str()].concat();
    whole.chars().take(OUTPUT_CHARS_MAX).collect()
}
