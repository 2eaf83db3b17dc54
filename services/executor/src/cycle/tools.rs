//! The five reading tools: in this process, within roots, never through a link. What does not fit comes
//! in pages: the last line tells how to go on.
//!
//! Every path is resolved by the kernel beneath its root (`openat2` with `BENEATH`, `NO_SYMLINKS` and
//! `NO_MAGICLINKS`), so that no spelling of a path leads out. Nothing private lies in any root.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use vivarium_types::Reason;

use crate::domain::action::{Search, Tool};

/// Most names of a list.
const NAMES_MAX: usize = 200;
/// Most names that are read for a list.
const NAMES_READ_MAX: usize = 20_000;
/// Most characters of a read.
const READ_CHARS_MAX: usize = 16_000;
/// Most hits of a search.
const HITS_MAX: usize = 100;
/// Most characters of a search's result.
const SEARCH_CHARS_MAX: usize = 16_000;
/// Most characters of a line that a search shows.
const LINE_CHARS_MAX: usize = 400;
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
    /// Folders that the operator named, by name.
    pub(crate) workspaces: BTreeMap<String, PathBuf>,
    /// Own drafts of this cycle, by path.
    pub(crate) drafts: BTreeMap<String, String>,
    /// Whole results of earlier actions of this cycle, by action id.
    pub(crate) receipts: BTreeMap<String, String>,
}

enum Root<'a> {
    Folder(&'a Path),
    Drafts,
    Receipt(&'a str),
}

impl Roots {
    /// Uses a tool. Blocks on the disk.
    pub(crate) fn run(&self, tool: &Tool) -> Result<String, Refused> {
        match tool {
            Tool::List { root, path, depth, after } => self.list(root, path, *depth, after),
            Tool::Read { root, path, first_line, max_lines } => {
                let text = self.whole(root, path)?;
                Ok(lines(&text, *first_line, *max_lines))
            }
            Tool::Search(search) => self.search(search),
            Tool::Where => Ok(self.told()),
            Tool::Echo { text } => Ok(text.clone()),
        }
    }

    fn told(&self) -> String {
        let receipts: Vec<_> = self.receipts.keys().map(String::as_str).collect();
        let workspaces =
            self.workspaces.keys().map(|name| format!("workspace:{name} (read only), "));
        let workspaces: String = workspaces.collect();
        format!(
            "library (read only), {workspaces}draft ({} of this cycle, read only), receipts: {}. \
             You write only through write_document and append_document.",
            self.drafts.len(),
            if receipts.is_empty() { "none".to_owned() } else { receipts.join(", ") }
        )
    }

    fn root<'a>(&'a self, name: &'a str) -> Result<Root<'a>, Refused> {
        if let Some(id) = name.strip_prefix("receipt:") {
            let known = self.receipts.contains_key(id);
            return known.then_some(Root::Receipt(id)).ok_or_else(|| refused(name));
        }
        if let Some(named) = name.strip_prefix("workspace:") {
            let folder = self.workspaces.get(named).map(|folder| Root::Folder(folder));
            return folder.ok_or_else(|| refused(name));
        }
        match name {
            "" | "library" => Ok(Root::Folder(&self.library)),
            "draft" => Ok(Root::Drafts),
            other => Err(refused(other)),
        }
    }

    /// Names in their order, those behind `after` only; the last line tells how to go on.
    fn list(&self, root: &str, path: &str, depth: u32, after: &str) -> Result<String, Refused> {
        let mut names = Vec::new();
        match self.root(root)? {
            Root::Folder(root) => {
                let folder = open(root, path, OFlags::DIRECTORY)?;
                walk(&folder, "", depth, &mut |name, kind| {
                    let slash = if kind == FileType::Directory { "/" } else { "" };
                    names.push(format!("{name}{slash}"));
                    names.len() < NAMES_READ_MAX
                });
            }
            Root::Drafts => names.extend(self.drafts.keys().cloned()),
            Root::Receipt(_) => return Err(refused(root)),
        }
        names.sort_unstable();
        names.retain(|name| name.as_str() > after);
        let more = names.len().saturating_sub(NAMES_MAX);
        names.truncate(NAMES_MAX);
        let rest = names
            .last()
            .filter(|_| more > 0)
            .map(|last| format!("({more} more: list again with after: {last:?})"));
        names.extend(rest);
        Ok(if names.is_empty() { "nothing".to_owned() } else { names.join("\n") })
    }

    fn whole(&self, root: &str, path: &str) -> Result<String, Refused> {
        match self.root(root)? {
            Root::Folder(root) => {
                text_of(open(root, path, OFlags::empty())?).ok_or_else(|| refused(path))
            }
            Root::Drafts => self.drafts.get(path).cloned().ok_or_else(|| refused(path)),
            Root::Receipt(id) => self.receipts.get(id).cloned().ok_or_else(|| refused(id)),
        }
    }

    fn search(&self, asked: &Search) -> Result<String, Refused> {
        let mut found = Seeker::new(asked)?;
        let Search { root, path, .. } = asked;
        match self.root(root)? {
            Root::Folder(root) => search_folder(root, path, &mut found)?,
            Root::Drafts => {
                for (name, text) in self.drafts.iter().filter(|(name, _)| name.starts_with(path)) {
                    found.look(name, text);
                }
            }
            Root::Receipt(id) => {
                let text = self.receipts.get(id).ok_or_else(|| refused(id))?;
                found.look(root, text);
            }
        }
        Ok(found.found.told())
    }
}

fn search_folder(root: &Path, path: &str, found: &mut Seeker) -> Result<(), Refused> {
    let Ok(folder) = open(root, path, OFlags::DIRECTORY) else {
        let text = text_of(open(root, path, OFlags::empty())?).ok_or_else(|| refused(path))?;
        found.look(path, &text);
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
        let text = open(root, &name, OFlags::empty()).ok().and_then(text_of);
        if text.is_some_and(|text| !found.look(&name, &text)) {
            break;
        }
    }
    Ok(())
}

fn open(root: &Path, path: &str, flags: OFlags) -> Result<OwnedFd, Refused> {
    let base = openat2(
        CWD,
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::empty(),
    );
    let base = base.map_err(|_| refused("the root"))?;
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

/// Lines of a text from `first` on, as many as fit; where there are more, the last line tells how to
/// go on. A line that does not fit by itself is cut.
fn lines(text: &str, first: u32, count: u32) -> String {
    let skipped = usize::try_from(first.saturating_sub(1)).unwrap_or(usize::MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let (mut shown, mut left, mut last) = (Vec::new(), READ_CHARS_MAX, skipped);
    for line in text.lines().skip(skipped).take(count) {
        let needed = line.chars().count() + usize::from(!shown.is_empty());
        if needed > left && !shown.is_empty() {
            break;
        }
        left = left.saturating_sub(needed);
        shown.push(line);
        last += 1;
    }
    let whole = text.lines().count();
    let mut told: String = shown.join("\n").chars().take(READ_CHARS_MAX).collect();
    if last < whole {
        let (last, whole, next) = (last.to_string(), whole.to_string(), (last + 1).to_string());
        told.extend(["\n(lines up to ", &last, " of ", &whole, ": read again with first_line: "]);
        told.extend([&next, ")"]);
    }
    told
}

/// Looks for one thing in many texts.
struct Seeker {
    matcher: RegexMatcher,
    searcher: Searcher,
    found: Found,
}

impl Seeker {
    fn new(asked: &Search) -> Result<Self, Refused> {
        let matcher = RegexMatcherBuilder::new()
            .fixed_strings(asked.fixed)
            .case_insensitive(asked.ignore_case)
            .line_terminator(Some(b'\n'))
            .size_limit(PATTERN_BYTES_MAX)
            .build(&asked.pattern);
        let matcher = matcher.map_err(|_| Refused {
            reason: Reason::ActionInvalid,
            why: "`pattern` is not a regular expression of linear time within a line; \
                  set `fixed` to search for a text as it is"
                .to_owned(),
        })?;
        let context = usize::try_from(asked.context_lines).unwrap_or(0);
        let searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::quit(0))
            .before_context(context)
            .after_context(context)
            .line_number(true)
            .build();
        let skip = usize::try_from(asked.skip).unwrap_or(usize::MAX);
        Ok(Self { matcher, searcher, found: Found { skip, ..Found::default() } })
    }

    /// Takes the hits of one text; whether there is room for more.
    fn look(&mut self, name: &str, text: &str) -> bool {
        let mut lines = Lines { name, found: &mut self.found };
        let searched = self.searcher.search_slice(&self.matcher, text.as_bytes(), &mut lines);
        if let Err(error) = searched {
            tracing::debug!(%error, "a text was not searched to its end");
        }
        !self.found.full
    }
}

/// What a search has found so far.
#[derive(Default)]
struct Found {
    /// Hits to pass over: those that were shown before.
    skip: usize,
    hits: usize,
    text: String,
    full: bool,
}

impl Found {
    fn told(self) -> String {
        match (self.hits, self.full) {
            (0, _) => "no hit".to_owned(),
            (hits, true) => {
                let shown = hits.min(self.skip.saturating_add(HITS_MAX));
                format!("{}(there may be more: search again with skip: {shown})\n", self.text)
            }
            (hits, false) if hits <= self.skip => "no further hit".to_owned(),
            (_, false) => self.text,
        }
    }

    fn push(&mut self, name: &str, number: Option<u64>, mark: &str, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let shown: String =
            line.trim_end_matches(['\n', '\r']).chars().take(LINE_CHARS_MAX).collect();
        let number = number.unwrap_or_default().to_string();
        self.text.extend([name, mark, &number, mark, &shown, "\n"]);
    }
}

/// One text that is searched.
struct Lines<'a> {
    name: &'a str,
    found: &'a mut Found,
}

impl Sink for Lines<'_> {
    type Error = std::io::Error;

    fn matched(&mut self, _: &Searcher, hit: &SinkMatch<'_>) -> Result<bool, std::io::Error> {
        if self.found.hits >= self.found.skip.saturating_add(HITS_MAX)
            || self.found.text.len() > SEARCH_CHARS_MAX
        {
            self.found.full = true;
            return Ok(false);
        }
        self.found.hits += 1;
        if self.found.hits > self.found.skip {
            self.found.push(self.name, hit.line_number(), ":", hit.bytes());
        }
        Ok(true)
    }

    fn context(&mut self, _: &Searcher, near: &SinkContext<'_>) -> Result<bool, std::io::Error> {
        if self.found.hits >= self.found.skip {
            self.found.push(self.name, near.line_number(), "-", near.bytes());
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
