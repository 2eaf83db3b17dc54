//! The scripted model server as a process of its own, for tests with real processes.
//!
//! `scripted-model [SCRIPT] [--listen ADDR]`: reads a script (TOML or JSON), prints `ready ADDR`, and
//! serves until its standard input is closed. `GET /scripted/asked` tells what it was asked,
//! `PUT /scripted/script` gives it another script.

use std::io::Write as _;
use std::process::ExitCode;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use vivarium_harness::model_server::{ModelServer, Script};

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = writeln!(std::io::stderr(), "scripted-model: {error}");
            drop(told);
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let mut script = Script::default();
    let mut listen = "127.0.0.1:0".to_owned();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--listen" {
            listen = arguments.next().ok_or("--listen needs an address")?;
        } else {
            script = Script::parse(&std::fs::read_to_string(&argument)?)?;
        }
    }
    let server = ModelServer::on(TcpListener::bind(&listen).await?, script);
    writeln!(std::io::stdout(), "ready {}", server.address())?;
    std::io::stdout().flush()?;
    let mut stdin = tokio::io::stdin();
    let mut bytes = [0; 1024];
    while stdin.read(&mut bytes).await? > 0 {}
    server.stop().await;
    Ok(())
}
