//! The table of programs: one file each in `world/rules/commands`, checked when it is loaded.
//!
//! A file lists what may be given: flags with their values, positionals with their kind. Nothing else
//! reaches the program, and what does is written anew (see [`argv`]). Each file carries examples that
//! must come out as told, so that a change of the rule that widens it is noticed at the next start.

pub mod argv;
pub mod file;
pub mod never;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use vivarium_types::Reason;

use crate::planted::{self, Control};
use crate::request::{Limits, Request};
use crate::roots::{Kind, Paths, Roots, Shape};
use file::File;

/// Largest program, in bytes.
const PROGRAM_BYTES_MAX: u64 = 64 << 20;

/// What somebody wants to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The program's id in the table.
    pub program: String,
    /// Its arguments, one each; never a line of a shell.
    pub args: Vec<String>,
    /// Where: a root and a folder in it, such as `library/notes`.
    pub folder: String,
    /// How long it may take, in seconds; 0: what the rule says.
    pub seconds: u64,
}

/// Why a call is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `COMMAND_NOT_LISTED`, `COMMAND_ARGUMENT_REFUSED` or `SANDBOX_INCOMPLETE`.
    pub reason: Reason,
    /// The rule's name.
    pub rule: &'static str,
    /// Which argument, from 0.
    pub at: Option<usize>,
    /// One sentence.
    pub why: String,
}

impl Refused {
    /// A refusal of the whole call, and not of one argument.
    pub const fn whole(reason: Reason, rule: &'static str, why: String) -> Self {
        Self { reason, rule, at: None, why }
    }

    pub(crate) fn argument(rule: &'static str, at: usize, why: impl Into<String>) -> Self {
        let reason = Reason::CommandArgumentRefused;
        Self { reason, rule, at: Some(at), why: why.into() }
    }

    pub(crate) fn call(rule: &'static str, why: impl Into<String>) -> Self {
        Self::whole(Reason::CommandArgumentRefused, rule, why.into())
    }
}

/// Why the table cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
}

/// A program that may be run.
#[derive(Debug)]
pub struct Program {
    file: File,
    /// Its file with all links resolved.
    path: PathBuf,
    /// SHA-256 of it, in hexadecimal.
    sha256: String,
}

impl Program {
    /// What it does, in words.
    pub fn about(&self) -> &str {
        &self.file.about
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its fingerprint.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Its rule.
    pub const fn rule(&self) -> &File {
        &self.file
    }
}

/// All programs that may be run, and which of the listed ones this machine does not have.
#[derive(Debug, Default)]
pub struct Rules {
    programs: BTreeMap<String, Program>,
    absent: BTreeMap<String, String>,
}

impl Rules {
    /// Reads and checks the table. A folder that is not there is an empty table.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let mut rules = Self::default();
        let Ok(entries) = fs::read_dir(folder) else { return Ok(rules) };
        let paths = entries.flatten().map(|entry| entry.path());
        let mut paths: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
        paths.sort();
        for path in paths {
            let fault = |why: String| Error { path: path.clone(), why };
            let text = fs::read_to_string(&path).map_err(|error| fault(error.to_string()))?;
            let file: File = toml::from_str(&text).map_err(|error| fault(error.to_string()))?;
            let file = file.checked().map_err(&fault)?;
            if path.file_stem().is_none_or(|stem| *stem != *file.program) {
                return Err(fault(format!("it has to be called {}.toml", file.program)));
            }
            rules.add(file).map_err(fault)?;
        }
        Ok(rules)
    }

    fn add(&mut self, file: File) -> Result<(), String> {
        if let Some(class) = never::class(&file.program, &file.path)
            && planted::holds(Control::Never)
        {
            return Err(format!("{} cannot be listed: it is {class}", file.program));
        }
        try_examples(&file)?;
        if !file.path.exists() {
            let why = format!("{} is not on this machine", file.path.display());
            self.absent.insert(file.program, why);
            return Ok(());
        }
        let (path, sha256) = pin(&file.path)?;
        if let Some(class) = never::class(&file.program, &path)
            && planted::holds(Control::Never)
        {
            return Err(format!("{} cannot be listed: it is {class}", path.display()));
        }
        self.programs.insert(file.program.clone(), Program { file, path, sha256 });
        Ok(())
    }

    /// The programs, by id.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
        self.programs.iter().map(|(id, program)| (id.as_str(), program))
    }

    /// Listed programs that this machine does not have, by id, and why.
    pub fn absent(&self) -> impl Iterator<Item = (&str, &str)> {
        self.absent.iter().map(|(id, why)| (id.as_str(), why.as_str()))
    }

    /// What a call comes to, without running it.
    pub fn judge(&self, call: &Call, roots: &Roots) -> Result<Request, Refused> {
        let unlisted = |why| Refused::whole(Reason::CommandNotListed, "program", why);
        let program = self.programs.get(&call.program).ok_or_else(|| {
            let absent = self.absent.get(&call.program).cloned();
            unlisted(absent.unwrap_or_else(|| {
                let ids: Vec<_> = self.programs.keys().map(String::as_str).collect();
                let known = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
                format!("{} is not in the table of programs: {known}", shown(&call.program))
            }))
        })?;
        let rule = &program.file;
        // What needs no look at the disk comes first: most of what is refused is refused there.
        roots.form(&call.folder).map_err(|why| Refused::call("folder", why))?;
        let argv = argv::construct(rule, call, roots)?;
        let folder = roots.resolve(&call.folder, "", Kind::Folder);
        let folder = folder.map_err(|why| Refused::call("folder", why))?;
        let seconds = match call.seconds {
            0 => rule.seconds,
            wanted if wanted <= rule.seconds => wanted,
            _ => {
                let why = format!("{} may take at most {} seconds", rule.program, rule.seconds);
                return Err(Refused::call("seconds", why));
            }
        };
        let limits = Limits { wall_ms: seconds * 1_000, cpu_seconds: seconds, ..Limits::default() };
        Ok(Request {
            program: program.path.clone(),
            sha256: program.sha256.clone(),
            argv,
            mounts: roots.mounts(),
            folder,
            children: rule.children,
            limits,
        })
    }
}

/// A caller's word in a message: short and without what a terminal obeys.
fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Each example of a rule comes out as it says.
fn try_examples(file: &File) -> Result<(), String> {
    for (number, example) in file.example.iter().enumerate() {
        let call = Call {
            program: file.program.clone(),
            args: example.args.clone(),
            folder: example.folder.clone(),
            seconds: 0,
        };
        let came = argv::construct(file, &call, &Shape);
        let as_told = match (&example.argv, &example.refused, &came) {
            (Some(wanted), None, Ok(argv)) => argv[1..] == **wanted,
            (None, Some(wanted), Err(refused)) => refused.rule == wanted,
            _ => false,
        };
        if !as_told {
            return Err(format!("example {} comes out as {came:?}", number + 1));
        }
    }
    Ok(())
}

/// A program's real file and fingerprint, if nobody but root can exchange it and it is a program of
/// this machine and no script.
fn pin(path: &Path) -> Result<(PathBuf, String), String> {
    let real = fs::canonicalize(path).map_err(|error| error.to_string())?;
    let told = |why: &str| format!("{}: {why}", real.display());
    let mut file = fs::File::open(&real).map_err(|error| told(&error.to_string()))?;
    let about = file.metadata().map_err(|error| told(&error.to_string()))?;
    let mode = about.permissions().mode();
    if !about.is_file() || mode & 0o111 == 0 {
        return Err(told("it is not a program"));
    }
    if mode & 0o7000 != 0 {
        return Err(told("it changes the user or the group when it is run"));
    }
    if about.uid() != 0 || mode & 0o022 != 0 {
        return Err(told("somebody other than root can exchange it"));
    }
    if about.len() > PROGRAM_BYTES_MAX {
        return Err(told("it is too large"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| told(&error.to_string()))?;
    if !bytes.starts_with(b"\x7fELF") {
        return Err(told("it is a script: list the program that it starts, if it may be listed"));
    }
    Ok((real, hex::encode(Sha256::digest(&bytes))))
}
