//! The engine: llama.cpp's server as a Python package, in an environment of the world's own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vivarium_chassis::{Refusal, World, world};
use vivarium_types::Reason;

use super::cache::Cache;
use super::manifest::Engine;
use super::progress::Progress;
use super::python::{self, Python};
use crate::failure::Failure;

const MARK: &str = "engine.toml";

/// Written once the engine works: which one it is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    package: String,
    version: String,
}

/// Whether the world has this engine.
pub(crate) fn is_ready(world: &World, engine: &Engine) -> bool {
    let mark = fs::read_to_string(runtime(world).join(MARK)).unwrap_or_default();
    let same = toml::from_str::<Mark>(&mark).is_ok_and(|mark| mark == Mark::of(engine));
    same && Python::in_folder(&venv(world)).is_some()
}

/// Brings the engine, unless it is there. Breaking off leaves nothing that counts.
pub(super) async fn bring(
    world: &World,
    engine: &Engine,
    cache: &Cache,
    progress: &Progress,
) -> Result<Python, Failure> {
    let runtime = runtime(world);
    world::private_folder(&runtime)?;
    if let (true, Some(python)) = (is_ready(world, engine), Python::in_folder(&venv(world))) {
        return Ok(python);
    }
    let what = format!("{} {}", engine.package, engine.version);
    progress.say(&format!("engine     {what}, {}: fetching and setting up", engine.licence));
    let _lock = cache.lock("engine")?;
    let python = Python::make(&venv(world)).await?;
    install(&python, engine, cache).await.map_err(|said| {
        let tried = format!("pypi ({said})");
        Refusal::new(Reason::ModelFetchFailed).with("what", &what).with("tried", tried)
    })?;
    let mut look = python.command(&format!("import {}", engine.package));
    python::run(&mut look).await.map_err(|said| {
        Failure::from(Refusal::new(Reason::ModelEngineFailed)).beside("engine", said)
    })?;
    let mark = toml::to_string(&Mark::of(engine)).map_err(io::Error::other)?;
    world::replace(&runtime.join(MARK), mark.as_bytes())?;
    Ok(python)
}

/// From the cache if it is there, and through it otherwise. pip checks the hash both times.
async fn install(python: &Python, engine: &Engine, cache: &Cache) -> Result<(), python::Said> {
    let folder = cache.folder().join("engine");
    let said = |error: io::Error| error.to_string();
    world::private_folder(&folder).map_err(said)?;
    let wanted = engine.wanted();
    let list = folder.join("engine.txt");
    fs::write(&list, &wanted).map_err(said)?;
    let install = async || {
        let words = ["install", "--no-index", "--no-deps", "--require-hashes", "--only-binary"];
        let words = words.into_iter().chain([":all:", "--find-links"]).map(OsStr::new);
        let places = [folder.as_os_str(), OsStr::new("-r"), list.as_os_str()];
        python.pip(words.chain(places)).await
    };
    if install().await.is_ok() {
        return Ok(());
    }
    python.download(&wanted, &folder).await?;
    install().await
}

impl Engine {
    /// The line for pip: this version, and one of these files.
    fn wanted(&self) -> String {
        let mut line = format!("{}=={}", self.package, self.version);
        for hash in &self.sha256 {
            line.extend([" --hash=sha256:", hash]);
        }
        line + "\n"
    }
}

impl Mark {
    fn of(engine: &Engine) -> Self {
        Self { package: engine.package.clone(), version: engine.version.clone() }
    }
}

/// Where the executor looks for it.
fn runtime(world: &World) -> PathBuf {
    world.mutable().join("models-runtime")
}

fn venv(world: &World) -> PathBuf {
    runtime(world).join("venv")
}
