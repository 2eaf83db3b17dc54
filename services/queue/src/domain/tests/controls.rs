//! Halt, pace, calendar, mode; runners and their leases.

use super::*;

fn set_halt() -> Command {
    Command::SetHalt { reason: text("why") }
}

#[test]
fn line_28_a_halt_is_a_set_that_only_a_resume_ends() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let held = stand.held(task);
    let before = stand.queue.world.control_epoch;
    stand.run(set_halt());
    assert_eq!(stand.run(set_halt()), []);
    assert_eq!(stand.queue.world.control_epoch, before + 1);
    assert_eq!((stand.state(task), stand.waits(task)), (State::Ready, Some(WaitReason::Halted)));
    assert_eq!(stand.queue.tasks[&task].counted, 0);
    assert_eq!(stand.refused(finish(held, Outcome::Halted, 0)), Rejection::LeaseLost(held.lease));
    stand.advance(SECOND * 100);
    assert_eq!(stand.grants().len(), 1, "nothing is granted");
    let halt = stand.queue.world.halt.clone().expect("it is halted");
    assert_eq!((halt.revoked, halt.runners.len()), (vec![held.lease], 1));
    let ack = |control_epoch| HaltAck {
        control_epoch,
        runner: "executor".into(),
        calls_cancelled: 1,
        processes_ended: 0,
        stopped: Timestamp::EPOCH,
    };
    assert_eq!(stand.run(Command::AcknowledgeHalt(ack(before))), [], "of another halt");
    assert_eq!(stand.run(Command::AcknowledgeHalt(ack(before + 1))).len(), 1);
    assert_eq!(stand.run(Command::AcknowledgeHalt(ack(before + 1))), [], "once");
    stand.turn(|queue| queue.credit("executor", 1, 1));
    stand.run(Command::EndHalt { reason: text("on") });
    assert_eq!(stand.state(task), State::Leased);
    assert_eq!(stand.refused(Command::EndHalt { reason: text("on") }), Rejection::NotHalted);
}

#[test]
fn line_31_while_halted_bookkeeping_goes_on() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.finish(task);
    stand.run(set_halt());
    stand.verdict(task, true, 0);
    assert_eq!(stand.state(task), State::Approved);
    let later = stand.add(Spec { not_before: Some(stand.now + SECOND), ..spec() });
    stand.advance(SECOND);
    assert_eq!(stand.state(later), State::Ready);
}

#[test]
fn line_32_two_starts_lie_the_pace_apart() {
    let mut stand = Stand::new();
    stand.resident(3, &[]);
    stand.run(Command::SetPace { pace: Pace::Wait(7), reason: None });
    for _ in 0..3 {
        stand.add(spec());
    }
    stand.advance(SECOND * 60);
    let times: Vec<_> = stand
        .log
        .iter()
        .filter(|(event, _)| matches!(event, Event::LeaseGranted(_)))
        .map(|(_, meta)| meta.time)
        .take(3)
        .collect();
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) == SECOND * 7), "{times:?}");
}

#[test]
fn line_32_a_paused_world_starts_nothing_and_ends_what_runs() {
    let mut stand = Stand::new();
    let running = stand.add(spec());
    stand.run(Command::SetPace { pace: Pace::Paused, reason: None });
    let waiting = stand.add(spec());
    assert_eq!(stand.waits(waiting), Some(WaitReason::Paused));
    stand.approve(running);
    stand.advance(SECOND * 100);
    assert_eq!(stand.state(waiting), State::Ready);
}

#[test]
fn line_32_each_step_is_one_start_and_two_seconds_of_the_world() {
    let mut stand = Stand::new();
    assert_eq!(stand.refused(Command::Step { count: 1 }), Rejection::NotStep);
    stand.run(Command::SetPace { pace: Pace::Step, reason: None });
    stand.resident(3, &[]);
    for _ in 0..3 {
        stand.add(spec());
    }
    assert_eq!(stand.grants().len(), 0);
    let before = stand.queue.world_time_us();
    stand.run(Command::Step { count: 2 });
    assert_eq!((stand.grants().len(), stand.queue.world.steps_left), (2, 0));
    assert_eq!(stand.queue.world_time_us() - before, 4_000_000);
    stand.advance(SECOND * 60);
    assert_eq!(stand.queue.world_time_us() - before, 4_000_000, "and no other time");
    stand.run(Command::SetPace { pace: Pace::Paused, reason: None });
    stand.run(Command::SetPace { pace: Pace::Step, reason: None });
    let empty = stand.queue.world.steps_left;
    assert_eq!(empty, 0, "steps do not outlive their pace");
}

#[test]
fn line_33_a_day_of_a_busy_world_lasts_its_length_and_tripling_the_wait_triples_it() {
    for (wait, seconds) in [(0, 1_800), (2, 1_800), (6, 5_400)] {
        let mut stand = Stand::new();
        stand.run(Command::SetPace { pace: Pace::Wait(wait), reason: None });
        let task = stand.add(spec());
        assert_eq!(stand.queue.world.calendar.day, 1);
        let held = stand.held(task);
        let began = stand.now;
        while stand.queue.world.calendar.day == 1 {
            stand.advance(SECOND * 10);
            stand.turn(move |queue| drop(queue.beat(InstanceId::from_number(1), &[held])));
        }
        let day = stand.log.iter().rev().find(|(event, _)| matches!(event, Event::DayStarted(_)));
        let lasted = day.expect("there was one").1.time.since(began);
        assert_eq!(lasted.as_secs(), seconds, "wait {wait}");
    }
}

#[test]
fn line_33_world_time_stands_still_while_there_is_nothing_to_do_and_survives_a_replay() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let held = stand.held(task);
    stand.advance(SECOND * 20);
    stand.turn(move |queue| drop(queue.beat(InstanceId::from_number(1), &[held])));
    stand.finish(task);
    let noted = stand.queue.world.noted_us;
    assert_eq!(noted, 20_000_000, "it is noted with the next event");
    stand.advance(SECOND * 1_000);
    assert_eq!(stand.queue.world_time_us(), noted);
    assert_eq!(stand.queue.next_wake(), None, "an idle world sleeps");
}

#[test]
fn line_33_world_time_stands_still_while_the_world_is_halted_or_paused_though_there_is_work() {
    let mut stand = Stand::new();
    stand.add(spec());
    stand.run(set_halt());
    let halted = stand.queue.world_time_us();
    stand.advance(SECOND * 4_000);
    assert_eq!((stand.queue.world_time_us(), stand.queue.world.calendar.day), (halted, 1));
    stand.run(Command::SetPace { pace: Pace::Paused, reason: None });
    stand.run(Command::EndHalt { reason: text("on") });
    stand.advance(SECOND * 4_000);
    assert_eq!((stand.queue.world_time_us(), stand.queue.world.calendar.day), (halted, 1));
    stand.run(Command::SetPace { pace: Pace::Wait(2), reason: None });
    stand.advance(SECOND * 10);
    assert_eq!(stand.queue.world_time_us() - halted, 10_000_000);
}

#[test]
fn line_33_a_long_sleep_of_the_machine_counts_five_seconds() {
    let mut stand = Stand::new();
    stand.add(spec());
    let before = stand.queue.world_time_us();
    stand.now = stand.now + Duration::from_hours(1);
    stand.turn(|_| {});
    assert_eq!(stand.queue.world_time_us() - before, 5_000_000);
}

#[test]
fn line_34_on_sunday_only_what_may_rest_day_runs_and_on_monday_the_rest() {
    let mut stand = Stand::new();
    let short = Command::SetCalendar {
        day_length: Some(SECOND * 60),
        rest_day_on: None,
        reason: text("short"),
    };
    stand.run(short);
    let keeper = stand.add(spec());
    let held = stand.held(keeper);
    let until_day = |stand: &mut Stand, day| {
        while stand.queue.world.calendar.day < day {
            stand.advance(SECOND * 5);
            stand.turn(move |queue| drop(queue.beat(InstanceId::from_number(1), &[held])));
        }
    };
    until_day(&mut stand, 7);
    assert!(stand.queue.world.calendar.rest_day());
    let rests = stand.add(Spec { rest_day_ok: false, ..spec() });
    let works = stand.add(spec());
    assert_eq!(stand.waits(rests), Some(WaitReason::RestDay));
    assert_eq!(stand.state(works), State::Leased);
    stand.approve(works);
    until_day(&mut stand, 8);
    assert_eq!(stand.queue.world.calendar.week(), 2);
    assert_eq!(stand.state(rests), State::Leased);
    let days = stand.log.iter().filter(|(event, _)| matches!(event, Event::DayStarted(_))).count();
    assert_eq!(days, 8, "each day once");
}

#[test]
fn a_new_day_length_counts_from_the_next_day() {
    let mut stand = Stand::new();
    stand.add(spec());
    let command = |rest_day_on| Command::SetCalendar {
        day_length: Some(SECOND * 60),
        rest_day_on,
        reason: text("short"),
    };
    assert_eq!(stand.run(command(Some(false))).len(), 1);
    assert_eq!(stand.run(command(None)), [], "nothing changes");
    assert_eq!(stand.queue.world.calendar.day_length, Duration::from_mins(30));
    assert_eq!(stand.queue.world.calendar.next_day_length, SECOND * 60);
}

#[test]
fn modes_that_are_not_built_are_refused_and_the_others_set() {
    let mut stand = Stand::new();
    let set = |mode| Command::SetMode { mode, reason: text("why") };
    assert_eq!(stand.run(set(world::Mode::DocsOnly)), []);
    for mode in [world::Mode::ProposeChanges, world::Mode::ApplyApproved] {
        assert_eq!(stand.refused(set(mode)), Rejection::ModeUnavailable { mode });
    }
    assert_eq!(stand.run(set(world::Mode::RunSandboxed)).len(), 1);
    assert_eq!(stand.queue.world.mode, world::Mode::RunSandboxed);
}

#[test]
fn rule_3_4_only_the_live_token_of_the_living_instance_ends_a_lease_and_ends_it_once() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let held = stand.held(task);
    let forged = Held { token: held.token + 1, ..held };
    let work = || Outcome::Finished(Work { how: "finished".into(), ..Work::default() });
    assert_eq!(stand.refused(finish(forged, work(), 0)), Rejection::LeaseLost(held.lease));
    let stranger = Command::Finish {
        held,
        instance: InstanceId::from_number(2),
        cost: MicroUsd::ZERO,
        outcome: Box::new(work()),
    };
    assert_eq!(stand.refused(stranger), Rejection::LeaseLost(held.lease));
    stand.run(finish(held, work(), 0));
    assert_eq!(stand.run(finish(held, work(), 0)), [], "a repeat changes nothing");
    let taken = stand.queue.taken(held).copied().expect("it is remembered");
    assert_eq!(taken.submission, stand.queue.tasks[&task].submission);
}

#[test]
fn rule_3_4_a_new_start_keeps_what_it_resumes_and_releases_the_rest_at_once() {
    let mut stand = Stand::new();
    let tasks = stand.add_all(vec![spec(), spec()]);
    let kept = stand.held(tasks[0]);
    stand.run(hello(2, &[kept]));
    assert_eq!(stand.state(tasks[0]), State::Leased);
    assert_eq!(stand.state(tasks[1]), State::Ready);
    stand.turn(|queue| queue.connect("executor", InstanceId::from_number(2), 2));
    let beats = |stand: &mut Stand, instance| {
        let mut renewed = 0;
        stand.turn(|queue| {
            let beats = queue.beat(InstanceId::from_number(instance), &[kept]);
            let lives = |beat: &&super::super::volatile::Beat| {
                matches!(beat, super::super::volatile::Beat::Renewed(..))
            };
            renewed = beats.iter().filter(lives).count();
        });
        renewed
    };
    assert_eq!((beats(&mut stand, 1), beats(&mut stand, 2)), (0, 1));
    let old = stand.refused(hello(1, &[kept]));
    assert_eq!(old, Rejection::RunnerReplaced { runner: "executor".into() });
    let other = Hello {
        runner: "another".into(),
        instance: InstanceId::from_number(9),
        slots: 1,
        resumes: Vec::new(),
        runners_max: 1,
    };
    assert_eq!(stand.refused(Command::Hello(other)), Rejection::RunnersFull { max: 1 });
}

#[test]
fn rule_3_4_an_exit_frees_leases_after_its_grace_unless_a_new_start_resumes_them() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let held = stand.held(task);
    let (first, second) = (InstanceId::from_number(1), InstanceId::from_number(2));
    stand.turn(|queue| queue.exited("executor", first));
    stand.advance(Duration::from_millis(40));
    stand.run(hello(2, &[held]));
    stand.turn(|queue| queue.connect("executor", second, 2));
    stand.advance(SECOND);
    assert_eq!(stand.state(task), State::Leased, "it was resumed in time");
    stand.turn(|queue| queue.exited("executor", first));
    stand.advance(SECOND);
    assert_eq!(stand.state(task), State::Leased, "the late report of an earlier start");
    stand.turn(|queue| queue.exited("executor", second));
    stand.advance(Duration::from_millis(49));
    assert_eq!(stand.state(task), State::Leased);
    stand.advance(Duration::from_millis(1));
    assert_eq!(stand.state(task), State::Ready);
    assert!(stand.queue.runners.is_empty());
}

#[test]
fn a_runner_whose_stream_ended_counts_as_gone_after_a_ttl() {
    let mut stand = Stand::new();
    stand.turn(|queue| queue.disconnect("executor", 99));
    assert!(!stand.queue.volatile.connections.is_empty(), "another stream's end");
    stand.turn(|queue| queue.disconnect("executor", 1));
    stand.advance(SECOND * 29);
    assert_eq!(stand.queue.runners.len(), 1);
    stand.advance(SECOND);
    assert!(stand.queue.runners.is_empty());
    assert_eq!(stand.queue.next_wake(), None);
}

#[test]
fn rule_3_4_a_restart_of_the_queue_gives_every_lease_one_full_ttl() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.advance(SECOND * 29);
    let bytes = postcard::to_stdvec(&stand.queue).expect("a state is bytes");
    stand.queue = postcard::from_bytes(&bytes).expect("and reads back");
    assert_eq!(stand.queue.next_wake(), None, "nothing happens before the start");
    stand.now = stand.now + Duration::from_hours(5);
    stand.turn(|queue| queue.start(Times::default()));
    stand.advance(SECOND * 29);
    assert_eq!(stand.state(task), State::Leased);
    stand.advance(SECOND);
    assert_eq!(stand.state(task), State::Ready);
}
