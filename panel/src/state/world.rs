//! The world's controls, its calendar, its runners, the health of its services.

use std::time::Duration;

use vivarium_types::Timestamp;

use super::safety::Mode;
use super::tone::Tone;

/// How fast cycles start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At least this many seconds between two starts.
    Wait(u32),
    /// None starts.
    Paused,
    /// This many starts are bought.
    Step(u32),
}

impl Default for Pace {
    fn default() -> Self {
        Self::Wait(2)
    }
}

impl Pace {
    /// In a few words.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Wait(0) => "full speed".to_owned(),
            Self::Wait(2) => "normal pace".to_owned(),
            Self::Wait(seconds) => format!("a start every {seconds} s"),
            Self::Paused => "paused".to_owned(),
            Self::Step(0) => "step by step".to_owned(),
            Self::Step(left) => format!("step by step, {left} left"),
        }
    }
}

/// A halt in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Halt {
    /// Who.
    pub(crate) actor: String,
    /// Why.
    pub(crate) reason: String,
    /// When.
    pub(crate) time: Timestamp,
}

/// What one runner stopped at a halt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunnerReceipt {
    /// The runner.
    pub(crate) name: String,
    /// When everything had stopped. None: it has not said so.
    pub(crate) stopped: Option<Timestamp>,
    /// Model calls it cancelled.
    pub(crate) calls: u32,
}

/// The controls, the calendar, the runners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct World {
    /// The halt in force.
    pub(crate) halt: Option<Halt>,
    /// How fast cycles start.
    pub(crate) pace: Pace,
    /// What residents may do.
    pub(crate) mode: Mode,
    /// How long a day lasts.
    pub(crate) day_length: Duration,
    /// Whether Sunday is rest.
    pub(crate) rest_day_on: bool,
    /// From 1; 0 before the first day.
    pub(crate) day: u64,
    /// From 1.
    pub(crate) week: u64,
    /// 1 to 7.
    pub(crate) weekday: u32,
    /// Whether today is rest.
    pub(crate) rest_day: bool,
    /// Since the day began.
    pub(crate) into_day: Duration,
    /// Whether world time moves.
    pub(crate) moving: bool,
    /// Runners: cycles they run, cycles they could run.
    pub(crate) busy: u32,
    /// See `busy`.
    pub(crate) slots: u32,
    /// How many runner processes are connected.
    pub(crate) runners: usize,
}

impl World {
    /// How much of the day has passed, in thousandths.
    pub(crate) fn day_permille(&self) -> u32 {
        let length = self.day_length.as_millis().max(1);
        u32::try_from((self.into_day.as_millis() * 1_000 / length).min(1_000)).unwrap_or(1_000)
    }

    /// In two words, for the corner of the page.
    pub(crate) fn status(&self) -> (&'static str, Tone) {
        match (&self.halt, self.pace) {
            (Some(_), _) => ("Halted", Tone::Bad),
            (None, Pace::Paused) => ("Paused", Tone::You),
            (None, _) if self.runners == 0 => ("No runner", Tone::You),
            (None, Pace::Step(_)) => ("Stepping", Tone::Busy),
            (None, Pace::Wait(_)) if self.busy > 0 => ("Working", Tone::Busy),
            (None, Pace::Wait(_)) => ("At rest", Tone::Good),
        }
    }
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// It answers.
    Up,
    /// It is starting or ending.
    Starting,
    /// It does not answer.
    Down,
}

impl Service {
    /// What is said of it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Starting => "starting",
            Self::Down => "does not answer",
        }
    }

    /// What its colour means.
    pub(crate) const fn tone(self) -> Tone {
        match self {
            Self::Up => Tone::Good,
            Self::Starting => Tone::Waiting,
            Self::Down => Tone::Bad,
        }
    }
}

/// A service and since when it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    /// Its name.
    pub(crate) service: String,
    /// How it is.
    pub(crate) state: Service,
    /// Since when.
    pub(crate) since: Timestamp,
}

/// Takes news of one service into what is known of all.
pub(crate) fn learn(known: &mut Vec<Health>, news: Health) {
    match known.iter_mut().find(|old| old.service == news.service) {
        Some(old) => *old = news,
        None => known.push(news),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_outweighs_every_pace() {
        let mut world = World { runners: 1, busy: 1, ..World::default() };
        assert_eq!(world.status().0, "Working");
        world.pace = Pace::Paused;
        assert_eq!(world.status().0, "Paused");
        world.halt = Some(Halt::default());
        assert_eq!(world.status().0, "Halted");
    }

    #[test]
    fn a_day_never_passes_its_end() {
        let day = |seconds| World {
            day_length: Duration::from_mins(30),
            into_day: Duration::from_secs(seconds),
            ..World::default()
        };
        assert_eq!(day(450).day_permille(), 250);
        assert_eq!(day(9_000).day_permille(), 1_000);
        assert_eq!(World::default().day_permille(), 0);
    }

    #[test]
    fn news_of_a_service_replaces_what_was_known() {
        let news = |state| Health { service: "queue".into(), state, since: Timestamp::EPOCH };
        let mut known = Vec::new();
        learn(&mut known, news(Service::Up));
        learn(&mut known, news(Service::Down));
        assert_eq!(known, [news(Service::Down)]);
    }
}
