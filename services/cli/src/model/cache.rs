//! The cache that all worlds of a user share, so that a second world does not fetch a gigabyte
//! again. Nothing in it is trusted: a file is hashed whenever it is taken from here.
//!
//! `VIVARIUM_MODEL_CACHE` names another folder; empty means none, and then the world alone keeps it.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest as _, Sha256};
use vivarium_chassis::{Refusal, World, world};
use vivarium_types::Reason;

use super::manifest::Model;
use super::progress::{CHECKING, Progress};
use super::shelf;
use crate::failure::Failure;

/// Names another folder, or with an empty value none.
const VARIABLE: &str = "VIVARIUM_MODEL_CACHE";
/// Bytes that are read at once.
const CHUNK: usize = 1024 * 1024;

/// Where files are fetched to, and half-fetched ones wait.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of this user, or the world's own shelf.
    pub(super) fn open(world: &World) -> io::Result<Self> {
        let folder = place().unwrap_or_else(|| shelf::folder(world));
        world::private_folder(&folder)?;
        Ok(Self { folder: folder.canonicalize()? })
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a whole file lies.
    pub(super) fn whole(&self, model: &Model) -> PathBuf {
        self.folder.join(shelf::file_name(model))
    }

    /// Where a half-fetched file waits. The hash is in its name: parts of two files never mix.
    pub(super) fn part(&self, model: &Model) -> PathBuf {
        let hash: String = model.sha256.chars().take(16).collect();
        self.folder.join(format!("{}.{hash}.part", model.name))
    }

    /// Where packages are unpacked; emptied each time.
    pub(super) fn scratch(&self, model: &Model) -> PathBuf {
        self.folder.join(format!("{}.unpack", model.name))
    }

    /// The right to fetch something; the system takes it back however the process ends.
    pub(super) fn lock(&self, what: &str) -> Result<Flock<File>, Failure> {
        let file = world::private_append(&self.folder.join(format!("{what}.lock")))?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| Refusal::new(Reason::ModelFetchBusy).with("what", what).into())
    }
}

/// The folder of the cache; `None` when there is to be none.
fn place() -> Option<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE) {
        return (!named.is_empty()).then(|| PathBuf::from(named));
    }
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("vivarium").join("models"))
}

/// Whether a file is this model, byte for byte. A missing file is not.
pub(super) fn is_sound(path: &Path, model: &Model, progress: &Progress) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) if found.len() == model.bytes => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    progress.begin(CHECKING, model.bytes);
    let (mut file, mut digest) = (File::open(path)?, Sha256::new());
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        digest.update(&chunk[..count]);
        done += count as u64;
        progress.at(done);
    }
    Ok(hex::encode(digest.finalize()) == model.sha256)
}
