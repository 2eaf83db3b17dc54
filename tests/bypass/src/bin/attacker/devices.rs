//! Attacks on what the kernel shows as files: `/proc`, `/sys`, devices and terminals.

use libc::{O_NOCTTY, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, SYS_ioctl, SYS_pread64};
use vivarium_bypass::stand::Stand;

use crate::board::{Attack, n, open, read_path, seen, shown, told, write};
use crate::sys::{Got, at, attempt, call, into, just, text};

pub(crate) const ALL: &[Attack] = &[
    seen("victim_environment", "reads the environment of a process outside", |s| {
        read_path(&format!("/proc/{}/environ", s.victim))
    }),
    seen("victim_memory_file", "reads the memory of a process outside as a file", |s| {
        let memory = open(&format!("/proc/{}/mem", s.victim), O_RDONLY)?;
        let mut bytes = [0_u8; 64];
        call(SYS_pread64, &[memory, into(&mut bytes), 64, s.secret.cast_signed()])?;
        Ok(shown(&bytes))
    }),
    seen("victim_memory_write", "writes the memory of a process outside as a file", |s| {
        let memory = open(&format!("/proc/{}/mem", s.victim), O_RDWR)?;
        let byte = text("X");
        just(libc::SYS_pwrite64, &[memory, byte.at(), 1, s.watched.cast_signed()])
    }),
    told("own_memory_file", "opens its own memory as a file to write", |_| {
        open("/proc/self/mem", O_RDWR).map(|file| file.to_string())
    }),
    told("passwords", "reads who is known on this machine", |_| read_path("/etc/passwd")),
    told("secrets", "reads the passwords of this machine", |_| read_path("/etc/shadow")),
    told("host_name", "reads the machine's identity", |_| read_path("/etc/machine-id")),
    told("symbols", "reads where the kernel lies", |_| read_path("/proc/kallsyms")),
    told("processes", "reads what runs on this machine", |_| read_path("/proc/loadavg")),
    told("kernel_command", "reads how the kernel was started", |_| read_path("/proc/cmdline")),
    told("own_map", "reads how it lies in memory", |_| read_path("/proc/self/maps")),
    told("mounts", "reads what is mounted", |_| read_path("/proc/self/mountinfo")),
    told("score", "makes itself less likely to be ended", |_| set("/proc/self/oom_score_adj", "0")),
    told("trigger", "opens the kernel's trigger", |_| open_only("/proc/sysrq-trigger", O_WRONLY)),
    told("core_pattern", "opens what the kernel runs for a core", |_| {
        open_only("/proc/sys/kernel/core_pattern", O_WRONLY)
    }),
    told("modprobe", "opens what the kernel runs for a module", |_| {
        open_only("/proc/sys/kernel/modprobe", O_WRONLY)
    }),
    told("kernel_memory", "opens the memory of the kernel", |_| open_only("/proc/kcore", O_RDONLY)),
    told("machine_memory", "opens the memory of the machine", |_| open_only("/dev/mem", O_RDONLY)),
    told("kernel_log", "opens the log of the kernel", |_| {
        open_only("/dev/kmsg", O_RDONLY | O_NONBLOCK)
    }),
    told("disk", "opens the disk", |_| open_only("/dev/vda", O_RDONLY)),
    told("fuse", "opens the way to make file systems", |_| open_only("/dev/fuse", O_RDWR)),
    told("virtual_machine", "opens the way to make virtual machines", |_| {
        open_only("/dev/kvm", O_RDWR)
    }),
    told("network_device", "opens the way to make network devices", |_| {
        open_only("/dev/net/tun", O_RDWR)
    }),
    told("machine", "lists the hardware", |_| {
        open_only("/sys/class/net", O_RDONLY | libc::O_DIRECTORY)
    }),
    told("control_groups", "lists the control groups", |_| {
        open_only("/sys/fs/cgroup", O_RDONLY | libc::O_DIRECTORY)
    }),
    told("random", "opens a device that everybody may open", |_| open_only("/dev/zero", O_RDONLY)),
    told("terminal", "opens its terminal", |_| open_only("/dev/tty", O_RDWR)),
    told("new_terminal", "makes a terminal", |_| open_only("/dev/ptmx", O_RDWR | O_NOCTTY)),
    told("type_ahead", "types into a terminal of its own making", type_ahead),
    told("type_input", "types into its input", |_| just(SYS_ioctl, &[0, 0x5412, at(&b'\n')])),
    told("terminal_group", "takes the terminal of its input", |_| just(SYS_ioctl, &[0, 0x540e, 1])),
    told("console_paste", "pastes into the console", |_| {
        just(SYS_ioctl, &[0, 0x541c, at(&[3_u8, 0])])
    }),
];

fn open_only(path: &str, flags: i32) -> Got {
    open(path, flags).map(|file| file.to_string())
}

fn set(path: &str, words: &str) -> Got {
    write(open(path, O_WRONLY)?, words)
}

/// A terminal of its own, taken as the one it is typed at, and a letter put there.
fn type_ahead(_: &Stand) -> Got {
    let master = open("/dev/ptmx", O_RDWR | O_NOCTTY)?;
    let unlock = 0_i32;
    call(SYS_ioctl, &[master, 0x4004_5431, at(&unlock)])?;
    let slave = call(SYS_ioctl, &[master, 0x5441, n(O_RDWR | O_NOCTTY)])?;
    attempt(libc::SYS_setsid, &[]);
    call(SYS_ioctl, &[slave, 0x540e, 0])?;
    just(SYS_ioctl, &[slave, 0x5412, at(&b'x')])
}
