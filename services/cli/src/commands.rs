//! The commands, one a file; `up` is [`crate::supervisor`].

mod add;
mod audit;
mod bounties;
mod controls;
mod decide;
mod doctor;
mod edit;
mod explain;
mod grpcurl_args;
mod history;
mod key;
mod level;
mod lifecycle;
mod limits;
mod model;
mod receipt;
mod recurrence;
mod reference;
mod replay;
mod run;
mod sandbox;
mod show;
mod specialize;
mod spend;
mod steer;
mod tasks;
mod transfer;
mod wanted;
mod watch;
mod why;
mod world;

use std::time::Duration;

use crate::args::{Arguments, Audit, Command, Import, World};
use crate::console::Console;
use crate::failure::Failure;
use crate::supervisor;

/// Carries one command out.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let console = Console::new(&arguments.world, arguments.json);
    match arguments.command {
        Command::Up => supervisor::up(&arguments.world, arguments.json).await,
        Command::Down => lifecycle::down(&console).await,
        Command::Status { link } => lifecycle::status(&console, link).await,
        Command::Restart { service } => lifecycle::restart(&console, &service).await,
        Command::Add(add) => add::run(&console, *add).await,
        Command::Run { add, wait } => run::run(&console, *add, Duration::from_secs(wait)).await,
        Command::Edit(edit) => edit::run(&console, *edit).await,
        Command::Tasks(wanted) => tasks::run(&console, wanted).await,
        Command::Show { task, as_of } => show::run(&console, &task, &as_of).await,
        Command::Why { tasks, limit } => why::run(&console, tasks, limit).await,
        Command::Watch { task, until } => watch::run(&console, task, &until).await,
        Command::Approve { task, tip, comment } => {
            decide::approve(&console, &task, tip, comment).await
        }
        Command::Reject { task, feedback } => decide::reject(&console, &task, feedback).await,
        Command::Admit { tasks, imported: false } => decide::admit(&console, tasks).await,
        Command::Admit { imported: true, .. } => decide::admit_imported(&console).await,
        Command::Allow { task, digest } => decide::allow(&console, task, &digest).await,
        Command::Refuse { task, reason } => decide::refuse(&console, task, reason).await,
        Command::Cancel { task, reason } => decide::cancel(&console, task, reason).await,
        Command::Pause { task } => steer::pause(&console, task).await,
        Command::Requeue { task } => steer::requeue(&console, task).await,
        Command::Redrive { tasks, class, limit } => {
            steer::redrive(&console, tasks, class, limit).await
        }
        Command::Specialize { resident, words, reason } => {
            specialize::run(&console, resident, words, reason).await
        }
        Command::Recurrence(what) => recurrence::run(&console, what).await,
        Command::Import(Import::Tasks { file }) => transfer::import(&console, &file).await,
        Command::Import(Import::Reference(wanted)) => reference::run(&console, &wanted).await,
        Command::Export(what) => transfer::export(&console, what).await,
        Command::Halt { reason } => controls::halt(&console, reason).await,
        Command::Receipt { check: Some(file), .. } => receipt::check(&console, &file),
        Command::Receipt { check: None, save } => receipt::show(&console, save.as_deref()).await,
        Command::Replay { what } => replay::run(&console, what).await,
        Command::Resume { task: None, reason } => controls::resume(&console, reason).await,
        Command::Resume { task: Some(task), .. } => steer::resume(&console, task).await,
        Command::Limits { changes, reason } => limits::limits(&console, &changes, reason).await,
        Command::Pace { pace, count } => controls::pace(&console, &pace, count).await,
        Command::Mode { level: None, .. } => controls::mode(&console).await,
        Command::Mode { level: Some(level), confirm, reason } => {
            controls::set_mode(&console, level, confirm, reason).await
        }
        Command::Level { resident: None, .. } => level::list(&console).await,
        Command::Level { resident: Some(resident), level: None, .. } => {
            level::show(&console, &resident).await
        }
        Command::Level {
            resident: Some(resident),
            level: Some(level),
            confirm,
            days,
            after_texts,
            reason,
        } => {
            let wanted = level::Wanted { level, confirm, days, after_texts, reason };
            level::set(&console, &resident, wanted).await
        }
        Command::Sandbox { what } => sandbox::run(&console, what).await,
        Command::Spend(wanted) => spend::run(&console, wanted).await,
        Command::Bounties { what } => bounties::run(&console, what).await,
        Command::History(wanted) => history::run(&console, wanted).await,
        Command::Key { what } => key::run(&console, &what).await,
        Command::Model { what } => model::run(&console, what).await,
        Command::Audit { what: Audit::Verify } => audit::verify(&console),
        Command::World { what: World::Move(asked) } => world::run(&console, &asked),
        Command::Doctor => doctor::run(&console).await,
        Command::Explain { reason } => explain::run(&console, reason.as_deref()),
        Command::GrpcurlArgs { service } => grpcurl_args::run(&console, &service),
    }
}
