//! Our events as they are published.

use super::{
    Body, Called, Class, Critique, Decided, Ended, Event, Finding, Fragment, Health, Missing,
    Obeyed, Performed, Reserved, Scores, Staged, Started, Tokens, Usage, Wire, call, class_out,
    command, command_end_out, date, end_out, halt_out, kind_out, label_out, ledger_pb, limited_out,
    not_called_word, outcome_out, pb, preflight_out, provider_kind_out, receipt_out, scope_out,
    shown, slot_out, span_out, text_out,
};

impl From<Event> for Wire {
    fn from(event: Event) -> Self {
        Self { event: Some(body(event)) }
    }
}

fn body(event: Event) -> Body {
    match event {
        Event::CycleStarted(started) => Body::CycleStarted(self::started(*started)),
        Event::PreflightDecided(decided) => Body::PreflightDecided(self::decided(decided)),
        Event::BudgetReserved(reserved) => Body::BudgetReserved(self::reserved(*reserved)),
        Event::ModelCalled(called) => Body::ModelCalled(self::called(*called)),
        Event::ReservationReleased { reservation, why } => {
            Body::ReservationReleased(pb::ReservationReleased {
                reservation_id: reservation.to_string(),
                reason: not_called_word(why).to_owned(),
            })
        }
        Event::ActionPerformed(performed) => Body::ActionPerformed(self::performed(*performed)),
        Event::CommandStarted(begun) => Body::CommandStarted(self::begun(*begun)),
        Event::CommandEnded(over) => Body::CommandEnded(self::over(&over)),
        Event::CycleEnded(ended) => Body::CycleEnded(self::ended(*ended)),
        Event::CritiqueMade(critique) => Body::CritiqueMade(self::critique(critique)),
        Event::CritiqueFailed(missing) => Body::CritiqueFailed(self::missing(missing)),
        Event::ProviderHealthChanged { health, any_usable } => {
            Body::ProviderHealthChanged(self::health(health, any_usable))
        }
        Event::KeySet { provider, masked } => Body::KeySet(pb::KeySet { provider, masked }),
        Event::KeyCleared { provider } => Body::KeyCleared(pb::KeyCleared { provider }),
        Event::BudgetLimitSet { limited, amount, previous, reason } => {
            Body::BudgetLimitSet(pb::BudgetLimitSet {
                scope: limited_out(limited).into(),
                limit_micro_usd: amount.get(),
                previous_micro_usd: previous.get(),
                reason: Some(text_out(&reason)),
            })
        }
        Event::ProviderConsented { provider, consent } => {
            Body::ProviderConsented(pb::ProviderConsented {
                provider,
                consent: consent.given,
                may_judge: consent.may_judge,
            })
        }
        Event::HaltObeyed(obeyed) => Body::HaltObeyed(self::obeyed(&obeyed)),
        Event::FactIgnored(note) => Body::FactIgnored(ledger_pb::FactIgnored {
            source: note.source,
            sequence: note.sequence,
            kind: note.kind,
            reason: note.reason,
        }),
        Event::SegmentClosed(note) => Body::SegmentClosed((*note).into()),
        Event::FactParked(note) => Body::FactParked(ledger_pb::FactParked {
            source: note.source,
            sequence: note.sequence,
            kind: note.kind,
            reason: note.reason,
        }),
    }
}

fn started(started: Started) -> pb::CycleStarted {
    let fragments = started.fragments.into_iter().zip(1..);
    pb::CycleStarted {
        cycle_id: started.cycle.to_string(),
        lease_id: started.lease.to_string(),
        fencing_token: started.fencing_token,
        control_epoch: started.control_epoch,
        instance_id: started.instance.to_string(),
        kind: kind_out(started.kind).into(),
        task_id: shown(started.task.as_ref()),
        attempt_id: shown(started.attempt.as_ref()),
        attempt_number: started.attempt_number,
        resident_id: shown(started.resident.as_ref()),
        submission_id: shown(started.submission.as_ref()),
        provider: started.provider,
        provider_class: maybe_class(started.class),
        model: started.model,
        fragments: fragments.map(|(fragment, number)| self::fragment(fragment, number)).collect(),
        briefing_hash: started.briefing_hash,
        mode: started.mode,
        given: started.given.as_ref().map(text_out),
    }
}

fn maybe_class(class: Option<Class>) -> i32 {
    class.map_or(0, |class| class_out(class).into())
}

fn fragment(fragment: Fragment, number: u32) -> pb::BriefingFragment {
    pb::BriefingFragment {
        number,
        section: fragment.section,
        source: fragment.source,
        label: label_out(fragment.label).into(),
        slot: slot_out(fragment.slot).into(),
        text: Some(text_out(&fragment.text)),
        size_tokens: fragment.size_tokens,
        cut: fragment.cut,
        quarantined: fragment.quarantined,
    }
}

fn decided(decided: Decided) -> pb::PreflightDecided {
    let finding = |finding: Finding| pb::PreflightFinding {
        rule: finding.rule,
        r#where: finding.place,
        outcome: preflight_out(finding.outcome).into(),
    };
    pb::PreflightDecided {
        cycle_id: decided.cycle.to_string(),
        task_id: decided.task.to_string(),
        outcome: preflight_out(decided.outcome).into(),
        findings: decided.findings.into_iter().map(finding).collect(),
        subject_hash: hex::encode(decided.subject_hash),
        rules_hash: decided.rules_hash,
        given: decided.given.as_ref().map(text_out),
    }
}

fn owner(owner: &call::Owner) -> pb::CallOwner {
    pb::CallOwner {
        cycle_id: owner.cycle.to_string(),
        lease_id: owner.lease.to_string(),
        task_id: shown(owner.task.as_ref()),
        resident_id: shown(owner.resident.as_ref()),
        purpose: kind_out(owner.purpose).into(),
        step: owner.step,
        instance_id: owner.instance.to_string(),
    }
}

fn reserved(reserved: Reserved) -> pb::BudgetReserved {
    let scopes = reserved.scopes.into_iter().map(|scope| {
        let (scope, subject_id) = scope_out(scope);
        pb::ReservedScope { scope: scope.into(), subject_id }
    });
    pb::BudgetReserved {
        reservation_id: reserved.reservation.to_string(),
        call_id: reserved.call.to_string(),
        owner: Some(owner(&reserved.owner)),
        worst_case_micro_usd: reserved.worst_case.get(),
        scopes: scopes.collect(),
        spend_day: date(reserved.spend_day),
        provider: reserved.provider,
        model: reserved.model,
        input_tokens_max: reserved.input_tokens_max,
        output_tokens_max: reserved.output_tokens_max,
        task_limit_micro_usd: reserved.task_limit.get(),
    }
}

/// Model tokens on the wire.
pub(in crate::domain) fn usage(usage: Usage) -> pb::Usage {
    pb::Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        calls: usage.calls,
        estimated: usage.estimated,
    }
}

fn called(called: Called) -> pb::ModelCalled {
    pb::ModelCalled {
        call_id: called.call.to_string(),
        reservation_id: called.reservation.to_string(),
        owner: Some(owner(&called.owner)),
        outcome: outcome_out(called.outcome).into(),
        provider: called.provider,
        provider_class: maybe_class(called.class),
        model: called.model,
        usage: Some(usage(called.usage)),
        cost_micro_usd: called.cost.get(),
        request_hash: called.request_hash,
        response: called.response.as_ref().map(text_out),
        left_out: called.left_out,
        finish_reason: called.finish_reason,
        timing: Some(pb::CallTiming {
            first_token: called.first_token.map(span_out),
            total: Some(span_out(called.total)),
        }),
        failure: called.failure,
        redactions: called.redactions,
        tries: called.tries,
    }
}

fn performed(performed: Performed) -> pb::ActionPerformed {
    pb::ActionPerformed {
        cycle_id: performed.cycle.to_string(),
        step: performed.step,
        index: performed.index,
        action: performed.action,
        target: performed.target,
        arguments_hash: performed.arguments_hash,
        action_id: performed.action_id,
        status: receipt_out(performed.status).into(),
        reason: performed.reason,
        result: performed.result.as_ref().map(text_out),
        price_tokens: performed.price.get(),
        balance_tokens: performed.balance.map(Tokens::get),
        position: performed
            .place
            .map(|place| ledger_pb::Position { ledger: place.ledger, sequence: place.sequence }),
    }
}

fn staged(staged: Staged) -> pb::StagedDocument {
    pb::StagedDocument {
        document_id: staged.document.to_string(),
        path: staged.path,
        digest: hex::encode(staged.digest),
    }
}

fn ended(ended: Ended) -> pb::CycleEnded {
    pb::CycleEnded {
        cycle_id: ended.cycle.to_string(),
        end: end_out(ended.end).into(),
        failure_class: ended.failure_class,
        reason: ended.reason,
        steps: ended.steps,
        actions: ended.actions,
        documents: ended.documents.into_iter().map(staged).collect(),
        usage: Some(usage(ended.usage)),
        cost_micro_usd: ended.cost.get(),
        summary: ended.summary.as_ref().map(text_out),
        task_id: shown(ended.task.as_ref()),
        resident_id: shown(ended.resident.as_ref()),
    }
}

fn critique(critique: Critique) -> pb::CritiqueMade {
    let Scores { answers_request, correct, complete, clear, fits_constraints } = critique.scores;
    pb::CritiqueMade {
        submission_id: critique.submission.to_string(),
        task_id: critique.task.to_string(),
        cycle_id: critique.cycle.to_string(),
        model: critique.model,
        provider: critique.provider,
        provider_class: class_out(critique.class).into(),
        may_judge: critique.may_judge,
        scores: Some(pb::CritiqueScores {
            answers_request,
            correct,
            complete,
            clear,
            fits_constraints,
        }),
        issues: critique.issues.iter().map(text_out).collect(),
        suggestions: critique.suggestions.iter().map(text_out).collect(),
        cost_micro_usd: critique.cost.get(),
        payload_hash: critique.payload_hash,
    }
}

fn missing(missing: Missing) -> pb::CritiqueFailed {
    pb::CritiqueFailed {
        submission_id: missing.submission.to_string(),
        task_id: missing.task.to_string(),
        cycle_id: missing.cycle.to_string(),
        reason: missing.reason,
        cost_micro_usd: missing.cost.get(),
        retryable: missing.retryable,
    }
}

fn health(health: Health, any_usable: bool) -> pb::ProviderHealthChanged {
    pb::ProviderHealthChanged {
        provider: health.provider,
        kind: provider_kind_out(health.kind).into(),
        class: class_out(health.class).into(),
        model: health.model,
        window_tokens: health.window_tokens,
        healthy: health.healthy,
        why_not: health.why_not,
        base_url: health.base_url,
        any_usable,
    }
}

fn obeyed(obeyed: &Obeyed) -> pb::HaltObeyed {
    pb::HaltObeyed {
        control_epoch: obeyed.control_epoch,
        source: halt_out(obeyed.source).into(),
        cycle_ids: obeyed.stopped.iter().map(|(cycle, _)| cycle.to_string()).collect(),
        lease_ids: obeyed.stopped.iter().map(|(_, lease)| lease.to_string()).collect(),
        calls_cancelled: obeyed.calls_cancelled,
        processes_ended: obeyed.processes_ended,
        took: Some(span_out(obeyed.took)),
    }
}

fn begun(begun: command::Begun) -> pb::CommandStarted {
    pb::CommandStarted {
        cycle_id: begun.cycle.to_string(),
        number: begun.number,
        program_id: begun.program,
        sha256: begun.sha256,
        argv: Some(text_out(&begun.argv)),
        folder: begun.folder,
        run_limit: Some(span_out(begun.run_limit)),
        resident_id: begun.resident.map(|id| id.to_string()).unwrap_or_default(),
        day: begun.day,
    }
}

fn over(over: &command::Over) -> pb::CommandEnded {
    pb::CommandEnded {
        cycle_id: over.cycle.to_string(),
        number: over.number,
        end: command_end_out(over.end).into(),
        code: over.code,
        wall: Some(span_out(over.wall)),
        cpu: Some(span_out(over.cpu)),
        output: over.output.as_ref().map(text_out),
    }
}
