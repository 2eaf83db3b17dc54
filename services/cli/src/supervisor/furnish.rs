//! What a fresh world needs before its services start: settings, rules and first residents.
//!
//! The files of `world/` are built in. What is missing is written at each start, so that a world of an
//! older version gets what a newer one needs; what is there belongs to the person and is never touched.

use std::fs;
use std::io;
use std::path::Path;

use rust_embed::RustEmbed;
use vivarium_chassis::World;

#[derive(RustEmbed)]
#[folder = "../../world"]
#[include = "config/*"]
#[include = "rules/*"]
#[include = "seed/*"]
struct Furniture;

/// Writes what is missing; how many files that were.
pub(super) fn world(world: &World) -> io::Result<usize> {
    let mut written = 0;
    // Programs start in it, also before the first document is there.
    fs::create_dir_all(world.library())?;
    for name in Furniture::iter() {
        let path = world.root().join(&*name);
        if path.exists() {
            continue;
        }
        let Some(file) = Furniture::get(&name) else { continue };
        fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new(".")))?;
        fs::write(&path, file.data)?;
        written += 1;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_world_is_furnished_once_and_changes_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let opened = World::open(folder.path().join("w")).expect("it opens");
        assert!(world(&opened).expect("it writes") > 0);
        assert!(opened.library().is_dir());
        let settings = opened.config().join("shared.toml");
        fs::write(&settings, "# mine").expect("it is written");
        fs::remove_file(opened.config().join("review.toml")).expect("it goes");
        assert_eq!(world(&opened).expect("it writes"), 1);
        assert_eq!(fs::read_to_string(&settings).expect("it reads"), "# mine");
    }
}
