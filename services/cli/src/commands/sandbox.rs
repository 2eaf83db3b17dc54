//! `vivarium sandbox`: the layers around commands, the programs of the table, and what a call would
//! come to.

use vivarium_chassis::Service;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::command_service_client::CommandServiceClient;
use vivarium_types::Reason;

use crate::args::Sandbox;
use crate::console::Console;
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, what: Option<Sandbox>) -> Result<(), Failure> {
    match what {
        None => layers(console).await,
        Some(Sandbox::Programs { program }) => programs(console, program).await,
        Some(Sandbox::Try { program, args, folder, seconds }) => {
            let wanted = pb::TryCommandRequest { program_id: program, args, folder, seconds };
            judge(console, wanted).await
        }
    }
}

/// The layers as the executor has them.
pub(super) async fn report(console: &Console) -> Result<pb::GetSandboxResponse, Failure> {
    let mut client = CommandServiceClient::new(console.calls(Service::Executor)?);
    Ok(client.get_sandbox(pb::GetSandboxRequest {}).await?.into_inner())
}

async fn layers(console: &Console) -> Result<(), Failure> {
    let report = report(console).await?;
    if console.json {
        return render::json(&report);
    }
    let rows = report.layers.iter().map(|layer| {
        let stands = match (layer.in_force, layer.required) {
            (true, _) => "ok",
            (false, true) => "MISSING",
            (false, false) => "none here",
        };
        vec![layer.name.clone(), stands.to_owned(), layer.about.clone(), layer.detail.clone()]
    });
    render::table(&["LAYER", "STANDS", "WHAT IT IS FOR", "HOW"], &rows.collect::<Vec<_>>())?;
    let roots: Vec<_> = report.roots.iter().map(|root| root.name.as_str()).collect();
    render::line(&format!("\nmay be read: {}", roots.join(", ")))?;
    render::line(if report.complete {
        "every layer that is needed is in force: listed programs may run at the level run_sandboxed"
    } else {
        "a layer is missing: no program runs until it is there"
    })
}

async fn programs(console: &Console, program: Option<String>) -> Result<(), Failure> {
    let mut client = CommandServiceClient::new(console.calls(Service::Executor)?);
    let listed = client.list_programs(pb::ListProgramsRequest {}).await?.into_inner();
    if let Some(id) = program {
        let found = listed.programs.iter().find(|listed| listed.program_id == id);
        let absent = listed.absent.iter().find(|absent| absent.program_id == id);
        return match (found, absent) {
            (Some(found), _) if console.json => render::json(found),
            (Some(found), _) => one(found),
            (None, Some(absent)) => {
                Err(Failure::usage(absent.why.clone(), "install it, or remove its rule"))
            }
            (None, None) => Err(Failure::usage(
                format!("there is no program {id} in the table"),
                "see `vivarium sandbox programs`",
            )),
        };
    }
    if console.json {
        return render::json(&listed);
    }
    if !listed.fault.is_empty() {
        render::line(&format!("the table is not used: {}", listed.fault))?;
    }
    let present = listed.programs.iter().map(|program| {
        let takes = program.positionals.join(", ");
        vec![program.program_id.clone(), program.about.clone(), takes, program.path.clone()]
    });
    let absent = listed.absent.iter().map(|absent| {
        vec![absent.program_id.clone(), String::new(), String::new(), absent.why.clone()]
    });
    let rows: Vec<_> = present.chain(absent).collect();
    if rows.is_empty() {
        return render::line("no program is listed: world/rules/commands has no rule");
    }
    render::table(&["PROGRAM", "WHAT IT DOES", "TAKES", "FILE"], &rows)
}

fn one(program: &pb::Program) -> Result<(), Failure> {
    render::line(&format!("{}: {}", program.program_id, program.about))?;
    render::line(&format!("file     {} (sha256 {})", program.path, program.sha256))?;
    render::line(&format!("takes    {}", program.positionals.join(", ")))?;
    render::line(&format!("time     at most {} s", program.seconds_max))?;
    let rows = program
        .flags
        .iter()
        .map(|flag| vec![flag.names.join(" "), flag.value.clone(), flag.about.clone()]);
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() { Ok(()) } else { render::table(&["FLAG", "VALUE", "WHAT IT DOES"], &rows) }
}

async fn judge(console: &Console, wanted: pb::TryCommandRequest) -> Result<(), Failure> {
    let mut client = CommandServiceClient::new(console.calls(Service::Executor)?);
    let verdict = client.try_command(wanted).await?.into_inner();
    if console.json {
        return render::json(&verdict);
    }
    if verdict.allowed {
        render::line("would run, as")?;
        for part in &verdict.argv {
            render::line(&format!("  {part}"))?;
        }
        return Ok(());
    }
    render::line(&format!("refused: {}", verdict.why))?;
    render::line(&format!("  reason   {}", verdict.reason))?;
    render::line(&format!("  rule     {}", verdict.rule))?;
    if let Some(at) = verdict.argument {
        render::line(&format!("  argument {}", at + 1))?;
    }
    if let Ok(reason) = verdict.reason.parse::<Reason>() {
        render::line(&format!("  hint     {}", reason.hint()))?;
    }
    Ok(())
}
