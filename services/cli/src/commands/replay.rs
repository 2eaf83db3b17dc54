//! `vivarium replay`: recorded cycles once more, without a model and without effects.

use std::collections::BTreeMap;

use vivarium_chassis::Service;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::cycle_service_client::CycleServiceClient;
use vivarium_proto::queue::v1 as queue_pb;

use crate::console::Console;
use crate::failure::Failure;
use crate::render;

/// How many cycles came to what, and how many model calls the record answered.
#[derive(Debug, Default, serde::Serialize)]
struct Sum {
    cycles: u64,
    same: u64,
    cut: u64,
    different: u64,
    #[serde(rename = "leftOut")]
    left_out: u64,
    calls: u64,
}

/// Runs the cycles of a task, one cycle, or all of them again. Fails when something is decided
/// otherwise than before.
pub(super) async fn run(console: &Console, named: Option<String>) -> Result<(), Failure> {
    let request = request(console, named).await?;
    let mut cycles = CycleServiceClient::new(console.calls(Service::Executor)?);
    let mut answers = cycles.replay_cycles(request).await?.into_inner();
    let (mut sum, mut told) = (Sum::default(), Vec::new());
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(answer) = answers.message().await? {
        sum.cycles += 1;
        sum.calls += u64::from(answer.calls);
        match answer.verdict() {
            pb::ReplayVerdict::Same => sum.same += 1,
            pb::ReplayVerdict::Cut => sum.cut += 1,
            pb::ReplayVerdict::Different => {
                sum.different += 1;
                if !console.json {
                    tell(&answer)?;
                }
            }
            pb::ReplayVerdict::LeftOut | pb::ReplayVerdict::Unspecified => {
                sum.left_out += 1;
                *reasons.entry(answer.why.clone()).or_default() += 1;
            }
        }
        if console.json {
            told.push(answer);
        }
    }
    if console.json {
        render::json(&serde_json::json!({"sum": sum, "cycles": told}))?;
    } else {
        summary(&sum, &reasons)?;
    }
    if sum.different > 0 {
        return Err(Failure::refused(
            format!("{} of {} cycles are decided otherwise now", sum.different, sum.cycles),
            "rules, actions or prices have changed since, or the record was changed",
        ));
    }
    Ok(())
}

async fn request(
    console: &Console,
    named: Option<String>,
) -> Result<pb::ReplayCyclesRequest, Failure> {
    let Some(named) = named else { return Ok(pb::ReplayCyclesRequest::default()) };
    if named.starts_with("cyc_") {
        return Ok(pb::ReplayCyclesRequest { cycle_id: named, ..Default::default() });
    }
    let request = queue_pb::GetTaskRequest { task: named, ..Default::default() };
    let answer = console.tasks()?.get_task(request).await?.into_inner();
    let task_id = answer.task.unwrap_or_default().task_id;
    Ok(pb::ReplayCyclesRequest { task_id, ..Default::default() })
}

fn tell(answer: &pb::ReplayCyclesResponse) -> Result<(), Failure> {
    render::line(&format!("{}  of {}", answer.cycle_id, answer.task_id))?;
    for difference in &answer.differences {
        let pb::ReplayDifference { place, field, recorded, replayed } = difference;
        let nothing =
            |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
        let (recorded, replayed) = (nothing(recorded), nothing(replayed));
        render::line(&format!("  {place} {field}: {recorded} before, {replayed} now"))?;
    }
    Ok(())
}

fn summary(sum: &Sum, reasons: &BTreeMap<String, u64>) -> Result<(), Failure> {
    let Sum { cycles, same, cut, different, left_out, calls } = sum;
    render::line(&format!(
        "{cycles} cycles with {calls} model calls from the record: {same} decided as before, {cut} as \
         before up to where they were ended from outside, {different} otherwise, {left_out} left out"
    ))?;
    reasons.iter().try_for_each(|(why, count)| render::line(&format!("  left out: {count}, {why}")))
}
