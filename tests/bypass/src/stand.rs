//! What an attack finds to aim at, as the test made it and as the attacker is told of it.

use serde::{Deserialize, Serialize};

/// What a library says that was run as a program.
pub const LIBRARY_RAN: &str = "GNU C Library";

/// How an attack is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// By what the test sees outside: a secret in the output, a changed file, a connection, a victim.
    Seen,
    /// By what the attacker says: nothing outside changes when the call succeeds.
    Told,
}

/// One attack, as `attacker list` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub id: String,
    /// What it goes for: `files`, `network`, `processes` or `rights`.
    pub class: String,
    /// How it is judged.
    pub proof: Proof,
    /// One sentence.
    pub about: String,
}

/// The aims of one attack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// A word that stands in every secret of this stand and nowhere else.
    pub token: String,
    /// A folder outside with everything in it.
    pub folder: String,
    /// A file outside that everybody may read, with a secret in it.
    pub canary: String,
    /// A file outside that everybody may write.
    pub target: String,
    /// The library as the attacker finds it: `note.txt`, and `link`, which leads to the canary.
    pub library: String,
    /// A folder that the attacker may write by right.
    pub scratch: String,
    /// The attacker's own file.
    pub own: String,
    /// A TCP port of this machine.
    pub tcp: u16,
    /// A UDP port of this machine.
    pub udp: u16,
    /// The path of a UNIX socket.
    pub unix: String,
    /// The name of an abstract UNIX socket.
    pub hidden: String,
    /// A process of the same user that holds a secret.
    pub victim: i32,
    /// Where in its memory the secret is.
    pub secret: u64,
    /// Where in its memory the byte is that it watches.
    pub watched: u64,
    /// A number under which it has the canary open.
    pub opened: i32,
    /// Inherited: a file with a secret.
    pub leaked_file: i32,
    /// Inherited: the folder of that file.
    pub leaked_folder: i32,
    /// Inherited: a connected socket.
    pub leaked_socket: i32,
    /// Shared memory with a secret (System V).
    pub memory: i32,
    /// A message queue (System V).
    pub queue: i32,
    /// A semaphore (System V).
    pub semaphore: i32,
}
