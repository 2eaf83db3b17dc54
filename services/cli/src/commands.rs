//! The commands, one a file; `up` is [`crate::supervisor`].

mod add;
mod audit;
mod controls;
mod decide;
mod doctor;
mod explain;
mod grpcurl_args;
mod key;
mod lifecycle;
mod model;
mod show;
mod tasks;
mod watch;

use crate::args::{Arguments, Audit, Command};
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
        Command::Add(add) => add::run(&console, add).await,
        Command::Tasks { state, text, limit } => tasks::run(&console, &state, text, limit).await,
        Command::Show { task } => show::run(&console, &task).await,
        Command::Watch { task } => watch::run(&console, task).await,
        Command::Approve { task, tip, comment } => {
            decide::approve(&console, &task, tip, comment).await
        }
        Command::Reject { task, feedback } => decide::reject(&console, &task, feedback).await,
        Command::Cancel { task, reason } => decide::cancel(&console, task, reason).await,
        Command::Halt { reason } => controls::halt(&console, reason).await,
        Command::Resume { reason } => controls::resume(&console, reason).await,
        Command::Pace { pace, count } => controls::pace(&console, &pace, count).await,
        Command::Key { what } => key::run(&console, &what).await,
        Command::Model { what } => model::run(&console, what).await,
        Command::Audit { what: Audit::Verify } => audit::verify(&console),
        Command::Doctor => doctor::run(&console).await,
        Command::Explain { reason } => explain::run(&console, reason.as_deref()),
        Command::GrpcurlArgs { service } => grpcurl_args::run(&console, &service),
    }
}
