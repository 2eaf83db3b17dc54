//! One program of the table: judged, recorded, run in the sandbox, recorded again.

use std::time::Duration;

use vivarium_ledger::Error;
use vivarium_ledger::planted::{self, Guard};
use vivarium_sandbox::request::{End, Outcome, Request};
use vivarium_sandbox::rules::{Call, Refused};
use vivarium_types::Reason;

use super::actions::{Deeds, Done, Ending, Stage};
use super::{Engine, Exit};
use crate::commands::told;
use crate::domain::command::{self, Begun, DAY_MAX, Over};
use crate::domain::cycle::{Label, ReceiptStatus};
use crate::domain::{Command, Rejection};
use crate::lease::{Grant, Held, may_run};

/// The rule that holds a task whose resident asks for a program after others' texts.
pub(super) const ASKS: &str = "program_after_texts";
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
    /// A resident's own wish to run a program.
    ///
    /// What it was shown of others, by a tool or by a program may have put the wish into its mouth:
    /// then a person allows exactly this program first, unless its level was consented to for such
    /// cycles as well.
    pub(super) async fn run_command(
        &self,
        stage: Stage<'_>,
        deeds: &mut Deeds,
        call: &Call,
        key: &str,
    ) -> Result<Done, Exit> {
        let Stage { grant, held, .. } = stage;
        let program = written(call);
        let asks =
            |done: Done| Done { ending: Some(Ending::Asks { program: program.clone() }), ..done };
        if let Some(replay) = &self.replay {
            deeds.worst = deeds.worst.max(Some(Label::Tool));
            let done = Done::from(replay.answer(key).ok_or(Exit::Stopped)?);
            return Ok(if done.status == ReceiptStatus::Pending { asks(done) } else { done });
        }
        if let Err(refused) = self.judged(held, call) {
            return Ok(Done::refused(refused.reason, refused.why));
        }
        let own_words = deeds.worst <= Some(Label::Own) || !planted::stands(Guard::Taint);
        if !(own_words || grant.after_texts || grant.allowed_programs.contains(&program)) {
            let why = "after others' texts a person has to allow exactly this program first";
            return Ok(asks(Done { status: ReceiptStatus::Pending, ..Done::plain(why) }));
        }
        deeds.programs += 1;
        let ran = self.run_program(grant, held, deeds.programs, call).await?;
        deeds.worst = deeds.worst.max(Some(Label::Tool));
        Ok(match ran {
            Ok(ran) => {
                let done = Done::plain(format!("{}\n{}", ran.ended, ran.output));
                let failed = Done { status: ReceiptStatus::Failed, ..done.clone() };
                if ran.succeeded { done } else { failed }
            }
            Err(refused) => Done::refused(refused.reason, refused.why),
        })
    }

    /// What a call comes to under a lease now.
    fn judged(&self, held: &Held, call: &Call) -> Result<Request, Refused> {
        let level = held.level();
        if !may_run(&level) && planted::stands(Guard::Level) {
            return Err(forbidden(&level));
        }
        self.commands.judge(call)
    }

    /// Runs the program that `call` names, as the cycle's `number`th.
    pub(super) async fn run_program(
        &self,
        grant: &Grant,
        held: &Held,
        number: u32,
        call: &Call,
    ) -> Result<Result<Ran, Refused>, Exit> {
        let request = match self.judged(held, call) {
            Ok(request) => request,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Err(refused) = self.begin(grant, number, call, &request).await? {
            return Ok(Err(refused));
        }
        let ran = match held.running() {
            // The level may have fallen while the record was written.
            Some(_running) if self.judged(held, call).is_ok() => {
                self.commands.run(&request, held.stopped()).await
            }
            Some(_) | None => Ok(Outcome::stopped()),
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
    ) -> Result<Result<(), Refused>, Exit> {
        let mut texts = self.ledger.texts();
        let begun = Begun {
            cycle: grant.cycle,
            number,
            program: call.program.clone(),
            sha256: request.sha256.clone(),
            argv: texts.plain(&request.argv.join("\n")),
            folder: request.folder.clone(),
            run_limit: Duration::from_millis(request.limits.wall_ms),
            resident: grant.resident,
            day: grant.day,
        };
        let begun = Command::BeginProgram(Box::new(begun));
        match self.record(begun, texts.into_rows()).await {
            Ok(()) => Ok(Ok(())),
            Err(Error::Refused(Rejection::ProgramsSpent)) => {
                let why = format!("at most {DAY_MAX} programs a day");
                Ok(Err(Refused::whole(Reason::ActionQuotaSpent, "quota", why)))
            }
            Err(error) => Err(Exit::fault(error)),
        }
    }
}

/// A call word for word, as a person reads and allows it.
fn written(call: &Call) -> String {
    let Call { program, args, folder, seconds } = call;
    let call = serde_json::json!({
        "program": program, "args": args, "folder": folder, "seconds": seconds,
    });
    call.to_string()
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
