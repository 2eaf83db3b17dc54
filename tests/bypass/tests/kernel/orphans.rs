//! Whatever grows in a run and however it is ended: two seconds later nothing of it is left.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use vivarium_sandbox::request::{End, Request};
use vivarium_sandbox::run::Running;

use crate::ground::{Ground, answer, begin};
use crate::scene::{GONE, marked, token};
use crate::wait::{step, times, until};

/// Trials of each shape of tree and each way to end it.
const TRIALS: usize = 20;
const LANES: usize = 4;
const SHAPES: [&str; 4] = ["bomb", "double", "daemon", "stubborn"];
/// How long a tree may take to grow.
const GROWN: Duration = Duration::from_secs(10);

/// One tree, with a word that all its processes and its helper carry.
struct Tree<'a> {
    ground: &'a Ground,
    request: Request,
    word: String,
    /// The helper under a name with the word in it.
    helper: PathBuf,
    number: usize,
}

impl<'a> Tree<'a> {
    fn plant(ground: &'a Ground, shape: &str, number: usize) -> Self {
        let word = token();
        let helper = ground.folder.path().join(&word);
        std::os::unix::fs::symlink(&ground.helper, &helper).unwrap();
        let mut request = ground.request(&["tree", shape, &word]);
        (request.children, request.limits.wall_ms) = (true, 50_000);
        Self { ground, request, word, helper, number }
    }

    /// Waits until the tree has grown; every other one is ended at some moment before.
    fn grow(&self) {
        if self.number.is_multiple_of(2) {
            let grown =
                || marked("attacker\0tree\0").iter().filter(|id| self.is_mine(**id)).count() > 1;
            assert!(until(GROWN, grown), "{} does not grow", self.word);
        } else {
            step(Duration::from_micros(
                u64::try_from(self.number % 20).unwrap() * 2_300
                    + u64::try_from(self.number / 20).unwrap() % 23 * 100,
            ));
        }
    }

    fn is_mine(&self, id: i32) -> bool {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&self.word)
    }

    fn is_gone(&self) -> bool {
        until(GONE, || marked(&self.word).is_empty())
    }

    /// What is left, in words, after it was given time to go.
    fn left(&self) -> Option<String> {
        if self.is_gone() {
            return None;
        }
        let show = |id: i32| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            format!("{id}: {}", line.chars().take(60).collect::<String>())
        };
        let left: Vec<_> = marked(&self.word).into_iter().map(show).collect();
        for id in marked(&self.word) {
            kill(id);
        }
        (!left.is_empty()).then(|| format!("trial {}: {left:?}", self.number))
    }
}

fn kill(id: i32) {
    let (Ok(()) | Err(_)) = Pid::from_raw(id).map_or(Ok(()), |id| kill_process(id, Signal::KILL));
}

fn kill_child(child: &Child) {
    kill(i32::try_from(child.id()).unwrap());
}

/// All trials of a way to end trees; what each left.
fn trials(way: fn(&Tree<'_>)) -> Vec<String> {
    let each = TRIALS * times();
    let (ground, next, left) = (Ground::make(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(shape) = SHAPES.get(number / each) else { return };
                    let tree = Tree::plant(&ground, shape, number % each);
                    way(&tree);
                    left.lock().unwrap().extend(tree.left().map(|left| format!("{shape} {left}")));
                }
            });
        }
    });
    let left = left.into_inner().unwrap();
    println!("{} trees, {} of them left something", SHAPES.len() * each, left.len());
    left
}

#[test]
fn a_time_out_leaves_nothing() {
    let left = trials(|tree| {
        let mut request = tree.request.clone();
        request.limits.wall_ms = 150;
        let (child, input) = begin(Command::new(&tree.helper).arg("run").env_clear(), &request);
        let outcome = answer(child);
        drop(input);
        assert_eq!(outcome.end, End::TimedOut);
    });
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn a_dropped_stopper_leaves_nothing() {
    let left = trials(|tree| {
        let mut running = Running::start(&tree.helper, &tree.request).unwrap();
        let stopper = running.stopper().unwrap();
        tree.grow();
        drop(stopper);
        assert_eq!(running.wait().end, End::Stopped);
    });
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn a_killed_helper_leaves_nothing() {
    let left = trials(|tree| {
        let (mut child, input) =
            begin(Command::new(&tree.helper).arg("run").env_clear(), &tree.request);
        tree.grow();
        kill_child(&child);
        child.wait().unwrap();
        drop(input);
    });
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn a_killed_asker_leaves_nothing() {
    let left = trials(|tree| {
        let request = serde_json::to_string(&tree.request).unwrap();
        let mut asker = Command::new(&tree.ground.attacker);
        asker.arg("ask").arg(&tree.helper).arg(request).stdin(Stdio::null()).stdout(Stdio::null());
        let mut asker = asker.spawn().unwrap();
        tree.grow();
        kill_child(&asker);
        asker.wait().unwrap();
    });
    assert!(left.is_empty(), "{left:#?}");
}
