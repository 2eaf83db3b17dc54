//! The files of the house as text, without what cargo, npm or a running world left beside them.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// Folders that hold nothing written by hand.
const NOT_OURS: [&str; 5] = [".git", "target", "node_modules", "panel/dist", "world/mutable"];
/// Endings of files that are text.
const TEXT: [&str; 12] =
    ["rs", "md", "toml", "proto", "yaml", "yml", "css", "html", "js", "mjs", "json", "txt"];

/// One text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// From the top, with forward slashes.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl File {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The part of the name behind the last dot.
    pub fn kind(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, kind)| kind)
    }
}

/// The whole house.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The top folder.
    pub top: PathBuf,
    files: Vec<File>,
}

impl Tree {
    /// Reads the checkout that this crate lies in.
    ///
    /// # Panics
    /// If the checkout cannot be found around this crate.
    pub fn read() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let top = here.ancestors().nth(2).expect("tests/tidy lies two levels deep");
        Self::of(top)
    }

    /// Reads the folder `top`.
    pub fn of(top: &Path) -> Self {
        let mut files: Vec<_> = WalkDir::new(top)
            .into_iter()
            .filter_entry(|entry| is_ours(top, entry))
            .flatten()
            .filter(|entry| entry.file_type().is_file() && is_text(entry.path()))
            .filter_map(|entry| {
                let text = fs::read_to_string(entry.path()).ok()?;
                Some(File { path: inside(top, entry.path()), text })
            })
            .collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Self { top: top.to_owned(), files }
    }

    /// All files below `folder` (from the top; empty for all) with this ending.
    pub fn files(&self, folder: &str, kind: &str) -> impl Iterator<Item = &File> {
        self.all(folder).filter(move |file| file.kind() == kind)
    }

    /// All files below `folder`.
    pub fn all(&self, folder: &str) -> impl Iterator<Item = &File> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.files.iter().filter(move |file| file.path.starts_with(&prefix))
    }

    /// The text of one file, if it is there.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// The folders of the workspace's crates, in order.
    pub fn crates(&self) -> Vec<&str> {
        let top: toml::Table =
            self.text("Cargo.toml").unwrap_or_default().parse().unwrap_or_default();
        let excluded =
            top.get("workspace").and_then(|workspace| workspace.get("exclude")?.as_array());
        let excluded: Vec<&str> =
            excluded.into_iter().flatten().filter_map(toml::Value::as_str).collect();
        let manifest = |file: &&File| {
            file.name() == "Cargo.toml"
                && file.path != "Cargo.toml"
                && !excluded.iter().any(|folder| file.path.starts_with(folder))
        };
        self.files
            .iter()
            .filter(manifest)
            .filter_map(|file| file.path.strip_suffix("/Cargo.toml"))
            .collect()
    }

    /// Whether the crate in `folder` is more than its stub line.
    pub fn is_built_up(&self, folder: &str) -> bool {
        ["src/lib.rs", "src/main.rs"].iter().any(|file| {
            self.text(&format!("{folder}/{file}"))
                .is_some_and(|text| !text.starts_with("//! Under construction."))
        })
    }
}

fn inside(top: &Path, path: &Path) -> String {
    path.strip_prefix(top).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn is_ours(top: &Path, entry: &DirEntry) -> bool {
    let path = inside(top, entry.path());
    let name = entry.file_name().to_string_lossy();
    !NOT_OURS.iter().any(|theirs| path == *theirs || name == *theirs) && !name.ends_with(".tmp")
}

fn is_text(path: &Path) -> bool {
    let in_ci = path.parent().and_then(Path::file_name).is_some_and(|folder| folder == ".ci");
    in_ci
        || path
            .extension()
            .and_then(|kind| kind.to_str())
            .is_some_and(|kind| TEXT.contains(&kind) && !path.ends_with("package-lock.json"))
}
