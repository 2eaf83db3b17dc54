//! The control group of a command, on a machine that has one to give.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use vivarium_sandbox::layer::Layer;
use vivarium_sandbox::request::End;
use vivarium_sandbox::run::cgroup::Given;

use crate::ground::{Ground, NOBODY, ask, group};
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
    let given = Given::Group { folders, told: "much".to_owned() };
    let mut command = Command::new(&ground.helper);
    command.env_clear().arg("run").arg(serde_json::to_string(&given).unwrap());
    let outcome = ask(&mut command, &ground.request(&["said", "that it ran"]));
    assert!(
        matches!(&outcome.end, End::Refused(why) if why.starts_with("cgroup: ")),
        "{outcome:?}"
    );
    assert_eq!(outcome.stdout, "");
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
    let (dead, alive) =
        (format!("vivarium-{}-1", gone.id()), format!("vivarium-{}-901", std::process::id()));
    for home in &homes {
        fs::create_dir(home.join(&dead)).unwrap();
        fs::create_dir(home.join(&alive)).unwrap();
    }
    let ground = Ground::make();
    let mut probe = Command::new(&ground.helper);
    let told = probe.arg("probe").env_clear().stdin(Stdio::null()).output().unwrap();
    assert!(told.status.success(), "{told:?}");
    let left = |name: &str| homes.iter().filter(|home| home.join(name).exists()).count();
    assert_eq!((left(&dead), left(&alive)), (0, homes.len()));
    for home in &homes {
        fs::remove_dir(home.join(&alive)).unwrap();
    }
}
