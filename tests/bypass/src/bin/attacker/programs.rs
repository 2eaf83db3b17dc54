//! Attacks by running something else than the program that was listed, and on the filters themselves.

use std::path::Path;

use libc::{
    AT_EMPTY_PATH, ENOENT, O_PATH, SYS_dup2, SYS_execve, SYS_execveat, SYS_ioperm, SYS_iopl,
    SYS_landlock_create_ruleset, SYS_memfd_create, SYS_modify_ldt, SYS_mprotect, SYS_prctl,
    SYS_seccomp, SYS_write,
};
use vivarium_bypass::stand::Stand;

use crate::board::{Attack, HERE, n, open, seen, shown, told};
use crate::sys::{Came, Got, Text, at, attempt, bytes_at, call, call_32, just, ok, put_at, text};

const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// Libraries that tell of themselves when they are run ([`vivarium_bypass::stand::LIBRARY_RAN`]).
const LIBRARIES: [&str; 3] =
    ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"];

pub(crate) const ALL: &[Attack] = &[
    told("run_shell", "runs a shell", |_| {
        run(SYS_execve, "/bin/sh", &["sh", "-c", "echo ok it ran"])
    }),
    told("run_program", "runs another program", |_| {
        run(SYS_execve, "/bin/echo", &["echo", "ok it ran"])
    }),
    told("run_copy", "runs a program that it wrote", |s| {
        run(SYS_execve, &copy(s)?, &["attacker", "said", "copy"])
    }),
    told("run_copy_at", "runs it by the newer call", |s| {
        let file = open(&copy(s)?, O_PATH)?;
        run_file(file, "", &["attacker", "said", "copy"])
    }),
    told("run_copy_number", "runs it under the number that its own file had", |s| {
        let file = open(&copy(s)?, O_PATH)?;
        each_number(file, &["attacker", "said", "number"])
    }),
    told("run_copy_path", "runs it by its path where a number is asked for", |s| {
        let path = copy(s)?;
        each(|number| run_file(number, &path, &["attacker", "said", "path"]))
    }),
    told("run_memory", "runs a program that is only in memory", |s| {
        let file = call(SYS_memfd_create, &[text("m").at(), 0])?;
        let bytes = own(s)?;
        let length = i64::try_from(bytes.len()).unwrap_or(0);
        call(SYS_write, &[file, at(bytes.as_slice()), length])?;
        run_file(file, "", &["attacker", "said", "memory"])
    }),
    told("run_leaked", "runs what was left open", |s| {
        run_file(n(s.leaked_folder), "../../../bin/echo", &["echo", "ok it ran"])
    }),
    told("run_library", "runs a library, which is a program as well", |_| {
        run(SYS_execve, library()?, &["libc"])
    }),
    told("load_library", "has the loader run a library", |_| {
        run(SYS_execve, loader()?, &["ld.so", library()?])
    }),
    told("load_copy", "has the loader run a program that it wrote", |s| {
        let path = copy(s)?;
        run(SYS_execve, loader()?, &["ld.so", &path, "said", "loader"])
    }),
    told("load_number", "runs the loader under the number of its own file", |s| {
        let path = copy(s)?;
        let file = open(loader()?, O_PATH)?;
        each_number(file, &["ld.so", &path, "said", "loader"])
    }),
    told("load_path", "runs the loader by its path where a number is asked for", |s| {
        let (path, loader) = (copy(s)?, loader()?);
        each(|number| run_file(number, loader, &["ld.so", &path, "said", "loader"]))
    }),
    told("load_program", "has the loader run a program of the machine", |_| {
        let loader = loader()?;
        each(|number| run_file(number, loader, &["ld.so", "/usr/bin/echo", "ok it ran"]))
    }),
    told("ports", "speaks to the machine's ports", |_| just(SYS_ioperm, &[0x80, 1, 1])),
    told("all_ports", "speaks to all ports", |_| just(SYS_iopl, &[3])),
    told("segments", "reads its table of segments", |_| {
        let mut table = [0_u8; 64];
        just(SYS_modify_ldt, &[0, crate::sys::into(&mut table), 64])
    }),
    told("call_32", "makes a call in the form of 32-bit programs", |_| ok(call_32(20, 0, 0, 0))),
    seen("read_32", "reads a file outside in the form of 32-bit programs", read_32),
    told("call_x32", "makes a call in the numbers of another form", |_| {
        just(0x4000_0000 + 39, &[])
    }),
    told("socket_unknown", "makes a socket in numbers that nobody has", |_| {
        just(0x1_0000_0029, &[1, 1, 0])
    }),
    told("own_rules", "puts itself under rules of its own", |_| {
        just(SYS_landlock_create_ruleset, &[at(&[1_u64]), 8, 0])
    }),
    told("own_filter", "puts a filter of its own above", |_| {
        let (code, filter) = ([0x7fff_0000_0000_0006_u64], |at: i64| [1_i64, at]);
        attempt(SYS_prctl, &[38, 1, 0, 0, 0]);
        just(SYS_seccomp, &[1, 0, at(&filter(at(&code)))])
    }),
    told("own_filter_older", "puts a filter above by the older call", |_| {
        let code = [0x7fff_0000_0000_0006_u64];
        attempt(SYS_prctl, &[38, 1, 0, 0, 0]);
        just(SYS_prctl, &[22, 2, at(&[1_i64, at(&code)]), 0, 0])
    }),
    told("listen_filter", "decides itself about refused calls", |_| {
        let code = [0x7fff_0000_0000_0006_u64];
        attempt(SYS_prctl, &[38, 1, 0, 0, 0]);
        just(SYS_seccomp, &[1, 8, at(&[1_i64, at(&code)])])
    }),
    told("take_calls", "has its calls sent to itself", |_| just(SYS_prctl, &[59, 0, 0, 0, 0])),
    told("own_layout", "tells the kernel where its parts lie", |_| {
        just(SYS_prctl, &[35, 14, 0, 0, 0])
    }),
    told("new_rights_again", "takes back that nothing gains rights", |_| {
        just(SYS_prctl, &[38, 0, 0, 0, 0])
    }),
    told("protect_key", "protects memory by a key", |_| just(libc::SYS_pkey_alloc, &[0, 0])),
    told("old_library", "loads a library the old way", |_| just(134, &[text("/lib/x").at()])),
    told("cookies", "asks for the kernel's cookies", |_| just(212, &[0, 0, 0])),
    told("file_systems", "asks what file systems there are", |_| just(139, &[3, 0, 0])),
    told("self_attributes", "changes its marks of security", |_| {
        just(460, &[100, at(&[0_u64; 8]), 64, 0])
    }),
    told("modules", "asks what guards the machine", |_| {
        let (mut list, mut size) = ([0_u64; 16], 128_u32);
        just(461, &[crate::sys::into(&mut list), crate::sys::into(&mut size), 0])
    }),
    told("cached", "asks what of a file outside is in memory", |s| {
        let file = open(&s.canary, libc::O_RDONLY)?;
        just(451, &[file, at(&[0_u64, 4096]), crate::sys::into(&mut [0_u64; 8]), 0])
    }),
];

/// A text list for the kernel.
fn list(words: &[Text]) -> Vec<i64> {
    words.iter().map(Text::at).chain([0]).collect()
}

fn run(number: libc::c_long, path: &str, arguments: &[&str]) -> Got {
    let words: Vec<Text> = arguments.iter().map(|word| text(word)).collect();
    let (list, none) = (list(&words), [0_i64]);
    just(number, &[text(path).at(), at(list.as_slice()), at(&none)])
}

fn run_file(file: i64, path: &str, arguments: &[&str]) -> Got {
    let words: Vec<Text> = arguments.iter().map(|word| text(word)).collect();
    let (list, none) = (list(&words), [0_i64]);
    let path = text(path);
    let (list, none, empty) = (at(list.as_slice()), at(&none), n(AT_EMPTY_PATH));
    just(SYS_execveat, &[file, path.at(), list, none, empty])
}

/// Tries every small number, one of which the filter lets pass.
fn each(one: impl Fn(i64) -> Got) -> Got {
    (0..20)
        .map(|number| one(if number == 19 { HERE } else { number }))
        .last()
        .unwrap_or(Err(ENOENT))
}

fn each_number(file: i64, arguments: &[&str]) -> Got {
    let held = call(SYS_dup2, &[file, 40])?;
    let on_it = |number| -> Came { call(SYS_dup2, &[held, number]) };
    // Standard output stays, since it carries the news.
    each(
        |number| {
            if number < 3 {
                Err(ENOENT)
            } else {
                on_it(number).and(run_file(number, "", arguments))
            }
        },
    )
}

fn own(stand: &Stand) -> Result<Vec<u8>, i32> {
    std::fs::read(&stand.own).map_err(|error| error.raw_os_error().unwrap_or(ENOENT))
}

/// A copy of itself where it may write.
fn copy(stand: &Stand) -> Got {
    let path = format!("{}/program", stand.scratch);
    let bytes = own(stand)?;
    std::fs::write(&path, bytes).map_err(|error| error.raw_os_error().unwrap_or(ENOENT))?;
    let file = open(&path, libc::O_RDONLY)?;
    call(libc::SYS_fchmod, &[file, 0o755])?;
    call(libc::SYS_close, &[file])?;
    Ok(path)
}

fn library() -> Result<&'static str, i32> {
    LIBRARIES.into_iter().find(|path| Path::new(path).exists()).ok_or(ENOENT)
}

fn loader() -> Result<&'static str, i32> {
    LOADERS.into_iter().find(|path| Path::new(path).exists()).ok_or(ENOENT)
}

/// Reads by 32-bit calls, from a page that they can reach.
fn read_32(stand: &Stand) -> Got {
    let low = call(libc::SYS_mmap, &[0, 8192, 3, 0x62, -1, 0])?;
    call(SYS_mprotect, &[low, 8192, 3])?;
    put_at(low, &[stand.canary.as_bytes(), &[0]].concat());
    let address = u32::try_from(low).map_err(|_| libc::EFAULT)?;
    let file = call_32(5, address, 0, 0)?;
    let count = call_32(3, u32::try_from(file).unwrap_or(0), address, 200)?;
    Ok(shown(&bytes_at(low, usize::try_from(count).unwrap_or(0))))
}
