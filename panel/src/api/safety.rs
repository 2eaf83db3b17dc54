//! The safety rules, what they stopped, and the sandbox.

use vivarium_proto::executor::v1 as pb;

use super::{Answer, Method, call, unary, wire};
use crate::state::safety::{
    Count, Flag, Kind, Layer, Program, Refusals, Rule, Rules, Sandbox, Stopped, Table, Verdict,
};

const RULES: Method = unary("/vivarium.executor.v1.SafetyService/ListRules");
const REFUSALS: Method = unary("/vivarium.executor.v1.SafetyService/ListRefusals");
const SANDBOX: Method = unary("/vivarium.executor.v1.CommandService/GetSandbox");
const PROGRAMS: Method = unary("/vivarium.executor.v1.CommandService/ListPrograms");
const TRY: Method = unary("/vivarium.executor.v1.CommandService/TryCommand");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[RULES, REFUSALS, SANDBOX, PROGRAMS, TRY];

/// The rules in force.
pub(crate) async fn rules() -> Answer<Rules> {
    let answer: pb::ListRulesResponse = call(RULES, &pb::ListRulesRequest::default()).await?;
    let rule = |rule: pb::Rule| Rule {
        name: rule.name,
        about: rule.about,
        looks_at: rule.looks_at,
        follows: rule.follows,
        patterns: rule.patterns,
        blocked: rule.tasks_blocked,
        held: rule.tasks_held,
        stopped: rule.texts_stopped,
    };
    Ok(Rules {
        all: answer.rules.into_iter().map(rule).collect(),
        negations: answer.negations,
        hash: answer.rules_hash,
        missing: answer.missing,
    })
}

/// What was stopped, newest first; of one kind, if one is named.
pub(crate) async fn refusals(kind: Option<Kind>, page_token: String) -> Answer<Refusals> {
    let request = pb::ListRefusalsRequest {
        kinds: kind.map(|kind| kind_out(kind).into()).into_iter().collect(),
        page_size: 10,
        page_token,
        ..pb::ListRefusalsRequest::default()
    };
    let answer: pb::ListRefusalsResponse = call(REFUSALS, &request).await?;
    let count = |count: pb::RefusalCount| Count {
        kind: kind_in(count.kind()),
        why: count.why,
        times: count.count,
    };
    Ok(Refusals {
        rows: answer.refusals.into_iter().map(stopped).collect(),
        next: answer.next_page_token,
        counts: answer.counts.into_iter().map(count).collect(),
    })
}

/// The sandbox as it stands.
pub(crate) async fn sandbox() -> Answer<Sandbox> {
    let answer: pb::GetSandboxResponse = call(SANDBOX, &pb::GetSandboxRequest {}).await?;
    let layer = |layer: pb::SandboxLayer| Layer {
        name: layer.name,
        about: layer.about,
        in_force: layer.in_force,
        required: layer.required,
        detail: layer.detail,
    };
    Ok(Sandbox {
        layers: answer.layers.into_iter().map(layer).collect(),
        complete: answer.complete,
        roots: answer.roots.into_iter().map(|root| (root.name, root.inside)).collect(),
    })
}

/// The table of programs.
pub(crate) async fn programs() -> Answer<Table> {
    let answer: pb::ListProgramsResponse = call(PROGRAMS, &pb::ListProgramsRequest {}).await?;
    Ok(Table {
        programs: answer.programs.into_iter().map(program).collect(),
        absent: answer.absent.into_iter().map(|absent| (absent.program_id, absent.why)).collect(),
        fault: answer.fault,
    })
}

/// What a call would come to. Nothing runs.
pub(crate) async fn try_command(
    program_id: String,
    args: Vec<String>,
    folder: String,
) -> Answer<Verdict> {
    let request = pb::TryCommandRequest { program_id, args, folder, seconds: 0 };
    let answer: pb::TryCommandResponse = call(TRY, &request).await?;
    Ok(Verdict {
        allowed: answer.allowed,
        argv: answer.argv,
        reason: answer.reason,
        rule: answer.rule,
        argument: answer.argument,
        why: answer.why,
    })
}

fn stopped(wire: pb::Refusal) -> Stopped {
    let finding = |finding: pb::PreflightFinding| {
        let blocks = finding.outcome() == pb::PreflightOutcome::Block;
        (finding.rule, finding.r#where, blocks)
    };
    Stopped {
        kind: kind_in(wire.kind()),
        sequence: wire.sequence,
        time: wire::moment(wire.time),
        task: wire.task_id,
        resident: wire.resident_id,
        cycle: wire.cycle_id,
        what: wire.what,
        target: wire.target,
        why: wire.why,
        told: wire.told,
        findings: wire.findings.into_iter().map(finding).collect(),
    }
}

fn program(wire: pb::Program) -> Program {
    let flag = |flag: pb::ProgramFlag| Flag {
        names: flag.names.join(", "),
        value: flag.value,
        about: flag.about,
    };
    Program {
        id: wire.program_id,
        about: wire.about,
        path: wire.path,
        sha256: wire.sha256,
        flags: wire.flags.into_iter().map(flag).collect(),
        positionals: wire.positionals,
        seconds: wire.seconds_max,
        children: wire.children,
    }
}

const fn kind_in(wire: pb::RefusalKind) -> Kind {
    match wire {
        pb::RefusalKind::Unspecified | pb::RefusalKind::Action => Kind::Action,
        pb::RefusalKind::TaskHeld => Kind::TaskHeld,
        pb::RefusalKind::TaskBlocked => Kind::TaskBlocked,
        pb::RefusalKind::Fragment => Kind::Fragment,
    }
}

const fn kind_out(kind: Kind) -> pb::RefusalKind {
    match kind {
        Kind::Action => pb::RefusalKind::Action,
        Kind::TaskHeld => pb::RefusalKind::TaskHeld,
        Kind::TaskBlocked => pb::RefusalKind::TaskBlocked,
        Kind::Fragment => pb::RefusalKind::Fragment,
    }
}
