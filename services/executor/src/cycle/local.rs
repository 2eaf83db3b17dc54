//! Local tasks: one reading tool, or at level 2 one program of the table, without resident and model.
//! Its output is the answer.

use vivarium_sandbox::rules::Call;
use vivarium_types::MicroUsd;

use super::{Engine, Tally};
use crate::domain::Command;
use crate::domain::action::{Search, Tool};
use crate::domain::cycle::{Kind, Started};
use crate::lease::{Evidence, FailureClass, Finish, Grant, Held, How, Outcome};

/// The words that mean the five tools.
const TOOLS: [&str; 9] = ["ls", "list", "pwd", "where", "cat", "read", "echo", "rg", "search"];
/// Where a local task's program starts.
const FOLDER: &str = "library";
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
        let words = &grant.task.command;
        let outcome = match words.split_first() {
            Some((program, args)) if !TOOLS.contains(&program.as_str()) => {
                self.program(grant, held, program, args).await
            }
            Some(_) | None => match tool(words) {
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
            folder: FOLDER.to_owned(),
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

/// The tool that the words of a local task mean. Flags mean nothing here: they are refused.
fn tool(words: &[String]) -> Result<Tool, String> {
    let (name, arguments) = words.split_first().ok_or("the task has no command")?;
    if name != "echo"
        && let Some(flag) = arguments.iter().find(|argument| argument.starts_with('-'))
    {
        return Err(format!("{name} takes no flags here, and {flag} is one"));
    }
    let root = String::new;
    let too_many = || Err(format!("{name} takes fewer arguments"));
    match (name.as_str(), arguments) {
        ("ls" | "list", [] | [_]) => {
            let path = arguments.first().cloned().unwrap_or_default();
            Ok(Tool::List { root: root(), path: trimmed(&path), depth: 1, after: String::new() })
        }
        ("pwd" | "where", []) => Ok(Tool::Where),
        ("cat" | "read", [path]) => {
            let (first_line, max_lines) = (1, 400);
            Ok(Tool::Read { root: root(), path: trimmed(path), first_line, max_lines })
        }
        ("cat" | "read", []) => Err(format!("{name} needs a path")),
        ("echo", words) => Ok(Tool::Echo { text: words.join(" ") }),
        ("rg" | "search", [pattern]) => Ok(search(pattern, "")),
        ("rg" | "search", [pattern, path]) => Ok(search(pattern, path)),
        ("rg" | "search", []) => Err(format!("{name} needs a pattern")),
        ("ls" | "list" | "pwd" | "where" | "cat" | "read" | "rg" | "search", _) => too_many(),
        _ => Err(format!("{name} is none of ls, pwd, cat, echo, rg")),
    }
}

fn search(pattern: &str, path: &str) -> Tool {
    let (path, pattern) = (trimmed(path), pattern.to_owned());
    Tool::Search(Search { path, pattern, ..Search::default() })
}

/// `.` and `library` mean the root itself.
fn trimmed(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = path.strip_prefix("library/").unwrap_or(path);
    if matches!(path, "." | "library") { String::new() } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_words_of_a_shell_mean_the_five_tools() {
        assert!(matches!(tool(&words("ls")), Ok(Tool::List { .. })));
        assert_eq!(tool(&words("pwd")), Ok(Tool::Where));
        assert_eq!(tool(&words("echo -n a b")), Ok(Tool::Echo { text: "-n a b".to_owned() }));
        let read = tool(&words("cat library/a.md"));
        assert!(matches!(read, Ok(Tool::Read { path, .. }) if path == "a.md"));
        assert!(
            matches!(tool(&words("rg sea .")), Ok(Tool::Search(Search { path, .. })) if path.is_empty())
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["rm -rf /", "rg --pre=/bin/sh . a", "cat", "cat a b", "pwd x", "/bin/ls", ""] {
            assert!(tool(&words(text)).is_err(), "{text}");
        }
        assert!(tool(&[]).is_err());
    }
}
