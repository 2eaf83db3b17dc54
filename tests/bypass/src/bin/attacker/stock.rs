//! Attacks by what all processes share (System V and POSIX).

use libc::{
    O_CREAT, O_RDWR, SYS_mq_open, SYS_mq_unlink, SYS_msgctl, SYS_msgget, SYS_msgsnd, SYS_semctl,
    SYS_semget, SYS_semop, SYS_shmat, SYS_shmctl, SYS_shmget,
};

use crate::board::{Attack, n, seen, shown, told};
use crate::sys::{at, attempt, bytes_at, call, into, just, text};

pub(crate) const ALL: &[Attack] = &[
    seen("shared_read", "reads shared memory of others", |s| {
        let place = call(SYS_shmat, &[n(s.memory), 0, 0o10000])?;
        Ok(shown(&bytes_at(place, 64)))
    }),
    told("shared_about", "asks who uses shared memory", |s| {
        just(SYS_shmctl, &[n(s.memory), 2, into(&mut [0_u64; 32])])
    }),
    told("shared_make", "makes shared memory", |_| {
        let made = call(SYS_shmget, &[0, 4096, 0o600])?;
        just(SYS_shmctl, &[made, 0, 0])
    }),
    seen("queue_send", "sends to a queue of others", |s| {
        let message = [1_i64, 0x78];
        just(SYS_msgsnd, &[n(s.queue), at(&message), 8, 0o4000])
    }),
    told("queue_about", "asks who uses a queue", |s| {
        just(SYS_msgctl, &[n(s.queue), 2, into(&mut [0_u64; 32])])
    }),
    told("queue_make", "makes a queue", |_| {
        let made = call(SYS_msgget, &[0, 0o600])?;
        just(SYS_msgctl, &[made, 0, 0])
    }),
    seen("semaphore_raise", "raises a semaphore of others", |s| {
        let raise = [0_u16, 1, 0o4000, 0];
        just(SYS_semop, &[n(s.semaphore), at(&raise), 1])
    }),
    told("semaphore_make", "makes a semaphore", |_| {
        let made = call(SYS_semget, &[0, 1, 0o600])?;
        just(SYS_semctl, &[made, 0, 0, 0])
    }),
    told("message_queue", "makes a queue that has a name", |s| {
        let name = text(&s.token);
        let queue = just(SYS_mq_open, &[name.at(), n(O_RDWR | O_CREAT), 0o600, 0]);
        attempt(SYS_mq_unlink, &[name.at()]);
        queue
    }),
];
