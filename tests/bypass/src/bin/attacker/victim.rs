//! The victim: a process that holds a secret and ends when it is disturbed.

use std::process::ExitCode;
use std::time::Duration;

use crate::board::open;
use crate::sys::{attempt, bytes_at, call, into};

/// Longest life, in steps: a test that forgets its victim leaves nothing behind.
const STEPS_MAX: u32 = 60_000;
/// How it ends when its memory was changed.
const CHANGED: u8 = 78;

/// Tells where its secret is, then watches. `SIGURG`, which is harmless to all others, ends it.
pub(crate) fn wait(token: &str, canary: &str) -> ExitCode {
    let mut secret = format!("secret of the victim: {token}    ").into_bytes();
    let mut watched = vec![b'.'; 64];
    let opened = open(canary, libc::O_RDONLY).unwrap_or(-1);
    let urgent = 1_u64 << (libc::SIGURG - 1);
    attempt(libc::SYS_rt_sigprocmask, &[0, crate::sys::at(&urgent), 0, 8]);
    let (secret_at, watched_at) = (into(secret.as_mut_slice()), into(watched.as_mut_slice()));
    crate::tell(&format!("{secret_at} {watched_at} {opened}"));
    let step = Duration::from_millis(2);
    let step = [i64::try_from(step.as_secs()).unwrap_or(0), i64::from(step.subsec_nanos())];
    for _ in 0..STEPS_MAX {
        let came = call(
            libc::SYS_rt_sigtimedwait,
            &[crate::sys::at(&urgent), 0, crate::sys::at(&step), 8],
        );
        if came.is_ok() {
            return ExitCode::from(77);
        }
        if bytes_at(watched_at, 1) != b"." {
            return ExitCode::from(CHANGED);
        }
    }
    ExitCode::SUCCESS
}
