//! Templates that add a task again and again.

use super::recurrence::{Created, Next, Schedule, Standing};
use super::*;

fn create(key: &str, schedule: Schedule) -> Command {
    Command::CreateRecurrence(Box::new(Created {
        key: key.into(),
        spec: Spec { key: Some(key.into()), rest_day_ok: false, ..spec() },
        title: text("title"),
        instruction: text("instruction"),
        intent: None,
        schedule,
        submitter: String::new(),
        next: Next::Never,
    }))
}

fn hourly() -> Schedule {
    Schedule::Cron("0 * * * *".into())
}

fn steer(key: &str, standing: Standing) -> Command {
    Command::SteerRecurrence { key: key.into(), standing }
}

fn instances(stand: &Stand) -> Vec<(String, TaskId)> {
    let added = stand.log.iter().filter_map(|(event, _)| {
        let Event::TaskAdded(added) = event else { return None };
        added.recurrence.as_ref()?;
        Some((added.spec.key.clone().expect("it has one"), added.task))
    });
    added.collect()
}

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn rule_3_6_a_firing_adds_the_next_number_with_the_creators_name() {
    let mut stand = Stand::new();
    stand.run(create("report", hourly()));
    assert_eq!(instances(&stand), []);
    stand.advance(HOUR);
    let [(key, task)] = &instances(&stand)[..] else { panic!("one instance") };
    assert_eq!(key, "report-1");
    assert_eq!(stand.queue.tasks[task].added.submitter, "operator:test");
    stand.approve(*task);
    stand.advance(HOUR);
    assert_eq!(instances(&stand)[1].0, "report-2");
}

#[test]
fn line_27_a_recurrence_never_has_two_open_instances_and_counts_what_it_skips() {
    let mut stand = Stand::empty();
    stand.run(create("report", hourly()));
    stand.advance(HOUR * 5);
    assert_eq!(instances(&stand).len(), 1, "the first is open all the time");
    let known = &stand.queue.recurrences["report"];
    assert_eq!((known.fired, known.skipped), (1, 4));
}

#[test]
fn line_27_ten_missed_firings_become_one() {
    let mut stand = Stand::empty();
    stand.run(create("report", hourly()));
    // Nothing runs for ten hours: no wake is kept.
    stand.now = stand.now + HOUR * 10;
    stand.turn(|_| {});
    assert_eq!(instances(&stand).len(), 1);
    let known = &stand.queue.recurrences["report"];
    assert_eq!((known.fired, known.skipped), (1, 9));
    assert!(matches!(known.next, Next::At(next) if next > stand.now));
}

#[test]
fn rule_3_6_every_n_days_of_the_world_it_fires_at_their_beginning_and_the_world_goes_on_for_it() {
    let mut stand = Stand::new();
    stand.run(create("chores", Schedule::Days(3)));
    let mut days = Vec::new();
    while stand.queue.world.calendar.day < 7 {
        stand.advance(SECOND * 10);
        for (_, task) in instances(&stand) {
            if !stand.queue.state_of(task).is_final() {
                days.push((stand.queue.world.calendar.day, stand.waits(task)));
                stand.run(Command::Cancel { task: task.to_string(), reason: None });
            }
        }
    }
    // The seventh is a Sunday, on which a recurrence's task rests.
    assert_eq!(days, [(1, None), (4, None), (7, Some(WaitReason::RestDay))]);
}

#[test]
fn rule_3_6_a_paused_recurrence_does_not_fire_and_misses_nothing_meanwhile() {
    let mut stand = Stand::empty();
    stand.run(create("report", hourly()));
    stand.run(steer("report", Standing::Paused));
    stand.advance(HOUR * 3);
    assert_eq!(instances(&stand), []);
    stand.run(steer("report", Standing::Active));
    assert_eq!(stand.queue.recurrences["report"].skipped, 0);
    stand.advance(HOUR);
    assert_eq!(instances(&stand).len(), 1);
}

#[test]
fn rule_3_6_an_ended_recurrence_stays_ended_and_its_key_stays_used() {
    let mut stand = Stand::empty();
    stand.run(create("report", hourly()));
    stand.run(steer("report", Standing::Ended));
    stand.advance(HOUR * 3);
    assert_eq!(instances(&stand), []);
    for standing in [Standing::Active, Standing::Paused, Standing::Ended] {
        let refused = stand.refused(steer("report", standing));
        assert!(matches!(refused, Rejection::RecurrenceTransition { .. }), "{refused:?}");
    }
    let taken = stand.refused(create("report", hourly()));
    assert_eq!(taken, Rejection::KeyTaken { key: "report".into() });
    let unknown = stand.refused(steer("nobody", Standing::Paused));
    assert_eq!(unknown, Rejection::RecurrenceNotFound { key: "nobody".into() });
}

#[test]
fn rule_3_6_a_number_that_somebody_used_is_passed_over() {
    let mut stand = Stand::empty();
    stand.add(named("report-1", &[]));
    stand.run(create("report", hourly()));
    stand.advance(HOUR);
    assert_eq!(instances(&stand)[0].0, "report-2");
}

#[test]
fn rule_3_6_a_full_world_skips_a_firing() {
    let mut stand = Stand::empty();
    stand.turn(|queue| queue.start(Times { open_tasks_max: 1, ..Times::default() }));
    stand.add(spec());
    stand.run(create("report", hourly()));
    stand.advance(HOUR);
    assert_eq!(instances(&stand), []);
    assert_eq!(stand.queue.recurrences["report"].skipped, 1);
}

#[test]
fn rule_3_6_patterns_are_those_of_cron_and_those_that_never_come_true_are_refused() {
    let monday = Timestamp::from_millis(1_795_996_800_000); // 2026-11-30, a Monday, 00:00 UTC
    let first = |pattern: &str| Schedule::Cron(pattern.into()).first(monday, 0);
    let at = |hours: u64| Ok(Next::At(monday + HOUR * u32::try_from(hours).expect("few")));
    assert_eq!(first("0 9 * * 1-5"), at(9));
    assert_eq!(first("0 9 * * 0"), at(6 * 24 + 9));
    assert_eq!(first("0 9 * * 7"), at(6 * 24 + 9));
    assert_eq!(first("0 0 1 * *"), at(24));
    assert_eq!(first("*/30 8 * * mon"), at(8));
    for pattern in ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@often"] {
        assert!(first(pattern).is_err(), "{pattern:?} is no pattern");
    }
}
