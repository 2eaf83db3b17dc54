//! Attacks on files: read, write and change what lies outside, by every way that leads there.

use libc::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, SYS_access,
    SYS_chmod, SYS_chown, SYS_copy_file_range, SYS_fchmodat2, SYS_fcntl, SYS_flock, SYS_ftruncate,
    SYS_getxattr, SYS_link, SYS_linkat, SYS_mmap, SYS_name_to_handle_at, SYS_newfstatat,
    SYS_open_by_handle_at, SYS_openat2, SYS_readlink, SYS_removexattr, SYS_rename, SYS_sendfile,
    SYS_setxattr, SYS_statfs, SYS_statx, SYS_symlink, SYS_truncate, SYS_unlink, SYS_utimensat,
};
use vivarium_bypass::stand::Stand;

use crate::board::{
    Attack, HERE, n, open, open_at, read, read_path, seen, shown, told, write_path,
};
use crate::sys::{Got, at, bytes_at, call, into, just, text};

pub(crate) const ALL: &[Attack] = &[
    seen("read_canary", "opens and reads a file outside", |s| read_path(&s.canary)),
    seen("read_canary_openat2", "opens it by the newest call", |s| {
        let how = [O_RDONLY as u64, 0, 0];
        read(call(SYS_openat2, &[HERE, text(&s.canary).at(), at(&how), 24])?)
    }),
    seen("read_dotdot", "climbs out of the library with ..", |s| {
        read_path(&format!("{}/../../../../../../..{}", s.library, s.canary))
    }),
    seen("read_link", "follows a link in the library that leads outside", |s| {
        read_path(&format!("{}/link", s.library))
    }),
    seen("read_own_link", "makes a link of its own that leads outside", |s| {
        let link = format!("{}/way", s.scratch);
        call(SYS_symlink, &[text(&s.canary).at(), text(&link).at()])?;
        read_path(&link)
    }),
    seen("read_hard_link", "gives the file outside a second name", |s| {
        let link = format!("{}/second", s.scratch);
        call(SYS_link, &[text(&s.target).at(), text(&link).at()])?;
        read_path(&link)
    }),
    seen("read_proc_root", "goes by /proc/self/root", |s| {
        read_path(&format!("/proc/self/root{}", s.canary))
    }),
    seen("read_first_root", "goes by the root of the first process", |s| {
        read_path(&format!("/proc/1/root{}", s.canary))
    }),
    seen("read_victim_root", "goes by the root of a process outside", |s| {
        read_path(&format!("/proc/{}/root{}", s.victim, s.canary))
    }),
    seen("read_victim_open", "goes by the open files of a process outside", |s| {
        read_path(&format!("/proc/{}/fd/{}", s.victim, s.opened))
    }),
    seen("read_leaked", "reads a file that was left open", |s| read(n(s.leaked_file))),
    seen("read_leaked_again", "opens a file anew that was left open", |s| {
        read_path(&format!("/proc/self/fd/{}", s.leaked_file))
    }),
    seen("read_leaked_map", "maps a file that was left open", |s| {
        let (read, private) = (libc::PROT_READ, libc::MAP_PRIVATE);
        let map = call(SYS_mmap, &[0, 4096, n(read), n(private), n(s.leaked_file), 0])?;
        Ok(shown(&bytes_at(map, 64)))
    }),
    seen("read_leaked_send", "has the kernel copy a file that was left open", |s| {
        just(SYS_sendfile, &[1, n(s.leaked_file), 0, 64])
    }),
    seen("read_leaked_copy", "copies from a file that was left open", |s| {
        let copy = format!("{}/copy", s.scratch);
        let to = open(&copy, O_RDWR | O_CREAT)?;
        call(SYS_copy_file_range, &[n(s.leaked_file), 0, to, 0, 64, 0])?;
        read_path(&copy)
    }),
    seen("read_leaked_folder", "opens a file from a folder that was left open", |s| {
        read(open_at(n(s.leaked_folder), "canary", O_RDONLY)?)
    }),
    seen("read_leaked_above", "climbs out of a folder that was left open", |s| {
        read(open_at(n(s.leaked_folder), &format!("../../..{}", s.canary), O_RDONLY)?)
    }),
    seen("write_leaked_folder", "makes a file in a folder that was left open", |s| {
        open_at(n(s.leaked_folder), &s.token, O_WRONLY | O_CREAT).map(|file| file.to_string())
    }),
    seen("read_handle", "opens the file outside by its handle", read_by_handle),
    told("handle", "asks for the handle of a file outside", |s| {
        let mut handle = [0_u32; 34];
        handle[0] = 128;
        let mut mount = 0_i32;
        let path = text(&s.canary);
        just(SYS_name_to_handle_at, &[HERE, path.at(), into(&mut handle), into(&mut mount), 0])
    }),
    told("stat_canary", "asks how large a file outside is", |s| {
        let mut about = [0_u64; 32];
        just(SYS_newfstatat, &[HERE, text(&s.canary).at(), into(&mut about), 0])
    }),
    told("statx_canary", "asks for all about a file outside", |s| {
        let mut about = [0_u64; 64];
        just(SYS_statx, &[HERE, text(&s.canary).at(), 0, 0xfff, into(&mut about)])
    }),
    told("statfs_canary", "asks for the file system outside", |s| {
        let mut about = [0_u64; 32];
        just(SYS_statfs, &[text(&s.canary).at(), into(&mut about)])
    }),
    told("access_canary", "asks whether a file outside may be read", |s| {
        just(SYS_access, &[text(&s.canary).at(), 4])
    }),
    told("path_canary", "holds a file outside without opening it", |s| {
        open(&s.canary, O_PATH).map(|file| file.to_string())
    }),
    told("read_way", "reads where a link outside leads", |s| {
        let mut way = [0_u8; 256];
        let link = text(&format!("{}/outside_link", s.folder));
        just(SYS_readlink, &[link.at(), into(&mut way), 256])
    }),
    seen("write_target", "writes a file outside", |s| write_path(&s.target, O_WRONLY, s)),
    seen("append_target", "appends to a file outside", |s| {
        write_path(&s.target, O_WRONLY | O_APPEND, s)
    }),
    seen("empty_target", "opens a file outside and empties it", |s| {
        write_path(&s.target, O_WRONLY | O_TRUNC, s)
    }),
    seen("truncate_target", "cuts a file outside off", |s| {
        just(SYS_truncate, &[text(&s.target).at(), 1])
    }),
    seen("ftruncate_target", "cuts an open file outside off", |s| {
        just(SYS_ftruncate, &[open(&s.target, O_RDWR)?, 1])
    }),
    seen("map_target", "writes a file outside through memory", |s| {
        let file = open(&s.target, O_RDWR)?;
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let map = call(SYS_mmap, &[0, 4096, n(both), n(libc::MAP_SHARED), file, 0])?;
        crate::sys::put_at(map, b"X");
        Ok(map.to_string())
    }),
    seen("write_link", "writes through a link of its own", |s| {
        let link = format!("{}/way", s.scratch);
        call(SYS_symlink, &[text(&s.target).at(), text(&link).at()])?;
        write_path(&link, O_WRONLY, s)
    }),
    seen("write_proc_root", "writes by the root of a process outside", |s| {
        write_path(&format!("/proc/{}/root{}", s.victim, s.target), O_WRONLY, s)
    }),
    seen("unlink_target", "removes a file outside", |s| just(SYS_unlink, &[text(&s.target).at()])),
    seen("rename_target", "renames a file outside", |s| {
        just(SYS_rename, &[text(&s.target).at(), text(&format!("{}/moved", s.folder)).at()])
    }),
    seen("link_target", "gives a file outside a second name outside", |s| {
        just(SYS_link, &[text(&s.target).at(), text(&format!("{}/second", s.folder)).at()])
    }),
    seen("chmod_target", "changes who may read a file outside", |s| {
        just(SYS_chmod, &[text(&s.target).at(), 0o600])
    }),
    seen("fchmodat2_target", "changes it by the newest call", |s| {
        just(SYS_fchmodat2, &[HERE, text(&s.target).at(), 0o640, 0])
    }),
    told("chown_target", "gives a file outside to itself", |s| {
        let (user, group) = (call(libc::SYS_getuid, &[])?, call(libc::SYS_getgid, &[])?);
        just(SYS_chown, &[text(&s.target).at(), user, group])
    }),
    seen("times_target", "changes the times of a file outside", |s| {
        let times = [1_i64, 0, 1, 0];
        just(SYS_utimensat, &[HERE, text(&s.target).at(), at(&times), 0])
    }),
    told("setxattr_target", "notes an attribute at a file outside", |s| {
        let (name, value) = (text("user.attack"), text("x"));
        just(SYS_setxattr, &[text(&s.target).at(), name.at(), value.at(), 1, 0])
    }),
    told("getxattr_target", "reads an attribute of a file outside", |s| {
        let mut value = [0_u8; 64];
        let name = text("user.note");
        just(SYS_getxattr, &[text(&s.target).at(), name.at(), into(&mut value), 64])
    }),
    told("removexattr_target", "removes an attribute of a file outside", |s| {
        just(SYS_removexattr, &[text(&s.target).at(), text("user.note").at()])
    }),
    seen("write_library", "writes a file of the library", |s| {
        write_path(&format!("{}/note.txt", s.library), O_WRONLY, s)
    }),
    seen("create_library", "makes a file in the library", |s| {
        write_path(&format!("{}/new", s.library), O_WRONLY | O_CREAT, s)
    }),
    seen("truncate_library", "cuts a file of the library off", |s| {
        just(SYS_truncate, &[text(&format!("{}/note.txt", s.library)).at(), 1])
    }),
    seen("unlink_library", "removes a file of the library", |s| {
        just(SYS_unlink, &[text(&format!("{}/note.txt", s.library)).at()])
    }),
    seen("rename_library", "renames a file of the library", |s| {
        let (old, new) = (format!("{}/note.txt", s.library), format!("{}/new", s.library));
        just(SYS_rename, &[text(&old).at(), text(&new).at()])
    }),
    seen("chmod_library", "changes who may read a file of the library", |s| {
        just(SYS_chmod, &[text(&format!("{}/note.txt", s.library)).at(), 0o600])
    }),
    seen("fchmod_library", "changes it through the open file", |s| {
        let note = open(&format!("{}/note.txt", s.library), O_RDONLY)?;
        just(libc::SYS_fchmod, &[note, 0o600])
    }),
    seen("times_library", "changes the times of a file of the library", |s| {
        let (times, path) = ([1_i64, 0, 1, 0], format!("{}/note.txt", s.library));
        just(SYS_utimensat, &[HERE, text(&path).at(), at(&times), 0])
    }),
    seen("link_library", "gives a file of the library a second name", |s| {
        let (old, new) = (format!("{}/note.txt", s.library), format!("{}/note", s.scratch));
        just(SYS_linkat, &[HERE, text(&old).at(), HERE, text(&new).at(), 0])
    }),
    told("lock_library", "locks a file of the library for everybody", |s| {
        let note = open(&format!("{}/note.txt", s.library), O_RDONLY)?;
        just(SYS_flock, &[note, n(libc::LOCK_EX | libc::LOCK_NB)])
    }),
    told("record_lock_library", "locks a range of a file of the library for all writers", |s| {
        let note = open(&format!("{}/note.txt", s.library), O_RDONLY)?;
        let range = [0_u64; 8];
        just(SYS_fcntl, &[note, n(libc::F_SETLK), at(&range)])
    }),
    told("lease_library", "takes a lease that holds every writer up", |s| {
        let note = open(&format!("{}/note.txt", s.library), O_RDONLY)?;
        just(SYS_fcntl, &[note, n(libc::F_SETLEASE), n(libc::F_RDLCK)])
    }),
    told("notify_library", "has itself told of what others do in the library", |s| {
        let folder = open(&s.library, O_RDONLY | O_DIRECTORY)?;
        just(SYS_fcntl, &[folder, n(libc::F_NOTIFY), 4])
    }),
];

fn read_by_handle(stand: &Stand) -> Got {
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mount = 0_i32;
    let path = text(&stand.canary);
    let call_it = [HERE, path.at(), into(&mut handle), into(&mut mount), 0];
    call(SYS_name_to_handle_at, &call_it)?;
    let folder = open(&stand.folder, O_RDONLY | O_DIRECTORY)?;
    read(call(SYS_open_by_handle_at, &[folder, at(&handle), n(O_RDONLY)])?)
}
