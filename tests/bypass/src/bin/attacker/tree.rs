//! Trees of processes that want to stay: what a run has to leave nothing of.

use std::process::ExitCode;

use libc::{SYS_fork, SYS_rt_sigprocmask, SYS_setsid};

use crate::bombs::rest;
use crate::sys::{at, attempt, call};

/// Longest life of a tree that nobody ends, in milliseconds.
const LIFE: i64 = 60_000;

/// Grows a tree of this shape and stays.
pub(crate) fn grow(shape: &str) -> ExitCode {
    match shape {
        "bomb" => {
            for _ in 0..6 {
                attempt(SYS_fork, &[]);
            }
        }
        "double" => {
            if call(SYS_fork, &[]) == Ok(0) && call(SYS_fork, &[]) != Ok(0) {
                return ExitCode::SUCCESS;
            }
        }
        "daemon" => {
            if call(SYS_fork, &[]) == Ok(0) {
                attempt(SYS_setsid, &[]);
                for file in 0..3 {
                    attempt(libc::SYS_close, &[file]);
                }
            }
        }
        _ => {
            let all = u64::MAX;
            attempt(SYS_rt_sigprocmask, &[0, at(&all), 0, 8]);
            attempt(SYS_fork, &[]);
        }
    }
    rest(LIFE);
    ExitCode::SUCCESS
}
