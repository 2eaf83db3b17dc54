//! The cases: data files in `cases/`, one class each, and what their placeholders stand for.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vivarium_bypass::tree::Tree;
use vivarium_sandbox::rules::Call;

/// Files in `cases/` that hold no attacks.
const OTHERS: [&str; 3] = ["benign", "explained", "gtfobins"];

/// One attack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Its name, once in all files.
    pub(crate) id: String,
    /// Where the idea is known.
    pub(crate) source: String,
    /// What it would gain.
    pub(crate) why: String,
    /// What is called.
    pub(crate) program: String,
    /// With what.
    pub(crate) args: Vec<String>,
    /// Where.
    #[serde(default = "library")]
    pub(crate) folder: String,
    /// What `swap/now` is meanwhile.
    pub(crate) setup: Option<String>,
    /// The time asked for.
    #[serde(default)]
    pub(crate) seconds: u64,
}

/// The cases of one file.
#[derive(Debug)]
pub(crate) struct Class {
    /// The file's name without its end.
    pub(crate) name: String,
    /// Its cases.
    pub(crate) cases: Vec<Case>,
}

/// An everyday call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Benign {
    /// What is called.
    pub(crate) program: String,
    /// With what.
    pub(crate) args: Vec<String>,
    /// Where.
    #[serde(default = "library")]
    pub(crate) folder: String,
}

/// A catalogued program that is in the table all the same.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explained {
    /// Its id.
    pub(crate) id: String,
    /// Why it is harmless here.
    pub(crate) why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attacks {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Everyday {
    call: Vec<Benign>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Explanations {
    program: Vec<Explained>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    ids: Vec<String>,
}

fn library() -> String {
    "library".to_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = folder().join(format!("{name}.toml"));
    let text = fs::read_to_string(&path).expect("the cases lie beside the tests");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All attacks, by class.
pub(crate) fn classes() -> Vec<Class> {
    let entries = fs::read_dir(folder()).expect("the cases lie beside the tests");
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut names: Vec<_> = entries.flatten().filter_map(|entry| stem(entry.path())).collect();
    names.retain(|name| !OTHERS.contains(&name.as_str()));
    names.sort();
    let class = |name: String| {
        let Attacks { case } = read(&name);
        Class { name, cases: case }
    };
    names.into_iter().map(class).collect()
}

/// Everyday calls.
pub(crate) fn benign() -> Vec<Benign> {
    let Everyday { call } = read("benign");
    call
}

/// The ids of the `GTFOBins` catalogue.
pub(crate) fn catalogued() -> Vec<String> {
    let Ids { ids } = read("gtfobins");
    ids
}

/// Those of them that the table lists, and why.
pub(crate) fn explained() -> Vec<Explained> {
    let Explanations { program } = read("explained");
    program
}

impl Case {
    /// The call, with the placeholders of this tree.
    pub(crate) fn call(&self, tree: &Tree) -> Call {
        let fill = |text: &String| fill(text, tree);
        Call {
            program: fill(&self.program),
            args: self.args.iter().map(fill).collect(),
            folder: fill(&self.folder),
            seconds: self.seconds,
        }
    }
}

/// A text with `{root}`, `{outside}`, `{secret}` and `{marker}` replaced, and `{x:9}` by nine x.
fn fill(text: &str, tree: &Tree) -> String {
    let mut text = text.to_owned();
    let outside = tree.outside();
    let places = [
        ("{root}", tree.root()),
        ("{secret}", outside.join("secret.txt")),
        ("{outside}", outside),
        ("{marker}", tree.marker()),
    ];
    for (name, path) in places {
        text = text.replace(name, path.to_str().expect("the tree has a plain path"));
    }
    repeated(&text).unwrap_or(text)
}

fn repeated(text: &str) -> Option<String> {
    let (before, rest) = text.split_once('{')?;
    let (inner, after) = rest.split_once('}')?;
    let (what, count) = inner.rsplit_once(':')?;
    Some(format!("{before}{}{after}", what.repeat(count.parse().ok()?)))
}
