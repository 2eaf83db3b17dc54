//! A file system in an image on the disk, which can be copied as a power cut would leave it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Bytes of an image: as few as hold what some lives write, because each cut copies all of them.
const BYTES: u64 = 48 << 20;

/// A mounted image; it is unmounted with the value.
#[derive(Debug)]
pub(crate) struct Image {
    folder: PathBuf,
    /// The same for all images of a folder: a ledger is known by its file's name.
    place: PathBuf,
    file: PathBuf,
    number: u64,
}

impl Image {
    /// A fresh image with an empty file system, mounted below `folder`.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let file = folder.join("disk-0");
        fs::File::create(&file)?.set_len(BYTES)?;
        ensure!(run("mkfs.ext4", &["-q", "-F"], &[&file]), "no file system can be made");
        let place = folder.join("mounted");
        let image = Self { folder: folder.to_owned(), place, file, number: 0 };
        image.mount()?;
        Ok(image)
    }

    /// Where it is mounted.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    /// Copies what is on the disk now.
    pub(crate) fn cut(&self) -> Result<PathBuf> {
        let copy = self.folder.join(format!("disk-{}", self.number + 1));
        fs::copy(&self.file, &copy).context("the image cannot be copied")?;
        Ok(copy)
    }

    /// The copy in the place of the image it was made of, whose last moments never happened.
    pub(crate) fn restored_from(self, copy: PathBuf) -> Result<Self> {
        let (folder, place, number) = (self.folder.clone(), self.place.clone(), self.number + 1);
        drop(self);
        let image = Self { folder, place, file: copy, number };
        image.mount()?;
        Ok(image)
    }

    fn mount(&self) -> Result<()> {
        fs::create_dir_all(&self.place)?;
        let mounted = run("mount", &["-o", "loop"], &[&self.file, &self.place]);
        ensure!(mounted, "the image {} cannot be mounted", self.file.display());
        Ok(())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Whatever stays mounted is told by the next mount.
        run("umount", &[], &[&self.place]);
        drop(fs::remove_file(&self.file));
    }
}

/// Whether images can be made and mounted below `folder`.
pub(crate) fn possible(folder: &Path) -> bool {
    Image::make(folder).is_ok()
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> bool {
    let ran = Command::new(program).args(options).args(paths).output();
    ran.is_ok_and(|ran| ran.status.success())
}
