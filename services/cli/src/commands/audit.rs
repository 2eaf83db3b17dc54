//! `vivarium audit verify`: reads every ledger where it lies, whether or not a service runs.

use std::sync::Arc;

use serde_json::json;
use vivarium_chassis::identity::Name;
use vivarium_chassis::trust::Trust;
use vivarium_chassis::{Refusal, Service};
use vivarium_ledger::audit::{self, Report, Witness};
use vivarium_ledger::chain;
use vivarium_ledger::store::{self, Reader};
use vivarium_types::{Reason, place};

use crate::console::Console;
use crate::failure::{Failure, chain as causes};
use crate::render;

pub(super) fn verify(console: &Console) -> Result<(), Failure> {
    let mut ledgers: Vec<(Service, Arc<dyn Reader>)> = Vec::new();
    let places = console.ledgers()?;
    for (service, place) in &places {
        let reader = store::reader(place).map_err(|error| unreadable(*service, &error))?;
        ledgers.extend(reader.map(|reader| (*service, reader)));
    }
    if ledgers.is_empty() {
        return Err(Failure::refused(
            format!(
                "no ledger lies in {}",
                places.first().map_or_else(String::new, |(_, place)| store::shown(place))
            ),
            "start the world with `vivarium up`, or name another one with --world",
        ));
    }
    let trust = Trust::read(&console.world.trust()).unwrap_or_default();
    let mut broken = 0;
    let mut told = Vec::new();
    for (service, reader) in &ledgers {
        let witnesses =
            witnesses(*service, &ledgers).map_err(|error| unreadable(*service, &error))?;
        let report = walk(*service, &**reader, &witnesses, &trust)
            .map_err(|error| unreadable(*service, &error))?;
        broken += report.findings.len();
        if console.json {
            let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
            told.push(json!({
                "ledger": service.name(), "ledgerId": report.ledger.to_string(), "rows": report.rows,
                "vouchedFrom": report.vouched_from, "segments": report.segments,
                "segmentsAway": report.away, "texts": report.texts,
                "textsErased": report.texts_erased, "textsAway": report.texts_away,
                "checkpoints": witnesses.len(), "findings": findings,
            }));
        } else {
            tell(*service, &report, witnesses.len())?;
        }
    }
    if console.json {
        render::json(&json!({"ledgers": told, "sound": broken == 0}))?;
    }
    match broken {
        0 => Ok(()),
        1 => Err(damaged("1 finding")),
        many => Err(damaged(&format!("{many} findings"))),
    }
}

fn walk(
    service: Service,
    reader: &dyn Reader,
    witnesses: &[Witness],
    trust: &Trust,
) -> Result<Report, store::Error> {
    let name = Name::Service(service);
    let signed = |checkpoint: &vivarium_ledger::Checkpoint| {
        let bytes = chain::checkpoint_bytes(
            checkpoint.ledger,
            checkpoint.sequence,
            checkpoint.hash,
            checkpoint.time,
        );
        trust.verify_checkpoint(&name, &checkpoint.key_id, &bytes, &checkpoint.signature)
    };
    audit::verify(reader, witnesses, &signed, &mut |_| {})
}

/// What the other ledgers remember of this one.
fn witnesses(
    service: Service,
    ledgers: &[(Service, Arc<dyn Reader>)],
) -> Result<Vec<Witness>, store::Error> {
    let mut witnesses = Vec::new();
    for (peer, reader) in ledgers.iter().filter(|(peer, _)| *peer != service) {
        let kept = reader.checkpoints()?.into_iter().filter(|(of, _)| of == service.name());
        witnesses.extend(
            kept.map(|(_, checkpoint)| Witness { peer: peer.name().to_owned(), checkpoint }),
        );
    }
    Ok(witnesses)
}

fn tell(service: Service, report: &Report, witnesses: usize) -> Result<(), Failure> {
    let name = service.name();
    let (rows, texts) = (report.rows, report.texts);
    let state = if report.findings.is_empty() { "sound" } else { "DAMAGED" };
    render::line(&format!(
        "{name:<9} {state}  {rows} rows, {texts} texts ({} erased), {witnesses} checkpoints of peers",
        report.texts_erased
    ))?;
    if report.segments > 0 {
        render::line(&format!("  of them in {} segment files checked", report.segments))?;
    }
    if let (Some(first), Some(last)) = (report.away.first(), report.away.last()) {
        let from = report.vouched_from;
        let which = if first == last { first.clone() } else { format!("{first} to {last}") };
        render::line(&format!(
            "  it vouches from row {from}: of the {} before it the segment files are away ({which})",
            from - 1
        ))?;
    }
    for finding in &report.findings {
        render::line(&format!("  {finding}"))?;
    }
    Ok(())
}

fn damaged(what: &str) -> Failure {
    Failure::refused(
        format!("the record is damaged: {what}"),
        "keep the files as they are and restore from a backup",
    )
}

pub(super) fn unreadable(service: Service, error: &store::Error) -> Failure {
    if let Some(place) = place::Error::within(error) {
        return Refusal::from(place.clone()).into();
    }
    // A full disk is the disk's matter and none of a backup's.
    if let Some(reason) = Reason::of(error).filter(|reason| *reason != Reason::StoreCorrupt) {
        return Refusal::new(reason).into();
    }
    Failure::refused(
        format!("the ledger of {} cannot be read: {}", service.name(), causes(error)),
        "restore it from a backup",
    )
}
