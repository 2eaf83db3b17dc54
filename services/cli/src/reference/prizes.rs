//! The reference's bounties: those that are still offered, and those that are over.

use std::collections::BTreeSet;

use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::{HistoryKind, HistoryOutcome};
use vivarium_types::Timestamp;

use super::entries::{self, Entry};
use super::files::Files;
use super::past::{Said, Told, tell};
use super::report::{Place, Report};
use super::{bounded, key};

/// What the reward is where none is told, and the most that it may be.
const REWARD_DEFAULT: i64 = 50;
const REWARD_MAX: i64 = 5_000;
/// Most teams, and most slots.
const PLACES_MAX: i64 = 16;
/// Characters of a description.
const DESCRIPTION: (usize, usize) = (20, 4_000);

/// A bounty that is still offered.
#[derive(Debug)]
pub(crate) struct Prize {
    /// Where it stands.
    pub(crate) place: Place,
    /// Its id over there.
    pub(crate) id: String,
    /// What is offered.
    pub(crate) bounty: pb::ImportedBounty,
    /// When it was opened.
    pub(crate) time: Option<Timestamp>,
}

/// All bounties, each once: those that are offered, and those that are over.
pub(crate) fn bounties(
    files: &Files,
    offset: &str,
    report: &mut Report,
) -> (Vec<Prize>, Vec<Told>) {
    let Some(file) = files.single("bounties.json", report) else {
        return (Vec::new(), Vec::new());
    };
    let entries = entries::list(&file, "bounties", report).unwrap_or_default();
    sorted(entries, offset, report)
}

fn sorted(entries: Vec<Entry>, offset: &str, report: &mut Report) -> (Vec<Prize>, Vec<Told>) {
    let mut seen = BTreeSet::new();
    let (mut open, mut over) = (Vec::new(), Vec::new());
    for entry in entries {
        let Some(id) = entry.text(&["id"]) else {
            report.left(&entry.place, "it has no id");
            continue;
        };
        if !seen.insert(id.clone()) {
            report.left(&entry.place, format!("an earlier bounty has the id {id}"));
            continue;
        }
        let status = entry.text(&["status"]).unwrap_or_else(|| "open".to_owned()).to_lowercase();
        match status.as_str() {
            "open" => open.extend(prize(&entry, id, offset, report)),
            "claimed" => {
                let prize = prize(&entry, id, offset, report);
                if prize.is_some() {
                    report.changed(&entry.place, "its claims are dropped: it is open again");
                }
                open.extend(prize);
            }
            "completed" => over.extend(past(&entry, &id, (status, true), offset, report)),
            _ => over.extend(past(&entry, &id, (status, false), offset, report)),
        }
    }
    (open, over)
}

fn prize(entry: &Entry, id: String, offset: &str, report: &mut Report) -> Option<Prize> {
    let place = entry.place.clone();
    let title = entry.text(&["title"]).unwrap_or_default();
    let Some(title) = bounded(report, &place, "title", &title, (3, 120)) else {
        report.left(&place, "it has no title of 3 characters or more");
        return None;
    };
    let told = entry.text(&["description"]).unwrap_or_default();
    let short = told.chars().count() < DESCRIPTION.0;
    let told = if short { format!("{title}. {told}") } else { told };
    let Some(description) = bounded(report, &place, "description", &told, DESCRIPTION) else {
        report.left(&place, "title and description together have less than 20 characters");
        return None;
    };
    if short {
        report.changed(&place, "its short description begins with its title");
    }
    let bounty = pb::ImportedBounty {
        // An origin is printable and short, whatever the id over there is.
        origin_id: key("bounties", &id).replacen("bounties:", "", 1),
        title,
        description,
        reward_tokens: reward(entry, report),
        runner_up_tokens: None,
        mode: mode(entry, report).into(),
        max_teams: places(entry, "max_teams", report),
        slots: places(entry, "slots", report),
        slot_policy: policy(entry, report),
    };
    Some(Prize { place, id, bounty, time: entry.moment(&["created_at", "timestamp"], offset) })
}

fn reward(entry: &Entry, report: &mut Report) -> i64 {
    let Some(given) = entry.whole("reward") else {
        report.changed(&entry.place, format!("without a reward it has one of {REWARD_DEFAULT}"));
        return REWARD_DEFAULT;
    };
    let kept = given.clamp(1, REWARD_MAX);
    if kept != given {
        report.changed(&entry.place, format!("its reward is brought into 1 to {REWARD_MAX}"));
    }
    kept
}

fn mode(entry: &Entry, report: &mut Report) -> pb::BountyMode {
    match entry.text(&["game_mode"]).as_deref().map(str::to_lowercase).as_deref() {
        None | Some("hybrid") => pb::BountyMode::Hybrid,
        Some("pvp") => pb::BountyMode::Pvp,
        Some("coop") => pb::BountyMode::Coop,
        Some(other) => {
            report.changed(&entry.place, format!("its mode {other} is not known: it is hybrid"));
            pb::BountyMode::Hybrid
        }
    }
}

/// A count of teams or slots; 0 where the rules decide.
fn places(entry: &Entry, field: &str, report: &mut Report) -> u32 {
    let Some(given) = entry.whole(field) else { return 0 };
    let kept = given.clamp(1, PLACES_MAX);
    if kept != given {
        report.changed(&entry.place, format!("its {field} is brought into 1 to {PLACES_MAX}"));
    }
    u32::try_from(kept).unwrap_or(0)
}

/// What a submission is worth by its place. Nothing where nothing is told.
fn policy(entry: &Entry, report: &mut Report) -> Option<pb::SlotPolicy> {
    entry.field("slot_policy")?;
    let told = entry.within("slot_policy");
    let mut permille = |names: &[&str], (min, max): (i64, i64)| {
        // A ratio is written with a point, as dollars are: a thousandth of it is 1,000 millionths.
        let given = names.iter().find_map(|name| told.micro_usd(name))? / 1_000;
        let kept = given.clamp(min, max);
        if kept != given {
            let field = names.first().copied().unwrap_or_default();
            report.changed(&entry.place, format!("its slot_policy.{field} is brought into bounds"));
        }
        u32::try_from(kept).ok()
    };
    Some(pb::SlotPolicy {
        in_slot_permille: permille(&["in_slot", "in_slot_multiplier"], (100, 2_000)).unwrap_or(0),
        overflow_decay_permille: permille(&["overflow_decay"], (100, 950)).unwrap_or(0),
        min_permille: permille(&["min", "min_multiplier"], (0, 1_000)),
    })
}

fn past(
    entry: &Entry,
    id: &str,
    (status, done): (String, bool),
    offset: &str,
    report: &mut Report,
) -> Option<Told> {
    let outcome = if done { HistoryOutcome::Done } else { HistoryOutcome::Unspecified };
    let mut text: Vec<String> = entry.text(&["description"]).into_iter().collect();
    text.extend(entry.whole("reward").map(|reward| format!("reward {reward}")));
    text.extend(entry.text(&["claimed_by"]).map(|by| format!("by {by}")));
    let title = entry.text(&["title"]).unwrap_or_else(|| id.to_owned());
    let said = Said { title, text: text.join("\n"), status };
    let kinds = (key("history/bounties", id), HistoryKind::Bounty, outcome);
    let told = tell(kinds, id, &said, entry, report)?;
    let time = entry.moment(&["completed_at", "created_at", "timestamp"], offset);
    Some(Told { resident: entry.text(&["claimed_by"]), time, ..told })
}

#[cfg(test)]
mod tests {
    use super::super::files::Text;
    use super::*;

    fn read(bounties: &str) -> (Vec<Prize>, Vec<Told>, Report) {
        let mut report = Report::default();
        let content = format!("[{bounties}]");
        let file = Text { name: "bounties.json".into(), stem: "bounties".into(), content };
        let entries = entries::list(&file, "bounties", &mut report).expect("a list");
        let (open, over) = sorted(entries, "Z", &mut report);
        (open, over, report)
    }

    #[test]
    fn what_is_offered_is_brought_into_bounds_with_a_word_on_each_change() {
        let (open, _, report) = read(
            r#"{"id": "b", "title": "A small prize", "description": "Mend it.", "reward": 9000,
                "game_mode": "Duel", "max_teams": 0, "slots": 99, "status": "claimed",
                "slot_policy": {"in_slot": 1.25, "overflow_decay": 0.99, "min": 0}}"#,
        );
        let bounty = &open.first().expect("it is offered").bounty;
        assert_eq!(bounty.reward_tokens, 5_000);
        assert_eq!(
            (bounty.mode(), bounty.max_teams, bounty.slots),
            (pb::BountyMode::Hybrid, 1, 16)
        );
        let policy = bounty.slot_policy.expect("it is told");
        let told = (policy.in_slot_permille, policy.overflow_decay_permille, policy.min_permille);
        assert_eq!(told, (1_250, 950, Some(0)));
        assert_eq!(bounty.description, "A small prize. Mend it.", "too short without its title");
        assert_eq!(report.changes().len(), 7, "{:?}", report.changes());
    }

    #[test]
    fn what_is_over_is_history_and_what_is_faulty_is_left() {
        let (open, over, report) = read(concat!(
            r#"{"id": "a", "title": "Done", "status": "completed", "claimed_by": "ada"},"#,
            r#"{"id": "b", "title": "Gone", "status": "withdrawn"},"#,
            r#"{"id": "a", "title": "Twice"}, {"title": "No id"}, {"id": "c", "title": ""},"#,
            r#"{"id": "d", "title": "abc", "description": "short"}"#,
        ));
        assert!(open.is_empty());
        let told: Vec<_> = over.iter().map(|one| (one.outcome, one.status.as_str())).collect();
        let (done, nothing) = (HistoryOutcome::Done, HistoryOutcome::Unspecified);
        assert_eq!(told, [(done, "completed"), (nothing, "withdrawn")]);
        assert_eq!(over.first().and_then(|one| one.resident.as_deref()), Some("ada"));
        let why: Vec<_> = report.remains().into_iter().map(|(.., why)| why.to_owned()).collect();
        let wanted = [
            "an earlier bounty has the id a",
            "it has no id",
            "it has no title of 3 characters or more",
            "title and description together have less than 20 characters",
        ];
        assert_eq!(why, wanted);
    }
}
