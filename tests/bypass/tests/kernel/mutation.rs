//! Each control away, alone or with the one that stands behind it: an attack succeeds that the whole
//! sandbox stops, so that the suite would notice.

use std::fs;

use vivarium_sandbox::layer::Layer;
use vivarium_sandbox::request::End;

use crate::attacks::{list, within};
use crate::ground::{Ground, group, is_root, left_out, library, open_to_all};

/// The stage sees what is taken away only where the environment is handed on, so it goes as well. It
/// alone lets no attack succeed.
const HANDED_ON: &str = "environment";

/// What is away, whether there may be children, and the attacks that then succeed.
type Row = (&'static [&'static str], bool, &'static [&'static str]);

/// One layer away: attacks that it alone stops.
const ALONE: [Row; 7] = [
    (&["namespaces"], false, &["ask_group", "ask_limits"]),
    (&["namespaces"], true, &["ask_place", "ask_processors"]),
    (&["landlock"], false, &["list_top"]),
    (&["landlock"], true, &["run_library"]),
    (
        &["seccomp"],
        false,
        &["unix_pair", "netlink_routes", "own_filter", "own_keys", "memory_file"],
    ),
    (&["rlimits"], false, &["large_file", "many_files"]),
    (&["closed_files"], false, &["read_leaked", "leaked_socket"]),
];

/// Two layers away: attacks that either stops, so that only the pair shows them.
const PAIRS: [Row; 4] = [
    (&["namespaces", "landlock"], true, &["kill_victim", "tgkill_victim"]),
    (&["namespaces", "seccomp"], false, &["new_users", "shared_read", "bind_victim"]),
    (&["closed_files", "landlock"], false, &["read_leaked_folder", "write_leaked_folder"]),
    (&["seccomp", "landlock"], false, &["run_library"]),
];

/// The same where a control group holds memory and processes as well.
const GROUPED: [Row; 1] = [(&["cgroup"], true, &["much_memory_together"])];
const GROUPED_PAIRS: [Row; 2] = [
    (&["rlimits", "cgroup"], false, &["much_memory", "many_threads"]),
    (&["rlimits", "cgroup"], true, &["many_processes"]),
];
/// And where there is none.
const UNGROUPED: [Row; 2] = [
    (&["rlimits"], false, &["much_memory", "many_threads"]),
    (&["rlimits"], true, &["many_processes"]),
];

/// What this machine stops with one layer, and what with either of two.
fn rows() -> (Vec<Row>, Vec<Row>) {
    let (mut alone, mut pairs) = (ALONE.to_vec(), PAIRS.to_vec());
    if group().is_ok_and(|group| group.has_limits()) {
        alone.extend(GROUPED);
        pairs.extend(GROUPED_PAIRS);
    } else {
        println!("LEFT OUT, needs a control group with limits: {GROUPED:?} {GROUPED_PAIRS:?}");
        alone.extend(UNGROUPED);
    }
    (alone, pairs)
}

#[test]
fn without_a_layer_an_attack_gets_out() {
    let (ground, attacks) = (Ground::make(), list());
    let (alone, pairs) = rows();
    for (away, children, names) in alone.into_iter().chain(pairs) {
        let away: Vec<_> = away.iter().copied().chain([HANDED_ON]).collect();
        for name in names {
            let attack = attacks.iter().find(|attack| attack.id == *name).unwrap();
            let held = within(&ground, attack, children, &[HANDED_ON]);
            assert_eq!(held, None, "{name} gets out of the whole sandbox");
            let gain = within(&ground, attack, children, &away);
            println!("without {away:?}: {name}: {gain:?}");
            assert!(gain.is_some(), "{name} is stopped without {away:?}");
        }
    }
}

#[test]
fn what_stands_behind_another_is_noticed_only_with_it() {
    let (ground, attacks) = (Ground::make(), list());
    for (away, children, names) in rows().1 {
        for alone in away {
            for name in names {
                let attack = attacks.iter().find(|attack| attack.id == *name).unwrap();
                let gain = within(&ground, attack, children, &[alone, HANDED_ON]);
                assert_eq!(gain, None, "{name} without {alone} alone");
            }
        }
    }
}

#[test]
fn the_report_misses_a_layer_that_is_away() {
    let ground = Ground::make();
    let request = ground.request(&["do", "exit", "0"]);
    let whole = ground.ask(&request);
    assert_eq!((whole.end, whole.report.missing()), (End::Exited(0), None));
    let all = [
        ("namespaces", Layer::Namespaces),
        ("landlock", Layer::Landlock),
        ("seccomp", Layer::Seccomp),
        ("rlimits", Layer::Limits),
        ("closed_files", Layer::Files),
    ];
    for (away, layer) in all {
        let report = ground.ask_without(&[away, HANDED_ON], &request).report;
        let missing = report.missing().expect("something is missing");
        assert!(missing.starts_with(layer.name()), "without {away}: {missing}");
    }
}

#[test]
fn without_the_new_environment_the_old_one_is_seen() {
    let ground = Ground::make();
    let request = ground.request(&["do", "environment"]);
    let away = ground.ask_without(&[HANDED_ON], &request);
    assert!(away.stdout.contains("VIVARIUM_WITHOUT=environment"), "{away:?}");
}

#[test]
fn without_another_user_what_is_roots_is_read() {
    if !is_root() {
        return left_out("user_drop: a process that is no root has nothing to give up");
    }
    let ground = Ground::make();
    let folder = ground.folder.path().join("library");
    fs::create_dir(&folder).unwrap();
    open_to_all(&folder, 0o755);
    fs::write(folder.join("roots.txt"), "for root alone").unwrap();
    open_to_all(&folder.join("roots.txt"), 0o600);
    let mut request = ground.request(&["do", "read", "/library/roots.txt"]);
    request.mounts = vec![library(&folder)];
    let held = ground.ask(&request);
    assert_eq!((held.end, held.stdout.trim()), (End::Exited(0), "13"), "EACCES");
    let away = ground.ask_without(&["user_drop"], &request);
    assert_eq!((away.end, away.stdout.trim()), (End::Exited(0), "for root alone"));
    let threads = list().into_iter().find(|attack| attack.id == "many_threads").unwrap();
    let away = ["user_drop", "cgroup"];
    assert!(within(&ground, &threads, false, &away).is_some(), "root has no such limit");
}

#[test]
fn another_file_than_the_pinned_one_is_refused() {
    let ground = Ground::make();
    let mut request = ground.request(&["said", "anyway"]);
    request.sha256 = "0".repeat(64);
    let held = ground.ask(&request);
    assert!(matches!(&held.end, End::Refused(why) if why.contains("not the program")), "{held:?}");
    assert_eq!(held.stdout, "");
    let away = ground.ask_without(&["pinned"], &request);
    assert!(away.stdout.contains("anyway"), "{away:?}");
}
