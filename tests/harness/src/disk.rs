//! Disks that a test fills, forbids to write and takes away: small file systems over a folder.
//!
//! They need the right to mount. Where a machine does not give it, there is no disk.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file that fills a disk.
const FILLER: &str = "filler";
/// Bytes that are written at once to fill it.
const PIECE_BYTES: usize = 1 << 20;

/// A file system over a folder; it goes with the value, unless a test fails.
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

    /// Fills it to its last byte.
    pub fn fill(&self) {
        let file = File::create(self.place.join(FILLER));
        let mut file = file.expect("a name fits onto every disk");
        let mut piece = vec![0_u8; PIECE_BYTES];
        while !piece.is_empty() {
            // What does not fit whole may fit in half.
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
    }

    /// Takes away what filled it.
    pub fn clear(&self) {
        std::fs::remove_file(self.place.join(FILLER)).expect("it was filled");
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
        // The world of a failed test is kept, and most of it lies here.
        if std::thread::panicking() {
            return;
        }
        // Processes that still have files open keep them; the place is free at once.
        run("umount", &["-l"], &self.place);
    }
}

fn run(program: &str, options: &[&str], place: &Path) -> bool {
    let ran = Command::new(program).args(options).arg(place).output();
    ran.is_ok_and(|ran| ran.status.success())
}
