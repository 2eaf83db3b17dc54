//! Seccomp: a closed list of system calls. What is not on it answers `EPERM`, whatever a newer kernel
//! adds; a call in the form of another architecture kills the process.
//!
//! On the list stands what programs need that read files and write text. Not on it: every socket,
//! namespaces, mounts, keys, other processes' memory, modules, `io_uring`, `memfd`, `bpf`, `perf`, `userfaultfd`, tracing, extended attributes,
//! moving to another process group, and without the word `children` in the rule further processes.

use std::collections::BTreeMap;

use super::start::Start;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// Flags of `clone` that make namespaces.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;
/// `CLONE_NEWTIME` (Linux 5.6) shares its bit with the mask of exit signals, which `clone` has and
/// `unshare` has not, so that it cannot be asked of `clone`.
const THREAD: u64 = libc::CLONE_THREAD as u64;

/// Calls that may be made with any arguments.
const FREE: &[c_long] = &[
    // Files that Landlock has already looked at.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_umask,
    libc::SYS_utimensat,
    libc::SYS_fchmod,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_msync,
    libc::SYS_mincore,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // Its own signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    // Its own time, threads and end.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_sched_getaffinity,
    libc::SYS_getpriority,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // What it is.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpgid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_getrusage,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrandom,
    libc::SYS_capget,
];
/// The older forms of the same calls, which one architecture still has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_getdents,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_alarm,
    libc::SYS_pause,
    libc::SYS_time,
    libc::SYS_getpgrp,
    libc::SYS_arch_prctl,
    libc::SYS_creat,
];
/// The older forms of the same calls: none.
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// Requests of `ioctl` that ask a file about itself.
const ASKING: [u64; 6] =
    [libc::TCGETS, libc::TIOCGWINSZ, libc::FIONREAD, libc::FIOCLEX, libc::FIONCLEX, libc::FIONBIO];

/// Requests of `fcntl` on a file's own number and flags: no locks, leases, notices or owners, which
/// reach everybody who has the file open.
const OWN: [i32; 7] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETPIPE_SZ,
];

/// The filters of one program, ready to be installed.
pub(super) struct Filters {
    list: BpfProgram,
    newer: BpfProgram,
    /// System calls on the list.
    pub(super) calls: usize,
}

impl Filters {
    /// From here on only what is on the list.
    pub(super) fn install(&self) -> Result<(), String> {
        apply_filter(&self.newer).map_err(|error| error.to_string())?;
        apply_filter(&self.list).map_err(|error| error.to_string())
    }
}

/// The filters for a program that is started by this call alone.
pub(super) fn filters(children: bool, start: &Start) -> Result<Filters, String> {
    make(children, start).map_err(|error| error.to_string())
}

fn make(children: bool, start: &Start) -> Result<Filters, seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in FREE.iter().chain(OLDER) {
        rules.insert(*call, Vec::new());
    }
    // Newer C libraries try clone3, whose flags no filter can read, and fall back on ENOSYS.
    rules.insert(libc::SYS_clone3, Vec::new());
    let all_of = |conditions: Vec<SeccompCondition>| SeccompRule::new(conditions);
    if children {
        let plain = SeccompCmpOp::MaskedEq(NAMESPACES);
        rules.insert(libc::SYS_clone, vec![all_of(vec![whole(0, plain, 0)?])?]);
        rules.insert(libc::SYS_execve, Vec::new());
        rules.insert(libc::SYS_execveat, Vec::new());
        rules.insert(libc::SYS_kill, Vec::new());
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_vfork, Vec::new());
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_fork, Vec::new());
    } else {
        let thread = SeccompCmpOp::MaskedEq(THREAD | NAMESPACES);
        rules.insert(libc::SYS_clone, vec![all_of(vec![whole(0, thread, THREAD)?])?]);
        // The program itself, by its open file and by nothing else: a program that has begun cannot
        // know the addresses, and they are gone from its memory.
        let [file, path, argv, environment, flags] = start.arguments();
        let itself = vec![
            half(0, SeccompCmpOp::Eq, file)?,
            whole(1, SeccompCmpOp::Eq, path)?,
            whole(2, SeccompCmpOp::Eq, argv)?,
            whole(3, SeccompCmpOp::Eq, environment)?,
            half(4, SeccompCmpOp::Eq, flags)?,
        ];
        rules.insert(libc::SYS_execveat, vec![all_of(itself)?]);
    }
    let asking: Result<Vec<_>, _> =
        ASKING.iter().map(|request| all_of(vec![half(1, SeccompCmpOp::Eq, *request)?])).collect();
    rules.insert(libc::SYS_ioctl, asking?);
    let own: Result<Vec<_>, _> = OWN
        .iter()
        .map(|request| all_of(vec![half(1, SeccompCmpOp::Eq, u64::from(request.unsigned_abs()))?]))
        .collect();
    rules.insert(libc::SYS_fcntl, own?);
    let own_limits = vec![all_of(vec![whole(2, SeccompCmpOp::Eq, 0)?])?];
    rules.insert(libc::SYS_prlimit64, own_limits);
    let names = [libc::PR_SET_NAME as u64, libc::PR_GET_NAME as u64];
    let names: Result<Vec<_>, _> =
        names.iter().map(|code| all_of(vec![half(0, SeccompCmpOp::Eq, *code)?])).collect();
    rules.insert(libc::SYS_prctl, names?);
    let calls = rules.len() - 1;
    let arch = std::env::consts::ARCH.try_into()?;
    let (refused, unknown) =
        (SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Errno(libc::ENOSYS as u32));
    let list = SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?;
    let newer = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let newer = SeccompFilter::new(newer, SeccompAction::Allow, unknown, arch)?;
    Ok(Filters { list: list.try_into()?, newer: newer.try_into()?, calls })
}

fn whole(
    arg: u8,
    is: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(arg, SeccompCmpArgLen::Qword, is, value)
}

fn half(
    arg: u8,
    is: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(arg, SeccompCmpArgLen::Dword, is, value)
}

/// The helper's own filter: no connection of any kind. Two families of sockets stay, both of this
/// machine alone, with which bubblewrap brings up the loopback of the new network.
pub(crate) fn no_connections() -> Result<(), String> {
    let install = || -> Result<(), seccompiler::Error> {
        let mut other = Vec::new();
        for family in [libc::AF_NETLINK as u64, libc::AF_UNIX as u64] {
            other.push(half(0, SeccompCmpOp::Ne, family)?);
        }
        let rules = BTreeMap::from([
            (libc::SYS_socket, vec![SeccompRule::new(other)?]),
            (libc::SYS_connect, Vec::new()),
            (libc::SYS_io_uring_setup, Vec::new()),
        ]);
        let refused = SeccompAction::Errno(libc::EPERM as u32);
        let arch = std::env::consts::ARCH.try_into()?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?;
        apply_filter(&BpfProgram::try_from(filter)?)
    };
    install().map_err(|error| error.to_string())
}
