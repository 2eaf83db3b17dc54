//! What time and free hands bring about: days, expiries, readiness, deadlines, grants.
//!
//! Every item found due here causes an event that makes it no longer due; so an idle world falls
//! silent, and [`Queue::wake`] never names a moment at which nothing happens twice.

use std::time::Duration;

use vivarium_ledger::Context;
use vivarium_ledger::planted::{self, Bug};
use vivarium_types::Timestamp;

use super::event::{Day, Event};
use super::lease::{Granted, Purpose};
use super::order::{Choice, Plan};
use super::runner::Left;
use super::task::{Awaits, OnFailure, State};
use super::world::{self, GAP_MAX, Mode, Pace, READ_EVERY};
use super::{Dependency, Queue};

/// World time that may pass unnoted while other events are written.
const NOTE_AFTER_US: i64 = 1_000_000;

impl Queue {
    /// Looks at the clock: world time moves by what has passed, if it moves.
    pub(super) fn read_clock(&mut self, now: Timestamp) {
        if let Some(last) = self.volatile.read_at.filter(|_| self.moving()) {
            let gap = now.since(last).min(GAP_MAX);
            self.volatile.since_note_us += self.world.passing_us(gap);
        }
        self.volatile.read_at = Some(now);
    }

    /// World time now.
    pub fn world_time_us(&self) -> i64 {
        self.world.noted_us.saturating_add(self.volatile.since_note_us)
    }

    /// Whether world time moves: the world runs, somebody is there to work, and there is work.
    pub fn moving(&self) -> bool {
        !self.world.halted()
            && (matches!(self.world.pace, Pace::Wait(_))
                || planted::has(Bug::CalendarWhilePaused) && self.world.pace == Pace::Paused)
            && !self.volatile.connections.is_empty()
            && (self.has_work() || self.has_booked_day())
    }

    /// With `events`, notes how far world time has come: never by itself.
    pub(super) fn noting(&self, mut events: Vec<Event>) -> Vec<Event> {
        if !events.is_empty() && self.volatile.since_note_us >= NOTE_AFTER_US {
            let world_time_us = self.world_time_us();
            events.insert(0, Event::WorldTimeNoted { world_time_us });
        }
        events
    }

    /// What is due now, one kind of thing at a time.
    pub(super) fn due(&self, cx: &Context<'_>) -> Vec<Event> {
        if !self.volatile.started {
            return Vec::new();
        }
        let now = cx.now();
        let kinds: [&dyn Fn() -> Vec<Event>; 8] = [
            &|| self.days(),
            &|| self.firings(cx),
            &|| self.losses(now),
            &|| self.families_moved(now),
            &|| self.releases(now),
            &|| self.starts(now),
            &|| self.deadlines_passed(now),
            &|| self.grants(cx),
        ];
        kinds.iter().map(|kind| kind()).find(|events| !events.is_empty()).unwrap_or_default()
    }

    /// The next moment at which something is due.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        let volatile = &self.volatile;
        let read_at = volatile.read_at.filter(|_| volatile.started)?;
        let leases = volatile.until.values().min().copied();
        let start = self.starts.first().map(|(moment, _)| *moment);
        let deadline = self.deadlines.first().map(|(moment, _)| *moment);
        let missing = volatile.missing.values().min().copied();
        let exits = volatile.exits.values().map(|(_, moment)| *moment).min();
        let later = |moment: &Timestamp| *moment > read_at;
        let waiting = self.critiques.values().filter(|critique| critique.lease.is_none());
        let critique = waiting.map(|critique| critique.start).filter(later).min();
        let pace = self.world.next_start().filter(later).filter(|_| self.can_start());
        let clock = self.moving().then(|| {
            let left = self.world.calendar.day_ends_us() - self.world_time_us();
            read_at + self.world.lasting(left).min(READ_EVERY)
        });
        let firing = self.next_firing();
        let moments = [leases, start, deadline, missing, exits, critique, pace, clock, firing];
        moments.into_iter().flatten().min()
    }

    fn has_work(&self) -> bool {
        !self.leases.is_empty() || !self.ready.is_empty() || !self.critiques.is_empty()
    }

    fn can_start(&self) -> bool {
        let credit = self.volatile.connections.values().any(|connection| connection.credit > 0);
        credit && (!self.ready.is_empty() || !self.critiques.is_empty())
    }

    fn days(&self) -> Vec<Event> {
        let calendar = &self.world.calendar;
        let runs = !self.world.halted()
            && self.world.pace != Pace::Paused
            && !self.volatile.connections.is_empty();
        let due = match calendar.day {
            0 => self.has_work() || self.has_booked_day(),
            _ => self.world_time_us() >= calendar.day_ends_us(),
        };
        if !runs || !due {
            return Vec::new();
        }
        let again = planted::has(Bug::DayTwice) && calendar.day.is_multiple_of(2);
        let day = calendar.day + u64::from(!again || calendar.day == 0);
        let weekday = world::weekday(day);
        vec![Event::DayStarted(Day {
            day,
            week: (day - 1) / world::WEEK_DAYS + 1,
            weekday: u32::try_from(weekday).unwrap_or(0),
            rest_day: calendar.rest_day_on && weekday == world::WEEK_DAYS,
        })]
    }

    /// Leases without a heartbeat, and runners that are gone.
    fn losses(&self, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        for (name, (instance, due)) in &self.volatile.exits {
            if *due <= now {
                events.extend(self.leave(name, *instance, Left::Exited));
                let held = self.leases.values().filter(|lease| lease.granted.runner == *name);
                events.extend(held.flat_map(|lease| self.lose(lease, "the runner exited", now)));
            }
        }
        if !events.is_empty() {
            return events;
        }
        let late = u64::from(planted::has(Bug::LeaseOffByOne));
        let due = now - Duration::from_micros(late);
        for (lease, until) in &self.volatile.until {
            if let Some(lease) = self.leases.get(lease).filter(|_| *until <= due) {
                events.extend(self.lose(lease, "the lease was not renewed in time", now));
            }
        }
        for (name, due) in &self.volatile.missing {
            if let Some(runner) = self.runners.get(name).filter(|_| *due <= now) {
                events.extend(self.leave(name, runner.instance, Left::Disconnected));
            }
        }
        events
    }

    fn leave(
        &self,
        name: &str,
        instance: vivarium_types::ids::InstanceId,
        why: Left,
    ) -> Option<Event> {
        let runner = self.runners.get(name)?;
        let gone = runner.instance == instance;
        gone.then(|| Event::RunnerLeft { runner: name.to_owned(), instance, why })
    }

    /// Split tasks whose children have all ended well, or not.
    fn families_moved(&self, now: Timestamp) -> Vec<Event> {
        let loose = self.loose.iter().filter_map(|id| self.tasks.get(id));
        loose.filter_map(|task| self.follow_children(task, now)).collect()
    }

    /// Blocked tasks that need not wait any more, or must not go on; with all that follows.
    fn releases(&self, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        let mut cancelled = std::collections::BTreeSet::new();
        let mut queue: Vec<_> = self.loose.iter().copied().collect();
        while let Some(id) = queue.pop() {
            let Some(task) = self.tasks.get(&id).filter(|task| task.state == State::Blocked) else {
                continue;
            };
            let broken = |on| cancelled.contains(on) || self.dependency(*on) == Dependency::Broken;
            let on_failure = task.spec().on_failure;
            if on_failure == OnFailure::Cancel && task.added.dependencies.iter().any(broken) {
                let below = self.subtree(task).into_iter();
                let gone: Vec<_> = below.filter(|id| cancelled.insert(*id)).collect();
                queue.extend(gone.iter().flat_map(|id| self.dependents_of(*id)));
                events.extend(self.cancel_all(&gone, None));
            } else if self.all_met(task) {
                let state = self.state_by_facts(task, now);
                events.push(Event::TaskReady { task: id, state });
            }
        }
        events
    }

    fn starts(&self, now: Timestamp) -> Vec<Event> {
        let due = self.starts.iter().take_while(|(moment, _)| *moment <= now);
        due.map(|(_, task)| Event::TaskReady { task: *task, state: State::Ready }).collect()
    }

    fn deadlines_passed(&self, now: Timestamp) -> Vec<Event> {
        let due = self.deadlines.iter().take_while(|(moment, _)| *moment <= now);
        let why = Awaits::Deadline;
        due.map(|(_, task)| Event::TaskAwaitsHuman { task: *task, why }).collect()
    }

    fn grants(&self, cx: &Context<'_>) -> Vec<Event> {
        let allowed = self.world.next_start().is_some_and(|moment| moment <= cx.now());
        if !allowed || !self.can_start() {
            return Vec::new();
        }
        let mut left = match self.world.pace {
            Pace::Wait(0) => u32::MAX,
            Pace::Wait(_) if planted::has(Bug::TwoGrantsInOneTurn) => 2,
            Pace::Wait(_) => 1,
            Pace::Step => self.world.steps_left,
            Pace::Paused => u32::from(planted::has(Bug::GrantWhilePaused)),
        };
        let mut plan = Plan::new(self, cx.now());
        let mut events = Vec::new();
        while left > 0
            && let Some(choice) = plan.choose()
        {
            match choice {
                Choice::Spent(task) => {
                    events.push(Event::TaskAwaitsHuman { task, why: Awaits::Budget });
                }
                Choice::Grant { purpose, task, resident, submission, runner, instance } => {
                    left -= 1;
                    let known = self.tasks.get(&task);
                    let number = known.map_or(0, |task| task.attempt_count + 1);
                    let consent = resident.and_then(|id| self.consent(id, cx.now()));
                    let own = resident.map(|id| self.level_of(id, cx.now()));
                    let works = purpose != Purpose::Critique;
                    // Who criticises reads, and changes nothing.
                    let most = known
                        .filter(|_| works)
                        .map_or(Mode::DocsOnly, |task| task.spec().level_max);
                    events.push(Event::LeaseGranted(Box::new(Granted {
                        lease: cx.mint(),
                        attempt: works.then(|| cx.mint()),
                        attempt_number: if works { number } else { 0 },
                        cycle: cx.mint(),
                        purpose,
                        task,
                        resident,
                        submission,
                        runner,
                        instance,
                        ttl: self.volatile.times.lease_ttl,
                        control_epoch: self.world.control_epoch,
                        day: self.world.calendar.day,
                        level: Mode::in_force(self.world.mode, own, most),
                        after_texts: consent.is_some_and(|consent| consent.after_texts),
                    })));
                }
            }
        }
        events
    }

    /// World time since the present day began.
    pub fn since_day_began(&self) -> Duration {
        let since = self.world_time_us() - self.world.calendar.day_began_us;
        Duration::from_micros(u64::try_from(since).unwrap_or(0))
    }
}
