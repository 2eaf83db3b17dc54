//! What the supervisor says to a process, and the one line the process says back.
//!
//! Lines on stdin: `reload` reads the identity again, `drain` ends the process. The end of stdin is a
//! drain too: a killed supervisor leaves no orphan. SIGTERM and SIGINT are drains.

use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::identity::Holder;
use crate::status::chain;
use crate::task;

/// Obeys until the process ends.
pub(super) fn obey(holder: &Arc<Holder>, drain: &CancellationToken) -> io::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signalled = drain.clone();
    task::detached(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("told to stop by a signal");
        signalled.cancel();
    });
    let (holder, drain) = (Arc::clone(holder), drain.clone());
    // A thread of its own: reading stdin blocks, and the runtime must be able to end meanwhile.
    std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        for line in io::stdin().lock().lines() {
            match line.as_deref() {
                Ok("reload") => reload(&holder),
                Ok("drain") | Err(_) => break,
                Ok(_) => tracing::info!("an unknown word on the control pipe"),
            }
        }
        drain.cancel();
    })?;
    Ok(())
}

fn reload(holder: &Holder) {
    match holder.reload() {
        Ok(()) => {
            let until = holder.current().not_after();
            tracing::info!(%until, "identity renewed");
        }
        // The old identity goes on; the supervisor tries again before it ends.
        Err(error) => tracing::error!(error = chain(&error), "identity not renewed"),
    }
}

/// Says a line to whoever started the process.
pub(super) fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    // A supervisor that is gone does not hear it; the end of stdin tells us so.
    drop(stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()));
}
