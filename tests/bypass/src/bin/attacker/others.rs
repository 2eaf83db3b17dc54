//! Attacks on other processes: signals, memory, open files, places in the order of the kernel.

use libc::{
    F_SETFL, F_SETOWN, O_ASYNC, SIGURG, SYS_fcntl, SYS_get_robust_list, SYS_getpgid,
    SYS_getpriority, SYS_getsid, SYS_ioprio_set, SYS_kcmp, SYS_kill, SYS_migrate_pages,
    SYS_move_pages, SYS_pidfd_getfd, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_pipe2, SYS_prctl,
    SYS_prlimit64, SYS_process_madvise, SYS_process_mrelease, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_ptrace, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    SYS_sched_getaffinity, SYS_sched_getattr, SYS_sched_setaffinity, SYS_sched_setattr,
    SYS_sched_setscheduler, SYS_setpgid, SYS_setpriority, SYS_setsid, SYS_tgkill, SYS_tkill,
};
use vivarium_bypass::stand::Stand;

use crate::board::{Attack, n, read, seen, shown, told, write};
use crate::sys::{Got, at, call, into, just, text};

/// A signal that does nothing to a process that does not wait for it.
const URGENT: i64 = SIGURG as i64;

pub(crate) const ALL: &[Attack] = &[
    seen("kill_victim", "sends a signal outside", |s| just(SYS_kill, &[n(s.victim), URGENT])),
    seen("tkill_victim", "sends a signal to a thread outside", |s| {
        just(SYS_tkill, &[n(s.victim), URGENT])
    }),
    seen("tgkill_victim", "sends a signal to a thread of a process outside", |s| {
        just(SYS_tgkill, &[n(s.victim), n(s.victim), URGENT])
    }),
    seen("kill_all", "sends a signal to all it can reach", |_| just(SYS_kill, &[-1, URGENT])),
    seen("kill_group", "sends a signal to the victim's group", |s| {
        just(SYS_kill, &[-n(s.victim), URGENT])
    }),
    seen("queue_signal", "queues a signal with a word", |s| {
        let word = signal_word();
        just(SYS_rt_sigqueueinfo, &[n(s.victim), URGENT, at(&word)])
    }),
    seen("queue_signal_thread", "queues a signal with a word to a thread", |s| {
        let word = signal_word();
        just(SYS_rt_tgsigqueueinfo, &[n(s.victim), n(s.victim), URGENT, at(&word)])
    }),
    seen("owner_signal", "has the kernel send a signal for a pipe", owner_signal),
    told("hold_victim", "holds a process outside", |s| just(SYS_pidfd_open, &[n(s.victim), 0])),
    seen("held_signal", "sends a signal to a process that it holds", |s| {
        let held = call(SYS_pidfd_open, &[n(s.victim), 0])?;
        just(SYS_pidfd_send_signal, &[held, URGENT, 0, 0])
    }),
    seen("held_file", "takes an open file of a process that it holds", |s| {
        let held = call(SYS_pidfd_open, &[n(s.victim), 0])?;
        read(call(SYS_pidfd_getfd, &[held, n(s.opened), 0])?)
    }),
    told("enter_victim", "enters the namespaces of a process that it holds", |s| {
        let held = call(SYS_pidfd_open, &[n(s.victim), 0])?;
        just(libc::SYS_setns, &[held, n(libc::CLONE_NEWUSER)])
    }),
    told("trace_victim", "traces a process outside", |s| {
        just(SYS_ptrace, &[0x4206, n(s.victim), 0, 0])
    }),
    told("trace_me", "asks its parent to trace it", |_| just(SYS_ptrace, &[0, 0, 0, 0])),
    seen("read_memory", "reads the memory of a process outside", |s| {
        let mut bytes = [0_u8; 64];
        let (own, other) = ([into(&mut bytes), 40], [s.secret.cast_signed(), 40]);
        call(SYS_process_vm_readv, &[n(s.victim), at(&own), 1, at(&other), 1, 0])?;
        Ok(shown(&bytes))
    }),
    seen("write_memory", "writes the memory of a process outside", |s| {
        let word = text("X");
        let (own, other) = ([word.at(), 1], [s.watched.cast_signed(), 1]);
        just(SYS_process_vm_writev, &[n(s.victim), at(&own), 1, at(&other), 1, 0])
    }),
    told("advise_memory", "advises on the memory of a process outside", |s| {
        let held = call(SYS_pidfd_open, &[n(s.victim), 0])?;
        let part = [s.watched.cast_signed() & !0xfff, 4096];
        just(SYS_process_madvise, &[held, at(&part), 1, 20, 0])
    }),
    told("release_memory", "releases the memory of a process outside", |s| {
        let held = call(SYS_pidfd_open, &[n(s.victim), 0])?;
        just(SYS_process_mrelease, &[held, 0])
    }),
    told("move_pages", "asks where the pages of a process outside lie", |s| {
        let (page, mut place) = ([s.watched & !0xfff], [0_i32]);
        just(SYS_move_pages, &[n(s.victim), 1, at(&page), 0, into(&mut place), 0])
    }),
    told("migrate_pages", "moves the pages of a process outside", |s| {
        let nodes = 1_u64;
        just(SYS_migrate_pages, &[n(s.victim), 2, at(&nodes), at(&nodes)])
    }),
    told("compare", "compares itself with a process outside", |s| {
        let own = call(libc::SYS_getpid, &[])?;
        just(SYS_kcmp, &[own, n(s.victim), 1, 0, 0])
    }),
    told("locks_of_victim", "asks for the locks of a process outside", |s| {
        let mut answer = [0_u64; 2];
        let (list, length) = (into(&mut answer[0]), into(&mut answer[1]));
        just(SYS_get_robust_list, &[n(s.victim), list, length])
    }),
    seen("slow_victim", "lets a process outside wait", |s| {
        just(SYS_setpriority, &[0, n(s.victim), 7])
    }),
    seen("bind_victim", "binds a process outside to a processor", |s| {
        let first = 1_u64;
        just(SYS_sched_setaffinity, &[n(s.victim), 8, at(&first)])
    }),
    seen("idle_victim", "gives a process outside what time is left over", |s| {
        let none = 0_i32;
        just(SYS_sched_setscheduler, &[n(s.victim), 5, at(&none)])
    }),
    seen("attributes_of_victim", "does so by the newer call", |s| {
        let set = [56_u32, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        just(SYS_sched_setattr, &[n(s.victim), at(&set), 0])
    }),
    told("disk_of_victim", "lets a process outside wait for the disk", |s| {
        just(SYS_ioprio_set, &[1, n(s.victim), 0x6000])
    }),
    seen("limit_victim", "limits a process outside", |s| {
        let files = [50_u64, 50];
        just(SYS_prlimit64, &[n(s.victim), 7, at(&files), 0])
    }),
    told("ask_limits", "asks for the limits of a process outside", |s| {
        let mut limit = [0_u64; 2];
        just(SYS_prlimit64, &[n(s.victim), 7, 0, into(&mut limit)])
    }),
    told("ask_group", "asks for the group of a process outside", |s| {
        just(SYS_getpgid, &[n(s.victim)])
    }),
    told("ask_session", "asks for the session of a process outside", |s| {
        just(SYS_getsid, &[n(s.victim)])
    }),
    told("ask_place", "asks how long a process outside waits", |s| {
        just(SYS_getpriority, &[0, n(s.victim)])
    }),
    told("ask_processors", "asks where a process outside runs", |s| {
        let mut set = [0_u64; 16];
        just(SYS_sched_getaffinity, &[n(s.victim), 128, into(&mut set)])
    }),
    told("ask_attributes", "asks how a process outside is ordered", |s| {
        let mut set = [0_u32; 14];
        just(SYS_sched_getattr, &[n(s.victim), into(&mut set), 56, 0])
    }),
    told("own_group", "leaves its group", |_| just(SYS_setpgid, &[0, 0])),
    told("own_session", "leaves its session", |_| {
        // A first process of a group may not; it cannot fork here, so the group tells.
        just(SYS_setsid, &[])
    }),
    told("own_order", "orders itself anew", |_| {
        let none = 0_i32;
        just(SYS_sched_setscheduler, &[0, 3, at(&none)])
    }),
    told("own_processor", "binds itself to a processor", |_| {
        let first = 1_u64;
        just(SYS_sched_setaffinity, &[0, 8, at(&first)])
    }),
    told("outlive", "asks to outlive its parent", |_| just(SYS_prctl, &[1, 0, 0, 0, 0])),
    told("adopt", "adopts processes", |_| just(SYS_prctl, &[36, 1, 0, 0, 0])),
    told("dumpable", "lets others read its memory", |_| just(SYS_prctl, &[4, 1, 0, 0, 0])),
    told("timer_slack", "changes its timers", |_| just(SYS_prctl, &[29, 1, 0, 0, 0])),
    told("no_timestamps", "changes what the processor does for it", |_| {
        just(SYS_prctl, &[53, 0, 0, 0, 0])
    }),
];

fn signal_word() -> [i32; 32] {
    let mut word = [0; 32];
    (word[0], word[2]) = (SIGURG, -1);
    word
}

/// Gives a pipe to the victim, which hears of every byte by a signal.
fn owner_signal(stand: &Stand) -> Got {
    let mut ends = [0_i32; 2];
    call(SYS_pipe2, &[into(&mut ends), 0])?;
    let reading = n(ends[0]);
    call(SYS_fcntl, &[reading, n(F_SETOWN), n(stand.victim)])?;
    call(SYS_fcntl, &[reading, 10, URGENT])?;
    call(SYS_fcntl, &[reading, n(F_SETFL), n(O_ASYNC)])?;
    write(n(ends[1]), "x")
}
