//! Local tasks: one reading tool, or at level 2 one program of the table, without resident and model.
//! Its output is the answer.

use vivarium_sandbox::rules::Call;
use vivarium_types::MicroUsd;

use super::{Engine, Tally};
use crate::domain::Command;
use crate::domain::action::{COMMAND_FOLDER, Tool, words};
use crate::domain::cycle::{Kind, Started};
use crate::lease::{Evidence, FailureClass, Finish, Grant, Held, How, Outcome};

/// The answer of a program that wrote nothing.
const NOTHING: &str = "(no output)";
/// Characters of a program's output in the message of its failure.
const MESSAGE_OUTPUT_CHARS: usize = 300;

impl Engine {
    pub(super) async fn run_local(&self, grant: &Grant, held: &Held) -> Finish {
        if let Err(error) =
            self.record(Command::StartCycle(Box::new(self.local(grant))), vec![]).await
        {
            let message = "the executor failed".to_owned();
            tracing::error!(%error, "a local task was not recorded");
            let class = FailureClass::Internal;
            let outcome = Outcome::Failed { class, message, retry_after: None };
            return Finish { outcome, cost: MicroUsd::ZERO };
        }
        let command = &grant.task.command;
        let outcome = match command.split_first() {
            Some((program, args)) if !words::mean_a_tool(program) => {
                self.program(grant, held, program, args).await
            }
            Some(_) | None => match words::tool(command) {
                Ok(tool) => self.output(tool).await,
                Err(why) => failed(why),
            },
        };
        self.close(grant, Tally::default(), outcome).await
    }

    fn local(&self, grant: &Grant) -> Started {
        Started {
            cycle: grant.cycle,
            lease: grant.lease,
            fencing_token: grant.token,
            control_epoch: grant.control_epoch,
            instance: self.instance,
            kind: Kind::Local,
            task: Some(grant.task.id),
            attempt: grant.attempt,
            attempt_number: grant.attempt_number,
            resident: None,
            submission: None,
            provider: String::new(),
            class: None,
            model: String::new(),
            fragments: Vec::new(),
            briefing_hash: String::new(),
            mode: grant.mode.clone(),
            given: None,
        }
    }

    async fn output(&self, tool: Tool) -> Outcome {
        let roots = self.roots();
        let answer = match tokio::task::spawn_blocking(move || roots.run(&tool)).await {
            Ok(Ok(answer)) => self.redactor.clean(&answer).text,
            Ok(Err(refused)) => return failed(format!("{}: {}", refused.reason, refused.why)),
            Err(_) => return failed("the tool failed".to_owned()),
        };
        answered(answer)
    }

    async fn program(&self, grant: &Grant, held: &Held, program: &str, args: &[String]) -> Outcome {
        let call = Call {
            program: program.to_owned(),
            args: args.to_vec(),
            folder: COMMAND_FOLDER.to_owned(),
            seconds: 0,
        };
        match self.run_program(grant, held, 1, &call).await {
            Ok(Ok(ran)) if ran.succeeded => answered(ran.output),
            Ok(Ok(ran)) => failed(format!("{program}: {}: {}", ran.ended, short(&ran.output))),
            Ok(Err(refused)) => failed(format!("{}: {}", refused.reason, refused.why)),
            Err(exit) => self.outcome_of(exit, held, 0),
        }
    }
}

fn answered(answer: String) -> Outcome {
    let answer = if answer.trim().is_empty() { NOTHING.to_owned() } else { answer };
    Outcome::Finished(Box::new(Evidence {
        summary: String::new(),
        answer,
        documents: Vec::new(),
        how: How::Finished,
        steps: 0,
        model_tokens: 0,
        model: String::new(),
        embedded: false,
        plan: None,
    }))
}

/// The beginning of an output, for a message.
fn short(output: &str) -> String {
    output.chars().take(MESSAGE_OUTPUT_CHARS).collect()
}

fn failed(message: String) -> Outcome {
    Outcome::Failed { class: FailureClass::CommandFailed, message, retry_after: None }
}
