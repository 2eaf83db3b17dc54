//! Which models were fetched into a world, and which of them the embedded server serves.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vivarium_chassis::World;
use vivarium_types::Reason;

use super::super::error::ModelError;

/// The ending of a receipt: `vivarium model fetch` writes one beside each file it has checked.
const RECEIPT: &str = "toml";

/// A fetched and checked model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its file, beside the receipt.
    pub file: PathBuf,
    /// The file's size.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Its licence.
    pub licence: String,
    /// Model tokens of prompt and completion that it was made for.
    pub window_tokens: u32,
    /// Memory that a machine should have for it, in MiB.
    pub ram_mib_min: u64,
}

/// The folder of fetched models.
pub fn folder(world: &World) -> PathBuf {
    world.mutable().join("models")
}

/// The fetched models, largest first. A receipt without its whole file counts for nothing.
pub fn all(world: &World) -> Vec<Installed> {
    let entries = fs::read_dir(folder(world)).into_iter().flatten().flatten();
    let mut models: Vec<_> = entries.filter_map(|entry| read(&entry.path())).collect();
    models.sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
    models
}

/// The model to serve: the wanted one, or the largest that this machine has the memory for.
pub fn choose(world: &World, wanted: &str, memory_mib: u64) -> Result<Installed, ModelError> {
    let models = all(world);
    let fits = |model: &&Installed| model.ram_mib_min <= memory_mib;
    let found = match wanted {
        "" => models.iter().find(fits).or_else(|| models.last()),
        wanted => models.iter().find(|model| model.name == wanted),
    };
    found.cloned().ok_or_else(|| ModelError::Unusable {
        reason: Reason::ModelFileMissing,
        message: match wanted {
            "" => "no model has been fetched".to_owned(),
            wanted => format!("the model {wanted} has not been fetched"),
        },
    })
}

fn read(path: &Path) -> Option<Installed> {
    if path.extension().is_none_or(|ending| ending != RECEIPT) {
        return None;
    }
    let mut model: Installed = toml::from_str(&fs::read_to_string(path).ok()?).ok()?;
    model.file = path.parent()?.join(&model.file);
    let whole = fs::metadata(&model.file).is_ok_and(|file| file.len() == model.bytes);
    whole.then_some(model)
}

/// The memory of this machine in MiB; where it does not say, no model is too large.
pub fn memory_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(world: &World, name: &str, bytes: usize, ram_mib_min: u64) {
        fs::create_dir_all(folder(world)).expect("a folder");
        let file = format!("{name}.gguf");
        fs::write(folder(world).join(&file), vec![0; bytes]).expect("it writes");
        let receipt = format!(
            "name = \"{name}\"\nfile = \"{file}\"\nbytes = {bytes}\nsha256 = \"\"\n\
licence = \"Apache-2.0\"\nwindow_tokens = 32768\nram_mib_min = {ram_mib_min}\n"
        );
        fs::write(folder(world).join(format!("{name}.toml")), receipt).expect("it writes");
    }

    #[test]
    fn the_largest_model_that_the_machine_can_hold_is_served() {
        let top = tempfile::tempdir().expect("a folder");
        let world = World::at(top.path());
        let missing = choose(&world, "", 8_000).expect_err("there is none");
        assert_eq!(missing.reason(), Reason::ModelFileMissing);
        fetched(&world, "small", 10, 1_000);
        fetched(&world, "large", 20, 4_000);
        let name = |wanted, memory| choose(&world, wanted, memory).map(|model| model.name);
        assert_eq!(name("", 8_000).as_deref(), Ok("large"));
        assert_eq!(name("", 2_000).as_deref(), Ok("small"));
        assert_eq!(name("", 500).as_deref(), Ok("small"), "rather too large than none");
        assert_eq!(name("large", 500).as_deref(), Ok("large"), "a person decides");
        assert!(name("other", 8_000).is_err());
    }

    #[test]
    fn half_a_file_is_no_model() {
        let top = tempfile::tempdir().expect("a folder");
        let world = World::at(top.path());
        fetched(&world, "small", 10, 1);
        fs::write(folder(&world).join("small.gguf"), [0; 9]).expect("it writes");
        assert_eq!(all(&world), []);
    }
}
