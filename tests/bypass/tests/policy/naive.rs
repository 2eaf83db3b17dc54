//! The positive control: a model of the predecessor's policy, a list of names and a few checks of text.
//!
//! A program is allowed by the last part of its name; characters of a shell are denied; a path is
//! checked only where an argument looks like one. The same attacks have to breach it.

use std::fs;
use std::path::{Path, PathBuf};

use vivarium_sandbox::rules::Call;

/// Allowed by name: the predecessor's five, and the programs of our table.
const ALLOWED: [&str; 21] = [
    "ls",
    "pwd",
    "echo",
    "cat",
    "rg",
    "cmp",
    "comm",
    "cut",
    "diff",
    "fold",
    "head",
    "nl",
    "od",
    "paste",
    "sha256sum",
    "sort",
    "stat",
    "tac",
    "tail",
    "uniq",
    "wc",
];

/// The file that it would run, or none where it refuses.
pub(crate) fn judge(call: &Call, root: &Path) -> Option<PathBuf> {
    let name = call.program.rsplit('/').next()?;
    let is_clean = |text: &str| !text.chars().any(is_of_a_shell);
    if !ALLOWED.contains(&name) || !is_clean(&call.program) {
        return None;
    }
    let fine = |arg: &String| is_clean(arg) && is_fine_as_path(arg, root);
    if !call.args.iter().all(fine) {
        return None;
    }
    if call.program.contains('/') {
        return Some(root.join(&call.program));
    }
    let found = ["/usr/bin", "/bin"].into_iter().map(|folder| Path::new(folder).join(name));
    found.into_iter().find(|path| path.exists())
}

const fn is_of_a_shell(c: char) -> bool {
    matches!(c, ';' | '|' | '&' | '`' | '$' | '<' | '>' | '(' | ')' | '\n' | '\r' | '\0')
}

/// Only what looks like a path is checked: no flag, and a slash or an end such as `.md` in it.
fn is_fine_as_path(arg: &str, root: &Path) -> bool {
    let has_end = Path::new(arg).extension().is_some();
    if arg.starts_with('-') || !(arg.contains('/') || has_end) {
        return true;
    }
    let whole = root.join(arg);
    let real = fs::canonicalize(&whole).unwrap_or(whole);
    let parts = || arg.split('/');
    real.starts_with(root) && !parts().any(|part| part == "..")
}
