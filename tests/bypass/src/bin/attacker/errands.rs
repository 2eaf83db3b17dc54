//! The small things that tests have a program do: everyday ones, and the kernel made deaf to a call.

use std::path::Path;
use std::process::ExitCode;

use libc::{O_CREAT, O_RDWR, SYS_prctl, SYS_seccomp};
use vivarium_sandbox::run::Running;

use crate::board::open;
use crate::bombs::{burn, grab, rest};
use crate::sys::{at, attempt, call, into};

/// Does what a test asks of an everyday program.
pub(crate) fn perform(what: &str, rest_of: &[&str]) -> ExitCode {
    let word = rest_of.first().copied().unwrap_or_default();
    let number: i64 = word.parse().unwrap_or(0);
    match what {
        "environment" => environment(),
        "folder" => crate::tell(&std::env::current_dir().unwrap_or_default().to_string_lossy()),
        "look" => look(word),
        "read" => crate::tell(&crate::board::read_path(word).unwrap_or_else(|e| e.to_string())),
        "exit" => ExitCode::from(u8::try_from(number).unwrap_or(1)),
        "errors" => errors(word),
        "die" => {
            let own = call(libc::SYS_getpid, &[]).unwrap_or(0);
            attempt(libc::SYS_tgkill, &[own, own, number]);
            ExitCode::SUCCESS
        }
        "flood" => flood(number),
        "burn" => crate::tell(&burn(number)),
        "rest" => {
            rest(number);
            crate::tell("rested")
        }
        "grab" => grab(usize::try_from(number).unwrap_or(0)),
        "readings" => readings(rest_of),
        "create" => {
            let made = open(word, O_RDWR | O_CREAT);
            crate::tell(&format!("{made:?}"))
        }
        _ => ExitCode::from(2),
    }
}

fn environment() -> ExitCode {
    let mut all: Vec<_> = std::env::vars().map(|(k, v)| format!("{k}={v}")).collect();
    all.sort();
    crate::tell(&all.join(" "))
}

fn errors(word: &str) -> ExitCode {
    use std::io::Write as _;
    drop(std::io::stderr().write_all(word.as_bytes()));
    ExitCode::from(3)
}

/// What a folder holds.
fn look(path: &str) -> ExitCode {
    let Ok(entries) = std::fs::read_dir(path) else { return crate::tell("nothing") };
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    crate::tell(&names.join(" "))
}

/// Writes so many kilobytes.
fn flood(kilobytes: i64) -> ExitCode {
    let line = "x".repeat(1023);
    for _ in 0..kilobytes {
        crate::tell(&line);
    }
    ExitCode::SUCCESS
}

/// Reads one path again and again, while somebody exchanges it.
fn readings(words: &[&str]) -> ExitCode {
    let [path, times] = words else { return ExitCode::from(2) };
    let mut told = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..times.parse().unwrap_or(0) {
        let got = crate::board::read_path(path).unwrap_or_else(|number| format!("error {number}"));
        *told.entry(got).or_default() += 1;
    }
    crate::tell(&format!("{told:?}"))
}

/// Puts a request to a helper and waits for its end, as the process that asks.
pub(crate) fn ask(helper: &str, request: &str) -> ExitCode {
    let Ok(request) = serde_json::from_str(request) else { return ExitCode::from(2) };
    match Running::start(Path::new(helper), &request) {
        Ok(running) => crate::tell(&format!("{:?}", running.wait().end)),
        Err(error) => crate::tell(&error.to_string()),
    }
}

/// Runs a program for which the kernel does not know a call (its number), or has no room for a filter
/// as large as the stage's (`full`).
pub(crate) fn deaf(to: &str, program: &str, words: &[&str]) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    attempt(SYS_prctl, &[38, 1, 0, 0, 0]);
    match to.parse::<u64>() {
        Ok(number) => {
            filter(&[0x20, number << 32 | 0x0100_0015, UNKNOWN, ALLOW]);
        }
        Err(_) => fill(),
    }
    let error = std::process::Command::new(program).args(words).exec();
    crate::tell(&error.to_string())
}

/// A filter's word: the call is let through.
const ALLOW: u64 = 0x7fff_0000_0000_0006;
/// A filter's word: the call is one that the kernel does not know.
const UNKNOWN: u64 = 0x0005_0026_0000_0006;
/// Size of the filters that fill most of the kernel's room.
const LARGE: usize = 1_000;
/// Size of those that fill the rest.
const SMALL: usize = 50;
/// So many of them are left out again.
const LEFT_OUT: u64 = 3;

fn filter(code: &[u64]) -> bool {
    let length = i64::try_from(code.len()).unwrap_or(0);
    call(SYS_seccomp, &[1, 0, at(&[length, at(code)])]).is_ok()
}

/// How many filters of a size there is room for, as a child finds out that has so many large ones.
fn room(large: u64, size: usize) -> u64 {
    if call(libc::SYS_fork, &[]) == Ok(0) {
        install(large, LARGE);
        let code = vec![ALLOW; size];
        let many = (0..200).take_while(|_| filter(&code)).count();
        attempt(libc::SYS_exit_group, &[i64::try_from(many).unwrap_or(0)]);
    }
    let mut status = 0_i32;
    attempt(libc::SYS_wait4, &[-1, into(&mut status), 0, 0]);
    u64::try_from(status >> 8 & 0xff).unwrap_or(0)
}

fn install(many: u64, size: usize) {
    let code = vec![ALLOW; size];
    for _ in 0..many {
        filter(&code);
    }
}

/// Leaves room for the helper's small filter, and none for the stage's.
fn fill() {
    let large = room(0, LARGE);
    let small = room(large, SMALL).saturating_sub(LEFT_OUT);
    install(large, LARGE);
    install(small, SMALL);
}
