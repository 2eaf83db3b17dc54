//! Disks that a test fills, forbids to write and takes away: small file systems over a folder.
//!
//! They need the right to mount. Where a machine does not give it, there is no disk.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system over a folder; it goes with the value.
#[derive(Debug)]
pub struct Disk {
    place: PathBuf,
}

impl Disk {
    /// A disk of so many MiB in memory over `place`, which is made. `None` where nobody may mount.
    pub fn in_memory(place: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(place).expect("a folder can be made");
        let options = format!("size={mib}m,mode=700");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &options, "vivarium-test"], place);
        mounted.then(|| Self { place: place.to_owned() })
    }

    /// Makes it larger.
    pub fn grow(&self, mib: u32) {
        let options = format!("remount,size={mib}m");
        assert!(run("mount", &["-o", &options], &self.place), "a mounted disk can grow");
    }

    /// The same folder once more, not to be written by whoever opens a file from now on.
    pub fn read_only(place: &Path) -> Option<Self> {
        let same = place.to_str().expect("a path in words");
        let disk = run("mount", &["--bind", same], place).then(|| Self { place: place.to_owned() });
        let disk = disk?;
        run("mount", &["-o", "remount,bind,ro"], place).then_some(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Processes that still have files open keep them; the place is free at once.
        run("umount", &["-l"], &self.place);
    }
}

fn run(program: &str, options: &[&str], place: &Path) -> bool {
    let ran = Command::new(program).args(options).arg(place).output();
    ran.is_ok_and(|ran| ran.status.success())
}
