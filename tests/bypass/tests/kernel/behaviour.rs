//! What a run is given and told: limits, environment, files, output, and how it ended.

use std::fs;
use std::time::Duration;

use vivarium_sandbox::request::{End, Limits, Request};

use crate::ground::{Ground, library, open_to_all};

fn limited(ground: &Ground, words: &[&str], limits: impl FnOnce(&mut Limits)) -> Request {
    let mut request = ground.request(words);
    limits(&mut request.limits);
    request
}

#[test]
fn output_has_a_limit() {
    let ground = Ground::make();
    let outcome = ground.ask(&limited(&ground, &["do", "flood", "64"], |l| l.output_bytes = 4096));
    assert_eq!((outcome.end, outcome.stdout.len()), (End::OutputFull, 4096));
    let outcome = ground.ask(&limited(&ground, &["do", "flood", "4"], |l| l.output_bytes = 4096));
    assert_eq!((outcome.end, outcome.stdout.len()), (End::Exited(0), 4096));
}

#[test]
fn time_has_a_limit() {
    let ground = Ground::make();
    let outcome = ground.ask(&limited(&ground, &["do", "rest", "30000"], |l| l.wall_ms = 200));
    assert_eq!(outcome.end, End::TimedOut);
    assert!(outcome.wall >= Duration::from_millis(200), "{:?}", outcome.wall);
}

#[test]
fn processor_time_has_a_limit() {
    let ground = Ground::make();
    let outcome = ground.ask(&limited(&ground, &["do", "burn", "5000"], |l| l.cpu_seconds = 1));
    assert_eq!((outcome.end, outcome.stdout.as_str()), (End::Signalled(libc::SIGKILL), ""));
    let outcome = ground.ask(&limited(&ground, &["do", "burn", "200"], |l| l.cpu_seconds = 1));
    assert_eq!(outcome.end, End::Exited(0));
    assert!(outcome.cpu >= Duration::from_millis(200), "{:?}", outcome.cpu);
}

#[test]
fn memory_has_a_limit() {
    let ground = Ground::make();
    let memory = |l: &mut Limits| l.memory_bytes = 64 << 20;
    let outcome = ground.ask(&limited(&ground, &["do", "grab", "128"], memory));
    assert!(outcome.stdout.starts_with("no more than"), "{outcome:?}");
    let outcome = ground.ask(&limited(&ground, &["do", "grab", "16"], memory));
    assert_eq!(outcome.stdout, "ok 16\n");
}

#[test]
fn scratch_has_a_limit_and_is_gone_afterwards() {
    let ground = Ground::make();
    let outcome = ground.ask(&limited(&ground, &["do", "create", "/tmp/left"], |_| {}));
    assert!(outcome.stdout.starts_with("Ok"), "{outcome:?}");
    let outcome = ground.ask(&limited(&ground, &["do", "look", "/tmp"], |_| {}));
    assert_eq!(outcome.stdout, "\n");
    assert!(!std::path::Path::new("/tmp/left").exists());
    let stand = vivarium_bypass::stand::Stand { scratch: "/tmp".into(), ..Default::default() };
    let stand = serde_json::to_string(&stand).unwrap();
    let words = ["run", "full_scratch", &stand];
    let outcome = ground.ask(&limited(&ground, &words, |l| l.scratch_bytes = 2 << 20));
    assert_eq!(outcome.stdout.trim(), format!("no {}", libc::ENOSPC));
}

#[test]
fn the_environment_is_these_three() {
    let ground = Ground::make();
    let outcome = ground.ask(&ground.request(&["do", "environment"]));
    assert_eq!(outcome.stdout, "LANG=C.UTF-8 LC_ALL=C.UTF-8 PATH=/usr/bin\n");
}

#[test]
fn the_folder_is_the_one_that_was_asked_for() {
    let ground = Ground::make();
    let folder = ground.folder.path().join("library");
    fs::create_dir_all(folder.join("notes")).unwrap();
    open_to_all(&folder, 0o755);
    let mut request = ground.request(&["do", "folder"]);
    request.mounts = vec![library(&folder)];
    request.folder = "/library/notes".to_owned();
    assert_eq!(ground.ask(&request).stdout, "/library/notes\n");
}

#[test]
fn only_libraries_and_roots_are_there() {
    let ground = Ground::make();
    let see = |path: &str| ground.ask(&ground.request(&["do", "look", path])).stdout;
    // Nobody may list the top; what stands there is asked for by name.
    assert_eq!(see("/"), "nothing\n");
    for path in
        ["/home", "/root", "/proc", "/sys", "/etc", "/var", "/usr/bin", "/usr/sbin", "/opt", "/run"]
    {
        assert_eq!(see(path), "nothing\n", "{path}");
    }
    assert!(see("/usr/lib").len() > 10);
    assert_eq!(see("/tmp"), "\n");
    assert_eq!(see("/dev"), "nothing\n");
}

#[test]
fn the_end_is_told() {
    let ground = Ground::make();
    for code in [0, 1, 2, 99, 127] {
        let outcome = ground.ask(&ground.request(&["do", "exit", &code.to_string()]));
        assert_eq!(outcome.end, End::Exited(code));
    }
    for signal in [libc::SIGTERM, libc::SIGABRT, libc::SIGFPE, libc::SIGKILL] {
        let outcome = ground.ask(&ground.request(&["do", "die", &signal.to_string()]));
        assert_eq!(outcome.end, End::Signalled(signal));
    }
    let outcome = ground.ask(&ground.request(&["do", "errors", "a fault\n"]));
    assert_eq!((outcome.end, outcome.stderr.as_str()), (End::Exited(3), "a fault\n"));
    assert_eq!(outcome.stdout, "");
}

#[test]
fn large_codes_are_codes() {
    let ground = Ground::make();
    let outcome = ground.ask(&ground.request(&["do", "exit", "200"]));
    assert_eq!(outcome.end, End::Exited(200));
}

#[test]
fn a_program_cannot_speak_for_the_stage() {
    let ground = Ground::make();
    for forged in [r#"{"missing":["seccomp","forged"]}"#, r#"{"no_program":"forged"}"#] {
        let outcome = ground.ask(&ground.request(&["do", "errors", forged]));
        assert_eq!((outcome.end, outcome.stderr.as_str()), (End::Exited(3), forged));
    }
}
