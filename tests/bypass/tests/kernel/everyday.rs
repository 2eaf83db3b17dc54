//! Everyday commands: all of them succeed, and what the sandbox adds to their time is printed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use vivarium_sandbox::request::{End, Request};

use crate::ground::{Ground, fingerprint, library, open_to_all};
use crate::wait::now;

const RUNS: usize = 200;

/// Programs, their arguments, and what they print of the files below.
const COMMANDS: [(&str, &[&str], &str); 10] = [
    ("wc", &["-l", "--", "/library/a.txt"], "3 /library/a.txt"),
    ("sort", &["-r", "--", "/library/a.txt"], "pear\nfig\napple"),
    ("head", &["-n", "1", "--", "/library/a.txt"], "pear"),
    ("tail", &["-n", "1", "--", "/library/a.txt"], "fig"),
    ("cut", &["-c", "1", "--", "/library/a.txt"], "p\na\nf"),
    ("uniq", &["--", "/library/b.txt"], "pear\napple"),
    ("cat", &["--", "/library/a.txt"], "pear\napple\nfig"),
    ("ls", &["--", "/library"], "a.txt\nb.txt"),
    ("cksum", &["--", "/library/b.txt"], ""),
    ("diff", &["--brief", "--", "/library/a.txt", "/library/a.txt"], ""),
];

fn find(program: &str) -> PathBuf {
    fs::canonicalize(Path::new("/usr/bin").join(program)).expect("an everyday program")
}

fn prepare(ground: &Ground) -> PathBuf {
    let folder = ground.folder.path().join("library");
    fs::create_dir(&folder).unwrap();
    open_to_all(&folder, 0o755);
    fs::write(folder.join("a.txt"), "pear\napple\nfig\n").unwrap();
    fs::write(folder.join("b.txt"), "pear\npear\napple\n").unwrap();
    folder
}

fn request(ground: &Ground, folder: &Path, program: &str, words: &[&str]) -> Request {
    let mut request = ground.request(words);
    request.program = find(program);
    request.sha256 = fingerprint(&request.program);
    program.clone_into(&mut request.argv[0]);
    request.mounts = vec![library(folder)];
    request
}

/// The middle and the slow end.
fn middle_and_end(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 95 / 100])
}

#[test]
fn everyday_commands_succeed() {
    let ground = Ground::make();
    let folder = prepare(&ground);
    let requests: BTreeMap<&str, Request> = COMMANDS
        .iter()
        .map(|(program, words, _)| (*program, request(&ground, &folder, program, words)))
        .collect();
    let (mut sandboxed, mut plain) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let (program, _, wanted) = COMMANDS[run % COMMANDS.len()];
        let request = &requests[program];
        let begun = now();
        let outcome = ground.ask(request);
        sandboxed.push(begun.elapsed());
        assert_eq!(outcome.end, End::Exited(0), "{program}: {outcome:?}");
        assert!(outcome.stdout.starts_with(wanted), "{program}: {outcome:?}");
        let begun = now();
        let status = Command::new(&request.program).arg("--version").stdout(Stdio::null()).status();
        plain.push(begun.elapsed());
        assert!(status.unwrap().success());
    }
    let (within, without) = (middle_and_end(&mut sandboxed), middle_and_end(&mut plain));
    println!(
        "{RUNS} runs: p50 {:?}, p95 {:?}; plain: p50 {:?}, p95 {:?}",
        within.0, within.1, without.0, without.1
    );
}
