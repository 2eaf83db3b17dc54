//! The folders that commands may read, and the only way a path gets into an argument vector.
//!
//! A path is refused by its form first; then the kernel resolves it beneath its root (`openat2` with
//! `BENEATH`, `NO_SYMLINKS`, `NO_MAGICLINKS` and `NO_XDEV`), and what was found is looked at through
//! the open file. What a later exchange of the file could reach is bounded by the sandbox, in which
//! nothing but the roots exists.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use crate::planted::{self, Control};
use crate::request::Mount;

/// Most characters of a path.
const PATH_CHARS_MAX: usize = 240;

/// A folder that commands may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its name: `library`, or `workspace:` and a name that the operator gave.
    pub name: String,
    /// Where it lies.
    pub host: PathBuf,
}

impl Root {
    /// Where a command finds it.
    pub fn inside(&self) -> String {
        format!("/{}", self.name.replace(':', "/"))
    }

    /// What the helper is told of it.
    pub fn mount(&self) -> Mount {
        Mount { host: self.host.clone(), inside: self.inside() }
    }
}

/// What a path has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// What is asked whether a path is there.
pub trait Paths {
    /// The path inside the sandbox, or why not.
    fn resolve(&self, folder: &str, path: &str, kind: Kind) -> Result<String, String>;
}

/// The roots of one run.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    roots: Vec<Root>,
}

impl Roots {
    /// These folders.
    pub fn new(roots: Vec<Root>) -> Self {
        Self { roots }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter()
    }

    /// Whether a folder has the form of one beneath a root, wherever it lies.
    pub fn form(&self, folder: &str) -> Result<(), String> {
        let (name, rest) = split(folder);
        self.root(name)?;
        join(rest, "").map(drop)
    }

    fn root(&self, name: &str) -> Result<&Root, String> {
        let root = self.roots.iter().find(|root| root.name == name);
        root.ok_or_else(|| format!("there is no root {name}"))
    }

    /// What the helper is told of them.
    pub fn mounts(&self) -> Vec<Mount> {
        self.roots.iter().map(Root::mount).collect()
    }
}

impl Paths for Roots {
    fn resolve(&self, folder: &str, path: &str, kind: Kind) -> Result<String, String> {
        let (name, rest) = split(folder);
        let root = self.root(name)?;
        let relative = join(rest, path)?;
        if planted::holds(Control::Beneath) {
            let found = open(&root.host, &relative).map_err(|why| format!("{relative}: {why}"))?;
            look_at(&found, kind).map_err(|why| format!("{relative}: {why}"))?;
        }
        Ok(within(&root.inside(), &relative))
    }
}

/// Only the form of a path: for the examples of a rule, where no file exists.
#[derive(Debug, Clone, Copy)]
pub struct Shape;

impl Paths for Shape {
    fn resolve(&self, folder: &str, path: &str, _kind: Kind) -> Result<String, String> {
        let (name, rest) = split(folder);
        let root = Root { name: name.to_owned(), host: PathBuf::new() };
        Ok(within(&root.inside(), &join(rest, path)?))
    }
}

fn split(folder: &str) -> (&str, &str) {
    folder.split_once('/').unwrap_or((folder, ""))
}

fn within(root: &str, relative: &str) -> String {
    if relative.is_empty() { root.to_owned() } else { format!("{root}/{relative}") }
}

/// A folder and a path in it, each name of it plain; one `./` before it means nothing.
fn join(folder: &str, path: &str) -> Result<String, String> {
    let path = path.strip_prefix("./").unwrap_or(path);
    let whole = match (folder, path) {
        (folder, "" | ".") => folder.to_owned(),
        ("", path) => path.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    };
    if !planted::holds(Control::Beneath) {
        return Ok(whole);
    }
    if whole.chars().count() > PATH_CHARS_MAX {
        return Err(format!("a path has at most {PATH_CHARS_MAX} characters"));
    }
    if whole.is_empty() {
        return Ok(whole);
    }
    for name in whole.split('/') {
        plain(name)?;
    }
    Ok(whole)
}

fn plain(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(
            "a path is relative, with one slash between names and none at its end".to_owned()
        );
    }
    if name == "." || name == ".." {
        return Err("a path has no . and no .. in it".to_owned());
    }
    if name.starts_with('.') && planted::holds(Control::PlainFiles) {
        return Err("hidden files are not for commands".to_owned());
    }
    if name.chars().any(|c| c.is_control() || c == '\\' || is_invisible(c)) {
        return Err("a path has no control, invisible or backslash characters".to_owned());
    }
    Ok(())
}

/// Characters that turn or hide the text around them (Unicode's bidirectional controls, joiners and
/// the byte order mark).
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

fn open(root: &Path, relative: &str) -> Result<OwnedFd, &'static str> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let base = openat2(CWD, root, flags | OFlags::DIRECTORY, Mode::empty(), ResolveFlags::empty());
    let base = base.map_err(|_| "its root cannot be opened")?;
    let relative = if relative.is_empty() { "." } else { relative };
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    openat2(base, relative, flags, Mode::empty(), resolve)
        .map_err(|_| "it is not there, or a link leads to it")
}

fn look_at(found: &OwnedFd, kind: Kind) -> Result<(), &'static str> {
    let stat = fstat(found).map_err(|_| "it cannot be looked at")?;
    let is = FileType::from_raw_mode(stat.st_mode);
    match kind {
        Kind::File if is != FileType::RegularFile => Err("it is not a file"),
        Kind::Folder if is != FileType::Directory => Err("it is not a folder"),
        Kind::File if stat.st_nlink > 1 && planted::holds(Control::PlainFiles) => {
            Err("the file has a second name, perhaps outside")
        }
        Kind::File | Kind::Folder => Ok(()),
    }
}
