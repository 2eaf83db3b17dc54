//! Text that must be erasable: sealed with ChaCha20-Poly1305 under a key of its own.
//!
//! Keys lie in a file beside the ledger's, so that the log can be copied without them. Erasing the
//! key erases the text for good, wherever the sealed bytes were copied to, and the chain stays
//! valid, because events name the hash of the *sealed* bytes.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use rusqlite::{Connection, OptionalExtension as _};
use zeroize::Zeroizing;

use crate::store::{Error, sqlite};

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;

/// The keys of one ledger's sealed texts.
pub struct KeyFile {
    /// One connection; each use holds it for one statement.
    connection: Mutex<Connection>,
}

impl KeyFile {
    /// Opens or makes the key file `path`. The caller sees to its mode (0600).
    pub fn at(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        Self::prepare(connection)
    }

    /// Keys that end with the process: for tests.
    pub fn in_memory() -> Result<Self, Error> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(connection: Connection) -> Result<Self, Error> {
        connection.pragma_update(None, "secure_delete", true)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID",
        )?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Seals `text` under a new key kept for the text's `id`. The key is durable before this
    /// returns; a crash before the event commits leaves a key without a text, which opens nothing.
    pub fn seal(&self, id: &str, text: &str) -> Result<Vec<u8>, Error> {
        let mut key = Zeroizing::new([0_u8; KEY_LENGTH]);
        let mut nonce = [0_u8; NONCE_LENGTH];
        getrandom::fill(key.as_mut()).map_err(unavailable)?;
        getrandom::fill(&mut nonce).map_err(unavailable)?;
        let cipher = ChaCha20Poly1305::new(Key::from_slice(key.as_ref()));
        let payload = Payload { msg: text.as_bytes(), aad: id.as_bytes() };
        let sealed = cipher
            .encrypt(Nonce::from_slice(&nonce), payload)
            .map_err(|_| Error::corrupt("a text too long to seal"))?;
        self.lock().execute("INSERT INTO keys VALUES (?1, ?2)", (id, key.as_ref()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// The text behind `sealed`; `None` when its key was erased.
    pub fn open(&self, id: &str, sealed: &[u8]) -> Result<Option<String>, Error> {
        let key: Option<[u8; KEY_LENGTH]> = self
            .lock()
            .query_row("SELECT key FROM keys WHERE id = ?1", [id], |row| row.get(0))
            .optional()?;
        let Some(key) = key.map(Zeroizing::new) else { return Ok(None) };
        let corrupt = || Error::corrupt(format!("the sealed text {id}"));
        let (nonce, body) = sealed.split_at_checked(NONCE_LENGTH).ok_or_else(corrupt)?;
        let opened = ChaCha20Poly1305::new(Key::from_slice(key.as_ref()))
            .decrypt(Nonce::from_slice(nonce), Payload { msg: body, aad: id.as_bytes() })
            .map_err(|_| corrupt())?;
        String::from_utf8(opened).map(Some).map_err(|_| corrupt())
    }

    /// Erases keys for good: overwritten in the file, and the write-ahead log is cut.
    pub fn erase(&self, ids: &[String]) -> Result<(), Error> {
        let connection = self.lock();
        for id in ids {
            connection.execute("DELETE FROM keys WHERE id = ?1", [id])?;
        }
        if connection.path().is_some_and(|path| !path.is_empty()) {
            sqlite::truncate_wal(&connection)?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile")
    }
}

fn unavailable(error: getrandom::Error) -> Error {
    Error::Unavailable(error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_until_its_key_is_erased() {
        let keys = KeyFile::in_memory().expect("memory opens");
        let sealed = keys.seal("txt_a", "a private thought").expect("it seals");
        assert!(!String::from_utf8_lossy(&sealed).contains("private"));
        assert_eq!(
            keys.open("txt_a", &sealed).expect("it opens").as_deref(),
            Some("a private thought")
        );
        keys.erase(&["txt_a".into()]).expect("it erases");
        assert_eq!(keys.open("txt_a", &sealed).expect("reading works"), None);
    }

    #[test]
    fn sealed_bytes_do_not_open_under_another_id_or_when_changed() {
        let keys = KeyFile::in_memory().expect("memory opens");
        let sealed = keys.seal("txt_a", "one").expect("it seals");
        keys.seal("txt_b", "two").expect("it seals");
        assert!(keys.open("txt_b", &sealed).is_err());
        let mut changed = sealed;
        changed[NONCE_LENGTH] ^= 1;
        assert!(keys.open("txt_a", &changed).is_err());
    }
}
