//! The table of programs of this checkout, which the attacks are about.

use std::fs;
use std::path::{Path, PathBuf};

use vivarium_sandbox::rules::{Error, Rules};

/// Its folder.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../world/rules/commands")
}

/// The table, read and checked.
pub fn rules() -> Result<Rules, Error> {
    Rules::load(&folder())
}

/// The rules as they are written, by file name.
pub fn files() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).expect("the table of programs is there");
    let read = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        Some((name, fs::read_to_string(&path).ok()?))
    };
    entries.flatten().filter_map(|entry| read(entry.path())).collect()
}
