//! The control group of a command, on a machine that has one to give.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use vivarium_sandbox::layer::Layer;
use vivarium_sandbox::request::End;
use vivarium_sandbox::run::cgroup::Given;

use crate::ground::{Ground, NOBODY, answer, ask, begin, given, group};
use crate::wait::until;

fn left_out(why: &str) {
    println!("LEFT OUT, needs a control group: {why}");
}

#[test]
fn a_command_runs_in_its_group_and_also_where_there_is_none() {
    let ground = Ground::make();
    let request = ground.request(&["said", "that it ran"]);
    let without = ask(Command::new(&ground.helper).env_clear().arg("run"), &request);
    assert_eq!((&without.end, without.report.is_complete()), (&End::Exited(0), true));
    assert!(without.report.of(Layer::Cgroup).is_some_and(|found| !found.in_force));
    if let Err(why) = group() {
        return left_out(&why);
    }
    let within = ground.ask(&request);
    let found = within.report.of(Layer::Cgroup).expect("it is told of");
    println!("{}", found.detail);
    assert!(within.end == End::Exited(0) && found.in_force, "{within:?}");
}

#[test]
fn a_group_that_cannot_be_entered_is_a_refusal() {
    let ground = Ground::make();
    let folders = vec![ground.folder.path().to_owned()];
    let given = Given::Group { folders, told: Ok("much".to_owned()) };
    let mut command = Command::new(&ground.helper);
    command.env_clear().arg("run").arg(serde_json::to_string(&given).unwrap());
    let outcome = ask(&mut command, &ground.request(&["said", "that it ran"]));
    assert!(
        matches!(&outcome.end, End::Refused(why) if why.starts_with("cgroup: ")),
        "{outcome:?}"
    );
    assert_eq!(outcome.stdout, "");
    let missing = outcome.report.missing().expect("it is told what is missing");
    assert!(missing.starts_with("cgroup: "), "{missing}");
}

#[test]
fn when_memory_runs_out_the_command_goes_and_not_its_helper() {
    let made = group();
    let folders = match &made {
        Ok(group) => group.folders().to_vec(),
        Err(why) => return left_out(why),
    };
    let ground = Ground::make();
    let mut command = Command::new(&ground.helper);
    command.env_clear().arg("run").arg(given(&made));
    let (child, input) = begin(&mut command, &ground.request(&["do", "rest", "10000"]));
    let helper = child.id().to_string();
    let scores = || {
        let members = fs::read_to_string(folders[0].join("cgroup.procs")).unwrap_or_default();
        let score = |member: &str| fs::read_to_string(format!("/proc/{member}/oom_score_adj"));
        let others = members.lines().filter(|member| **member != helper);
        let others: Vec<_> =
            others.filter_map(|member| Some(score(member).ok()?.trim() == "1000")).collect();
        let own = score(&helper).is_ok_and(|own| own.trim() == "0");
        own && others.len() >= 2 && others.iter().all(|first| *first)
    };
    let so = until(Duration::from_secs(5), scores);
    drop(input);
    assert_eq!(answer(child).end, End::Stopped);
    assert!(so, "the command is not preferred");
}

#[test]
fn a_group_that_is_given_up_ends_what_is_in_it() {
    let group = match group() {
        Ok(group) => group,
        Err(why) => return left_out(&why),
    };
    let ground = Ground::make();
    let mut child = ground.plain(NOBODY, &["do", "rest", "60000"]).spawn().unwrap();
    let folders = group.folders().to_vec();
    for folder in &folders {
        fs::write(folder.join("cgroup.procs"), child.id().to_string()).unwrap();
    }
    drop(group);
    assert!(until(Duration::from_secs(2), || child.try_wait().unwrap().is_some()), "it lives on");
    assert!(folders.iter().all(|folder| !folder.exists()), "{folders:?}");
}

#[test]
fn what_a_killed_maker_left_is_taken_away_by_the_next() {
    let homes: Vec<_> = match group() {
        Ok(group) => group.folders().iter().map(|it| it.parent().unwrap().to_owned()).collect(),
        Err(why) => return left_out(&why),
    };
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let name = |process: u32| format!("vivarium-{process}-0123456789abcdef");
    let (dead, alive) = (name(gone.id()), name(std::process::id()));
    let foreign = format!("vivarium-{}-nightly", gone.id());
    let inhabited = format!("vivarium-{}-fedcba9876543210", gone.id());
    let ground = Ground::make();
    let mut child = ground.plain(NOBODY, &["do", "rest", "60000"]).spawn().unwrap();
    for home in &homes {
        for name in [&dead, &alive, &foreign, &inhabited] {
            fs::create_dir(home.join(name)).unwrap();
        }
        let procs = home.join(&inhabited).join("cgroup.procs");
        fs::write(procs, child.id().to_string()).unwrap();
    }
    let mut probe = Command::new(&ground.helper);
    let told = probe.arg("probe").env_clear().stdin(Stdio::null()).output().unwrap();
    assert!(told.status.success(), "{told:?}");
    let left = |name: &str| homes.iter().filter(|home| home.join(name).exists()).count();
    let all = homes.len();
    let found = [&dead, &alive, &foreign, &inhabited].map(|name| left(name));
    let lives = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    for name in [&alive, &foreign, &inhabited] {
        for home in &homes {
            assert!(until(Duration::from_secs(2), || fs::remove_dir(home.join(name)).is_ok()));
        }
    }
    assert_eq!((found, lives), ([0, all, all, all], true), "{homes:?}");
}
