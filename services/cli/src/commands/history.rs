//! `vivarium history`: what happened in worlds that were imported.

use vivarium_chassis::Service;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::history_service_client::HistoryServiceClient;
use vivarium_types::Timestamp;

use crate::args::{History, HistoryKind};
use crate::console::Console;
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, wanted: History) -> Result<(), Failure> {
    let kinds = wanted.kind.into_iter().map(|kind| {
        i32::from(match kind {
            HistoryKind::Task => pb::HistoryKind::Task,
            HistoryKind::Status => pb::HistoryKind::Status,
            HistoryKind::Bounty => pb::HistoryKind::Bounty,
            HistoryKind::Action => pb::HistoryKind::Action,
        })
    });
    let outcome = match (wanted.failed, wanted.done) {
        (true, _) => pb::HistoryOutcome::Failed,
        (false, true) => pb::HistoryOutcome::Done,
        (false, false) => pb::HistoryOutcome::Unspecified,
    };
    let request = pb::ListHistoryRequest {
        text: wanted.words.join(" "),
        kinds: kinds.collect(),
        outcome: outcome.into(),
        resident: wanted.resident.unwrap_or_default(),
        page_size: wanted.limit,
        ..pb::ListHistoryRequest::default()
    };
    let mut client = HistoryServiceClient::new(console.calls(Service::Society)?);
    let answer = client.list_history(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    if answer.entries.is_empty() {
        return render::line("no history like this");
    }
    let rows: Vec<Vec<String>> = answer.entries.iter().map(row).collect();
    render::table(&["WHEN", "WHAT", "STATUS", "ABOUT", "TITLE", "TEXT"], &rows)
}

fn row(entry: &pb::HistoryEntry) -> Vec<String> {
    let when = entry.source_time.as_ref().map_or_else(
        || "-".to_owned(),
        |time| Timestamp::from_seconds_and_nanos(time.seconds, 0).to_string(),
    );
    let kind = entry.kind().as_str_name().trim_start_matches("HISTORY_KIND_").to_lowercase();
    vec![
        when,
        kind,
        entry.status.clone(),
        render::short(&entry.subject, 24),
        render::short(&entry.title, 40),
        render::short(&entry.text, 60),
    ]
}
