//! What an event says to a person: one sentence, with the things it names as links.
//!
//! An event that this panel does not know is told by its name. Rows that matter only to machines are
//! [`Weight::Quiet`] and shown on request.

use super::event::Event;
use super::task;
use crate::format;

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Words.
    Words(String),
    /// A task by id.
    Task(String),
    /// A resident by id.
    Resident(String),
    /// A room by name.
    Room(String),
    /// A document by path.
    Document(String),
    /// A name from the machine's side: a model, a rule, a path.
    Code(String),
}

/// How much a person cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Only on request.
    Quiet,
    /// Part of the story.
    Normal,
    /// A turning point.
    Notable,
    /// Something went wrong or somebody is waited for.
    Alarm,
}

/// A sentence and its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// How much a person cares.
    pub(crate) weight: Weight,
    /// The sentence.
    pub(crate) pieces: Vec<Piece>,
}

struct Telling<'a> {
    event: &'a Event,
    pieces: Vec<Piece>,
}

impl Telling<'_> {
    fn words(mut self, words: &str) -> Self {
        self.pieces.push(Piece::Words(words.to_owned()));
        self
    }

    /// Words made of fields; nothing when they are empty.
    fn with(self, before: &str, words: &str) -> Self {
        if words.is_empty() { self } else { self.words(&format!("{before}{words}")) }
    }

    fn code(mut self, text: &str) -> Self {
        if !text.is_empty() {
            self.pieces.push(Piece::Code(text.to_owned()));
        }
        self
    }

    fn task(mut self) -> Self {
        let task = self.event.task();
        self.pieces.push(match task {
            "" => Piece::Words("a task".into()),
            task => Piece::Task(task.to_owned()),
        });
        self
    }

    fn someone(mut self, resident: &str, otherwise: &str) -> Self {
        self.pieces.push(match resident {
            "" => Piece::Words(otherwise.to_owned()),
            "human" => Piece::Words("You".to_owned()),
            "society" => Piece::Words("The town crier".to_owned()),
            resident => Piece::Resident(resident.to_owned()),
        });
        self
    }

    fn who(self, otherwise: &str) -> Self {
        let resident = self.event.resident().to_owned();
        self.someone(&resident, otherwise)
    }

    fn document(mut self, path: &str) -> Self {
        self.pieces.push(Piece::Document(path.to_owned()));
        self
    }

    fn room(mut self, room: &str) -> Self {
        self.pieces.push(Piece::Room(room.to_owned()));
        self
    }

    fn weighs(self, weight: Weight) -> Told {
        Told { weight, pieces: self.pieces }
    }
}

/// Tells an event.
pub(crate) fn tell(event: &Event) -> Told {
    let start = || Telling { event, pieces: Vec::new() };
    let told = match event.ledger.as_str() {
        "queue" => of_tasks(event, start()).or_else(|| of_world(event, start())),
        "executor" => of_cycles(event, start()),
        "society" => of_society(event, start()),
        "review" => of_review(event, start()),
        _ => None,
    };
    told.unwrap_or_else(|| of_anything(event, start()))
}

fn of_anything(event: &Event, tell: Telling<'_>) -> Told {
    match event.kind.as_str() {
        "fact_parked" => tell
            .words("A fact from ")
            .words(event.text("source"))
            .words(" waits for a person: ")
            .code(event.text("reason"))
            .weighs(Weight::Alarm),
        "fact_ignored" => tell
            .words("A fact from ")
            .words(event.text("source"))
            .words(" had no effect: ")
            .code(event.text("reason"))
            .weighs(Weight::Quiet),
        "segment_closed" => tell
            .words("Rows ")
            .code(event.text("firstSequence"))
            .words(" to ")
            .code(event.text("lastSequence"))
            .words(" were put away into the file ")
            .code(event.text("fileName"))
            .weighs(Weight::Quiet),
        kind => tell.words(&format::capital(&format::words(kind))).weighs(Weight::Quiet),
    }
}

fn of_tasks(event: &Event, tell: Telling<'_>) -> Option<Told> {
    use Weight::{Alarm, Normal, Notable, Quiet};
    Some(match event.kind.as_str() {
        "task_added" => tell.task().words(" was added").weighs(Notable),
        "task_proposed" => tell.task().words(" was proposed: admit or refuse it").weighs(Alarm),
        "task_admitted" => tell.task().words(" was admitted").weighs(Notable),
        "task_split" => tell.task().words(" was split into smaller tasks").weighs(Notable),
        "task_ready" => tell.task().words(" can start").weighs(Quiet),
        "lease_granted" => match event.text("purpose") {
            "LEASE_PURPOSE_CRITIQUE" => tell.words("A critic was given ").task().weighs(Quiet),
            _ => tell.who("A tool").words(" took ").task().weighs(Normal),
        },
        "attempt_finished" => tell
            .who("A tool")
            .words(" finished ")
            .task()
            .words(" and put it up for review")
            .weighs(Normal),
        "attempt_declined" => tell.who("A resident").words(" declined ").task().weighs(Normal),
        "attempt_waits" => tell.who("A resident").words(" asks you about ").task().weighs(Alarm),
        "attempt_failed" => {
            let why = event.text("message").to_owned();
            tell.words("An attempt at ")
                .task()
                .words(" came to nothing")
                .with(": ", &why)
                .weighs(Normal)
        }
        "attempt_returned" => {
            let why = format::words(event.text("reason"));
            tell.task().words(" went back to the queue").with(": ", &why).weighs(Normal)
        }
        "attempt_blocked" if !event.part("program").text("id").is_empty() => {
            tell.words("A program waits for your word: ").task().weighs(Alarm)
        }
        "program_decided" => {
            let words = if event.flag("allowed") {
                "A program was allowed for "
            } else {
                "A program was refused for "
            };
            tell.words(words).task().weighs(Notable)
        }
        "resident_level_set" => {
            let level = event.text("level").trim_start_matches("MODE_").to_lowercase();
            tell.who("A resident").words(" may do ").code(&level).weighs(Notable)
        }
        "attempt_blocked" => {
            let verb = if event.flag("held") { " holds " } else { " stopped " };
            tell.words("The rule ").code(event.text("rule")).words(verb).task().weighs(Alarm)
        }
        "attempt_halted" => tell.words("The halt ended an attempt at ").task().weighs(Normal),
        "attempt_revoked" => tell.words("An attempt at ").task().words(" was ended").weighs(Quiet),
        "task_awaits_human" => {
            let why = task::awaits_sentence(event.text("reason"));
            tell.task().with(" needs you: ", &lower(why)).weighs(Alarm)
        }
        "task_approved" => tell.task().words(" is approved").weighs(Notable),
        "task_requeued" => tell.task().words(" goes back with feedback").weighs(Normal),
        "task_failed" => {
            let why = event.text("message").to_owned();
            tell.task().words(" failed").with(": ", &why).weighs(Alarm)
        }
        "task_paused" => tell.task().words(" was set aside").weighs(Normal),
        "task_resumed" => tell.task().words(" was taken up again").weighs(Normal),
        "task_cancelled" => tell.task().words(" was cancelled").weighs(Normal),
        "task_reopened" => tell.task().words(" was opened again").weighs(Normal),
        "task_edited" => tell.task().words(" was edited").weighs(Normal),
        "recurrence_created" => tell.words("A recurrence was created").weighs(Normal),
        "recurrence_fired" => tell.words("A recurrence came due").weighs(Quiet),
        "recurrence_steered" => tell.words("A recurrence was steered").weighs(Normal),
        "critique_queued" => tell.task().words(" waits for a critic").weighs(Quiet),
        "critique_ended" => tell.words("A critique ended").weighs(Quiet),
        _ => return None,
    })
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}", first.to_lowercase(), letters.as_str()))
}

fn of_world(event: &Event, tell: Telling<'_>) -> Option<Told> {
    use Weight::{Normal, Notable, Quiet};
    Some(match event.kind.as_str() {
        "halt_set" => tell.words("The world was halted").weighs(Weight::Alarm),
        "resumed" => tell.words("The world goes on").weighs(Notable),
        "halt_acknowledged" => {
            let calls = u64::try_from(event.number("callsCancelled")).unwrap_or(0);
            let calls = format::counted(calls, "call", "calls");
            tell.code(event.text("runner"))
                .words(&format!(" has stopped, {calls} cancelled"))
                .weighs(Normal)
        }
        "pace_set" => {
            let pace = match event.text("pace") {
                "PACE_KIND_PAUSED" => "The world was paused".to_owned(),
                "PACE_KIND_STEP" => "The world goes step by step".to_owned(),
                _ => format!("A start every {} s at most", event.number("waitSeconds")),
            };
            tell.words(&pace).weighs(Notable)
        }
        "steps_bought" => tell.words("A step was bought").weighs(Normal),
        "mode_set" => tell.words("The mode was set").weighs(Notable),
        "calendar_set" => tell.words("The calendar was set").weighs(Notable),
        "limits_set" => tell.words("The limits of the world were set").weighs(Notable),
        "effect_recorded" => tell.words("An attempt recorded what it did").weighs(Quiet),
        "day_started" => {
            let weekday = u32::try_from(event.number("weekday")).unwrap_or(0);
            let rest = if event.flag("restDay") { ", a day of rest" } else { "" };
            let day =
                format!("Day {} began, a {}{rest}", event.number("day"), format::weekday(weekday));
            tell.words(&day).weighs(Notable)
        }
        "runner_joined" => {
            tell.words("The runner ").code(event.text("runner")).words(" joined").weighs(Normal)
        }
        "runner_left" => {
            tell.words("The runner ").code(event.text("runner")).words(" left").weighs(Normal)
        }
        "world_time_noted" | "resident_noted" | "provider_noted" => {
            tell.words(&format::capital(&format::words(&event.kind))).weighs(Quiet)
        }
        _ => return None,
    })
}

fn of_cycles(event: &Event, tell: Telling<'_>) -> Option<Told> {
    use Weight::{Alarm, Normal, Notable, Quiet};
    Some(match event.kind.as_str() {
        "cycle_started" => {
            let model = event.text("model").to_owned();
            let tell = match event.text("kind") {
                "CYCLE_KIND_CRITIQUE" => tell.words("A critic reads ").task(),
                _ => tell.who("A tool").words(" begins work on ").task(),
            };
            if model.is_empty() { tell } else { tell.words(" with ").code(&model) }.weighs(Normal)
        }
        "preflight_decided" => match event.text("outcome") {
            "PREFLIGHT_OUTCOME_PASS" => {
                tell.task().words(" passed the safety policy").weighs(Quiet)
            }
            _ => tell.words("The safety policy stops ").task().weighs(Alarm),
        },
        "budget_reserved" => {
            let most = format::dollars(event.number("worstCaseMicroUsd"));
            tell.words(&format!("{most} set aside for a call about ")).task().weighs(Quiet)
        }
        "model_called" => of_call(event, tell),
        "reservation_released" => tell.words("Money set aside was let go").weighs(Quiet),
        "action_performed" => {
            let (verb, weight) = match event.text("status") {
                "RECEIPT_STATUS_DONE" => (": ", Quiet),
                "RECEIPT_STATUS_PENDING" => (" waits for a decision: ", Quiet),
                "RECEIPT_STATUS_FAILED" => (" tried in vain: ", Normal),
                _ => (" was refused: ", Normal),
            };
            let name = format::words(event.text("action"));
            tell.who("A tool")
                .words(verb)
                .words(&name)
                .with(" ", event.text("target"))
                .weighs(weight)
        }
        "cycle_ended" => tell.who("A critic").words(" ended a cycle on ").task().weighs(Quiet),
        "critique_made" => tell
            .words("A critic (")
            .code(event.text("model"))
            .words(") judged ")
            .task()
            .weighs(Normal),
        "critique_failed" => tell.words("No critique came about for ").task().weighs(Normal),
        "provider_health_changed" if event.flag("healthy") => {
            tell.code(event.text("provider")).words(" can be used").weighs(Notable)
        }
        "provider_health_changed" => {
            let why = super::model::why_not_sentence(event.text("whyNot"));
            tell.code(event.text("provider")).with(" cannot be used: ", &why).weighs(Notable)
        }
        "key_set" => tell.words("A key was set for ").code(event.text("provider")).weighs(Notable),
        "key_cleared" => {
            tell.words("The key was cleared for ").code(event.text("provider")).weighs(Notable)
        }
        "budget_limit_set" => {
            let limit = format::dollars(event.number("limitMicroUsd"));
            tell.words(&format!("A budget was set to {limit}")).weighs(Notable)
        }
        "provider_consented" => {
            let verb = if event.flag("consent") { " may be used" } else { " may not be used" };
            tell.code(event.text("provider")).words(verb).weighs(Notable)
        }
        "command_started" => {
            tell.code(event.text("programId")).words(" is started in the sandbox").weighs(Normal)
        }
        "command_ended" => tell.words(&of_command(event)).weighs(Normal),
        "halt_obeyed" => tell.words("The executor obeyed the halt").weighs(Notable),
        _ => return None,
    })
}

fn of_command(event: &Event) -> String {
    match event.text("end") {
        "COMMAND_END_EXITED" => format!("A program ended with code {}", event.number("code")),
        "COMMAND_END_SIGNALLED" => {
            format!("A program was ended by signal {}", event.number("code"))
        }
        "COMMAND_END_TIMED_OUT" => "A program's time was up".to_owned(),
        "COMMAND_END_OUTPUT_FULL" => "A program wrote more than it may".to_owned(),
        "COMMAND_END_STOPPED" => "A program was stopped".to_owned(),
        _ => "A program was not run: a layer of the sandbox is missing".to_owned(),
    }
}

fn of_call(event: &Event, tell: Telling<'_>) -> Told {
    let usage = event.part("usage");
    let written = format::number(usage.number("outputTokens"));
    let cost = format::dollars(event.number("costMicroUsd"));
    match event.text("failure") {
        "" => tell
            .code(event.text("model"))
            .words(&format!(" wrote {written} model tokens ({cost}) for "))
            .task()
            .weighs(Weight::Normal),
        failure => {
            let failure = failure.to_owned();
            tell.code(event.text("model"))
                .words(" did not answer: ")
                .code(&failure)
                .weighs(Weight::Normal)
        }
    }
}

fn of_society(event: &Event, tell: Telling<'_>) -> Option<Told> {
    use Weight::{Alarm, Normal, Notable, Quiet};
    Some(match event.kind.as_str() {
        "resident_joined" => tell.who("A resident").words(" joined the world").weighs(Notable),
        "resident_changed" => tell.who("A resident").words(" changed").weighs(Normal),
        "memory_kept" => tell.who("A resident").words(" keeps a memory").weighs(Normal),
        "memory_forgotten" => {
            tell.words("A memory of ").who("a resident").words(" was erased").weighs(Notable)
        }
        "tokens_moved" => of_tokens(event, tell),
        "room_opened" => tell.words("A room was opened: ").room(event.text("room")).weighs(Normal),
        "message_posted" => {
            let author = event.text("author").to_owned();
            tell.someone(&author, "Somebody")
                .words(" wrote in ")
                .room(event.text("room"))
                .weighs(Normal)
        }
        "bounty_opened" => {
            let escrow = format::number(event.number("escrowTokens"));
            tell.words(&format!("A bounty was opened, {escrow} tokens held for it")).weighs(Notable)
        }
        "bounty_cancelled" => {
            tell.words("A bounty was taken back and its tokens returned").weighs(Notable)
        }
        "history_kept" => tell.words("History of another world was kept").weighs(Quiet),
        "item_imported" => tell.words("Taken over from another world").weighs(Quiet),
        "message_hidden" => {
            tell.words("A message was hidden in ").room(event.text("room")).weighs(Notable)
        }
        "conversation_spent" => {
            let other = event.text("otherResidentId").to_owned();
            tell.who("A resident")
                .words(" and ")
                .someone(&other, "another")
                .words(" went on for too long in ")
                .room(event.text("room"))
                .words(" and were stopped until tomorrow")
                .weighs(Notable)
        }
        "letter_sent" if event.flag("fromHuman") => {
            tell.words("You wrote a letter to ").who("a resident").weighs(Normal)
        }
        "letter_sent" => {
            let waits = event.flag("waits");
            let tell = tell.who("A resident").words(" wrote you a letter");
            let tell = if waits { tell.words(" and waits for the answer") } else { tell };
            tell.weighs(if waits { Alarm } else { Notable })
        }
        "journal_written" => tell.who("A resident").words(" wrote in its journal").weighs(Normal),
        "journal_erased" => tell.words("A journal entry was erased").weighs(Notable),
        "document_published" => {
            tell.words("Published: ").document(event.text("path")).weighs(Notable)
        }
        "document_superseded" => {
            tell.words("A newer version stands at ").document(event.text("path")).weighs(Quiet)
        }
        "document_retracted" => {
            tell.words("Taken out of the library: ").document(event.text("path")).weighs(Alarm)
        }
        "collaboration_set" => tell.words("Your standing request changed").weighs(Notable),
        "letter_opened" | "memory_recalled" | "attempt_remembered" | "day_opened"
        | "session_counted" | "briefing_shown" | "work_valued" | "memory_archived" => {
            tell.words(&format::capital(&format::words(&event.kind))).weighs(Quiet)
        }
        _ => return None,
    })
}

fn of_tokens(event: &Event, tell: Telling<'_>) -> Told {
    let entry = event.part("entry");
    let total: i64 = entry.list("transfers").map(|moved| moved.number("amountTokens")).sum();
    let cause = super::resident::cause_words(entry.text("cause"));
    let receiver = entry.list("transfers").find_map(|moved| {
        moved.text("to").split_once(':').filter(|(kind, _)| matches!(*kind, "free" | "journal"))
    });
    let tell = tell.words(&format!("{} tokens, {cause}", format::number(total)));
    let tell = match receiver {
        Some((_, resident)) => tell.words(", to ").someone(resident, ""),
        None => tell,
    };
    let quiet = matches!(entry.text("cause"), "allowance" | "price" | "sunday");
    tell.weighs(if quiet { Weight::Quiet } else { Weight::Normal })
}

fn of_review(event: &Event, tell: Telling<'_>) -> Option<Told> {
    use Weight::{Alarm, Normal, Notable, Quiet};
    Some(match event.kind.as_str() {
        "draft_staged" => {
            tell.who("A resident").words(" staged ").code(event.text("path")).weighs(Normal)
        }
        "submission_opened" => tell.words("A review of ").task().words(" began").weighs(Normal),
        "checks_ended" => {
            let outcome =
                |part: &super::event::Part<'_>| part.text("outcome") != "CHECK_OUTCOME_CLEAN";
            let found = event.list("results").filter(outcome).count();
            let found = match found {
                0 => "found nothing".to_owned(),
                n => format!("found {}", format::counted(n as u64, "thing", "things")),
            };
            tell.words(&format!("The checks {found}")).weighs(Quiet)
        }
        "critique_asked" | "critique_received" => {
            tell.words(&format::capital(&format::words(&event.kind))).weighs(Quiet)
        }
        "human_asked" => tell.words("Review asks you about ").task().weighs(Alarm),
        "verdict_reached" => {
            let value = match event.text("value") {
                "VERDICT_VALUE_REJECT" => " was rejected by ",
                _ => " was accepted by ",
            };
            let decider = match event.text("decider") {
                "DECIDER_CHECKS" => "the checks",
                "DECIDER_CRITIC" => "the critic",
                _ => "you",
            };
            tell.words("The work on ").task().words(value).words(decider).weighs(Notable)
        }
        "submission_withdrawn" => tell.words("A submission was withdrawn").weighs(Quiet),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;

    fn sentence(told: &Told) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Words(text) | Piece::Code(text) => text.clone(),
            Piece::Task(id) | Piece::Resident(id) => format!("<{id}>"),
            Piece::Room(name) | Piece::Document(name) => format!("[{name}]"),
        };
        told.pieces.iter().map(piece).collect()
    }

    #[test]
    fn events_are_told_with_what_they_name() {
        for (ledger, kind, body, expected) in [
            ("queue", "task_added", r#"{"taskId":"tsk_1"}"#, "<tsk_1> was added"),
            (
                "queue",
                "lease_granted",
                r#"{"taskId":"tsk_1","residentId":"res_1","purpose":"LEASE_PURPOSE_TASK"}"#,
                "<res_1> took <tsk_1>",
            ),
            (
                "queue",
                "task_awaits_human",
                r#"{"taskId":"tsk_1","reason":"approval"}"#,
                "<tsk_1> needs you: it waits for your approval",
            ),
            (
                "executor",
                "model_called",
                r#"{"model":"m","owner":{"taskId":"tsk_1"},"usage":{"outputTokens":"1200"}}"#,
                "m wrote 1,200 model tokens ($0) for <tsk_1>",
            ),
            (
                "society",
                "message_posted",
                r#"{"author":"human","room":"town_hall"}"#,
                "You wrote in [town_hall]",
            ),
            (
                "society",
                "tokens_moved",
                r#"{"entry":{"cause":"wage","transfers":[{"from":"mint","to":"free:res_1","amountTokens":"40"}]}}"#,
                "40 tokens, wage, to <res_1>",
            ),
            (
                "review",
                "verdict_reached",
                r#"{"taskId":"tsk_1","value":"VERDICT_VALUE_APPROVE","decider":"DECIDER_HUMAN"}"#,
                "The work on <tsk_1> was accepted by you",
            ),
        ] {
            assert_eq!(sentence(&tell(&event(ledger, 1, kind, body))), expected);
        }
    }

    #[test]
    fn an_event_from_the_future_is_told_by_its_name() {
        let told = tell(&event("society", 1, "guild_founded", r#"{"guildId":"gld_1"}"#));
        assert_eq!((sentence(&told).as_str(), told.weight), ("Guild founded", Weight::Quiet));
        let told = tell(&event("elsewhere", 1, "x", "{}"));
        assert_eq!(told.weight, Weight::Quiet);
    }
}
