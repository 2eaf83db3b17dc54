//! Where a program writes while it measures or is killed, and where its result is kept.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// A folder of our own below `wanted`, else beside the program, where a disk is and no memory file
/// system. It goes when the value is dropped.
pub fn folder(wanted: Option<&Path>) -> io::Result<tempfile::TempDir> {
    let beside = env::current_exe()?;
    let beside = beside.parent().unwrap_or_else(|| Path::new("."));
    tempfile::Builder::new().prefix("vivarium-").tempdir_in(wanted.unwrap_or(beside))
}

/// The kind of file system that `path` lies on, such as `ext4`; `unknown` where nothing tells.
pub fn file_system(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    file_system_of(&mounts, &path).unwrap_or("unknown").to_owned()
}

/// The innermost mount above `path`; of two on the same place the later hides the earlier.
fn file_system_of<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(place, _)| path.starts_with(place));
    above.max_by_key(|(place, _)| place.len()).map(|(_, kind)| kind)
}

/// Which build on which machine: the line every result begins with.
pub fn versions(path: &Path) -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = kernel.trim();
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!(
        "vivarium {} ({build}), SQLite {}, {} {kernel}, {cores} cores, {}",
        env!("CARGO_PKG_VERSION"),
        rusqlite::version(),
        env::consts::OS,
        file_system(path),
    )
}

/// Keeps `text` as `name` in the folder that `VIVARIUM_RESULTS` names; nothing when it names none.
pub fn keep(name: &str, text: &str) -> io::Result<Option<PathBuf>> {
    let Some(folder) = env::var_os("VIVARIUM_RESULTS") else { return Ok(None) };
    let path = Path::new(&folder).join(name);
    fs::create_dir_all(folder)?;
    fs::write(&path, text)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_names_the_file_system() {
        let mounts =
            "none / overlay rw 0 0\ndisk /data ext4 rw 0 0\nnone /data/fast tmpfs rw 0 0\n";
        let on = |path: &str| file_system_of(mounts, Path::new(path));
        assert_eq!(on("/data/here"), Some("ext4"));
        assert_eq!(on("/data/fast/here"), Some("tmpfs"));
        assert_eq!(on("/database"), Some("overlay"));
    }
}
