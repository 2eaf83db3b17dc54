//! Providers' keys: sealed files under the world's mutable folder, in force within a second.
//!
//! A key is never in the environment, in arguments, in a log or in an event. The files are sealed with
//! a key of this machine, so that a copied key file alone opens nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use sha2::{Digest as _, Sha256};
use vivarium_chassis::{clock, world};
use vivarium_types::Secret;
use zeroize::Zeroizing;

/// Characters of a key.
pub const LENGTH: std::ops::RangeInclusive<usize> = 16..=256;
const SEAL_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;
const MACHINE_FILE: &str = "machine.key";
const ENDING: &str = "sealed";

/// A text that cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 16 to 256 printable ASCII characters")]
pub struct NotAKey;

/// A provider's key.
pub type ApiKey = Arc<Secret<String>>;

/// Whether `text` can be a key.
pub fn check(text: &str) -> Result<(), NotAKey> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && LENGTH.contains(&text.len()) { Ok(()) } else { Err(NotAKey) }
}

/// The keys of one world.
#[derive(Debug)]
pub struct Keys {
    folder: PathBuf,
    machine: Secret<[u8; SEAL_LENGTH]>,
    /// Written by `set` and `clear`, behind the file.
    known: ArcSwap<BTreeMap<String, ApiKey>>,
    /// Written beside `known`, so that whoever depends on a key looks again.
    changed: tokio::sync::watch::Sender<u64>,
}

impl Keys {
    /// Opens the keys in `folder`, making the machine's own key if there is none.
    pub fn open(folder: &Path) -> io::Result<Self> {
        world::private_folder(folder)?;
        let machine = Secret::new(machine_key(&folder.join(MACHINE_FILE))?);
        let (changed, _) = tokio::sync::watch::channel(0);
        let keys = Self { folder: folder.to_owned(), machine, known: ArcSwap::default(), changed };
        let mut known = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
            if let (Some(provider), true) = (stem, path.extension().is_some_and(|e| e == ENDING)) {
                if let Some(key) = keys.unseal(&provider, &fs::read(&path)?) {
                    known.insert(provider, Arc::new(Secret::new(key)));
                } else {
                    tracing::warn!(provider, "a stored key does not open; set it again");
                }
            }
        }
        keys.known.store(Arc::new(known));
        Ok(keys)
    }

    /// The key of a provider.
    pub fn of(&self, provider: &str) -> Option<ApiKey> {
        self.known.load().get(provider).cloned()
    }

    /// All keys, for whoever has to find them in a text.
    pub fn secrets(&self) -> Vec<ApiKey> {
        self.known.load().values().cloned().collect()
    }

    /// All providers that have a key.
    pub fn providers(&self) -> Vec<String> {
        self.known.load().keys().cloned().collect()
    }

    /// Counts changes.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Stores a key durably; in force when this returns. Blocks on the disk.
    pub fn set(&self, provider: &str, key: String) -> io::Result<()> {
        let sealed = self.seal(provider, &key)?;
        world::replace(&self.file(provider), &sealed)?;
        self.change(|known| {
            known.insert(provider.to_owned(), Arc::new(Secret::new(key.clone())));
        });
        drop(Zeroizing::new(key));
        Ok(())
    }

    /// Forgets a key durably. Blocks on the disk.
    pub fn clear(&self, provider: &str) -> io::Result<()> {
        match fs::remove_file(self.file(provider)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::File::open(&self.folder)?.sync_all()?;
        self.change(|known| {
            known.remove(provider);
        });
        Ok(())
    }

    /// A digest of a key that tells nothing without this machine's own key: for telling a repeated
    /// request from another one.
    pub fn fingerprint(&self, key: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.machine.expose());
        digest.update(key.as_bytes());
        digest.finalize().into()
    }

    fn change(&self, edit: impl Fn(&mut BTreeMap<String, ApiKey>)) {
        self.known.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            edit(&mut known);
            known
        });
        self.changed.send_modify(|count| *count += 1);
    }

    fn file(&self, provider: &str) -> PathBuf {
        self.folder.join(format!("{provider}.{ENDING}"))
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(Key::from_slice(self.machine.expose()))
    }

    fn seal(&self, provider: &str, key: &str) -> io::Result<Vec<u8>> {
        let nonce: [u8; NONCE_LENGTH] = clock::random();
        let payload = Payload { msg: key.as_bytes(), aad: provider.as_bytes() };
        let sealed = self.cipher().encrypt(Nonce::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn unseal(&self, provider: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LENGTH)?;
        let payload = Payload { msg: sealed, aad: provider.as_bytes() };
        String::from_utf8(self.cipher().decrypt(Nonce::from_slice(nonce), payload).ok()?).ok()
    }
}

fn machine_key(path: &Path) -> io::Result<[u8; SEAL_LENGTH]> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| io::ErrorKind::InvalidData.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fresh: [u8; SEAL_LENGTH] = clock::random();
            world::replace(path, &fresh)?;
            Ok(fresh)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "gsk_0123456789abcdef";

    fn everything_under(folder: &Path) -> Vec<u8> {
        let files = fs::read_dir(folder).expect("it lists").map(|entry| entry.expect("an entry"));
        files.flat_map(|file| fs::read(file.path()).expect("it reads")).collect()
    }

    #[test]
    fn a_key_survives_a_restart_sealed_and_is_gone_when_cleared() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys::open(folder.path()).expect("they open");
        let mut changes = keys.changes();
        keys.set("groq", KEY.to_owned()).expect("it is set");
        assert!(changes.has_changed().expect("it lives"));
        changes.mark_unchanged();
        let bytes = everything_under(folder.path());
        assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()));
        let again = Keys::open(folder.path()).expect("they open");
        assert_eq!(again.of("groq").expect("it is there").expose(), KEY);
        assert!(!format!("{again:?}").contains(KEY));
        again.clear("groq").expect("it clears");
        again.clear("groq").expect("and once more");
        assert!(again.of("groq").is_none());
        assert!(Keys::open(folder.path()).expect("they open").of("groq").is_none());
    }

    #[test]
    fn a_key_sealed_for_one_provider_does_not_open_for_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys::open(folder.path()).expect("they open");
        keys.set("groq", KEY.to_owned()).expect("it is set");
        let moved = folder.path().join("other.sealed");
        fs::rename(folder.path().join("groq.sealed"), moved).expect("it moves");
        assert_eq!(Keys::open(folder.path()).expect("they open").providers(), [""; 0]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(check(KEY), Ok(()));
        for text in
            ["short", "with a space in the middle", &"x".repeat(257), "ümlaut-ümlaut-ümlaut"]
        {
            assert_eq!(check(text), Err(NotAKey), "{text}");
        }
    }
}
