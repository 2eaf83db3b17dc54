//! Attacks on folders, mounts and what watches them.

use libc::{
    O_CREAT, O_DIRECTORY, O_RDONLY, O_TMPFILE, O_WRONLY, SYS_acct, SYS_chdir, SYS_chroot,
    SYS_fanotify_init, SYS_fsopen, SYS_getdents64, SYS_inotify_add_watch, SYS_inotify_init1,
    SYS_mkdir, SYS_mknod, SYS_mount, SYS_open_tree, SYS_pivot_root, SYS_renameat2, SYS_rmdir,
    SYS_symlink, SYS_umount2,
};
use vivarium_bypass::stand::Stand;

use crate::board::{Attack, HERE, n, open, read_path, seen, shown, told, write, write_path};
use crate::sys::{Got, call, into, just, text};

pub(crate) const ALL: &[Attack] = &[
    seen("list_folder", "lists a folder outside", |s| list(&format!("{}/named", s.folder))),
    seen("list_victim", "reads the command line of a process outside", |s| {
        read_path(&format!("/proc/{}/cmdline", s.victim))
    }),
    told("list_top", "lists the top of all folders", |_| list("/")),
    seen("create_file", "makes a file outside", |s| {
        write_path(&inside(s, "made"), O_WRONLY | O_CREAT, s)
    }),
    seen("create_unnamed", "makes a file without a name outside and names it", |s| {
        let file = open(&s.folder, O_TMPFILE | O_WRONLY)?;
        write(file, "x")?;
        let (own, name) = (text(&format!("/proc/self/fd/{file}")), text(&inside(s, "made")));
        just(libc::SYS_linkat, &[HERE, own.at(), HERE, name.at(), n(libc::AT_SYMLINK_FOLLOW)])
    }),
    seen("make_folder", "makes a folder outside", |s| {
        just(SYS_mkdir, &[text(&inside(s, "made")).at(), 0o777])
    }),
    seen("make_pipe", "makes a named pipe outside", |s| {
        just(SYS_mknod, &[text(&inside(s, "made")).at(), 0o010_666, 0])
    }),
    seen("make_device", "makes a device outside", |s| {
        just(SYS_mknod, &[text(&inside(s, "made")).at(), 0o020_666, 0x101])
    }),
    seen("make_link", "makes a link outside", |s| {
        just(SYS_symlink, &[text("/").at(), text(&inside(s, "made")).at()])
    }),
    seen("remove_folder", "removes a folder outside", |s| {
        just(SYS_rmdir, &[text(&inside(s, "empty")).at()])
    }),
    seen("exchange", "exchanges two files outside", |s| {
        let (one, other) = (text(&s.target), text(&inside(s, "other")));
        just(SYS_renameat2, &[HERE, one.at(), HERE, other.at(), 2])
    }),
    seen("enter_folder", "goes to a folder outside and reads there", |s| {
        call(SYS_chdir, &[text(&s.folder).at()])?;
        read_path("canary")
    }),
    told("mount_new", "mounts something over a folder", |s| {
        let (kind, at) = (text("tmpfs"), text(&s.scratch));
        just(SYS_mount, &[kind.at(), at.at(), kind.at(), 0, 0])
    }),
    told("mount_bind", "binds the root over a folder", |s| {
        let (root, at) = (text("/"), text(&s.scratch));
        just(SYS_mount, &[root.at(), at.at(), 0, 0x1000, 0])
    }),
    told("mount_proc", "mounts a view of all processes", |s| {
        let (kind, at) = (text("proc"), text(&s.scratch));
        just(SYS_mount, &[kind.at(), at.at(), kind.at(), 0, 0])
    }),
    told("mount_writable", "makes a mount of the sandbox writable", |s| {
        just(SYS_mount, &[0, text(&s.library).at(), 0, 0x1020, 0])
    }),
    told("unmount", "takes the mount of the library away", |s| {
        just(SYS_umount2, &[text(&s.library).at(), 2])
    }),
    told("new_mount_call", "prepares a file system by the newer calls", |_| {
        just(SYS_fsopen, &[text("tmpfs").at(), 0])
    }),
    told("hold_tree", "holds a tree outside", |s| {
        just(SYS_open_tree, &[HERE, text(&s.folder).at(), 0])
    }),
    told("copy_tree", "copies the mount of a tree outside", |s| {
        just(SYS_open_tree, &[HERE, text(&s.folder).at(), 1])
    }),
    told("move_mount", "moves the mount of the library", |s| {
        let (from, to) = (text(&s.library), text(&s.scratch));
        just(libc::SYS_move_mount, &[HERE, from.at(), HERE, to.at(), 0])
    }),
    told("set_mount", "changes what the mount of the library may do", |s| {
        let set = [0_u64, 1, 0, 0];
        let path = text(&s.library);
        just(libc::SYS_mount_setattr, &[HERE, path.at(), 0, crate::sys::at(&set), 32])
    }),
    told("pick_mount", "takes a file system that is there", |s| {
        just(libc::SYS_fspick, &[HERE, text(&s.folder).at(), 0])
    }),
    told("list_mounts", "lists the mounts by their numbers", |_| {
        let (ask, mut list) = ([24_u64, u64::MAX, 0], [0_u64; 64]);
        just(458, &[crate::sys::at(&ask), into(&mut list), 64, 0])
    }),
    told("change_root", "makes the library its root", |s| {
        just(SYS_chroot, &[text(&s.library).at()])
    }),
    told("pivot_root", "exchanges the root", |s| {
        let at = text(&s.scratch);
        just(SYS_pivot_root, &[at.at(), at.at()])
    }),
    told("watch_folder", "watches what happens in a folder outside", |s| {
        let watch = call(SYS_inotify_init1, &[0])?;
        just(SYS_inotify_add_watch, &[watch, text(&s.folder).at(), 0xfff])
    }),
    told("watch_library", "watches who reads the library", |s| {
        let watch = call(SYS_inotify_init1, &[0])?;
        just(SYS_inotify_add_watch, &[watch, text(&s.library).at(), 0xfff])
    }),
    told("watch_all", "asks to be told of files by the newer call", |_| {
        just(SYS_fanotify_init, &[0x200, 0])
    }),
    told("account", "has the kernel keep accounts of programs", |s| {
        just(SYS_acct, &[text(&s.target).at()])
    }),
    seen("shared_memory_file", "leaves a file in the memory that all share", |s| {
        write_path(&format!("/dev/shm/{}", s.token), O_WRONLY | O_CREAT, s)
    }),
    seen("common_scratch", "leaves a file in the folder that all share", |s| {
        write_path(&format!("/var/tmp/left-{}", s.token), O_WRONLY | O_CREAT, s)
    }),
];

fn inside(stand: &Stand, name: &str) -> String {
    format!("{}/{name}", stand.folder)
}

fn list(path: &str) -> Got {
    let folder = open(path, O_RDONLY | O_DIRECTORY)?;
    let mut entries = [0_u8; 512];
    call(SYS_getdents64, &[folder, into(&mut entries), 512])?;
    Ok(shown(&entries))
}
