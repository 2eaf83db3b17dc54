//! Attacks on rights: other users, capabilities, namespaces, and the kernel's own workings.

use libc::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
    CLONE_NEWUTS, O_RDONLY, SYS_add_key, SYS_adjtimex, SYS_bpf, SYS_capset, SYS_clock_adjtime,
    SYS_clock_settime, SYS_clone, SYS_clone3, SYS_delete_module, SYS_finit_module, SYS_init_module,
    SYS_io_uring_register, SYS_io_uring_setup, SYS_kexec_load, SYS_keyctl, SYS_memfd_create,
    SYS_perf_event_open, SYS_personality, SYS_prctl, SYS_quotactl, SYS_reboot, SYS_request_key,
    SYS_setdomainname, SYS_setfsuid, SYS_setgid, SYS_setgroups, SYS_sethostname, SYS_setns,
    SYS_setresuid, SYS_settimeofday, SYS_setuid, SYS_swapoff, SYS_swapon, SYS_syslog, SYS_unshare,
    SYS_userfaultfd, SYS_vhangup,
};

use crate::board::{Attack, n, open, told, write_path};
use crate::sys::{Came, Got, at, attempt, call, into, just, ok, text};

pub(crate) const ALL: &[Attack] = &[
    told("become_root", "becomes root", |_| just(SYS_setuid, &[0])),
    told("become_root_whole", "becomes root in every sense", |_| just(SYS_setresuid, &[0, 0, 0])),
    told("root_for_files", "becomes root for files", |_| {
        call(SYS_setfsuid, &[0])?;
        if call(SYS_setfsuid, &[-1])? == 0 { Ok("0".to_owned()) } else { Err(libc::EPERM) }
    }),
    told("root_group", "joins the group of root", |_| just(SYS_setgid, &[0])),
    told("groups", "joins other groups", |_| just(SYS_setgroups, &[1, at(&0_u32)])),
    told("capabilities", "takes every capability", |_| {
        let (who, all) = ([0x2008_0522_u32, 0], [u32::MAX; 6]);
        just(SYS_capset, &[at(&who), at(&all)])
    }),
    told("ambient", "keeps a capability for the next program", |_| {
        just(SYS_prctl, &[47, 2, 21, 0, 0])
    }),
    told("keep_rights", "keeps rights when it changes the user", |_| {
        just(SYS_prctl, &[8, 1, 0, 0, 0])
    }),
    told("secure_bits", "changes how rights pass on", |_| just(SYS_prctl, &[28, 0, 0, 0, 0])),
    told("new_users", "makes users of its own", |_| unshare(CLONE_NEWUSER)),
    told("new_mounts", "makes mounts of its own", |_| unshare(CLONE_NEWNS)),
    told("new_users_mounts", "makes users and mounts of its own", |_| {
        unshare(CLONE_NEWUSER | CLONE_NEWNS)
    }),
    told("new_users_network", "makes users and a network of its own", |_| {
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
    }),
    told("new_users_processes", "makes users and processes of its own", |_| {
        unshare(CLONE_NEWUSER | CLONE_NEWPID)
    }),
    told("new_users_names", "makes users and names of its own", |_| {
        unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP)
    }),
    told("new_time", "makes a time of its own", |_| unshare(CLONE_NEWUSER | 0x80)),
    told("root_of_own_users", "becomes root among users of its own", |s| {
        let user = call(libc::SYS_getuid, &[])?;
        unshare(CLONE_NEWUSER)?;
        let map = vivarium_bypass::stand::Stand { token: format!("0 {user} 1"), ..s.clone() };
        write_path("/proc/self/uid_map", libc::O_WRONLY, &map)
    }),
    told("mount_in_own_users", "mounts among users of its own", |s| {
        unshare(CLONE_NEWUSER | CLONE_NEWNS)?;
        let (kind, at) = (text("tmpfs"), text(&s.scratch));
        just(libc::SYS_mount, &[kind.at(), at.at(), kind.at(), 0, 0])
    }),
    told("packets_in_own_network", "reads packets of a network of its own", |_| {
        unshare(CLONE_NEWUSER | CLONE_NEWNET)?;
        just(libc::SYS_socket, &[17, 3, 0x300])
    }),
    told("clone_users", "makes a process with users of its own", |_| {
        child(call(SYS_clone, &[n(CLONE_NEWUSER | libc::SIGCHLD), 0, 0, 0, 0]))
    }),
    told("clone_users_beside", "makes it beside itself", |_| {
        let flags = n(CLONE_NEWUSER | CLONE_NEWNET | libc::CLONE_PARENT);
        child(call(SYS_clone, &[flags, 0, 0, 0, 0]))
    }),
    told("clone3_users", "makes it by the newer call", |_| {
        let order = [0x1000_0000_u64, 0, 0, 0, 17, 0, 0, 0];
        child(call(SYS_clone3, &[at(&order), 64]))
    }),
    told("clone3_plain", "makes a process by the newer call", |_| {
        child(call(SYS_clone3, &[at(&[0_u64, 0, 0, 0, 17, 0, 0, 0]), 64]))
    }),
    told("enter_first", "enters the namespace of the first process", |_| {
        just(SYS_setns, &[open("/proc/1/ns/net", O_RDONLY)?, 0])
    }),
    told("own_keys", "makes a ring of keys", |_| just(SYS_keyctl, &[1, 0])),
    told("add_key", "leaves a key with the kernel", |_| {
        let (kind, name) = (text("user"), text("attack"));
        just(SYS_add_key, &[kind.at(), name.at(), name.at(), 6, -2])
    }),
    told("request_key", "asks for a key of others", |_| {
        let (kind, name) = (text("user"), text("attack"));
        call(SYS_add_key, &[kind.at(), name.at(), name.at(), 6, -2])?;
        just(SYS_request_key, &[kind.at(), name.at(), 0, -2])
    }),
    told("kernel_program", "loads a program into the kernel", |_| {
        just(SYS_bpf, &[5, at(&[0_u64; 16]), 128])
    }),
    told("kernel_table", "makes a table in the kernel", |_| {
        just(SYS_bpf, &[0, at(&[2_u32, 4, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0]), 48])
    }),
    told("measure", "measures itself by the kernel", |_| {
        let mut about = [0_u64; 16];
        (about[0], about[5]) = (1 | (128 << 32), 1 << 5 | 1 << 6);
        just(SYS_perf_event_open, &[at(&about), 0, -1, -1, 0])
    }),
    told("measure_all", "measures the whole machine", |_| {
        let mut about = [0_u64; 16];
        about[0] = 1 | (128 << 32);
        just(SYS_perf_event_open, &[at(&about), -1, 0, -1, 0])
    }),
    told("fault_handler", "handles the kernel's own faults", |_| just(SYS_userfaultfd, &[1])),
    told("ring", "makes a ring of calls", |_| {
        just(SYS_io_uring_setup, &[4, into(&mut [0_u32; 30])])
    }),
    told("ring_register", "asks what rings can do", |_| {
        let mut probe = [0_u64; 300];
        just(SYS_io_uring_register, &[-1, 8, into(&mut probe), 100])
    }),
    told("memory_file", "makes a file of memory", |_| {
        just(SYS_memfd_create, &[text("attack").at(), 0])
    }),
    told("personality", "takes its protection of addresses away", |_| {
        just(SYS_personality, &[0x004_0000])
    }),
    told("next_kernel", "loads another kernel", |_| just(SYS_kexec_load, &[0, 0, 0, 0])),
    told("module", "loads a module", |_| just(SYS_init_module, &[at(&0_u8), 1, text("").at()])),
    told("module_file", "loads a module from a file", |s| {
        let file = open(&s.canary, O_RDONLY).unwrap_or(0);
        just(SYS_finit_module, &[file, text("").at(), 0])
    }),
    told("remove_module", "removes a module", |_| {
        just(SYS_delete_module, &[text("no_such_module").at(), 0x800])
    }),
    told("restart", "restarts the machine, with the wrong word", |_| {
        just(SYS_reboot, &[1, 2, 0, 0])
    }),
    told("swap_on", "gives the machine memory to swap", |s| {
        just(SYS_swapon, &[text(&s.target).at(), 0])
    }),
    told("swap_off", "takes memory to swap", |s| just(SYS_swapoff, &[text(&s.target).at()])),
    told("set_time", "sets the clock", |_| just(SYS_settimeofday, &[at(&[-1_i64, -1]), 0])),
    told("set_clock", "sets the clock by the newer call", |_| {
        just(SYS_clock_settime, &[0, at(&[-1_i64, -1])])
    }),
    told("ask_clock", "asks how the clock is steered", |_| {
        just(SYS_adjtimex, &[into(&mut [0_u64; 40])])
    }),
    told("ask_clock_newer", "asks it by the newer call", |_| {
        just(SYS_clock_adjtime, &[0, into(&mut [0_u64; 40])])
    }),
    told("host", "renames the machine", |_| just(SYS_sethostname, &[text("x").at(), 1_000])),
    told("domain", "renames the machine's domain", |_| {
        just(SYS_setdomainname, &[text("x").at(), 1_000])
    }),
    told("quota", "asks for the quotas of disks", |_| {
        just(SYS_quotactl, &[0x0080_0001 << 8, text("/dev/vda").at(), 0, 0])
    }),
    told("hang_up", "hangs up the terminal", |_| just(SYS_vhangup, &[])),
    told("log_size", "asks for the kernel's log", |_| just(SYS_syslog, &[10, 0, 0])),
    told("log_read", "reads the kernel's log", |_| {
        just(SYS_syslog, &[3, into(&mut [0_u8; 64]), 64])
    }),
];

fn unshare(flags: i32) -> Got {
    just(SYS_unshare, &[n(flags)])
}

/// The child of a call that made one ends at once.
fn child(came: Came) -> Got {
    if came == Ok(0) {
        attempt(libc::SYS_exit_group, &[0]);
    }
    ok(came)
}
