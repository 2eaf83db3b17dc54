//! Where a world keeps its things. Nothing outside this folder is ever written.
//!
//! `config/ rules/ seed/ library/` are data that people read and edit; `mutable/` is the machine's:
//! folders there are 0700 and files made through this module are 0600.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use vivarium_types::Clock as _;
use vivarium_types::ids::WorldId;

use crate::clock;
use crate::identity::Name;

/// The paths of one world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    root: PathBuf,
}

impl World {
    /// The world at `root`; nothing is read or made.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The world at `root`, with the folders of `mutable` made and closed to others.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root)?;
        let world = Self { root: root.canonicalize()? };
        let folders = [world.mutable(), world.ledgers(), world.keys(), world.run(), world.logs()];
        for folder in folders {
            private_folder(&folder)?;
        }
        Ok(world)
    }

    /// The world's own folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Settings: one commented TOML file a service.
    pub fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    /// Constitution, command policy, prices.
    pub fn rules(&self) -> PathBuf {
        self.root.join("rules")
    }

    /// First residents, rooms, quests and texts.
    pub fn seed(&self) -> PathBuf {
        self.root.join("seed")
    }

    /// Published Markdown.
    pub fn library(&self) -> PathBuf {
        self.root.join("library")
    }

    /// What processes write.
    pub fn mutable(&self) -> PathBuf {
        self.root.join("mutable")
    }

    /// Ledgers and their key files.
    pub fn ledgers(&self) -> PathBuf {
        self.mutable().join("ledgers")
    }

    /// The ledger file of a service, such as `mutable/ledgers/queue.db`.
    pub fn ledger(&self, service: &str) -> PathBuf {
        self.ledgers().join(format!("{service}.db"))
    }

    /// The file of a service's text keys, such as `mutable/ledgers/queue.keys.db`.
    pub fn ledger_keys(&self, service: &str) -> PathBuf {
        self.ledgers().join(format!("{service}.keys.db"))
    }

    /// The read models of a service whose ledger lies on a server.
    pub fn ledger_views(&self, service: &str) -> PathBuf {
        self.ledgers().join(format!("{service}.views.db"))
    }

    /// This world's id. The first who asks makes it; it goes with the keys into every copy.
    pub fn id(&self) -> io::Result<WorldId> {
        let path = self.keys().join("world.id");
        if !path.exists() {
            let fresh: WorldId = clock::ids().mint(clock::SystemClock.now());
            let draft = self.keys().join(format!("world.id.{fresh}"));
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(fresh.to_string().as_bytes())?;
            file.sync_all()?;
            // Of several that are at it at once, one link is made.
            let linked = fs::hard_link(&draft, &path);
            fs::remove_file(&draft)?;
            match linked {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => File::open(self.keys())?.sync_all()?,
            }
        }
        let text = fs::read_to_string(&path)?;
        text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The authority's and the operators' keys.
    pub fn keys(&self) -> PathBuf {
        self.mutable().join("keys")
    }

    /// What lives as long as the processes do: identities, sockets.
    pub fn run(&self) -> PathBuf {
        self.mutable().join("run")
    }

    /// Log files.
    pub fn logs(&self) -> PathBuf {
        self.mutable().join("logs")
    }

    /// The file that halts the world while `queue` is dead (`domain.md`, section 2).
    pub fn halt_file(&self) -> PathBuf {
        self.mutable().join("HALT")
    }

    /// The world's trust file: every identity's public keys.
    pub fn trust(&self) -> PathBuf {
        self.run().join("trust.json")
    }

    /// The trust file as the authority keeps it: it outlives the run folder, because old logs name
    /// keys in it.
    pub(crate) fn trust_kept(&self) -> PathBuf {
        self.keys().join("trust.json")
    }

    /// Where an identity's bundle lies: services under `run`, operators under `keys`.
    pub fn identity(&self, name: &Name) -> PathBuf {
        match name {
            Name::Service(service) => self.run().join("identity").join(service.name()),
            Name::Supervisor => self.run().join("identity").join("supervisor"),
            Name::Operator(operator) => self.keys().join("operator").join(operator),
        }
    }
}

/// Makes a folder and what is above it, for the owner alone.
pub fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // `recursive` leaves the mode of a folder that is there already.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Opens a file for writing at its end, for the owner alone.
pub fn private_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Replaces a file by `bytes`, for the owner alone: after a crash it holds all of the old content
/// or all of the new. The folder must be there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut draft_name = name.to_owned();
    draft_name.push(format!(".{}.tmp", std::process::id()));
    let draft = folder.join(draft_name);
    // A draft left by a crash may have another mode: it is never reused.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written.and_then(|()| fs::rename(&draft, path)) {
        // A draft that did not become the file helps nobody.
        let (Ok(()) | Err(_)) = fs::remove_file(&draft);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn a_world_keeps_the_id_that_was_made_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let world = World::open(folder.path().join("w")).expect("it opens");
        let ids = std::thread::scope(|threads| {
            let asking: Vec<_> = (0..8).map(|_| threads.spawn(|| world.id())).collect();
            let ids = asking.into_iter().map(|one| one.join().expect("it ends").expect("an id"));
            ids.collect::<std::collections::BTreeSet<_>>()
        });
        assert_eq!(ids, [world.id().expect("it is kept")].into());
        assert_eq!(fs::read_dir(world.keys()).expect("it lists").count(), 1);
    }

    #[test]
    fn a_world_is_closed_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let world = World::open(folder.path().join("w")).expect("it opens");
        assert_eq!(mode(&world.ledgers()), 0o700);
        let file = world.run().join("bundle");
        replace(&file, b"one").expect("it writes");
        replace(&file, b"two").expect("it writes again");
        assert_eq!((fs::read(&file).expect("it reads"), mode(&file)), (b"two".to_vec(), 0o600));
        assert_eq!(fs::read_dir(world.run()).expect("it lists").count(), 1);
    }
}
