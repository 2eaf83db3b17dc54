//! The attacks, and the small things that many of them do.

use std::process::ExitCode;

use vivarium_bypass::stand::{Entry, Proof, Stand};

use crate::sys::{Came, Got, attempt, call, into, text};
use crate::{bombs, devices, files, folders, network, others, programs, rights, stock};

/// The folder that a process is in.
pub(crate) const HERE: i64 = libc::AT_FDCWD as i64;

/// One attack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attack {
    /// Its name.
    pub(crate) id: &'static str,
    /// How it is judged.
    pub(crate) proof: Proof,
    /// One sentence.
    pub(crate) about: &'static str,
    /// Does it.
    pub(crate) run: fn(&Stand) -> Got,
}

/// An attack that the test sees from outside.
pub(crate) const fn seen(id: &'static str, about: &'static str, run: fn(&Stand) -> Got) -> Attack {
    Attack { id, proof: Proof::Seen, about, run }
}

/// An attack whose success the attacker has to tell.
pub(crate) const fn told(id: &'static str, about: &'static str, run: fn(&Stand) -> Got) -> Attack {
    Attack { id, proof: Proof::Told, about, run }
}

const BOARD: [(&str, &[Attack]); 9] = [
    ("files", files::ALL),
    ("files", folders::ALL),
    ("files", devices::ALL),
    ("network", network::ALL),
    ("processes", others::ALL),
    ("processes", bombs::ALL),
    ("rights", rights::ALL),
    ("rights", stock::ALL),
    ("rights", programs::ALL),
];

/// All attacks.
pub(crate) fn all() -> impl Iterator<Item = Attack> {
    BOARD.into_iter().flat_map(|(_, attacks)| attacks.iter().copied())
}

/// Prints all attacks, a line of JSON each.
pub(crate) fn list() -> ExitCode {
    for (class, attacks) in BOARD {
        for attack in attacks {
            let entry = Entry {
                id: attack.id.to_owned(),
                class: class.to_owned(),
                proof: attack.proof,
                about: attack.about.to_owned(),
            };
            crate::tell(&serde_json::to_string(&entry).unwrap_or_default());
        }
    }
    ExitCode::SUCCESS
}

/// Opens a path.
pub(crate) fn open(path: &str, flags: i32) -> Came {
    open_at(HERE, path, flags)
}

/// Opens a path from a folder.
pub(crate) fn open_at(folder: i64, path: &str, flags: i32) -> Came {
    let path = text(path);
    call(libc::SYS_openat, &[folder, path.at(), i64::from(flags), 0o666])
}

/// What an open file holds.
pub(crate) fn read(file: i64) -> Got {
    let mut bytes = [0_u8; 256];
    let count = call(libc::SYS_read, &[file, into(&mut bytes), 256])?;
    Ok(shown(bytes.get(..usize::try_from(count).unwrap_or(0)).unwrap_or_default()))
}

/// Opens and reads.
pub(crate) fn read_path(path: &str) -> Got {
    let file = open(path, libc::O_RDONLY)?;
    let got = read(file);
    attempt(libc::SYS_close, &[file]);
    got
}

/// Opens, and writes the token.
pub(crate) fn write_path(path: &str, flags: i32, stand: &Stand) -> Got {
    write(open(path, flags)?, &stand.token)
}

/// Writes to an open file.
pub(crate) fn write(file: i64, words: &str) -> Got {
    let text = text(words);
    let length = i64::try_from(words.len()).unwrap_or(0);
    crate::sys::just(libc::SYS_write, &[file, text.at(), length])
}

/// Bytes, printed on one line.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(bytes).into();
    shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A number as the kernel takes it.
pub(crate) fn n(number: i32) -> i64 {
    i64::from(number)
}
