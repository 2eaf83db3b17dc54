//! The file `HALT` in the world's mutable folder: how the world is halted while the queue is dead.
//!
//! `vivarium halt` writes it; runners obey it at once; the queue makes an event of it as soon as it
//! sees it, and only `Resume` removes it. A file that cannot be read halts as well.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;
use vivarium_chassis::Refusal;
use vivarium_ledger::Submission;
use vivarium_types::limits::REASON_LENGTH_MAX;
use vivarium_types::{Actor, text};

use crate::domain::Command;
use crate::rpc::{Desk, refusal};

/// What the file says; both fields may be missing.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Content {
    actor: String,
    reason: String,
}

/// Makes an event of the file if it is there. Whether it is.
pub(crate) async fn adopt(desk: &Desk) -> Result<bool, Refusal> {
    let Some(content) = read(&desk.halt_file).await else { return Ok(false) };
    let halted = desk.ledger.ask(|queue| queue.world.halted()).await.map_err(refusal)?;
    if halted {
        return Ok(true);
    }
    let actor: Actor = content.actor.parse().unwrap_or_else(|_| Actor::rule("halt_file"));
    let reason = text::parse(&content.reason, 3, REASON_LENGTH_MAX);
    let mut texts = desk.ledger.texts();
    let reason = texts.plain(reason.as_deref().unwrap_or("the file HALT is there"));
    let submission = Submission::new(actor, Command::SetHalt { reason }).texts(texts.into_rows());
    desk.ledger.submit(submission).await.map_err(refusal)?;
    tracing::warn!("the file HALT was adopted: the world is halted");
    Ok(true)
}

/// Removes the file, once what it says is in the log.
pub(crate) async fn clear(desk: &Desk) -> Result<(), Refusal> {
    if !adopt(desk).await? {
        return Ok(());
    }
    match tokio::fs::remove_file(&desk.halt_file).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Refusal::fault(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Looks for the file until dropped.
#[expect(clippy::infinite_loop, reason = "a task: it runs until it is dropped at the drain")]
pub(crate) async fn watch(desk: Desk) {
    let mut ticks = tokio::time::interval(desk.config.halt_file_every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(refusal) = adopt(&desk).await {
            tracing::warn!(%refusal, "the file HALT could not be adopted");
        }
    }
}

async fn read(path: &Path) -> Option<Content> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Some(parse(&String::from_utf8_lossy(&bytes))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            None
        }
        // What is there and cannot be read counts as a halt.
        Err(_) => Some(Content::default()),
    }
}

/// A JSON object with `actor` and `reason`, or plain words that are the reason.
fn parse(text: &str) -> Content {
    serde_json::from_str(text).unwrap_or_else(|_| Content {
        actor: String::new(),
        reason: text.trim().chars().take(REASON_LENGTH_MAX).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_file_is_json_or_plain_words_or_anything() {
        let full = parse(r#"{"actor": "operator:cli", "reason": "too hot"}"#);
        assert_eq!((full.actor.as_str(), full.reason.as_str()), ("operator:cli", "too hot"));
        assert_eq!(parse("too hot\n").reason, "too hot");
        assert_eq!(parse(""), Content::default());
    }
}
