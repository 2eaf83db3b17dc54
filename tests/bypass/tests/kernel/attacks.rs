//! Every attack without the sandbox and within it.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use vivarium_bypass::stand::{Entry, LIBRARY_RAN, Proof};
use vivarium_sandbox::request::End;

use crate::ground::{Ground, NOBODY, group, is_root, left_out, library};
use crate::scene::{GONE, Scene};

const ATTACKS_MIN: usize = 120;
const LIVE_MIN: usize = 40;
/// As many attacks at once.
const LANES: usize = 4;
/// It reaches every process of its user, so without a sandbox it is given a user of its own.
const REACHES_ALL: &str = "kill_all";
const LONELY: u32 = 61_234;

/// What only a scratch that root made stops: names without end, and programs loaded from it.
const ROOTS_SCRATCH: [&str; 4] = ["many_names", "load_copy", "load_number", "load_path"];

/// What only a control group stops.
const TOGETHER: &str = "much_memory_together";

/// What a program with children may do: the kernel runs the loader for every program, so the loader may
/// be run, and it runs what may be read where programs lie. Nothing is gained by it but other code in
/// the same sandbox.
const BY_RIGHT: &str = "load_library";

/// The attacks that the attacker knows.
pub(crate) fn list() -> Vec<Entry> {
    let told = Command::new(env!("CARGO_BIN_EXE_attacker")).arg("list").output().unwrap();
    let lines = String::from_utf8(told.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What an attack gained without a sandbox.
pub(crate) fn without(ground: &Ground, attack: &Entry) -> Option<String> {
    let user = if attack.id == REACHES_ALL { LONELY } else { NOBODY };
    let mut scene = Scene::make(ground, user);
    let stand = serde_json::to_string(&scene.stand).unwrap();
    let mut command = ground.plain(user, &["run", &attack.id, &stand]);
    let output = command.stderr(Stdio::null()).output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let gained = gained(attack, &mut scene, &output, Duration::from_millis(1));
    for left in crate::scene::marked(&scene.stand.token) {
        end(left);
    }
    gained
}

/// What an attack gained within it, with controls taken away.
pub(crate) fn within(
    ground: &Ground,
    attack: &Entry,
    children: bool,
    away: &[&str],
) -> Option<String> {
    let mut scene = Scene::make(ground, NOBODY);
    let stand = serde_json::to_string(&scene.inside()).unwrap();
    let mut request = ground.request(&["run", &attack.id, &stand]);
    request.children = children;
    request.mounts = vec![library(&scene.library())];
    let outcome = ground.ask_without(away, &request);
    let ran = !matches!(outcome.end, End::Refused(_));
    assert!(ran || outcome.stdout.is_empty(), "{}: {outcome:?}", attack.id);
    assert!(ran, "{} never ran: {:?}", attack.id, outcome.end);
    gained(attack, &mut scene, &outcome.stdout, GONE)
}

/// The judgement: what is seen counts whatever the attacker says; what it says counts where nothing
/// can be seen.
fn gained(attack: &Entry, scene: &mut Scene, output: &str, lasting: Duration) -> Option<String> {
    if attack.class == "processes" {
        scene.moment = Duration::from_millis(30);
    }
    let seen = scene.seen(output, lasting);
    let told = attack.proof == Proof::Told
        && (output.starts_with("ok") || output.starts_with(LIBRARY_RAN));
    seen.or_else(|| told.then(|| format!("it says: {}", output.trim())))
}

fn end(process: i32) {
    if let Some(process) = rustix::process::Pid::from_raw(process) {
        let (Ok(()) | Err(_)) =
            rustix::process::kill_process(process, rustix::process::Signal::KILL);
    }
}

/// Does something with each attack, several at once; what each gained, by its name.
pub(crate) fn each(
    attacks: &[Entry],
    one: impl Fn(&Entry) -> Option<String> + Sync,
) -> BTreeMap<String, String> {
    let (next, gains) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(gain) = one(attack) {
                        gains.lock().unwrap().insert(attack.id.clone(), gain);
                    }
                }
            });
        }
    });
    gains.into_inner().unwrap()
}

fn count(attacks: &[Entry], class: &str, gains: &BTreeMap<String, String>) -> usize {
    attacks.iter().filter(|a| a.class == class && gains.contains_key(&a.id)).count()
}

#[test]
fn no_attack_gets_out() {
    let (ground, mut attacks) = (Ground::make(), list());
    if !is_root() {
        left_out("kill_all without a sandbox, which needs a user of its own");
        left_out(&format!("a scratch without programs and with few names: {ROOTS_SCRATCH:?}"));
        let away = |id: &str| id == REACHES_ALL || ROOTS_SCRATCH.contains(&id);
        attacks.retain(|attack| !away(&attack.id));
    }
    if !group().is_ok_and(|group| group.has_limits()) {
        println!("LEFT OUT, needs a control group with limits: {TOGETHER}");
        attacks.retain(|attack| attack.id != TOGETHER);
    }
    let plain = each(&attacks, |attack| without(&ground, attack));
    let alone = each(&attacks, |attack| within(&ground, attack, false, &[]));
    let mut family = each(&attacks, |attack| within(&ground, attack, true, &[]));
    family.remove(BY_RIGHT);
    println!(
        "{:<12}{:>8}{:>10}{:>8}{:>15}",
        "class", "attacks", "without", "within", "with children"
    );
    for class in ["files", "network", "processes", "rights"] {
        let all = attacks.iter().filter(|attack| attack.class == class).count();
        let [plain, alone, family] = [&plain, &alone, &family].map(|of| count(&attacks, class, of));
        println!("{class:<12}{all:>8}{plain:>10}{alone:>8}{family:>15}");
    }
    let all = attacks.len();
    println!("{:<12}{all:>8}{:>10}{:>8}{:>15}", "all", plain.len(), alone.len(), family.len());
    if std::env::var_os("SHOW").is_some() {
        println!("without: {plain:#?}");
    }
    assert!(all >= ATTACKS_MIN, "{all} attacks");
    assert!(plain.len() >= LIVE_MIN, "only {} are live: {plain:#?}", plain.len());
    assert!(
        alone.is_empty() && family.is_empty(),
        "got out: {alone:#?} with children: {family:#?}"
    );
}
