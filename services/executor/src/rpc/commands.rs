//! `CommandService`: the table of programs and the layers of the sandbox.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use vivarium_chassis::Violations;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::command_service_server::CommandService;
use vivarium_sandbox::layer::Standing;
use vivarium_sandbox::rules::file::{File, Flag, Positional, PositionalKind, Value};
use vivarium_sandbox::rules::{Call, Program};

use crate::commands::Shared;

/// Most arguments that are judged at all; the table's own limit is lower.
const ARGS_MAX: usize = 256;
/// Most seconds of a run.
const SECONDS_MAX: u32 = 120;

/// The service over the table.
#[derive(Debug, Clone)]
pub struct Commands {
    commands: Shared,
}

impl Commands {
    /// The service.
    pub const fn new(commands: Shared) -> Self {
        Self { commands }
    }
}

#[tonic::async_trait]
impl CommandService for Commands {
    async fn get_sandbox(
        &self,
        _request: Request<pb::GetSandboxRequest>,
    ) -> Result<Response<pb::GetSandboxResponse>, Status> {
        let report = self.commands.report().await;
        let roots = self.commands.roots();
        let roots =
            roots.map(|root| pb::CommandRoot { name: root.name.clone(), inside: root.inside() });
        Ok(Response::new(pb::GetSandboxResponse {
            complete: report.is_complete(),
            layers: report.layers.iter().map(layer).collect(),
            roots: roots.collect(),
        }))
    }

    async fn list_programs(
        &self,
        _request: Request<pb::ListProgramsRequest>,
    ) -> Result<Response<pb::ListProgramsResponse>, Status> {
        let answer = match self.commands.rules() {
            Ok(rules) => pb::ListProgramsResponse {
                programs: rules.programs().map(|(id, listed)| program(id, listed)).collect(),
                absent: rules.absent().map(|(id, why)| absent(id, why)).collect(),
                fault: String::new(),
            },
            Err(fault) => {
                pb::ListProgramsResponse { fault: fault.to_owned(), ..Default::default() }
            }
        };
        Ok(Response::new(answer))
    }

    async fn try_command(
        &self,
        request: Request<pb::TryCommandRequest>,
    ) -> Result<Response<pb::TryCommandResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        wrong.bounded("program_id", wire.program_id.chars().count(), 1..=64);
        wrong.bounded("args", wire.args.len(), 0..=ARGS_MAX);
        wrong.bounded("folder", wire.folder.chars().count(), 0..=512);
        wrong.bounded("seconds", wire.seconds, 0..=SECONDS_MAX);
        wrong.finish()?;
        let folder = if wire.folder.is_empty() { "library".to_owned() } else { wire.folder };
        let seconds = u64::from(wire.seconds);
        let call = Call { program: wire.program_id, args: wire.args, folder, seconds };
        let commands = Arc::clone(&self.commands);
        // It looks at the disk.
        let judged = tokio::task::spawn_blocking(move || commands.judge(&call)).await;
        let judged = judged.map_err(vivarium_chassis::Refusal::fault)?;
        Ok(Response::new(match judged {
            Ok(request) => {
                pb::TryCommandResponse { allowed: true, argv: request.argv, ..Default::default() }
            }
            Err(refused) => pb::TryCommandResponse {
                reason: refused.reason.name().to_owned(),
                rule: refused.rule.to_owned(),
                argument: refused.at.and_then(|at| u32::try_from(at).ok()),
                why: refused.why,
                ..Default::default()
            },
        }))
    }
}

fn layer(standing: &Standing) -> pb::SandboxLayer {
    pb::SandboxLayer {
        name: standing.layer.name().to_owned(),
        about: standing.layer.about().to_owned(),
        in_force: standing.in_force,
        detail: standing.detail.clone(),
        required: standing.layer.is_required(),
    }
}

fn absent(id: &str, why: &str) -> pb::AbsentProgram {
    pb::AbsentProgram { program_id: id.to_owned(), why: why.to_owned() }
}

fn program(id: &str, listed: &Program) -> pb::Program {
    let rule: &File = listed.rule();
    pb::Program {
        program_id: id.to_owned(),
        about: rule.about.clone(),
        path: listed.path().display().to_string(),
        sha256: listed.sha256().to_owned(),
        flags: rule.flag.iter().map(flag).collect(),
        positionals: rule.positional.iter().map(positional).collect(),
        seconds_max: rule.seconds,
        children: rule.children,
    }
}

fn flag(flag: &Flag) -> pb::ProgramFlag {
    let value = match &flag.value {
        None => String::new(),
        Some(Value::Number([least, most])) => format!("{least} to {most}"),
        Some(Value::Word(words)) => words.join(", "),
        Some(Value::Text(form)) => form.as_str().to_owned(),
    };
    let names = flag.spellings().map(str::to_owned).collect();
    pb::ProgramFlag { names, value, about: flag.about.clone() }
}

fn positional(positional: &Positional) -> String {
    let (min, max) = (positional.min, positional.max);
    let count = if min == max { max.to_string() } else { format!("{min} to {max}") };
    let what = match (positional.kind, max) {
        (PositionalKind::File, 1) => "file",
        (PositionalKind::File, _) => "files",
        (PositionalKind::Folder, 1) => "folder",
        (PositionalKind::Folder, _) => "folders",
        (PositionalKind::Text, 1) => "text",
        (PositionalKind::Text, _) => "texts",
    };
    format!("{count} {what}")
}
