//! Recurrences: templates that add a task again and again.
//!
//! While the last task of a recurrence is not final, further firings are skipped and counted; firings
//! that were missed, because nothing ran, are one.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Bug};
use vivarium_ledger::{Context, Meta, TextRef};
use vivarium_types::Timestamp;
use vivarium_types::ids::TaskId;

use super::event::Event;
use super::limits::Limit;
use super::task::{Added, Spec, State};
use super::{Queue, Rejection};

/// Recurrences of a world that are not over.
pub const RECURRENCES_MAX: usize = 1_000;
/// Missed firings of one recurrence that are counted one by one; the rest is not.
const MISSED_MAX: u64 = 10_000;

/// When a recurrence fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Five fields in UTC.
    Cron(String),
    /// Every so many days of the world.
    Days(u32),
}

/// A pattern that no cron knows, or that never comes true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotASchedule {
    /// It cannot be read.
    #[error("is no cron pattern of five fields: {0}")]
    Unreadable(String),
    /// It names no moment there will be, such as 30 February.
    #[error("never comes true")]
    Never,
}

/// The next firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// There is none.
    Never,
    /// At this moment.
    At(Timestamp),
    /// When this day of the world has begun.
    Day(u64),
}

/// Where a recurrence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It fires.
    Active,
    /// Set aside.
    Paused,
    /// Over for good.
    Ended,
}

impl Standing {
    /// The word in lists and refusals.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }
}

/// A recurrence as it was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Its key.
    pub key: String,
    /// What each task asks for.
    pub spec: Spec,
    /// The title.
    pub title: TextRef,
    /// The instruction.
    pub instruction: TextRef,
    /// Constraints, preferences, anti-goals and metadata.
    pub intent: Option<TextRef>,
    /// When.
    pub schedule: Schedule,
    /// Who asked.
    pub submitter: String,
    /// The first firing.
    pub next: Next,
}

/// A recurrence that came due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// Its key.
    pub key: String,
    /// The number of the task it adds; 0 when it was skipped.
    pub number: u64,
    /// Firings that this one stands for.
    pub due: u64,
    /// The next firing.
    pub next: Next,
}

/// A recurrence that a person steered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steered {
    /// Its key.
    pub key: String,
    /// Where it stands now.
    pub standing: Standing,
    /// The next firing.
    pub next: Next,
}

/// A recurrence, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// As it was created.
    pub created: Created,
    /// When it was created.
    pub created_time: Timestamp,
    /// Where it stands.
    pub standing: Standing,
    /// The next firing.
    pub next: Next,
    /// Tasks it has added.
    pub fired: u64,
    /// The number of the last of them.
    pub number: u64,
    /// Firings that were skipped or missed.
    pub skipped: u64,
    /// The task it added last.
    pub last: Option<TaskId>,
}

impl Schedule {
    /// The first firing behind `after`, on a day of the world behind `day`.
    pub fn first(&self, after: Timestamp, day: u64) -> Result<Next, NotASchedule> {
        Ok(match self {
            Self::Cron(pattern) => Next::At(Moments::of(pattern)?.behind(after)?),
            Self::Days(_) => Next::Day(day + 1),
        })
    }

    /// How many firings lie from `next` to now, and the first one behind them.
    fn due(&self, next: Next, now: Timestamp, day: u64) -> Option<(u64, Next)> {
        match (self, next) {
            (Self::Cron(pattern), Next::At(first)) if first <= now => {
                let Ok(moments) = Moments::of(pattern) else { return Some((1, Next::Never)) };
                let mut count = 1;
                let mut last = first;
                while count < MISSED_MAX {
                    match moments.behind(last) {
                        Ok(moment) if moment <= now => {
                            last = moment;
                            count += 1;
                        }
                        Ok(moment) => return Some((count, Next::At(moment))),
                        Err(_) => return Some((count, Next::Never)),
                    }
                }
                Some((count, moments.behind(now).map_or(Next::Never, Next::At)))
            }
            (Self::Days(every), Next::Day(first)) if first <= day => {
                let every = u64::from(*every).max(1);
                let missed = (day - first) / every;
                Some((missed + 1, Next::Day(first + (missed + 1) * every)))
            }
            _ => None,
        }
    }
}

/// The moments that a pattern names.
struct Moments(Cron);

impl Moments {
    fn of(pattern: &str) -> Result<Self, NotASchedule> {
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let unreadable =
            |error: croner::errors::CronError| NotASchedule::Unreadable(error.to_string());
        parser.parse(pattern).map(Self).map_err(unreadable)
    }

    /// The first one behind `moment`.
    fn behind(&self, moment: Timestamp) -> Result<Timestamp, NotASchedule> {
        let never = |_| NotASchedule::Never;
        let after = jiff::Timestamp::from_microsecond(moment.as_micros());
        let after = after.map_err(|_| NotASchedule::Never)?.to_zoned(jiff::tz::TimeZone::UTC);
        let found = self.0.find_next_occurrence(&after, false).map_err(never)?;
        Ok(Timestamp::from_micros(found.timestamp().as_microsecond()))
    }
}

impl Queue {
    pub(super) fn create_recurrence(
        &self,
        wanted: Created,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Rejection> {
        if self.recurrences.contains_key(&wanted.key) {
            return Err(Rejection::KeyTaken { key: wanted.key });
        }
        let open = self.recurrences.values().filter(|known| known.standing != Standing::Ended);
        if open.count() >= RECURRENCES_MAX {
            return Err(Rejection::RecurrencesFull { max: RECURRENCES_MAX });
        }
        let submitter = cx.actor().to_string();
        let first = wanted.schedule.first(cx.now(), self.world.calendar.day);
        let next = first.unwrap_or(Next::Never);
        Ok(vec![Event::RecurrenceCreated(Box::new(Created { submitter, next, ..wanted }))])
    }

    pub(super) fn steer_recurrence(
        &self,
        key: &str,
        standing: Standing,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let unknown = || Rejection::RecurrenceNotFound { key: key.to_owned() };
        let known = self.recurrences.get(key).ok_or_else(unknown)?;
        let request = match standing {
            Standing::Active => "resume",
            Standing::Paused => "pause",
            Standing::Ended => "end",
        };
        let fits = match standing {
            Standing::Active => known.standing == Standing::Paused,
            Standing::Paused => known.standing == Standing::Active,
            Standing::Ended => known.standing != Standing::Ended,
        };
        if !fits {
            return Err(Rejection::RecurrenceTransition { standing: known.standing, request });
        }
        let next = match standing {
            // What came due meanwhile was not missed: a person did not want it.
            Standing::Active => {
                let first = known.created.schedule.first(now, self.world.calendar.day);
                first.unwrap_or(Next::Never)
            }
            Standing::Paused => known.next,
            Standing::Ended => Next::Never,
        };
        Ok(vec![Event::RecurrenceSteered(Steered { key: key.to_owned(), standing, next })])
    }

    /// Recurrences that have come due, with the tasks they add.
    pub(super) fn firings(&self, cx: &Context<'_>) -> Vec<Event> {
        let (now, day) = (cx.now(), self.world.calendar.day);
        let mut events = Vec::new();
        let mut open = self.open_count();
        let open_max = self.limit(Limit::OpenTasks, self.volatile.times.open_tasks_max);
        let active = self.recurrences.values().filter(|known| known.standing == Standing::Active);
        for known in active {
            let Some((due, next)) = known.created.schedule.due(known.next, now, day) else {
                continue;
            };
            let busy = known.last.is_some_and(|task| !self.state_of(task).is_final())
                && !planted::has(Bug::TwoOpenInstances);
            let skips = busy || open >= open_max;
            let number = if skips { 0 } else { self.free_number(known) };
            let key = known.created.key.clone();
            events.push(Event::RecurrenceFired(Fired { key, number, due, next }));
            if !skips {
                open += 1;
                events.push(Event::TaskAdded(Box::new(known.instance(number, cx))));
            }
        }
        events
    }

    /// The first number behind the last whose key nobody has used.
    fn free_number(&self, recurrence: &Recurrence) -> u64 {
        let key = &recurrence.created.key;
        let mut numbers = recurrence.number + 1..;
        numbers.find(|number| !self.keys.contains_key(&format!("{key}-{number}"))).unwrap_or(0)
    }

    /// When the next recurrence fires by the clock.
    pub(super) fn next_firing(&self) -> Option<Timestamp> {
        let active = self.recurrences.values().filter(|known| known.standing == Standing::Active);
        let moments = active.filter_map(|known| match known.next {
            Next::At(moment) => Some(moment),
            Next::Never | Next::Day(_) => None,
        });
        moments.min()
    }

    /// Whether something is booked for a later day of the world: then its time moves.
    pub(super) fn has_booked_day(&self) -> bool {
        let days = |known: &Recurrence| matches!(known.next, Next::Day(_));
        self.recurrences.values().any(|known| known.standing == Standing::Active && days(known))
    }

    pub(super) fn apply_to_recurrences(&mut self, event: &Event, meta: &Meta) {
        if let Event::RecurrenceCreated(created) = event {
            let recurrence = Recurrence {
                created: (**created).clone(),
                created_time: meta.time,
                standing: Standing::Active,
                next: created.next,
                fired: 0,
                number: 0,
                skipped: 0,
                last: None,
            };
            self.recurrences.insert(created.key.clone(), recurrence);
        } else if let Event::RecurrenceFired(fired) = event
            && let Some(known) = self.recurrences.get_mut(&fired.key)
        {
            let adds = u64::from(fired.number > 0);
            known.fired += adds;
            known.number = known.number.max(fired.number);
            known.skipped += fired.due.saturating_sub(adds);
            known.next = fired.next;
        } else if let Event::RecurrenceSteered(steered) = event
            && let Some(known) = self.recurrences.get_mut(&steered.key)
        {
            known.standing = steered.standing;
            known.next = steered.next;
        } else if let Event::TaskAdded(added) = event
            && let Some(known) =
                added.recurrence.as_ref().and_then(|key| self.recurrences.get_mut(key))
        {
            known.last = Some(added.task);
        }
    }
}

impl Recurrence {
    /// The task of one firing.
    fn instance(&self, number: u64, cx: &Context<'_>) -> Added {
        let Created { key, spec, title, instruction, intent, submitter, .. } = &self.created;
        let spec = Spec { key: Some(format!("{key}-{number}")), ..spec.clone() };
        Added {
            task: cx.mint(),
            spec,
            title: title.clone(),
            instruction: instruction.clone(),
            intent: intent.clone(),
            dependencies: Vec::new(),
            submitter: submitter.clone(),
            state: State::Ready,
            recurrence: Some(key.clone()),
            parent: None,
        }
    }
}
