//! `vivarium limits`: the limits of the world's physics.

use vivarium_chassis::Service;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;
use vivarium_proto::wkt::FieldMask;

use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

/// The word for a limit that is as the settings file says.
const DEFAULT: &str = "default";

/// Shows all limits, or sets those that `changes` names.
pub(super) async fn limits(
    console: &Console,
    changes: &[String],
    reason: String,
) -> Result<(), Failure> {
    let mut client = WorldServiceClient::new(console.calls(Service::Queue)?);
    let limits = if changes.is_empty() {
        let answer = client.get_controls(pb::GetControlsRequest::default()).await?.into_inner();
        answer.controls.and_then(|controls| controls.limits)
    } else {
        let (limits, paths) = wanted(changes)?;
        let (limits, update_mask) = (Some(limits), Some(FieldMask { paths }));
        let request_id = request_id();
        let request = pb::SetLimitsRequest { request_id, limits, update_mask, reason };
        client.set_limits(request).await?.into_inner().limits
    };
    let limits = limits.unwrap_or_default();
    if console.json {
        return render::json(&limits);
    }
    render::table(&["LIMIT", "VALUE", "MEANING"], &rows(&limits))
}

fn rows(limits: &pb::Limits) -> Vec<Vec<String>> {
    let small = |value: Option<u32>| value.map(u64::from);
    let rows = [
        ("open_tasks", limits.open_tasks, "tasks that may be open"),
        ("instruction_chars", small(limits.instruction_chars), "characters of an instruction"),
        ("result_chars", small(limits.result_chars), "characters of an answer"),
        ("metadata_keys", small(limits.metadata_keys), "keys of a task's metadata"),
        ("metadata_bytes", small(limits.metadata_bytes), "bytes of a task's metadata"),
        ("dependencies", small(limits.dependencies), "dependencies of a task"),
        ("runners", small(limits.runners), "runner processes"),
    ];
    rows.map(|(name, value, meaning)| {
        let value = value.map(|value| value.to_string()).unwrap_or_default();
        vec![name.to_owned(), value, meaning.to_owned()]
    })
    .into()
}

/// The limits to set and their names.
fn wanted(changes: &[String]) -> Result<(pb::Limits, Vec<String>), Failure> {
    let mut limits = pb::Limits::default();
    let mut paths = Vec::new();
    for change in changes {
        let usage = || {
            Failure::usage(
                format!("{change} sets no limit"),
                "say NAME=VALUE or NAME=default; `vivarium limits` shows the names",
            )
        };
        let (name, value) = change.split_once('=').ok_or_else(usage)?;
        if value != DEFAULT {
            set(&mut limits, name, value).ok_or_else(usage)?;
        }
        paths.push(name.to_owned());
    }
    Ok((limits, paths))
}

fn set(limits: &mut pb::Limits, name: &str, value: &str) -> Option<()> {
    let small = || value.parse::<u32>().ok();
    match name {
        "open_tasks" => limits.open_tasks = Some(value.parse().ok()?),
        "instruction_chars" => limits.instruction_chars = Some(small()?),
        "result_chars" => limits.result_chars = Some(small()?),
        "metadata_keys" => limits.metadata_keys = Some(small()?),
        "metadata_bytes" => limits.metadata_bytes = Some(small()?),
        "dependencies" => limits.dependencies = Some(small()?),
        "runners" => limits.runners = Some(small()?),
        _ => return None,
    }
    Some(())
}
