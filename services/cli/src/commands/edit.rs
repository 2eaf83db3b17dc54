//! `vivarium edit`: changes what a task asks for.

use vivarium_proto::queue::v1 as pb;
use vivarium_proto::wkt;

use super::wanted;
use crate::args::Edit;
use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, edit: Edit) -> Result<(), Failure> {
    let mut spec = wanted::spec(edit.wanted);
    spec.instruction = edit.instruction.map(wanted::text).transpose()?.unwrap_or_default();
    let mut paths = wanted::fields(&spec);
    paths.extend(edit.clear);
    if paths.is_empty() {
        return Err(Failure::usage(
            "nothing changes",
            "name what does, such as --priority 9; `vivarium edit --help` has all of it",
        ));
    }
    let mut tasks = console.tasks()?;
    let etag = if let Some(etag) = edit.etag {
        etag
    } else {
        let request = pb::GetTaskRequest { task: edit.task.clone(), ..Default::default() };
        let answer = tasks.get_task(request).await?.into_inner();
        answer.task.unwrap_or_default().etag
    };
    let request = pb::EditTaskRequest {
        request_id: request_id(),
        task: edit.task.clone(),
        etag,
        spec: Some(spec),
        update_mask: Some(wkt::FieldMask { paths }),
    };
    let answer = tasks.edit_task(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("edited {} (etag {})", edit.task, answer.etag))
}
