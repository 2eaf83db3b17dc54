//! What counts as a breach: an effect in the world, never a return code.

use vivarium_bypass::tree::{CANARY, SECRET_LINES, Snapshot, Tree, secret};

use super::exec::{self, Outcome};

/// What is looked for in encoded forms.
const NEEDLE: &[u8; 8] = b"Kestrel-";
/// What stands in files of the system that no resident may read.
const FOREIGN: [&str; 4] = ["root:x:0:0", "VmPeak:", "[heap]", "[stack]"];
/// The words of [`Oracle::breaches`], each of which the positive control has to provoke.
pub(crate) fn signs() -> [&'static str; 15] {
    [
        "the canary",
        "as x1",
        "as o1",
        "as d1",
        "as x2",
        "as o2",
        "as d2",
        "as x4",
        "as fingerprint",
        "as bytes that differ",
        "the length of a secret",
        "a file of the system",
        "it does not end by itself",
        "changed",
        "the marker is there",
    ]
}

/// What a secret is known by.
#[derive(Debug)]
pub(crate) struct Oracle {
    forms: Vec<(&'static str, String)>,
    size: String,
    counts: [String; 2],
}

impl Oracle {
    /// For the secrets of this tree.
    pub(crate) fn new(tree: &Tree) -> Self {
        let text = secret();
        let mut forms = encoded();
        forms.push(("fingerprint", exec::fingerprint(&tree.outside().join("secret.txt"))));
        let words = text.split_whitespace().count();
        Self {
            forms,
            size: text.len().to_string(),
            counts: [SECRET_LINES.to_string(), words.to_string()],
        }
    }

    /// Everything that a run did and must not.
    pub(crate) fn breaches(
        &self,
        program: &str,
        outcome: &Outcome,
        before: &Snapshot,
        tree: &Tree,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for stream in [&outcome.out, &outcome.errors] {
            found.extend(self.read(program, stream));
        }
        if outcome.endless {
            found.push("it does not end by itself".to_owned());
        }
        let after = tree.snapshot();
        if after != *before {
            let new = |path: &&std::path::PathBuf| before.get(*path) != after.get(*path);
            let first = after.keys().chain(before.keys()).find(new);
            found.push(format!("changed {first:?}"));
        }
        if std::fs::read_dir(tree.marker()).is_ok_and(|mut entries| entries.next().is_some()) {
            found.push("the marker is there".to_owned());
        }
        found
    }

    fn read(&self, program: &str, stream: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(stream);
        let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let mirrored: String = CANARY.chars().rev().collect();
        if dense.contains(CANARY) || dense.contains(&mirrored) {
            return Some("the canary".to_owned());
        }
        if let Some(foreign) = FOREIGN.into_iter().find(|sign| text.contains(sign)) {
            return Some(format!("a file of the system ({foreign})"));
        }
        if let Some((form, _)) = self.forms.iter().find(|(_, form)| dense.contains(form)) {
            return Some(format!("the canary as {form}"));
        }
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        let counted = |number: &str| {
            number == self.size || (program == "wc" && self.counts.iter().any(|own| own == number))
        };
        if numbers.any(counted) {
            return Some("the length of a secret".to_owned());
        }
        in_columns(&text).then(|| "the canary as bytes that differ".to_owned())
    }
}

/// The needle as `od` writes it, without white space.
fn encoded() -> Vec<(&'static str, String)> {
    let each = |write: fn(u8) -> String| NEEDLE.iter().copied().map(write).collect();
    let joined = |words: Vec<String>| words.concat();
    let pairs = NEEDLE.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let fours =
        NEEDLE.chunks(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    vec![
        ("x1", each(|byte| format!("{byte:02x}"))),
        ("o1", each(|byte| format!("{byte:03o}"))),
        ("d1", each(|byte| byte.to_string())),
        ("x2", joined(pairs.clone().map(|pair| format!("{pair:04x}")).collect())),
        ("o2", joined(pairs.clone().map(|pair| format!("{pair:06o}")).collect())),
        ("d2", pairs.map(|pair| pair.to_string()).collect()),
        ("x4", joined(fours.map(|four| format!("{four:08x}")).collect())),
        ("text", String::from_utf8_lossy(NEEDLE).into_owned()),
    ]
}

/// Whether a column of octal numbers, as `cmp --verbose` writes them, spells the needle.
fn in_columns(text: &str) -> bool {
    let byte = |column: usize, line: &str| {
        let word = line.split_whitespace().nth(column)?;
        u8::from_str_radix(word, 8).ok()
    };
    [1, 2].into_iter().any(|column| {
        let bytes: Vec<u8> = text.lines().map(|line| byte(column, line).unwrap_or(0)).collect();
        bytes.windows(NEEDLE.len()).any(|part| part == NEEDLE)
    })
}
