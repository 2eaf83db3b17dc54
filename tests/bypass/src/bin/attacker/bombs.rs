//! Attacks by taking too much: processes, memory, files, time. Each has an end of its own.

use std::process::ExitCode;

use libc::{
    EAGAIN, O_CREAT, O_RDWR, RLIMIT_CORE, RLIMIT_NOFILE, SYS_clock_gettime, SYS_close, SYS_dup,
    SYS_fork, SYS_ftruncate, SYS_mlock, SYS_mlockall, SYS_mmap, SYS_ppoll, SYS_prlimit64,
    SYS_pwrite64, SYS_setpriority, SYS_write,
};
use vivarium_bypass::stand::Stand;

use crate::board::{Attack, n, open, seen, told};
use crate::sys::{Came, Got, at, attempt, call, into, just, text};

/// So many processes and threads are tried; more than [`MANY`] is a success.
const TRIED: u32 = 60;
/// More than any limit of the sandbox lets live.
const MANY: u32 = 40;
const MIB: i64 = 1 << 20;

pub(crate) const ALL: &[Attack] = &[
    told("many_processes", "makes many processes", |_| many(fork_one)),
    told("many_threads", "makes many threads", |_| many(thread_one)),
    seen("survivor", "leaves a process behind", |_| survive(false)),
    seen("survivor_session", "leaves a process of another session behind", |_| survive(true)),
    told("much_memory", "takes more memory than it may", |_| {
        let (both, populate) = (libc::PROT_READ | libc::PROT_WRITE, 0x8022);
        just(SYS_mmap, &[0, 700 * MIB, n(both), populate, -1, 0])
    }),
    told(
        "much_memory_together",
        "takes more memory than it may, a part in each of six processes",
        |_| much_together(),
    ),
    told("large_file", "makes a large file", |s| {
        let file = open(&format!("{}/large", s.scratch), O_RDWR | O_CREAT)?;
        just(SYS_pwrite64, &[file, text("x").at(), 1, 40 * MIB])
    }),
    told("long_file", "makes a file long that holds nothing", |s| {
        let file = open(&format!("{}/long", s.scratch), O_RDWR | O_CREAT)?;
        just(SYS_ftruncate, &[file, 40 * MIB])
    }),
    told("full_scratch", "fills its folder", full_scratch),
    told("many_names", "makes more empty files than its folder has kilobytes", many_names),
    told("many_files", "opens many files", |_| {
        for _ in 0..200 {
            call(SYS_dup, &[1])?;
        }
        Ok("200".to_owned())
    }),
    told("much_time", "takes more time than it may", |_| Ok(burn(2_700))),
    told("core", "asks for its memory to be kept when it dies", |_| raise(RLIMIT_CORE, 1 << 20)),
    told("more_files", "sets its own limit of files", |_| raise(RLIMIT_NOFILE, 900)),
    told("lock_memory", "keeps memory from being moved away", |_| {
        let page = [0_u8; 64];
        just(SYS_mlock, &[at(&page), 64])
    }),
    told("lock_all_memory", "keeps all memory from being moved away", |_| just(SYS_mlockall, &[4])),
    told("own_patience", "changes how long it waits", |_| just(SYS_setpriority, &[0, 0, 5])),
    told("secret_memory", "takes memory that the kernel cannot see", |_| just(447, &[0])),
    told("memory_place", "decides where its memory lies", |_| {
        just(libc::SYS_set_mempolicy, &[0, 0, 0])
    }),
];

/// Waits, without a clock of its own.
pub(crate) fn rest(milliseconds: i64) {
    let time = [milliseconds / 1_000, milliseconds % 1_000 * 1_000_000];
    attempt(SYS_ppoll, &[0, 0, at(&time), 0, 8]);
}

fn many(one: fn() -> Came) -> Got {
    let made = (0..TRIED).map_while(|_| one().ok()).count();
    let made = u32::try_from(made).unwrap_or(0);
    if made > MANY { Ok(made.to_string()) } else { Err(EAGAIN) }
}

fn fork_one() -> Came {
    let child = call(SYS_fork, &[])?;
    if child == 0 {
        rest(700);
        attempt(libc::SYS_exit_group, &[0]);
    }
    Ok(child)
}

fn thread_one() -> Came {
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(|| rest(500));
    thread.map(|_| 1).map_err(|error| error.raw_os_error().unwrap_or(EAGAIN))
}

/// Six processes, each with less than one may have, hold more together than all may. Each tells by its
/// end whether it had its part when all were there.
fn much_together() -> Got {
    let mut children = Vec::new();
    for _ in 0..6 {
        let child = call(SYS_fork, &[])?;
        if child == 0 {
            let (both, populate) = (libc::PROT_READ | libc::PROT_WRITE, 0x8022);
            let had = call(SYS_mmap, &[0, 150 * MIB, n(both), populate, -1, 0]);
            rest(1_500);
            attempt(libc::SYS_exit_group, &[i64::from(had.is_err())]);
        }
        children.push(child);
    }
    for child in children {
        let mut status = [0_i32; 1];
        call(libc::SYS_wait4, &[child, into(&mut status), 0, 0])?;
        if status != [0] {
            return Err(libc::ENOMEM);
        }
    }
    Ok("900 MiB".to_owned())
}

/// Forks twice, so that nobody knows the second process, which lives a few seconds.
fn survive(own_session: bool) -> Got {
    let child = call(SYS_fork, &[])?;
    if child != 0 {
        rest(30);
        return Ok(child.to_string());
    }
    for file in 0..3 {
        attempt(SYS_close, &[file]);
    }
    if own_session {
        attempt(libc::SYS_setsid, &[]);
    }
    if call(SYS_fork, &[]) == Ok(0) {
        rest(5_000);
    }
    attempt(libc::SYS_exit_group, &[0]);
    Err(EAGAIN)
}

fn full_scratch(stand: &Stand) -> Got {
    let part = vec![1_u8; 1 << 20];
    for number in 0..40 {
        let file = open(&format!("{}/part{number}", stand.scratch), O_RDWR | O_CREAT)?;
        let wrote = call(SYS_write, &[file, at(part.as_slice()), MIB])?;
        call(SYS_close, &[file])?;
        if wrote < MIB {
            return Err(libc::ENOSPC);
        }
    }
    Ok("40 MiB".to_owned())
}

fn many_names(stand: &Stand) -> Got {
    for number in 0..20_000 {
        let file = open(&format!("{}/name{number}", stand.scratch), O_RDWR | O_CREAT)?;
        call(SYS_close, &[file])?;
    }
    Ok("20000 names".to_owned())
}

/// Milliseconds of processor time that it has taken.
fn taken() -> i64 {
    let mut time = [0_i64; 2];
    attempt(SYS_clock_gettime, &[2, into(&mut time)]);
    time[0] * 1_000 + time[1] / 1_000_000
}

/// Takes processor time.
pub(crate) fn burn(milliseconds: i64) -> String {
    let mut number = 1_u64;
    while taken() < milliseconds {
        for _ in 0..10_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
        }
    }
    format!("{milliseconds} ms {}", number & 1)
}

fn raise(limit: u32, to: u64) -> Got {
    let set = [to, to];
    just(SYS_prlimit64, &[0, i64::from(limit), at(&set), 0])
}

/// Fills memory by so many mebibytes and tells.
pub(crate) fn grab(mebibytes: usize) -> ExitCode {
    let mut held = Vec::new();
    for number in 0..mebibytes {
        let mut part: Vec<u8> = Vec::new();
        if part.try_reserve_exact(1 << 20).is_err() {
            return crate::tell(&format!("no more than {number}"));
        }
        part.resize(1 << 20, 1);
        held.push(part);
    }
    crate::tell(&format!("ok {}", held.len()))
}
