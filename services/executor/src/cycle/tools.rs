//! The five reading tools: in this process, within roots, never through a link.
//!
//! Every path is resolved by the kernel beneath its root (`openat2` with `BENEATH`, `NO_SYMLINKS` and
//! `NO_MAGICLINKS`), so that no spelling of a path leads out. Nothing private lies in any root.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use regex::RegexBuilder;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use vivarium_types::Reason;

use crate::domain::action::Tool;

/// Most names of a list.
const NAMES_MAX: usize = 200;
/// Most characters of a read.
const READ_CHARS_MAX: usize = 16_000;
/// Most hits of a search.
const HITS_MAX: usize = 100;
/// Most characters of a search's result.
const SEARCH_CHARS_MAX: usize = 16_000;
/// Most bytes of a file that is looked at.
const FILE_BYTES_MAX: u64 = 1_000_000;
/// Most files of a search.
const FILES_MAX: usize = 2_000;
/// How deep a search goes.
const SEARCH_DEPTH: u32 = 8;
/// Most memory of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Why a tool gives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The reason.
    pub(crate) reason: Reason,
    /// One sentence for the resident.
    pub(crate) why: String,
}

/// What may be read in one cycle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots {
    /// The library's folder.
    pub(crate) library: PathBuf,
    /// Own drafts of this cycle, by path.
    pub(crate) drafts: BTreeMap<String, String>,
    /// Whole results of earlier actions of this cycle, by action id.
    pub(crate) receipts: BTreeMap<String, String>,
}

enum Root<'a> {
    Library,
    Drafts,
    Receipt(&'a str),
}

impl Roots {
    /// Uses a tool. Blocks on the disk.
    pub(crate) fn run(&self, tool: &Tool) -> Result<String, Refused> {
        match tool {
            Tool::List { root, path, depth } => self.list(root, path, *depth),
            Tool::Read { root, path, first_line, max_lines } => {
                let text = self.whole(root, path)?;
                Ok(lines(&text, *first_line, *max_lines))
            }
            Tool::Search { root, path, pattern, context_lines } => {
                self.search(root, path, pattern, *context_lines)
            }
            Tool::Where => Ok(self.told()),
            Tool::Echo { text } => Ok(text.clone()),
        }
    }

    fn told(&self) -> String {
        let receipts: Vec<_> = self.receipts.keys().map(String::as_str).collect();
        format!(
            "library (read only), draft ({} of this cycle, read only), receipts: {}. \
             You write only through write_document and append_document.",
            self.drafts.len(),
            if receipts.is_empty() { "none".to_owned() } else { receipts.join(", ") }
        )
    }

    fn root<'a>(&self, name: &'a str) -> Result<Root<'a>, Refused> {
        match name {
            "" | "library" => Ok(Root::Library),
            "draft" => Ok(Root::Drafts),
            other => match other.strip_prefix("receipt:") {
                Some(id) if self.receipts.contains_key(id) => Ok(Root::Receipt(id)),
                Some(_) | None => Err(refused(other)),
            },
        }
    }

    fn list(&self, root: &str, path: &str, depth: u32) -> Result<String, Refused> {
        let mut names = Vec::new();
        match self.root(root)? {
            Root::Library => {
                let folder = self.open(path, OFlags::DIRECTORY)?;
                walk(&folder, "", depth, &mut |name, kind| {
                    let slash = if kind == FileType::Directory { "/" } else { "" };
                    names.push(format!("{name}{slash}"));
                    names.len() < NAMES_MAX
                });
            }
            Root::Drafts => names.extend(self.drafts.keys().take(NAMES_MAX).cloned()),
            Root::Receipt(_) => return Err(refused(root)),
        }
        names.sort_unstable();
        Ok(if names.is_empty() { "nothing".to_owned() } else { names.join("\n") })
    }

    fn whole(&self, root: &str, path: &str) -> Result<String, Refused> {
        match self.root(root)? {
            Root::Library => {
                text_of(self.open(path, OFlags::empty())?).ok_or_else(|| refused(path))
            }
            Root::Drafts => self.drafts.get(path).cloned().ok_or_else(|| refused(path)),
            Root::Receipt(id) => self.receipts.get(id).cloned().ok_or_else(|| refused(id)),
        }
    }

    fn search(
        &self,
        root: &str,
        path: &str,
        pattern: &str,
        context: u32,
    ) -> Result<String, Refused> {
        let pattern = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
        let pattern = pattern.map_err(|_| Refused {
            reason: Reason::ActionInvalid,
            why: "`pattern` is not a regular expression of linear time".to_owned(),
        })?;
        let mut found = Found { hits: 0, text: String::new() };
        match self.root(root)? {
            Root::Library => self.search_library(path, &mut |name, text| {
                found.look(name, text, &pattern, context)
            })?,
            Root::Drafts => {
                for (name, text) in self.drafts.iter().filter(|(name, _)| name.starts_with(path)) {
                    found.look(name, text, &pattern, context);
                }
            }
            Root::Receipt(id) => {
                let text = self.receipts.get(id).ok_or_else(|| refused(id))?;
                found.look(root, text, &pattern, context);
            }
        }
        Ok(if found.hits == 0 { "no hit".to_owned() } else { found.text })
    }

    fn search_library(
        &self,
        path: &str,
        look: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Result<(), Refused> {
        let Ok(folder) = self.open(path, OFlags::DIRECTORY) else {
            let text = text_of(self.open(path, OFlags::empty())?).ok_or_else(|| refused(path))?;
            look(path, &text);
            return Ok(());
        };
        let mut files = Vec::new();
        walk(&folder, path.trim_end_matches('/'), SEARCH_DEPTH, &mut |name, kind| {
            if kind == FileType::RegularFile {
                files.push(name.to_owned());
            }
            files.len() < FILES_MAX
        });
        files.sort_unstable();
        for name in files {
            let text = self.open(&name, OFlags::empty()).ok().and_then(text_of);
            if text.is_some_and(|text| !look(&name, &text)) {
                break;
            }
        }
        Ok(())
    }

    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Refused> {
        let base = openat2(
            CWD,
            &self.library,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::empty(),
        );
        let base = base.map_err(|_| refused("library"))?;
        let relative = if path.is_empty() { Path::new(".") } else { Path::new(path) };
        openat2(
            base,
            relative,
            flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        )
        .map_err(|_| refused(path))
    }
}

fn refused(path: &str) -> Refused {
    Refused {
        reason: Reason::ToolPathRefused,
        why: format!("the path {path} does not lie in a root that may be read"),
    }
}

/// The text of a regular file of moderate size.
fn text_of(file: OwnedFd) -> Option<String> {
    let mut file = File::from(file);
    let about = file.metadata().ok()?;
    if !about.is_file() || about.len() > FILE_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    file.by_ref().take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

/// Tells of what lies below a folder, without following links, until `tell` has enough.
fn walk(
    folder: &OwnedFd,
    prefix: &str,
    depth: u32,
    tell: &mut dyn FnMut(&str, FileType) -> bool,
) -> bool {
    let Ok(entries) = Dir::read_from(folder) else { return true };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type();
        if kind != FileType::Directory && kind != FileType::RegularFile {
            continue;
        }
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if !tell(&path, kind) {
            return false;
        }
        if kind == FileType::Directory && depth > 1 {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let below = openat2(folder, name, flags, Mode::empty(), resolve);
            if below.is_ok_and(|below| !walk(&below, &path, depth - 1, tell)) {
                return false;
            }
        }
    }
    true
}

fn lines(text: &str, first: u32, count: u32) -> String {
    let skipped = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let wanted: Vec<&str> = text.lines().skip(skipped).take(count).collect();
    wanted.join("\n").chars().take(READ_CHARS_MAX).collect()
}

struct Found {
    hits: usize,
    text: String,
}

impl Found {
    /// Takes the hits of one text; whether there is room for more.
    fn look(&mut self, name: &str, text: &str, pattern: &regex::Regex, context: u32) -> bool {
        let lines: Vec<&str> = text.lines().collect();
        let context = usize::try_from(context).unwrap_or(0);
        let hits = lines.iter().enumerate().filter(|(_, line)| pattern.is_match(line));
        for (index, _) in hits {
            if self.hits >= HITS_MAX || self.text.len() > SEARCH_CHARS_MAX {
                return false;
            }
            self.hits += 1;
            let from = index.saturating_sub(context);
            let to = (index + context + 1).min(lines.len());
            for (offset, near) in lines[from..to].iter().enumerate() {
                let mark = if from + offset == index { ":" } else { "-" };
                let shown: String = near.chars().take(400).collect();
                let number = from + offset + 1;
                self.text.extend([name, mark, &number.to_string(), mark, &shown, "\n"]);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
