//! `vivarium model`: fetches, lists and removes the models that run on this machine.

use serde_json::json;
use vivarium_chassis::World;

use crate::args::{FetchModel, Model};
use crate::console::Console;
use crate::failure::Failure;
use crate::model::fetch::{self, Wish};
use crate::model::manifest::{self, Manifest};
use crate::model::{self, engine, shelf};
use crate::render;

const MIB_PER_GIB: u64 = 1_024;

pub(super) async fn run(console: &Console, what: Model) -> Result<(), Failure> {
    match what {
        Model::Fetch(wanted) => fetch(console, &wanted).await,
        Model::List => list(console),
        Model::Remove { name } => remove(console, &name),
    }
}

async fn fetch(console: &Console, wanted: &FetchModel) -> Result<(), Failure> {
    let manifest = Manifest::of(&console.world)?;
    let model = match &wanted.name {
        Some(name) => manifest.find(name)?,
        None => manifest.for_memory(manifest::memory_mib())?,
    };
    let world = World::open(console.world.root())?;
    if wanted.if_missing && is_usable(&world, &manifest) {
        return tell(console, "", "present", "a model or a key is there already: nothing to fetch");
    }
    let wish = Wish { model, source: wanted.source, without_engine: wanted.no_engine };
    let from = fetch::bring(&world, &manifest, wish).await?;
    let name = &model.name;
    let said = format!("{name} is ready (from {}); a running world uses it by itself", from.word());
    tell(console, name, from.word(), &said)
}

/// Whether a resident could already be answered.
fn is_usable(world: &World, manifest: &Manifest) -> bool {
    let embedded = shelf::has_model(world) && engine::is_ready(world, &manifest.engine);
    embedded || model::has_key(world)
}

fn tell(console: &Console, name: &str, from: &str, said: &str) -> Result<(), Failure> {
    if console.json {
        return render::json(&json!({"model": name, "from": from}));
    }
    render::line(said)
}

fn list(console: &Console) -> Result<(), Failure> {
    let manifest = Manifest::of(&console.world)?;
    let fetched = shelf::all(&console.world);
    let here = |name: &str| fetched.iter().any(|receipt| receipt.name == name);
    let chosen = manifest.for_memory(manifest::memory_mib())?.name.clone();
    let engine = &manifest.engine;
    let ready = engine::is_ready(&console.world, engine);
    if console.json {
        let models: Vec<_> = manifest
            .models
            .iter()
            .map(|model| {
                json!({
                    "name": model.name, "title": model.title, "use": model.purpose,
                    "bytes": model.bytes, "sha256": model.sha256, "licence": model.licence,
                    "file": shelf::file_name(model), "ramMibMin": model.ram_mib_min,
                    "windowTokens": model.window_tokens, "fetched": here(&model.name),
                    "default": model.name == chosen,
                })
            })
            .collect();
        return render::json(&json!({
            "models": models,
            "engine": {"package": engine.package, "version": engine.version, "ready": ready},
        }));
    }
    let rows: Vec<Vec<String>> = manifest
        .models
        .iter()
        .map(|model| {
            let state = match (here(&model.name), model.name == chosen) {
                (true, _) => "fetched",
                (false, true) => "default here",
                (false, false) => "",
            };
            let memory = format!("{} GB", model.ram_mib_min.div_ceil(MIB_PER_GIB));
            let size = format!("{} MB", model.bytes / 1_000_000);
            [&model.name, &size, &memory, &model.purpose, &model.licence, state]
                .map(ToString::to_string)
                .to_vec()
        })
        .collect();
    render::table(&["MODEL", "SIZE", "MEMORY", "USE", "LICENCE", "STATE"], &rows)?;
    let state = if ready { "ready" } else { "not fetched: run `vivarium model fetch`" };
    render::line(&format!("\nengine {} {}: {state}", engine.package, engine.version))
}

fn remove(console: &Console, name: &str) -> Result<(), Failure> {
    let manifest = Manifest::of(&console.world)?;
    let model = manifest.find(name)?;
    let removed = shelf::remove(&console.world, &model.name)?;
    if console.json {
        return render::json(&json!({"model": name, "removed": removed}));
    }
    let said = if removed { "is removed from this world" } else { "was not in this world" };
    render::line(&format!("{name} {said}"))
}
