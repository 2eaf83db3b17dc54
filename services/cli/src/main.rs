//! `vivarium`: the command line, and the supervisor that starts, watches and restarts the services.
//!
//! Reading order: [`args`] (what can be said) → [`commands`] (one a file) → [`supervisor`] →
//! [`model`] → [`render`] → [`failure`] (what is printed when it does not work, and the exit codes).

mod args;
mod commands;
mod console;
mod disk;
mod failure;
mod model;
mod reference;
mod render;
mod supervisor;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    // Provider of TLS for everything that connects; a second call finds it installed.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    let json = arguments.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::internal(error).tell(json),
    };
    let outcome = runtime.block_on(commands::run(arguments));
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(json),
    }
}
