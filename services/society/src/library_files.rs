//! The library's files: a projection of published documents, written beside, synced, renamed.
//!
//! A file that another hand changed is reported with both hashes and left as it is. Deleting the
//! folder and starting again gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use vivarium_ledger::{Ledger, Row, chain, codec, store};
use vivarium_types::source::Hash;

use crate::domain::{Event, Society};
use crate::metrics::Counters;
use crate::views::documents::{self, Document, State};

/// Paths looked at in one go at the start.
const PATHS_AT_A_TIME: u32 = 500;
/// Files that are written with one look.
const FILES_AT_ONCE: usize = 16;
/// How long after a failed write the same file is tried again.
const RETRY_WAIT: Duration = Duration::from_secs(5);

/// Why a file is not as it should be.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the ledger cannot be read")]
    Ledger(#[from] store::Error),
    #[error("the file cannot be written")]
    File(#[from] io::Error),
}

/// What was found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// The file is as it should be.
    Right,
    /// The file was missing or an earlier version of ours; now it is right.
    Written,
    /// Somebody else changed it: what lies there, and what should, as hashes.
    Changed { there: String, ours: String },
}

impl Found {
    /// Whether what lies there is ours.
    const fn is_ours(&self) -> bool {
        match self {
            Self::Right | Self::Written => true,
            Self::Changed { .. } => false,
        }
    }
}

/// Keeps the files of a library.
#[derive(Debug)]
pub struct Files {
    ledger: Ledger<Society>,
    root: PathBuf,
    counters: Counters,
    /// Files that another hand changed, with the hash that was reported.
    changed: BTreeMap<String, String>,
}

impl Files {
    /// The files below `root` of what `ledger` publishes.
    pub const fn new(ledger: Ledger<Society>, root: PathBuf, counters: Counters) -> Self {
        Self { ledger, root, counters, changed: BTreeMap::new() }
    }

    /// Makes every file right, then each that is published from now on. Ends with the ledger.
    pub async fn keep(mut self) {
        let mut watch = self.ledger.watch(self.ledger.committed());
        self.rebuild().await;
        while let Some(rows) = watch.next().await {
            match rows {
                Ok(rows) => {
                    let paths: BTreeSet<String> =
                        rows.iter().filter_map(|row| path_of(row)).collect();
                    self.make_right(paths).await;
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "rows do not read");
                    tokio::time::sleep(RETRY_WAIT).await;
                }
            }
        }
    }

    async fn rebuild(&mut self) {
        let mut behind = String::new();
        loop {
            let from = behind.clone();
            let page = self.ledger.view(move |db| documents::paths(db, &from, PATHS_AT_A_TIME));
            match page.await {
                Ok(paths) if paths.is_empty() => return,
                Ok(paths) => {
                    behind = paths.last().cloned().unwrap_or_default();
                    self.make_right(paths.into_iter().collect()).await;
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "no list of files");
                    tokio::time::sleep(RETRY_WAIT).await;
                }
            }
        }
    }

    /// Makes these files right: several with one look, and alone those that are not as expected.
    async fn make_right(&mut self, paths: BTreeSet<String>) {
        let paths: Vec<String> = paths.into_iter().collect();
        for some in paths.chunks(FILES_AT_ONCE) {
            let together = self.look_together(some).await.unwrap_or_else(|error| {
                tracing::debug!(error = &error as &dyn std::error::Error, "one by one then");
                Vec::new()
            });
            let mut together = together.into_iter();
            for path in some {
                let found = match together.next().flatten() {
                    Some(found) => found,
                    None => self.made_right(path).await,
                };
                self.report(path, found);
            }
        }
    }

    /// What was found at each of these paths; `None` where a closer look is needed.
    async fn look_together(&self, paths: &[String]) -> Result<Vec<Option<Found>>, Error> {
        let asked = paths.to_owned();
        let all = self.ledger.view(move |db| {
            let all = asked.iter().map(|path| documents::versions(db, path));
            all.collect::<rusqlite::Result<Vec<_>>>()
        });
        let mut wanted = Vec::new();
        for (path, versions) in paths.iter().zip(all.await?) {
            let text = match newest(&versions) {
                Some(version) => Some(self.rendered(version).await?),
                None => None,
            };
            wanted.push((path.clone(), text));
        }
        let root = self.root.clone();
        let placed = tokio::task::spawn_blocking(move || {
            let placed = wanted.iter().map(|(path, text)| place(&root, path, text.as_deref(), &[]));
            placed.map(|placed| placed.ok().filter(Found::is_ours)).collect()
        });
        Ok(placed.await.map_err(io::Error::other)?)
    }

    /// Makes one file right, and tries again while the disk refuses.
    async fn made_right(&self, path: &str) -> Found {
        loop {
            match self.look(path).await {
                Ok(found) => return found,
                Err(error) => {
                    tracing::warn!(
                        path,
                        error = &error as &dyn std::error::Error,
                        "a file of the library is not written"
                    );
                    tokio::time::sleep(RETRY_WAIT).await;
                }
            }
        }
    }

    fn report(&mut self, path: &str, found: Found) {
        match found {
            Found::Right | Found::Written => {
                self.changed.remove(path);
                if found == Found::Written {
                    self.counters.files_written.inc();
                }
            }
            Found::Changed { there, ours } => {
                if self.changed.get(path) != Some(&there) {
                    tracing::warn!(path, there, ours, "another hand changed a file; it stays");
                    self.changed.insert(path.to_owned(), there);
                }
            }
        }
        let count = i64::try_from(self.changed.len()).unwrap_or(i64::MAX);
        self.counters.files_changed.set(count);
    }

    async fn look(&self, path: &str) -> Result<Found, Error> {
        let at = path.to_owned();
        let versions = self.ledger.view(move |db| documents::versions(db, &at)).await?;
        let newest = newest(&versions);
        let mut wanted = None;
        if let Some(version) = newest {
            wanted = Some(self.rendered(version).await?);
        }
        // Nearly always the file is as it should be, and no other version has to be read.
        let found = self.placed(path, wanted.clone(), Vec::new()).await?;
        if found.is_ours() {
            return Ok(found);
        }
        let mut ours = Vec::new();
        for version in versions.iter().filter(|version| newest.is_none_or(|one| one != *version)) {
            match self.rendered(version).await {
                Ok(bytes) => ours.push(bytes),
                // What nobody can read any more cannot be told from what another hand wrote.
                Err(Error::Ledger(store::Error::Away { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        self.placed(path, wanted, ours).await
    }

    async fn rendered(&self, version: &Document) -> Result<String, Error> {
        let body = self.ledger.text(&version.body_id).await?.unwrap_or_default();
        Ok(rendered(version, &body))
    }

    async fn placed(
        &self,
        path: &str,
        wanted: Option<String>,
        ours: Vec<String>,
    ) -> Result<Found, Error> {
        let (root, path) = (self.root.clone(), path.to_owned());
        let placed =
            tokio::task::spawn_blocking(move || place(&root, &path, wanted.as_deref(), &ours))
                .await;
        Ok(placed.unwrap_or_else(|error| Err(io::Error::other(error)))?)
    }
}

/// The version that stands, of those of one path with the newest first.
fn newest(versions: &[Document]) -> Option<&Document> {
    versions.iter().find(|version| match version.state {
        State::Published | State::Contested => true,
        State::Superseded | State::Retracted => false,
    })
}

/// The path that an event gives a new face to.
fn path_of(row: &Row) -> Option<String> {
    if !matches!(row.kind.as_str(), "document_published" | "document_retracted") {
        return None;
    }
    let event = codec::decode::<Society>(row).ok()?;
    if let Event::DocumentPublished(published) = event {
        Some(published.path)
    } else if let Event::DocumentRetracted { path, .. } = event {
        Some(path)
    } else {
        None
    }
}

/// A document's file: front matter and body. The same document gives the same bytes for ever.
fn rendered(document: &Document, body: &str) -> String {
    let end = if body.ends_with('\n') { "" } else { "\n" };
    format!("---\n{}---\n\n{body}{end}", front_matter(document))
}

/// What stands between the marks: YAML, one field a line, texts in quotes.
pub fn front_matter(document: &Document) -> String {
    let mut lines = String::new();
    let mut field = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _infallible = writeln!(lines, "{name}: {value}");
    };
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    field("id", &document.document.to_string());
    field("title", &quoted(&document.title));
    field("kind", &document.kind);
    field("author", &document.author.to_string());
    field("author_name", &quoted(&document.author_name));
    field("task", &document.task);
    field("submission", &document.submission);
    field("verdict", &document.verdict);
    field("verdict_value", document.value.word());
    field("decided_by", document.decider.word());
    field("review_profile", document.profile.word());
    field("confidence_permille", &document.confidence.to_string());
    if !document.note.is_empty() {
        field("review_note", &quoted(&document.note));
    }
    field("cost_micro_usd", &document.cost.to_string());
    field("model", &quoted(&document.model));
    field("version", &document.version.to_string());
    if !document.supersedes.is_empty() {
        field("supersedes", &document.supersedes);
    }
    if let Ok(hash) = Hash::try_from(&*document.hash) {
        field("hash", &hash.to_string());
    }
    field("day", &document.day.to_string());
    field("published", &document.time.to_string());
    let tags: Vec<String> = document.tags.iter().map(|tag| quoted(tag)).collect();
    field("tags", &format!("[{}]", tags.join(", ")));
    field("state", "published");
    lines
}

/// Puts `wanted` at `path`, unless what lies there is nobody of `ours`. Without `wanted` the file goes.
fn place(root: &Path, path: &str, wanted: Option<&str>, ours: &[String]) -> io::Result<Found> {
    let hash = |bytes: &[u8]| chain::digest(bytes).to_string();
    let changed = |there: String| Found::Changed {
        there,
        ours: wanted.map_or_else(|| "none".to_owned(), |text| hash(text.as_bytes())),
    };
    if let Some(link) = link_on_the_way(root, path)? {
        return Ok(changed(format!("a link at {}", link.display())));
    }
    let file = root.join(path);
    let there = match fs::read(&file) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let is = |text: &str| there.as_deref() == Some(text.as_bytes());
    match (&there, wanted) {
        (None, None) => Ok(Found::Right),
        (Some(_), Some(text)) if is(text) => Ok(Found::Right),
        (Some(bytes), _) if !ours.iter().any(|text| is(text)) => Ok(changed(hash(bytes))),
        (Some(_), None) => fs::remove_file(&file).map(|()| Found::Written),
        (Some(_) | None, Some(text)) => write(&file, text.as_bytes()).map(|()| Found::Written),
    }
}

/// A link between the root and a file, which nobody of ours made.
fn link_on_the_way(root: &Path, path: &str) -> io::Result<Option<PathBuf>> {
    let mut at = root.to_owned();
    for segment in path.split('/') {
        at.push(segment);
        match fs::symlink_metadata(&at) {
            Ok(there) if there.file_type().is_symlink() => return Ok(Some(at)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Replaces a file: after a crash it holds all of the old content or all of the new. Which of them is left
/// to the disk, because the next start makes every file right again.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(".tmp");
    let beside = folder.join(beside);
    let mut draft = File::create(&beside)?;
    draft.write_all(bytes)?;
    draft.sync_all()?;
    drop(draft);
    fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_version_is_replaced_and_another_hands_file_is_left() {
        let root = tempfile::tempdir().expect("a folder");
        let at = "community_library/swarm_docs/tides.md";
        let put = |wanted: &str, ours: &[&str]| {
            let ours: Vec<_> = ours.iter().map(|text| (*text).to_owned()).collect();
            place(root.path(), at, Some(wanted), &ours).expect("it is placed")
        };
        let read = || fs::read_to_string(root.path().join(at)).expect("it reads");
        assert_eq!(put("one", &[]), Found::Written);
        assert_eq!(put("one", &[]), Found::Right);
        assert_eq!((put("two", &["one"]), read()), (Found::Written, "two".into()));
        fs::write(root.path().join(at), "mine").expect("it writes");
        assert!(matches!(put("three", &["one", "two"]), Found::Changed { .. }));
        assert_eq!(read(), "mine");
    }

    #[test]
    fn no_file_is_written_through_a_link() {
        let (root, elsewhere) = (tempfile::tempdir(), tempfile::tempdir());
        let (root, elsewhere) = (root.expect("a folder"), elsewhere.expect("a folder"));
        let link = root.path().join("community_library");
        std::os::unix::fs::symlink(elsewhere.path(), link).expect("it links");
        let found = place(root.path(), "community_library/x.md", Some("text"), &[]);
        assert!(matches!(found, Ok(Found::Changed { .. })));
        assert_eq!(fs::read_dir(elsewhere.path()).expect("it lists").count(), 0);
    }
}
