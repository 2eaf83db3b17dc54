//! The models that lie in a world: a file and, written last, a receipt beside it. The executor reads
//! the receipts; without its receipt a file counts for nothing.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vivarium_chassis::{World, world};

use super::manifest::Model;

const FILE_ENDING: &str = "gguf";
const RECEIPT_ENDING: &str = "toml";

/// What is known of a fetched model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// Its name.
    pub(crate) name: String,
    /// Its file, beside the receipt.
    pub(crate) file: PathBuf,
    /// The file's size.
    pub(crate) bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub(crate) sha256: String,
    /// Its licence.
    pub(crate) licence: String,
    /// Model tokens of prompt and completion that it was made for.
    pub(crate) window_tokens: u32,
    /// Memory that a machine should have for it, in MiB.
    pub(crate) ram_mib_min: u64,
}

/// The folder of a world's models.
pub(crate) fn folder(world: &World) -> PathBuf {
    world.mutable().join("models")
}

/// The file name of a model, in worlds and in the cache.
pub(crate) fn file_name(model: &Model) -> String {
    format!("{}.{FILE_ENDING}", model.name)
}

/// Whether any whole model lies in the world.
pub(crate) fn has_model(world: &World) -> bool {
    !all(world).is_empty()
}

/// The receipts whose files are whole, by name.
pub(crate) fn all(world: &World) -> Vec<Receipt> {
    let entries = fs::read_dir(folder(world)).into_iter().flatten().flatten();
    let mut receipts: Vec<_> = entries.filter_map(|entry| read(&entry.path())).collect();
    receipts.sort_by(|a, b| a.name.cmp(&b.name));
    receipts
}

fn read(path: &Path) -> Option<Receipt> {
    if path.extension().is_none_or(|ending| ending != RECEIPT_ENDING) {
        return None;
    }
    let receipt: Receipt = toml::from_str(&fs::read_to_string(path).ok()?).ok()?;
    let file = path.parent()?.join(&receipt.file);
    let whole = fs::metadata(file).is_ok_and(|found| found.len() == receipt.bytes);
    whole.then_some(receipt)
}

/// Puts a checked file on the shelf: linked where the file system can, copied where it cannot.
pub(crate) fn put(world: &World, model: &Model, checked: &Path) -> io::Result<()> {
    let folder = folder(world);
    world::private_folder(&folder)?;
    let file = PathBuf::from(file_name(model));
    let place = folder.join(&file);
    if checked != place {
        let draft = folder.join(format!("{}.new", file.display()));
        remove_file(&draft)?;
        if fs::hard_link(checked, &draft).is_err() {
            fs::copy(checked, &draft)?;
        }
        fs::rename(&draft, &place)?;
    }
    fs::set_permissions(&place, fs::Permissions::from_mode(0o600))?;
    let receipt = Receipt {
        name: model.name.clone(),
        file,
        bytes: model.bytes,
        sha256: model.sha256.clone(),
        licence: model.licence.clone(),
        window_tokens: model.window_tokens,
        ram_mib_min: model.ram_mib_min,
    };
    let text = toml::to_string(&receipt).map_err(io::Error::other)?;
    world::replace(&receipt_path(&folder, &model.name), text.as_bytes())
}

/// Takes a model off the shelf; whether it was there. The receipt goes first.
pub(crate) fn remove(world: &World, name: &str) -> io::Result<bool> {
    let folder = folder(world);
    let was_there = all(world).iter().any(|receipt| receipt.name == name);
    remove_file(&receipt_path(&folder, name))?;
    remove_file(&folder.join(format!("{name}.{FILE_ENDING}")))?;
    Ok(was_there)
}

fn receipt_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.{RECEIPT_ENDING}"))
}

/// Removes a file that may be gone already.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
