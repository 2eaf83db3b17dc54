//! Every event reads back as what was written.

use vivarium_types::ids::{
    CallId, CycleId, DocumentId, Id, InstanceId, LeaseId, ReservationId, SubmissionId, TaskId,
};

use super::*;

fn text() -> TextRef {
    TextRef { id: "txt_1".to_owned(), hash: Hash([7; 32]), length: 3, sealed: true }
}

fn owner() -> call::Owner {
    call::Owner {
        cycle: CycleId::from_number(1),
        lease: LeaseId::from_number(2),
        task: Some(TaskId::from_number(3)),
        resident: Some(Id::from_number(4)),
        purpose: Kind::Critique,
        step: 5,
        instance: InstanceId::from_number(6),
    }
}

fn reserved() -> Reserved {
    Reserved {
        reservation: ReservationId::from_number(1),
        call: CallId::from_number(2),
        owner: owner(),
        worst_case: MicroUsd::new(42),
        scopes: vec![
            Scope::Call,
            Scope::Task(TaskId::from_number(3)),
            Scope::ResidentDay(Id::from_number(4)),
            Scope::ReviewDay,
            Scope::WorldDay,
            Scope::WorldTotal,
        ],
        spend_day: 20_780,
        provider: "groq".to_owned(),
        model: "m".to_owned(),
        input_tokens_max: 1,
        output_tokens_max: 2,
        task_limit: MicroUsd::new(100),
    }
}

fn note() -> FactNote {
    FactNote { source: "queue".into(), sequence: 1, kind: "k".into(), reason: "R".into() }
}

fn called() -> Called {
    Called {
        outcome: call::Outcome::Answered,
        class: Some(Class::Remote),
        response: Some(text()),
        left_out: true,
        first_token: Some(Duration::from_millis(1_250)),
        total: Duration::from_micros(3_000_001),
        ..Called::lost(&reserved())
    }
}

fn all() -> Vec<Event> {
    let health = Health {
        provider: "ollama".into(),
        kind: provider::Kind::OpenAiCompatible,
        class: Class::Embedded,
        model: "m".into(),
        window_tokens: 8_192,
        healthy: false,
        why_not: "MODEL_UNREACHABLE".into(),
        base_url: "http://127.0.0.1:1".into(),
    };
    vec![
        Event::CycleStarted(Box::new(started())),
        Event::PreflightDecided(Decided {
            cycle: CycleId::from_number(1),
            task: TaskId::from_number(2),
            outcome: preflight::Outcome::Hold,
            findings: vec![Finding {
                rule: "network".into(),
                place: "instruction".into(),
                outcome: preflight::Outcome::Hold,
            }],
            subject_hash: [9; 32],
            rules_hash: "ab".into(),
            given: Some(text()),
        }),
        Event::BudgetReserved(Box::new(reserved())),
        Event::ModelCalled(Box::new(called())),
        Event::ReservationReleased {
            reservation: ReservationId::from_number(1),
            why: NotCalled::LeaseEnded,
        },
        Event::ActionPerformed(Box::new(performed())),
        Event::CycleEnded(Box::new(ended())),
        Event::CritiqueMade(critique()),
        Event::CritiqueFailed(Missing {
            submission: SubmissionId::from_number(1),
            task: TaskId::from_number(2),
            cycle: CycleId::from_number(3),
            reason: "CRITIQUE_INVALID".into(),
            cost: MicroUsd::new(3),
            retryable: true,
        }),
        Event::ProviderHealthChanged { health, any_usable: true },
        Event::KeySet { provider: "groq".into(), masked: "gsk_…1234".into() },
        Event::KeyCleared { provider: "groq".into() },
        Event::BudgetLimitSet {
            limited: Limited::ResidentDay,
            amount: MicroUsd::new(1),
            previous: MicroUsd::new(2),
            reason: text(),
        },
        Event::ProviderConsented {
            provider: "ollama".into(),
            consent: Consent { given: true, may_judge: true },
        },
        Event::HaltObeyed(Obeyed {
            control_epoch: 3,
            source: HaltSource::File,
            stopped: vec![(CycleId::from_number(1), LeaseId::from_number(2))],
            calls_cancelled: 1,
            processes_ended: 2,
            took: Duration::from_millis(20),
        }),
        Event::CommandStarted(Box::new(command::Begun {
            cycle: CycleId::from_number(1),
            number: 2,
            program: "wc".into(),
            sha256: "ab".into(),
            argv: text(),
            folder: "/library".into(),
            run_limit: Duration::from_secs(30),
            resident: Some(Id::from_number(4)),
            day: 3,
        })),
        Event::CommandEnded(Box::new(command::Over {
            cycle: CycleId::from_number(1),
            number: 2,
            end: command::End::Signalled,
            code: 9,
            wall: Duration::from_millis(14),
            cpu: Duration::from_millis(2),
            output: Some(text()),
        })),
        Event::FactIgnored(note()),
        Event::FactParked(note()),
        Event::SegmentClosed(Box::new(SegmentNote {
            first: 1,
            last: 20,
            first_hash: Hash([1; 32]),
            last_hash: Hash([2; 32]),
            file: "1-20.jsonl.zst".into(),
            file_hash: Hash([3; 32]),
            bytes: 4_096,
        })),
    ]
}

fn started() -> Started {
    Started {
        cycle: CycleId::from_number(1),
        lease: LeaseId::from_number(2),
        fencing_token: 3,
        control_epoch: 4,
        instance: InstanceId::from_number(5),
        kind: Kind::FreeTime,
        task: Some(TaskId::from_number(6)),
        attempt: Some(Id::from_number(7)),
        attempt_number: 8,
        resident: Some(Id::from_number(9)),
        submission: Some(SubmissionId::from_number(10)),
        provider: "groq".into(),
        class: Some(Class::Embedded),
        model: "m".into(),
        fragments: vec![Fragment {
            section: "task".into(),
            source: "queue:1".into(),
            label: Label::Own,
            slot: Slot::Persona,
            text: text(),
            size_tokens: 5,
            cut: true,
            quarantined: true,
        }],
        briefing_hash: "cd".into(),
        mode: "docs_only".into(),
        given: Some(text()),
    }
}

fn performed() -> Performed {
    Performed {
        cycle: CycleId::from_number(1),
        step: 2,
        index: 3,
        action: "list".into(),
        target: "x".into(),
        arguments_hash: "ef".into(),
        action_id: "a1".into(),
        status: ReceiptStatus::Pending,
        reason: "R".into(),
        result: Some(text()),
        price: Tokens::new(10),
        balance: Some(Tokens::new(0)),
        place: Some(Place { ledger: "society".into(), sequence: 4 }),
    }
}

fn ended() -> Ended {
    Ended {
        cycle: CycleId::from_number(1),
        end: End::FinishedByLimit,
        failure_class: "invalid_output".into(),
        reason: "R".into(),
        steps: 2,
        actions: 3,
        documents: vec![Staged {
            document: DocumentId::from_number(1),
            path: "a.md".into(),
            digest: [1; 32],
        }],
        usage: Usage { input_tokens: 1, output_tokens: 2, calls: 3, estimated: true },
        cost: MicroUsd::new(4),
        summary: Some(text()),
        task: None,
        resident: None,
    }
}

fn critique() -> Critique {
    Critique {
        submission: SubmissionId::from_number(1),
        task: TaskId::from_number(2),
        cycle: CycleId::from_number(3),
        model: "m".into(),
        provider: "groq".into(),
        class: Class::Remote,
        may_judge: true,
        scores: Scores {
            answers_request: 0,
            correct: 1,
            complete: 2,
            clear: 3,
            fits_constraints: 4,
        },
        issues: vec![text()],
        suggestions: vec![text(), text()],
        cost: MicroUsd::new(5),
        payload_hash: "ab".into(),
    }
}

#[test]
fn every_event_reads_back_from_its_stored_json() {
    for event in all() {
        let json = serde_json::to_string(&Wire::from(event.clone())).expect("it serialises");
        let wire: Wire = serde_json::from_str(&json).expect("it parses");
        assert_eq!(Event::try_from(wire), Ok(event.clone()), "{json}");
        let kind = json.split('"').nth(1).expect("an event has a name");
        let snake: String = kind
            .chars()
            .flat_map(
                |c| if c.is_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] },
            )
            .collect();
        assert_eq!(snake, event.kind());
    }
}

#[test]
fn a_stored_event_without_its_parts_is_refused_by_name() {
    assert_eq!(Event::try_from(Wire::default()), Err(NotAnEvent("kind")));
    let empty = Wire { event: Some(Body::CycleEnded(pb::CycleEnded::default())) };
    assert_eq!(Event::try_from(empty), Err(NotAnEvent("cycle")));
}
