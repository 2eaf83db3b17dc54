//! Python, as far as it is needed: an environment for the engine, and pip inside it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use vivarium_chassis::Refusal;
use vivarium_types::Reason;

use crate::failure::Failure;

/// The interpreter that makes the environment; another one with `VIVARIUM_PYTHON`.
const PYTHON: &str = "python3";
const VARIABLE: &str = "VIVARIUM_PYTHON";
/// Says the version, if the modules are there and it is new enough.
const LOOK: &str = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2]); \
                    sys.exit(0 if sys.version_info >= (3, 10) else 'it is older than 3.10')";
/// Characters of what a failed program said that are shown.
const SAID_CHARS: usize = 200;

/// The environment of the engine.
#[derive(Debug, Clone)]
pub(super) struct Python {
    program: PathBuf,
}

/// What a program said when it failed.
pub(super) type Said = String;

impl Python {
    /// The environment in `folder`, if one is there.
    pub(super) fn in_folder(folder: &Path) -> Option<Self> {
        let program = folder.join("bin").join("python");
        program.exists().then_some(Self { program })
    }

    /// Makes the environment anew.
    pub(super) async fn make(folder: &Path) -> Result<Self, Failure> {
        let base = std::env::var_os(VARIABLE).unwrap_or_else(|| PYTHON.into());
        let missing = |why: Said| Refusal::new(Reason::ModelPythonMissing).with("why", why);
        run(Command::new(&base).args(["-I", "-c", LOOK])).await.map_err(missing)?;
        let mut venv = Command::new(&base);
        venv.args(["-I", "-m", "venv", "--clear"]).arg(folder);
        run(&mut venv).await.map_err(missing)?;
        let made = Self::in_folder(folder);
        Ok(made.ok_or_else(|| missing("the environment has no interpreter".to_owned()))?)
    }

    /// Runs a piece of Python of our own.
    pub(super) fn command(&self, code: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-I", "-B", "-c", code]);
        command
    }

    /// Runs pip, with the index and the certificates that this machine has set up for it.
    pub(super) async fn pip<I>(&self, arguments: I) -> Result<(), Said>
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut pip = Command::new(&self.program);
        pip.args(["-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]);
        run(pip.args(arguments)).await
    }

    /// Downloads one file of a package into an empty folder; pip checks its hash.
    pub(super) async fn download(&self, wanted: &str, folder: &Path) -> Result<(), Said> {
        let list = folder.join("wanted.txt");
        fs::write(&list, wanted).map_err(|error| error.to_string())?;
        let arguments = ["download", "--no-deps", "--require-hashes", "--only-binary", ":all:"];
        let arguments = arguments.into_iter().map(OsStr::new);
        let limits = ["--retries", "2", "--progress-bar", "off", "--no-cache-dir"].map(OsStr::new);
        let places = [OsStr::new("-d"), folder.as_os_str(), OsStr::new("-r"), list.as_os_str()];
        let outcome = self.pip(arguments.chain(limits).chain(places)).await;
        drop(fs::remove_file(&list));
        outcome
    }
}

/// Runs a program to its end; the error is what it said last.
pub(super) async fn run(command: &mut Command) -> Result<(), Said> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| format!("{name} does not start ({error})"))?;
    if output.status.success() { Ok(()) } else { Err(last_words(&output.stderr)) }
}

/// The line that says most: the last error, or the last line at all.
pub(super) fn last_words(stderr: &[u8]) -> Said {
    let text = String::from_utf8_lossy(stderr);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty()).rev();
    let error = lines().find_map(|line| line.strip_prefix("ERROR: "));
    let line = error.or_else(|| lines().next()).unwrap_or("it ended without a word");
    line.chars().take(SAID_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_what_a_person_reads() {
        let said = b"WARNING: retrying\nERROR: first\nERROR: No matching distribution\n\nnotice\n";
        assert_eq!(last_words(said), "No matching distribution");
        assert_eq!(last_words(b"Traceback\nImportError: x\n"), "ImportError: x");
        assert_eq!(last_words(b""), "it ended without a word");
    }
}
