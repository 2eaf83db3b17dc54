//! What a process says about itself: log lines, one trace from browser to model call, metrics.

use std::io;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{Log, LogFormat, LogTarget};
use crate::world::{World, private_append};

pub mod metrics;
pub mod redact;
pub mod trace;

/// Starts logging for this process. A second call does nothing: tests share a process.
pub fn start(log: &Log, world: &World, service: &str) -> io::Result<()> {
    let filter = EnvFilter::try_new(&log.level).map_err(io::Error::other)?;
    let started = match log.target {
        LogTarget::Stderr => subscribe(filter, log.format, io::stderr),
        LogTarget::File => {
            let path = world.logs().join(format!("{service}.log"));
            subscribe(filter, log.format, Mutex::new(private_append(&path)?))
        }
    };
    if started {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

fn subscribe<W>(filter: EnvFilter, format: LogFormat, writer: W) -> bool
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // A line that cannot be written, on a full disk, is lost: told to a standard error that lies on
    // the same disk it would be a panic in the middle of whatever wanted to log.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => lines.with_ansi(false).try_init().is_ok(),
        LogFormat::Json => lines.json().try_init().is_ok(),
    }
}

/// A panic is a bug: it is logged with where it happened, whoever catches it.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let said = crate::task::said(panic.payload());
    let backtrace = std::backtrace::Backtrace::capture();
    tracing::error!(place, said, %backtrace, "panic");
}
