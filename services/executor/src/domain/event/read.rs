//! Published events as ours again. Fields that are not set read as what they meant when they came.

use super::{
    Body, Called, Consent, Critique, Decided, Ended, Event, FactNote, Finding, Fragment, Health,
    MicroUsd, Missing, NotAnEvent, Obeyed, Performed, Place, Reserved, Scores, Staged, Started,
    Tokens, Usage, Wire, call, class_in, command, command_end_in, day_in, end_in, halt_in, id,
    kind_in, label_in, limited_in, not_called_in, outcome_in, pb, preflight_in, provider_kind_in,
    receipt_in, scope_in, slot_in, some_id, some_text, span_in, text_in,
};

impl TryFrom<Wire> for Event {
    type Error = NotAnEvent;

    fn try_from(wire: Wire) -> Result<Self, NotAnEvent> {
        match wire.event.ok_or(NotAnEvent("kind"))? {
            Body::CycleStarted(e) => Ok(Self::CycleStarted(Box::new(started(e)?))),
            Body::PreflightDecided(e) => decided(e).map(Self::PreflightDecided),
            Body::BudgetReserved(e) => Ok(Self::BudgetReserved(Box::new(reserved(e)?))),
            Body::ModelCalled(e) => Ok(Self::ModelCalled(Box::new(called(e)?))),
            Body::ReservationReleased(e) => Ok(Self::ReservationReleased {
                reservation: id("reservation", &e.reservation_id)?,
                why: not_called_in(&e.reason)?,
            }),
            Body::ActionPerformed(e) => Ok(Self::ActionPerformed(Box::new(performed(e)?))),
            Body::CycleEnded(e) => Ok(Self::CycleEnded(Box::new(ended(e)?))),
            Body::CritiqueMade(e) => critique(e).map(Self::CritiqueMade),
            Body::CritiqueFailed(e) => missing(e).map(Self::CritiqueFailed),
            Body::ProviderHealthChanged(e) => {
                let any_usable = e.any_usable;
                Ok(Self::ProviderHealthChanged { health: health(e)?, any_usable })
            }
            Body::KeySet(e) => Ok(Self::KeySet { provider: e.provider, masked: e.masked }),
            Body::KeyCleared(e) => Ok(Self::KeyCleared { provider: e.provider }),
            Body::BudgetLimitSet(e) => Ok(Self::BudgetLimitSet {
                limited: limited_in(e.scope).ok_or(NotAnEvent("scope"))?,
                amount: MicroUsd::new(e.limit_micro_usd),
                previous: MicroUsd::new(e.previous_micro_usd),
                reason: text_in(e.reason.ok_or(NotAnEvent("reason"))?)?,
            }),
            Body::ProviderConsented(e) => Ok(Self::ProviderConsented {
                provider: e.provider,
                consent: Consent { given: e.consent, may_judge: e.may_judge },
            }),
            Body::CommandStarted(e) => begun(e).map(Box::new).map(Self::CommandStarted),
            Body::CommandEnded(e) => over(e).map(Box::new).map(Self::CommandEnded),
            Body::HaltObeyed(e) => obeyed(&e).map(Self::HaltObeyed),
            Body::FactIgnored(e) => Ok(Self::FactIgnored(FactNote {
                source: e.source,
                sequence: e.sequence,
                kind: e.kind,
                reason: e.reason,
            })),
            Body::SegmentClosed(e) => {
                let note = e.try_into().map_err(|_| NotAnEvent("segment_closed"))?;
                Ok(Self::SegmentClosed(Box::new(note)))
            }
            Body::FactParked(e) => Ok(Self::FactParked(FactNote {
                source: e.source,
                sequence: e.sequence,
                kind: e.kind,
                reason: e.reason,
            })),
        }
    }
}

fn started(e: pb::CycleStarted) -> Result<Started, NotAnEvent> {
    Ok(Started {
        cycle: id("cycle", &e.cycle_id)?,
        lease: id("lease", &e.lease_id)?,
        fencing_token: e.fencing_token,
        control_epoch: e.control_epoch,
        instance: id("instance", &e.instance_id)?,
        kind: kind_in(e.kind).ok_or(NotAnEvent("cycle kind"))?,
        task: some_id("task", &e.task_id)?,
        attempt: some_id("attempt", &e.attempt_id)?,
        attempt_number: e.attempt_number,
        resident: some_id("resident", &e.resident_id)?,
        submission: some_id("submission", &e.submission_id)?,
        provider: e.provider,
        class: class_in(e.provider_class),
        model: e.model,
        fragments: e.fragments.into_iter().map(fragment).collect::<Result<_, _>>()?,
        briefing_hash: e.briefing_hash,
        mode: e.mode,
        given: some_text(e.given)?,
    })
}

fn fragment(e: pb::BriefingFragment) -> Result<Fragment, NotAnEvent> {
    Ok(Fragment {
        section: e.section,
        source: e.source,
        label: label_in(e.label).ok_or(NotAnEvent("label"))?,
        slot: slot_in(e.slot).ok_or(NotAnEvent("slot"))?,
        text: text_in(e.text.ok_or(NotAnEvent("fragment"))?)?,
        size_tokens: e.size_tokens,
        cut: e.cut,
        quarantined: e.quarantined,
    })
}

fn decided(e: pb::PreflightDecided) -> Result<Decided, NotAnEvent> {
    let finding = |e: pb::PreflightFinding| {
        let outcome = preflight_in(e.outcome).ok_or(NotAnEvent("finding"))?;
        Ok(Finding { rule: e.rule, place: e.r#where, outcome })
    };
    Ok(Decided {
        cycle: id("cycle", &e.cycle_id)?,
        task: id("task", &e.task_id)?,
        outcome: preflight_in(e.outcome).ok_or(NotAnEvent("outcome"))?,
        findings: e.findings.into_iter().map(finding).collect::<Result<_, _>>()?,
        subject_hash: digest(&e.subject_hash)?,
        rules_hash: e.rules_hash,
        given: some_text(e.given)?,
    })
}

fn digest(text: &str) -> Result<[u8; 32], NotAnEvent> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAnEvent("digest"))?;
    Ok(bytes)
}

fn owner(e: Option<pb::CallOwner>) -> Result<call::Owner, NotAnEvent> {
    let e = e.ok_or(NotAnEvent("owner"))?;
    Ok(call::Owner {
        cycle: id("cycle", &e.cycle_id)?,
        lease: id("lease", &e.lease_id)?,
        task: some_id("task", &e.task_id)?,
        resident: some_id("resident", &e.resident_id)?,
        purpose: kind_in(e.purpose).ok_or(NotAnEvent("purpose"))?,
        step: e.step,
        instance: id("instance", &e.instance_id)?,
    })
}

fn reserved(e: pb::BudgetReserved) -> Result<Reserved, NotAnEvent> {
    Ok(Reserved {
        reservation: id("reservation", &e.reservation_id)?,
        call: id("call", &e.call_id)?,
        owner: owner(e.owner)?,
        worst_case: MicroUsd::new(e.worst_case_micro_usd),
        scopes: e.scopes.iter().map(scope_in).collect::<Result<_, _>>()?,
        spend_day: day_in(&e.spend_day)?,
        provider: e.provider,
        model: e.model,
        input_tokens_max: e.input_tokens_max,
        output_tokens_max: e.output_tokens_max,
        task_limit: MicroUsd::new(e.task_limit_micro_usd),
    })
}

fn usage(e: Option<pb::Usage>) -> Usage {
    let e = e.unwrap_or_default();
    Usage {
        input_tokens: e.input_tokens,
        output_tokens: e.output_tokens,
        calls: e.calls,
        estimated: e.estimated,
    }
}

fn called(e: pb::ModelCalled) -> Result<Called, NotAnEvent> {
    let timing = e.timing.unwrap_or_default();
    Ok(Called {
        call: id("call", &e.call_id)?,
        reservation: id("reservation", &e.reservation_id)?,
        owner: owner(e.owner)?,
        outcome: outcome_in(e.outcome).ok_or(NotAnEvent("outcome"))?,
        provider: e.provider,
        class: class_in(e.provider_class),
        model: e.model,
        usage: usage(e.usage),
        cost: MicroUsd::new(e.cost_micro_usd),
        request_hash: e.request_hash,
        response: some_text(e.response)?,
        left_out: e.left_out,
        finish_reason: e.finish_reason,
        first_token: timing.first_token.as_ref().map(span_in),
        total: timing.total.as_ref().map(span_in).unwrap_or_default(),
        failure: e.failure,
        redactions: e.redactions,
        tries: e.tries,
    })
}

fn performed(e: pb::ActionPerformed) -> Result<Performed, NotAnEvent> {
    Ok(Performed {
        cycle: id("cycle", &e.cycle_id)?,
        step: e.step,
        index: e.index,
        action: e.action,
        target: e.target,
        arguments_hash: e.arguments_hash,
        action_id: e.action_id,
        status: receipt_in(e.status).ok_or(NotAnEvent("status"))?,
        reason: e.reason,
        result: some_text(e.result)?,
        price: Tokens::new(e.price_tokens),
        balance: e.balance_tokens.map(Tokens::new),
        place: e.position.map(|p| Place { ledger: p.ledger, sequence: p.sequence }),
    })
}

fn staged(e: pb::StagedDocument) -> Result<Staged, NotAnEvent> {
    let document = id("document", &e.document_id)?;
    Ok(Staged { document, path: e.path, digest: digest(&e.digest)? })
}

fn ended(e: pb::CycleEnded) -> Result<Ended, NotAnEvent> {
    Ok(Ended {
        cycle: id("cycle", &e.cycle_id)?,
        end: end_in(e.end).ok_or(NotAnEvent("end"))?,
        failure_class: e.failure_class,
        reason: e.reason,
        steps: e.steps,
        actions: e.actions,
        documents: e.documents.into_iter().map(staged).collect::<Result<_, _>>()?,
        usage: usage(e.usage),
        cost: MicroUsd::new(e.cost_micro_usd),
        summary: some_text(e.summary)?,
        task: some_id("task", &e.task_id)?,
        resident: some_id("resident", &e.resident_id)?,
    })
}

fn critique(e: pb::CritiqueMade) -> Result<Critique, NotAnEvent> {
    let scores = e.scores.unwrap_or_default();
    Ok(Critique {
        submission: id("submission", &e.submission_id)?,
        task: id("task", &e.task_id)?,
        cycle: id("cycle", &e.cycle_id)?,
        model: e.model,
        provider: e.provider,
        class: class_in(e.provider_class).ok_or(NotAnEvent("class"))?,
        may_judge: e.may_judge,
        scores: Scores {
            answers_request: scores.answers_request,
            correct: scores.correct,
            complete: scores.complete,
            clear: scores.clear,
            fits_constraints: scores.fits_constraints,
        },
        issues: e.issues.into_iter().map(text_in).collect::<Result<_, _>>()?,
        suggestions: e.suggestions.into_iter().map(text_in).collect::<Result<_, _>>()?,
        cost: MicroUsd::new(e.cost_micro_usd),
        payload_hash: e.payload_hash,
    })
}

fn missing(e: pb::CritiqueFailed) -> Result<Missing, NotAnEvent> {
    Ok(Missing {
        submission: id("submission", &e.submission_id)?,
        task: id("task", &e.task_id)?,
        cycle: id("cycle", &e.cycle_id)?,
        reason: e.reason,
        cost: MicroUsd::new(e.cost_micro_usd),
        retryable: e.retryable,
    })
}

fn health(e: pb::ProviderHealthChanged) -> Result<Health, NotAnEvent> {
    Ok(Health {
        kind: provider_kind_in(e.kind).ok_or(NotAnEvent("provider kind"))?,
        class: class_in(e.class).ok_or(NotAnEvent("class"))?,
        provider: e.provider,
        model: e.model,
        window_tokens: e.window_tokens,
        healthy: e.healthy,
        why_not: e.why_not,
        base_url: e.base_url,
    })
}

fn obeyed(e: &pb::HaltObeyed) -> Result<Obeyed, NotAnEvent> {
    let pairs = e.cycle_ids.iter().zip(&e.lease_ids);
    let stopped = pairs.map(|(cycle, lease)| Ok((id("cycle", cycle)?, id("lease", lease)?)));
    Ok(Obeyed {
        control_epoch: e.control_epoch,
        source: halt_in(e.source).ok_or(NotAnEvent("halt source"))?,
        stopped: stopped.collect::<Result<_, NotAnEvent>>()?,
        calls_cancelled: e.calls_cancelled,
        processes_ended: e.processes_ended,
        took: e.took.as_ref().map(span_in).unwrap_or_default(),
    })
}

fn begun(e: pb::CommandStarted) -> Result<command::Begun, NotAnEvent> {
    Ok(command::Begun {
        cycle: id("cycle", &e.cycle_id)?,
        number: e.number,
        program: e.program_id,
        sha256: e.sha256,
        argv: some_text(e.argv)?.ok_or(NotAnEvent("argv"))?,
        folder: e.folder,
        run_limit: e.run_limit.as_ref().map(span_in).unwrap_or_default(),
        resident: some_id("resident", &e.resident_id)?,
        day: e.day,
    })
}

fn over(e: pb::CommandEnded) -> Result<command::Over, NotAnEvent> {
    Ok(command::Over {
        cycle: id("cycle", &e.cycle_id)?,
        number: e.number,
        end: command_end_in(e.end).ok_or(NotAnEvent("command end"))?,
        code: e.code,
        wall: e.wall.as_ref().map(span_in).unwrap_or_default(),
        cpu: e.cpu.as_ref().map(span_in).unwrap_or_default(),
        output: some_text(e.output)?,
    })
}
