//! A layer that cannot be installed: nothing runs, and the refusal names it.

use std::path::Path;
use std::process::Command;

use vivarium_sandbox::request::{End, Outcome};

use crate::ground::{Ground, ask, is_root, left_out};

/// Nothing ran, and this layer is why.
fn refuses(outcome: &Outcome, layer: &str) {
    println!("{layer}: {:?}", outcome.end);
    assert!(
        matches!(&outcome.end, End::Refused(why) if why.starts_with(&format!("{layer}: "))),
        "{layer} cannot be installed: {outcome:?}"
    );
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    assert!(!outcome.report.is_complete(), "{outcome:?}");
}

/// The helper, behind words that change what the kernel offers it.
fn behind(ground: &Ground, words: &[&str]) -> Outcome {
    let (first, rest) = words.split_first().unwrap();
    let mut command = Command::new(first);
    command
        .args(rest)
        .arg(&ground.helper)
        .arg("run")
        .env_clear()
        .env("PATH", "/usr/bin:/usr/sbin:/bin");
    ask(&mut command, &ground.request(&["said", "that it ran"]))
}

/// The same, for a kernel that does not know a call or has no room for filters.
fn deaf(ground: &Ground, to: &str) -> Outcome {
    behind(ground, &[&ground.attacker.to_string_lossy(), "deaf", to])
}

/// A script that ends as the helper.
fn script(lines: &str) -> String {
    format!("{lines}; exec \"$0\" \"$@\"")
}

#[test]
fn the_way_to_take_layers_away_takes_nothing_else() {
    let ground = Ground::make();
    let outcome = deaf(&ground, "400");
    assert_eq!((outcome.end, outcome.report.missing()), (End::Exited(0), None));
}

#[test]
fn without_bubblewrap_nothing_runs() {
    if !is_root() {
        return left_out("a machine without bubblewrap, which needs mounts of its own");
    }
    let ground = Ground::make();
    let none = script("mount -t tmpfs none /usr/bin");
    refuses(&behind(&ground, &["unshare", "-m", "sh", "-c", &none]), "namespaces");
    let empty = ground.folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let covered = script(&format!("mount --bind {} /usr/bin/bwrap", empty.display()));
    refuses(&behind(&ground, &["unshare", "-m", "sh", "-c", &covered]), "namespaces");
}

#[test]
fn without_user_namespaces_nothing_runs() {
    let mut ground = Ground::make();
    let none = "echo 0 > /proc/sys/user/max_user_namespaces; \
                exec setpriv --inh-caps=-all --ambient-caps=-all \"$0\" \"$@\"";
    let mut words = vec!["unshare", "--map-current-user", "--keep-caps", "sh", "-c", none];
    if is_root() {
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        words.splice(0..0, nobody);
    }
    // The helper may lie where only root finds it.
    let helper = ground.folder.path().join("helper");
    std::fs::copy(&ground.helper, &helper).unwrap();
    ground.helper = helper;
    refuses(&behind(&ground, &words), "namespaces");
}

#[test]
fn without_another_user_nothing_runs() {
    if !is_root() {
        return left_out("root that cannot be given up");
    }
    let ground = Ground::make();
    refuses(&behind(&ground, &["unshare", "--map-root-user", "--mount"]), "user");
}

#[test]
fn without_landlock_nothing_runs() {
    refuses(&deaf(&Ground::make(), &libc::SYS_landlock_create_ruleset.to_string()), "landlock");
    refuses(&deaf(&Ground::make(), &libc::SYS_landlock_restrict_self.to_string()), "landlock");
}

#[test]
fn without_filters_nothing_runs() {
    let ground = Ground::make();
    // The helper's own filter comes first and is refused first.
    refuses(&deaf(&ground, &libc::SYS_seccomp.to_string()), "helper");
    refuses(&deaf(&ground, "full"), "seccomp");
}

#[test]
fn without_closed_files_nothing_runs() {
    refuses(&deaf(&Ground::make(), &libc::SYS_close_range.to_string()), "files");
}

#[test]
fn without_limits_nothing_runs() {
    let ground = Ground::make();
    refuses(&behind(&ground, &["prlimit", "--nofile=40:40"]), "limits");
    let fewer = deaf(&ground, &libc::SYS_prlimit64.to_string());
    refuses(&fewer, "limits");
}

#[test]
fn a_root_or_a_program_that_is_not_there_is_refused() {
    let ground = Ground::make();
    let mut request = ground.request(&["said", "that it ran"]);
    request.mounts = vec![crate::ground::library(Path::new("/no/such/folder"))];
    let outcome = ground.ask(&request);
    assert!(matches!(&outcome.end, End::Refused(why) if why.contains("/no/such/folder")));
    let mut request = ground.request(&["said", "that it ran"]);
    request.program = "/no/such/program".into();
    let outcome = ground.ask(&request);
    assert!(matches!(&outcome.end, End::Refused(why) if why.contains("/no/such/program")));
}
