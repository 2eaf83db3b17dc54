//! The files of a reference world, found by their names beneath one folder.
//!
//! Links are not followed. A name that is found twice is asked about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::report::{Place, Report};
use crate::failure::Failure;

/// Folders below the root that are looked into.
const DEPTH_MAX: usize = 8;
/// Entries that are looked at before the folder is taken for something else.
const ENTRIES_MAX: usize = 200_000;
/// Most bytes of a file that are read.
const BYTES_MAX: u64 = 1 << 30;

/// Files that are read, each once.
const SINGLE: [&str; 8] = [
    "queue.json",
    "execution_log.jsonl",
    "action_log.jsonl",
    "bounties.json",
    "messages_to_human.jsonl",
    "messages_from_human.json",
    "free_time_balances.json",
    "identity_library.json",
];

const NO_GUILDS: &str = "not yet kept here: this world has no guilds";
const NO_JOURNALS: &str = "not yet kept here: journals come over sealed or not at all";
const NO_LIBRARY: &str = "not yet kept here: documents are published once they are approved here";
/// Folders of the library over there.
const LIBRARY: [&str; 3] = ["swarm_docs", "resident_suggestions", "creative_works"];

/// Files that a reference world has and this import leaves, with why.
const LEFT: [(&str, &str); 5] = [
    ("guild_votes.json", NO_GUILDS),
    ("guilds.json", NO_GUILDS),
    ("teams.json", NO_GUILDS),
    ("kill_switch.json", "controls are not taken over: use `vivarium halt`"),
    ("runtime_speed.json", "controls are not taken over: use `vivarium pace`"),
];

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Files {
    root: PathBuf,
    found: Vec<(&'static str, PathBuf)>,
    identities: Vec<PathBuf>,
    discussions: Vec<PathBuf>,
    /// Documents by the folder of the library they lie in.
    library: BTreeMap<String, usize>,
}

/// A file with its name from the root and its text.
#[derive(Debug)]
pub(crate) struct Text {
    /// Its name from the root.
    pub(crate) name: String,
    /// The file's own name without its ending.
    pub(crate) stem: String,
    /// What stands in it.
    pub(crate) content: String,
}

impl Files {
    /// Looks through a folder. `chosen` names the files to read where a name is found twice.
    pub(crate) fn find(
        root: &Path,
        chosen: &[PathBuf],
        report: &mut Report,
    ) -> Result<Self, Failure> {
        let mut files = Self { root: root.to_owned(), ..Self::default() };
        let mut seen = 0;
        files.look(root, 0, &mut seen, report)?;
        files.choose(chosen)?;
        files.identities.sort();
        files.discussions.sort();
        for (folder, count) in &files.library {
            report.left_many(&Place::of(folder, 0), *count, NO_LIBRARY);
        }
        let empty = files.found.is_empty() && files.identities.is_empty();
        if empty && files.discussions.is_empty() {
            return Err(Failure::usage(
                format!("{} holds no file of a reference world", root.display()),
                "name the folder that holds its queue.json, or one above it",
            ));
        }
        Ok(files)
    }

    fn look(
        &mut self,
        folder: &Path,
        depth: usize,
        seen: &mut usize,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let unreadable = |error: std::io::Error| {
            let what = format!("cannot read {}: {error}", folder.display());
            Failure::usage(what, "name a folder that you may read")
        };
        let mut entries: Vec<_> = std::fs::read_dir(folder)
            .map_err(unreadable)?
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            *seen += 1;
            if *seen > ENTRIES_MAX {
                return Err(Failure::usage(
                    format!("{} holds more than {ENTRIES_MAX} files", self.root.display()),
                    "name the reference world's own folder",
                ));
            }
            // The type of the entry itself: a link is neither a file nor a folder.
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() && depth < DEPTH_MAX {
                self.look(&entry.path(), depth + 1, seen, report)?;
            } else if kind.is_file() {
                self.sort(entry.path(), report);
            }
        }
        Ok(())
    }

    /// Puts a file where it belongs, if it is one of a reference world.
    fn sort(&mut self, path: PathBuf, report: &mut Report) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let above = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let ends = |ending: &str| path.extension().is_some_and(|found| found == ending);
        if let Some(single) = SINGLE.into_iter().find(|single| *single == name) {
            self.found.push((single, path));
        } else if above == Some("identities") && ends("json") {
            self.identities.push(path);
        } else if above == Some("discussions") && ends("jsonl") {
            self.discussions.push(path);
        } else if above == Some("journals") && ends("jsonl") {
            let entries = self.read(&path, report).map_or(0, |file| {
                file.content.lines().filter(|line| !line.trim().is_empty()).count()
            });
            // Only how many there are: their words stay where they are.
            report.left_many(&Place::of(&self.name(&path), 0), entries, NO_JOURNALS);
        } else if above == Some("guilds") && ends("json") {
            report.left(&Place::of(&self.name(&path), 0), NO_GUILDS);
        } else if let Some(folder) = self.shelf(&path).filter(|_| ends("md") || ends("json")) {
            *self.library.entry(folder).or_default() += 1;
        } else if let Some((_, why)) = LEFT.into_iter().find(|(left, _)| *left == name) {
            report.left(&Place::of(&self.name(&path), 0), why);
        }
    }

    /// The folder of the library in which a file lies, if it lies in one.
    fn shelf(&self, path: &Path) -> Option<String> {
        let inside = path.strip_prefix(&self.root).ok()?;
        let mut folder = PathBuf::new();
        let mut in_library = false;
        for part in inside.parent()?.components() {
            folder.push(part);
            let name = part.as_os_str().to_str().unwrap_or_default();
            in_library |= name == "library";
            if in_library && LIBRARY.contains(&name) {
                return Some(folder.display().to_string());
            }
        }
        None
    }

    /// Where a name was found twice, the one that was chosen.
    fn choose(&mut self, chosen: &[PathBuf]) -> Result<(), Failure> {
        for single in SINGLE {
            let same: Vec<PathBuf> = self
                .found
                .iter()
                .filter(|(name, _)| *name == single)
                .map(|(_, path)| path.clone())
                .collect();
            if same.len() < 2 {
                continue;
            }
            let wanted = |path: &&PathBuf| chosen.iter().any(|one| path.ends_with(one));
            let mut wanted = same.iter().filter(wanted);
            let (Some(one), None) = (wanted.next(), wanted.next()) else {
                let names: Vec<_> = same.iter().map(|path| self.name(path)).collect();
                return Err(Failure::usage(
                    format!("{single} was found more than once: {}", names.join(", ")),
                    format!("say which one: --file {}", names.first().map_or("", String::as_str)),
                ));
            };
            let one = one.clone();
            self.found.retain(|(name, path)| *name != single || *path == one);
        }
        Ok(())
    }

    /// A file that there is at most once.
    pub(crate) fn single(&self, name: &str, report: &mut Report) -> Option<Text> {
        let (_, path) = self.found.iter().find(|(found, _)| *found == name)?;
        self.read(path, report)
    }

    /// The files of single residents.
    pub(crate) fn identities(&self, report: &mut Report) -> Vec<Text> {
        self.identities.iter().filter_map(|path| self.read(path, report)).collect()
    }

    /// The files of rooms.
    pub(crate) fn discussions(&self, report: &mut Report) -> Vec<Text> {
        self.discussions.iter().filter_map(|path| self.read(path, report)).collect()
    }

    fn read(&self, path: &Path, report: &mut Report) -> Option<Text> {
        let name = self.name(path);
        let small = std::fs::metadata(path).is_ok_and(|known| known.len() <= BYTES_MAX);
        let read =
            if small { std::fs::read(path) } else { Err(std::io::ErrorKind::FileTooLarge.into()) };
        match read {
            Ok(bytes) => {
                let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                // A broken character spoils its own line, not the file.
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Some(Text { name, stem: stem.to_owned(), content: text })
            }
            Err(error) => {
                report.left(&Place::of(&name, 0), format!("it cannot be read: {error}"));
                None
            }
        }
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}
