//! Random histories: whatever happened, a snapshot and the rows behind it give the state that every
//! row from the first gives, and a restart gives the state that was left.

use std::cell::Cell;
use std::time::Duration;

use crate::counter::{Command, Counters};
use crate::world::{World, close, operator};
use futures::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use vivarium_ledger::ledger::Running;
use vivarium_ledger::snapshot::replay;
use vivarium_ledger::{Error, Ledger, Options, Submission};
use vivarium_types::Clock as _;

/// What happens to a ledger, in order.
#[derive(Debug, Clone)]
enum Step {
    /// Commands at once.
    Together(Vec<Asked>),
    Restart,
    /// Seconds pass.
    Wait(u8),
}

/// What is asked for; some of it is refused.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Add { name: u8, by: i8 },
    Once(u8),
    RingIn(u8),
    Mint,
}

#[derive(Debug, Clone)]
struct History {
    snapshot_every: u64,
    turn_jobs: usize,
    steps: Vec<Step>,
    /// Up to which part of the log the past is asked for.
    until_permille: u64,
}

impl Asked {
    fn command(self, world: &World) -> Command {
        match self {
            Self::Add { name, by } => Command::Add { name: format!("n{name}"), by: by.into() },
            Self::Once(key) => Command::Once { key: format!("key:{key}") },
            Self::RingIn(seconds) => {
                Command::RingAt { due: world.clock.now() + Duration::from_secs(seconds.into()) }
            }
            Self::Mint => Command::Mint,
        }
    }
}

fn histories() -> impl Strategy<Value = History> {
    let asked = prop_oneof![
        4 => (0..4_u8, -2..100_i8).prop_map(|(name, by)| Asked::Add { name, by }),
        1 => (0..20_u8).prop_map(Asked::Once),
        1 => (0..10_u8).prop_map(Asked::RingIn),
        1 => Just(Asked::Mint),
    ];
    let step = prop_oneof![
        6 => vec(asked, 1..24).prop_map(Step::Together),
        1 => Just(Step::Restart),
        1 => (0..8_u8).prop_map(Step::Wait),
    ];
    (1..20_u64, 1..32_usize, vec(step, 4..24), 0..=1_000_u64).prop_map(
        |(snapshot_every, turn_jobs, steps, until_permille)| History {
            snapshot_every,
            turn_jobs,
            steps,
            until_permille,
        },
    )
}

async fn state(ledger: &Ledger<Counters>) -> Counters {
    ledger.ask(Clone::clone).await.expect("the ledger is open")
}

/// Lets a history happen; hands back the state at its end and the last row.
async fn happen(world: &mut World, history: &History) -> Result<(Counters, u64), TestCaseError> {
    let options = || Options {
        snapshot_every: history.snapshot_every,
        turn_jobs: history.turn_jobs,
        ..Options::default()
    };
    let (mut ledger, mut running): (_, Running) = world.open_with(options());
    for step in &history.steps {
        match step {
            Step::Together(asked) => {
                let calls = asked
                    .iter()
                    .map(|asked| ledger.submit(Submission::new(operator(), asked.command(world))));
                for answer in join_all(calls).await {
                    let fits = matches!(answer, Ok(_) | Err(Error::Refused(_)));
                    prop_assert!(fits, "{answer:?}");
                }
            }
            Step::Restart => {
                let left = state(&ledger).await;
                close(ledger, running);
                (ledger, running) = world.open_with(options());
                prop_assert_eq!(state(&ledger).await, left);
            }
            Step::Wait(seconds) => world.clock.advance(Duration::from_secs((*seconds).into())),
        }
    }
    let (live, head) = (state(&ledger).await, ledger.committed());
    close(ledger, running);
    Ok((live, head))
}

/// One history. Whether a snapshot had a part in the comparison.
fn compare(mut world: World, history: &History) -> Result<bool, TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    let (live, head) = runtime.block_on(happen(&mut world, history))?;
    let (snapshots, reader) = (world.snapshots(), world.reader());
    let until = head * history.until_permille / 1_000;
    for until in [u64::MAX, until] {
        let whole = replay::<Counters>(&*reader, None, until).expect("it replays");
        let tail = replay::<Counters>(&*reader, Some(&*snapshots), until).expect("it replays");
        prop_assert_eq!((tail.sequence, tail.hash), (whole.sequence, whole.hash));
        prop_assert_eq!(&tail.state, &whole.state);
        if until == u64::MAX {
            prop_assert_eq!(whole.sequence, head);
            prop_assert_eq!(&whole.state, &live);
        }
    }
    Ok(snapshots.latest(head).expect("they can be listed").is_some_and(|(at, _)| at < head))
}

fn check(cases: u32, world: impl Fn() -> World) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let with_snapshot = Cell::new(0);
    let case = |history: History| -> TestCaseResult {
        with_snapshot.set(with_snapshot.get() + u32::from(compare(world(), &history)?));
        Ok(())
    };
    let failed = TestRunner::new(config).run(&histories(), case).err();
    assert!(failed.is_none(), "{}", failed.expect("it is some"));
    let with_snapshot = with_snapshot.get();
    assert!(
        with_snapshot * 16 > cases,
        "only {with_snapshot} of {cases} had a snapshot and a tail"
    );
}

#[test]
fn snapshot_and_tail_equal_a_full_replay_of_any_history() {
    check(96, World::memory);
}

#[test]
fn snapshot_and_tail_equal_a_full_replay_of_any_history_in_a_file() {
    check(24, World::sqlite);
}

#[test]
fn snapshot_and_tail_equal_a_full_replay_of_any_history_on_a_server() {
    check(8, World::postgres);
}
